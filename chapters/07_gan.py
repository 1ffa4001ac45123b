# %% [markdown]
# # 7. Generative adversarial network
#
# The generative models of chapters 1 to 5 were trained on a likelihood, or on a bound on it;
# chapter 6 matched codes by a game. A generative adversarial network, GAN, is a game and nothing
# else, and has no likelihood. It has a network that turns noise into images, and a second
# network that says how to tell them from real ones; each is trained against the other. The chapter
# shows why comparing pixels will not do, derives what the game computes and checks every step on
# densities that are known, then trains on digits and measures: gradients that vanish, modes that
# are lost, and how far the usual scores can be trusted.

# %% tags=["fold"]
import itertools
import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib import pyplot as plt
from scipy import optimize, stats
from scipy.special import expit, logit
from sklearn.cluster import KMeans

from genkeras import (
    GAN,
    NADE,
    VAE,
    MixtureOfGaussians,
    Normal,
    SigmoidNormal,
    book,
    divergences,
    plots,
)
from genkeras.adversarial import Minimax, NonSaturating, dense_discriminator, dense_generator
from genkeras.book.prose import error, listed, mean_error, number
from genkeras.datasets import Split, dequantize, digits, mnist, ring_centres
from genkeras.evaluation import (
    ImageClassifier,
    ParzenWindow,
    choose_sigma,
    class_entropy,
    frechet_distance,
    log_probs,
    mode_coverage,
    nearest_neighbours,
    precision_recall,
)
from genkeras.latent import dense_decoder, dense_encoder
from genkeras.recipes import gan_mnist, gan_modes, gan_stacked_digits
from genkeras.training import epoch_batches

tfd = tfp.distributions

book.declare(
    title="Generative adversarial network",
    data=book.setting(
        default="scikit-learn's digits; toy densities in one and two dimensions",
        full="MNIST; toy densities in one and two dimensions",
    ),
    seed=0,
)

# %% [markdown]
# ## The question
#
# We want a network that turns noise $z$ into new images, $x = G(z)$. What is its loss? The first
# idea is to compare $G(z)$ with a real image, pixel by pixel, by squared error. The paper review
# among the notes opens with this idea and rejects it: one would only get what one already has. Let
# us run it. There is no image that *belongs* to a $z$, so we must say which one to compare with,
# and there are three ways.
#
# 1. **Any image**, drawn anew each time. Let $\bar x = \mathbb{E}[x]$. Since $x$ and $z$ are
#    independent, the mixed term of the square vanishes on average, and
#
#    $$
#    \mathbb{E}\, |x - G(z)|^2 = \mathbb{E}\, |x - \bar x|^2 + \mathbb{E}\, |G(z) - \bar x|^2 .
#    $$
#
#    The best $G$ is constant: it makes the **average** image, whatever $z$ is. The loss is then the
#    total variance $v$ of the data. A perfect generator would have a loss of $2 v$, twice as much.
# 2. **A fixed partner**: image $n$ gets a noise vector $z_n$ once and for all. Now zero is
#    possible, if $G(z_n) = x_n$: **copies**. What $G$ makes of a new $z$ the loss does not say.
# 3. **The nearest image** of the training set. Zero again, and again by **copies**; copies of a
#    single image will do.
#
# A classifier that was trained on the same images says which digits appear.


# %%
source = book.setting(default=digits, full=mnist)()
shape, depth, levels = source.image_shape, source.num_features, source.num_levels
train_x, valid_x, test_x = (
    dequantize(part.x, levels, seed=k)  # real values in [0, 1]
    for k, part in enumerate((source.train, source.valid, source.test))
)
judge = ImageClassifier(shape, seed=0)
judge.fit(Split(train_x, source.train.labels), epochs=book.setting(default=15, full=3))
hidden = book.setting(default=(128, 128), full=(400, 400))


def descend(generator, loss, steps):
    """Trains the generator on loss(z, seed)."""
    variables = generator.trainable_variables
    falling = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    optimizer = keras.optimizers.Adam(falling)
    optimizer.build(variables)

    @tf.function
    def train():
        for k in tf.range(steps):
            z = tf.random.stateless_normal((100, generator.input_shape[1]), [0, k])
            with tf.GradientTape() as tape:
                value = loss(z, [1, k])
            optimizer.apply(tape.gradient(value, [v.value for v in variables]), variables)

    train()


def squares(x, y):
    return tf.reduce_sum((x - y) ** 2, axis=1)


makers = {
    name: dense_generator(16, (depth,), hidden, output_activation="sigmoid", seed=0)
    for name in ("any", "partner", "nearest")
}
partners_x = tf.constant(train_x[:100])
partners_z = tf.random.stateless_normal((100, 16), (0, 0))


def loss_any(z, seed):
    rows = tf.random.stateless_uniform((100,), seed, 0, len(train_x), tf.int32)
    return tf.reduce_mean(squares(tf.gather(train_x, rows), makers["any"](z)))


def loss_partner(z, seed):
    return tf.reduce_mean(squares(partners_x, makers["partner"](partners_z)))


def loss_nearest(z, seed):
    made, images = makers["nearest"](z), tf.constant(train_x[:500])
    products = tf.reduce_sum(images**2, axis=1) - 2 * made @ tf.transpose(images)
    return tf.reduce_mean(squares(made, 0) + tf.reduce_min(products, axis=1))


descend(makers["any"], loss_any, steps=300)
descend(makers["partner"], loss_partner, steps=600)
descend(makers["nearest"], loss_nearest, steps=300)


# %% tags=["fold"]
def picture_rows(rows, labels=(), titles=()):
    """A figure of rows of images, with labels at their left and titles above the first row."""
    with plots.style():
        columns = len(rows[0])
        figure = plots.image_grid(np.clip(np.concatenate(rows), 0, 1), shape, columns)
        for axis, label in zip(figure.axes[::columns], labels, strict=False):
            axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for axis, title in zip(figure.axes, titles, strict=False):
            axis.set_title(title, fontsize=9, loc="center", pad=3)
    return figure


z_new = np.random.default_rng(1).normal(size=(300, 16)).astype("float32")
made = {name: maker(z_new).numpy() for name, maker in makers.items()}
at_partners = makers["partner"](partners_z).numpy()
book.figure(
    picture_rows(
        [
            made["any"][:12],
            at_partners[:12],
            made["partner"][:12],
            made["nearest"][:12],
            test_x[:12],
        ],
        labels=("any", "partner", "partner, new z", "nearest", "test"),
    ),  # fmt: skip
    "pixels",
    "Three generators trained on squared error, to any image, to a fixed partner (at the $z$ it "
    "was trained on and at new ones) and to the nearest image. Last row: test images.",
    alt="Rows of twelve digits: one blurred blot repeated; sharp digits; mixtures; one sharp "
    "digit or few, repeated; varied sharp digits.",
)

# %% tags=["hide"]
candidates = {
    "the mean image": np.repeat(train_x.mean(axis=0)[None], 300, axis=0),
    "one training image, again and again": np.repeat(train_x[:1], 300, axis=0),
    "training images": train_x[:300],
    "test images": test_x[:300],
    **{f"G trained on {name}": made[name] for name in ("any", "nearest")},
    "G trained on partners, new z": made["partner"],
}
variance = ((train_x - train_x.mean(axis=0)) ** 2).sum(axis=1).mean()
pixel_losses = {}
for name, x in candidates.items():
    to_any = variance + ((x - train_x.mean(axis=0)) ** 2).sum(axis=1)
    pixel_losses[name] = to_any, nearest_neighbours(x, train_x)[0][:, 0] ** 2
entropies = {name: class_entropy(judge.classes(x), 10) for name, x in candidates.items()}
book.table(
    [
        [name, *(mean_error(v, ".2f") for v in pixel_losses[name]), f"{entropies[name]:.2f}"]
        for name in candidates
    ],
    ["images", "to any image", "to the nearest", "class entropy"],
    "Mean squared distance to training images, summed over pixels, ± one standard error over 300 "
    "images; and the entropy (nats) of the digits that the classifier sees, at most $\\log 10 = "
    f"{math.log(10):.2f}$. It names {judge.accuracy(Split(test_x, source.test.labels)):.1%} of the "
    "test images correctly.",
    name="pixels",
)
by_any = {name: v[0].mean() for name, v in pixel_losses.items()}
at_train = ((at_partners - partners_x.numpy()) ** 2).sum(axis=1)
book.say(
    f"The total variance of the images is {variance:.2f}. By the first loss the mean image has "
    f"{by_any['the mean image']:.2f} and real test images {by_any['test images']:.2f}, "
    f"{by_any['test images'] / by_any['the mean image']:.2f} times as much: it prefers a blot to "
    "any digit. By the third loss every copy has 0 and the test images "
    f"{pixel_losses['test images'][1].mean():.2f}; that loss takes new digits for a fault. The "
    f"generator with partners, 100 images, is on the way to copies: its squared error is "
    f"{at_train.mean():.1f}. At a new $z$ it is "
    f"{pixel_losses['G trained on partners, new z'][1].mean():.2f} from the nearest of 500 "
    "training images (@table:pixels, @fig:pixels). The review is right about the second and third "
    "way; the first gives an average that nobody asked for. What is wrong is to compare an image "
    "with an image: the real digits differ from each other as well, and that is not to be "
    "punished. What has to be compared is the *collections*."
)

# %% [markdown]
# ## Distributions of images
#
# A grey image of $D$ pixels is a point in $[0, 1]^D$. Taking one from the collection is drawing a
# random point, so the collection is a distribution, $p_\text{data}$. The generator makes random
# points too. Its noise has a distribution that we choose, $p_z$, say $\mathcal{N}(0, I)$; the
# network moves each $z$ to a point $G(z)$; so the points have a distribution of their own, $p_g$.
# The task is: **make $p_g$ equal to $p_\text{data}$.**
#
# In one dimension, if $G$ is increasing and so has an inverse, $p_g$ has a formula: $P(G(z) \le x)
# = P(z \le G^{-1}(x))$, and the derivative with respect to $x$ is
#
# $$
# p_g(x) = p_z\big(G^{-1}(x)\big) \cdot \frac{\mathrm{d} G^{-1}(x)}{\mathrm{d} x} .
# $$
#
# Our example for the next sections is $G(z) = z \cosh s + \sqrt{1 + z^2}\, \sinh s$ with $s = 0.5$.
# (It is $\sinh(\operatorname{arsinh} z + s)$, so its inverse is the same formula with $-s$.) The
# "data" are a mixture of two normals. A second example has two dimensions: data from five normals
# on a circle, and $G(z) = 1.3\, z + (0.5, 0)$, so that $p_g$ is a normal.


# %%
def g(z, s=0.5):
    return z * math.cosh(s) + np.sqrt(1 + z**2) * math.sinh(s)


def p_g(x):
    slope = math.cosh(0.5) - x / np.sqrt(1 + x**2) * math.sinh(0.5)  # of the inverse
    return stats.norm.pdf(g(x, -0.5)) * slope


def p_data(x):
    return 0.4 * stats.norm.pdf(x, -2, 0.5) + 0.6 * stats.norm.pdf(x, 1.5, 0.8)


data_1d = tfd.MixtureSameFamily(  # to draw from; float32 has no numbers for the tails
    tfd.Categorical(probs=np.float32([0.4, 0.6])),
    tfd.Normal(np.float32([-2.0, 1.5]), np.float32([0.5, 0.8])),
)
around = 2.2 * np.stack([f(2 * np.pi * np.arange(5) / 5) for f in (np.cos, np.sin)], axis=1)
data_2d = tfd.MixtureSameFamily(
    tfd.Categorical(probs=np.full(5, 0.2, "float32")),
    tfd.MultivariateNormalDiag(around.astype("float32"), np.full((5, 2), 0.5, "float32")),
)
made_2d = tfd.MultivariateNormalDiag(np.float32([0.5, 0]), np.float32([1.3, 1.3]))
line = np.linspace(-14, 14, 5601)  # x, and z
axis_2d = np.linspace(-9, 9, 361)
square = np.stack(np.meshgrid(axis_2d, axis_2d), axis=-1).reshape(-1, 2)
cells = {"1-D": line[1] - line[0], "2-D": (axis_2d[1] - axis_2d[0]) ** 2}
points = {"1-D": line[:, None].astype("float32"), "2-D": square.astype("float32")}
a = {"1-D": p_data(line), "2-D": np.asarray(data_2d.prob(points["2-D"]), "float64")}  # p_data
b = {"1-D": p_g(line), "2-D": np.asarray(made_2d.prob(points["2-D"]), "float64")}  # p_g


