"""Training that is repeatable: seeds, losses under several replicas, data order, checkpoints."""

import json
import math
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks, random


def stateless_seed(seed):
    """A `(2,)` int32 seed from an int, or the next one of a `SeedGenerator`."""
    if isinstance(seed, keras.random.SeedGenerator):
        return tf.cast(seed.next(), tf.int32)
    return checks.seed_pair(seed)


def replica_seed(generator):
    """The next `(2,)` seed of a `SeedGenerator`, different on every replica of a strategy."""
    seed = stateless_seed(generator)
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group if context is not None else 0
    return random.fold_in(seed, replica)


def mean_loss(per_example, sample_weight=None):
    """Mean over the batch, ready for Keras to sum over replicas.

    Args:
        per_example: `(batch,)` or scalar, nats.
        sample_weight: `(batch,)` weights or None. Weighted terms are divided by the batch size, as
            Keras' `sum_over_batch_size` does, not by the sum of the weights.

    Returns:
        Scalar float32. Replicas weigh equally, whatever their rows. Under `tf.distribute` an
        overridden `compute_loss` is summed over replicas, so each gives its share.
    """
    per_example = tf.cast(per_example, tf.float32)
    if sample_weight is not None:
        per_example *= tf.reshape(asserted_weights(sample_weight), tf.shape(per_example))
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return mean_or_zero(per_example) / replicas


def mean_or_zero(values):
    """Mean of a float32 tensor; 0 of nothing, for a replica may have no rows at the end of data."""
    return tf.math.divide_no_nan(tf.reduce_sum(values), tf.cast(tf.size(values), tf.float32))


def asserted_weights(sample_weight):
    """Sample weights in float32, after the assertion that they are finite and not negative."""
    weights = tf.cast(sample_weight, tf.float32)
    inside = tf.reduce_all(tf.math.is_finite(weights) & (weights >= 0))
    message = "Expected sample_weight to be finite and >= 0. Received:"
    with tf.control_dependencies([tf.debugging.Assert(inside, [message, weights])]):
        return tf.identity(weights)


def replica_mean(value):
    """Mean of a tensor over the replicas of a strategy; no gradient passes."""
    value = tf.stop_gradient(value)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def batch_mean(values):
    """Mean over the rows `(batch, ...)` of all replicas, of which one may have none; no gradient
    passes."""
    count = tf.cast(tf.shape(values)[0], values.dtype)
    return tf.math.divide_no_nan(replica_mean(tf.reduce_sum(values, axis=0)), replica_mean(count))


def epoch_batches(data, batch_size, seed, first_epoch=0, augment=None):
    """Endless batches of shuffled rows; the order of an epoch is a function of (seed, epoch).

    Args:
        data: array `(n, ...)`, or a dictionary or tuple of such arrays.
        batch_size: rows per batch; the last batch of an epoch holds what is left.
        seed: int.
        first_epoch: where to start, for a resumed run.
        augment: None, or a function `(batch, seed, epoch) -> batch` of tensors, with a `(2,)` int
            seed that is a function of (seed, epoch, batch), and the number of the epoch from 0.

    Returns:
        A `tf.data.Dataset` of `ceil(n / batch_size)` batches per epoch, without end.
    """
    data = tf.nest.map_structure(tf.convert_to_tensor, data)
    num_rows = tf.nest.flatten(data)[0].shape[0]

    def epoch_rows(epoch):
        order_seed = tf.stack([tf.cast(seed, tf.int64), epoch])
        rows = tf.random.experimental.stateless_shuffle(tf.range(num_rows), order_seed)
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
        return batches.map(lambda rows: (rows, epoch))

    def load(rows, epoch):
        batch = tf.nest.map_structure(lambda array: tf.gather(array, rows), data)
        if augment is None:
            return batch
        batch_seed = random.fold_in([seed, rows[0]], epoch)
        return augment(batch, batch_seed, epoch)

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(epoch_rows).map(load).prefetch(2)


