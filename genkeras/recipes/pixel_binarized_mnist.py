"""PixelCNN, Row LSTM and Diagonal BiLSTM on statically binarized MNIST, test NLL in nats.

van den Oord, Kalchbrenner & Kavukcuoglu 2016, https://arxiv.org/abs/1601.06759, Table 4. The models
here are smaller and trained for two hours on two CPU cores; where there is a GPU, `FULL` has the
sizes of the paper, with as many epochs as a model of this kind is usually given.
"""

from genkeras.recipes._optimizers import adamw_on_a_cosine
from genkeras.recipes._recipe import Recipe

COMMON = {
    "head_units": 32,
    "learning_rate": 5e-3,
    "warmup_steps": 500,
    "batch_size": 100,
    "seed": 0,
}

SETTINGS = {
    "pixel_cnn": {"hidden_units": 16, "num_blocks": 7, "epochs": 30},
    "row_lstm": {"hidden_units": 16, "num_layers": 2, "epochs": 30},
    "diagonal_bilstm": {"hidden_units": 16, "num_layers": 1, "epochs": 20},
}

CANDIDATES = (
    {"epochs": 1, "warmup_steps": 100, "learning_rate": 1e-3},
    {"epochs": 1, "warmup_steps": 100, "learning_rate": 3e-3},
    {"epochs": 1, "warmup_steps": 100, "learning_rate": 1e-2},
)


def load():
    from genkeras.datasets import binarized_mnist

    return binarized_mnist().as_images()


def make_pixel_cnn(settings, dataset):
    from genkeras import PixelCNN

    model = PixelCNN(
        dataset.image_shape,
        hidden_units=settings["hidden_units"],
        num_blocks=settings["num_blocks"],
        head_units=settings["head_units"],
        seed=settings["seed"],
    )
    model.compile(adamw_on_a_cosine(settings, len(dataset.train)))
    return model


def score(model, x):
    from genkeras.evaluation import mean_nll

    return mean_nll(model, x, batch_size=500)


def _recipe(name, published, status, make_model):
    return Recipe(
        name=f"{name}_binarized_mnist",
        dataset="binarized_mnist",
        split="fixed 50,000 / 10,000 / 10,000; all 10,000 test rows",
        protocol="static binarization of Larochelle & Murray; raster order; learning rate half of "
        "the best after one epoch on validation data; test set scored after the last epoch only",
        metric="test_nll",
        unit="nats",
        published={
            "value": published,
            "source": "Table 4 of https://arxiv.org/abs/1601.06759",
            "status": status,
        },
        budget="two hours on two CPU cores",
        settings={**COMMON, **SETTINGS[name]},
        candidates=CANDIDATES,
        load=load,
        make_model=make_model,
        score=score,
    )


RECIPES = (_recipe("pixel_cnn", 81.30, "V2", make_pixel_cnn),)
