"""How many modes GANs keep: rings and grids of Gaussians, as in PacGAN.

Lin, Khetan, Fanti & Oh 2018, https://arxiv.org/abs/1712.04086, Table 1. Their networks: two noise
variables, four ReLU layers of 400 with batch normalisation, against three maxout layers of 200
units of five pieces; weights from N(0, 0.02^2), Adam(1e-4, beta_1 = 0.8), batches of 100.

Note: they train for 400,000 steps, ten times; here it is 100,000, from three seeds. Their packed
    discriminator sees 100 packs in a step; here it is 25 on the ring (100 points) and 100 on the
    grid, where it had not begun to learn from 25 after 60,000 steps. The Wasserstein GAN has the
    generator without batch normalisation and, as in https://arxiv.org/abs/1704.00028, layers of 512
    ReLU units on both sides and a penalty of weight 0.1.
"""

from genkeras.recipes._games import compiled, watched
from genkeras.recipes._recipe import Recipe

NUM_SAMPLES = 2500
SETTINGS = {"learning_rate": 1e-4, "epochs": 100, "batch_size": 100, "seed": 0}
PACKED_GRID = {**SETTINGS, "epochs": 400, "batch_size": 400}  # as many steps
PENALISED = {"learning_rate": 1e-4, "epochs": 100, "batch_size": 500, "seed": 0}


def load_ring():
    from genkeras.datasets import ring

    return ring()


def load_grid():
    from genkeras.datasets import grid

    return grid()


def make_gan(settings, dataset):
    return _gan(settings, num_packed=1)


def make_packed_gan(settings, dataset):
    return _gan(settings, num_packed=4)


def _gan(settings, num_packed):
    from genkeras import GAN
    from genkeras.adversarial import dense_discriminator, dense_generator

    seed = settings["seed"]
    model = GAN(
        dense_generator(2, (2,), (400,) * 4, batch_norm=True, stddev=0.02, seed=seed),
        dense_discriminator((2,), (200,) * 3, 5, num_packed=num_packed, stddev=0.02, seed=seed),
        seed=seed,
    )
    rate = settings["learning_rate"]
    return compiled(model, rate, rate, beta_1=0.8)


def make_wgan_gp(settings, dataset):
    from genkeras import WGANGP
    from genkeras.adversarial import dense_discriminator, dense_generator

    seed = settings["seed"]
    model = WGANGP(
        dense_generator(2, (2,), (512,) * 3, seed=seed),
        dense_discriminator((2,), (512,) * 3, activation="relu", seed=seed),
        gradient_penalty=0.1,
        seed=seed,
    )
    rate = settings["learning_rate"]
    return compiled(model, rate, rate, beta_1=0.5, beta_2=0.9)


def coverage(model, dataset, num_samples=NUM_SAMPLES):
    from genkeras import datasets
    from genkeras.evaluation import mode_coverage

    centres, std = {
        "ring": (datasets.ring_centres(), datasets.RING_STD),
        "grid": (datasets.grid_centres(), datasets.GRID_STD),
    }[dataset.name]
    return mode_coverage(model.sample(num_samples, seed=0).numpy(), centres, std)


def score(model, dataset):
    """The modes of one run; the error over the runs is the recipe's."""
    found = coverage(model, dataset)
    beside = {"high_quality": found.high_quality, "reverse_kl": found.reverse_kl}
    return float(found.modes), None, beside


def watch(settings, dataset):
    """Counts the modes after every epoch."""

    def measure(model):
        found = coverage(model, dataset)
        return {"modes": found.modes, "high_quality": found.high_quality}

    return watched(measure)


def _recipe(name, load, published, make_model, settings):
    return Recipe(
        name=name,
        dataset="ring" if load is load_ring else "grid",
        split="100,000 points to train on",
        protocol="2,500 samples; a mode counts if it is nearest to a sample within three standard "
        "deviations; means over three seeds, after the last epoch",
        metric="modes",
        unit="modes",
        published={
            "value": published,
            "source": "Table 1 of https://arxiv.org/abs/1712.04086",
            "status": "V",
        },
        budget="an hour on two CPU cores, 90 minutes for packs on the grid",
        settings=settings,
        candidates=(),
        load=load,
        make_model=make_model,
        score=score,
        seeds=3,
        logged="discriminator_loss",
        callbacks=watch,
        curve=("modes", "high_quality"),
    )


RECIPES = (
    _recipe("gan_ring", load_ring, 6.3, make_gan, SETTINGS),
    _recipe("gan_grid", load_grid, 17.3, make_gan, SETTINGS),
    _recipe("pacgan_ring", load_ring, 7.8, make_packed_gan, SETTINGS),
    _recipe("pacgan_grid", load_grid, 24.8, make_packed_gan, PACKED_GRID),
    _recipe("wgan_gp_grid", load_grid, None, make_wgan_gp, PENALISED),
)
