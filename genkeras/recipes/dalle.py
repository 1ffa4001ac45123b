"""DALL-E in small: scenes drawn from sentences about combinations that were never shown.

After Ramesh et al. 2021, https://arxiv.org/abs/2102.12092: a discrete VAE makes a picture of
32 x 32 pixels a grid of 8 x 8 tokens, a Transformer learns caption and tokens as one sequence. The
task is ours, so nothing is published; a program reads each picture back and says what of its
caption is right.
"""

import dataclasses
import itertools

from genkeras.recipes._games import watched
from genkeras.recipes._optimizers import adamw_on_a_cosine
from genkeras.recipes._recipe import Recipe

NUM_TRAIN, NUM_TEST = 50_000, 1000
CAPTION_LENGTH = 28  # the longest has 26 words and an end
# Ways to draw; one is chosen on validation captions.
WAYS = tuple(
    {"temperature": temperature, "guidance": guidance}
    for temperature, guidance in itertools.product((1.0, 0.5, 0.25), (1.0, 1.5, 2.0))
)

TOKENS = {
    "num_tokens": 128,
    "filters": [32, 64],
    "scale": 0.1,  # of the normal density of a pixel
    "learning_rate": 3e-3,
    "warmup_steps": 200,
    "temperatures": [1.0, 0.0625],
    "epochs": 12,
    "batch_size": 32,
    "seed": 0,
}
SENTENCES = {
    "model_dim": 128,
    "num_heads": 4,
    "num_layers": 4,
    "hidden_units": 256,
    "dropout": 0.1,
    "learning_rate": 2e-3,
    "warmup_steps": 500,
    "weight_decay": 0.05,
    "epochs": 20,
    "batch_size": 64,
    "seed": 0,
}


@dataclasses.dataclass(frozen=True)
class Tokenized:
    """Pictures as tokens and captions as numbers, what `fit` takes, with the scenes they show."""

    x: dict
    scenes: tuple


@dataclasses.dataclass(frozen=True)
class TokenizedScenes:
    """Three splits, the vocabulary of the captions and the model that makes the tokens."""

    train: Tokenized
    valid: Tokenized
    test: Tokenized
    vocabulary: object
    vae: object


def load_scenes():
    from genkeras.datasets import scenes

    return scenes(NUM_TRAIN, NUM_TEST, NUM_TEST)


