# %% [markdown]
# # 3. PixelCNN and PixelRNN
#
# NADE reads an image as a list and gives every pixel weights of its own. The models of this chapter
# read it as a plane and use one rule at every place: PixelCNN by convolutions that are masked so
# that no pixel sees itself or a later one, PixelRNN by LSTMs that walk down the rows or along the
# diagonals. The chapter derives the masks and the recurrences, shows which pixels each model can
# see, puts their likelihoods beside NADE's, and measures what training and generating cost.

# %% tags=["fold"]
import dataclasses
import itertools
import math
import textwrap
import time

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from genkeras import (
    NADE,
    DiagonalBiLSTM,
    GatedPixelCNN,
    PixelCNN,
    RowLSTM,
    book,
    plots,
)
from genkeras.autoregressive import orderings
from genkeras.book.prose import error, listed, number
from genkeras.datasets import (
    binarize,
    binarized_digits,
    binarized_mnist,
    colour_photograph_patches,
    mnist,
)
from genkeras.evaluation import bits_per_dim, log_probs
from genkeras.layers import pixel_lstm
from genkeras.layers.masked_conv import AtPixel, MaskedConv2D, kernel_mask
from genkeras.likelihoods import Categorical
from genkeras.training import epoch_batches

book.declare(
    title="PixelCNN and PixelRNN",
    data=book.setting(
        default="scikit-learn's digits and two photographs",
        full="binarized MNIST, MNIST; scikit-learn's two photographs",
    ),
    seed=0,
)


# %% [markdown]
# ## The question
#
# Chapter 2 split the probability of an image by the chain rule, $p(x) = \prod_i p(x_i \mid
# x_{<i})$, and let NADE compute all conditionals by one pass over the list of pixels. For NADE it
# *is* a list. Move the pixels of all images to other places by one fixed permutation, and let NADE
# visit them in the old order, each at its new place: every number comes out as before. That in an
# image of 8 columns pixel 36 lies below pixel 28, and that a stroke looks the same one step further
# to the right, NADE must learn from the data, for every pixel anew.
#
# A **convolution** knows both. It computes a feature of a pixel from a small window around it, with
# the same weights at every place. That is what we want for images, but a window around a pixel
# holds the pixel itself and pixels that come later in the order. The question of this chapter is
# how to build networks that share weights over the plane and still keep the order.
#
# In formulas: a map has $C$ numbers, its **channels**, at every place $(r, c)$, and a convolution
# makes
#
# $$
# y_{r,c} = b + \sum_{s,t} K_{s,t}\, x_{r+s,\,c+t} ,
# $$
#
# with one $C' \times C$ matrix $K_{s,t}$ for each place of the window. All of them together are the
# **kernel**. Beyond the border $x$ is taken as zero (**padding**). With a $1 \times 1$ window it is
# a dense layer, applied to each pixel by itself.
#
# ### What is shared
#
# What NADE shares is its matrix of input weights, $W$, among the conditionals: pixel $j$ tells all
# later pixels the same. Between places it shares nothing. With $H$ hidden units it has a row of
# input weights and a row of output weights for every pixel, $2DH + H + D$ parameters for $D$
# pixels. A convolution with a $k \times k$ window from $C$ to $C'$ channels has $k^2 C C' + C'$,
# and $D$ does not occur (@table:parameters).


# %%
def num_used(model):
    """Number of weights that a model of convolutions really uses: masked ones do not count."""
    model.build((None, *model.image_shape))
    layers = [layer for layer in model.layers if isinstance(layer, MaskedConv2D)]
    return sum(int(layer.mask.sum()) + layer.filters for layer in layers)


convolutional = PixelCNN((28, 28), hidden_units=16, num_blocks=7, head_units=32)
shared = num_used(convolutional)

# %% tags=["hide"]
rows = []
for side in (8, 28, 256):
    nade_count = 2 * side**2 * 500 + 500 + side**2
    rows.append([f"{side} × {side}", f"{nade_count:,}", f"{shared:,}"])
book.table(
    rows,
    ["image", "NADE, 500 units", "PixelCNN, 7 blocks of 16 channels"],
    "Number of parameters of two models of binary images. Weights that a mask hides are left out.",
    name="parameters",
)

# %% [markdown]
# Sharing is also a statement about images: what holds in one place holds in all. For a digit in the
# middle of its frame that is not quite true. The network does learn something of the frame, from
# its borders: the maps between the layers are padded with zeros, and once the biases are trained,
# the features of blank paper are not zero. A layer whose window reaches one pixel aside carries
# this news one pixel further in from the upper, the left and the right border.
#
# ## Two masks
#
# We number the pixels in the order in which text is read, row by row and from left to right:
# *raster* order. A layer maps a plane of features to a plane of features. Call it
#
# - **strict** if its output at $i$ depends on its input at places $j < i$ only,
# - **weak** if its output at $i$ depends on its input at places $j \le i$ only.
#
# For a convolution the window decides. Of a window around the pixel, the rows above and the part of
# the pixel's own row to the left come before it; the rows below and the part to the right come
# after it. **Mask A** keeps what comes before and makes the layer strict. **Mask B** keeps the
# centre too and makes it weak. A mask is an array of zeros and ones that multiplies the kernel.

# %% tags=["hide"]
book.source(kernel_mask)
book.source(MaskedConv2D._masked)

# %% [markdown]
# The library stores only the upper half of each window (the last row is that of the centre), since
# the lower half would be masked as a whole. The weights themselves are never overwritten: the mask
# is applied whenever the kernel is used, so its gradient is masked as well.
#
# **Why stacking keeps the order.** Let the first layer be strict and all others weak.
#
# 1. After the first layer, the features at $i$ depend on $x_{<i}$ only. That is mask A.
# 2. Suppose the features at every place $j$ depend on $x_{<j}$ only. A weak layer makes its output
#    at $i$ from features at places $j \le i$. Those depend on $x_{<j}$, and $x_{<j} \subseteq
#    x_{<i}$. So its output at $i$ depends on $x_{<i}$ only.
# 3. ReLUs, biases, $1 \times 1$ convolutions and sums of maps (residual connections) act at one
#    place, which is weak.
#
# By induction the last layer's output at $i$ may serve as the logit of $p(x_i \mid x_{<i})$, and
# one pass gives all of them. Why not mask A everywhere? Each strict layer moves the context at
# least one pixel further away, and the nearest neighbours, which say most, would be lost (exercise
# 3.1). Why not mask B everywhere? Then the pixel would see itself, the loss would fall towards
# zero, and the product would be no distribution.
#
# ### Colours
#
# A pixel in colour has three values. The chain rule goes on inside the pixel, in the order red,
# green, blue:
#
# $$
# \begin{aligned}
# p(x_i \mid x_{<i}) = {} & p(x_{i,R} \mid x_{<i}) \\
# & \times p(x_{i,G} \mid x_{<i}, x_{i,R}) \\
# & \times p(x_{i,B} \mid x_{<i}, x_{i,R}, x_{i,G}) .
# \end{aligned}
# $$
#
# The places of the proof are now pairs (pixel, colour), read pixel by pixel and within a pixel
# colour by colour. The channels of every map are dealt out to the three colours, so "place $j$" has
# channels of its own, and the same two masks do it. They differ only at the centre of the window:
# mask A lets a channel of colour $c'$ see colours $c < c'$ of this pixel, mask B colours $c \le
# c'$ (@fig:masks). The proof goes through with one change. A $1 \times 1$ convolution mixes all
# channels of a pixel, so in colour it is weak only if it has mask B as well.


# %% tags=["fold"]
def write(axis, x, y, text, on_dark):
    """Text in a coloured cell, in inks that stay as they are on dark pages."""
    color = "#fdfdfd" if on_dark else "#0b1f4d"
    axis.text(x, y, text, ha="center", va="center", fontsize=8, color=color)


