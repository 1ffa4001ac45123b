"""The Keras contract, over every explicit model: files, precision, replicas, weights, bad data."""

import functools
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras import (
    DALLE,
    FVSBN,
    NADE,
    DiagonalBiLSTM,
    GatedPixelCNN,
    OrderlessNADE,
    PixelCNN,
    RowLSTM,
    TabularAutoregressive,
    load_model,
)
from genkeras.autoregressive.orderings import random_orders
from genkeras.likelihoods import Categorical, MixtureOfGaussians

ROWS = 12


def levels(*event_shape, num_classes=2):
    return np.random.default_rng(1).integers(0, num_classes, (ROWS, *event_shape)).astype("float32")


def reals(num_features):
    return np.random.default_rng(1).normal(size=(ROWS, num_features)).astype("float32")


# Name: constructor, rows of data.
MODELS = {
    "tabular of order 0": (
        lambda **k: TabularAutoregressive(5, 0, num_examples=ROWS, seed=0, **k),
        levels(5),
    ),
    "tabular of order 1": (
        lambda **k: TabularAutoregressive(5, 1, pseudo_count=0, seed=0, **k),
        levels(5),
    ),
    "tabular of order 2": (
        lambda **k: TabularAutoregressive(5, 2, num_examples=ROWS, seed=0, **k),
        levels(5),
    ),
    "tabular of 3 levels": (
        lambda **k: TabularAutoregressive(4, 1, 3, num_examples=ROWS, seed=0, **k),
        levels(4, num_classes=3),
    ),
    "fvsbn": (lambda **k: FVSBN(5, seed=0, **k), levels(5)),
    "nade": (lambda **k: NADE(5, 4, seed=0, **k), levels(5)),
    "nade in a spiral": (lambda **k: NADE(9, 4, ordering="spiral", seed=0, **k), levels(9)),
    "nade of 3 levels": (
        lambda **k: NADE(4, 3, Categorical(3), seed=0, **k),
        levels(4, num_classes=3),
    ),
    "mixture nade": (lambda **k: NADE(3, 4, MixtureOfGaussians(2), seed=0, **k), reals(3)),
    "nade with labels": (
        lambda **k: NADE(4, 4, ordering="random", num_labels=3, seed=0, **k),
        levels(4),
    ),
    "orderless nade": (lambda **k: OrderlessNADE(5, 4, seed=0, **k), levels(5)),
    "orderless nade of two layers": (
        lambda **k: OrderlessNADE(5, 4, 2, orderings=random_orders(5, 3, seed=1), seed=0, **k),
        levels(5),
    ),
    "orderless nade with labels": (
        lambda **k: OrderlessNADE(4, 4, orderings="random", num_labels=3, seed=0, **k),
        levels(4),
    ),
    "orderless mixture nade": (
        lambda **k: OrderlessNADE(3, 4, likelihood=MixtureOfGaussians(2), seed=0, **k),
        reals(3),
    ),
    "pixel cnn of 3 levels": (
        lambda **k: PixelCNN(
            (3, 3), Categorical(3), 2, 1, 2, ordering="reversed", position_bias=True, seed=0, **k
        ),
        levels(3, 3, num_classes=3),
    ),
    "gated pixel cnn with labels": (
        lambda **k: GatedPixelCNN((3, 2), None, 2, 1, 2, num_labels=3, seed=0, **k),
        levels(3, 2),
    ),
    "row lstm of colours": (
        lambda **k: RowLSTM((2, 2, 3), None, 3, 1, 3, seed=0, **k),
        levels(2, 2, 3),
    ),
    "diagonal bilstm with labels": (
        lambda **k: DiagonalBiLSTM(
            (3, 2), None, 2, 1, 2, ordering="column-major", num_labels=3, seed=0, **k
        ),
        levels(3, 2),
    ),
    "dall-e with captions": (
        # Two replicas would drop other captions.
        lambda **k: DALLE((2, 2), 3, 4, 6, 8, 2, 1, 8, caption_dropout=0.0, seed=0, **k),
        levels(2, 2, num_classes=3),
    ),
}
# Models whose layers compute in half precision where the policy says so.
HALVED = [name for name in MODELS if any(kind in name for kind in ("pixel", "lstm", "dall-e"))]
LABELS = np.arange(ROWS) % 3
CAPTIONS = np.random.default_rng(6).integers(0, 6, (ROWS, 4))
every_model = pytest.mark.parametrize("name", MODELS)
some_models = pytest.mark.parametrize(
    "name", ["tabular of order 2", "fvsbn", "nade with labels", "dall-e with captions"]
)


