"""Divergences between distributions: analytic where TFP knows the formula, else Monte Carlo.

All values are in nats. `p`, `q` are `tfp.distributions` objects; results have their batch shape.
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, random

tfd = tfp.distributions


def kl(q, p):
    """KL(q || p) = E_q[log q(x) - log p(x)] by TFP's closed form.

    Args:
        q, p: TFP distributions with a registered KL.

    Returns:
        `batch_shape` float32, never negative.

    Raises:
        NotImplementedError: TFP has no formula for the pair; use `monte_carlo_kl`.
    """
    return tfd.kl_divergence(q, p)


def monte_carlo_kl(q, p, num_samples, seed):
    """Estimates KL(q || p) by the mean of log q(x) - log p(x) over draws from q.

    Args:
        q, p: TFP distributions with `log_prob`; q must be able to `sample`.
        num_samples: number of draws, at least 2.
        seed: int or `(2,)` int seed.

    Returns:
        The estimate and its standard error, each `batch_shape` float32. An estimate can be
        negative although KL cannot.
    """
    count = checks.positive_int("num_samples", num_samples, minimum=2)
    x = q.sample(count, seed=_stateless(seed))
    return _mean_and_standard_error(q.log_prob(x) - p.log_prob(x))


def jensen_shannon(p, q, num_samples, seed):
    """Estimates JS(p, q) = KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2.

    Args:
        p, q: TFP distributions with `sample` and `log_prob`.
        num_samples: draws from each of the two, at least 2.
        seed: int or `(2,)` int seed.

    Returns:
        The estimate and its standard error, each `batch_shape` float32. The true value lies
        between 0 and log 2.
    """
    count = checks.positive_int("num_samples", num_samples, minimum=2)
    seeds = tf.unstack(random.split(_stateless(seed), 2))
    halves = []
    for this, other, half_seed in ((p, q, seeds[0]), (q, p, seeds[1])):
        x = this.sample(count, seed=half_seed)
        # log p(x) - log m(x) = log 2 - log(1 + q(x) / p(x))
        log_ratio = other.log_prob(x) - this.log_prob(x)
        halves.append(_mean_and_standard_error(math.log(2.0) - tf.nn.softplus(log_ratio)))
    (p_mean, p_error), (q_mean, q_error) = halves
    return (p_mean + q_mean) / 2, tf.sqrt(p_error**2 + q_error**2) / 2


def _mean_and_standard_error(terms):
    count = tf.cast(tf.shape(terms)[0], terms.dtype)
    variance = tf.math.reduce_variance(terms, axis=0) * count / (count - 1)
    return tf.reduce_mean(terms, axis=0), tf.sqrt(variance / count)


def _stateless(seed):
    return tf.cast(seed, tf.int32) if np.ndim(seed) else checks.seed_pair(seed)
