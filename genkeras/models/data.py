"""Checks of a model's data: of arrays before anything changes, of later batches as they come."""

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.training import asserted_weights


class CheckedData:
    """What `CheckedModel` does with data, whatever it does with the rest.

    Arrays, and the first batch of what is read in batches, are checked before anything changes.
    Later batches are checked in the graph by `_asserted`; where XLA compiles it, which drops
    assertions, while they are read.
    """

    likelihood = None
    lowest_label = 0  # -1 where a row may have no label
    instead_of_y = "give x alone, or {'x': x, 'condition': labels} to a model with num_labels"

    def _checked_data(self, x, y=None, sample_weight=None):
        if y is not None:
            raise ValueError(
                f"Expected y=None: the model has no targets; {self.instead_of_y}. "
                f"Received: y of type {type(y).__name__}"
            )
        if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            if sample_weight is not None:
                raise ValueError(
                    "Expected sample_weight inside the dataset, as (x, None, sample_weight). "
                    "Received: sample_weight beside a dataset"
                )
            self._check_first_batch(x)
            return self._checked_as_read(x), None, None
        if isinstance(x, tf.distribute.DistributedDataset):
            return x, None, sample_weight  # the graph checks its batches
        if hasattr(x, "__next__"):
            return self._checked_when_asked(x), None, sample_weight
        values, num_rows = self._checked_arrays(x)
        if sample_weight is not None:
            sample_weight = checks.weights("sample_weight", sample_weight, num_rows)
            # Keras drops the weights of data without targets, so targets that nobody reads.
            y = np.zeros(num_rows, "float32")
        return values, y, sample_weight

    def _checked_arrays(self, x):
        """What `fit` is given as arrays, checked, and the number of rows."""
        values, condition = self._unpack(x)
        values = checks.event_batch("x", values, self.event_shape, self.likelihood)
        condition = self._checked_condition(condition, len(values))
        whole = values if condition is None else {"x": values, "condition": condition}
        return whole, len(values)

    def _checked_as_read(self, dataset):
        """The dataset, whose batches are checked before a step that XLA compiles: it cannot."""
        if not getattr(self, "jit_compile", False):
            return dataset
        if isinstance(dataset, keras.utils.PyDataset):
            return _CheckedBatches(dataset, self._checked_data)

        def checked(*batch):
            x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
            self._asserted(x)
            if sample_weight is not None:
                asserted_weights(sample_weight)
            return batch if len(batch) > 1 else batch[0]

        return dataset.map(checked)

    def _checked_when_asked(self, batches):
        """The batches of a generator, each checked before a step sees it, as the tuples that Keras
        asks of generators."""
        for batch in batches:
            self._checked_data(*keras.utils.unpack_x_y_sample_weight(batch))
            yield tuple(batch) if isinstance(batch, tuple | list) else (batch,)

    def _check_first_batch(self, dataset):
        if isinstance(dataset, keras.utils.PyDataset):
            batch = dataset[0] if dataset.num_batches != 0 else None
        else:
            batch = next(iter(dataset.take(1)), None)
        if batch is None:
            raise ValueError("Expected a dataset with at least one batch. Received: none")
        self._checked_data(*keras.utils.unpack_x_y_sample_weight(batch))

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

    def _require_condition(self, condition):
        if (condition is None) != (self.num_labels is None):
            expected = "no condition" if self.num_labels is None else "a condition"
            received = "none" if condition is None else f"type {type(condition).__name__}"
            raise ValueError(
                f"Expected {expected}: the model has num_labels={self.num_labels}. "
                f"Received: condition of {received}"
            )

    def _checked_condition(self, condition, num_rows):
        self._require_condition(condition)
        if condition is None or tf.is_symbolic_tensor(condition):
            return condition
        return checks.labels("condition", condition, self.num_labels, num_rows, self.lowest_label)

    def _sample_condition(self, condition, num_samples):
        """The labels of `num_samples` draws, from one label, one for each, or None."""
        if condition is not None:
            condition = checks.for_each(condition, num_samples)
        return self._checked_condition(condition, num_samples)

    def _asserted(self, inputs):
        """`x` in float32 and the condition in int32, of what `call` takes.

        A batch that the checks of arrays never saw is checked here, in the graph.
        """
        x, condition = self._unpack(inputs)
        x = tf.convert_to_tensor(x)
        if x.shape.rank != len(self.event_shape) + 1 or not x.shape[1:].is_compatible_with(
            self.event_shape
        ):
            raise ValueError(
                f"Expected x of shape {checks.batch_shape(self.event_shape)}. "
                f"Received: x of shape {x.shape}"
            )
        x = tf.cast(x, tf.float32)
        assertions = [self._asserted_values(x)]
        if condition is not None or self.num_labels is not None:
            condition, assertion = self._asserted_condition(condition)
            assertions.append(assertion)
        # Everything after waits for the assertions, so no weight moves on a bad batch. XLA drops
        # assertions: with jit_compile=True `_checked_as_read` sees to the batches of a dataset.
        with tf.control_dependencies([a for a in assertions if a is not None]):
            return tf.identity(x), None if condition is None else tf.identity(condition)

    def _asserted_values(self, x):
        """The assertion that all values are finite and, with a likelihood, inside its support."""
        finite = ["Expected finite values in x. Received:", x]
        if self.likelihood is None:
            return tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(x)), finite)
        inside = tf.reduce_all(self.likelihood.in_support(x))  # only finite values are in a support

        def refuse():
            tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(x)), finite)
            wrong = tf.boolean_mask(x, ~self.likelihood.in_support(x))
            tf.debugging.Assert(inside, [checks.support_message("x", self.likelihood), wrong])
            return False

        return tf.cond(inside, lambda: True, refuse)

    def _asserted_condition(self, condition):
        """The condition in int32, and the assertion that every label exists."""
        self._require_condition(condition)
        condition = tf.convert_to_tensor(condition)
        if condition.shape.rank != 1:
            raise ValueError(
                f"Expected condition of shape (batch,). Received: shape {condition.shape}"
            )
        labels = tf.cast(condition, tf.int32)
        whole = tf.cast(labels, condition.dtype) == condition
        inside = tf.reduce_all(whole & (labels >= self.lowest_label) & (labels < self.num_labels))
        message = checks.label_message("condition", self.num_labels, self.lowest_label)
        return labels, tf.debugging.Assert(inside, [message, condition])

    def _checked_inputs(self, x, condition):
        """`x` and `condition` as tensors, checked; a symbolic `x` is checked by the graph."""
        x = self._checked_rows(x)
        condition = self._checked_condition(condition, x.shape[0])
        self._ensure_built()
        return x, None if condition is None else tf.convert_to_tensor(condition)

    def _checked_x(self, x):
        """`x` of a method that reads no condition, as `_checked_inputs` gives it."""
        x = self._checked_rows(x)
        self._ensure_built()
        return x

    def _checked_rows(self, x):
        if not tf.is_symbolic_tensor(x):
            checked = checks.event_batch("x", x, self.event_shape, self.likelihood)
            x = x if tf.is_tensor(x) else checked  # a tape follows a tensor
        return tf.cast(x, tf.float32)


class _CheckedBatches(keras.utils.PyDataset):
    """The batches of another dataset, each checked as it is read."""

    def __init__(self, dataset, check):
        super().__init__(workers=dataset.workers, max_queue_size=dataset.max_queue_size)
        self.dataset, self.check = dataset, check

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def __getitem__(self, index):
        batch = self.dataset[index]
        self.check(*keras.utils.unpack_x_y_sample_weight(batch))
        return batch

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()
