"""Transformer: sequence to sequence by attention alone.

memory = encoder(source);  p(y_t | y_<t, source) = softmax(decoder(y_<t, memory) E^T)

Reference: Vaswani et al. 2017, "Attention is all you need", https://arxiv.org/abs/1706.03762
"""

import math

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.layers.attention import causal_mask, padding_mask, sinusoidal_positions
from genkeras.layers.dropout import Dropout
from genkeras.layers.transformer_block import DecoderBlock, EncoderBlock
from genkeras.transformers.decoding import PAD
from genkeras.transformers.sequence_to_sequence import SequenceToSequence

# Blocks take seeds + 1000, + 1100, ... in the encoder and + 2000, ... in the decoder, which begins
# higher where the encoder has more than ten.
ENCODER, DECODER, STRIDE = 1000, 2000, 100


@keras.saving.register_keras_serializable(package="genkeras")
class Transformer(SequenceToSequence):
    """Encoder and decoder of attention blocks, trained on `{"source": tokens, "target": tokens}`.

    Args:
        source_vocabulary, target_vocabulary: numbers of tokens, the reserved ones included.
        model_dim: entries of the vector at each position.
        num_heads: attentions side by side.
        num_layers: blocks of the encoder, and of the decoder.
        hidden_units: hidden units of the network at each position.
        dropout: rate on embeddings and on what each sublayer adds.
        shared_embeddings: whether source and target have one table of vectors; the output layer
            always has that of the target.
        pre_norm: where the blocks normalise.
        max_length, label_smoothing, seed: those of `SequenceToSequence`.

    Reference: figure 1 of the paper; the base model has 512, 8, 6, 2048 and 0.1.
    """

    def __init__(
        self,
        source_vocabulary,
        target_vocabulary,
        model_dim=512,
        num_heads=8,
        num_layers=6,
        hidden_units=2048,
        dropout=0.1,
        *,
        shared_embeddings=False,
        pre_norm=False,
        **kwargs,
    ):
        super().__init__(source_vocabulary, target_vocabulary, **kwargs)
        self.num_heads = checks.positive_int("num_heads", num_heads)
        self.model_dim = checks.multiple_of("model_dim", model_dim, self.num_heads)
        checks.multiple_of("model_dim", model_dim, 2)  # of sines and cosines
        self.num_layers = checks.positive_int("num_layers", num_layers)
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.dropout = checks.real("dropout", dropout, below=1.0)
        self.shared_embeddings = checks.boolean("shared_embeddings", shared_embeddings)
        self.pre_norm = checks.boolean("pre_norm", pre_norm)
        if self.shared_embeddings and self.source_vocabulary != self.target_vocabulary:
            raise ValueError(
                "Expected vocabularies of one size for shared_embeddings. Received: "
                f"{self.source_vocabulary} and {self.target_vocabulary} tokens"
            )

        def blocks(kind, first):
            return [
                kind(
                    self.num_heads,
                    self.hidden_units,
                    self.dropout,
                    pre_norm=self.pre_norm,
                    seed=checks.seed(self.seed, first + STRIDE * k),
                    dtype=self.dtype_policy,
                )
                for k in range(self.num_layers)
            ]

        self.encoder_blocks = blocks(EncoderBlock, ENCODER)
        self.decoder_blocks = blocks(DecoderBlock, max(DECODER, ENCODER + STRIDE * self.num_layers))
        self.drops = [
            Dropout(self.dropout, checks.seed(self.seed, k), dtype=self.dtype_policy)
            for k in (2, 3)
        ]
        # The sum of a chain of blocks that read what is normalised is not so itself.
        self.final_norms = [
            keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy)
            for _ in range(2 if self.pre_norm else 0)
        ]

    def build(self, input_shape):
        def table(name, size, number):
            start = keras.initializers.RandomNormal(
                stddev=self.model_dim**-0.5, seed=checks.seed(self.seed, number)
            )
            return self.add_weight(name=name, shape=(size, self.model_dim), initializer=start)

        self.target_table = table("target_table", self.target_vocabulary, 1)
        self.source_table = (
            self.target_table
            if self.shared_embeddings
            else table("source_table", self.source_vocabulary, 0)
        )
        self.positions = sinusoidal_positions(self.max_length, self.model_dim)
        for part in (*self.encoder_blocks, *self.decoder_blocks, *self.final_norms):
            part.build((None, None, self.model_dim))

    def encode(self, source, training=False):
        """The encoder's vectors: `(batch, length, model_dim)`."""
        self._ensure_built()
        mask = padding_mask(source != PAD)
        x = self._embedded(source, self.source_table, 0, training)
        for block in self.encoder_blocks:
            x = block(x, mask, training=training)
        return self.final_norms[0](x) if self.pre_norm else x

    def _logits(self, source, target, training):
        memory, memory_mask = self.encode(source, training), padding_mask(source != PAD)
        mask = causal_mask(tf.shape(target)[1])
        x = self._embedded(target, self.target_table, 1, training)
        for block in self.decoder_blocks:
            x = block(x, memory, mask, memory_mask, training=training)
        return self._scored(x)

    def self_attention_maps(self, source):
        """How much each token of the source looks at each, in every block of the encoder.

        Returns:
            `(blocks, batch, heads, source length, source length)`, a tensor.
        """
        source = self._checked_source(source)
        self._ensure_built()
        mask = padding_mask(source != PAD)
        x, maps = self._embedded(source, self.source_table, 0), []
        for block in self.encoder_blocks:
            maps.append(block.attention_weights(x, mask))
            x = block(x, mask)
        return tf.stack(maps)

    def attention_maps(self, source, target):
        """How much each token of the target looks at each of the source, in every block.

        Returns:
            `(blocks, batch, heads, target length - 1, source length)`, a tensor: of each token the
            weights with which the next one is chosen.
        """
        data, _ = self._checked_arrays({"source": source, "target": target})
        self._ensure_built()
        source, target = tf.constant(data["source"]), tf.constant(data["target"])[:, :-1]
        memory, memory_mask = self.encode(source), padding_mask(source != PAD)
        mask = causal_mask(tf.shape(target)[1])
        x, maps = self._embedded(target, self.target_table, 1), []
        for block in self.decoder_blocks:
            maps.append(block.memory_weights(x, memory, mask, memory_mask))
            x = block(x, memory, mask, memory_mask)
        return tf.stack(maps)

    def _embedded(self, tokens, table, side, training=False):
        positions = tf.constant(self.positions)[: tf.shape(tokens)[1]]
        return self.drops[side](self._vectors(tokens, table, positions), training=training)

    def _vectors(self, tokens, table, positions):
        # (batch, length) -> (batch, length, model_dim)
        x = tf.gather(table.value, tokens) * math.sqrt(self.model_dim) + positions
        return tf.cast(x, self.compute_dtype)

    def _scored(self, x):
        """Logits of the next token."""
        x = self.final_norms[1](x) if self.pre_norm else x
        return tf.matmul(x, tf.cast(self.target_table.value, x.dtype), transpose_b=True)

    def _memory(self, source):
        encoded = self.encode(source)
        pairs = [block.memory_attention.keys_and_values(encoded) for block in self.decoder_blocks]
        return {"pairs": pairs, "mask": padding_mask(source != PAD)}

    def _state(self, memory, num_rows, max_length):
        size = self.model_dim // self.num_heads
        shape = (num_rows, self.num_heads, max_length, size)
        return [
            (tf.zeros(shape, self.compute_dtype), tf.zeros(shape, self.compute_dtype))
            for _ in self.decoder_blocks
        ]

    def _step(self, tokens, place, state, memory):
        position = tf.gather(self.positions, place)
        x = self._vectors(tokens[:, tf.newaxis], self.target_table, position)
        filled = []
        layers = zip(self.decoder_blocks, state, memory["pairs"], strict=True)
        for block, cache, pair in layers:
            x, cache = block.step(x, cache, place, pair, memory["mask"])
            filled.append(cache)
        return self._scored(x)[:, 0], filled

    def get_config(self):
        return {
            **super().get_config(),
            "model_dim": self.model_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "shared_embeddings": self.shared_embeddings,
            "pre_norm": self.pre_norm,
        }
