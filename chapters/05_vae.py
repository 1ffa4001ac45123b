# %% [markdown]
# # 5. Variational autoencoder
#
# The models of chapters 2 and 3 draw an image pixel by pixel. A model with latent variables first
# draws a few hidden numbers, which say what kind of image it will be, and then all pixels at once.
# Its density is an integral that in general nobody can compute; the variational autoencoder bounds
# it with the help of a second network, which guesses the hidden numbers from the image. The chapter
# derives the bound twice and checks every step on a model small enough to integrate, trains on
# images and words, measures how far the bound lies below the truth, and shows what goes wrong and
# why: blur, holes, collapse.

# %% tags=["fold"]
import dataclasses
import importlib.resources
import itertools
import math
import re

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib import pyplot as plt
from scipy import integrate, optimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression

from genkeras import (
    IWAE,
    NADE,
    VAE,
    GaussianMixture,
    TabularAutoregressive,
    book,
    divergences,
    plots,
)
from genkeras.book.prose import error, listed, mean_error, number
from genkeras.datasets import Split, bernoulli_binarize, binarized_digits, dequantize, digits, mnist
from genkeras.evaluation import active_units, importance_nll, log_probs
from genkeras.latent import dense_decoder, dense_encoder
from genkeras.likelihoods import Categorical, Likelihood
from genkeras.models import LatentVariableModel
from genkeras.recipes import vae_mnist
from genkeras.training import epoch_batches

tfd = tfp.distributions

book.declare(
    title="Variational autoencoder",
    data=book.setting(
        default="scikit-learn's digits and descriptions of data sets",
        full="MNIST; scikit-learn's descriptions of data sets",
    ),
    seed=0,
)


def verdict(gain, other):
    """Better, worse or not clear, from paired differences from another model, as text."""
    if abs(gain.mean()) < 2 * error(gain):
        return f"not clearly different from {other} ({mean_error(gain, '+.2f')})"
    return f"{'better' if gain.mean() > 0 else 'worse'} than {other} ({mean_error(gain, '+.2f')})"


# %% [markdown]
# ## The question
#
# An autoregressive model knows $p(x)$ exactly. But it says nothing about an image as a whole: there
# is no place in it for "a slanted seven, drawn with a thick pen". A **latent variable model** has
# such a place. It makes an image in two steps:
#
# $$
# z \sim p(z) = \mathcal{N}(z;\, 0, I), \qquad x \sim p_\theta(x \mid z) = \prod_{i=1}^{D}
# \mathrm{Bernoulli}(x_i;\, \pi_i(z)) .
# $$
#
# The vector $z$ has $L$ numbers, the **latent variables**: they are part of the model and not of
# the data. A network with weights $\theta$, the **decoder**, turns $z$ into one probability
# $\pi_i(z)$ per pixel. Given $z$ the pixels are independent, so whatever the pixels of an image
# have to do with each other, they have through $z$. Sampling takes two draws. The density of an
# image is what is left when $z$ is integrated out:
#
# $$
# p_\theta(x) = \int p_\theta(x \mid z)\, p(z)\, \mathrm{d}z .
# $$
#
# This is a mixture of infinitely many products of Bernoullis, with weights $p(z)$. To train by
# maximum likelihood we need $\log p_\theta(x)$ and its gradient. For $L = 20$ a grid with only ten
# points for each latent has $10^{20}$ points, and the average of $p_\theta(x \mid z)$ over draws
# from $p(z)$ wastes almost all of them: nearly every $z$ gives images that are nothing like $x$
# (@fig:importance). The other question that one would like to ask, which $z$ may have made $x$, has
# the same integral in it:
#
# $$
# p_\theta(z \mid x) = \frac{p_\theta(x \mid z)\, p(z)}{p_\theta(x)} .
# $$
#
# This is the **posterior**. The variational autoencoder (VAE) of Kingma and Welling learns an
# approximation of it, $q_\phi(z \mid x)$, by a second network with weights $\phi$, the **encoder**,
# and with its help a bound on $\log p_\theta(x)$. Both come from one short derivation.
#
# ### A model small enough to integrate
#
# To see each step at work we take one latent and five pixels in a row. The latent is the position
# of a pen over the row. A pixel is likely to get ink if the pen is near it; its logit is $4 - 10
# (z - c_i)^2$, where $c_i \in \{-1.2, -0.6, 0, 0.6, 1.2\}$ is the pixel's place. With one latent,
# integrals over $z$ are sums over a fine grid, and there are just 32 images.

# %%
pixel_places = np.linspace(-1.2, 1.2, 5)
grid = np.linspace(-9.0, 9.0, 9001)  # of z
strips = np.array(list(itertools.product((0.0, 1.0), repeat=5)))  # all 32 images


def integral(values):
    """Over z, of functions given on the grid."""
    return np.trapezoid(values, grid)


def log_normal(z, mean, scale):
    return -0.5 * ((z - mean) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


log_prior = log_normal(grid, 0.0, 1.0)
pen_logits = 4 - 10 * (grid[:, None] - pixel_places) ** 2  # (grid, 5)
log_decoder = strips @ pen_logits.T - np.logaddexp(0, pen_logits).sum(axis=1)  # (32, grid)
log_joint = log_decoder + log_prior  # log p(x, z)
log_evidence = np.log(integral(np.exp(log_joint)))  # log p(x), (32,)
log_posterior = log_joint - log_evidence[:, None]  # log p(z | x)

# %% tags=["hide"]


def strip_name(row):
    return "`" + "".join(f"{int(value)}" for value in strips[row]) + "`"


by_probability = np.argsort(-log_evidence)
book.say(
    f"The {len(strips)} probabilities sum to {np.exp(log_evidence).sum():.6f}. The most probable "
    "strips are "
    + listed([f"{strip_name(r)} ({np.exp(log_evidence[r]):.3f})" for r in by_probability[:4]])
    + ": two pixels with the pen between them, more often near the middle, where the pen is."
)

# %% [markdown]
# ## The bound, by Bayes' rule
#
# Take any density $q(z)$ that is positive everywhere; in a VAE it will be $q_\phi(z \mid x)$. Write
# $p$ for $p_\theta$.
#
# $$
# \begin{aligned}
# \log p(x) &= \int q(z)\, \log p(x)\, \mathrm{d}z && (1) \\
# &= \int q(z)\, \log \frac{p(x, z)}{p(z \mid x)}\, \mathrm{d}z && (2) \\
# &= \int q(z)\, \log \left[ \frac{p(x, z)}{q(z)} \cdot \frac{q(z)}{p(z \mid x)} \right]
# \mathrm{d}z && (3) \\
# &= \underbrace{\int q(z)\, \log \frac{p(x, z)}{q(z)}\, \mathrm{d}z}_{\text{ELBO}} +
# \underbrace{\int q(z)\, \log \frac{q(z)}{p(z \mid x)}\, \mathrm{d}z}_{\mathrm{KL}(q(z)\,\|\,
# p(z \mid x))} && (4)
# \end{aligned}
# $$
#
# 1. $\log p(x)$ does not depend on $z$, and $q$ integrates to one.
# 2. Bayes' rule, as $p(x) = p(x, z) / p(z \mid x)$. It holds for every $z$, so also under the
#    integral.
# 3. Multiply and divide by $q(z)$.
# 4. The logarithm of a product is a sum.
#
# The second term is a Kullback-Leibler divergence, which is never negative. (Since $\log t \le t -
# 1$, we have $-\mathrm{KL} = \int q \log (p / q) \le \int q\, (p / q - 1) = 1 - 1 = 0$, and
# equality needs $p = q$.) So the first term is a lower bound on $\log p(x)$, the **evidence lower
# bound**, ELBO:
#
# $$
# \log p(x) = \mathrm{ELBO}(q) + \mathrm{KL}\big(q(z)\,\|\,p(z \mid x)\big) \ge \mathrm{ELBO}(q) .
# $$
#
# It is tight exactly if $q$ is the posterior. And it can be computed where $\log p(x)$ cannot: it
# contains only $p(x, z) = p(x \mid z)\, p(z)$, the decoder and the prior, and no integral but an
# average over $q$, from which we can draw.
#
# Here is every line, for one strip and three choices of $q$: the prior, the best normal density,
# and the posterior itself.


# %%
def elbo(log_q, row):
    return integral(np.exp(log_q) * (log_joint[row] - log_q))


def kl(log_q, log_p):
    return integral(np.exp(log_q) * (log_q - log_p))


def best_normal(row):
    """Mean and scale of the normal q with the highest ELBO."""

    def loss(v):
        return -elbo(log_normal(grid, v[0], np.exp(v[1])), row)

    how = {"method": "Nelder-Mead", "options": {"xatol": 1e-7, "fatol": 1e-12}}
    fits = [optimize.minimize(loss, (start, -0.5), **how) for start in (-2.0, 0.0, 2.0)]
    best = min(fits, key=lambda fit: fit.fun).x
    return best[0], np.exp(best[1])


strip, blank = int("00011", 2), int("00000", 2)


def joint(z):
    """p(x, z) of the strip at one z."""
    logits = 4 - 10 * (z - pixel_places) ** 2
    log_p = strips[strip] @ logits - np.logaddexp(0, logits).sum()
    return np.exp(log_p + log_normal(z, 0.0, 1.0))


by_quadrature = math.log(integrate.quad(joint, -9, 9, epsabs=0, epsrel=1e-12, limit=500)[0])
mean, scale = best_normal(strip)
blank_mean, blank_scale = best_normal(blank)
choices = {
    "the prior": log_prior,
    "the best normal": log_normal(grid, mean, scale),
    "the posterior": log_posterior[strip],
}
by_bayes = log_joint[strip] - log_posterior[strip]
checked = []
for log_q in choices.values():
    two_ratios = (log_joint[strip] - log_q) + (log_q - log_posterior[strip])
    averages = [integral(np.exp(log_q) * v) for v in (log_evidence[strip], by_bayes, two_ratios)]
    checked.append([*averages, elbo(log_q, strip), kl(log_q, log_posterior[strip])])
checked = np.array(checked).T  # (lines, choices)
checked = np.concatenate([checked, checked[3:].sum(axis=0, keepdims=True)])

# %% tags=["hide"]
lines = ("(1)", "(2)", "(3)", "(4), ELBO", "(4), divergence", "(4), sum")
book.table(
    [
        [name, *(number(round(v, 6) + 0.0, ".6f") for v in row)]
        for name, row in zip(lines, checked, strict=True)
    ],
    ["line", *(f"$q$ = {name}" for name in choices)],
    f"The derivation in numbers (nats) for the strip {strip_name(strip)}, whose $\\log p(x)$ is "
    f"{number(log_evidence[strip], '.6f')}. The best normal has mean {mean:.3f} and standard "
    f"deviation {scale:.3f}.",
    name="lines",
)
whole, lost = checked[[0, 1, 2, 5]], checked[4]
book.say(
    "Every line gives $\\log p(x)$, with differences of at most "
    f"{number(max(np.abs(whole - by_quadrature).max(), 1e-16), '.0e')} nats from SciPy's adaptive "
    "quadrature of $p(x, z)$ (@table:lines). "
    f"With $q$ = prior the bound is {lost[0]:.2f} nats too low, with the best normal density "
    f"{lost[1]:.4f}; with the posterior it is $\\log p(x)$ itself."
)

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.9))
    for axis, r, m, s in ((axes[0], strip, mean, scale), (axes[1], blank, blank_mean, blank_scale)):
        axis.plot(grid, np.exp(log_prior), ":", color=plots.MUTED, label="prior")
        axis.plot(grid, np.exp(log_posterior[r]), label="posterior")
        axis.plot(grid, np.exp(log_normal(grid, m, s)), "--", label="best normal q")
        axis.set(title=f"x = {strip_name(r)[1:-1]}", xlabel="latent z", xlim=(-3.6, 3.6))
    axes[0].set(ylabel="density")
    axes[1].legend(loc="upper left", fontsize=8)
book.figure(
    figure,
    "bound",
    "Prior, posterior and the normal density with the highest ELBO, for a strip with ink at its "
    "right end (left) and for the blank one (right).",
    alt="A posterior with one peak under a matching normal; one with two peaks, one of them "
    "covered by the normal.",
)

# %% tags=["hide"]
blank_gap = kl(log_normal(grid, blank_mean, blank_scale), log_posterior[blank])
book.say(
    "The right panel of @fig:bound shows a limit. A blank strip says that the pen is off to one "
    "side, and not to which: the posterior has two peaks. A normal $q$ has one. The best it can do "
    f"is to cover one side; the bound is then too low by **{blank_gap:.3f}** nats. To be sure of "
    f"one side where the posterior has two equal ones costs $\\log 2 = {math.log(2):.3f}$; the "
    "rest is the shape of the peak. $\\mathrm{KL}(q \\,\\|\\, p)$ forgives a $q$ that misses a "
    "peak, and not one that puts weight between two."
)

