"""GAN and conditional GAN on MNIST: log-likelihood under Parzen windows, as in 2014, nats.

Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, Table 1; Mirza & Osindero 2014,
https://arxiv.org/abs/1411.1784, Table 1. Networks of their code: 100 uniform noise variables, two
ReLU layers of 1,200 and sigmoid outputs against two maxout layers of 240 units with dropout; with
labels, noise and label have layers of their own first.

Note: their optimiser is SGD with a momentum that rises; here it is DCGAN's Adam, weights start by
    Glorot's rule, the generator has batch normalisation, and samples are of the moving average of
    its weights. Without the normalisation the discriminator is far ahead for tens of epochs. The
    GAN without labels has a constant rate, a long average, and instance noise on all that the
    discriminator sees. Its end was chosen on validation images, whose score was 154.7, 233.0 and
    211.1 at epochs 10, 20 and 30; without that noise it was 158.4, 219.6 and 213.3. An average over
    1,000 steps instead had 183.5 at epoch 20 of such a run, the last weights 136.6. Grey levels in
    [0, 1].
"""

from genkeras.recipes._games import compiled
from genkeras.recipes._optimizers import falling_on_a_cosine
from genkeras.recipes._parzen import NUM_SAMPLES, scored, watching
from genkeras.recipes._pictures import mean_logits, with_levels
from genkeras.recipes._recipe import Recipe

LATENT_DIM, NUM_LABELS = 100, 10
SHAPE = (784,)

SETTINGS = {
    "learning_rate": 1e-3,
    "average": 0.9998,  # momentum of the generator's mean weights, over steps
    "instance_noise": 0.2,
    "epochs": 20,
    "batch_size": 100,
    "seed": 0,
}
# The rate falls on a cosine to 0.
CONDITIONAL = {"learning_rate": 1e-3, "average": 0.999, "epochs": 40, "batch_size": 100, "seed": 0}


def load():
    from genkeras.datasets import mnist

    return with_levels(mnist(), lambda x: x / 255)


def make_gan(settings, dataset):
    from genkeras import GAN, Uniform
    from genkeras.adversarial import dense_discriminator, dense_generator

    seed = settings["seed"]
    generator = dense_generator(
        LATENT_DIM, SHAPE, (1200, 1200), output_activation="sigmoid", batch_norm=True, seed=seed
    )
    _start_at_the_mean(generator, dataset)
    discriminator = dense_discriminator(SHAPE, (240, 240), 5, dropout=(0.2, 0.5), seed=seed)
    noise = settings["instance_noise"]
    model = GAN(
        generator, discriminator, prior=Uniform(LATENT_DIM), instance_noise=noise, seed=seed
    )
    rate = settings["learning_rate"]
    return compiled(model, rate, rate, average=settings["average"], beta_1=0.5)


def make_conditional_gan(settings, dataset):
    from genkeras import GAN, Uniform

    seed = settings["seed"]
    generator = conditional_generator(seed)
    _start_at_the_mean(generator, dataset)
    model = GAN(
        generator,
        conditional_discriminator(seed),
        prior=Uniform(LATENT_DIM),
        num_labels=NUM_LABELS,
        seed=seed,
    )
    rate = falling_on_a_cosine(settings, len(dataset.train.x))
    return compiled(model, rate, rate, average=settings["average"], beta_1=0.5)


def conditional_generator(seed):
    """200 units for the noise, 1,000 for the label, then 1,200 for both."""
    import keras

    from genkeras.adversarial.networks import activated, initializer

    def dense(units, number, activation=None):
        start = initializer(None, seed, number)
        return keras.layers.Dense(units, activation, kernel_initializer=start)

    noise, label = keras.Input((LATENT_DIM,)), keras.Input((NUM_LABELS,))
    sides = [dense(200, 0, "relu")(noise), dense(1000, 1, "relu")(label)]
    # Normalised before they are joined, the thousand units of the label would drown the noise.
    joined = dense(1200, 2)(keras.layers.Concatenate()(sides))
    outputs = dense(SHAPE[0], 3, "sigmoid")(activated(joined, "relu", batch_norm=True, dtype=None))
    return keras.Model([noise, label], outputs, name="generator")


def conditional_discriminator(seed):
    """Maxout layers: 240 x 5 for the image, 50 x 5 for the label, then 240 x 4 for both."""
    import keras

    from genkeras.adversarial.networks import DISCRIMINATOR, initializer
    from genkeras.layers import Dropout, Maxout

    def start(number):
        return initializer(None, seed, DISCRIMINATOR + number)

    def dropout(rate, number):
        return Dropout(rate, seed + DISCRIMINATOR + number)

    image, label = keras.Input(SHAPE), keras.Input((NUM_LABELS,))
    sides = [
        Maxout(240, 5, start(0))(dropout(0.2, 0)(image)),
        Maxout(50, 5, start(1))(label),
    ]
    hidden = Maxout(240, 4, start(2))(dropout(0.5, 1)(keras.layers.Concatenate()(sides)))
    logit = keras.layers.Dense(1, kernel_initializer=start(3))(dropout(0.5, 2)(hidden))
    return keras.Model([image, label], logit, name="discriminator")


def _start_at_the_mean(generator, dataset):
    """Sets the output bias so that a generator starts at the mean image, as the authors' code."""
    dense = [layer for layer in generator.layers if getattr(layer, "units", None) == SHAPE[0]][-1]
    dense.bias.assign(mean_logits(dataset))


def labelled(split):
    """What a conditional model reads."""
    return {"x": split.x, "condition": split.labels}


def samples(model):
    """10,000 images of the generator's mean weights, with labels as many of each."""
    import numpy as np

    labels = np.repeat(np.arange(NUM_LABELS), NUM_SAMPLES // NUM_LABELS)
    with model.averaged():
        return model.sample(
            NUM_SAMPLES, None if model.num_labels is None else labels, seed=0
        ).numpy()


def _recipe(name, settings, value, where, make_model, inputs):
    return Recipe(
        name=name,
        dataset="mnist",
        split="50,000 / 10,000 of the official training rows; all 10,000 test rows",
        protocol="grey levels in [0, 1]; kernel density of 10,000 samples, its width out of ten "
        "from 0.1 to 1 by the first 1,000 validation images; error over the test images of one run",
        metric="parzen_log_likelihood",
        unit="nats",
        published={"value": value, "source": where, "status": "V"},
        budget="an hour on two CPU cores",
        settings=settings,
        candidates=(),
        load=load,
        make_model=make_model,
        score=scored(samples),
        inputs=inputs,
        logged="discriminator_loss",
        callbacks=watching(samples),
        curve=("value", "real_score", "fake_score", "parzen"),
    )


RECIPES = (
    _recipe(
        "gan_mnist_parzen",
        SETTINGS,
        225.0,
        "Table 1 of https://arxiv.org/abs/1406.2661, 225 +- 2",
        make_gan,
        lambda split: split.x,
    ),
    _recipe(
        "cgan_mnist_parzen",
        CONDITIONAL,
        132.0,
        "Table 1 of https://arxiv.org/abs/1411.1784, 132 +- 1.8",
        make_conditional_gan,
        labelled,
    ),
)
