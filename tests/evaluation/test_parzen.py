"""Parzen windows against sums written out, SciPy's kernel densities and the protocol of 2014."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from genkeras.evaluation import ParzenWindow, choose_sigma, parzen_log_likelihood


def summed(samples, sigma, x):
    """log mean_s prod_j Normal(x_j; s_j, sigma), one pair at a time, in extended precision."""
    samples, x = np.asarray(samples, "longdouble"), np.asarray(x, "longdouble")
    sigma, scores = np.longdouble(sigma), []
    for row in x:
        terms = np.array([-((row - s) ** 2).sum() / (2 * sigma**2) for s in samples])
        greatest = terms.max()
        scores.append(greatest + np.log(np.exp(terms - greatest).mean()))
    return np.array(scores) - samples.shape[1] * np.log(sigma * np.sqrt(2 * np.longdouble(np.pi)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 3.0])
def test_log_prob_is_the_sum_written_out_and_the_mixture(rng, sigma):
    samples, x = rng.normal(size=(20, 3)), rng.normal(size=(7, 3))
    window = ParzenWindow(samples, sigma)
    np.testing.assert_allclose(window.log_prob(x), summed(samples, sigma, x), rtol=1e-12)
    mixture = window.distribution().log_prob(x).numpy()
    np.testing.assert_allclose(window.log_prob(x), mixture, rtol=1e-12)


def test_log_prob_is_a_kernel_density_of_scipy(rng):
    samples, x = rng.normal(size=50), rng.normal(size=9)
    oracle = stats.gaussian_kde(samples, bw_method=0.3 / samples.std(ddof=1))
    scores = ParzenWindow(samples[:, None], 0.3).log_prob(x[:, None])
    np.testing.assert_allclose(scores, oracle.logpdf(x), rtol=1e-10)


def test_density_integrates_to_one(rng):
    line, plane = ParzenWindow(rng.normal(size=(5, 1)), 0.2), ParzenWindow(rng.random((4, 2)), 0.3)
    total, _ = integrate.quad(lambda v: np.exp(line.log_prob([[v]])[0]), -6, 6, limit=500)
    assert total == pytest.approx(1, abs=1e-7)
    # Of a function this smooth the trapezoid sum on a fine grid is exact but for its tails.
    side, step = np.linspace(-3, 4, 141, retstep=True)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    assert np.exp(plane.log_prob(points)).sum() * step**2 == pytest.approx(1, abs=1e-9)


def test_images_in_784_dimensions_keep_their_digits(rng):
    samples = (rng.random((30, 784)) < 0.2).astype("float32") * rng.random((30, 784))
    x = np.concatenate([samples[:3], samples[:3] + 1e-4, rng.random((3, 784))])
    scores = ParzenWindow(samples.astype("float32"), 0.1).log_prob(x.astype("float32"))
    expected = summed(samples.astype("float32"), 0.1, x.astype("float32"))
    # Terms of up to 784 in |x|^2 + |s|^2 - 2 x.s, divided by 2 sigma^2 = 0.02, each summed over
    # 784 pixels with rounding errors of at most 784 * 2^-53 of them.
    assert np.abs(scores - expected).max() < 4 * 784 / 0.02 * 784 * 2**-53


def test_data_far_from_the_origin_score_as_near_it(rng):
    samples, x = rng.integers(100, size=(2, 9, 3)) / 64  # so that adding 2^24 rounds nothing
    near = ParzenWindow(samples, 0.1).log_prob(x)
    far = ParzenWindow(samples + 2.0**24, 0.1).log_prob(x + 2.0**24)
    # The mean of the samples is rounded by 2^24 * 2^-53, the distances of at most 3 by as much.
    np.testing.assert_allclose(far, near, atol=6 * 2.0**-29 * 9 / 0.01)


def test_scores_far_from_all_samples_are_finite():
    far = ParzenWindow(np.zeros((2, 1)), 0.01).log_prob([[10.0]])
    expected = -(1000**2) / 2 - math.log(0.01 * math.sqrt(2 * math.pi))
    assert far == pytest.approx([expected])


def test_batches_and_shapes_of_examples_do_not_matter(rng):
    samples, x = rng.random((6, 4, 3)), rng.random((1203, 4, 3))
    window = ParzenWindow(samples, 0.5)
    scores = window.log_prob(x)
    assert scores.shape == (1203,) and scores.dtype == "float64"
    alone = [window.log_prob(x[[row]].reshape(1, 12))[0] for row in (0, 499, 500, 1202)]
    np.testing.assert_allclose(scores[[0, 499, 500, 1202]], alone, rtol=1e-12)


def test_sigma_is_the_most_likely_candidate_on_the_first_thousand(rng):
    samples, valid = rng.normal(size=(40, 2)), rng.normal(size=(1000, 2))
    sigmas = [0.05, 0.2, 0.6, 2.0, 9.0]
    means = [summed(samples, sigma, valid[:200]).mean() for sigma in sigmas]
    assert choose_sigma(samples, valid[:200], sigmas) == sigmas[int(np.argmax(means))] == 0.6
    # One row so far away decides alone for the widest window, if it is asked.
    far = np.full((1, 2), 1e4)
    assert choose_sigma(samples, np.concatenate([valid, far]), sigmas) == 0.6
    assert choose_sigma(samples, np.concatenate([valid[1:], far]), sigmas) == 9.0


def test_candidates_are_those_of_the_papers_code(rng):
    candidates = [10 ** (-1 + k / 9) for k in range(10)]
    scales = [*candidates, 0.01, 10.0]
    # Among many samples at one point the best width is the spread of the data.
    chosen = [choose_sigma(np.zeros((1, 50)), s * rng.normal(size=(400, 50))) for s in scales]
    assert chosen == pytest.approx([*candidates, 0.1, 1.0])


def test_log_likelihood_is_the_mean_with_its_standard_error(rng):
    samples, valid, test = (rng.normal(size=(n, 2)) for n in (30, 25, 20))
    mean, error, sigma = parzen_log_likelihood(samples, valid, test)
    assert sigma == choose_sigma(samples, valid)
    scores = summed(samples, sigma, test).astype("float64")
    assert mean == pytest.approx(scores.mean(), rel=1e-10)
    assert error == pytest.approx(stats.sem(scores), rel=1e-10)
    assert {type(value) for value in (mean, error, sigma)} == {float}
    assert parzen_log_likelihood(samples, valid, test, sigmas=[0.7])[2] == 0.7
    assert math.isnan(parzen_log_likelihood(samples, valid, test[:1])[1])


def test_one_candidate_may_be_a_number(rng):
    samples, x = rng.normal(size=(50, 2)), rng.normal(size=(20, 2))
    assert parzen_log_likelihood(samples, x, x, 0.3) == parzen_log_likelihood(samples, x, x, [0.3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ParzenWindow(x[:0], 1.0), r"samples of shape .*Received: shape \(0, 4\)"),
        (lambda x: ParzenWindow(x[0], 1.0), r"samples of shape .*Received: shape \(4,\)"),
        (lambda x: ParzenWindow(x * np.nan, 1.0), "samples of finite numbers.*Received: NaN"),
        (lambda x: ParzenWindow(x, 0), "sigma .*Received: 0"),
        (lambda x: ParzenWindow(x, math.nan), "sigma .*Received: nan"),
        (lambda x: ParzenWindow(x, math.inf), "sigma .*Received: inf"),
        (lambda x: ParzenWindow(x, "0.1"), "sigma .*Received: '0.1'"),
        (lambda x: ParzenWindow(x, 1).log_prob(x[:, :3]), r"\(n, 4\). Received: shape \(5, 3\)"),
        (lambda x: ParzenWindow(x, 1).log_prob(x[:0]), r"x of shape .*Received: shape \(0, 4\)"),
        (lambda x: ParzenWindow(x, 1).log_prob(1.0), r"x of shape .*Received: shape \(\)"),
        (lambda x: ParzenWindow(x, 1).log_prob(x / 0), "x of finite numbers.*Received: NaN"),
        (lambda x: choose_sigma(x, x, []), "one candidate for sigma. Received: none"),
        (lambda x: choose_sigma(x, x[:0]), r"x of shape .*Received: shape \(0, 4\)"),
        (lambda x: choose_sigma(x, x, [-1.0]), "sigma .*Received: -1.0"),
        (lambda x: parzen_log_likelihood(x, x, x[:0]), r"one example. Received: shape \(0, 4\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=f"Expected .*{message}"):
        call(np.ones((5, 4)))
