"""The command line: exit codes, one-line errors, and no TensorFlow where none is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genkeras import cli, doctor
from genkeras.book import scripts

REPOSITORY = Path(__file__).parents[2]


def test_an_unknown_chapter_is_one_clear_line(project, capsys):
    assert cli.main(["chapter", "9"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "genkeras: Expected a chapter among: 1. Received: 9\n"
    assert cli.main(["publish", "1", "A"]) == 1
    assert capsys.readouterr().err == "genkeras: Expected a chapter among: 1. Received: A\n"


def test_outside_a_clone_the_error_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["chapters"]) == 1
    assert "Expected to run inside a clone" in capsys.readouterr().err


def test_an_unknown_profile_is_one_clear_line(project):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GENKERAS_PROFILE": "fast"}
    done = subprocess.run(
        [sys.executable, "-c", "from genkeras import book; book.setting(default=1, full=2)"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Received: 'fast'" in done.stderr


def test_chapters_are_listed_and_checked(project, capsys):
    assert cli.main(["chapters"]) == 0
    assert capsys.readouterr().out == "01_toy\n"
    assert cli.main(["chapters", "--check"]) == 0
    assert capsys.readouterr().out == "01_toy ok\n"
    (project / "chapters" / "01_toy.py").write_text("x = 1\n")
    assert cli.main(["chapters", "--check"]) == 1
    assert "01_toy.py: Expected the first cell to be text" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["1", "01", "B", "b"])
def test_a_chapter_is_called_by_its_number_or_its_letter(project, label):
    (project / "chapters" / "B_end.py").touch()
    (path,) = scripts.find(project, label)
    assert path.stem == {"1": "01_toy", "B": "B_end"}[label.lstrip("0").upper()]


def test_appendices_come_after_the_chapters(project, capsys):
    for name in ("A_last", "10_ten", "notes", "a_small"):
        (project / "chapters" / f"{name}.py").touch()
    assert cli.main(["chapters"]) == 0
    assert capsys.readouterr().out == "01_toy\n10_ten\nA_last\n"


def test_unexpected_errors_keep_their_traceback(project, monkeypatch):
    from genkeras.book import building

    def fail(root, label):
        raise ValueError("an array has no dimension 7")

    monkeypatch.setattr(building, "chapter", fail)
    with pytest.raises(ValueError, match="no dimension 7"):
        cli.main(["chapter", "1"])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(13, "Permission denied", "build"),
            "[Errno 13] Permission denied: 'build'",
        ),
        (ImportError("Expected Keras to run on TensorFlow"), "Expected Keras to run on TensorFlow"),
        (
            ModuleNotFoundError("No module named 'sacremoses'", name="sacremoses"),
            "No module named 'sacremoses'. "
            '`pip install -e ".[docs,text]"` in the clone brings it.',
        ),
    ],
)
def test_what_a_user_must_settle_is_one_line(project, monkeypatch, capsys, error, line):
    from genkeras.book import building

    def fail(root, label):
        raise error

    monkeypatch.setattr(building, "chapter", fail)
    assert cli.main(["chapter", "1"]) == 1
    assert capsys.readouterr().err == f"genkeras: {line}\n"


def test_a_module_of_our_own_that_is_missing_is_no_users_mistake(project, monkeypatch):
    from genkeras.book import building

    def fail(root, label):
        raise ModuleNotFoundError("No module named 'genkeras.nothing'", name="genkeras.nothing")

    monkeypatch.setattr(building, "chapter", fail)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["chapter", "1"])


@pytest.mark.parametrize(
    ("variable", "file", "line"),
    [
        (None, None, "tensorflow"),
        (None, "jax", "jax; genkeras needs KERAS_BACKEND=tensorflow"),
        ("tensorflow", "jax", "tensorflow"),
        ("torch", None, "torch; genkeras needs KERAS_BACKEND=tensorflow"),
    ],
)
def test_the_doctor_sees_the_backend_that_a_script_would(
    tmp_path, monkeypatch, variable, file, line
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if file:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": file}))
    assert doctor._backend() == line


def test_the_doctor_says_when_the_folder_of_data_is_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("genkeras.datasets.status", list)
    monkeypatch.setenv("GENKERAS_DATA", str(tmp_path))
    doctor._print_data()
    assert "names no folder" not in capsys.readouterr().out
    monkeypatch.setenv("GENKERAS_DATA", str(tmp_path / "dtaa"))
    doctor._print_data()
    assert f"GENKERAS_DATA={tmp_path / 'dtaa'} names no folder" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["chapters"]])
def test_light_commands_do_not_import_tensorflow(project, arguments):
    code = (
        "import sys\nfrom genkeras.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_mistake_in_the_command_exits_with_two():
    with pytest.raises(SystemExit, match="2"):
        cli.main(["no-such-command"])
