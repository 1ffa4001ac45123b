"""Discrete VAE: its bound by enumeration of all tokens, the relaxation, tokens, learning."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import log_softmax, logsumexp

from genkeras import DiscreteVAE
from genkeras.datasets import digits
from genkeras.latent import token_decoder, token_encoder
from genkeras.likelihoods import Normal

tfd = tfp.distributions
# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
SHAPE, NUM_TOKENS = (2, 4, 1), 3  # a grid of 1 x 2 tokens: nine codes
X = np.float32([[0, 1, 1, 0, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0, 1, 0]]).reshape(2, *SHAPE)
CODES = np.array(list(itertools.product(range(NUM_TOKENS), repeat=2)))  # (9, 2)


def made(**options):
    options = {"seed": 0, **options}
    encoder = token_encoder(SHAPE, NUM_TOKENS, (3,), seed=0)
    model = DiscreteVAE(encoder, token_decoder(SHAPE, NUM_TOKENS, 1, (3,), seed=1), **options)
    random = np.random.default_rng(2)
    for weight in model.trainable_variables:
        weight.assign(random.normal(scale=0.8, size=weight.shape))
    return model


def enumerated(model):
    """log q(z|x) and log p(x|z) of every code: `(2, 9)`, from the networks' outputs alone."""
    log_q = log_softmax(model.encoder(X).numpy().astype("float64"), axis=-1)[:, 0]  # (2, 2, 3)
    log_q = log_q[:, 0, CODES[:, 0]] + log_q[:, 1, CODES[:, 1]]
    outputs = model.decoder(np.eye(NUM_TOKENS, dtype="float32")[CODES][:, np.newaxis])
    outputs = np.reshape(outputs, (9, 8)).astype("float64")
    signs = 2 * X.reshape(2, 1, 8) - 1
    return log_q, -np.log1p(np.exp(-signs * outputs)).sum(axis=-1)


def test_the_bound_is_the_sum_over_all_codes():
    model = made()
    log_q, log_likelihood = enumerated(model)
    terms = log_likelihood - log_q - 2 * np.log(NUM_TOKENS)
    expected = (np.exp(log_q) * terms).sum(axis=1)
    mean = (np.exp(log_q) * log_likelihood).sum(axis=1, keepdims=True)
    variance = (np.exp(log_q) * (log_likelihood - mean) ** 2).sum(axis=1)
    draws = 4000
    found = model.elbo(X, num_samples=draws, seed=3).numpy()
    assert np.all(np.abs(found - expected) <= Z * np.sqrt(variance / draws))
    assert np.all(variance > 0.1)  # the codes matter


def test_importance_weighting_tends_to_the_evidence():
    model = made()
    log_q, log_likelihood = enumerated(model)
    evidence = logsumexp(log_likelihood, axis=1) - 2 * np.log(NUM_TOKENS)
    # The weights p(x, z) / q(z|x): their relative variance gives the error of the estimate.
    log_weights = log_likelihood - 2 * np.log(NUM_TOKENS) - log_q
    relative = np.exp(logsumexp(log_q + 2 * (log_weights - evidence[:, None]), axis=1)) - 1
    draws = 20_000
    found = model.estimate_log_prob(X, draws, seed=3).numpy()
    assert np.all(np.abs(found - evidence) <= Z * np.sqrt(relative / draws) + relative / draws)


@pytest.mark.parametrize("training", [False, True])
def test_the_kl_is_to_the_uniform_prior(training):
    model = made()
    kl = model(tf.constant(X), training=training)[:, 1].numpy()
    log_q, _ = enumerated(model)
    expected = (np.exp(log_q) * (log_q + 2 * np.log(NUM_TOKENS))).sum(axis=1)
    np.testing.assert_allclose(kl, expected, rtol=1e-5)


def relaxed_inputs(model, monkeypatch, training=True):
    """What the decoder gets in one call."""
    seen = []
    decode = DiscreteVAE.decode
    monkeypatch.setattr(
        DiscreteVAE, "decode", lambda self, z, *c: seen.append(z) or decode(self, z, *c)
    )
    model(tf.constant(np.repeat(X, 500, axis=0)), training=training)
    return seen[0].numpy()


def test_training_decodes_mixtures_and_evaluation_tokens(monkeypatch):
    mixed = relaxed_inputs(made(temperatures=(1.0, 1.0)), monkeypatch)
    np.testing.assert_allclose(mixed.sum(axis=-1), 1, rtol=1e-5)
    assert np.mean(mixed.max(axis=-1) > 0.999) < 0.3
    monkeypatch.undo()
    whole = relaxed_inputs(made(), monkeypatch, training=False)
    assert set(np.unique(whole)) == {0.0, 1.0}


def test_the_largest_entry_of_a_mixture_is_a_draw_of_the_posterior(monkeypatch):
    model = made(temperatures=(1.0, 0.5))
    chosen = relaxed_inputs(model, monkeypatch).argmax(axis=-1).reshape(2, 500, 2)
    log_q, _ = enumerated(model)
    for row in range(2):
        counts = np.bincount(chosen[row] @ [3, 1], minlength=9)
        expected = 500 * np.exp(log_q[row])
        # Of nine shares, each within 5 of its standard deviations: by chance once in 190,000.
        assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected + 1))


def test_a_low_temperature_makes_tokens(monkeypatch):
    sharp = relaxed_inputs(made(temperatures=(1.0, 0.01)), monkeypatch)
    assert np.mean(sharp.max(axis=-1) > 0.99) > 0.9


