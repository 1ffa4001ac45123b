"""Transformer: Korean number words to English, and Multi30k from English to German.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; the settings for Multi30k are those of
"Transformer-Tiny", Wu et al. 2021, https://arxiv.org/abs/2105.14462: four blocks of 128 units on
each side, one table of vectors, 10,000 byte-pair merges of both languages, Adam with a rate that
rises for 2,000 steps and falls with the root of the step, the mean of the last ten checkpoints, a
beam of five.
"""

import dataclasses

from genkeras.recipes._recipe import Recipe

NUMBERS = {
    "model_dim": 128,
    "num_heads": 4,
    "num_layers": 2,
    "hidden_units": 256,
    "dropout": 0.1,
    "label_smoothing": 0.0,
    "learning_rate": 1e-3,
    "warmup_steps": 1000,
    "epochs": 40,
    "batch_size": 250,
    "seed": 0,
}
MULTI30K = {
    "model_dim": 128,
    "num_heads": 4,
    "num_layers": 4,
    "hidden_units": 256,
    "dropout": 0.3,
    "label_smoothing": 0.1,
    "learning_rate": 5e-3,
    "warmup_steps": 2000,
    "num_merges": 10_000,
    "epochs": 120,
    "batch_size": 8192,  # places of tokens, on each side
    "seed": 0,
}
AVERAGED = 10
BEAM = 5
BOUNDARIES = (16, 24, 32, 64)


@dataclasses.dataclass(frozen=True, eq=False)
class Encoded:
    """Pairs of a split as numbers, with the sentences they were made of."""

    x: dict
    pairs: object


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedText:
    """What a recipe loads: encoded splits, and the vocabularies to read them by."""

    name: str
    train: Encoded
    valid: Encoded
    test: Encoded
    source: object
    target: object


def load_numbers():
    from genkeras.datasets import Vocabulary, korean_numbers

    data = korean_numbers(max_digits=10, unseen_digits=(8,))
    source, target = (Vocabulary.of(getattr(data.train, side)) for side in ("source", "target"))
    return _encoded(data, source, target)


def load_multi30k():
    """Moses' tokens in lower case, in pieces learnt from the training sentences of both sides."""
    from genkeras.datasets import BytePairs, PairedText, Pairs, moses_tokens, multi30k

    raw = multi30k()
    splits = {}
    for name in ("train", "valid", "test"):
        part = getattr(raw, name)
        splits[name] = Pairs(moses_tokens(part.source, "en"), moses_tokens(part.target, "de"))
    train = splits["train"]
    pieces = BytePairs.learn(train.source + train.target, MULTI30K["num_merges"])
    return _encoded(PairedText(raw.name, raw.protocol, **splits), pieces, pieces)


def _encoded(data, source, target):
    def encode(pairs):
        x = {
            "source": source.encode(pairs.source),
            "target": target.encode(pairs.target, start=True),
        }
        return Encoded(x, pairs)

    parts = {name: encode(getattr(data, name)) for name in ("train", "valid", "test")}
    return EncodedText(data.name, **parts, source=source, target=target)


def make_model(settings, dataset):
    from genkeras import Transformer

    shared = dataset.source is dataset.target
    model = Transformer(
        len(dataset.source),
        len(dataset.target),
        settings["model_dim"],
        settings["num_heads"],
        settings["num_layers"],
        settings["hidden_units"],
        settings["dropout"],
        shared_embeddings=shared,
        label_smoothing=settings["label_smoothing"],
        seed=settings["seed"],
    )
    return _compiled(model, settings)


def _compiled(model, settings):
    import keras

    from genkeras.transformers import InverseSquareRoot

    rate = InverseSquareRoot(settings["learning_rate"], settings["warmup_steps"])
    model.compile(keras.optimizers.Adam(rate, beta_2=0.98, global_clipnorm=25.0), jit_compile=True)
    return model


def written(pairs, dataset, batch_size, write):
    """The sentences that `write`, from rows of source tokens to rows of tokens, makes of pairs."""
    sentences = []
    for start in range(0, len(pairs), batch_size):
        source = dataset.source.encode(pairs.source[start : start + batch_size])
        sentences += dataset.target.decode(write(source))
    return sentences