def made(name, *, optimizer=None, **options):
    """A model whose weights are random but the same each time; compiled with an optimiser."""
    make, _ = MODELS[name]
    compile_options = {k: options.pop(k) for k in ("jit_compile",) if k in options}
    model = make(**options)
    model.build((None, *model.event_shape))
    random = np.random.default_rng(2)
    for weight in model.trainable_variables:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    if optimizer is not None:
        model.compile(optimizer=optimizer, **compile_options)
    return model


def sgd():
    return keras.optimizers.SGD(0.5)


def condition_of(name, rows=slice(None)):
    if "captions" in name:
        return CAPTIONS[rows]
    return LABELS[rows] if "labels" in name else None


def data_of(name, rows=slice(None)):
    """What `fit` takes."""
    x, condition = MODELS[name][1][rows], condition_of(name, rows)
    return x if condition is None else {"x": x, "condition": condition}


def nll_of(model, name, rows=slice(None)):
    return -model.log_prob(MODELS[name][1][rows], condition_of(name, rows)).numpy()


def state_of(model):
    variables = [*model.variables, *(model.optimizer.variables if model.optimizer else ())]
    return [np.array(v) for v in variables]


def weights_of(model):
    return [np.array(v) for v in model.trainable_variables]


def assert_all_close(actual, expected, **tolerance):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


@pytest.fixture(scope="module")
def plain_step():
    """Of each model its NLLs, then the loss and the weights of one plain step over all rows."""

    @functools.cache
    def of(name):
        model = made(name, optimizer=sgd())
        nll = nll_of(model, name)
        loss = model.fit(data_of(name), batch_size=ROWS, verbose=0).history["loss"][0]
        assert_moved(model, name)
        return nll, loss, weights_of(model)

    return of


def assert_moved(model, name):
    pairs = zip(weights_of(model), weights_of(made(name)), strict=True)
    assert any(np.any(now != before) for now, before in pairs)


@every_model
def test_a_configuration_rebuilds_the_model(name):
    model = made(name)
    config = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.build((None, *again.event_shape))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(nll_of(again, name), nll_of(model, name))


READER = """
import sys
import numpy as np
import genkeras

found = {}
for name in sys.argv[2:]:
    data = np.load(f"{sys.argv[1]}/{name}.npz")
    model = genkeras.load_model(f"{sys.argv[1]}/{name}.keras")
    condition = data.get("condition")
    found[f"{name}/log_prob"] = model.log_prob(data["x"], condition)
    one = None if condition is None else condition[1]
    found[f"{name}/samples"] = model.sample(3, condition=one, seed=4)
    for k, variable in enumerate(model.optimizer.variables):
        found[f"{name}/optimizer{k}"] = variable
np.savez(f"{sys.argv[1]}/found.npz", **found)
"""


@pytest.fixture(scope="module")
def in_another_process(tmp_path_factory):
    """Every model after one step of Adam, and what one child process read from all their files."""
    folder = tmp_path_factory.mktemp("saved")
    models = {}
    for name, (_, x) in MODELS.items():
        models[name] = made(name, optimizer=keras.optimizers.Adam(0.01))
        models[name].fit(data_of(name), batch_size=ROWS, verbose=0)
        models[name].save(folder / f"{name}.keras")
        condition = condition_of(name)
        np.savez(
            folder / f"{name}.npz", x=x, **({} if condition is None else {"condition": condition})
        )
    subprocess.run([sys.executable, "-c", READER, folder, *MODELS], check=True)
    return models, np.load(folder / "found.npz")


@every_model
def test_a_saved_model_is_the_same_in_another_process(in_another_process, name):
    models, found = in_another_process
    model = models[name]
    np.testing.assert_allclose(found[f"{name}/log_prob"], -nll_of(model, name), rtol=1e-6)
    condition = condition_of(name)
    one = None if condition is None else condition[1]
    np.testing.assert_allclose(
        found[f"{name}/samples"], model.sample(3, condition=one, seed=4), rtol=1e-5
    )
    kept = [found[f"{name}/optimizer{k}"] for k in range(len(model.optimizer.variables))]
    assert_all_close(kept, model.optimizer.variables)
    assert kept[0] == 1  # the number of steps


@pytest.mark.parametrize("name", [name for name in MODELS if "orderless" not in name])
def test_a_step_compiled_by_xla_is_the_same_step(plain_step, name):
    model = made(name, optimizer=sgd(), jit_compile=True)
    model.fit(data_of(name), batch_size=ROWS, verbose=0)
    assert_all_close(weights_of(model), plain_step(name)[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in MODELS if "orderless" in name])
