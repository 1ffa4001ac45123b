# %% [markdown]
# # 10. Transformer
#
# A Transformer reads a sequence all at once. Each place asks every other place a question, weighs
# the answers and goes on with their mean; nothing is handed on from step to step. The chapter
# computes this attention by hand, derives each of its choices (the square root, the heads, the
# waves that stand for places, the masks, the warm-up) and measures it, then trains a Transformer
# and a recurrent network on the same task, numbers in Korean words to numbers in English words, and
# asks where either of them fails.

# %% tags=["fold"]
import collections
import itertools
import math

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt
from scipy.special import expit, softmax, xlogy

from genkeras import LSTMSequenceToSequence, Transformer, book, plots
from genkeras.book.prose import listed, mean_error, number
from genkeras.datasets import (
    Pairs,
    Vocabulary,
    english,
    korean_numbers,
    longer_numbers,
    sino_korean,
)
from genkeras.evaluation import tokenised_bleu
from genkeras.layers.attention import (
    MultiHeadAttention,
    causal_mask,
    concatenated_positions,
    padding_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
)
from genkeras.layers.transformer_block import DecoderBlock, EncoderBlock
from genkeras.recipes import transformer as recipe
from genkeras.training import epoch_batches
from genkeras.transformers import InverseSquareRoot, SequenceToSequence, decoding
from genkeras.transformers.decoding import END, PAD, START

book.declare(
    title="Transformer",
    data=book.setting(
        default="Korean and English number words, made by rule",
        full="Korean and English number words, made by rule; Multi30k",
    ),
    seed=0,
)


def tex(matrix, form="g"):
    """A matrix as LaTeX."""
    rows = (" & ".join(f"{v:{form}}" for v in row) for row in np.atleast_2d(matrix))
    return r"\begin{pmatrix}" + r" \\ ".join(rows) + r"\end{pmatrix}"


def apart(a, b):
    """The largest difference between two arrays, in words for a sentence."""
    largest = float(np.max(np.abs(np.asarray(a, "float64") - np.asarray(b, "float64"))))
    return "0" if largest == 0 else number(largest, ".0e")


# %% [markdown]
# ## The question
#
# A translation turns one sequence of tokens into another. The two have different lengths, and a
# token of the one may depend on any tokens of the other. Our task is small enough to be known
# completely: a number in **Korean words**, syllable by syllable, is to be written in **English
# words**. Korean counts in groups of four digits, English in groups of three. So the answer cannot
# be found word by word: 십만 (*sip man*, ten ten-thousands) is *one hundred thousand*. Korean has
# two series of number words: one taken from Chinese (일, 이, 삼), for all numbers, and a native one
# (하나, 둘, 셋), for counting under one hundred.

# %%
max_digits = book.setting(default=5, full=7)
text = korean_numbers(
    num_train=book.setting(default=4000, full=20_000),
    num_test=book.setting(default=500, full=2000),
    max_digits=max_digits,
    seed=0,
)
korean, english_words = (Vocabulary.of(getattr(text.train, side)) for side in ("source", "target"))


def encoded(pairs):
    """Pairs as the models read them."""
    targets = english_words.encode(pairs.target, start=True)
    return {"source": korean.encode(pairs.source), "target": targets}


train_x, test_x = encoded(text.train), encoded(text.test)

# %% tags=["hide"]
LATIN = (
    *("yeong", "il", "i", "sam", "sa", "o", "yuk", "chil", "pal", "gu"),
    *("sip", "baek", "cheon", "man", "eok"),
)
ROMAN = dict(zip("영일이삼사오육칠팔구십백천만억", LATIN, strict=True))


def romanised(words):
    return " ".join(ROMAN.get(syllable, syllable) for syllable in words.split())


def value(words):
    """The number that Sino-Korean syllables say, or None where nobody would say it so."""
    total = group = digit = 0
    for syllable in words.split():
        if syllable in "일이삼사오육칠팔구":
            digit = "영일이삼사오육칠팔구".index(syllable)
        elif syllable in "십백천":
            group += max(digit, 1) * 10 ** (1 + "십백천".index(syllable))
            digit = 0
        else:
            total += max(group + digit, 1) * 10_000 ** (1 + "만억".index(syllable))
            group = digit = 0
    total += group + digit
    return total if sino_korean(total) == words.replace(" ", "") else None


shown = [text.test.source.index(min(text.test.source, key=len)), 0, 1]
shown.append(text.test.source.index(max(text.test.source, key=len)))
book.table(
    [
        [
            f"{value(text.test.source[k]):,}",
            text.test.source[k].replace(" ", ""),
            romanised(text.test.source[k]),
            text.test.target[k],
        ]
        for k in dict.fromkeys(shown)
    ],
    ["number", "source", "in Latin letters", "target"],
    f"Some test numbers. The data: {text.protocol}. There are {len(korean) - 3} different "
    f"syllables and {len(english_words) - 3} different words, and three tokens more, for padding, "
    "start and end.",
    name="examples",
)
source_lengths = np.sum(train_x["source"] != PAD, axis=1) - 1
target_lengths = np.sum(train_x["target"] != PAD, axis=1) - 2
book.say(
    f"A source has {source_lengths.min()} to {source_lengths.max()} syllables, a target "
    f"{target_lengths.min()} to {target_lengths.max()} words. A model of translation is a "
    "distribution over targets $y$ given the source $x$. By the chain rule ([chapter "
    "1](01_distributions.md)) it is a product, $p(y \\mid x) = \\prod_t p(y_t \\mid y_{<t}, x)$, "
    "whose last factor is that of the token END; so the model also says how long the target is."
)

# %% [markdown]
# ### Trimmed, omitted, permuted
#
# The notes name what makes sequences hard. One may be *trimmed*: its end is missing. Something may
# be *omitted* from the middle. It may be *permuted*. With number words each of the three makes
# another number, and we know which. So we can ask models about changed sequences and still say what
# is right. Of every test number we make all changed forms that are proper Korean numbers above 99,
# with no more digits than in the data, and in no other set, and keep one by chance.


# %%
def changed_forms(syllables, kind):
    """All sequences of syllables that one change makes of this one."""
    places = range(len(syllables))
    if kind == "trimmed":
        return [syllables[:k] for k in places[1:]]
    if kind == "omitted":
        return [syllables[:k] + syllables[k + 1 :] for k in places[1:-1]]
    swapped = []
    for i, j in itertools.combinations(places, 2):
        order = [*places]
        order[i], order[j] = j, i
        swapped.append([syllables[k] for k in order])
    return swapped


# %% tags=["hide"]


def proper_forms(source, kind):
    """The changed forms of a source that are numbers, with as many digits as in the data."""
    forms = dict.fromkeys(" ".join(form) for form in changed_forms(source.split(), kind))
    return [form for form in forms if 99 < (value(form) or 0) < 10**max_digits]


def changed(kind, seed):
    """Pairs: one changed form of each test number that has a new one, none twice."""
    rng, known, sources = np.random.default_rng(seed), {*text.train.source, *text.test.source}, []
    for source in text.test.source:
        forms = [form for form in proper_forms(source, kind) if form not in known]
        if forms:
            sources.append(forms[rng.integers(len(forms))])
            known.add(sources[-1])
    return Pairs(tuple(sources), tuple(english(value(source)) for source in sources))


kinds = ("trimmed", "omitted", "permuted")
edited = {kind: changed(kind, seed=k) for k, kind in enumerate(kinds)}
longest = max(text.test.source, key=len)
samples = {"as it is": longest, **{kind: proper_forms(longest, kind)[-1] for kind in kinds}}
how_many = listed([f"{len(edited[kind]):,} {kind}" for kind in kinds])
book.table(
    [
        [kind, source.replace(" ", ""), romanised(source), f"{value(source):,}"]
        for kind, source in samples.items()
    ],
    ["sequence", "source", "in Latin letters", "number"],
    f"One changed form of each kind. From the {len(text.test):,} test numbers come {how_many} "
    "ones.",
    name="changes",
)

# %% [markdown]
# ### What recurrence does with them
#
# A recurrent network reads one token after the other. An LSTM ([chapter 3](03_pixel_rnn_cnn.md))
# carries a state $(h, c)$ along, with gates $i, f, o \in (0, 1)$ and $g \in (-1, 1)$ that are
# computed from the token and from $h_{j-1}$:
#
# $$
# c_j = f_j \odot c_{j-1} + i_j \odot g_j , \qquad h_j = o_j \odot \tanh c_j .
# $$
#
# A second LSTM starts from the last state and writes. Three things follow from the form alone.
#
# 1. **Everything goes through one state** of fixed size, however long the source is.
# 2. **The way is long.** What token $j$ has to say to the end of a source of $n$ tokens passes
#    through $n - j$ steps. (A network that reads backwards has $j - 1$ in its place.) Along the
#    straight way the derivative is a product of gates, $\prod_k f_k$: with gates below one it falls
#    geometrically. (There are other ways, through the gates themselves, with weights in place of
#    $f$.) If a token is omitted, all before it reach the end through one step fewer. If two are
#    swapped, each comes through another number of steps. If the end is trimmed, the writer starts
#    from a state that was in the middle of the way. Nothing in the network makes it treat these
#    states as it did.
# 3. **The steps wait for each other.** No hardware can do the second step before the first.
#
# (A Transformer is not free of the second: after a gap every token is at another place. But how
# many steps lie between two tokens does not depend on what was left out.)
#
# The second can be looked at before any training. We draw sequences of random vectors, and measure
# how much the last output changes with each input: the length of the derivative $\partial h_n /
# \partial x_j$ (the root of the sum of its squared entries). Beside the LSTM stands one layer of
# the attention that this chapter is about.


# %%
def sensitivity(layer, x, seed=0):
    """Length of the derivative of the layer's output by each input: `(length,)`."""
    x = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = layer(x)
        # The mean square of v . J over random v of variance 1 is the sum of the squares of J.
        v = tf.random.stateless_normal(tf.shape(out), (seed, 1))
        total = tf.reduce_sum(v * out)
    squares = tf.reduce_sum(tape.gradient(total, x) ** 2, axis=-1)
    return np.sqrt(tf.reduce_mean(squares, axis=0))


length, width = 40, 64
random_x = np.random.default_rng(0).normal(size=(200, length, width))
lstm = keras.layers.LSTM(
    width,
    kernel_initializer=keras.initializers.GlorotUniform(0),
    recurrent_initializer=keras.initializers.Orthogonal(seed=1),
)
look = MultiHeadAttention(num_heads=4, seed=0)
by_distance = {
    "LSTM": sensitivity(lstm, random_x)[::-1],
    "attention": sensitivity(lambda x: look(x[:, -1:], x)[:, 0], random_x)[::-1],
}

# %% tags=["fold"]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.4, 3.4))
    distances = np.arange(length)
    axis.plot(distances, by_distance["LSTM"], "o-", markersize=4, label="LSTM")
    axis.plot(distances, by_distance["attention"], "s--", markersize=4, label="attention")
    gate = expit(1.0) ** distances * by_distance["LSTM"][0]
    axis.plot(distances, gate, color=plots.MUTED, linewidth=1, label="$f^k$ with $f = \\sigma(1)$")
    axis.set(
        xlabel="tokens between input and output", ylabel="length of the derivative", yscale="log"
    )
    axis.legend()
book.figure(
    figure,
    "distance",
    "How much the output at the last token depends on a token that lies so many tokens before it, "
    f"before training; means over {len(random_x)} sequences of {length} random vectors of {width} "
    "numbers. Grey: a forget gate at its first bias, 1.",
    alt="On a logarithmic axis the LSTM's curve falls by orders of magnitude, above the grey "
    "line; the curve of attention is level.",
)

# %% tags=["hide"]
fall = {name: curve[-1] / curve[1] for name, curve in by_distance.items()}
d_paper = 512


def multiplications(n, d):
    """Of one LSTM layer and of one layer of self-attention, without its small network."""
    return 8 * n * d**2, 4 * n * d**2 + 2 * n**2 * d


book.say(
    f"From one token before the end to {length - 1} before it the LSTM's derivative changes by the "
    f"factor {number(fall['LSTM'], '.1e')}, that of attention by {fall['attention']:.2f} "
    "(@fig:distance). Training can open the forget gates; it starts from here."
)
book.table(
    [
        ["steps that wait for each other", "$n$", "1"],
        ["longest way between two tokens", "$n$", "1"],
        ["multiplications", "$8 n d^2$", "$4 n d^2 + 2 n^2 d$"],
        *(
            [f"the same, $n = {n:,}$, $d = {d_paper}$"]
            + [number(count, ".1e") for count in multiplications(n, d_paper)]
            for n in (10, 1000, 10_000)
        ),
        ["weights between tokens to keep, per head", "0", "$n^2$"],
    ],
    ["one layer, $n$ tokens of $d$ numbers", "LSTM", "self-attention"],
    "Four gates with two matrices each, against four projections and two products with $n$ other "
    f"tokens. The counts are equal at $n = 2 d = {2 * d_paper:,}$.",
    name="costs",
)
book.box(
    "notes",
    "What the notes say: the longer the embedding vector of the input, the more memory",
    f"""
    It is the *number* of tokens that costs. A head keeps a weight for each pair of tokens, $n^2$ of
    them, whatever $d$ is; vectors take $n d$ numbers. With $d = {d_paper}$ and 8 heads, 100 tokens
    have {8 * 100**2:,} weights and {100 * d_paper:,} numbers in vectors; ten times as many tokens
    have {8 * 1000**2:,} (a hundred times as many) and {1000 * d_paper:,} (ten times). Twice the
    length of the vectors doubles the second number and leaves the first alone.
    """,
)

