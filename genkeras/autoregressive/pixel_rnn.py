"""PixelRNN: images pixel by pixel through two-dimensional LSTMs.

p(x) = prod_i p(x_i | x_<i) as for PixelCNN, but what a pixel knows comes through recurrent states
that reach back as far as the image does. `RowLSTM` walks down the rows, one step for each, and
sees a triangle above the pixel; `DiagonalBiLSTM` walks along the diagonals, rows + columns - 1
steps, and sees all earlier pixels but one.

Reference: van den Oord, Kalchbrenner & Kavukcuoglu 2016, https://arxiv.org/abs/1601.06759.
"""

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.autoregressive.image import ImageModel
from genkeras.layers import pixel_lstm


class PixelRNN(ImageModel):
    """What the two models share: recurrent layers with residual and skip connections.

    Args:
        image_shape: (height, width) or (height, width, colours).
        likelihood: `Bernoulli()` if None; `Categorical(K)` for K levels.
        hidden_units: channels h of a state, a multiple of the number of colours; the map between
            layers has 2h.
        num_layers: number of recurrent layers.
        head_units: channels of the two layers before the outputs, a multiple as well.
        ordering: "raster", "reversed" or "column-major".
        position_bias: whether the first layer has a bias for every pixel; the papers have none.
        num_labels: number of class labels y for p(x | y), or None.
        seed: int or None; also seeds the weights.
    """

    recurrent_layer = None

    def __init__(
        self,
        image_shape,
        likelihood=None,
        hidden_units=16,
        num_layers=1,
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
        units, wide = self.hidden_units, 2 * self.hidden_units
        self.input_conv = self._convolution(self.num_colors, wide, self.input_kernel, "A")
        self.recurrent_layers = [self._recurrent(k) for k in range(self.num_layers)]
        self.expansions = [self._convolution(units, wide) for _ in range(self.num_layers)]
        self.skips = [self._convolution(units, wide) for _ in range(self.num_layers)]
        self.head = self._head(wide, self.head_units)
        self.label_kernel = self._label_kernel(wide)
        self.place_kernel = self._place_kernel(wide)

    def _recurrent(self, number):
        seed = checks.seed(self.seed, 1000 * (number + 1))
        layer = self.recurrent_layer(
            self.hidden_units, self.num_colors, seed=seed, dtype=self.dtype_policy
        )
        layer.build((None, *self._turned_shape[:2], 2 * self.hidden_units))
        return layer

    def raster_outputs(self, x, condition, training):
        features = self.input_conv(x)  # (batch, rows, columns, 2h)
        features += self._shifts(condition, features.dtype)
        return self._outputs(features, lambda layer, x: layer(x))

    def _outputs(self, features, apply):
        """From the features of the input convolution; `apply(layer, x)` is the layer's output."""
        skipped = 0.0
        for recurrent, expand, skip in zip(
            self.recurrent_layers, self.expansions, self.skips, strict=True
        ):
            states = apply(recurrent, features)
            features += apply(expand, states)
            skipped += apply(skip, states)
        features += skipped
        for layer in self.head:
            features = apply(layer, tf.nn.relu(features))
        return features

    def _start(self, batch_size, condition):
        _, columns, _ = self._turned_shape
        states = [layer.start(batch_size, columns) for layer in self.recurrent_layers]
        return states, self._labels(condition)

    def _enter_row(self, state, rows, row):
        states, labels = state
        pairs = zip(self.recurrent_layers, states, strict=True)
        return [layer.enter_row(one) for layer, one in pairs], labels

    def _step(self, state, window, row, column):
        states, labels = state
        waiting, after = iter(states), []

        def apply(layer, x):
            if not isinstance(layer, self.recurrent_layer):
                return layer.at(x[tf.newaxis, tf.newaxis])
            new_state, hidden = layer.at(next(waiting), x, column)
            after.append(new_state)
            return hidden

        features = self.input_conv.at(window) + labels + self._place(row, column)
        outputs = self._outputs(features, apply)
        return (after, labels), outputs

    def get_config(self):
        return {**super().get_config(), "num_layers": self.num_layers}


@keras.saving.register_keras_serializable(package="genkeras")
class RowLSTM(PixelRNN):
    """PixelRNN whose state walks down the rows: a step for each row.

    A pixel sees the triangle above it, and of its own row what the convolutions reach: three pixels
    by the input kernel, and one more in every layer.

    Args: those of `PixelRNN`.
    """

    recurrent_layer = pixel_lstm.RowLSTM


@keras.saving.register_keras_serializable(package="genkeras")
class DiagonalBiLSTM(PixelRNN):
    """PixelRNN whose states walk along the diagonals, from both sides.

    Args: those of `PixelRNN`.

    Note: a pixel sees all earlier ones, with one exception: of the row above it the last pixel,
        where that lies beyond the input kernel. What comes from the right is made of features that
        have not seen their own pixel, and is moved down a row, as in the paper; more layers do not
        change it.
    """

    recurrent_layer = pixel_lstm.DiagonalBiLSTM
