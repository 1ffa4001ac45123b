"""Models that give samples only, trained by players with an optimiser each."""

import keras
import tensorflow as tf

from genkeras.models.base import CheckedModel
from genkeras.training import mean_loss, replica_seed


class ImplicitModel(CheckedModel):
    """A sampler trained by a game: each player has variables, a loss and an optimiser.

    A subclass gives `event_shape`, `players`, `player_variables`, `player_loss`, `sample` and
    `discriminate`; variants override losses and networks only. In a training step the players
    move one after another, in the order of `players`, on fresh noise.
    """

    players = ("discriminator", "generator")

    def __init__(self, *, num_labels=None, seed=None, **kwargs):
        super().__init__(num_labels=num_labels, seed=seed, **kwargs)
        self.loss_trackers = [keras.metrics.Mean(name=f"{name}_loss") for name in self.players]

    def player_variables(self, player):
        """The trainable variables that `player` moves, a list."""
        raise NotImplementedError(f"{type(self).__name__} must define player_variables.")

    def player_loss(self, player, x, condition, seed, training):
        """Loss of `player` on a batch: `(batch,)`, from noise drawn with the `(2,)` `seed`."""
        raise NotImplementedError(f"{type(self).__name__} must define player_loss.")

    def sample(self, num_samples, condition=None, seed=None):
        """Draws `(num_samples, *event_shape)`."""
        raise NotImplementedError(f"{type(self).__name__} must define sample.")

    def discriminate(self, x, condition=None):
        """Logits that x is real: `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define discriminate.")

    def call(self, inputs):
        return self.discriminate(*self._asserted(inputs))

    def compile(self, *, auto_scale_loss=True, jit_compile="auto", run_eagerly=False, **optimizers):
        """Gives every player its optimiser: `compile(generator=..., discriminator=...)`.

        Args:
            auto_scale_loss: scale losses under `mixed_float16`, as Keras does for one optimiser.
            jit_compile, run_eagerly: as in `keras.Model.compile`.
            **optimizers: one Keras optimiser, name or config per player.

        Raises:
            ValueError: a player without an optimiser, or an optimiser for no player.
        """
        if set(optimizers) != set(self.players):
            raise ValueError(
                f"Expected one optimizer for each of {self.players}. "
                f"Received: {tuple(sorted(optimizers))}"
            )
        super().compile(optimizer=None, jit_compile=jit_compile, run_eagerly=run_eagerly)
        for player in self.players:
            optimizer = keras.optimizers.get(optimizers[player])
            scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            if auto_scale_loss and self.dtype_policy.name == "mixed_float16" and not scaled:
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            setattr(self, f"{player}_optimizer", optimizer)
        self._player_options = {
            "auto_scale_loss": auto_scale_loss,
            "jit_compile": self.jit_compile,
            "run_eagerly": run_eagerly,
        }

    def player_optimizer(self, player):
        """The optimiser of `player`."""
        return getattr(self, f"{player}_optimizer")

    def get_compile_config(self):
        if not self.compiled:
            return None
        optimizers = {name: self.player_optimizer(name) for name in self.players}
        serialized = {k: keras.saving.serialize_keras_object(v) for k, v in optimizers.items()}
        return {**self._player_options, **serialized}

    def compile_from_config(self, config):
        optimizers = {k: keras.saving.deserialize_keras_object(config[k]) for k in self.players}
        options = {k: v for k, v in config.items() if k not in self.players}
        self.compile(**optimizers, **options)
        self.build_optimizers()

    def build_optimizers(self):
        """Builds each optimiser on its player's variables; unbuilt, Keras restores it empty."""
        for player in self.players:
            optimizer = self.player_optimizer(player)
            if not optimizer.built:
                with self.distribute_strategy.scope():
                    optimizer.build(self.player_variables(player))

    def fit(self, *args, **kwargs):
        self._ensure_built()
        if self.compiled:
            self.build_optimizers()
        return super().fit(*args, **kwargs)

    def train_step(self, data):
        x, condition = self._batch(data)
        for player, tracker in zip(self.players, self.loss_trackers, strict=True):
            optimizer, variables = self.player_optimizer(player), self.player_variables(player)
            with tf.GradientTape() as tape:
                terms = self._player_terms(player, x, condition, training=True)
                loss = optimizer.scale_loss(mean_loss(terms))
            optimizer.apply(tape.gradient(loss, variables), variables)
            tracker.update_state(terms)
        return self._results()

    def test_step(self, data):
        x, condition = self._batch(data)
        for player, tracker in zip(self.players, self.loss_trackers, strict=True):
            tracker.update_state(self._player_terms(player, x, condition, training=False))
        return self._results()

    def _batch(self, data):
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            raise ValueError("Expected no sample_weight for a game. Received: sample_weight")
        return self._asserted(x)

    def _player_terms(self, player, x, condition, training):
        seed = replica_seed(self.seed_generator)
        return self.player_loss(player, x, condition, seed, training)

    def _results(self):
        return {tracker.name: tracker.result() for tracker in self.loss_trackers}
