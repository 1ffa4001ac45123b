"""The Keras contract, over every model with a code: files, precision, replicas, weights, resuming.

Noise is fed, the same for every row: a replica would draw another, and XLA other one-hot vectors.
"""

import functools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import (
    IWAE,
    VAE,
    Autoencoder,
    DiscreteVAE,
    GaussianMixture,
    HierarchicalVAE,
    LatentVariableModel,
)
from genkeras.latent import (
    GaussianNoise,
    MaskingNoise,
    convolutional_decoder,
    convolutional_encoder,
    dense_decoder,
    dense_encoder,
    token_decoder,
    token_encoder,
)
from genkeras.likelihoods import Categorical, Normal
from genkeras.training import fit_resumable

tfd = tfp.distributions

# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
ROWS = 12
STEPS = 2  # that a compiled model has taken already: the middle of a warm-up
LABELS = np.arange(ROWS) % 3
GUMBEL = np.random.default_rng(7).gumbel(size=(2, 2, 4)).astype("float32")  # a grid of tokens
NOISE = np.random.default_rng(5).normal(size=(4, 1, 3)).astype("float32")  # draws, rows, latents


def levels(*event_shape, num_classes=2):
    return np.random.default_rng(1).integers(0, num_classes, (ROWS, *event_shape)).astype("float32")


def reals(*event_shape):
    return np.random.default_rng(1).normal(size=(ROWS, *event_shape)).astype("float32")


def dense(num_inputs=2, num_outputs=4, dtype=None):
    """Encoder of 4 variables to 3 features, and decoder, in the policy of the model."""
    return (
        dense_encoder((4,), (3,), seed=0, dtype=dtype),
        dense_decoder(num_inputs, num_outputs, (3,), seed=1, dtype=dtype),
    )


def convolutional(num_inputs, dtype=None):
    return (
        convolutional_encoder((8, 8), (2, 3), 3, seed=0, dtype=dtype),
        convolutional_decoder(num_inputs, (8, 8), 1, (3, 2), 4, seed=1, dtype=dtype),
    )


def tokens(dtype=None):
    shape, tanh = (8, 8, 3), {"activation": "tanh", "dtype": dtype}
    return (
        token_encoder(shape, 4, (2, 3), seed=0, **tanh),
        token_decoder(shape, 4, 1, (3, 2), seed=1, **tanh),
    )


def two_layers(dtype=None):
    above = dense_encoder((3,), (2,), seed=2, dtype=dtype)
    below = dense_decoder(2, 3, (2,), seed=3, dtype=dtype)
    encoder, decoder = dense(3, dtype=dtype)
    return (encoder, above), (decoder, below), (3, 2)


def maker(build, make, *arguments, **options):
    return lambda **k: build(*make(dtype=k.get("dtype")), *arguments, **options, seed=0, **k)


codes, labelled = functools.partial(dense, 3), functools.partial(dense, 5)
# Name: constructor, rows of data.
MODELS = {
    "autoencoder with noise": (maker(Autoencoder, codes, GaussianNoise(0.5)), reals(4)),
    "autoencoder with masks": (maker(Autoencoder, codes, MaskingNoise(0.5)), reals(4)),
    "convolutional autoencoder": (
        maker(Autoencoder, functools.partial(convolutional, 3)),
        0.5 * reals(8, 8),
    ),
    "vae of reals with a mixture": (
        lambda **k: maker(
            VAE, functools.partial(dense, 2, 8), 2, Normal(0.1), GaussianMixture(2, 3, seed=4)
        )(**k),
        reals(4),
    ),
    "vae of 3 levels with labels": (
        maker(VAE, functools.partial(dense, 5, 12), 2, Categorical(3), num_labels=3),
        levels(4, num_classes=3),
    ),
    "vae with weighted kl": (
        # One latent pays the least sum, the other more.
        maker(VAE, dense, 2, free_bits=0.27, beta=0.7, warmup_steps=4),
        levels(4),
    ),
    "convolutional vae": (maker(VAE, functools.partial(convolutional, 2), 2), levels(8, 8)),
    "iwae": (maker(IWAE, dense, 2, 4), levels(4)),
    "iwae with labels": (maker(IWAE, labelled, 2, 4, num_labels=3), levels(4)),
    "hierarchical vae": (maker(HierarchicalVAE, two_layers), levels(4)),
    "discrete vae": (
        maker(DiscreteVAE, tokens, annealing_steps=5, beta=0.7, warmup_steps=4),
        levels(8, 8, 3),
    ),
}
scaled = keras.optimizers.LossScaleOptimizer
every_model = pytest.mark.parametrize("name", MODELS)
MASKED = "autoencoder with masks"
LATENT = [name for name in MODELS if "autoencoder" not in name]


