"""Variational autoencoder, and the importance-weighted one.

p(x) = integral of p(x|z) p(z) dz, with a decoder network in p(x|z) and an encoder network in
q(z|x) = N(mu(x), diag(sigma(x)^2)). Training maximises the evidence lower bound

    ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)) = log p(x) - KL(q(z|x) || p(z|x)),

or, for `IWAE`, the tighter E[log (1/K) sum_k p(x, z_k) / q(z_k|x)].

Reference: Kingma & Welling 2013, https://arxiv.org/abs/1312.6114; Burda, Grosse & Salakhutdinov
2015, https://arxiv.org/abs/1509.00519; free bits: Kingma et al. 2016,
https://arxiv.org/abs/1606.04934.
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, priors
from genkeras.latent import networks
from genkeras.likelihoods import Bernoulli, Likelihood, Normal
from genkeras.models import LatentVariableModel
from genkeras.priors import StandardNormal
from genkeras.training import batch_mean, mean_loss, replica_seed

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="genkeras")
class GaussianHead(keras.layers.Layer):
    """From features to N(mu, diag(sigma^2)), sigma = min_scale + softplus(raw).

    Args:
        latent_dim: number of latent variables.
        min_scale: floor of every standard deviation.
        seed: int or None, of the weights.
    """

    def __init__(self, latent_dim, min_scale=1e-4, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = checks.positive_int("latent_dim", latent_dim)
        self.normal = Normal(min_scale)
        self.min_scale, self.seed = self.normal.min_scale, checks.seed(seed)

    def build(self, input_shape):
        self.dense = keras.layers.Dense(
            2 * self.latent_dim,
            kernel_initializer=keras.initializers.GlorotUniform(self.seed),
            dtype=self.dtype_policy,
        )
        self.dense.build(input_shape)

    def call(self, features):
        """Means and raw scales `(batch, latent_dim, 2)`."""
        return tf.reshape(self.dense(features), (-1, self.latent_dim, 2))

    def distribution(self, features):
        """The TFP distribution, of batch shape `(batch,)` and event shape `(latent_dim,)`."""
        return tfd.Independent(self.normal.distribution(self(features)), 1)

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "min_scale": self.min_scale,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="genkeras")
class VAE(LatentVariableModel):
    """Variational autoencoder with one layer of latents.

    Args:
        encoder: Keras model from x to features `(batch, units)`; the model adds the layer from
            features to the mean and scale of q(z|x).
        decoder: Keras model from z, or `latent_dim + num_labels` values, to raw outputs without an
            activation, `num_parameters` of the likelihood for each variable.
        latent_dim: number of latent variables.
        likelihood: what the outputs mean; `Bernoulli()` if None.
        prior: p(z), such as `StandardNormal` (if None) or `GaussianMixture`.
        free_bits: nats per latent that the KL costs in training at least, on the batch's mean, so
            that using a latent a little is free.
        beta, warmup_steps: weight of the KL in training, and steps in which it rises from 0.
        num_labels: number of class labels y for p(x|y), or None. They are joined to the encoder's
            features and, one-hot, to the decoder's input.
        seed: int or None; also seeds the weights of q(z|x).
    """

    def __init__(
        self, encoder, decoder, latent_dim, likelihood=None, prior=None, *, free_bits=0.0, **kwargs
    ):
        latent_dim = checks.positive_int("latent_dim", latent_dim)
        super().__init__(priors.restored(prior, latent_dim), **kwargs)
        self.latent_dim = latent_dim
        self.encoder = networks.features("encoder", encoder)
        self.decoder = networks.restored("decoder", decoder)
        self.likelihood = restored_likelihood(likelihood)
        self.free_bits = checks.real("free_bits", free_bits)
        check_decoder(self, self.decoder, (latent_dim + (self.num_labels or 0),))
        if self.free_bits and not isinstance(self.prior, StandardNormal):
            raise ValueError(
                "Expected a StandardNormal prior for free_bits, which need the KL of every latent. "
                f"Received: prior={self.prior!r}"
            )
        head_seed = checks.seed(self.seed, networks.HEAD)
        self.posterior = GaussianHead(latent_dim, seed=head_seed, dtype=self.dtype_policy)

    @property
    def event_shape(self):
        return self.encoder.input_shape[1:]

    def build(self, input_shape):
        units = self.encoder.output_shape[-1] + (self.num_labels or 0)
        self.posterior.build((None, units))
        priors.build(self.prior)

    def encode(self, x, condition=None):
        """q(z|x): a TFP normal distribution over `(latent_dim,)`."""
        x, condition = self._checked_inputs(x, condition)
        features = self.encoder(self.likelihood.network_input(x))
        return self.posterior.distribution(self._with_label(features, condition))

    def decode(self, z, condition=None):
        """p(x|z): a TFP distribution over `event_shape`."""
        z = checks.codes("z", z, (self.latent_dim,))
        condition = self._checked_condition(condition, z.shape[0])
        return decoded(self, self.decoder(self._with_label(z, condition)))

    def _with_label(self, vectors, condition):
        if condition is None:
            return vectors
        labels = tf.one_hot(condition, self.num_labels, dtype=vectors.dtype)
        return tf.concat([vectors, labels], axis=-1)

    def _kl(self, q, z):
        if not isinstance(self.prior, StandardNormal):
            return super()._kl(q, z)
        p = self.prior.distribution()
        return tfd.kl_divergence(q.distribution, p.distribution)  # (batch, latent_dim)

    def _training_kl(self, kl):
        if self.free_bits:
            # sum_j max(free_bits, mean over the batch of KL_j), spread over the examples.
            dear = batch_mean(kl) > self.free_bits
            kl = tf.where(dear, kl, self.free_bits)
        return super()._training_kl(kl)

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "latent_dim": self.latent_dim,
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "free_bits": self.free_bits,
        }


@keras.saving.register_keras_serializable(package="genkeras")
class IWAE(VAE):
    """VAE trained on the importance-weighted bound of K draws; `evaluate` stays minus the ELBO.

    Args:
        num_importance_samples: K, draws of z for every example of a training step.
        encoder, decoder, latent_dim, likelihood, prior, num_labels, seed: those of `VAE`.
    """

    def __init__(
        self, encoder, decoder, latent_dim, num_importance_samples, likelihood=None, prior=None,
        *, num_labels=None, seed=None, **kwargs
    ):  # fmt: skip
        names = ("beta", "warmup_steps", "free_bits")
        checks.absent(kwargs, names, "its bound has no KL of its own to weigh")
        super().__init__(
            encoder, decoder, latent_dim, likelihood, prior,
            num_labels=num_labels, seed=seed, **kwargs
        )  # fmt: skip
        self.num_importance_samples = checks.positive_int(
            "num_importance_samples", num_importance_samples
        )

    def call(self, inputs, training=False):
        """log p(x|z_k) and log q(z_k|x) - log p(z_k) of K draws: `(batch, K, 2)`, nats."""
        x, condition = self._asserted(inputs)
        draws = self.num_importance_samples
        q, p = self.encode(x, condition), self.prior.distribution()
        z = q.sample(draws, seed=replica_seed(self.seed_generator))  # (K, batch, latent_dim)
        if condition is not None:
            condition = tf.tile(condition, [draws])
        outputs = self.decoder(self._with_label(tf.reshape(z, (-1, self.latent_dim)), condition))
        log_likelihood = decoded(self, outputs, draws).log_prob(x)
        return tf.transpose(
            tf.stack([log_likelihood, q.log_prob(z) - p.log_prob(z)], axis=-1), (1, 0, 2)
        )

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean over the batch, in nats, of minus the importance-weighted bound.

        With `training=False` of minus the ELBO, a mean over the draws.
        """
        log_likelihood, kl = tf.unstack(tf.cast(y_pred, tf.float32), axis=-1)  # (batch, K)
        self.kl_tracker.update_state(tf.reduce_mean(kl, axis=-1), sample_weight)
        log_weights = log_likelihood - kl
        if not training:
            return mean_loss(-tf.reduce_mean(log_weights, axis=-1), sample_weight)
        bound = tf.reduce_logsumexp(log_weights, axis=-1) - math.log(self.num_importance_samples)
        return mean_loss(-bound, sample_weight) + mean_loss(self.regularization())

    def get_config(self):
        config = super().get_config()
        for name in ("beta", "warmup_steps", "free_bits"):
            del config[name]
        return {**config, "num_importance_samples": self.num_importance_samples}


