"""The autoencoder: principal components, and what its corruption does and does not touch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import linalg, stats
from sklearn.decomposition import PCA

from genkeras import Autoencoder
from genkeras.datasets import digits
from genkeras.latent import GaussianNoise, MaskingNoise, dense_decoder, dense_encoder

# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
# A p-value below this comes by chance with probability 1e-6.
FALSE_ALARM = 1e-6


@pytest.fixture(scope="module")
def images():
    """Training and test digits, in [0, 1]."""
    data = digits()
    return data.train.x / 16, data.test.x / 16


def test_a_linear_autoencoder_finds_the_principal_components(images):
    x = images[0] - images[0].mean(axis=0)
    num_codes, steps = 4, 800  # after the fourth value the spectrum falls by a third
    glorot = keras.initializers.GlorotNormal(seed=0)
    encoder = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(num_codes, kernel_initializer=glorot)]
    )
    model = Autoencoder(encoder, dense_decoder(num_codes, 64, (), seed=1))
    rate = keras.optimizers.schedules.CosineDecay(0.02, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate))
    start = model.evaluate(x, batch_size=len(x), verbose=0)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(steps), verbose=0)
    end = model.evaluate(x, batch_size=len(x), verbose=0)
    pca = PCA(num_codes + 1).fit(x)
    components = pca.components_[:num_codes]
    optimum = np.mean(np.sum((x - x @ components.T @ components) ** 2, axis=1))
    assert start > 1.5 * optimum
    assert 0.9999 * optimum < end < 1.01 * optimum
    learned = model.decoder.layers[-1].kernel.numpy().T  # (64, codes)
    assert linalg.subspace_angles(learned, components.T)[0] < 0.05
    # The subspace of other components is at a right angle.
    assert linalg.subspace_angles(learned, pca.components_[1:].T)[0] > 1.5


def repeater(num_values, corruption, seed=0):
    """An autoencoder that says what it reads."""
    model = Autoencoder(
        dense_encoder((num_values,), ()), dense_decoder(num_values, num_values, ()), corruption,
        seed=seed,
    )  # fmt: skip
    model.decoder.set_weights([np.eye(num_values), np.zeros(num_values)])
    return model


def test_masks_set_each_value_to_zero_at_their_rate_and_leave_the_rest():
    rows, columns, rate = 400, 50, 0.3
    x = np.random.default_rng(0).uniform(1, 2, (rows, columns)).astype("float32")
    read = repeater(columns, MaskingNoise(rate))(x, training=True).numpy()
    masked = read == 0
    np.testing.assert_array_equal(read[~masked], x[~masked])
    spread = np.sqrt(rate * (1 - rate))
    assert abs(masked.mean() - rate) <= Z * spread / np.sqrt(masked.size)
    # No row, no column and no pair of neighbours goes together: variances of sums are binomial,
    # with a relative error of sqrt(2 / their number).
    for sums, size in ((masked.sum(axis=0), rows), (masked.sum(axis=1), columns)):
        ratio = sums.var(ddof=1) / (size * spread**2)
        assert abs(ratio - 1) <= Z * np.sqrt(2 / len(sums))
    both = np.mean(masked[:, 1:] & masked[:, :-1])
    assert abs(both - rate**2) <= Z * np.sqrt(rate**2 * (1 - rate**2) / (rows * (columns - 1) / 2))


def test_noise_is_normal_with_its_scale():
    x = np.random.default_rng(0).normal(size=(400, 50)).astype("float32")
    added = repeater(50, GaussianNoise(0.5))(x, training=True).numpy() - x
    assert stats.kstest(added.ravel(), stats.norm(0, 0.5).cdf).pvalue > FALSE_ALARM
    for axis in (0, 1):  # means over rows and columns are independent draws too
        means = added.mean(axis=axis) * np.sqrt(added.shape[axis])
        assert stats.kstest(means, stats.norm(0, 0.5).cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("corruption", [MaskingNoise(0.5), GaussianNoise(1.0)])
def test_corruption_is_of_training_alone_and_the_target_is_whole(corruption):
    model = repeater(4, corruption)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    np.testing.assert_array_equal(model(x), x)
    np.testing.assert_array_equal(model.reconstruct(x), x)
    np.testing.assert_array_equal(model.encode(x), x)
    np.testing.assert_array_equal(model.reconstruction_error(x), np.zeros(300))
    assert model.evaluate(x, verbose=0) == 0
    first, second = (model(x, training=True).numpy() for _ in range(2))
    assert np.any(first != second)
    loss = model.compute_loss(x, y_pred=first, training=True)
    assert loss.numpy() == pytest.approx(np.sum((first - x) ** 2) / 300, rel=1e-5)
    # What `fit` pays on the average: of noise 1 each, with variance 2; of masks half the squares,
    # each square there or not there.
    losses = model.fit(np.tile(x, (40, 1)), epochs=2, batch_size=300, verbose=0).history["loss"]
    assert losses[0] != losses[1]  # drawn anew
    loss = np.mean(losses)
    expected, variance = 4.0, 8.0
    if isinstance(corruption, MaskingNoise):
        expected, variance = np.sum(x**2) / 300 / 2, np.sum(x**4) / 300 / 4
    assert abs(loss - expected) <= Z * np.sqrt(variance / (2 * 40 * 300))


@pytest.mark.parametrize("corruption", [MaskingNoise(0.0), GaussianNoise(0.0)])
def test_corruption_of_nothing_changes_nothing(corruption):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_array_equal(repeater(4, corruption)(x, training=True), x)


def test_the_seed_decides_the_corruption():
    x = np.ones((50, 4), "float32")
    one, same, other = (
        repeater(4, MaskingNoise(0.5), seed=seed)(x, training=True) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)


def test_the_error_is_a_sum_over_all_axes_of_an_example():
    model = Autoencoder(dense_encoder((2, 3), (4,), seed=0), dense_decoder(4, 6, (), seed=1))
    x = np.random.default_rng(0).normal(size=(7, 2, 3)).astype("float32")
    reconstruction = model.reconstruct(x).numpy()
    assert reconstruction.shape == x.shape
    expected = np.sum((x - reconstruction) ** 2, axis=(1, 2))
    np.testing.assert_allclose(model.reconstruction_error(x), expected, rtol=1e-5)
    model.compile(optimizer="sgd")
    assert model.evaluate(x, batch_size=3, verbose=0) == pytest.approx(expected.mean(), rel=1e-5)
    np.testing.assert_allclose(model.decode(model.encode(x)), reconstruction, rtol=1e-6)


def test_denoising_teaches_to_fill_in_what_is_missing(images):
    x, x_test = images
    seen = MaskingNoise(0.5)(tf.constant(x_test), (3, 4))
    errors = {}
    for name, corruption in (("plain", None), ("denoising", MaskingNoise(0.5))):
        model = Autoencoder(
            dense_encoder((64,), (64,), seed=0), dense_decoder(64, 64, (64,), seed=1), corruption,
            seed=2,
        )  # fmt: skip
        model.compile(optimizer=keras.optimizers.Adam(3e-3))
        model.fit(x, epochs=25, batch_size=100, verbose=0)
        errors[name] = np.mean(np.sum((x_test - model.reconstruct(seen)) ** 2, axis=1))
    nothing = np.mean(np.sum((x_test - seen) ** 2, axis=1))
    assert errors["denoising"] < 0.5 * errors["plain"]
    assert errors["denoising"] < 0.5 * nothing
