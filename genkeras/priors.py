"""Priors p(z) of latent-variable models."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks
from genkeras.likelihoods import Normal

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="genkeras")
class StandardNormal:
    """Prior N(0, I) over a latent vector.

    Args:
        latent_dim: number of latent variables.
    """

    def __init__(self, latent_dim):
        self.latent_dim = checks.positive_int("latent_dim", latent_dim)

    def distribution(self):
        """TFP distribution of event shape `(latent_dim,)`."""
        zeros = tf.zeros(self.latent_dim)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), 1)

    def get_config(self):
        return {"latent_dim": self.latent_dim}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="genkeras")
class Uniform:
    """Prior of independent uniform variables in (-1, 1), the usual noise of early GANs.

    Args:
        latent_dim: number of latent variables.
    """

    def __init__(self, latent_dim):
        self.latent_dim = checks.positive_int("latent_dim", latent_dim)

    def distribution(self):
        """TFP distribution of event shape `(latent_dim,)`."""
        ones = tf.ones(self.latent_dim)
        return tfd.Independent(tfd.Uniform(-ones, ones), 1)

    def get_config(self):
        return {"latent_dim": self.latent_dim}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="genkeras")
class GaussianMixture(keras.layers.Layer):
    """Prior sum_c w_c N(mu_c, diag(sigma_c^2)), trained with the model.

    KL(q(z|x) || p(z)) has no closed form for it and is estimated from the draw.

    Args:
        latent_dim: number of latent variables.
        num_components: number of Gaussians.
        spread: standard deviation of the means at the start; components that start on one point
            stay on it.
        seed: int or None, of the means at the start.
    """

    likelihood = Normal()

    def __init__(self, latent_dim, num_components, spread=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = checks.positive_int("latent_dim", latent_dim)
        self.num_components = checks.positive_int("num_components", num_components)
        self.spread = checks.real("spread", spread)
        self.seed = checks.seed(seed)

    def build(self, input_shape=None):
        start, raw_scale = self.likelihood.initial_parameters()

        def weight(name, shape, initializer):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False
            )

        shape = (self.num_components, self.latent_dim)
        spread = keras.initializers.RandomNormal(start, self.spread, self.seed)
        self.logits = weight("logits", (self.num_components,), "zeros")
        self.locs = weight("locs", shape, spread)
        self.raw_scales = weight("raw_scales", shape, keras.initializers.Constant(raw_scale))

    def distribution(self):
        """TFP distribution of event shape `(latent_dim,)`."""
        if not self.built:
            self.build()
        parameters = tf.stack([self.locs.value, self.raw_scales.value], axis=-1)
        components = tfd.Independent(self.likelihood.distribution(parameters), 1)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=self.logits.value), components)

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "num_components": self.num_components,
            "spread": self.spread,
            "seed": self.seed,
        }