# %% [markdown]
# ## Attention
#
# A dictionary in a program holds pairs of a key and a value. Asked with a query, it returns the
# value whose key *equals* the query. That has no derivative. Make it soft: compare the query $q$
# with *every* key $k_j$, turn the comparisons into weights that are positive and add up to 1, and
# return the mean of the values $v_j$ with these weights:
#
# $$
# z = \sum_j p_j\, v_j , \qquad p_j = \frac{e^{s_j}}{\sum_l e^{s_l}} , \qquad s_j = \frac{q \cdot
# k_j}{\sqrt{d_k}} .
# $$
#
# The comparison is a dot product of vectors of $d_k$ numbers; why it is divided by $\sqrt{d_k}$ has
# a section of its own. If all keys have one length, $q \cdot k_j = \frac{1}{2} (|q|^2 + |k_j|^2 -
# |q - k_j|^2)$ differs from $-\frac{1}{2} |q - k_j|^2$ by the same constant for all $j$, and a
# constant cancels in the softmax. Then attention is kernel regression with a Gaussian kernel: near
# keys count.
#
# Where do queries, keys and values come from? From the tokens. Let the rows of $X$ be the vectors
# $x_1, \dots, x_n$ of $n$ tokens. Three matrices, which are trained, make of each token what it
# asks, what it is found by and what it tells:
#
# $$
# Q = X W^Q , \quad K = X W^K , \quad V = X W^V , \qquad Z = \operatorname{softmax} \Big(
# \frac{Q K^\top}{\sqrt{d_k}} \Big) V ,
# $$
#
# with the softmax along each row. This is **self-attention**: $n$ vectors in, $n$ vectors out, and
# every one of them may hold something of every other. Written in the library:

# %% tags=["hide"]
book.source(scaled_dot_product_attention)

# %% [markdown]
# ### By hand
#
# The notes take two words, *Thinking* and *Machines*, with vectors of four numbers, so that $X$ has
# the shape $2 \times 4$, and matrices that make queries, keys and values of three. They give no
# numbers; here are some that can be checked on paper.

# %%
x = np.array([[1, 0, 1, 0], [0, 1, 1, 1]])
w_q = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
w_k = np.array([[0, 1, 0], [1, 0, 1], [1, 1, 0], [0, 0, 1]])
w_v = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 1], [1, 0, 1]])
q, k, v = x @ w_q, x @ w_k, x @ w_v
scores = q @ k.T
scaled = scores / math.sqrt(k.shape[1])
weights = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)
z = weights @ v

# %% tags=["hide"]
products = " + ".join(rf"{a} \cdot {b}" for a, b in zip(q[0], k[1], strict=True))
by_library = scaled_dot_product_attention(*(tf.constant(m, tf.float32) for m in (q, k, v)))
book.say(
    rf"""
    $$
    X = {tex(x)}, \quad W^Q = {tex(w_q)}, \quad W^K = {tex(w_k)}, \quad W^V = {tex(w_v)} .
    $$

    The first row of $Q$ is what *Thinking* asks. It is the sum of the rows of $W^Q$ that the ones
    of $x_1$ point at, the first and the third, and so on:

    $$
    Q = X W^Q = {tex(q)}, \quad K = X W^K = {tex(k)}, \quad V = X W^V = {tex(v)} .
    $$

    The scores are dot products of rows of $Q$ and rows of $K$. That of *Thinking* on *Machines* is
    $q_1 \cdot k_2 = {products} = {scores[0, 1]}$:

    $$
    Q K^\top = {tex(scores)}, \qquad \frac{{Q K^\top}}{{\sqrt 3}} = {tex(scaled, ".3f")} .
    $$

    The softmax of the first row: $e^{{{scaled[0, 0]:.3f}}} = {math.exp(scaled[0, 0]):.3f}$ and
    $e^{{{scaled[0, 1]:.3f}}} = {math.exp(scaled[0, 1]):.3f}$, together
    {np.exp(scaled[0]).sum():.3f}; divided by this, {weights[0, 0]:.4f} and {weights[0, 1]:.4f}. So

    $$
    P = {tex(weights, ".4f")}, \qquad Z = P V = {tex(z, ".4f")} .
    $$

    The library's function gives the same to within {apart(by_library[0], z)}. Two things can be
    seen here. The matrix of scores is **not symmetric**: *Thinking* on *Machines* has
    {scores[0, 1]}, *Machines* on *Thinking* {scores[1, 0]}, since what a word asks and what it is
    found by are different vectors. So a score is not a likeness between words. And a word need not
    attend mostly to itself: *Thinking* gives itself {weights[0, 0]:.0%}.
    """
)

# %% [markdown]
# ## Why the square root
#
# Suppose that the entries of $q$ and $k$ are independent with mean 0 and variance 1. Then $q \cdot
# k = \sum_{i=1}^{d_k} q_i k_i$ is a sum of $d_k$ independent terms with
#
# $$
# \mathbb{E}[q_i k_i] = \mathbb{E}[q_i]\, \mathbb{E}[k_i] = 0 , \qquad \operatorname{Var}(q_i k_i) =
# \mathbb{E}[q_i^2]\, \mathbb{E}[k_i^2] = 1 , \qquad \text{so} \quad \operatorname{Var}(q \cdot k) =
# d_k .
# $$
#
# Scores are of the size $\sqrt{d_k}$, and divided by $\sqrt{d_k}$ they are of the size 1 whatever
# $d_k$ is. What would be wrong with large scores? The softmax has the derivative
#
# $$
# \frac{\partial p_i}{\partial s_j} = p_i\, (\delta_{ij} - p_j) ,
# $$
#
# which is zero if one weight is 1 and the others 0. Scores with a standard deviation of 16, as for
# $d_k = 256$, differ by so much that the largest takes nearly all: the query looks at one key,
# chosen by chance at the start, and a small change of the scores does not change that. Divided by
# too much, all weights are $1/n$ and the query looks at nothing in particular. The matrix $W^Q$
# gets its gradient through $q$, and with $s_j = q \cdot k_j / c$ and the keys as rows of $K$ the
# chain rule gives
#
# $$
# \frac{\partial p}{\partial q} = \frac{1}{c} \big( \operatorname{diag}(p) - p\, p^\top \big) K .
# $$
#
# We measure with normal vectors and 16 keys.

