# %% [markdown]
# # 1. What a generative model is
#
# A generative model is a probability distribution over examples, learned from examples. This
# chapter builds the simplest ones, tables of probabilities, fits them to images by counting,
# draws from them, and shows what their densities can and cannot tell.

# %% tags=["fold"]
import lzma

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy.special import gammaln
from sklearn.metrics import roc_auc_score, roc_curve

from genkeras import TabularAutoregressive, book, plots
from genkeras.autoregressive.tabular import count_free_parameters
from genkeras.book.prose import error, mean_error, number
from genkeras.datasets import binarized_digits, binarized_mnist, photograph_patches
from genkeras.evaluation import bits_per_dim, log_probs, mean_nll
from genkeras.likelihoods import Bernoulli, Categorical
from genkeras.models import ExplicitModel, ImplicitModel, LatentVariableModel

SEED = 0
small = binarized_digits()
data = book.setting(default=binarized_digits, full=binarized_mnist)()
data_name = book.setting(default="the 8 × 8 digits", full="binarized MNIST")
side = data.image_shape[0]
num_pixels = data.num_features
rng = np.random.default_rng(SEED)

book.declare(
    title="What a generative model is",
    data=book.setting(
        default="scikit-learn's digits binarised at grey level 8, patches of its two photographs",
        full="binarized MNIST; scikit-learn's digits binarised at grey level 8, patches of its "
        "two photographs",
    ),
    seed=SEED,
)

# %% [markdown]
# ## Three uses of one function
#
# Take a pile of images of handwritten digits. A **discriminative** model answers one question
# about an image, such as which digit it shows: it is a distribution $p(y \mid x)$ over labels. A
# **generative** model describes the images themselves: it is a distribution $p(x)$ that should be
# close to the one the images came from. (For discrete $x$ it is a probability; we say *density*
# for both kinds.) Three things can be done with it:
#
# - **Generation.** Draw $x_{\text{new}} \sim p(x)$. The draw should look like the data, without
#   being a copy.
# - **Density estimation.** Evaluate $p(x)$ for a given $x$. This compares models, compresses
#   data, and is often used to find anomalies: images to which the model gives a low probability.
# - **Representation.** Learn features of the data without labels. The tables of this chapter
#   learn none; the models with hidden units in later chapters do.
#
# A model need not offer all three. One that evaluates $p(x)$ is called **explicit**. One that
# only draws samples is called **implicit**. Between them is a kind whose density is well defined
# but too expensive to evaluate, so that one computes a bound. All models of this chapter are
# explicit; the last section sorts the others.
#
# The book follows a set of Korean lecture notes on generative models. Boxes headed *What the
# notes say* take up points where the notes err or leave a question open.

# %% tags=["hide"]
book.box(
    "notes",
    "What the notes say: a generative model contains a classifier",
    """
    That holds for a model of examples *and* labels, $p(x, y)$, through Bayes' rule. A model of
    $p(x)$ alone has never seen a label and cannot name a class. Exercise 1.6 builds a classifier
    from ten densities, one for each class.
    """,
)

# %% [markdown]
# ## One variable
#
# A **Bernoulli** variable takes the value 1 with probability $p$ and 0 with probability $1 - p$:
#
# $$
# P(X = x) = p^x (1 - p)^{1 - x}, \qquad x \in \{0, 1\}.
# $$
#
# One number says everything. A **categorical** variable takes one of $m$ values with
# probabilities $p_1, \dots, p_m$. They sum to 1, so the last follows from the others: $m - 1$
# free numbers.
#
# A neural network (chapter 2) does not output probabilities but unconstrained numbers; what turns
# them into probabilities the library calls a *likelihood*. For the Bernoulli the number is the
# logit $a = \log \frac{p}{1 - p}$, so $p = 1 / (1 + e^{-a})$. For the categorical there are $m$
# numbers $a_1, \dots, a_m$ and $p_j = e^{a_j} / \sum_l e^{a_l}$. Adding the same constant to all of
# them changes nothing: $m$ numbers, $m - 1$ of them free. The library's likelihoods return
# distributions of TensorFlow Probability:

# %%
logit = np.log(0.8 / 0.2)
pixel = Bernoulli().distribution(tf.constant([[logit]]))
weather = Categorical(3).distribution(tf.constant([[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]]))

print("P(X = 1), P(X = 0):", np.exp([pixel.log_prob(1.0)[0], pixel.log_prob(0.0)[0]]).round(4))
print("two rows of logits:", *weather.probs_parameter().numpy().round(4), sep="\n")

# %% tags=["hide"]
book.box(
    "notes",
    "What the notes say: P(X = 0) = p",
    f"""
    The usual convention, and that of every library used here, is $P(X = 1) = p$: above, the logit
    of 0.8 gave $P(X = 1)$ = {np.exp(pixel.log_prob(1.0)[0].numpy()):.1f}. To read a
    model of one convention by the other would paint negatives.
    """,
)

# %% [markdown]
# ## Many variables: how many numbers?
#
# A binary image of $n$ pixels is a vector $x = (x_1, \dots, x_n)$. There are $2^n$ such images. A
# distribution over them gives a probability to each, and they sum to 1: $2^n - 1$ free numbers.
# One RGB pixel with 256 levels per channel has $256^3$ values and needs $256^3 - 1$ numbers.
#
# At the other end, suppose the pixels are **independent**: $p(x) = p(x_1)\,p(x_2) \cdots p(x_n)$.
# Then one number per pixel is enough, $n$ in all.

# %%
full_joint = 2**784 - 1
rgb_pixel = 256**3 - 1

# %% tags=["hide"]
book.say(f"""
    For 28 × 28 binary images the full distribution has $2^{{784}} - 1$ free numbers, an integer
    of {len(str(full_joint))} decimal digits. One RGB pixel alone needs {rgb_pixel:,}. The set of
    50,000 training images that is customary for binarized MNIST could touch at most 50,000 of the
    probabilities. A table of them all can neither be stored nor learned, and the independent
    model, as we shall see, draws noise. Everything in this book lies between these two.
""")
book.box(
    "notes",
    "What the notes say: 2^768 images, and 255 × 255 × 255 numbers per RGB pixel",
    f"""
    28 × 28 is {28 * 28}, so there are 784 variables and $2^{{784}}$ images, $2^{{{784 - 768}}}$ =
    {2 ** (784 - 768):,} times $2^{{768}}$. And the
    "minus one" applies once to the whole table, not to each channel: $256^3 - 1$ = {256**3 - 1:,}
    numbers, while 255³ = {255**3:,} is {256**3 - 1 - 255**3:,} short.
    """,
)
book.box(
    "notes",
    'What the notes ask: why n when independent and 2^n when not? ("one just adds")',
    """
    Under independence the *probabilities multiply*: $p(x) = \\prod_i p(x_i)$. What adds up is the
    number of *parameters*: the factor of each pixel has one number of its own, so $n$ factors have
    $n$. Without independence $p(x)$ is no product of functions of single pixels: knowing $p(x)$ for
    one image says nothing about another, except through the sum being 1, so all $2^n$ entries but
    one are free.
    """,
)

# %% [markdown]
# ## The chain rule
#
# Conditional probability is *defined* by $p(a, b) = p(a)\, p(b \mid a)$, wherever $p(a) > 0$.
# Take $a = (x_1, \dots, x_{n-1})$ and $b = x_n$:
#
# $$
# p(x_1, \dots, x_n) = p(x_1, \dots, x_{n-1})\; p(x_n \mid x_1, \dots, x_{n-1}).
# $$
#
# The first factor is a distribution over $n - 1$ variables; split it in the same way, and so on
# down to one variable:
#
# $$
# p(x) = \prod_{i=1}^{n} p(x_i \mid x_{<i}), \qquad x_{<i} = (x_1, \dots, x_{i-1}).
# $$
#
# (After a context of probability 0 any number may stand: the product is 0 already.) Nothing was
# assumed, so this **chain rule** holds for every distribution and for every order of
# the variables. It also saves nothing. Variable $i$ has $2^{i-1}$ *contexts* $x_{<i}$, and each
# needs one number, the probability of a 1 in that context:
#
# $$
# \sum_{i=1}^{n} 2^{i-1} = 2^n - 1 .
# $$
#
# The class `TabularAutoregressive` stores exactly these tables. Its weights can be counted by
# Keras and compared with the formula. In it, `order` is the number of predecessors that a
# variable may look at, here all of them:

# %% tags=["fold"]
rows = []
for n in range(1, 7):
    model = TabularAutoregressive(n, order=n - 1)
    model.build((None, n))
    if not model.count_params() == model.num_free_parameters == 2**n - 1:
        raise ValueError(f"The counts disagree for n = {n}.")
    rows.append([n, 2 ** (n - 1), 2**n - 1, model.count_params()])
