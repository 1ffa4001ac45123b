"""Captions that can be read back, pictures that keep to their cells, splits that hold out."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from genkeras.datasets import (
    SCENE_HELD_OUT,
    Scene,
    SceneObject,
    Vocabulary,
    caption_tokens,
    draw_scene,
    scene_caption,
    scenes,
)
from genkeras.datasets._scenes import COLOURS, COMBINATIONS, MOVES, PLACES, object_mask

FALSE_ALARM = 1e-5  # of each statistical test
WIDTHS = {"small": 5, "large": 8}


def scene(*objects):
    """A scene of strings such as "small red circle, top left"."""
    words = [(*what.split(), place) for what, place in (each.split(", ") for each in objects)]
    return Scene(
        tuple(SceneObject(shape, colour, size, place) for size, colour, shape, place in words)
    )


# Written by hand.
CAPTIONS = [
    (
        scene("small red circle, top left"),
        "a small red circle at the top left",
        "왼쪽 위에 작은 빨간 원 한 개",
    ),
    (
        scene("large blue square, middle", "small white cross, right"),
        "a large blue square in the middle and a small white cross on the right",
        "한가운데에 큰 파란 정사각형 한 개, 오른쪽 가운데에 작은 하얀 십자 한 개",
    ),
    (
        scene("small red circle, bottom", "small red circle, top left"),
        "two small red circles, at the top left and at the bottom",
        "왼쪽 위와 가운데 아래에 작은 빨간 원 두 개",
    ),
    (
        scene("large blue square, middle", *("small red circle, " + p for p in ("bottom", "top"))),
        "two small red circles, at the top and at the bottom, and a large blue square in the "
        "middle",
        "가운데 위와 가운데 아래에 작은 빨간 원 두 개, 한가운데에 큰 파란 정사각형 한 개",
    ),
    (
        scene("large green triangle, left", *("small white cross, " + p for p in ("right", "top"))),
        "two small white crosses, at the top and on the right, and a large green triangle on the "
        "left",
        "가운데 위와 오른쪽 가운데에 작은 하얀 십자 두 개, 왼쪽 가운데에 큰 초록색 삼각형 한 개",
    ),
    (
        scene("large green triangle, top", *("small white cross, " + p for p in ("right", "left"))),
        "a large green triangle at the top and two small white crosses, on the left and on the "
        "right",
        "가운데 위에 큰 초록색 삼각형 한 개, 왼쪽 가운데와 오른쪽 가운데에 작은 하얀 십자 두 개",
    ),
    (
        scene(*("large sky-blue square, " + p for p in ("bottom right", "middle", "top right"))),
        "three large sky-blue squares, at the top right, in the middle and at the bottom right",
        "오른쪽 위와 한가운데와 오른쪽 아래에 큰 하늘색 정사각형 세 개",
    ),
    (
        scene("large red cross, left", "small red cross, top", "large yellow cross, bottom left"),
        "a small red cross at the top, a large red cross on the left and a large yellow cross at "
        "the bottom left",
        "가운데 위에 작은 빨간 십자 한 개, 왼쪽 가운데에 큰 빨간 십자 한 개, 왼쪽 아래에 큰 노란 "
        "십자 한 개",
    ),
]
KOREAN = {
    "원 정사각형 삼각형 십자": "circle square triangle cross",
    "빨간 노란 초록색 파란 하늘색 하얀": "red yellow green blue sky-blue white",
    "작은 큰 한 두 세": "small large 1 2 3",
}
ENGLISH_OF = {
    korean: english
    for words, others in KOREAN.items()
    for korean, english in zip(words.split(), others.split(), strict=True)
}
KOREAN_PLACES = {
    "왼쪽 위": "top left",
    "가운데 위": "top",
    "오른쪽 위": "top right",
    "왼쪽 가운데": "left",
    "한가운데": "middle",
    "오른쪽 가운데": "right",
    "왼쪽 아래": "bottom left",
    "가운데 아래": "bottom",
    "오른쪽 아래": "bottom right",
}


@pytest.fixture(scope="module")
def data():
    return scenes(4000, 600, 600)


@pytest.fixture(scope="module")
def every_scene(data):
    """Scenes of all splits, each once."""
    splits = (data.train, data.valid, data.test)
    return list(dict.fromkeys(each for split in splits for each in split.scenes))


@pytest.mark.parametrize(("shown", "english", "korean"), CAPTIONS)
def test_captions_as_one_writes_them(shown, english, korean):
    assert scene_caption(shown) == scene_caption(shown, "english") == english
    assert scene_caption(shown, "korean") == korean


def read_english(caption):
    """The scene of a caption; refuses what is not grammatical."""
    place = "(?:at|in|on) the (?:top|bottom|left|right|middle)(?: left| right)?"
    noun = "(circle|square|triangle|cross)(s|es|)"
    places = f"({place}(?:(?:, | and ){place})*)"
    objects, joints, end = [], [], 0
    for found in re.finditer(rf"(a|two|three) (\S+) (\S+) {noun}(,?) {places}", caption):
        count, size, colour, shape, ending, comma, where = found.groups()
        joints.append(caption[end : found.start()])
        end = found.end()
        where_each = re.findall(place, where)
        assert len(where_each) == {"a": 1, "two": 2, "three": 3}[count]
        many = len(where_each) > 1
        assert ending == (("es" if shape == "cross" else "s") if many else "")
        assert comma == "," * many and where.count(" and ") == many
        for preposition, named in (each.split(" the ") for each in where_each):
            assert preposition == {"left": "on", "right": "on", "middle": "in"}.get(named, "at")
            objects.append(SceneObject(shape, colour, size, named))
    last = " and " if caption.startswith("a ") else ", and "
    assert joints == {1: [""], 2: ["", last], 3: ["", ", ", " and "]}[len(joints)]
    assert end == len(caption)
    return Scene(tuple(objects))


def read_korean(caption):
    objects = []
    for phrase in caption.split(", "):
        where, what = re.fullmatch(r"(.*?)에 (.*) 개", phrase).groups()
        size, colour, shape, count = (ENGLISH_OF[word] for word in what.split())
        places = where.split("와 ")
        assert len(places) == int(count)
        objects += [SceneObject(shape, colour, size, KOREAN_PLACES[place]) for place in places]
    return Scene(tuple(objects))


@pytest.mark.parametrize(("language", "read"), [("english", read_english), ("korean", read_korean)])
def test_a_caption_determines_its_scene(every_scene, language, read):
    assert len(every_scene) > 3000
    for each in every_scene:
        assert read(scene_caption(each, language)) == each
    # Every combination at every place, alone.
    for combination, place in itertools.product(COMBINATIONS, PLACES):
        alone = Scene((SceneObject(*combination, place),))
        assert read(scene_caption(alone, language)) == alone


def test_korean_particles_fit_the_syllables_before_them(every_scene):
    particles = 0
    for each in every_scene:
        for before, particle in re.findall(r"(\w)([와과]) ", scene_caption(each, "korean")):
            closed = (ord(before) - ord("가")) % 28 > 0  # the syllable ends in a consonant
            assert particle == ("과" if closed else "와")
            particles += 1
    assert particles > 1000


def test_the_order_of_objects_does_not_matter():
    objects = scene("small red circle, right", "large red circle, top", "small red circle, left")
    for order in itertools.permutations(objects.objects):
        assert Scene(order) == objects and hash(Scene(order)) == hash(objects)
    assert [each.place for each in objects.objects] == ["top", "left", "right"]
    alike_together = scene(
        "small red circle, bottom right", "large red circle, top", "small red circle, top left"
    )
    assert [each.place for each in alike_together.objects] == ["top left", "bottom right", "top"]


@pytest.mark.parametrize("size", WIDTHS)
def test_masks_have_the_areas_of_their_shapes(size):
    # Of a width of 1; the arms of a cross are 0.4 wide.
    areas = {"circle": np.pi / 4, "square": 1, "triangle": 1 / 2, "cross": 2 * 0.4 - 0.4**2}
    for shape, move in itertools.product(areas, itertools.product(MOVES, MOVES)):
        mask = object_mask(shape, size, *move)
        # 8 x 8 points a pixel: an edge is off by a sixteenth of a pixel at most, on average less.
        assert mask.sum() == pytest.approx(areas[shape] * WIDTHS[size] ** 2, rel=0.02)
        assert mask.min() >= 0 and mask.max() == 1 and mask.dtype == "float32"
        np.testing.assert_array_equal(mask, object_mask(shape, size, move[0], -move[1])[:, ::-1])
        if shape != "triangle":
            np.testing.assert_array_equal(mask, object_mask(shape, size, -move[0], move[1])[::-1])
    triangle = object_mask("triangle", size, 0.0, 0.0)
    assert triangle[:5].sum() < triangle[5:].sum() / 2.5  # stands on its base


def test_objects_keep_to_their_cells_and_variations_to_their_bounds():
    rng = np.random.default_rng(0)
    grounds, shades, middles = [], [], []
    for number, (combination, place) in enumerate(itertools.product(COMBINATIONS, PLACES)):
        image = draw_scene(Scene((SceneObject(*combination, place),)), rng)
        assert image.shape == (32, 32, 3) and image.dtype == "float32"
        assert image.min() >= 0 and image.max() <= 1
        ground = image[0, 0, 0]
        rows, columns = (abs(image - ground) > 1e-6).any(axis=2).nonzero()
        row, column = divmod(number % 9, 3)
        assert 1 + 10 * row <= rows.min() and rows.max() <= 10 * (row + 1)
        assert 1 + 10 * column <= columns.min() and columns.max() <= 10 * (column + 1)
        width = WIDTHS[combination[2]]
        for spanned in (np.ptp(rows) + 1, np.ptp(columns) + 1):
            assert width <= spanned <= width + 1  # an edge may be within a pixel
        middles += [
            (pixels.min() + pixels.max()) / 2 - (5.5 + 10 * which)
            for pixels, which in ((rows, row), (columns, column))
        ]
        colour = np.array(COLOURS[combination[1]]) / 255
        if combination[0] == "square":  # the others may not cover this pixel
            shade = image[5 + 10 * row, 5 + 10 * column] / colour.clip(1e-9)
            np.testing.assert_allclose(shade[colour > 0], shade[colour > 0][0], rtol=1e-5)
            shades.append(shade[colour > 0][0])
        grounds.append(ground)
    assert 0.05 <= min(grounds) < 0.055 and 0.145 < max(grounds) <= 0.15
    assert 0.85 - 1e-6 <= min(shades) < 0.86 and 0.99 < max(shades) <= 1 + 1e-6
    assert set(middles) == {-1.0, -0.5, 0.0, 0.5, 1.0}


def test_moves_are_equally_likely():
    rng, moves = np.random.default_rng(0), Counter()
    square = scene("large white square, middle")
    steps = {
        object_mask("square", "large", *move).tobytes(): move
        for move in itertools.product(MOVES, MOVES)
    }
    assert len(steps) == 25
    for _ in range(2500):
        cell = draw_scene(square, rng)[11:21, 11:21, 0]
        cell = (cell - cell.min()) / np.ptp(cell)  # some ground shows at every move
        moves[steps[(np.round(cell * 64) / 64).astype("float32").tobytes()]] += 1
    counts = [moves[move] for move in steps.values()]
    assert FALSE_ALARM < stats.chisquare(counts).pvalue < 1 - FALSE_ALARM


def test_colours_are_apart_for_red_green_blindness_too():
    sight = {
        "normal": np.eye(3),
        # Machado et al. 2009, https://doi.org/10.1109/TVCG.2009.113: protanopia, deuteranopia.
        "no red": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "no green": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    }
    for matrix in sight.values():
        seen = {}
        for name, shade in itertools.product(COLOURS, (0.85, 1.0)):
            colour = np.array(COLOURS[name]) / 255 * shade
            linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
            linear = np.clip(np.array(matrix) @ linear, 0, 1)
            seen[name, shade] = np.where(
                linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
            )
        for one, other in itertools.combinations(seen, 2):
            if one[0] != other[0]:
                assert np.linalg.norm(seen[one] - seen[other]) > 0.2, (one, other)


def combinations_of(split):
    return [{each.combination for each in scene.objects} for scene in split.scenes]


def test_splits_hold_out_what_they_say(data):
    valid, test = (set(SCENE_HELD_OUT[name]) for name in ("valid", "test"))
    assert len(valid) == len(test) == 6 and len(valid | test) == 12
    assert len({combination[:2] for combination in valid | test}) == 12
    trained = set(COMBINATIONS) - valid - test
    assert len(COMBINATIONS) == 48 and len(trained) == 36
    assert set.union(*combinations_of(data.train)) == trained
    for split, held_out in ((data.valid, valid), (data.test, test)):
        assert set.union(*combinations_of(split)) == trained | held_out
        assert all(len(shown & held_out) == 1 for shown in combinations_of(split))
    for first, second in itertools.combinations((data.train, data.valid, data.test), 2):
        assert not set(first.scenes) & set(second.scenes)


def test_every_pair_of_attributes_is_seen_in_training(data):
    objects = [each for scene in data.train.scenes for each in scene.objects]
    words = {"shape": 4, "colour": 6, "size": 2, "place": 9}
    for one, other in itertools.combinations(words, 2):
        seen = {(getattr(each, one), getattr(each, other)) for each in objects}
        assert len(seen) == words[one] * words[other]


def check_shares(found, shares):
    """Counts against the shares expected of each; a false alarm as stated, and no other keys."""
    assert set(found) <= set(shares)
    counts, total = [found[key] for key in shares], sum(found.values())
    expected = total * np.array(list(shares.values())) / sum(shares.values())
    assert FALSE_ALARM < stats.chisquare(counts, expected).pvalue < 1 - FALSE_ALARM


def test_scenes_are_distributed_as_stated(data):
    for split in (data.train, data.valid, data.test):
        shown = split.scenes
        check_shares(Counter(len(each.objects) for each in shown), {1: 1, 2: 1, 3: 1})
        groups = Counter(
            tuple(sorted(Counter(o.combination for o in each.objects).values())) for each in shown
        )
        check_shares(groups, {(1,): 4, (2,): 2, (1, 1): 2, (3,): 1, (1, 2): 2, (1, 1, 1): 1})
        # Places of one object a scene, since those of a scene are not independent.
        check_shares(
            Counter(each.objects[-1].place for each in shown if len(each.objects) == 1),
            dict.fromkeys(PLACES, 1),
        )
        pairs = Counter(
            frozenset(o.place for o in each.objects) for each in shown if len(each.objects) == 2
        )
        check_shares(pairs, dict.fromkeys(map(frozenset, itertools.combinations(PLACES, 2)), 1))
    alone = [each.objects[0].combination for each in data.train.scenes if len(each.objects) == 1]
    check_shares(Counter(alone), dict.fromkeys(set.union(*combinations_of(data.train)), 1))
    for name in ("valid", "test"):
        held_out = [
            combination
            for shown in combinations_of(getattr(data, name))
            for combination in shown & set(SCENE_HELD_OUT[name])
        ]
        check_shares(Counter(held_out), dict.fromkeys(SCENE_HELD_OUT[name], 1))


def test_pictures_and_captions_are_those_of_their_scenes(data):
    for split, count in ((data.train, 4000), (data.valid, 600), (data.test, 600)):
        assert len(split) == len(split.captions) == len(split.scenes) == count
        assert split.images.shape == (count, 32, 32, 3) and split.images.dtype == "float32"
        for image, caption, shown in zip(*vars(split).values(), strict=True):
            assert caption == caption_tokens(scene_caption(shown))
            ground = image[0, 0, 0]
            taken = abs(image[1:31, 1:31] - ground).reshape(3, 10, 3, 10, 3).max(axis=(1, 3, 4))
            places = {place for place, level in zip(PLACES, taken.ravel(), strict=True) if level}
            assert places == {each.place for each in shown.objects}
    assert "4,000 / 600 / 600 scenes" in data.protocol and "seed 0" in data.protocol


def test_a_seed_repeats_and_splits_do_not_depend_on_each_other():
    first, again, other = (scenes(50, 40, 40, seed=seed) for seed in (1, 1, 2))
    longer = scenes(60, 40, 40, "korean", seed=1)
    for name in ("train", "valid", "test"):
        one, same, new, beside = (getattr(each, name) for each in (first, again, other, longer))
        assert one.scenes == same.scenes and one.captions == same.captions
        np.testing.assert_array_equal(one.images, same.images)
        assert one.scenes != new.scenes and (one.images != new.images).any()
        if name != "train":
            assert one.scenes == beside.scenes
            np.testing.assert_array_equal(one.images, beside.images)
            assert beside.captions[0] == caption_tokens(scene_caption(one.scenes[0], "korean"))
    # The splits are draws of their own.
    taken = [
        [o.place for each in split.scenes for o in each.objects]
        for split in (first.valid, first.test)
    ]
    assert taken[0] != taken[1]
    assert (first.valid.images[:, 0, 0] != first.test.images[:, 0, 0]).all()


@pytest.mark.parametrize(
    ("language", "words", "longest"), [("english", 30, 26), ("korean", 28, 23)]
)
def test_the_words_of_training_suffice(language, words, longest):
    data = scenes(1000, 200, 200, language)
    vocabulary = Vocabulary.of(data.train.captions)
    assert len(vocabulary) == words + 3
    for split in (data.train, data.valid, data.test):
        numbers = vocabulary.encode(split.captions)
        assert numbers.shape[1] <= longest + 1
        assert tuple(vocabulary.decode(numbers)) == split.captions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": "star"}, "shape to be one of circle, .* Received: 'star'"),
        ({"colour": "orange"}, "colour to be one of red, .* Received: 'orange'"),
        ({"size": "medium"}, "size to be one of small, large. Received: 'medium'"),
        ({"place": "centre"}, "place to be one of top left, .* Received: 'centre'"),
        ({"place": 4}, "place .* Received: 4"),
    ],
)
def test_bad_objects_are_refused(change, message):
    good = {"shape": "circle", "colour": "red", "size": "small", "place": "top"}
    with pytest.raises(ValueError, match=f"Expected {message}"):
        SceneObject(**good | change)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Scene(()), "1 to 3 objects .*Received: 0 objects"),
        (lambda: Scene(("a circle",)), "objects to be SceneObjects. Received: .*a circle"),
        (
            lambda: scene("small red circle, top", "large red circle, top"),
            "1 to 3 objects in different places. Received: 2 objects, places .*'top', 'top'",
        ),
        (
            lambda: scene(*("small red circle, " + p for p in ("top", "left", "right", "bottom"))),
            "1 to 3 objects .*Received: 4 objects",
        ),
        (
            lambda: scene_caption(scene("small red circle, top"), "german"),
            "language to be english or korean. Received: 'german'",
        ),
        (lambda: scenes(0, 1, 1), "num_train .*>= 1. Received: num_train=0"),
        (lambda: scenes(1, 1.5, 1), "num_valid .*>= 1. Received: num_valid=1.5"),
        (lambda: scenes(1, 1, True), "num_test .*>= 1. Received: num_test=True"),
        (lambda: scenes(1, 1, 1, seed=-1), "seed .*>= 0. Received: seed=-1"),
        (lambda: scenes(1, 1, 1, "latin"), "language .*Received: 'latin'"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        call()