# %%
num_keys, trials = 16, 1000
key_dims = [4, 16, 64, 256, 1024]
divisors = {
    "not divided": lambda d: 1,
    "divided by $\\sqrt{d_k}$": math.sqrt,
    "divided by $d_k$": float,
}
measured = collections.defaultdict(list)
for d in key_dims:
    rng = np.random.default_rng(d)
    queries = rng.standard_normal((trials, 1, d), dtype="float32")
    keys = rng.standard_normal((trials, num_keys, d), dtype="float32")
    dots = np.sum(queries * keys, axis=-1, dtype="float64")
    for name, divisor in divisors.items():
        s = dots / divisor(d)
        p = softmax(s, axis=1)
        by_score = p[:, :, None] * (np.eye(num_keys) - p[:, None, :])
        by_query = np.linalg.norm(by_score @ keys, axis=(1, 2)) / divisor(d)
        measured[name].append((s.var(), -xlogy(p, p).sum(axis=1), by_query))

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.2))
    styles = dict(zip(divisors, ("o-", "s--", "^:"), strict=True))
    for name, rows in measured.items():
        variances, entropies, slopes = zip(*rows, strict=True)
        axes[0].plot(key_dims, variances, styles[name], label=name)
        axes[1].plot(key_dims, [e.mean() for e in entropies], styles[name])
        axes[2].plot(key_dims, [np.median(s) for s in slopes], styles[name])
    axes[1].axhline(math.log(num_keys), color=plots.MUTED, linewidth=0.8)
    for axis, label in zip(
        axes,
        ("variance of the scores", "entropy of the weights (nats)", "∂p/∂q, median length"),
        strict=True,
    ):
        axis.set(xscale="log", xlabel="$d_k$", title=label)
        axis.title.set_fontsize(10)
        axis.set_xticks([4, 64, 1024], ["4", "64", "1024"])
        axis.minorticks_off()
    axes[0].set(yscale="log")
    axes[2].set(yscale="log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
book.figure(
    figure,
    "scaling",
    f"Attention of a random query over {num_keys} random keys of $d_k$ numbers, for three divisors "
    f"of the scores; {trials:,} queries. Right: the median of the length of the weights' "
    "derivative by the query. Grey: the entropy of equal weights.",
    alt="Three panels against d on a logarithmic axis. Divided by the square root all curves are "
    "level. Undivided, the variance grows and entropy and derivative fall; divided by d, variance "
    "and derivative fall and the entropy goes to its maximum.",
)

# %% tags=["hide"]
at = key_dims.index(1024)
plain, root, whole = (measured[name] for name in divisors)
worst_variance = max(abs(row[0] / d - 1) for row, d in zip(plain, key_dims, strict=True))
slopes = {name: row[at][2] for name, row in measured.items()}
median_slopes = [number(np.median(slope), ".2g") for slope in slopes.values()]
stuck = [np.mean(slope < np.median(root[at][2]) / 10) for slope in slopes.values()]
book.say(
    f"The variance of $q \\cdot k$ is $d_k$ to within {worst_variance:.1%} at all five $d_k$. At "
    f"$d_k = {key_dims[at]:,}$ the entropy of the weights is {plain[at][1].mean():.2f} nats "
    f"without a divisor, {root[at][1].mean():.2f} with $\\sqrt{{d_k}}$ and "
    f"{whole[at][1].mean():.2f} with $d_k$, of at most $\\log {num_keys} = "
    f"{math.log(num_keys):.2f}$. The derivative by the query has a median length of "
    f"{median_slopes[0]} without a divisor, {median_slopes[1]} with the square root and "
    f"{median_slopes[2]} with $d_k$ (@fig:scaling). Without a divisor its *mean* is "
    f"{plain[at][2].mean():.2f}, with the square root {root[at][2].mean():.2f}: now and then the "
    "two largest scores are close and the derivative is large. Of the queries "
    f"{stuck[0]:.0%} have a derivative below a tenth of {median_slopes[1]} without a divisor, "
    f"{stuck[1]:.0%} with the square root and {stuck[2]:.0%} with $d_k$. So in plain gradient "
    "descent without the divisor few queries learn much at a time and most next to nothing; with "
    "$d_k$ all learn slowly. (Adam, met below, evens out a factor that all gradients share, so "
    "with it the harm of $d_k$ is less direct. We did not train this.)"
)
weight = 0.88
gap = math.log(weight / (1 - weight))
book.box(
    "notes",
    "What the notes say: scores are normalised by the key dimension",
    f"""
    By its **square root**. The notes' own example says so: the keys have 64 numbers and the divisor
    is $8 = \\sqrt{{64}}$; the sentences after it leave out the root. Check with the weights of that
    example, {weight} and {1 - weight:.2f}. Scaled scores with these weights differ by $\\log
    ({weight} / {1 - weight:.2f}) = {gap:.2f}$, so the dot products differ by {8 * gap:.1f}.
    Undivided they would give {expit(8 * gap):.7f} and {number(expit(-8 * gap), ".0e")}. Divided by
    64 they would give {expit(gap / 8):.2f} and {expit(-gap / 8):.2f}, nearly a plain mean. The
    variance of scores divided by $d_k$ is $d_k / d_k^2 = 1 / d_k$; for 64 we find
    {whole[key_dims.index(64)][0]:.4f}, and $1/64 = {1 / 64:.4f}$. At the start of training such a
    query cannot tell one key from another: the dotted curves of @fig:scaling.
    """,
)

# %% [markdown]
# ## Several heads
#
# A softmax favours one or a few keys, and its mean is one vector. To look for two things at once, a
# token would need two sets of weights. So attention is done $h$ times side by side, each with
# matrices of its own, and the results are joined:
#
# $$
# H_i = \operatorname{softmax} \Big( \frac{X W_i^Q (X W_i^K)^\top}{\sqrt{d_k}} \Big) X W_i^V ,
# \qquad Z = [H_1, \dots, H_h]\, W^O .
# $$
#
# With $W^O$ cut into $h$ blocks of rows, $W^O_1, \dots, W^O_h$, the product of the long row with
# the tall matrix is $Z = \sum_i H_i W_i^O$. So *concatenate and project* is the same as *project
# each head and add*: what becomes of one head's result does not depend on the others.
#
# The vectors of a head have $d_k = d / h$ numbers, where $d$ is the length of $x$. That is a
# choice, which keeps the cost what it was: $h$ matrices of $d \times d/h$ are one of $d \times d$.
# And this is how it is coded. **One** product $X W^Q$ with $W^Q = [W_1^Q, \dots, W_h^Q]$ makes the
# queries of all heads, since column $c$ of a product needs column $c$ of the right matrix only;
# then the result is *split*, $d$ columns into $h$ groups of $d / h$.

# %% tags=["hide"]
book.source(MultiHeadAttention.attend)
book.source(MultiHeadAttention._heads)

# %% [markdown]
# The two forms on numbers. The weights are the library's; the other computation is the formula with
# a loop over heads.

# %%
num_heads, dim = 3, 12
layer = MultiHeadAttention(num_heads, seed=0)
some_x = np.random.default_rng(0).normal(size=(1, 5, dim)).astype("float32")
split_form = layer(some_x, some_x).numpy()[0]
kernels = {
    name: getattr(layer, f"{name}_dense").get_weights()[0]
    for name in ("query", "key", "value", "output")
}
heads = []
for i in range(num_heads):
    columns = slice(i * dim // num_heads, (i + 1) * dim // num_heads)
    q_i, k_i, v_i = (some_x[0] @ kernels[name][:, columns] for name in ("query", "key", "value"))
    heads.append(softmax(q_i @ k_i.T / math.sqrt(dim // num_heads), axis=1) @ v_i)
concatenated = np.concatenate(heads, axis=1) @ kernels["output"]
added = sum(h @ block for h, block in zip(heads, np.split(kernels["output"], 3), strict=True))

# %% tags=["hide"]
blocks = np.kron(np.eye(num_heads), np.ones((dim // num_heads,) * 2))


def first_head_scores(kernel_q, kernel_k, vectors):
    return vectors @ kernel_q[:, :4] @ (vectors @ kernel_k[:, :4]).T


only_others = some_x[0].copy()
only_others[:, 4:] += np.random.default_rng(2).normal(size=(5, 8))  # entries outside the slice
change_full, change_sliced = (
    np.abs(
        first_head_scores(kernels["query"] * mask, kernels["key"] * mask, only_others)
        - first_head_scores(kernels["query"] * mask, kernels["key"] * mask, some_x[0])
    ).max()
    for mask in (1, blocks)
)
book.say(
    "Split from one product and joined by the loop: the results differ by at most "
    f"{apart(split_form, concatenated)}, and the sum over heads from the concatenation by "
    f"{apart(concatenated, added)}."
)
d, h = 512, 8
book.box(
    "notes",
    "What the notes say: heads are not concatenated, the embedding is divided by their number",
    f"""
    Both are done, in this order: each head's vectors have $d / h$ numbers, *and* the heads are
    concatenated and projected. The paper has it so. What the notes describe first, heads of full
    size $d$ and a projection from $h d$ to $d$, is possible and costs more: with $d = {d}$ and $h =
    {h}$ the matrices have $4 h d^2 = {4 * h * d**2:,}$ entries instead of $4 d^2 = {4 * d**2:,}$.

    "Divided" does not mean that each head reads a slice of the vector $x$. It is the *results* of
    the projection that are split, and each of them is made from all of $x$. The difference in
    numbers: we change entries 5 to 12 of all vectors of the example and look at the scores of the
    first head, whose slice would be entries 1 to 4. They change by up to {change_full:.2f}; if the
    matrices are cut to blocks, so that a head reads its slice only, by
    {number(float(change_sliced), ".2g")}. Blocks have {3 * d**2 // h:,} entries in $W^Q, W^K, W^V$
    together in place of {3 * d**2:,}: less cost, and another model.
    """,
)

# %% [markdown]
# A head with $d_k < d$ has a price. Its scores are $x_i W^Q (W^K)^\top x_j^\top$, and the matrix in
# the middle has rank $d_k$ at most: a head compares $d_k$ features of two tokens. Sixteen heads of
# four features and four heads of sixteen have equally many weights and need equally many
# multiplications (but sixteen heads make four times as many attention weights), and can do
# different things.
#
# ## Attention knows no order
#
# Let $\Pi$ be a permutation matrix: $\Pi X$ holds the rows of $X$ in another order. Then $Q, K, V$
# become $\Pi Q, \Pi K, \Pi V$. The softmax acts on rows, and permuting rows or columns before it is
# the same as after it. So
#
# $$
# \operatorname{softmax} \Big( \frac{\Pi Q K^\top \Pi^\top}{\sqrt{d_k}} \Big) \Pi V = \Pi
# \operatorname{softmax} \Big( \frac{Q K^\top}{\sqrt{d_k}} \Big) \Pi^\top \Pi V = \Pi Z ,
# $$
#
# since $\Pi^\top \Pi = I$. Permuted tokens give permuted results and nothing else: **the same set
# of vectors**. What acts at each place alone keeps that property. A stack of such layers reads a
# bag of words. In it 이십삼 (23) and 삼십이 (32) are the same. (This holds where each token may
# look at all. Where it may look back only, as in the second half of the model below, a token can
# tell how many are before it, and order is not lost.)
#
# So the place must be put into the vectors. The paper adds to the vector of the token at place $t$
# the vector $\pi(t)$ of sines and cosines, with frequencies $\omega_i = 10000^{-2i/d}$ for $i = 0,
# \dots, d/2 - 1$:
#
# $$
# \pi(t)_{2i} = \sin \omega_i t , \qquad \pi(t)_{2i+1} = \cos \omega_i t .
# $$

# %% tags=["hide"]
book.source(sinusoidal_positions)

# %% [markdown]
# **Why waves in pairs?** Because a shift is then a rotation. By the addition theorems,
#
# $$
# \begin{pmatrix} \sin \omega (t + k) \\ \cos \omega (t + k) \end{pmatrix} = \begin{pmatrix} \cos
# \omega k & \sin \omega k \\ -\sin \omega k & \cos \omega k \end{pmatrix} \begin{pmatrix} \sin
# \omega t \\ \cos \omega t \end{pmatrix} .
# $$
#
# The matrix depends on the shift $k$ and not on the place $t$. With one such block $R_i(k)$ for
# each frequency, $\pi(t + k) = R(k)\, \pi(t)$ for *all* $t$. Two things follow. A linear map, such
# as $W^Q$, can turn "my place" into "three places before me": a head can learn to look at relative
# places. And $\pi(t) = R(t)\, \pi(0)$, $\pi(t + k) = R(t)\, \pi(k)$ with the same orthogonal
# $R(t)$, which changes no dot product; $\pi(0)$ has sines 0 and cosines 1. So
#
# $$
# \pi(t) \cdot \pi(t + k) = \pi(0) \cdot \pi(k) = \sum_i \cos \omega_i k ,
# $$
#
# a function of the distance alone. It is largest at $k = 0$, where it is $d / 2$. The slow waves
# tell far places apart, the fast ones near places.

# %%
dim, places = 64, 60
waves, halves = sinusoidal_positions(places, dim), concatenated_positions(places, dim)
order = np.concatenate([np.arange(0, dim, 2), np.arange(1, dim, 2)])
frequencies = 10_000.0 ** (-np.arange(0, dim, 2) / dim)


def rotation(k):
    """R(k) for the layout with sine and cosine of each frequency in turn."""
    matrix = np.zeros((dim, dim))
    for i, angle in enumerate(frequencies * k):
        c, s = math.cos(angle), math.sin(angle)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, s], [-s, c]]
    return matrix


shift = 7
rotated = waves[:-shift] @ rotation(shift).T
turned_halves = halves[:-shift] @ rotation(shift)[order][:, order].T
dots = waves.astype("float64") @ waves.T
between = np.subtract.outer(range(places), range(places))
by_formula = np.cos(between[..., None] * frequencies).sum(axis=-1)

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 3.3), width_ratios=(1, 1, 1.15))
    for axis, table, title in zip(
        axes, (waves, halves), ("in turn", "sines, then cosines"), strict=False
    ):
        picture = axis.imshow(table, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
        axis.set(xlabel="entry of the vector", title=title)
        axis.grid(False)
    axes[0].set_ylabel("place t")
    figure.colorbar(picture, ax=axes[:2], location="bottom", shrink=0.6, label="value")
    for start, style in ((10, "-"), (30, "--")):
        shifts = np.arange(places) - start
        axes[2].plot(shifts, dots[start], style, label=f"t = {start}")
    axes[2].set(xlabel="shift k", ylabel="π(t) · π(t + k)", xlim=(-30, 49))
    axes[2].legend()
book.figure(
    figure,
    "waves",
    f"Positions as waves, {dim} numbers for each of {places} places, in two layouts: sine and "
    "cosine of each frequency side by side, and all sines before all cosines. Right: the dot "
    "product of two places against the shift between them, from two places.",
    alt="Two striped colour maps, the second with two separate halves, and two curves with a "
    "common peak at shift 0 that coincide where both are drawn.",
)

# %% tags=["hide"]
table = np.random.default_rng(3).normal(size=(places, dim)).astype("float32")  # vectors of tokens
one, other = MultiHeadAttention(4, seed=0), MultiHeadAttention(4, seed=0)
in_turn = one((table + waves)[None], (table + waves)[None]).numpy()
again = (table[:, order] + halves)[None]
other.build((None, None, dim))
for name in ("query", "key", "value"):
    kernel, bias = getattr(one, f"{name}_dense").get_weights()
    getattr(other, f"{name}_dense").set_weights([kernel[order], bias])
other.output_dense.set_weights(one.output_dense.get_weights())
permuted_rows = np.random.default_rng(4).permutation(places)
without = one(table[None], table[None]).numpy()[0]
shuffled = one(table[permuted_rows][None], table[permuted_rows][None]).numpy()[0]
moved_input = (table[permuted_rows] + waves)[None]
with_waves = one(moved_input, moved_input).numpy()[0]
order_effect = np.abs(with_waves - in_turn[0][permuted_rows]).max()
book.say(
    f"For a layer of the library without positions and {places} vectors, the result of permuted "
    f"rows is the permuted result to within {apart(shuffled, without[permuted_rows])}. With the "
    f"waves added the two differ by up to {order_effect:.2f}. The rotation by {shift} places "
    f"carries $\\pi(t)$ to $\\pi(t + {shift})$ for all $t$ to within "
    f"{apart(rotated, waves[shift:])}, and the dot products are the sum of cosines to within "
    f"{apart(dots, by_formula)} (@fig:waves)."
)
book.box(
    "notes",
    "What the notes leave open: two pictures of positional encoding",
    f"""
    The notes show two pictures, one of a vector of four and one "as it is done recently", without a
    word on how they differ. They are the two layouts of @fig:waves: sine and cosine of each
    frequency **in turn**, as the paper writes it, and **all sines, then all cosines**, as its code
    had it. (That code also spaced the frequencies a little differently, $10000^{{-i/(d/2-1)}}$.)
    With equal frequencies one is a permutation of the other's entries: with that permutation the
    tables differ by {apart(waves[:, order], halves)}. For the model it makes no difference. If the
    entries of all vectors are permuted, $x \\to x P$, and the rows of the matrices that read them
    likewise, $W \\to P^\\top W$, then $x P P^\\top W = x W$. We do that to a layer of the library:
    with the second layout, permuted vectors of tokens and permuted rows its results differ from the
    first by {apart(other(again, again).numpy(), in_turn)}. Weights are drawn at random and tokens'
    vectors are learned, so no order of entries is better to start from. The shift is still a
    rotation, with the rows and columns of $R(k)$ permuted: it holds to
    {apart(turned_halves, halves[shift:])}.
    """,
)

# %% [markdown]
# How much is known without order can be computed. A model without positions knows of a source its
# bag of syllables. The best it can do is to name, for each bag, the most probable number with that
# bag. If it also remembers which numbers were in training, it need not name those, for none of them
# is asked again. We will hold a trained model against both limits.

# %%
limit_digits = 5
above_99 = text.train.source[199:]  # the first are those under 100, in both series
in_training = {value(source) for source in above_99}
test_digits = collections.Counter(len(str(value(source))) for source in text.test.source)


def knowable(candidates):
    """The bags of syllables of these numbers, and the share that one guess for each bag gets."""
    of_length = collections.Counter(len(str(n)) for n in candidates)
    bags = collections.defaultdict(list)
    for n in candidates:
        # How often the test split has numbers of so many digits, of which this is one.
        digits = len(str(n))
        bags["".join(sorted(sino_korean(n)))].append(test_digits[digits] / of_length[digits])
    return bags, sum(map(max, bags.values())) / sum(map(sum, bags.values()))


all_numbers = range(100, 10**limit_digits)
bags, share_known = knowable(all_numbers)
share_unseen = knowable([n for n in all_numbers if n not in in_training])[1]

# %% tags=["hide"]
three_known = sum(n < 1000 for n in in_training)
largest_bag = max(bags, key=lambda bag: len(bags[bag]))
book.say(
    f"The {len(all_numbers):,} numbers of 3 to {limit_digits} digits have {len(bags):,} "
    f"different bags. The fullest, {romanised(' '.join(largest_bag))}, belongs to "
    f"{len(bags[largest_bag])} numbers. Whoever always names the most probable one is right for "
    f"{share_known:.1%} of numbers that have three, four and five digits as often as those of the "
    f"test split ({', '.join(f'{test_digits[k]:,}' for k in range(3, limit_digits + 1))} of "
    f"{len(text.test):,}; of the 900 numbers of three digits {three_known} are in the training "
    "split). Whoever remembers all numbers of the training split as well is right for "
    f"{share_unseen:.1%}."
)

# %% [markdown]
# ## The blocks
#
# The rest of a Transformer is quickly told. After the attention comes a small network of two dense
# layers, which acts at each place alone. Around each of the two **sublayers** there is a way past
# it, and layer normalisation gives every vector mean 0 and variance 1 over its $d$ entries (then a
# learned scale and shift):
#
# $$
# x \leftarrow \operatorname{LayerNorm} \big( x + \operatorname{sublayer}(x) \big) .
# $$
#
# The **encoder** is a stack of such blocks. The **decoder** writes; its blocks have a third
# sublayer between the two: attention whose queries come from what has been written, and whose keys
# and values come from the encoder.
#
# At the bottom each token has a row of a learned table (times $\sqrt{d}$), to which $\pi(t)$ is
# added. At the top a linear map makes of the decoder's vector at place $t$ one number for each
# token, its **logit**; the softmax of the logits is $p(y_t \mid y_{<t}, x)$. What the decoder reads
# is the target behind a START: at each place the token before the one that it predicts there.

# %% tags=["hide"]
book.source(EncoderBlock._around)
book.source(EncoderBlock.call)
book.source(DecoderBlock.call)

# %% tags=["hide"]
two_blocks = [DecoderBlock(2, 16, seed=10 * k) for k in range(2)]
tokens = tf.constant(np.random.default_rng(0).normal(size=(1, 6, 8)), tf.float32)
memory = tf.constant(np.random.default_rng(1).normal(size=(1, 5, 8)), tf.float32)
for block in two_blocks:
    block.build((None, None, 8))
keys_of = [block.memory_attention.keys_and_values(memory)[0].numpy() for block in two_blocks]
book.box(
    "notes",
    "What the notes say: the last encoder layer sends key and value to each decoder layer",
    f"""
    It sends one thing to all of them: its vectors, the *memory*, $n$ vectors of $d$ numbers. Each
    decoder block makes keys and values of its own from these, with its own $W^K$ and $W^V$. In a
    decoder of two blocks, at a memory of 5 vectors of 8 numbers, the keys of the two blocks have
    the correlation {number(np.corrcoef(keys_of[0].ravel(), keys_of[1].ravel())[0, 1], ".2f")}
    before training. They do not depend on what is written, so they are computed once for each
    source.
    """,
)

# %% [markdown]
# ## Masks
#
# In training the whole target is known, and all its places are computed at once. The vector at
# place $t$ has to predict the token at $t + 1$. If attention let it look there, it could copy the
# answer. So scores at later places are set to $-\infty$ before the softmax; their weights are
# exactly 0. One triangular **causal mask** does in one pass what a loop over all beginnings of the
# target would do.
#
# "May not look" is a statement about derivatives: the result at place $t$ must have derivative zero
# with respect to the input at every place $s > t$. Through two decoder blocks, at the start of
# training:


# %%
def derivatives(mask):
    """Length of the derivative of the output at each place by the input at each place."""
    x = tf.repeat(tokens, 6 * 8, axis=0)  # a copy for each of the 48 outputs
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for block in two_blocks:
            y = block(y, tf.repeat(memory, 6 * 8, axis=0), mask)
        total = tf.reduce_sum(y * tf.reshape(tf.eye(6 * 8), y.shape))
    squares = tf.reduce_sum(tape.gradient(total, x) ** 2, axis=-1)
    return np.sqrt(tf.reduce_sum(tf.reshape(squares, (6, 8, 6)), axis=1))


pictures = {"no mask": derivatives(None), "causal mask": derivatives(causal_mask(6))}

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.0), sharey=True)
    top = max(picture.max() for picture in pictures.values())
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        image = axis.imshow(picture, cmap="Blues", vmin=0, vmax=top)
        for t, s in zip(*np.nonzero(picture == 0), strict=True):
            axis.text(s, t, "0", ha="center", va="center", fontsize=9, color="#08306b")
        axis.set(title=title, xlabel="input at place s", xticks=range(6), yticks=range(6))
        axis.set(xticklabels=range(1, 7), yticklabels=range(1, 7))
        axis.grid(False)
    axes[0].set_ylabel("output at place t")
    figure.colorbar(image, ax=axes, label="length of the derivative", shrink=0.85)
book.figure(
    figure,
    "causal",
    "How much the output of two decoder blocks at each place depends on the input at each place, "
    "without and with the causal mask. A 0 stands where the derivative is exactly zero.",
    alt="Two squares of six by six cells. On the left all are coloured; on the right those above "
    "the diagonal are empty and marked 0.",
)

# %% [markdown]
# **Padding.** Sequences of a batch are filled up to one length with a token that means nothing.
# Nobody may look at it, which is a second mask; and it does not count in the loss. Then it changes
# nothing: neither how much of it there is, nor who else is in the batch.

# %%
sizes = book.setting(
    default={"model_dim": 64, "num_heads": 4, "num_layers": 1, "hidden_units": 128},
    full={"model_dim": 64, "num_heads": 4, "num_layers": 2, "hidden_units": 128},
)


def transformer(seed=0, kind=Transformer, **options):
    """A Transformer for number words, built."""
    options = {**sizes, "dropout": 0.0, "max_length": 32, "seed": seed, **options}
    model = kind(len(korean), len(english_words), **options)
    model.build({"source": (None, None), "target": (None, None)})
    return model


untrained = transformer()
few = {name: tokens_[:20] for name, tokens_ in test_x.items()}
wider = {name: np.pad(tokens_, ((0, 0), (0, 8))) for name, tokens_ in few.items()}

# %% tags=["hide"]
plain_lp, padded_lp = (
    untrained.log_prob(d_["source"], d_["target"]).numpy() for d_ in (few, wider)
)
vectors = tf.constant(np.random.default_rng(5).normal(size=(1, 8, 64)), tf.float32)
present = tf.constant([[True] * 5 + [False] * 3])
attending = MultiHeadAttention(4, seed=0)
alone = attending(vectors[:, :5], vectors[:, :5]).numpy()
masked = attending(vectors, vectors, padding_mask(present)).numpy()[:, :5]
unmasked = attending(vectors, vectors).numpy()[:, :5]
book.say(
    "Eight more places of padding on both sides change $\\log p(y \\mid x)$ of 20 test numbers by "
    f"at most {apart(plain_lp, padded_lp)} nats. In a single layer, with three places of noise "
    "after five vectors, the results with the mask differ from those of the five alone by "
    f"{apart(masked, alone)}, and without the mask by {np.abs(unmasked - alone).max():.2f}."
)

# %% [markdown]
# ## Training
#
# ### Teacher forcing
#
# The loss is $-\log p(y \mid x) = -\sum_t \log p(y_t \mid y_{<t}, x)$, here as the mean over
# tokens, in nats. Every factor has the *right* beginning $y_{<t}$ as its condition, not what the
# model would have written. That is called **teacher forcing**, but it is no trick: it is what the
# chain rule says, and it is why all places can be trained at once.
#
# When the model writes by itself, it reads its own words. After a mistake it has a beginning that
# training never showed for this source. (S. Bengio and others let training show some.) Does that
# make it worse than teacher forcing shows? In one respect it cannot: if the most probable token is
# right at each place *given the right beginning*, then greedy writing makes each of them in turn;
# and if greedy writing makes the whole target, it has met only right beginnings. So the share of
# targets without a mistake is **the same** with and without teacher forcing. What differs is what
# comes after the first mistake.
#
# ### Label smoothing
#
# The paper trains not towards the right token alone but towards a mixture: with $K$ possible
# tokens, $u_j = (1 - \epsilon)\, [j = y] + \epsilon / K$. The loss $-\sum_j u_j \log p_j$ is a
# cross-entropy ($[j = y]$ is 1 if $j = y$ and else 0), the entropy of $u$ plus $\mathrm{KL}(u
# \,\|\, p)$, and so it is smallest at $p = u$ and there it is not zero. The logits need not grow
# for ever: at the best $p$ the right one is above each other by
#
# $$
# \log \frac{p_y}{p_j} = \log \frac{1 - \epsilon + \epsilon / K}{\epsilon / K} .
# $$
#
# ### Warm-up
#
# The learning rate rises on a line for some steps and then falls with the root of the step.

# %% tags=["hide"]
book.source(SequenceToSequence.compute_loss)
book.source(InverseSquareRoot.__call__)

# %% [markdown]
# Why begin slowly? Adam divides a mean of gradients $\hat m$ by the root of a mean of their
# squares, $\sqrt{\hat v}$. In the first step both hold one gradient: the step is $\eta\, g / |g| =
# \pm \eta$ for every weight, however small and however accidental its gradient is. Later the mean
# is over about ten gradients, and accidents partly cancel. How much? Let the gradients of a weight
# be pure noise, independent with mean 0 and variance 1. With $\hat m_t = (1 - \beta_1) \sum_{i \le
# t} \beta_1^{t - i} g_i / (1 - \beta_1^t)$ and $\hat v \approx 1$,
#
# $$
# \operatorname{Var}(\hat m_t) = \frac{(1 - \beta_1)^2}{(1 - \beta_1^t)^2} \sum_{i=0}^{t-1}
# \beta_1^{2i} = \frac{(1 - \beta_1)^2}{(1 - \beta_1^t)^2} \cdot \frac{1 - \beta_1^{2t}}{1 -
# \beta_1^2} = \frac{1 - \beta_1}{1 + \beta_1} \cdot \frac{1 + \beta_1^t}{1 - \beta_1^t} .
# $$
#
# At $t = 1$ this is 1. It falls to $(1 - \beta_1) / (1 + \beta_1)$. That is a single step; steps
# that follow each other share most of their gradients, so we also measure how far noise carries a
# weight in several steps.
#
# Xiong and others find that in a network that normalises after each sublayer the gradients at the
# start are large near the output, and that one that normalises before needs no warm-up. Adam's
# first step does not depend on the size of a gradient, so this alone does not explain it. Whether
# a slow start helps here we try: the same network from the same weights with several peaks of the
# rate, with warm-up and without.


# %%
class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """As `InverseSquareRoot`, with numbers that can be changed between runs, warm-up or none."""

    def __init__(self):
        self.peak, self.rise, self.fall = (tf.Variable(1.0) for _ in range(3))

    def __call__(self, step):
        step = tf.cast(step, tf.float32) + 1.0
        return self.peak * tf.minimum(step / self.rise, tf.minimum(1.0, (self.fall / step) ** 0.5))


batch_size, chunk = 128, 20
rate = Rate()


def compiled(model):
    optimizer = keras.optimizers.Adam(rate, beta_2=0.98)
    model.compile(optimizer, steps_per_execution=chunk)
    return model


def fit(model, start, steps, peak, warm_up=True, seed=0):
    """Trains from these weights; -log p of a token, the mean of every 20 steps."""
    model.set_weights(start)
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape))
    rate.peak.assign(peak)
    rate.rise.assign(warm_steps if warm_up else 1.0)
    rate.fall.assign(warm_steps)
    history = model.fit(
        epoch_batches(train_x, batch_size, seed),
        steps_per_epoch=chunk,
        epochs=steps // chunk,
        verbose=0,
    )
    return np.array(history.history["nll_per_token"])


warm_steps = book.setting(default=100, full=400)
peaks = book.setting(default=(5e-3, 2e-2), full=(1e-3, 3e-3, 1e-2))
short = book.setting(default=100, full=600)
trial = compiled(transformer())
first_weights = trial.get_weights()
starts = {
    (peak, warm): fit(trial, first_weights, short, peak, warm)
    for peak in peaks
    for warm in (True, False)
}

# %%
b1, b2, updates = 0.9, 0.98, 300
rng = np.random.default_rng(0)
m = v = np.zeros(4000)
sizes_of_step, path = [], [np.zeros(4000)]
for t in range(1, updates + 1):
    gradient = rng.normal(size=4000)
    m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
    step = (m / (1 - b1**t)) / np.sqrt(v / (1 - b2**t))
    sizes_of_step.append(math.sqrt(np.mean(step**2)))
    path.append(path[-1] + step)
t = np.arange(1, updates + 1)
by_formula = np.sqrt((1 - b1) / (1 + b1) * (1 + b1**t) / (1 - b1**t))

# %% tags=["fold"]
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), width_ratios=(1, 1.3))
    axes[0].plot(t, sizes_of_step, label="simulated")
    axes[0].plot(t, by_formula, "--", label="formula")
    axes[0].set(xlabel="step", ylabel="size of the update / η", xscale="log", ylim=(0, 1.05))
    axes[0].legend(title="gradients of pure noise", title_fontsize=9)
    shown_steps = np.arange(chunk, short + 1, chunk) - chunk / 2
    for color, peak in zip(plots.PALETTE, peaks, strict=False):
        for warm, style in ((True, "o-"), (False, "s--")):
            axes[1].plot(
                shown_steps,
                starts[peak, warm],
                style,
                color=color,
                markersize=4,
                label=f"{peak:g}, {'warm-up' if warm else 'none'}",
            )
    axes[1].set(xlabel="step", ylabel="−log p per token (nats)", ylim=(0, None))
    axes[1].legend(title="peak of the rate", title_fontsize=9, fontsize=8, ncols=2)