book.table(
    rows,
    ["variables n", "contexts of the last", "2^n − 1", "weights of the model"],
    "The chain rule has as many free numbers as the full table. The last column is "
    "`count_params()` of a "
    "`TabularAutoregressive` of order n − 1.",
    name="full-joint",
)

# %% [markdown]
# ## Bayes' rule
#
# Writing $p(x, y)$ in both orders, $p(x)\,p(y \mid x) = p(y)\,p(x \mid y)$, and dividing gives
#
# $$
# p(y \mid x) = \frac{p(x \mid y)\, p(y)}{p(x)}, \qquad p(x) = \sum_{y} p(x \mid y)\, p(y).
# $$
#
# It turns "how likely is this observation for each class?" into "how likely is each class after
# this observation?". Here is one observation on real images: *the four pixels in the middle of an
# 8 × 8 digit are blank*. How does that change the odds of the ten digits?

# %%
labels = small.train.labels
blank_middle = small.train.x.reshape(-1, 8, 8)[:, 3:5, 3:5].max(axis=(1, 2)) == 0

prior = np.bincount(labels, minlength=10) / len(labels)  # p(y)
likelihood = np.array([blank_middle[labels == digit].mean() for digit in range(10)])  # p(x | y)
evidence = np.sum(likelihood * prior)  # p(x)
posterior = likelihood * prior / evidence  # p(y | x)

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 2.9))
    axis.bar(np.arange(10) - 0.2, prior, 0.38, label="p(digit)", color=plots.SKY)
    axis.bar(
        np.arange(10) + 0.2,
        posterior,
        0.38,
        label="p(digit given a blank middle)",
        color=plots.VERMILION,
        hatch="//",
    )
    axis.set(xlabel="digit", ylabel="probability", xticks=range(10))
    axis.legend()
book.figure(
    figure,
    "bayes",
    "Prior and posterior of the digit, after seeing that the four middle pixels of an 8 × 8 "
    "image are blank.",
    alt="Bar chart. The prior is flat; the posterior has most of its mass on one or two digits.",
)

# %% tags=["hide"]
winner = int(posterior.argmax())
counted = np.mean(labels[blank_middle] == winner)
test_blank = small.test.x.reshape(-1, 8, 8)[:, 3:5, 3:5].max(axis=(1, 2)) == 0
on_test = np.mean(small.test.labels[test_blank] == winner)
share_error = np.sqrt(on_test * (1 - on_test) / test_blank.sum())
if not np.isclose(posterior[winner], counted):
    raise ValueError("Bayes' rule must agree with direct counting on the same images.")
book.say(f"""
    A digit {winner} has prior probability {prior[winner]:.3f}. Its middle is blank with
    probability {likelihood[winner]:.3f}, against {evidence:.3f} for all digits together, so the
    observation multiplies its probability by {likelihood[winner] / evidence:.1f}, to
    **{posterior[winner]:.3f}** (@fig:bayes). Counting the share of {winner}s among the
    {blank_middle.sum()} training images with a blank middle gives the same {counted:.3f}, as it
    must: Bayes' rule is an identity. Whether it *generalises* is another question: among the
    {test_blank.sum()} test images with a blank middle the share is {on_test:.3f} ±
    {share_error:.3f}.
""")

# %% [markdown]
# ## Conditional independence
#
# $x$ and $y$ are **independent given** $z$ when $p(x, y \mid z) = p(x \mid z)\, p(y \mid z)$ for
# every value of $z$ with positive probability. Dividing by $p(y \mid z)$ gives the form in which
# we shall use it:
#
# $$
# p(x \mid y, z) = p(x \mid z).
# $$
#
# Once $z$ is known, $y$ may be struck out. It does *not* say that $x$ and $y$ are independent.
# Let $z$ be a hidden bit and $x$, $y$ two noisy readings of it, each made without regard to the
# other. To measure dependence we use the **mutual information**, which is zero exactly under
# (conditional) independence, as will be shown:
#
# $$
# I(x; y \mid z) = \sum_{x, y, z} p(x, y, z) \log \frac{p(x, y \mid z)}{p(x \mid z)\, p(y \mid z)} .
# $$


# %%
def information(joint):
    """I(x; y | z) in nats of tables whose last three axes are x, y, z."""
    p_z = joint.sum(axis=(-3, -2), keepdims=True)
    p_xz, p_yz = joint.sum(axis=-2, keepdims=True), joint.sum(axis=-3, keepdims=True)
    ratio = np.divide(joint * p_z, p_xz * p_yz, out=np.ones_like(joint), where=joint > 0)
    return np.sum(joint * np.log(ratio), axis=(-3, -2, -1))


p_z = np.array([0.7, 0.3])
p_x_given_z = np.array([[0.9, 0.1], [0.2, 0.8]])  # rows: z
p_y_given_z = np.array([[0.8, 0.2], [0.3, 0.7]])
joint = np.einsum("z,zx,zy->xyz", p_z, p_x_given_z, p_y_given_z)

# %% tags=["hide"]
p_xy = joint.sum(axis=2)
p_x, p_y = p_xy.sum(axis=1), p_xy.sum(axis=0)
rows = []
for name, table in [
    ("unknown", p_xy),
    ("0", joint[..., 0] / p_z[0]),
    ("1", joint[..., 1] / p_z[1]),
]:
    product = table.sum(axis=1)[1] * table.sum(axis=0)[1]
    shared = abs(float(information(table[..., None])))  # rounding can leave -0.0
    rows.append([name, f"{table[1, 1]:.4f}", f"{product:.4f}", f"{shared:.4f}"])
if not (information(p_xy[..., None]) > 0.01 and abs(information(joint)) < 1e-12):
    raise ValueError("Expected dependence, and none given z.")
book.table(
    rows,
    ["z is", "P(x = 1, y = 1)", "P(x = 1) P(y = 1)", "information (nats)"],
    "Two noisy readings x, y of a bit z. All probabilities of a row are given what the first "
    "column says.",
    name="readings",
)
after = p_xy[1, 1] / p_y[1]
book.say(f"""
    Without $z$ the product rule fails (@table:readings): reading $y = 1$ raises the probability
    of $x = 1$ from {p_x[1]:.2f} to {after:.2f}, because it makes $z = 1$ more probable. With $z$
    known, the joint probability *is* the product in every row, and the information is zero up to
    rounding.
""")

# %% [markdown]
# ## Between all and nothing: models of order k
#
# Now strike out. If each pixel is independent of all earlier ones given its direct predecessor
# (the **Markov assumption**), then $p(x_i \mid x_{<i}) = p(x_i \mid x_{i-1})$ and the chain rule
# becomes
#
# $$
# p(x) = p(x_1)\, p(x_2 \mid x_1)\, p(x_3 \mid x_2) \cdots p(x_n \mid x_{n-1}).
# $$
#
# The first variable has one number and each of the others two, one for $x_{i-1} = 0$ and one for
# $x_{i-1} = 1$: together $2n - 1$. An **autoregressive model of order $k$**, AR($k$), looks back
# at $k$ predecessors. Variables $1, \dots, k$ have $1, 2, \dots, 2^{k-1}$ contexts and the other
# $n - k$ have $2^k$ each, so the number of free numbers is
#
# $$
# (2^k - 1) + (n - k)\, 2^k .
# $$
#
# $k = 0$ gives $n$, $k = 1$ gives $2n - 1$, and $k = n - 1$ gives $2^n - 1$ again. "Previous"
# needs an order of the pixels: here row by row, as one reads.

# %% tags=["hide"]
rows = []
names = {0: "independent", 1: "Markov", 4: "", 8: "", 28: "one row back", 783: "full joint"}
for k, name in names.items():
    count = count_free_parameters(784, k)
    shown = f"{count:,}" if count < 10**13 else f"{len(str(count))} digits"
    rows.append([str(k), name, shown])
book.table(
    rows,
    ["order k", "name", "free numbers for n = 784"],
    "What a table of order k needs for a binary image of 28 × 28 pixels.",
    name="orders",
)

# %% [markdown]
# The assumption is convenient. Is it true of images? It says $I(x_i; x_{i-d} \mid x_{i-1}) = 0$
# for every distance $d \geq 2$, and that can be measured: count the eight combinations of three
# pixels over the training images and use the function above.


# %%
def triple_tables(x, distance):
    """Shares of the 8 values of (x_i, x_{i-d}, x_{i-1}), i >= d: (pixels, 2, 2, 2)."""
    now, far, near = x[:, distance:], x[:, :-distance], x[:, distance - 1 : -1]
    cells = [
        np.mean((now == a) & (far == b) & (near == c), axis=0)
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
    ]
    return np.stack(cells, axis=1).reshape(-1, 2, 2, 2)


