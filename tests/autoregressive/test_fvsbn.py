"""FVSBN against scikit-learn's logistic regressions on real digits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from genkeras import FVSBN, Categorical

PIXELS = [10, 12, 18, 20, 26, 28, 34, 36, 42, 44, 50, 52]  # two columns of the 8 x 8 images


@pytest.fixture(scope="module")
def x():
    return (load_digits().data[:, PIXELS] >= 8).astype("float32")


@pytest.fixture(scope="module")
def optimum(x):
    """Kernel, bias and NLL of unregularised logistic regressions, one for each column."""
    size = x.shape[1]
    kernel, bias = np.zeros((size, size)), np.zeros(size)
    rate = x[:, 0].mean()
    bias[0] = np.log(rate / (1 - rate))
    nll = log_loss(x[:, 0], np.full(len(x), rate))
    for i in range(1, size):
        fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=5000).fit(x[:, :i], x[:, i])
        kernel[:i, i], bias[i] = fitted.coef_[0], fitted.intercept_[0]
        nll += log_loss(x[:, i], fitted.predict_proba(x[:, :i])[:, 1])
    return kernel, bias, nll


def fvsbn_with(kernel, bias):
    model = FVSBN(len(bias))
    model.build((None, len(bias)))
    model.kernel.assign(kernel)
    model.bias.assign(bias)
    return model


def test_nll_is_the_sum_of_sklearns(x, optimum):
    kernel, bias, nll = optimum
    assert -np.mean(fvsbn_with(kernel, bias).log_prob(x)) == pytest.approx(nll, rel=1e-5)


def test_weights_on_and_below_the_diagonal_do_nothing(x, optimum):
    kernel, bias, _ = optimum
    full = kernel + np.tril(np.ones_like(kernel))
    clean, littered = fvsbn_with(kernel, bias), fvsbn_with(full, bias)
    np.testing.assert_array_equal(clean.log_prob(x), littered.log_prob(x))
    np.testing.assert_array_equal(clean.sample(50, seed=1), littered.sample(50, seed=1))


def test_sklearns_solution_has_no_slope(x, optimum):
    kernel, bias, _ = optimum
    slopes = []
    for model in (fvsbn_with(0 * kernel, 0 * bias), fvsbn_with(kernel, bias)):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y_pred=model(x))
        gradients = tape.gradient(loss, [model.kernel.value, model.bias.value])
        slopes.append(max(np.abs(gradient).max() for gradient in gradients))
    assert slopes[1] < 1e-4 < 1e-1 < slopes[0]


def test_training_reaches_sklearns_nll(x, optimum):
    model = FVSBN(x.shape[1], seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.1))
    model.fit(np.tile(x, (150, 1)), batch_size=len(x), shuffle=False, verbose=0)
    excess = model.evaluate(x, batch_size=len(x), verbose=0) - optimum[2]
    assert -1e-4 < excess < 0.01


def test_a_regularizer_adds_its_penalty_in_training_only_and_is_saved(x, optimum):
    kernel, bias, nll = optimum
    model = FVSBN(x.shape[1], kernel_regularizer=keras.regularizers.L1(0.01))
    model = FVSBN.from_config(model.get_config())
    model.build((None, x.shape[1]))
    model.kernel.assign(kernel)
    model.bias.assign(bias)
    model.compile("sgd")
    penalised = float(model.compute_loss(x, y_pred=model(x)))
    assert penalised == pytest.approx(nll + 0.01 * np.abs(kernel).sum(), rel=1e-5)
    assert model.evaluate(x, verbose=0) == pytest.approx(nll, rel=1e-5)


def test_other_likelihoods_and_labels_are_refused():
    with pytest.raises(ValueError, match=r"Expected likelihood=Bernoulli.*Received: Categorical"):
        FVSBN(3, likelihood=Categorical(3))
    with pytest.raises(ValueError, match="Expected num_labels=None. Received: num_labels=3"):
        FVSBN(3, num_labels=3)
