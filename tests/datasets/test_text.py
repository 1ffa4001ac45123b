"""Number words against tables, vocabularies, byte pairs and Moses' tokens."""

import json

import numpy as np
import pytest

from genkeras.datasets import (
    Vocabulary,
    english,
    korean_numbers,
    longer_numbers,
    multi30k,
    native_korean,
    sino_korean,
)
from genkeras.datasets._subwords import BytePairs, joined_tokens, moses_tokens

# Written by hand.
NUMBERS = {
    0: ("영", "zero"),
    7: ("칠", "seven"),
    10: ("십", "ten"),
    11: ("십일", "eleven"),
    40: ("사십", "forty"),
    105: ("백오", "one hundred five"),
    999: ("구백구십구", "nine hundred ninety nine"),
    1_000: ("천", "one thousand"),
    1_110: ("천백십", "one thousand one hundred ten"),
    10_000: ("만", "ten thousand"),
    11_000: ("만천", "eleven thousand"),
    20_300: ("이만삼백", "twenty thousand three hundred"),
    100_000: ("십만", "one hundred thousand"),
    1_234_567: (
        "백이십삼만사천오백육십칠",
        "one million two hundred thirty four thousand five hundred sixty seven",
    ),
    100_000_000: ("일억", "one hundred million"),
    300_010_000: ("삼억일만", "three hundred million ten thousand"),
    10_000_000_000: ("백억", "ten billion"),
    1_000_000_000_000: ("일조", "one trillion"),
}
NATIVE = {1: "하나", 10: "열", 12: "열둘", 20: "스물", 35: "서른다섯", 48: "마흔여덟"}


@pytest.mark.parametrize("number", NUMBERS)
def test_number_words(number):
    assert (sino_korean(number), english(number)) == NUMBERS[number]


def test_native_number_words():
    assert {number: native_korean(number) for number in NATIVE} == NATIVE


def read_korean(words):
    """The value of Sino-Korean words, read from left to right."""
    digits = {word: value for value, word in enumerate("영일이삼사오육칠팔구")}
    places = {"십": 10, "백": 100, "천": 1000}
    myriads = {"만": 10**4, "억": 10**8, "조": 10**12}
    total = group = digit = 0
    for syllable in words:
        if syllable in digits:
            digit = digits[syllable]
        elif syllable in places:
            group, digit = group + max(digit, 1) * places[syllable], 0
        else:
            total += max(group + digit, 1) * myriads[syllable]
            group = digit = 0
    return total + group + digit


def read_english(words):
    ones = {english(n): n for n in range(20)}
    tens = {english(n): n for n in range(20, 100, 10)}
    thousands = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    total = group = 0
    for word in words.split():
        if word == "hundred":
            group *= 100
        elif word in thousands:
            total, group = total + group * thousands[word], 0
        else:
            group += {**ones, **tens}[word]
    return total + group


def test_words_read_back_are_the_number():
    rng = np.random.default_rng(0)
    numbers = {int(n) for digits in range(1, 13) for n in rng.integers(10**digits, size=200)}
    for number in numbers | set(range(1200)):
        assert read_korean(sino_korean(number)) == number
        assert read_english(english(number)) == number


def test_splits_of_numbers_share_none():
    data = korean_numbers(num_train=3000, num_test=300, max_digits=6, seed=1)
    sources = [set(part.source) for part in (data.train, data.valid, data.test)]
    assert not (sources[0] & sources[1] or sources[0] & sources[2] or sources[1] & sources[2])
    assert [len(part) for part in (data.valid, data.test)] == [300, 300]
    assert len(data.train) == 3199
    for korean, words in zip(data.test.source, data.test.target, strict=True):
        number = read_korean(korean.replace(" ", ""))
        assert 100 <= number < 10**6 and english(number) == words
    again = korean_numbers(num_train=3000, num_test=300, max_digits=6, seed=1)
    assert again.train.source == data.train.source
    other = korean_numbers(num_train=3000, num_test=300, max_digits=6, seed=2)
    assert other.train.source != data.train.source


def test_lengths_left_out_are_in_no_split_and_their_words_are():
    data = korean_numbers(num_train=3000, num_test=300, max_digits=6, unseen_digits=(3, 5), seed=1)
    parts = (data.train, data.valid, data.test)
    lengths = {len(str(read_english(words))) for part in parts for words in part.target}
    assert lengths == {1, 2, 4, 6}
    known = set(" ".join(data.train.target).split())
    assert set(" ".join(longer_numbers(5, count=300).target).split()) <= known


