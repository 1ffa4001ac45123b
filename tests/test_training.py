"""Order of the data, seeds, losses, and runs that are killed and resumed to the same result."""

import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras import FVSBN, NADE, OrderlessNADE
from genkeras.training import (
    batch_mean,
    epoch_batches,
    fit_resumable,
    mean_loss,
    replica_mean,
    replica_seed,
    stateless_seed,
)

ROWS = np.arange(10)


def batches(count, **options):
    arguments = {"data": ROWS, "batch_size": 4, "seed": 3, **options}
    return [batch.numpy().tolist() for batch in epoch_batches(**arguments).take(count)]


def epochs(count, **options):
    """The rows of each epoch, in order: three batches of at most four rows."""
    taken = batches(3 * count, **options)
    return [sum(taken[3 * k : 3 * k + 3], []) for k in range(count)]


def test_every_row_comes_once_an_epoch_in_another_order_each_time():
    taken = epochs(4)
    assert all(sorted(epoch) == ROWS.tolist() for epoch in taken)
    assert len({tuple(epoch) for epoch in taken}) == 4
    assert [len(batch) for batch in batches(6)] == [4, 4, 2, 4, 4, 2]


def test_the_order_is_a_function_of_seed_and_epoch():
    assert epochs(3) == epochs(3)
    assert epochs(3)[0] != epochs(3, seed=4)[0]
    assert epochs(5)[2:] == epochs(3, first_epoch=2)


def test_dictionaries_keep_their_rows_together():
    data = {"x": ROWS[:, np.newaxis] * 10.0, "condition": ROWS}
    for batch in epoch_batches(data, 4, seed=0).take(6):
        np.testing.assert_array_equal(batch["x"][:, 0], 10 * batch["condition"].numpy())


def test_augmentation_has_a_seed_of_its_own_for_each_batch_that_a_resumed_run_repeats():
    def noise(batch, seed, epoch):
        return tf.random.stateless_uniform((), seed)

    drawn = batches(9, augment=noise)
    assert len(set(drawn)) == 9
    assert drawn == batches(9, augment=noise)
    assert drawn[6:] == batches(3, augment=noise, first_epoch=2)
    assert drawn[0] != batches(1, augment=noise, seed=4)[0]


def test_augmentation_knows_the_epoch():
    taken = batches(6, augment=lambda batch, seed, epoch: epoch, first_epoch=3)
    assert taken == [3, 3, 3, 4, 4, 4]


def test_mean_loss_divides_by_the_batch_not_by_the_weights():
    nll = tf.constant([1.0, 2.0, 6.0])
    assert mean_loss(nll).numpy() == pytest.approx(3)
    assert mean_loss(nll, [1.0, 0.0, 2.0]).numpy() == pytest.approx(13 / 3)
    assert mean_loss(nll, [[1.0], [0.0], [2.0]]).numpy() == pytest.approx(13 / 3)
    assert mean_loss(tf.constant(5.0)).numpy() == pytest.approx(5)
    assert mean_loss(tf.cast(nll, tf.float16)).dtype == tf.float32


def test_mean_loss_of_two_replicas_sums_to_the_mean_of_all(two_replicas):
    nll = tf.constant([[1.0, 2.0], [3.0, 6.0]])

    def share():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return mean_loss(tf.gather(nll, replica))

    shares = two_replicas.experimental_local_results(two_replicas.run(tf.function(share)))
    assert sum(share.numpy() for share in shares) == pytest.approx(3)


def test_a_replica_mean_is_that_of_all_replicas_on_each(two_replicas):
    values = tf.constant([[1.0, 2.0], [3.0, 8.0]])

    def mean():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return replica_mean(tf.gather(values, replica))

    means = two_replicas.experimental_local_results(two_replicas.run(tf.function(mean)))
    for found in means:
        np.testing.assert_allclose(found, [2, 5])


def test_a_replica_mean_without_replicas_is_the_value_itself():
    x = tf.constant([1.0, 5.0])
    np.testing.assert_array_equal(replica_mean(x), x)
    np.testing.assert_array_equal(tf.function(replica_mean)(x), x)


def test_no_gradient_passes_a_replica_mean(two_replicas):
    x = tf.constant(3.0)

    def slope():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = 2 * x + replica_mean(x) * 5
        return tape.gradient(y, x)

    assert slope().numpy() == 2
    slopes = two_replicas.experimental_local_results(two_replicas.run(tf.function(slope)))
    assert [found.numpy() for found in slopes] == [2, 2]


def test_replicas_get_different_seeds_and_each_its_own_stream(two_replicas):
    with two_replicas.scope():
        generator = keras.random.SeedGenerator(1)
    step = tf.function(lambda: replica_seed(generator))
    seeds = [two_replicas.experimental_local_results(two_replicas.run(step)) for _ in range(2)]
    assert len({tuple(seed.numpy().tolist()) for pair in seeds for seed in pair}) == 4


def test_stateless_seeds():
    assert stateless_seed(7).numpy().tolist() == [7, 0]
    assert stateless_seed(2**31 + 7).numpy().tolist() == [7, 1]
    assert stateless_seed(np.int64(7)).numpy().tolist() == [7, 0]
    generator = keras.random.SeedGenerator(7)
    first, second = (tuple(stateless_seed(generator).numpy()) for _ in range(2))
    assert first != second


