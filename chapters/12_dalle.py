# %% [markdown]
# # 12. DALL-E
#
# A sentence goes in, a picture comes out. DALL-E does it with two models of earlier chapters: an
# autoencoder turns a picture into a short grid of tokens, as if into words, and a Transformer
# learns sentence and tokens as one sequence. The chapter derives how an autoencoder learns
# tokens although a draw of a token has no gradient, builds both models for small scenes of coloured
# shapes, and asks a program, which reads the pictures back, how often they show what the sentence
# says: for combinations of shape, colour and size that were never shown.

# %% tags=["fold"]
import dataclasses
import itertools
import math

import keras
import numpy as np
from matplotlib import pyplot as plt
from scipy.special import log_softmax, softmax

from genkeras import DALLE, GAN, DiscreteVAE, SigmoidNormal, book, plots
from genkeras.adversarial import dcgan_discriminator, dcgan_generator, dcgan_optimizer
from genkeras.book.prose import error, listed, mean_error, number
from genkeras.datasets import (
    Scene,
    SceneObject,
    SceneSplit,
    Vocabulary,
    caption_tokens,
    draw_scene,
    scene_caption,
    scenes,
)
from genkeras.evaluation import UNCLEAR, codebook_use, read_scenes, scene_accuracy
from genkeras.latent import token_decoder, token_encoder
from genkeras.recipes import dalle

book.declare(
    title="DALL-E",
    data=book.setting(
        default="captioned scenes of one or two objects in a column",
        full="captioned scenes of one to three objects",
    ),
    seed=0,
)


def percent(share, standard_error=None):
    """A share in percent, with its standard error if there is one."""
    if standard_error is None:
        return f"{100 * share:.1f}"
    return f"{100 * share:.1f} ± {100 * standard_error:.1f}"


parts = ("place", "shape", "colour", "size", "number")


def cells(it):
    """What of a `SceneAccuracy` the tables show, in percent."""
    return [
        percent(it.attribute_accuracy, it.attribute_standard_error),
        percent(it.caption_accuracy, it.caption_standard_error),
        *(percent(getattr(it, part)) for part in parts),
    ]


# %% [markdown]
# ## The question
#
# Every model of this book that draws pictures draws them of nothing in particular, or of one class
# out of ten. What if one wants to say *what*, in a sentence? A class label cannot do that: there
# are too many sentences to give each a number, and most of those that somebody will say have never
# been said before. What one wants is a model of pictures $x$ given captions $c$,
#
# $$
# p(x \mid c) ,
# $$
#
# that has understood enough of the parts of a sentence to draw a new one.
#
# The model that made this popular is **DALL-E** (Ramesh and others, 2021), trained on 250 million
# pairs of pictures and texts. To see whether its idea works, less will do. The library draws
# **scenes**: small pictures with one to three objects, each a circle, square, triangle or cross, in
# one of six colours and two sizes, at one of nine places. A grammar of a few lines writes the
# caption. Objects that are alike are counted in words. Pictures also vary in what no caption tells:
# each object is moved by up to a pixel in each direction, its colour is up to 15% darker, and the
# grey of the ground lies between 0.05 and 0.15.
#
# Shape, colour and size make 48 combinations. Training shows 36 of them. Six others appear only in
# the validation split and six only in the test split, where *every* caption has one of them: the
# model has seen small things, red things and triangles, and never a small red triangle.


# %% tags=["fold"]
def narrowed(split, seed):
    """The scenes of at most two objects, moved to the three places of the middle column."""
    rng, moved = np.random.default_rng(seed), []
    for scene in split.scenes:
        if len(scene.objects) <= 2:
            places = rng.choice(["top", "middle", "bottom"], len(scene.objects), replace=False)
            objects = zip(scene.objects, places, strict=True)
            moved.append(Scene(tuple(dataclasses.replace(o, place=str(p)) for o, p in objects)))
    return SceneSplit(
        np.stack([draw_scene(scene, rng) for scene in moved]),
        tuple(caption_tokens(scene_caption(scene)) for scene in moved),
        tuple(moved),
    )


# %%
data = scenes(*book.setting(default=(9000, 400, 500), full=(20_000, 1000, 1000)))
# Scenes that were never shown, of combinations that were: the training split of another seed.
more = scenes(book.setting(default=500, full=1000), 1, 1, seed=1)
splits = {"train": data.train, "valid": data.valid, "test": data.test, "seen": more.train}
if book.setting(default=True, full=False):
    splits = {name: narrowed(split, k) for k, (name, split) in enumerate(splits.items())}
train, valid, test, seen = splits.values()
image_shape = train.images.shape[1:]

# %% tags=["fold"]


def wrapped(caption, width=22):
    """A caption in lines."""
    lines = [""]
    for word in caption.replace(" ,", ",").split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def pictures(images, captions, columns, width=7.2, height=1.15):
    """Colour pictures in rows, with captions below."""
    with plots.style():
        rows = -(-len(images) // columns)
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, height * width / columns * rows), squeeze=False
        )
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, image, caption in zip(axes.flat, images, captions, strict=False):
            axis.imshow(np.clip(image, 0, 1))
            axis.text(0.5, -0.04, caption, transform=axis.transAxes, ha="center", va="top",
                      fontsize=7)  # fmt: skip
    return figure


example = Scene(
    (
        SceneObject("circle", "red", "small", "top"),
        SceneObject("circle", "red", "small", "bottom"),
        SceneObject("square", "blue", "large", "middle"),
    )
)
korean = scene_caption(example, "korean")
chosen = [0, 1, 2, 3]
book.figure(
    pictures(
        [*test.images[chosen], draw_scene(example, np.random.default_rng(0))],
        [*(wrapped(test.captions[k]) for k in chosen), wrapped(scene_caption(example))],
        5,
        height=1.5,
    ),
    "scenes",
    "Scenes and their captions, 32 × 32 pixels. The first four are test scenes; each has a "
    "combination of shape, colour and size that no training scene has.",
    alt="Five dark pictures with coloured shapes, with a sentence below each that says what shape, "
    "colour, size and place they have.",
)

# %% tags=["hide"]
lengths = [len(caption.split()) for caption in train.captions]
book.say(
    f"The grammar also speaks Korean. The last caption of @fig:scenes is then “{korean}”: at "
    "the middle top and the middle bottom, small red circles, two of them; right in the middle a "
    "large blue square, one. Numbers come after what they count, and place words come first. We "
    f"stay with English. This run has {len(train):,} training scenes, whose captions have "
    f"{min(lengths)} to {max(lengths)} words and commas; {len(set(train.captions)):,} of the "
    "captions differ."
    + book.setting(
        default=" To finish in two minutes it takes scenes of one or two objects only, and moves "
        "them into the middle column of the picture.",
        full="",
    )
)

# %% [markdown]
# ## From pixels to tokens
#
# [Chapter 3](03_pixel_rnn_cnn.md) wrote a picture pixel by pixel, [chapter 10](10_transformer.md) a
# sentence word by word. Put one after the other and there is a model of $p(x \mid c)$: let a
# Transformer read the words and go on with the pixels. In principle there is nothing wrong with
# it. In numbers there is. A block with width $D$ and $M$ hidden units costs, for a sequence of
# length $n$ ([chapter 11](11_vision_transformer.md)),
#
# $$
# n\, (4 D^2 + 2 D M) + 2\, n^2 D
# $$
#
# multiply-adds, and remembers $n^2$ weights of attention for each head. DALL-E's pictures have 256
# × 256 pixels of three colours, 196,608 numbers. Most of them say little: a neighbour of a red
# pixel is red, give or take some noise. A model by maximum likelihood spends most of its nats on
# that noise, which nobody looks at.
#
# So DALL-E first learns a shorter language for pictures: a grid of 32 × 32 **tokens**, each one of
# 8,192. A network turns a picture into the grid, another one the grid into a picture. The
# Transformer never sees a pixel.


# %%
def block_cost(length, dim, hidden):
    """Multiply-adds of one block, and weights of attention of one head."""
    return length * (4 * dim**2 + 2 * dim * hidden) + 2 * length**2 * dim, length**2


