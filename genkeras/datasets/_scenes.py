"""Captioned scenes: small pictures of shapes, and sentences that tell what is where.

A caption determines every attribute of its scene, in English and in Korean. A picture varies in
what no caption tells: where within its place an object stands, its shade, how dark the ground is.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from genkeras import checks
from genkeras.datasets._scene_captions import PLACES, caption_tokens, scene_caption

SHAPES = ("circle", "square", "triangle", "cross")
SIZES = {"small": 5, "large": 8}  # pixels across
# On a dark ground; apart for red-green blindness too. All but red and white are Okabe and Ito's.
COLOURS = {
    "red": (220, 50, 32),
    "yellow": (240, 228, 66),
    "green": (0, 158, 115),
    "blue": (0, 114, 178),
    "sky-blue": (86, 180, 233),
    "white": (255, 255, 255),
}
COMBINATIONS = tuple(itertools.product(SHAPES, COLOURS, SIZES))
# Every colour once in each list, every size three times; no shape and colour twice in both lists,
# so that every pair of two attributes is left to train on.
SCENE_HELD_OUT = {
    "valid": (
        ("circle", "red", "large"),
        ("square", "yellow", "small"),
        ("triangle", "green", "large"),
        ("cross", "blue", "small"),
        ("circle", "sky-blue", "small"),
        ("square", "white", "large"),
    ),
    "test": (
        ("triangle", "red", "small"),
        ("cross", "yellow", "large"),
        ("circle", "green", "small"),
        ("square", "blue", "large"),
        ("triangle", "sky-blue", "large"),
        ("cross", "white", "small"),
    ),
}
"""Shape, colour and size of what only the valid and only the test split of `scenes` show."""

IMAGE_SIZE = 32
MARGIN, CELL = 1, 10  # nine cells of 10 x 10 pixels, a frame of one pixel around them
MOVES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # pixels: the largest object just stays in its cell
SHADES = (0.85, 1.0)
GROUNDS = (0.05, 0.15)
MAX_OBJECTS = 3
REPEATS = 0.5  # how probably an object is like the one before


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    Args:
        shape: "circle", "square", "triangle" or "cross".
        colour: "red", "yellow", "green", "blue", "sky-blue" or "white".
        size: "small" or "large".
        place: "top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom"
            or "bottom right".

    Raises:
        ValueError: If a word is none of these.
    """

    shape: str
    colour: str
    size: str
    place: str

    def __post_init__(self):
        known = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "place": PLACES}
        for name, words in known.items():
            if getattr(self, name) not in tuple(words):
                raise ValueError(
                    f"Expected {name} to be one of {', '.join(words)}. "
                    f"Received: {getattr(self, name)!r}."
                )

    @property
    def combination(self):
        """Shape, colour and size."""
        return self.shape, self.colour, self.size


@dataclass(frozen=True)
class Scene:
    """One to three objects in different places.

    Args:
        objects: `SceneObject`s in any order. They are kept in that of their places, left to right
            and top to bottom, but those alike in shape, colour and size together; so scenes are
            equal where they show the same.

    Raises:
        ValueError: If there are none or more than three, or two in one place.
    """

    objects: tuple[SceneObject, ...]

    def __post_init__(self):
        objects, places = tuple(self.objects), list(PLACES)
        if not all(isinstance(each, SceneObject) for each in objects):
            raise ValueError(f"Expected objects to be SceneObjects. Received: {objects!r}.")
        taken = [each.place for each in objects]
        if not 1 <= len(objects) <= MAX_OBJECTS or len(set(taken)) < len(taken):
            raise ValueError(
                f"Expected 1 to {MAX_OBJECTS} objects in different places. "
                f"Received: {len(objects)} objects, places {taken}."
            )
        first = {}
        for each in sorted(objects, key=lambda each: places.index(each.place)):
            first.setdefault(each.combination, len(first))
        objects = sorted(
            objects, key=lambda each: (first[each.combination], places.index(each.place))
        )
        object.__setattr__(self, "objects", tuple(objects))


@dataclass(frozen=True, eq=False)
class SceneSplit:
    """One part of a data set of scenes.

    Args:
        images: Float32 array of shape `(n, 32, 32, 3)`, from 0 to 1.
        captions: Tuple of `n` sentences, tokens with spaces between them, as `Vocabulary` reads
            them.
        scenes: Tuple of `n` `Scene`s, what the pictures show.
    """

    images: np.ndarray
    captions: tuple[str, ...]
    scenes: tuple[Scene, ...]

    def __len__(self):
        return len(self.scenes)

    def __repr__(self):
        return f"<SceneSplit: {len(self):,} scenes with pictures and captions>"


@dataclass(frozen=True, eq=False)
class CaptionedScenes:
    """A data set of scenes, their pictures and captions, in three splits.

    Args:
        name: The loader's name.
        protocol: One sentence that states the splits and how the scenes were made.
        train, valid, test: `SceneSplit`s.
    """

    name: str
    protocol: str
    train: SceneSplit
    valid: SceneSplit
    test: SceneSplit


