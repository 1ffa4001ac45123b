"""Data sets that come with scikit-learn: splits, standardisation, patches."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets as source

from genkeras.datasets import (
    _photographs,
    binarized_digits,
    breast_cancer,
    colour_photograph_patches,
    diabetes,
    digits,
    korean_numbers,
    photograph_patches,
    scenes,
    wine,
)

TABLES = {
    wine: (source.load_wine(), (106, 36, 36)),
    breast_cancer: (source.load_breast_cancer(), (341, 114, 114)),
    diabetes: (source.load_diabetes(scaled=False), (264, 89, 89)),
}


@pytest.mark.parametrize("load", [binarized_digits, korean_numbers, scenes])
def test_printing_a_data_set_says_what_it_is_and_not_all_its_rows(load):
    printed = repr(load())
    assert load.__name__ in printed and len(printed) < 2000


def splits(data):
    return [data.train, data.valid, data.test]


def sorted_rows(x):
    return x[np.lexsort(x.T)]


def test_digits_splits_hold_every_row_once():
    data = digits()
    assert [len(split) for split in splits(data)] == [1197, 300, 300]
    labelled = [np.column_stack([split.x, split.labels]) for split in splits(data)]
    original = source.load_digits()
    expected = np.column_stack([original.data, original.target])
    np.testing.assert_array_equal(sorted_rows(np.vstack(labelled)), sorted_rows(expected))
    # No image occurs twice in the source, so equal rows would mean a shared row.
    assert len(np.unique(np.vstack(labelled), axis=0)) == len(original.data)
    assert (data.num_levels, data.num_labels, data.image_shape) == (17, 10, (8, 8))
    assert all(split.x.dtype == "float32" for split in splits(data))
    assert all(split.labels.dtype == "int64" for split in splits(data))


def test_digits_split_is_this_one():
    # Published numbers stand on this split: it must not move with a version of scikit-learn.
    sums = [
        hashlib.sha256(np.column_stack([s.x, s.labels]).astype("uint8").tobytes()).hexdigest()[:16]
        for s in splits(digits())
    ]
    assert sums == ["fcfdbdbe179c3dcd", "c70809447e4538b6", "19fe5cf38e8aec03"]


def test_digits_are_stratified():
    whole = np.bincount(source.load_digits().target) / 1797
    for split in splits(digits()):
        counts = np.bincount(split.labels, minlength=10)
        assert (np.abs(counts - len(split) * whole) <= 1).all()


def test_binarized_digits_are_the_same_rows_thresholded_at_eight():
    grey, binary = digits(), binarized_digits()
    for before, after in zip(splits(grey), splits(binary), strict=True):
        np.testing.assert_array_equal(after.x, np.where(before.x > 7, 1, 0))
        np.testing.assert_array_equal(after.labels, before.labels)
    assert (binary.name, binary.num_levels) == ("binarized_digits", 2)
    assert "1 from grey level 8 up" in binary.protocol


@pytest.mark.parametrize("load", TABLES)
def test_tables_map_back_to_the_kept_columns_of_the_source(load):
    data = load()
    original, sizes = TABLES[load]
    assert tuple(len(split) for split in splits(data)) == sizes
    kept = [list(original.feature_names).index(name) for name in data.feature_names]
    back = np.vstack([data.unstandardize(split.x) for split in splits(data)])
    np.testing.assert_allclose(
        sorted_rows(back), sorted_rows(original.data[:, kept]), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("load", TABLES)
def test_tables_are_standardised_by_training_statistics_alone(load):
    data = load()
    train = data.unstandardize(data.train.x)
    np.testing.assert_allclose(data.mean, train.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(data.std, train.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(data.train.x.mean(axis=0, dtype="float64"), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.x.std(axis=0, dtype="float64"), 1, atol=1e-5)
    assert (np.abs(data.test.x.mean(axis=0)) > 1e-3).any()


@pytest.mark.parametrize("load", TABLES)
def test_tables_have_no_column_a_density_is_ill_defined_on(load):
    data = load()
    x = np.vstack([split.x for split in splits(data)])
    assert min(len(np.unique(column)) for column in x.T) >= 39
    zeros = np.isclose(data.unstandardize(x), 0, atol=1e-6).mean(axis=0)
    assert zeros.max() < 0.01
    for rows in (x, data.train.x):
        correlation = np.corrcoef(rows.T) - np.eye(data.num_features)
        assert np.abs(correlation).max() <= 0.98


@pytest.mark.parametrize("load", [wine, breast_cancer])
def test_labelled_tables_are_stratified_and_keep_labels_with_rows(load):
    data = load()
    original, _ = TABLES[load]
    kept = [list(original.feature_names).index(name) for name in data.feature_names]
    share = np.bincount(original.target) / len(original.target)
    for split in splits(data):
        assert (np.abs(np.bincount(split.labels) - len(split) * share) <= 1.5).all()
        distance = np.abs(
            ((original.data[:, kept] - data.mean) / data.std)[None] - split.x[:, None]
        ).max(axis=2)
        np.testing.assert_array_equal(original.target[distance.argmin(axis=1)], split.labels)
    assert data.num_labels == len(share)


def test_diabetes_has_no_labels():
    assert diabetes().train.labels is None
    assert diabetes().num_labels is None


@pytest.mark.parametrize("load", [digits, binarized_digits, *TABLES])
def test_loaders_repeat(load):
    for first, second in zip(splits(load()), splits(load()), strict=True):
        np.testing.assert_array_equal(first.x, second.x)


def test_tiles_of_the_splits_share_no_pixel_and_cover_the_photographs():
    shapes = [(427, 640), (427, 640)]
    corners = _photographs.tile_corners(shapes)
    assert {split: len(tiles) for split, tiles in corners.items()} == {
        "train": 84,
        "valid": 28,
        "test": 28,
    }
    times_used = np.zeros((2, 427, 640), int)
    for tiles in corners.values():
        for index, row, column in tiles:
            times_used[index, row : row + 61, column : column + 64] += 1
    assert (times_used == 1).all()


@pytest.mark.parametrize("size", [1, 5, 61])
def test_patches_come_from_the_tiles_of_their_split(size):
    # Each pixel of the false photograph holds its own number, so patches tell where they are from.
    photograph = np.arange(427 * 640).reshape(427, 640).astype("float32")
    data = _photographs._patches("numbers", [photograph], "grey", size, 500, seed=3)
    corners = _photographs.tile_corners([photograph.shape])
    assert [len(split) for split in splits(data)] == [300, 100, 100]
    for name in ("train", "valid", "test"):
        patches = data.images(getattr(data, name).x)
        rows, columns = np.divmod(patches.astype(int), 640)
        down, right = np.indices((size, size))
        assert (rows - rows[:, :1, :1] == down).all()
        assert (columns - columns[:, :1, :1] == right).all()
        own = {tuple(corner) for corner in corners[name][:, 1:] // [61, 64]}
        tiles = set(zip((rows // 61).ravel(), (columns // 64).ravel(), strict=True))
        assert tiles <= own
        # 100 uniform draws from 14 tiles use fewer than 9 with probability below 1e-20.
        assert len(tiles) >= 9


def test_patches_reach_every_place_of_a_tile():
    photograph = np.arange(427 * 640).reshape(427, 640).astype("float32")
    data = _photographs._patches("numbers", [photograph], "grey", 60, 5000, seed=0)
    rows, columns = np.divmod(data.train.x[:, 0].astype(int), 640)
    assert set(rows % 61) == {0, 1}
    assert set(columns % 64) == {0, 1, 2, 3, 4}


def test_grey_patches_are_the_luma_of_the_colour_patches():
    grey, colour = photograph_patches(4, 50, seed=0), colour_photograph_patches(4, 50, seed=0)
    rgb = colour.images(colour.test.x).astype("float64")
    luma = 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]
    np.testing.assert_allclose(grey.images(grey.test.x), luma, atol=0.5 + 1e-9)
    np.testing.assert_array_equal(grey.test.x, np.round(grey.test.x))
    assert (grey.image_shape, colour.image_shape) == ((4, 4), (4, 4, 3))
    assert (grey.num_features, colour.num_features) == (16, 48)
    assert grey.train.x.min() >= 0 and grey.train.x.max() <= 255
    assert colour.train.x.dtype == "float32"


def test_patches_depend_on_the_seed_only():
    first, again = photograph_patches(8, 20, seed=0), photograph_patches(8, 20, seed=0)
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert (first.train.x != photograph_patches(8, 20, seed=1).train.x).any()


@pytest.mark.parametrize("load", [photograph_patches, colour_photograph_patches])
@pytest.mark.parametrize(
    ("size", "number", "message"),
    [
        (0, 100, "patch_size to be a whole number >= 1"),
        (62, 100, "patch_size from 1 to 61. Received: 62"),
        (8.5, 100, "patch_size to be a whole number >= 1"),
        (8, 100.0, "num_patches to be a whole number >= 5"),
        (8, 4, "num_patches to be a whole number >= 5"),
    ],
)
def test_patches_out_of_range_are_refused(load, size, number, message):
    with pytest.raises(ValueError, match=message):
        load(size, number, seed=0)


def test_images_and_unstandardize_refuse_what_they_cannot_do():
    with pytest.raises(ValueError, match="data set of images. Received: wine, a table"):
        wine().images(wine().test.x)
    with pytest.raises(ValueError, match="standardised data. Received: digits"):
        digits().unstandardize(digits().test.x)
    with pytest.raises(ValueError, match=r"shape \(n, 64\). Received: shape \(300, 63\)"):
        digits().images(digits().test.x[:, 1:])
    with pytest.raises(ValueError, match=r"shape \(n, 13\). Received: shape \(13,\)"):
        wine().unstandardize(np.zeros(13))


def test_import_is_light():
    code = (
        "import sys, genkeras.datasets\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'PIL'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