book.figure(
    figure,
    "warm-up",
    "Left: root mean square of Adam's update, in units of the learning rate, where gradients are "
    f"pure noise. Right: the first {short} steps of one network from the same weights, for several "
    f"peaks of the rate, with {warm_steps} steps of warm-up (circles, full) and with none "
    f"(squares, dashed); means of {chunk} steps.",
    alt="Left: a curve falls from one to about a quarter. Right: falling loss curves, a full and a "
    "dashed one for each rate.",
)

# %% tags=["hide"]
ends = {key: curve[-1] for key, curve in starts.items()}
path = np.array(path)
carried = {  # by noise in some first steps and in the last ones, a mean over the weights
    many: [math.sqrt(np.mean(way**2)) for way in (path[many], path[-1] - path[-1 - many])]
    for many in (1, 10, 100)
}
helped = [peak for peak in peaks if ends[peak, True] < ends[peak, False]]
book.say(
    f"For noise the update is {sizes_of_step[0]:.2f} $\\eta$ in the first step and "
    f"{np.mean(sizes_of_step[-50:]):.2f} $\\eta$ in the last fifty (formula: {by_formula[0]:.2f} "
    f"and {by_formula[-1]:.2f}). But later steps point the same way for a while: noise carries a "
    "weight "
    + listed(
        [
            f"{first / last:.1f} times as far in the first {many} steps as in the last {many}"
            for many, (first, last) in carried.items()
            if many > 1
        ]
    )
    + f" of {updates:,} at a constant rate. The start is rougher, for about as many steps as the "
    "mean of the gradients is long. In the "
    f"trainings of {short} steps the last loss with warm-up is "
    + listed([f"{ends[peak, True]:.2f} at a peak of {peak:g}" for peak in peaks])
    + ", and without "
    + listed([f"{ends[peak, False]:.2f}" for peak in peaks])
    + " (@fig:warm-up). "
    + (
        "Here a slow start costs steps at a rate that the network would have borne, and saves the "
        "run at a rate that it would not. "
        if peaks[0] not in helped and peaks[-1] in helped
        else f"Warm-up is ahead at {len(helped)} of the {len(peaks)} peaks. "
    )
    + "One training each; the order of the data is the same for all."
)