def test_a_step_compiled_by_xla_draws_the_same_known_variables(name):
    plain, compiled = (made(name, optimizer=sgd(), jit_compile=jit) for jit in (False, True))
    for model in (plain, compiled):
        model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
    assert_moved(plain, name)
    assert_all_close(weights_of(compiled), weights_of(plain), rtol=1e-4, atol=1e-5)


@every_model
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_policies_keep_the_density_in_float32(plain_step, name, policy):
    nll, _, weights = plain_step(name)
    model = made(name, optimizer=sgd(), dtype=policy)
    if name in HALVED:
        # Ten layers or so, each rounded to 8 bits.
        assert model.log_prob(MODELS[name][1], condition_of(name)).dtype == tf.float32
        np.testing.assert_allclose(nll_of(model, name), nll, rtol=10 * 2**-8)
        # Steps whose float16 gradients overflow are left out while the scale of the loss is found.
        model.fit(data_of(name), batch_size=ROWS, epochs=8, verbose=0)
        assert_moved(model, name)
    else:
        # No layer computes in half precision, so nothing may change but the scaling of the loss,
        # which is by a power of two.
        np.testing.assert_array_equal(nll_of(model, name), nll)
        model.fit(data_of(name), batch_size=ROWS, verbose=0)
        assert_all_close(weights_of(model), weights, rtol=1e-5, atol=1e-6)
    evaluated = model.evaluate(data_of(name), batch_size=ROWS, verbose=0)
    assert evaluated == pytest.approx(nll_of(model, name).mean(), rel=1e-5)


@every_model
def test_evaluate_is_the_mean_nll_with_a_smaller_last_batch_and_for_datasets(name):
    model = made(name, optimizer=sgd())
    expected = nll_of(model, name).mean()
    data = data_of(name)
    assert model.evaluate(data, batch_size=5, verbose=0) == pytest.approx(expected, rel=1e-5)
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(5)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_validation_data_is_scored_like_evaluate():
    x = MODELS["fvsbn"][1]
    weights = np.linspace(0, 2, ROWS)
    for given in (x, (x, None, weights), tf.data.Dataset.from_tensor_slices(x).batch(5)):
        model = made("fvsbn", optimizer=sgd())
        history = model.fit(x, batch_size=5, validation_data=given, verbose=0).history
        factor = weights if isinstance(given, tuple) else 1
        expected = np.mean(factor * nll_of(model, "fvsbn"))
        assert history["val_loss"][0] == pytest.approx(expected, rel=1e-5)