def softplus(ell):
    return np.logaddexp(0, ell)


def log_ratio(p, q):
    """log(p / q), and 0 where p is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.log(p / q), neginf=0.0)


def integral(name, values):
    """Over x, of values on the grid; 0 where they have no value, as 0 log 0 has."""
    return np.nansum(values) * cells[name]


# %% tags=["hide"]
rng = np.random.default_rng(0)
z = rng.standard_normal(200_000)
counts, edges = np.histogram(g(z), bins=60, range=(-4, 6))
middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
chance = p_g(middle) * width
areas = [f"{integral(name, density[name]):.5f}" for density in (a, b) for name in density]
off = (counts - len(z) * chance) / np.sqrt(len(z) * chance)
book.say(
    f"The four densities integrate to {listed(areas)} on our grids. A "
    f"histogram of {len(z):,} points $G(z)$ differs from the formula by "
    f"{np.sqrt(np.mean(off**2)):.2f} times what chance explains, root mean square over 60 bins."
)
book.box(
    "notes",
    "What the notes say: G is a random variable that maps Z into p_g",
    f"""
    $G$ is a function, with nothing random in it: $G(0.3) = {g(0.3):.4f}$, and again
    {g(0.3):.4f}. What is random is $z$, and therefore $x = G(z)$ is a random variable; $p_g$ is the
    distribution to which $G$ carries $p_z$. (A random variable *is* a function in mathematics, on
    a space of outcomes, which may be what was meant. But $G$ maps points to points, not to $p_g$.)
    The same $G$ with another noise has another $p_g$: the mean of $G(z)$ is {g(z).mean():.3f} for
    $z \\sim \\mathcal{{N}}(0, 1)$ and {g(2 * z).mean():.3f} for $z \\sim \\mathcal{{N}}(0, 4)$.
    """,
)

# %% [markdown]
# With images there is no such formula. A network is rarely invertible; with fewer noise variables
# than pixels, its images lie on a thin curved sheet and have no density at all. What we have is
# *samples*, of $p_g$ as many as we like. A model of this kind is called **implicit**. So: how does
# one compare two distributions through samples alone, and in such a way that a gradient comes out?
#
# ## The game
#
# Ask a classifier. A second network, the **discriminator** $D$, reads an image and says how
# probable it is, in its judgement, that the image is real. It is trained by logistic regression,
# with real images labelled 1 and generated ones labelled 0, that is by maximising its
# log-likelihood
#
# $$
# V(D, G) = \mathbb{E}_{x \sim p_\text{data}}[\log D(x)] + \mathbb{E}_{z \sim p_z}[\log (1 -
# D(G(z)))] .
# $$
#
# The generator is trained to *lower* the same number, through $D$: the gradient of $D$ with respect
# to its input says in which direction an image looks more real. This is a **game of two players**,
#
# $$
# \min_G \max_D V(D, G) .
# $$
#
# In the library $D$ gives a logit $\ell$, with $D = \sigma(\ell) = 1 / (1 + e^{-\ell})$, so that
# $-\log D = \log (1 + e^{-\ell})$ is a softplus and never infinite. One move of a player:

# %% tags=["hide"]
book.source(GAN.play)
book.source(Minimax.discriminator_loss)
book.source(Minimax.generator_loss)

# %% [markdown]
# ## The best discriminator
#
# Fix $G$. What is the best $D$, if it may be any function? Write the second expectation over $x =
# G(z)$, which has the distribution $p_g$; if there are densities,
#
# $$
# V(D, G) = \int \big[ p_\text{data}(x) \log D(x) + p_g(x) \log (1 - D(x)) \big]\, \mathrm{d}x .
# $$
#
# $D$ may choose its value at each $x$ freely, so we maximise the integrand, point by point: with $a
# = p_\text{data}(x)$, $b = p_g(x)$ and $y = D(x)$,
#
# $$
# f(y) = a \log y + b \log (1 - y), \qquad f'(y) = \frac{a}{y} - \frac{b}{1 - y} , \qquad f''(y) =
# -\frac{a}{y^2} - \frac{b}{(1 - y)^2} < 0 .
# $$
#
# $f'$ is zero at $y = a / (a + b)$, and since $f$ is concave that is the maximum. (If $a = 0$ or $b
# = 0$, $f$ is monotone and its supremum is at the end that the formula names.) So
#
# $$
# D^*(x) = \frac{p_\text{data}(x)}{p_\text{data}(x) + p_g(x)} , \qquad \ell^*(x) = \log
# \frac{p_\text{data}(x)}{p_g(x)} .
# $$
#
# (Where both densities are zero, $D$ may be anything.) The best logit is the **logarithm of the
# ratio of the densities**: a quantity about densities, learned from samples.
#
# How much does any other $D$ lose? By the same integral, and with $m = \frac{1}{2} (p_\text{data} +
# p_g)$, for which $p_\text{data} = 2 m D^*$ and $p_g = 2 m (1 - D^*)$,
#
# $$
# V(D^*) - V(D) = 2 \int m \Big[ D^* \log \frac{D^*}{D} + (1 - D^*) \log \frac{1 - D^*}{1 - D} \Big]
# \mathrm{d}x ,
# $$
#
# twice the mean divergence between two coins, $D^*(x)$ and $D(x)$. It is never negative, and zero
# only for $D = D^*$ where $m > 0$. So every trained discriminator gives a lower bound on $V(D^*)$
# (with expectations over the true distributions, or over new draws up to their error; not over the
# draws that it was trained on).
#
# Does a network find $D^*$ from samples? Below, one is trained on fresh draws from both sides.


# %%
def train_discriminator(network, real, made, steps, rate=5e-3):
    """Raises V(D, G) for a fixed G; real and made are `(steps, batch, d)` draws."""
    objective, variables = Minimax(), network.trainable_variables
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    optimizer.build(variables)
    real, made = tf.constant(real, tf.float32), tf.constant(made, tf.float32)

    @tf.function
    def train():
        for k in tf.range(steps):
            with tf.GradientTape() as tape:
                logits = network(real[k])[:, 0], network(made[k])[:, 0]
                loss = tf.reduce_mean(objective.discriminator_loss(*logits))
            optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

    train()
    return network


steps, batch = 1200, 256
draws = {
    "1-D": (
        data_1d.sample((steps, batch, 1), seed=1).numpy(),
        g(np.random.default_rng(1).standard_normal((steps, batch, 1))),
    ),
    "2-D": (data_2d.sample((steps, batch), seed=2).numpy(),
            made_2d.sample((steps, batch), seed=3).numpy()),
}  # fmt: skip
best = {name: a[name] / (a[name] + b[name]) for name in a}  # D*
with np.errstate(divide="ignore"):
    best_logits = {name: np.log(a[name]) - np.log(b[name]) for name in a}
logits, trained = {}, {}
for name, dimension in (("1-D", 1), ("2-D", 2)):
    network = dense_discriminator((dimension,), (64, 64), seed=0)
    logits[name] = train_discriminator(network, *draws[name], steps)
    trained[name] = logits[name](points[name]).numpy()[:, 0].astype("float64")


def value(name, ell):
    """V(D, G) of a D with these logits, by the integral."""
    with np.errstate(invalid="ignore"):
        return -integral(name, a[name] * softplus(-ell) + b[name] * softplus(ell))


# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.5), width_ratios=(1.15, 1))
    axes[0].plot(line, a["1-D"], color=plots.BLUE, label="$p_{data}$")
    axes[0].plot(line, b["1-D"], "--", color=plots.VERMILION, label="$p_g$")
    axes[0].plot(line, best["1-D"], color=plots.MUTED, linewidth=3.5, alpha=0.6, label="$D^*$")
    axes[0].plot(line, expit(trained["1-D"]), ":", color=plots.INK, label="trained D")
    axes[0].set(xlabel="x", ylabel="density; probability of real", xlim=(-5, 6), ylim=(0, 1.32))
    axes[0].set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes[0].legend(fontsize=8, ncols=2, loc="upper right")
    side = (len(axis_2d), len(axis_2d))
    axes[1].imshow(a["2-D"].reshape(side), origin="lower", extent=(-9, 9) * 2, cmap="Blues")
    seen = a["2-D"] + b["2-D"] > 2e-3
    for d, style in ((best["2-D"], "solid"), (expit(trained["2-D"]), "dashed")):
        color = plots.VERMILION if style == "solid" else plots.GREEN
        axes[1].contour(axis_2d, axis_2d, np.where(seen, d, np.nan).reshape(side), [0.2, 0.6],
                        colors=color, linestyles=style, linewidths=[0.8, 1.8])  # fmt: skip
    axes[1].set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), xlabel="$x_1$", ylabel="$x_2$")
    axes[1].grid(False)
book.figure(
    figure,
    "optimal",
    "The best discriminator and a trained one. Left, in one dimension. Right, in two: the blue "
    "patches are $p_\\text{data}$; lines, drawn where there are samples, are where $D^*$ (red, "
    "full) and the trained $D$ (green, dashed) are 0.2 (thin) and 0.6 (thick).",
    alt="Left: two densities and two nearly equal curves between 0 and 1. Right: five blue patches "
    "with red and green contour lines that nearly coincide.",
)

# %% tags=["hide"]


def coins(name):
    """Twice the mean divergence of the coin of the trained D from the coin D*."""
    d, ell = best[name], trained[name]
    terms = d * (log_ratio(d, 1) + softplus(-ell)) + (1 - d) * (log_ratio(1 - d, 1) + softplus(ell))
    return integral(name, (a[name] + b[name]) * terms)


gaps = {name: value(name, best_logits[name]) - value(name, trained[name]) for name in a}
misses = {
    name: integral(name, (a[name] + b[name]) / 2 * np.abs(best[name] - expit(trained[name])))
    for name in a
}
book.say(
    "The trained networks reach $V$ = "
    + listed([f"{number(value(n, trained[n]), '.4f')} ({n})" for n in a])
    + "; the best possible is "
    + listed([number(value(n, best_logits[n]), ".4f") for n in a])
    + ". The differences are "
    + listed([f"{gaps[n]:.5f}" for n in a])
    + ", and by the formula with the coins "
    + listed([f"{coins(n):.5f}" for n in a])
    + f". On average over $m$, $D$ is within {misses['1-D']:.3f} and {misses['2-D']:.3f} of $D^*$ "
    "(@fig:optimal). In the tails, where there are next to no samples, the two may differ."
)

# %% [markdown]
# Is a trained $D$ *calibrated*: of the points to which it gives 0.8, are 80% real? Draw new points,
# half real and half generated, and sort them by what $D$ says.

# %% tags=["hide"]
rng = np.random.default_rng(4)
count = 40_000
fresh = {
    "1-D": (data_1d.sample((count, 1), seed=5).numpy(), g(rng.standard_normal((count, 1)))),
    "2-D": (data_2d.sample(count, seed=6).numpy(), made_2d.sample(count, seed=7).numpy()),
}
says = {
    name: [expit(logits[name](x.astype("float32")).numpy()[:, 0].astype("float64")) for x in both]
    for name, both in fresh.items()
}
bins = np.linspace(0, 1, 6)
reliable, worst_bins = [], []
for name, (of_real, of_made) in says.items():
    answers = np.concatenate([of_real, of_made])
    is_real = np.repeat([1.0, 0.0], count)
    row = [name]
    for low, high in itertools.pairwise(bins):
        inside = (answers >= low) & (answers < high)
        share, said = is_real[inside].mean(), answers[inside].mean()
        row.append(f"{said:.3f} / {share:.3f}")
        worst_bins.append(abs(share - said))
    reliable.append(row)
book.table(
    reliable,
    ["", *(f"{low:.1f} to {high:.1f}" for low, high in itertools.pairwise(bins))],
    f"Points sorted by what the trained $D$ says: its mean answer / the share of real points. "
    f"{2 * count:,} new points each; the standard error of a share is below 0.01.",
    name="calibrated",
)
density_match = np.corrcoef(best["1-D"], a["1-D"])[0, 1]
spot = np.abs(line + 3.5).argmin()
largest = {n: integral(n, best[n] * (np.abs(line) < 10 if n == "1-D" else 1)) for n in best}
book.box(
    "notes",
    "What the notes say: D approximates the density of the data, it is no classifier",
    f"""
    It is a classifier. If a coin decides whether $x$ comes from the data or from $G$, Bayes' rule
    gives

    $$
    P(\\text{{real}} \\mid x) = \\frac{{\\frac{{1}}{{2}} p_\\text{{data}}(x)}}{{\\frac{{1}}{{2}}
    p_\\text{{data}}(x) + \\frac{{1}}{{2}} p_g(x)}} = D^*(x) .
    $$

    That is the sense of "the probability that $x$ is real", and @table:calibrated shows that here
    the trained $D$ has learned it, to within {max(worst_bins):.3f} in every bin. (This holds only
    near the optimum. A $D$ that has seen few data, or follows a moving $G$, need not be
    calibrated.)

    It is no density. $D^*$ depends on $p_g$ as much as on $p_\\text{{data}}$. In one dimension its
    integral from $-10$ to $10$ is {largest["1-D"]:.2f}, and it would grow without end with the
    limits. At $x = {number(line[spot], ".1f")}$, where $p_\\text{{data}}$ is only
    {a["1-D"][spot]:.4f}, it is {best["1-D"][spot]:.3f}, since $p_g$ is smaller still. Its
    correlation with $p_\\text{{data}}$ over the grid is {number(density_match, ".2f")}. At the end
    of a perfect game $D^* = \\frac{{1}}{{2}}$ everywhere and says nothing about the data at all.
    The density would be had from both: $p_\\text{{data}} = p_g\\, D^* / (1 - D^*)$.

    One more claim of the notes: "$D(G(z)) + D(x) = 1$ is not guaranteed, so $D$ is no classifier".
    These are answers to two *different* inputs. What adds up to 1 is $P(\\text{{real}} \\mid x)$
    and $P(\\text{{generated}} \\mid x)$ at the same $x$.
    """,
)

# %% tags=["hide"]
hard = (a["1-D"] > b["1-D"]).astype(float)
expected_answer = {
    "D*": integral("1-D", a["1-D"] * best["1-D"] + b["1-D"] * (1 - best["1-D"])),
    "hard": integral("1-D", a["1-D"] * hard + b["1-D"] * (1 - hard)),
}
variation = integral("1-D", np.abs(a["1-D"] - b["1-D"])) / 2
surer = np.clip(0.5 + 3 * (best["1-D"] - 0.5), 1e-6, 1 - 1e-6)
book.box(
    "notes",
    "What the notes say: V(D, G) is an expected probability",
    f"""
    It is an expected *logarithm* of a probability: minus twice the cross-entropy of a classifier
    of an even mixture. It is never positive. A $D$ that knows nothing and says
    $\\frac{{1}}{{2}}$ has $V = 2 \\log \\frac{{1}}{{2}} = {number(-math.log(4), ".3f")}$; a
    probability cannot be negative.

    The difference matters. In the one-dimensional example, the expected probability of the right
    answer, real and generated points added up, is {expected_answer["D*"]:.3f} for $D^*$. It would
    be largest, {expected_answer["hard"]:.3f}, for a $D$ that says 1 where $p_\\text{{data}} > p_g$
    and else 0: the sum is $1 + \\int (p_\\text{{data}} - p_g)\\, D$, so it pays to overstate. The
    logarithm punishes that. If $D$ trebles its distance from one half (and stops at $10^{{-6}}$ and
    $1 - 10^{{-6}}$), the expected probability rises to
    {integral("1-D", a["1-D"] * surer + b["1-D"] * (1 - surer)):.3f}, and $V$ falls from
    {number(value("1-D", best_logits["1-D"]), ".3f")} to
    {number(value("1-D", logit(surer)), ".3f")}.
    """,
)

# %%
at = tf.Variable(fresh["1-D"][1][:2000].astype("float32"))  # generated points


def moved(sign, moves=60, rate=0.05):
    """The points after steps down (sign 1) or up (-1) log(1 - D)."""
    x = tf.identity(at)
    for _ in range(moves):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(Minimax().generator_loss(logits["1-D"](x)[:, 0]))
        x -= sign * rate * tape.gradient(loss, x)
    return x.numpy()


ends = {"as generated": at.numpy(), "towards 1": moved(1), "towards 0": moved(-1)}

# %% tags=["hide"]
d_at = {name: expit(logits["1-D"](x).numpy()[:, 0]).mean() for name, x in ends.items()}
p_at = {name: data_1d.prob(x[:, 0]).numpy().mean() for name, x in ends.items()}
other = 1 - best["1-D"]
squared = {  # V for the integrand with a further factor x
    shift: integral(
        "1-D",
        (line + shift) * (a["1-D"] * log_ratio(best["1-D"], 1) + b["1-D"] * log_ratio(other, 1)),
    )
    for shift in (0, 3)
}
book.box(
    "notes",
    "What the notes say: the generator wants D(G(z)) = 0; p(x) x log D(x)",
    f"""
    - One of the notes says that the generator wishes for $D(G(z)) = 0$. It wishes for **1**, that
      its images be taken for real, as the loss in the next line of the same note has it. We let
      2,000 generated points of the one-dimensional example follow the gradient of the trained $D$.
      Where they start, $D$ is {d_at["as generated"]:.3f} and $p_\\text{{data}}$
      {p_at["as generated"]:.3f} on average. Down the slope of $\\log (1 - D)$, towards 1, they get
      to $D$ = {d_at["towards 1"]:.3f} and $p_\\text{{data}}$ = {p_at["towards 1"]:.3f}: into the
      data. Towards 0 they get to {d_at["towards 0"]:.3f} and {p_at["towards 0"]:.3f}: away from
      them. The discriminator is the one who wants 0 there.
    - The same note writes the integrand of $V$ as $p(x)\\, x \\log D(x)$. The expectation of $\\log
      D(x)$ is $\\int p(x) \\log D(x)\\, \\mathrm{{d}}x$; the factor $x$ belongs to the expectation
      of $x$. The mistake hides itself, since setting the derivative with respect to $D$ to zero
      gives the same $D^*$ (where $x < 0$ it is then a *minimum*). The value shows it: with the
      factor the integral is {number(squared[0], ".3f")}, and if all points are moved by 3, which
      changes nothing about the game, {number(squared[3], ".3f")}. Without it, it is
      {number(value("1-D", best_logits["1-D"]), ".3f")} for both.
    """,
)

# %% [markdown]
# ## What the generator then minimises
#
# Suppose that $D$ is always the best one for the present $G$. Then $G$ minimises $V(D^*, G)$, a
# function of $p_g$ alone. Insert $D^*$:
#
# $$
# \begin{aligned}
# V(D^*, G) &= \mathbb{E}_{x \sim p_\text{data}}[\log D^*(x)] + \mathbb{E}_{z \sim p_z}[\log (1 -
# D^*(G(z)))] && (1) \\
# &= \int p_\text{data} \log \frac{p_\text{data}}{p_\text{data} + p_g}\, \mathrm{d}x + \int p_g \log
# \frac{p_g}{p_\text{data} + p_g}\, \mathrm{d}x && (2) \\
# &= \int p_\text{data} \log \frac{p_\text{data}}{m}\, \mathrm{d}x + \int p_g \log \frac{p_g}{m}\,
# \mathrm{d}x - 2 \log 2 , \qquad m = \tfrac{1}{2} (p_\text{data} + p_g) && (3) \\
# &= \mathrm{KL}(p_\text{data} \,\|\, m) + \mathrm{KL}(p_g \,\|\, m) - \log 4 && (4) \\
# &= 2\, \mathrm{JSD}(p_\text{data}, p_g) - \log 4 . && (5)
# \end{aligned}
# $$
#
# 1. The definition.
# 2. $x = G(z)$ has the distribution $p_g$; and $1 - D^* = p_g / (p_\text{data} + p_g)$. Each
#    expectation has become an integral; none is left inside (one of the notes leaves both).
# 3. $\log \frac{p}{p_\text{data} + p_g} = \log \frac{p}{2 m} = \log \frac{p}{m} - \log 2$, and both
#    densities integrate to one.
# 4. The definition of the Kullback-Leibler divergence.
# 5. The definition of the **Jensen-Shannon divergence**, the mean of the two.
#
# A KL is never negative and zero only between equals ([chapter 5](05_vae.md) has the two lines of
# proof). So **the minimum is $-\log 4$, and it is reached exactly if $p_g = p_\text{data}$.** The
# largest value is $0$, as $\mathrm{JSD} \le \log 2$ (since $p / m \le 2$), reached if the two do
# not overlap: then a perfect classifier exists.
#
# No volume is needed for this. With respect to $p_\text{data} + p_g$ both distributions always have
# densities, and every step stands. If they lie on sheets that do not meet, $D^*$ is 1 on the one
# and 0 on the other, and the JSD is $\log 2$ ([chapter 8](08_dcgan_wgan.md)).


# %%
def by_noise(name):
    """E_z[log(1 - D*(G(z)))] as an integral over z."""
    if name == "1-D":
        density, x = stats.norm.pdf(line), g(line)
        return np.nansum(density * np.log(p_g(x) / (p_g(x) + p_data(x)))) * cells["1-D"]
    density = np.prod(stats.norm.pdf(square), axis=1)
    x = (1.3 * square + (0.5, 0)).astype("float32")
    real, made = (np.asarray(d.prob(x), "float64") for d in (data_2d, made_2d))
    return np.nansum(density * np.log(made / (made + real))) * cells["2-D"]


class Pushed:
    """p_g of the one-dimensional example, with what a divergence needs."""

    def sample(self, count, seed):
        return g(tfd.Normal(0.0, 1.0).sample(count, seed=seed))

    def log_prob(self, x):
        return tf.constant(np.log(p_g(x.numpy().astype("float64"))), tf.float32)


pairs = {"1-D": (data_1d, Pushed()), "2-D": (data_2d, made_2d)}
derivation, drawn_jsd = {}, {}
for name, (real, made) in pairs.items():
    p, q = a[name], b[name]
    m = (p + q) / 2
    derivation[name] = {
        "(1)": integral(name, p * log_ratio(best[name], 1)) + by_noise(name),
        "(2)": integral(name, p * log_ratio(p, p + q)) + integral(name, q * log_ratio(q, p + q)),
        "(3)": integral(name, p * log_ratio(p, m) + q * log_ratio(q, m)) - 2 * math.log(2),
        "(4)": integral(name, p * log_ratio(p, m)) + integral(name, q * log_ratio(q, m))
        - math.log(4),
    }  # fmt: skip
    jsd, jsd_error = divergences.jensen_shannon(real, made, num_samples=100_000, seed=0)
    drawn_jsd[name] = 2 * float(jsd) - math.log(4), 2 * float(jsd_error)
heard = {}  # V of the trained D over new draws
for name, (of_real, of_made) in says.items():
    terms = np.log(of_real) + np.log1p(-of_made)
    heard[name] = terms.mean(), error(terms)

# %% tags=["hide"]
book.table(
    [
        *(
            [step, *(number(derivation[n][step], ".5f") for n in pairs)]
            for step in ("(1)", "(2)", "(3)", "(4)")
        ),
        ["(5), JSD from 100,000 draws each",
         *(f"{number(v, '.4f')} ± {e:.4f}" for v, e in drawn_jsd.values())],
        ["trained $D$, integral", *(number(value(n, trained[n]), ".4f") for n in pairs)],
        [f"trained $D$, {count:,} new draws each",
         *(f"{number(v, '.4f')} ± {e:.4f}" for v, e in heard.values())],
    ],
    ["line", "1-D", "2-D"],
    "The derivation in numbers (nats). Line (1) integrates over $x$ and over $z$, line (2) over "
    "$x$ only; line (5) uses the library's `jensen_shannon`. The integral of a trained $D$ must "
    "lie below; its mean over draws scatters about that.",
    name="derivation",
)  # fmt: skip
all_steps = np.array([list(derivation[n].values()) for n in pairs])
found = {n: (heard[n][0] + math.log(4)) / 2 for n in pairs}
from_draws = [f"{found[n]:.4f} ± {heard[n][1] / 2:.4f} ({n})" for n in pairs]
book.say(
    "The lines agree to "
    f"{number(max(np.ptp(all_steps, axis=1).max(), 1e-16), '.0e')} (@table:derivation). So a "
    "classifier measures a divergence between two distributions of which it has seen samples only: "
    "its value on new draws puts the JSD, from below and up to the error of the draws, at "
    + listed(from_draws)
    + "; it is "
    + listed([f"{(derivation[n]['(4)'] + math.log(4)) / 2:.4f}" for n in pairs])
    + ". That answers the question of how to compare through samples."
)

# %% tags=["hide"]
p, q = a["1-D"], b["1-D"]
triangle = np.nansum((p - q) ** 2 / (p + q)) * cells["1-D"]
d = best["1-D"]
by_square = -integral("1-D", p * (1 - d) ** 2 + q * d**2)
book.box(
    "notes",
    "What the notes say: the paper used the JSD as its distance",
    f"""
    Nobody chose it. The game was chosen, a classifier that maximises a log-likelihood, and the JSD
    is what its best answer turns out to be worth. Another payment gives another divergence (Nowozin
    and others), with no other word about distances. In the one-dimensional example, by integrals:

    - logarithms, $\\log D$ and $\\log (1 - D)$: the best value is
      {number(value("1-D", best_logits["1-D"]), ".4f")} $= 2\\, \\mathrm{{JSD}} - \\log 4$.
    - squares, $-(1 - D)^2$ and $-D^2$: the best $D$ is the same, and its value is
      {number(by_square, ".4f")} $= \\frac{{1}}{{4}} \\Delta - \\frac{{1}}{{2}}$, with the
      triangular divergence $\\Delta = \\int (p_\\text{{data}} - p_g)^2 / (p_\\text{{data}} + p_g) =
      {triangle:.4f}$ (that makes {number(triangle / 4 - 0.5, ".4f")}).
    - plain probabilities, $D$ and $1 - D$: the best $D$ says 0 or 1, and its value is
      {expected_answer["hard"]:.4f} $= 1 + \\mathrm{{TV}}$, with the total variation
      $\\frac{{1}}{{2}} \\int |p_\\text{{data}} - p_g| = {variation:.4f}$.

    All three are smallest exactly if $p_g = p_\\text{{data}}$. And a generator that plays against a
    $D$ short of the best minimises none of them.

    (Another slip, in the first of the notes: in line (2) it keeps the expectations *inside* the
    integral over $x$. An expectation is a number, so that integral is the number times the length
    of the line: from $-14$ to $14$ it is {number(28 * value("1-D", best_logits["1-D"]), ".2f")}
    nats, and twice as much over twice the length.)
    """,
)

# %% [markdown]
# ## When the discriminator is too good
#
# Early in training $G$ makes noise, and $D$ sees at once that it is noise: $D(G(z)) \approx 0$.
# What does $G$ then learn? Only the logit $\ell = \ell(G(z))$ stands between $D$ and $G$. With
# $D = \sigma(\ell)$ and $\sigma' = \sigma (1 - \sigma)$,
#
# $$
# \frac{\partial}{\partial \ell} \log (1 - D) = -D , \qquad \frac{\partial}{\partial \ell} \big[
# -\log D \big] = -(1 - D) .
# $$
#
# The first is the loss of the game. It **saturates**: an image that $D$ is sure to be generated
# contributes a gradient with the factor $D \approx 0$. The paper therefore trains $G$ with the
# second, **non-saturating** loss $-\log D(G(z))$. For one image both gradients point the same way;
# the lengths have the ratio $D / (1 - D)$. For a batch they differ in more than length: the first
# listens most to images that are nearly good enough, the second to the bad ones.
#
# Take two normals, $p_\text{data} = \mathcal{N}(0, 1)$ and $G(z) = t + z$, so that $p_g =
# \mathcal{N}(t, 1)$. Here $\ell^*(x) = \log p_\text{data} - \log p_g = t^2 / 2 - t x$, with slope
# $-t$. Against the best $D$ the slopes of the two losses with respect to $t$ are
#
# $$
# \mathbb{E}_{x \sim p_g}[-D^* \cdot (-t)] = t\; \mathbb{E}_{p_g}[D^*] \qquad \text{and} \qquad
# \mathbb{E}_{x \sim p_g}[-(1 - D^*) \cdot (-t)] = t\; \mathbb{E}_{p_g}[1 - D^*] .
# $$
#
# The first must be the slope of $2\, \mathrm{JSD}$, since the derivative of a maximum, $\max_D
# V(D, t)$, is that of $V$ at the maximiser. The two add up to $t$, which is the slope of
# $\mathrm{KL}(p_g \,\|\, p_\text{data}) = t^2 / 2$. So the second is the slope of $\mathrm{KL}(p_g
# \,\|\, p_\text{data}) - 2\, \mathrm{JSD}$. Exercise 7.2 shows that this holds in general, and that
# the difference is $2\, \mathrm{KL}(m \,\|\, p_\text{data})$, which is never negative and zero only
# at $p_g = p_\text{data}$; so with a perfect $D$ the non-saturating loss has the same goal.

# %%
shifts = np.linspace(0, 8, 81)
x = np.linspace(-12, 20, 6401)
cell = x[1] - x[0]
saturating, other_slope, doubled_jsd = [], [], []
for t in shifts:
    p, q = stats.norm.pdf(x), stats.norm.pdf(x, t)
    d = expit(t**2 / 2 - t * x)
    saturating.append(t * (q * d).sum() * cell)
    other_slope.append(t * (q * (1 - d)).sum() * cell)
    doubled_jsd.append(math.log(4) - cell * (
        p * np.logaddexp(0, t * x - t**2 / 2) + q * np.logaddexp(0, t**2 / 2 - t * x)
    ).sum())  # fmt: skip
by_difference = np.gradient(doubled_jsd, shifts, edge_order=2)

# %% [markdown]
# And in a real training? Two GANs on the digits start from the same weights; one generator has the
# loss of the game, the other the non-saturating one. Both are trained by gradient descent with
# momentum (each step keeps a part of the one before), as in 2014. Every few moves we stop, and take
# with the weights of that moment both gradients over 200 noise vectors.


# %%
def gan(objective=None, batch_norm=False):
    """A GAN of images."""
    networks = (
        dense_generator(
            16, (depth,), hidden, batch_norm=batch_norm, output_activation="sigmoid", seed=0
        ),
        dense_discriminator((depth,), hidden, seed=0),
    )
    return GAN(*networks, objective, seed=0)


def adam(rate=1e-3):
    """With the momentum that DCGAN uses."""
    return keras.optimizers.Adam(rate, beta_1=0.5)


def fit(model, x, *, steps, batch_size=100, rates=(1e-3, 1e-3), make=adam, every=1, callbacks=()):
    """Trains for some steps; callbacks run after every few."""
    generator, discriminator = map(make, rates)
    model.compile(
        generator=generator,
        discriminator=discriminator,
        jit_compile=False,
        steps_per_execution=every,
    )
    batches = epoch_batches(x, batch_size, seed=0)
    model.fit(batches, steps_per_epoch=steps, epochs=1, callbacks=[*callbacks], verbose=0)
    return model


class Gradients(keras.callbacks.Callback):
    """D(G(z)) and the lengths of both gradients of the generator."""

    def __init__(self, every):
        super().__init__()
        self.every, self.rows = every, []

    def on_train_begin(self, logs=None):
        variables = self.model.generator.trainable_variables
        z = tf.random.stateless_normal((200, 16), (0, 3))

        @tf.function
        def measured():
            with tf.GradientTape(persistent=True) as tape:
                fake = self.model.discriminator(self.model.generator(z, training=True))[:, 0]
                losses = [
                    tf.reduce_mean(objective.generator_loss(fake))
                    for objective in (Minimax(), NonSaturating())
                ]
            both = [tape.gradient(loss, [v.value for v in variables]) for loss in losses]
            flat = [tf.concat([tf.reshape(part, [-1]) for part in one], 0) for one in both]
            lengths = [tf.norm(one) for one in flat]
            cosine = tf.reduce_sum(flat[0] * flat[1]) / (lengths[0] * lengths[1])
            return tf.stack([tf.reduce_mean(tf.sigmoid(fake)), *lengths, cosine])

        self.measured = measured
        self.rows.append([0, *measured().numpy()])

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append([batch + 1, *self.measured().numpy()])


def sgd(rate):
    """As in the paper of 2014."""
    return keras.optimizers.SGD(rate, momentum=0.5)


early = {}
for name, objective in (("saturating", Minimax()), ("non-saturating", NonSaturating())):
    watch = Gradients(every=4)
    fit(gan(objective), train_x, steps=240, rates=(0.1, 0.1), make=sgd, every=4, callbacks=[watch])
    early[name] = np.array(watch.rows).T

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.2))
    axes[0].plot(shifts, saturating, label="saturating")
    axes[0].plot(shifts, other_slope, "--", label="non-saturating")
    axes[0].set(xlabel="distance t of the means", ylabel="slope of the loss in t", ylim=(0, 4),
                title="two normals, D*")  # fmt: skip
    for name, style in (("saturating", "-"), ("non-saturating", "--")):
        moves, fooled, *lengths, _ = early[name]
        axes[1].plot(moves, fooled, style, label=name)
        axes[2].plot(moves, lengths[name == "non-saturating"], style, label=name)
    axes[1].set(xlabel="moves of G", ylabel="mean D(G(z))", ylim=(0, None), title="digits")
    axes[2].set(xlabel="moves of G", ylabel="length of G's gradient", yscale="log",
                title="digits")  # fmt: skip
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=2)
book.figure(
    figure,
    "saturation",
    "Saturating and non-saturating loss. Left: slopes for two normals at distance $t$, against the "
    "best $D$. Middle and right: two trainings on digits from the same start, each with one of the "
    "losses; how real $D$ takes generated images to be, and the gradient each generator gets.",
    alt="Left: one curve rises and falls to zero, the other rises in a line. Middle and right: two "
    "curves each over the first moves of the training.",
)

# %% tags=["hide"]
peak = shifts[int(np.argmax(saturating))]
slope_gap = np.abs(np.array(saturating) - by_difference)[1:-1].max()
book.say(
    "For the two normals the slope of the game's loss agrees with difference quotients "
    f"(steps of 0.1) of $2\\, \\mathrm{{JSD}}$ to {number(slope_gap, '.0e')}. It is "
    f"steepest at $t = {peak:.1f}$; at "
    f"$t = 8$ it has fallen to {number(saturating[-1], '.0e')}, while the other is "
    f"{other_slope[-1]:.2f}. Beyond the peak, the farther $G$ is from the data, the less the game "
    "tells it (@fig:saturation)."
)
last = {name: rows[:, -10:].mean(axis=1) for name, rows in early.items()}
stuck = last["saturating"][1] < last["non-saturating"][1] / 10
cosine = np.concatenate([rows[4] for rows in early.values()]).mean()
book.say(
    f"On digits, over the last forty of {early['saturating'][0][-1]:.0f} moves, $D(G(z))$ is "
    f"{number(last['saturating'][1], '.0e')} with the loss of the game and "
    f"{last['non-saturating'][1]:.2f} with the other. "
    + (
        "The first generator is stuck: $D$ has won, and "
        if stuck
        else "The first generator is not stuck here; "
    )
    + f"its gradient has length {number(last['saturating'][2], '.1g')} against "
    f"{last['saturating'][3]:.1f} for the non-saturating loss at the same weights and noise, "
    f"{last['saturating'][3] / last['saturating'][2]:,.0f} times as much. The cosine of the "
    f"angle between the two is {cosine:.2f} on average: "
    + (
        "nearly the same direction: $D$ is about as sure of all images of the batch, so little but "
        "the length differs. "
        if cosine > 0.95
        else "not quite the same direction. "
    )
    + "(Adam divides a gradient by its usual size, so with Adam the difference in length matters "
    "less. The other networks of this chapter are trained with Adam and the non-saturating loss.)"
)

# %% [markdown]
# ## Moves of D for one of G
#
# That $G$ minimises the JSD assumed a $D$ that is the best *at every moment*. In practice $D$ makes
# $k$ moves, then $G$ one, and so on. What does $k$ change? We can watch it where $p_g$ is known at
# each moment: $G(z) = \mu + s z$ with two weights $\mu$ and $s$, so that $p_g = \mathcal{N}(\mu,
# s^2)$, against data from $\mathcal{N}(0, 1)$. By integrals we know $V(D, G)$ for the present $D$,
# and $V(D^*, G)$, which is $2\, \mathrm{JSD} - \log 4$. ($G$ has the non-saturating loss; at $D^*$
# that too goes downhill on a divergence, exercise 7.2.) Both runs, one for each $k$, start at
# $\mu = 3$, $s = 0.5$, and $G$ makes the same number of moves in both. We look after every fourth
# move of $G$, before $D$ has answered.


# %%
class Track(keras.callbacks.Callback):
    """mu, s, V(D, G) and V(D*, G) along the way."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        (mu,), s = self.model.generator.get_weights()[::-1]
        p, q = stats.norm.pdf(line), stats.norm.pdf(line, mu, abs(s.item()))
        says = self.model.discriminator(points["1-D"]).numpy()[:, 0].astype("float64")
        v = -(p * np.logaddexp(0, -says) + q * np.logaddexp(0, says)).sum()
        v_best = (p * log_ratio(p, p + q) + q * log_ratio(q, p + q)).sum()
        row = [batch + 1, mu, abs(s.item()), v * cells["1-D"], v_best * cells["1-D"]]
        self.rows.append(row)


