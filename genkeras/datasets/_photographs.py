"""Patches of the two photographs that come with scikit-learn.

Both photographs (427 x 640 pixels) are cut into 70 tiles of 61 x 64 pixels. A fixed draw gives 42
tiles of each to training, 14 to validation and 14 to testing, and every patch lies within one
tile: no pixel is in two splits, whatever the seed. Neighbouring tiles may be in different splits,
so the splits are disjoint but not independent.
"""

import numpy as np

from genkeras import checks
from genkeras.datasets._dataset import Dataset, Split

TILE_HEIGHT, TILE_WIDTH = 61, 64
_TILES_SEED = 0
_LUMA = (0.299, 0.587, 0.114)


def photograph_patches(patch_size, num_patches, seed):
    """Cuts square grey patches with 256 levels from two photographs.

    Grey is the luma 0.299 R + 0.587 G + 0.114 B, rounded. Needs Pillow; its JPEG decoder may
    give levels that differ by one between versions.

    Args:
        patch_size: Height and width of a patch in pixels, at most 61.
        num_patches: Number of patches in all: 60 % are for training, 20 % for validation, 20 %
            for testing. At least 5.
        seed: Integer seed of the places of the patches. The same tiles train, validate and test
            for every seed.

    Returns:
        A `Dataset` with rows of `patch_size ** 2` values from 0 to 255 (float32). Patches of one
        split may overlap.

    Raises:
        ValueError: If a size or a number is out of range.
    """
    photographs = [np.rint(photograph @ _LUMA) for photograph in _photographs()]
    return _patches("photograph_patches", photographs, "grey", patch_size, num_patches, seed)


def colour_photograph_patches(patch_size, num_patches, seed):
    """Cuts square colour patches with 256 levels per channel from two photographs.

    Needs Pillow; its JPEG decoder may give levels that differ by one between versions.

    Args:
        patch_size: Height and width of a patch in pixels, at most 61.
        num_patches: Number of patches in all: 60 % are for training, 20 % for validation, 20 %
            for testing. At least 5.
        seed: Integer seed of the places of the patches. The same tiles train, validate and test
            for every seed.

    Returns:
        A `Dataset` with rows of `3 * patch_size ** 2` values from 0 to 255 (float32), the three
        channels of a pixel side by side. Patches of one split may overlap.

    Raises:
        ValueError: If a size or a number is out of range.
    """
    photographs = _photographs()
    return _patches("colour_photograph_patches", photographs, "RGB", patch_size, num_patches, seed)


def _photographs():
    from sklearn.datasets import load_sample_image

    return [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]


def _patches(name, photographs, kind, patch_size, num_patches, seed):
    if checks.positive_int("patch_size", patch_size) > TILE_HEIGHT:
        raise ValueError(f"Expected patch_size from 1 to {TILE_HEIGHT}. Received: {patch_size}.")
    checks.positive_int("num_patches", num_patches, minimum=5)
    held_out = num_patches // 5
    corners = tile_corners([photograph.shape[:2] for photograph in photographs])
    rng = np.random.default_rng(seed)
    splits = {
        split: Split(_cut(photographs, corners[split], patch_size, count, rng))
        for split, count in (
            ("train", num_patches - 2 * held_out),
            ("valid", held_out),
            ("test", held_out),
        )
    }
    return Dataset(
        name=name,
        protocol=(
            f"{patch_size} x {patch_size} {kind} patches with 256 levels of scikit-learn's two "
            f"photographs, from disjoint tiles of 61 x 64 pixels; seed {seed}."
        ),
        **splits,
        num_levels=256,
        image_shape=(patch_size, patch_size, *photographs[0].shape[2:]),
    )


def tile_corners(shapes):
    """Deals the tiles of photographs to the splits, in the same way every time.

    Args:
        shapes: Height and width of every photograph, in pixels.

    Returns:
        A dictionary from split to an int array of shape `(n, 3)`: the photograph's index and the
        row and column of the tile's upper left pixel.
    """
    rng = np.random.RandomState(_TILES_SEED)
    dealt = {"train": [], "valid": [], "test": []}
    for index, (height, width) in enumerate(shapes):
        tiles = [
            (index, row, column)
            for row in range(0, height - TILE_HEIGHT + 1, TILE_HEIGHT)
            for column in range(0, width - TILE_WIDTH + 1, TILE_WIDTH)
        ]
        order = rng.permutation(len(tiles))
        fifth = len(tiles) // 5
        dealt["test"] += [tiles[i] for i in order[:fifth]]
        dealt["valid"] += [tiles[i] for i in order[fifth : 2 * fifth]]
        dealt["train"] += [tiles[i] for i in order[2 * fifth :]]
    return {split: np.array(tiles) for split, tiles in dealt.items()}


def _cut(photographs, corners, size, count, rng):
    chosen = corners[rng.integers(len(corners), size=count)]
    rows = chosen[:, 1] + rng.integers(TILE_HEIGHT - size + 1, size=count)
    columns = chosen[:, 2] + rng.integers(TILE_WIDTH - size + 1, size=count)
    patches = [
        photographs[index][row : row + size, column : column + size].ravel()
        for index, row, column in zip(chosen[:, 0], rows, columns, strict=True)
    ]
    return np.stack(patches).astype("float32")
