"""What the outputs of a network mean: maps from raw outputs to TFP distributions.

Each likelihood says how many outputs it needs for one variable, turns them into a
`tfp.distributions` object, and draws a variable from noise that was made beforehand (so that a
compiled loop over variables holds no random-number generator).
"""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, random

tfd = tfp.distributions

RAW_ONE = math.log(math.expm1(1.0))  # softplus of it is 1


def _scale(raw, min_scale):
    """Positive scale from a raw network output: at least `min_scale`, linear for large values."""
    return min_scale + tf.nn.softplus(raw)


class Likelihood:
    """Base of all likelihoods.

    Attributes:
        num_parameters: network outputs that one variable needs.
        support: the values a variable can take, in words, for error messages.
    """

    num_parameters = 1
    support = ""

    def distribution(self, parameters):
        """TFP distribution of each variable.

        Args:
            parameters: `(..., num_parameters)`, raw network outputs; cast to float32.

        Returns:
            A distribution of batch shape `(...)` and scalar event.
        """
        raise NotImplementedError(f"{type(self).__name__} has no distribution.")

    def in_support(self, x):
        """Whether each entry of `x` is a value the distribution can produce: bool, shape of x.

        Works on NumPy arrays and tensors alike.
        """
        raise NotImplementedError(f"{type(self).__name__} has no support.")

    def network_input(self, x):
        """`x` in the units in which a network reads it."""
        return x

    def initial_parameters(self):
        """Starting value of the output bias of one variable, `(num_parameters,)` float32."""
        return np.zeros(self.num_parameters, "float32")

    def noise(self, shape, seed):
        """Noise for `sample_from_noise`: `(*shape, 1)` or `(*shape, 2)`, from a `(2,)` int seed."""
        return random.uniform([*shape, 1], seed)

    def sample_from_noise(self, parameters, noise):
        """Draws one value per variable, `(...)` float32, from parameters and noise."""
        raise NotImplementedError(f"{type(self).__name__} cannot sample.")

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), tuple(self.get_config().items())))

    def __repr__(self):
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


class _Bernoulli(tfd.Bernoulli):
    """TFP's, with one softplus for `log_prob` in place of two."""

    def _log_prob(self, event):
        # x logit - log(1 + e^logit); a rounding of the logit is its largest error.
        return tf.cast(event, self.logits.dtype) * self.logits - tf.nn.softplus(self.logits)


@keras.saving.register_keras_serializable(package="genkeras")
class Bernoulli(Likelihood):
    """Binary variable; the network output is the logit of P(x = 1).

    Finite at any finite logit: log_prob never falls below -|logit| - log 2, so no floor is needed.
    """

    support = "0 or 1"

    def distribution(self, parameters):
        logits = tf.squeeze(parameters, axis=-1)  # a slice would copy
        return _Bernoulli(logits=tf.cast(logits, tf.float32), dtype=tf.float32)

    def in_support(self, x):
        return (x == 0) | (x == 1)

    def sample_from_noise(self, parameters, noise):
        # u < sigmoid(logit), u in [0, 1): probability 0 never fires.
        return tf.cast(noise[..., 0] < tf.sigmoid(parameters[..., 0]), tf.float32)