def made(name, *, optimizer=None, **options):
    """A model whose weights are random but the same each time; compiled with an optimiser."""
    compile_options = {k: options.pop(k) for k in ("jit_compile", "run_eagerly") if k in options}
    model = MODELS[name][0](**options)
    model.build((None, *model.event_shape))
    random = np.random.default_rng(2)
    for weight in model.trainable_variables:
        weight.assign(random.normal(scale=0.6, size=weight.shape))
    if optimizer is not None:
        model.compile(optimizer=optimizer, **compile_options)
        model.optimizer.iterations.assign(STEPS)
    return model


def sgd():
    return keras.optimizers.SGD(0.1, momentum=0.9)


def condition_of(name, rows=slice(None)):
    return LABELS[rows] if "labels" in name else None


def data_of(name, rows=slice(None)):
    """What `fit` takes."""
    x = MODELS[name][1][rows]
    return {"x": x, "condition": LABELS[rows]} if "labels" in name else x


def score_of(model, name, rows=slice(None), seed=1):
    """What `evaluate` is the mean of: `(rows,)`."""
    x = MODELS[name][1][rows]
    if isinstance(model, Autoencoder):
        return model.reconstruction_error(x).numpy()
    return -model.elbo(x, condition_of(name, rows), seed=seed).numpy()


def training_loss(model, name):
    """Loss of a training step, of the model's own noise."""
    inputs = tf.nest.map_structure(tf.constant, data_of(name))
    y_pred = model(inputs, training=True)
    return model.compute_loss(inputs, y_pred=y_pred, training=True).numpy()


def weights_of(model):
    return [np.array(v) for v in model.trainable_variables]


def slots_of(model):
    return [np.array(v) for v in model.optimizer.variables]


def assert_all_close(actual, expected, **tolerance):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def assert_moved(model, name):
    """Every kind of weight took part in the step."""
    for now, before in zip(model.trainable_variables, made(name).trainable_variables, strict=True):
        assert np.any(np.array(now) != np.array(before)), now.path


@pytest.fixture
def fed(monkeypatch):
    """Feeds the noise of every draw from q(z|x) and of every corruption."""

    def normal(self, sample_shape=(), seed=None, **_):
        draws = int(np.prod(tf.get_static_value(sample_shape)))
        assert 1 <= draws <= len(NOISE)
        return self.loc + self.scale * NOISE[:draws, :, : self.loc.shape[-1]]

    def one_hot(self, sample_shape=(), seed=None, **_):
        assert tf.get_static_value(sample_shape) == 1
        best = tf.argmax(self.logits + GUMBEL, axis=-1)
        return tf.one_hot(best, self.logits.shape[-1])[tf.newaxis]

    def relaxed(self, sample_shape=(), seed=None, **_):
        return tf.nn.softmax((self.logits + GUMBEL) / self.temperature)

    def additive(self, x, seed):
        return x + self.scale * NOISE[0, 0, 0] * tf.range(1.0, 5.0)

    def masks(self, x, seed):
        return x * tf.constant([1.0, 0.0, 0.0, 1.0])

    monkeypatch.setattr(tfd.Normal, "sample", normal)
    monkeypatch.setattr(tfd.OneHotCategorical, "sample", one_hot)
    monkeypatch.setattr(tfd.RelaxedOneHotCategorical, "sample", relaxed)
    monkeypatch.setattr(GaussianNoise, "__call__", additive)
    monkeypatch.setattr(MaskingNoise, "__call__", masks)


@pytest.fixture(scope="module")
def plain_steps():
    return {}


@pytest.fixture
def plain_step(fed, plain_steps):
    """Of each model the loss of one plain step over all rows, and the model after it."""

    def of(name):
        if name not in plain_steps:
            model = made(name, optimizer=sgd(), run_eagerly=True)
            loss = model.fit(data_of(name), batch_size=ROWS, verbose=0).history["loss"][0]
            plain_steps[name] = loss, model, weights_of(model)
        return plain_steps[name]

    return of


@every_model
def test_a_step_moves_every_weight(plain_step, name):
    _, model, _ = plain_step(name)
    assert_moved(model, name)


