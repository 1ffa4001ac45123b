"""Models from one sequence of tokens to another: p(y|x) = prod_t p(y_t | y_<t, x).

Tokens are whole numbers; `PAD` = 0, `START` = 1 and `END` = 2 are reserved. A row of targets reads
START, tokens, END, PAD, PAD, ...; a row of sources ends with padding. In training the model reads
the right beginning of the target, whatever it would have written itself (teacher forcing).
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.models.base import CheckedModel
from genkeras.training import asserted_weights, replica_mean
from genkeras.transformers import decoding
from genkeras.transformers.decoding import END, NEVER, PAD, START


class SequenceToSequence(CheckedModel):
    """What models of p(target | source) share: checks, the loss per token, decoding.

    Their data, for `fit`, `evaluate` and `predict`: `{"source": tokens, "target": tokens}`, int
    arrays `(n, length)`, or a `tf.data.Dataset` of batches of it.

    A subclass gives `_logits` of all tokens of a target at once, and for decoding `_memory`,
    `_state` and `_step`.

    Args:
        source_vocabulary, target_vocabulary: numbers of tokens, the reserved ones included.
        max_length: tokens of a row at most.
        label_smoothing: in training this part of the wanted probability is spread evenly over the
            vocabulary; `evaluate` never does so.
        seed: int or None.
    """

    instead_of_y = "sources and targets go into {'source': source, 'target': target}"

    def __init__(
        self,
        source_vocabulary,
        target_vocabulary,
        *,
        max_length=256,
        label_smoothing=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        for name, size in (("source", source_vocabulary), ("target", target_vocabulary)):
            setattr(self, f"{name}_vocabulary", checks.positive_int(f"{name}_vocabulary", size, 4))
        self.max_length = checks.positive_int("max_length", max_length, minimum=2)
        self.label_smoothing = checks.real("label_smoothing", label_smoothing, below=1.0)
        self.nll_tracker = keras.metrics.Mean(name="nll_per_token")
        self._decoders = {}

    def _logits(self, source, target, training):
        """Logits of the token after each token of `target`: `(batch, length, vocabulary)`."""
        raise NotImplementedError(f"{type(self).__name__} must define _logits.")

    def _memory(self, source):
        """What decoding needs of the source, a nest of tensors with the rows first."""
        raise NotImplementedError(f"{type(self).__name__} must define _memory.")

    def _state(self, memory, num_rows, max_length):
        """What decoding changes from token to token, at the start."""
        raise NotImplementedError(f"{type(self).__name__} must define _state.")

    def _step(self, tokens, place, state, memory):
        """Logits `(rows, vocabulary)` of the token after `tokens`, and the next state."""
        raise NotImplementedError(f"{type(self).__name__} must define _step.")

    def call(self, inputs, training=False):
        """Logits of the targets from their second token on: `(batch, length - 1, vocabulary)`."""
        source, target = self._asserted(inputs)
        return self._possible(self._logits(source, target[:, :-1], training))

    def _possible(self, logits):
        """Logits in float32, of which nothing is left for `PAD` and `START`.

        So the probabilities of all targets sum to 1.
        """
        reserved = tf.range(self.target_vocabulary) < END
        return tf.where(reserved, NEVER, tf.cast(logits, tf.float32))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean over the tokens of a batch of -log p, nats; in training with label smoothing.

        `nll_per_token` of the logs is without it, and over the tokens of all batches.
        """
        labels = tf.cast(x["target"], tf.int32)[:, 1:]
        present = tf.cast(labels != PAD, tf.float32)
        if sample_weight is not None:
            present *= asserted_weights(sample_weight)[:, tf.newaxis]
        y_pred = tf.cast(y_pred, tf.float32)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, y_pred)
        count = tf.reduce_sum(present)
        self.nll_tracker.update_state(nll, present)
        loss = nll
        if training and self.label_smoothing:
            # Of an even distribution over what can come: the mean of -log p.
            possible = tf.reduce_mean(y_pred[..., END:], axis=-1)
            even = tf.reduce_logsumexp(y_pred, axis=-1) - possible
            loss = (1 - self.label_smoothing) * nll + self.label_smoothing * even
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        total = tf.reduce_sum(present * loss)
        mean = tf.math.divide_no_nan(total, replica_mean(count) * replicas)
        return mean + self.regularization() / replicas if training else mean

    def log_prob(self, source, target):
        """log p(target | source), nats: `(batch,)`.

        Args:
            source: `(batch, length)` int.
            target: `(batch, length)` int, from START to END; of a row without END, the
                log-probability that a target begins so.
        """
        data, _ = self._checked_arrays({"source": source, "target": target})
        source, target = (tf.constant(data[name]) for name in ("source", "target"))
        self._ensure_built()
        return self._compiled_log_prob(source, target)

    @functools.cached_property
    def _compiled_log_prob(self):
        @tf.function(reduce_retracing=True, autograph=False)
        def log_prob(source, target):
            logits = self._possible(self._logits(source, target[:, :-1], False))
            labels = target[:, 1:]
            nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            return -tf.reduce_sum(nll * tf.cast(labels != PAD, tf.float32), axis=1)

        return log_prob

    def greedy(self, source, max_length=None):
        """The most probable next token, again and again: `(batch, max_length)` int32.

        Args:
            source: `(batch, length)` int.
            max_length: tokens written at most, END included; the model's if None.
        """
        return self._decoded("greedy", source, max_length)[0]

    def sample(self, source, max_length=None, temperature=1.0, top_k=None, seed=None):
        """Draws a target for each source: `(batch, max_length)` int32.

        Args:
            source, max_length: as in `greedy`.
            temperature: what the logits are divided by; 1 draws from the model.
            top_k: draw only among so many of the most probable tokens.
            seed: int, or None to continue the model's own stream.
        """
        temperature = tf.constant(checks.real("temperature", temperature, minimum=1e-6))
        if top_k is not None:
            top_k = checks.positive_int("top_k", top_k)
            if top_k > self.target_vocabulary:
                raise ValueError(
                    f"Expected top_k of at most {self.target_vocabulary} tokens. "
                    f"Received: top_k={top_k}"
                )
        return self._decoded(
            "sample", source, max_length, temperature, self._stateless(seed), top_k=top_k
        )[0]

    def beam_search(self, source, beam_size=4, max_length=None, length_penalty=1.0):
        """The best targets that a beam finds, best first, and their scores.

        Args:
            source, max_length: as in `greedy`.
            beam_size: beginnings that are kept.
            length_penalty: scores are log p / length^length_penalty.

        Returns:
            Tokens `(batch, beam_size, max_length)` int32, scores `(batch, beam_size)` float32.
        """
        return self._decoded(
            "beam",
            source,
            max_length,
            beam_size=checks.positive_int("beam_size", beam_size),
            length_penalty=checks.real("length_penalty", length_penalty),
        )

    def _decoded(self, kind, source, max_length, *tensors, **options):
        """Runs a decoder, compiled once for each kind, length and option."""
        max_length = self.max_length if max_length is None else max_length
        max_length = checks.positive_int("max_length", max_length)
        if max_length > self.max_length:
            raise ValueError(
                f"Expected at most {self.max_length} tokens, the model's max_length. "
                f"Received: max_length={max_length}"
            )
        source = tf.constant(self._checked_tokens("source", source))
        self._ensure_built()
        key = (kind, max_length, *options.values())
        if key not in self._decoders:
            self._decoders[key] = self._decoder(kind, max_length, **options)
        return self._decoders[key](source, *tensors)

    def _decoder(self, kind, max_length, beam_size=1, length_penalty=1.0, top_k=None):
        # Any number of rows: the loops carry no shape that only the first call had.
        signature = [tf.TensorSpec((None, None), tf.int32)]
        if kind == "sample":
            signature += [tf.TensorSpec((), tf.float32), tf.TensorSpec((2,), tf.int32)]

        @tf.function(input_signature=signature, autograph=False)
        def decode(source, *tensors):
            num_rows = tf.shape(source)[0]
            memory = self._memory(source)
            if beam_size > 1:
                memory = tf.nest.map_structure(lambda m: tf.repeat(m, beam_size, axis=0), memory)
            state = self._state(memory, num_rows * beam_size, max_length)

            def step(tokens, place, state):
                logits, state = self._step(tokens, place, state, memory)
                return self._possible(logits), state

            if kind == "beam":
                return decoding.beam_search(
                    step, state, num_rows, max_length, beam_size, length_penalty
                )
            choose = decoding.most_probable
            if kind == "sample":
                temperature, seed = tensors
                choose = decoding.sampled(seed, temperature, top_k)
            return decoding.draw(step, state, num_rows, max_length, choose)

        return decode

    def _checked_arrays(self, x):
        if not isinstance(x, dict) or set(x) != {"source", "target"}:
            received = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise ValueError(
                f"Expected a dictionary with 'source' and 'target'. Received: {received}"
            )
        arrays = {name: self._checked_tokens(name, x[name]) for name in ("source", "target")}
        source, target = arrays["source"], arrays["target"]
        if len(source) != len(target):
            raise ValueError(
                f"Expected as many targets as sources. Received: {len(source)} sources and "
                f"{len(target)} targets"
            )
        if np.any(target[:, 0] != START) or not np.all(np.any(target[:, 1:] != PAD, axis=1)):
            raise ValueError(
                f"Expected every target to begin with START = {START} and to hold a token after "
                f"it. Received: targets of shape {target.shape} that begin with "
                f"{np.unique(target[:, :1])[:5]}"
            )
        return arrays, len(source)

    def _checked_tokens(self, name, tokens):
        """Tokens `(rows, length)` as int32: known ones, padding behind them only, not too long."""
        array = checks.numeric_array(name, tokens)
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(
                f"Expected {name} of shape (batch, length), not empty. "
                f"Received: {name} of shape {array.shape}"
            )
        longest = self.max_length + (name == "target")  # its START is not among what is written
        if array.shape[1] > longest:
            raise ValueError(
                f"Expected {name} of at most {longest} tokens, by the model's max_length = "
                f"{self.max_length}. Received: {array.shape[1]} tokens"
            )
        size = getattr(self, f"{name}_vocabulary")
        known = np.isin(array, np.arange(size))
        if not known.all():
            raise ValueError(
                checks.label_message(f"the tokens of {name}", size) + f"{array[~known].flat[0]}"
            )
        empty = ~np.any(array != PAD, axis=1)
        if empty.any():
            raise ValueError(
                f"Expected a token in every row of {name}. Received: row {empty.argmax()} with "
                "padding alone"
            )
        inside = np.any((array[:, 1:] != PAD) & (array[:, :-1] == PAD), axis=1)
        if inside.any():
            raise ValueError(
                f"Expected padding at the end of the rows of {name} only. Received: row "
                f"{inside.argmax()} with a token after padding"
            )
        return array.astype("int32")

    def _asserted(self, inputs):
        """Source and target in int32; a batch that the checks of arrays never saw is checked."""
        if not isinstance(inputs, dict) or set(inputs) != {"source", "target"}:
            raise ValueError(
                f"Expected a dictionary with 'source' and 'target'. Received: {inputs!r}"
            )
        checked = []
        for name in ("source", "target"):
            tokens = tf.cast(inputs[name], tf.int32)
            size = getattr(self, f"{name}_vocabulary")
            known = tf.reduce_all((tokens >= 0) & (tokens < size))
            message = checks.label_message(f"the tokens of {name}", size)
            checked.append((tokens, tf.debugging.Assert(known, [message, tokens])))
        with tf.control_dependencies([check for _, check in checked if check is not None]):
            return tuple(tf.identity(tokens) for tokens, _ in checked)

    def _ensure_built(self):
        if not self.built:
            with self.distribute_strategy.scope():
                self.build({"source": (None, None), "target": (None, None)})

    def get_config(self):
        config = super().get_config()
        del config["num_labels"]
        return {
            **config,
            "source_vocabulary": self.source_vocabulary,
            "target_vocabulary": self.target_vocabulary,
            "max_length": self.max_length,
            "label_smoothing": self.label_smoothing,
        }
