"""Order-agnostic NADE against loops written from the paper's formulas, one set at a time."""

import functools
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special, stats
from sklearn.datasets import load_digits

from genkeras import OrderlessNADE, TabularAutoregressive
from genkeras.autoregressive import orderings
from genkeras.likelihoods import Bernoulli, Categorical, MixtureOfGaussians

# Chance of one false alarm in each statistical test.
FALSE_ALARM = 1e-4

RELU = functools.partial(np.maximum, 0)
ACTIVATIONS = {"relu": RELU, "tanh": np.tanh}
MASKED_ORDER = [2, 0, 4, 1, 3]

DISCRETE = {
    "one layer": lambda: OrderlessNADE(
        8, 9, orderings=["natural", "reversed", [3, 0, 7, 5, 1, 6, 4, 2]], seed=0
    ),
    "two layers": lambda: OrderlessNADE(
        5, 6, 2, orderings=[MASKED_ORDER], activation="tanh", seed=0
    ),
    "two layers with labels": lambda: OrderlessNADE(
        4, 9, 2, orderings=[[2, 0, 3, 1], "column-major", "reversed"], num_labels=3, seed=0
    ),
    "three layers of 3 levels": lambda: OrderlessNADE(
        4, 6, 3, Categorical(3), orderings=orderings.random_orders(4, 2, 7), activation="tanh"
    ),
}
CONTINUOUS = {
    "mixture": lambda: OrderlessNADE(
        2, 5, 1, MixtureOfGaussians(2, 0.3), orderings=[[0, 1], [1, 0]], activation="tanh", seed=0
    ),
}
every_model = pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])


@pytest.fixture(scope="module")
def models():
    """Untrained networks with random weights, large enough for the orders to disagree."""
    made = {name: make() for name, make in {**DISCRETE, **CONTINUOUS}.items()}
    random = np.random.default_rng(5)
    for model in made.values():
        model.build((None, *model.event_shape))
        for weight in model.trainable_variables:
            weight.assign(random.normal(scale=0.8, size=weight.shape))
    return made


def rows_of(model):
    """All states of a discrete model; some rows of real numbers for the others."""
    if isinstance(model.likelihood, MixtureOfGaussians):
        return np.random.default_rng(1).normal(size=(16, model.num_features)).astype("float32")
    levels = range(getattr(model.likelihood, "num_classes", 2))
    return np.array(list(itertools.product(levels, repeat=model.num_features)), "float32")


def labels_of(model):
    return None if model.num_labels is None else np.arange(len(rows_of(model))) % model.num_labels


# The oracle: float64, one set of known variables at a time, nothing reused.


def weights_of(model):
    return {weight.name: weight.numpy().astype("float64") for weight in model.trainable_variables}


def outputs_given(model, weights, x, known, labels=None):
    """`(rows, D, P)`: the hidden layers on what the variables of `known` add, and the outputs."""
    activation = ACTIVATIONS[model.activation]
    values = x / 2 if isinstance(model.likelihood, Categorical) else x  # 3 levels: 0, 1/2, 1
    a = weights["bias"] + np.zeros((len(x), 1))
    for j in range(model.num_features):
        if j in known:
            a = a + values[:, [j]] * weights["kernel"][j] + weights["known_kernel"][j] / 2
        else:
            a = a - weights["known_kernel"][j] / 2
    if labels is not None:
        a = a + weights["label_kernel"][labels]
    hidden = activation(a)
    for layer in range(1, model.num_layers):
        kernel, bias = weights[f"hidden_kernel_{layer}"], weights[f"hidden_bias_{layer}"]
        hidden = activation(hidden @ kernel + bias)
    return np.einsum("rh,dhp->rdp", hidden, weights["output_kernel"]) + weights["output_bias"]


