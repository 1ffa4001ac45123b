"""PixelCNN: the pixels before this one through a stack of masked convolutions.

p(x) = prod_i p(x_i | x_<i) with the pixels in raster order, and the colours of a pixel one after
another. All conditionals come out of one pass over the image, because no layer lets a pixel see
itself or a later one. `GatedPixelCNN` adds a stack for the rows above, which closes the blind spot
that stacked masked kernels have to the right, and gates.

References: van den Oord, Kalchbrenner & Kavukcuoglu 2016, https://arxiv.org/abs/1601.06759, table 1
and figure 5; gated: van den Oord et al. 2016, https://arxiv.org/abs/1606.05328, figure 2.
"""

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.autoregressive.image import ImageModel
from genkeras.layers.masked_conv import AtPixel, InRow


@keras.saving.register_keras_serializable(package="genkeras")
class PixelCNN(ImageModel):
    """PixelCNN with residual blocks.

    Args:
        image_shape: (height, width) or (height, width, colours).
        likelihood: `Bernoulli()` if None; `Categorical(K)` for K levels.
        hidden_units: channels h inside a block, a multiple of the number of colours; the map
            between blocks has 2h.
        num_blocks: number of residual blocks.
        head_units: channels of the two layers before the outputs, a multiple as well.
        ordering: "raster", "reversed" or "column-major".
        position_bias: whether the first layer has a bias for every pixel; the papers have none.
        num_labels: number of class labels y for p(x | y), or None.
        seed: int or None; also seeds the weights.

    Note: stacked masked kernels never reach some of the pixels above and to the right, however
        many there are: the blind spot. `GatedPixelCNN` has none.
    """

    def __init__(
        self,
        image_shape,
        likelihood=None,
        hidden_units=32,
        num_blocks=7,
        head_units=32,
        ordering="raster",
        position_bias=False,
        num_labels=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            image_shape,
            likelihood,
            hidden_units,
            head_units,
            ordering,
            position_bias,
            num_labels=num_labels,
            seed=seed,
            **kwargs,
        )
        self.num_blocks = checks.positive_int("num_blocks", num_blocks)

    def build(self, input_shape):
        units, wide = self.hidden_units, 2 * self.hidden_units
        self.input_conv = self._convolution(self.num_colors, wide, self.input_kernel, "A")
        self.blocks = [
            (
                self._convolution(wide, units),
                self._convolution(units, units, (3, 3)),
                self._convolution(units, wide),
            )
            for _ in range(self.num_blocks)
        ]
        self.head = self._head(wide, self.head_units)
        self.label_kernel = self._label_kernel(wide)
        self.place_kernel = self._place_kernel(wide)

    def raster_outputs(self, x, condition, training):
        features = self.input_conv(x)  # (batch, rows, columns, 2h)
        features += self._shifts(condition, features.dtype)
        return self._outputs(features, lambda layer, x: layer(x))

    def _outputs(self, features, apply):
        """From the features of the input convolution; `apply(layer, x)` is the layer's output."""
        for reduce, look, expand in self.blocks:
            hidden = apply(reduce, tf.nn.relu(features))
            hidden = apply(look, tf.nn.relu(hidden))
            features += apply(expand, tf.nn.relu(hidden))
        for layer in self.head:
            features = apply(layer, tf.nn.relu(features))
        return features

    def _start(self, batch_size, condition):
        _, columns, _ = self._turned_shape
        caches = AtPixel.empty_caches([look for _, look, _ in self.blocks], batch_size, columns)
        return caches, self._labels(condition)

    def _enter_row(self, state, rows, row):
        caches, labels = state
        return AtPixel.next_row(caches), labels

    def _step(self, state, window, row, column):
        caches, labels = state
        at_pixel = AtPixel(caches, column)
        features = self.input_conv.at(window) + labels + self._place(row, column)
        outputs = self._outputs(features, at_pixel)
        return (at_pixel.caches, labels), outputs

    def get_config(self):
        return {**super().get_config(), "num_blocks": self.num_blocks}


