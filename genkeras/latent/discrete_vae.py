"""Discrete VAE: an image as a grid of tokens.

q(z|x) = prod_ij softmax(encoder(x))_ij,  p(z) uniform,  p(x|z) = decoder(one-hot z)

A draw of a token has no gradient. In training it is replaced by a vector on the simplex,
softmax((logits + Gumbel noise) / temperature), which tends to a one-hot draw as the temperature
falls.

Reference: Ramesh et al. 2021, "Zero-shot text-to-image generation",
https://arxiv.org/abs/2102.12092, section 2.1; the relaxation: Jang, Gu & Poole 2016,
https://arxiv.org/abs/1611.01144; Maddison, Mnih & Teh 2016, https://arxiv.org/abs/1611.00712
"""

import functools
import itertools

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks
from genkeras.latent import networks
from genkeras.latent.vae import check_decoder, decoded, restored_likelihood
from genkeras.models import LatentVariableModel
from genkeras.priors import UniformTokens
from genkeras.training import replica_seed

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="genkeras")
class DiscreteVAE(LatentVariableModel):
    """Variational autoencoder whose latents are a grid of tokens.

    `elbo`, `evaluate` and `estimate_log_prob` draw real tokens; only training relaxes them.

    Args:
        encoder: Keras model from x to logits `(batch, rows, columns, num_tokens)`.
        decoder: Keras model from one-hot tokens `(batch, rows, columns, num_tokens)` to raw
            outputs, `num_parameters` of the likelihood for each variable.
        likelihood: what the outputs mean; `Bernoulli()` if None.
        temperatures: of the relaxation, at the start of the training and after `annealing_steps`.
        annealing_steps: training steps in which the temperature falls; 0: it is the second.
        beta, warmup_steps, seed: those of `LatentVariableModel`.

    Note: the paper's likelihood is a Laplace density of logits and its weight of the KL 6.6; it
        lowers the temperature along a cosine, here it falls by the same factor at every step.
    """

    def __init__(
        self,
        encoder,
        decoder,
        likelihood=None,
        *,
        temperatures=(1.0, 1 / 16),
        annealing_steps=0,
        **kwargs,
    ):
        checks.absent(kwargs, ("num_labels", "prior"), "its tokens are uniform a priori")
        encoder = networks.restored("encoder", encoder)
        if len(encoder.output_shape) != 4 or encoder.output_shape[-1] < 2:
            raise ValueError(
                "Expected an encoder to logits (batch, rows, columns, num_tokens) of at least two "
                f"tokens. Received: an encoder to {checks.batch_shape(encoder.output_shape[1:])}"
            )
        *self.grid_shape, self.num_tokens = encoder.output_shape[1:]
        super().__init__(UniformTokens(self.grid_shape, self.num_tokens), **kwargs)
        self.encoder = encoder
        self.decoder = networks.restored("decoder", decoder)
        self.likelihood = restored_likelihood(likelihood)
        self.temperatures = _temperatures(temperatures)
        self.annealing_steps = checks.positive_int("annealing_steps", annealing_steps, minimum=0)
        check_decoder(self, self.decoder, self._code_shape)

    @property
    def event_shape(self):
        return self.encoder.input_shape[1:]

    @property
    def _code_shape(self):
        return (*self.grid_shape, self.num_tokens)

    def build(self, input_shape):
        """Its networks are built already."""

    def encode(self, x, condition=None):
        """q(z|x): a TFP distribution of one-hot tokens `(rows, columns, num_tokens)`."""
        x, _ = self._checked_inputs(x, condition)
        return tfd.Independent(tfd.OneHotCategorical(self._logits(x), dtype=tf.float32), 2)

    def decode(self, z, condition=None):
        """p(x|z): a TFP distribution over `event_shape`, of one-hot tokens or mixtures of them."""
        self._checked_condition(condition, None)
        z = checks.codes("z", z, self._code_shape)
        return decoded(self, self.decoder(z))

    def tokens(self, x):
        """The most probable token of every place: `(batch, rows, columns)` int32."""
        return self._compiled_tokens(self._checked_x(x))

    def decode_tokens(self, tokens):
        """Mean of p(x|z) for whole tokens `(batch, rows, columns)`: `(batch, *event_shape)`."""
        tokens = checks.event_batch("tokens", tokens, self.grid_shape)
        if not np.isin(tokens, np.arange(self.num_tokens)).all():
            raise ValueError(
                checks.label_message("tokens", self.num_tokens) + f"{tokens.min()} to "
                f"{tokens.max()}"
            )
        return self._compiled_decoder(tf.constant(tokens, tf.int32))

    def reconstruct(self, x, condition=None):
        """Mean of p(x|z) at the most probable tokens."""
        self._checked_condition(condition, None)
        return self.decode_tokens(self.tokens(x))

    def call(self, inputs, training=False):
        """log p(x|z) and KL(q(z|x) || p(z)): `(batch, 2)`, nats; z is relaxed in training."""
        if not training:
            return super().call(inputs)
        x, _ = self._asserted(inputs)
        q = self.encode(x)
        relaxed = tfd.RelaxedOneHotCategorical(self._temperature(), q.distribution.logits)
        z = relaxed.sample(seed=replica_seed(self.seed_generator))
        return tf.concat([self.decode(z).log_prob(x)[:, tf.newaxis], self._kl(q, z)], axis=-1)

    def _temperature(self):
        """The temperature of this training step."""
        first, last = self.temperatures
        if not self.annealing_steps or getattr(self, "optimizer", None) is None:
            return last
        progress = tf.cast(self.optimizer.iterations, tf.float32) / self.annealing_steps
        return first * (last / first) ** tf.minimum(1.0, progress)

    def _logits(self, x):
        return tf.cast(self.encoder(self.likelihood.network_input(x)), tf.float32)

    @functools.cached_property
    def _compiled_tokens(self):
        @tf.function(reduce_retracing=True)
        def tokens(x):
            return tf.argmax(self._logits(x), axis=-1, output_type=tf.int32)

        return tokens

    @functools.cached_property
    def _compiled_decoder(self):
        @tf.function(reduce_retracing=True)
        def decode(tokens):
            return self.decode(tf.one_hot(tokens, self.num_tokens)).mean()

        return decode

    def get_config(self):
        config = super().get_config()
        for name in ("prior", "num_labels"):
            del config[name]
        return {
            **config,
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "temperatures": self.temperatures,
            "annealing_steps": self.annealing_steps,
        }


