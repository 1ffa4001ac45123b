"""DALL-E: a picture from a sentence, token by token.

A picture is a grid of tokens of a `DiscreteVAE`. One Transformer without an encoder reads the
caption c and then the tokens x, row by row:

    log p(c) = sum_t log p(c_t | c_<t),  log p(x|c) = sum_i log p(x_i | x_<i, c)

The vocabulary is masked by position: a word never follows a token of the picture, and the
probabilities of all pictures of a caption sum to 1.

Reference: Ramesh et al. 2021, "Zero-shot text-to-image generation",
https://arxiv.org/abs/2102.12092; guidance: Ho & Salimans 2022, https://arxiv.org/abs/2207.12598
"""

import math

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks, random
from genkeras.layers.attention import causal_mask
from genkeras.layers.dropout import Dropout
from genkeras.layers.transformer_block import pre_norm_blocks
from genkeras.likelihoods import Categorical
from genkeras.models import ExplicitModel
from genkeras.training import mean_loss, replica_seed
from genkeras.transformers.captions import asserted_captions, checked_captions
from genkeras.transformers.decoding import NEVER, PAD, START

# Blocks take seeds + 1000, + 1100, ...; the tables + 0, + 1, ...; dropout + 10.
BLOCKS, DROPOUT = 1000, 10