def log_densities(likelihood, outputs, x):
    """log p(x) for outputs of shape `(*x.shape, P)`."""
    if isinstance(likelihood, Bernoulli):
        return stats.bernoulli.logpmf(x, special.expit(outputs[..., 0]))
    if isinstance(likelihood, Categorical):
        chosen = x[..., np.newaxis].astype(int)
        return np.take_along_axis(special.log_softmax(outputs, axis=-1), chosen, -1)[..., 0]
    logits, locs, raw = np.split(outputs, 3, axis=-1)
    scales = likelihood.min_scale + np.log1p(np.exp(raw))
    parts = special.log_softmax(logits, axis=-1) + stats.norm.logpdf(x[..., None], locs, scales)
    return special.logsumexp(parts, axis=-1)


def conditionals_along(model, weights, x, order, labels=None):
    """log p(x_i | the variables before i in the order): `(rows, D)`, in the places of x."""
    log_probs = np.zeros(x.shape)
    for k, i in enumerate(order):
        outputs = outputs_given(model, weights, x, order[:k], labels)[:, i]
        log_probs[:, i] = log_densities(model.likelihood, outputs, x[:, i])
    return log_probs


def log_probs_along(model, x, order, labels=None, weights=None):
    weights = weights_of(model) if weights is None else weights
    return conditionals_along(model, weights, x, list(order), labels).sum(axis=1)


def ensemble_by_formula(model, x, labels=None, weights=None):
    probabilities = [
        np.exp(log_probs_along(model, x, order, labels, weights)) for order in model.drawing_orders
    ]
    return np.log(np.mean(probabilities, axis=0))


def assert_counts_fit(draws, states, probabilities):
    """Chi-square test of how often each state was drawn; rare states count as one."""
    assert chi_square_p_value(draws, states, probabilities) > FALSE_ALARM


def chi_square_p_value(draws, states, probabilities):
    index = {tuple(state): k for k, state in enumerate(np.asarray(states).tolist())}
    drawn = np.bincount([index[tuple(row)] for row in draws.tolist()], minlength=len(states))
    expected = len(draws) * probabilities / np.sum(probabilities)
    rare = expected < 5
    if rare.any():
        rare[np.argsort(expected)[: rare.sum() + 1]] = True  # the pool expects at least 5
        drawn, expected = (
            np.append(counts[~rare], counts[rare].sum()) for counts in (drawn, expected)
        )
    return stats.chisquare(drawn, expected).pvalue


# Density.


@pytest.mark.parametrize("name", DISCRETE)
def test_every_ordering_and_the_ensemble_sum_to_one(models, name):
    model, states = models[name], rows_of(models[name])
    for label in range(model.num_labels or 1):
        condition = None if model.num_labels is None else np.full(len(states), label)
        each = np.exp(np.float64(model.ordering_log_probs(states, condition))).sum(axis=0)
        assert each.shape == (len(model.orderings),)
        np.testing.assert_allclose(each, 1, atol=1e-5)
        together = np.exp(np.float64(model.log_prob(states, condition))).sum()
        assert together == pytest.approx(1, abs=1e-5)


def test_densities_of_every_ordering_and_the_ensemble_integrate_to_one(models):
    grid = np.linspace(-16, 16, 321, dtype="float32")
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    log_probs = np.float64(models["mixture"].ordering_log_probs(points))  # (points, 2)
    together = np.float64(models["mixture"].log_prob(points))[:, np.newaxis]
    for column in np.exp(np.concatenate([log_probs, together], axis=1)).T:
        inner = integrate.trapezoid(column.reshape(len(grid), -1), grid, axis=1)
        assert integrate.trapezoid(inner, grid) == pytest.approx(1, abs=1e-4)


@every_model
def test_log_probs_are_those_of_the_formula(models, name):
    model, x, labels = models[name], rows_of(models[name]), labels_of(models[name])
    expected = [log_probs_along(model, x, order, labels) for order in model.drawing_orders]
    np.testing.assert_allclose(
        model.ordering_log_probs(x, labels), np.transpose(expected), rtol=1e-4, atol=1e-5
    )
    averaged = special.logsumexp(expected, axis=0) - np.log(len(expected))  # of probabilities
    np.testing.assert_allclose(model.log_prob(x, labels), averaged, rtol=1e-4, atol=1e-5)
    if len(expected) > 1:
        assert np.abs(averaged - np.mean(expected, axis=0)).max() > 0.05  # of their logs


