# %% [markdown]
# # 2. NADE
#
# A table with one row per context has too many rows for an image. NADE replaces the tables by one
# neural network with shared weights, whose hidden layer is updated from pixel to pixel, so that the
# exact probability of an image costs little more than one pass through an ordinary network. This
# chapter derives it, checks it, trains it on binary, grey and real-valued data and for all orders
# at once, and measures what it can and cannot do.

# %% tags=["fold"]
import importlib
import itertools
import math
import textwrap
import time

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from scipy import stats
from scipy.special import comb, logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.mixture import GaussianMixture

from genkeras import FVSBN, NADE, OrderlessNADE, TabularAutoregressive, book, plots
from genkeras.autoregressive import orderings
from genkeras.book.prose import error, number
from genkeras.datasets import (
    binarize,
    binarized_digits,
    binarized_mnist,
    breast_cancer,
    dequantize,
    digits,
    mnist,
    photograph_patches,
)
from genkeras.evaluation import bits_per_dim, class_posteriors, log_probs, mean_nll
from genkeras.layers.nade_scan import nade_scan
from genkeras.likelihoods import Categorical, MixtureOfGaussians
from genkeras.training import epoch_batches

book.declare(
    title="NADE",
    data=book.setting(
        default="scikit-learn's digits, breast_cancer and two photographs",
        full="binarized MNIST, MNIST; scikit-learn's digits, breast_cancer and two photographs",
    ),
    seed=0,
)


# %% [markdown]
# ## The question
#
# Let $x = (x_1, \dots, x_D)$ be a binary image, its pixels in some fixed order. The chain rule
# splits its probability without any assumption:
#
# $$
# \begin{aligned}
# p(x) &= \prod_{i=1}^{D} p(x_i \mid x_{<i}), \\
# x_{<i} &= (x_1, \dots, x_{i-1}).
# \end{aligned}
# $$
#
# A model is a rule that gives the number $p(x_i = 1 \mid x_{<i})$ for every $i$ and every context
# $x_{<i}$. Whatever the rule, the product sums to one over all $2^D$ images: sum over $x_D$ first,
# which gives 1, then over $x_{D-1}$, and so on. The question is which rule.
#
# **Tables.** Store one number per context. Variable $i$ has $2^{i-1}$ contexts, so the tables hold
# $2^D - 1$ numbers. Looking back at the last $k$ variables only makes this at most $D\,2^k$, and
# lets a pixel depend on earlier ones only through the last $k$. Two contexts that differ in one
# unimportant pixel share nothing: each row of a table must be learnt from its own examples.
#
# **Logistic regressions.** Let the context act through a weighted sum:
#
# $$
# \begin{aligned}
# p(x_i = 1 \mid x_{<i}) &= \sigma\Big(b_i + \sum_{j<i} U_{ij}\, x_j\Big), \\
# \sigma(t) &= \frac{1}{1 + e^{-t}}.
# \end{aligned}
# $$
#
# This is the *fully visible sigmoid belief network* (FVSBN). Every pixel may depend on all earlier
# ones, for $D(D-1)/2 + D$ parameters. But each pixel moves the log odds by a fixed amount, whatever
# the other pixels are. "Ink here if exactly one of those two pixels has ink" is out of its reach
# (exercise 2.2).
#
# **Networks.** A hidden layer would remove that limit. But $D$ separate networks with $H$ hidden
# units each, the $i$-th with $i - 1$ inputs, need $H D(D-1)/2$ input weights: for 28 × 28 pixels
# and $H = 500$ these are 153 million, to be learnt from 50,000 images.
#
# ## NADE: one network for all conditionals
#
# The neural autoregressive distribution estimator lets all conditionals share one input matrix:
#
# $$
# \begin{aligned}
# a_i &= c + \sum_{j<i} x_j W_j, \\
# h_i &= \varphi(a_i), \\
# p(x_i = 1 \mid x_{<i}) &= \sigma(V_i \cdot h_i + b_i).
# \end{aligned}
# $$
#
# - $\sigma$ is the sigmoid of chapter 1.
# - $a_i$ and $h_i$ have $H$ entries, one per hidden unit.
# - $W$ has $D$ rows of $H$ numbers. Row $W_j$ is what pixel $j$ adds to the hidden layer when it
#   has ink, and it adds the same to every later conditional.
# - $V_i \in \mathbb{R}^H$ and $b_i$ are the output weights and the bias of pixel $i$, its own.
# - $c \in \mathbb{R}^H$ is the hidden bias. The first pixel sees nothing else: $a_1 = c$.
# - $\varphi$ may be any element-wise non-linearity. The paper of 2011 uses the sigmoid here too; we
#   train with ReLU, as later papers do.

# %% tags=["hide"]
shared = NADE(num_features=784, hidden_units=500)
shared.build((None, 784))
num_shared = shared.count_params()
num_separate = sum((i - 1) * 500 + 500 + 500 + 1 for i in range(1, 785))
book.box(
    "notes",
    "What the notes say: one letter for two things, and weights that grow",
    rf"""
    One of the notes writes $p(x_i \mid x_{{<i}}) = \sigma(\alpha_i h_i + b_i)$ with
    $h_i = \alpha(W_{{<i}}\, x_{{<i}} + c)$, and says that the meaning of $\alpha$ is unclear. It is
    one letter for two things: $\alpha_i$ in the first formula are the output weights, $V_i$ above;
    the $\alpha$ in the second is the non-linearity, $\varphi$ above.

    It also says that the weights grow with $i$. The *input* grows; the weights do not. $W_{{<i}}$
    means the first $i - 1$ rows of one matrix $W$ that all conditionals share. For 28 × 28 pixels
    and 500 hidden units the library's model holds **{num_shared:,}** numbers ($DH$ in $W$, $DH$ in
    $V$, $H$ in $c$, $D$ in $b$). Separate networks for the 784 conditionals would hold
    {num_separate:,}, {num_separate / num_shared:.0f} times as many.
    """,
)

# %% [markdown]
# ## Why one pass is enough
#
# Computed from its definition, $a_i$ costs $(i - 1) H$ multiplications and additions, and all of
# them together $H D (D-1) / 2$. But two neighbours differ in one term only:
#
# $$
# a_1 = c, \qquad a_{i+1} = a_i + x_i W_i .
# $$
#
# One row of $W$ per step: $DH$ operations for all hidden layers, and another $DH$ for the outputs
# $V_i \cdot h_i$. This works because the rows are shared. It is the whole trick of NADE, for
# scoring an image as well as for sampling one: after $x_i$ is drawn, one row is added.

# %% tags=["hide"]
rows = []
for side in (8, 28, 256):
    depth, width = side * side, 500
    direct = width * depth * (depth - 1) // 2
    rows.append(
        [
            f"{side} × {side}",
            f"{direct:,}",
            f"{depth * width:,}",
            f"{direct / (depth * width):,.1f}",
        ]
    )
book.table(
    rows,
    ["image", "each $a_i$ anew", "carried along", "ratio"],
    "Multiply-adds for all hidden layers of one image, $H = 500$. The ratio is $(D - 1)/2$.",
    name="operations",
)

# %% [markdown]
# ### The gradient, walking back
#
# Training needs the gradient of $L = -\log p(x)$. Automatic differentiation would keep all $D$
# hidden vectors of every example: a tensor of batch × $D$ × $H$ numbers. It can be avoided.
#
# Let $o_i = V_i \cdot h_i + b_i$ be the logit of pixel $i$. For a Bernoulli variable
# $\partial L / \partial o_i = \sigma(o_i) - x_i$. The derivative of $L$ with respect to $a_i$,
# through $o_i$ alone, is, with $\odot$ for the product entry by entry,
#
# $$
# \delta_i = \frac{\partial L}{\partial o_i}\; V_i \odot \varphi'(a_i) .
# $$
#
# Row $W_i$ enters $a_{i+1}, a_{i+2}, \dots, a_D$, each time multiplied by $x_i$. Hence
#
# $$
# \begin{aligned}
# \frac{\partial L}{\partial W_i} &= x_i\, s_i, \qquad s_i = \sum_{k>i} \delta_k, \\
# s_D &= 0, \qquad s_{i-1} = s_i + \delta_i .
# \end{aligned}
# $$
#
# The same running sum gives the part of $\partial L / \partial x_i$ that goes through the hidden
# layers, $W_i \cdot s_i$, and, because $c$ enters every $a_k$, $\partial L / \partial c = s_0$. So
# one walk from $i = D$ down to $1$ with one vector $s$ does it, if $a_i$ is at hand. It need not be
# stored: the last one, $a_{D+1}$, is known from the forward pass, and
#
# $$
# a_i = a_{i+1} - x_i W_i .
# $$
#
# Time is $O(DH)$ per example as before; memory is one vector $a$ and one vector $s$ per example
# beside logits and gradients, $O(\text{batch} \cdot (H + D) + DH)$ in place of a tensor of
# $\text{batch} \cdot D \cdot H$. Below is the library's code.
# `later` is $s_i$; the `scale` is for dropout; the rest are the formulas above.

# %% tags=["hide"]
book.source(importlib.import_module("genkeras.layers.nade_scan")._compiled)

# %% [markdown]
# Subtracting undoes an addition only up to rounding. In float32 the drift over 784 pixels is small
# (exercise 2.5 measures it, and what float16 would do), so these loops run in float32 under every
# precision policy.
#
# How the cost grows is measured below, against two simpler forms. *Cumulative sum*
# stores all $a_i$ at once: the same number of operations, but batch × $D$ × $H$ numbers of memory,
# which the gradient needs again. *Anew* computes every $a_i$ from its definition.


# %% tags=["fold"]
@tf.function
def by_cumulative_sum(x, initial, kernel, output_kernel):
    steps = tf.cumsum(x[:, :, None] * kernel, axis=1, exclusive=True)  # (batch, D, H)
    return tf.einsum("bdh,dhp->bdp", tf.nn.relu(initial[:, None] + steps), output_kernel)


@tf.function
def anew(x, initial, kernel, output_kernel):
    depth = x.shape[1]
    before = np.tril(np.ones((depth, depth), "float32"), k=-1)
    a = initial[:, None] + tf.matmul(x[:, None] * before, kernel)  # (batch, D, H)
    return tf.einsum("bdh,dhp->bdp", tf.nn.relu(a), output_kernel)


def by_scan(x, initial, kernel, output_kernel):
    return nade_scan(x, initial, kernel, output_kernel, "relu")


def seconds_per_gradient(form, depth, width=128, batch=32):
    """Best time of one forward and backward pass within about half a second of trials."""
    rng = np.random.default_rng(0)
    shapes = [(batch, depth), (batch, width), (depth, width), (depth, width, 1)]
    x, initial, kernel, output_kernel = (tf.constant(rng.random(s, "float32")) for s in shapes)
    trials = []
    while len(trials) < 4 or sum(trials[1:]) < 0.5:
        start = time.perf_counter()
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            total = tf.reduce_sum(form(x, initial, kernel, output_kernel))
        tape.gradient(total, kernel).numpy()
        trials.append(time.perf_counter() - start)
    return min(trials[1:])  # the first call compiles


depths = [128, 256, 512, 1024]
forms = {"scan": by_scan, "cumulative sum": by_cumulative_sum, "anew": anew}
times = {
    name: [seconds_per_gradient(form, depth) for depth in depths] for name, form in forms.items()
}

