"""Random numbers and seeds from one generator, the same with XLA and without it.

TensorFlow leaves the choice of a generator to the device, so Philox is asked for by name. Its bits
are the same everywhere, but XLA makes other real numbers of them than a CPU does. So that is done
here, as on a CPU.

What TFP draws by itself, mixtures and one-hot vectors, is not the same under XLA.

Reference: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; Box & Muller 1958, "A
note on the generation of random normal deviates".
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def fold_in(seed, data):
    """A `(2,)` seed of a `(2,)` int seed and a whole number, such as the place of a draw."""
    return tf.random.experimental.stateless_fold_in(seed, data, alg="philox")


def split(seed, num=2):
    """`(num, 2)` seeds of one."""
    return tf.random.experimental.stateless_split(seed, num, alg="philox")


def normal(shape, seed):
    """Standard normal numbers of `shape`, float32, from a `(2,)` int seed."""
    size = tf.reduce_prod(tf.cast(shape, tf.int32))
    pairs = uniform(tf.stack([(size + 1) // 2, 2]), seed)
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(pairs[:, 0], 1e-7)))
    angle = 2 * math.pi * pairs[:, 1]
    numbers = tf.stack([radius * tf.sin(angle), radius * tf.cos(angle)], axis=1)
    return tf.reshape(tf.reshape(numbers, [-1])[:size], shape)


def uniform(shape, seed, minval=0, maxval=1, dtype=tf.float32):
    """Numbers of `shape`, uniform in [minval, maxval), from a `(2,)` int seed."""
    if dtype.is_integer:
        return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, alg="philox")
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox")
    # 23 of the bits are the fraction of a float32 in [1, 2).
    fraction = tf.bitwise.bitwise_and(bits, tf.constant(2**23 - 1, tf.uint32))
    one = tf.constant(127 << 23, tf.uint32)
    share = tf.bitcast(tf.bitwise.bitwise_or(fraction, one), tf.float32) - 1.0
    return minval + (maxval - minval) * share


class Normal(tfd.Normal):
    """TFP's normal distribution, drawn by `normal`."""

    def _sample_n(self, n, seed=None):
        return self.loc + self.scale * normal(_shape(n, self), tfp.random.sanitize_seed(seed))


class Uniform(tfd.Uniform):
    """TFP's uniform distribution, drawn by `uniform`."""

    def _sample_n(self, n, seed=None):
        share = uniform(_shape(n, self), tfp.random.sanitize_seed(seed))
        return self.low + self.range() * share


def _shape(num_samples, distribution):
    return tf.concat([[num_samples], distribution.batch_shape_tensor()], axis=0)
