"""Archives of binary splits, eight values to a byte."""

import numpy as np


def read_packed(path):
    """Reads an archive of binary splits, eight values to a byte.

    Args:
        path: Path of an `.npz` file with `n_features` and the packed `train`, `valid`, `test`.

    Returns:
        A dictionary from split to a uint8 array of shape `(n, n_features)`.
    """
    with np.load(path, allow_pickle=False) as archive:
        count = int(archive["n_features"])
        return {
            split: np.unpackbits(archive[split], axis=1, count=count)
            for split in ("train", "valid", "test")
        }
