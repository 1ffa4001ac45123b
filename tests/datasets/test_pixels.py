"""Binarisation and dequantisation."""

import numpy as np
import pytest

from genkeras.datasets import bernoulli_binarize, binarize, dequantize


def test_binarize_includes_the_threshold():
    np.testing.assert_array_equal(binarize([[0, 7.9, 8, 16]], 8), [[0, 0, 1, 1]])
    assert binarize([1], 1).dtype == "float32"


def test_bernoulli_binarize_draws_with_the_grey_level_as_probability():
    draws = 100_000
    levels = np.repeat([[0], [64], [128], [255]], draws, axis=1)
    x = bernoulli_binarize(levels, num_levels=256, seed=0)
    p = np.array([0, 64 / 255, 128 / 255, 1])
    # Five standard deviations: a false alarm in fewer than one of a million.
    assert (np.abs(x.mean(axis=1) - p) <= 5 * np.sqrt(p * (1 - p) / draws)).all()
    assert set(np.unique(x)) == {0.0, 1.0}
    assert x.dtype == "float32"


def test_bernoulli_binarize_repeats_with_its_seed_only():
    levels = np.full(100, 8)
    first = bernoulli_binarize(levels, 17, seed=1)
    np.testing.assert_array_equal(first, bernoulli_binarize(levels, 17, seed=1))
    assert (first != bernoulli_binarize(levels, 17, seed=2)).any()


@pytest.mark.parametrize("num_levels", [2, 17, 256, 1000])
def test_dequantize_stays_within_its_level(num_levels):
    x = np.tile(np.arange(num_levels), 200_000 // num_levels)
    y = dequantize(x, num_levels, seed=0)
    assert y.dtype == "float32"
    assert y.min() > 0 and y.max() < 1
    np.testing.assert_array_equal(np.floor(y.astype("float64") * num_levels), x)


@pytest.mark.parametrize("noise", [0.0, np.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("num_levels", [17, 256, 1000])
def test_dequantize_never_rounds_out_of_its_level(monkeypatch, noise, num_levels):
    class Always:
        def random(self, shape):
            return np.full(shape, noise)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Always())
    x = np.arange(num_levels)
    y = dequantize(x, num_levels, seed=0)
    np.testing.assert_array_equal(np.floor(y.astype("float64") * num_levels), x)


def test_dequantize_adds_uniform_noise():
    n = 100_000
    noise = dequantize(np.full(n, 3), 4, seed=0).astype("float64") * 4 - 3
    # Mean 1/2 and variance 1/12, each within five standard deviations of its estimate.
    assert noise.mean() == pytest.approx(0.5, abs=5 * np.sqrt(1 / 12 / n))
    assert noise.var() == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / n))
    np.testing.assert_array_equal(dequantize([1, 2], 4, seed=5), dequantize([1, 2], 4, seed=5))


@pytest.mark.parametrize("function", [bernoulli_binarize, dequantize])
@pytest.mark.parametrize(
    ("x", "num_levels", "message"),
    [
        ([0, 4], 4, "integers 0 to 3. Received: 4"),
        ([-1, 0], 4, "integers 0 to 3. Received: -1"),
        ([0.5, 1], 4, "integers 0 to 3. Received: 0.5"),
        ([0, np.nan], 4, "integers 0 to 3. Received: nan"),
        ([0], 1, "num_levels of at least 2. Received: 1"),
        ([], 4, "at least one value. Received: shape"),
    ],
)
def test_values_that_are_no_levels_are_refused(function, x, num_levels, message):
    with pytest.raises(ValueError, match=message):
        function(x, num_levels, seed=0)
