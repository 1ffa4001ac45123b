"""Models with a bound: a decoder p(x|z), a prior p(z) and an approximate posterior q(z|x)."""

import contextlib
import functools

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, divergences, priors, random
from genkeras.models.base import CheckedModel
from genkeras.training import mean_loss, replica_seed


class LatentVariableModel(CheckedModel):
    """A model of x through a latent z, trained on the evidence lower bound.

    A subclass gives `event_shape`, `prior`, `encode` and `decode`. Both return TFP distributions
    whose `log_prob` is `(batch,)`. With several stochastic layers z is a tuple and q(z|x) a joint
    distribution; TFP has no KL for those, so it is estimated from the same draw.

    Args:
        prior: an object with `distribution()` = p(z), for example `StandardNormal`.
        beta: weight of the KL in training; `evaluate` and `elbo` always use 1.
        warmup_steps: training steps in which the weight of the KL rises from 0 to `beta`.
        num_labels: number of class labels, or None.
        seed: int or None.
    """

    def __init__(self, prior, *, beta=1.0, warmup_steps=0, num_labels=None, seed=None, **kwargs):
        super().__init__(num_labels=num_labels, seed=seed, **kwargs)
        self.prior = priors.restored(prior)
        if isinstance(self.prior, priors.Uniform):
            raise ValueError(
                "Expected a prior with a density everywhere: q(z|x) is normal, and its KL to any "
                f"other is infinite. Received: prior={type(self.prior).__name__}"
            )
        self.beta = checks.real("beta", beta)
        self.warmup_steps = checks.positive_int("warmup_steps", warmup_steps, minimum=0)
        self.kl_tracker = keras.metrics.Mean(name="kl")

    def encode(self, x, condition=None):
        """q(z|x): a TFP distribution whose log_prob is `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define encode.")

    def decode(self, z, condition=None):
        """p(x|z): a TFP distribution whose log_prob is `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define decode.")

    def call(self, inputs, training=False):
        """log p(x|z) and KL(q(z|x) || p(z)) of one draw z: `(batch, 1 + parts)`, nats.

        The KL may come in several parts, such as one for each latent, whose sum it is.
        """
        x, condition = self._asserted(inputs)
        q, seed = self.encode(x, condition), replica_seed(self.seed_generator)
        log_likelihood, kl = self._terms(q, x, condition, seed)
        return tf.concat([log_likelihood[:, tf.newaxis], kl], axis=-1)

    def _terms(self, q, x, condition, seed):
        """log p(x|z) `(batch,)` and the parts of the KL `(batch, parts)` of one draw from q."""
        z = q.sample(seed=seed)
        return self.decode(z, condition).log_prob(x), self._kl(q, z)

    def _kl(self, q, z):
        p = self.prior.distribution()
        # For dependent joints TFP raises ValueError, for other pairs NotImplementedError.
        if not isinstance(q, tfp.distributions.JointDistribution):
            with contextlib.suppress(NotImplementedError):
                return divergences.kl(q, p)[:, tf.newaxis]
        return (q.log_prob(z) - p.log_prob(z))[:, tf.newaxis]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean of -ELBO over the batch in nats, from one draw of z for each example.

        So `evaluate` differs a little from call to call; `elbo` with a seed does not. In training
        the KL is weighted by `beta` and the warm-up, and regularisation is added.
        """
        y_pred = tf.cast(y_pred, tf.float32)
        log_likelihood, kl = y_pred[:, 0], y_pred[:, 1:]
        self.kl_tracker.update_state(tf.reduce_sum(kl, axis=-1), sample_weight)
        if not training:
            return mean_loss(tf.reduce_sum(kl, axis=-1) - log_likelihood, sample_weight)
        loss = mean_loss(self._training_kl(kl) - log_likelihood, sample_weight)
        return loss + mean_loss(self.regularization())

    def _training_kl(self, kl):
        """What training pays for the parts of the KL: `(batch,)`."""
        return self._kl_weight() * tf.reduce_sum(kl, axis=-1)

    def _kl_weight(self):
        """The weight of the KL in this training step."""
        if not self.warmup_steps or getattr(self, "optimizer", None) is None:
            return self.beta
        progress = tf.cast(self.optimizer.iterations, tf.float32) / self.warmup_steps
        return self.beta * tf.minimum(1.0, progress)

    def elbo(self, x, condition=None, num_samples=1, seed=None):
        """Evidence lower bound in nats, a mean of single-sample bounds: `(batch,)`.

        Args:
            x: `(batch, *event_shape)`.
            condition: `(batch,)` int labels, for a model with `num_labels`.
            num_samples: draws of z per example.
            seed: int, or None to continue the model's own stream.
        """
        count = checks.positive_int("num_samples", num_samples)
        x, condition = self._checked_inputs(x, condition)
        return self._compiled_elbo(x, condition, tf.constant(count), self._stateless(seed))

    @functools.cached_property
    def _compiled_elbo(self):
        @tf.function(reduce_retracing=True, autograph=False)
        def elbo(x, condition, count, seed):
            q = self.encode(x, condition)

            def add(k, total):
                draw_seed = random.fold_in(seed, k)
                log_likelihood, kl = self._terms(q, x, condition, draw_seed)
                return k + 1, total + log_likelihood - tf.reduce_sum(kl, axis=-1)

            return _over_draws(count, add, tf.zeros(tf.shape(x)[0])) / tf.cast(count, tf.float32)

        return elbo

    def estimate_log_prob(self, x, num_importance_samples, condition=None, seed=None):
        """Importance-weighted bound log mean_k p(x, z_k) / q(z_k|x) in nats: `(batch,)`.

        Its mean rises with the number of samples to log p(x). Memory does not grow with it.

        Args:
            x: `(batch, *event_shape)`.
            num_importance_samples: draws of z per example.
            condition: `(batch,)` int labels, for a model with `num_labels`.
            seed: int, or None to continue the model's own stream.

        Reference: Burda et al. 2015, https://arxiv.org/abs/1509.00519, eq. 8.
        """
        count = checks.positive_int("num_importance_samples", num_importance_samples)
        x, condition = self._checked_inputs(x, condition)
        return self._compiled_estimate(x, condition, tf.constant(count), self._stateless(seed))

    @functools.cached_property
    def _compiled_estimate(self):
        @tf.function(reduce_retracing=True, autograph=False)
        def estimate(x, condition, count, seed):
            q, p = self.encode(x, condition), self.prior.distribution()

            def add(k, total):
                z = q.sample(seed=random.fold_in(seed, k))
                log_joint = self.decode(z, condition).log_prob(x) + p.log_prob(z)
                return k + 1, _log_add_exp(total, log_joint - q.log_prob(z))

            nothing = tf.fill([tf.shape(x)[0]], float("-inf"))
            return _over_draws(count, add, nothing) - tf.math.log(tf.cast(count, tf.float32))

        return estimate

    def posterior_mean(self, x, condition=None):
        """Mean of q(z|x): `(batch, latent_dim)`, the code of an example."""
        return self.encode(*self._checked_inputs(x, condition)).mean()

    def reconstruct(self, x, condition=None):
        """Mean of p(x|z) at the mean of q(z|x)."""
        z = self.posterior_mean(x, condition)
        return self.decode(z, self._checked_inputs(x, condition)[1]).mean()

    def sample(self, num_samples, condition=None, seed=None):
        """Draws z from the prior and x from p(x|z): `(num_samples, *event_shape)`."""
        num_samples = checks.positive_int("num_samples", num_samples)
        condition = self._sample_condition(condition, num_samples)
        self._ensure_built()
        seeds = random.split(self._stateless(seed), 2)
        z = self.prior.distribution().sample(num_samples, seed=seeds[0])
        return self.decode(z, condition).sample(seed=seeds[1])

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "beta": self.beta,
            "warmup_steps": self.warmup_steps,
        }


def _log_add_exp(a, b):
    """log(exp(a) + exp(b)): -inf where both are, as of draws outside a prior's support."""
    nothing = tf.maximum(a, b) == float("-inf")
    # Also inside, or the gradient of what is not chosen would be NaN.
    a, b = tf.where(nothing, 0.0, a), tf.where(nothing, 0.0, b)
    return tf.where(nothing, float("-inf"), tfp.math.log_add_exp(a, b))


def _over_draws(count, add, start):
    """`add` applied for k = 0 .. count - 1, one after the other."""
    _, total = tf.while_loop(lambda k, _: k < count, add, (0, start), parallel_iterations=1)
    return total