def weighted_dataset(data, weights, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((data, weights)).batch(batch_size)
    return dataset.map(lambda x, w: (x, None, w))


@every_model
def test_weights_multiply_each_rows_nll(name):
    model = made(name, optimizer=sgd())
    weights = np.random.default_rng(3).random(ROWS).astype("float32")
    expected = np.mean(weights * nll_of(model, name))  # divided by the rows, not by the weights
    data = data_of(name)
    found = model.evaluate(data, sample_weight=weights, batch_size=5, verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)
    found = model.evaluate(weighted_dataset(data, weights, 5), verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "name", ["tabular of order 1", "fvsbn", "nade with labels", "dall-e with captions"]
)
@pytest.mark.parametrize("kind", ["array", "dataset"])
def test_whole_weights_train_like_repeated_rows(name, kind):
    weights = np.array([0, 1, 2, 3] * (ROWS // 4))
    repeated = np.repeat(np.arange(ROWS), weights)
    factor = ROWS / len(repeated)  # the loss is divided by the rows of the batch
    weighted = made(name, optimizer=keras.optimizers.SGD(0.5 * factor))
    plain = made(name, optimizer=sgd())
    data = data_of(name)
    if kind == "array":
        weighted.fit(data, sample_weight=weights, batch_size=ROWS, verbose=0)
    else:
        dataset = weighted_dataset(data, np.float32(weights), ROWS)
        weighted.fit(dataset, shuffle=False, verbose=0)
    plain.fit(data_of(name, repeated), batch_size=len(repeated), verbose=0)
    assert_moved(plain, name)
    assert_all_close(weights_of(weighted), weights_of(plain), rtol=1e-4, atol=1e-5)


@some_models
def test_two_replicas_take_the_step_of_one_device(plain_step, two_replicas, name):
    _, loss, weights = plain_step(name)
    with two_replicas.scope():
        model = made(name, optimizer=sgd())
    history = model.fit(data_of(name), batch_size=ROWS, verbose=0).history
    assert history["loss"][0] == pytest.approx(loss, rel=1e-5)
    assert_all_close(weights_of(model), weights, rtol=1e-4, atol=1e-5)


def test_two_replicas_take_the_step_of_one_device_on_the_same_known_variables(
    two_replicas, monkeypatch
):
    known = np.random.default_rng(4).integers(0, 2, (ROWS, 5)).astype("float32")

    def fed(_, batch_size):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.constant(known)[replica * batch_size :][:batch_size]

    monkeypatch.setattr(OrderlessNADE, "_random_known", fed)
    name = "orderless nade of two layers"
    single = made(name, optimizer=sgd())
    with two_replicas.scope():
        double = made(name, optimizer=sgd())
    losses = [
        model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0).history["loss"][0]
        for model in (single, double)
    ]
    assert_moved(single, name)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert_all_close(weights_of(double), weights_of(single), rtol=1e-4, atol=1e-5)
    evaluated = double.evaluate(data_of(name), batch_size=ROWS, verbose=0)
    assert evaluated == pytest.approx(nll_of(single, name).mean(), rel=1e-5)


def test_known_variables_differ_from_replica_to_replica(two_replicas):
    with two_replicas.scope():
        model = OrderlessNADE(30, 4, seed=0)
        model.build((None, 30))
    sets = two_replicas.experimental_local_results(
        two_replicas.run(tf.function(lambda: model._random_known(2)))
    )
    assert np.any(sets[0].numpy() != sets[1].numpy())


def test_a_model_scored_before_it_is_trained_by_two_replicas(two_replicas):
    x = MODELS["fvsbn"][1]
    single = FVSBN(5, seed=0)
    with two_replicas.scope():
        double = FVSBN(5, seed=0)
        double.compile(optimizer=sgd())
    double.log_prob(x)  # builds the model, outside the scope
    single.compile(optimizer=sgd())
    for model in (single, double):
        model.fit(x, batch_size=ROWS, shuffle=False, verbose=0)
    np.testing.assert_allclose(double.log_prob(x), single.log_prob(x), rtol=1e-5)


def test_dropout_differs_from_replica_to_replica(two_replicas):
    with two_replicas.scope():
        model = NADE(4, 50, dropout=0.5, seed=0)
        model.build((None, 4))
    masks = two_replicas.experimental_local_results(
        two_replicas.run(tf.function(lambda: model._dropout_scale(2)))
    )
    assert np.any(masks[0].numpy() != masks[1].numpy())


# Bad input: everything is refused with the words of the contract, and nothing changes.

BAD_X = {
    "shape": (np.zeros((3, 5)), r"x of shape \(batch, 4\). Received: x of shape \(3, 5\)"),
    "rank": (np.zeros(4), r"x of shape \(batch, 4\). Received: x of shape \(4,\)"),
    "strings": (np.array([["a"] * 4]), "x to hold real numbers. Received: x with dtype=<U1"),
    "complex": (np.zeros((3, 4), complex), "x to hold real numbers. Received: .*complex128"),
    "nothing": (None, "x to hold real numbers. Received: x with dtype=object"),
    "text": ("abc", "x to hold real numbers. Received"),
    "ragged": ([[0, 1, 0, 1], [0]], "x to be an array. Received"),
    "nan": (np.full((3, 4), np.nan), "finite values in x. Received: nan"),
    "infinity": (np.full((3, 4), -np.inf), "finite values in x. Received: -inf"),
    "beyond float32": (np.full((3, 4), 1e300), r"finite values in x. Received: 1e\+300"),
    "a half": (np.full((3, 4), 0.5), "values of x to be 0 or 1. Received: 0.5"),
    "empty": (np.zeros((0, 4)), r"x with at least one row. Received: shape \(0, 4\)"),
}
BAD_DATA = {
    **BAD_X,
    "unknown key": ({"x": np.zeros((3, 4)), "labels": [1, 2, 3]}, "'x' and 'condition'. Received"),
    "no x": ({"condition": [1, 2, 3]}, r"'x' and 'condition'. Received: keys \['condition'\]"),
    "condition": (
        {"x": np.zeros((3, 4)), "condition": [0, 1, 1]},
        "no condition: the model has num_labels=None. Received: condition of type list",
    ),
    "empty dataset": (
        tf.data.Dataset.from_tensor_slices(np.zeros((0, 4))).batch(2),
        "a dataset with at least one batch. Received: none",
    ),
    "dataset of single rows": (
        tf.data.Dataset.from_tensor_slices(np.zeros((3, 4))),
        r"x of shape \(batch, 4\). Received: x of shape \(4,\)",
    ),
    "dataset of halves": (
        tf.data.Dataset.from_tensor_slices(np.full((3, 4), 0.5)).batch(2),
        "values of x to be 0 or 1. Received: 0.5",
    ),
    "dataset with targets": (
        tf.data.Dataset.from_tensor_slices((np.zeros((3, 4)), np.zeros(3))).batch(2),
        "y=None: the model has no targets",
    ),
    "dataset with bad weights": (
        weighted_dataset(np.zeros((3, 4)), np.float32([-1, 1, 1]), 2),
        "sample_weight to be finite and >= 0. Received: values from -1.0 to 1.0",
    ),
}
BAD_CONDITIONS = {
    "missing": (None, "a condition: the model has num_labels=3. Received: condition of none"),
    "too large": ([0, 1, 3], "condition to hold whole numbers from 0 to 2. Received: 3"),
    "negative": ([0, 1, -1], "condition to hold whole numbers from 0 to 2. Received: -1"),
    "half": ([0, 1, 0.5], "condition to hold whole numbers from 0 to 2. Received: 0.5"),
    "nan": ([0, 1, np.nan], "condition to hold whole numbers from 0 to 2. Received: nan"),
    "infinity": ([0, 1, np.inf], "condition to hold whole numbers from 0 to 2. Received: inf"),
    "too short": ([0, 1], r"condition of shape \(3,\). Received: condition of shape \(2,\)"),
    "strings": (["a", "b", "c"], "condition to hold real numbers. Received: condition with dtype"),
}


@pytest.fixture(scope="module")
def plain():
    model = NADE(4, 3, seed=0)
    model.compile(optimizer="adam")
    model.fit(np.zeros((2, 4)), verbose=0)
    return model


@pytest.fixture(scope="module")
def labelled():
    model = NADE(4, 3, num_labels=3, seed=0)
    model.compile(optimizer="adam")
    model.fit({"x": np.zeros((2, 4)), "condition": [0, 1]}, verbose=0)
    return model


def refused(model, message, action, *arguments, **options):
    before = state_of(model)
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        action(*arguments, **options)
    assert_all_close(state_of(model), before, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(plain, method, case):
    data, message = BAD_DATA[case]
    refused(plain, message, getattr(plain, method), data, verbose=0)


@pytest.mark.parametrize("case", [case for case in BAD_DATA if case != "nothing"])
def test_bad_validation_data(plain, case):
    data, message = BAD_DATA[case]
    if isinstance(data, list | str):
        data = (data,)  # a list or a tuple holds x, y and weights
    refused(plain, message, plain.fit, np.zeros((2, 4)), validation_data=data, verbose=0)


@pytest.mark.parametrize("name", ["fvsbn", "nade with labels", "dall-e with captions"])
def test_a_graph_need_not_know_how_many_rows_there_are(name):
    model, x, condition = made(name), MODELS[name][1], condition_of(name)
    any_rows = [tf.TensorSpec((None, *x.shape[1:]))]
    score = tf.function(lambda x: model.log_prob(x, condition), input_signature=any_rows)
    np.testing.assert_allclose(score(x), model.log_prob(x, condition), rtol=1e-5)


@pytest.mark.parametrize("method", ["log_prob", "conditionals"])
@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(plain, method, case):
    x, message = BAD_X[case]
    refused(plain, message, getattr(plain, method), x)


def test_a_pair_of_rows_and_labels(labelled):
    pair = np.zeros((3, 4), "float32"), np.zeros(3, "int32")
    message = "x to be an array; labels go into {'x': x, 'condition': labels}. Received: tuple"
    refused(labelled, message, labelled.fit, pair, verbose=0)
    refused(labelled, message, labelled.log_prob, pair)


@pytest.mark.parametrize("case", BAD_CONDITIONS)
def test_bad_conditions(labelled, case):
    condition, message = BAD_CONDITIONS[case]
    x = np.zeros((3, 4), "float32")
    data = x if condition is None else {"x": x, "condition": condition}
    refused(labelled, message, labelled.fit, data, verbose=0)
    refused(labelled, message, labelled.evaluate, data, verbose=0)
    refused(labelled, message, labelled.log_prob, x, condition)
    refused(labelled, message, labelled.sample, 3, condition=condition)
    if case not in ("too short", "missing"):
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(3)
        refused(labelled, message, labelled.fit, dataset, verbose=0)


def test_a_call_without_the_condition_is_refused(labelled):
    refused(labelled, "a condition", labelled, tf.zeros((2, 4)))
    refused(labelled, "a condition", labelled.predict, np.zeros((2, 4)), verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": np.zeros(2)}, "y=None: the model has no targets.*ndarray"),
        ({"sample_weight": [1.0, -1.0]}, "sample_weight to be finite and >= 0"),
        ({"sample_weight": [1.0, np.nan]}, "sample_weight to be finite and >= 0"),
        ({"sample_weight": [1.0]}, r"sample_weight of shape \(2,\)"),
    ],
)
def test_bad_targets_and_weights(plain, options, message):
    refused(plain, message, plain.fit, np.zeros((2, 4)), verbose=0, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs to be a whole number >= 1"),
        ({"epochs": "3"}, "epochs to be a whole number >= 1"),
        ({"batch_size": 2.5}, "batch_size to be a whole number >= 1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch to be a whole number >= 1"),
        ({"validation_split": 1.5}, "validation_split to be a number"),
    ],
)
def test_bad_schedules(plain, options, message):
    refused(plain, message, plain.fit, np.zeros((2, 4)), verbose=0, **options)


def test_a_bad_schedule_by_position_is_refused_too(plain):
    refused(plain, "epochs to be a whole number", plain.fit, np.zeros((2, 4)), None, 2, -1)


def test_weights_beside_a_dataset_are_refused(plain):
    dataset = tf.data.Dataset.from_tensor_slices(np.zeros((2, 4))).batch(2)
    message = "sample_weight inside the dataset"
    refused(plain, message, plain.fit, dataset, sample_weight=np.ones(2), verbose=0)


FIRST = [True, False, False, False]
BAD_SAMPLES = {
    "none": ({"num_samples": 0}, "num_samples to be a whole number >= 1. Received: num_samples=0"),
    "two and a half": ({"num_samples": 2.5}, "num_samples.*Received: num_samples=2.5"),
    "true": ({"num_samples": True}, "num_samples.*Received: num_samples=True"),
    "text": ({"num_samples": "3"}, "num_samples.*Received: num_samples='3'"),
    "seed": ({"seed": 2.5}, "seed to be a whole number.*Received: seed=2.5"),
    "mask alone": ({"mask": FIRST}, "conditioned_on and mask together. Received: mask alone"),
    "evidence alone": ({"conditioned_on": np.zeros(4)}, "Received: conditioned_on alone"),
    "mask shape": (
        {"mask": [True], "conditioned_on": np.zeros(4)},
        r"mask of shape \(4,\).*Received: mask of shape \(1,\)",
    ),
    "mask values": (
        {"mask": [0.5, 0, 0, 0], "conditioned_on": np.zeros(4)},
        "mask of shape .* with true or false.*dtype float64",
    ),
    "evidence shape": (
        {"mask": FIRST, "conditioned_on": np.zeros((2, 4))},
        r"conditioned_on of shape \(3, 4\) or \(4,\). Received: .*\(2, 4\)",
    ),
    "evidence values": (
        {"mask": FIRST, "conditioned_on": np.full(4, 0.5)},
        "values of conditioned_on to be 0 or 1. Received: 0.5",
    ),
    "evidence nan": (
        {"mask": FIRST, "conditioned_on": np.full(4, np.nan)},
        "finite values in conditioned_on. Received: nan",
    ),
    "condition": ({"condition": 1}, "no condition: the model has num_labels=None"),
}


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_bad_samples(plain, case):
    options, message = BAD_SAMPLES[case]
    refused(plain, message, plain.sample, **{"num_samples": 3, **options})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (0.5, "Expected values of x to be 0 or 1. Received:"),
        (np.nan, "Expected finite values in x. Received:"),
    ],
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_later_bad_batch_is_stopped_in_the_graph(bad, message, jit_compile):
    x = levels(4)
    x[4:8] = bad
    model, reference = (NADE(4, 3, seed=0) for _ in range(2))
    for one in (model, reference):
        one.compile(optimizer=sgd(), jit_compile=jit_compile)
    reference.fit(x[:4], verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(tf.data.Dataset.from_tensor_slices(x).batch(4), shuffle=False, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_bad_batch_of_a_generator_or_to_predict_is_refused(jit_compile):
    bad = levels(4)[:4]
    bad[2] = 0.5
    model, reference = (NADE(4, 3, seed=0) for _ in range(2))
    for one in (model, reference):
        one.compile(optimizer=sgd(), jit_compile=jit_compile)
    reference.fit(levels(4)[:4], verbose=0)
    message = "Expected values of x to be 0 or 1. Received: 0.5"
    # Keras reads a batch ahead of the step, so the whole fit may be refused.
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=message):
        model.fit((batch for batch in (levels(4)[:4], bad)), steps_per_epoch=2, verbose=0)
    weights = weights_of(model)
    steps = [weights_of(one) for one in (NADE(4, 3, seed=0), reference)]  # none or one was taken
    assert any(all(map(np.allclose, weights, those)) for those in steps)
    with pytest.raises(ValueError, match=message):
        model.predict(bad, verbose=0)


class Halves(keras.utils.PyDataset):
    """Six rows of `x` in each of two batches."""

    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (self.x[6 * index : 6 * index + 6],)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_later_bad_batch_of_a_sequence_is_refused(jit_compile):
    x = levels(4)
    model, reference = (NADE(4, 3, seed=0) for _ in range(2))
    for one in (model, reference):
        one.compile(optimizer=sgd(), jit_compile=jit_compile)
    model.fit(Halves(x), shuffle=False, verbose=0)
    reference.fit(x, batch_size=6, shuffle=False, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-6)
    x[7] = 0.5
    message = "Expected values of x to be 0 or 1. Received:"
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=message):
        model.fit(Halves(x), shuffle=False, verbose=0)


