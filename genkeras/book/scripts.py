"""Chapter scripts: found, read and checked."""

import dataclasses
import re
from pathlib import Path

import jupytext

from genkeras.book.place import ChapterError

TAGS = {"fold", "hide"}
# Chapters have two digits, appendices a capital letter, which sorts after them.
_NAME = re.compile(r"(\d\d|[A-Z])_[a-z0-9_]+")
_TITLE = re.compile(r"# (\d+|[A-Z])\. (\S.*)")


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One chapter script: its path, label ("2" or "A"), title, first paragraph and cells."""

    path: Path
    label: str
    title: str
    description: str
    notebook: dict

    @property
    def name(self):
        """Stem of the script, such as "02_nade"."""
        return self.path.stem


def find(root, label=None):
    """The chapter scripts of a clone in order, or the one with this label.

    Args:
        root: directory that holds `chapters/`.
        label: "2" or "02" for chapter 2, "A" for appendix A, or None for all.

    Returns:
        List of paths.

    Raises:
        ChapterError: if no chapter has the label.
    """
    paths = chapter_files(root, "py")
    if label is None:
        return paths
    known = {_short(path.stem.partition("_")[0]): path for path in paths}
    if _short(label) not in known:
        raise ChapterError(
            f"Expected a chapter among: {', '.join(known) or 'none'}. Received: {label}"
        )
    return [known[_short(label)]]


def chapter_files(root, suffix):
    """Files of `chapters/` that are named as chapters or appendices are, in order.

    Args:
        root: directory that holds `chapters/`.
        suffix: "py" for scripts, "md" for pages.

    Returns:
        List of paths.
    """
    files = (Path(root) / "chapters").glob(f"*.{suffix}")
    return sorted(path for path in files if _NAME.fullmatch(path.stem))


def read(path):
    """Reads and checks one chapter script.

    Args:
        path: a jupytext percent script.

    Returns:
        The `Chapter`.

    Raises:
        ChapterError: naming every fault found.
    """
    path = Path(path)
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    faults = list(_faults(path, notebook))
    if faults:
        raise ChapterError("\n".join(f"{path.name}: {fault}" for fault in faults))
    header = notebook.cells[0].source.strip()
    title, _, rest = header.partition("\n")
    match = _TITLE.fullmatch(title.strip())
    description = " ".join(re.split(r"\n\s*\n", rest.strip())[0].split())
    return Chapter(path, _short(match[1]), match[2].strip(), description, notebook)


def _short(label):
    """A label as it is printed: "2" for "02"."""
    return label.lstrip("0").upper()


def _faults(path, notebook):
    """What is wrong with a chapter script, one sentence each."""
    name = _NAME.fullmatch(path.stem)
    if not name:
        yield "Expected a file name NN_topic.py, or A_topic.py for an appendix."
    cells = notebook.cells
    if not cells or cells[0].cell_type != "markdown":
        yield "Expected the first cell to be text: the title and a description."
        return
    title, _, rest = cells[0].source.strip().partition("\n")
    match = _TITLE.fullmatch(title.strip())
    if not match:
        yield f"Expected the first line '# N. Title'. Received: {title!r}"
    elif name and _short(match[1]) != _short(name[1]):
        yield f"Expected chapter {_short(name[1])} in the title. Received: {match[1]}"
    if not rest.strip():
        yield "Expected a description below the title."
    for index, cell in enumerate(cells, 1):
        if cell.cell_type == "markdown" and not cell.source.strip():
            yield f"Expected text in cell {index}. Received: an empty cell"
        if cell.cell_type == "markdown" and index > 1 and re.search(r"(?m)^# ", cell.source):
            yield f"Expected one title per chapter. Received: a second one in cell {index}"
        unknown = set(cell.metadata.get("tags", [])) - TAGS
        if unknown:
            yield f"Expected tags among {sorted(TAGS)}. Received: {sorted(unknown)} in cell {index}"
