"""Executed chapters, kept under `build/cache/` until something that they rest on changes."""

import json
import os
import tempfile
from pathlib import Path

import nbformat

from genkeras.book import environment, execution


def executed(chapter, root, profile):
    """The executed chapter, from the cache where nothing changed.

    Args:
        chapter: `scripts.Chapter`.
        root: directory of the clone.
        profile: "default" or "full".

    Returns:
        `(notebook, fresh)`: the executed notebook, and whether it was executed now.

    Raises:
        ChapterError: if the chapter fails; an older entry of the cache stays.
    """
    root = Path(root)
    path = root / "build" / "cache" / profile / f"{chapter.name}.ipynb"
    cached = _load(path)
    if cached is not None and _key(chapter, root, profile, cached) == cached.metadata["key"]:
        return cached, False
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass  # before minutes of work that could not be kept
    notebook = execution.execute(chapter, root, profile)
    key = _key(chapter, root, profile, notebook)
    # A file edited meanwhile may not be the one that ran: its entry then never matches.
    for name in key["files"]:
        file = root / name
        if file.exists() and file.stat().st_mtime > notebook.metadata["genkeras"]["started"]:
            key["files"][name] = "changed while the chapter ran"
    notebook.metadata["key"] = key
    _store(path, notebook)
    return notebook, True


def _key(chapter, root, profile, notebook):
    """Everything the result rests on: script, imported modules, results read, profile, versions."""
    modules = notebook.metadata["genkeras"]["modules"]
    read = [item["file"] for cell in notebook.cells for item in execution.items(cell, "reads")]
    files = {chapter.path.relative_to(root).as_posix(), *modules, *read}
    return {
        "profile": profile,
        "versions": environment.versions(),
        "files": {name: environment.digest(root / name) for name in sorted(files)},
    }


def _load(path):
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (FileNotFoundError, ValueError):
        return None
    return notebook if {"key", "genkeras"} <= set(notebook.metadata) else None


def _store(path, notebook):
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(notebook), encoding="utf-8")
    os.replace(partial, path)