unit = times["scan"][0]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.0, 3.6))
    for name, marker, line in (
        ("anew", "^", ":"),
        ("cumulative sum", "s", "--"),
        ("scan", "o", "-"),
    ):
        axis.loglog(depths, np.array(times[name]) / unit, line, marker=marker, label=name, base=2)
    axis.set(xlabel="number of variables D", ylabel="time (scan at D = 128 is 1)", xticks=depths)
    axis.set_xticklabels([str(depth) for depth in depths])
    axis.legend()
book.figure(
    figure,
    "growth",
    "Time of one forward and backward pass, 32 examples, 128 hidden units. Both axes are "
    "logarithmic: a line of slope 1 grows as $D$, of slope 2 as $D^2$.",
    alt="Three rising lines; the one that computes every hidden layer anew is the steepest.",
)

# %% tags=["hide"]
growth = {name: values[-1] / values[-2] for name, values in times.items()}
book.say(
    f"In @fig:growth, from $D = {depths[-2]}$ to $D = {depths[-1]}$ the time grew by a factor of "
    f"{growth['scan']:.1f} for the scan, {growth['cumulative sum']:.1f} for the cumulative sum "
    f"and {growth['anew']:.1f} for the direct form; 2 is linear growth, 4 quadratic, and less "
    f"than 2 means that costs which do not grow still count. At $D = {depths[-1]}$ the direct "
    f"form took {times['anew'][-1] / times['scan'][-1]:.1f} times as long as the scan, and the "
    f"cumulative sum {times['cumulative sum'][-1] / times['scan'][-1]:.1f} times. These ratios "
    "depend on the machine and on what else it is doing; the growth is what to remember. For 28 × "
    "28 pixels, 500 units and a batch of 100, the tensor that the scan does not store has "
    f"{100 * 784 * 500 * 4 / 2**20:.0f} MiB."
)

# %% [markdown]
# ## Two checks
#
# A model that claims exact probabilities can be tested exactly when it is small. We cut 4 × 3
# pixels out of the middle of the binarised digits, fit a NADE to these twelve variables, and add up
# the probabilities of all $2^{12}$ vectors. Training is that of any Keras model: the loss is the
# mean of $-\log p(x)$ in nats. The helper below keeps the weights of the epoch with the best
# validation loss.


# %%
def train(model, data, valid, *, epochs, batch_size, rate, score_batch=300):
    """Fits by Adam; leaves the model with the weights of its best validation epoch."""
    model.compile(optimizer=keras.optimizers.Adam(rate))
    keep_best = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
    return model.fit(
        epoch_batches(data, batch_size, seed=model.seed),
        steps_per_epoch=math.ceil(len(tf.nest.flatten(data)[0]) / batch_size),
        epochs=epochs,
        validation_data=valid,
        validation_batch_size=score_batch,
        callbacks=[keep_best],
        shuffle=False,  # epoch_batches has shuffled
        verbose=book.verbosity(),
    ).history


small = binarized_digits()
centre = np.arange(64).reshape(8, 8)[2:6, 3:6].reshape(-1)
tiny = {}
for ordering in ("natural", "reversed"):
    tiny[ordering] = NADE(
        num_features=12, hidden_units=16, ordering=ordering, activation="relu", seed=0
    )
    train(
        tiny[ordering],
        small.train.x[:, centre],
        small.valid.x[:, centre],
        epochs=20,
        batch_size=63,
        rate=1e-2,
    )

everything = ((np.arange(2**12)[:, None] >> np.arange(12)) & 1).astype("float32")
total = np.exp(log_probs(tiny["natural"], everything, batch_size=4096)).sum()

# %% tags=["hide"]
book.say(
    f"The {len(everything):,} probabilities sum to **{total:.6f}**. They would do so with any "
    "weights: it is the form of the model, not its training, that makes it normalised. A sum "
    "other than 1 would mean that some pixel sees itself or its successors."
)

# %% [markdown]
# The second check is the order itself: the derivative of the logit of $x_i$ with respect to $x_j$
# must be exactly zero for $j \ge i$. The next section shows all these derivatives for a trained
# model.
#
# ## Training on digits
#
# Now the whole images, by the same function.

# %%
binary = book.setting(default=binarized_digits, full=binarized_mnist)()
shape, depth = binary.image_shape, binary.num_features
hidden_units = book.setting(default=200, full=500)
schedule = book.setting(
    default={"epochs": 45, "batch_size": 63, "rate": 5e-3},
    full={"epochs": 12, "batch_size": 100, "rate": 1e-3, "score_batch": 500},
)
score_batch = schedule.get("score_batch", 300)

nade = NADE(num_features=depth, hidden_units=hidden_units, activation="relu", seed=0)
history = train(nade, binary.train.x, binary.valid.x, **schedule)

# %% tags=["fold"]
best = int(np.argmin(history["val_loss"]))
epochs = np.arange(1, len(history["loss"]) + 1)
with plots.style():
    figure, axis = plt.subplots()
    axis.plot(epochs, history["loss"], label="training")
    axis.plot(epochs, history["val_loss"], "--", label="validation")
    axis.plot(best + 1, history["val_loss"][best], "o", color=plots.INK, label="kept")
    low, high = min(history["loss"]), np.quantile(history["val_loss"], 0.95)
    axis.set(
        xlabel="epoch",
        ylabel="NLL (nats)",
        ylim=(low - 0.05 * (high - low), high + 0.1 * (high - low)),
    )
    axis.legend()
book.figure(
    figure,
    "learning-curve",
    "Learning curve of NADE. The training value is the mean over the batches of the epoch, while "
    "the weights move; the validation value is measured at its end.",
    alt="Training loss falls throughout; validation loss falls less and ends above it.",
)

# %% tags=["hide"]
gap = history["val_loss"][best] - history["loss"][best]
last_gap = history["val_loss"][-1] - history["loss"][-1]
if best + 1 < len(epochs):
    ending = (
        "After that the training loss went on falling and the validation loss did not: the model "
        f"begins to learn its {len(binary.train):,} examples by heart, and at the end the gap is "
        f"{last_gap:.2f} nats. The weights kept are those of the best epoch."
    )
else:
    ending = "The validation loss was still falling at the end: more epochs might help."
set_name = book.setting(default="the binarised digits", full="binarized MNIST")
book.say(
    f"On {set_name} ({len(binary.train):,} training images of {depth} pixels) "
    f"the model with its {nade.count_params():,} parameters reached its best validation loss, "
    f"**{history['val_loss'][best]:.2f}** nats, after epoch {best + 1} of {len(epochs)} "
    f"(@fig:learning-curve). Validation minus training was then {number(gap, '+.2f')} nats. "
    f"{ending}"
)

# %% [markdown]
# Here are the derivatives at one test image: row $i$ of this Jacobian holds the derivatives of the
# logit of pixel $i$. A batch of $D$ copies of the image gives all rows with one call: of copy $i$
# we differentiate only logit $i$.


# %%
def jacobian(model, x):
    """d logit_i / d x_j at one image x, an array (D, D) in the model's order."""
    copies = tf.constant(np.tile(x, (len(x), 1)))
    with tf.GradientTape() as tape:
        tape.watch(copies)
        logits = model.parameters(copies)[..., 0]  # (D copies, D pixels)
        chosen = tf.reduce_sum(tf.linalg.diag_part(logits))
    rows = tape.gradient(chosen, copies).numpy()
    return rows[model.drawing_order][:, model.drawing_order]


