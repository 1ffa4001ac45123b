# %% [markdown]
# # 11. Vision Transformer
#
# A Vision Transformer cuts an image into patches, takes each patch for a word, and reads the
# sequence with the encoder of chapter 10. After the cutting, no layer knows that an image has two
# dimensions.
# The chapter shows that cutting and embedding is one convolution, follows an image through the
# network shape by shape, derives what a convolution has built in and attention must learn, and
# measures it: with few images and many, with images moved by a pixel, with patches out of order.
# Then it asks where the network looks, and whether the usual picture of that says what matters.

# %% tags=["fold"]
import itertools
import math
import time

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from scipy.stats import entropy, rankdata, spearmanr

from genkeras import VisionTransformer, book, plots
from genkeras.book.prose import error, listed, mean_error, number
from genkeras.datasets import digits, mnist
from genkeras.layers.attention import (
    padding_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
)
from genkeras.recipes import vit_mnist

book.declare(
    title="Vision Transformer",
    data=book.setting(default="scikit-learn's digits", full="MNIST"),
    seed=0,
)


def small(value):
    """A difference that may be rounding."""
    return number(value, ".0e") if value else "0"


# %% [markdown]
# ## The question
#
# A convolution looks at neighbouring pixels, and at every place of the image with the same weights.
# Nobody learns that from data; it is decided before the first image is seen. The Transformer of
# [chapter 10](10_transformer.md) has no such thing. Every word may look at every word, and what a
# place means is learned. On sentences this works. Does it work on images, and what does one pay for
# knowing less at the start?
#
# To find out, one needs an image as a sequence. One word per pixel would be the obvious way; but
# attention compares all pairs, and an image of 224 × 224 pixels has too many of them. So
# Dosovitskiy and others (2020) cut the image into square **patches**, 16 pixels wide in the paper,
# and take each patch for a word.

# %%
dataset = book.setting(default=digits, full=mnist)()
side, levels = dataset.image_shape[0], dataset.num_levels - 1
(train_x, train_y), (test_x, test_y) = (
    ((part.x / levels).reshape(-1, side, side).astype("float32"), part.labels)  # grey, 0 to 1
    for part in (dataset.train, dataset.test)
)
patch = book.setting(default=2, full=4)
grid = side // patch  # patches in a row
places = np.stack(np.divmod(np.arange(grid**2), grid), axis=1)  # row and column of each
sizes = book.setting(
    default={"model_dim": 32, "num_heads": 4, "num_layers": 2, "hidden_units": 64, "dropout": 0.0},
    full={"model_dim": 64, "num_heads": 4, "num_layers": 3, "hidden_units": 128, "dropout": 0.0},
)


def make_vit(seed, patch=patch, **changes):
    model = VisionTransformer((side, side), 10, patch, **sizes | changes, seed=seed)
    model.build((None, side, side))
    return model


vit = make_vit(seed=0)
cut = vit.patches(test_x).numpy()

