"""The grammar of captioned scenes: what is where in one sentence, in English and in Korean."""

import itertools

# In reading order. The Korean names have two words each (but the middle's): after plain 위 (top)
# and 왼쪽 (left), "왼쪽과 오른쪽 위에" would be at the left or at the top left.
PLACES = {
    "top left": ("at the top left", "왼쪽 위"),
    "top": ("at the top", "가운데 위"),
    "top right": ("at the top right", "오른쪽 위"),
    "left": ("on the left", "왼쪽 가운데"),
    "middle": ("in the middle", "한가운데"),
    "right": ("on the right", "오른쪽 가운데"),
    "bottom left": ("at the bottom left", "왼쪽 아래"),
    "bottom": ("at the bottom", "가운데 아래"),
    "bottom right": ("at the bottom right", "오른쪽 아래"),
}

_COUNTS = {"english": ("a", "two", "three"), "korean": ("한", "두", "세")}
_PLURALS = {"circle": "circles", "square": "squares", "triangle": "triangles", "cross": "crosses"}
_KOREAN = {
    **{"circle": "원", "square": "정사각형", "triangle": "삼각형", "cross": "십자"},
    **{"red": "빨간", "yellow": "노란", "green": "초록색", "blue": "파란"},
    **{"sky-blue": "하늘색", "white": "하얀", "small": "작은", "large": "큰"},
}


def scene_caption(scene, language="english"):
    """The sentence that tells a scene: objects that are alike are counted, in words.

    Args:
        scene: A `Scene`.
        language: "english" or "korean".

    Returns:
        A string, such as "two small red circles, at the top left and at the bottom, and a large
        blue square in the middle", or "왼쪽 위와 가운데 아래에 작은 빨간 원 두 개, 한가운데에 큰
        파란 정사각형 한 개". No two scenes have the same.

    Raises:
        ValueError: If the language is another.
    """
    if language not in _COUNTS:
        raise ValueError(f"Expected language to be english or korean. Received: {language!r}.")
    groups = itertools.groupby(scene.objects, key=lambda each: each.combination)
    groups = [(*combination, [each.place for each in group]) for combination, group in groups]
    if language == "korean":
        return ", ".join(_korean_phrase(*group) for group in groups)
    return _listed([_english_phrase(*group) for group in groups])


def _english_phrase(shape, colour, size, places):
    count, where = _COUNTS["english"][len(places) - 1], _listed([PLACES[p][0] for p in places])
    if len(places) == 1:
        return f"{count} {size} {colour} {shape} {where}"
    return f"{count} {size} {colour} {_PLURALS[shape]}, {where}"


def _listed(parts):
    """One, two or three parts of a sentence as a list in words."""
    if len(parts) == 1:
        return parts[0]
    # A comma within a part opens what another has to close.
    joint = ", and " if "," in parts[-2] else " and "
    return ", ".join(parts[:-1]) + joint + parts[-1]


def _korean_phrase(shape, colour, size, places):
    # All the names of places end in vowels, so "and" is 와, never 과.
    where = "와 ".join(PLACES[place][1] for place in places)
    what = " ".join(_KOREAN[word] for word in (size, colour, shape))
    return f"{where}에 {what} {_COUNTS['korean'][len(places) - 1]} 개"


def caption_tokens(caption):
    """A sentence of `scene_caption` as `Vocabulary` reads it: a comma is a word of its own."""
    return caption.replace(",", " ,")
