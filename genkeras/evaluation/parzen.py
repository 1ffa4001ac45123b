"""Parzen windows: a density from samples, as the GAN paper of 2014 scored models.

The score is a lower bound of nothing. It needs more samples than anyone draws before it says how
good a model of images is (Theis et al. 2016, https://arxiv.org/abs/1511.01844, section 3.2).
"""

import math

import numpy as np
from scipy.special import logsumexp

SIGMAS = np.logspace(-1, 0, 10)  # the candidates of the paper's code
NUM_CHOOSING = 1000  # the validation images that choose among them
_ROWS = 500


class ParzenWindow:
    """The mean of spherical Gaussians around samples.

    Args:
        samples: Array of shape `(m, ...)`.
        sigma: Standard deviation of the Gaussians, in the units of the data.
    """

    def __init__(self, samples, sigma):
        samples = np.asarray(samples, "float64")
        if samples.ndim < 2 or len(samples) == 0 or not np.isfinite(samples).all():
            raise ValueError(
                "Expected finite samples of shape (m, ...), one at least. "
                f"Received: shape {samples.shape}"
            )
        if not sigma > 0:
            raise ValueError(f"Expected sigma > 0. Received: {sigma!r}")
        self.samples = samples.reshape(len(samples), -1)
        self.sigma = float(sigma)

    def log_prob(self, x):
        """Log-densities in nats: float64 array of shape `(n,)`."""
        x = np.asarray(x, "float64").reshape(len(x), -1)
        num_samples, num_features = self.samples.shape
        if x.shape[1] != num_features:
            raise ValueError(
                f"Expected x of {num_features} values an example. Received: {x.shape[1]}"
            )
        squares = (self.samples**2).sum(axis=1)
        scores = []
        for start in range(0, len(x), _ROWS):
            rows = x[start : start + _ROWS]
            # |x - s|^2 by a product of matrices, in float64 since large numbers cancel.
            distances = (rows**2).sum(axis=1)[:, None] - 2 * rows @ self.samples.T + squares
            scores.append(logsumexp(-distances / (2 * self.sigma**2), axis=1))
        constant = math.log(num_samples) + num_features * math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )
        return np.concatenate(scores) - constant

    def distribution(self):
        """The same density as a TFP mixture."""
        import tensorflow_probability as tfp

        tfd = tfp.distributions
        scales = np.full(self.samples.shape, self.sigma)
        windows = tfd.Independent(tfd.Normal(self.samples, scales), 1)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=np.zeros(len(scales))), windows)


def choose_sigma(samples, valid, sigmas=SIGMAS):
    """The width under which validation data are most likely.

    Args:
        samples: Array of shape `(m, ...)`.
        valid: Array of shape `(n, ...)`, of which the first 1,000 are used.
        sigmas: Candidates.
    """
    valid = valid[:NUM_CHOOSING]
    scores = [ParzenWindow(samples, sigma).log_prob(valid).mean() for sigma in sigmas]
    return float(sigmas[int(np.argmax(scores))])


def parzen_log_likelihood(samples, valid, test, sigmas=SIGMAS):
    """Scores samples by the protocol of the GAN paper.

    Args:
        samples: Array of shape `(m, ...)`; 10,000 in the paper.
        valid: Array of shape `(n, ...)`; its first 1,000 rows choose the width.
        test: Array of shape `(n, ...)`.
        sigmas: Candidate widths.

    Returns:
        Mean log-density of the test data in nats, its standard error over the test data, and the
        width.

    Reference: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, section 5.
    """
    sigma = choose_sigma(samples, valid, sigmas)
    scores = ParzenWindow(samples, sigma).log_prob(test)
    return float(scores.mean()), float(scores.std() / math.sqrt(len(scores))), sigma