# %% [markdown]
# **What raising the bound does.** With the decoder fixed, the left side of $\log p(x) =
# \mathrm{ELBO} + \mathrm{KL}$ is a constant. So raising the ELBO by changing $q$ lowers the
# divergence from the posterior, by the same amount, although nobody can compute that divergence.
# This is how the notes put it, and it is right for the encoder. The decoder is trained by the same
# number, and now the left side moves as well: a step that raises the ELBO either raises $\log
# p(x)$, or brings the posterior nearer to $q$, or both. A VAE therefore prefers decoders whose
# posteriors look like $q$.

# %% tags=["hide"]
posterior_mean = integral(np.exp(log_posterior[strip]) * grid)
posterior_scale = math.sqrt(integral(np.exp(log_posterior[strip]) * (grid - posterior_mean) ** 2))
averaged = np.exp(logsumexp(log_posterior + log_evidence[:, None], axis=0))
prior_gap = np.abs(averaged - np.exp(log_prior)).max()
book.box(
    "notes",
    "What the notes say: z given x follows N(0, 1), and x → p → z → q → x",
    f"""
    Three distributions of $z$ must be kept apart.

    - The **prior** $p(z) = \\mathcal{{N}}(0, I)$: what is known of $z$ before there is an image.
    - The **posterior** $p(z \\mid x)$: fixed by decoder and prior, and unknown. For
      {strip_name(strip)} it has mean {posterior_mean:.2f} and standard deviation
      {posterior_scale:.2f}.
    - The encoder's **$q(z \\mid x) = \\mathcal{{N}}(\\mu(x), \\operatorname{{diag}}
      \\sigma(x)^2)$**, with a mean and scales of its own for every image.

    One of the notes gives $\\mathcal{{N}}(0, 1)$ to $z$ *given* $x$. If every image had that, $z$
    would know nothing about $x$. It is the average over all images of the model that gives the
    prior back: $\\sum_x p(x)\\, p(z \\mid x) = p(z)$. On the grid, the two sides differ by at most
    {number(max(prior_gap, 1e-17), ".0e")}.

    Another note draws the path as $x \\to p_\\theta \\to z \\to q_\\phi \\to x$. It is the other
    way round: the encoder is $q_\\phi$, the decoder $p_\\theta$, so $x \\to q_\\phi \\to z \\to
    p_\\theta \\to x$.
    """,
)

# %% [markdown]
# ## The same bound, by Jensen's inequality
#
# The second derivation takes two lines. Let $w(z) = p(x, z) / q(z)$. Its average under $q$ is
# exactly what we are after:
#
# $$
# \mathbb{E}_q[w] = \int q(z)\, \frac{p(x, z)}{q(z)}\, \mathrm{d}z = \int p(x, z)\, \mathrm{d}z =
# p(x) .
# $$
#
# The logarithm is concave: it lies below each of its tangents, $\log w \le \log t + (w - t) / t$.
# Take the tangent at $t = \mathbb{E}_q[w]$ and average over $q$; the last term vanishes:
#
# $$
# \mathbb{E}_q[\log w] \le \log \mathbb{E}_q[w] = \log p(x) .
# $$
#
# The left side is the ELBO. Both ways give the same bound. The first one says what is lost, the
# divergence from the posterior. The second one says how to lose less: the gap is there because $w$
# varies, so a quantity that varies less, such as the mean of many $w$, gives a tighter bound. For
# small variations the gap is about $\operatorname{Var}_q(w) / (2 p(x)^2)$, from the next term of
# the logarithm's Taylor series.

# %% tags=["hide"]
weight = np.exp(choices["the best normal"])
log_w = log_joint[strip] - choices["the best normal"] - log_evidence[strip]  # log of w / p(x)
average_w = integral(weight * np.exp(log_w))
jensen_gap = math.log(average_w) - integral(weight * log_w)
half_variance = integral(weight * (np.exp(log_w) - 1) ** 2) / 2
book.say(
    f"For {strip_name(strip)} and the best normal $q$, $\\mathbb{{E}}_q[w] / p(x)$ is "
    f"{average_w:.6f}; Jensen's gap is {jensen_gap:.6f} nats, the divergence of the first "
    f"derivation {lost[1]:.6f}, and half the variance of $w / p(x)$ {half_variance:.6f}."
)

# %% [markdown]
# ## The two terms
#
# Split $p(x, z) = p(x \mid z)\, p(z)$ inside the bound:
#
# $$
# \mathrm{ELBO} = \underbrace{\mathbb{E}_{q(z \mid x)}\big[\log p(x \mid
# z)\big]}_{\text{reconstruction}} \; - \; \underbrace{\mathrm{KL}\big(q(z \mid x)\,\|\,
# p(z)\big)}_{\text{fit to the prior}} .
# $$
#
# The first term asks that codes drawn for $x$ lead back to $x$. The second one asks that $q(z \mid
# x)$ stay near the prior: it is the number of nats by which we know more about $z$ once we have
# seen $x$, so on average over images it is the *most* that the code can carry (the section on holes
# splits it), and every nat of it is paid for. The two pull in opposite directions, at an exchange
# rate of one to one. Mind that this divergence is another one than before: from the prior, which is
# known, and not from the posterior.

# %% tags=["hide"]
prior_fit = kl(choices["the best normal"], log_prior)
log_term = integral(weight * log_decoder[strip])
plain_term = integral(weight * np.exp(log_decoder[strip]))
book.box(
    "notes",
    "What the notes say: the reconstruction term is E[p(x | z)], under q(z | z)",
    f"""
    It is the expectation of $\\log p(x \\mid z)$, under $q(z \\mid x)$. The logarithm is no detail.
    For {strip_name(strip)} and the best normal $q$, $\\mathbb{{E}}_q[\\log p(x \\mid z)] =
    {log_term:.3f}$, and minus the divergence of {prior_fit:.3f} that gives the bound,
    ${log_term - prior_fit:.3f} \\le \\log p(x) = {log_evidence[strip]:.3f}$. Without the logarithm,
    ${plain_term:.3f} - {prior_fit:.3f} = {plain_term - prior_fit:.3f}$, which is
    {"above" if plain_term - prior_fit > log_evidence[strip] else "not tied to"} $\\log p(x)$ and
    bounds nothing. The same note once has the arrow of the ELBO point down and that of the
    divergence from the posterior up. The ELBO goes up in training, that divergence down.
    """,
)

# %% [markdown]
# ### Reconstruction is cross-entropy
#
# For binary pixels, with $\hat{x} = \pi(z)$ from the decoder,
#
# $$
# \log p(x \mid z) = \sum_{i=1}^{D} \big[ x_i \log \hat{x}_i + (1 - x_i) \log (1 - \hat{x}_i)
# \big] ,
# $$
#
# which is minus the binary cross-entropy, *summed* over the pixels. (The notes write $\hat{x} =
# \mathrm{Decode}(\mathrm{Encode}(x))$; the code in between is drawn from $q$.) Libraries like to
# take the mean over the pixels instead. That divides this term by $D$ and leaves the divergence as
# it is: the sum is then no bound; $D$ times as much is a looser one (exercise 5.3).
#
# ### Grey pixels have no such likelihood
#
# The formula also accepts $x_i = 0.4$, and many programs feed it grey images. Is it still a
# log-likelihood? A density of one pixel on $[0, 1]$ must integrate to one. With $\ell = \log
# \frac{\lambda}{1 - \lambda}$,
#
# $$
# \int_0^1 \lambda^x (1 - \lambda)^{1 - x}\, \mathrm{d}x = (1 - \lambda) \int_0^1 e^{\ell x}\,
# \mathrm{d}x = (1 - \lambda)\, \frac{e^\ell - 1}{\ell} = \frac{2 \lambda - 1}{\ell} ,
# $$
#
# which is at most $\frac{1}{2}$ (its limit at $\lambda = \frac{1}{2}$). Divided by it, the formula
# is a true density, the *continuous Bernoulli* of Loaiza-Ganem and Cunningham. So minus the
# cross-entropy lacks $\log C(\lambda)$, $C = \ell / (2
# \lambda - 1)$, for every pixel. It depends on $\lambda$, that is on the model: leaving it out
# changes not only the scale but which model is best.

# %%
lambdas = np.linspace(0.001, 0.999, 998)  # 0.5 is not among them
log_constants = np.log(np.log(lambdas / (1 - lambdas)) / (2 * lambdas - 1))
oracle = tfd.ContinuousBernoulli(probs=lambdas).log_prob(np.zeros(998)).numpy()
worst_constant = np.abs(oracle - np.log(1 - lambdas) - log_constants).max()

tonal = book.setting(default=digits, full=mnist)()
tones = tonal.test.x / (tonal.num_levels - 1)  # grey, in [0, 1]
perfect = np.clip(tones, 0.01, 0.99)  # a decoder that says each tone again
missing = np.interp(perfect, lambdas, log_constants).sum(axis=1)  # nats per image

# %% tags=["hide"]
book.say(
    "The constant agrees with that of TensorFlow Probability's `ContinuousBernoulli` to "
    f"{number(worst_constant, '.0e')}. A pixel lacks {math.log(2):.2f} nats with $\\lambda = 0.5$ "
    f"and {log_constants[-10]:.2f} with {lambdas[-10]:.2f}. For the test images, in a "
    "reconstruction that says every tone again (kept within 0.01 and 0.99), the missing constants "
    f"sum to {missing.mean():.0f} ± {np.std(missing):.0f} nats per image (mean and spread over "
    "images)."
)

# %% [markdown]
# What is a likelihood: *binary* images. Read a tone $x_i$ as the probability of ink, and draw $b_i
# \sim \mathrm{Bernoulli}(x_i)$. The cross-entropy is linear in its first argument, so its value at
# the grey image is the average of $-\log p(b \mid z)$ over such draws. In this reading grey pixels
# are a training trick for binary images, and test images must be binary. We use binary images from
# here on, and return to grey ones with likelihoods made for them.
#
# ### The divergence between normals has a formula
#
# Let $q = \mathcal{N}(\mu, \sigma^2)$ in one dimension and $p = \mathcal{N}(0, 1)$. Write $z = \mu
# + \sigma \epsilon$ with $\epsilon \sim \mathcal{N}(0, 1)$. Then
#
# $$
# \begin{aligned}
# \log q(z) - \log p(z) &= -\tfrac{1}{2} \epsilon^2 - \log \sigma + \tfrac{1}{2} (\mu + \sigma
# \epsilon)^2 , \\
# \mathrm{KL}(q\,\|\,p) = \mathbb{E}_\epsilon[\,\cdot\,] &= -\tfrac{1}{2} - \log \sigma +
# \tfrac{1}{2} (\mu^2 + \sigma^2) = \tfrac{1}{2} \big( \sigma^2 + \mu^2 - \log \sigma^2 - 1 \big) ,
# \end{aligned}
# $$
#
# because $\mathbb{E}[\epsilon] = 0$ and $\mathbb{E}[\epsilon^2] = 1$. If the latents are
# independent under both, log-densities add, and so do divergences: sum over the latents.


# %%
def normal_kl(mean, scale):
    """KL of N(mean, scale^2) from N(0, 1)."""
    return 0.5 * (scale**2 + mean**2 - 2 * np.log(scale) - 1)


q, p = tfd.Normal(float(mean), float(scale)), tfd.Normal(0.0, 1.0)
by_draws = divergences.monte_carlo_kl(q, p, num_samples=100_000, seed=0)

# %% tags=["hide"]
swapped = 0.5 * (scale + mean**2 - math.log(scale) - 1)
spread = np.random.default_rng(0).normal(size=(100_000, 2)) * (1, 3)
along = [np.var(spread @ (math.cos(a), math.sin(a))) for a in np.deg2rad((0, 45, 90))]
book.say(
    f"For the best normal of {strip_name(strip)}: {normal_kl(mean, scale):.6f} by the formula, "
    f"{prior_fit:.6f} on the grid, {float(divergences.kl(q, p)):.6f} from the library, and "
    f"{float(by_draws[0]):.4f} ± {float(by_draws[1]):.4f} as a mean over draws."
)
book.box(
    "notes",
    "What the notes say: N(mu, sigma), variance inference, isotropic",
    f"""
    - The second parameter of a normal distribution is the *variance*: $\\mathcal{{N}}(\\mu,
      \\sigma^2)$. A program that confuses the two still runs. With $\\sigma = {scale:.3f}$ put
      where $\\sigma^2 = {scale**2:.3f}$ belongs, the formula gives {swapped:.3f} in place of
      {prior_fit:.3f} nats.
    - VI stands for *variational* inference: a quantity is optimised over a family of functions,
      here over the densities $q$.
    - One note calls a Gaussian isotropic if its dimensions are independent. They must also have
      *equal variance*. Of {len(spread):,} draws from $\\mathcal{{N}}(0, \\operatorname{{diag}}(1,
      9))$ the two coordinates have a correlation of {number(np.corrcoef(spread.T)[0, 1], ".3f")},
      and the variance along directions at 0, 45 and 90 degrees is {along[0]:.2f}, {along[1]:.2f}
      and {along[2]:.2f}. An isotropic Gaussian looks the same in all directions. The prior
      $\\mathcal{{N}}(0, I)$ does; $q(z \\mid x)$ with its own scale per latent does not.
    """,
)

