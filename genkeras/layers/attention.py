"""Attention: means of values, with weights from queries and keys; positions; Transformer blocks.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V

Masks are boolean, True where a query may look at a key, and broadcast to
`(batch, heads, queries, keys)`.

Reference: Vaswani et al. 2017, "Attention is all you need", https://arxiv.org/abs/1706.03762
"""

import math

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.layers.dropout import Dropout


def scaled_dot_product_attention(query, key, value, mask=None):
    """The weighted means of the values, and the weights.

    Args:
        query: `(..., queries, key_dim)`.
        key: `(..., keys, key_dim)`.
        value: `(..., keys, value_dim)`.
        mask: bool, broadcast to `(..., queries, keys)`, or None.

    Returns:
        `(..., queries, value_dim)`, and the weights `(..., queries, keys)`, which sum to 1 over
        the keys; a query that may look at no key has weights 0 and the mean 0.

    Reference: eq. 1 of the paper.
    """
    # Divided before the product, which half precision might not hold.
    scores = tf.matmul(query / math.sqrt(key.shape[-1]), key, transpose_b=True)
    if mask is not None:
        scores = tf.where(mask, scores, scores.dtype.min)
    weights = tf.nn.softmax(scores)
    if mask is not None:
        weights = tf.where(mask, weights, tf.zeros((), weights.dtype))
    return tf.matmul(weights, value), weights


def causal_mask(length):
    """Of a sequence that is written from left to right: `(length, length)` bool."""
    places = tf.range(length)
    return places[:, tf.newaxis] >= places


def padding_mask(present):
    """That nobody looks at padding: `(batch, 1, 1, keys)`, from `(batch, keys)` bool."""
    return present[:, tf.newaxis, tf.newaxis]


def sinusoidal_positions(length, dim):
    """Positions as waves: `(length, dim)` float32, sine and cosine of each frequency in turn.

    Entry 2i is sin(t / 10000^(2i / dim)), entry 2i + 1 the cosine.

    Args:
        length: number of positions t.
        dim: even number of entries.

    Reference: section 3.5 of the paper.
    """
    angles = _angles(length, dim)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (length, dim / 2, 2)
    return waves.reshape(length, dim).astype("float32")


def concatenated_positions(length, dim):
    """The same waves as of `sinusoidal_positions`, first all sines and then all cosines."""
    angles = _angles(length, dim)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype("float32")


def _angles(length, dim):
    frequencies = 10000.0 ** (-np.arange(0, checks.multiple_of("dim", dim, 2), 2) / dim)
    return np.arange(checks.positive_int("length", length))[:, np.newaxis] * frequencies


@keras.saving.register_keras_serializable(package="genkeras")
class LearnedPositions(keras.layers.Layer):
    """Adds a learned vector to each position.

    Args:
        length: the greatest number of positions.
        seed: int or None, of the weights.
    """

    def __init__(self, length, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.length = checks.positive_int("length", length)
        self.seed = checks.seed(seed)

    def build(self, input_shape):
        self.table = self.add_weight(
            name="table",
            shape=(self.length, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=self.seed),
        )

    def call(self, inputs):
        # (batch, at most `length`, dim)
        if (inputs.shape[1] or 0) > self.length:
            raise ValueError(
                f"Expected at most {self.length} positions. Received: {inputs.shape[1]}"
            )
        return inputs + self.table[: tf.shape(inputs)[1]]

    def get_config(self):
        return {**super().get_config(), "length": self.length, "seed": self.seed}


@keras.saving.register_keras_serializable(package="genkeras")
class MultiHeadAttention(keras.layers.Layer):
    """Several attentions side by side, each on a projection of its own, joined by a last one.

    MultiHead(Q, K, V) = concat(head_1, ..., head_h) W_O,
    head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)

    The projections of all heads are columns of one matrix; `model_dim / num_heads` of them belong
    to one head.

    Args:
        num_heads: number of attentions h.
        dropout: rate at which weights are set to 0 in training.
        seed: int or None, of the weights and the dropout.

    Reference: section 3.2.2 of the paper.

    Note: with biases, as most codes have them.
    """

    def __init__(self, num_heads, dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = checks.positive_int("num_heads", num_heads)
        self.dropout = checks.real("dropout", dropout, below=1.0)
        self.seed = checks.seed(seed)

    def build(self, input_shape):
        dim = checks.multiple_of("model_dim", input_shape[-1], self.num_heads)
        names = ("query_dense", "key_dense", "value_dense", "output_dense")
        for k, name in enumerate(names):
            start = keras.initializers.GlorotUniform(checks.seed(self.seed, k))
            dense = keras.layers.Dense(
                dim, kernel_initializer=start, dtype=self.dtype_policy, name=name
            )
            dense.build((None, None, dim))
            setattr(self, name, dense)
        self.drop = Dropout(self.dropout, checks.seed(self.seed, 4), dtype=self.dtype_policy)

    def call(self, query, memory, attention_mask=None, training=False):
        """What the queries find in the memory, which is the query itself in self-attention.

        Args:
            query: `(batch, queries, model_dim)`.
            memory: `(batch, keys, model_dim)`.
            attention_mask: bool or None.

        Returns:
            `(batch, queries, model_dim)`.
        """
        return self.attend(query, *self.keys_and_values(memory), attention_mask, training)

    def keys_and_values(self, memory):
        """Both of every head: `(batch, heads, keys, model_dim / heads)`."""
        return self._heads(self.key_dense(memory)), self._heads(self.value_dense(memory))

    def attend(self, query, keys, values, mask=None, training=False):
        """`call`, from keys and values that are there already."""
        found, _ = self._attention(query, keys, values, mask, training)
        length, dim = tf.shape(query)[1], query.shape[-1]
        joined = tf.reshape(tf.transpose(found, (0, 2, 1, 3)), (-1, length, dim))
        return self.output_dense(joined)

    def attention_weights(self, query, memory, mask=None):
        """How much each query looks at each key, by head: `(batch, heads, queries, keys)`."""
        return self._attention(query, *self.keys_and_values(memory), mask, False)[1]

    def _attention(self, query, keys, values, mask, training):
        query = self._heads(self.query_dense(query))
        found, weights = scaled_dot_product_attention(query, keys, values, mask)
        if training and self.dropout:
            found = tf.matmul(self.drop(weights, training=True), values)
        return found, weights

    def _heads(self, vectors):
        """(batch, length, model_dim) -> (batch, heads, length, model_dim / heads)"""
        size = vectors.shape[-1] // self.num_heads
        split = tf.reshape(vectors, (-1, tf.shape(vectors)[1], self.num_heads, size))
        return tf.transpose(split, (0, 2, 1, 3))

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "seed": self.seed,
        }
