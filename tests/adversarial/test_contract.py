"""The Keras contract, over every game: files, precision, replicas, resuming, bad data."""

import functools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras import (
    GAN,
    WGAN,
    WGANGP,
    AdversarialAutoencoder,
    Categorical,
    LabelledAdversarialAutoencoder,
    RadialMixture,
    SemiSupervisedAdversarialAutoencoder,
    SigmoidNormal,
    Uniform,
)
from genkeras.adversarial import (
    Minimax,
    dcgan_discriminator,
    dcgan_generator,
    dense_discriminator,
    dense_generator,
)
from genkeras.latent import GaussianHead, dense_decoder, dense_encoder
from genkeras.layers import Dropout
from genkeras.layers.packing import Packing
from genkeras.training import fit_resumable

ROWS = 12
LABELS = np.arange(ROWS) % 3
NOISE = np.random.default_rng(5).normal(size=(ROWS, 2)).astype("float32")
RATE = 0.5


def reals(*event_shape):
    return np.random.default_rng(1).normal(size=(ROWS, *event_shape)).astype("float32")


def dense(dtype=None, num_labels=None, generator=None, **discriminator):
    return (
        dense_generator(
            2, (3,), (4,), num_labels=num_labels, seed=0, dtype=dtype, **(generator or {})
        ),
        dense_discriminator(
            (3,), (4,), num_labels=num_labels, seed=0, dtype=dtype, **discriminator
        ),
    )


def convolutional(dtype=None, num_labels=None, **discriminator):
    return (
        dcgan_generator(2, (8, 8, 1), 2, num_labels=num_labels, seed=0, dtype=dtype),
        dcgan_discriminator(
            (8, 8, 1), 2, num_labels=num_labels, seed=0, dtype=dtype, **discriminator
        ),
    )


def autoencoding(dtype=None, num_labels=0, outputs=3):
    return (
        dense_encoder((3,), (4,), "relu", seed=0, dtype=dtype),
        dense_decoder(2 + num_labels, outputs, (4,), "relu", seed=0, dtype=dtype),
    )


def judge(size, dtype=None, num_labels=None):
    return dense_discriminator((size,), (4,), num_labels=num_labels, seed=0, dtype=dtype)


# Name: constructor, of a dtype policy and further options; rows of data.
MODELS = {
    "gan": (lambda dtype=None, **k: GAN(*dense(dtype), seed=0, dtype=dtype, **k), reals(3)),
    "minimax gan with labels": (
        lambda dtype=None, **k: GAN(
            *dense(dtype, 3), Minimax(0.1), num_labels=3, seed=0, dtype=dtype, **k
        ),
        reals(3),
    ),
    "packed maxout gan of two steps": (
        lambda dtype=None, **k: GAN(
            *dense(dtype, generator={"batch_norm": True}, num_pieces=2, num_packed=2),
            prior=Uniform(2), discriminator_steps=2, seed=0, dtype=dtype, **k
        ),
        reals(3),
    ),
    "dcgan": (
        lambda dtype=None, **k: GAN(*convolutional(dtype), seed=0, dtype=dtype, **k),
        reals(8, 8, 1),
    ),
    "packed dcgan with labels": (
        lambda dtype=None, **k: GAN(
            *convolutional(dtype, 3, num_packed=2), num_labels=3, seed=0, dtype=dtype, **k
        ),
        reals(8, 8, 1),
    ),
    "wgan": (
        lambda dtype=None, **k: WGAN(
            *dense(dtype), clip_value=0.2, discriminator_steps=1, seed=0, dtype=dtype, **k
        ),
        reals(3),
    ),
    "wgan-gp with labels": (
        lambda dtype=None, **k: WGANGP(
            *dense(dtype, 3, activation="tanh"),
            discriminator_steps=1, num_labels=3, seed=0, dtype=dtype, **k,
        ),
        reals(3),
    ),
    "packed wgan-gp": (
        lambda dtype=None, **k: WGANGP(
            *dense(dtype, activation="tanh", num_packed=2),
            discriminator_steps=1, seed=0, dtype=dtype, **k,
        ),
        reals(3),
    ),
    "adversarial autoencoder of style, with labels": (
        lambda dtype=None, **k: AdversarialAutoencoder(
            *autoencoding(dtype, 3, 12), judge(2, dtype), 2, Categorical(4), Uniform(2),
            objective=Minimax(0.1), num_labels=3, seed=0, dtype=dtype, **k
        ),
        np.arange(3 * ROWS).reshape(ROWS, 3) % 4,
    ),
    "adversarial autoencoder shaped by labels": (
        lambda dtype=None, **k: LabelledAdversarialAutoencoder(
            *autoencoding(dtype), judge(2, dtype, 4), 2, SigmoidNormal(0.5), RadialMixture(3),
            num_labels=3, seed=0, dtype=dtype, **k
        ),
        reals(3),
    ),
    "gaussian adversarial autoencoder": (
        lambda dtype=None, **k: AdversarialAutoencoder(
            *autoencoding(dtype), judge(2, dtype), 2, SigmoidNormal(0.5),
            posterior=GaussianHead(2, seed=1, dtype=dtype), seed=0, dtype=dtype, **k
        ),
        reals(3),
    ),
    "adversarial autoencoder of few labels": (
        lambda dtype=None, **k: SemiSupervisedAdversarialAutoencoder(
            *autoencoding(dtype, 3), judge(2, dtype), judge(3, dtype), 2, 3, SigmoidNormal(0.5),
            seed=0, dtype=dtype, **k
        ),
        reals(3),
    ),
}  # fmt: skip
SOME_LABELS = ("shaped by labels", "few labels")  # a row may have none
every_model = pytest.mark.parametrize("name", MODELS)
# A Gaussian encoder draws noise of its own.
ON_FED_NOISE = [name for name in MODELS if "gaussian" not in name]


