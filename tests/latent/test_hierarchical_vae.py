"""The VAE of two stochastic layers against SciPy and quadrature over both latents."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from genkeras import HierarchicalVAE
from genkeras.latent import dense_decoder, dense_encoder
from genkeras.latent.hierarchical_vae import Latents

# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
# A chi-square statistic beyond this quantile fails by chance with probability 1e-6.
FALSE_ALARM = 1e-6
STATES = np.float32(list(np.ndindex(2, 2, 2)))


def assert_mean(draws, expected):
    """Rows of draws, columns of quantities."""
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    np.testing.assert_array_less(np.abs(np.mean(draws, axis=0) - expected), Z * error + 1e-4)


def heads_of(model):
    """Of q(h1|x), q(h2|h1) and p(h1|h2)."""
    return [*model.posteriors, model.prior.head]


def tiny(latent_dims=(1, 1)):
    """Random weights; both q are wide and p(h1|h2) is not, so that no weight p / q is large."""
    first, second = latent_dims
    model = HierarchicalVAE(
        (dense_encoder((3,), (4,), seed=0), dense_encoder((first,), (3,), seed=1)),
        (dense_decoder(first, 3, (4,), seed=2), dense_decoder(second, 4, (3,), seed=3)),
        latent_dims,
        seed=4,
    )
    model.build((None, 3))
    random = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    for head, raw in zip(heads_of(model), (1.0, 1.2, 0.0), strict=True):
        kernel, bias = (w.numpy() for w in head.dense.weights)
        kernel *= np.tile([0.4, 0.1], head.latent_dim)  # of means, of raw scales
        bias[1::2] = raw
        head.dense.set_weights([kernel, bias])
    return model


# The same model in NumPy and float64, from its weights.


def parameters_of(model):
    """Weights of each network and of each head, float64."""
    networks = [*model.encoders, *model.decoders]
    return [[np.float64(w) for w in part.weights] for part in (*networks, *heads_of(model))]


def affine_maps(x, weights, ends_linear):
    for k in range(0, len(weights), 2):
        x = x @ weights[k] + weights[k + 1]
        if k + 2 < len(weights) or not ends_linear:
            x = np.tanh(x)
    return x


def normal(features, head):
    raw = affine_maps(features, head, ends_linear=True)
    return stats.norm(raw[..., 0::2], 1e-4 + np.logaddexp(0, raw[..., 1::2]))


class InNumPy:
    """Log densities of the parts: q(h1|x), q(h2|h1), p(h1|h2), p(h2), p(x|h1)."""

    def __init__(self, weights):
        self.x_to_1, self.h1_to_2, self.h1_to_x, self.h2_to_1 = weights[:4]
        self.head_1, self.head_2, self.head_prior = weights[4:]

    def q1(self, x):
        return normal(affine_maps(x, self.x_to_1, ends_linear=False), self.head_1)

    def q2(self, h1):
        return normal(affine_maps(h1, self.h1_to_2, ends_linear=False), self.head_2)

    def p1(self, h2):
        return normal(affine_maps(h2, self.h2_to_1, ends_linear=True), self.head_prior)

    def log_q(self, x, h1, h2):
        return self.q1(x).logpdf(h1).sum(axis=-1) + self.q2(h1).logpdf(h2).sum(axis=-1)

    def log_prior(self, h1, h2):
        return self.p1(h2).logpdf(h1).sum(axis=-1) + stats.norm.logpdf(h2).sum(axis=-1)

    def log_likelihood(self, x, h1):
        logits = affine_maps(h1, self.h1_to_x, ends_linear=True)
        return np.sum(x * logits - np.logaddexp(0, logits), axis=-1)


class Quadrature:
    """Of every state x: log p(x), the ELBO and KL(q(h|x) || p(h)), by sums over (h1, h2)."""

    def __init__(self, weights):
        axis = np.linspace(-10, 10, 101)
        self.cell = (axis[1] - axis[0]) ** 2
        h1, h2 = (h.reshape(-1, 1, 1) for h in np.meshgrid(axis, axis))
        numpy = InNumPy(weights)
        log_q = numpy.log_q(STATES, h1, h2)  # (points, states)
        self.q = np.exp(log_q)
        log_prior = numpy.log_prior(h1, h2)
        log_joint = numpy.log_likelihood(STATES, h1) + log_prior
        self.evidence = special.logsumexp(log_joint, axis=0) + np.log(self.cell)
        self.elbo = self.mean(log_joint - log_q)
        self.kl = self.mean(log_q - log_prior)

    def mean(self, values):
        """E_q: `(states,)`."""
        return np.sum(self.q * values, axis=0) * self.cell


@pytest.fixture(scope="module")
def exact():
    return Quadrature(parameters_of(tiny()))


def repeated(function, copies, *arguments, **options):
    """`copies` independent draws of a quantity of each state: `(copies, states)`."""
    found = function(np.tile(STATES, (copies, 1)), *arguments, **options)
    return np.reshape(found, (copies, len(STATES)))


def test_joint_densities_are_sums_of_conditionals():
    model = tiny((2, 3))
    numpy = InNumPy(parameters_of(model))
    random = np.random.default_rng(0)
    h1, h2 = random.normal(size=(8, 2)), random.normal(size=(8, 3))
    z = Latents(h1.astype("float32"), h2.astype("float32"))
    found = model.encode(STATES).log_prob(z)
    np.testing.assert_allclose(found, numpy.log_q(STATES, h1, h2), rtol=1e-4)
    found = model.prior.distribution().log_prob(z)
    np.testing.assert_allclose(found, numpy.log_prior(h1, h2), rtol=1e-4)
    found = model.decode(z).log_prob(STATES)
    np.testing.assert_allclose(found, numpy.log_likelihood(STATES, h1), rtol=1e-4)


@pytest.mark.parametrize("which", ["posterior", "prior"])
def test_draws_of_a_joint_follow_its_conditionals(which):
    # As many latents in both layers: one seed for both would draw the same noise twice.
    model, count = tiny((2, 2)), 3000
    numpy = InNumPy(parameters_of(model))
    if which == "posterior":
        x = STATES[[5]]
        draws = model.encode(np.tile(x, (count, 1))).sample(seed=(1, 2))
        first, second = numpy.q1(x), numpy.q2(np.float64(draws.h1))
        standard = [first.cdf(draws.h1), second.cdf(draws.h2)]
    else:
        draws = model.prior.distribution().sample(count, seed=(1, 2))
        standard = [stats.norm.cdf(draws.h2), numpy.p1(np.float64(draws.h2)).cdf(draws.h1)]
    # Each conditional's distribution function makes its draws uniform, independently of the other.
    uniform = np.concatenate(standard, axis=1)
    for column in uniform.T:
        assert stats.kstest(column, "uniform").pvalue > FALSE_ALARM
    products = np.corrcoef(uniform.T)[np.triu_indices(4, 1)]
    assert np.all(np.abs(products) < Z / np.sqrt(count))


def test_many_draws_for_each_row():
    model = tiny((2, 3))
    numpy = InNumPy(parameters_of(model))
    q = model.encode(STATES)
    z = q.sample(6, seed=(1, 2))
    assert z.h1.shape == (6, 8, 2) and z.h2.shape == (6, 8, 3)
    expected = numpy.log_q(STATES, np.float64(z.h1), np.float64(z.h2))
    np.testing.assert_allclose(q.log_prob(z), expected, rtol=1e-4, atol=1e-4)


def test_draws_of_both_layers_need_no_seed():
    q, p = tiny().encode(STATES[:1]), tiny().prior.distribution()
    for joint in (q, p):
        one, other, again = joint.sample(), joint.sample(seed=3), joint.sample(seed=(3, 4))
        assert np.any(one.h1 != other.h1)
        np.testing.assert_array_equal(again.h2, joint.sample(seed=(3, 4)).h2)


def test_evidence_sums_to_one_and_samples_follow_it(exact):
    np.testing.assert_allclose(exact.mean(1.0), 1, atol=1e-5)
    assert np.exp(exact.evidence).sum() == pytest.approx(1, abs=1e-5)
    count = 4000
    x = tiny().sample(count, seed=5).numpy()
    observed = np.bincount(x.astype(int) @ [4, 2, 1], minlength=8)
    expected = count * np.exp(exact.evidence)
    assert expected.min() > 5 and np.ptp(expected) > 0.1 * count
    assert stats.chisquare(observed, expected * count / expected.sum()).pvalue > FALSE_ALARM


def test_elbo_and_its_kl_are_those_of_quadrature(exact):
    model = tiny()
    assert_mean(repeated(model.elbo, 1500, seed=1), exact.elbo)
    terms = model(tf.constant(np.tile(STATES, (1500, 1)))).numpy().reshape(1500, 8, 2)
    assert_mean(terms[..., 1], exact.kl)
    assert_mean(terms[..., 0] - terms[..., 1], exact.elbo)
    assert np.all(exact.elbo < exact.evidence - 0.05)


def test_the_importance_weighted_bound_rises_to_the_evidence(exact):
    model = tiny()
    means, errors = [exact.elbo.mean()], [0.0]
    for count in (4, 16, 64):
        draws = repeated(model.estimate_log_prob, 400, count, seed=count)
        assert_mean(np.exp(draws - exact.evidence), 1)  # a mean of weights is unbiased
        error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
        assert np.all(draws.mean(axis=0) <= exact.evidence + Z * error)
        means.append(draws.mean())
        errors.append(np.sqrt(np.mean(error**2) / len(STATES)))
    assert np.all(np.diff(means) > Z * np.hypot(errors[1:], errors[:-1]))
    assert exact.evidence.mean() - means[-1] < 0.05


def test_the_mean_slope_of_the_bound_is_the_slope_of_its_mean():
    # Through draws of both layers, against differences of the bound by quadrature.
    model = tiny()
    parts = [*model.encoders, *model.decoders, *heads_of(model)]
    variables = [w.value for part in parts for w in part.weights]
    x = tf.constant(np.tile(STATES, (20, 1)))

    @tf.function
    def slopes_of_one_draw():
        with tf.GradientTape() as tape:
            terms = model(x)
            bound = tf.reduce_mean(terms[:, 0] - terms[:, 1])
        return tape.gradient(bound, variables)

    draws = [np.concatenate([np.ravel(s) for s in slopes_of_one_draw()]) for _ in range(100)]
    weights, expected = parameters_of(model), []
    for arrays in weights:
        for array in arrays:
            for index in np.ndindex(*array.shape):
                start, sides = array[index], []
                for sign in (1, -1):
                    array[index] = start + sign * 1e-4
                    sides.append(Quadrature(weights).elbo.mean())
                array[index] = start
                expected.append((sides[0] - sides[1]) / 2e-4)
    assert_mean(np.stack(draws), np.array(expected))
    assert np.mean(np.abs(expected) > 1e-2) > 0.5


def test_means_of_codes_and_reconstructions():
    model = tiny((2, 3))
    numpy = InNumPy(parameters_of(model))
    h1 = numpy.q1(STATES).mean()
    found = model.posterior_mean(STATES)
    np.testing.assert_allclose(found.h1, h1, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.h2, numpy.q2(h1).mean(), rtol=1e-4, atol=1e-5)
    logits = affine_maps(h1, numpy.h1_to_x, ends_linear=True)
    np.testing.assert_allclose(model.reconstruct(STATES), special.expit(logits), rtol=1e-4)


def test_the_upper_layers_compute_in_the_policy_of_the_model():
    def made(dtype):
        return HierarchicalVAE(
            (dense_encoder((3,), (4,)), dense_encoder((2,), (3,))),
            (dense_decoder(2, 3, (4,)), dense_decoder(1, 4, (3,))),
            (2, 1),
            dtype=dtype,
        )

    for dtype in ("mixed_bfloat16", "float32"):
        model = made(dtype)
        model.build((None, 3))
        assert {head.dense.dtype_policy.name for head in heads_of(model)} == {dtype}
