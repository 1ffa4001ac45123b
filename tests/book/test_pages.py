"""What may get onto a page, the form of scripts, and the functions that chapters call."""

import json
import types
from pathlib import Path

import nbformat
import numpy as np
import pytest

from genkeras import book
from genkeras.book import chapter, mkdocs_results, pages, place, prose, scripts
from genkeras.book.place import ChapterError

HEADER = "# %% [markdown]\n# # 1. A toy\n#\n# What it is about.\n"
APPENDIX = HEADER.replace("1.", "A.")


def _page(project, *outputs, text="Some text.", name="01_toy.py", header=HEADER):
    """The page of a chapter whose only code cell had these outputs."""
    script = project / "chapters" / name
    script.write_text(f"{header}\n# %% [markdown]\n# {text}\n")
    chapter = scripts.read(script)
    notebook = chapter.notebook
    notebook.cells.append(nbformat.v4.new_code_cell("x = 1", outputs=list(outputs)))
    files = {f"chapters/{name}": "0123"}
    notebook.metadata["key"] = {"versions": {"python": "3.11"}, "files": files}
    notebook.metadata["genkeras"] = {"seconds": 75.0, "device": "CPU"}
    return pages.write(chapter, notebook, "default", project)


def _stdout(text):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def _item(kind, **content):
    return nbformat.v4.new_output("display_data", data={place.MIME: {"kind": kind, **content}})


def test_clean_output_is_shown_with_its_duration(project):
    text = _page(project, _stdout("loss 0.5\n"), _stdout("loss 0.4\n")).text
    assert "```{ .text .gk-output }\nloss 0.5\nloss 0.4\n```" in text
    assert "<dd>1 min 15 s</dd>" in text
    assert "\nscript_sha256: '0123'\n" in text  # of the script as it ran


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("saved to {root}/build/x.keras", "the path of this clone"),
        ("read {home}/data.npz", "the home directory"),
        ("10%\r20%\r30%", "a progress bar"),
        ("12/40 ━━━━━━━━━━ 1s", "a progress bar"),
        ("1/5 [=====>....] loss", "a progress bar"),
        ("\x1b[1mbold\x1b[0m", "terminal codes"),
        ("<Model object at 0x7f12aabbccdd>", "an object's address"),
        ("/elsewhere/ipykernel_123/1.py:3: in f", "a temporary path of the kernel"),
    ],
)
def test_traces_of_this_machine_are_refused(project, output, message):
    text = output.format(root=project, home=Path.home())
    with pytest.raises(ChapterError, match=message):
        _page(project, _stdout(text))


def test_a_path_in_a_caption_is_refused_too(project):
    table = _item("table", markdown="| a |\n| - |\n| 1 |", caption=f"From {project}.", name=None)
    with pytest.raises(ChapterError, match="the path of this clone"):
        _page(project, table)


def test_a_reference_to_nothing_is_refused(project):
    with pytest.raises(ChapterError, match="@fig:none refers to nothing"):
        _page(project, text="See @fig:none.")


def test_a_name_cannot_be_used_twice(project):
    figure = _item("figure", name="a", caption="c", alt="a", light="<svg/>", dark="<svg/>")
    with pytest.raises(ChapterError, match="two figures are called 'a'"):
        _page(project, figure, figure)


def test_a_picture_that_is_not_a_figure_is_refused(project):
    picture = nbformat.v4.new_output("display_data", data={"image/png": "aGk="})
    with pytest.raises(ChapterError, match="use book.figure"):
        _page(project, picture)


def test_figures_and_tables_are_numbered_in_their_order(project):
    def figure(name):
        return _item("figure", name=name, caption="c", alt="<a>", light="<svg/>", dark="<svg/>")

    text = _page(project, figure("b"), figure("a"), text="@fig:a comes after @fig:b.").text
    assert "[Figure 1.2](#fig-a) comes after [Figure 1.1](#fig-b)." in text
    assert 'alt="&lt;a&gt;"' in text