def line_gan(k, seed):
    generator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    generator.set_weights([np.float32([[0.5]]), np.float32([3.0])])
    discriminator = dense_discriminator((1,), (32, 32), seed=seed)
    return GAN(generator, discriminator, discriminator_steps=k, seed=seed)


normal_x = np.random.default_rng(0).normal(size=(100_000, 1)).astype("float32")
moves_of_g, tracks = 300, {}
for k in (1, 5):
    watch = Track()
    game = {"steps": moves_of_g, "batch_size": 64 * k, "rates": (5e-2, 1e-2)}
    fit(line_gan(k, seed=0), normal_x, **game, every=4, callbacks=[watch])
    tracks[k] = np.array(watch.rows).T

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.0), sharex=True, sharey=True)
    for axis, (k, (moves, *_, v, v_best)) in zip(axes, tracks.items(), strict=True):
        axis.plot(moves, v_best, label="$V(D^*, G) = 2$ JSD $-$ log 4")
        axis.plot(moves, v, "--", linewidth=1.2, label="$V(D, G)$")
        axis.axhline(-math.log(4), color=plots.MUTED, linewidth=0.8)
        axis.set(title=f"k = {k}", xlabel="moves of G")
        axis.set(ylim=(-1.6, 0.05), xlim=(0, 150))
    axes[0].set(ylabel="nats")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
