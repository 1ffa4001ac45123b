"""Order-agnostic NADE: one network for the conditionals of every order, and ensembles of orders.

The network is given the values of any set K of known variables, and which they are; it answers
with the parameters of p(x_i | x_K) for every other variable. An order o then gives a density,
p_o(x) = prod_i p(x_{o_i} | x_{o_<i}), and several orders give their average, itself a density.
The first hidden layer is reused along an order as in NADE: with one hidden layer a density costs
O(D*H) per order, with two O(D*H^2).

Reference: Uria, Murray & Larochelle 2014, "A deep and tractable density estimator",
https://arxiv.org/abs/1310.1757, eq. 8-11 and section 3.

Note: the paper draws the number of known variables uniformly from 0..D-1, then the set. Here each
variable is known with a probability that is itself uniform, which makes the number uniform on
0..D; the weights of the loss allow for it, so its expectation is the paper's.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks, random
from genkeras.autoregressive import orderings as orders
from genkeras.autoregressive.sequential import SequentialModel
from genkeras.layers.initializers import Tiled
from genkeras.layers.orderless_scan import orderless_scan, upper_layers
from genkeras.likelihoods import Bernoulli
from genkeras.training import mean_loss, replica_seed


@keras.saving.register_keras_serializable(package="genkeras")
class OrderlessNADE(SequentialModel):
    """NADE trained for all orders at once, scored under the orders it states.

    Args:
        num_features: number of variables, D.
        hidden_units: units of every hidden layer, H.
        num_layers: number of hidden layers, at least 1.
        likelihood: `Bernoulli()` if None, or any other of `genkeras.likelihoods`.
        orderings: one ordering or a list of orderings, each as in `NADE`; "natural" if None. They
            are saved with the model. Of several, `log_prob` is the log of the mean of their
            probabilities. `orderings.random_orders` makes a seeded set.
        activation: as in `NADE`; "silu" where a large step size switches ReLU units off for good.
        num_labels: number of class labels y for p(x | y), or None.
        seed: int or None; also seeds the weights and a "random" ordering.

    Note: with a mask, `sample` draws the unknown variables along the one stated ordering, after
        all known ones: exact for the order that begins with the known variables, for any mask.
        The densities of two orders of one network are not equal, so a model that states several
        orderings refuses a mask: choose one by `with_orderings`.
    """

    def __init__(
        self,
        num_features,
        hidden_units,
        num_layers=1,
        likelihood=None,
        orderings=None,
        activation="relu",
        num_labels=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            num_features, likelihood or Bernoulli(), num_labels=num_labels, seed=seed, **kwargs
        )
        self.hidden_units = checks.positive_int("hidden_units", hidden_units)
        self.num_layers = checks.positive_int("num_layers", num_layers)
        self.orderings = orders.resolve_several(orderings, self.num_features, seed)
        self.activation = checks.activation_name("activation", activation)

    @property
    def drawing_orders(self):
        """The stated orderings as permutations: `(num_orderings, D)` int32."""
        permutations = [orders.permutation(o, self.num_features) for o in self.orderings]
        return np.asarray(permutations, "int32")

    @property
    def drawing_order(self):
        """The first stated ordering as a permutation: `(D,)` int32."""
        return self.drawing_orders[0]

    def with_orderings(self, orderings):
        """A copy of this model, trained as it is, that states other orderings.

        Args:
            orderings: one ordering or a list of orderings, as in the constructor.

        Note: the copy is compiled as this model is, with a fresh optimizer.
        """
        self._ensure_built()
        other = type(self).from_config({**self.get_config(), "orderings": orderings})
        other._ensure_built()
        other.set_weights(self.get_weights())
        if self.compiled:
            other.compile_from_config(self.get_compile_config())
        return other

    def build(self, input_shape):
        depth, width = self.num_features, self.hidden_units
        outputs = self.likelihood.num_parameters

        def weight(name, shape, fan_in):
            seed = checks.seed(self.seed, len(self.weights))
            normal = keras.initializers.RandomNormal(stddev=fan_in**-0.5, seed=seed)
            return self.add_weight(name=name, shape=shape, initializer=normal)

        # Row i belongs to variable i of x, in whatever order it is visited.
        self.kernel = weight("kernel", (depth, width), depth)
        self.known_kernel = weight("known_kernel", (depth, width), depth)
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.hidden_kernels, self.hidden_biases = [], []
        for layer in range(1, self.num_layers):
            self.hidden_kernels.append(weight(f"hidden_kernel_{layer}", (width, width), width))
            self.hidden_biases.append(
                self.add_weight(name=f"hidden_bias_{layer}", shape=(width,), initializer="zeros")
            )
        self.output_kernel = weight("output_kernel", (depth, width, outputs), width)
        start = Tiled(self.likelihood.initial_parameters())
        self.output_bias = self.add_weight(
            name="output_bias", shape=(depth, outputs), initializer=start
        )
        if self.num_labels is not None:
            self.label_kernel = weight("label_kernel", (self.num_labels, width), width)

    def call(self, inputs, training=False):
        x, condition = self._asserted(inputs)
        if not training:
            return self.parameters(x, condition)
        known = self._random_known(tf.shape(x)[0])  # (batch, D)
        parameters = self.parameters_given(x, known, condition)
        # One tensor (batch, D, num_parameters + 1), for another model that this is a part of.
        return tf.concat([parameters, known[..., tf.newaxis]], axis=-1)

    def parameters_given(self, x, known, condition=None):
        """Raw outputs for every variable given a set of known ones: `(batch, D, num_parameters)`.

        Args:
            x: `(batch, D)` float32; read where `known` is 1, so that the others may be NaN.
            known: `(batch, D)`, 1 or true for a known variable and 0 for the others; the outputs
                for known variables mean nothing.
            condition: `(batch,)` int labels, for a model with `num_labels`.
        """
        self._ensure_built()
        known = tf.cast(known, tf.float32)
        x = tf.where(known > 0, self.likelihood.network_input(x), 0.0)
        a = self._start(tf.shape(x)[0], condition)
        a += tf.matmul(x, self.kernel) + tf.matmul(known, self.known_kernel)  # (batch, H)
        hidden = upper_layers(a, *self._upper_weights(), self.activation)
        return tf.einsum("bh,dhp->bdp", hidden, self.output_kernel) + self.output_bias

    def parameters(self, x, condition=None, training=False):
        """Raw outputs of every conditional along the stated orderings.

        Returns:
            `(batch, D, num_parameters)`; with M > 1 orderings `(batch, M, D, num_parameters)`.
        """
        raw = self._map_orders(lambda raw: raw, x, condition)  # (M, batch, D, P)
        return raw[0] if len(self.orderings) == 1 else tf.transpose(raw, (1, 0, 2, 3))

    def ordering_log_probs(self, x, condition=None):
        """Log density in nats under each stated ordering: `(batch, num_orderings)` float32."""
        inputs = self._asserted(self._inputs(x, condition))
        return tf.transpose(self._log_probs_of_orders(*inputs))

    @functools.cached_property
    def _compiled_log_prob(self):
        @tf.function(reduce_retracing=True)
        def log_prob(inputs):
            return self._ensemble_log_prob(*self._asserted(inputs))

        return log_prob

    def _log_probs_of_orders(self, x, condition):
        """`(num_orderings, batch)`, one ordering after another: memory does not grow with them."""
        return self._map_orders(lambda raw: self._event_log_prob(raw, x), x, condition)

    def _ensemble_log_prob(self, x, condition):
        log_probs = self._log_probs_of_orders(x, condition)
        return tf.reduce_logsumexp(log_probs, axis=0) - np.log(len(self.orderings))

    def _map_orders(self, function, x, condition):
        """`function` of the raw outputs `(batch, D, num_parameters)` along each stated ordering."""
        x = self.likelihood.network_input(x)
        start = self._start(tf.shape(x)[0], condition)
        # Variables are read here, for a loop that reads them is run even where no one wants its
        # result, as in `evaluate`, whose loss does not look at the outputs of `call`.
        kernels = (self.kernel, self.known_kernel, self.output_kernel)
        kernels = [tf.convert_to_tensor(kernel) for kernel in kernels]
        upper, output_bias = self._upper_weights(), tf.convert_to_tensor(self.output_bias)

        def along(order):
            columns = tf.gather(x, order, axis=1)
            rows = [tf.gather(kernel, order) for kernel in kernels]
            raw = orderless_scan(columns, start, *rows, *upper, activation=self.activation)
            return function(tf.gather(raw, tf.argsort(order), axis=1) + output_bias)

        return tf.map_fn(
            along,
            tf.constant(self.drawing_orders),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )

    def _random_known(self, batch_size):
        """Which variables each training example may see: `(batch, D)` of 0 and 1.

        With a probability rho ~ U(0, 1) for each example, their number is uniform on 0..D and,
        given the number, every set is as likely. The rhos of a batch are evenly spaced on a ring.
        """
        seed = replica_seed(self.seed_generator)
        seeds = random.split(seed, 2)
        count = tf.cast(batch_size, tf.float32)
        rho = (tf.range(count) / count + random.uniform((), seeds[0])) % 1.0
        uniform = random.uniform((batch_size, self.num_features), seeds[1])
        return tf.cast(uniform < rho[:, tf.newaxis], tf.float32)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """In training an unbiased estimate of the mean NLL over all orders, from one set of known
        variables per example; otherwise the exact mean NLL under the stated orderings."""
        if training:
            parameters, known = y_pred[..., :-1], y_pred[..., -1]
            nll = self._estimated_nll(self._unpack(x)[0], parameters, known)
            return mean_loss(nll, sample_weight) + mean_loss(self.regularization())
        # From x again, for the outputs of all orderings at once would fill the memory.
        return mean_loss(-self._ensemble_log_prob(*self._asserted(x)), sample_weight)

    def _estimated_nll(self, x, parameters, known):
        """(D + 1) / (number unknown) times the NLL of the unknown variables: `(batch,)`."""
        log_probs = self.likelihood.distribution(parameters).log_prob(tf.cast(x, tf.float32))
        unknown = 1 - known
        weight = (self.num_features + 1) / tf.maximum(tf.reduce_sum(unknown, axis=1), 1)
        return -weight * tf.reduce_sum(log_probs * unknown, axis=1)

    def _check_mask(self, kept):
        if len(self.orderings) > 1:
            raise ValueError(
                "Expected one stated ordering to complete what a mask keeps: choose one by "
                f"with_orderings. Received: {len(self.orderings)} orderings"
            )

    def _sample_block(self, seed, given, kept, condition):
        """Each draw follows one of the stated orderings, picked evenly; known variables first."""
        seeds = random.split(seed, 2)
        noise = self.likelihood.noise(given.shape, seeds[0])  # (batch, D, 1 or 2)
        order = self.drawing_orders
        known_first = np.argsort(~kept.reshape(-1)[order], axis=1, kind="stable")
        order = np.take_along_axis(order, known_first, axis=1)
        picked = random.uniform(given.shape[:1], seeds[1], 0, len(order), tf.int32)
        order = tf.gather(order, picked)  # (batch, D)
        noise, given = (tf.gather(t, order, axis=1, batch_dims=1) for t in (noise, given))
        kept = tf.gather(tf.constant(kept), order)
        values = self._compiled_loop(tf.transpose(order), noise, given, kept, condition)
        return tf.gather(values, tf.argsort(order, axis=1), axis=1, batch_dims=1)

    def _start(self, batch_size, condition):
        # Unknown counts as -1/2 and known as +1/2, not 0 and 1: the same functions, but the mask
        # shifts no unit by more than half as much, and training is faster.
        bias = self.bias - tf.reduce_sum(self.known_kernel, axis=0) / 2
        a = tf.tile(bias[tf.newaxis], (batch_size, 1))  # (batch, H)
        return a if condition is None else a + tf.gather(self.label_kernel, condition)

    def _step(self, a, i):
        """As in `SequentialModel`, with the position of every example's variable, `(batch,)`."""
        hidden = upper_layers(a, *self._upper_weights(), self.activation)
        kernel = tf.gather(self.output_kernel, i)  # (batch, H, P)
        return tf.einsum("bh,bhp->bp", hidden, kernel) + tf.gather(self.output_bias, i)

    def _advance(self, a, i, value):
        value = self.likelihood.network_input(value)[:, tf.newaxis]
        return a + value * tf.gather(self.kernel, i) + tf.gather(self.known_kernel, i)

    def _upper_weights(self):
        tensors = tf.convert_to_tensor
        return tuple(map(tensors, self.hidden_kernels)), tuple(map(tensors, self.hidden_biases))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "num_layers": self.num_layers,
            "orderings": self.orderings,
            "activation": self.activation,
        }
