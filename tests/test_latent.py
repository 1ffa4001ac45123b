"""LatentVariableModel through a linear-Gaussian model, whose every quantity has a closed form."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from genkeras import LatentVariableModel, StandardNormal

tfd = tfp.distributions

# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
NOISE = 0.5
LOADINGS = np.float32([[1.0, 0.5], [-1.0, 0.5], [0.0, 1.0]])  # orthogonal columns
OFFSET = np.float32([0.3, -0.2, 0.1])
# Posterior of z: N(S L^T (x - b) / noise^2, S), S = (I + L^T L / noise^2)^-1, here diagonal.
POSTERIOR = np.linalg.inv(np.eye(2) + LOADINGS.T @ LOADINGS / NOISE**2)
ENCODER = LOADINGS @ POSTERIOR / NOISE**2
X = np.float32([[0.5, -1.0, 0.2], [2.0, 0.1, -0.4], [-1.0, 1.0, 1.5]])


@keras.saving.register_keras_serializable(package="genkeras_tests")
class LinearGaussian(LatentVariableModel):
    """x = L z + b + noise, q(z|x) = N(A (x - b), diag(scale^2)); starts at the exact posterior."""

    def __init__(self, prior=None, **kwargs):
        super().__init__(prior or StandardNormal(2), **kwargs)

    @property
    def event_shape(self):
        return (3,)

    def build(self, input_shape):
        def weight(name, value):
            result = self.add_weight(name=name, shape=np.shape(value), initializer="zeros")
            result.assign(value)
            return result

        self.loadings = weight("loadings", LOADINGS)
        self.offset = weight("offset", OFFSET)
        self.encoder = weight("encoder", ENCODER)
        self.log_scale = weight("log_scale", np.log(np.diag(POSTERIOR)) / 2)
        if self.num_labels is not None:
            self.shift = weight("shift", 10.0 * np.arange(self.num_labels))

    def encode(self, x, condition=None):
        loc = tf.matmul(x - self.offset, self.encoder)
        scale = tf.exp(self.log_scale.value) + tf.zeros_like(loc)
        return tfd.Independent(tfd.Normal(loc, scale), 1)

    def decode(self, z, condition=None):
        loc = tf.matmul(z, self.loadings, transpose_b=True) + self.offset
        if condition is not None:
            loc += tf.gather(self.shift, condition)[:, tf.newaxis]
        return tfd.Independent(tfd.Normal(loc, NOISE * tf.ones_like(loc)), 1)


def exact():
    model = LinearGaussian(seed=0)
    model.build((None, 3))
    return model


def off():
    """A posterior that is off, in closed form too."""
    model = exact()
    model.encoder.assign(0.7 * ENCODER)
    model.log_scale.assign(np.log(np.diag(POSTERIOR)) / 2 + 0.3)
    return model


def log_evidence(x):
    covariance = LOADINGS @ LOADINGS.T + NOISE**2 * np.eye(3)
    return stats.multivariate_normal(OFFSET, covariance).logpdf(x)


def kl_of_gaussians(loc, covariance, prior_loc, prior_covariance):
    precision = np.linalg.inv(prior_covariance)
    gap = loc - prior_loc
    log_ratio = np.linalg.slogdet(prior_covariance)[1] - np.linalg.slogdet(covariance)[1]
    return 0.5 * (np.trace(precision @ covariance) + gap @ precision @ gap - len(loc) + log_ratio)


def closed_elbo(x):
    """log p(x) - KL(q(z|x) || p(z|x)) of the model that is off."""
    gaps = []
    for row in x:
        exact_loc = (row - OFFSET) @ ENCODER
        scale = np.diag(np.diag(POSTERIOR) * np.exp(0.6))
        gaps.append(kl_of_gaussians(0.7 * exact_loc, scale, exact_loc, POSTERIOR))
    return log_evidence(x) - np.array(gaps)


def assert_mean(draws, expected):
    """Rows of draws, columns of quantities."""
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    np.testing.assert_array_less(np.abs(np.mean(draws, axis=0) - expected), Z * error + 1e-4)


def repeated(function, count=3000, **options):
    """`count` independent draws of a quantity of each row of X: `(count, rows)`."""
    return np.reshape(function(np.tile(X, (count, 1)), **options), (count, len(X)))


def test_elbo_is_log_evidence_less_the_gap_of_the_posterior():
    draws = repeated(off().elbo, seed=1)
    assert_mean(draws, closed_elbo(X))
    assert np.all(closed_elbo(X) < log_evidence(X) - 0.05)
    assert np.all(draws.mean(axis=0) < log_evidence(X))


def test_elbo_is_log_evidence_at_the_exact_posterior():
    assert_mean(repeated(exact().elbo, seed=1), log_evidence(X))


def test_elbo_of_several_samples_is_a_mean_not_a_tighter_bound():
    draws = repeated(off().elbo, num_samples=8, count=1000, seed=2)
    assert_mean(draws, closed_elbo(X))
    single = repeated(off().elbo, count=1000, seed=2)
    ratio = np.var(single, axis=0) / np.var(draws, axis=0)
    np.testing.assert_allclose(ratio, 8, rtol=0.35)  # 4.5 errors of a variance ratio of 1000 rows


class Interval(StandardNormal):
    """A prior of a user's own that has no density outside of |z| < 1."""

    def distribution(self):
        edge = tf.ones(self.latent_dim)
        return tfd.Independent(tfd.Uniform(-edge, edge), 1)


