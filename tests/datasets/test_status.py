"""What `genkeras doctor` is told."""

import hashlib

import pytest

from genkeras.datasets import _mnist, _status, _store, _uci_binary, _uci_real, status
from genkeras.datasets._store import StoredFile

CONTENT = b"content"
FILES = {
    part: StoredFile(f"mnist/{part}", hashlib.sha256(CONTENT).hexdigest(), ("http://127.0.0.1:1/",))
    for part in ("a", "b")
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKERAS_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(_mnist, "IDX_FILES", FILES)

    def refuse(*args, **kwargs):
        raise RuntimeError("status must not download")

    monkeypatch.setattr(_store.urllib.request, "urlopen", refuse)
    (tmp_path / "own" / "mnist").mkdir(parents=True)
    return tmp_path / "own"


def entry(name):
    (found,) = [item for item in status() if item.name == name]
    return found


def test_every_loader_is_listed(folder):
    assert {item.name for item in status()} == {
        "digits",
        "binarized_digits",
        "wine",
        "breast_cancer",
        "diabetes",
        "photograph_patches",
        "colour_photograph_patches",
        "mnist",
        "binarized_mnist",
        "uci_binary",
        "uci_real",
        "multi30k",
    }


def test_absent_data_come_with_advice(folder, tmp_path):
    (folder / "mnist" / "a").write_bytes(CONTENT)
    item = entry("mnist")
    assert not item.found
    assert item.advice.startswith("mnist() downloads it on first use. Without a network: put")
    assert f"put mnist/b in {tmp_path / 'keras' / 'datasets' / 'genkeras'}" in item.advice


def test_present_data_say_where(folder):
    for part in FILES:
        (folder / "mnist" / part).write_bytes(CONTENT)
    assert entry("mnist") == _status.DatasetStatus("mnist", True, str(folder / "mnist"), "")


def test_archive_of_keras_counts_if_its_sum_fits(folder, tmp_path, monkeypatch):
    archive = tmp_path / "keras" / "datasets" / "mnist.npz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(CONTENT)
    assert not entry("mnist").found
    monkeypatch.setattr(_mnist, "KERAS_ARCHIVE_SHA256", hashlib.sha256(CONTENT).hexdigest())
    assert (entry("mnist").found, entry("mnist").where) == (True, str(archive))


def test_damaged_data_are_reported_not_raised(folder):
    for part in FILES:
        (folder / "mnist" / part).write_bytes(CONTENT + b"x")
    item = entry("mnist")
    assert not item.found
    assert "Expected SHA-256" in item.advice


@pytest.mark.parametrize("present", ["archive", "texts"])
def test_binarized_mnist_counts_in_either_form(folder, monkeypatch, present):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(_mnist, "BINARIZED_ARCHIVE", StoredFile("archive", sha256))
    monkeypatch.setattr(_mnist, "BINARIZED_TEXTS", {"train": StoredFile("texts", sha256)})
    assert not entry("binarized_mnist").found
    (folder / present).write_bytes(CONTENT)
    assert entry("binarized_mnist").found


@pytest.mark.parametrize(
    ("name", "module", "table"),
    [("uci_binary", _uci_binary, "ARCHIVES"), ("uci_real", _uci_real, "FILES")],
)
def test_tables_without_an_address_count_when_all_are_there(
    folder, tmp_path, monkeypatch, name, module, table
):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    files = {key: StoredFile(f"tables/{key}", sha256) for key in ("a", "b")}
    monkeypatch.setattr(module, table, files)
    (folder / "tables").mkdir()
    (folder / "tables" / "a").write_bytes(CONTENT)
    item = entry(name)
    assert (item.found, item.where) == (False, "")
    cache = tmp_path / "keras" / "datasets" / "genkeras"
    assert item.advice == (
        f"{name}() has no download: put tables/b in {cache}, or set GENKERAS_DATA to their folder."
    )
    (folder / "tables" / "b").write_bytes(CONTENT)
    assert entry(name) == _status.DatasetStatus(name, True, str(folder / "tables"), "")


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setattr(_status, "find_spec", lambda name: None if name == "PIL" else object())
    assert entry("photograph_patches").advice == "Install pillow."
    assert entry("digits") == _status.DatasetStatus("digits", True, "scikit-learn", "")