slopes = jacobian(nade, binary.test.x[0])
forbidden = slopes[np.triu_indices(depth)]
allowed = slopes[np.tril_indices(depth, -1)]

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(5.2, 4.2))
    limit = np.quantile(np.abs(allowed), 0.995)
    picture = axis.imshow(slopes, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axis.set(xlabel="seen pixel j", ylabel="predicted pixel i")
    axis.grid(False)
    figure.colorbar(picture, label="d logit i / d pixel j")
book.figure(
    figure,
    "jacobian",
    "Derivatives of the logits of a trained NADE at one test image, pixels numbered row by row. "
    "Red: ink at j makes ink at i more probable. On and above the diagonal all derivatives are "
    "zero.",
    alt="A square, white above its diagonal, with red and blue stripes below and along it.",
)

# %% tags=["hide"]
strength = np.abs(slopes)
by_distance = {d: np.mean(np.diagonal(strength, -d)) for d in range(1, 3 * shape[1] + 1)}
strongest = sorted(by_distance, key=by_distance.get, reverse=True)[:2]
book.say(
    f"Of the {len(forbidden):,} derivatives on and above the diagonal, the largest in absolute "
    f"value is {np.abs(forbidden).max():g}; below it, {np.mean(allowed != 0):.0%} of "
    f"{len(allowed):,} are not zero. The stripes in @fig:jacobian are geometry: averaged over all "
    f"pixels, the strongest influences come from {strongest[0]} and {strongest[1]} steps back, "
    f"where 1 is the left neighbour and {shape[1]} is the pixel above. Nobody told the model that "
    "the vector is an image."
)

# %% [markdown]
# ## What it gains over simpler models
#
# The models of the first section on the same data. The tables are fitted by counting with one
# pseudo-count per row and value; how far back the last table looks is chosen on the validation set.
# FVSBN is trained like NADE.

# %% tags=["fold"]
orders = book.setting(default=range(2, 11), full=(4, 8, 12, 14))
tables = {
    k: TabularAutoregressive(depth, order=k).fit_counts(binary.train.x) for k in (0, 1, *orders)
}
table_valid = {k: mean_nll(tables[k], binary.valid.x, batch_size=score_batch)[0] for k in orders}
chosen = min(table_valid, key=table_valid.get)

fvsbn = FVSBN(num_features=depth, seed=0)
fvsbn_schedule = schedule | book.setting(default={"rate": 1e-2}, full={"epochs": 12, "rate": 5e-3})
train(fvsbn, binary.train.x, binary.valid.x, **fvsbn_schedule)

compared = {
    "independent pixels": (tables[0], tables[0].num_free_parameters),
    "Markov chain, AR(1)": (tables[1], tables[1].num_free_parameters),
    f"AR({chosen}) table": (tables[chosen], tables[chosen].num_free_parameters),
    "FVSBN": (fvsbn, depth * (depth - 1) // 2 + depth),
    f"NADE, {hidden_units} units": (nade, nade.count_params()),
}
test_scores = {
    name: -log_probs(model, binary.test.x, batch_size=score_batch)
    for name, (model, _) in compared.items()
}


def against(difference, spread):
    """States a paired difference and whether the test rows can tell it from zero."""
    sign = "better" if difference > 0 else "worse"
    clear = "" if abs(difference) > 2 * spread else ", which these rows cannot tell from zero"
    return f"{abs(difference):.2f} ± {spread:.2f} nats {sign}{clear}"


# %% tags=["hide"]
book.table(
    [
        [
            name,
            f"{compared[name][1]:,}",
            f"{nll.mean():.2f} ± {error(nll):.2f}",
            f"{bits_per_dim(nll.mean(), depth):.3f}",
        ]
        for name, nll in test_scores.items()
    ],
    ["model", "parameters", "test NLL (nats)", "bits per pixel"],
    f"Mean negative log-likelihood of the {len(binary.test):,} test images ± one standard error. "
    f"{binary.protocol}",
    name="models",
)
names = list(test_scores)
gain = test_scores[names[-2]] - test_scores[names[-1]]
step = test_scores[names[2]] - test_scores[names[-2]]
reach = "reaches" if chosen >= shape[1] else "does not reach"
if chosen < max(orders):
    limit_reason = (
        f"Validation prefers it to tables that look up to {max(orders)} pixels back: every further "
        "pixel doubles the rows, and the examples per row run out."
    )
else:
    limit_reason = "Every further pixel doubles the rows, so this cannot go on for long."
book.say(
    "In @table:models every model reads the same pixels in the same order. The standard errors "
    "say how much each mean would move with another test set. Most of that is common to all "
    "models, since an image that is hard for one is hard for the others, so compare image by "
    f"image: the step from AR({chosen}) to FVSBN gains {step.mean():.2f} ± {error(step):.2f} "
    f"nats, the step from FVSBN to NADE **{gain.mean():.2f} ± {error(gain):.2f}**. (These errors "
    "are over test images; another seed or schedule would move the steps too.) The "
    f"AR({chosen}) table {reach} back to the pixel above, which is {shape[1]} steps away. "
    f"{limit_reason}"
)

# %% [markdown]
# ## Sampling
#
# Sampling follows the order: draw $x_1$ from $p(x_1)$, add its row to $a$, draw $x_2$, and so on,
# in one compiled loop of $D$ steps. What it draws is an exact sample of the model. These are the
# two steps of the loop, the output and the update:

# %% tags=["hide"]
book.source(NADE._step)
book.source(NADE._advance)

# %%
samples = nade.sample(16, seed=1).numpy()
fvsbn_samples = fvsbn.sample(16, seed=1).numpy()
chosen_rows = np.random.default_rng(0).choice(len(binary.test), 16, replace=False)
data_images = binary.test.x[chosen_rows]

# %% tags=["fold"]
with plots.style():
    figure = plots.image_grid(
        np.concatenate([data_images, fvsbn_samples, samples]), shape, columns=8
    )
book.figure(
    figure,
    "samples",
    "Rows 1 and 2: test images. Rows 3 and 4: samples of FVSBN. Rows 5 and 6: samples of NADE, "
    "drawn with the same random numbers as rows 3 and 4. Nothing was selected.",
    alt="Six rows of eight small pictures: digits, ragged shapes, and shapes more like digits.",
)

# %% [markdown]
# The model also says how sure it was of each pixel. For a finished sample, `conditionals` gives the
# distribution of every pixel given the pixels before it, so $p(x_i = 1 \mid x_{<i})$ makes a
# picture of its own.

# %%
probabilities = nade.conditionals(samples[:8]).probs_parameter().numpy()
surprise = -nade.conditionals(samples[:8]).log_prob(samples[:8]).numpy()

# %% tags=["fold"]
with plots.style():
    rows_of_images = np.concatenate([samples[:8], probabilities, np.minimum(surprise / 3, 1)])
    figure = plots.image_grid(rows_of_images, shape, columns=8)
book.figure(
    figure,
    "probabilities",
    "Top: samples. Middle: the probabilities $p(x_i = 1 \\mid x_{<i})$ from which their pixels "
    "were drawn, black for 1. "
    "Bottom: the surprise $-\\log p(x_i \\mid x_{<i})$ of the value drawn, black for 3 nats or "
    "more. ",
    alt="Eight columns: a sample, a smooth grey version of it, and dots along its edges.",
)

# %% tags=["hide"]
share = np.sort(surprise.reshape(8, -1), axis=1)[:, ::-1].cumsum(axis=1) / surprise.sum(
    axis=1, keepdims=True
)
tenth = share[:, depth // 10 - 1].mean()
book.say(
    "The middle row of @fig:probabilities looks cleaner than the samples and is often shown "
    "instead of them. **It is not a sample.** The probability at pixel $i$ belongs to the pixels "
    f"that were drawn before it, so the picture mixes {depth} contexts, and drawing each pixel "
    "from it independently would not give samples of the model. The bottom row shows where the "
    f"uncertainty is: the tenth of the pixels with the largest surprise carries {tenth:.0%} of "
    "the NLL of these samples. They seem to lie at the edges of strokes; chapter 3 counts that."
)

# %% [markdown]
# ## Does the order matter?
#
# The chain rule holds for every order of the pixels, so every order gives a proper model. But the
# *family* of distributions that a NADE with $H$ units can represent depends on the order, and so
# does what it learns from few examples. Six orders, each with several seeds; a seed sets the
# initial weights, the order of the batches, and for "random" the permutation.

# %%
grid = binarized_digits()
num_seeds = book.setting(default=3, full=6)
nll_by_order = {}  # name -> (seeds, test images)
first_by_order = {}  # name -> the model of seed 0
for name in orderings.NAMES:
    nlls = []
    for seed in range(num_seeds):
        model = NADE(64, hidden_units=100, ordering=name, activation="relu", seed=seed)
        train(model, grid.train.x, grid.valid.x, epochs=12, batch_size=133, rate=2e-2)
        first_by_order.setdefault(name, model)
        nlls.append(-log_probs(model, grid.test.x, batch_size=300))
    nll_by_order[name] = np.array(nlls)

# %% tags=["fold"]
with plots.style():
    visits = [
        np.argsort(orderings.permutation(orderings.resolve(name, 64, 0), 64))
        for name in orderings.NAMES
    ]
    figure = plots.image_grid(
        visits, (8, 8), columns=3, titles=orderings.NAMES, cmap="viridis", limits=(0, 63)
    )
book.figure(
    figure,
    "orders",
    "Six orders of 8 × 8 pixels: dark pixels are visited first, yellow ones last.",
    alt="Six coloured squares that show the time at which each pixel is visited.",
)

# %% tags=["hide"]
natural_nll = nll_by_order["natural"].mean(axis=0)
order_rows, apart = [], []
for name, nlls in nll_by_order.items():
    means = nlls.mean(axis=1)
    paired = nlls.mean(axis=0) - natural_nll
    # Seeds and test images are two sources of chance; their variances add.
    both = math.sqrt(
        error(paired) ** 2 + error(means) ** 2 + error(nll_by_order["natural"].mean(axis=1)) ** 2
    )
    # Adding 0 turns a rounded -0 into 0.
    apart_by = number(round(paired.mean(), 2) + 0, "+.2f")
    difference = "" if name == "natural" else f"{apart_by} ± {both:.2f}"
    if name != "natural" and abs(paired.mean()) > 2.6 * both:
        apart.append((name, paired.mean()))
    order_rows.append([name, f"{means.mean():.2f} ± {error(means):.2f}", difference])
book.table(
    order_rows,
    ["order", "test NLL (nats)", "minus natural"],
    f"NADE with 100 units on the binarised digits, mean of {num_seeds} seeds ± its standard error "
    "over seeds. The standard error of the difference counts seeds and, image by image, that "
    f"{len(grid.test)} test images are a sample.",
    name="orders",
)
if apart:
    verdict = "Larger than that are: " + ", ".join(
        f"{name} ({number(difference, '+.2f')}, {'worse' if difference > 0 else 'better'})"
        for name, difference in apart
    )
else:
    verdict = "None is larger than that"
local = [nll_by_order[name].mean() for name in orderings.NAMES if name != "random"]
if all(name == "random" for name, _ in apart):
    ranking = "among them no ranking should be read"
else:
    ranking = "all but the differences just named may be chance"
random_gap = nll_by_order["random"].mean() - np.mean(local)
book.say(
    "Which differences in @table:orders are real? With five comparisons, one should ask for at "
    "least 2.6 standard errors of the difference, which chance exceeds about once in a hundred "
    f"times, or a little more often with so few seeds. {verdict}. The five orders that follow the "
    f"image span {max(local) - min(local):.2f} nats; {ranking}. The random orders average "
    f"{number(random_gap, '+.2f')} nats against those five. The "
    "entropy of the images is the same in every order, so a loss would come from the network and "
    "its training; we have not measured from what."
)

# %% [markdown]
# ## Completing images
#
# Given the first $k$ pixels of the order, sampling can simply start at pixel $k + 1$: the rest is
# drawn from $p(x_{>k} \mid x_{\le k})$, exactly. With row-by-row order the *top* half can be given.
# To give the *bottom* half, we use a model of the reversed order.

# %%
reverse = NADE(
    num_features=depth, hidden_units=hidden_units, ordering="reversed", activation="relu", seed=0
)
reverse_schedule = schedule | book.setting(default={"epochs": 30}, full={"epochs": 6})
train(reverse, binary.train.x, binary.valid.x, **reverse_schedule)

top = np.arange(depth) < depth // 2
originals = data_images[:4]
repeated = np.repeat(originals, 5, axis=0)
from_top = nade.sample(20, conditioned_on=repeated, mask=top, seed=2).numpy()
from_bottom = reverse.sample(20, conditioned_on=repeated, mask=~top, seed=2).numpy()

# %% tags=["fold"]
with plots.style():
    pictures, kept = [], []
    for filled, half in ((from_top, top), (from_bottom, ~top)):
        for i in range(4):
            pictures += [originals[i], *filled[5 * i : 5 * i + 5]]
            kept += [np.ones(depth, bool), *[half] * 5]
    figure = plots.kept_overlay(np.array(pictures), np.array(kept), shape, columns=6)
book.figure(
    figure,
    "completions",
    "First column: four test images, twice. Upper four rows: the top half was given, NADE drew the "
    "tinted half. Lower four: the bottom half was given, a NADE of the reversed order drew the "
    "rest.",
    alt="Eight rows of six digits; the halves that the model drew are tinted and differ.",
)

# %%
try:
    nade.sample(1, conditioned_on=originals[0], mask=~top)
except ValueError as refusal:
    print(textwrap.fill(str(refusal), 80))

# %% [markdown]
# Why can the natural order not take the bottom half? It would have to draw the first pixel from
# $p(x_1 \mid x_{\text{bottom}})$. By Bayes' rule this needs the sum of $p(x)$ over all top halves,
# $2^{D/2}$ terms. The model has the conditionals of one order in closed form and no others, so the
# library refuses instead of approximating.
#
# ## Every order at once
#
# A NADE can only continue what comes first in its order: a top half, or with another order a left
# half, but no hole, unless it was trained for an order that ends in this very hole. To fill in
# whatever is missing we need $p(x_i \mid x_K)$ for every set $K$ of known pixels, not only for the
# $D$ sets along one order. One network can be asked for all of them, if it is told which pixels it
# knows:
#
# $$
# \begin{aligned}
# a_K &= c + \sum_{j \in K} (x_j W_j + U_j), \qquad h_K = \varphi(a_K), \\
# p(x_i = 1 \mid x_K) &= \sigma(V_i \cdot h_K + b_i), \qquad i \notin K .
# \end{aligned}
# $$
#
# It is NADE with one more matrix. $U_j$ is what *knowing* pixel $j$ adds, whatever its value: the
# inputs of the network are the masked image and the mask itself. Without $U$ a pixel known to be
# empty and an unknown pixel would look the same (exercise 2.8). The library
# reads the mask as $\pm\frac12$, that is it subtracts $\frac12 \sum_j U_j$ from $c$: the same
# functions, with a hidden layer that stays better centred.
#
# An order $o$, which visits the pixels $o_1, \dots, o_D$, now gives a distribution,
#
# $$
# p_o(x) = \prod_{d=1}^{D} p(x_{o_d} \mid x_{o_{<d}}) .
# $$
#
# It sums to one as every chain does, and the trick of NADE still works: from step to step $K$ gains
# one pixel and $a$ gains $x_j W_j + U_j$, so an image costs $O(DH)$. What is missing is a way to
# train all orders.
#
# ### One loss for all orders
#
# Train the mean NLL over all orders:
#
# $$
# J(x) = \frac{1}{D!} \sum_o \sum_{d=1}^{D} -\log p(x_{o_d} \mid x_{o_{<d}}) .
# $$
#
# Fix a position, with $k = d - 1$ pixels before it. Among all orders these $k$ pixels form every
# set $K$ of size $k$ equally often, and the pixel that follows is each of the $D - k$ others
# equally often. Write $\ell_K(x) = -\sum_{i \notin K} \log p(x_i \mid x_K)$ for the NLL of all
# unknown pixels, each predicted from $K$ alone. Then
#
# $$
# J(x) = \sum_{k=0}^{D-1} \binom{D}{k}^{\!-1} \sum_{|K| = k} \frac{\ell_K(x)}{D - k} .
# $$
#
# One pass through the network gives the whole of $\ell_K(x)$, so one random set gives an estimate
# of $J(x)$. The paper draws $k$ uniformly from $0, \dots, D - 1$, then a set of that size, and
# weights $\ell_K$ by $D / (D - k)$. The library draws $\rho$ uniformly from $[0, 1]$ and makes
# every pixel known with probability $\rho$.
#
# How many pixels become known? Pixel $j$ does if its own uniform number $u_j$ lies below $\rho$.
# Among the $D + 1$ independent uniform numbers $\rho, u_1, \dots, u_D$ every rank of $\rho$ is
# equally likely, so $k$ is uniform on $0, \dots, D$; and by symmetry all sets of one size are
# equally likely. Hence $P(K) = \frac{1}{D+1} \binom{D}{k}^{-1}$. With the weight
# $(D + 1)/(D - k)$, and nothing to predict when $k = D$,
#
# $$
# \mathbb{E}_K\Big[ \frac{D + 1}{D - k}\, \ell_K(x) \Big]
# = \sum_{k=0}^{D-1} \binom{D}{k}^{\!-1} \sum_{|K| = k} \frac{\ell_K(x)}{D - k} = J(x) .
# $$
#
# So the estimate is unbiased, whatever the network answers. Within a batch the library spaces the
# $\rho$ evenly, from a random start: each alone is still uniform, and no batch consists of nearly
# full images only. An example costs one pass of an ordinary network,
# $3DH$ multiply-adds, and no loop over pixels.

# %% tags=["hide"]
book.source(OrderlessNADE._random_known)
book.source(OrderlessNADE._estimated_nll)

# %% [markdown]
# The claim can be checked to the last term when $D$ is small. Five variables have $5! = 120$ orders
# and $2^5 = 32$ sets. The network below has its random initial weights: the identity does not care.

# %%
toy = OrderlessNADE(
    num_features=5,
    hidden_units=8,
    orderings=list(itertools.permutations(range(5))),
    seed=0,
)
vectors = ((np.arange(32)[:, None] >> np.arange(5)) & 1).astype("float32")
toy_log_probs = toy.ordering_log_probs(vectors).numpy()  # (32 vectors, 120 orders)


def expected_loss(x):
    """The sum over all 32 sets K of P(K) times the weighted NLL of what is unknown."""
    copies, known = np.tile(x, (32, 1)), vectors
    given = toy.likelihood.distribution(toy.parameters_given(copies, known))
    nll = -(given.log_prob(copies).numpy() * (1 - known)).sum(axis=1)
    k = known.sum(axis=1)
    probability = 1 / (6 * comb(5, k))
    return np.sum(probability * 6 / np.maximum(5 - k, 1) * nll)


def drawn_losses(x, draws=25, batch_size=2000):
    """Training losses of the library, one for each batch of random sets."""
    copies = np.tile(x, (batch_size, 1))
    return np.array(
        [float(toy.compute_loss(x=copies, y_pred=toy(copies, training=True))) for _ in range(draws)]
    )


# %% tags=["hide"]
toy_rows = []
for row in (0, 11, 21, 31):
    losses = drawn_losses(vectors[row])
    toy_rows.append(
        [
            "".join(str(int(bit)) for bit in vectors[row]),
            f"{-toy_log_probs[row].mean():.5f}",
            f"{expected_loss(vectors[row]):.5f}",
            f"{losses.mean():.4f} ± {error(losses):.4f}",
        ]
    )
book.table(
    toy_rows,
    ["$x$", "mean over 120 orders", "sum over 32 sets", "training loss"],
    "$J(x)$ in nats, three ways: the mean of $-\\log p_o(x)$ over all orders; the expectation "
    "over all sets, as derived; the mean of the library's training loss over 25 batches of 2,000 "
    "random sets, ± one standard error.",
    name="toy",
)
toy_totals = np.exp(toy_log_probs.astype("float64")).sum(axis=0)
toy_range = np.ptp(toy_log_probs, axis=1)
book.say(
    "The first two columns of numbers in @table:toy agree, and the third lies around them. Each "
    "of the 120 orders is a distribution: their sums over all 32 vectors differ from 1 by at most "
    f"{number(np.abs(toy_totals - 1).max(), '.0e')}. But they are 120 *different* "
    f"distributions: $\\log p_o(x)$ ranges over up to {toy_range.max():.2f} nats from order to "
    "order, for the same network and the same $x$."
)

# %% [markdown]
# ### Orders disagree, so average them
#
# The network answers $D\,3^{D-1}$ questions of the form "$p(x_i = 1 \mid x_K)$?" (each of the other
# pixels is 0, 1 or unknown). A distribution over $D$ bits has $2^D - 1$ free numbers. Nothing makes
# the answers fit together, so $p(x_1)\, p(x_2 \mid x_1)$ and $p(x_2)\, p(x_1 \mid x_2)$ differ.
# What is trained is not one model but $D!$ models that share their weights. Several models can be
# averaged:
#
# $$
# \bar p(x) = \frac{1}{M} \sum_{m=1}^{M} p_{o_m}(x)
# \qquad\text{and}\qquad
# -\log \bar p(x) \le \frac{1}{M} \sum_{m=1}^{M} -\log p_{o_m}(x)
# $$
#
# for every $x$, because $-\log$ is convex (Jensen's inequality). The average of *probabilities*
# sums to one, and its NLL is at most the mean of its members' NLLs: the more they disagree, the
# more is gained. For $M = D!$ the right-hand side is $J(x)$, so training pushes down an upper bound
# on the NLL of the average over all orders.

# %%
orderless = OrderlessNADE(64, hidden_units=100, orderings="random", seed=0)
orderless_history = train(
    orderless,
    grid.train.x,
    grid.valid.x,
    epochs=book.setting(default=200, full=400),
    batch_size=63,
    rate=5e-3,
)
many = orderless.with_orderings(orderings.random_orders(64, 128, seed=1))
log_probs_by_order = many.ordering_log_probs(grid.test.x).numpy()  # (test images, 128)


def averaged_nll(log_probs_of_members, size):
    """NLL of averages over `size` members, of groups that share none: (images, groups)."""
    groups = log_probs_of_members.reshape(len(log_probs_of_members), -1, size)
    return math.log(size) - logsumexp(groups.astype("float64"), axis=2)


# %% tags=["fold"]
sizes = [2**j for j in range(8)]
curves_by_size = [averaged_nll(log_probs_by_order, size).mean(axis=0) for size in sizes]
fixed_nll = nll_by_order["natural"].mean()
with plots.style():
    figure, axis = plt.subplots(figsize=(6.0, 3.6))
    axis.fill_between(
        sizes,
        [curve.min() for curve in curves_by_size],
        [curve.max() for curve in curves_by_size],
        color=plots.SKY,
        alpha=0.35,
        linewidth=0,
    )
    axis.plot(
        sizes, [curve.mean() for curve in curves_by_size], "o-", label="one network, M orderings"
    )
    for name, label, line, color in (
        ("random", "NADE, one random order", ":", plots.VERMILION),
        ("natural", "NADE, natural order", "--", plots.GREEN),
    ):
        axis.axhline(nll_by_order[name].mean(), linestyle=line, color=color, label=label)
    axis.set_xscale("log", base=2)
    axis.set(xlabel="number of orderings M", ylabel="test NLL (nats)", xticks=sizes)
    axis.set_xticklabels([str(size) for size in sizes])
    axis.legend()
book.figure(
    figure,
    "ensemble",
    "Test NLL of averages over $M$ random orderings of one order-agnostic network. Line: mean over "
    "the $128/M$ groups into which 128 orderings can be cut. Band: from the best group to the "
    "worst.",
    alt="A falling line that starts above two level lines and ends below both.",
)

# %% tags=["hide"]
single, everything_averaged = curves_by_size[0].mean(), averaged_nll(log_probs_by_order, 128)[:, 0]
enough = [
    size for size, curve in zip(sizes, curves_by_size, strict=True) if curve.mean() < fixed_nll
]
overtaken = (
    f"With {enough[0]} orderings it is better on average than the NADE of the natural order "
    f"({fixed_nll:.2f})"
    if enough
    else f"It stays above the NADE of the natural order ({fixed_nll:.2f})"
)
nades = np.concatenate(list(nll_by_order.values()))  # (all orders and seeds, test images)
nades_averaged = (math.log(len(nades)) - logsumexp(-nades, axis=0)).mean()
book.say(
    "Averaged over the test images, the standard deviation of $\\log p_o(x)$ over the 128 "
    f"orderings is {log_probs_by_order.std(axis=1).mean():.2f} nats. That is what averaging lives "
    f"on (@fig:ensemble): one ordering has {single:.2f} nats, 8 have "
    f"{curves_by_size[3].mean():.2f}, all 128 have **{everything_averaged.mean():.2f} ± "
    f"{error(everything_averaged):.2f}**. {overtaken}. Averaging is open to any set of models, "
    f"though: the {len(nades)} NADEs that were trained for @table:orders have "
    f"{nades_averaged:.2f}, averaged. They are {len(nades)} networks with weights of their own; "
    "the orderings of one network need no further weights, and it answers for every order."
)

# %% [markdown]
# ### Any mask
#
# To complete an image from *any* set of pixels, take an order that begins with them. The library
# does so for every mask: the known pixels first, the others after them along the stated ordering.
# As two orderings give two different answers, `sample` wants a model that states one.

# %%
filler = orderless.with_orderings("natural")
square = np.arange(64).reshape(8, 8)
masks = {
    "a hole": ~np.isin(np.arange(64), square[2:6, 2:6]),
    "scattered pixels": np.isin(np.arange(64), np.random.default_rng(0).permutation(64)[:20]),
    "the bottom half": np.arange(64) >= 32,
}
pair_of_digits = grid.test.x[np.random.default_rng(1).choice(len(grid.test), 2, replace=False)]
filled = {
    name: filler.sample(
        10, conditioned_on=np.repeat(pair_of_digits, 5, axis=0), mask=mask, seed=3
    ).numpy()
    for name, mask in masks.items()
}

# %% tags=["fold"]
with plots.style():
    pictures, kept = [], []
    for name, mask in masks.items():
        for i in range(2):
            pictures += [pair_of_digits[i], *filled[name][5 * i : 5 * i + 5]]
            kept += [np.ones(64, bool), *[mask] * 5]
    figure = plots.kept_overlay(np.array(pictures), np.array(kept), (8, 8), columns=6)
book.figure(
    figure,
    "any-mask",
    "First column: two test images, three times. The tinted pixels were drawn by one "
    "order-agnostic network: a hole of 4 × 4 pixels, all but 20 scattered pixels, and the top "
    "half, which the NADE of the natural order refused above.",
    alt="Six rows of six digits; tinted holes, scattered pixels and upper halves differ.",
)

# %% [markdown]
# Is it any good at it? A small hole allows an exact comparison, because Bayes' rule can be carried
# out for the NADE of the natural order: a hole of 3 × 3 pixels can be filled in $2^9 = 512$ ways,
# and $p(\text{hole} \mid \text{rest})$ is $p(x)$ divided by the sum over all of them. The
# order-agnostic network has the same number as a product of nine conditionals.

# %%
hole = square[3:6, 3:6].reshape(-1)
rest = np.setdiff1d(np.arange(64), hole)
fills = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype("float32")

every_fill = np.repeat(grid.test.x, 512, axis=0)
every_fill[:, hole] = np.tile(fills, (len(grid.test), 1))
fixed = first_by_order["natural"]
evidence = log_probs(fixed, every_fill, batch_size=4800).reshape(-1, 512)
by_bayes = log_probs(fixed, grid.test.x, batch_size=300) - logsumexp(evidence, axis=1)

hole_orders = [[*rest, *hole[order]] for order in orderings.random_orders(9, 16, seed=0)]
conditionals = orderless.with_orderings(hole_orders).conditionals(grid.test.x)
terms = conditionals.log_prob(grid.test.x[:, None]).numpy()  # (images, 16 orders, 64 pixels)
by_network = terms[:, :, hole].sum(axis=2)

# %% tags=["hide"]
ink = (grid.train.x[:, hole].sum(axis=0) + 1) / (len(grid.train) + 2)
hole_nll = {
    "independent pixels": ("—", stats.bernoulli.logpmf(grid.test.x[:, hole], ink).sum(axis=1)),
    "NADE, natural order, Bayes' rule": ("512", by_bayes),
    "order-agnostic, one order": ("1", by_network[:, 0]),
    "order-agnostic, average over 16 orders": ("16", -averaged_nll(by_network, 16)[:, 0]),
}
book.table(
    [
        [name, passes, f"{-scores.mean():.3f} ± {error(scores):.3f}"]
        for name, (passes, scores) in hole_nll.items()
    ],
    ["model", "passes", "NLL of the hole (nats)"],
    "Mean of $-\\log p(\\text{hole} \\mid \\text{rest})$ over the test images ± one standard "
    "error, and how many images have to be scored for one of them.",
    name="hole",
)
hole_gap = by_network[:, 0] - by_bayes
average_gap = hole_nll["order-agnostic, average over 16 orders"][1] - by_bayes
book.say(
    "Image by image and against the exact answer of the fixed-order NADE, the order-agnostic "
    f"network with one order is {against(hole_gap.mean(), error(hole_gap))}; the average over 16 "
    f"orders of the hole is {against(average_gap.mean(), error(average_gap))}. For the hole of "
    f"4 × 4 pixels in @fig:any-mask the NADE would have to score {2**16:,} images, for half of an "
    "image $2^{32}$."
)

# %% [markdown]
# ### What it costs
#
# One set of weights now answers for all orders, so for any one of them it should be worse than a
# network of the same width that was trained for this order only. The test: score the order-agnostic
# network under the very orders of the NADEs of @table:orders.

# %%
named = [name for name in orderings.NAMES if name != "random"]
their_orders = [*named, *(orderings.random_order(64, seed) for seed in range(num_seeds))]
agnostic = -orderless.with_orderings(their_orders).ordering_log_probs(grid.test.x).numpy()
agnostic_nll = {name: agnostic[:, [i]].T for i, name in enumerate(named)}
agnostic_nll["random"] = agnostic[:, len(named) :].T  # (seeds, test images)

# %% tags=["hide"]
loss_rows = []
for name, nlls in nll_by_order.items():
    paired = (agnostic_nll[name] - nlls).mean(axis=0)
    loss_rows.append(
        [
            name,
            f"{nlls.mean():.2f}",
            f"{agnostic_nll[name].mean():.2f}",
            f"{number(paired.mean(), '+.2f')} ± {error(paired):.2f}",
        ]
    )
book.table(
    loss_rows,
    ["order", "NADE for this order", "one network for all", "difference"],
    f"Test NLL (nats) on the binarised digits, 100 units each. NADE: mean of {num_seeds} seeds, "
    'with a permutation of its own per seed for "random". ± is one standard error of the '
    "difference over the test images.",
    name="agnostic",
)
excess = {name: (agnostic_nll[name] - nll_by_order[name]).mean() for name in nll_by_order}
local_excess = np.mean([excess[name] for name in named])
best_epoch = int(np.argmin(orderless_history["val_loss"])) + 1
scan_cost, network_cost = 2 * 64 * 100, 3 * 64 * 100
book.say(
    f"The price in @table:agnostic is {number(local_excess, '+.2f')} nats on average for the five "
    f"orders that follow the image and {number(excess['random'], '+.2f')} for the random ones. "
    "There is a reason to expect more for the former: the sets met in training are scattered over "
    "the image, as the beginnings of a random order are; the beginnings of an order that follows "
    "the image are solid blocks, which training hardly ever shows. Besides, the training is "
    "harder: every example gives a noisy estimate from one random set. The best validation loss "
    f"came after epoch {best_epoch} of {len(orderless_history['loss'])}, where a NADE got 12. An "
    "epoch is cheap, being one dense pass per example; *scoring* is not. One ordering costs a "
    f"scan of {network_cost:,} multiply-adds per image ({scan_cost:,} for NADE), and $M$ orderings "
    f"cost $M$ of them: {128 * network_cost:,} for 128. They are scored one after another, so "
    "memory does not grow with $M$. With a second hidden layer a step costs $H^2$ more, because "
    "only the first layer can be carried along."
)

# %% [markdown]
# ## Grey levels
#
# Nothing in the derivation needs binary pixels. For pixels with 17 levels let the output of
# variable $i$ be 17 numbers, the unnormalised log-probabilities of its levels ($V_i$ becomes an
# $H \times 17$ matrix), and feed the level, scaled to $[0, 1]$, into $a_{i+1} = a_i + x_i W_i$. The
# scan does not change.

# %%
grey = digits()
grey_nade = NADE(64, hidden_units=100, likelihood=Categorical(17), activation="relu", seed=0)
grey_history = train(
    grey_nade,
    grey.train.x,
    grey.valid.x,
    epochs=book.setting(default=25, full=40),
    batch_size=63,
    rate=5e-3,
)
grey_baseline = TabularAutoregressive(64, order=0, num_classes=17).fit_counts(grey.train.x)
grey_samples = grey_nade.sample(16, seed=3).numpy()

# %% tags=["hide"]
grey_scores = {
    "independent pixels": (grey_baseline, grey_baseline.num_free_parameters),
    "NADE, 100 units": (grey_nade, grey_nade.count_params()),
}
grey_nll = {
    name: -log_probs(model, grey.test.x, batch_size=300) for name, (model, _) in grey_scores.items()
}
book.table(
    [
        [
            name,
            f"{grey_scores[name][1]:,}",
            f"{nll.mean():.2f} ± {error(nll):.2f}",
            f"{bits_per_dim(nll.mean(), 64):.3f} ± {bits_per_dim(error(nll), 64):.3f}",
        ]
        for name, nll in grey_nll.items()
    ],
    ["model", "parameters", "test NLL (nats)", "bits per pixel"],
    f"Digits with 17 grey levels. A uniform distribution needs {math.log2(17):.3f} bits per pixel.",
    name="grey",
)

# %% tags=["fold"]
with plots.style():
    figure = plots.image_grid(
        np.concatenate([grey.test.x[:16], grey_samples]), (8, 8), columns=8, limits=(0, 16)
    )
book.figure(
    figure,
    "grey-samples",
    "Rows 1 and 2: digits with 17 grey levels, from the test set. Rows 3 and 4: samples of NADE.",
    alt="Two rows of grey digits; two rows of samples of which some look like digits.",
)

# %% [markdown]
# ## Real values: RNADE
#
# For a real variable the output must be a density. RNADE lets the network give the parameters of a
# mixture of $K$ Gaussians:
#
# $$
# \begin{aligned}
# p(x_i \mid x_{<i}) &= \sum_{k=1}^{K} \pi_{ik}\, \mathcal{N}(x_i;\, \mu_{ik}, \sigma_{ik}^2), \\
# \pi_i &= \operatorname{softmax}(z_i), \qquad
# \sigma_{ik} = \sigma_{\min} + \log(1 + e^{r_{ik}}),
# \end{aligned}
# $$
#
# where $z_i, \mu_i, r_i$ are affine functions of $h_i$. With $K = 1$, enough linear hidden units
# and scales that ignore the context, every variable is a linear regression on its predecessors: a
# Gaussian with full covariance. So such a Gaussian is the baseline to beat.
#
# A floor $\sigma_{\min}$ is part of the model, not a detail. A mixture density has no upper bound:
# put the mean of one component on one training value and let $\sigma \to 0$, and the likelihood of
# the training set goes to infinity, while the other components keep the density of the other rows
# above zero. On test rows this pays only where values recur, as rounded values do. Any comparison
# of densities should state its floor; [appendix A](A_reading_tables.md) shows what floors and
# repeated values do to published tables.
#
# The first data set is a table of 20 measurements of cell nuclei, standardised with the training
# mean and standard deviation; values rounded by the source stay as they are. The number of
# components and the dropout were chosen on the validation rows.

# %%
cells = breast_cancer()
FLOOR = 0.1
rnade = NADE(
    cells.num_features,
    hidden_units=50,
    likelihood=MixtureOfGaussians(3, min_scale=FLOOR),
    activation="relu",
    dropout=0.2,
    seed=0,
)
rnade_history = train(rnade, cells.train.x, cells.valid.x, epochs=120, batch_size=114, rate=3e-3)


# %% tags=["fold"]
def gaussian(x):
    """Maximum-likelihood Gaussian with full covariance."""
    x = x.astype("float64")
    return stats.multivariate_normal(x.mean(axis=0), np.cov(x.T, bias=True))


def patches(split, seed):
    return dequantize(split.x, 256, seed)


photographs = photograph_patches(6, num_patches=book.setting(default=10_000, full=20_000), seed=0)
raw_patches = [
    patches(split, seed)
    for seed, split in enumerate((photographs.train, photographs.valid, photographs.test))
]
patch_mean, patch_std = raw_patches[0].mean(axis=0), raw_patches[0].std(axis=0)
patch_train, patch_valid, patch_test = (
    ((x - patch_mean) / patch_std).astype("float32") for x in raw_patches
)

# %% [markdown]
# The second is pixels: 6 × 6 patches of two photographs. Their 256 levels get uniform noise added
# (*dequantised*), so that no value repeats and the density says something about the levels:
# with $y = (x + u) / 256$ and $u$ uniform in the unit cube, $P(x) = 256^{-D}\, \mathbb{E}_u[p(y)]$,
# and by Jensen's inequality $-\log P(x) \le D \log 256 - \mathbb{E}_u[\log p(y)]$. We estimate the
# mean over the noise by one draw for each patch; scaling by $s_i$ adds $\sum_i \log s_i$. Patches
# for training, validation and testing come from different parts of the photographs.

# %%
patch_nade = NADE(
    36,
    hidden_units=100,
    likelihood=MixtureOfGaussians(5, min_scale=0.01),
    activation="relu",
    seed=0,
)
patch_history = train(
    patch_nade,
    patch_train,
    patch_valid,
    epochs=book.setting(default=12, full=20),
    batch_size=100,
    rate=1e-3,
)

# %% tags=["hide"]
mixture = GaussianMixture(3, reg_covar=FLOOR**2, random_state=0).fit(
    cells.train.x.astype("float64")
)
cell_scores = {
    "Gaussian, full covariance": gaussian(cells.train.x).logpdf(cells.test.x),
    "mixture of 3 Gaussians, full covariance": mixture.score_samples(
        cells.test.x.astype("float64")
    ),
    f"RNADE, floor {FLOOR}": log_probs(rnade, cells.test.x, batch_size=114),
}
patch_scores = {
    "Gaussian, full covariance": gaussian(patch_train).logpdf(patch_test),
    "RNADE, floor 0.01": log_probs(patch_nade, patch_test, batch_size=300),
}


def patch_bits(log_density):
    """Upper bound on bits per pixel of the 256 levels."""
    nll = -log_density + np.log(patch_std).sum() + 36 * math.log(256)
    return bits_per_dim(nll, 36)


book.table(
    [
        *[
            ["cell nuclei (20)", name, f"{number(scores.mean())} ± {error(scores):.2f}", ""]
            for name, scores in cell_scores.items()
        ],
        *[
            [
                "patches (36)",
                name,
                f"{number(scores.mean())} ± {error(scores):.2f}",
                f"{patch_bits(scores.mean()):.2f}",
            ]
            for name, scores in patch_scores.items()
        ],
    ],
    ["data (variables)", "model", "test log-likelihood (nats)", "bits per pixel ≤"],
    f"Log-densities of standardised values, higher is better; {len(cells.test)} and "
    f"{len(patch_test):,} test rows. Test patches overlap each other, so their standard error is "
    "too small.",
    name="rnade",
)
cell_names = list(cell_scores)
cell_gain = cell_scores[cell_names[2]] - cell_scores[cell_names[0]]
mixture_gain = cell_scores[cell_names[2]] - cell_scores[cell_names[1]]
patch_gain = patch_scores["RNADE, floor 0.01"] - patch_scores["Gaussian, full covariance"]


book.say(
    "Row by row, RNADE against the Gaussian on the cell nuclei is "
    f"{against(cell_gain.mean(), error(cell_gain))}; against three full Gaussians it is "
    f"{against(mixture_gain.mean(), error(mixture_gain))}. With {len(cells.train)} training rows "
    "the simple mixture is a serious rival. On patches RNADE is "
    f"{against(patch_gain.mean(), error(patch_gain))}: a patch of sky and a patch of leaves have "
    "very different variances, and one Gaussian has only one, which may be a reason. (Patches "
    "overlap, so this error is too small.)"
)


# %% [markdown]
# What do these conditionals look like? @fig:densities takes the variable of the table whose
# conditionals have two or more peaks most often among the test rows, and draws them for four rows:
# the same variable, four contexts.


# %% tags=["fold"]
def mixture_densities(model, x, values):
    """Density of every variable at `values` in the contexts of x: array (values, rows, D)."""
    return np.stack(
        [model.conditionals(x).prob(np.full(x.shape, v, "float32")).numpy() for v in values]
    )


values = np.linspace(-3, 4, 141)
curves = mixture_densities(rnade, cells.test.x, values)
inner = curves[1:-1]
peaks = (inner > curves[:-2]) & (inner > curves[2:]) & (inner > 0.1 * curves.max(axis=0))
num_peaks = peaks.sum(axis=0)  # (rows, D)
variable = int(np.argmax((num_peaks >= 2).mean(axis=0)))
several = np.flatnonzero(num_peaks[:, variable] >= 2)
single = np.flatnonzero(num_peaks[:, variable] < 2)
shown = [*several[:2], *single[:2], *several[2:]][:4]
with plots.style():
    figure, axes = plt.subplots(2, 2, figsize=(6.6, 4.2), sharex=True)
    for axis, row in zip(axes.flat, shown, strict=False):
        axis.plot(values, curves[:, row, variable])
        axis.axvline(
            cells.test.x[row, variable], color=plots.VERMILION, linestyle="--", linewidth=1.5
        )
        axis.set_ylim(bottom=0)
    figure.supxlabel(f"{cells.feature_names[variable]} (standardised)", fontsize=11)
    figure.supylabel("density", fontsize=11)
book.figure(
    figure,
    "densities",
    "The density $p(x_i \\mid x_{<i})$ of one variable in the contexts of four test rows (blue) "
    "and the value that the row really has (dashed).",
    alt="Four density curves of different place, width and number of peaks.",
)

# %% tags=["hide"]
book.say(
    f"The variable is *{cells.feature_names[variable]}*, number {variable + 1} in the order; "
    f"{(num_peaks[:, variable] >= 2).mean():.0%} of its conditionals have more than one peak (of "
    f"at least a tenth of the highest), over all variables {(num_peaks >= 2).mean():.0%}. Place, "
    "width and shape change with the context; a regression with Gaussian noise could change the "
    "place alone."
)

# %% tags=["fold"]
patch_samples = patch_nade.sample(16, seed=4).numpy() * patch_std + patch_mean
patch_gaussian = gaussian(patch_train).rvs(16, random_state=4) * patch_std + patch_mean
patch_data = raw_patches[2][:16]
with plots.style():
    pictures = np.clip(np.concatenate([patch_data, patch_gaussian, patch_samples]), 0, 1)
    figure = plots.image_grid(pictures, (6, 6), columns=8, cmap="gray")
book.figure(
    figure,
    "patches",
    "Rows 1 and 2: test patches. Rows 3 and 4: samples of the Gaussian. Rows 5 and 6: samples of "
    "RNADE.",
    alt="Six rows of small grey squares; only the Gaussian has no flat ones.",
)

# %% [markdown]
# ## From a density to a classifier
#
# Give NADE a label $y$: add to $c$ one row of its own per class, so that $a_1 = c + L_y$. Trained
# on pairs it models $p(x \mid y)$, and Bayes' rule turns it into a classifier:
#
# $$
# p(y \mid x) = \frac{p(x \mid y)\, p(y)}{\sum_{y'} p(x \mid y')\, p(y')} .
# $$
#
# Ten evaluations of $p(x \mid y)$ give the denominator exactly. The rival is a logistic regression
# that sees the same binary pixels and learns $p(y \mid x)$ directly, its regularisation chosen on
# the validation set.

# %%
labelled = book.setting(default=binarized_digits, full=mnist)()


def binary_rows(split):
    if labelled.num_levels == 2:
        return split.x
    return binarize(split.x, labelled.num_levels // 2)


x_train, x_valid, x_test = map(binary_rows, (labelled.train, labelled.valid, labelled.test))
y_train, y_valid, y_test = labelled.train.labels, labelled.valid.labels, labelled.test.labels

conditional = NADE(depth, hidden_units, activation="relu", num_labels=10, seed=0)
conditional_schedule = schedule | book.setting(default={"epochs": 20}, full={"epochs": 7})
train(
    conditional,
    {"x": x_train, "condition": y_train},
    {"x": x_valid, "condition": y_valid},
    **conditional_schedule,
)
log_prior = np.log(np.bincount(y_train, minlength=10) / len(y_train))
log_posterior = class_posteriors(conditional, x_test, 10, log_prior, batch_size=score_batch)

# %% tags=["fold"]
strengths = book.setting(default=(0.01, 0.1, 1.0), full=(0.01, 0.1))
regressions = [
    LogisticRegression(C=strength, max_iter=400).fit(x_train, y_train) for strength in strengths
]
valid_losses = [log_loss(y_valid, regression.predict_proba(x_valid)) for regression in regressions]
regression = regressions[int(np.argmin(valid_losses))]
regression_log = np.log(np.maximum(regression.predict_proba(x_test), 1e-300))

# %% tags=["hide"]
classifier_rows, right = [], {}
for name, posterior in (
    ("class-conditional NADE + Bayes' rule", log_posterior),
    ("logistic regression", regression_log),
):
    right[name] = np.argmax(posterior, axis=1) == y_test
    accuracy = right[name].mean()
    losses = -posterior[np.arange(len(y_test)), y_test]
    classifier_rows.append(
        [
            name,
            f"{100 * accuracy:.2f} ± "
            f"{100 * math.sqrt(accuracy * (1 - accuracy) / len(y_test)):.2f}",
            f"{losses.mean():.3f} ± {error(losses):.3f}",
        ]
    )
both_right = list(right.values())
only_nade, only_regression = (
    (both_right[0] & ~both_right[1]).sum(),
    (both_right[1] & ~both_right[0]).sum(),
)
book.table(
    classifier_rows,
    ["classifier", "test accuracy (%)", "test log loss (nats)"],
    f"{len(y_test):,} test images; ± is one standard error, for accuracy the binomial one.",
    name="classifiers",
)
discordant = int(only_nade + only_regression)
sign_test = stats.binomtest(int(only_nade), discordant).pvalue if discordant else 1.0
sure = [np.exp(posterior).max(axis=1).mean() for posterior in (log_posterior, regression_log)]
book.say(
    f"NADE alone is right on {only_nade} of the test images of @table:classifiers, logistic "
    f"regression alone on {only_regression}; a fair coin would give a split at least as uneven "
    f"with probability {number(sign_test, '.2g')}. How sure are they? The largest posterior "
    f"probability is {sure[0]:.1%} on average for NADE, which is right on "
    f"{right[classifier_rows[0][0]].mean():.1%}, and {sure[1]:.1%} for logistic regression, which "
    f"is right on {right[classifier_rows[1][0]].mean():.1%}. A generative classifier multiplies "
    f"{depth} conditionals. Small errors in them add up in $\\log p(x \\mid y)$ and can push the "
    "posteriors towards 0 and 1."
)
book.box(
    "notes",
    "What the notes say: a generative model contains a discriminative one",
    f"""
    True of a model of the pair $p(x, y)$, through Bayes' rule, as just measured:
    {classifier_rows[0][1]} % right. A model of $p(x)$ alone, such as the one trained above, says
    nothing about $y$: there is no label in any of its formulas. Its weights were fitted to predict
    {depth} pixels, and only a small part of that work is about which digit it is. The rival here is
    linear, with far fewer weights; a discriminative network of NADE's own size, which would be the
    fair comparison, was not trained.
    """,
)

# %% [markdown]
# ## A low probability is not an alarm
#
# The notes suggest calling an image with low $p(x)$ an anomaly. Two tests: images that are no
# digits under the NADE of digits, and patches that are no photographs under the RNADE of patches.

# %%
rng = np.random.default_rng(0)
no_digits = {
    "blank": np.zeros(depth, "float32"),
    "shuffled pixels": rng.permutation(binary.test.x[0]),
}
no_photographs = {
    "flat grey": (np.full(36, 0.5) - patch_mean) / patch_std,
    "noise": (rng.random(36) - patch_mean) / patch_std,
}
digit_scores = log_probs(nade, binary.test.x, batch_size=score_batch)
no_digit_scores = log_probs(nade, np.stack(list(no_digits.values())), batch_size=2)
no_photograph_scores = log_probs(patch_nade, np.stack(list(no_photographs.values())), batch_size=2)

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.8))
    for axis, scores, odd, names_of_odd in (
        (axes[0], digit_scores, no_digit_scores, no_digits),
        (axes[1], patch_scores["RNADE, floor 0.01"], no_photograph_scores, no_photographs),
    ):
        shown_scores = scores[scores > np.quantile(scores, 0.01)]
        axis.hist(shown_scores, bins=40, color=plots.SKY, label="test set")
        for value, name, color, line in zip(
            odd, names_of_odd, (plots.VERMILION, plots.PURPLE), ("-", "--"), strict=True
        ):
            axis.axvline(value, color=color, linestyle=line, label=name)
        axis.set(xlabel="log p(x) (nats)")
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1))
    axes[0].set_ylabel("number of test rows")
