"""The binary tables: packed files written here, and the real ones against known facts."""

import hashlib
import re

import numpy as np
import pytest

from genkeras.datasets import MissingFileError, _uci_binary, uci_binary
from genkeras.datasets._store import StoredFile

SIZES = {
    "adult": (5000, 1414, 26147, 123),
    "connect4": (16000, 4000, 47557, 126),
    "dna": (1400, 600, 1186, 180),
    "mushrooms": (2000, 500, 5624, 112),
    "nips": (400, 100, 1240, 500),
    "ocr_letters": (32152, 10000, 10000, 128),
    "web": (14000, 3188, 32561, 300),
}
SPLITS = ("train", "valid", "test")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKERAS_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "own" / "uci_binary").mkdir(parents=True)
    return tmp_path / "own"


def install(folder, monkeypatch, name, num_features):
    rng = np.random.default_rng(0)
    rows = {
        split: rng.integers(0, 2, (size, num_features))
        for split, size in zip(SPLITS, (5, 3, 2), strict=True)
    }
    packed = {split: np.packbits(x.astype("uint8"), axis=1) for split, x in rows.items()}
    path = folder / "uci_binary" / f"{name}.npz"
    np.savez(path, n_features=num_features, **packed)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(_uci_binary.ARCHIVES, name, StoredFile(f"uci_binary/{name}.npz", sha256))
    return rows


def test_rows_go_to_their_splits(folder, monkeypatch):
    rows = install(folder, monkeypatch, "nips", 11)
    data = uci_binary("nips")
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(data, split).x, rows[split])
        assert getattr(data, split).x.dtype == "float32"
        assert getattr(data, split).labels is None
    assert (data.name, data.num_features, data.num_levels) == ("nips", 11, 2)
    assert (data.num_labels, data.image_shape) == (None, None)
    assert "nips, 5 / 3 / 2 rows" in data.protocol


def test_letters_are_images_of_16_rows(folder, monkeypatch):
    rows = install(folder, monkeypatch, "ocr_letters", 128)
    data = uci_binary("ocr_letters")
    assert data.image_shape == (16, 8)
    np.testing.assert_array_equal(data.images(data.test.x), rows["test"].reshape(2, 16, 8))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("web", "published test rows.*partition is ours and not the published.*seed 0.*14,000"),
        ("dna", "files of MADE.*1,600 / 400"),
        ("adult", "LIBSVM's a9a"),
        ("connect4", "UCI positions"),
        ("mushrooms", "files of MADE"),
        ("nips", "NIPS-0-12"),
        ("ocr_letters", "word order"),
    ],
)
def test_protocol_says_where_the_split_is_from(folder, monkeypatch, name, words):
    install(folder, monkeypatch, name, 128)
    assert re.search(words, uci_binary(name).protocol)


@pytest.mark.parametrize("name", ["rcv1", "", "Adult", None])
def test_unknown_names_are_refused(name):
    expected = f"name to be one of {', '.join(SIZES)}. Received: {name!r}."
    with pytest.raises(ValueError, match=re.escape(expected)):
        uci_binary(name)


@pytest.mark.parametrize("name", SIZES)
def test_a_missing_file_is_named_with_its_place_and_sum(folder, tmp_path, name):
    sha256 = _uci_binary.ARCHIVES[name].sha256
    with pytest.raises(MissingFileError) as caught:
        uci_binary(name)
    message = str(caught.value)
    assert message.startswith(f"Expected file uci_binary/{name}.npz with SHA-256 {sha256}.")
    place = tmp_path / "keras" / "datasets" / "genkeras" / "uci_binary" / f"{name}.npz"
    assert f"Put it at {place}, or set GENKERAS_DATA" in message
    assert "download" not in message


def test_the_table_of_the_docstring_is_right():
    found = re.findall(
        r"\| `(\w+)` *\| +([\d,]+) \| +([\d,]+) \| +([\d,]+) \| +(\d+) \|", uci_binary.__doc__
    )
    stated = {name: tuple(int(n.replace(",", "")) for n in sizes) for name, *sizes in found}
    assert stated == SIZES


def repeats(test, train):
    seen = {row.tobytes() for row in train}
    return sum(row.tobytes() in seen for row in test)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "repeated"), [("adult", 3326), ("dna", 62), ("ocr_letters", 623), ("web", 8826)]
)
def test_real_test_rows_repeat_training_rows_as_often_as_was_counted(name, repeated):
    data = uci_binary(name)
    assert repeats(data.test.x, data.train.x) == repeated


@pytest.mark.data
@pytest.mark.parametrize("name", SIZES)
def test_real_tables(name):
    data = uci_binary(name)
    sizes = tuple(len(getattr(data, split)) for split in SPLITS)
    assert (*sizes, data.num_features) == SIZES[name]
    assert set(np.unique(data.test.x)) == {0.0, 1.0}


@pytest.mark.data
def test_every_position_of_connect4_occurs_once():
    data = uci_binary("connect4")
    x = np.vstack([getattr(data, split).x for split in SPLITS])
    assert len({row.tobytes() for row in x}) == 67557
    # Each of the 42 fields is empty or holds a stone of one of the two players.
    np.testing.assert_array_equal(x.reshape(-1, 42, 3).sum(axis=2), 1)


@pytest.mark.data
def test_letters_are_smooth_as_images_and_not_otherwise():
    letters = uci_binary("ocr_letters")
    upright = letters.images(letters.test.x)
    other = letters.test.x.reshape(-1, 8, 16)
    assert np.abs(np.diff(upright, axis=1)).mean() < 0.8 * np.abs(np.diff(other, axis=1)).mean()
