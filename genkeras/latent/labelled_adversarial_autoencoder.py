"""Adversarial autoencoder whose codes the labels shape.

Each label has a part of the prior, p(z|y), and the discriminator judges a code beside its label.

Reference: Makhzani et al. 2015, https://arxiv.org/abs/1511.05644, section 2.3
"""

import keras
import tensorflow as tf

from genkeras import checks, random
from genkeras.latent.adversarial_autoencoder import AdversarialAutoencoder


@keras.saving.register_keras_serializable(package="genkeras")
class LabelledAdversarialAutoencoder(AdversarialAutoencoder):
    """Adversarial autoencoder whose labels say in which part of the prior a code shall lie.

    The discriminator also reads the label, and the prior draws codes of a label. Rows without a
    label, marked -1, are judged against draws of the whole prior, under a label of their own. The
    decoder reads the code alone.

    Args:
        discriminator: Keras model from `[z, one-hot of num_labels + 1]` to a logit `(batch, 1)`.
        prior: p(z|y), an object with `conditional(labels)` and `num_labels`, such as
            `RadialMixture()` or `SwissRoll()`.
        num_labels: number of class labels y.
        encoder, decoder, latent_dim, likelihood, posterior, objective, seed: those of
            `AdversarialAutoencoder`.

    Reference: section 2.3 and figure 3 of the paper.
    """

    lowest_label = -1

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        known = getattr(self.prior, "num_labels", None)
        if not callable(getattr(self.prior, "conditional", None)) or known != self.num_labels:
            raise ValueError(
                f"Expected a prior with conditional(labels) of {self.num_labels} labels, such as "
                f"RadialMixture(). Received: prior={self.prior!r}"
            )

    @property
    def _decoder_inputs(self):
        return self.latent_dim

    def discriminate(self, z, condition):
        """Logits that codes `(batch, latent_dim)` are draws of the prior for their labels."""
        z = checks.codes("z", z, (self.latent_dim,))
        return self._verdict(z, self._checked_condition(condition, z.shape[0]))

    def reconstruct(self, x):
        """Mean of p(x|z) at the mean of q(z|x): `(batch, *event_shape)`."""
        return self._reconstructed(self._checked_x(x), None)

    def decode(self, z):
        """p(x|z): a TFP distribution over `event_shape`."""
        return self._decoded(checks.codes("z", z, (self.latent_dim,)), None)

    def _decoded(self, z, condition, training=False):
        return super()._decoded(z, None, training)

    def _verdict(self, z, condition, training=False):
        # The last of the num_labels + 1 entries stands for an unknown label.
        place = tf.where(condition < 0, self.num_labels, condition)
        labels = tf.one_hot(place, self.num_labels + 1)
        return tf.cast(self.discriminator([z, labels], training=training), tf.float32)[:, 0]

    def _prior_codes(self, num_samples, condition, seed):
        seeds = random.split(seed, 2)
        anyone = random.uniform([num_samples], seeds[0], 0, self.num_labels, tf.int32)
        labels = tf.where(condition < 0, anyone, condition)
        return self.prior.conditional(labels).sample(seed=seeds[1])

    def _judge(self, name, network, size, num_labels=None):
        if self.num_labels is None:
            raise ValueError("Expected num_labels, the number of labels. Received: num_labels=None")
        return super()._judge(name, network, size, self.num_labels + 1)
