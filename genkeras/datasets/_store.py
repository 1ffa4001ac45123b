"""Finds data files on this machine, and downloads those with a public address.

Places, in this order: the folder named by `GENKERAS_DATA`; `datasets/genkeras` in the Keras home
(`KERAS_HOME`, else `~/.keras`); the file's public addresses. Every file is used only with the
SHA-256 that the library knows.
"""

import hashlib
import http.client
import logging
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20
_logger = logging.getLogger(__name__)


class MissingFileError(FileNotFoundError):
    """A data file is not on this machine and could not be downloaded."""


@dataclass(frozen=True)
class StoredFile:
    """A data file that a loader reads.

    Args:
        path: Path inside a data folder, with forward slashes.
        sha256: Hexadecimal SHA-256 of the content.
        urls: Public addresses, tried in this order; empty where there is none.
    """

    path: str
    sha256: str
    urls: tuple[str, ...] = ()


def keras_home():
    """Returns the folder that Keras keeps its files in, by its rules, without importing it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"])
    home = Path.home()
    if not os.access(home, os.W_OK):
        home = Path("/tmp")
    return home / ".keras"


def cache_folder():
    """Returns the folder that downloads are written to."""
    return keras_home() / "datasets" / "genkeras"


def folders():
    """Returns the folders that are searched, in order."""
    own = os.environ.get("GENKERAS_DATA")
    return ([Path(own).expanduser()] if own else []) + [cache_folder()]


def sha256_of(path):
    """Returns the hexadecimal SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find(file):
    """Looks for a file on this machine and checks its content.

    Args:
        file: A `StoredFile`.

    Returns:
        The path of the first folder's copy, or `None` if no folder has one.

    Raises:
        ValueError: If the first copy found has another SHA-256, and is left as it is, or may not be
            read.
    """
    for folder in folders():
        path = folder / file.path
        try:
            received = sha256_of(path) if path.is_file() else None
        except PermissionError as error:
            raise ValueError(f"Expected to be allowed to read {path}. Received: {error}") from error
        if received is None:
            continue
        if received != file.sha256:
            raise ValueError(
                f"Expected SHA-256 {file.sha256} for {path}. Received: {received}. The file is "
                "damaged or another version; it was left as it is: move it away or replace it."
            )
        return path
    return None


def fetch(file):
    """Returns the path of a verified file, downloading it to the Keras cache if need be.

    Args:
        file: A `StoredFile`.

    Returns:
        The path of a file with the expected SHA-256.

    Raises:
        ValueError: If the copy on this machine has another SHA-256.
        MissingFileError: If there is no copy and no address gave the expected file.
    """
    path = find(file)
    if path is not None:
        return path
    target = cache_folder() / file.path
    failures = []
    for url in file.urls:
        try:
            _download(url, target, file.sha256)
            return target
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"the download from {url} failed ({error})")
    raise MissingFileError(missing_message(file, failures))


def missing_message(file, failures=()):
    """Says which file is missing and where to put it.

    Args:
        file: A `StoredFile`.
        failures: Sentences that say what was tried beside looking in the folders.

    Returns:
        The message.
    """
    looked = "looked in " + " and ".join(str(folder) for folder in folders())
    return (
        f"Expected file {file.path} with SHA-256 {file.sha256}. "
        f"Put it at {cache_folder() / file.path}, or set GENKERAS_DATA to the folder that holds "
        f"it. Received: {'; '.join([looked, *failures])}."
    )


def _download(url, target, expected):
    """Writes the content of `url` to `target`, which appears whole and verified or not at all."""
    _logger.info("Downloading %s to %s", url, target)
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            digest = hashlib.sha256()
            with os.fdopen(descriptor, "wb") as stream:
                while chunk := response.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    stream.write(chunk)
            if digest.hexdigest() != expected:
                raise ValueError(f"Expected SHA-256 {expected}. Received: {digest.hexdigest()}")
            os.chmod(part, 0o644)  # mkstemp's files are their owner's only
            os.replace(part, target)
        finally:
            Path(part).unlink(missing_ok=True)