chosen = rng.permutation(len(data.train.x))[:5000]
distances = np.arange(2, side + 5)
excess = np.array([information(triple_tables(data.train.x[chosen], d)).sum() for d in distances])

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.0))
    axis.plot(distances, excess, marker="o")
    axis.axvline(side, color=plots.MUTED, linestyle=":")
    axis.text(side + 0.2, 0.1, "one row back", color=plots.MUTED)
    axis.set(xlabel="distance d (pixels)", ylabel="information (nats)", ylim=(0, None))
book.figure(
    figure,
    "markov",
    "What a pixel still tells about another one $d$ places later, when the direct predecessor "
    "of that one is "
    "known: $I(x_i; x_{i-d} \\mid x_{i-1})$, summed over the image. The Markov assumption says "
    "0.",
    alt="The curve is high at the shortest distances, falls, and rises to a sharp peak around "
    "the width of the image.",
)

# %% tags=["hide"]
peak = int(distances[excess[3:].argmax() + 3])
if abs(peak - side) > 1:
    raise ValueError(f"Expected the peak one row back. Received: a peak at distance {peak}")
where = "" if peak == distances[excess.argmax()] else "Beyond the nearest neighbours, "
bias = (num_pixels - side) / len(chosen)
book.say(f"""
    @fig:markov shows that it is false, and where. Counting noise alone would give about
    {bias:.2f} nats (each pixel adds at most about one divided by the number of images); the
    measured values go up to {excess.max():.1f}. {where}{"the" if where else "The"} curve is
    highest at distance {peak}, where the rows are {side} pixels wide: in an order that runs
    along rows, the pixel *above* is {side} places back and the one to the right of that
    {side - 1}. A chain that looks back one pixel sees neither. An assumption of independence is a
    choice of what to forget, and a good model forgets what matters least.
""")

# %% [markdown]
# ## Fitting: maximum likelihood is counting
#
# Which numbers should go into the tables? **Maximum likelihood** chooses those under which the
# $T$ training images are most probable, that is, which maximise $\sum_t \log p(x^{(t)})$. By the
# chain rule the sum splits into one sum per pixel and context. Let $n_{c1}$ and $n_{c0}$ be how
# often the pixel was 1 and 0 in context $c$, and $\theta_c$ the probability of a 1:
#
# $$
# \sum_{t=1}^{T} \log p(x^{(t)})
# = \sum_{c} \bigl[ n_{c1} \log \theta_c + n_{c0} \log (1 - \theta_c) \bigr].
# $$
#
# Each context has its own $\theta_c$, so each bracket can be maximised alone. For a variable with
# $m$ values, counts $n_1, \dots, n_m$ with sum $N$, and relative frequencies $f_j = n_j / N$, the
# bracket is, with $0 \log 0 = 0$,
#
# $$
# \sum_j n_j \log \theta_j
# = N \sum_j f_j \log f_j - N \sum_j f_j \log \frac{f_j}{\theta_j}
# = -N \bigl[ H(f) + \mathrm{KL}(f \,\|\, \theta) \bigr].
# $$
#
# $H(f) = -\sum_j f_j \log f_j$ is the **entropy** of the frequencies and does not depend on
# $\theta$. The **Kullback-Leibler divergence**
# $\mathrm{KL}(f \,\|\, \theta) = \sum_j f_j \log (f_j / \theta_j)$ is never negative: since
# $\log u \leq u - 1$, with equality only at $u = 1$,
#
# $$
# -\mathrm{KL}(f \,\|\, \theta) = \sum_{j : f_j > 0} f_j \log \frac{\theta_j}{f_j}
# \leq \sum_{j : f_j > 0} f_j \Bigl( \frac{\theta_j}{f_j} - 1 \Bigr)
# = \sum_{j : f_j > 0} \theta_j - 1 \leq 0 ,
# $$
#
# with equality only for $\theta = f$. (The mutual information is such a divergence, of $p(x, y \mid
# z)$ from $p(x \mid z)\, p(y \mid z)$, averaged over $z$: hence never negative, and zero exactly
# when the two agree. $I(x; y)$ is the same without $z$.) So in every context that was seen at all
# the maximum is unique, and it is the vector of relative frequencies: *maximum likelihood is
# counting*. (Where all $n_j > 0$, a Lagrange multiplier gives the same: setting the derivative of
# $\sum_j n_j \log
# \theta_j - \lambda (\sum_j \theta_j - 1)$ to zero gives $\theta_j = n_j / \lambda$, and the
# constraint gives $\lambda = N$. With $n_j = 0$ the maximum lies on the boundary, where no
# derivative vanishes; the inequality covers that case too.)
#
# The same identity holds for the whole image. With $p_{\text{data}}$ for the distribution of the
# images,
#
# $$
# -\mathbb{E}_{p_{\text{data}}} \log p_\theta(x)
# = H(p_{\text{data}}) + \mathrm{KL}(p_{\text{data}} \,\|\, p_\theta),
# $$
#
# so to maximise the expected log-likelihood is to minimise
# $\mathrm{KL}(p_{\text{data}} \,\|\, p_\theta)$. The left side, the **negative log-likelihood**
# (NLL), is estimated by a mean over test images. The entropy on the right is unknown, so the NLL
# has no known zero; but it is the same for all models, so *differences* of NLL are differences of
# divergence.
#
# The library counts in one pass, with a pseudo-count $\alpha$ added to each count; we come to the
# reason.

# %% tags=["hide"]
book.source(TabularAutoregressive.fit_counts)

# %% [markdown]
# Two checks. At the maximum, the gradient of the mean NLL with respect to all weights must
# vanish. And the probabilities of *all* images must sum to 1, which can be summed on a strip of
# twelve pixels:

# %%
strip = small.train.x[:, 26:38]
chain = TabularAutoregressive(12, order=2, pseudo_count=0.0).fit_counts(strip)

with tf.GradientTape() as tape:
    nll = -tf.reduce_mean(chain.log_prob(strip))
gradient = tape.gradient(nll, chain.trainable_variables[0])

every_strip = (np.arange(2**12)[:, None] >> np.arange(12) & 1).astype("float32")
total = np.exp(log_probs(chain, every_strip)).sum()

# %% tags=["hide"]
steepest = float(np.abs(tf.convert_to_tensor(gradient)).max())
if not (steepest < 1e-5 and abs(total - 1) < 1e-5):
    raise ValueError("Counting must give a stationary point of a normalised model.")
book.say(f"""
    The largest entry of the gradient is {steepest:.1e}, zero up to float32 rounding, and the
    {len(every_strip):,} probabilities sum to {total:.6f}. That the sum is 1 makes a density more
    than a score: a model can give more to some images only by taking it from others.
""")

# %% [markdown]
# ## Nats, bits, and what a difference means
#
# With the natural logarithm the NLL is in **nats**; divided by $\log 2$ it is in **bits**. Bits
# have a concrete meaning: arithmetic coding stores an image in at most two bits more than
# $-\log_2 p(x)$. Up to those two bits, the mean NLL is the expected length of a file. Below are
# three models and, for scale, a general compressor that is given the training images first and
# charged only for the test images.

# %%
models = {k: TabularAutoregressive(num_pixels, order=k, seed=SEED) for k in (0, 1, 8)}
for model in models.values():
    model.fit_counts(data.train.x)


def compressed_bits(x):
    return 8 * len(lzma.compress(np.packbits(x.astype(bool), axis=1).tobytes()))


both = np.concatenate([data.train.x, data.test.x])
lzma_bits = (compressed_bits(both) - compressed_bits(data.train.x)) / len(data.test.x)

# %% tags=["hide"]
coin_nll, lzma_nll = num_pixels * np.log(2), lzma_bits * np.log(2)
rows = [["every pixel a fair coin", coin_nll, ""], ["LZMA", lzma_nll, ""]]
for k, model in models.items():
    name = {0: "order 0 (independent)", 1: "order 1 (Markov)"}.get(k, f"order {k}")
    rows.append([name, *mean_nll(model, data.test.x)])
