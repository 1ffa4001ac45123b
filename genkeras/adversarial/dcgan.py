"""DCGAN: generators and discriminators of strided convolutions, for images of 8 to 64 pixels.

The choices of the paper: strides in place of pooling, no hidden dense layers, batch normalisation
but for the generator's output and the discriminator's input, ReLU in the one and leaky ReLU in the
other, tanh at the end, weights from N(0, 0.02^2), Adam(2e-4, beta_1 = 0.5).

Reference: Radford, Metz & Chintala 2015, https://arxiv.org/abs/1511.06434, section 3 and figure 1
"""

import keras

from genkeras import checks
from genkeras.adversarial.networks import (
    DISCRIMINATOR,
    activated,
    initializer,
    joined,
    network,
    network_inputs,
)
from genkeras.layers.packing import Packing

STDDEV = 0.02


def dcgan_generator(
    latent_dim,
    image_shape,
    filters=64,
    kernel_size=4,
    *,
    batch_norm=True,
    output_activation="tanh",
    num_labels=None,
    seed=None,
    dtype=None,
):
    """Transposed convolutions that double the sides of a small map up to an image.

    Args:
        latent_dim: number of noise variables.
        image_shape: (height, width, channels); the sides are halved as long as they are even and
            above 4, and the map where that ends is what the noise is projected to.
        filters: channels before the last layer; twice as many before each layer below it.
        kernel_size: side of the kernels. A multiple of the stride 2 covers every pixel equally
            often; the paper's 5 does not.
        batch_norm: whether hidden maps are normalised over the batch.
        output_activation: "tanh" for images in [-1, 1], "sigmoid" for images in [0, 1].
        num_labels, seed, dtype: as in `dense_generator`.

    Returns:
        A Keras model as of `dense_generator`.
    """
    sizes = _sizes(image_shape)
    filters = checks.positive_int("filters", filters)
    inputs = network_inputs((checks.positive_int("latent_dim", latent_dim),), num_labels)
    widths = [filters * 2**k for k in reversed(range(len(sizes) - 1))]
    small = (*sizes[0], widths[0])
    maps = keras.layers.Dense(
        sizes[0][0] * sizes[0][1] * widths[0],
        use_bias=not batch_norm,
        kernel_initializer=initializer(STDDEV, seed, 0),
        dtype=dtype,
    )(joined(inputs, dtype))
    maps = keras.layers.Reshape(small, dtype=dtype)(maps)
    for k, width in enumerate([*widths[1:], image_shape[-1]], start=1):
        maps = activated(maps, "relu", batch_norm, dtype)
        last = k == len(widths)
        maps = keras.layers.Conv2DTranspose(
            width,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=last or not batch_norm,
            activation=output_activation if last else None,
            kernel_initializer=initializer(STDDEV, seed, k),
            dtype=dtype,
        )(maps)
    return network(inputs, maps, "generator")


def dcgan_discriminator(
    image_shape,
    filters=64,
    kernel_size=4,
    *,
    batch_norm=True,
    num_packed=1,
    num_labels=None,
    seed=None,
    dtype=None,
):
    """Convolutions that halve the sides of an image down to a small map, then a logit.

    Args:
        image_shape: as for `dcgan_generator`.
        filters: channels of the first layer; twice as many in each layer above it.
        num_packed: images judged together, as in PacGAN.
        batch_norm, kernel_size, num_labels, seed, dtype: as for `dcgan_generator`. Labels are
            joined to the image as constant maps.

    Returns:
        A Keras model as of `dense_discriminator`.
    """
    sizes = _sizes(image_shape)
    filters = checks.positive_int("filters", filters)
    inputs = network_inputs(image_shape, num_labels)
    maps = inputs[0]
    if num_labels is not None:
        labels = keras.layers.RepeatVector(image_shape[0] * image_shape[1], dtype=dtype)(inputs[1])
        labels = keras.layers.Reshape((*image_shape[:2], num_labels), dtype=dtype)(labels)
        maps = joined([maps, labels], dtype)
    if checks.positive_int("num_packed", num_packed) > 1:
        maps = Packing(num_packed, dtype=dtype)(maps)
    for k in range(len(sizes) - 1):
        normalised = batch_norm and k > 0
        maps = keras.layers.Conv2D(
            filters * 2**k,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=not normalised,
            kernel_initializer=initializer(STDDEV, seed, DISCRIMINATOR + k),
            dtype=dtype,
        )(maps)
        maps = activated(maps, "leaky_relu", normalised, dtype)
    logits = keras.layers.Dense(
        1, kernel_initializer=initializer(STDDEV, seed, DISCRIMINATOR + len(sizes)), dtype=dtype
    )(keras.layers.Flatten(dtype=dtype)(maps))
    return network(inputs, logits, "discriminator")


def dcgan_optimizer(learning_rate=2e-4):
    """The paper's Adam."""
    return keras.optimizers.Adam(learning_rate, beta_1=0.5)


def _sizes(image_shape):
    """The sides of the maps from the smallest to the image's."""
    if len(image_shape) != 3:
        raise ValueError(
            "Expected image_shape to be (height, width, channels). "
            f"Received: image_shape={image_shape!r}"
        )
    height, width, _ = (checks.positive_int("a side of image_shape", s) for s in image_shape)
    sizes = [(height, width)]
    while height % 2 == width % 2 == 0 and min(height, width) > 4:
        height, width = height // 2, width // 2
        sizes.insert(0, (height, width))
    if len(sizes) == 1 or max(sizes[0]) > 7:
        raise ValueError(
            "Expected an image_shape whose sides can be halved, once or more, down to 7 or less. "
            f"Received: image_shape={image_shape!r}"
        )
    return sizes
