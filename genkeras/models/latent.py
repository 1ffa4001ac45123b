"""Models with a bound: a decoder p(x|z), a prior p(z) and an approximate posterior q(z|x)."""

import contextlib

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, divergences
from genkeras.models.base import GenerativeModel
from genkeras.training import mean_loss, replica_seed, stateless_seed


class LatentVariableModel(GenerativeModel):
    """A model of x through a latent z, trained on the evidence lower bound.

    A subclass gives `event_shape`, `prior`, `encode` and `decode`. Both return TFP distributions
    whose `log_prob` is `(batch,)`. With several stochastic layers z is a tuple and q(z|x) a joint
    distribution; TFP has no KL for those, so it is estimated from the same draw.

    Args:
        prior: an object with `distribution()` = p(z), for example `StandardNormal`.
        beta: weight of the KL in training; `evaluate` and `elbo` always use 1.
        num_labels: number of class labels, or None.
        seed: int or None.
    """

    def __init__(self, prior, *, beta=1.0, num_labels=None, seed=None, **kwargs):
        super().__init__(num_labels=num_labels, seed=seed, **kwargs)
        if isinstance(prior, dict):
            prior = keras.saving.deserialize_keras_object(prior)
        self.prior = prior
        self.beta = checks.real("beta", beta)
        self.kl_tracker = keras.metrics.Mean(name="kl")

    def encode(self, x, condition=None):
        """q(z|x): a TFP distribution whose log_prob is `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define encode.")

    def decode(self, z, condition=None):
        """p(x|z): a TFP distribution whose log_prob is `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define decode.")

    def call(self, inputs):
        """log p(x|z) and KL(q(z|x) || p(z)) of one draw z: `(batch, 2)`, nats."""
        x, condition = self._asserted(inputs)
        return tf.stack(self._terms(x, condition, replica_seed(self.seed_generator)), axis=-1)

    def _terms(self, x, condition, seed):
        q = self.encode(x, condition)
        z = q.sample(seed=seed)
        return self.decode(z, condition).log_prob(x), self._kl(q, z)

    def _kl(self, q, z):
        p = self.prior.distribution()
        # For dependent joints TFP raises ValueError, for other pairs NotImplementedError.
        if not isinstance(q, tfp.distributions.JointDistribution):
            with contextlib.suppress(NotImplementedError):
                return divergences.kl(q, p)
        return q.log_prob(z) - p.log_prob(z)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean of -ELBO over the batch in nats; `beta` and regularisation in training only."""
        log_likelihood, kl = tf.unstack(tf.cast(y_pred, tf.float32), axis=-1)
        self.kl_tracker.update_state(kl, sample_weight)
        if not training:
            return mean_loss(kl - log_likelihood, sample_weight)
        loss = mean_loss(self.beta * kl - log_likelihood, sample_weight)
        return loss + mean_loss(self.regularization())

    def elbo(self, x, condition=None, num_samples=1, seed=None):
        """Evidence lower bound in nats, a mean of single-sample bounds: `(batch,)`."""
        num_samples = checks.positive_int("num_samples", num_samples)
        x, condition = self._checked_inputs(x, condition)
        seeds = self._seeds(seed, num_samples)
        bounds = []
        for k in range(num_samples):
            log_likelihood, kl = self._terms(x, condition, seeds[k])
            bounds.append(log_likelihood - kl)
        return tf.reduce_mean(tf.stack(bounds), axis=0)

    def estimate_log_prob(self, x, num_importance_samples, condition=None, seed=None):
        """Importance-weighted bound log mean_k p(x, z_k) / q(z_k|x) in nats: `(batch,)`.

        Reference: Burda et al. 2015, https://arxiv.org/abs/1509.00519, eq. 8.
        """
        count = checks.positive_int("num_importance_samples", num_importance_samples)
        x, condition = self._checked_inputs(x, condition)
        seeds = self._seeds(seed, count)
        q, p = self.encode(x, condition), self.prior.distribution()
        log_weights = []
        for k in range(count):
            z = q.sample(seed=seeds[k])
            log_joint = self.decode(z, condition).log_prob(x) + p.log_prob(z)
            log_weights.append(log_joint - q.log_prob(z))
        return tf.reduce_logsumexp(log_weights, axis=0) - tf.math.log(float(count))

    def reconstruct(self, x, condition=None):
        """Mean of p(x|z) at the mean of q(z|x)."""
        x, condition = self._checked_inputs(x, condition)
        return self.decode(self.encode(x, condition).mean(), condition).mean()

    def sample(self, num_samples, condition=None, seed=None):
        """Draws z from the prior and x from p(x|z): `(num_samples, *event_shape)`."""
        num_samples = checks.positive_int("num_samples", num_samples)
        condition = self._sample_condition(condition, num_samples)
        self._ensure_built()
        z_seed, x_seed = self._seeds(seed, 2)
        z = self.prior.distribution().sample(num_samples, seed=z_seed)
        return self.decode(z, condition).sample(seed=x_seed)

    def _seeds(self, seed, count):
        seed = stateless_seed(self.seed_generator if seed is None else seed)
        return tf.unstack(tf.random.experimental.stateless_split(seed, count))

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "beta": self.beta,
        }
