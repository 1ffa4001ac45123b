"""BLEU: how many runs of one to four words of a translation are in the reference.

Needs the package sacrebleu, of the extra `text`.
"""


def tokenised_bleu(translations, references):
    """BLEU of text that is tokenised already, as papers of translation models report it.

    Args:
        translations: Strings of tokens with spaces between them.
        references: As many strings, tokenised in the same way.

    Returns:
        A float, in percent; 0 where no run of four tokens is right.

    Raises:
        ValueError: if there are not as many translations as references, at least one.

    Note: It is no sacreBLEU figure: it depends on the tokeniser and on the case of both.

    Reference: Papineni et al. 2002, https://aclanthology.org/P02-1040
    """
    from sacrebleu.metrics import BLEU

    _same_number(translations, references)
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    return metric.corpus_score(list(translations), [list(references)]).score


def sacre_bleu(translations, references):
    """BLEU of text as it is written, tokenised by sacreBLEU.

    Args:
        translations: Strings.
        references: As many strings, untouched.

    Returns:
        A float, in percent, and the signature that says how it was computed.

    Reference: Post 2018, https://arxiv.org/abs/1804.08771
    """
    from sacrebleu.metrics import BLEU

    _same_number(translations, references)
    metric = BLEU()
    score = metric.corpus_score(list(translations), [list(references)]).score
    return score, str(metric.get_signature())


def _same_number(translations, references):
    for name, lines in (("translations", translations), ("references", references)):
        if isinstance(lines, str):
            raise ValueError(f"Expected {name} to be a list of strings. Received: {lines!r}.")
    if not 0 < len(translations) == len(references):
        raise ValueError(
            "Expected as many translations as references, at least one. "
            f"Received: {len(translations)} and {len(references)}."
        )
