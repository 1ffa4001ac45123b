"""Sequence to sequence: probabilities that sum to 1, caches, beams, draws, losses, files."""

import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from genkeras.training import fit_resumable
from genkeras.transformers import InverseSquareRoot, LSTMSequenceToSequence, Transformer
from genkeras.transformers.decoding import END, NEVER, PAD, START

A, B = 3, 4
SIZE = 5  # PAD, START, END, A, B
# Chance of one false alarm in each statistical test.
FALSE_ALARM = 1e-6
SOURCE = np.array([[3, 4, 5, 2], [5, 3, 2, 0], [4, 2, 0, 0]])
TARGET = np.array([[1, 3, 4, 2], [1, 4, 2, 0], [1, 2, 0, 0]])
SMALL = {"model_dim": 8, "num_heads": 2, "num_layers": 2, "hidden_units": 6}
MODELS = {
    "post-norm": lambda **k: Transformer(6, SIZE, **{**SMALL, "max_length": 6, "seed": 0, **k}),
    "pre-norm": lambda **k: Transformer(
        6, SIZE, **{**SMALL, "pre_norm": True, "max_length": 6, "seed": 0, **k}
    ),
    "shared": lambda **k: Transformer(
        6, 6, **{**SMALL, "shared_embeddings": True, "max_length": 6, "seed": 0, **k}
    ),
    "lstm": lambda **k: LSTMSequenceToSequence(
        6, SIZE, **{"units": 5, "num_layers": 2, "max_length": 6, "seed": 0, **k}
    ),
}
every_model = pytest.mark.parametrize("name", MODELS)


def made(name, optimizer=None, scale=0.7, jit_compile=False, **options):
    """A model whose weights are the same each time."""
    if name != "lstm":
        options.setdefault("dropout", 0.0)
    model = MODELS[name](**options)
    model._ensure_built()
    random = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(random.normal(scale=scale, size=weight.shape))
    if optimizer is not None:
        model.compile(optimizer, jit_compile=jit_compile)
    return model


def data(rows=slice(None)):
    return {"source": SOURCE[rows], "target": TARGET[rows]}


def all_targets(size, length):
    """Every target whose tokens end within `length`, and those cut off there."""
    others = range(END + 1, size)
    rows = [
        [START, *middle, END]
        for count in range(length)
        for middle in itertools.product(others, repeat=count)
    ]
    cut = [[START, *middle] for middle in itertools.product(others, repeat=length)]
    padded = [row + [PAD] * (length + 1 - len(row)) for row in rows + cut]
    return np.array(padded), len(rows)


@every_model
def test_probabilities_of_all_targets_sum_to_one(name):
    model = made(name)
    targets, _ = all_targets(model.target_vocabulary, 4)
    for row in range(len(SOURCE)):
        source = np.repeat(SOURCE[row : row + 1], len(targets), axis=0)
        total = np.exp(model.log_prob(source, targets).numpy().astype("float64")).sum()
        assert total == pytest.approx(1, abs=1e-5)


@every_model
def test_a_token_depends_on_those_before_it_and_on_its_own_source(name):
    model = made(name)

    def changed(place, token):
        target = TARGET[:1].copy()
        target[0, place] = token
        return model({"source": SOURCE[:1], "target": target}).numpy()[0]

    before = model(data(slice(1))).numpy()[0]
    for place in (1, 2):
        after = changed(place, A if TARGET[0, place] == B else B)
        same = np.all(after == before, axis=-1)
        assert same[:place].all()
        assert not same[place:].any()
    alone = model(data(slice(1))).numpy()
    np.testing.assert_allclose(model(data()).numpy()[:1], alone, rtol=1e-5, atol=1e-5)


