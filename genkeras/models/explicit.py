"""Models with an exact density."""

import functools

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks, random
from genkeras.likelihoods import Likelihood
from genkeras.models.base import CheckedModel
from genkeras.training import mean_loss, stateless_seed

# Samples are drawn in blocks of these sizes, so that XLA compiles at most three shapes.
BLOCK_SIZES = (1, 16, 128)


class ExplicitModel(CheckedModel):
    """A model with an exact density: log p(x) = sum_i log p(x_i | x_<i).

    A subclass gives `event_shape`, `parameters` and `_sample_block`, and may override
    `drawing_order`.

    Args:
        likelihood: a `genkeras.likelihoods.Likelihood`, or its serialized form.
        num_labels: number of class labels for p(x | label), or None for p(x).
        seed: int or None.
    """

    def __init__(self, likelihood, *, num_labels=None, seed=None, **kwargs):
        super().__init__(num_labels=num_labels, seed=seed, **kwargs)
        if isinstance(likelihood, dict):
            likelihood = keras.saving.deserialize_keras_object(likelihood)
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                "Expected likelihood to be an instance from genkeras.likelihoods, such as "
                f"Bernoulli(). Received: likelihood={likelihood!r}"
            )
        self.likelihood = likelihood

    @property
    def drawing_order(self):
        """`(D,)` int: the flat positions of the variables in the order in which they are drawn."""
        return np.arange(int(np.prod(self.event_shape)))

    def parameters(self, x, condition=None, training=False):
        """Raw outputs `(batch, *event_shape, num_parameters)`; entry i sees only x_<i."""
        raise NotImplementedError(f"{type(self).__name__} must define parameters.")

    def call(self, inputs, training=False):
        return self.parameters(*self._asserted(inputs), training)

    def conditionals(self, x, condition=None):
        """The TFP distribution of every variable given its predecessors.

        Args:
            x: `(batch, *event_shape)`.
            condition: `(batch,)` int labels, for a model with `num_labels`.

        Returns:
            A distribution of batch shape `(batch, *event_shape)`; of a model that states M > 1
            orderings `(batch, M, *event_shape)`.
        """
        return self.likelihood.distribution(self(self._inputs(x, condition), training=False))

    def log_prob(self, x, condition=None):
        """Log density in nats, summed over the variables: `(batch,)` float32.

        Args:
            x: `(batch, *event_shape)`.
            condition: `(batch,)` int labels, for a model with `num_labels`.
        """
        return self._compiled_log_prob(self._inputs(x, condition))

    @functools.cached_property
    def _compiled_log_prob(self):
        @tf.function(reduce_retracing=True)
        def log_prob(inputs):
            return self._event_log_prob(self(inputs, training=False), self._unpack(inputs)[0])

        return log_prob

    def _event_log_prob(self, parameters, x):
        log_probs = self.likelihood.distribution(parameters).log_prob(tf.cast(x, tf.float32))
        return tf.reduce_sum(log_probs, axis=list(range(1, log_probs.shape.rank)))

    def _inputs(self, x, condition):
        x, condition = self._checked_inputs(x, condition)
        return x if condition is None else {"x": x, "condition": condition}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean NLL of the batch in nats; regularisation is added in training only."""
        nll = -self._event_log_prob(y_pred, self._unpack(x)[0])  # (batch,)
        loss = mean_loss(nll, sample_weight)
        return loss + mean_loss(self.regularization()) if training else loss

    def sample(self, num_samples, *, conditioned_on=None, mask=None, condition=None, seed=None):
        """Draws from the model, or completes what is given.

        Args:
            num_samples: number of draws.
            conditioned_on: `(num_samples, *event_shape)` or one event; read where `mask` is true.
            mask: `event_shape`, true = kept. The kept variables must come first in
                `drawing_order`, but for a model that follows any order.
            condition: one label, or `(num_samples,)` labels, for a model with `num_labels`.
            seed: int, or None to continue the model's own stream.

        Returns:
            `(num_samples, *event_shape)` float32.

        Raises:
            ValueError: a mask that the order cannot honour exactly, or bad values.
        """
        return self._sampled(num_samples, conditioned_on, mask, condition, seed)

    def _sampled(self, num_samples, conditioned_on, mask, condition, seed, *options):
        """`sample`, with further options for `_sample_block`."""
        num_samples = checks.positive_int("num_samples", num_samples)
        given, kept = self._checked_evidence(num_samples, conditioned_on, mask)
        condition = self._sample_condition(condition, num_samples)
        self._ensure_built()
        seed = stateless_seed(self.seed_generator if seed is None else seed)
        samples = []
        for start in range(0, num_samples, BLOCK_SIZES[-1]):
            wanted = min(num_samples - start, BLOCK_SIZES[-1])
            size = next(block for block in BLOCK_SIZES if block >= wanted)
            rows = np.minimum(np.arange(start, start + size), num_samples - 1)
            block_seed = random.fold_in(seed, start)
            labels = None if condition is None else tf.constant(condition[rows])
            given_rows = tf.constant(given[rows])
            block = self._sample_block(block_seed, given_rows, kept, labels, *options)
            samples.append(block[:wanted])
        return tf.concat(samples, axis=0)

    def _sample_block(self, seed, given, kept, condition):
        """Draws `(block, *event_shape)`; keeps `given` where `kept` (both float32 and bool)."""
        raise NotImplementedError(f"{type(self).__name__} must define _sample_block.")

    def _checked_evidence(self, num_samples, conditioned_on, mask):
        """`given` `(num_samples, *event_shape)` float32 and `kept` `event_shape` bool."""
        shape = (num_samples, *self.event_shape)
        if (conditioned_on is None) != (mask is None):
            raise ValueError(
                "Expected conditioned_on and mask together. Received: "
                f"{'mask' if conditioned_on is None else 'conditioned_on'} alone"
            )
        if mask is None:
            return np.zeros(shape, "float32"), np.zeros(self.event_shape, bool)
        kept = checks.numeric_array("mask", mask)
        if kept.shape != tuple(self.event_shape) or not np.all((kept == 0) | (kept == 1)):
            raise ValueError(
                f"Expected mask of shape {tuple(self.event_shape)} with true or false in it. "
                f"Received: mask of shape {kept.shape} and dtype {kept.dtype}"
            )
        kept = kept.astype(bool)
        self._check_mask(kept)
        given = checks.numeric_array("conditioned_on", conditioned_on)
        if given.shape not in (shape, shape[1:]):
            raise ValueError(
                f"Expected conditioned_on of shape {shape} or {shape[1:]}. "
                f"Received: conditioned_on of shape {given.shape}"
            )
        given = np.broadcast_to(given, shape)
        checks.values_in_support("conditioned_on", given[:, kept], self.likelihood)
        return np.where(kept, given, 0).astype("float32"), kept

    def _check_mask(self, kept):
        """Refuses a mask that the model's order cannot honour exactly."""
        in_order = kept.reshape(-1)[self.drawing_order]
        if not np.all(in_order[: in_order.sum()]):
            missing = int(np.argmin(in_order))
            position = self.drawing_order[missing]
            raise ValueError(
                "Expected a mask whose kept variables come first in the model's order, the only "
                f"ones it can condition on exactly. Received: a mask that keeps {in_order.sum()} "
                f"variables but not number {missing} of the order (position {position})"
            )

    def get_config(self):
        return {
            **super().get_config(),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
        }
