"""Orderings: permutations that visit positions as their names say."""

import json

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


def test_random_orders_begin_alike_for_every_count():
    three, five, other = (
        orderings.random_orders(30, count, seed).tolist()
        for count, seed in [(3, 1), (5, 1), (3, 2)]
    )
    assert three == five[:3]
    assert all(sorted(order) == list(range(30)) for order in five)
    assert len(set(map(tuple, five))) == 5
    assert three[0] != other[0]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, ["natural"]),
        ("spiral", ["spiral"]),
        ("random", [orderings.random_order(4, 5).tolist()]),
        ([3, 0, 2, 1], [[3, 0, 2, 1]]),
        (np.array([3, 0, 2, 1]), [[3, 0, 2, 1]]),
        ((3.0, 0.0, 2.0, 1.0), [[3, 0, 2, 1]]),
        (["natural", [3, 0, 2, 1], None], ["natural", [3, 0, 2, 1], "natural"]),
        (("reversed",), ["reversed"]),
        (np.array([[3, 0, 2, 1], [0, 1, 2, 3]]), [[3, 0, 2, 1], [0, 1, 2, 3]]),
        ([np.array([3, 0, 2, 1])], [[3, 0, 2, 1]]),
        (range(3, -1, -1), [[3, 2, 1, 0]]),
        (
            ["random", "natural", "random"],
            [
                orderings.random_order(4, 5).tolist(),
                "natural",
                orderings.random_order(4, 7).tolist(),
            ],
        ),
    ],
)
def test_one_ordering_or_several_resolve_to_a_list(stated, expected):
    kept = orderings.resolve_several(stated, 4, seed=5)
    assert kept == expected
    assert json.loads(json.dumps(kept)) == expected  # plain values, as a configuration needs


def test_of_one_variable_there_is_one_ordering():
    assert orderings.resolve_several([0], 1) == orderings.resolve_several([[0]], 1) == [[0]]


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ([], r"orderings to be one ordering or a list of them. Received: \[\]"),
        (np.zeros((0, 4)), r"orderings to be one ordering or a list of them. Received: \[\]"),
        (3, "orderings to be one ordering or a list of them. Received: 3"),
        (np.array(3), "orderings to be one ordering or a list of them. Received: 3"),
        ({"natural": 1}, "orderings to be one ordering or a list of them. Received: {'natural'"),
        ("diagonal", "ordering to be one of .*Received: 'diagonal'"),
        (["natural", "diagonal"], "ordering to be one of .*Received: 'diagonal'"),
        (["spiral"], "a square number of variables.*Received: num_features=6"),
        ([0, 1, 2, 3, 4, 4], "ordering to be a permutation of 0..5"),
        ([0, 1, 2], r"ordering to be a permutation of 0..5. Received: shape \(3,\)"),
        ([0.5, 1, 2, 3, 4, 5], "ordering to be a permutation of 0..5.*values .0.5"),
        ([-1, 1, 2, 3, 4, 5], "ordering to be a permutation of 0..5.*values .-1"),
        ([np.nan, 1, 2, 3, 4, 5], "ordering to be a permutation of 0..5.*values .nan"),
        ([range(6), [0, 1]], r"ordering to be a permutation of 0..5. Received: shape \(2,\)"),
        ([0, "natural"], r"ordering to be a permutation of 0..5. Received: shape \(\)"),
        ([[[0, 1, 2, 3, 4, 5]]], r"ordering to be a permutation .* Received: shape \(1, 6\)"),
        ([["a"] * 6], "ordering to hold real numbers. Received"),
        ([{}], "ordering to hold real numbers. Received"),
        ([[[1], [1, 2]]], "ordering to be an array. Received"),
    ],
)
def test_bad_lists_of_orderings(stated, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        orderings.resolve_several(stated, 6)


@pytest.mark.parametrize("count", [0, 2.5])
def test_bad_counts_of_random_orders(count):
    with pytest.raises(ValueError, match=f"Expected count to be a whole .* count={count}"):
        orderings.random_orders(4, count, seed=0)
