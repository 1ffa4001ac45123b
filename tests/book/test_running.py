"""The toy chapter, executed for real: its page, the cache, failures, kills and publication."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genkeras.book import building, cache, pages
from genkeras.book.place import ChapterError

REPOSITORY = Path(__file__).parents[2]


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_page_of_an_executed_chapter(project, capfd):
    path = building.chapter(project, "1")
    page = path.read_text()
    console = capfd.readouterr()

    assert path == project / "build" / "pages" / "01_toy.md"
    assert "# 1. A toy" in page
    assert "The answer is 42." in page
    assert "[Figure 1.1](#fig-line) and [Table 1.1](#table-numbers); $x_i$" in page
    assert "| a | 1.235 |" in page
    assert '!!! notes "What the notes say"\n\n    They say 2.' in page
    assert "printed 5" in page
    # Folded code is there, hidden code is not, plain code is open.
    assert '??? code "Code"\n\n    ```python\n    import pathlib' in page
    assert "secret_name" not in page
    assert "```python\nvisible_name" in page
    figures = project / "build" / "pages" / "figures" / "01_toy"
    assert sorted(p.name for p in figures.iterdir()) == ["line.dark.svg", "line.svg"]
    assert 'src="figures/01_toy/line.dark.svg#only-dark" alt="A line that rises."' in page

    footer = page[page.index("gk-provenance") :]
    for fact in ("chapters/01_toy.py", "default", "three numbers", "<dd>7</dd>", "Python 3"):
        assert fact in footer
    # Warnings belong on the console.
    assert "a warning for the console" in console.err
    assert "UserWarning" not in page
    # TensorFlow logs to stdout, and so onto the page, where it finds a prompt.
    assert "interactive: False" in page
    assert "chapter 1 · cell 6/6 · " in console.out


def test_what_cpp_code_writes_is_shown_once_and_its_chatter_never(project, monkeypatch, capfd):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # where ipykernel finds it, it watches no descriptor
    lines = "I0000 00:00:17.5 30 port.cc:153] oneDNN\\nE0000 00:00:17.5 30 a.cc:1] no memory\\n"
    write = f'import os, time\nos.write(2, b"{lines}")\ntime.sleep(1)\n'
    _edit(project / "chapters" / "01_toy.py", "import pathlib\n", f"import pathlib\n{write}")
    building.chapter(project, "1")
    error = capfd.readouterr().err
    assert error.count("no memory") == 1
    assert "oneDNN" not in error


def test_the_last_words_of_a_kernel_that_dies_are_shown(project):
    end = 'import os\nos.write(2, b"out of memory")\nos._exit(9)\n'
    _edit(project / "chapters" / "01_toy.py", "import pathlib\n", f"import pathlib\n{end}")
    with pytest.raises(ChapterError, match="the kernel died in cell 2 of 6\nout of memory"):
        building.chapter(project, "1")


def test_only_what_changed_is_executed_again(project, runs):
    building.chapter(project, "1")
    first = (project / "build" / "pages" / "01_toy.md").read_text()
    building.chapter(project, "1")
    assert runs() == 1
    assert (project / "build" / "pages" / "01_toy.md").read_text() == first

    (project / "unrelated.py").write_text("x = 1\n")
    building.chapter(project, "1")
    assert runs() == 1

    (project / "toy_helper.py").write_text("ANSWER = 15\n")
    building.chapter(project, "1")
    assert runs() == 2
    assert "The answer is 45." in (project / "build" / "pages" / "01_toy.md").read_text()

    (project / "site" / "results" / "toy.json").write_text(json.dumps({"value": 6}))
    building.chapter(project, "1")
    assert runs() == 3
    assert "printed 6" in (project / "build" / "pages" / "01_toy.md").read_text()


def test_a_file_edited_while_the_chapter_runs_is_not_trusted(project, runs):
    helper = project / "toy_helper.py"
    script = project / "chapters" / "01_toy.py"
    _edit(script, 'print("printed', 'pathlib.Path("toy_helper.py").touch()\nprint("printed')
    building.chapter(project, "1")
    assert helper.read_text() == "ANSWER = 14\n"
    building.chapter(project, "1")
    assert runs() == 2


def test_a_failed_run_names_the_cell_and_leaves_the_old_page(project):
    path = building.chapter(project, "1")
    before = _snapshot(path.parent)
    script = project / "chapters" / "01_toy.py"
    _edit(script, 'print("printed', 'raise RuntimeError("a fault")\nprint("printed')
    with pytest.raises(ChapterError, match=r"(?s)chapter 1: cell 5 of 6 failed.*a fault"):
        building.chapter(project, "1")
    assert _snapshot(path.parent) == before


def test_a_killed_run_leaves_the_old_page(project):
    path = building.chapter(project, "1")
    before = _snapshot(path.parent)
    script = project / "chapters" / "01_toy.py"
    _edit(script, "# %% [markdown]\n# ## Text", _STOP + "# %% [markdown]\n# ## Text")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-m", "genkeras", "chapter", "1"], env=environment, cwd=project
    )
    try:
        for _ in range(600):
            if (project / "waiting").exists():
                break
            time.sleep(0.1)
        else:
            pytest.fail("the chapter never reached its waiting cell")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        (project / "go").touch()
    assert _snapshot(path.parent) == before


_STOP = """\
# %%
import time

pathlib.Path("waiting").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.1)

"""


def test_publishing_runs_the_full_profile_and_a_hand_edit_is_found(project):
    (page,) = building.publish(project, ["1"])
    assert page == project / "site" / "chapters" / "01_toy.md"
    assert "The answer is 420." in page.read_text()
    assert (
        "Generated by `genkeras publish` from chapters/01_toy.py, do not edit." in page.read_text()
    )
    assert building.hand_edited(project / "site") == []

    text = page.read_text()
    page.write_text(text.replace("420", "421"))
    assert building.hand_edited(project / "site") == [page]
    page.write_text(text)
    figure = page.parent / "figures" / "01_toy" / "line.svg"
    figure.write_text(figure.read_text().replace("#0072b2", "#d55e00") + "<!-- -->")
    assert building.hand_edited(project / "site") == [page]
    figure.unlink()
    assert building.hand_edited(project / "site") == [page]
    appendix = page.with_name("A_toy.md")
    appendix.write_text("---\nsha256: none\n---\n")
    assert building.hand_edited(project / "site") == [page, appendix]


def test_a_plain_script_prints_and_saves(project):
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{project}"}
    done = subprocess.run(
        [sys.executable, "chapters/01_toy.py"],
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "The answer is 42." in done.stdout
    assert "name  value\n----  -----\na     1.235\nb         2\nTwo numbers." in done.stdout
    assert "Figure build/figures/01_toy/line.png\nA line." in done.stdout
    saved = sorted(p.name for p in (project / "build" / "figures" / "01_toy").iterdir())
    assert saved == ["line.dark.svg", "line.png", "line.svg"]


def test_no_committed_page_was_edited_by_hand():
    assert building.hand_edited(REPOSITORY / "site") == []


def test_a_digest_does_not_depend_on_the_line_that_records_it():
    assert pages.digest("a\nsha256: x\nb", {}) == pages.digest("a\nsha256: y\nb", {})
    assert pages.digest("a\nsha256: x\nb", {}) != pages.digest("a\nsha256: x\nc", {})


def _snapshot(folder):
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_place_that_cannot_keep_the_result_is_found_before_the_run(project, runs, monkeypatch):
    def full(dir):
        raise OSError(28, "No space left on device", str(dir))

    monkeypatch.setattr(cache.tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="No space left"):
        building.chapter(project, "1")
    assert runs() == 0