book.table(
    [
        [
            name,
            f"{nll:.2f}" + (f" ± {spread:.2f}" if spread else ""),
            f"{nll / np.log(2):.1f}",
            f"{bits_per_dim(nll, num_pixels):.3f}",
        ]
        for name, nll, spread in rows
    ],
    ["model", "NLL (nats)", "bits per image", "bits per pixel"],
    f"Mean over the {len(data.test.x):,} test images of {data_name}; ± is one standard error.",
    name="bits",
)
scores = {k: log_probs(model, data.test.x) for k, model in models.items()}
gains = scores[1] - scores[0]
gain, gain_error = gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))
apart = np.hypot(*(scores[k].std(ddof=1) / np.sqrt(len(gains)) for k in (0, 1)))
mantissa, _, exponent = f"{np.exp(gain):.1e}".partition("e+")
factor = f"{np.exp(gain):.1f}" if gain < 9 else f"${mantissa} \\cdot 10^{{{int(exponent)}}}$"
book.say(f"""
    Order 1 gains {gain:.2f} nats per image over order 0. Since $\\log p_1(x) - \\log p_0(x)$ is
    the logarithm of a ratio, the Markov chain gives a test image, in the geometric mean,
    $e^{{{gain:.2f}}}$ ≈ {factor} times the probability that the independent model gives
    it. Small differences per pixel multiply: this is only {gain / num_pixels:.3f} nats per pixel.

    To judge whether a difference is more than chance, take it image by image. Its standard error
    is then {gain_error:.2f}; treating the two means as independent would give {apart:.2f}. Images
    that are hard for one model are hard for the other, and that part cancels.

    LZMA needs {lzma_nll / rows[-1][1]:.2f} times the bits of order 8. Any density is a
    compressor, and any compressor is a density of sorts: if it needs $L(x)$ bits, the numbers
    $2^{{-L(x)}}$ sum to at most 1 (Kraft). What the NLL does not say is how good
    the samples look: a model can be better in one and worse in the other (Theis et al. 2015).
""")

# %% [markdown]
# ## How far back should a pixel look?
#
# With plain counting, more context can only help on the training images: the model of order
# $k + 1$ contains that of order $k$. On new images it is otherwise. The number of contexts
# doubles with each step, and soon most contexts have been seen a few times or never. A pixel
# value that was never seen in its context has probability 0, and one such pixel makes the whole
# image impossible, an infinite NLL.
#
# A **pseudo-count** $\alpha > 0$ prevents that: add $\alpha$ to every count,
#
# $$
# \theta_j = \frac{n_j + \alpha}{N + m \alpha} .
# $$
#
# With many observations it changes almost nothing; with none, all values are equally probable. It
# is the most probable $\theta$ under a Dirichlet prior (exercise 1.5). We fit every order twice,
# with $\alpha = 1$ and with $\alpha = 0$.

# %%
orders = book.setting(default=(*range(13), 14), full=(0, 1, 2, 4, 6, 8, 10, 12))
train_rows = data.train.x[rng.permutation(len(data.train.x))[:5000]]
smooth, plain = {}, {}
for k in orders:
    if k not in models:
        models[k] = TabularAutoregressive(num_pixels, k, seed=SEED).fit_counts(data.train.x)
    smooth[k] = [mean_nll(models[k], x) for x in (train_rows, data.valid.x, data.test.x)]

    counted = TabularAutoregressive(num_pixels, k, pseudo_count=0.0).fit_counts(data.train.x)
    # The library gives a value never seen in its context e^-60 instead of 0.
    impossible = counted.conditionals(data.test.x).log_prob(data.test.x).numpy().min(axis=1) < -30
    plain[k] = mean_nll(counted, train_rows)[0], impossible.mean()

best = min(orders, key=lambda k: smooth[k][1][0])  # chosen on the validation images

# %% tags=["hide"]
book.table(
    [
        [
            f"**{k}**" if k == best else str(k),
            f"{models[k].num_free_parameters:,}",
            f"{smooth[k][0][0]:.2f}",
            f"{smooth[k][2][0]:.2f} ± {smooth[k][2][1]:.2f}",
            f"{plain[k][0]:.2f}",
            f"{100 * plain[k][1]:.1f} %",
        ]
        for k in orders
    ],
    ["order", "free numbers", "train, α = 1", "test, α = 1", "train, α = 0", "impossible, α = 0"],
    f"Mean NLL in nats on {data_name}; ± is one standard error; *train* is the mean over "
    f"{len(train_rows):,} of the {len(data.train.x):,} training images. *Impossible*: test images "
    "that plain counting gives probability 0. Bold: the order with the lowest NLL on the "
    "validation images.",
    name="order-curve",
)

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    axis.plot(orders, [plain[k][0] for k in orders], ":", marker="^", label="train, α = 0")
    axis.plot(orders, [smooth[k][0][0] for k in orders], "--", marker="s", label="train, α = 1")
    axis.errorbar(
        orders,
        [smooth[k][2][0] for k in orders],
        [smooth[k][2][1] for k in orders],
        marker="o",
        capsize=3,
        label="test, α = 1",
    )
    lowest = min(plain[k][0] for k in orders)
    highest = max(smooth[k][2][0] for k in orders if k > 0)
    margin = 0.12 * (highest - lowest)
    axis.set(
        xlabel="order k", ylabel="mean NLL (nats)", ylim=(lowest - margin, highest + 2 * margin)
    )
    axis.legend()
book.figure(
    figure,
    "order-curve",
    "NLL against the order, on training and test images."
    + (" Order 0 lies above the picture." if smooth[0][2][0] > highest + 2 * margin else ""),
    alt="The training curve without pseudo-count falls; the test curve falls, reaches a "
    "minimum and rises.",
)

# %% tags=["hide"]
last = orders[-1]
if not smooth[last][2][0] > smooth[best][2][0] < smooth[1][2][0]:
    raise ValueError("Expected the test NLL to fall and to rise again.")
if any(plain[a][0] < plain[b][0] - 0.2 for a, b in zip(orders, orders[1:], strict=False)):
    raise ValueError("Expected the training NLL of plain counting to fall with the order.")
steps = {b: smooth[a][2][0] - smooth[b][2][0] for a, b in zip(orders, orders[1:], strict=False)}
largest = max(steps, key=steps.get)
if largest != (side if side in orders else 1):
    raise ValueError(f"Expected the largest step at order {side} or 1. Received: {steps}")
if side in orders:
    reach = f"""
    The pixel above is {side} places back, so order {side} is the first to see it: from order
    {side - 1} to {side} the test NLL falls by {steps[side]:.2f} nats, the largest of all steps, as
    @fig:markov foretold.
    """
else:
    reach = f"""
    The pixel above is {side} places back, out of reach of every order in the table: a table of
    order {side} would have {count_free_parameters(num_pixels, side):,} numbers. The first step, to
    order 1, gains {steps[1]:.2f} nats, and all further ones up to order {best} together
    {smooth[1][2][0] - smooth[best][2][0]:.2f}. By @fig:markov, what would help most lies where no
    table can look.
    """
turn = min(orders, key=lambda k: smooth[k][0][0])
rises = f"""
    With $\\alpha = 1$ even the training NLL rises beyond order {turn}: a context seen once gets two
    invented observations for one real, and its probability is pulled towards one half.
    """
book.say(f"""
    Plain counting improves on the training images to the end, to {plain[last][0]:.2f} nats at order
    {last}, while {100 * plain[last][1]:.0f} % of the test images have become impossible: it fits
    accidents of its training images. With $\\alpha = 1$ the test NLL falls, is lowest near order
    {best}, at {smooth[best][2][0]:.2f}, and rises to {smooth[last][2][0]:.2f} at order {last}
    (@fig:order-curve). The growing gap between the curves is overfitting.
""")
if smooth[1][2][0] < smooth[1][0][0]:
    book.say("""
    That test images score better than training images at low orders is no mistake: these tables
    are too small to overfit, and the two samples of digits are not equally hard. What tells is how
    the distance between the curves changes.
    """)
if turn < last:
    book.say(rises)
book.say(reach)

# %% [markdown]
# The way out is not a larger table but *sharing*: contexts that resemble each other should have
# similar probabilities. A table treats each as a stranger. Replacing the table by a small network
# that computes $p(x_i \mid x_{<i})$ from all predecessors is the idea of the next chapter.
#
# ## What the samples look like
#
# To draw an image, draw $x_1$, look up the row of its value, draw $x_2$, and so on:

# %%
columns = 12
shown_orders = sorted({0, 1, 4, best, last})
samples = {k: models[k].sample(columns, seed=SEED).numpy() for k in shown_orders}

# %% tags=["fold"]
pictures = [data.test.x[rng.permutation(len(data.test.x))[:columns]], *samples.values()]
names = ["data", *(f"order {k}" for k in shown_orders)]
with plots.style():
    figure = plots.image_grid(np.concatenate(pictures), data.image_shape, columns)
    for row, name in enumerate(names):
        figure.axes[row * columns].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
book.figure(
    figure,
    "samples",
    "Test images, and samples from tables of growing order, none of them selected. The samples of "
    "a column were drawn with the same random numbers.",
    alt="Order 0 is scattered noise in the shape of the mean image; higher orders have longer "
    "strokes.",
)


