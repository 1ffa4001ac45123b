# %% [markdown]
# # 8. DCGAN and Wasserstein GAN
#
# Chapter 7 set two networks against each other, both of dense layers, and found when such a game
# works and when it fails. Two papers changed that. DCGAN (2015) kept the game and found
# convolutional networks with which it usually comes to a good end. The Wasserstein GAN (2017) kept
# the networks and changed the game: the discriminator becomes a measure of a distance that keeps a
# slope where the JSD has none. Neither came with a proof that it would work better. So the chapter
# takes both apart: convolutions that grow and the patterns that they leave, every choice of DCGAN
# removed in turn, what its noise has learned, the distance with its theory, two ways to enforce the
# condition that it rests on, and whether the loss says how good the samples are.

# %% tags=["fold"]
import itertools
import math

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from scipy import integrate, stats
from scipy.optimize import linear_sum_assignment, linprog
from threadpoolctl import threadpool_limits

from genkeras import GAN, WGAN, WGANGP, Uniform, book, plots
from genkeras.adversarial import (
    Minimax,
    NonSaturating,
    Wasserstein,
    dcgan_discriminator,
    dcgan_generator,
    dense_discriminator,
)
from genkeras.book.prose import error, listed, mean_error, number
from genkeras.datasets import Split, digits, mnist
from genkeras.evaluation import (
    ImageClassifier,
    class_entropy,
    frechet_distance,
    nearest_neighbours,
)
from genkeras.recipes import dcgan_mnist, gan_modes
from genkeras.training import epoch_batches

book.declare(
    title="DCGAN and Wasserstein GAN",
    data=book.setting(default="scikit-learn's digits", full="MNIST"),
    seed=0,
)
threadpool_limits(1)  # the matrices are small: threads would only wait for each other


def picture_rows(rows, labels=(), titles=()):
    """A figure of rows of images in [-1, 1], labels at their left, titles above the first row."""
    with plots.style():
        rows = [np.asarray(row) for row in rows]
        columns, side = len(rows[0]), rows[0].shape[1:3]
        figure = plots.image_grid(np.concatenate(rows), side, columns, limits=(-1.0, 1.0))
        for axis, label in zip(figure.axes[::columns], labels, strict=False):
            axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for axis, title in zip(figure.axes, titles, strict=False):
            axis.set_title(title, fontsize=9, loc="center", pad=3)
    return figure


# %% [markdown]
# ## Convolutions that grow
#
# A convolution with stride 2 makes a map half as wide. A generator needs the opposite: a few
# numbers in, an image out. Take one dimension, a kernel $w_0, \dots, w_{k-1}$, a stride $s$ and a
# padding of $p$ zeros at the left. The convolution is
#
# $$
# y_j = \sum_{m=0}^{k-1} w_m\, x_{sj + m - p} .
# $$
#
# It is linear, so $y = C x$ for a matrix $C$ with $C_{ji} = w_{i - sj + p}$ (zero where the index
# is not one of the kernel's). The **transposed convolution** multiplies by $C^\top$:
#
# $$
# x_i = \sum_j w_{i - sj + p}\, y_j .
# $$
#
# Read it from the side of the input: every $y_j$ puts down a copy of the kernel, scaled by $y_j$,
# at the place $sj - p$; copies are added where they overlap. It is not a new operation. Whoever
# trains a strided convolution computes it all the time: the gradient of a loss with respect to $x$
# is $C^\top$ times the gradient with respect to $y$. Here is $C$, read off from Keras by sending
# unit vectors through a layer.

# %%
kernel = np.array([1.0, 2.0, 3.0, 4.0], "float32")
down = keras.layers.Conv1D(1, 4, strides=2, padding="same", use_bias=False)
up = keras.layers.Conv1DTranspose(1, 4, strides=2, padding="same", use_bias=False)
down.build((None, 8, 1))
up.build((None, 4, 1))
down.set_weights([kernel.reshape(4, 1, 1)])
up.set_weights([kernel.reshape(4, 1, 1)])

matrix = down(np.eye(8, dtype="float32")[..., None]).numpy()[..., 0].T  # (4, 8): C
transpose = up(np.eye(4, dtype="float32")[..., None]).numpy()[..., 0].T  # (8, 4)
signal, weight_of = tf.random.stateless_normal((1, 8, 1), (0, 0)), tf.ones((1, 4, 1))
with tf.GradientTape() as tape:
    tape.watch(signal)
    total = tf.reduce_sum(down(signal) * weight_of)
gradient = tape.gradient(total, signal)

# %% tags=["hide"]
book.table(
    [[f"$y_{j}$", *(f"{value:.0f}" if value else "·" for value in matrix[j])] for j in range(4)],
    ["", *(f"$x_{i}$" for i in range(8))],
    "The matrix $C$ of a convolution with kernel (1, 2, 3, 4), stride 2 and zeros beyond the ends; "
    "points stand for zeros.",
    name="matrix",
)
round_trip = transpose @ matrix
book.say(
    "The transposed convolution with the same kernel equals $C^\\top$ (largest difference "
    f"{np.abs(transpose - matrix.T).max():g}), and gives the gradient that TensorFlow computes for "
    f"the convolution (largest difference {np.abs(up(weight_of) - gradient).max():g})."
)
book.box(
    "notes",
    "What the notes say: the generator uses deconvolution",
    f"""
    The name has stuck, but nothing is undone. A deconvolution would give back $x$ from $Cx$. No
    operation can: $C$ has {matrix.shape[0]} rows and {matrix.shape[1]} columns, its rank is
    {np.linalg.matrix_rank(matrix)}, and it maps a space of dimension
    {matrix.shape[1] - np.linalg.matrix_rank(matrix)} to zero. The transpose does not even come near
    one: the diagonal of $C^\\top C$ is not 1 but
    {listed([f"{v:.0f}" for v in np.diag(round_trip)])}, and beside it there are values up to
    {np.abs(round_trip - np.diag(np.diag(round_trip))).max():.0f}. "Transposed convolution" says
    what it is. ("Fractionally strided", the paper's name, says how it can be computed: put $s - 1$
    zeros between the inputs, then convolve with stride 1, with the kernel reversed.)
    """,
)

# %% [markdown]
# ### How many copies overlap
#
# Output $x_i$ receives from all $j$ with $0 \le i - sj + p \le k - 1$, that is, for which $sj$ is
# one of the $k$ consecutive integers $i + p - k + 1, \dots, i + p$. Among $k$ consecutive integers
# there are $\lfloor k / s \rfloor$ or $\lceil k / s \rceil$ multiples of $s$, depending on where
# one starts, and the same number everywhere if and only if $s$ divides $k$. In a plane the counts
# of both directions are multiplied. So with stride 2, a kernel of side 4 covers each pixel equally
# often, and sides 3 and 5 do not. To count, let all inputs and all weights be one.


# %%
def overlaps(kernel_size, side=6):
    """How many inputs reach each pixel of a map of twice the side."""
    layer = keras.layers.Conv2DTranspose(
        1, kernel_size, strides=2, padding="same", use_bias=False, kernel_initializer="ones"
    )
    return layer(np.ones((1, side, side, 1), "float32")).numpy()[0, ..., 0]


def by_place(images):
    """Mean square of pixels at the four places of a 2 x 2 block, away from the border."""
    inner = np.asarray(images)[:, 2:-2, 2:-2]
    return np.array([(inner[:, a::2, b::2] ** 2).mean() for a in (0, 1) for b in (0, 1)])


counted, unevenness = {}, {}
for size in (2, 3, 4, 5, 6):
    counted[size] = overlaps(size)
    normal = keras.initializers.RandomNormal(seed=0)
    layer = keras.layers.Conv2DTranspose(
        64, size, strides=2, padding="same", use_bias=False, kernel_initializer=normal
    )
    places = by_place(layer(tf.random.stateless_normal((50, 8, 8, 64), (0, size))))
    unevenness[size] = places.max() / places.min()

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.7))
    for axis, size in zip(axes, (3, 4, 5), strict=True):
        counts = counted[size][2:-2, 2:-2]
        axis.imshow(counts, cmap="Blues", vmin=0, vmax=12)
        for (row, column), value in np.ndenumerate(counts):
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8)
        axis.set(title=f"kernel {size} × {size}", xticks=[], yticks=[])
        axis.grid(False)
book.figure(
    figure,
    "overlaps",
    "How many inputs reach each pixel in the middle of a map that a transposed convolution with "
    "stride 2 has made.",
    alt="Three squares of numbers. Kernel 3: a pattern of 1, 2 and 4. Kernel 4: 4 everywhere. "
    "Kernel 5: a pattern of 4, 6 and 9.",
)

# %% tags=["hide"]
ranges = {size: counts[2:-2, 2:-2] for size, counts in counted.items()}
book.table(
    [
        [
            f"{size} × {size}",
            listed([f"{v:.0f}" for v in np.unique(counts)]),
            f"{counts.max() / counts.min():.2f}",
            f"{unevenness[size]:.2f}",
        ]
        for size, counts in ranges.items()
    ],
    ["kernel", "inputs per pixel", "largest / smallest", "mean square, largest / smallest"],
    "Transposed convolutions with stride 2. Last column: measured with 64 channels, random normal "
    "inputs and weights, over the four places of a pixel in a 2 × 2 block.",
    name="overlaps",
)
uneven_sizes = [f"{s}" for s, counts in ranges.items() if counts.max() > counts.min()]
book.say(
    f"Uneven are the kernels of side {listed(uneven_sizes)} (@fig:overlaps, @table:overlaps). If "
    "inputs and weights are independent with mean zero, the variance of an output is proportional "
    "to the number of terms in its sum, so the unevenness is one of contrast: a generator starts "
    "with a **checkerboard**. Training can remove it, for weights can make up for counts; but it "
    "must, at each layer, and whatever is not unlearned shows as a pattern of period two in the "
    "layer's map. The DCGAN paper uses side 5; the library's default is 4."
)

# %% [markdown]
# ### Pooling and unpooling
#
# The older way to change sizes is pooling on the way down (the largest of four pixels), and
# unpooling on the way up (every pixel four times), each beside a convolution that keeps the size.
# The DCGAN paper's first rule is to replace both by strides. What does that do to a picture, and to
# a gradient? For pictures take untrained generators of 32 × 32 pixels and look at two numbers: how
# uneven the contrast is over the four places of a block, and how large differences of neighbours
# are *across* the edges of 2 × 2 blocks compared with those *within* blocks. Both are 1 if there is
# no grid. The library's networks serve for all; a copy whose layers are exchanged one by one serves
# for unpooling.


# %%
def exchanged(network, exchange):
    """A copy of a network with fresh weights; `exchange(layer)` gives another layer or None."""

    def clone(layer):
        return exchange(layer) or layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=clone)


def convolution(layer, **changes):
    """The settings of a layer of stride 2 in a convolution of stride 1."""
    settings = layer.get_config()
    kept = ("filters", "use_bias", "activation", "kernel_initializer", "padding")
    return keras.layers.Conv2D(kernel_size=3, **{name: settings[name] for name in kept} | changes)


def pooled(layer):
    """Unpooling or pooling with a convolution of 3 x 3, in place of strides."""
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return keras.Sequential([keras.layers.UpSampling2D(), convolution(layer)])
    if isinstance(layer, keras.layers.Conv2D):
        return keras.Sequential([convolution(layer), keras.layers.MaxPooling2D()])
    return None


def across_to_within(images):
    """Mean absolute difference of neighbours across the edges of 2 x 2 blocks, over that within."""
    x = np.asarray(images)[..., 0]
    across, within = [], []
    for axis in (1, 2):
        steps = np.abs(np.diff(x, axis=axis))
        within.append(np.take(steps, range(0, steps.shape[axis], 2), axis).mean())
        across.append(np.take(steps, range(1, steps.shape[axis], 2), axis).mean())
    return np.mean(across) / np.mean(within)


untrained, scores = {}, {}
rng = np.random.default_rng(0)
for name, size in (("kernel 3", 3), ("kernel 4", 4), ("kernel 5", 5), ("unpooling", 4)):
    generator = dcgan_generator(100, (32, 32, 1), 16, size, output_activation=None, seed=0)
    if name == "unpooling":
        generator = exchanged(generator, pooled)
    shapes = [weight.shape for weight in generator.get_weights()]
    images = []
    for _ in range(20):  # networks with weights of their own
        fresh = [
            rng.normal(0, 0.02, s) if len(s) > 1 else w
            for s, w in zip(shapes, generator.get_weights(), strict=True)
        ]
        generator.set_weights(fresh)
        z = rng.standard_normal((50, 100)).astype("float32")
        made = generator(z, training=True).numpy()
        images.append(made / made.std())
    untrained[name] = np.array(images)  # (networks, images, 32, 32, 1)

