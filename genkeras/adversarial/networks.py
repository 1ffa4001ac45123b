"""Dense generators and discriminators: plain Keras networks that any other can replace.

With labels a network has two inputs, the second one-hot.
"""

import math

import keras

from genkeras import checks
from genkeras.layers.dropout import Dropout
from genkeras.layers.maxout import Maxout
from genkeras.layers.packing import Packing

# The layers of a GAN take seed + 0, 1, ... in the generator and + 100, 101, ... in the
# discriminator, so that no two of them draw the same weights.
DISCRIMINATOR = 100


def dense_generator(
    latent_dim,
    event_shape,
    hidden_units=(400, 400),
    activation="relu",
    *,
    batch_norm=False,
    output_activation=None,
    stddev=None,
    num_labels=None,
    seed=None,
    dtype=None,
):
    """Dense layers from noise to data.

    Args:
        latent_dim: number of noise variables.
        event_shape: shape of one example.
        hidden_units: units of each layer.
        activation: name of a Keras activation of these layers.
        batch_norm: whether the layers are normalised over the batch before the activation.
        output_activation: name of a Keras activation, such as "sigmoid" for data in [0, 1].
        stddev: of the normal start of all weights; None for Glorot's uniform one.
        num_labels: number of class labels, or None.
        seed: int or None, of the weights.
        dtype: dtype policy of the layers.

    Returns:
        A Keras model from `(batch, latent_dim)`, with labels a list of that and
        `(batch, num_labels)`, to `(batch, *event_shape)`.
    """
    event_shape = checks.sizes("event_shape", event_shape)
    hidden_units = checks.sizes("hidden_units", hidden_units)
    inputs = network_inputs((checks.positive_int("latent_dim", latent_dim),), num_labels)
    hidden = joined(inputs, dtype)
    for k, units in enumerate(hidden_units):
        start = initializer(stddev, seed, k)
        hidden = keras.layers.Dense(units, kernel_initializer=start, dtype=dtype)(hidden)
        hidden = activated(hidden, activation, batch_norm, dtype)
    start = initializer(stddev, seed, len(hidden_units))
    size = math.prod(event_shape)
    outputs = keras.layers.Dense(size, output_activation, kernel_initializer=start, dtype=dtype)(
        hidden
    )
    outputs = keras.layers.Reshape(event_shape, dtype=dtype)(outputs)
    return network(inputs, outputs, "generator")


def dense_discriminator(
    event_shape,
    hidden_units=(240, 240),
    num_pieces=None,
    activation="leaky_relu",
    *,
    dropout=(0.0, 0.0),
    num_packed=1,
    stddev=None,
    num_labels=None,
    seed=None,
    dtype=None,
):
    """Dense or maxout layers from data to a logit.

    Args:
        event_shape: shape of one example.
        hidden_units: units of each layer.
        num_pieces: linear pieces of each maxout unit; None for dense layers with `activation`.
        dropout: rate before the first layer and before each later one.
        num_packed: examples judged together, as in PacGAN.
        activation, stddev, num_labels, seed, dtype: as in `dense_generator`.

    Returns:
        A Keras model from `(batch, *event_shape)`, with labels a list of that and
        `(batch, num_labels)`, to `(batch / num_packed, 1)`.
    """
    event_shape = checks.sizes("event_shape", event_shape)
    hidden_units = checks.sizes("hidden_units", hidden_units)
    dropout = checks.two_rates("dropout", dropout)
    inputs = network_inputs(event_shape, num_labels)
    hidden = joined([keras.layers.Flatten(dtype=dtype)(inputs[0]), *inputs[1:]], dtype)
    if checks.positive_int("num_packed", num_packed) > 1:
        hidden = Packing(num_packed, dtype=dtype)(hidden)
    for k, units in enumerate(hidden_units):
        place = DISCRIMINATOR + k
        hidden = dropped(hidden, dropout[min(k, 1)], checks.seed(seed, place), dtype)
        start = initializer(stddev, seed, place)
        if num_pieces is None:
            hidden = keras.layers.Dense(units, kernel_initializer=start, dtype=dtype)(hidden)
            hidden = activated(hidden, activation, False, dtype)
        else:
            hidden = Maxout(units, num_pieces, start, dtype=dtype)(hidden)
    last = DISCRIMINATOR + len(hidden_units)
    hidden = dropped(hidden, dropout[min(len(hidden_units), 1)], checks.seed(seed, last), dtype)
    start = initializer(stddev, seed, last)
    logits = keras.layers.Dense(1, kernel_initializer=start, dtype=dtype)(hidden)
    return network(inputs, logits, "discriminator")


def initializer(stddev, seed, number):
    """The start of the weights of one layer."""
    seed = checks.seed(seed, number)
    if stddev is None:
        return keras.initializers.GlorotUniform(seed)
    return keras.initializers.RandomNormal(stddev=stddev, seed=seed)


def activated(inputs, activation, batch_norm, dtype):
    """Normalised over the batch, if asked for, over all replicas; then the activation."""
    if batch_norm:
        # A normalisation in each replica alone would be another model.
        inputs = keras.layers.BatchNormalization(synchronized=True, dtype=dtype)(inputs)
    return keras.layers.Activation(activation, dtype=dtype)(inputs)


def dropped(inputs, rate, seed, dtype):
    """Dropout where there is any."""
    return Dropout(rate, seed, dtype=dtype)(inputs) if rate else inputs


def joined(tensors, dtype):
    """Vectors side by side."""
    if len(tensors) == 1:
        return tensors[0]
    return keras.layers.Concatenate(dtype=dtype)(tensors)


def network_inputs(shape, num_labels):
    """The inputs of a network as a list: vectors or images and, with labels, one-hot vectors."""
    inputs = [keras.Input(shape)]
    if num_labels is not None:
        inputs.append(keras.Input((checks.positive_int("num_labels", num_labels, minimum=2),)))
    return inputs


def network(inputs, outputs, name):
    """A Keras model of one input or of a list of them."""
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)