book.figure(
    figure,
    "steps",
    "The value that the discriminator reaches and the best possible one, for $k$ moves of $D$ to "
    "one of $G$; the first half of each run. The thin line is $-\\log 4$, where $p_g = "
    "p_\\text{data}$.",
    alt="Two panels; the best value falls to the thin line. The reached one lies below it, far "
    "below at first in the left panel, hardly in the right one.",
)

# %% tags=["hide"]
late = slice(len(tracks[1][0]) // 2, None)
lag = {k: (rows[4] - rows[3]) for k, rows in tracks.items()}
far = {k: (rows[4] + math.log(4)) / 2 for k, rows in tracks.items()}  # JSD
book.table(
    [
        [
            f"{k}",
            f"{moves_of_g * (k + 1):,}",
            f"{lag[k].mean():.3f}",
            f"{lag[k][late].mean():.4f}",
            f"{far[k][late].mean():.4f}",
            f"{np.abs(rows[1][late]).mean():.3f}",
            f"{rows[2][late].min():.2f} to {rows[2][late].max():.2f}",
        ]
        for k, rows in tracks.items()
    ],
    ["k", "moves in all", "lag", "lag, late", "JSD, late", "size of μ, late", "s, late"],
    f"One run each of {moves_of_g} moves of $G$. Lag: $V(D^*, G) - V(D, G)$, the mean over the run "
    "in nats; late: over its second half.",
    name="steps",
)


def trend(values):
    """What happens from the first to the last."""
    return "falls" if values[-1] < values[0] else "does not fall"


late_mu = [np.abs(rows[1][late]).mean() for rows in tracks.values()]
worse = {k: (rows[3] < -math.log(4)).mean() for k, rows in tracks.items()}
book.say(
    f"From one run each: the lag of $D$ behind its best {trend([lag[k].mean() for k in tracks])} "
    f"with $k$, from {lag[1].mean():.3f} to {lag[5].mean():.3f} nats; the late JSD "
    f"{trend([far[k][late].mean() for k in tracks])} (@table:steps, @fig:steps). With $k = 1$ the "
    f"value $V(D, G)$ is below $-\\log 4$ at {worse[1]:.0%} of our looks, with $k = 5$ at "
    f"{worse[5]:.0%}. Such a $D$ does worse than one that always says $\\frac{{1}}{{2}}$: $G$ has "
    "moved on, or $D$ jitters with its batches; near the goal, where the best value is $-\\log 4$, "
    "any error of $D$ puts $V$ below it. A gradient from such a $D$ need not lower the JSD; the "
    "two can chase each other (exercise 7.3). The late size of $\\mu$ is "
    + listed([f"{size:.3f} with $k = {k}$" for k, size in zip(tracks, late_mu, strict=True)])
    + ": one run each does not say which $k$ ends nearest."
)

# %% [markdown]
# Then why not let $D$ finish each time? It would cost more, and there is a second reason. $V$ is
# defined by expectations, and we have a finite number of images. Take the extreme case in which
# $G$ has already won: let *real images* play the part of the generated ones, 300 against 300
# others. The best $D$ is $\frac{1}{2}$ everywhere. What does a network do that is trained to the
# end on these images?

# %%
order = np.random.default_rng(0).permutation(len(train_x))
ours, theirs = train_x[order[:300]], train_x[order[300:600]]
others = np.concatenate([valid_x, test_x])[np.random.default_rng(1).permutation(600)]
overfit_rows = []
network = dense_discriminator((depth,), hidden, seed=0)
for part in range(8):
    rng = np.random.default_rng(part)
    batches = [x[rng.integers(300, size=(75, 100))] for x in (ours, theirs)]
    train_discriminator(network, *batches, steps=75, rate=2e-3)
    sides = [network(x)[:, 0] for x in (ours, theirs, others[:300], others[300:600])]
    scores = [Minimax().value(*sides[k : k + 2]).numpy().mean() for k in (0, 2)]
    overfit_rows.append([75 * (part + 1), *scores])

# %% tags=["hide"]
finished = overfit_rows[-1]
best_seen = max(row[2] for row in overfit_rows)
book.box(
    "notes",
    "What the notes say: k moves of D prevent it from overfitting",
    f"""
    In part. The paper gives two reasons: to optimise $D$ to completion is computationally
    prohibitive and, on finite data, would overfit; $k$ moves *keep $D$ near its optimum as long as
    $G$ changes slowly enough*, at a bearable cost. The price is in @table:steps: a small $k$ makes
    $D$ lag. Overfitting, in the case where nothing can be told apart:
    after {finished[0]} moves $V$ is {number(finished[1], ".3f")} on the 600 images that $D$
    was trained on (a perfect classifier has 0), and {number(finished[2], ".3f")} on 600 other
    images, where $-\\log 4 = {number(-math.log(4), ".3f")}$ would be had by knowing nothing.
    (Its highest value there, looked at after every 75 moves, was {number(best_seen, ".3f")}.) What
    such a $D$ tells a generator is about these 600 images and not about the distribution. In a game
    $G$ draws new images for every move, but the real ones come back in every epoch, and over a
    whole training $k$ moves at a time do not keep $D$ from learning them by heart.
    """,
)

# %% [markdown]
# ## Mode collapse
#
# The game is $\min_G \max_D$. Exchange the two and ask for the best $G$ against a *fixed* $D$. The
# generator's part of the value, $\mathbb{E}_{x \sim p_g}[\log (1 - D(x))]$, is linear in $p_g$: it
# is an average over the points that $G$ makes. An average is lowest if all weight lies on the
# lowest value. So the best answer to a fixed $D$ is **one point**, $\arg\max_x D(x)$, for every
# $z$. (The non-saturating loss has the same answer.) Only the next moves of $D$, which lower $D$ at
# this point, drive $G$ away from it, perhaps to another single point. Nothing in a single move asks
# for variety; it is asked for by a $D$ that follows. A *mode* here is a group of similar points
# with high density, such as one digit. If $G$ has left out a part of the data, that is called
# **mode collapse**.
#
# It can be counted where the modes are known. The data are eight normals on a circle, with standard
# deviation 0.05. A sample is good within three standard deviations of a centre, and a mode is found
# if it has a good sample.

# %% tags=["hide"]
book.source(mode_coverage)

# %%
ring_std = 0.05
rng = np.random.default_rng(0)
ring_x = ring_centres()[rng.integers(8, size=20_000)] + ring_std * rng.normal(size=(20_000, 2))
ring_x = ring_x.astype("float32")


def ring_gan(num_packed, seed):
    networks = (
        dense_generator(2, (2,), (64, 64), seed=seed),
        dense_discriminator((2,), (64, 64), num_packed=num_packed, seed=seed),
    )
    return GAN(*networks, seed=seed)


class Snapshots(keras.callbacks.Callback):
    """Samples along the way."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append((batch + 1, self.model.sample(2500, seed=1).numpy()))


ring_steps, num_seeds = book.setting(default=1000, full=10_000), book.setting(default=3, full=5)
rings = {}
for packed, seed in itertools.product((1, 4), range(num_seeds)):
    watch = Snapshots()
    fit(ring_gan(packed, seed), ring_x, steps=ring_steps, batch_size=128, every=ring_steps // 10,
        callbacks=[watch])  # fmt: skip
    rings[packed, seed] = watch.rows
found = {
    key: [mode_coverage(x, ring_centres(), ring_std) for _, x in rows]
    for key, rows in rings.items()
}

# %% tags=["fold"]
chosen = [0, 2, 4, 6, 9]
with plots.style():
    figure, axes = plt.subplots(2, 5, figsize=(7.2, 3.3), sharex=True, sharey=True)
    for row, packed in zip(axes, (1, 4), strict=True):
        for axis, k in zip(row, chosen, strict=True):
            moves, x = rings[packed, 0][k]
            axis.scatter(*ring_centres().T, s=60, facecolors="none", edgecolors=plots.VERMILION,
                         linewidths=1)  # fmt: skip
            axis.scatter(*x[:500].T, s=2, alpha=0.5, color=plots.BLUE)
            axis.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal")
            axis.set_xticks([-1, 0, 1])
            axis.set_title(f"{moves:,} moves, {found[packed, 0][k].modes} of 8", fontsize=8)
    axes[0, 0].set(ylabel="single")
    axes[1, 0].set(ylabel="packs of 4")
book.figure(
    figure,
    "ring",
    "500 samples of two GANs (blue), with moves and modes found, and the eight modes of the data "
    "(red circles). Below, the discriminator judges packs of four points. First seeds of "
    "@table:ring; axes in units of the circle's radius.",
    alt="Two rows of five panels with eight circles and clouds of points; some circles are empty.",
)

# %% [markdown]
# **Packing.** How could $D$ see that something is missing? Every single point that a collapsed $G$
# makes may be perfect. A *set* of them is not: its points are too much alike. Lin and others let
# $D$ judge $m$ points at once, all real or all generated, joined into one long vector
# (`num_packed=m`). The same derivation then gives the JSD of the $m$-fold products of the
# densities. Take a distribution over eight modes and two faulty generators: one has lost modes, the
# other has all of them with unequal weights, chosen so that both have the same JSD for single
# points. For packs everything is a finite sum.


# %%
def packed_jsd(q, m):
    """JSD of the m-fold products of eight equal modes and of q."""
    first, second = np.full(8**m, 8.0**-m), np.ones(1)
    for _ in range(m):
        second = np.multiply.outer(second, q).ravel()
    half = (first + second) / 2
    return sum(np.sum(p * log_ratio(p, half)) for p in (first, second)) / 2


lost = np.repeat([1.0, 0.0], [6, 2]) / 6


def unequal(c):
    return np.repeat([1 + c, 1 - c], 4) / 8


tilt = optimize.brentq(lambda c: packed_jsd(unequal(c), 1) - packed_jsd(lost, 1), 0.01, 0.99)
packs = np.arange(1, 7)
by_pack = {
    "two modes lost": [packed_jsd(lost, m) for m in packs],
    "unequal weights": [packed_jsd(unequal(tilt), m) for m in packs],
}

# %% tags=["hide"]
book.table(
    [[name, *(f"{v:.4f}" for v in values)] for name, values in by_pack.items()],
    ["generator", *(f"m = {m}" for m in packs)],
    f"JSD (nats) of packs of $m$ points, for eight equally likely modes. Unequal: four modes with "
    f"probability {unequal(tilt)[0]:.3f}, four with {unequal(tilt)[-1]:.3f}.",
    name="packs",
)


def over_seeds(packed, what):
    return np.array([getattr(found[packed, seed][-1], what) for seed in range(num_seeds)])


rows = []
for packed, name in ((1, "single points"), (4, "packs of 4")):
    modes, good, uneven = (
        over_seeds(packed, what) for what in ("modes", "high_quality", "reverse_kl")
    )
    rows.append(
        [
            name,
            f"{listed([str(m) for m in modes])}",
            mean_error(modes, ".1f"),
            mean_error(100 * good, ".0f"),
            mean_error(uneven, ".2f") if np.isfinite(uneven).all() else "—",
        ]
    )
book.table(
    rows,
    ["discriminator sees", "modes found", "mean", "good samples (%)", "KL from even (nats)"],
    f"Eight modes, {ring_steps:,} moves each, {num_seeds} seeds; 2,500 samples at the end. The "
    "last column is the divergence of the modes' shares among good samples from equal shares (a "
    "dash: a seed has no good sample).",
    name="ring",
)
fewest = [min(f.modes for f in found[1, seed]) for seed in range(num_seeds)]
gain = over_seeds(4, "modes") - over_seeds(1, "modes").astype(float)
gain_error = error(gain)
quality = 100 * (over_seeds(4, "high_quality") - over_seeds(1, "high_quality"))
grown = {name: values[3] / values[0] for name, values in by_pack.items()}
book.say(
    f"Both faulty generators have a JSD of {by_pack['two modes lost'][0]:.4f} for single points. "
    f"For packs of four it is {by_pack['two modes lost'][3]:.4f} where modes are lost and "
    f"{by_pack['unequal weights'][3]:.4f} where they are unequal (@table:packs). "
    + (
        "Both grow, and that of the lost modes by more"
        if grown["two modes lost"] > grown["unequal weights"] > 1
        else "Packing does not set the lost modes apart"
    )
    + f" ({grown['two modes lost']:.2f} times the value for single points, against "
    f"{grown['unequal weights']:.2f} times)."
)
book.say(
    f"In the trainings, the GANs that judge single points have at their worst of ten looks "
    f"{listed([str(f) for f in fewest])} modes, by seed (@fig:ring shows one run). At the end, "
    "packs of four "
    + (
        f"find {abs(gain.mean()):.1f} ± {gain_error:.1f} {'more' if gain.mean() > 0 else 'fewer'} "
        "modes"
        if abs(gain.mean()) >= 2 * gain_error and gain.mean() != 0
        else "do not clearly find more modes, or fewer: the difference is "
        f"{number(gain.mean(), '+.1f')} ± {gain_error:.1f}"
    )
    + f", and the share of good samples differs by {mean_error(quality, '+.0f')} percentage points "
    f"(± over {num_seeds} seeds, @table:ring). "
    + (
        "Here packing has a price: clearly fewer good samples. "
        if quality.mean() < -2 * error(quality)
        else ""
    )
    + (
        "So no collapse lasted here, and packing had nothing to mend. "
        if over_seeds(1, "modes").min() == 8
        else ""
    )
    + "Look at both columns: a cloud over the whole disc also finds every mode, with few good "
    "samples. These networks are small and the runs short; "
    "@table:published has the published protocol."
)

# %% [markdown]
# ## GAN, VAE and NADE on the same data
#
# Three models, three principles: a game, a bound, an exact likelihood. Which is best? There is no
# single number that all three have. $\log p(x)$ is exact for NADE, estimated for the VAE, and not
# there for the GAN. What all have is samples. So: the same data, real values in $[0, 1]$ (grey
# levels plus uniform noise, so that densities exist and nothing can be gained from a grid of
# levels), as many samples of each, the same measures, all against test images.
#
# - **Fréchet distance** (its square, as in the FID) between the features of samples and of test
#   images, both taken as Gaussian: $|m_1 - m_2|^2 + \operatorname{tr}(C_1 + C_2 - 2 (C_1^{1/2} C_2
#   C_1^{1/2})^{1/2})$. The features are those of our classifier of digits, so it compares with no
#   published FID.
# - **Precision**: the share of samples that lie near some test image, that is, no farther from it,
#   in these features, than its third neighbour among the test images; **recall**: the same with
#   samples and test images exchanged. Collapse lowers the second and not the first.
# - **Class entropy**: are all ten digits there?
# - **Distance to the nearest training image**, in pixels. Near zero: copies.
#
# For scale, the same measures are taken of four yardsticks: validation images (what a perfect model
# would get), training images (a model that copies), the mean image, and independent pixels. The
# VAE is shown twice: draws from $p(x \mid z)$, which are the samples of the model, and the means of
# $p(x \mid z)$, which are what one usually gets to see.
#
# NADE has mixtures of five Gaussians per pixel. The VAE has normal densities with one fixed scale
# for all pixels, as in chapter 6. A third density model, the *VAE with scales*, has the same
# networks and a learned scale for every pixel: its likelihood can be far higher, for dark pixels
# with next to no noise are most of an image. All are densities on the whole line; $\log p$ below is
# in the units of pixels in $[0, 1]$. Draws outside $[0, 1]$ are clipped.

# %%
steps_of_gan = book.setting(default=1600, full=10_000)
game = gan(batch_norm=True)
fit(game, train_x, steps=steps_of_gan, every=100)

offset, unit = train_x.mean(), train_x.std()  # one for all pixels
scaled = [((x - offset) / unit).astype("float32") for x in (train_x, valid_x, test_x)]
latents = book.setting(default=12, full=24)


def vae_with(likelihood, outputs):
    """A VAE whose decoder has so many outputs per pixel."""
    encoder = dense_encoder((depth,), hidden, seed=0)
    decoder = dense_decoder(latents, outputs * depth, hidden, seed=0)
    return VAE(encoder, decoder, latents, likelihood=likelihood, seed=0)


vae = vae_with(SigmoidNormal(0.2), outputs=1)
vae_with_scales = vae_with(Normal(min_scale=0.05), outputs=2)
nade = NADE(
    depth,
    book.setting(default=128, full=200),
    activation="relu",
    likelihood=MixtureOfGaussians(5, min_scale=0.05),
    seed=0,
)


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights that do best on validation images."""

    lowest = math.inf

    def on_epoch_end(self, epoch, logs=None):
        if logs.get("val_loss", math.inf) < self.lowest:
            self.lowest, self.kept = logs["val_loss"], self.model.get_weights()

    def on_train_end(self, logs=None):
        self.model.set_weights(self.kept)


rate = book.setting(default=5e-3, full=2e-3)
for model, images, epochs in (
    (vae, (train_x, valid_x), book.setting(default=60, full=12)),
    (vae_with_scales, scaled, book.setting(default=60, full=12)),
    (nade, scaled, book.setting(default=25, full=4)),
):
    size = book.setting(default=63, full=200)
    steps_per_epoch = math.ceil(len(train_x) / size)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * steps_per_epoch)
    model.compile(keras.optimizers.Adam(falling), steps_per_execution=steps_per_epoch)
    model.fit(
        epoch_batches(images[0], size, seed=0),
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        validation_data=(images[1],),
        validation_batch_size=500,
        validation_freq=book.setting(default=5, full=1),
        callbacks=[KeepBest()],
        verbose=book.verbosity(),
    )