reaching = {}  # gradients that arrive at a map, for random gradients from above
maps = tf.random.stateless_normal((100, 16, 16, 1), (0, 2))


def random_convolution(size, stride):
    normal = keras.initializers.RandomNormal(seed=1)
    return keras.layers.Conv2D(32, size, stride, padding="same", kernel_initializer=normal)


for name, layers in {
    "max pooling alone": [keras.layers.MaxPooling2D()],
    "convolution and max pooling": [random_convolution(3, 1), keras.layers.MaxPooling2D()],
    **{f"kernel {size}": [random_convolution(size, 2)] for size in (3, 4, 5)},
}.items():
    with tf.GradientTape() as tape:
        tape.watch(maps)
        out = keras.Sequential(layers)(maps)
    reaching[name] = tape.gradient(
        out, maps, tf.random.stateless_normal(tf.shape(out), (0, 3))
    ).numpy()

# %% tags=["fold"]
book.figure(
    picture_rows([images[:9, 0] for images in untrained.values()], labels=list(untrained)),
    "untrained",
    "Outputs of untrained generators, from 4 × 4 to 32 × 32 in three steps; every picture from a "
    "network with weights of its own.",
    alt="Four rows of random textures: fine grids for kernels 3, 4 and 5, unevenest for 3; soft "
    "patches for unpooling.",
)


# %% tags=["hide"]
def place_ratio(images):
    places = by_place(images)
    return places.max() / places.min()


for name, networks in untrained.items():
    together = networks.reshape(-1, 32, 32, 1)
    scores[name] = {
        "together": place_ratio(together),
        "each": np.median([place_ratio(images) for images in networks]),
        "blocks": across_to_within(together),
    }
book.table(
    [
        [name, *(f"{score[which]:.2f}" for which in ("together", "each", "blocks"))]
        for name, score in scores.items()
    ],
    [
        "generator",
        "contrast by place, all networks",
        "contrast by place, median network",
        "across / within blocks",
    ],
    "Untrained generators, 50 images of 32 × 32 pixels from each of 20 networks. Contrast by place "
    "is the largest mean square over the smallest among the four places of a 2 × 2 block; the last "
    "column is one of differences between neighbours.",
    name="untrained",
)
book.table(
    [[name, f"{(g == 0).mean():.0%}", f"{place_ratio(g):.2f}"] for name, g in reaching.items()],
    ["layer", "pixels without a gradient", "mean square by place, largest / smallest"],
    "The gradient that passes down through layers that halve the sides, from a random gradient "
    "above them. The first row has one channel and no convolution. The others have a convolution "
    "to 32 channels with random weights: of side 3 and stride 1 below the pooling, else of stride "
    "2 and the side named.",
    name="reaching",
)
pooled_share = (reaching["convolution and max pooling"] == 0).mean()
pooled_places = place_ratio(reaching["convolution and max pooling"])
strided_places = [place_ratio(g) for name, g in reaching.items() if name.startswith("kernel")]
book.say(
    "Averaged over networks, contrast follows the counts: "
    f"{scores['kernel 3']['together']:.2f}, {scores['kernel 4']['together']:.2f} and "
    f"{scores['kernel 5']['together']:.2f} for kernels 3, 4 and 5, where the counts of the last "
    "layer give 4, 1 and 2.25 (@table:untrained). But look at one network at a time: "
    f"there kernel 4 has a factor of {scores['kernel 4']['each']:.2f}, and unpooling "
    f"{scores['unpooling']['each']:.2f}. With "
    "strides the four places of a block are computed by *different* weights, a quarter of the "
    "kernel each; nothing but training makes them agree. With unpooling and a convolution all "
    "places use the same nine weights. Equal counts remove the cause that is there on average, not "
    "the freedom to make a checkerboard."
)
no_case = (
    " So this is no case against pooling either."
    if pooled_share < 0.01 and pooled_places < max(strided_places)
    else ""
)
book.box(
    "notes",
    "What the notes say: DCGAN has strides and no pooling, so that images do not become blocky",
    f"""
    Half of it. Unpooling by itself does make blocks: every pixel stands there four times. But a
    convolution follows. In one dimension, with weights $w_0, w_1, w_2$ on the repeated inputs
    $\\dots, x_i, x_i, x_{{i+1}}, x_{{i+1}}, \\dots$, two neighbours across the edge of a block
    differ by $w_1 (x_{{i+1}} - x_i)$, and two within a block by $w_0 (x_i - x_{{i-1}}) + w_2
    (x_{{i+1}} - x_i)$. With independent random weights of mean 0 the second has twice the variance:
    the edges become *smoother* than the blocks, by $1 / \\sqrt{{2}} =
    {math.sqrt(0.5):.2f}$; measured {scores["unpooling"]["blocks"]:.2f}. And strides have a pattern
    of their own, the checkerboard: a factor of {scores["kernel 5"]["together"]:.2f} in contrast
    for the paper's kernel. Odena and others (2016) therefore advise the opposite of the notes:
    unpooling and a convolution, *against* artefacts.

    On the way down it is the gradient that matters: it tells the generator what to change. Max
    pooling alone passes none to {(reaching["max pooling alone"] == 0).mean():.0%} of the numbers
    below it. But a convolution stands below it, with many channels that choose different pixels: in
    the image {pooled_share:.0%} of the pixels are without a gradient, and the places differ by a
    factor of {pooled_places:.2f}, with strides by {min(strided_places):.2f} to
    {max(strided_places):.2f} (@table:reaching).{no_case} Which of the two makes the better GAN is
    measured below.
    """,
)
# %% [markdown]
# ## DCGAN
#
# The paper tried many convolutional networks and kept what trained without breaking down. Its
# choices:
#
# 1. Strides in place of pooling and unpooling.
# 2. Batch normalisation in both networks, but not at the generator's output nor at the
#    discriminator's input.
# 3. No dense hidden layers.
# 4. ReLU in the generator with tanh at its end; leaky ReLU in the discriminator.
# 5. Weights that start from $\mathcal{N}(0, 0.02^2)$; Adam with $\beta_1 = 0.5$ in place of 0.9.
#
# The loss is the one of chapter 7. Here is the generator as the library builds it:

# %%
book.source(dcgan_generator)

# %% tags=["fold"]
dataset = book.setting(default=digits, full=mnist)()
side = dataset.image_shape[0]
shape = (side, side, 1)
levels = dataset.num_levels - 1
filters, latents = 16, book.setting(default=16, full=64)
rate = book.setting(default=2e-3, full=1e-3)
batch, parts, steps = book.setting(default=(57, 7, 32), full=(64, 8, 75))
num_seeds = book.setting(default=3, full=4)
num_samples = book.setting(default=1000, full=2000)
quick = book.setting(default=True, full=False)  # XLA is quicker on small images, slower on MNIST


def unit(images):
    """Images in [0, 1], as the classifier reads them, from those in [-1, 1]."""
    return np.clip((np.asarray(images)[..., 0] + 1) / 2, 0, 1)


train_x, valid_x, test_x = (
    (part.x.reshape(-1, *shape) / levels * 2 - 1).astype("float32")
    for part in (dataset.train, dataset.valid, dataset.test)
)
train_x = train_x[: book.setting(default=None, full=20_000)]


# %% [markdown]
# ### How to say that it failed
#
# Samples are judged by a classifier of digits that is trained here, on the same training images.
# Two numbers: the **class entropy**, how evenly samples are spread over the ten classes that the
# classifier sees ($\log 10 = 2.30$ nats if evenly), and the **Fréchet distance** between samples
# and data in the classifier's 128 features. It takes both sets of features for normal distributions
# and adds the squared distance of the means to a distance of the covariances. (The FID of papers is
# the same formula in the features of one particular network; ours is not comparable with it.) We
# say that a run **failed** if at the end its class entropy is under 2.0 nats, which is mode
# collapse, or its Fréchet distance is above twice the median over the DCGAN's runs, which may be
# bad pictures of every kind.

# %%
judge = ImageClassifier(dataset.image_shape, seed=0)
labelled = Split(unit(train_x), dataset.train.labels[: len(train_x)])
judge.fit(labelled, epochs=book.setting(default=10, full=3))
train_features = judge.features(unit(train_x[:5000]))


def judged(images):
    """Class entropy and Frechet distance of images in [-1, 1]."""
    features = judge.features(unit(images))
    classes = judge.model.layers[-1](features).numpy().argmax(axis=1)
    distance = frechet_distance(features, train_features)
    return {"entropy": class_entropy(classes, 10), "frechet": distance}


# %% tags=["hide"]
held_out = np.concatenate([valid_x, test_x])[:num_samples]
floor = judged(held_out)
accuracy = judge.accuracy(Split(unit(test_x), dataset.test.labels))
book.say(
    f"The classifier names {accuracy:.1%} of the test images correctly. {len(held_out):,} images "
    f"that it has not seen have a Fréchet distance of {floor['frechet']:.2f} from the training "
    f"images and a class entropy of {floor['entropy']:.2f} nats: no sampler that does not copy can "
    "be expected to do better."
)

# %% [markdown]
# A run is short and its networks are tiny, because there will be many: the whole comparison is over
# seeds. A model is compiled once; for another seed it gets the weights of a fresh one, and empty
# optimisers.


# %%
def adam(rate=rate, beta_1=0.5, beta_2=0.999):
    return keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2)


def begin_again(model, fresh):
    """The model as it was before training, with the weights and noise of another one."""
    model.set_weights(fresh.get_weights())
    model.seed_generator.state.assign(fresh.seed_generator.state)
    for player in model.players:
        for variable in model.player_optimizer(player).variables:
            if variable.name != "learning_rate":
                variable.assign(tf.zeros_like(variable.value))


def runs(make, optimizer=adam, watch=True, parts=parts, reads=1, model=None, **options):
    """Trains one design from several seeds.

    Args:
        make: `seed -> GAN`.
        optimizer: `() -> optimiser` of each player.
        watch: whether samples are judged after each part of the training and not only at the end.
        parts: parts of `steps` moves of the generator.
        reads: batches that the discriminator reads for one move of the generator.
        model: a trained model of the same graph, which saves compiling another.

    Returns:
        The model, and one dictionary per seed: "history", "weights" and what `judged` says.
    """
    results = []
    for seed in range(num_seeds):
        fresh = make(seed)
        if model is None:
            model = fresh
            options = {"steps_per_execution": steps, **options}
            model.compile(generator=optimizer(), discriminator=optimizer(), **options)
        else:
            begin_again(model, fresh)

        def look(epoch, logs, model=model):
            if watch or epoch == parts - 1:
                logs.update(judged(model.sample(num_samples, seed=0)))

        history = model.fit(
            epoch_batches(train_x, reads * batch, seed),
            steps_per_epoch=steps,
            epochs=parts,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=look)],
            verbose=0,
        ).history
        last = {name: history[name][-1] for name in ("entropy", "frechet")}
        results.append({"history": history, "weights": model.get_weights(), **last})
    return model, results


def networks(seed, kernel_size=4, **options):
    generator = dcgan_generator(latents, shape, filters, kernel_size, seed=seed, **options)
    return generator, dcgan_discriminator(shape, filters, kernel_size, seed=seed, **options)


def dcgan(seed, **options):
    return GAN(*networks(seed, **options), seed=seed)


base_model, base = runs(dcgan, jit_compile=quick)

# %% tags=["hide"]
base_ends = np.array([run["frechet"] for run in base])
limit = 2 * np.median(base_ends)


def failed(run):
    return run["entropy"] < 2.0 or run["frechet"] > limit


base_entropies = [run["entropy"] for run in base]
momentum = next(
    layer.momentum
    for layer in base_model.generator.layers
    if isinstance(layer, keras.layers.BatchNormalization)
)
passes = 1 / (1 - momentum)
book.say(
    f"{num_seeds} runs of {parts * steps:,} moves end with Fréchet distances of "
    f"{listed([f'{v:.2f}' for v in base_ends])} (mean {mean_error(base_ends)}, median "
    f"{np.median(base_ends):.2f}) and class entropies of "
    f"{listed([f'{v:.2f}' for v in base_entropies])} nats. By the rule above "
    f"{sum(map(failed, base))} of them failed. The spread over seeds is what any comparison "
    "has to beat: a difference between two single runs says nothing. (Samples are made with the "
    "moving averages of batch normalisation, which reach back over about the last "
    f"{passes:.0f} passes through the generator, or {passes / len(base_model.turns):.0f} of its "
    "moves, for it also makes images for the moves of the discriminator. Where weights change "
    "fast, the averages lag behind, and a design can look worse for that alone.)"
)
single_layer = (
    " The discriminator has one convolution, which is its input layer: it has no batch "
    "normalisation to remove, only the generator has."
    if side == 8
    else ""
)
book.box(
    "note",
    "What is smaller here than in the paper",
    f"""
    The paper's networks have up to 1,024 channels and are trained on up to three million images of
    64 × 64 pixels, with a learning rate of $2 \\times 10^{{-4}}$. Here the generator has
    {base_model.generator.count_params():,} parameters and the discriminator
    {base_model.discriminator.count_params():,}; images have {side} × {side} pixels, so sides are
    doubled {"once" if side == 8 else "twice"}; and the learning rate is {rate:g}, for runs this
    short.{single_layer} A choice that does nothing here may matter in a deeper network.
    """,
)

