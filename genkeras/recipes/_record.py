"""What is recorded of a recipe: the figures of its runs, and where they were computed."""

import importlib.metadata
import json
import math
import os
import pathlib
import platform
import statistics


def summary(recipe, folds, parameters, searched):
    """The result of a recipe, a dictionary for its JSON.

    Args:
        recipe: a `Recipe`.
        folds: a dictionary of figures for each run. Over several, the figures of the result are
            means, and its standard error is that of the mean over them.
        parameters: number of weights of the model.
        searched: scores of the candidates, as `search` gives them.
    """
    result = {
        "recipe": recipe.name,
        "dataset": recipe.dataset,
        "split": recipe.split,
        "protocol": recipe.protocol,
        "metric": recipe.metric,
        "value": _mean(folds, "value"),
        "unit": recipe.unit,
        "standard_error": _standard_error(folds),
        "published": recipe.published,
        "budget": recipe.budget,
        "seed": recipe.settings["seed"],
        "epochs": recipe.settings["epochs"],
        "parameters": parameters,
        "device": device(),
        "seconds": round(sum(fold["seconds"] for fold in folds), 1),
        "versions": versions(),
        "command": f"genkeras recipe {recipe.name}",
        "settings": recipe.settings,
        "validation": _mean(folds, "validation"),
        "train_loss": _mean(folds, "train_loss"),
        "logged": recipe.logged,
        "search": searched,
    }
    figures = [fold["beside"] for fold in folds]
    if figures[0]:
        result["beside"] = {name: _mean_or_words(figures, name) for name in figures[0]}
    if len(folds) > 1:
        result["folds" if recipe.seeds == 1 else "runs"] = [fold["value"] for fold in folds]
    if recipe.starts > 1:
        result["merits"] = [fold["merits"] for fold in folds]
    if recipe.curve:
        result["curves"] = [fold["curves"] for fold in folds]
    return result


def _mean(rows, name):
    return statistics.fmean(row[name] for row in rows)


def _mean_or_words(rows, name):
    """The mean of figures; of words, which all runs share, the words."""
    return rows[0][name] if isinstance(rows[0][name], str) else _mean(rows, name)


def _standard_error(folds):
    """Of one fold, over its examples; of several, over the folds."""
    if len(folds) == 1:
        return folds[0]["standard_error"]
    return statistics.stdev(fold["value"] for fold in folds) / math.sqrt(len(folds))


def write_json(path, content):
    """Writes JSON in one step: a reader sees the old file or the new one."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(unfinished, path)


def device():
    """The devices TensorFlow computes on, in words."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    return ", ".join(filter(None, names)) or f"{os.cpu_count()} CPU cores, {platform.machine()}"


def versions():
    """Versions of Python and of the packages that a result depends on."""
    packages = ("genkeras", "keras", "tensorflow", "tensorflow-probability", "numpy")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
