# %% [markdown]
# # 4. Autoencoders
#
# An autoencoder is a network that must say its input again through a narrow middle. What passes the
# middle is a code: a few coordinates on the curved surface near which the data lies. The chapter
# derives what such a network computes, with and without noise, puts its codes beside those of PCA,
# Isomap and LLE, measures what they are good for and what they are not, and ends with the reason
# why one cannot draw new examples from it.

# %% tags=["fold"]
import math
import time

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from scipy import ndimage, stats
from scipy.linalg import subspace_angles
from sklearn.datasets import make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

from genkeras import Autoencoder, book, plots
from genkeras.datasets import digits, mnist
from genkeras.latent import (
    GaussianNoise,
    MaskingNoise,
    convolutional_decoder,
    convolutional_encoder,
    dense_decoder,
    dense_encoder,
)
from genkeras.training import epoch_batches

book.declare(
    title="Autoencoders",
    data=book.setting(
        default="scikit-learn's digits and Swiss roll", full="MNIST; scikit-learn's Swiss roll"
    ),
    seed=0,
)


def number(value, form=".2f"):
    """A number for prose and tables, with a real minus sign."""
    return f"{value:{form}}".replace("-", "−")


def with_error(values, form=".2f"):
    """Mean ± standard error over runs."""
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    return f"{number(np.mean(values), form)} ± {error:{form}}"


def listed(names):
    """Names as prose: a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"


# %% [markdown]
# ## The question
#
# An image of 28 × 28 pixels is a point in a space of 784 dimensions. Nearly all points of that
# space are noise. From one handwritten 3 to another one gets by turning a few knobs: slant,
# thickness of the pen, height, how far the loops are closed. If $k$ knobs make all images, then the
# images lie on a surface of $k$ dimensions, bent and folded in the space of pixels. Such a surface
# is a **manifold**. That data lies near one of few dimensions is a guess, the *manifold
# hypothesis*; for images of one kind much speaks for it. The notes call a manifold a subspace that
# takes in the data well. It is not a subspace in the sense of linear algebra: it is curved.
#
# How strongly is it curved? Take the simplest knob of all: move the image by one pixel.

# %% tags=["fold"]
dataset = book.setting(default=digits, full=mnist)()
shape, depth = dataset.image_shape, dataset.num_features
levels = dataset.num_levels - 1
train_x, test_x = dataset.train.x / levels, dataset.test.x / levels  # grey from 0 to 1
train_labels, test_labels = dataset.train.labels, dataset.test.labels
rng = np.random.default_rng(0)
judged = np.sort(rng.permutation(len(test_x))[:2000])  # test images for the slower measures
judged_x, judged_labels = test_x[judged], test_labels[judged]


def moved(x, distance):
    """Images moved by a distance in pixels: right, left, down and up in turn."""
    images = x.reshape(-1, *shape)
    result = np.empty_like(images)
    for k, (down, right) in enumerate(((0, 1), (0, -1), (1, 0), (-1, 0))):
        by = (0, down * distance, right * distance)
        result[k::4] = ndimage.shift(images[k::4], by, order=1)
    return result.reshape(len(x), -1)


def mean_square(differences):
    """Squared length of each difference, averaged."""
    return float(np.mean(np.sum(np.square(differences), axis=1)))


nearest_of_other = np.full(len(judged_x), np.inf)
for label in range(10):
    others = NearestNeighbors(n_neighbors=1).fit(train_x[train_labels != label])
    of_label = judged_labels == label
    nearest_of_other[of_label] = others.kneighbors(judged_x[of_label])[0][:, 0]
own_distance = {
    step: np.linalg.norm(judged_x - moved(judged_x, step), axis=1)
    for step in book.setting(default=(0.5, 1.0), full=(1.0, 2.0))
}

# %% tags=["hide"]
total_variance = mean_square(test_x - train_x.mean(axis=0))
far_step = max(own_distance)
further = np.mean(own_distance[far_step] > nearest_of_other)
book.say(
    f"A test image lies, on average, {nearest_of_other.mean():.2f} away from the nearest training "
    "image of *another* digit, as the straight line goes in the space of pixels. From itself, "
    + " and ".join(
        f"moved by {step:g} pixel{'s' if step != 1 else ''}, {distance.mean():.2f}"
        for step, distance in own_distance.items()
    )
    + f". Moved by {far_step:g}, {further:.0%} of the images are further from themselves than from "
    "some image of another digit. Along the manifold that is a short walk; straight through space "
    f"it is a long way. (One pixel of {shape[0]} × {shape[1]} is "
    f"{1 / shape[0]:.0%} of the width.) The question of this chapter: can coordinates on the "
    "manifold be found from examples alone, and the way back from coordinates to images?"
)

# %% [markdown]
# ## An encoder and a decoder
#
# Two networks. The **encoder** $f : \mathbb{R}^D \to \mathbb{R}^d$ turns an example into a
# **code** $z = f(x)$; the **decoder** $g : \mathbb{R}^d \to \mathbb{R}^D$ turns a code into an
# example. They are trained together to make the **reconstruction error** small:
#
# $$
# L(f, g) = \frac{1}{n} \sum_{k=1}^{n} \lVert x_k - g(f(x_k)) \rVert^2 .
# $$
#
# No labels are needed; the input is its own target. With $d < D$ the autoencoder is called
# **undercomplete**, and the code is a **bottleneck**: not everything can pass. What does the best
# pair do? Look at each half while the other is held fixed.
#
# **The decoder.** Let $m(z) = \mathbb{E}[x \mid f(x) = z]$ be the mean of all data with code $z$.
# For any $g$,
#
# $$
# \begin{aligned}
# \mathbb{E} \lVert x - g(z) \rVert^2
# &= \mathbb{E} \lVert x - m(z) \rVert^2 + \mathbb{E} \lVert m(z) - g(z) \rVert^2 \\
# &\quad + 2\, \mathbb{E} \big[ (x - m(z)) \cdot (m(z) - g(z)) \big] .
# \end{aligned}
# $$
#
# The last term is zero: given $z$, the second factor is fixed and the first has mean zero. So the
# best decoder is $g = m$. It answers a code with the *average* of all images that have it. What the
# code does not tell comes out blurred. (Up to constants the squared error is $-\log$ of a normal
# density with mean $g(z)$ and a fixed variance. Chapter 5 reads it that way.)
#
# **The encoder.** For a given $g$ each $x$ has its own term, and the best code is the one whose
# image is nearest: $f(x) = \operatorname{argmin}_z \lVert x - g(z) \rVert$. The points $g(z)$ form
# a surface of at most $d$ dimensions in the space of data, and $x$ is projected onto it.
#
# Together: a surface, each point of which is the mean of the data that is projected there. That is
# how an autoencoder learns a manifold.
#
# **What the loss does not say.** Let $h$ be any invertible map of the codes, and replace $f$ by $h
# \circ f$ and $g$ by $g \circ h^{-1}$. Every reconstruction stays the same, so the loss does. The
# loss fixes the surface and not the coordinates on it: not their scale, not their distances, not
# where codes are dense. Much of what follows comes back to this.
#
# In the library, encoder and decoder are Keras models. With a corruption, of which more below, the
# input is damaged in training.

# %% tags=["hide"]
book.source(Autoencoder.call)
book.source(Autoencoder.compute_loss)

# %%
hidden = book.setting(default=(128, 64), full=(256, 128))
schedule = book.setting(
    default={"steps": 1200, "batch_size": 100, "rate": 3e-3},
    full={"steps": 2500, "batch_size": 250, "rate": 2e-3},
)


def with_code(network, dim, seed=0):
    """A network followed by a linear layer of `dim` units, the code."""
    code = keras.layers.Dense(dim, kernel_initializer=keras.initializers.GlorotUniform(seed))
    return keras.Sequential([network, code])


def dense_autoencoder(num_values, dim, hidden, corruption=None, seed=0):
    return Autoencoder(
        with_code(dense_encoder((num_values,), hidden, "relu", seed=seed), dim, seed=seed + 50),
        dense_decoder(dim, num_values, hidden[::-1], "relu", seed=seed + 100),
        corruption,
        seed=seed,
    )


def train(model, data, *, steps, batch_size, rate, seed=0):
    """Fits by Adam with a rate that falls to zero along a cosine."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    model.compile(optimizer, steps_per_execution=50)
    model.fit(
        epoch_batches(data, batch_size, seed=seed),
        steps_per_epoch=steps,
        epochs=1,
        verbose=book.verbosity(),
    )
    return model


dims = book.setting(default=(2, 4, 8, 16, 32), full=(2, 4, 8, 16, 32, 64))
middle = book.setting(default=8, full=16)  # the code that later sections use
fit_start = time.perf_counter()
autoencoders = {2: train(dense_autoencoder(depth, 2, hidden), train_x, **schedule)}
autoencoder_seconds = time.perf_counter() - fit_start
for dim in dims[1:]:
    autoencoders[dim] = train(dense_autoencoder(depth, dim, hidden), train_x, **schedule)
pca = {dim: PCA(dim, random_state=0).fit(train_x) for dim in dims}


def pca_reconstruct(dim, x):
    return pca[dim].inverse_transform(pca[dim].transform(x)).astype("float32")


errors = {
    dim: {
        "PCA": mean_square(test_x - pca_reconstruct(dim, test_x)),
        "autoencoder, training": float(np.mean(autoencoders[dim].reconstruction_error(train_x))),
        "autoencoder": float(np.mean(autoencoders[dim].reconstruction_error(test_x))),
    }
    for dim in dims
}

# %% tags=["fold"]
one_of_each = [np.flatnonzero(judged_labels == label)[0] for label in range(10)]
shown = judged_x[one_of_each]
pictures = [shown]
for dim in (2, middle):
    pictures += [pca_reconstruct(dim, shown), autoencoders[dim].reconstruct(shown).numpy()]
with plots.style():
    figure = plots.image_grid(np.concatenate(pictures), shape, columns=10)
book.figure(
    figure,
    "reconstructions",
    "Row 1: one test image of each digit. Rows 2 and 3: through 2 numbers, by PCA and by the "
    f"autoencoder. Rows 4 and 5: the same through {middle} numbers.",
    alt="Five rows of ten digits; the rows of two numbers are blurred, PCA's more than the "
    "autoencoder's.",
)