# %% [markdown]
# The recipe `dcgan_mnist` trains a larger DCGAN for longer, from five seeds. Its distance is in the
# features of another classifier, so it compares with no number of this page.

# %% tags=["hide"]
book.recipes(
    dcgan_mnist.RECIPES,
    "Fréchet distance of 10,000 samples to the test images of MNIST; ± one standard error over "
    "five seeds. Training images, in the place of samples, show what is within reach.",
    name="recorded",
    beside={"class entropy": "class_entropy", "training images": "distance_of_training_images"},
)

# %% [markdown]
# ### Every choice removed in turn
#
# Each design below is the DCGAN with one choice undone. Where the library has no argument for it,
# layers of its networks are exchanged. (Without tanh the discriminator sees what lies outside
# $[-1, 1]$; the classifier gets it clipped.)


# %%
def normalised_everywhere(layer):
    """Batch normalisation at the generator's output and the discriminator's input too."""
    settings = layer.get_config()
    last = isinstance(layer, keras.layers.Conv2DTranspose) and settings["activation"] == "tanh"
    first = type(layer) is keras.layers.Conv2D and settings["filters"] == filters
    if not last and not first:
        return None
    plain = layer.__class__.from_config(settings | {"activation": "linear"})
    ends = [keras.layers.Activation("tanh")] if last else []
    return keras.Sequential([plain, keras.layers.BatchNormalization(), *ends])


def with_hidden_dense(layer):
    """A dense hidden layer of 128 units before the first map and after the last one."""
    if isinstance(layer, keras.layers.Dense) and layer.units > 1:
        seed = layer.get_config()["kernel_initializer"]["config"]["seed"]
        start = keras.initializers.GlorotUniform(seed + 50)
        hidden = keras.layers.Dense(128, "relu", kernel_initializer=start)
        return keras.Sequential([hidden, layer.__class__.from_config(layer.get_config())])
    if isinstance(layer, keras.layers.Flatten):
        start = keras.initializers.GlorotUniform(seed=500)
        hidden = keras.layers.Dense(128, "leaky_relu", kernel_initializer=start)
        return keras.Sequential([keras.layers.Flatten(), hidden])
    return None


def activations_swapped(layer):
    """Leaky ReLU in the generator, ReLU in the discriminator."""
    if not isinstance(layer, keras.layers.Activation):
        return None
    swap = {"relu": "leaky_relu", "leaky_relu": "relu"}
    return keras.layers.Activation(swap[layer.get_config()["activation"]])


def glorot_start(layer):
    """The usual start of a dense or convolutional layer, from a seed of its own."""
    settings = layer.get_config()
    if "kernel_initializer" not in settings:
        return None
    seed = settings["kernel_initializer"]["config"]["seed"]
    return layer.__class__.from_config(
        settings | {"kernel_initializer": keras.initializers.GlorotUniform(seed)}
    )


def with_exchange(exchange):
    def make(seed):
        return GAN(*(exchanged(network, exchange) for network in networks(seed)), seed=seed)

    return make


def without_tanh(seed):
    generator = dcgan_generator(latents, shape, filters, output_activation=None, seed=seed)
    return GAN(generator, dcgan_discriminator(shape, filters, seed=seed), seed=seed)


designs = {
    "kernel 5, as in the paper": {"make": lambda seed: dcgan(seed, kernel_size=5)},
    "pooling and unpooling": {"make": with_exchange(pooled)},
    "no batch normalisation": {"make": lambda seed: dcgan(seed, batch_norm=False)},
    "normalised at both ends too": {"make": with_exchange(normalised_everywhere)},
    "a dense hidden layer": {"make": with_exchange(with_hidden_dense)},
    "activations swapped": {"make": with_exchange(activations_swapped)},
    "no tanh at the end": {"make": without_tanh},
    "Glorot's start": {"make": with_exchange(glorot_start), "model": base_model},
    "Adam with $\\beta_1 = 0.9$": {"make": dcgan, "optimizer": lambda: adam(beta_1=0.9)},
}
models, outcomes = {}, {"DCGAN": base}
for name, options in designs.items():
    models[name], outcomes[name] = runs(watch=False, **options)
models["DCGAN"] = base_model


# %% tags=["hide"]
def ends(name):
    return np.array([run["frechet"] for run in outcomes[name]])


def ratio_to_base(name, level=0.95):
    """Ratio of geometric means of Frechet distances, with Welch's interval."""
    test = stats.ttest_ind(np.log(ends(name)), np.log(base_ends), equal_var=False)
    low, high = test.confidence_interval(level)
    middle = np.log(ends(name)).mean() - np.log(base_ends).mean()
    return math.exp(middle), math.exp(low), math.exp(high)


def marks_between(low, high):
    """Round numbers for a logarithmic axis."""
    return [m for m in (0.5, 1, 2, 3, 5, 10, 20, 50, 100, 200) if low < m < high]


ratios = {name: ratio_to_base(name) for name in designs}
failures = {name: sum(map(failed, results)) for name, results in outcomes.items()}

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(7.2, 3.9))
    for place, results in enumerate(outcomes.values()):
        for fell in (False, True):
            points = [run["frechet"] for run in results if failed(run) == fell]
            style = {"color": plots.VERMILION if fell else plots.BLUE, "marker": "sx"[fell]}
            axis.plot(points, [place] * len(points), linestyle="", markersize=7, **style)
    axis.axvline(limit / 2, color=plots.MUTED, linewidth=1)
    axis.axvline(limit, color=plots.MUTED, linewidth=1, linestyle="--")
    axis.set(xscale="log", xlabel="Fréchet distance at the end (squared units of features)")
    axis.set_yticks(range(len(outcomes)), list(outcomes))
    axis.invert_yaxis()
    marks = marks_between(*axis.get_xlim())
    axis.set_xticks(marks, [f"{m:g}" for m in marks])
    axis.minorticks_off()
book.figure(
    figure,
    "choices",
    "Every run of every design; crosses are runs that failed. The full line is the median of "
    "the DCGAN's runs, the dashed one twice that.",
    alt="Ten rows of points on a logarithmic axis, one for each design.",
)
shown = list(outcomes)
pictures = []
for name in shown:
    models[name].set_weights(outcomes[name][0]["weights"])
    pictures.append(models[name].sample(12, seed=1).numpy())
book.figure(
    picture_rows([*pictures, test_x[:12]], labels=[*shown, "test images"]),
    "designs",
    "Twelve samples of the first run of each design, not selected, and test images.",
    alt="Eleven rows of twelve small images of digits.",
)

# %% tags=["hide"]
book.table(
    [
        [
            name,
            mean_error(ends(name)),
            "" if name == "DCGAN" else "{:.2f} ({:.2f} to {:.2f})".format(*ratios[name]),
            mean_error([run["entropy"] for run in results]),
            f"{failures[name]} of {num_seeds}",
        ]
        for name, results in outcomes.items()
    ],
    ["design", "Fréchet distance", "ratio to DCGAN", "class entropy (nats)", "failed"],
    f"{num_seeds} seeds each, {parts * steps:,} moves; mean ± one standard error over seeds. The "
    "ratio is one of geometric means, with Welch's 95 % interval.",
    name="choices",
)
worse = [name for name, (_, low, _) in ratios.items() if low > 1]
better = [name for name, (_, _, high) in ratios.items() if high < 1]
unclear = [name for name in designs if name not in worse + better]
strict = {name: ratio_to_base(name, 1 - 0.05 / len(designs)) for name in designs}
surely = [name for name, (_, low, high) in strict.items() if low > 1 or high < 1]
fallen = [f"*{name}* ({count} of {num_seeds})" for name, count in failures.items() if count]


def in_italics(names):
    return listed([f"*{name}*" for name in names])


wide, narrow = (
    models[name].discriminator.count_params() for name in ("a dense hidden layer", "DCGAN")
)
book.say(
    "Worse than the DCGAN, by the interval of @table:choices: "
    f"{in_italics(worse)}. Better: {in_italics(better)}. Not settled by {num_seeds} seeds: "
    f"{in_italics(unclear)}. With {len(designs)} intervals of 95 %, one may well miss by chance; "
    f"with intervals wide enough for all {len(designs)} at once (each of "
    f"{1 - 0.05 / len(designs):.1%}), what remains different is {in_italics(surely)}. Runs that "
    f"failed, by the rule: {listed(fallen)}. (The limit is sharp and runs may lie next to it: "
    "@fig:choices.) An interval that contains 1 does not say that a "
    f"choice is useless, only that {num_seeds} seeds cannot tell its effect from none; how large "
    "it may be, the interval says. "
    "Some designs change more than one thing: without batch normalisation the small start that "
    "relies on it stays; the dense layer takes the discriminator from "
    f"{narrow:,} parameters to {wide:,}, {wide / narrow:.0f} times as many, and its new layers "
    "start from larger weights and are not normalised; pooling comes with kernels of side 3 in "
    "place of 4, and unpooling computes its convolutions at twice the side."
)
most = max(ratios, key=lambda name: ratios[name][0])
usual_adam = "Adam with $\\beta_1 = 0.9$"
adam_lesson = (
    " So Adam alone does not keep the game stable at this learning rate: with its usual momentum "
    "it is worse. Whether another optimiser would do was not tried."
    if ratios[usual_adam][1] > 1
    else ""
)
book.box(
    "notes",
    "What the notes say: nothing new in the algorithm, some techniques such as leaky ReLU",
    f"""
    The loss is indeed the old one. But the networks decide whether its game can be played, and
    which part of them matters can be measured. With ReLU and leaky ReLU exchanged the Fréchet
    distance is {ratios["activations swapped"][0]:.2f} times that of the DCGAN (95 % interval
    {ratios["activations swapped"][1]:.2f} to {ratios["activations swapped"][2]:.2f}) and
    {failures["activations swapped"]} of {num_seeds} runs fail; with *{most}* it is
    {ratios[most][0]:.2f} times ({ratios[most][1]:.2f} to {ratios[most][2]:.2f}), and
    {failures[most]} of {num_seeds} fail. Another note says that batch normalisation and Adam
    are there for stability. Without batch normalisation the distance is
    {ratios["no batch normalisation"][0]:.2f} times that of the DCGAN
    ({ratios["no batch normalisation"][1]:.2f} to {ratios["no batch normalisation"][2]:.2f}), with
    {failures["no batch normalisation"]} of {num_seeds} runs failed; Adam with its usual
    $\\beta_1 = 0.9$ gives {ratios[usual_adam][0]:.2f} times ({ratios[usual_adam][1]:.2f} to
    {ratios[usual_adam][2]:.2f}), with {failures[usual_adam]} of {num_seeds}
    failed.{adam_lesson}
    """,
)

# %% [markdown]
# Is a checkerboard left after training? The same two numbers as for untrained generators, now for
# samples, and for data.


# %% tags=["hide"]
def contrast(images):
    """As for untrained generators, of the variance over images."""
    return place_ratio(images - images.mean(axis=0))


of_tests, patterns = np.array([contrast(test_x), across_to_within(test_x)]), {}
pattern_rows = [["test images", *[f"{value:.2f}" for value in of_tests]]]
for name in ("DCGAN", "kernel 5, as in the paper", "pooling and unpooling"):
    found = []
    for run in outcomes[name]:
        models[name].set_weights(run["weights"])
        drawn = models[name].sample(num_samples, seed=2).numpy()
        found.append([contrast(drawn), across_to_within(drawn)])
    patterns[name] = np.array(found).T
    pattern_rows.append([name, *map(mean_error, patterns[name])])
