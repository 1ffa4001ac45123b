"""What every recipe does: train with resume, score, write the result."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A result to reproduce.

    Attributes:
        name: name of the recipe, of its module and of its JSON.
        dataset, split, protocol: the data and how they are used, in words.
        metric, unit: what is measured on the test set.
        published: `{"value", "source", "status"}` of the published figure.
        budget: what the run may cost, in words.
        settings: the chosen settings, with "epochs", "batch_size" and "seed" among them.
        candidates: settings for `search` to compare on validation data, as changes to `settings`.
        load: `() -> Dataset`.
        make_model: `(settings, dataset) -> compiled model`.
        score: `(model, x) -> (value, standard error)` of the metric.
        draw: `(model, directory) -> None`, saves pictures of the trained model, or None.
        augment: `settings -> function`, what `epoch_batches` takes as `augment`, or None.
    """

    name: str
    dataset: str
    split: str
    protocol: str
    metric: str
    unit: str
    published: dict
    budget: str
    settings: dict
    candidates: tuple
    load: Callable
    make_model: Callable
    score: Callable
    draw: Callable | None = None
    augment: Callable | None = None


def run(recipe, directory, site, verbose=2):
    """Trains a recipe, scores its test set and writes its result.

    Args:
        recipe: a `Recipe`.
        directory: where checkpoints live; an unfinished run in it is resumed.
        site: folder whose `results/NAME.json` is written, and its `assets/` if it draws.
        verbose: as in `fit`.

    Returns:
        The result, a dictionary.
    """
    dataset = recipe.load()
    run_directory = pathlib.Path(directory) / _key(recipe.settings)
    model, history = _train(recipe, recipe.settings, dataset, run_directory, verbose)
    value, standard_error = recipe.score(model, dataset.test.x)
    validation, _ = recipe.score(model, dataset.valid.x)
    result = {
        "recipe": recipe.name,
        "dataset": recipe.dataset,
        "split": recipe.split,
        "protocol": recipe.protocol,
        "metric": recipe.metric,
        "value": value,
        "unit": recipe.unit,
        "standard_error": standard_error,
        "published": recipe.published,
        "budget": recipe.budget,
        "seed": recipe.settings["seed"],
        "epochs": recipe.settings["epochs"],
        "parameters": model.count_params(),
        "device": device(),
        "seconds": round(sum(logs["seconds"] for logs in history), 1),
        "versions": versions(),
        "command": f"genkeras recipe {recipe.name}",
        "settings": recipe.settings,
        "validation": validation,
        "train_loss": history[-1]["loss"],
        "search": _searched(recipe, directory),
    }
    if recipe.draw:
        recipe.draw(model, pathlib.Path(site) / "assets")
    write_json(pathlib.Path(site) / "results" / f"{recipe.name}.json", result)
    return result


def search(recipe, directory, verbose=2):
    """Scores every candidate on validation data; what was measured before is not run again.

    Args:
        recipe: a `Recipe`.
        directory: where checkpoints and scores live.
        verbose: as in `fit`.

    Returns:
        A list of `{"settings", "validation", "train_loss"}`, best first.
    """
    dataset = recipe.load()
    for candidate in recipe.candidates:
        settings = {**recipe.settings, **candidate}
        run_directory = pathlib.Path(directory) / _key(settings)
        score_file = run_directory / "validation.json"
        if score_file.exists():
            continue
        model, history = _train(recipe, settings, dataset, run_directory, verbose)
        score = {
            "settings": candidate,
            "validation": recipe.score(model, dataset.valid.x)[0],
            "train_loss": history[-1]["loss"],
        }
        write_json(score_file, score)
        print(f"{recipe.name}: {candidate} -> {score['validation']:.3f} {recipe.unit}", flush=True)
    return _searched(recipe, directory)


def _train(recipe, settings, dataset, directory, verbose):
    # Here, so that `genkeras recipes` and `genkeras doctor` can read recipes without TensorFlow.
    import keras

    from genkeras.training import fit_resumable

    keras.utils.set_random_seed(settings["seed"])
    model = recipe.make_model(settings, dataset)
    history = fit_resumable(
        model,
        dataset.train.x,
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        directory=directory,
        augment=recipe.augment(settings) if recipe.augment else None,
        validation_data=dataset.valid.x,
        validation_batch_size=1000,
        validation_freq=5,
        verbose=verbose,
    )
    return model, history


def _searched(recipe, directory):
    scores = []
    for candidate in recipe.candidates:
        key = _key({**recipe.settings, **candidate})
        score_file = pathlib.Path(directory) / key / "validation.json"
        if score_file.exists():
            scores.append(json.loads(score_file.read_text()))
    return sorted(scores, key=lambda score: score["validation"])


def _key(settings):
    """Folder of a run: a run with other settings never meets its checkpoints."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


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