@every_model
def test_a_configuration_rebuilds_the_model(name):
    model = made(name, optimizer=sgd())
    config = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.compile(optimizer=sgd())
    again.optimizer.iterations.assign(STEPS)
    again.build((None, *again.event_shape))
    again.set_weights(model.get_weights())
    # Beta, free bits, warm-up, number of draws, corruption and seed all enter this.
    assert training_loss(again, name) == training_loss(model, name)
    inputs = tf.nest.map_structure(tf.constant, data_of(name))
    np.testing.assert_array_equal(again(inputs), model(inputs))


READER = """
import sys
import numpy as np
import genkeras

found = {}
for name in sys.argv[2:]:
    data = np.load(f"{sys.argv[1]}/{name}.npz")
    model = genkeras.load_model(f"{sys.argv[1]}/{name}.keras")
    labels = data["labels"] if model.num_labels is not None else None
    if isinstance(model, genkeras.LatentVariableModel):
        found[f"{name}/elbo"] = model.elbo(data["x"], labels, seed=3)
        found[f"{name}/estimate"] = model.estimate_log_prob(data["x"], 2, labels, seed=3)
        found[f"{name}/samples"] = model.sample(3, None if labels is None else 1, seed=4)
        found[f"{name}/codes"] = np.hstack(model.posterior_mean(data["x"], labels))
    else:
        found[f"{name}/reconstruction"] = model.reconstruct(data["x"])
        found[f"{name}/codes"] = model.encode(data["x"])
    for k, variable in enumerate(model.optimizer.variables):
        found[f"{name}/optimizer{k}"] = variable
np.savez(f"{sys.argv[1]}/found.npz", **found)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("saved")


@pytest.fixture
def in_another_process(plain_step, folder):
    """What one child process read from the files of all models after one step."""
    if not (folder / "found.npz").exists():
        for name, (_, x) in MODELS.items():
            plain_step(name)[1].save(folder / f"{name}.keras")
            np.savez(folder / f"{name}.npz", x=x, labels=LABELS)
        subprocess.run([sys.executable, "-c", READER, folder, *MODELS], check=True)
    return np.load(folder / "found.npz")


@every_model
def test_a_saved_model_is_the_same_in_another_process(
    plain_step, in_another_process, monkeypatch, name
):
    model, x, labels = plain_step(name)[1], MODELS[name][1], condition_of(name)
    monkeypatch.undo()  # the child drew its own noise
    if isinstance(model, LatentVariableModel):
        expected = {
            "elbo": model.elbo(x, labels, seed=3),
            "estimate": model.estimate_log_prob(x, 2, labels, seed=3),
            "samples": model.sample(3, None if labels is None else 1, seed=4),
            "codes": np.hstack(model.posterior_mean(x, labels)),
        }
    else:
        expected = {"reconstruction": model.reconstruct(x), "codes": model.encode(x)}
    for quantity, value in expected.items():
        np.testing.assert_allclose(
            in_another_process[f"{name}/{quantity}"], value, rtol=1e-5, atol=1e-6
        )
    count = len(model.optimizer.variables)
    kept = [in_another_process[f"{name}/optimizer{k}"] for k in range(count)]
    assert_all_close(kept, slots_of(model), rtol=0, atol=0)
    assert kept[0] == STEPS + 1
    assert all(np.any(slot != 0) for slot in kept[2:])


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("iwae", MASKED)])
def test_a_step_compiled_by_xla_is_the_same_step(plain_step, name):
    loss, _, weights = plain_step(name)
    model = made(name, optimizer=sgd(), jit_compile=True)
    history = model.fit(data_of(name), batch_size=ROWS, verbose=0).history
    assert history["loss"][0] == pytest.approx(loss, rel=1e-5)
    assert_all_close(weights_of(model), weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["autoencoder with noise", MASKED, "vae with weighted kl", "iwae", "hierarchical vae"]
)
def test_a_step_compiled_by_xla_draws_the_same_noise(name):
    plain, compiled = (made(name, optimizer=sgd(), jit_compile=jit) for jit in (False, True))
    for model in (plain, compiled):
        model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
    assert_all_close(weights_of(compiled), weights_of(plain), rtol=1e-4, atol=1e-5)


@every_model
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_policies_keep_the_terms_in_float32(name, policy):
    inputs = tf.nest.map_structure(tf.constant, data_of(name))
    expected = made(name)(inputs)
    # Steps whose float16 gradients overflow are left out while the scale of the loss is found.
    optimizer = sgd() if policy == "mixed_bfloat16" else scaled(sgd(), initial_scale=2.0**6)
    model = made(name, optimizer=optimizer, dtype=policy, run_eagerly=True)
    found = model(inputs)
    assert found.dtype == tf.float32
    assert not np.array_equal(found, expected)  # something is computed in half precision
    # At most ten roundings to 8 bits, or 11, one after the other, of numbers up to the largest.
    unit = 2.0**-8 if policy == "mixed_bfloat16" else 2.0**-11
    np.testing.assert_allclose(found, expected, atol=10 * unit * np.abs(expected).max())
    model.fit(data_of(name), batch_size=ROWS, epochs=2, verbose=0)
    assert_moved(model, name)
    if isinstance(model, Autoencoder):
        evaluated = model.evaluate(data_of(name), verbose=0, return_dict=True)["loss"]
        assert evaluated == pytest.approx(score_of(model, name).mean(), rel=1e-5)
        assert model.encode(MODELS[name][1]).dtype == tf.float32
    else:
        assert model.sample(2, 1 if "labels" in name else None, seed=0).dtype == tf.float32


@pytest.mark.parametrize("name", [name for name in MODELS if "iwae" not in name])
def test_evaluate_is_the_mean_score_and_weights_multiply_each_rows(fed, name):
    model = made(name, optimizer=sgd(), run_eagerly=True)
    scores, data = score_of(model, name), data_of(name)
    logs = model.evaluate(data, batch_size=5, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(scores.mean(), rel=1e-5)
    weights = np.random.default_rng(3).random(ROWS).astype("float32")
    logs = model.evaluate(data, sample_weight=weights, batch_size=5, verbose=0, return_dict=True)
    # Divided by the rows, not by the weights.
    assert logs["loss"] == pytest.approx(np.mean(weights * scores), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in MODELS if "iwae" in name])
def test_evaluate_of_a_weighted_bound_is_minus_the_elbo(name):
    copies = 300
    rows = np.tile(np.arange(ROWS), copies)
    model = made(name, optimizer=sgd())
    draws = score_of(model, name, rows).reshape(copies, ROWS)
    # The error of the draws, and the smaller one of `evaluate`, which takes four for each row.
    error = np.sqrt(np.mean(np.var(draws, axis=0, ddof=1)) / len(rows) * (1 + 1 / 4))
    found = model.evaluate(data_of(name, rows), batch_size=1000, verbose=0, return_dict=True)
    assert abs(found["loss"] - draws.mean()) <= Z * error
    weights = np.where(rows % 2 == 0, 2.0, 0.0)
    found = model.evaluate(
        data_of(name, rows), sample_weight=weights, batch_size=1000, verbose=0, return_dict=True
    )
    assert abs(found["loss"] - draws[:, ::2].mean()) <= 2 * Z * error


@pytest.mark.parametrize("name", ["autoencoder", "vae", "iwae"])
def test_regularisers_of_the_networks_are_paid_in_training_only(name):
    kernel = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.5))
    encoder, decoder = keras.Sequential([keras.Input((4,)), kernel]), dense(2)[1]
    model = {
        "autoencoder": lambda: Autoencoder(encoder, codes()[1]),
        "vae": lambda: VAE(encoder, decoder, 2),
        "iwae": lambda: IWAE(encoder, decoder, 2, num_importance_samples=1),
    }[name]()
    model.build((None, 4))
    x = tf.constant(levels(4))
    y_pred = model(x)
    training, evaluated = (
        model.compute_loss(x, y_pred=y_pred, training=flag).numpy() for flag in (True, False)
    )
    penalty = 0.5 * np.sum(kernel.kernel.numpy() ** 2)
    assert training - evaluated == pytest.approx(penalty, rel=1e-4)


@pytest.mark.parametrize(
    "name", [MASKED, "vae with weighted kl", "iwae with labels", "hierarchical vae", "discrete vae"]
)
def test_two_replicas_take_the_step_of_one_device(plain_step, two_replicas, name):
    loss, _, weights = plain_step(name)
    with two_replicas.scope():
        model = made(name, optimizer=sgd())
    history = model.fit(data_of(name), batch_size=ROWS, verbose=0).history
    assert history["loss"][0] == pytest.approx(loss, rel=1e-5)
    assert_all_close(weights_of(model), weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["autoencoder with noise", MASKED, "iwae", "hierarchical vae"])
def test_two_replicas_draw_different_noise(two_replicas, name):
    with two_replicas.scope():
        model = made(name)
    same = tf.nest.map_structure(tf.constant, data_of(name))
    run = tf.function(lambda: model(same, training=True))
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.mean(first.numpy() == second.numpy()) < 0.1


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@pytest.mark.parametrize("name", ["iwae with labels", "hierarchical vae", "discrete vae"])
def test_a_model_saved_before_it_is_built_is_trained_as_itself(tmp_path, name):
    model = MODELS[name][0]()
    model.compile(optimizer=sgd())
    model.save(tmp_path / "new.keras")
    again = keras.saving.load_model(tmp_path / "new.keras")
    for one in (model, again):
        one.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
    assert_all_close(weights_of(again), weights_of(model), rtol=1e-5)


class Interrupted(Exception):
    """Ends a run in the middle of an epoch."""


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 0):
            raise Interrupted


def resumable(model, name, directory, callbacks=()):
    history = fit_resumable(
        model, data_of(name), epochs=2, batch_size=8, seed=5, directory=directory,
        callbacks=callbacks, verbose=0,
    )  # fmt: skip
    return [log["loss"] for log in history]


@pytest.mark.parametrize("name", [name for name in MODELS if "convolutional" not in name])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, name):
    whole, cut, resumed = (
        made(name, optimizer=keras.optimizers.Adam(0.02), run_eagerly=True) for _ in range(3)
    )
    losses = resumable(whole, name, tmp_path / "whole")
    with pytest.raises(Interrupted):
        resumable(cut, name, tmp_path / "cut", [Interrupt()])
    assert resumable(resumed, name, tmp_path / "cut") == losses
    assert resumed.optimizer.iterations == STEPS + 4
    # The models' variables hold the states of the generators too.
    assert_all_close(resumed.variables, whole.variables, rtol=0, atol=0)
    assert_all_close(slots_of(resumed), slots_of(whole), rtol=0, atol=0)


@pytest.mark.parametrize("name", LATENT)
def test_samples_repeat_with_their_seed_and_lie_in_the_support(name):
    model = made(name)
    label = 1 if "labels" in name else None
    x = model.sample(20, label, seed=1)
    assert x.dtype == tf.float32
    assert np.all(model.likelihood.in_support(x.numpy()))
    np.testing.assert_array_equal(model.sample(20, label, seed=1), x)
    assert np.any(model.sample(20, label, seed=2) != x)
    assert len(np.unique(x.numpy().reshape(20, -1), axis=0)) > 3


def map_of(model, x):
    """From x through the distributions, or through the code, to numbers: `(rows,)` or x's shape."""
    if isinstance(model, Autoencoder):
        return model.decode(model.encode(x))
    q = model.encode(x)
    z = q.sample(seed=(0, 1))
    return model.decode(z).log_prob(x) + model.prior.distribution().log_prob(z) - q.log_prob(z)