def restored_likelihood(likelihood):
    """A likelihood, from itself, its serialized form, or None for `Bernoulli()`."""
    if isinstance(likelihood, dict):
        likelihood = keras.saving.deserialize_keras_object(likelihood)
    if likelihood is not None and not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected likelihood to be an instance from genkeras.likelihoods, such as "
            f"Bernoulli(). Received: likelihood={likelihood!r}"
        )
    return likelihood or Bernoulli()


def check_decoder(model, decoder, input_shape, name="a decoder"):
    """Refuses a decoder that does not go from `input_shape` to what the likelihood needs."""
    outputs = math.prod(model.event_shape) * model.likelihood.num_parameters
    fits = decoder.input_shape[1:] == tuple(input_shape)
    if not fits or math.prod(decoder.output_shape[1:]) != outputs:
        codes = f"one-hot tokens of shape {input_shape}"
        if len(input_shape) == 1:
            codes = f"{input_shape[0]} values (latents and labels)"
        raise ValueError(
            f"Expected {name} from {codes} to {outputs} outputs "
            f"({model.likelihood.num_parameters} for each variable). Received: a decoder from "
            f"{decoder.input_shape[1:]} to {decoder.output_shape[1:]}"
        )
    checks.raw_outputs(name, decoder, "which the likelihood turns into probabilities")


def decoded(model, outputs, *draws):
    """p(x|z), of batch shape `(*draws, batch)`, from a decoder's raw outputs."""
    parameters = tf.reshape(
        tf.cast(outputs, tf.float32),
        (*draws, -1, *model.event_shape, model.likelihood.num_parameters),
    )
    start = model.likelihood.initial_parameters()
    if start.any():
        parameters += start  # outputs start near 0, which means the likelihood's own starting point
    return tfd.Independent(model.likelihood.distribution(parameters), len(model.event_shape))
