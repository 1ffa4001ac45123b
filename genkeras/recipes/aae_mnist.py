"""Adversarial autoencoders on MNIST: samples under Parzen windows, few labels, clusters.

Makhzani et al. 2015, https://arxiv.org/abs/1511.05644, Tables 1 to 3. Networks: two ReLU layers on
every side, of 1,000 units for Table 1.

Note: their optimiser is SGD with momentum; here it is Adam. Grey levels in [0, 1]; p(x|z) is normal
    with a sigmoid mean and a fixed scale, so its -log is the squared error. With few labels and
    with clusters layers have 400 units and codes 5 variables. Dropout in the encoder helps samples
    and few labels; runs of clusters differ more by their start than by any setting tried, so the
    best of six goes on, which is known without labels: by nearest neighbours.
"""

from genkeras.recipes._games import compiled
from genkeras.recipes._optimizers import falling_on_a_cosine
from genkeras.recipes._parzen import NUM_SAMPLES, scored, watching
from genkeras.recipes._pictures import mean_logits
from genkeras.recipes._recipe import Recipe
from genkeras.recipes.gan_mnist import SHAPE, labelled, load

NUM_LABELS, NUM_CLUSTERS = 10, 16
LABELLED, COPIES = 100, 125  # of 62,500 rows every fifth then has a label

PARZEN = {
    "learning_rate": 4e-4,  # at the start; both rates fall on a cosine to 0
    "discriminator_rate": 2e-4,
    "latent_dim": 8,
    "dropout": 0.2,  # of the encoder's inputs
    "hidden_dropout": 0.5,  # of the encoder's layers
    "epochs": 100,
    "batch_size": 100,
    "seed": 0,
}
FEW_LABELS = {
    **PARZEN,
    "learning_rate": 1e-3,
    "discriminator_rate": 5e-4,
    "units": 400,  # of every hidden layer; 1,000 where it is not set
    "latent_dim": 5,
    "dropout": 0.3,
    "hidden_dropout": 0.3,
    "batch_size": 125,
}
CLUSTERS = {
    **FEW_LABELS,
    "learning_rate": 2e-3,
    "discriminator_rate": 1e-3,
    "hidden_dropout": 0.1,
    "epochs": 40,
}


def networks(settings, dataset, num_classes=0):
    """Encoder, decoder that starts at the mean image, and discriminator of codes."""
    from genkeras.adversarial import dense_discriminator
    from genkeras.latent import dense_decoder, dense_encoder

    size, seed, hidden = settings["latent_dim"], settings["seed"], hidden_units(settings)
    dropout = settings["dropout"], settings["hidden_dropout"]
    encoder = dense_encoder(SHAPE, hidden, "relu", seed, dropout=dropout)
    decoder = dense_decoder(size + num_classes, SHAPE[0], hidden, "relu", seed)
    decoder.layers[-1].bias.assign(mean_logits(dataset))
    discriminator = dense_discriminator((size,), hidden, activation="relu", seed=seed)
    return encoder, decoder, discriminator


def hidden_units(settings):
    return 2 * (settings.get("units", 1000),)


def make_model(settings, dataset):
    from genkeras import AdversarialAutoencoder, SigmoidNormal

    model = AdversarialAutoencoder(
        *networks(settings, dataset), settings["latent_dim"], SigmoidNormal(), seed=settings["seed"]
    )
    return _compiled(model, settings, dataset)


def make_semi_supervised(settings, dataset):
    return _with_classes("SemiSupervisedAdversarialAutoencoder", settings, dataset, NUM_LABELS)


def make_clustering(settings, dataset):
    return _with_classes("CategoricalAdversarialAutoencoder", settings, dataset, NUM_CLUSTERS)


def _with_classes(name, settings, dataset, num_classes):
    import genkeras
    from genkeras.adversarial import dense_discriminator

    # Its seed: not that of the discriminator of codes.
    hidden, seed = hidden_units(settings), settings["seed"] + 1000
    judge = dense_discriminator((num_classes,), hidden, activation="relu", seed=seed)
    model = getattr(genkeras, name)(
        *networks(settings, dataset, num_classes),
        judge,
        settings["latent_dim"],
        num_classes,
        genkeras.SigmoidNormal(),
        seed=settings["seed"],
    )
    return _compiled(model, settings, dataset)


def _compiled(model, settings, dataset):
    num_rows = len(dataset.train.x)
    slow = {**settings, "learning_rate": settings["discriminator_rate"]}
    rates = [
        falling_on_a_cosine(slow if "discriminator" in player else settings, num_rows)
        for player in model.players
    ]
    # Without XLA, which takes twice the time for layers with dropout.
    return compiled(model, *rates, beta_1=0.5, jit_compile=False)


def samples(model):
    """10,000 means of p(x|z)."""
    return model.sample(NUM_SAMPLES, seed=0).numpy()


