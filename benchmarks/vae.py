"""VAE: a training step and evaluation beside plain Keras, and importance sampling.

The plain form is the same network written by hand: dense layers of Keras, noise from TensorFlow,
the two terms of the bound as sums. Each ratio is measured in one run.
"""

import time

import numpy as np

from benchmarks.nade import in_fresh_process, peak_mib, seconds_of_each

NUM_FEATURES = 784
LATENT_DIM = 50
HIDDEN_UNITS = (200, 200)
BATCH_SIZE = 100
EVALUATED_ROWS = 10_000
REPEATS = 20  # a step takes a few milliseconds, and the machine's clock moves by more than 5 %


def rows(count):
    x = np.random.default_rng(0).random((count, NUM_FEATURES)) < 0.13
    return x.astype("float32")


def library_model():
    """The VAE of the recipe, untrained."""
    from genkeras import VAE
    from genkeras.latent import dense_decoder, dense_encoder

    encoder = dense_encoder((NUM_FEATURES,), HIDDEN_UNITS, seed=0)
    decoder = dense_decoder(LATENT_DIM, NUM_FEATURES, HIDDEN_UNITS, seed=1)
    return VAE(encoder, decoder, LATENT_DIM, seed=0)


def plain_model():
    """The same in plain Keras, without checks, distributions or seeds."""
    import keras
    import tensorflow as tf

    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            dense = keras.layers.Dense
            hidden = [dense(units, "tanh") for units in HIDDEN_UNITS]
            self.encoder = keras.Sequential([*hidden, dense(2 * LATENT_DIM)])
            hidden = [dense(units, "tanh") for units in HIDDEN_UNITS]
            self.decoder = keras.Sequential([*hidden, dense(NUM_FEATURES)])

        def call(self, x):
            loc, raw = tf.split(self.encoder(x), 2, axis=-1)
            scale = 1e-4 + tf.nn.softplus(raw)
            logits = self.decoder(loc + scale * tf.random.normal(tf.shape(loc)))
            cross = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            kl = 0.5 * (scale**2 + loc**2 - 1) - tf.math.log(scale)
            return tf.stack([tf.reduce_sum(cross, axis=1), tf.reduce_sum(kl, axis=1)], axis=1)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return tf.reduce_mean(tf.reduce_sum(y_pred, axis=1))

    return Plain()


def training_and_evaluation():
    """Milliseconds of a training step and seconds of `evaluate`, library and plain, by compiler."""
    import keras
    import tensorflow as tf

    table = []
    batches = tf.data.Dataset.from_tensors(rows(BATCH_SIZE)).cache().repeat()
    steps, x = 200, rows(EVALUATED_ROWS)
    for compiler, jit_compile in (("none", False), ("XLA", True)):
        models = [library_model(), plain_model()]
        for model in models:
            model.compile(keras.optimizers.Adam(), jit_compile=jit_compile)
        step, plain_step = seconds_of_each(
            [lambda m=m: m.fit(batches, steps_per_epoch=steps, verbose=0) for m in models], REPEATS
        )
        evaluation, plain_evaluation = seconds_of_each(
            [lambda m=m: m.evaluate(x, batch_size=1000, verbose=0) for m in models], REPEATS
        )
        table.append(
            {
                "compiler": compiler,
                "training step (ms)": round(1e3 * step / steps, 2),
                "plain Keras ÷ library, step": round(plain_step / step, 2),
                "evaluation (s)": round(evaluation, 2),
                "plain Keras ÷ library, evaluation": round(plain_evaluation / evaluation, 2),
            }
        )
    return table


def _estimated(num_rows, num_samples, jit_compile):
    import tensorflow as tf

    model, x = library_model(), rows(num_rows)
    model._ensure_built()
    estimate = model._compiled_estimate
    if jit_compile:
        estimate = tf.function(estimate.python_function, jit_compile=True, autograph=False)
    batches = [tf.constant(x[k : k + 500]) for k in range(0, num_rows, 500)]
    seed = tf.constant([0, 0])
    estimate(batches[0], None, tf.constant(1), seed)  # compiles
    start = time.perf_counter()
    for batch in batches:
        estimate(batch, None, tf.constant(num_samples), seed).numpy()
    return time.perf_counter() - start, peak_mib()


def importance_sampling(
    cases=((1000, 50, False), (1000, 500, False), (1000, 500, True), (10_000, 5000, False)),
):
    """Seconds of `estimate_log_prob`, and the peak memory of the fresh process that runs it."""
    table = []
    for num_rows, num_samples, jit_compile in cases:
        taken, memory = in_fresh_process(_estimated, num_rows, num_samples, jit_compile)
        table.append(
            {
                "images": num_rows,
                "samples": num_samples,
                "compiler": "XLA" if jit_compile else "none",
                "seconds": round(taken, 1),
                "peak memory (MiB)": round(memory),
            }
        )
    return table