@pytest.mark.parametrize("weight", [-1.0, np.nan])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_later_bad_weights_are_stopped_in_the_graph(weight, jit_compile):
    x, weights = levels(4), np.ones(ROWS, "float32")
    weights[7] = weight
    model, reference = (NADE(4, 3, seed=0) for _ in range(2))
    for one in (model, reference):
        one.compile(optimizer=sgd(), jit_compile=jit_compile)
    reference.fit(x[:6], batch_size=6, verbose=0)
    rows = tf.data.Dataset.from_tensor_slices((x, weights)).batch(6)
    rows = rows.map(lambda x, weights: (x, None, weights))
    message = "Expected sample_weight to be finite and >= 0. Received:"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(rows, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-6)


def test_weights_of_a_dataset_may_be_whole_numbers():
    x = levels(4)
    model = NADE(4, 3, seed=0)
    model.compile(optimizer=sgd(), jit_compile=True)
    rows = tf.data.Dataset.from_tensor_slices((x, np.arange(ROWS))).batch(6)
    model.fit(rows.map(lambda x, weights: (x, None, weights)), verbose=0)
    assert model.optimizer.iterations == 2


def test_a_generator_may_give_arrays_as_a_dataset_does():
    x = levels(4)
    model, reference = (NADE(4, 3, seed=0) for _ in range(2))
    for one in (model, reference):
        one.compile(optimizer=sgd())
    model.fit((part for part in (x[:6], x[6:])), steps_per_epoch=2, verbose=0)
    reference.fit(x, batch_size=6, shuffle=False, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-6)


