"""The house rules: floors, quick import, nothing of one machine, documents whose code runs."""

import ast
import json
import pathlib
import re
import subprocess
import sys

import pytest

from genkeras.recipes import tables

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "genkeras"
FLOORS = {
    "likelihoods": 1,
    "divergences": 1,
    "priors": 1,
    "checks": 1,
    "random": 1,
    "layers": 2,
    "models": 3,
    "training": 2,  # it stands on checks alone, and layers that draw noise stand on it
    "autoregressive": 4,
    "latent": 4,
    "adversarial": 4,
    "transformers": 4,
    "recipes": 5,
    "book": 5,
    "quiet": 5,
    "cli": 6,
    "doctor": 6,
    "__main__": 7,
}
BESIDE = {"datasets", "evaluation", "plots"}
FAMILIES = {"autoregressive", "latent", "adversarial", "transformers"}
# What is really composed of two families: the codes of an autoencoder are made by a GAN.
COMPOSED = {("latent/adversarial_autoencoder.py", "adversarial")}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """Rooms of genkeras that a module imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("genkeras.")}
    return rooms & (set(FLOORS) | BESIDE)


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_floors_below_it(path):
    room = room_of(path)
    for other in imported_rooms(path) - {room}:
        if room in BESIDE:
            # The checks stand on NumPy alone.
            assert other in BESIDE | {"checks"}, f"{room} must not import {other}"
        elif other in BESIDE:
            assert FLOORS[room] >= 5, f"the models' floors must not import {other}"
        else:
            assert FLOORS[other] <= FLOORS[room], f"{other} is above {room}"
            composed = (str(path.relative_to(PACKAGE)), other) in COMPOSED
            across = {room, other} <= FAMILIES and not composed
            assert not across, f"family {room} imports family {other}"


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} <= set(FLOORS) | BESIDE


@pytest.mark.parametrize(
    "module", ["genkeras", "genkeras.cli", "genkeras.datasets", "genkeras.evaluation"]
)
def test_import_is_quick(module):
    heavy = "{'tensorflow', 'keras', 'tensorflow_probability', 'sklearn'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists():
    import genkeras

    for name in genkeras.__all__:
        assert getattr(genkeras, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'PixelCNN2'"):
        _ = genkeras.PixelCNN2


def tracked_files():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_no_path_of_a_machine_is_tracked():
    pattern = re.compile(r"(?<![A-Za-z.~])/(home|root|work|Users)/[A-Za-z]")
    for path in tracked_files():
        if path.suffix in {".py", ".md", ".json", ".toml", ".yml", ".txt", ".svg"}:
            text = path.read_text(errors="replace")
            assert not pattern.search(text), path


def test_the_readme_shows_results_as_they_were_measured():
    rows = {}
    for line in (ROOT / "README.md").read_text().replace("−", "-").splitlines():
        number = r"-?[\d.]+"
        measured = rf"({number})(?: ± ({number}))?(?: [\w%]+)?"
        pattern = rf"\| `(\w+)`: .* \| {measured} \| ({number}|none)(?: %)? \|"
        if re.match(r"\| `\w+`: ", line):
            match = re.match(pattern, line)
            assert match, line
            rows[match[1]] = match.groups()[1:]
    expected = {}
    for path in (ROOT / "site" / "results").glob("*.json"):
        result = json.loads(path.read_text())
        numbers = (result["value"], result["standard_error"], result["published"]["value"])
        value, error, published = (None if n is None else f"{n:.2f}" for n in numbers)
        expected[path.stem] = value, error, published or "none"
    assert rows.items() <= expected.items()
    # Of the tables of many sets one or two rows will do; a result that stands alone must be there.
    alone = {recipes[0].name for recipes in tables().values() if len(recipes) == 1}
    assert alone & set(expected) <= set(rows)


def test_the_code_of_the_readme_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    script = tmp_path / "readme.py"
    script.write_text(
        "\n".join(blocks) + "\nassert model.evaluate(data.test.x, verbose=0) < 20.5\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "nade.keras").exists()
