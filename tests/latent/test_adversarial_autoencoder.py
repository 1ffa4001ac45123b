"""Adversarial autoencoders: every move against NumPy, whom it moves, and what is learnt."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist
from sklearn.metrics import log_loss

from genkeras import (
    AdversarialAutoencoder,
    Bernoulli,
    CategoricalAdversarialAutoencoder,
    LabelledAdversarialAutoencoder,
    RadialMixture,
    SemiSupervisedAdversarialAutoencoder,
    SigmoidNormal,
    StandardNormal,
)
from genkeras.adversarial import dense_discriminator
from genkeras.datasets import digits
from genkeras.evaluation import cluster_accuracy, label_clusters
from genkeras.latent import GaussianHead, PointHead, dense_decoder, dense_encoder

ROWS, SIZE, LABELS = 6, 5, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.random((ROWS, SIZE)).astype("float32")
Y = np.array([0, 1, 2, -1, -1, 1])
DRAWN = RANDOM.normal(size=(ROWS, 2)).astype("float32")
SCALE = 0.5


def networks(extra=0, num_labels=None):
    return (
        dense_encoder((SIZE,), (4,), "relu", seed=0),
        dense_decoder(2 + extra, SIZE, (4,), "relu", seed=0),
        dense_discriminator((2,), (4,), activation="relu", num_labels=num_labels, seed=0),
    )


def class_judge():
    return dense_discriminator((LABELS,), (4,), activation="relu", seed=9)


KINDS = {
    "plain": lambda: AdversarialAutoencoder(*networks(), 2, SigmoidNormal(SCALE), seed=0),
    "shaped": lambda: LabelledAdversarialAutoencoder(
        *networks(0, LABELS + 1), 2, SigmoidNormal(SCALE), RadialMixture(LABELS),
        num_labels=LABELS, seed=0,
    ),
    "classes": lambda: CategoricalAdversarialAutoencoder(
        *networks(LABELS), class_judge(), 2, LABELS, SigmoidNormal(SCALE), seed=0
    ),
    "few labels": lambda: SemiSupervisedAdversarialAutoencoder(
        *networks(LABELS), class_judge(), 2, LABELS, SigmoidNormal(SCALE), seed=0
    ),
}  # fmt: skip


def made(kind):
    """A model with weights of order 1 and known draws of its prior."""
    model = KINDS[kind]()
    model._ensure_built()
    random = np.random.default_rng(3)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(random.normal(scale=0.7, size=weight.shape))
    model._prior_codes = lambda *_: tf.constant(DRAWN)
    model._drawn_classes = lambda *_: tf.one_hot(np.arange(ROWS) % LABELS, LABELS)
    return model


def dense(network, *x):
    """The outputs of ReLU layers and a linear one, in NumPy."""
    weights = [np.array(weight, "float64") for weight in network.weights]
    hidden = np.concatenate(x, axis=1)
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        hidden = np.maximum(hidden @ kernel + bias, 0)
    return hidden @ weights[-2] + weights[-1]


def features(model):
    kernel, bias = (np.array(weight, "float64") for weight in model.encoder.weights)
    return np.maximum(X @ kernel + bias, 0)


def linear(layer, hidden):
    kernel, bias = (np.array(weight, "float64") for weight in layer.weights)
    return hidden @ kernel + bias


def class_logits(model):
    """Normalised over the batch, as in training."""
    logits = linear(model.class_head, features(model))
    scale = np.array(model.class_norm.gamma, "float64")
    return scale * (logits - logits.mean(axis=0)) / np.sqrt(logits.var(axis=0) + 1e-3)


def softplus(x):
    return np.logaddexp(0, x)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def one_hot(labels, size):
    return np.eye(size)[labels]


def expected_losses(kind, model):
    """What every player pays, (batch,), from the formulas of the paper."""
    z = linear(model.posterior, features(model))
    extra, drawn_extra = [], []
    if kind == "shaped":
        extra = drawn_extra = [one_hot(np.where(Y < 0, LABELS, Y), LABELS + 1)]
    verdict = dense(model.discriminator, z, *extra)[:, 0]
    of_prior = dense(model.discriminator, DRAWN, *drawn_extra)[:, 0]
    losses = {
        "discriminator": softplus(-of_prior) + softplus(verdict),
        "generator": softplus(-verdict),
    }
    code = [z]
    if kind in ("classes", "few labels"):
        y = softmax(class_logits(model))
        code = [z, y]
        real = dense(model.class_discriminator, one_hot(np.arange(ROWS) % LABELS, LABELS))[:, 0]
        fake = dense(model.class_discriminator, y)[:, 0]
        losses["class_discriminator"] = softplus(-real) + softplus(fake)
        losses["generator"] = losses["generator"] + softplus(-fake)
    mean = 1 / (1 + np.exp(-dense(model.decoder, *code)))
    constant = np.log(SCALE * np.sqrt(2 * np.pi))
    losses["autoencoder"] = (((X - mean) / SCALE) ** 2 / 2 + constant).sum(axis=1)
    return losses


def play(model, player, kind):
    condition = tf.constant(Y, tf.int32) if kind in ("shaped", "few labels") else None
    return model.play(player, tf.constant(X), condition, tf.constant([0, 1]), training=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_player_pays_what_the_paper_says(kind):
    model = made(kind)
    expected = expected_losses(kind, model)
    assert {*expected, *(["classifier"] if kind == "few labels" else [])} == {*model.players}
    for player, losses in expected.items():
        np.testing.assert_allclose(play(model, player, kind)[0], losses, rtol=1e-4, atol=1e-5)


def test_the_classifier_pays_the_cross_entropy_of_the_rows_with_labels():
    model = made("few labels")
    terms = play(model, "classifier", "few labels")[0].numpy()
    known = Y >= 0
    expected = log_loss(Y[known], softmax(class_logits(model))[known], labels=range(LABELS))
    assert terms.mean() == pytest.approx(expected, rel=1e-5)
    assert not terms[~known].any()


def test_a_batch_without_labels_gives_the_classifier_no_gradient():
    model = made("few labels")
    model._drawn_classes = KINDS["few labels"]()._drawn_classes
    unknown = tf.fill([ROWS], -1)
    variables = model.player_variables("classifier")
    gradients = model._turn("classifier", tf.constant(X), unknown, variables, True)
    assert not any(np.any(gradient) for gradient in gradients)


@pytest.mark.parametrize("batch_size", [1, 2, ROWS])
def test_the_reported_loss_of_the_classifier_is_that_of_the_labelled_rows(batch_size):
    model = KINDS["few labels"]()
    known = Y >= 0
    expected = log_loss(Y[known], model.classify(X[known]).numpy(), labels=range(LABELS))
    model.compile(**{player: "sgd" for player in model.players})
    logs = model.evaluate(
        {"x": X, "condition": Y}, batch_size=batch_size, verbose=0, return_dict=True
    )
    assert logs["classifier_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_model_can_be_evaluated_and_trained_then(kind):
    model = KINDS[kind]()
    model.compile(**{player: "sgd" for player in model.players})
    data = {"x": X, "condition": Y} if model.num_labels else X
    model.evaluate(data, verbose=0)
    model.fit(data, verbose=0)


def test_a_judge_of_probabilities_is_refused():
    encoder, decoder, _ = networks()
    judge = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.Softmax()])
    with pytest.raises(ValueError, match="raw outputs, logits. Received: .*'softmax'"):
        AdversarialAutoencoder(encoder, decoder, judge, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_move_changes_the_variables_of_its_player_only(kind):
    model = made(kind)
    optimizers = {player: keras.optimizers.SGD(0.0) for player in model.players}
    model.compile(**optimizers)
    data = {"x": X, "condition": Y} if model.num_labels else X
    named = {
        name: getattr(model, name).trainable_variables
        for name in (
            "encoder",
            "posterior",
            "decoder",
            "discriminator",
            "class_head",
            "class_norm",
            "class_discriminator",
        )
        if hasattr(model, name)
    }
    own = {
        "autoencoder": {"encoder", "posterior", "decoder", "class_head", "class_norm"},
        "discriminator": {"discriminator"},
        "class_discriminator": {"class_discriminator"},
        "generator": {"encoder", "posterior", "class_head", "class_norm"},
        "classifier": {"encoder", "class_head", "class_norm"},
    }
    for player in model.players:
        for name, optimizer in optimizers.items():
            optimizer.learning_rate = 0.1 if name == player else 0.0
        before = {name: [np.array(v) for v in part] for name, part in named.items()}
        model.fit(data, batch_size=ROWS, verbose=0)
        changed = {
            name
            for name, part in named.items()
            if any(np.any(np.array(v) != old) for v, old in zip(part, before[name], strict=True))
        }
        assert changed == own[player] & set(named), player


def test_codes_of_a_label_are_judged_beside_draws_of_that_label():
    model = KINDS["shaped"]()
    labels = tf.constant([0, 1, 2, -1] * 500)
    drawn = model._prior_codes(2000, labels, tf.constant([0, 1])).numpy()
    angle = np.arctan2(drawn[:, 1], drawn[:, 0]) / (2 * np.pi) * LABELS
    nearest = np.round(angle).astype(int) % LABELS
    known = labels.numpy() >= 0
    # At a radius of 4 +- 1.2 and 0.3 across, a draw leaves its third of the plane hardly ever.
    assert np.mean(nearest[known] == labels.numpy()[known]) > 0.99
    # Those without a label are spread over all: 500 draws, each third with chance 1/3.
    counts = np.bincount(nearest[~known], minlength=LABELS)
    assert np.all(np.abs(counts - 500 / 3) < 4.5 * np.sqrt(500 * 2 / 9))


def test_samples_are_the_means_for_draws_of_the_prior():
    model = made("plain")
    np.testing.assert_allclose(
        model.sample(ROWS, seed=0), model.decode(DRAWN).mean(), rtol=1e-5, atol=1e-6
    )
    of_classes = made("classes")
    np.testing.assert_allclose(
        of_classes.sample(ROWS, 2, seed=0),
        of_classes.decode(DRAWN, np.full(ROWS, 2)).mean(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_gaussian_encoder_draws_its_codes_and_a_point_does_not():
    drawn = AdversarialAutoencoder(
        *networks(), 2, SigmoidNormal(), posterior=GaussianHead(2, seed=0), seed=0
    )
    codes = np.stack([drawn.encode(X).sample(seed=k) for k in range(400)])
    q = drawn.encode(X)
    error = q.stddev().numpy() / np.sqrt(400)
    assert np.all(np.abs(codes.mean(axis=0) - q.mean()) < 4.5 * error)
    assert np.all(codes.std(axis=0) > 0)
    point = made("plain").encode(X)
    np.testing.assert_array_equal(point.sample(seed=1), point.mean())


def bad(kind, **changed):
    def make():
        encoder, decoder, judge = networks()
        parts = {"encoder": encoder, "decoder": decoder, "discriminator": judge, "latent_dim": 2}
        return kind(**{**parts, **changed})

    return make


BAD = {
    "discriminator of other codes": (
        bad(AdversarialAutoencoder, discriminator=dense_discriminator((3,), (4,))),
        r"discriminator to go from .*2.* to .*1",
    ),
    "decoder of other codes": (
        bad(AdversarialAutoencoder, decoder=dense_decoder(3, SIZE, (4,))),
        "a decoder from 2 values",
    ),
    "labels without a place in the decoder": (
        bad(AdversarialAutoencoder, num_labels=3),
        "a decoder from 5 values",
    ),
    "prior of other size": (
        bad(AdversarialAutoencoder, prior=StandardNormal(3)),
        "a prior of 2 latents",
    ),
    "posterior of other size": (
        bad(AdversarialAutoencoder, posterior=PointHead(3)),
        r"posterior to be a layer such as PointHead\(2\)",
    ),
    "posterior that is none": (
        bad(AdversarialAutoencoder, posterior="gaussian"),
        r"posterior to be a layer such as PointHead\(2\)",
    ),
    "no labels to shape by": (bad(LabelledAdversarialAutoencoder), "num_labels"),
    "a prior without labels": (
        bad(
            LabelledAdversarialAutoencoder,
            num_labels=3,
            discriminator=dense_discriminator((2,), (4,), num_labels=4),
        ),
        r"a prior with conditional\(labels\) of 3 labels",
    ),
    "a discriminator without the unknown label": (
        bad(
            LabelledAdversarialAutoencoder,
            num_labels=3,
            prior=RadialMixture(3),
            discriminator=dense_discriminator((2,), (4,), num_labels=3),
        ),
        r"discriminator to go from .*2.*4.* to .*1",
    ),
    "one class": (
        bad(CategoricalAdversarialAutoencoder, class_discriminator=class_judge(), num_classes=1),
        "num_classes to be a whole number >= 2",
    ),
    "a judge of other classes": (
        bad(
            CategoricalAdversarialAutoencoder,
            decoder=dense_decoder(6, SIZE, (4,)),
            class_discriminator=class_judge(),
            num_classes=4,
        ),
        "class_discriminator to go from .*4.* to .*1",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused(name):
    make, message = BAD[name]
    with pytest.raises(ValueError, match=f"Expected {message}"):
        make()


def test_bad_values_are_refused():
    plain, shaped, classes = made("plain"), made("shaped"), made("classes")
    bernoulli = AdversarialAutoencoder(*networks(), 2, Bernoulli(), seed=0)
    for call, message in (
        (lambda: bernoulli.encode(X), "values of x to be 0 or 1"),
        (lambda: plain.encode(X[:, :3]), "x of shape"),
        (lambda: plain.decode(np.full((2, 2), np.nan)), "finite values in z"),
        (lambda: plain.discriminate(np.zeros((2, 3))), "z of shape"),
        (lambda: plain.sample(0), "num_samples"),
        (lambda: shaped.sample(2), "a condition"),
        (lambda: shaped.sample(2, 3), "condition to hold whole numbers from -1 to 2"),
        (lambda: classes.sample(2, 3), "classes to hold whole numbers from 0 to 2"),
        (lambda: classes.decode(np.zeros((2, 2)), [0, -1]), "classes to hold whole numbers"),
        (lambda: plain.fit({"x": X, "condition": Y}), "no condition"),
    ):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            call()


@pytest.fixture(scope="module")
def real():
    data = digits()
    splits = {
        name: (getattr(data, name).x / 16).astype("float32") for name in ("train", "valid", "test")
    }
    return splits, {name: getattr(data, name).labels for name in splits}


def on_digits(kind, *judges, extra=0, hidden=100, latent_dim=2, num_labels=None, **options):
    model = kind(
        dense_encoder((64,), (hidden, hidden), "relu", seed=0),
        dense_decoder(latent_dim + extra, 64, (hidden, hidden), "relu", seed=0),
        dense_discriminator(
            (latent_dim,),
            (hidden, hidden),
            activation="relu",
            num_labels=num_labels and num_labels + 1,
            seed=0,
        ),
        *judges,
        latent_dim=latent_dim,
        likelihood=SigmoidNormal(),
        num_labels=num_labels,
        seed=0,
        **options,
    )
    model.compile(
        **{player: keras.optimizers.Adam(1e-3, beta_1=0.5) for player in model.players},
        jit_compile=True,
    )
    return model


def energy_distance(a, b):
    """2 E|a - b| - E|a - a'| - E|b - b'|: 0 of equal distributions only."""
    return 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()


def test_codes_come_to_follow_a_prior_of_four_petals(real):
    splits, _ = real
    prior = RadialMixture(4)
    model = on_digits(AdversarialAutoencoder, prior=prior, posterior=GaussianHead(2, seed=1))
    codes, drawn = [], prior.distribution().sample(1000, seed=0).numpy()
    errors = []
    for epochs in (0, 75):
        if epochs:
            model.fit(splits["train"], batch_size=100, epochs=epochs, verbose=0)
        codes.append(model.encode(splits["test"]).sample(seed=0).numpy())
        off = model.reconstruct(splits["test"]) - splits["test"]
        errors.append((off.numpy() ** 2).sum(axis=1).mean())
    before, after = (energy_distance(z, drawn) for z in codes)
    # Two sets of draws of the prior have 0.01. What remains: the shares of the petals are unequal.
    assert before > 1 and after < 0.4
    assert errors[1] < errors[0] / 2


def test_labels_shape_the_codes(real):
    splits, labels = real
    model = on_digits(
        LabelledAdversarialAutoencoder,
        prior=RadialMixture(10),
        num_labels=10,
    )  # fmt: skip
    known = np.where(np.arange(len(labels["train"])) % 2, labels["train"], -1)
    model.fit({"x": splits["train"], "condition": known}, batch_size=100, epochs=60, verbose=0)
    codes = model.posterior_mean(splits["test"]).numpy()
    angle = np.arctan2(codes[:, 1], codes[:, 0]) / (2 * np.pi) * 10
    found = np.round(angle).astype(int) % 10
    assert np.mean(found == labels["test"]) > 0.4  # by chance 0.1


def test_few_labels_and_many_images_make_a_classifier(real):
    splits, labels = real
    judge = dense_discriminator((10,), (100, 100), activation="relu", seed=7)
    model = on_digits(
        SemiSupervisedAdversarialAutoencoder, judge, extra=10, latent_dim=5, num_classes=10
    )
    known = np.where(np.arange(len(labels["train"])) < 100, labels["train"], -1)
    model.fit({"x": splits["train"], "condition": known}, batch_size=200, epochs=80, verbose=0)
    found = model.classify(splits["test"]).numpy().argmax(axis=1)
    assert np.mean(found == labels["test"]) > 0.85


def test_clusters_without_labels_are_digits_mostly(real):
    splits, labels = real
    judge = dense_discriminator((16,), (100, 100), activation="relu", seed=7)
    model = on_digits(
        CategoricalAdversarialAutoencoder, judge, extra=16, latent_dim=3, num_classes=16
    )
    model.fit(splits["train"], batch_size=100, epochs=20, verbose=0)
    names = label_clusters(model.classify(splits["valid"]), labels["valid"])
    share, _ = cluster_accuracy(model.classify(splits["test"]), labels["test"], names)
    assert share > 0.5  # by chance about 0.1
