"""Recipes: every file is complete, a killed run ends at the same result, searches run once."""

import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

from genkeras import recipes

RESULTS = pathlib.Path(__file__).parents[2] / "site" / "results"
RESULT_KEYS = {
    "recipe",
    "dataset",
    "split",
    "protocol",
    "metric",
    "value",
    "unit",
    "standard_error",
    "published",
    "budget",
    "seed",
    "epochs",
    "parameters",
    "device",
    "seconds",
    "versions",
    "command",
}

# A real model on real data, small enough for seconds. With KILL_AT in the environment the process
# kills itself, as from outside, in the middle of an epoch.
TOY = """
    import os, pathlib, signal, sys
    import keras
    from genkeras import NADE, recipes
    from genkeras.datasets import binarized_digits
    from genkeras.evaluation import mean_nll

    batches = {"seen": 0}

    def make_model(settings, dataset):
        model = NADE(64, 12, activation="relu", dropout=settings["dropout"], seed=settings["seed"])
        model.compile(keras.optimizers.AdamW(settings["learning_rate"]))
        if "KILL_AT" in os.environ:
            step = model.compute_metrics
            def fatal(*args, **kwargs):
                batches["seen"] += 1
                if batches["seen"] == int(os.environ["KILL_AT"]):
                    os.kill(os.getpid(), signal.SIGKILL)
                return step(*args, **kwargs)
            model.compute_metrics = fatal
            model.run_eagerly = True
        return model

    recipe = recipes.Recipe(
        name="toy", dataset="digits", split="all", protocol="p", metric="test_nll", unit="nats",
        published={"value": 1.0, "source": "none", "status": "R"}, budget="seconds",
        settings={"dropout": 0.2, "learning_rate": 3e-3, "epochs": 3, "batch_size": 400, "seed": 1},
        candidates=({"dropout": 0.0, "epochs": 1}, {"dropout": 0.5, "epochs": 1}),
        load=binarized_digits, make_model=make_model, score=mean_nll,
        draw=lambda model, folder: (folder.mkdir(), (folder / "drawn").touch()),
    )
    directory = pathlib.Path(sys.argv[1])
    if sys.argv[2] == "run":
        recipes.run(recipe, directory / "work", directory, verbose=0)
    else:
        recipes.search(recipe, directory / "work", verbose=0)
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    script = tmp_path_factory.mktemp("toy") / "toy.py"
    script.write_text(textwrap.dedent(TOY))

    def call(directory, what="run", **environment):
        return subprocess.run(
            [sys.executable, str(script), str(directory), what],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            capture_output=True,
            text=True,
        )

    return call


def test_a_killed_run_resumes_to_the_same_result(toy, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert toy(whole).returncode == 0
    # 1,078 rows or so in batches of 400 are three steps: the fifth step is inside epoch two.
    assert toy(killed, KILL_AT="5").returncode == -9
    assert not (killed / "results" / "toy.json").exists()
    assert toy(killed).returncode == 0
    results = [json.loads((path / "results" / "toy.json").read_text()) for path in (whole, killed)]
    assert all((path / "assets" / "drawn").exists() for path in (whole, killed))
    for result in results:
        assert set(result) >= RESULT_KEYS
        assert result.pop("seconds") > 0
    assert results[0] == results[1]


def test_a_search_scores_each_candidate_once(toy, tmp_path):
    first = toy(tmp_path, "search")
    assert first.returncode == 0, first.stderr
    assert len(re.findall(r"-> [\d.]+ nats", first.stdout)) == 2
    again = toy(tmp_path, "search")
    assert again.returncode == 0
    assert again.stdout == ""


def test_unknown_recipe_names_the_known_ones():
    with pytest.raises(ValueError, match=r"Expected a recipe out of \[.*nade_binarized_mnist"):
        recipes.get("nothing")


@pytest.mark.parametrize("name", recipes.names())
def test_recipe_bears_the_name_of_its_file(name):
    recipe = recipes.get(name)
    assert recipe.name == name
    assert {"epochs", "batch_size", "seed"} <= set(recipe.settings)
    assert {"value", "source", "status"} == set(recipe.published)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_result_belongs_to_its_recipe(path):
    result = json.loads(path.read_text())
    recipe = recipes.get(path.stem)
    assert set(result) >= RESULT_KEYS
    assert result["recipe"] == path.stem
    assert result["settings"] == recipe.settings
    assert result["published"] == recipe.published
    assert result["epochs"] == recipe.settings["epochs"]