def test_a_step_on_a_batch_is_that_of_fit_and_its_data_are_checked():
    name = "nade with labels"
    model, reference = (made(name, optimizer=sgd(), jit_compile=True) for _ in range(2))
    loss = model.test_on_batch(data_of(name))
    assert loss == pytest.approx(nll_of(model, name).mean(), rel=1e-5)
    model.train_on_batch(data_of(name))
    reference.fit(data_of(name), batch_size=ROWS, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-5)
    halves = {**data_of(name), "x": np.full((ROWS, 4), 0.5)}
    for call, arguments, options, message in (
        (model.train_on_batch, (halves,), {}, "values of x to be 0 or 1"),
        (model.test_on_batch, (halves,), {}, "values of x to be 0 or 1"),
        (model.train_on_batch, (data_of(name), LABELS), {}, "y=None"),
        (model.train_on_batch, (data_of(name),), {"class_weight": {0: 1}}, "sample_weight"),
    ):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            call(*arguments, **options)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@some_models
def test_a_model_saved_before_it_is_built_is_trained_as_itself(tmp_path, name):
    model = MODELS[name][0]()
    model.compile(optimizer=sgd())
    model.save(tmp_path / "new.keras")
    again = load_model(tmp_path / "new.keras")
    for one in (model, again):
        one.fit(data_of(name), batch_size=ROWS, verbose=0)
    assert_all_close(weights_of(again), weights_of(model), rtol=1e-6)


