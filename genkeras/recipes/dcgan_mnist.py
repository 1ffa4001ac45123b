"""DCGAN on MNIST from five seeds: do runs collapse, and how far apart do they end?

Radford, Metz & Chintala 2015, https://arxiv.org/abs/1511.06434, section 3: its networks for 28 x 28
pixels with 32 channels before the last layer, and its Adam.

A run has collapsed if the entropy of the digits that a classifier sees in its samples falls under
2.0 nats (log 10 = 2.30), or if its Frechet distance ends above twice the median of the runs. The
distance is in the features of a classifier that is trained here: it is no FID, and no published
figure compares.
"""

import functools

from genkeras.recipes._games import compiled, watched
from genkeras.recipes._pictures import with_levels
from genkeras.recipes._recipe import Recipe

LATENT_DIM = 100
IMAGE_SHAPE = (28, 28, 1)
NUM_SAMPLES = 10_000

SETTINGS = {"filters": 32, "learning_rate": 2e-4, "epochs": 15, "batch_size": 128, "seed": 0}


def load():
    """Grey levels in [-1, 1]."""
    from genkeras.datasets import mnist

    return with_levels(mnist(), lambda x: x.reshape(-1, *IMAGE_SHAPE) / 127.5 - 1)


def make_model(settings, dataset):
    from genkeras import GAN
    from genkeras.adversarial import dcgan_discriminator, dcgan_generator

    filters, seed = settings["filters"], settings["seed"]
    model = GAN(
        dcgan_generator(LATENT_DIM, IMAGE_SHAPE, filters, seed=seed),
        dcgan_discriminator(IMAGE_SHAPE, filters, seed=seed),
        seed=seed,
    )
    rate = settings["learning_rate"]
    return compiled(model, rate, rate, jit_compile=False, beta_1=0.5)


@functools.cache
def judge(dataset):
    """A classifier of digits in [0, 1], trained once for a data set."""
    from genkeras.datasets import Split
    from genkeras.evaluation import ImageClassifier

    train = dataset.train
    return ImageClassifier(IMAGE_SHAPE[:2], seed=0).fit(Split((train.x + 1) / 2, train.labels))


def judged(model, dataset, images):
    """Frechet distance to images in the judge's features, and entropy of the digits it sees."""
    from genkeras.evaluation import class_entropy, frechet_distance

    classifier = judge(dataset)
    samples = (model.sample(NUM_SAMPLES, seed=0).numpy() + 1) / 2
    distance = frechet_distance(classifier.features(samples), classifier.features((images + 1) / 2))
    return distance, class_entropy(classifier.classes(samples), 10)


def score(model, dataset):
    """The distance, and what it is to be read with: that of true images, and the digits drawn."""
    import numpy as np

    from genkeras.evaluation import frechet_distance

    train, test = ((part.x[:NUM_SAMPLES] + 1) / 2 for part in (dataset.train, dataset.test))
    classifier = judge(dataset)
    missed = classifier.classes(test) != dataset.test.labels[:NUM_SAMPLES]
    distance, entropy = judged(model, dataset, dataset.test.x)
    beside = {
        "class_entropy": entropy,
        "distance_of_training_images": frechet_distance(
            classifier.features(train), classifier.features(test)
        ),
        "judge_error_percent": 100 * float(np.mean(missed)),
    }
    return distance, 0.0, beside


def watch(settings, dataset):
    """Judges samples beside validation images after every epoch."""

    def measure(model):
        distance, entropy = judged(model, dataset, dataset.valid.x)
        return {"frechet": distance, "class_entropy": entropy}

    return watched(measure)


RECIPES = (
    Recipe(
        name="dcgan_mnist",
        dataset="mnist",
        split="50,000 / 10,000 of the official training rows; all 10,000 test rows",
        protocol="10,000 samples beside the test images in the features of a classifier trained "
        "here (no FID); means over five seeds, after the last epoch",
        metric="classifier_frechet_distance",
        unit="squared feature units",
        published={"value": None, "source": "none on these features", "status": "V"},
        budget="an hour on two CPU cores",
        settings=SETTINGS,
        candidates=(),
        load=load,
        make_model=make_model,
        score=score,
        seeds=5,
        logged="discriminator_loss",
        callbacks=watch,
        curve=("frechet", "class_entropy", "value"),
    ),
)
