"""Clusters scored as a classifier: each takes the label of its most typical example."""

import numpy as np

from genkeras.evaluation.density import share_error
from genkeras.evaluation.spikes import _finite_rows


def label_clusters(logits, labels):
    """The label of each cluster: that of the example which is most probably in it.

    Of many examples that probability is 1 to float precision; their logits still tell which is the
    surest.

    Args:
        logits: Array of shape `(n, num_clusters)`, of q(cluster|x).
        labels: Int array of shape `(n,)`, what the examples are.

    Returns:
        Int array of shape `(num_clusters,)`.

    Raises:
        ValueError: If there are no examples, or not as many labels.

    Reference: Makhzani et al. 2015, https://arxiv.org/abs/1511.05644, section 6.
    """
    logits, labels = _matched(logits, labels)
    return labels[_log_odds(logits).argmax(axis=0)]


def majority_labels(logits, labels):
    """The label of each cluster: what most of the examples in it are.

    A cluster that is the most probable one of no example has the label of `label_clusters`.

    Args:
        logits, labels: as of `label_clusters`.

    Returns:
        Array of shape `(num_clusters,)`; of labels that are as frequent, the least.

    Raises:
        ValueError: As `label_clusters`.
    """
    logits, labels = _matched(logits, labels)
    found, names = logits.argmax(axis=1), label_clusters(logits, labels)
    for cluster in np.unique(found):
        kinds, counts = np.unique(labels[found == cluster], return_counts=True)
        names[cluster] = kinds[counts.argmax()]
    return names


def cluster_accuracy(logits, labels, cluster_labels):
    """The share of examples whose most probable cluster has their label.

    Args:
        logits, labels: as of `label_clusters`.
        cluster_labels: Int array of shape `(num_clusters,)`, as `label_clusters` or
            `majority_labels` gives it from *other* examples.

    Returns:
        The share and its standard error over the examples, floats.

    Raises:
        ValueError: As `label_clusters`, or if there are not as many clusters.
    """
    logits, labels = _matched(logits, labels)
    cluster_labels = np.asarray(cluster_labels)
    if cluster_labels.shape != logits.shape[1:]:
        raise ValueError(
            f"Expected the labels of {logits.shape[1]} clusters. "
            f"Received: shape {cluster_labels.shape}."
        )
    return share_error(cluster_labels[logits.argmax(axis=1)] == labels)


def _log_odds(logits):
    """log q / (1 - q) of each cluster."""
    others = [np.delete(logits, k, axis=1) for k in range(logits.shape[1])]
    return logits - np.stack([np.logaddexp.reduce(rest, axis=1) for rest in others], axis=1)


def _matched(logits, labels):
    """Logits as rows, and as many labels."""
    logits, labels = _finite_rows("logits", logits), np.asarray(labels)
    if labels.shape != (len(logits),):
        raise ValueError(
            f"Expected {len(logits)} labels, one for each row. Received: shape {labels.shape}."
        )
    return logits, labels
