"""Models of images drawn pixel by pixel: what PixelCNN and PixelRNN share."""

import functools

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.layers.initializers import Tiled
from genkeras.layers.masked_conv import MaskedConv2D
from genkeras.likelihoods import Bernoulli
from genkeras.models import ExplicitModel

ORDERINGS = ("raster", "reversed", "column-major")


class ImageModel(ExplicitModel):
    """An explicit model of an image, drawn in one compiled loop over its pixels.

    The order of the pixels is that in which text is read, in an image that is first turned as
    `ordering` says; the colours of a pixel follow each other. A subclass gives `raster_outputs` for
    all pixels at once, and the same pixel by pixel: `_start` (the state before any pixel),
    `_enter_row` (what a finished row adds to it) and `_step` (the outputs of one pixel).

    Args:
        image_shape: (height, width) or (height, width, colours), the shape of one example.
        likelihood: what the outputs mean; `Bernoulli()` if None, `Categorical(K)` for K levels.
        hidden_units: channels of a layer, a multiple of the number of colours.
        head_units: channels of the two layers before the outputs, a multiple as well.
        ordering: "raster", from the top left corner row by row; "reversed", the same backwards
            (the colours of a pixel keep their order); "column-major", column by column.
        position_bias: whether the first layer has a bias for every pixel. Convolutions with the
            same weights everywhere cannot tell where they are but near a border.
        num_labels: number of class labels, or None.
        seed: int or None.
    """

    # The kernel over the image itself, which all these models have in common.
    input_kernel = (7, 7)

    def __init__(
        self, image_shape, likelihood, hidden_units, head_units, ordering, position_bias, **kwargs
    ):
        super().__init__(likelihood or Bernoulli(), **kwargs)
        self.image_shape = _image_shape(image_shape)
        if not isinstance(ordering, str) or ordering not in ORDERINGS:
            raise ValueError(f"Expected ordering to be one of {ORDERINGS}. Received: {ordering!r}")
        self.ordering = ordering
        self.position_bias = checks.boolean("position_bias", position_bias)
        self.hidden_units = checks.multiple_of("hidden_units", hidden_units, self.num_colors)
        self.head_units = checks.multiple_of("head_units", head_units, self.num_colors)
        self._num_convolutions = 0

    @property
    def event_shape(self):
        return self.image_shape

    @property
    def num_colors(self):
        return self.image_shape[2] if len(self.image_shape) == 3 else 1

    @property
    def drawing_order(self):
        positions = np.arange(np.prod(self.image_shape)).reshape(1, *self._colored_shape)
        return np.array(self._turned(positions)).reshape(-1)

    @property
    def _colored_shape(self):
        return (*self.image_shape[:2], self.num_colors)

    @property
    def _turned_shape(self):
        height, width, colors = self._colored_shape
        sides = (width, height) if self.ordering == "column-major" else (height, width)
        return (*sides, colors)

    def _turned(self, images):
        """Images `(batch, height, width, ...)` turned so that the order reads as text; and back."""
        if self.ordering == "reversed":
            return images[:, ::-1, ::-1]
        if self.ordering == "column-major":
            return tf.transpose(images, (0, 2, 1, *range(3, len(images.shape))))
        return images

    def raster_outputs(self, x, condition, training):
        """Raw outputs `(batch, rows, columns, outputs)`; output j belongs to colour j % colours.

        Args:
            x: `(batch, rows, columns, colours)`, the turned image as the network reads it.
            condition: `(batch,)` int labels or None.
            training: bool.
        """
        raise NotImplementedError(f"{type(self).__name__} must define raster_outputs.")

    def _start(self, batch_size, condition):
        raise NotImplementedError(f"{type(self).__name__} must define _start.")

    def _enter_row(self, state, rows, row):
        """The state at the start of a row.

        Args:
            state: at the end of the row above.
            rows: `(columns + margins, height, batch, colours)`, what the input kernel covers along
                the row; of the row itself, which comes last, nothing is known yet.
            row: int tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must define _enter_row.")

    def _step(self, state, window, row, column):
        """The state and the raw outputs `(batch, outputs)` of a pixel.

        Args:
            state: before the pixel, or after a step that knew fewer of its colours.
            window: `(width, height, batch, colours)`, what the input kernel covers.
            row, column: int tensors.
        """
        raise NotImplementedError(f"{type(self).__name__} must define _step.")

    def parameters(self, x, condition=None, training=False):
        self._ensure_built()
        x = tf.reshape(self.likelihood.network_input(x), (-1, *self._colored_shape))
        outputs = self.raster_outputs(self._turned(x), condition, training)
        parameters = self._turned(self._by_color(outputs, *self._turned_shape[:2]))
        return tf.reshape(parameters, (-1, *self.event_shape, self.likelihood.num_parameters))

    def _convolution(self, inputs, filters, kernel_size=(1, 1), mask="B", **options):
        """A built `MaskedConv2D` for a map of `inputs` channels."""
        seed = checks.seed(self.seed, self._num_convolutions)
        self._num_convolutions += 1
        options.setdefault("kernel_initializer", keras.initializers.GlorotUniform(seed))
        layer = MaskedConv2D(
            filters, kernel_size, mask, self.num_colors, dtype=self.dtype_policy, **options
        )
        layer.build((None, None, None, inputs))
        return layer

    def _head(self, inputs, units):
        """The layers from features to outputs, each to be applied after a ReLU."""
        bias = np.repeat(self.likelihood.initial_parameters(), self.num_colors)
        outputs = self._convolution(units, len(bias), bias_initializer=Tiled(bias))
        return [self._convolution(inputs, units), self._convolution(units, units), outputs]

    def _label_kernel(self, units):
        """What a label adds to every pixel of a map: `(num_labels, units)`, or None."""
        if self.num_labels is None:
            return None
        return self.add_weight(
            name="label_kernel",
            shape=(self.num_labels, units),
            initializer=keras.initializers.RandomNormal(
                stddev=units**-0.5, seed=checks.seed(self.seed, self._num_convolutions)
            ),
        )

    def _labels(self, condition):
        """What the labels add to a pixel: `(batch, units)`, or one row of zeros."""
        if condition is None:
            return tf.zeros((1, 1))
        return tf.gather(self.label_kernel, condition)

    def _place_kernel(self, units):
        """What its place adds to a pixel of a map: `(rows, columns, units)`, or zeros for all."""
        if not self.position_bias:
            return np.zeros((1, 1, units), "float32")
        shape = (*self._turned_shape[:2], units)
        return self.add_weight(name="place_kernel", shape=shape, initializer="zeros")

    def _places_of(self, row):
        """What their places add to the pixels of a row: `(columns, units)`, or one for all."""
        return tf.convert_to_tensor(self.place_kernel)[row if self.position_bias else 0]

    def _place(self, row, column):
        """What its place adds to a pixel: `(units,)`."""
        return self._places_of(row)[column if self.position_bias else 0]

    def _shifts(self, condition, dtype):
        """What labels and places add to a map: `(batch, rows, columns, units)`, or 1 for a size."""
        labels = tf.cast(self._labels(condition), dtype)
        return labels[:, tf.newaxis, tf.newaxis] + tf.cast(self.place_kernel, dtype)

    def _by_color(self, outputs, *sides):
        """`(batch, *sides, outputs)` to `(batch, *sides, colours, num_parameters)` float32."""
        shape = (-1, *sides, self.likelihood.num_parameters, self.num_colors)
        return tf.linalg.matrix_transpose(tf.reshape(tf.cast(outputs, tf.float32), shape))

    def _sample_block(self, seed, given, kept, condition):
        shape = (-1, *self._colored_shape)
        noise = self.likelihood.noise((given.shape[0], *self._colored_shape), seed)
        given, kept = tf.reshape(given, shape), tf.reshape(kept, shape)
        values = self._compiled_loop(*map(self._turned, (noise, given, kept)), condition)
        return tf.reshape(self._turned(values), (-1, *self.event_shape))

    @functools.cached_property
    def _compiled_loop(self):
        rows, columns, colors = self._turned_shape
        above, side = self.input_kernel[0] // 2, self.input_kernel[1] // 2

        @tf.function(jit_compile=True)
        def draw(noise, given, kept, condition):
            # From here on the place comes first and the batch later: a pixel is one index.
            noise = tf.transpose(noise, (1, 2, 3, 0, 4))  # (rows, columns, colours, batch, 1 or 2)
            given, kept = tf.transpose(given, (1, 2, 3, 0)), kept[0]
            batch_size = given.shape[-1]

            def draw_pixel(row, column, state, image, values):
                pixel = [tf.zeros(batch_size)] * colors
                for color in range(colors):
                    window = tf.slice(image, [column, row, 0, 0], [2 * side + 1, above + 1, -1, -1])
                    state, outputs = self._step(state, window, row, column)
                    drawn = self.likelihood.sample_from_noise(
                        self._by_color(outputs)[:, color], noise[row, column, color]
                    )
                    place = (row, column, color)
                    pixel[color] = tf.where(kept[place], given[place], drawn)
                    seen = self.likelihood.network_input(tf.stack(pixel, axis=-1))
                    image = tf.tensor_scatter_nd_update(
                        image, [[column + side, row + above]], seen[tf.newaxis]
                    )
                values = values.write(row * columns + column, tf.stack(pixel, axis=-1))
                return row, column + 1, state, image, values

            def draw_row(row, state, image, values):
                state = self._enter_row(
                    state, tf.slice(image, [0, row, 0, 0], [-1, above + 1, -1, -1]), row
                )
                _, _, state, image, values = tf.while_loop(
                    lambda row, column, *_: column < columns,
                    draw_pixel,
                    (row, 0, state, image, values),
                    maximum_iterations=columns,
                )
                return row + 1, state, image, values

            image = tf.zeros((columns + 2 * side, rows + above, batch_size, colors))
            values = tf.TensorArray(tf.float32, size=rows * columns)
            *_, values = tf.while_loop(
                lambda row, *_: row < rows,
                draw_row,
                (0, self._start(batch_size, condition), image, values),
                maximum_iterations=rows,
            )
            values = tf.reshape(values.stack(), (rows, columns, batch_size, colors))
            return tf.transpose(values, (2, 0, 1, 3))

        return draw

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "hidden_units": self.hidden_units,
            "head_units": self.head_units,
            "ordering": self.ordering,
            "position_bias": self.position_bias,
        }


def _image_shape(value):
    is_shape = isinstance(value, list | tuple) and len(value) in (2, 3)
    if not is_shape:
        raise ValueError(
            "Expected image_shape to be (height, width) or (height, width, colours). "
            f"Received: image_shape={value!r}"
        )
    return tuple(checks.positive_int("every side of image_shape", side) for side in value)
