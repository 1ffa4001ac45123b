"""What captions have to be: rows of known words, checked in arrays and in the graph."""

import numpy as np
import tensorflow as tf

from genkeras import checks


def checked_captions(condition, length, vocabulary):
    """Captions `(rows, length)` as int32.

    Args:
        condition: words, whole numbers from 0 to vocabulary - 1.
        length: words of a caption.
        vocabulary: number of words.

    Raises:
        ValueError: another shape, or words out of the range.
    """
    captions = checks.event_batch("condition", condition, (length,))
    if not np.isin(captions, np.arange(vocabulary)).all():
        raise ValueError(
            checks.label_message("condition", vocabulary) + f"{captions.min()} to {captions.max()}"
        )
    return captions.astype("int32")


def asserted_captions(condition, length, vocabulary):
    """The same for a batch in the graph: captions as int32, and the assertion to wait for."""
    condition = tf.convert_to_tensor(condition)
    if condition.shape.rank != 2 or condition.shape[1] != length:
        raise ValueError(
            f"Expected condition of shape (batch, {length}). Received: shape {condition.shape}"
        )
    words = tf.cast(condition, tf.int32)
    whole = tf.cast(words, condition.dtype) == condition
    inside = tf.reduce_all(whole & (words >= 0) & (words < vocabulary))
    return words, tf.debugging.Assert(
        inside, [checks.label_message("condition", vocabulary), condition]
    )