def load_few_labels():
    """MNIST whose rows have no label (-1), and ten drawn rows of each digit again, with it."""
    import dataclasses

    import numpy as np

    from genkeras.datasets import Split

    dataset = load()
    x, labels = dataset.train.x, dataset.train.labels
    each = LABELLED // NUM_LABELS
    rng = np.random.default_rng(0)
    digits = [np.flatnonzero(labels == k) for k in range(NUM_LABELS)]
    rows = np.concatenate([rng.choice(digit, each, replace=False) for digit in digits])
    copies = np.tile(rows, COPIES)
    train = Split(
        np.concatenate([x, x[copies]]), np.concatenate([np.full(len(x), -1), labels[copies]])
    )
    return dataclasses.replace(dataset, train=train)


def test_error(model, dataset):
    """Percent of test images whose most probable class is wrong."""
    from genkeras.evaluation import share_error

    found = model.classify(dataset.test.x).numpy().argmax(axis=1)
    share, error = share_error(found != dataset.test.labels)
    return 100 * share, 100 * error, {}


def watch_error(settings, dataset):
    """Percent of validation images that are classed wrongly, every five epochs."""
    from genkeras.recipes._games import watched

    def measure(model):
        found = model.classify(dataset.valid.x).numpy().argmax(axis=1)
        return {"valid_error": 100 * float((found != dataset.valid.labels).mean())}

    return watched(measure, every=5)


def cluster_score(model, dataset):
    """Percent of test images in a cluster of their label; beside: if its majority names it."""
    from genkeras.evaluation import cluster_accuracy, label_clusters, majority_labels

    valid, test = dataset.valid, dataset.test
    seen, found = (model.classify(part.x).numpy() for part in (valid, test))
    share, error = cluster_accuracy(found, test.labels, label_clusters(seen, valid.labels))
    by_most, _ = cluster_accuracy(found, test.labels, majority_labels(seen, valid.labels))
    return 100 * share, 100 * error, {"named_by_most_of_its_images": 100 * by_most}


def kept_together(model, dataset):
    """The share of near validation images that are in one cluster."""
    from genkeras.evaluation import neighbour_agreement

    x = dataset.valid.x
    return neighbour_agreement(model.classify(x).numpy(), x)


def watch_clusters(settings, dataset):
    """The same of validation images, by the labels of the other half of them, every five epochs."""
    from genkeras.evaluation import cluster_accuracy, label_clusters
    from genkeras.recipes._games import watched

    half = len(dataset.valid.x) // 2

    def measure(model):
        found, labels = model.classify(dataset.valid.x).numpy(), dataset.valid.labels
        names = label_clusters(found[:half], labels[:half])
        share, _ = cluster_accuracy(found[half:], labels[half:], names)
        return {"valid_accuracy": 100 * share}

    return watched(measure, every=5)


def _recipe(name, protocol, metric, unit, published, settings, load=load, **parts):
    value, where, status = published
    return Recipe(
        name=name,
        dataset="mnist",
        split="50,000 / 10,000 of the official training rows; all 10,000 test rows",
        protocol=protocol,
        metric=metric,
        unit=unit,
        published={"value": value, "source": where, "status": status},
        settings=settings,
        candidates=(),
        load=load,
        logged="autoencoder_loss",
        **parts,
    )


PAPER = "of https://arxiv.org/abs/1511.05644"

RECIPES = (
    _recipe(
        "aae_mnist_parzen",
        "grey levels in [0, 1]; squared error; kernel density of 10,000 means of p(x|z), its width "
        "out of ten from 0.1 to 1 by the first 1,000 validation images; error over the test images "
        "of one run",
        "parzen_log_likelihood",
        "nats",
        (340.0, f"Table 1 {PAPER}, 340 +- 2", "V2"),
        PARZEN,
        budget="90 minutes on two CPU cores",
        make_model=make_model,
        score=scored(samples),
        callbacks=watching(samples),
        curve=("value", "real_score", "fake_score", "parzen"),
    ),
    _recipe(
        "aae_mnist_100_labels",
        "grey levels in [0, 1]; squared error; labels of ten training images of each digit, drawn "
        "with seed 0; error over the test images of one run",
        "test_error_percent",
        "percent",
        (1.90, f"Table 2 {PAPER}, 1.90 +- 0.10", "V2"),
        FEW_LABELS,
        budget="two hours on two CPU cores",
        make_model=make_semi_supervised,
        score=test_error,
        load=load_few_labels,
        inputs=labelled,
        callbacks=watch_error,
        curve=("value", "class_value", "valid_error"),
    ),
    _recipe(
        "aae_mnist_clusters_16",
        "grey levels in [0, 1]; squared error; no labels in training; a cluster has the label of "
        "the validation image that is most probably in it (of many, to float precision: of most of "
        "them); of six starts of five epochs that one goes on which has most of the ten nearest "
        "neighbours of validation images in the cluster of the image; error over three such runs",
        "test_accuracy_percent",
        "percent",
        (90.45, f"Table 3 {PAPER}, 90.45 +- 2.05", "V2"),
        CLUSTERS,
        budget="90 minutes on two CPU cores",
        make_model=make_clustering,
        score=cluster_score,
        seeds=3,
        starts=6,
        merit=kept_together,
        callbacks=watch_clusters,
        curve=("value", "class_value", "valid_accuracy"),
    ),
)
