"""Every chapter has the form that the book needs; running them is `make book`."""

import pathlib

import pytest

from genkeras.book import scripts

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.py")), ids=lambda p: p.stem)
def test_chapter_is_well_formed(path):
    scripts.read(path)
