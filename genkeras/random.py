"""Random numbers from one generator, the same with XLA and without it.

TensorFlow leaves the choice of a generator to the device. On a CPU that is Philox, but under XLA
another one, with other numbers. It can be slow: 10,000 normal numbers by themselves took 3.8 ms for
0.1, though inside the training step of a Transformer there was no difference. So Philox is asked
for by name.

Reference: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def normal(shape, seed):
    """Standard normal numbers of `shape`, float32, from a `(2,)` int seed."""
    return tf.random.stateless_normal(shape, seed, alg="philox")


def uniform(shape, seed, minval=0, maxval=1, dtype=tf.float32):
    """Numbers of `shape`, uniform in [minval, maxval), from a `(2,)` int seed."""
    return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, alg="philox")


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
