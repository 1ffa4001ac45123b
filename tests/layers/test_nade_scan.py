"""The NADE scan against a loop in NumPy, autodiff of its plain form, and its memory promise."""

import importlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from genkeras.layers import nade_scan

# `genkeras.layers.nade_scan` is the function; its module has the same name.
scan_module = importlib.import_module("genkeras.layers.nade_scan")

ACTIVATIONS = {"sigmoid": special.expit, "tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


def inputs(batch, depth=5, width=4, outputs=2, seed=0):
    random = np.random.default_rng(seed)
    shapes = [(batch, depth), (batch, width), (depth, width), (depth, width, outputs)]
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def dropout_scale(batch, width=4):
    return (2.0 * (np.random.default_rng(9).random((batch, width)) < 0.5)).astype("float32")


def by_loop(x, initial, kernel, output_kernel, activation, scale):
    """h_i = activation(a_i) * scale, a_{i+1} = a_i + x_i W_i, output i is V_i h_i."""
    x, initial, kernel, output_kernel = (
        np.asarray(t, "float64") for t in (x, initial, kernel, output_kernel)
    )
    outputs = np.zeros((len(x), x.shape[1], output_kernel.shape[2]))
    for row in range(len(x)):
        a = initial[row].copy()
        for i in range(x.shape[1]):
            h = ACTIVATIONS[activation](a) * (1 if scale is None else scale[row])
            outputs[row, i] = h @ output_kernel[i]
            a = a + x[row, i] * kernel[i]
    return outputs


def by_cumulative_sum(x, initial, kernel, output_kernel, activation, scale):
    """The same with a (batch, D, H) tensor, which TensorFlow differentiates by itself."""
    added = tf.cumsum(x[..., tf.newaxis] * kernel, axis=1, exclusive=True)
    h = keras.activations.get(activation)(initial[:, tf.newaxis] + added)
    if scale is not None:
        h = h * scale[:, tf.newaxis]
    return tf.einsum("ndh,dhp->ndp", h, output_kernel)


# With several shards of the batch: one row, a number the shards do not divide, one they do.
@pytest.mark.parametrize("batch", [1, 7, 8])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropped", [False, True])
def test_outputs_are_those_of_the_loop(batch, activation, dropped):
    arguments = inputs(batch)
    scale = dropout_scale(batch) if dropped else None
    outputs = nade_scan(*map(tf.constant, arguments), activation, scale)
    expected = by_loop(*arguments, activation, scale)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropped", [False, True])
def test_all_gradients_are_those_of_autodiff(batch, activation, dropped):
    tensors = [tf.constant(array) for array in inputs(batch, seed=1)]
    scale = tf.constant(dropout_scale(batch)) if dropped else None
    upstream = np.random.default_rng(2).normal(size=(batch, 5, 2)).astype("float32")
    gradients = []
    for function in (nade_scan, by_cumulative_sum):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = tf.reduce_sum(function(*tensors, activation, scale) * upstream)
        gradients.append(tape.gradient(loss, tensors))
    for actual, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_the_number_of_shards_changes_nothing(shards, monkeypatch):
    monkeypatch.setattr(scan_module.os, "cpu_count", lambda: shards)
    arguments = inputs(7, seed=3)
    outputs = nade_scan(*map(tf.constant, arguments), "sigmoid")
    np.testing.assert_allclose(outputs, by_loop(*arguments, "sigmoid", None), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_shards_follow_the_cores_and_hold_every_row_once(cores, monkeypatch):
    monkeypatch.setattr(scan_module.os, "cpu_count", lambda: cores)
    rows = tf.range(11)
    shards = scan_module.core_shards(rows)
    assert len(tf.config.list_logical_devices("CPU")) == 2  # which must not matter
    assert len(shards) == min(cores, scan_module.MAX_SHARDS)
    assert np.concatenate(shards).tolist() == rows.numpy().tolist()
    assert np.ptp([len(shard) for shard in shards]) <= 1


@pytest.mark.parametrize("depth", [784])
def test_gradient_drift_over_784_variables_is_a_few_epsilons_a_step(depth):
    # Undoing D additions by D subtractions: at most 2 D roundings of half an epsilon of the
    # largest pre-activation, sigmoid' <= 1/4, so far below this bound unless a step is lost.
    x, initial, kernel, output_kernel = inputs(4, depth, width=6, outputs=1, seed=4)
    x = (x > 0).astype("float32")
    kernel /= np.float32(np.sqrt(depth))
    largest = np.abs(initial[:, np.newaxis] + np.cumsum(x[..., np.newaxis] * kernel, axis=1)).max()
    bound = depth * np.finfo("float32").eps * largest
    tensors = [tf.constant(t) for t in (x, initial, kernel, output_kernel)]
    exact = [tf.cast(t, tf.float64) for t in tensors]
    gradients = []
    for function, arguments in ((nade_scan, tensors), (by_cumulative_sum, exact)):
        with tf.GradientTape() as tape:
            tape.watch(arguments[3])
            outputs = tf.reduce_sum(function(*arguments, "sigmoid", None))
        gradients.append(tape.gradient(outputs, arguments[3]).numpy())  # h_i summed over the batch
    drift = np.abs(gradients[0] - gradients[1]).max()
    assert drift <= 4 * bound / 4  # four rows, slope 1/4


def largest_tensor(compiled, arguments):
    """Number of elements of the largest array in the optimised HLO."""
    hlo = compiled.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
    shapes = re.findall(r"\b(?:f32|s32|pred)\[([\d,]+)\]", hlo)
    return max(int(np.prod([int(n) for n in shape.split(",")])) for shape in shapes)


def test_no_array_of_batch_times_depth_times_width_exists():
    batch, depth, width = 16, 24, 20
    x, initial, kernel, output_kernel = map(tf.constant, inputs(batch, depth, width, outputs=1))
    forward, backward = scan_module._compiled("sigmoid")
    upstream = tf.ones((batch, depth, 1))
    limit = max(depth * width, batch * width, batch * depth)
    arguments = (x, initial, kernel, output_kernel, None)
    assert largest_tensor(forward, arguments) <= limit
    assert largest_tensor(backward, (*arguments, upstream)) <= limit
    # The plain form has one, so the measure can see it.
    plain = tf.function(by_cumulative_sum, jit_compile=True)
    assert largest_tensor(plain, (x, initial, kernel, output_kernel, "sigmoid", None)) > limit
