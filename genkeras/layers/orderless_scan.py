"""The recurrence of an order-agnostic NADE along one stated order, as one compiled loop."""

import functools

import keras
import tensorflow as tf

from genkeras.layers.nade_scan import core_shards
from genkeras.layers.scan import compiled_scan


def orderless_scan(
    x, start, kernel, known_kernel, output_kernel, hidden_kernels, hidden_biases, activation
):
    """Outputs of every conditional along one order, before the output bias.

    Args:
        x: `(batch, D)` float32, the variables in the order; so are the rows of the kernels.
        start: `(batch, H)` float32, first pre-activation before any variable is known.
        kernel: `(D, H)`, what the value of a variable adds to the pre-activation.
        known_kernel: `(D, H)`, what knowing it adds, whatever its value.
        output_kernel: `(D, H, P)`, maps hidden values to the P outputs of a variable.
        hidden_kernels, hidden_biases: tuples of `(H, H)` and `(H,)`, of the layers above the first.
        activation: name of a Keras activation.

    Returns:
        `(batch, D, P)` float32; entry i depends on x_1..x_{i-1} only. Memory is O(batch*H + D*H),
        but O(batch*D*H) for a gradient, which training does not need.
    """
    shared = (kernel, known_kernel, output_kernel, hidden_kernels, hidden_biases)
    scan = _compiled(activation)
    shards = zip(core_shards(x), core_shards(start), strict=True)
    return tf.concat([scan((*shard, *shared)) for shard in shards], axis=0)


def upper_layers(a, kernels, biases, activation):
    """Values of the last hidden layer `(batch, H)` from pre-activations of the first."""
    function = keras.activations.get(activation)
    hidden = function(a)
    for kernel, bias in zip(kernels, biases, strict=True):
        hidden = function(tf.matmul(hidden, kernel) + bias)
    return hidden


@functools.lru_cache
def _compiled(activation):
    """The loop for one activation, shared by all models."""

    def run(inputs):
        x, start, kernel, known_kernel, output_kernel, *upper = inputs
        columns = tf.transpose(x)  # (D, batch)

        def step(i, a, outputs):
            output = tf.matmul(upper_layers(a, *upper, activation), output_kernel[i])
            a += columns[i][:, tf.newaxis] * kernel[i] + known_kernel[i]  # (batch, H)
            return i + 1, a, outputs.write(i, output)

        outputs = tf.TensorArray(tf.float32, size=kernel.shape[0])
        *_, outputs = tf.while_loop(
            lambda i, *_: i < kernel.shape[0],
            step,
            (0, start, outputs),
            maximum_iterations=kernel.shape[0],
        )
        return tf.transpose(outputs.stack(), (1, 0, 2))  # (batch, D, P)

    return compiled_scan(run)
