"""Where a chapter runs: as a script, in a notebook, or in a kernel of the book's own."""

import os
import sys
from pathlib import Path

ROOT_VARIABLE = "GENKERAS_BOOK_ROOT"
PROFILE_VARIABLE = "GENKERAS_PROFILE"
PROFILES = ("default", "full")
MIME = "application/vnd.genkeras+json"


class ChapterError(Exception):
    """A chapter cannot be run or made into a page; the message says which one and why."""


def profile():
    """The profile that this run was asked for: "default" or "full".

    Raises:
        ValueError: if GENKERAS_PROFILE is neither.
    """
    name = os.environ.get(PROFILE_VARIABLE, "default")
    if name not in PROFILES:
        raise ValueError(f"Expected {PROFILE_VARIABLE} to be one of {PROFILES}. Received: {name!r}")
    return name


def in_book():
    """Whether the book's runner started this process."""
    return ROOT_VARIABLE in os.environ


def in_kernel():
    """Whether this process is a Jupyter kernel, so that results can be displayed."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def root():
    """Directory of the clone: the one that holds `chapters/`.

    Raises:
        ValueError: if neither the script nor the working directory lies in a clone.
    """
    if in_book():
        return Path(os.environ[ROOT_VARIABLE])
    script = getattr(sys.modules["__main__"], "__file__", None)
    folder = Path(script).resolve().parent if script else Path.cwd()
    # A chapter belongs to the clone that it lies in, whatever the working directory.
    start = folder if folder.name == "chapters" else Path.cwd()
    for folder in (start, *start.parents):
        if (folder / "chapters").is_dir() and (folder / "mkdocs.yml").is_file():
            return folder
    raise ValueError(
        "Expected to run inside a clone, where chapters/ and mkdocs.yml are. "
        f"Received: working directory {Path.cwd()}"
    )


def script_name():
    """Stem of the script that is running, "chapter" where there is none."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    return Path(script).stem if script else "chapter"


def emit(kind, content, text, markdown, extra=None):
    """Shows one item: as data for the page writer and Markdown in a kernel, as text in a script.

    Args:
        kind: name of the item, such as "say".
        content: JSON-serialisable dictionary that the page writer reads.
        text: what a script prints; None prints nothing.
        markdown: what a notebook shows.
        extra: further MIME representations, such as a PNG.
    """
    if in_kernel():
        from IPython.display import display

        bundle = {MIME: {"kind": kind, **content}, "text/markdown": markdown, **(extra or {})}
        display(bundle, raw=True)
    elif text is not None:
        print(text, flush=True)