def test_the_temperature_falls_by_the_same_factor_at_every_step():
    model = made(temperatures=(2.0, 0.125), annealing_steps=4)
    assert model._temperature() == 0.125  # not in training
    model.compile(keras.optimizers.SGD(0.0))
    found = []
    for step in range(6):
        model.optimizer.iterations.assign(step)
        found.append(float(model._temperature()))
    np.testing.assert_allclose(found, [2, 1, 0.5, 0.25, 0.125, 0.125], rtol=1e-6)


def test_the_gradient_of_the_relaxation_points_to_the_better_token():
    """The gradient that the encoder gets agrees in direction with that of the exact bound."""
    model = made(temperatures=(1.0, 0.5))
    x = np.repeat(X[:1], 4000, axis=0)
    with tf.GradientTape() as tape:
        terms = model(tf.constant(x), training=True)
        loss = tf.reduce_mean(terms[:, 1] - terms[:, 0])
    found = tape.gradient(loss, model.encoder.trainable_variables)
    with tf.GradientTape() as tape:
        log_q = tf.nn.log_softmax(model.encoder(X[:1]))[0, 0]  # (2, 3)
        log_q = tf.gather(log_q[0], CODES[:, 0]) + tf.gather(log_q[1], CODES[:, 1])
        bound = enumerated(model)[1][0].astype("float32") - log_q
        exact = -tf.reduce_sum(tf.exp(log_q) * bound)
    expected = tape.gradient(exact, model.encoder.trainable_variables)
    one, other = (np.concatenate([np.ravel(g) for g in part]) for part in (found, expected))
    assert one @ other / (np.linalg.norm(one) * np.linalg.norm(other)) > 0.7


def test_two_replicas_draw_different_noise(two_replicas):
    with two_replicas.scope():
        model = made()
    run = tf.function(lambda: model(tf.constant(X), training=True))
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.all(first.numpy()[:, 0] != second.numpy()[:, 0])


def test_tokens_are_the_most_probable_and_decode_to_the_mean():
    model = made()
    tokens = model.tokens(X).numpy()
    log_q, _ = enumerated(model)
    np.testing.assert_array_equal(tokens.reshape(2, 2), CODES[log_q.argmax(axis=1)])
    one_hot = np.eye(NUM_TOKENS, dtype="float32")[tokens]
    expected = 1 / (1 + np.exp(-model.decoder(one_hot).numpy().reshape(X.shape)))
    np.testing.assert_allclose(model.decode_tokens(tokens), expected, rtol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            lambda m: m.decode_tokens(np.full((1, 1, 2), 3)),
            "tokens to hold whole .* 0 to 2",
        ),
        (lambda m: m.decode_tokens(np.full((1, 1, 2), 0.5)), "tokens to hold whole numbers"),
        (lambda m: m.decode_tokens(np.zeros((1, 2, 2))), r"tokens of shape \(batch, 1, 2\)"),
        (lambda m: m.tokens(X[:, :1]), "x of shape"),
        (lambda m: m.decode(np.zeros((1, 1, 2, 2))), r"z of shape \(batch, 1, 2, 3\)"),
        (lambda m: m.encode(X, [0, 1]), "no condition"),
        (lambda m: m.reconstruct(X, [0, 1]), "no condition"),
        (lambda _: made(temperatures=1.0), "temperatures to be two numbers"),
        (lambda _: made(temperatures=(1.0, 0.0)), "every entry of temperatures > 0"),
        (lambda _: made(temperatures=("a", "b")), "every entry of temperatures > 0"),
        (lambda _: made(annealing_steps=-1), "annealing_steps to be a whole number"),
        (lambda _: made(num_labels=3), "no num_labels: its tokens are uniform"),
        (lambda _: made(likelihood=Normal()), "a decoder from"),
        (lambda _: token_encoder(32, 3), "image_shape to be a tuple of whole numbers"),
        (lambda _: token_encoder((8, 8, 1), 3, 64), "filters to be a tuple of whole numbers"),
        (lambda _: token_encoder((6, 4, 1), 3, (2, 2)), "image_shape .* sides divisible by 4"),
        (lambda _: token_encoder((8, 8), 3), r"image_shape to be \(height, width, channels\)"),
        (lambda _: token_encoder((8, 8, 1), 1), "num_tokens to be a whole number >= 2"),
        (
            lambda _: token_decoder((8, 8, 1), 4, activation="sharp"),
            "activation to be the name of a Keras",
        ),
        (
            lambda _: DiscreteVAE(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), 0),
            r"an encoder to logits \(batch, rows, columns, num_tokens\)",
        ),
    ],
)
def test_bad_input(action, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        action(made())


def test_it_learns_to_say_digits_in_few_tokens():
    """Four tokens of sixteen hold at most 4 log 16 = 11 nats; a mean image holds none."""
    data = digits()
    train, test = (
        (part.x > 8).astype("float32").reshape(-1, 8, 8, 1) for part in (data.train, data.test)
    )
    model = DiscreteVAE(
        token_encoder((8, 8, 1), 16, (32, 64), seed=0),
        token_decoder((8, 8, 1), 16, 1, (64, 32), seed=0),
        temperatures=(1.0, 0.3),
        annealing_steps=300,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(train, epochs=20, batch_size=64, verbose=0)
    share = np.clip(train.mean(axis=0), 0.01, 0.99)
    baseline = -np.mean(np.sum(test * np.log(share) + (1 - test) * np.log(1 - share), (1, 2, 3)))
    assert -model.elbo(test, num_samples=20, seed=0).numpy().mean() < baseline - 2
    assert len(np.unique(model.tokens(test))) >= 8
