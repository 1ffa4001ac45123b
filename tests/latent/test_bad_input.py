"""Everything that the models with a code refuse, in the words of the contract; nothing changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from genkeras import (
    IWAE,
    VAE,
    Autoencoder,
    GaussianMixture,
    HierarchicalVAE,
    LatentVariableModel,
    StandardNormal,
    Uniform,
)
from genkeras.latent import GaussianNoise, MaskingNoise, dense_decoder, dense_encoder
from genkeras.latent.hierarchical_vae import Latents
from genkeras.likelihoods import Normal

X = np.float32(list(np.ndindex(2, 2, 2)))  # (8, 3)


def encoder(size=3):
    return dense_encoder((size,), (4,), seed=0)


def decoder(inputs=2, outputs=3):
    return dense_decoder(inputs, outputs, (4,), seed=1)


def two_layers(encoders=None, decoders=None, latent_dims=(3, 2), **options):
    encoders = (encoder(), encoder()) if encoders is None else encoders
    decoders = (decoder(3), decoder(2, 4)) if decoders is None else decoders
    return HierarchicalVAE(encoders, decoders, latent_dims, seed=0, **options)


def sigmoid_layer():
    return keras.layers.Dense(3, "sigmoid")


MODELS = {
    "autoencoder": lambda: Autoencoder(encoder(), decoder(4), MaskingNoise(0.5), seed=0),
    "vae": lambda: VAE(encoder(), decoder(), 2, seed=0),
    "vae of reals": lambda: VAE(encoder(), decoder(2, 6), 2, Normal(), seed=0),
    "vae with labels": lambda: VAE(encoder(), decoder(5), 2, num_labels=3, seed=0),
    "iwae": lambda: IWAE(encoder(), decoder(), 2, 3, seed=0),
    "iwae with labels": lambda: IWAE(encoder(), decoder(5), 2, 3, num_labels=3, seed=0),
    "hierarchical vae": two_layers,
}
BINARY = ["vae", "iwae", "hierarchical vae"]


@pytest.fixture(scope="module")
def trained():
    """Each model after one step."""
    done = {}

    def of(name):
        if name not in done:
            model = done[name] = MODELS[name]()
            labelled = {"x": X, "condition": np.arange(8) % 3}
            model.compile(optimizer="adam", run_eagerly=True)
            model.fit(labelled if model.num_labels else X, verbose=0)
        return done[name]

    return of


def refused(model, message, action, *arguments, **options):
    def state():
        return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]

    before = state()
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        action(*arguments, **options)
    for one, other in zip(state(), before, strict=True):
        np.testing.assert_array_equal(one, other)


BAD_X = {
    "shape": (np.zeros((3, 4)), r"x of shape \(batch, 3\). Received: x of shape \(3, 4\)"),
    "rank": (np.zeros(3), r"x of shape \(batch, 3\). Received: x of shape \(3,\)"),
    "tensor": (tf.zeros((3, 2)), r"x of shape \(batch, 3\). Received: x of shape \(3, 2\)"),
    "strings": (np.array([["a"] * 3]), "x to hold real numbers. Received: x with dtype=<U1"),
    "nothing": (None, "x to hold real numbers. Received: x with dtype=object"),
    "nan": (np.full((3, 3), np.nan), "finite values in x. Received: nan"),
    "infinity": (np.full((3, 3), -np.inf), "finite values in x. Received: -inf"),
    "a half": (np.full((3, 3), 0.5), "values of x to be 0 or 1. Received: 0.5"),
    "empty": (np.zeros((0, 3)), r"x with at least one row. Received: shape \(0, 3\)"),
}
METHODS_OF_X = {
    "autoencoder": {
        "encode": lambda m: m.encode,
        "reconstruct": lambda m: m.reconstruct,
        "reconstruction_error": lambda m: m.reconstruction_error,
    },
    "latent": {
        "encode": lambda m: m.encode,
        "elbo": lambda m: m.elbo,
        "estimate_log_prob": lambda m: (
            lambda x, condition=None: m.estimate_log_prob(x, 2, condition)
        ),
        "posterior_mean": lambda m: m.posterior_mean,
        "reconstruct": lambda m: m.reconstruct,
    },
}


def methods_of_x(name):
    return METHODS_OF_X["autoencoder" if name == "autoencoder" else "latent"]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        (name, case)
        for name in MODELS
        for case in BAD_X
        if "labels" not in name and (case != "a half" or name in BINARY)
    ],
)
def test_bad_x(trained, name, case):
    x, message = BAD_X[case]
    model = trained(name)
    for method in methods_of_x(name).values():
        refused(model, message, method(model), x)
    refused(model, message, model.evaluate, x, verbose=0)
    if case != "nothing":
        refused(model, message, model.fit, x, verbose=0)


@pytest.mark.parametrize("name", MODELS)
def test_targets_and_bad_weights(trained, name):
    model = trained(name)
    x = {"x": X, "condition": np.arange(8) % 3} if model.num_labels else X
    message = "y=None: the model has no targets.*ndarray"
    refused(model, message, model.fit, x, np.zeros(8), verbose=0)
    refused(model, message, model.evaluate, x, X, verbose=0)
    message = "sample_weight to be finite and >= 0"
    refused(model, message, model.fit, x, sample_weight=-np.ones(8), verbose=0)


BAD_CONDITIONS = {
    "missing": (None, "a condition: the model has num_labels=3. Received: condition of none"),
    "too large": ([0, 1, 3], "condition to hold whole numbers from 0 to 2. Received: 3"),
    "negative": ([0, 1, -1], "condition to hold whole numbers from 0 to 2. Received: -1"),
    "half": ([0, 1, 0.5], "condition to hold whole numbers from 0 to 2. Received: 0.5"),
    "nan": ([0, 1, np.nan], "condition to hold whole numbers from 0 to 2. Received: nan"),
    "too short": ([0, 1], r"condition of shape \(3,\). Received: condition of shape \(2,\)"),
    "strings": (["a", "b", "c"], "condition to hold real numbers. Received: condition with dtype"),
}


@pytest.mark.parametrize("name", ["vae with labels", "iwae with labels"])
@pytest.mark.parametrize("case", BAD_CONDITIONS)
def test_bad_conditions(trained, name, case):
    model = trained(name)
    condition, message = BAD_CONDITIONS[case]
    for method in methods_of_x(name).values():
        refused(model, message, method(model), X[:3], condition=condition)
    refused(model, message, model.decode, np.zeros((3, 2)), condition)
    refused(model, message, model.sample, 3, condition)
    data = X[:3] if condition is None else {"x": X[:3], "condition": condition}
    refused(model, message, model.fit, data, verbose=0)
    refused(model, message, model.evaluate, data, verbose=0)


@pytest.mark.parametrize("name", ["vae", "iwae", "hierarchical vae"])
def test_a_condition_for_a_model_without_labels(trained, name):
    model = trained(name)
    message = "no condition: the model has num_labels=None. Received: condition of type"
    for method in methods_of_x(name).values():
        refused(model, message, method(model), X[:3], condition=[0, 1, 1])
    refused(model, message, model.sample, 3, [0, 1, 1])
    z = model.posterior_mean(X[:3])
    refused(model, message, model.decode, z, [0, 1, 1])
    data = {"x": X[:3], "condition": [0, 1, 1]}
    refused(model, message, model.fit, data, verbose=0)
    refused(model, "no condition", model.encode, tf.constant(X[:3]), tf.constant([0, 1, 1]))


def test_a_condition_for_an_autoencoder(trained):
    model = trained("autoencoder")
    message = "no condition: the model has num_labels=None"
    refused(model, message, model.fit, {"x": X, "condition": np.zeros(8)}, verbose=0)


BAD_CODES = {
    "shape": (np.zeros((3, 5)), r"z{} of shape \(batch, {}\). Received: z{} of shape \(3, 5\)"),
    "rank": (np.zeros(2), r"z{} of shape \(batch, {}\). Received: z{} of shape \(2,\)"),
    "draws": (tf.zeros((2, 3, 2)), r"z{} of shape .*Received: z{} of shape \(2, 3, 2\)"),
    "strings": (np.array([["a"] * 2]), "z{} to hold real numbers. Received: z{} with dtype=<U1"),
    "nan": (np.nan, "finite values in z{}. Received: nan"),
    "infinity": (np.inf, "finite values in z{}. Received: inf"),
    "empty": (0, r"z{} with at least one row. Received: shape \(0, {}\)"),
}


@pytest.mark.parametrize("name", ["autoencoder", "vae", "iwae", "hierarchical vae"])
@pytest.mark.parametrize("case", BAD_CODES)
def test_bad_codes(trained, name, case):
    model = trained(name)
    z, message = BAD_CODES[case]
    size = {"autoencoder": 4, "hierarchical vae": 3}.get(name, 2)
    if np.ndim(z) == 0:
        z = np.zeros((0, size)) if case == "empty" else np.full((3, size), z)
    part = ".h1" if name == "hierarchical vae" else ""
    message = message.replace("z{}", f"z{part}").replace("{}", str(size))
    if name == "hierarchical vae":
        z = Latents(z, np.zeros((3, 2)))
    refused(model, message, model.decode, z)


@pytest.mark.parametrize("z", [np.zeros((2, 3)), (np.zeros((2, 3)), np.zeros((2, 2))), None])
def test_codes_of_two_layers_are_latents(trained, z):
    model = trained("hierarchical vae")
    message = rf"z to be Latents\(h1, h2\).*Received: z of type {type(z).__name__}"
    refused(model, message, model.decode, z)


BAD_COUNTS = {
    "none": (0, "whole number >= 1. Received: {}=0"),
    "half": (2.5, "whole number >= 1. Received: {}=2.5"),
    "true": (True, "whole number >= 1. Received: {}=True"),
    "text": ("3", "whole number >= 1. Received: {}='3'"),
}


@pytest.mark.parametrize("name", ["vae", "iwae", "hierarchical vae"])
@pytest.mark.parametrize("case", BAD_COUNTS)
def test_bad_numbers_of_draws(trained, name, case):
    model = trained(name)
    count, message = BAD_COUNTS[case]
    refused(model, message.format("num_samples"), model.elbo, X, num_samples=count)
    refused(model, message.format("num_samples"), model.sample, count)
    draws = "num_importance_samples"
    refused(model, message.format(draws), model.estimate_log_prob, X, count)
    for method, arguments in (("elbo", (X,)), ("estimate_log_prob", (X, 2)), ("sample", (2,))):
        message_of_seed = "seed to be a whole number.*Received: seed=0.5"
        refused(model, message_of_seed, getattr(model, method), *arguments, seed=0.5)


class WithoutShape(keras.Model):
    """A model of unknown shapes."""

    def call(self, x):
        return x


def vectors_of_vectors():
    return keras.Sequential([keras.Input((3,)), keras.layers.Reshape((3, 1))])


def two_inputs():
    sides = [keras.Input((3,)), keras.Input((3,))]
    return keras.Model(sides, keras.layers.Add()(sides))


NETWORK = "to be a Keras model with one input and one output of known shapes.*Received: "
PRIOR = r"prior to be an object with a method distribution\(\).*Received: prior="
BAD_MODELS = {
    "no encoder": (lambda: VAE(None, decoder(), 2), f"encoder {NETWORK}encoder=None"),
    "encoder of text": (lambda: VAE("dense", decoder(), 2), f"encoder {NETWORK}encoder='dense'"),
    "layer as encoder": (
        lambda: VAE(keras.layers.Dense(4), decoder(), 2),
        f"encoder {NETWORK}encoder=<Dense",
    ),
    "function as decoder": (lambda: VAE(encoder(), len, 2), f"decoder {NETWORK}decoder=<built-in"),
    "encoder without shapes": (lambda: VAE(WithoutShape(), decoder(), 2), f"encoder {NETWORK}"),
    "unbuilt encoder": (
        lambda: IWAE(keras.Sequential([keras.layers.Dense(4)]), decoder(), 2, 3),
        f"encoder {NETWORK}",
    ),
    "encoder of two inputs": (lambda: VAE(two_inputs(), decoder(), 2), f"encoder {NETWORK}"),
    "features of two axes": (
        lambda: VAE(vectors_of_vectors(), decoder(), 2),
        r"encoder to give features of shape \(batch, units\).*gives \(batch, 3, 1\)",
    ),
    "features of two axes above": (
        lambda: two_layers(encoders=(encoder(), vectors_of_vectors())),
        r"encoder to give features of shape \(batch, units\).*gives \(batch, 3, 1\)",
    ),
    "features of two axes below": (
        lambda: two_layers(decoders=(decoder(3), vectors_of_vectors()), latent_dims=(3, 3)),
        r"decoder to give features of shape \(batch, units\).*gives \(batch, 3, 1\)",
    ),
    "decoder of other codes": (
        lambda: VAE(encoder(), decoder(3), 2),
        r"a decoder from 2 values .* to 3 outputs .*Received: a decoder from \(3,\) to \(3,\)",
    ),
    "decoder without the labels": (
        lambda: VAE(encoder(), decoder(2), 2, num_labels=3),
        r"a decoder from 5 values .*Received: a decoder from \(2,\) to \(3,\)",
    ),
    "decoder of too few outputs": (
        lambda: VAE(encoder(), decoder(2, 3), 2, Normal()),
        r"to 6 outputs \(2 for each variable\). Received: a decoder from \(2,\) to \(3,\)",
    ),
    "decoder of other data": (
        lambda: IWAE(encoder(), decoder(2, 4), 2, 3),
        r"to 3 outputs .*Received: a decoder from \(2,\) to \(4,\)",
    ),
    "no latents": (lambda: VAE(encoder(), decoder(), 0), "latent_dim.*>= 1.*latent_dim=0"),
    "latents of text": (lambda: VAE(encoder(), decoder(), "2"), "latent_dim.*latent_dim='2'"),
    "likelihood of text": (
        lambda: VAE(encoder(), decoder(), 2, "normal"),
        "likelihood to be an instance .*Received: likelihood='normal'",
    ),
    "likelihood's class": (
        lambda: two_layers(likelihood=Normal),
        "likelihood to be an instance .*Received: likelihood=<class",
    ),
    "no prior": (lambda: LatentVariableModel(None), f"{PRIOR}None"),
    "prior of text": (lambda: VAE(encoder(), decoder(), 2, prior="normal"), f"{PRIOR}'normal'"),
    "prior of nought": (lambda: VAE(encoder(), decoder(), 2, prior=0), f"{PRIOR}0"),
    "prior's class": (
        lambda: IWAE(encoder(), decoder(), 2, 3, prior=StandardNormal),
        f"{PRIOR}<class",
    ),
    "prior of other size": (
        lambda: VAE(encoder(), decoder(), 2, prior=StandardNormal(3)),
        "a prior of 2 latents. Received: a prior of 3",
    ),
    "mixture of other size": (
        lambda: IWAE(encoder(), decoder(), 2, 3, prior=GaussianMixture(3, 2)),
        "a prior of 2 latents. Received: a prior of 3",
    ),
    "free bits of a mixture": (
        lambda: VAE(encoder(), decoder(), 2, prior=GaussianMixture(2, 3), free_bits=0.1),
        "a StandardNormal prior for free_bits.*Received: prior=<GaussianMixture",
    ),
    "negative free bits": (
        lambda: VAE(encoder(), decoder(), 2, free_bits=-0.1),
        "free_bits.*0.0 <= free_bits.*Received: free_bits=-0.1",
    ),
    "infinite free bits": (
        lambda: VAE(encoder(), decoder(), 2, free_bits=np.inf),
        "free_bits.*Received: free_bits=inf",
    ),
    "negative beta": (lambda: VAE(encoder(), decoder(), 2, beta=-1), "beta.*Received: beta=-1"),
    "beta of nan": (lambda: two_layers(beta=np.nan), "beta.*Received: beta=nan"),
    "negative warm-up": (
        lambda: VAE(encoder(), decoder(), 2, warmup_steps=-1),
        "warmup_steps.*>= 0. Received: warmup_steps=-1",
    ),
    "half a step of warm-up": (
        lambda: two_layers(warmup_steps=0.5),
        "warmup_steps.*Received: warmup_steps=0.5",
    ),
    "one label": (lambda: VAE(encoder(), decoder(3), 2, num_labels=1), "num_labels.*>= 2"),
    "seed": (lambda: VAE(encoder(), decoder(), 2, seed=0.5), "seed.*Received: seed=0.5"),
    "no draws": (
        lambda: IWAE(encoder(), decoder(), 2, 0),
        "num_importance_samples.*>= 1. Received: num_importance_samples=0",
    ),
    "half a draw": (lambda: IWAE(encoder(), decoder(), 2, 2.5), "num_importance_samples=2.5"),
    "beta of a weighted bound": (
        lambda: IWAE(encoder(), decoder(), 2, 3, beta=2.0),
        "no beta.*Received: beta=2.0",
    ),
    "warm-up of a weighted bound": (
        lambda: IWAE(encoder(), decoder(), 2, 3, warmup_steps=5),
        "no warmup_steps.*Received: warmup_steps=5",
    ),
    "free bits of a weighted bound": (
        lambda: IWAE(encoder(), decoder(), 2, 3, free_bits=0.1),
        "no free_bits.*Received: free_bits=0.1",
    ),
    "one encoder": (lambda: two_layers(encoders=encoder()), "encoders to hold two entries"),
    "three decoders": (lambda: two_layers(decoders=(decoder(3),) * 3), "decoders to hold two"),
    "one number of latents": (
        lambda: two_layers(latent_dims=3),
        "latent_dims to hold two entries.*Received: latent_dims=3",
    ),
    "a layer of no latents": (
        lambda: two_layers(latent_dims=(3, 0)),
        "every entry of latent_dims.*>= 1. Received: every entry of latent_dims=0",
    ),
    "upper encoder of other size": (
        lambda: two_layers(encoders=(encoder(), encoder(4))),
        r"encoders\[1\] to read 3 latents. Received: a network that reads \(4,\)",
    ),
    "upper decoder of other size": (
        lambda: two_layers(decoders=(decoder(3), decoder(3, 4))),
        r"decoders\[1\] to read 2 latents. Received: a network that reads \(3,\)",
    ),
    "lower decoder of other size": (
        lambda: two_layers(decoders=(decoder(2), decoder(2, 4))),
        r"decoders\[0\] from 3 values .*Received: a decoder from \(2,\)",
    ),
    "two layers with labels": (lambda: two_layers(num_labels=3), "no num_labels.*num_labels=3"),
    "two layers with a prior": (lambda: two_layers(prior=StandardNormal(2)), "no prior: its"),
    "autoencoder with labels": (
        lambda: Autoencoder(encoder(), decoder(4), num_labels=3),
        "no num_labels.*Received: num_labels=3",
    ),
    "probabilities for logits": (
        lambda: VAE(encoder(), keras.Sequential([keras.Input((2,)), sigmoid_layer()]), 2),
        "raw outputs.*Received: a last layer with activation='sigmoid'",
    ),
    "prior without density": (
        lambda: VAE(encoder(), decoder(), 2, prior=Uniform(2)),
        "a density everywhere.*Received: prior=Uniform",
    ),
    "upper encoder that is none": (
        lambda: two_layers(encoders=(encoder(), None)),
        f"encoder {NETWORK}encoder=None",
    ),
    "autoencoder's encoder": (lambda: Autoencoder(None, decoder(4)), f"encoder {NETWORK}"),
    "autoencoder's codes": (
        lambda: Autoencoder(encoder(), decoder(3)),
        r"a decoder from codes of shape \(4,\) to 3 values. Received: .*from \(3,\) to \(3,\)",
    ),
    "autoencoder's values": (
        lambda: Autoencoder(encoder(), decoder(4, 4)),
        r"a decoder from codes of shape \(4,\) to 3 values. Received: .*from \(4,\) to \(4,\)",
    ),
    "layer as corruption": (
        lambda: Autoencoder(encoder(), decoder(4), keras.layers.GaussianNoise(0.3)),
        "corruption to be None or a function.*Received: corruption=<GaussianNoise",
    ),
    "corruption of text": (
        lambda: Autoencoder(encoder(), decoder(4), "mask"),
        "corruption to be None or a function.*Received: corruption='mask'",
    ),
    "corruption's class": (
        lambda: Autoencoder(encoder(), decoder(4), MaskingNoise),
        "corruption to be None or a function.*Received: corruption=<class",
    ),
    "rate of one": (lambda: MaskingNoise(1.0), "0.0 <= rate < 1.0. Received: rate=1.0"),
    "negative rate": (lambda: MaskingNoise(-0.1), "rate.*Received: rate=-0.1"),
    "rate of text": (lambda: MaskingNoise("0.1"), "rate.*Received: rate='0.1'"),
    "negative scale": (lambda: GaussianNoise(-1), "0.0 <= scale < inf. Received: scale=-1"),
    "infinite scale": (lambda: GaussianNoise(np.inf), "scale.*Received: scale=inf"),
    "loss": (
        lambda: VAE(encoder(), decoder(), 2).compile("sgd", loss="mse"),
        "no loss: the model's loss is its own.*Received: loss='mse'",
    ),
    "half precision": (
        lambda: VAE(encoder(), decoder(), 2, dtype="float16"),
        "a dtype whose variables are float32.*Received: dtype='float16'",
    ),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_models(case):
    make, message = BAD_MODELS[case]
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        make()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (0.5, r"Expected values of x to be 0 or 1. Received: \] \[0.5"),
        (np.nan, "Expected finite values in x. Received:"),
    ],
)
def test_a_later_bad_batch_is_stopped_in_the_graph(bad, message):
    x = X.copy()
    x[5:] = bad
    model, reference = (MODELS["vae"]() for _ in range(2))
    for one in (model, reference):
        one.compile(optimizer=keras.optimizers.SGD(0.5))
    reference.fit(X[:4], shuffle=False, verbose=0)  # row by row the same noise
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(tf.data.Dataset.from_tensor_slices(x).batch(4), verbose=0)
    for one, other in zip(model.trainable_variables, reference.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