@every_model
def test_padding_changes_nothing(name):
    model = made(name)
    wide = {key: np.pad(value, ((0, 0), (0, 2))) for key, value in data().items()}
    np.testing.assert_allclose(
        model.log_prob(wide["source"], wide["target"]),
        model.log_prob(SOURCE, TARGET),
        rtol=1e-5,
        atol=1e-5,
    )
    np.testing.assert_array_equal(model.greedy(wide["source"]), model.greedy(SOURCE))


def next_logits(model, source, written):
    """Logits after the written tokens, without a cache."""
    target = np.array([[START, *written, END]])
    return model({"source": source[None], "target": target}).numpy()[0, -1]


def test_no_two_matrices_of_a_deep_model_start_alike():
    model = MODELS["post-norm"](num_layers=12)
    model._ensure_built()
    drawn = [np.array(w.value).tobytes() for w in model.trainable_variables if len(w.shape) > 1]
    assert len(set(drawn)) == len(drawn)


@every_model
def test_greedy_writes_the_most_probable_token_each_time(name):
    model = made(name, scale=1.5)
    found = model.greedy(SOURCE, max_length=5).numpy()
    for source, row in zip(SOURCE, found, strict=True):
        written = []
        for place in range(5):
            logits = next_logits(model, source, written)
            assert row[place] == logits.argmax()
            written.append(int(row[place]))
            if row[place] == END:
                break
        assert not row[len(written) :].any()


def with_start(tokens):
    return np.concatenate([np.full((len(tokens), 1), START), tokens], axis=1)


@every_model
def test_log_probabilities_with_a_cache_are_those_without(name):
    model = made(name)
    memory = model._memory(tf.constant(SOURCE, tf.int32))
    state = model._state(memory, 3, 4)
    for place in range(3):
        tokens = tf.constant(TARGET[:, place], tf.int32)
        logits, state = model._step(tokens, tf.constant(place), state, memory)
        expected = model(data()).numpy()[:, place]
        np.testing.assert_allclose(model._possible(logits), expected, rtol=1e-5, atol=1e-5)


