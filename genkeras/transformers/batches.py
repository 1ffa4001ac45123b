"""Batches of sequences of like lengths, so that little of them is padding."""

import itertools

import numpy as np
import tensorflow as tf


def bucketed_batches(data, boundaries, tokens_per_batch, seed, first_epoch=0):
    """Endless batches of rows of like lengths, with about as many tokens in each.

    A row of length l goes to the first bucket whose boundary is at least l and is cut there, so a
    compiled step sees a few shapes only. Of the rows of a bucket those that do not fill a batch
    are left out, other ones in each epoch; so of a bucket with fewer rows than a batch all are,
    always. Order and rows are a function of (seed, epoch).

    Args:
        data: dictionary of int arrays `(n, length)`, rows that end with zeros.
        boundaries: increasing lengths; the last is that of the longest row or more.
        tokens_per_batch: at most so many places in each array of a batch, but one row at least.
        seed: int.
        first_epoch: where to start, for a resumed run.

    Returns:
        A `tf.data.Dataset`, and the number of batches of an epoch.

    Raises:
        ValueError: a row longer than the last boundary, or rows that fill no batch.
    """
    arrays = {name: np.asarray(array) for name, array in data.items()}
    lengths = np.max([_lengths(array) for array in arrays.values()], axis=0)
    if lengths.max() > boundaries[-1]:
        raise ValueError(
            f"Expected a last boundary of at least {lengths.max()}, the longest row. "
            f"Received: boundaries={boundaries!r}"
        )
    buckets = np.searchsorted(boundaries, lengths)
    sizes = [max(1, tokens_per_batch // boundary) for boundary in boundaries]
    steps = sum(int(np.sum(buckets == k)) // size for k, size in enumerate(sizes))
    if not steps:
        raise ValueError(
            "Expected rows enough for one batch. Received: "
            f"{len(lengths)} rows for tokens_per_batch={tokens_per_batch}"
        )

    def epoch_rows(epoch):
        """Rows of every batch of an epoch, with the boundary of each."""
        rng = np.random.default_rng([seed, epoch])
        batches = []
        for k, size in enumerate(sizes):
            rows = rng.permutation(np.flatnonzero(buckets == k))
            whole = len(rows) // size
            batches += [(part, boundaries[k]) for part in rows[: whole * size].reshape(-1, size)]
        return [batches[k] for k in rng.permutation(len(batches))]

    def all_batches():
        for epoch in itertools.count(first_epoch):
            for rows, boundary in epoch_rows(epoch):
                yield {name: _fitted(array[rows], boundary) for name, array in arrays.items()}

    signature = {name: tf.TensorSpec((None, None), array.dtype) for name, array in arrays.items()}
    dataset = tf.data.Dataset.from_generator(all_batches, output_signature=signature)
    return dataset.prefetch(4), steps


def _lengths(rows):
    """Of rows that end with zeros: `(n,)`."""
    return np.max(np.where(rows != 0, np.arange(1, rows.shape[1] + 1), 0), axis=1)


def _fitted(rows, length):
    """Rows cut or filled up with zeros to one length."""
    return np.pad(rows[:, :length], ((0, 0), (0, max(0, length - rows.shape[1]))))
