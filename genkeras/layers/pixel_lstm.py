"""The recurrent layers of PixelRNN: an LSTM that walks down the rows, and one along the diagonals.

Both add what a convolution of the input says (input to state) to what the state of earlier pixels
says (state to state). Training runs one compiled scan over rows or diagonals; sampling takes the
same steps pixel by pixel.

Reference: van den Oord, Kalchbrenner & Kavukcuoglu 2016, https://arxiv.org/abs/1601.06759,
sections 3.1 and 3.2.

Note: the recurrences run in float32 under every dtype policy.
"""

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.layers.initializers import Tiled
from genkeras.layers.masked_conv import AtPixel, MaskedConv2D
from genkeras.layers.nade_scan import core_shards
from genkeras.layers.scan import compiled_recurrence

CLOSED = -1e9  # a gate before its sigmoid


class _PixelLSTM(keras.layers.Layer):
    """What both layers share.

    Args:
        units: channels h of the state, a multiple of the number of colours.
        num_colors: number of colours C of the order inside a pixel.
        seed: int or None, of the weights.
    """

    def __init__(self, units, num_colors=1, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.num_colors, self.seed = units, num_colors, seed

    def _gates(self, inputs, width, number):
        """The input-to-state convolution, built; its forget gates start open."""
        layer = MaskedConv2D(
            4 * self.units,
            (1, width),
            "B",
            self.num_colors,
            kernel_initializer=keras.initializers.GlorotUniform(checks.seed(self.seed, number)),
            bias_initializer=Tiled(np.repeat([0.0, 1.0, 0.0, 0.0], self.units)),
            dtype=self.dtype_policy,
        )
        layer.build((None, None, None, inputs))
        return layer

    def _state_kernel(self, pixels, number):
        """What the states of `pixels` earlier pixels add: `(pixels * h, 4h)`."""
        return self.add_weight(
            name=f"state_kernel_{number}",
            shape=(pixels * self.units, 4 * self.units),
            initializer=keras.initializers.GlorotUniform(checks.seed(self.seed, 2 + number)),
            autocast=False,
        )


class RowLSTM(_PixelLSTM):
    """An LSTM down the rows: the state of a pixel follows the three nearest of the row above."""

    def build(self, input_shape):
        self.input_to_state = self._gates(input_shape[-1], 3, 0)
        self.state_kernel = self._state_kernel(3, 0)

    def call(self, x):
        """Features `(batch, rows, columns, h)` of each pixel, from the rows down to its own."""
        gates = tf.cast(self.input_to_state(x), tf.float32)  # (batch, rows, columns, 4h)
        kernel = tf.convert_to_tensor(self.state_kernel)
        states = [_row_states(piece, kernel) for piece in core_shards(gates)]
        return tf.cast(tf.concat(states, axis=0), self.compute_dtype)

    def start(self, batch_size, columns):
        """The state before the first row: caches, h and c of this row, c and gates of the last."""
        states = tf.zeros((columns, batch_size, self.units))
        gates = tf.zeros((columns, batch_size, 4 * self.units))
        caches = AtPixel.empty_caches([self.input_to_state], batch_size, columns)
        return caches, states, states, states, gates

    def enter_row(self, state):
        caches, h, c, *_ = state
        gates = tf.einsum("cbi,io->cbo", _three_nearest(h, axis=0), self.state_kernel)
        return AtPixel.next_row(caches), h, c, c, gates

    def at(self, state, x, column):
        """The state after a pixel with input x `(batch, channels)`, and its output `(batch, h)`."""
        caches, h, c, c_above, gates = state
        at_pixel = AtPixel(caches, column)
        new_h, new_c = lstm_step(at_pixel(self.input_to_state, x) + gates[column], c_above[column])
        h, c = (_written(*pair, column) for pair in ((h, new_h), (c, new_c)))
        return (at_pixel.caches, h, c, c_above, gates), new_h


class DiagonalBiLSTM(_PixelLSTM):
    """Two LSTMs along the diagonals: a state follows those of the pixel beside and the one above.

    The first walks from left to right; the other from right to left, and its map is moved down by
    one row, so that a pixel sees of its right-hand side only rows above.
    """

    def build(self, input_shape):
        self.input_to_state = [self._gates(input_shape[-1], 1, number) for number in (0, 1)]
        self.state_kernels = [self._state_kernel(2, number) for number in (0, 1)]

    def call(self, x):
        """Features `(batch, rows, columns, h)` of each pixel, from all pixels before it."""
        left, right = (self._scan(*pair) for pair in zip((x, x[:, :, ::-1]), (0, 1), strict=True))
        right = tf.pad(right[:, :-1, ::-1], [[0, 0], [1, 0], [0, 0], [0, 0]])
        return tf.cast(left + right, self.compute_dtype)

    def _scan(self, x, direction):
        gates = tf.cast(self.input_to_state[direction](x), tf.float32)
        kernel = tf.convert_to_tensor(self.state_kernels[direction])
        return tf.concat([_diagonal_states(piece, kernel) for piece in core_shards(gates)], axis=0)

    def start(self, batch_size, columns):
        """The state before the first row: of the first LSTM h and c along this row, behind a
        margin, and h above; of the second its gates along this row and h above."""
        along = tf.zeros((columns + 1, batch_size, self.units))
        above = tf.zeros((columns, batch_size, self.units))
        gates = tf.zeros((columns, batch_size, 4 * self.units))
        return along, along, above, gates, above

    def enter_row(self, state):
        h, c, _, gates, right = state
        return tf.zeros_like(h), tf.zeros_like(c), h[1:], gates, self._from_the_right(gates, right)

    def _from_the_right(self, gates, above):
        """h of the second LSTM along a finished row: `(columns, batch, h)`."""
        columns, batch_size, _ = above.shape
        kernel = tf.convert_to_tensor(self.state_kernels[1])

        def step(k, h, c, states):
            column = columns - 1 - k
            before = tf.concat([h, above[column]], axis=-1)
            h, c = lstm_step(gates[column] + tf.matmul(before, kernel), c)
            return k + 1, h, c, states.write(column, h)

        empty = tf.zeros((batch_size, self.units))
        *_, states = tf.while_loop(
            lambda k, *_: k < columns,
            step,
            (0, empty, empty, tf.TensorArray(tf.float32, size=columns)),
            maximum_iterations=columns,
        )
        return states.stack()

    def at(self, state, x, column):
        """The state after a pixel with input x `(batch, channels)`, and its output `(batch, h)`."""
        h, c, above, gates, right = state
        window = x[tf.newaxis, tf.newaxis]
        left_gates, right_gates = (layer.at(window) for layer in self.input_to_state)
        before = tf.concat([h[column], above[column]], axis=-1)
        new_h, new_c = lstm_step(left_gates + tf.matmul(before, self.state_kernels[0]), c[column])
        h, c = (_written(*pair, column + 1) for pair in ((h, new_h), (c, new_c)))
        gates = _written(gates, right_gates, column)
        return (h, c, above, gates, right), new_h + right[column]


def lstm_step(gates, c):
    """One step of an LSTM: the new h and c."""
    out, forget, enter, value = tf.split(gates, 4, axis=-1)
    c = tf.sigmoid(forget) * c + tf.sigmoid(enter) * tf.tanh(value)
    return tf.sigmoid(out) * tf.tanh(c), c


def _written(array, value, place):
    return tf.tensor_scatter_nd_update(array, [[place]], value[tf.newaxis])


def _three_nearest(h, axis):
    """For every pixel of a row the states to the left, here and to the right, side by side."""
    margins = [[0, 0]] * 3
    margins[axis] = [1, 1]
    padded, columns = tf.pad(h, margins), h.shape[axis]
    pieces = [tf.gather(padded, tf.range(k, columns + k), axis=axis) for k in range(3)]
    return tf.concat(pieces, axis=-1)


def row_step(gates, h, c, kernel):
    """A row of a Row LSTM: h and c `(batch, columns, h)` after it, from those of the row above."""
    return lstm_step(gates + tf.einsum("bci,io->bco", _three_nearest(h, axis=1), kernel), c)


def rows_first(maps):
    """`(batch, rows, ...)` to `(rows, batch, ...)`, and back."""
    return tf.transpose(maps, (1, 0, 2, 3))


def diagonal_step(gates, h, c, kernel):
    """A diagonal: h and c `(batch, rows, h)` after it, from those of the diagonal before."""
    above = tf.pad(h[:, :-1], [[0, 0], [1, 0], [0, 0]])
    before = tf.concat([h, above], axis=-1)  # (batch, rows, 2h)
    return lstm_step(gates + tf.einsum("bri,io->bro", before, kernel), c)


def diagonals(gates):
    """`(batch, rows, columns, 4h)` to `(diagonals, batch, rows, 4h)`.

    Row r is moved to the right by r, which makes columns of diagonals. Outside of the image all
    gates are closed, so that a state is zero there, as at the border.
    """
    _, rows, columns, width = gates.shape
    x = tf.pad(gates, [[0, 0], [0, 0], [0, rows], [0, 0]], constant_values=CLOSED)
    x = tf.reshape(x, (-1, rows * (rows + columns), width))[:, : rows * (rows + columns - 1)]
    return tf.transpose(tf.reshape(x, (-1, rows, rows + columns - 1, width)), (2, 0, 1, 3))


def undo_diagonals(states):
    """`(diagonals, batch, rows, h)` to `(batch, rows, columns, h)`."""
    steps, _, rows, units = states.shape
    columns = steps - rows + 1
    x = tf.reshape(tf.transpose(states, (1, 2, 0, 3)), (-1, rows * steps, units))
    x = tf.pad(x, [[0, 0], [0, rows], [0, 0]])
    return tf.reshape(x, (-1, rows, rows + columns, units))[:, :, :columns]


_row_states = compiled_recurrence(row_step, enter=rows_first, leave=rows_first)
_diagonal_states = compiled_recurrence(diagonal_step, enter=diagonals, leave=undo_diagonals)
