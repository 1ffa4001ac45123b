"""Scores of models with a bound, and how much of their code they use."""

import numbers

import numpy as np

from genkeras import checks
from genkeras.evaluation.density import mean_and_error


def importance_nll(model, x, num_importance_samples, condition=None, batch_size=500, seed=0):
    """Estimates the mean negative log-likelihood by importance sampling, from above.

    Args:
        model: A model with `estimate_log_prob`.
        x: Array of shape `(n, ...)`.
        num_importance_samples: Draws of z per example.
        condition: Array of shape `(n,)`, one label per example, or `None`.
        batch_size: Examples per call.
        seed: Integer, of the draws.

    Returns:
        The mean and its standard error over the examples, floats in nats. The error does not
        hold the bias of the estimate, which falls with the number of samples.

    Raises:
        ValueError: If the model has no `estimate_log_prob`, `x` is empty, `condition` has another
            length, `batch_size` is no positive integer or the model refuses the number of draws or
            the seed.
    """
    checks.has_method(model, "estimate_log_prob", "mean_nll measures exact densities")
    checks.positive_int("batch_size", batch_size)
    x = np.asarray(x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"Expected x with at least one example. Received: shape {x.shape}.")
    if condition is not None and np.shape(condition) != (len(x),):
        raise ValueError(
            f"Expected condition of shape ({len(x)},), as x has rows. "
            f"Received: shape {np.shape(condition)}."
        )
    checks.positive_int("seed", seed, minimum=0)
    parts = []
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        labels = None if condition is None else np.asarray(condition)[rows]
        estimates = model.estimate_log_prob(
            x[rows], num_importance_samples, condition=labels, seed=seed + start
        )
        parts.append(-np.asarray(estimates, "float64"))
    return mean_and_error(np.concatenate(parts))


def active_units(model, x, condition=None, threshold=0.01):
    """Which latents a model uses: those whose posterior mean varies from example to example.

    A latent u is active if the variance over x of E_q[u] exceeds the threshold (Burda et al. 2015,
    https://arxiv.org/abs/1509.00519, section 5.2).

    Args:
        model: A model with `posterior_mean`.
        x: Array of shape `(n, ...)`, n at least 2.
        condition: Array of shape `(n,)`, one label per example, or `None`.
        threshold: Variance above which a latent is active.

    Returns:
        Boolean array `(latent_dim,)`; of a model with several layers of latents a tuple of them.

    Raises:
        ValueError: If the model has no `posterior_mean`, `x` has fewer than two examples or the
            threshold is no number >= 0.

    Note:
        Of a second layer the mean is taken at the mean of the first, not averaged over it.
    """
    checks.has_method(model, "posterior_mean", "only models with latents have active ones")
    if np.ndim(x) == 0 or len(x) < 2:
        raise ValueError(f"Expected x with at least two examples. Received: shape {np.shape(x)}.")
    if not isinstance(threshold, numbers.Real) or not threshold >= 0:
        raise ValueError(f"Expected threshold to be a number >= 0. Received: {threshold!r}.")
    means = model.posterior_mean(x) if condition is None else model.posterior_mean(x, condition)
    if isinstance(means, tuple):
        return tuple(_varies(layer, threshold) for layer in means)
    return _varies(means, threshold)


def codebook_use(tokens, num_tokens):
    """How many tokens a discrete code uses, and how evenly.

    Args:
        tokens: Whole numbers from 0 to `num_tokens - 1`, of any shape.
        num_tokens: Number of tokens that there are.

    Returns:
        The number of tokens that occur, and the perplexity, exp of the entropy of their shares:
        the number of equally frequent tokens that would be as uncertain.

    Raises:
        ValueError: If there are no tokens or one does not exist.
    """
    checks.positive_int("num_tokens", num_tokens)
    tokens = np.asarray(tokens)
    if tokens.size == 0 or not np.isin(tokens, np.arange(num_tokens)).all():
        raise ValueError(
            f"Expected tokens from 0 to {num_tokens - 1}. Received: {tokens.size} of dtype "
            f"{tokens.dtype}."
        )
    shares = np.bincount(tokens.ravel().astype("int64"), minlength=num_tokens) / tokens.size
    shares = shares[shares > 0]
    return len(shares), float(np.exp(-np.sum(shares * np.log(shares))))


def _varies(means, threshold):
    return np.asarray(means).var(axis=0, ddof=1) > threshold