# %%
num_samples = book.setting(default=3000, full=10_000)
group = book.setting(default=300, full=2000)  # images of one comparison


def in_pixels(x):
    return np.clip(np.asarray(x) * unit + offset, 0, 1).astype("float32")


def drawn(model):
    """Draws from p(x|z) for z of the prior, and the means of p(x|z)."""
    z = model.prior.distribution().sample(num_samples, seed=tf.constant([0, 1]))
    given_z = [model.decode(part) for part in tf.split(z, 10)]
    draws = [d.sample(seed=tf.constant([k, 2])) for k, d in enumerate(given_z)]
    return np.concatenate(draws), np.concatenate([d.mean() for d in given_z])


draws, means = drawn(vae)
frequencies = np.random.default_rng(2).integers(len(train_x), size=(num_samples, depth))
sets = {
    "validation images": valid_x[:num_samples],
    "training images": train_x[:num_samples],
    "the mean image": np.repeat(train_x.mean(axis=0)[None], group, axis=0),
    "independent pixels": train_x[frequencies, np.arange(depth)],
    "GAN": game.sample(num_samples, seed=1).numpy(),
    "VAE, draws": np.clip(draws, 0, 1),
    "VAE, means": means,
    "VAE with scales, draws": in_pixels(drawn(vae_with_scales)[0]),
    "NADE": in_pixels(nade.sample(num_samples, seed=3)),
}
test_group = np.random.default_rng(3).permutation(len(test_x))[:group]
real_features = judge.features(test_x[test_group])
measures = {}
for name, x in sets.items():
    features, seen, columns = judge.features(x), judge.classes(x), []
    for start in range(0, min(len(x), 3 * group) - group + 1, group):
        part = slice(start, start + group)
        columns.append(
            [
                frechet_distance(features[part], real_features),
                *precision_recall(real_features, features[part]),
                class_entropy(seen[part], 10),
                np.median(nearest_neighbours(x[part], train_x)[0]),
            ]
        )
    measures[name] = np.array(columns)