# %% [markdown]
# ### Four models
#
# We train a Transformer; an LSTM that reads the source backwards, so that its first syllables are
# nearest to the first words (Sutskever and others), and one that writes (together with about as
# many weights); the Transformer without positions; and the Transformer with label smoothing. Steps,
# batches and schedule are the same for all; the peak of the rate is each model's own. (In the
# default profile it was chosen, among three or more, on validation numbers. No search is on record
# for those of the full profile, so small differences between models say little.)

# %%
steps = book.setting(default=320, full=1500)
seeds = book.setting(default=(0,), full=(0, 1, 2))
smoothing = 0.1


def without_positions(seed=0):
    model = transformer(seed)
    model.positions = np.zeros_like(model.positions)
    return model


def recurrent(seed=0):
    units = book.setting(default=72, full=96)
    model = LSTMSequenceToSequence(len(korean), len(english_words), units, max_length=32, seed=seed)
    model.build({"source": (None, None), "target": (None, None)})
    return model


lineup = {
    "Transformer": (transformer, book.setting(default=1e-2, full=2e-3)),
    "LSTM": (recurrent, book.setting(default=4e-2, full=1e-2)),
    "no positions": (without_positions, book.setting(default=5e-3, full=2e-3)),
    "label smoothing": (
        lambda seed=0: transformer(seed, label_smoothing=smoothing),
        book.setting(default=5e-3, full=2e-3),
    ),
}
models, trained, curves = {}, {}, {}
for name, (make, peak) in lineup.items():
    models[name] = compiled(make())
    for seed in seeds:
        curves[name, seed] = fit(models[name], make(seed).get_weights(), steps, peak, seed=seed)
        trained[name, seed] = models[name].get_weights()
    models[name].set_weights(trained[name, seeds[0]])

# %% [markdown]
# ### What they learned
#
# A translation counts if every word of it is right. The models write greedily. They are asked about
# numbers of the training set, new numbers of the same kind, the changed forms from the beginning of
# the chapter, and numbers with **one digit more** than any in training. These come in two groups:
# sources that are no longer than the longest in training, and sources that are longer. (Two digits
# more would be no fair question: such pairs have a word that no training pair has, and for which
# the model has no token.)


# %%
def translate(model, sources, group=500):
    """Greedy translations."""
    written = []
    for k in range(0, len(sources), group):
        rows = korean.encode(sources[k : k + group])
        written += english_words.decode(model.greedy(rows, max_length=20))
    return written


def chosen(pairs, rows):
    return Pairs(*(tuple(side[k] for k in rows) for side in (pairs.source, pairs.target)))


count = len(text.test)
beyond = longer_numbers(max_digits + 1, count=2 * count, seed=1)
sizes_beyond = np.array([len(source.split()) for source in beyond.source])
kept = np.random.default_rng(5).choice(len(text.train), count, replace=False)
judged = {
    "training numbers": chosen(text.train, kept),
    "new numbers": text.test,
    **edited,
    "one digit more, not longer": chosen(
        beyond, np.flatnonzero(sizes_beyond <= source_lengths.max())
    ),
    "one digit more, longer": chosen(beyond, np.flatnonzero(sizes_beyond > source_lengths.max())),
}
every_source = [source for pairs in judged.values() for source in pairs.source]
written, right = {}, collections.defaultdict(list)
for name, model in models.items():
    for seed in seeds:
        model.set_weights(trained[name, seed])
        answers = iter(translate(model, every_source))
        for kind, pairs in judged.items():
            found = list(itertools.islice(answers, len(pairs)))
            written[name, seed, kind] = found
            right[name, kind].append([a == b for a, b in zip(found, pairs.target, strict=True)])
    model.set_weights(trained[name, seeds[0]])
right = {key: np.array(rows) for key, rows in right.items()}  # (seeds, numbers)


def percent(name, kind):
    """Share of numbers without a mistake in %, ± standard error over numbers."""
    return mean_error(100.0 * right[name, kind].mean(axis=0), ".1f")


# %% tags=["fold"]
def by_length(name, groups):
    """Syllables, share without a mistake and its standard error, where there are ten numbers."""
    lengths = np.array([len(s.split()) for g in groups for s in judged[g].source])
    hits = 100 * np.concatenate([right[name, g].mean(axis=0) for g in groups])
    rows = [(n, hits[lengths == n]) for n in np.unique(lengths) if np.sum(lengths == n) > 9]
    return np.array([[n, h.mean(), h.std() / math.sqrt(len(h))] for n, h in rows]).T


far_kinds = [kind for kind in judged if kind.startswith("one digit")]
with plots.style():
    figure, axis = plt.subplots(figsize=(6.6, 3.6))
    looks = {"Transformer": "o", "LSTM": "s", "no positions": "^"}
    for k, (name, marker) in enumerate(looks.items()):
        color = plots.PALETTE[k]
        for style, groups, what in (
            ("-", ["new numbers"], ""),
            ("--", far_kinds, ", one digit more"),
        ):
            n, mean, bar = by_length(name, groups)
            look_ = {"color": color, "mfc": color if style == "-" else "none", "capsize": 2}
            label = f"{name}{what}"
            axis.errorbar(n + 0.1 * (k - 1), mean, bar, fmt=marker + style, label=label, **look_)
    axis.axvspan(source_lengths.max() + 0.5, sizes_beyond.max() + 0.5, color=plots.GRID, alpha=0.5)
    axis.set(xlabel="syllables of the source", ylabel="without a mistake (%)", ylim=(-4, 104))
    axis.legend(fontsize=8, loc="center left")
book.figure(
    figure,
    "lengths",
    "Numbers translated without a mistake, by the length of the source; bars: one standard error "
    "over numbers. Full: new numbers with as many digits as in training. Dashed, hollow: one digit "
    "more. Grey: sources longer than any in training.",
    alt="Lines with error bars against the number of syllables: three models on new numbers, and "
    "the same on numbers with one digit more.",
)

# %% tags=["hide"]
ranges = {name: 100 * right[name, "trimmed"].mean(axis=1) for name in ("Transformer", "LSTM")}
spread = "; of the trimmed numbers single trainings have " + listed(
    [f"{row.min():.1f} to {row.max():.1f} ({name})" for name, row in ranges.items()]
)
spread = spread if len(seeds) > 1 else ""
book.table(
    [
        [kind, f"{len(pairs):,}", *(percent(name, kind) for name in models)]
        for kind, pairs in judged.items()
    ],
    ["numbers", "count", *models],
    "Percent of numbers translated without a mistake, ± one standard error over numbers; "
    f"{'one training' if len(seeds) == 1 else f'means of {len(seeds)} trainings'} of {steps:,} "
    f"steps of {batch_size} numbers. (Where all or none of n are right the error is 0 by its "
    "formula; with 95 % confidence the share is within 3 / n of it, for "
    f"{len(text.test):,} numbers {300 / len(text.test):.2g} points.) It says how well the share is "
    "known for "
    f"{'this training' if len(seeds) == 1 else 'these trainings'}, not how much another would "
    f"differ{spread}. Weights: "
    + listed([f"{name} {models[name].count_params():,}" for name in ("Transformer", "LSTM")])
    + ".",
    name="right",
)


def lead(kind, one="Transformer", other="LSTM"):
    """Percentage points between two models, number by number, and the standard error."""
    gap = 100.0 * (right[one, kind].mean(axis=0) - right[other, kind].mean(axis=0))
    return gap.mean(), gap.std(ddof=1) / math.sqrt(len(gap))


def compared(kind, one="Transformer", other="LSTM"):
    gap, unsure = lead(kind, one, other)
    places = 1 if unsure >= 0.05 else 2
    words = f"{number(gap, f'+.{places}f')} ± {unsure:.{places}f}"
    if abs(gap) < 2 * unsure:
        return f"{words} (not clear)"
    ours, theirs = (right[name, kind].mean(axis=1) for name in (one, other))
    overlap = len(seeds) > 1 and ours.min() <= theirs.max() and theirs.min() <= ours.max()
    return words + (" (single trainings overlap)" if overlap else "")


def drop(name):
    """Percentage points lost from new numbers to the changed forms, the mean of the three."""
    return 100 * (
        right[name, "new numbers"].mean() - np.mean([right[name, kind].mean() for kind in kinds])
    )


def is_round(sources):
    """Whether the numbers end in two zeros or more."""
    return np.array([value(source) % 100 == 0 for source in sources])


drops = {name: drop(name) for name in ("Transformer", "LSTM")}
round_share = {kind: is_round(edited[kind].source).mean() for kind in kinds}
round_share["in training"] = is_round(above_99).mean()
round_ones = is_round(edited["trimmed"].source)
round_right = {
    name: [100 * right[name, "trimmed"][:, round_ones == ends].mean() for ends in (False, True)]
    for name in drops
}
way = int(source_lengths.max() + target_lengths.max())
behind = lead("new numbers")[0] <= 0
short_enough = np.array([value(s) < 10**limit_digits for s in text.test.source])
nopos = 100 * right["no positions", "new numbers"].mean(axis=0)[short_enough]
leads = listed(
    [f"{compared(kind)} on {kind}" for kind in judged if kind in ("new numbers", *kinds)]
)
book.box(
    "notes",
    "What the notes say: recurrent models have great trouble with trimmed, omitted, permuted "
    "sequences",
    f"From new numbers to their changed forms the LSTM loses {number(drops['LSTM'], '.1f')} "
    f"percentage points on average, and the Transformer {number(drops['Transformer'], '.1f')} "
    "(@table:right). "
    + (
        "So the three changes trouble recurrence little here. The sequences are short: from a "
        f"syllable to a word there are at most {way} steps of reader and writer, over which the "
        "derivative of @fig:distance falls to "
        f"{by_distance['LSTM'][way] / by_distance['LSTM'][0]:.2f} of its first value, and "
        "training can mend that. "
        if drops["LSTM"] < 5
        else "So the three changes do trouble recurrence here. "
    )
    + f"The Transformer's lead over the LSTM in points, number by number, is {leads}. "
    + (
        "On new numbers the LSTM is not behind at all: attention is no condition for this task. "
        if behind
        else ""
    )
    + f"One change makes another kind of number: {round_share['trimmed']:.0%} of the trimmed "
    f"numbers end in two zeros or more, {round_share['omitted']:.1%} of the omitted and "
    f"{round_share['permuted']:.1%} of the permuted ones, and {round_share['in training']:.1%} of "
    f"those in training. Of the trimmed numbers that end so the Transformer has "
    f"{round_right['Transformer'][1]:.1f}% right and the LSTM {round_right['LSTM'][1]:.1f}%, of "
    f"the others {round_right['Transformer'][0]:.1f}% and {round_right['LSTM'][0]:.1f}%. A "
    "sequence that breaks the grammar has no right answer to measure.",
)
book.say(
    f"Without positions {mean_error(nopos, '.1f')}% of the {len(nopos):,} new numbers of at most "
    f"{limit_digits} digits are right. A bag of syllables allows {share_known:.1%} of numbers with "
    f"as many digits as these, and {share_unseen:.1%} with all training numbers in memory"
    + (
        ": the model has learned about all that can be known without order and without memory of "
        "single numbers. "
        if abs(nopos.mean() - 100 * share_known) < 200 * math.sqrt(share_known / len(nopos))
        else ". "
    )
    + "With positions it is "
    + f"{100 * right['Transformer', 'new numbers'].mean(axis=0)[short_enough].mean():.1f}%."
)
poor = all(right[name, kind].mean() < 0.5 for name in drops for kind in far_kinds)
few_rows = [*np.linspace(0, len(judged[far_kinds[0]]) - 1, 3).astype(int)]
book.table(
    [
        [f"{value(judged[far_kinds[0]].source[k]):,}"]
        + [written[name, seeds[0], far_kinds[0]][k] for name in drops]
        for k in few_rows
    ],
    ["number", *drops],
    f"What is written for three numbers with {max_digits + 1} digits, not selected.",
    name="beyond",
)
first_word = {
    name: np.mean(
        [
            w.split()[:1] == t.split()[:1]
            for kind in far_kinds
            for w, t in zip(written[name, seeds[0], kind], judged[kind].target, strict=True)
        ]
    )
    for name in drops
}
shares = [
    f"the Transformer has {percent('Transformer', kind)}% and the LSTM {percent('LSTM', kind)}% "
    f"where sources are {what}"
    for kind, what in zip(far_kinds, ("not longer", "longer"), strict=True)
]
book.say(
    f"**One digit more.** Of these numbers {listed(shares)} (@fig:lengths, @table:beyond). "
    + (
        "Neither has learned the rule, and the new places are not the only reason, since sources "
        "of known length fail as well. Every syllable and every word was in training; only their "
        "order is new. The first word is right in "
        f"{listed([f'{share:.0%} ({name})' for name, share in first_word.items()])} of the cases. "
        "A model that is right on new numbers of known lengths has learned how to do *those*; "
        "nothing in its loss says what to do beyond."
        if poor
        else "Part of the rule carries over to numbers longer than any in training."
    )
)

