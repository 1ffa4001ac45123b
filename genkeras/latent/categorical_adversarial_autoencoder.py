"""Adversarial autoencoder with classes: semi-supervised learning and clustering.

y = q(y|x), a softmax;  z ~ q(z|x);  x_hat = decoder(z, y).

The code has two parts, each with a discriminator: y is held to a uniform choice of one class, z to
the prior. So what is one of a few things goes into y, the rest, the style, into z. Where some rows
have labels, a further player, the classifier, lowers their cross-entropy.

Reference: Makhzani et al. 2015, https://arxiv.org/abs/1511.05644, sections 5 and 6
"""

import keras
import tensorflow as tf

from genkeras import checks, random
from genkeras.latent import networks
from genkeras.latent.adversarial_autoencoder import AdversarialAutoencoder
from genkeras.training import mean_or_zero, replica_mean

CLASSES = 1  # the seed of the layer of classes comes after that of the layer of codes


@keras.saving.register_keras_serializable(package="genkeras")
class CategoricalAdversarialAutoencoder(AdversarialAutoencoder):
    """Adversarial autoencoder that sorts what it sees into classes, without labels.

    Args:
        encoder: Keras model from x to features `(batch, units)`; the model adds a layer from
            features to q(z|x) and one to the logits of q(y|x).
        decoder: Keras model from z joined with y, `latent_dim + num_classes` values.
        discriminator: Keras model from z to a logit `(batch, 1)`.
        class_discriminator: Keras model from y, `num_classes` probabilities, to a logit.
        latent_dim: number of latent variables in z.
        num_classes: number of classes or clusters.
        likelihood, prior, posterior, objective, seed: those of `AdversarialAutoencoder`.

    Reference: figure 9 of the paper, section 6.

    Note: the logits of y are normalised over the batch. Without that all examples of scikit-learn's
        digits went into one cluster, and stayed there: where a softmax is certain, its gradient
        vanishes.
    """

    players = ("autoencoder", "discriminator", "class_discriminator", "generator")
    figures = (*AdversarialAutoencoder.figures, "class_value")

    def __init__(
        self,
        encoder,
        decoder,
        discriminator,
        class_discriminator,
        latent_dim,
        num_classes,
        *args,
        **kwargs,
    ):
        if kwargs.get("num_labels") is not None:
            raise ValueError(
                f"Expected num_classes alone. Received: num_labels={kwargs['num_labels']!r}"
            )
        self.num_classes = checks.positive_int("num_classes", num_classes, minimum=2)
        super().__init__(encoder, decoder, discriminator, latent_dim, *args, **kwargs)
        self.class_discriminator = self._judge(
            "class_discriminator", class_discriminator, self.num_classes
        )
        self.class_head = keras.layers.Dense(
            self.num_classes,
            kernel_initializer=keras.initializers.GlorotUniform(
                checks.seed(self.seed, networks.HEAD + CLASSES)
            ),
            dtype=self.dtype_policy,
        )
        self.class_norm = keras.layers.BatchNormalization(
            center=False, synchronized=True, dtype=self.dtype_policy
        )

    @property
    def _decoder_inputs(self):
        return self.latent_dim + self.num_classes

    def build(self, input_shape):
        super().build(input_shape)
        if not self.class_head.built:  # restored layers are
            self.class_head.build((None, self.encoder.output_shape[-1]))
            self.class_norm.build((None, self.num_classes))

    def player_variables(self, player):
        if player == "class_discriminator":
            return self.class_discriminator.trainable_variables
        variables = super().player_variables(player)
        if player == "discriminator":
            return variables
        return variables + self._class_variables()

    def _class_variables(self):
        return self.class_head.trainable_variables + self.class_norm.trainable_variables

    def play(self, player, x, condition, seed, training):
        """One move: losses `(batch,)` in nats, and the figures of the discriminators."""
        seeds = random.split(seed, 3)
        logits, q = self._classified(x, training)
        z, y = q.sample(seed=seeds[0]), tf.nn.softmax(logits)
        if player == "autoencoder":
            return -self._joined(z, y, training).log_prob(x), {}
        if player == "generator":
            verdicts = self._verdict(z, None, training), self._class_verdict(y, training)
            return sum(self.objective.generator_loss(fake) for fake in verdicts), {}
        if player == "discriminator":
            fake = self._verdict(z, None, training)
            real = self._verdict(self._prior_codes(tf.shape(x)[0], None, seeds[1]), None, training)
            figures = self.objective.figures(real, fake)
        else:
            fake = self._class_verdict(y, training)
            real = self._class_verdict(self._drawn_classes(tf.shape(x)[0], seeds[2]), training)
            figures = {"class_value": self.objective.value(real, fake)}
        return self.objective.discriminator_loss(real, fake, training), figures

    def classify(self, x):
        """q(y|x): probabilities `(batch, num_classes)` float32."""
        return tf.nn.softmax(self._classified(self._checked_x(x))[0])

    def decode(self, z, classes):
        """p(x|z, y): a TFP distribution over `event_shape`.

        Args:
            z: `(batch, latent_dim)`.
            classes: `(batch,)` int.
        """
        z = checks.codes("z", z, (self.latent_dim,))
        classes = checks.labels("classes", classes, self.num_classes, z.shape[0])
        return self._joined(z, tf.one_hot(classes, self.num_classes))

    def reconstruct(self, x):
        """Mean of p(x|z, y) at the mean of q(z|x) and at q(y|x): `(batch, *event_shape)`."""
        return self._reconstructed(self._checked_x(x), None)

    def sample(self, num_samples, classes=None, seed=None):
        """Means of p(x|z, y) for draws z and y: `(num_samples, *event_shape)`.

        Args:
            num_samples: how many.
            classes: one class for all, or `(num_samples,)` classes; None: drawn ones.
            seed: int, or None to continue the model's own stream.
        """
        num_samples = checks.positive_int("num_samples", num_samples)
        if classes is not None:
            classes = checks.for_each(classes, num_samples)
            classes = checks.labels("classes", classes, self.num_classes, num_samples)
        self._ensure_built()
        seeds = random.split(self._stateless(seed), 2)
        z = self._prior_codes(num_samples, None, seeds[0])
        drawn = self._drawn_classes(num_samples, seeds[1])
        y = drawn if classes is None else tf.one_hot(classes, self.num_classes)
        return self._joined(z, y).mean()

    def _classified(self, x, training=False):
        """Logits of q(y|x) in float32, and q(z|x)."""
        features = self.encoder(self.likelihood.network_input(x), training=training)
        logits = self.class_norm(self.class_head(features), training=training)
        logits = tf.cast(logits, tf.float32)
        return logits, self.posterior.distribution(features)

    def _joined(self, z, y, training=False):
        return self._decoded(tf.concat([z, y], axis=-1), None, training)

    def _reconstructed(self, x, condition, training=False):
        logits, q = self._classified(x, training)
        return self._joined(q.mean(), tf.nn.softmax(logits), training).mean()

    def _class_verdict(self, y, training=False):
        return tf.cast(self.class_discriminator(y, training=training), tf.float32)[:, 0]

    def _drawn_classes(self, num_samples, seed):
        """One-hot vectors of classes, each equally likely."""
        drawn = random.uniform([num_samples], seed, 0, self.num_classes, tf.int32)
        return tf.one_hot(drawn, self.num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "class_discriminator": keras.saving.serialize_keras_object(self.class_discriminator),
            "num_classes": self.num_classes,
        }


