"""VAE with two stochastic layers.

p(x) = integral of p(x|h1) p(h1|h2) p(h2), q(h1, h2|x) = q(h1|x) q(h2|h1). All conditionals but
p(x|h1) are normal with diagonal covariance.

Reference: Burda, Grosse & Salakhutdinov 2015, https://arxiv.org/abs/1509.00519, section 5.1.
"""

import collections

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from genkeras import checks, random
from genkeras.latent import networks
from genkeras.latent.vae import GaussianHead, check_decoder, decoded, restored_likelihood
from genkeras.models import LatentVariableModel
from genkeras.priors import StandardNormal

tfd = tfp.distributions

Latents = collections.namedtuple("Latents", ["h1", "h2"])


class Ancestral:
    """Joint distribution of `Latents`, one of which is drawn given the other.

    A TFP joint distribution would do the same, but probes its parts with vectors that are no
    batches, which Keras networks refuse.

    Args:
        parent: "h1" or "h2", the one drawn first.
        marginal: its TFP distribution.
        conditional: a function from its draw to the TFP distribution of the other.
    """

    def __init__(self, parent, marginal, conditional):
        self.parent, self.child = parent, "h2" if parent == "h1" else "h1"
        self.marginal, self.conditional = marginal, conditional

    def sample(self, sample_shape=(), seed=None):
        """`Latents` of shape `(*sample_shape, *batch, latent_dim)`; any seed that TFP takes."""
        seed = tfp.random.sanitize_seed(seed)
        seeds = random.split(seed, 2)
        given = self.marginal.sample(sample_shape, seed=seeds[0])
        drawn = self.conditional(given).sample(seed=seeds[1])
        return Latents(**{self.parent: given, self.child: drawn})

    def log_prob(self, z):
        """Log density of `Latents`, `(batch,)` nats."""
        given, drawn = getattr(z, self.parent), getattr(z, self.child)
        return self.marginal.log_prob(given) + self.conditional(given).log_prob(drawn)


