# %% [markdown]
# # A. Reading tables of likelihoods
#
# Models with an exact likelihood are compared in tables of numbers. This appendix says what such a
# number is, when two of them may be compared, and when the better number does not belong to the
# better model: ensembles that do not sum to one, data sets that share only their name, changes of
# unit, and values that repeat, on which a likelihood has no upper limit.

# %% tags=["fold"]
import math

import keras
import numpy as np
from matplotlib import pyplot as plt
from scipy import linalg, special, stats

from genkeras import NADE, OrderlessNADE, TabularAutoregressive, book, plots
from genkeras.autoregressive.orderings import random_orders
from genkeras.book.prose import error
from genkeras.datasets import (
    bernoulli_binarize,
    binarize,
    binarized_digits,
    breast_cancer,
    diabetes,
    digits,
    uci_real,
    wine,
)
from genkeras.evaluation import SpikeDensity, bits_per_dim, log_probs, repeated_rows
from genkeras.likelihoods import MixtureOfGaussians
from genkeras.recipes.rnade import MIN_SCALE, PUBLISHED
from genkeras.training import epoch_batches

book.declare(
    title="Reading tables of likelihoods",
    data=book.setting(
        default="scikit-learn's digits, wine, diabetes and breast_cancer",
        full="scikit-learn's digits; four UCI tables in ten folds: red and white wine, "
        "parkinsons, ionosphere",
    ),
    seed=0,
)