sizes = book.setting(
    default={"model_dim": 64, "num_heads": 4, "num_layers": 2, "hidden_units": 128},
    full={name: dalle.SENTENCES[name] for name in
          ("model_dim", "num_heads", "num_layers", "hidden_units")},
)  # fmt: skip
codebook = book.setting(
    default={"num_tokens": 64, "filters": (16, 32)},
    full={"num_tokens": dalle.TOKENS["num_tokens"], "filters": dalle.TOKENS["filters"]},
)
grid_shape = tuple(side // 2 ** len(codebook["filters"]) for side in image_shape[:2])
num_places, num_tokens = math.prod(grid_shape), codebook["num_tokens"]
vocabulary = Vocabulary.of(train.captions)
caption_length = vocabulary.encode(train.captions).shape[1]

# %% tags=["hide"]
of_dalle = {"text": 256, "pixels": 256 * 256 * 3, "tokens": 32 * 32, "dim": 3968}
of_ours = {
    "text": caption_length,
    "pixels": math.prod(image_shape),
    "tokens": num_places,
    "dim": sizes["model_dim"],
}
costs = []
for name, it in (("ours", of_ours), ("DALL-E", of_dalle)):
    hidden = sizes["hidden_units"] if name == "ours" else 4 * it["dim"]
    for what in ("pixels", "tokens"):
        length = it["text"] + it[what]
        costs.append((name, what, it[what], length, *block_cost(length, it["dim"], hidden)))
book.table(
    [
        [f"{name}, {what}", f"{count:,}", f"{length:,}", number(cost, ".1e"), number(pairs, ".1e")]
        for name, what, count, length, cost, pairs in costs
    ],
    ["", "of a picture", "with the caption", "multiply-adds", "weights of attention"],
    "What one picture costs one block of a Transformer, and one head of it, if all positions "
    "attend to all. For DALL-E: 256 tokens of text, a width of 3,968 (62 heads of 64 entries) "
    "and four times as many hidden units. Its own attention is sparse, which saves some of this.",
    name="cost",
)
bits = {
    "ours": (8 * of_ours["pixels"], num_places * math.log2(num_tokens)),
    "DALL-E": (8 * of_dalle["pixels"], of_dalle["tokens"] * math.log2(8192)),
}
book.say(
    f"Tokens save DALL-E a factor of {costs[2][4] / costs[3][4]:,.0f} in multiply-adds and "
    f"{costs[2][5] / costs[3][5]:,.0f} in memory (@table:cost), and us "
    f"{costs[0][4] / costs[1][4]:.0f} and {costs[0][5] / costs[1][5]:,.0f}. A picture in bytes has "
    f"{bits['DALL-E'][0]:,} bits there and {bits['ours'][0]:,} here; a grid of tokens at most "
    f"{bits['DALL-E'][1]:,.0f} and {bits['ours'][1]:,.0f}. What is lost on the way is lost for "
    "good: no Transformer draws what the tokens cannot say."
)
book.box(
    "notes",
    "What the notes say: the image is cut into a grid, 16 × 16?, and fed in as a sequence",
    f"""
    The notes put a question mark there, and rightly. Three things differ.

    - The grid is 32 × 32.
    - It is not a grid of pieces of the picture, as in the Vision Transformer of [chapter
      11](11_vision_transformer.md). A patch is a vector of real numbers, which one can read but
      hardly *write*: to write, one needs a probability of the next piece. A token is one of
      8,192 symbols, so its probability is a softmax, as of a word. The symbols are
      learned, by the discrete variational autoencoder of the next section.
    - In front of the picture stand up to 256 tokens of text, so that a sequence has at most
      {of_dalle["text"] + of_dalle["tokens"]:,}.

    That it is a decoder alone is right: one stack of blocks with a causal mask, without an encoder
    to look at. The words need none, since they stand in the same sequence.
    """,
)

# %% [markdown]
# ## A discrete VAE
#
# Let $z$ be a grid of $N$ tokens $z_i$, each one of $K$. As in [chapter 5](05_vae.md) there is a
# decoder $p_\theta(x \mid z)$, an encoder $q_\phi(z \mid x)$ and a prior. Encoder and prior treat
# the places of the grid as independent, and the prior is uniform:
#
# $$
# q(z \mid x) = \prod_{i=1}^N q_i(z_i \mid x) , \qquad q_i(\cdot \mid x) = \operatorname{softmax}(
# \ell_i(x)) , \qquad p(z) = K^{-N} .
# $$
#
# The encoder is a convolutional network that ends in $K$ logits $\ell_i$ at each place. The decoder
# reads a token as a one-hot vector; its first layer, a matrix with $K$ columns, is the
# **codebook**: one vector for each token. A pixel has a normal density around the sigmoid of the
# decoder's output, with a fixed scale $\sigma$, so that $-\log p(x \mid z)$ is the squared error
# over $2 \sigma^2$ and a constant.
#
# The bound of chapter 5 holds for any latent, with a sum in place of the integral:
#
# $$
# \log p(x) \ge \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - \mathrm{KL}\big(q(z \mid x)\,\|\,p(z)
# \big) .
# $$
#
# Its divergence is a sum over places, because both distributions are products, and with a uniform
# prior each term is $\log K$ minus an entropy:
#
# $$
# \mathrm{KL} = \sum_{i=1}^N \sum_{k=1}^K q_i(k) \log \frac{q_i(k)}{1 / K} = \sum_{i=1}^N \big(
# \log K - H(q_i) \big) , \qquad H(q_i) = -\sum_k q_i(k) \log q_i(k) .
# $$
#
# It is zero where the encoder does not care which token is drawn and $\log K$ where it is certain.
# So to be certain costs at most $N \log K$ nats in all, and nobody asks that the tokens be used
# equally often: that must come by itself, or not (we shall count). The uniform prior is a makeshift
# in any case. The Transformer will replace it by a better one.
#
# ### A draw has no gradient
#
# The reconstruction term is an average of $f(z) = \log p(x \mid z)$ over $K^N$ grids. Chapter 5
# moved the randomness out of the way: $z = \mu + \sigma \varepsilon$ can be differentiated with
# respect to $\mu$. A token cannot. A small change of the logits either leaves the drawn token as it
# is or replaces it by another one; the derivative is zero almost everywhere. What remains is to
# differentiate the *probabilities*,
#
# $$
# \nabla_\ell\, \mathbb{E}_q[f(z)] = \sum_z f(z)\, \nabla_\ell\, q(z) = \mathbb{E}_q\big[ f(z)\,
# \nabla_\ell \log q(z) \big] ,
# $$
#
# with draws for the second form, the **score-function** estimate. It is unbiased, and uses of $f$
# only its value: a grid of 64 tokens gets one number as its grade, and each token must find out,
# over many draws, whether it was to blame. The alternative of DALL-E uses the slope of $f$, and
# pays with a bias.
#
# ### A draw as a maximum
#
# A **Gumbel** variable is $G = -\log(-\log U)$ with $U$ uniform on $(0, 1)$. Its distribution
# function follows by solving for $U$:
#
# $$
# P(G \le g) = P\big( U \le e^{-e^{-g}} \big) = \exp(-e^{-g}) , \qquad \text{density } e^{-g} \exp(
# -e^{-g}) .
# $$
#
# Add independent Gumbels to the logits. Which sum is largest? Given $\ell_k + G_k = m$, all others
# lie below $m$ with probability $\prod_{j \ne k} \exp(-e^{-(m - \ell_j)})$. So
#
# $$
# \begin{aligned}
# P\big( k = \operatorname{argmax}_j (\ell_j + G_j) \big)
# &= \int e^{-(m - \ell_k)} \exp(-e^{-(m - \ell_k)}) \prod_{j \ne k} \exp(-e^{-(m - \ell_j)})\,
# \mathrm{d}m && (1) \\
# &= e^{\ell_k} \int e^{-m} \exp\big( -e^{-m} S \big)\, \mathrm{d}m , \qquad S = \textstyle\sum_j
# e^{\ell_j} && (2) \\
# &= e^{\ell_k} \int_0^\infty e^{-S u}\, \mathrm{d}u = \frac{e^{\ell_k}}{S} . && (3)
# \end{aligned}
# $$
#
# 1. The density of $\ell_k + G_k$ at $m$, times the probability of the others; independence.
# 2. All exponents together: $e^{-m} \sum_j e^{\ell_j}$, the factor $k$ included.
# 3. Substitute $u = e^{-m}$, $\mathrm{d}u = -e^{-m}\, \mathrm{d}m$.
#
# That is the softmax. So $z = \text{one-hot}(\operatorname{argmax}(\ell + G))$ is an exact draw,
# the randomness is outside, and all that cannot be differentiated is the maximum.
#
# ### A soft maximum
#
# Replace it by a softmax with a **temperature** $\tau > 0$:
#
# $$
# \tilde z = \operatorname{softmax}\Big( \frac{\ell + G}{\tau} \Big) .
# $$
#
# This is a point of the simplex: $K$ positive numbers that sum to one, a mixture of tokens. The
# decoder can read it, since its first layer is a matrix: it gets a mixture of codebook vectors. And
# it has a gradient. As $\tau \to 0$ it tends to the one-hot draw; for every $\tau$ its *largest*
# entry is that of the exact draw, because dividing by $\tau$ and the softmax keep the order. The
# price: at $\tau > 0$ the decoder is trained on mixtures, which later it will never see.

# %%
rng = np.random.default_rng(0)
shares = np.array([0.5, 0.3, 0.2])
temperatures = (2.0, 0.5, 0.1)
gumbel = -np.log(-np.log(rng.random((4000, 3))))
drawn_shares = np.bincount((np.log(shares) + gumbel).argmax(axis=1), minlength=3) / len(gumbel)
soft = {t: softmax((np.log(shares) + gumbel) / t, axis=1) for t in temperatures}

# %% tags=["fold"]
corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]])
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.5))
    for axis, (temperature, points) in zip(axes, soft.items(), strict=True):
        axis.plot(*corners[[0, 1, 2, 0]].T, color=plots.MUTED, linewidth=0.8)
        token = points[:600].argmax(axis=1)
        for k, (color, marker) in enumerate(
            zip((plots.BLUE, plots.VERMILION, plots.GREEN), "os^", strict=True)
        ):
            where = points[:600][token == k] @ corners
            axis.scatter(*where.T, s=9, color=color, marker=marker, alpha=0.5, linewidths=0)
            axis.annotate(
                f"token {k + 1} ({shares[k]:.0%})", corners[k], fontsize=8, ha="center",
                xytext=(0, 6 if k == 2 else -12), textcoords="offset points",
            )  # fmt: skip
        axis.set_title(f"τ = {temperature:g}", loc="center")
        axis.set(xlim=(-0.2, 1.2), ylim=(-0.15, 1.05), aspect="equal")
        axis.set_axis_off()
book.figure(
    figure,
    "simplex",
    "600 relaxed draws of one token of three, as points of a triangle whose corners are the "
    "one-hot vectors, for three temperatures and the same noise. Colour and mark: which entry is "
    "largest.",
    alt="Three triangles with points: spread over the inside at high temperature, along the edges "
    "at medium, in the corners at low temperature.",
)

# %% tags=["hide"]
book.say(
    f"Of {len(gumbel):,} draws the largest entries are token 1, 2 and 3 with shares "
    f"{listed([f'{v:.3f}' for v in drawn_shares])} (standard error at most "
    f"{math.sqrt(0.25 / len(gumbel)):.3f}), at every temperature (@fig:simplex). The share of "
    "relaxed draws with an entry above 0.99 is "
    + listed([f"{(p.max(axis=1) > 0.99).mean():.2f} (τ = {t:g})" for t, p in soft.items()])
    + "."
)

# %% [markdown]
# What does the temperature do to the gradient? Take one token of eight, a random codebook of
# vectors $v_k$ and the loss $f(z) = \frac{1}{2} | \sum_k z_k v_k - t |^2$. With so few tokens the
# exact gradient is a sum: with $\pi = \operatorname{softmax}(\ell)$ and $f_k$ the loss of token
# $k$, $\partial \pi_j / \partial \ell_k = \pi_j (\delta_{jk} - \pi_k)$, so $\partial / \partial
# \ell_k \sum_j \pi_j f_j = \pi_k (f_k - \sum_j \pi_j f_j)$. For the relaxation the same derivative
# of a softmax, now of $(\ell + G) / \tau$, and the slope $s_k = v_k^\top (\sum_j \tilde z_j v_j -
# t)$ of $f$ give $\tilde z_k (s_k - \sum_j \tilde z_j s_j) / \tau$.

# %%
logits = rng.normal(size=8)
vectors, target = rng.normal(size=(8, 4)), rng.normal(size=4)
pi, losses = softmax(logits), 0.5 * ((vectors - target) ** 2).sum(axis=1)
exact = pi * (losses - pi @ losses)
noise = -np.log(-np.log(rng.random((100_000, 8))))
picked = (logits + noise).argmax(axis=1)
scores = np.eye(8)[picked] - pi
beside = losses[rng.choice(8, (len(noise), 63), p=pi)].sum(axis=1)  # of 63 other tokens
estimates = {
    "score function": losses[picked, None] * scores,
    "score function, mean subtracted": (losses[picked] - pi @ losses)[:, None] * scores,
    "the same, among 64 tokens": (losses[picked] + beside - 64 * pi @ losses)[:, None] * scores,
}
for temperature in (2.0, 1.0, 0.5, 0.25, 1 / 16):
    mixed = softmax((logits + noise) / temperature, axis=1)
    slope = (mixed @ vectors - target) @ vectors.T
    centred = slope - (mixed * slope).sum(axis=1, keepdims=True)
    estimates[f"relaxed, τ = {temperature:g}"] = mixed * centred / temperature