@keras.saving.register_keras_serializable(package="genkeras")
class GatedPixelCNN(ImageModel):
    """PixelCNN of two stacks with gates, without a blind spot.

    The vertical stack reads all rows above a pixel, the horizontal one the pixels to its left and
    what the vertical stack says of it.

    Args:
        image_shape: (height, width) or (height, width, colours).
        likelihood: `Bernoulli()` if None; `Categorical(K)` for K levels.
        hidden_units: channels of each stack, a multiple of the number of colours.
        num_layers: number of layers after the first.
        head_units: channels of the two layers before the outputs, a multiple as well.
        ordering: "raster", "reversed" or "column-major".
        position_bias: whether the first layer has a bias for every pixel; the papers have none.
        num_labels: number of class labels y for p(x | y), or None. A label shifts the gates of
            both stacks in every layer.
        seed: int or None; also seeds the weights.
    """

    def __init__(
        self,
        image_shape,
        likelihood=None,
        hidden_units=32,
        num_layers=7,
        head_units=32,
        ordering="raster",
        position_bias=False,
        num_labels=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            image_shape,
            likelihood,
            hidden_units,
            head_units,
            ordering,
            position_bias,
            num_labels=num_labels,
            seed=seed,
            **kwargs,
        )
        self.num_layers = checks.positive_int("num_layers", num_layers)

    def build(self, input_shape):
        units, gates, colors = self.hidden_units, 2 * self.hidden_units, self.num_colors
        height, width = self.input_kernel

        def layer(inputs, sizes, masks):
            """The vertical kernel, the link to the horizontal stack, its kernel, its output."""
            return (
                self._convolution(inputs, gates, sizes[0], masks[0]),
                self._convolution(gates, gates, mask=None),
                self._convolution(inputs, gates, sizes[1], masks[1]),
                self._convolution(units, units),
            )

        self.stack_layers = [layer(colors, ((height, width), (1, width)), ("above", "A"))]
        self.stack_layers += [
            layer(units, ((3, 3), (1, 3)), (None, "B")) for _ in range(self.num_layers)
        ]
        self.head = self._head(units, self.head_units)
        self.label_kernel = self._label_kernel(2 * gates * len(self.stack_layers))
        self.place_kernel = self._place_kernel(2 * gates)

    def raster_outputs(self, x, condition, training):
        labels = tf.cast(self._label_gates(condition), self.compute_dtype)
        places = tf.cast(self.place_kernel, self.compute_dtype)
        above, beside = _shifts(labels[..., tf.newaxis, tf.newaxis, :], places)
        links = self._vertical(x, above, lambda layer, x: layer(x))
        return self._horizontal(x, links, beside, lambda layer, x: layer(x))

    def _label_gates(self, condition):
        """What the labels add to the gates of the two stacks: `(layers, 2, batch, 2h)`."""
        count, gates = len(self.stack_layers), 2 * self.hidden_units
        if condition is None:
            return tf.zeros((count, 2, 1, gates))
        rows = tf.reshape(tf.gather(self.label_kernel, condition), (-1, count, 2, gates))
        return tf.transpose(rows, (1, 2, 0, 3))

    def _vertical(self, x, shifts, apply):
        """What the rows above say of every pixel: for each layer `(batch, rows, columns, 2h)`.

        Labels and places shift the gates: `shifts` has what they add, for each layer.
        """
        links = []
        for k, (look, link, _, _) in enumerate(self.stack_layers):
            gates = apply(look, x)
            links.append(apply(link, gates))
            x = _gated(gates + shifts[k])
        return links

    def _horizontal(self, x, links, shifts, apply):
        """The outputs; `apply(layer, x)` is a layer's output, here and in `_vertical`."""
        for k, (_, _, look, out) in enumerate(self.stack_layers):
            hidden = apply(out, _gated(apply(look, x) + links[k] + shifts[k]))
            x = hidden if k == 0 else x + hidden
        for layer in self.head:
            x = apply(layer, tf.nn.relu(x))
        return x

    def _start(self, batch_size, condition):
        _, columns, _ = self._turned_shape
        vertical, horizontal = ([layer[k] for layer in self.stack_layers[1:]] for k in (0, 2))
        gates = 2 * self.hidden_units
        links = tf.zeros((len(self.stack_layers), columns, batch_size, gates))
        return (
            InRow.empty_caches(vertical, batch_size, columns),
            AtPixel.empty_caches(horizontal, batch_size, columns),
            links,
            self._label_gates(condition),
        )

    def _enter_row(self, state, rows, row):
        above, left, _, labels = state
        first, in_row = self.stack_layers[0][0], InRow(above)
        side = first.width // 2
        image = tf.transpose(rows[side : rows.shape[0] - side], (2, 1, 0, 3))
        shifts, _ = _shifts(labels[..., tf.newaxis, tf.newaxis, :], self._places_of(row))
        links = self._vertical(
            image,
            shifts,
            lambda layer, x: layer.in_row(x) if layer is first else in_row(layer, x),
        )
        links = tf.transpose(tf.concat(links, axis=1), (1, 2, 0, 3))  # (layers, columns, batch, 2h)
        return in_row.caches, AtPixel.next_row(left), links, labels

    def _step(self, state, window, row, column):
        above, left, links, labels = state
        first, at_pixel = self.stack_layers[0][2], AtPixel(left, column)
        _, shifts = _shifts(labels, self._place(row, column))
        outputs = self._horizontal(
            window[:, -1:],
            tf.gather(links, column, axis=1),
            shifts,
            lambda layer, x: layer.at(x) if layer is first else at_pixel(layer, x),
        )
        return (above, at_pixel.caches, links, labels), outputs

    def get_config(self):
        return {**super().get_config(), "num_layers": self.num_layers}


def _shifts(labels, places):
    """What labels and, in the first layer, places add to the gates of a stack, layer by layer.

    Args:
        labels: `(layers, 2, batch, ..., 2h)`, for the vertical stack and the horizontal one.
        places: `(..., 4h)`, side by side for the two.

    Returns:
        Two lists, one for each stack.
    """
    stacks = []
    for stack, of_places in enumerate(tf.split(places, 2, axis=-1)):
        first, *others = tf.unstack(labels[:, stack])
        stacks.append([first + of_places, *others])
    return stacks


def _gated(gates):
    """tanh of the first half of the channels times the sigmoid of the second."""
    values, doors = tf.split(gates, 2, axis=-1)
    return tf.tanh(values) * tf.sigmoid(doors)
