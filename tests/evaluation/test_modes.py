"""Coverage of modes on samples laid by hand, whose counts are known, and against SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from genkeras.evaluation import ModeCoverage, class_coverage, class_entropy, mode_coverage

CORNERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


def test_counts_of_samples_laid_by_hand():
    samples = [
        [0.1, 0.0],
        [0.0, 0.5],
        [3.6, 0.3],  # 0.5 from the second corner
        [0.0, 4.8],  # within 2 of the third corner's 0.5, not of its 0.3
        [2.1, 2.1],  # near none
    ]
    found = mode_coverage(samples, CORNERS, std=0.5, threshold=2)
    # Shares 1/2, 1/4, 1/4 and 0 of four good samples.
    kl = 0.5 * math.log(2) + 0.5 * math.log(1)
    assert (found.modes, found.high_quality) == (3, 0.8)
    assert found.reverse_kl == pytest.approx(kl)
    assert {type(v) for v in (found.high_quality, found.reverse_kl)} == {float}
    narrow = mode_coverage(samples, CORNERS, std=0.3, threshold=2)
    assert (narrow.modes, narrow.high_quality) == (2, 0.6)
    assert narrow.reverse_kl == pytest.approx(stats.entropy([2, 1, 0, 0], [1, 1, 1, 1]))


def test_threshold_is_three_standard_deviations_of_euclidean_distance():
    # Powers of two, so that distances are exact; the diagonal counts as one length.
    assert mode_coverage([[0.75, 0.0]], CORNERS, std=0.25).modes == 1
    assert mode_coverage([[np.nextafter(0.75, 1), 0.0]], CORNERS, std=0.25).modes == 0
    assert mode_coverage([[0.625, 0.625]], CORNERS, std=0.25).modes == 0
    assert mode_coverage([[0.5, 0.5]], CORNERS, std=0.25).modes == 1
    assert mode_coverage([[0.375, 0.0]], CORNERS, std=0.25, threshold=1.5).modes == 1
    assert mode_coverage([[0.375, 0.0]], CORNERS, std=0.25, threshold=1.25).modes == 0


def test_no_good_sample_covers_nothing():
    found = mode_coverage([[2.0, 2.0], [90.0, 0.0]], CORNERS, std=0.1)
    assert (found.modes, found.high_quality) == (0, 0.0)
    assert math.isnan(found.reverse_kl)


def test_kl_is_zero_of_equal_shares_and_log_n_of_one_mode():
    noise = np.tile([[0.01, -0.02], [0.0, 0.03], [-0.01, 0.0]], (4, 1))
    even = mode_coverage(np.repeat(CORNERS, 3, axis=0) + noise, CORNERS, std=0.05)
    assert even == ModeCoverage(4, 1.0, pytest.approx(0, abs=1e-15))
    lost = mode_coverage(CORNERS[[2] * 12] + noise, CORNERS, std=0.05)
    assert lost == ModeCoverage(1, 1.0, pytest.approx(math.log(4)))


def test_shares_of_known_gaussians_are_found():
    rng = np.random.default_rng(0)
    weights, n = np.array([0.7, 0.2, 0.1, 0]), 20_000
    labels = rng.choice(4, size=n, p=weights)
    found = mode_coverage(CORNERS[labels] + 0.1 * rng.normal(size=(n, 2)), CORNERS, std=0.1)
    # A squared distance of two normals is exponential: P(within 3 std) = 1 - exp(-9/2). Five
    # standard deviations: a false alarm in fewer than one of a million.
    good = -math.expm1(-4.5)
    assert found.high_quality == pytest.approx(good, abs=5 * math.sqrt(good * (1 - good) / n))
    expected = stats.entropy(weights, np.full(4, 0.25))
    # The KL's derivative in a share is log(4 share) + 1, below 2.1 (and its slope 1 / share at
    # the least share, 10, times squared deviations, is far below).
    assert found.modes == 3
    assert found.reverse_kl == pytest.approx(expected, abs=5 * 2.1 * math.sqrt(0.25 / n))


def test_samples_belong_to_the_nearest_centre():
    line = np.array([[0.0], [1.0], [10.0]])
    assert mode_coverage(line, line, std=0.5).modes == 3
    # 0.6 is good for both of the first two.
    assert mode_coverage([[0.6], [1.0]], line, std=0.5).modes == 1


def test_any_dimension_will_do():
    centres = np.eye(5)
    assert mode_coverage(centres[:2], centres, std=0.1) == ModeCoverage(
        2, 1.0, pytest.approx(math.log(5 / 2))
    )


def test_classes_are_counted():
    found = class_coverage([3, 3, 0, 9, 3, 0], 10)
    kl = stats.entropy([2, 0, 0, 3, 0, 0, 0, 0, 0, 1], np.ones(10))
    assert found == ModeCoverage(3, 1.0, pytest.approx(kl))
    assert class_coverage(np.arange(1000), 1000) == ModeCoverage(
        1000, 1.0, pytest.approx(0, abs=1e-12)
    )


@pytest.mark.parametrize("counts", [[5, 3, 2], [1, 0, 7], [4, 4, 4], [0, 9, 0]])
def test_entropy_of_classes(counts):
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(3), counts))
    assert class_entropy(classes, 3) == pytest.approx(stats.entropy(counts), abs=1e-12)
    # Classes without samples add nothing.
    assert class_entropy(classes, 50) == pytest.approx(stats.entropy(counts), abs=1e-12)
    assert isinstance(class_entropy(classes, 3), float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mode_coverage(x[:0], CORNERS, 1.0), r"samples of shape .*shape \(0, 2\)"),
        (lambda x: mode_coverage(x[:, :1], CORNERS, 1.0), r"\(n, 2\). Received: shape \(3, 1\)"),
        (lambda x: mode_coverage(x[0], CORNERS, 1.0), r"\(n, 2\). Received: shape \(2,\)"),
        (lambda x: mode_coverage(x * np.nan, CORNERS, 1.0), "samples of finite numbers"),
        (lambda x: mode_coverage(x, CORNERS[0], 1.0), r"centres of shape .*shape \(2,\)"),
        (lambda x: mode_coverage(x, CORNERS * np.inf, 1.0), "centres of finite numbers"),
        (lambda x: mode_coverage(x, CORNERS, 0.0), "std .*Received: 0.0"),
        (lambda x: mode_coverage(x, CORNERS, math.nan), "std .*Received: nan"),
        (lambda x: mode_coverage(x, CORNERS, "1"), "std .*Received: '1'"),
        (lambda x: mode_coverage(x, CORNERS, 1.0, -3.0), "threshold .*Received: -3.0"),
        (lambda x: class_coverage([0, 3], 3), "classes from 0 to 2. Received: 0 to 3"),
        (lambda x: class_coverage([0, -1], 3), "classes from 0 to 2. Received: -1 to 0"),
        (lambda x: class_coverage(np.zeros(0, int), 3), r"integers .*Received: shape \(0,\)"),
        (lambda x: class_coverage([0.0, 1.0], 3), "integers .*dtype float64"),
        (lambda x: class_coverage([[0, 1]], 3), r"integers .*Received: shape \(1, 2\)"),
        (lambda x: class_coverage([0], 0), "num_classes .*Received: .*0"),
        (lambda x: class_entropy([0, 3], 3), "classes from 0 to 2. Received: 0 to 3"),
        (lambda x: class_entropy([0], 0), "num_classes .*Received: .*0"),
        (lambda x: class_entropy([], 3), r"integers .*Received: shape \(0,\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=f"Expected .*{message}"):
        call(np.ones((3, 2)))
