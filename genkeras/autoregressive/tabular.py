"""Autoregressive models made of tables: one row of probabilities for every context.

p(x) = prod_i p(x_i | x_{i-k}, ..., x_{i-1}). Order k = 0 is full independence, k = 1 the Markov
chain, k = n - 1 the full joint distribution. The table of variable i has one row for each of the
C^min(i, k) contexts (counting i from 0) and C - 1 free numbers in a row.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from genkeras import checks
from genkeras.autoregressive.sequential import SequentialModel
from genkeras.likelihoods import Bernoulli, Categorical

MAX_FREE_PARAMETERS = 2**26  # 256 MiB of float32
MAX_LOG_RATIO = 60.0


def count_free_parameters(num_features, order, num_classes=2):
    """Free numbers in the tables: sum_i C^min(i, order) (C - 1), an exact Python int of any size.

    For binary variables: n for order 0, 2n - 1 for order 1, 2^n - 1 for order n - 1.
    """
    num_features = checks.positive_int("num_features", num_features)
    order = checks.positive_int("order", order, minimum=0)
    num_classes = checks.positive_int("num_classes", num_classes, minimum=2)
    order = min(order, num_features - 1)
    growing = (num_classes**order - 1) // (num_classes - 1)  # contexts of variables 0..order-1
    contexts = growing + (num_features - order) * num_classes**order
    return contexts * (num_classes - 1)


@keras.saving.register_keras_serializable(package="genkeras")
class TabularAutoregressive(SequentialModel):
    """Tables of p(x_i | the `order` variables before it), fitted by counting or by gradients.

    Args:
        num_features: number of variables, n.
        order: how many predecessors a variable depends on, 0..n-1.
        num_classes: levels of every variable, C.
        pseudo_count: alpha >= 0, added to every count; as a prior it is a Dirichlet(alpha + 1) on
            every row, whose mode is what counting returns.
        num_examples: number of training rows N; needed only to train by gradients with
            alpha > 0, where the prior enters the loss with weight 1/N.
        seed: int or None.

    Raises:
        ValueError: an order the variables do not have, or tables of more than 2^26 numbers.

    Note: a level never seen in its context (alpha = 0) gets e^-60 times the probability of the
        most frequent one, instead of 0, so that log_prob stays finite. A context never seen is
        uniform.
    """

    def __init__(
        self,
        num_features,
        order,
        num_classes=2,
        pseudo_count=1.0,
        num_examples=None,
        seed=None,
        **kwargs,
    ):
        needed = count_free_parameters(num_features, order, num_classes)
        if order > num_features - 1:
            raise ValueError(
                f"Expected order <= num_features - 1 = {num_features - 1}. Received: order={order}"
            )
        if needed > MAX_FREE_PARAMETERS:
            raise ValueError(
                f"Expected tables of at most {MAX_FREE_PARAMETERS} free parameters. Received: "
                f"num_features={num_features}, order={order}, num_classes={num_classes}, which "
                f"need about 10^{math.floor(math.log10(needed))}"
            )
        likelihood = Bernoulli() if num_classes == 2 else Categorical(num_classes)
        checks.absent(kwargs, ("likelihood",), "num_classes says what the tables hold")
        super().__init__(num_features, likelihood, seed=seed, **kwargs)
        if self.num_labels is not None:
            raise ValueError(f"Expected num_labels=None. Received: num_labels={self.num_labels}")
        self.order = int(order)
        self.num_classes = int(num_classes)
        self.pseudo_count = checks.real("pseudo_count", pseudo_count)
        if num_examples is not None:
            num_examples = checks.positive_int("num_examples", num_examples)
        self.num_examples = num_examples
        widths = num_classes ** np.minimum(np.arange(num_features), order)
        self._first_rows = np.concatenate([[0], np.cumsum(widths)[:-1]])  # of each variable
        self._num_contexts = widths  # contexts of each variable

    @property
    def num_free_parameters(self):
        """How many free numbers the tables hold."""
        return count_free_parameters(self.num_features, self.order, self.num_classes)

    def build(self, input_shape):
        # Row of a context: log odds of levels 1..C-1 against level 0; for C = 2, the logit.
        shape = (int(self._num_contexts.sum()), self.num_classes - 1)
        self.log_odds = self.add_weight(name="log_odds", shape=shape, initializer="zeros")

    def parameters(self, x, condition=None, training=False):
        return self._free_to_outputs(tf.gather(self.log_odds, self._rows(tf.cast(x, tf.int32))))

    def _rows(self, x):
        """Table row of every conditional: `(batch, n)` int, from `(batch, n)` int levels."""
        columns = tf.unstack(tf.cast(x, tf.int32), axis=1)
        context, rows = tf.zeros_like(columns[0]), []
        for i, column in enumerate(columns):
            rows.append(self._first_rows[i] + context)
            context = self._next_context(context, i, column)
        return tf.stack(rows, axis=1)

    def _next_context(self, context, i, level):
        """Number, in base C, of the last `order` levels up to and including variable i."""
        return (context * self.num_classes + level) % self.num_classes ** min(i + 1, self.order)

    def _free_to_outputs(self, log_odds):
        """`(..., C - 1)` free numbers to what the likelihood reads."""
        if self.num_classes == 2:
            return log_odds
        return tf.concat([tf.zeros_like(log_odds[..., :1]), log_odds], axis=-1)  # (..., C)

    def fit_counts(self, x, sample_weight=None):
        """Fits all tables in closed form: (count + alpha) / (count of the context + C alpha).

        Args:
            x: `(rows, n)` levels 0..C-1.
            sample_weight: `(rows,)` non-negative weights, or None.

        Returns:
            The model.
        """
        x = checks.event_batch("x", x, self.event_shape, self.likelihood)
        weights = np.ones(len(x)) if sample_weight is None else sample_weight
        weights = checks.weights("sample_weight", weights, len(x))
        self._ensure_built()
        counts = np.zeros((self.log_odds.shape[0], self.num_classes))
        np.add.at(counts, (self._rows(x).numpy(), x.astype(int)), weights[:, np.newaxis])
        counts += self.pseudo_count
        floor = counts.max(axis=1, keepdims=True) * np.exp(-MAX_LOG_RATIO)
        log_counts = np.log(np.where(floor > 0, np.maximum(counts, floor), 1.0))
        self.log_odds.assign(log_counts[:, 1:] - log_counts[:, :1])
        return self

    def regularization(self):
        """-(alpha / N) sum over all rows and levels of log p(level | row), nats per example."""
        if self.pseudo_count == 0:
            return super().regularization()
        if self.num_examples is None:
            raise ValueError(
                "Expected num_examples, the number of training rows, from the constructor, to "
                f"weigh the prior of pseudo_count={self.pseudo_count} in the loss; fit_counts(x) "
                "needs none. Received: num_examples=None"
            )
        outputs = self._free_to_outputs(tf.convert_to_tensor(self.log_odds))
        if self.num_classes == 2:
            outputs = tf.concat([tf.zeros_like(outputs), outputs], axis=-1)
        log_probs = tf.nn.log_softmax(outputs)  # (contexts, C)
        return -self.pseudo_count / self.num_examples * tf.reduce_sum(log_probs)

    def _start(self, batch_size, condition):
        return tf.zeros((batch_size,), tf.int32)  # context

    def _step(self, context, i):
        rows = tf.gather(tf.constant(self._first_rows, tf.int32), i) + context
        return self._free_to_outputs(tf.gather(self.log_odds, rows))

    def _advance(self, context, i, value):
        widths = self.num_classes ** np.minimum(np.arange(1, self.num_features + 1), self.order)
        width = tf.gather(tf.constant(widths, tf.int32), i)
        return (context * self.num_classes + tf.cast(value, tf.int32)) % width

    def get_config(self):
        config = super().get_config()
        del config["likelihood"], config["num_labels"]
        return {
            **config,
            "order": self.order,
            "num_classes": self.num_classes,
            "pseudo_count": self.pseudo_count,
            "num_examples": self.num_examples,
        }