book.figure(
    figure,
    "anomalies",
    "Left: log-probabilities of test digits under NADE, and of two images that are none. Right: "
    "log-densities of test patches under RNADE, and of two patches that are none. The lowest "
    "hundredth of each test set is not drawn.",
    alt="Two histograms; noise lies far to the left of both, the flat patch inside its own.",
)

# %% tags=["hide"]
below_blank = (digit_scores < no_digit_scores[0]).mean()
above_shuffled = (digit_scores > no_digit_scores[1]).mean()
above_noise = (patch_scores["RNADE, floor 0.01"] > no_photograph_scores[1]).mean()
below_flat = (patch_scores["RNADE, floor 0.01"] < no_photograph_scores[0]).mean()
book.box(
    "notes",
    "What the notes say: low p(x) means anomaly",
    f"""
    Noise it does catch: the shuffled
    pixels are less probable than {above_shuffled:.1%} of the test digits, random grey levels less
    than {above_noise:.1%} of the test patches. But {below_blank:.1%} of the test digits are *less*
    probable than the blank image ($\\log p = {no_digit_scores[0]:.1f}$; digits
    ${digit_scores.mean():.1f}$ on average), and {below_flat:.1%} of the test patches have a lower
    density than a flat grey square. A threshold that rejects the blank image, or the flat square,
    also rejects all the test rows below it. A smooth picture is cheap because each of its pixels is
    easily predicted, whether or not it is of the kind that the model was trained on. [Chapter
    1](01_distributions.md) shows the same with tables, and tries two remedies: to ask whether
    $\\log p(x)$ is *typical*, on both sides, and to compare with a second model. Neither is a cure.
    """,
)