# %% tags=["fold"]
with plots.style():
    shown = np.flatnonzero(test_y == 3)[0]
    figure = plt.figure(figsize=(7.2, 2.0))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 3.4))
    axis = left.subplots()
    axis.imshow(test_x[shown], vmin=0, vmax=1, extent=(0, side, side, 0))
    axis.set(xticks=range(0, side + 1, patch), yticks=range(0, side + 1, patch))
    axis.tick_params(labelsize=7)
    axis.set_xlabel("column (pixels)", fontsize=8)
    axis.set_ylabel("row (pixels)", fontsize=8)
    axis.grid(True, color=plots.ORANGE, linewidth=1.2)
    axis.set_axisbelow(False)
    words = right.subplots(2, -(-(grid**2) // 2), squeeze=False)
    for k, axis in enumerate(words.flat):
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        if k >= grid**2:
            axis.set_axis_off()
            continue
        axis.imshow(cut[shown, k].reshape(patch, patch), vmin=0, vmax=1)
        axis.set_title(f"{k + 1}", fontsize=7, loc="center", pad=2)
        for spine in axis.spines.values():
            spine.set(visible=True, color="#b0b0b0", linewidth=0.5)
book.figure(
    figure,
    "patches",
    f"A test image of {side} × {side} pixels, and its {grid**2} patches of {patch} × {patch} as a "
    "sequence, row by row, numbered as the network numbers them.",
    alt="At the left a digit 3 with grid lines; at the right its patches in two rows, numbered.",
)

# %% [markdown]
# ## An embedding of patches is a convolution
#
# Let the image have height $H$, width $W$ and $C$ channels, and let $p$ divide both sides. There
# are $N = HW / p^2$ patches. The patch in row $r$ and column $c$ of the grid holds the numbers
# $x_{pr+i,\, pc+j,\, k}$ with $0 \le i, j < p$ and $0 \le k < C$. Written one after the other,
# number $(i, j, k)$ stands at place $m = (ip + j)\, C + k$ of a vector of length $p^2 C$. A matrix
# $E$ with $p^2 C$ rows and $D$ columns turns it into a vector of the width of the model:
#
# $$
# z_{rc,d} = b_d + \sum_{i=0}^{p-1} \sum_{j=0}^{p-1} \sum_{k=0}^{C-1} E_{(ip+j)C+k,\; d}\;
# x_{pr+i,\, pc+j,\, k} .
# $$
#
# A convolution with kernel $K$ and **stride** $s$, without padding, computes
#
# $$
# y_{rc,d} = b_d + \sum_{i,j,k} K_{ijkd}\; x_{sr+i,\, sc+j,\, k} .
# $$
#
# The two are the same for $s = p$ and $K_{ijkd} = E_{(ip+j)C+k,\,d}$: a kernel that is as wide as
# its step. The kernel is the matrix reshaped, row by row, as NumPy reshapes.

# %%
kernel, bias = vit.patch_dense.get_weights()
convolution = keras.layers.Conv2D(kernel.shape[1], patch, strides=patch)
convolution.build((None, side, side, 1))
convolution.set_weights([kernel.reshape(patch, patch, 1, -1), bias])

by_matrix = vit.patch_dense(vit.patches(test_x)).numpy()  # (n, N, D)
by_convolution = convolution(test_x[..., None]).numpy()  # (n, rows, columns, D)

# %% tags=["hide"]
apart = np.abs(by_matrix - by_convolution.reshape(by_matrix.shape)).max()
weights_in_patch, weights_in_dense = kernel.size, side**2 * grid**2 * kernel.shape[1]
book.say(
    f"On {len(test_x):,} test images the two differ by {small(apart)} at most, "
    f"where the numbers themselves go up to {np.abs(by_matrix).max():.2f}. So a Vision Transformer "
    "begins as a convolutional network does. Like every later layer of it, this one uses the same "
    f"weights at each place: {weights_in_patch:,} weights for all patches, where a dense layer "
    f"from all pixels to all the vectors would have {weights_in_dense:,}. It is the only layer "
    "that knows which pixels are close to each other: those of one patch."
)

# %% [markdown]
# ## From image to label, shape by shape
#
# The $N$ vectors go through the encoder of chapter 10 (in its pre-norm form), and $N$ vectors come
# out. The label must come from somewhere. As in BERT, a reader of text, a learned vector is put in
# front of the sequence, the **class token**. It holds nothing of the image. In each block it looks
# at the patches and adds what it finds; what it has become at the end goes to a linear classifier:
#
# $$
# \begin{aligned}
# X_0 &= [x_\text{class};\; x_1 E + b;\; \dots;\; x_N E + b] + T , \\
# X'_l &= X_{l-1} + \operatorname{MHA}(\operatorname{LN}(X_{l-1})) , \qquad
# X_l = X'_l + \operatorname{MLP}(\operatorname{LN}(X'_l)) , \qquad l = 1, \dots, L , \\
# \text{logits} &= W \operatorname{LN}(X_L)_0 + w .
# \end{aligned}
# $$
#
# $T$ is a table of $1 + N$ learned vectors, one for each position. There is no decoder, since
# nothing is written, and no mask, since no patch comes before another. MHA is attention with
# several heads, LN layer normalisation, and MLP the small network of two layers, here with GELU,
# $x\, \Phi(x)$ with the normal distribution function, a smooth ReLU. *Pre-norm* is what the
# equations show: a sublayer reads the normalised vector, and what it finds is added to the vector
# as it was (Xiong and others). In the library:

# %% tags=["hide"]
book.source(VisionTransformer.call)

# %% [markdown]
# The same by hand, in parts that later sections need. With `kept`, patches can be hidden from all:


# %%
def embed(model, x):
    """X_0: `(n, 1 + N, D)`."""
    patches = model.patch_dense(model.patches(x))
    first = tf.repeat(model.class_token, tf.shape(patches)[0], axis=0)
    return model.positions(tf.concat([first, patches], axis=1))


def encode(model, tokens, kept=None):
    """LN(X_L); `kept` is `(n, 1 + N)` bool, and nobody looks at a token that is not kept."""
    mask = None if kept is None else padding_mask(kept)
    for block in model.blocks:  # by `call`: Keras has a meaning of its own for masks
        tokens = block.call(tokens, mask)
    return model.final_norm(tokens)


x_0 = embed(vit, test_x)
x_end = encode(vit, x_0)
logits = vit.class_dense(x_end[:, 0])

# %% tags=["hide"]
by_call = np.abs(logits - vit(test_x)).max()
maps = vit.attention_maps(test_x[:2])


def shape_of(array):
    return f"({', '.join(['n', *(f'{n}' for n in array.shape[1:])])})"


keys, _ = vit.blocks[0].self_attention.keys_and_values(x_0)
book.table(
    [
        ["images", shape_of(test_x), "height, width"],
        ["`patches`", shape_of(cut), "patches, pixels of a patch"],
        ["`patch_dense`", shape_of(by_matrix), "patches, width of the model"],
        ["class token in front, positions added", shape_of(x_0), "tokens, width"],
        ["queries, keys, values of a block", shape_of(keys), "heads, tokens, width of a head"],
        ["its attention", shape_of(maps[0]), "heads, who looks, at whom"],
        [f"each of the {len(vit.blocks)} blocks", shape_of(x_end), "tokens, width"],
        ["first output", shape_of(x_end[:, 0]), "width"],
        ["logits", shape_of(logits), "classes"],
    ],
    ["", "shape", "axes after the batch"],
    f"An image on its way; n images at a time. The network has {vit.count_params():,} weights.",
    name="shapes",
)
book.say(f"Done by hand, the logits differ from those of `call` by {small(by_call)} at most.")

# %% [markdown]
# ## What is built in
#
# What a network takes for granted before it has seen data is called its **inductive bias**. For
# these layers it can be written down.
#
# ### A convolution: locality, and the same at every place
#
# Let an image be a function on the whole grid of pixels, $x_u$ with $u \in \mathbb{Z}^2$ (so there
# is no border), and let $T_s$ move it by $s$: $(T_s x)_u = x_{u-s}$. A convolution is $(Kx)_u =
# \sum_v w_v\, x_{u+v}$, with weights only for small $v$: that is **locality**. And
#
# $$
# (K T_s x)_u = \sum_v w_v\, (T_s x)_{u+v} = \sum_v w_v\, x_{u+v-s} = (Kx)_{u-s} = (T_s K x)_u .
# $$
#
# If the image moves, the features move with it: $K T_s = T_s K$, **equivariance under
# translations**. A bias and an activation at each pixel change nothing about it. The converse holds
# too. A linear map with $K T_s = T_s K$ for all $s$ is fixed by its answer $h = K \delta$ to a
# single bright pixel, because every image that is zero outside a finite region is a sum of moved
# pixels, $x = \sum_s x_s\, T_s \delta$, and so $(K x)_u = \sum_s x_s\, h_{u-s} = \sum_v h_{-v}\,
# x_{u+v}$. That is a convolution with $w_v = h_{-v}$, of whatever size: locality is a further
# assumption. Sharing the weights is not one way to
# get equivariance; for linear maps it is the only one.
#
# Pooling over squares of two pixels, or a convolution with stride 2, keeps every second place.
# Moved by two pixels, the smaller map moves by one; moved by one pixel, it has no place to move to.
# So the equivariance that is left is for even shifts only, and after two poolings for multiples of
# four. At the border pixels come in and go out. And a dense layer at the end is not equivariant at
# all. A convolutional *network* has less built in than its layers.
#
# ### Attention: the order does not matter
#
# Let $X$ hold the tokens as rows and let $P$ be a permutation matrix, so that $PX$ has the same
# rows in another order. Queries, keys and values are computed row by row: $(PX) W = P (XW)$. The
# scores become
#
# $$
# \frac{(PQ)(PK)^\top}{\sqrt{d}} = P\, S\, P^\top , \qquad S = \frac{Q K^\top}{\sqrt{d}} ,
# $$
#
# the same numbers with rows and columns moved. The softmax divides the exponential of each entry by
# the sum over its row, and a sum does not depend on the order, so it moves along. Since $P^\top P =
# I$,
#
# $$
# \operatorname{Att}(PX) = \operatorname{softmax}(P S P^\top)\, PV = P \operatorname{softmax}(S)\,
# P^\top P V = P \operatorname{Att}(X) .
# $$
#
# The heads are joined row by row, LayerNorm, MLP and residuals work row by row. So the whole
# encoder $f$ has $f(PX) = P f(X)$: it is **equivariant under every permutation**. Let $P$ leave the
# class token in its place. Then the first output, and the label, do not change at all. Without
# positions a Vision Transformer is a function of the *collection* of patches; where they were is
# lost.
#
# A translation of the image by whole patches is a permutation of patches, up to the border. So
# attention has the symmetry of a convolution on the grid of patches, and far too much of it. What
# breaks it is the table
# $T$. Let $f_T(X) = f(X + T)$. Then
#
# $$
# f_{PT}(PX) = f(P(X + T)) = P f_T(X) .
# $$
#
# What one table does to images, the permuted table does to permuted images. There is no
# arrangement of the patches that the network prefers before training: a table that starts with
# independent equal normals is, permuted, as probable as before.

# %%
rng = np.random.default_rng(0)
order = rng.permutation(grid**2)  # the fixed permutation of patches
with_class = np.concatenate([[0], 1 + order])  # of tokens: the class token stays first


def permuted(x, order=order):
    """Images whose patches are rearranged."""
    cut_ = vit.patches(x).numpy()[:, order]
    back = cut_.reshape(-1, grid, grid, patch, patch).transpose(0, 1, 3, 2, 4)
    return back.reshape(-1, side, side)


tokens = tf.random.stateless_normal((5, grid**2 + 1, sizes["model_dim"]), (0, 0))
equivariant = encode(vit, tf.gather(tokens, with_class, axis=1)) - tf.gather(
    encode(vit, tokens), with_class, axis=1
)
table = vit.positions.table.numpy()
logits_of_start = vit(test_x).numpy()
vit.positions.table.assign(table[with_class])
logits_permuted = vit(permuted(test_x)).numpy()
vit.positions.table.assign(table)

wide = np.pad(test_x, ((0, 0), (4, 4), (4, 4)))[..., None]  # room for what moves
layer = keras.layers.Conv2D(8, 3, padding="same", activation="relu", bias_initializer="normal")
pooled = keras.Sequential([layer, keras.layers.MaxPooling2D()])
moved_by = {by: np.roll(wide, by, axis=2) for by in (1, 2)}
conv_gap = np.abs(layer(moved_by[1]) - np.roll(layer(wide), 1, axis=2)).max()
half = pooled(wide).numpy()
pool_gaps = {  # against the pooled map, moved or not: whichever is nearer
    by: min(np.abs(pooled(x).numpy() - np.roll(half, to, axis=2)).max() for to in (0, 1))
    for by, x in moved_by.items()
}
vit_half = np.abs(vit(test_x).numpy() - vit(np.roll(test_x, patch, axis=2)).numpy()).max()

# %% tags=["hide"]
book.table(
    [
        ["convolution and ReLU, moved by 1 pixel", f"{conv_gap:.1e}"],
        ["with pooling, moved by 2 pixels", f"{pool_gaps[2]:.1e}"],
        ["with pooling, moved by 1 pixel", f"{pool_gaps[1]:.1e}"],
        ["encoder without positions, tokens permuted", f"{np.abs(equivariant).max():.1e}"],
        [
            "network, patches and table permuted",
            f"{np.abs(logits_permuted - logits_of_start).max():.1e}",
        ],
        [f"network, moved by a patch ({patch} pixels)", f"{vit_half:.1e}"],
    ],
    ["", "largest difference"],
    "The statements above at random weights: $f(gx)$ against $g f(x)$ for a change $g$ of the "
    "input, where the outputs are of order 1. For the networks: logits, against those of the "
    "unchanged image. Differences near $10^{-6}$ are rounding.",
    name="symmetries",
)

# %% [markdown]
# Can attention compute a convolution, if it is to learn that? Yes; exercise 11.1 builds one, a head
# for each weight of the kernel. So it is a question of what is *found*, and from how many images.
#
# ## Against a convolutional network
#
# There are two opponents. Both begin with convolutions of 3 × 3 and poolings of 2 × 2. The first,
# **CNN**, has two of each and ends in a dense layer, as most small networks of this kind do. The
# second, **CNN, averaged**, has a third convolution and averages its maps over all places: up to
# pooling and border it is equivariant from end to end, and the average is then *invariant*, the
# same wherever the digit is. The widths of the last hidden layers are chosen so that all three
# networks have as nearly as possible equally many weights. All are trained for the same number of
# steps on the same images, with Adam at the same rate, without augmentation and without dropout;
# nothing was tuned for any of them. (To save time each network is compiled once; a new training
# puts new weights into it.)

# %%
filters = book.setting(default=(16, 32), full=(32, 64))
schedule = book.setting(
    default={"steps": 300, "batch": 32, "rate": 3e-3},
    full={"steps": 800, "batch": 64, "rate": 1e-3},
)


def make_cnn(seed, width, averaged=False):
    """Convolutions, then a dense layer of `width` units or, averaged, a convolution of as many."""
    layers = [keras.layers.Reshape((side, side, 1))]
    for k, channels in enumerate((*filters, width) if averaged else filters):
        start = keras.initializers.GlorotUniform(seed + k)
        layers.append(
            keras.layers.Conv2D(
                channels, 3, padding="same", activation="relu", kernel_initializer=start
            )
        )
        # The maps to be averaged are as fine as the grid of patches.
        if k < (np.log2(patch) if averaged else len(filters)):
            layers.append(keras.layers.MaxPooling2D())
    if averaged:
        layers.append(keras.layers.GlobalAveragePooling2D())
    else:
        start = keras.initializers.GlorotUniform(seed + 10)
        layers.append(keras.layers.Flatten())
        layers.append(keras.layers.Dense(width, activation="relu", kernel_initializer=start))
    start = keras.initializers.GlorotUniform(seed + 11)
    layers.append(keras.layers.Dense(10, kernel_initializer=start))
    return keras.Sequential([keras.Input((side, side)), *layers])


def width_for(count, averaged):
    """The width with which a network has about `count` weights, whose number is linear in it."""
    one, two = (make_cnn(0, width, averaged).count_params() for width in (1, 2))
    return 1 + round((count - one) / (two - one))


class Trainer:
    """A network compiled once and trained many times, each time from new weights.

    On a CPU XLA makes the step of a Transformer quicker and that of convolutions slower.
    """

    def __init__(self, make, by_xla=False):
        self.make, self.model = make, make(0)
        self.variables = self.model.trainable_variables
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.variables)
        self.starts = {}  # first values of all variables, by seed
        self.answer = tf.function(self.model, reduce_retracing=True)
        self.step = tf.function(self._step, jit_compile=by_xla)
        self.run = tf.function(self._run, reduce_retracing=True)

    def _step(self, images, labels, rate, free):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, self.model(images, training=True)
            )
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [v.value for v in self.variables])
        # Adam leaves a weight as it is whose gradient has always been zero.
        gradients = [free[k] * gradient for k, gradient in enumerate(gradients)]
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply(gradients, self.variables)

    def _run(self, x, labels, seed, steps, moves, free):
        batch, centre = (schedule["batch"],), 4
        for k in tf.range(steps):
            rows = tf.random.stateless_uniform(batch, (seed, k), 0, tf.shape(x)[0], tf.int32)
            padded = tf.pad(tf.gather(x, rows), [[0, 0], [1, 1], [1, 1]])
            windows = [padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3)]
            window = tf.random.stateless_uniform(batch, (seed + 1, k), 0, 9, tf.int32)
            chosen = tf.where(moves, window, centre)
            images = tf.gather(tf.stack(windows, axis=1), chosen, batch_dims=1)
            images = tf.ensure_shape(images, (*batch, side, side))
            done = tf.cast(k, tf.float32) / tf.cast(steps, tf.float32)
            fall = (1 + tf.cos(np.float32(np.pi) * done)) / 2
            rate = schedule["rate"] * tf.minimum(10 * done, fall)
            self.step(images, tf.gather(labels, rows), rate, free)

    def fit(self, x, labels, seed, *, moves=False, steps=None, table=None, fixed=()):
        """Trains from new weights; returns all variables as trained.

        `moves`: each image is moved by up to one pixel each way. `table`: the positions to start
        with. `fixed`: variables that stay as they start.
        """
        if seed not in self.starts:
            self.starts[seed] = [v.numpy() for v in self.make(seed).variables]
        self.load(self.starts[seed])
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        if table is not None:
            self.model.positions.table.assign(table)
        free = [float(all(v is not other for other in fixed)) for v in self.variables]
        steps = schedule["steps"] if steps is None else steps
        self.run(
            *map(tf.constant, (x, labels.astype("int32"), 1000 * seed, steps, moves)),
            tf.constant(free),
        )
        return [v.numpy() for v in self.model.variables]

    def load(self, weights):
        for variable, value in zip(self.model.variables, weights, strict=True):
            variable.assign(value)
        return self.model

    def logits(self, weights, x):
        self.load(weights)
        parts = np.array_split(x, -(-len(x) // 1000))  # weights of attention take much memory
        return np.concatenate([self.answer(tf.constant(part)).numpy() for part in parts])

    def right(self, weights, x=test_x):
        """Which of the test images, or of changed ones, are named correctly."""
        return self.logits(weights, x).argmax(axis=1) == test_y


widths = {averaged: width_for(vit.count_params(), averaged) for averaged in (False, True)}
trainers = {
    "ViT": Trainer(make_vit, by_xla=True),
    "CNN": Trainer(lambda seed: make_cnn(seed, widths[False])),
    "CNN, averaged": Trainer(lambda seed: make_cnn(seed, widths[True], averaged=True)),
}

# %% tags=["hide"]
weights_of = [f"{trainers[name].model.count_params():,} ({name})" for name in trainers]
book.say(
    f"The networks have {listed(weights_of)} weights: {widths[False]} units in the dense layer of "
    f"the second, {widths[True]} features in the last convolution of the third. A training has "
    f"{schedule['steps']:,} steps of {schedule['batch']} images; the rate rises for a tenth of "
    "them or so and then falls along a cosine."
)

# %%
seeds = (0, 1, 2)
counts = book.setting(default=(50, 150, 450, 1197), full=(500, 5000, 50_000))
most = counts[-1]


def first(count, seed):
    """Training images of one seed: the first of an order of its own."""
    rows = np.random.default_rng(seed).permutation(len(train_x))[:count]
    return train_x[rows], train_y[rows]


fits = {  # (network, training images, seed): weights
    (name, count, seed): trainers[name].fit(*first(count, seed), seed)
    for name, count, seed in itertools.product(trainers, counts, seeds)
}
right = {key: trainers[key[0]].right(weights) for key, weights in fits.items()}


def shares(name, count=most):
    """Percent of the test images named correctly, by seed."""
    return np.array([100 * right[name, count, seed].mean() for seed in seeds])


# %% tags=["fold"]
looks = {
    "ViT": (plots.BLUE, "o", "-"),
    "CNN": (plots.VERMILION, "s", "--"),
    "CNN, averaged": (plots.GREEN, "^", ":"),
}
with plots.style():
    figure, axis = plt.subplots(figsize=(5.6, 3.4))
    for name, (color, marker, line) in looks.items():
        found = [shares(name, count) for count in counts]
        axis.errorbar(
            counts,
            [100 - v.mean() for v in found],
            [error(v) for v in found],
            color=color, marker=marker, linestyle=line, capsize=3, label=name,
        )  # fmt: skip
    axis.set(xscale="log", yscale="log", xlabel="training images", ylabel="test error (%)")
    axis.set_xticks(counts, [f"{count:,}" for count in counts])
    axis.minorticks_off()
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_yticks(book.setting(default=(2, 5, 10, 20, 50), full=(1, 2, 5, 10, 20)))
    axis.legend()
book.figure(
    figure,
    "curve",
    f"Test images named wrongly, after {schedule['steps']:,} steps on more or fewer training "
    f"images; mean and standard error over {len(seeds)} seeds, each with training images and first "
    "weights of its own. Both axes are logarithmic.",
    alt="Three falling curves with error bars, a Vision Transformer and two convolutional "
    "networks, against the number of training images.",
)

# %% tags=["hide"]
gaps = {count: shares("CNN", count) - shares("ViT", count) for count in counts}
ahead = [count for count in counts if gaps[count].mean() > 2 * error(gaps[count])]
behind = [count for count in counts if gaps[count].mean() < -2 * error(gaps[count])]
book.table(
    [
        [
            f"{count:,}",
            *(mean_error(shares(name, count), ".1f") for name in trainers),
            mean_error(gaps[count], "+.1f"),
        ]
        for count in counts
    ],
    ["training images", *trainers, "CNN − ViT"],
    f"Percent of {len(test_x):,} test images named correctly, mean ± standard error over "
    f"{len(seeds)} seeds; the difference is paired, with the same training images for both.",
    name="curve",
)
fewer = {
    name: (100 - shares(name, counts[0]).mean()) / (100 - shares(name).mean()) for name in trainers
}
times_wrong = [
    (100 - shares("ViT", count).mean()) / (100 - shares("CNN", count).mean())
    for count in (counts[0], most)
]
book.say(
    (
        "The convolutional network is ahead by more than two standard errors with "
        f"{listed([f'{count:,}' for count in ahead])} training images"
        if ahead
        else "With no number of training images is the convolutional network ahead by more than "
        "two standard errors"
    )
    + (
        f", the Vision Transformer with {listed([f'{count:,}' for count in behind])}"
        if behind
        else ", the Vision Transformer with none"
    )
    + f" (@fig:curve, @table:curve). From {counts[0]:,} images to {most:,} the errors fall by a "
    f"factor of {fewer['ViT']:.1f} for the Vision Transformer and {fewer['CNN']:.1f} for the CNN. "
    + (
        f"In points the CNN's lead falls from {gaps[counts[0]].mean():.1f} to "
        f"{gaps[most].mean():.1f}"
        if gaps[counts[0]].mean()
        > gaps[most].mean() + 2 * np.hypot(*map(error, (gaps[counts[0]], gaps[most])))
        else f"In points the CNN's lead is {number(gaps[counts[0]].mean(), '.1f')} and "
        f"{number(gaps[most].mean(), '.1f')}"
    )
    + f"; the Vision Transformer has {times_wrong[0]:.1f} times as many errors with "
    f"{counts[0]:,} images and {times_wrong[1]:.1f} times with {most:,}. The averaged CNN, which "
    "has the most built in, differs "
    + " and ".join(
        f"{mean_error(shares('CNN, averaged', n) - shares('ViT', n), '+.1f')} points from it "
        f"with {n:,} images"
        for n in (counts[0], most)
    )
    + ". All have been trained for "
    f"{schedule['steps']:,} steps, which with {most:,} images is "
    f"{schedule['steps'] * schedule['batch'] / most:.1f} passes over them, so this end shows "
    "how fast a network learns as well as how much data it needs. "
    + "The paper, at another size: trained on the 1.3 million images of ImageNet, "
    "its large models stay behind convolutional ones, and pass them with 300 million images."
)

# %% tags=["hide"]
by_output = []
for seed in seeds:
    model = trainers["ViT"].load(fits["ViT", most, seed])
    outputs = model.class_dense(encode(model, embed(model, test_x))).numpy()  # (n, 1 + N, 10)
    by_output.append(100 * (outputs.argmax(axis=2) == test_y[:, None]).mean(axis=0))
by_output = np.array(by_output)  # (seeds, 1 + N)
blank = trainers["ViT"].load(fits["ViT", most, 0])
token_at_start = embed(blank, test_x[:2])[:, 0].numpy()
book.box(
    "notes",
    "What the notes say: the first encoded vector goes to the classifier",
    f"""
    So it does, but the notes do not say what the first vector is. They cut the image into parts and
    feed those in; then the first output would be that of the *top left patch*. It is that of the
    class token, an extra vector in front, the same for every image (at the input it differs between
    two test images by {np.abs(token_at_start[0] - token_at_start[1]).max():g}). All that the first
    output knows of the image has come through attention.

    It matters which output is read. The trained classifier, put on the class token, names
    {mean_error(by_output[:, 0], ".1f")}% of the test images correctly (± over seeds); put on the
    top left patch, {mean_error(by_output[:, 1], ".1f")}%; on average over all patches,
    {mean_error(by_output[:, 1:].mean(axis=1), ".1f")}%, with chance at 10%. One could *train* a
    network to answer at a patch, or at the mean of all patches: exercise 11.3.
    """,
)

# %% [markdown]
# ## Patches out of order, images moved by a pixel
#
# Now the symmetries at work. First, choose one permutation of the patches and apply it to
# every image, in training and in test. For a reader the images are destroyed. The Vision
# Transformer must not care. Let $L(T)$ be its loss on the images, and $L_P$ that on the permuted
# ones, as functions of the table. By the last equation $L_P(PT) = L(T)$, with equal gradients for
# all other weights, and by the chain rule $\nabla L_P(PT) = P\, \nabla L(T)$. Adam works entry by
# entry, so after a step the other weights are equal and the table is again the permuted one; and so
# after all steps. Training on permuted images is training, from a permuted table, on the originals.
# A convolution reads neighbours that no longer are any. A harder case is to permute all *pixels*:
# now the patches are made of pixels from anywhere, and what little the Vision Transformer knew of
# closeness is gone as well.

# %%
pixel_order = np.random.default_rng(1).permutation(side**2)


def scrambled(x):
    """Images whose pixels are rearranged by one fixed permutation."""
    return x.reshape(len(x), -1)[:, pixel_order].reshape(x.shape)


changes = {"patches permuted": permuted, "pixels permuted": scrambled}
for name, (change, alter), seed in itertools.product(trainers, changes.items(), seeds):
    x, y = first(most, seed)
    fits[name, change, seed] = trainers[name].fit(alter(x), y, seed)
    right[name, change, seed] = trainers[name].right(fits[name, change, seed], alter(test_x))

# The derivation, followed through a whole training: same seed, permuted table, permuted images.
x_first, y_first = first(most, 0)
twin = {}
start = make_vit(0).positions.table.numpy()
for steps in (10, schedule["steps"]):
    one = fits["ViT", most, 0]
    if steps < schedule["steps"]:
        one = trainers["ViT"].fit(x_first, y_first, 0, steps=steps)
    other = trainers["ViT"].fit(permuted(x_first), y_first, 0, steps=steps, table=start[with_class])
    twin[steps] = (
        trainers["ViT"].logits(one, test_x), trainers["ViT"].logits(other, permuted(test_x))
    )  # fmt: skip

# %% tags=["hide"]
shuffled_shares = {
    (name, change): shares(name, change) for name, change in itertools.product(trainers, changes)
}
losses = {key: shares(key[0]) - value for key, value in shuffled_shares.items()}
book.table(
    [
        ["as they are", *(mean_error(shares(name), ".1f") for name in trainers)],
        *(
            [change, *(mean_error(shuffled_shares[name, change], ".1f") for name in trainers)]
            for change in changes
        ),
    ],
    ["training and test images", *trainers],
    f"Percent of the test images named correctly; {most:,} training images, mean ± standard error "
    f"over {len(seeds)} seeds.",
    name="permuted",
)
apart = {steps: np.abs(a - b).max() for steps, (a, b) in twin.items()}
same = np.mean([a.argmax(axis=1) == b.argmax(axis=1) for a, b in [twin[schedule["steps"]]]])
lost = {
    change: listed([f"{mean_error(losses[name, change], '.1f')} ({name})" for name in trainers])
    for change in changes
}
book.say(
    "Points of accuracy lost, paired by seed, with the patches permuted: "
    f"{lost['patches permuted']}; with all pixels permuted: {lost['pixels permuted']} "
    "(@table:permuted). For the Vision Transformer the first of these is chance: the trainings "
    "start from different tables. If the table is permuted too and the seed is the same, then "
    f"after 10 steps no logit of a test image differs by more than {small(apart[10])}, and after "
    f"all {schedule['steps']:,} steps, in which rounding has had time to grow, by "
    f"{small(apart[schedule['steps']])}; {same:.1%} of the answers are the same. "
    + (
        "With the pixels permuted the Vision Transformer loses nothing that is clear: here it has "
        "no gain from patches of neighbouring pixels either."
        if losses["ViT", "pixels permuted"].mean() < 2 * error(losses["ViT", "pixels permuted"])
        else ""
    )
)
apart_scrambled = shares("ViT", "pixels permuted") - shares("CNN, averaged", "pixels permuted")
book.say(
    "The two convolutional networks stand differently. One ends in a dense layer, which has to "
    "learn where things are in any case, and can learn another arrangement as well. The averaged "
    "one has nothing but its kernels to put parts together with. On permuted pixels it is "
    f"{mean_error(apart_scrambled, '+.1f')} "
    "points from the Vision Transformer (positive: the Vision Transformer is ahead). What is built "
    "in helps if it is true. If it is not, and nothing else in the network can make up for it, it "
    "cannot be unlearned; the dense layer of the other one does make up for it: "
    f"{shares('CNN', 'pixels permuted').mean():.1f}% on permuted pixels, where the Vision "
    f"Transformer has {shares('ViT', 'pixels permuted').mean():.1f}%."
)

# %% [markdown]
# Second, move the test images sideways, by a pixel or two, for networks that were trained on images
# that had not been moved. (The frame stays; what leaves it is lost.) A Vision Transformer sees
# every patch with other contents, and nothing in it says that this is nearly the same image. The
# remedy is as old as the problem: **augmentation**, here training images moved by up to one pixel
# each way, anew in each step.

# %%
distances = (-2, -1, 0, 1, 2)
longer = 2


def aside(x, by):
    """Images moved to the right by some pixels."""
    return np.roll(np.pad(x, ((0, 0), (0, 0), (2, 2))), by, axis=2)[:, :, 2:-2]


for name, seed in itertools.product(trainers, seeds):
    fits[name, "moved", seed] = trainers[name].fit(
        *first(most, seed), seed, moves=True, steps=longer * schedule["steps"]
    )
    right[name, "moved", seed] = trainers[name].right(fits[name, "moved", seed])
aside_shares = {
    (name, how): 100
    * np.array(
        [
            [
                trainers[name].right(fits[name, how, seed], aside(test_x, by)).mean()
                for by in distances
            ]
            for seed in seeds
        ]
    )  # (seeds, distances)
    for name, how in itertools.product(trainers, (most, "moved"))
}

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
    for axis, how, title in zip(
        axes, (most, "moved"), ("trained as they are", "trained with moves"), strict=True
    ):
        for name, (color, marker, line) in looks.items():
            found = aside_shares[name, how]
            axis.errorbar(
                distances, found.mean(axis=0), [error(v) for v in found.T],
                color=color, marker=marker, linestyle=line, capsize=3, label=name,
            )  # fmt: skip
        axis.set(xlabel="test images moved right by (pixels)", title=title, xticks=distances)
    axes[0].set_ylabel("named correctly (%)")
    axes[1].legend(fontsize=8, loc="lower center")
book.figure(
    figure,
    "aside",
    f"Accuracy on moved test images. Left: networks trained on {most:,} images as they are. Right: "
    f"trained {longer} times as long on the same images moved by up to one pixel. Mean ± standard "
    f"error over {len(seeds)} seeds.",
    alt="Two panels of accuracy against displacement with a peak at zero; the curves are flatter "
    "at the right.",
)

# %% tags=["hide"]
lost_ink = 1 - np.mean([aside(test_x, by).sum() / test_x.sum() for by in (-1, 1)])
by_one = {  # points lost by one pixel, mean of left and right: (seeds,)
    key: found[:, 2] - (found[:, 1] + found[:, 3]) / 2 for key, found in aside_shares.items()
}
lost_by_one = {
    how: listed([f"{mean_error(by_one[name, how], '.1f')} ({name})" for name in trainers])
    for how in (most, "moved")
}
augmented = [
    f"{mean_error(aside_shares[name, 'moved'][:, 2] - shares(name), '+.1f')} ({name})"
    for name in trainers
]
in_order = sorted(trainers, key=lambda name: -by_one[name, most].mean())
book.say(
    f"Moved by one pixel, left or right, the test images lose {lost_ink:.1%} of their ink, and the "
    f"networks these points of accuracy: {lost_by_one[most]} (@fig:aside). Most is lost by "
    f"*{in_order[0]}*, least by *{in_order[-1]}*. "
    + (
        "That is the order of what is built in: nothing beyond the patch; layers that are "
        "equivariant under a dense layer that is not; equivariance up to pooling and border, and "
        "an average. "
        if in_order == ["ViT", "CNN", "CNN, averaged"]
        else ""
    )
    + f"Trained with moves they lose {lost_by_one['moved']}. On images that are not moved, "
    f"augmentation and the longer training change the accuracy by {listed(augmented)} points."
)

# %% [markdown]
# ## What the positions learn
#
# The table $T$ is all that tells places apart. It starts with independent normals of scale 0.02:
# different rows, so places can be told apart from the start, and the other weights can learn what
# each row means. But position 1 is then no nearer to position 2 than to the last one. Is it so
# after training? The cosine of two rows, $t_i \cdot t_j / (|t_i|
# |t_j|)$, says how similar they are. For each patch we draw its cosine with all others as a map of
# the image.
#
# For the accuracy four tables are compared: learned; none, $T = 0$ for good; random rows that stay
# as they are; and a fixed one that tells row and column by the waves of chapter 10, half of the
# entries for each.

# %%
half_dim = sizes["model_dim"] // 2
waves = sinusoidal_positions(grid, half_dim)
waves_2d = np.concatenate([waves[places[:, 0]], waves[places[:, 1]]], axis=1)  # rows, columns
waves_2d = np.concatenate([np.zeros((1, 2 * half_dim), "float32"), waves_2d])  # class token
random_rows = 0.02 * np.random.default_rng(0).normal(size=waves_2d.shape).astype("float32")
tables = {
    "none": np.zeros_like(waves_2d),
    "random, fixed": random_rows,
    "waves of row and column": waves_2d,
}
learned = trainers["ViT"].model.positions.table
for (name, start), seed in itertools.product(tables.items(), seeds):
    fits[name, most, seed] = trainers["ViT"].fit(
        *first(most, seed), seed, table=start, fixed=[learned]
    )
    right[name, most, seed] = trainers["ViT"].right(fits[name, most, seed])


def cosines(table):
    """Of each patch's position with each other one: `(N, N)`."""
    rows = table[1:] / np.linalg.norm(table[1:], axis=1, keepdims=True)
    return rows @ rows.T


def table_of(weights):
    return trainers["ViT"].load(weights).positions.table.numpy()


between = np.linalg.norm(places[:, None] - places[None], axis=2)  # distance, in patches
pairs = np.triu_indices(grid**2, 1)
similar = {
    "before training": [cosines(make_vit(seed).positions.table.numpy()) for seed in seeds],
    "trained": [cosines(table_of(fits["ViT", most, seed])) for seed in seeds],
    "trained with moves": [cosines(table_of(fits["ViT", "moved", seed])) for seed in seeds],
}

# %% tags=["fold"]
with plots.style():
    figure = plt.figure(figsize=(7.2, 3.6))
    left, right_ = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    tiles = left.subplots(grid, grid)
    for k, axis in enumerate(tiles.flat):
        image = axis.imshow(
            similar["trained with moves"][0][k].reshape(grid, grid), cmap="viridis", vmin=-1, vmax=1
        )
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    left.supxlabel("column of the patch", fontsize=10)
    left.supylabel("row of the patch", fontsize=10)
    bar = left.colorbar(image, ax=tiles, shrink=0.8)
    bar.set_label("cosine")
    axis = right_.subplots()
    radii = np.unique(np.round(between[pairs], 6))
    for (name, found), color, marker in zip(
        similar.items(), (plots.MUTED, plots.SKY, plots.BLUE), ("x", "^", "o"), strict=True
    ):
        values = np.array([[c[np.isclose(between, r)].mean() for r in radii] for c in found])
        axis.errorbar(
            radii, values.mean(axis=0), [error(v) for v in values.T],
            color=color, marker=marker, capsize=2, label=name, linewidth=1.2,
        )  # fmt: skip
    axis.set(xlabel="distance (patches)", ylabel="mean cosine")
    axis.margins(y=0.4)
    axis.legend(fontsize=8, loc="upper right")
book.figure(
    figure,
    "positions",
    f"Left: for each of the {grid**2} patches, in its place, the cosine of its position vector "
    "with those of all patches (trained with moves, seed 0). Right: mean cosine of two positions "
    f"against their distance; mean ± standard error over {len(seeds)} seeds.",
    alt="Left: small maps, each brightest at its own place. Right: three curves of cosine against "
    "distance, before training, after it, and after training with moves.",
)

# %% tags=["hide"]


def ranks(found):
    """Rank correlation of cosine and nearness on the grid, one for each table."""
    return np.array([spearmanr(-between[pairs], c[pairs]).statistic for c in found])


rank = {name: ranks(found) for name, found in similar.items()}
in_line = np.abs(np.subtract.outer(np.arange(grid**2), np.arange(grid**2)))
line_rank = np.array(
    [spearmanr(-in_line[pairs], c[pairs]).statistic for c in similar["trained with moves"]]
)
names = {"ViT": "learned", **{name: name for name in tables}}
book.table(
    [[shown_as, mean_error(shares(name), ".1f")] for name, shown_as in names.items()],
    ["positions", "named correctly (%)"],
    f"Test accuracy by kind of positions; {most:,} training images, mean ± standard error over "
    f"{len(seeds)} seeds.",
    name="tables",
)
without = shares("ViT") - shares("none")
by_waves, by_random = (
    shares(name) - shares("ViT") for name in ("waves of row and column", "random, fixed")
)
trainers["ViT"].load(fits["none", most, 0])
bag_gap = np.abs(
    trainers["ViT"].answer(tf.constant(test_x))
    - trainers["ViT"].answer(tf.constant(permuted(test_x)))
).max()
moved_rank = rank["trained with moves"]
book.say(
    "The rank correlation between cosine and nearness on the grid is "
    f"{mean_error(rank['before training'])} before training (± over seeds; chance gives 0), "
    f"{mean_error(rank['trained'])} after training on the images as they are, and "
    f"{mean_error(moved_rank)} after training on moved images (@fig:positions). "
    + (
        "So a grid appears where images move. A likely reason: in images that are always centred "
        "each place has a part of its own to play, and the network needs to tell places apart, not "
        "to know which are close. If the same stroke may appear here or one pixel further on, "
        "neighbouring places must be treated alike. "
        if moved_rank.mean() - 2 * error(moved_rank) > max(0, rank["trained"].mean())
        else ""
    )
    + "With nearness in the *sequence*, by which the first patch of a row is next to the last one "
    f"of the row above, the last correlation is {mean_error(line_rank)}: "
    + (
        "what has been learned has two dimensions. "
        if (moved_rank - line_rank).mean() > 2 * error(moved_rank - line_rank)
        else "after so short a training the table shows no grid. "
        if moved_rank.mean() < 2 * error(moved_rank)
        else "that does not decide whether what has been learned has two dimensions. "
    )
    + "The paper's models, trained far longer on far more images, show rows "
    "and columns clearly."
)
book.say(
    f"Without positions the accuracy falls by {mean_error(without, '.1f')} points, to "
    f"{shares('none').mean():.1f}% (@table:tables; chance is 10%). That is what the bag of patches "
    "alone tells, and it is all that such a network can see: on test images with permuted patches "
    f"its logits differ from those on the originals by {small(bag_gap)} at "
    "most. Fixed waves of row and column change the accuracy of the learned table by "
    f"{mean_error(by_waves, '+.1f')} points, fixed random rows by "
    f"{mean_error(by_random, '+.1f')}. (The two fixed tables differ in size as well: a row of "
    f"waves has length {np.linalg.norm(waves_2d[1:], axis=1).mean():.1f}, a random one "
    f"{np.linalg.norm(random_rows[1:], axis=1).mean():.2f}.)"
    + (
        " So most of what positions bring here is that places can be told apart at all."
        if abs(by_random.mean()) < without.mean() / 4
        else ""
    )
)

# %% tags=["hide"]
try:
    vit.patches(np.zeros((1, side + patch, side), "float32"))
except ValueError as problem:
    refused_shape = str(problem)
book.box(
    "notes",
    "What the notes say: positional encoding is added, as in the Transformer; inputs are flexible",
    f"""
    Two things differ from the Transformer of chapter 10.

    - The positions are not waves of a formula but a *table of weights*. At the start it knows no
      grid, not even an order: its rank correlation with nearness is
      {mean_error(rank["before training"])}. What is in it later has been learned.
    - The notes give as a strength of attention that its input need not have a fixed size. The
      attention itself takes any number of tokens, but this table has one row for each of
      {grid**2 + 1}. An image of another size has patches without a position, and the library
      refuses it: `{refused_shape}`. The paper interpolates the table, as a picture is enlarged,
      when it goes on to larger images. Waves of row and column would need no such repair.
    """,
)

# %% [markdown]
# ## Where it looks
#
# ### How far
#
# A convolution of 3 × 3 sees as far as its kernel, and deeper layers see further. An attention head
# can see everything at once. How far does it look? Let $A$ be its weights, $\tilde A$ the part
# between patches, with rows divided by their sums, and $u_i$ the centre of patch $i$. The
# **attention distance** is
#
# $$
# d = \frac{1}{N} \sum_i \sum_j \tilde A_{ij}\, |u_i - u_j| ,
# $$
#
# averaged over images: the mean distance, in pixels, at which the head reads. Looking evenly
# everywhere gives the mean distance of two patches; looking at oneself gives 0. The paper finds
# that in the first layers of a large network some heads look near and others far, and that in the
# last ones all look far.

# %%
looked_at = test_x[: book.setting(default=300, full=1000)]
looked_at_y = test_y[: len(looked_at)]


def maps_of(model):
    """`(blocks, n, heads, 1 + N, 1 + N)`: who looks, at whom."""
    return model.attention_maps(looked_at).numpy()


def attention_distance(maps):
    """In pixels: `(blocks, heads)`."""
    among = maps[..., 1:, 1:] / maps[..., 1:, 1:].sum(axis=-1, keepdims=True)
    return (among * patch * between).sum(axis=-1).mean(axis=(1, 3))


evenly = patch * between.mean()
reach = {
    "before training": [attention_distance(maps_of(make_vit(seed))) for seed in seeds],
    "trained": [],
    "trained with moves": [],
}
all_maps, evenness = {}, []
for seed in seeds:
    all_maps[seed] = maps_of(trainers["ViT"].load(fits["ViT", most, seed]))
    reach["trained"].append(attention_distance(all_maps[seed]))
    with_moves = maps_of(trainers["ViT"].load(fits["ViT", "moved", seed]))
    reach["trained with moves"].append(attention_distance(with_moves))
    evenness.append(entropy(with_moves, axis=-1).mean() / math.log(grid**2 + 1))
reach = {name: np.array(found) for name, found in reach.items()}  # (seeds, blocks, heads)

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(5.6, 3.2))
    depth = np.arange(1, sizes["num_layers"] + 1)
    for (name, found), color, marker, aside_ in zip(
        reach.items(),
        (plots.MUTED, plots.SKY, plots.BLUE),
        ("x", "^", "o"),
        (-0.2, 0, 0.2),
        strict=True,
    ):
        at = np.repeat(depth, found.shape[2]).reshape(1, *found.shape[1:]) + aside_
        at = at + np.linspace(-0.06, 0.06, len(seeds))[:, None, None]
        axis.scatter(at, found, color=color, marker=marker, s=22, label=name, linewidths=1)
    axis.axhline(evenly, color=plots.VERMILION, linestyle="--", linewidth=1.2, label="evenly")
    axis.set(xticks=depth, xlabel="block", ylabel="attention distance (pixels)")
    axis.legend(fontsize=8, ncols=2)
book.figure(
    figure,
    "distance",
    f"Attention distance of each of the {sizes['num_heads']} heads of each block, for {len(seeds)} "
    f"seeds (a point each), on {len(looked_at):,} test images. Dashed: attention that is spread "
    "evenly over the patches.",
    alt="Points for heads by block, on both sides of the dashed line, before and after training.",
)

# %% tags=["hide"]
spread = {name: np.ptp(found, axis=2).mean(axis=0) for name, found in reach.items()}
ranges = [
    f"between {found.min():.2f} and {found.max():.2f} ({name})" for name, found in reach.items()
]
by_block = [mean_error(reach["trained with moves"][:, k].mean(axis=1)) for k in range(len(depth))]
book.say(
    f"Even attention reads at a distance of {evenly:.2f} pixels. The heads lie {listed(ranges)} "
    "(@fig:distance). With moves, the nearest and the furthest head of a block are, on average "
    "over seeds, "
    + listed(
        [f"{value:.2f} (block {k})" for k, value in enumerate(spread["trained with moves"], 1)]
    )
    + f" pixels apart, and the means by block are {listed(by_block)} pixels. The distance could "
    "lie between 0, for a head that looks at the patch itself, and, on average, "
    f"{patch * between.max(axis=1).mean():.1f}, for one that looks at the furthest patch. To read "
    "as far as even attention is not yet to look evenly: a head that looks at a few patches, from "
    "everywhere, does it too. The entropy of a token's weights, $\\log n$ if they are even, "
    f"is on average {np.mean(evenness):.0%} of that."
)

# %% [markdown]
# ### Through all blocks: roll-out
#
# What did the class token's answer come from? The attention of the last block says which *outputs
# of the block before* it read. But those are mixtures already. Abnar and Zuidema (2020) follow the
# mixing back to the input. Write one block without its MLP and norms, and with the projections of
# values and outputs left out, as if each token passed on itself:
#
# $$
# X_l = X_{l-1} + A_l X_{l-1} = (I + A_l)\, X_{l-1} ,
# $$
#
# where $A_l$ is the mean over the heads. The rows of $I + A_l$ sum to 2. Only shares matter, so
# divide by 2:
#
# $$
# \hat A_l = \tfrac{1}{2} I + \tfrac{1}{2} A_l , \qquad R = \hat A_L\, \hat A_{L-1} \cdots
# \hat A_1 .
# $$
#
# Each $\hat A_l$ has non-negative entries and rows that sum to 1, and so has the product: if $M
# \mathbf{1} = \mathbf{1}$ and $M' \mathbf{1} = \mathbf{1}$, then $M M' \mathbf{1} =
# \mathbf{1}$. Row $i$ of $R$ divides output $i$ among the inputs. Multiplied out,
#
# $$
# R_{ij} = \sum_{i = k_L, k_{L-1}, \dots, k_0 = j} \; \prod_{l=1}^{L} \hat A_l(k_l, k_{l-1}) ,
# $$
#
# it is the probability that a walk from $i$ ends at $j$, if at each block it tosses a coin: heads,
# it stays; tails, it moves to a token drawn by the attention. The row of the class token, without
# its first entry, is drawn as a map of the image.
#
# The halves are an assumption, namely that what a block adds is as large as what was there. And
# much was left out: which way the values point, whether they help or hurt, what the MLP makes of
# them. The map does not depend on the label at all. So it must be tested.


# %%
def rollout(maps):
    """Shares of the inputs in each output: `(n, 1 + N, 1 + N)`."""
    unit = np.eye(maps.shape[-1])
    joint = unit
    for weights in maps.mean(axis=2):  # of a block, the mean over its heads
        joint = (unit + weights) / 2 @ joint
    return joint


def added_shares(model, x):
    """|what attention adds| / (that + |what was there|), by block, mean over tokens."""
    tokens, shares_ = embed(model, x), []
    for block in model.blocks:
        read = block.self_attention_norm(tokens)
        added, there = (
            np.linalg.norm(v, axis=2) for v in (block.self_attention(read, read), tokens)
        )
        shares_.append((added / (added + there)).mean())
        tokens = block(tokens)
    return np.array(shares_)


rolled = {seed: rollout(maps)[:, 0, 1:] for seed, maps in all_maps.items()}  # (n, N)
last_block = {seed: maps[-1].mean(axis=1)[:, 0, 1:] for seed, maps in all_maps.items()}
ink = vit.patches(looked_at).numpy().sum(axis=2)
added = np.array(
    [added_shares(trainers["ViT"].load(fits["ViT", most, seed]), looked_at) for seed in seeds]
)

# %% [markdown]
# ### Does the map say what matters?
#
# There is a direct way to ask. Take a patch away, and see what happens to the logit of the right
# digit. Done for one patch at a time, this gives $N$ drops for each image, the thing that the map
# claims to show. Then take many away in the order of the map, highest first, and count how many
# images are still named correctly. A good map names first what matters, so its curve falls early.
# Beside it: random order, the *reverse* order of the map, the attention of the last block alone,
# the ink of the patches (which needs no network), and their single drops.
#
# But what is it to take a patch away? There are two ways, and they ask different things. A patch
# can be **hidden** by a mask, so that no token looks at it: then the network must do without that
# token. Or it can be **painted over** with the mean of all training images at that place: then the
# token is there, and what this image had to say at that place is gone.


# %%
@tf.function(reduce_retracing=True)
def masked_logits(x, kept):
    model = trainers["ViT"].model
    kept = tf.pad(kept, [[0, 0], [1, 0]], constant_values=True)  # the class token always stays
    return model.class_dense(encode(model, embed(model, x), kept)[:, 0])


def logits_without(kept, way):
    """Logits of the images without the patches that are not kept; `(n, N)` bool."""
    if way == "hidden":
        return masked_logits(looked_at, kept).numpy()
    in_pixels = kept.reshape(-1, grid, grid).repeat(patch, axis=1).repeat(patch, axis=2)
    painted = np.where(in_pixels, looked_at, train_x.mean(axis=0))
    return trainers["ViT"].answer(tf.constant(painted)).numpy()


of_label = (np.arange(len(looked_at)), looked_at_y)  # the logit of the right digit
taken = sorted({round(k * grid**2 / 8) for k in range(9)})
drops, curves = {}, {}
for seed, way in itertools.product(seeds, ("hidden", "painted over")):
    trainers["ViT"].load(fits["ViT", most, seed])
    every = np.ones((len(looked_at), grid**2), bool)
    whole = logits_without(every, way)[of_label]
    singles = [every & (np.arange(grid**2) != k) for k in range(grid**2)]
    drops[way, seed] = np.stack(
        [whole - logits_without(kept, way)[of_label] for kept in singles], axis=1
    )  # (n, N)
    orders = {
        "roll-out, highest first": rolled[seed],
        "roll-out, lowest first": -rolled[seed],
        "last block": last_block[seed],
        "ink": ink,
        "random": np.random.default_rng(seed).random(ink.shape),
        "single drops": drops[way, seed],
    }
    for name, score in orders.items():
        place = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1)
        answers = [logits_without(place >= k, way).argmax(axis=1) for k in taken]
        curves[way, name, seed] = 100.0 * (np.stack(answers) == looked_at_y)  # (taken, n)