class Fed:
    """A prior whose draws are always the same; replicas take theirs in turn."""

    latent_dim = 2

    def distribution(self):
        return self

    def conditional(self, labels):
        return Fed(labels.shape[0])

    def __init__(self, num_samples=None):
        self.num_samples = num_samples

    def sample(self, num_samples=None, seed=None):
        num_samples = self.num_samples if num_samples is None else num_samples
        context = tf.distribute.get_replica_context()
        start = 0 if context is None else context.replica_id_in_sync_group * num_samples
        return tf.constant(NOISE)[start : start + num_samples]


def made(name, *, optimizer=None, jit_compile=False, fed=False, **options):
    """A model with weights that are the same each time; compiled with one optimiser for each."""
    make, _ = MODELS[name]
    model = make(**options)
    random = np.random.default_rng(2)
    for player in model.players:
        for weight in model.player_variables(player):
            weight.assign(random.normal(scale=0.5, size=weight.shape))
    if fed:
        model.prior = Fed()
        model._drawn_classes = first_class
    if optimizer is not None:
        optimizers = {player: optimizer() for player in model.players}
        model.compile(**optimizers, jit_compile=jit_compile)
    return model


@pytest.fixture(autouse=True)
def fed_points(monkeypatch):
    """The points of the penalty are the middles: a replica would draw others."""
    monkeypatch.setattr(WGANGP, "_between", lambda self, x, made, seed: (x + made) / 2)


def first_class(num_samples, seed):
    """What stands for the drawn classes of a game on fed noise."""
    return tf.one_hot(tf.zeros(num_samples, tf.int32), 3)


def sgd():
    return keras.optimizers.SGD(RATE)


def adam():
    return keras.optimizers.Adam(0.01)


def data_of(name, rows=slice(None)):
    x = MODELS[name][1][rows]
    return {"x": x, "condition": labels_of(name)[rows]} if "labels" in name else x


def labels_of(name):
    return np.where(LABELS == 1, -1, LABELS) if name.endswith(SOME_LABELS) else LABELS


def outputs_of(model, name, rows=slice(None)):
    return model(data_of(name, rows)).numpy()


def samples_of(model, num_samples=5):
    return model.sample(num_samples, None if model.num_labels is None else 1, seed=4).numpy()


def weights_of(model):
    return [np.array(v) for player in model.players for v in model.player_variables(player)]


def slots_of(model):
    return [np.array(v) for p in model.players for v in model.player_optimizer(p).variables]


def assert_all_close(actual, expected, **tolerance):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def assert_moved(model, name):
    for player in model.players:
        before = made(name).player_variables(player)
        pairs = zip(model.player_variables(player), before, strict=True)
        assert any(np.any(np.array(now) != np.array(old)) for now, old in pairs)


@pytest.fixture(scope="module")
def fed_step():
    """Of each model the weights after one step of SGD on all rows, on fed noise."""

    @functools.cache
    def of(name):
        model = made(name, optimizer=sgd, fed=True)
        model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
        assert_moved(model, name)
        return weights_of(model)

    return of


@every_model
def test_a_configuration_rebuilds_the_model(name):
    model = made(name)
    config = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(outputs_of(again, name), outputs_of(model, name))
    np.testing.assert_array_equal(samples_of(again), samples_of(model))