test_to_train = np.median(nearest_neighbours(test_x[test_group], train_x)[0])

# %% tags=["fold"]
shown = ("GAN", "VAE, draws", "VAE, means", "VAE with scales, draws", "NADE")
closest = nearest_neighbours(sets["GAN"][:12], train_x)[1][:, 0]
book.figure(
    picture_rows(
        [sets["GAN"][:12], train_x[closest], *(sets[name][:12] for name in shown[1:]), test_x[:12]],
        labels=("GAN", "its nearest", "VAE, draws", "VAE, means", "with scales", "NADE", "test"),
    ),
    "samples",
    "Samples of the models, not selected. The second row holds the training image nearest to "
    "each sample of the GAN, by distance between pixels.",
    alt="Rows of twelve small images: digits of the GAN and the training images nearest to them; "
    "grainy and then smooth images of the VAE, grainy ones of the VAE with scales; images of NADE; "
    "test digits.",
)


# %% tags=["hide"]
def spread(values, form):
    if len(values) < 2:
        return number(float(np.mean(values)), form)
    return mean_error(values, form)


book.table(
    [[name, *(spread(column, ".2f") for column in found_.T)] for name, found_ in measures.items()],
    ["samples", "Fréchet", "precision", "recall", "class entropy", "to nearest training image"],
    f"Groups of {group} samples against {group} test images, ± one standard error over groups "
    f"where there are several. Distance of test images to the nearest training image (median): "
    f"{test_to_train:.2f}.",
    name="models",
)
middles = {name: found_.mean(axis=0) for name, found_ in measures.items()}
models = ("GAN", "VAE, draws", "VAE with scales, draws", "NADE")


def ranking(column, sign, form):
    """Best first; neighbours within two standard errors of each other are joined by ≈."""
    order = sorted(models, key=lambda name: sign * middles[name][column])
    text = f"{order[0]} ({middles[order[0]][column]:{form}})"
    for before, after in itertools.pairwise(order):
        one, two = (measures[name][:, column] for name in (before, after))
        close = abs(one.mean() - two.mean()) < 2 * math.hypot(error(one), error(two))
        text += f"{' ≈' if close else ', then'} {after} ({two.mean():{form}})"
    return text


leaders = {ranking(*column).split(" (")[0] for column in ((0, 1, ""), (2, -1, ""))}
real_precision, noise_precision = (
    middles[name][1] for name in ("validation images", "independent pixels")
)
book.say(
    f"By Fréchet distance: {ranking(0, 1, '.1f')}. By recall: {ranking(2, -1, '.2f')}. (Best "
    "first; ≈ means within two standard errors, in which another seed of the training is not "
    "contained.) "
    + (
        f"In this comparison {leaders.pop()} comes first in both; these are three networks with "
        "three budgets, and the order is theirs, not that of the principles. "
        if len(leaders) == 1
        else "Which model is best depends on what is asked. "
    )
    + f"By precision: {ranking(1, -1, '.2f')}, where validation images have {real_precision:.2f} "
    f"and independent pixels {noise_precision:.2f}"
    + (
        ": few features of a classifier of digits react to noise, so precision in these features "
        "says little here. "
        if noise_precision > real_precision / 2
        else ". "
    )
    + "The means of the VAE, smoother to the eye, have a Fréchet distance of "
    f"{middles['VAE, means'][0]:.1f} against {middles['VAE, draws'][0]:.1f} for its draws, and "
    f"{'less' if middles['VAE, means'][2] < middles['VAE, draws'][2] else 'no less'} recall. The "
    f"mean image, repeated, has a precision of {middles['the mean image'][1]:.0f}: "
    + (
        "one point in the midst of the test images, with nothing of their variety. "
        if middles["the mean image"][1] > 0.5
        else "to the classifier's features it lies among no digits. "
    )
    + f"Training images have a distance of {middles['training images'][0]:.2f}, "
    + (
        f"close to the {middles['validation images'][0]:.2f} of validation images: by such "
        "measures a copier is a nearly perfect model, and only the last column gives it away "
        if middles["training images"][0] < 2 * middles["validation images"][0]
        else f"against the {middles['validation images'][0]:.2f} of validation images; the last "
        "column says that they are copies "
    )
    + "(@table:models, @fig:samples)."
)