# %% tags=["hide"]
book.table(
    [
        [
            f"{dim}",
            f"{errors[dim]['PCA']:.3f}",
            f"{errors[dim]['autoencoder']:.3f}",
            f"{errors[dim]['autoencoder, training']:.3f}",
            f"{errors[dim]['autoencoder'] / errors[dim]['PCA']:.2f}",
        ]
        for dim in dims
    ],
    [
        "code $d$",
        "PCA, test",
        "autoencoder, test",
        "autoencoder, training",
        "ratio, test",
    ],
    f"Mean squared error of an image, summed over its {depth} pixels with grey values from 0 to "
    f"1. Answering every image with the mean training image gives {total_variance:.3f}. "
    f"Autoencoder: dense, {hidden[0]} and {hidden[1]} hidden units on either side of the code. "
    f"{dataset.protocol.replace(' x ', ' × ')}",
    name="errors",
)
ratios = {dim: errors[dim]["autoencoder"] / errors[dim]["PCA"] for dim in dims}
worse = [f"{dim}" for dim in dims if ratios[dim] > 1]
lowest = min(ratios, key=ratios.get)
book.say(
    "PCA is the best one can do with a *flat* surface, as the next section derives; so the last "
    f"column of @table:errors is what curvature buys. It buys most at $d = {lowest}$, where the "
    f"error is {ratios[lowest]:.2f} of PCA's. "
    + (
        f"At $d$ = {listed(worse)} the autoencoder is *worse* than PCA. It could do what PCA does; "
        "it has not been trained to the end, and a flat surface of so many dimensions is already "
        "close to the data. "
        if worse
        else f"The gain shrinks to {ratios[dims[-1]]:.2f} at $d = {dims[-1]}$: a flat surface of "
        "that many dimensions is already close to the data. "
        if ratios[dims[-1]] > ratios[lowest]
        else ""
    )
    + f"The surface is fitted to {len(train_x):,} points, with "
    f"{autoencoders[middle].count_params():,} weights at $d = {middle}$. How much nearer it lies "
    "to these points than to new ones can be read from the two columns in the middle."
)

# %% [markdown]
# ## A linear autoencoder finds PCA's subspace
#
# Let both networks be linear with biases: $z = Ax + a$ and $\hat x = Bz + b$. For given $A$, $a$
# and $B$ the best $b$ makes the mean error zero, that is, it maps the mean of the data to itself.
# So we may measure everything from the mean: $\hat x = BAx$ with data of mean zero and covariance
# $C = \frac{1}{n} \sum_k x_k x_k^\top$, whose eigenvectors are $u_1, u_2, \dots$ with eigenvalues
# $\lambda_1 \ge \lambda_2 \ge \dots$
#
# Let $S$ be the span of the columns of $B$, of dimension at most $d$. Every $\hat x$ lies in $S$,
# and the nearest point of $S$ to $x$ is its orthogonal projection $Px$. Hence
#
# $$
# \begin{aligned}
# L &\ge \frac{1}{n} \sum_k \lVert x_k - P x_k \rVert^2
# = \frac{1}{n} \sum_k \big( \lVert x_k \rVert^2 - x_k^\top P x_k \big) \\
# &= \operatorname{tr} C - \operatorname{tr}(PC)
# = \sum_i \lambda_i - \sum_i \lambda_i\, w_i, \qquad w_i = u_i^\top P u_i .
# \end{aligned}
# $$
#
# Here $0 \le w_i \le 1$, since $w_i = \lVert P u_i \rVert^2$, and $\sum_i w_i = \operatorname{tr} P
# \le d$. Under these two conditions $\sum_i \lambda_i w_i$ is largest when the weight goes to the
# largest eigenvalues, $w_1 = \dots = w_d = 1$ and all others 0. So
#
# $$
# L \ge \lambda_{d+1} + \lambda_{d+2} + \dots + \lambda_D ,
# $$
#
# which is the theorem of Eckart and Young. If $\lambda_d > \lambda_{d+1}$, equality requires $P u_i
# = u_i$ for $i \le d$: the subspace of the best linear autoencoder is that of the first $d$
# principal components, and no other.
#
# The *axes* are free. For any invertible $T$, $(TA, BT^{-1})$ has the same product $BA$, hence the
# same loss. PCA's axes are orthogonal, its coordinates uncorrelated and in order of variance; the
# loss asks for none of that. Can training get stuck elsewhere? Baldi and Hornik (1989) show that
# the loss has no local minimum but the global one; its other stationary points, where some $u_i$
# with $i > d$ stands in for a better one, are saddles.
#
# To compare two subspaces one uses **principal angles**: the largest is the greatest angle between
# a direction in one and its nearest direction in the other; it is 0 for equal subspaces and 90
# degrees if one has a direction that is perpendicular to all of the other.

# %%
linear_schedule = book.setting(
    default={"steps": 800, "batch_size": len(train_x), "rate": 3e-2},
    full={"steps": 1000, "batch_size": 5000, "rate": 1e-2},
)
centred = train_x - train_x.mean(axis=0)  # as in the derivation; otherwise the mean comes first
linear = {}
for dim in (2, 4, 8):
    encoder = dense_encoder((depth,), (dim,), "linear", seed=0)
    decoder = dense_decoder(dim, depth, (), seed=100)
    linear[dim] = train(Autoencoder(encoder, decoder), centred, **linear_schedule)


def degrees(columns, dim):
    """Largest principal angle between the span of the columns and PCA's first `dim` axes."""
    axes = pca[dim].components_.T
    return math.degrees(subspace_angles(np.asarray(columns, "float64"), axes).max())


# %% tags=["hide"]
eigenvalues, eigenvectors = (a[..., ::-1] for a in np.linalg.eigh(np.cov(train_x.T, bias=True)))
root = eigenvectors * np.sqrt(np.maximum(eigenvalues, 0)) @ eigenvectors.T  # of the covariance
rows, excess, angles, weighted = [], {}, {}, {}
for dim, model in linear.items():
    into, out = model.encoder.get_weights()[0], model.decoder.get_weights()[0].T
    loss = float(np.mean(model.reconstruction_error(centred)))
    bound = eigenvalues[dim:].sum()
    excess[dim], angles[dim] = loss / bound - 1, degrees(out, dim)
    weighted[dim] = degrees(root @ into, dim)
    correlations = np.corrcoef(model.encode(centred).numpy().T)
    rows.append(
        [
            f"{dim}",
            f"{bound:.4f}",
            f"{loss:.4f}",
            f"{angles[dim]:.2f}°",
            f"{degrees(into, dim):.2f}°",
            f"{eigenvalues[dim - 1] / eigenvalues[dim]:.2f}",
            f"{np.abs(correlations[np.triu_indices(dim, 1)]).max():.2f}",
        ]
    )
book.table(
    rows,
    [
        "code $d$",
        "$\\lambda_{d+1} + \\dots$",
        "loss",
        "angle, decoder",
        "angle, encoder",
        "$\\lambda_d / \\lambda_{d+1}$",
        "largest correlation",
    ],
    "Linear autoencoders after training, on the training images. Angles: the largest principal "
    "angle to PCA's subspace, of the decoder's columns and of the encoder's rows. Last column: the "
    "largest absolute correlation between two coordinates of the code; for PCA it is 0.",
    name="linear",
)
blank = int(np.sum(train_x.std(axis=0) == 0))
found = max(angles.values()) < 1
book.say(
    f"The losses lie within {max(max(excess.values()), 0):.3%} of the bound (@table:linear), and "
    + (
        f"the decoders have found PCA's subspaces, to {max(angles.values()):.2f}°. "
        if found
        else "the decoders' subspaces differ from PCA's by up to "
        f"{max(angles.values()):.1f}°: where two eigenvalues are close to each other, the loss "
        "hardly minds which direction is taken. "
    )
    + "The coordinates are correlated: the same subspace, other axes (@fig:components). And the "
    "encoder's rows? With $B$ and $S$ as derived, $BAx = Px$ must hold, but only for the $x$ that "
    f"occur. {blank} pixels are blank in all training images, and many directions hardly vary; "
    "there the encoder's weights do not matter to the loss, get no gradient, and stay as they were "
    "drawn. With every direction weighted by the standard deviation of the data along it, the "
    f"encoder's angle is {max(weighted.values()):.2f}° at most. A network is held to its task on "
    "the data only; what it does elsewhere is left over from its first weights."
)

# %% tags=["fold"]
columns = linear[4].decoder.get_weights()[0]
columns /= np.linalg.norm(columns, axis=1, keepdims=True)
with plots.style():
    figure = plots.image_grid(
        np.concatenate([pca[4].components_, columns]),
        shape,
        columns=4,
        cmap="PuOr",
        limits=book.setting(default=(-0.4, 0.4), full=(-0.13, 0.13)),
    )
    figure.set_size_inches(3.6, 1.8)
book.figure(
    figure,
    "components",
    "Top: PCA's first four axes as images (purple positive, orange negative). Bottom: the four "
    "columns of the linear autoencoder's decoder, scaled to length 1. They span nearly the same "
    "four-dimensional subspace.",
    alt="Two rows of four coloured images; the lower ones look like mixtures of the upper ones.",
)

# %% [markdown]
# ## A picture of the manifold
#
# With a code of two numbers the surface can be looked at. On the left of @fig:manifold each
# training image stands at its code. On the right the decoder has drawn what it makes of the codes
# of a regular grid: a map of the surface, and the way back that no list of neighbours has.

# %%
codes = autoencoders[2].encode(train_x).numpy()
corners = np.quantile(codes, (0.005, 0.995), axis=0)
cells = book.setting(default=13, full=14)
ticks = [np.linspace(*corners[:, axis], cells) for axis in (0, 1)]
grid = np.stack(np.meshgrid(ticks[0], ticks[1][::-1]), axis=-1).reshape(-1, 2).astype("float32")
drawn = autoencoders[2].decode(grid).numpy()

# %% tags=["fold"]
test_codes = autoencoders[2].encode(test_x).numpy()
neighbours_2d = NearestNeighbors(n_neighbors=1).fit(codes)
usual_gap = np.quantile(neighbours_2d.kneighbors(test_codes)[0], 0.99)
empty_cells = neighbours_2d.kneighbors(grid)[0][:, 0] > usual_gap
INKS = [plots.PALETTE[k] for k in (0, 0, 1, 2, 1, 3, 2, 3, 4, 5)]  # by digit; the marker tells


def scatter_digits(axis, points, labels, limit, size=26):
    for label, color in enumerate(INKS):
        chosen = points[:limit][labels[:limit] == label]
        axis.scatter(*chosen.T, s=size, c=color, marker=f"${label}$", linewidths=0)


def mosaic(images, tinted):
    """Images of a square grid as one colour picture, those of the mask tinted."""
    side = math.isqrt(len(images))
    grey = 1 - np.clip(images, 0, 1).reshape(-1, *shape, 1).repeat(3, axis=-1)
    tint = np.array([0.902, 0.624, 0.0])  # orange of the palette
    grey[tinted] = 0.6 * grey[tinted] + 0.4 * tint
    rows = grey.reshape(side, side, *shape, 3).transpose(0, 2, 1, 3, 4)
    return rows.reshape(side * shape[0], side * shape[1], 3)


with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.8))
    scatter_digits(axes[0], codes, train_labels, limit=900)
    extent = (*corners[:, 0], *corners[:, 1])
    axes[1].imshow(mosaic(drawn, empty_cells), extent=extent, aspect="auto")
    axes[1].grid(False)
    for axis in axes:
        axis.set(xlabel="code, first number", ylabel="code, second number")
        axis.set(xlim=corners[:, 0], ylim=corners[:, 1])
