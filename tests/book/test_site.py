"""The committed site builds strictly without TensorFlow, loads nothing from outside, links well."""

import html.parser
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

REPOSITORY = Path(__file__).parents[2]

_BLOCK = """\
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "tensorflow_probability", "genkeras"}:
            raise ImportError(f"{name} must not be imported here")

sys.meta_path.insert(0, Block())
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site, built in a process in which importing TensorFlow, Keras or genkeras fails."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "block").mkdir()
    (folder / "block" / "sitecustomize.py").write_text(_BLOCK)
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "block"),
        # Material's notice about its successor.
        "NO_MKDOCS_2_WARNING": "1",
    }
    check = [sys.executable, "-c", "import tensorflow"]
    blocked = subprocess.run(check, env=environment, capture_output=True, text=True)
    assert "must not be imported here" in blocked.stderr
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder / "out")]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "out"


class _Links(html.parser.HTMLParser):
    """What a page loads and what it links to."""

    def __init__(self):
        super().__init__()
        self.loads, self.links = [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a":
            self.links.append(attributes.get("href"))
        elif tag == "link":
            self.loads.append(attributes.get("href"))
        elif tag in {"script", "img", "iframe", "source", "video", "audio", "embed"}:
            self.loads.append(attributes.get("src"))


def _links(page):
    parser = _Links()
    parser.feed(page.read_text(encoding="utf-8"))
    return [x for x in parser.loads if x], [x for x in parser.links if x]


def test_no_page_loads_anything_from_outside(built):
    pages = list(built.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loads, _ = _links(page)
        assert loads
        assert [x for x in loads if re.match(r"(https?:)?//", x)] == [], page
    for sheet in built.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", text), sheet


def test_every_file_and_page_that_is_linked_exists(built):
    dead = []
    for page in built.rglob("*.html"):
        if page.name == "404.html":
            continue
        loads, links = _links(page)
        for target in loads + links:
            path, _ = urldefrag(target)
            if not path or re.match(r"[a-z]+:|//", path):
                continue
            if not (page.parent / unquote(path)).exists():
                dead.append(f"{page.relative_to(built)} -> {target}")
    assert dead == []


def test_the_foot_of_every_chapter_links_to_its_script(built):
    scripts = sorted((REPOSITORY / "chapters").glob("*.py"))
    assert len(scripts) > 10
    for script in scripts:
        _, links = _links(built / "chapters" / f"{script.stem}.html")
        assert script.name in links, script
        assert (built / "chapters" / script.name).read_bytes() == script.read_bytes()


def test_a_page_says_if_its_script_has_changed_since():
    scripts = hooks_of("mkdocs_scripts")
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
    link = '<a href="02_nade.py">chapters/02_nade.py</a>'
    for recorded in (digest, None):
        assert scripts.linked("02_nade.py", b"foo", recorded) == f"<dd>{link}</dd>"
    changed = scripts.linked("02_nade.py", b"fool", digest)
    assert changed == f"<dd>{link}, changed since it made this page</dd>"


def test_search_works_from_a_file(built):
    index = (built / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = ")
    assert "NADE" in index
    # The glossary is searched in both of its languages.
    assert '"lang": ["en", "ko"]' in index or '"lang":["en","ko"]' in index


def hooks_of(name):
    """A file of hooks, loaded as MkDocs loads it: by path."""
    path = REPOSITORY / "genkeras" / "book" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hooks():
    return hooks_of("mkdocs_hooks")


@pytest.fixture(scope="module")
def results():
    return hooks_of("mkdocs_results")


def _result(recipe, value, published, **more):
    return {
        "recipe": recipe,
        "dataset": "binarized MNIST",
        "split": "test, 10,000",
        "protocol": "fixed binarization",
        "metric": "NLL",
        "value": value,
        "unit": "nats",
        "standard_error": 0.05,
        "published": {"value": published, "source": "a paper", "status": "V"},
        "budget": "50 of 500 epochs",
        "seed": 0,
        "epochs": 50,
        "parameters": 785_284,
        "device": "CPU",
        "seconds": 5400.0,
        "versions": {"keras": "3.15.1"},
        "command": f"genkeras recipe {recipe}",
        **more,
    }


def _write(folder, *results):
    for result in results:
        (folder / f"{result['recipe']}.json").write_text(json.dumps(result))


def test_worse_and_better_results_are_both_said_to_be_so(results, tmp_path):
    _write(tmp_path, _result("worse_one", 89.5, 88.33), _result("better_one", 88.0, 88.33))
    lines = results.scoreboard(tmp_path).splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| [")}
    worse = rows["[worse\\_one](#worse-one)"]
    assert "| 89.50 ± 0.05 | 88.33 |" in worse
    assert '<span class="gk-worse">1.17 worse</span>' in worse
    assert "| 90 min |" in worse
    assert "<dt>Budget</dt><dd>50 of 500 epochs</dd>" in lines
    assert '<span class="gk-better">0.33 better</span>' in rows["[better\\_one](#better-one)"]


def test_more_is_better_where_the_metric_says_so(results):
    better = _result("a", 97.5, 97.0, metric="accuracy", standard_error=None)
    assert results.difference(better) == ("0.50 better", "better")
    worse = _result("a", 96.5, 97.0, metric="accuracy", standard_error=None)
    assert results.difference(worse) == ("0.50 worse", "worse")


def test_a_difference_inside_the_noise_is_said_to_be_so(results):
    near = _result("a", 88.40, 88.33)
    assert results.difference(near) == ("0.07 worse, within two standard errors", "worse")


def test_nothing_published_and_no_results_at_all(results, tmp_path):
    assert results.difference(_result("a", 1.0, None)) == ("nothing published", "none")
    assert "No result has been recorded yet" in results.scoreboard(tmp_path / "missing")


def test_details_say_how_a_result_was_made(results, tmp_path):
    _write(tmp_path, _result("one", 89.5, 88.33))
    text = results.scoreboard(tmp_path)
    for fact in (
        "read in the source",
        "785,284",
        "90 min",
        "<dd>genkeras recipe one</dd>",
        "keras 3.15.1",
    ):
        assert fact in text


def test_a_results_file_must_be_named_for_its_recipe_and_be_complete(results, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(_result("one", 89.5, 88.33)))
    with pytest.raises(ValueError, match="Expected recipe 'other'"):
        results.scoreboard(tmp_path)
    path.write_text(json.dumps({"recipe": "other"}))
    with pytest.raises(ValueError, match="Expected results with .*'value'"):
        results.scoreboard(tmp_path)


def test_a_page_shows_the_results_that_exist_when_the_site_is_built(results, tmp_path):
    asked = {
        "rows": [
            {"recipe": "one_run", "unit": "modes", "published": 17.3},
            {"recipe": "not_run", "unit": "nats", "published": None},
        ],
        "beside": {"good samples": "high_quality"},
    }
    page = f"Before.\n\n{results.recipes_marker(asked)}\n\nAfter."
    config = {"docs_dir": str(tmp_path)}

    def rows():
        text = results.on_page_markdown(page, None, config, None)
        assert text.startswith("Before.\n\n| recipe | unit |") and text.endswith("|\n\nAfter.")
        return [line.strip("| ").split(" | ") for line in text.splitlines() if "_run" in line]

    assert rows()[0][:4] == ["`one_run`", "modes", "17.30", "not run here"]
    (tmp_path / "results").mkdir()
    _write(
        tmp_path / "results",
        _result("one_run", 16.0, 17.3, metric="modes", beside={"high_quality": 0.891}),
    )
    ours, missing = rows()
    assert ours == [
        "[`one_run`](../scoreboard.md#one-run)",
        "modes",
        "17.30",
        "16.00 ± 0.05",
        "1.30 worse",
        "50",
        "1.5",
        "0.89",
    ]
    assert missing[:4] == ["`not_run`", "nats", "—", "not run here"]


def test_chapters_that_exist_enter_the_navigation_and_the_list(hooks, tmp_path):
    (tmp_path / "chapters").mkdir()
    page = "---\ntitle: 2. NADE\ndescription: 'It''s about: pixels.'\n---\n\n# 2. NADE\n"
    (tmp_path / "chapters" / "02_nade.md").write_text(page)
    appendix = "---\ntitle: A. Tables\ndescription: How to read them.\n---\n"
    (tmp_path / "chapters" / "A_tables.md").write_text(appendix)
    (tmp_path / "chapters" / "index.md").write_text("# Chapters\n")
    config = {"docs_dir": str(tmp_path), "nav": [{"Chapters": ["chapters/index.md"]}]}
    hooks.on_config(config)
    wanted = ["chapters/index.md", "chapters/02_nade.md", "chapters/A_tables.md"]
    assert config["nav"] == [{"Chapters": wanted}]
    listed = hooks.chapter_list(tmp_path)
    assert listed == (
        "**[2. NADE](02_nade.md)**\n:   It's about: pixels.\n\n"
        "**[A. Tables](A_tables.md)**\n:   How to read them.\n"
    )


def test_a_note_in_a_docstring_keeps_its_first_line_as_text(hooks):
    made = '<details class="note" open>\n  <summary>a first line</summary>\n  <p>and more.</p>'
    wanted = '<details class="note" open>\n<summary>Note</summary>\n<p>A first line and more.</p>'
    assert hooks.tidy_api(made) == wanted
    assert hooks.tidy_api(wanted) == wanted


def test_the_examples_of_the_site_run(tmp_path):
    """Every Python block of the hand-written pages, each in a namespace of its own."""
    blocks = []
    for name in ("index.md", "use-it.md"):
        text = (REPOSITORY / "site" / name).read_text(encoding="utf-8")
        blocks += [f"# {name}\n{code}" for code in re.findall(r"(?s)```python\n(.*?)```", text)]
    assert len(blocks) >= 10
    script = tmp_path / "blocks.py"
    script.write_text(
        f"import keras\nfor block in {blocks!r}:\n"
        "    keras.utils.set_random_seed(0)\n"
        "    exec(compile(block, block.splitlines()[0], 'exec'), {})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_benchmark_becomes_a_table(results, tmp_path):
    rows = [
        {"model": "NADE", "features": 784, "scan (ms)": 44.5},
        {"model": "NADE", "features": 3072, "scan (ms)": 181.25},
    ]
    (tmp_path / "nade.json").write_text(json.dumps({"training_step": rows, "cpu_cores": 2}))
    text = results.benchmark(tmp_path / "nade.json", "training_step")
    assert "| model | features | scan (ms) |" in text
    assert "| NADE | 3,072 | 181.25 |" in text
    assert "| :--- | ---: | ---: |" in text
