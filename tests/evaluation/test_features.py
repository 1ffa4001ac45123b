"""Frechet distance against closed forms, precision and recall against loops, neighbours."""

import numpy as np
import pytest
from scipy import linalg, spatial

from genkeras.evaluation import frechet_distance, nearest_neighbours, precision_recall


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_moments(rng, mean, covariance, n=40):
    """Rows whose sample mean and covariance are these exactly."""
    x = rng.normal(size=(n, len(mean)))
    white = (x - x.mean(axis=0)) @ linalg.inv(linalg.cholesky(np.cov(x, rowvar=False)))
    return mean + white @ linalg.sqrtm(covariance)


def test_frechet_distance_of_diagonal_gaussians(rng):
    means, stds = rng.normal(size=(2, 5)), rng.uniform(0.1, 3, size=(2, 5))
    first, second = (with_moments(rng, m, np.diag(s**2)) for m, s in zip(means, stds, strict=True))
    expected = ((means[0] - means[1]) ** 2).sum() + ((stds[0] - stds[1]) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-10)
    assert isinstance(frechet_distance(first, second), float)


def test_frechet_distance_of_numbers(rng):
    first, second = with_moments(rng, [1.0], [[4.0]]), with_moments(rng, [3.0], [[25.0]], n=70)
    assert frechet_distance(first, second) == pytest.approx(2**2 + 3**2, rel=1e-10)