# %% [markdown]
# ## What goes wrong
#
# **The most probable image.** Rounding each probability instead of drawing from it, pixel by pixel,
# seems to give the best sample, close to the most probable image.


# %%
def greedy(model):
    """Takes the more probable value of every pixel, in the model's order."""
    x = np.zeros((1, model.num_features), "float32")
    for position in model.drawing_order:
        x[0, position] = model.conditionals(x).probs_parameter()[0, position] > 0.5
    return x


rounded = greedy(nade)
rounded_log_prob = log_probs(nade, rounded)[0]
sample_log_probs = log_probs(nade, nade.sample(128, seed=5).numpy(), batch_size=score_batch)

# %% tags=["hide"]
book.say(
    f"The rounded image has {int(rounded.sum())} pixels of ink and "
    f"$\\log p = {rounded_log_prob:.1f}$. Samples have {number(sample_log_probs.mean(), '.1f')} ± "
    f"{error(sample_log_probs):.1f} on average, and the most probable of {len(sample_log_probs)} "
    f"has {number(sample_log_probs.max(), '.1f')}. There is one rounded image and it is always the "
    "same. Greedy choices need not even find the most probable image; and that one would be no "
    "typical draw, for in many dimensions the most probable points are so few that they hold "
    "almost none of the probability. To see what a model knows, draw."
)

