"""Encoders and decoders: plain Keras networks between data and codes.

Any Keras model with one known input and one known output shape can take their place.
"""

import math

import keras

from genkeras import checks
from genkeras.layers.dropout import Dropout

# The layers of a model take seed + 0, 1, ... in the encoder, + 100, 101, ... in the decoder and
# + 200, 201, ... between features and latents: no two of them draw the same weights. Dropout in
# the encoder takes + 300, 301, ...
DECODER, HEAD, DROPOUT = 100, 200, 300


def dense_encoder(
    event_shape,
    hidden_units=(200, 200),
    activation="tanh",
    seed=None,
    dtype=None,
    *,
    dropout=(0.0, 0.0),
):
    """Dense layers from x to features.

    Args:
        event_shape: shape of one example.
        hidden_units: units of each layer; the last are the features.
        activation: name of a Keras activation.
        seed: int or None, of the weights and of the dropout.
        dtype: dtype policy of the layers.
        dropout: rate before the first layer and after each layer.

    Returns:
        A Keras model from `(batch, *event_shape)` to `(batch, hidden_units[-1])`.
    """

    def dropped(rate, number):
        return [Dropout(rate, checks.seed(seed, DROPOUT + number), dtype=dtype)] if rate else []

    dropout = checks.two_rates("dropout", dropout)
    inputs = keras.Input(checks.sizes("event_shape", event_shape))
    layers = [inputs, keras.layers.Flatten(dtype=dtype)]
    layers += dropped(dropout[0], 0)
    for k, layer in enumerate(_dense(hidden_units, activation, seed, dtype)):
        layers += [layer, *dropped(dropout[1], k + 1)]
    return keras.Sequential(layers, name="encoder")


def dense_decoder(
    latent_dim, num_outputs, hidden_units=(200, 200), activation="tanh", seed=None, dtype=None
):
    """Dense layers from z to raw outputs.

    Args:
        latent_dim: number of inputs: the latent variables, plus `num_labels` for a model with
            labels.
        num_outputs: number of outputs: of a likelihood, variables times `num_parameters`.
        hidden_units, activation, seed, dtype: as in `dense_encoder`.

    Returns:
        A Keras model from `(batch, latent_dim)` to `(batch, num_outputs)`.
    """
    latent_dim = checks.positive_int("latent_dim", latent_dim)
    num_outputs = checks.positive_int("num_outputs", num_outputs)
    hidden = _dense(hidden_units, activation, seed, dtype, first=DECODER)
    outputs = keras.layers.Dense(
        num_outputs, kernel_initializer=_glorot(seed, DECODER + len(hidden)), dtype=dtype
    )
    return keras.Sequential([keras.Input((latent_dim,)), *hidden, outputs], name="decoder")


def convolutional_encoder(
    image_shape, filters=(32, 64), units=128, activation="relu", seed=None, dtype=None
):
    """Convolutions that halve the sides of an image, then a dense layer.

    Args:
        image_shape: (height, width) or (height, width, channels); sides divisible by
            2^len(filters).
        filters: channels of each 3 x 3 convolution with stride 2.
        units: number of features.
        activation, seed, dtype: as in `dense_encoder`.

    Returns:
        A Keras model from `(batch, *image_shape)` to `(batch, units)`.
    """
    image_shape = checks.sizes("image_shape", image_shape)
    filters = checks.sizes("filters", filters)
    height, width, channels = _sides(image_shape, filters)
    units = checks.positive_int("units", units)
    activation = checks.activation_name("activation", activation)
    layers = [
        keras.Input(image_shape),
        keras.layers.Reshape((height, width, channels), dtype=dtype),
    ]
    for k, number in enumerate(filters):
        options = _convolution(number, activation, seed, k, dtype)
        layers.append(keras.layers.Conv2D(**options))
    layers += [
        keras.layers.Flatten(dtype=dtype),
        *_dense((units,), activation, seed, dtype, first=len(filters)),
    ]
    return keras.Sequential(layers, name="encoder")


def convolutional_decoder(
    latent_dim,
    image_shape,
    num_parameters=1,
    filters=(64, 32),
    units=128,
    activation="relu",
    seed=None,
    dtype=None,
):
    """Dense layers, then transposed convolutions that double the sides of an image.

    Args:
        latent_dim: number of inputs: the latent variables, plus `num_labels` for a model with
            labels.
        image_shape: (height, width) or (height, width, channels); sides divisible by
            2^len(filters).
        num_parameters: outputs per value of the image, a likelihood's `num_parameters`.
        filters: channels of the maps before each doubling.
        units, activation, seed, dtype: as in `convolutional_encoder`.

    Returns:
        A Keras model from `(batch, latent_dim)` to `(batch, *image_shape, num_parameters)`.
    """
    latent_dim = checks.positive_int("latent_dim", latent_dim)
    image_shape = checks.sizes("image_shape", image_shape)
    filters = checks.sizes("filters", filters)
    height, width, channels = _sides(image_shape, filters)
    outputs = channels * checks.positive_int("num_parameters", num_parameters)
    units = checks.positive_int("units", units)
    scale = 2 ** len(filters)
    small = (height // scale, width // scale, filters[0])
    layers = [
        keras.Input((latent_dim,)),
        *_dense((units, math.prod(small)), activation, seed, dtype, first=DECODER),
        keras.layers.Reshape(small, dtype=dtype),
    ]
    for k, number in enumerate([*filters[1:], outputs]):
        last = k == len(filters) - 1
        options = _convolution(number, None if last else activation, seed, DECODER + 2 + k, dtype)
        layers.append(keras.layers.Conv2DTranspose(**options))
    layers.append(keras.layers.Reshape((*image_shape, num_parameters), dtype=dtype))
    return keras.Sequential(layers, name="decoder")


def restored(name, network):
    """A network, from itself or its serialized form, with one input and one output."""
    return checks.network(name, network, f"genkeras.latent.dense_{name}(...)")


def features(name, network):
    """A network, as `restored` gives it, that says one vector of features for each example."""
    network = restored(name, network)
    if len(network.output_shape) != 2:
        raise ValueError(
            f"Expected {name} to give features of shape (batch, units). "
            f"Received: a network that gives {checks.batch_shape(network.output_shape[1:])}"
        )
    return network


def _dense(hidden_units, activation, seed, dtype, first=0):
    activation = checks.activation_name("activation", activation)
    return [
        keras.layers.Dense(
            units, activation, kernel_initializer=_glorot(seed, first + k), dtype=dtype
        )
        for k, units in enumerate(checks.sizes("hidden_units", hidden_units))
    ]


def _convolution(filters, activation, seed, number, dtype):
    return {
        "filters": filters,
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "activation": activation,
        "kernel_initializer": _glorot(seed, number),
        "dtype": dtype,
    }


def _glorot(seed, number):
    return keras.initializers.GlorotUniform(checks.seed(seed, number))


def _sides(image_shape, filters):
    scale = 2 ** len(filters)
    if not filters or len(image_shape) not in (2, 3) or any(s % scale for s in image_shape[:2]):
        raise ValueError(
            f"Expected image_shape to be (height, width) or (height, width, channels) with sides "
            f"divisible by {scale}, one halving for each entry of filters, at least one. "
            f"Received: image_shape={image_shape}, filters={filters}"
        )
    height, width, *channels = image_shape
    return height, width, channels[0] if channels else 1
