"""MNIST loaders on small files written here, and once on the real ones."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from genkeras.datasets import MissingFileError, _mnist, _store, binarized_mnist, mnist
from genkeras.datasets._packed import read_packed
from genkeras.datasets._store import StoredFile


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKERAS_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def stored(folder, path, content, present=True):
    if present:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return StoredFile(path, hashlib.sha256(content).hexdigest())


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def small_mnist(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(0, 256, (7, 28, 28), dtype="uint8"),
        "train_labels": rng.integers(0, 10, 7, dtype="uint8"),
        "test_images": rng.integers(0, 256, (2, 28, 28), dtype="uint8"),
        "test_labels": rng.integers(0, 10, 2, dtype="uint8"),
    }


def install_mnist(folder, monkeypatch, arrays, present=True):
    files = {
        part: stored(folder, f"mnist/{part}.gz", idx(array), present)
        for part, array in arrays.items()
    }
    monkeypatch.setattr(_mnist, "IDX_FILES", files)
    monkeypatch.setattr(_mnist, "NUM_VALIDATION", 3)


def install_keras_archive(tmp_path, monkeypatch, arrays):
    path = tmp_path / "keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        x_train=arrays["train_images"],
        y_train=arrays["train_labels"],
        x_test=arrays["test_images"],
        y_test=arrays["test_labels"],
    )
    monkeypatch.setattr(_mnist, "KERAS_ARCHIVE_SHA256", _store.sha256_of(path))
    return path


def assert_is_small_mnist(data, arrays):
    flat = arrays["train_images"].reshape(7, 784)
    np.testing.assert_array_equal(data.train.x, flat[:4])
    np.testing.assert_array_equal(data.valid.x, flat[4:])
    np.testing.assert_array_equal(data.test.x, arrays["test_images"].reshape(2, 784))
    np.testing.assert_array_equal(data.train.labels, arrays["train_labels"][:4])
    np.testing.assert_array_equal(data.valid.labels, arrays["train_labels"][4:])
    np.testing.assert_array_equal(data.test.labels, arrays["test_labels"])


def test_mnist_validates_on_the_last_training_rows(folder, monkeypatch):
    arrays = small_mnist()
    install_mnist(folder, monkeypatch, arrays)
    data = mnist()
    assert_is_small_mnist(data, arrays)
    assert data.train.x.dtype == "float32"
    assert data.train.labels.dtype == "int64"
    assert (data.num_features, data.image_shape, data.num_levels) == (784, (28, 28), 256)
    np.testing.assert_array_equal(data.images(data.test.x), arrays["test_images"])
    assert data.as_images().num_features == 784


def test_mnist_reads_the_archive_of_keras_if_its_sum_fits(folder, monkeypatch, tmp_path):
    arrays = small_mnist()
    install_mnist(folder, monkeypatch, arrays, present=False)
    archive = install_keras_archive(tmp_path, monkeypatch, arrays)
    assert_is_small_mnist(mnist(), arrays)
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(MissingFileError, match="mnist/train_images.gz"):
        mnist()
    assert archive.exists()


def test_mnist_prefers_its_own_files_to_the_archive_of_keras(folder, monkeypatch, tmp_path):
    arrays = small_mnist()
    install_mnist(folder, monkeypatch, arrays)
    install_keras_archive(tmp_path, monkeypatch, small_mnist(seed=1))
    assert_is_small_mnist(mnist(), arrays)


def test_read_idx_on_bytes_written_by_hand(tmp_path):
    path = tmp_path / "two_by_three.gz"
    path.write_bytes(
        gzip.compress(b"\x00\x00\x08\x02" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x03" + bytes(6))
    )
    np.testing.assert_array_equal(_mnist.read_idx(path), np.zeros((2, 3)))
    path.write_bytes(gzip.compress(b"\x00\x00\x08\x01\x00\x00\x01\x02" + bytes(range(256)) + b"ab"))
    read = _mnist.read_idx(path)
    assert read.shape == (258,)
    assert list(read[[0, 1, 255, 256, 257]]) == [0, 1, 255, ord("a"), ord("b")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic bytes 00 00 08. Received: an empty file"),
        (b"\x00\x01\x08\x01\x00\x00\x00\x01a", "Received: 00 01 08 01"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01abcd", "Received: 00 00 0d 01"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x01", "header of 16 bytes .* Received: 8 bytes"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03ab", "Expected 3 values .* Received: 2"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x01ab", "Expected 1 values .* Received: 2"),
    ],
)
def test_read_idx_refuses_malformed_content(tmp_path, content, message):
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=message):
        _mnist.read_idx(path)


def text_of(rows):
    return "".join(" ".join(str(value) for value in row) + "\n" for row in rows).encode()


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    sizes = {"train": 5, "valid": 3, "test": 2}
    return {split: rng.integers(0, 2, (size, 784)) for split, size in sizes.items()}


def install_binarized(folder, monkeypatch, rows, archive_present, texts_present):
    path = folder / "binarized_mnist.npz"
    packed = {split: np.packbits(x.astype("uint8"), axis=1) for split, x in rows.items()}
    np.savez(path, n_features=784, **packed)
    content = path.read_bytes()
    path.unlink()
    archive = stored(folder, "binarized_mnist.npz", content, archive_present)
    texts = {
        split: stored(folder, f"binarized_mnist/{split}.amat", text_of(x), texts_present)
        for split, x in rows.items()
    }
    monkeypatch.setattr(_mnist, "BINARIZED_ARCHIVE", archive)
    monkeypatch.setattr(_mnist, "BINARIZED_TEXTS", texts)


@pytest.mark.parametrize(("archive", "texts"), [(True, False), (False, True)])
def test_binarized_mnist_from_either_form(folder, monkeypatch, rows, archive, texts):
    install_binarized(folder, monkeypatch, rows, archive, texts)
    data = binarized_mnist()
    for split in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(data, split).x, rows[split])
        assert getattr(data, split).x.dtype == "float32"
        assert getattr(data, split).labels is None
    assert (data.num_levels, data.num_labels, data.image_shape) == (2, None, (28, 28))


def test_binarized_mnist_missing_names_a_file_with_a_public_address(folder, monkeypatch, rows):
    install_binarized(folder, monkeypatch, rows, False, False)
    with pytest.raises(MissingFileError, match="Expected file binarized_mnist/train.amat"):
        binarized_mnist()


def test_read_packed_drops_the_padding_and_takes_the_high_bit_first(tmp_path):
    path = tmp_path / "packed.npz"
    row = np.array([[0b10110000, 0b01000000]], "uint8")
    np.savez(path, n_features=10, train=row, valid=row[:0], test=row)
    read = read_packed(path)
    np.testing.assert_array_equal(read["train"], [[1, 0, 1, 1, 0, 0, 0, 0, 0, 1]])
    assert read["valid"].shape == (0, 10)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[:-1],
        lambda text: text.replace(b"0", b"2", 1),
        lambda text: text.replace(b" ", b",", 1),
        lambda text: text.replace(b"\n", b" ", 1),
    ],
)
def test_read_amat_refuses_other_text(tmp_path, rows, damage):
    path = tmp_path / "rows.amat"
    path.write_bytes(damage(text_of(rows["test"])))
    with pytest.raises(ValueError, match="lines of 784 digits 0 or 1"):
        _mnist.read_amat(path)


@pytest.mark.data
def test_real_mnist():
    data = mnist()
    assert [len(split) for split in (data.train, data.valid, data.test)] == [50000, 10000, 10000]
    counts = np.bincount(data.train.labels) + np.bincount(data.valid.labels)
    assert list(counts) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert list(np.bincount(data.test.labels)) == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
    assert data.test.x.mean(dtype="float64") == pytest.approx(33.7912, abs=1e-4)
    # A wrong row order or a transposed image would break the best-known landmark of the set:
    # the first training image is a five whose ink is in the middle of the image.
    assert data.train.labels[0] == 5
    border = data.images(data.train.x[:1])[0]
    assert border[:4].sum() == 0 and border[8:20, 8:20].mean() > 50


@pytest.mark.data
def test_real_binarized_mnist():
    data = binarized_mnist()
    assert [len(split) for split in (data.train, data.valid, data.test)] == [50000, 10000, 10000]
    assert set(np.unique(data.train.x)) == {0.0, 1.0}
    # The original text of the rows has the published sum, whichever form was read.
    for split, file in _mnist.BINARIZED_TEXTS.items():
        x = getattr(data, split).x.astype("uint8")
        text = np.full((len(x), 2 * 784), ord(" "), "uint8")
        text[:, 0::2] = x + ord("0")
        text[:, -1] = ord("\n")
        assert hashlib.sha256(text.tobytes()).hexdigest() == file.sha256


@pytest.mark.data
def test_fixed_binarization_is_not_a_thresholded_mnist():
    fixed, grey = binarized_mnist().test.x, mnist().test.x
    thresholded = {row.tobytes() for row in grey >= 128}
    # A draw may hit a threshold's image by chance: it does in one row of 10,000.
    assert np.mean([row.tobytes() in thresholded for row in fixed > 0]) < 0.001


@pytest.mark.data
def test_only_the_test_rows_of_binarized_mnist_are_grouped_by_digit():
    # The blocks' densities move by far more than the error of a mean of 500 shuffled rows.
    for split, grouped in (("train", False), ("valid", False), ("test", True)):
        inked = getattr(binarized_mnist(), split).x.mean(axis=1, dtype="float64")
        blocks = inked.reshape(-1, 500).mean(axis=1)
        assert (blocks.std() > 5 * inked.std() / np.sqrt(500)) == grouped