@pytest.mark.parametrize(
    "name", ["autoencoder with noise", "iwae", "hierarchical vae", "discrete vae"]
)
def test_methods_work_in_compiled_functions(name):
    model, x = made(name), MODELS[name][1]
    any_rows = [tf.TensorSpec((None, *x.shape[1:]))]
    compiled = tf.function(lambda x: map_of(model, x), input_signature=any_rows)
    np.testing.assert_allclose(compiled(x), map_of(model, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["autoencoder with noise", "vae of reals with a mixture"])
def test_a_tape_follows_a_tensor_through_the_methods(name):
    model, x = made(name), tf.constant(MODELS[name][1])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(map_of(model, x))
    step = 1e-2 * np.random.default_rng(0).normal(size=x.shape).astype("float32")
    slope = np.sum(tape.gradient(total, x) * step)
    sides = [tf.reduce_sum(map_of(model, x + sign * step)) for sign in (1, -1)]
    assert slope == pytest.approx(float(sides[0] - sides[1]) / 2, rel=2e-2, abs=1e-3)


@every_model
def test_a_model_may_be_asked_before_it_is_built(name):
    asked, trained = (MODELS[name][0]() for _ in range(2))
    x, labels = MODELS[name][1], condition_of(name)
    if name in LATENT:
        asked.prior.distribution().sample(2, seed=(0, 1))
        q = asked.encode(x, labels)
        asked.decode(q.sample(seed=(0, 1)), labels)
    else:
        asked.decode(asked.encode(x))
    for model in (asked, trained):
        model.compile(optimizer=sgd(), run_eagerly=True)
        model.fit(data_of(name), batch_size=ROWS, verbose=0)
    assert_all_close(weights_of(asked), weights_of(trained), rtol=1e-6)