def test_a_replica_without_rows_changes_no_reported_mean_and_training_stays_finite(two_replicas):
    name = "nade"
    with two_replicas.scope():
        model = made(name, optimizer=sgd())
    # Two and two, two and two, one and none.
    rows = tf.data.Dataset.from_tensor_slices(data_of(name, slice(9))).batch(4)
    nll = nll_of(model, name, slice(9)).mean()
    assert model.evaluate(rows, verbose=0) == pytest.approx(nll, rel=1e-5)
    losses = model.fit(rows, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


class Part(keras.Model):
    """A model that a density is a part of."""

    def __init__(self, density):
        super().__init__()
        self.density = density

    def call(self, x):
        return self.density.log_prob(x)


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda: NADE(4, 30, dropout=0.5, seed=0), levels(4)),
        (lambda: NADE(3, 4, MixtureOfGaussians(2), seed=0), reals(3)),
        (lambda: OrderlessNADE(3, 4, likelihood=MixtureOfGaussians(2), seed=0), reals(3)),
        (lambda: RowLSTM((2, 2, 3), None, 3, 1, 3, seed=0), levels(2, 2, 3)),
    ],
)
def test_a_density_is_exact_inside_a_model_in_training(make, x):
    model = Part(make())
    found = model(x, training=True)
    np.testing.assert_array_equal(found, model(x, training=False))
    np.testing.assert_array_equal(found, make().log_prob(x))


