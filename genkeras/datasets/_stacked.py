"""Three digits in the colour channels of one image: a data set whose modes can be counted."""

import numpy as np


def stacked_digits(images, labels, num_examples, seed):
    """Draws images with three independent grey digits as red, green and blue.

    Of ten digits there are 1,000 combinations, equally likely where the classes are.

    Args:
        images: Array of shape `(n, height, width)`.
        labels: Integer array of shape `(n,)`, from 0 to 9.
        num_examples: How many images to draw.
        seed: Integer seed.

    Returns:
        Images of shape `(num_examples, height, width, 3)`, of the dtype of `images`, and their
        numbers 100 r + 10 g + b, an int64 array of shape `(num_examples,)`.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(
            "Expected images of shape (n, height, width) with one label each. "
            f"Received: shapes {images.shape} and {labels.shape}"
        )
    rows = np.random.default_rng(seed).integers(len(images), size=(num_examples, 3))
    return np.moveaxis(images[rows], 1, -1), labels[rows] @ np.array([100, 10, 1])
