"""Models that give samples only, trained by players with an optimiser each."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from genkeras.models.base import CheckedModel
from genkeras.training import mean_loss, replica_seed


class ImplicitModel(CheckedModel):
    """A sampler trained by a game: each player has variables, a loss and an optimiser.

    A subclass gives `event_shape`, `players`, `player_variables`, `play`, `sample` and
    `discriminate`; variants override losses and networks only. In a training step the players
    move one after another, in the order of `turns`, on fresh noise. A player with several turns
    in a step reads another part of the batch in each; so a batch holds as many rows as all of
    them need.
    """

    players = ("discriminator", "generator")
    figures = ()  # names of what `play` reports beside the losses

    def __init__(self, *, num_labels=None, seed=None, **kwargs):
        super().__init__(num_labels=num_labels, seed=seed, **kwargs)
        names = [f"{p}_{what}" for p in self.players for what in ("loss", "gradient_norm")]
        self.trackers = [keras.metrics.Mean(name=name) for name in (*names, *self.figures)]

    @property
    def metrics_names(self):
        """Names of the numbers that `evaluate` gives; a game has no "loss"."""
        return [tracker.name for tracker in self.trackers]

    @property
    def turns(self):
        """The players in the order of their moves in a training step."""
        return self.players

    def player_variables(self, player):
        """The trainable variables that `player` moves, a list."""
        raise NotImplementedError(f"{type(self).__name__} must define player_variables.")

    def play(self, player, x, condition, seed, training):
        """One turn of `player` on a batch, from noise drawn with the `(2,)` `seed`.

        Returns:
            Its loss, `(batch,)`, and a dictionary of what to report, among the names `figures` or
            the player's own "..._loss"; a pair stands for values and their weights.
        """
        raise NotImplementedError(f"{type(self).__name__} must define play.")

    def moved(self, player):
        """Called after each move of `player`, such as to bound its weights."""

    def sample(self, num_samples, condition=None, seed=None):
        """Draws `(num_samples, *event_shape)`."""
        raise NotImplementedError(f"{type(self).__name__} must define sample.")

    def discriminate(self, x, condition=None):
        """Logits that x is real: `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define discriminate.")

    def call(self, inputs):
        return self.discriminate(*self._asserted(inputs))

    def compile(
        self,
        optimizer=None,
        *,
        auto_scale_loss=True,
        jit_compile="auto",
        run_eagerly=False,
        steps_per_execution=1,
        **optimizers,
    ):
        """Gives every player its optimiser: `compile(generator=..., discriminator=...)`.

        Args:
            optimizer: must be None: each player has its own.
            auto_scale_loss: scale losses under `mixed_float16`, as Keras does for one optimiser.
            jit_compile, run_eagerly, steps_per_execution: as in `keras.Model.compile`.
            **optimizers: one Keras optimiser, name or config per player.

        Raises:
            ValueError: a player without an optimiser, an optimiser for no player, or one
                optimiser object for two of them.
        """
        absent = None in optimizers.values()
        if optimizer is not None or absent or set(optimizers) != set(self.players):
            example = ", ".join(f"{player}='adam'" for player in self.players)
            raise ValueError(
                f"Expected one optimizer for each of {self.players}, as in compile({example}). "
                f"Received: {optimizers if optimizer is None else optimizer!r}"
            )
        objects = [id(o) for o in optimizers.values() if isinstance(o, keras.Optimizer)]
        if len(set(objects)) < len(objects):
            raise ValueError(
                "Expected an optimizer object of its own for each player: it keeps moments of "
                "that player's weights. Received: one object twice"
            )
        for layer in self._flatten_layers(include_self=False):
            if getattr(layer, "activity_regularizer", None) is not None:
                raise ValueError(
                    "Expected layers without an activity regularizer, which no player would pay. "
                    f"Received: layer {layer.name!r} with {layer.activity_regularizer!r}"
                )
        super().compile(
            optimizer=None,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
        )
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
            "steps_per_execution": steps_per_execution,
        }

    def player_optimizer(self, player):
        """The optimiser of `player`."""
        return getattr(self, f"{player}_optimizer")

    @contextlib.contextmanager
    def averaged(self, player="generator"):
        """In this context `player` has the moving averages of its weights.

        Its optimiser keeps them if it was made with `use_ema=True`. The weights of a game turn
        about their goal; their mean is closer to it.

        Raises:
            ValueError: an optimiser without averages, or before its first step.
        """
        optimizer = self.player_optimizer(player)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales losses
        if not optimizer.use_ema or not optimizer.built or optimizer.iterations == 0:
            received = "no step yet" if optimizer.use_ema else "use_ema=False"
            raise ValueError(
                f"Expected an optimizer of the {player} made with use_ema=True, and a step of it. "
                f"Received: {received}"
            )
        variables = self.player_variables(player)
        last = [np.array(variable.value) for variable in variables]
        optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, last, strict=True):
                variable.assign(value)

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
        if self.built:  # saved before, it has parts without weights still
            self.build_optimizers()

    def build_optimizers(self):
        """Builds each optimiser on its player's variables; unbuilt, Keras restores it empty."""
        for player in self.players:
            optimizer = self.player_optimizer(player)
            if not optimizer.built:
                with self.distribute_strategy.scope():
                    optimizer.build(self.player_variables(player))

    def fit(self, *args, **kwargs):
        """Trains all players as `CheckedModel.fit` trains one model, on the same kinds of data."""
        self._ensure_built()
        return super().fit(*args, **kwargs)

    def _ensure_built(self):
        super()._ensure_built()
        if self.compiled:
            self.build_optimizers()

    def train_step(self, data):
        x, condition = self._batch(data)
        parts = max(self.turns.count(player) for player in self.players)
        turns = dict.fromkeys(self.players, 0)
        for player in self.turns:
            rows = _rows(tf.shape(x)[0], turns[player], parts)
            turns[player] += 1
            labels = None if condition is None else condition[rows]
            optimizer, variables = self.player_optimizer(player), self.player_variables(player)
            # A player that does not look at x must wait for the checks of x all the same.
            with tf.control_dependencies([x]):
                turn = self._turn(player, x[rows], labels, variables, True, optimizer.scale_loss)
                optimizer.apply(turn, variables)
                self.moved(player)
        return self._results()

    def test_step(self, data):
        x, condition = self._batch(data)
        for player in self.players:
            self._turn(player, x, condition, self.player_variables(player), training=False)
        return self._results()

    def _turn(self, player, x, condition, variables, training, scale=lambda loss: loss):
        """The gradients of the scaled loss of a player; its figures are recorded."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            seed = replica_seed(self.seed_generator)
            terms, figures = self.play(player, x, condition, seed, training)
            loss = mean_loss(terms)
            if training:
                loss += _penalty(variables)
            loss = scale(loss)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        # Under several replicas a gradient is one's share of a sum.
        share = scale(1.0 / tf.distribute.get_strategy().num_replicas_in_sync)
        norm = _norm(gradients) / tf.cast(share, tf.float32)
        # A turn may be looked at without a step, and without an optimiser.
        optimizer = getattr(self, f"{player}_optimizer", None)
        if training and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # A step whose scaled gradients overflow is left out by it, and so here.
            finite = tf.math.is_finite(norm)
            norm = (tf.where(finite, norm, 0.0), tf.cast(finite, tf.float32))
        record = {f"{player}_loss": terms, f"{player}_gradient_norm": norm, **figures}
        for tracker in self.trackers:
            if tracker.name in record:
                value = record[tracker.name]
                tracker.update_state(*(value if isinstance(value, tuple) else (value,)))
        return gradients

    def _batch(self, data):
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            raise ValueError("Expected no sample_weight for a game. Received: sample_weight")
        return self._asserted(x)

    def _results(self):
        return {tracker.name: tracker.result() for tracker in self.trackers}


def _penalty(variables):
    """The regularisers of these variables; under several replicas one's share of them."""
    penalties = [tf.cast(v.regularizer(v), tf.float32) for v in variables if v.regularizer]
    return sum(penalties) / tf.distribute.get_strategy().num_replicas_in_sync


def _norm(gradients):
    """Square root of the sum of all squares of tensors, None among them left out.

    On a CPU, XLA adds up a vector one number after the other, which took a tenth of a training
    step; a product with a vector of ones is several times as quick, without XLA too.
    """
    squares = [tf.zeros(())]  # of a player without variables too
    for gradient in gradients:
        if gradient is not None:
            square = tf.square(tf.convert_to_tensor(gradient))
            columns = square.shape[-1] if square.shape.rank else 1
            rows = tf.reshape(square, (-1, columns))
            squares.append(tf.reduce_sum(tf.linalg.matvec(rows, tf.ones(columns, square.dtype))))
    return tf.sqrt(tf.add_n(squares))


def _rows(num_rows, part, parts):
    """The slice of one of `parts` equal parts of a batch; of few rows the parts overlap."""
    size = tf.maximum(num_rows // parts, 1)
    start = tf.minimum(part * size, num_rows - size)
    return slice(start, start + size)
