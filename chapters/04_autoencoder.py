# %% [markdown]
# # 4. Autoencoders
#
# An autoencoder is a network that must reproduce its input after passing it through a narrow
# middle. What passes the middle is a code: a few coordinates on the curved surface near which the
# data lies. The chapter derives what such a network computes, with and without noise, puts its
# codes beside those of PCA, Isomap and LLE, measures what they are good for and what they are not,
# and ends with the reason why one cannot draw new examples from it.

# %% tags=["fold"]
import math

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from scipy import ndimage, stats
from scipy.linalg import subspace_angles
from scipy.special import softmax
from sklearn.datasets import make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

from genkeras import Autoencoder, book, plots
from genkeras.book.prose import mean_error, number
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


def percent(hits):
    """Share of true ones in %, ± standard error."""
    return mean_error(100.0 * np.asarray(hits), ".1f") + "%"


# %% [markdown]
# ## The question
#
# An image of 28 × 28 pixels is a point in a space of 784 dimensions. Nearly all points of that
# space are noise. From one handwritten 3 to another one gets by turning a few knobs: slant,
# thickness of the pen, height, how far the loops are closed. If $k$ knobs make all images, then the
# images lie on a surface of $k$ dimensions, bent and folded in the space of pixels. Such a surface
# is a **manifold**. That data lies near one of few dimensions is a guess, the *manifold
# hypothesis*; for images of one kind there is much evidence for it. The notes call a manifold a
# subspace that takes in the data well. It is not a subspace in the sense of linear algebra: it is
# curved.
#
# How strongly is it curved? Take the simplest knob of all: move the image by a pixel, and by one
# more. (What leaves the frame is lost.) If the path of the moved images were straight, both steps
# would point the same way. (A bent path can lie in a flat surface too; that no flat surface of few
# dimensions will do, PCA shows below.)

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


def squares(differences):
    """Squared length of each difference."""
    return np.sum(np.square(differences), axis=1)


nearest_of_other = np.full(len(judged_x), np.inf)
for label in range(10):
    others = NearestNeighbors(n_neighbors=1).fit(train_x[train_labels != label])
    of_label = judged_labels == label
    nearest_of_other[of_label] = others.kneighbors(judged_x[of_label])[0][:, 0]
once, twice = moved(judged_x, 1), moved(judged_x, 2)
first, second = once - judged_x, twice - once
cosine = np.sum(first * second, axis=1) / np.sqrt(squares(first) * squares(second))
turn = np.degrees(np.arccos(cosine))