def test_draws_outside_the_priors_support_have_weight_zero():
    model = LinearGaussian(Interval(2), seed=0)
    one = repeated(model.estimate_log_prob, num_importance_samples=1, count=200, seed=1)
    assert np.isneginf(one).any() and np.isfinite(one).any()
    with tf.GradientTape() as tape:
        found = model.estimate_log_prob(X[:1], 400, seed=2)
    # log of the integral of N(x; L z + b, noise^2) / 4 over the square, by the grid's midpoints.
    middle = (np.arange(400) + 0.5) / 200 - 1
    z = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    p = stats.norm(z @ LOADINGS.T + OFFSET, NOISE).logpdf(X[0]).sum(axis=1)
    expected = np.log(np.mean(np.exp(p)))
    # Weights are 0 or p(x)'s normal evidence * (1 / 4) / N(z), which varies by less than e.
    assert abs(found[0] - expected) < 4.5 * np.e / np.sqrt(400)
    gradients = tape.gradient(found, model.trainable_variables)
    assert all(np.all(np.isfinite(g)) for g in gradients if g is not None)


def test_importance_weights_at_the_exact_posterior_are_all_log_evidence():
    found = exact().estimate_log_prob(X, 1, seed=3)
    np.testing.assert_allclose(found, log_evidence(X), rtol=1e-4)


def test_importance_weighting_closes_the_gap():
    draws = repeated(off().estimate_log_prob, num_importance_samples=40, count=200, seed=4)
    np.testing.assert_allclose(draws.mean(axis=0), log_evidence(X), atol=0.05)
    one = repeated(off().estimate_log_prob, num_importance_samples=1, seed=5)
    assert_mean(one, closed_elbo(X))  # one weight is a single-sample bound


@pytest.mark.parametrize("beta", [0.0, 0.25, 4.0])
def test_beta_weighs_the_kl_in_training_only(beta):
    model = LinearGaussian(beta=beta, seed=0)
    model.build((None, 3))
    terms = tf.constant([[-3.0, 1.0], [-5.0, 2.0]])  # log p(x|z), KL
    assert model.compute_loss(y_pred=terms, training=False).numpy() == pytest.approx(5.5)
    expected = 4 + beta * 1.5
    assert model.compute_loss(y_pred=terms, training=True).numpy() == pytest.approx(expected)


