"""NADE: training step, memory and sampling, each beside the obvious slow way.

The slow training step holds the cumulative sum of x_i W_i, a (batch, D, H) tensor, once compiled
by `tf.function` and once eager. The slow sampler evaluates the whole density for every variable.
"""

import multiprocessing
import pathlib
import re
import time

import numpy as np

HIDDEN_UNITS = 500
BATCH_SIZE = 100
SLOW_PIXELS = 8  # the slow sampler is timed on this many variables and scaled to all


def seconds(function, repeats=5):
    """The best of some runs, after one that compiles."""
    return seconds_of_each([function], repeats)[0]


def seconds_of_each(functions, repeats=5):
    """The best of some runs of each function, after one that compiles.

    They take turns: a machine that is slower for a minute is then so for all of them.
    """
    for function in functions:
        function()
    times = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def inputs(num_features, batch_size):
    """Binary rows and the weights of a NADE: x, W, V, c."""
    import tensorflow as tf

    generator = np.random.default_rng(0)

    def normal(*shape):
        return tf.constant(generator.normal(size=shape, scale=0.05).astype("float32"))

    x = tf.constant((generator.random((batch_size, num_features)) < 0.13).astype("float32"))
    kernel = normal(num_features, HIDDEN_UNITS)
    output_kernel = normal(num_features, HIDDEN_UNITS, 1)
    return x, kernel, output_kernel, normal(batch_size, HIDDEN_UNITS)


def scan_outputs(x, kernel, output_kernel, initial):
    """The library's scan."""
    from genkeras.layers import nade_scan

    return nade_scan(x, initial, kernel, output_kernel, "sigmoid")


def cumulative_outputs(x, kernel, output_kernel, initial):
    """The same numbers from a cumulative sum over all variables at once."""
    import tensorflow as tf

    steps = x[:, :, tf.newaxis] * kernel  # (batch, D, H)
    a = tf.cumsum(steps, axis=1, exclusive=True) + initial[:, tf.newaxis]
    return tf.einsum("bdh,dhp->bdp", tf.sigmoid(a), output_kernel)


def training_step(outputs, num_features, batch_size=BATCH_SIZE, eager=False):
    """A function that computes the gradients of a Bernoulli NLL once."""
    import tensorflow as tf

    x, kernel, output_kernel, initial = inputs(num_features, batch_size)

    def gradients(x, kernel, output_kernel, initial):
        with tf.GradientTape() as tape:
            tape.watch([kernel, output_kernel, initial])
            logits = outputs(x, kernel, output_kernel, initial)[..., 0]
            nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            loss = tf.reduce_mean(tf.reduce_sum(nll, axis=1))
        return tape.gradient(loss, [kernel, output_kernel, initial])

    compute = gradients if eager else tf.function(gradients)
    return lambda: [g.numpy() for g in compute(x, kernel, output_kernel, initial)]


def training_steps(feature_counts):
    """Milliseconds of a training step and ratios to the library's."""
    rows = []
    for num_features in feature_counts:
        repeats = 5 if num_features < 1000 else 2
        scan = seconds(training_step(scan_outputs, num_features), repeats)
        graph = seconds(training_step(cumulative_outputs, num_features), repeats)
        eager = seconds(training_step(cumulative_outputs, num_features, eager=True), repeats)
        rows.append(
            {
                "features": num_features,
                "scan (ms)": round(1e3 * scan, 2),
                "cumulative sum, graph ÷ scan": round(graph / scan, 2),
                "cumulative sum, eager ÷ scan": round(eager / scan, 2),
            }
        )
    return rows


def peak_mib():
    """Peak memory of this process; `ru_maxrss` would include that of the parent before it."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def in_fresh_process(function, *arguments):
    """What `function(*arguments)` returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _child_memory(outputs, num_features, batch_size):
    training_step(outputs, num_features, 1)()
    before = peak_mib()
    step = training_step(outputs, num_features, batch_size)
    step()
    step()
    return peak_mib() - before


def peak_memory(feature_counts, batch_sizes=(100, 400)):
    """MiB that a training step adds to the peak of a fresh process, for two batch sizes."""
    rows = []
    for num_features in feature_counts:
        for batch_size in batch_sizes:
            row = {"features": num_features, "batch": batch_size}
            for name, outputs in (("scan", scan_outputs), ("cumulative sum", cumulative_outputs)):
                added = in_fresh_process(_child_memory, outputs, num_features, batch_size)
                row[f"{name} (MiB)"] = round(added, 1)
            rows.append(row)
    return rows


def sampling(feature_counts, sample_counts=(1, 100, 1000)):
    """Seconds to draw samples, and the ratio of re-evaluating the density for every variable."""
    from genkeras import NADE

    rows = []
    for num_features in feature_counts:
        model = NADE(num_features, HIDDEN_UNITS, seed=0)
        for count in sample_counts:
            fast = seconds(lambda m=model, n=count: m.sample(n, seed=0).numpy(), repeats=3)
            x = model.sample(count, seed=0)
            evaluate = model._compiled_log_prob

            def slow(x=x, evaluate=evaluate):
                for _ in range(SLOW_PIXELS):
                    evaluate(x).numpy()

            per_pixel = seconds(slow, repeats=1) / SLOW_PIXELS
            rows.append(
                {
                    "features": num_features,
                    "samples": count,
                    "loop (s)": round(fast, 4),
                    "density per variable ÷ loop": round(per_pixel * num_features / fast, 1),
                }
            )
    return rows