@every_model
def test_conditionals_are_those_of_the_formula(models, name):
    model, x, labels = models[name], rows_of(models[name]), labels_of(models[name])
    expected = np.stack(
        [conditionals_along(model, weights_of(model), x, o, labels) for o in model.drawing_orders],
        axis=1,
    )  # (rows, orderings, D)
    several = len(model.orderings) > 1
    found = model.conditionals(x, labels).log_prob(x[:, np.newaxis] if several else x)
    expected = expected if several else expected[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@every_model
def test_outputs_given_any_set_are_those_of_the_formula(models, name):
    model, x, labels = models[name], rows_of(models[name]), labels_of(models[name])
    for known in ([], [1], [1, 0], range(model.num_features)):
        mask = np.zeros_like(x)
        mask[:, list(known)] = 1
        hidden = np.where(mask, x, np.nan).astype("float32")  # what is unknown is not read
        found = model.parameters_given(tf.constant(hidden), tf.constant(mask), labels)
        expected = outputs_given(model, weights_of(model), x, known, labels)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_new_model_starts_at_the_likelihoods_parameters():
    likelihood = MixtureOfGaussians(3)
    model = OrderlessNADE(5, 4, likelihood=likelihood, seed=0)
    model.build((None, 5))
    np.testing.assert_array_equal(
        model.output_bias, np.tile(likelihood.initial_parameters(), (5, 1))
    )


def test_the_seed_decides_weights_and_random_order():
    one, same, other = (OrderlessNADE(9, 4, 2, orderings="random", seed=s) for s in (1, 1, 2))
    for model in (one, same, other):
        model.build((None, 9))
    assert one.orderings == same.orderings != other.orderings
    for first, second, third in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(first, second)
        assert "bias" in first.name or np.any(first.numpy() != third.numpy())
    assert np.any(one.kernel.numpy() != one.known_kernel.numpy())


# Slopes.


@every_model
def test_outputs_have_slopes_to_earlier_variables_only(models, name):
    model, x = models[name], tf.constant(rows_of(models[name]))
    labels = labels_of(model)
    row = 5
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs = model(x if labels is None else {"x": x, "condition": labels})
        outputs = tf.reshape(outputs[row], (len(model.orderings), model.num_features, -1))
        totals = [[tf.reduce_sum(output) for output in tf.unstack(o)] for o in tf.unstack(outputs)]
    for order, along in zip(model.drawing_orders.tolist(), totals, strict=True):
        for i, total in enumerate(along):
            slopes = tape.gradient(total, x).numpy()
            place = order.index(i)
            assert np.all(slopes[row, order[place:]] == 0)
            assert np.all(slopes[row, order[:place]] != 0)
            assert np.all(np.delete(slopes, row, axis=0) == 0)  # the other rows


@every_model
def test_slopes_of_log_prob_to_every_weight_are_those_of_the_formula(models, name):
    model, x, labels = models[name], rows_of(models[name]), labels_of(models[name])
    with tf.GradientTape() as tape:
        total = tf.reduce_mean(model.log_prob(x, labels))
    found = tape.gradient(total, [weight.value for weight in model.trainable_variables])
    # The slope to a table of labels is sparse.
    random, step = np.random.default_rng(2), 1e-6
    for weight, slope in zip(
        model.trainable_variables, map(tf.convert_to_tensor, found), strict=True
    ):
        direction = random.normal(size=weight.shape)
        ends = []
        for sign in (1, -1):
            weights = weights_of(model)
            weights[weight.name] += sign * step * direction
            ends.append(ensemble_by_formula(model, x, labels, weights).mean())
        expected = (ends[0] - ends[1]) / (2 * step)
        assert np.sum(slope * direction) == pytest.approx(expected, rel=1e-3, abs=1e-4)


# Training and evaluation.


@pytest.mark.parametrize("layers", [1, 2])
def test_the_training_loss_is_the_mean_nll_over_all_orders_on_average(layers, monkeypatch):
    model = OrderlessNADE(4, 5, layers, activation="tanh", seed=0)
    model.build((None, 4))
    random = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(random.normal(size=weight.shape))
    states = rows_of(model)
    orders = list(itertools.permutations(range(4)))
    expected = np.mean([-log_probs_along(model, states, order) for order in orders])
    # Every state beside every set of known variables, weighted by the set's probability.
    sets = np.array(list(itertools.product([0, 1], repeat=4)), "float32")
    known = np.tile(sets, (len(states), 1))
    x = np.repeat(states, len(sets), axis=0)
    sizes = known.sum(axis=1).astype(int)
    weights = [len(sets) / (5 * math.comb(4, size)) for size in sizes]
    monkeypatch.setattr(model, "_random_known", lambda batch_size: tf.constant(known))
    loss = model.compute_loss(x, y_pred=model(x, training=True), sample_weight=weights)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 3000])
