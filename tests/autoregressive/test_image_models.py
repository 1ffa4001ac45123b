"""PixelCNN and PixelRNN against loops over pixels written from the papers' formulas."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from genkeras import DiagonalBiLSTM, GatedPixelCNN, PixelCNN, RowLSTM, TabularAutoregressive
from genkeras.datasets import binarized_digits
from genkeras.layers.masked_conv import MaskedConv2D
from genkeras.likelihoods import Bernoulli, Categorical

# Chance of one false alarm in each statistical test.
FALSE_ALARM = 1e-4

FAMILIES = {
    "pixel cnn": PixelCNN,
    "gated pixel cnn": GatedPixelCNN,
    "row lstm": RowLSTM,
    "diagonal bilstm": DiagonalBiLSTM,
}
ORDERINGS = ["raster", "reversed", "column-major"]
every_family = pytest.mark.parametrize("family", FAMILIES)


def made(family, image_shape, likelihood=None, depth=2, units=None, scale=0.7, **options):
    """A model with random weights, large enough for a leak to show."""
    units = units or (3 if len(image_shape) == 3 else 2)
    make = FAMILIES[family]
    model = make(image_shape, likelihood, units, depth, 2 * units, seed=0, **options)
    model.build((None, *image_shape))
    random = np.random.default_rng(5)
    for weight in model.trainable_variables:
        value = random.normal(scale=scale, size=weight.shape)
        # Biases above zero keep rectified units awake.
        weight.assign(abs(value) if weight.name == "bias" else value)
    return model


def states_of(model):
    """All states of a small image."""
    levels = range(getattr(model.likelihood, "num_classes", 2))
    states = list(itertools.product(levels, repeat=int(np.prod(model.image_shape))))
    return np.array(states, "float32").reshape(-1, *model.image_shape)


def random_images(model, number, seed=1):
    levels = getattr(model.likelihood, "num_classes", 2)
    shape = (number, *model.image_shape)
    return np.random.default_rng(seed).integers(0, levels, shape).astype("float32")


# The oracle: float64, pixel by pixel, masks by the papers' rules. Weights come by their names.


def weights_of(model):
    return {weight.path: weight.numpy().astype("float64") for weight in model.trainable_variables}


class Loops:
    """The networks of the papers on a turned image `(batch, rows, columns, colours)`."""

    def __init__(self, model, weights, labels):
        self.model, self.weights, self.labels = model, weights, labels

    def outputs(self, x):
        walks = {PixelCNN: self.pixel_cnn, GatedPixelCNN: self.gated}
        x = walks.get(type(self.model), self.pixel_rnn)(x)
        for layer in self.model.head:
            x = self.convolved(layer, np.maximum(x, 0), "B")
        return x

    def convolved(self, layer, x, mask):
        kernel, bias = self.weights[layer.kernel.path], self.weights[layer.bias.path]
        height, width, inputs, filters = kernel.shape
        colors = self.model.num_colors
        later = np.arange(filters) % colors - (np.arange(inputs) % colors)[:, np.newaxis]
        rows, columns = x.shape[1:3]
        outputs = np.zeros((*x.shape[:3], filters)) + bias
        for row, column, k, j in np.ndindex(rows, columns, height, width):
            up, right = height - 1 - k, j - width // 2
            if row - up < 0 or not 0 <= column + right < columns:
                continue  # zeros lie outside of the image
            if up > 0 or mask is None:
                seen = 1
            elif right == 0 and mask in ("A", "B"):
                seen = later > 0 if mask == "A" else later >= 0
            else:
                seen = right < 0 and mask != "above"
            outputs[:, row, column] += x[:, row - up, column + right] @ (kernel[k, j] * seen)
        return outputs

    def labelled(self, units):
        if self.labels is None:
            return np.zeros((1, 1, 1, units))
        rows = self.weights[self.model.label_kernel.path][self.labels]
        return rows[:, np.newaxis, np.newaxis]

    def shifted(self, x):
        """The features of the first layer with what labels and places add to them."""
        x = x + self.labelled(x.shape[-1])
        return x + self.placed() if self.model.position_bias else x

    def placed(self):
        return self.weights[self.model.place_kernel.path]

    def pixel_cnn(self, x):
        """Table 1 of the paper on PixelRNN; the blocks of its figure 5, left."""
        x = self.shifted(self.convolved(self.model.input_conv, x, "A"))
        for reduce, look, expand in self.model.blocks:
            hidden = self.convolved(reduce, np.maximum(x, 0), "B")
            hidden = self.convolved(look, np.maximum(hidden, 0), "B")
            x = x + self.convolved(expand, np.maximum(hidden, 0), "B")
        return x

    def gated(self, x):
        """Figure 2 of the paper on conditional PixelCNN."""
        above = beside = x
        width = 2 * self.model.hidden_units
        labels = self.labelled(2 * width * len(self.model.stack_layers))
        labels = np.split(labels, 2 * len(self.model.stack_layers), axis=-1)
        if self.model.position_bias:
            places = np.split(self.placed(), 2, axis=-1)
            labels[:2] = (label + place for label, place in zip(labels, places, strict=False))
        for k, (vertical, link, horizontal, out) in enumerate(self.model.stack_layers):
            from_above = self.convolved(vertical, above, None if k else "above")
            linked = self.convolved(link, from_above, None)
            from_beside = self.convolved(horizontal, beside, "B" if k else "A") + linked
            above = gated(from_above + labels[2 * k])
            hidden = self.convolved(out, gated(from_beside + labels[2 * k + 1]), "B")
            beside = beside + hidden if k else hidden
        return beside

    def pixel_rnn(self, x):
        states_of_layer = self.row_lstm if type(self.model) is RowLSTM else self.diagonal_bilstm
        x = self.shifted(self.convolved(self.model.input_conv, x, "A"))
        skipped = 0
        for recurrent, expand, skip in zip(
            self.model.recurrent_layers, self.model.expansions, self.model.skips, strict=True
        ):
            states = states_of_layer(recurrent, x)
            x = x + self.convolved(expand, states, "B")
            skipped = skipped + self.convolved(skip, states, "B")
        return x + skipped

    def row_lstm(self, layer, x):
        """Section 3.1: a state follows the three nearest states of the row above."""
        gates = self.convolved(layer.input_to_state, x, "B")
        kernel = np.split(self.weights[layer.state_kernel.path], 3)
        h, c = States(gates), States(gates)
        for row, column in np.ndindex(*gates.shape[1:3]):
            added = sum(h[row - 1, column + k - 1] @ kernel[k] for k in range(3))
            h[row, column], c[row, column] = lstm(gates[:, row, column] + added, c[row - 1, column])
        return h.values

    def diagonal_bilstm(self, layer, x):
        """Section 3.2: both directions, that from the right moved down by one row."""
        from_left = self.diagonal_lstm(layer, 0, x)
        from_right = self.diagonal_lstm(layer, 1, x[:, :, ::-1])[:, :, ::-1]
        from_left[:, 1:] += from_right[:, :-1]
        return from_left

    def diagonal_lstm(self, layer, direction, x):
        gates = self.convolved(layer.input_to_state[direction], x, "B")
        beside, above = np.split(self.weights[layer.state_kernels[direction].path], 2)
        h, c = States(gates), States(gates)
        for row, column in np.ndindex(*gates.shape[1:3]):
            added = h[row, column - 1] @ beside + h[row - 1, column] @ above
            h[row, column], c[row, column] = lstm(gates[:, row, column] + added, c[row, column - 1])
        return h.values


class States:
    """A map of states that is zero outside of the image."""

    def __init__(self, gates):
        self.values = np.zeros((*gates.shape[:3], gates.shape[3] // 4))

    def __getitem__(self, place):
        row, column = place
        inside = row >= 0 and 0 <= column < self.values.shape[2]
        return self.values[:, row, column] if inside else np.zeros_like(self.values[:, 0, 0])

    def __setitem__(self, place, value):
        self.values[:, place[0], place[1]] = value


def lstm(gates, c):
    out, forget, enter, value = np.split(gates, 4, axis=-1)
    c = special.expit(forget) * c + special.expit(enter) * np.tanh(value)
    return special.expit(out) * np.tanh(c), c


def gated(gates):
    value, door = np.split(gates, 2, axis=-1)
    return np.tanh(value) * special.expit(door)


def log_probs_by_loops(model, x, labels=None, weights=None):
    """log p(x) of a model in raster order."""
    weights = weights_of(model) if weights is None else weights
    x = x.reshape(*x.shape[:3], model.num_colors)
    levels = getattr(model.likelihood, "num_classes", 2)
    outputs = Loops(model, weights, labels).outputs(x / (levels - 1.0))
    outputs = outputs.reshape(*x.shape[:3], -1, model.num_colors)  # colour j % C is the last axis
    if model.likelihood == Bernoulli():
        each = stats.bernoulli.logpmf(x, special.expit(outputs[..., 0, :]))
    else:
        each = special.log_softmax(outputs, axis=-2)
        each = np.take_along_axis(each, x[..., np.newaxis, :].astype(int), axis=-2)
    return each.reshape(len(x), -1).sum(axis=1)


ORACLE_CASES = {
    "grey": (((4, 5),), {}),
    "with a bias for every pixel": (((4, 5),), {"position_bias": True}),
    "narrow": (((5, 1),), {}),
    "one row": (((1, 5),), {}),
    "colours of 3 levels with labels": (((3, 3, 3), Categorical(3)), {"num_labels": 2}),
}


@every_family
@pytest.mark.parametrize("case", ORACLE_CASES)
def test_log_prob_is_that_of_the_loops(family, case):
    arguments, options = ORACLE_CASES[case]
    model = made(family, *arguments, **options)
    x = random_images(model, 6)
    labels = None if model.num_labels is None else np.arange(6) % 2
    expected = log_probs_by_loops(model, x, labels)
    np.testing.assert_allclose(model.log_prob(x, labels), expected, rtol=1e-4, atol=1e-4)


@every_family
def test_slopes_of_log_prob_to_every_weight_are_those_of_the_loops(family):
    model = made(family, (3, 4), depth=1, num_labels=2, position_bias=True, scale=0.5)
    x, labels = random_images(model, 5), np.arange(5) % 2
    values = [weight.value for weight in model.trainable_variables]

    def slopes():
        with tf.GradientTape() as tape:
            parameters = model({"x": tf.constant(x), "condition": tf.constant(labels)})
            total = tf.reduce_mean(
                tf.reduce_sum(model.likelihood.distribution(parameters).log_prob(x), axis=(1, 2))
            )
        # The slope to a table of labels is sparse.
        return [tf.convert_to_tensor(slope) for slope in tape.gradient(total, values)]

    eager, in_graph = slopes(), tf.function(slopes)()
    random, step = np.random.default_rng(2), 1e-6
    for weight, *found in zip(model.trainable_variables, eager, in_graph, strict=True):
        direction = random.normal(size=weight.shape)
        ends = []
        for sign in (1, -1):
            weights = weights_of(model)
            weights[weight.path] += sign * step * direction
            ends.append(log_probs_by_loops(model, x, labels, weights).mean())
        expected = (ends[0] - ends[1]) / (2 * step)
        for slope in found:
            assert np.sum(slope * direction) == pytest.approx(expected, rel=1e-3, abs=1e-4)


# Density.

SPACES = {
    "3 x 3": ((3, 3), None, {}),
    "4 x 3": ((4, 3), None, {}),
    "2 x 3 of 3 levels with labels": ((2, 3), Categorical(3), {"num_labels": 2}),
    "2 x 2 in colour": ((2, 2, 3), None, {"position_bias": True}),
    "1 x 2 in colour of 3 levels": ((1, 2, 3), Categorical(3), {}),
}


@every_family
@pytest.mark.parametrize("space", SPACES)
def test_all_states_sum_to_one(family, space):
    shape, likelihood, options = SPACES[space]
    for ordering in ORDERINGS:
        model = made(family, shape, likelihood, ordering=ordering, scale=1.0, **options)
        states, found = states_of(model), []
        for label in range(model.num_labels or 1):
            condition = None if model.num_labels is None else np.full(len(states), label)
            found.append(np.float64(model.log_prob(states, condition)))
            assert np.exp(found[-1]).sum() == pytest.approx(1, abs=2e-5)
        assert len(found) == 1 or np.abs(found[0] - found[1]).max() > 0.1


# What each variable sees. `right` and `up` point from a pixel to an earlier one.

FIELDS = {
    # Above, a kernel of 3 x 3 reaches one column further for each row, the first kernel three.
    "pixel cnn": lambda up, right, last: right <= up + 2,
    "gated pixel cnn": lambda up, right, last: True,
    # Along the states one column for each row, to the left one more by the input to state.
    "row lstm": lambda up, right, last: -(up + 4) <= right <= up + 2,
    # What comes from the right are features of the row above that have not seen their own pixel:
    # behind its last pixel there is none that has.
    "diagonal bilstm": lambda up, right, last: not (up == 1 and last and right > 3),
}


def expected_slopes(family, model):
    """`(D, D)` bool: whether the outputs of variable i depend on variable j, in raster order."""
    rows, columns, colors = *model.image_shape[:2], model.num_colors
    seen = np.zeros((rows, columns, colors) * 2, bool)
    for row, column, other_row, other in itertools.product(*map(range, (rows, columns) * 2)):
        up, right = row - other_row, other - column
        if up > 0 or (up == 0 and right < 0):
            field = FIELDS[family](up, right, other == columns - 1)
            seen[row, column, :, other_row, other] = field
            if family == "diagonal bilstm":  # features have seen earlier colours of their pixel
                seen[row, column, :, other_row, other, :-1] = True
        elif up == 0 and right == 0:
            seen[row, column, :, other_row, other] = np.tri(colors, k=-1)  # earlier colours
    return seen.reshape(rows * columns * colors, -1)


FIELD_CASES = {
    "5 x 5": ((5, 5), None, 2, 4),
    "5 x 5 in colour of 3 levels": ((5, 5, 3), Categorical(3), 2, 9),
    "9 x 10": ((9, 10), None, 6, 4),  # six layers reach every corner
}


@every_family
@pytest.mark.parametrize("case", FIELD_CASES)
def test_outputs_have_slopes_to_the_variables_they_should_see(family, case):
    shape, likelihood, depth, units = FIELD_CASES[case]
    depth = 1 if family in ("row lstm", "diagonal bilstm") else depth
    model = made(family, shape, likelihood, depth, units, scale=0.5)
    for bias in (weight for weight in model.trainable_variables if weight.name == "bias"):
        bias.assign(1 + bias)
    count, repeats = int(np.prod(shape)), 4
    random = np.random.default_rng(3)
    # Row i of a repeat asks for variable i, each of another image between black and white.
    x = tf.constant(random.random((repeats, count, *shape)).reshape(-1, *shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        parameters = tf.reshape(model.parameters(x), (repeats, count, count, -1))
        asked = tf.einsum("kiip->kip", parameters)
        total = tf.reduce_sum(asked * random.normal(size=asked.shape))
    slopes = tape.gradient(total, x).numpy().reshape(repeats, count, count)
    np.testing.assert_array_equal(np.any(slopes != 0, axis=0), expected_slopes(family, model))


@every_family
def test_rows_of_a_batch_do_not_see_each_other(family):
    model = made(family, (4, 3))
    x = tf.constant(random_images(model, 5))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model.parameters(x)[2] ** 2)
    slopes = tape.gradient(total, x).numpy()
    assert np.any(slopes[2] != 0)
    assert np.all(np.delete(slopes, 2, axis=0) == 0)
    alone = model.parameters(x[2:3])
    np.testing.assert_allclose(alone, model.parameters(x)[2:3], rtol=1e-5, atol=1e-5)


# Orderings.


def test_drawing_orders_of_a_small_image():
    orders = {o: PixelCNN((2, 3), ordering=o).drawing_order.tolist() for o in ORDERINGS}
    assert orders["raster"] == [0, 1, 2, 3, 4, 5]
    assert orders["reversed"] == [5, 4, 3, 2, 1, 0]
    assert orders["column-major"] == [0, 3, 1, 4, 2, 5]
    colors = {o: PixelCNN((1, 2, 3), None, 3, 1, 3, ordering=o).drawing_order for o in ORDERINGS}
    assert colors["reversed"].tolist() == [3, 4, 5, 0, 1, 2]
    tall = PixelCNN((2, 2, 3), None, 3, 1, 3, ordering="column-major").drawing_order
    assert tall.tolist() == [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]


@every_family
@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3)], ids=str)
def test_orderings_are_the_raster_order_of_a_turned_image(family, shape):
    turns = {
        "reversed": (shape, lambda x: x[:, ::-1, ::-1]),
        "column-major": ((shape[1], shape[0], *shape[2:]), lambda x: np.swapaxes(x, 1, 2)),
    }
    for ordering, (turned_shape, turn) in turns.items():
        model = made(family, shape, ordering=ordering)
        raster = made(family, turned_shape)
        x = random_images(model, 5)
        np.testing.assert_allclose(model.log_prob(x), raster.log_prob(turn(x)), rtol=1e-5)
        assert np.any(model.log_prob(x).numpy() != made(family, shape).log_prob(x).numpy())


# Draws. A compiled loop for each model: all tests draw blocks of one size.

DRAWN = {
    "3 levels by columns": (
        (3, 2),
        Categorical(3),
        {"ordering": "column-major", "position_bias": True},
    ),
    "colours backwards with labels": (
        (2, 2, 3),
        None,
        {"ordering": "reversed", "num_labels": 2, "position_bias": True},
    ),
    # More than the first kernel covers, so that what the loop carries must be of the right rows.
    "7 x 9": ((7, 9), None, {}),
}
BLOCK = 128


@pytest.fixture(scope="module")
def drawing():
    """Models that keep their compiled loops."""

    @functools.cache
    def of(family, name):
        shape, likelihood, options = DRAWN[name]
        return made(family, shape, likelihood, scale=0.5, **options)

    return of


def label_of(model):
    return None if model.num_labels is None else 1


@every_family
@pytest.mark.parametrize("name", DRAWN)
def test_the_compiled_loop_draws_what_full_passes_draw_from_the_same_noise(drawing, name, family):
    model = drawing(family, name)
    shape, seed = (BLOCK, *model.image_shape), tf.constant([1, 2])
    labels = None if model.num_labels is None else tf.constant(np.arange(BLOCK) % 2, tf.int32)
    first = model.drawing_order[:4]
    kept = np.isin(np.arange(np.prod(model.image_shape)), first).reshape(model.image_shape)
    given = tf.constant(np.where(kept, random_images(model, BLOCK), 0))
    found = model._sample_block(seed, given, kept, labels).numpy().reshape(BLOCK, -1)
    noise = model.likelihood.noise((BLOCK, *model._colored_shape), seed)
    noise = noise.numpy().reshape(*found.shape, -1)
    x = given.numpy().reshape(found.shape)
    parameters = tf.function(model.parameters)
    for i in model.drawing_order[4:]:
        outputs = parameters(tf.constant(x.reshape(shape)), labels).numpy()
        outputs = outputs.reshape(*x.shape, -1)[:, i]
        x[:, i] = model.likelihood.sample_from_noise(tf.constant(outputs), tf.constant(noise[:, i]))
    np.testing.assert_array_equal(found, x)
    assert len(np.unique(found, axis=0)) > 10


def assert_counts_fit(draws, states, probabilities):
    """Chi-square test of how often each state was drawn; rare states count as one."""
    index = {tuple(state): k for k, state in enumerate(states.reshape(len(states), -1).tolist())}
    draws = draws.reshape(len(draws), -1).tolist()
    drawn = np.bincount([index[tuple(row)] for row in draws], minlength=len(states))
    expected = len(draws) * probabilities / np.sum(probabilities)
    rare = expected < 5
    if rare.any():
        rare[np.argsort(expected)[: rare.sum() + 1]] = True  # the pool expects at least 5
        drawn, expected = (
            np.append(counts[~rare], counts[rare].sum()) for counts in (drawn, expected)
        )
    assert len(expected) > 5
    assert stats.chisquare(drawn, expected).pvalue > FALSE_ALARM


@every_family
@pytest.mark.parametrize("name", ["3 levels by columns", "colours backwards with labels"])
def test_draws_come_as_often_as_log_prob_says(drawing, name, family):
    model = drawing(family, name)
    states, label = states_of(model), label_of(model)
    condition = None if label is None else np.full(len(states), label)
    probabilities = np.exp(np.float64(model.log_prob(states, condition)))
    draws = model.sample(32 * BLOCK, condition=label, seed=11).numpy()
    assert_counts_fit(draws, states, probabilities)


@every_family
@pytest.mark.parametrize("name", ["3 levels by columns", "colours backwards with labels"])
@pytest.mark.parametrize("number", [2, 4])
def test_completions_have_the_exact_conditional(drawing, name, family, number):
    # Of the image in colour, two variables are the red and the green of the last pixel.
    model = drawing(family, name)
    states, label = states_of(model), label_of(model)
    condition = None if label is None else np.full(len(states), label)
    probabilities = np.exp(np.float64(model.log_prob(states, condition)))
    mask = np.isin(np.arange(np.prod(model.image_shape)), model.drawing_order[:number])
    mask = mask.reshape(model.image_shape)
    evidence = random_images(model, 2, seed=4)
    evidence[1] = evidence[0] == 0
    given = np.where(mask, np.tile(evidence, (16 * BLOCK, *[1] * mask.ndim)), np.nan)
    draws = model.sample(
        len(given), conditioned_on=given, mask=mask, condition=label, seed=6
    ).numpy()
    np.testing.assert_array_equal(draws[:, mask], given[:, mask])
    for row in range(2):  # evidence that differs from one draw to the next
        matching = np.all(states[:, mask] == evidence[row][mask], axis=1)
        assert_counts_fit(draws[row::2], states[matching], probabilities[matching])


@every_family
def test_each_ordering_honours_masks_of_its_own(family):
    masks = {
        "raster": [[1, 1, 1], [1, 0, 0]],
        "reversed": [[0, 0, 1], [1, 1, 1]],
        "column-major": [[1, 1, 0], [1, 0, 0]],
    }
    for ordering in ORDERINGS:
        model = made(family, (2, 3), ordering=ordering)
        for name, mask in masks.items():
            options = {"conditioned_on": np.ones((2, 3)), "mask": mask}
            if name == ordering:
                # Draws of what the mask keeps are tested above.
                _, kept = model._checked_evidence(1, **options)
                np.testing.assert_array_equal(kept, mask)
            else:
                with pytest.raises(ValueError, match="Expected a mask whose kept .* Received: a "):
                    model.sample(1, **options)


def test_a_mask_that_keeps_a_later_colour_is_refused():
    model = PixelCNN((1, 2, 3), None, 3, 1, 3)
    with pytest.raises(ValueError, match="Expected a mask whose kept .* number 1 of the order"):
        model.sample(1, conditioned_on=np.zeros((1, 2, 3)), mask=[[[1, 0, 1], [0, 0, 0]]])


# Weights.


def masked_layers(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, MaskedConv2D)]


@every_family
@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 3)], ids=str)
def test_what_masks_hide_is_kept_in_training_and_does_nothing(family, shape):
    model = made(family, shape)
    x = random_images(model, 8)
    before = model.log_prob(x).numpy()
    layers = masked_layers(model)
    for layer in layers:
        layer.kernel.assign(np.where(layer.mask == 0, 1e3, layer.kernel))
    np.testing.assert_array_equal(model.log_prob(x), before)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(x, verbose=0)
    hidden = [np.asarray(layer.kernel)[layer.mask == 0] for layer in layers]
    assert sum(map(len, hidden)) > 0
    for values in hidden:
        np.testing.assert_array_equal(values, 1e3)
    assert np.any(model.log_prob(x).numpy() != before)


@every_family
def test_a_new_model_starts_at_the_likelihoods_parameters(family):
    class Skewed(Categorical):
        def initial_parameters(self):
            return np.array([0.5, -1.0, 2.0], "float32")

    model = FAMILIES[family]((2, 2, 3), Skewed(3), 3, 1, 3, seed=0)
    model.build((None, 2, 2, 3))
    np.testing.assert_array_equal(model.head[-1].bias, np.repeat([0.5, -1, 2], 3))


@every_family
def test_parameters_of_a_model_that_is_not_built_are_those_of_a_built_one(family):
    new, built = (FAMILIES[family]((3, 3), None, 4, 1, 4, seed=0) for _ in range(2))
    x = random_images(built, 2)
    built.build((None, 3, 3))
    np.testing.assert_array_equal(new.parameters(x), built.parameters(x))


@every_family
def test_the_seed_decides_the_weights(family):
    one, same, other = (FAMILIES[family]((3, 3), None, 4, 2, 4, seed=s) for s in (1, 1, 2))
    for model in (one, same, other):
        model.build((None, 3, 3))
    for first, second, third in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(first, second)
        assert "bias" in first.name or np.any(first.numpy() != third.numpy())
    kernels = [w.numpy() for w in one.trainable_variables if "kernel" in w.name]
    for first, second in itertools.combinations(kernels, 2):
        assert first.shape != second.shape or np.any(first != second)


@every_family
def test_two_replicas_take_the_step_of_one_device(family, two_replicas):
    def weights_of_step(rate):
        model = made(family, (3, 2), depth=1, num_labels=2, position_bias=True)
        model.compile(keras.optimizers.SGD(rate))
        data = {"x": random_images(model, 8), "condition": np.arange(8) % 2}
        losses = model.fit(data, batch_size=8, verbose=0).history["loss"] if rate else []
        return losses, [np.array(weight) for weight in model.trainable_variables]

    _, before = weights_of_step(0.0)
    loss, weights = weights_of_step(0.1)
    with two_replicas.scope():
        loss_of_two, weights_of_two = weights_of_step(0.1)
    assert loss_of_two == pytest.approx(loss, rel=1e-5)
    for start, one, two in zip(before, weights, weights_of_two, strict=True):
        assert np.any(one != start)
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)


@every_family
def test_it_beats_tables_of_low_order_on_real_digits(family):
    data = binarized_digits()
    train, test = data.train.x, data.test.x
    baseline = min(
        -np.mean(TabularAutoregressive(64, order).fit_counts(train).log_prob(test))
        for order in (0, 2, 3)
    )
    model = FAMILIES[family]((8, 8), None, 8, 2, 16, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(np.tile(train, (8, 1)).reshape(-1, 8, 8), batch_size=64, verbose=0)
    nll = model.evaluate(test.reshape(-1, 8, 8), batch_size=300, verbose=0)
    assert nll < baseline - 1  # nats an image


@every_family
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (4,)}, r"image_shape to be \(height, width\) or .* Received: .*\(4,\)"),
        ({"image_shape": (2, 2, 3, 1)}, r"image_shape to be .* Received: .*\(2, 2, 3, 1\)"),
        ({"image_shape": 8}, "image_shape to be .* Received: image_shape=8"),
        ({"image_shape": "88"}, "image_shape to be .* Received: image_shape='88'"),
        ({"image_shape": (0, 3)}, "every side of image_shape .* Received: .*=0"),
        ({"image_shape": (3, True)}, "every side of image_shape .* Received: .*=True"),
        ({"image_shape": (3, 3, 0)}, "every side of image_shape .* Received: .*=0"),
        ({"image_shape": (3.0, 3)}, "every side of image_shape .* Received: .*=3.0"),
        ({"hidden_units": 4}, "hidden_units to be a multiple of 3. Received: hidden_units=4"),
        ({"hidden_units": 0}, "hidden_units to be .* Received: hidden_units=0"),
        ({"head_units": 5}, "head_units to be a multiple of 3. Received: head_units=5"),
        ({"head_units": 3.0}, "head_units to be .* Received: head_units=3.0"),
        ({"depth": 0}, "num_(layers|blocks) to be a whole number >= 1. Received: num_.*=0"),
        ({"depth": True}, "num_(layers|blocks) to be a whole number >= 1. Received: num_.*=True"),
        ({"ordering": "spiral"}, "ordering to be one of .*'raster'.* Received: .*'spiral'"),
        ({"ordering": "random"}, "ordering to be one of .*'raster'.* Received: .*'random'"),
        ({"ordering": [2, 0, 1]}, r"ordering to be one of .* Received: .*\[2, 0, 1\]"),
        ({"ordering": np.arange(3)}, r"ordering to be one of .* Received: .*\[0, 1, 2\]"),
        ({"ordering": None}, "ordering to be one of .* Received: None"),
        ({"position_bias": 1}, "position_bias to be True or False. Received: position_bias=1"),
        ({"likelihood": "bernoulli"}, "likelihood to be an instance .*='bernoulli'"),
        ({"num_labels": 1}, "num_labels to be a whole number >= 2"),
        ({"seed": -1}, "seed to be a whole number >= 0. Received: seed=-1"),
    ],
    ids=str,
)
def test_bad_constructor_values(family, options, message):
    options = {"image_shape": (2, 2, 3), "hidden_units": 6, "head_units": 3, **options}
    depth = options.pop("depth", 1)
    options["num_blocks" if family == "pixel cnn" else "num_layers"] = depth
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        FAMILIES[family](**options)
