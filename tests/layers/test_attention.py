"""Attention against Keras, sums written out, and gradients: what looks at what."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras.layers.attention import (
    LearnedPositions,
    MultiHeadAttention,
    causal_mask,
    concatenated_positions,
    padding_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
)
from genkeras.layers.transformer_block import DecoderBlock, EncoderBlock, FeedForward

BATCH, QUERIES, KEYS, DIM, HEADS = 2, 3, 5, 8, 4
RANDOM = np.random.default_rng(0)
QUERY = RANDOM.normal(size=(BATCH, QUERIES, DIM)).astype("float32")
MEMORY = RANDOM.normal(size=(BATCH, KEYS, DIM)).astype("float32")
PRESENT = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def test_the_formula_written_as_sums():
    q, k = RANDOM.normal(size=(2, 3, 4)), RANDOM.normal(size=(2, 5, 4))
    v = RANDOM.normal(size=(2, 5, 6))
    mask = RANDOM.random((2, 3, 5)) < 0.6
    mask[0, 0] = [False, False, True, False, False]
    found, weights = scaled_dot_product_attention(*map(tf.constant, (q, k, v)), mask)
    for batch in range(2):
        for i in range(3):
            allowed = np.flatnonzero(mask[batch, i])
            scores = [sum(q[batch, i] * k[batch, j]) / math.sqrt(4) for j in allowed]
            expected = softmax(np.array(scores))
            np.testing.assert_allclose(weights[batch, i].numpy()[allowed], expected, rtol=1e-10)
            mean = sum(w * v[batch, j] for w, j in zip(expected, allowed, strict=True))
            np.testing.assert_allclose(found[batch, i], mean, rtol=1e-10)
    assert not weights.numpy()[~mask].any()


def test_a_query_that_may_look_nowhere_finds_nothing():
    q = tf.Variable(RANDOM.normal(size=(1, 2, 4)))
    k = v = tf.constant(RANDOM.normal(size=(1, 3, 4)))
    with tf.GradientTape() as tape:
        found, _ = scaled_dot_product_attention(q, k, v, [[False] * 3, [True] * 3])
        total = tf.reduce_sum(found)
    assert not found[0, 0].numpy().any()
    assert np.isfinite(tape.gradient(total, q)).all()


def with_weights(layer, seed=1):
    random = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(random.normal(scale=0.5, size=weight.shape))
    return layer


def built_attention():
    layer = MultiHeadAttention(HEADS, seed=0)
    layer.build((None, None, DIM))
    return with_weights(layer)


@pytest.mark.parametrize("masked", [False, True])
def test_many_heads_are_those_of_keras(masked):
    layer = built_attention()
    theirs = keras.layers.MultiHeadAttention(HEADS, DIM // HEADS)
    theirs.build(QUERY.shape, MEMORY.shape)
    split = (DIM, HEADS, DIM // HEADS)
    for name in ("query", "key", "value"):
        kernel, bias = getattr(layer, f"{name}_dense").weights
        getattr(theirs, f"_{name}_dense").set_weights(
            [np.reshape(kernel, split), np.reshape(bias, split[1:])]
        )
    kernel, bias = layer.output_dense.weights
    theirs._output_dense.set_weights([np.reshape(kernel, (*split[1:], DIM)), np.array(bias)])
    mask = padding_mask(tf.constant(PRESENT)) if masked else None
    found = layer(QUERY, MEMORY, mask)
    expected, scores = theirs(
        QUERY,
        MEMORY,
        attention_mask=np.repeat(PRESENT[:, None], QUERIES, 1) if masked else None,
        return_attention_scores=True,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        layer.attention_weights(QUERY, MEMORY, mask), scores, rtol=1e-5, atol=1e-6
    )


def test_heads_side_by_side_are_a_sum_of_attentions_of_their_own():
    # concat(heads) W_O = sum_h head_h W_O^h, the form of the lecture notes.
    layer = built_attention()
    dense = {
        name: [np.array(w, "float64") for w in getattr(layer, f"{name}_dense").weights]
        for name in ("query", "key", "value", "output")
    }
    size, total = DIM // HEADS, dense["output"][1]
    for head in range(HEADS):
        columns = slice(head * size, (head + 1) * size)
        q, k, v = (
            x @ dense[name][0][:, columns] + dense[name][1][columns]
            for name, x in (("query", QUERY), ("key", MEMORY), ("value", MEMORY))
        )
        weights = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(size))
        total = total + weights @ v @ dense["output"][0][columns]
    np.testing.assert_allclose(layer(QUERY, MEMORY), total, rtol=1e-4, atol=1e-5)


def test_half_precision_holds_scores_that_are_large_before_they_are_divided():
    vectors = tf.fill((1, 3, 64), tf.constant(32, tf.float16))  # 32 * 32 * 64 = 65,536 > 65,504
    found, weights = scaled_dot_product_attention(vectors, vectors, vectors)
    np.testing.assert_allclose(weights, np.full((1, 3, 3), 1 / 3), rtol=1e-3)
    np.testing.assert_allclose(found, vectors, rtol=1e-3)


def test_dropout_of_weights_is_unbiased_and_only_in_training():
    layer = MultiHeadAttention(HEADS, dropout=0.5, seed=0)
    layer.build((None, None, DIM))
    with_weights(layer)
    plain = layer(QUERY, MEMORY).numpy()
    np.testing.assert_array_equal(layer(QUERY, MEMORY), plain)
    drawn = np.stack([layer(QUERY, MEMORY, training=True) for _ in range(500)])
    error = drawn.std(axis=0) / math.sqrt(500)
    assert np.all(error > 0)
    assert np.all(np.abs(drawn.mean(axis=0) - plain) < 5 * error)


def test_the_two_layouts_of_waves_are_a_permutation_of_each_other():
    length, dim = 20, 8
    turns, halves = sinusoidal_positions(length, dim), concatenated_positions(length, dim)
    order = np.concatenate([np.arange(0, dim, 2), np.arange(1, dim, 2)])
    np.testing.assert_array_equal(turns[:, order], halves)
    for t, i in ((0, 0), (7, 2), (19, 3)):
        angle = t / 10000 ** (2 * i / dim)
        assert turns[t, 2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
        assert turns[t, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_shift_of_waves_is_a_rotation_whatever_the_place():
    waves, shift = sinusoidal_positions(50, 6).astype("float64"), 3
    rotation, *_ = np.linalg.lstsq(waves[:20], waves[shift : 20 + shift], rcond=None)
    np.testing.assert_allclose(waves[20:40] @ rotation, waves[23:43], atol=1e-4)


def test_learned_positions_are_added_place_by_place():
    layer = LearnedPositions(6, seed=0)
    x = tf.constant(QUERY)
    added = (layer(x) - x).numpy()
    np.testing.assert_allclose(added[0], layer.table[:QUERIES], atol=1e-6)
    np.testing.assert_allclose(added[0], added[1], atol=1e-6)
    with pytest.raises(ValueError, match=f"Expected at most 1 positions. Received: {QUERIES}"):
        LearnedPositions(1)(x)


def influence(function, x):
    """Whether output place i depends on input place j: `(outputs, inputs)` bool."""
    x = tf.Variable(x[:1])
    with tf.GradientTape(persistent=True) as tape:
        y = function(x)
        parts = [tf.reduce_sum(y[:, i] ** 2) for i in range(y.shape[1])]
    return np.array([np.abs(tape.gradient(part, x).numpy()).max(axis=(0, 2)) > 0 for part in parts])


def block(kind, **options):
    layer = kind(HEADS, 6, seed=0, **options)
    layer.build((None, None, DIM))
    return with_weights(layer)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_an_encoder_block_looks_everywhere_but_at_padding(pre_norm):
    layer = block(EncoderBlock, pre_norm=pre_norm)
    mask = padding_mask(tf.constant(PRESENT[:1]))
    found = influence(lambda x: layer(x, mask), MEMORY)
    expected = np.repeat(PRESENT[:1], KEYS, axis=0) | np.eye(KEYS, dtype=bool)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_a_decoder_block_looks_back_and_at_the_memory(pre_norm):
    layer = block(DecoderBlock, pre_norm=pre_norm)
    mask, memory_mask = causal_mask(KEYS), padding_mask(tf.constant(PRESENT[:1]))
    memory = RANDOM.normal(size=(1, KEYS, DIM)).astype("float32")
    back = influence(lambda x: layer(x, memory, mask, memory_mask), MEMORY)
    np.testing.assert_array_equal(back, np.tri(KEYS, dtype=bool))
    x = tf.constant(MEMORY[:1])
    across = influence(lambda m: layer(x, m, mask, memory_mask), memory)
    np.testing.assert_array_equal(across, np.repeat(PRESENT[:1], KEYS, axis=0))


def layer_norm(x, scale, shift):
    x = x - x.mean(axis=-1, keepdims=True)
    return scale * x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5) + shift


@pytest.mark.parametrize("pre_norm", [False, True])
def test_sublayers_have_a_way_around_them(pre_norm):
    layer = block(EncoderBlock, pre_norm=pre_norm)
    norms = [
        tuple(np.array(w, "float64") for w in getattr(layer, f"{name}_norm").weights)
        for name in layer.sublayers
    ]

    def attend(x):
        return np.array(layer.self_attention(x, x), "float64")

    def feed(x):
        weights = [np.array(w, "float64") for w in layer.feed_forward.weights]
        return np.maximum(x @ weights[0] + weights[1], 0) @ weights[2] + weights[3]

    x = MEMORY.astype("float64")
    for sublayer, norm in zip((attend, feed), norms, strict=True):
        x = x + sublayer(layer_norm(x, *norm)) if pre_norm else layer_norm(x + sublayer(x), *norm)
    np.testing.assert_allclose(layer(MEMORY), x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_steps_with_a_cache_are_the_whole_at_once(pre_norm):
    layer = block(DecoderBlock, pre_norm=pre_norm)
    memory = tf.constant(RANDOM.normal(size=(BATCH, 4, DIM)).astype("float32"))
    whole = layer(MEMORY, memory, causal_mask(KEYS)).numpy()
    cache = tuple(tf.fill((BATCH, HEADS, KEYS, DIM // HEADS), 7.0) for _ in range(2))
    pair = layer.memory_attention.keys_and_values(memory)
    for place in range(KEYS):
        found, cache = layer.step(MEMORY[:, place : place + 1], cache, tf.constant(place), pair)
        np.testing.assert_allclose(found[:, 0], whole[:, place], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [EncoderBlock, DecoderBlock])
def test_dropout_of_a_block_is_in_training_only(kind):
    layer, plain = block(kind, dropout=0.5), block(kind)
    inputs = (tf.constant(MEMORY),) * (2 if kind is DecoderBlock else 1)
    np.testing.assert_array_equal(layer(*inputs), plain(*inputs))
    assert np.any(layer(*inputs, training=True) != layer(*inputs, training=True))


@pytest.mark.parametrize("pre_norm", [False, True])
def test_weights_for_pictures_are_those_of_the_block(pre_norm, monkeypatch):
    decoder = block(DecoderBlock, pre_norm=pre_norm)
    memory, mask = tf.constant(MEMORY), padding_mask(tf.constant(PRESENT))
    weights = decoder.memory_weights(QUERY, memory, causal_mask(QUERIES), mask).numpy()
    assert not weights[0, :, :, 3:].any()
    asked = []  # what the block itself asks its second attention for
    attend = decoder.memory_attention.attend
    monkeypatch.setattr(
        decoder.memory_attention, "attend", lambda x, *a: (asked.append(x), attend(x, *a))[1]
    )
    decoder(QUERY, memory, causal_mask(QUERIES), mask)
    expected = decoder.memory_attention.attention_weights(asked[0], memory, mask)
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-7)
    encoder = block(EncoderBlock, pre_norm=True)
    normed = encoder.self_attention_norm(MEMORY)
    expected = encoder.self_attention.attention_weights(normed, normed)
    np.testing.assert_allclose(encoder.attention_weights(tf.constant(MEMORY)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        MultiHeadAttention(2, 0.1, seed=3),
        LearnedPositions(9, seed=3),
        FeedForward(5, "gelu", seed=3),
        EncoderBlock(2, 5, 0.1, pre_norm=True, seed=3),
        DecoderBlock(2, 5, 0.1, activation="gelu", seed=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_configuration_rebuilds_the_layer(layer):
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    for one in (layer, again):
        one.build((None, None, DIM))
    for one, other in zip(layer.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_two_matrices_of_a_block_start_the_same():
    layer = DecoderBlock(2, DIM, seed=0)
    layer.build((None, None, DIM))
    kernels = [np.array(w) for w in layer.weights if len(w.shape) == 2]
    assert len(kernels) == 10
    for i, one in enumerate(kernels):
        assert not any(np.array_equal(one, other) for other in kernels[:i])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiHeadAttention(0), "num_heads"),
        (lambda: MultiHeadAttention(3).build((None, None, 8)), "model_dim to be a multiple of 3"),
        (lambda: MultiHeadAttention(2, dropout=1.0), "dropout"),
        (lambda: sinusoidal_positions(4, 3), "dim to be a multiple of 2"),
        (lambda: sinusoidal_positions(0, 4), "length"),
        (lambda: FeedForward(4, "rilu"), "activation to be the name"),
        (lambda: EncoderBlock(2, 4, pre_norm="yes"), "pre_norm to be True or False"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        make()


def test_a_block_takes_its_mask_as_any_argument():
    x = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")
    block = EncoderBlock(2, 6, seed=0)
    block.build(x.shape)
    open_to_all = block(x, None)
    mask = causal_mask(4)
    np.testing.assert_array_equal(block(x, mask), block(x, attention_mask=mask))
    assert np.abs(block(x, mask) - open_to_all).max() > 1e-3