def test_each_row_may_see_every_number_of_variables_alike(batch_size):
    model = OrderlessNADE(3, 2, seed=0)
    batches = tf.function(lambda: tf.stack([model._random_known(batch_size) for _ in range(60)]))
    repeats = range(50 if batch_size < 100 else 1)
    known = np.concatenate([batches().numpy() for _ in repeats])  # (3000 or 60, batch, 3)
    sets = np.array(list(itertools.product([0, 1], repeat=3)))
    probabilities = np.array([1 / (4 * math.comb(3, size)) for size in sets.sum(axis=1)])
    columns = known.transpose(1, 0, 2) if batch_size < 100 else known[:1]
    p_values = [chi_square_p_value(column, sets, probabilities) for column in columns]
    assert min(p_values) > FALSE_ALARM / len(p_values)


def test_evaluate_is_the_exact_nll_and_draws_nothing(models):
    model, x = models["two layers"], rows_of(models["two layers"])
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    expected = -log_probs_along(model, x, MASKED_ORDER).mean()
    before = np.array(model.seed_generator.state)
    first, second = (model.evaluate(x, batch_size=len(x), verbose=0) for _ in range(2))
    assert first == second == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(model.seed_generator.state, before)
    history = model.fit(x, validation_data=x, batch_size=len(x), epochs=3, verbose=0).history
    np.testing.assert_allclose(history["val_loss"], expected, rtol=1e-5)
    assert len({*history["loss"], expected}) == 4  # a different estimate each time


@pytest.mark.parametrize("kind", ["float32", "uint8", "int64"])
def test_evaluate_reads_the_labels_of_a_dataset(models, kind):
    model = models["two layers with labels"]
    x, labels = rows_of(model), labels_of(model)
    model.compile()
    data = {"x": x, "condition": labels.astype(kind)}
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(len(x))
    expected = -ensemble_by_formula(model, x, labels).mean()
    assert model.evaluate(dataset, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_evaluate_compiled_by_xla_is_the_exact_nll(models):
    model = models["one layer"]
    model.compile(jit_compile=True)
    x = rows_of(model)
    expected = -ensemble_by_formula(model, x).mean()
    assert model.evaluate(x, batch_size=len(x), verbose=0) == pytest.approx(expected, rel=1e-5)


def test_an_ensemble_beats_its_best_ordering_and_independent_pixels_on_real_digits():
    x = (load_digits().data >= 8).astype("float32")
    train, test = x[:1500], x[1500:1796]
    independent = TabularAutoregressive(64, 0).fit_counts(train)
    baseline = -np.mean(independent.log_prob(test))
    orders = orderings.random_orders(64, 8, seed=0)
    model = OrderlessNADE(64, 64, orderings=orders, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.005))
    model.fit(np.tile(train, (40, 1)), batch_size=100, verbose=0)
    each = -np.mean(model.ordering_log_probs(test), axis=0)
    together = -np.mean(model.log_prob(test))
    assert each.max() < baseline - 5  # nats an image
    assert together < each.min() - 0.2


