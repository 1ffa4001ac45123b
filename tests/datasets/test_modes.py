"""The ring and the grid of Gaussians: centres, moments, shares, seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from genkeras.datasets import GRID_STD, RING_STD, grid, grid_centres, ring, ring_centres

MIXTURES = pytest.mark.parametrize(
    ("load", "centres", "std"),
    [(ring, ring_centres(), RING_STD), (grid, grid_centres(), GRID_STD)],
)


def splits(data):
    return [data.train, data.valid, data.test]


def test_centres_and_widths_are_those_of_the_paper():
    assert (RING_STD, GRID_STD) == (0.01, 0.05)
    around = [(math.cos(math.pi * i / 4), math.sin(math.pi * i / 4)) for i in range(8)]
    np.testing.assert_allclose(ring_centres(), around, atol=1e-15)
    lattice = [(i, j) for i in (-4, -2, 0, 2, 4) for j in (-4, -2, 0, 2, 4)]
    assert grid_centres().tolist() == [list(map(float, point)) for point in lattice]
    assert ring_centres().dtype == grid_centres().dtype == "float64"


@MIXTURES
def test_splits_and_their_description(load, centres, std):
    data = load(200, seed=3)
    assert [len(split) for split in splits(data)] == [200, 20, 20]
    assert all(s.x.shape[1:] == (2,) and s.x.dtype == "float32" for s in splits(data))
    assert all(s.labels.dtype == "int64" for s in splits(data))
    assert (data.name, data.num_labels, data.num_levels) == (load.__name__, len(centres), None)
    assert len(data.feature_names) == data.num_features == 2
    for words in ("200 / 20 / 20", f"{len(centres)} equally", f"deviation {std};", "seed 3."):
        assert words in data.protocol
    assert [len(split) for split in splits(load())] == [100_000, 10_000, 10_000]


@MIXTURES
def test_points_are_normal_around_the_centre_of_their_label(load, centres, std):
    n = 50_000
    data = load(n, seed=0)
    noise = (data.train.x.astype("float64") - centres[data.train.labels]) / std
    # The points are float32 numbers: each error is at most 2^-24 of a coordinate of at most 5.
    rounding = 5 * 2**-24 / std
    # Five standard deviations each of a mean, a variance and a covariance: together a false alarm
    # in fewer than one of 100,000.
    assert np.abs(noise.mean(axis=0)).max() < 5 / math.sqrt(n) + rounding
    moments = noise.T @ noise / n
    assert np.abs(np.diag(moments) - 1).max() < 5 * math.sqrt(2 / n) + 10 * rounding
    assert abs(moments[0, 1]) < 5 / math.sqrt(n) + 10 * rounding
    # A squared radius of two normals is exponential; a false alarm in one of 100,000.
    assert stats.kstest((noise**2).sum(axis=1) / 2, "expon").pvalue > 1e-5
    per_centre = [noise[data.train.labels == label].mean(axis=0) for label in range(len(centres))]
    counts = np.bincount(data.train.labels)
    assert (np.abs(per_centre).max(axis=1) < 5.5 / np.sqrt(counts) + rounding).all()


@MIXTURES
def test_labels_are_the_nearest_centres(load, centres, std):
    for split in splits(load(5000, seed=1)):
        # Centres are at least 38 standard deviations apart.
        distances = np.linalg.norm(split.x[:, None] - centres, axis=-1)
        np.testing.assert_array_equal(distances.argmin(axis=1), split.labels)


@MIXTURES
def test_gaussians_are_equally_likely(load, centres, std):
    for split in splits(load(50_000, seed=2)):
        counts = np.bincount(split.labels, minlength=len(centres))
        # A false alarm in one of 100,000; equal counts, which no draw gives, would be one too.
        assert 1e-5 < stats.chisquare(counts).pvalue < 1 - 1e-5


@MIXTURES
def test_a_seed_repeats_and_another_differs(load, centres, std):
    first, again, other = load(100, seed=7), load(100, seed=7), load(100, seed=8)
    for one, two, three in zip(splits(first), splits(again), splits(other), strict=True):
        np.testing.assert_array_equal(one.x, two.x)
        np.testing.assert_array_equal(one.labels, two.labels)
        assert (one.x != three.x).all()


@MIXTURES
def test_splits_share_no_row(load, centres, std):
    data = load(1000, seed=0)
    rows = np.concatenate([split.x for split in splits(data)])
    assert len(np.unique(rows, axis=0)) == len(rows) == 1200
    # Nor do they share the noise around other centres.
    noise = [(s.x[:100] - centres[s.labels[:100]]) / std for s in splits(data)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(noise[i] - noise[j]).max(axis=1).min() > 1e-3


@MIXTURES
@pytest.mark.parametrize("number", [9, 0, -10, 100.0, True, "100"])
def test_bad_numbers_are_refused(load, centres, std, number):
    with pytest.raises(
        ValueError, match=f"Expected num_examples .*>= 10. Received: num_examples={number!r}"
    ):
        load(number)


@MIXTURES
def test_numpy_integers_are_numbers_too(load, centres, std):
    assert len(load(np.int64(30), seed=np.int64(0)).train) == 30
