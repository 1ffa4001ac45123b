"""GAN: losses against Keras' cross-entropy, the optimum against the closed form, the options."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from genkeras import GAN, Uniform
from genkeras.adversarial import Minimax, NonSaturating, dense_discriminator, dense_generator
from genkeras.datasets import digits
from genkeras.evaluation.parzen import parzen_log_likelihood
from genkeras.layers.dropout import Dropout

# |estimate - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
LOGITS = np.random.default_rng(0).normal(scale=3.0, size=(2, 50)).astype("float32")


def cross_entropy(targets, logits):
    losses = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    shape = (len(logits), 1)
    return losses(np.full(shape, targets, "float32"), logits.reshape(shape)).numpy()


@pytest.mark.parametrize("objective", [Minimax, NonSaturating])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_discriminator_pays_the_cross_entropy_of_its_verdicts(objective, smoothing):
    real, fake = LOGITS
    loss = objective(smoothing).discriminator_loss
    plain = cross_entropy(1.0, real) + cross_entropy(0.0, fake)
    smooth = cross_entropy(1.0 - smoothing, real) + cross_entropy(0.0, fake)
    np.testing.assert_allclose(loss(real, fake, training=True), smooth, rtol=1e-5)
    np.testing.assert_allclose(loss(real, fake, training=False), plain, rtol=1e-5)


def test_what_the_generator_pays():
    fake = LOGITS[1]
    np.testing.assert_allclose(
        NonSaturating().generator_loss(fake), cross_entropy(1.0, fake), rtol=1e-5
    )
    np.testing.assert_allclose(Minimax().generator_loss(fake), -cross_entropy(0.0, fake), rtol=1e-5)


def test_the_generators_slopes_vanish_in_one_game_and_not_in_the_other():
    fake = tf.constant([-10.0])  # the discriminator is sure
    slopes = {}
    for objective in (Minimax(), NonSaturating()):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            loss = objective.generator_loss(fake)
        slopes[type(objective)] = tape.gradient(loss, fake).numpy()[0]
    # d/dl log(1 - D) = -D and d/dl (-log D) = -(1 - D), at the logit l.
    verdict = 1 / (1 + np.exp(10.0))
    assert slopes[Minimax] == pytest.approx(-verdict, rel=1e-4)
    assert slopes[NonSaturating] == pytest.approx(verdict - 1, rel=1e-4)


class Shift(keras.layers.Layer):
    """x = z + 1, so that p_g is N(1, 1) for standard normal noise."""

    def call(self, inputs):
        return inputs + 1.0


def against_a_known_generator():
    """A GAN whose p_g is N(1, 1), and whose discriminator can be the optimal one."""
    z, x = keras.Input((1,)), keras.Input((1,))
    generator = keras.Model(z, keras.layers.Dense(1, kernel_initializer="ones")(Shift()(z)))
    generator.trainable = False
    logit = keras.layers.Dense(1, kernel_initializer="zeros")(x)
    return GAN(generator, keras.Model(x, logit), seed=0)


def test_the_discriminator_finds_p_data_over_the_sum():
    # p_data = N(0, 1): log p_data(x) / p_g(x) = (x - 1)^2 / 2 - x^2 / 2 = 1/2 - x.
    model = against_a_known_generator()
    rows = 200_000
    x = np.random.default_rng(1).normal(size=(rows, 1)).astype("float32")
    model.compile(
        generator=keras.optimizers.SGD(0.0),
        discriminator=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(0.05, 400), beta_2=0.99
        ),
    )
    model.fit(x, batch_size=1000, epochs=2, verbose=0)
    kernel, bias = (float(np.squeeze(w)) for w in model.discriminator.get_weights())
    # The last steps average some 1e5 draws of each kind; the optimum's curvature is about 0.2.
    assert kernel == pytest.approx(-1.0, abs=0.05)
    assert bias == pytest.approx(0.5, abs=0.05)

    # V(D*, G) = 2 JSD - log 4, the integral by quadrature.
    data, made = stats.norm(0, 1).pdf, stats.norm(1, 1).pdf

    def jensen_shannon(t):
        middle = (data(t) + made(t)) / 2
        return 0.5 * (data(t) * np.log(data(t) / middle) + made(t) * np.log(made(t) / middle))

    divergence = integrate.quad(jensen_shannon, -8, 9)[0]
    logs = model.evaluate(x, batch_size=10_000, verbose=0, return_dict=True)
    # log D and log(1 - D) have standard deviations below 0.6 here.
    assert logs["value"] == pytest.approx(
        2 * divergence - np.log(4), abs=Z * 0.6 * np.sqrt(2 / rows) + 1e-3
    )
    assert logs["discriminator_loss"] == pytest.approx(-logs["value"], rel=1e-6)
    expected = integrate.quad(lambda t: data(t) ** 2 / (data(t) + made(t)), -8, 9)[0]
    assert logs["real_score"] == pytest.approx(expected, abs=0.01)
    # By symmetry about 1/2, E_g[D] = 1 - E_data[D].
    assert logs["fake_score"] == pytest.approx(1 - expected, abs=0.01)


def dense(event=(2,), num_labels=None, **discriminator):
    return (
        dense_generator(3, event, (8,), num_labels=num_labels, seed=0),
        dense_discriminator(event, (8,), num_labels=num_labels, seed=0, **discriminator),
    )


def test_samples_are_the_generator_of_the_priors_noise():
    model = GAN(*dense(), prior=Uniform(3), seed=0)
    x = model.sample(2500, seed=3)  # more than one block
    assert x.shape == (2500, 2)
    np.testing.assert_array_equal(x, model.sample(2500, seed=3))
    assert np.any(x != model.sample(2500, seed=4))
    z = np.random.default_rng(0).uniform(-1, 1, (20_000, 3)).astype("float32")
    other = model.generate(z).numpy()
    spread = np.sqrt(x.numpy().var(axis=0) / 2500 + other.var(axis=0) / 20_000)
    assert np.all(np.abs(x.numpy().mean(axis=0) - other.mean(axis=0)) < Z * spread)
    one, other = GAN(*dense(), seed=7), GAN(*dense(), seed=7)
    np.testing.assert_array_equal(one.sample(4), other.sample(4))
    assert np.any(one.sample(4) != one.sample(4).numpy())


def test_uniform_noise_is_that_of_tfp():
    z = Uniform(3).distribution().sample(10_000, seed=(0, 1)).numpy()
    assert stats.kstest(z.ravel(), stats.uniform(-1, 2).cdf).pvalue > 7e-6
    np.testing.assert_allclose(Uniform(3).distribution().log_prob(z[:2]), 3 * np.log(0.5))


def test_labels_reach_both_networks():
    model = GAN(*dense(num_labels=3), num_labels=3, seed=0)
    one, other = (model.sample(4, condition=label, seed=1).numpy() for label in (0, 2))
    assert np.all(np.any(one != other, axis=1))
    mixed = model.sample(4, condition=[0, 2, 0, 2], seed=1).numpy()
    np.testing.assert_allclose(mixed[[0, 2]], one[[0, 2]], rtol=1e-5)
    np.testing.assert_allclose(mixed[[1, 3]], other[[1, 3]], rtol=1e-5)
    x = np.ones((2, 2))
    assert np.all(model.discriminate(x, [0, 0]) != model.discriminate(x, [2, 2]))


def test_a_pack_is_judged_by_its_members_and_no_others():
    model = GAN(*dense(num_packed=3), seed=0)
    x = tf.Variable(np.random.default_rng(0).normal(size=(7, 2)).astype("float32"))
    with tf.GradientTape() as tape:
        logits = model.discriminate(x)
    slopes = tape.jacobian(logits, x).numpy()
    assert logits.shape == (2,)
    reached = np.any(slopes != 0, axis=2)  # (packs, rows)
    np.testing.assert_array_equal(reached, [[1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0]])


class Watching(GAN):
    """Keeps what the discriminator looks at: in a step a sample, data, and G's sample."""

    def _logits(self, x, labels, training=False):
        self.seen.append(np.array(x))
        return super()._logits(x, labels, training)


