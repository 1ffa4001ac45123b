"""DALL-E: normalised over all pictures, causal, cached as uncached, guidance, reranking."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax
from scipy.stats import chisquare

from genkeras import DALLE

GRID, TOKENS, LENGTH, WORDS = (2, 2), 3, 3, 5
ALL = np.array(list(itertools.product(range(TOKENS), repeat=4)), "float32").reshape(-1, *GRID)
CAPTION = np.array([3, 4, 0])


def made(**options):
    options = {"seed": 0, **options}
    model = DALLE(GRID, TOKENS, LENGTH, WORDS, 8, 2, 2, 16, **options)
    model.build((None, *GRID))
    random = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign_add(random.normal(scale=0.4, size=weight.shape))
    return model


def each(caption, rows=ALL):
    return np.tile(caption, (len(rows), 1))


@pytest.mark.parametrize("caption", [CAPTION, [0, 0, 0], [4, 4, 4], None])
def test_the_pictures_of_a_caption_sum_to_one(caption):
    condition = None if caption is None else each(caption)
    assert np.exp(made().log_prob(ALL, condition)).sum() == pytest.approx(1, abs=1e-5)


def test_all_captions_sum_to_one():
    captions = np.array(list(itertools.product(range(WORDS), repeat=LENGTH)))
    assert np.exp(made().caption_log_prob(captions)).sum() == pytest.approx(1, abs=1e-5)


def test_no_caption_is_the_empty_one():
    model = made()
    expected = model.log_prob(ALL, each([0, 0, 0]))
    np.testing.assert_array_equal(model.log_prob(ALL), expected)
    assert np.abs(model.log_prob(ALL, each(CAPTION)) - expected).max() > 0.1


def test_a_token_depends_on_the_caption_and_on_what_comes_before_it_alone():
    model = made()
    x, captions = ALL[[5, 40]], each(CAPTION, ALL[:2])
    base = model.conditionals(x, captions).logits.numpy().reshape(2, 4, TOKENS)
    for i in range(4):
        changed = x.copy().reshape(2, 4)
        changed[0, i] = (changed[0, i] + 1) % TOKENS
        found = model.conditionals(changed.reshape(x.shape), captions).logits.numpy()
        moved = np.abs(found.reshape(2, 4, TOKENS) - base).max(axis=-1) > 1e-5
        assert not moved[0, : i + 1].any() and not moved[1].any()
        assert moved[0, i + 1 :].all()
    for t in range(LENGTH):
        changed = captions.copy()
        changed[0, t] = 1
        found = model.conditionals(x, changed).logits.numpy().reshape(2, 4, TOKENS)
        assert (np.abs(found - base).max(axis=-1) > 1e-5)[0].all()


def test_a_word_depends_on_those_before_it_alone():
    model = made()

    def word_log_probs(caption):
        """log p of each word, by sums over all captions that begin the same."""
        totals = []
        for t in range(LENGTH + 1):
            tails = itertools.product(range(WORDS), repeat=LENGTH - t)
            rows = np.array([[*caption[:t], *tail] for tail in tails])
            totals.append(np.log(np.exp(model.caption_log_prob(rows)).sum()))
        return np.diff(totals)

    first, second = word_log_probs([3, 4, 0]), word_log_probs([3, 4, 2])
    np.testing.assert_allclose(first[:2], second[:2], atol=1e-5)
    assert abs(first[2] - second[2]) > 1e-3


def uncached(model, captions, noise, choose):
    """Pictures drawn by asking for all logits again for every token."""
    x = np.zeros((len(captions), 4), "float32")
    for i in range(4):
        grid = x.reshape(-1, *GRID)
        logits, empty = (
            model.conditionals(grid, c).logits.numpy().reshape(-1, 4, TOKENS)[:, i]
            for c in (captions, None)
        )
        p = np.exp(log_softmax(choose(logits.astype("float64"), empty.astype("float64")), axis=-1))
        x[:, i] = (p.cumsum(axis=-1) <= noise[:, i]).sum(axis=-1).clip(max=TOKENS - 1)
    return x.reshape(-1, *GRID)


def two_largest(logits, _):
    return np.where(logits < np.sort(logits, axis=-1)[:, -2:-1], -1e9, logits)


@pytest.mark.parametrize(
    ("options", "choose"),
    [
        ({}, lambda logits, _: logits),
        ({"temperature": 0.4}, lambda logits, _: logits / 0.4),
        ({"top_k": 2}, two_largest),
        ({"guidance": 3.0}, lambda logits, empty: empty + 3 * (logits - empty)),
        (
            {"guidance": 0.5, "temperature": 2.0, "top_k": 2},
            lambda logits, empty: two_largest(empty + 0.5 * (logits - empty), None) / 2,
        ),
    ],
)
def test_cached_draws_are_the_uncached_ones_of_the_same_noise(monkeypatch, options, choose):
    model = made()
    noise = np.random.default_rng(3).random((16, 4, 1)).astype("float32")
    monkeypatch.setattr(type(model.likelihood), "noise", lambda *_: tf.constant(noise))
    captions = np.random.default_rng(4).integers(0, WORDS, (16, LENGTH))
    found = model.sample(16, condition=captions, **options)
    np.testing.assert_array_equal(found, uncached(model, captions, noise, choose))


def test_a_step_compiled_by_xla_drops_the_same_captions_and_units():
    steps = []
    for jit_compile in (False, True):
        model = made(dropout=0.3, caption_dropout=0.5)
        model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
        data = {"x": ALL[:20], "condition": each(CAPTION)[:20]}
        model.fit(data, batch_size=20, shuffle=False, verbose=0)
        steps.append([np.array(weight) for weight in model.trainable_variables])
    for one, other in zip(*steps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_heat_does_not_bring_back_what_top_k_left_out():
    hot = made().sample(8, condition=CAPTION, temperature=1e12, top_k=1, seed=1)
    np.testing.assert_array_equal(hot, made().sample(8, condition=CAPTION, top_k=1, seed=2))


def test_a_graph_need_not_know_how_many_pictures_there_are():
    model = made()
    score = tf.function(model.log_prob, input_signature=[tf.TensorSpec((None, *GRID))])
    np.testing.assert_allclose(score(np.float32(ALL[:5])), model.log_prob(ALL[:5]), rtol=1e-5)


def test_draws_have_the_models_probabilities():
    model, count = made(), 6000
    drawn = model.sample(count, condition=CAPTION, seed=1).numpy().reshape(count, 4)
    counts = np.bincount((drawn @ [27, 9, 3, 1]).astype(int), minlength=81)
    expected = count * np.exp(model.log_prob(ALL, each(CAPTION)).numpy().astype("float64"))
    order = np.argsort(expected)
    rare = order[np.cumsum(expected[order]) < 20]  # together one cell of the test
    kept = np.setdiff1d(np.arange(81), rare)
    counts, expected = (np.append(v[kept], v[rare].sum()) for v in (counts, expected))
    assert chisquare(counts, expected * count / expected.sum()).pvalue > 1e-5


def test_a_half_drawn_picture_is_completed_exactly():
    model, count = made(), 4000
    given, mask = np.array([[2, 1], [0, 0]]), np.array([[True, True], [False, False]])
    drawn = model.sample(count, conditioned_on=given, mask=mask, condition=CAPTION, seed=2).numpy()
    assert np.all(drawn[:, 0] == given[0])
    counts = np.bincount((drawn[:, 1] @ [3, 1]).astype(int), minlength=9)
    fits = np.all(ALL[:, 0] == given[0], axis=1)
    p = np.exp(model.log_prob(ALL[fits], each(CAPTION, ALL[fits])).numpy().astype("float64"))
    expected = count * p / p.sum()
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected + 1))
    with pytest.raises(ValueError, match="Expected a mask whose kept variables come first"):
        model.sample(1, conditioned_on=given, mask=~mask, condition=CAPTION)


def test_guidance_sharpens_what_the_caption_says():
    """Guided draws have the caption for their cause more often, by Bayes' rule."""
    model = made()
    gains = []
    for guidance in (0.0, 1.0, 3.0):
        drawn = model.sample(500, condition=CAPTION, guidance=guidance, seed=1)
        gains.append(model.caption_gain(drawn, each(CAPTION, range(500))).numpy().mean())
    assert gains[0] < gains[1] < gains[2]