@every_model
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(name, length_penalty):
    model, length = made(name, scale=1.2), 3
    targets, num_ended = all_targets(model.target_vocabulary, length)
    targets = targets[:num_ended]
    beam_size = 16
    tokens, scores = model.beam_search(SOURCE, beam_size, length, length_penalty)
    for row in range(len(SOURCE)):
        source = np.repeat(SOURCE[row : row + 1], len(targets), axis=0)
        log_probs = model.log_prob(source, targets).numpy()
        lengths = (targets[:, 1:] != PAD).sum(axis=1)
        expected = log_probs / lengths**length_penalty
        order = np.argsort(-expected)[: min(beam_size, num_ended)]
        found = slice(0, len(order))
        np.testing.assert_allclose(scores[row, found], expected[order], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(tokens[row, 0], targets[order[0], 1:])


@every_model
def test_a_narrow_beam_reports_the_scores_of_what_it_writes(name):
    model = made(name)
    tokens, scores = model.beam_search(SOURCE, beam_size=2, max_length=5, length_penalty=1.0)
    for k in range(2):
        rows = tokens[:, k].numpy()
        ended = (rows == END).any(axis=1)
        assert ended.any()
        lengths = (rows != PAD).sum(axis=1)
        expected = model.log_prob(SOURCE, with_start(rows)).numpy() / lengths
        np.testing.assert_allclose(scores[:, k].numpy()[ended], expected[ended], rtol=1e-4)
    assert np.all(np.diff(scores, axis=1) <= 0)


@every_model
def test_a_beam_that_never_ends_returns_its_best_beginnings(name):
    model = made(name)
    possible = model._possible
    model._possible = lambda logits: tf.where(
        tf.range(logits.shape[-1]) == END, NEVER, possible(logits)
    )
    tokens, scores = model.beam_search(SOURCE, beam_size=2, max_length=4)
    assert np.all(tokens.numpy() > END) and np.all(scores < NEVER / 2)
    assert np.all(np.any(tokens[:, 0] != tokens[:, 1], axis=-1))
    written = [*tf.unstack(tokens, axis=1), model.greedy(SOURCE, max_length=4)]
    best, second, greedy = (model.log_prob(SOURCE, with_start(rows.numpy())) for rows in written)
    assert np.all(best >= second) and np.all(best >= greedy - 1e-5)


def test_a_beam_wider_than_there_are_targets_fills_up_with_padding():
    model = Transformer(6, 4, **SMALL, max_length=6, seed=0)  # A alone can be written
    tokens, scores = model.beam_search(SOURCE, beam_size=4, max_length=2)
    for rows in tokens.numpy():
        assert {tuple(row) for row in rows[:2]} == {(END, PAD), (A, END)}
        assert rows[2:].tolist() == [[A, A], [PAD, PAD]]
    assert np.all(scores[:, 1] > -10) and np.all(scores[:, 2:] < -1e8)


def observed_against_expected(rows, targets, chance):
    """The p-value of drawn rows under the chances of all targets."""
    places = {tuple(target): k for k, target in enumerate(targets)}
    counts = np.bincount([places[tuple(row)] for row in rows], minlength=len(targets))
    seen = len(rows) * chance > 5
    observed = np.append(counts[seen], counts[~seen].sum())
    expected = np.append(chance[seen], chance[~seen].sum()) * len(rows)
    if expected[-1] < 1:
        observed, expected = observed[:-1], expected[:-1]
    return stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue


@every_model
def test_draws_follow_the_probabilities(name):
    model, length, count = made(name), 3, 3000
    targets, _ = all_targets(model.target_vocabulary, length)
    source = np.repeat(SOURCE[:1], count, axis=0)
    chance = np.exp(model.log_prob(source[: len(targets)], targets).numpy().astype("float64"))
    drawn = with_start(model.sample(source, length, seed=3).numpy())
    assert observed_against_expected(drawn, targets, chance) > FALSE_ALARM
    np.testing.assert_array_equal(with_start(model.sample(source, length, seed=3)), drawn)
    assert np.any(model.sample(source, length, seed=4).numpy() != drawn[:, 1:])


def test_temperature_and_top_k_change_the_chances_of_a_token():
    model, count = made("post-norm"), 3000
    source = np.repeat(SOURCE[:1], count, axis=0)
    logits = next_logits(model, SOURCE[0], [])[END:]
    for temperature, top_k in ((0.5, None), (2.0, None), (1.0, 2), (0.7, 2)):
        first = model.sample(source, 1, temperature, top_k, seed=1).numpy()[:, 0] - END
        allowed = logits if top_k is None else np.where(logits < np.sort(logits)[-2], -99, logits)
        chance = special.softmax(allowed.astype("float64") / temperature)
        counts = np.bincount(first, minlength=len(chance))
        keep = chance > 1e-9
        assert not counts[~keep].any()
        expected = count * chance[keep] / chance[keep].sum()
        assert stats.chisquare(counts[keep], expected).pvalue > FALSE_ALARM


def test_heat_does_not_bring_back_what_top_k_left_out():
    model, source = made("post-norm"), np.repeat(SOURCE[:1], 20, axis=0)
    hot = model.sample(source, 1, 1e12, 1, seed=1)
    np.testing.assert_array_equal(hot, model.sample(source, 1, 1.0, 1, seed=2))


@every_model
def test_the_loss_is_the_mean_over_tokens(name):
    model = made(name, optimizer=keras.optimizers.SGD(0.0))
    tokens = (TARGET[:, 1:] != PAD).sum()
    expected = -model.log_prob(SOURCE, TARGET).numpy().sum() / tokens
    found = model.evaluate(data(), batch_size=3, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    # Over batches of unequal numbers of tokens too.
    found = model.evaluate(data(), batch_size=2, verbose=0, return_dict=True)
    assert found["nll_per_token"] == pytest.approx(expected, rel=1e-5)


def test_label_smoothing_is_in_the_training_loss_only():
    part = 0.3
    model = made("post-norm", optimizer=keras.optimizers.SGD(0.0), label_smoothing=part)
    plain = model.evaluate(data(), verbose=0)
    logits = model(data()).numpy()[..., END:].astype("float64")
    log_probs = special.log_softmax(logits, axis=-1)
    wanted = (1 - part) * np.eye(SIZE)[TARGET[:, 1:]][..., END:] + part / (SIZE - END)
    losses = -(wanted * log_probs).sum(axis=-1)
    present = TARGET[:, 1:] != PAD
    history = model.fit(data(), batch_size=3, verbose=0).history
    assert history["loss"][0] == pytest.approx(losses[present].mean(), rel=1e-5)
    assert history["nll_per_token"][0] == pytest.approx(plain[0], rel=1e-5)


def test_weights_weigh_the_tokens_of_their_row():
    model = made("post-norm", optimizer=keras.optimizers.SGD(0.0))
    weight = np.array([1.0, 0.0, 2.5])
    found = model.evaluate(data(), sample_weight=weight, verbose=0)
    counts = (TARGET[:, 1:] != PAD).sum(axis=1)
    log_probs = model.log_prob(SOURCE, TARGET).numpy()
    expected = -(weight * log_probs).sum() / (weight * counts).sum()
    assert found[0] == pytest.approx(expected, rel=1e-5)


def test_later_bad_weights_are_stopped_in_the_graph():
    model, reference = made("lstm", "sgd"), made("lstm", "sgd")
    whole = {name: np.concatenate([rows, rows]) for name, rows in data().items()}
    weights = np.array([1, 1, 1, 1, -1, 1], "float32")
    rows = tf.data.Dataset.from_tensor_slices((whole, weights)).batch(3)
    message = "Expected sample_weight to be finite and >= 0. Received:"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(rows.map(lambda x, weights: (x, None, weights)), verbose=0)
    reference.fit(data(), batch_size=3, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@every_model
def test_a_batch_without_weight_moves_nothing(name):
    model = made(name, keras.optimizers.SGD(0.1))
    before = weights_of(model)
    logs = model.train_on_batch(data(), sample_weight=np.zeros(3))
    assert np.isfinite(logs).all()
    for now, then in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", ["post-norm", "pre-norm"])
def test_dropout_is_on_both_sides_and_in_training_only(name, monkeypatch):
    model, plain = made(name, dropout=0.5), made(name)
    np.testing.assert_array_equal(model(data()), plain(data()))
    np.testing.assert_array_equal(model.greedy(SOURCE), plain.greedy(SOURCE))
    source = tf.constant(SOURCE)
    memory = model.encode(source, training=True)
    assert np.any(memory != model.encode(source, training=True))
    monkeypatch.setattr(model, "encode", lambda source, training: memory)
    assert np.any(model(data(), training=True) != model(data(), training=True))


@every_model
def test_a_fresh_model_answers_and_can_be_trained_then(name):
    model = MODELS[name]()
    assert np.all(model.log_prob(SOURCE, TARGET) < 0)
    model.greedy(SOURCE)
    model.compile("sgd")
    model.fit(data(), verbose=0)


def weights_of(model):
    return [np.array(weight) for weight in model.trainable_variables]


def stepped(name, **options):
    model = made(name, optimizer=keras.optimizers.SGD(0.5), **options)
    model.fit(data(), batch_size=3, shuffle=False, verbose=0)
    return weights_of(model)


@every_model
def test_a_step_compiled_by_xla_is_the_same_step(name):
    options = {} if name == "lstm" else {"dropout": 0.3}
    plain = stepped(name, **options)
    assert any(np.any(a != b) for a, b in zip(plain, weights_of(made(name)), strict=True))
    for one, other in zip(stepped(name, jit_compile=True, **options), plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@every_model
def test_two_replicas_take_the_step_of_one_device(two_replicas, name):
    # Four rows with unlike numbers of tokens: a mean of means would be another step.
    rows = np.array([0, 1, 2, 2])
    plain = made(name, optimizer=keras.optimizers.SGD(0.5))
    plain.fit(data(rows), batch_size=4, shuffle=False, verbose=0)
    with two_replicas.scope():
        model = made(name, optimizer=keras.optimizers.SGD(0.5))
    model.fit(data(rows), batch_size=4, shuffle=False, verbose=0)
    for one, other in zip(weights_of(model), weights_of(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@every_model
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_policies(name, policy):
    model, plain = made(name, dtype=policy), made(name)
    found, expected = (m.log_prob(SOURCE, TARGET) for m in (model, plain))
    assert found.dtype == tf.float32
    # Some twenty roundings to 8 bits of values of order 1, in each of a few tokens.
    np.testing.assert_allclose(found, expected, atol=0.3)
    assert model.greedy(SOURCE, 3).shape == (3, 3)
    model.compile("sgd")
    model.fit(data(), epochs=3, verbose=0)
    assert all(np.isfinite(weight).all() for weight in weights_of(model))


READER = """
import sys
import numpy as np
import genkeras

data = np.load(f"{sys.argv[1]}/data.npz")
found = {}
for name in sys.argv[2:]:
    model = genkeras.load_model(f"{sys.argv[1]}/{name}.keras")
    found[name] = model.log_prob(data["source"], data["target"])
    for k, variable in enumerate(model.optimizer.variables):
        found[f"{name}{k}"] = np.array(variable)
np.savez(f"{sys.argv[1]}/found.npz", **found)
"""


@pytest.fixture(scope="module")
def in_another_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    models = {}
    for name in MODELS:
        models[name] = made(name, optimizer=keras.optimizers.Adam(0.01))
        models[name].fit(data(), verbose=0)
        models[name].save(folder / f"{name}.keras")
    np.savez(folder / "data.npz", **data())
    subprocess.run([sys.executable, "-c", READER, folder, *MODELS], check=True)
    return models, np.load(folder / "found.npz")


@every_model
def test_a_saved_model_is_the_same_in_another_process(in_another_process, name):
    models, found = in_another_process
    expected = models[name].log_prob(SOURCE, TARGET)
    np.testing.assert_allclose(found[name], expected, rtol=1e-5)
    for k, variable in enumerate(models[name].optimizer.variables):
        np.testing.assert_allclose(found[f"{name}{k}"], np.array(variable), rtol=1e-6)


@every_model
def test_a_configuration_rebuilds_the_model(name):
    model = made(name)
    config = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again._ensure_built()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.log_prob(SOURCE, TARGET), model.log_prob(SOURCE, TARGET))


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path):
    def run(directory, epochs):
        model = made("post-norm", optimizer=keras.optimizers.Adam(0.01), dropout=0.2)
        fit_resumable(
            model, data(), epochs=epochs, batch_size=2, seed=3, directory=directory, verbose=0
        )
        return weights_of(model)

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "cut", 1)
    for one, other in zip(run(tmp_path / "cut", 3), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["post-norm", "pre-norm"])
def test_maps_of_attention_in_half_precision(name):
    half, whole = made(name, dtype="mixed_bfloat16"), made(name)
    found, expected = (
        (model.attention_maps(SOURCE, TARGET), model.self_attention_maps(SOURCE))
        for model in (half, whole)
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(tf.cast(a, tf.float32), b, atol=0.1)  # eight bits, few layers


def test_maps_of_attention_show_what_the_decoder_looks_at():
    model = made("post-norm")
    maps = model.attention_maps(SOURCE, TARGET).numpy()
    assert maps.shape == (2, 3, 2, 3, 4)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=1e-5)
    assert not maps[:, 2, :, :, 2:].any()  # the padding of the third source


@pytest.mark.parametrize("name", ["post-norm", "pre-norm"])
def test_maps_of_self_attention_are_those_that_the_encoder_used(name, monkeypatch):
    model = made(name)
    maps = model.self_attention_maps(SOURCE).numpy()
    assert maps.shape == (2, 3, 2, 4, 4)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=1e-5)
    assert not maps[:, 2, :, :, 2:].any()
    # Computed once more from what the last block asks its attention for.
    attention, asked = model.encoder_blocks[-1].self_attention, []
    attend = attention.attend
    monkeypatch.setattr(attention, "attend", lambda *a: (asked.extend(a), attend(*a))[1])
    model.encode(tf.constant(SOURCE))
    x, keys, _, mask, _ = asked
    queries = attention.query_dense(x).numpy().reshape(3, 4, 2, 4).swapaxes(1, 2)
    scores = queries @ keys.numpy().swapaxes(2, 3) / 2
    expected = special.softmax(np.where(mask, scores, -np.inf), axis=-1)
    np.testing.assert_allclose(maps[-1], expected, rtol=1e-4, atol=1e-6)


def bad(**changed):
    return {**data(), **changed}


def test_targets_beside_the_sources_are_told_where_to_go():
    model = made("post-norm", optimizer=keras.optimizers.SGD(0.5))
    with pytest.raises(ValueError, match="go into {'source': source, 'target': target}. Received"):
        model.fit(SOURCE, TARGET)


BAD = {
    "no dictionary": (SOURCE, "a dictionary with 'source' and 'target'"),
    "a key too many": ({**data(), "x": SOURCE}, "a dictionary with 'source' and 'target'"),
    "unknown token": (bad(source=SOURCE + 1), "the tokens of source to hold whole numbers from 0"),
    "half a token": (bad(source=SOURCE + 0.5), "the tokens of source to hold whole numbers"),
    "negative token": (bad(source=SOURCE - 1), "the tokens of source to hold whole numbers"),
    "NaN": (bad(source=np.full((3, 4), np.nan)), "the tokens of source to hold whole numbers"),
    "words": (bad(source=np.full((3, 4), "a")), "source to hold real numbers"),
    "empty sentence": (bad(source=SOURCE * [[1], [0], [1]]), "a token in every row of source"),
    "too long": (bad(source=np.ones((3, 7), int)), "source of at most 6 tokens"),
    "one row short": (bad(source=SOURCE[:2]), "as many targets as sources"),
    "nothing": ({"source": SOURCE[:0], "target": TARGET[:0]}, "source of shape"),
    "no start": (bad(target=TARGET[:, 1:]), "every target to begin with START = 1"),
    "start alone": (bad(target=TARGET[:, :1]), "every target to begin with START = 1"),
    "one sentence": ({"source": SOURCE[0], "target": TARGET[0]}, "source of shape"),
    "a second start": (
        bad(target=[[1, 3, 4, 2], [1, 1, 4, 2], [1, 2, 0, 0]]),
        "one START .* row 1",
    ),
    "more after the end": (
        bad(target=[[1, 3, 4, 2], [1, 4, 2, 0], [1, 2, 3, 0]]),
        r"one START .* padding alone after END = 2. Received: row 2, \[1, 2, 3, 0\]",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_data_move_nothing(kind):
    rows, message = BAD[kind]
    model = made("post-norm", optimizer=keras.optimizers.SGD(0.5))
    before = weights_of(model)
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            method(rows, verbose=0)
    for one, other in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(one, other)


LATER = {  # the third row of a data set whose first is good
    "unknown token": ("source", [17, 2, 0, 0], "the tokens of source"),
    "half a token": ("source", [3.5, 2, 0, 0], "the tokens of source"),
    "padding in front": ("source", [0, 4, 2, 0], "rows of source"),
    "empty sentence": ("source", [0, 0, 0, 0], "rows of source"),
    "no start": ("target", [3, 2, 0, 0], "rows of target"),
    "start alone": ("target", [1, 0, 0, 0], "rows of target"),
    "a second start": ("target", [1, 1, 3, 2], "rows of target"),
    "more after the end": ("target", [1, 2, 3, 0], "rows of target"),
}


@pytest.mark.parametrize("kind", LATER)
def test_a_bad_batch_of_a_dataset_is_refused_by_the_graph(kind):
    name, row, message = LATER[kind]
    model, good = (made("post-norm", optimizer=keras.optimizers.SGD(0.5)) for _ in range(2))
    rows = {side: array.astype("float32") for side, array in data().items()}
    rows[name][2] = row
    dataset = tf.data.Dataset.from_tensor_slices(rows).batch(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"Expected {message}"):
        model.fit(dataset, verbose=0)
    good.fit(dataset.take(2), verbose=0)
    for one, other in zip(weights_of(model), weights_of(good), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_later_batch_that_is_too_long_is_refused():
    model = made("lstm", optimizer=keras.optimizers.SGD(0.5))
    short, long = (
        tf.data.Dataset.from_tensors({"source": source, "target": TARGET})
        for source in (SOURCE, np.full((3, 7), A))
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="rows of source of at most 6 tokens"):
        model.evaluate(short.concatenate(long), verbose=0)


@pytest.mark.parametrize("refused", [{"source": SOURCE * 0}, {"max_length": 99}, {"top_k": 6}])
def test_a_refused_draw_leaves_the_stream_of_the_model_where_it_was(refused):
    model, fresh = made("post-norm"), made("post-norm")
    with pytest.raises(ValueError, match="Expected"):
        model.sample(**{"source": SOURCE, **refused})
    np.testing.assert_array_equal(model.sample(SOURCE), fresh.sample(SOURCE))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.greedy(SOURCE, 7), "at most 6 tokens"),
        (lambda m: m.greedy(SOURCE, 0), "max_length"),
        (lambda m: m.greedy(SOURCE * 0), "a token in every row"),
        (lambda m: m.sample(SOURCE, temperature=0), "temperature"),
        (lambda m: m.sample(SOURCE, top_k=0), "top_k"),
        (lambda m: m.sample(SOURCE, top_k=6), "top_k of at most 5"),
        (lambda m: m.beam_search(SOURCE, 0), "beam_size"),
        (lambda m: m.beam_search(SOURCE, length_penalty=-1), "length_penalty"),
        (lambda m: m.log_prob(SOURCE, TARGET + 3), "every target to begin|the tokens of target"),
        (lambda m: m.compile("sgd", loss="mse"), "no loss"),
        (lambda m: Transformer(3, 5), "source_vocabulary"),
        (lambda m: Transformer(5, 5, num_labels=3), "no num_labels"),
        (lambda m: Transformer(5, 6, shared_embeddings=True), "vocabularies of one size"),
        (lambda m: Transformer(5, 5, model_dim=10, num_heads=4), "model_dim to be a multiple of 4"),
        (lambda m: Transformer(5, 5, model_dim=9, num_heads=3), "model_dim to be a multiple of 2"),
        (lambda m: Transformer(5, 5, label_smoothing=1.0), "label_smoothing"),
        (lambda m: Transformer(5, 5, max_length=1), "max_length"),
        (lambda m: LSTMSequenceToSequence(5, 5, units=0), "units"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=f"Expected ({message})"):
        call(made("post-norm"))


def test_the_rate_rises_on_a_line_and_falls_with_the_root():
    rate = InverseSquareRoot(0.01, 100)
    steps = np.arange(1000)  # taken so far
    expected = 0.01 * np.minimum((steps + 1) / 100, np.sqrt(100 / (steps + 1)))
    np.testing.assert_allclose([float(rate(step)) for step in steps], expected, rtol=1e-5)
    assert np.argmax(expected) == 99
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert again.get_config() == rate.get_config()