# %% tags=["hide"]
own_distance = np.linalg.norm(first, axis=1)
book.say(
    f"On average over {len(judged_x):,} test images the angle between the two steps is "
    f"{mean_error(turn, '.1f')} degrees. A pixel is {1 / shape[0]:.0%} of the width: "
    "that is a sharp bend for a small turn of the knob. And the steps are long. A test image lies "
    f"{nearest_of_other.mean():.2f} away from the nearest training image of *another* digit, and "
    f"{own_distance.mean():.2f} from itself moved by one pixel; "
    f"{np.mean(own_distance > nearest_of_other):.0%} of the images are further from themselves, "
    "moved, than from some image of another digit. Distance in pixels does not tell which knob was "
    "turned. The question of this chapter: can coordinates on the manifold be found from examples "
    "alone, and the way back from coordinates to images?"
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
# For any $g$, and with $\mathbb{E}$ the mean over the distribution of the data, which the $n$
# examples stand for,
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
# **What the derivation leaves out.** Nothing in it keeps the surface smooth. A curve that winds
# through all $n$ training images has loss zero with $d = 1$, and has learnt nothing. What prevents
# it is that the networks are of limited size and are trained for a limited time, and so draw smooth
# surfaces. How well that works is seen on images that were not in the training set.
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
        dense_decoder(dim, num_values, hidden[::-1], "relu", seed=seed),
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


dims = book.setting(default=(2, 4, 8, 16, 32), full=(2, 4, 8, 16, 30, 64))
middle = book.setting(default=8, full=16)  # the code that later sections use
autoencoders = {
    dim: train(dense_autoencoder(depth, dim, hidden), train_x, **schedule) for dim in dims
}
pca = {dim: PCA(dim, random_state=0).fit(train_x) for dim in dims}


def pca_reconstruct(dim, x):
    return pca[dim].inverse_transform(pca[dim].transform(x)).astype("float32")


def errors_of(model, x):
    """Squared error of each reconstruction."""
    return np.asarray(model.reconstruction_error(x))


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
errors = {
    dim: {
        "PCA": squares(test_x - pca_reconstruct(dim, test_x)),
        "autoencoder": errors_of(autoencoders[dim], test_x),
        "PCA, training": squares(train_x - pca_reconstruct(dim, train_x)).mean(),
        "training": errors_of(autoencoders[dim], train_x).mean(),
    }
    for dim in dims
}
ratios = {dim: errors[dim]["autoencoder"].mean() / errors[dim]["PCA"].mean() for dim in dims}
book.table(
    [
        [
            f"{dim}",
            mean_error(errors[dim]["PCA"]),
            mean_error(errors[dim]["autoencoder"]),
            f"{ratios[dim]:.2f}",
            f"{errors[dim]['PCA, training']:.2f}",
            f"{errors[dim]['training']:.2f}",
        ]
        for dim in dims
    ],
    [
        "code $d$",
        "PCA, test",
        "autoencoder, test",
        "ratio",
        "PCA, training",
        "autoencoder, training",
    ],
    f"Squared error of an image, summed over its {depth} pixels with grey values from 0 to 1; mean "
    f"± standard error over {len(test_x):,} test images, one training each. Answering every image "
    f"with the mean training image gives {squares(test_x - train_x.mean(axis=0)).mean():.2f}. "
    f"Autoencoder: dense, {hidden[0]} and {hidden[1]} hidden units on either side of the code. "
    f"{dataset.protocol.replace(' x ', ' × ')}",
    name="errors",
)
untrained = [f"{dim}" for dim in dims if errors[dim]["training"] > errors[dim]["PCA, training"]]
lowest = min(ratios, key=ratios.get)
book.say(
    "On its training images PCA is the best one can do with a *flat* surface, as the next section "
    "derives. So the ratio shows what curvature buys, after what is lost by overfitting and by "
    f"training that stops too soon. It is lowest at $d = {lowest}$: {ratios[lowest]:.2f}. "
    + (
        f"At $d$ = {', '.join(untrained)} the autoencoder is worse than PCA even on the training "
        "images. Its networks could compute what PCA does, so there it is the training that falls "
        "short. "
        if untrained
        else ""
    )
    + "**Published**, for MNIST and $d = 30$: 13.87 by PCA, and 3.00 by an autoencoder of "
    "784–1000–500–250–30 units that was pretrained layer by layer (Hinton and Salakhutdinov, 2006)"
    + (
        f"; here {errors[30]['PCA'].mean():.2f} by PCA and {errors[30]['autoencoder'].mean():.2f} "
        f"by a network of 784–{hidden[0]}–{hidden[1]}–30, trained for {schedule['steps']:,} steps."
        if 30 in dims
        else ". The full profile of this chapter has a row for that code."
    )
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
# which is the theorem of Eckart and Young; it is reached by $B = (u_1 \dots u_d)$, $A = B^\top$. If
# $\lambda_d > \lambda_{d+1}$, equality requires $P u_i = u_i$ for $i \le d$: the subspace of the
# best linear autoencoder is that of the first $d$ principal components, and no other.
#
# The *axes* are free. For any invertible $T$, $(TA, BT^{-1})$ has the same product $BA$, hence the
# same loss. PCA's axes are orthogonal, its coordinates uncorrelated and in order of variance; the
# loss asks for none of that. Can training get stuck elsewhere? Baldi and Hornik (1989) show that
# for distinct eigenvalues and invertible $C$ all local minima are global (images with pixels that
# never change have neither); the other stationary points, where some
# $u_i$ with $i > d$ stands in for a better one or one is missing, are saddles.
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
    decoder = dense_decoder(dim, depth, (), seed=0)
    linear[dim] = train(Autoencoder(encoder, decoder), centred, **linear_schedule)


def degrees(columns, dim):
    """Largest principal angle between the span of the columns and PCA's first `dim` axes."""
    axes = pca[dim].components_.T
    return math.degrees(subspace_angles(np.asarray(columns, "float64"), axes).max())


# %% tags=["hide"]
eigenvalues = np.linalg.eigvalsh(np.cov(train_x.T, bias=True))[::-1]
rows, angles = [], {}
for dim, model in linear.items():
    angles[dim] = degrees(model.decoder.get_weights()[0].T, dim)
    correlations = np.corrcoef(model.encode(centred).numpy().T)[np.triu_indices(dim, 1)]
    rows.append(
        [
            f"{dim}",
            f"{eigenvalues[dim:].sum():.4f}",
            f"{errors_of(model, centred).mean():.4f}",
            f"{angles[dim]:.3f}°",
            f"{eigenvalues[dim - 1] / eigenvalues[dim]:.2f}",
            f"{np.abs(correlations).max():.2f}",
        ]
    )
book.table(
    rows,
    [
        "code $d$",
        "$\\lambda_{d+1} + \\dots$",
        "loss",
        "largest angle",
        "$\\lambda_d / \\lambda_{d+1}$",
        "largest correlation",
    ],
    "Linear autoencoders after training, on the training images. Angle: the largest principal "
    "angle between the span of the decoder's columns and that of PCA's first $d$ axes. Last "
    "column: the largest absolute correlation between two coordinates of the code; PCA has 0.",
    name="linear",
)
book.say(
    f"The subspaces differ from PCA's by {max(angles.values()):.3f}° at most (@table:linear). "
    "Where $\\lambda_d$ is close to $\\lambda_{d+1}$ the loss hardly minds which of the two "
    "directions is taken, and training would be slow to find the better one. The axes are not "
    "PCA's, as the correlations show: the same subspace, other coordinates."
)

# %% [markdown]
# ## A picture of the manifold
#
# With a code of two numbers the surface can be looked at. On the left of @fig:manifold some
# training images stand at their codes. On the right the decoder has drawn what it makes of the
# codes of a regular grid: a map of the surface, and a way from codes back to images.

# %%
codes = autoencoders[2].encode(train_x).numpy()
corners = np.quantile(codes, (0.005, 0.995), axis=0)
cells = book.setting(default=13, full=14)
ticks = [np.linspace(*corners[:, axis], cells) for axis in (0, 1)]
grid = np.stack(np.meshgrid(ticks[0], ticks[1][::-1]), axis=-1).reshape(-1, 2).astype("float32")
drawn = autoencoders[2].decode(grid).numpy()

# %% tags=["fold"]
neighbours_2d = NearestNeighbors(n_neighbors=1).fit(codes)
usual_gap = np.quantile(neighbours_2d.kneighbors(autoencoders[2].encode(test_x).numpy())[0], 0.99)
empty_cells = neighbours_2d.kneighbors(grid)[0][:, 0] > usual_gap
INKS = [plots.PALETTE[k] for k in (0, 0, 1, 2, 1, 3, 2, 3, 4, 5)]  # by digit; the marker tells


def scatter_digits(axis, points, labels, limit):
    for label, color in enumerate(INKS):
        chosen = points[:limit][labels[:limit] == label]
        axis.scatter(*chosen.T, s=26, c=color, marker=f"${label}$", linewidths=0)
    axis.set(xlabel="first number", ylabel="second number")


def mosaic(images, tinted):
    """Images of a square grid as one colour picture, those of the mask on orange paper."""
    side = math.isqrt(len(images))
    orange = 0.5 + 0.5 * np.array(to_rgb(plots.ORANGE))
    paper = np.where(tinted[:, None, None, None], orange, 1.0)
    picture = paper * (1 - np.clip(images, 0, 1).reshape(-1, *shape, 1))
    rows = picture.reshape(side, side, *shape, 3).transpose(0, 2, 1, 3, 4)
    return rows.reshape(side * shape[0], side * shape[1], 3)


with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.8), sharex=True, sharey=True)
    scatter_digits(axes[0], codes, train_labels, limit=900)
    margin = (corners[1] - corners[0]) / (cells - 1) / 2  # each image is centred on its code
    extent = np.stack([corners[0] - margin, corners[1] + margin], axis=1).ravel()
    axes[1].imshow(mosaic(drawn, empty_cells), extent=extent, aspect="auto")
    axes[1].grid(False)
    axes[1].set(xlabel="first number", xlim=extent[:2], ylim=extent[2:])
book.figure(
    figure,
    "manifold",
    f"Left: codes of {min(900, len(codes)):,} training images, each drawn as its digit, as far "
    "as they lie in the frame; units of the network's own. Right: "
    f"the decoder's answer to {cells} × {cells} codes on a grid. On orange: cells "
    "whose distance to the nearest training code is larger than that distance is for 99% of the "
    "test images.",
    alt="A scatter of digits, those of one kind near each other; a mosaic of decoded digits that "
    "change gradually, with regions marked as empty of data.",
)

# %% tags=["hide"]
book.say(
    "The code was trained without labels, and yet digits of one kind lie together; how well is "
    "measured in @table:digit-maps. Along any line the images change continuously, since the "
    f"decoder is continuous. Of the grid's cells {empty_cells.mean():.0%} are empty of data, and "
    "the decoder answers there all the same."
)