# %% tags=["hide"]
translator = models["Transformer"]
forced_rows, after_mistakes = [], {}
for kind, pairs in (("new numbers", text.test), ("one digit more", beyond)):
    x_ = encoded(pairs)
    labels = x_["target"][:, 1:]
    guessed = translator.predict(x_, batch_size=500, verbose=0).argmax(axis=-1)
    free = translator.greedy(x_["source"], max_length=20).numpy()[:, : labels.shape[1]]
    present_ = labels != PAD
    forced_hit, free_hit = (guess == labels for guess in (guessed, free))
    whole = [np.all(hit | ~present_, axis=1) for hit in (forced_hit, free_hit)]
    first_wrong = np.argmax(~forced_hit & present_, axis=1)
    after = present_ & (np.arange(labels.shape[1]) > first_wrong[:, None]) & ~whole[0][:, None]
    after_mistakes[kind] = [100 * hit[after].mean() for hit in (forced_hit, free_hit)]
    forced_rows.append(
        [
            kind,
            f"{100 * whole[0].mean():.2f}",
            f"{100 * whole[1].mean():.2f}",
            f"{np.sum(whole[0] != whole[1])}",
            *(f"{share:.1f}" if after.any() else "—" for share in after_mistakes[kind]),
        ]
    )
book.table(
    forced_rows,
    ["numbers", "whole, forced", "free", "differ", "later words, forced", "free"],
    "Teacher forcing and free writing, Transformer. Whole: percent of targets without a mistake. "
    "Differ: targets right in one way and not in the other. Later words: percent of right tokens "
    "at the places after the first mistake.",
    name="forcing",
)
forced_later, free_later = after_mistakes["one digit more"]
differing = sum(int(row[3]) for row in forced_rows)
book.say(
    (
        "As derived, the same targets are right in both ways. "
        if differing == 0
        else f"Of all targets {differing} are right in one way only, where two tokens are so close "
        "that rounding decides. "
    )
    + f"After a mistake, in numbers with one digit more, {forced_later:.1f}% of the tokens are "
    f"right with teacher forcing and {free_later:.1f}% without (@table:forcing)"
    + (
        ": teacher forcing puts the right word in place of the wrong one and the model goes on "
        "from there. So the accuracy per token under teacher forcing, which is easy to measure, is "
        "too kind to a model that makes mistakes."
        if forced_later > free_later
        else "."
    )
)

# %% tags=["hide"]
possible = len(english_words) - END
u_right, u_other = 1 - smoothing + smoothing / possible, smoothing / possible
least = -xlogy(u_right, u_right) - (possible - 1) * xlogy(u_other, u_other)
confidence = {}
for name in ("Transformer", "label smoothing"):
    logits = models[name].predict(test_x, batch_size=500, verbose=0)
    labels = test_x["target"][:, 1:]
    p_right = np.take_along_axis(softmax(logits, axis=-1), labels[..., None], axis=-1)[..., 0]
    seen = labels != PAD
    confidence[name] = np.median(p_right[seen]), -np.log(p_right[seen]).mean()
smooth_leads = listed(
    [
        f"{compared(kind, 'label smoothing', 'Transformer')} on {kind}"
        for kind in ("new numbers", *kinds)
    ]
)
book.say(
    f"**Label smoothing.** With $\\epsilon = {smoothing}$ and $K = {possible}$ possible tokens the "
    f"best $p$ gives the right token {u_right:.4f} and each other {u_other:.4f}; the logit of the "
    f"right one lies {math.log(u_right / u_other):.2f} above the others, and the loss cannot fall "
    f"below {least:.3f} nats. On new numbers the trained model gives the right token a median "
    f"probability of {confidence['label smoothing'][0]:.4f}; without smoothing it is "
    f"{confidence['Transformer'][0]:.4f}. Its $-\\log p$ per token is "
    f"{confidence['label smoothing'][1]:.3f} against {confidence['Transformer'][1]:.3f}"
    + (
        ": the model says less than it knows, and where its probabilities are wanted that is a "
        "loss. "
        if confidence["label smoothing"][1] > confidence["Transformer"][1]
        else ". "
    )
    + "In numbers without a mistake, the lead of the model with smoothing in points is "
    f"{smooth_leads} (± over numbers)."
)

# %% [markdown]
# ## Writing
#
# The model gives the probability of every next token. There are several ways to make a sequence of
# that. The notes say that at each step a word is **sampled**. That gives a draw from $p(y \mid x)$,
# which is right if variety is wanted, as in a dialogue. For a translation one wants a *probable*
# sequence. **Greedy**: always the most probable token. This need not give the most probable
# sequence: a good beginning may have no good end. **Beam search** keeps the $b$ best beginnings
# side by side. A model of three tokens is enough to see it:

# %%
table = np.full((5, 5), -1e9, "float32")  # log p(next | last); tokens PAD, START, END, A, B
A, B = 3, 4
table[START, [A, B]] = np.log([0.6, 0.4])
table[A, [END, A, B]] = np.log([0.4, 0.3, 0.3])
table[B, [END, A]] = np.log([0.9, 0.1])


def next_token(last, place, state):
    return tf.gather(table, last), state


names = dict(zip((END, A, B), ("END", "A", "B"), strict=True))
greedy_row, greedy_log_p = decoding.draw(
    next_token, tf.zeros(1), 1, max_length=3, choose=decoding.most_probable
)
beam_rows, beam_scores = decoding.beam_search(next_token, tf.zeros(2), 1, 3, 2, length_penalty=0.0)

# %% tags=["hide"]


def spelled(row):
    return " ".join(names[int(token)] for token in row if int(token))


book.say(
    f"Greedy writes *{spelled(greedy_row[0])}* with probability {math.exp(greedy_log_p[0]):.2f}: A "
    f"is more probable than B. A beam of two finds *{spelled(beam_rows[0, 0])}* with probability "
    f"{math.exp(beam_scores[0, 0]):.2f}."
)

# %% [markdown]
# Sums of log-probabilities only fall with each token, so a beam that compares sums prefers short
# sequences. Dividing by the length (to some power) takes that back; it is a rule of thumb and no
# longer a comparison of probabilities.
#
# On our task a trained model leaves little to search for. So we take one that was stopped early,
# and ask of each translation that is wrong whose fault it is: if the right translation has a
# *higher* probability than the one written, the **search** has missed it; else the **model**
# prefers the wrong one, and no search can help.

# %%
early_steps = book.setting(default=100, full=200)
early = trial
fit(early, first_weights, early_steps, lineup["Transformer"][1])
asked = korean.encode(text.test.source)


def with_start(rows):
    rows = np.asarray(rows)
    return np.concatenate([np.full((len(rows), 1), START, rows.dtype), rows], axis=1)


ways = {
    "greedy": early.greedy(asked, 20),
    "beam of 4, sums": early.beam_search(asked, 4, 20, length_penalty=0.0)[0][:, 0],
    "beam of 4, means": early.beam_search(asked, 4, 20, length_penalty=1.0)[0][:, 0],
    "draws": early.sample(asked, 20, seed=0),
    "draws, temperature 0.5": early.sample(asked, 20, temperature=0.5, seed=0),
}

# %% tags=["hide"]
log_p_right = early.log_prob(asked, test_x["target"]).numpy()
way_rows, way_right = [], {}
for name, rows in ways.items():
    rows = np.asarray(rows)
    found = english_words.decode(rows)
    ended = (rows == END).any(axis=1)
    log_p = early.log_prob(asked, with_start(rows)).numpy()
    hit = np.array([a == b for a, b in zip(found, text.test.target, strict=True)])
    missed = ~hit & (log_p_right > log_p + 1e-4)
    way_right[name] = hit
    way_rows.append(
        [
            name,
            mean_error(100.0 * hit, ".1f"),
            mean_error(log_p, ".2f"),
            f"{100 * missed.mean():.1f}",
            f"{100 * (~hit & ~missed).mean():.1f}",
            f"{100 * (~ended).mean():.1f}",
        ]
    )
book.table(
    way_rows,
    ["way", "right (%)", "log p of it", "search (%)", "model (%)", "no end (%)"],
    f"Ways to write {len(asked):,} new numbers with a Transformer that was stopped after "
    f"{early_steps} steps; ± one standard error over numbers. Log p: of what is written, nats. "
    "Search: wrong, while the right translation is more probable. Model: wrong, and it is not. No "
    "end: longer than 20 tokens. Temperature: what logits are divided by before the softmax; below "
    "1, probable tokens become more probable.",
    name="ways",
)
gained = 100.0 * way_right["beam of 4, sums"] - 100.0 * way_right["greedy"]
book.say(
    "The beam that compares sums changes the share of right numbers by "
    f"{mean_error(gained, '+.1f')} points against greedy writing (@table:ways). Draws are right "
    "less often the flatter the distribution is: a sequence of several tokens has several "
    "occasions to draw a wrong one. That is no fault of drawing: a draw is the right translation "
    "with just the probability that the model gives it. "
    f"(That probability is {np.exp(log_p_right).mean():.3f} on average, and the share of draws "
    f"that are right {way_right['draws'].mean():.3f}.)"
)

# %% [markdown]
# ### What the cache saves
#
# To write token $t + 1$ the decoder needs, in each block, the query of place $t$ and the keys and
# values of places $1, \dots, t$. By the causal mask nothing at an earlier place depends on a later
# token: the old keys and values stay what they were. So they are kept, and each step computes one
# place.

# %% tags=["hide"]
book.source(DecoderBlock.step)
rows = translator.greedy(test_x["source"], 20).numpy()
again = translator.predict(
    {"source": test_x["source"], "target": with_start(rows)}, batch_size=500, verbose=0
).argmax(axis=-1)
seen = rows != PAD
book.table(
    [
        [
            f"{n:,}",
            f"{n * (n + 1) // 2:,}",
            f"{n:,}",
            f"{n * (n + 1) * (2 * n + 1) // 6:,}",
            f"{n * (n + 1) // 2:,}",
        ]
        for n in (10, 100, 1000)
    ],
    ["tokens n", "places, without", "places, with", "scores, without", "scores, with"],
    "Writing $n$ tokens without and with a cache: places at which a decoder block is computed, "
    "$\\sum_t t$ against $n$; scores per head between places of the target, $\\sum_t t^2$ against "
    "$\\sum_t t$.",
    name="cache",
)
book.say(
    "The saving is a factor of $(n + 1) / 2$ in all that is computed place by place, and of $(2 n "
    "+ 1) / 3$ in scores (@table:cache). What is written stays the same: computed anew from the "
    "whole beginning, the most probable token is the written one at "
    f"{np.sum((again == rows) & seen):,} of {seen.sum():,} places. The memory's keys and values "
    "are made once per source. How much *time* this saves depends on the machine; `benchmarks/` is "
    "the place for that."
)

# %% [markdown]
# ## Where it looks
#
# The weights of the decoder's attention on the encoder say, for each word written, from which
# syllables its vector was mixed. (Syllables are in Latin letters here.)

# %%
lengths = np.sum(test_x["source"] != PAD, axis=1)
fits = right["Transformer", "new numbers"][0] & (lengths == lengths.max())
looked_at = int(np.flatnonzero(fits)[0]) if fits.any() else int(np.argmax(lengths))
pair = chosen(text.test, [looked_at])
maps = translator.attention_maps(**encoded(pair)).numpy()[-1, 0]  # of the last block, by head

# %% tags=["fold"]
columns = [*romanised(pair.source[0]).split(), "END"]
lines = [*pair.target[0].split(), "END"]


