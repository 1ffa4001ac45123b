"""Batches in buckets, the mean of the last weights, and a run of both that is stopped."""

import keras
import numpy as np
import pytest

from genkeras import FVSBN
from genkeras.training import fit_resumable
from genkeras.transformers import LSTMSequenceToSequence
from genkeras.transformers.averaging import LastWeights, mean_weights
from genkeras.transformers.batches import bucketed_batches

LENGTHS = np.array([1, 2, 2, 3, 4, 4, 5, 7, 7, 8, 8, 8])
TOKENS = {
    "source": np.where(np.arange(10) < LENGTHS[:, None], 10 + np.arange(12)[:, None], 0),
    "target": np.where(np.arange(8) < LENGTHS[::-1, None] - 5, np.arange(12)[:, None] + 10, 0),
}


def bucketed(count, **options):
    arguments = {"boundaries": (4, 8), "tokens_per_batch": 16, "seed": 3, **options}
    dataset, steps = bucketed_batches(TOKENS, **arguments)
    taken = dataset.take(count).as_numpy_iterator()
    return [{name: rows.tolist() for name, rows in batch.items()} for batch in taken], steps


def test_buckets_hold_rows_of_like_lengths_and_as_many_tokens():
    # The longer of source and target decides.
    longest = np.maximum(LENGTHS, LENGTHS[::-1] - 5)
    assert (longest <= 4).sum() == 6
    batches, steps = bucketed(10)
    assert steps == 6 // 4 + 6 // 2 == 4
    for batch in batches:
        source, target = np.array(batch["source"]), np.array(batch["target"])
        assert source.shape == target.shape and source.shape in ((4, 4), (2, 8))
        rows = source[:, 0] - 10
        width = source.shape[1]
        np.testing.assert_array_equal(source, TOKENS["source"][rows][:, :width])
        np.testing.assert_array_equal(target, TOKENS["target"][rows][:, :width])
        assert np.all((longest[rows] <= 4) == (width == 4))
    rows_of = [
        [row[0] for batch in batches[k : k + steps] for row in batch["source"]] for k in (0, 4)
    ]
    assert all(len(set(rows)) == len(rows) == 10 for rows in rows_of)
    assert rows_of[0] != rows_of[1]


def test_buckets_continue_where_a_run_was_stopped():
    assert bucketed(8) == bucketed(8)
    assert bucketed(8)[0] != bucketed(8, seed=4)[0]
    assert bucketed(12)[0][8:] == bucketed(4, first_epoch=2)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundaries": (4, 7)}, "a last boundary of at least 8"),
        ({"tokens_per_batch": 200}, "rows enough for one batch"),
    ],
)
def test_buckets_too_small_or_too_large(options, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        bucketed(1, **options)


def test_the_mean_of_the_last_weights(tmp_path):
    model = FVSBN(4, seed=0)
    model.compile(keras.optimizers.SGD(0.5))
    x = np.random.default_rng(0).integers(0, 2, (20, 4)).astype("float32")
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append([np.array(v) for v in model.weights[:2]])
    )
    model.fit(x, epochs=4, verbose=0, callbacks=[LastWeights(tmp_path, 2), watch])
    assert mean_weights(model, tmp_path) == 2
    for k in range(2):
        expected = (seen[2][k] + seen[3][k]) / 2
        np.testing.assert_allclose(model.weights[k], expected, rtol=1e-6)
        assert np.any(expected != seen[3][k])
    # Another run into the same folder: its weights alone.
    model.fit(x, epochs=1, verbose=0, callbacks=[LastWeights(tmp_path, 2)])
    last = [np.array(v) for v in model.weights[:2]]
    assert mean_weights(model, tmp_path) == 1
    np.testing.assert_allclose(model.weights[0], last[0], rtol=1e-6)
    with pytest.raises(ValueError, match="Expected weights of epochs"):
        mean_weights(model, tmp_path / "none")
    other = keras.Sequential([keras.layers.Dense(2)])  # not built: it has no weights yet
    with pytest.raises(ValueError, match="has 0 trainable variables now. Received: 2 arrays"):
        mean_weights(other, tmp_path)


def test_a_run_in_buckets_resumes_to_the_same_bits(tmp_path):
    tokens = {"source": TOKENS["source"][3:], "target": np.maximum(TOKENS["target"][3:], 0)}
    tokens["target"][:, 0] = 1  # START
    tokens["target"][:, 1] = np.maximum(tokens["target"][:, 1], 2)  # END at least

    def run(directory, epochs):
        model = LSTMSequenceToSequence(30, 30, units=4, seed=0)
        model.compile(keras.optimizers.Adam(0.1))
        fit_resumable(
            model,
            tokens,
            epochs=epochs,
            batch_size=0,
            seed=3,
            directory=directory,
            batches=lambda first: bucketed_batches(tokens, (4, 8), 16, 3, first),
            verbose=0,
        )
        return [np.array(v) for v in model.trainable_variables]

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "cut", 1)
    for one, other in zip(run(tmp_path / "cut", 3), whole, strict=True):
        np.testing.assert_array_equal(one, other)