# %% tags=["hide"]
length = np.linalg.norm(exact)
rows = {}
for name, found in estimates.items():
    mean = found.mean(axis=0)
    bias = np.linalg.norm(mean - exact) / length
    cosine = mean @ exact / np.linalg.norm(mean) / length
    rows[name] = bias, cosine, math.sqrt(found.var(axis=0).sum()) / length
book.table(
    [
        [name, f"{cosine:.3f}", f"{bias:.3f}", f"{spread:.2f}"]
        for name, (bias, cosine, spread) in rows.items()
    ],
    ["estimate of the gradient", "cosine", "bias", "spread of one draw"],
    "Of the mean of many draws: the cosine with the exact gradient, and the length of the error "
    "divided by that of the exact gradient. Of one draw: root of the summed variances, divided "
    f"by the same. From {len(noise):,} draws: chance alone makes a bias of about the spread "
    f"divided by {math.sqrt(len(noise)):.0f}, and sometimes of twice that. Among 64 tokens: the "
    "loss is the sum of the losses of 64 tokens with the same probabilities, the gradient that of "
    "one.",
    name="gradients",
)
warm, cold = rows["relaxed, τ = 1"], rows["relaxed, τ = 0.0625"]
book.say(
    "Warm draws are quiet and wrong, cold ones noisy and nearly right (@table:gradients). From τ "
    f"= 1 to 1/16 the bias falls from {warm[0]:.2f} to {cold[0]:.2f} of the gradient's length and "
    f"the cosine goes from {warm[1]:.2f} to {cold[1]:.2f}, while the spread grows from "
    f"{warm[2]:.1f} to {cold[2]:.1f}. So one begins warm, where the direction need only be "
    "roughly right, and cools down: **annealing**. The score function has no bias, and with the "
    f"mean of the loss subtracted a spread of {rows['score function, mean subtracted'][2]:.1f} "
    "with one token"
    + (
        ", less than the cold relaxation. "
        if rows["score function, mean subtracted"][2] < cold[2]
        else ". "
    )
    + "But its grade is the loss of the whole picture, so with many tokens the noise of all the "
    f"others comes on top: among 64 the spread is {rows['the same, among 64 tokens'][2]:.1f}. The "
    "slope of the relaxation is told apart by place, and here the others do not change it."
)

# %% [markdown]
# In training the loss is therefore $-\log p(x \mid \tilde z)$ for a relaxed $\tilde z$, plus the
# divergence, which needs no draw. That is no bound of anything: $p(x \mid \tilde z)$ is the density
# at a mixture of tokens. The library's `evaluate` and `elbo` draw real tokens and are a bound.

# %% tags=["hide"]
book.source(DiscreteVAE.call)

# %% [markdown]
# ### Training it
#
# A practical matter first. The scenes are dark. From small inputs a fresh encoder makes small
# logits, nearly the same for all pictures, and next to the Gumbel noise hardly anything of the
# picture gets through. So the encoder gets one more layer in front, which puts the ground near zero
# and stretches the rest.


# %%
def make_vae(steps, temperatures=(1.0, 1 / 16), scaled=True, seed=0):
    encoder = token_encoder(image_shape, num_tokens, codebook["filters"], seed=seed)
    if scaled:
        stretched = keras.layers.Rescaling(5.0, offset=-0.5)
        encoder = keras.Sequential([keras.Input(image_shape), stretched, encoder])
    decoder = token_decoder(image_shape, num_tokens, 1, codebook["filters"][::-1], seed=seed)
    model = DiscreteVAE(
        encoder,
        decoder,
        SigmoidNormal(0.1),
        temperatures=temperatures,
        annealing_steps=2 * steps // 3,
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(on_a_cosine(3e-3, steps)))
    return model


def on_a_cosine(peak, steps, warmup=100):
    """A learning rate that rises for `warmup` steps and then falls on a cosine to 0."""
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )


def steps_of(schedule):
    return schedule["epochs"] * math.ceil(len(train) / schedule["batch_size"])