# %% tags=["fold"]
def equal_neighbours(x):
    """Shares of horizontal and of vertical neighbours with the same value."""
    images = x.reshape(-1, *data.image_shape)
    across = np.mean(images[:, :, 1:] == images[:, :, :-1])
    down = np.mean(images[:, 1:] == images[:, :-1])
    return across, down


def undecided(order, x):
    """Share of pixels whose row of the table says exactly one half."""
    return np.mean(models[order].conditionals(x).probs_parameter().numpy() == 0.5)


agreement = {"data": equal_neighbours(data.test.x)}
for k in (0, 1, best):
    agreement[f"order {k}"] = equal_neighbours(models[k].sample(1000, seed=SEED).numpy())

test_rows = data.test.x[rng.permutation(len(data.test.x))[:1000]]
lost_data = {k: undecided(k, test_rows) for k in (best, last)}
lost_samples = {k: undecided(k, models[k].sample(1000, seed=SEED)) for k in (best, last)}

frequency = data.train.x.mean(axis=0)
worst = np.where(frequency < 0.5, 1.0, 0.0).astype("float32")[None]
worst_log_prob = float(models[0].log_prob(worst)[0])
spread = log_probs(models[0], samples[0])

# %% tags=["hide"]
if not all(agreement["order 0"][i] < agreement["data"][i] for i in (0, 1)):
    raise ValueError("Expected independent pixels to differ from their neighbours more often.")
mended = np.subtract(agreement["order 1"], agreement["order 0"])
if not (mended[0] > mended[1] and lost_samples[last] > lost_data[last]):
    raise ValueError(f"Expected other shares. Received: {mended}, {lost_samples}, {lost_data}")
book.table(
    [[name, *(f"{100 * share:.1f} %" for share in shares)] for name, shares in agreement.items()],
    ["images", "side by side", "one above the other"],
    "How often two neighbouring pixels are equal: in the test images, and in 1,000 samples per "
    "model.",
    name="neighbours",
)
if mended[1] > 0.005:
    above = "more than the neighbour above, which it does not"
else:
    above = "and does nothing for the neighbour above, which it does not"
book.say(f"""
    The independent model knows how often each pixel is inked, and no more. It draws noise in the
    shape of the mean image (@fig:samples): each pixel is right on average, but whether it is
    inked is decided without looking at its neighbours, and so neighbours agree too rarely
    (@table:neighbours). Order 1 mends the neighbour at the side, which it sees, {above}.
    These shares are a crude statistic: what higher orders gain shows in the NLL, and not
    necessarily here.

    High orders fail in another way. At order {last}, {100 * lost_samples[last]:.1f} % of the
    pixels of its own samples were drawn from a row that says exactly one half, a context about
    which training said nothing either way, against {100 * lost_data[last]:.1f} % on test images
    (at order {best}: {100 * lost_samples[best]:.1f} % against {100 * lost_data[best]:.1f} %). A
    sample that has left the paths of the training data tosses coins until it finds its way back.
""")
book.box(
    "notes",
    "What the notes say: with independent pixels one can express few images",
    f"""
    Every *image* keeps a positive probability, as long as no $p(x_i = 1)$ is exactly 0 or 1,
    which the pseudo-count sees to. The least probable image of the order-0 model on {data_name}
    has log-probability {number(worst_log_prob, ".0f")} nats (a typical sample:
    {number(np.median(spread), ".0f")}): tiny, not zero. What is few are the *distributions*: the
    independent ones have $n$ free numbers among $2^n - 1$. For example, no independent model that
    allows both values can say "two pixels are always equal" (exercise 1.3).
    """,
)

# %% [markdown]
# ## Finding anomalies with a density
#
# If $p(x)$ is large for digits, it should be small for what is no digit, and a threshold on
# $\log p(x)$ should find anomalies. Let us try with real images, whole or spoiled, none of them
# seen in training:
#
# - patches of photographs, each pixel 1 where it is brighter than the median of its patch
#   (**photographs**), or brighter than mid-grey (**photographs, fixed threshold**; many of these
#   are nearly uniform);
# - digits turned by 90° (**rotated**), or by 180° (**upside down**);
# - digits with their pixels exchanged by one fixed permutation (**shuffled**);
# - digits whose lower half was erased (**half erased**), and the **blank** image.
#
# A detector is judged by its **ROC curve**: for every threshold, the share of anomalies found
# against the share of good images that raise a false alarm. The area under it, the **AUC**, is
# the probability that a random anomaly looks more anomalous than a random good image: 1 is
# perfect, 0.5 is a coin, and below 0.5 the detector prefers the anomalies.

# %% tags=["fold"]
count = book.setting(default=len(data.test.x), full=2000)
good = data.test.x[rng.permutation(len(data.test.x))[:count]]
good_images = good.reshape(-1, side, side)
photographs = photograph_patches(side, num_patches=20_000, seed=SEED)


def above_median(x):
    return (x > np.median(x, axis=1, keepdims=True)).astype("float32")


def flat(images):
    return np.ascontiguousarray(images).reshape(len(images), -1)


half_erased = good_images.copy()
half_erased[:, side // 2 :] = 0
blank = np.zeros((1, num_pixels), "float32")
photograph_test = photographs.test.x[:count]
anomalies = {
    "photographs": above_median(photograph_test),
    "photographs, fixed threshold": (photograph_test >= 128).astype("float32"),
    "rotated": flat(np.rot90(good_images, 1, axes=(1, 2))),
    "upside down": flat(np.rot90(good_images, 2, axes=(1, 2))),
    "shuffled": good[:, rng.permutation(num_pixels)],
    "half erased": flat(half_erased),
    "blank": blank,
}

# %% tags=["fold"]
examples = {"digits": good, **anomalies}
with plots.style():
    drawn = [x[i % len(x)] for x in examples.values() for i in range(10)]
    values = log_probs(models[best], np.stack(drawn))
    figure = plots.image_grid(
        drawn, data.image_shape, 10, titles=[number(v, ".0f") for v in values]
    )
    for row, name in enumerate(examples):
        axis = figure.axes[row * 10]
        axis.set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="right", va="center", fontsize=9)
book.figure(
    figure,
    "anomalies",
    "Digits and what is none; above each image its $\\log p(x)$ in nats under the model of "
    f"order {best}.",
    alt="Rows of small binary images with numbers above them.",
)


# %%
def auc(good_scores, odd_scores):
    """Area under the ROC curve when a low score means an anomaly."""
    is_odd = np.r_[np.zeros(len(good_scores)), np.ones(len(odd_scores))]
    return float(roc_auc_score(is_odd, -np.r_[good_scores, odd_scores]))


good_density = log_probs(models[best], good)
odd_density = {name: log_probs(models[best], x) for name, x in anomalies.items()}
by_density = {name: auc(good_density, odd_density[name]) for name in anomalies}

# %% tags=["hide"]
easy = [name for name, value in by_density.items() if value > 0.99]
hard = [name for name, value in by_density.items() if 0.55 < value <= 0.99]
failed = [name for name, value in by_density.items() if value <= 0.55]


def listed(names):
    return ", ".join(f"{name} ({by_density[name]:.3f})" for name in names)


hardly = f" Found less well: {listed(hard)}." if hard else ""
not_found = (
    f" And these look *better* than digits or as good: **{listed(failed)}**."
    if failed
    else " None of these kinds has an AUC near one half or below."
)
book.say(f"""
    With $\\log p(x)$ of the model of order {best}, these anomalies are found almost without error
    (AUC in brackets): {listed(easy)}.{hardly}{not_found}
""")

# %% [markdown]
# ## Where it fails
#
# A density prefers what is *predictable*, and that is often what is smooth or empty. The most
# probable image of the Markov chain can be computed exactly, by dynamic programming: keep, for
# each value of pixel $i$, the best log-probability of any beginning that ends in it.


# %%
def most_probable_image(model):
    """The mode of a table of order 1, by dynamic programming over the pixels."""
    levels = np.array([0.0, 1.0], "float32")
    given = [model.conditionals(np.full((1, num_pixels), v, "float32")) for v in levels]
    table = np.array([[q.log_prob(u)[0] for u in levels] for q in given])  # (before, value, pixel)
    score, came_from = table[0, :, 0], []
    for i in range(1, num_pixels):
        paths = score[:, None] + table[:, :, i]
        came_from.append(paths.argmax(axis=0))
        score = paths.max(axis=0)
    image = [int(score.argmax())]
    for choice in reversed(came_from):
        image.append(int(choice[image[-1]]))
    return np.array([image[::-1]], "float32")


mode = most_probable_image(models[1])

# %% tags=["hide"]
mode_density = float(models[1].log_prob(mode)[0])
mode_data = log_probs(models[1], data.test.x)
mode_samples = log_probs(models[1], models[1].sample(512, seed=SEED))
if not mode_density > max(mode_data.max(), mode_samples.max()):
    raise ValueError("The mode must have the highest density.")
