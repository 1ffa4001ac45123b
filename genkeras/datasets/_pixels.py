"""Ways from grey levels to binary or continuous values, each a protocol of its own."""

import numpy as np


def binarize(images, threshold):
    """Thresholds pixels: 1 where the value is at least `threshold`, else 0.

    Deterministic, so it is neither `bernoulli_binarize` nor the fixed `binarized_mnist`.

    Args:
        images: Array of numbers of any shape.
        threshold: The smallest value that becomes 1.

    Returns:
        Float32 array of zeros and ones, of the shape of `images`.
    """
    return (np.asarray(images) >= threshold).astype("float32")


def bernoulli_binarize(images, num_levels, seed):
    """Draws every pixel from a Bernoulli whose probability is its grey level.

    A new seed gives a new data set, so it is not the fixed `binarized_mnist`.

    Args:
        images: Array of the integers 0 to `num_levels - 1`, of any shape.
        num_levels: Number of grey levels; the highest becomes probability 1.
        seed: Integer seed of the draw.

    Returns:
        Float32 array of zeros and ones, of the shape of `images`.

    Raises:
        ValueError: If a value is no level.
    """
    images = _checked_levels(images, num_levels)
    uniform = np.random.default_rng(seed).random(images.shape)
    return (uniform < images / (num_levels - 1)).astype("float32")


def dequantize(x, num_levels, seed):
    """Adds uniform noise to levels and scales the sum to the unit interval.

    y = (x + u) / num_levels with u uniform on [0, 1), so `floor(num_levels * y)` gives x back.
    The mean of -log p(y) + num_features * log(num_levels) is an upper bound on the negative
    log-likelihood of the levels, in nats. Paper: https://arxiv.org/abs/1511.01844.

    Args:
        x: Array of the integers 0 to `num_levels - 1`, of any shape.
        num_levels: Number of levels.
        seed: Integer seed of the noise.

    Returns:
        Float32 array in (0, 1), of the shape of `x`.

    Raises:
        ValueError: If a value is no level.
    """
    x = _checked_levels(x, num_levels)
    noisy = ((x + np.random.default_rng(seed).random(x.shape)) / num_levels).astype("float32")
    # Rounding to float32 may leave the level on either side.
    floor = np.nextafter((x / num_levels).astype("float32"), np.float32(1))
    ceiling = np.nextafter(((x + 1) / num_levels).astype("float32"), np.float32(0))
    return np.clip(noisy, floor, ceiling)


def _checked_levels(x, num_levels):
    x = np.asarray(x)
    if num_levels < 2:
        raise ValueError(f"Expected num_levels of at least 2. Received: {num_levels}.")
    if x.size == 0:
        raise ValueError(f"Expected at least one value. Received: shape {x.shape}.")
    wrong = ~((x >= 0) & (x < num_levels) & (x == np.floor(x)))
    if wrong.any():
        raise ValueError(
            f"Expected the integers 0 to {num_levels - 1}. Received: {x[wrong].flat[0]}."
        )
    return x.astype("float64")
