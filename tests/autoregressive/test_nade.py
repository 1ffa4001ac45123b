"""NADE against a loop written from the paper's formulas, and what it learns from real digits."""

import keras
import numpy as np
import pytest
from scipy import special, stats
from sklearn.datasets import load_digits

from genkeras import NADE, TabularAutoregressive
from genkeras.autoregressive import orderings
from genkeras.likelihoods import Bernoulli, Categorical, MixtureOfGaussians


def randomised(*arguments, **options):
    model = NADE(*arguments, seed=0, **options)
    model.build((None, *model.event_shape))
    random = np.random.default_rng(5)
    for weight in model.trainable_variables:
        weight.assign(random.normal(size=weight.shape))
    return model


def outputs_by_formula(model, x, activation, label_rows=None):
    """V_i h_i + b_i with h_i = activation(c + sum_{j<i} x_j W_j), i along the order."""
    kernel, bias, output_kernel, output_bias = (
        w.numpy().astype("float64") for w in model.trainable_variables[:4]
    )
    order = orderings.permutation(model.ordering, model.num_features)
    outputs = np.zeros((len(x), model.num_features, output_kernel.shape[2]))
    for row, values in enumerate(x):
        for i, position in enumerate(order):
            a = bias.copy()
            if label_rows is not None:
                a += label_rows[row]
            for j in range(i):
                a += values[order[j]] * kernel[j]
            outputs[row, position] = activation(a) @ output_kernel[i] + output_bias[i]
    return outputs


@pytest.mark.parametrize(
    "ordering", ["natural", "reversed", "column-major", [4, 7, 0, 8, 1, 5, 2, 3, 6]]
)
def test_binary_log_prob_is_that_of_the_formula(ordering):
    model = randomised(9, 4, ordering=ordering)
    x = np.random.default_rng(0).integers(0, 2, (5, 9))
    probability = special.expit(outputs_by_formula(model, x, special.expit)[..., 0])
    expected = stats.bernoulli.logpmf(x, probability).sum(axis=1)
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-5)


def test_labels_shift_the_hidden_pre_activation_by_their_row():
    model = randomised(4, 3, num_labels=3, activation="tanh")
    x = np.random.default_rng(0).integers(0, 2, (6, 4))
    labels = np.array([0, 1, 2, 2, 1, 0])
    rows = model.label_kernel.numpy()[labels]
    probability = special.expit(outputs_by_formula(model, x, np.tanh, rows)[..., 0])
    expected = stats.bernoulli.logpmf(x, probability).sum(axis=1)
    np.testing.assert_allclose(model.log_prob(x, labels), expected, rtol=1e-5)


def test_levels_are_read_as_numbers_from_0_to_1():
    model = randomised(4, 3, Categorical(5))
    x = np.random.default_rng(0).integers(0, 5, (6, 4))
    log_probs = special.log_softmax(outputs_by_formula(model, x / 4, special.expit), axis=-1)
    expected = np.take_along_axis(log_probs, x[..., np.newaxis], axis=-1).sum(axis=(1, 2))
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-5)


def test_a_new_model_starts_at_the_likelihoods_parameters():
    likelihood = MixtureOfGaussians(3)
    model = NADE(5, 4, likelihood, ordering="random", seed=0)
    model.build((None, 5))
    np.testing.assert_array_equal(
        model.output_bias, np.tile(likelihood.initial_parameters(), (5, 1))
    )


def test_dropout_switches_units_off_in_training_only():
    model = NADE(4, 2000, dropout=0.3, seed=0)
    model.build((None, 4))
    x = np.ones((1, 4), "float32")
    assert np.array_equal(model(x, training=False), model(x, training=False))
    assert not np.array_equal(model(x, training=True), model(x, training=True))
    scale = model._dropout_scale(10).numpy()
    np.testing.assert_allclose(np.unique(scale), [0, 1 / 0.7], rtol=1e-6)
    # 20,000 units: 5 standard errors of the share switched off are 0.016.
    assert np.mean(scale == 0) == pytest.approx(0.3, abs=0.016)
    assert np.any(scale[0] != scale[1])


def test_dropout_of_nought_changes_nothing_in_training():
    model = randomised(4, 3)
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(model(x, training=True), model(x, training=False))


def test_the_seed_decides_weights_and_random_order():
    one, same, other = (NADE(9, 4, ordering="random", seed=s) for s in (1, 1, 2))
    for model in (one, same, other):
        model.build((None, 9))
    assert one.ordering == same.ordering != other.ordering
    np.testing.assert_array_equal(one.kernel, same.kernel)
    assert np.any(one.kernel.numpy() != other.kernel.numpy())
    assert np.any(one.kernel.numpy()[:4, :4] != one.output_kernel.numpy()[:4, :4, 0])


def test_it_beats_independent_pixels_on_real_digits():
    x = (load_digits().data >= 8).astype("float32")
    train, test = x[:1500], x[1500:]
    independent = TabularAutoregressive(64, 0).fit_counts(train)
    baseline = -np.mean(independent.log_prob(test))
    model = NADE(64, 32, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(np.tile(train, (8, 1)), batch_size=50, verbose=0)
    assert model.evaluate(test, batch_size=297, verbose=0) < baseline - 5  # nats an image


def test_mixtures_beat_independent_gaussians_on_a_parabola():
    random = np.random.default_rng(0)
    first = random.normal(size=1200)
    x = np.stack([first, first**2 + 0.1 * random.normal(size=1200)], axis=1).astype("float32")
    train, test = x[:1000], x[1000:]
    columns = stats.norm.logpdf(test, train.mean(axis=0), train.std(axis=0))
    baseline = -columns.sum(axis=1).mean()
    model = NADE(2, 16, MixtureOfGaussians(4), activation="tanh", seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    model.fit(np.tile(train, (25, 1)), batch_size=100, verbose=0)
    assert model.evaluate(test, batch_size=200, verbose=0) < baseline - 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_features": 0}, "num_features to be a whole number >= 1. Received: num_features=0"),
        ({"num_features": 4.0}, "num_features.*Received: num_features=4.0"),
        ({"hidden_units": 0}, "hidden_units to be a whole number >= 1"),
        ({"hidden_units": True}, "hidden_units.*Received: hidden_units=True"),
        ({"dropout": 1.0}, "dropout.*Received: dropout=1.0"),
        ({"dropout": -0.1}, "dropout.*Received: dropout=-0.1"),
        ({"dropout": "a"}, "dropout.*Received: dropout='a'"),
        ({"num_labels": 1}, "num_labels to be a whole number >= 2"),
        ({"ordering": [0, 0, 1, 2]}, "a permutation of 0..3"),
        ({"ordering": "diagonal"}, "ordering to be one of"),
        ({"seed": 1.5}, "seed to be a whole number >= 0. Received: seed=1.5"),
        ({"seed": -1}, "seed to be a whole number >= 0. Received: seed=-1"),
        ({"dtype": "float16"}, "variables are float32.*Received: dtype='float16'"),
    ],
)
def test_bad_constructor_values(options, message):
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        NADE(**{"num_features": 4, "hidden_units": 3, **options})


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="no_such_function"):
        NADE(4, 3, Bernoulli(), activation="no_such_function")
