"""Checks of what a user hands in, with messages that say what was expected and what came.

Every check runs before anything changes and raises `ValueError("Expected ... Received: ...")`.
"""

import copy
import math
import numbers

import numpy as np

FLOAT32_MAX = float(np.finfo("float32").max)
FLOAT32_TINY = float(np.finfo("float32").tiny)  # what is smaller may count as 0


def positive_int(name, value, minimum=1):
    """`value` as an int, if it is a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(
            f"Expected {name} to be a whole number >= {minimum}. Received: {name}={value!r}"
        )
    return int(value)


def seed(value, part=0):
    """`value + part`, if `value` is a whole number of at least 0; None of None.

    With numbers of their own, the parts of a model draw different weights from one seed.
    """
    return None if value is None else positive_int("seed", value, minimum=0) + part


def seed_pair(value):
    """A whole number as the `(2,)` int32 seed of TensorFlow's stateless random numbers."""
    import tensorflow as tf

    value = positive_int("seed", value, minimum=-(2**63))
    # A tensor, not a Python number: a compiled function would be compiled again for each value.
    return tf.constant([value % 2**31, value // 2**31 % 2**31], tf.int32)


def sizes(name, values, count=None):
    """`values` as a tuple of whole numbers of at least 1, of `count` of them if it is not None."""
    many = "" if count is None else f"{count} "
    whole = f"Expected {name} to be a tuple of {many}whole numbers. Received: {name}={values!r}"
    try:
        values = tuple(values)
    except TypeError as error:
        raise ValueError(whole) from error
    if count is not None and len(values) != count:
        raise ValueError(whole)
    return tuple(positive_int(f"every entry of {name}", value) for value in values)


def positive(name, value):
    """`value` as a float, if it is a number > 0 that float32 holds."""
    if not isinstance(value, numbers.Real) or not FLOAT32_TINY <= value <= FLOAT32_MAX:
        small = isinstance(value, numbers.Real) and 0 < value < 1
        received = f"{value!r}{', which is 0 in float32' if small else ''}"
        raise ValueError(f"Expected {name} > 0. Received: {name}={received}")
    return float(value)


def boolean(name, value):
    """`value` if it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"Expected {name} to be True or False. Received: {name}={value!r}")
    return value


def multiple_of(name, value, divisor):
    """`value` as an int, if it is a positive multiple of `divisor`."""
    value = positive_int(name, value)
    if value % divisor:
        raise ValueError(f"Expected {name} to be a multiple of {divisor}. Received: {name}={value}")
    return value


def real(name, value, minimum=0.0, below=math.inf):
    """`value` as a float, if it is a number in [minimum, below)."""
    if not isinstance(value, numbers.Real) or not minimum <= value < below:
        raise ValueError(
            f"Expected {name} to be a number with {minimum} <= {name} < {below}. "
            f"Received: {name}={value!r}"
        )
    return float(value)


def two_rates(name, value):
    """`value` as two rates in [0, 1)."""
    try:
        first, second = value
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected {name} to be two rates, of the inputs and of the layers after them. "
            f"Received: {name}={value!r}"
        ) from error
    return tuple(real(f"every entry of {name}", rate, below=1.0) for rate in (first, second))


def activation_name(name, value):
    """`value`, if it is the name of a Keras activation."""
    import keras

    try:
        known = isinstance(value, str) and keras.activations.get(value) is not None
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            f"Expected {name} to be the name of a Keras activation, such as 'relu'. "
            f"Received: {name}={value!r}"
        )
    return value


def network(name, value, example, num_inputs=1):
    """A Keras model, from itself or its serialized form, whose shapes are known.

    Args:
        name: name of the argument.
        value: the model, or a dictionary of `keras.saving.serialize_keras_object`.
        example: what makes such a model, for the message.
        num_inputs: how many inputs it has; it has one output.
    """
    import keras

    if isinstance(value, dict):
        # A copy: Keras takes a configuration apart as it reads it.
        value = keras.saving.deserialize_keras_object(copy.deepcopy(value))
    shapes = [*input_shapes(value)]
    shapes.append(getattr(value, "output_shape", None))
    known = all(isinstance(shape, tuple) and None not in shape[1:] for shape in shapes)
    if not isinstance(value, keras.Model) or not known or len(shapes) != num_inputs + 1:
        count = ("no inputs", "one input", "two inputs")[num_inputs]
        raise ValueError(
            f"Expected {name} to be a Keras model with {count} and one output of known shapes, "
            f"such as {example}. Received: {name}={value!r}"
        )
    return value


def raw_outputs(name, network, use):
    """Refuses a network that ends in a sigmoid or softmax.

    Args:
        name: the network in words, such as "a decoder".
        network: a Keras model.
        use: what is done with raw outputs, for the message.
    """
    last = _last_activation(network)
    if last in ("sigmoid", "softmax"):
        raise ValueError(
            f"Expected {name} to end in raw outputs, {use}. "
            f"Received: a last layer with activation={last!r}"
        )


def _last_activation(network):
    """The name of the activation that a network ends in, or None of a layer without one."""
    import keras

    for layer in reversed(network.layers):
        if isinstance(layer, keras.Model):
            return _last_activation(layer)
        if isinstance(layer, keras.layers.Softmax):
            return "softmax"
        if not isinstance(layer, keras.layers.Reshape | keras.layers.Flatten):
            return getattr(getattr(layer, "activation", None), "__name__", None)
    return None


def input_shapes(network):
    """The shapes of the inputs of a network, a list; of what is none, `[None]`."""
    shapes = getattr(network, "input_shape", None)
    return shapes if isinstance(shapes, list) else [shapes]


def has_method(model, method, others):
    """Raises if a model lacks a method.

    Args:
        model: what was handed in for a model.
        method: name of the method.
        others: what serves models without it, in words.
    """
    if not callable(getattr(model, method, None)):
        raise ValueError(
            f"Expected a model with {method}; {others}. Received: {type(model).__name__}"
        )


def numeric_array(name, value):
    """`value` as a NumPy array of real numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        hint = "; labels go into {'x': x, 'condition': labels}" if type(value) is tuple else ""
        raise ValueError(
            f"Expected {name} to be an array{hint}. Received: {type(value).__name__}, {error}"
        ) from error
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        hint = (
            "; of a split of a genkeras data set pass its `.x`" if hasattr(value, "labels") else ""
        )
        raise ValueError(
            f"Expected {name} to hold real numbers. Received: {name} with dtype={array.dtype}{hint}"
        )
    return array


def absent(options, names, reason):
    """Refuses options that a model does not have."""
    for name in names:
        if name in options:
            raise ValueError(f"Expected no {name}: {reason}. Received: {name}={options[name]!r}")


def event_batch(name, value, event_shape, likelihood=None):
    """`value` as an array `(batch, *event_shape)`, not empty, finite and inside the support."""
    array = numeric_array(name, value)
    if array.ndim != len(event_shape) + 1 or array.shape[1:] != tuple(event_shape):
        raise ValueError(
            f"Expected {name} of shape {batch_shape(event_shape)}. "
            f"Received: {name} of shape {array.shape}" + _flat_hint(array, event_shape)
        )
    if array.shape[0] == 0:
        raise ValueError(f"Expected {name} with at least one row. Received: shape {array.shape}")
    values_in_support(name, array, likelihood)
    return array


def codes(name, z, shape):
    """Codes `(batch, *shape)` in float32, checked; symbolic ones are taken as they are."""
    import tensorflow as tf

    if not tf.is_symbolic_tensor(z):
        checked = event_batch(name, z, shape)
        z = z if tf.is_tensor(z) else checked  # a tape follows a tensor
    return tf.cast(z, tf.float32)


def _flat_hint(array, event_shape):
    """What to do with images when the model wants rows."""
    flat = len(event_shape) == 1 and array.ndim > 2 and math.prod(array.shape[1:]) == event_shape[0]
    return "; x.reshape(len(x), -1) makes rows of images" if flat else ""


def values_in_support(name, array, likelihood=None):
    """Refuses values that are not finite or that the likelihood gives no probability."""
    # The extremes are quicker to find than a mask is to make, and NaN is among both. As Python
    # numbers: in float16 the largest float32 is infinite.
    if array.dtype.kind not in "biu" and not (
        array.size == 0
        or (float(array.min()) >= -FLOAT32_MAX and float(array.max()) <= FLOAT32_MAX)
    ):
        bad = array[~(np.abs(array.astype("float64")) <= FLOAT32_MAX)].flat[0]
        raise ValueError(f"Expected finite values in {name}. Received: {bad}")
    if likelihood is not None:
        inside = likelihood.in_support(array)
        if not np.all(inside):
            bad = array[~inside].flat[0]
            raise ValueError(support_message(name, likelihood) + f"{bad}")


def support_message(name, likelihood):
    """The words shared by the check of arrays and the assertion in the graph."""
    return f"Expected values of {name} to be {likelihood.support}. Received: "


def batch_shape(event_shape):
    """`(batch, ...)` as it is written in messages."""
    return "(" + ", ".join(["batch", *map(str, event_shape)]) + ")"


def labels(name, value, num_labels, num_rows, lowest=0):
    """`value` as int32 labels `(num_rows,)` in [lowest, num_labels).

    A graph does not always know `num_rows`, which is None then.
    """
    array = numeric_array(name, value)
    if array.ndim != 1 or num_rows not in (None, len(array)):
        raise ValueError(
            f"Expected {name} of shape ({num_rows},). Received: {name} of shape {array.shape}"
        )
    inside = np.isin(array, np.arange(lowest, num_labels))
    if not np.all(inside):
        raise ValueError(label_message(name, num_labels, lowest) + f"{array[~inside].flat[0]}")
    return array.astype("int32")


def for_each(value, count):
    """One label for all as `(count,)` labels; what is no single label as it is."""
    return np.full(count, value) if np.ndim(value) == 0 else value


def label_message(name, num_labels, lowest=0):
    """The words shared by the check of labels and the assertion in the graph."""
    return f"Expected {name} to hold whole numbers from {lowest} to {num_labels - 1}. Received: "


def weights(name, value, num_rows):
    """`value` as sample weights `(num_rows,)` float32, finite and not negative."""
    array = numeric_array(name, value)
    if array.shape != (num_rows,):
        raise ValueError(
            f"Expected {name} of shape ({num_rows},). Received: {name} of shape {array.shape}"
        )
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise ValueError(
            f"Expected {name} to be finite and >= 0. Received: values from "
            f"{array.min()} to {array.max()}"
        )
    return array.astype("float32")