# %% [markdown]
# **Averaging logits.** The averages over orders above are averages of probabilities. A tempting
# shortcut averages the *logits* of each pixel over the orders, and applies the cross-entropy to
# that. But then the logit of pixel $i$ contains pixels that come after it in some of the orders.
# Two small models from the beginning, a NADE of the natural and one of the reversed order, show
# what happens.

# %%
pair = [tiny["natural"], tiny["reversed"]]
logits = np.mean([model.parameters(everything).numpy()[..., 0] for model in pair], axis=0)
shortcut = -np.logaddexp(0, np.where(everything == 1, -logits, logits)).sum(axis=1)
proper = np.logaddexp(
    *[log_probs(model, everything, batch_size=4096) for model in pair]
) - math.log(2)

# %% tags=["hide"]
seen = small.test.x[:, centre]
rows_seen = (seen @ 2.0 ** np.arange(12)).astype(int)
member_nll = [mean_nll(model, seen, batch_size=300)[0] for model in pair]
average_nll, shortcut_loss = -proper[rows_seen].mean(), -shortcut[rows_seen].mean()
book.say(
    f"Summed over all {len(everything):,} vectors, the average of the probabilities gives "
    f"{np.exp(proper).sum():.4f}, the shortcut **{np.exp(shortcut).sum():.4f}**. On the test set "
    f"the two models have {member_nll[0]:.3f} and {member_nll[1]:.3f} nats and their proper "
    f"average {average_nll:.3f}. The shortcut has a loss of {shortcut_loss:.3f}, which is not the "
    "NLL of any model, because its numbers do not sum to one. The 79.3 nats on binarized MNIST "
    "that the repository `karpathy/pytorch-made` states for ten masks were made this way; MADE's "
    "own code averages probabilities."
)

