"""Explicit models that factorise p(x) by the chain rule."""

from genkeras.autoregressive.fvsbn import FVSBN
from genkeras.autoregressive.nade import NADE
from genkeras.autoregressive.orderless_nade import OrderlessNADE
from genkeras.autoregressive.pixel_cnn import GatedPixelCNN, PixelCNN
from genkeras.autoregressive.pixel_rnn import DiagonalBiLSTM, RowLSTM
from genkeras.autoregressive.tabular import TabularAutoregressive

__all__ = [
    "DiagonalBiLSTM",
    "FVSBN",
    "GatedPixelCNN",
    "NADE",
    "OrderlessNADE",
    "PixelCNN",
    "RowLSTM",
    "TabularAutoregressive",
]