blank_1 = float(models[1].log_prob(blank)[0])
below_blank = np.mean(mode_data < blank_1)
blank_text = (
    "It *is* the blank image."
    if not mode.any()
    else f"The blank image has {number(blank_1, '.1f')}, more than {100 * below_blank:.0f} % of "
    "the test digits."
)
book.say(f"""
    The mode of the order-1 model has $\\log p$ = {number(mode_density, ".1f")} nats. The
    {len(mode_data):,} test digits have {number(mode_data.mean(), ".1f")} on average and
    {number(mode_data.max(), ".1f")} at most; {len(mode_samples)} samples of the model itself have
    {number(mode_samples.max(), ".1f")} at most. So the highest density belongs to an image that is
    neither among the test digits nor among the samples (@fig:densities, left): it makes the more
    predictable choice again and again, as no digit does. {blank_text}
""")

# %% [markdown]
# Now turn the experiment round: fit the same kind of model to the *photographs* and look at
# simple images.

# %%
photograph_model = TabularAutoregressive(num_pixels, best, seed=SEED)
photograph_model.fit_counts(above_median(photographs.train.x))
simple = {
    "digits": good,
    "photographs, fixed threshold": anomalies["photographs, fixed threshold"],
    "blank": blank,
}
photograph_density = log_probs(photograph_model, anomalies["photographs"])
simple_density = {name: log_probs(photograph_model, x) for name, x in simple.items()}

# %% tags=["fold"]
with plots.style():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    bins = np.linspace(min(mode_data.min(), mode_samples.min()), mode_density, 40)
    left.hist(mode_data, bins, density=True, alpha=0.55, label="test digits", color=plots.BLUE)
    left.hist(
        mode_samples, bins, density=True, histtype="step", lw=2, label="samples", color=plots.GREEN
    )
    left.axvline(blank_1, ymax=0.7, color=plots.ORANGE, ls="--", lw=2, label="blank")
    left.axvline(mode_density, ymax=0.7, color=plots.VERMILION, lw=2, label="mode")
    left.set(xlabel="log p, order 1, digits (nats)", yticks=[])
    inset = left.inset_axes([0.04, 0.42, 0.22, 0.3])
    inset.imshow(mode.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
    inset.set(xticks=[], yticks=[])
    inset.grid(False)
    inset.set_title("mode", fontsize=8, loc="center", pad=2)
    for spine in inset.spines.values():
        spine.set(visible=True, color="#b0b0b0")
    left.legend(fontsize=8, loc="upper left", ncols=2)

    low = np.quantile(photograph_density, 0.005)
    bins = np.linspace(low, simple_density["blank"][0], 40)
    right.hist(
        photograph_density, bins, density=True, alpha=0.55, label="photographs", color=plots.BLUE
    )
    right.hist(
        simple_density["digits"],
        bins,
        density=True,
        histtype="step",
        lw=2,
        label="digits",
        color=plots.GREEN,
    )
    right.axvline(
        simple_density["blank"][0], ymax=0.7, color=plots.ORANGE, ls="--", lw=2, label="blank"
    )
    right.set(xlabel=f"log p, order {best}, photographs (nats)", yticks=[])
    right.legend(fontsize=8, loc="upper left")
    for axis in (left, right):
        axis.set_ylim(0, axis.get_ylim()[1] * 1.45)
book.figure(
    figure,
    "densities",
    "Left: densities under the Markov chain fitted to digits, with its most probable image. "
    "Right: densities "
    "under a model fitted to photographs.",
    alt="Two histograms of log-densities with vertical lines for the blank image to the right "
    "of the data.",
)

# %% tags=["hide"]
beaten = np.mean(photograph_density < simple_density["blank"][0])
if not beaten > 0.9:
    raise ValueError(f"Expected the blank image to beat most photographs. Received: {beaten}")
digit_mean, photograph_mean = simple_density["digits"].mean(), photograph_density.mean()
seen_digits, seen_patches = number(digit_mean, ".0f"), number(photograph_mean, ".0f")
digits_auc = auc(photograph_density, simple_density["digits"])
if digit_mean > photograph_mean:
    digits_text = f"""Digits, which the model has never seen, get {seen_digits} nats on average,
    *more* than the {seen_patches} of new patches of the same photographs (AUC {digits_auc:.2f})."""
else:
    digits_text = f"""Digits get {seen_digits} nats on average, less than the {seen_patches} of new
    patches of the same photographs, but as a detector the density has an AUC of only
    {digits_auc:.2f}."""
book.say(f"""
    Under the model of photographs, a blank image is more probable than {100 * beaten:.0f} % of
    new photographs (@fig:densities, right). {digits_text} Deep models are no different: flows,
    variational autoencoders and PixelCNNs fitted to photographs of objects give *higher*
    likelihoods to photographs of house numbers (Nalisnick et al. 2018).
""")
book.box(
    "notes",
    "What the notes say: low p(x) means anomaly",
    f"""
    Often, but not always. The model of photographs ranks the blank image above {100 * beaten:.0f}
    % of real patches: an AUC of {auc(photograph_density, simple_density["blank"]):.2f} where 1
    would be right. A threshold on $p(x)$ finds what is *improbable*, not what is *different*.
    """,
)

# %% [markdown]
# ## Why: high density is not high probability
#
# Toss a coin with $P(\text{heads}) = 0.7$ a hundred times. The most probable sequence is "all
# heads". Nobody will ever see it. A sequence with $h$ heads has probability
# $0.7^h\, 0.3^{100 - h}$, which grows with $h$; but there are $\binom{100}{h}$ such sequences,
# and near $h = 100$ there are hardly any:
#
# $$
# \log P(h \text{ heads}) =
# \underbrace{\log \tbinom{100}{h}}_{\text{how many}} +
# \underbrace{h \log 0.7 + (100 - h) \log 0.3}_{\text{how probable each}} .
# $$

# %%
tosses, heads_probability = 100, 0.7
h = np.arange(tosses + 1)
each = h * np.log(heads_probability) + (tosses - h) * np.log(1 - heads_probability)
how_many = gammaln(tosses + 1) - gammaln(h + 1) - gammaln(tosses - h + 1)
together = each + how_many
entropy = -tosses * np.sum([p * np.log(p) for p in (heads_probability, 1 - heads_probability)])
seen = rng.binomial(tosses, heads_probability, size=1_000_000)

# %% tags=["fold"]
with plots.style():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.1))
    left.plot(h, how_many, "--", label="how many (log)")
    left.plot(h, each, ":", label="each (log p)")
    left.plot(h, together, label="together")
    left.set(xlabel="heads h", ylabel="nats")
    left.legend(fontsize=9, loc="lower right")
    right.hist(each[seen], bins=np.unique(each), density=True, color=plots.BLUE, alpha=0.6)
    right.axvline(-entropy, ymax=0.8, color=plots.INK, ls="--", label="minus entropy")
    right.axvline(each[-1], ymax=0.8, color=plots.VERMILION, label="all heads")
    right.set(xlabel="log p of a sequence (nats)", yticks=[], xlim=(-80, each[-1] + 4))
    right.set_ylim(0, right.get_ylim()[1] * 1.3)
    right.legend(fontsize=9, loc="upper left")
book.figure(
    figure,
    "coins",
    "A hundred tosses of a biased coin. Left: the number of sequences with $h$ heads, the "
    "probability of each, "
    "and of all of them. Right: log-probabilities of a million drawn sequences, and of the "
    "most probable one.",
    alt="Left: a hump, a rising line and their sum, a peak at seventy. Right: a narrow "
    "histogram far from a line.",
)

# %% tags=["hide"]
near = np.mean(np.abs(each[seen] + entropy) < 10)
book.say(f"""
    "All heads" has a probability of {heads_probability**tosses * 1e16:.1f} in $10^{{16}}$. In a
    million simulated sequences the largest number of heads was {seen.max()}. Their
    log-probabilities gather around minus the **entropy**, {number(-entropy, ".1f")} nats:
    {100 * near:.1f} % lie within 10 nats of it, while the most probable sequence, at
    {number(each[-1], ".1f")}, lies {each[-1] + entropy:.1f} nats above (@fig:coins). The set of
    sequences whose log-probability is close to minus the entropy is called the **typical set**.
    It holds almost all of the probability and excludes the most probable sequence.
""")