class Watched(keras.callbacks.Callback):
    """After each epoch: the error of reconstructions, the tokens in use."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_epoch_end(self, epoch, logs=None):
        tokens = self.model.tokens(valid.images).numpy()
        apart = self.model.decode_tokens(tokens).numpy() - valid.images
        self.found.append(
            [np.sqrt(np.mean(apart**2)), logs["kl"], *codebook_use(tokens, num_tokens)]
        )


def trained(model, schedule, epochs=None):
    """What `Watched` saw after each epoch: error, KL, tokens used, their perplexity."""
    watched = Watched()
    model.fit(
        train.images,
        epochs=epochs or schedule["epochs"],
        batch_size=schedule["batch_size"],
        callbacks=[watched],
        verbose=book.verbosity(),
    )
    return np.array(watched.found)


schedule = book.setting(
    default={"epochs": 6, "batch_size": 16}, full={"epochs": 8, "batch_size": 32}
)
vae = make_vae(steps_of(schedule))
course = trained(vae, schedule)
raw = make_vae(steps_of(schedule), scaled=False)
raw_course = trained(raw, schedule, epochs=2)

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 2.7))
    titles = ("error", "divergence", "tokens")
    for axis, k, title in zip(axes, (0, 1, 3), titles, strict=True):
        for found, name, color, marker in (
            (course, "stretched", plots.BLUE, "o"),
            (raw_course, "as it is", plots.VERMILION, "s"),
        ):
            axis.plot(
                np.arange(1, len(found) + 1), found[:, k], color=color, marker=marker, label=name
            )
        axis.set(title=title, xlabel="epoch", ylim=(0, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("root mean squared error")
    axes[1].set_ylabel("KL per picture (nats)")
    axes[2].set_ylabel("perplexity of the tokens")
    axes[1].legend(fontsize=8)
book.figure(
    figure,
    "training",
    f"Training the discrete VAE, with the input stretched and as it is (the latter for "
    f"{len(raw_course)} epochs only): error of reconstructed validation pictures, mean divergence "
    "of an epoch's training, perplexity of the tokens of the validation pictures.",
    alt="Three panels of curves over epochs, for the stretched input and, shorter, for the input "
    "as it is: error, divergence, perplexity.",
)

# %% tags=["hide"]
scales = [
    model.encoder(train.images[:100]).numpy().std(axis=(0, 1, 2)).mean()
    for model in (make_vae(1000), make_vae(1000, scaled=False))
]
constant = math.sqrt(np.mean((valid.images - train.images.mean(axis=0)) ** 2))
both = len(raw_course) - 1
book.say(
    "Before training, the logit of a token varies over places and pictures with standard "
    f"deviation {scales[0]:.2f} if the input is stretched and {scales[1]:.3f} if not; a Gumbel "
    f"has {math.pi / math.sqrt(6):.2f}. After {both + 1} epochs the errors are "
    f"{course[both, 0]:.3f} and {raw_course[both, 0]:.3f}, where always answering with the mean "
    f"training picture gives {constant:.3f}, and the divergences {course[both, 1]:.1f} and "
    f"{raw_course[both, 1]:.1f} nats (@fig:training). "
    + (
        "The second one has collapsed, as VAEs do ([chapter 5](05_vae.md)): a decoder that has "
        "learned to ignore the noise in its codes gives the encoder no slope to learn from. "
        if raw_course[both, 1] < 0.2 * course[both, 1]
        else ""
    )
    + "The layer changes nothing that the network could not have learned by itself. With it the "
    f"logits start {scales[0] / scales[1]:.1f} times as large; this is one run of each."
)

# %%
made = vae.reconstruct(test.images).numpy()
tokens = {name: vae.tokens(split.images).numpy() for name, split in splits.items()}
used, perplexity = codebook_use(tokens["test"], num_tokens)
negative_elbo, kl = vae.evaluate(test.images, verbose=0)

# %% tags=["fold"]
by_rank = np.argsort(np.argsort(-np.bincount(tokens["test"].ravel(), minlength=num_tokens)))
with plots.style():
    figure, axes = plt.subplots(3, 8, figsize=(7.2, 2.9))
    for line, name in zip(axes, ("picture", "tokens", "back"), strict=True):
        for k, axis in enumerate(line):
            if name == "tokens":
                axis.imshow(by_rank[tokens["test"][k]], cmap="viridis", vmin=0, vmax=num_tokens)
            else:
                axis.imshow(np.clip((test.images if name == "picture" else made)[k], 0, 1))
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
book.figure(
    figure,
    "reconstructions",
    f"Test pictures, their most probable tokens ({grid_shape[0]} × {grid_shape[1]}; each shade is "
    "a token, dark for the frequent ones), and the pictures that the decoder makes of them.",
    alt="Three rows of eight: scenes, coloured grids of tokens which are uniform where the ground "
    "is, and slightly blurred scenes.",
)

# %% tags=["hide"]
largest = num_places * math.log(num_tokens)
book.say(
    f"On the test pictures the error is {np.sqrt(np.mean((made - test.images) ** 2)):.3f} per "
    f"value, the divergence {kl:.1f} nats per picture (at most {largest:.0f}), $-$ELBO "
    f"{number(negative_elbo, ',.0f')} nats for a density over {math.prod(image_shape):,} values. "
    f"{used} of {num_tokens} tokens occur; their perplexity, the exponential of the entropy of "
    f"their shares, is {perplexity:.1f}. The most frequent one has "
    f"{np.bincount(tokens['test'].ravel()).max() / tokens['test'].size:.0%} of all places."
)

# %% [markdown]
# ### What a token means
#
# A token is a name, and the networks have chosen its meaning. There are two ways to ask. One is to
# collect what pictures show where the encoder says it: the mean of the surroundings. The other is
# to fill a grid with it and let the decoder draw.

# %%
patch = image_shape[0] // grid_shape[0]
tiles = train.images.reshape(-1, grid_shape[0], patch, grid_shape[1], patch, 3)
plain = np.median(train.images, axis=(1, 2)).reshape(-1, 1, 1, 1, 1, 3)
bright = abs(tiles - plain).mean(axis=(2, 4, 5)) > 0.05  # places that show more than ground
times = np.bincount(tokens["train"][bright], minlength=num_tokens)
shown = np.argsort(-times)[:24]
padded = np.pad(train.images, ((0, 0), (patch, patch), (patch, patch), (0, 0)), mode="edge")
surroundings = []
for token in shown:
    where = np.argwhere((tokens["train"] == token) & bright)[:400]
    views = [
        padded[n, patch * r : patch * (r + 3), patch * c : patch * (c + 3)] for n, r, c in where
    ]
    surroundings.append(np.mean(views, axis=0))
centre = grid_shape[0] // 2
window = slice(patch * (centre - 1), patch * (centre + 2))
everywhere = np.broadcast_to(shown[:, None, None], (len(shown), *grid_shape))
alone = vae.decode_tokens(everywhere).numpy()[:, window, window]

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(4, 12, figsize=(7.2, 2.9))
    for half, first_row in ((0, 0), (1, 2)):
        for offset, views in enumerate((surroundings, alone)):
            for k, axis in enumerate(axes[first_row + offset]):
                axis.set(xticks=[], yticks=[])
                axis.grid(False)
                axis.spines[:].set_visible(False)
                if 12 * half + k >= len(shown):
                    continue
                axis.imshow(np.clip(views[12 * half + k], 0, 1))
                if offset == 0:
                    corner = (patch - 0.5, patch - 0.5)
                    axis.add_patch(
                        plt.Rectangle(corner, patch, patch, fill=False, ec="white", lw=0.6)
                    )
            axes[first_row + offset, 0].set_ylabel(
                ("seen", "drawn")[offset], rotation=0, ha="right", va="center", fontsize=8
            )
book.figure(
    figure,
    "codebook",
    f"The {len(shown)} tokens that the encoder says most often where a picture shows more than "
    f"ground. Seen: mean of the surroundings of such places in training pictures, {3 * patch} × "
    f"{3 * patch} pixels; white: the token's own {patch} × {patch}. Drawn: what the decoder makes "
    "of a grid that is full of the token.",
    alt="Two double rows of small pictures: blurred spots of several colours where the token was "
    "said, and the textures that the decoder draws of the token.",
)

# %% tags=["hide"]
tints = {}
for name, views in (("seen", np.array(surroundings)), ("drawn", alone)):
    own = views[:, patch:-patch, patch:-patch] if name == "seen" else views
    tints[name] = own.mean(axis=(1, 2)) - own.mean()
agreement = np.corrcoef(tints["seen"].ravel(), tints["drawn"].ravel())[0, 1]
book.say(
    "Many tokens seem to have a colour and a side: the object begins at the left of them, or ends "
    "below (not counted). "
    f"The mean colours of the two kinds of pictures have a correlation of {agreement:.2f} over "
    "these tokens and the three channels. It is not 1: a token is said together with others, and "
    "the decoder's convolutions overlap, so what it draws depends on its neighbours. The tokens "
    "are no mosaic of tiles. They are a language in which a shape is spelled by a few letters "
    "that lean on each other, and the Transformer has to learn the spelling."
)

# %% [markdown]
# ## The judge
#
# Whether a picture shows what its caption says should not be a matter of taste, nor of looking at a
# few. Scenes are simple enough for a program to read them: `read_scenes` compares each of the nine
# cells of a picture with every object in every position and shade, sharp and blurred, and says
# which is nearest, that the cell is empty, or that it is **unclear**, like nothing it knows.
# `scene_accuracy` counts what is right of a caption: place, shape, colour and size of each object,
# and the number of objects.
#
# A judge is an instrument, and its error must be known before it measures anything. So it reads
# true pictures, noisy ones, pictures of *other* captions, and pictures whose caption has the
# colour of one object exchanged, of which we know how much is right.

# %%
rng = np.random.default_rng(0)


def noisy(images, scale):
    return np.clip(images + scale * rng.normal(size=images.shape), 0, 1).astype("float32")


def recoloured(scene):
    """The scene with another colour of its first object."""
    first, *others = scene.objects
    colour = {"red": "green", "green": "red", "blue": "yellow", "yellow": "blue"}
    colour |= {"white": "sky-blue", "sky-blue": "white"}
    changed = dataclasses.replace(first, colour=colour[first.colour])
    return Scene((changed, *others))


wrong = [recoloured(scene) for scene in test.scenes]
others = np.roll(np.arange(len(test)), 1)
judged = {
    "true pictures": scene_accuracy(test.images, test.scenes),
    **{
        f"with noise of {scale:g}": scene_accuracy(noisy(test.images, scale), test.scenes)
        for scale in (0.05, 0.1, 0.2)
    },
    "one colour wrong in the caption": scene_accuracy(test.images, wrong),
    "pictures of other captions": scene_accuracy(test.images[others], test.scenes),
    "through the discrete VAE": dalle.judged(made, test.scenes),
}
counts = np.array([len(scene.objects) for scene in test.scenes])
expected = 1 - len(test) / (4 * counts + 1).sum()

# %% tags=["hide"]
book.table(
    [[name, *cells(it)] for name, it in judged.items()],
    ["", "attributes", "captions", *parts],
    f"Percent right by the judge, of {len(test)} test scenes: of all attributes, of whole captions "
    "(± standard error over the pictures), and by attribute. An object that is unclear has nothing "
    "right, not even its place; it counts as one in the number.",
    name="judge",
)
true, chance, ceiling = (
    judged[name]
    for name in ("true pictures", "pictures of other captions", "through the discrete VAE")
)
book.say(
    f"Of the true pictures the judge misreads {percent(1 - true.caption_accuracy)}%, of captions "
    "with a wrong colour it finds "
    f"{percent(judged['one colour wrong in the caption'].caption_accuracy)}% right and "
    f"{percent(judged['one colour wrong in the caption'].attribute_accuracy)}% of the attributes, "
    f"where {percent(expected)}% are. Noise of 0.1 leaves "
    f"{percent(judged['with noise of 0.1'].caption_accuracy)}% of the captions readable, noise of "
    f"0.2 {percent(judged['with noise of 0.2'].caption_accuracy)}%: it measures clean pictures, "
    "and takes many of the noisiest for unclear. Chance, a good picture of another caption, is "
    f"{percent(chance.attribute_accuracy)}% of the attributes and "
    f"{percent(chance.caption_accuracy)}% of the captions (@table:judge). The last row is what no "
    "model on these tokens is likely to pass: of pictures that went through the tokens and back "
    f"{percent(ceiling.attribute_accuracy)}% of the attributes and "
    f"{percent(ceiling.caption_accuracy)}% of the captions can still be read. Worst is the "
    + min(("place", "shape", "colour", "size"), key=lambda part: getattr(ceiling, part))
    + "."
)

# %% [markdown]
# ## One sequence of words and tokens
#
# Now $x$ stands for a picture's tokens $x_1, \dots, x_N$, row by row, and $c$ for the words of its
# caption, $c_1, \dots, c_L$, filled up with zeros after the end. One Transformer with a causal mask
# reads START, the words and all tokens but the last. What stands at each position predicts what
# comes next:
#
# $$
# \log p(c, x) = \underbrace{\sum_{t=1}^{L} \log p(c_t \mid c_{<t})}_{\log p(c)} + \underbrace{
# \sum_{i=1}^{N} \log p(x_i \mid x_{<i}, c)}_{\log p(x \mid c)} .
# $$
#
# Words and tokens are different symbols in one sequence. Which of them can come next depends on the
# position alone, so the vocabulary is **masked by position**: among the first $L$ predictions the
# softmax runs over the words, afterwards over the tokens. Then every factor is normalised over what
# is possible, and so is the product: summed over all pictures, from the last token to the first,
# each sum is one.
#
# $$
# \sum_{x} p(x \mid c) = \sum_{x_1} p(x_1 \mid c) \sum_{x_2} p(x_2 \mid x_1, c) \cdots \sum_{x_N}
# p(x_N \mid x_{<N}, c) = 1 .
# $$
#
# A position of the picture is the sum of a learned vector for its row and one for its column. In
# training one caption in five is replaced by the empty one, so that the same network learns $p(x)$;
# this will be needed several times. The two are learned side by side, and nothing makes $p(x)$
# equal to $\sum_c p(c)\, p(x \mid c)$: below, $p(c \mid x)$ is short for $p(c)\, p(x \mid c) /
# p(x)$, which is a probability of $c$ only as far as they agree. The loss is $-\log p(x \mid c)$
# and, with a weight of 1/7 (the paper has 7/8 and 1/8), $-\log p(c)$.

# %% tags=["hide"]
book.source(DALLE._logits)

# %% [markdown]
# On a model that is small enough all sums can be done: pictures of 2 × 2 tokens out of three,
# captions of three words out of five, random weights.

# %%
tiny = DALLE((2, 2), 3, 3, 5, model_dim=8, num_heads=2, num_layers=2, hidden_units=16, seed=0)
tiny.build((None, 2, 2))
rng = np.random.default_rng(1)
for weight in tiny.trainable_variables:
    weight.assign_add(rng.normal(scale=0.4, size=weight.shape))
every_x = np.array(list(itertools.product(range(3), repeat=4)), "float32").reshape(-1, 2, 2)
every_c = np.array(list(itertools.product(range(5), repeat=3)))
log_c = tiny.caption_log_prob(every_c).numpy()  # (captions,)
log_x = tiny.log_prob(
    np.tile(every_x, (len(every_c), 1, 1)), np.repeat(every_c, len(every_x), axis=0)
)
log_x = log_x.numpy().reshape(len(every_c), len(every_x))  # of each picture given each caption

# %% tags=["hide"]
sums = np.exp(log_x.astype("float64")).sum(axis=1)
joint = np.exp(log_c[:, None] + log_x.astype("float64")).sum()
book.say(
    f"For each of the {len(every_c)} captions the probabilities of the {len(every_x)} pictures "
    f"sum to one, with an error of at most {number(np.abs(sums - 1).max(), '.0e')}; those of the "
    f"captions sum to {np.exp(log_c.astype('float64')).sum():.6f} and all "
    f"{len(every_c) * len(every_x):,} pairs to {joint:.6f}. The most probable pair has "
    f"{np.exp(log_c[:, None] + log_x).max():.4f}, so the model is far from uniform."
)

# %% [markdown]
# ### Training it


# %%
def as_rows(split, name):
    """Tokens and words as numbers: what `fit` takes, with the scenes."""
    words = np.zeros((len(split), caption_length), "int32")
    encoded = vocabulary.encode(split.captions)
    words[:, : encoded.shape[1]] = encoded
    x = {"x": tokens[name].astype("float32"), "condition": words}
    return dalle.Tokenized(x, split.scenes)


rows = {name: as_rows(split, name) for name, split in splits.items()}
dataset = dalle.TokenizedScenes(
    rows["train"], rows["valid"], rows["test"], vocabulary=vocabulary, vae=vae
)
reading = book.setting(
    default={"epochs": 6, "batch_size": 32, "rate": 3e-3},
    full={"epochs": 6, "batch_size": 32, "rate": 2e-3},
)
model = DALLE(
    vae.grid_shape,
    vae.num_tokens,
    caption_length,
    len(vocabulary),
    **sizes,
    caption_dropout=0.2,
    seed=0,
)
model.compile(
    keras.optimizers.AdamW(
        on_a_cosine(reading["rate"], steps_of(reading)), weight_decay=0.01, beta_2=0.98
    ),
    jit_compile=True,
)
history = model.fit(
    rows["train"].x,
    epochs=reading["epochs"],
    batch_size=reading["batch_size"],
    verbose=book.verbosity(),
)

# %% [markdown]
# How much does it know? Four models of a grid of tokens, each knowing more than the one before: all
# tokens equally likely; each place with its own frequencies; the Transformer without a caption; the
# Transformer with it.

# %%
placewise = np.stack(
    [
        np.bincount(column, minlength=num_tokens)
        for column in tokens["train"].reshape(-1, num_places).T
    ]
)
placewise = np.log((placewise + 0.5) / (placewise + 0.5).sum(axis=1, keepdims=True))
nll = {}
for name in ("seen", "test"):
    x, captions = rows[name].x["x"], rows[name].x["condition"]
    flat = tokens[name].reshape(-1, num_places)
    nll[name] = {
        "all tokens equally likely": np.full(len(x), largest),
        "frequencies of each place": -placewise[np.arange(num_places), flat].sum(axis=1),
        "without the caption": -model.log_prob(x).numpy(),
        "with the caption": -model.log_prob(x, captions).numpy(),
    }
words_nll = -model.caption_log_prob(rows["seen"].x["condition"]).numpy()

# %% tags=["hide"]
gain = {
    name: found["without the caption"] - found["with the caption"] for name, found in nll.items()
}
book.table(
    [
        [name, *(mean_error(nll[split][name], ".1f") for split in ("seen", "test"))]
        for name in nll["test"]
    ],
    ["", "new scenes, combinations seen", "combinations never seen"],
    "$-\\log p(x)$ or $-\\log p(x \\mid c)$ of a picture's tokens, nats, ± standard error over "
    "pictures.",
    name="nll",
)
book.say(
    f"Knowing the caption lowers $-\\log p$ by {mean_error(gain['seen'], '.1f')} nats "
    "(@table:nll). How much could it be? The mean of $\\log p(x \\mid c) - \\log p(x)$ is, for a "
    "perfect model, the information that tokens and caption have in common, and that is at most "
    "all the information of a caption, its entropy. The model's own $-\\log p(c)$, which cannot be "
    f"below the entropy on average, is {mean_error(words_nll, '.1f')} nats. "
    + (
        f"The gain is more, so at least {gain['seen'].mean() - words_nll.mean():.0f} nats of it "
        "are no information but an error of $p(x)$, which comes out too small, perhaps because "
        "only one example in five trains it. "
        if gain["seen"].mean() - words_nll.mean() > 2 * error(gain["seen"] - words_nll)
        else f"The gain is {gain['seen'].mean() / words_nll.mean():.0%} of that. "
    )
    + f"The other {nll['seen']['with the caption'].mean():.0f} nats hold what no caption tells, "
    "the exact place, the shade, the ground, and how the encoder spells it all, and what the model "
    "has not learned. For combinations never seen the caption lowers $-\\log p$ by "
    f"{mean_error(gain['test'], '.1f')} nats."
)

# %% [markdown]
# ## Pictures of sentences never said
#
# To draw, the words are read once, with keys and values kept; then come $N$ tokens, each drawn from
# its softmax and read in turn; then one pass of the decoder. One picture for each caption, no
# second try, temperature 1.

# %%
count = book.setting(default=256, full=500)


def first(name, n=count):
    """The first captions of a split."""
    return dalle.Tokenized({key: v[:n] for key, v in rows[name].x.items()}, rows[name].scenes[:n])


def drawn(name, **how):
    """One picture for each of the first captions."""
    return dalle.drawn(model, dataset, first(name), **how)


new, known = drawn("test"), drawn("seen")
made_seen = vae.reconstruct(seen.images[:count]).numpy()
learned = set(train.captions)
fresh = np.array([caption not in learned for caption in seen.captions[:count]])
fresh_scenes = [scene for scene, is_fresh in zip(seen.scenes, fresh, strict=False) if is_fresh]
found = {
    "drawn, combinations never seen": dalle.judged(new, first("test").scenes),
    "drawn, combinations seen": dalle.judged(known, first("seen").scenes),
    "of these, sentences not in training": dalle.judged(known[fresh], fresh_scenes),
    "through the tokens, never seen": dalle.judged(made[:count], first("test").scenes),
    "through the tokens, seen": dalle.judged(made_seen, first("seen").scenes),
    "pictures of other captions": scene_accuracy(test.images[others][:count], first("test").scenes),
}

# %% tags=["fold"]
shown = range(15)
marks = [
    "✓" if dalle.judged(new[k : k + 1], [test.scenes[k]]).caption_accuracy else "✗" for k in shown
]
book.figure(
    pictures(
        new[: len(shown)],
        [f"{wrapped(test.captions[k])}  {mark}" for k, mark in zip(shown, marks, strict=True)],
        5,
        height=1.55,
    ),
    "samples",
    "The first test captions and one picture for each. In every caption one combination of shape, "
    "colour and size was never shown in training. ✓: the judge finds all of it right.",
    alt="Fifteen dark pictures with one or more coloured shapes, each with its sentence and a "
    "mark.",
)

# %% tags=["hide"]
book.table(
    [[name, *cells(it)] for name, it in found.items()],
    ["", "attributes", "captions", *parts],
    f"Percent right by the judge, of {count} captions, one picture each (± standard error over the "
    "pictures). Through the tokens: true pictures, to tokens and back.",
    name="drawn",
)
unseen, ordinary, new_sentences, most, most_seen, least = found.values()


def order_of(it):
    """The attributes, best first."""
    return sorted(parts, key=lambda part: -getattr(it, part))


difference = new_sentences.attribute_accuracy - unseen.attribute_accuracy
doubt = math.hypot(new_sentences.attribute_standard_error, unseen.attribute_standard_error)
pointed = {
    name: np.mean([it.shape in ("triangle", "cross") for scene in part for it in scene.objects])
    for name, part in (("test", first("test").scenes), ("seen", fresh_scenes))
}
alone = {
    name: np.mean([len(scene.objects) == 1 for scene in part])
    for name, part in (("test", first("test").scenes), ("seen", fresh_scenes))
}
book.say(
    f"Of combinations never shown {percent(unseen.attribute_accuracy)}% of the attributes are "
    f"right, with chance at {percent(least.attribute_accuracy)}%; true pictures have "
    f"{percent(most.attribute_accuracy)}% after tokens and back (@table:drawn, @fig:samples). That "
    "is no bound: the tokens are the encoder's, and others may read better. Of combinations that "
    f"were shown it is {percent(ordinary.attribute_accuracy)}%, but {1 - fresh.mean():.0%} of "
    "these sentences stand word for word in the training set. Of the others, new sentences of old "
    f"combinations, it is {percent(new_sentences.attribute_accuracy)}%: "
    + (
        f"{percent(difference, doubt)} points more than of new combinations. "
        if difference > 2 * doubt
        else f"a difference of {number(100 * difference, '+.1f')} ± {100 * doubt:.1f} points, no "
        "clear price of novelty. "
    )
    + "(± over the pictures of one model. Not all of a difference need be novelty: the shapes "
    f"differ too. Triangles and crosses are {pointed['test']:.0%} of the objects of the test "
    f"captions and {pointed['seen']:.0%} there. And the new sentences have more objects, which is "
    f"harder: {alone['seen']:.0%} of them have one only, of the test captions "
    f"{alone['test']:.0%}.) The tokens too were learned on combinations seen; "
    f"of these, {percent(most_seen.attribute_accuracy)}% of the attributes survive tokens and "
    "back. "
    + f"Whole captions are right in {percent(unseen.caption_accuracy)}% of the pictures, where "
    f"{percent(most.caption_accuracy)}% are right after tokens and back: a caption counts only if "
    "all is right."
    + f" In the pictures drawn the attributes come in the order {listed(order_of(unseen))}, in the "
    f"tokens in the order {listed(order_of(most))}."
    + book.setting(
        default=" This model is small and has had a minute of training; the full profile and the "
        "recipes below have more.",
        full="",
    )
)

# %% [markdown]
# ### A conditional GAN on the same captions
#
# A conditional GAN ([chapter 7](07_gan.md)) takes a label, one of a fixed number, as a one-hot
# vector. It cannot read; but every caption can be given a number.

# %% tags=["hide"]
trained_captions = set(train.captions)
known_share = np.mean([caption in trained_captions for caption in seen.captions])
combos = {o.combination for scene in train.scenes for o in scene.objects}
book.say(
    f"That would be {len(trained_captions):,} labels for {len(train):,} pictures, and of the "
    f"captions of *new scenes of combinations seen* {known_share:.0%} would have one. The first "
    "layer of such a network has a column of weights for each label. The column of a caption that "
    "training does not show is multiplied by nothing but zeros, its gradient is zero, and it stays "
    "what it was at the start. What makes a new sentence possible is that the condition has "
    "*parts*, each of which was trained in other company. A GAN whose condition is the sequence of "
    "words would need a network that reads it; such models existed before DALL-E (Reed and others)."
)

# %% tags=["fold"]


def singles(split):
    """Which scenes have one object."""
    return np.array([k for k, scene in enumerate(split.scenes) if len(scene.objects) == 1])


def conditional_gan(num_labels, filters=32, seed=0):
    """DCGAN's networks; the discriminator sees the label as one more colour, a learned map."""
    image, label = keras.Input(image_shape), keras.Input((num_labels,))
    shown_label = keras.layers.Dense(math.prod(image_shape[:2]), use_bias=False)(label)
    shown_label = keras.layers.Reshape((*image_shape[:2], 1))(shown_label)
    with_label = (*image_shape[:2], image_shape[2] + 1)
    judge = dcgan_discriminator(with_label, filters, seed=seed)
    logit = judge(keras.layers.Concatenate()([image, shown_label]))
    gan = GAN(
        dcgan_generator(
            32, image_shape, filters, output_activation="sigmoid", num_labels=num_labels, seed=seed
        ),
        keras.Model([image, label], logit),
        num_labels=num_labels,
        seed=seed,
    )
    gan.compile(discriminator=dcgan_optimizer(), generator=dcgan_optimizer())
    return gan


