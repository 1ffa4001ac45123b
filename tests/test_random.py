"""Random numbers: one generator, with XLA and without."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from genkeras import random

SEED = (3, 4)
DISTRIBUTIONS = {
    "normal": (lambda: random.Normal([1.0, -2.0], [0.5, 3.0]), scipy.stats.norm),
    "uniform": (lambda: random.Uniform([1.0, -2.0], [1.5, 3.0]), scipy.stats.uniform),
}


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: random.uniform((50, 7), seed),
        lambda seed: random.uniform((), seed, 2.0, 5.0),
        lambda seed: random.uniform((50, 7), seed, 2, 11, tf.int32),
        lambda seed: random.normal((51, 7), seed),
        lambda seed: random.normal((), seed),
        lambda seed: random.fold_in(seed, 5),
        lambda seed: random.split(seed, 3),
    ],
)
def test_xla_draws_the_same_numbers(draw):
    # The seed is an argument: of a constant one the compiler would not have to draw anything.
    found = tf.function(draw, jit_compile=True)(tf.constant(SEED))
    # Sines and logarithms may be rounded otherwise; normal numbers are under 6.
    np.testing.assert_allclose(found, draw(tf.constant(SEED)), rtol=0, atol=16 * 2.0**-23)


@pytest.mark.parametrize("shape", [(), (7,), (50, 7), (2, 3, 4)])
def test_the_numbers_are_those_of_tensorflow_on_a_cpu(shape):
    for ours, theirs in (
        (random.uniform, tf.random.stateless_uniform),
        (random.normal, tf.random.stateless_normal),
    ):
        expected = theirs(shape, SEED, alg="philox")
        np.testing.assert_allclose(ours(shape, SEED), expected, rtol=0, atol=16 * 2.0**-23)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_xla_draws_the_same_samples(name):
    distribution = DISTRIBUTIONS[name][0]()

    def drawn(seed):
        return distribution.sample(100, seed=seed)

    # Location and scale may be applied by one operation in place of two: a rounding less of
    # numbers under 16.
    found = tf.function(drawn, jit_compile=True)(tf.constant(SEED))
    np.testing.assert_allclose(
        found, drawn(tf.constant(SEED)), rtol=0, atol=16 * np.finfo("float32").eps
    )


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_follow_the_density(name):
    make, exact = DISTRIBUTIONS[name]
    distribution = make()
    scale = distribution.scale if name == "normal" else distribution.range()
    loc = distribution.loc if name == "normal" else distribution.low
    samples = distribution.sample(20_000, seed=SEED).numpy()
    for k in range(2):
        cdf = exact(float(loc[k]), float(scale[k])).cdf
        assert scipy.stats.kstest(samples[:, k], cdf).pvalue > 1e-3


def test_whole_numbers_are_equally_likely():
    drawn = random.uniform((90_000,), SEED, 2, 11, tf.int32).numpy()
    counts = np.bincount(drawn, minlength=11)
    assert counts[:2].sum() == 0 and len(counts) == 11
    assert scipy.stats.chisquare(counts[2:]).pvalue > 1e-3
