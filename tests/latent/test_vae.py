"""VAE and IWAE against quadrature, probabilistic PCA and a second construction in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import linalg, special, stats

from genkeras import IWAE, VAE, GaussianMixture
from genkeras.latent import dense_decoder, dense_encoder
from genkeras.likelihoods import Bernoulli, Categorical, Normal

tfd = tfp.distributions

# |mean - truth| <= 4.5 standard errors fails by chance with probability 7e-6.
Z = 4.5
# A chi-square statistic beyond this quantile fails by chance with probability 1e-6.
FALSE_ALARM = 1e-6
STATES = np.float32(list(np.ndindex(2, 2, 2)))
ONE = np.log(np.expm1(1.0))  # softplus(ONE) = 1


def assert_mean(draws, expected):
    """Rows of draws, columns of quantities."""
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    np.testing.assert_array_less(np.abs(np.mean(draws, axis=0) - expected), Z * error + 1e-4)


def randomised(model, seed=3, scale=1.0):
    """The model, built, with random weights.

    q(z|x) is wider than any part of the prior, so that no importance weight p / q is large and
    means of weights have the errors that their draws tell.
    """
    model.build((None, *model.event_shape))
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=scale, size=variable.shape))
    kernel, bias = (w.numpy() for w in model.posterior.dense.weights)
    kernel *= np.tile([0.4, 0.1], model.latent_dim)  # of means, of raw scales
    bias[1::2] = 1.0 + 0.3 * random.random(model.latent_dim)
    model.posterior.dense.set_weights([kernel, bias])
    if isinstance(model.prior, GaussianMixture):
        model.prior.raw_scales.assign(-np.abs(model.prior.raw_scales))
    return model


def tiny(kind="plain", latent_dim=1, model_class=VAE, **options):
    """A VAE of three binary variables."""
    if kind == "mixture":
        options["prior"] = GaussianMixture(latent_dim, 3, seed=4)
    num_labels = 3 if kind == "labels" else 0
    return randomised(
        model_class(
            dense_encoder((3,), (4,), seed=0),
            dense_decoder(latent_dim + num_labels, 3, (4,), seed=1),
            latent_dim,
            num_labels=num_labels or None,
            seed=2,
            **options,
        )
    )


# The same models in NumPy and float64, from their weights.


def parameters_of(model):
    """Weights by part, float64."""
    parts = {"encoder": model.encoder, "head": model.posterior, "decoder": model.decoder}
    if isinstance(model.prior, GaussianMixture):
        parts["prior"] = model.prior
    return {name: [np.float64(w) for w in part.weights] for name, part in parts.items()}


def affine_maps(x, weights, ends_linear):
    for k in range(0, len(weights), 2):
        x = x @ weights[k] + weights[k + 1]
        if k + 2 < len(weights) or not ends_linear:
            x = np.tanh(x)
    return x


def with_label(vectors, labels):
    if labels is None:
        return vectors
    one_hot = np.broadcast_to(np.eye(3)[labels], (*vectors.shape[:-1], 3))
    return np.concatenate([vectors, one_hot], axis=-1)


def posterior(weights, x, labels):
    """Means and scales of q(z|x): `(batch, latent_dim)`."""
    features = with_label(affine_maps(x, weights["encoder"], ends_linear=False), labels)
    raw = affine_maps(features, weights["head"], ends_linear=True)
    return raw[:, 0::2], 1e-4 + np.logaddexp(0, raw[:, 1::2])


def log_likelihood(weights, x, z, labels, likelihood):
    """log p(x|z): of the leading axes of z."""
    outputs = affine_maps(with_label(z, labels), weights["decoder"], ends_linear=True)
    outputs = outputs.reshape(*z.shape[:-1], x.shape[-1], -1)
    if isinstance(likelihood, Bernoulli):
        terms = x * outputs[..., 0] - np.logaddexp(0, outputs[..., 0])
    elif isinstance(likelihood, Categorical):
        chosen = np.eye(likelihood.num_classes)[x.astype(int)]
        terms = np.sum(chosen * special.log_softmax(outputs, axis=-1), axis=-1)
    else:
        scales = likelihood.min_scale + np.logaddexp(0, outputs[..., 1] + ONE)
        terms = stats.norm(outputs[..., 0], scales).logpdf(x)
    return terms.sum(axis=-1)


def log_prior(weights, z):
    if "prior" not in weights:
        return stats.norm.logpdf(z).sum(axis=-1)
    logits, locs, raw = weights["prior"]
    components = stats.norm(locs, 0.01 + np.logaddexp(0, raw)).logpdf(z[..., np.newaxis, :])
    return special.logsumexp(components.sum(axis=-1) + special.log_softmax(logits), axis=-1)


class Quadrature:
    """Of every state x: log p(x), the ELBO, and KL(q(z|x) || p(z|x)), by sums over a grid of z."""

    def __init__(self, weights, latent_dim, labels=None):
        axis = np.linspace(-12, 12, {1: 2401, 2: 201}[latent_dim])
        self.points = np.stack(np.meshgrid(*[axis] * latent_dim), axis=-1).reshape(-1, latent_dim)
        self.cell = (axis[1] - axis[0]) ** latent_dim
        locs, scales = posterior(weights, STATES, labels)
        z = self.points[:, np.newaxis]  # (points, 1, latent_dim)
        self.log_q = stats.norm(locs, scales).logpdf(z).sum(axis=-1)  # (points, states)
        repeated = np.broadcast_to(z, (len(z), len(STATES), latent_dim))
        self.log_likelihood = log_likelihood(weights, STATES, repeated, labels, Bernoulli())
        self.log_prior = log_prior(weights, self.points)[:, np.newaxis]
        log_joint = self.log_likelihood + self.log_prior
        self.evidence = special.logsumexp(log_joint, axis=0) + np.log(self.cell)
        self.elbo = self.mean(log_joint - self.log_q)
        self.kl = self.mean(self.log_q - self.log_prior)
        self.gap = self.mean(self.log_q - (log_joint - self.evidence))

    def mean(self, values):
        """E_q: `(states,)`."""
        return np.sum(np.exp(self.log_q) * values, axis=0) * self.cell


KINDS = ["plain", "labels", "mixture"]
every_kind = pytest.mark.parametrize("kind", KINDS)
# Two latents without labels or mixture will do.
some_sizes = pytest.mark.parametrize(
    ("kind", "latent_dim"), [("plain", 1), ("labels", 1), ("mixture", 1), ("plain", 2)]
)


def labels_of(kind, copies=1):
    return np.tile(np.arange(len(STATES)) % 3, copies) if kind == "labels" else None


def repeated(function, copies, kind="plain", *arguments, **options):
    """`copies` independent draws of a quantity of each state: `(copies, states)`."""
    x = np.tile(STATES, (copies, 1))
    found = function(x, *arguments, condition=labels_of(kind, copies), **options)
    return np.reshape(found, (copies, len(STATES)))


@some_sizes
def test_evidence_is_the_elbo_and_the_gap(kind, latent_dim):
    model = tiny(kind, latent_dim)
    exact = Quadrature(parameters_of(model), latent_dim, labels_of(kind))
    np.testing.assert_allclose(exact.mean(1.0), 1, atol=1e-5)
    np.testing.assert_allclose(exact.evidence, exact.elbo + exact.gap, atol=1e-5)
    assert np.all(exact.gap > 0.05)
    # The densities of the model are those that went into the sums ...
    near = np.max(np.abs(exact.points), axis=1) < 6
    z = exact.points[near].astype("float32")
    found = model.encode(STATES, labels_of(kind)).log_prob(z[:, np.newaxis])
    np.testing.assert_allclose(found, exact.log_q[near], rtol=1e-3, atol=1e-3)
    found = model.prior.distribution().log_prob(z)[:, np.newaxis]
    np.testing.assert_allclose(found, exact.log_prior[near], rtol=1e-3, atol=1e-3)
    for k, x in enumerate(STATES):
        label = None if kind != "labels" else np.full(len(z), labels_of(kind)[k])
        found = model.decode(z, label).log_prob(x)
        np.testing.assert_allclose(found, exact.log_likelihood[near, k], rtol=1e-4, atol=1e-4)
    # ... and its bound is that bound.
    assert_mean(repeated(model.elbo, 1500, kind, seed=1), exact.elbo)
    terms = repeated_terms(model, kind, 1500)
    assert_mean(terms[..., 1:].sum(axis=-1), exact.kl)


def repeated_terms(model, kind, copies):
    x = tf.constant(np.tile(STATES, (copies, 1)))
    labels = labels_of(kind, copies)
    inputs = x if labels is None else {"x": x, "condition": tf.constant(labels)}
    terms = model(inputs).numpy()
    return terms.reshape(copies, len(STATES), *terms.shape[1:])


@some_sizes
def test_bounds_rise_with_the_draws_and_never_pass_the_evidence(kind, latent_dim):
    model = tiny(kind, latent_dim)
    exact = Quadrature(parameters_of(model), latent_dim, labels_of(kind))
    means, errors = [exact.elbo.mean()], [0.0]
    for count in (4, 16, 64):
        draws = repeated(
            model.estimate_log_prob, 800, kind, num_importance_samples=count, seed=count
        )
        assert_mean(np.exp(draws - exact.evidence), 1)  # a mean of weights is unbiased
        error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
        assert np.all(draws.mean(axis=0) <= exact.evidence + Z * error)
        means.append(draws.mean())
        errors.append(np.sqrt(np.mean(error**2) / len(STATES)))
    steps, noise = np.diff(means), np.hypot(errors[1:], errors[:-1])
    assert np.all(steps > Z * noise)
    gaps = exact.evidence.mean() - np.array(means)
    assert gaps[-1] < 0.3 * gaps[0]
    one = repeated(model.estimate_log_prob, 1500, kind, num_importance_samples=1, seed=1)
    assert_mean(one, exact.elbo)
    # Compiled once, whatever the number of draws (and once more for the other number of rows).
    assert model._compiled_estimate.experimental_get_tracing_count() <= 2


@every_kind
def test_the_evidence_sums_to_one_and_samples_follow_it(kind):
    model = tiny(kind)
    label = 1 if kind == "labels" else None
    labels = None if label is None else np.full(len(STATES), label)
    exact = Quadrature(parameters_of(model), 1, labels)
    assert np.exp(exact.evidence).sum() == pytest.approx(1, abs=1e-6)
    count = 4000
    x = model.sample(count, label, seed=5).numpy()
    observed = np.bincount(x.astype(int) @ [4, 2, 1], minlength=8)
    expected = count * np.exp(exact.evidence)
    assert expected.min() > 5 and np.ptp(expected) > 0.1 * count
    assert stats.chisquare(observed, expected).pvalue > FALSE_ALARM


def test_samples_add_noise_of_their_own_to_the_draw_of_z():
    # x = z + noise in as many variables as latents: one seed for both would draw the same twice.
    model = VAE(dense_encoder((3,), ()), dense_decoder(3, 6, ()), 3, Normal(), seed=0)
    kernel = np.zeros((3, 6))
    kernel[range(3), [0, 2, 4]] = 1  # means; the raw scales stay at their start, 1.01
    model.decoder.set_weights([kernel, np.zeros(6)])
    x = model.sample(5000, seed=1).numpy()
    products = (x[:, :, np.newaxis] * x[:, np.newaxis]).reshape(len(x), 9)
    assert_mean(products, (1 + 1.01**2) * np.eye(3).reshape(9))


@every_kind
def test_the_mean_slope_of_the_bound_is_the_slope_of_its_mean(kind):
    # Through draws of z (reparameterised), against differences of the bound by quadrature.
    model = tiny(kind)
    labels = labels_of(kind)
    parts = {"encoder": model.encoder, "head": model.posterior, "decoder": model.decoder}
    if kind == "mixture":
        parts["prior"] = model.prior
    variables = [w.value for part in parts.values() for w in part.weights]
    copies = 20
    x = tf.constant(np.tile(STATES, (copies, 1)))
    inputs = x if labels is None else {"x": x, "condition": tf.constant(labels_of(kind, copies))}

    @tf.function
    def slopes_of_one_draw():
        with tf.GradientTape() as tape:
            terms = model(inputs)
            bound = tf.reduce_mean(terms[:, 0] - tf.reduce_sum(terms[:, 1:], axis=1))
        return tape.gradient(bound, variables)

    draws = []
    for _ in range(100):
        draws.append(np.concatenate([np.ravel(s) for s in slopes_of_one_draw()]))
    expected, weights = [], parameters_of(model)
    for arrays in weights.values():
        for array in arrays:
            for index in np.ndindex(*array.shape):
                expected.append(
                    difference(
                        lambda: Quadrature(weights, 1, labels).elbo.mean(), array, index, 1e-4
                    )
                )
    assert_mean(np.stack(draws), np.array(expected))
    assert np.mean(np.abs(expected) > 1e-2) > 0.5


def difference(function, array, index, step=1e-6):
    """Central difference of a function along one entry of an array that it reads."""
    start = array[index]
    sides = []
    for sign in (1, -1):
        array[index] = start + sign * step
        sides.append(function())
    array[index] = start
    return (sides[0] - sides[1]) / (2 * step)


# Losses and their slopes, from the same noise.

NOISE = np.random.default_rng(5).normal(size=(5, 6, 2)).astype("float32")  # draws, rows, latents
LABELS = np.arange(6) % 3
REALS = np.random.default_rng(6).normal(size=(6, 3)).astype("float32")
LEVELS = np.random.default_rng(6).integers(0, 3, (6, 3)).astype("float32")
# Name: class, options, data.
LOSSES = {
    "vae": (VAE, {}, STATES[1:7]),
    "vae of reals": (VAE, {"likelihood": Normal(0.1)}, REALS),
    "vae of 3 levels": (VAE, {"likelihood": Categorical(3)}, LEVELS),
    "vae with labels": (VAE, {"num_labels": 3}, STATES[1:7]),
    "vae with a mixture": (VAE, {"prior": True}, STATES[1:7]),
    "vae with beta": (VAE, {"beta": 2.5}, STATES[1:7]),
    "vae with free bits": (VAE, {"free_bits": 0.3}, STATES[1:7]),
    "vae with a mixture, beta and warm-up": (
        VAE,
        {"prior": True, "beta": 0.6, "warmup_steps": 4},
        STATES[1:7],
    ),
    "vae with free bits, beta and warm-up": (
        VAE,
        {"free_bits": 0.3, "beta": 0.6, "warmup_steps": 4},
        STATES[1:7],
    ),
    "iwae": (IWAE, {"num_importance_samples": 5}, STATES[1:7]),
    "iwae of reals": (IWAE, {"num_importance_samples": 5, "likelihood": Normal()}, REALS),
    "iwae with labels": (IWAE, {"num_importance_samples": 5, "num_labels": 3}, STATES[1:7]),
    "iwae with a mixture": (IWAE, {"num_importance_samples": 5, "prior": True}, STATES[1:7]),
}
STEP = 3  # of the warm-up's four


def loss_model(name):
    model_class, options, _ = LOSSES[name]
    options = dict(options)
    if options.pop("prior", False):
        options["prior"] = GaussianMixture(2, 3, seed=4)
    parameters = options.get("likelihood", Bernoulli()).num_parameters
    decoder = dense_decoder(2 + options.get("num_labels", 0), 3 * parameters, (4,), seed=1)
    model = model_class(dense_encoder((3,), (4,), seed=0), decoder, latent_dim=2, seed=2, **options)
    model.compile(optimizer="sgd")
    model.optimizer.iterations.assign(STEP)
    return randomised(model, scale=0.7)


def numpy_loss(weights, name, training):
    """The loss of a batch, and the mean KL of each latent where the prior is the normal one."""
    model_class, options, x = LOSSES[name]
    labels = LABELS if "num_labels" in options else None
    locs, scales = posterior(weights, x / 2 if "3 levels" in name else x, labels)
    draws = NOISE[: options.get("num_importance_samples", 1)]
    z = locs + scales * draws
    log_x = log_likelihood(weights, x, z, labels, options.get("likelihood", Bernoulli()))
    log_ratio = stats.norm(locs, scales).logpdf(z).sum(axis=-1) - log_prior(weights, z)
    if model_class is IWAE:
        log_weights = log_x - log_ratio  # (draws, rows)
        if not training:
            return -log_weights.mean()
        return -np.mean(special.logsumexp(log_weights, axis=0) - np.log(len(draws)))
    weight = 1.0
    if training:
        weight = options.get("beta", 1.0) * (STEP / 4 if "warmup_steps" in options else 1)
    if "prior" in options:
        return -log_x.mean() + weight * log_ratio.mean()
    kl = np.mean((scales**2 + locs**2 - 1) / 2 - np.log(scales), axis=0)  # (latents,)
    if training and "free_bits" in options:
        assert kl.min() < options["free_bits"] < kl.max()  # both sides are tried
        kl = np.maximum(options["free_bits"], kl)
    return -log_x.mean() + weight * kl.sum()


@pytest.fixture
def fed(monkeypatch):
    """Feeds the noise of every draw from q(z|x), another for every draw and row."""

    def sample(self, sample_shape=(), seed=None, **_):
        count = int(np.prod(tf.get_static_value(sample_shape)))
        return self.loc + self.scale * NOISE[:count, : self.loc.shape[0]]

    monkeypatch.setattr(tfd.Normal, "sample", sample)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_slopes_are_those_of_numpy(fed, name):
    model, x = loss_model(name), tf.constant(LOSSES[name][2])
    inputs = {"x": x, "condition": tf.constant(LABELS)} if model.num_labels else x
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, y_pred=model(inputs, training=True), training=True)
    slopes = tape.gradient(loss, [v.value for v in variables])
    evaluated = model.compute_loss(inputs, y_pred=model(inputs), training=False)
    weights = parameters_of(model)
    assert loss.numpy() == pytest.approx(numpy_loss(weights, name, True), rel=1e-5)
    assert evaluated.numpy() == pytest.approx(numpy_loss(weights, name, False), rel=1e-5)
    slopes = {v.path: np.array(s) for v, s in zip(variables, slopes, strict=True)}
    parts = {"encoder": model.encoder, "head": model.posterior, "decoder": model.decoder}
    parts["prior"] = model.prior
    for part, arrays in weights.items():
        for variable, array in zip(parts[part].weights, arrays, strict=True):
            for index in np.ndindex(*array.shape):
                expected = difference(lambda: numpy_loss(weights, name, True), array, index)
                found = slopes[variable.path][index]
                assert found == pytest.approx(expected, rel=1e-3, abs=1e-4), variable.path


def test_one_importance_sample_trains_on_the_elbo():
    vae, one = tiny(latent_dim=2), tiny(latent_dim=2, model_class=IWAE, num_importance_samples=1)
    copies = 2000
    of_vae, of_one = (repeated_terms(model, "plain", copies) for model in (vae, one))
    bounds = of_one[:, :, 0, 0] - of_one[:, :, 0, 1]
    of_exact_kl = of_vae[..., 0] - of_vae[..., 1:].sum(axis=-1)
    assert_mean(bounds - of_exact_kl, np.zeros(len(STATES)))
    loss = one.compute_loss(y_pred=tf.reshape(of_one, (-1, 1, 2)), training=True)
    assert loss.numpy() == pytest.approx(-bounds.mean(), rel=1e-5)


@pytest.mark.parametrize("side", ["paid", "free"])
def test_free_bits_are_counted_over_all_replicas(two_replicas, monkeypatch, side):
    # One latent, whose KL is small on the first half of the batch and large on the second. The
    # threshold lies between the mean of all and that of one half, so a replica that counted for
    # itself would decide otherwise.
    monkeypatch.setattr(tfd.Normal, "sample", lambda self, *_, **__: self.loc[tf.newaxis])
    x = np.repeat(STATES[[0, 7]], 4, axis=0)

    def model(free_bits=0.0):
        return tiny(free_bits=free_bits)

    kl = model()(tf.constant(x))[:, 1].numpy().reshape(2, 4).mean(axis=1)
    assert abs(kl[0] - kl[1]) > 0.2
    extreme = kl.min() if side == "paid" else kl.max()
    threshold = float((kl.mean() + extreme) / 2)
    single = model(threshold)
    with two_replicas.scope():
        double = model(threshold)
    for one in (single, double):
        one.compile(optimizer=keras.optimizers.SGD(0.5))
    histories = [
        one.fit(x, batch_size=8, shuffle=False, verbose=0).history for one in (single, double)
    ]
    assert histories[1]["loss"][0] == pytest.approx(histories[0]["loss"][0], rel=1e-5)
    for one, other in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# Linear and Gaussian: probabilistic PCA (Tipping & Bishop 1999), whose optimum is known.

NUM_LATENTS, NUM_VARIABLES = 2, 5


class SharedScale(keras.layers.Layer):
    """Means to Normal's raw outputs with one trained scale for all variables.

    `Normal` takes its scale from the decoder, where a dense layer would let it depend on z and on
    the variable; probabilistic PCA has x = W z + mu + sigma noise.
    """

    def build(self, input_shape):
        self.raw = self.add_weight(name="raw", shape=(), initializer="zeros")

    def call(self, means):
        return tf.stack([means, self.raw + tf.zeros_like(means)], axis=-1)


def probabilistic_pca():
    decoder = keras.Sequential(
        [
            keras.Input((NUM_LATENTS,)),
            keras.layers.Dense(
                NUM_VARIABLES, kernel_initializer=keras.initializers.GlorotNormal(1)
            ),
            SharedScale(),
        ]
    )
    encoder = dense_encoder((NUM_VARIABLES,), ())  # the features are x: q(z|x) is linear in x
    return VAE(encoder, decoder, NUM_LATENTS, Normal(), seed=0)


def scale_of(model):
    raw = float(model.decoder.layers[-1].raw.numpy())
    return 0.01 + np.logaddexp(0, raw + ONE)


class ClosedForm:
    """W = U (L - sigma^2)^(1/2) of the first eigenvectors, sigma^2 = mean of the other values."""

    def __init__(self, x):
        self.mean = x.mean(axis=0)
        covariance = np.cov(x.T, bias=True)
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = values[::-1], vectors[:, ::-1]
        self.variance = values[NUM_LATENTS:].mean()
        kept = values[:NUM_LATENTS]
        self.loadings = vectors[:, :NUM_LATENTS] * np.sqrt(kept - self.variance)
        marginal = self.loadings @ self.loadings.T + self.variance * np.eye(NUM_VARIABLES)
        self.log_prob = stats.multivariate_normal(self.mean, marginal).logpdf(x)
        # The posterior has covariance sigma^2 M^-1 with M = W^T W + sigma^2 = L, here diagonal.
        self.encoder = self.loadings / kept
        self.posterior_scale = np.sqrt(self.variance / kept)


@pytest.fixture(scope="module")
def gaussian_data():
    random = np.random.default_rng(0)
    loadings = random.normal(size=(NUM_VARIABLES, NUM_LATENTS))
    z = random.normal(size=(500, NUM_LATENTS)) * [1.5, 1.0]
    noise = 0.5 * random.normal(size=(500, NUM_VARIABLES))
    return (z @ loadings.T + noise + random.normal(size=NUM_VARIABLES)).astype("float32")


def test_at_the_closed_form_every_importance_weight_is_the_evidence(gaussian_data):
    model, exact = probabilistic_pca(), ClosedForm(gaussian_data)
    model.build((None, NUM_VARIABLES))
    head = np.zeros((NUM_VARIABLES + 1, 2 * NUM_LATENTS))
    head[:-1, 0::2] = exact.encoder
    head[-1, 0::2] = -exact.mean @ exact.encoder
    head[-1, 1::2] = np.log(np.expm1(exact.posterior_scale - 1e-4))
    model.posterior.dense.set_weights([head[:-1], head[-1]])
    raw = np.log(np.expm1(np.sqrt(exact.variance) - 0.01)) - ONE
    model.decoder.set_weights([exact.loadings.T, exact.mean, raw])
    found = model.estimate_log_prob(gaussian_data, 1, seed=1)
    np.testing.assert_allclose(found, exact.log_prob, rtol=1e-3, atol=1e-3)
    copies = 300
    draws = model.elbo(np.tile(gaussian_data[:20], (copies, 1)), seed=2)
    assert_mean(np.reshape(draws, (copies, 20)), exact.log_prob[:20])
    reconstruction = (gaussian_data - exact.mean) @ exact.encoder @ exact.loadings.T + exact.mean
    np.testing.assert_allclose(model.reconstruct(gaussian_data), reconstruction, atol=1e-3)


def test_a_trained_linear_gaussian_vae_is_probabilistic_pca(gaussian_data):
    model, exact, steps = probabilistic_pca(), ClosedForm(gaussian_data), 1200
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, steps))
    )
    start = model.elbo(gaussian_data, seed=0).numpy().mean()
    model.fit(tf.data.Dataset.from_tensors(gaussian_data).repeat(steps), verbose=0)
    optimum = exact.log_prob.mean()
    draws = model.elbo(np.tile(gaussian_data, (40, 1)), seed=1).numpy().reshape(40, -1)
    error = draws.mean(axis=1).std(ddof=1) / np.sqrt(40)
    assert start < optimum - 1
    assert optimum - 0.02 < draws.mean() <= optimum + Z * error
    estimate = model.estimate_log_prob(gaussian_data, 20, seed=2).numpy()
    assert estimate.mean() == pytest.approx(optimum, abs=0.02)
    assert scale_of(model) == pytest.approx(np.sqrt(exact.variance), rel=0.02)
    learned = model.decoder.layers[0].kernel.numpy().T
    assert linalg.subspace_angles(learned, exact.loadings)[0] < 0.03
    # The diagonal posterior settles the rotation that the likelihood leaves open.
    np.testing.assert_allclose(
        np.sort(np.linalg.norm(learned, axis=0)),
        np.sort(np.linalg.norm(exact.loadings, axis=0)),
        rtol=0.05,
    )
    np.testing.assert_allclose(model.decoder.layers[0].bias, exact.mean, atol=0.05)
