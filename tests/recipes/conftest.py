"""What tests of recipes share: a data set in the place of MNIST."""

import dataclasses

import numpy as np
import pytest

from genkeras.datasets import Split, binarized_digits


@pytest.fixture(scope="session")
def mnist_of_digits():
    """Scikit-learn's digits in the place of MNIST: 8 x 8 pixels made 28 x 28."""

    def enlarged(split):
        images = np.kron(split.x[:300].reshape(-1, 8, 8), np.ones((3, 3), "float32"))
        return Split(np.pad(images, [(0, 0), (2, 2), (2, 2)]).reshape(-1, 784), split.labels[:300])

    digits = binarized_digits()
    parts = {name: enlarged(getattr(digits, name)) for name in ("train", "valid", "test")}
    return dataclasses.replace(digits, **parts)
