"""Changes of training images that recipes share."""

# What `moved_by_a_pixel` does, for the protocol of a recipe.
MOVES = "training images moved by up to one pixel in the first 70 % of the epochs"


def moved_by_a_pixel(settings):
    """Moves images by up to one pixel each way: with probability `shift` in the first epoch,
    linearly less after, never in the last 30 % of the epochs. None where no `shift` is set."""
    if not settings.get("shift"):
        return None
    import tensorflow as tf

    from genkeras import random

    def moved(batch, seed, epoch):
        progress = tf.cast(epoch, tf.float32) / settings["epochs"]
        probability = settings["shift"] * tf.maximum(0.0, 1.0 - progress / 0.7)
        count = tf.shape(batch)[0]
        seeds = tf.random.experimental.stateless_split(seed, 2)
        move = random.uniform((count,), seeds[0]) < probability
        window = random.uniform((count,), seeds[1], 0, 9, tf.int32)
        padded = tf.pad(tf.reshape(batch, (-1, 28, 28)), [[0, 0], [1, 1], [1, 1]])
        windows = [padded[:, i : i + 28, j : j + 28] for i in range(3) for j in range(3)]
        centre = 4
        chosen = tf.gather(
            tf.stack(windows, axis=1), tf.where(move, window, centre), batch_dims=1
        )  # (batch, 28, 28)
        return tf.reshape(chosen, tf.shape(batch))

    return moved


def drawn_anew(settings):
    """Draws every pixel, 0 or 1, from its grey level in [0, 1], anew in each epoch."""
    import tensorflow as tf

    from genkeras import random

    def drawn(batch, seed, epoch):
        return tf.cast(random.uniform(tf.shape(batch), seed) < batch, tf.float32)

    return drawn


def with_levels(dataset, change):
    """The data set with `change(x)` in place of the x of every split."""
    import dataclasses

    from genkeras.datasets import Split

    names = ("train", "valid", "test")
    parts = {name: getattr(dataset, name) for name in names}
    changed = {name: Split(change(part.x), part.labels) for name, part in parts.items()}
    return dataclasses.replace(dataset, **changed)


def mean_logits(dataset):
    """The output bias with which a network starts at the mean training image."""
    import numpy as np

    mean = np.clip(dataset.train.x.mean(axis=0), 1e-3, 1 - 1e-3)
    return np.log(mean / (1 - mean))