# %% [markdown]
# The law of large numbers is at work: $-\log p(x)$ is a sum of $n$ independent terms. Its
# expectation, the entropy, grows as $n$, and so does the distance of "all heads" from it; its
# standard deviation grows as $\sqrt{n}$ only. Per toss it concentrates at the entropy. Images
# behave so only roughly: their pixels depend on each other, and the spread in @fig:densities is
# wide. The mode of the Markov chain, and the blank image under the model of photographs, play the
# part of "all heads": each is more probable than nearly all that is seen or drawn, and unlike it,
# because images of its kind are so few.
#
# ## What might help
#
# Two proposals, the second in two forms; all replace $\log p(x)$ by another score.
#
# 1. **Typicality** (Nalisnick et al. 2019): images are normal if their log-density is *close to
#    the usual one*: score $-\lvert \log p(x) - \overline{\log p} \rvert$, with the mean over
#    validation images. (The paper tests groups of images; here each stands alone.)
# 2. **Likelihood ratio** (Ren et al. 2019): subtract the log-density under a *background* model
#    that explains what is common to good and odd images: $\log p(x) - \log p_{\text{bg}}(x)$.
#    Here the background is either the independent model of order 0, the simplest choice, or, as in
#    that paper, a model of the same kind fitted to images that were spoiled: each pixel of the
#    training images is replaced by a coin toss with probability 0.2.


# %%
def spoiled(x, share):
    tossed = rng.random(x.shape) < share
    return np.where(tossed, rng.random(x.shape) < 0.5, x).astype("float32")


def score_functions(model, train, valid):
    """The four scores of an image; a low score means an anomaly."""
    order_0 = TabularAutoregressive(num_pixels, 0).fit_counts(train)
    background = TabularAutoregressive(num_pixels, model.order).fit_counts(spoiled(train, 0.2))
    usual = log_probs(model, valid).mean()
    return {
        "log p": lambda x: log_probs(model, x),
        "typicality": lambda x: -np.abs(log_probs(model, x) - usual),
        "ratio, order 0": lambda x: log_probs(model, x) - log_probs(order_0, x),
        "ratio, spoiled": lambda x: log_probs(model, x) - log_probs(background, x),
    }


# %% tags=["fold"]
tasks = {
    "digits": (models[best], data.train.x, data.valid.x, good, anomalies),
    "photographs": (
        photograph_model,
        above_median(photographs.train.x),
        above_median(photographs.valid.x),
        anomalies["photographs"],
        simple,
    ),
}
areas, curves = {}, {}
for task, (model, train, valid, normal, odd) in tasks.items():
    for score_name, score in score_functions(model, train, valid).items():
        normal_scores = score(normal)
        for name, x in odd.items():
            odd_scores = score(x)
            areas[task, name, score_name] = auc(normal_scores, odd_scores)
            curves[task, name, score_name] = normal_scores, odd_scores

# %% tags=["hide"]
score_names = list(dict.fromkeys(key[2] for key in areas))
pairs = list(dict.fromkeys(key[:2] for key in areas))
rows = []
for task, name in pairs:
    values = [areas[task, name, s] for s in score_names]
    shown = [f"{v:.3f}" for v in values]
    shown = [f"**{v}**" if v == max(shown) else v for v in shown]
    rows.append([task, name, *shown])
book.table(
    rows,
    ["fitted to", "anomaly", *score_names],
    f"AUC of four scores; bold is the best of its row. {len(good):,} good images against as "
    "many anomalies (one "
    f"blank image). The standard error is at most {0.5 / np.sqrt(len(good)):.3f}, and smaller "
    "far from one half, for independent images; patches of a photograph overlap, so in rows with "
    "photographs it is larger.",
    name="scores",
)

# %% tags=["fold"]
drawn = [
    ("digits", "photographs", "-"),
    ("digits", "upside down", "--"),
    ("digits", "half erased", ":"),
    ("photographs", "digits", "-."),
    ("photographs", "photographs, fixed threshold", (0, (1, 1))),
]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 4.3), sharey=True)
    for axis, score_name in zip(axes, ("log p", "typicality"), strict=True):
        for task, name, line in drawn:
            normal_scores, odd_scores = curves[task, name, score_name]
            truth = np.r_[np.zeros(len(normal_scores)), np.ones(len(odd_scores))]
            alarms, found, _ = roc_curve(truth, -np.r_[normal_scores, odd_scores])
            axis.plot(alarms, found, linestyle=line, label=f"{name}, model of {task}")
        axis.plot([0, 1], [0, 1], color=plots.MUTED, lw=0.8)
        axis.set(xlabel="false alarms", title=score_name)
    axes[0].set_ylabel("anomalies found")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=8.5)
book.figure(
    figure,
    "roc",
    "ROC curves of two scores. A curve below the diagonal prefers the anomalies.",
    alt="Two panels of ROC curves; some curves lie below the diagonal.",
)

# %% tags=["hide"]
means = {s: np.mean([areas[task, name, s] for task, name in pairs]) for s in score_names}
lowest = {s: min(pairs, key=lambda pair, s=s: areas[*pair, s]) for s in score_names}
top = {pair: max(round(areas[*pair, s], 3) for s in score_names) for pair in pairs}
wins = {s: sum(round(areas[*pair, s], 3) == top[pair] for pair in pairs) for s in score_names}
summary = "\n".join(
    f"- **{s}**: mean AUC {means[s]:.3f}, best (or tied) in {wins[s]} of {len(pairs)} rows; "
    "worst on "
    f"{lowest[s][1]} under the model of {lowest[s][0]}, {areas[*lowest[s], s]:.3f}."
    for s in score_names
)
helped = [p for p in pairs if areas[*p, "typicality"] > areas[*p, "log p"] + 0.05]
hurt = [p for p in pairs if areas[*p, "typicality"] < areas[*p, "log p"] - 0.05]


def named(chosen):
    return "; ".join(
        f"{name}, model of {task} ({areas[task, name, 'log p']:.3f} to "
        f"{areas[task, name, 'typicality']:.3f})"
        for task, name in chosen
    )


changes = f"Typicality gains more than 0.05 in {len(helped)} rows" + (
    f": {named(helped)}. " if helped else ". "
)
changes += f"It loses more than 0.05 in {len(hurt)}" + (f": {named(hurt)}." if hurt else ".")
if max(wins.values()) == len(pairs):
    raise ValueError(f"Expected no score to be best everywhere. Received: {wins}")
book.say("Over the rows of @table:scores:\n\n" + summary)
book.say(f"""
    {changes} The reason is the same for gains and losses. Typicality folds the axis at the usual
    value: images above it become suspicious, and images a little below it are confused with
    images a little above. Where the normal images spread widely, anomalies near the middle can
    even look more typical than they do, an AUC below one half. An anomaly whose density happens
    to be usual stays invisible to any score that only reads $\\log p(x)$.

    A ratio depends on its background. The model of order 0 gives an image with ink in unusual
    places an *extremely* low density, which the ratio then counts in the image's favour; where that
    happens the AUC drops towards 0. No score is best in every row. None can be best for every kind
    of anomaly: for one known kind with density $p_{{\\text{{odd}}}}$ the best score is the ratio
    $p(x) / p_{{\\text{{odd}}}}(x)$ (Neyman and Pearson), and that changes with the kind. The
    practical advice is to look at *both* tails of the density, to test on anomalies that resemble
    the expected ones, and to use groups of images where possible (exercise 1.7).
""")

# %% [markdown]
# ## Explicit, bound, implicit
#
# What can be asked of a model depends on its kind, and in the library on its base class. What a
# model cannot do, it has no method for:

# %% tags=["hide"]
rows = []
for kind, base, members in [
    ("explicit", ExplicitModel, "tables (1), FVSBN and NADE (2), PixelRNN and PixelCNN (3)"),
    ("bound", LatentVariableModel, "variational autoencoders (5)"),
    (
        "implicit",
        ImplicitModel,
        "adversarial autoencoder (6), GAN and its relatives (7, 8; 9 is planned)",
    ),
]:
    methods = (
        "sample",
        "log_prob",
        "conditionals",
        "elbo",
        "estimate_log_prob",
        "encode",
        "decode",
    )
    offered = [name for name in (*methods, "discriminate") if callable(getattr(base, name, None))]
    rows.append([kind, ", ".join(f"`{name}`" for name in offered), members])
book.table(
    rows,
    ["kind", "methods", "models (chapter)"],
    "Three kinds of generative models: an exact density, a bound on it, samples only. The methods "
    "are those of the base classes `ExplicitModel`, `LatentVariableModel` and `ImplicitModel`. "
    "Numbers in brackets are chapters.",
    name="kinds",
)

