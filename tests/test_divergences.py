"""Divergences against closed forms, quadrature and repeated runs."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, stats

from genkeras import divergences

tfd = tfp.distributions

# |estimate - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
PAIRS = [((0.0, 1.0), (1.0, 2.0)), ((-2.0, 0.5), (0.5, 0.7)), ((1.0, 1.0), (1.0, 1.0))]


def kl_of_normals(q, p):
    """log(s_p / s_q) + (s_q^2 + (m_q - m_p)^2) / (2 s_p^2) - 1/2."""
    (q_loc, q_scale), (p_loc, p_scale) = q, p
    square = (q_scale**2 + (q_loc - p_loc) ** 2) / (2 * p_scale**2)
    return math.log(p_scale / q_scale) + square - 0.5


def js_of_normals(p, q):
    def integrand(x):
        p_x, q_x = stats.norm.pdf(x, *p), stats.norm.pdf(x, *q)
        middle = (p_x + q_x) / 2
        return sum(0.5 * d * math.log(d / middle) for d in (p_x, q_x) if d > 0)

    return integrate.quad(integrand, -45, 45, limit=400, points=[p[0], q[0]])[0]


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_kl_of_normals_is_the_closed_form(q, p):
    value = divergences.kl(tfd.Normal(*q), tfd.Normal(*p))
    assert value.numpy() == pytest.approx(kl_of_normals(q, p), rel=1e-5, abs=1e-6)


def test_kl_of_bernoullis_is_the_sum_over_both_values():
    q, p = np.float32([0.1, 0.5, 0.9]), np.float32([0.2, 0.5, 0.3])
    expected = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    value = divergences.kl(tfd.Bernoulli(probs=q), tfd.Bernoulli(probs=p))
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)


def test_kl_without_a_formula_says_so():
    with pytest.raises(NotImplementedError, match="No KL"):
        divergences.kl(tfd.Normal(0.0, 1.0), tfd.Gamma(1.0, 1.0))


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_monte_carlo_kl_lies_within_its_error_of_the_closed_form(q, p):
    estimate, error = divergences.monte_carlo_kl(tfd.Normal(*q), tfd.Normal(*p), 4000, seed=1)
    assert abs(estimate - kl_of_normals(q, p)) <= Z * error + 1e-6


@pytest.mark.parametrize(("p", "q"), [*PAIRS, ((-30.0, 1.0), (30.0, 1.0))])
def test_jensen_shannon_lies_within_its_error_of_quadrature(p, q):
    estimate, error = divergences.jensen_shannon(tfd.Normal(*p), tfd.Normal(*q), 4000, seed=1)
    assert abs(estimate - js_of_normals(p, q)) <= Z * error + 1e-5


def test_jensen_shannon_is_0_for_equal_and_log_2_for_disjoint_distributions():
    one = tfd.Normal(0.0, 1.0)
    low, high = tfd.Uniform(0.0, 1.0), tfd.Uniform(2.0, 3.0)
    for p, q, expected in ((one, one, 0), (low, high, math.log(2))):
        estimate, _ = divergences.jensen_shannon(p, q, 100, seed=0)
        assert estimate.numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("divergence", [divergences.monte_carlo_kl, divergences.jensen_shannon])
def test_standard_error_is_the_spread_of_repeated_runs(divergence):
    runs = 300
    batch = np.zeros(runs, "float32")
    estimates, errors = divergence(tfd.Normal(batch, 1.0), tfd.Normal(batch + 1, 2.0), 200, seed=7)
    # The sample standard deviation of 300 normals is within 4.5 / sqrt(600) = 18% of the truth.
    assert np.std(estimates, ddof=1) == pytest.approx(np.mean(errors), rel=Z / math.sqrt(2 * runs))


@pytest.mark.parametrize("divergence", [divergences.monte_carlo_kl, divergences.jensen_shannon])
def test_a_seed_repeats_and_another_differs(divergence):
    q, p = tfd.Normal(0.0, 1.0), tfd.Normal(1.0, 2.0)
    first, again, other = (float(divergence(q, p, 50, seed=s)[0]) for s in (1, 1, 2))
    pair = float(divergence(q, p, 50, seed=tf.constant([1, 0]))[0])
    assert first == again == pair
    assert first != other


def test_jensen_shannon_draws_each_half_with_its_own_seed():
    # With one seed for both halves, mirrored normals would give two equal halves.
    class Recording:
        def __init__(self, loc):
            self.normal, self.draws = tfd.Normal(loc, 1.0), []

        def sample(self, count, seed):
            self.draws.append(self.normal.sample(count, seed=seed).numpy() - self.normal.loc)
            return self.draws[-1] + self.normal.loc

        def log_prob(self, x):
            return self.normal.log_prob(x)

    p, q = Recording(0.0), Recording(2.0)
    divergences.jensen_shannon(p, q, 20, seed=0)
    assert np.max(np.abs(p.draws[0] - q.draws[0])) > 0.1


@pytest.mark.parametrize("divergence", [divergences.monte_carlo_kl, divergences.jensen_shannon])
@pytest.mark.parametrize("count", [1, 0, 2.5])
def test_too_few_draws(divergence, count):
    with pytest.raises(ValueError, match=f"num_samples.*>= 2. Received: num_samples={count}"):
        divergence(tfd.Normal(0.0, 1.0), tfd.Normal(0.0, 1.0), count, seed=0)


def test_seeds_are_whole_numbers_of_any_size():
    q, p = tfd.Normal(0.0, 1.0), tfd.Normal(1.0, 1.0)
    small, large = (divergences.monte_carlo_kl(q, p, 100, seed)[0] for seed in (7, 2**31 + 7))
    assert small != large
    with pytest.raises(ValueError, match="Expected seed to be a whole number"):
        divergences.monte_carlo_kl(q, p, 100, seed=None)