def test_a_table_of_recipes_is_left_for_the_site_to_fill(project):
    asked = {"rows": [{"recipe": "a", "unit": "nats", "published": 1.5}], "beside": {}}
    item = _item("recipes", asked=asked, caption="Ours.", name="published")
    text = _page(project, item, text="See @table:published.").text
    assert "See [Table 1.1](#table-published)." in text
    assert "**Table 1.1.** Ours." in text
    (marker,) = mkdocs_results.RECIPES.findall(text)
    assert json.loads(marker) == asked


def test_a_script_prints_recipes_beside_what_was_published(project, capsys):
    names = ("toy", "other")
    entries = [
        types.SimpleNamespace(name=name, unit="nats", published={"value": 4.0}) for name in names
    ]
    result = {"recipe": "toy", "dataset": "d", "metric": "nll", "value": 5, "unit": "nats"}
    result |= {"budget": "b", "published": {"value": 4.0}, "epochs": 1200, "seconds": 7200}
    (project / "site" / "results" / "toy.json").write_text(json.dumps(result))
    book.recipes(entries, "Ours.", name="published")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["`toy`", "nats", "4.00", "5", "1.00", "worse", "1,200", "2.0"]
    assert lines[3] == ["`other`", "nats", "4.00", "not", "run", "here"]
    with pytest.raises(ValueError, match="Expected at least one recipe"):
        book.recipes([], "None.")


def test_a_fence_is_longer_than_what_it_holds(project):
    assert "````{ .text .gk-output }\n```\n````" in _page(project, _stdout("```\n")).text


def test_quoted_source_links_to_its_api_page(project):
    item = _item(
        "source", code="x = 1", file="genkeras/plots.py", line=3, module="genkeras.plots", name="f"
    )
    text = _page(project, item).text
    assert '```python title="genkeras/plots.py, line 3"\nx = 1\n```' in text
    assert "(../api/plots.md#genkeras.plots.f)" in text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("01_toy.py", "x = 1\n", "Expected the first cell to be text"),
        ("01_toy.py", "# %% [markdown]\n# # A toy\n#\n# Text.\n", "first line '# N. Title'"),
        ("01_toy.py", "# %% [markdown]\n# # 1. A toy\n", "a description below the title"),
        ("02_toy.py", HEADER, "Expected chapter 2 in the title. Received: 1"),
        ("A_toy.py", HEADER, "Expected chapter A in the title. Received: 1"),
        ("02_toy.py", APPENDIX, "Expected chapter 2 in the title. Received: A"),
        ("a_toy.py", APPENDIX, "Expected a file name NN_topic.py, or A_topic.py"),
        ("toy.py", HEADER, "Expected a file name NN_topic.py"),
        ("01_toy.py", HEADER + "\n# %% [markdown]\n#\n\n# %%\nx = 1\n", "an empty cell"),
        ("01_toy.py", HEADER + "\n# %% [markdown]\n# # Two\n", "a second one in cell 2"),
        ("01_toy.py", HEADER + '\n# %% tags=["hidden"]\nx = 1\n', r"Received: \['hidden'\]"),
    ],
)
def test_malformed_scripts_are_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ChapterError, match=message):
        scripts.read(path)


def test_a_well_formed_script_is_read(tmp_path):
    path = tmp_path / "01_toy.py"
    path.write_text(HEADER)
    chapter = scripts.read(path)
    assert (chapter.label, chapter.title) == ("1", "A toy")
    assert chapter.description == "What it is about."


def test_an_appendix_is_labelled_by_its_letter(project):
    figure = _item("figure", name="a", caption="c", alt="a", light="<svg/>", dark="<svg/>")
    page = _page(project, figure, name="A_toy.py", header=APPENDIX, text="See @fig:a.")
    assert "title: A. A toy\n" in page.text
    assert "\nchapter: A\n" in page.text
    assert "\n# A. A toy\n" in page.text
    assert "See [Figure A.1](#fig-a)." in page.text
    assert 'src="figures/A_toy/a.svg#only-light"' in page.text
    assert "\nchapter: 1\n" in _page(project).text
    with pytest.raises(ChapterError, match="chapter A: @fig:none refers to nothing"):
        _page(project, name="A_toy.py", header=APPENDIX, text="See @fig:none.")