book.table(
    pattern_rows,
    ["images", "variance by place, largest / smallest", "differences, across / within blocks"],
    f"Trained generators, {num_samples:,} samples, mean ± one standard error over {num_seeds} "
    "seeds.",
    name="patterns",
)
left = [
    name
    for name, (places, _) in patterns.items()
    if places.mean() - of_tests[0] > 2 * error(places)
]
farthest = max(np.abs(found.mean(axis=1) - of_tests).max() for found in patterns.values())
book.say(
    f"In the test images the two numbers are {of_tests[0]:.2f} and {of_tests[1]:.2f}"
    + (
        ": in so small data every place has its own meaning, and 1 is not the goal. "
        if side == 8
        else ". "
    )
    + f"From those the means of the trained generators differ by at most {farthest:.2f} "
    f"(@table:patterns). More contrast by place than the data, by two standard errors: "
    f"{in_italics(left)}. (The first number cannot be below 1.)"
)
# %% [markdown]
# ## What the noise has learned
#
# A generator turns 16 or 64 independent normal numbers into a digit. Nobody said what each number
# should mean. Two tests of the paper: walk from one point of the noise to another, and calculate
# with points. The DCGAN's run with the smallest Fréchet distance serves.
#
# **Walking.** The obvious path from $z_a$ to $z_b$ is the straight line $(1 - t)\, z_a + t\, z_b$.
# It leads through places where hardly any draw lies. If $z_a$ and $z_b$ are independent draws from
# $\mathcal{N}(0, I)$, each coordinate of the line at $t$ has the variance $(1 - t)^2 + t^2$, one
# half in the middle. With $L$ noise variables, $|z|^2$, which is $L$ on average for a draw, is $L /
# 2$ there, and in many dimensions hardly any draw is so short. On a quarter circle,
#
# $$
# z(\varphi) = \cos \varphi\; z_a + \sin \varphi\; z_b, \qquad 0 \le \varphi \le \pi / 2 ,
# $$
#
# the variance is $\cos^2 \varphi + \sin^2 \varphi = 1$ everywhere: each point of this path is
# itself a draw from $\mathcal{N}(0, I)$.

# %%
best_run = min(base, key=lambda run: run["frechet"])
base_model.set_weights(best_run["weights"])
rng = np.random.default_rng(8)
z_a, z_b = rng.standard_normal((2, num_samples, latents)).astype("float32")
half = math.pi / 4
walked = {
    "draw": z_a,
    "middle of the line": (z_a + z_b) / 2,
    "middle of the quarter circle": math.cos(half) * z_a + math.sin(half) * z_b,
}
walk_scores = {name: judged(base_model.generate(z).numpy()) for name, z in walked.items()}
angles = np.linspace(0, math.pi / 2, 12)[:, None].astype("float32")
paths = [base_model.generate(np.cos(angles) * z_a[k] + np.sin(angles) * z_b[k]) for k in range(4)]
drawn = base_model.generate(z_a).numpy()
fine = np.linspace(0, math.pi / 2, 51)[:, None].astype("float32")
largest = []  # step of a walk of 50 steps, as a share of its length
for k in range(100):
    walk = base_model.generate(np.cos(fine) * z_a[k] + np.sin(fine) * z_b[k]).numpy()
    lengths = np.linalg.norm(np.diff(walk, axis=0).reshape(50, -1), axis=1)
    largest.append(lengths.max() / lengths.sum())
(to_data, _), (test_to_data, _) = (
    nearest_neighbours(images, train_x) for images in (drawn, held_out)
)

# %% tags=["fold"]
book.figure(
    picture_rows(paths),
    "walks",
    "Four walks on a quarter circle between two draws of the noise, not selected; $\\varphi$ from "
    "0 (left) to $\\pi / 2$ (right).",
    alt="Four rows of twelve digits, each changing step by step from the first to the last.",
)

# %% tags=["hide"]
book.table(
    [
        [
            name,
            f"{np.mean((z**2).sum(axis=1)):.1f}",
            f"{walk_scores[name]['frechet']:.2f}",
            f"{walk_scores[name]['entropy']:.2f}",
        ]
        for name, z in walked.items()
    ],
    ["noise", r"mean of $\lvert z \rvert^2$", "Fréchet distance", "class entropy (nats)"],
    f"{num_samples:,} images each, from one run of the DCGAN ({latents} noise variables).",
    name="walks",
)
middle, arc, plain = (
    walk_scores[name]["frechet"]
    for name in ("middle of the line", "middle of the quarter circle", "draw")
)
book.say(
    f"Images from the middle of a line have {middle / plain:.2f} times the Fréchet distance of "
    f"draws, those from the middle of a quarter circle {arc / plain:.2f} times (@table:walks). Do "
    "walks jump? If 50 steps were equally long in pixels, each would be 2 % of the walk; the "
    f"largest is {np.median(largest):.1%} (median of 100 walks, worst "
    f"{np.max(largest):.1%}){', so they do not jump' if np.median(largest) < 0.05 else ''}. "
    "Between two digits there are forms that are no digits (@fig:walks), and that must be so if "
    "no legible digits lead from one class to another: a continuous function of a connected space "
    "leaves no gaps, so a generator spends some noise on the way from one class to another. The "
    "paper takes smooth walks as a sign against copying. It is no proof: the generator with "
    "partners of chapter 7 had its images by heart and mixed them in between. Another test is the "
    "distance from a sample to the nearest training image. Its median is "
    f"{np.median(to_data):.2f}, against {np.median(test_to_data):.2f} for unseen images: "
    + (
        "most samples are not copies pixel by pixel."
        if np.median(to_data) > np.median(test_to_data)
        else "nearer than unseen images, as smooth pictures may be too; a copier would be near "
        "zero."
    )
)

# %% [markdown]
# **Calculating.** The paper's famous picture: the noise of *smiling woman*, minus *neutral woman*,
# plus *neutral man*, gives a smiling man. Each of the three is a mean of three $z$ whose images
# were found to show it, because single ones did not do. There is a plain reason to think that three
# is a good number. The mean of $n$ draws has variance $1 / n$ per coordinate; a sum of three
# independent such means has $3 / n$. With $n = 3$ this is 1, the variance that the generator is
# used to; with $n = 1$ the sum is too long by $\sqrt{3}$, and with large $n$ all is near zero.
# (Selection by a concept changes this, the more the larger $n$: what the draws have in common does
# not average out.)
#
# For digits we ask for thickness: *thick a*, minus *thin a*, plus *thin b*, which should be a thick
# $b$. The classifier says which digit an image shows, the mean grey level how much ink; thick and
# thin are the upper and lower third of the samples of a class. A result is right if it is a $b$
# with more ink than the median $b$. Random pairs $a \ne b$, all runs of the DCGAN.


# %%
def concepts(model, count=5_000):
    """Noise of samples; of every class the rows of thin, thick and all ones, and the median ink."""
    z = np.random.default_rng(1).standard_normal((count, latents)).astype("float32")
    images = unit(np.concatenate([model.generate(part).numpy() for part in np.split(z, 10)]))
    classes, ink = judge.classes(images), images.mean(axis=(1, 2))
    rows, medians = {}, {}
    for digit in range(10):
        own = np.flatnonzero(classes == digit)
        own = own[np.argsort(ink[own])]
        third, medians[digit] = len(own) // 3, np.median(ink[own]) if len(own) else 0.0
        rows[digit] = {"thin": own[:third], "thick": own[len(own) - third :], "random": own}
    usable = [digit for digit in range(10) if len(rows[digit]["thin"]) >= 30]
    return z, rows, medians, usable


def calculated(model, known, averaged, trials=500):
    """Shares of right results: digit, ink, both, and both of two controls; mean |z|^2."""
    z, rows, medians, usable = known
    rng = np.random.default_rng(2)
    results, undirected, plain, wanted = [], [], [], []

    def mean_of(digit, kind):
        return z[rng.choice(rows[digit][kind], averaged)].mean(axis=0)

    for _ in range(trials):
        a, b = rng.choice(usable, 2, replace=False)
        plain.append(mean_of(b, "thin"))
        results.append(mean_of(a, "thick") - mean_of(a, "thin") + plain[-1])
        undirected.append(mean_of(a, "random") - mean_of(a, "random") + plain[-1])
        wanted.append(b)
    wanted, at_least = np.array(wanted), np.array([medians[b] for b in wanted])
    shares = []
    for points in (results, undirected, plain):
        images = unit(model.generate(np.array(points)).numpy())
        digit, ink = judge.classes(images) == wanted, images.mean(axis=(1, 2)) > at_least
        shares.append((digit.mean(), ink.mean(), (digit & ink).mean()))
    length = np.mean(np.sum(np.array(results) ** 2, axis=1))
    return (*shares[0], shares[1][2], shares[2][2], length)


averages = (1, 3, 10, 30)
arithmetic = {n: [] for n in averages}
for run in base:
    base_model.set_weights(run["weights"])
    known = concepts(base_model)
    if run is best_run:
        best_known = known
    if len(known[-1]) > 1:  # classes to choose from
        for n in averages:
            arithmetic[n].append(calculated(base_model, known, n))

# %% tags=["fold"]
base_model.set_weights(best_run["weights"])
z, rows, _, usable = best_known
rng = np.random.default_rng(3)
columns = []
for _ in range(10):
    a, b = rng.choice(usable, 2, replace=False)
    terms = [("thick", a), ("thin", a), ("thin", b)]
    means = [z[rng.choice(rows[digit][kind], 3)].mean(axis=0) for kind, digit in terms]
    columns.append([*means, means[0] - means[1] + means[2]])
columns = np.moveaxis(np.array(columns, "float32"), 1, 0)
book.figure(
    picture_rows(
        [base_model.generate(row).numpy() for row in columns],
        labels=("thick a", "− thin a", "+ thin b", "= thick b?"),
    ),
    "arithmetic",
    "Ten random calculations with means of three points each, one run. The first three rows show "
    "the images of the means themselves.",
    alt="Four rows of ten digits: thick ones, thin ones of the same class, thin ones of another "
    "class, and the results.",
)

# %% tags=["hide"]
by_count = {n: np.array(found).T for n, found in arithmetic.items()}
book.table(
    [
        [
            f"{n}",
            f"{found[5].mean():.1f}",
            *(mean_error(100 * found[k], ".0f") for k in range(5)),
        ]
        for n, found in by_count.items()
    ],
    [
        "points per mean",
        r"mean of $\lvert z \rvert^2$",
        "is a b (%)",
        "has ink (%)",
        "both (%)",
        "both, undirected (%)",
        "both, *thin b* alone (%)",
    ],
    f"500 calculations in each of {num_seeds} runs, mean ± one standard error over runs. Two "
    "controls: *random a* minus *random a* plus *thin b*, means of as many points; and the mean of "
    "*thin b* with nothing added, which has little ink by choice.",
    name="arithmetic",
)
best_count = max(averages, key=lambda n: by_count[n][2].mean())
by_direction = by_count[3][2] - by_count[3][3:5].max(axis=0)  # paired over runs
helps = by_direction.mean() > 2 * error(by_direction)
verdict = (
    "Sometimes, with a rate of success that a figure of chosen examples does not show."
    if helps
    else "Hardly, here: the calculation is not clearly better than those without a direction."
)
best_leads = listed(
    [
        f"{mean_error(100 * (by_count[best_count][2] - by_count[n][2]), '+.0f')} points before {n}"
        for n in averages
        if n != best_count
    ]
)
no_wish = (
    " And $z$ was never asked for such directions: they are those in which a smooth function "
    "happens to change the ink."
    if helps
    else ""
)
book.box(
    "notes",
    "What the notes say: vectors of images can be calculated with, like word vectors",
    f"""
    {verdict} With means of three points, as in the paper, {mean_error(100 * by_count[3][2], ".0f")}
    % of the results are right in digit and ink, against
    {mean_error(100 * by_count[3][3], ".0f")} % where what is added has about the same length and no
    direction, and {mean_error(100 * by_count[3][4], ".0f")} % where nothing is added; with single
    points {mean_error(100 * by_count[1][2], ".0f")} % (@table:arithmetic). Of the counts tried
    {best_count} has the highest mean ({best_leads}, paired over runs). The sums of fewer points are
    longer, so this does not say whether averaging or length makes the difference.{no_wish}
    """,
)
# %% [markdown]
# ## A distance with a slope
#
# Chapter 7 found what a generator minimises if its discriminator is perfect: $2\, \mathrm{JSD}(p,
# p_g) - \log 4$. Now let data and samples lie on sets that do not meet. Take two parallel lines in
# the plane: data $x = (0, u)$, samples $y = (\theta, u)$, with $u$ uniform. On the two lines taken
# together, let $p$ be the density of the data along the lines (zero on the second) and $q$ that of
# the samples (zero on the first), and $m = (p + q) / 2$. Where $p > 0$ we have $q = 0$, so $p / m =
# 2$, and the other way round:
#
# $$
# \mathrm{JSD} = \tfrac{1}{2}\, \mathbb{E}_p \Big[ \log \frac{p}{m} \Big] + \tfrac{1}{2}\,
# \mathbb{E}_q \Big[ \log \frac{q}{m} \Big] = \tfrac{1}{2} \log 2 + \tfrac{1}{2} \log 2 = \log 2
# \qquad (\theta \ne 0),
# $$
#
# and zero at $\theta = 0$. The best discriminator is 1 on one line and 0 on the other, and nothing
# in its value says whether the lines are a mile apart or a hair. The divergence is constant, so its
# slope is zero; at the goal it falls off a cliff. (The KL divergences are infinite.) The example is
# not far-fetched: a generator with $L$ noise variables paints a sheet of at most $L$ dimensions
# into a space of 64 or 784, data are thought to lie near another, and two sheets in so large a
# space hardly ever meet in more than a thin set.
#
# ### The cost of moving
#
# Think of $p$ as a heap of earth and of $q$ as a hole. A plan of transport is a joint distribution
# $\gamma(x, y)$ with marginals $p$ and $q$: how much goes from $x$ to $y$. The **Wasserstein-1** or
# earth mover's distance is the smallest mean distance:
#
# $$
# W_1(p, q) = \inf_{\gamma} \mathbb{E}_{(x, y) \sim \gamma} \big[ |x - y| \big] .
# $$
#
# (The infimum, inf, is the largest lower bound; here it is a minimum.)
#
# - *Two points*, $0$ and $\theta$: there is only one plan, and $W_1 = |\theta|$.
# - *Two parallel lines*: in every plan the first coordinate changes by $\theta$, so every way is at
#   least $|\theta|$ long; straight across it is no longer. So $W_1 = |\theta|$.
# - *A shifted density*, $q(x) = p(x - \theta)$: the shift itself is a plan, of cost $|\theta|$; no
#   plan is cheaper, as $\mathbb{E}|x - y| \ge |\mathbb{E}[x] - \mathbb{E}[y]| = |\theta|$.
#
# In these examples $W_1$ has the slope 1 however far $q$ is. (Not always: if half of the data lies
# at $-1$ and half at 1, all samples at one point $\theta$ between them have $W_1 = \frac{1}{2} (1 +
# \theta) + \frac{1}{2} (1 - \theta) = 1$, with slope zero.) The JSD of two normal densities of
# standard deviation $s$ has a slope too, as long as they overlap noticeably.


