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
        seeds = random.split(seed, 2)
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


def warped(settings):
    """Turns, scales and moves images, each anew in every epoch: by up to `turn` degrees, a share
    `zoom` and `move` pixels, uniformly both ways."""
    import math

    import tensorflow as tf

    from genkeras import random

    widest = (math.radians(settings["turn"]), settings["zoom"], settings["move"], settings["move"])

    def warp(batch, seed, epoch):
        images = tf.reshape(batch, (-1, 28, 28, 1))
        share = random.uniform((tf.shape(images)[0], 4), seed, -1, 1) * tf.constant(widest)
        angle, zoom, right, down = tf.unstack(share, axis=1)
        # A place of the new image, from the centre, shows this one of the old: A (place - move).
        a = tf.cos(angle) / (1 + zoom)
        b = tf.sin(angle) / (1 + zoom)
        centre = (28 - 1) / 2
        x, y = -centre - right, -centre - down
        rows = [a, b, a * x + b * y + centre, -b, a, a * y - b * x + centre]
        transforms = tf.stack([*rows, tf.zeros_like(a), tf.zeros_like(a)], axis=1)
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=transforms,
            output_shape=(28, 28),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        return tf.reshape(moved, tf.shape(batch))

    return warp


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