READER = """
import sys
import numpy as np
import genkeras

found = {}
for name in sys.argv[2:]:
    data = np.load(f"{sys.argv[1]}/{name}.npz")
    model = genkeras.load_model(f"{sys.argv[1]}/{name}.keras")
    labels = data["condition"] if model.num_labels is not None else None
    x = data["x"] if labels is None else {"x": data["x"], "condition": labels}
    found[f"{name}/outputs"] = model(x)
    found[f"{name}/samples"] = model.sample(5, None if labels is None else 1, seed=4)
    slots = [v for p in model.players for v in model.player_optimizer(p).variables]
    for k, variable in enumerate(slots):
        found[f"{name}/slot{k}"] = np.array(variable)
    model.fit(x, batch_size=len(data["x"]), verbose=0)
    found[f"{name}/moves"] = model.generator_optimizer.iterations
np.savez(f"{sys.argv[1]}/found.npz", **found)
"""


@pytest.fixture(scope="module")
def in_another_process(tmp_path_factory):
    """Every model after a step of Adam, and what one child process read from all their files."""
    folder = tmp_path_factory.mktemp("saved")
    models = {}
    for name, (_, x) in MODELS.items():
        models[name] = made(name, optimizer=adam)
        models[name].fit(data_of(name), batch_size=ROWS, verbose=0)
        models[name].save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", x=x, condition=labels_of(name))
    subprocess.run([sys.executable, "-c", READER, folder, *MODELS], check=True)
    return models, np.load(folder / "found.npz")