ways = ("hidden", "painted over")
curves = {  # mean over seeds
    (way, name): np.mean([curves[way, name, seed] for seed in seeds], axis=0)
    for way, name in itertools.product(ways, orders)
}

# %% tags=["fold"]
chosen = [np.flatnonzero(looked_at_y == digit)[0] for digit in (0, 2, 3, 4, 6, 7, 8, 9)]
rows = {
    "image": (looked_at, "gray_r", (0, 1)),
    "roll-out": (rolled[0], "viridis", None),
    "last block": (last_block[0], "viridis", None),
    "hidden": (drops["hidden", 0], "PuOr_r", "both"),
    "painted over": (drops["painted over", 0], "PuOr_r", "both"),
}
with plots.style():
    figure, axes = plt.subplots(len(rows), len(chosen), figsize=(7.2, 4.6))
    for line_, (name, (values, cmap, limits)) in zip(axes, rows.items(), strict=True):
        for axis, k in zip(line_, chosen, strict=True):
            picture = values[k] if values[k].ndim == 2 else values[k].reshape(grid, grid)
            top = np.abs(picture).max()
            low, high = {"both": (-top, top), None: (0, top)}.get(limits, limits)
            axis.imshow(picture, cmap=cmap, vmin=low, vmax=high)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
        line_[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
book.figure(
    figure,
    "rollout",
    "Test images; the class token's roll-out; its attention in the last block; and by how much the "
    "right digit's logit falls when one patch is hidden, or painted over. Each map has a scale of "
    "its own: for attention dark is 0 and yellow the largest value; for the drops white is 0, "
    "orange a fall, violet a rise. Seed 0.",
    alt="Five rows of eight pictures: digits, two rows of attention maps, two of logit drops.",
)

with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.9), sharey=True)
    styles = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
    colors = (plots.BLUE, plots.SKY, plots.GREEN, plots.ORANGE, plots.MUTED, plots.VERMILION)
    for axis, way in zip(axes, ways, strict=True):
        for name, color, line in zip(orders, colors, styles, strict=True):
            found = curves[way, name].mean(axis=1)
            axis.plot(taken, found, color=color, linestyle=line, label=name)
        axis.axhline(10, color=plots.INK, linewidth=0.6)
        axis.set(xlabel=f"patches {way}, of {grid**2}", ylim=(0, 100))
    axes[0].set_ylabel("named correctly (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=8)
book.figure(
    figure,
    "hidden",
    f"Accuracy on {len(looked_at):,} test images when patches are taken away one after the other "
    f"in six orders: hidden (left), painted over (right); mean of {len(seeds)} networks. The thin "
    "line is chance.",
    alt="Two panels of six falling curves; an early fall means that the order names important "
    "patches first.",
)

# %% tags=["hide"]


def by_image(score, truth):
    """Rank correlation of two scores of the patches, one for each image."""
    ranks_ = (rankdata(v, axis=1) for v in (score, truth))  # of what is equal, the mean rank
    a, b = (r - r.mean(axis=1, keepdims=True) for r in ranks_)
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def agreement(way, scores):
    """The same with the single drops, mean over networks; `scores` are by seed."""
    return np.mean([by_image(scores[seed], drops[way, seed]) for seed in seeds], axis=0)


with_ink = np.mean([by_image(rolled[seed], ink) for seed in seeds], axis=0)
agreed = {
    way: listed(
        [
            f"{mean_error(agreement(way, scores))} ({name})"
            for name, scores in {
                "roll-out": rolled,
                "last block": last_block,
                "ink": dict.fromkeys(seeds, ink),
            }.items()
        ]
    )
    for way in ways
}
quarter = min(range(len(taken)), key=lambda k: abs(taken[k] - grid**2 / 4))
at_quarter = {key: found[quarter] for key, found in curves.items()}
beyond = {key: found - at_quarter[key[0], "random"] for key, found in at_quarter.items()}
book.table(
    [
        [
            name,
            *(
                cell
                for way in ways
                for cell in (
                    mean_error(at_quarter[way, name], ".1f"),
                    mean_error(beyond[way, name], "+.1f") if name != "random" else "",
                )
            ),
        ]
        for name in orders
    ],
    ["order", "hidden", "less random", "painted over", "less random"],
    f"Percent named correctly without {taken[quarter]} of {grid**2} patches, ± standard error over "
    f"{len(looked_at):,} test images (each the mean over {len(seeds)} networks), and the paired "
    "difference from a random order. Lower means that the order names important patches earlier.",
    name="hidden",
)


def verdict(way, other):
    difference = at_quarter[way, "roll-out, highest first"] - at_quarter[way, other]
    if difference.mean() < -2 * error(difference):
        return "better than"
    return "worse than" if difference.mean() > 2 * error(difference) else "no different from"


by_hiding, by_painting = (verdict(way, "random") for way in ways)
book.say(
    f"Without the {taken[quarter]} patches that roll-out names first, hidden, "
    f"{at_quarter['hidden', 'roll-out, highest first'].mean():.1f}% of the images are named "
    f"correctly, without as many random ones {at_quarter['hidden', 'random'].mean():.1f}% "
    f"(@table:hidden, @fig:hidden). Painted over, it is "
    f"{at_quarter['painted over', 'roll-out, highest first'].mean():.1f}% and "
    f"{at_quarter['painted over', 'random'].mean():.1f}%. So by hiding, the map is {by_hiding} "
    f"chance, and by painting it is {by_painting} chance (differences of more than two standard "
    "errors count). Against the plain rule to take the darkest patches first, it is "
    f"{verdict('hidden', 'ink')} the rule by hiding and {verdict('painted over', 'ink')} it by "
    "painting."
)
book.say(
    "Patch by patch, the rank correlations with the single drops are, over images, "
    f"{agreed['hidden']} by hiding, and {agreed['painted over']} by painting. The map's own "
    f"correlation with the ink of the patches is {mean_error(with_ink)}. "
    + (
        "So the map names tokens that the computation leans on, and these are not the places where "
        "the image says what it is. A blank patch says little and is still a token at a known "
        "place, which other tokens use. "
        if by_hiding == "better than" and by_painting != "better than"
        else "So by both measures the map finds patches that matter. But it says nothing of the "
        "label: whichever digit is asked about, the map is the same. "
        if by_hiding == by_painting == "better than"
        else ""
    )
    + "And the assumption of one half: the share that attention adds is, here, "
    + listed([f"{v:.2f} (block {k})" for k, v in enumerate(added.mean(axis=0), 1)])
    + ". A roll-out is a picture of how tokens were mixed. Whoever wants to know what matters must "
    "say what taking away means, and do it; the price is a pass through the network for each patch "
    "instead of one for all."
)

# %% [markdown]
# ## What it costs
#
# Count multiply-adds for one image, with $N = HW / p^2$ patches, $n = N + 1$ tokens, width $D$ and
# $M$ hidden units. The embedding costs $N p^2 C D = HWCD$, whatever the size of the patches. In
# each block the four projections cost $4 n D^2$, the MLP $2 n D M$, and scores and means, all heads
# together, $n^2 D$ each:
#
# $$
# \underbrace{n\, (4 D^2 + 2 D M)}_\text{linear in the tokens} + \underbrace{2\, n^2 D}_\text{
# quadratic} .
# $$
#
# They are equal at $n = 2D + M$; with the usual $M = 4D$, at $n = 6D$. Half the patch size means
# four times the tokens: four times the linear part, *sixteen* times the quadratic one, and as much
# more memory for the weights of attention, $n^2$ for each head.


# %%
def parts(model):
    """Multiply-adds for an image: embedding, linear part and quadratic part of all blocks, head."""
    tokens, dim = model.num_patches + 1, model.model_dim
    pixels = np.prod(model.image_shape)
    linear = tokens * (4 * dim**2 + 2 * dim * model.hidden_units)
    return np.array(
        [
            pixels * dim,
            model.num_layers * linear,
            model.num_layers * 2 * tokens**2 * dim,
            dim * model.num_classes,
        ],
        dtype=float,
    )


def counted(model):
    """Multiply-adds of the matrix products in the graph that TensorFlow makes of the model."""
    image = tf.TensorSpec((1, *model.image_shape))
    total = 0
    for operation in tf.function(model).get_concrete_function(image).graph.get_operations():
        if "MatMul" in operation.type:
            names = {name: operation.get_attr(name) for name in operation.node_def.attr}
            first_ = operation.inputs[0].shape
            turned = names.get("transpose_a", names.get("adj_x"))
            total += np.prod(operation.outputs[0].shape) * first_[-2 if turned else -1]
    return int(total)


patch_sizes = book.setting(default=(2, 4), full=(2, 4, 7))
by_patch = {}
for size in patch_sizes:
    if size == patch:
        trainer, weights = trainers["ViT"], fits["ViT", most, 0]
    else:
        trainer = Trainer(lambda seed, size=size: make_vit(seed, size), by_xla=True)
        weights = trainer.fit(*first(most, 0), 0)
    is_right = trainer.right(weights)
    begin = time.perf_counter()
    for _ in range(3):
        trainer.right(weights)
    by_patch[size] = trainer.model, is_right, (time.perf_counter() - begin) / 3

large = {
    size: VisionTransformer((224, 224, 3), 1000, size, 768, 12, 12, 3072)
    for size in (2, 4, 8, 16, 32)
}
cost = {size: parts(model) for size, model in large.items()}

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(5.8, 3.3))
    for (name, k), color, line, marker in zip(
        {"linear part": 1, "quadratic part": 2}.items(),
        (plots.BLUE, plots.VERMILION), ("-", "--"), ("o", "s"), strict=True,
    ):  # fmt: skip
        axis.plot(
            list(cost),
            [v[k] / 1e9 for v in cost.values()],
            line,
            color=color,
            marker=marker,
            label=name,
        )
    axis.set(xscale="log", yscale="log", xlabel="patch size (pixels)")
    axis.set_ylabel("multiply-adds per image (billions)")
    axis.set_xticks(list(cost), list(cost))
    axis.minorticks_off()
    axis.legend()
