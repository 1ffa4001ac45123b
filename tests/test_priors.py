"""Priors against SciPy, and a mixture that is trained."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from genkeras.priors import (
    GaussianMixture,
    RadialMixture,
    StandardNormal,
    SwissRoll,
    UniformTokens,
)

# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
# A chi-square statistic beyond this quantile fails by chance with probability 1e-6.
FALSE_ALARM = 1e-6
MIN_SCALE = 0.01
LOGITS = np.array([0.3, -1.0, 0.8])
LOCS = np.array([[-2.0, 0.5], [0.0, 3.0], [1.5, -1.0]])
RAW_SCALES = np.array([[0.2, -1.0], [1.0, 0.0], [-2.0, 0.5]])


def mixture():
    prior = GaussianMixture(2, 3, seed=0)
    prior.build()
    for variable, value in zip(
        (prior.logits, prior.locs, prior.raw_scales), (LOGITS, LOCS, RAW_SCALES), strict=True
    ):
        variable.assign(value)
    return prior


def mixture_log_prob(z, logits, locs, raw_scales):
    scales = MIN_SCALE + np.logaddexp(0, raw_scales)
    components = stats.norm(locs, scales).logpdf(z[:, np.newaxis]).sum(axis=-1)
    return special.logsumexp(components + special.log_softmax(logits), axis=1)


def points(count=50):
    return np.random.default_rng(1).normal(scale=2.0, size=(count, 2))


def test_log_prob_of_a_mixture_is_scipys():
    z = points()
    found = mixture().distribution().log_prob(z.astype("float32"))
    expected = mixture_log_prob(z, LOGITS, LOCS, RAW_SCALES)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_density_of_a_mixture_integrates_to_one():
    axis = np.linspace(-12, 12, 601, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(mixture().distribution().log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1, abs=1e-3)


def test_the_slopes_of_a_mixture_are_finite_differences_of_scipys():
    prior, z = mixture(), points()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(prior.distribution().log_prob(z.astype("float32")))
    variables = [v.value for v in (prior.logits, prior.locs, prior.raw_scales)]
    slopes = tape.gradient(total, variables)
    start, step = [LOGITS, LOCS, RAW_SCALES], 1e-5
    for which, slope in enumerate(slopes):
        for index in np.ndindex(*start[which].shape):
            sides = []
            for sign in (1, -1):
                moved = [value.copy() for value in start]
                moved[which][index] += sign * step
                sides.append(mixture_log_prob(z, *moved).sum())
            expected = (sides[0] - sides[1]) / (2 * step)
            assert slope.numpy()[index] == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind", ["mixture", "standard"])
def test_draws_agree_with_the_density(kind):
    prior = mixture() if kind == "mixture" else StandardNormal(2)
    count = 4000
    draws = prior.distribution().sample(count, seed=(3, 4)).numpy()
    for axis in range(2):
        grid = np.linspace(-14, 14, 20_001)
        if kind == "mixture":
            scales = MIN_SCALE + np.logaddexp(0, RAW_SCALES[:, axis])
            cdf = stats.norm(LOCS[:, axis], scales).cdf(grid[:, np.newaxis])
            cdf = cdf @ special.softmax(LOGITS)
        else:
            cdf = stats.norm.cdf(grid)
        edges = np.interp(np.linspace(0, 1, 21)[1:-1], cdf, grid)  # of twenty equal chances
        observed = np.bincount(np.searchsorted(edges, draws[:, axis]), minlength=20)
        assert stats.chisquare(observed).pvalue > FALSE_ALARM
    # The two latents of one draw belong together: the mean of their product tells.
    product = np.prod(draws, axis=1)
    weights = special.softmax(LOGITS) if kind == "mixture" else np.ones(1)
    expected = weights @ np.prod(LOCS if kind == "mixture" else np.zeros((1, 2)), axis=1)
    assert abs(product.mean() - expected) <= Z * product.std() / np.sqrt(count)


def test_a_new_mixture_has_equal_weights_spread_means_and_scales_near_one():
    prior = GaussianMixture(400, 5, spread=3.0, seed=1)
    p = prior.distribution()
    np.testing.assert_allclose(p.mixture_distribution.probs_parameter(), 0.2, rtol=1e-6)
    np.testing.assert_allclose(p.components_distribution.stddev(), 1.01, rtol=1e-5)
    means = p.components_distribution.mean().numpy()
    # Mean and variance of 2000 normals.
    assert abs(means.mean()) <= Z * 3 / np.sqrt(2000)
    assert abs(means.var() / 9 - 1) <= Z * np.sqrt(2 / 2000)
    same, other = GaussianMixture(400, 5, 3.0, seed=1), GaussianMixture(400, 5, 3.0, seed=2)
    np.testing.assert_array_equal(same.distribution().components_distribution.mean(), means)
    assert np.all(other.distribution().components_distribution.mean() != means)


def test_a_mixture_learns_two_clusters():
    random = np.random.default_rng(0)
    centres = np.where(random.random(2000) < 0.3, -2.0, 1.0)
    z = (centres + 0.4 * random.normal(size=2000)).astype("float32")[:, np.newaxis]
    truth = stats.norm([-2.0, 1.0], 0.4).pdf(z) @ [0.3, 0.7]
    prior, optimizer = GaussianMixture(1, 2, seed=3), keras.optimizers.Adam(0.05)
    prior.build()

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            nll = -tf.reduce_mean(prior.distribution().log_prob(z))
        variables = prior.trainable_variables
        optimizer.apply(tape.gradient(nll, [v.value for v in variables]), variables)
        return nll

    optimizer.build(prior.trainable_variables)
    start = step().numpy()
    for _ in range(150):
        end = step().numpy()
    optimum = -np.mean(np.log(truth))
    assert start > optimum + 0.3
    assert end == pytest.approx(optimum, abs=0.01)
    means = np.sort(prior.distribution().components_distribution.mean().numpy()[:, 0])
    np.testing.assert_allclose(means, [-2.0, 1.0], atol=0.1)


def test_a_mixture_comes_back_from_its_configuration():
    prior = GaussianMixture(2, 3, spread=0.5, seed=7)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(prior)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == prior.get_config()
    np.testing.assert_array_equal(
        again.distribution().log_prob(np.zeros((1, 2), "float32")),
        prior.distribution().log_prob(np.zeros((1, 2), "float32")),
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float64"])
def test_a_mixture_is_in_float32_under_every_policy(policy):
    prior = GaussianMixture(2, 3, seed=0, dtype=policy)
    assert prior.distribution().log_prob(np.zeros((1, 2), "float32")).dtype == tf.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StandardNormal(2.0), "latent_dim.*>= 1. Received: latent_dim=2.0"),
        (lambda: StandardNormal(True), "latent_dim.*>= 1. Received: latent_dim=True"),
        (lambda: GaussianMixture(0, 3), "latent_dim.*>= 1. Received: latent_dim=0"),
        (lambda: GaussianMixture(2, 0), "num_components.*>= 1. Received: num_components=0"),
        (lambda: GaussianMixture(2, "3"), "num_components.*Received: num_components='3'"),
        (lambda: GaussianMixture(2, 3, spread=-1), "spread.*0.0 <= spread.*Received: spread=-1"),
        (lambda: GaussianMixture(2, 3, spread=np.inf), "spread.*Received: spread=inf"),
        (lambda: GaussianMixture(2, 3, spread=np.nan), "spread.*Received: spread=nan"),
        (lambda: GaussianMixture(2, 3, seed=1.5), "seed.*>= 0. Received: seed=1.5"),
        (lambda: GaussianMixture(2, 3, seed="a"), "seed.*>= 0. Received: seed='a'"),
    ],
)
def test_bad_constructor_values(make, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        make()


LABELLED = [RadialMixture(), RadialMixture(3, 2.0, 0.5, 0.2), SwissRoll(), SwissRoll(4, 3.0, 1.5)]
labelled = pytest.mark.parametrize(
    "prior", LABELLED, ids=lambda p: f"{type(p).__name__}{p.num_labels}"
)


def density_of(prior, z):
    """In parts: at all places together a roll's many components would take gigabytes."""
    distribution = prior.distribution()
    parts = np.array_split(z.astype("float32"), 16)
    return np.concatenate([np.exp(distribution.log_prob(part)) for part in parts])


