"""The judge of digits: better than a linear one, repeatable, without dropout where it judges."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from genkeras.datasets import Split, digits
from genkeras.evaluation import ImageClassifier


@pytest.fixture(scope="module")
def grey():
    """The digits with their 17 levels scaled to [0, 1]: 1,197 to train on and 600 others."""
    data = digits()
    x = np.concatenate([data.valid.x, data.test.x])
    labels = np.concatenate([data.valid.labels, data.test.labels])
    return Split(data.train.x / 16, data.train.labels), Split(x / 16, labels)


@pytest.fixture(scope="module")
def judge(grey):
    keras.utils.set_random_seed(1)
    return ImageClassifier((8, 8)).fit(grey[0], epochs=30, batch_size=50)


def test_it_beats_a_linear_classifier(judge, grey):
    train, test = grey
    linear = LogisticRegression(max_iter=1000).fit(train.x, train.labels)
    baseline = linear.score(test.x, test.labels)
    assert baseline > 0.96
    assert judge.accuracy(test) > baseline + 0.01


def test_accuracy_is_the_share_of_right_classes(judge, grey):
    test = grey[1]
    classes = judge.classes(test.x)
    assert judge.accuracy(test) == accuracy_score(test.labels, classes)
    wrong = Split(test.x, (test.labels + (np.arange(600) % 3 == 0)) % 10)
    assert judge.accuracy(wrong) == accuracy_score(wrong.labels, classes) < 0.75
    assert classes.shape == (600,) and classes.dtype == "int64"


def test_features_are_what_the_last_layer_sees_and_know_no_dropout(judge, grey):
    images = grey[1].x[:40]
    features = judge.features(images)
    assert features.shape == (40, 128) and features.dtype == "float32"
    np.testing.assert_array_equal(judge.features(images), features)
    weights, bias = judge.model.layers[-1].get_weights()
    np.testing.assert_array_equal((features @ weights + bias).argmax(1), judge.classes(images))
    # Dropout sets half of the activations to zero in training, a ReLU fewer of these.
    in_training = judge._features(images.reshape(-1, 8, 8, 1), training=True)
    np.testing.assert_allclose(in_training, features, rtol=1e-5, atol=1e-5)


def test_shapes_of_images_do_not_matter(judge, grey):
    flat = grey[1].x[:20]
    features = judge.features(flat)
    for shape in ((20, 8, 8), (20, 8, 8, 1)):
        np.testing.assert_array_equal(judge.features(flat.reshape(shape)), features)


def trained(train, seed, epochs=1):
    judge = ImageClassifier((8, 8), seed=seed).fit(
        Split(train.x[:200], train.labels[:200]), epochs, batch_size=20
    )
    return judge.features(train.x[:30])


def test_a_seed_repeats(grey):
    train, first = grey[0], None
    for global_seed in (5, 6):
        keras.utils.set_random_seed(global_seed)
        features = trained(train, seed=3)
        # Sums of threads may differ in their last digits.
        np.testing.assert_allclose(features, features if first is None else first, atol=1e-4)
        first = features
    assert np.abs(trained(train, seed=4) - first).max() > 0.1


def test_every_epoch_has_an_order_of_its_own_with_every_image_once(grey, monkeypatch):
    seen = []
    monkeypatch.setattr(
        keras.Model, "fit", lambda self, x, y, **options: seen.append((x, y, options))
    )
    train = Split(np.arange(40 * 16).reshape(40, 16) / 640, np.arange(40) % 10)
    ImageClassifier((4, 4)).fit(train, epochs=3)
    orders = [np.rint(x[:, 0, 0, 0] * 40).astype(int) for x, _, _ in seen]
    for order, (_, labels, options) in zip(orders, seen, strict=True):
        assert sorted(order) == list(range(40))
        np.testing.assert_array_equal(labels, order % 10)
        assert options["shuffle"] is False
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: ImageClassifier((3, 8)), r"image_shape .*Received: \(3, 8\)"),
        (lambda s: ImageClassifier((8, 8, 1)), r"image_shape .*Received: \(8, 8, 1\)"),
        (lambda s: ImageClassifier((8, 8), 0), "num_labels .*Received: .*0"),
        (lambda s: ImageClassifier((8, 8), seed=None), "seed .*Received: .*None"),
        (lambda s: ImageClassifier((8, 8), seed=-1), "seed .*Received: .*-1"),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        call(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.full((4, 64), 16.0)}, r"images in \[0, 1\]. Received: 16.0 to 16.0"),
        ({"x": np.full((4, 64), np.nan)}, r"images in \[0, 1\]. Received: nan"),
        ({"x": np.zeros((4, 32))}, r"images of shape \(n, 8, 8\). Received: shape \(4, 32\)"),
        ({"x": np.zeros((0, 64))}, r"images of shape .* Received: shape \(0, 64\)"),
        ({"labels": None}, "one label from 0 to 9 .*Received: None"),
        ({"labels": np.arange(5)}, "one label from 0 to 9 .*Received: array"),
        ({"labels": np.array([0, 1, 2, 10])}, "one label from 0 to 9 .*Received: array"),
        ({"labels": np.array([0, 1, 2, -1])}, "one label from 0 to 9 .*Received: array"),
        ({"labels": np.array([0, 1, 2, 0.5])}, "one label from 0 to 9 .*Received: array"),
    ],
)
def test_bad_data_are_refused(judge, change, message):
    split = replace(Split(np.zeros((4, 64)), np.arange(4)), **change)
    before = judge.model.get_weights()
    for method in (judge.fit, judge.accuracy):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            method(split)
    for old, new in zip(before, judge.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"batch_size": 0}, {"batch_size": 2.5}])
def test_bad_schedules_are_refused(judge, options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"Expected {name} .*Received: .*{value}"):
        judge.fit(Split(np.zeros((4, 64)), np.arange(4)), **options)