def first_of_each(split, rows_):
    """The first scene of every caption among these."""
    return np.array([*{split.captions[k]: k for k in rows_[::-1]}.values()])


# %% tags=["hide"]
if book.setting(default=False, full=True):
    lonely = singles(train)
    split_of = {"seen": "train", "never seen": "test"}
    own = {"seen": first_of_each(train, lonely), "never seen": singles(test)}
    asked_for = {
        kind: [splits[split_of[kind]].captions[k] for k in those] for kind, those in own.items()
    }
    label_of = {c: k for k, c in enumerate(dict.fromkeys(itertools.chain(*asked_for.values())))}
    gan = conditional_gan(len(label_of))
    gan_epochs = 60
    gan.fit(
        {
            "x": train.images[lonely],
            "condition": np.array([label_of[train.captions[k]] for k in lonely]),
        },
        epochs=gan_epochs,
        batch_size=64,
        verbose=book.verbosity(),
    )
    by_gan, by_dalle, single_scenes = {}, {}, {}
    for kind, those in own.items():
        labels = np.array([label_of[caption] for caption in asked_for[kind]])
        by_gan[kind] = gan.sample(len(labels), condition=labels, seed=0).numpy()
        x = {name: values[those] for name, values in rows[split_of[kind]].x.items()}
        single_scenes[kind] = [splits[split_of[kind]].scenes[k] for k in those]
        by_dalle[kind] = dalle.drawn(model, dataset, dalle.Tokenized(x, single_scenes[kind]))
    drawn_by = {"conditional GAN": by_gan, "DALL-E": by_dalle}
    judged_singles = {
        (who, kind): dalle.judged(them[kind], single_scenes[kind])
        for who, them in drawn_by.items()
        for kind in them
    }
    book.figure(
        pictures(
            [them[kind][k] for kind in own for them in drawn_by.values() for k in range(5)],
            [wrapped(asked_for[kind][k]) for kind in own for _ in drawn_by for k in range(5)],
            5,
            height=1.4,
        ),
        "gan",
        "Captions of one object. Rows 1 and 2: captions that training showed, drawn by the "
        "conditional GAN and by DALL-E. Rows 3 and 4: combinations never shown, drawn by the same "
        "two.",
        alt="Four rows of five pictures with their captions.",
    )
    book.table(
        [
            [who, kind, f"{len(own[kind])}", *cells(it)]
            for (who, kind), it in judged_singles.items()
        ],
        ["", "captions", "pictures", "attributes", "whole captions", *parts],
        "Percent right by the judge, of captions of one object (± standard error over the "
        "pictures).",
        name="gan",
    )
    gan_seen, gan_new, dalle_seen, dalle_new = judged_singles.values()
    book.say(
        "We try it where it is easiest: captions of *one* object. The training split has "
        f"{len(lonely):,} such scenes with {len(own['seen'])} captions; with those of the test "
        f"split there are {len(label_of)} labels. The networks are those of [chapter "
        f"8](08_dcgan_wgan.md), trained for {gan_epochs} epochs. Where it was shown the caption "
        f"the GAN has {percent(gan_seen.attribute_accuracy)}% of the attributes right and DALL-E "
        f"{percent(dalle_seen.attribute_accuracy)}%; where it was not, the GAN "
        f"{percent(gan_new.attribute_accuracy)}% and {percent(gan_new.caption_accuracy)}% of the "
        f"captions, DALL-E {percent(dalle_new.attribute_accuracy)}% and "
        f"{percent(dalle_new.caption_accuracy)}% (@table:gan, @fig:gan). What the GAN draws for a "
        "label that it was never trained on is left to the random numbers of the start."
    )