# Draws.


def test_draws_of_an_ensemble_come_as_often_as_its_log_prob_says(models):
    model = models["two layers with labels"]
    states = rows_of(model)
    draws = model.sample(4096, condition=2, seed=11).numpy()
    labels = np.full(len(states), 2)
    assert_counts_fit(draws, states, np.exp(ensemble_by_formula(model, states, labels)))
    for order in model.drawing_orders:  # the test would see draws of one ordering alone
        alone = np.exp(log_probs_along(model, states, order, labels))
        assert chi_square_p_value(draws, states, alone) < FALSE_ALARM


@pytest.mark.parametrize(
    "kept", [[], [2], [3], [0, 4, 2], [1, 3], [0, 1, 3, 4], [0, 1, 2, 3, 4]], ids=str
)
def test_completions_of_any_mask_are_those_of_the_order_that_begins_with_it(models, kept):
    model = models["two layers"]
    assert model.orderings == [MASKED_ORDER]
    states = rows_of(model)
    order = [i for i in MASKED_ORDER if i in kept] + [i for i in MASKED_ORDER if i not in kept]
    probabilities = np.exp(log_probs_along(model, states, order))
    evidence = np.random.default_rng(4).integers(0, 2, (2, 5)) if kept else np.zeros((2, 5))
    evidence[1, kept] = 1 - evidence[0, kept]
    given = np.where(np.isin(range(5), kept), np.tile(evidence, (2048, 1)), np.nan)
    mask = np.isin(range(5), kept)
    draws = model.sample(4096, conditioned_on=given, mask=mask, seed=6).numpy()
    np.testing.assert_array_equal(draws[:, kept], given[:, kept])
    for row in range(2):  # evidence that differs from one draw to the next
        matching = np.all(states[:, kept] == evidence[row, kept], axis=1)
        if matching.sum() > 1:
            assert_counts_fit(draws[row::2], states[matching], probabilities[matching])


def test_completions_differ_from_those_of_the_stated_order(models):
    # Or the test above could not tell the order that begins with the mask from another.
    model, states = models["two layers"], rows_of(models["two layers"])
    stated = np.exp(log_probs_along(model, states, MASKED_ORDER))
    first = np.exp(log_probs_along(model, states, [1, 3, 2, 0, 4]))
    matching = states[:, 1] + 2 * states[:, 3]
    for value in range(4):
        given = matching == value
        gap = stated[given] / stated[given].sum() - first[given] / first[given].sum()
        assert np.abs(gap).sum() / 2 > 0.03


def test_completions_of_real_values_have_the_exact_conditional(models):
    model = models["mixture"].with_orderings([0, 1])
    given = np.array([np.nan, 0.7])
    draws = model.sample(2048, conditioned_on=given, mask=[False, True], seed=1).numpy()
    np.testing.assert_array_equal(draws[:, 1], np.float32(0.7))
    x = np.array([[0.0, 0.7]])
    logits, locs, raw = np.split(outputs_given(model, weights_of(model), x, [1])[0, 0], 3)
    scales = 0.3 + np.log1p(np.exp(raw))

    def cdf(values):
        return stats.norm.cdf(values[:, np.newaxis], locs, scales) @ special.softmax(logits)

    assert stats.kstest(draws[:, 0], cdf).pvalue > FALSE_ALARM