# %% [markdown]
# ## The gradient of an average
#
# Training follows the gradient of the ELBO. For the decoder it is easy: $\theta$ stands inside the
# average, and the gradient of an average is the average of gradients. The encoder's $\phi$ stands
# in the density over which the average is taken. With $f(z)$ for what is averaged, how does
#
# $$
# \mathbb{E}_{q_\phi}[f(z)] = \int q_\phi(z)\, f(z)\, \mathrm{d}z
# $$
#
# change with $\phi$? There are two answers.
#
# **The score function** (REINFORCE, Williams). Differentiate the density, and write the result as
# an average again, with $\nabla q = q\, \nabla \log q$:
#
# $$
# \nabla_\phi \int q_\phi f = \int \nabla_\phi q_\phi\, f = \mathbb{E}_{q_\phi}\big[ f(z)\,
# \nabla_\phi \log q_\phi(z) \big] .
# $$
#
# Draw $z$, and make draws with a high $f$ more probable. This needs nothing of $f$ but its values;
# $f$ need not even be continuous. (In the ELBO, $f$ contains $\log q_\phi$ as well. That adds
# $\mathbb{E}[\nabla_\phi \log q_\phi] = \int \nabla_\phi q_\phi = \nabla_\phi 1 = 0$.) For the same
# reason any number $b$ that does not depend on $z$, a *baseline*, may be subtracted from $f$
# without changing the average.
#
# **The path** (reparameterization). Let the randomness come from outside. If $z = \mu + \sigma
# \odot \epsilon$ with $\epsilon \sim \mathcal{N}(0, I)$, then $z \sim \mathcal{N}(\mu,
# \operatorname{diag} \sigma^2)$, and
#
# $$
# \nabla_{\mu} \mathbb{E}_\epsilon[f(\mu + \sigma \odot \epsilon)] = \mathbb{E}_\epsilon[\nabla_z
# f(z)], \qquad \nabla_{\sigma} \mathbb{E}_\epsilon[f(\mu + \sigma \odot \epsilon)] =
# \mathbb{E}_\epsilon[\epsilon \odot \nabla_z f(z)] .
# $$
#
# The density of $\epsilon$ has no parameters, so gradient and average can be exchanged, and
# backpropagation runs from $f$ through $z$ into $\mu$, $\sigma$ and the encoder. This uses the
# slope of $f$, not only its height: one draw says in which direction $f$ rises.

# %%
mu, sigma = tf.Variable(0.8), tf.Variable(0.3)
epsilon = tf.random.stateless_normal((100_000,), seed=(0, 1))
drawn = tf.constant(np.random.default_rng(0).normal(0.8, 0.3, 100_000), tf.float32)
with tf.GradientTape(persistent=True) as tape:
    along_path = tf.reduce_mean((mu + sigma * epsilon) ** 2)  # f(z) = z^2
    added = tf.reduce_mean((drawn + epsilon) ** 2)
path_slopes = tape.gradient(along_path, [mu, sigma])
added_slopes = tape.gradient(added, [mu, sigma])

# %% tags=["hide"]
book.box(
    "notes",
    "What the notes say: one adds epsilon to N(mu, sigma)",
    f"""
    To a *draw* of $\\mathcal{{N}}(\\mu, \\sigma^2)$ one adds nothing: $\\epsilon$ is what makes the
    draw, $z = \\mu + \\sigma \\epsilon$. With $\\mu = 0.8$ and $\\sigma = 0.3$, over
    {len(epsilon):,} draws: $\\mu + \\sigma \\epsilon$ has variance
    {np.var(0.8 + 0.3 * epsilon.numpy()):.3f}
    ($\\sigma^2 = 0.09$), and a draw plus $\\epsilon$ has
    {np.var(drawn.numpy() + epsilon.numpy()):.3f} ($\\sigma^2 + 1$). And the gradient that was to be
    rescued is still missing. For $f(z) = z^2$, where $\\mathbb{{E}}[f] = \\mu^2 + \\sigma^2$ has
    the slopes 1.6 and 0.6, TensorFlow gives {path_slopes[0].numpy():.3f} and
    {path_slopes[1].numpy():.3f} along the path, and `{added_slopes[0]}` and `{added_slopes[1]}` for
    the sum: a number that was drawn before has forgotten what it was drawn from.
    """,
)

# %% [markdown]
# Both estimates are right on average. They differ in how much they scatter, and here everything can
# be computed. Take $L$ latents and $f(z) = -\frac{1}{2} \sum_j (z_j - a_j)^2$, the log-likelihood
# of a linear model, with $\mu_j - a_j = 1$ for all $j$. The slope with respect to $\mu_1$ is $-1$.
# From one draw:
#
# $$
# \text{path: } -(1 + \sigma \epsilon_1), \qquad \text{score: } f(z)\, \epsilon_1 / \sigma, \qquad
# \text{score with baseline: } (f(z) - \mathbb{E}[f])\, \epsilon_1 / \sigma .
# $$
#
# The variance of the first is $\sigma^2$, whatever $L$ is. In the second all latents speak through
# the single number $f$, and all but one of them are noise to $\mu_1$. Exercise 5.1 finds its
# variance: it grows as $L^2$, with a baseline as $L$, and it explodes as $\sigma \to 0$ unless
# there is a baseline.


# %%
def single_draws(num_latents, scale, rng, count=20_000):
    """Estimates of the slope, each from one draw."""
    epsilon = rng.standard_normal((count, num_latents))
    away = 1 + scale * epsilon  # z - a
    f = -0.5 * (away**2).sum(axis=1)
    score = epsilon[:, 0] / scale
    return {"score": f * score, "score, baseline": (f - f.mean()) * score, "path": -away[:, 0]}


def exact_variances(num_latents, scale):
    with_baseline = num_latents + 1 + (num_latents + 4) * scale**2 / 2
    mean_f = -num_latents * (1 + scale**2) / 2
    without = with_baseline + (mean_f / scale) ** 2 - 2 * mean_f
    return {"score": without, "score, baseline": with_baseline, "path": scale**2}


sweeps = {
    "number of latents L": [(int(n), 0.5) for n in 2 ** np.arange(7)],
    "standard deviation σ": [(8, s) for s in 2.0 ** np.arange(-5, 2)],
}

# %% tags=["fold"]
rng = np.random.default_rng(0)
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.1), sharey=True)
    for axis, (name, points) in zip(axes, sweeps.items(), strict=True):
        horizontal = [point[0] if axis is axes[0] else point[1] for point in points]
        samples = [single_draws(*point, rng) for point in points]
        for kind, marker, color in zip(samples[0], "os^", plots.PALETTE, strict=False):
            axis.plot(horizontal, [exact_variances(*point)[kind] for point in points], color=color)
            found = [one[kind].var() for one in samples]
            axis.plot(horizontal, found, marker, color=color, label=kind)
        axis.set(xlabel=name, xscale="log", yscale="log")
        axis.set_xticks(horizontal, [f"{value:.2g}" for value in horizontal], fontsize=8)
        axis.minorticks_off()
    axes[0].set(ylabel="variance of one estimate", title="σ = 0.5")
    axes[1].set(title="L = 8")
    axes[0].legend(fontsize=8)
book.figure(
    figure,
    "variance",
    "Variance of three estimates of the same slope, each from one draw: points measured over "
    "20,000 draws, lines computed.",
    alt="Three curves in each panel on logarithmic axes; the path is lowest and does not rise with "
    "the number of latents, the score function without baseline is highest.",
)

# %% tags=["hide"]
at = exact_variances(32, 0.5)
book.say(
    "To halve the error of a mean one needs four times the draws, so a ratio of variances is a "
    f"ratio of costs. With 32 latents and $\\sigma = 0.5$, one draw along the path is worth "
    f"{at['score, baseline'] / at['path']:.0f} draws of the score function with a baseline, and "
    f"{at['score'] / at['path']:,.0f} without (@fig:variance). That is for this smooth $f$: if $f$ "
    "is almost flat but wrinkled, its slopes can scatter more than its heights. And the score "
    "function remains for latents that have no path, such as whole numbers."
)

# %% [markdown]
# ## Training
#
# Now real images. Below is all that makes a VAE of two networks: the encoder's features become a
# mean and a scale per latent, the decoder's outputs become logits of the pixels, and one draw per
# image gives the two terms. TFP draws a `Normal` along the path.

# %% tags=["hide"]
book.source(VAE.encode)
book.source(VAE.decode)
book.source(LatentVariableModel._terms)
book.source(VAE._kl)
book.source(LatentVariableModel.compute_loss)

# %% [markdown]
# The divergence comes from the formula and only the reconstruction is drawn. In `evaluate` the loss
# is minus the ELBO; in training the divergence may have a weight, of which more below. All VAEs
# of binary images in this chapter have hidden layers of the same size and the same schedule, and
# keep the weights that did best on validation images; NADE has a schedule of its own. (With
# `num_labels=10` both networks read a label as well, and everything bounds $\log p(x \mid y)$.)


