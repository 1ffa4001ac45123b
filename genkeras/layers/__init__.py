"""Building blocks that more than one model uses."""

from genkeras.layers.dropout import Dropout
from genkeras.layers.masked_conv import MaskedConv2D
from genkeras.layers.maxout import Maxout
from genkeras.layers.nade_scan import core_shards, nade_scan
from genkeras.layers.packing import Packing
from genkeras.layers.scan import compiled_recurrence, compiled_scan

__all__ = [
    "Dropout",
    "MaskedConv2D",
    "Maxout",
    "Packing",
    "compiled_recurrence",
    "compiled_scan",
    "core_shards",
    "nade_scan",
]