# %% [markdown]
# ## Why a Parzen score flatters bad models
#
# The GAN paper of 2014 had to compare with models that have likelihoods, and did it like this: draw
# $M$ samples $x_i$, put a Gaussian of width $\sigma$ around each, and call the mixture a density,
#
# $$
# \hat p(x) = \frac{1}{M} \sum_{i=1}^{M} \mathcal{N}(x;\, x_i, \sigma^2 I) ,
# $$
#
# a **Parzen window** or kernel density estimate. $\sigma$ is chosen on validation images, and the
# score is the mean $\log \hat p$ of test images, in nats.

# %% tags=["hide"]
book.source(ParzenWindow.log_prob)

# %% [markdown]
# It is a likelihood, though not that of the model: it is that of *the model blurred with noise
# $\sigma$*, seen through $M$ samples. Take data from $\mathcal{N}(0, I)$ in $D$ dimensions, and
# models $\mathcal{N}(0, t^2 I)$, of which $t = 1$ is perfect and $t = 0$ always draws the same
# point, the mean. Blurred, with infinitely many samples, the model is $\mathcal{N}(0, (t^2 +
# \sigma^2) I)$: **with $\sigma^2 = 1 - t^2$ every one of them gets the perfect score** (the one
# with $t = 1$ in the limit). With finitely many samples they differ. The model with $t = 0$ still
# gets the perfect score, with a single sample. The perfect model would need samples near every test
# point, and in many dimensions there never are enough.

# %%
ts, dimensions, widths = np.linspace(0, 1, 6), (1, 4, 16, 64), np.linspace(0.1, 1.1, 11)
rng = np.random.default_rng(0)
parzen_gaps = {}  # score minus the true mean log-density, by dimension and t
for dimension in dimensions:
    x_valid, x_test, x_model = rng.standard_normal((3, 500, dimension))
    truth = stats.norm.logpdf(x_test).sum(axis=1)
    for t in ts:
        sigma = choose_sigma(t * x_model, x_valid, widths)
        scores = ParzenWindow(t * x_model, sigma).log_prob(x_test)
        parzen_gaps[dimension, t] = np.mean(scores - truth), error(scores - truth)

# %% [markdown]
# Now the digits. Beside the models stand the yardsticks, and one more: the centres of clusters of
# training images (k-means), which are averages of images, and few.


# %%
def parzen(samples):
    """Log-densities of test images, and the width."""
    sigma = choose_sigma(samples, valid_x, np.logspace(-1.2, -0.2, 11))
    return ParzenWindow(samples, sigma).log_prob(test_x), sigma


num_centres = book.setting(default=200, full=1000)
clustered = sets["training images"]
centres = KMeans(num_centres, n_init=1, random_state=0).fit(clustered).cluster_centers_
scored = {name: parzen(x) for name, x in sets.items() if name != "validation images"}
scored[f"{num_centres} k-means centres"] = parzen(centres)
scored[f"{num_centres} training images"] = parzen(train_x[:num_centres])
in_units = depth * math.log(unit)
exact = log_probs(nade, scaled[2]) - in_units
subset = slice(0, book.setting(default=300, full=1000))
estimated = {
    "VAE, draws": vae.estimate_log_prob(test_x[subset], 500, seed=0).numpy(),
    "VAE with scales, draws": (
        vae_with_scales.estimate_log_prob(scaled[2][subset], 500, seed=0).numpy() - in_units
    ),
}
growing = np.append(4 ** np.arange(2, 6), num_samples)
growth = {
    name: [parzen(sets[name][:count])[0].mean() for count in growing]
    for name in ("training images", "GAN", "VAE, draws", "VAE, means", "NADE")
}

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4))
    for dimension, style in zip(dimensions, ("o-", "s--", "^-.", "d:"), strict=True):
        gaps_here = [parzen_gaps[dimension, t][0] for t in ts]
        axes[0].plot(ts, gaps_here, style, markersize=4, label=f"D = {dimension}")
    axes[0].set(xlabel="t (0: the mean, 1: perfect)", ylabel="score − truth (nats)",
                title="models N(0, t²I)")  # fmt: skip
    axes[0].legend(fontsize=8)
    for (name, scores), style in zip(growth.items(), ("-", "o-", "s--", "^-.", "d:"), strict=True):
        color = {"color": plots.MUTED} if name == "training images" else {}
        counts_here = np.minimum(growing, len(sets[name]))
        axes[1].plot(counts_here, scores, style, markersize=4, label=name, **color)
    axes[1].set(xlabel="number of samples M", ylabel="score (nats)", xscale="log", title="digits")
    axes[1].set_xticks(growing[::2], [f"{m:,}" for m in growing[::2]])
    axes[1].minorticks_off()
    axes[1].legend(fontsize=8)
book.figure(
    figure,
    "parzen",
    "Parzen scores. Left: of the models $\\mathcal{N}(0, t^2 I)$ for data from $\\mathcal{N}(0, "
    "I)$ in $D$ dimensions, 500 samples each; zero would be the true mean log-density. Right: on "
    "digits, against the number of samples.",
    alt="Left: curves that start at zero and fall as the model gets better, deeper in more "
    "dimensions. Right: five rising curves.",
)

# %% tags=["hide"]
true_p = {name: f"≈ {mean_error(values, '.1f')}" for name, values in estimated.items()}
true_p["NADE"] = mean_error(exact, ".1f")
ordered = sorted(scored, key=lambda name: -scored[name][0].mean())
counted = {name: len(sets[name]) for name in sets} | {
    f"{num_centres} k-means centres": num_centres, f"{num_centres} training images": num_centres,
    "the mean image": 1,
}  # fmt: skip
book.table(
    [
        [
            name,
            f"{counted[name]:,}",
            f"{scored[name][1]:.2f}",
            mean_error(scored[name][0], ".1f"),
            true_p.get(name, ""),
        ]
        for name in ordered
    ],
    ["samples", "M", "σ", "Parzen score", "log p of the model"],
    f"Nats per image on {len(test_x):,} test images, ± one standard error; pixels in [0, 1]. "
    "NADE's $\\log p$ is exact, that of the VAEs estimated with 500 draws per image; neither is a "
    "Parzen score. GANs have none.",
    name="parzen",
)
worst, perfect = parzen_gaps[64, 0.0], parzen_gaps[64, 1.0]
centre_score = scored[f"{num_centres} k-means centres"][0]
centre_gain = centre_score - scored["training images"][0]
few_gain = centre_score - scored[f"{num_centres} training images"][0]
mean_gain = scored["VAE, means"][0] - scored["VAE, draws"][0]
over_gan = scored["VAE, means"][0] - scored["GAN"][0]
below = exact.mean() - scored["NADE"][0].mean()


def in_order(names):
    return ", ".join(name.removesuffix(", draws") for name in names)


log_ps = {"NADE": exact.mean()} | {name: values.mean() for name, values in estimated.items()}
by_parzen = sorted(log_ps, key=lambda name: -scored[name][0].mean())
by_log_p = sorted(log_ps, key=lambda name: -log_ps[name])
by_frechet = sorted(log_ps, key=lambda name: middles[name][0])
still_rising = sum(scores[-1] > scores[-2] for scores in growth.values())
ahead = [name for name in ordered if scored[name][0].mean() > scored["NADE"][0].mean()]
book.say(
    f"For the Gaussians in 64 dimensions the model that always draws the mean is "
    f"{number(worst[0], '+.2f')} ± {worst[1]:.2f} nats from the truth, and the perfect one "
    f"{number(perfect[0], '+.1f')} ± {perfect[1]:.1f} (@fig:parzen). The score prefers "
    f"the {'model that draws nothing but the mean' if worst[0] > perfect[0] else 'perfect one'}."
)
book.say(
    f"On the digits, the score of {num_centres} k-means centres of {len(clustered):,} training "
    f"images differs by {mean_error(centre_gain, '+.1f')} nats from that of all these images "
    f"(paired) and by {mean_error(few_gain, '+.1f')} from that of {num_centres} of them; that of "
    f"the means of the VAE by {mean_error(mean_gain, '+.1f')} from that of its own draws. "
    + (
        "Averages beat the real thing, as the formula says: the kernel adds noise of width "
        "$\\sigma$, so the best samples are data with the noise taken off. "
        if centre_gain.mean() > 2 * error(centre_gain)
        else "Here averages do not beat all of the real images, but as many of them. "
        if few_gain.mean() > 2 * error(few_gain)
        else "Here averages do not beat the real thing. "
    )
    + "By the Parzen score the VAE's means differ from the GAN by "
    f"{mean_error(over_gan, '+.1f')} nats, and the Fréchet distance of @table:models is "
    f"{middles['VAE, means'][0]:.1f} for the means against {middles['GAN'][0]:.1f} for the GAN"
    + (
        ": the two measures disagree. "
        if (over_gan.mean() > 0) == (middles["VAE, means"][0] > middles["GAN"][0])
        else ": both put the same one first. "
    )
    + f"NADE's draws score {number(scored['NADE'][0].mean(), '.1f')}, while the model's true mean "
    f"$\\log p$ is {number(exact.mean(), '.1f')}: the score is {below:.1f} nats off. "
    + f"By $\\log p$ the models with a density come in the order {in_order(by_log_p)}, by the "
    f"Parzen score in the order {in_order(by_parzen)}, and by Fréchet distance in the order "
    f"{in_order(by_frechet)}"
    + (
        ". "
        if by_log_p == by_parzen == by_frechet
        else ": nats and good samples are different things. "
    )
    + f"Ahead of NADE by the Parzen score: {listed([f'*{name}*' for name in ahead])} "
    f"(@table:parzen). Of the {len(growth)} curves at the right of @fig:parzen {still_rising} "
    "still rise at their ends: a score without its number of samples means nothing, and a Parzen "
    "score must never be compared with a likelihood."
)

# %% [markdown]
# ## Against the published numbers
#
# Three protocols from papers, run as recipes: the Parzen score of a GAN and of a GAN with labels,
# on MNIST with 10,000 samples; the modes found on a ring of eight and a grid of 25 Gaussians, much
# narrower than ours, by single points and by packs of four; and *stacked digits*, three digits of
# MNIST in three colours. Each of the 1,000 numbers is a mode there; a classifier reads the samples.

# %% tags=["hide"]
book.recipes(
    gan_mnist.RECIPES + gan_modes.RECIPES[:4] + gan_stacked_digits.RECIPES,
    "Parzen log-likelihood on MNIST, ± one standard error over test images; modes out of 8 (ring), "
    "25 (grid), ± over three seeds, or 1,000 (stacked digits, one run). Published: table 1 of "
    "[arXiv:1406.2661](https://arxiv.org/abs/1406.2661), of "
    "[arXiv:1411.1784](https://arxiv.org/abs/1411.1784), and tables 1 and 3 of "
    "[arXiv:1712.04086](https://arxiv.org/abs/1712.04086).",
    name="published",
)

# %% [markdown]
# The details of each row, under [results](../scoreboard.md), hold what 10,000 training images score
# by the same measure. Where a model beats them, the score cannot rank good models. Published Parzen
# scores differ in samples, widths and scale of the pixels, and the spread between seeds is in none
# of them.

# %% tags=["fold"]
stacked = book.recorded("pacgan_stacked_digits")
steps_of_stacked = math.ceil(50_000 / gan_stacked_digits.SETTINGS["batch_size"])
unpacked_modes = 487.7  # DCGAN in table 3 of the paper
if stacked is not None:
    counts = stacked["curves"][0]["modes"]  # None in the epochs in which nothing was counted
    counted_at = [k for k, count in enumerate(counts, start=1) if count is not None]
    modes_found = [counts[k - 1] for k in counted_at]
    with plots.style():
        figure, axis = plt.subplots(figsize=(5.6, 2.9))
        axis.plot(counted_at, modes_found, "o-", markersize=3, label="recipe, packs of two")
        for value, said, style in (
            (gan_stacked_digits.NUM_MODES, "all", ":"),
            (stacked["published"]["value"], "published, packs of two", "--"),
            (unpacked_modes, "published, without packs", "-."),
        ):
            axis.axhline(value, linestyle=style, color=plots.MUTED, linewidth=1, label=said)
        axis.set(xlabel="epoch", ylabel="modes", ylim=(0, 1050), title="stacked digits")
        axis.legend(fontsize=8, loc="lower right")
    book.figure(
        figure,
        "stacked",
        f"Modes among {gan_stacked_digits.NUM_SAMPLES:,} samples of the recipe "
        f"`pacgan_stacked_digits`, counted every {counted_at[0]} epochs of {steps_of_stacked} "
        "steps. Published figures: after 500,000 steps.",
        alt="A line that starts high and goes up and down; three horizontal lines.",
    )

