"""Packing: several examples of a batch become one."""

import keras
import tensorflow as tf

from genkeras import checks


@keras.saving.register_keras_serializable(package="genkeras")
class Packing(keras.layers.Layer):
    """Joins every `num_packed` examples that follow each other, along the last axis.

    A discriminator that begins with it judges samples by the pack, and so sees that a generator
    without variety repeats itself. Rows left over at the end of a batch are left out.

    Args:
        num_packed: examples in a pack.

    Reference: Lin et al. 2018, "PacGAN", https://arxiv.org/abs/1712.04086, figure 1.
    """

    def __init__(self, num_packed, **kwargs):
        super().__init__(**kwargs)
        self.num_packed = checks.positive_int("num_packed", num_packed)

    def call(self, inputs):
        num_rows, rank = tf.shape(inputs)[0], inputs.shape.rank
        tf.debugging.assert_greater_equal(
            num_rows, self.num_packed, f"Expected batches of at least {self.num_packed} rows."
        )
        num_packs = num_rows // self.num_packed
        inputs = inputs[: num_packs * self.num_packed]
        packs = tf.reshape(inputs, (num_packs, self.num_packed, *inputs.shape[1:]))
        # (packs, m, ..., c) -> (packs, ..., m, c) -> (packs, ..., m c)
        packs = tf.transpose(packs, (0, *range(2, rank), 1, rank))
        return tf.reshape(packs, (num_packs, *self.compute_output_shape(inputs.shape)[1:]))

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:-1], self.num_packed * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "num_packed": self.num_packed}
