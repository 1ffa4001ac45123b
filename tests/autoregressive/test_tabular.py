"""Tables: their size, counting against a dictionary in Python, and training to the same tables."""

import itertools
import math
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras import TabularAutoregressive
from genkeras.autoregressive.tabular import count_free_parameters
from genkeras.likelihoods import Bernoulli


def rows_of_data(num_rows=60, num_features=4, num_classes=2, seed=0):
    random = np.random.default_rng(seed)
    x = random.integers(0, num_classes, (num_rows, num_features))
    x[:, 1:][random.random((num_rows, num_features - 1)) < 0.5] = 0
    return x


def counted_log_prob(model, data, x, weights=None):
    """log p(x) from (count + alpha) / (context count + C alpha), counted in a dictionary."""
    counts = Counter()
    for row, weight in zip(data, np.ones(len(data)) if weights is None else weights, strict=True):
        for i in range(len(row)):
            context = tuple(row[max(0, i - model.order) : i])
            counts[i, context, row[i]] += weight
            counts[i, context] += weight
    alpha, total = model.pseudo_count, 0.0
    for i in range(len(x)):
        context = tuple(x[max(0, i - model.order) : i])
        numerator = counts[i, context, x[i]] + alpha
        denominator = counts[i, context] + model.num_classes * alpha
        total += math.log(numerator / denominator)
    return total


@pytest.mark.parametrize("n", [1, 2, 7])
def test_binary_counts_are_n_2n_minus_1_and_2_to_the_n_minus_1(n):
    assert count_free_parameters(n, 0) == n
    assert count_free_parameters(n, min(1, n - 1)) == 2 * n - 1
    assert count_free_parameters(n, n - 1) == 2**n - 1


def test_counts_are_exact_at_any_size():
    assert count_free_parameters(20_000, 19_999) == 2**20_000 - 1
    assert count_free_parameters(5, 4, 10) == 10**5 - 1


@pytest.mark.parametrize("num_classes", [2, 3, 5])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_number_of_weights_is_the_count(order, num_classes):
    model = TabularAutoregressive(4, order, num_classes)
    model.build((None, 4))
    contexts = sum(num_classes ** min(i, order) for i in range(4))
    assert model.count_params() == contexts * (num_classes - 1)
    assert model.num_free_parameters == model.count_params()


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_counting_is_that_of_a_dictionary(order, num_classes, alpha):
    data = rows_of_data(num_classes=num_classes)
    model = TabularAutoregressive(4, order, num_classes, pseudo_count=alpha).fit_counts(data)
    states = np.array(list(itertools.product(range(num_classes), repeat=4)))
    expected = [counted_log_prob(model, data, state) for state in states]
    np.testing.assert_allclose(model.log_prob(states), expected, rtol=1e-5)
    assert np.exp(model.log_prob(states)).sum() == pytest.approx(1, abs=1e-5)


def test_weighted_counting_is_that_of_a_dictionary():
    data = rows_of_data()
    weights = np.random.default_rng(1).random(len(data)).astype("float32")
    model = TabularAutoregressive(4, 2).fit_counts(data, sample_weight=weights)
    expected = [counted_log_prob(model, data, row, weights) for row in data]
    np.testing.assert_allclose(model.log_prob(data), expected, rtol=1e-5)


def test_without_pseudo_counts_frequencies_are_met_exactly():
    data = rows_of_data()
    model = TabularAutoregressive(4, 3, pseudo_count=0).fit_counts(data)
    rows, counts = np.unique(data, axis=0, return_counts=True)
    np.testing.assert_allclose(np.exp(model.log_prob(rows)), counts / len(data), rtol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_level_never_seen_has_a_finite_log_prob_60_nats_down(num_classes):
    data = np.zeros((10, 2), int)
    model = TabularAutoregressive(2, 0, num_classes, pseudo_count=0).fit_counts(data)
    seen, unseen = model.log_prob([[0, 0], [num_classes - 1, 0]]).numpy()
    assert seen == pytest.approx(0, abs=1e-6)
    assert unseen == pytest.approx(-60, abs=1e-3)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_context_never_seen_is_uniform(num_classes):
    data = np.zeros((10, 2), int)
    model = TabularAutoregressive(2, 1, num_classes, pseudo_count=0).fit_counts(data)
    context_cost = model.log_prob([[1, 0]]).numpy() + math.log(num_classes)
    assert context_cost == pytest.approx(-60, abs=1e-3)  # of the first variable alone


@pytest.mark.parametrize(("alpha", "num_classes"), [(1.0, 2), (0.5, 3), (0.0, 2)])
def test_the_loss_has_no_slope_at_the_counted_tables(alpha, num_classes):
    data = rows_of_data(num_rows=300, num_features=3, num_classes=num_classes)
    model = TabularAutoregressive(3, 1, num_classes, pseudo_count=alpha, num_examples=len(data))
    x = tf.constant(data, tf.float32)
    model.build((None, 3))
    slopes = []
    for fitted in (False, True):
        if fitted:
            model.fit_counts(data)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y_pred=model(x, training=True), training=True)
        slope = tf.convert_to_tensor(tape.gradient(loss, model.log_odds.value))
        slopes.append(np.abs(slope).max())
    assert slopes[1] < 1e-6 < 1e-3 < slopes[0]


