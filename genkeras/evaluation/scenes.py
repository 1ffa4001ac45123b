"""A judge of pictures of scenes, by analysis and synthesis: what is each place most like?

The ground and the noise of a picture are estimated from the frame of one pixel around its cells.
Each cell is compared with every object at every offset and in every shade, sharp and blurred. It
is empty, or the nearest of these, or unclear where even the nearest leaves too much. Half an
object is unclear, and so is one of two colours; but one half blue and half green or sky-blue, or
a small one half yellow and half white, is often read as of one of the two, and a small object of
half its strength as a blurred one.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from genkeras.datasets._scenes import (
    CELL,
    COLOURS,
    COMBINATIONS,
    IMAGE_SIZE,
    MARGIN,
    MOVES,
    PLACES,
    SHADES,
    SHAPES,
    SIZES,
    Scene,
    SceneObject,
    object_mask,
)
from genkeras.evaluation.density import share_error

UNCLEAR = "unclear"
"""What `read_scenes` says of a cell that is like nothing it knows."""

# The outermost pixels of a cell count less: there a blurred neighbour shows.
RING_WEIGHT = 0.1
MAX_NOISE = 0.15  # the most that is taken for noise, or mere noise would excuse everything
# A cell is unclear where the squared error to the nearest object is above the sum of
NOISE_FACTOR = 1.75  # times what the noise of the picture alone would leave
ENERGY_SHARE = 0.07  # times the squared contrast of the cell
LEAST_ERROR = 0.3  # a blurred neighbour may leave so much
_EMPTY, _UNCLEAR, _FIRST = 0, -1, 1  # codes; from 1 on objects, in the order of COMBINATIONS
_NUM_WORDS = (len(SHAPES), len(COLOURS), len(SIZES))
_BATCH = 50  # pictures at a time


@dataclass(frozen=True)
class SceneAccuracy:
    """How much of what scenes say pictures show; shares in [0, 1].

    Args:
        caption_accuracy: Share of pictures that show all of their scene and nothing more.
        caption_standard_error: Its standard error over the pictures.
        attribute_accuracy: Share of all attributes that are right: place, shape, colour and size
            of each object and the number of objects of each picture.
        attribute_standard_error: Its standard error over the pictures, of a ratio of two sums.
        place: Share of the objects whose place holds an object, whichever.
        shape, colour, size: Share of the objects whose place holds an object like it in this.
        number: Share of the pictures with the right number of cells that are not empty.
    """

    caption_accuracy: float
    caption_standard_error: float
    attribute_accuracy: float
    attribute_standard_error: float
    place: float
    shape: float
    colour: float
    size: float
    number: float


def read_scenes(images):
    """Reads what the nine places of each picture hold.

    Args:
        images: Float array of shape `(n, 32, 32, 3)`, from 0 to 1.

    Returns:
        A list of `n` lists of nine, left to right and top to bottom: a `SceneObject`, `None` for
        an empty place, or `UNCLEAR`.

    Raises:
        ValueError: If `images` has another shape or dtype, is empty, or has values outside.
    """
    return [
        [
            SceneObject(*COMBINATIONS[code - _FIRST], place)
            if code >= _FIRST
            else {_EMPTY: None, _UNCLEAR: UNCLEAR}[code]
            for code, place in zip(row, PLACES, strict=True)
        ]
        for row in _codes(_checked(images)).tolist()
    ]


def scene_accuracy(images, scenes):
    """Compares what pictures show with the scenes that they should show.

    Nothing of an object is right where its place is empty or unclear.

    Args:
        images: Float array of shape `(n, 32, 32, 3)`, from 0 to 1.
        scenes: `n` `Scene`s.

    Returns:
        A `SceneAccuracy`.

    Raises:
        ValueError: As `read_scenes`, or if there are not as many scenes.
    """
    images, scenes = _checked(images), tuple(scenes)
    if len(scenes) != len(images) or not all(isinstance(each, Scene) for each in scenes):
        raise ValueError(f"Expected {len(images)} Scenes. Received: {len(scenes)} values.")
    seen = _codes(images)  # (n, 9)
    wanted, places = np.full(seen.shape, _EMPTY), list(PLACES)
    for row, scene in zip(wanted, scenes, strict=True):
        for each in scene.objects:
            row[places.index(each.place)] = _FIRST + COMBINATIONS.index(each.combination)
    objects = wanted >= _FIRST
    there = seen[objects] >= _FIRST
    parts = np.array(list(np.ndindex(_NUM_WORDS)))  # shape, colour, size of each, (48, 3)
    # What is not there has some parts here, and none of them counts.
    right = parts[seen[objects] - _FIRST] == parts[wanted[objects] - _FIRST]
    right &= there[:, None]
    number = (seen != _EMPTY).sum(axis=1) == objects.sum(axis=1)
    caption = share_error((seen == wanted).all(axis=1))
    in_picture = np.bincount(np.nonzero(objects)[0], there + right.sum(axis=1)) + number
    attributes = (1 + parts.shape[1]) * objects.sum(axis=1) + 1
    accuracy = in_picture.sum() / attributes.sum()
    spread = np.sum((in_picture - accuracy * attributes) ** 2)
    attribute = float(accuracy), float(np.sqrt(spread) / attributes.sum())
    shares = [float(each.mean()) for each in (there, *right.T, number)]
    return SceneAccuracy(*caption, *attribute, *shares)


@functools.cache
def _masks():
    """All masks, sharp and blurred, as rows `(num_masks, 100)`; numbers of their shape and size."""
    kinds = list(itertools.product(range(len(SHAPES)), range(len(SIZES)), MOVES, MOVES))
    sharp = np.stack([object_mask(SHAPES[a], list(SIZES)[b], *move) for a, b, *move in kinds])
    padded = np.pad(sharp, ((0, 0), (1, 1), (1, 1)))
    moved = [
        padded[:, i : i + CELL, j : j + CELL] for i, j in itertools.product(range(3), repeat=2)
    ]
    masks = np.concatenate([sharp, np.mean(moved, axis=0)]).reshape(-1, CELL * CELL)
    return masks, np.array([kind[:2] for kind in kinds] * 2)


def _checked(images):
    images = np.asarray(images)
    if images.dtype.kind != "f":
        raise ValueError(f"Expected images of floats from 0 to 1. Received: dtype {images.dtype}.")
    if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3) or len(images) == 0:
        raise ValueError(
            f"Expected images of shape (n, {IMAGE_SIZE}, {IMAGE_SIZE}, 3), n > 0. "
            f"Received: shape {images.shape}."
        )
    if not (images.min() >= 0 and images.max() <= 1):  # NaN is neither
        raise ValueError(
            f"Expected images with values from 0 to 1. Received: {images.min()} to {images.max()}."
        )
    return images


def _codes(images):
    """What each cell holds, an int array `(n, 9)`."""
    batches = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
    return np.concatenate([_batch_codes(batch.astype("float32")) for batch in batches])


def _batch_codes(images):
    masks, kinds = _masks()
    weights = np.full((CELL, CELL), RING_WEIGHT, "float32")
    weights[1:-1, 1:-1] = 1
    weights = weights.ravel()

    inner = slice(MARGIN, -MARGIN)
    framed = np.ones((IMAGE_SIZE, IMAGE_SIZE), bool)
    framed[inner, inner] = False
    frame = images[:, framed].reshape(len(images), -1)
    ground = np.median(frame, axis=1)
    # A median, so that an object which reaches the frame is not taken for noise.
    noise = np.median(abs(frame - ground[:, None]), axis=1) / 0.6745
    cells = images[:, inner, inner].reshape(-1, 3, CELL, 3, CELL, 3)
    cells = np.moveaxis(cells, (3, 5), (2, 3)).reshape(len(images), 9, 3, CELL * CELL)
    cells = cells - ground[:, None, None, None]

    # On the ground g a template is g + mask (shade colour - g). |cell - template|^2 splits into
    # |cell|^2 - |mask|^2 |best|^2, what the mask leaves in its best colour, g + best, and
    # |mask|^2 |g + best - shade colour|^2, how far that is from a colour of ours in its best shade.
    energy = (cells**2 @ weights).sum(axis=-1)  # (n, 9)
    squares = masks**2 @ weights  # (masks,)
    best = np.moveaxis(cells @ (masks * weights).T / squares, 2, 3)  # (n, 9, masks, 3)
    seen = best + ground[:, None, None, None]
    colours = np.array(list(COLOURS.values()), "float32") / 255
    lengths = (colours**2).sum(axis=1)
    along = seen @ colours.T  # (n, 9, masks, colours)
    shades = np.clip(along / lengths, *SHADES)
    far = (seen**2).sum(axis=-1)[..., None] + shades * (shades * lengths - 2 * along)
    gain = squares[:, None] * ((best**2).sum(axis=-1)[..., None] - far)
    gain = gain.reshape(*energy.shape, -1)

    nearest, gained = gain.argmax(axis=-1), gain.max(axis=-1)
    mask, colour = np.divmod(nearest, len(COLOURS))
    shape, size = np.moveaxis(kinds[mask], -1, 0)
    codes = _FIRST + np.ravel_multi_index((shape, colour, size), _NUM_WORDS)
    codes[gained <= 0] = _EMPTY
    error = energy - np.maximum(gained, 0)
    expected = 3 * weights.sum() * np.minimum(noise, MAX_NOISE)[:, None] ** 2
    codes[error > NOISE_FACTOR * expected + ENERGY_SHARE * energy + LEAST_ERROR] = _UNCLEAR
    return codes
