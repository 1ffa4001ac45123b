"""The models of `pixel_binarized_mnist` at the sizes of the paper, for a GPU.

van den Oord, Kalchbrenner & Kavukcuoglu 2016, https://arxiv.org/abs/1601.06759, Table 4.

Note: on two CPU cores these would take days; nobody has run them with this library yet. Seven
    layers of 16 channels are the paper's Diagonal BiLSTM. Ours to choose: the same for the Row
    LSTM, fifteen blocks of 64 (maps of 128) for PixelCNN, and 100 epochs of each.
"""

import dataclasses

from genkeras.recipes import pixel_binarized_mnist

COMMON = {"position_bias": False, "epochs": 100, "warmup_steps": 1000, "learning_rate": 1e-3}

SETTINGS = {
    "pixel_cnn_binarized_mnist": {"hidden_units": 64, "num_blocks": 15, "head_units": 128},
    "row_lstm_binarized_mnist": {"hidden_units": 16, "num_layers": 7},
    "diagonal_bilstm_binarized_mnist": {"hidden_units": 16, "num_layers": 7},
}

SEVEN_LAYERS = {"diagonal_bilstm_binarized_mnist": 79.20}


def _full(recipe):
    value = SEVEN_LAYERS.get(recipe.name, recipe.published["value"])
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}_full",
        published={**recipe.published, "value": value},
        budget="one GPU",
        settings={**recipe.settings, **COMMON, **SETTINGS[recipe.name]},
        candidates=(),
    )


RECIPES = tuple(map(_full, pixel_binarized_mnist.RECIPES))
