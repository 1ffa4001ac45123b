"""A clone in miniature: one chapter that needs no TensorFlow, and a module that it imports."""

import json

import pytest

CHAPTER = """\
# %% [markdown]
# # 1. A toy
#
# What the toy is about.

# %% tags=["fold"]
import pathlib
import sys
import warnings

import matplotlib.pyplot as plt
import toy_helper

from genkeras import book

book.declare(title="A toy", data="three numbers", seed=7)
with pathlib.Path("runs.log").open("a") as log:
    log.write("run\\n")
warnings.warn("a warning for the console")
print("interactive:", hasattr(sys, "ps1"))

# %% [markdown]
# ## Text
#
# See @fig:line and @table:numbers; $x_i$.

# %% tags=["hide"]
secret_name = book.setting(default=3, full=30)
book.say(f"The answer is {toy_helper.ANSWER * secret_name}.")
book.table([["a", 1.23456], ["b", 2]], ["name", "value"], "Two numbers.", name="numbers")
book.box("notes", "What the notes say", "They say 2.")

# %%
visible_name = book.result("toy")["value"]
print("printed", visible_name)

# %% tags=["hide"]
figure, axis = plt.subplots()
axis.plot([0, 1])
book.figure(figure, "line", "A line.", alt="A line that rises.")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Directory of the miniature clone; the working directory too."""
    root = tmp_path / "clone"
    (root / "chapters").mkdir(parents=True)
    (root / "site" / "results").mkdir(parents=True)
    (root / "mkdocs.yml").touch()
    (root / "chapters" / "01_toy.py").write_text(CHAPTER)
    (root / "toy_helper.py").write_text("ANSWER = 14\n")
    (root / "site" / "results" / "toy.json").write_text(json.dumps({"value": 5}))
    monkeypatch.chdir(root)
    monkeypatch.delenv("GENKERAS_PROFILE", raising=False)
    return root


@pytest.fixture
def runs(project):
    """Counts how often the chapter has been executed."""
    log = project / "runs.log"
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0
