"""Multi30k: descriptions of photographs in English and German, a small set for translation."""

import gzip

from genkeras.datasets import _store
from genkeras.datasets._pairs import PairedText, Pairs
from genkeras.datasets._store import StoredFile

# Without addresses: the public files hold the same text, compressed otherwise.
FILES = {
    ("train", "en"): StoredFile(
        "multi30k/train.en.gz", "ffdb848427a3fccff4f5c9c848dff8b8b5745e8f464f44341b6c5c5288f265db"
    ),
    ("train", "de"): StoredFile(
        "multi30k/train.de.gz", "8506e50eaf610b55a8286d1ce85e4098dc2a0a0fce45b4827a5409d9897a81b4"
    ),
    ("valid", "en"): StoredFile(
        "multi30k/val.en.gz", "459836b7adfe4fd130d0a8c680e2860d6099fbea0fd1bdbbc7442bbc5afce59b"
    ),
    ("valid", "de"): StoredFile(
        "multi30k/val.de.gz", "9c3697bf5d18908e41df6a94b8a006ab64dbc66f38790865d6694136428a524d"
    ),
    ("test", "en"): StoredFile(
        "multi30k/test_2016_flickr.en.gz",
        "7771063a5bca8712e4c60941bcb128301aab5a3eecc66abbb5d150aa3133a55d",
    ),
    ("test", "de"): StoredFile(
        "multi30k/test_2016_flickr.de.gz",
        "26ef35775a5540d27fc04e66063d59a180388beeede5121c0806dee0c79949e0",
    ),
}


def multi30k():
    """Loads Multi30k, task 1, English to German, as it is written: cased, not tokenised.

    Returns:
        `PairedText` of 29,000, 1,014 and 1,000 (test2016) pairs.

    Raises:
        MissingFileError: If a file is not on this machine.

    Reference: Elliott et al. 2016, https://arxiv.org/abs/1605.00459
    """
    splits = {
        name: Pairs(_lines(FILES[name, "en"]), _lines(FILES[name, "de"]))
        for name in ("train", "valid", "test")
    }
    return PairedText(
        "multi30k",
        "task 1, raw text: 29,000 pairs to train, 1,014 to choose settings, test2016 (1,000)",
        **splits,
    )


def _lines(file):
    with gzip.open(_store.fetch(file), "rt", encoding="utf-8", newline="\n") as stream:
        return tuple(line.rstrip("\n") for line in stream)
