"""Encoder and decoder blocks of the Transformer.

A block is a chain of sublayers, attention and a small network at every position, each with a way
around it:

    post-norm, as in the paper:  x <- LayerNorm(x + Dropout(sublayer(x)))
    pre-norm:                    x <- x + Dropout(sublayer(LayerNorm(x)))

Reference: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.1; pre-norm: Xiong et
al. 2020, https://arxiv.org/abs/2002.04745
"""

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.layers.attention import MultiHeadAttention
from genkeras.layers.dropout import Dropout

# Each sublayer of a block takes seeds of its own: + 0, + 10, + 20.
STRIDE = 10
BLOCK_STRIDE = 100  # between the blocks of a chain


@keras.saving.register_keras_serializable(package="genkeras")
class FeedForward(keras.layers.Layer):
    """Two dense layers at every position: max(0, x W_1 + b_1) W_2 + b_2.

    Args:
        hidden_units: units of the first; the second has as many as the input.
        activation: name of a Keras activation.
        seed: int or None, of the weights.

    Reference: eq. 2 of the paper.
    """

    def __init__(self, hidden_units, activation="relu", seed=None, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.activation = checks.activation_name("activation", activation)
        self.seed = checks.seed(seed)

    def build(self, input_shape):
        def dense(units, activation, number):
            start = keras.initializers.GlorotUniform(checks.seed(self.seed, number))
            return keras.layers.Dense(
                units, activation, kernel_initializer=start, dtype=self.dtype_policy
            )

        self.hidden = dense(self.hidden_units, self.activation, 0)
        self.outputs = dense(input_shape[-1], None, 1)
        self.hidden.build(input_shape)
        self.outputs.build((*input_shape[:-1], self.hidden_units))

    def call(self, inputs):
        return self.outputs(self.hidden(inputs))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "seed": self.seed,
        }


class _Block(keras.layers.Layer):
    """What both blocks share: sublayers with their normalisation and dropout."""

    sublayers = ()

    def __init__(
        self,
        num_heads,
        hidden_units,
        dropout=0.0,
        *,
        activation="relu",
        pre_norm=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = checks.positive_int("num_heads", num_heads)
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.dropout = checks.real("dropout", dropout, below=1.0)
        self.activation = checks.activation_name("activation", activation)
        self.pre_norm = checks.boolean("pre_norm", pre_norm)
        self.seed = checks.seed(seed)

    def build(self, input_shape):
        for k, name in enumerate(self.sublayers):
            seed = checks.seed(self.seed, STRIDE * k)
            options = {"seed": seed, "dtype": self.dtype_policy, "name": name}
            layer = (
                FeedForward(self.hidden_units, self.activation, **options)
                if name == "feed_forward"
                else MultiHeadAttention(self.num_heads, **options)
            )
            norm = keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=self.dtype_policy, name=f"{name}_norm"
            )
            drop = Dropout(
                self.dropout, checks.seed(self.seed, STRIDE * k + 5), dtype=self.dtype_policy
            )
            for part in (layer, norm):
                part.build(input_shape)
            setattr(self, name, layer)
            setattr(self, f"{name}_norm", norm)
            setattr(self, f"{name}_drop", drop)

    def _around(self, name, x, sublayer, training):
        """One sublayer, a function of x, with the way around it."""
        norm, drop = getattr(self, f"{name}_norm"), getattr(self, f"{name}_drop")
        if self.pre_norm:
            return x + drop(sublayer(norm(x)), training=training)
        return norm(x + drop(sublayer(x), training=training))

    def _look_back(self, cache, place):
        """Self-attention of one position on those before, and a list of what the cache then is.

        The list is filled when the function, of x `(batch, 1, model_dim)`, is called.
        """
        filled = []

        def look(y):
            new = self.self_attention.keys_and_values(y)
            filled.extend(_put(old, entry, place) for old, entry in zip(cache, new, strict=True))
            written = tf.range(tf.shape(cache[0])[2]) <= place
            return self.self_attention.attend(y, *filled, written)

        return look, filled

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": self.activation,
            "pre_norm": self.pre_norm,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="genkeras")
