"""Masked convolutions against loops over pixels and channels, all at once and pixel by pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras.layers.masked_conv import AtPixel, InRow, MaskedConv2D

KERNELS = [(1, 1), (1, 3), (3, 3), (5, 3), (3, 7), (7, 7)]
ROWS, COLUMNS = 5, 6
every_kernel = pytest.mark.parametrize("size", KERNELS, ids=str)


def built(size, mask, colors=1, inputs=3, filters=6, seed=0, **options):
    layer = MaskedConv2D(filters, size, mask, colors, **options)
    layer.build((None, None, None, inputs))
    random = np.random.default_rng(seed)
    for weight in (layer.kernel, layer.bias):
        weight.assign(random.normal(size=weight.shape))
    return layer


def image(channels=3, batch=2):
    random = np.random.default_rng(1)
    return random.normal(size=(batch, ROWS, COLUMNS, channels)).astype("float32")


def test_it_reads_channels_last_whatever_keras_reads():
    expected = built((3, 3), "B")(image())
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        found = built((3, 3), "B")(image())
    finally:
        keras.config.set_image_data_format(before)
    np.testing.assert_array_equal(found, expected)


def is_seen(mask, colors, up, right, source, target):
    """Whether channel `target` of a pixel sees channel `source` of the pixel `up` rows above it and
    `right` columns to its right; colour j % C comes before the next one."""
    if up > 0 or mask is None:
        return True
    if mask == "above" or right > 0:
        return False
    if right < 0:
        return True
    gap = target % colors - source % colors
    return gap > 0 if mask == "A" else gap >= 0


def by_loops(layer, x, mask, colors):
    """The output of `layer` for x `(batch, rows, columns, channels)`, in float64."""
    kernel, bias = (np.float64(weight) for weight in (layer.kernel, layer.bias))
    height, width, inputs, filters = kernel.shape
    batch, rows, columns, _ = x.shape
    outputs = np.zeros((batch, rows, columns, filters)) + bias
    for row, column, k, j in np.ndindex(rows, columns, height, width):
        up, right = height - 1 - k, j - width // 2
        if row - up < 0 or not 0 <= column + right < columns:
            continue  # zeros lie outside of the image
        for source, target in np.ndindex(inputs, filters):
            if is_seen(mask, colors, up, right, source, target):
                value = x[:, row - up, column + right, source]
                outputs[:, row, column, target] += value * kernel[k, j, source, target]
    return outputs


@every_kernel
@pytest.mark.parametrize("mask", ["A", "B", "above", None])
@pytest.mark.parametrize(("colors", "inputs"), [(1, 3), (3, 3), (3, 6)])
def test_outputs_are_those_of_the_loops(size, mask, colors, inputs):
    layer, x = built(size, mask, colors, inputs), image(inputs)
    expected = by_loops(layer, x, mask, colors)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)
    assert layer.kernel.shape[:2] == ((size[0] + 1) // 2, size[1])


@pytest.mark.parametrize("mask", ["A", "B"])
@pytest.mark.parametrize("inputs", [3, 6])
def test_gates_of_two_halves_keep_the_order_of_the_colours(mask, inputs):
    # Channels 0 to 5 are values, 6 to 11 the doors beside them; both halves are R G B R G B, and so
    # are the inputs.
    layer = built((1, 1), mask, 3, inputs, filters=12)
    x = tf.constant(image(inputs))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        totals = [tf.reduce_sum(output) for output in tf.unstack(layer(x), axis=-1)]
    for target, total in enumerate(totals):
        slopes = tape.gradient(total, x).numpy()
        seen = [np.any(slopes[..., source] != 0) for source in range(inputs)]
        last = target % 3 + (mask == "B")
        assert seen == [source % 3 < last for source in range(inputs)]


@every_kernel
@pytest.mark.parametrize(("mask", "colors"), [("A", 1), ("A", 3), ("B", 3)])
def test_a_walk_over_pixels_gives_the_same_outputs(size, mask, colors):
    # Two layers deep, so that each has a cache of its own.
    x = image()
    layers = [built(size, mask, colors), built((3, 3), "B", colors, inputs=6, seed=1)]
    expected = by_loops(layers[1], by_loops(layers[0], x, mask, colors), "B", colors)
    cached = [layer for layer in layers if layer.kernel.shape[:2] != (1, 1)]
    caches = AtPixel.empty_caches(cached, len(x), COLUMNS)
    for row in range(ROWS):
        caches = AtPixel.next_row(caches)
        for column in range(COLUMNS):
            # A pixel is visited again while its colours are drawn: only the last visit counts.
            for pixel in (np.ones_like(x[:, 0, 0]), x[:, row, column]):
                walk = AtPixel(caches, tf.constant(column))
                output = walk(layers[1], walk(layers[0], tf.constant(pixel)))
                caches = walk.caches
            np.testing.assert_allclose(output, expected[:, row, column], rtol=1e-4, atol=1e-3)


@every_kernel
def test_a_walk_over_rows_gives_the_same_outputs(size):
    x = image()
    layers = [built(size, None), built((3, 3), None, inputs=6, seed=1)]
    expected = by_loops(layers[1], by_loops(layers[0], x, None, 1), None, 1)
    cached = [layer for layer in layers if layer.kernel.shape[0] > 1]
    caches = InRow.empty_caches(cached, len(x), COLUMNS)
    for row in range(ROWS):
        walk = InRow(caches)
        output = walk(layers[1], walk(layers[0], tf.constant(x[:, row : row + 1])))
        caches = walk.caches
        np.testing.assert_allclose(output[:, 0], expected[:, row], rtol=1e-4, atol=1e-3)


def hidden_entries(layer, mask, colors):
    height, width, inputs, filters = layer.kernel.shape
    hidden = np.zeros(layer.kernel.shape, bool)
    for k, j, source, target in np.ndindex(*layer.kernel.shape):
        up, right = height - 1 - k, j - width // 2
        hidden[k, j, source, target] = not is_seen(mask, colors, up, right, source, target)
    return hidden


@pytest.mark.parametrize(("mask", "colors"), [("A", 1), ("A", 3), ("B", 3), ("above", 1)])
@pytest.mark.parametrize("size", [(1, 1), (3, 3)], ids=str)
def test_hidden_entries_are_kept_and_do_nothing(size, mask, colors):
    layer, x = built(size, mask, colors), tf.constant(image())
    hidden = hidden_entries(layer, mask, colors)
    assert hidden.any()
    before = layer(x).numpy()
    large = np.where(hidden, 1e3, layer.kernel.numpy())
    layer.kernel.assign(large)
    np.testing.assert_array_equal(layer(x), before)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(layer(x) ** 2)
    weights = layer.trainable_variables
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, [w.value for w in weights]), weights)
    np.testing.assert_array_equal(layer.kernel.numpy()[hidden], 1e3)
    if not hidden.all():
        assert np.all(layer.kernel.numpy()[~hidden] != large[~hidden])


@pytest.mark.parametrize("size", [(3, 4), (2, 3)])
def test_a_kernel_without_a_centre_is_refused(size):
    with pytest.raises(ValueError, match="Expected kernel_size of two odd numbers"):
        MaskedConv2D(4, size, "A")


@pytest.mark.parametrize("mask", ["C", "a", 0, True])
def test_an_unknown_mask_is_refused(mask):
    with pytest.raises(ValueError, match=f"Expected mask to be one of .* Received: mask={mask!r}"):
        MaskedConv2D(4, (3, 3), mask)


def test_a_layer_in_a_model_comes_back_from_its_file(tmp_path):
    inputs = keras.Input((ROWS, COLUMNS, 3))
    outputs = MaskedConv2D(6, 3, "A", num_colors=3, activation="relu")(inputs)
    model = keras.Model(inputs, MaskedConv2D(3, (1, 5), "B", 3)(outputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(image()), model(image()))


@pytest.mark.parametrize("option", [{"strides": 2}, {"use_bias": False}, {"padding": "valid"}])
def test_options_that_the_mask_has_no_meaning_for_are_refused(option):
    with pytest.raises(ValueError, match=f"Expected no {next(iter(option))}: a masked convolution"):
        MaskedConv2D(4, 3, "A", **option)