# %%
def js_divergence(theta, s):
    """Of N(0, s^2) and N(theta, s^2), by quadrature."""

    def integrand(x):
        # log(2 p / (p + q)) = log 2 - log(1 + q / p); the other half is its mirror image.
        log_ratio = (2 * x * theta - theta**2) / (2 * s**2)
        return stats.norm.pdf(x, 0, s) * (math.log(2) - np.logaddexp(0, log_ratio))

    return integrate.quad(integrand, -9 * s, 9 * s, epsabs=1e-12, limit=200)[0]


shifts = np.linspace(0, 2, 81)
widths = (0.5, 0.2, 0.05)
exact_js = {s: np.array([js_divergence(shift, s) for shift in shifts]) for s in widths}

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2))
    axes[0].plot(shifts, shifts, color=plots.INK, label="$W_1$, every s")
    axes[1].plot(shifts[1:], np.ones(80), color=plots.INK)
    for s, line in zip(widths, ("-", "--", ":"), strict=True):
        axes[0].plot(shifts, exact_js[s], line, label=f"JSD, s = {s:g}")
        slopes = np.gradient(exact_js[s], shifts)
        axes[1].plot(shifts[1:], np.maximum(slopes[1:], 1e-12), line)
    axes[0].axhline(math.log(2), color=plots.MUTED, linewidth=1)
    axes[0].annotate("log 2", (2, math.log(2)), xytext=(0, 3), textcoords="offset points",
                     ha="right", fontsize=8)  # fmt: skip
    axes[0].set(xlabel="shift θ", ylabel="distance, or nats")
    axes[0].legend(fontsize=8)
    axes[1].set(xlabel="shift θ", ylabel="slope in θ", yscale="log", ylim=(1e-6, 20))
figure.align_labels()
book.figure(
    figure,
    "distances",
    "Two normal densities of standard deviation $s$, one shifted by $\\theta$: their "
    "Jensen-Shannon divergence and their Wasserstein distance (left), and the slopes of both "
    "(right, logarithmic).",
    alt="Left: a straight line, and three curves that rise and stay at log 2. Right: a constant, "
    "and three curves that fall ever more steeply.",
)

# %% tags=["hide"]
at = int(np.searchsorted(shifts, 1.0))
slopes_at_one = {s: np.gradient(exact_js[s], shifts)[at] for s in widths}
shown_slopes = [
    f"{number(slope, '.2g') if slope > 1e-9 else 'zero to nine digits'} (s = {s:g})"
    for s, slope in slopes_at_one.items()
]
book.say(
    f"At $\\theta = 1$ the slope of the divergence is {listed(shown_slopes)}; that of $W_1$ is 1 "
    "for all (@fig:distances). A remedy that stays with the JSD is to make $s$ larger, with noise "
    "on all that the discriminator sees (`instance_noise` of the library's `GAN`). The Wasserstein "
    "distance needs no such help."
)

# %% [markdown]
# ### The dual: a critic
#
# The infimum over plans needs all points of both sides at once, anew after every move of $G$. There
# is a second form, a maximum over functions, called the *dual*, which can be raised with batches.
# Call $f$ **1-Lipschitz** if $f(x) - f(y) \le |x - y|$ for all $x$, $y$: its slope is nowhere above
# 1. The theorem of Kantorovich and Rubinstein says, for $p$ and $q$ with finite means,
#
# $$
# W_1(p, q) = \sup_{f \text{ 1-Lipschitz}} \mathbb{E}_{p}[f(x)] - \mathbb{E}_{q}[f(y)] .
# $$
#
# *The easy half.* For every 1-Lipschitz $f$ and every plan $\gamma$, since $\gamma$ has the
# marginals $p$ and $q$,
#
# $$
# \mathbb{E}_{p}[f(x)] - \mathbb{E}_{q}[f(y)] = \mathbb{E}_{\gamma}[f(x) - f(y)] \le
# \mathbb{E}_{\gamma}\big[|x - y|\big] ,
# $$
#
# so the supremum is at most the infimum. Why the condition on $f$ is needed is plain from here:
# without it $f$ could be multiplied by a million.
#
# *The other half, on a line.* Let $F_p$ and $F_q$ be the distribution functions. The plan that
# joins equal quantiles, $x = F_p^{-1}(u)$ and $y = F_q^{-1}(u)$, costs $\int_0^1 |F_p^{-1}(u) -
# F_q^{-1}(u)|\, \mathrm{d}u = \int |F_p(x) - F_q(x)|\, \mathrm{d}x$, since both are the area
# between the two graphs. The function $f$ with slope $f' = \operatorname{sign}(F_q - F_p)$ is
# 1-Lipschitz and reaches the same number: integrating by parts (at both ends $f \cdot (F_p - F_q)
# \to 0$ if the means are finite),
#
# $$
# \int f\, (p - q)\, \mathrm{d}x = -\int f'\, (F_p - F_q)\, \mathrm{d}x = \int |F_p - F_q|\,
# \mathrm{d}x .
# $$
#
# A plan and a function with the same value: by the easy half neither can be improved, so both are
# the best, and $W_1 = \int |F_p - F_q|$. For finitely many points in any dimension the
# theorem is the duality of linear programs. The dual of the program for the plan has numbers $u_i$,
# $v_j$ with $u_i - v_j \le |x_i - y_j|$. The function $f(x) = \min_j [v_j + |x - y_j|]$ is
# 1-Lipschitz, $f(x_i) \ge u_i$ and $f(y_j) \le v_j$, so it reaches at least as much. For densities
# see Villani. Six points against six points in the plane, with random weights: one program for the
# plan, one for the function's twelve values.

# %%
rng = np.random.default_rng(0)
points = rng.standard_normal((12, 2))
mass = np.concatenate([rng.dirichlet(np.ones(6)), -rng.dirichlet(np.ones(6))])  # p, minus q
ways = np.linalg.norm(points[:, None] - points, axis=-1)
rows_then_columns = np.concatenate([np.kron(np.eye(6), np.ones(6)), np.tile(np.eye(6), 6)])
plan = linprog(ways[:6, 6:].ravel(), A_eq=rows_then_columns, b_eq=np.abs(mass))
differences = np.array([np.eye(12)[i] - np.eye(12)[j] for i in range(12) for j in range(12)])
dual = linprog(-mass, A_ub=differences, b_ub=ways.ravel(), bounds=(None, None))

# %% tags=["hide"]
moved = plan.x.reshape(6, 6) > 1e-9
drops = (dual.x[:6, None] - dual.x[6:])[moved]
oracle = stats.wasserstein_distance_nd(points[:6], points[6:], mass[:6], -mass[6:])
book.say(
    f"The best plan costs {plan.fun:.8f}, the best function reaches {-dual.fun:.8f}, and SciPy's "
    f"own distance is {oracle:.8f}. The plan uses {moved.sum()} of 36 routes, and along each of "
    "these the function falls by the length of the route, to within "
    f"{number(max(np.abs(drops - ways[:6, 6:][moved]).max(), 1e-16), '.0e')}."
)

# %% [markdown]
# That last observation is general, and it will be of use. Let $\gamma$ be a best plan and $f$ a
# best function, smooth where we need it. Equality in the easy half forces $f(x) - f(y) = |x - y|$
# for (almost) every pair that the plan joins. Take a point $x_t = x + t\, (y - x)$ on the way. The
# two parts of the fall obey $f(x) - f(x_t) \le t\, |x - y|$ and $f(x_t) - f(y) \le (1 - t)\, |x -
# y|$; as they add up to $|x - y|$, both must be equalities. So **$f$ falls with slope exactly 1
# all along the way from $x$ to $y$**, and since no slope of $f$ is above 1, its gradient there is
# the unit vector from $y$ to $x$: the critic tells each sample which way its data lie.
#
# ### A GAN of it
#
# Replace "all 1-Lipschitz functions" by a network $f_w$, a **critic** rather than a discriminator
# since it returns no probability. It raises $\mathbb{E}[f_w(x)] - \mathbb{E}[f_w(G(z))]$; the
# generator lowers it. Apart from the condition on $f$, only the objective differs from chapter 7:

# %%
book.source(Wasserstein)

# %% [markdown]
# If $f^*$ is the best function for the present generator, the gradient of $W_1$ with respect to the
# generator's weights is the gradient of $-\mathbb{E}[f^*(G(z))]$ with $f^*$ held fixed: at a
# maximum over $f$, a small change of $f$ does not change the value (the envelope theorem). So the
# critic should be near its best before the generator moves, and it gets several moves for one of
# the generator.
#
# Now the two lines, with networks. The generator is one fixed layer, $G(z) = (\theta, z)$, and both
# kinds of judge are trained against it from scratch for each $\theta$: the discriminator of a GAN,
# and a critic that is held to slope 1 by a penalty, which is explained below. Then we read off the
# distance that each reports, $(V + \log 4) / 2$ or the critic's value, and the slope with respect
# to $\theta$ that each sends to the generator.


# %%
class Alone:
    """Trains the discriminator of a GAN against a generator that stands still."""

    def __init__(self, model, x, rate=5e-3, jit_compile=True):
        self.model, self.x = model, tf.constant(x)
        self.move = tf.function(self.moves, jit_compile=jit_compile, autograph=False)
        self.variables = model.player_variables("discriminator")
        self.optimizer = keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.9)
        self.optimizer.build(self.variables)
        self.start = model.discriminator.get_weights()

    def moves(self, count):
        def one(k):
            with tf.GradientTape() as tape:
                losses, _ = self.model.play("discriminator", self.x, None, [k, 0], True)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, [v.value for v in self.variables])
            self.optimizer.apply(gradients, self.variables)
            self.model.moved("discriminator")
            return k + 1

        tf.while_loop(lambda k: k < count, one, [tf.constant(0)])

    def train(self, steps, afresh=True):
        if afresh:
            self.model.discriminator.set_weights(self.start)
            for variable in self.optimizer.variables:
                if variable.name != "learning_rate":
                    variable.assign(tf.zeros_like(variable.value))
        self.move(tf.constant(steps))
        return self

    def value(self):
        _, figures = self.model.play("discriminator", self.x, None, [0, 1], False)
        return float(tf.reduce_mean(figures["value"]))

    def slope(self, objective, variable):
        """Of a generator's loss with respect to one of its variables."""
        z = self.model.prior.distribution().sample(len(self.x), seed=tf.constant([0, 2]))
        with tf.GradientTape() as tape:
            tape.watch(variable.value)
            fake = self.model.discriminator(self.model.generator(z))[:, 0]
            loss = tf.reduce_mean(objective.generator_loss(fake))
        return tape.gradient(loss, variable.value).numpy()