def test_a_mask_is_refused_by_several_orderings(models):
    model = models["one layer"]
    before = np.array(model.seed_generator.state)
    with pytest.raises(ValueError, match="Expected one stated ordering.*Received: 3 orderings"):
        model.sample(2, conditioned_on=np.zeros(8), mask=np.arange(8) < 2)
    np.testing.assert_array_equal(model.seed_generator.state, before)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([True] * 4, r"mask of shape \(5,\) .* Received: mask of shape \(4,\)"),
        ([[True] * 5], r"mask of shape \(5,\) .* Received: mask of shape \(1, 5\)"),
        ([0, 1, 2, 0, 0], "mask of shape .* with true or false in it"),
        (
            [0, 0.5, 0, 0, 0],
            "mask of shape .* with true or false in it. Received: .* dtype float64",
        ),
        (["a"] * 5, "mask to hold real numbers. Received"),
    ],
)
def test_bad_masks(models, mask, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        models["two layers"].sample(2, conditioned_on=np.zeros(5), mask=mask)


# Orderings.


def test_with_orderings_is_the_same_network_under_other_orderings(models):
    model, x = models["one layer"], rows_of(models["one layer"])
    stated, before = [*model.orderings], model.ordering_log_probs(x).numpy()
    for k, ordering in enumerate(stated):
        alone = model.with_orderings(ordering)
        assert alone.orderings == [ordering]
        np.testing.assert_allclose(alone.log_prob(x), before[:, k], rtol=1e-6)
        for weight in alone.trainable_variables:
            weight.assign(tf.zeros(weight.shape))  # its own copy of the weights
    assert model.orderings == stated
    np.testing.assert_array_equal(model.ordering_log_probs(x), before)


def test_with_orderings_is_compiled_as_the_model_is():
    x = np.random.default_rng(0).integers(0, 2, (8, 4)).astype("float32")
    model = OrderlessNADE(4, 5, seed=0)
    assert not model.with_orderings("reversed").compiled
    model.compile(keras.optimizers.SGD(0.25), jit_compile=False)
    model.fit(x, epochs=1, verbose=0)
    other = model.with_orderings(["reversed", "spiral"])
    assert other.optimizer is not model.optimizer
    assert float(other.optimizer.learning_rate) == 0.25
    assert int(other.optimizer.iterations) == 0
    expected = -ensemble_by_formula(other, x).mean()
    assert other.evaluate(x, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_orderings_are_saved_as_they_were_stated(tmp_path):
    stated = ["reversed", "spiral", "random", orderings.random_order(9, 4)]
    model = OrderlessNADE(9, 4, 2, orderings=stated, seed=3)
    kept = ["reversed", "spiral", *(orderings.random_order(9, s).tolist() for s in (5, 4))]
    assert model.orderings == kept
    x = np.random.default_rng(0).integers(0, 2, (8, 9)).astype("float32")
    expected = model.ordering_log_probs(x).numpy()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.orderings == kept
    np.testing.assert_array_equal(loaded.ordering_log_probs(x), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_features": 0}, "num_features to be a whole number >= 1. Received: num_features=0"),
        ({"hidden_units": 3.0}, "hidden_units to be a whole number >= 1. .*hidden_units=3.0"),
        ({"num_layers": 0}, "num_layers to be a whole number >= 1. Received: num_layers=0"),
        ({"num_layers": 1.5}, "num_layers to be a whole number >= 1. Received: num_layers=1.5"),
        ({"likelihood": "bernoulli"}, "likelihood to be an instance .*='bernoulli'"),
        ({"activation": keras.activations.relu}, "activation to be the name .*function relu"),
        ({"activation": None}, "activation to be the name .* Received: activation=None"),
        ({"num_labels": 1}, "num_labels to be a whole number >= 2"),
        ({"seed": -1}, "seed to be a whole number >= 0. Received: seed=-1"),
        ({"orderings": [0, 0, 1, 2]}, "ordering to be a permutation of 0..3"),
        ({"orderings": ["natural", "diagonal"]}, "ordering to be one of .*'diagonal'"),
        ({"orderings": []}, r"orderings to be one ordering or a list of them. Received: \[\]"),
    ],
)
def test_bad_constructor_values(options, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        OrderlessNADE(**{"num_features": 4, "hidden_units": 3, **options})


def test_bad_orderings_are_refused_for_a_trained_model_too(models):
    with pytest.raises(ValueError, match="Expected ordering to be a permutation of 0..7"):
        models["one layer"].with_orderings([0, 1, 2])