class TrainingState:
    """Everything that training changes, saved after each epoch as one atomic unit.

    Holds the weights, the random-number states, every optimiser, the number of finished epochs
    and the history. `BackupAndRestore` of Keras saves one optimiser, in two writes.

    Args:
        model: a compiled model; it is built, and its optimisers are.
        directory: where the checkpoints live.
    """

    def __init__(self, model, directory):
        if not model.built:
            model._ensure_built()
        if hasattr(model, "build_optimizers"):
            model.build_optimizers()
            optimizers = [model.player_optimizer(name) for name in model.players]
        else:
            if not model.optimizer.built:
                with model.distribute_strategy.scope():
                    model.optimizer.build(model.trainable_variables)
            optimizers = [model.optimizer]
        # Metrics start afresh in every epoch and may not exist yet.
        metrics = {id(v) for metric in model.metrics for v in metric.variables}
        variables = [v for v in model.variables if id(v) not in metrics]
        variables += [v for optimizer in optimizers for v in optimizer.variables]
        # By position: names and paths differ from one model of a process to the next, and two
        # optimisers of one class share them.
        kinds = [type(part).__name__ for part in (model, *optimizers)]
        layout = json.dumps([kinds, [[*v.shape] for v in variables]])
        self._finished = tf.Variable(0, dtype=tf.int64)
        self._history = tf.Variable("[]")
        checkpoint = tf.train.Checkpoint(
            layout=tf.Variable(layout),
            state=[v.value for v in variables],
            finished=self._finished,
            history=self._history,
        )
        self._manager = tf.train.CheckpointManager(checkpoint, str(directory), max_to_keep=2)
        if self._manager.latest_checkpoint:
            saved = tf.train.load_variable(
                self._manager.latest_checkpoint, "layout/.ATTRIBUTES/VARIABLE_VALUE"
            ).decode()
            if saved != layout:
                raise ValueError(
                    f"Expected the checkpoint of a model with {layout} in {directory}. "
                    f"Received: the checkpoint of one with {saved}"
                )
            status = checkpoint.restore(self._manager.latest_checkpoint)
            status.assert_existing_objects_matched()

    @property
    def finished_epochs(self):
        """How many epochs are done."""
        return int(self._finished.numpy())

    @property
    def history(self):
        """One dictionary of logs per finished epoch."""
        return json.loads(self._history.numpy())

    def save(self, logs):
        """Saves the state after one more epoch."""
        logs = {name: float(value) for name, value in logs.items()}
        self._history.assign(json.dumps([*self.history, logs]))
        self._finished.assign_add(1)
        self._manager.save()


def fit_resumable(
    model,
    data,
    *,
    epochs,
    batch_size,
    seed,
    directory,
    augment=None,
    batches=None,
    callbacks=(),
    **fit_options,
):
    """`model.fit` that can be killed at any moment and run again to the same result.

    Args:
        model: a compiled model with a seed of its own.
        data: array `(n, ...)`, or `{"x": ..., "condition": ...}`.
        epochs: number of epochs in all.
        batch_size: rows per step; not read with `batches`.
        seed: int, of the order of the data.
        directory: where the state is kept; an unfinished run in it is resumed.
        augment: as in `epoch_batches`.
        batches: a function of the first epoch that gives a dataset and the batches of an epoch, in
            place of `epoch_batches`.
        callbacks: further Keras callbacks; their own state is not saved.
        **fit_options: more options of `fit`, such as `validation_data` and `verbose`.

    Returns:
        A list with the logs of every epoch and its "seconds", those before a restart included.

    Raises:
        ValueError: as `fit`; a model that is not compiled; `steps_per_execution` of the model that
            does not divide the steps of an epoch, which would then not end where it should.
    """
    checks.positive_int("epochs", epochs)
    if batches is None:
        checks.positive_int("batch_size", batch_size)
    checks.positive_int("seed", seed, minimum=0)
    if not model.compiled:
        raise ValueError("Expected a compiled model. Received: one that is not")
    # With `augment` the data need not be what the model reads; `fit` checks a batch.
    if augment is None and hasattr(model, "_checked_data"):
        data = model._checked_data(data)[0]
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    state = TrainingState(model, directory)
    if batches is None:
        dataset = epoch_batches(data, batch_size, seed, state.finished_epochs, augment)
        steps = math.ceil(len(tf.nest.flatten(data)[0]) / batch_size)
    else:
        dataset, steps = batches(state.finished_epochs)
    if steps % model.steps_per_execution:
        raise ValueError(
            f"Expected steps_per_execution that divides the {steps} steps of an epoch. "
            f"Received: steps_per_execution={model.steps_per_execution}"
        )
    clock = {"start": time.monotonic()}

    def save(epoch, logs):
        now = time.monotonic()
        state.save({**logs, "seconds": now - clock["start"]})
        clock["start"] = now

    model.fit(
        dataset,
        steps_per_epoch=steps,
        initial_epoch=state.finished_epochs,
        epochs=epochs,
        shuffle=False,  # the order is that of the dataset
        callbacks=[*callbacks, keras.callbacks.LambdaCallback(on_epoch_end=save)],
        **fit_options,
    )
    return state.history
