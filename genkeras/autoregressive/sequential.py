"""Models drawn one variable after another: what tabular, FVSBN and NADE share."""

import functools

import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.models import ExplicitModel


class SequentialModel(ExplicitModel):
    """An explicit model of a flat vector that is sampled in one compiled loop.

    A subclass gives `parameters` for all variables at once, and the same step by step:
    `_start` (the state before any variable), `_step` (state -> parameters of variable i) and
    `_advance` (state after variable i is known). Steps count along `drawing_order`.

    Args:
        num_features: number of variables, D.
        likelihood: what the parameters mean.
        num_labels: number of class labels, or None.
        seed: int or None.
    """

    def __init__(self, num_features, likelihood, **kwargs):
        super().__init__(likelihood, **kwargs)
        self.num_features = checks.positive_int("num_features", num_features)

    @property
    def event_shape(self):
        return (self.num_features,)

    def _start(self, batch_size, condition):
        raise NotImplementedError(f"{type(self).__name__} must define _start.")

    def _step(self, state, i):
        """Parameters `(batch, num_parameters)` of the i-th variable of the order."""
        raise NotImplementedError(f"{type(self).__name__} must define _step.")

    def _advance(self, state, i, value):
        """The state after the i-th variable took `value` `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define _advance.")

    def _sample_block(self, seed, given, kept, condition):
        noise = self.likelihood.noise(given.shape, seed)  # (batch, D, 1 or 2)
        noise, given = (tf.gather(t, self.drawing_order, axis=1) for t in (noise, given))
        kept = tf.constant(kept[np.newaxis, self.drawing_order])
        steps = tf.range(self.num_features)
        values = self._compiled_loop(steps, noise, given, kept, condition)
        return tf.gather(values, np.argsort(self.drawing_order), axis=1)

    @functools.cached_property
    def _compiled_loop(self):
        @tf.function(jit_compile=True)
        def draw(steps, noise, given, kept, condition):
            """`steps[k]` is what `_step` gets as i for the k-th variable drawn."""
            noise = tf.transpose(noise, (1, 0, 2))  # (D, batch, 1 or 2)
            given, kept = tf.transpose(given), tf.transpose(kept)  # (D, batch), (D, batch or 1)

            def step(k, state, values):
                i = steps[k]
                drawn = self.likelihood.sample_from_noise(self._step(state, i), noise[k])
                value = tf.where(kept[k], given[k], drawn)  # (batch,)
                return k + 1, self._advance(state, i, value), values.write(k, value)

            values = tf.TensorArray(tf.float32, size=self.num_features)
            _, _, values = tf.while_loop(
                lambda k, *_: k < self.num_features,
                step,
                (0, self._start(given.shape[1], condition), values),
                maximum_iterations=self.num_features,
            )
            return tf.transpose(values.stack())  # (batch, D)

        return draw

    def get_config(self):
        return {**super().get_config(), "num_features": self.num_features}
