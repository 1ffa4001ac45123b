"""Priors p(z) of latent-variable models."""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, random
from genkeras.likelihoods import Normal

tfd = tfp.distributions


def restored(prior, latent_dim=None):
    """A prior, from itself, its serialized form, or None for the standard normal one.

    Args:
        prior: an object with `distribution()`, a dictionary of it, or None.
        latent_dim: number of latents that it must have; None: any.
    """
    if isinstance(prior, dict):
        prior = keras.saving.deserialize_keras_object(prior)
    if prior is None and latent_dim is not None:
        return StandardNormal(latent_dim)
    if isinstance(prior, type) or not callable(getattr(prior, "distribution", None)):
        raise ValueError(
            "Expected prior to be an object with a method distribution(), such as "
            f"StandardNormal(latent_dim). Received: prior={prior!r}"
        )
    size = getattr(prior, "latent_dim", latent_dim)
    if latent_dim is not None and size != latent_dim:
        raise ValueError(f"Expected a prior of {latent_dim} latents. Received: a prior of {size}")
    return prior


def build(prior):
    """Gives a prior that is a layer its weights."""
    if isinstance(prior, keras.layers.Layer) and not prior.built:
        prior.build(None)


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
        return tfd.Independent(random.Normal(zeros, tf.ones_like(zeros)), 1)

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
        return tfd.Independent(random.Uniform(-ones, ones), 1)

    def get_config(self):
        return {"latent_dim": self.latent_dim}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="genkeras")
class UniformTokens:
    """Prior of a grid of tokens, independent and all equally likely.

    Args:
        grid_shape: (rows, columns).
        num_tokens: number of tokens.
    """

    def __init__(self, grid_shape, num_tokens):
        self.grid_shape = checks.sizes("grid_shape", grid_shape, count=2)
        self.num_tokens = checks.positive_int("num_tokens", num_tokens, minimum=2)

    def distribution(self):
        """TFP distribution of one-hot tokens, of event shape `(*grid_shape, num_tokens)`."""
        logits = tf.zeros((*self.grid_shape, self.num_tokens))
        one_hot = tfd.OneHotCategorical(logits, dtype=tf.float32)
        return tfd.Independent(one_hot, len(self.grid_shape))

    def get_config(self):
        return {"grid_shape": self.grid_shape, "num_tokens": self.num_tokens}

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


class LabelledMixture:
    """Prior of equally likely Gaussians in the plane, as many of them for each label.

    A subclass places them; nothing of it is trained.

    Args:
        locs: means `(num_labels, parts, 2)`.
        scales: lower triangular factors of the covariances `(num_labels, parts, 2, 2)`.
    """

    latent_dim = 2

    def __init__(self, locs, scales):
        self.num_labels = len(locs)
        self._locs, self._scales = locs.astype("float32"), scales.astype("float32")

    def distribution(self):
        """TFP distribution of event shape `(2,)`."""
        return _even_mixture(self._locs.reshape(-1, 2), self._scales.reshape(-1, 2, 2))

    def conditional(self, labels):
        """p(z|y): TFP distribution of batch shape `(n,)` and event shape `(2,)`.

        Args:
            labels: `(n,)` int, 0 to num_labels - 1.
        """
        return _even_mixture(tf.gather(self._locs, labels), tf.gather(self._scales, labels))

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _even_mixture(locs, scales):
    """Equally likely Gaussians with means `(..., parts, 2)`."""
    parts = locs.shape[-2]
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros(parts)), tfd.MultivariateNormalTriL(locs, scales)
    )


@keras.saving.register_keras_serializable(package="genkeras")
class RadialMixture(LabelledMixture):
    """Prior of Gaussians around a circle, long in the direction of the radius: one for each label.

    Args:
        num_labels: number of Gaussians.
        radius: distance of their means from the origin.
        along, across: standard deviations in the direction of the radius and across it.

    Reference: the mixture of ten 2-D Gaussians of https://arxiv.org/abs/1511.05644, figure 4a.

    Note: the paper does not give its sizes; these are ours.
    """

    def __init__(self, num_labels=10, radius=4.0, along=1.2, across=0.3):
        num_labels = checks.positive_int("num_labels", num_labels)
        self.radius = checks.real("radius", radius)
        self.along, self.across = checks.positive("along", along), checks.positive("across", across)
        angle = 2 * np.pi * np.arange(num_labels) / num_labels
        cos, sin = np.cos(angle), np.sin(angle)
        # The Cholesky factor written out: computed from the covariances it fails for thin ones.
        first = np.hypot(self.along * cos, self.across * sin)
        below = (self.along**2 - self.across**2) * cos * sin / first
        last = self.along * self.across / first
        scales = np.stack([first, np.zeros(num_labels), below, last], axis=-1)
        locs = self.radius * np.stack([cos, sin], axis=-1)
        super().__init__(locs[:, np.newaxis], scales.reshape(num_labels, 1, 2, 2))

    def get_config(self):
        return {
            "num_labels": self.num_labels,
            "radius": self.radius,
            "along": self.along,
            "across": self.across,
        }


@keras.saving.register_keras_serializable(package="genkeras")
class SwissRoll(LabelledMixture):
    """Prior along a spiral in the plane, which the labels share from the inside out.

    At u uniform in (0, 1) the spiral has radius `radius` sqrt(u) and angle 2 pi `turns` sqrt(u); it
    is thickened by normal noise. A label has an equal part of the u. The spiral is made of
    Gaussians close to each other, so that it has a density.

    Args:
        num_labels: number of parts, labels 0, 1, ...
        radius: of the outer end.
        turns: how often it goes around.
        stddev: of the noise.
        parts: Gaussians for each label.

    Reference: the swiss roll of https://arxiv.org/abs/1511.05644, figure 4b.

    Note: the paper does not give its sizes; these are ours.
    """

    def __init__(self, num_labels=10, radius=6.0, turns=2.0, stddev=0.15, parts=100):
        num_labels = checks.positive_int("num_labels", num_labels)
        self.parts = checks.positive_int("parts", parts)
        self.radius, self.turns = checks.real("radius", radius), checks.real("turns", turns)
        self.stddev = checks.positive("stddev", stddev)
        count = num_labels * self.parts
        t = np.sqrt((np.arange(count) + 0.5) / count)
        angle = 2 * math.pi * self.turns * t
        locs = self.radius * t[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        scales = np.broadcast_to(self.stddev * np.eye(2), (num_labels, self.parts, 2, 2))
        super().__init__(locs.reshape(num_labels, self.parts, 2), scales)

    def get_config(self):
        return {
            "num_labels": self.num_labels,
            "radius": self.radius,
            "turns": self.turns,
            "stddev": self.stddev,
            "parts": self.parts,
        }
