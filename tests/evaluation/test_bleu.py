"""BLEU against the formula written out."""

import math

import pytest

from genkeras.evaluation import sacre_bleu, tokenised_bleu


def runs(words, n):
    return [tuple(words[k : k + n]) for k in range(len(words) - n + 1)]


def bleu(translations, references):
    """The geometric mean of four precisions, with clipped counts and a brevity penalty."""
    right, made = [0] * 4, [0] * 4
    for translation, reference in zip(translations, references, strict=True):
        words, wanted = translation.split(), reference.split()
        for n in range(4):
            found, truth = runs(words, n + 1), runs(wanted, n + 1)
            made[n] += len(found)
            right[n] += sum(min(found.count(run), truth.count(run)) for run in set(found))
    length, wanted = (sum(len(s.split()) for s in part) for part in (translations, references))
    brevity = min(1.0, math.exp(1 - wanted / length))
    return 100 * brevity * math.prod(r / m for r, m in zip(right, made, strict=True)) ** 0.25


TRANSLATIONS = ["a dog runs in the green park today", "two men sit on a bench", "a a a a cat"]
REFERENCES = ["a dog runs in the park today", "two men are sitting on a bench", "a cat is here now"]


def test_bleu_of_tokens_is_the_formula():
    expected = bleu(TRANSLATIONS, REFERENCES)
    assert 5 < expected < 95
    assert tokenised_bleu(TRANSLATIONS, REFERENCES) == pytest.approx(expected)
    assert tokenised_bleu(REFERENCES, REFERENCES) == pytest.approx(100)


def test_bleu_is_not_smoothed():
    assert tokenised_bleu(["a b c d"], ["a b x y"]) == 0 == bleu(["a b c d"], ["a b x y"])


def test_short_translations_pay():
    cut = [reference.rsplit(" ", 1)[0] for reference in REFERENCES]
    assert tokenised_bleu(cut, REFERENCES) == pytest.approx(bleu(cut, REFERENCES))
    assert bleu(cut, REFERENCES) < 90


def test_sacrebleu_splits_words_and_signs_itself():
    score, signature = sacre_bleu(["A dog, in the park."], ["A dog, in the park."])
    assert score == pytest.approx(100)
    assert "tok:13a" in signature and "version" in signature


def test_as_many_translations_as_references():
    for translations, references in (([], []), (["a"], ["a", "b"])):
        with pytest.raises(ValueError, match="Expected as many translations as references"):
            tokenised_bleu(translations, references)


def test_one_string_is_no_list_of_them():
    with pytest.raises(ValueError, match="Expected references to be a list of strings"):
        tokenised_bleu(["a dog"], "a dog")
