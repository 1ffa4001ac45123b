"""Likelihoods against SciPy: values, normalisation, draws, extreme parameters, bad input."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special, stats

from genkeras.likelihoods import (
    Bernoulli,
    Categorical,
    MixtureOfGaussians,
    Normal,
    SigmoidNormal,
)
from genkeras.priors import StandardNormal

LIKELIHOODS = [
    Bernoulli(),
    Categorical(2),
    Categorical(17),
    Normal(),
    Normal(min_scale=0.5),
    SigmoidNormal(0.5),
    MixtureOfGaussians(1),
    MixtureOfGaussians(3, min_scale=0.1),
]
DISCRETE = [one for one in LIKELIHOODS if isinstance(one, Bernoulli | Categorical)]
CONTINUOUS = [one for one in LIKELIHOODS if one not in DISCRETE]
SCALED = [one for one in CONTINUOUS if hasattr(one, "min_scale")]  # by the network
# Chance of one false alarm in each statistical test.
FALSE_ALARM = 1e-4


def levels(likelihood):
    return np.arange(getattr(likelihood, "num_classes", 2), dtype="float32")


def some_parameters(likelihood, seed=0, scale=1.0):
    size = likelihood.num_parameters
    return np.random.default_rng(seed).normal(scale=scale, size=size).astype("float32")


def scipy_log_prob(likelihood, parameters, x):
    """log p(x) from SciPy, written from the docstrings of the likelihoods."""
    parameters = parameters.astype("float64")
    if isinstance(likelihood, Bernoulli):
        return stats.bernoulli.logpmf(x, special.expit(parameters[0]))
    if isinstance(likelihood, Categorical):
        return special.log_softmax(parameters)[x.astype(int)]
    if isinstance(likelihood, Normal):
        scale = likelihood.min_scale + np.logaddexp(0, parameters[1])
        return stats.norm.logpdf(x, parameters[0], scale)
    if isinstance(likelihood, SigmoidNormal):
        return stats.norm.logpdf(x, special.expit(parameters[0]), likelihood.scale)
    logits, locs, raw = np.split(parameters, 3)
    scales = likelihood.min_scale + np.logaddexp(0, raw)
    components = stats.norm.logpdf(np.asarray(x)[..., np.newaxis], locs, scales)
    return special.logsumexp(special.log_softmax(logits) + components, axis=-1)


def log_prob(likelihood, parameters, x):
    return likelihood.distribution(tf.constant(parameters)).log_prob(x).numpy()


@pytest.mark.parametrize("likelihood", DISCRETE, ids=repr)
def test_probabilities_of_all_levels_sum_to_one(likelihood):
    parameters = some_parameters(likelihood, scale=3.0)
    total = sum(np.exp(log_prob(likelihood, parameters, x)) for x in levels(likelihood))
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("likelihood", CONTINUOUS, ids=repr)
def test_density_integrates_to_one(likelihood):
    parameters = some_parameters(likelihood, scale=2.0)
    grid = np.linspace(-60, 60, 200_001, dtype="float32")
    density = np.exp(log_prob(likelihood, parameters, grid))
    assert integrate.trapezoid(density, grid) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_log_prob_is_scipys(likelihood, seed):
    parameters = some_parameters(likelihood, seed, scale=2.0)
    x = levels(likelihood) if likelihood in DISCRETE else np.linspace(-5, 5, 11, dtype="float32")
    expected = scipy_log_prob(likelihood, parameters, x)
    np.testing.assert_allclose(log_prob(likelihood, parameters, x), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
@pytest.mark.parametrize("extreme", [-80.0, 80.0])
def test_log_prob_and_gradient_are_finite_at_extreme_outputs(likelihood, extreme):
    x = levels(likelihood) if likelihood in DISCRETE else np.float32([-3, 0, 3])
    base = np.zeros(likelihood.num_parameters, "float32")
    for position in range(likelihood.num_parameters):
        parameters = base.copy()
        parameters[position] = extreme
        parameters = tf.Variable(parameters)
        with tf.GradientTape() as tape:
            values = likelihood.distribution(parameters).log_prob(x)
        assert np.all(np.isfinite(values))
        assert np.all(np.isfinite(tape.gradient(values, parameters)))


@pytest.mark.parametrize("likelihood", SCALED, ids=repr)
@pytest.mark.parametrize("raw", [-60.0, 60.0])
def test_log_prob_and_gradient_are_finite_at_extreme_scales(likelihood, raw):
    parameters = likelihood.initial_parameters()
    parameters[-parameters.size // (2 if isinstance(likelihood, Normal) else 3) :] = raw
    parameters = tf.Variable(parameters)
    with tf.GradientTape() as tape:
        values = likelihood.distribution(parameters).log_prob(np.float32([-3, 0, 0.2, 3]))
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(tape.gradient(values, parameters)))


@pytest.mark.parametrize("floor", [0.01, 0.3])
def test_scales_never_fall_below_the_floor(floor):
    # At the mean of a normal, log p = -log(sigma sqrt(2 pi)).
    highest = -np.log(floor * np.sqrt(2 * np.pi))
    normal = log_prob(Normal(floor), np.float32([0, -60]), np.float32(0))
    mixture = log_prob(MixtureOfGaussians(1, floor), np.float32([0, 0, -60]), np.float32(0))
    assert normal == pytest.approx(highest, rel=1e-5)
    assert mixture == pytest.approx(highest, rel=1e-5)


def test_scale_is_linear_for_large_outputs():
    scale = Normal(0.01).distribution(tf.constant([0.0, 50.0])).scale
    assert scale.numpy() == pytest.approx(50.01)


@pytest.mark.parametrize("likelihood", DISCRETE, ids=repr)
def test_draws_from_noise_have_the_probabilities(likelihood):
    parameters = some_parameters(likelihood, scale=1.5)
    noise = likelihood.noise((20_000,), seed=(1, 2))
    draws = likelihood.sample_from_noise(tf.tile(parameters[np.newaxis], (20_000, 1)), noise)
    counts = [np.sum(draws.numpy() == level) for level in levels(likelihood)]
    expected = 20_000 * np.exp(scipy_log_prob(likelihood, parameters, levels(likelihood)))
    assert sum(counts) == 20_000
    common = expected >= 5  # the rest is pooled, as the chi-square limit needs
    observed = [*np.asarray(counts)[common], np.sum(np.asarray(counts)[~common])]
    pooled = [*expected[common], expected[~common].sum() + 1e-9]
    statistic = np.sum((np.array(observed) - pooled) ** 2 / np.maximum(pooled, 1))
    assert statistic < stats.chi2.ppf(1 - FALSE_ALARM, len(pooled) - 1)


@pytest.mark.parametrize("likelihood", CONTINUOUS, ids=repr)
def test_draws_from_noise_have_the_density(likelihood):
    parameters = some_parameters(likelihood, scale=1.5)
    noise = likelihood.noise((20_000,), seed=(3, 4))
    draws = likelihood.sample_from_noise(tf.tile(parameters[np.newaxis], (20_000, 1)), noise)
    grid = np.linspace(-40, 40, 100_001)
    cdf = integrate.cumulative_trapezoid(
        np.exp(scipy_log_prob(likelihood, parameters, grid)), grid, initial=0
    )
    result = stats.kstest(draws.numpy().astype("float64"), lambda x: np.interp(x, grid, cdf))
    assert result.pvalue > FALSE_ALARM


def test_a_probability_of_nought_is_never_drawn():
    logits = tf.constant([[-200.0]])  # sigmoid is 0 in float32
    noise = np.zeros((1, 1), "float32")  # the smallest uniform
    assert Bernoulli().sample_from_noise(logits, noise) == 0
    weights = tf.constant([[-200.0, 0.0, -200.0]])
    for uniform in (0.0, 1.0 - 2**-24):
        drawn = Categorical(3).sample_from_noise(weights, np.float32([[uniform]]))
        assert drawn.numpy().tolist() == [1.0]


@pytest.mark.parametrize(
    ("likelihood", "inside", "outside"),
    [
        (Bernoulli(), [0, 1], [0.5, -1, 2, np.nan, np.inf]),
        (Categorical(17), [0, 1, 16], [17, -1, 0.5, np.nan]),
        (Normal(), [-1e30, 0, 1e30], [np.nan, np.inf, -np.inf]),
        (SigmoidNormal(), [-1e30, 0, 1e30], [np.nan, np.inf, -np.inf]),
        (MixtureOfGaussians(2), [-1e30, 0, 1e30], [np.nan, np.inf, -np.inf]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [np.float32, tf.constant])
def test_support(likelihood, inside, outside, kind):
    assert np.asarray(likelihood.in_support(kind(np.float32(inside)))).tolist() == [True] * len(
        inside
    )
    assert not np.any(likelihood.in_support(kind(np.float32(outside))))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_support_of_whole_numbers_and_booleans(dtype):
    assert np.all(Bernoulli().in_support(np.array([0, 1], dtype)))
    assert np.all(Categorical(5).in_support(np.array([0, 1], dtype)))


@pytest.mark.parametrize(
    "likelihood",
    [*LIKELIHOODS, StandardNormal(4)],
    ids=lambda one: f"{type(one).__name__}{one.get_config()}",  # the same in every process
)
def test_serialisation_round_trip(likelihood):
    config = keras.saving.serialize_keras_object(likelihood)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(likelihood)
    assert again.get_config() == likelihood.get_config()


def test_likelihoods_are_equal_when_their_kind_and_configuration_are():
    for one, other in itertools.product(LIKELIHOODS, repeat=2):
        assert (one == other) == (one is other)
    assert Categorical(5) == Categorical(5)
    assert hash(Normal(0.2)) == hash(Normal(0.2))
    assert repr(MixtureOfGaussians(3, 0.1)) == "MixtureOfGaussians(num_components=3, min_scale=0.1)"


@pytest.mark.parametrize("likelihood", SCALED, ids=repr)
def test_initial_density_has_even_components(likelihood):
    count = getattr(likelihood, "num_components", 1)
    locs = np.linspace(-2, 2, count) if count > 1 else 0
    expected = np.log(np.mean(stats.norm.pdf(0.7, locs, 1 + likelihood.min_scale)))
    actual = log_prob(likelihood, likelihood.initial_parameters(), np.float32(0.7))
    assert actual == pytest.approx(expected, rel=1e-5)


def test_networks_read_levels_as_numbers_from_0_to_1():
    np.testing.assert_allclose(Categorical(5).network_input(np.arange(5)), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(Normal().network_input(np.arange(5)), np.arange(5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical(1), "num_classes.*>= 2. Received: num_classes=1"),
        (lambda: Categorical(2.5), "num_classes.*Received: num_classes=2.5"),
        (lambda: Categorical(float("nan")), "num_classes.*Received: num_classes=nan"),
        (lambda: Categorical("3"), "num_classes.*Received: num_classes='3'"),
        (lambda: Categorical(None), "num_classes.*Received: num_classes=None"),
        (lambda: MixtureOfGaussians(0), "num_components.*>= 1. Received: num_components=0"),
        (lambda: MixtureOfGaussians(2, min_scale=0), "min_scale > 0. Received: min_scale=0"),
        (lambda: Normal(min_scale=-1.0), "min_scale > 0. Received: min_scale=-1.0"),
        (lambda: Normal(min_scale=1e-50), "min_scale > 0. Received: min_scale=1e-50, which is 0"),
        (lambda: Normal(min_scale=float("inf")), "min_scale > 0. Received: min_scale=inf"),
        (lambda: Normal(min_scale=float("nan")), "min_scale > 0. Received: min_scale=nan"),
        (lambda: Normal(min_scale="a"), "min_scale > 0. Received: min_scale='a'"),
        (lambda: SigmoidNormal(scale=0), "scale > 0. Received: scale=0"),
        (lambda: StandardNormal(0), "latent_dim.*>= 1. Received: latent_dim=0"),
    ],
)
def test_bad_constructor_values(make, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        make()


def test_standard_normal_is_scipys():
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    expected = stats.norm.logpdf(z).sum(axis=1)
    np.testing.assert_allclose(StandardNormal(3).distribution().log_prob(z), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
def test_half_precision_outputs_give_float32_densities(likelihood, dtype):
    parameters = tf.cast(some_parameters(likelihood), dtype)
    x = tf.ones(())
    value = likelihood.distribution(parameters).log_prob(x)
    expected = scipy_log_prob(likelihood, tf.cast(parameters, "float32").numpy(), np.float32(1))
    assert value.dtype == tf.float32
    assert value.numpy() == pytest.approx(expected, rel=1e-5, abs=1e-6)
