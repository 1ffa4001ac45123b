"""Words into pieces: Moses' tokens, and byte-pair encoding learnt from a corpus.

Needs the packages of the extra `text`: sacremoses and tokenizers.
"""

import json

from genkeras.datasets._pairs import RESERVED, Vocabulary, several


def moses_tokens(sentences, language):
    """Sentences as Moses tokenises them, punctuation normalised, in lower case.

    Args:
        sentences: Strings.
        language: Such as "en" or "de".

    Returns:
        Tuple of strings with spaces between the tokens.
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalise = MosesPunctNormalizer(lang=language).normalize
    tokenise = MosesTokenizer(lang=language).tokenize
    return tuple(
        tokenise(normalise(sentence), return_str=True, escape=True).lower()
        for sentence in sentences
    )


def joined_tokens(sentences, language):
    """The opposite of `moses_tokens`, as far as it goes: sentences as one writes them."""
    from sacremoses import MosesDetokenizer

    join = MosesDetokenizer(lang=language).detokenize
    return tuple(join(sentence.split()) for sentence in sentences)


class BytePairs:
    """Byte-pair encoding: words cut into pieces that occur often.

    A piece that ends a word carries the mark `</w>`. Numbers are those of a `Vocabulary`: 0, 1 and
    2 are padding, start and end.

    Args:
        content: JSON of the `tokenizers` library, as `to_json` gives it.

    Reference: Sennrich, Haddow & Birch 2016, https://arxiv.org/abs/1508.07909
    """

    def __init__(self, content):
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(content)
        pieces = self._tokenizer.get_vocab()
        reserved = tuple(self._tokenizer.id_to_token(k) for k in range(len(RESERVED)))
        if reserved != RESERVED:
            raise ValueError(f"Expected {RESERVED} to come first. Received: {reserved}.")
        ordered = sorted(pieces, key=pieces.get)
        self.vocabulary = Vocabulary(ordered[len(RESERVED) :])

    @classmethod
    def learn(cls, sentences, num_merges):
        """Learns the merges of the most frequent neighbours, the same ones of the same sentences.

        Args:
            sentences: Strings of words with spaces between them.
            num_merges: How many pairs are merged.
        """
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        words = [word for sentence in sentences for word in sentence.split()]
        # Letters, each alone and at the end of a word: with the merges, the size of the vocabulary.
        letters = {letter for word in words for letter in word[:-1]}
        endings = {word[-1] + "</w>" for word in words}
        tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.BpeTrainer(
            vocab_size=len(RESERVED) + len(letters) + len(endings) + num_merges,
            # The library numbers endings as a hash table has them, in another order every time, and
            # breaks ties between pairs by these numbers. Special tokens have the order given here.
            special_tokens=[*RESERVED, *sorted(endings)],
            end_of_word_suffix="</w>",
            show_progress=False,
        )
        tokenizer.train_from_iterator(sentences, trainer)
        content = json.loads(tokenizer.to_str())
        content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] in RESERVED]
        return cls(json.dumps(content))

    def to_json(self):
        """The encoding as text, for a file."""
        return json.dumps(json.loads(self._tokenizer.to_str()), ensure_ascii=False)

    def __len__(self):
        return len(self.vocabulary)

    def encode(self, sentences, *, start=False):
        """Sentences as rows of numbers, as `Vocabulary.encode` gives them.

        Letters that the corpus did not have are left out.
        """
        return self.vocabulary.encode(map(" ".join, self._pieces(sentences)), start=start)

    def _pieces(self, sentences):
        return [encoded.tokens for encoded in self._tokenizer.encode_batch(several(sentences))]

    def decode(self, rows):
        """Sentences of rows of numbers, up to the end of each."""
        return [
            sentence.replace(" ", "").replace("</w>", " ").strip()
            for sentence in self.vocabulary.decode(rows)
        ]
