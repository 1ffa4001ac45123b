"""Coverage: how many of the modes of a known distribution samples reach, and how evenly."""

from dataclasses import dataclass

import numpy as np


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
    """Counts the Gaussians that samples of the plane reach.

    A sample is good within `threshold` standard deviations of the nearest centre (Euclidean
    distance).

    Args:
        samples: Array of shape `(n, d)`.
        centres: Array of shape `(num_modes, d)`.
        std: Standard deviation of each Gaussian.
        threshold: In standard deviations.

    Reference: Srivastava et al. 2017, https://arxiv.org/abs/1705.07761, section 4.1; Lin et al.
        2018, https://arxiv.org/abs/1712.04086, section 4.1.
    """
    samples, centres = np.asarray(samples, "float64"), np.asarray(centres, "float64")
    if samples.ndim != 2 or samples.shape[1:] != centres.shape[1:] or len(samples) == 0:
        raise ValueError(
            f"Expected samples of shape (n, {centres.shape[1]}). Received: shape {samples.shape}"
        )
    distances = np.linalg.norm(samples[:, None] - centres, axis=-1)  # (n, num_modes)
    nearest, good = distances.argmin(axis=1), distances.min(axis=1) <= threshold * std
    counts = np.bincount(nearest[good], minlength=len(centres))
    return ModeCoverage(
        int((counts > 0).sum()), float(good.mean()), _kl_from_uniform(counts, len(centres))
    )


def class_coverage(classes, num_classes):
    """Counts the classes that a classifier finds in samples; every sample counts as good.

    Args:
        classes: Integer array of shape `(n,)`, from 0 to `num_classes - 1`.
        num_classes: How many there are, equally likely in the data.
    """
    counts = np.bincount(np.asarray(classes), minlength=num_classes)
    if len(counts) != num_classes:
        raise ValueError(
            f"Expected classes from 0 to {num_classes - 1}. Received: {len(counts) - 1}"
        )
    return ModeCoverage(int((counts > 0).sum()), 1.0, _kl_from_uniform(counts, num_classes))


def class_entropy(classes, num_classes):
    """Entropy of the shares of the classes in nats; log `num_classes` where all are equal."""
    counts = np.bincount(np.asarray(classes), minlength=num_classes)
    return float(np.log(num_classes) - _kl_from_uniform(counts, num_classes))


def _kl_from_uniform(counts, num_modes):
    if counts.sum() == 0:
        return float("nan")
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log(shares * num_modes)).sum())
