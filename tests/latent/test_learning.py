"""Models with a code on scikit-learn's digits: each beats a stated baseline by a margin."""

import keras
import numpy as np
import pytest
from scipy import stats

from genkeras import IWAE, VAE, HierarchicalVAE
from genkeras.datasets import binarized_digits
from genkeras.evaluation import active_units, importance_nll
from genkeras.latent import (
    convolutional_decoder,
    convolutional_encoder,
    dense_decoder,
    dense_encoder,
)

NUM_LATENTS = 8


@pytest.fixture(scope="module")
def data():
    return binarized_digits()


@pytest.fixture(scope="module")
def independent_pixels(data):
    """NLL in nats of the pixels' own frequencies, one added to each count."""
    p = (data.train.x.sum(axis=0) + 1) / (len(data.train.x) + 2)
    return -stats.bernoulli(p).logpmf(data.test.x.astype(int)).sum(axis=1).mean()


def dense(num_labels=0):
    return (
        dense_encoder((64,), (64,), seed=0),
        dense_decoder(NUM_LATENTS + num_labels, 64, (64,), seed=1),
    )


def hierarchical():
    encoder, decoder = dense()
    above, below = dense_encoder((NUM_LATENTS,), (16,), seed=2), dense_decoder(3, 16, (16,), seed=3)
    return HierarchicalVAE((encoder, above), (decoder, below), (NUM_LATENTS, 3), seed=4)


def convolutional():
    return VAE(
        convolutional_encoder((8, 8), (16, 32), 64, seed=0),
        convolutional_decoder(NUM_LATENTS, (8, 8), 1, (32, 16), 64, seed=1),
        NUM_LATENTS,
        seed=2,
    )


# Name: constructor, epochs, nats by which it beats independent pixels at least.
MODELS = {
    "vae": (lambda: VAE(*dense(), NUM_LATENTS, seed=2), 20, 5),
    "vae with labels": (lambda: VAE(*dense(10), NUM_LATENTS, num_labels=10, seed=2), 20, 8),
    "iwae": (lambda: IWAE(*dense(), NUM_LATENTS, 5, seed=2), 20, 5),
    "hierarchical vae": (hierarchical, 20, 5),
    "convolutional vae": (convolutional, 30, 3),
}


@pytest.fixture(scope="module")
def trained(data):
    """Each model after its training, and its NLL in nats on the test rows."""
    done = {}

    def of(name):
        if name not in done:
            make, epochs, _ = MODELS[name]
            model = make()
            model.compile(optimizer=keras.optimizers.Adam(0.01))
            rows = {key: getattr(data, key).x.reshape(-1, *model.event_shape) for key in SPLITS}
            labels = {key: None for key in SPLITS}
            x = rows["train"]
            if model.num_labels:
                labels = {key: getattr(data, key).labels for key in SPLITS}
                x = {"x": x, "condition": labels["train"]}
            model.fit(x, epochs=epochs, batch_size=100, verbose=0)
            done[name] = model, importance_nll(model, rows["test"], 50, labels["test"])[0]
        return done[name]

    return of


SPLITS = ("train", "test")


@pytest.mark.parametrize("name", MODELS)
def test_it_beats_independent_pixels(trained, independent_pixels, name):
    assert trained(name)[1] < independent_pixels - MODELS[name][2]


def test_labels_tell_something_and_samples_look_like_theirs(trained, data):
    model, nll = trained("vae with labels")
    assert nll < trained("vae")[1] - 1.5
    labels = np.repeat(np.arange(10), 20)
    samples = model.sample(len(labels), labels, seed=0).numpy()
    means = np.stack([data.train.x[data.train.labels == k].mean(axis=0) for k in range(10)])

    def accuracy(x, labels):
        """Of the nearest mean."""
        distances = np.sum((x[:, np.newaxis] - means) ** 2, axis=-1)
        return np.mean(np.argmin(distances, axis=1) == labels)

    assert accuracy(data.test.x, data.test.labels) > 0.8
    assert accuracy(samples, labels) > 0.6  # by chance 0.1, and above 0.2 once in 100,000


def test_latents_are_used(trained, data):
    assert active_units(trained("vae")[0], data.test.x).sum() >= 4
    first, second = active_units(trained("hierarchical vae")[0], data.test.x)
    assert first.sum() >= 4 and second.sum() >= 1