@keras.saving.register_keras_serializable(package="genkeras")
class DALLE(ExplicitModel):
    """Transformer over the tokens of a caption and then of a picture.

    An example is a grid of tokens, whole numbers from 0; its `condition` is a row of words,
    `(caption_length,)` int with zeros (`PAD`) after the end. No condition means the empty caption,
    zeros, which training shows now and then, so that p(x) without a caption is learned too.

    Args:
        grid_shape: (rows, columns) of tokens.
        num_tokens: number of tokens that a picture is made of.
        caption_length: words of a caption at most, its end included.
        caption_vocabulary: number of words, the reserved ones included.
        model_dim: entries of the vector at each position.
        num_heads: attentions side by side.
        num_layers: blocks.
        hidden_units: hidden units of the network at each position.
        dropout: rate on embeddings and on what each sublayer adds.
        caption_weight: weight of -log p(c) in training, beside -log p(x|c); `evaluate` has the
            latter alone.
        caption_dropout: share of the captions that training replaces by the empty one.
        seed: int or None.

    Reference: section 2.2 of the paper.

    Note: the paper's attention is sparse, its captions end in learned padding of their own for
        every position, and 1/8 and 7/8 are the weights of caption and picture; it has no guidance.
    """

    def __init__(
        self,
        grid_shape,
        num_tokens,
        caption_length,
        caption_vocabulary,
        model_dim=128,
        num_heads=4,
        num_layers=4,
        hidden_units=512,
        dropout=0.0,
        *,
        caption_weight=1 / 7,
        caption_dropout=0.1,
        seed=None,
        **kwargs,
    ):
        checks.absent(kwargs, ("num_labels", "likelihood"), "its condition is a caption")
        super().__init__(Categorical(num_tokens), seed=seed, **kwargs)
        if np.shape(grid_shape) != (2,):
            raise ValueError(
                f"Expected grid_shape to be (rows, columns). Received: grid_shape={grid_shape!r}"
            )
        self.grid_shape = tuple(checks.positive_int("grid_shape", side) for side in grid_shape)
        self.num_tokens = self.likelihood.num_classes
        self.caption_length = checks.positive_int("caption_length", caption_length)
        self.caption_vocabulary = checks.positive_int("caption_vocabulary", caption_vocabulary, 4)
        self.num_heads = checks.positive_int("num_heads", num_heads)
        self.model_dim = checks.multiple_of("model_dim", model_dim, self.num_heads)
        self.num_layers = checks.positive_int("num_layers", num_layers)
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.dropout = checks.real("dropout", dropout, below=1.0)
        self.caption_weight = checks.real("caption_weight", caption_weight)
        self.caption_dropout = checks.real("caption_dropout", caption_dropout, below=1.0)
        self.blocks = pre_norm_blocks(
            self.num_layers,
            self.num_heads,
            self.hidden_units,
            self.dropout,
            checks.seed(self.seed, BLOCKS),
            self.dtype_policy,
        )
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy)
        self.drop = Dropout(self.dropout, checks.seed(self.seed, DROPOUT), dtype=self.dtype_policy)
        self._draws = {}

    @property
    def event_shape(self):
        return self.grid_shape

    def build(self, input_shape):
        sizes = {
            "word_table": self.caption_vocabulary,
            "token_table": self.num_tokens,
            "caption_positions": self.caption_length + 1,
            "row_positions": self.grid_shape[0],
            "column_positions": self.grid_shape[1],
        }
        for k, (name, size) in enumerate(sizes.items()):
            start = keras.initializers.RandomNormal(stddev=0.02, seed=checks.seed(self.seed, k))
            weight = self.add_weight(name=name, shape=(size, self.model_dim), initializer=start)
            setattr(self, name, weight)
        for part in (*self.blocks, self.final_norm):
            part.build((None, None, self.model_dim))

    def call(self, inputs, training=False):
        """Logits of the tokens, `(batch, rows, columns, num_tokens)`.

        In training a dictionary: these, and -log p(c) `(batch,)`, which is 0 for captions that
        were replaced by the empty one.
        """
        x, condition = self._asserted(inputs)
        if not training:
            return self.parameters(x, condition)
        captions = self._captions(condition, tf.shape(x)[0])
        seed = replica_seed(self.seed_generator)
        uniform = random.uniform((tf.shape(x)[0],), seed)
        kept = uniform >= self.caption_dropout
        captions = tf.where(kept[:, tf.newaxis], captions, PAD)
        words, tokens = self._logits(x, captions, training=True)
        nll = tf.where(kept, -_total_log_prob(words, captions), 0.0)
        return {"logits": tokens, "caption_nll": nll}

    def parameters(self, x, condition=None, training=False):
        """Logits `(batch, rows, columns, num_tokens)`, each of what comes before it."""
        return self._logits(x, self._captions(condition, tf.shape(x)[0]), training)[1]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean of -log p(x|c) over the batch, nats; training adds the weighted -log p(c)."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss = super().compute_loss(x, y, y_pred["logits"], sample_weight, training)
        return loss + self.caption_weight * mean_loss(y_pred["caption_nll"], sample_weight)

    def caption_log_prob(self, condition):
        """log p(c) of captions `(batch, caption_length)`, zeros after their end included, nats."""
        condition = tf.constant(self._checked_captions(condition))
        self._ensure_built()
        x = tf.zeros((tf.shape(condition)[0], *self.grid_shape))
        return _total_log_prob(self._logits(x, condition, False)[0], condition)

    def caption_gain(self, x, condition):
        """log p(x|c) - log p(x) = log p(c|x) - log p(c), nats: how well a caption fits a picture.

        So of several pictures of one caption the model itself can choose: the greater, the more
        probable is the caption given the picture.
        """
        return self.log_prob(x, condition) - self.log_prob(x)

    def sample(
        self, num_samples, *, conditioned_on=None, mask=None, condition=None, temperature=1.0,
        top_k=None, guidance=1.0, seed=None,
    ):  # fmt: skip
        """Draws pictures, or completes what is given.

        With temperature 1, all tokens and guidance 1 these are draws from exp(`log_prob`); with
        other values they are not.

        Args:
            num_samples, conditioned_on, mask, seed: those of `ExplicitModel.sample`.
            condition: one caption `(caption_length,)`, or one for each sample; None: no caption.
            temperature: what the logits are divided by, > 0.
            top_k: draw among so many of the most probable tokens, and what ties with the last of
                them; 1 takes the most probable one; None: among all.
            guidance: g; logits are l(no caption) + g (l(caption) - l(no caption)).

        Returns:
            `(num_samples, rows, columns)` float32.
        """
        # Below it logits would overflow; top_k=1 takes the most probable token.
        temperature = checks.real("temperature", temperature, minimum=1e-6)
        guidance = checks.real("guidance", guidance)
        if top_k is not None:
            top_k = checks.positive_int("top_k", top_k)
            if top_k > self.num_tokens:
                raise ValueError(
                    f"Expected top_k <= num_tokens={self.num_tokens}. Received: top_k={top_k}"
                )
        return self._sampled(
            num_samples, conditioned_on, mask, condition, seed, tf.constant(temperature),
            tf.constant(guidance), top_k, guidance != 1.0,
        )  # fmt: skip

    def _sample_block(
        self, seed, given, kept, condition, temperature, guidance, top_k=None, guided=False
    ):
        if (top_k, guided) not in self._draws:
            self._draws[top_k, guided] = self._compiled_draw(top_k, guided)
        draw = self._draws[top_k, guided]
        count, size = given.shape[0], math.prod(self.grid_shape)
        noise = self.likelihood.noise((count, size), seed)
        given, kept = tf.reshape(given, (count, size)), tf.constant(kept.reshape(size))
        tokens = draw(noise, given, kept, condition, temperature, guidance)
        return tf.reshape(tokens, (count, *self.grid_shape))

    def _compiled_draw(self, top_k, guided):
        @tf.function(jit_compile=True)
        def draw(noise, given, kept, captions, temperature, guidance):
            size = math.prod(self.grid_shape)
            if guided:
                captions = tf.concat([captions, tf.fill(tf.shape(captions), PAD)], axis=0)
            hidden, caches = self._read(captions)
            tokens = tf.TensorArray(tf.float32, size=size)

            def choose(hidden, i):
                logits = self._scored(hidden, self.token_table)[:, 0]
                if guided:
                    with_caption, without = tf.split(logits, 2)
                    logits = without + guidance * (with_caption - without)
                logits = logits / temperature
                if top_k is not None:
                    lowest = tf.math.top_k(logits, top_k).values[:, -1:]
                    logits = tf.where(logits < lowest, NEVER, logits)
                drawn = self.likelihood.sample_from_noise(logits, noise[:, i])
                return tf.where(kept[i], given[:, i], drawn)  # (batch,)

            def step(i, hidden, caches, tokens):
                token = choose(hidden, i)
                both = tf.tile(token, [2]) if guided else token
                hidden, caches = self._step(tf.cast(both, tf.int32), i, caches)
                return i + 1, hidden, caches, tokens.write(i, token)

            *_, tokens = tf.while_loop(
                lambda i, *_: i < size,
                step,
                (tf.constant(0), hidden, caches, tokens),
                maximum_iterations=size,
            )
            return tf.transpose(tokens.stack())  # (batch, rows * columns)

        return draw

    def _logits(self, x, captions, training):
        """Of the words `(batch, caption_length, ...)` and the tokens `(batch, rows, columns, ...)`.

        The sequence that is read: START, the caption, all tokens but the last.
        """
        tokens = tf.reshape(tf.cast(x, tf.int32), (-1, math.prod(self.grid_shape)))
        vectors = tf.concat([self._words(captions), self._token_vectors(tokens)[:, :-1]], axis=1)
        hidden = self.drop(tf.cast(vectors, self.compute_dtype), training=training)
        mask = causal_mask(tf.shape(hidden)[1])
        for block in self.blocks:
            hidden = block(hidden, mask, training=training)
        words = self._scored(hidden[:, : self.caption_length], self.word_table)
        logits = self._scored(hidden[:, self.caption_length :], self.token_table)
        return words, tf.reshape(logits, (-1, *self.grid_shape, self.num_tokens))

    def _read(self, captions):
        """What the caption leaves: the last hidden vector `(batch, 1, model_dim)`, the caches."""
        hidden = tf.cast(self._words(captions), self.compute_dtype)
        mask, room = causal_mask(hidden.shape[1]), math.prod(self.grid_shape)
        caches = []
        for block in self.blocks:
            pair = block.keys_and_values(hidden)
            caches.append(tuple(tf.pad(t, ((0, 0), (0, 0), (0, room), (0, 0))) for t in pair))
            hidden = block(hidden, mask)
        return hidden[:, -1:], caches

    def _step(self, tokens, i, caches):
        """The hidden vector after token i `(batch,)` of the picture, and the caches with it."""
        position = tf.gather(self._grid_positions(), i)
        hidden = tf.gather(self.token_table.value, tokens)[:, tf.newaxis] + position
        hidden, filled = tf.cast(hidden, self.compute_dtype), []
        for block, cache in zip(self.blocks, caches, strict=True):
            hidden, cache = block.step(hidden, cache, self.caption_length + 1 + i)
            filled.append(cache)
        return hidden, filled

    def _words(self, captions):
        start = tf.fill((tf.shape(captions)[0], 1), START)
        words = tf.concat([start, captions], axis=1)
        return tf.gather(self.word_table.value, words) + self.caption_positions.value

    def _token_vectors(self, tokens):
        return tf.gather(self.token_table.value, tokens) + self._grid_positions()

    def _grid_positions(self):
        grid = self.row_positions.value[:, tf.newaxis] + self.column_positions.value
        return tf.reshape(grid, (-1, self.model_dim))

    def _scored(self, hidden, table):
        hidden = self.final_norm(hidden)
        logits = tf.matmul(hidden, tf.cast(table.value, hidden.dtype), transpose_b=True)
        return tf.cast(logits, tf.float32)

    def _captions(self, condition, num_rows):
        return tf.fill((num_rows, self.caption_length), PAD) if condition is None else condition

    def _checked_condition(self, condition, num_rows):
        if condition is None or tf.is_symbolic_tensor(condition):
            return condition
        captions = self._checked_captions(condition)
        if num_rows not in (None, len(captions)):
            raise ValueError(
                f"Expected one caption for each of {num_rows} rows. Received: {len(captions)}"
            )
        return captions

    def _checked_captions(self, condition):
        return checked_captions(condition, self.caption_length, self.caption_vocabulary)

    def _asserted_condition(self, condition):
        return asserted_captions(condition, self.caption_length, self.caption_vocabulary)

    def _sample_condition(self, condition, num_samples):
        if condition is None:
            condition = np.full(self.caption_length, PAD)
        if np.ndim(condition) == 1:
            condition = np.tile(condition, (num_samples, 1))
        return self._checked_condition(condition, num_samples)

    def get_config(self):
        config = super().get_config()
        for name in ("likelihood", "num_labels"):
            del config[name]
        names = (
            "grid_shape", "num_tokens", "caption_length", "caption_vocabulary", "model_dim",
            "num_heads", "num_layers", "hidden_units", "dropout", "caption_weight",
            "caption_dropout",
        )  # fmt: skip
        return {**config, **{name: getattr(self, name) for name in names}}


def _total_log_prob(logits, chosen):
    """Sum over the places of log softmax(logits) at `chosen`: `(batch,)`."""
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(chosen, logits)
    return -tf.reduce_sum(nll, axis=1)