@pytest.mark.parametrize(("profile", "value"), [(None, 3), ("default", 3), ("full", 30)])
def test_a_setting_follows_the_profile(monkeypatch, profile, value):
    monkeypatch.delenv("GENKERAS_PROFILE", raising=False)
    if profile:
        monkeypatch.setenv("GENKERAS_PROFILE", profile)
    assert book.setting(default=3, full=30) == value


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("GENKERAS_PROFILE", "fast")
    with pytest.raises(ValueError, match="Expected GENKERAS_PROFILE .* Received: 'fast'"):
        book.setting(default=3, full=30)


def test_missing_results_say_how_to_make_them(project):
    with pytest.raises(ValueError, match="`genkeras recipe nade_x` makes it"):
        book.result("nade_x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (prose.number(-1.234), "−1.23"),
        (prose.number(0.5, "+.1f"), "+0.5"),
        (prose.number(-2.5e-7, ".1e"), r"$-2.5 \times 10^{-7}$"),
        # Mean 3; variance (4 + 1 + 0 + 1 + 4) / 4 = 2.5, so the standard error is sqrt(2.5 / 5).
        (prose.mean_error([1, 2, 3, 4, 5], "+.3f"), "+3.000 ± 0.707"),
        (prose.mean_error([-1, -2, -3, -4, -5]), "−3.00 ± 0.71"),
        (prose.listed(["a", "b", "c"]), "a, b and c"),
        (prose.listed(["a"]), "a"),
        (prose.listed([]), "none"),
    ],
)
def test_figures_as_text(text, expected):
    assert text == expected


def test_bad_calls_are_refused(project):
    with pytest.raises(ValueError, match="Expected a box of kind"):
        book.box("remark", "Title", "Text.")
    with pytest.raises(ValueError, match="Expected rows of 2 values"):
        book.table([[1]], ["a", "b"], "Caption.")
    with pytest.raises(ValueError, match="Expected a name of lower-case letters"):
        book.figure(None, "A name", "Caption.", alt="Alt.")
    with pytest.raises(ValueError, match="Expected a caption and an alt text"):
        book.figure(None, "name", "Caption.", alt="")
    with pytest.raises(ValueError, match="Expected an object of genkeras"):
        book.source(nbformat.reads)
    with pytest.raises(ValueError, match="Expected a function, method or class"):
        book.source(np.exp)


def test_source_is_quoted_with_its_place_and_without_its_docstring(capsys):
    book.source(book.verbosity)
    lines = capsys.readouterr().out.splitlines()
    module = Path(place.__file__).with_name("chapter.py").read_text().splitlines()
    name, _, number = lines[0].partition(":")
    assert name == "# genkeras/book/chapter.py"
    assert module[int(number) - 1] == lines[1] == "def verbosity():"
    assert "place.in_book()" in lines[2]


def test_a_bar_in_a_table_does_not_end_its_cell():
    table = chapter._markdown_table([["|a|", "1"]], ["$|x|$", "n"], [False, True])
    assert table.splitlines() == [r"| $\|x\|$ | n |", "| :--- | ---: |", r"| \|a\| | 1 |"]


def test_columns_of_numbers_are_set_to_the_right(project, capsys):
    rows = [["a", 1.23456, "25.1 ± 0.2", "—"], ["10 b", 2, "**19.9 ± 0.2**", "x"]]
    book.table(rows, ["name", "value", "nll", "note"], "Caption.")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "a     1.235      25.1 ± 0.2  —"
    assert lines[3] == "10 b      2  **19.9 ± 0.2**  x"