book.figure(
    figure,
    "cost",
    "Cost of the paper's base model ($D = 768$, $M = 3072$, 12 blocks) on an image of 224 × 224 "
    "pixels. Both axes are logarithmic.",
    alt="Two falling lines; the steeper one, quadratic, is above the other for patches of 2 pixels "
    "and below it from 4 pixels on.",
)

# %% tags=["hide"]
rows = []
for size, (model, is_right, seconds) in by_patch.items():
    made_of = parts(model)
    rows.append(
        [
            f"{size}",
            f"{model.num_patches:,}",
            f"{model.count_params():,}",
            f"{made_of.sum() / 1e6:.2f}",
            f"{counted(model) / 1e6:.2f}",
            f"{made_of[2] / made_of.sum():.0%}",
            f"{1e6 * seconds / len(test_x):.0f}",
            f"{mean_error(100.0 * is_right, '.1f')}",
        ]
    )
book.table(
    rows,
    [
        "patch",
        "patches",
        "weights",
        "by the formula",
        "counted",
        "quadratic",
        "µs per image",
        "named correctly (%)",
    ],
    "The chapter's network with patches of other sizes. Millions of multiply-adds per image, by "
    "the formula and counted in TensorFlow's graph; the share of the quadratic part; time to "
    f"classify; accuracy after {schedule['steps']:,} steps on {most:,} images, one seed, ± "
    f"standard error over {len(test_x):,} test images.",
    name="cost",
)