# %% tags=["fold"]
def drawn_mnist():
    """MNIST with every pixel drawn once from its grey level.

    It has labels, which `binarized_mnist` has not; numbers of the two must not be compared.
    """
    source, splits = mnist(), {}
    for seed, name in enumerate(("train", "valid", "test")):
        split = getattr(source, name)
        splits[name] = Split(bernoulli_binarize(split.x, 256, seed=seed), split.labels)
    protocol = "MNIST, every pixel drawn once from its grey level; 50,000 / 10,000 / 10,000 images."
    return dataclasses.replace(source, protocol=protocol, num_levels=2, **splits)


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights with the best -ELBO on validation data."""

    def __init__(self, valid):
        super().__init__()
        self.valid, self.lowest = valid, math.inf

    def on_epoch_end(self, epoch, logs=None):
        if "val_loss" not in logs:
            return
        score = logs["val_loss"]
        if isinstance(self.model, IWAE):  # whose val_loss is minus the ELBO
            draws = self.model.num_importance_samples
            score = importance_nll(self.model, self.valid[:1000], draws)[0]
        if score < self.lowest:
            self.lowest, self.kept = score, self.model.get_weights()

    def on_train_end(self, logs=None):
        self.model.set_weights(self.kept)


def picture_rows(rows, labels=(), titles=(), limits=(0.0, 1.0)):
    """A figure of rows of images, with labels at their left and titles above the first row."""
    with plots.style():
        columns = len(rows[0])
        figure = plots.image_grid(np.concatenate(rows), shape, columns, limits=limits)
        for axis, label in zip(figure.axes[::columns], labels, strict=False):
            axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for axis, title in zip(figure.axes, titles, strict=False):
            axis.set_title(title, fontsize=9, loc="center", pad=3)
    return figure


# %%
def train(model, data, valid, *, epochs, batch_size, rate, every):
    """Fits a model, with a learning rate that falls along a cosine."""
    steps = math.ceil(len(tf.nest.flatten(data)[0]) / batch_size)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    model.compile(keras.optimizers.Adam(falling), steps_per_execution=steps)
    return model.fit(
        epoch_batches(data, batch_size, seed=0),
        steps_per_epoch=steps,
        epochs=epochs,
        validation_data=(valid,),
        validation_batch_size=1000,
        validation_freq=every,
        callbacks=[KeepBest(valid)],
        verbose=book.verbosity(),
    ).history


dataset = book.setting(default=binarized_digits, full=drawn_mnist)()
shape, depth = dataset.image_shape, dataset.num_features
hidden = book.setting(default=(100, 100), full=(200, 200))
latents = book.setting(default=8, full=24)
schedule = book.setting(
    default={"epochs": 60, "batch_size": 63, "rate": 1e-2, "every": 10},
    full={"epochs": 12, "batch_size": 200, "rate": 3e-3, "every": 2},
)


def networks(num_latents):
    """An encoder and a decoder."""
    encoder = dense_encoder((depth,), hidden, seed=0)
    return encoder, dense_decoder(num_latents, depth, hidden, seed=0)


train_x, valid_x = dataset.train.x, dataset.valid.x
vae = VAE(*networks(latents), latents, seed=0)
history = train(vae, train_x, valid_x, **schedule)

# %% [markdown]
# The model is judged on test images by three numbers per image: both terms, and an estimate of
# $\log p(x)$ itself that the next section explains. Two other models of the same images stand
# beside it: independent pixels, and a NADE, whose $\log p(x)$ is exact.

# %%
importance = 500  # draws for the estimate of log p(x)
picked = np.random.default_rng(0).permutation(len(dataset.test))
picked = picked[: book.setting(default=300, full=1000)]
test_x, test_labels = dataset.test.x[picked], dataset.test.labels[picked]


def judged(model, x=test_x, draws=20):
    """Per image, in nats: both terms of the ELBO, the ELBO, an estimate of log p(x)."""
    q, p = model.encode(x), model.prior.distribution()
    fits, costs = [], []
    for k in range(draws):
        z = q.sample(seed=tf.constant([7, k]))
        fits.append(model.decode(z).log_prob(x).numpy())
        costs.append((q.log_prob(z) - p.log_prob(z)).numpy())
    fit, cost = np.mean(fits, axis=0), np.mean(costs, axis=0)
    log_p = model.estimate_log_prob(x, importance, seed=0).numpy()
    return {"fit": fit, "kl": cost, "elbo": fit - cost, "log p": log_p}


nade = NADE(depth, book.setting(default=200, full=300), activation="relu", seed=0)
nade_schedule = schedule | book.setting(
    default={"epochs": 30, "rate": 6e-3}, full={"epochs": 6, "rate": 2e-3}
)
train(nade, train_x, valid_x, **nade_schedule)
nade_log_p = log_probs(nade, test_x)
frequency = (train_x.sum(axis=0) + 1) / (len(train_x) + 2)
independent = test_x @ np.log(frequency) + (1 - test_x) @ np.log(1 - frequency)
result = judged(vae)

# %% tags=["hide"]
gap_to_bound = result["log p"] - result["elbo"]
book.table(
    [
        ["independent pixels", f"{depth}", mean_error(-independent), ""],
        [
            f"VAE, {latents} latents",
            f"{vae.count_params():,}",
            f"≈ {mean_error(-result['log p'])}",
            f"{mean_error(-result['elbo'])}",
        ],
        ["NADE", f"{nade.count_params():,}", mean_error(-nade_log_p), ""],
    ],
    ["model", "parameters", r"$-\log p(x)$ (nats)", "−ELBO (nats)"],
    f"{len(test_x):,} test images, mean ± one standard error. The VAE is trained for "
    f"{schedule['epochs']} epochs, and its $\\log p(x)$ is estimated with {importance:,} draws per "
    f"image. {dataset.protocol}",
    name="models",
)
book.say(
    f"At the end a test image costs {mean_error(result['kl'])} nats in the code and "
    f"{mean_error(-result['fit'])} in the pixels given the code. The bound is "
    f"{mean_error(gap_to_bound)} nats below the estimate of $\\log p(x)$, which is itself too low: "
    "a $q$ that is not the posterior costs at least that much. Image by image NADE is, in nats, "
    f"{verdict(nade_log_p - result['log p'], 'the VAE')}, see @table:models. What the VAE has to "
    "offer beside a likelihood is a code, and all pixels at once. (What the same kind of network "
    "reaches with hundreds of epochs is in @table:published.)"
)

# %% [markdown]
# ## How far below? Importance weighting
#
# Jensen's gap closes when what stands inside the logarithm varies less. Draw $K$ codes and average
# their weights $w_k = p(x, z_k) / q(z_k \mid x)$ *before* taking the logarithm:
#
# $$
# \mathcal{L}_K = \mathbb{E}_{z_1, \dots, z_K \sim q} \Big[ \log \frac{1}{K} \sum_{k=1}^{K}
# \frac{p(x, z_k)}{q(z_k \mid x)} \Big] , \qquad \mathrm{ELBO} = \mathcal{L}_1 \le \mathcal{L}_2 \le
# \dots \le \log p(x) .
# $$
#
# - *A bound*: the mean of the weights averages to $p(x)$, and Jensen's inequality does the rest.
# - *Rising*: the mean of $K + 1$ weights equals the average of the $K + 1$ means that leave one
#   weight out. The logarithm of an average is at least the average of the logarithms, and each
#   of these has the expectation $\mathcal{L}_K$.
# - *To the truth*: the mean of many weights tends to $p(x)$, and the expectation of its logarithm
#   to $\log p(x)$ if the ELBO is finite: the logarithm of a mean of weights is at least the mean of
#   their logarithms, so rare low values cannot spoil it. If their variance is finite, the gap
#   shrinks about as $\operatorname{Var}(w) / (2 K p(x)^2)$.
#
# Often it is not finite. Let $q$ be normal with variance $\sigma_j^2$, and let the logits of the
# decoder be bounded, as behind a last tanh layer: then $p(x \mid z) \ge c > 0$ everywhere, and
# $\mathbb{E}_q[w^2] \ge c^2 \int \mathcal{N}(z; 0, I)^2 / q(z \mid x)\, \mathrm{d}z$, which is
# infinite as soon as one $\sigma_j^2 < \frac{1}{2}$. The gap then closes more slowly.
#
# The chain of bounds holds for any $q$, the prior too: then $w = p(x \mid z)$, the naive average of
# the first section. Everything depends on the variance of the weights. To see it against the truth
# we train a second VAE with two latents only: there $p(x)$ can still be computed, by a sum over a
# fine square grid.


# %%
def sum_over_grid(model, x, points, reach=5.0):
    """log p(x) of a model with two latents and prior N(0, I), by a sum over a grid of z."""
    axis = np.linspace(-reach, reach, points)
    total = np.full(len(x), -np.inf)
    for first in axis:
        z = np.stack([np.full(points, first), axis], axis=1).astype("float32")
        logits = model.decoder(z).numpy().astype("float64")
        log_p = x @ logits.T - np.logaddexp(0, logits).sum(axis=1)  # (images, points)
        log_p += log_normal(z, 0.0, 1.0).sum(axis=1)
        total = np.logaddexp(total, logsumexp(log_p, axis=1))
    return total + 2 * math.log(axis[1] - axis[0])


def log_weights(model, x, q, count, block=64):
    """log [p(x, z) / q(z)] of draws from q: (count, images)."""
    parts = []
    for start in range(0, count, block):
        z = q.sample(block, seed=tf.constant([start, 5]))
        flat = tf.reshape(z, (-1, z.shape[-1]))
        log_p = model.decode(flat).log_prob(np.tile(x, (block, 1)))
        log_p = tf.reshape(log_p, (block, -1)) + model.prior.distribution().log_prob(z)
        parts.append((log_p - q.log_prob(z)).numpy())
    return np.concatenate(parts)


def bound_of(log_w, k):
    """The K-draw bound of every image, a mean over groups of K draws."""
    groups = log_w.reshape(-1, k, log_w.shape[1])
    return (logsumexp(groups, axis=1) - math.log(k)).mean(axis=0)


plane = VAE(*networks(2), 2, seed=0)
train(plane, train_x, valid_x, **schedule)
grid_x, points = test_x[:200], book.setting(default=321, full=601)
exact = sum_over_grid(plane, grid_x, points)
coarser = sum_over_grid(plane, grid_x, points // 2 + 1)

ks = 2 ** np.arange(12)
weights, rising = {}, {}  # of (number of latents, where draws come from)
for model, count in ((plane, 2), (vae, latents)):
    prior_of_each = tfd.Independent(tfd.Normal(tf.zeros((len(grid_x), count)), 1.0), 1)
    for source, q in (("q", model.encode(grid_x)), ("prior", prior_of_each)):
        weights[count, source] = log_weights(model, grid_x, q, ks[-1])
        bounds = [bound_of(weights[count, source], k).mean() for k in ks]
        rising[count, source] = np.array(bounds)
gaps = {k: exact - bound_of(weights[2, "q"], k) for k in ks}  # per image

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.3))
    for axis, count in zip(axes, (2, latents), strict=True):
        axis.plot(ks, rising[count, "q"], "o-", label="draws from q(z | x)")
        axis.plot(ks, rising[count, "prior"], "s--", label="draws from the prior")
        highest = max(rising[count, "q"].max(), rising[count, "prior"].max())
        axis.set(xlabel="number of draws K", xscale="log", title=f"{count} latents")
        lowest = min(highest - book.setting(default=5, full=25), rising[count, "prior"][-3] - 1)
        axis.set_ylim(lowest, highest + 0.03 * (highest - lowest))
        axis.set_xticks(ks[::3], [f"{k:,}" for k in ks[::3]])
        axis.minorticks_off()
    axes[0].axhline(exact.mean(), color=plots.INK, linewidth=1)
    axes[0].annotate("log p(x)", (1, exact.mean()), xytext=(0, -10), textcoords="offset points",
                     fontsize=8)  # fmt: skip
    axes[0].set(ylabel="bound (nats)")
    axes[0].legend(fontsize=8, loc="lower right")
book.figure(
    figure,
    "importance",
    f"The $K$-draw bound of two VAEs, mean over {len(grid_x)} test images. Left, with two latents, "
    "the line is the exact $\\log p(x)$. The prior's first values are below the frames.",
    alt="Two panels of rising curves. Those for draws from the encoder begin near the top; those "
    "for draws from the prior come from far below.",
)

# %% tags=["hide"]
by_prior = exact.mean() - rising[2, "prior"]
behind = np.flatnonzero(rising[2, "prior"] <= rising[2, "q"])
overtakes = range(behind[-1] + 1 if len(behind) else 0, len(ks))  # where it stays ahead
by_draws = bound_of(weights[2, "prior"], ks[-1]) - bound_of(weights[2, "q"], ks[-1])
matching = np.flatnonzero(rising[latents, "prior"] >= rising[latents, "q"][0])
book.say(
    f"With two latents: a grid with half as many points per side changes $\\log p(x)$ by at most "
    f"{number(np.abs(exact - coarser).max(), '.0e')} nats, so we take it as exact. With draws from "
    f"$q$ the bound is {mean_error(gaps[1])} nats too low with one draw (the ELBO), "
    f"{mean_error(gaps[32], '.3f')} with 32 and {mean_error(gaps[2048], '.3f')} with 2,048 "
    f"(@fig:importance; ± over images). With draws from the prior it is {by_prior[0]:.0f} nats too "
    "low with one draw"
    + (
        f". But from {ks[overtakes[0]]:,} draws on the prior is *better*, with {ks[-1]:,} by "
        f"{mean_error(by_draws, '.3f')} nats per image: it covers every place "
        "that the posterior may have, and in a plane so many draws fill the space; weights from "
        "the thin tails of a $q$ that is too narrow are rare and huge (exercise 5.2). "
        if len(overtakes)
        else f" and {number(by_prior[-1])} with {ks[-1]:,}. "
    )
    + f"With {latents} latents "
    + (
        f"it takes {ks[matching[0]]:,} draws from the prior to match the ELBO"
        if len(matching)
        else f"even {ks[-1]:,} draws from the prior do not match the ELBO"
    )
    + ", which takes one from $q$. The encoder is not needed to define the model. It is needed to "
    "find, for a given image, the codes that matter."
)
plane_estimate = plane.estimate_log_prob(grid_x, importance, seed=0).numpy()
above = (weights[2, "q"] > exact + 1).mean()
book.box(
    "notes",
    "What the notes say: VAE is an implicit model, its likelihood is hard to compute",
    f"""
    Hard, but defined: $p(x) = \\int p(x \\mid z)\\, p(z)\\, \\mathrm{{d}}z$, with both factors
    explicit. For the five-pixel model we summed it over all 32 images and found 1. In an implicit
    model, such as a GAN, $z$ fixes the image, so $p(x \\mid z)$ is a point and no density. What can
    be had of a VAE:

    - $p(x \\mid z)$, $p(z)$ and $p(x, z)$ exactly; samples exactly.
    - A lower bound on $\\log p(x)$, the ELBO.
    - An estimate of $\\log p(x)$ that tends to it: $\\mathcal{{L}}_K$ with many draws. Here with
      {importance:,}: {number(plane_estimate.mean(), ".3f")} on average, against
      {number(exact.mean(), ".3f")} exactly; the mean absolute error per image is
      {np.abs(plane_estimate - exact).mean():.3f} nats.
    - $p(x)$ to any accuracy, by a grid, if there are few latents.

    The estimate errs towards the safe side: it is a lower bound on average, and it can hardly be
    far too high. The mean weight $\\hat p$ is never negative and averages to $p(x)$, so by Markov's
    inequality $\\hat p > e^t p(x)$ has a probability of at most $e^{{-t}}$. Of the single draws
    above, {above:.2%} exceed $\\log p(x) + 1$; the inequality allows {math.exp(-1):.0%}.
    """,
)

# %% [markdown]
# ### Training on the tighter bound, and a second layer
#
# $\mathcal{L}_K$ can be trained on as well; that is the importance weighted autoencoder, IWAE. In
# the ELBO a draw of $z$ that explains $x$ badly is punished in full, so $q$ keeps to the safe
# middle, and the decoder is pressed to have posteriors that such a $q$ can match. In
# $\mathcal{L}_K$ one good draw among $K$ is enough.
#
# A richer *prior* comes from a **second stochastic layer**: the codes
# get a prior that is itself a latent variable model, $p(x, h_1, h_2) = p(x \mid h_1)\, p(h_1 \mid
# h_2)\, p(h_2)$, and $q(h_1, h_2 \mid x) = q(h_1 \mid x)\, q(h_2 \mid h_1)$. The bound is the same
# with $z = (h_1, h_2)$; the divergence has no formula and is taken from the draw. In the library it
# is `HierarchicalVAE`; @table:published has its result on MNIST.

# %%
draws_of = book.setting(default=20, full=5)
iwae = IWAE(*networks(latents), latents, draws_of, seed=0)
train(iwae, train_x, valid_x, **schedule)
iwae_result = judged(iwae)

# %% tags=["hide"]
family = {"VAE": (vae, result), f"IWAE, K = {draws_of}": (iwae, iwae_result)}
book.table(
    [
        [
            *(name, mean_error(-outcome["elbo"]), mean_error(-outcome["log p"])),
            mean_error(outcome["log p"] - outcome["elbo"]),
            f"{active_units(model, test_x).sum()} of {latents}",
        ]
        for name, (model, outcome) in family.items()
    ],
    ["model", "−ELBO", r"$-\log p(x)$", "gap to the estimate", "active latents"],
    f"Nats, {len(test_x):,} test images. $\\log p(x)$ is estimated with {importance:,} draws. A "
    "latent is active if the mean of $q$ varies over the images by more than 0.01 (variance).",
    name="family",
)
by_log_p, by_elbo = (iwae_result[score] - result[score] for score in ("log p", "elbo"))
book.say(
    f"By the estimate of $\\log p(x)$, image by image and in nats, the IWAE is "
    f"{verdict(by_log_p, 'the VAE')}; by its ELBO it is {verdict(by_elbo, 'the VAE')}, see "
    "@table:family. How much is due to its bound and how much to its draws, "
    f"of which it takes {draws_of} for each image and step where the VAE takes one, is not "
    "separated here. "
    + (
        "It was not trained on the ELBO and has the better one all the same. In general its "
        if by_elbo.mean() > 2 * error(by_elbo)
        else "It was not asked for a good ELBO, and its "
    )
    + "posteriors need not look like its $q$: do not compare models by a bound that only one of "
    "them was trained on. The standard "
    "errors are those of the test images; another seed of the training is not in them."
)

# %% [markdown]
# ## The space of codes
#
# With two latents the whole code can be drawn. Every image has a place in the plane, the mean of
# its $q(z \mid x)$, and every place has an image, the mean of $p(x \mid z)$ (@fig:plane). The
# labels were not used in training.

# %% tags=["fold"]
side = 11
ticks = tfd.Normal(0.0, 1.0).quantile(np.arange(0.5, side) / side).numpy()
corners = np.stack(np.meshgrid(ticks, ticks[::-1]), axis=-1).reshape(-1, 2)
tiles = plane.decode(corners).mean().numpy().reshape(side, side, *shape)
tiles = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)))  # a blank margin
high, wide = tiles.shape[2:]
mosaic = tiles.transpose(0, 2, 1, 3).reshape(side * high, side * wide)
plane_codes = plane.posterior_mean(test_x).numpy()
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.7))
    for (x, y), digit in zip(plane_codes[:400], test_labels, strict=False):
        axes[0].text(x, y, str(digit), fontsize=6.5, ha="center", va="center",
                     color=plots.PALETTE[digit % 6], fontweight="bold")  # fmt: skip
    reach = np.abs(plane_codes).max() + 0.3
    axes[0].set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes[0].set(xlabel="$z_1$", ylabel="$z_2$", title="codes of test images")
    axes[1].imshow(mosaic, vmin=0, vmax=1)
    axes[1].set(xlabel="$z_1$", ylabel="$z_2$", title="decoded places")
    for axis, size, order in ((axes[1].xaxis, wide, 1), (axes[1].yaxis, high, -1)):
        three = [0, side // 2, side - 1]
        labels = [f"{ticks[::order][k]:.1f}".replace("-", "−") for k in three]
        axis.set_ticks([(k + 0.5) * size - 0.5 for k in three], labels)
    axes[1].grid(False)
book.figure(
    figure,
    "plane",
    "A VAE with two latents. Left: test images at the means of their codes, each drawn as its "
    "label (colours only help to tell them apart). Right: the mean of $p(x \\mid z)$ at places "
    "that cut the prior into equal shares; the axes are not evenly spaced.",
    alt="Numerals in a plane, equal ones near each other; a mosaic of small digits that change "
    "smoothly from tile to tile.",
)

# %% [markdown]
# Neighbouring places give similar images. Nothing in the loss asks for that by name. Networks are
# continuous, as in chapter 4; the noise adds to it: every draw from $q(z \mid x)$, not only its
# mean, must lead back to $x$, so nearby codes must mean nearly the same. How much it adds is not
# measured here.
#
# **Arithmetic.** If the digit is a direction in the space of codes, then adding the difference of
# two label means, $\bar z_b - \bar z_a$, to the code of an $a$ should make it a $b$. A test: for
# all ordered pairs of labels, a classifier of images looks at the result.

# %%
some_x, some_labels = train_x[:10_000], dataset.train.labels[:10_000]
classifier = LogisticRegression(C=0.1, max_iter=300).fit(some_x, some_labels)
some_codes, test_codes = (vae.posterior_mean(x).numpy() for x in (some_x, test_x))
code_means = np.array([some_codes[some_labels == digit].mean(axis=0) for digit in range(10)])
hits = []
for a, b in itertools.permutations(range(10), 2):
    moved = test_codes[test_labels == a] + code_means[b] - code_means[a]
    hits.append(classifier.predict(vae.decode(moved).mean().numpy()) == b)

# %% tags=["fold"]
examples = [np.flatnonzero(test_labels == a)[0] for a in (0, 3, 9)]
rows_of_images = []
for k in examples:
    moved = vae.decode(test_codes[k] + code_means - code_means[test_labels[k]]).mean().numpy()
    rows_of_images.append(np.concatenate([test_x[[k]], moved]))
book.figure(
    picture_rows(rows_of_images, titles=("image", *"0123456789")),
    "arithmetic",
    "Code of the image at the left, minus the mean code of its label, plus that of the label above "
    "the column; the mean of $p(x \\mid z)$ is shown.",
    alt="Three rows of digits from 0 to 9, more or less in the style of the image at the left.",
)

# %% tags=["hide"]
book.say(
    f"The classifier, which names {classifier.score(test_x, test_labels):.1%} of the test images "
    f"correctly, finds the wanted digit in {np.concatenate(hits).mean():.0%} of the sums. The "
    "images of @fig:arithmetic were not picked by eye: each is the first test image of its label."
)

# %% [markdown]
# ## Why the samples blur
#
# VAEs are said to make blurred images. Strictly, they do not: a sample of the model is a draw from
# $p(x \mid z)$, and a draw of independent pixels is speckled (@fig:samples). What is
# usually shown is the *mean* of $p(x \mid z)$, and that is an average by construction. We can
# say exactly of what. For a fixed encoder and $N$ training images, the decoder is asked to maximise
#
# $$
# \sum_n \mathbb{E}_{q(z \mid x_n)}[\log p(x_n \mid z)] = \int \sum_n q(z \mid x_n)\, \log p(x_n
# \mid z)\, \mathrm{d}z .
# $$
#
# At each $z$ this is a weighted cross-entropy. If the decoder can be any function, set its
# derivative with respect to $\pi_i(z)$ to zero, $\sum_n q(z \mid x_n)\, \big[ x_{ni} / \pi_i - (1 -
# x_{ni}) / (1 - \pi_i) \big] = 0$, to find
#
# $$
# \pi_i^*(z) = \frac{\sum_n q(z \mid x_n)\, x_{ni}}{\sum_n q(z \mid x_n)} .
# $$
#
# **The best decoder returns a mean of the training images, each weighted by how likely it was to be
# sent to $z$.** Codes overlap, since every nat in them is paid for; so several images share a code,
# and their mean is blurred.
# The VAE with two latents can be asked whether it does that (@fig:average).


# %%
def code_parameters(model, x):
    """Means and scales of q(z | x), (images, latents) each."""
    normal = model.encode(x).distribution
    return normal.mean().numpy().astype("float64"), normal.stddev().numpy().astype("float64")


def log_shares(z, means, scales):
    """log q(z | x_n) at every z for every n: (places, images)."""
    z = z.astype("float64")
    squares = z**2 @ (scales**-2).T - 2 * z @ (means / scales**2).T
    squares += ((means / scales) ** 2).sum(axis=1)
    return -0.5 * squares - np.log(scales).sum(axis=1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


looked_at = plane.encode(test_x[:200]).sample(seed=tf.constant([0, 4])).numpy()
shares = log_shares(looked_at, *code_parameters(plane, train_x))
share = np.exp(shares - logsumexp(shares, axis=1, keepdims=True))
best_decoder = share @ train_x
own_decoder = plane.decode(looked_at).mean().numpy()

# %% tags=["fold"]
ranks = np.argsort(-share[:10], axis=1)
book.figure(
    picture_rows(
        [own_decoder[:10], best_decoder[:10], *(train_x[ranks[:, k]] for k in range(3))],
        labels=("decoder", "mean", "1st", "2nd", "3rd"),
    ),
    "average",
    "Ten places in the plane of codes. First row: the decoder's mean there. Second: the mean of "
    "all training images, weighted by $q(z \\mid x_n)$. Below: the three training images with the "
    "largest weights.",
    alt="Five rows of ten images; the first two are nearly alike and blurred, the others sharp.",
)


# %% tags=["hide"]
book.say(
    "The decoder differs from the weighted mean by "
    f"{np.abs(own_decoder - best_decoder).mean():.3f} per pixel on average; from the mean of all "
    f"images it differs by {np.abs(own_decoder - train_x.mean(axis=0)).mean():.3f}. A place is "
    f"shared by about {np.median(1 / (share**2).sum(axis=1)):.0f} training images (the median of "
    "$1 / \\sum_n \\text{share}_n^2$, which is $k$ where $k$ images share equally). With more "
    "latents codes can overlap less, at the price of more nats in the code."
)

# %%
given_z = vae.decode(vae.prior.distribution().sample(500, seed=tf.constant([0, 6])))
draws_given_z = given_z.sample(seed=tf.constant([0, 7])).numpy()
unsure = given_z.distribution.entropy().numpy().sum(axis=1)  # nats per image

# %% tags=["fold"]
book.figure(
    picture_rows(
        [given_z.mean()[:12], draws_given_z[:12], nade.sample(12, seed=1), test_x[:12]],
        labels=("mean", "draw", "NADE", "test"),
    ),
    "samples",
    "Samples with $z$ from the prior: the mean of $p(x \\mid z)$, and a draw from it at the same "
    "$z$. Beside them draws of NADE, and test images. Nothing was selected.",
    alt="Four rows of twelve small images: smooth, speckled, NADE's, and real ones.",
)

# %% tags=["hide"]
book.say(
    f"Given $z$, the pixels of an image are uncertain by {mean_error(unsure, '.1f')} nats in all, "
    "independently of each other. What the code does not say, chance says pixel by pixel: no "
    "stroke is drawn as a stroke (@fig:samples). Cures are a code that says more (at its price), "
    "or a decoder in which pixels see each other, as in chapter 3 (with a danger of its own: see "
    "below). NADE's draws are made pixel by pixel, and an early mistake stays. A better $\\log p$ "
    "does not mean better-looking draws: it counts what real images get, and a draw shows where "
    "the rest of the probability went."
)

# %% [markdown]
# ## Holes: the codes and the prior
#
# Samples start from the prior. The decoder was trained on codes, which come from the **aggregate
# posterior** $q(z) = \frac{1}{N} \sum_n q(z \mid x_n)$. In the exact model of the first sections
# the average posterior *is* the prior. Here nothing enforces it; the bound only prefers it. Split
# the divergence that the bound pays, on average over images, by inserting $q(z) / q(z)$ into the
# logarithm (Hoffman and Johnson):
#
# $$
# \frac{1}{N} \sum_n \mathrm{KL}\big(q(z \mid x_n)\,\|\,p(z)\big) = \underbrace{\frac{1}{N} \sum_n
# \mathbb{E}_{q(z \mid x_n)} \Big[ \log \frac{q(z \mid x_n)}{q(z)} \Big]}_{I(x;\, z)} +
# \underbrace{\mathbb{E}_{q(z)} \Big[ \log \frac{q(z)}{p(z)} \Big]}_{\mathrm{KL}(q(z)\,\|\,p(z))} .
# $$
#
# The first part is the mutual information of image and code, what the code is for. The second part
# is waste: nats that are paid because the codes, taken together, do not fill the prior. Where
# $q(z)$ is far below $p(z)$, samples come from codes that the decoder has never seen: **holes**.


# %%
def split_divergence(model, x, count=2000):
    """Both parts, each as `count` draws."""
    means, scales = code_parameters(model, x)
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(x), size=count)
    z = means[chosen] + scales[chosen] * rng.standard_normal((count, means.shape[1]))
    own = log_normal(z, means[chosen], scales[chosen]).sum(axis=1)
    blocks = [logsumexp(log_shares(part, means, scales), axis=1) for part in np.split(z, 20)]
    together = np.concatenate(blocks) - math.log(len(x))
    prior = model.prior.distribution().log_prob(z.astype("float32")).numpy()
    return own - together, together - prior


information, waste = split_divergence(plane, train_x)
paid = normal_kl(*code_parameters(plane, train_x)).sum(axis=1).mean()

# %% [markdown]
# **A better prior.** The waste can be lowered from the other side: let the prior follow the codes.
# A mixture of Gaussians whose weights, means and scales are trained with the model is one argument
# in the library, `prior=GaussianMixture(latents, 20)`. The divergence from it has no formula. It is
# taken from the draw, $\log q(z \mid x) - \log p(z)$, whose gradient along the path needs nothing
# but $\log p(z)$ at the place where $z$ is.

# %%
with_mixture = {}
for count in (2, latents):
    prior = GaussianMixture(count, 20, seed=0)
    with_mixture[count] = VAE(*networks(count), count, prior=prior, seed=0)
    train(with_mixture[count], train_x, valid_x, **schedule)
mixture = with_mixture[latents]
mixture_result = judged(mixture)


# %% tags=["fold"]
def aggregate_on_plane(model, reach):
    """A square grid of codes, and log q(z) on it."""
    axis = np.linspace(-reach, reach, 161)
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    parameters = code_parameters(model, some_x)
    blocks = np.array_split(places, 100)
    logs = np.concatenate([logsumexp(log_shares(b, *parameters), axis=1) for b in blocks])
    return axis, places, logs - math.log(len(some_x))


widest = np.quantile(np.abs(with_mixture[2].posterior_mean(test_x).numpy()), 0.99)
on_planes = {
    "prior N(0, I)": (plane, aggregate_on_plane(plane, 4.0)),
    "mixture of 20": (with_mixture[2], aggregate_on_plane(with_mixture[2], np.ceil(widest + 1))),
}
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6))
    for axis, (name, (model, (marks, places, logs))) in zip(axes, on_planes.items(), strict=True):
        density = np.exp(logs).reshape(161, 161)
        axis.imshow(density, origin="lower", cmap="Blues", extent=(marks[0], marks[-1]) * 2,
                    vmin=0, vmax=np.quantile(density, 0.995))  # fmt: skip
        log_p = model.prior.distribution().log_prob(places.astype("float32")).numpy()
        mass = np.sort(np.exp(log_p))[::-1]
        inside = np.cumsum(mass) / mass.sum()
        levels = [math.log(mass[np.searchsorted(inside, part)]) for part in (0.9, 0.5)]
        axis.contour(marks, marks, log_p.reshape(161, 161), levels=levels,
                     colors=plots.VERMILION, linewidths=1.5, linestyles=["--", "-"])  # fmt: skip
        axis.set(title=name, xlabel="$z_1$", ylabel="$z_2$")
        axis.grid(False)
book.figure(
    figure,
    "aggregate",
    f"Aggregate posterior $q(z)$ of {len(some_x):,} training images (blue) and the prior: the red "
    "lines hold half "
    "(full) and nine tenths (dashed) of it. Left: prior $\\mathcal{N}(0, I)$. Right: a mixture "
    "trained with the model.",
    alt="Left: patches of blue with gaps inside round red lines. Right: red lines that follow the "
    "patches.",
)

# %% tags=["hide"]
_, places, log_q = on_planes["prior N(0, I)"][1]
log_p = log_normal(places, 0.0, 1.0).sum(axis=1)
in_holes = np.exp(log_p)[log_q < log_p - math.log(3)].sum() / np.exp(log_p).sum()


def nade_on_draws(model, count=1000):
    """NADE's log p of draws with z from the prior, and with z from codes of training images."""
    chosen = np.random.default_rng(3).integers(len(train_x), size=count)
    z = model.encode(train_x[chosen]).sample(seed=tf.constant([0, 8]))
    from_codes = model.decode(z).sample(seed=tf.constant([0, 9]))
    return log_probs(nade, model.sample(count, seed=5)), log_probs(nade, from_codes)