# %% [markdown]
# ## Unrolling a roll
#
# There are older ways to find coordinates on a manifold, without networks. The notes say about them
# that they use the Euclidean distance to find neighbours, that this goes wrong when the manifold is
# curled up, and that an autoencoder is therefore the better choice. The test case is the **Swiss
# roll**: a flat strip in three dimensions, rolled up without stretching. Its true coordinates are
# known: the length $s$ along the strip and the height $v$ across it. Which method finds them?
#
# **Near points.** Is the Euclidean distance wrong on a curve? Let $\gamma(s)$ be a curve with arc
# length $s$ as parameter, $T$, $N$ its tangent and normal and $\kappa$ its curvature at
# $\gamma(0)$, 1 over the radius of the circle that fits best. (On a surface let it be the shortest
# path between two points.) Along the curve $T' = \kappa N$, and $N'$ has the component $-\kappa$
# along $T$. So $\gamma^{(2)} = \kappa N$, and $\gamma^{(3)}$ has the component $-\kappa^2$ along
# $T$; Taylor's formula gives
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
# The relative error of the straight line falls with the *square* of the distance. Between points
# whose distance along the curve is small beside $1 / \kappa$, Euclid is nearly right, however often
# the curve winds. So use near points only:
#
# - **Isomap** joins each point to its $k$ nearest neighbours, measures all other distances along
#   the edges of this graph, and looks for coordinates in the plane whose Euclidean distances fit
#   those (classical scaling, an eigenvalue problem).
# - **LLE** (locally linear embedding) writes each point as a weighted mean of its $k$ neighbours
#   (weights that sum to one and may be negative).
#   These weights do not change when a neighbourhood is turned, moved or scaled; so it looks for
#   coordinates in the plane that the *same* weights put together. Its modified form (MLLE) takes
#   several sets of weights per neighbourhood.
#
# Both fail if the $k$ nearest neighbours are *not* near along the surface: if $k$ is too large, or
# points too few or too noisy for the distance between the turns. Then an edge jumps from one turn
# to the next.
#
# We give the autoencoder 3–64–64–2–64–64–3 units and several seeds. To tell what a network *can* do
# from what training finds, there is one more: its encoder is first fitted to Isomap's coordinates
# and its decoder to the way back; then it is trained as an autoencoder like the others.


# %%
def swiss_roll(count, seed):
    """Points `(count, 3)` and their true coordinates: length along the strip, height."""
    points, angle = make_swiss_roll(count, random_state=seed)
    length = (angle * np.sqrt(1 + angle**2) + np.arcsinh(angle)) / 2  # of the spiral r = angle
    flat = np.stack([length, points[:, 1]], axis=1)
    return points.astype("float32") / 10, flat / 10  # of order 1, for the network


roll, flat = swiss_roll(1500, seed=0)
new_roll, new_flat = swiss_roll(500, seed=1)  # to judge on
roll_schedule = {"steps": 2000, "batch_size": 300, "rate": 1e-2}
roll_seeds = book.setting(default=(0, 10, 20), full=(0, 10, 20, 30, 40))
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
roll_variance = squares(new_roll - roll.mean(axis=0)).mean()


def unrolling(seen, new):
    """R² of the true coordinates of new points, by a linear function and by 5 near codes."""
    fits = (LinearRegression().fit(seen, flat), KNeighborsRegressor(5).fit(seen, flat))
    return [fit.score(new, new_flat) for fit in fits]


def network_unrolling(model):
    """Reconstruction error as a share of the variance, and what `unrolling` measures."""
    codes = (model.encode(x).numpy() for x in (roll, new_roll))
    return errors_of(model, new_roll).mean() / roll_variance, *unrolling(*codes)


scores = {name: unrolling(*pair) for name, pair in unrolled.items()}
by_network = np.array([network_unrolling(model) for model in unrollers])  # a row for each seed
guided_score = network_unrolling(guided)
flat_error = squares(new_roll - maps["PCA"].inverse_transform(unrolled["PCA"][1])).mean()
rows = [[name, "", *(number(value) for value in score)] for name, score in scores.items()]
rows[0][1] = f"{flat_error / roll_variance:.4f}"  # PCA has a way back
rows += [
    [
        f"autoencoder, {len(unrollers)} seeds",
        mean_error(by_network[:, 0], ".4f"),
        *(mean_error(by_network[:, k]) for k in (1, 2)),
    ],
    ["autoencoder, from Isomap", f"{guided_score[0]:.4f}", *map(number, guided_score[1:])],
]
book.table(
    rows,
    ["method", "error / variance", "R², linear", "R², 5 neighbours"],
    f"The Swiss roll: {len(roll):,} points to fit, {len(new_roll)} new ones to judge on; ± one "
    "standard error over seeds. R² is 1 minus the squared error as a share of the variance, a mean "
    "of that of $s$ and of the height. Linear: they are predicted from the two numbers by a linear "
    "function; 1 means unrolled, up to turning and even stretching. 5 "
    "neighbours: predicted as the mean of the five training points with the nearest codes; 1 means "
    "that the code tells them, in whatever shape.",
    name="roll",
)

# %% tags=["fold"]
best_seed = int(np.argmin(by_network[:, 0]))
panels = {
    "the roll from the side": new_roll[:, ::2],
    "PCA": unrolled["PCA"][1],
    f"Isomap, k = {narrow}": unrolled[f"Isomap, k = {narrow}"][1],
    "MLLE, k = 12": unrolled["MLLE, k = 12"][1],
    "autoencoder, best seed": unrollers[best_seed].encode(new_roll).numpy(),
    "autoencoder, from Isomap": guided.encode(new_roll).numpy(),
}
with plots.style():
    figure, axes = plt.subplots(2, 3, figsize=(7.4, 4.9))
    colors = {"c": new_flat[:400, 0], "cmap": "viridis", "s": 9, "linewidths": 0}
    for axis, (name, points) in zip(axes.flat, panels.items(), strict=True):
        shown_points = axis.scatter(*points[:400].T, **colors)
        axis.set(xticklabels=[], yticklabels=[])
        axis.set_title(name, fontsize=10)
    figure.supxlabel("first number (units of each method)", fontsize=10)
    figure.supylabel("second number", fontsize=10)
    bar = figure.colorbar(shown_points, ax=axes, shrink=0.7)
    bar.set_label("true length s along the strip")
book.figure(
    figure,
    "roll",
    "400 new points of the Swiss roll, coloured by the true coordinate $s$: the roll along its "
    "axis, then two coordinates of each point by five methods, in units of their own. A strip "
    "whose colours run from one end to the other without a fold has been unrolled.",
    alt="Six scatter plots, coloured along the strip: the roll, PCA, Isomap, modified LLE and two "
    "autoencoders, one of which started from Isomap's coordinates.",
)

