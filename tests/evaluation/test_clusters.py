"""Clusters as classes, on tables laid by hand."""

import numpy as np
import pytest

from genkeras.evaluation import (
    cluster_accuracy,
    label_clusters,
    majority_labels,
    neighbour_agreement,
)

VALID = [[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.6, 0.4, 0.0], [0.1, 0.2, 0.7]]


def test_a_cluster_has_the_label_of_its_most_certain_example():
    # Most rows of cluster 0 are a 4, its surest one is a 7.
    assert label_clusters(VALID, [7, 4, 4, 1]).tolist() == [7, 4, 1]


def test_of_many_that_are_certain_to_float_precision_most_give_the_name():
    rows = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.9, 0.1], [0.0, 1.0], [0.0, 1.0]]
    # Not the first in the table, a 7; an 8 is in the cluster as well, but less surely.
    assert label_clusters(rows, [7, 4, 4, 8, 8, 3, 2]).tolist() == [4, 2]
    assert majority_labels(rows, [7, 4, 4, 8, 8, 3, 2]).tolist() == [4, 2]
    assert majority_labels(rows, [7, 4, 8, 8, 8, 3, 2]).tolist() == [8, 2]


def test_a_cluster_has_the_label_of_most_of_its_examples():
    rows = [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.6, 0.4, 0.0], [0.1, 0.8, 0.1]]
    assert label_clusters(rows, [7, 4, 4, 1]).tolist() == [7, 1, 1]
    # In cluster 0 are a 7 and two 4; nothing is in cluster 2, to which the last row comes nearest.
    assert majority_labels(rows, [7, 4, 4, 1]).tolist() == [4, 1, 1]
    assert majority_labels(rows, [-7, 4, -7, 1]).tolist() == [-7, 1, 1]


def test_the_share_of_examples_in_a_cluster_of_their_label():
    test = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.4, 0.3, 0.3]]
    share, error = cluster_accuracy(test, [7, 7, 1, 7], [7, 4, 1])
    assert share == 0.75
    assert error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))


def test_neighbours_agree_by_count_on_a_line():
    x = [[0.0], [1.0], [2.5], [10.0], [11.0], [11.5]]  # nearest: 1, 0, 1, 4, 5, 4
    first, second = [0.9, 0.1], [0.2, 0.8]
    assert neighbour_agreement([first] * 3 + [second] * 3, x, num_neighbours=1) == 1.0
    # Row 2 is near to row 1, row 1 is not near to row 2.
    found = neighbour_agreement([first] * 2 + [second] * 4, x, num_neighbours=1)
    assert found == pytest.approx(5 / 6)
    # Row 0 has the neighbours 1 and 2, row 1 has 0 and 2, row 2 has 1 and 0; then as many again.
    found = neighbour_agreement([first] * 2 + [second] * 4, x, num_neighbours=2)
    assert found == pytest.approx((1 + 1 + 0 + 2 + 2 + 2) / 12)


def test_doubles_are_neighbours_of_each_other_and_not_of_themselves():
    x = [[0.0], [0.0], [5.0], [5.0]]
    clusters = np.eye(2)[[0, 1, 0, 0]]
    assert neighbour_agreement(clusters, x, num_neighbours=1) == 0.5


def test_digits_agree_more_than_bands_of_as_much_ink():
    """Clusters that are digits against as many of the same sizes that cut through the digits."""
    from genkeras.datasets import digits

    data = digits().train
    x = np.asarray(data.x, "float32")
    by_digit = np.eye(10)[data.labels]
    order = np.argsort(np.argsort(x.mean(axis=1), kind="stable"))
    by_ink = np.eye(10)[np.sort(data.labels)[order]]
    assert neighbour_agreement(by_digit, x) > 0.9 > 0.5 > neighbour_agreement(by_ink, x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label_clusters(VALID, [1, 2]), "4 labels"),
        (lambda: majority_labels(VALID, [1, 2]), "4 labels"),
        (lambda: label_clusters([[np.nan, 1.0]], [1]), "finite"),
        (lambda: cluster_accuracy(VALID, [1, 2, 3, 4], [1, 2]), "the labels of 3 clusters"),
        (lambda: neighbour_agreement(VALID, [[1.0], [2.0]]), "4 rows of x"),
        (lambda: neighbour_agreement(VALID, [[1.0]] * 4, 4), "at least count=5"),
        (lambda: neighbour_agreement(VALID, [[1.0]] * 4, 0), "num_neighbours"),
    ],
)
def test_bad_tables_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