base = large[16]
book.say(
    f"At the paper's setting, patches of 16 pixels, there are {base.num_patches + 1} tokens, far "
    f"below $6D = {6 * base.model_dim:,}$: the quadratic part is "
    f"{cost[16][2] / cost[16].sum():.0%} of {cost[16].sum() / 1e9:.1f} billion multiply-adds. With "
    f"patches of 4 pixels it is {cost[4][2] / cost[4].sum():.0%} of {cost[4].sum() / 1e9:,.0f} "
    f"billion (@fig:cost). One word for each pixel would make {(224**2 + 1) ** 2 / 1e9:.1f} "
    "billion weights of attention for each head and image. For the chapter's own network "
    "@table:cost has the numbers, and what smaller patches bring: more to compute, and after so "
    "many steps an accuracy of "
    + listed(
        [
            f"{100 * is_right.mean():.1f}% (patches of {k})"
            for k, (_, is_right, _) in by_patch.items()
        ]
    )
    + ", one seed each."
)

# %% [markdown]
# ## What goes wrong, and why
#
# **The patch size does not divide the image.** There is no sensible default: cropping loses pixels,
# padding adds a border that the network must learn. The library refuses.

# %%
try:
    VisionTransformer((side, side), 10, patch_size=3)
except ValueError as problem:
    refused_patch = str(problem)

