"""Convolutions that look only at pixels that come before, in the order in which text is read.

A kernel has no rows below its centre: they would all be masked. In the centre's own row the mask
leaves what is left of the centre, and in the centre itself what the order of the channels allows.
Channel j of a map with C colours belongs to colour j % C, so that a map cut in halves, as gates
need it, keeps its order.

Reference: van den Oord, Kalchbrenner & Kavukcuoglu 2016, https://arxiv.org/abs/1601.06759,
section 3.4; the vertical kernels: van den Oord et al. 2016, https://arxiv.org/abs/1606.05328.
"""

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks

MASKS = ("A", "B", "above", None)
FIXED = ("strides", "padding", "data_format", "dilation_rate", "groups", "use_bias")


@keras.saving.register_keras_serializable(package="genkeras")
class MaskedConv2D(keras.layers.Conv2D):
    """Convolution of a map with the pixels above it and to its left.

    Args:
        filters: number of output channels.
        kernel_size: (height, width) of the whole kernel around its centre, both odd, or one number
            for both; the upper (height + 1) / 2 rows of it are kept.
        mask: "A" hides the centre's own colour and later ones, "B" later colours only; "above"
            leaves nothing but the rows above; None leaves all kept rows.
        num_colors: number of colours C among which the channels are shared out.
        **kwargs: further options of `keras.layers.Conv2D`, but for those in `FIXED`.
    """

    def __init__(self, filters, kernel_size, mask, num_colors=1, **kwargs):
        checks.absent(kwargs, FIXED, "a masked convolution has a bias, and an output at each pixel")
        pair = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        height, width = checks.sizes("kernel_size", pair, count=2)
        if height % 2 == 0 or width % 2 == 0:
            raise ValueError(
                f"Expected kernel_size of two odd numbers. Received: kernel_size={kernel_size!r}"
            )
        if mask not in MASKS:
            raise ValueError(f"Expected mask to be one of {MASKS}. Received: mask={mask!r}")
        kwargs["data_format"] = "channels_last"  # whatever Keras' global one is
        super().__init__(filters, ((height + 1) // 2, width), padding="same", **kwargs)
        self.height, self.width = (height + 1) // 2, width
        self.mask_name = mask
        self.num_colors = checks.positive_int("num_colors", num_colors)

    def get_config(self):
        config = {k: v for k, v in super().get_config().items() if k not in FIXED}
        size = (2 * self.height - 1, self.width)
        names = {"kernel_size": size, "mask": self.mask_name, "num_colors": self.num_colors}
        return {**config, **names}

    def build(self, input_shape):
        super().build(input_shape)
        self.mask = kernel_mask(self.kernel.shape, self.mask_name, self.num_colors)

    def convolution_op(self, inputs, kernel):
        kernel = self._masked(kernel)
        if (self.height, self.width) == (1, 1):
            # On a CPU a product of matrices is twice as fast as a convolution of single pixels.
            pixels = tf.reshape(inputs, (-1, inputs.shape[-1]))
            shape = tf.concat([tf.shape(inputs)[:-1], [self.filters]], axis=0)
            outputs = tf.reshape(tf.matmul(pixels, kernel[0, 0]), shape)
            return tf.ensure_shape(outputs, (*inputs.shape[:-1], self.filters))
        # An empty lower half makes the padding even: the gradient of uneven padding is slow.
        kernel = tf.pad(kernel, [[0, self.height - 1], [0, 0], [0, 0], [0, 0]])
        return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME")

    def at(self, window):
        """The output at one pixel, `(batch, filters)`.

        Args:
            window: `(width, height, batch, channels)`, what the kernel covers there, columns first.
        """
        outputs = tf.einsum("wrbi,rwio->bo", window, self._masked(self.kernel))
        return self.activation(outputs + self.bias)

    def in_row(self, rows):
        """The output along one row, `(batch, 1, columns, filters)`.

        Args:
            rows: `(batch, height, columns, channels)`, that row and those above it.
        """
        side = self.width // 2
        padding = [[0, 0], [0, 0], [side, side], [0, 0]]
        outputs = tf.nn.conv2d(rows, self._masked(self.kernel), 1, padding)
        return self.activation(outputs + self.bias)

    def _masked(self, kernel):
        return kernel * tf.cast(self.mask, kernel.dtype)


def kernel_mask(shape, mask, num_colors):
    """0 where the kernel must not look, 1 elsewhere.

    Args:
        shape: of the kernel, (height, width, input channels, output channels); its last row is
            that of the centre.
        mask: as in `MaskedConv2D`.
        num_colors: number of colours C.
    """
    *_, width, inputs, outputs = shape
    ones = np.ones(shape, "float32")
    if mask is None:
        return ones
    if mask == "above":
        ones[-1] = 0
        return ones
    from_color = np.arange(inputs)[:, np.newaxis] % num_colors
    to_color = np.arange(outputs) % num_colors
    seen = from_color < to_color if mask == "A" else from_color <= to_color
    ones[-1, width // 2] = seen
    ones[-1, width // 2 + 1 :] = 0
    return ones


class AtPixel:
    """Applies masked convolutions at one pixel; what they read there stays in caches.

    Args:
        caches: what `empty_caches` made and earlier pixels filled, one for each convolution that
            is larger than a pixel, in the order in which they are applied.
        column: int tensor, that of the pixel.
    """

    def __init__(self, caches, column):
        self.caches, self.column = list(caches), column
        self._next = 0

    def __call__(self, layer, x):
        """The output `(batch, filters)` of `layer` for x `(batch, units)` at the pixel."""
        if (layer.height, layer.width) == (1, 1):
            return layer.at(x[tf.newaxis, tf.newaxis])
        place = [[self.column + layer.width // 2, layer.height - 1]]
        cache = tf.tensor_scatter_nd_update(self.caches[self._next], place, x[tf.newaxis])
        self.caches[self._next] = cache
        self._next += 1
        return layer.at(tf.slice(cache, [self.column, 0, 0, 0], [layer.width, -1, -1, -1]))

    @staticmethod
    def empty_caches(layers, batch_size, columns):
        """For each layer what it sees of a row: `(columns + margins, height, batch, channels)`."""
        return [
            tf.zeros((columns + layer.width - 1, layer.height, batch_size, layer.kernel.shape[2]))
            for layer in layers
        ]

    @staticmethod
    def next_row(caches):
        """The caches at the start of a row: the oldest row goes, an empty one comes."""
        return [tf.concat([cache[:, 1:], tf.zeros_like(cache[:, :1])], axis=1) for cache in caches]


class InRow:
    """Applies convolutions without a mask to one row; the rows that they need again stay in caches.

    Args:
        caches: what `empty_caches` made and earlier rows filled, one for each convolution higher
            than a row, in the order in which they are applied.
    """

    def __init__(self, caches):
        self.caches = list(caches)
        self._next = 0

    def __call__(self, layer, x):
        """`(batch, 1, columns, filters)` for x `(batch, 1, columns, units)`."""
        if layer.height == 1:
            return layer.in_row(x)
        rows = tf.concat([self.caches[self._next], x], axis=1)
        self.caches[self._next] = rows[:, 1:]
        self._next += 1
        return layer.in_row(rows)

    @staticmethod
    def empty_caches(layers, batch_size, columns):
        """For each layer the rows above: `(batch, height - 1, columns, channels)`."""
        return [
            tf.zeros((batch_size, layer.height - 1, columns, layer.kernel.shape[2]))
            for layer in layers
        ]
