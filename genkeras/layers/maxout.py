"""Maxout: units that are the largest of several linear functions."""

import keras

from genkeras import checks


@keras.saving.register_keras_serializable(package="genkeras")
class Maxout(keras.layers.Layer):
    """y_i = max_j (x W_j + b_j)_i.

    Args:
        units: number of outputs.
        num_pieces: linear functions whose maximum each output is.
        kernel_initializer: Keras initializer of all of them.

    Reference: Goodfellow et al. 2013, "Maxout networks", https://arxiv.org/abs/1302.4389, eq. 1.
    """

    def __init__(self, units, num_pieces=5, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = checks.positive_int("units", units)
        self.num_pieces = checks.positive_int("num_pieces", num_pieces, minimum=2)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.linear = keras.layers.Dense(
            self.units * self.num_pieces,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        self.linear.build(input_shape)

    def call(self, inputs):
        outputs = self.linear(inputs)
        shape = (-1, *outputs.shape[1:-1], self.units, self.num_pieces)
        return keras.ops.max(keras.ops.reshape(outputs, shape), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_pieces": self.num_pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
