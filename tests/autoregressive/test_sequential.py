"""What every sequential model owes: it sums to one, looks back only, and samples what it scores."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from genkeras import FVSBN, NADE, TabularAutoregressive
from genkeras.likelihoods import Categorical, MixtureOfGaussians, Normal

# Chance of one false alarm in each statistical test.
FALSE_ALARM = 1e-4

# Name: constructor, scale of its random weights.
DISCRETE = {
    "tabular of order 0": (lambda: TabularAutoregressive(6, 0, seed=0), 1.0),
    "tabular of order 2": (lambda: TabularAutoregressive(6, 2, seed=0), 1.0),
    "tabular of 3 levels": (lambda: TabularAutoregressive(4, 2, 3, seed=0), 1.0),
    "fvsbn": (lambda: FVSBN(12, seed=0), 1.0),
    "nade": (lambda: NADE(12, 5, seed=0), 1.0),
    "nade in a spiral": (lambda: NADE(9, 5, ordering="spiral", activation="relu", seed=0), 0.7),
    "nade of 3 levels": (lambda: NADE(5, 4, Categorical(3), ordering=[3, 0, 4, 2, 1], seed=0), 1.0),
    "nade with labels": (lambda: NADE(9, 5, ordering="random", num_labels=3, seed=3), 1.0),
}
CONTINUOUS = {
    "normal nade": (lambda: NADE(2, 4, Normal(), ordering=[1, 0], seed=0), 0.7),
    "mixture nade": (lambda: NADE(2, 4, MixtureOfGaussians(3, 0.05), seed=0), 0.7),
}
NETWORKS = [name for name in (*DISCRETE, *CONTINUOUS) if "tabular" not in name]


def randomised(make, scale):
    model = make()
    model.build((None, *model.event_shape))
    random = np.random.default_rng(5)
    for weight in model.trainable_variables:
        weight.assign(random.normal(scale=scale, size=weight.shape))
    return model


@pytest.fixture(scope="module")
def models():
    return {name: randomised(*entry) for name, entry in {**DISCRETE, **CONTINUOUS}.items()}


def all_states(model):
    levels = range(getattr(model.likelihood, "num_classes", 2))
    return np.array(list(itertools.product(levels, repeat=model.num_features)), "float32")


def all_labels(model):
    return [None] if model.num_labels is None else range(model.num_labels)


def probabilities(model, label=None):
    states = all_states(model)
    condition = None if label is None else np.full(len(states), label)
    return np.exp(model.log_prob(states, condition).numpy().astype("float64"))


def assert_counts_fit(draws, states, expected_probabilities):
    """Chi-square test of how often each state was drawn, rare states pooled until 5 expected."""
    index = {tuple(state): k for k, state in enumerate(states.tolist())}
    drawn = np.bincount([index[tuple(row)] for row in draws.tolist()], minlength=len(states))
    expected = len(draws) * np.asarray(expected_probabilities)
    order = np.argsort(expected)
    pools = (np.cumsum(expected[order]) // 5).astype(int)
    pools = np.minimum(pools, pools[-1] - 1)  # the last pool may be short of 5
    observed, wanted = (np.bincount(pools, weights=v[order]) for v in (drawn, expected))
    observed, wanted = observed[wanted > 0], wanted[wanted > 0]
    statistic = np.sum((observed - wanted) ** 2 / wanted)
    assert len(wanted) > 5
    assert statistic < stats.chi2.ppf(1 - FALSE_ALARM, len(wanted) - 1)


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_of_all_states_sum_to_one(models, name):
    for label in all_labels(models[name]):
        assert probabilities(models[name], label).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_density_integrates_to_one(models, name):
    grid = np.linspace(-14, 14, 561, dtype="float32")
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(models[name].log_prob(points)).reshape(len(grid), len(grid))
    inner = integrate.trapezoid(density, grid, axis=1)
    assert integrate.trapezoid(inner, grid) == pytest.approx(1, abs=1e-3)


def test_labels_change_the_density(models):
    first, second, third = (probabilities(models["nade with labels"], k) for k in range(3))
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(second - third).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_have_slopes_to_earlier_variables_only(models, name):
    model = models[name]
    x = tf.constant(np.random.default_rng(1).random((2, model.num_features)), tf.float32)
    if name in DISCRETE:
        x = tf.round(x)
    inputs = x if model.num_labels is None else {"x": x, "condition": tf.constant([0, 2])}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first_row = model(inputs)[0]  # (D, num_parameters)
        outputs = [tf.reduce_sum(first_row[i]) for i in range(model.num_features)]
    order = model.drawing_order.tolist()
    for i, output in enumerate(outputs):
        slopes = tape.gradient(output, x).numpy()
        earlier = order[: order.index(i)]
        later = order[order.index(i) :]
        assert np.all(slopes[0, later] == 0)
        assert np.all(slopes[0, earlier] != 0)
        assert np.all(slopes[1] == 0)  # the other row


@pytest.mark.parametrize("name", [name for name in DISCRETE if "tabular" in name])
def test_tables_look_at_the_last_variables_only(models, name):
    model = models[name]
    x = np.random.default_rng(1).integers(0, 2, (2, model.num_features)).astype("float32")
    before = model(tf.constant(x)).numpy()
    for j in range(model.num_features):
        changed = x.copy()
        changed[0, j] = 1 - x[0, j]
        moved = np.any(model(tf.constant(changed)).numpy() != before, axis=-1)  # (2, D)
        expected = [j < i <= j + model.order for i in range(model.num_features)]
        assert moved[0].tolist() == expected
        assert not moved[1].any()


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
def test_log_prob_is_the_sum_over_the_conditionals(models, name):
    model = models[name]
    x = model.sample(5, condition=None if model.num_labels is None else 1, seed=0)
    condition = None if model.num_labels is None else np.ones(5)
    conditionals = model.conditionals(x, condition)
    assert conditionals.batch_shape == x.shape
    total = np.sum(conditionals.log_prob(x), axis=1)
    np.testing.assert_allclose(model.log_prob(x, condition), total, rtol=1e-5)


@pytest.mark.parametrize("name", DISCRETE)
def test_samples_come_as_often_as_log_prob_says(models, name):
    model = models[name]
    for label in list(all_labels(model))[-2:]:
        draws = model.sample(3000, condition=label, seed=11).numpy()
        assert_counts_fit(draws, all_states(model), probabilities(model, label))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_samples_have_uniform_conditional_cdfs(models, name):
    draws = models[name].sample(3000, seed=12)
    uniforms = models[name].conditionals(draws).cdf(draws).numpy()
    for column in uniforms.T:
        assert stats.kstest(column, "uniform").pvalue > FALSE_ALARM
    # Independent of each other too, if the variables were drawn from these conditionals.
    assert stats.spearmanr(*uniforms.T).pvalue > FALSE_ALARM


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_completions_have_the_exact_conditional(models, name, share):
    model = models[name]
    count = max(1, int(share * model.num_features))
    mask = np.zeros(model.num_features, bool)
    mask[model.drawing_order[:count]] = True
    label = None if model.num_labels is None else 2
    given = model.sample(1, condition=label, seed=5).numpy()[0]
    states = all_states(model)
    matching = np.all(states[:, mask] == given[mask], axis=1)
    conditional = probabilities(model, label) * matching
    draws = model.sample(2000, conditioned_on=given, mask=mask, condition=label, seed=6).numpy()
    assert np.all(draws[:, mask] == given[mask])
    if matching.sum() > 8:
        assert_counts_fit(draws, states[matching], conditional[matching] / conditional.sum())


@pytest.mark.parametrize("name", ["tabular of order 2", "nade in a spiral", "normal nade"])
@pytest.mark.parametrize("num_samples", [1, 16, 17, 129])
def test_each_draw_keeps_its_own_evidence(models, name, num_samples):
    model = models[name]
    first = model.drawing_order[0]
    given = np.full((num_samples, model.num_features), np.nan)  # read at the kept position only
    given[:, first] = np.random.default_rng(0).integers(0, 2, num_samples)
    mask = np.arange(model.num_features) == first
    draws = model.sample(num_samples, conditioned_on=given, mask=mask, seed=1).numpy()
    assert draws[:, first].tolist() == given[:, first].tolist()
    assert np.all(model.likelihood.in_support(draws))


@pytest.mark.parametrize("num_samples", [17, 129])
def test_draws_in_one_call_are_not_copies(models, num_samples):
    draws = models["normal nade"].sample(num_samples, seed=1).numpy()
    assert len(np.unique(draws, axis=0)) == num_samples


def test_each_draw_follows_its_own_label():
    model = NADE(4, 2, num_labels=2, activation="linear", seed=0)
    model.build((None, 4))
    for weight in model.trainable_variables:
        weight.assign(np.zeros(weight.shape))
    model.label_kernel.assign([[-9.0, 0.0], [9.0, 0.0]])
    model.output_kernel.assign(np.full(model.output_kernel.shape, 9.0))
    labels = np.random.default_rng(0).integers(0, 2, 140)
    draws = model.sample(140, condition=labels, seed=0).numpy()
    np.testing.assert_array_equal(draws, np.repeat(labels[:, np.newaxis], 4, axis=1))


@pytest.mark.parametrize("name", ["fvsbn", "normal nade"])
def test_a_seed_repeats_and_the_own_stream_advances(models, name):
    model = models[name]
    again = [model.sample(20, seed=seed).numpy() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert np.any(again[0] != again[2])
    stream = [model.sample(20).numpy() for _ in range(2)]
    assert np.any(stream[0] != stream[1])


def test_models_of_one_seed_draw_alike(models):
    twins = [NADE(4, 3, Normal(), seed=8) for _ in range(2)]
    first, second = ([twin.sample(3).numpy() for _ in range(2)] for twin in twins)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["tabular of order 2", "nade in a spiral", "normal nade"])
def test_a_mask_that_skips_a_variable_of_the_order_is_refused(models, name):
    model = models[name]
    mask = np.zeros(model.num_features, bool)
    mask[model.drawing_order[1]] = True
    message = f"kept variables come first.*number 0 of the order .position {model.drawing_order[0]}"
    with pytest.raises(ValueError, match=message):
        model.sample(2, conditioned_on=np.zeros(model.num_features), mask=mask)


def test_log_prob_has_a_slope_to_a_tensor(models):
    x = tf.constant([[0.3, -0.4], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(models["normal nade"].log_prob(x))
    slope = tape.gradient(total, x).numpy()
    step = 1e-2
    for i in range(2):
        shift = step * (np.arange(2) == i)
        up, down = (models["normal nade"].log_prob(x.numpy() + s * shift) for s in (1, -1))
        np.testing.assert_allclose((up - down) / (2 * step), slope[:, i], rtol=2e-2, atol=2e-3)
