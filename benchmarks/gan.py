"""GAN: a training step beside a hand-written loop of the same networks.

The loop is what tutorials write: two tapes and two optimisers in a `tf.function`, noise from
TensorFlow, without checks, figures, seeds or checkpoints. The library's step is timed in such a
loop too, and inside `fit`, where Keras reads the data and keeps a history. Ratios are of one run.
"""

import numpy as np

from benchmarks.nade import seconds_of_each

BATCH_SIZE = 100
STEPS = 300  # half an epoch of MNIST: each `fit` also starts once, which takes 30 ms
REPEATS = 8  # a run is at one of two speeds of the machine, some 10 % apart


def dense_networks():
    """The networks of the paper of 2014."""
    from genkeras.adversarial import dense_discriminator, dense_generator

    return (
        dense_generator(100, (784,), (1200, 1200), output_activation="sigmoid", seed=0),
        dense_discriminator((784,), (240, 240), 5, seed=0),
    )


def convolutional_networks():
    """DCGAN for 28 x 28 pixels."""
    from genkeras.adversarial import dcgan_discriminator, dcgan_generator

    return (
        dcgan_generator(100, (28, 28, 1), 32, seed=0),
        dcgan_discriminator((28, 28, 1), 32, seed=0),
    )


def library_steps(networks, batches, jit_compile):
    """Two functions that take `STEPS` steps of a GAN: in `fit`, and one by one."""
    import tensorflow as tf

    from genkeras import GAN
    from genkeras.adversarial import dcgan_optimizer

    model = GAN(*networks(), seed=0)
    model.compile(
        generator=dcgan_optimizer(), discriminator=dcgan_optimizer(), jit_compile=jit_compile
    )
    step = tf.function(model.train_step, jit_compile=jit_compile, autograph=False)

    def fit():
        model.fit(batches, steps_per_epoch=STEPS, verbose=0)

    def loop():
        for x in batches.take(STEPS):
            step(x)

    fit()  # builds the variables, which the compiled step may not
    return fit, loop


def hand_written_step(networks, batches, jit_compile):
    """The same by a loop over a compiled function."""
    import tensorflow as tf

    from genkeras.adversarial import dcgan_optimizer

    generator, discriminator = networks()
    optimizers = [dcgan_optimizer(), dcgan_optimizer()]
    for optimizer, network in zip(optimizers, (discriminator, generator), strict=True):
        optimizer.build(network.trainable_variables)

    def judged(x):
        return discriminator(x, training=True)

    def made():
        return generator(tf.random.normal((BATCH_SIZE, 100)), training=True)

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softplus(-judged(x)) + tf.nn.softplus(judged(made())))
        variables = discriminator.trainable_variables
        optimizers[0].apply(tape.gradient(loss, variables), variables)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softplus(-judged(made())))
        variables = generator.trainable_variables
        optimizers[1].apply(tape.gradient(loss, variables), variables)

    def loop():
        for x in batches.take(STEPS):
            step(x)

    return loop


def training_steps():
    """Milliseconds of a step of each, by networks and compiler."""
    import tensorflow as tf

    table = []
    cases = (("dense", dense_networks, (784,)), ("DCGAN", convolutional_networks, (28, 28, 1)))
    for name, networks, shape in cases:
        x = np.random.default_rng(0).random((BATCH_SIZE, *shape)).astype("float32")
        batches = tf.data.Dataset.from_tensors(x).cache().repeat()
        for compiler, jit_compile in (("none", False), ("XLA", True)):
            runs = [
                *library_steps(networks, batches, jit_compile),
                hand_written_step(networks, batches, jit_compile),
            ]
            taken = seconds_of_each(runs, repeats=REPEATS)
            in_fit, step, plain = (1e3 * seconds / STEPS for seconds in taken)
            table.append(
                {
                    "networks": name,
                    "compiler": compiler,
                    "training step (ms)": round(step, 2),
                    "in fit (ms)": round(in_fit, 2),
                    "hand-written ÷ step": round(plain / step, 2),
                    "hand-written ÷ fit": round(plain / in_fit, 2),
                }
            )
    return table
