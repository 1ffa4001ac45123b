"""Parzen windows: a density from samples, as the GAN paper of 2014 scored models.

The score is a lower bound of nothing. It needs more samples than anyone draws before it says how
good a model of images is (Theis et al. 2016, https://arxiv.org/abs/1511.01844, section 3.2).
"""

import math
import numbers

import numpy as np

from genkeras.evaluation.density import mean_nll
from genkeras.evaluation.spikes import _finite_rows

SIGMAS = np.logspace(-1, 0, 10)  # the candidates of the paper's code
NUM_CHOOSING = 1000  # the validation images that choose among them
_ROWS = 500


class ParzenWindow:
    """The mean of spherical Gaussians around samples.

    Args:
        samples: Array of shape `(m, ...)`.
        sigma: Standard deviation of the Gaussians, in the units of the data.

    Raises:
        ValueError: If the samples are empty or not finite, or sigma is no positive number.
    """

    def __init__(self, samples, sigma):
        self.samples = _flat_rows("samples", samples)
        if not isinstance(sigma, numbers.Real) or not 0 < sigma < math.inf:
            raise ValueError(f"Expected sigma to be a number > 0. Received: {sigma!r}.")
        self.sigma = float(sigma)

    def log_prob(self, x):
        """Log-density of each example.

        Args:
            x: Array of shape `(n, ...)`, examples of the size of a sample.

        Returns:
            Float64 array of shape `(n,)`, in nats.

        Raises:
            ValueError: If `x` is empty, not finite or has examples of another size.
        """
        num_samples, num_features = self.samples.shape
        x = _flat_rows("x", x, num_features)
        # Squares of large numbers cancel, so about the samples' mean, and in float64.
        centre = self.samples.mean(axis=0)
        x, samples = x - centre, self.samples - centre
        squares = (samples**2).sum(axis=1)
        scores = []
        for start in range(0, len(x), _ROWS):
            rows = x[start : start + _ROWS]
            # |x - s|^2 by a product of matrices.
            distances = (rows**2).sum(axis=1)[:, None] - 2 * rows @ samples.T + squares
            scores.append(np.logaddexp.reduce(-distances / (2 * self.sigma**2), axis=1))
        constant = math.log(num_samples) + num_features * math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )
        return np.concatenate(scores) - constant

    def distribution(self):
        """The same density as a TFP mixture over flat examples, in float64."""
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
        sigmas: Candidates, in the units of the data.

    Returns:
        The candidate with the greatest mean log-density, a float.

    Raises:
        ValueError: If there is no candidate, or as `ParzenWindow`.
    """
    sigmas = np.atleast_1d(np.asarray(sigmas, "float64")).tolist()
    if len(sigmas) == 0:
        raise ValueError("Expected at least one candidate for sigma. Received: none.")
    valid = valid[:NUM_CHOOSING]
    scores = [ParzenWindow(samples, sigma).log_prob(valid).mean() for sigma in sigmas]
    return sigmas[int(np.argmax(scores))]


def parzen_log_likelihood(samples, valid, test, sigmas=SIGMAS):
    """Scores samples by the protocol of the GAN paper.

    Args:
        samples: Array of shape `(m, ...)`; 10,000 in the paper.
        valid: Array of shape `(n, ...)`; its first 1,000 rows choose the width.
        test: Array of shape `(n, ...)`.
        sigmas: Candidate widths, in the units of the data.

    Returns:
        Mean log-density of the test data in nats, its standard error over the test data (NaN of
        a single example), and the width: floats.

    Raises:
        ValueError: As `choose_sigma`.

    Reference: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, section 5.
    """
    sigma = choose_sigma(samples, valid, sigmas)
    nll, error = mean_nll(ParzenWindow(samples, sigma), test)
    return -nll, error, sigma


def _flat_rows(name, values, num_features=None):
    """Examples of any shape as finite float64 rows of `num_features` values."""
    values = np.asarray(values)
    if values.ndim > 2:
        values = values.reshape(len(values), math.prod(values.shape[1:]))
    return _finite_rows(name, values, num_features)
