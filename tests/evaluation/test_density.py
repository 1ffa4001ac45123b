"""Scores of models whose densities are known in closed form."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from genkeras.evaluation import bits_per_dim, class_posteriors, log_probs, mean_nll


class Gaussian:
    """Independent normals; with a condition, its class's mean. Remembers the shapes it met."""

    def __init__(self, means, scale=1.0):
        self.means = np.asarray(means, "float64")
        self.scale = scale
        self.sizes = []

    def log_prob(self, x, condition=None):
        self.sizes.append(len(x))
        mean = 0.0 if condition is None else self.means[condition]
        return stats.norm(mean, self.scale).logpdf(x).sum(axis=1).astype("float32")


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(23, 3))


@pytest.mark.parametrize("batch_size", [1, 5, 23, 500])
def test_log_probs_are_those_of_the_rows_in_order(x, batch_size):
    scores = log_probs(Gaussian([0]), x, batch_size=batch_size)
    assert scores.dtype == "float64"
    np.testing.assert_allclose(scores, stats.norm.logpdf(x).sum(axis=1), rtol=1e-6)


def test_log_probs_pass_each_row_its_condition(x):
    means = np.arange(6.0).reshape(2, 3)
    labels = np.random.default_rng(1).integers(0, 2, 23)
    scores = log_probs(Gaussian(means), x, labels, batch_size=10)
    np.testing.assert_allclose(scores, stats.norm.logpdf(x - means[labels]).sum(axis=1), rtol=1e-6)


def test_log_probs_meet_one_shape(x):
    model = Gaussian([0])
    log_probs(model, x, batch_size=10)
    assert model.sizes == [10, 10, 10]
    model.sizes.clear()
    log_probs(model, x, batch_size=500)
    assert model.sizes == [23]


def test_mean_nll_and_its_standard_error(x):
    mean, error = mean_nll(Gaussian([0]), x, batch_size=10)
    nll = -stats.norm.logpdf(x).sum(axis=1)
    assert mean == pytest.approx(nll.mean(), rel=1e-6)
    assert error == pytest.approx(stats.sem(nll), rel=1e-5)
    assert isinstance(mean, float) and isinstance(error, float)


def test_mean_nll_uses_the_condition(x):
    model, labels = Gaussian(np.full((2, 3), 2.0)), np.ones(23, int)
    expected = -stats.norm.logpdf(x - 2).sum(axis=1).mean()
    assert mean_nll(model, x, labels)[0] == pytest.approx(expected, rel=1e-6)


def test_mean_nll_of_one_example_has_no_standard_error(x):
    mean, error = mean_nll(Gaussian([0]), x[:1])
    assert mean == pytest.approx(-stats.norm.logpdf(x[0]).sum(), rel=1e-6)
    assert math.isnan(error)


def test_bits_per_dim():
    assert bits_per_dim(784 * math.log(2), 784) == pytest.approx(1)
    # A uniform density over 256 levels of 3 variables costs 8 bits per variable.
    np.testing.assert_allclose(bits_per_dim(np.full(2, math.log(256**3)), 3), [8, 8])


def test_class_posteriors_are_those_of_discriminant_analysis(x):
    means, prior = np.array([[0.0, 1, 0], [1, 0, 0], [2, 2, -1]]), np.array([0.2, 0.5, 0.3])
    posteriors = class_posteriors(Gaussian(means, scale=1.5), x, 3, np.log(prior), batch_size=10)
    # With one covariance for all classes, Bayes' rule is linear discriminant analysis.
    oracle = LinearDiscriminantAnalysis(priors=prior)
    oracle.classes_ = np.arange(3)
    oracle.coef_ = means / 1.5**2
    oracle.intercept_ = -0.5 * (means**2).sum(axis=1) / 1.5**2 + np.log(prior)
    np.testing.assert_allclose(np.exp(posteriors), oracle.predict_proba(x), atol=1e-6)


def test_class_posteriors_far_from_every_class_do_not_underflow():
    posteriors = class_posteriors(
        Gaussian([[0.0], [1.0]]), np.array([[100.0]]), 2, np.log([0.5, 0.5])
    )
    # The log odds of the two classes are 100 - 1/2.
    np.testing.assert_allclose(posteriors, [[-99.5, 0]], atol=1e-2)


def test_a_class_of_prior_zero_has_posterior_zero(x):
    with np.errstate(divide="ignore"):
        log_prior = np.log([1.0, 0.0])
    posteriors = class_posteriors(Gaussian(np.zeros((2, 3))), x, 2, log_prior)
    np.testing.assert_array_equal(posteriors, np.tile([0, -np.inf], (23, 1)))


class Impossible:
    def log_prob(self, x, condition=None):
        return np.where(x[:, 0] > 1, -np.inf, 0.0)


def test_an_example_that_no_class_can_have_is_refused():
    with pytest.raises(ValueError, match="density 0 under all classes for example 1"):
        class_posteriors(Impossible(), np.array([[0.0], [2.0]]), 2, np.log([0.5, 0.5]))


class PerVariable:
    def log_prob(self, x):
        return x


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: log_probs(None, x), "model with log_prob; .* Received: NoneType"),
        (lambda x: log_probs(Gaussian([0]), x[:0]), "at least one example. Received: shape"),
        (lambda x: log_probs(Gaussian([0]), 1.0), "at least one example. Received: shape"),
        (lambda x: log_probs(Gaussian([0]), x, batch_size=0), "batch_size .* Received: .*0"),
        (lambda x: log_probs(Gaussian([0]), x, batch_size=2.5), "batch_size .* Received: .*2.5"),
        (lambda x: log_probs(Gaussian([0]), x, np.zeros(22, int)), r"23 rows.*shape \(22,\)"),
        (lambda x: log_probs(Gaussian([0]), x, 1), r"23 rows.*shape \(\)"),
        (lambda x: log_probs(PerVariable(), x), r"shape \(23,\). Received: shape \(23, 3\)"),
        (lambda x: bits_per_dim(1.0, 0), "num_dims .* Received: .*0"),
        (lambda x: bits_per_dim(1.0, True), "num_dims .* Received: .*True"),
        (lambda x: class_posteriors(Gaussian([0]), x, 0, []), "num_labels .* Received: .*0"),
        (lambda x: class_posteriors(Gaussian([0]), x, 2, [0.0]), "log_prior of 2"),
        (lambda x: class_posteriors(Gaussian([0]), x, 2, [0.5, 0.5]), "sum to probability 1"),
    ],
)
def test_bad_input_is_refused(x, call, message):
    with pytest.raises(ValueError, match=message):
        call(x)