# %% [markdown]
# **Three data sets called binarized MNIST.** (a) *Fixed*: each pixel was drawn once from its grey
# level, and the draw was published; 50,000 / 10,000 / 10,000 images. (b) *Drawn anew* in each
# epoch, often for testing too: the training set never repeats, so there is no overfitting to the
# noise. (c) *Thresholded*: no noise at all. Numbers from one say nothing about another. The same
# architecture, 500 ReLU units, is listed at 85.65 nats under (b) by the repository
# `EugenHotaj/pytorch-generative`, and 500-unit NADE at 88.33 under (a) in the literature. Below,
# only (a) is compared. In its test file the images are grouped by digit, so a score on the first
# few batches is not a score either.
#
# ## Against the published numbers

# %% tags=["hide"]
FIXED, FIRST_PAPER = 88.33, 88.86
AGNOSTIC = {1: 92.17, 8: 89.16, 128: 87.71}  # by number of orderings


def apart_from(value, figure):
    return f"{abs(value - figure):.2f} nats {'above' if value > figure else 'below'}"


def training(recipe):
    """How a recipe trained, in words, from the settings that it recorded."""
    settings = recipe["settings"]
    words = [f"{recipe['epochs']} epochs"]
    if settings.get("dropout"):
        words.append(f"dropout {settings['dropout']}")
    if settings.get("shift"):
        words.append("images moved by up to one pixel")
    return (
        f"{', '.join(words)}; {recipe['parameters']:,} parameters, seed {recipe['seed']}, "
        f"{recipe['seconds'] / 60:.0f} minutes on {recipe['device']}"
    )


def measured(value, spread):
    return f"{value:.2f} ± {spread:.2f}"


fixed_recipe, agnostic_recipe = map(
    book.recorded, ("nade_binarized_mnist", "orderless_nade_binarized_mnist")
)
fixed_own, agnostic_own = "", dict.fromkeys(AGNOSTIC, "")
if fixed_recipe is None:
    book.say(
        "The recipe `nade_binarized_mnist` trains a NADE with 500 units on fixed binarized MNIST. "
        "It has not been run in this copy of the book, so only the published numbers stand here."
    )
else:
    value, spread = fixed_recipe["value"], fixed_recipe["standard_error"]
    fixed_own = measured(value, spread)
    book.say(
        f"The recipe `nade_binarized_mnist` reaches **{fixed_own}** nats on the test set "
        f"(@table:published). That is {apart_from(value, FIXED)} the {FIXED} of the literature and "
        f"{apart_from(value, FIRST_PAPER)} the {FIRST_PAPER} that later sources quote from the "
        f"first paper; our own test score is known to within {2 * spread:.2f} (two standard "
        "errors), and another seed would move it as well. Data, split and size are the published "
        f"ones; activation and training are not. This training: {training(fixed_recipe)}. As far "
        "as we know the published models saw no moved images, so this compares results, not models."
    )
if agnostic_recipe is None:
    book.say(
        "The recipe `orderless_nade_binarized_mnist` trains one network of 500 units for all "
        "orders. It has not been run in this copy of the book."
    )
else:
    beside = agnostic_recipe["beside"]
    scores = {
        1: (beside["test_nll_1_ordering"], beside["test_nll_1_ordering_standard_error"]),
        8: (beside["test_nll_8_orderings"], beside["test_nll_8_orderings_standard_error"]),
        128: (agnostic_recipe["value"], agnostic_recipe["standard_error"]),
    }
    agnostic_own = {count: measured(*score) for count, score in scores.items()}
    apart_by_count = [
        f"{apart_from(scores[count][0], figure)} the {figure} published for {count}"
        for count, figure in AGNOSTIC.items()
    ]
    gained = scores[1][0] - scores[128][0]
    book.say(
        f"The order-agnostic network of `orderless_nade_binarized_mnist` has "
        f"**{agnostic_own[128]}** nats as an average over 128 random orderings: "
        f"{', '.join(apart_by_count[::-1])}. Averaging gains {gained:.2f} nats over one ordering, "
        f"{AGNOSTIC[1] - AGNOSTIC[128]:.2f} in the published figures. Its training: "
        f"{training(agnostic_recipe)}."
    )
published_rows = [["NADE, fixed order: recipe", fixed_own, str(FIXED)]]
if book.setting(default=False, full=True):
    page_nll = test_scores[names[-1]]
    page_own = measured(page_nll.mean(), error(page_nll))
    published_rows.append(
        [f"NADE, fixed order: {len(epochs)} epochs, in this chapter", page_own, ""]
    )
published_rows += [
    [f"order-agnostic, {count} ordering{'s' * (count > 1)}", agnostic_own[count], str(figure)]
    for count, figure in AGNOSTIC.items()
]
book.table(
    published_rows,
    ["model, 500 units", "this library", "published"],
    "Test NLL (nats) on fixed binarized MNIST, all 10,000 test images, ± one standard error. "
    "Published: the authors' later code, "
    "[MarcCote/NADE](https://github.com/MarcCote/NADE), `deepnade/analyse_orderless_NADE.py`.",
    name="published",
)

# %% [markdown]
# ## Exercises
#
# **Exercise 2.1.** On how many parameters does $p(x_1)$ depend, and how many would do? What does
# the last row of $W$ do?
#
# ??? answer "Answer"
#
#     $h_1 = \varphi(c)$ does not depend on the image, so
#     $p(x_1 = 1) = \sigma(V_1 \cdot \varphi(c) + b_1)$ is one number. It depends on $c$, $V_1$ and
#     $b_1$, which are $2H + 1$ parameters; $b_1$ alone would do. Row $W_D$ does nothing: the last
#     pixel has no successors, so the row's gradient is $x_D s_D = 0$ and it keeps its initial
#     values.
#
# **Exercise 2.2.** Let $x_1, x_2$ be fair coins and $x_3 = 1$ if exactly one of them is 1. What is
# the best NLL that FVSBN can reach? Give the weights of a NADE with two ReLU units that reaches
# $2 \log 2$ up to a small error.

