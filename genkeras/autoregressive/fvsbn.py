"""Fully visible sigmoid belief network: one logistic regression per variable.

p(x_i = 1 | x_<i) = sigmoid(b_i + sum_{j<i} W_ji x_j): the step from a table of counts towards a
network, with D (D - 1) / 2 + D parameters.

Reference: Neal 1992, "Connectionist learning of belief networks"; Frey, Hinton & Dayan 1996.
"""

import keras
import numpy as np
import tensorflow as tf

from genkeras.autoregressive.sequential import SequentialModel
from genkeras.likelihoods import Bernoulli


@keras.saving.register_keras_serializable(package="genkeras")
class FVSBN(SequentialModel):
    """Fully visible sigmoid belief network over binary vectors.

    Args:
        num_features: number of binary variables, D.
        kernel_regularizer: a Keras regulariser of the weights or its config, or None; added to the
            training loss, in nats per example. `keras.regularizers.L1(c / N)` with N training rows
            is the prior exp(-c |w|) on every weight.
        seed: int or None.

    Note: only the D (D - 1) / 2 weights above the diagonal exist for the model; `kernel` is stored
        as a full matrix and masked where it is used.
    """

    def __init__(self, num_features, likelihood=None, kernel_regularizer=None, seed=None, **kwargs):
        super().__init__(num_features, likelihood or Bernoulli(), seed=seed, **kwargs)
        if self.likelihood != Bernoulli():
            raise ValueError(f"Expected likelihood=Bernoulli(). Received: {self.likelihood!r}")
        if self.num_labels is not None:
            raise ValueError(f"Expected num_labels=None. Received: num_labels={self.num_labels}")
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        shape = (self.num_features, self.num_features)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer="zeros", regularizer=self.kernel_regularizer
        )
        self.bias = self.add_weight(name="bias", shape=shape[:1], initializer="zeros")

    def parameters(self, x, condition=None, training=False):
        # Column i sees the rows j < i.
        strictly_upper = np.triu(np.ones(self.kernel.shape, "float32"), k=1)
        logits = tf.matmul(x, self.kernel * strictly_upper) + self.bias
        return logits[..., tf.newaxis]  # (batch, D, 1)

    def _start(self, batch_size, condition):
        return tf.tile(self.bias[tf.newaxis], (batch_size, 1))  # logits (batch, D)

    def _step(self, logits, i):
        return logits[:, i, tf.newaxis]  # (batch, 1)

    def _advance(self, logits, i, value):
        # Also touches logits of variables already drawn; nobody reads them again.
        return logits + value[:, tf.newaxis] * self.kernel[i]

    def get_config(self):
        regularizer = keras.regularizers.serialize(self.kernel_regularizer)
        return {**super().get_config(), "kernel_regularizer": regularizer}