X = np.random.default_rng(0).integers(0, 2, (40, 6)).astype("float32")
NUM_EPOCHS = 4


def dropout_model():
    model = NADE(6, 8, dropout=0.5, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    return model


def resumable(model, directory, epochs=NUM_EPOCHS, callbacks=(), x=X):
    history = fit_resumable(
        model, x, epochs=epochs, batch_size=16, seed=5, directory=directory,
        callbacks=callbacks, verbose=0,
    )  # fmt: skip
    return [log["loss"] for log in history]


def everything(model):
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    model = dropout_model()
    return model, resumable(model, tmp_path_factory.mktemp("whole"))


# Dies in the second batch of the third epoch, as a machine does: no handler runs.
KILLED = """
    import os, signal, sys
    import keras
    import numpy as np
    from genkeras import NADE
    from genkeras.training import fit_resumable

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (2, 1):
                os.kill(os.getpid(), signal.SIGKILL)

    model = NADE(6, 8, dropout=0.5, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    x = np.random.default_rng(0).integers(0, 2, (40, 6)).astype("float32")
    fit_resumable(model, x, epochs=4, batch_size=16, seed=5, directory=sys.argv[1],
                  callbacks=[Kill()], verbose=0)
"""


def test_a_killed_run_resumes_to_the_same_bits(uninterrupted, tmp_path):
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), tmp_path])
    assert child.returncode == -signal.SIGKILL
    model, losses = uninterrupted
    resumed = dropout_model()
    assert resumable(resumed, tmp_path) == losses
    assert resumed.optimizer.iterations == 3 * NUM_EPOCHS
    for actual, expected in zip(everything(resumed), everything(model), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_finished_run_is_not_run_again_but_can_be_continued(uninterrupted, tmp_path):
    model, losses = uninterrupted
    assert resumable(dropout_model(), tmp_path, epochs=2) == losses[:2]
    again = dropout_model()
    assert resumable(again, tmp_path, epochs=2) == losses[:2]
    assert again.optimizer.iterations == 6  # those of the checkpoint: no step was made
    assert resumable(again, tmp_path) == losses
    for actual, expected in zip(everything(again), everything(model), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_model_that_draws_what_it_may_see_continues_to_the_same_bits(tmp_path):
    def model():
        made = OrderlessNADE(6, 8, 2, seed=1)
        made.compile(optimizer=keras.optimizers.Adam(0.01))
        return made

    whole, first, second = model(), model(), model()
    losses = resumable(whole, tmp_path / "whole")
    resumable(first, tmp_path / "halves", epochs=2)
    assert resumable(second, tmp_path / "halves") == losses
    for actual, expected in zip(everything(second), everything(whole), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_the_checkpoint_of_another_model_is_refused(tmp_path):
    model = FVSBN(6, seed=0)
    model.compile(optimizer="sgd")
    resumable(model, tmp_path, epochs=1)
    others = [FVSBN(5, seed=0), FVSBN(6, seed=0), NADE(6, 6, seed=0)]
    for other, optimizer in zip(others, ("sgd", "adam", "sgd"), strict=True):
        other.compile(optimizer=optimizer)
        x = X[:, : other.num_features]
        with pytest.raises(ValueError, match="Expected the checkpoint of a model with .*Received"):
            resumable(other, tmp_path, x=x)
        assert other.optimizer.iterations == 0


def test_bad_data_is_refused_before_a_directory_is_made(tmp_path):
    model = FVSBN(6, seed=0)
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match="Expected values of x to be 0 or 1. Received: 1.5"):
        resumable(model, tmp_path / "new", x=X + 0.5)
    assert not (tmp_path / "new").exists()


def test_conditions_and_validation_data_go_through(tmp_path):
    model = NADE(6, 4, num_labels=2, seed=0)
    model.compile(optimizer="sgd")
    data = {"x": X, "condition": np.arange(40) % 2}
    history = fit_resumable(
        model, data, epochs=2, batch_size=20, seed=0, directory=tmp_path,
        validation_data=data, verbose=0,
    )  # fmt: skip
    expected = model.evaluate(data, batch_size=20, verbose=0)
    assert history[-1]["val_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size to be a whole number >= 1"),
        ({"epochs": 1.5}, "epochs to be a whole number >= 1"),
        ({"seed": None}, "seed to be a whole number >= 0"),
        ({"steps": 2}, "steps_per_execution that divides the 5 steps of an epoch"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    model = NADE(6, 8, seed=1)
    model.compile(steps_per_execution=options.pop("steps", 1))
    options = {"epochs": 1, "batch_size": 8, "seed": 0, **options}
    with pytest.raises(ValueError, match=f"Expected {message}"):
        fit_resumable(model, X, directory=tmp_path / "run", **options)


def test_a_model_must_be_compiled(tmp_path):
    with pytest.raises(ValueError, match="Expected a compiled model"):
        resumable(NADE(6, 8, seed=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_batch_mean_is_over_the_rows_of_all_replicas(two_replicas):
    values = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])

    def mean():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return batch_mean(values[: 3 * (1 - replica)])  # the second has none

    means = two_replicas.experimental_local_results(two_replicas.run(tf.function(mean)))
    for found in (*means, batch_mean(values)):
        np.testing.assert_allclose(found, [3, 5])
