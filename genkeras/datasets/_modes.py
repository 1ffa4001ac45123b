"""Mixtures of narrow Gaussians in the plane, on which lost modes can be counted."""

import numpy as np

from genkeras import checks
from genkeras.datasets._dataset import Dataset, Split

RING_STD = 0.01
"""Standard deviation of each Gaussian of `ring`."""

GRID_STD = 0.05
"""Standard deviation of each Gaussian of `grid`."""


def ring_centres():
    """The eight centres of `ring`, on the circle of radius 1: `(8, 2)` float64."""
    angles = 2 * np.pi * np.arange(8) / 8
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid_centres():
    """The 25 centres of `grid`, {-4, -2, 0, 2, 4}^2: `(25, 2)` float64."""
    side = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)


def ring(num_examples=100_000, seed=0):
    """Draws points of eight Gaussians of standard deviation 0.01 on a circle.

    The protocol of PacGAN (Lin et al. 2018, https://arxiv.org/abs/1712.04086, section 4.1).

    Args:
        num_examples: Rows to train on, at least 10; a tenth as many validate and as many test.
        seed: Integer seed of all draws.

    Returns:
        A `Dataset` of points `(n, 2)` (float32); labels are the rows of `ring_centres()`.

    Raises:
        ValueError: If `num_examples` is no whole number of at least 10.
    """
    return _drawn("ring", ring_centres(), RING_STD, num_examples, seed)


def grid(num_examples=100_000, seed=0):
    """Draws points of 25 Gaussians of standard deviation 0.05 on a grid.

    The protocol of PacGAN (Lin et al. 2018, https://arxiv.org/abs/1712.04086, section 4.1).

    Args:
        num_examples: Rows to train on, at least 10; a tenth as many validate and as many test.
        seed: Integer seed of all draws.

    Returns:
        A `Dataset` of points `(n, 2)` (float32); labels are the rows of `grid_centres()`.

    Raises:
        ValueError: If `num_examples` is no whole number of at least 10.
    """
    return _drawn("grid", grid_centres(), GRID_STD, num_examples, seed)


def _drawn(name, centres, std, num_examples, seed):
    checks.positive_int("num_examples", num_examples, 10)
    rng = np.random.default_rng(seed)

    def split(count):
        labels = rng.integers(len(centres), size=count)
        points = centres[labels] + std * rng.standard_normal((count, 2))
        return Split(points.astype("float32"), labels)

    return Dataset(
        name=name,
        protocol=(
            f"{num_examples:,} / {num_examples // 10:,} / {num_examples // 10:,} independent draws "
            f"from {len(centres)} equally likely Gaussians of standard deviation {std}; "
            f"seed {seed}."
        ),
        train=split(num_examples),
        valid=split(num_examples // 10),
        test=split(num_examples // 10),
        num_labels=len(centres),
        feature_names=("first coordinate", "second coordinate"),
    )
