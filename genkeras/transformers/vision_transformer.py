"""Vision Transformer: an image as a sequence of patches, classified by an encoder.

x = [class token; patches E] + positions;  p(y|x) = softmax(W LayerNorm(encoder(x)_0))

Reference: Dosovitskiy et al. 2020, "An image is worth 16x16 words",
https://arxiv.org/abs/2010.11929
"""

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.layers.attention import LearnedPositions
from genkeras.layers.dropout import Dropout
from genkeras.layers.transformer_block import pre_norm_blocks

BLOCKS = 1000  # blocks take seeds + 1000, + 1100, ...


@keras.saving.register_keras_serializable(package="genkeras")
class VisionTransformer(keras.Model):
    """Encoder of patches whose first output, that of the class token, is classified.

    Args:
        image_shape: (height, width) or (height, width, channels).
        num_classes: number of labels.
        patch_size: side of a patch in pixels; it divides both sides of the image.
        model_dim, num_heads, num_layers, hidden_units: sizes of the encoder.
        dropout: rate on the patches and on what each sublayer adds.
        seed: int or None, of weights and dropout.

    Reference: figure 1 and eq. 1-4 of the paper. `call` gives logits: compile it with
    `SparseCategoricalCrossentropy(from_logits=True)`.
    """

    def __init__(
        self,
        image_shape,
        num_classes,
        patch_size,
        model_dim=64,
        num_heads=4,
        num_layers=6,
        hidden_units=128,
        dropout=0.1,
        *,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape = checks.sizes("image_shape", image_shape)
        if len(self.image_shape) not in (2, 3):
            raise ValueError(
                "Expected image_shape of 2 or 3 entries, height, width and channels. "
                f"Received: image_shape={image_shape!r}"
            )
        self.num_classes = checks.positive_int("num_classes", num_classes, minimum=2)
        self.patch_size = checks.positive_int("patch_size", patch_size)
        if any(side % self.patch_size for side in self.image_shape[:2]):
            raise ValueError(
                f"Expected an image whose sides are multiples of patch_size={patch_size}. "
                f"Received: image_shape={self.image_shape}"
            )
        self.num_heads = checks.positive_int("num_heads", num_heads)
        self.model_dim = checks.multiple_of("model_dim", model_dim, self.num_heads)
        self.num_layers = checks.positive_int("num_layers", num_layers)
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.dropout = checks.real("dropout", dropout, below=1.0)
        self.seed = checks.seed(seed)

        def dense(units, number):
            start = keras.initializers.GlorotUniform(checks.seed(self.seed, number))
            return keras.layers.Dense(units, kernel_initializer=start, dtype=self.dtype_policy)

        self.patch_dense, self.class_dense = dense(self.model_dim, 0), dense(self.num_classes, 1)
        self.positions = LearnedPositions(
            self.num_patches + 1, checks.seed(self.seed, 2), dtype=self.dtype_policy
        )
        self.drop = Dropout(self.dropout, checks.seed(self.seed, 3), dtype=self.dtype_policy)
        self.blocks = pre_norm_blocks(
            self.num_layers,
            self.num_heads,
            self.hidden_units,
            self.dropout,
            checks.seed(self.seed, BLOCKS),
            self.dtype_policy,
        )
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy)

    @property
    def num_patches(self):
        """Patches of an image."""
        height, width = self.image_shape[:2]
        return height * width // self.patch_size**2

    def build(self, input_shape):
        channels = self.image_shape[2] if len(self.image_shape) == 3 else 1
        self.class_token = self.add_weight(
            name="class_token", shape=(1, 1, self.model_dim), initializer="zeros"
        )
        self.patch_dense.build((None, None, self.patch_size**2 * channels))
        for part in (self.positions, *self.blocks, self.final_norm):
            part.build((None, self.num_patches + 1, self.model_dim))
        self.class_dense.build((None, self.model_dim))

    def call(self, x, training=False):
        """Logits `(batch, num_classes)` of images `(batch, *image_shape)`."""
        x = self._embedded(x, training)
        for block in self.blocks:
            x = block(x, training=training)
        return tf.cast(self.class_dense(self.final_norm(x[:, 0])), tf.float32)

    def patches(self, x):
        """`(batch, num_patches, patch_size^2 * channels)`, row by row."""
        shape = tf.shape(x)
        if tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(
                f"Expected images of shape {checks.batch_shape(self.image_shape)}. "
                f"Received: shape {tuple(x.shape)}"
            )
        size = self.patch_size
        rows, columns = (side // size for side in self.image_shape[:2])
        x = tf.reshape(x, (shape[0], rows, size, columns, size, -1))
        return tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (shape[0], rows * columns, -1))

    def attention_maps(self, x):
        """Who looks at whom: `(blocks, batch, heads, 1 + patches, 1 + patches)`."""
        x, maps = self._embedded(tf.convert_to_tensor(x)), []
        for block in self.blocks:
            maps.append(block.attention_weights(x))
            x = block(x)
        return tf.stack(maps)

    def _embedded(self, x, training=False):
        # (batch, *image_shape) -> (batch, 1 + patches, model_dim)
        self._ensure_built()
        patches = self.patch_dense(self.patches(tf.cast(x, self.compute_dtype)))
        first = tf.tile(tf.cast(self.class_token, patches.dtype), (tf.shape(patches)[0], 1, 1))
        x = self.positions(tf.concat([first, patches], axis=1))
        return self.drop(x, training=training)

    def _ensure_built(self):
        if not self.built:
            with self.distribute_strategy.scope():  # outside it, variables would not be mirrored
                self.build((None, *self.image_shape))

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
            "patch_size": self.patch_size,
            "model_dim": self.model_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "seed": self.seed,
        }