# %% tags=["hide"]
book.box("warning", "The library's error", f"`{refused_patch}`")
few = {}
for name in trainers:
    few[name] = []
    for seed in seeds:
        x, y = first(counts[0], seed)
        found = trainers[name].logits(fits[name, counts[0], seed], x).argmax(axis=1) == y
        few[name].append(100 * found.mean())
book.say(
    f"**Few images.** With {counts[0]:,} training images the Vision Transformer names "
    f"{mean_error(few['ViT'], '.1f')}% of *these* correctly and "
    f"{mean_error(shares('ViT', counts[0]), '.1f')}% of the test images; the convolutional network "
    f"{mean_error(few['CNN'], '.1f')}% and {mean_error(shares('CNN', counts[0]), '.1f')}%. "
    + ("It is not that the network cannot fit. " if np.mean(few["ViT"]) > 95 else "")
    + "Many functions fit so few images, and nothing says which of them sees the same digit one "
    "pixel further on."
)
book.say(
    "**No augmentation.** Augmentation says by examples what the convolution says by construction "
    f"(@fig:aside, where it comes with all {most:,} images and a longer training; whether it would "
    "make up for missing images was not measured here). **A map taken for an explanation**: a "
    "roll-out is the same whichever label is asked about, and what it is worth depends on what "
    "taking away means (@table:hidden; Jain and Wallace have more doubts)."
)

