"""Samples against data in a space of features: Frechet distance, precision and recall, neighbours.

The features are those of a classifier that is trained here. A Frechet distance in them is not an
FID, which is one in the features of one particular Inception network, and compares with no
published figure.
"""

import math

import numpy as np

from genkeras import checks
from genkeras.evaluation.parzen import _flat_rows
from genkeras.evaluation.spikes import _finite_rows

_ROWS = 1000


def frechet_distance(first, second):
    """The Wasserstein-2 distance, squared, of the two Gaussians with these moments.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2).

    Args:
        first, second: Features of shape `(n, d)`, n > 1.

    Returns:
        A float >= 0, in squared units of the features.

    Raises:
        ValueError: If features are not finite, not of one width or fewer than two.

    Reference: Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6.
    """
    first = _finite_rows("first", first)
    second = _finite_rows("second", second, first.shape[1])
    shift = first.mean(axis=0) - second.mean(axis=0)
    factor, other = _covariance_factor("first", first), _covariance_factor("second", second)
    # C1 = F'F and C2 = G'G: the eigenvalues of C1 C2 are the squared singular values of FG'. These
    # keep digits that roots of eigenvalues lose where a covariance is singular.
    overlap = np.linalg.svd(factor @ other.T, compute_uv=False).sum()
    return float(shift @ shift + max((factor**2).sum() + (other**2).sum() - 2 * overlap, 0.0))


def precision_recall(real, fake, num_neighbours=3):
    """Shares of samples near data (precision) and of data near samples (recall).

    A point is near a set if it lies within the distance from some member of the set to that
    member's k-th neighbour in the set.

    Args:
        real, fake: Features of shape `(n, d)`, n > k.
        num_neighbours: k.

    Returns:
        Precision and recall, floats in [0, 1].

    Raises:
        ValueError: If features are not finite, not of one width or not more than k.

    Reference: Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991, eq. 1.
    """
    checks.positive_int("num_neighbours", num_neighbours)
    real = _finite_rows("real", real)
    fake = _finite_rows("fake", fake, real.shape[1])
    for name, features in (("real", real), ("fake", fake)):
        if len(features) <= num_neighbours:
            raise ValueError(
                f"Expected {name} of more rows than num_neighbours={num_neighbours}. "
                f"Received: {len(features)} rows."
            )
    return _share_near(fake, real, num_neighbours), _share_near(real, fake, num_neighbours)


def nearest_neighbours(samples, data, count=1):
    """The data nearest to each sample, by Euclidean distance between pixels or features.

    Args:
        samples: Array of shape `(n, ...)`.
        data: Array of shape `(m, ...)`.
        count: Neighbours of each sample, at most m.

    Returns:
        Distances (float64) and rows of `data` (int64), nearest first, both of shape `(n, count)`.

    Raises:
        ValueError: If arrays are empty, not finite or of different widths, or there are fewer
            data than `count`.
    """
    from sklearn.neighbors import NearestNeighbors

    checks.positive_int("count", count)
    data = _flat_rows("data", data)
    samples = _flat_rows("samples", samples, data.shape[1])
    if len(data) < count:
        raise ValueError(f"Expected data of at least count={count} rows. Received: {len(data)}.")
    # Its squared distances are |a|^2 - 2 ab + |b|^2, which cancel far from the origin.
    centre = data.mean(axis=0)
    finder = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(data - centre)
    return finder.kneighbors(samples - centre)


def _covariance_factor(name, features):
    """F with F'F the covariance of the features."""
    if len(features) < 2:
        raise ValueError(f"Expected {name} of at least two rows. Received: {len(features)}.")
    centred = features - features.mean(axis=0)
    return np.linalg.qr(centred, mode="r") / math.sqrt(len(features) - 1)


def _share_near(points, members, k):
    from sklearn.metrics import DistanceMetric

    # A member is its own nearest neighbour, at distance 0.
    radii = nearest_neighbours(members, members, k + 1)[0][:, -1]
    euclidean = DistanceMetric.get_metric("euclidean")  # exactly 0 between equal points
    near = [
        (euclidean.pairwise(points[start : start + _ROWS], members) <= radii).any(axis=1)
        for start in range(0, len(points), _ROWS)
    ]
    return float(np.concatenate(near).mean())