def test_warm_up_raises_the_weight_of_the_kl_with_the_steps():
    model = LinearGaussian(beta=3.0, warmup_steps=8, seed=0)
    model.build((None, 3))
    terms = tf.constant([[-3.0, 1.0], [-5.0, 2.0]])  # log p(x|z), KL

    def training_loss():
        return model.compute_loss(y_pred=terms, training=True).numpy()

    assert training_loss() == pytest.approx(4 + 3 * 1.5)  # no optimiser counts steps yet
    model.compile(optimizer="sgd")
    for step, weight in ((0, 0), (1, 3 / 8), (4, 1.5), (7, 21 / 8), (8, 3), (9, 3), (1000, 3)):
        model.optimizer.iterations.assign(step)
        assert training_loss() == pytest.approx(4 + weight * 1.5)
        assert model.compute_loss(y_pred=terms, training=False).numpy() == pytest.approx(5.5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_training_pays_the_weight_of_its_step(policy):
    # A decoder that does not listen to z: log p(x|z) is the same for every draw.
    model = LinearGaussian(beta=2.0, warmup_steps=4, seed=0, dtype=policy)
    model.build((None, 3))
    model.loadings.assign(np.zeros((3, 2)))
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    losses = model.fit(X, epochs=6, batch_size=3, verbose=0).history["loss"]
    kls = [
        kl_of_gaussians(
            (row - OFFSET) @ ENCODER, np.diag(np.diag(POSTERIOR)), np.zeros(2), np.eye(2)
        )
        for row in X
    ]
    fit = stats.norm(OFFSET, NOISE).logpdf(X).sum(axis=1).mean()
    expected = -fit + np.array([0, 0.5, 1, 1.5, 2, 2]) * np.mean(kls)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    evaluated = model.evaluate(X, verbose=0, return_dict=True)["loss"]
    assert evaluated == pytest.approx(-fit + np.mean(kls), rel=1e-5)


def test_weights_multiply_the_bound_of_each_row():
    terms = tf.constant([[-3.0, 1.0], [-5.0, 2.0]])
    loss = exact().compute_loss(y_pred=terms, sample_weight=[0.0, 3.0], training=False)
    assert loss.numpy() == pytest.approx(3 * 7 / 2)


def test_evaluate_is_minus_the_elbo_and_tracks_the_kl():
    model = off()
    model.beta = 100.0
    model.compile(optimizer="sgd")
    x = np.tile(X, (2000, 1))
    logs = model.evaluate(x, batch_size=1000, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(-closed_elbo(X).mean(), abs=0.1)
    kls = [
        kl_of_gaussians(
            0.7 * (row - OFFSET) @ ENCODER,
            np.diag(np.diag(POSTERIOR) * np.exp(0.6)),
            np.zeros(2),
            np.eye(2),
        )
        for row in X
    ]
    assert logs["kl"] == pytest.approx(np.mean(kls), rel=1e-4)  # in closed form: no noise


def test_training_reaches_the_evidence_from_a_wrong_posterior():
    model = off()
    x = model.sample(500, seed=7).numpy()
    model.loadings.trainable = model.offset.trainable = False
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    start = model.evaluate(x, batch_size=500, verbose=0, return_dict=True)["loss"]
    model.fit(np.tile(x, (20, 1)), batch_size=100, verbose=0)
    end = model.evaluate(x, batch_size=500, verbose=0, return_dict=True)["loss"]
    optimum = -log_evidence(x).mean()
    assert start > optimum + 0.2
    assert end == pytest.approx(optimum, abs=0.1)


def test_two_replicas_draw_different_noise(two_replicas):
    with two_replicas.scope():
        model = LinearGaussian(seed=0)
        model.build((None, 3))
    run = tf.function(lambda: model(tf.constant(X))[:, 0])
    first, second = two_replicas.experimental_local_results(two_replicas.run(run))
    assert np.all(first.numpy() != second.numpy())


def test_the_number_of_draws_and_the_seed_do_not_compile_again():
    model = off()
    for count in (1, 2, 7, 50):
        for seed in (None, 1, 2):
            model.elbo(X, num_samples=count, seed=seed)
            model.estimate_log_prob(X, count, seed=seed)
    for compiled in (model._compiled_elbo, model._compiled_estimate):
        assert compiled.experimental_get_tracing_count() == 1


def test_reconstruct_decodes_the_mean():
    found = exact().reconstruct(X)
    expected = (X - OFFSET) @ ENCODER @ LOADINGS.T + OFFSET
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_samples_have_the_models_mean_and_covariance():
    x = exact().sample(20_000, seed=1).numpy()
    assert_mean(x, OFFSET)
    covariance = LOADINGS @ LOADINGS.T + NOISE**2 * np.eye(3)
    centred = x - OFFSET
    products = (centred[:, :, np.newaxis] * centred[:, np.newaxis]).reshape(len(x), -1)
    assert_mean(products, covariance.reshape(-1))


def test_seeds_repeat_and_the_own_stream_advances():
    model = off()
    for draw in (
        lambda **k: model.elbo(X, **k),
        lambda **k: model.estimate_log_prob(X, 2, **k),
        lambda **k: model.sample(3, **k),
    ):
        np.testing.assert_array_equal(draw(seed=1), draw(seed=1))
        assert np.all(draw(seed=1).numpy() != draw(seed=2).numpy())
        assert np.all(draw().numpy() != draw().numpy())


def test_labels_reach_the_decoder():
    model = LinearGaussian(num_labels=3, seed=0)
    scalar = model.sample(4, condition=2, seed=0).numpy()
    each = model.sample(4, condition=[0, 1, 2, 2], seed=0).numpy()
    np.testing.assert_allclose(scalar - each, np.outer([20, 10, 0, 0], np.ones(3)), atol=1e-4)
    shifted = X + np.float32([[0], [10], [20]])
    with pytest.raises(ValueError, match="Expected a condition"):
        model.elbo(shifted)
    assert model.decode(tf.zeros((3, 2)), tf.range(3)).mean().numpy() == pytest.approx(
        OFFSET + np.array([[0], [10], [20]])
    )


def test_a_saved_model_is_the_same(tmp_path):
    model = LinearGaussian(beta=0.5, seed=3)
    model.compile(optimizer="adam")
    model.fit(X, verbose=0)
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    config = json.loads(json.dumps(model.get_config()))
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.beta == 0.5
    np.testing.assert_array_equal(again.elbo(X, seed=1), model.elbo(X, seed=1))


INNER, SCALES = 0.8, (0.65, 0.5)  # the exact posterior has scales 0.53 and 0.45


class TwoLayerPrior:
    """p(z1) = N(0, 1), p(z2|z1) = N(INNER z1, 1), as a joint distribution."""

    def distribution(self):
        return tfd.JointDistributionSequential(
            [tfd.Normal(0.0, 1.0), lambda z1: tfd.Normal(INNER * z1, 1.0)]
        )


class TwoLayers(LatentVariableModel):
    """x = z1 + z2 + noise in one dimension, q(z1|x) q(z2|z1, x)."""

    event_shape = (1,)

    def build(self, input_shape):
        self.weight = self.add_weight(name="weight", shape=(), initializer="ones")

    def encode(self, x, condition=None):
        first = tfd.Normal(0.4 * x[:, 0], SCALES[0])
        return tfd.JointDistributionSequential(
            [first, lambda z1: tfd.Normal(0.8 * x[:, 0] - 0.6 * z1, SCALES[1])]
        )

    def decode(self, z, condition=None):
        loc = (z[0] + z[1])[:, tf.newaxis]
        return tfd.Independent(tfd.Normal(self.weight * loc, NOISE), 1)


def chain(loc, offset, gain, scales):
    """Mean and covariance of (z1, z2) with z2 = offset + gain z1 + noise."""
    mix = np.array([[1, 0], [gain, 1]])
    return mix @ [loc, offset], mix @ np.diag(np.square(scales)) @ mix.T


def test_two_layers_of_latents_have_a_monte_carlo_kl():
    model = TwoLayers(TwoLayerPrior(), seed=0)
    x = np.float32([[0.5], [-1.0], [2.0]])
    prior = chain(0, 0, INNER, (1, 1))
    evidence = stats.norm(0, np.sqrt(np.ones(2) @ prior[1] @ np.ones(2) + NOISE**2)).logpdf(x[:, 0])
    bounds, kls = [], []
    for value in x[:, 0]:
        loc, covariance = chain(0.4 * value, 0.8 * value, -0.6, SCALES)
        variance = np.ones(2) @ covariance @ np.ones(2)
        fit = stats.norm.logpdf(value, loc.sum(), NOISE) - variance / (2 * NOISE**2)
        kls.append(kl_of_gaussians(loc, covariance, *prior))
        bounds.append(fit - kls[-1])
    tiled = np.tile(x, (4000, 1))
    terms = np.reshape(model(tf.constant(tiled)), (4000, 3, 2))
    assert_mean(terms[..., 1], kls)
    assert_mean(np.reshape(model.elbo(tiled, seed=1), (4000, 3)), bounds)
    assert np.all(np.array(bounds) < evidence)
    tight = np.reshape(model.estimate_log_prob(tiled[:600], 100, seed=2), (200, 3))
    np.testing.assert_allclose(tight.mean(axis=0), evidence, atol=0.05)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda m: m.elbo(X, num_samples=0), "num_samples to be a whole number >= 1"),
        (lambda m: m.elbo(X[:, :2]), r"x of shape \(batch, 3\). Received: x of shape \(3, 2\)"),
        (lambda m: m.elbo(np.nan * X), "finite values in x. Received: nan"),
        (lambda m: m.estimate_log_prob(X, 0), "num_importance_samples to be a whole number >= 1"),
        (lambda m: m.sample(0), "num_samples to be a whole number >= 1"),
        (lambda m: m.reconstruct(X[0]), r"x of shape \(batch, 3\)"),
        (lambda m: LinearGaussian(beta=-1), "beta.*Received: beta=-1"),
        (lambda m: LinearGaussian(beta=float("nan")), "beta.*Received: beta=nan"),
        (lambda m: LinearGaussian(beta="a"), "beta.*Received: beta='a'"),
        (lambda m: LinearGaussian(warmup_steps=-1), "warmup_steps.*>= 0. Received: .*=-1"),
        (lambda m: LinearGaussian(warmup_steps=2.5), "warmup_steps.*Received: warmup_steps=2.5"),
        (lambda m: LatentVariableModel(None), r"prior.*distribution\(\).*Received: prior=None"),
        (lambda m: LatentVariableModel(StandardNormal), "prior.*Received: prior=<class"),
    ],
)
def test_bad_input(action, message):
    model = exact()
    before = [np.array(v) for v in model.variables]
    with pytest.raises(ValueError, match=f"Expected {message}"):
        action(model)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, new)