def heads_drawn(pictures, rows, down):
    """A picture for each head, with the syllables of the source across."""
    with plots.style():
        figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.6), sharex=True, sharey=True)
        for k, (axis, picture) in enumerate(zip(axes.flat, pictures, strict=True)):
            image = axis.imshow(picture, cmap="Blues", vmin=0, vmax=1, aspect="auto")
            axis.set_xticks(range(len(columns)), columns, rotation=60, fontsize=8)
            axis.set_yticks(range(len(rows)), rows, fontsize=8)
            axis.set_title(f"head {k + 1}", fontsize=9)
            axis.grid(False)
        figure.supxlabel("syllable that is looked at", fontsize=10)
        figure.supylabel(down, fontsize=10)
        figure.colorbar(image, ax=axes, label="weight", shrink=0.6)
    return figure


book.figure(
    heads_drawn(maps, lines, "word that is written"),
    "attention",
    f"Weights of the last decoder block on the syllables of {value(pair.source[0]):,}, by head. A "
    "row has the name of the word that is written from it and adds up to 1.",
    alt="Four maps of English words against Korean syllables, with dark cells where a head looks.",
)
within = translator.self_attention_maps(encoded(pair)["source"]).numpy()[0, 0]  # the first block's
book.figure(
    heads_drawn(within, columns, "syllable that looks"),
    "self",
    f"Weights of the first encoder block, by head: how much each syllable of "
    f"{value(pair.source[0]):,} looks at each. Only here are the vectors that are mixed still "
    "those of single syllables and their places.",
    alt="Four square maps of the same syllables against each other, with dark cells where a head "
    "looks.",
)

# %% tags=["hide"]
neighbours = np.arange(len(columns) - 1)
nearby = within[:, neighbours, neighbours + 1] + within[:, neighbours + 1, neighbours]
on_neighbours = nearby.sum(axis=1) / len(columns)
book.say(
    "In the encoder a syllable can look both ways (@fig:self). On the syllable before and the one "
    f"after, together, lie {listed([f'{share:.0%}' for share in on_neighbours])} of the weight of "
    "the four heads; even weights would put "
    f"{2 * (len(columns) - 1) / len(columns) ** 2:.0%} there."
)

# %% [markdown]
# Such pictures are easy to read too much into. Let us count. A word for a single digit, *two* to
# *nine*, comes from one syllable, and if this syllable occurs once in the source we know which one
# a reader would look at. For each head: how often does it give its largest weight to that syllable?
# We choose the best head on the first half of the test numbers and count on the second half.

# %% tags=["hide"]
DIGIT_WORDS = {english(n): sino_korean(n) for n in range(2, 10)}
maps_of_all = translator.attention_maps(**test_x).numpy()  # (blocks, rows, heads, words, syllables)
by_head = maps_of_all.swapaxes(1, 2).reshape(-1, len(text.test), *maps_of_all.shape[3:])
strongest = by_head.argmax(axis=-1)
mean_strongest = by_head.mean(axis=0).argmax(axis=-1)
aims = []  # row, word, syllable, chance of a guess
for row, (source, target) in enumerate(zip(text.test.source, text.test.target, strict=True)):
    syllables = source.split()
    for place, word in enumerate(target.split()):
        syllable = DIGIT_WORDS.get(word)
        if syllable and syllables.count(syllable) == 1 and target.split().count(word) == 1:
            aims.append((row, place, syllables.index(syllable), 1 / (len(syllables) + 1)))
row_, place_, syllable_, chance_ = (np.array(part) for part in zip(*aims, strict=True))
hits_by_head = strongest[:, row_, place_] == syllable_
first_half = row_ < len(text.test) // 2
best_head = int(hits_by_head[:, first_half].mean(axis=1).argmax())
counted = hits_by_head[:, ~first_half]
mean_hits = (mean_strongest[row_, place_] == syllable_)[~first_half]
heads_per_block = sizes["num_heads"]
book.say(
    f"There are {len(aims):,} such words. On the second half of the numbers the best head, number "
    f"{best_head % heads_per_block + 1} of block {best_head // heads_per_block + 1}, gives its "
    "largest weight to the syllable of the digit in "
    f"{mean_error(100.0 * counted[best_head], '.1f')}% of the cases, all heads by themselves in "
    f"{listed([f'{100 * share:.0f}%' for share in counted.mean(axis=1)])}, and the mean of all "
    f"heads in {mean_error(100.0 * mean_hits, '.1f')}%. A guess would be right in "
    f"{100 * chance_[~first_half].mean():.0f}%. "
    + (
        "So a head can be found that points where a reader would"
        if counted[best_head].mean() > 0.7
        else "So no head points reliably where a reader would, and yet words come out right"
    )
    + f"; {np.sum(counted.mean(axis=1) < 0.5)} of the {len(counted)} do so in less than half of "
    "the cases. And what is pointed at is no longer a syllable: the encoder has mixed into each "
    "vector what it found elsewhere. "
    + "A weight says where a mixture came from and not why a word was chosen. In recurrent "
    "classifiers other weights can give the same answer (Jain and Wallace); we did not try it here."
)

# %% tags=["hide"]
if book.setting(default=False, full=True):
    # A short training: enough to see where the model looks, not for a score.
    pieces = recipe.load_multi30k()
    settings = recipe.MULTI30K | {"warmup_steps": 1000, "dropout": 0.1}
    german = recipe.make_model(settings, pieces)
    batches, per_epoch = recipe.in_buckets(settings, pieces.train.x)(0)
    german.fit(batches, steps_per_epoch=per_epoch, epochs=8, verbose=book.verbosity())
    in_english = pieces.test.pairs.source
    sentence = next(k for k, words in enumerate(in_english) if len(words.split()) == 10)
    source = pieces.source.encode(in_english[sentence : sentence + 1])
    best = german.beam_search(source, 5, max_length=40)[0][:, 0].numpy()
    best = with_start(best[:, : np.argmax(best[0] == END) + 1])
    map_ = german.attention_maps(source, best).numpy()[-1, 0].mean(axis=0)
    vocabulary = pieces.source.vocabulary.tokens
    read, wrote = (
        [vocabulary[token].replace("</w>", "").replace("<end>", "END") for token in row]
        for row in (source[0], best[0, 1:])
    )
    with plots.style():
        figure, axis = plt.subplots(figsize=(6.4, 5.2))
        image = axis.imshow(map_, cmap="Blues", vmin=0, aspect="auto")
        axis.set_xticks(range(len(read)), read, rotation=60, fontsize=8, ha="right")
        axis.set_yticks(range(len(wrote)), wrote, fontsize=8)
        axis.set(xlabel="piece of the source", ylabel="piece that is written")
        axis.grid(False)
        figure.colorbar(image, ax=axis, label="weight, mean of heads")
    book.figure(
        figure,
        "german",
        "A sentence of Multi30k and its translation by a Transformer after 8 epochs (recipe "
        f"`{recipe.MULTI30K_RECIPE.name}` has {recipe.MULTI30K['epochs']}), in byte pairs; weights "
        "of the last decoder block, mean of its heads.",
        alt="A map of German pieces against English pieces, with dark cells where the model looks.",
    )
    book.say(
        f"The same on real sentences (@fig:german): *{in_english[sentence]}* is written as "
        f"*{pieces.target.decode(best[:, 1:])[0]}*; the reference of Multi30k is "
        f"*{pieces.test.pairs.target[sentence]}*. After so few epochs a translation can be "
        "fluent and wrong; the weights look no worse for it."
    )

# %% [markdown]
# ## BLEU
#
# For sentences there is more than one right translation, so "without a mistake" is too strict, and
# a score for *nearly* right is wanted. **BLEU** counts runs of words. Let $c$ be the number of
# words of all translations and $r$ that of all references. For $n = 1, \dots, 4$ the precision
# $p_n$ is the share of runs of $n$ words of the translation that are in its reference; a run counts
# at most as often as the reference has it (**clipping**). Then
#
# $$
# \text{BLEU} = 100 \cdot \min \big( 1, e^{1 - r/c} \big) \cdot \Big( \prod_{n=1}^4 p_n
# \Big)^{1/4} .
# $$
#
# Precision alone would favour saying little, so the first factor, the **brevity penalty**, punishes
# translations shorter than their references. Counts are added up over the whole test set *before*
# they are divided.


# %%
def runs(words, n):
    return collections.Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))


def bleu_counts(translations, references, clip=True):
    """Matched runs and all runs for n = 1 to 4, and the words of both sides."""
    matched, total, c, r = np.zeros(4), np.zeros(4), 0, 0
    for translation, reference in zip(translations, references, strict=True):
        ours, theirs = translation.split(), reference.split()
        c, r = c + len(ours), r + len(theirs)
        for n in range(1, 5):
            found, there = runs(ours, n), runs(theirs, n)
            total[n - 1] += sum(found.values())
            matched[n - 1] += sum(
                min(times, there[run]) if clip else times * (run in there)
                for run, times in found.items()
            )
    return matched, total, c, r


def bleu(translations, references):
    matched, total, c, r = bleu_counts(translations, references)
    if not matched.all():
        return 0.0
    return 100 * min(1, math.exp(1 - r / c)) * math.exp(np.log(matched / total).mean())


reference = "two hundred thirty four thousand five hundred sixty seven"
translation = "two hundred thirty four thousand six hundred seven"
matched, total, c, r = bleu_counts([translation], [reference])

# %% tags=["hide"]
book.say(
    rf"""
    By hand, for the reference *{reference}* ({r} words) and the translation *{translation}* ({c}
    words):

    $$
    p_1 = \frac{{{matched[0]:.0f}}}{{{total[0]:.0f}}}, \quad p_2 =
    \frac{{{matched[1]:.0f}}}{{{total[1]:.0f}}}, \quad p_3 =
    \frac{{{matched[2]:.0f}}}{{{total[2]:.0f}}}, \quad p_4 =
    \frac{{{matched[3]:.0f}}}{{{total[3]:.0f}}}, \qquad e^{{1 - {r}/{c}}} =
    {math.exp(1 - r / c):.4f} .
    $$

    The product of the four is {np.prod(matched / total):.4f}, its fourth root
    {np.prod(matched / total) ** 0.25:.4f}, and BLEU is {bleu([translation], [reference]):.2f}.
    """
)
cut_short = " ".join(reference.split()[:-1])
same_words = " ".join(sorted(reference.split()))
last_wrong = f"{cut_short} eight"
with_and = reference.replace("hundred sixty", "hundred and sixty")
hyphens = reference.replace("thirty four", "thirty-four").replace("sixty seven", "sixty-seven")
repeated = " ".join(["hundred"] * len(reference.split()))
traps = {
    "the reference itself": (reference, reference, "that is 100"),
    "last word wrong": (last_wrong, reference, "a wrong number, and the score is high"),
    "with *and*": (with_and, reference, "right, as many say it; one reference cannot know"),
    "with hyphens": (hyphens, reference, "right; the tokeniser decides what a word is"),
    "a capital at the start": (reference.capitalize(), reference, "right; case counts"),
    "all words in alphabetical order": (same_words, reference, "all words right, none in place"),
    "a right short number": ("five hundred", "five hundred", "no run of four words: 0 by itself"),
    "the last word left out": (cut_short, reference, "every precision is 1; brevity"),
}
book.table(
    [
        [what, f"{bleu([ours], [theirs]):.1f}", comment]
        for what, (ours, theirs, comment) in traps.items()
    ],
    ["translation", "BLEU", "what happens"],
    "BLEU of single sentences against the reference of the text (*a right short number*: against "
    "itself). A score for single sentences is not what BLEU was made for; zeros are then usually "
    "smoothed away, in several ways that do not agree.",
    name="traps",
)
unclipped = bleu_counts([repeated], [reference], clip=False)[0][0]
clipped = bleu_counts([repeated], [reference])[0][0]
kind = "one digit more, longer"
sets = {
    (name, kind): (written[name, seeds[0], kind], judged[kind].target)
    for name in ("Transformer", "LSTM")
    for kind in ("new numbers", "one digit more, longer")
}
whole_bleu = {key: bleu(*both) for key, both in sets.items()}
mean_bleu = {
    key: np.mean([bleu([a], [b]) for a, b in zip(*both, strict=True)]) for key, both in sets.items()
}
try:
    library_bleu = {key: tokenised_bleu(*both) for key, both in sets.items()}
    agreement = (
        "The library's `tokenised_bleu`, which asks sacreBLEU, differs from our functions by at "
        f"most {apart([*library_bleu.values()], [*whole_bleu.values()])}. "
    )
except ImportError:
    agreement = ""  # without the extra `text` there is no sacreBLEU
book.table(
    [
        [
            name,
            kind,
            f"{100 * right[name, kind][0].mean():.1f}",
            f"{whole_bleu[name, kind]:.1f}",
            f"{mean_bleu[name, kind]:.1f}",
        ]
        for name, kind in sets
    ],
    ["model", "numbers", "right (%)", "BLEU", "mean of sentences"],
    "Share of numbers without a mistake, BLEU of the whole set, and the mean of the BLEU of its "
    "sentences, which is another number.",
    name="bleu",
)
book.say(
    agreement + f"Without clipping, *hundred* repeated {len(repeated.split())} times would have "
    f"{unclipped:.0f} of {len(repeated.split())} words in the reference; clipped, {clipped:.0f}. "
    "@table:traps and @table:bleu show how little BLEU is a measure of being right: it says how "
    "many short runs of words are as in the reference. Between two papers it can be compared only "
    "if tokens, case and references are the same."
)

# %% [markdown]
# ## What goes wrong, and why
#
# **The mask forgotten.** Let the decoder look at all of the target. Then at each place it can read
# the token that it is asked for, one place further on. Nothing fails and no shape is wrong:


