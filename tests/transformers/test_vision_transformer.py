"""Vision Transformer: patches, what the first output sees, files, and digits it learns to tell."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import genkeras
from genkeras import VisionTransformer
from genkeras.datasets import digits
from genkeras.training import fit_resumable

IMAGES = np.random.default_rng(0).normal(size=(3, 4, 6, 2)).astype("float32")


def made(**options):
    sizes = {"model_dim": 8, "num_heads": 2, "num_layers": 2, "hidden_units": 6, "seed": 0}
    return VisionTransformer((4, 6, 2), 3, 2, **{**sizes, **options})


def compiled(model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, **options)
    return model


def test_patches_are_cut_row_by_row():
    found = made().patches(tf.constant(IMAGES)).numpy()
    assert found.shape == (3, 6, 8)
    for image in range(3):
        for row in range(2):
            for column in range(3):
                patch = IMAGES[image, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                np.testing.assert_array_equal(found[image, 3 * row + column], patch.ravel())


def test_every_patch_reaches_the_class_and_no_other_image_does():
    model, x = made(), tf.Variable(IMAGES)
    with tf.GradientTape() as tape:
        logit = model(x)[0, 0]
    slope = tape.gradient(logit, x).numpy()
    assert np.all(np.abs(model.patches(slope).numpy()[0]).max(axis=1) > 0)
    assert not slope[1:].any()


def test_places_are_told_apart_by_positions_alone():
    model = made()
    swapped = IMAGES[:, :, [2, 3, 0, 1, 4, 5]]  # the first two columns of patches
    assert np.abs(model(IMAGES) - model(swapped)).max() > 1e-5
    model.positions.table.assign(np.zeros_like(model.positions.table))
    np.testing.assert_allclose(model(IMAGES), model(swapped), atol=1e-5)


def test_maps_of_attention_are_weights():
    maps = made().attention_maps(IMAGES).numpy()
    assert maps.shape == (2, 3, 2, 7, 7)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=1e-5)


def test_files_and_configurations(tmp_path):
    model = compiled(made())
    model.fit(IMAGES, np.array([0, 1, 2]), verbose=0)
    model.save(tmp_path / "vit.keras")
    again = genkeras.load_model(tmp_path / "vit.keras")
    np.testing.assert_allclose(again(IMAGES), model(IMAGES), rtol=1e-6)
    config = json.loads(json.dumps(model.get_config()))
    rebuilt = VisionTransformer.from_config(config)
    assert json.loads(json.dumps(rebuilt.get_config())) == config


def test_a_step_compiled_by_xla_is_the_same_step():
    steps = []
    for jit_compile in (False, True):
        model = compiled(made(dropout=0.3), jit_compile=jit_compile)
        model.fit(IMAGES, np.array([0, 1, 2]), batch_size=3, shuffle=False, verbose=0)
        steps.append([np.array(weight) for weight in model.trainable_variables])
    for one, other in zip(*steps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_dropout_is_in_training_only():
    model, plain = made(dropout=0.5), made(dropout=0.0)
    np.testing.assert_array_equal(model(IMAGES), plain(IMAGES))  # the seed makes the weights
    assert np.any(model(IMAGES, training=True) != model(IMAGES, training=True))


def test_two_replicas_take_the_step_of_one_device(two_replicas):
    labels, images = np.array([0, 1, 2, 1]), IMAGES[[0, 1, 2, 0]]
    plain = compiled(made(dropout=0.0))
    plain.fit(images, labels, batch_size=4, shuffle=False, verbose=0)
    with two_replicas.scope():
        model = compiled(made(dropout=0.0))
    assert model.attention_maps(images).shape[1] == 4  # asked before training, it still mirrors
    model.fit(images, labels, batch_size=4, shuffle=False, verbose=0)
    for one, other in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-4, atol=1e-5)


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path):
    data = digits()
    rows = data.train.x[:60].reshape(-1, 8, 8) / 16, data.train.labels[:60]

    def run(directory, epochs):
        model = compiled(VisionTransformer((8, 8), 10, 4, 8, 2, 1, 8, dropout=0.3, seed=0))
        fit_resumable(
            model, rows, epochs=epochs, batch_size=20, seed=3, directory=directory, verbose=0
        )
        return [np.array(weight) for weight in model.trainable_variables]

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "cut", 1)
    for one, other in zip(run(tmp_path / "cut", 3), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_policies(policy):
    model = made(dtype=policy)
    found = model(IMAGES)
    assert found.dtype == tf.float32
    plain = made()
    plain(IMAGES)
    plain.set_weights(model.get_weights())
    # Some fifteen layers, each rounded to 8 bits, of values of order 1.
    np.testing.assert_allclose(found, plain(IMAGES), atol=15 * 2**-8)
    before = [np.array(weight) for weight in model.trainable_variables]
    # Under float16 Keras takes no step until its scale of the loss has come down.
    compiled(model).fit(IMAGES, np.array([0, 1, 2]), epochs=20, verbose=0)
    after = [np.array(weight) for weight in model.trainable_variables]
    assert all(np.isfinite(weight).all() for weight in after)
    assert sum(np.any(a != b) for a, b in zip(after, before, strict=True)) > len(before) / 2


def test_digits_are_learnt():
    data = digits()
    x = data.train.x.reshape(-1, 8, 8) / 16
    model = VisionTransformer((8, 8), 10, 2, 32, 4, 2, 64, dropout=0.0, seed=0)
    model.compile(
        keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(x, data.train.labels, batch_size=64, epochs=12, verbose=0)
    found = model.predict(data.test.x.reshape(-1, 8, 8) / 16, verbose=0).argmax(axis=1)
    assert np.mean(found == data.test.labels) > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: VisionTransformer((28, 28), 10, 5), "an image whose sides are multiples of"),
        (lambda: VisionTransformer((28,), 10, 4), "image_shape of 2 or 3 entries"),
        (lambda: VisionTransformer(28, 10, 4), "image_shape to be a tuple of whole numbers"),
        (lambda: VisionTransformer((28, 0), 10, 4), "every entry of image_shape"),
        (lambda: VisionTransformer((28, 28), 1, 4), "num_classes"),
        (lambda: VisionTransformer((28, 28), 10, 4, 30, 4), "model_dim to be a multiple of 4"),
        (lambda: made()(IMAGES[:, :2]), r"images of shape \(batch, 4, 6, 2\)"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        call()
