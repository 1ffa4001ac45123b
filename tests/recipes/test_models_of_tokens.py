"""Recipes of Transformers from end to end, on a few rows."""

import dataclasses
import json

import pytest

from genkeras import datasets, recipes
from genkeras.datasets import PairedText, Pairs, korean_numbers
from genkeras.recipes import dalle, transformer, vit_mnist

ENGLISH = ("A dog runs.", "Two dogs run.", "A cat sleeps.", "Two cats sleep.", "A dog sleeps.")
GERMAN = (
    *("Ein Hund läuft.", "Zwei Hunde laufen.", "Eine Katze schläft.", "Zwei Katzen schlafen."),
    "Ein Hund schläft.",
)


def run(recipe, tmp_path, **changes):
    """The result of a recipe with other settings, and the same from what it has kept."""
    recipe = dataclasses.replace(
        recipe, **{**changes, "settings": {**recipe.settings, **changes["settings"]}}
    )
    result = recipes.run(recipe, tmp_path / "work", tmp_path, verbose=0)
    again = recipes.run(recipe, tmp_path / "work", tmp_path, verbose=0)  # trains nothing
    assert again == result == json.loads((tmp_path / "results" / f"{recipe.name}.json").read_text())
    return result


SMALL = {"model_dim": 16, "num_heads": 2, "num_layers": 1, "hidden_units": 16, "epochs": 2}


def test_korean_numbers(tmp_path, monkeypatch):
    def few(**options):
        return korean_numbers(num_train=300, num_test=40, **options)

    monkeypatch.setattr(datasets, "korean_numbers", few)
    longer = datasets.longer_numbers
    monkeypatch.setattr(datasets, "longer_numbers", lambda digits, count: longer(digits, 20))
    result = run(transformer.NUMBERS_RECIPE, tmp_path, settings={**SMALL, "batch_size": 50})
    assert 0 <= result["value"] <= 100
    assert set(result["beside"]) == {
        f"exact_match_percent_{digits}_digits" for digits in (8, 11, 12)
    }


def test_multi30k(tmp_path, monkeypatch):
    pytest.importorskip("sacrebleu")
    pairs = Pairs(ENGLISH * 8, GERMAN * 8)
    toy = PairedText("multi30k", "a toy", pairs, Pairs(ENGLISH, GERMAN), Pairs(ENGLISH, GERMAN))
    monkeypatch.setattr(datasets, "multi30k", lambda: toy)
    result = run(
        transformer.MULTI30K_RECIPE,
        tmp_path,
        settings={**SMALL, "epochs": 60, "batch_size": 160, "warmup_steps": 20, "dropout": 0.0},
        averaged=3,
    )
    assert result["value"] == pytest.approx(100)  # sentences that it has seen
    assert result["beside"]["sacrebleu_cased_detokenised"] < 60  # it writes in lower case
    assert result["beside"]["sacrebleu_lower_detokenised"] == pytest.approx(100)
    assert result["beside"]["sacrebleu_signature"].startswith("nrefs:1|case:mixed")
    weights = list((tmp_path / "work").glob("*/weights/epoch_*.npz"))
    assert sorted(path.stem for path in weights) == [f"epoch_{k:06d}" for k in (57, 58, 59)]


@pytest.mark.parametrize("recipe", vit_mnist.RECIPES, ids=lambda recipe: recipe.name)
def test_digits_in_the_place_of_mnist(recipe, tmp_path, monkeypatch, mnist_of_digits):
    monkeypatch.setattr(datasets, "mnist", lambda: mnist_of_digits)
    settings = {"num_layers": 1} if "num_layers" in recipe.settings else {}
    small = {**settings, "epochs": 2, "batch_size": 50, "warmup_steps": 4}
    result = run(recipe, tmp_path, settings=small)
    assert 0 < result["value"] <= 100 and result["standard_error"] > 0


def test_pictures_from_captions(tmp_path, monkeypatch):
    scenes = datasets.scenes
    monkeypatch.setattr(datasets, "scenes", lambda *counts: scenes(60, 20, 20))
    monkeypatch.setattr(dalle, "WAYS", dalle.WAYS[:2])
    of_tokens, of_pictures = (
        dalle.DISCRETE_VAE,
        next(recipe for recipe in dalle.RECIPES if recipe.first),
    )
    schedule = {"epochs": 2, "batch_size": 20, "warmup_steps": 2}
    small = {**of_tokens.settings, **schedule, "filters": [8, 8], "num_tokens": 8}
    first = dataclasses.replace(of_tokens, settings=small)
    codes = run(first, tmp_path, settings={})
    assert 0 <= codes["value"] <= 100 and 1 <= codes["beside"]["tokens_used"] <= 8
    result = run(of_pictures, tmp_path, first=first, settings={**SMALL, **schedule})
    assert 0 <= result["value"] <= 100
    assert {name: result["beside"][name] for name in dalle.WAYS[0]} in list(dalle.WAYS)
    assert len(result["curves"][0]["attributes"]) == 2
