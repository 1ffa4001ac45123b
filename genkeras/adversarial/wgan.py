"""WGAN: a critic that estimates the Wasserstein-1 distance, for the generator to lower.

W1(p_data, p_g) = max over f of slope at most 1 of E[f(x)] - E[f(G(z))].

References: Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN", https://arxiv.org/abs/1701.07875;
Gulrajani et al. 2017, "Improved training of Wasserstein GANs", https://arxiv.org/abs/1704.00028
"""

import keras
import tensorflow as tf

from genkeras import checks, random
from genkeras.adversarial.gan import GAN
from genkeras.adversarial.objectives import Wasserstein


class _WassersteinGAN(GAN):
    """What both have in common: the objective, and several moves of the critic for one of G."""

    def __init__(self, generator, discriminator, prior=None, *, discriminator_steps=5, **kwargs):
        super().__init__(
            generator,
            discriminator,
            Wasserstein(),
            prior,
            discriminator_steps=discriminator_steps,
            **kwargs,
        )

    def get_config(self):
        config = super().get_config()
        del config["objective"]
        return config


@keras.saving.register_keras_serializable(package="genkeras")
class WGAN(_WassersteinGAN):
    """Wasserstein GAN whose critic has small weights.

    Args:
        generator, prior, discriminator_steps, num_labels, seed: as for `GAN`.
        discriminator: the critic, as a discriminator of `GAN`.
        clip_value: after each of its moves the critic's weights are clipped to this size.

    Reference: algorithm 1 of the paper of 2017. Its slope is bounded by some number that depends on
    the network, so the critic's value is W1 in an unknown unit.
    """

    def __init__(self, generator, discriminator, prior=None, *, clip_value=0.01, **kwargs):
        super().__init__(generator, discriminator, prior, **kwargs)
        self.clip_value = checks.real("clip_value", clip_value)

    def moved(self, player):
        """Clips the weights of the critic after each of its moves."""
        if player == "discriminator":
            for variable in self.player_variables(player):
                variable.assign(tf.clip_by_value(variable, -self.clip_value, self.clip_value))

    def get_config(self):
        return {**super().get_config(), "clip_value": self.clip_value}


@keras.saving.register_keras_serializable(package="genkeras")
class WGANGP(_WassersteinGAN):
    """Wasserstein GAN whose critic pays for slopes other than 1.

    Args:
        generator, prior, discriminator_steps, num_labels, seed: as for `GAN`.
        discriminator: the critic, as a discriminator of `GAN`, without batch normalisation: the
            penalty is on the slope at one example, which the others must not move.
        gradient_penalty: lambda, the weight of E[(|grad f(x')| - 1)^2] in the critic's loss, with
            x' uniform on the line from an example to a sample.

    Reference: algorithm 1 of the second paper. `value` has no penalty in it.

    Note: between slopes of -1 and 1 the penalty has a hump of height lambda at 0, which a critic of
        the wrong sign, on data of one dimension, may not cross.
    """

    def __init__(self, generator, discriminator, prior=None, *, gradient_penalty=10.0, **kwargs):
        super().__init__(generator, discriminator, prior, **kwargs)
        self.gradient_penalty = checks.real("gradient_penalty", gradient_penalty)
        normalised = [
            layer.name
            for layer in self.discriminator._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        if normalised:
            raise ValueError(
                "Expected a critic without batch normalisation: the penalty is on the slope at one "
                f"example. Received: the layers {normalised}"
            )

    def discriminator_loss(self, real, fake, x, made, labels, seed, training):
        loss = super().discriminator_loss(real, fake, x, made, labels, seed, training)
        if not training:
            return loss
        return loss + self.gradient_penalty * self._penalty(x, made, labels, seed)

    def _penalty(self, x, made, labels, seed):
        """(|grad f(x')| - 1)^2 for every logit: `(batch,)`."""
        between = self._between(x, made, seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(between)
            logits = self._logits(between, labels, training=True)
        slopes = tape.gradient(logits, between)
        # Of a pack, the slope in all its examples together.
        num_packs = tf.shape(logits)[0]
        rows = tf.shape(x)[0] // num_packs * num_packs
        squares = tf.reduce_sum(tf.reshape(slopes[:rows] ** 2, (num_packs, -1)), axis=1)
        # The square root has no finite slope at 0.
        return (tf.sqrt(squares + 1e-12) - 1.0) ** 2

    def _between(self, x, made, seed):
        """Points on the lines from data to samples: uniform, not normal."""
        shape = [tf.shape(x)[0], *[1] * len(self.event_shape)]
        share = random.uniform(shape, seed)
        return share * x + (1.0 - share) * made

    def get_config(self):
        return {**super().get_config(), "gradient_penalty": self.gradient_penalty}