@pytest.mark.parametrize("reshaped", [False, True])
def test_a_discriminator_of_probabilities_is_refused(reshaped):
    layers = [keras.Input((2,)), keras.layers.Dense(1, "sigmoid")]
    layers += [keras.layers.Reshape((1,))] if reshaped else []
    with pytest.raises(ValueError, match="raw outputs, logits. Received: .*'sigmoid'"):
        GAN(dense_generator(3, (2,), (4,), seed=0), keras.Sequential(layers))


def test_regularisers_pull_at_the_weights_of_their_player_in_training_only():
    def gradients(strength, training):
        model = GAN(*dense(), seed=0)
        kernel = model.discriminator.layers[-1].kernel
        kernel.regularizer = keras.regularizers.L2(strength)
        variables = model.player_variables("discriminator")
        x = tf.constant(np.random.default_rng(0).normal(size=(8, 2)), tf.float32)
        found = model._turn("discriminator", x, None, variables, training)
        pulls = [2 * strength * kernel.numpy() if v is kernel else 0.0 for v in variables]
        return [np.array(gradient) for gradient in found], pulls

    plain, _ = gradients(0.0, True)
    pulled, pulls = gradients(0.5, True)
    judged, _ = gradients(0.5, False)
    assert np.any(pulls[-2])
    for with_pull, without, of_test, pull in zip(pulled, plain, judged, pulls, strict=True):
        np.testing.assert_allclose(with_pull, without + pull, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(of_test, without, rtol=1e-5, atol=1e-6)


def test_a_tape_follows_noise_through_the_generator():
    model, z = GAN(*dense(), seed=0), tf.random.stateless_normal((4, 3), (0, 1))
    with tf.GradientTape() as tape:
        tape.watch(z)
        total = tf.reduce_sum(model.generate(z))
    assert np.any(tape.gradient(total, z))
    again = tf.function(model.generate)(z)
    np.testing.assert_allclose(again, model.generate(z), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4, 2), ()])