# %% tags=["hide"]
parity = NADE(num_features=3, hidden_units=2, activation="relu", seed=0)
parity.build((None, 3))
parity.kernel.assign([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
parity.bias.assign([0.0, -1.0])
parity.output_kernel.assign(np.array([[0, 0], [0, 0], [20, -40]], "float32")[..., None])
parity.output_bias.assign([[0.0], [0.0], [-10.0]])
four = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], "float32")
parity_nll = mean_nll(parity, four, batch_size=4)[0]
book.box(
    "answer",
    "Answer to 2.2, computed",
    rf"""
    The logit of $x_3$ in FVSBN is $b + u x_1 + v x_2$. Its loss, averaged over the four cases, is
    convex in $(b, u, v)$, and at $b = u = v = 0$ its gradient is zero: the residuals
    $\sigma(0) - x_3$ are $\tfrac12, -\tfrac12, -\tfrac12, \tfrac12$, and their sums, plain, over
    the cases with $x_1 = 1$ and over those with $x_2 = 1$, all vanish. So nothing is better than a
    coin: $3 \log 2 = {3 * math.log(2):.4f}$ nats.

    For NADE let both units see $x_1 + x_2$, with biases 0 and −1: $h = (s, \max(s - 1, 0))$ for
    $s = x_1 + x_2$. Then $h_1 - 2 h_2$ is 0, 1, 0 for $s = 0, 1, 2$. Output weights $(20, -40)$ and
    bias −10 make the logits −10, 10, −10. The library's model with these weights has
    {parity_nll:.4f} nats; $2 \log 2 = {2 * math.log(2):.4f}$.
    """,
)

# %% [markdown]
# **Exercise 2.3.** For which $H$ has NADE fewer parameters than FVSBN on $D$ variables?

# %% tags=["hide"]
limits = {}
for variables in (64, 784):
    fewer = [
        h
        for h in range(1, variables)
        if 2 * variables * h + h + variables < variables * (variables + 1) // 2
    ]
    limits[variables] = max(fewer)
book.box(
    "answer",
    "Answer to 2.3, computed",
    rf"""
    NADE has $2DH + H + D$, FVSBN $D(D-1)/2 + D$. The first is smaller if $H (2D + 1) < D(D-1)/2$,
    about $H < D/4$. Exactly: up to {limits[64]} units for $D = 64$ and up to {limits[784]} for
    $D = 784$.
    """,
)

# %% [markdown]
# **Exercise 2.4.** Derive $\partial L / \partial c$ and $\partial L / \partial V_i$, and say which
# line of the quoted `backward` computes each.
#
# ??? answer "Answer"
#
#     $c$ is a summand of every $a_k$, so $\partial L / \partial c = \sum_{k \ge 1} \delta_k = s_0$:
#     what `later` holds after the last step, returned as `initial_grad` (per example; the automatic
#     differentiation around the scan sums it over the batch). $V_i$ appears in $o_i$ only:
#     $\partial L / \partial V_i = (\partial L / \partial o_i)\, h_i$, summed over the batch: the
#     matrix product of `h`, transposed, and `upstream[i]`.
#
# **Exercise 2.5.** The backward pass recovers $a_1$ from $a_{D+1}$ by $D$ subtractions. How large
# is the error for $D = 784$ in float32 and in float16?

# %% tags=["hide"]
drifts = {}
for kind in ("float32", "float16"):
    rng = np.random.default_rng(0)
    kernel = (rng.standard_normal((784, 500)) / 28).astype(kind)
    a = start = rng.standard_normal(500).astype(kind)
    ink = np.flatnonzero(rng.random(784) < 0.5)
    for j in ink:
        a = a + kernel[j]
    for j in ink[::-1]:
        a = a - kernel[j]
    drifts[kind] = float(np.abs(a.astype("float64") - start.astype("float64")).max())
book.box(
    "answer",
    "Answer to 2.5, computed",
    f"""
    With random weights of standard deviation 1/28 and half of the pixels inked, the largest error
    over 500 units is {number(drifts["float32"], ".1e")} in float32 and
    {number(drifts["float16"], ".1e")} in float16.
    Each addition rounds to the nearest representable number and the subtraction rounds again; the
    errors add up like a random walk. That is why the scan keeps float32 under mixed precision.
    """,
)

# %% [markdown]
# **Exercise 2.6.** Let $\bar p = \frac1M \sum_m p_m$. How far can $\log \bar p(x)$ lie from the
# largest of the $\log p_m(x)$? Average the *log-probabilities* instead, $g = \frac1M \sum_m \log
# p_m$: is $e^{g}$ a distribution?

# %% tags=["hide"]
geometric = np.exp(toy_log_probs.astype("float64").mean(axis=1)).sum()
book.box(
    "answer",
    "Answer to 2.6, computed",
    rf"""
    A mean of positive numbers is at most the largest of them, and at least that one divided by
    $M$. So $\log \bar p(x)$ is at most $\max_m \log p_m(x)$ and at most $\log M$ below it. An
    average over 128 orders may lose up to $\log 128 = {math.log(128):.2f}$ nats to the order that
    suits an image best; which one that is, nobody knows beforehand.

    $e^{{g(x)}}$ is the geometric mean of the $p_m(x)$, never above the arithmetic one: its sum over
    all $x$ is at most 1, and equal to 1 only if all $p_m$ are the same. For the five variables and
    120 orders of @table:toy it is {geometric:.4f}. The average log-probability is thus not the log
    of a distribution. Average *logits*, with contexts of different orders, need not even have a
    sum of at most 1.
    """,
)

# %% [markdown]
# **Exercise 2.7.** A digit is covered below its middle: only the first $D/2$ pixels are known. Use
# the class-conditional NADE to classify it, exactly. Why can the logistic regression not do this?

# %% tags=["hide"]
half = depth // 2
joint = np.empty((len(x_test), 10))
for label in range(10):
    for start in range(0, len(x_test), score_batch):
        rows = slice(start, start + score_batch)
        block = x_test[rows]
        pixels = (
            conditional.conditionals(block, np.full(len(block), label, "int32"))
            .log_prob(block)
            .numpy()
        )
        joint[rows, label] = pixels[:, :half].sum(axis=1) + log_prior[label]
half_accuracy = (joint.argmax(axis=1) == y_test).mean()
guessed = np.where(np.arange(depth) < half, x_test, x_train.mean(axis=0))
regression_half = (regression.predict(guessed) == y_test).mean()
book.box(
    "answer",
    "Answer to 2.7, computed",
    rf"""
    In row-by-row order the top half comes first, and
    $p(x_{{\le k}} \mid y) = \prod_{{i \le k}} p(x_i \mid x_{{<i}}, y)$: the remaining factors sum
    to one and drop out. So keep only the first $k$ terms of $\log p(x \mid y)$, and apply Bayes'
    rule. This is right on **{half_accuracy:.1%}** of the test images. Logistic regression has no
    $p(x)$ to sum with; filling in the mean of the training pixels, a common makeshift, gives
    {regression_half:.1%}.
    """,
)

# %% [markdown]
# **Exercise 2.8.** Leave $U$ out of the order-agnostic network, so that it sees the masked image
# but not the mask. Let $x_1 = x_2$ be one fair coin. What is the smallest $J$, averaged over the
# data, that such a network can reach, and what is it with $U$?

# %% tags=["hide"]
without_mask = -math.log(2 / 3) - math.log(1 / 3) / 2
book.box(
    "answer",
    "Answer to 2.8, computed",
    rf"""
    Without $U$ the input is zero when nothing is known, and also when the other variable is known
    to be 0. Let $q$ be the answer $p(x_i = 1)$ to this one input, for both $i$ by symmetry; given
    $x_j = 1$ the answer can be 1. For $x = (0, 0)$ both factors of either order are $1 - q$; for
    $x = (1, 1)$ the first is $q$, the second 1. So
    $J = \tfrac12 \cdot (-2 \log (1 - q)) + \tfrac12 \cdot (-\log q)$, which is smallest at
    $q = \tfrac13$: **{without_mask:.4f}** nats. With $U$ the network can say $\tfrac12$ when
    nothing is known and 0 when the other is 0: $\log 2 = {math.log(2):.4f}$. One answer had to
    serve two questions.
    """,
)

# %% [markdown]
# **Exercise 2.9.** Let every pixel be known with probability $\tfrac12$ instead of a random $\rho$.
# Which weight of $\ell_K$ would make the estimate right? Why would you not train with it?

# %% tags=["hide"]
k = np.arange(64)
half_weights = 2.0**64 / (comb(64, k) * (64 - k))
quarter = stats.binom.cdf(16, 64, 0.5)
book.box(
    "answer",
    "Answer to 2.9, computed",
    rf"""
    Now $P(K) = 2^{{-D}}$ for every set, and $J$ gives it the weight
    $1 / \big(\binom{{D}}{{k}} (D - k)\big)$. The quotient,
    $2^D / \big(\binom{{D}}{{k}} (D - k)\big)$, is right on average. For $D = 64$ it is
    {number(half_weights.min(), ".2g")} at $k = {int(half_weights.argmin())}$ and
    {number(half_weights[0], ".2g")} at $k = 0$. Sets with a quarter of the pixels or fewer turn up
    with probability {number(quarter, ".2g")}, and then their weight makes up for all the times that
    they did not: the mean is right and the variance hopeless. Without the weight the network would
    learn almost only about half-known images, and every order begins with none.
    """,
)

# %% [markdown]
# ## References
#
# - H. Larochelle and I. Murray, *The neural autoregressive distribution estimator*, AISTATS 2011,
#   [PMLR 15](https://proceedings.mlr.press/v15/larochelle11a.html). The model, its order of cost
#   and its gradient.
# - R. M. Neal, *Connectionist learning of belief networks*, 1992,
#   [doi:10.1016/0004-3702(92)90065-6](https://doi.org/10.1016/0004-3702%2892%2990065-6). Sigmoid
#   belief networks, of which the fully visible one has no hidden units.
# - B. Uria, I. Murray, H. Larochelle, *A deep and tractable density estimator*, 2014,
#   [arXiv:1310.1757](https://arxiv.org/abs/1310.1757). Training for all orders at once, and
#   averages over orders.
# - B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle, *Neural autoregressive distribution
#   estimation*, 2016, [arXiv:1605.02226](https://arxiv.org/abs/1605.02226). The long account, with
#   deep and order-agnostic NADE.
# - B. Uria, I. Murray, H. Larochelle, *RNADE: the real-valued neural autoregressive
#   density-estimator*, 2013, [arXiv:1306.0186](https://arxiv.org/abs/1306.0186).
# - M. Germain, K. Gregor, I. Murray, H. Larochelle, *MADE: masked autoencoder for distribution
#   estimation*, 2015, [arXiv:1502.03509](https://arxiv.org/abs/1502.03509). Many orders by masks,
#   averaged as probabilities.
# - L. Theis, A. van den Oord, M. Bethge, *A note on the evaluation of generative models*, 2015,
#   [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). Dequantisation, and why numbers of
#   different kinds cannot be compared.