# %%
class Peeking(Transformer):
    """A Transformer whose author forgot the causal mask."""

    def _logits(self, source, target, training):
        memory, memory_mask = self.encode(source, training), padding_mask(source != PAD)
        x = self._embedded(target, self.target_table, 1, training)
        for block in self.decoder_blocks:
            x = block(x, memory, None, memory_mask, training=training)
        return self._scored(x)


peeking = compiled(transformer(kind=Peeking))
fit(peeking, first_weights, steps, lineup["Transformer"][1])
measured = {
    name: (
        model.evaluate(test_x, batch_size=500, verbose=0, return_dict=True)["nll_per_token"],
        100
        * np.mean(
            [
                a == b
                for a, b in zip(translate(model, text.test.source), text.test.target, strict=True)
            ]
        ),
    )
    for name, model in (("causal mask", models["Transformer"]), ("no mask", peeking))
}

# %% tags=["hide"]
book.table(
    [[name, number(loss, ".2g"), f"{whole:.1f}"] for name, (loss, whole) in measured.items()],
    ["training with", "-log p per token", "written without a mistake (%)"],
    f"Test numbers: the loss with teacher forcing in nats, and what the model then writes by "
    f"itself. One training of {steps:,} steps each.",
    name="peeking",
)
try:
    twice = np.concatenate([np.full((1, 1), START), test_x["target"][:1]], axis=1)
    untrained.log_prob(test_x["source"][:1], twice)
except ValueError as problem:
    refused = str(problem)
book.say(
    f"The loss without the mask is {number(measured['no mask'][0], '.2g')} nats per token, with it "
    f"{number(measured['causal mask'][0], '.2g')}; of the numbers that the two then write "
    f"{measured['no mask'][1]:.1f}% and {measured['causal mask'][1]:.1f}% are right "
    "(@table:peeking). "
    + (
        "A loss that is too good is the only sign, and no validation split shows it, since its "
        "targets are read in the same way. What shows it is to write, or to measure derivatives as "
        "in @fig:causal."
        if measured["no mask"][1] < measured["causal mask"][1] / 2
        else "To write, or to measure derivatives as in @fig:causal, is the test for it."
    )
)
book.box(
    "warning",
    "A target begun twice",
    f"""
    Whoever puts START before a target that has one already asks the model for a START, which no
    model can write. The library refuses: `{refused}`.
    """,
)

# %% [markdown]
# Others have been met on the way. Scores that are **not divided** leave most queries without a
# gradient (@fig:scaling). **Padding** that can be looked at makes a translation depend on its
# neighbours in the batch. The **accuracy per token** under teacher forcing is too kind
# (@table:forcing). A model that is right on all lengths it has seen can be **wrong on all others**
# (@table:beyond). And a **BLEU** belongs to its tokens and its case (@table:traps).

# %% [markdown]
# ## Against the published numbers
#
# Two recipes. The first trains on 50,000 numbers of up to ten digits, none of them with eight; the
# task is ours, so there is no published figure. The second is Multi30k, 29,000 descriptions of
# photographs in English and German, with the settings of "Transformer-Tiny" (Wu and others): four
# blocks on each side, 128 units, byte pairs.

# %% tags=["hide"]
book.recipes(
    recipe.RECIPES,
    "Percent of numbers without a mistake; BLEU of tokens in lower case on test2016, ± over "
    "sentences drawn anew. Published: table 2 of "
    "[arXiv:2105.14462](https://arxiv.org/abs/2105.14462).",
    name="published",
)

# %% [markdown]
# A score of a translation says little without its tokens and its case. The details of each row,
# under [results](../scoreboard.md), hold what the same translations score by sacreBLEU, joined
# again and compared with the references as written.

# %% [markdown]
# ## Exercises
#
# **Exercise 10.1.** The dense layer that makes the keys has a bias, $k_j = x_j W^K + b$. Show that
# $b$ changes nothing. Is that so for the bias of the queries?

# %% tags=["hide"]
biased = MultiHeadAttention(4, seed=0)
input_ = tf.constant(np.random.default_rng(6).normal(size=(2, 7, 16)), tf.float32)
before = biased(input_, input_).numpy()
effects = {}
for name in ("key", "query"):
    dense = getattr(biased, f"{name}_dense")
    kernel, zero = dense.get_weights()
    dense.set_weights([kernel, np.random.default_rng(7).normal(size=zero.shape)])
    effects[name] = np.abs(biased(input_, input_).numpy() - before).max()
    dense.set_weights([kernel, zero])
book.box(
    "answer",
    "Answer to 10.1, computed",
    f"""
    $q \\cdot (x_j W^K + b) = q \\cdot x_j W^K + q \\cdot b$. The last term is the same for all $j$,
    and the softmax does not notice a number that is added to all scores of a row. So the bias of
    the keys has no effect and the gradient of any loss with respect to it is zero. With the bias of
    the queries, $(x_i W^Q + b) \\cdot k_j$ gets the term $b \\cdot k_j$, which differs from key to
    key: it makes some keys interesting to everyone. In a layer of the library a random bias of the
    keys changes the result by {number(float(effects["key"]), ".0e")} at most, which is rounding,
    and one of the queries by {effects["query"]:.2f}.
    """,
)

# %% [markdown]
# **Exercise 10.2.** Make a head that looks three places back: let the vectors hold the place alone,
# $x_t = \pi(t)$, and choose $W^Q$ and $W^K$. What changes if a token's vector is added?

# %% tags=["hide"]
back, sharpnesses = 3, (1, 4, 16)
waves_ = sinusoidal_positions(places, dim).astype("float64")
# Vectors of tokens, drawn once for each place, of the length of the waves.
words_ = np.random.default_rng(6).normal(size=waves_.shape) / math.sqrt(2)


def looked_back(vectors, sharpness):
    """The weight of the place three before, in the mean over places."""
    queries = sharpness * vectors @ rotation(-back).T
    p = softmax(queries @ vectors.T / math.sqrt(dim), axis=1)
    return p[np.arange(back, places), np.arange(places - back)].mean()


alone, with_words = (
    listed([f"{looked_back(vectors, a):.2f} for a = {a}" for a in sharpnesses])
    for vectors in (waves_, waves_ + words_)
)
book.box(
    "answer",
    "Answer to 10.2, computed",
    f"""
    Let the query of place $t$ be $a\\, \\pi(t - 3) = a\\, R(-3)\\, \\pi(t)$, so (vectors are rows)
    $W^Q = a\\, R(-3)^\\top$, and let $W^K = I$. The score of place $s$ is $a\\, \\pi(t - 3) \\cdot
    \\pi(s) / \\sqrt{{d}} = a \\sum_i \\cos \\omega_i (s - t + 3) / \\sqrt{{d}}$, largest at $s = t
    - 3$. How sharply it looks depends on $a$: with {dim} entries and {places} places the weight of
    the wanted place is on average {alone}. One matrix serves all places, which a learned table of
    places could not promise. With a token's vector added to each $\\pi(t)$, here random ones of the
    same length, the scores get terms that belong to the tokens, and the weights are {with_words}:
    to look by place alone, a head has to read directions of the vector that no token uses.
    """,
)

# %% [markdown]
# **Exercise 10.3.** How many weights has a Transformer with $N$ blocks on each side, vectors of $d$
# numbers, $f$ hidden units, biases in all dense layers of the blocks, and one table of $V$ vectors
# for both sides and for the output, which has no bias? Check with the base model of the paper: $N =
# 6$, $d = 512$, $f = 2048$, $V = 37000$.


# %% tags=["hide"]
def counted_weights(blocks, d, f, v):
    attention, network, norm = 4 * (d * d + d), d * f + f + f * d + d, 2 * d
    encoder = attention + network + 2 * norm
    decoder = 2 * attention + network + 3 * norm
    return v * d + blocks * (encoder + decoder)


small = Transformer(90, 90, 32, 4, 2, 48, shared_embeddings=True, max_length=16)
small.build({"source": (None, None), "target": (None, None)})
base = counted_weights(6, 512, 2048, 37_000)
book.box(
    "answer",
    "Answer to 10.3, computed",
    f"""
    An attention has four matrices with biases, $4 (d^2 + d)$; the small network $2 d f + f + d$; a
    normalisation $2 d$. The encoder's block has one attention, the network and two normalisations,
    the decoder's two, the network and three. The waves have no weights. Together

    $$
    V d + N \\big( 12 (d^2 + d) + 2 (2 d f + f + d) + 10 d \\big) .
    $$

    For the library's model with $N = 2$, $d = 32$, $f = 48$, $V = 90$ that is
    {counted_weights(2, 32, 48, 90):,}, and the model has {small.count_params():,}. For the base
    model it is {base:,}, of which {37_000 * 512 / base:.0%} are the table and
    {6 * 12 * (512**2 + 512) / base:.0%} attention; the paper says 65 million.
    """,
)

# %% [markdown]
# **Exercise 10.4.** System A translates nine numbers of ten without a mistake and writes nothing
# for the tenth. System B has the last word of every number wrong. Which has the higher BLEU if a
# number has $L$ words?

# %% tags=["hide"]
targets = judged["one digit more, longer"].target
system_a = [t_ if k % 10 else "" for k, t_ in enumerate(targets)]
system_b = [" ".join([*t_.split()[:-1], "zero"]) for t_ in targets]
counts_a, counts_b = (bleu_counts(system, targets) for system in (system_a, system_b))
book.box(
    "answer",
    "Answer to 10.4, computed",
    f"""
    With $L$ words B's precisions for $n = 1, \\dots, 4$ are $(L - n) / (L - n + 1)$; their product
    is $(L - 4) / L$, and BLEU is $(1 - 4/L)^{{1/4}}$ (times 100). A has $e^{{1 - 1/0.9}} =
    e^{{-1/9}}$ whatever $L$ is. B is ahead for $L > 4 / (1 - e^{{-4/9}}) =
    {4 / (1 - math.exp(-4 / 9)):.1f}$. Computed for {len(targets):,} targets of
    {np.mean([len(t_.split()) for t_ in targets]):.1f} words on average:
    A has precision 1 for every $n$ and the brevity penalty $e^{{1 - r/c}} =
    {math.exp(1 - counts_a[3] / counts_a[2]):.3f}$, since $c / r = {counts_a[2] / counts_a[3]:.3f}$:
    BLEU {bleu(system_a, targets):.1f}. B has no penalty and the precisions
    {listed([f"{p_n:.3f}" for p_n in counts_b[0] / counts_b[1]])}: BLEU
    {bleu(system_b, targets):.1f}. Of A's numbers
    {np.mean(np.array(system_a) == np.array(targets)):.0%} are right, of B's
    {np.mean(np.array(system_b) == np.array(targets)):.0%}. That one word is a small part of a
    sentence is true; that it is a small part of its meaning is an assumption of the score.
    """,
)

# %% [markdown]
# ## References
#
# - A. Vaswani and others, *Attention is all you need*, 2017,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762). The Transformer.
# - D. Bahdanau, K. Cho, Y. Bengio, *Neural machine translation by jointly learning to align and
#   translate*, 2014, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473). Attention, between two
#   recurrent networks.
# - I. Sutskever, O. Vinyals, Q. Le, *Sequence to sequence learning with neural networks*, 2014,
#   [arXiv:1409.3215](https://arxiv.org/abs/1409.3215). The LSTM pair, which reads backwards.
# - R. Xiong and others, *On layer normalization in the Transformer architecture*, 2020,
#   [arXiv:2002.04745](https://arxiv.org/abs/2002.04745). Where to normalise, and why warm-up.
# - C. Szegedy and others, *Rethinking the Inception architecture for computer vision*, 2015,
#   [arXiv:1512.00567](https://arxiv.org/abs/1512.00567). Label smoothing.
# - S. Bengio and others, *Scheduled sampling for sequence prediction with recurrent neural
#   networks*, 2015, [arXiv:1506.03099](https://arxiv.org/abs/1506.03099). The other side of teacher
#   forcing.
# - J. Ba, J. Kiros, G. Hinton, *Layer normalization*, 2016,
#   [arXiv:1607.06450](https://arxiv.org/abs/1607.06450).
# - S. Jain, B. Wallace, *Attention is not explanation*, 2019,
#   [arXiv:1902.10186](https://arxiv.org/abs/1902.10186).
# - K. Papineni and others, *BLEU: a method for automatic evaluation of machine translation*, 2002,
#   [ACL P02-1040](https://aclanthology.org/P02-1040).
# - M. Post, *A call for clarity in reporting BLEU scores*, 2018,
#   [arXiv:1804.08771](https://arxiv.org/abs/1804.08771). sacreBLEU.
# - D. Elliott and others, *Multi30k: multilingual English-German image descriptions*, 2016,
#   [arXiv:1605.00459](https://arxiv.org/abs/1605.00459).
# - Z. Wu, L. Kong, W. Bi, X. Li, B. Kao, *Good for misconceived reasons*, 2021,
#   [arXiv:2105.14462](https://arxiv.org/abs/2105.14462). Transformer-Tiny on Multi30k.
# - J. Alammar, *The illustrated Transformer*, 2018,
#   [jalammar.github.io](https://jalammar.github.io/illustrated-transformer/). The pictures of the
#   notes.