@functools.cache
def object_mask(shape, size, down, right):
    """How much of each pixel of a cell an object covers.

    Args:
        shape, size: As of a `SceneObject`.
        down, right: By how many pixels the object is off the middle of its cell.

    Returns:
        Float32 array of shape `(10, 10)`, from 0 to 1.
    """
    fine = 8  # supersampling, along each side of a pixel
    grid = (np.arange(CELL * fine) + 0.5) / fine - CELL / 2
    # The object spans -1 to 1 in both directions.
    y, x = ((grid - move) / (SIZES[size] / 2) for move in (down, right))
    y, x = np.meshgrid(y, x, indexing="ij")
    longer = np.maximum(abs(x), abs(y))
    inside = {
        "circle": x**2 + y**2 <= 1,
        "square": longer <= 1,
        "triangle": (abs(x) <= (y + 1) / 2) & (y <= 1),
        "cross": (longer <= 1) & (np.minimum(abs(x), abs(y)) <= 0.4),
    }[shape]
    mask = inside.reshape(CELL, fine, CELL, fine).mean(axis=(1, 3)).astype("float32")
    mask.flags.writeable = False
    return mask


def draw_scene(scene, rng):
    """Draws a scene, with small variations that its caption does not tell.

    Each object is moved by up to a pixel in each direction, in half pixels, and its colour is
    multiplied by 0.85 to 1; the grey of the ground is 0.05 to 0.15. All are uniform.

    Args:
        scene: A `Scene`.
        rng: A NumPy `Generator`.

    Returns:
        Float32 array of shape `(32, 32, 3)`, from 0 to 1.
    """
    image = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), rng.uniform(*GROUNDS), "float32")
    shades = rng.uniform(*SHADES, size=len(scene.objects))
    moves = rng.integers(len(MOVES), size=(len(scene.objects), 2)).tolist()
    for each, shade, (down, right) in zip(scene.objects, shades, moves, strict=True):
        row, column = divmod(list(PLACES).index(each.place), 3)
        top, left = MARGIN + CELL * row, MARGIN + CELL * column
        mask = object_mask(each.shape, each.size, MOVES[down], MOVES[right])[..., None]
        cell = image[top : top + CELL, left : left + CELL]
        cell += mask * ((shade / 255 * np.array(COLOURS[each.colour])).astype("float32") - cell)
    return image


def scenes(num_train=20_000, num_valid=1000, num_test=1000, language="english", seed=0):
    """Draws captioned scenes whose valid and test splits show combinations never trained on.

    One, two and three objects are equally likely, and so are all places. The second and the third
    object are like the one before with probability 1/2, so that half of the scenes of two objects
    and three quarters of those of three have something to count; else they differ from all before
    in shape, colour or size. Of the 48 combinations of these, 36 are in the training split, where
    every pair of two attributes is. In every scene of the validation and test splits one
    combination, once or several times, is of `SCENE_HELD_OUT`, and the others are of the 36.
    Scenes may repeat within a split, drawn anew.

    Args:
        num_train, num_valid, num_test: Scenes of each split.
        language: Of the captions, "english" or "korean".
        seed: Of all draws, a whole number. A split does not depend on the sizes of the others.

    Returns:
        `CaptionedScenes`.

    Raises:
        ValueError: If a number of scenes is not positive or the language is another.
    """
    counts = {"train": num_train, "valid": num_valid, "test": num_test}
    for name, count in counts.items():
        checks.positive_int(f"num_{name}", count, 1)
    checks.positive_int("seed", seed, 0)
    splits = {
        name: _split(count, SCENE_HELD_OUT.get(name), language, rng)
        for (name, count), rng in zip(
            counts.items(), np.random.default_rng(seed).spawn(3), strict=True
        )
    }
    return CaptionedScenes(
        name="scenes",
        protocol=(
            f"{num_train:,} / {num_valid:,} / {num_test:,} scenes of one to three objects, "
            f"seed {seed}; of 48 combinations of shape, colour and size six are only in valid, six "
            "others only in test, and every scene there shows one of them."
        ),
        **splits,
    )


def _split(count, held_out, language, rng):
    drawn = _drawn_scenes(count, held_out, rng)
    images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), "float32")
    for image, scene in zip(images, drawn, strict=True):
        image[:] = draw_scene(scene, rng)
    captions = tuple(caption_tokens(scene_caption(scene, language)) for scene in drawn)
    return SceneSplit(images, captions, drawn)


def _drawn_scenes(count, held_out, rng):
    """A tuple of scenes; the first combination of each is a held-out one, if there are such."""
    hidden = {combination for held in SCENE_HELD_OUT.values() for combination in held}
    trained = [each for each in COMBINATIONS if each not in hidden]
    places = list(PLACES)
    drawn = []
    for _ in range(count):
        num_objects = rng.integers(1, MAX_OBJECTS + 1)
        new = [trained[i] for i in rng.choice(len(trained), num_objects, replace=False)]
        if held_out is not None:
            new[0] = held_out[rng.integers(len(held_out))]
        which = np.cumsum(rng.random(num_objects) >= REPEATS)
        which -= which[0]
        objects = zip(which, rng.choice(len(places), num_objects, replace=False), strict=True)
        drawn.append(Scene(tuple(SceneObject(*new[i], places[place]) for i, place in objects)))
    return tuple(drawn)