class EncoderBlock(_Block):
    """Self-attention, then a small network at every position.

    Args:
        num_heads: attentions side by side.
        hidden_units: units of the small network's hidden layer.
        dropout: rate on what each sublayer adds.
        activation: of the hidden layer.
        pre_norm: whether a sublayer reads what is normalised, or its sum is.
        seed: int or None, of weights and dropout.

    Reference: figure 1 of the paper, left.
    """

    sublayers = ("self_attention", "feed_forward")

    def call(self, x, attention_mask=None, training=False):
        """`(batch, length, model_dim)` -> the same."""

        def look(y):
            return self.self_attention(y, y, attention_mask)

        x = self._around("self_attention", x, look, training)
        return self._around("feed_forward", x, self.feed_forward, training)

    def keys_and_values(self, x):
        """Those of self-attention when the block reads x: what `step` keeps of each position."""
        return self.self_attention.keys_and_values(
            self.self_attention_norm(x) if self.pre_norm else x
        )

    def step(self, x, cache, place):
        """One position of `call` with a causal mask, from the keys and values of those before.

        Args:
            x: `(batch, 1, model_dim)`.
            cache: a pair of `(batch, heads, max_length, head_dim)`, filled before `place`.
            place: scalar int, the position of x.

        Returns:
            `(batch, 1, model_dim)`, and the cache with this position in it.
        """
        look_back, filled = self._look_back(cache, place)
        x = self._around("self_attention", x, look_back, False)
        return self._around("feed_forward", x, self.feed_forward, False), tuple(filled)

    def attention_weights(self, x, mask=None):
        """How much each position looks at each: `(batch, heads, length, length)`."""
        x = self.self_attention_norm(x) if self.pre_norm else x
        return self.self_attention.attention_weights(x, x, mask)


@keras.saving.register_keras_serializable(package="genkeras")
class DecoderBlock(_Block):
    """Self-attention on what is written, attention on the encoder's memory, a small network.

    Args:
        num_heads, hidden_units, dropout, activation, pre_norm, seed: those of `EncoderBlock`.

    Reference: figure 1 of the paper, right.
    """

    sublayers = ("self_attention", "memory_attention", "feed_forward")

    def call(self, x, memory, attention_mask=None, memory_mask=None, training=False):
        """`(batch, length, model_dim)` -> the same; `attention_mask` is causal."""
        return self._chain(
            x,
            lambda y: self.self_attention(y, y, attention_mask),
            lambda y: self.memory_attention(y, memory, memory_mask),
            training,
        )

    def step(self, x, cache, place, memory, memory_mask=None):
        """One position of `call`, from the keys and values of those before.

        Args:
            x: `(batch, 1, model_dim)`.
            cache: keys and values of self-attention, a pair of
                `(batch, heads, max_length, head_dim)`, filled before `place`.
            place: scalar int, the position of x.
            memory: keys and values of the memory, a pair.
            memory_mask: as in `call`.

        Returns:
            `(batch, 1, model_dim)`, and the cache with this position in it.
        """
        look_back, filled = self._look_back(cache, place)
        x = self._chain(
            x, look_back, lambda y: self.memory_attention.attend(y, *memory, memory_mask), False
        )
        return x, tuple(filled)

    def memory_weights(self, x, memory, mask=None, memory_mask=None):
        """How much each position looks at the memory: `(batch, heads, length, memory length)`."""
        x = self._around("self_attention", x, lambda y: self.self_attention(y, y, mask), False)
        query = self.memory_attention_norm(x) if self.pre_norm else x
        return self.memory_attention.attention_weights(query, memory, memory_mask)

    def _chain(self, x, look_back, look_at_memory, training):
        x = self._around("self_attention", x, look_back, training)
        x = self._around("memory_attention", x, look_at_memory, training)
        return self._around("feed_forward", x, self.feed_forward, training)


def pre_norm_blocks(num_layers, num_heads, hidden_units, dropout, seed, dtype):
    """The chain of encoder blocks of later models: normalised first, with GELU.

    Args:
        num_layers: number of blocks.
        num_heads, hidden_units, dropout, dtype: of each block.
        seed: int or None, of the first; the next take seed + 100, + 200, ...

    Returns:
        A list of `EncoderBlock`s.
    """
    return [
        EncoderBlock(
            num_heads,
            hidden_units,
            dropout,
            activation="gelu",
            pre_norm=True,
            seed=checks.seed(seed, BLOCK_STRIDE * k),
            dtype=dtype,
        )
        for k in range(num_layers)
    ]


def _put(cache, entry, place):
    """The cache `(batch, heads, max_length, dim)` with `entry` at one position."""
    here = tf.range(tf.shape(cache)[2])[:, tf.newaxis] == place
    return tf.where(here, entry, cache)
