"""Coverage: how many of the modes of a known distribution samples reach, and how evenly."""

import math
import numbers
from dataclasses import dataclass

import numpy as np

from genkeras import checks
from genkeras.evaluation.spikes import _finite_rows


@dataclass(frozen=True)
class ModeCoverage:
    """What samples cover.

    Args:
        modes: Modes that are nearest to one good sample at least.
        high_quality: Share of samples that are good, in [0, 1].
        reverse_kl: KL(share of each mode among the good samples || uniform), nats; NaN without
            good samples.
    """

    modes: int
    high_quality: float
    reverse_kl: float


def mode_coverage(samples, centres, std, threshold=3.0):
    """Counts the Gaussians that samples reach.

    A sample is good within `threshold` standard deviations of the nearest centre (Euclidean
    distance).

    Args:
        samples: Array of shape `(n, d)`.
        centres: Array of shape `(num_modes, d)`.
        std: Standard deviation of each Gaussian, in the units of the samples.
        threshold: In standard deviations.

    Returns:
        A `ModeCoverage`.

    Raises:
        ValueError: If arrays are empty, not finite or of different widths, or `std` or
            `threshold` is no positive number.

    Reference: Srivastava et al. 2017, https://arxiv.org/abs/1705.07761, section 4.1; Lin et al.
        2018, https://arxiv.org/abs/1712.04086, section 4.1.
    """
    centres = _finite_rows("centres", centres)
    samples = _finite_rows("samples", samples, centres.shape[1])
    for name, value in (("std", std), ("threshold", threshold)):
        if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
            raise ValueError(f"Expected {name} to be a number > 0. Received: {value!r}.")
    distances = np.linalg.norm(samples[:, None] - centres, axis=-1)  # (n, num_modes)
    nearest, good = distances.argmin(axis=1), distances.min(axis=1) <= threshold * std
    counts = np.bincount(nearest[good], minlength=len(centres))
    return ModeCoverage(int((counts > 0).sum()), float(good.mean()), _kl_from_uniform(counts))


def class_coverage(classes, num_classes):
    """Counts the classes that a classifier finds in samples; every sample counts as good.

    Args:
        classes: Integer array of shape `(n,)`, from 0 to `num_classes - 1`.
        num_classes: How many there are, equally likely in the data.

    Returns:
        A `ModeCoverage`.

    Raises:
        ValueError: If `classes` is empty or holds what is no class.

    Reference: Metz et al. 2017, https://arxiv.org/abs/1611.02163, section 3.3.1.
    """
    counts = _class_counts(classes, num_classes)
    return ModeCoverage(int((counts > 0).sum()), 1.0, _kl_from_uniform(counts))


def class_entropy(classes, num_classes):
    """Entropy of the shares of the classes in nats; log `num_classes` where all are equal.

    Args:
        classes: Integer array of shape `(n,)`, from 0 to `num_classes - 1`.
        num_classes: How many there are.

    Returns:
        A float from 0 to log `num_classes`.

    Raises:
        ValueError: If `classes` is empty or holds what is no class.
    """
    counts = _class_counts(classes, num_classes)
    return math.log(num_classes) - _kl_from_uniform(counts)


def _class_counts(classes, num_classes):
    checks.positive_int("num_classes", num_classes)
    classes = np.asarray(classes)
    if classes.ndim != 1 or classes.size == 0 or classes.dtype.kind not in "iu":
        raise ValueError(
            "Expected classes to be integers of shape (n,), n > 0. "
            f"Received: shape {classes.shape}, dtype {classes.dtype}."
        )
    if classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(
            f"Expected classes from 0 to {num_classes - 1}. "
            f"Received: {classes.min()} to {classes.max()}."
        )
    return np.bincount(classes, minlength=num_classes)


def _kl_from_uniform(counts):
    if counts.sum() == 0:
        return math.nan
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log(shares * len(counts))).sum())