def test_a_loss_left_unscaled_stays_so(tmp_path):
    model = NADE(4, 3, dtype="mixed_float16", seed=0)
    model.compile(optimizer=sgd(), auto_scale_loss=False)
    model.fit(levels(4), verbose=0)
    model.save(tmp_path / "nade.keras")
    again = load_model(tmp_path / "nade.keras")
    assert type(again.optimizer) is type(model.optimizer) is keras.optimizers.SGD
    assert again.optimizer.iterations == 1


def test_what_is_no_saved_model_is_refused(tmp_path):
    (tmp_path / "words.keras").write_text("not a model")
    with zipfile.ZipFile(tmp_path / "archive.keras", "w") as archive:
        archive.writestr("notes.txt", "no model either")
    for name in ("words.keras", "archive.keras", "missing.keras"):
        why = "where there is no file" if name == "missing.keras" else "which is none"
        with pytest.raises(ValueError, match=f"Expected the path of a saved .keras model.*{why}"):
            load_model(tmp_path / name)


@pytest.mark.parametrize("ending", ["h5", "tf", "weights.h5"])
def test_other_formats_of_files_are_refused(tmp_path, ending):
    path = tmp_path / f"nade.{ending}"
    with pytest.raises(ValueError, match=f"Expected a path that ends in .keras.*{ending}'"):
        NADE(4, 3, seed=0).save(path)
    assert not path.exists()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_later_bad_label_is_stopped_in_the_graph(jit_compile):
    labels = LABELS.copy()
    labels[5] = 3
    model, reference = (
        made("nade with labels", optimizer=sgd(), jit_compile=jit_compile) for _ in range(2)
    )
    reference.fit(data_of("nade with labels", slice(4)), verbose=0)
    data = {"x": MODELS["nade with labels"][1], "condition": labels}
    message = "Expected condition to hold whole numbers from 0 to 2. Received:"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(tf.data.Dataset.from_tensor_slices(data).batch(4), shuffle=False, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["float64", "uint8", "bool", "list", "tensor"])
def test_kinds_of_arrays(kind):
    model = made("fvsbn", optimizer=sgd())
    reference = made("fvsbn", optimizer=sgd())
    x = MODELS["fvsbn"][1]
    given = {"list": x.tolist, "tensor": lambda: tf.constant(x)}.get(kind, lambda: x.astype(kind))()
    np.testing.assert_array_equal(model.log_prob(given), reference.log_prob(x))
    model.fit(given, batch_size=ROWS, verbose=0)
    reference.fit(x, batch_size=ROWS, verbose=0)
    assert_all_close(weights_of(model), weights_of(reference), rtol=1e-6)


@pytest.mark.parametrize("option", ["loss", "metrics", "weighted_metrics"])
def test_compile_refuses_what_compares_outputs_with_targets(option):
    with pytest.raises(ValueError, match=f"Expected no {option}: .* Received: {option}="):
        NADE(4, 3).compile("adam", **{option: ["mse"]})


def test_validation_rows_may_be_a_list():
    x = np.eye(4, dtype="float32")
    model = NADE(4, 3, seed=0)
    model.compile("sgd")
    history = model.fit(x, validation_data=x.tolist(), epochs=1, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(-float(np.mean(model.log_prob(x))), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": keras.activations.relu}, "Expected activation to be the name of a Keras"),
        ({"likelihood": "bernoulli"}, r"Expected likelihood to be an instance .*='bernoulli'"),
        ({"ordering": [[1], [1, 2]]}, "Expected ordering to be an array"),
    ],
)
def test_arguments_of_a_wrong_kind_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NADE(4, 3, **options)


def test_a_loaded_model_goes_on_with_its_optimizer(tmp_path):
    x = np.eye(4, dtype="float32")
    model = NADE(4, 3, seed=0)
    model.compile("adam")
    model.fit(x, epochs=2, batch_size=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    saved_state = [variable.numpy() for variable in model.optimizer.variables]
    loaded_state = [variable.numpy() for variable in loaded.optimizer.variables]
    assert int(loaded.optimizer.iterations) == 4
    for one, other in zip(saved_state, loaded_state, strict=True):
        np.testing.assert_array_equal(one, other)