# %% [markdown]
# ## What it gets wrong
#
# Two things one would expect to be hard for such a model: **counting**, and **binding**, to give
# each object its own colour and not its neighbour's. The judge can say.


# %%
def kind(scene):
    """How many objects, alike or not."""
    number_, kinds = len(scene.objects), len({each.combination for each in scene.objects})
    name = ("one object", "two objects", "three objects")[number_ - 1]
    return name if number_ == 1 else f"{name}, {'alike' if kinds == 1 else f'{kinds} kinds'}"


by_kind = {}
for name in sorted(
    {kind(scene) for scene in first("test").scenes}, key=lambda n: (n[:2] != "on", n[:2] != "tw", n)
):
    where = [k for k, scene in enumerate(first("test").scenes) if kind(scene) == name]
    those = [test.scenes[k] for k in where]
    by_kind[name] = len(where), dalle.judged(new[where], those), dalle.judged(made[where], those)

readings = read_scenes(np.clip(new, 0, 1))
swaps = {"colour": [], "shape": []}
objects_right = {"held-out": [], "other": []}
held_out = {o.combination for s in test.scenes for o in s.objects} - combos
for scene, seen_objects in zip(first("test").scenes, readings, strict=True):
    there = {o.place: o for o in seen_objects if isinstance(o, SceneObject)}
    for each in scene.objects:
        group = "held-out" if each.combination in held_out else "other"
        objects_right[group].append(there.get(each.place) == each)
    if len(scene.objects) == 2:
        for each, other in (scene.objects, scene.objects[::-1]):
            for part, wrongs in swaps.items():
                drawn_one = there.get(each.place)
                values = [getattr(o, part) for o in (each, other)]
                if drawn_one and values[0] != values[1] and getattr(drawn_one, part) != values[0]:
                    wrongs.append(getattr(drawn_one, part) == values[1])
swaps = {part: np.array(wrongs, float) for part, wrongs in swaps.items()}
objects_right = {name: np.array(right, float) for name, right in objects_right.items()}
unclear = np.mean([o == UNCLEAR for row in readings for o in row if o is not None])

# %% tags=["hide"]
book.table(
    [
        [
            name,
            f"{n}",
            percent(it.attribute_accuracy, it.attribute_standard_error),
            percent(it.number),
            percent(it.caption_accuracy, it.caption_standard_error),
            percent(coded.caption_accuracy),
        ]
        for name, (n, it, coded) in by_kind.items()
    ],
    ["captions", "pictures", "attributes", "number", "whole captions", "through the tokens"],
    "Percent right by what the caption asks for; test captions. Through the tokens: whole captions "
    "right in the true pictures after tokens and back.",
    name="kinds",
)


def share(values, form=".0f"):
    if len(values) < 2:
        return "none to count"
    return f"{mean_error(100 * values, form)}%"


by_part = {part: getattr(unseen, part) for part in parts}
worst, best = min(by_part, key=by_part.get), max(by_part, key=by_part.get)
numbers = listed([f"{percent(it.number)}% ({name})" for name, (_, it, _) in by_kind.items()])
book.say(
    f"By attribute, the best is {best} ({percent(by_part[best])}%), the worst {worst} "
    f"({percent(by_part[worst])}%; through the tokens and back {percent(getattr(most, worst))}%). "
    f"Of the cells that are not empty the judge finds {percent(unclear)}% unclear; for them "
    "place, shape, colour and size all count as wrong. More objects mean more that can go wrong "
    "(@table:kinds)."
)
book.say(
    f"**Counting.** The number of objects is right in {percent(unseen.number)}% of the pictures, "
    f"by kind of caption in {numbers}. The captions name the places one by one, so that the model "
    "can place instead of count: these sentences are kinder than “five circles”."
)
book.say(
    "**Binding.** In captions of two objects of different colours, an object of wrong colour has "
    f"that of the *other* object in {share(swaps['colour'])} of {len(swaps['colour'])} cases, "
    f"where one in five, {100 / 5:.0f}%, would be chance; an object of wrong shape that of the "
    f"other in {share(swaps['shape'])} of {len(swaps['shape'])} cases, with chance at "
    f"{100 / 3:.0f}%. "
    + (
        "So its mistakes are not blind: it knows the words of the sentence better than whose they "
        "are."
        if len(swaps["colour"]) > 1 and swaps["colour"].mean() - 2 * error(swaps["colour"]) > 0.2
        else "That is no clear sign of exchange."
    )
)
book.say(
    "**Novelty.** Objects of the held-out combinations are right in all of place, shape, colour "
    f"and size in {share(objects_right['held-out'])} of the cases, the other objects of the same "
    f"pictures in {share(objects_right['other'])}."
)

# %% [markdown]
# ## Temperature, few candidates, guidance
#
# A model by maximum likelihood gives every token some probability, and many small risks in a row
# are a large one. Three ways to draw with less risk are common. All three leave the model as it is,
# and with each of them *the pictures are no longer samples of* $p(x \mid c)$: `log_prob` does not
# say how probable they were.
#
# - **Temperature** $T$ (another one than the $\tau$ of the relaxation): divide all logits by $T <
#   1$. A probability $p_k$ becomes proportional to $p_k^{1/T}$.
# - **Top $k$**: draw among the $k$ most probable tokens only.
# - **Guidance** (Ho and Salimans, for diffusion models). The network also knows the token's
#   probability without the caption. By Bayes' rule,
#
# $$
# \frac{p(x_i \mid x_{<i}, c)}{p(x_i \mid x_{<i})} = \frac{p(c \mid x_{\le i})}{p(c \mid x_{<i})} :
# $$
#
# the quotient says by how much token $x_i$ makes the caption more probable. Guidance with strength
# $g$ raises it to a power,
#
# $$
# p_g(x_i \mid x_{<i}, c) \propto p(x_i \mid x_{<i}) \left( \frac{p(x_i \mid x_{<i}, c)}{p(x_i \mid
# x_{<i})} \right)^{g} \propto p(x_i \mid x_{<i})\; p(c \mid x_{\le i})^{g} .
# $$
#
# The last step drops $p(c \mid x_{<i})$, which does not depend on $x_i$. In logits, which are
# log-probabilities up to a constant, it is $\ell(\text{no caption}) + g\, (\ell(\text{caption}) -
# \ell(\text{no caption}))$. So $g = 0$ forgets the caption, $g = 1$ is the model, and $g > 1$
# follows the caption more than is true. It costs two passes for each token. The paper on DALL-E
# does not have it; Ho and Salimans introduced it, for diffusion models, a year later.

# %%
ways = {
    "as it is": {},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 0.25": {"temperature": 0.25},
    "top 4": {"top_k": 4},
    **{f"guidance {g:g}": {"guidance": g} for g in (0.0, 0.5, 1.5, 2.0, 3.0, 6.0)},
    "guidance 2, temperature 0.5": {"guidance": 2.0, "temperature": 0.5},
}
captions = first("test").x["condition"]
by_way = {}
for name, how in ways.items():
    x = model.sample(count, condition=captions, seed=0, **how)
    images = new if not how else vae.decode_tokens(x).numpy()
    by_way[name] = (
        images, dalle.judged(images, first("test").scenes), -model.log_prob(x, captions).numpy()
    )  # fmt: skip

# %% tags=["fold"]
strengths = {
    **{how["guidance"]: name for name, how in ways.items() if list(how) == ["guidance"]},
    1.0: "as it is",
}
order = sorted(strengths)
with plots.style():
    figure, axis = plt.subplots(figsize=(5.8, 3.2))
    for what, color, marker in (
        ("attribute", plots.BLUE, "o"), ("caption", plots.VERMILION, "s")
    ):  # fmt: skip
        values = [by_way[strengths[g]][1] for g in order]
        axis.errorbar(
            order,
            [100 * getattr(v, f"{what}_accuracy") for v in values],
            [100 * getattr(v, f"{what}_standard_error") for v in values],
            color=color, marker=marker, capsize=3, label=f"{what}s",
        )  # fmt: skip
        axis.axhline(100 * getattr(most, f"{what}_accuracy"), color=color, ls=":", lw=1)
    axis.axvline(1, color=plots.MUTED, linewidth=0.8)
    axis.set(xlabel="guidance g", ylabel="right by the judge (%)", ylim=(0, 100))
    axis.legend(loc="center right")
book.figure(
    figure,
    "guidance",
    f"Accuracy on {count} captions with combinations never seen, against the strength of guidance; "
    "± standard error. Dotted: true pictures through the tokens and back. The vertical line is the "
    "model itself.",
    alt="Two curves of accuracy against the strength of guidance, lowest at 0.",
)
few, columns = range(3), ("as it is", "temperature 0.5", "guidance 3", "guidance 6")
book.figure(
    pictures(
        [by_way[name][0][k] for k in few for name in columns],
        [f"{wrapped(test.captions[k], 30)}\n{name}" for k in few for name in columns],
        4,
        height=1.35,
    ),
    "ways",
    "Three captions, drawn in four ways with the same noise.",
    alt="Three rows of four pictures of the same caption, drawn in four ways.",
)

