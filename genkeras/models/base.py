"""What the three contracts share: checked data, seeds, class conditions."""

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "Expected Keras to run on TensorFlow: set KERAS_BACKEND=tensorflow before Keras is "
        f"imported. Received: backend={keras.backend.backend()!r}"
    )


class GenerativeModel(keras.Model):
    """What the three contracts share. A subclass sets `event_shape` and the methods of its kind.

    Args:
        seed: int seed of the model's own `SeedGenerator`, or None for a random one.
        num_labels: number of class labels the model can be conditioned on, or None.
    """

    likelihood = None

    def __init__(self, *, num_labels=None, seed=None, **kwargs):
        # Casting inputs to a half-precision policy would round real data before the likelihood
        # sees it; layers that compute in half precision cast for themselves.
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        if num_labels is not None:
            num_labels = checks.positive_int("num_labels", num_labels, minimum=2)
        self.num_labels = num_labels
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def event_shape(self):
        """Shape of one example, a tuple."""
        raise NotImplementedError(f"{type(self).__name__} must define event_shape.")

    def fit(self, x=None, y=None, *args, sample_weight=None, validation_data=None, **kwargs):
        """Trains as `keras.Model.fit` does, after checking all data.

        Args:
            x: array `(n, *event_shape)`, `{"x": array, "condition": labels}`, or a
                `tf.data.Dataset` of batches of either.
            y: must be None: a generative model has no targets.
            sample_weight: `(n,)` non-negative weights of the examples' losses, or None.
            validation_data: `x`, or a tuple `(x, None, sample_weight)`, or a dataset.

        Raises:
            ValueError: data of a wrong shape or type, not finite, outside the support, or empty.
        """
        x, y, sample_weight = self._checked_data(x, y, sample_weight)
        if validation_data is not None:
            if isinstance(validation_data, tuple | list):
                validation_data = self._checked_data(*validation_data)
            elif isinstance(validation_data, np.ndarray | dict):
                validation_data = self._checked_data(validation_data)
            else:
                self._checked_data(validation_data)
        return super().fit(
            x, y, *args, sample_weight=sample_weight, validation_data=validation_data, **kwargs
        )

    def evaluate(self, x=None, y=None, *args, sample_weight=None, **kwargs):
        """The exact loss (NLL, or -ELBO) as `keras.Model.evaluate` gives it, after checks."""
        if not kwargs.get("_use_cached_eval_dataset"):
            x, y, sample_weight = self._checked_data(x, y, sample_weight)
        return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)

    def _checked_data(self, x, y=None, sample_weight=None):
        if y is not None:
            raise ValueError(
                "Expected y=None: a generative model has no targets; class labels go into "
                f"{{'x': x, 'condition': labels}}. Received: y of type {type(y).__name__}"
            )
        if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            if sample_weight is not None:
                raise ValueError(
                    "Expected sample_weight inside the dataset, as (x, None, sample_weight). "
                    "Received: sample_weight beside a dataset"
                )
            self._check_first_batch(x)
            return x, None, None
        if not isinstance(x, np.ndarray | tf.Tensor | list | tuple | dict):
            return x, None, sample_weight  # a generator: the graph checks its batches
        values, condition = self._unpack(x)
        values = checks.event_batch("x", values, self.event_shape, self.likelihood)
        condition = self._checked_condition(condition, len(values))
        if sample_weight is not None:
            sample_weight = checks.weights("sample_weight", sample_weight, len(values))
            # Keras drops the weights of data without targets, so targets that nobody reads.
            y = np.zeros(len(values), "float32")
        if condition is not None:
            values = {"x": values, "condition": condition}
        return values, y, sample_weight

    def _check_first_batch(self, dataset):
        if isinstance(dataset, keras.utils.PyDataset):
            batch = dataset[0]
        else:
            batch = next(iter(dataset.take(1)), None)
            if batch is None:
                raise ValueError("Expected a dataset with at least one batch. Received: none")
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        values, condition = self._unpack(x)
        self._checked_data({"x": values} if condition is None else x, y)

    def _unpack(self, inputs):
        """Splits what `fit` and `call` take into the data and the condition (or None)."""
        if not isinstance(inputs, dict):
            return inputs, None
        unknown = set(inputs) - {"x", "condition"}
        if unknown or "x" not in inputs:
            raise ValueError(
                f"Expected a dictionary with 'x' and 'condition'. Received: keys {sorted(inputs)}"
            )
        return inputs["x"], inputs.get("condition")

    def _checked_condition(self, condition, num_rows):
        if (condition is None) != (self.num_labels is None):
            expected = "no condition" if self.num_labels is None else "a condition"
            received = "none" if condition is None else f"type {type(condition).__name__}"
            raise ValueError(
                f"Expected {expected}: the model has num_labels={self.num_labels}. "
                f"Received: condition of {received}"
            )
        if condition is None or tf.is_symbolic_tensor(condition):
            return condition
        return checks.labels("condition", condition, self.num_labels, num_rows)

    def _asserted(self, x):
        """`x` in float32; a batch that arrays' checks never saw is checked in the graph."""
        if x.shape.rank != len(self.event_shape) + 1 or not x.shape[1:].is_compatible_with(
            self.event_shape
        ):
            raise ValueError(
                f"Expected x of shape {checks.batch_shape(self.event_shape)}. "
                f"Received: x of shape {x.shape}"
            )
        x = tf.cast(x, tf.float32)
        finite = tf.reduce_all(tf.math.is_finite(x))
        assertions = [tf.debugging.Assert(finite, ["Expected finite values in x. Received:", x])]
        if self.likelihood is not None:
            inside = tf.reduce_all(self.likelihood.in_support(x))
            message = checks.support_message("x", self.likelihood)
            assertions.append(tf.debugging.Assert(inside, [message, x]))
        # Everything after waits for the assertions, so no weight moves on a bad batch. XLA drops
        # assertions: with jit_compile=True only the first batch of a dataset is checked.
        with tf.control_dependencies([a for a in assertions if a is not None]):
            return tf.identity(x)

    def _ensure_built(self):
        if not self.built:
            self.build((None, *self.event_shape))

    def _checked_inputs(self, x, condition):
        """`x` and `condition` as tensors, checked; a symbolic `x` is checked by the graph."""
        if not tf.is_symbolic_tensor(x):
            x = checks.event_batch("x", x, self.event_shape, self.likelihood)
        condition = self._checked_condition(condition, x.shape[0])
        self._ensure_built()
        if condition is not None:
            condition = tf.convert_to_tensor(condition)
        return tf.cast(x, tf.float32), condition

    def regularization(self):
        """What training adds to the loss, nats per example: the regularisers of the layers."""
        return tf.add_n([tf.cast(loss, tf.float32) for loss in self.losses] or [0.0])

    def get_config(self):
        return {**super().get_config(), "num_labels": self.num_labels, "seed": self.seed}