@keras.saving.register_keras_serializable(package="genkeras")
class SemiSupervisedAdversarialAutoencoder(CategoricalAdversarialAutoencoder):
    """Adversarial autoencoder whose classes are learnt from few labels and many rows without.

    It is trained on `{"x": x, "condition": labels}`, the label -1 for a row without one. The
    classifier plays on the rows with a label; a batch that has none gives it no gradient (an
    optimiser with momentum moves on all the same).

    Args:
        num_classes: number of labels.
        encoder, decoder, discriminator, class_discriminator, latent_dim: those of
            `CategoricalAdversarialAutoencoder`.
        likelihood, prior, posterior, objective, seed: the same.

    Reference: figure 8 of the paper, section 5.

    Note: rows with a label take part in the other players' moves as well.
    """

    players = (*CategoricalAdversarialAutoencoder.players, "classifier")
    lowest_label = -1

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.num_labels = self.num_classes

    def player_variables(self, player):
        if player == "classifier":
            return self.encoder.trainable_variables + self._class_variables()
        return super().player_variables(player)

    def play(self, player, x, condition, seed, training):
        """One move: losses `(batch,)` in nats, and the figures of the discriminators."""
        if player != "classifier":
            return super().play(player, x, condition, seed, training)
        logits, _ = self._classified(x, training)
        known = tf.cast(condition >= 0, tf.float32)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(condition, 0), logits)
        # The mean over the batch is then one over its rows with a label.
        losses = tf.math.divide_no_nan(known * nll, replica_mean(mean_or_zero(known)))
        return losses, {"classifier_loss": (nll, known)}

    def get_config(self):
        config = super().get_config()
        del config["num_labels"]
        return config
