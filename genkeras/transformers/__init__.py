"""Models of attention: translation, images as sequences."""

from genkeras.transformers.dalle import DALLE
from genkeras.transformers.lstm_sequence_to_sequence import LSTMSequenceToSequence
from genkeras.transformers.schedule import InverseSquareRoot
from genkeras.transformers.sequence_to_sequence import SequenceToSequence
from genkeras.transformers.transformer import Transformer
from genkeras.transformers.vision_transformer import VisionTransformer

__all__ = [
    "DALLE",
    "InverseSquareRoot",
    "LSTMSequenceToSequence",
    "SequenceToSequence",
    "Transformer",
    "VisionTransformer",
]
