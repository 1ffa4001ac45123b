"""Pairs of sentences, the words that they are made of, and the numbers that stand for them."""

from dataclasses import dataclass

import numpy as np

PAD, START, END = 0, 1, 2
RESERVED = ("<pad>", "<start>", "<end>")


@dataclass(frozen=True, eq=False)
class Pairs:
    """One part of a data set of sentences and their translations.

    Args:
        source: Tuple of sentences, each a string of tokens with spaces between them.
        target: Tuple of as many sentences.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]

    def __len__(self):
        return len(self.source)

    def __repr__(self):
        return f"<Pairs: {len(self):,} sentences with their translations>"


@dataclass(frozen=True, eq=False)
class PairedText:
    """A data set of sentences and their translations in three splits.

    Args:
        name: The loader's name.
        protocol: One sentence that states the splits and how the sentences were made.
        train, valid, test: `Pairs`.
    """

    name: str
    protocol: str
    train: Pairs
    valid: Pairs
    test: Pairs


def several(sentences):
    """Sentences as a list; one string, whose letters Python would take for them, is refused."""
    if isinstance(sentences, str):
        raise ValueError(f"Expected a list of sentences. Received: the string {sentences!r}.")
    return list(sentences)


class Vocabulary:
    """Tokens and their numbers; 0, 1 and 2 stand for padding, start and end.

    Args:
        tokens: Tokens, in the order of their numbers from 3 on.

    Raises:
        ValueError: If a token occurs twice, is reserved, or is no text.
    """

    def __init__(self, tokens):
        self.tokens = (*RESERVED, *tokens)
        if not all(isinstance(token, str) and token for token in self.tokens):
            raise ValueError(f"Expected tokens to be words. Received: {tokens!r}.")
        self._numbers = {token: number for number, token in enumerate(self.tokens)}
        if len(self._numbers) < len(self.tokens):
            raise ValueError("Expected every token once, and none of the reserved ones.")

    def __len__(self):
        return len(self.tokens)

    @classmethod
    def of(cls, sentences):
        """The vocabulary of all words of some sentences, in alphabetical order."""
        return cls(sorted({word for sentence in sentences for word in sentence.split()}))

    def encode(self, sentences, *, start=False):
        """Sentences as rows of numbers.

        Args:
            sentences: Strings of tokens with spaces between them.
            start: Whether a row begins with `START`, as a target does. Every row has an `END`.

        Returns:
            Int32 array of shape `(n, longest)`, with zeros after the end.

        Raises:
            ValueError: If a token is unknown, or `sentences` is a single string.
        """
        rows = []
        for sentence in several(sentences):
            unknown = [word for word in sentence.split() if word not in self._numbers]
            if unknown:
                raise ValueError(
                    f"Expected tokens of the vocabulary. Received: {unknown[0]!r} in {sentence!r}."
                )
            numbers = [self._numbers[word] for word in sentence.split()]
            rows.append([START] * start + numbers + [END])
        encoded = np.zeros((len(rows), max(map(len, rows), default=0)), "int32")
        for row, numbers in zip(encoded, rows, strict=True):
            row[: len(numbers)] = numbers
        return encoded

    def decode(self, rows):
        """Sentences of rows of numbers, up to the end of each; a list of strings."""
        sentences = []
        for row in np.asarray(rows):
            words = []
            for number in row:
                if number == END:
                    break
                if number > END:
                    words.append(self.tokens[number])
            sentences.append(" ".join(words))
        return sentences
