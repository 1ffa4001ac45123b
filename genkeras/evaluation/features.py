"""Samples against data in a space of features: Frechet distance, precision and recall, neighbours.

The features are those of a classifier that is trained here. A Frechet distance in them is not an
FID, which is one in the features of one particular Inception network, and compares with no
published figure.
"""

import numpy as np


def frechet_distance(first, second):
    """The Wasserstein-2 distance, squared, of the two Gaussians with these moments.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2).

    Args:
        first, second: Features of shape `(n, d)`, n > 1.

    Reference: Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6.
    """
    first, second = (_features(name, x) for name, x in (("first", first), ("second", second)))
    root = _square_root(np.cov(first, rowvar=False).reshape(first.shape[1], -1))
    other = np.cov(second, rowvar=False).reshape(second.shape[1], -1)
    product = np.linalg.eigvalsh(root @ other @ root)
    shift = first.mean(axis=0) - second.mean(axis=0)
    traces = np.trace(root @ root) + np.trace(other)
    return float(shift @ shift + traces - 2 * np.sqrt(np.maximum(product, 0)).sum())


def precision_recall(real, fake, num_neighbours=3):
    """Shares of samples near data (precision) and of data near samples (recall).

    A point is near a set if it lies within the distance from some member of the set to that
    member's k-th neighbour in the set.

    Args:
        real, fake: Features of shape `(n, d)`.
        num_neighbours: k.

    Reference: Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991, eq. 1.
    """
    real, fake = _features("real", real), _features("fake", fake)
    return _share_near(fake, real, num_neighbours), _share_near(real, fake, num_neighbours)


def nearest_neighbours(samples, data, count=1):
    """The data nearest to each sample, by Euclidean distance between pixels or features.

    Args:
        samples: Array of shape `(n, ...)`.
        data: Array of shape `(m, ...)`.
        count: Neighbours of each sample.

    Returns:
        Distances and rows of `data`, both of shape `(n, count)`.
    """
    from sklearn.neighbors import NearestNeighbors

    samples, data = (np.asarray(x, "float32").reshape(len(x), -1) for x in (samples, data))
    finder = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(data)
    return finder.kneighbors(samples)


def _share_near(points, members, k):
    from scipy.spatial.distance import cdist

    # A member is its own nearest neighbour, at distance 0.
    radii = nearest_neighbours(members, members, k + 1)[0][:, -1]
    near = [
        (cdist(points[start : start + 1000], members) <= radii).any(axis=1)
        for start in range(0, len(points), 1000)
    ]
    return float(np.concatenate(near).mean())


def _square_root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def _features(name, values):
    values = np.asarray(values, "float64")
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"Expected {name} to be finite features of shape (n, d), n > 1. "
            f"Received: shape {values.shape}"
        )
    return values