def test_longer_numbers_have_their_digits():
    pairs = longer_numbers(11, count=50)
    assert all(10**10 <= read_english(words) < 10**11 for words in pairs.target)


def test_a_vocabulary_there_and_back():
    words = Vocabulary.of(["b a", "c b"])
    assert words.tokens == ("<pad>", "<start>", "<end>", "a", "b", "c")
    rows = words.encode(["b a", "c"], start=True)
    assert rows.tolist() == [[1, 4, 3, 2], [1, 5, 2, 0]]
    assert words.encode(["a"]).tolist() == [[3, 2]]
    assert words.decode(rows) == ["b a", "c"]
    assert words.decode([[4, 2, 3, 3]]) == ["b"]


SENTENCES = ["low lower lowest", "new newer newest", "wide wider widest"] * 3


@pytest.mark.parametrize("kind", [Vocabulary, BytePairs])
def test_one_string_is_no_list_of_sentences(kind):
    words = kind.of(["a b", "b a"]) if kind is Vocabulary else kind.learn(["a b", "b a"], 1)
    with pytest.raises(ValueError, match="Expected a list of sentences. Received: the string"):
        words.encode("a b")


def test_byte_pairs_merge_what_occurs_most():
    pairs = BytePairs.learn(SENTENCES, num_merges=6)
    # Letters inside and at the ends of words, three reserved tokens and the merges.
    letters = {letter for s in SENTENCES for word in s.split() for letter in word[:-1]}
    ends = {word[-1] for s in SENTENCES for word in s.split()}
    assert len(pairs) == 3 + len(letters) + len(ends) + 6
    rows = pairs.encode(SENTENCES, start=True)
    assert pairs.decode(rows) == SENTENCES
    fewer = BytePairs.learn(SENTENCES, num_merges=0).encode(SENTENCES, start=True)
    assert (rows != 0).sum() < (fewer != 0).sum()
    assert pairs.decode(pairs.encode(["lowest wide"])) == ["lowest wide"]  # words it never saw
    assert BytePairs(pairs.to_json()).encode(SENTENCES).tolist() == pairs.encode(SENTENCES).tolist()


def test_the_same_sentences_give_the_same_pieces_whatever_ties():
    """A run that is taken up again in a new process reads its words as before."""
    words = [first + second for first in "abcdefgh" for second in "ijklmnop"]  # each once: all tie
    learnt = {BytePairs.learn([" ".join(words)], num_merges=20).to_json() for _ in range(5)}
    assert len(learnt) == 1
    content = json.loads(learnt.pop())
    assert [token["content"] for token in content["added_tokens"]] == ["<pad>", "<start>", "<end>"]


def test_moses_tokens_and_back():
    tokens = moses_tokens(["A man's dog, in the park."], "en")
    assert tokens == ("a man &apos;s dog , in the park .",)
    assert joined_tokens(tokens, "en") == ("a man's dog, in the park.",)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sino_korean(-1), "a whole number from 0"),
        (lambda: sino_korean(10**12 + 1), "a whole number from 0 to 1000000000000"),
        (lambda: english(1.5), "a whole number"),
        (lambda: english(True), "a whole number"),
        (lambda: native_korean(100), "a whole number from 1 to 99"),
        (lambda: korean_numbers(max_digits=13), "a whole number from 3 to 12"),
        (lambda: korean_numbers(num_train=500, max_digits=3), "fewer than half of the numbers"),
        (lambda: korean_numbers(unseen_digits=(10,)), "a whole number from 3 to 9"),
        (lambda: korean_numbers(unseen_digits=range(3, 10)), "counts of digits that are seen"),
        (lambda: korean_numbers(num_train=-1), "num_train to be a whole number >= 1"),
        (lambda: korean_numbers(num_test=1e3), "num_test to be a whole number >= 1"),
        (lambda: korean_numbers(unseen_digits=6), "unseen_digits to be counts of digits"),
        (lambda: Vocabulary(["a", "a"]), "every token once"),
        (lambda: Vocabulary(["<end>"]), "every token once"),
        (lambda: Vocabulary([3]), "tokens to be words"),
        (lambda: Vocabulary(["a"]).encode(["a b"]), "tokens of the vocabulary"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        call()


@pytest.mark.data
def test_multi30k_is_whole():
    data = multi30k()
    assert [len(part) for part in (data.train, data.valid, data.test)] == [29_000, 1_014, 1_000]
    assert data.test.source[0] == "A man in an orange hat starring at something."
    assert data.test.target[0] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
