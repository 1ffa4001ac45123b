"""ImplicitModel through a GAN over numbers: players, optimisers, files, replicas, resuming."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras import ImplicitModel
from genkeras.training import fit_resumable, stateless_seed

X = np.random.default_rng(0).normal(3.0, 0.5, (32, 1)).astype("float32")


@keras.saving.register_keras_serializable(package="genkeras_tests")
class TinyGAN(ImplicitModel):
    """A linear generator against a discriminator of four hidden units."""

    event_shape = (1,)
    figures = ("margin",)

    def __init__(self, noise_from_x=False, **kwargs):
        super().__init__(**kwargs)
        self.noise_from_x = noise_from_x

        def dense(units, seed, **options):
            initializer = keras.initializers.GlorotNormal(seed=seed)
            return keras.layers.Dense(
                units, kernel_initializer=initializer, dtype=self.dtype_policy, **options
            )

        self.generator = dense(1, 0)
        self.hidden = dense(4, 1, activation="tanh")
        self.judge = dense(1, 2)

    def build(self, input_shape):
        self.generator.build((None, 2))
        self.hidden.build((None, 1))
        self.judge.build((None, 4))

    def player_variables(self, player):
        if player == "generator":
            return self.generator.trainable_variables
        return [*self.hidden.trainable_variables, *self.judge.trainable_variables]

    def play(self, player, x, condition, seed, training):
        if self.noise_from_x:  # noise that two replicas and one device can share
            noise = tf.concat([x, x**2], axis=1)
        else:
            noise = tf.random.stateless_normal((tf.shape(x)[0], 2), seed)
        fake = self.discriminate(self.generator(noise))
        if player == "generator":
            return tf.nn.softplus(-fake), {}
        real = self.discriminate(x)
        return tf.nn.softplus(fake) + tf.nn.softplus(-real), {"margin": real - fake}

    def sample(self, num_samples, condition=None, seed=None):
        self._ensure_built()
        seed = stateless_seed(self.seed_generator if seed is None else seed)
        return self.generator(tf.random.stateless_normal((num_samples, 2), seed))

    def discriminate(self, x, condition=None):
        return tf.cast(self.judge(self.hidden(x)), tf.float32)[:, 0]

    def get_config(self):
        return {**super().get_config(), "noise_from_x": self.noise_from_x}


def compiled(generator=None, discriminator=None, **options):
    names = {"auto_scale_loss", "jit_compile"} & set(options)
    compile_options = {name: options.pop(name) for name in names}
    model = TinyGAN(seed=1, **options)
    model.compile(
        generator=generator or keras.optimizers.Adam(0.02),
        discriminator=discriminator or keras.optimizers.Adam(0.01),
        **compile_options,
    )
    return model


def weights_of(model, player):
    return [np.array(v) for v in model.player_variables(player)]


def slots_of(model):
    """Every number that the optimisers hold, iterations and learning rates first."""
    return {p: [np.array(v) for v in model.player_optimizer(p).variables] for p in model.players}


def assert_same(actual, expected, **tolerance):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 0, "atol": 0, **tolerance})


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_moves_the_players_own_variables_along_its_own_slope(player, jit_compile):
    # The other player's rate is nought, so that its variables stay where they are.
    rates = {name: 0.5 * (name == player) for name in ("generator", "discriminator")}
    optimizers = {name: keras.optimizers.SGD(rate) for name, rate in rates.items()}
    model = compiled(**optimizers, noise_from_x=True, jit_compile=jit_compile)
    model.build((None, 1))
    variables = model.player_variables(player)
    before = {name: weights_of(model, name) for name in model.players}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model.play(player, tf.constant(X), None, None, True)[0])
    slopes = tape.gradient(loss, [v.value for v in variables])
    model.fit(X, batch_size=32, verbose=0)
    expected = [old - 0.5 * slope for old, slope in zip(before[player], slopes, strict=True)]
    assert max(np.abs(slope).max() for slope in slopes) > 1e-3
    assert_same(weights_of(model, player), expected, rtol=1e-4, atol=1e-6)
    other = next(name for name in model.players if name != player)
    assert_same(weights_of(model, other), before[other])


def test_the_discriminator_moves_first():
    model = compiled(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), noise_from_x=True)
    twin = compiled(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.5), noise_from_x=True)
    for one in (model, twin):
        one.fit(X, batch_size=32, verbose=0)
    assert_same(weights_of(model, "discriminator"), weights_of(twin, "discriminator"), rtol=1e-6)
    with tf.GradientTape() as tape:  # the generator's slope at the discriminator's new place
        loss = tf.reduce_mean(twin.play("generator", tf.constant(X), None, None, True)[0])
    slopes = tape.gradient(loss, [v.value for v in twin.player_variables("generator")])
    moved = zip(weights_of(twin, "generator"), slopes, strict=True)
    assert_same(weights_of(model, "generator"), [w - 0.5 * s for w, s in moved], rtol=1e-4)


def test_fresh_noise_for_each_player_and_step():
    seeds = []

    class Recording(TinyGAN):
        def play(self, player, x, condition, seed, training):
            seeds.append(tuple(np.array(seed)))
            return super().play(player, x, condition, seed, training)

    model = Recording(seed=1)
    model.compile(generator="sgd", discriminator="sgd", run_eagerly=True)
    model.fit(X, batch_size=16, verbose=0)
    assert len(seeds) == len(set(seeds)) == 4


def test_evaluate_gives_each_players_loss_and_slope_and_the_figures():
    model = compiled(noise_from_x=True)
    logs = model.evaluate(X, batch_size=12, verbose=0, return_dict=True)
    whole = model.evaluate(X, batch_size=32, verbose=0, return_dict=True)
    for player in model.players:
        with tf.GradientTape() as tape:
            terms, figures = model.play(player, tf.constant(X), None, None, False)
            loss = tf.reduce_mean(terms)
        assert logs[f"{player}_loss"] == pytest.approx(np.mean(terms), rel=1e-5)
        if figures:
            assert logs["margin"] == pytest.approx(np.mean(figures["margin"]), rel=1e-5)
        slopes = tape.gradient(loss, [v.value for v in model.player_variables(player)])
        norm = np.sqrt(sum(np.sum(slope**2) for slope in slopes))
        assert whole[f"{player}_gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert model.generator_optimizer.iterations == 0


def test_a_player_with_several_turns_reads_a_part_of_the_batch_in_each():
    seen = []

    class Patient(TinyGAN):
        turns = ("discriminator", "discriminator", "discriminator", "generator")

        def play(self, player, x, condition, seed, training):
            seen.append((player, x.numpy()[:, 0].tolist()))
            return super().play(player, x, condition, seed, training)

    model = Patient(seed=1)
    model.compile(generator="sgd", discriminator="sgd", run_eagerly=True)
    x = X[:11]
    model.fit(x, batch_size=9, shuffle=False, verbose=0)
    assert [player for player, _ in seen[:4]] == list(Patient.turns)
    parts = [x[:3], x[3:6], x[6:9], x[:3]]
    # A rest of two rows for three moves: the last row is read twice.
    parts += [x[9:10], x[10:11], x[10:11], x[9:10]]
    assert [rows for _, rows in seen] == [part[:, 0].tolist() for part in parts]
    assert model.discriminator_optimizer.iterations == 6
    assert model.generator_optimizer.iterations == 2


def test_it_learns_where_the_data_lie():
    model = compiled(keras.optimizers.Adam(0.05), keras.optimizers.Adam(0.05))
    before = abs(np.mean(model.sample(1000, seed=0)) - 3)
    model.fit(np.tile(X, (150, 1)), batch_size=32, shuffle=False, verbose=0)
    after = abs(np.mean(model.sample(1000, seed=0)) - 3)
    assert after < 0.6 < 2 < before


def averaging(rate=0.1):
    return keras.optimizers.SGD(rate, use_ema=True, ema_momentum=0.75)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_averaged_weights_are_those_of_the_steps_and_go_again(dtype):
    model = compiled(averaging(), dtype=dtype)
    expected = None
    for _ in range(4):
        model.fit(X[:8], batch_size=8, verbose=0)
        last = weights_of(model, "generator")
        expected = (
            last
            if expected is None
            else [0.75 * mean + 0.25 * new for mean, new in zip(expected, last, strict=True)]
        )
    with pytest.raises(KeyError), model.averaged():
        assert_same(weights_of(model, "generator"), expected, rtol=1e-5)
        assert np.abs(last[0] - expected[0]).max() > 1e-3
        raise KeyError
    assert_same(weights_of(model, "generator"), last)


@pytest.mark.parametrize(
    ("generator", "received"), [(averaging(), "no step yet"), (None, "use_ema=False")]
)
def test_averages_that_nobody_keeps_are_refused(generator, received):
    with pytest.raises(ValueError, match=received), compiled(generator).averaged():
        pass


@pytest.mark.parametrize(
    ("optimizers", "received"),
    [
        ({"generator": "sgd"}, "{'generator': 'sgd'}"),
        ({"generator": "sgd", "discriminator": None}, ".*'discriminator': None}"),
        ({}, "{}"),
        ({"optimizer": "adam"}, "'adam'"),
        (
            {"generator": "sgd", "discriminator": "sgd", "critic": "sgd"},
            ".*'critic': 'sgd'}",
        ),
    ],
)
def test_each_player_needs_its_optimizer(optimizers, received):
    message = (
        r"Expected one optimizer for each of \('discriminator', 'generator'\), as in "
        r"compile\(discriminator='adam', generator='adam'\). Received: "
    )
    with pytest.raises(ValueError, match=message + received):
        TinyGAN().compile(**optimizers)


def test_the_numbers_of_evaluate_have_names_in_their_order():
    model, same = compiled(), compiled()
    numbers = dict(zip(model.metrics_names, model.evaluate(X, verbose=0), strict=True))
    assert numbers == pytest.approx(same.evaluate(X, verbose=0, return_dict=True))


def test_players_do_not_share_an_optimizer_object():
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="for each player.*Received: one object twice"):
        TinyGAN().compile(generator=adam, discriminator=adam)


def test_batches_hold_rows():
    with pytest.raises(ValueError, match="Expected batch_size to be a whole number >= 1"):
        compiled().fit(X, batch_size=0)


@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "mixed_float16"}, {"dtype": "mixed_float16", "auto_scale_loss": False}],
)
def test_a_saved_game_keeps_every_optimizer(tmp_path, options):
    model = compiled(**options)
    model.fit(X, batch_size=8, epochs=2, verbose=0)
    model.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    config = json.loads(json.dumps(model.get_config()))
    assert json.loads(json.dumps(again.get_config())) == config
    for player in model.players:
        optimizer, kept = model.player_optimizer(player), again.player_optimizer(player)
        assert type(kept) is type(optimizer)
        assert kept.get_config() == optimizer.get_config()
        assert kept.iterations == optimizer.iterations == 8
        assert_same(weights_of(again, player), weights_of(model, player))
        assert_same(slots_of(again)[player], slots_of(model)[player])
        assert max(np.abs(slot).max() for slot in slots_of(again)[player][2:]) > 0
    again.fit(X, batch_size=8, verbose=0)
    assert again.generator_optimizer.iterations == 12


def test_compile_options_come_back(tmp_path):
    model = TinyGAN()
    model.compile(
        generator=keras.optimizers.SGD(0.1, momentum=0.9), discriminator="rmsprop",
        jit_compile=True, steps_per_execution=3,
    )  # fmt: skip
    model.build((None, 1))
    again = TinyGAN()
    again.build((None, 1))
    again.compile_from_config(json.loads(json.dumps(model.get_compile_config())))
    assert again.jit_compile is True
    assert again.steps_per_execution == 3
    assert again.generator_optimizer.momentum == 0.9
    assert isinstance(again.discriminator_optimizer, keras.optimizers.RMSprop)
    assert TinyGAN().get_compile_config() is None


def test_every_player_is_scaled_under_mixed_float16():
    mixed, plain = (
        compiled(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), noise_from_x=True, dtype=d)
        for d in ("mixed_float16", "float32")
    )
    for player in mixed.players:
        assert isinstance(mixed.player_optimizer(player), keras.optimizers.LossScaleOptimizer)
    start = [np.array(v) for v in compiled(noise_from_x=True).generator.weights or []]
    for model in (mixed, plain):
        model.fit(X, batch_size=32, verbose=0)
    for player in mixed.players:
        # Unscaled again before the step: half precision rounds to 1 part in 2000, sums add up.
        assert_same(weights_of(mixed, player), weights_of(plain, player), rtol=1e-2, atol=2e-3)
    assert not start  # built by fit, from the same seeds


class Interrupted(Exception):
    """Ends a run in the middle of an epoch."""


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            raise Interrupted


def resumable(model, directory, callbacks=()):
    history = fit_resumable(
        model, X, epochs=4, batch_size=12, seed=5, directory=directory, callbacks=callbacks,
        verbose=0,
    )  # fmt: skip
    return [(log["generator_loss"], log["discriminator_loss"]) for log in history]


def test_an_interrupted_game_resumes_to_the_same_bits(tmp_path):
    whole = compiled()
    losses = resumable(whole, tmp_path / "whole")
    with pytest.raises(Interrupted):
        resumable(compiled(), tmp_path / "cut", callbacks=[Interrupt()])
    resumed = compiled()
    assert resumable(resumed, tmp_path / "cut") == losses
    for player in whole.players:
        assert resumed.player_optimizer(player).iterations == 12
        assert_same(weights_of(resumed, player), weights_of(whole, player))
        assert_same(slots_of(resumed)[player], slots_of(whole)[player])
    np.testing.assert_array_equal(resumed.sample(3), whole.sample(3))  # the generators' states


def test_two_replicas_take_the_step_of_one_device(two_replicas):
    def game():
        return compiled(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), noise_from_x=True)

    single = game()
    with two_replicas.scope():
        double = game()
    for model in (single, double):
        model.fit(X, batch_size=32, verbose=0)
    for player in single.players:
        assert_same(weights_of(double, player), weights_of(single, player), rtol=1e-4, atol=1e-5)


def test_two_replicas_draw_different_noise(two_replicas):
    with two_replicas.scope():
        model = compiled()
        model.build((None, 1))
    same = tf.constant(X)
    variables = model.player_variables("generator")
    run = tf.function(lambda: model._turn("generator", same, None, variables, training=True)[0])
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.all(first.numpy() != second.numpy())


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((3, 2)), {}, r"x of shape \(batch, 1\). Received: x of shape \(3, 2\)"),
        (np.full((3, 1), np.nan), {}, "finite values in x. Received: nan"),
        (np.zeros((3, 1)), {"y": np.zeros(3)}, "y=None"),
        (np.zeros((3, 1)), {"sample_weight": np.ones(3)}, "no sample_weight for a game"),
    ],
)
def test_bad_data_moves_nothing(data, options, message):
    model = compiled()
    model.fit(X, batch_size=32, verbose=0)
    state = [np.array(v) for v in model.variables], slots_of(model)
    with pytest.raises(ValueError, match=f"Expected {message}"):
        model.fit(data, verbose=0, **options)
    assert_same([np.array(v) for v in model.variables], state[0])
    for player in model.players:
        assert_same(slots_of(model)[player], state[1][player])


def test_seeds_repeat_and_the_own_stream_advances():
    model = compiled()
    model.build((None, 1))
    np.testing.assert_array_equal(model.sample(3, seed=1), model.sample(3, seed=1))
    assert np.all(model.sample(3).numpy() != model.sample(3).numpy())


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_game_saved_before_it_is_built_is_trained_as_itself(tmp_path):
    model = compiled()
    model.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    for one in (model, again):
        one.fit(X, batch_size=8, verbose=0)
    assert_same(again.get_weights(), model.get_weights())


def test_a_step_on_a_batch_is_that_of_fit():
    model, reference = compiled(), compiled()
    model.train_on_batch(X)
    reference.fit(X, batch_size=len(X), shuffle=False, verbose=0)
    assert_same(model.get_weights(), reference.get_weights())
    with pytest.raises(ValueError, match="Expected finite values in x"):
        model.train_on_batch(np.full((4, 1), np.nan))


def test_a_step_that_overflows_is_not_in_the_mean_slope():
    logs = []
    for scale in (2.0**8, 2.0**40):  # of the second, every gradient overflows
        model = compiled(
            keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=scale),
            dtype="mixed_float16",
        )
        logs.append(model.fit(X, batch_size=len(X), verbose=0).history)
    assert 0 < logs[0]["generator_gradient_norm"][0] < np.inf
    assert logs[1]["generator_gradient_norm"] == [0]


def test_a_slope_that_is_no_number_shows():
    model = compiled(keras.optimizers.SGD(0.1))
    model.build((None, 1))
    model.generator.kernel.assign(np.full((2, 1), np.nan))
    logs = model.fit(X, batch_size=len(X), verbose=0).history
    assert np.isnan(logs["generator_gradient_norm"]).all()


def test_a_regularizer_that_nobody_pays_is_refused():
    model = TinyGAN()
    model.hidden.activity_regularizer = keras.regularizers.L2(0.1)
    with pytest.raises(ValueError, match="Expected layers without an activity regularizer"):
        model.compile(generator="sgd", discriminator="sgd")