with plots.style():
    figure, axes = plt.subplots(1, 4, figsize=(7.2, 2.4), width_ratios=[1.2, 1, 1, 1])
    for axis, (name, height, width) in zip(axes, (("A", 7, 7), ("B", 3, 3)), strict=False):
        upper = kernel_mask(((height + 1) // 2, width, 1, 1), name, 1)[..., 0, 0]
        whole = np.concatenate([upper, np.zeros((height // 2, width))])
        axis.imshow(whole, cmap="Blues", vmin=0, vmax=1.4)
        for y, x in np.ndindex(height, width):
            write(axis, x, y, f"{whole[y, x]:.0f}", on_dark=whole[y, x])
        axis.set(title=f"mask {name}, {height} × {width}", xticks=[], yticks=[])
        axis.grid(False)
    for axis, name in zip(axes[2:], "AB", strict=True):
        centre = kernel_mask((1, 1, 3, 3), name, 3)[0, 0]
        axis.imshow(centre, cmap="Blues", vmin=0, vmax=1.4)
        for y, x in np.ndindex(3, 3):
            write(axis, x, y, f"{centre[y, x]:.0f}", on_dark=centre[y, x])
        axis.set(title=f"centre of {name}", xlabel="to colour", ylabel="from colour")
        axis.set(xticks=range(3), yticks=range(3), xticklabels="RGB", yticklabels="RGB")
        axis.grid(False)
book.figure(
    figure,
    "masks",
    "Left: mask A of the first layer and mask B of a later one, for one colour; 1 is seen, 0 is "
    "hidden. Right: at the centre of the window, which colours of a pixel a channel may see.",
    alt="Two square windows, ones above the centre and to its left; two triangles of ones.",
)

# %% [markdown]
# Two checks. The probabilities of all images of a small size must sum to one, with any weights, and
# the derivatives between the colours of one pixel must form a strict triangle. Both models below
# have random weights.

# %%
three_by_three = np.array(list(itertools.product((0.0, 1.0), repeat=9)), "float32")
three_by_three = three_by_three.reshape(-1, 3, 3)  # all 512 binary images
small = PixelCNN((3, 3), hidden_units=8, num_blocks=1, head_units=8, seed=0)
total = np.exp(log_probs(small, three_by_three, batch_size=512)).sum()

coloured = PixelCNN((2, 2, 3), hidden_units=12, num_blocks=1, head_units=12, seed=0)
coloured.build((None, 2, 2, 3))
one_image = tf.random.stateless_uniform((1, 2, 2, 3), seed=(0, 0))
with tf.GradientTape(persistent=True) as tape:
    tape.watch(one_image)
    logits = coloured.parameters(one_image)[0, 1, 1, :, 0]  # of the last pixel's three colours
    logits = tf.unstack(logits)
colour_slopes = np.array([tape.gradient(logit, one_image)[0, 1, 1].numpy() for logit in logits])
forbidden = colour_slopes[np.triu_indices(3)]
allowed = colour_slopes[np.tril_indices(3, -1)]

# %% tags=["hide"]
book.table(
    [
        [f"logit of {name}", *(number(value, ".4f") for value in row)]
        for name, row in zip(("red", "green", "blue"), colour_slopes, strict=True)
    ],
    ["", "by red", "by green", "by blue"],
    "Derivatives of the three logits of one pixel by the pixel's own three values, a PixelCNN with "
    "random weights.",
    name="colour-slopes",
)
book.say(
    f"The probabilities of the {len(three_by_three)} binary images of 3 × 3 pixels sum to "
    f"**{total:.6f}**. In @table:colour-slopes {np.count_nonzero(forbidden == 0)} of the "
    f"{len(forbidden)} derivatives on and above the diagonal are exactly zero, and "
    f"{np.count_nonzero(allowed == 0)} of the {len(allowed)} below it."
)

# %% [markdown]
# ## PixelCNN
#
# The simplest model of van den Oord, Kalchbrenner and Kavukcuoglu (2016), from here on *the paper*,
# is a $7 \times 7$ convolution with mask A, then residual blocks with mask B, then two $1 \times
# 1$ layers and the output. A block narrows the map from $2h$ to $h$ channels, looks around with a
# $3 \times 3$ kernel, widens the map again, and adds the result to what came in (that is what
# "residual" means):

# %% tags=["hide"]
book.source(PixelCNN._outputs)

# %% [markdown]
# The argument `apply` runs a layer either on the whole plane, for training, or at one pixel, for
# sampling. So there is one description of the network and two ways to run it.
#
# ### The blind spot
#
# Every block lets a pixel see one step further. Does a deep PixelCNN see all earlier pixels? It
# does not, at any depth. Follow the information backwards. A path from an output to a pixel that it
# depends on takes one step per layer. Let a step go $u$ rows up and $r$ columns to the right
# (negative: to the left), and look at $r - u$. A $1 \times 1$ layer stays where it is, and so does
# a path that goes past a block by its residual connection: $r - u = 0$.
#
# - A step of a $3 \times 3$ kernel with mask B goes one row up, $u = 1$ and $r \in \{-1, 0, 1\}$,
#   or stays in the row, $u = 0$ and $r \in \{-1, 0\}$. Always $r - u \le 0$.
# - The step of the $7 \times 7$ kernel with mask A has $u \in \{1, 2, 3\}$ and $|r| \le 3$, or
#   $u = 0$ and $-3 \le r \le -1$. So $r - u \le 3 - 1 = 2$.
#
# Add up the steps: any pixel that is ever reached lies $U$ rows up and $R$ columns to the right
# with
#
# $$
# R - U \le 2 .
# $$
#
# One row up, no pixel further right than 3 columns can be seen; two rows up, 4 columns; and so on.
# All earlier pixels to the right of this line are the **blind spot**. More blocks do not help,
# since they only add steps with $r - u \le 0$. To go to the right, a path must go up; and only the
# first kernel, being wide, gets two columns for free.
#
# Every other earlier pixel is reached, if there are blocks enough. In its own row the path goes
# left. For $U \ge 1$ let the $7 \times 7$ kernel go one row up and the blocks $U - 1$ rows. Going
# up, the kernel may move up to 3 columns aside and every block one, so any $R$ with $|R| \le U + 2$
# can be had; for one further to the left, steps within a row do the rest.
#
# ### Two stacks instead of one
#
# The mask that hides the right-hand part of a pixel's own row is needed only *because* it is the
# pixel's own row. The gated PixelCNN keeps two maps.
#
# - The **vertical stack** at $i$ knows only the rows *above* $i$. Its first kernel covers nothing
#   but rows above. After that no mask is needed: a later kernel reads the vertical stack at places
#   of the same row or above, and all of those know only rows above $i$. So it may step to the right
#   without going up, $u = 0$ and $r = 1$, and the inequality is gone.
# - The **horizontal stack** at $i$ knows the pixels to the left in its row, through kernels one row
#   high with masks A and B, and is given the vertical stack's features at $i$ by a $1 \times 1$
#   convolution (the *link*). Nothing flows from the horizontal stack to the vertical one: the
#   vertical stack is read at places to the right in the same row, and must not know that row.
#
# In both stacks a gate takes the place of the ReLU. A convolution gives twice as many channels as
# are needed, and one half opens or closes the other:
#
# $$
# y = \tanh(W_f * z) \odot \sigma(W_g * z) ,
# $$
#
# where $*$ is a convolution, $\sigma$ the logistic function and $\odot$ the product entry by entry.
# The link reads the vertical convolution before its gate. The horizontal stack adds its input to
# its output, except in the first layer; the vertical one does not. The gates are the authors'
# answer to a guess: an LSTM multiplies signals and a ReLU network does not, which may be why
# PixelRNN was the better model.

# %% tags=["hide"]
book.source(GatedPixelCNN._vertical)
book.source(GatedPixelCNN._horizontal)

# %% [markdown]
# **Labels.** A label $k$ is known before the first pixel, so $p(x \mid k) = \prod_i p(x_i \mid
# x_{<i}, k)$ needs no mask. The gated model adds a learnt vector per class to both halves of every
# gate, $\tanh(W_f * z + v_k) \odot \sigma(W_g * z + w_k)$; the other models of this chapter add
# one to the features of the first convolution. All take `num_labels=10`,
# `fit({"x": x, "condition": labels})` and `sample(16, condition=3)`.
#
# ## PixelRNN
#
# A stack of convolutions reaches a fixed distance. A recurrent state has no such limit: it is
# carried along for as many steps as there are. An LSTM follows a list, where everything has one
# predecessor; in the plane a pixel has several. (A **recurrent** network reads a list step by step
# and carries a *state* along. An LSTM, long short-term memory, also carries a *memory*, and numbers
# between 0 and 1, its *gates*, decide what the memory keeps, takes in and shows.) Both models of
# the paper compute their gates as a sum of two parts. One is a masked convolution of the layer's
# input ("input to state"), and can be done for all pixels at once. The other comes from states of
# earlier pixels ("state to state"), and must wait for them:
#
# $$
# \begin{gathered}
# (o, f, e, g) = (K * z)_{r,c} + S\, s_{r,c} + b, \\
# m_{r,c} = \sigma(f) \odot m_{\text{prev}} + \sigma(e) \odot \tanh(g), \\
# h_{r,c} = \sigma(o) \odot \tanh(m_{r,c}) .
# \end{gathered}
# $$
#
# Here $(r, c)$ is row and column, and $z$ is the layer's input map; that of the first layer is made
# by a convolution with mask A. $s_{r,c}$ is a list of states of earlier pixels, one under the
# other. $K$ is a kernel, $S$ a matrix and $b$ a bias, all learnt. The gates $o$, $f$ and $e$ let
# content out, keep it and let it in; $g$ is the new content; all four belong to $(r, c)$. $m$ is
# the memory (`c` in the code) and $h$ the state that others read. One $1 \times 1$ convolution
# widens $h$ to the width of $z$ and is added to $z$ (residual); another leads directly to the
# output (skip). Outside of the image the states are zero (the paper learns them), and the bias of
# the forget gates starts at 1. In colour only $K$ is masked: $S$ reads states of earlier pixels, of
# which all colours may be known. The two models differ in $s_{r,c}$ and in $m_{\text{prev}}$, the
# memory that is carried on. Both layers are weak in the sense above: $s_{r,c}$ holds states of
# earlier places, and $K$ has mask B. So the proof covers them.
#
# **Row LSTM.** The state of a pixel follows those of the three nearest pixels in the row above:
#
# $$
# \begin{aligned}
# s_{r,c} &= [h_{r-1,c-1},\; h_{r-1,c},\; h_{r-1,c+1}], \\
# m_{\text{prev}} &= m_{r-1,c} .
# \end{aligned}
# $$
#
# All states of a row can be computed together, so an image takes as many steps as it has **rows**.
# A path through the states goes one row up per step and at most one column aside. What the state
# sees is a **triangle** above the pixel. The input convolution is three wide with mask B, and adds
# the pixel to the left.
#
# **Diagonal BiLSTM.** The state follows the pixel to the left and the one above:
#
# $$
# \begin{aligned}
# s_{r,c} &= [h_{r,c-1},\; h_{r-1,c}], \\
# m_{\text{prev}} &= m_{r,c-1} .
# \end{aligned}
# $$
#
# Both lie on the previous *diagonal*, $r + c - 1$, and no pixel needs another of its own diagonal.
# So all states of a diagonal can be computed together. The map is *skewed* for that: row $r$ is
# moved to the right by $r$ places (@fig:skewing). Diagonals become columns, and an image takes
# **rows + columns − 1** steps.
#
# Rows and diagonals are the order in which *states* are computed when the image is known. The order
# of the chain rule is raster in both models, and both draw row by row and pixel by pixel. The notes
# call them two orderings; they are two recurrences for one ordering. The section on other orders
# has real ones.

# %% tags=["fold"]
high, wide = 4, 5
diagonals = np.add.outer(np.arange(high), np.arange(wide))
skewed = np.full((high, high + wide - 1), np.nan)
for r in range(high):
    skewed[r, r : r + wide] = diagonals[r]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.2), width_ratios=[wide, high + wide - 1])
    for axis, table, title in (
        (axes[0], diagonals.astype(float), "the map"),
        (axes[1], skewed, "skewed"),
    ):
        axis.imshow(table, cmap="viridis", vmin=-1, vmax=high + wide)
        for r, c in np.argwhere(~np.isnan(table)):
            column = c if axis is axes[0] else c - r
            write(axis, c, r, f"{r},{column}", on_dark=table[r, c] < 4)
        axis.set(title=title, xlabel="step" if axis is axes[1] else "column", ylabel="row")
        axis.set(xticks=range(table.shape[1]), yticks=range(high))
        axis.grid(False)
book.figure(
    figure,
    "skewing",
    f"A map of {high} × {wide} pixels, numbered (row, column). Pixels of one colour lie on one "
    f"diagonal; after skewing they stand in one column and are computed in one of the "
    f"{high + wide - 1} steps. Their predecessors, left and above, stand in the column before, in "
    "the same row and the one above it.",
    alt="A grid coloured by diagonals; the same grid with each row moved right by its number.",
)

# %% [markdown]
# One such LSTM sees everything above and to the left: all $(r', c')$ with $r' \le r$ and $c' \le
# c$. A second one walks from right to left. Its state at $(r, c)$ follows those at $(r, c+1)$ and
# $(r-1, c)$, so it has seen all of $r' \le r$, $c' \ge c$. But the pixels to the right in *this*
# row are still to come. The cure is to **move its map down by one row** before the two are added:
# pixel $(r, c)$ is given the right-hand state of $(r - 1, c)$, which has seen $r' \le r - 1$, $c'
# \ge c$. Together:
#
# $$
# \begin{aligned}
# & \{r' \le r,\; c' \le c\} \cup \{r' \le r - 1,\; c' \ge c\} \\
# & = \{\text{all rows above}\} \cup \{\text{this row up to } c\} .
# \end{aligned}
# $$
#
# That is every place up to $(r, c)$ and no later one, with one layer. These are places of the map
# $z$, and $z$ comes out of a strict layer: at $(r', c')$ it knows the pixels *before* $(r', c')$.
# So nothing leaks. But is every earlier pixel known to some $z$ of that set? Most are known to the
# $z$ on their right. The last pixel of a row has nothing on its right; it is known to places in the
# row below it. For a row further up these belong to the set. For the row just above they are the
# right end of the pixel's own row, which may not be read. So **one** pixel is missed, the last one
# of the row above, unless the window of the first convolution reaches it. Exercise 3.4 leaves the
# shift out.

# %% tags=["hide"]
book.source(pixel_lstm.lstm_step)
book.source(pixel_lstm.row_step)
book.source(pixel_lstm.diagonal_step)
book.source(pixel_lstm.DiagonalBiLSTM.call)

# %% [markdown]
# ## What a pixel can see
#
# The claims of the last two sections can be checked. We take models with random weights on 15 ×
# 15 pixels, differentiate the logit of the middle pixel by every pixel of the image, and mark where
# the derivative is not exactly zero, for at least one of eight random images.


# %%
def seen_by_middle(model, side=15):
    """Whether the logit of the middle pixel moves with each pixel: bool (side, side)."""
    x = tf.random.stateless_uniform((8, side, side), seed=(0, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        logit = tf.reduce_sum(model.parameters(x)[:, side // 2, side // 2, 0])
    return np.any(tape.gradient(logit, x).numpy() != 0, axis=0)


deep = 7  # layers or blocks after the first; 4 would reach all borders
fields = {
    "PixelCNN": PixelCNN((15, 15), hidden_units=4, num_blocks=deep, head_units=4, seed=0),
    "GatedPixelCNN": GatedPixelCNN((15, 15), hidden_units=4, num_layers=deep, head_units=4, seed=0),
    "RowLSTM": RowLSTM((15, 15), hidden_units=4, head_units=4, seed=0),
    "DiagonalBiLSTM": DiagonalBiLSTM((15, 15), hidden_units=4, head_units=4, seed=0),
}
for model in fields.values():
    model.build((None, 15, 15))
seen = {name: seen_by_middle(model) for name, model in fields.items()}

# %% tags=["fold"]
earlier = np.arange(15 * 15).reshape(15, 15) < 7 * 15 + 7
ink = {"seen": plots.BLUE, "unseen": plots.ORANGE, "later": "#ededed", "self": "#000000"}
tones = {name: to_rgb(code) for name, code in ink.items()}
pictures = []
for name in fields:
    picture = np.where(earlier[..., None], tones["unseen"], tones["later"])
    picture[seen[name]] = tones["seen"]
    picture[7, 7] = tones["self"]
    pictures.append(picture)
with plots.style():
    figure = plots.image_grid(np.array(pictures), (15, 15, 3), columns=4, titles=list(fields))
    figure.set_size_inches(7.2, 2.1)
book.figure(
    figure,
    "fields",
    "What the middle pixel (black) of a 15 × 15 image can see. Blue: pixels with a non-zero "
    "derivative. Orange: earlier pixels that it cannot see. Light grey: pixels that come later. "
    f"PixelCNN has {deep} blocks and GatedPixelCNN {deep} layers; the recurrent models have one "
    "layer.",
    alt="Four squares; an orange wedge at the right in the first, none in the second, wedges on "
    "both sides in the third, a single orange pixel in the fourth.",
)

# %% tags=["hide"]
middle_up, middle_right = np.meshgrid(7 - np.arange(15), np.arange(15) - 7, indexing="ij")
predicted_blind = earlier & (middle_right - middle_up > 2)
agrees = np.array_equal(earlier & ~seen["PixelCNN"], predicted_blind)
diagonal_misses = [(int(r), int(c)) for r, c in np.argwhere(earlier & ~seen["DiagonalBiLSTM"])]
leaks = sum(int(np.count_nonzero(field & ~earlier)) for field in seen.values())
book.table(
    [
        [name, f"{np.count_nonzero(field)}", f"{(earlier & ~field).sum()}"]
        for name, field in seen.items()
    ],
    ["model", "pixels seen", "earlier pixels not seen"],
    f"Counts of @fig:fields. The middle pixel has {earlier.sum()} earlier ones.",
    name="fields",
)
book.say(
    (
        "In all four models the derivatives by the pixel itself and by later ones are exactly zero."
        if not leaks
        else f"Of the derivatives by the pixel itself and by later ones {leaks} are not zero."
    )
    + " The blind spot of "
    f"PixelCNN has {np.count_nonzero(earlier & ~seen['PixelCNN'])} pixels here, and it "
    + (
        "is exactly the set $R - U > 2$ of the derivation"
        if agrees
        else "is not the set $R - U > 2$ of the derivation, which has "
        f"{predicted_blind.sum()} pixels"
    )
    + f". GatedPixelCNN misses {np.count_nonzero(earlier & ~seen['GatedPixelCNN'])}, the Row LSTM "
    f"{np.count_nonzero(earlier & ~seen['RowLSTM'])} and the Diagonal BiLSTM "
    f"{len(diagonal_misses)} (@table:fields)"
    + (
        ", the last pixel of the row above, as derived. "
        if diagonal_misses == [(6, 14)]
        else f", at (row, column) {diagonal_misses}. "
        if diagonal_misses
        else ". "
    )
    + "The triangle of the Row LSTM does not end in a point: by the 7 × 7 convolution and its "
    "input convolution it reaches 4 columns to the left in its own row. Its right-hand edge is "
    "that of PixelCNN, since none of its later steps goes further to the right than up. "
    "A derivative that is not zero may still be small: the figure says what a model *can* use."
)

# %% [markdown]
# ## Six models on the same images
#
# NADE and the four models of this chapter, on the same images in the same raster order. PixelCNN
# comes twice, the second time with `position_bias=True`: the first layer then has a bias for every
# pixel, as NADE has, where a convolution has one for all. The loss is the mean of $-\log p(x)$ in
# nats. All are trained by the function below, with a learning rate that falls to zero along a
# cosine, and keep the weights of their best validation epoch. A callback notes how long each
# training step takes.


# %%
class StepTimer(keras.callbacks.Callback):
    """Collects seconds of training steps, on a CPU, which ends a step before it returns."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def compile_for(model, data, *, epochs, batch_size, rate, **_):
    steps = epochs * math.ceil(len(data) / batch_size)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)))


def fit(model, data, valid, *, epochs, batch_size, seed=0, score_batch=300, **_):
    """Fits a compiled model; it keeps the weights of its best validation epoch."""
    timer = StepTimer()
    history = model.fit(
        epoch_batches(data, batch_size, seed=seed),
        steps_per_epoch=math.ceil(len(data) / batch_size),
        epochs=epochs,
        validation_data=(valid,),
        validation_batch_size=score_batch,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True),
            timer,
        ],
        shuffle=False,  # epoch_batches has shuffled
        verbose=book.verbosity(),
    ).history
    return history, np.array(timer.seconds)


# %%
dataset = book.setting(default=binarized_digits, full=binarized_mnist)()
shape, depth = dataset.image_shape, dataset.num_features
schedule = book.setting(
    default={"epochs": 20, "batch_size": 63, "rate": 1e-2},
    full={"epochs": 2, "batch_size": 100, "rate": 5e-3, "score_batch": 500},
)
nade_schedule = schedule | book.setting(
    default={"epochs": 30, "rate": 6e-3}, full={"epochs": 6, "rate": 2e-3}
)
score_batch = schedule.get("score_batch", 300)
size = {"hidden_units": 16, "head_units": 32, "seed": 0}
num_layers = 3
PLACED = "PixelCNN with position bias"

models = {
    "NADE": NADE(
        depth, hidden_units=book.setting(default=200, full=500), activation="relu", seed=0
    ),
    "PixelCNN": PixelCNN(shape, num_blocks=num_layers, **size),
    PLACED: PixelCNN(shape, num_blocks=num_layers, position_bias=True, **size),
    "GatedPixelCNN": GatedPixelCNN(shape, num_layers=num_layers, **size),
    "RowLSTM": RowLSTM(shape, num_layers=1, **size),
    "DiagonalBiLSTM": DiagonalBiLSTM(shape, num_layers=1, **size),
}


def split_for(model, split):
    """The examples of a split in the shape that the model reads: rows or images."""
    return split.x.reshape(-1, *model.event_shape)


histories, step_seconds, fit_seconds, test_nll = {}, {}, {}, {}
for name, model in models.items():
    how = nade_schedule if name == "NADE" else schedule
    train_x, valid_x = (split_for(model, split) for split in (dataset.train, dataset.valid))
    compile_for(model, train_x, **how)
    start = time.perf_counter()
    histories[name], step_seconds[name] = fit(model, train_x, valid_x, **how)
    fit_seconds[name] = time.perf_counter() - start
    test_nll[name] = -log_probs(model, split_for(model, dataset.test), batch_size=score_batch)


# %% tags=["fold"]
def best_seconds(function, repeats=5):
    """The best time of some calls, after one that compiles."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


samples = {name: model.sample(16, seed=1).numpy() for name, model in models.items()}
sample_seconds = {
    name: best_seconds(lambda model=model: model.sample(16, seed=1).numpy())
    for name, model in models.items()
}
against_nade = {name: nll - test_nll["NADE"] for name, nll in test_nll.items() if name != "NADE"}

# %% tags=["hide"]
book.table(
    [
        [
            name,
            f"{model.count_params():,}",
            f"{test_nll[name].mean():.2f} ± {error(test_nll[name]):.2f}",
            ""
            if name == "NADE"
            else f"{number(against_nade[name].mean(), '+.2f')} ± {error(against_nade[name]):.2f}",
            f"{fit_seconds[name]:.0f}",
            f"{1000 * sample_seconds[name] / 16:.2f}",
        ]
        for name, model in models.items()
    ],
    ["model", "parameters", "test NLL (nats)", "minus NADE", "training (s)", "sampling (ms)"],
    f"{len(dataset.test):,} test images; ± one standard error, of the difference image by image. "
    f"Training: {len(histories['NADE']['loss'])} epochs for NADE, "
    f"{len(histories['PixelCNN']['loss'])} for the others, compilation and validation "
    "included. Parameters count weights behind masks too. Sampling: per image, 16 at a time, "
    "compiled before. Times are of the machine that made this page. "
    f"{dataset.protocol}",
    name="models",
)
ranked = sorted(test_nll, key=lambda name: test_nll[name].mean())
clearly_better = [name for name, gap in against_nade.items() if gap.mean() < -2.5 * error(gap)]
clearly_worse = [name for name, gap in against_nade.items() if gap.mean() > 2.5 * error(gap)]
if clearly_better and not clearly_worse:
    sharing_verdict = "Here sharing weights over the plane pays."
elif clearly_worse and not clearly_better:
    sharing_verdict = (
        "These small models stay behind NADE; how much of that is size, training or sharing, this "
        "table does not tell. One cause is measured in the next section."
    )
else:
    sharing_verdict = (
        "Sharing weights over the plane is neither clearly a gain nor clearly a loss here."
    )
trained_longer = book.recorded("pixel_cnn_binarized_mnist")
still_falling = [
    name
    for name, history in histories.items()
    if np.argmin(history["val_loss"]) == len(history["val_loss"]) - 1
]


def apart_from(gain):
    """States a paired gain in nats, and whether the test images can tell it from zero."""
    clear = "" if abs(gain.mean()) > 2 * error(gain) else " (not clear from these images)"
    direction = "better" if gain.mean() > 0 else "worse"
    return f"{abs(gain.mean()):.2f} ± {error(gain):.2f} nats {direction}{clear}"


book.say(
    f"The best mean in @table:models is that of {ranked[0]}, {test_nll[ranked[0]].mean():.2f} "
    f"nats, with {models[ranked[0]].count_params():,} parameters. Better than NADE by more than "
    f"2.5 standard errors of the difference: {listed(clearly_better)}; worse by as much: "
    f"{listed(clearly_worse)}. "
    "The standard errors are those of these fits on other test images; another seed is not in "
    "them. Nor were the models given the same time: NADE has a learning rate and a number of "
    "epochs of its own, the others share theirs. So this says what small models do in little "
    "training, and not which family is best. "
    + sharing_verdict
    + (
        " A larger PixelCNN, with such a bias and images moved by a pixel, stands after "
        f"{trained_longer['epochs']} epochs at {trained_longer['value']:.2f} nats on these images "
        "(@table:published)."
        if trained_longer is not None and dataset.name == trained_longer["dataset"]
        else ""
    )
    + " GatedPixelCNN, which lacks the blind spot but reaches no further and has other layers and "
    "more weights, is "
    + apart_from(test_nll["PixelCNN"] - test_nll["GatedPixelCNN"])
    + " than PixelCNN. "
    + (
        f"For {listed(still_falling) if len(still_falling) < len(models) else 'all models'} the "
        "last validation loss was the lowest, as is usual where the rate falls to zero."
        if still_falling
        else "All had their best validation loss before the last epoch."
    )
)

# %% [markdown]
# ### Where am I?
#
# These digits are centred, so what a pixel is depends on *where* it is. NADE has weights for every
# place. PixelCNN can tell its place only near the upper, left or right border, within as many
# pixels as it has blocks, and the frame of blank paper around an MNIST digit is about as wide;
# further inside, all places look alike to it as long as the paper is blank, and it cannot know how
# likely it is that a digit begins here. A bias for every pixel in the first layer mends that. The
# paper has none. For photographs, whose parts may lie anywhere, one expects less of it.

# %% tags=["hide"]
by_place = test_nll["PixelCNN"] - test_nll[PLACED]
added = models[PLACED].count_params() - models["PixelCNN"].count_params()
row_by_place = test_nll["RowLSTM"] - test_nll[PLACED]
book.say(
    f"With {added:,} more parameters, one for each pixel and channel, PixelCNN is "
    f"{apart_from(by_place)} (@table:models). Against the Row LSTM, whose states could count "
    f"the rows as they go, it is then {apart_from(row_by_place)}."
)

# %% [markdown]
# ## Rows against diagonals
#
# The two recurrent models differ in what they see, in the work per pixel and in the number of steps
# that must wait for each other. With $h$ channels of state and $2h$ of input:
#
# - *Row LSTM*: the input convolution sees two pixels, $2 \cdot 2h \cdot 4h = 16h^2$ multiply-adds,
#   and the state three, $3h \cdot 4h = 12 h^2$; together $28h^2$ per pixel.
# - *Diagonal BiLSTM*: per direction $2h \cdot 4h = 8h^2$ for the input and $2h \cdot 4h = 8h^2$ for
#   the two states; both directions $32h^2$. On the skewed map the state's part is also computed for
#   the places outside of the image, which almost doubles it.
#
# The row model's masked third pixel is computed too, $24h^2$ in place of $16h^2$. As written, the
# code takes $36h^2$ per pixel for the row model and about $47h^2$ for the diagonal one at 28 × 28.
#
# The steps are rows against rows + columns − 1, and the diagonal model takes them twice, once per
# direction (the two do not wait for each other). We time one training step of the whole models
# above, and forward and backward passes of a bare layer on maps of 28 × 28.

# %%
units, batch, side = 16, 16, 28


def seconds_of_layer(layer):
    """Time of one forward and backward pass of a recurrent layer, in seconds."""
    z = tf.random.stateless_normal((batch, side, side, 2 * units), seed=(0, 2))
    layer.build(z.shape)

    def step():
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(z))
        return [g.numpy() for g in tape.gradient(total, layer.trainable_weights)]

    return best_seconds(step)


layer_seconds = {
    "RowLSTM": seconds_of_layer(pixel_lstm.RowLSTM(units, seed=0)),
    "DiagonalBiLSTM": seconds_of_layer(pixel_lstm.DiagonalBiLSTM(units, seed=0)),
}
step_time = {name: float(np.min(seconds)) for name, seconds in step_seconds.items()}

# %% tags=["hide"]
steps_of = {"RowLSTM": lambda n: n, "DiagonalBiLSTM": lambda n: 2 * n - 1}
work = {"RowLSTM": 28, "DiagonalBiLSTM": 32}
sides = sorted({shape[0], side})  # of the images of the models, and of the maps of the bare layers
book.table(
    [
        [
            name,
            f"{work[name]}$h^2$",
            *(f"{steps_of[name](n)}" for n in sides),
            f"{1000 * step_time[name]:.1f}",
            f"{1000 * layer_seconds[name]:.1f}",
        ]
        for name in work
    ],
    [
        "model",
        "multiply-adds per pixel",
        *(f"steps, {n} × {n}" for n in sides),
        "training step (ms)",
        "layer, forward and backward (ms)",
    ],
    f"Best training step of the models above, {schedule['batch_size']} images of {shape[0]} × "
    f"{shape[1]}; best time of a forward and backward pass of one layer alone, {batch} maps of "
    f"{side} × {side}, $h = {units}$. Multiply-adds are those of the formula.",
    name="row-diagonal",
)
layer_ratio = layer_seconds["DiagonalBiLSTM"] / layer_seconds["RowLSTM"]
step_ratio = step_time["DiagonalBiLSTM"] / step_time["RowLSTM"]
row_gap = test_nll["DiagonalBiLSTM"] - test_nll["RowLSTM"]
if min(layer_ratio, step_ratio) > 1.05:
    speed_verdict = (
        "So the Diagonal BiLSTM is the **slower** of the two in training, and there is nothing in "
        "it that could make it faster: more work and more steps."
    )
elif max(layer_ratio, step_ratio) < 0.95:
    speed_verdict = (
        "So on this machine the Diagonal BiLSTM was the faster one, against what its work and its "
        "steps let one expect: these times hold overheads as well."
    )
else:
    speed_verdict = (
        "So on this machine the two are close in time; the count of steps and of work is on the "
        "side of the Row LSTM."
    )
book.box(
    "notes",
    "What the notes say: more computation, but faster",
    f"""
    The notes say that the Diagonal BiLSTM computes more but is faster, and that the advantage of
    the Row LSTM is to compute less. On the amount of computation they are right, $32h^2$ against
    $28h^2$ per pixel. On the speed, count what must happen in sequence: {shape[0]} steps against
    {2 * shape[0] - 1} for the images above.
    Measured, a training step of the diagonal model took **{step_ratio:.2f}** times as long as one
    of the row model, and at 28 × 28 the bare layer {layer_ratio:.2f} times (@table:row-diagonal).
    {speed_verdict} What it offers in return is its field of view: all earlier pixels but one, with
    one layer.
    """,
)
ups, rights = np.meshgrid(
    shape[0] // 2 - np.arange(shape[0]), np.arange(shape[1]) - shape[1] // 2, indexing="ij"
)
came_before = (ups > 0) | ((ups == 0) & (rights < 0))
missed = came_before & ((rights - ups > 2) | (-rights - ups > 4))  # by one layer
book.say(
    f"Does the wider view pay? In images of {shape[0]} × {shape[1]} the pixel in the middle has "
    f"{came_before.sum()} earlier ones, and the Row LSTM misses {missed.sum()} of them. Far from "
    "all borders it would miss half: two wedges of 45 degrees out of 180. Here the Diagonal BiLSTM "
    "is, image by image, "
    + apart_from(-row_gap)
    + f" than the Row LSTM, with {models['DiagonalBiLSTM'].count_params():,} parameters against "
    f"{models['RowLSTM'].count_params():,}. These are single fits of little training, and the view "
    "is not the only difference. The published figures on binarized MNIST have the Row LSTM ahead "
    "of a Diagonal BiLSTM with one layer, and behind one with seven (@table:published)."
)

# %% [markdown]
# ## Training in parallel, generating in sequence
#
# In training all pixels of an image are known. Every conditional $p(x_i \mid x_{<i})$ of PixelCNN
# can be computed at the same time as the others: the pass has as many sequential steps as layers,
# however large the image. The recurrent models have one step per row or diagonal on top of that.
#
# In generating, pixel $i + 1$ is drawn from a distribution that depends on the *value* drawn for
# pixel $i$. That takes $D$ steps in every one of these models. A convolution does not change it.
#
# What can be changed is the work per step. The obvious loop runs the whole network on the
# half-finished image, reads off one pixel's distribution, draws, and starts again: $D$ passes over
# $D$ pixels. But by the proof above the features at a place depend on earlier pixels only. Once
# those pixels are drawn, the features never change again. So each is computed once and kept.
#
# - A $1 \times 1$ layer at pixel $(r, c)$ reads features of $(r, c)$ only: nothing to keep.
# - A $3 \times 3$ kernel with mask B reads its input map at $(r-1, c-1)$, $(r-1, c)$, $(r-1, c+1)$,
#   $(r, c-1)$ and $(r, c)$. So each block keeps **two rows** of its narrow map, the row above and
#   the one being drawn. At the end of a row the older one is dropped.
# - A vertical stack knows only rows above, so it is computed for a whole row at once, when that row
#   begins.
# - A Row LSTM keeps $h$ and $m$ of two rows. A Diagonal BiLSTM keeps those to the left and above;
#   its right-hand LSTM, being moved down by a row, runs over a row when that is finished.
#
# Together all steps do the work of *one* pass over the image (@fig:cache). In colour it is three:
# the step of a pixel is repeated for each of its colours.

# %% tags=["fold"]
place = (3, 4)  # the pixel being drawn
cells = np.empty((6, 9, 3))
cells[:2], cells[2], cells[3:] = to_rgb("#ededed"), to_rgb(plots.SKY), to_rgb("#ffffff")
cells[3, : place[1]], cells[place] = to_rgb(plots.BLUE), to_rgb("#000000")
with plots.style():
    figure, axis = plt.subplots(figsize=(4.6, 2.9))
    axis.imshow(cells, extent=(0, 9, 6, 0))
    axis.hlines(range(7), 0, 9, color="#8f8f94", linewidth=1)
    axis.vlines(range(10), 0, 6, color="#8f8f94", linewidth=1)
    corners = [(3, 2), (6, 2), (6, 3), (5, 3), (5, 4), (3, 4)]
    axis.add_patch(plt.Polygon(corners, fill=False, edgecolor=plots.VERMILION, linewidth=3))
    axis.set(xlim=(-0.1, 9.1), ylim=(6.1, -0.1), aspect="equal", xlabel="column", ylabel="row")
    axis.set(xticks=np.arange(9) + 0.5, yticks=np.arange(6) + 0.5)
    axis.set(xticklabels=range(9), yticklabels=range(6))
    axis.grid(False)
book.figure(
    figure,
    "cache",
    "The narrow map of one block while the pixel in row 3, column 4 is drawn (black). Kept: the "
    "row above (light blue) and what there is of this row (dark blue). The 3 × 3 kernel with mask "
    "B reads the outlined places. Rows further up (grey) have been dropped; white is still to "
    "come.",
    alt="A grid with one light blue row, a dark blue part of the next row, a black pixel, and an "
    "outline around the five places that the kernel reads.",
)

# %% [markdown]
# In the code below `self.caches` are the rows that are kept, columns first: what a step does with
# them, and what the end of a row does.

# %% tags=["hide"]
book.source(AtPixel.__call__)
book.source(AtPixel.next_row)

# %%
timed_pixels = 8


def naive_seconds(model, count=16):
    """Time of sampling by full passes: the best pass for one of the first pixels, times D."""
    forward = tf.function(model)
    images = np.zeros((count, *model.event_shape), "float32")
    noise = model.likelihood.noise((count, timed_pixels), seed=(0, 3))
    forward(tf.constant(images))  # compiles
    times = []
    for i in range(timed_pixels):
        start = time.perf_counter()
        parameters = tf.reshape(forward(tf.constant(images)), (count, depth, -1))[:, i]
        drawn = model.likelihood.sample_from_noise(parameters, noise[:, i])
        images.reshape(count, -1)[:, i] = drawn.numpy()
        times.append(time.perf_counter() - start)
    return min(times) * depth


naive = {name: naive_seconds(models[name]) for name in ("PixelCNN", "RowLSTM")}
block = {name: split_for(model, dataset.test)[:score_batch] for name, model in models.items()}
score_seconds = {
    name: best_seconds(lambda name=name: models[name].log_prob(block[name]).numpy(), repeats=3)
    / len(block[name])
    for name in models
}

# %% tags=["hide"]
in_training = {
    "NADE": depth,
    "PixelCNN": 1 + 3 * num_layers + 3,
    PLACED: 1 + 3 * num_layers + 3,
    "GatedPixelCNN": 3 + 2 * num_layers + 3,
    "RowLSTM": shape[0],
    "DiagonalBiLSTM": shape[0] + shape[1] - 1,
}
book.table(
    [
        [
            name,
            f"{in_training[name]}",
            f"{1000 * step_time[name]:.1f}",
            f"{1000 * score_seconds[name]:.3f}",
            f"{depth}",
            f"{1000 * sample_seconds[name] / 16:.2f}",
            f"{1000 * naive[name] / 16:.1f}" if name in naive else "",
        ]
        for name in models
    ],
    [
        "model",
        "steps in training",
        "training step (ms)",
        "scoring (ms)",
        "steps in sampling",
        "sampling (ms)",
        "by full passes (ms)",
    ],
    "Sequential steps and times. Steps in training: layers in a row for the convolutions, steps of "
    "the recurrence for the others. NADE's are those of the library's scan, which saves memory; "
    "the cumulative sum of chapter 2 needs none. A training step takes "
    f"{schedule['batch_size']} images; scoring is $\\log p(x)$ in batches of {score_batch}, per "
    "image; sampling is per image, 16 at a time. The last column is extrapolated: the best time of "
    f"a pass for one of the first {timed_pixels} pixels, times {depth}.",
    name="generating",
)
train_ratio = step_time["RowLSTM"] / step_time["PixelCNN"]
sample_ratio = sample_seconds["RowLSTM"] / sample_seconds["PixelCNN"]
saved = {name: naive[name] / sample_seconds[name] for name in naive}
if sample_ratio > 1.1:
    sampling_verdict = f"sampling an image took the Row LSTM {sample_ratio:.1f} times as long"
elif sample_ratio < 0.9:
    sampling_verdict = (
        f"sampling an image took PixelCNN {1 / sample_ratio:.1f} times as long as the Row LSTM"
    )
else:
    sampling_verdict = "sampling an image took the two about the same time"
book.box(
    "notes",
    "What the notes say: PixelCNN generates faster, because convolutions run in parallel",
    f"""
    The notes say that PixelCNN generates faster than PixelRNN because its convolutions are computed
    in parallel over the training image, and add that it stays sequential and slow. The second half
    is right. The parallelism is that of *training* (and of scoring), where all pixels are given.
    Generating takes {depth} steps in a row in PixelCNN as in PixelRNN (@table:generating). Here a
    training step of the Row LSTM took {train_ratio:.1f} times as long as one of PixelCNN, while
    {sampling_verdict}. Per pixel the {num_layers} blocks take {9 * num_layers}$h^2$ multiply-adds
    and the recurrent layer, with its two $1 \\times 1$ layers, $32h^2$; but in a step for 16
    images the number of operations that follow each other may count as much as their size. (Times
    of one run each; those of two like networks differ by tens of percent.)

    What makes sampling fast is to compute nothing twice. Against full passes, extrapolated from
    {timed_pixels} of them, the compiled loop with caches took **{saved["PixelCNN"]:.0f}** times
    less time for PixelCNN and {saved["RowLSTM"]:.0f} times less for the Row LSTM. The work falls by
    a factor of {depth}, from $D$ passes to one. The times hold more than that: Python between two
    full passes on one side, on the other small operations that use a processor less well than whole
    planes do.
    """,
)

# %% [markdown]
# How sampling compares for 16 and for 100 images at a time, what the compiler gives, and how times
# grow with the side of the image, is on the page on [speed](../speed.md), for all four models.
#
# ## Samples

# %% tags=["fold"]
shown = np.random.default_rng(0).choice(len(dataset.test), 10, replace=False)
rows_of_images = [dataset.test.x[shown].reshape(-1, *shape)]
rows_of_images += [images[:10].reshape(-1, *shape) for images in samples.values()]
with plots.style():
    figure = plots.image_grid(np.concatenate(rows_of_images), shape, columns=10)
book.figure(
    figure,
    "samples",
    f"From top to bottom: test images, then samples of {listed(list(samples))}. Nothing was "
    "selected.",
    alt="Rows of ten small pictures of digits or shapes like digits, one row for each model.",
)

# %% [markdown]
# A sample is one draw; its faults say where a model is weak. Look for strokes that end in nothing
# (in the convolutional models the beginning is out of sight; the recurrent ones have forgotten it)
# and for shapes whose parts are fine and whose whole is no digit. Numbers decide, not samples: a
# model that repeats its training images has the best samples of all. One thing can be counted: how
# often a shape reaches the lowest row, where the frame cuts it off.

# %% tags=["hide"]
at_the_end = {
    name: int(images.reshape(-1, *shape)[:, -1].any(axis=1).sum())
    for name, images in samples.items()
}
test_at_the_end = dataset.test.x.reshape(-1, *shape)[:, -1].any(axis=1).mean()
book.say(
    f"Of the test images {test_at_the_end:.1%} have ink in the lowest row. Of 16 samples of each "
    f"model, so many have: {listed([f'{count} of {name}' for name, count in at_the_end.items()])}."
    + (" These digits fill their frame, so that says little." if test_at_the_end > 0.5 else "")
)

# %% [markdown]
# ### Where an image costs its nats
#
# The NLL of an image is a sum over its pixels, so it can be shown pixel by pixel. For a given image
# one pass gives the probability of ink at every pixel, given the *true* pixels before it, and the
# cost $-\log p(x_i \mid x_{<i})$ of the value that it has.

# %%
strip = dataset.test.x[shown[:8]]
given_strip = models["PixelCNN"].conditionals(strip.reshape(-1, *shape))
probability = given_strip.probs_parameter().numpy()
cost = -given_strip.log_prob(strip.reshape(-1, *shape)).numpy()
nade_cost = -models["NADE"].conditionals(strip).log_prob(strip).numpy()

# %% tags=["fold"]
with plots.style():
    pieces = [strip.reshape(-1, *shape), probability, cost / 3, nade_cost.reshape(-1, *shape) / 3]
    totals = [
        f"{value:.1f}"
        for values in (cost, nade_cost)
        for value in values.reshape(8, -1).sum(axis=1)
    ]
    figure = plots.image_grid(
        np.minimum(np.concatenate(pieces), 1), shape, columns=8, titles=[""] * 16 + totals
    )
book.figure(
    figure,
    "strip",
    "Eight test images. Second row: the probability of ink that PixelCNN gives each pixel, black "
    "for 1. Third row: the cost of each pixel in nats, black for 3 or more, and above it the "
    "total. Last row: the cost under NADE.",
    alt="Digits; smoothed versions of them; dots along their edges, twice, with totals.",
)

# %% tags=["hide"]
tone = strip.reshape(-1, *shape)
edge = np.zeros(tone.shape, bool)
edge[:, :, 1:] |= tone[:, :, 1:] != tone[:, :, :-1]
edge[:, 1:] |= tone[:, 1:] != tone[:, :-1]
wins = int(np.sum(cost.reshape(8, -1).sum(axis=1) < nade_cost.sum(axis=1)))
all_wins = np.mean(test_nll["PixelCNN"] < test_nll["NADE"])
book.say(
    f"In @fig:strip {cost[edge].sum() / cost.sum():.0%} of the nats fall on the {edge.mean():.0%} "
    f"of the pixels that differ from the one to the left or above. PixelCNN is cheaper than NADE "
    f"on {wins} of these eight images, and on "
    f"{all_wins:.0%} of the whole test set."
)

# %% [markdown]
# ## Completing images
#
# The loop that draws an image can also keep what is given: where the mask is true the value is
# copied instead of drawn, and goes into the caches like any other. If the given pixels come first
# in the order, the rest is an exact draw from $p(x_{>k} \mid x_{\le k})$. Here the top half is
# given.

# %%
top = np.zeros(shape, bool)
top[: shape[0] // 2] = True
originals = dataset.test.x[shown[:4]].reshape(-1, *shape)
repeated = np.repeat(originals, 4, axis=0)
from_top = models["PixelCNN"].sample(16, conditioned_on=repeated, mask=top, seed=2).numpy()

# %% tags=["fold"]


def completions(originals, filled, kept):
    """A figure: each original, then its completions with the drawn pixels tinted."""
    side, pictures, masks = originals.shape[1:], [], []
    for i, original in enumerate(originals):
        pictures += [original, *filled[4 * i : 4 * i + 4]]
        masks += [np.ones(side, bool), *[kept] * 4]
    with plots.style():
        return plots.kept_overlay(np.array(pictures), np.array(masks), side, columns=10)


book.figure(
    completions(originals, from_top, top),
    "completions",
    "Four test images (columns 1 and 6), each followed by four completions by PixelCNN. The top "
    "half was given, the tinted half was drawn.",
    alt="Two rows of ten digits; the lower halves that the model drew are tinted and differ.",
)

# %% [markdown]
# The bottom half cannot be given: the first pixel would have to be drawn from $p(x_1 \mid
# x_{\text{bottom}})$, and to compute that takes a sum over all top halves. The library refuses
# instead of approximating.

# %%
try:
    models["PixelCNN"].sample(1, conditioned_on=originals[0], mask=~top)
except ValueError as refusal:
    print(textwrap.fill(str(refusal), 80))

# %% [markdown]
# ## Other orders
#
# A convolution has a direction built in: windows reach up and to the left. Orders that look the
# same from every pixel can be had by turning the image first: `ordering="reversed"` rotates it by
# half a turn, `ordering="column-major"` reflects it in its diagonal, and the same network reads it
# as text. A spiral cannot be had: on its way along the upper side the pixel before is the one to
# the left, on its way back along the lower side the one to the right, and one shared mask cannot
# say both. NADE has no kernel and takes any order.
#
# Does the order matter? As in chapter 2, every order is trained with several seeds.
# (The learning rate falls here, so the numbers do not compare with those of chapter 2.) A seed sets
# the initial weights, the order of the batches and, for "random", the permutation. An order is
# nothing but a turn or a permutation of the image before it enters the network, so one compiled
# model serves for all fits: it is given new weights, a fresh optimiser and images whose pixels
# already lie in the order.


# %%
def pooled_mnist():
    """MNIST at 14 x 14: means of 2 x 2 pixels, ink from half of full grey; 10,000 to train."""
    source = mnist()

    def pooled(split, count):
        x = source.images(split.x[:count]).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
        return binarize(x, 128).reshape(-1, 196)

    return {
        "train": pooled(source.train, 10_000),
        "valid": pooled(source.valid, 2_000),
        "test": pooled(source.test, None),
    }


def pixel_digits():
    """The binarised digits, 8 x 8."""
    source = binarized_digits()
    return {name: getattr(source, name).x for name in ("train", "valid", "test")}


@dataclasses.dataclass(frozen=True)
class Grid:
    """Square images, and how the models of the study are trained on them."""

    splits: dict  # name -> rows of pixels
    schedule: dict
    size: dict  # of PixelCNN

    @property
    def depth(self):
        return self.splits["train"].shape[1]

    @property
    def shape(self):
        return (math.isqrt(self.depth),) * 2

    @property
    def name(self):
        return " × ".join(map(str, self.shape))


def small_grid():
    return Grid(
        pixel_digits(),
        {"epochs": 12, "batch_size": 133, "rate": 2e-2},
        {"hidden_units": 8, "num_blocks": 2, "head_units": 16},
    )


def large_grid():
    return Grid(
        pooled_mnist(),
        {"epochs": 8, "batch_size": 100, "rate": 1e-2},
        {"hidden_units": 12, "num_blocks": 3, "head_units": 16},
    )


grids = [make() for make in book.setting(default=[small_grid], full=[small_grid, large_grid])]
num_seeds = 3


def study(grid, make, orders):
    """Fits every order with every seed.

    Args:
        grid: a `Grid`.
        make: seed -> model of raster or natural order.
        orders: name -> (seed -> flat positions in the order of the visit).

    Returns:
        name -> test NLL (seeds, images), and name -> weights of the first seed.
    """
    model = make(0)
    model.build((None, *model.event_shape))
    compile_for(model, grid.splits["train"], **grid.schedule)
    model.optimizer.build(model.trainable_variables)
    unused = [variable.numpy() for variable in model.optimizer.variables]
    nlls, weights = {}, {}
    for name, order_of_seed in orders.items():
        nlls[name] = []
        for seed in range(num_seeds):
            other = make(seed)
            other.build((None, *other.event_shape))
            model.set_weights(other.get_weights())
            for variable, value in zip(model.optimizer.variables, unused, strict=True):
                variable.assign(value)
            visited = {
                split: x[:, order_of_seed(seed)].reshape(-1, *model.event_shape)
                for split, x in grid.splits.items()
            }
            fit(model, visited["train"], visited["valid"], seed=seed, **grid.schedule)
            weights.setdefault(name, model.get_weights())
            nlls[name].append(-log_probs(model, visited["test"], batch_size=300))
    return {name: np.array(values) for name, values in nlls.items()}, weights


def nade_order(name, grid):
    return lambda seed: np.array(
        orderings.permutation(orderings.resolve(name, grid.depth, seed), grid.depth)
    )


def pixel_order(name, grid):
    order = PixelCNN(grid.shape, ordering=name, **grid.size).drawing_order
    return lambda seed: order


nade_by_order, cnn_by_order = {}, {}
for grid in grids:
    nade_by_order[grid.name], _ = study(
        grid,
        lambda seed, grid=grid: NADE(grid.depth, hidden_units=100, activation="relu", seed=seed),
        {name: nade_order(name, grid) for name in orderings.NAMES},
    )
    cnn_by_order[grid.name], cnn_weights = study(
        grid,
        lambda seed, grid=grid: PixelCNN(grid.shape, seed=seed, **grid.size),
        {name: pixel_order(name, grid) for name in ("raster", "reversed", "column-major")},
    )

# %% tags=["hide"]
order_rows, apart = [], []
for family, of_grids in (("NADE", nade_by_order), ("PixelCNN", cnn_by_order)):
    for sides, by_order in of_grids.items():
        first = next(iter(by_order))
        for name, nlls in by_order.items():
            means = nlls.mean(axis=1)
            paired = (nlls - by_order[first]).mean(axis=0)
            # Seeds and test images are two sources of chance; their variances add.
            both = math.sqrt(
                error(paired) ** 2 + error(means) ** 2 + error(by_order[first].mean(axis=1)) ** 2
            )
            gap = f"{number(round(paired.mean(), 2) + 0, '+.2f')} ± {both:.2f}"
            if name != first and abs(paired.mean()) > 2.6 * both:
                apart.append(f"{family} {name}, {sides} ({number(paired.mean(), '+.2f')})")
            order_rows.append(
                [
                    sides,
                    family,
                    name,
                    f"{means.mean():.2f} ± {error(means):.2f}",
                    "" if name == first else gap,
                ]
            )
counts = " and ".join(f"{len(grid.splits['test']):,} ({grid.name})" for grid in grids)
cnn_sizes = " and ".join(
    f"{grid.size['num_blocks']} blocks of {grid.size['hidden_units']} channels ({grid.name})"
    for grid in grids
)
book.table(
    sorted(order_rows, key=lambda row: int(row[0].split()[0])),
    ["images", "model", "order", "test NLL (nats)", "minus the first order"],
    f"Digits, mean of {num_seeds} seeds ± its standard error over seeds. The error of the "
    f"difference counts seeds and test images, of which there are {counts}. NADE has 100 units; "
    f"PixelCNN {cnn_sizes}.",
    name="orders",
)
spans, turned = [], []
for grid in grids:
    local = [nlls.mean() for name, nlls in nade_by_order[grid.name].items() if name != "random"]
    random_gap = nade_by_order[grid.name]["random"].mean() - np.mean(local)
    cnn_means = [nlls.mean() for nlls in cnn_by_order[grid.name].values()]
    spans.append(
        f"On {grid.name} pixels NADE's random orders average {number(random_gap, '+.2f')} nats "
        f"against its other five, which span {max(local) - min(local):.2f}; PixelCNN's three span "
        f"{max(cnn_means) - min(cnn_means):.2f}."
    )
    changes = [
        np.mean(by_order["column-major"]) - np.mean(by_order[first])
        for by_order, first in (
            (nade_by_order[grid.name], "natural"),
            (cnn_by_order[grid.name], "raster"),
        )
    ]
    nade_change, cnn_change = (number(change, "+.2f") for change in changes)
    turned.append(f"NADE changes by {nade_change} nats and PixelCNN by {cnn_change} ({grid.name})")
book.say(
    "Differences from the first order of each family by more than 2.6 standard errors "
    "(@table:orders): "
    + ("; ".join(apart) if apart else "none")
    + f". There are {len(order_rows) - 2 * len(grids)} comparisons. With a known error chance "
    "exceeds 2.6 of them once in a hundred; with one estimated from so few seeds once in sixteen, "
    "and once in eight where one order's seeds make up most of it. "
    + " ".join(spans)
    + " Under a random order what is known around a pixel differs from pixel to pixel, and one "
    "inner pixel in five comes before all four of its neighbours. Turning an image changes no "
    "neighbourhood, only which of two neighbours is seen first. If that made strokes easier to "
    "foresee, NADE should gain as well. From rows to columns "
    + "; ".join(turned)
    + ". What one family gains and the other does not is chance, or comes from the network: a turn "
    "also moves PixelCNN's blind spot, and the borders by which it knows its place."
)

# %% [markdown]
# Which half can be given does depend on the order. By columns the *left* half comes first. The
# network of the study becomes a column-major model by its name alone: same weights, turned images.

# %%
grid = grids[-1]
last_test = grid.splits["test"]
by_columns = PixelCNN(grid.shape, ordering="column-major", **grid.size)
by_columns.build((None, *grid.shape))
by_columns.set_weights(cnn_weights["column-major"])
left = np.zeros(grid.shape, bool)
left[:, : grid.shape[1] // 2] = True
picked = np.random.default_rng(1).choice(len(last_test), 4, replace=False)
left_originals = last_test[picked].reshape(-1, *grid.shape)
from_left = by_columns.sample(
    16, conditioned_on=np.repeat(left_originals, 4, axis=0), mask=left, seed=2
).numpy()
same_density = np.abs(
    -log_probs(by_columns, last_test.reshape(-1, *grid.shape), batch_size=300)
    - cnn_by_order[grid.name]["column-major"][0]
).max()

# %% tags=["fold"]
book.figure(
    completions(left_originals, from_left, left),
    "left-given",
    "Four test images (columns 1 and 6), each followed by four completions by a PixelCNN of "
    "column-major order. The left half was given, the tinted half was drawn.",
    alt="Two rows of ten digits; the right halves that the model drew are tinted and differ.",
)

# %% tags=["hide"]
book.say(
    "The column-major model gives the test images the NLL that the study measured, with a largest "
    f"difference of {number(same_density, '.0e')} nats."
)

# %% [markdown]
# ## Colour
#
# Patches of 8 × 8 pixels from two photographs, in red, green and blue. Patches for training,
# validation and testing come from different parts of the photographs.

# %% tags=["fold"]
levels = book.setting(default=8, full=32)
colour = colour_photograph_patches(8, num_patches=book.setting(default=5_000, full=20_000), seed=0)
colour_shape = colour.image_shape


def quantised(split):
    """The 256 levels in `levels` equal steps, numbered from 0."""
    return (colour.images(split.x) // (256 // levels)).astype("float32")


patch_train, patch_valid, patch_test = map(quantised, (colour.train, colour.valid, colour.test))

# %% [markdown]
# Each value is one of a few levels, and the network gives a logit for every level: a categorical
# distribution per value, `Categorical(levels)`, with no assumption about its shape. The numbers of
# channels are multiples of three, so that every colour has its share.

# %%
colour_model = PixelCNN(
    colour_shape,
    likelihood=Categorical(levels),
    hidden_units=24,
    num_blocks=book.setting(default=2, full=4),
    head_units=48,
    seed=0,
)
colour_schedule = book.setting(
    default={"epochs": 8, "batch_size": 50, "rate": 1e-2},
    full={"epochs": 10, "batch_size": 50, "rate": 5e-3},
)
compile_for(colour_model, patch_train, **colour_schedule)
colour_history, _ = fit(colour_model, patch_train, patch_valid, **colour_schedule)
colour_samples = colour_model.sample(16, seed=4).numpy()


# %% tags=["fold"]
def value_costs(x, size=250):
    """-log p of every value given those before it, nats: (patches, 8, 8, 3)."""
    blocks = [x[start : start + size] for start in range(0, len(x), size)]
    return np.concatenate(
        [-colour_model.conditionals(rows).log_prob(rows).numpy() for rows in blocks]
    )


def counted(values, contexts, num_contexts):
    """Log of smoothed frequencies of values within contexts, `(num_contexts, levels)`."""
    table = np.ones((num_contexts, levels))
    np.add.at(table, (contexts.astype(int), values.astype(int)), 1)
    return np.log(table / table.sum(axis=1, keepdims=True))


def neighbour(x):
    """The level to the left, and `levels` where there is none."""
    return np.concatenate([np.full_like(x[:, :, :1], levels), x[:, :, :-1]], axis=2)


def neighbour_and_colour(x):
    """The level to the left and that of the colour before, as one number."""
    before = np.concatenate([np.full_like(x[..., :1], levels), x[..., :-1]], axis=-1)
    return neighbour(x) * (levels + 1) + before


def table_costs(context):
    """-log p of every test value from one table per colour, fitted by counting."""
    costs = np.empty(patch_test.shape)
    for c in range(3):
        seen_in, asked_in = context(patch_train)[..., c], context(patch_test)[..., c]
        table = counted(patch_train[..., c].ravel(), seen_in.ravel(), (levels + 1) ** 2)
        costs[..., c] = -table[asked_in.astype(int), patch_test[..., c].astype(int)]
    return costs


colour_costs = {
    "uniform": np.full(patch_test.shape, math.log(levels)),
    "independent values, a histogram per colour": table_costs(np.zeros_like),
    "given the same colour of the left neighbour": table_costs(neighbour),
    "given that and the colour before": table_costs(neighbour_and_colour),
    "PixelCNN": value_costs(patch_test),
}

# %% tags=["fold"]
with plots.style():
    figure = plots.image_grid(
        np.concatenate([patch_test[:16], colour_samples]) / (levels - 1), colour_shape, columns=8
    )
book.figure(
    figure,
    "colour",
    f"Rows 1 and 2: test patches with {levels} levels per colour. Rows 3 and 4: samples of "
    "PixelCNN.",
    alt="Two rows of small colour patches of photographs, two rows of samples.",
)

# %% tags=["hide"]
values_per_patch = int(np.prod(colour_shape))
patch_bits = {
    name: bits_per_dim(costs.reshape(len(costs), -1).sum(axis=1), values_per_patch)
    for name, costs in colour_costs.items()
}
book.table(
    [
        [
            name,
            f"{bits.mean():.3f}" + ("" if name == "uniform" else f" ± {error(bits):.3f}"),
            *(f"{bits_per_dim(colour_costs[name][..., c].mean(), 1):.3f}" for c in range(3)),
        ]
        for name, bits in patch_bits.items()
    ],
    ["model", "bits per dimension", "red", "green", "blue"],
    f"{len(patch_test):,} test patches of 8 × 8 pixels, {levels} levels per colour; ± one standard "
    "error over patches. Patches overlap and come from two photographs, so this error is too "
    f"small. {colour.protocol.replace(' x ', ' × ')}",
    name="colour",
)
bits_by_colour = {
    name: bits_per_dim(colour_costs["PixelCNN"][..., c].mean(), 1)
    for c, name in enumerate(("red", "green", "blue"))
}
saving = patch_bits["given that and the colour before"] - patch_bits["PixelCNN"]
cheapest = min(bits_by_colour, key=bits_by_colour.get)
book.say(
    f"PixelCNN needs **{patch_bits['PixelCNN'].mean():.3f}** bits per dimension (@table:colour), "
    f"{abs(saving.mean()):.3f} {'fewer' if saving.mean() > 0 else 'more'} than a table that knows "
    "the left neighbour and the colour before. By colour it is "
    + ", ".join(f"{value:.2f} for {name}" for name, value in bits_by_colour.items())
    + (
        ". Red comes first and costs most. The first colour pays for whatever the three share; "
        "that it is red's place and not red itself, another order of the colours would have to "
        "show."
        if max(bits_by_colour, key=bits_by_colour.get) == "red"
        else f". Red comes first, and yet it is {max(bits_by_colour, key=bits_by_colour.get)} that "
        "costs most here."
    )
    + f" The cheapest is {cheapest}. Bits of {levels} levels must not be put beside published "
    "values for 256 levels: the coarser the levels, the fewer bits. They may be put beside each "
    "other."
)

# %% [markdown]
# ## What goes wrong, and why
#
# **A pixel sees itself.** Mask B in the first layer, or a map that is not moved down, and the loss
# is too good. No shape is wrong, and no validation split shows it, since validation images are read
# in the same way. Two checks do: sum $p(x)$ over all images of a small size, and take derivatives
# (@table:colour-slopes, @fig:fields). Exercise 3.4 breaks a model on purpose.

# %% tags=["hide"]
reach = PixelCNN.input_kernel[0] // 2 + num_layers  # of the first kernel and of the blocks
near = came_before & (ups <= reach) & (np.abs(rights) <= reach)
in_view = {
    "PixelCNN": near & (rights - ups <= 2),
    "GatedPixelCNN": near,
    "the Row LSTM": came_before & ~missed,
}
views = [f"{view.sum()} by {name}" for name, view in in_view.items()]
book.say(
    f"**A pixel sees too little.** The blind spot is one cause, depth another. With {num_layers} "
    f"blocks the models of @table:models reach {reach} pixels. Of the {came_before.sum()} pixels "
    f"before the one in the middle are seen: {listed(views)}. Between the first two the blind spot "
    f"is {near.sum() - in_view['PixelCNN'].sum()} pixels"
    + (
        ": images this small hide both causes. "
        if in_view["PixelCNN"].sum() == came_before.sum()
        else ", so the difference of their NLLs is not its price. "
    )
    + "What helps: more blocks (exercise 3.2), two stacks, a recurrent state."
)
if test_at_the_end <= 0.5:
    book.say(
        "**The model does not know where it is.** "
        f"{test_at_the_end:.1%} of the test images have ink in the lowest row, and of 16 samples "
        f"of PixelCNN {at_the_end['PixelCNN']} (@fig:samples). On blank paper all places look "
        "alike to it, so a shape may begin anywhere, also where the frame will cut it off. With a "
        f"bias for every pixel it is {at_the_end[PLACED]} of 16. The recurrent models could count "
        f"rows; after this little training they have {at_the_end['RowLSTM']} and "
        f"{at_the_end['DiagonalBiLSTM']}."
    )
book.say(
    "**The NLL is fair and the samples are not.** The NLL asks for each pixel given *true* ones; a "
    f"sample is made of the model's own. In @fig:strip {cost[edge].sum() / cost.sum():.0%} of the "
    "nats fall on edges, where every model has to guess. Whether the whole becomes a digit is a "
    "small part of the sum: the bias for every pixel changes the NLL by "
    f"{number(-by_place.mean(), '+.2f')} of {test_nll['PixelCNN'].mean():.2f} nats. Look at both."
)

# %% [markdown]
# **The wrong half is given.** To copy given pixels into the loop is right only if they come first
# in the order. Otherwise the pixels before them are drawn without knowing them. The library
# refuses; another order may help (@fig:left-given).
#
# **Work is done twice.** Sampling by full passes gives the same images, much later
# (@table:generating). No order of work makes it fewer than $D$ steps.
#
# **Numbers that do not compare.** Bits per dimension of few levels beside those of 256
# (@table:colour); nats on MNIST binarized in another way (chapter 2); times of two machines.

# %% [markdown]
# ## Against the published numbers

# %% tags=["hide"]
PUBLISHED = {
    "pixel_cnn_binarized_mnist": ("PixelCNN", 81.30),
    "row_lstm_binarized_mnist": ("Row LSTM", 80.54),
    "diagonal_bilstm_binarized_mnist": ("Diagonal BiLSTM, one layer, $h = 32$", 80.75),
}
NADE_PUBLISHED = 88.33


def size_of(settings):
    """Depth and width of a recipe's model, in words."""
    blocks, layers = settings.get("num_blocks"), settings.get("num_layers")
    parts = f"{blocks} blocks" if blocks else f"{layers} layer{'s' if layers > 1 else ''}"
    places = ", position bias" if settings.get("position_bias") else ""
    moves = ", moved images" if settings.get("shift") else ""
    return f"{parts}, $h = {settings['hidden_units']}${places}{moves}"


run = {name: result for name in PUBLISHED if (result := book.recorded(name)) is not None}
published_rows = [
    [
        name,
        f"{figure_of_paper:.2f}",
        *(
            [
                f"{run[recipe]['value']:.2f} ± {run[recipe]['standard_error']:.2f}",
                size_of(run[recipe]["settings"]),
                f"{run[recipe]['epochs']}",
                f"{run[recipe]['seconds'] / 3600:.1f}",
            ]
            if recipe in run
            else [""] * 4
        ),
    ]
    for recipe, (name, figure_of_paper) in PUBLISHED.items()
]
published_rows.append(["Diagonal BiLSTM, seven layers, $h = 16$", "79.20", "", "", "", ""])
book.table(
    published_rows,
    ["model", "published", "this library", "our size", "epochs", "hours"],
    "Test NLL (nats) on fixed binarized MNIST, 10,000 test images, ± one standard error. "
    "Published: table 4 of [arXiv:1601.06759](https://arxiv.org/abs/1601.06759), partly from "
    "memory: the [scoreboard](../scoreboard.md) says which.",
    name="published",
)
gaps = [
    f"{PUBLISHED[recipe][0].split(',')[0]} {number(result['value'] - PUBLISHED[recipe][1], '+.2f')}"
    for recipe, result in run.items()
]
moved = [PUBLISHED[name][0] for name, result in run.items() if result["settings"].get("shift")]
missing = [f"`{recipe}`" for recipe in PUBLISHED if recipe not in run]
book.say(
    (
        f"Our figure minus the published one, in nats: {listed(gaps)}. Data and split are the "
        f"published ones, the budget of a run is {next(iter(run.values()))['budget']}. Only the "
        "Diagonal BiLSTM has the width that the paper states; the others are smaller or of "
        "unknown size. A position bias is not in the paper"
        + (f", nor are moved images ({listed(moved)}). " if moved else ". ")
        if run
        else ""
    )
    + (f"Not run in this copy of the book: {listed(missing)}. " if missing else "")
    + "The four published numbers lie "
    f"{NADE_PUBLISHED - 81.30:.1f} to {NADE_PUBLISHED - 79.20:.1f} nats below the {NADE_PUBLISHED} "
    "of a NADE with 500 units ([chapter 2](02_nade.md)). Sizes for a GPU are in the table of "
    "recipes `pixel_binarized_mnist_full`, which nobody has run yet."
)

# %% [markdown]
# **On photographs.** Published figures for CIFAR-10 with 256 levels, in bits per dimension:
# PixelCNN 3.14, Row LSTM 3.07, Diagonal BiLSTM 3.00
# ([arXiv:1601.06759](https://arxiv.org/abs/1601.06759)), gated PixelCNN 3.03
# ([arXiv:1606.05328](https://arxiv.org/abs/1606.05328)), PixelCNN++ 2.92
# ([arXiv:1701.05517](https://arxiv.org/abs/1701.05517)). With
# gates and two stacks it passes the Row LSTM and comes close to the Diagonal BiLSTM, while training
# stays parallel. The
# first four give each level a logit of its own, as `Categorical(256)` does. Nothing then says that
# 127 and 128 are alike, and rare levels are learnt from few examples. PixelCNN++ lets the network
# give a mixture of a few logistic densities, integrated over each level; draws the three colours of
# a pixel together, green's mean linear in red and blue's in both; and adds down- and upsampling,
# short cuts and dropout. None of this is reproduced here: PixelCNN++ trained for about five days on
# eight GPUs.

# %% [markdown]
# ## Exercises
#
# **Exercise 3.1.** Use mask A in *all* layers, a $3 \times 3$ kernel each. Which of the neighbours
# of a pixel can it still see after one, two and three layers?

# %% tags=["hide"]
mask_a = {(-1, -1), (-1, 0), (-1, 1), (0, -1)}  # steps (rows, columns) of a 3 x 3 kernel


def after(layers, steps):
    """All places that paths of so many steps reach."""
    reached = {(0, 0)}
    for _ in range(layers):
        reached = {(r + u, c + v) for r, c in reached for u, v in steps}
    return reached


neighbours = {"left": (0, -1), "upper left": (-1, -1), "above": (-1, 0), "upper right": (-1, 1)}
visible = {
    layers: [name for name, place in neighbours.items() if place in after(layers, mask_a)]
    for layers in (1, 2, 3)
}
book.box(
    "answer",
    "Answer to 3.1, computed",
    f"""
    The places seen after $n$ layers are the sums of $n$ steps, each from the four that mask A
    allows. After one layer: {listed(visible[1])}. After two: {listed(visible[2])}. After three:
    {listed(visible[3])}. A path of $n$ steps that stays in the row ends $n$ columns to the left;
    one that goes up once ends in the row above, from $n$ columns to the left to $2 - n$ to the
    right. So the left neighbour and the upper right one are lost first, then the one above, then
    the upper left. With mask B the step $(0, 0)$ is allowed, and nothing that was seen is lost
    again. One strict layer is needed, and only one.
    """,
)

# %% [markdown]
# **Exercise 3.2.** How many blocks does PixelCNN need so that the last pixel of a 28 × 28 image can
# see the first? For the pixel in row 14, column 14 (counted from 0), what share of the earlier
# pixels is in the blind spot, with any number of blocks?

# %% tags=["hide"]
up = 14 - np.arange(28)[:, None]
right = np.arange(28)[None, :] - 14
before = (up > 0) | ((up == 0) & (right < 0))
blind = before & (right - up > 2)
book.box(
    "answer",
    "Answer to 3.2, computed",
    f"""
    The first pixel lies 27 rows up and 27 columns to the left. The 7 × 7 kernel goes up to 3 of
    each, every block 1 of each: {27 - 3} blocks. The pixel in the middle has {before.sum()} earlier
    ones; for {blind.sum()} of them $R - U > 2$, which is **{blind.sum() / before.sum():.0%}**. Far
    from all borders the wedge is 45 of 180 degrees, a quarter.
    """,
)

# %% [markdown]
# **Exercise 3.3.** Sampling by full passes does the work of $D$ passes. A cheaper way is to cut
# off the rows below the current pixel, which nothing depends on. By which factor does the work
# fall? What is left to gain for the caches?

# %% tags=["hide"]
sides = {side: sum((r + 1) * side for r in range(side)) * side for side in (8, 28)}
book.box(
    "answer",
    "Answer to 3.3, computed",
    f"""
    A pass over the first $r$ rows of $n$ costs $r / n$ of a full one, and each of the $n$ pixels of
    row $r$ needs one: $\\sum_r r = n (n + 1) / 2$ full passes in place of $n^2$. The factor is
    $2n / (n + 1)$: {8 * 8 * 64 / sides[8]:.2f} for $n = 8$ and {28 * 28 * 784 / sides[28]:.2f} for
    $n = 28$, never more than 2. The caches bring it down to one pass, another factor of
    $n (n + 1) / 2$: {8 * 9 // 2} and {28 * 29 // 2}.
    """,
)

# %% [markdown]
# **Exercise 3.4.** Leave out the shift of the right-hand map in the Diagonal BiLSTM. Sum $p(x)$
# over all 512 binary images of 3 × 3 pixels, and find out whether the middle pixel sees itself or a
# later one. What would training do with such a model?


# %% tags=["fold"]
class Unshifted(pixel_lstm.DiagonalBiLSTM):
    """The layer without the shift: wrong on purpose."""

    def call(self, x):
        return self._scan(x, 0) + self._scan(x[:, :, ::-1], 1)[:, :, ::-1]


class UnshiftedModel(DiagonalBiLSTM):
    recurrent_layer = Unshifted


# %% tags=["hide"]
small_size = {"hidden_units": 16, "head_units": 8, "seed": 0}
sums, middle_fields = {}, {}
for name, kind in (("with", DiagonalBiLSTM), ("without", UnshiftedModel)):
    one = kind((3, 3), **small_size)
    one.build((None, 3, 3))
    sums[name] = np.exp(log_probs(one, three_by_three, batch_size=512)).sum()
    middle_fields[name] = seen_by_middle(one, side=3)
later = [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
leaking = [f"({r}, {c})" for r, c in later if middle_fields["without"][r, c]]
book.box(
    "answer",
    "Answer to 3.4, computed",
    f"""
    With random weights the sum is {sums["with"]:.6f} with
    the shift and **{sums["without"]:.6f}** without it. Of the middle pixel, at (1, 1), itself and
    what comes after it, the unshifted model sees: {", ".join(leaking) or "nothing"}. The right-hand
    state of its own row has read the map $z$ there, and $z$ at (1, 2) knows the pixel (1, 1).
    Training would find this at once: the model copies each pixel but the last of its row (in wider
    images it also sees pixels still to come), and the "NLL" falls below what any distribution can
    reach. A likelihood that is too good should be summed on small images first.
    """,
)

# %% [markdown]
# **Exercise 3.5.** How many numbers does PixelCNN keep per image while it samples, and how many
# would it keep if all narrow maps of its blocks were stored? Take 7 blocks of 16 channels.

# %% tags=["hide"]
kept = {}
for side in (8, 28, 256):
    per_block = 2 * (side + 2) * 16
    kept[side] = (7 * per_block, 7 * side * side * 16)
book.box(
    "answer",
    "Answer to 3.5, computed",
    """
    Each block keeps two rows of its narrow map, $h$ channels wide, with a margin of one column on
    either side: $2 (W + 2) h$ numbers. With 7 blocks of 16 channels:
    """
    + "; ".join(
        f"{few:,} for {side} × {side} pixels, against {many:,} for whole maps"
        for side, (few, many) in kept.items()
    )
    + ". The image itself is kept as well, of which the first convolution reads four rows.",
)

# %% [markdown]
# ## References
#
# - A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, *Pixel recurrent neural networks*, 2016,
#   [arXiv:1601.06759](https://arxiv.org/abs/1601.06759). PixelCNN, Row LSTM, Diagonal BiLSTM, the
#   masks and the colour rule.
# - A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K. Kavukcuoglu,
#   *Conditional image generation with PixelCNN decoders*, 2016,
#   [arXiv:1606.05328](https://arxiv.org/abs/1606.05328). The blind spot, two stacks and gates.
# - B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle, *Neural autoregressive distribution
#   estimation*, 2016, [arXiv:1605.02226](https://arxiv.org/abs/1605.02226). NADE, and a
#   convolutional version of it.
# - T. Salimans, A. Karpathy, X. Chen, D. P. Kingma, *PixelCNN++*, 2017,
#   [arXiv:1701.05517](https://arxiv.org/abs/1701.05517). What to change for 256 levels.
