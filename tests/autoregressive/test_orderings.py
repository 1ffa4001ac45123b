"""Orderings: permutations that visit positions as their names say."""

import numpy as np
import pytest

from genkeras.autoregressive import orderings

IMAGE_ORDERS = [orderings.column_major, orderings.zigzag, orderings.spiral]


@pytest.mark.parametrize("order", IMAGE_ORDERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4), (4, 4), (28, 28)])
def test_image_orders_are_permutations(order, shape):
    assert sorted(order(*shape)) == list(range(shape[0] * shape[1]))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # 0 1 2 3
        # 4 5 6 7
        # 8 9 10 11
        (orderings.column_major, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]),
        (orderings.zigzag, [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11]),
        (orderings.spiral, [0, 1, 2, 3, 7, 11, 10, 9, 8, 4, 5, 6]),
    ],
)
def test_image_orders_visit_a_3_by_4_image_as_named(order, expected):
    assert order(3, 4).tolist() == expected


@pytest.mark.parametrize("order", [orderings.zigzag, orderings.spiral])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3)])
def test_continuous_orders_step_to_a_neighbour(order, shape):
    rows, columns = np.divmod(order(*shape), shape[1])
    assert np.all(np.abs(np.diff(rows)) + np.abs(np.diff(columns)) == 1)


def test_vector_orders():
    assert orderings.natural(4).tolist() == [0, 1, 2, 3]
    assert orderings.reversed_order(4).tolist() == [3, 2, 1, 0]


def test_random_orders_are_a_function_of_the_seed():
    first, again, other = (orderings.random_order(30, seed).tolist() for seed in (1, 1, 2))
    assert sorted(first) == list(range(30))
    assert first == again != other


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("natural", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("reversed", [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("column-major", [0, 3, 6, 1, 4, 7, 2, 5, 8]),
        ("zig-zag", [0, 1, 2, 5, 4, 3, 6, 7, 8]),
        ("spiral", [0, 1, 2, 5, 8, 7, 6, 3, 4]),
        ("random", orderings.random_order(9, 5).tolist()),
        ([8, 0, 7, 1, 6, 2, 5, 3, 4], [8, 0, 7, 1, 6, 2, 5, 3, 4]),
        (np.arange(9)[::-1], [8, 7, 6, 5, 4, 3, 2, 1, 0]),
    ],
)
def test_names_and_permutations_resolve(name, expected):
    kept = orderings.resolve(name, 9, seed=5)
    assert orderings.permutation(kept, 9).tolist() == expected
    assert isinstance(kept, str | list)  # plain values, as a configuration needs


@pytest.mark.parametrize(
    ("ordering", "message"),
    [
        ("diagonal", "ordering to be one of .*Received: 'diagonal'"),
        ([0, 1, 1, 2, 3, 4, 5, 6], "ordering to be a permutation of 0..7"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "ordering to be a permutation of 0..7"),
        ([0, 1, 2], r"ordering to be a permutation of 0..7. Received: shape \(3,\)"),
        ("spiral", "a square number of variables.*Received: num_features=8"),
    ],
)
def test_bad_orderings(ordering, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        orderings.resolve(ordering, 8)
