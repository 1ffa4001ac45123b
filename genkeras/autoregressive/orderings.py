"""Orders in which a model can visit the variables of an image or a vector.

An ordering is a permutation: its i-th entry is the flat position of the i-th variable visited.
Image orders take the height and width; row-major flat positions, as `reshape` gives them.
"""

import math
import numbers

import numpy as np

from genkeras import checks


def natural(num_features):
    """0, 1, 2, ...: row by row for an image."""
    return np.arange(num_features)


def reversed_order(num_features):
    """From the last variable to the first."""
    return np.arange(num_features)[::-1]


def random_order(num_features, seed):
    """A random permutation, the same for the same int seed."""
    return np.random.default_rng(seed).permutation(num_features)


def random_orders(num_features, count, seed):
    """`(count, num_features)` random permutations; of one seed, fewer are the first of more."""
    count, generator = checks.positive_int("count", count), np.random.default_rng(seed)
    return np.array([generator.permutation(num_features) for _ in range(count)])


def column_major(height, width):
    """Column by column, each from top to bottom."""
    return _positions(height, width).T.reshape(-1)


def zigzag(height, width):
    """Row by row, every second row from right to left, so that neighbours follow each other."""
    positions = _positions(height, width)
    positions[1::2] = positions[1::2, ::-1]
    return positions.reshape(-1)


def spiral(height, width):
    """From the top left corner around the border and inwards, clockwise."""
    rest, rings = _positions(height, width), []
    while rest.size:
        rings.append(rest[0])
        rest = np.rot90(rest[1:])
    return np.concatenate(rings)


_VECTOR_ORDERS = {"natural": natural, "reversed": reversed_order}
_IMAGE_ORDERS = {"column-major": column_major, "zig-zag": zigzag, "spiral": spiral}
NAMES = (*_VECTOR_ORDERS, *_IMAGE_ORDERS, "random")


def resolve(ordering, num_features, seed=None):
    """What a model keeps: the name of an order, or a permutation as a list of ints.

    Args:
        ordering: None, one of `NAMES`, or a permutation of 0..num_features-1.
        num_features: number of variables.
        seed: int or None, for "random", which is turned into its permutation at once.

    Raises:
        ValueError: an unknown name, no permutation, or an image order for no square number.
    """
    if ordering is None:
        return "natural"
    if isinstance(ordering, str):
        if ordering not in NAMES:
            raise ValueError(f"Expected ordering to be one of {NAMES}. Received: {ordering!r}")
        if ordering == "random":
            return random_order(num_features, seed).tolist()
        permutation(ordering, num_features)
        return ordering
    array = checks.numeric_array("ordering", ordering)
    if array.shape != (num_features,) or not np.array_equal(
        np.sort(array), np.arange(num_features)
    ):
        raise ValueError(
            f"Expected ordering to be a permutation of 0..{num_features - 1}. "
            f"Received: shape {array.shape}, values {array.reshape(-1)[:8].tolist()}..."
        )
    return array.astype(int).tolist()


def resolve_several(orderings, num_features, seed=None):
    """What a model of several orderings keeps: a list of what `resolve` returns, never empty.

    Args:
        orderings: one ordering as in `resolve`, or a list, tuple or array of them.
        num_features: number of variables.
        seed: int or None, as in `resolve`; with an int, the k-th of several takes `seed + k`.

    Raises:
        ValueError: no ordering, or as `resolve`.
    """
    if orderings is None or isinstance(orderings, str):
        return [resolve(orderings, num_features, seed)]
    if isinstance(orderings, np.ndarray):
        orderings = orderings.tolist()
    elif isinstance(orderings, range):
        orderings = list(orderings)
    if not isinstance(orderings, list | tuple) or len(orderings) == 0:
        raise ValueError(
            f"Expected orderings to be one ordering or a list of them. Received: {orderings!r}"
        )
    if all(isinstance(entry, numbers.Real) for entry in orderings):
        return [resolve(orderings, num_features, seed)]
    # Each "random" is one of its own.
    return [
        resolve(ordering, num_features, None if seed is None else seed + k)
        for k, ordering in enumerate(orderings)
    ]


def permutation(ordering, num_features):
    """The permutation behind what `resolve` returned: `(num_features,)` int."""
    if not isinstance(ordering, str):
        return np.asarray(ordering)
    if ordering in _VECTOR_ORDERS:
        return _VECTOR_ORDERS[ordering](num_features)
    side = math.isqrt(num_features)
    if side * side != num_features:
        raise ValueError(
            f"Expected a square number of variables for ordering={ordering!r}; for other "
            "images pass the permutation from genkeras.autoregressive.orderings. "
            f"Received: num_features={num_features}"
        )
    return _IMAGE_ORDERS[ordering](side, side)


def _positions(height, width):
    return np.arange(height * width).reshape(height, width)
