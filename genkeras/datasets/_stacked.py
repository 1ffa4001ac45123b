"""Three digits in the colour channels of one image: a data set whose modes can be counted."""

import numpy as np

from genkeras import checks


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

    Raises:
        ValueError: If there are no images, labels are no digits or do not match the images, or
            `num_examples` is no positive integer.

    Reference: Metz et al. 2017, https://arxiv.org/abs/1611.02163, section 3.3.1.
    """
    checks.positive_int("num_examples", num_examples, 1)
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 3 or images.size == 0 or labels.shape != images.shape[:1]:
        raise ValueError(
            "Expected images of shape (n, height, width) with one label each. "
            f"Received: shapes {images.shape} and {labels.shape}."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        raise ValueError(
            "Expected labels to be the integers 0 to 9. "
            f"Received: {labels.min()} to {labels.max()}, dtype {labels.dtype}."
        )
    rows = np.random.default_rng(seed).integers(len(images), size=(num_examples, 3))
    return np.moveaxis(images[rows], 1, -1), labels[rows].astype("int64") @ [100, 10, 1]
