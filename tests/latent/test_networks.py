"""Encoders and decoders: what they compute, their seeds, and what they refuse."""

import itertools

import keras
import numpy as np
import pytest
from scipy import signal

from genkeras.latent import (
    VAE,
    HierarchicalVAE,
    convolutional_decoder,
    convolutional_encoder,
    dense_decoder,
    dense_encoder,
)

MAKERS = {
    "dense encoder": lambda **k: dense_encoder((5,), (5, 5), **k),
    "dense decoder": lambda **k: dense_decoder(5, 5, (5, 5), **k),
    "convolutional encoder": lambda **k: convolutional_encoder((8, 8, 3), (3, 3), 3, **k),
    "convolutional decoder": lambda **k: convolutional_decoder(
        4, (8, 8, 3), filters=(4, 3, 3), units=4, **k
    ),
}
every_network = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def kernels_of(network):
    return [w.numpy() for w in network.weights if w.ndim > 1]


@pytest.mark.parametrize("kind", ["dense", "convolutional", "hierarchical"])
def test_one_seed_serves_all_networks_of_a_model(kind):
    if kind == "dense":
        model = VAE(
            dense_encoder((6,), (5, 5), seed=0), dense_decoder(3, 6, (5, 5), seed=0), 3, seed=0
        )
    elif kind == "convolutional":
        encoder = convolutional_encoder((8, 8), (2, 3), 6, seed=0)
        model = VAE(
            encoder, convolutional_decoder(3, (8, 8), filters=(3, 2), units=6, seed=0), 3, seed=0
        )
    else:
        encoders = dense_encoder((6,), (5,), seed=0), dense_encoder((3,), (4,), seed=10)
        decoders = dense_decoder(3, 6, (5,), seed=0), dense_encoder((2,), (4,), seed=20)
        model = HierarchicalVAE(encoders, decoders, (3, 2), seed=0)
    model.build((None, *model.event_shape))
    # Kernels of one stream have, but for their scale, the same first entries.
    starts = [kernel.flatten()[:4] for kernel in kernels_of(model)]
    signs = [start / np.linalg.norm(start) for start in starts]
    for first, second in itertools.combinations(signs, 2):
        assert not np.allclose(first, second, atol=1e-3)


def test_a_dense_encoder_is_tanh_of_affine_maps_to_the_last():
    network, x = dense_encoder((2, 3), (5, 4), seed=0), numbers(7, 2, 3)
    first, first_bias, second, second_bias = (w.numpy() for w in network.weights)
    hidden = np.tanh(x.reshape(7, 6) @ first + first_bias)
    expected = np.tanh(hidden @ second + second_bias)
    np.testing.assert_allclose(network(x), expected, rtol=1e-5, atol=1e-6)
    # Without a hidden layer there is nothing to learn: the features are the data.
    np.testing.assert_array_equal(dense_encoder((2, 3), ())(x), x.reshape(7, 6))


def test_a_dense_decoder_ends_in_an_affine_map():
    network, z = dense_decoder(2, 6, (5,), activation="relu", seed=0), numbers(7, 2)
    kernel, bias, last, last_bias = (w.numpy() for w in network.weights)
    expected = np.maximum(z @ kernel + bias, 0) @ last + last_bias
    np.testing.assert_allclose(network(z), expected, rtol=1e-5, atol=1e-6)
    assert len(dense_decoder(2, 6, ()).weights) == 2


def convolved(image, kernel):
    """3 x 3 cross-correlation with stride 2 of one map; padding after the last row and column."""
    padded = np.pad(image, ((0, 1), (0, 1)))
    return signal.correlate2d(padded, kernel, mode="valid")[::2, ::2]


def test_a_convolutional_encoder_halves_each_side_for_each_filter():
    network = convolutional_encoder((4, 8, 2), (3,), 5, seed=0)
    x = numbers(2, 4, 8, 2)
    kernel, bias, dense, dense_bias = (w.numpy() for w in network.weights)
    maps = np.zeros((2, 2, 4, 3))
    for row, out in np.ndindex(2, 3):
        channels = range(2)
        maps[row, ..., out] = bias[out] + sum(
            convolved(x[row, ..., c], kernel[..., c, out]) for c in channels
        )
    hidden = np.maximum(maps, 0).reshape(2, -1)
    expected = np.maximum(hidden @ dense + dense_bias, 0)
    np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-5)


def test_a_convolutional_decoder_is_the_transpose_of_a_convolution():
    # <decoder's last layer (a), b> = <a, convolution(b)>, the definition of a transpose.
    network = convolutional_decoder(2, (4, 8, 2), 3, (5,), 4, seed=0)
    last = next(n for n in network.layers if isinstance(n, keras.layers.Conv2DTranspose))
    assert last.activation is keras.activations.linear  # outputs have both signs
    small, large = numbers(1, 2, 4, 5), numbers(1, 4, 8, 6)
    kernel = last.kernel.numpy()  # (3, 3, outputs, inputs)
    back = np.zeros((1, 2, 4, 5))
    for i, o in np.ndindex(5, 6):
        back[0, ..., i] += convolved(large[0, ..., o], kernel[..., o, i])
    np.testing.assert_allclose(np.sum(last(small) * large), np.sum(small * back), rtol=1e-4)
    # The outputs of one value of the image are neighbours.
    z = numbers(2, 2)
    before = keras.Sequential(network.layers[:-1])(z).numpy()
    assert before.shape == (2, 4, 8, 6)  # the last reshaping turns no sides round
    np.testing.assert_array_equal(network(z), before.reshape(2, 4, 8, 2, 3))


