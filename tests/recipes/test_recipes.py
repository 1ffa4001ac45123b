"""Recipes: each is complete, a killed run ends at the same result, searches run once."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from genkeras import FVSBN, NADE, recipes
from genkeras.datasets import Split, binarized_digits

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
        load=binarized_digits, make_model=make_model,
        score=lambda model, dataset: (*mean_nll(model, dataset.test.x), {}),
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
    assert len(re.findall(r"-> [\d.]+$", first.stdout, re.M)) == 2
    again = toy(tmp_path, "search")
    assert again.returncode == 0
    assert again.stdout == ""


@pytest.fixture
def recipe_of_two_folds():
    """A recipe whose "score" is the sum of the biases, which tells the folds apart."""

    def load():
        whole = binarized_digits()
        halves = (whole.train.x[:300], 1 - whole.train.x[:300])
        return [dataclasses.replace(whole, train=Split(x)) for x in halves]

    def make_model(settings, dataset):
        model = FVSBN(64, seed=0)
        model.compile(keras.optimizers.SGD(settings["learning_rate"]))
        return model

    return recipes.Recipe(
        name="two_folds",
        dataset="digits",
        split="two",
        protocol="p",
        metric="m",
        unit="nats",
        published={"value": 1.0, "source": "none", "status": "R"},
        budget="seconds",
        settings={"learning_rate": 0.1, "epochs": 1, "batch_size": 300, "seed": 1},
        candidates=({}, {"learning_rate": 0.2}),
        load=load,
        make_model=make_model,
        score=lambda model, dataset: (
            float(np.sum(model.bias)),
            0.0,
            {"rows": len(dataset.train), "on": dataset.train.x.mean()},
        ),
    )


def test_figures_of_folds_are_means_and_their_error_is_over_folds(recipe_of_two_folds, tmp_path):
    result = recipes.run(recipe_of_two_folds, tmp_path / "work", tmp_path, verbose=0)
    x = binarized_digits().train.x[:300]
    # One step of SGD from zero: bias = rate * (mean of x - 1/2), summed over the 64 pixels.
    expected = 0.1 * (x.mean(axis=0) - 0.5).sum()
    assert result["folds"] == pytest.approx([expected, -expected], rel=1e-4)
    assert result["value"] == pytest.approx(0, abs=1e-5)
    assert result["standard_error"] == pytest.approx(abs(expected), rel=1e-4)
    assert result["beside"] == pytest.approx({"rows": 300, "on": 0.5})
    assert json.loads((tmp_path / "results" / "two_folds.json").read_text()) == result


def test_a_search_over_folds_trains_the_first_only_and_a_run_goes_on_from_it(
    recipe_of_two_folds, tmp_path
):
    scores = recipes.search(recipe_of_two_folds, tmp_path / "work", verbose=0)
    assert [score["validation"] for score in scores] == sorted(s["validation"] for s in scores)
    assert not list(tmp_path.rglob("fold_1"))
    recipes.run(recipe_of_two_folds, tmp_path / "work", tmp_path, verbose=0)
    assert len(list(tmp_path.rglob("fold_1"))) == 1
    assert len(list((tmp_path / "work").iterdir())) == 2  # the run found the first candidate's


def test_a_recipe_that_stands_on_another_gets_its_trained_model(recipe_of_two_folds, tmp_path):
    made = []

    def load(model):
        made.append(model)
        return recipe_of_two_folds.load()[1]

    first = recipe_of_two_folds
    second = dataclasses.replace(first, name="second", load=load, first=first)
    recipes.run(second, tmp_path / "work" / "second", tmp_path, verbose=0)
    recipes.run(first, tmp_path / "work" / "two_folds", tmp_path, verbose=0)
    recipes.run(second, tmp_path / "work" / "second", tmp_path, verbose=0)
    x = binarized_digits().train.x[:300]
    for model in made:  # trained by the second itself, and found trained
        np.testing.assert_allclose(model.bias, 0.1 * (x.mean(axis=0) - 0.5), rtol=1e-4, atol=1e-6)
    assert len(made) == 2 and made[1].optimizer.iterations == 1


@pytest.fixture
def recipe_of_seeds(recipe_of_two_folds):
    """A recipe of one fold, whose score is the seed of the model."""

    def seeded(settings, dataset):
        model = NADE(64, 4, num_labels=10, seed=settings["seed"])
        model.compile(keras.optimizers.SGD(settings["learning_rate"]))
        return model

    return dataclasses.replace(
        recipe_of_two_folds,
        load=binarized_digits,
        make_model=seeded,
        score=lambda model, dataset: (float(model.seed), 0.0, {}),
        inputs=lambda split: {"x": split.x, "condition": split.labels},
        settings={**recipe_of_two_folds.settings, "learning_rate": 0.1, "epochs": 2, "seed": 3},
        seeds=3,
        curve=("loss",),
    )


def test_runs_from_several_seeds_and_the_curves_of_each(recipe_of_seeds, tmp_path):
    def count(settings, dataset):
        def add(epoch, logs):
            if epoch == 1:
                logs["rows_times_seed"] = len(dataset.train) * settings["seed"]

        return [keras.callbacks.LambdaCallback(on_epoch_end=add)]

    curve = ("loss", "rows_times_seed")
    recipe = dataclasses.replace(recipe_of_seeds, callbacks=count, curve=curve)
    result = recipes.run(recipe, tmp_path / "work", tmp_path, verbose=0)
    assert result["runs"] == [3.0, 4.0, 5.0]
    assert result["seed"] == 3
    assert result["standard_error"] == pytest.approx(1 / np.sqrt(3))
    rows = len(binarized_digits().train)
    assert [c["rows_times_seed"] for c in result["curves"]] == [[None, s * rows] for s in (3, 4, 5)]
    losses = [curve["loss"] for curve in result["curves"]]
    assert all(first > second for first, second in losses)
    assert len({tuple(pair) for pair in losses}) == 3  # each in an order of its own
    assert result["train_loss"] == pytest.approx(np.mean([pair[-1] for pair in losses]))


def test_the_best_of_several_starts_goes_on(recipe_of_seeds, tmp_path):
    merits = {3: 0.1, 5: 0.9, 7: 0.2, 4: 0.5, 6: 0.4, 8: 0.3}  # of the starts of two runs, by seed
    epochs, asked = [], []

    def count(settings, dataset):
        return [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: epochs.append(settings))]

    def merit(model, dataset):
        asked.append(model.seed)
        return merits[model.seed]

    recipe = dataclasses.replace(
        recipe_of_seeds,
        settings={**recipe_of_seeds.settings, "learning_rate": 0.01, "epochs": 7},
        seeds=2,
        starts=3,
        merit=merit,
        callbacks=count,
    )
    result = recipes.run(recipe, tmp_path / "work", tmp_path, verbose=0)
    assert result["runs"] == [5.0, 4.0]
    assert result["merits"] == [[0.1, 0.9, 0.2], [0.5, 0.4, 0.3]]
    assert [len(curve["loss"]) for curve in result["curves"]] == [7, 7]
    assert len(epochs) == 2 * (3 * 5 + 2)  # the best goes on, from its checkpoint
    assert asked == [3, 5, 7, 4, 6, 8]
    again = recipes.run(recipe, tmp_path / "work", tmp_path, verbose=0)
    assert len(epochs) == 2 * (3 * 5 + 2) and len(asked) == 6  # nothing is trained or asked twice
    assert again["runs"] == [5.0, 4.0] and again["seconds"] == result["seconds"]


def test_the_name_of_a_table_gives_all_its_recipes():
    table = recipes.get("uci_binary")
    assert {"fvsbn_adult", "nade_web"} <= {recipe.name for recipe in table}
    assert len(table) == 14
    assert set(recipes.names()) == {r.name for rows in recipes.tables().values() for r in rows}


def test_unknown_recipe_names_those_it_may_have_meant():
    with pytest.raises(ValueError, match="Expected a recipe .* such as nade_binarized_mnist"):
        recipes.get("nade_binarised_mnist")
    with pytest.raises(ValueError, match="`genkeras recipes` lists. Received: 'xyz'"):
        recipes.get("xyz")


@pytest.mark.parametrize("name", recipes.names())
def test_recipe_is_complete(name):
    (recipe,) = recipes.get(name)
    assert recipe.name == name
    assert {"epochs", "batch_size", "seed"} <= set(recipe.settings)
    assert {"value", "source", "status"} == set(recipe.published)


@pytest.mark.parametrize(
    "recipe",
    [*recipes.get("gan_mnist"), *recipes.get("aae_mnist")],
    ids=lambda recipe: recipe.name,
)
def test_what_a_recipe_watches_can_be_measured_and_its_score_too(recipe, mnist_of_digits):
    dataset = mnist_of_digits
    model = recipe.make_model(recipe.settings, dataset)
    batch = recipe.inputs(dataset.train) if recipe.inputs else dataset.train.x
    model.fit(batch, batch_size=300, epochs=1, verbose=0)
    logs = {}
    for callback in recipe.callbacks(recipe.settings, dataset):
        callback.set_model(model)
        for epoch in range(10):
            callback.on_epoch_end(epoch, logs)
    assert len(logs) == 1 and set(logs) <= set(recipe.curve)
    value, error, _ = recipe.score(model, dataset)
    assert np.isfinite([*logs.values(), value]).all() and error > 0


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_result_belongs_to_its_recipe(path):
    result = json.loads(path.read_text())
    (recipe,) = recipes.get(path.stem)
    assert set(result) >= RESULT_KEYS
    assert result["recipe"] == path.stem
    assert result["settings"] == recipe.settings
    assert result["published"] == recipe.published
    assert result["epochs"] == recipe.settings["epochs"]
    assert result["logged"] == recipe.logged


def test_the_tables_are_as_close_to_the_published_ones_as_the_readme_says():
    for recipe in recipes.get("uci_binary"):
        result = json.loads((RESULTS / f"{recipe.name}.json").read_text())
        assert result["value"] <= 1.005 * result["published"]["value"], recipe.name
    for recipe in recipes.get("rnade"):
        result = json.loads((RESULTS / f"{recipe.name}.json").read_text())
        assert result["value"] >= result["published"]["value"], recipe.name


def test_a_recipe_without_candidates_has_nothing_to_search(tmp_path):
    (recipe,) = recipes.get("dalle_scenes")
    with pytest.raises(ValueError, match="Expected a recipe with candidates to search"):
        recipes.search(recipe, tmp_path / "search")
    assert not (tmp_path / "search").exists()
