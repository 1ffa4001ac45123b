"""PixelCNN and PixelRNN: sampling beside full passes, training steps, growth with the image.

The slow sampler runs the whole network for every pixel; the slow recurrences run the same steps
without XLA, in a graph of TensorFlow or eagerly. Each ratio is measured in one run.
"""

import functools

import numpy as np

from benchmarks.nade import seconds

UNITS = 16
SIDE = 28
TRAINING_BATCH = 100
SLOW_PIXELS = 8  # the slow sampler is timed on this many pixels and scaled to all


def models(side):
    """The four models of images, about equally wide, without labels."""
    from genkeras import DiagonalBiLSTM, GatedPixelCNN, PixelCNN, RowLSTM

    shape, size = (side, side), {"hidden_units": UNITS, "head_units": 32, "seed": 0}
    return {
        "PixelCNN": PixelCNN(shape, num_blocks=7, **size),
        "GatedPixelCNN": GatedPixelCNN(shape, num_layers=7, **size),
        "RowLSTM": RowLSTM(shape, num_layers=1, **size),
        "DiagonalBiLSTM": DiagonalBiLSTM(shape, num_layers=1, **size),
    }


def sampling(sample_counts=(16, 100)):
    """Seconds to draw images in the compiled loop, and the ratio of a full pass for every pixel."""
    rows = []
    for name, model in models(SIDE).items():
        for count in sample_counts:
            fast = seconds(lambda m=model, n=count: m.sample(n, seed=0).numpy(), repeats=3)
            x = model.sample(count, seed=0)

            def slow(x=x, evaluate=model._compiled_log_prob):
                for _ in range(SLOW_PIXELS):
                    evaluate(x).numpy()

            per_pixel = seconds(slow, repeats=1) / SLOW_PIXELS
            rows.append(
                {
                    "model": name,
                    "images": count,
                    "loop (s)": round(fast, 3),
                    "a pass per pixel ÷ loop": round(per_pixel * SIDE**2 / fast, 1),
                }
            )
    return rows


def images(count, side):
    return (np.random.default_rng(0).random((count, side, side)) < 0.13).astype("float32")


def training_step(model, x, run_eagerly=False):
    """Best seconds of a training step on a batch."""
    import keras

    model.compile(keras.optimizers.Adam(), run_eagerly=run_eagerly)
    return seconds(lambda: model.train_on_batch(x), repeats=3)


def training_steps():
    """Milliseconds of a training step of every model, and its ratio to PixelCNN's.

    The eager ratio is the time of the same step outside of a graph, divided by this one.
    """
    x = images(TRAINING_BATCH, SIDE)
    times = {name: training_step(model, x) for name, model in models(SIDE).items()}
    eager = {name: training_step(model, x, True) for name, model in models(SIDE).items()}
    return [
        {
            "model": name,
            "training step (ms)": round(1e3 * taken),
            "÷ PixelCNN's": round(taken / times["PixelCNN"], 2),
            "eager ÷ compiled": round(eager[name] / taken, 2),
        }
        for name, taken in times.items()
    ]


def recurrences(batch_size=16):
    """Milliseconds of a recurrence there and back, and the ratio of the same without XLA."""
    import tensorflow as tf

    from genkeras.layers import pixel_lstm

    layers = {
        "Row LSTM": (pixel_lstm.row_step, pixel_lstm.rows_first, pixel_lstm.rows_first, 3),
        "Diagonal LSTM": (
            pixel_lstm.diagonal_step,
            pixel_lstm.diagonals,
            pixel_lstm.undo_diagonals,
            2,
        ),
    }
    rows = []
    for name, (step, enter, leave, neighbours) in layers.items():
        generator = tf.random.Generator.from_seed(0)
        gates = generator.normal((batch_size, SIDE, SIDE, 4 * UNITS))
        kernel = generator.normal((neighbours * UNITS, 4 * UNITS), stddev=0.1)
        compiled = _there_and_back(_compiled_states(step, enter, leave))
        plain = _there_and_back(_plain_states(step, enter, leave))
        fast, graph, eager = (
            seconds(functools.partial(form, gates, kernel))
            for form in (tf.function(compiled), tf.function(plain), plain)
        )
        rows.append(
            {
                "recurrence": name,
                "compiled (ms)": round(1e3 * fast, 1),
                "graph ÷ compiled": round(graph / fast, 1),
                "eager ÷ compiled": round(eager / fast, 1),
            }
        )
    return rows


def _compiled_states(step, enter, leave):
    from genkeras.layers.scan import compiled_recurrence

    return compiled_recurrence(step, enter=enter, leave=leave)


def _plain_states(step, enter, leave):
    import tensorflow as tf

    def states(gates, kernel):
        entered = enter(gates)
        h = c = tf.zeros_like(entered[0, ..., :UNITS])
        every_h = []
        for k in range(entered.shape[0]):
            h, c = step(entered[k], h, c, kernel)
            every_h.append(h)
        return leave(tf.stack(every_h))

    return states


def _there_and_back(states):
    import tensorflow as tf

    def gradient(gates, kernel):
        with tf.GradientTape() as tape:
            tape.watch([gates, kernel])
            total = tf.reduce_sum(states(gates, kernel) ** 2)
        of_gates, of_kernel = tape.gradient(total, [gates, kernel])
        return tf.reduce_sum(of_gates) + tf.reduce_sum(of_kernel)

    return gradient


def growth(sides=(8, 14, 28, 56), batch_size=16):
    """Milliseconds per image as images grow: a training step and sampling, in batches of 16."""
    rows = []
    for side in sides:
        x = images(batch_size, side)
        for name, model in models(side).items():
            step = training_step(model, x)
            draw = seconds(lambda m=model: m.sample(batch_size, seed=0).numpy(), repeats=2)
            rows.append(
                {
                    "model": name,
                    "side": side,
                    "training step (ms)": round(1e3 * step / batch_size, 2),
                    "sampling (ms)": round(1e3 * draw / batch_size, 2),
                }
            )
    return rows
