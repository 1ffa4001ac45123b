"""DCGAN on MNIST from five seeds: do runs collapse, and how far apart do they end?

Radford, Metz & Chintala 2015, https://arxiv.org/abs/1511.06434, section 3: its networks for 28 x 28
pixels with 32 channels before the last layer, and its Adam.

A run has collapsed if the entropy of the digits that a classifier sees in its samples falls under
2.0 nats (log 10 = 2.30), or if its Frechet distance ends above twice the median of the runs. The
distance is in the features of a classifier that is trained here: it is no FID, and no published
figure compares.
"""

import functools

from genkeras.recipes._recipe import Recipe

LATENT_DIM = 100
IMAGE_SHAPE = (28, 28, 1)
NUM_SAMPLES = 10_000

SETTINGS = {"filters": 32, "learning_rate": 2e-4, "epochs": 15, "batch_size": 128, "seed": 0}


def load():
    """Grey levels in [-1, 1]."""
    import dataclasses

    from genkeras.datasets import Split, mnist

    source = mnist()
    return dataclasses.replace(
        source,
        **{
            name: Split(part.x.reshape(-1, *IMAGE_SHAPE) / 127.5 - 1, part.labels)
            for name in ("train", "valid", "test")
            for part in [getattr(source, name)]
        },
    )


def make_model(settings, dataset):
    from genkeras import GAN
    from genkeras.adversarial import dcgan_discriminator, dcgan_generator, dcgan_optimizer

    filters, seed = settings["filters"], settings["seed"]
    model = GAN(
        dcgan_generator(LATENT_DIM, IMAGE_SHAPE, filters, seed=seed),
        dcgan_discriminator(IMAGE_SHAPE, filters, seed=seed),
        seed=seed,
    )
    adams = {player: dcgan_optimizer(settings["learning_rate"]) for player in model.players}
    model.compile(**adams, jit_compile=True)
    return model


@functools.cache
def judge():
    """A classifier of digits in [0, 1]."""
    from genkeras.datasets import Split
    from genkeras.evaluation import ImageClassifier

    train = load().train
    return ImageClassifier(IMAGE_SHAPE[:2], seed=0).fit(Split((train.x + 1) / 2, train.labels))


def judged(model, images):
    """Frechet distance to images in the judge's features, and entropy of the digits it sees."""
    from genkeras.evaluation import class_entropy, frechet_distance

    samples = (model.sample(NUM_SAMPLES, seed=0).numpy() + 1) / 2
    distance = frechet_distance(judge().features(samples), judge().features((images + 1) / 2))
    return distance, class_entropy(judge().classes(samples), 10)


def score(model, dataset):
    return judged(model, dataset.test.x)[0], 0.0


def beside(model, dataset):
    """What the distance is to be read with: that of true images, and the digits of the samples."""
    import numpy as np

    from genkeras.evaluation import frechet_distance

    train, test = ((part.x[:NUM_SAMPLES] + 1) / 2 for part in (dataset.train, dataset.test))
    features = judge().features
    return {
        "class_entropy": judged(model, dataset.test.x)[1],
        "distance_of_training_images": frechet_distance(features(train), features(test)),
        "judge_error_percent": 100 * float(np.mean(judge().classes(test) != dataset.test.labels)),
    }


def watch(settings, dataset):
    """A callback that judges samples beside validation images after every epoch."""
    import keras

    def judge_samples(epoch, logs):
        logs["frechet"], logs["class_entropy"] = judged(callback.model, dataset.valid.x)

    callback = keras.callbacks.LambdaCallback(on_epoch_end=judge_samples)
    return [callback]


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
        beside=beside,
        seeds=5,
        logged="discriminator_loss",
        callbacks=watch,
        curve=("frechet", "class_entropy", "value"),
    ),
)
