"""The mean of the weights of the last epochs, the "average of the last checkpoints" of papers."""

import pathlib

import keras
import numpy as np

from genkeras import checks


class LastWeights(keras.callbacks.Callback):
    """Keeps the weights of the last epochs in a folder, for `mean_weights`.

    Args:
        directory: where.
        count: how many epochs.
    """

    def __init__(self, directory, count):
        super().__init__()
        self.directory, self.count = pathlib.Path(directory), checks.positive_int("count", count)

    def on_epoch_end(self, epoch, logs=None):
        self.directory.mkdir(parents=True, exist_ok=True)
        for other in self.directory.glob("epoch_*.npz"):
            if int(other.stem.split("_")[1]) > epoch:  # of another run
                other.unlink()
        unfinished = self.directory / "unfinished.tmp"
        with open(unfinished, "wb") as stream:
            np.savez(stream, *[np.array(v) for v in self.model.trainable_variables])
        unfinished.replace(self.directory / f"epoch_{epoch:06d}.npz")
        for old in sorted(self.directory.glob("epoch_*.npz"))[: -self.count]:
            old.unlink()


def mean_weights(model, directory):
    """Gives a model the mean of the weights that `LastWeights` has kept.

    Args:
        model: the model that was trained.
        directory: that of the callback.

    Returns:
        How many epochs the mean is over.

    Raises:
        ValueError: no weights there, or those of another model, or a model that is not built.
    """
    files = sorted(pathlib.Path(directory).glob("epoch_*.npz"))
    if not files:
        raise ValueError(f"Expected weights of epochs in {directory}. Received: none")
    variables = model.trainable_variables
    sums = [np.zeros(v.shape) for v in variables]
    for path in files:
        with np.load(path) as saved:
            kept = [saved[name] for name in saved.files]
        if [array.shape for array in kept] != [total.shape for total in sums]:
            raise ValueError(
                f"Expected in {path} the weights of this model, which has {len(sums)} trainable "
                f"variables now. Received: {len(kept)} arrays, or other shapes"
            )
        for total, array in zip(sums, kept, strict=True):
            total += array
    for variable, total in zip(variables, sums, strict=True):
        variable.assign(total / len(files))
    return len(files)
