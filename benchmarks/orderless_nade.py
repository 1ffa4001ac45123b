"""Order-agnostic NADE: time and memory of scoring images under ensembles of orderings.

The slow way asks the network for one variable at a time: a full forward pass with the set of
known variables, D times for each ordering. It is timed on a few passes and scaled to all.
"""

import multiprocessing
import time

import numpy as np

from benchmarks.nade import HIDDEN_UNITS, peak_mib

NUM_FEATURES = 784
BATCH_SIZE = 1000
SLOW_PASSES = 20


def model_and_rows(num_orderings, num_rows):
    """An untrained model that states random orderings, and binary rows."""
    from genkeras import OrderlessNADE
    from genkeras.autoregressive.orderings import random_orders

    orderings = random_orders(NUM_FEATURES, num_orderings, seed=0)
    model = OrderlessNADE(NUM_FEATURES, HIDDEN_UNITS, orderings=orderings, seed=0)
    rows = np.random.default_rng(0).random((num_rows, NUM_FEATURES)) < 0.13
    return model, rows.astype("float32")


def _scored(num_orderings, num_rows, queue):
    from genkeras.evaluation import log_probs

    model, rows = model_and_rows(num_orderings, num_rows)
    log_probs(model, rows[:BATCH_SIZE], batch_size=BATCH_SIZE)  # compiles
    start = time.perf_counter()
    log_probs(model, rows, batch_size=BATCH_SIZE)
    queue.put((time.perf_counter() - start, peak_mib()))


def slow_seconds(num_orderings, num_rows):
    """Seconds of D forward passes per ordering, from a few of them."""
    import tensorflow as tf

    model, rows = model_and_rows(1, BATCH_SIZE)
    model.log_prob(rows[:1])
    x, known = tf.constant(rows), tf.cast(rows < 2, tf.float32)
    forward = tf.function(model.parameters_given)
    forward(x, known)
    start = time.perf_counter()
    for _ in range(SLOW_PASSES):
        forward(x, known).numpy()
    per_pass = (time.perf_counter() - start) / SLOW_PASSES
    return per_pass * NUM_FEATURES * num_orderings * num_rows / BATCH_SIZE


def ensembles(ordering_counts=(1, 8, 128), row_counts=(1000, 10_000)):
    """Seconds to score images, and the peak memory of the fresh process that does it."""
    context = multiprocessing.get_context("spawn")
    table = []
    for num_orderings in ordering_counts:
        for num_rows in row_counts:
            queue = context.Queue()
            child = context.Process(target=_scored, args=(num_orderings, num_rows, queue))
            child.start()
            taken, memory = queue.get()
            child.join()
            table.append(
                {
                    "orderings": num_orderings,
                    "images": num_rows,
                    "seconds": round(taken, 1),
                    "peak memory (MiB)": round(memory),
                    "a pass per variable ÷ this": round(
                        slow_seconds(num_orderings, num_rows) / taken
                    ),
                }
            )
    return table
