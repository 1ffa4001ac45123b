"""NADE, the neural autoregressive distribution estimator, and RNADE, its real-valued form.

p(x) = prod_i p(x_i | x_<i), with h_i = activation(c + sum_{j<i} x_j W_j) and the outputs for x_i
equal to V_i h_i + b_i. All conditionals share W, so one more known variable adds one row to the
hidden pre-activation: density and sampling cost O(D*H).

Reference: Larochelle & Murray 2011; Uria et al. 2016, https://arxiv.org/abs/1605.02226, eq. 2-4;
RNADE: Uria, Murray & Larochelle 2013, https://arxiv.org/abs/1306.0186.

Note: RNADE multiplies the pre-activation of step i by a learned scale; here it is not rescaled.
"""

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks, random
from genkeras.autoregressive import orderings
from genkeras.autoregressive.sequential import SequentialModel
from genkeras.layers.initializers import Tiled
from genkeras.layers.nade_scan import nade_scan
from genkeras.likelihoods import Bernoulli
from genkeras.training import replica_seed


@keras.saving.register_keras_serializable(package="genkeras")
class NADE(SequentialModel):
    """Neural autoregressive distribution estimator with one hidden layer.

    Args:
        num_features: number of variables, D.
        hidden_units: number of hidden units, H.
        likelihood: `Bernoulli()` if None; `Categorical(K)` for multi-valued pixels;
            `MixtureOfGaussians(K)` makes it RNADE.
        ordering: "natural" if None, "reversed", "column-major", "zig-zag", "spiral", "random", or
            any permutation of 0..D-1; the names of image orders need D to be a square.
        activation: name of a Keras activation; it must work element by element (not "softmax").
        dropout: share of hidden units switched off in training; each example loses the same units
            for all its variables.
        num_labels: number of class labels y for p(x | y), or None. A label shifts the hidden
            pre-activation by its own row.
        seed: int or None; also seeds the weights and the "random" ordering.
    """

    def __init__(
        self,
        num_features,
        hidden_units,
        likelihood=None,
        ordering=None,
        activation="sigmoid",
        dropout=0.0,
        num_labels=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            num_features, likelihood or Bernoulli(), num_labels=num_labels, seed=seed, **kwargs
        )
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.ordering = orderings.resolve(ordering, self.num_features, seed)
        self.activation = checks.activation_name("activation", activation)
        self.dropout = checks.real("dropout", dropout, below=1)

    @property
    def drawing_order(self):
        return np.asarray(orderings.permutation(self.ordering, self.num_features))

    def build(self, input_shape):
        depth, width = self.num_features, self.hidden_units
        outputs = self.likelihood.num_parameters

        def normal(number, fan_in):
            """Pre-activations of unit variance for inputs of unit variance."""
            seed = checks.seed(self.seed, number)
            return keras.initializers.RandomNormal(stddev=fan_in**-0.5, seed=seed)

        # Row i belongs to the i-th variable of the order, not to position i of x.
        self.kernel = self.add_weight(
            name="kernel", shape=(depth, width), initializer=normal(0, depth)
        )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.output_kernel = self.add_weight(
            name="output_kernel", shape=(depth, width, outputs), initializer=normal(1, width)
        )
        start = Tiled(self.likelihood.initial_parameters())
        self.output_bias = self.add_weight(
            name="output_bias", shape=(depth, outputs), initializer=start
        )
        if self.num_labels is not None:
            self.label_kernel = self.add_weight(
                name="label_kernel", shape=(self.num_labels, width), initializer=normal(2, width)
            )

    def parameters(self, x, condition=None, training=False):
        x = self.likelihood.network_input(tf.gather(x, self.drawing_order, axis=1))
        raw = nade_scan(
            x,
            self._start(tf.shape(x)[0], condition),
            tf.convert_to_tensor(self.kernel),
            tf.convert_to_tensor(self.output_kernel),
            self.activation,
            self._dropout_scale(tf.shape(x)[0]) if training and self.dropout else None,
        )  # (batch, D, num_parameters)
        return tf.gather(raw + self.output_bias, np.argsort(self.drawing_order), axis=1)

    def _dropout_scale(self, batch_size):
        """`(batch, H)`: 0 for a unit that is switched off, 1 / (1 - dropout) for the others."""
        seed = replica_seed(self.seed_generator)
        shape = (batch_size, self.hidden_units)
        kept = random.uniform(shape, seed) >= self.dropout
        return tf.cast(kept, tf.float32) / (1 - self.dropout)

    def _start(self, batch_size, condition):
        a = tf.tile(self.bias[tf.newaxis], (batch_size, 1))  # (batch, H)
        return a if condition is None else a + tf.gather(self.label_kernel, condition)

    def _step(self, a, i):
        hidden = keras.activations.get(self.activation)(a)
        return tf.matmul(hidden, self.output_kernel[i]) + self.output_bias[i]

    def _advance(self, a, i, value):
        return a + self.likelihood.network_input(value)[:, tf.newaxis] * self.kernel[i]

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "ordering": self.ordering,
            "activation": self.activation,
            "dropout": self.dropout,
        }
