"""Changes of training images."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from genkeras import random
from genkeras.recipes._pictures import warped

SEED = (5, 6)
STILL = {"turn": 0, "zoom": 0.0, "move": 0}


@pytest.fixture(scope="module")
def images():
    noise = np.random.default_rng(0).random((20, 28, 28))
    return scipy.ndimage.gaussian_filter(noise, (0, 2, 2)).astype("float32")[..., None]


def test_no_change_by_nothing(images):
    np.testing.assert_array_equal(warped(STILL)(tf.constant(images), SEED, 0), images)


@pytest.mark.parametrize(
    "change", [{"turn": 15}, {"zoom": 0.15}, {"move": 2}, {"turn": 15, "zoom": 0.15, "move": 2}]
)
def test_warps_as_scipy_does(images, change):
    settings = {**STILL, **change}
    found = warped(settings)(tf.constant(images), SEED, 0).numpy()
    share = random.uniform((len(images), 4), SEED, -1, 1).numpy()
    for k, (turn, zoom, right, down) in enumerate(share):
        angle = np.radians(settings["turn"]) * turn
        # Of a place (row, column) of the new image, from the centre: shift, turn back, scale back.
        back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = back / (1 + settings["zoom"] * zoom)
        moved = settings["move"] * np.array([down, right])
        offset = 13.5 - matrix @ (13.5 + moved)
        expected = scipy.ndimage.affine_transform(images[k, ..., 0], matrix, offset, order=1)
        # Outside of the image the two fade differently.
        rows = np.stack(np.meshgrid(range(28), range(28), indexing="ij"))
        source = np.einsum("ij,jkl->ikl", matrix, rows) + offset[:, None, None]
        inside = ((source >= 0) & (source <= 27)).all(axis=0)
        assert inside.sum() > 400
        np.testing.assert_allclose(found[k, ..., 0][inside], expected[inside], atol=1e-5)


def test_images_are_changed_each_in_its_own_way_and_anew(images):
    warp = warped({"turn": 15, "zoom": 0.15, "move": 2})
    same = tf.constant(np.repeat(images[:1], 5, axis=0))
    first, second = warp(same, SEED, 0).numpy(), warp(same, (5, 7), 0).numpy()
    assert len(np.unique(first.reshape(5, -1), axis=0)) == 5
    assert abs(first - second).max() > 1e-3