priors = {
    "$\\mathcal{N}(0, I)$": (result, nade_on_draws(vae)),
    "mixture of 20": (mixture_result, nade_on_draws(mixture)),
}
book.say(
    f"With two latents the divergence is {paid:.3f} nats by the formula; its parts, from draws, "
    f"are {mean_error(information, '.3f')} of information and {mean_error(waste, '.3f')} of waste, "
    f"together {mean_error(information + waste, '.3f')}. "
    f"Places where $q(z)$, of {len(some_x):,} images, is less than a third of $p(z)$ hold "
    f"{in_holes:.0%} of the prior "
    "(@fig:aggregate)."
)
book.table(
    [
        [
            *(name, mean_error(outcome["kl"]), mean_error(-outcome["elbo"])),
            mean_error(-outcome["log p"]),
        ]
        for name, (outcome, _) in priors.items()
    ],
    ["prior", "divergence", "−ELBO", r"$-\log p(x)$"],
    f"The VAE with {latents} latents and two priors; nats, test images.",
    name="priors",
)
elbo_gain = mixture_result["elbo"] - result["elbo"]
mixture_gain = mixture_result["log p"] - result["log p"]
lost_in_holes = [
    f"{number(codes.mean() - prior.mean(), '+.1f')} ± {math.hypot(error(codes), error(prior)):.1f}"
    for _, (prior, codes) in priors.values()
]
prices = [codes.mean() - prior.mean() for _, (prior, codes) in priors.values()]
difference = prices[1] - prices[0]
unsure = math.hypot(*(error(part) for _, pair in priors.values() for part in pair))
price = f"{number(difference, '+.1f')} ± {unsure:.1f} from the other's" + (
    ", which is not clear" if abs(difference) < 2 * unsure else ""
)
waste_of_mixture = split_divergence(with_mixture[2], train_x)[1]
worse = (
    " That the richer prior ends lower is no contradiction. It can hardly represent less than the "
    "single normal (twenty equal components are one), so the cause is in the training or in the "
    f"step to new images: {schedule['epochs']} epochs, a KL estimated by one draw, how the mixture "
    "starts. Which of them it is was not tested."
    if mixture_gain.mean() < 0
    else ""
)
book.box(
    "notes",
    "What the notes say: the divergence must be differentiable, so the prior must be Gaussian",
    f"""
    Differentiable, yes; Gaussian, no. A formula for the divergence is a convenience. What training
    needs is a prior whose $\\log p(z)$ can be computed and differentiated at a point: a mixture
    will do, an autoregressive density as well. (A prior of which one can only *sample* will not
    do; for that the next chapter has the adversarial autoencoder.)

    Is it worth it? With the mixture the ELBO is, in nats, {verdict(elbo_gain, "before")}, and
    $\\log p(x)$ is {verdict(mixture_gain, "before")}, see @table:priors. What NADE gives to images
    drawn from codes of the data, minus what it gives to images drawn from the prior, is
    {lost_in_holes[0]} nats with $\\mathcal{{N}}(0, I)$ and {lost_in_holes[1]} with the mixture:
    the price of the holes as NADE sees it, as far as 1,000 draws can tell. The mixture's is
    {price}. With two latents the mixture's waste is {mean_error(waste_of_mixture, ".3f")} nats,
    where the normal prior has {mean_error(waste, ".3f")}.{worse}
    """,
)

