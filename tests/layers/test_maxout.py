"""Maxout against the largest of several products in NumPy."""

import keras
import numpy as np

from genkeras.layers.maxout import Maxout


def test_each_unit_is_the_largest_of_its_pieces_at_every_place():
    layer = Maxout(3, 2, keras.initializers.RandomNormal(seed=0))
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    found = layer(x).numpy()
    kernel, bias = (np.array(weight) for weight in layer.weights)
    pieces = (x @ kernel + bias).reshape(2, 5, 3, 2)
    np.testing.assert_allclose(found, pieces.max(axis=-1), rtol=1e-5)
    assert layer.compute_output_shape((None, 5, 4)) == (None, 5, 3)