def test_the_gain_of_a_caption_is_by_bayes_rule():
    model = made()
    captions = np.array([[3, 4, 0], [0, 0, 0], [1, 2, 3]])
    gain = model.caption_gain(ALL[:3], captions).numpy()
    assert gain[1] == 0
    expected = model.log_prob(ALL[:3], captions) - model.log_prob(ALL[:3])
    np.testing.assert_allclose(gain, expected, rtol=1e-6)
    # The mean over p(x|c) is a divergence, so not negative.
    p = np.exp(model.log_prob(ALL, each(CAPTION)))
    assert p @ model.caption_gain(ALL, each(CAPTION)).numpy() > 0


def losses(model, x, captions, **options):
    inputs = {"x": tf.constant(x), "condition": tf.constant(captions)}
    y_pred = model(inputs, training=True)
    return model.compute_loss(inputs, y_pred=y_pred, training=True, **options).numpy()


def test_training_pays_for_captions_too_and_evaluation_does_not():
    x, captions = ALL[:4], np.array([[3, 4, 0], [1, 2, 3], [4, 4, 4], [2, 0, 0]])
    model = made(caption_weight=0.25, caption_dropout=0.0)
    pictures, words = model.log_prob(x, captions).numpy(), model.caption_log_prob(captions).numpy()
    expected = -(pictures + 0.25 * words)
    assert losses(model, x, captions) == pytest.approx(expected.mean(), rel=1e-5)
    weights = tf.constant([0.0, 1.0, 2.0, 3.0])
    found = losses(model, x, captions, sample_weight=weights)
    assert found == pytest.approx(np.mean(weights * expected), rel=1e-5)
    model.compile("sgd")
    evaluated = model.evaluate({"x": x, "condition": captions}, verbose=0)
    assert evaluated == pytest.approx(-pictures.mean(), rel=1e-5)