# %% [markdown]
# ## Squared error, and a VAE that can be solved
#
# The decoder's outputs can be the parameters of any distribution. For $m$ grey levels, $m$ logits
# make a categorical distribution (`likelihood=Categorical(m)`). For real values two outputs make a
# normal one with a mean and a variance for every pixel and every $z$ (`Normal()`). Common is a
# third way that is not always recognised as a likelihood, the squared error:
#
# $$
# -\log \mathcal{N}(x;\, \hat{x}, s^2) = \frac{(x - \hat{x})^2}{2 s^2} + \log s + \tfrac{1}{2} \log
# 2 \pi
# $$
#
# with a fixed $s$. Multiplied by $2 s^2$, the loss is the squared error plus $2 s^2$ times the
# divergence: choosing $s$ is choosing the price of a nat in the code. Programs that give the
# divergence a weight $\beta$, or take a mean over pixels, set such a price as well (exercise 5.3);
# with binary pixels and $\beta > 1$ the loss is minus a looser bound on $\log p(x)$, lower by
# $\beta - 1$ times the divergence, and with $\beta < 1$ it bounds nothing.


# %% tags=["fold"]
class FixedNormal(Likelihood):
    """Normal with one fixed standard deviation for all variables: the squared error."""

    support = "finite numbers"

    def __init__(self, scale):
        self.scale = scale

    def distribution(self, parameters):
        return tfd.Normal(tf.cast(parameters[..., 0], tf.float32), self.scale)

    def in_support(self, x):
        return abs(x) < np.inf


levels = {"train": tonal.train.x, "valid": tonal.valid.x, "test": tonal.test.x[picked]}
noisy = {name: dequantize(x, tonal.num_levels, seed=0) for name, x in levels.items()}
offset, unit = noisy["train"].mean(), noisy["train"].std()  # one for all pixels
real = {name: ((x - offset) / unit).astype("float32") for name, x in noisy.items()}

# %% [markdown]
# **Linear networks.** What the price does can be computed if the decoder is linear, $p(x \mid z) =
# \mathcal{N}(Wz + c,\, s^2 I)$. Then $x = W z + c + s\, \epsilon$ is a sum of normal variables, and
# $\log p(x, z)$ is quadratic in $z$:
#
# $$
# \log p(x \mid z) + \log p(z) = -\tfrac{1}{2 s^2} |x - c - Wz|^2 - \tfrac{1}{2} |z|^2 +
# \text{const} .
# $$
#
# The second derivative in $z$ is $-M / s^2$ with $M = W^\top W + s^2 I$, and the first is zero at
# $M^{-1} W^\top (x - c)$. So everything that is an integral elsewhere has a formula:
#
# $$
# p(x) = \mathcal{N}(x;\, c,\, W W^\top + s^2 I), \qquad p(z \mid x) = \mathcal{N}\big(z;\, M^{-1}
# W^\top (x - c),\, s^2 M^{-1}\big) .
# $$
#
# The posterior's mean is linear in $x$ and its covariance is the same for all $x$, so a linear
# encoder is enough; a diagonal one fits exactly if the columns of $W$ are orthogonal. They can be:
# a rotation of $z$, that is $W R$ for $W$, changes neither $p(z)$ nor $p(x)$.
#
# The best $W$ is known as well. This is the **probabilistic PCA** of Tipping and Bishop, who show
# that its columns lie along eigenvectors of the data's covariance matrix. A column of squared
# length $a$ along one with eigenvalue $\lambda$ adds $-\frac{1}{2} [\log (a + s^2) + \lambda / (a +
# s^2)]$ to the mean of $\log p$, which is largest at $a = \lambda - s^2$ if $\lambda > s^2$, and
# else at $a = 0$. The posterior variance of its latent is $s^2 / \lambda$, the variance of the
# posterior mean $1 - s^2 / \lambda$, and the mean divergence, by the formula above,
#
# $$
# \tfrac{1}{2} \big( s^2 / \lambda + (1 - s^2 / \lambda) - \log (s^2 / \lambda) - 1 \big) =
# \tfrac{1}{2} \log (\lambda / s^2) .
# $$
#
# A direction in which the data vary by less than the noise $s^2$ gets no latent at all. We train
# such a VAE with 12 latents on the grey images, and set $s^2$ between the ninth and the tenth
# eigenvalue.

