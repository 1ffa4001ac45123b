"""How weights start."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="genkeras")
class Tiled(keras.initializers.Initializer):
    """The same values in every row.

    Weights that are assigned after they are made cannot be made inside another model, which Keras
    builds in a graph that it throws away.

    Args:
        values: of the last axis, one or as many as it is long.
    """

    def __init__(self, values):
        self.values = np.asarray(values, "float32").tolist()

    def __call__(self, shape, dtype=None):
        return tf.cast(tf.broadcast_to(self.values, shape), dtype or "float32")

    def get_config(self):
        return {"values": self.values}