@pytest.mark.parametrize("d", [2, 7])
def test_frechet_distance_is_the_formula_with_matrix_roots(rng, d):
    first = rng.normal(size=(50, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    second = rng.normal(size=(80, d)) @ rng.normal(size=(d, d))
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = first.mean(axis=0) - second.mean(axis=0)
    expected = shift @ shift + np.trace(one + two - 2 * linalg.sqrtm(one @ two).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_equal_sets_is_zero_and_of_moved_ones_the_step(rng):
    for n in (200, 5):  # of full rank, and of rank 4 in 8 dimensions
        x = rng.normal(size=(n, 8)) * np.geomspace(1e-3, 10, 8)
        scale = x.var(axis=0, ddof=1).sum()
        # A root of a vanishing eigenvalue would leave 1e-8 of the scale, a singular value 1e-16.
        assert 0 <= frechet_distance(x, x) < 1e-13 * scale
        assert 0 <= frechet_distance(x, x[::-1]) < 1e-13 * scale
        assert frechet_distance(x, x + 2) == pytest.approx(8 * 2**2, rel=1e-12)


def test_frechet_distance_of_singular_covariances(rng):
    # On lines through the origin at an angle t the overlap of deviations s and u is s u |cos t|.
    s, u, t = 2.0, 0.5, 0.7
    along = with_moments(rng, [0.0], [[1.0]])
    first = s * along * np.eye(9)[0]
    second = u * along[::-1] * (np.cos(t) * np.eye(9)[0] - np.sin(t) * np.eye(9)[3])
    expected = s**2 + u**2 - 2 * s * u * np.cos(t)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-10)
    few, other = rng.normal(size=(4, 30)), rng.normal(size=(6, 30))
    eigenvalues = np.linalg.eigvals(np.cov(few, rowvar=False) @ np.cov(other, rowvar=False))
    largest = np.sort(np.abs(eigenvalues))[-3:]  # the covariance of four rows has rank 3
    expected = (
        ((few.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
        + few.var(axis=0, ddof=1).sum()
        + other.var(axis=0, ddof=1).sum()
        - 2 * np.sqrt(largest).sum()
    )
    assert frechet_distance(few, other) == pytest.approx(expected, rel=1e-10)


def share_near(points, members, k):
    """The share of points within some member's k-th neighbour, one pair at a time."""
    near = 0
    for point in points:
        for i, member in enumerate(members):
            others = np.delete(members, i, axis=0)
            radius = np.sort([np.linalg.norm(member - other) for other in others])[k - 1]
            if np.linalg.norm(point - member) <= radius:
                near += 1
                break
    return near / len(points)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_are_the_shares_counted_by_loops(rng, k):
    real, fake = rng.normal(size=(40, 3)), 1 + 0.9 * rng.normal(size=(30, 3))
    precision, recall = precision_recall(real, fake, k)
    assert (precision, recall) == (share_near(fake, real, k), share_near(real, fake, k))
    assert 0 < precision < 1 and 0 < recall < 1 and precision != recall
    assert precision_recall(fake, real, k) == (recall, precision)
    if k == 3:
        assert precision_recall(real, fake) == (precision, recall)


def test_precision_and_recall_of_equal_and_of_far_sets(rng):
    x = rng.normal(size=(100, 4))
    assert precision_recall(x, x) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_samples_of_half_of_the_data_have_precision_one_and_recall_a_half(rng):
    real = rng.normal(size=(300, 2))
    real[:150] += 50
    fake = real[rng.permutation(150)]
    assert precision_recall(real, fake) == (1, 0.5)


def test_samples_all_at_one_point_of_the_data_recall_that_point(rng):
    real = 10 * rng.random((50, 20))
    # All radii are 0, so that a distance of 1e-7 between equal points would lose them.
    found = {precision_recall(real, np.tile(row, (30, 1))) for row in real}
    assert found == {(1, 1 / 50)}


def test_far_from_the_origin_distances_are_as_near_it(rng):
    real, fake = rng.integers(100, size=(2, 60, 2)) / 64  # so that adding 2^24 rounds nothing
    near, _ = nearest_neighbours(fake, real)
    far, _ = nearest_neighbours(fake + 2.0**24, real + 2.0**24)
    # |a|^2, 2ab and |b|^2 of at most 2 (100 / 64)^2 from the centre, each of a few roundings.
    np.testing.assert_allclose(far**2, near**2, rtol=0, atol=16 * 5 * 2.0**-53)
    assert precision_recall(real + 2.0**24, fake + 2.0**24) == precision_recall(real, fake)


def test_precision_counts_every_block_of_rows(rng):
    real = rng.normal(size=(60, 2))
    fake = np.concatenate([real[rng.integers(60, size=1500)], np.full((1000, 2), 99.0)])
    assert precision_recall(real, fake)[0] == 0.6


@pytest.mark.parametrize("count", [1, 4, 30])
def test_nearest_neighbours_are_those_of_sorted_distances(rng, count):
    samples, data = rng.random((9, 4, 5)), rng.random((30, 4, 5))
    distances, rows = nearest_neighbours(samples, data, count)
    every = spatial.distance.cdist(samples.reshape(9, 20), data.reshape(30, 20))
    np.testing.assert_array_equal(rows, every.argsort(axis=1)[:, :count])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :count], rtol=1e-10)
    assert distances.dtype == "float64" and rows.dtype == "int64"


def test_the_nearest_neighbour_of_a_copy_is_its_source(rng):
    data = rng.random((50, 64)).astype("float32")
    distances, rows = nearest_neighbours(data[[3, 30, 7]], data)
    assert rows.tolist() == [[3], [30], [7]]
    # A difference of squares of norm below 64, rounded: the root of 64 * 64 * 2^-53.
    assert distances.max() < 2 * np.sqrt(64 * 64 * 2**-53)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: frechet_distance(x[:1], x), "first of at least two rows. Received: 1"),
        (lambda x: frechet_distance(x, x[:1]), "second of at least two rows. Received: 1"),
        (lambda x: frechet_distance(x[0], x), r"first of shape .*Received: shape \(2,\)"),
        (lambda x: frechet_distance(x, x[:, :1]), r"second of shape \(n, 2\).*shape \(6, 1\)"),
        (lambda x: frechet_distance(x, x * np.nan), "second of finite numbers.*Received: NaN"),
        (lambda x: precision_recall(x[:3], x), "real of more rows .*=3. Received: 3 rows"),
        (lambda x: precision_recall(x, x[:5], 5), "fake of more rows .*=5. Received: 5 rows"),
        (lambda x: precision_recall(x, x, 0), "num_neighbours .*Received: .*0"),
        (lambda x: precision_recall(x, x, 1.5), "num_neighbours .*Received: .*1.5"),
        (lambda x: precision_recall(x, x[:, :1]), r"fake of shape \(n, 2\).*shape \(6, 1\)"),
        (lambda x: precision_recall(x * np.inf, x), "real of finite numbers"),
        (lambda x: nearest_neighbours(x, x, 7), "data of at least count=7 rows. Received: 6"),
        (lambda x: nearest_neighbours(x, x, 0), "count .*Received: .*0"),
        (lambda x: nearest_neighbours(x[:, :1], x), r"samples of shape \(n, 2\).*shape \(6, 1\)"),
        (lambda x: nearest_neighbours(x[:0], x), r"samples of shape .*shape \(0, 2\)"),
        (lambda x: nearest_neighbours(x, x[:0]), r"data of shape .*shape \(0, 2\)"),
        (lambda x: nearest_neighbours(x, x * np.nan), "data of finite numbers"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        call(np.arange(1.0, 13).reshape(6, 2))
