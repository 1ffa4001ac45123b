"""Vision Transformer on MNIST, and beside it a convolutional network of as many parameters.

Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, in small: patches of 4 x 4 pixels, six
blocks of 64 units. No published figure was found for a plain Vision Transformer on MNIST; what it
is compared with is the second recipe, trained in the same way on the same rows.
"""

from genkeras.recipes._optimizers import adamw_on_a_cosine
from genkeras.recipes._pictures import warped, with_levels
from genkeras.recipes._recipe import Recipe

SIDE, NUM_CLASSES, PATCH = 28, 10, 4

SCHEDULE = {
    "learning_rate": 1e-3,
    "warmup_steps": 500,
    "weight_decay": 0.05,
    "turn": 15,  # degrees
    "zoom": 0.15,
    "move": 2,  # pixels
    "epochs": 36,
    "batch_size": 100,
    "seed": 0,
}
TRANSFORMER = {
    "model_dim": 64,
    "num_heads": 4,
    "num_layers": 6,
    "hidden_units": 128,
    "dropout": 0.1,
    **SCHEDULE,
}
# Two convolutions, each before a pooling of 2 x 2, and a dense layer.
CONVOLUTIONAL = {"dense_units": 59, "dropout": 0.5, **SCHEDULE}


def load():
    """Grey levels in [0, 1], `(n, 28, 28, 1)`."""
    from genkeras.datasets import mnist

    return with_levels(mnist(), lambda x: (x / 255).astype("float32").reshape(-1, SIDE, SIDE, 1))


def make_transformer(settings, dataset):
    from genkeras import VisionTransformer

    model = VisionTransformer(
        (SIDE, SIDE, 1),
        NUM_CLASSES,
        PATCH,
        settings["model_dim"],
        settings["num_heads"],
        settings["num_layers"],
        settings["hidden_units"],
        settings["dropout"],
        seed=settings["seed"],
    )
    return _compiled(model, settings, dataset, jit_compile=True)


def make_convolutional(settings, dataset):
    import keras

    from genkeras.evaluation.classifier import convolutional_classifier

    images, _, logits = convolutional_classifier(
        (SIDE, SIDE), NUM_CLASSES, settings["dense_units"], settings["dropout"], settings["seed"]
    )
    # On a CPU XLA makes convolutions slower.
    return _compiled(keras.Model(images, logits), settings, dataset, jit_compile=False)


def _compiled(model, settings, dataset, jit_compile):
    import keras

    model.compile(
        adamw_on_a_cosine(settings, len(dataset.train.x)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return model


def warped_images(settings):
    """What `warped` does, of images beside their labels."""
    warp = warped(settings)
    return lambda batch, seed, epoch: (warp(batch[0], seed, epoch), batch[1])


def score(model, dataset):
    """Percent of the test images that are classified right, and its standard error."""
    from genkeras.evaluation import share_error

    logits = model.predict(dataset.test.x, batch_size=1000, verbose=0)
    share, error = share_error(logits.argmax(axis=1) == dataset.test.labels)
    return 100 * share, 100 * error, {}


def _recipe(name, settings, make_model):
    return Recipe(
        name=name,
        dataset="mnist",
        split="50,000 / 10,000 of the official training rows; all 10,000 test rows",
        protocol=f"grey levels in [0, 1]; training images turned by up to {SCHEDULE['turn']} "
        f"degrees, scaled by up to {100 * SCHEDULE['zoom']:.0f} % and moved by up to two pixels; "
        "error over the test images",
        metric="test_accuracy_percent",
        unit="percent",
        published={"value": None, "source": "none found for a plain one on MNIST", "status": "V"},
        budget="an hour on two CPU cores",
        settings=settings,
        candidates=(),
        load=load,
        make_model=make_model,
        score=score,
        augment=warped_images,
        inputs=lambda split: (split.x, split.labels),
    )


RECIPES = (
    _recipe("vit_mnist", TRANSFORMER, make_transformer),
    _recipe("cnn_mnist", CONVOLUTIONAL, make_convolutional),
)