def test_dropped_captions_are_the_empty_one_and_cost_nothing_themselves():
    count, model = 4000, made(caption_dropout=0.25)
    inputs = {"x": np.repeat(ALL[7:8], count, 0), "condition": each(CAPTION, range(count))}
    found = model(tf.nest.map_structure(tf.constant, inputs), training=True)
    free = found["caption_nll"].numpy() == 0
    # 4.5 standard deviations of a share.
    assert abs(free.mean() - 0.25) <= 4.5 * np.sqrt(0.25 * 0.75 / count)
    for caption, rows in ((CAPTION, ~free), (np.zeros(3, int), free)):
        expected = model.conditionals(ALL[7:8], each(caption, [0])).logits.numpy()
        shown = found["logits"].numpy()[rows]
        np.testing.assert_allclose(shown, np.broadcast_to(expected, shown.shape), atol=1e-5)


def test_dropout_is_in_training_only():
    model, plain = made(dropout=0.5, caption_dropout=0.0), made()
    inputs = {"x": ALL[:5], "condition": each(CAPTION, ALL[:5])}
    np.testing.assert_array_equal(model(inputs), plain(inputs))
    one, other = (model(inputs, training=True)["logits"] for _ in range(2))
    assert np.any(one != other)
    drawn = (m.sample(5, condition=CAPTION, seed=1) for m in (model, plain))
    np.testing.assert_array_equal(*drawn)


def test_two_replicas_drop_different_captions(two_replicas):
    with two_replicas.scope():
        model = made(caption_dropout=0.5)
    inputs = {"x": tf.zeros((40, *GRID)), "condition": tf.constant(each(CAPTION, range(40)))}
    run = tf.function(lambda: model(inputs, training=True)["caption_nll"])
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.any((first.numpy() == 0) != (second.numpy() == 0))