def line_generator():
    generator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    generator.layers[0].set_weights([np.array([[0.0, 1.0]]), np.zeros(2)])
    return generator


on_line = np.stack([np.zeros(256), np.linspace(-1, 1, 256)], axis=1).astype("float32")
judges = {}
for name, kind in (("GAN", GAN), ("WGAN-GP", WGANGP)):
    critic = dense_discriminator((2,), (64, 64), seed=0)
    judges[name] = Alone(kind(line_generator(), critic, prior=Uniform(1), seed=0), on_line)

thetas = np.array([0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0])
objectives = {
    "GAN, minimax": ("GAN", Minimax()),
    "GAN, non-saturating": ("GAN", NonSaturating()),
    "WGAN-GP": ("WGAN-GP", Wasserstein()),
}
reported = {name: [] for name in judges}
sent = {name: [] for name in objectives}
for theta in thetas:
    for name, trainer in judges.items():
        trainer.model.generator.layers[0].bias.assign([theta, 0.0])
        value = trainer.train(300).value()
        reported[name].append((value + math.log(4)) / 2 if name == "GAN" else value)
    for name, (which, objective) in objectives.items():
        bias = judges[which].model.generator.layers[0].bias
        sent[name].append(judges[which].slope(objective, bias)[0])
reported, sent = ({k: np.array(v) for k, v in d.items()} for d in (reported, sent))

# The same with a judge that gets better and better, at a distance of 1.
trained_for = np.array([10, 20, 40, 80, 160, 320, 640])
by_training = {name: [] for name in objectives}
for trainer in judges.values():
    trainer.model.generator.layers[0].bias.assign([1.0, 0.0])
for count, before in zip(trained_for, [0, *trained_for], strict=False):
    for trainer in judges.values():
        trainer.train(int(count - before), afresh=before == 0)
    for name, (which, objective) in objectives.items():
        bias = judges[which].model.generator.layers[0].bias
        by_training[name].append(judges[which].slope(objective, bias)[0])

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.9))
    axes[0].plot(thetas, thetas, color=plots.MUTED, linewidth=1)
    axes[0].axhline(math.log(2), color=plots.MUTED, linewidth=1)
    axes[0].plot(thetas, reported["GAN"], "o-", label="GAN (JSD)")
    axes[0].plot(thetas, reported["WGAN-GP"], "^--", color=plots.GREEN, label="WGAN-GP ($W_1$)")
    axes[0].set(xlabel="distance θ", ylabel="reported distance")
    axes[0].legend(fontsize=8, loc="upper left")
    for name, style, color in zip(objectives, ("o-", "s:", "^--"), plots.PALETTE, strict=False):
        axes[1].plot(thetas[1:], np.abs(sent[name][1:]), style, color=color, label=name)
        axes[2].plot(trained_for, np.abs(by_training[name]), style, color=color, label=name)
    axes[1].set(xlabel="distance θ", ylabel="slope sent", yscale="log")
    axes[2].set(xlabel="moves of the judge", xscale="log", yscale="log")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=3,
                  fontsize=8)  # fmt: skip
book.figure(
    figure,
    "lines",
    "Two parallel lines at a distance $\\theta$. Left: the distance that trained networks report; "
    "thin lines are $W_1 = \\theta$ and $\\log 2$. Middle: the size of the slope in $\\theta$ that "
    "reaches the generator. Right: the same at $\\theta = 1$ while the judge is trained.",
    alt="Left: points along a straight line and points at log 2. Middle and right: the slope of "
    "the minimax loss is far below 1, that of the critic near 1.",
)

# %% tags=["hide"]
far = thetas >= 0.2
gp_off = np.abs(reported["WGAN-GP"] - thetas)[far] / thetas[far]
book.say(
    f"From $\\theta = 0.2$ on the discriminator reports {reported['GAN'][far].min():.3f} to "
    f"{reported['GAN'][far].max():.3f} nats ($\\log 2$ is {math.log(2):.3f}) at every distance. "
    f"The critic's report grows with the distance and is off by at most {gp_off.max():.0%} "
    "(@fig:lines; part of that is the price of the penalty, see below). The "
    f"slope of the minimax loss is at most {number(np.abs(sent['GAN, minimax'][far]).max(), '.0e')}"
    f" there, that of the critic {np.abs(sent['WGAN-GP'][far]).min():.2f} to "
    f"{np.abs(sent['WGAN-GP'][far]).max():.2f}. The non-saturating loss of chapter 7 has a slope, "
    f"{np.abs(sent['GAN, non-saturating'][far]).min():.1f} to "
    f"{np.abs(sent['GAN, non-saturating'][far]).max():.1f}, but it is not one of the distance: its "
    "size is what the network happened to make of the empty space between the lines."
)
by_minimax, by_critic = (np.abs(by_training[name])[::2] for name in ("GAN, minimax", "WGAN-GP"))
book.box(
    "notes",
    "What the notes say: D and G must be about equally good for training to work",
    f"""
    True of the minimax game, and the reason is above, not a law of games. At $\\theta = 1$, after
    {listed([f"{count}" for count in trained_for[::2]])} moves of the discriminator the minimax loss
    sends the slopes {listed([number(v, ".1g") for v in by_minimax])}: the better the judge, the
    less the generator learns. The critic sends {listed([f"{v:.2f}" for v in by_critic])}: it
    settles. It can and should be trained to its best.
    """,
)
# %% [markdown]
# ## Clipping against a penalty
#
# The supremum is over functions of slope at most 1, and a network does not know that. Two ways to
# tell it.
#
# **Clipping** (the first paper): after each move clip all weights of the critic to $[-c, c]$. That
# bounds the slope, but by which number? The derivative of the output with respect to one input is a
# sum over the paths that join them. With $H$ hidden layers of $n$ units there are $n^H$ paths, and
# each contributes a product of $H + 1$ weights and of $H$ slopes of the activation, which are at
# most 1. So
#
# $$
# \Big| \frac{\partial f}{\partial x_1} \Big| \le n^H c^{H + 1} = c\, (c\, n)^H ,
# $$
#
# and this is reached where all weights are $c$ and all units active. The unit in which a clipped
# critic measures is at most $c\,(cn)^H$ for each input: depending on $c n$ it explodes or vanishes
# with depth, and with it the gradient of the generator.
#
# **A penalty** (the second paper): we derived what the best critic looks like, namely that its
# gradient has length 1 along the routes of the best plan. So ask for that: add
#
# $$
# \lambda\, \mathbb{E}_{\hat x} \big[ (|\nabla f(\hat x)| - 1)^2 \big] , \qquad \hat x = t\, x + (1
# - t)\, G(z), \quad t \sim \mathrm{Uniform}(0, 1) ,
# $$
#
# to the critic's loss. Nobody knows the best plan, so $\hat x$ lies between a *random* data point
# and a *random* sample. The slope is that of the critic at one point, so the critic must not have
# batch normalisation, which makes it depend on the whole batch. The library's few lines:

# %%
book.source(WGAN.moved)
book.source(WGANGP._penalty)
book.source(WGANGP._between)

# %% [markdown]
# The penalty is a price and not a fence. On the two lines, let the critic rise with slope $s$ from
# one line to the other. It gets $\theta s - \lambda (s - 1)^2$, which is largest at
#
# $$
# s = 1 + \frac{\theta}{2 \lambda} .
# $$
#
# So between two lines the best penalised critic overstates the distance, by 5 % at $W_1 = 1$ with
# the usual $\lambda = 10$. (In general the penalty also falls on places where the best slope is
# less than 1, and may pull the value down: see the two densities below.) On the lines above, at
# $\theta = 2$, it should report $2\,(1 + 2 / 20) = 2.2$.

# %% tags=["hide"]
priced = thetas * (1 + thetas / 20)
book.say(
    f"It reported {reported['WGAN-GP'][-1]:.3f}. Over all $\\theta$ from 0.2 on the largest "
    "difference from this formula is "
    f"{np.abs(reported['WGAN-GP'] - priced)[far].max():.3f}, that from $\\theta$ itself "
    f"{np.abs(reported['WGAN-GP'] - thetas)[far].max():.3f}."
)

# %% [markdown]
# Two experiments: two points of the plane at a distance of 1, with critics of several depths and
# widths; and two densities whose best critic is known, because they differ in the first coordinate
# only. (The second one is uniform in both. A plan that moves the first coordinate alone is then a
# best one, since a function of the first coordinate alone reaches the same value; so all is as on a
# line.)


# %%
def against(kind, generator, x, hidden, steps, **options):
    """The judge of a GAN after training against a generator that stands still."""
    event = x.shape[1:]
    critic = dense_discriminator(event, hidden, seed=0)
    prior = Uniform(1) if generator.input_shape[-1] == 1 else None
    model = kind(generator, critic, prior=prior, seed=0, **options)
    return Alone(model, x, jit_compile=False).train(steps)


clip = 0.1
units = {}  # of (units, hidden layers): the bound, and what critics report
for width, depth in itertools.product((8, 32), (1, 2, 3)):
    generator, hidden = line_generator(), (width,) * depth
    generator.layers[0].set_weights([np.zeros((1, 2)), np.array([1.0, 0.0])])  # always (1, 0)
    point = np.zeros((32, 2), "float32")
    clipped = against(WGAN, generator, point, hidden, 200, clip_value=clip).value()
    penalised = math.nan if depth == 2 else against(WGANGP, generator, point, hidden, 250).value()
    units[width, depth] = (clip * (clip * width) ** depth, clipped, penalised)

# Two narrow densities at -1.5 and 1.5 against a wide one in the middle; the second is uniform.
rng = np.random.default_rng(0)
pair = rng.uniform(-1, 1, (256, 2))
pair[:, 0] = np.where(np.arange(256) % 2, -1.5, 1.5) + 0.3 * rng.standard_normal(256)
axis_x = np.linspace(-3, 3, 1201)
cdf_p = (stats.norm.cdf(axis_x, -1.5, 0.3) + stats.norm.cdf(axis_x, 1.5, 0.3)) / 2
cdf_q = stats.norm.cdf(axis_x, 0, 0.5)
exact_w1 = np.trapezoid(np.abs(cdf_p - cdf_q), axis_x)
best = integrate.cumulative_trapezoid(np.sign(cdf_q - cdf_p), axis_x, initial=0)


def middle_generator():
    """A normal first coordinate, a uniform second one."""
    z = keras.Input((2,))
    first = keras.ops.stack([0.5 * z[:, 0], keras.ops.erf(z[:, 1] / math.sqrt(2.0))], axis=1)
    return keras.Model(z, first)


critics = {
    "clipped": {"kind": WGAN, "clip_value": clip},
    "penalised": {"kind": WGANGP},
}
curves, steepest, valued = {}, {}, {}
inside = np.abs(axis_x) < 2.2  # where data or samples are
across = np.stack(np.meshgrid(axis_x, np.linspace(-1, 1, 21), indexing="ij"), axis=-1)
for name, options in critics.items():
    trainer = against(
        generator=middle_generator(), x=pair.astype("float32"), hidden=(64, 64), steps=600,
        **options,
    )  # fmt: skip
    surface = trainer.model.discriminate(across.reshape(-1, 2).astype("float32")).numpy()
    surface = surface.reshape(across.shape[:2]).astype("float64")
    lengths = np.hypot(*np.gradient(surface, axis_x, across[0, :, 1]))
    curves[name], steepest[name] = surface.mean(axis=1), lengths[inside].max()
    valued[name] = trainer.value()
    if name == "clipped":
        matrices = [w for w in trainer.model.discriminator.get_weights() if w.ndim > 1]
        weights = np.concatenate([w.ravel() for w in matrices])
at_limit = np.isclose(np.abs(weights), clip, atol=1e-4).mean()

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2))
    axes[0].plot(axis_x, np.gradient(cdf_p, axis_x), label="data")
    axes[0].plot(axis_x, np.gradient(cdf_q, axis_x), "--", label="samples")
    axes[0].set(xlabel="first coordinate", ylabel="density", xlim=(-2.8, 2.8))
    axes[0].legend(fontsize=8)
    middle = len(axis_x) // 2
    axes[1].plot(axis_x, best - best[middle], color=plots.MUTED, linewidth=4, alpha=0.5,
                 label="best")  # fmt: skip
    for (name, curve), style in zip(curves.items(), ("--", "-"), strict=True):
        scaled = (curve - curve[middle]) / steepest[name]
        axes[1].plot(axis_x, scaled, style, label=f"{name}, largest slope set to 1")
    axes[1].set(xlabel="first coordinate", ylabel="critic f", xlim=(-2.8, 2.8))
    axes[1].legend(fontsize=8, loc="upper center")
    axes[1].set_ylim(top=1.6 * axes[1].get_ylim()[1])
