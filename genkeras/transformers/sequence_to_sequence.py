"""Models from one sequence of tokens to another: p(y|x) = prod_t p(y_t | y_<t, x).

Tokens are whole numbers; `PAD` = 0, `START` = 1 and `END` = 2 are reserved. A row of targets reads
START, tokens, END, PAD, PAD, ...; a row of sources ends with padding. In training the model reads
the right beginning of the target, whatever it would have written itself (teacher forcing).
"""

import functools

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.models.base import CheckedModel
from genkeras.training import asserted_weights, replica_mean
from genkeras.transformers import decoding, pairs
from genkeras.transformers.decoding import END, NEVER, PAD


class SequenceToSequence(CheckedModel):
    """What models of p(target | source) share: checks, the loss per token, decoding.

    Their data, for `fit`, `evaluate` and `predict`: `{"source": tokens, "target": tokens}`, int
    arrays `(n, length)`, or a `tf.data.Dataset` of batches of it.

    A subclass gives `_logits` of all tokens of a target at once, and for decoding `_memory`,
    `_state` and `_step`.

    Args:
        source_vocabulary, target_vocabulary: numbers of tokens, the reserved ones included.
        max_length: tokens of a row at most.
        label_smoothing: in training this part of the wanted probability is spread evenly over all
            tokens that can come, which `PAD` and `START` cannot; `evaluate` never does so.
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
        checks.absent(kwargs, ("num_labels",), "its condition is a source")
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
        return self._decoded("greedy", *self._asked(source, max_length))[0]

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
        asked = self._asked(source, max_length)
        seed = self._stateless(seed)  # moves the model's own stream: after all checks
        return self._decoded("sample", *asked, temperature, seed, top_k=top_k)[0]

    def beam_search(self, source, beam_size=4, max_length=None, length_penalty=1.0):
        """The best targets that a beam finds, best first, and their scores.

        Args:
            source, max_length: as in `greedy`.
            beam_size: beginnings that are kept.
            length_penalty: scores are log p / length^length_penalty, END counted.

        Returns:
            Tokens `(batch, beam_size, max_length)` int32, scores `(batch, beam_size)` float32. Rows
            without END come last, with scores below -1e8; where there are not so many targets,
            rows of padding.
        """
        return self._decoded(
            "beam",
            *self._asked(source, max_length),
            beam_size=checks.positive_int("beam_size", beam_size),
            length_penalty=checks.real("length_penalty", length_penalty),
        )

    def _asked(self, source, max_length):
        """What a decoder is asked for, checked."""
        max_length = self.max_length if max_length is None else max_length
        max_length = checks.positive_int("max_length", max_length)
        if max_length > self.max_length:
            raise ValueError(
                f"Expected at most {self.max_length} tokens, the model's max_length. "
                f"Received: max_length={max_length}"
            )
        return self._checked_source(source), max_length

    def _decoded(self, kind, source, max_length, *tensors, **options):
        """Runs a decoder, compiled once for each kind, length and option."""
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

    @property
    def _sizes(self):
        return {"source": self.source_vocabulary, "target": self.target_vocabulary}

    def _checked_arrays(self, x):
        return pairs.checked(x, self._sizes, self.max_length)

    def _checked_source(self, source):
        return tf.constant(
            pairs.checked_tokens("source", source, self.source_vocabulary, self.max_length)
        )

    def _asserted(self, inputs):
        """Source and target in int32; a batch that the checks of arrays never saw is checked."""
        return pairs.asserted(inputs, self._sizes, self.max_length)

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
