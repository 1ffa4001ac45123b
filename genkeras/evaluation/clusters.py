"""Clusters scored as a classifier: each takes the label of its most typical example."""

import numpy as np

from genkeras import checks
from genkeras.evaluation.density import share_error
from genkeras.evaluation.features import nearest_neighbours
from genkeras.evaluation.spikes import _finite_rows


def label_clusters(probabilities, labels):
    """The label of each cluster: that of the example which is most probably in it.

    Of many examples that probability is 1 to float precision. The label that most of them have is
    taken then, of labels that are as frequent the least.

    Args:
        probabilities: Array of shape `(n, num_clusters)`, q(cluster|x).
        labels: Int array of shape `(n,)`, what the examples are.

    Returns:
        Int array of shape `(num_clusters,)`.

    Raises:
        ValueError: If there are no examples, or not as many labels.

    Reference: Makhzani et al. 2015, https://arxiv.org/abs/1511.05644, section 6.
    """
    probabilities, labels = _matched(probabilities, labels)
    surest = probabilities == probabilities.max(axis=0)
    return np.array([_most_frequent(labels[rows]) for rows in surest.T])


def majority_labels(probabilities, labels):
    """The label of each cluster: what most of the examples in it are.

    A cluster that is the most probable one of no example has the label of `label_clusters`.

    Args:
        probabilities, labels: as of `label_clusters`.

    Returns:
        Array of shape `(num_clusters,)`; of labels that are as frequent, the least.

    Raises:
        ValueError: As `label_clusters`.
    """
    probabilities, labels = _matched(probabilities, labels)
    found, names = probabilities.argmax(axis=1), label_clusters(probabilities, labels)
    for cluster in np.unique(found):
        names[cluster] = _most_frequent(labels[found == cluster])
    return names


def cluster_accuracy(probabilities, labels, cluster_labels):
    """The share of examples whose most probable cluster has their label.

    Args:
        probabilities: Array of shape `(n, num_clusters)`.
        labels: Int array of shape `(n,)`.
        cluster_labels: Int array of shape `(num_clusters,)`, as `label_clusters` or
            `majority_labels` gives it from *other* examples.

    Returns:
        The share and its standard error over the examples, floats.

    Raises:
        ValueError: As `label_clusters`, or if there are not as many clusters.
    """
    probabilities, labels = _matched(probabilities, labels)
    cluster_labels = np.asarray(cluster_labels)
    if cluster_labels.shape != probabilities.shape[1:]:
        raise ValueError(
            f"Expected the labels of {probabilities.shape[1]} clusters. "
            f"Received: shape {cluster_labels.shape}."
        )
    return share_error(cluster_labels[probabilities.argmax(axis=1)] == labels)


def neighbour_agreement(probabilities, x, num_neighbours=10):
    """The share of nearest neighbours that are in the cluster of the example they are near to.

    It needs no labels: a border between clusters that runs through dense data costs more than one
    between two heaps. One cluster of everything has 1, so it compares clusters of like sizes only.

    Args:
        probabilities: Array of shape `(n, num_clusters)`.
        x: Array of shape `(n, ...)`, the same examples.
        num_neighbours: How many neighbours of each example, by Euclidean distance.

    Returns:
        A float.

    Raises:
        ValueError: If there are not as many rows in both, or too few.
    """
    probabilities = _finite_rows("probabilities", probabilities)
    checks.positive_int("num_neighbours", num_neighbours)
    if len(x) != len(probabilities):
        raise ValueError(f"Expected {len(probabilities)} rows of x. Received: {len(x)}.")
    # Of an example itself and its neighbours; those of a double may not have the double first.
    near = nearest_neighbours(x, x, count=num_neighbours + 1)[1]
    others = near != np.arange(len(x))[:, None]
    clusters = probabilities.argmax(axis=1)
    return float((clusters[near] == clusters[:, None])[others].mean())


def _most_frequent(labels):
    kinds, counts = np.unique(labels, return_counts=True)
    return kinds[counts.argmax()]


def _matched(probabilities, labels):
    """Probabilities as rows, and as many labels."""
    probabilities, labels = _finite_rows("probabilities", probabilities), np.asarray(labels)
    if labels.shape != (len(probabilities),):
        raise ValueError(
            f"Expected {len(probabilities)} labels, one for each row. "
            f"Received: shape {labels.shape}."
        )
    return probabilities, labels
