"""Reproductions of published results: one file per result, one JSON of what came out.

A recipe names the data and their protocol, the model, the schedule, the metric and the published
figure. `run` trains it (resuming what a kill interrupted), scores the test set once and writes
`NAME.json`; `search` scores settings on validation data, each once, and keeps what it measured.
"""

import importlib
import pkgutil

from genkeras.recipes._recipe import Recipe, run, search

__all__ = ["Recipe", "get", "names", "run", "search"]


def names():
    """Names of all recipes, sorted."""
    modules = pkgutil.iter_modules(__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def get(name):
    """The recipe called `name`.

    Raises:
        ValueError: there is no such recipe.
    """
    if name not in names():
        raise ValueError(f"Expected a recipe out of {names()}. Received: {name!r}")
    return importlib.import_module(f"genkeras.recipes.{name}").RECIPE