def load_tokens(vae):
    """The scenes as tokens of a trained discrete VAE."""
    import numpy as np

    from genkeras.datasets import Vocabulary

    data = load_scenes()
    vocabulary = Vocabulary.of(data.train.captions)

    def tokenized(split):
        batches = np.array_split(split.images, max(1, len(split.images) // 500))
        x = np.concatenate([vae.tokens(batch) for batch in batches]).astype("float32")
        rows = vocabulary.encode(split.captions)
        captions = np.zeros((len(rows), CAPTION_LENGTH), "int32")
        captions[:, : rows.shape[1]] = rows
        return Tokenized({"x": x, "condition": captions}, split.scenes)

    parts = (tokenized(split) for split in (data.train, data.valid, data.test))
    return TokenizedScenes(*parts, vocabulary=vocabulary, vae=vae)


def make_discrete_vae(settings, dataset):
    import keras

    from genkeras import DiscreteVAE, SigmoidNormal
    from genkeras.latent import token_decoder, token_encoder

    shape, seed, filters = dataset.train.images.shape[1:], settings["seed"], settings["filters"]
    num_rows, num_tokens = len(dataset.train.images), settings["num_tokens"]
    # The pictures are dark and even: stretched, they tell the tokens apart from the start.
    stretched = keras.layers.Rescaling(5.0, offset=-0.5)
    encoder = token_encoder(shape, num_tokens, filters, seed=seed)
    model = DiscreteVAE(
        keras.Sequential([keras.Input(shape), stretched, encoder]),
        token_decoder(shape, num_tokens, 1, filters[::-1], seed=seed),
        SigmoidNormal(settings["scale"]),
        temperatures=settings["temperatures"],
        annealing_steps=settings["epochs"] * num_rows // settings["batch_size"] // 2,
        seed=seed,
    )
    # On a CPU XLA takes ten times as long for such convolutions.
    model.compile(adamw_on_a_cosine(settings, num_rows), jit_compile=False)
    return model


def make_dalle(settings, dataset):
    from genkeras import DALLE

    model = DALLE(
        dataset.vae.grid_shape,
        dataset.vae.num_tokens,
        CAPTION_LENGTH,
        len(dataset.vocabulary),
        settings["model_dim"],
        settings["num_heads"],
        settings["num_layers"],
        settings["hidden_units"],
        settings["dropout"],
        seed=settings["seed"],
    )
    num_rows = len(dataset.train.scenes)
    model.compile(adamw_on_a_cosine(settings, num_rows, beta_2=0.98), jit_compile=True)
    return model


def judged(images, scenes):
    """A `SceneAccuracy` of pictures `(n, 32, 32, 3)`."""
    import numpy as np

    from genkeras.evaluation import scene_accuracy

    return scene_accuracy(np.clip(images, 0, 1), scenes)


def shares(found):
    """What of a `SceneAccuracy` is kept of every epoch."""
    return {"attributes": found.attribute_accuracy, "captions": found.caption_accuracy}


def drawn(model, dataset, split, **how):
    """One picture for each caption of a split, as the decoder's mean `(n, 32, 32, 3)`."""
    captions = split.x["condition"]
    tokens = model.sample(len(captions), condition=captions, seed=0, **how)
    return dataset.vae.decode_tokens(tokens).numpy()


def score_reconstructions(model, dataset):
    """Percent of the attributes that the judge still reads from reconstructed test pictures."""
    import numpy as np

    from genkeras.evaluation import codebook_use

    images = dataset.test.images
    made = model.reconstruct(images).numpy()
    found = judged(made, dataset.test.scenes)
    used, perplexity = codebook_use(model.tokens(images).numpy(), model.num_tokens)
    error = np.sqrt(np.mean((made - images) ** 2))
    beside = {
        "captions_right_percent": 100 * found.caption_accuracy,
        "root_mean_squared_error": float(error),
        "tokens_used": used,
        "perplexity_of_tokens": perplexity,
    }
    return 100 * found.attribute_accuracy, 100 * found.attribute_standard_error, beside


def watch_reconstructions(settings, dataset):
    """Judges reconstructed validation pictures after every epoch."""
    valid = dataset.valid
    return watched(lambda model: shares(judged(model.reconstruct(valid.images), valid.scenes)))


def score(model, dataset):
    """Percent of the attributes of held-out captions that one sample of each shows.

    Beside it: more of the same pictures, of plain samples and of the judge on the true pictures.
    """
    from genkeras.evaluation import scene_accuracy

    test, way = dataset.test, chosen_way(model, dataset)
    found = judged(drawn(model, dataset, test, **way), test.scenes)
    plain = judged(drawn(model, dataset, test), test.scenes)
    true = scene_accuracy(load_scenes().test.images, test.scenes)
    beside = {
        **way,
        "captions_right_percent": 100 * found.caption_accuracy,
        **{
            f"{name}_right_percent": 100 * getattr(found, name)
            for name in ("place", "shape", "colour", "size", "number")
        },
        "attributes_right_in_plain_samples_percent": 100 * plain.attribute_accuracy,
        "captions_right_in_plain_samples_percent": 100 * plain.caption_accuracy,
        "judge_error_percent": 100 * (1 - true.caption_accuracy),
    }
    return 100 * found.attribute_accuracy, 100 * found.attribute_standard_error, beside


def chosen_way(model, dataset):
    """The way to draw with the most attributes right on the validation captions."""
    valid = dataset.valid
    return max(
        WAYS,
        key=lambda way: (
            judged(drawn(model, dataset, valid, **way), valid.scenes).attribute_accuracy
        ),
    )


def watch(settings, dataset):
    """Judges pictures of 200 held-out captions of the validation split after every epoch."""
    valid = dataset.valid
    few = Tokenized({name: rows[:200] for name, rows in valid.x.items()}, valid.scenes[:200])

    def measure(model):
        return shares(judged(drawn(model, dataset, few), few.scenes))

    return watched(measure)


def _recipe(name, settings, protocol, **parts):
    return Recipe(
        name=name,
        dataset="scenes",
        split=f"{NUM_TRAIN:,} / {NUM_TEST:,} / {NUM_TEST:,} scenes; six of 48 combinations of "
        "shape, colour and size only in valid, six others only in test, one in every scene there",
        protocol=protocol,
        metric="attribute_accuracy_percent",
        unit="percent",
        published={"value": None, "source": "a task of this library", "status": "V"},
        settings=settings,
        candidates=(),
        **parts,
    )


DISCRETE_VAE = _recipe(
    "discrete_vae_scenes",
    TOKENS,
    "test pictures put into 8 x 8 tokens and back; a program reads place, shape, colour, size and "
    "number from them; error over the pictures",
    budget="half an hour on two CPU cores",
    load=load_scenes,
    make_model=make_discrete_vae,
    score=score_reconstructions,
    inputs=lambda split: split.images,
    callbacks=watch_reconstructions,
    curve=("loss", "attributes", "captions"),
)
RECIPES = (
    DISCRETE_VAE,
    _recipe(
        "dalle_scenes",
        SENTENCES,
        "one picture for each of 1,000 held-out captions, no choice among several; temperature and "
        "guidance by the validation captions; a program reads place, shape, colour, size and "
        "number from it; error over the pictures",
        budget="two hours on two CPU cores",
        load=load_tokens,
        make_model=make_dalle,
        score=score,
        inputs=lambda split: split.x,
        callbacks=watch,
        curve=("loss", "attributes", "captions"),
        first=DISCRETE_VAE,
    ),
)
