"""Korean number words and what they are in English, by rule.

Korean has two series. The Sino-Korean one counts in powers of 10,000: 만 (10^4), 억 (10^8), 조
(10^12), and says no 일 (one) before 십, 백, 천 or at the beginning of 만. The native one counts
things, under one hundred. English counts in powers of 1,000: so the groups of digits do not match,
which is what a translation has to learn.
"""

from collections.abc import Iterable

import numpy as np

from genkeras import checks
from genkeras.datasets._pairs import PairedText, Pairs

DIGITS = ("", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구")
PLACES = ("", "십", "백", "천")
MYRIADS = ("", "만", "억", "조")
NATIVE_ONES = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
THOUSANDS = ("", "thousand", "million", "billion", "trillion")
LARGEST = 10**12


def sino_korean(number):
    """A number from 0 to 10^12 in Sino-Korean words, such as 십이만삼천 for 123,000.

    Args:
        number: Whole number.

    Returns:
        The syllables, without spaces.

    Raises:
        ValueError: If the number is negative, too large or not whole.
    """
    number = _checked(number, 0, LARGEST)
    if number == 0:
        return "영"
    words = []
    for power, group in _groups(number, 10_000):
        # 10,000 is 만, not 일만; but 100,000,000 is 일억.
        said = "" if power == 1 and group == 1 and not words else _group(group)
        words.append(said + MYRIADS[power])
    return "".join(words)


def _groups(number, base):
    """Powers of the base that a number has, the greatest first, and how many of each."""
    found, power = [], 0
    while number:
        number, group = divmod(number, base)
        found += [(power, group)] if group else []
        power += 1
    return found[::-1]


def _group(number):
    """1 to 9,999 in Sino-Korean."""
    parts = []
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit:
            parts.append(("" if digit == 1 and place else DIGITS[digit]) + PLACES[place])
    return "".join(parts)


def native_korean(number):
    """A number from 1 to 99 in native Korean words, such as 스물셋 for 23.

    Raises:
        ValueError: If the number is outside or not whole.
    """
    number = _checked(number, 1, 99)
    return NATIVE_TENS[number // 10] + NATIVE_ONES[number % 10]


def english(number):
    """A number from 0 to 10^12 in English words, such as "one hundred twenty three".

    Without "and" and without hyphens.

    Raises:
        ValueError: If the number is negative, too large or not whole.
    """
    number = _checked(number, 0, LARGEST)
    if number == 0:
        return "zero"
    words = []
    for power, group in _groups(number, 1000):
        words += _hundreds(group) + [THOUSANDS[power]] * (power > 0)
    return " ".join(words)


def _hundreds(number):
    """1 to 999 in English, a list of words."""
    words = [ONES[number // 100], "hundred"] if number >= 100 else []
    rest = number % 100
    if rest >= 20:
        words.append(TENS[rest // 10])
        rest %= 10
    return words + ([ONES[rest]] if rest else [])


def _checked(number, lowest, highest):
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or not lowest <= number <= highest:
        raise ValueError(
            f"Expected a whole number from {lowest} to {highest}. Received: {number!r}."
        )
    return int(number)


def korean_numbers(num_train=50_000, num_test=2000, max_digits=9, unseen_digits=(), seed=0):
    """Numbers in Korean and English words.

    A number has 1 to `max_digits` digits. Those above 99 are drawn with each count of digits
    equally likely, until there are enough different ones, so small counts run out: of three digits
    there are 900. The splits are made in the order of the draw, training first, so that of many
    numbers few or none with three digits are left for the other two. Numbers under 100 are there
    twice, in both Korean series, and all of them are in the training split. No number of the
    validation and test splits is in the training split.

    Args:
        num_train: Numbers to train on, above 99.
        num_test: Numbers of the validation and of the test split, all above 99.
        max_digits: Most digits, 3 to 12.
        unseen_digits: Counts of digits left out of all splits, for `longer_numbers` to test with
            words that are known.
        seed: Of the choice of numbers.

    Returns:
        `PairedText`; a source is syllables with spaces between them, a target English words.

    Raises:
        ValueError: If there are not so many numbers, or an argument is outside.
    """
    checks.positive_int("num_train", num_train)
    checks.positive_int("num_test", num_test)
    max_digits = _checked(max_digits, 3, 12)
    if not isinstance(unseen_digits, Iterable):
        raise ValueError(
            "Expected unseen_digits to be counts of digits, such as (6,). "
            f"Received: unseen_digits={unseen_digits!r}"
        )
    unseen_digits = {_checked(digits, 3, max_digits) for digits in unseen_digits}
    seen = np.array([d for d in range(3, max_digits + 1) if d not in unseen_digits])
    if not seen.size:
        raise ValueError(
            f"Expected counts of digits that are seen. Received: unseen_digits={unseen_digits}."
        )
    rng = np.random.default_rng(seed)
    wanted, chosen = num_train + 2 * num_test, {}
    if wanted > 9 * 10 ** int(seen[-1] - 1) // 2:
        raise ValueError(
            f"Expected fewer than half of the numbers of {seen[-1]} digits. Received: {wanted}."
        )
    while len(chosen) < wanted:
        digits = seen[rng.integers(len(seen), size=wanted)]
        numbers = rng.integers(10 ** (digits - 1), 10**digits)
        chosen.update(dict.fromkeys(numbers.tolist()))
    chosen = list(chosen)[:wanted]
    small = [(sino_korean(n), english(n)) for n in range(100)]
    small += [(native_korean(n), english(n)) for n in range(1, 100)]
    parts = np.split(np.array(chosen), [num_train, num_train + num_test])
    train, valid, test = ([(sino_korean(n), english(n)) for n in part] for part in parts)
    return PairedText(
        "korean_numbers",
        f"{num_train:,} numbers of {', '.join(map(str, seen))} digits, seed {seed}, and all under "
        f"100 in both series to train on; {num_test:,} others to choose settings, {num_test:,} to "
        "test",
        *(_pairs(part) for part in (small + train, valid, test)),
    )


def longer_numbers(digits, count=2000, seed=0):
    """`Pairs` of numbers of a given count of digits, 1 to 12, such as lengths never seen."""
    digits = _checked(digits, 1, 12)
    numbers = np.random.default_rng(seed).integers(10 ** (digits - 1), 10**digits, size=count)
    return _pairs([(sino_korean(n), english(n)) for n in numbers])


def _pairs(rows):
    return Pairs(tuple(" ".join(korean) for korean, _ in rows), tuple(word for _, word in rows))