# %% tags=["hide"]
isomap_score, wide_score, lle_score, mlle_score = (
    scores[name][0]
    for name in (f"Isomap, k = {narrow}", f"Isomap, k = {wide}", "LLE, k = 12", "MLLE, k = 12")
)
unrolls = min(isomap_score, mlle_score) > 0.9
tangled = max(by_network[:, 1]) < 0.9
book.box(
    "notes",
    "What the notes say: Euclidean neighbours fail on a curled manifold, so use an autoencoder",
    "Isomap and LLE do use Euclidean neighbours, but *near* ones, where Euclid is right"
    + (", and Isomap and modified LLE unroll the strip. " if unrolls else ". ")
    + f"The linear R² is **{number(isomap_score)}** for Isomap, {number(lle_score)} for LLE and "
    f"**{number(mlle_score)}** for its modified form (@table:roll). The notes' worry is real where "
    f"neighbours are not near: with {wide} of them Isomap has {number(wide_score)}. And the "
    f"autoencoder, from {len(unrollers)} random starts, has **{mean_error(by_network[:, 1])}**, "
    f"{number(max(by_network[:, 1]))} at best"
    + (": here it is the autoencoder that does *not* unroll. " if unrolls and tangled else ". ")
    + "Its own loss is a Euclidean distance too, between a point and its reconstruction.",
)
gain = by_network[:, 0].min() / guided_score[0]
book.say(
    f"The autoencoders leave {by_network[:, 0].min():.1%} to {by_network[:, 0].max():.1%} of the "
    f"variance as error. Their second R² is {mean_error(by_network[:, 2])}: how far the codes tell "
    "where a point lies on the strip, in whatever shape (@fig:roll). Is the network too small? The "
    f"same network, started from Isomap's coordinates, reaches {guided_score[0]:.2%} and a linear "
    f"R² of {number(guided_score[1])}. "
    + (
        f"That error is {gain:.0f} times smaller than the best of the others. So the unrolled "
        "strip is the *better* solution by the autoencoder's own loss, and training from random "
        "weights did not find it in the steps it had. "
        if gain > 2 and guided_score[1] > 0.9
        else ""
    )
    + "Nor would a perfect loss be enough for a *flat* code: by the argument above any invertible "
    "map of a good code is as good. An error near zero makes the code tell where a point is on "
    "the strip; it does not make equal steps in the code equal steps on the strip."
)

# %% [markdown]
# ### On digits, and what only the autoencoder has
#
# The same methods on digits, judged on test images by the votes of the five nearest training codes.
# Isomap and LLE are lists of coordinates for the points they were fitted to. Scikit-learn places a
# new point by its nearest training points, so they must all be kept; Isomap keeps the
# distances of all pairs as well. Neither has a way back from coordinates to images. An autoencoder
# is two functions: a map for any new point and a decoder, at a cost that does not grow with the
# data.

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
mapped = {
    name: (method.fit_transform(listed_x), method.transform(judged_x))
    for name, method in digit_maps.items()
}
planes = {0: autoencoders[2]}  # by seed
for seed in (10, 20):
    planes[seed] = dense_autoencoder(depth, 2, hidden, seed=seed)
    train(planes[seed], train_x, **schedule, seed=seed)
planes = {f"autoencoder, seed {seed}": model for seed, model in planes.items()}
for name, model in planes.items():
    mapped[name] = tuple(model.encode(x).numpy() for x in (listed_x, judged_x))

with plots.style():
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.8))
    for axis, (name, (_, points)) in zip(axes.flat, mapped.items(), strict=False):
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
    alt="Four scatter plots of digits: PCA, Isomap, LLE and the autoencoder.",
)

# %% tags=["hide"]
right = {
    name: KNeighborsClassifier(5).fit(seen, listed_labels).predict(new) == judged_labels
    for name, (seen, new) in mapped.items()
}
rebuilt = {name: errors_of(model, test_x) for name, model in planes.items()}
rebuilt["PCA"] = errors[2]["PCA"]
book.table(
    [
        [name, percent(right[name]), mean_error(rebuilt[name]) if name in rebuilt else "no decoder"]
        for name in mapped
    ],
    ["method", "right digit", "error, test"],
    f"Two coordinates of {len(judged_x):,} test images, ± one standard error over them; neighbours "
    f"among {len(listed_x):,} training images, to which PCA, Isomap and LLE are fitted"
    + (f" (the autoencoder to all {len(train_x):,})" if len(train_x) > len(listed_x) else "")
    + ". Error as in @table:errors, where PCA is fitted to all training images.",
    name="digit-maps",
)
seeds_right = [right[name].mean() for name in planes]
by_lists = [right[name].mean() for name in ("Isomap", "LLE")]
book.say(
    f"The autoencoder's three seeds give {min(seeds_right):.1%} to {max(seeds_right):.1%} right "
    f"digits, PCA {right['PCA'].mean():.1%}, Isomap {by_lists[0]:.1%} and LLE {by_lists[1]:.1%} "
    "(@table:digit-maps)"
    + (
        ": the two that were built from neighbours are first where neighbours are asked for. "
        if min(by_lists) > max(seeds_right)
        else ". "
    )
    + "The price of a list: Isomap needs the distances of all pairs, "
    f"{len(listed_x) * (len(listed_x) - 1) // 2:,} for {len(listed_x):,} images. A training step "
    "of the autoencoder costs the same however many images there are."
)

# %% [markdown]
# ## Denoising
#
# Without a bottleneck, $d \ge D$, a network may copy: $f$ and $g$ the identity, loss zero, nothing
# learnt. Such an autoencoder is called **overcomplete**. There is another way to forbid copying:
# damage the input and ask for the whole. A **denoising** autoencoder reads $\tilde x$, drawn from
# $q(\tilde x \mid x)$, and is trained on
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
# where data is denser. The best denoiser moves every point uphill, by $\sigma^2$ times the score of
# the damaged data, although its loss never mentions the density.
#
# ### Digits
#
# For two guesses about the data the best denoiser can be written down. Suppose the data were
# Gaussian, with the mean $\mu$ and covariance $C$ of the training images: then Tweedie's formula
# gives (exercise 4.2)
#
# $$
# r^*(\tilde x) = \mu + C (C + \sigma^2 I)^{-1} (\tilde x - \mu) .
# $$
#
# It shrinks the coordinate along each principal axis by $\lambda_i / (\lambda_i + \sigma^2)$, and
# for data of any kind it is the best **linear** denoiser.
#
# Or suppose the data were just the $n$ training images, each with probability $1/n$: then
# $\mathbb{E}[x \mid \tilde x] = \sum_k w_k x_k$ with weights $w_k \propto \exp(-\lVert \tilde x -
# x_k \rVert^2 / 2\sigma^2)$. That is the **optimum for the training set**: a network that made its
# training loss as small as can be would compute this.
#
# We set three autoencoders beside them: the bottleneck from above, trained without noise; an
# overcomplete network trained without noise; and the same network trained with it.