# %%
eigenvalues, directions = np.linalg.eigh(np.cov(real["train"].T, bias=True))
eigenvalues, directions = eigenvalues[::-1][:12], directions[:, ::-1][:, :12]
s = math.sqrt(eigenvalues[8:10].mean())
linear = VAE(
    dense_encoder((depth,), (), seed=0),  # no hidden layers
    dense_decoder(12, depth, (), seed=0),
    12,
    likelihood=FixedNormal(s),
    seed=0,
)
train(linear, real["train"], real["valid"], **schedule)

w, c = (weight.astype("float64") for weight in linear.decoder.get_weights())  # W's transpose; c
of_trained = multivariate_normal(c, w.T @ w + s**2 * np.eye(depth))
lengths = np.maximum(eigenvalues - s**2, 0)
by_formula = (directions * lengths) @ directions.T + s**2 * np.eye(depth)
of_best = multivariate_normal(real["train"].mean(axis=0), by_formula)

x = real["test"]
m = w @ w.T + s**2 * np.eye(12)
posterior = tfd.MultivariateNormalTriL(
    (x - c) @ w.T @ np.linalg.inv(m), np.linalg.cholesky(s**2 * np.linalg.inv(m))
)
q = linear.encode(x).distribution
q = tfd.MultivariateNormalDiag(*(tf.cast(v, tf.float64) for v in (q.mean(), q.stddev())))
lost_by_q = divergences.kl(q, posterior).numpy()
linear_result = judged(linear, x, draws=200)
exactly = of_trained.logpdf(x)

# %% tags=["hide"]
sides = {
    "$\\log p(x)$, closed form of the trained model": exactly,
    f"estimate, {importance:,} draws": linear_result["log p"],
    "ELBO + KL from the posterior": linear_result["elbo"] + lost_by_q,
    "ELBO": linear_result["elbo"],
    "$\\log p(x)$ with the best $W$": of_best.logpdf(x),
}
book.table(
    [
        [name, mean_error(v), "" if v is exactly else mean_error(v - exactly, "+.4f")]
        for name, v in sides.items()
    ],
    ["", "test mean (nats)", "minus the first row"],
    "A linear VAE with 12 latents. The ELBO is a mean over 200 draws, the divergence from the "
    "posterior is computed. The last column is taken image by image, ± one standard error.",
    name="linear",
)
measured = normal_kl(*code_parameters(linear, real["train"])).mean(axis=0)
measured, expected = np.sort(measured)[::-1], np.log(np.maximum(eigenvalues / s**2, 1)) / 2
off_by = [abs(np.mean(v - exactly)) for v in list(sides.values())[1:3]]
book.say(
    f"The closed form and the estimate differ by {number(off_by[0], '.0e')} nats on average, the "
    f"closed form and ELBO plus divergence by {number(off_by[1], '.0e')}; the rest is the noise of "
    "the draws (@table:linear). Sorted, the latents carry "
    f"{listed([f'{m:.2f}' for m in measured])} nats on average over the training images; by the "
    f"closed form they carry {listed([f'{e:.2f}' for e in expected])}. An empty latent is "
    "thus no sign of bad training by itself: here the likelihood asks for it."
)

# %% [markdown]
# ## Anomalies
#
# Chapters 1 and 2 found that a low $p(x)$ is no sure sign of an anomaly, nor a high one of health.
# Does a bound do better or worse than an exact density? Four scores on the same pictures: NADE's
# exact $\log p(x)$, the VAE's estimate of it, its ELBO, and the reconstruction term alone, which
# many programs use. The AUC is the probability that a random anomaly scores lower than a random
# test image; its standard error follows DeLong, as if both sets were drawn independently.


# %%
def auc(good, odd):
    """Area under the ROC curve for scores that are low for anomalies, and its standard error."""
    wins = (odd < good[:, None]) + 0.5 * (odd == good[:, None])  # (good, odd)
    variance = wins.mean(axis=1).var(ddof=1) / len(good)
    if len(odd) > 1:
        variance += wins.mean(axis=0).var(ddof=1) / len(odd)
    return wins.mean(), math.sqrt(variance)


rng = np.random.default_rng(2)
other = rng.permutation(len(test_x))
lower = np.arange(depth) >= depth // 2
anomalies = {
    "upside down": test_x.reshape(-1, *shape)[:, ::-1, ::-1].reshape(-1, depth),
    "shuffled pixels": test_x[:, rng.permutation(depth)],
    "lower half erased": np.where(lower, 0, test_x),
    "halves of two digits": np.where(lower, test_x[other], test_x)[
        test_labels != test_labels[other]
    ],
    "5 % of pixels flipped": np.abs(test_x - (rng.random(test_x.shape) < 0.05)),
    "blank": np.zeros((1, depth)),
}
good_scores = [nade_log_p, *(result[score] for score in ("log p", "elbo", "fit"))]
areas = {}
for name, x in anomalies.items():
    x = np.ascontiguousarray(x, "float32")
    outcome = judged(vae, x)
    odd_scores = [log_probs(nade, x), *(outcome[score] for score in ("log p", "elbo", "fit"))]
    areas[name] = [auc(good, odd) for good, odd in zip(good_scores, odd_scores, strict=True)]

# %% tags=["hide"]
book.table(
    [[name, *(f"{value:.3f} ± {se:.3f}" for value, se in row)] for name, row in areas.items()],
    ["anomaly", "NADE, $\\log p$", "VAE, $\\log p$", "VAE, ELBO", "VAE, reconstruction"],
    f"AUC of four scores, {len(test_x):,} test images. There is one blank image; its number is the "
    "share of test images that score higher.",
    name="anomalies",
)
off = {name: row[2][0] - row[1][0] for name, row in areas.items()}
most_off = max(off, key=lambda name: abs(off[name]))
without_kl = {name: row[3][0] - row[2][0] for name, row in areas.items()}
worst, finest = (f(without_kl, key=without_kl.get) for f in (min, max))
vae_ahead = [name for name, (n, v, *_) in areas.items() if v[0] > n[0] + 2 * (n[1] + v[1])]
nade_ahead = [name for name, (n, v, *_) in areas.items() if n[0] > v[0] + 2 * (n[1] + v[1])]
fooled = [name for name, row in areas.items() if min(value for value, _ in row) < 0.5]
book.say(
    f"Bound and estimate differ most for *{most_off}*, by {number(off[most_off], '+.3f')} "
    "(@table:anomalies); for a picture unlike all training images the encoder's $q$ can be far "
    "from the posterior, and the bound far below the truth. The reconstruction term alone differs "
    f"from the ELBO by {number(without_kl[worst], '+.3f')} ({worst}) to "
    f"{number(without_kl[finest], '+.3f')} ({finest}). By more than twice the sum of the errors "
    f"the VAE's estimate is ahead of NADE for: {listed(vae_ahead)}; NADE is ahead for: "
    f"{listed(nade_ahead)}. Pictures that at least one score takes for more usual than test images "
    f"(below one half): {listed(fooled)}. A bound, like an exact density, says how probable a "
    "picture is under a model of digits, not whether it is a digit ([chapter "
    "1](01_distributions.md))."
)

# %% [markdown]
# ## Words, and how a code collapses
#
# Nothing in the bound is about images. Here the data are words: ten places, each with a letter or,
# after the end of the word, a blank. The decoder gives 27 logits per place, a categorical
# distribution, and given $z$ the letters are independent. The encoder reads letters through an
# embedding (a table with a learned vector for each letter), since "c" does not lie between "b" and
# "d" in any useful sense. The words come from the descriptions of data sets that scikit-learn
# carries.

# %% tags=["fold"]
alphabet, longest = " abcdefghijklmnopqrstuvwxyz", 10
folder = importlib.resources.files("sklearn.datasets.descr")
files = sorted((f for f in folder.iterdir() if f.name.endswith(".rst")), key=lambda f: f.name)
text = " ".join(f.read_text(encoding="utf-8").lower() for f in files)
words = [w for w in re.sub("[^a-z]+", " ", text).split() if 2 <= len(w) <= longest]
words = np.random.default_rng(0).permutation(words)


def encoded(words):
    return np.array([[alphabet.index(c) for c in w.ljust(longest)] for w in words], "float32")


def spelled(rows):
    return ["".join(alphabet[int(k)] for k in row).rstrip() for row in np.asarray(rows)]


tenth = len(words) // 10
valid_words, test_words, train_words = np.split(encoded(words), [tenth, 2 * tenth])


class Letters(Categorical):
    """Letters, which a network reads as they are: by their number."""

    def network_input(self, x):
        return x


def word_networks(num_latents):
    layers = [
        keras.Input((longest,)),
        keras.layers.Embedding(27, 8, keras.initializers.RandomUniform(seed=0)),
        keras.layers.Flatten(),
    ]
    for seed in (1, 2):
        start = keras.initializers.GlorotUniform(seed)
        layers.append(keras.layers.Dense(150, "relu", kernel_initializer=start))
    decoder = dense_decoder(num_latents, 27 * longest, (150, 150), "relu", seed=10)
    return keras.Sequential(layers), decoder


# %% [markdown]
# With such data a VAE easily falls into **posterior collapse**: $q(z \mid x)$ becomes the prior for
# some or all latents, their divergence is zero, and the decoder ignores them. It happens early. At
# the start a code says nothing reliable, so the decoder learns what it can without it, the
# frequencies of letters at each place. Meanwhile the divergence is a certain cost, and the quickest
# way to lower it is to make $q$ the prior. Once both are done there is little gradient left that
# would start a conversation. Two cures:
#
# - **Warm-up** concerns the beginning: the weight of the divergence rises from 0 to 1 over the
#   first half of the steps.
# - **Free bits** hold to the end: up to a threshold per latent (here 0.5 nats, on the mean over the
#   batch) the divergence costs nothing in training, so there is no reason to go below it. The ELBO
#   still counts it.
#
# There is also a cause that no cure removes: a **strong decoder**. If the decoder sees the letters
# (or pixels) before the one that it predicts, it can model the data without any code. Then an empty
# code may be the better model, and whoever wants one that says something must pay for it.

# %%
word_schedule = schedule | {"epochs": book.setting(default=40, full=60), "every": 10}
word_schedule |= {"batch_size": 128, "rate": 5e-3}
half = word_schedule["epochs"] * math.ceil(len(train_words) / 128) // 2
cures = {"plain": {}, "warm-up": {"warmup_steps": half}, "free bits": {"free_bits": 0.5}}
word_models, word_histories, word_results = {}, {}, {}
for name, cure in cures.items():
    model = VAE(*word_networks(16), 16, likelihood=Letters(27), seed=0, **cure)
    word_histories[name] = train(model, train_words, valid_words, **word_schedule)
    word_models[name], word_results[name] = model, judged(model, test_words)
tables = {}  # -log p of the test words
for order, name in enumerate(("one place alone", "one letter before", "two letters before")):
    table = TabularAutoregressive(longest, order, num_classes=27, pseudo_count=0.1)
    tables[name] = -log_probs(table.fit_counts(train_words), test_words)

# %% tags=["fold"]
per_latent = {
    name: normal_kl(*code_parameters(model, test_words)).mean(axis=0)
    for name, model in word_models.items()
}
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.3))
    at_epochs = np.arange(10, word_schedule["epochs"] + 1, 10)
    for name, style in zip(word_models, ("o-", "s--", "^:"), strict=True):
        axes[0].plot(at_epochs, word_histories[name]["val_kl"], style, markersize=4, label=name)
        axes[1].plot(np.arange(1, 17), np.sort(per_latent[name])[::-1], style, markersize=4)
    axes[0].set(xlabel="epoch", ylabel="divergence, validation (nats)", ylim=(0, None))
    axes[1].set(xlabel="latent, sorted", ylabel="divergence of one latent (nats)", ylim=(0, None))
    axes[1].set_xticks(range(1, 17, 3))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3,
                  fontsize=8)  # fmt: skip
book.figure(
    figure,
    "collapse",
    "Three VAEs of words. Left: the divergence during training. Right: that of each latent at the "
    "end, on test words, sorted; a latent at zero is not used.",
    alt="Left: three curves over the epochs. Right: three falling curves over the sixteen latents.",
)

