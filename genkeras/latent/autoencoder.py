"""Autoencoder: a network that says its input again through a narrow code.

z = encoder(x), x_hat = decoder(z), loss = sum_i (x_i - x_hat_i)^2. With a `corruption` it is a
denoising autoencoder: it reads a damaged x and is asked for the whole one.

It is no generative model: it defines neither p(x) nor a distribution of codes to draw from.

Reference: Vincent, Larochelle, Bengio & Manzagol 2008, "Extracting and composing robust features
with denoising autoencoders", https://www.cs.toronto.edu/~larocheh/publications/icml-2008-denoising-autoencoders.pdf
"""

import math

import keras
import tensorflow as tf

from genkeras import checks, random
from genkeras.latent import networks
from genkeras.models import CheckedModel
from genkeras.training import mean_loss, replica_seed


@keras.saving.register_keras_serializable(package="genkeras")
class GaussianNoise:
    """Corruption that adds N(0, scale^2) to every value.

    Args:
        scale: standard deviation, in the units of the data.
    """

    def __init__(self, scale):
        self.scale = checks.real("scale", scale)

    def __call__(self, x, seed):
        """Damaged `x`, of the same shape, from a `(2,)` int seed."""
        return x + self.scale * random.normal(tf.shape(x), seed)

    def get_config(self):
        return {"scale": self.scale}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="genkeras")
class MaskingNoise:
    """Corruption that sets every value to 0 with probability `rate`.

    Args:
        rate: probability in [0, 1).
    """

    def __init__(self, rate):
        self.rate = checks.real("rate", rate, below=1.0)

    def __call__(self, x, seed):
        """Damaged `x`, of the same shape, from a `(2,)` int seed."""
        kept = random.uniform(tf.shape(x), seed) >= self.rate
        return x * tf.cast(kept, x.dtype)

    def get_config(self):
        return {"rate": self.rate}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="genkeras")
class Autoencoder(CheckedModel):
    """Two networks trained to say x again.

    Args:
        encoder: Keras model from x to a code `(batch, latent_dim)`.
        decoder: Keras model from a code to as many values as x has.
        corruption: `GaussianNoise`, `MaskingNoise` or any serializable `(x, seed) -> x`, applied to
            the input in training only; None for a plain autoencoder.
        seed: int or None, of the corruption.

    Note: the loss is the squared error, a sum over the variables, in squared units of the data;
        of Vincent et al. it is the form for real values.
    """

    def __init__(self, encoder, decoder, corruption=None, *, seed=None, **kwargs):
        checks.absent(kwargs, ("num_labels",), "an autoencoder takes no labels")
        super().__init__(num_labels=None, seed=seed, **kwargs)
        self.encoder = networks.restored("encoder", encoder)
        self.decoder = networks.restored("decoder", decoder)
        if isinstance(corruption, dict):
            corruption = keras.saving.deserialize_keras_object(corruption)
        wrong = isinstance(corruption, type | keras.layers.Layer) or not callable(corruption)
        if corruption is not None and wrong:
            raise ValueError(
                "Expected corruption to be None or a function (x, seed) -> x, such as "
                f"MaskingNoise(0.3). Received: corruption={corruption!r}"
            )
        self.corruption = corruption
        codes = self.encoder.output_shape[1:]
        num_values, num_outputs = (
            math.prod(shape) for shape in (self.event_shape, self.decoder.output_shape[1:])
        )
        if self.decoder.input_shape[1:] != codes or num_outputs != num_values:
            raise ValueError(
                f"Expected a decoder from codes of shape {codes} to {num_values} values. Received: "
                f"a decoder from {self.decoder.input_shape[1:]} to {self.decoder.output_shape[1:]}"
            )

    @property
    def event_shape(self):
        return self.encoder.input_shape[1:]

    def build(self, input_shape):
        """The networks are built before the model is."""

    def call(self, inputs, training=False):
        """The reconstruction of x, in training of x corrupted: `(batch, *event_shape)`."""
        x, _ = self._asserted(inputs)
        if training and self.corruption is not None:
            x = self.corruption(x, replica_seed(self.seed_generator))
        return self._decoded(self.encoder(x))

    def _decoded(self, z):
        return tf.reshape(tf.cast(self.decoder(z), tf.float32), (-1, *self.event_shape))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean over the batch of the squared error; regularisation is added in training only."""
        loss = mean_loss(self._squared_error(self._unpack(x)[0], y_pred), sample_weight)
        return loss + mean_loss(self.regularization()) if training else loss

    def _squared_error(self, x, reconstruction):
        squares = tf.math.squared_difference(tf.cast(x, tf.float32), reconstruction)
        return tf.reduce_sum(squares, axis=list(range(1, squares.shape.rank)))

    def encode(self, x):
        """Codes of x: `(batch, latent_dim)` float32."""
        return tf.cast(self.encoder(self._checked_x(x)), tf.float32)

    def decode(self, z):
        """What codes `(batch, latent_dim)` mean: `(batch, *event_shape)` float32."""
        return self._decoded(checks.codes("z", z, self.encoder.output_shape[1:]))

    def reconstruct(self, x):
        """x through the code: `(batch, *event_shape)` float32."""
        return self(self._checked_x(x))

    def reconstruction_error(self, x):
        """Squared error of each example, summed over its variables: `(batch,)` float32."""
        x = self._checked_x(x)
        return self._squared_error(x, self(x))

    def get_config(self):
        config = {**super().get_config()}
        del config["num_labels"]
        return {
            **config,
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "corruption": keras.saving.serialize_keras_object(self.corruption),
        }
