"""Transformer: training beside stock Keras layers, decoding with a cache, memory by length.

The model is that of the recipe for Multi30k, with a vocabulary of 2,000 on both sides. The plain
form has the same blocks out of `keras.layers.MultiHeadAttention`, and no checks, seeds or loss by
token. Ratios are of one run.
"""

import math
import time

import numpy as np

from benchmarks.nade import in_fresh_process, peak_mib, seconds, seconds_of_each

VOCABULARY, MODEL_DIM, NUM_HEADS, NUM_LAYERS, HIDDEN_UNITS = 2000, 128, 4, 4, 256
ROWS, LENGTH = 64, 32  # of a batch in training
STEPS = 20
SOURCES, SOURCE_LENGTH = 4, 20  # that are decoded at once


def library_model(max_length=512):
    """The library's, untrained."""
    from genkeras import Transformer

    return Transformer(
        VOCABULARY,
        VOCABULARY,
        MODEL_DIM,
        NUM_HEADS,
        NUM_LAYERS,
        HIDDEN_UNITS,
        dropout=0.1,
        shared_embeddings=True,
        max_length=max_length,
        seed=0,
    )


def plain_model():
    """The same out of stock layers."""
    import keras
    import tensorflow as tf

    from genkeras.layers.attention import sinusoidal_positions

    layers = keras.layers

    def sublayer(x, found):
        return layers.LayerNormalization(epsilon=1e-5)(x + layers.Dropout(0.1)(found))

    def attention(x, memory, **options):
        layer = layers.MultiHeadAttention(NUM_HEADS, MODEL_DIM // NUM_HEADS)
        return sublayer(x, layer(x, memory, **options))

    def feed_forward(x):
        hidden = layers.Dense(HIDDEN_UNITS, "relu")(x)
        return sublayer(x, layers.Dense(MODEL_DIM)(hidden))

    table = layers.Embedding(VOCABULARY, MODEL_DIM)
    positions = sinusoidal_positions(LENGTH, MODEL_DIM)

    def embedded(tokens):
        return layers.Dropout(0.1)(table(tokens) * math.sqrt(MODEL_DIM) + positions)

    class Plain(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            logits = tf.matmul(y_pred, table.embeddings.value, transpose_b=True)
            labels = tf.cast(x["labels"], tf.int32)
            present = tf.cast(labels != 0, tf.float32)
            nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            return tf.reduce_sum(nll * present) / tf.reduce_sum(present)

    names = ("source", "target", "labels")
    inputs = {name: keras.Input((LENGTH,), dtype="int32", name=name) for name in names}
    mask = keras.ops.expand_dims(inputs["source"] != 0, 1)  # (batch, 1, length)
    memory = embedded(inputs["source"])
    for _ in range(NUM_LAYERS):
        memory = feed_forward(attention(memory, memory, attention_mask=mask))
    x = embedded(inputs["target"])
    for _ in range(NUM_LAYERS):
        x = attention(x, x, use_causal_mask=True)
        x = feed_forward(attention(x, memory, attention_mask=mask))
    return Plain(inputs, x)


def tokens(rows, length, start=False):
    """Rows of tokens chosen by chance, of which every other is padded for a quarter."""
    drawn = np.random.default_rng(0).integers(3, VOCABULARY, size=(rows, length)).astype("int32")
    drawn[::2, -length // 4 :] = 0
    if start:
        drawn[:, 0] = 1
    return drawn


def training():
    """Target tokens a second, library and plain, by compiler."""
    import keras
    import tensorflow as tf

    source, target = tokens(ROWS, LENGTH), tokens(ROWS, LENGTH + 1, start=True)
    ours = {"source": source, "target": target}
    plain = {"source": source, "target": target[:, :-1], "labels": target[:, 1:]}
    count = STEPS * np.count_nonzero(target[:, 1:])
    table = []
    for compiler, jit_compile in (("none", False), ("XLA", True)):
        runs = []
        for model, batch in ((library_model(), ours), (plain_model(), plain)):
            model.compile(keras.optimizers.Adam(1e-3, beta_2=0.98), jit_compile=jit_compile)
            batches = tf.data.Dataset.from_tensors(batch).cache().repeat()
            runs.append(
                lambda m=model, b=batches: m.fit(b, steps_per_epoch=STEPS, shuffle=False, verbose=0)
            )
        taken, plain_taken = seconds_of_each(runs, repeats=7)
        table.append(
            {
                "compiler": compiler,
                "library (tokens/s)": round(count / taken),
                "stock layers (tokens/s)": round(count / plain_taken),
                "time, stock ÷ library": round(plain_taken / taken, 2),
            }
        )
    return table


def decoding(lengths=(32, 128, 512)):
    """Seconds to write so many tokens with a cache, and the ratio without one."""
    import tensorflow as tf

    from genkeras.transformers.decoding import END, START, draw

    model, source = library_model(), tf.constant(tokens(SOURCES, SOURCE_LENGTH))
    model._ensure_built()

    def choose(logits, place):  # the most probable token that does not end the row
        return END + 1 + tf.argmax(logits[:, END + 1 :], axis=-1, output_type=tf.int32)

    def cached(length):
        memory = model._memory(source)

        def step(last, place, state):
            return model._step(last, place, state, memory)

        return draw(step, model._state(memory, SOURCES, length), SOURCES, length, choose)

    def uncached(length):
        def step(last, place, written):
            here = tf.range(length) == place
            written = tf.where(here, last[:, tf.newaxis], written)
            return model._logits(source, written[:, : place + 1], False)[:, -1], written

        return draw(step, tf.fill((SOURCES, length), START), SOURCES, length, choose)

    table = []
    for length in lengths:
        fast, slow = (
            tf.function(lambda form=form, length=length: form(length), autograph=False)
            for form in (cached, uncached)
        )
        quick = seconds(lambda f=fast: f()[0].numpy(), repeats=3)
        slow.get_concrete_function()
        slow_seconds = math.inf
        for _ in range(2 if length < 256 else 1):  # the second has its graph optimised
            begin = time.perf_counter()
            written = slow()[0].numpy()
            slow_seconds = min(slow_seconds, time.perf_counter() - begin)
        if not np.array_equal(fast()[0], written):
            raise AssertionError("Expected the same tokens with and without a cache.")
        table.append(
            {
                "tokens": length,
                "with cache (s)": round(quick, 3),
                "without ÷ with": round(slow_seconds / quick, 1),
            }
        )
    return table


def _child_memory(length):
    import tensorflow as tf

    from genkeras.layers.attention import MultiHeadAttention

    layer = MultiHeadAttention(NUM_HEADS, seed=0)
    layer.build((None, None, MODEL_DIM))
    variables = [v.value for v in layer.trainable_variables]

    @tf.function(autograph=False)
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x, x)))
        return tape.gradient(loss, variables)

    gradients(tf.ones((1, 8, MODEL_DIM)))
    before = peak_mib()
    x = tf.random.stateless_normal((1, length, MODEL_DIM), (0, 0))
    for _ in range(2):
        gradients(x)
    return peak_mib() - before


def memory(lengths=(512, 1024, 2048, 4096)):
    """MiB that the gradient of self-attention adds to the peak, beside one table of weights."""
    table = []
    for length in lengths:
        added = in_fresh_process(_child_memory, length)
        weights = NUM_HEADS * length**2 * 4 / 2**20
        table.append(
            {
                "length": length,
                "added (MiB)": round(added, 1),
                "one table of weights (MiB)": round(weights, 1),
                "added ÷ one table": round(added / weights, 2),
            }
        )
    return table
