"""WGAN: bounded weights, the penalty against closed forms, the distance against the true one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from genkeras import WGAN, WGANGP
from genkeras.adversarial import dense_discriminator, dense_generator
from genkeras.layers.packing import Packing


def networks(**discriminator):
    return (
        dense_generator(2, (3,), (4,), seed=0),
        dense_discriminator((3,), (4,), seed=0, **discriminator),
    )


def optimizers(rate=0.5):
    return {name: keras.optimizers.SGD(rate) for name in ("generator", "discriminator")}


X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_critics_weights_are_clipped_after_each_of_its_moves_and_only_its(jit_compile):
    model = WGAN(*networks(), clip_value=0.05, seed=0)
    start = [np.array(w) for w in model.generator.weights]
    model.compile(**optimizers(), jit_compile=jit_compile)
    model.fit(X, batch_size=20, verbose=0)
    sizes = [np.abs(w).max() for w in model.discriminator.get_weights()]
    assert max(sizes) == np.float32(0.05)
    assert max(np.abs(w).max() for w in start) > 0.5
    assert max(np.abs(w).max() for w in model.generator.get_weights()) > 0.5
    assert model.discriminator_optimizer.iterations == 5


def linear_critic(slope, num_packed=1):
    x = keras.Input((len(slope) // num_packed,))
    hidden = Packing(num_packed)(x) if num_packed > 1 else x
    kernel = keras.initializers.Constant(np.reshape(slope, (-1, 1)))
    return keras.Model(x, keras.layers.Dense(1, kernel_initializer=kernel)(hidden))


@pytest.mark.parametrize(
    ("slope", "num_packed"), [([3.0, 4.0], 1), ([0.0, 0.0], 1), ([1.0, 2.0, 2.0, 4.0], 2)]
)
def test_the_penalty_of_a_linear_critic(slope, num_packed):
    model = WGANGP(
        dense_generator(1, (2,), (3,), seed=0), linear_critic(slope, num_packed),
        gradient_penalty=7.0, seed=0,
    )  # fmt: skip
    x = tf.constant(X[:7, :2])
    seed = tf.constant([1, 2])
    paid = {
        training: model.play("discriminator", x, None, seed, training)[0].numpy()
        for training in (True, False)
    }
    assert paid[True].shape == (7 // num_packed,)
    expected = 7.0 * (np.linalg.norm(slope) - 1) ** 2
    np.testing.assert_allclose(paid[True] - paid[False], expected, rtol=1e-4)


def test_the_penalty_of_a_curved_critic_against_finite_differences(monkeypatch):
    model = WGANGP(*networks(activation="tanh"), seed=0)
    points = []

    def keep(self, x, made, seed):
        points.append(original(self, x, made, seed))
        return points[-1]

    original = WGANGP._between
    monkeypatch.setattr(WGANGP, "_between", keep)
    made = X + 1.0
    penalty = model._penalty(tf.constant(X), tf.constant(made), None, tf.constant([3, 4])).numpy()
    between = points[0].numpy().astype("float64")
    # On the line from data to sample, at a place of its own for each row.
    share = (between - X) / (made - X)
    np.testing.assert_allclose(share, np.repeat(share[:, :1], 3, axis=1), atol=1e-5)
    assert len(np.unique(share[:, 0].round(4))) == 20
    assert share.min() >= 0
    assert share.max() <= 1
    step = 1e-2
    slopes = np.stack(
        [
            (
                model.discriminate(between + step * unit).numpy()
                - model.discriminate(between - step * unit).numpy()
            )
            / (2 * step)
            for unit in np.eye(3)
        ],
        axis=1,
    )
    # float32 logits of order 1 over 2e-2, and the cube of the step.
    np.testing.assert_allclose(
        penalty, (np.linalg.norm(slopes, axis=1) - 1) ** 2, rtol=1e-2, atol=1e-3
    )


def test_places_on_the_line_are_uniform():
    model = WGANGP(*networks(), seed=0)
    zeros = tf.zeros((5000, 3))
    share = model._between(tf.ones_like(zeros), zeros, tf.constant([0, 1])).numpy()[:, 0]
    assert stats.kstest(share, stats.uniform.cdf).pvalue > 7e-6


class Fixed(keras.layers.Layer):
    """x = z + 3."""

    def call(self, inputs):
        return inputs + 3.0


def test_the_penalised_critic_finds_the_wasserstein_distance():
    # N(0, 1) and N(3, 1): W1 is the shift, 3, and a critic of slope -1 reaches it.
    z = keras.Input((1,))
    generator = keras.Model(z, keras.layers.Dense(1, kernel_initializer="ones")(Fixed()(z)))
    critic = dense_discriminator((1,), (32, 32), activation="relu", seed=0)
    model = WGANGP(generator, critic, discriminator_steps=1, seed=0)
    model.compile(
        generator=keras.optimizers.SGD(0.0),
        discriminator=keras.optimizers.Adam(1e-2, beta_1=0.5, beta_2=0.9),
    )
    x = np.random.default_rng(1).normal(size=(40_000, 1)).astype("float32")
    model.fit(x, batch_size=200, epochs=2, verbose=0)
    value = model.evaluate(x, batch_size=10_000, verbose=0, return_dict=True)["value"]
    # The penalty of weight 10 lets the slope exceed 1 by about 3 / 20 of a slope at most.
    assert value == pytest.approx(3.0, abs=0.5)


def test_batch_normalisation_is_found_inside_a_nested_critic():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="inside")])
    critic = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="without batch normalisation.*inside"):
        WGANGP(networks()[0], critic)