# %% [markdown]
# ## On MNIST
#
# The recipes `vit_mnist` and `cnn_mnist` train a Vision Transformer and a convolutional network of
# as many weights on the 50,000 training images of MNIST, with the same schedule and augmentation.
# We found no published figure for a plain Vision Transformer on MNIST; the comparison is between
# the two.

# %% tags=["hide"]
book.recipes(
    vit_mnist.RECIPES,
    "Percent of the 10,000 test images of MNIST named correctly, ± standard error over them. Both "
    "networks are tested on the same images, so their difference is known better than either.",
    name="recorded",
)

# %% [markdown]
# ## Exercises
#
# **Exercise 11.1.** Build a 3 × 3 convolution from an attention layer with nine heads. What must
# the positions tell?


# %% tags=["hide"]
def by_attention(x, kernel, sharpness):
    """A convolution of `(g, g, C)` as nine heads; interior only."""
    g, total = x.shape[0], 0.0
    tokens_, unit = x.reshape(g * g, -1), np.eye(g * g, dtype="float32")
    for i, j in itertools.product(range(3), repeat=2):
        # The query of a place is the position of its neighbour; rolled at the border.
        wanted = np.roll(unit.reshape(g, g, -1), (1 - i, 1 - j), axis=(0, 1)).reshape(g * g, -1)
        query = np.float32(sharpness * g) * wanted  # g is the root of the length g^2 of a key
        found, _ = scaled_dot_product_attention(*map(tf.constant, (query, unit, tokens_)))
        total = total + found.numpy() @ kernel[i, j]
    return total.reshape(g, g, -1)[1:-1, 1:-1]