book.figure(
    figure,
    "critics",
    "Two densities of the first coordinate (left), and critics between them (right): the best "
    "one, whose slope is the sign of $F_q - F_p$, and two trained ones, averaged over the second "
    "coordinate, divided by the largest length of their gradients and moved to 0 at $x = 0$.",
    alt="Left: a density with two peaks and one with a peak between them. Right: a V-shaped curve "
    "and two curves that follow it more or less.",
)

# %% tags=["hide"]
book.table(
    [
        [f"{width}", f"{depth}", *("" if math.isnan(v) else number(v, ".3f") for v in values)]
        for (width, depth), values in units.items()
    ],
    ["units n", "hidden layers H", "bound $c\\,(cn)^H$", "clipped critic", "penalised critic"],
    f"What critics report for two points at a distance of 1, with $c = {clip}$ and $\\lambda = "
    "10$. The best penalised critic reports 1.05. Empty: not trained.",
    name="units",
)
bounds, clipped_values, penalised_values = np.array(list(units.values())).T
penalised_values = penalised_values[np.isfinite(penalised_values)]
lower = {name: value / steepest[name] / exact_w1 for name, value in valued.items()}
book.say(
    f"The clipped critics report {number(clipped_values.min(), '.3f')} to "
    f"{number(clipped_values.max(), '.2f')} for the same distance, "
    f"{(clipped_values / bounds).min():.0%} to {(clipped_values / bounds).max():.0%} of what the "
    f"bound allows; the penalised ones {penalised_values.min():.2f} to "
    f"{penalised_values.max():.2f} (@table:units). Between the two densities the true distance is "
    f"{exact_w1:.3f}; the penalised critic reports {valued['penalised']:.3f}, the clipped one "
    f"{valued['clipped']:.3f}. A critic divided by its largest slope is 1-Lipschitz where data and "
    "samples are. What it then reports can be compared: "
    f"{lower['penalised']:.0%} of the distance for the penalised one, {lower['clipped']:.0%} for "
    f"the clipped one. Of the clipped critic's weights {at_limit:.0%} sit at $\\pm c$ "
    "(@fig:critics). The paper's reading is that the best way to raise the value is then to be as "
    "steep as possible everywhere."
)

# %% [markdown]
# **A trap in one dimension.** The penalty asks for a slope of *length* 1 and does not mind the
# sign. On a real line, a critic with slope $s < 0$ in the wrong direction gets $\theta s - \lambda
# (|s| - 1)^2$, which has a local maximum at $s = -1 + \theta / (2 \lambda)$ as long as $\theta < 2
# \lambda$; to turn round it must
# pass $s = 0$, where it pays all of $\lambda$. In a plane the gradient can turn on the spot. So do
# not test a penalised critic on one-dimensional data, or take $\lambda$ below half the distance.

# %%
at_one, trapped = np.ones((32, 1), "float32"), {}
for weight in (10.0, 0.1):
    at_zero = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    at_zero.layers[0].set_weights([np.zeros((1, 1)), np.zeros(1)])
    alone = against(WGANGP, at_zero, at_one, (32,), 300, gradient_penalty=weight)
    trapped[weight] = alone.value()

# %% tags=["hide"]
book.say(
    "Two points at a distance of 1 on a line, one hidden layer of 32 units: with $\\lambda = 10$ "
    f"the critic reports {number(trapped[10.0], '.3f')} (at the local maximum it would be −0.95, "
    f"at the other 1.05), with $\\lambda = 0.1$ {number(trapped[0.1], '.2f')} (by the formula for "
    "$s$, 6)."
)
# %% [markdown]
# ### A grid of 25
#
# The example of chapter 7 on which GANs lose modes: 25 narrow normal densities on a grid. The
# recipe `wgan_gp_grid` trains a WGAN-GP on it, beside the GAN and the packed GAN of chapter 7. Its
# networks, its $\lambda = 0.1$ and the five moves of its critic for one of the generator are those
# of the toy problems in the program that its authors published (the paper says $\lambda = 10$), so
# more than the objective differs.

# %% tags=["hide"]
book.recipes(
    [recipe for recipe in gan_modes.RECIPES if recipe.name.endswith("grid")],
    "2,500 samples; a mode counts if a sample lies within three standard deviations of it, and "
    "such samples are the good ones; ± one standard error over three seeds. Published: table 1 of "
    "[arXiv:1712.04086](https://arxiv.org/abs/1712.04086), with four times as many steps.",
    name="grid",
    beside={"good samples": "high_quality", "reverse KL": "reverse_kl"},
)

# %% [markdown]
# What one can expect of a critic of slope 1 is that it feels a missing mode from any distance, and
# that it is slow to punish small errors: a sample that lies a little beside a narrow mode costs
# just the way back (@table:grid).

# %% [markdown]
# ## Does the loss say how good the samples are?
#
# The loss of a GAN is known for saying nothing: both players get better together, and $V$ stays
# where it is. The Wasserstein papers promise a curve that falls as samples improve, since the
# critic's value is a distance. We train both kinds of Wasserstein GAN on the digits, with the
# networks of the DCGAN (no batch normalisation in the critic), and look after each part of the
# training at the value of the loss and at the Fréchet distance, which none of the losses knows.
# (The first paper clips at $c = 0.01$ and takes RMSprop with a learning rate of $5 \times 10^{-5}$,
# because momentum unsettled its critic. For runs this short we clip at 0.05 and give RMSprop half
# the learning rate of the DCGAN.)

# %%
critic_moves = book.setting(default=2, full=5)


def wasserstein(kind, **options):
    def make(seed):
        generator = dcgan_generator(latents, shape, filters, seed=seed)
        critic = dcgan_discriminator(shape, filters, batch_norm=False, seed=seed)
        return kind(generator, critic, discriminator_steps=critic_moves, seed=seed, **options)

    return make


kinds = {"GAN": (base_model, base)}
kinds["WGAN, clipping"] = runs(
    wasserstein(WGAN, clip_value=0.05),
    optimizer=lambda: keras.optimizers.RMSprop(rate / 2),
    reads=critic_moves,
    jit_compile=quick,
)
kinds["WGAN-GP"] = runs(
    wasserstein(WGANGP),
    optimizer=lambda: adam(beta_2=0.9),
    reads=critic_moves,
    jit_compile=quick,
)


# %% tags=["hide"]
def curve_of(run, name):
    return np.array(run["history"][name])


def rank_correlations(results, start=0):
    """Spearman's, between the reported value and the Frechet distance, one for each run."""
    pairs = ((curve_of(run, "value")[start:], curve_of(run, "frechet")[start:]) for run in results)
    return np.array([stats.spearmanr(*pair).statistic for pair in pairs])