def test_a_generator_reads_vectors(shape):
    z = keras.Input(shape)
    generator = keras.Model(z, keras.layers.Dense(2)(keras.layers.Reshape((-1,))(z)))
    with pytest.raises(ValueError, match=r"input is z of shape \(batch, latent_dim\). Received: "):
        GAN(generator, dense_discriminator((2,), (4,), seed=0))


def test_the_first_rate_of_dropout_is_before_the_first_layer_even_if_that_gives_the_logit():
    for hidden_units, rates in (((), [0.5]), ((3,), [0.5, 0.2])):
        layers = dense_discriminator((2,), hidden_units, dropout=(0.5, 0.2)).layers
        assert [layer.rate for layer in layers if isinstance(layer, Dropout)] == rates


@pytest.mark.parametrize("dropout", [0.3, (0.1, 0.2, 0.3), (0.2, 1.0)])
def test_dropout_is_two_rates(dropout):
    with pytest.raises(ValueError, match="Expected .*dropout.* Received: .*dropout="):
        dense_discriminator((2,), dropout=dropout)


def test_infinity_in_half_precision_is_no_data():
    with pytest.raises(ValueError, match="Expected finite values in x. Received: inf"):
        GAN(*dense()).discriminate(np.full((4, 2), np.inf, "float16"))


def watching(**options):
    model = Watching(*dense(), seed=0, **options)
    model.seen = []
    still = {player: keras.optimizers.SGD(0.0) for player in model.players}
    model.compile(**still, run_eagerly=True)
    return model


def test_instance_noise_falls_to_nothing():
    model = watching(instance_noise=2.0, instance_noise_steps=4)
    model.fit(np.zeros((5000, 2), "float32"), batch_size=1000, shuffle=False, verbose=0)
    spreads = [real.std() for real in model.seen[1::3]]
    # 2,000 normal numbers each: relative standard error 1 / sqrt(4000).
    np.testing.assert_allclose(spreads, [2.0, 1.5, 1.0, 0.5, 0.0], rtol=Z / np.sqrt(4000))


def test_instance_noise_is_on_data_and_samples_and_for_training_only():
    model, plain = watching(instance_noise=2.0), watching()
    x = np.zeros((1000, 2), "float32")
    for one in (model, plain):
        one.fit(x, batch_size=1000, verbose=0)
    added = [noisy - clean for noisy, clean in zip(model.seen, plain.seen, strict=True)]
    np.testing.assert_allclose([n.std() for n in added], 2.0, rtol=Z / np.sqrt(4000))
    assert not np.array_equal(added[0], added[1])
    model.seen.clear()
    model.evaluate(x, batch_size=1000, verbose=0)
    np.testing.assert_array_equal(model.seen[1], x)


def test_smoothing_lowers_the_verdict_on_data_that_training_aims_at():
    # Data all at 0, samples all at 5: D(0) goes to its target, 0.8, and no further.
    start = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(5.0)}
    generator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, **start)])
    discriminator = dense_discriminator((1,), (8,), seed=0)
    model = GAN(generator, discriminator, NonSaturating(0.2), seed=0)
    model.compile(generator=keras.optimizers.SGD(0.0), discriminator=keras.optimizers.Adam(0.05))
    x = np.zeros((1000, 1), "float32")
    model.fit(x, batch_size=10, epochs=3, verbose=0)
    verdict = model.objective.score(model.discriminate(x[:1])).numpy()[0]
    assert verdict == pytest.approx(0.8, abs=0.01)


def test_it_learns_digits_better_than_independent_pixels():
    data = digits()
    train, valid, test = (part.x / 16 for part in (data.train, data.valid, data.test))
    model = GAN(
        dense_generator(
            16, (64,), (128, 128), batch_norm=True, output_activation="sigmoid", seed=0
        ),
        dense_discriminator((64,), (128, 128), dropout=(0.0, 0.3), seed=0),
        seed=0,
    )
    model.compile(
        generator=keras.optimizers.Adam(1e-3, beta_1=0.5),
        discriminator=keras.optimizers.Adam(1e-3, beta_1=0.5),
        jit_compile=True,
    )
    model.fit(train, batch_size=100, epochs=120, verbose=0)
    independent = np.random.default_rng(0).permuted(np.tile(train, (2, 1)), axis=0)[:2000]
    scores = [
        parzen_log_likelihood(samples, valid, test)[:2]
        for samples in (model.sample(2000, seed=1).numpy(), independent)
    ]
    (ours, error), (baseline, _) = scores
    assert ours > baseline + 20 * error
