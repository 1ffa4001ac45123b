"""The judge of scenes: right on true, noisy and blurred pictures, and not fooled by wrong ones."""

import itertools
from dataclasses import asdict

import numpy as np
import pytest

from genkeras.datasets import Scene, SceneObject, draw_scene, scenes
from genkeras.datasets._scenes import COLOURS, COMBINATIONS, PLACES, SHAPES, SIZES
from genkeras.evaluation import UNCLEAR, SceneAccuracy, read_scenes, scene_accuracy

PERFECT = SceneAccuracy(1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0)
ALIKE = ({"green", "blue"}, {"blue", "sky-blue"})  # too near each other to be told within one


@pytest.fixture(scope="module")
def pictures():
    """Pictures and scenes of all combinations."""
    data = scenes(300, 150, 150)
    splits = (data.train, data.valid, data.test)
    shown = sum((split.scenes for split in splits), ())
    assert {each.combination for scene in shown for each in scene.objects} == set(COMBINATIONS)
    return np.concatenate([split.images for split in splits]), shown


def noisy(images, std):
    noise = np.random.default_rng(0).normal(0, std, images.shape)
    return np.clip(images + noise, 0, 1)


def blurred(images):
    """The mean of every 3 x 3 pixels."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    moves = itertools.product(range(3), range(3))
    return np.mean([padded[:, i : i + 32, j : j + 32] for i, j in moves], axis=0)


def alone(place="middle"):
    """Scenes of every combination, alone in a place."""
    return [Scene((SceneObject(*combination, place),)) for combination in COMBINATIONS]


def drawn(shown, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([draw_scene(scene, rng) for scene in shown])


def test_true_pictures_are_read_exactly(pictures):
    images, shown = pictures
    for read, scene in zip(read_scenes(images), shown, strict=True):
        held = {each.place: each for each in scene.objects}
        assert read == [held.get(place) for place in PLACES]
    assert scene_accuracy(images, shown) == PERFECT


@pytest.mark.parametrize(
    "change",
    [
        lambda images: noisy(images, 0.05),
        lambda images: noisy(images, 0.1),
        blurred,
        lambda images: noisy(blurred(images), 0.05),
        lambda images: 0.9 * images,
    ],
    ids=["noise 0.05", "noise 0.1", "blur", "blur and noise", "darker"],
)
def test_noise_and_blur_do_not_matter(pictures, change):
    images, shown = pictures
    found = scene_accuracy(change(images), shown)
    assert found.caption_accuracy >= 0.99 and found.attribute_accuracy >= 0.998


def test_the_ground_is_that_of_the_picture(monkeypatch):
    monkeypatch.setattr("genkeras.datasets._scenes.GROUNDS", (0.2, 0.3))
    assert scene_accuracy(drawn(alone()), alone()) == PERFECT


def test_a_picture_is_read_as_if_it_were_alone(pictures):
    images = np.concatenate([noisy(pictures[0][:30], 0.1), 0.3 + 0.7 * pictures[0][30:60]])
    assert read_scenes(images) == [read_scenes(image[None])[0] for image in images]


@pytest.mark.parametrize("attribute", ["shape", "colour", "size"])
def test_one_wrong_attribute_is_seen_and_no_other(attribute):
    words = {"shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(SIZES)}[attribute]
    asked, given = [], []
    for scene in alone("top right"):
        (each,) = scene.objects
        for word in set(words) - {getattr(each, attribute)}:
            asked.append(scene)
            parts = {name: getattr(each, name) for name in ("shape", "colour", "size", "place")}
            given.append(Scene((SceneObject(**parts | {attribute: word}),)))
    found = asdict(scene_accuracy(drawn(given), asked))
    wrong = {attribute: 0.0, "caption_accuracy": 0.0, "attribute_accuracy": 0.8}
    assert found == asdict(PERFECT) | wrong


def test_a_wrong_place_leaves_nothing_right_but_the_number():
    found = scene_accuracy(drawn(alone("left")), alone("right"))
    assert found == SceneAccuracy(0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def test_missing_and_added_objects_are_seen():
    one = alone("left")
    added = [SceneObject(*combination, "bottom") for combination in COMBINATIONS[::-1]]
    two = [Scene((*scene.objects, more)) for scene, more in zip(one, added, strict=True)]
    missing = scene_accuracy(drawn(one), two)
    assert missing == SceneAccuracy(
        0.0, 0.0, pytest.approx(4 / 9), pytest.approx(0), *[0.5] * 4, 0.0
    )
    more = scene_accuracy(drawn(two), one)
    assert more == SceneAccuracy(0.0, 0.0, 0.8, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0)


def test_means_are_over_objects_and_pictures():
    one, two = alone("left")[0], Scene((*alone("left")[0].objects, *alone("right")[1].objects))
    # Of the second picture the right object is missing: 4 + 1 and 4 + 0 + 0 right.
    found = scene_accuracy(drawn([one, one]), [one, two])
    third = pytest.approx(2 / 3)
    error = pytest.approx(np.sqrt(0.25 / 2))
    # Of a ratio of sums: right are 5 of 5 and 4 of 9, so 5 - 5 p = 25 / 14 and 4 - 9 p = -25 / 14.
    of_ratio = pytest.approx(np.sqrt(2) * 25 / 14 / 14)
    assert found == SceneAccuracy(
        0.5, error, pytest.approx(9 / 14), of_ratio, third, third, third, third, 0.5
    )


def middles(images):
    """What the middles of pictures hold."""
    return [row[4] for row in read_scenes(images)]


@pytest.mark.parametrize("side", [np.s_[:16], np.s_[16:]], ids=["left", "right"])
def test_half_an_object_is_no_object(side):
    images = drawn(alone() * 3)
    images[:, :, side] = images[:, :1, :1]  # its ground
    read = middles(images)
    # The rest of a small object is little, and once in a while like a blurred one.
    assert np.mean([each == UNCLEAR for each in read]) > 0.95
    found = scene_accuracy(images, alone() * 3)
    assert found.number > 0.95 and max(found.caption_accuracy, found.colour, found.place) < 0.04


def test_two_colours_in_one_are_unclear():
    pairs = [each for each in itertools.permutations(COLOURS, 2) if set(each) not in ALIKE]
    assert len(pairs) == 2 * (15 - 2)
    kinds = list(itertools.product(SHAPES, pairs))
    for size, least in (("small", 0.8), ("large", 0.95)):
        left, right = (
            drawn([Scene((SceneObject(a, pair[i], size, "middle"),)) for a, pair in kinds])
            for i in (0, 1)
        )
        left[:, :, 16:] = right[:, :, 16:]
        assert np.mean([each == UNCLEAR for each in middles(left)]) > least


def test_an_object_between_two_places_is_in_neither():
    large = [scene for scene in alone() if scene.objects[0].size == "large"]
    images = np.roll(drawn(large), 5, axis=2)
    for row in read_scenes(images):
        assert UNCLEAR in row and not any(isinstance(each, SceneObject) for each in row)


def test_a_colour_that_is_none_of_the_six_is_unclear():
    red = [Scene((SceneObject(shape, "red", "large", "middle"),)) for shape in SHAPES]
    images = drawn(red)
    magenta = images[..., [0, 2, 0]]  # as much blue as red
    assert middles(magenta) == [UNCLEAR] * 4
    assert UNCLEAR not in middles(images)


def test_ghosts_are_no_objects():
    images = drawn(alone())
    ground = images[:, :1, :1]
    large = np.array([scene.objects[0].size == "large" for scene in alone()])
    # Small ones of half their strength are like blurred ones.
    for strength, which in ((0.25, slice(None)), (0.5, large)):
        ghosts = ground + strength * (images - ground)
        read = middles(ghosts[which])
        assert np.mean([isinstance(each, SceneObject) for each in read]) < 0.1


def test_pictures_of_nothing_are_not_right(pictures):
    images, shown = pictures[0][::3], pictures[1][::3]
    rng = np.random.default_rng(0)
    nothing = {
        "noise": rng.random(images.shape),
        "ground": np.full(images.shape, 0.1),
        "mean": np.repeat(images.mean(axis=0, keepdims=True), len(images), axis=0),
        "inverted": 1 - images,
    }
    for name, values in nothing.items():
        found = scene_accuracy(values, shown)
        assert found.caption_accuracy == 0 and found.colour < 0.05, name
    # Those of other scenes share the number of objects and some places.
    found = scene_accuracy(images, shown[1:] + shown[:1])
    assert found.caption_accuracy < 0.02 and found.attribute_accuracy < 0.4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[..., 0], r"images of shape .*Received: shape \(2, 32, 32\)"),
        (lambda x: x[:, 1:], r"images of shape .*\(2, 31, 32, 3\)"),
        (lambda x: x[:0], r"images of shape .*\(0, 32, 32, 3\)"),
        (lambda x: (255 * x).astype("uint8"), "images of floats .*Received: dtype uint8"),
        (lambda x: x - 0.5, "images with values from 0 to 1. Received: -0.4 to -0.4"),
        (lambda x: x * np.nan, "images with values from 0 to 1. Received: nan"),
        (lambda x: 2 * x + 0.9, "images with values from 0 to 1. Received"),
    ],
)
def test_bad_images_are_refused(change, message):
    images = change(np.full((2, 32, 32, 3), 0.1))
    for call in (read_scenes, lambda images: scene_accuracy(images, alone()[:2])):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            call(images)


def test_bad_scenes_are_refused():
    images = np.full((2, 32, 32, 3), 0.1)
    for shown in (alone()[:1], ["a circle", "a square"], []):
        with pytest.raises(ValueError, match=f"Expected 2 Scenes. Received: {len(shown)} values"):
            scene_accuracy(images, shown)
