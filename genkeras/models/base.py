"""What the three contracts and the autoencoder share: checked data, seeds, class conditions."""

import keras
import tensorflow as tf

from genkeras import checks
from genkeras.models.data import CheckedData
from genkeras.training import stateless_seed

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "Expected Keras to run on TensorFlow: set KERAS_BACKEND=tensorflow before Keras is "
        f"imported. Received: backend={keras.backend.backend()!r}"
    )


class CheckedModel(CheckedData, keras.Model):
    """A model of data without targets, which are checked before they change anything.

    A subclass sets `event_shape` and the methods of its kind.

    Args:
        seed: int seed of the model's own `SeedGenerator`, or None for a random one.
        num_labels: number of class labels the model can be conditioned on, or None.
    """

    def __init__(self, *, num_labels=None, seed=None, **kwargs):
        # Casting inputs to a half-precision policy would round real data before the likelihood
        # sees it; layers that compute in half precision cast for themselves.
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        if num_labels is not None:
            num_labels = checks.positive_int("num_labels", num_labels, minimum=2)
        if self.variable_dtype != "float32":
            raise ValueError(
                "Expected a dtype whose variables are float32, such as 'mixed_bfloat16'. "
                f"Received: dtype={self.dtype_policy.name!r}"
            )
        self.num_labels = num_labels
        self.seed = checks.seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    @property
    def event_shape(self):
        """Shape of one example, a tuple."""
        raise NotImplementedError(f"{type(self).__name__} must define event_shape.")

    def add_weight(self, *args, **kwargs):
        """As Keras', but a model's own weights stay float32 under a half-precision policy."""
        kwargs.setdefault("autocast", False)  # `autocast=False` of the model does not see to it.
        return super().add_weight(*args, **kwargs)

    def compile(self, optimizer="rmsprop", **kwargs):
        """Gives the model its optimiser; its loss is its own.

        Args:
            optimizer: a Keras optimiser, name or config.
            **kwargs: further options of `keras.Model.compile`, such as `jit_compile`.

        Raises:
            ValueError: a loss or metrics, which compare outputs with targets there are none of.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"Expected no {name}: the model's loss is its own, and there are no targets. "
                    f"Received: {name}={kwargs[name]!r}"
                )
        super().compile(optimizer=optimizer, **kwargs)
        self._auto_scale_loss = kwargs.get("auto_scale_loss", True)

    def save(self, filepath, *args, **kwargs):
        """Saves the model as `keras.Model.save` does, to a `.keras` file.

        Raises:
            ValueError: another ending: older formats would lose parts of the model.
        """
        if not str(filepath).endswith(".keras"):
            raise ValueError(
                f"Expected a path that ends in .keras. Received: filepath={str(filepath)!r}"
            )
        super().save(filepath, *args, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        # Keras forgets it, and would scale the loss of a restored model again.
        return config and {**config, "auto_scale_loss": self._auto_scale_loss}

    def compile_from_config(self, config):
        # Keras leaves a model whose `compile` is overridden uncompiled, and its optimiser empty.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:  # saved before, it has parts without weights still
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, *args, sample_weight=None, validation_data=None, **kwargs):
        """Trains as `keras.Model.fit` does, after checking all data.

        Args:
            x: array `(n, *event_shape)`, `{"x": array, "condition": labels}`, or a
                `tf.data.Dataset` of batches of either.
            y: must be None: the model has no targets.
            sample_weight: `(n,)` non-negative weights of the examples' losses, or None.
            validation_data: `x`, or a tuple `(x, None, sample_weight)`, or a dataset.

        Raises:
            ValueError: data of a wrong shape or type, not finite, outside the support, or empty;
                sizes and numbers of epochs that are no whole numbers of at least 1.
        """
        _refuse_class_weight(kwargs.get("class_weight"))
        # Keras would take -1 epochs for a training that is over, and say nothing.
        for name, value in (*zip(("batch_size", "epochs"), args, strict=False), *kwargs.items()):
            if name in ("batch_size", "epochs", "steps_per_epoch") and value is not None:
                checks.positive_int(name, value)
        if kwargs.get("validation_split") is not None:
            checks.real("validation_split", kwargs["validation_split"], below=1.0)
        x, y, sample_weight = self._checked_data(x, y, sample_weight)
        if validation_data is not None:
            parts = validation_data if isinstance(validation_data, tuple) else (validation_data,)
            checked = self._checked_data(*parts)
            is_dataset = isinstance(checked[0], tf.data.Dataset | keras.utils.PyDataset)
            validation_data = checked[0] if is_dataset else checked
        if isinstance(x, tf.data.Dataset) or hasattr(x, "__next__"):
            kwargs.setdefault("shuffle", False)  # Keras cannot, and would warn that it does not
        return super().fit(
            x, y, *args, sample_weight=sample_weight, validation_data=validation_data, **kwargs
        )

    def evaluate(self, x=None, y=None, *args, sample_weight=None, **kwargs):
        """The exact loss (NLL, or -ELBO) as `keras.Model.evaluate` gives it, after checks."""
        if not kwargs.get("_use_cached_eval_dataset"):
            x, y, sample_weight = self._checked_data(x, y, sample_weight)
        self._ensure_built()
        return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)

    def predict(self, x, *args, **kwargs):
        """What `call` gives, as `keras.Model.predict` does, after checks."""
        return super().predict(self._checked_data(x)[0], *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One step of training, as `keras.Model.train_on_batch` takes it, after checks."""
        _refuse_class_weight(class_weight)
        data = self._checked_data(x, y, sample_weight)
        self._ensure_built()
        return super().train_on_batch(*data, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """The loss of one batch, as `keras.Model.test_on_batch` gives it, after checks."""
        data = self._checked_data(x, y, sample_weight)
        self._ensure_built()
        return super().test_on_batch(*data, return_dict=return_dict)

    def _ensure_built(self):
        if not self.built:
            with self.distribute_strategy.scope():  # outside it, variables would not be mirrored
                self.build((None, *self.event_shape))

    def _stateless(self, seed):
        """A `(2,)` seed from an int, or the next of the model's own stream."""
        return stateless_seed(self.seed_generator if seed is None else seed)

    def regularization(self):
        """What training adds to the loss, nats per example: the regularisers of the layers."""
        return tf.add_n([tf.cast(loss, tf.float32) for loss in self.losses] or [0.0])

    def get_config(self):
        return {**super().get_config(), "num_labels": self.num_labels, "seed": self.seed}


def _refuse_class_weight(class_weight):
    if class_weight is not None:
        raise ValueError("Expected sample_weight for classes. Received: class_weight")