def token_encoder(
    image_shape, num_tokens, filters=(64, 128), activation="relu", seed=None, dtype=None
):
    """Convolutions from an image to the logits of a grid of tokens.

    Args:
        image_shape: (height, width, channels); sides divisible by 2^len(filters).
        num_tokens: number of tokens.
        filters: channels of each 3 x 3 convolution with stride 2; one without stride follows.
        activation: name of a Keras activation.
        seed: int or None, of the weights.
        dtype: dtype policy of the layers.

    Returns:
        A Keras model from `(batch, *image_shape)` to `(batch, rows, columns, num_tokens)`.
    """
    _check_grid(image_shape, filters)
    num_tokens = checks.positive_int("num_tokens", num_tokens, minimum=2)
    convolution = _convolutions(activation, seed, 0, dtype)
    layers = [keras.Input(image_shape)]
    layers += [convolution(keras.layers.Conv2D, number, 3, strides=2) for number in filters]
    layers.append(convolution(keras.layers.Conv2D, filters[-1], 3))
    layers.append(convolution(keras.layers.Conv2D, num_tokens, 1, linear=True))
    return keras.Sequential(layers, name="encoder")


def token_decoder(
    image_shape,
    num_tokens,
    num_parameters=1,
    filters=(128, 64),
    activation="relu",
    seed=None,
    dtype=None,
):
    """From a grid of one-hot tokens to raw outputs for an image.

    The first layer is the codebook: one vector for each token.

    Args:
        image_shape: (height, width, channels) of the image; sides divisible by 2^len(filters).
        num_tokens: number of tokens.
        num_parameters: outputs per value of the image, a likelihood's `num_parameters`.
        filters: channels of the maps after each doubling; before the first as many as after it.
        activation, seed, dtype: as in `token_encoder`.

    Returns:
        A Keras model from `(batch, rows, columns, num_tokens)` to
        `(batch, *image_shape, num_parameters)`.
    """
    rows, columns = _check_grid(image_shape, filters)
    num_tokens = checks.positive_int("num_tokens", num_tokens, minimum=2)
    outputs = image_shape[-1] * checks.positive_int("num_parameters", num_parameters)
    convolution = _convolutions(activation, seed, networks.DECODER, dtype)
    layers = [
        keras.Input((rows, columns, num_tokens)),
        convolution(keras.layers.Conv2D, filters[0], 1, linear=True),
        convolution(keras.layers.Conv2D, filters[0], 3),
    ]
    layers += [
        convolution(keras.layers.Conv2DTranspose, number, 4, strides=2) for number in filters
    ]
    layers.append(convolution(keras.layers.Conv2D, outputs, 3, linear=True))
    layers.append(keras.layers.Reshape((*image_shape, num_parameters), dtype=dtype))
    return keras.Sequential(layers, name="decoder")


def _convolutions(activation, seed, first, dtype):
    """A function that makes one layer after the other, each with a seed of its own."""
    activation = checks.activation_name("activation", activation)
    numbers = itertools.count(first)

    def make(kind, filters, size, strides=1, linear=False):
        return kind(
            filters,
            size,
            strides,
            padding="same",
            activation=None if linear else activation,
            kernel_initializer=keras.initializers.GlorotUniform(checks.seed(seed, next(numbers))),
            dtype=dtype,
        )

    return make


def _check_grid(image_shape, filters):
    """Rows and columns of the grid of tokens."""
    checks.sizes("image_shape", image_shape)
    checks.sizes("filters", filters)
    scale = 2 ** len(filters)
    if not filters or len(image_shape) != 3 or any(side % scale for side in image_shape[:2]):
        raise ValueError(
            f"Expected image_shape to be (height, width, channels) with sides divisible by {scale},"
            " one halving for each entry of filters, at least one. "
            f"Received: image_shape={image_shape}, filters={filters}"
        )
    return image_shape[0] // scale, image_shape[1] // scale


def _temperatures(values):
    """Two positive numbers."""
    if np.shape(values) != (2,):
        raise ValueError(
            "Expected temperatures to be two numbers > 0, at the start and at the end. "
            f"Received: temperatures={values!r}"
        )
    return tuple(checks.positive("every entry of temperatures", value) for value in values)