def test_it_learns_what_a_caption_says():
    """The caption names the token of which all four are, mostly; another word says nothing."""
    random = np.random.default_rng(0)
    words, noise = random.integers(0, 3, 3000), random.random((3000, 4)) < 0.1
    x = np.where(noise, random.integers(0, 3, (3000, 4)), words[:, None]).reshape(-1, *GRID)
    captions = np.stack([random.integers(1, 3, 3000), words + 2, np.zeros(3000, int)], axis=1)
    model = DALLE(GRID, TOKENS, LENGTH, WORDS, 16, 2, 2, 32, seed=0)
    model.compile(keras.optimizers.Adam(3e-3))
    data = {"x": x.astype("float32"), "condition": captions}
    model.fit(data, epochs=8, batch_size=50, verbose=0)
    # Entropy of four tokens, each the named one with probability 14 / 15.
    named = 14 / 15
    entropy = -4 * (named * np.log(named) + (1 - named) * np.log((1 - named) / 2))
    assert entropy - 0.1 < model.evaluate(data, batch_size=500, verbose=0) < entropy + 0.2
    # Without a caption the first token can be any.
    without = -model.log_prob(data["x"][:500]).numpy().mean()
    assert abs(without - entropy - np.log(3)) < 0.6


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda m: m.log_prob(ALL[:2], [[3, 4, 5], [0, 0, 0]]), "condition to hold whole numbers"),
        (lambda m: m.log_prob(ALL[:2], [[3, 4, -1], [0, 0, 0]]), "condition to hold whole numbers"),
        (lambda m: m.log_prob(ALL[:2], [[3, 4, 0.5], [0, 0, 0]]), "condition to hold whole"),
        (lambda m: m.log_prob(ALL[:2], [[3, 4], [0, 0]]), r"condition of shape \(batch, 3\)"),
        (lambda m: m.log_prob(ALL[:2], [[3, 4, 0]]), "one caption for each of 2 rows"),
        (lambda m: m.log_prob(ALL[:2], 1), r"condition of shape \(batch, 3\)"),
        (lambda m: m.log_prob(ALL[:2] + 2), "values of x to be whole numbers from 0 to 2"),
        (lambda m: m.sample(2, condition=[3, 4, 9]), "condition to hold whole numbers"),
        (lambda m: m.sample(2, temperature=0), "temperature to be a number with 1e-06"),
        (lambda m: m.caption_log_prob(None), "condition to hold real numbers"),
        (lambda m: m.caption_log_prob(3), r"condition of shape \(batch, 3\)"),
        (lambda m: m.sample(2, temperature=-1), "temperature to be a number"),
        (lambda m: m.sample(2, guidance=-1), "guidance to be a number"),
        (lambda m: m.sample(2, top_k=4), "top_k <= num_tokens=3"),
        (lambda m: m.sample(2, top_k=0), "top_k to be a whole number"),
        (lambda m: m.caption_log_prob([[1, 2]]), r"condition of shape \(batch, 3\)"),
        (lambda _: DALLE(4, 3, 3, 5), r"grid_shape to be \(rows, columns\)"),
        (lambda _: DALLE((2, 0), 3, 3, 5), "grid_shape to be a whole number"),
        (lambda _: DALLE(GRID, 1, 3, 5), "num_classes to be a whole number >= 2"),
        (lambda _: DALLE(GRID, 3, 3, 3), "caption_vocabulary to be a whole number >= 4"),
        (lambda _: DALLE(GRID, 3, 3, 5, 10, 4), "model_dim to be a multiple of 4"),
        (lambda _: made(caption_dropout=1.0), "caption_dropout to be a number"),
        (lambda _: made(num_labels=3), "no num_labels: its condition is a caption"),
    ],
)
def test_bad_input(action, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        action(made())
