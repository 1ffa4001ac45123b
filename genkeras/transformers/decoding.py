"""Writing a sequence token by token: the most probable next token, a beam of the best, or draws.

A model gives `step(tokens, place, state) -> (logits, state)`: from the tokens `(rows,)` at one
place it makes the logits `(rows, vocabulary)` of the next one, and its state (a cache of keys and
values, the state of an LSTM) is a nest of tensors whose first axis is the rows. All loops run in
the graph; sequences are `(rows, max_length)` int32, with `PAD` after the end.
"""

import tensorflow as tf

from genkeras import random

PAD, START, END = 0, 1, 2
NEVER = -1e9  # a log-probability that loses against every other


def draw(step, state, num_rows, max_length, choose):
    """Writes rows from left to right until all have ended.

    Args:
        step, state: of the model; the first token it reads is `START`.
        num_rows: scalar int.
        max_length: tokens of a row at most.
        choose: `(logits, place) -> tokens`, from `(rows, vocabulary)`.

    Returns:
        Tokens `(rows, max_length)` int32, and the sum of their log-probabilities `(rows,)`.
    """
    tokens = tf.zeros((num_rows, max_length), tf.int32)
    total, ended = tf.zeros(num_rows), tf.zeros(num_rows, tf.bool)

    def proceed(place, tokens, last, total, ended, state):
        return (place < max_length) & ~tf.reduce_all(ended)

    def write(place, tokens, last, total, ended, state):
        logits, state = step(last, place, state)
        chosen = choose(logits, place)
        log_probs = tf.nn.log_softmax(logits)
        gained = tf.gather(log_probs, chosen, batch_dims=1)
        chosen = tf.where(ended, PAD, chosen)
        total += tf.where(ended, 0.0, gained)
        tokens = _written(tokens, chosen, place)
        return place + 1, tokens, chosen, total, ended | (chosen == END), state

    start = tf.fill([num_rows], START)
    loop = (tf.constant(0), tokens, start, total, ended, state)
    _, tokens, _, total, _, _ = tf.while_loop(proceed, write, loop, parallel_iterations=1)
    return tokens, total


def most_probable(logits, place):
    """Greedy choice, for `draw`."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32)


def sampled(seed, temperature=1.0, top_k=None):
    """A choice by chance, for `draw`.

    Args:
        seed: `(2,)` int.
        temperature: what the logits are divided by, > 0.
        top_k: only among so many of the most probable tokens, and what ties with the last of them;
            None: among all.
    """

    def choose(logits, place):
        logits = logits / temperature
        if top_k is not None:
            lowest = tf.math.top_k(logits, top_k).values[:, -1:]
            logits = tf.where(logits < lowest, NEVER, logits)
        # The largest of logits plus Gumbel noise is a draw of their softmax.
        step_seed = random.fold_in(seed, place)
        uniform = random.uniform(tf.shape(logits), step_seed)
        uniform = tf.maximum(uniform, tf.constant(1e-20))
        gumbel = -tf.math.log(-tf.math.log(uniform))
        return tf.argmax(logits + gumbel, axis=-1, output_type=tf.int32)

    return choose


def beam_search(step, state, num_rows, max_length, beam_size, length_penalty=1.0):
    """Writes the `beam_size` best beginnings of every row side by side.

    At each place every beginning is continued by every token. Of the best continuations those that
    end are kept as results, by log-probability / length^`length_penalty`; the best that do not end
    go on. A row is done when none of them can overtake its worst result.

    Args:
        step, state, num_rows, max_length: as in `draw`; the state holds `num_rows * beam_size`
            rows, those of one row next to each other.
        beam_size: beginnings of each row.
        length_penalty: 0 compares sums of log-probabilities, 1 means over the tokens.

    Returns:
        The results, best first: tokens `(rows, beam_size, max_length)` int32, and their scores
        `(rows, beam_size)`. Where fewer have ended, the best of what has not follows them.
    """
    shape = (num_rows, beam_size)
    alive = tf.zeros((*shape, max_length), tf.int32)
    # At first all beginnings are the same: all but one are out of the race.
    alive_sums = tf.tile(tf.constant([[0.0] + [NEVER] * (beam_size - 1)]), (num_rows, 1))
    ended, scores = tf.zeros_like(alive), tf.fill(shape, NEVER)

    def penalty(length):
        return tf.cast(length, tf.float32) ** length_penalty

    def proceed(place, alive, alive_sums, ended, scores, state):
        # A sum can only fall; at its best it is divided by the greatest length.
        reachable = alive_sums[:, 0] / penalty(max_length if length_penalty > 0 else place + 1)
        return (place < max_length) & tf.reduce_any(reachable > scores[:, -1])

    def write(place, alive, alive_sums, ended, scores, state):
        before = tf.where(place > 0, alive[:, :, tf.maximum(place - 1, 0)], START)
        logits, state = step(tf.reshape(before, [-1]), place, state)
        size = logits.shape[-1]
        log_probs = tf.reshape(tf.nn.log_softmax(logits), (num_rows, beam_size, size))
        sums = tf.reshape(alive_sums[:, :, tf.newaxis] + log_probs, (num_rows, -1))
        # Every beginning has one continuation that ends: of 2 * beam_size, as many do not end.
        best, places = tf.math.top_k(sums, 2 * beam_size)
        parents, tokens = places // size, places % size
        rows = _written(tf.gather(alive, parents, batch_dims=1), tokens, place)
        ends = tokens == END

        candidates = tf.where(ends & (best > NEVER / 2), best / penalty(place + 1), NEVER)
        scores, kept = tf.math.top_k(tf.concat([scores, candidates], axis=1), beam_size)
        ended = tf.gather(tf.concat([ended, rows], axis=1), kept, batch_dims=1)

        alive_sums, kept = tf.math.top_k(tf.where(ends, NEVER, best), beam_size)
        alive = tf.gather(rows, kept, batch_dims=1)
        parents = tf.gather(parents, kept, batch_dims=1)
        origin = tf.reshape(parents + tf.range(num_rows)[:, tf.newaxis] * beam_size, [-1])
        state = tf.nest.map_structure(lambda part: tf.gather(part, origin), state)
        return place + 1, alive, alive_sums, ended, scores, state

    loop = (tf.constant(0), alive, alive_sums, ended, scores, state)
    _, alive, alive_sums, ended, scores, _ = tf.while_loop(
        proceed, write, loop, parallel_iterations=1
    )
    # What has not ended comes after everything that has, if it can be written at all.
    possible = alive_sums > NEVER / 2
    alive = tf.where(possible[:, :, tf.newaxis], alive, PAD)
    unfinished = tf.where(possible, NEVER + alive_sums / penalty(max_length), 2 * NEVER)
    scores = tf.where(scores > NEVER / 2, scores, 2 * NEVER)  # a place that nothing has taken
    scores, kept = tf.math.top_k(tf.concat([scores, unfinished], axis=1), beam_size)
    return tf.gather(tf.concat([ended, alive], axis=1), kept, batch_dims=1), scores


def _written(tokens, chosen, place):
    """Tokens `(..., max_length)` with `chosen` `(...)` at one place."""
    here = tf.range(tokens.shape[-1]) == place
    return tf.where(here, chosen[..., tf.newaxis], tokens)