# %%
noise_scale = book.setting(default=0.3, full=0.5)
blotting = 0.5  # share of pixels that masking noise sets to 0
wide_units = book.setting(default=((256, 256), (256,)), full=((1024,), ()))
wide_schedule = schedule | book.setting(default={"steps": 1500}, full={"steps": 2000})


def overcomplete(corruption):
    units_in, units_out = wide_units
    return Autoencoder(
        dense_encoder((depth,), units_in, "relu", seed=0),
        dense_decoder(units_in[-1], depth, units_out, "relu", seed=0),
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

# The exact minimiser of the training loss: a weighted mean of the training images.
distance = euclidean_distances(noisy_x, train_x, squared=True).astype("float64")
memory = softmax(-distance / (2 * noise_scale**2), axis=1) @ train_x
cleaned = {
    "nothing": noisy_x,
    "linear": mean_image + (noisy_x - mean_image) @ wiener.T,
    "optimum for the training set": memory,
    "bottleneck, no noise": autoencoders[middle].reconstruct(noisy_x).numpy(),
    "overcomplete, no noise": copier.reconstruct(noisy_x).numpy(),
    "overcomplete, denoising": denoiser.reconstruct(noisy_x).numpy(),
}

rows = [judged_x, noisy_x, cleaned["overcomplete, no noise"], cleaned["linear"]]
rows += [cleaned["overcomplete, denoising"], masked_x, unmasker.reconstruct(masked_x).numpy()]
with plots.style():
    shown = np.concatenate([images[one_of_each] for images in rows])
    figure = plots.image_grid(shown, shape, columns=10)
book.figure(
    figure,
    "denoising",
    "From the top: test images; with Gaussian noise; what the overcomplete autoencoder trained "
    "without noise makes of that; the linear denoiser; the denoising autoencoder; test images with "
    f"{blotting:.0%} of their pixels set to 0; an autoencoder trained to fill them in.",
    alt="Seven rows of ten digits: clean, noisy, cleaned by three methods, blotted, filled in.",
)

# %% tags=["hide"]
networks = {
    "bottleneck, no noise": autoencoders[middle],
    "overcomplete, no noise": copier,
    "overcomplete, denoising": denoiser,
}
left_over = {name: squares(judged_x - x) for name, x in cleaned.items()}
book.table(
    [
        [
            name,
            mean_error(left_over[name]),
            mean_error(errors_of(networks[name], judged_x), ".3f") if name in networks else "",
        ]
        for name in cleaned
    ],
    ["method", "noisy digits", "clean digits"],
    f"Squared error of an image, mean ± standard error over {len(judged_x):,} test images, one "
    f"training each. Noisy digits: noise of σ = {noise_scale} on every pixel, cleaned image "
    "against the original. Clean digits: the reconstruction of images without noise. Bottleneck: "
    f"{middle} numbers; overcomplete: {wide_units[0][-1]} for {depth} pixels.",
    name="denoising",
)
kept_noise = left_over["overcomplete, no noise"].mean() / left_over["nothing"].mean()
ahead = left_over["optimum for the training set"] - left_over["overcomplete, denoising"]
book.say(
    "Trained without noise, the overcomplete autoencoder rebuilds clean digits with an error of "
    f"{errors_of(copier, judged_x).mean():.4f}, but its squared error on noisy ones is "
    f"{kept_noise:.0%} of that of leaving the noise in (@table:denoising). So a small "
    "reconstruction error is no sign that a network knows what digits look like. Trained with "
    "noise, the same network leaves "
    f"{left_over['overcomplete, denoising'].mean():.2f}, the best linear map "
    f"{left_over['linear'].mean():.2f}"
    + (
        ": the network has not even found what one linear layer can do. "
        if left_over["overcomplete, denoising"].mean() > left_over["linear"].mean()
        else ". "
    )
    + "The network's lead over the optimum for the training set is "
    f"{mean_error(ahead, '+.2f')}, image by image. "
    + (
        "Yet its own training loss asks for just that optimum, which can only mix the images it "
        "has. What cannot memorise them does something else, and here that is better on new "
        "images."
        if ahead.mean() > 2 * stats.sem(ahead)
        else "With enough images, mixing those one has goes a long way."
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
# So images more than $2\varepsilon$ apart in pixels cannot have the same code, and if $g$ stretches
# no distance by more than a factor $K$, their codes are at least $(\lVert x - x' \rVert -
# 2\varepsilon) / K$ apart. An autoencoder that reconstructs well *must* tell apart what is far
# apart in pixels.

# %% tags=["hide"]
fit_errors = sum(np.sqrt(errors_of(autoencoders[middle], x)) for x in (judged_x, once))
forced = np.mean(own_distance > fit_errors)
book.say(
    f"Does that bind the moved digits of the first section? With {middle} numbers the errors of an "
    f"image and of itself moved by one pixel add up to {fit_errors.mean():.2f}, and the two lie "
    f"{own_distance.mean():.2f} apart: for {forced:.0%} of the images the inequality forces "
    "different codes. The better the reconstructions, the more it forces."
)

# %% [markdown]
# But a denoiser learns to undo whatever damage it is shown. So let the damage be a move: the input
# is the image moved by a random distance, the target is the image in its place. As far as a moved
# image tells which it was, $r^*(\tilde x) = \mathbb{E}[x \mid \tilde x]$ is the same wherever it
# lies, and the code need not tell the place.

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
    f"autoencoder, {middle}": lambda x: autoencoders[middle].encode(x).numpy(),
    f"trained on moves, {middle}": lambda x: unmover.encode(x).numpy(),
}
moved_x = {distance: moved(judged_x, distance) for distance in distances}
votes = {
    name: KNeighborsClassifier(5).fit(encode(train_x), train_labels)
    for name, encode in representations.items()
}
hits = {
    name: [votes[name].predict(encode(moved_x[step])) == judged_labels for step in distances]
    for name, encode in representations.items()
}

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    for (name, values), marker, line in zip(
        hits.items(), "os^D", ("-", "--", ":", "-."), strict=True
    ):
        means = [100 * np.mean(of_step) for of_step in values]
        bars = [100 * stats.sem(of_step) for of_step in values]
        axis.errorbar(distances, means, bars, fmt=line, marker=marker, capsize=3, label=name)
    axis.axvspan(0, reach, color="#dcdcdc", alpha=0.35, linewidth=0)
    axis.set(xlabel="test images moved by (pixels)", ylabel="right digit (%)", ylim=(0, 102))
    axis.legend(loc="lower left")
book.figure(
    figure,
    "moves",
    f"Share of {len(judged_x):,} test images, moved right, left, down or up, whose five nearest "
    "training images vote for their digit; bars: one standard error over the images. Nearness in "
    f"pixels, or in codes of {middle} numbers. Grey: moves that the last network saw in training.",
    alt="Four lines of the share of right digits against the distance of the move: pixels, PCA, a "
    "plain autoencoder and one trained on moves.",
)


def nearest_rows(name, x, k):
    """Numbers of the k nearest training images."""
    return votes[name].kneighbors(representations[name](x), k, return_distance=False)


queries = moved_x[reach][[one_of_each[label] for label in (2, 5)]]
answers = [train_x[nearest_rows(name, queries, 5)] for name in representations]
with plots.style():
    rows = [np.concatenate([queries[:, None], nearest], axis=1) for nearest in answers]
    figure = plots.image_grid(np.concatenate(rows).reshape(-1, depth), shape, columns=12)
book.figure(
    figure,
    "neighbours",
    f"Two test images, a 2 and a 5, each moved by {reach:g} pixel{'s' if reach != 1 else ''} "
    "(columns 1 and 7), and their five nearest training images: in pixels, by PCA, in the code of "
    "the plain autoencoder, and in that of the one trained on moves.",
    alt="Four rows of twelve images: a moved digit and five training images, twice in each row.",
)

# %% tags=["hide"]
last = distances.index(reach)
plain, pixels, moves = (
    hits[name] for name in (f"autoencoder, {middle}", "pixels", f"trained on moves, {middle}")
)
in_pixels, in_codes = (
    nearest_rows(name, judged_x, 10) for name in ("pixels", f"autoencoder, {middle}")
)
shared = [len(set(a) & set(b)) / 10 for a, b in zip(in_pixels, in_codes, strict=True)]
book.say(
    f"Of the ten nearest training images in pixels {percent(shared)} are among the ten nearest in "
    f"the code of {middle} numbers. For images in their place the votes of five neighbours are "
    f"right for {percent(plain[0])} in the code, with {middle / depth:.1%} of the numbers, and for "
    f"{percent(pixels[0])} in pixels. Moved by {reach:g} pixel{'s' if reach != 1 else ''}, it is "
    f"{percent(plain[last])} and {percent(pixels[last])} (@fig:moves): "
    + (
        "the bottleneck alone has not made the code blind to moves. "
        if plain[last].mean() < pixels[last].mean() + 0.05
        else "the code changes less under moves than pixels do. "
    )
    + f"Trained on moves, the same network has {percent(moves[0])} in their place, "
    f"{percent(moves[last])} at {reach:g} and, beyond what it saw, {percent(moves[-1])} at "
    f"{distances[-1]:g}. What a code ignores can be taught, by choosing the damage."
)

# %% [markdown]
# ## Interpolation
#
# Half-way between two images in the space of pixels lies their average: both at once, half as dark.
# On a curved manifold that point is, in general, off it. In the code one can go from $z_0$ to $z_1$
# along a line and decode on the way, $g((1 - t) z_0 + t z_1)$; the decoder only draws points of its
# surface. With PCA that would gain nothing: a linear decoder turns the line of codes into a line of
# images.

# %% tags=["fold"]
pairs = np.random.default_rng(4).permutation(len(judged_x))[: len(judged_x) // 2 * 2].reshape(2, -1)
pairs = pairs[:, judged_labels[pairs[0]] != judged_labels[pairs[1]]][:, :500]
start_x, end_x = judged_x[pairs]


def half_way(dim):
    start, end = (autoencoders[dim].encode(x).numpy() for x in (start_x, end_x))
    return autoencoders[dim].decode((start + end) / 2).numpy()


ends = np.concatenate([start_x, end_x])
midpoints = {
    "the two ends, test images": ends,
    f"the ends, reconstructed, {middle}": autoencoders[middle].reconstruct(ends).numpy(),
    "half-way, pixels": (start_x + end_x) / 2,
    f"half-way, PCA, {middle}": pca_reconstruct(middle, (start_x + end_x) / 2),
    f"half-way, autoencoder, {middle}": half_way(middle),
    "half-way, autoencoder, 2": half_way(2),
}
ten_nearest = NearestNeighbors(n_neighbors=10).fit(train_x)


def likeness(x):
    """Of each image: share of the ten nearest for one digit; distance to the nearest."""
    gaps, rows = ten_nearest.kneighbors(np.clip(x, 0, 1))
    shares = np.mean(train_labels[rows][:, :, None] == np.arange(10), axis=1)
    return shares.max(axis=1), gaps[:, 0]


fractions = np.linspace(0, 1, 9, dtype="float32")[:, None]
rows = []
for k in (0, 1):
    rows.append((1 - fractions) * start_x[k] + fractions * end_x[k])
    for dim in (2, middle):
        z0, z1 = (autoencoders[dim].encode(x[k : k + 1]).numpy() for x in (start_x, end_x))
        rows.append(autoencoders[dim].decode((1 - fractions) * z0 + fractions * z1).numpy())
with plots.style():
    figure = plots.image_grid(np.concatenate(rows), shape, columns=9)
book.figure(
    figure,
    "interpolation",
    "From one test image to another in nine images, two pairs. Of each pair, the first row goes "
    "straight through the space of pixels, the second through codes of 2 numbers, the third "
    f"through codes of {middle}. The ends of the lower rows are reconstructions.",
    alt="Six rows of nine images, each from one digit to another: by pixels and by two codes.",
)

# %% tags=["hide"]
likenesses = {name: likeness(x) for name, x in midpoints.items()}
book.table(
    [[name, *(mean_error(values) for values in pair)] for name, pair in likenesses.items()],
    ["images", "votes for one digit", "distance to nearest"],
    f"{pairs.shape[1]} pairs of test images of different digits, ± one standard error over pairs "
    "(ends: over images). Votes: largest share of the ten nearest training images, in pixels, "
    "that show one digit. Distance: to the nearest training image; blurred images lie nearer, so "
    "reconstructions are in the table too.",
    name="interpolation",
)
by_pixels, by_middle, by_two = (
    likenesses[f"half-way, {way}"][0]
    for way in ("pixels", f"autoencoder, {middle}", "autoencoder, 2")
)
book.say(
    f"Half-way in pixels the largest share of votes is {by_pixels.mean():.2f}, a measure of how "
    "much an image on the way looks like *some* digit. Pair by pair, the way through the code of "
    f"{middle} numbers changes it by {mean_error(by_middle - by_pixels, '+.2f')} and that through "
    f"2 by {mean_error(by_two - by_pixels, '+.2f')} (@table:interpolation). "
    + (
        f"By this measure the code of {middle} numbers gains nothing over pixels. "
        if abs((by_middle - by_pixels).mean()) < 2 * stats.sem(by_middle - by_pixels)
        else ""
    )
    + (
        "The narrower code has more votes for one digit here, and pays for it with worse "
        "reconstructions (@table:errors). "
        if (by_two - by_middle).mean() > 2 * stats.sem(by_two - by_middle)
        else ""
    )
    + "A line between two codes may cross a region where no training image has its code. Nothing "
    "in training has said what to draw there."
)

# %% [markdown]
# ## Dense or convolutional
#
# A convolutional encoder shares weights over the plane and halves its sides from layer to layer;
# the decoder does the same backwards, with transposed convolutions, which spread one number over a
# window. Beside it we set a dense
# autoencoder with as many weights (its first hidden layer is as wide as that allows), the same code
# and the same training, three seeds each.

# %%
filters, feature_units = book.setting(default=((16, 32), 48), full=((16, 32), 64))
conv_schedule = schedule | book.setting(default={"steps": 600}, full={"steps": 1000})


def convolutional_autoencoder(seed=0):
    encoder = convolutional_encoder(shape, filters, feature_units, seed=seed)
    return Autoencoder(
        with_code(encoder, middle, seed=seed + 50),
        convolutional_decoder(middle, shape, 1, filters[::-1], feature_units, seed=seed),
        seed=seed,
    )


def num_weights(model):
    model.build((None, *model.event_shape))
    return model.count_params()


conv_size = num_weights(convolutional_autoencoder())
sizes = [num_weights(dense_autoencoder(depth, middle, (w, 64))) for w in (1, 2)]  # linear in w
equal_width = 1 + round((conv_size - sizes[0]) / (sizes[1] - sizes[0]))
rivals = {
    "convolutional": (convolutional_autoencoder, dataset.images),
    "dense": (
        lambda seed: dense_autoencoder(depth, middle, (equal_width, 64), seed=seed),
        lambda x: x,
    ),
}
rival_errors = {name: [] for name in rivals}
for name, (make, data) in rivals.items():
    for seed in (0, 10, 20):
        model = train(make(seed), data(train_x), **conv_schedule, seed=seed)
        rival_errors[name].append(errors_of(model, data(judged_x)).mean())

# %% tags=["hide"]
conv_errors, dense_errors = rival_errors.values()
book.table(
    [
        [name, f"{num_weights(make(0)):,}", mean_error(rival_errors[name], ".3f")]
        for name, (make, _) in rivals.items()
    ],
    ["autoencoder", "weights", "error, test"],
    f"Squared error of {len(judged_x):,} test images, ± one standard error over three seeds; code "
    f"of {middle} numbers, {conv_schedule['steps']:,} steps of {conv_schedule['batch_size']} "
    "images.",
    name="rivals",
)
gap = np.mean(conv_errors) / np.mean(dense_errors) - 1
sure = stats.ttest_ind(conv_errors, dense_errors, equal_var=False).pvalue < 0.05
book.say(
    f"The convolutional error is {abs(gap):.0%} {'larger' if gap > 0 else 'smaller'} "
    "(@table:rivals)"
    + (". " if sure else "; with three seeds that is not a clear difference (Welch's t-test). ")
    + "A convolution looks for the same stroke in many places with the same weights; whether that, "
    "its small windows or faster learning in so few steps makes the difference is not separated "
    "here. These digits are centred"
    + (", and 8 × 8 pixels are few places" if depth == 64 else "")
    + ". And equal weights are not equal work: a convolution uses each of its weights many times."
)

# %% [markdown]
# ## A few labels
#
# Labels are expensive, images are cheap. Can an encoder that has seen many images without labels
# make up for few labels? We take the encoder of the denoising autoencoder, put a layer with one
# output per digit on it, and train it on a few labelled images per digit: once from the encoder's
# weights, once from random ones, all else equal. Beside them stands logistic regression, on pixels
# and on the features of the encoder, which stays as it is. Each is repeated with five draws of the
# labelled images, the same for all.

# %% tags=["fold"]
labels_per_digit = (1, 2, 5, 10, 20)
tuning_steps = 100
label_seeds = range(5)
classifier = keras.Sequential(
    [dense_encoder((depth,), wide_units[0], "relu"), keras.layers.Dense(10, name="logits")]
)
classifier.compile(
    keras.optimizers.Adam(2e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    steps_per_execution=tuning_steps,
)
classifier.optimizer.build(classifier.trainable_variables)
fresh_state = [variable.numpy() for variable in classifier.optimizer.variables]


def fine_tune(rows, seed, encoder):
    """Test accuracy after training on the labelled rows, from these weights."""
    head = keras.initializers.GlorotUniform(seed)((wide_units[0][-1], 10))
    classifier.set_weights([*encoder.get_weights(), head, np.zeros(10)])
    for variable, value in zip(classifier.optimizer.variables, fresh_state, strict=True):
        variable.assign(value)
    batches = epoch_batches((train_x[rows], train_labels[rows]), len(rows), seed=seed)
    classifier.fit(
        batches, steps_per_epoch=tuning_steps, epochs=1, shuffle=False, verbose=book.verbosity()
    )
    return np.mean(classifier.predict_on_batch(judged_x).argmax(axis=1) == judged_labels)


def regression(features, test_features, rows):
    scale = features.std()
    fitted = LogisticRegression(max_iter=1000).fit(features[rows] / scale, train_labels[rows])
    return fitted.score(test_features / scale, judged_labels)


train_features, test_features = (denoiser.encode(x).numpy() for x in (train_x, judged_x))
START, SCRATCH = "network, from the encoder", "network, from random weights"
ON_PIXELS, ON_CODES = "regression on pixels", "regression on the encoder"
with_labels = {name: {} for name in (START, SCRATCH, ON_CODES, ON_PIXELS)}  # name, count: runs
for count in labels_per_digit:
    runs = []
    for seed in label_seeds:
        draw = np.random.default_rng(seed)
        rows = np.concatenate(
            [draw.permutation(np.flatnonzero(train_labels == label))[:count] for label in range(10)]
        )
        random_encoder = dense_encoder((depth,), wide_units[0], "relu", seed=1000 + 10 * seed)
        runs.append(
            (
                fine_tune(rows, seed, denoiser.encoder),
                fine_tune(rows, seed, random_encoder),
                regression(train_features, test_features, rows),
                regression(train_x, judged_x, rows),
            )
        )
    for name, values in zip(with_labels, np.transpose(runs), strict=True):
        with_labels[name][count] = 100 * values

with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    for k, ((name, values), marker, line) in enumerate(
        zip(with_labels.items(), "osD^", ("-", "--", "-.", ":"), strict=True)
    ):
        means = [np.mean(runs) for runs in values.values()]
        bars = [stats.sem(runs) for runs in values.values()]
        beside = np.array(labels_per_digit) * 1.03 ** (k - 1.5)
        axis.errorbar(beside, means, bars, fmt=line, marker=marker, capsize=3, label=name)
    axis.set(xscale="log", xlabel="labelled images per digit", ylabel="right on test images (%)")
    axis.set_xticks(labels_per_digit, [str(count) for count in labels_per_digit])
    axis.minorticks_off()
    axis.legend(loc="lower right")
book.figure(
    figure,
    "labels",
    f"Right answers on {len(judged_x):,} test images; mean and standard error over five draws of "
    f"the labelled images, one encoder for all. The networks take {tuning_steps} steps of Adam. "
    "Points are set a little beside each other.",
    alt="Four lines with error bars, test accuracy against labelled images per digit.",
)

# %% tags=["hide"]
gains = [
    {count: with_labels[ours][count] - with_labels[theirs][count] for count in labels_per_digit}
    for ours, theirs in ((START, SCRATCH), (ON_CODES, ON_PIXELS))
]


network_gain, regression_gain = (
    ", ".join(mean_error(gain[count], "+.1f") for count in labels_per_digit) for gain in gains
)
book.say(
    "What the encoder adds, in points, draw by draw, for "
    f"{', '.join(map(str, labels_per_digit))} labels per digit: to the network {network_gain}; to "
    f"regression {regression_gain} (mean ± standard error over {len(label_seeds)} draws; by a "
    "t-test at 5% a single gain is clear from "
    f"{stats.t.ppf(0.975, len(label_seeds) - 1):.1f} standard errors). The encoder was trained to "
    "rebuild pixels. That helps as far as the directions in which images differ most are also "
    "those in which digits differ, and nothing in its loss sees to it."
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
# its distance to the nearest training code is larger than that distance is for 99% of the test
# images; of good draws one in a hundred should be. A better fit of the codes is a mixture of 30
# Gaussians.

# %%
drawn_images, lost = {}, {}
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
        lost[dim, name] = lookup.kneighbors(draws)[0][:, 0] > limit

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
    alt="Four rows of twelve images, some like digits and some not.",
)

# %% tags=["hide"]
decoded = {
    (dim, "reconstructed test images"): autoencoders[dim].reconstruct(judged_x).numpy()
    for dim in (2, middle)
}
decoded |= drawn_images
book.table(
    [
        [
            name,
            f"{dim}",
            percent(lost[dim, name]) if (dim, name) in lost else "1% by definition",
            *(mean_error(values) for values in likeness(images)),
        ]
        for (dim, name), images in decoded.items()
    ],
    ["decoded images", "code $d$", "lost", "votes for one digit", "distance to nearest"],
    "1,000 draws each (reconstructions: of the test images judged), ± one standard error. Votes "
    "and distance as in @table:interpolation.",
    name="draws",
)
book.say(
    f"Of the draws from one Gaussian {lost[2, 'one Gaussian'].mean():.0%} are lost with 2 numbers "
    f"and {lost[middle, 'one Gaussian'].mean():.0%} with {middle}; of those from 30 Gaussians "
    f"{lost[2, '30 Gaussians'].mean():.1%} and {lost[middle, '30 Gaussians'].mean():.1%} "
    "(@table:draws; no column would notice a mixture that merely repeats training codes). So there "
    "is a way out: *two* models, one of $x$ by way of $z$ and one of $z$, fitted one after the "
    "other. Neither makes the other's work easier, and there is still no $p(x)$: the decoder gives "
    "one image per code, a surface of no volume, on which almost no test image lies exactly. What "
    "is needed is a distribution $p(x \\mid z)$ around the surface, a distribution $p(z)$ that is "
    "fixed beforehand, and a loss that makes the codes follow it. That is the variational "
    "autoencoder of chapter 5."
)

# %% [markdown]
# ## Exercises
#
# **Exercise 4.1.** To keep codes near zero someone adds $\beta\, \mathbb{E} \lVert f(x) \rVert^2$
# to the loss. Show that this does not change which reconstructions are best, and what training will
# do. What would have to be added for the penalty to bite?
#
# ??? answer "Answer"
#
#     Take $h(z) = z / c$: divide the weights of the last layer of the encoder by $c$ and multiply
#     those of the first layer of the decoder by it. The reconstructions stay as they are, and the
#     penalty is divided by $c^2$. So the sum has no minimum, only an infimum, the same as without
#     the penalty; training can go on for ever letting the codes shrink and the decoder's weights
#     grow. The penalty bites if the scale matters: with a penalty on the decoder's weights too, or
#     with *noise of fixed size on the code*, in which small codes are lost. The second is what
#     a variational autoencoder has.
#
# **Exercise 4.2.** Let the data be Gaussian, $x \sim \mathcal{N}(\mu, C)$. Derive the best denoiser
# from Tweedie's formula, and show that it is the linear one used above.
#
# ??? answer "Answer"
#
#     The damaged data is $\mathcal{N}(\mu, C + \sigma^2 I)$ with score $-(C + \sigma^2 I)^{-1}
#     (\tilde x - \mu)$. So
#
#     $$
#     \begin{aligned}
#     r^*(\tilde x) &= \tilde x - \sigma^2 (C + \sigma^2 I)^{-1} (\tilde x - \mu) \\
#     &= \mu + \big( (C + \sigma^2 I) - \sigma^2 I \big) (C + \sigma^2 I)^{-1} (\tilde x - \mu) \\
#     &= \mu + C (C + \sigma^2 I)^{-1} (\tilde x - \mu) .
#     \end{aligned}
#     $$
#
#     For data that is not Gaussian this is the best *linear* denoiser, since the error of a linear
#     map depends on mean and covariance only.
#
# **Exercise 4.3.** Points on a circle need one number, the angle. Train an autoencoder with $d = 1$
# on them. Show that, whatever the (continuous) networks, the error is at least 1 somewhere on the
# unit circle. Can the *mean* error be small?

# %% tags=["hide"]
around = 2 * np.pi * np.arange(1000) / 1000
circle = np.stack([np.cos(around), np.sin(around)], axis=1).astype("float32")
ring = train(
    dense_autoencoder(2, 1, (64, 64), seed=0), circle, steps=1500, batch_size=250, rate=5e-3
)
ring_error = np.asarray(ring.reconstruction_error(circle))
bad = ring_error > 0.1
book.box(
    "answer",
    "Answer to 4.3, computed",
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
