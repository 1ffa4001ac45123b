"""Scores of models with a bound, through models that answer in closed form."""

import collections
import math

import numpy as np
import pytest
from scipy import stats

from genkeras.evaluation import active_units, codebook_use, importance_nll


class Recording:
    """Log densities of independent normals; remembers what it was asked for."""

    def __init__(self):
        self.calls = []

    def estimate_log_prob(self, x, num_importance_samples, condition=None, seed=None):
        labels = None if condition is None else condition.tolist()
        self.calls.append((len(x), num_importance_samples, labels, seed))
        mean = 0.0 if condition is None else condition[:, np.newaxis]
        return stats.norm(mean, 1).logpdf(x).sum(axis=1).astype("float32")


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(23, 3))


@pytest.mark.parametrize("batch_size", [1, 5, 23, 500])
def test_importance_nll_is_the_mean_over_all_rows_and_its_standard_error(x, batch_size):
    model = Recording()
    mean, error = importance_nll(model, x, 7, batch_size=batch_size)
    nll = -stats.norm.logpdf(x).sum(axis=1)
    assert mean == pytest.approx(nll.mean(), rel=1e-6)
    assert error == pytest.approx(stats.sem(nll), rel=1e-5)
    assert isinstance(mean, float) and isinstance(error, float)
    assert {draws for _, draws, _, _ in model.calls} == {7}
    assert sum(rows for rows, *_ in model.calls) == 23
    assert max(rows for rows, *_ in model.calls) == min(batch_size, 23)


def test_importance_nll_draws_anew_for_each_batch_and_repeats_with_its_seed(x):
    seeds = []
    for seed in (0, 0, 4):
        model = Recording()
        importance_nll(model, x, 2, batch_size=5, seed=seed)
        seeds.append([call[-1] for call in model.calls])
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(set(seeds[0])) == 5


def test_importance_nll_gives_each_row_its_label(x):
    model, labels = Recording(), np.arange(23) % 4
    mean, _ = importance_nll(model, x, 2, labels, batch_size=10)
    expected = -stats.norm.logpdf(x - labels[:, np.newaxis]).sum(axis=1).mean()
    assert mean == pytest.approx(expected, rel=1e-6)
    assert sum((call[2] for call in model.calls), []) == labels.tolist()


def test_importance_nll_of_one_example_has_no_standard_error(x):
    mean, error = importance_nll(Recording(), x[:1], 2)
    assert mean == pytest.approx(-stats.norm.logpdf(x[0]).sum(), rel=1e-6)
    assert math.isnan(error)


class Codes:
    def __init__(self, layers=1):
        self.layers = layers

    def posterior_mean(self, x, condition=None):
        """Latents with variances 4, 0.0099, 0.0101 and 0 over x = -1, 1; a label is added."""
        codes = x * np.array([math.sqrt(2), math.sqrt(0.0099 / 2), math.sqrt(0.0101 / 2), 0.0])
        if condition is not None:
            codes = codes + np.asarray(condition)[:, np.newaxis]
        if self.layers == 1:
            return codes
        return collections.namedtuple("Layers", ["h1", "h2"])(codes, codes[:, 2:])


SIGNS = np.array([[-1.0], [1.0]])


def test_active_units_are_those_whose_mean_varies_more_than_the_threshold():
    assert active_units(Codes(), SIGNS).tolist() == [True, False, True, False]
    assert active_units(Codes(), SIGNS, threshold=0.02).tolist() == [True, False, False, False]
    assert active_units(Codes(), SIGNS, threshold=0).tolist() == [True, True, True, False]
    assert active_units(Codes(), SIGNS[[0, 0]]).tolist() == [False] * 4


def test_active_units_depend_on_the_labels():
    assert active_units(Codes(), SIGNS, condition=[3, 3]).tolist() == [True, False, True, False]
    assert active_units(Codes(), SIGNS, condition=[3, 4]).tolist() == [True] * 4


def test_active_units_of_two_layers():
    first, second = active_units(Codes(layers=2), SIGNS)
    assert first.tolist() == [True, False, True, False]
    assert second.tolist() == [True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: importance_nll(Codes(), x, 2), "with estimate_log_prob; .* Received: Codes"),
        (lambda x: active_units(Recording(), x), "with posterior_mean; .* Received: Recording"),
        (lambda x: importance_nll(Recording(), x[:0], 2), "at least one example. Received: shape"),
        (lambda x: importance_nll(Recording(), 1.0, 2), "at least one example. Received: shape"),
        (lambda x: importance_nll(Recording(), x, 2, batch_size=0), "batch_size .*Received: .*0"),
        (
            lambda x: importance_nll(Recording(), x, 2, batch_size=2.5),
            "batch_size .*Received: .*2.5",
        ),
        (
            # Batches of 23 rows would otherwise never see the one label too many.
            lambda x: importance_nll(Recording(), x, 2, np.zeros(24, int), batch_size=23),
            r"condition of shape \(23,\).*Received: shape \(24,\)",
        ),
        (lambda x: importance_nll(Recording(), x, 2, 1), r"shape \(23,\).*Received: shape \(\)"),
        (lambda x: importance_nll(Recording(), x, 2, seed=None), "seed .*Received: .*None"),
        (lambda x: importance_nll(Recording(), x, 2, seed=0.5), "seed .*Received: .*0.5"),
        (lambda x: active_units(Codes(), SIGNS[:1]), r"two examples. Received: shape \(1, 1\)"),
        (lambda x: active_units(Codes(), SIGNS[:0]), r"two examples. Received: shape \(0, 1\)"),
        (lambda x: active_units(Codes(), 1.0), r"two examples. Received: shape \(\)"),
        (lambda x: active_units(Codes(), SIGNS, threshold=-1), "threshold .*Received: -1"),
        (lambda x: active_units(Codes(), SIGNS, threshold=np.nan), "threshold .*Received: nan"),
        (lambda x: active_units(Codes(), SIGNS, threshold="a"), "threshold .*Received: 'a'"),
    ],
)
def test_bad_input_is_refused(x, call, message):
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        call(x)


def test_use_of_a_codebook_is_counted_and_weighed():
    tokens = np.array([[[0, 0], [0, 0]], [[2, 2], [3, 3]]])  # shares 1/2, 1/4, 1/4
    used, perplexity = codebook_use(tokens, 5)
    assert used == 3
    assert perplexity == pytest.approx(2**1.5)  # an entropy of 1.5 bits
    assert codebook_use(np.arange(7), 7) == (7, pytest.approx(7))


@pytest.mark.parametrize(
    ("tokens", "num_tokens"), [([], 3), ([3], 3), ([-1], 3), ([0.5], 3), ([0], 0), ([0], 1.5)]
)
def test_use_of_tokens_that_do_not_exist_is_refused(tokens, num_tokens):
    with pytest.raises(ValueError, match="Expected .*tokens"):
        codebook_use(tokens, num_tokens)


def test_active_units_of_a_model_whose_codes_know_no_labels():
    class Labelless:
        def posterior_mean(self, x):
            return Codes().posterior_mean(x, None)

    assert active_units(Labelless(), SIGNS).tolist() == [True, False, True, False]