tracking = {name: rank_correlations(results) for name, (_, results) in kinds.items()}
late = {name: rank_correlations(results, parts // 2) for name, (_, results) in kinds.items()}

# %% tags=["fold"]
reached = [curve_of(run, "frechet") for _, results in kinds.values() for run in results]
lowest, highest = np.min(reached) / 1.2, np.max(reached) * 1.2
marks, moves = marks_between(lowest, highest), steps * np.arange(1, parts + 1)
with plots.style():
    figure, axes = plt.subplots(3, 3, figsize=(7.2, 7.2))
    for column, (name, (_, results)) in zip(axes.T, kinds.items(), strict=True):
        for run, marker, color in zip(results, "os^DP", plots.PALETTE, strict=False):
            value, distance = curve_of(run, "value"), curve_of(run, "frechet")
            lines = ((moves, value), (moves, distance), (value, distance))
            for axis, line in zip(column, lines, strict=True):
                axis.plot(*line, marker + "-", color=color, linewidth=0.8, markersize=4)
            column[2].plot(value[-1], distance[-1], marker, color=color, markersize=9,
                           markerfacecolor="none")  # fmt: skip
        for axis in column[1:]:
            axis.set(yscale="log", ylim=(lowest, highest))
            axis.set_yticks(marks, [f"{m:g}" for m in marks])
            axis.minorticks_off()
        column[0].set(title=name, xlabel="moves of G")
        column[1].set(xlabel="moves of G")
        column[2].set(xlabel="value reported")
    for axis, label in zip(axes[:, 0], ("value reported", *["Fréchet distance"] * 2), strict=True):
        axis.set(ylabel=label)
book.figure(
    figure,
    "tracking",
    "What the judge reports (nats for the GAN) and the Fréchet distance of the samples, after each "
    f"{steps} moves of the generator (the value is the mean over these): each against the moves, "
    "and below one against the other. One line per seed; below, its end is marked. A loss that "
    "tracks quality gives a rising line there.",
    alt="Nine panels of connected points, three for each model; Fréchet distances on logarithmic "
    "axes.",
)

# %% tags=["hide"]
book.table(
    [
        [
            name,
            mean_error([run["frechet"] for run in results]),
            mean_error([run["entropy"] for run in results]),
            f"{sum(map(failed, results))} of {num_seeds}",
            mean_error(tracking[name]),
            mean_error(late[name]),
        ]
        for name, (_, results) in kinds.items()
    ],
    [
        "model",
        "Fréchet distance",
        "class entropy (nats)",
        "failed",
        "rank correlation",
        "second half",
    ],
    f"{num_seeds} seeds, {parts * steps:,} moves of the generator, {critic_moves} of a critic for "
    "each; mean ± one standard error over seeds. Rank correlation: Spearman's, of the reported "
    "value and the Fréchet distance over a run, and over the last "
    f"{parts - parts // 2} looks.",
    name="tracking",
)


def tracks(name):
    values = late[name]
    if abs(values.mean()) < 2 * error(values) or abs(values.mean()) < 0.3:
        return "does not clearly go along with quality"
    return "goes along with quality" if values.mean() > 0 else "runs against quality"


test = stats.ttest_ind(
    np.log([run["frechet"] for run in kinds["WGAN-GP"][1]]), np.log(base_ends), equal_var=False
)
low, high = np.exp(test.confidence_interval(0.95))
ratio = math.exp(np.log([run["frechet"] for run in kinds["WGAN-GP"][1]]).mean())
ratio /= math.exp(np.log(base_ends).mean())
still = {  # by which factor the distance falls in the second half
    name: np.mean([curve_of(run, "frechet")[parts // 2] / run["frechet"] for run in results])
    for name, (_, results) in kinds.items()
}
firsts = np.array([curve_of(run, "value")[:2] for run in kinds["WGAN-GP"][1]])
clipped = [curve_of(run, "value")[: parts // 2] for run in kinds["WGAN, clipping"][1]]
clipped_start = min(values[-1] - values[0] for values in clipped)
falls = {
    name: f"falls by a factor of {factor:.1f}" if factor > 1 else "does not fall"
    for name, factor in still.items()
}
said = [
    f"that of *{name}* {tracks(name)} ({mean_error(late[name])}; the Fréchet distance "
    f"{falls[name]} there)"
    for name in kinds
]
book.say(
    "Over a whole run the rank correlations are "
    f"{listed([f'{number(tracking[name].mean())} ({name})' for name in kinds])}"
    + (
        ": at the start all is bad and the judge wins, so even the value of the GAN goes along. "
        if tracking["GAN"].mean() > 0.5
        else ". "
    )
    + "The second half is the harder test, the more so the less there is left to improve. In it "
    f"the value behaves so: {'; '.join(said)} (@fig:tracking, @table:tracking). Two curves that "
    "both fall with time are correlated whatever the reason; the few looks per run, "
    f"{parts} in all and {parts - parts // 2} in the second half, can show no more. "
    + (
        "The first points of WGAN-GP lie apart: its critic has had no time yet, and reports too "
        "little for samples that are as bad as can be. "
        if (firsts[:, 0] < firsts[:, 1]).all()
        else ""
    )
    + (
        "With clipping the value first rises, in every run, and so the two halves differ. "
        if clipped_start > 0
        else ""
    )
    + "By the rule of the DCGAN section "
    + listed(
        [
            f"{sum(map(failed, results))} of {num_seeds} runs of {name}"
            for name, (_, results) in kinds.items()
        ]
    )
    + " failed. So the value of a GAN may follow quality over a whole run, too; what can set "
    "another apart is the second half. "
    + f"At the end the Fréchet distance of WGAN-GP is {ratio:.2f} times that of the GAN (95 % "
    f"interval {low:.2f} to {high:.2f}), after as many moves of the generator and {critic_moves} "
    "times as many of the judge."
)

# %% [markdown]
# Published comparisons are of another kind: on CIFAR-10 the second paper gives an Inception score
# of 7.86 (higher is better; another network judges) for WGAN-GP and quotes 6.16 for DCGAN ([table
# 3](https://arxiv.org/abs/1704.00028)), with different networks for the two. None of the numbers
# here compares with these.
#
# **Is the value a distance?** By the theory the critic of WGAN-GP reports $W_1$ between samples and
# data, in the units of the pixels (−1 to 1). Between two finite sets of equal size $W_1$ can be
# computed exactly: the best plan is a best assignment. And there is a simple bound from below: a
# linear function of slope 1 reaches the distance of the two means, so $W_1$ is at least that.


# %%
def assignment_distance(first, second):
    """W1 between two sets of as many images, by the best assignment."""
    first, second = (np.asarray(images).reshape(len(images), -1) for images in (first, second))
    ways = np.sqrt(np.maximum(
        (first**2).sum(axis=1)[:, None] - 2 * first @ second.T + (second**2).sum(axis=1), 0
    ))  # fmt: skip
    return ways[linear_sum_assignment(ways)].mean()


count = 300
gp_model, gp_runs = kinds["WGAN-GP"]
of_sets, of_means, of_critic = [], [], []
for run in gp_runs:
    gp_model.set_weights(run["weights"])
    of_sets.append(assignment_distance(gp_model.sample(count, seed=4), train_x[:count]))
    drawn = gp_model.sample(5000, seed=5).numpy()
    shift = drawn.mean(axis=0) - train_x.mean(axis=0)
    by_chance = drawn.var(axis=0).sum() / len(drawn)  # what a mean of so few adds to its square
    of_means.append(math.sqrt(max((shift**2).sum() - by_chance, 0.0)))
    of_critic.append(curve_of(run, "value")[-1])
of_data = assignment_distance(held_out[:count], train_x[:count])

# %% tags=["hide"]
share, by_number = np.mean(of_critic) / np.mean(of_sets), of_data / np.mean(of_sets)
due = (
    " That much of the distance is due to the number of images and not to their quality: in "
    f"{side * side} dimensions a few hundred points lie far apart."
    if by_number < 1
    else " So the samples are no farther from the training images than other real images are."
)
lag = (
    "The critic reports less than even that: it lags behind its best."
    if np.mean(of_critic) < np.mean(of_means)
    else "The critic reports no less than that."
)
book.box(
    "warning",
    "The critic's value is not the distance between the sets",
    f"""
    Between {count} samples and {count} training images the exact distance is
    {mean_error(of_sets)} (± over seeds); between {count} *other real images* and the same training
    images it is {of_data:.2f}, {by_number:.0%} of that.{due} The critic reports
    {mean_error(of_critic)} over the last {steps} moves, {share:.0%} of the exact distance. A small
    network that sees a new batch at each move cannot learn single images by heart. The means of
    samples and of data alone are {mean_error(of_means)} apart, and $W_1$ is at least that. {lag}

    So a critic measures how far samples and data are apart *as far as it can see*. Where its slope
    keeps to 1, its value is a lower bound; the penalty lets it go a little above (the toy examples
    above measured by how much). That is good for a curve, not for a comparison of models with
    different critics.
    """,
)

# %% [markdown]
# ## What goes wrong

# %% tags=["hide"]
zero = tf.zeros(3)
with tf.GradientTape(persistent=True) as tape:
    tape.watch(zero)
    bare = tf.sqrt(tf.reduce_sum(zero**2))
    safe = tf.sqrt(tf.reduce_sum(zero**2) + 1e-12)
bare, safe = (tape.gradient(length, zero).numpy()[0] for length in (bare, safe))
outside = 1 - (stats.norm.cdf(1) - stats.norm.cdf(0))
book.say(f"""
- **Batch normalisation in a penalised critic.** The gradient at one image then contains all
  others of the batch. The library refuses it.
- **Shares $t$ drawn from a normal density** and not a uniform one, as in programs that can be
  found: {outside:.0%} of the points then lie outside the segment, where nothing was derived.
- **The square root in the length of the gradient.** At a gradient of exactly zero TensorFlow makes
  its derivative `{bare}`, and one such example spoils all weights. The library adds $10^{{-12}}$
  inside: `{safe}`.
- **Too few moves of the critic.** Its value is then an estimate of $W_1$ from below and its slope
  may be off (@fig:lines, right); the value can fall because the critic lags and not because samples
  improve.
- **Momentum.** With $\\beta_1 = 0.9$ a player answers the average of about the last ten moves of
  the other; @table:choices has what that does to a DCGAN.
""")

# %% [markdown]
# ## Exercises
#
# **Exercise 8.1.** A transposed convolution has kernel 3 and stride 2. Give weights for one
# dimension (no bias) with which it does the same as repeating every input twice, away from the
# ends; and for kernel 4, weights that interpolate linearly between neighbours. Is kernel 3 unable
# to draw an even surface?

# %% tags=["hide"]
repeat = keras.layers.Conv1DTranspose(1, 3, strides=2, padding="same", use_bias=False)
linear = keras.layers.Conv1DTranspose(1, 4, strides=2, padding="same", use_bias=False)
ramp = np.arange(6.0, dtype="float32").reshape(1, 6, 1)
repeat.build(ramp.shape)
linear.build(ramp.shape)
repeat.set_weights([np.array([1.0, 1.0, 0.0]).reshape(3, 1, 1)])
linear.set_weights([np.array([0.25, 0.75, 0.75, 0.25]).reshape(4, 1, 1)])
repeated, interpolated = (layer(ramp).numpy().ravel() for layer in (repeat, linear))
book.box(
    "answer",
    "Answer to 8.1, computed",
    f"""
    Kernel $(1, 1, 0)$: the inputs 0 to 5 become
    {", ".join(f"{v:g}" for v in repeated)}. Kernel $(0.25, 0.75, 0.75, 0.25)$ gives
    {", ".join(f"{v:g}" for v in interpolated)}: between neighbours one quarter and three quarters
    of the way, and wrong at the two ends only. So an uneven kernel *can* draw an even surface, if
    some of its weights vanish or add up as they should: with stride 2 the weights at even and at
    odd places must have the same sum. Nothing in a random start has them do so.
    """,
)

# %% [markdown]
# **Exercise 8.2.** Show that the largest slope of the JSD of $\mathcal{N}(0, s^2)$ and
# $\mathcal{N}(\theta, s^2)$ in $\theta$ grows as $1 / s$ while the range of $\theta$ in which it is
# above, say, $0.01$ shrinks as $s$ does (up to a logarithm). What does a generator see that starts
# at $\theta = 1$?

# %% tags=["hide"]
unit_slope = np.gradient([js_divergence(t, 1.0) for t in np.linspace(0, 12, 601)], 12 / 600)
unit_at = np.linspace(0, 12, 601)
seen_at = unit_at[unit_at <= 8]
bound = seen_at / 4 * np.exp(-(seen_at**2) / 8)
reached = np.max(unit_slope[1 : len(bound)] / bound[1:])
slope_rows = []
for s in (1.0, 0.3, 0.1, 0.03):
    visible = unit_at[unit_slope / s > 0.01] * s
    here = np.interp(1 / s, unit_at, unit_slope, right=0) / s
    slope_rows.append(
        f"- $s = {s:g}$: largest slope {unit_slope.max() / s:.2f}; above 0.01 up to $\\theta = "
        f"{visible.max():.2f}$; at $\\theta = 1$ "
        + (number(here, ".1g") if here > 1e-9 else "zero to nine digits")
    )
book.box(
    "answer",
    "Answer to 8.2, computed",
    "By a change of units, $\\mathrm{JSD}(\\theta, s) = \\mathrm{JSD}(\\theta / s, 1)$, so the "
    "slope in $\\theta$ is $1 / s$ times the slope of the function for $s = 1$ at $\\theta / s$. "
    """For $s = 1$ and the distance $t$, with $m = (p + q) / 2$ and
$(x - t)\\, q = -q'$,

$$
\\frac{\\partial}{\\partial t} \\mathrm{JSD} = \\frac{1}{2} \\int (x - t)\\, q \\log \\frac{q}{m}\\,
\\mathrm{d}x = \\frac{1}{2} \\int q\\, \\Big( \\log \\frac{q}{m} \\Big)'\\, \\mathrm{d}x =
\\frac{t}{2} \\int \\frac{p\\, q}{p + q}\\, \\mathrm{d}x ,
$$

by parts (the terms from inside the logarithms are $\\frac{1}{2} \\int \\partial_t q - \\int
\\partial_t m = 0$, since densities integrate to one) and since
$(\\log \\frac{q}{m})' = t\\, \\frac{p}{p + q}$.
Now $\\frac{p q}{p + q} \\le
\\frac{1}{2} \\sqrt{p q}$ and $\\int \\sqrt{p q} = e^{-t^2 / 8}$: the slope is at most $\\frac{t}{4}
e^{-t^2 / 8}$. In $\\theta = s t$ it exceeds 0.01 only where $e^{t^2 / 8} < 25\\, t / s$, that is
$\\theta < s \\sqrt{8 \\log (25\\, t / s)}$: the range shrinks as $s$ but for the root of a
logarithm. Computed:

"""
    + "\n".join(slope_rows)
    + f"\n\nUp to $t = {seen_at[-1]:g}$ the computed slope is at most {reached:.2f} of the bound. "
    "The sharper the densities, the higher the cliff and the nearer one has to be to see it.",
)

# %% [markdown]
# **Exercise 8.3.** A critic has three hidden layers of 512 leaky ReLU units and two inputs. For
# which $c$ does the bound on the length of its gradient equal 1? By which factor does the bound
# change if $c$ is 10 % larger? And with 12 hidden layers?

# %% tags=["hide"]
clip_rows = []
for depth in (3, 12):
    scale = (math.sqrt(2) * 512.0**depth) ** (-1 / (depth + 1))
    clip_rows.append(
        f"- {depth} hidden layers: $c = {scale:.5f}$; 10 % more gives {1.1 ** (depth + 1):.2f} "
        "times the bound"
    )
book.box(
    "answer",
    "Answer to 8.3, computed",
    "Each of the two partial derivatives is at most $n^H c^{H + 1}$, so the gradient's length is "
    "at most $\\sqrt{2}\\, n^H c^{H + 1}$, with $n = 512$.\n\n"
    + "\n".join(clip_rows)
    + "\n\nThe unit of the critic's value, and the size of the generator's gradient, hang on $c$ "
    "by a high power: $c$ has to be tuned anew for each network. The penalty names the slope "
    "itself, whatever the network; only $\\lambda$ must suit the unit of the distance.",
)

# %% [markdown]
# ## References
#
# - A. Radford, L. Metz, S. Chintala, *Unsupervised representation learning with deep convolutional
#   generative adversarial networks*, 2015, [arXiv:1511.06434](https://arxiv.org/abs/1511.06434).
#   DCGAN: the choices (section 3), arithmetic with means of three (section 6.3).
# - A. Odena, V. Dumoulin, C. Olah, *Deconvolution and checkerboard artifacts*, 2016,
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003). Overlaps, and unpooling
#   as the remedy.
# - M. Arjovsky, L. Bottou, *Towards principled methods for training generative adversarial
#   networks*, 2017, [arXiv:1701.04862](https://arxiv.org/abs/1701.04862). Sheets that do not meet,
#   and noise.
# - M. Arjovsky, S. Chintala, L. Bottou, *Wasserstein GAN*, 2017,
#   [arXiv:1701.07875](https://arxiv.org/abs/1701.07875). The parallel lines, the dual, clipping.
# - I. Gulrajani and others, *Improved training of Wasserstein GANs*, 2017,
#   [arXiv:1704.00028](https://arxiv.org/abs/1704.00028). The slope of the best critic (proposition
#   1), the penalty, what clipping does to weights.
# - M. Heusel and others, *GANs trained by a two time-scale update rule converge to a local Nash
#   equilibrium*, 2017, [arXiv:1706.08500](https://arxiv.org/abs/1706.08500). The Fréchet distance.
# - Z. Lin, A. Khetan, G. Fanti, S. Oh, *PacGAN*, 2018,
#   [arXiv:1712.04086](https://arxiv.org/abs/1712.04086). The grid and its published counts.
# - J. Stanczuk and others, *Wasserstein GANs work because they fail (to approximate the Wasserstein
#   distance)*, 2021, [arXiv:2103.01678](https://arxiv.org/abs/2103.01678). What the critic's value
#   is not.
# - C. Villani, *Optimal transport: old and new*, 2009,
#   [doi:10.1007/978-3-540-71050-9](https://doi.org/10.1007/978-3-540-71050-9). The duality in full.
