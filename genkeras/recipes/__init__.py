"""Reproductions of published results: one JSON of what came out for each.

A recipe names the data and their protocol, the model, the schedule, the metric and the published
figure. `run` trains it (resuming what a kill interrupted), scores the test set once and writes
`NAME.json`; `search` scores settings on validation data, each once, and keeps what it measured.
A module of this package holds one recipe, or the recipes of one table.
"""

import difflib
import importlib
import pkgutil

from genkeras.recipes._recipe import Recipe, run, search

__all__ = ["Recipe", "get", "names", "run", "search", "tables"]


def tables():
    """Names of all modules of recipes, each with its recipes: a dictionary of tuples."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    homes = [name for name in modules if not name.startswith("_")]
    return {name: importlib.import_module(f"genkeras.recipes.{name}").RECIPES for name in homes}


def names():
    """Names of all recipes, sorted."""
    return sorted(recipe.name for recipes in tables().values() for recipe in recipes)


def get(name):
    """The recipes called `name`: one, or all of a table, as a tuple.

    Raises:
        ValueError: there is no such recipe or table.
    """
    known = {recipe.name: (recipe,) for recipes in tables().values() for recipe in recipes}
    known = {**tables(), **known}
    if name not in known:
        near = difflib.get_close_matches(name, known)
        such_as = f", such as {', '.join(near)}" if near else ""
        raise ValueError(
            f"Expected a recipe or a table that `genkeras recipes` lists{such_as}. "
            f"Received: {name!r}"
        )
    return known[name]