# %% tags=["hide"]
book.table(
    [
        [
            name,
            percent(it.attribute_accuracy, it.attribute_standard_error),
            percent(it.caption_accuracy, it.caption_standard_error),
            mean_error(lost, ".1f"),
        ]
        for name, (_, it, lost) in by_way.items()
    ],
    ["way", "attributes", "captions", "$-\\log p(x \\mid c)$"],
    f"Percent right on {count} captions with combinations never seen, and what the model thinks of "
    "the pictures' tokens, nats.",
    name="ways",
)
best_way = max(by_way, key=lambda name: by_way[name][1].attribute_accuracy)
real = nll["test"]["with the caption"][:count]
book.say(
    f"The best of these ways is *{best_way}*, with "
    f"{percent(by_way[best_way][1].attribute_accuracy)}% of the attributes right after "
    f"{percent(unseen.attribute_accuracy)}% (@table:ways, @fig:guidance, @fig:ways); it was "
    "chosen on these captions, so it is a little too good. The last column shows what became of "
    "the distribution. The tokens of the true pictures have $-\\log p(x \\mid c) = "
    f"{real.mean():.1f}$ nats, the model's own samples {by_way['as it is'][2].mean():.1f}, those "
    f"at temperature 0.25 {by_way['temperature 0.25'][2].mean():.1f}, and with guidance 6 "
    f"{by_way['guidance 6'][2].mean():.1f}. Cool pictures are those that the model likes best."
    + (
        " Strongly guided ones are pictures that the model itself finds improbable. With exact "
        "logits, too, strong guidance leaves $p(x \\mid c)$ (exercise 12.3); here the errors of "
        "both logits come on top."
        if by_way["guidance 6"][2].mean() > real.mean() + 2 * error(real)
        else ""
    )
    + " Exercise 12.3 has the exact distributions."
)

# %% [markdown]
# ## Completing a picture
#
# Tokens are drawn row by row, so the upper rows may be given and the lower ones drawn: exactly
# $p(x_\text{lower} \mid x_\text{upper}, c)$, since that is the product of the remaining factors.
# (Lower rows cannot be given like this: exercise 12.4.) The three upper rows of tokens stand for
# the upper three of eight rows of the picture; the encoder looks a few pixels further, so they may
# tell a little of what lies below.

# %%
mask = np.zeros(grid_shape, bool)
mask[:3] = True
given = first("test").x["x"]
completed = vae.decode_tokens(
    model.sample(count, conditioned_on=given, mask=mask, condition=captions, seed=1)
).numpy()
freely = vae.decode_tokens(model.sample(count, conditioned_on=given, mask=mask, seed=1)).numpy()
swapped = captions[others[:count] % count]
contradicted = vae.decode_tokens(
    model.sample(count, conditioned_on=given, mask=mask, condition=swapped, seed=1)
).numpy()
by_help = {
    "nothing given": unseen,
    "the upper rows given": dalle.judged(completed, first("test").scenes),
    "the upper rows given, no caption": dalle.judged(freely, first("test").scenes),
}

# %% tags=["fold"]
upper = {"top left", "top", "top right"}
shown = [
    k
    for k, scene in enumerate(first("test").scenes)
    if len(scene.objects) > 1 and sum(o.place in upper for o in scene.objects) == 1
][:3]
half = made.copy()
half[:, 3 * patch :] = 0.5
grids = [(half[k], completed[k], freely[k], contradicted[k]) for k in shown]
titles = [
    (
        "given",
        wrapped(test.captions[k], 30),
        "no caption",
        wrapped(test.captions[int(others[k] % count)], 30),
    )
    for k in shown
]
book.figure(
    pictures(list(itertools.chain(*grids)), list(itertools.chain(*titles)), 4, height=1.35),
    "completion",
    "Completion of three test pictures. From the left: what is given (the grey part is not); "
    "completed with its own caption; without a caption; with the caption of another picture, which "
    "the given part may contradict.",
    alt="Three rows of four pictures that share their upper third; the lower part differs.",
)

# %% tags=["hide"]
book.table(
    [[name, *cells(it)] for name, it in by_help.items()],
    ["", "attributes", "captions", *parts],
    f"Percent right of {count} test captions, when the three upper rows of tokens are those of the "
    "true picture.",
    name="completion",
)
book.say(
    "An object in the given part need not be drawn any more. With the upper rows given "
    f"{percent(by_help['the upper rows given'].attribute_accuracy)}% of the attributes are right, "
    f"after {percent(unseen.attribute_accuracy)}% with nothing given; without the caption the "
    "lower part is mostly a guess, and it is "
    f"{percent(by_help['the upper rows given, no caption'].attribute_accuracy)}% in all "
    "(@table:completion). With a caption that the given part contradicts (the last column of "
    "@fig:completion) the model has no way to object: the given tokens stay, and it draws "
    "the rest."
)

# %% [markdown]
# ## Choosing among several
#
# One may draw several pictures and keep one. The paper let another network choose among 512: CLIP,
# which scores how well a picture fits a sentence. But the model itself can say how well a caption
# fits a picture. By Bayes' rule
#
# $$
# \log \frac{p(c \mid x)}{p(c)} = \log \frac{p(x, c)}{p(x)\, p(c)} = \log p(x \mid c) - \log p(x) .
# $$
#
# The left side orders the pictures $x$ of one caption as $p(c \mid x)$ does, because $p(c)$ is the
# same for all. The right side is what `caption_gain` computes: two passes. Choosing by $\log p(x
# \mid c)$ is something else: it prefers pictures that are probable for *any* reason, such as those
# whose shapes are spelled in the most usual way. On the other hand the gain subtracts a $p(x)$ that
# the model may know less well (@table:nll). We try both.

# %%
asked, tries = book.setting(default=128, full=256), 8
candidates = np.stack(
    [model.sample(asked, condition=captions[:asked], seed=100 + k).numpy() for k in range(tries)]
)  # (tries, asked, rows, columns)
all_captions = np.tile(captions[:asked], (tries, 1))
flat = candidates.reshape(-1, *grid_shape)
scores = {
    "caption gain": model.caption_gain(flat, all_captions).numpy(),
    "$\\log p(x \\mid c)$": model.log_prob(flat, all_captions).numpy(),
}
images = np.concatenate([vae.decode_tokens(x).numpy() for x in candidates])
single = [
    dalle.judged(image[None], [scene])
    for image, scene in zip(images, first("test").scenes[:asked] * tries, strict=True)
]
right = np.array([it.attribute_accuracy for it in single]).reshape(tries, asked)
scores["the judge itself"] = right.ravel()
chosen_right = {
    (name, n): right[score.reshape(tries, asked)[:n].argmax(axis=0), np.arange(asked)]
    for name, score in scores.items()
    for n in (1, 2, 4, tries)
}

# %% tags=["hide"]
book.table(
    [
        [name, *(mean_error(100 * chosen_right[name, n], ".1f") for n in (1, 2, 4, tries))]
        for name in scores
    ],
    ["chosen by", "1", "2", "4", f"{tries} pictures"],
    "Percent of the attributes of a caption that are right in the chosen picture, mean over "
    f"{asked} test captions ± standard error. The last row needs the answer and is the most that "
    "choosing could bring.",
    name="choice",
)
gained = 100 * (chosen_right["caption gain", tries] - chosen_right["caption gain", 1])
plainly = 100 * (
    chosen_right["$\\log p(x \\mid c)$", tries] - chosen_right["$\\log p(x \\mid c)$", 1]
)
possible = 100 * (chosen_right["the judge itself", tries] - chosen_right["the judge itself", 1])
fits = scores["caption gain"].reshape(tries, asked)
among = [(values - values.mean(axis=0)).ravel() for values in (fits, right)]
against_judge = np.corrcoef(*among)[0, 1]
book.say(
    f"Choosing the best of {tries} by the caption gain changes the share of right attributes by "
    f"{mean_error(gained, '+.1f')} points, paired by caption; by $\\log p(x \\mid c)$, by "
    f"{mean_error(plainly, '+.1f')}; the most that was possible is {mean_error(possible, '+.1f')} "
    f"(@table:choice). Among pictures of one caption the correlation of gain and judge is "
    f"{against_judge:.2f}. "
    + (
        "So the gain carries some information on what is right: to judge, the model sees the whole."
        if gained.mean() > 2 * error(gained)
        else "The gain is no clear help here"
        + (
            ", $\\log p(x \\mid c)$ is one. "
            if plainly.mean() > 2 * error(plainly)
            else ", nor is $\\log p(x \\mid c)$. "
        )
        + "To choose well by the gain, $p(x)$ and $p(x \\mid c)$ must both be good; and what the "
        "tokens can hardly tell apart neither score can see."
    )
)

# %% [markdown]
# ## What goes wrong, and why
#
# **The codebook collapses.** If a decoder sees little but noise in its codes, it learns to ignore
# them, and the encoder has nothing left to learn from: all pictures get the same tokens.
# @fig:training shows how near this chapter's two trainings came to it. Where it happens, one tries
# to stretch the input, to lower the rate, or to let the weight of the divergence rise from zero
# (`warmup_steps`); watch the perplexity of the tokens.
#
# **The temperature falls too early, or never.** Cold from the start, the gradient is noise
# (@table:gradients). Warm to the end, the decoder relies on mixtures that no grid of tokens can
# give it. So watch the error of *reconstructions*, which use whole tokens, and not the training
# loss.
#
# **The Transformer is blamed for the decoder.** If a picture is wrong, either the tokens were wrong
# or the decoder cannot draw what they say. Reconstructions tell the two apart (@table:drawn).
#
# **Guidance without captions left out.** A model that was trained with a caption every time has
# never seen the empty one. Its $p(x)$ is then whatever the network makes of an unknown input;
# guidance and caption gain both rest on it. Training has to leave out captions now and then.

# %% tags=["hide"]
try:
    model.sample(1, condition=captions[0], temperature=0)
except ValueError as problem:
    refused = str(problem)
book.say(
    "**Everything at the extreme.** Temperature 0 would divide by zero; the library refuses it: "
    f"`{refused}`. With top 1 all pictures of a caption are the "
    "same, and mistakes are made with confidence. A higher accuracy is no better *distribution*: "
    "@table:ways has both."
)
book.say(
    "**Choosing on the test captions.** Whoever chooses temperature, guidance and the best of "
    f"{tries} on the captions that are then reported measures how well they chose. The recipes "
    "below choose temperature and guidance on the validation captions and report on captions that "
    "were used for nothing else; what plain samples have is in the details under "
    "[results](../scoreboard.md)."
)

# %% [markdown]
# ## Against a result
#
# Nothing is published for these scenes; the task is ours. The recipe `discrete_vae_scenes` trains
# the tokens, `dalle_scenes` the Transformer on them, each on 50,000 scenes of one to three objects.

