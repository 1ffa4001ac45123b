"""The scan that makes NADE cost O(D*H): hidden activations carried from variable to variable.

With h_i = activation(a_i) and a_{i+1} = a_i + x_i W_i, one pass over the variables gives every
output V_i h_i. The backward pass walks the same way back and recovers each a_i by subtraction,
so no tensor of shape (batch, D, H) ever exists: memory is O(batch*H + D*H).

Reference: Larochelle & Murray 2011, "The neural autoregressive distribution estimator",
algorithm 1; Uria et al. 2016, https://arxiv.org/abs/1605.02226, section 3.

Note: everything runs in float32 under every dtype policy. Undoing D additions by D subtractions
drifts by about D machine epsilons: 5e-5 of the activation's size for D = 784 in float32, but 0.5
and more in bfloat16.
"""

import functools
import os

import keras
import tensorflow as tf

MAX_SHARDS = 4


def nade_scan(x, initial, kernel, output_kernel, activation, hidden_scale=None):
    """Outputs of every conditional of a NADE, before the output bias.

    Args:
        x: `(batch, D)` float32, the variables in the order of the model.
        initial: `(batch, H)` float32, hidden pre-activation a_1 before any variable was seen.
        kernel: `(D, H)` float32, row i is what x_i adds to the hidden pre-activation.
        output_kernel: `(D, H, P)` float32, maps hidden unit values to the P outputs of variable i.
        activation: name of a Keras activation that works element by element.
        hidden_scale: `(batch, H)` float32 factor of the hidden values, the same for every variable
            (a dropout mask), or None.

    Returns:
        `(batch, D, P)` float32; entry i depends on x_1..x_{i-1} only.
    """
    pieces, starts = core_shards(x), core_shards(initial)
    scales = [None] * len(pieces) if hidden_scale is None else core_shards(hidden_scale)
    outputs = [
        _scan_one(piece, start, kernel, output_kernel, activation, scale)
        for piece, start, scale in zip(pieces, starts, scales, strict=True)
    ]
    return tf.concat(outputs, axis=0)


def core_shards(tensor):
    """Cuts the batch so that a CPU runs one compiled loop per core; a GPU gets one piece."""
    if tf.config.list_logical_devices("GPU"):
        return [tensor]
    count = min(os.cpu_count() or 1, MAX_SHARDS)
    batch = tf.shape(tensor)[0]
    return [tensor[k * batch // count : (k + 1) * batch // count] for k in range(count)]


def _scan_one(x, initial, kernel, output_kernel, activation, scale):
    forward, backward = _compiled(activation)

    @tf.custom_gradient
    def scan(*inputs):
        # An eager tape would otherwise differentiate the compiled loop itself, which XLA refuses.
        x, initial, kernel, output_kernel = map(tf.stop_gradient, inputs)
        outputs, final = forward(x, initial, kernel, output_kernel, scale)
        return outputs, lambda upstream: backward(x, final, kernel, output_kernel, scale, upstream)

    return scan(x, initial, kernel, output_kernel)


@functools.lru_cache
def _compiled(activation):
    """The two XLA loops for one activation, shared by all models so that they compile once."""
    activation = keras.activations.get(activation)

    def hidden(a, scale):
        return activation(a) if scale is None else activation(a) * scale

    @tf.function(jit_compile=True)
    def forward(x, initial, kernel, output_kernel, scale):
        num_features = kernel.shape[0]
        columns = tf.transpose(x)  # (D, batch)

        def step(i, a, outputs):
            output = tf.matmul(hidden(a, scale), output_kernel[i])  # (batch, P)
            a += columns[i][:, tf.newaxis] * kernel[i]  # (batch, H)
            return i + 1, a, outputs.write(i, output)

        outputs = tf.TensorArray(tf.float32, size=num_features)
        _, final, outputs = tf.while_loop(
            lambda i, *_: i < num_features,
            step,
            (0, initial, outputs),
            maximum_iterations=num_features,
        )
        return tf.transpose(outputs.stack(), (1, 0, 2)), final  # (batch, D, P), (batch, H)

    @tf.function(jit_compile=True)
    def backward(x, final, kernel, output_kernel, scale, upstream):
        num_features = kernel.shape[0]
        columns = tf.transpose(x)  # (D, batch)
        upstream = tf.transpose(upstream, (1, 0, 2))  # (D, batch, P)

        def step(k, a, later, x_grads, kernel_grads, output_grads):
            """`later` is the gradient of the loss by a_{i+1}: the sum over all later variables."""
            i = num_features - 1 - k
            x_i = columns[i][:, tf.newaxis]
            a -= x_i * kernel[i]
            x_grads = x_grads.write(i, tf.linalg.matvec(later, kernel[i]))
            kernel_grads = kernel_grads.write(i, tf.reduce_sum(x_i * later, axis=0))
            with tf.GradientTape() as tape:
                tape.watch(a)
                h = hidden(a, scale)
            output_grads = output_grads.write(i, tf.matmul(h, upstream[i], transpose_a=True))
            h_grad = tf.matmul(upstream[i], output_kernel[i], transpose_b=True)
            later += tape.gradient(h, a, h_grad)
            return k + 1, a, later, x_grads, kernel_grads, output_grads

        empty = [tf.TensorArray(tf.float32, size=num_features) for _ in range(3)]
        _, _, initial_grad, *grads = tf.while_loop(
            lambda k, *_: k < num_features,
            step,
            (0, final, tf.zeros_like(final), *empty),
            maximum_iterations=num_features,
        )
        x_grads, kernel_grads, output_grads = (g.stack() for g in grads)
        return tf.transpose(x_grads), initial_grad, kernel_grads, output_grads

    return forward, backward