@pytest.mark.parametrize("image_shape", [(8, 12), (12, 8, 1), (8, 4, 3)])
@pytest.mark.parametrize("filters", [(2,), (3, 2)])
def test_a_convolutional_pair_comes_back_to_the_shape_of_the_image(image_shape, filters):
    encoder = convolutional_encoder(image_shape, filters, 7)
    decoder = convolutional_decoder(7, image_shape, 2, filters[::-1])
    x = numbers(3, *image_shape)
    assert encoder(x).shape == (3, 7)
    assert decoder(encoder(x)).shape == (3, *image_shape, 2)
    assert encoder.input_shape == (None, *image_shape)
    assert decoder.output_shape == (None, *image_shape, 2)


@every_network
def test_seeds_give_repeatable_weights_that_differ_from_layer_to_layer(make):
    one, same, other = (kernels_of(make(seed=seed)) for seed in (1, 1, 2))
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.all(a != c)
    pairs = [(a, b) for a, b in itertools.combinations(one, 2) if a.shape == b.shape]
    assert pairs  # the sizes are chosen so
    assert all(np.all(a != b) for a, b in pairs)
    free = [kernels_of(make()) for _ in range(2)]
    assert all(np.all(a != b) for a, b in zip(*free, strict=True))


@every_network
def test_layers_compute_in_the_policy_they_are_given(make):
    network = make(dtype="mixed_bfloat16", seed=0)
    assert network(numbers(2, *network.input_shape[1:])).dtype == "bfloat16"
    assert all(w.dtype == "float32" for w in network.weights)
    assert {layer.dtype_policy.name for layer in network.layers} == {"mixed_bfloat16"}


@every_network
def test_a_network_comes_back_from_its_configuration(make):
    network = make(seed=3, activation="elu")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    x = numbers(2, *network.input_shape[1:])
    np.testing.assert_array_equal(again(x), network(x))


SIDES = r"image_shape to be \(height, width\) or \(height, width, channels\) with sides divisible"
BAD = {
    "event size": (lambda: dense_encoder(4), "event_shape to be a tuple.*event_shape=4"),
    "event of nothing": (lambda: dense_encoder((0,)), "every entry of event_shape.*=0"),
    "unknown event": (lambda: dense_encoder((None,)), "every entry of event_shape.*=None"),
    "hidden number": (lambda: dense_encoder((4,), 3), "hidden_units to be a tuple.*=3"),
    "hidden text": (lambda: dense_encoder((4,), "ab"), "every entry of hidden_units.*='a'"),
    "no units": (lambda: dense_encoder((4,), (0,)), "every entry of hidden_units.*=0"),
    "half a unit": (lambda: dense_decoder(2, 4, (2.5,)), "every entry of hidden_units.*=2.5"),
    "activation": (lambda: dense_encoder((4,), activation="tan"), "activation.*'tan'"),
    "linear activation": (lambda: dense_decoder(2, 4, activation=None), "activation.*None"),
    "seed": (lambda: dense_encoder((4,), seed=0.5), "seed to be a whole number.*seed=0.5"),
    "negative seed": (lambda: dense_decoder(2, 4, seed=-1), "seed to be a whole number.*seed=-1"),
    "text seed": (lambda: convolutional_encoder((8, 8), seed="1"), "seed.*seed='1'"),
    "no latents": (lambda: dense_decoder(0, 4), "latent_dim.*>= 1. Received: latent_dim=0"),
    "half a latent": (lambda: convolutional_decoder(2.5, (8, 8)), "latent_dim.*latent_dim=2.5"),
    "no outputs": (lambda: dense_decoder(2, 0), "num_outputs.*>= 1. Received: num_outputs=0"),
    "odd height": (lambda: convolutional_encoder((6, 8)), f"{SIDES} by 4.*image_shape=.6, 8."),
    "odd width": (lambda: convolutional_decoder(2, (8, 6)), f"{SIDES} by 4.*image_shape=.8, 6."),
    "eighths": (
        lambda: convolutional_decoder(2, (12, 12), filters=(2, 2, 2)),
        rf"{SIDES} by 8.*filters=\(2, 2, 2\)",
    ),
    "a row": (lambda: convolutional_encoder((8,)), rf"{SIDES}.*image_shape=\(8,\)"),
    "a film": (lambda: convolutional_encoder((8, 8, 3, 4)), f"{SIDES}.*image_shape=.8, 8, 3, 4."),
    "a side": (lambda: convolutional_encoder(8), "image_shape to be a tuple.*image_shape=8"),
    "no width": (lambda: convolutional_encoder((8, 0)), "every entry of image_shape.*=0"),
    "no channels": (lambda: convolutional_decoder(2, (8, 8, 0)), "every entry of image_shape.*=0"),
    "no filters": (lambda: convolutional_encoder((8, 8), ()), r".*at least one.*filters=\(\)"),
    "no decoding filters": (
        lambda: convolutional_decoder(2, (8, 8), filters=()),
        r".*at least one.*filters=\(\)",
    ),
    "filter number": (lambda: convolutional_encoder((8, 8), 3), "filters to be a tuple.*=3"),
    "empty filter": (lambda: convolutional_encoder((8, 8), (0,)), "every entry of filters.*=0"),
    "no features": (lambda: convolutional_encoder((8, 8), units=0), "units.*units=0"),
    "decoder of no units": (lambda: convolutional_decoder(2, (8, 8), units=0), "units.*units=0"),
    "no parameters": (lambda: convolutional_decoder(2, (8, 8), 0), "num_parameters.*=0"),
    "convolution's activation": (
        lambda: convolutional_encoder((8, 8), activation="tan"),
        "activation.*'tan'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=f"Expected {message}"):
        make()
