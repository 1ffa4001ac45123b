"""Dropout that differs from replica to replica."""

import keras
import tensorflow as tf

from genkeras import checks, random
from genkeras.training import replica_seed


@keras.saving.register_keras_serializable(package="genkeras")
class Dropout(keras.layers.Layer):
    """Sets inputs to 0 with probability `rate` in training, and scales up the others.

    `keras.layers.Dropout` would draw the same mask on every replica of a `tf.distribute` strategy.

    Args:
        rate: probability in [0, 1).
        seed: int or None.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checks.real("rate", rate, below=1.0)
        self.seed = checks.seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        uniform = random.uniform(tf.shape(inputs), replica_seed(self.seed_generator))
        return inputs * tf.cast(uniform >= self.rate, inputs.dtype) / (1.0 - self.rate)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
