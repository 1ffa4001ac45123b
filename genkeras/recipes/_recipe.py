"""What every recipe does: train with resume, score, write the result."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable

from genkeras.recipes._record import summary, write_json

VALIDATION_EVERY = 5  # epochs


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A result to reproduce.

    Attributes:
        name: name of the recipe and of its JSON.
        dataset, split, protocol: the data and how they are used, in words.
        metric, unit: what is measured on the test set.
        published: `{"value", "source", "status"}` of the published figure.
        budget: what the run may cost, in words.
        settings: the chosen settings, with "epochs", "batch_size" and "seed" among them.
        candidates: settings for `search` to compare on validation data, as changes to `settings`.
        load: `() -> Dataset`, or a list of them, one for each fold.
        make_model: `(settings, dataset) -> compiled model`.
        score: `(model, dataset) -> (value, standard error, beside)` of the metric, on the test
            split; the error is None where one run does not tell it; `beside` is a dictionary of
            further figures to record, or of words that are the same in all runs.
        draw: `(model, directory) -> None`, saves pictures of the trained model, or None.
        augment: `settings -> function`, what `epoch_batches` takes as `augment`, or None.
        batches: `(settings, data) -> function`, what `fit_resumable` takes as `batches`, or None.
        averaged: epochs at the end of training over whose weights the model is averaged; 0: the
            last weights as they are. What is logged of training and validation is of the last.
        inputs: `split -> data`, what `fit` takes of a split; its `x` if None.
        seeds: runs, from as many seeds that follow `settings["seed"]`, where the outcome depends
            much on it.
        starts: trainings of a few epochs, of which the one with the greatest merit goes on, where
            the outcome depends much on the start.
        merit: `(model, dataset) -> float`, what the starts are compared by.
        logged: which log of training and validation is recorded.
        callbacks: `(settings, dataset) -> list` of Keras callbacks, or None. What they put into
            the logs of an epoch is kept.
        curve: names of logs that are recorded of every epoch; None where an epoch has none.
        first: a recipe that is trained before; `load` takes its trained model.
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
    batches: Callable | None = None
    averaged: int = 0
    inputs: Callable | None = None
    seeds: int = 1
    starts: int = 1
    merit: Callable | None = None
    logged: str = "loss"
    callbacks: Callable | None = None
    curve: tuple = ()
    first: "Recipe | None" = None


def run(recipe, directory, site, verbose=2):
    """Trains a recipe, scores its test set and writes its result.

    Args:
        recipe: a `Recipe`.
        directory: where checkpoints live; an unfinished run in it is resumed.
        site: folder whose `results/NAME.json` is written, and its `assets/` if it draws.
        verbose: as in `fit`.

    Returns:
        The result, a dictionary. Over folds or seeds, its figures are means, and the standard
        error is that of the mean over them.
    """
    run_directory = pathlib.Path(directory) / _key(recipe.settings)
    folds = []
    for fold, (settings, dataset) in enumerate(_runs(recipe, directory, verbose)):
        place = _fold_directory(run_directory, fold)
        model, history, starts = _train(recipe, settings, dataset, place, verbose)
        value, standard_error, beside = recipe.score(model, dataset)
        folds.append(
            {
                "value": value,
                "standard_error": standard_error,
                "validation": history[-1][f"val_{recipe.logged}"],
                "train_loss": history[-1][recipe.logged],
                "seconds": sum(logs["seconds"] for logs in history) + starts["others_seconds"],
                "merits": starts["merits"],
                "curves": {name: [logs.get(name) for logs in history] for name in recipe.curve},
                "beside": beside,
            }
        )
        if verbose and len(folds) > 1:
            print(f"{recipe.name}: fold {fold}: {value:.3f} {recipe.unit}", flush=True)
    result = summary(recipe, folds, model.count_params(), _searched(recipe, directory))
    if recipe.draw:
        recipe.draw(model, pathlib.Path(site) / "assets")
    write_json(pathlib.Path(site) / "results" / f"{recipe.name}.json", result)
    return result


def search(recipe, directory, verbose=2):
    """Scores every candidate on validation data; what was measured before is not run again.

    Args:
        recipe: a `Recipe`; of several folds the first serves.
        directory: where checkpoints and scores live.
        verbose: as in `fit`.

    Returns:
        A list of `{"settings", "validation", "train_loss"}`, best first; "validation" is the exact
        validation loss after the last epoch.

    Raises:
        ValueError: the recipe has no candidates.
    """
    if not recipe.candidates:
        raise ValueError(f"Expected a recipe with candidates to search. Received: {recipe.name!r}")
    dataset = next(iter(_folds(recipe, directory, verbose)))
    for candidate in recipe.candidates:
        settings = {**recipe.settings, **candidate}
        run_directory = pathlib.Path(directory) / _key(settings)
        score_file = run_directory / "validation.json"
        if score_file.exists():
            continue
        place = _fold_directory(run_directory, 0)
        _, history, _ = _train(recipe, settings, dataset, place, verbose)
        score = {
            "settings": candidate,
            "validation": history[-1][f"val_{recipe.logged}"],
            "train_loss": history[-1][recipe.logged],
        }
        write_json(score_file, score)
        print(f"{recipe.name}: {candidate} -> {score['validation']:.3f}", flush=True)
    return _searched(recipe, directory)


def trained(recipe, directory, verbose=2):
    """The trained model of a recipe; what is trained already is not trained again.

    Args:
        recipe, directory, verbose: as of `run`; of several folds or seeds the first serves.
    """
    settings, dataset = next(_runs(recipe, directory, verbose))
    place = pathlib.Path(directory) / _key(recipe.settings)
    return _train(recipe, settings, dataset, place, verbose)[0]


def _folds(recipe, directory, verbose):
    """The data of a recipe: a list, one for each fold."""
    models = []
    if recipe.first:
        home = pathlib.Path(directory).parent / recipe.first.name
        models.append(trained(recipe.first, home, verbose))
    loaded = recipe.load(*models)
    return loaded if isinstance(loaded, list) else [loaded]


def _runs(recipe, directory, verbose):
    """Settings and data of every training: one for each fold and seed."""
    first = recipe.settings["seed"]
    for dataset in _folds(recipe, directory, verbose):
        for number in range(recipe.seeds):
            yield {**recipe.settings, "seed": first + number}, dataset


def _fold_directory(directory, fold):
    # The first fold's is the directory itself, so that a search and a run share its training.
    return directory / f"fold_{fold}" if fold else directory


def _train(recipe, settings, dataset, directory, verbose):
    """The trained model, the logs of its epochs, and what is known of its starts."""
    starts = {"others_seconds": 0.0, "merits": []}
    if recipe.starts > 1:
        settings, directory, starts = _best_start(recipe, settings, dataset, directory, verbose)
    model, history = _fit(recipe, settings, dataset, directory, verbose, settings["epochs"])
    return model, history, starts


def _best_start(recipe, settings, dataset, directory, verbose):
    """Settings and directory of the start with the greatest merit, and a record of all of them."""
    tries = []
    for number in range(recipe.starts):
        # The seeds of the next run lie between.
        start = {**settings, "seed": settings["seed"] + recipe.seeds * number}
        place = directory / f"start_{number}"
        # Kept, for the chosen one is a later model when an interrupted run is taken up again.
        record = place / "merit.json"
        if not record.exists():
            model, history = _fit(recipe, start, dataset, place, verbose, VALIDATION_EVERY)
            seconds = sum(logs["seconds"] for logs in history)
            write_json(record, {"merit": recipe.merit(model, dataset), "seconds": seconds})
        tries.append((json.loads(record.read_text()), start, place))
    best, settings, directory = max(tries, key=lambda one: one[0]["merit"])
    starts = {
        "others_seconds": sum(one["seconds"] for one, _, _ in tries) - best["seconds"],
        "merits": [one["merit"] for one, _, _ in tries],
    }
    return settings, directory, starts


def _fit(recipe, settings, dataset, directory, verbose, epochs):
    # Here, so that `genkeras recipes` and `genkeras doctor` can read recipes without TensorFlow.
    import keras

    from genkeras.training import fit_resumable
    from genkeras.transformers.averaging import LastWeights, mean_weights

    keras.utils.set_random_seed(settings["seed"])
    model = recipe.make_model(settings, dataset)
    train, valid = (
        recipe.inputs(split) if recipe.inputs else split.x
        for split in (dataset.train, dataset.valid)
    )
    callbacks = [*recipe.callbacks(settings, dataset)] if recipe.callbacks else []
    if recipe.averaged:
        callbacks.append(LastWeights(directory / "weights", recipe.averaged))
    history = fit_resumable(
        model,
        train,
        epochs=epochs,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        directory=directory,
        augment=recipe.augment(settings) if recipe.augment else None,
        batches=recipe.batches(settings, train) if recipe.batches else None,
        callbacks=callbacks,
        validation_data=valid,
        validation_batch_size=1000,
        validation_freq=[*range(VALIDATION_EVERY, epochs, VALIDATION_EVERY), epochs],
        verbose=verbose,
    )
    if recipe.averaged:
        mean_weights(model, directory / "weights")
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