# %% tags=["hide"]
book.recipes(
    dalle.RECIPES,
    "Percent of the attributes that are right by the judge, on 1,000 test scenes with "
    "combinations never seen: of true pictures after tokens and back; of pictures drawn from "
    "their captions, one each, temperature and guidance chosen on validation captions. ± standard "
    "error over pictures.",
    name="recorded",
    beside={"whole captions": "captions_right_percent"},
)

# %% [markdown]
# ## Exercises
#
# **Exercise 12.1.** Tokens run a race: token $k$ needs a time $T_k$ that is exponential with rate
# $e^{\ell_k}$. Show that it wins with probability $\operatorname{softmax}(\ell)_k$, and that this
# is the Gumbel maximum, written differently.

# %% tags=["hide"]
rng = np.random.default_rng(2)
uniform = rng.random((200_000, 8))
winners = (-np.log(uniform) / np.exp(logits)).argmin(axis=1)
maxima = (logits - np.log(-np.log(uniform))).argmax(axis=1)
off = np.abs(np.bincount(winners, minlength=8) / len(winners) - pi).max()
book.box(
    "answer",
    "Answer to 12.1, computed",
    f"""
    All others are still running at time $t$ with probability $\\prod_{{j \\ne k}} e^{{-t
    e^{{\\ell_j}}}}$, so $P(k \\text{{ wins}}) = \\int_0^\\infty e^{{\\ell_k}} e^{{-t S}}\\,
    \\mathrm{{d}}t = e^{{\\ell_k}} / S$ with $S = \\sum_j e^{{\\ell_j}}$: line (3) of the
    derivation. An exponential time of rate $r$ is $-\\log(U) / r$. Minus its logarithm is $\\log r
    - \\log(-\\log U) = \\ell_k + G_k$: the first at the finish has the largest sum. In
    {len(uniform):,} races with the eight logits of @table:gradients the shares of winners differ
    from the softmax by {off:.4f} at most (largest standard error
    {math.sqrt(0.25 / len(uniform)):.4f}), and {np.mean(winners == maxima):.0%} of the winners are
    the maxima made of the same uniform numbers.
    """,
)

# %% [markdown]
# **Exercise 12.2.** Do without the mask: at every position let the softmax run over words *and*
# tokens. What is the probability of a valid sequence if all symbols are equally likely? Can
# `log_prob` of such a model still be compared with ours?

# %% tags=["hide"]
both_kinds = len(vocabulary) + num_tokens
log10_valid = caption_length * math.log10(len(vocabulary) / both_kinds) + num_places * math.log10(
    num_tokens / both_kinds
)
book.box(
    "answer",
    "Answer to 12.2, computed",
    f"""
    With $V = {len(vocabulary)}$ words and $K = {num_tokens}$ tokens it is $\\left( \\frac{{V}}{{V +
    K}} \\right)^L \\left( \\frac{{K}}{{V + K}} \\right)^N$ for $L = {caption_length}$ and $N =
    {num_places}$: ten to the power {number(log10_valid, ".1f")}. The rest is on sequences that mean
    nothing, such as a word in the middle of a picture. Training moves nearly all of it to valid
    sequences, because only such are shown, but never quite all: the softmax has no zeros. Such a
    model is a distribution over *all* sequences, its probabilities of valid ones sum to less than
    one, and its $-\\log p$ can only be too large in comparison:
    {number(-log10_valid * math.log(10), ".1f")} nats at the start. Sampling may draw an invalid
    sequence, which has no picture.
    """,
)

# %% [markdown]
# **Exercise 12.3.** Guidance is applied token by token. Is the result $p(x)\, (p(x \mid c) /
# p(x))^g$, normalised over all pictures? Compare all of it on the tiny model.


# %%
def tiny_logits(caption):
    """Log-probabilities of each token of each tiny picture: `(pictures, 4, 3)`."""
    condition = np.tile(caption, (len(every_x), 1))
    found = tiny.conditionals(every_x, condition).logits.numpy().reshape(-1, 4, 3)
    return log_softmax(found.astype("float64"), axis=-1)


def of_pictures(log_p):
    """Probability of each tiny picture, of the normalised `log_p` of its tokens."""
    places = every_x.reshape(-1, 4).astype(int)
    chosen_ = np.take_along_axis(log_p, places[..., None], axis=-1)[..., 0]
    return np.exp(chosen_.sum(axis=1))


def total_variation(p, q):
    return 0.5 * np.abs(p - q).sum()


caption = every_c[117]
with_c, without_c = tiny_logits(caption), tiny_logits([0, 0, 0])
p_with, p_without = of_pictures(with_c), of_pictures(without_c)
guided = {}
for g in (0.5, 1.0, 2.0, 4.0):
    by_token = of_pictures(log_softmax(without_c + g * (with_c - without_c), axis=-1))
    whole = p_without * (p_with / p_without) ** g
    guided[g] = by_token, whole / whole.sum()

# %% tags=["hide"]
lines = "\n    ".join(
    f"| {g:g} | {by_token.sum():.6f} | {total_variation(by_token, whole):.4f} | "
    f"{total_variation(by_token, p_with):.4f} |"
    for g, (by_token, whole) in guided.items()
)
book.box(
    "answer",
    "Answer to 12.3, computed",
    f"""
    | $g$ | sum over pictures | from $p(x)\\, (p(x \\mid c) / p(x))^g$ | from $p(x \\mid c)$ |
    | ---: | ---: | ---: | ---: |
    {lines}

    (Total variation, half the sum of absolute differences; caption
    `{" ".join(map(str, caption))}`.) Token by token every factor is normalised, so the sum is one.
    But the constant by which it is divided depends on the tokens before, so the product of guided
    factors is not the guided whole: $\\prod_i p_g(x_i \\mid x_{{<i}}, c) = p(x)\\, \\left(
    \\frac{{p(x \\mid c)}}{{p(x)}} \\right)^g / \\prod_i Z_i(x_{{<i}})$. In general the two agree
    for $g = 0$ and $g = 1$ only, where all $Z_i$ are one; for $g = 1$ both are $p(x \\mid c)$, for
    other $g$ in general neither is.
    """,
)

# %% [markdown]
# **Exercise 12.4.** Why can the *lower* half not be given? What would one draw if one wrote the
# given tokens when their turn comes and drew the others from the model as usual?

# %%
lower = ~mask
try:
    model.sample(1, conditioned_on=given[0], mask=lower)
except ValueError as problem:
    refused_mask = str(problem)

tops, bottoms = every_x.reshape(-1, 4)[:, :2], every_x.reshape(-1, 4)[:, 2:]
gaps = []
for bottom in itertools.product(range(3), repeat=2):
    fits = (bottoms == bottom).all(axis=1)
    exactly = p_with[fits] / p_with[fits].sum()  # p(top | bottom, c)
    naive = np.array([p_with[(tops == top).all(axis=1)].sum() for top in tops[fits]])  # p(top | c)
    gaps.append(total_variation(exactly, naive))

# %% tags=["hide"]
book.box(
    "answer",
    "Answer to 12.4, computed",
    f"""
    The model's factors condition on what comes before. $p(x_\\text{{upper}} \\mid
    x_\\text{{lower}}, c)$ is a quotient with a sum over all upper halves in it, and the library
    refuses: `{refused_mask}`.

    Written in turn, the upper half would be drawn from $p(x_\\text{{upper}} \\mid c)$, as if
    nothing were given. On the tiny model, with one row of two given, the total variation between
    that and the exact $p(x_\\text{{upper}} \\mid x_\\text{{lower}}, c)$ is between
    {min(gaps):.2f} and {max(gaps):.2f}, {np.mean(gaps):.2f} on average over the nine lower rows. A
    model that is trained in many orders, as in [chapter 2](02_nade.md), could do it.
    """,
)

# %% [markdown]
# **Exercise 12.5.** Draw $n$ pictures *without* a caption and keep one of them, with probability
# proportional to $p(x \mid c) / p(x)$. What is its distribution as $n$ grows? How is that different
# from keeping the best?

# %%
rng = np.random.default_rng(3)
fit = p_with / p_without  # p(c | x) up to p(c), as far as the two agree
kept = {}
for n in (1, 4, 16, 64):
    pool = rng.choice(len(every_x), size=(50_000, n), p=p_without / p_without.sum())
    race = -np.log(rng.random(pool.shape)) / fit[pool]  # exercise 12.1 draws in proportion
    for how, place in (("drawn", race.argmin(axis=1)), ("best", fit[pool].argmax(axis=1))):
        picks = pool[np.arange(len(pool)), place]
        kept[how, n] = np.bincount(picks, minlength=len(every_x)) / len(pool)

# %% tags=["hide"]
chance_gap = total_variation(rng.multinomial(50_000, p_with / p_with.sum()) / 50_000, p_with)
lines = "\n    ".join(
    f"| {n} | {total_variation(kept['drawn', n], p_with):.3f} | "
    f"{total_variation(kept['best', n], p_with):.3f} |"
    for n in (1, 4, 16, 64)
)
book.box(
    "answer",
    "Answer to 12.5, computed",
    f"""
    | $n$ | in proportion | the best |
    | ---: | ---: | ---: |
    {lines}

    (Total variation from $p(x \\mid c)$ on the tiny model, from 50,000 choices each; as many exact
    draws are {chance_gap:.3f} away.) The weights $p(x \\mid c) / p(x)$ are those of importance
    sampling from $p(x)$, so in proportion to them one draws from $p(x \\mid c)$ in the limit; for
    $n = 1$ it is $p(x)$. Keeping the best tends to the single picture with the largest $p(x \\mid
    c) / p(x)$. With pictures that were drawn from $p(x \\mid c)$ already, as above, any choice by a
    score leads away from it: that is its purpose.
    """,
)

# %% [markdown]
# ## References
#
# - A. Ramesh and others, *Zero-shot text-to-image generation*, 2021,
#   [arXiv:2102.12092](https://arxiv.org/abs/2102.12092). DALL-E: the discrete VAE, the Transformer,
#   choosing among 512 pictures by CLIP.
# - E. Jang, S. Gu, B. Poole, *Categorical reparameterization with Gumbel-softmax*, 2016,
#   [arXiv:1611.01144](https://arxiv.org/abs/1611.01144), and C. Maddison, A. Mnih, Y. W. Teh, *The
#   Concrete distribution*, 2016, [arXiv:1611.00712](https://arxiv.org/abs/1611.00712). The
#   relaxation, found twice.
# - A. van den Oord, O. Vinyals, K. Kavukcuoglu, *Neural discrete representation learning*, 2017,
#   [arXiv:1711.00937](https://arxiv.org/abs/1711.00937). VQ-VAE: tokens by the nearest codebook
#   vector, and an autoregressive model of them.
# - J. Ho, T. Salimans, *Classifier-free diffusion guidance*, 2022,
#   [arXiv:2207.12598](https://arxiv.org/abs/2207.12598). Guidance.
# - S. Reed and others, *Generative adversarial text to image synthesis*, 2016,
#   [arXiv:1605.05396](https://arxiv.org/abs/1605.05396). A GAN whose condition is a sentence.
# - A. Vaswani and others, *Attention is all you need*, 2017,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762). The Transformer.
