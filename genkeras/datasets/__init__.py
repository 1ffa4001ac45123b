"""Loaders of the book's data sets: NumPy arrays in named splits, under a named protocol."""

from genkeras.datasets._dataset import Dataset, Split
from genkeras.datasets._digits import binarized_digits, digits
from genkeras.datasets._korean_numbers import (
    english,
    korean_numbers,
    longer_numbers,
    native_korean,
    sino_korean,
)
from genkeras.datasets._mnist import binarized_mnist, mnist
from genkeras.datasets._modes import GRID_STD, RING_STD, grid, grid_centres, ring, ring_centres
from genkeras.datasets._multi30k import multi30k
from genkeras.datasets._pairs import PairedText, Pairs, Vocabulary
from genkeras.datasets._photographs import colour_photograph_patches, photograph_patches
from genkeras.datasets._pixels import bernoulli_binarize, binarize, dequantize
from genkeras.datasets._scene_captions import caption_tokens, scene_caption
from genkeras.datasets._scenes import (
    SCENE_HELD_OUT,
    CaptionedScenes,
    Scene,
    SceneObject,
    SceneSplit,
    draw_scene,
    scenes,
)
from genkeras.datasets._stacked import stacked_digits
from genkeras.datasets._status import DatasetStatus, status
from genkeras.datasets._store import MissingFileError
from genkeras.datasets._subwords import BytePairs, joined_tokens, moses_tokens
from genkeras.datasets._tables import breast_cancer, diabetes, wine
from genkeras.datasets._uci_binary import uci_binary
from genkeras.datasets._uci_real import uci_real

__all__ = [
    "GRID_STD",
    "BytePairs",
    "RING_STD",
    "SCENE_HELD_OUT",
    "CaptionedScenes",
    "Dataset",
    "DatasetStatus",
    "MissingFileError",
    "PairedText",
    "Pairs",
    "Scene",
    "SceneObject",
    "SceneSplit",
    "Split",
    "Vocabulary",
    "bernoulli_binarize",
    "binarize",
    "binarized_digits",
    "binarized_mnist",
    "breast_cancer",
    "caption_tokens",
    "colour_photograph_patches",
    "dequantize",
    "diabetes",
    "digits",
    "draw_scene",
    "english",
    "grid",
    "grid_centres",
    "joined_tokens",
    "korean_numbers",
    "longer_numbers",
    "mnist",
    "moses_tokens",
    "multi30k",
    "native_korean",
    "photograph_patches",
    "ring",
    "ring_centres",
    "scene_caption",
    "scenes",
    "sino_korean",
    "stacked_digits",
    "status",
    "uci_binary",
    "uci_real",
    "wine",
]
