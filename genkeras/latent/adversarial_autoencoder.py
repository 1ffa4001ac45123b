"""Adversarial autoencoder: an autoencoder whose codes a discriminator holds to a prior.

z ~ q(z|x), a point or a Gaussian;  q(z) = E_data[q(z|x)], the codes of all data.

Three players in turn: encoder and decoder lower -log p(x|z); a discriminator tells codes from
draws of the prior; the encoder, as its generator, makes that hard. So q(z) comes near p(z), which
need only be sampled; that q(z|x) does, as the KL of a VAE asks, is not demanded.

Reference: Makhzani, Shlens, Jaitly, Goodfellow & Frey 2015, https://arxiv.org/abs/1511.05644
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, priors, random
from genkeras.adversarial import objectives
from genkeras.latent import networks
from genkeras.latent.vae import check_decoder, decoded, restored_likelihood
from genkeras.models import ImplicitModel

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="genkeras")
class PointHead(keras.layers.Layer):
    """From features to a code that is one point: q(z|x) without any noise.

    Args:
        latent_dim: number of latent variables.
        seed: int or None, of the weights.
    """

    def __init__(self, latent_dim, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = checks.positive_int("latent_dim", latent_dim)
        self.seed = checks.seed(seed)

    def build(self, input_shape):
        self.dense = keras.layers.Dense(
            self.latent_dim,
            kernel_initializer=keras.initializers.GlorotUniform(self.seed),
            dtype=self.dtype_policy,
        )
        self.dense.build(input_shape)

    def call(self, features):
        """Codes `(batch, latent_dim)`."""
        return self.dense(features)

    def distribution(self, features):
        """The TFP distribution, of batch shape `(batch,)` and event shape `(latent_dim,)`."""
        return tfd.VectorDeterministic(tf.cast(self(features), tf.float32))

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim, "seed": self.seed}


@keras.saving.register_keras_serializable(package="genkeras")
class AdversarialAutoencoder(ImplicitModel):
    """Autoencoder whose codes follow a prior that need only be sampled.

    With `num_labels` the decoder also reads the label, one-hot: the code then keeps what the label
    does not say, the style. The encoder does not read it.

    Args:
        encoder: Keras model from x to features `(batch, units)`; the model adds the layer from
            features to q(z|x).
        decoder: Keras model from z, with labels joined to it, to raw outputs, `num_parameters` of
            the likelihood for each variable.
        discriminator: Keras model from z to a logit `(batch, 1)`.
        latent_dim: number of latent variables.
        likelihood: what the decoder's outputs mean; `Bernoulli()` if None.
        prior: p(z), an object with `distribution()`; `StandardNormal(latent_dim)` if None.
        posterior: layer from features to q(z|x): `PointHead(latent_dim)` if None, or
            `genkeras.latent.GaussianHead(latent_dim)`.
        objective: what discriminator and encoder want of each other: `NonSaturating()` if None.
        num_labels: number of class labels y for p(x|z, y), or None.
        seed: int or None; also seeds the weights of the default posterior.

    Reference: figures 1 and 6 of the paper.

    Note: `sample` gives means of p(x|z), as the paper does, not draws from it.
    """

    players = ("autoencoder", "discriminator", "generator")
    figures = ("value", "real_score", "fake_score")

    def __init__(
        self,
        encoder,
        decoder,
        discriminator,
        latent_dim,
        likelihood=None,
        prior=None,
        posterior=None,
        objective=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.latent_dim = checks.positive_int("latent_dim", latent_dim)
        self.encoder = networks.features("encoder", encoder)
        self.decoder = networks.restored("decoder", decoder)
        self.discriminator = self._judge("discriminator", discriminator, self.latent_dim)
        self.likelihood = restored_likelihood(likelihood)
        self.prior = priors.restored(prior, self.latent_dim)
        self.objective = objectives.restored(objective)
        head_seed = checks.seed(self.seed, networks.HEAD)
        if posterior is None:
            posterior = PointHead(self.latent_dim, seed=head_seed, dtype=self.dtype_policy)
        self.posterior = _restored_head(posterior, self.latent_dim)
        check_decoder(self, self.decoder, (self._decoder_inputs,))

    @property
    def event_shape(self):
        return self.encoder.input_shape[1:]

    @property
    def _decoder_inputs(self):
        return self.latent_dim + (self.num_labels or 0)

    def build(self, input_shape):
        if not self.posterior.built:  # a restored layer is
            self.posterior.build((None, self.encoder.output_shape[-1]))
        priors.build(self.prior)

    def player_variables(self, player):
        if player == "discriminator":
            return self.discriminator.trainable_variables
        encoder = self.encoder.trainable_variables + self.posterior.trainable_variables
        return encoder if player == "generator" else encoder + self.decoder.trainable_variables

    def play(self, player, x, condition, seed, training):
        """One move: losses `(batch,)` in nats, and the figures of a move of the discriminator."""
        seeds = random.split(seed, 2)
        z = self._posterior(x, training).sample(seed=seeds[0])
        if player == "autoencoder":
            return -self._decoded(z, condition, training).log_prob(x), {}
        fake = self._verdict(z, condition, training)
        if player == "generator":
            return self.objective.generator_loss(fake), {}
        drawn = self._prior_codes(tf.shape(x)[0], condition, seeds[1])
        real = self._verdict(drawn, condition, training)
        loss = self.objective.discriminator_loss(real, fake, training)
        return loss, self.objective.figures(real, fake)

    def encode(self, x):
        """q(z|x): a TFP distribution over `(latent_dim,)`."""
        return self._posterior(self._checked_x(x))

    def decode(self, z, condition=None):
        """p(x|z): a TFP distribution over `event_shape`."""
        z = checks.codes("z", z, (self.latent_dim,))
        return self._decoded(z, self._checked_condition(condition, z.shape[0]))

    def posterior_mean(self, x):
        """Mean of q(z|x): `(batch, latent_dim)`, the code of an example."""
        return self.encode(x).mean()

    def reconstruct(self, x, condition=None):
        """Mean of p(x|z) at the mean of q(z|x): `(batch, *event_shape)`."""
        x, condition = self._checked_inputs(x, condition)
        return self._reconstructed(x, condition)

    def sample(self, num_samples, condition=None, seed=None):
        """Means of p(x|z) for draws z from the prior: `(num_samples, *event_shape)`.

        Args:
            num_samples: how many.
            condition: one label for all, or `(num_samples,)` labels, for a model with labels.
            seed: int, or None to continue the model's own stream.
        """
        num_samples = checks.positive_int("num_samples", num_samples)
        condition = self._sample_condition(condition, num_samples)
        self._ensure_built()
        z = self._prior_codes(num_samples, condition, self._stateless(seed))
        return self._decoded(z, condition).mean()

    def discriminate(self, z):
        """Logits that codes `(batch, latent_dim)` are draws of the prior: `(batch,)`."""
        z = checks.codes("z", z, (self.latent_dim,))
        return self._verdict(z, None)

    def call(self, inputs, training=False):
        """The reconstruction of x."""
        return self._reconstructed(*self._asserted(inputs), training)

    def _posterior(self, x, training=False):
        features = self.encoder(self.likelihood.network_input(x), training=training)
        return self.posterior.distribution(features)

    def _decoded(self, z, condition, training=False):
        if condition is not None:
            z = tf.concat([z, tf.one_hot(condition, self.num_labels)], axis=-1)
        return decoded(self, self.decoder(z, training=training))

    def _reconstructed(self, x, condition, training=False):
        return self._decoded(self._posterior(x, training).mean(), condition, training).mean()

    def _verdict(self, z, condition, training=False):
        """The discriminator's logits `(batch,)`, which do not depend on labels here."""
        return tf.cast(self.discriminator(z, training=training), tf.float32)[:, 0]

    def _prior_codes(self, num_samples, condition, seed):
        return self.prior.distribution().sample(num_samples, seed=seed)

    def _judge(self, name, network, size, num_labels=None):
        """A discriminator of vectors of `size` values, and of one-hot labels if there are any."""
        inputs = 1 if num_labels is None else 2
        example = "genkeras.adversarial.dense_discriminator(...)"
        network = checks.network(name, network, example, inputs)
        expected = [(None, size)] if num_labels is None else [(None, size), (None, num_labels)]
        shapes = checks.input_shapes(network)
        if shapes != expected or network.output_shape != (None, 1):
            raise ValueError(
                f"Expected {name} to go from {expected} to (None, 1). "
                f"Received: one from {shapes} to {network.output_shape}"
            )
        checks.raw_outputs(name, network, "logits")
        return network

    def get_config(self):
        parts = (
            "encoder",
            "decoder",
            "discriminator",
            "likelihood",
            "prior",
            "posterior",
            "objective",
        )
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            **{name: keras.saving.serialize_keras_object(getattr(self, name)) for name in parts},
        }


def _restored_head(head, latent_dim):
    """The layer from features to q(z|x), from itself or its serialized form."""
    if isinstance(head, dict):
        head = keras.saving.deserialize_keras_object(head)
    size = getattr(head, "latent_dim", None)
    if not callable(getattr(head, "distribution", None)) or size != latent_dim:
        raise ValueError(
            f"Expected posterior to be a layer such as PointHead({latent_dim}), with a method "
            f"distribution(features). Received: posterior={head!r}"
        )
    return head