# %% [markdown]
# Three remarks, each for a later chapter. A variational autoencoder is *not* implicit: it defines
# $p(x) = \int p(x \mid z)\, p(z)\, \mathrm{d}z$ with both factors explicit; only the integral is
# out of reach, and is bounded and estimated. A generative adversarial network is implicit: it is
# a map from noise to images whose density one never sees. Plain autoencoders (chapter 4) have no
# distribution at all, so they are in no row. Language models and DALL-E's transformer are
# explicit over their *tokens*, by the chain rule of this chapter.
#
# ## Exercises
#
# **Exercise 1.1.** One RGB pixel has three channels with 256 levels. How many free numbers has it
# when the channels are independent, when they form a Markov chain, and in general?

# %% tags=["hide"]
independent, markov, general = (count_free_parameters(3, k, num_classes=256) for k in (0, 1, 2))
if general != 256**3 - 1:
    raise ValueError("The full table of an RGB pixel must have 256^3 - 1 free numbers.")
book.box(
    "answer",
    "Answer to 1.1, computed",
    f"""
    Independent: $3 \\cdot 255$ = {independent:,}. Markov: $255 + 2 \\cdot 256 \\cdot 255$ =
    {markov:,}. In general $255 + 256 \\cdot 255 + 256^2 \\cdot 255 = 256^3 - 1$ = {general:,}.
    From `count_free_parameters(3, k, 256)` with k = 0, 1, 2.
    """,
)

# %% [markdown]
# **Exercise 1.2.** Derive the number of free numbers of an AR($k$) model of $n$ variables with
# $C$ values each.
#
# ??? answer "Answer to 1.2"
#
#     A context of variable $i$ (counted from 1) consists of $\min(i - 1, k)$ values, so there are
#     $C^{\min(i-1, k)}$ contexts with $C - 1$ free numbers each. For $i \leq k$ they sum to
#     $(C - 1)(1 + C + \dots + C^{k-1}) = C^k - 1$; the other $n - k$ variables add
#     $(n - k)\,C^k (C - 1)$:
#
#     $$
#     (C^k - 1) + (n - k)\, C^k (C - 1).
#     $$
#
#     With $C = 2$ it is the formula of the text; with $k = n - 1$ it is
#     $C^{n-1} - 1 + C^{n-1}(C - 1) = C^n - 1$.
#
# **Exercise 1.3.** Two pixels are always equal: $p(0,0) = p(1,1) = \frac12$. Which independent
# model is closest in $\mathrm{KL}(p \,\|\, q)$, and how far is it?

# %% tags=["hide"]
ones = np.linspace(0.01, 0.99, 99)
a, b = np.meshgrid(ones, ones, indexing="ij")
divergence = np.log(0.5) - 0.5 * (np.log(a * b) + np.log((1 - a) * (1 - b)))
at = np.unravel_index(divergence.argmin(), divergence.shape)
book.box(
    "answer",
    "Answer to 1.3, computed",
    f"""
    Maximum likelihood is counting, so the best independent model has the marginals of $p$, one
    half each. Then every pair has probability 1/4 and the divergence is
    $\\log \\frac{{1/2}}{{1/4}} = \\log 2$ = {np.log(2):.4f} nats. A search over a grid of both
    probabilities agrees: the minimum is {divergence.min():.4f} nats, at
    $({ones[at[0]]:.2f}, {ones[at[1]]:.2f})$. For any two variables the divergence from the best
    independent model is their mutual information.
    """,
)

# %% [markdown]
# **Exercise 1.4.** In the text $z$ makes two dependent variables independent. Can knowing $z$
# also make two independent variables *dependent*? Try two fair coins $x$, $y$ and
# $z = x \text{ xor } y$.

# %% tags=["hide"]
xor = np.zeros((2, 2, 2))
for first in (0, 1):
    for second in (0, 1):
        xor[first, second, first ^ second] = 0.25
book.box(
    "answer",
    "Answer to 1.4, computed",
    f"""
    Yes. $I(x; y)$ = {information(xor.sum(axis=2)[..., None]):.4f}, but $I(x; y \\mid z)$ =
    {information(xor):.4f} = $\\log 2$: once $z$ is known, $y$ determines $x$. So neither kind of
    independence implies the other.
    """,
)

# %% [markdown]
# **Exercise 1.5.** Show that $\theta_j = (n_j + \alpha) / (N + m\alpha)$ maximises the posterior
# of $\theta$ under the Dirichlet prior $p(\theta) \propto \prod_j \theta_j^{\alpha}$. What
# happens as $\alpha \to \infty$?
#
# ??? answer "Answer to 1.5"
#
#     The log-posterior is, up to a constant,
#     $\sum_j n_j \log \theta_j + \sum_j \alpha \log \theta_j$, which is
#     $\sum_j (n_j + \alpha) \log \theta_j$. That is the log-likelihood of counts $n_j + \alpha$,
#     whose maximum is at their relative frequencies. (This prior is the Dirichlet distribution
#     with parameters $\alpha + 1$.) As $\alpha \to \infty$ every $\theta_j$ tends to $1/m$: the
#     prior wins and the data are forgotten.
#
# **Exercise 1.6.** Turn densities into a classifier: fit one table per class, $p(x \mid y)$, and
# use Bayes' rule. How many of the 300 test images of the 8 × 8 digits are named rightly, with
# independent pixels ("naive Bayes") and with a Markov chain?


# %% tags=["fold"]
def named_rightly(order):
    """For which test digits log p(x | y) + log p(y) is largest at the true y."""
    joint = np.empty((len(small.test), 10))
    for digit in range(10):
        rows = small.train.x[small.train.labels == digit]
        model = TabularAutoregressive(64, order).fit_counts(rows)
        joint[:, digit] = log_probs(model, small.test.x) + np.log(prior[digit])
    return joint.argmax(axis=1) == small.test.labels


named = {order: named_rightly(order) for order in (0, 1)}

# %% tags=["hide"]
naive, chained = named[0].mean(), named[1].mean()
noise = np.sqrt(naive * (1 - naive) / len(small.test))
gains = 100 * (named[1].astype(float) - named[0])
verdict = "smaller" if abs(gains.mean()) < 2 * error(gains) else "larger"
book.box(
    "answer",
    "Answer to 1.6, computed",
    f"""
    Independent pixels: {100 * naive:.1f} %; Markov chain: {100 * chained:.1f} % (one standard
    error is about {100 * noise:.1f}). Image by image, the difference of the two is
    {mean_error(gains, "+.1f")} %, {verdict} than two standard errors.
    $p(x)$ cancels from the comparison, since $p(y \\mid x) \\propto p(x \\mid y)\\,p(y)$. Note
    that a poor density can classify well: only the *differences* between classes matter.
    """,
)

# %% [markdown]
# **Exercise 1.7.** Suppose anomalies come in groups: $M$ images, all good or all odd. Score a
# group by $-\lvert \frac{1}{M} \sum_m \log p(x_m) - \overline{\log p} \rvert$. How does the AUC
# for digits turned upside down grow with $M$, and why?

# %% tags=["hide"]
usual = log_probs(models[best], data.valid.x).mean()


def group_scores(density, size):
    groups = rng.choice(density, size=(2000, size))
    return -np.abs(groups.mean(axis=1) - usual)


sizes = (1, 4, 16, 64)
turned = odd_density["upside down"]
grouped = {m: auc(group_scores(good_density, m), group_scores(turned, m)) for m in sizes}
shift = turned.mean() - usual
areas_by_size = ", ".join(f"M = {m}: {value:.3f}" for m, value in grouped.items())
book.box(
    "answer",
    "Answer to 1.7, computed",
    f"""
    AUC for {areas_by_size}. The groups are drawn with replacement from the test images. The mean
    log-density of the odd images differs from the usual one by {number(shift, ".1f")} nats. The
    spread of a mean falls as $1/\\sqrt{{M}}$ while this difference stays, so groups separate where
    single images overlap. A kind of anomaly whose *mean* is usual would still escape.
    """,
)

# %% [markdown]
# ## References
#
# - C. E. Shannon, *A Mathematical Theory of Communication*, Bell System Technical Journal, 1948:
#   entropy, the typical set, and Markov models of text fitted by counting.
# - D. J. C. MacKay, *Information Theory, Inference, and Learning Algorithms*, Cambridge
#   University Press, 2003, chapters 4 and 6: typicality and arithmetic coding.
# - L. Theis, A. van den Oord, M. Bethge, *A note on the evaluation of generative models*, 2015,
#   <https://arxiv.org/abs/1511.01844>.
# - E. Nalisnick et al., *Do Deep Generative Models Know What They Don't Know?*, 2018,
#   <https://arxiv.org/abs/1810.09136>.
# - E. Nalisnick et al., *Detecting Out-of-Distribution Inputs to Deep Generative Models Using
#   Typicality*, 2019, <https://arxiv.org/abs/1906.02994>.
# - J. Ren et al., *Likelihood Ratios for Out-of-Distribution Detection*, 2019,
#   <https://arxiv.org/abs/1906.02845>.