# %% tags=["hide"]
if stacked is None:
    book.say("The recipe `pacgan_stacked_digits` has not been run in this copy of the book.")
else:
    book.say(
        f"Of the {gan_stacked_digits.NUM_MODES:,} modes of stacked digits the recipe has "
        f"{modes_found[0]:.0f} at the first count, after {counted_at[0] * steps_of_stacked:,} "
        f"steps, between {min(modes_found):.0f} and {max(modes_found):.0f} at all counts, and "
        f"{modes_found[-1]:.0f} at the end, after {counted_at[-1] * steps_of_stacked:,} "
        "(@fig:stacked). A single count of a GAN is a draw: the players go on moving, and with "
        "them the modes. Which epoch is reported matters as "
        "much as a small difference between two methods; the table has the last one, chosen "
        "before."
    )

# %% [markdown]
# ## Exercises
#
# **Exercise 7.1.** A discriminator is trained on three times as many generated images as real ones.
# What does it tend to, and how does one get $\log p_\text{data} / p_g$ from its logit?

# %% tags=["hide"]
offsets = np.linspace(-3, 1, 401)


def value_of_three(c):
    """With three generated points to one real one, and the logit moved by c."""
    ell = best_logits["1-D"] + c
    with np.errstate(invalid="ignore"):
        return -integral("1-D", a["1-D"] * softplus(-ell) + 3 * b["1-D"] * softplus(ell))


found_offset = offsets[np.argmax([value_of_three(c) for c in offsets])]
book.box(
    "answer",
    "Answer to 7.1, computed",
    f"""
    The integrand becomes $a \\log y + 3 b \\log (1 - y)$ with the maximum at $y = a / (a + 3 b)$:
    again Bayes' rule, with prior probabilities of $\\frac{{1}}{{4}}$ and $\\frac{{3}}{{4}}$. Its
    logit is $\\log \\frac{{a}}{{3 b}} = \\ell^* - \\log 3$; so add $\\log 3 = {math.log(3):.3f}$. A
    check in the one-dimensional example: among the logits $\\ell^* + c$ this value is largest at
    $c = {number(found_offset, ".2f")}$ (in steps of 0.01).
    """,
)

# %% [markdown]
# **Exercise 7.2.** Show that at $D = D^*$ the slope of the non-saturating loss with respect to the
# generator's weights is that of $\mathrm{KL}(p_g \,\|\, p_\text{data}) - 2\,
# \mathrm{JSD}(p_\text{data}, p_g)$. What does that say about mode collapse?


# %% tags=["hide"]
log_p = np.logaddexp(
    math.log(0.4) + stats.norm.logpdf(line, -2, 0.5),
    math.log(0.6) + stats.norm.logpdf(line, 1.5, 0.8),
)


def two_divergences(t):
    """KL(p_g || p_data) and 2 JSD for the data of the text and p_g = N(t, 1)."""
    log_q = stats.norm.logpdf(line, t)
    ell = log_p - log_q
    kl = -np.exp(log_q) * ell
    jsd = -np.exp(log_p) * softplus(-ell) - np.exp(log_q) * softplus(ell)
    return np.array([integral("1-D", kl), integral("1-D", jsd) + math.log(4)])


t0 = 0.5
ell = log_p - stats.norm.logpdf(line, t0)
slope_of_logit = np.gradient(ell, line)
by_players = integral("1-D", -stats.norm.pdf(line, t0) * expit(-ell) * slope_of_logit)
kl_slope, jsd_slope = (two_divergences(t0 + 1e-3) - two_divergences(t0 - 1e-3)) / 2e-3
kl_at, jsd_at = two_divergences(t0)
log_m = np.logaddexp(log_p, stats.norm.logpdf(line, t0)) - math.log(2)
of_mixture = 2 * integral("1-D", np.exp(log_m) * (log_m - log_p))
book.box(
    "answer",
    "Answer to 7.2, computed",
    f"""
    Let $p_0$ be the present $p_g$, for which $D^*$ was found; it is a constant when $G$ moves.
    Since $D^* / (1 - D^*) = p_\\text{{data}} / p_0$,

    $$
    -\\log D^* = \\log \\frac{{p_0}}{{p_\\text{{data}}}} - \\log (1 - D^*) .
    $$

    The slope of $\\mathbb{{E}}_{{p_g}}[\\log (1 - D^*)]$ is that of $2\\, \\mathrm{{JSD}}$, as in
    the text. And $\\mathrm{{KL}}(p_g \\,\\|\\, p_\\text{{data}}) = \\mathbb{{E}}_{{p_g}}[\\log p_g
    - \\log p_\\text{{data}}]$ has at $p_g = p_0$ the slope of $\\mathbb{{E}}_{{p_g}}[\\log p_0 -
    \\log p_\\text{{data}}]$, because what is left, $\\mathbb{{E}}_{{p_g}}[\\nabla \\log p_g]$, is
    $\\nabla \\int p_g = 0$. The difference of the two is the claim.

    A check, with the two-peaked data of the text and $p_g = \\mathcal{{N}}(t, 1)$ at $t = {t0}$:
    the non-saturating slope is {number(by_players, ".5f")}, and difference quotients give
    {number(kl_slope, ".5f")} for the KL minus {number(jsd_slope, ".5f")} for $2\\,
    \\mathrm{{JSD}}$, which makes {number(kl_slope - jsd_slope, ".5f")}.

    Can this difference of divergences be negative? With $m = \\frac{{1}}{{2}} (p_\\text{{data}} +
    p_g)$, and $2\\, \\mathrm{{JSD}}$ written as two expectations, it is

    $$
    \\mathbb{{E}}_{{p_g}} \\Big[ \\log \\frac{{p_g}}{{p_\\text{{data}}}} - \\log
    \\frac{{p_g}}{{m}} \\Big] - \\mathbb{{E}}_{{p_\\text{{data}}}} \\Big[ \\log
    \\frac{{p_\\text{{data}}}}{{m}} \\Big] = 2\\, \\mathbb{{E}}_m \\Big[ \\log
    \\frac{{m}}{{p_\\text{{data}}}} \\Big] = 2\\, \\mathrm{{KL}}(m \\,\\|\\, p_\\text{{data}}) ,
    $$

    which is never negative and zero only at $p_g = p_\\text{{data}}$; so with a perfect $D$ the
    non-saturating loss has the same goal. (At $t = {t0}$ the difference is
    {number(kl_at - jsd_at, ".6f")}, and the right side {number(of_mixture, ".6f")}.)

    And mode collapse? Where samples lie and data do not, $\\log (m / p_\\text{{data}})$ grows
    without limit; where data lie and samples do not, it is $-\\log 2$, however far away these data
    are. So this divergence punishes samples that lie where there are no data, and a generator that
    has lost a mode hears little of it.
    """,
)

# %% [markdown]
# **Exercise 7.3.** Data and generated points are single points, at $0$ and at $\theta$, and the
# discriminator has one weight, $\ell(x) = -\psi x$. Near $0$ the value is then $V \approx -\log 4 +
# \frac{1}{2} \theta \psi$. Let both players follow their gradients with steps of size $\eta$, at
# the same time or one after the other. Where do they end?

# %% tags=["hide"]
eta, rounds = 0.1, 500
together, in_turn = np.array([1.0, 0.0]), np.array([1.0, 0.0])  # theta, psi
radii = []
for _ in range(rounds):
    together = together + eta * np.array([-together[1], together[0]])
    psi = in_turn[1] + eta * in_turn[0]
    in_turn = np.array([in_turn[0] - eta * psi, psi])
    radii.append([np.linalg.norm(together), np.linalg.norm(in_turn)])
radii = np.array(radii)
size = 1e-2
exact_v = math.log(0.5) - float(softplus(-size * size))
book.box(
    "answer",
    "Answer to 7.3, computed",
    f"""
    $V = \\log \\sigma(0) + \\log (1 - \\sigma(-\\psi \\theta)) = -\\log 2 - \\log (1 +
    e^{{-\\psi \\theta}})$, and the Taylor series of the last term is $-\\log 2 + \\frac{{1}}{{2}}
    \\psi \\theta + \\dots$ (At $\\theta = \\psi = {size}$, $V$ is
    {number(exact_v + math.log(4), ".8f")} above $-\\log 4$, and $\\frac{{1}}{{2}} \\psi \\theta$ is
    {number(size * size / 2, ".8f")}.) With the factor $\\frac{{1}}{{2}}$ put into $\\eta$:

    - *At the same time*: to $(\\theta, \\psi)$ is added $\\eta\\, (-\\psi, \\theta)$, which is
      perpendicular to it. So the distance from the solution $(0, 0)$ grows by the factor
      $\\sqrt{{1 + \\eta^2}}$ in each step of this approximation. After {rounds} steps of
      $\\eta = {eta}$ from distance 1 it is {radii[-1, 0]:.3f}; the formula gives
      {(1 + eta**2) ** (rounds / 2):.3f}. The point drifts away from the solution.
    - *In turn*, $D$ first, as in the library: the step is a matrix with determinant 1 and trace
      $2 - \\eta^2$, so for $\\eta < 2$ its eigenvalues lie on the unit circle. The point goes
      round for ever; its distance stays between {radii[:, 1].min():.3f} and
      {radii[:, 1].max():.3f}.

    Neither reaches the solution, around which both gradients lead, and not into it. What helps is
    friction: noise on the data, or a penalty that pulls the slope of $D$ to *zero* (Mescheder and
    others). The penalty of the next chapter pulls it to one, and need not converge here.
    """,
)

# %% [markdown]
# ## References
#
# - I. Goodfellow and others, *Generative adversarial nets*, 2014,
#   [arXiv:1406.2661](https://arxiv.org/abs/1406.2661). The game, $D^*$, the JSD, the
#   non-saturating loss, Parzen scores.
# - M. Mirza, S. Osindero, *Conditional generative adversarial nets*, 2014,
#   [arXiv:1411.1784](https://arxiv.org/abs/1411.1784). With labels.
# - A. Radford, L. Metz, S. Chintala, *Unsupervised representation learning with deep convolutional
#   generative adversarial networks*, 2015, [arXiv:1511.06434](https://arxiv.org/abs/1511.06434).
#   DCGAN, whose optimiser is used here.
# - M. Arjovsky, L. Bottou, *Towards principled methods for training generative adversarial
#   networks*, 2017, [arXiv:1701.04862](https://arxiv.org/abs/1701.04862). Perfect discriminators,
#   and what the non-saturating loss minimises.
# - L. Theis, A. van den Oord, M. Bethge, *A note on the evaluation of generative models*, 2016,
#   [arXiv:1511.01844](https://arxiv.org/abs/1511.01844). Parzen scores, and k-means that beats the
#   data.
# - Z. Lin, A. Khetan, G. Fanti, S. Oh, *PacGAN: the power of two samples in generative adversarial
#   networks*, 2018, [arXiv:1712.04086](https://arxiv.org/abs/1712.04086). Packing; ring and grid.
# - A. Srivastava and others, *VEEGAN*, 2017, [arXiv:1705.07761](https://arxiv.org/abs/1705.07761).
#   How modes are counted.
# - M. Heusel and others, *GANs trained by a two time-scale update rule converge to a local Nash
#   equilibrium*, 2017, [arXiv:1706.08500](https://arxiv.org/abs/1706.08500). The Fréchet distance.
# - T. Kynkäänniemi and others, *Improved precision and recall metric for assessing generative
#   models*, 2019, [arXiv:1904.06991](https://arxiv.org/abs/1904.06991).
# - S. Nowozin, B. Cseke, R. Tomioka, *f-GAN: training generative neural samplers using variational
#   divergence minimization*, 2016, [arXiv:1606.00709](https://arxiv.org/abs/1606.00709). Other
#   payments, other divergences.
# - X. Mao and others, *Least squares generative adversarial networks*, 2016,
#   [arXiv:1611.04076](https://arxiv.org/abs/1611.04076). Squares in place of logarithms.
# - L. Mescheder, A. Geiger, S. Nowozin, *Which training methods for GANs do actually converge?*,
#   2018, [arXiv:1801.04406](https://arxiv.org/abs/1801.04406). The game of exercise 7.3.