def test_training_by_gradients_reaches_the_counted_tables():
    data = rows_of_data(num_rows=40, num_features=3)
    counted = TabularAutoregressive(3, 1).fit_counts(data)
    trained = TabularAutoregressive(3, 1, num_examples=40)
    trained.compile(optimizer=keras.optimizers.SGD(4.0))
    trained.fit(np.repeat(data[np.newaxis], 600, axis=0).reshape(-1, 3), batch_size=40,
                shuffle=False, verbose=0)  # fmt: skip
    # Each logit has curvature w p (1 - p) with w >= 2 alpha / N = 1/20 and p (1 - p) >= 0.02, so
    # 600 steps of 4 shrink every distance by at least (1 - 4 * 0.001)^600 = 0.09; the rows that
    # were really seen weigh far more. Checked through the slope, which bounds what is left.
    np.testing.assert_allclose(trained.log_odds, counted.log_odds, atol=1e-3)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_sampling_walks_through_the_same_contexts(order):
    data = rows_of_data(num_classes=3)
    model = TabularAutoregressive(4, order, 3, seed=0).fit_counts(data)
    x = model.sample(64, seed=1).numpy().astype(int)
    state = model._start(64, None)
    for i in range(4):
        logits = model._step(state, i).numpy()
        expected = model(tf.constant(x, tf.float32)).numpy()[:, i]
        np.testing.assert_allclose(logits, expected, rtol=1e-6)
        state = model._advance(state, i, tf.constant(x[:, i], tf.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": 4}, "order <= num_features - 1 = 3. Received: order=4"),
        ({"order": -1}, "order to be a whole number >= 0. Received: order=-1"),
        ({"order": 1.5}, "order to be a whole number >= 0. Received: order=1.5"),
        ({"num_features": 0}, "num_features to be a whole number >= 1"),
        ({"num_classes": 1}, "num_classes to be a whole number >= 2"),
        ({"pseudo_count": -1}, "pseudo_count.*Received: pseudo_count=-1"),
        ({"pseudo_count": math.nan}, "pseudo_count.*Received: pseudo_count=nan"),
        ({"num_examples": 0}, "num_examples to be a whole number >= 1"),
        ({"num_labels": 3}, "num_labels=None. Received: num_labels=3"),
        (
            {"num_features": 784, "order": 783},
            "tables of at most 67108864 free parameters. Received: num_features=784, order=783, "
            "num_classes=2, which need about 10\\^236",
        ),
        ({"num_features": 20_000, "order": 19_999}, "tables of at most .*about 10\\^6020"),
    ],
)
def test_bad_constructor_values(arguments, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        TabularAutoregressive(**{"num_features": 4, "order": 1, **arguments})


def test_a_likelihood_is_refused():
    with pytest.raises(ValueError, match="Expected no likelihood: num_classes says"):
        TabularAutoregressive(4, 1, likelihood=Bernoulli())


def test_training_with_a_prior_needs_the_number_of_examples():
    model = TabularAutoregressive(4, 1)
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match="Expected num_examples.*Received: num_examples=None"):
        model.fit(rows_of_data(), verbose=0)


@pytest.mark.parametrize(
    ("x", "weights", "message"),
    [
        (np.full((3, 4), 2), None, "values of x to be 0 or 1. Received: 2"),
        (np.zeros((3, 5)), None, r"x of shape \(batch, 4\). Received: x of shape \(3, 5\)"),
        (np.zeros((3, 4)), [1, 2], r"sample_weight of shape \(3,\)"),
        (np.zeros((3, 4)), [1, 2, -1], "sample_weight to be finite and >= 0"),
    ],
)
def test_counting_refuses_bad_data(x, weights, message):
    model = TabularAutoregressive(4, 1).fit_counts(rows_of_data())
    before = model.log_odds.numpy()
    with pytest.raises(ValueError, match=f"Expected {message}"):
        model.fit_counts(x, weights)
    np.testing.assert_array_equal(model.log_odds, before)