@every_model
def test_a_saved_model_is_the_same_in_another_process(in_another_process, name):
    models, found = in_another_process
    model = models[name]
    np.testing.assert_allclose(
        found[f"{name}/outputs"], outputs_of(model, name), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(found[f"{name}/samples"], samples_of(model), rtol=1e-5, atol=1e-6)
    slots = slots_of(model)
    assert_all_close([found[f"{name}/slot{k}"] for k in range(len(slots))], slots)
    assert max(np.abs(slot).max() for slot in slots[2:]) > 0
    assert model.generator_optimizer.iterations == 1
    assert found[f"{name}/moves"] == 2  # it trains on


@pytest.mark.parametrize("name", ON_FED_NOISE)
def test_a_step_compiled_by_xla_is_the_same_step(fed_step, name):
    model = made(name, optimizer=sgd, fed=True, jit_compile=True)
    model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
    assert_all_close(weights_of(model), fed_step(name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gan", "gaussian adversarial autoencoder"])
def test_a_step_compiled_by_xla_draws_the_same_noise(name):
    plain, compiled = (made(name, optimizer=sgd, jit_compile=jit) for jit in (False, True))
    for model in (plain, compiled):
        model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
    assert_all_close(weights_of(compiled), weights_of(plain), rtol=1e-4, atol=1e-5)


@every_model
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_policies(name, policy):
    model, plain = made(name, optimizer=sgd, dtype=policy), made(name)
    assert outputs_of(model, name).dtype == np.float32
    assert samples_of(model).dtype == np.float32
    # Some six layers, each rounded to 8 bits, of values of order 1.
    scale = np.abs(outputs_of(plain, name)).max()
    np.testing.assert_allclose(
        outputs_of(model, name), outputs_of(plain, name), atol=6 * 2**-8 * max(scale, 1.0)
    )
    # Steps whose float16 gradients overflow are left out while the scale of the loss is found.
    model.fit(data_of(name), batch_size=ROWS, epochs=8, verbose=0)
    assert_moved(model, name)
    assert all(np.isfinite(weight).all() for weight in weights_of(model))


@pytest.mark.parametrize("name", [name for name in ON_FED_NOISE if "two steps" not in name])
def test_two_replicas_take_the_step_of_one_device(fed_step, two_replicas, name):
    # Batch normalisation too is over all replicas. (Of two steps, each would read other parts.)
    with two_replicas.scope():
        model = made(name, optimizer=sgd, fed=True)
    model.fit(data_of(name), batch_size=ROWS, shuffle=False, verbose=0)
    assert_all_close(weights_of(model), fed_step(name), rtol=1e-4, atol=1e-5)


def test_noise_differs_from_replica_to_replica(two_replicas):
    with two_replicas.scope():
        model = made("gan", optimizer=sgd)
    x = tf.zeros((2, 3))
    variables = model.player_variables("generator")
    run = tf.function(lambda: model._turn("generator", x, None, variables, True)[0])
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.any(first.numpy() != second.numpy())


def test_dropout_differs_from_replica_to_replica(two_replicas):
    with two_replicas.scope():
        layer = Dropout(0.5, seed=0)
    run = tf.function(lambda: layer(tf.ones((2, 20)), training=True))
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.any(first.numpy() != second.numpy())


class Interrupted(Exception):
    """Ends a run in the middle of an epoch."""


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            raise Interrupted


def resumable(model, name, directory, callbacks=()):
    return fit_resumable(
        model, data_of(name), epochs=3, batch_size=4, seed=5, directory=directory,
        callbacks=callbacks, verbose=0,
    )  # fmt: skip


@every_model
def test_an_interrupted_game_resumes_to_the_same_bits(tmp_path, name):
    whole, resumed = made(name, optimizer=adam), made(name, optimizer=adam)
    history = resumable(whole, name, tmp_path / "whole")
    with pytest.raises(Interrupted):
        resumable(made(name, optimizer=adam), name, tmp_path / "cut", [Interrupt()])
    again = resumable(resumed, name, tmp_path / "cut")
    for one, other in zip(again, history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert_all_close(weights_of(resumed), weights_of(whole), rtol=0, atol=0)
    assert_all_close(slots_of(resumed), slots_of(whole), rtol=0, atol=0)
    np.testing.assert_array_equal(samples_of(resumed), samples_of(whole))


BAD_DATA = {
    "shape": (np.zeros((3, 4)), r"x of shape \(batch, 3\). Received: x of shape \(3, 4\)"),
    "NaN": (np.full((3, 3), np.nan), "finite values in x. Received: nan"),
    "infinity": (np.full((3, 3), np.inf), "finite values in x. Received: inf"),
    "words": (np.full((3, 3), "a"), "x to hold real numbers"),
    "nothing": (np.zeros((0, 3)), "x with at least one row"),
    "labels": ({"x": np.zeros((3, 3)), "condition": np.zeros(3)}, "no condition"),
    "no labels": (np.zeros((3, 3)), "a condition: the model has num_labels=3"),
    "a label that is none": (
        {"x": np.zeros((3, 3)), "condition": np.array([0, 3, 1])},
        "condition .* from 0 to 2",
    ),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_move_nothing(kind):
    data, message = BAD_DATA[kind]
    name = "minimax gan with labels" if kind in ("no labels", "a label that is none") else "gan"
    model = made(name, optimizer=adam)
    model.fit(data_of(name), batch_size=ROWS, verbose=0)
    state = [np.array(v) for v in model.variables], slots_of(model)
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            method(data, verbose=0)
    with pytest.raises(ValueError, match=f"Expected {message}"):
        model.discriminate(*((data["x"], data["condition"]) if isinstance(data, dict) else (data,)))
    assert_all_close([np.array(v) for v in model.variables], state[0])
    assert_all_close(slots_of(model), state[1])


def test_a_bad_batch_of_a_dataset_is_refused_by_the_graph():
    model = made("gan", optimizer=sgd)
    x = reals(3)
    x[-1] = np.nan
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected finite values in x"):
        model.fit(dataset, verbose=0)
    assert model.generator_optimizer.iterations == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, d: GAN("dense", d), "generator to be a Keras model with one input"),
        (lambda g, d: GAN(g, d, num_labels=3), "generator to be a Keras model with two inputs"),
        (lambda g, d: GAN(*dense(num_labels=4), num_labels=3), "a second input of 3 labels"),
        (lambda g, d: GAN(dense_generator(2, (4,)), d), r"a generator of .*\(3,\).*\(4,\)"),
        (lambda g, d: GAN(g, dense_generator(3, (2,))), r".*one logit.*\(batch, 2\)"),
        (lambda g, d: GAN(g, d, "minimax"), "objective to be None or an instance"),
        (lambda g, d: GAN(g, d, prior=Uniform(3)), "a prior of 2 latents"),
        (lambda g, d: GAN(g, d, prior="normal"), "prior to be an object"),
        (lambda g, d: GAN(g, d, discriminator_steps=0), "discriminator_steps .* >= 1"),
        (lambda g, d: GAN(g, d, instance_noise=-1), "instance_noise"),
        (lambda g, d: GAN(g, d, instance_noise_steps=0), "instance_noise_steps .* >= 1"),
        (lambda g, d: Minimax(1.0), r"label_smoothing .*1"),
        (lambda g, d: WGAN(g, d, clip_value="0.1"), "clip_value"),
        (
            lambda g, d: WGANGP(
                dcgan_generator(2, (16, 16, 1), 2), dcgan_discriminator((16, 16, 1), 2)
            ),
            "a critic without batch normalisation",
        ),
        (lambda g, d: GAN(g, d).sample(0), "num_samples .* >= 1"),
        (lambda g, d: GAN(g, d).generate(np.zeros((2, 3))), r"z of shape \(batch, 2\)"),
        (lambda g, d: GAN(g, d).sample(2, condition=1), "no condition"),
        (lambda g, d: dcgan_generator(2, (9, 9, 1)), "an image_shape whose sides can be halved"),
        (lambda g, d: dcgan_generator(2, (8, 8)), r"image_shape to be \(height, width, channels\)"),
        (lambda g, d: Packing(2)(tf.zeros((1, 3))), None),
    ],
)
def test_bad_arguments_are_refused(call, message):
    error = ValueError if message else tf.errors.InvalidArgumentError
    with pytest.raises(error, match=f"Expected {message or 'batches of at least 2 rows'}"):
        call(*dense())
