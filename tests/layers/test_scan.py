"""Compiled recurrences: the value and all gradients, in and out of a graph."""

import numpy as np
import pytest
import tensorflow as tf

from genkeras.layers.scan import compiled_scan

STEPS = 4


@compiled_scan
def powers(inputs):
    """h_1 .. h_4 with h_k = a * h_(k-1) + b and h_0 = 0; `unused` changes nothing."""
    a, b = inputs["pair"]

    def step(k, h, states):
        h = a * h + b
        return k + 1, h, states.write(k, h)

    *_, states = tf.while_loop(
        lambda k, *_: k < STEPS,
        step,
        (0, tf.zeros_like(a), tf.TensorArray(tf.float32, size=STEPS)),
        maximum_iterations=STEPS,
    )
    return states.stack()


def value_and_slopes(a, b, unused, upstream):
    with tf.GradientTape() as tape:
        tape.watch([a, b, unused])
        # What comes before and after the scan is differentiated as well.
        states = powers({"pair": (2 * a, b), "unused": unused})
        total = tf.reduce_sum(upstream * states**2)
    return states, tape.gradient(total, [a, b, unused])


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_value_and_slopes_are_those_of_the_closed_form(wrap):
    random = np.random.default_rng(0)
    a, b, unused = (random.normal(size=3).astype("float32") for _ in range(3))
    upstream = random.normal(size=(STEPS, 3)).astype("float32")
    states, slopes = wrap(value_and_slopes)(*map(tf.constant, (a, b, unused, upstream)))
    # h_k = b * (1 + (2a) + ... + (2a)^(k-1))
    sums = np.cumsum([(2.0 * a) ** k for k in range(STEPS)], axis=0)
    terms = [k * 2 * (2.0 * a) ** (k - 1) if k else np.zeros(3) for k in range(STEPS)]
    along = 2 * upstream * b * sums  # the slope to each state
    np.testing.assert_allclose(states, b * sums, rtol=1e-5)
    np.testing.assert_allclose(slopes[0], (along * b * np.cumsum(terms, axis=0)).sum(0), rtol=1e-4)
    np.testing.assert_allclose(slopes[1], (along * sums).sum(0), rtol=1e-4)
    np.testing.assert_array_equal(slopes[2], 0)


def test_every_shape_is_compiled_anew():
    for width in (1, 5):
        ones = tf.ones(width)
        states = powers({"pair": (ones, ones), "unused": ones})
        np.testing.assert_array_equal(states, np.outer([1, 2, 3, 4], np.ones(width)))
