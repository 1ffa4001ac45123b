"""Scores of models with an exact density."""

import math

import numpy as np

from genkeras import checks


def log_probs(model, x, condition=None, batch_size=500):
    """Scores every example, in batches of one fixed size.

    The last batch is filled up with copies of its last example, whose scores are dropped, so
    that a compiled model meets a single shape.

    Args:
        model: A model with `log_prob(x)`, and `log_prob(x, condition=...)` if a condition is
            given.
        x: Array of shape `(n, ...)`.
        condition: Array of shape `(n, ...)`, one condition per example, or `None`.
        batch_size: Number of examples per call; all of them where there are fewer.

    Returns:
        Float64 array of shape `(n,)`, in nats.

    Raises:
        ValueError: If the model has no `log_prob`, `x` is empty, `condition` has another length,
            `batch_size` is no positive integer or the model does not return one number per example.
    """
    checks.has_method(
        model, "log_prob", "importance_nll measures bounds, parzen_log_likelihood samples"
    )
    x = np.asarray(x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"Expected x with at least one example. Received: shape {x.shape}.")
    checks.positive_int("batch_size", batch_size)
    if condition is not None:
        condition = np.asarray(condition)
        if condition.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"Expected condition with {len(x)} rows, as x has. "
                f"Received: shape {condition.shape}."
            )
    size = min(batch_size, len(x))
    scores = []
    for start in range(0, len(x), size):
        rows = np.minimum(np.arange(start, start + size), len(x) - 1)
        if condition is None:
            batch = model.log_prob(x[rows])
        else:
            batch = model.log_prob(x[rows], condition=condition[rows])
        batch = np.asarray(batch, "float64")
        if batch.shape != (size,):
            raise ValueError(
                f"Expected log_prob to return shape ({size},). Received: shape {batch.shape}."
            )
        scores.append(batch)
    return np.concatenate(scores)[: len(x)]


def share_error(right):
    """The share of what is right, and its standard error.

    Args:
        right: Booleans, one for each example, at least one.

    Returns:
        Two floats; the error is that of independent examples.
    """
    right = np.asarray(right)
    share = right.mean()
    return float(share), float(np.sqrt(share * (1 - share) / len(right)))


def mean_nll(model, x, condition=None, batch_size=500):
    """Measures the mean negative log-likelihood and how far a new sample would move it.

    Args:
        model: A model with `log_prob`.
        x: Array of shape `(n, ...)`.
        condition: Array of shape `(n, ...)`, one condition per example, or `None`.
        batch_size: Number of examples per call.

    Returns:
        The mean and its standard error over the examples, floats in nats. The standard error of
        a single example is NaN.

    Raises:
        ValueError: As `log_probs`.
    """
    return mean_and_error(-log_probs(model, x, condition, batch_size))


def mean_and_error(values):
    """The mean of an array `(n,)` and its standard error, floats; the error of one value is NaN."""
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(error)


def bits_per_dim(nll, num_dims):
    """Converts nats per example to bits per variable.

    Args:
        nll: Negative log-likelihood of a whole example in nats: a number or an array.
        num_dims: Number of variables of an example.

    Returns:
        `nll / (num_dims * log 2)`, of the shape of `nll`.

    Raises:
        ValueError: If `num_dims` is no positive integer.
    """
    checks.positive_int("num_dims", num_dims)
    return nll / (num_dims * math.log(2))


def class_posteriors(model, x, num_labels, log_prior, batch_size=500):
    """Classifies with a class-conditional density, by Bayes' rule.

    log p(c given x) = log p(x given c) + log p(c) - log sum_c' p(x given c') p(c').

    Args:
        model: A model with `log_prob(x, condition=labels)`, labels an int32 array.
        x: Array of shape `(n, ...)`.
        num_labels: Number of classes, numbered from 0.
        log_prior: Log-probabilities of the classes, shape `(num_labels,)`, in nats.
        batch_size: Number of examples per call.

    Returns:
        Float64 array of shape `(n, num_labels)`: log posterior probabilities in nats.

    Raises:
        ValueError: If `log_prior` is no distribution over the classes, if every class gives an
            example density 0, or as `log_probs`.
    """
    checks.positive_int("num_labels", num_labels)
    log_prior = np.asarray(log_prior, "float64")
    if log_prior.shape != (num_labels,) or not np.isclose(np.exp(log_prior).sum(), 1, atol=1e-5):
        raise ValueError(
            f"Expected log_prior of {num_labels} log-probabilities that sum to probability 1. "
            f"Received: {log_prior}."
        )
    labels = [np.full(len(x), label, "int32") for label in range(num_labels)]
    joint = np.stack([log_probs(model, x, label, batch_size) for label in labels], axis=1)
    joint += log_prior
    evidence = np.logaddexp.reduce(joint, axis=1, keepdims=True)
    if np.isneginf(evidence).any():
        raise ValueError(
            "Expected every example to have positive density under some class. "
            f"Received: density 0 under all classes for example {np.argmin(evidence)}."
        )
    return joint - evidence
