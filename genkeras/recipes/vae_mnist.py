"""VAE and IWAE on binary MNIST, fixed and drawn anew: test NLL by 5,000 importance samples, nats.

Burda, Grosse & Salakhutdinov 2015, https://arxiv.org/abs/1509.00519: Table 1 (images drawn anew
from the grey levels in each epoch) and Table 3 of the appendix (fixed images). Their networks: two
layers of 200 tanh units each way, 50 latents; with two stochastic layers 100 latents, two layers of
100 units, 50 latents.

Note: they train for 3,280 epochs in batches of 20, with a learning rate that falls in eight steps.
    Here it is Adam on a cosine, for as long as two CPU cores allow, in batches of 100 for the
    VAEs. IWAE keeps batches of 20: with 50 samples of each image a step costs what its images
    cost, so that small batches are many more steps in the same time.
"""

import dataclasses

from genkeras.recipes._optimizers import adamw_on_a_cosine
from genkeras.recipes._pictures import MOVES, drawn_anew, mean_logits, moved_by_a_pixel
from genkeras.recipes._recipe import Recipe

LATENT_DIM = 50
HIDDEN_UNITS = (200, 200)
NUM_IMPORTANCE_SAMPLES = 5000

COMMON = {"learning_rate": 1e-3, "warmup_steps": 500, "batch_size": 100, "seed": 0}

# Whether images moved by a pixel help, and how fast to learn, in a part of the epochs.
CANDIDATES = (
    {"shift": 0.0, "epochs": 100, "learning_rate": 1e-3},
    {"shift": 0.8, "epochs": 100, "learning_rate": 1e-3},
    {"shift": 0.8, "epochs": 100, "learning_rate": 3e-3},
)


def load_fixed():
    from genkeras.datasets import binarized_mnist

    return binarized_mnist()


def load_dynamic():
    """Grey levels in [0, 1] to train on, 400 rows held out as in the authors' code; both other
    splits drawn once."""
    import numpy as np

    from genkeras.datasets import Split, bernoulli_binarize, mnist

    source = mnist()
    grey = np.concatenate([source.train.x, source.valid.x])
    train, valid = grey[:-400], grey[-400:]
    return dataclasses.replace(
        source,
        train=Split(train / 255),
        valid=Split(bernoulli_binarize(valid, 256, seed=1)),
        test=Split(bernoulli_binarize(source.test.x, 256, seed=2)),
    )


def make_vae(settings, dataset):
    from genkeras import VAE

    model = VAE(*_networks(settings, dataset), LATENT_DIM, seed=settings["seed"])
    return _compiled(model, settings, dataset)


def make_iwae(settings, dataset):
    from genkeras import IWAE

    draws = settings["num_importance_samples"]
    model = IWAE(*_networks(settings, dataset), LATENT_DIM, draws, seed=settings["seed"])
    return _compiled(model, settings, dataset)


def make_two_layers(settings, dataset):
    from genkeras import HierarchicalVAE
    from genkeras.latent import dense_decoder, dense_encoder

    below, above, seed = 100, 50, settings["seed"]
    encoders = (
        dense_encoder((784,), (200, 200), seed=seed),
        dense_encoder((below,), (100, 100), seed=seed + 10),
    )
    decoders = (
        dense_decoder(below, 784, (200, 200), seed=seed),
        dense_encoder((above,), (100, 100), seed=seed + 20),  # features, no outputs
    )
    _start_at_the_mean(decoders[0], dataset)
    model = HierarchicalVAE(encoders, decoders, (below, above), seed=seed)
    return _compiled(model, settings, dataset)


def _networks(settings, dataset):
    from genkeras.latent import dense_decoder, dense_encoder

    seed = settings["seed"]
    encoder = dense_encoder((784,), HIDDEN_UNITS, seed=seed)
    decoder = dense_decoder(LATENT_DIM, 784, HIDDEN_UNITS, seed=seed)
    _start_at_the_mean(decoder, dataset)
    return encoder, decoder


def _start_at_the_mean(decoder, dataset):
    """Sets the output bias so that a decoder starts at the mean image, as the authors' code does:
    training need not find it through the latents."""
    decoder.layers[-1].bias.assign(mean_logits(dataset))


def _compiled(model, settings, dataset):
    # All data were checked on the way in; XLA fuses what lies between the matrix products.
    model.compile(adamw_on_a_cosine(settings, len(dataset.train)), jit_compile=True)
    return model


def score(model, dataset):
    """The test NLL; minus the ELBO of the test set, and the active units of each layer."""
    import numpy as np

    from genkeras.evaluation import active_units, importance_nll

    active = active_units(model, dataset.test.x)
    layers = active if isinstance(active, tuple) else (active,)
    beside = {
        "test_negative_elbo": -float(np.mean(model.elbo(dataset.test.x, num_samples=10, seed=0))),
        **{f"active_units_{k}": int(layer.sum()) for k, layer in enumerate(layers, start=1)},
    }
    return *importance_nll(model, dataset.test.x, NUM_IMPORTANCE_SAMPLES), beside


def _recipe(name, published, where, make_model, settings, fixed, candidates=()):
    return Recipe(
        name=name,
        dataset="binarized_mnist" if fixed else "mnist",
        split="fixed 50,000 / 10,000 / 10,000; all 10,000 test rows"
        if fixed
        else "59,600 / 400 of the official training rows; all 10,000 test rows",
        protocol=(
            f"static binarization of Larochelle & Murray, {MOVES}"
            if fixed
            else "training images drawn anew from the grey levels in each epoch, validation and "
            "test images drawn once"
        )
        + "; importance-weighted bound of 5,000 samples per test row; test set scored after the "
        "last epoch only",
        metric="test_nll_is5000",
        unit="nats",
        published={
            "value": published,
            "source": f"{where} of https://arxiv.org/abs/1509.00519",
            "status": "V",
        },
        budget="two hours on two CPU cores" if fixed else "one hour on two CPU cores",
        settings={**COMMON, **settings},
        candidates=candidates,
        load=load_fixed if fixed else load_dynamic,
        make_model=make_model,
        score=score,
        augment=moved_by_a_pixel if fixed else drawn_anew,
    )


FIXED, DYNAMIC = "Table 3 (appendix)", "Table 1"
VAE = {"learning_rate": 2e-3, "epochs": 600}
IWAE = {"learning_rate": 1e-3, "epochs": 120, "num_importance_samples": 50, "batch_size": 20}
MOVED = {"shift": 0.8}

RECIPES = (
    _recipe("vae_binarized_mnist", 88.71, FIXED, make_vae, VAE | MOVED, True, CANDIDATES),
    _recipe("iwae_binarized_mnist", 87.10, FIXED, make_iwae, IWAE | MOVED, True),
    _recipe("vae_dynamic_mnist", 86.76, DYNAMIC, make_vae, VAE, False),
    _recipe("iwae_dynamic_mnist", 84.78, DYNAMIC, make_iwae, IWAE, False),
    _recipe("vae2_dynamic_mnist", 85.33, DYNAMIC, make_two_layers, VAE, False),
)