draw = np.random.default_rng(0)
small_x = draw.normal(size=(6, 6, 4)).astype("float32")
small_kernel = draw.normal(size=(3, 3, 4, 5)).astype("float32")
exact = tf.nn.conv2d(small_x[None], small_kernel, 1, "VALID")[0].numpy()
sharp = {
    b: np.abs(by_attention(small_x, np.float32(small_kernel), np.float32(b)) - exact).max()
    for b in (2, 5, 10, 20)
}
book.box(
    "answer",
    "Answer to 11.1, computed",
    f"""
    Give head $\\delta$, one of the nine offsets, scores that are $\\beta$ where $j = i + \\delta$
    and 0 elsewhere. Its softmax puts $e^\\beta / (e^\\beta + N - 1)$ on that neighbour; as
    $\\beta$ grows the head *is* the map "take the value at $i + \\delta$". With values $x_j$, and
    $w_\\delta$ as its part of the output matrix, the sum over heads is $\\sum_\\delta
    w_\\delta\\, x_{{i + \\delta}}$: the convolution.

    With one-hot positions and the library's attention on a grid of 6 × 6, the largest difference
    from TensorFlow's convolution in the interior, where outputs go up to {np.abs(exact).max():.1f},
    is {listed([f"{number(v, '.0e')} (β = {b})" for b, v in sharp.items()])}.

    The positions must tell, from that of $i$ and by a matrix that is the same for all $i$, that of
    $i + \\delta$. One-hot vectors can (a matrix that shifts), in as many dimensions as there are
    patches; waves of row and column can in few, since a shift of a wave is a rotation ([chapter
    10](10_transformer.md)). Cordonnier and others (2019) prove it in general.
    """,
)

# %% [markdown]
# **Exercise 11.2.** Suppose that every head of every block spreads its attention evenly. What is
# the roll-out of $L$ blocks? And if $L$ grows?

# %% tags=["hide"]
tokens_ = grid**2 + 1
even = np.full((sizes["num_layers"], 1, 1, tokens_, tokens_), 1 / tokens_)
own = rollout(even)[0, 0, 0]
depth_ = sizes["num_layers"]
formula = 2.0**-depth_ + (1 - 2.0**-depth_) / tokens_
book.box(
    "answer",
    "Answer to 11.2, computed",
    f"""
    Let $J$ be the matrix with all entries $1 / n$. Then $J^2 = J$, so with $\\hat A =
    \\frac{{1}}{{2}} (I + J)$ each power keeps the form $a I + (1 - a) J$, and $\\hat A\\, (a I +
    (1 - a) J) = \\frac{{a}}{{2}} I + (1 - \\frac{{a}}{{2}}) J$. Hence

    $$
    R = 2^{{-L}} I + (1 - 2^{{-L}})\\, J .
    $$

    For {depth_} blocks and {tokens_} tokens the class token keeps $2^{{-L}} + (1 - 2^{{-L}}) / n =
    {formula:.4f}$ for itself; the code says {own:.4f}. All patches get the same: the map is flat,
    at any depth. As $L$ grows, what a token had of itself dies out as $2^{{-L}}$. The same holds
    for any attention that does not change from block to block and mixes all tokens: $R$ then tends
    to a matrix with equal rows (the stationary distribution of the walk), and the map says nothing
    about *which* output one asks for.
    """,
)

# %% [markdown]
# **Exercise 11.3.** Is the class token needed? Train networks whose classifier reads the mean of
# all patches instead, or the top left patch, and compare.


# %%
class Readout(VisionTransformer):
    """Classifies a weighted mean of all outputs."""

    def build(self, input_shape):
        super().build(input_shape)
        self.readout = tf.Variable(tf.zeros(self.num_patches + 1))

    def call(self, x, training=False):
        x = self.drop(embed(self, x), training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.class_dense(tf.einsum("ntd,t->nd", self.final_norm(x), self.readout))


def make_readout(seed):
    model = Readout((side, side), 10, patch, **sizes, seed=seed)
    model.build((None, side, side))
    return model


one = np.eye(grid**2 + 1, dtype="float32")
readouts = {"class token": one[0], "top left patch": one[1], "mean of the patches": one[1:].mean(0)}
reader = Trainer(make_readout, by_xla=True)
for (name, weights), seed in itertools.product(readouts.items(), seeds):
    if name == "class token":  # trained above
        right[name, most, seed] = right["ViT", most, seed]
        continue
    reader.model.readout.assign(weights)
    right[name, most, seed] = reader.right(reader.fit(*first(most, seed), seed))

# %% tags=["hide"]
mean_gain = shares("mean of the patches") - shares("class token")
patch_gain = shares("top left patch") - shares("class token")
lines = [f"| {name} | {mean_error(shares(name), '.1f')} |" for name in readouts]
in_rows = "\n    ".join(["| read from | named correctly (%) |", "| :--- | ---: |", *lines])
book.box(
    "answer",
    "Answer to 11.3, computed",
    f"""
    {in_rows}

    (Mean ± standard error over {len(seeds)} seeds, {most:,} training images; the class token stays
    in the sequence as one more token.) Reading the mean changes the accuracy by
    {mean_error(mean_gain, "+.1f")} points, reading the top left patch by
    {mean_error(patch_gain, "+.1f")}, paired by seed. Any output can be trained to answer, because
    attention lets each of them see all patches. The paper's appendix finds the class token and the
    mean equally good once the learning rate is chosen for each.
    """,
)

# %% [markdown]
# **Exercise 11.4.** Only the first output of the last block is used. Which multiply-adds of that
# block are for nothing, and what share is it of the whole?

# %% tags=["hide"]


def needless(model):
    """Share of multiply-adds that the last block does for outputs that nobody reads."""
    dim, units_ = model.model_dim, model.hidden_units
    each = 2 * dim**2 + 2 * dim * units_ + 2 * (model.num_patches + 1) * dim
    return model.num_patches * each / parts(model).sum()


book.box(
    "answer",
    "Answer to 11.4, computed",
    f"""
    The class token needs the keys and values of all tokens, $2 n D^2$, but only its own query, its
    own scores and means, its own output projection and MLP. For the other $n - 1$ tokens these are
    for nothing: $(n - 1)(2 D^2 + 2 D M + 2 n D)$. Here that is {needless(vit):.0%} of all
    multiply-adds; in the paper's base model, with its 12 blocks, {needless(base):.1%}.
    """,
)

# %% [markdown]
# ## References
#
# - A. Dosovitskiy and others, *An image is worth 16x16 words: transformers for image recognition at
#   scale*, 2020, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929). The model, the class token,
#   attention distance, the crossing with convolutional networks.
# - A. Vaswani and others, *Attention is all you need*, 2017,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762). The encoder.
# - S. Abnar, W. Zuidema, *Quantifying attention flow in transformers*, 2020,
#   [arXiv:2005.00928](https://arxiv.org/abs/2005.00928). Roll-out.
# - J.-B. Cordonnier, A. Loukas, M. Jaggi, *On the relationship between self-attention and
#   convolutional layers*, 2019, [arXiv:1911.03584](https://arxiv.org/abs/1911.03584). Exercise
#   11.1.
# - R. Xiong and others, *On layer normalization in the transformer architecture*, 2020,
#   [arXiv:2002.04745](https://arxiv.org/abs/2002.04745). Pre-norm.
# - J. Devlin and others, *BERT: pre-training of deep bidirectional transformers for language
#   understanding*, 2018, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805). The class token.
# - S. Jain, B. Wallace, *Attention is not explanation*, 2019,
#   [arXiv:1902.10186](https://arxiv.org/abs/1902.10186). Doubts about maps of attention.
# - T. Cohen, M. Welling, *Group equivariant convolutional networks*, 2016,
#   [arXiv:1602.07576](https://arxiv.org/abs/1602.07576). Equivariance in general.
