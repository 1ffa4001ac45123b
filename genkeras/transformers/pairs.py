"""What sources and targets of tokens have to be, checked in arrays and in the graph.

A source: known tokens, then padding. A target: START, known tokens other than START, one END at
most, then padding.
"""

import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.transformers.decoding import END, PAD, START

NAMES = ("source", "target")


def checked(x, sizes, max_length):
    """Arrays of both, as int32.

    Args:
        x: `{"source": tokens, "target": tokens}`, `(rows, length)` each.
        sizes: `{"source": vocabulary, "target": vocabulary}`, ints.
        max_length: tokens of a row at most, START not counted.

    Returns:
        Such a dictionary, and the number of rows.

    Raises:
        ValueError: what is not as this module says.
    """
    _require_both(x)
    arrays = {name: checked_tokens(name, x[name], sizes[name], max_length) for name in NAMES}
    source, target = arrays["source"], arrays["target"]
    if len(source) != len(target):
        raise ValueError(
            f"Expected as many targets as sources. Received: {len(source)} sources and "
            f"{len(target)} targets"
        )
    if np.any(target[:, 0] != START) or not np.all(np.any(target[:, 1:] != PAD, axis=1)):
        raise ValueError(
            f"Expected every target to begin with START = {START} and to hold a token after it. "
            f"Received: targets of shape {target.shape} that begin with "
            f"{np.unique(target[:, 0])[:5]}"
        )
    written = target[:, 1:]
    wrong = np.any(written == START, axis=1)
    wrong |= np.any((written[:, 1:] != PAD) & (written[:, :-1] == END), axis=1)
    if wrong.any():
        raise ValueError(
            f"Expected one START = {START} in a target, and padding alone after END = {END}. "
            f"Received: row {wrong.argmax()}, {target[wrong.argmax()].tolist()}"
        )
    return arrays, len(source)


def checked_tokens(name, tokens, size, max_length):
    """Tokens `(rows, length)` as int32: known ones, padding behind them only, not too long."""
    array = checks.numeric_array(name, tokens)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"Expected {name} of shape (batch, length), not empty. "
            f"Received: {name} of shape {array.shape}"
        )
    if array.shape[1] > _longest(name, max_length):
        raise ValueError(
            f"Expected {name} of at most {_longest(name, max_length)} tokens, by the model's "
            f"max_length = {max_length}. Received: {array.shape[1]} tokens"
        )
    known = np.isin(array, np.arange(size))
    if not known.all():
        raise ValueError(
            checks.label_message(f"the tokens of {name}", size) + f"{array[~known].flat[0]}"
        )
    empty = ~np.any(array != PAD, axis=1)
    if empty.any():
        raise ValueError(
            f"Expected a token in every row of {name}. Received: row {empty.argmax()} with "
            "padding alone"
        )
    inside = np.any((array[:, 1:] != PAD) & (array[:, :-1] == PAD), axis=1)
    if inside.any():
        raise ValueError(
            f"Expected padding at the end of the rows of {name} only. Received: row "
            f"{inside.argmax()} with a token after padding"
        )
    return array.astype("int32")


def asserted(inputs, sizes, max_length):
    """Source and target of a batch in the graph, as int32, with the conditions of `checked`.

    Args:
        inputs, sizes, max_length: as of `checked`, tensors for arrays.
    """
    _require_both(inputs)
    both, assertions = [], []
    for name in NAMES:
        given = tf.convert_to_tensor(inputs[name])
        tokens = tf.cast(given, tf.int32)
        known = (tf.cast(tokens, given.dtype) == given) & (tokens >= 0) & (tokens < sizes[name])
        message = checks.label_message(f"the tokens of {name}", sizes[name])
        assertions.append(tf.debugging.Assert(tf.reduce_all(known), [message, given]))
        longest = _longest(name, max_length)
        fitting = _well_formed(tokens) & (tf.shape(tokens)[1] <= longest)
        message = f"Expected rows of {name} of at most {longest} tokens, with padding at the end"
        if name == "target":
            fitting &= _well_begun_and_ended(tokens)
            message += ", START at the beginning only and padding alone after END"
        assertions.append(tf.debugging.Assert(fitting, [f"{message}. Received: ", given]))
        both.append(tokens)
    with tf.control_dependencies([done for done in assertions if done is not None]):
        return tuple(tf.identity(tokens) for tokens in both)


def _longest(name, max_length):
    return max_length + (name == "target")  # its START is not among what is written


def _well_formed(tokens):
    present = tokens != PAD
    after_padding = present[:, 1:] & ~present[:, :-1]
    return tf.reduce_all(tf.reduce_any(present, axis=1)) & ~tf.reduce_any(after_padding)


def _well_begun_and_ended(target):
    written = target[:, 1:]
    after_end = (written[:, 1:] != PAD) & (written[:, :-1] == END)
    return (
        tf.reduce_all(target[:, 0] == START)
        & tf.reduce_all(tf.reduce_any(written != PAD, axis=1))
        & ~tf.reduce_any(written == START)
        & ~tf.reduce_any(after_end)
    )


def _require_both(x):
    if not isinstance(x, dict) or set(x) != set(NAMES):
        received = sorted(x) if isinstance(x, dict) else type(x).__name__
        raise ValueError(f"Expected a dictionary with 'source' and 'target'. Received: {received}")