def power(value):
    """A large or small number as a power of ten, in LaTeX."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


# %% [markdown]
# ## The question

# %% tags=["hide"]
mnist_result = book.recorded("nade_binarized_mnist")
mnist_nll = 88.33 if mnist_result is None else mnist_result["value"]
mnist_source = (
    "later papers list" if mnist_result is None else "the [scoreboard](../scoreboard.md) lists"
)
book.say(
    f"For a NADE with 500 units on binarised MNIST {mnist_source} {mnist_nll:.2f}; for RNADE on "
    f"the red wines {PUBLISHED['red_wine']:.2f} is published; image models are listed "
    "at about 3.0 bits per dimension. Two of these fall as a model gets better and one rises; two "
    "have a best possible value and one has none. What do they mean, which may be compared, and "
    "when is better not better?"
)

# %% [markdown]
# ## One nat
#
# A model gives each example $x$, with its $D$ variables, a probability or density $p(x)$. The
# tables give the mean over $N$ test examples,
#
# $$
# \begin{aligned}
# \ell &= \frac{1}{N} \sum_{n=1}^{N} \log p(x_n), \\
# \log p(x) &= \sum_{i=1}^{D} \log p(x_i \mid x_{<i}),
# \end{aligned}
# $$
#
# or $-\ell$, the *negative log-likelihood* (NLL): a sum over variables, a mean over examples. With
# the natural logarithm its unit is the **nat**. There are three ways to read it.
#
# - *As a length.* An arithmetic coder that uses $p$ stores a discrete example in
#   $-\log_2 p(x) = -\log p(x) / \log 2$ **bits**, up to two
#   ([chapter 1](01_distributions.md) tries it).
# - *Per variable.* $-\log_2 p(x) / D$ is in **bits per dimension**. It makes images of different
#   sizes comparable, and differences look small.
# - *As a bet.* Let two models bet on every example at the same odds, each spreading its whole
#   wealth over all possible outcomes in proportion to its probabilities. After $N$ examples, the
#   wealth of the first over that of the second is
#
#     $$
#     \prod_{n=1}^{N} \frac{p(x_n)}{q(x_n)} = e^{N (\ell_p - \ell_q)} .
#     $$
#
#     One nat per example is a factor of $e$ *on each example*.

# %% tags=["hide"]
conversions = [
    ["binarised MNIST, the NADE above", mnist_nll, 784],
    ["32 × 32 pixels in colour, 3.00 bits per dimension", 3.00 * math.log(2) * 3072, 3072],
    ["the same, 2.99 bits per dimension", 2.99 * math.log(2) * 3072, 3072],
]
book.table(
    [
        [name, f"{depth:,}", f"{nll:,.2f}", f"{nll / math.log(2):,.1f}", bits]
        for name, nll, depth in conversions
        for bits in [f"{bits_per_dim(nll, depth):.3f}"]
    ],
    ["example", "D", "nats", "bits", "bits per dimension"],
    f"One NLL in three units; 1 nat is {1 / math.log(2):.4f} bits. Nats and bits are per example.",
    name="units",
)
hundredth = conversions[1][1] - conversions[2][1]
book.say(
    f"A hundredth of a bit per dimension is {hundredth:.1f} nats per image (@table:units): the "
    f"better model gives an image ${power(math.exp(hundredth))}$ times the probability. And over "
    f"10,000 test examples, an advantage of 0.01 nats per example is $e^{{100}} = "
    f"{power(math.exp(100))}$ to one. Likelihoods tell models apart very sharply, if the numbers "
    "are what they seem to be."
)

# %% [markdown]
# ## Is the difference real?
#
# Tables of order 2 and of order 3 are fitted to the binarised digits and scored on the same
# test images.

# %%
binary = binarized_digits()
score = {
    order: log_probs(
        TabularAutoregressive(64, order=order).fit_counts(binary.train.x), binary.test.x
    )
    for order in (2, 3)
}
gain = score[3] - score[2]  # of each test image
paired = error(gain)
unpaired = math.hypot(error(score[2]), error(score[3]))

# %% tags=["fold"]
with plots.style():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.3))
    limits = [min(map(np.min, score.values())) - 1, max(map(np.max, score.values())) + 1]
    left.plot(limits, limits, color=plots.MUTED, linewidth=1)
    left.plot(score[2], score[3], "o", markersize=3, alpha=0.6)
    left.set(
        xlabel="log p, order 2 (nats)",
        ylabel="log p, order 3 (nats)",
        xlim=limits,
        ylim=limits,
        aspect="equal",
    )
    right.hist(gain, bins=25, color=plots.BLUE, alpha=0.8)
    right.axvline(0, color=plots.MUTED, linewidth=1)
    right.axvline(gain.mean(), color=plots.VERMILION, linestyle="--")
    right.set(xlabel="order 3 minus order 2 (nats)", ylabel="test images")
book.figure(
    figure,
    "paired",
    "Left: each test image under both models; on the line both give it the same. Right: the "
    "differences and their mean (dashed).",
    alt="Points close to a diagonal line; a histogram of differences, most of them above zero.",
)

# %% tags=["hide"]
needed = math.ceil((2 * gain.std(ddof=1) / 0.1) ** 2)
clear_paired = abs(gain.mean()) > 2 * paired
clear_unpaired = abs(gain.mean()) > 2 * unpaired
book.table(
    [
        ["order 2", f"{score[2].mean():.2f}", f"{error(score[2]):.2f}"],
        ["order 3", f"{score[3].mean():.2f}", f"{error(score[3]):.2f}"],
        ["difference, as if of two test sets", f"{gain.mean():.2f}", f"{unpaired:.2f}"],
        ["**difference, image by image**", f"**{gain.mean():.2f}**", f"**{paired:.2f}**"],
    ],
    ["", "mean log p (nats)", "standard error"],
    f"{len(gain)} test images. The standard error of a mean is the standard deviation of its terms "
    r"over $\sqrt{N}$.",
    name="paired",
)
book.say(
    f"The images differ from each other far more than the models do (@fig:paired): a crooked 8 is "
    "hard for both. Taken image by image, that part cancels. The paired standard error is "
    f"{paired:.2f} nats, the unpaired {unpaired:.2f}, {unpaired / paired:.1f} times as much. A "
    f"difference of {gain.mean():.2f} "
    + (
        "is clear in the first and invisible in the second."
        if clear_paired and not clear_unpaired
        else f"is {gain.mean() / paired:.1f} paired standard errors from zero and "
        f"{gain.mean() / unpaired:.1f} unpaired ones."
    )
    + f" To see a difference of 0.1 nats at two standard errors takes {needed:,} such images. So "
    "two rows of a table whose error bars overlap may still differ beyond doubt, but to know it "
    "one needs the score of every example. And the standard error is that of *these two fits* on "
    "new images. Another seed, or another training set, is not in it; neither is the choice of "
    "the better of many attempts on the test set. A mean over folds with the error over folds has "
    "the training set in it, but folds share most of their training rows, so it too comes out "
    "somewhat small."
)

# %% [markdown]
# ## Discrete variables: zero is the limit
#
# If $x$ can take finitely many values, then $p(x) \le 1$, hence $\log p(x) \le 0$, and
# $\sum_x p(x) = 1$. There is a sharper limit. If the test set holds state $x$ with frequency
# $\hat p(x)$, then
#
# $$
# \text{NLL} = -\sum_x \hat p(x) \log p(x) \;\ge\; -\sum_x \hat p(x) \log \hat p(x),
# $$
#
# because their difference is $\mathrm{KL}(\hat p \,\|\, p) \ge 0$. Not even a distribution that
# knows the test set by heart does better than the right-hand side. So a number beyond that limit
# was not computed from a distribution, whatever the table says. It is a necessary test only: for
# 10,000 images that all differ the limit is $\log 10{,}000 = 9.2$ nats, far below any model. The
# sum over all states tells more, where it can be computed.
#
# Numbers from no distribution usually come from an *ensemble*. Models $p_1, \dots, p_M$, of several
# variable orders say, may be averaged as probabilities,
#
# $$
# p(x) = \frac1M \sum_{m=1}^{M} p_m(x),
# $$
#
# and this sums to one. It is tempting to average the *logits* of each pixel over the models, and to
# apply the cross-entropy to the averages. With orders that differ, the averaged logit of pixel $i$
# has seen pixels after it as well as before it, and together all the others, and no chain rule
# holds. We take eight pixels from the middle of the digits, which have 256 states, train a NADE for
# all orders on them and do both.

# %%
block = np.arange(64).reshape(8, 8)[2:4, 2:6].reshape(-1)  # two rows of four pixels
every_state = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype("float32")
agnostic = OrderlessNADE(8, hidden_units=32, orderings=random_orders(8, 64, seed=0), seed=0)
agnostic.compile(keras.optimizers.Adam(1e-2))
agnostic.fit(
    epoch_batches(binary.train.x[:, block], 100, seed=0),
    steps_per_epoch=12,
    epochs=30,
    verbose=book.verbosity(),
)
members = agnostic.ordering_log_probs(every_state).numpy().astype("float64")  # (256, 64)
logits = agnostic.parameters(every_state).numpy()[..., 0].astype("float64")  # (256, 64, 8)

states = (binary.test.x[:, block] @ 2.0 ** np.arange(8)).astype(int)
frequency = np.bincount(states, minlength=256) / len(states)
limit = stats.entropy(frequency)

# %% tags=["fold"]
sizes = [1, 2, 4, 8, 16, 32, 64]
proper, shortcut = {}, {}
for size in sizes:
    proper[size] = special.logsumexp(members[:, :size], axis=1) - math.log(size)
    averaged = logits[:, :size].mean(axis=1)
    shortcut[size] = -np.logaddexp(0, np.where(every_state == 1, -averaged, averaged)).sum(axis=1)

with plots.style():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2))
    for name, scores, style, marker in (
        ("averaged logits", shortcut, "--", "s"),
        ("averaged probabilities", proper, "-", "o"),
    ):
        left.plot(sizes, [np.exp(scores[s]).sum() for s in sizes], style, marker=marker, label=name)
        right.plot(sizes, [-frequency @ scores[s] for s in sizes], style, marker=marker)
    left.set(ylabel="sum over the 256 states", ylim=(0, None))
    left.legend(loc="lower right")
    right.axhline(limit, color=plots.INK, linewidth=1.2, linestyle=":")
    right.annotate(
        "entropy of the test set", (1, limit), xytext=(0, 4), textcoords="offset points", fontsize=9
    )
    right.set(ylabel="“test NLL” (nats)")
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.set(xlabel="orders averaged", xticks=sizes, xticklabels=sizes)
book.figure(
    figure,
    "ensemble",
    "Two ways to average the same NADE over orders. Left: the sum over all states, which is 1 for "
    "a distribution. Right: the score on the test set; no distribution can be below the dotted "
    "line.",
    alt="The averaged probabilities sum to one at every size; the averaged logits sum to more, and "
    "their score falls lower.",
)

# %% tags=["hide"]
most = sizes[-1]
copying = 10.0  # logit of a pixel that copies the first
one_order = math.log(2) + 7 * np.log1p(np.exp(-copying))
averaged_orders = 8 * np.log1p(np.exp(-copying * 7 / 8))
shortcut_nll, proper_nll = -frequency @ shortcut[most], -frequency @ proper[most]
member_nll = -(frequency @ members).mean()
below = (
    f"below the entropy of the test set, {limit:.3f}, where no distribution can be"
    if shortcut_nll < limit
    else f"while the entropy of the test set is {limit:.3f}"
)
book.say(
    f"The average of {most} probabilities sums to {np.exp(proper[most]).sum():.6f}, the shortcut "
    f"to **{np.exp(shortcut[most]).sum():.2f}** (@fig:ensemble). On the test set a single order "
    f"has {member_nll:.3f} nats on average, the proper ensemble {proper_nll:.3f}. The shortcut "
    f"shows {shortcut_nll:.3f}, "
    f"{below}. It is the loss of guessing each pixel from the others, a fine loss for some "
    "purposes and the NLL of nothing.\n\n"
    "An extreme case shows how far it can go. Let eight pixels be all 1 or all 0, each half of the "
    "time. No distribution has an NLL below $\\log 2$ = "
    f"{math.log(2):.3f}. In any one order the first pixel costs that, and the others, which copy "
    f"it with logits of ±{copying:g}, next to nothing: {one_order:.3f} nats. Average the logits "
    "over orders, each pixel being first in an eighth of them, and the loss is "
    f"**{averaged_orders:.3f}**: every pixel has been told by the others.\n\n"
    "The 79.3 nats for a MADE with ten masks in the repository "
    "`karpathy/pytorch-made` were computed in this way: its `run.py` averages logits, and the rows "
    "it calls test are the validation rows. MADE's own code averages probabilities. Dividing the "
    "shortcut by its sum would repair it, where there are 256 states. With 784 pixels nobody knows "
    "the sum."
)

# %% [markdown]
# ## The protocol is part of the number
#
# "Binarised MNIST" is three data sets. *Fixed*: every pixel was drawn once with the probability of
# its grey level. *Drawn anew*: every epoch draws again, so that the training set never repeats.
# *Thresholded*: ink where the grey level is above the middle, without any noise. The digits show
# what that does: the same model, tables of order 6, fitted under each protocol and scored under
# each. The fresh draws stand for many epochs: 20 copies of each image.

# %%
grey = digits()


def fresh(x, seeds):
    return np.concatenate([bernoulli_binarize(x, 17, seed) for seed in seeds])


train_under = {
    "fixed draw": bernoulli_binarize(grey.train.x, 17, seed=0),
    "drawn anew": fresh(grey.train.x, range(1, 21)),
    "thresholded": binarize(grey.train.x, 8),
}
test_under = {
    "fixed draw": bernoulli_binarize(grey.test.x, 17, seed=100),
    "drawn anew": fresh(grey.test.x, range(101, 111)),
    "thresholded": binarize(grey.test.x, 8),
}
protocol_nll = {}
for trained, rows in train_under.items():
    tables = TabularAutoregressive(64, order=6).fit_counts(rows)
    for tested, x in test_under.items():
        protocol_nll[trained, tested] = -log_probs(tables, x).mean()

# %% tags=["hide"]
book.table(
    [
        [
            trained,
            *(f"{protocol_nll[trained, tested]:.2f}" for tested in test_under),
        ]
        for trained in train_under
    ],
    ["fitted to", *test_under],
    "Mean test NLL (nats) of tables of order 6 on the digits; columns: what they are tested on.",
    name="protocols",
)
spread = max(protocol_nll.values()) - min(protocol_nll.values())
noise_gain = [
    f"{protocol_nll['fixed draw', tested] - protocol_nll['drawn anew', tested]:.2f}"
    for tested in test_under
]
book.say(
    f"One model, one set of images, and {spread:.1f} nats between the best and the worst "
    "combination (@table:protocols). Without the noise of the draw there is less to predict, and "
    "the number is lower though nothing was learnt better. Fitting to fresh draws gains "
    f"{', '.join(noise_gain)} nats over a fixed draw, column by column: the fresh draws are many "
    "times as many rows. On MNIST: the paper on importance-weighted autoencoders lists one VAE at "
    "88.71 nats on the fixed draw and 86.76 on fresh ones (its Tables 3 and 1), and a NADE of 500 "
    "units is listed at 88.33 on the fixed draw by its authors, at 85.65 on fresh ones by the "
    "repository `EugenHotaj/pytorch-generative`. Neither pair is a comparison of models."
)
orderless_result = book.recorded("orderless_nade_binarized_mnist")
ours_orderless = (
    ""
    if orderless_result is None
    else " Ours: "
    f"{orderless_result['beside']['test_nll_1_ordering']:.2f}, "
    f"{orderless_result['beside']['test_nll_8_orderings']:.2f} and "
    f"{orderless_result['value']:.2f}."
)
book.say(
    "The rest of the protocol matters as much:\n\n- *The split.* Which rows train, validate and "
    "test; a test set that is sorted by class must be scored whole. Of the seven binary tables "
    "below, the published division of *web* into training and validation rows is not to be had: "
    "ours is our own, and says so.\n- *What the test set has seen.* Settings and stopping times "
    "belong to the validation rows. The best of many test scores is a biased estimate.\n- *The "
    "size of the ensemble.* The authors' order-agnostic NADE with one hidden layer is listed at "
    f"92.17, 89.16 and 87.71 nats for 1, 8 and 128 orders of one network.{ours_orderless}\n- "
    "*Exact, bound or estimate.* A variational autoencoder (chapter 5) reports a bound (≤); a "
    "restricted Boltzmann machine, an older model whose normalising sum is out of reach, an "
    "estimate (~) whose error can lie on the flattering side. A Parzen-window figure (chapter 7) "
    "is none of these; it can be far from the likelihood and rank models wrongly, and it changes "
    "with its bandwidth and its number of samples (Theis et al. 2016)."
)

# %% [markdown]
# ## Densities have units
#
# For real values $p(x)$ is a density: probability per unit of $x$. Standardise, $y = (x - m)/s$ in
# every column, and the probability of a small box stays what it was while the box changes its size:
#
# $$
# \begin{aligned}
# p_x(x)\, dx &= p_y(y)\, dy, \\
# \log p_x(x) &= \log p_y(y) - \sum_{i=1}^{D} \log s_i .
# \end{aligned}
# $$
#
# So the same model of the same data has a different likelihood in other units, and it may be
# positive in one and negative in another. We check it: a Gaussian with full covariance is fitted
# to the standardised columns, and another one, from the beginning, to the columns as the source
# gives them.

# %%
if book.setting(default=True, full=False):
    folds = {"wine": [wine()], "diabetes": [diabetes()], "breast_cancer": [breast_cancer()]}
else:
    names = ("red_wine", "white_wine", "parkinsons", "ionosphere")
    folds = {name: [uci_real(name, fold) for fold in range(10)] for name in names}


def gaussian_score(train, test):
    """Mean test log-density of the maximum-likelihood Gaussian."""
    train = train.astype("float64")
    root = np.linalg.cholesky(np.cov(train.T, bias=True))
    z = linalg.solve_triangular(root, (test - train.mean(axis=0)).T, lower=True)  # (D, n)
    log_density = stats.norm.logpdf(z).sum(axis=0) - np.log(np.diag(root)).sum()
    return log_density.mean()


in_units = {}
for name, datasets in folds.items():
    data = datasets[0]
    standardised = gaussian_score(data.train.x, data.test.x)
    source = gaussian_score(data.unstandardize(data.train.x), data.unstandardize(data.test.x))
    in_units[name] = standardised, source, np.log(data.std).sum()

# %% tags=["hide"]
book.table(
    [
        [
            name.replace("_", " "),
            f"{first:.2f}",
            f"{logs:.2f}",
            f"{first - logs:.2f}",
            f"{second:.2f}",
        ]
        for name, (first, second, logs) in in_units.items()
    ],
    [
        "data",
        "log p, standardised",
        r"$\sum_i \log s_i$",
        "their difference",
        "log p, source units",
    ],
    "Mean test log-density (nats) of a Gaussian with full covariance, first fold. The last two "
    "columns are computed independently.",
    name="change",
)
furthest = max(in_units, key=lambda name: abs(in_units[name][2]))
book.say(
    "The last two columns of @table:change agree, as the formula says. For "
    f"{furthest.replace('_', ' ')} the choice of units is worth {abs(in_units[furthest][2]):.1f} "
    "nats. Densities in tables are of standardised columns; which "
    "rows the mean and standard deviation came from is part of the protocol (here and in the RNADE "
    "paper, the training rows of each fold). For pixel levels there is a way back to "
    "probabilities: add uniform noise to the levels, and the density of the noisy values gives a "
    "bound on the NLL of the levels, in bits per dimension, which cannot be below zero "
    "([chapter 2](02_nade.md) does it)."
)

# %% [markdown]
# ## No upper limit on values that repeat
#
# Measurements are rounded. Suppose the value $v$ makes up a share $f > 0$ of a column, in the
# training rows and in the test rows. Take any density $q$ of the column and mix a spike into it, a
# Gaussian of standard deviation $\sigma$ at $v$ with weight $w$:
#
# $$
# p(x) = (1 - w)\, q(x) + w\, \mathcal{N}(x; v, \sigma^2) .
# $$
#
# On the test rows that do not equal $v$ this loses at most $-\log(1 - w)$. On the others the
# density is at least $w$ times the peak of the spike. So
#
# $$
# \begin{aligned}
# \mathbb{E} \log p(x) \;\ge\;\; & f \log \frac{w}{\sigma \sqrt{2\pi}} \\
# &+ (1 - f) \big( \mathbb{E}_{x \ne v} \log q(x) + \log (1 - w) \big),
# \end{aligned}
# $$
#
# and as $\sigma \to 0$ the right-hand side grows like $f \log \frac1\sigma$, without end. Nothing
# has to be learnt for that except which values occur. With spikes on all training values of all
# columns, tenfold narrower spikes gain about $\log 10 \cdot \sum_j f_j$ nats, where $f_j$ is the
# share of test values of column $j$ that occur among its training values, once $\sigma$ is far
# below the smallest gap between values; where the source rounds as finely as $\sigma$, less.
#
# The library has such a model as a yardstick, [`SpikeDensity`](../api/evaluation.md): *independent*
# columns
#
# $$
# \begin{aligned}
# p_j(v) &= \sum_{k=1}^{8} w_{jk} \sum_{u} \hat p_j(u)\, \mathcal{N}(v; u, \sigma_k^2), \\
# \sigma &= \sigma_1 < \dots < \sigma_8 = 1,
# \end{aligned}
# $$
#
# where $u$ runs over the training values of column $j$ and $\hat p_j(u)$ is the share of training
# rows that have it. The weights of the eight widths are fitted to the validation rows. It cannot
# know that any two columns are related.

# %%
shown = book.setting(default=("wine", "diabetes"), full=("red_wine", "ionosphere"))
sigmas = 10.0 ** -np.arange(0.5, 5.1, 0.5)
spikes = {
    name: [
        np.mean(
            [
                SpikeDensity(d.train.x, d.valid.x, sigma).log_prob(d.test.x).mean()
                for d in folds[name]
            ]
        )
        for sigma in sigmas
    ]
    for name in shown
}

# %% tags=["hide"]
rivals = {
    name: (
        ("published RNADE", PUBLISHED[name])
        if name in PUBLISHED
        else ("Gaussian, full covariance", in_units[name][0])
    )
    for name in folds
}


def repeating_values(data):
    """Share of the test values of each column that occur among its training values."""
    pairs = zip(data.test.x.T, data.train.x.T, strict=True)
    return np.array([np.isin(test, train).mean() for test, train in pairs])


def num_rows(data):
    return sum(len(part) for part in (data.train, data.valid, data.test))


value_shares = {
    name: np.mean([repeating_values(d) for d in datasets], axis=0)
    for name, datasets in folds.items()
}
row_shares = {
    name: np.mean([repeated_rows(d.test.x, d.train.x).mean() for d in datasets])
    for name, datasets in folds.items()
}
book.table(
    [
        [
            name.replace("_", " "),
            datasets[0].num_features,
            f"{num_rows(datasets[0]):,}",
            f"{value_shares[name].mean():.0%}",
            f"{value_shares[name].sum():.2f}",
            f"{row_shares[name]:.0%}",
        ]
        for name, datasets in folds.items()
    ],
    [
        "data",
        "columns",
        "rows",
        "test values that repeat",
        r"$\sum_j f_j$",
        "test rows that repeat",
    ],
    "How much repeats: test values that occur among the training values of their column, and test "
    "rows that equal a training row in every column; "
    + book.setting(default="one split.", full="means over ten folds."),
    name="repeats",
)

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.4))
    for axis, name in zip(axes, shown, strict=True):
        label, value = rivals[name]
        axis.semilogx(sigmas, spikes[name], marker="o", markersize=4, label="independent spikes")
        axis.axhline(value, color=plots.VERMILION, linestyle="--", label=label)
        axis.invert_xaxis()
        axis.set(xlabel="σ of the spikes (standardised)")
        axis.set_title(name.replace("_", " "))
        axis.legend(loc="upper left", fontsize=9)
    axes[0].set_ylabel("test log-likelihood (nats)")
book.figure(
    figure,
    "spikes",
    "Test log-likelihood of independent columns with spikes, as the spikes get narrower (to the "
    "right), against a model that knows how the columns depend on each other (dashed).",
    alt="In both panels a curve rises without end as sigma falls, and crosses the dashed line.",
)

# %% tags=["hide"]


def crossing(name):
    """Where the curve passes the rival, on a logarithmic scale of sigma."""
    value = rivals[name][1]
    logs = np.interp(value, spikes[name], -np.log10(sigmas))  # the curve rises from its middle on
    return 10.0**-logs if spikes[name][-1] > value else math.nan


slopes = {name: (spikes[name][-1] - spikes[name][-3]) / math.log(10) for name in shown}
book.say(
    "The curves of @fig:spikes do not level off. "
    + " ".join(
        f"For {name.replace('_', ' ')} they pass the dashed line ({rivals[name][1]:.2f}) at "
        f"$\\sigma$ ≈ {crossing(name):.1g}, and stand at {spikes[name][-1]:.1f} nats at "
        f"$\\sigma = 10^{{-5}}$; over the last factor of ten the slope is {slopes[name]:.2f} nats "
        f"per unit of $\\log (1/\\sigma)$, where $\\sum_j f_j$ = {value_shares[name].sum():.2f}."
        for name in shown
    )
    + " So a model that treats the columns as unrelated beats "
    + book.setting(
        default="one that knows their correlations",
        full="the published figures of RNADE",
    )
    + ", by any margin one likes, and knows nothing of how the columns depend on each other; its "
    "lead is the rounding. A high likelihood on such data is worth something only together with "
    "the floor under $\\sigma$."
)

# %% [markdown]
# ## A floor, and what it does
#
# A floor makes the likelihood bounded. RNADE with $\sigma_{\min}$ has, for each variable,
# $p(x_i \mid x_{<i}) \le 1 / (\sigma_{\min} \sqrt{2\pi})$. The bound is far above any honest score,
# so the floor still decides how much repeated values pay. Three models show it, on one fold:
#
# - *RNADE*, a NADE with mixtures of five Gaussians, trained anew under each floor;
# - *RNADE with spikes*: the network trained under the largest floor; each of its conditionals is
#   mixed with the independent density of its column at the floor in question. The share of the
#   spikes is chosen on the validation rows. It is a density like any other, with more components;
# - the *independent spikes* from above.

# %% tags=["fold"]
fold = folds[book.setting(default="diabetes", full="red_wine")][0]
floors = book.setting(default=(1e-1, 1e-2, 1e-3), full=(1e-1, 1e-2, 1e-3, 1e-4))
repeated = repeated_rows(fold.test.x, fold.train.x)


def steps_of(data):
    """Smallest distance between two values of each column, standardised units."""
    rows = np.concatenate([data.train.x, data.valid.x, data.test.x]).astype("float64")
    gaps = [np.diff(np.unique(column)) for column in rows.T]
    return np.array([gap[gap > 1e-5].min() for gap in gaps])


def train_rnade(floor, batch_size=64):
    model = NADE(
        fold.num_features,
        hidden_units=32,
        likelihood=MixtureOfGaussians(5, min_scale=floor),
        activation="relu",
        dropout=0.2,
        seed=0,
    )
    steps = math.ceil(len(fold.train) / batch_size)
    epochs = book.setting(default=40, full=60)
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(
        epoch_batches(fold.train.x, batch_size, seed=0),
        steps_per_epoch=steps,
        epochs=epochs,
        validation_data=fold.valid.x,
        validation_batch_size=len(fold.valid),
        callbacks=[keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)],
        shuffle=False,  # epoch_batches has shuffled
        verbose=book.verbosity(),
    )
    return model


def spike_columns(floor, x):
    """Log density of each value under the spikes of its column, `(n, D)`."""
    columns = zip(fold.train.x.T, fold.valid.x.T, x.T, strict=True)
    return np.stack(
        [
            SpikeDensity(train[:, None], valid[:, None], floor).log_prob(values[:, None])
            for train, valid, values in columns
        ],
        axis=1,
    )


def mixed(share, first, second):
    return np.logaddexp(np.log(1 - share) + first, np.log(share) + second)


# %%
steps = steps_of(fold)
rnades = {floor: train_rnade(floor) for floor in floors}
plain = rnades[floors[0]]
plain_valid, plain_test = (
    plain.conditionals(x).log_prob(x).numpy() for x in (fold.valid.x, fold.test.x)
)
row_scores = {}
for floor in floors:
    spike_valid, spike_test = (spike_columns(floor, x) for x in (fold.valid.x, fold.test.x))
    shares = np.linspace(0.01, 0.99, 50)
    by_share = np.stack([mixed(s, plain_valid, spike_valid).mean(axis=0) for s in shares])
    best = shares[by_share.argmax(axis=0)]  # of each column
    row_scores[floor] = {
        "RNADE": log_probs(rnades[floor], fold.test.x),
        "RNADE with spikes": mixed(best, plain_test, spike_test).sum(axis=1),
        "independent spikes": spike_test.sum(axis=1),
    }

# %% tags=["fold"]
styles = {
    "RNADE": ("-", "o"),
    "RNADE with spikes": ("--", "s"),
    "independent spikes": (":", "^"),
}
with plots.style():
    figure, axis = plt.subplots(figsize=(6.0, 3.5))
    for name, (line, marker) in styles.items():
        axis.semilogx(
            floors, [row_scores[f][name].mean() for f in floors], line, marker=marker, label=name
        )
    if fold.name in PUBLISHED:
        axis.axhline(PUBLISHED[fold.name], color=plots.MUTED, linewidth=1)
        axis.annotate(
            "published RNADE",
            (floors[-1], PUBLISHED[fold.name]),
            xytext=(-2, -12),
            textcoords="offset points",
            fontsize=9,
            ha="right",
        )
    axis.invert_xaxis()
    axis.set(xlabel="floor under σ (standardised)", ylabel="test log-likelihood (nats)")
    axis.legend(loc="upper left")
book.figure(
    figure,
    "floor",
    f"{fold.name.replace('_', ' ').capitalize()}, {len(fold.test)} test rows of one fold: the "
    "floor under the standard deviations (falling to the right) and the score.",
    alt="The score of RNADE changes little with the floor; those of the two with spikes rise.",
)

# %% tags=["hide"]
book.table(
    [
        [
            f"{floor:g}",
            name,
            f"{scores.mean():.2f} ± {error(scores):.2f}",
            f"{scores[~repeated].mean():.2f} ± {error(scores[~repeated]):.2f}",
        ]
        for floor in floors
        for name, scores in row_scores[floor].items()
    ],
    ["floor", "model", "all test rows", "rows that do not repeat"],
    f"Test log-likelihood (nats), higher is better; {repeated.sum()} of the {len(repeated)} test "
    "rows repeat a training row.",
    name="floor",
)
trained = [row_scores[floor]["RNADE"].mean() for floor in floors]
with_spikes = [row_scores[floor]["RNADE with spikes"].mean() for floor in floors]
alone = row_scores[floors[-1]]["independent spikes"]
book.say(
    f"Trained for a few epochs, RNADE moves by {max(trained) - min(trained):.2f} nats over all "
    "floors (@fig:floor): its five components are too few to put one on every value, and gradient "
    "descent seldom settles on so narrow a one. Neither is a protection. With more components, or "
    "started on the values, the spikes are in reach, and with them the score goes from "
    f"{with_spikes[0]:.2f} to {with_spikes[-1]:.2f} as the floor falls from {floors[0]:g} to "
    f"{floors[-1]:g}. That would look like a better model.\n\n"
    "Where does it set in? When the floor gets narrower than the rounding. The smallest distance "
    f"between two values of a column, here, is {np.median(steps):.2g} standard deviations for the "
    f"middle one of the columns (from {steps.min():.1g} to {steps.max():.1g}). Under a floor well "
    "above that, neighbouring values share their spikes, and the score speaks of the measured "
    f"quantity; under a floor below it, of its digits. The {MIN_SCALE:g} of our own tables is "
    f"below it in {np.mean(steps > MIN_SCALE):.0%} of these columns."
)
if repeated.any():
    loss = row_scores[floors[0]]["RNADE"][~repeated].mean() - trained[0]
    book.say(
        "Rows that equal a training row may flatter a model that can fit single rows. Without them "
        f"RNADE at the floor {floors[0]:g} scores {abs(loss):.2f} nats "
        f"{'less' if loss < 0 else 'more'} on this fold (@table:floor), which may be chance. "
        "But leaving them out does not take "
        f"the spikes away: at the floor {floors[-1]:g} independent spikes score {alone.mean():.1f} "
        f"on all rows and {alone[~repeated].mean():.1f} on those that do not repeat, because a row "
        "may be new while each of its values is old."
    )
else:
    book.say(
        "No row of this table repeats a training row, so the last two columns of @table:floor are "
        "the same, and yet the spikes pay: a row may be new while each of its values is old."
    )

# %% tags=["hide"]
book.box(
    "tip",
    "What to report with a density",
    """
    - The floor under every standard deviation, in standardised units, and whether it is below the
      rounding of the columns.
    - Beside the model, independent spikes **under the same floor**: a model that does not beat them
      has not shown that it knows of any dependence.
    - The score on test rows that do not repeat a training row.
    - Better, where the rounding is known: noise of the width of the rounding, added before training
      and testing, as for pixels (exercise A.5).
    """,
)

# %% [markdown]
# ## Our tables, read this way
#
# First the binary tables, where the limits of discrete variables protect us. FVSBN and NADE, in
# their natural order, on seven of the eight sets of the NADE paper.

# %%
binary_sets = ("adult", "connect4", "dna", "mushrooms", "nips", "ocr_letters", "web")
real_sets = ("red_wine", "white_wine", "parkinsons", "ionosphere")


def against_published(result, better):
    """Columns for our figure, the published one and the difference; `better` is +1 or -1."""
    if result is None:
        return ["—", "—", "—"]
    published = result["published"]["value"]
    difference = result["value"] - published
    shown = f"{abs(difference):.2f}"
    word = "better" if better * difference > 0 else "worse"
    return [
        f"{result['value']:.2f} ± {result['standard_error']:.2f}",
        f"{published:.2f}",
        "equal" if float(shown) == 0 else f"{shown} {word}",
    ]


binary_results = {
    model: {name: book.recorded(f"{model}_{name}") for name in binary_sets}
    for model in ("fvsbn", "nade")
}
real_results = {name: book.recorded(f"rnade_{name}") for name in real_sets}

# %% tags=["hide"]
book.table(
    [
        [
            name.replace("_", " "),
            *against_published(binary_results["fvsbn"][name], -1),
            *against_published(binary_results["nade"][name], -1),
        ]
        for name in binary_sets
    ],
    ["data", "FVSBN", "published", "", "NADE", "published", ""],
    "Test NLL (nats), lower is better; ± is one standard error over the test rows. The published "
    "figures are those of Table 4 of MADE, given from memory. *web*: the split into training and "
    "validation rows is ours.",
    name="binary",
)
relative = [
    (result["value"] - result["published"]["value"]) / result["published"]["value"]
    for results in binary_results.values()
    for result in results.values()
    if result is not None
]
if relative:
    book.say(
        f"Of these {len(relative)} figures {sum(r < 0 for r in relative)} are better than the "
        f"published ones; from its own the worst is {max(relative):+.1%} and the best "
        f"{min(relative):+.1%} (minus is better). The test rows are the same, but the published "
        "scores of single rows are not to be had, so the differences cannot be paired, and our "
        "standard errors, which are those of one model on other rows, overstate their noise. What "
        "the choice of settings and seed adds, neither side states."
    )

# %% [markdown]
# Now the real-valued tables, with the columns that the tip above asks for.

# %% tags=["hide"]


def real_row(name, result):
    if result is None:
        return [name.replace("_", " "), *["—"] * 3, f"{PUBLISHED[name]:.2f}", *["—"] * 3]
    beside = result["beside"]
    ours, published, difference = against_published(result, +1)
    return [
        name.replace("_", " "),
        f"{beside['gaussian_baseline']:.2f}",
        f"{beside['spike_baseline']:.2f}",
        ours,
        published,
        difference,
        f"{beside['share_of_repeated_rows']:.0%}",
        f"{beside['without_repeated_rows']:.2f} "
        f"({beside['spike_baseline_without_repeated_rows']:.2f})",
    ]


recorded_floors = {
    result["settings"]["min_scale"] for result in real_results.values() if result is not None
}
floor_words = ", ".join(f"{floor:g}" for floor in sorted(recorded_floors)) or "—"
book.table(
    [real_row(name, result) for name, result in real_results.items()],
    [
        "data",
        "Gaussian",
        "spikes",
        "RNADE",
        "published",
        "",
        "rows that repeat",
        "without them: RNADE (spikes)",
    ],
    f"Test log-likelihood (nats), higher is better: means over ten folds; ± is one standard error "
    f"over the folds. Floor of RNADE and of the spikes: {floor_words}. Published: RNADE-MoG in "
    "Table 1 of RNADE, given from memory; their code has $\\sigma = e^{r}$, without a floor. "
    "The folds of red wine are the authors', the others ours.",
    name="real",
)
known = {name: result for name, result in real_results.items() if result is not None}
if known:
    above = [n for n, r in known.items() if r["value"] > r["published"]["value"]]
    beaten = [n for n, r in known.items() if r["beside"]["spike_baseline"] > r["value"]]
    flattered = [
        n for n, r in known.items() if r["beside"]["spike_baseline"] > r["published"]["value"]
    ]

    def named(names):
        return ", ".join(name.replace("_", " ") for name in names) or "none"

    book.say(
        f"RNADE is above its published figure on {len(above)} of {len(known)} tables "
        f"({named(above)}). By the same reading, independent spikes under the same floor are above "
        f"the published figure on {len(flattered)} ({named(flattered)}), and above our RNADE on "
        f"{len(beaten)} ({named(beaten)}). Where that is so, neither figure says that the columns' "
        "dependence has been learnt; nor does a lead over the Gaussian, which cannot use the "
        "rounding: independent spikes have such a lead too. One would have to train and test on "
        "columns with noise (exercise A.5). Parkinsons is a table of about 140 recordings of each "
        "of 42 patients, who are in training and test rows alike: its score says nothing about new "
        "patients."
    )

# %% [markdown]
# ## What to ask of a table
#
# 1. Is it a probability or a density? Which way is better, and what is the best possible value?
# 2. Nats or bits, per example or per dimension? How many dimensions?
# 3. Exact, bound or estimate? Of one model or of an ensemble, and what was averaged?
# 4. Do the numbers sum to one? For a small case somebody should have added them up.
# 5. Which data set exactly: which binarisation, which split, standardised by which rows?
# 6. What was chosen on which rows, and how often was the test set looked at?
# 7. Over what does the ± range: examples, folds or seeds? Is the difference paired?
# 8. For densities: do values repeat, do rows repeat, what is the floor, and what do independent
#    spikes score under it?

# %% tags=["hide"]
book.say(
    "A likelihood that passes all of these is still not the whole of a model. It says little about "
    "the look of samples: mix a good model with 99 % of noise, and the log-likelihood falls by at "
    f"most $\\log 100$ = {math.log(100):.1f} nats, while 99 of 100 samples are noise (Theis et al. "
    "2016)."
)

# %% [markdown]
# ## Exercises
#
# **Exercise A.1.** A table lists a binary image model at 0.98 bits per dimension on 28 × 28 pixels.
# Is that good? And what does "1.10" tell you?

# %% tags=["hide"]
coins = 784 * math.log(2)
book.box(
    "answer",
    "Answer to A.1, computed",
    f"""
    A fair coin for each pixel has exactly 1 bit per dimension, {coins:.1f} nats. 0.98 bits are
    {0.98 * coins:.1f} nats: barely better than coins, and {0.98 * coins / mnist_nll:.1f} times the
    NADE of @table:units. A model with 1.10 is worse than knowing nothing: it is confident and
    wrong, or the number is in other units.
    """,
)

# %% [markdown]
# **Exercise A.2.** Average $\log p_m$ instead of $p_m$, and call the result $\log g$. Show that
# $\sum_x g(x) \le 1$. May one report $-\log g$ as an NLL? What if one divides by the sum?

# %% tags=["hide"]
geometric = members.mean(axis=1)
total = np.exp(geometric).sum()
book.box(
    "answer",
    "Answer to A.2, computed",
    rf"""
    A geometric mean is never above the arithmetic one, so
    $\sum_x g(x) \le \sum_x \frac1M \sum_m p_m(x) = 1$. What is missing to one is probability given
    to no state, so $-\log g$ is an honest figure, if a wasteful one: the NLL of a model that keeps
    some probability for states that never occur. Divided by the sum it is a distribution, and
    better than $g$ on every state. For the {most} orders above the sum is {total:.4f}; on the test
    set the mean of the logs has {-frequency @ geometric:.4f} nats, divided by the sum
    {-frequency @ geometric + math.log(total):.4f}, the mean of the probabilities {proper_nll:.4f}.
    """,
)

# %% [markdown]
# **Exercise A.3.** A colleague measures one column in milligrams, which you have in grams, and one
# in degrees Fahrenheit, which you have in degrees Celsius. Neither of you standardises. Whose
# log-likelihood is higher, and by how much? And if both standardise?

# %% tags=["hide"]
book.box(
    "answer",
    "Answer to A.3, computed",
    rf"""
    The colleague's numbers are 1000 times and 1.8 times
    as large, so the densities are spread over larger ranges: yours is higher by $\log 1000 + \log
    1.8$ = {math.log(1000) + math.log(1.8):.3f} nats per row, for the same model in both units. (The
    offset of 32 degrees changes nothing.) After both standardise by the same rows, the columns are
    identical, and so are the likelihoods.
    """,
)

# %% [markdown]
# **Exercise A.4.** In the formula with one spike, which weight $w$ is best as $\sigma \to 0$? How
# much is lost by $w = \frac12$ instead, and does it matter for the growth?
#
# ??? answer "Answer"
#
#     For small $\sigma$ the spike is negligible away from $v$ and $q$ is negligible at $v$. What
#     depends on $w$ is $f \log w + (1 - f) \log(1 - w)$, which is largest at $w = f$: the spike
#     gets the share of the value, as the weight of any mixture component does. The loss of $w =
#     \frac12$ is $\mathrm{KL}$ between coins with $f$ and with $\frac12$, $\log 2 + f \log f + (1
#     - f) \log (1 - f) \le \log 2$, whatever $\sigma$. The growth, $f \log \frac1\sigma$, is the
#     same for every $w$ in $(0, 1)$.
#
# **Exercise A.5.** Let a column hold multiples of $\Delta$. Add noise, uniform on $[0, \Delta)$, to
# training, validation and test rows. Show that the expected log-density of the noisy values is then
# at most $-\log \Delta$ minus the entropy of the multiples. What do the spikes score on the noisy
# table?

# %% tags=["hide"]


rng = np.random.default_rng(0)
noisy = [part.x + steps * rng.random(part.x.shape) for part in (fold.train, fold.valid, fold.test)]
few = sigmas[1::2]
clean_scores = [
    SpikeDensity(fold.train.x, fold.valid.x, s).log_prob(fold.test.x).mean() for s in few
]
noisy_scores = [SpikeDensity(*noisy[:2], s).log_prob(noisy[2]).mean() for s in few]
rows_by_sigma = "\n    ".join(
    f"| {sigma:g} | {clean:.2f} | {noise:.2f} |"
    for sigma, clean, noise in zip(few, clean_scores, noisy_scores, strict=True)
)
book.box(
    "answer",
    "Answer to A.5, computed",
    rf"""
    Let $P(k)$ be the probability that the model gives to $[k\Delta, (k+1)\Delta)$. By Jensen's
    inequality the mean of $\log p$ over that cell is at most $\log (P(k) / \Delta)$. So
    $\mathbb{{E}} \log p \le -\log \Delta + \mathbb{{E}} \log P(k)$, and
    $\mathbb{{E}} \log P(k)$ is at most minus the entropy of $k$. Minus the left-hand side, less
    $\log \Delta$, is a bound on the NLL of the multiples themselves: the limit of discrete
    variables is back. On {fold.name.replace("_", " ")}, with $\Delta$ the smallest gap between two
    values of a column:

    | $\sigma$ | spikes, as the source rounds | with noise |
    |---:|---:|---:|
    {rows_by_sigma}

    The left column grows on; the right one ends at {noisy_scores[-1]:.2f} nats:
    {noisy_scores[-1] - noisy_scores[-2]:+.2f} for the last factor of ten, against
    {clean_scores[-1] - clean_scores[-2]:+.2f}.
    """,
)

# %% [markdown]
# ## References
#
# - L. Theis, A. van den Oord, M. Bethge, *A note on the evaluation of generative models*, 2016,
#   [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). Likelihood, samples and Parzen windows are
#   three different things; dequantisation.
# - B. Uria, I. Murray, H. Larochelle, *RNADE: the real-valued neural autoregressive
#   density-estimator*, 2013, [arXiv:1306.0186](https://arxiv.org/abs/1306.0186). The real-valued
#   tables.
# - B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle, *Neural autoregressive distribution
#   estimation*, 2016, [arXiv:1605.02226](https://arxiv.org/abs/1605.02226). Ensembles over orders.
# - M. Germain, K. Gregor, I. Murray, H. Larochelle, *MADE: masked autoencoder for distribution
#   estimation*, 2015, [arXiv:1502.03509](https://arxiv.org/abs/1502.03509). The binary tables.
# - H. Larochelle and I. Murray, *The neural autoregressive distribution estimator*, AISTATS 2011,
#   [PMLR 15](https://proceedings.mlr.press/v15/larochelle11a.html). The binary sets and their
#   splits.
# - Y. Burda, R. Grosse, R. Salakhutdinov, *Importance weighted autoencoders*, 2016,
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519). One VAE under two binarisations.
