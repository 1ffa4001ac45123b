"""Two recurrent networks: one reads the source, the other writes from what the first remembers.

h = LSTM(source), its state after the last token;  p(y_t | y_<t, source) = softmax(W LSTM(y_<t | h))

Reference: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks",
https://arxiv.org/abs/1409.3215
"""

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.transformers.decoding import PAD
from genkeras.transformers.sequence_to_sequence import SequenceToSequence

READER, WRITER, OUTPUT = 10, 20, 30  # the layers of each part take seeds from here on


@keras.saving.register_keras_serializable(package="genkeras")
class LSTMSequenceToSequence(SequenceToSequence):
    """An LSTM that reads and one that writes, the baseline of the Transformer.

    Args:
        source_vocabulary, target_vocabulary: numbers of tokens, the reserved ones included.
        units: entries of embeddings and states.
        num_layers: LSTM layers on each side.
        max_length, label_smoothing, seed: those of `SequenceToSequence`.

    Note: the paper reads the source backwards, so that its first words are nearer to the first
        words of the target; so does this one.
    """

    def __init__(self, source_vocabulary, target_vocabulary, units=256, num_layers=1, **kwargs):
        super().__init__(source_vocabulary, target_vocabulary, **kwargs)
        self.units = checks.positive_int("units", units)
        self.num_layers = checks.positive_int("num_layers", num_layers)

        def seed(number):
            return checks.seed(self.seed, number)

        def embedding(size, number):
            start = keras.initializers.RandomNormal(stddev=0.05, seed=seed(number))
            return keras.layers.Embedding(size, self.units, start, dtype=self.dtype_policy)

        def recurrent(number):
            return keras.layers.LSTM(
                self.units,
                return_sequences=True,
                return_state=True,
                kernel_initializer=keras.initializers.GlorotUniform(seed(number)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=seed(number + 5)),
                dtype=self.dtype_policy,
            )

        self.source_embedding = embedding(self.source_vocabulary, 0)
        self.target_embedding = embedding(self.target_vocabulary, 1)
        self.readers = [recurrent(READER + k) for k in range(self.num_layers)]
        self.writers = [recurrent(WRITER + k) for k in range(self.num_layers)]
        self.output_dense = keras.layers.Dense(
            self.target_vocabulary,
            kernel_initializer=keras.initializers.GlorotUniform(seed(OUTPUT)),
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        for embedding in (self.source_embedding, self.target_embedding):
            embedding.build((None, None))
        for layer in (*self.readers, *self.writers):
            layer.build((None, None, self.units))
        self.output_dense.build((None, None, self.units))

    def _logits(self, source, target, training):
        hidden = self.target_embedding(target)
        for layer, state in zip(self.writers, self._memory(source), strict=True):
            hidden, *_ = layer(hidden, initial_state=state)
        return self.output_dense(hidden)

    def _memory(self, source):
        """The states of every layer after the whole source."""
        backwards = tf.reverse_sequence(
            source, tf.reduce_sum(tf.cast(source != PAD, tf.int32), axis=1), seq_axis=1
        )
        hidden, states = self.source_embedding(backwards), []
        for layer in self.readers:
            hidden, *state = layer(hidden, mask=backwards != PAD)
            states.append(tuple(state))
        return states

    def _state(self, memory, num_rows, max_length):
        return memory

    def _step(self, tokens, place, state, memory):
        hidden, states = self.target_embedding(tokens), []
        for layer, before in zip(self.writers, state, strict=True):
            hidden, after = layer.cell(hidden, before)
            states.append(tuple(after))
        return self.output_dense(hidden), states

    def get_config(self):
        return {**super().get_config(), "units": self.units, "num_layers": self.num_layers}
