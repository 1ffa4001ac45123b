"""FVSBN and NADE on seven binary data sets: the table of the NADE and MADE papers, test NLL.

Larochelle & Murray 2011, https://proceedings.mlr.press/v15/larochelle11a.html; the figures are
those of Table 4 of Germain et al. 2015, https://arxiv.org/abs/1502.03509, given from memory.
NADE has 500 hidden units, here ReLU with dropout. The prior, dropout and weight decay were compared
on validation data; the schedules are those of the first trials.
"""

import functools

from genkeras.recipes._optimizers import adamw_on_a_cosine
from genkeras.recipes._recipe import Recipe

PUBLISHED = {
    "fvsbn": {
        "adult": 13.17,
        "connect4": 12.39,
        "dna": 83.64,
        "mushrooms": 10.27,
        "nips": 276.88,
        "ocr_letters": 39.30,
        "web": 29.35,
    },
    "nade": {
        "adult": 13.19,
        "connect4": 11.99,
        "dna": 84.81,
        "mushrooms": 9.81,
        "nips": 273.08,
        "ocr_letters": 27.22,
        "web": 28.39,
    },
}

COMPARED = {"fvsbn": "an L1 prior", "nade": "dropout and weight decay"}

COMMON = {"warmup_steps": 50, "batch_size": 100, "seed": 0}

# Of every model and set: the best of its candidates on the validation rows. "prior" is the c of the
# prior exp(-c |w|) on every weight.
SETTINGS = {
    "fvsbn": {
        "adult": {"learning_rate": 3e-2, "prior": 0.3, "epochs": 100},
        "connect4": {"learning_rate": 3e-2, "prior": 0.0, "epochs": 60},
        "dna": {"learning_rate": 3e-2, "prior": 3.0, "epochs": 100},
        "mushrooms": {"learning_rate": 3e-2, "prior": 0.0, "epochs": 300},
        "nips": {"learning_rate": 1e-2, "prior": 8.0, "epochs": 100},
        "ocr_letters": {"learning_rate": 3e-2, "prior": 0.3, "epochs": 60},
        "web": {"learning_rate": 3e-2, "prior": 1.0, "epochs": 60},
    },
    "nade": {
        "adult": {"learning_rate": 3e-3, "weight_decay": 0.1, "dropout": 0.5, "epochs": 60},
        "connect4": {"learning_rate": 3e-3, "weight_decay": 0.1, "dropout": 0.5, "epochs": 60},
        "dna": {"learning_rate": 3e-3, "weight_decay": 1.0, "dropout": 0.5, "epochs": 60},
        "mushrooms": {"learning_rate": 3e-3, "weight_decay": 0.1, "dropout": 0.5, "epochs": 100},
        "nips": {"learning_rate": 3e-3, "weight_decay": 3.0, "dropout": 0.5, "epochs": 60},
        "ocr_letters": {"learning_rate": 3e-3, "weight_decay": 0.1, "dropout": 0.2, "epochs": 60},
        "web": {"learning_rate": 3e-3, "weight_decay": 0.1, "dropout": 0.5, "epochs": 40},
    },
}

CANDIDATES = {
    "fvsbn": ({"prior": 0.0}, {"prior": 0.3}, {"prior": 1.0}, {"prior": 3.0}, {"prior": 8.0}),
    "nade": (
        {"dropout": 0.0, "weight_decay": 0.1},
        {"dropout": 0.2, "weight_decay": 0.1},
        {"dropout": 0.5, "weight_decay": 0.1},
        {"dropout": 0.5, "weight_decay": 1.0},
    ),
}

# Long trainings get fewer; nips, where the strongest of these was best, gets stronger ones.
OTHER_CANDIDATES = {
    "fvsbn_nips": (*CANDIDATES["fvsbn"], {"prior": 16.0}),
    "fvsbn_connect4": CANDIDATES["fvsbn"][:2],
    "fvsbn_ocr_letters": CANDIDATES["fvsbn"][:2],
    "nade_ocr_letters": CANDIDATES["nade"][1:3],
    "nade_web": CANDIDATES["nade"][:3],
    "nade_nips": (*CANDIDATES["nade"], {"dropout": 0.5, "weight_decay": 3.0}),
}


def make_fvsbn(settings, dataset):
    import keras

    from genkeras import FVSBN

    prior = keras.regularizers.L1(settings["prior"] / len(dataset.train))
    model = FVSBN(dataset.num_features, kernel_regularizer=prior, seed=settings["seed"])
    return _compiled(model, settings, dataset)


def make_nade(settings, dataset):
    from genkeras import NADE

    model = NADE(
        num_features=dataset.num_features,
        hidden_units=500,
        activation="relu",
        dropout=settings["dropout"],
        seed=settings["seed"],
    )
    return _compiled(model, settings, dataset)


def score(model, dataset):
    from genkeras.evaluation import mean_nll

    return *mean_nll(model, dataset.test.x, batch_size=1000), {}


def _compiled(model, settings, dataset):
    model.compile(adamw_on_a_cosine(settings, len(dataset.train)))
    return model


def _load(name):
    from genkeras.datasets import uci_binary

    return uci_binary(name)


def _split(name):
    if name == "web":
        return "the published test rows; the split into training and validation rows is ours"
    return "the published split"


def _recipe(model, name):
    return Recipe(
        name=f"{model}_{name}",
        dataset=name,
        split=_split(name),
        protocol=f"natural order; {COMPARED[model]} compared on validation data; test set scored "
        "after the last epoch only",
        metric="test_nll",
        unit="nats",
        published={
            "value": PUBLISHED[model][name],
            "source": f"{model.upper()} in Table 4 of MADE, https://arxiv.org/abs/1502.03509",
            "status": "R",
        },
        budget="at most half an hour on two CPU cores",
        settings={**COMMON, **SETTINGS[model][name]},
        candidates=OTHER_CANDIDATES.get(f"{model}_{name}", CANDIDATES[model]),
        load=functools.partial(_load, name),
        make_model={"fvsbn": make_fvsbn, "nade": make_nade}[model],
        score=score,
    )


RECIPES = tuple(_recipe(model, name) for model, sets in SETTINGS.items() for name in sets)