# %% tags=["hide"]
in_use = {name: f"{(values > 0.1).sum()} of 16" for name, values in per_latent.items()}
book.table(
    [[f"tables: {name}", "", "", mean_error(nats)] for name, nats in tables.items()]
    + [
        [
            *(f"VAE, {name}", in_use[name]),
            *(mean_error(-outcome[score]) for score in ("elbo", "log p")),
        ]
        for name, outcome in word_results.items()
    ],
    ["model", "latents in use", "−ELBO (nats)", r"$-\log p$ of a word (nats)"],
    f"{len(test_words):,} test words, {len(train_words):,} to train; a random split of running "
    "words, so frequent words are in all parts. $\\log p$ of the VAEs is estimated with "
    f"{importance:,} draws. A latent is in use if its divergence is above 0.1 nats. The tables "
    "hold the frequencies of letters at each of the ten places, given the letters before.",
    name="words",
)
log_ps = {name: outcome["log p"] for name, outcome in word_results.items()}
cured, freed = (log_ps[name] - log_ps["plain"] for name in ("warm-up", "free bits"))
freed_elbo = word_results["free bits"]["elbo"] - word_results["plain"]["elbo"]
over_pairs, over_two = (
    log_ps["warm-up"] + tables[name] for name in ("one letter before", "two letters before")
)
carried = word_results["plain"]["kl"]
book.say(
    f"The plain VAE puts {mean_error(carried)} nats into its code, by {in_use['plain']} latents "
    f"(@fig:collapse, @table:words). By $\\log p$ of a word, in nats, it is with warm-up "
    f"{verdict(cured, 'without')}, and with free bits {verdict(freed, 'without')}; by its ELBO "
    f"the model with free bits is {verdict(freed_elbo, 'the plain one')}. Free bits keep every "
    "latent a little in use, which is not the same as a good use of a few. The VAE with warm-up is "
    f"{verdict(over_pairs, 'tables that know the letter before')} and "
    f"{verdict(over_two, 'tables that know two letters')}. It does not see one letter when it says "
    "the next: what letters have to do with each other must all be in the code."
)


# %% tags=["hide"]
talker = word_models["warm-up"]
drawn_words = spelled(talker.sample(300, seed=2))
the, measures = talker.posterior_mean(encoded(["the", "measures"])).numpy()
line = np.linspace(0, 1, 7)[:, None].astype("float32")
path = talker.decode((1 - line) * the + line * measures).distribution.mode()
italic = [[f"*{w}*" if w else "(blank)" for w in ws] for ws in (drawn_words[:16], spelled(path))]
book.say(
    f"Draws of the model with warm-up: {', '.join(italic[0])}; of {len(drawn_words)}, "
    f"{np.isin(drawn_words, words).mean():.0%} are words of the texts. A straight line from the "
    f"code of *the* to that of *measures*, with the most probable letters: "
    f"{' → '.join(italic[1])}. Draws that are no words are the blur of this kind of data: letters "
    "are drawn independently given $z$, and where $z$ leaves two words open they are mixed."
)

# %% [markdown]
# ## Against the published numbers
#
# The published figures below, of Burda and others, are estimates with $K = 5000$ draws, on one of
# two data sets that share a name: images binarised once and for all (*fixed*), or drawn anew from
# the grey levels in every epoch (*dynamic*). The same VAE is listed with different numbers on the
# two, so say which. They train for 3,280 epochs.

# %% tags=["hide"]
book.recipes(
    vae_mnist.RECIPES,
    "Test NLL in nats on MNIST, fixed (`binarized_mnist`) or dynamic, by the importance-weighted "
    "bound with 5,000 draws per image, ± one standard error over images; `vae2` has two stochastic "
    "layers. Published: tables 1 and 3 of [arXiv:1509.00519](https://arxiv.org/abs/1509.00519).",
    name="published",
)

# %% [markdown]
# Networks and metric are the published ones. The optimiser and the length of training are ours, and
# in ours the fixed images are moved by up to a pixel in a part of the training, which the paper
# does not do.

# %% tags=["hide"]
budgets = {
    kind: (book.recorded(f"vae_{name}_mnist"), book.recorded(f"iwae_{name}_mnist"))
    for kind, name in (("fixed", "binarized"), ("dynamic", "dynamic"))
}


def steps_to_iwae(figure):
    """How far the IWAE is from the VAE by a figure of their results, in words."""
    gains = {kind: figure(plain) - figure(weighted) for kind, (plain, weighted) in budgets.items()}
    return listed(
        [
            f"{abs(gain):.2f} nats {'better' if gain > 0 else 'worse'} ({kind})"
            for kind, gain in gains.items()
        ]
    )


if all(row is not None for pair in budgets.values() for row in pair):
    plain, weighted = budgets["fixed"]
    if [row["epochs"] for row in budgets["dynamic"]] != [plain["epochs"], weighted["epochs"]]:
        raise ValueError("The text says one number of epochs for both kinds of data.")
    book.say(
        "In the paper the IWAE with one layer of latents is "
        f"{steps_to_iwae(lambda row: row['published']['value'])} than the VAE; here it is "
        f"{steps_to_iwae(lambda row: row['value'])}. Ours takes "
        f"{weighted['settings']['num_importance_samples']} draws for each image, which makes an "
        f"epoch expensive: it had {weighted['epochs']} epochs, the VAE {plain['epochs']}. So these "
        "rows compare two budgets, not two bounds."
    )

# %% [markdown]
# A warning about numbers found elsewhere: a loss from example code is often a mean
# over pixels, or a cross-entropy on grey images, and no NLL of anything.

# %% [markdown]
# ## Exercises
#
# **Exercise 5.1.** Find the variance of the score-function estimate with the exact baseline,
# $(f(z) - \mathbb{E}[f])\, \epsilon_1 / \sigma$, for the example of @fig:variance. ($\epsilon$ has
# the even moments $\mathbb{E}[\epsilon^2] = 1$, $\mathbb{E}[\epsilon^4] = 3$,
# $\mathbb{E}[\epsilon^6] = 15$.)

# %% tags=["hide"]
tried = single_draws(8, 0.5, np.random.default_rng(5), count=400_000)
book.box(
    "answer",
    "Answer to 5.1, computed",
    f"""
    With $z_j - a_j = 1 + \\sigma \\epsilon_j$ we have $f - \\mathbb{{E}}[f] = -\\sum_j u_j$, $u_j =
    \\sigma \\epsilon_j + \\frac{{1}}{{2}} \\sigma^2 (\\epsilon_j^2 - 1)$. The $u_j$ are independent
    with mean 0 and variance $\\sigma^2 + \\sigma^4 / 2$. In $\\mathbb{{E}}[(\\sum_j u_j)^2
    \\epsilon_1^2]$ the $L - 1$ latents other than the first give $\\sigma^2 + \\sigma^4 / 2$ each;
    the first gives $\\sigma^2 \\mathbb{{E}}[\\epsilon^4] + \\frac{{1}}{{4}} \\sigma^4
    \\mathbb{{E}}[(\\epsilon^2 - 1)^2 \\epsilon^2] = 3 \\sigma^2 + \\frac{{10}}{{4}} \\sigma^4$.
    Divide by $\\sigma^2$ and subtract the square of the mean, 1:

    $$
    (L - 1) (1 + \\sigma^2 / 2) + 3 + \\tfrac{{5}}{{2}} \\sigma^2 - 1 = L + 1 + (L + 4)\\, \\sigma^2
    / 2 .
    $$

    For $L = 8$, $\\sigma = 0.5$ that is {exact_variances(8, 0.5)["score, baseline"]:.3f}; measured
    over 400,000 draws, {tried["score, baseline"].var():.3f}. Without the baseline one adds
    $\\mathbb{{E}}[f]^2 / \\sigma^2 - 2\\, \\mathbb{{E}}[f]$, of which the first term grows as $L^2$
    and as $1 / \\sigma^2$: {exact_variances(8, 0.5)["score"]:.1f}, measured
    {tried["score"].var():.1f}.
    """,
)

# %% [markdown]
# **Exercise 5.2.** Compute $\mathcal{L}_2$ exactly for the blank strip and its best normal $q$, by
# a sum over pairs $(z_1, z_2)$. How much of the gap has closed?

# %% tags=["hide"]
z = grid[::10]
log_q = log_normal(z, blank_mean, blank_scale)
log_w = log_joint[blank][::10] - log_q
of_pairs = np.logaddexp(log_w[:, None], log_w) - math.log(2)
two = np.trapezoid(np.trapezoid(of_pairs * np.exp(log_q), z) * np.exp(log_q), z)
one, truth = np.trapezoid(log_w * np.exp(log_q), z), log_evidence[blank]
book.box(
    "answer",
    "Answer to 5.2, computed",
    f"""
    $\\mathcal{{L}}_1 = {one:.4f}$, $\\mathcal{{L}}_2 = {two:.4f}$ and $\\log p(x) = {truth:.4f}$:
    the gap falls from {truth - one:.4f} to {truth - two:.4f}. The rule of a half for twice the
    draws does not apply, as the scale of $q$ is {blank_scale:.2f}, below $\\sqrt{{1/2}}$: the
    variance of the weights is infinite. It falls by {1 - (truth - two) / (truth - one):.0%}. Half
    of the posterior lies where $q$ almost never draws, so the weights there are rare and huge. A
    $q$ with thinner tails than the posterior is bad for importance weights.
    """,
)

# %% [markdown]
# **Exercise 5.3.** A program minimises `mean(binary_crossentropy) + mean(kl)`, the first mean over
# the pixels, the second over the latents (and both over the batch). Which $\beta$ is that? And with
# the *sum* over the latents? What follows for the models of this chapter?

# %% tags=["hide"]
book.box(
    "answer",
    "Answer to 5.3, computed",
    f"""
    Multiply the loss by the number of pixels $D$; that changes no minimum. The first term becomes
    the sum over pixels, the second $D / L$ times the sum over latents: $\\beta = D / L$. With the
    sum over the latents, $\\beta = D$. For the models above, $D = {depth}$ and $L = {latents}$:
    $\\beta = {depth / latents:.1f}$ or {depth}: latents collapse that ought not to. The opposite
    mistake, the sum over pixels with the mean over latents, has $\\beta = 1 / L$: good
    reconstructions, and samples from codes that the decoder may not know.
    """,
)

# %% [markdown]
# ## References
#
# - D. P. Kingma, M. Welling, *Auto-encoding variational Bayes*, 2013,
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114); D. J. Rezende, S. Mohamed, D. Wierstra,
#   *Stochastic backpropagation and approximate inference in deep generative models*, 2014,
#   [arXiv:1401.4082](https://arxiv.org/abs/1401.4082). The VAE, found twice.
# - D. P. Kingma, M. Welling, *An introduction to variational autoencoders*, 2019,
#   [arXiv:1906.02691](https://arxiv.org/abs/1906.02691). The long version.
# - Y. Burda, R. Grosse, R. Salakhutdinov, *Importance weighted autoencoders*, 2015,
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519). The $K$-draw bound, active units, two
#   layers, the published figures.
# - E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, *Comparing the areas under two or more
#   correlated receiver operating characteristic curves*, 1988,
#   [doi:10.2307/2531595](https://doi.org/10.2307/2531595). The error of an AUC.
# - M. D. Hoffman, M. J. Johnson, *ELBO surgery: yet another way to carve up the variational
#   evidence lower bound*, 2016. The split of the divergence.
# - R. J. Williams, *Simple statistical gradient-following algorithms for connectionist
#   reinforcement learning*, 1992, [doi:10.1007/BF00992696](https://doi.org/10.1007/BF00992696). The
#   score function.
# - G. Loaiza-Ganem, J. P. Cunningham, *The continuous Bernoulli*, 2019,
#   [arXiv:1907.06845](https://arxiv.org/abs/1907.06845). The missing constant.
# - J. M. Tomczak, M. Welling, *VAE with a VampPrior*, 2017,
#   [arXiv:1705.07120](https://arxiv.org/abs/1705.07120). Priors that follow the codes.
# - S. R. Bowman and others, *Generating sentences from a continuous space*, 2015,
#   [arXiv:1511.06349](https://arxiv.org/abs/1511.06349). Text, collapse, warm-up.
# - D. P. Kingma and others, *Improved variational inference with inverse autoregressive flow*,
#   2016, [arXiv:1606.04934](https://arxiv.org/abs/1606.04934). Free bits.
# - M. E. Tipping, C. M. Bishop, *Probabilistic principal component analysis*, 1999,
#   [doi:10.1111/1467-9868.00196](https://doi.org/10.1111/1467-9868.00196); J. Lucas, G. Tucker, R.
#   Grosse, M. Norouzi, *Don't blame the ELBO!*, 2019,
#   [arXiv:1911.02469](https://arxiv.org/abs/1911.02469). The linear VAE, and its empty latents.