class TopDownPrior(keras.layers.Layer):
    """p(h1, h2) = p(h1|h2) N(h2; 0, I), trained with the model.

    Args:
        network: Keras model from h2 to features of h1.
        latent_dims: numbers of latents of h1 and h2.
        seed: int or None, of the weights.
    """

    def __init__(self, network, latent_dims, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.network, self.latent_dims, self.seed = network, latent_dims, seed
        self.top = StandardNormal(latent_dims[1])
        self.head = GaussianHead(latent_dims[0], seed=seed, dtype=self.dtype_policy)

    def build(self, input_shape=None):
        self.head.build(self.network.output_shape)

    def distribution(self):
        """Joint distribution of `Latents`."""
        if not self.built:
            self.build()
        return Ancestral("h2", self.top.distribution(), self._below)

    def _below(self, h2):
        """p(h1|h2)."""
        return _given(self.head, self.network, h2)

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "latent_dims": self.latent_dims,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="genkeras")
class HierarchicalVAE(LatentVariableModel):
    """VAE whose latents have a learned prior: a second, smaller layer of latents.

    z is a named tuple of h1 and h2, and the KL is estimated from the draw.

    Args:
        encoders: two Keras models, from x to features of h1 and from h1 to features of h2.
        decoders: two Keras models, from h1 to raw outputs, `num_parameters` of the likelihood for
            each variable, and from h2 to features of h1.
        latent_dims: numbers of latents of h1 and h2.
        likelihood: what the outputs mean; `Bernoulli()` if None.
        beta, warmup_steps: weight of the KL in training, and steps in which it rises from 0.
        seed: int or None; also seeds the layers from features to latents.
    """

    def __init__(self, encoders, decoders, latent_dims, likelihood=None, *, seed=None, **kwargs):
        checks.absent(
            kwargs, ("prior", "num_labels"), "its prior is learned, and it takes no labels"
        )
        encoders, decoders, latent_dims = (
            _pair(name, value)
            for name, value in (
                ("encoders", encoders),
                ("decoders", decoders),
                ("latent_dims", latent_dims),
            )
        )
        encoders = tuple(networks.features("encoder", network) for network in encoders)
        below = networks.features("decoder", decoders[1])
        decoders = networks.restored("decoder", decoders[0]), below
        latent_dims = tuple(
            checks.positive_int("every entry of latent_dims", size) for size in latent_dims
        )
        seeds = [checks.seed(seed, networks.HEAD + k) for k in range(3)]
        prior = TopDownPrior(below, latent_dims, seed=seeds[2], dtype=kwargs.get("dtype"))
        super().__init__(prior, num_labels=None, seed=seed, **kwargs)
        self.encoders, self.decoders, self.latent_dims = encoders, decoders, latent_dims
        self.likelihood = restored_likelihood(likelihood)
        check_decoder(self, decoders[0], latent_dims[:1], "decoders[0]")
        for name, network, size in (
            ("encoders[1]", encoders[1], latent_dims[0]),
            ("decoders[1]", decoders[1], latent_dims[1]),
        ):
            if network.input_shape[1:] != (size,):
                raise ValueError(
                    f"Expected {name} to read {size} latents. "
                    f"Received: a network that reads {network.input_shape[1:]}"
                )
        self.posteriors = [
            GaussianHead(size, seed=seeds[k], dtype=self.dtype_policy)
            for k, size in enumerate(latent_dims)
        ]

    @property
    def event_shape(self):
        return self.encoders[0].input_shape[1:]

    def build(self, input_shape):
        for head, network in zip(self.posteriors, self.encoders, strict=True):
            head.build(network.output_shape)
        if not self.prior.built:
            self.prior.build()

    def encode(self, x, condition=None):
        """q(h1, h2|x): a joint distribution of `Latents`."""
        x, _ = self._checked_inputs(x, condition)
        features = self.encoders[0](self.likelihood.network_input(x))
        return Ancestral("h1", self.posteriors[0].distribution(features), self._above)

    def _above(self, h1):
        """q(h2|h1)."""
        return _given(self.posteriors[1], self.encoders[1], h1)

    def decode(self, z, condition=None):
        """p(x|h1): a TFP distribution over `event_shape`; z are `Latents`."""
        if not isinstance(z, Latents):
            raise ValueError(
                "Expected z to be Latents(h1, h2), as encode(x).sample() and posterior_mean(x) "
                f"give them. Received: z of type {type(z).__name__}"
            )
        self._require_condition(condition)
        h1 = checks.codes("z.h1", z.h1, (self.latent_dims[0],))
        return decoded(self, self.decoders[0](h1))

    def posterior_mean(self, x, condition=None):
        """The mean of q(h1|x), and of q(h2|h1) at that mean: `Latents`."""
        x, _ = self._checked_inputs(x, condition)
        h1 = self.encode(x).marginal.mean()
        return Latents(h1, self._above(h1).mean())

    def get_config(self):
        config = super().get_config()
        del config["prior"], config["num_labels"]
        return {
            **config,
            "encoders": [keras.saving.serialize_keras_object(one) for one in self.encoders],
            "decoders": [keras.saving.serialize_keras_object(one) for one in self.decoders],
            "latent_dims": self.latent_dims,
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
        }


def _given(head, network, h):
    """The head's distribution for every h, of any number of leading axes: networks take one."""
    parameters = head(network(tf.reshape(h, (-1, h.shape[-1]))))  # (rows, latent_dim, 2)
    shape = tf.concat([tf.shape(h)[:-1], parameters.shape[1:]], axis=0)
    return tfd.Independent(head.normal.distribution(tf.reshape(parameters, shape)), 1)


def _pair(name, value):
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(
            f"Expected {name} to hold two entries, one for each layer. Received: {name}={value!r}"
        )
    return value
