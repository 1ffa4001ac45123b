"""GAN: a generator against a discriminator that tells its samples from data.

x = G(z), z ~ p(z);  V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))].

At the optimal discriminator D* = p_data / (p_data + p_g) the value is 2 JSD(p_data, p_g) - log 4.

Reference: Goodfellow et al. 2014, "Generative adversarial nets", https://arxiv.org/abs/1406.2661
"""

import keras
import tensorflow as tf

from genkeras import checks, priors, random
from genkeras.adversarial import objectives
from genkeras.models import ImplicitModel

SAMPLE_ROWS = 1000  # samples are drawn by so many, in constant memory


@keras.saving.register_keras_serializable(package="genkeras")
class GAN(ImplicitModel):
    """Generative adversarial network.

    Args:
        generator: Keras model from z `(batch, latent_dim)` to x, or with labels from
            `[z, one-hot labels]`.
        discriminator: Keras model from x to a logit `(batch, 1)`, or with labels from
            `[x, one-hot labels]`. One that packs m examples gives `(batch / m, 1)`.
        objective: what the players want: `NonSaturating()` if None, or `Minimax()`.
        prior: p(z); `StandardNormal(latent_dim)` if None.
        discriminator_steps: k, moves of the discriminator for one of the generator. A batch is cut
            into k parts, one for each move; so give `fit` a `batch_size` of k times what a move is
            to read.
        instance_noise: standard deviation of the normal noise added in training to all that the
            discriminator sees, in units of the data.
        instance_noise_steps: moves of the discriminator in which that noise falls to 0 on a line;
            None: it stays.
        num_labels: number of class labels y for samples of p(x|y), or None.
        seed: int or None.

    Reference: algorithm 1 of the paper; conditional: Mirza & Osindero 2014,
    https://arxiv.org/abs/1411.1784; instance noise: Arjovsky & Bottou 2017,
    https://arxiv.org/abs/1701.04862, section 3.
    """

    figures = ("value", "real_score", "fake_score")

    def __init__(
        self,
        generator,
        discriminator,
        objective=None,
        prior=None,
        *,
        discriminator_steps=1,
        instance_noise=0.0,
        instance_noise_steps=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        num_inputs = 1 if self.num_labels is None else 2
        where = "genkeras.adversarial.dense_"
        self.generator = checks.network(
            "generator", generator, f"{where}generator(...)", num_inputs
        )
        self.discriminator = checks.network(
            "discriminator", discriminator, f"{where}discriminator(...)", num_inputs
        )
        self.latent_dim = _vector_size(self.generator)
        self.objective = objectives.restored(objective)
        self.prior = priors.restored(prior, self.latent_dim)
        self.discriminator_steps = checks.positive_int("discriminator_steps", discriminator_steps)
        self.instance_noise = checks.real("instance_noise", instance_noise)
        self.instance_noise_steps = (
            None
            if instance_noise_steps is None
            else checks.positive_int("instance_noise_steps", instance_noise_steps)
        )
        self._check_networks()

    @property
    def event_shape(self):
        return _shapes(self.discriminator)[0]

    @property
    def turns(self):
        return ("discriminator",) * self.discriminator_steps + ("generator",)

    def build(self, input_shape):
        """The networks are built before the model is."""

    def player_variables(self, player):
        return getattr(self, player).trainable_variables

    def play(self, player, x, condition, seed, training):
        """One move: losses `(batch,)` in nats, and the figures of a move of the discriminator."""
        seeds = random.split(seed, 4)
        labels = self._one_hot(condition)
        z = self.prior.distribution().sample(tf.shape(x)[0], seed=seeds[0])
        made = self._noisy(self._generated(z, labels, training), seeds[1], training)
        fake = self._logits(made, labels, training)
        if player == "generator":
            return self.objective.generator_loss(fake), {}
        x = self._noisy(x, seeds[2], training)
        real = self._logits(x, labels, training)
        loss = self.discriminator_loss(real, fake, x, made, labels, seeds[3], training)
        return loss, self.objective.figures(real, fake)

    def discriminator_loss(self, real, fake, x, made, labels, seed, training):
        """Of the logits `(batch,)` on data x and on samples, which a variant may look at too."""
        return self.objective.discriminator_loss(real, fake, training)

    def generate(self, z, condition=None):
        """G(z): `(batch, *event_shape)` of noise `(batch, latent_dim)`."""
        z = checks.codes("z", z, (self.latent_dim,))
        return self._generated(z, self._one_hot(self._checked_condition(condition, z.shape[0])))

    def sample(self, num_samples, condition=None, seed=None):
        """Draws `(num_samples, *event_shape)`.

        Args:
            num_samples: how many.
            condition: one label for all, or `(num_samples,)` labels, for a model with labels.
            seed: int, or None to continue the model's own stream.
        """
        num_samples = checks.positive_int("num_samples", num_samples)
        condition = self._sample_condition(condition, num_samples)
        z = self.prior.distribution().sample(num_samples, seed=self._stateless(seed))
        parts = []
        for start in range(0, num_samples, SAMPLE_ROWS):
            rows = slice(start, start + SAMPLE_ROWS)
            labels = None if condition is None else condition[rows]
            parts.append(self._generated(z[rows], self._one_hot(labels)))
        return tf.concat(parts, axis=0)

    def discriminate(self, x, condition=None):
        """Logits that x is real: `(batch,)`, or one for each pack of examples."""
        x, condition = self._checked_inputs(x, condition)
        return self._logits(x, self._one_hot(condition))

    def call(self, inputs, training=False):
        x, condition = self._asserted(inputs)
        return self._logits(x, self._one_hot(condition), training)

    def _generated(self, z, labels, training=False):
        inputs = z if labels is None else [z, labels]
        return tf.cast(self.generator(inputs, training=training), tf.float32)

    def _logits(self, x, labels, training=False):
        inputs = x if labels is None else [x, labels]
        return tf.cast(self.discriminator(inputs, training=training), tf.float32)[:, 0]

    def _noisy(self, x, seed, training):
        """x with the instance noise of this training step."""
        if not training or not self.instance_noise:
            return x
        stddev = self.instance_noise
        if self.instance_noise_steps is not None:
            moves = tf.cast(self.player_optimizer("discriminator").iterations, tf.float32)
            stddev *= tf.maximum(0.0, 1.0 - moves / self.instance_noise_steps)
        return x + stddev * random.normal(tf.shape(x), seed)

    def _one_hot(self, condition):
        return None if condition is None else tf.one_hot(condition, self.num_labels)

    def _check_networks(self):
        made, read = self.generator.output_shape[1:], self.event_shape
        if made != read:
            raise ValueError(
                f"Expected a generator of what the discriminator reads, {read}. "
                f"Received: a generator of {made}"
            )
        judged = self.discriminator.output_shape[1:]
        if judged != (1,):
            raise ValueError(
                "Expected a discriminator that gives one logit, of shape (batch, 1). "
                f"Received: a discriminator that gives {checks.batch_shape(judged)}"
            )
        checks.raw_outputs("a discriminator", self.discriminator, "logits")
        if self.num_labels is not None:
            for name in self.players:
                size = _shapes(getattr(self, name))[1]
                if size != (self.num_labels,):
                    raise ValueError(
                        f"Expected a second input of {self.num_labels} labels, one-hot, in the "
                        f"{name}. Received: one of shape {checks.batch_shape(size)}"
                    )

    def get_config(self):
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "objective": keras.saving.serialize_keras_object(self.objective),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "discriminator_steps": self.discriminator_steps,
            "instance_noise": self.instance_noise,
            "instance_noise_steps": self.instance_noise_steps,
        }


def _vector_size(generator):
    """latent_dim of a generator from `(batch, latent_dim)`."""
    shape = _shapes(generator)[0]
    if len(shape) != 1:
        raise ValueError(
            "Expected a generator whose first input is z of shape (batch, latent_dim). "
            f"Received: an input of shape {checks.batch_shape(shape)}"
        )
    return shape[0]


def _shapes(network):
    """The shapes of the inputs of a network, without the batch."""
    return [shape[1:] for shape in checks.input_shapes(network)]