book.figure(
    figure,
    "manifold",
    f"Left: codes of {min(900, len(codes)):,} training images, each drawn as its digit. Right: "
    f"the decoder's answer to {cells} × {cells} codes on a grid. Tinted orange: cells whose "
    "nearest training code is further away than that of 99% of the test images.",
    alt="A scatter of digits in clusters and arms; a mosaic of decoded digits that change "
    "gradually, with tinted regions between and outside the clusters.",
)

# %% tags=["hide"]
pixel_accuracy = KNeighborsClassifier(5).fit(train_x, train_labels).score(judged_x, judged_labels)


def code_accuracy(encode, x=None, labels=None, k=5):
    """Share of test images whose k nearest training codes vote for their digit."""
    vote = KNeighborsClassifier(k).fit(encode(train_x), train_labels)
    x, labels = (judged_x, judged_labels) if x is None else (x, labels)
    return vote.score(encode(x), labels)


def encode_with(model):
    return lambda x: model.encode(x).numpy()


two_more = [
    train(dense_autoencoder(depth, 2, hidden, seed=seed), train_x, **schedule, seed=seed)
    for seed in (1, 2)
]
accuracy_2d = [code_accuracy(encode_with(model)) for model in (autoencoders[2], *two_more)]
book.say(
    "Digits of one kind lie together although no label was used: in two numbers, the five nearest "
    f"training codes vote for the right digit in {np.mean(accuracy_2d):.1%} of the test images "
    f"({min(accuracy_2d):.1%} to {max(accuracy_2d):.1%} for three seeds); PCA's plane gives "
    f"{code_accuracy(pca[2].transform):.1%}, all {depth} pixels {pixel_accuracy:.1%}. Within a "
    f"cluster the images change smoothly. Of the grid's cells {empty_cells.mean():.0%} are empty "
    "of data, and the decoder answers there all the same."
)

# %% [markdown]
# ## Unrolling a roll
#
# There are older ways to find coordinates on a manifold, without networks. The notes say about them
# that they use the Euclidean distance to find neighbours, that this goes wrong when the manifold is
# curled up, and that an autoencoder is therefore the better choice. The test case is the **Swiss
# roll**: a flat strip in three dimensions, rolled up. Its true coordinates are known: the length
# $s$ along the strip and the height $h$ across it. Which method finds them?
#
# **Near points.** Is the Euclidean distance wrong on a curve? Let $\gamma(s)$ be a curve with
# arc length $s$ as parameter, $T$, $N$ its tangent and normal and $\kappa$ its curvature at
# $\gamma(0)$. Then
#
# $$
# \begin{aligned}
# \gamma(s) - \gamma(0) &= \Big(s - \frac{\kappa^2 s^3}{6}\Big) T
# + \Big(\frac{\kappa s^2}{2} + O(s^3)\Big) N + \dots, \\
# \lVert \gamma(s) - \gamma(0) \rVert^2
# &= s^2 - \frac{\kappa^2 s^4}{3} + \frac{\kappa^2 s^4}{4} + O(s^5)
# = s^2 - \frac{\kappa^2 s^4}{12} + O(s^5), \\
# \lVert \gamma(s) - \gamma(0) \rVert &= s\, \Big(1 - \frac{\kappa^2 s^2}{24} + O(s^3)\Big) .
# \end{aligned}
# $$
#
# The relative error of the straight line falls with the *square* of the distance. Between near
# points Euclid is right, however curled the curve; only between far points he is wrong. So use near
# points only:
#
# - **Isomap** joins each point to its $k$ nearest neighbours, measures all other distances along
#   the edges of this graph, and looks for coordinates in the plane whose Euclidean distances are
#   closest to those.
# - **LLE** (locally linear embedding) writes each point as a weighted mean of its $k$ neighbours.
#   These weights do not change when a neighbourhood is turned, moved or scaled; so it looks for
#   coordinates in the plane that the *same* weights put together. Its modified form (MLLE) takes
#   several sets of weights per neighbourhood.
#
# Both fail if the $k$ nearest neighbours are *not* near: if $k$ is too large, or points too few or
# too noisy for the distance between the turns. Then an edge jumps from one turn to the next.
#
# We give the autoencoder 3–64–64–2–64–64–3 units and several seeds. To tell what a network *can* do
# from what training finds, there is one more: its encoder is first fitted to Isomap's coordinates
# and its decoder to the way back; then it is trained as an autoencoder like the others.

# %%
ROLL_SCALE = 10  # so that coordinates are of order 1


def swiss_roll(count, seed):
    """Points `(count, 3)` and their true coordinates: length along the strip, height."""
    points, angle = make_swiss_roll(count, random_state=seed)
    length = (angle * np.sqrt(1 + angle**2) + np.arcsinh(angle)) / 2  # of the spiral r = angle
    flat = np.stack([length, points[:, 1]], axis=1)
    return points.astype("float32") / ROLL_SCALE, flat / ROLL_SCALE


roll, flat = swiss_roll(1500, seed=0)
new_roll, new_flat = swiss_roll(500, seed=1)  # to judge on
roll_schedule = {"steps": 2000, "batch_size": 300, "rate": 1e-2}
roll_seeds = book.setting(default=range(3), full=range(5))
narrow, wide = 10, 40  # neighbours in Isomap's graph
maps = {
    "PCA": PCA(2),
    f"Isomap, k = {narrow}": Isomap(n_neighbors=narrow, n_components=2),
    f"Isomap, k = {wide}": Isomap(n_neighbors=wide, n_components=2),
    "LLE, k = 12": LocallyLinearEmbedding(n_neighbors=12, n_components=2, random_state=0),
    "MLLE, k = 12": LocallyLinearEmbedding(
        n_neighbors=12, n_components=2, method="modified", random_state=0
    ),
}
unrolled = {name: (m.fit_transform(roll), m.transform(new_roll)) for name, m in maps.items()}
unrollers = [
    train(dense_autoencoder(3, 2, (64, 64), seed=seed), roll, **roll_schedule, seed=seed)
    for seed in roll_seeds
]