@keras.saving.register_keras_serializable(package="genkeras")
class Categorical(Likelihood):
    """Variable with levels 0..num_classes-1; the network outputs are unnormalised log weights.

    Args:
        num_classes: number of levels, at least 2.

    Note: a network reads level k as the number k / (num_classes - 1), the natural choice for
        intensities; unordered categories of more than two levels are better one-hot encoded.
    """

    def __init__(self, num_classes):
        self.num_classes = checks.positive_int("num_classes", num_classes, minimum=2)

    @property
    def num_parameters(self):
        return self.num_classes

    @property
    def support(self):
        return f"whole numbers from 0 to {self.num_classes - 1}"

    def distribution(self, parameters):
        return tfd.Categorical(logits=tf.cast(parameters, tf.float32), dtype=tf.float32)

    def in_support(self, x):
        # x % 1 is NaN for infinities, and NaN == 0 is false.
        return (x >= 0) & (x < self.num_classes) & (x % 1 == 0)

    def network_input(self, x):
        return x / (self.num_classes - 1)

    def sample_from_noise(self, parameters, noise):
        return tf.cast(_inverse_cdf(parameters, noise[..., 0]), tf.float32)

    def get_config(self):
        return {"num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="genkeras")
class Normal(Likelihood):
    """Real variable; the network outputs are the mean and the raw scale.

    Args:
        min_scale: floor of the standard deviation: sigma = min_scale + softplus(raw).
    """

    num_parameters = 2
    support = "finite numbers"

    def __init__(self, min_scale=0.01):
        self.min_scale = checks.positive("min_scale", min_scale)

    def distribution(self, parameters):
        loc, raw = tf.unstack(tf.cast(parameters, tf.float32), axis=-1)
        return random.Normal(loc, _scale(raw, self.min_scale))

    def in_support(self, x):
        return abs(x) < np.inf

    def initial_parameters(self):
        """Mean 0 and standard deviation 1 + min_scale, for standardised data."""
        return np.array([0.0, RAW_ONE], "float32")

    def noise(self, shape, seed):
        return random.normal([*shape, 1], seed)

    def sample_from_noise(self, parameters, noise):
        loc, raw = tf.unstack(parameters, axis=-1)
        return loc + _scale(raw, self.min_scale) * noise[..., 0]

    def get_config(self):
        return {"min_scale": self.min_scale}


@keras.saving.register_keras_serializable(package="genkeras")
class SigmoidNormal(Likelihood):
    """Real variable around a mean in (0, 1): N(sigmoid(output), scale^2), the scale fixed.

    Its -log p is the squared error over 2 scale^2, plus a constant: for pixels in [0, 1].

    Args:
        scale: standard deviation.
    """

    support = "finite numbers"

    def __init__(self, scale=1.0):
        self.scale = checks.positive("scale", scale)

    def distribution(self, parameters):
        logits = tf.squeeze(tf.cast(parameters, tf.float32), axis=-1)
        return random.Normal(tf.sigmoid(logits), self.scale)

    def in_support(self, x):
        return abs(x) < np.inf

    def noise(self, shape, seed):
        return random.normal([*shape, 1], seed)

    def sample_from_noise(self, parameters, noise):
        return tf.sigmoid(parameters[..., 0]) + self.scale * noise[..., 0]

    def get_config(self):
        return {"scale": self.scale}


@keras.saving.register_keras_serializable(package="genkeras")
class MixtureOfGaussians(Likelihood):
    """Real variable with a mixture density: outputs are mixture logits, means, raw scales.

    Reference: Uria, Murray & Larochelle 2013, "RNADE", https://arxiv.org/abs/1306.0186, eq. 8-12.

    Args:
        num_components: number of Gaussians, at least 1.
        min_scale: floor of every standard deviation: sigma = min_scale + softplus(raw). A floor is
            not cosmetic: without one a component can shrink onto repeated values, where the
            density has no upper bound, and its gradient becomes NaN.

    Note: the paper uses sigma = exp(raw), without a floor.
    """

    support = "finite numbers"

    def __init__(self, num_components, min_scale=0.01):
        self.num_components = checks.positive_int("num_components", num_components)
        self.min_scale = checks.positive("min_scale", min_scale)

    @property
    def num_parameters(self):
        return 3 * self.num_components

    def distribution(self, parameters):
        logits, locs, raw_scales = tf.split(tf.cast(parameters, tf.float32), 3, axis=-1)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits), random.Normal(locs, _scale(raw_scales, self.min_scale))
        )

    def in_support(self, x):
        return abs(x) < np.inf

    def initial_parameters(self):
        """Equal weights, means evenly over [-2, 2], standard deviations 1 + min_scale."""
        count = self.num_components
        locs = np.linspace(-2.0, 2.0, count) if count > 1 else np.zeros(1)
        scales = np.full(count, RAW_ONE)
        return np.concatenate([np.zeros(count), locs, scales]).astype("float32")

    def noise(self, shape, seed):
        seeds = random.split(seed, 2)
        uniform = random.uniform([*shape, 1], seeds[0])
        return tf.concat([uniform, random.normal([*shape, 1], seeds[1])], axis=-1)

    def sample_from_noise(self, parameters, noise):
        logits, locs, raw_scales = tf.split(parameters, 3, axis=-1)
        chosen = tf.one_hot(_inverse_cdf(logits, noise[..., 0]), self.num_components)
        loc = tf.reduce_sum(chosen * locs, axis=-1)
        scale = _scale(tf.reduce_sum(chosen * raw_scales, axis=-1), self.min_scale)
        return loc + scale * noise[..., 1]

    def get_config(self):
        return {"num_components": self.num_components, "min_scale": self.min_scale}


def _inverse_cdf(logits, uniform):
    """The first level whose cumulative probability exceeds `uniform`: `(...)` int32."""
    cdf = tf.cumsum(tf.nn.softmax(logits), axis=-1)  # (..., levels)
    # Rounding may leave the last entry of the cdf a hair under 1.
    level = uniform[..., tf.newaxis] * cdf[..., -1:]
    below = tf.reduce_sum(tf.cast(cdf <= level, tf.int32), axis=-1)
    return tf.minimum(below, logits.shape[-1] - 1)
