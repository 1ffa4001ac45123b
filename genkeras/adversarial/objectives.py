"""What the two players of a GAN want, as losses of the discriminator's logits.

An objective has `discriminator_loss(real, fake, training)`, `generator_loss(fake)`, and for reports
`value(real, fake)`, what the discriminator raises and the generator lowers, and `score(logits)`.
"""

import keras
import tensorflow as tf

from genkeras import checks


class Objective:
    """What is common to the objectives: they are serializable and hold no weights."""

    def figures(self, real, fake):
        """What a discriminator reports of its logits on real and generated data: `(batch,)`."""
        return {
            "value": self.value(real, fake),
            "real_score": self.score(real),
            "fake_score": self.score(fake),
        }

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="genkeras")
class Minimax(Objective):
    """The zero-sum game min_G max_D V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))].

    Args:
        label_smoothing: in training the discriminator is asked for D(x) = 1 - label_smoothing on
            real data, and for 0 on generated data as before.

    Reference: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, eq. 1; the smoothing is that
        of one side of Salimans et al. 2016, https://arxiv.org/abs/1606.03498, section 3.4.
    """

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = checks.real("label_smoothing", label_smoothing, below=1.0)

    def discriminator_loss(self, real, fake, training=True):
        """-log D(x) - log(1 - D(G(z))), nats, of logits `(batch,)` on real and generated data."""
        loss = tf.nn.softplus(-real) + tf.nn.softplus(fake)
        # (1 - s) softplus(-real) + s softplus(real) = softplus(-real) + s real
        return loss + self.label_smoothing * real if training else loss

    def generator_loss(self, fake):
        """log(1 - D(G(z))), nats: `(batch,)`."""
        return -tf.nn.softplus(fake)

    def value(self, real, fake):
        """V(D, G), nats; -log 4 of a discriminator that knows nothing."""
        return -self.discriminator_loss(real, fake, training=False)

    def score(self, logits):
        """D(x), the probability that x is real."""
        return tf.sigmoid(logits)

    def get_config(self):
        return {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="genkeras")
class NonSaturating(Minimax):
    """As `Minimax`, but the generator raises log D(G(z)).

    It has the same fixed point and, where the discriminator is sure, a gradient that does not
    vanish. The game is no longer zero-sum.

    Reference: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, end of section 3.
    """

    def generator_loss(self, fake):
        """-log D(G(z)), nats: `(batch,)`."""
        return tf.nn.softplus(-fake)


@keras.saving.register_keras_serializable(package="genkeras")
class Wasserstein(Objective):
    """E[f(x)] - E[f(G(z))] of a critic f; over all f of slope at most 1 its maximum is W1.

    The objective does not bound the slope: `WGAN` and `WGANGP` do.

    Reference: Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875, eq. 2.
    """

    def discriminator_loss(self, real, fake, training=True):
        """f(G(z)) - f(x), in units of the critic: `(batch,)`."""
        return fake - real

    def generator_loss(self, fake):
        """-f(G(z)): `(batch,)`."""
        return -fake

    def value(self, real, fake):
        """f(x) - f(G(z))."""
        return real - fake

    def score(self, logits):
        """f(x)."""
        return logits


def restored(objective):
    """An objective, from itself, its serialized form, or None for `NonSaturating()`."""
    if isinstance(objective, dict):
        objective = keras.saving.deserialize_keras_object(objective)
    if objective is None:
        return NonSaturating()
    if not isinstance(objective, Objective):
        raise ValueError(
            "Expected objective to be None or an instance such as Minimax(). "
            f"Received: objective={objective!r}"
        )
    return objective
