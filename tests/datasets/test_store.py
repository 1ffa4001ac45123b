"""Look-up order, checksums and downloads, on files that the tests write."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from genkeras.datasets import MissingFileError, _store
from genkeras.datasets._store import StoredFile

CONTENT = b"some data\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The user's folder and the Keras cache, both empty."""
    monkeypatch.setenv("GENKERAS_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "own", tmp_path / "keras" / "datasets" / "genkeras"


def write(folder, content=CONTENT):
    path = folder / "set" / "file.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def all_files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_own_folder_comes_before_the_cache(places):
    own, cache = places
    file = StoredFile("set/file.bin", SHA256)
    in_cache = write(cache)
    assert _store.fetch(file) == in_cache
    in_own = write(own)
    assert _store.fetch(file) == in_own


def test_cache_comes_before_the_address(places, tmp_path):
    _, cache = places
    in_cache = write(cache)
    url = (tmp_path / "nothing-here").as_uri()
    assert _store.fetch(StoredFile("set/file.bin", SHA256, (url,))) == in_cache


def test_cache_folder_follows_keras_home_and_falls_back_to_the_user_home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "elsewhere"))
    assert _store.cache_folder() == tmp_path / "elsewhere" / "datasets" / "genkeras"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _store.cache_folder() == tmp_path / ".keras" / "datasets" / "genkeras"


def test_without_genkeras_data_only_the_cache_is_searched(places, monkeypatch):
    _, cache = places
    monkeypatch.delenv("GENKERAS_DATA")
    assert _store.folders() == [cache]


def test_wrong_checksum_names_both_sums_and_keeps_the_file(places):
    own, cache = places
    write(cache)
    damaged = write(own, CONTENT[:-1])
    received = hashlib.sha256(CONTENT[:-1]).hexdigest()
    with pytest.raises(ValueError, match=f"Expected SHA-256 {SHA256} .* Received: {received}"):
        _store.fetch(StoredFile("set/file.bin", SHA256))
    assert damaged.read_bytes() == CONTENT[:-1]


def test_missing_file_message_names_file_place_and_sum(places):
    own, cache = places
    with pytest.raises(MissingFileError) as caught:
        _store.fetch(StoredFile("set/file.bin", SHA256))
    message = str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    assert message.startswith(f"Expected file set/file.bin with SHA-256 {SHA256}.")
    assert f"Put it at {cache / 'set' / 'file.bin'}, or set GENKERAS_DATA" in message
    assert message.endswith(f"Received: looked in {own} and {cache}.")


def test_download_goes_to_the_cache(places, tmp_path):
    _, cache = places
    source = tmp_path / "source.bin"
    source.write_bytes(CONTENT)
    path = _store.fetch(StoredFile("set/file.bin", SHA256, (source.as_uri(),)))
    assert path == cache / "set" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert all_files(cache) == [path]


def test_download_appears_in_one_step(places, tmp_path, monkeypatch):
    def fail(part, target):
        raise OSError("stopped at the last step")

    source = tmp_path / "source.bin"
    source.write_bytes(CONTENT)
    monkeypatch.setattr(_store.os, "replace", fail)
    with pytest.raises(MissingFileError, match="stopped at the last step"):
        _store.fetch(StoredFile("set/file.bin", SHA256, (source.as_uri(),)))
    assert all_files(places[1]) == []


def test_second_address_is_used_when_the_first_fails(places, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(CONTENT)
    urls = ((tmp_path / "nothing-here").as_uri(), source.as_uri())
    assert _store.fetch(StoredFile("set/file.bin", SHA256, urls)).read_bytes() == CONTENT


def test_corrupt_download_leaves_nothing_and_names_the_sum(places, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(b"other data")
    received = hashlib.sha256(b"other data").hexdigest()
    with pytest.raises(MissingFileError, match=f"source.bin failed .*Received: {received}"):
        _store.fetch(StoredFile("set/file.bin", SHA256, (source.as_uri(),)))
    assert all_files(places[1]) == []


@pytest.fixture
def server():
    """A server on this machine that breaks off in the middle of every answer."""

    class BreaksOff(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:100])

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), BreaksOff)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/file.bin"
    server.shutdown()
    thread.join()
    server.server_close()


def test_interrupted_download_leaves_nothing(places, server):
    with pytest.raises(MissingFileError, match=f"the download from {server} failed"):
        _store.fetch(StoredFile("set/file.bin", SHA256, (server,)))
    assert all_files(places[1]) == []


def test_a_stop_by_the_user_leaves_nothing(places, monkeypatch):
    class Response:
        def __init__(self):
            self.chunks = [CONTENT[:100]]

        def read(self, size):
            if not self.chunks:
                raise KeyboardInterrupt
            return self.chunks.pop()

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

    monkeypatch.setattr(_store.urllib.request, "urlopen", lambda url, timeout: Response())
    with pytest.raises(KeyboardInterrupt):
        _store.fetch(StoredFile("set/file.bin", SHA256, ("http://127.0.0.1/",)))
    assert all_files(places[1]) == []


def test_no_network_is_said_in_the_missing_file_message(places):
    # Port 1 of this machine refuses connections, as a machine without a network would fail.
    url = "http://127.0.0.1:1/file.bin"
    with pytest.raises(MissingFileError, match=f"Put it at .*looked in .*{url} failed"):
        _store.fetch(StoredFile("set/file.bin", SHA256, (url,)))
    assert not places[1].exists()


def test_a_file_that_may_not_be_read_is_named(places, monkeypatch):
    path = write(places[0])

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(_store, "sha256_of", forbidden)
    with pytest.raises(ValueError, match=f"Expected to be allowed to read {path}"):
        _store.find(StoredFile("set/file.bin", SHA256))