@labelled
def test_densities_in_the_plane_integrate_to_one(prior):
    # Steps as wide as the smallest scale: a sum over a normal density then errs by 2 exp(-2 pi^2).
    axis = np.linspace(-11.1, 11.1, 149, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    cell = (axis[1] - axis[0]) ** 2
    assert density_of(prior, grid).sum() * cell == pytest.approx(1, abs=1e-3)
    label = np.full(len(grid), prior.num_labels - 1)
    assert np.exp(prior.conditional(label).log_prob(grid)).sum() * cell == pytest.approx(
        1, abs=1e-3
    )


@labelled
def test_labels_are_equal_parts_of_the_whole(prior):
    z = points().astype("float32")
    of_labels = [
        np.exp(prior.conditional(np.full(len(z), k)).log_prob(z)) for k in range(prior.num_labels)
    ]
    whole = np.exp(prior.distribution().log_prob(z))
    np.testing.assert_allclose(np.mean(of_labels, axis=0), whole, rtol=1e-4, atol=1e-9)


@labelled
def test_draws_in_the_plane_agree_with_the_density(prior):
    count, edges = 4000, np.linspace(-8, 8, 9)
    draws = prior.distribution().sample(count, seed=(3, 4)).numpy()
    observed = np.histogram2d(*draws.T, bins=(edges, edges))[0].ravel()
    # The chance of every cell, from its density on a grid of middles.
    fine = 32
    middle = -8 + (np.arange(8 * fine) + 0.5) * 2 / fine
    grid = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
    density = density_of(prior, grid).reshape(8, fine, 8, fine)
    chance = density.sum(axis=(1, 3)).ravel() * (2 / fine) ** 2
    seen = count * chance > 5
    rest = count - observed[seen].sum(), count * (1 - chance[seen].sum())
    statistic = ((observed - count * chance)[seen] ** 2 / (count * chance)[seen]).sum()
    statistic += (rest[0] - rest[1]) ** 2 / max(rest[1], 1.0)
    assert stats.chi2.sf(statistic, seen.sum()) > FALSE_ALARM


@labelled
def test_a_draw_has_the_label_it_was_asked_for(prior):
    labels = np.arange(4000) % prior.num_labels
    z = prior.conditional(labels).sample(seed=(1, 2))
    parts = np.stack(
        [prior.conditional(np.full(4000, k)).log_prob(z) for k in range(prior.num_labels)]
    )
    # Neighbours overlap a little; a wrong order of labels would agree by chance only.
    assert np.mean(parts.argmax(axis=0) == labels) > 0.85


def test_gaussians_of_a_radial_mixture_point_outwards():
    prior = RadialMixture(4, radius=3.0, along=0.8, across=0.1)
    parts = prior.conditional(np.arange(4))
    np.testing.assert_allclose(parts.mean(), [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-6)
    spread = [[0.8, 0.1], [0.1, 0.8], [0.8, 0.1], [0.1, 0.8]]
    deviations = np.sqrt([np.diag(covariance) for covariance in parts.covariance()])
    np.testing.assert_allclose(deviations, spread, atol=1e-5)


def test_gaussians_may_be_as_thin_as_a_line():
    parts = RadialMixture(7, along=0.8, across=1e-9).conditional(np.arange(7))
    factor = np.float64(parts.components_distribution.scale.to_dense()[:, 0])
    # Area of the ellipse; float32 entries of at most 0.8 cancel in the axes but not here.
    areas = factor[:, 0, 0] * factor[:, 1, 1]
    np.testing.assert_allclose(areas, 0.8e-9, rtol=1e-5)


def test_a_swiss_roll_runs_along_its_spiral():
    prior = SwissRoll(5, radius=6.0, turns=2.0, stddev=1e-3, parts=50)
    z = prior.distribution().sample(2000, seed=(0, 1)).numpy()
    radius = np.hypot(*z.T)
    angle = 4 * np.pi * radius / 6
    on_spiral = radius[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert np.abs(z - on_spiral).max() < 0.1  # five deviations, and as many turned by the slope
    # u = (radius / 6)^2 is uniform, up to the distance of the parts.
    assert stats.kstest((radius / 6) ** 2, "uniform").statistic < 0.05


@labelled
def test_priors_in_the_plane_come_back_from_their_configuration(prior):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(prior)))
    again = keras.saving.deserialize_keras_object(config)
    z = points().astype("float32")
    np.testing.assert_array_equal(
        again.distribution().log_prob(z), prior.distribution().log_prob(z)
    )
    assert again.get_config() == prior.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RadialMixture(0), "num_labels"),
        (lambda: RadialMixture(along=-1), "along"),
        (lambda: RadialMixture(across=0), "across > 0"),
        (lambda: SwissRoll(stddev=0), "stddev > 0"),
        (lambda: UniformTokens(4, 16), "grid_shape to be a tuple of 2 whole numbers"),
        (lambda: UniformTokens((4,), 16), "grid_shape to be a tuple of 2 whole numbers"),
        (lambda: SwissRoll(parts=0), "parts"),
        (lambda: SwissRoll(stddev="a"), "stddev"),
    ],
)
def test_bad_sizes_of_priors_in_the_plane(make, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        make()
