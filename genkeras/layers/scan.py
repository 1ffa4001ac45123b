"""Recurrences compiled by XLA that can be differentiated inside and outside of a graph."""

import tensorflow as tf


def compiled_scan(run):
    """A recurrence as one compiled loop, and its gradient as another that runs it once more.

    Args:
        run: a function of one structure of float32 tensors that returns one tensor; a
            `tf.while_loop` in it must state `maximum_iterations`.

    Returns:
        The compiled function. Only what enters and leaves it is kept for the gradient.
    """
    forward = tf.function(run, jit_compile=True)

    @tf.function(jit_compile=True)
    def backward(inputs, upstream):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = run(inputs)
        return tape.gradient(outputs, inputs, upstream, unconnected_gradients="zero")

    def scan(inputs):
        @tf.custom_gradient
        def differentiable(*flat):
            # An eager tape would otherwise differentiate the compiled loop, which XLA refuses.
            values = tf.nest.pack_sequence_as(inputs, [tf.stop_gradient(t) for t in flat])
            return forward(values), lambda upstream: tf.nest.flatten(backward(values, upstream))

        return differentiable(*tf.nest.flatten(inputs))

    return scan


def compiled_recurrence(step, enter, leave):
    """An LSTM's states as one compiled loop, and their gradient as another that walks back.

    The way back runs every step once more from the states before it, which are kept.

    Args:
        step: `(inputs_k, h, c, weights) -> (h, c)`, for h and c of equal shapes.
        enter: puts inputs into the layout of the loop, `(steps, batch, ..., 4 * units)`.
        leave: puts states `(steps, batch, ..., units)` into the layout of the inputs.

    Returns:
        A function of inputs and weights, one tensor, that gives h after every step. The states
        before the first step are zero.
    """

    def forward(inputs, weights):
        entered = enter(inputs)
        num_steps, units = entered.shape[0], entered.shape[-1] // 4

        def body(k, h, c, every_h, every_c):
            h, c = step(entered[k], h, c, weights)
            return k + 1, h, c, every_h.write(k, h), every_c.write(k, c)

        start = tf.zeros_like(entered[0, ..., :units])
        arrays = [tf.TensorArray(tf.float32, size=num_steps) for _ in range(2)]
        *_, every_h, every_c = _loop(num_steps, body, start, start, *arrays)
        every_h, every_c = every_h.stack(), every_c.stack()
        return leave(every_h), every_h, every_c

    def backward(inputs, weights, every_h, every_c, upstream):
        with tf.GradientTape() as entering:
            entering.watch(inputs)
            entered = enter(inputs)
        with tf.GradientTape() as leaving:
            leaving.watch(every_h)
            left = leave(every_h)
        upstream = leaving.gradient(left, every_h, upstream)
        num_steps, start = entered.shape[0], tf.zeros_like(every_h[:1])
        h_before, c_before = (tf.concat([start, t[:-1]], axis=0) for t in (every_h, every_c))

        def body(steps_back, h_grad, c_grad, weights_grad, entered_grad):
            k = num_steps - 1 - steps_back
            sources = (entered[k], h_before[k], c_before[k], weights)
            with tf.GradientTape() as tape:
                tape.watch(sources)
                after = step(*sources)
            grads = tape.gradient(after, sources, (h_grad + upstream[k], c_grad))
            of_entered, h_grad, c_grad, of_weights = grads
            entered_grad = entered_grad.write(k, of_entered)
            return steps_back + 1, h_grad, c_grad, weights_grad + of_weights, entered_grad

        array = tf.TensorArray(tf.float32, size=num_steps)
        *_, weights_grad, entered_grad = _loop(
            num_steps, body, start[0], start[0], tf.zeros_like(weights), array
        )
        return entering.gradient(entered, inputs, entered_grad.stack()), weights_grad

    forward = tf.function(forward, jit_compile=True)
    backward = tf.function(backward, jit_compile=True)

    @tf.custom_gradient
    def recurrence(inputs, weights):
        # An eager tape would otherwise differentiate the compiled loop, which XLA refuses.
        inputs, weights = tf.stop_gradient(inputs), tf.stop_gradient(weights)
        outputs, *states = forward(inputs, weights)
        return outputs, lambda upstream: backward(inputs, weights, *states, upstream)

    return recurrence


def _loop(num_steps, body, *start):
    return tf.while_loop(
        lambda k, *_: k < num_steps, body, (0, *start), maximum_iterations=num_steps
    )
