"""The spike baseline against a mixture written out in SciPy, and the search for repeated rows."""

import itertools

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from genkeras.evaluation import SpikeDensity, repeated_rows
from genkeras.evaluation.spikes import NUM_SCALES


@pytest.fixture
def rounded():
    """Three parts of a table of two rounded columns, the first coarser: `(train, valid, test)`."""
    x = np.random.default_rng(0).normal(size=(150, 2))
    x = np.stack([x[:, 0].round(1), (x[:, 0] + x[:, 1]).round(2) / 2], axis=1)
    return x[:80], x[80:110], x[110:]


def column_density(train, scales, weights, v):
    """One normal per training row and scale, and no counting: the formula written out."""
    kernels = stats.norm(train[:, None, None], scales[None, :, None]).pdf(v)  # (n, scales, points)
    return weights @ kernels.mean(axis=0)


def test_density_is_the_mixture_of_the_formula(rounded):
    train, valid, test = rounded
    model = SpikeDensity(train, valid, 0.01)
    assert model.scales == pytest.approx([0.01 * 100 ** (k / 7) for k in range(8)])
    expected = sum(
        np.log(column_density(train[:, j], model.scales, model.weights[j], test[:, j]))
        for j in range(2)
    )
    np.testing.assert_allclose(model.log_prob(test), expected, rtol=1e-10)


def test_density_integrates_to_one(rounded):
    train, valid, _ = (part[:, :1] for part in rounded)
    model = SpikeDensity(train, valid, 0.05)
    total, _ = integrate.quad(
        lambda v: np.exp(model.log_prob([[v]])[0]), -12, 12, points=np.unique(train), limit=2000
    )
    assert total == pytest.approx(1, abs=1e-6)


def test_weights_are_the_most_likely_on_the_validation_rows(rounded):
    train, valid, _ = rounded
    model = SpikeDensity(train, valid, 0.01)
    for j, weights in enumerate(model.weights):
        kernels = np.array(
            [
                column_density(train[:, j], model.scales, unit, valid[:, j])
                for unit in np.eye(NUM_SCALES)
            ]
        )

        def loss(logits, kernels=kernels):
            w = np.exp(logits - np.logaddexp.reduce(logits))
            return -np.log(w @ kernels).sum() - np.log(w).mean()

        found = optimize.minimize(loss, np.zeros(NUM_SCALES))
        assert weights.sum() == pytest.approx(1)
        assert (weights > 0).all()
        assert loss(np.log(weights)) == pytest.approx(found.fun, abs=1e-2)


def test_repeated_values_raise_the_score_without_bound():
    x = np.random.default_rng(0).integers(0, 4, size=(300, 3)) / 2
    train, valid, test = np.split(x, 3)
    scales = [10.0**-k for k in range(2, 9)]
    scores = [SpikeDensity(train, valid, s).log_prob(test).mean() for s in scales]
    gains = np.diff(scores)
    # Ten times narrower spikes are ten times as high, in each of the three columns.
    np.testing.assert_allclose(gains, 3 * np.log(10), rtol=0.02)
    smooth = np.random.default_rng(1).normal(size=(300, 3))
    train, valid, test = np.split(smooth, 3)
    scores = [SpikeDensity(train, valid, s).log_prob(test).mean() for s in scales]
    assert max(scores) < -3 * 1.3, "values that do not repeat gain nothing"


def test_columns_are_independent(rounded):
    train, valid, test = rounded
    apart = [
        SpikeDensity(train[:, [j]], valid[:, [j]], 0.1).log_prob(test[:, [j]]) for j in range(2)
    ]
    together = SpikeDensity(train, valid, 0.1).log_prob(test)
    np.testing.assert_allclose(together, sum(apart), rtol=1e-12)


def test_far_values_have_a_finite_score(rounded):
    train, valid, _ = rounded
    assert np.isfinite(SpikeDensity(train, valid, 1e-8).log_prob([[80.0, -80.0]])).all()


@pytest.mark.parametrize("min_scale", [0, 1.0, -0.1, float("nan"), "0.1", True])
def test_a_bad_floor_is_refused(rounded, min_scale):
    with pytest.raises(ValueError, match="Expected 0 < min_scale < 1. Received: min_scale="):
        SpikeDensity(*rounded[:2], min_scale)


def test_bad_rows_are_refused(rounded):
    train, valid, _ = rounded
    with pytest.raises(ValueError, match=r"Expected train of shape \(n, num_features\)"):
        SpikeDensity(train[:, 0], valid, 0.01)
    with pytest.raises(ValueError, match="Expected train of real numbers. Received: dtype <U"):
        SpikeDensity(train.astype(str), valid, 0.01)
    with pytest.raises(ValueError, match=r"Expected valid of shape \(n, 2\). Received: .*30, 1"):
        SpikeDensity(train, valid[:, :1], 0.01)
    with pytest.raises(ValueError, match="Expected x of finite numbers"):
        SpikeDensity(train, valid, 0.01).log_prob([[0.0, np.nan]])
    with pytest.raises(ValueError, match=r"Expected x of shape \(n, 2\)"):
        repeated_rows(train[:, :1], train)


def test_repeated_rows_are_those_equal_in_every_column():
    among = np.array([[0.0, 1.0], [0.1, 2.0], [0.1, 2.0]], "float32")
    x = np.array([[0.1, 2.0], [0.1, 1.0], [-0.0, 1.0], [1.0, 0.0], [0.1, 2.0]], "float32")
    assert repeated_rows(x, among).tolist() == [True, False, True, False, True]
    rows = np.random.default_rng(0).integers(0, 3, size=(120, 4))
    x, among = np.split(rows, 2)
    expected = [any((row == other).all() for other in among) for row in x]
    assert 0 < sum(expected) < 60
    assert repeated_rows(x, among).tolist() == expected
    assert not repeated_rows(np.array(list(itertools.product([5, 6], repeat=4))), among).any()
