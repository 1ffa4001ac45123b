"""Runs a chapter in a kernel of the interpreter that is running, with visible progress."""

import copy
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from genkeras import quiet
from genkeras.book import place
from genkeras.book.place import ChapterError

_PREPARE = "from genkeras.book import environment as _environment\n_environment.prepare()"
_REPORT = "_environment.report()"


def execute(chapter, root, profile):
    """Executes a chapter from its first cell to its last.

    Args:
        chapter: `scripts.Chapter`.
        root: directory of the clone; the kernel works there.
        profile: "default" or "full".

    Returns:
        The executed notebook. `metadata["genkeras"]` holds "started" (seconds since the epoch),
        "seconds" and what the kernel reported: "modules", "device".

    Raises:
        ChapterError: if a cell raises or the kernel dies.
    """
    notebook = nbformat.v4.upgrade(copy.deepcopy(chapter.notebook))
    count = len(notebook.cells)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_PREPARE))
    notebook.cells.append(nbformat.v4.new_code_cell(_REPORT))
    progress = Progress(f"chapter {chapter.label}", count)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        client = NotebookClient(
            notebook,
            km=_kernel_manager(Path(folder)),
            timeout=None,
            resources={"metadata": {"path": str(root)}},
            on_cell_start=lambda cell, cell_index: progress.start(cell_index),
            on_cell_executed=lambda cell, cell_index, execute_reply: _show_errors(cell),
        )
        started = time.time()
        try:
            with progress:
                # What C++ code writes there, the kernel hands on as output of the cell too.
                client.execute(cleanup_kc=True, env=_environment(root, profile), stderr=log)
        except CellExecutionError as error:
            raise ChapterError(
                f"chapter {chapter.label}: cell {progress.cell} of {count} failed\n{error}"
            ) from None
        except DeadKernelError:
            log.seek(0)
            last = quiet.without_noise(log.read().decode("utf-8", "replace"))
            raise ChapterError(
                f"chapter {chapter.label}: the kernel died in cell {progress.cell} of {count}"
                f"\n{last}".rstrip()
            ) from None
    del notebook.cells[0]
    reported = items(notebook.cells.pop(), "environment")[0]
    notebook.metadata["genkeras"] = {
        "started": started,
        "seconds": time.time() - started,
        "modules": reported["modules"],
        "device": reported["device"],
    }
    return notebook


def items(cell, kind=None):
    """What a cell emitted through `genkeras.book`, as dictionaries, of one kind or of all."""
    found = []
    for output in cell.get("outputs", []):
        content = output.get("data", {}).get(place.MIME)
        if content is not None and kind in (None, content["kind"]):
            found.append(dict(content))
    return found


class Progress:
    """Says which cell runs and for how long: in place on a terminal, otherwise in lines."""

    def __init__(self, label, count, stream=None):
        self.label, self.count = label, count
        self.stream = stream or sys.stdout
        self.cell = 0
        self._interval = 1.0 if self.stream.isatty() else 60.0
        self._start = time.monotonic()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self):
        self._ticker.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._ticker.join()
        if self.stream.isatty():
            self.stream.write("\n")

    def start(self, cell):
        """Moves on to a cell, counted from one."""
        if 1 <= cell <= self.count:
            self.cell = cell
            self._show()

    def _tick(self):
        while not self._stop.wait(self._interval):
            self._show()

    def _show(self):
        seconds = time.monotonic() - self._start
        line = f"{self.label} · cell {self.cell}/{self.count} · {seconds:.0f} s"
        in_place = self.stream.isatty()
        self.stream.write(f"\r\033[K{line}" if in_place else f"{line}\n")
        self.stream.flush()


def _kernel_manager(folder):
    """A manager of kernels of this very interpreter, whatever kernels are installed.

    One that works asynchronously: with another, nbclient waits forever for a kernel that died.
    """
    spec = folder / "kernels" / "genkeras" / "kernel.json"
    spec.parent.mkdir(parents=True)
    launch = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40"]
    content = {"argv": [*launch, "-f", "{connection_file}"], "display_name": "genkeras"}
    spec.write_text(json.dumps({**content, "language": "python"}), encoding="utf-8")
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="genkeras", kernel_spec_manager=specs)


def _environment(root, profile):
    variables = dict(os.environ)
    # The clone's own package first, then the one that is running.
    here = str(Path(place.__file__).parents[2])
    paths = [str(root), here, variables.get("PYTHONPATH", "")]
    variables.update(
        {
            place.ROOT_VARIABLE: str(root),
            place.PROFILE_VARIABLE: profile,
            "KERAS_BACKEND": "tensorflow",
            # The inline backend would show every open figure once more.
            "MPLBACKEND": "agg",
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }
    )
    variables.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return variables


def _show_errors(cell):
    """Warnings and the like go to the console; pages have no place for them."""
    for output in cell.get("outputs", []):
        if output.get("output_type") == "stream" and output.get("name") == "stderr":
            sys.stderr.write(quiet.without_noise(output["text"]))