# %% tags=["fold"]
def train_to(network, data, targets, *, steps, batch_size, rate):
    """Fits a network to given targets by least squares."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    network.compile(optimizer, loss="mse", steps_per_execution=50)
    batches = epoch_batches((data, targets), batch_size, seed=0)
    network.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=book.verbosity())


guided = dense_autoencoder(3, 2, (64, 64), seed=0)  # the same first weights as unrollers[0]
isomap_codes = unrolled[f"Isomap, k = {narrow}"][0]
isomap_codes = ((isomap_codes - isomap_codes.mean(0)) / isomap_codes.std()).astype("float32")
half = roll_schedule | {"steps": 1000}
train_to(guided.encoder, roll, isomap_codes, **half)
train_to(guided.decoder, guided.encode(roll).numpy(), roll, **half)
guided = train(guided, roll, **half | {"rate": 3e-3})

# %% tags=["hide"]
roll_variance = mean_square(new_roll - roll.mean(axis=0))


def unrolling(seen, new):
    """How well codes of training and of new points give the true coordinates back."""
    linear_fit = LinearRegression().fit(seen, flat)
    local_fit = KNeighborsRegressor(5).fit(seen, flat)
    near_code, near_flat = (
        NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)
        for points in (new, new_flat)
    )
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near_code, near_flat, strict=True)])
    return linear_fit.score(new, new_flat), local_fit.score(new, new_flat), kept


def rebuilt(model):
    return float(np.mean(model.reconstruction_error(new_roll))) / roll_variance


scores = {name: unrolling(*pair) for name, pair in unrolled.items()}
by_network = [
    unrolling(model.encode(roll).numpy(), model.encode(new_roll).numpy()) for model in unrollers
]
guided_score = unrolling(guided.encode(roll).numpy(), guided.encode(new_roll).numpy())
roll_errors = [rebuilt(model) for model in unrollers]
best_seed = int(np.argmin(roll_errors))
rows = []
for name, score in scores.items():
    error = (
        mean_square(new_roll - maps[name].inverse_transform(unrolled[name][1])) / roll_variance
        if name == "PCA"
        else None
    )
    rows.append([name, "" if error is None else f"{error:.4f}", *(number(v) for v in score)])
rows.append(
    [
        f"autoencoder, {len(unrollers)} seeds",
        with_error(roll_errors, ".4f"),
        *(with_error([score[k] for score in by_network]) for k in range(3)),
    ]
)
rows.append(
    [
        "autoencoder, from Isomap",
        f"{rebuilt(guided):.4f}",
        *(number(value) for value in guided_score),
    ]
)
book.table(
    rows,
    ["method", "error / variance", "R², linear", "R², 5 neighbours", "neighbours kept"],
    f"The Swiss roll: {len(roll):,} points to fit, {len(new_roll)} new ones to judge on. R², "
    "linear: how well $s$ and $h$ are predicted from the two numbers by a linear function; 1 means "
    "unrolled, up to turning and even stretching. R², 5 neighbours: predicted as the mean of the "
    "five training points with the nearest codes; 1 means that the code tells them, in whatever "
    "shape. Neighbours kept: share of the ten nearest on the strip that are among the ten nearest "
    "codes.",
    name="roll",
)

# %% tags=["fold"]
panels = {
    "PCA": unrolled["PCA"][1],
    f"Isomap, k = {narrow}": unrolled[f"Isomap, k = {narrow}"][1],
    "MLLE, k = 12": unrolled["MLLE, k = 12"][1],
    "autoencoder, best seed": unrollers[best_seed].encode(new_roll).numpy(),
    "autoencoder, from Isomap": guided.encode(new_roll).numpy(),
}
with plots.style():
    figure, axes = plt.subplots(2, 3, figsize=(7.4, 4.9))
    colors = {"c": new_flat[:400, 0], "cmap": "viridis", "s": 9, "linewidths": 0}
    axes[0, 0].scatter(*new_roll[:400, ::2].T, **colors)
    axes[0, 0].set(title="the roll from the side", aspect="equal")
    for axis, (name, points) in zip(axes.flat[1:], panels.items(), strict=True):
        shown_points = axis.scatter(*points[:400].T, **colors)
        axis.set(title=name, xticklabels=[], yticklabels=[])
    bar = figure.colorbar(shown_points, ax=axes, shrink=0.7)
    bar.set_label("true length s along the strip")
book.figure(
    figure,
    "roll",
    "400 new points of the Swiss roll, coloured by the true coordinate $s$: the roll along its "
    "axis, then two coordinates of each point by five methods, in units of their own. A strip "
    "whose colours run from one end to the other without a fold has been unrolled.",
    alt="Six scatter plots. The colours run evenly across the panels of Isomap and of the "
    "autoencoder that started from it; in PCA's they lie over each other in a spiral.",
)

# %% tags=["hide"]
isomap_score, wide_score = (scores[f"Isomap, k = {k}"][0] for k in (narrow, wide))
mlle_score = scores["MLLE, k = 12"][0]
network_score = float(np.mean([score[0] for score in by_network]))
best_network = max(score[0] for score in by_network)
local_methods = isomap_score > 0.9 and mlle_score > 0.9
folded = best_network < min(0.9, isomap_score)
ratio = min(roll_errors) / rebuilt(guided)
book.box(
    "notes",
    "What the notes say: Euclidean neighbours fail on a curled manifold, so use an autoencoder",
    (
        "Isomap and LLE do use Euclidean neighbours, but *near* ones, where Euclid is right, and "
        + (
            f"they unroll the strip: R² is **{isomap_score:.2f}** for Isomap and "
            f"**{mlle_score:.2f}** for MLLE"
            if local_methods
            else f"R² is {isomap_score:.2f} for Isomap and {mlle_score:.2f} for MLLE"
        )
        + f" (@table:roll). The notes' worry is real where neighbours are not near: with {wide} of "
        f"them Isomap falls to {number(wide_score)}. "
    )
    + (
        "And the autoencoder, trained as usual, does *not* unroll it: its mean R² is "
        f"{number(network_score)}, its best {number(best_network)}. "
        if folded
        else f"The autoencoder's mean R² is {number(network_score)}, its best "
        f"{number(best_network)}. "
    )
    + "Its own loss is a Euclidean distance too, between a point and its reconstruction.",
)
plain_lle = scores["LLE, k = 12"]
book.say(
    (
        f"Plain LLE, with R² of {number(plain_lle[0])} and {number(plain_lle[1])}, has unrolled "
        "the strip but stretched it unevenly. "
        if plain_lle[0] < 0.9 < plain_lle[1]
        else ""
    )
    + (
        "What has the autoencoder done? To lower its error it must pull apart turns that its first "
        "codes laid over each other, and it tears and folds the strip where that is the quickest "
        "way down. "
        if folded
        else ""
    )
    + f"{min(roll_errors):.1%} to {max(roll_errors):.1%} of the variance remain as its error. "
    + (
        "Is the network too small? The same network, started from Isomap's coordinates, reaches "
        f"{rebuilt(guided):.2%}, {ratio:.0f} times less than the best other seed, with R² = "
        f"{number(guided_score[0])}. So the unrolled strip is the *better* solution by the "
        "autoencoder's own loss, and gradient descent from random weights did not find it. "
        if ratio > 2 and guided_score[0] > 0.9
        else f"The same network started from Isomap's coordinates reaches {rebuilt(guided):.2%} "
        f"and R² = {number(guided_score[0])}. "
    )
    + "Nor would a perfect loss be enough for a *flat* code: by the argument above any invertible "
    "map $h$ of a good code is as good. An error near zero makes the code tell where a point is on "
    "the strip (second R²); it does not make equal steps in the code equal steps on the strip."
)

# %% [markdown]
# ### On digits, and what only the autoencoder has
#
# The same four methods on digits, judged on test images by the digits of the five nearest training
# codes. Isomap and LLE are lists of coordinates for the points they were fitted to. Scikit-learn
# puts in a new point by means of its nearest training points, so they must all be kept; Isomap
# keeps the distances of all pairs as well. Neither has a way back from coordinates to
# images. An autoencoder is two functions: a map for any new point and a decoder, at a cost that
# does not grow with the data.

# %% tags=["fold"]
listed_x = train_x[: book.setting(default=len(train_x), full=4000)]
listed_labels = train_labels[: len(listed_x)]
solver = book.setting(default="dense", full="arpack")
digit_maps = {
    "PCA": PCA(2),
    "Isomap": Isomap(n_neighbors=10, n_components=2),
    "LLE": LocallyLinearEmbedding(
        n_neighbors=10, n_components=2, eigen_solver=solver, random_state=0
    ),
}
mapped, fit_seconds, new_seconds = {}, {}, {}
for name, method in digit_maps.items():
    start = time.perf_counter()
    seen = method.fit_transform(listed_x)
    fit_seconds[name] = time.perf_counter() - start
    start = time.perf_counter()
    mapped[name] = (seen, method.transform(judged_x))
    new_seconds[name] = time.perf_counter() - start
mapped["autoencoder"] = tuple(autoencoders[2].encode(x).numpy() for x in (listed_x, judged_x))
fit_seconds["autoencoder"] = autoencoder_seconds
start = time.perf_counter()
autoencoders[2].encode(judged_x).numpy()
new_seconds["autoencoder"] = time.perf_counter() - start

on_quarter = train(dense_autoencoder(depth, middle, hidden), train_x[::4], **schedule)
quarter_error = float(np.mean(on_quarter.reconstruction_error(test_x)))

with plots.style():
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.8))
    for axis, (name, (_, points)) in zip(axes.flat, mapped.items(), strict=True):
        scatter_digits(axis, points, judged_labels, limit=500)
        low, high = np.quantile(points, (0.005, 0.995), axis=0)
        margin = 0.08 * (high - low)
        axis.set(xlim=(low[0] - margin[0], high[0] + margin[0]))
        axis.set(ylim=(low[1] - margin[1], high[1] + margin[1]))
        axis.set(title=name, xticklabels=[], yticklabels=[])
book.figure(
    figure,
    "digit-maps",
    f"{min(500, len(judged_x))} test images in two coordinates by four methods, each drawn as its "
    "digit; outermost points left out. Units of their own.",
    alt="Four scatter plots of digits, with clusters that overlap most under PCA.",
)

# %% tags=["hide"]
kept_numbers = {
    "PCA": 3 * depth,
    "Isomap": len(listed_x) * depth + len(listed_x) ** 2,
    "LLE": len(listed_x) * (depth + 2),
    "autoencoder": autoencoders[2].count_params(),
}
map_accuracy = {
    name: KNeighborsClassifier(5).fit(seen, listed_labels).score(new, judged_labels)
    for name, (seen, new) in mapped.items()
}
rebuilt_error = {"PCA": errors[2]["PCA"], "autoencoder": errors[2]["autoencoder"]}
book.table(
    [
        [
            name,
            f"{map_accuracy[name]:.1%}",
            f"{rebuilt_error[name]:.3f}" if name in rebuilt_error else "no decoder",
            f"{fit_seconds[name]:.1f}",
            f"{1000 * new_seconds[name] / len(judged_x):.3f}",
            f"{kept_numbers[name]:,}",
        ]
        for name in mapped
    ],
    [
        "method",
        "right digit",
        "error, test",
        "fitting (s)",
        "a new image (ms)",
        "numbers to keep",
    ],
    f"Two coordinates of {len(judged_x):,} test images; neighbours among {len(listed_x):,} "
    "training images, to which PCA, Isomap and LLE are fitted"
    + (f" (the autoencoder to all {len(train_x):,})" if len(train_x) > len(listed_x) else "")
    + ". Error as in @table:errors. Numbers to keep: what a new image needs. Times are of the "
    "machine that made this page.",
    name="digit-maps",
)
order = sorted(map_accuracy, key=map_accuracy.get, reverse=True)
book.say(
    f"By the votes of neighbours the order is {listed(order)} (@table:digit-maps). "
    + (
        "The maps that were built from neighbours keep neighbours best, which is what is asked "
        "here. "
        if order[0] in ("Isomap", "LLE")
        else ""
    )
    + f"(Three seeds of the autoencoder gave {min(accuracy_2d):.1%} to {max(accuracy_2d):.1%}.) "
    "The notes also say that an autoencoder gains from more data. Trained on a quarter of the "
    f"images, for as many steps, it has a test error of {quarter_error:.3f} at $d = "
    f"{middle}$, on all of them {errors[middle]['autoencoder']:.3f}. And it can take more data: a "
    "step costs the same however many images there are, while Isomap compares all pairs, "
    f"{len(listed_x) ** 2:,} distances for {len(listed_x):,} images."
)

# %% [markdown]
# ## Denoising
#
# The bottleneck forces a network to learn something. Without one, $d \ge D$, it may copy: $f$ and
# $g$ the identity, loss zero, nothing learnt. Such an autoencoder is called **overcomplete**. There
# is another way to forbid copying: damage the input and ask for the whole. A **denoising**
# autoencoder reads $\tilde x$, drawn from $q(\tilde x \mid x)$, and is trained on
#
# $$
# L(r) = \mathbb{E}\, \lVert x - r(\tilde x) \rVert^2, \qquad r = g \circ f .
# $$
#
# **What it computes.** By the same split as for the decoder above, now with $\tilde x$ in the place
# of $z$, the best $r$ is
#
# $$
# r^*(\tilde x) = \mathbb{E}[x \mid \tilde x] ,
# $$
#
# the mean of all that may have been there before the damage, whatever kind of damage it is.
#
# **For Gaussian noise** there is more to say. Let $\tilde x = x + \sigma \epsilon$ with $\epsilon
# \sim \mathcal{N}(0, I)$. The density of damaged data is $\tilde p(\tilde x) = \int p(x)\,
# \mathcal{N}(\tilde x; x, \sigma^2 I)\, dx$. Since $\nabla_{\tilde x}\, \mathcal{N}(\tilde x; x,
# \sigma^2 I) = \mathcal{N}(\tilde x; x, \sigma^2 I)\, (x - \tilde x) / \sigma^2$,
#
# $$
# \begin{aligned}
# \nabla \log \tilde p(\tilde x) &= \frac{\nabla \tilde p(\tilde x)}{\tilde p(\tilde x)}
# = \frac{1}{\sigma^2} \int (x - \tilde x)\,
# \frac{p(x)\, \mathcal{N}(\tilde x; x, \sigma^2 I)}{\tilde p(\tilde x)}\, dx \\
# &= \frac{\mathbb{E}[x \mid \tilde x] - \tilde x}{\sigma^2} ,
# \end{aligned}
# $$
#
# because the fraction under the integral is $p(x \mid \tilde x)$ by Bayes' rule. So
#
# $$
# r^*(\tilde x) = \tilde x + \sigma^2\, \nabla \log \tilde p(\tilde x) .
# $$
#
# This is Tweedie's formula. The gradient of the log-density is called the **score**; it points to
# where data is denser. The best denoiser knows the score of the damaged data at every point, and
# never needed the density.
#
# **A check where the score is known.** Data: eight narrow Gaussians on a circle. Damaged, they are
# eight wider ones, with density and score in closed form. The network has no bottleneck: its code
# has 64 numbers for two inputs.

# %%
angles = 2 * np.pi * np.arange(8) / 8
centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
own_scale, sigma = 0.08, 0.3
variance = own_scale**2 + sigma**2  # of each Gaussian once damaged


def exact_density(x):
    square = np.sum((x[:, None] - centres) ** 2, axis=2)
    return np.mean(np.exp(-square / (2 * variance)), axis=1) / (2 * np.pi * variance)


def exact_score(x):
    logits = -np.sum((x[:, None] - centres) ** 2, axis=2) / (2 * variance)
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)  # p(centre | x)
    return (share @ centres - x) / variance


def circle_data(count, seed):
    draw = np.random.default_rng(seed)
    return centres[draw.integers(8, size=count)] + own_scale * draw.standard_normal((count, 2))


denoiser_2d = train(
    Autoencoder(
        dense_encoder((2,), (64, 64), "tanh", seed=0),
        dense_decoder(64, 2, (64,), "tanh", seed=100),
        corruption=GaussianNoise(sigma),
        seed=0,
    ),
    circle_data(20_000, 0).astype("float32"),
    **{"steps": 2500, "batch_size": 500, "rate": 3e-3},
)


def learnt_score(x):
    return (denoiser_2d.reconstruct(x.astype("float32")).numpy() - x) / sigma**2


# %% tags=["fold"]
ticks = np.linspace(-1.8, 1.8, 16)
plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
fine = np.linspace(-2, 2, 120)
density = exact_density(np.stack(np.meshgrid(fine, fine), axis=-1).reshape(-1, 2))
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.8))
    for axis, score, title in (
        (axes[0], exact_score, "exact score"),
        (axes[1], learnt_score, "(reconstruction − input) / σ²"),
    ):
        field = {"extent": (-2, 2, -2, 2), "origin": "lower", "interpolation": "bilinear"}
        axis.imshow(density.reshape(120, 120), cmap="Blues", vmax=1.5 * density.max(), **field)
        arrows = score(plane)
        axis.quiver(*plane.T, *arrows.T, color=plots.VERMILION, scale=170, width=0.004)
        axis.set(title=title, xlabel="first number", ylabel="second number")
        axis.grid(False)
book.figure(
    figure,
    "score",
    f"Density of the damaged data (blue, σ = {sigma}) and its score (arrows, all to one scale): in "
    "closed form, and from a denoising autoencoder that has seen nothing but examples.",
    alt="Two squares with a blue ring of eight lumps; arrows point to the ring from inside and "
    "outside, in both squares alike.",
)

# %% tags=["hide"]
clean = circle_data(20_000, 1)
noisy = clean + sigma * np.random.default_rng(2).standard_normal(clean.shape)
best_risk = mean_square(clean - noisy - sigma**2 * exact_score(noisy))
learnt_risk = mean_square(clean - noisy - sigma**2 * learnt_score(noisy))


def score_error(x):
    """Squared error of the learnt score as a share of the squared length of the exact one."""
    exact = exact_score(x)
    return mean_square(learnt_score(x) - exact) / mean_square(exact)


far = 3 * np.stack([np.cos(turn := np.linspace(0, 2 * np.pi, 200)), np.sin(turn)], axis=1)
book.say(
    "The mean squared error of the network on new damaged points is "
    f"{learnt_risk:.5f}; that of the exact $\\mathbb{{E}}[x \\mid \\tilde x]$ is {best_risk:.5f}, "
    f"and leaving the noise in costs $2 \\sigma^2 = {2 * sigma**2:.2f}$. Its score is off by "
    f"{score_error(noisy):.2%} of the squared length of the true one (@fig:score). On a circle of "
    f"radius 3, where no damaged point ever falls, it is off by {score_error(far):.1%}. "
    + (
        "That it is still right there is luck: the loss is an average over data and says nothing "
        "about places where there is none. "
        if score_error(far) < 0.02
        else "The loss is an average over data and says nothing about places where there is none. "
    )
    + "Models that draw samples by following scores need them everywhere, and so are trained with "
    "noise of many sizes."
)

# %% [markdown]
# ### Digits
#
# Ways to clean a noisy digit:
#
# - *nothing*: the error is the noise, $D \sigma^2$;
# - the best **linear** denoiser, $\mu + C (C + \sigma^2 I)^{-1} (\tilde x - \mu)$ with mean $\mu$
#   and covariance $C$ of the training images (the Wiener filter; exercise 4.3): it shrinks the
#   coordinate along each principal axis by $\lambda_i / (\lambda_i + \sigma^2)$;
# - the exact optimum *for the training set*. If the data were just the $n$ training images, each
#   with probability $1/n$, then
#   $\mathbb{E}[x \mid \tilde x] = \sum_k w_k x_k$ with weights $w_k \propto \exp(-\lVert \tilde x -
#   x_k \rVert^2 / 2\sigma^2)$. A network that made its training loss as small as can be would
#   compute this and nothing better;
# - autoencoders: the bottleneck from above, trained without noise; an overcomplete network trained
#   without noise; the same network trained with it.

# %%
noise_scale = book.setting(default=0.3, full=0.5)
blotting = 0.5  # share of pixels that masking noise sets to 0
wide_units = book.setting(default=((256, 256), (256,)), full=((1024,), ()))
wide_schedule = schedule | book.setting(default={"steps": 1500}, full={"steps": 2000})


def overcomplete(corruption):
    units_in, units_out = wide_units
    return Autoencoder(
        dense_encoder((depth,), units_in, "relu", seed=0),
        dense_decoder(units_in[-1], depth, units_out, "relu", seed=100),
        corruption=corruption,
        seed=0,
    )


copier = train(overcomplete(None), train_x, **wide_schedule)
denoiser = train(overcomplete(GaussianNoise(noise_scale)), train_x, **wide_schedule)
unmasker = train(overcomplete(MaskingNoise(blotting)), train_x, **wide_schedule)

# %% tags=["fold"]
draw = np.random.default_rng(3)
noisy_x = judged_x + noise_scale * draw.standard_normal(judged_x.shape).astype("float32")
masked_x = judged_x * (draw.random(judged_x.shape) >= blotting).astype("float32")
mean_image = train_x.mean(axis=0)
covariance = np.cov(train_x.T, bias=True)
wiener = covariance @ np.linalg.inv(covariance + noise_scale**2 * np.eye(depth))


def posterior_mean_of_training_set(noisy, sigma, block=500):
    """Weighted means of the training images: the exact minimiser of the training loss."""
    means = []
    for start in range(0, len(noisy), block):
        rows = noisy[start : start + block]
        square = (rows**2).sum(1)[:, None] - 2 * rows @ train_x.T + (train_x**2).sum(1)
        logits = -square.astype("float64") / (2 * sigma**2)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        means.append((weights / weights.sum(axis=1, keepdims=True)) @ train_x)
    return np.concatenate(means)


cleaned = {
    "nothing": noisy_x,
    "linear": mean_image + (noisy_x - mean_image) @ wiener.T,
    "optimum for the training set": posterior_mean_of_training_set(noisy_x, noise_scale),
    "bottleneck, no noise": autoencoders[middle].reconstruct(noisy_x).numpy(),
    "overcomplete, no noise": copier.reconstruct(noisy_x).numpy(),
    "overcomplete, denoising": denoiser.reconstruct(noisy_x).numpy(),
}
shuffled_x = draw.permuted(judged_x, axis=1)  # no digits: pixels of each image in random order

at = one_of_each
with plots.style():
    figure = plots.image_grid(
        np.concatenate(
            [
                judged_x[at],
                noisy_x[at],
                cleaned["overcomplete, no noise"][at],
                cleaned["linear"][at],
                cleaned["overcomplete, denoising"][at],
                masked_x[at],
                unmasker.reconstruct(masked_x[at]).numpy(),
            ]
        ),
        shape,
        columns=10,
    )
book.figure(
    figure,
    "denoising",
    "From the top: test images; with Gaussian noise; what the overcomplete autoencoder trained "
    "without noise makes of that; the linear denoiser; the denoising autoencoder; test images with "
    f"{blotting:.0%} of their pixels set to 0; an autoencoder trained to fill them in.",
    alt="Seven rows of digits: clean, noisy, still noisy, blurred, clean, blotted, filled in.",
)

# %% tags=["hide"]
networks = {
    "bottleneck, no noise": autoencoders[middle],
    "overcomplete, no noise": copier,
    "overcomplete, denoising": denoiser,
}
noise_error = {name: mean_square(judged_x - x) for name, x in cleaned.items()}
own_error = {
    name: [float(np.mean(model.reconstruction_error(x))) for x in (judged_x, shuffled_x)]
    for name, model in networks.items()
}
book.table(
    [
        [
            name,
            f"{noise_error[name]:.3f}",
            *([f"{value:.3f}" for value in own_error[name]] if name in own_error else ["", ""]),
        ]
        for name in cleaned
    ],
    ["method", "noisy digits", "clean digits", "shuffled pixels"],
    f"Mean squared error per image on {len(judged_x):,} test images. Noisy digits: of the cleaned "
    f"image against the original, noise of σ = {noise_scale} on every pixel. Clean digits and "
    "shuffled pixels: of the reconstruction against what was put in. Bottleneck: "
    f"{middle} numbers; overcomplete: {wide_units[0][-1]} for {depth} pixels.",
    name="denoising",
)
copy_gain = noise_error["overcomplete, no noise"] / noise_error["nothing"]
better_than_training_optimum = (
    noise_error["overcomplete, denoising"] < noise_error["optimum for the training set"]
)
book.say(
    "The overcomplete autoencoder trained without noise rebuilds clean digits with an error of "
    f"{own_error['overcomplete, no noise'][0]:.4f}; the bottleneck makes "
    f"{own_error['bottleneck, no noise'][0]:.3f}. It copies: what it makes of noisy "
    f"digits is still off by {copy_gain:.0%} of the noise, and it also rebuilds images with "
    "shuffled pixels, which are no digits, with an error of "
    f"{own_error['overcomplete, no noise'][1]:.2f}, where the bottleneck makes "
    f"{own_error['bottleneck, no noise'][1]:.2f} and the denoiser "
    f"{own_error['overcomplete, denoising'][1]:.2f}. It is not the exact identity, for nothing "
    "asked it to copy what is not in the data. But a small reconstruction error is no sign of "
    "having learnt the data; that the error is *larger elsewhere* is. Trained with noise, the same "
    f"network brings noisy digits down to {noise_error['overcomplete, denoising']:.3f}, the best "
    f"linear map to {noise_error['linear']:.3f}. "
    + (
        "It also beats the optimum for the training set, which is the function that its own "
        "training loss asks for. A smooth network does not get there in a few steps, and is the "
        "better for it on new images: the optimum can only mix the images it has."
        if better_than_training_optimum
        else "The optimum for the training set is better still, at "
        f"{noise_error['optimum for the training set']:.3f}: with so many images, mixing those it "
        "has goes a long way."
    )
)

# %% [markdown]
# ## Neighbours
#
# Are neighbours in the code better neighbours than those in the space of pixels? If $x$ and $x'$
# are both reconstructed to within $\varepsilon$, the triangle inequality gives
#
# $$
# \big|\, \lVert x - x' \rVert - \lVert g(z) - g(z') \rVert \,\big| \le 2 \varepsilon .
# $$
#
# So images that are far apart in pixels cannot have the same code, and if $g$ stretches no distance
# by more than a factor $K$, their codes are at least $(\lVert x - x' \rVert - 2\varepsilon) / K$
# apart. An autoencoder that reconstructs well *must* keep apart what is far apart in pixels. That
# is bad news for the moved digits of the first section: moved by a pixel or two, a digit is far
# from itself, so its code has to move as well.
#
# But a denoiser learns to undo whatever damage it is shown. So let the damage be a move: the input
# is the image moved by a random distance, the target is the image in its place. These images come
# centred, so a moved one tells which it was: $r^*(\tilde x) = \mathbb{E}[x \mid \tilde x]$ is the
# same wherever it lies, and the code need not tell the place.

# %%
reach = book.setting(default=1.0, full=3.0)  # pixels


def random_move(x, seed):
    """Corruption: each image moved by up to `reach` pixels both ways, by linear interpolation."""
    images = tf.reshape(x, (-1, *shape))
    by = tf.random.stateless_uniform((tf.shape(images)[0], 2), seed, -reach, reach)

    def move_along(axis):  # (batch, side, side): row i takes what lies `by` before it
        places = tf.range(shape[axis], dtype=tf.float32)
        gaps = places[:, None] - places - by[:, axis, None, None]
        return tf.nn.relu(1 - tf.abs(gaps))

    images = move_along(0) @ images @ tf.transpose(move_along(1), (0, 2, 1))
    return tf.reshape(images, tf.shape(x))


unmover = train(dense_autoencoder(depth, middle, hidden, random_move), train_x, **schedule)

distances = book.setting(default=(0, 0.25, 0.5, 0.75, 1, 1.5), full=(0, 1, 2, 3, 4))
representations = {
    "pixels": lambda x: x,
    f"PCA, {middle}": pca[middle].transform,
    f"autoencoder, {middle}": encode_with(autoencoders[middle]),
    f"trained on moves, {middle}": encode_with(unmover),
}
moved_x = {distance: moved(judged_x, distance) for distance in distances}
votes = {
    name: KNeighborsClassifier(5).fit(encode(train_x), train_labels)
    for name, encode in representations.items()
}
agreement = {
    name: [votes[name].score(encode(moved_x[step]), judged_labels) for step in distances]
    for name, encode in representations.items()
}

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    for (name, values), marker, line in zip(
        agreement.items(), "os^D", ("-", "--", ":", "-."), strict=True
    ):
        axis.plot(distances, 100 * np.array(values), line, marker=marker, label=name)
    axis.axvspan(0, reach, color="#dcdcdc", alpha=0.35, linewidth=0)
    axis.set(xlabel="test images moved by (pixels)", ylabel="right digit (%)", ylim=(0, 102))
    axis.legend(loc="lower left")
book.figure(
    figure,
    "moves",
    "Share of test images, moved right, left, down or up, whose five nearest training images vote "
    "for their digit. Nearness in pixels, or in codes of "
    f"{middle} numbers. Grey: moves that the last network saw in training.",
    alt="Three lines fall steeply together as the images are moved; the fourth stays high inside "
    "the grey range.",
)

# %% tags=["hide"]
last = distances.index(reach)
plain, pixels, moves = (
    agreement[name] for name in (f"autoencoder, {middle}", "pixels", f"trained on moves, {middle}")
)
book.say(
    f"In their place, the {middle} numbers of the code give {plain[0]:.1%} right digits, all "
    f"{depth} pixels {pixels[0]:.1%}. "
    + (
        f"So the code keeps most of what neighbours need, in {middle / depth:.1%} of the numbers, "
        "but it does not make better neighbours. "
        if plain[0] <= pixels[0]
        else "So here the code makes the better neighbours. "
    )
    + f"Moved by {reach:g} pixel{'s' if reach != 1 else ''}, it is {plain[last]:.1%} against "
    f"{pixels[last]:.1%}: "
    + (
        "the plain autoencoder has learnt nothing that would help it there (@fig:moves). "
        if plain[last] < pixels[last] + 0.05
        else "the code stands it better than pixels do (@fig:moves). "
    )
    + f"Trained on moves, the same network keeps {moves[last]:.1%}, for {moves[0]:.1%} in their "
    "place. What a code ignores is not found by the bottleneck; it is what the damage has taught "
    f"it to ignore, and no more: beyond the moves it saw it falls to {moves[-1]:.1%}."
)

# %% [markdown]
# ## Interpolation
#
# Half-way between two images in the space of pixels lies their average: both at once, half as dark.
# That is off the manifold. In the code one can go from $z_0$ to $z_1$ along a line and decode on
# the way, $g((1 - t) z_0 + t z_1)$; the decoder only draws points of its surface. With PCA that
# would gain nothing: a linear decoder turns the line of codes into a line of images.

# %% tags=["fold"]
pairs = np.random.default_rng(4).permutation(len(judged_x))[: len(judged_x) // 2 * 2].reshape(2, -1)
pairs = pairs[:, judged_labels[pairs[0]] != judged_labels[pairs[1]]][:, :500]
start_x, end_x = judged_x[pairs]


def half_way(model):
    start, end = (model.encode(x).numpy() for x in (start_x, end_x))
    return model.decode((start + end) / 2).numpy()


ends = np.concatenate([start_x, end_x])
midpoints = {
    "the two ends, test images": ends,
    f"the ends, reconstructed, {middle} numbers": autoencoders[middle].reconstruct(ends).numpy(),
    "half-way, pixels": (start_x + end_x) / 2,
    f"half-way, PCA, {middle}": (pca_reconstruct(middle, start_x) + pca_reconstruct(middle, end_x))
    / 2,
    f"half-way, autoencoder, {middle}": half_way(autoencoders[middle]),
    "half-way, autoencoder, 2": half_way(autoencoders[2]),
}
ten_nearest = NearestNeighbors(n_neighbors=10).fit(train_x)


def likeness(x):
    """Of images: votes of the ten nearest for one digit; distance to the nearest; half greys."""
    x = np.clip(x, 0, 1)
    gaps, rows = ten_nearest.kneighbors(x)
    shares = np.mean(train_labels[rows][:, :, None] == np.arange(10), axis=1)
    half_grey = np.sum((x > 0.25) & (x < 0.75)) / np.sum(x > 0.25)
    return float(shares.max(axis=1).mean()), float(gaps[:, 0].mean()), float(half_grey)


shown_pairs = [0, 1]
fractions = np.linspace(0, 1, 9, dtype="float32")[:, None]
rows = []
for k in shown_pairs:
    rows.append((1 - fractions) * start_x[k] + fractions * end_x[k])
    for dim in (2, middle):
        z0, z1 = (autoencoders[dim].encode(x[k : k + 1]).numpy() for x in (start_x, end_x))
        rows.append(autoencoders[dim].decode((1 - fractions) * z0 + fractions * z1).numpy())
with plots.style():
    figure = plots.image_grid(np.concatenate(rows), shape, columns=9)
book.figure(
    figure,
    "interpolation",
    "From one test image to another in nine steps, two pairs. Of each pair, the first row goes "
    "straight through the space of pixels, the second through codes of 2 numbers, the third "
    f"through codes of {middle}. The ends of the lower rows are reconstructions.",
    alt="Six rows of nine images. In the rows of pixels one digit fades into the other; in the "
    "rows of codes strokes move and bend.",
)

# %% tags=["hide"]
likenesses = {name: likeness(x) for name, x in midpoints.items()}
book.table(
    [
        [name, f"{vote:.2f}", f"{near:.2f}", f"{grey:.2f}"]
        for name, (vote, near, grey) in likenesses.items()
    ],
    ["images", "votes for one digit", "distance to nearest", "half greys"],
    f"{pairs.shape[1]} pairs of test images of different digits. Votes: largest share of the ten "
    "nearest training images, in pixels, that show one digit. Distance: to the nearest training "
    "image. Half greys: of the pixels with a grey above 0.25, the share below 0.75. The last two "
    "depend on blur as well, so reconstructions are in the table too.",
    name="interpolation",
)
pixel_way = likenesses["half-way, pixels"]
ways = {dim: likenesses[f"half-way, autoencoder, {dim}"] for dim in (middle, 2)}
book.say(
    f"Half-way in pixels the largest share of votes is {pixel_way[0]:.2f}, against "
    f"{likenesses['the two ends, test images'][0]:.2f} at the ends; half-way in the code of "
    f"{middle} numbers it is {ways[middle][0]:.2f}, in that of 2 numbers {ways[2][0]:.2f} "
    "(@table:interpolation). "
    + (
        "So by the votes the images on the way look more like *some* digit. "
        if min(way[0] for way in ways.values()) > pixel_way[0]
        else "So by the votes the way through the code is not always the better one. "
    )
    + (
        "They also lie nearer to training images. "
        if max(way[1] for way in ways.values()) < pixel_way[1]
        else ""
    )
    + (
        "The narrower code does better here, and pays for it with worse reconstructions "
        "(@table:errors). "
        if ways[2][0] > ways[middle][0]
        else ""
    )
    + "A line between two codes may cross a region where no training image has its code. Nothing "
    "in training has said what to draw there."
)

# %% [markdown]
# ## Dense or convolutional
#
# A convolutional encoder shares weights over the plane and halves its sides from layer to layer;
# the decoder does the same backwards, with transposed convolutions. Beside it we set a dense
# autoencoder with the same number of weights (its first hidden layer is as wide as that allows),
# the same code and the same training, three seeds each.

# %%
filters, feature_units = book.setting(default=((16, 32), 48), full=((16, 32), 64))
conv_schedule = schedule | book.setting(default={"steps": 600}, full={"steps": 1000})


def convolutional_autoencoder(seed=0):
    encoder = convolutional_encoder(shape, filters, feature_units, seed=seed)
    return Autoencoder(
        with_code(encoder, middle, seed=seed + 50),
        convolutional_decoder(
            middle, shape, filters=filters[::-1], units=feature_units, seed=seed + 100
        ),
        seed=seed,
    )


def num_weights(model):
    model.build((None, *model.event_shape))
    return model.count_params()


conv_size = num_weights(convolutional_autoencoder())
sizes = [num_weights(dense_autoencoder(depth, middle, (w, 64))) for w in (1, 2)]  # linear in w
equal_width = 1 + round((conv_size - sizes[0]) / (sizes[1] - sizes[0]))
as_images = dataset.images
rivals = {"convolutional": [], "dense": []}
rival_seconds = {}
for kind, trained in rivals.items():
    start = time.perf_counter()
    for seed in range(3):
        if kind == "dense":
            model, data = dense_autoencoder(depth, middle, (equal_width, 64), seed=seed), train_x
        else:
            model, data = convolutional_autoencoder(seed), as_images(train_x)
        trained.append(train(model, data, **conv_schedule, seed=seed))
    rival_seconds[kind] = (time.perf_counter() - start) / 3

# %% tags=["hide"]
small_move = book.setting(default=0.5, full=1.0)
test_sets = {
    "test": judged_x,
    f"moved by {small_move:g}": moved(judged_x, small_move),
    f"moved by {reach:g}": moved(judged_x, reach),
}


def rival_errors(kind, x):
    x = as_images(x) if kind == "convolutional" else x
    return [float(np.mean(model.reconstruction_error(x))) for model in rivals[kind]]


rival_table = {
    kind: {name: rival_errors(kind, x) for name, x in test_sets.items()} for kind in rivals
}
book.table(
    [
        [
            kind,
            f"{rivals[kind][0].count_params():,}",
            *(with_error(values, ".3f") for values in rival_table[kind].values()),
            f"{rival_seconds[kind]:.1f}",
        ]
        for kind in rivals
    ],
    ["autoencoder", "weights", *test_sets, "training (s)"],
    f"Mean squared error of {len(judged_x):,} test images, ± one standard error over three seeds; "
    f"code of {middle} numbers, {conv_schedule['steps']:,} steps. Columns on the right: the same "
    "images, moved by so many pixels. Times are of the machine that made this page.",
    name="rivals",
)
conv_share = (
    sum(
        layer.count_params()
        for half in (
            rivals["convolutional"][0].encoder.layers[0],
            rivals["convolutional"][0].decoder,
        )
        for layer in half.layers
        if "Conv" in type(layer).__name__
    )
    / conv_size
)


def compare(name):
    """Which of the two has the smaller error, in words, with the gap."""
    ours, theirs = (rival_table[kind][name] for kind in ("convolutional", "dense"))
    gap = np.mean(ours) / np.mean(theirs) - 1
    if stats.ttest_ind(ours, theirs, equal_var=False).pvalue > 0.05:
        return "the two cannot be told apart by three seeds"
    return f"the convolutional error is {abs(gap):.0%} {'larger' if gap > 0 else 'smaller'}"


verdicts = [compare("test"), compare(f"moved by {reach:g}")]
book.say(
    (
        f"On test images, in their place and moved, {verdicts[0]} (@table:rivals). "
        if verdicts[0] == verdicts[1]
        else f"On test images {verdicts[0]}, on images moved by {reach:g} pixel"
        f"{'s' if reach != 1 else ''} {verdicts[1]} (@table:rivals). "
    )
    + "A step of the "
    "convolutional one takes "
    f"{rival_seconds['convolutional'] / rival_seconds['dense']:.1f} times as long. Of its weights "
    f"{conv_share:.0%} are in convolutions; the rest is in the dense layers that lead from the "
    "plane to the code and back, and those know no neighbourhoods. "
    + (
        "These digits are small and centred, and 64 pixels leave a convolution little to share. "
        if depth == 64
        else ""
    )
    + "Equal weights are not equal work: each is shown the same number of images."
)

# %% [markdown]
# ## A few labels
#
# Labels are dear and images cheap. Can an encoder that has seen many images without labels make up
# for few labels? We take the encoder of the denoising autoencoder, put a layer with one output per
# digit on it, and train it on a few labelled images per digit: once from the encoder's weights,
# once from random ones, all else equal. Beside them stands logistic regression, on pixels and on
# the features of the encoder, which stays as it is. Each is repeated with five draws of the
# labelled images, the same for all.

# %% tags=["fold"]
labels_per_digit = (1, 2, 5, 10, 20)
tuning_steps = 100
label_seeds = range(5)
classifier = keras.Sequential(
    [keras.models.clone_model(denoiser.encoder), keras.layers.Dense(10, name="logits")]
)
classifier.compile(
    keras.optimizers.Adam(2e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    steps_per_execution=tuning_steps,
)
classifier.optimizer.build(classifier.trainable_variables)
fresh_state = [variable.numpy() for variable in classifier.optimizer.variables]


def fine_tune(rows, seed, encoder_weights=None):
    """Test accuracy after training on the labelled rows, from given or from random weights."""
    for k, variable in enumerate(classifier.trainable_variables):
        kind = "glorot_uniform" if len(variable.shape) > 1 else "zeros"
        config = {"seed": 100 * seed + k} if kind == "glorot_uniform" else {}
        start = keras.initializers.get({"class_name": kind, "config": config})
        variable.assign(start(variable.shape))
    if encoder_weights is not None:
        classifier.layers[0].set_weights(encoder_weights)
    for variable, value in zip(classifier.optimizer.variables, fresh_state, strict=True):
        variable.assign(value)
    batches = epoch_batches((train_x[rows], train_labels[rows]), len(rows), seed=seed)
    classifier.fit(
        batches, steps_per_epoch=tuning_steps, epochs=1, shuffle=False, verbose=book.verbosity()
    )
    return float(np.mean(classifier.predict_on_batch(judged_x).argmax(axis=1) == judged_labels))


def regression(features, test_features, rows):
    scale = features.std()
    fitted = LogisticRegression(max_iter=1000).fit(features[rows] / scale, train_labels[rows])
    return fitted.score(test_features / scale, judged_labels)


train_features, test_features = (denoiser.encode(x).numpy() for x in (train_x, judged_x))
START, SCRATCH = "network, from the encoder", "network, from random weights"
ON_PIXELS, ON_CODES = "regression on pixels", "regression on the encoder"
with_labels = {name: [] for name in (START, SCRATCH, ON_CODES, ON_PIXELS)}
for count in labels_per_digit:
    results = {name: [] for name in with_labels}
    for seed in label_seeds:
        draw = np.random.default_rng(seed)
        rows = np.concatenate(
            [draw.permutation(np.flatnonzero(train_labels == label))[:count] for label in range(10)]
        )
        results[START].append(fine_tune(rows, seed, denoiser.encoder.get_weights()))
        results[SCRATCH].append(fine_tune(rows, seed))
        results[ON_CODES].append(regression(train_features, test_features, rows))
        results[ON_PIXELS].append(regression(train_x, judged_x, rows))
    for name, values in results.items():
        with_labels[name].append(np.array(values))

with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    for k, ((name, values), marker, line) in enumerate(
        zip(with_labels.items(), "osD^", ("-", "--", "-.", ":"), strict=True)
    ):
        means = [100 * np.mean(runs) for runs in values]
        bars = [100 * np.std(runs, ddof=1) / math.sqrt(len(runs)) for runs in values]
        beside = np.array(labels_per_digit) * 1.03 ** (k - 1.5)
        axis.errorbar(beside, means, bars, fmt=line, marker=marker, capsize=3, label=name)
    axis.set(xscale="log", xlabel="labelled images per digit", ylabel="right on test images (%)")
    axis.set_xticks(labels_per_digit, [str(count) for count in labels_per_digit])
    axis.minorticks_off()
    axis.legend(loc="lower right")
book.figure(
    figure,
    "labels",
    "Test accuracy with few labels; mean and standard error over five draws of the labelled "
    "images. Points are set a little beside each other.",
    alt="Four rising lines with error bars that lie close together.",
)

# %% tags=["hide"]
gain = {
    count: with_labels[START][k] - with_labels[SCRATCH][k]
    for k, count in enumerate(labels_per_digit)
}
code_gain = {
    count: with_labels[ON_CODES][k] - with_labels[ON_PIXELS][k]
    for k, count in enumerate(labels_per_digit)
}
book.table(
    [
        [
            f"{count}",
            *(with_error(100 * with_labels[name][k], ".1f") for name in with_labels),
            with_error(100 * gain[count], "+.1f").replace("± +", "± "),
        ]
        for k, count in enumerate(labels_per_digit)
    ],
    ["labels per digit", *with_labels, "encoder minus random"],
    f"Right answers in % of {len(judged_x):,} test images, ± one standard error over five draws; "
    "last column: difference of the two networks, draw by draw. Both take "
    f"{tuning_steps} steps of Adam.",
    name="labels",
)


def clear(gains):
    """Numbers of labels at which a paired gain is clearly above zero, and clearly below."""
    tests = {count: stats.ttest_1samp(values, 0) for count, values in gains.items()}
    sure = {count: test.statistic for count, test in tests.items() if test.pvalue < 0.05}
    return tuple([f"{c}" for c, t in sure.items() if sign * t > 0] for sign in (1, -1))


def verdict(gains):
    """In words, where the encoder helped."""
    ups, downs = clear(gains)
    if not ups and not downs:
        return "makes no clear difference at any number of labels"
    parts = [f"helps at {listed(ups)} labels per digit"] if ups else []
    parts += [f"hurts at {listed(downs)}"] if downs else []
    return " and ".join(parts)


helps = clear(gain)[0]
book.say(
    f"For the network, starting from the encoder's weights {verdict(gain)} (@table:labels; clear "
    "means $p < 0.05$ in a paired t-test over the draws). For logistic regression, reading the "
    f"encoder's features in place of pixels {verdict(code_gain)}. "
    + (
        "The gain is largest where labels are fewest. "
        if max(gain, key=lambda count: gain[count].mean()) == labels_per_digit[0] and helps
        else ""
    )
    + "The encoder was trained to rebuild pixels. That helps as far as the directions in which "
    "images differ most are also those in which digits differ, and nothing in its loss sees to it."
)

# %% [markdown]
# ## Why it is no generative model
#
# A decoder turns codes into images. So why not draw a code and decode it? *From which
# distribution?* There is no $p(z)$ in the loss. By the argument with $h$ above, two autoencoders
# with the same loss can have quite different distributions of codes; training does not care. The
# distribution of the codes is an accident, which one can only look at afterwards. (The notes say
# so too: the plain autoencoder is not a generative model.)
#
# Let us try. Fit a Gaussian to the training codes, draw from it, decode. A draw is called *lost* if
# its nearest training code is further away than that of 99% of the test images; of good draws one
# in a hundred should be. A better fit of the codes is a mixture of 30 Gaussians.

# %%
drawn_images, lost, likeness_of_draws = {}, {}, {}
for dim in (2, middle):
    z, z_test = (autoencoders[dim].encode(x).numpy() for x in (train_x, judged_x))
    lookup = NearestNeighbors(n_neighbors=1).fit(z)
    limit = np.quantile(lookup.kneighbors(z_test)[0], 0.99)
    for name, parts in (("one Gaussian", 1), ("30 Gaussians", 30)):
        fitted = GaussianMixture(parts, random_state=0, reg_covar=1e-3)
        fitted.fit(z[:10_000].astype("float64"))
        fitted.set_params(random_state=5)
        draws = fitted.sample(1000)[0].astype("float32")
        draws = draws[np.random.default_rng(6).permutation(len(draws))]  # came sorted by part
        drawn_images[dim, name] = autoencoders[dim].decode(draws).numpy()
        lost[dim, name] = float(np.mean(lookup.kneighbors(draws)[0] > limit))
        likeness_of_draws[dim, name] = likeness(drawn_images[dim, name])

# %% tags=["fold"]
per_row = 12
with plots.style():
    figure = plots.image_grid(
        np.concatenate([images[:per_row] for images in drawn_images.values()]), shape, per_row
    )
book.figure(
    figure,
    "draws",
    f"Decoded draws. Rows 1 and 2: code of 2 numbers, from one Gaussian and from 30. Rows 3 and 4: "
    f"code of {middle} numbers, likewise.",
    alt="Four rows of twelve images; some are digits, others are blurred strokes between digits, "
    "most of them in the third row.",
)

# %% tags=["hide"]
rows = [
    [
        "reconstructed test images",
        f"{dim}",
        "1.0%",
        *(
            f"{value:.2f}"
            for value in likeness(autoencoders[dim].reconstruct(judged_x).numpy())[:2]
        ),
    ]
    for dim in (2, middle)
]
rows += [
    [
        f"draws from {name}",
        f"{dim}",
        f"{lost[dim, name]:.1%}",
        *(f"{value:.2f}" for value in likeness_of_draws[dim, name][:2]),
    ]
    for dim, name in drawn_images
]
book.table(
    rows,
    ["decoded images", "code $d$", "lost", "votes for one digit", "distance to nearest"],
    "1,000 draws each. Of the test images 1% are lost by definition. Votes and distance as in "
    "@table:interpolation.",
    name="draws",
)
worst = lost[middle, "one Gaussian"]
repaired = lost[middle, "30 Gaussians"]
votes_of = {name: likeness_of_draws[middle, name][0] for name in ("one Gaussian", "30 Gaussians")}
clearer = votes_of["30 Gaussians"] > votes_of["one Gaussian"]
book.say(
    f"Of the draws from one Gaussian {lost[2, 'one Gaussian']:.0%} are lost with 2 numbers and "
    f"{worst:.0%} with {middle} (@table:draws). "
    + (
        "With more numbers there is more room to get lost in. "
        if worst > lost[2, "one Gaussian"]
        else ""
    )
    + f"With 30 Gaussians it is {repaired:.1%} for {middle} numbers"
    + (", and more of the images are clearly one digit" if clearer else "")
    + ". This is a way out: *two* models, one of $x$ by way of $z$ and one of $z$, fitted one "
    "after the other. Neither makes the other's work easier, and there is still no $p(x)$: the "
    "decoder gives one image per code, a surface of no volume, on which almost no test image lies "
    "exactly. What is needed is a distribution $p(x \\mid z)$ around the surface, a distribution "
    "$p(z)$ that is fixed beforehand, and a loss that makes the codes follow it. That is the "
    "variational autoencoder of chapter 5."
)

# %% [markdown]
# ## Exercises
#
# **Exercise 4.1.** To keep codes near zero someone adds $\beta\, \mathbb{E} \lVert f(x) \rVert^2$
# to the loss. Show that this does not change which reconstructions are best, and what training will
# do. What would have to be added for the penalty to bite?

# %% tags=["hide"]
scaled = Autoencoder(
    keras.models.clone_model(autoencoders[2].encoder),
    keras.models.clone_model(autoencoders[2].decoder),
)
scaled.set_weights(autoencoders[2].get_weights())
factor = 100.0
code_layer, first_layer = scaled.encoder.layers[-1], scaled.decoder.layers[0]
code_layer.set_weights([weights / factor for weights in code_layer.get_weights()])
kernel, bias = first_layer.get_weights()
first_layer.set_weights([kernel * factor, bias])
penalties = [mean_square(model.encode(judged_x).numpy()) for model in (autoencoders[2], scaled)]
two_losses = [
    float(np.mean(model.reconstruction_error(judged_x))) for model in (autoencoders[2], scaled)
]
book.box(
    "answer",
    "Answer to 4.1, computed",
    f"""
    Take $h(z) = z / c$. The reconstructions stay as they are and the penalty is divided by $c^2$.
    Divide the weights of the code layer by $c = {factor:g}$ and multiply those of the next one by
    it: the test error of the 2-number autoencoder is {two_losses[1]:.4f} (before:
    {two_losses[0]:.4f}) and the mean of $\\lVert z \\rVert^2$ is {penalties[1]:.2g} (before:
    {penalties[0]:.2g}). The sum has no minimum, only an infimum; in training the codes shrink and
    the decoder's weights grow for as long as it runs. The penalty bites if the scale matters: with
    a penalty on the decoder's weights too, or with *noise of fixed size on the code*, which small
    codes cannot outshout. The second is what a variational autoencoder has.
    """,
)

# %% [markdown]
# **Exercise 4.2.** How many principal components does PCA need for the test error of the
# autoencoder with $d = 2$, and for that with the middle code of this chapter?

# %% tags=["hide"]
all_axes = np.linalg.eigh(covariance)[1][:, ::-1]
coordinates = (test_x - mean_image) @ all_axes
left = mean_square(test_x - mean_image) - np.cumsum(np.mean(coordinates**2, axis=0))
needed = {dim: 1 + int(np.argmax(left <= errors[dim]["autoencoder"])) for dim in (2, middle)}
book.box(
    "answer",
    "Answer to 4.2, computed",
    f"""
    The error of PCA with $d$ components is the sum of the mean squares of the other coordinates
    (for training images the eigenvalues; here those of test images). It falls to
    {errors[2]["autoencoder"]:.3f} at **{needed[2]}** components, for an autoencoder with 2, and to
    {errors[middle]["autoencoder"]:.3f} at **{needed[middle]}**, for one with {middle}.
    """,
)

# %% [markdown]
# **Exercise 4.3.** Let the data be Gaussian, $x \sim \mathcal{N}(\mu, C)$. Derive the best denoiser
# from Tweedie's formula, and show that it is the linear one used above.

# %% tags=["hide"]
shift_by_score = (
    noisy_x[:50]
    - noise_scale**2
    * np.linalg.solve(covariance + noise_scale**2 * np.eye(depth), (noisy_x[:50] - mean_image).T).T
)
disagreement = np.abs(shift_by_score - cleaned["linear"][:50]).max()
book.box(
    "answer",
    "Answer to 4.3, computed",
    rf"""
    The damaged data is $\mathcal{{N}}(\mu, C + \sigma^2 I)$ with score $-(C + \sigma^2
    I)^{{-1}} (\tilde x - \mu)$. So

    $$
    \begin{{aligned}}
    r^*(\tilde x) &= \tilde x - \sigma^2 (C + \sigma^2 I)^{{-1}} (\tilde x - \mu) \\
    &= \mu + \big( (C + \sigma^2 I) - \sigma^2 I \big) (C + \sigma^2 I)^{{-1}} (\tilde x - \mu)
    = \mu + C (C + \sigma^2 I)^{{-1}} (\tilde x - \mu) .
    \end{{aligned}}
    $$

    On 50 noisy digits the first and the last line differ by at most {disagreement:.1e}. For data
    that is not Gaussian this is the best *linear* denoiser, since the error of a linear map depends
    on mean and covariance only.
    """,
)

# %% [markdown]
# **Exercise 4.4.** Apply the exact denoiser of the circle again and again, starting from samples of
# the *undamaged* data. Does the distribution stay what it is? Is repeated denoising a way to draw
# samples?

# %% tags=["hide"]
points = circle_data(2000, 7)
nearest_centre = np.argmin(((points[:, None] - centres) ** 2).sum(axis=2), axis=1)
spreads = {}
current = points
for step in range(31):
    if step in (0, 1, 3, 10, 30):
        spreads[step] = math.sqrt(
            np.mean([current[nearest_centre == k].var(axis=0).mean() for k in range(8)])
        )
    current = current + sigma**2 * exact_score(current)
radius = np.linalg.norm(current, axis=1).mean()
book.box(
    "answer",
    "Answer to 4.4, computed",
    f"""
    It does not. The standard deviation within each of the eight groups is
    {", ".join(f"{value:.4f} after {step}" for step, value in spreads.items())} steps. Each step
    goes uphill on $\\log \\tilde p$, so the points run to its peaks and stay: what was a
    distribution becomes a few points, here at radius {radius:.3f} where the centres have 1.
    Denoising gives means, and means vary less than what they are means of. To draw samples one must
    put noise back after each step, as Langevin dynamics and diffusion models do.
    """,
)

# %% [markdown]
# **Exercise 4.5.** Points on a circle need one number, the angle. Train an autoencoder with $d = 1$
# on them. Show that, whatever the (continuous) networks, the error is at least 1 somewhere on the
# unit circle. Can the *mean* error be small?

# %% tags=["hide"]
turn = 2 * np.pi * np.arange(1000) / 1000
circle = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype("float32")
ring = train(
    dense_autoencoder(2, 1, (64, 64), seed=0), circle, steps=1500, batch_size=250, rate=5e-3
)
ring_error = np.asarray(ring.reconstruction_error(circle))
bad = ring_error > 0.1
book.box(
    "answer",
    "Answer to 4.5, computed",
    f"""
    The function $f(x) - f(-x)$ is continuous and changes its sign on the way from $x$ to $-x$. So
    it is zero somewhere: two opposite points $\\pm x$ have one code, and get one answer $a$. Since
    $\\lVert x - a \\rVert^2 + \\lVert -x - a \\rVert^2 = 2 + 2 \\lVert a \\rVert^2 \\ge 2$, one of
    the two errors is at least 1, the variance of the data. The mean can be as small as one likes:
    the code runs once along nearly the whole circle and back again over a short arc, as steeply as
    the weights allow. Here the mean error is {ring_error.mean():.4f}, the largest of
    {len(circle):,} points {ring_error.max():.2f}, and {bad.mean():.1%} of the circle has an error
    above 0.1. A closed curve is a manifold of one dimension that cannot be unrolled onto a line.
    With $d = 2$ the identity would do.
    """,
)

# %% [markdown]
# ## References
#
# - P. Baldi, K. Hornik, *Neural networks and principal component analysis: learning from examples
#   without local minima*, 1989,
#   [doi:10.1016/0893-6080(89)90014-2](https://doi.org/10.1016/0893-6080(89)90014-2). The linear
#   autoencoder.
# - G. Hinton, R. Salakhutdinov, *Reducing the dimensionality of data with neural networks*, 2006,
#   [doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647). Deep autoencoders beside
#   PCA.
# - J. Tenenbaum, V. de Silva, J. Langford, *A global geometric framework for nonlinear
#   dimensionality reduction*, 2000,
#   [doi:10.1126/science.290.5500.2319](https://doi.org/10.1126/science.290.5500.2319). Isomap.
# - S. Roweis, L. Saul, *Nonlinear dimensionality reduction by locally linear embedding*, 2000,
#   [doi:10.1126/science.290.5500.2323](https://doi.org/10.1126/science.290.5500.2323). LLE; its
#   modified form is by Zhang and Wang, 2006.
# - P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol, *Extracting and composing robust features
#   with denoising autoencoders*, 2008,
#   [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - P. Vincent, *A connection between score matching and denoising autoencoders*, 2011,
#   [doi:10.1162/NECO_a_00142](https://doi.org/10.1162/NECO_a_00142).
# - G. Alain, Y. Bengio, *What regularized auto-encoders learn from the data generating
#   distribution*, 2012, [arXiv:1211.4246](https://arxiv.org/abs/1211.4246). Denoisers and scores.
# - B. Efron, *Tweedie's formula and selection bias*, 2011,
#   [doi:10.1198/jasa.2011.tm11181](https://doi.org/10.1198/jasa.2011.tm11181).