def exact_match(model, pairs, dataset):
    """Whether each translation is right, word by word: a list."""
    found = written(pairs, dataset, 500, lambda source: model.greedy(source, max_length=40))
    return [a == b for a, b in zip(found, pairs.target, strict=True)]


def score_numbers(model, dataset):
    """Percent of numbers never seen that are translated without a mistake.

    Beside it: the same for counts of digits never seen, one inside and two outside of those in
    training. All their words are in the training rows: from 10 digits on there is "billion".
    """
    import numpy as np

    from genkeras.datasets import longer_numbers
    from genkeras.evaluation import share_error

    share, error = share_error(exact_match(model, dataset.test.pairs, dataset))
    beside = {
        f"exact_match_percent_{digits}_digits": 100
        * float(np.mean(exact_match(model, longer_numbers(digits, 1000), dataset)))
        for digits in (8, 11, 12)
    }
    return 100 * share, 100 * error, beside


def in_buckets(settings, data):
    """Batches of sentences of like lengths."""
    from genkeras.transformers.batches import bucketed_batches

    return lambda first_epoch: bucketed_batches(
        data, BOUNDARIES, settings["batch_size"], settings["seed"], first_epoch
    )


def translated(model, pairs, dataset):
    """German sentences of Moses' tokens, by the beam."""

    def best(source):
        return model.beam_search(source, BEAM, max_length=BOUNDARIES[-1])[0][:, 0]

    return written(pairs, dataset, 100, best)


def score_multi30k(model, dataset, num_draws=200):
    """BLEU in percent, and its standard error over sentences drawn anew with replacement.

    Beside it: sacreBLEU of the sentences, joined again, against the references as written and in
    lower case, with its signature.
    """
    import numpy as np

    from genkeras.datasets import joined_tokens, multi30k
    from genkeras.evaluation import sacre_bleu, tokenised_bleu

    pairs = dataset.test.pairs
    found, wanted = np.array(translated(model, pairs, dataset)), np.array(pairs.target)
    rows = np.random.default_rng(0).integers(len(found), size=(num_draws, len(found)))
    drawn = [tokenised_bleu(found[part], wanted[part]) for part in rows]
    sentences = joined_tokens(found, "de")
    references = multi30k().test.target
    cased, signature = sacre_bleu(sentences, references)
    lowered, _ = sacre_bleu(sentences, [reference.lower() for reference in references])
    beside = {
        "sacrebleu_cased_detokenised": cased,
        "sacrebleu_lower_detokenised": lowered,
        "sacrebleu_signature": signature,
    }
    return tokenised_bleu(found, wanted), float(np.std(drawn, ddof=1)), beside


NUMBERS_RECIPE = Recipe(
    name="transformer_korean_numbers",
    dataset="korean_numbers",
    split="50,000 numbers of 3 to 7, 9 and 10 digits, seed 0, and all under 100 in both series to "
    "train on; 2,000 others to test on",
    protocol="greedy; a translation counts if every word is right; error over the test numbers",
    metric="exact_match_percent",
    unit="percent",
    published={"value": None, "source": "none: the task is ours", "status": "V"},
    budget="half an hour on two CPU cores",
    settings=NUMBERS,
    candidates=(),
    load=load_numbers,
    make_model=make_model,
    score=score_numbers,
    inputs=lambda split: split.x,
)

MULTI30K_RECIPE = Recipe(
    name="transformer_multi30k",
    dataset="multi30k",
    split="29,000 / 1,014 of the task's training and validation pairs; all of test2016 (1,000)",
    protocol="English to German; Moses' normalisation and tokens in lower case, 10,000 joint "
    "merges of byte pairs; beam of five, score log p / length; mean of the weights of the last ten "
    "epochs; BLEU of tokens; error over sentences drawn anew with replacement",
    metric="bleu_tokenised_lower",
    unit="percent",
    published={
        "value": 41.02,
        "source": "Transformer-Tiny, https://arxiv.org/abs/2105.14462",
        "status": "V",
    },
    budget="two and a half hours on two CPU cores",
    settings=MULTI30K,
    candidates=(),
    load=load_multi30k,
    make_model=make_model,
    score=score_multi30k,
    batches=in_buckets,
    averaged=AVERAGED,
    inputs=lambda split: split.x,
    logged="nll_per_token",
)

RECIPES = (NUMBERS_RECIPE, MULTI30K_RECIPE)
