"""Stacked digits: channels are images of the source, labels their digits, all 1,000 alike."""

import numpy as np
import pytest
from scipy import stats

from genkeras.datasets import digits, stacked_digits


@pytest.fixture(scope="module")
def source():
    train = digits().train
    return train.x.reshape(-1, 8, 8), train.labels


def test_every_channel_is_an_image_of_the_source_with_its_digit_in_the_label(source):
    images, labels = source
    stacked, numbers = stacked_digits(images, labels, 500, seed=0)
    assert stacked.shape == (500, 8, 8, 3) and stacked.dtype == images.dtype
    assert numbers.shape == (500,) and numbers.dtype == "int64"
    row_of = {image.tobytes(): row for row, image in enumerate(images)}  # all are different
    assert len(row_of) == len(images)
    rows = np.array([[row_of[image[..., c].tobytes()] for c in range(3)] for image in stacked])
    digits_of = [[number // 100, number // 10 % 10, number % 10] for number in numbers]
    np.testing.assert_array_equal(labels[rows], digits_of)


def test_channels_are_independent_and_images_equally_likely():
    # Images that hold their own number, one for each digit.
    images = np.arange(10, dtype="uint8")[:, None, None] * np.ones((1, 2, 3), "uint8")
    stacked, numbers = stacked_digits(images, np.arange(10, dtype="uint64"), 50_000, seed=0)
    assert (stacked.dtype, numbers.dtype) == ("uint8", "int64")
    assert (stacked == stacked[:, :1, :1]).all()
    np.testing.assert_array_equal(stacked[:, 0, 0].astype(int) @ [100, 10, 1], numbers)
    counts = np.bincount(numbers, minlength=1000)
    # 50 of each of 1,000 combinations; a false alarm in one of 100,000.
    assert len(counts) == 1000
    assert 1e-5 < stats.chisquare(counts).pvalue < 1 - 1e-5


def test_classes_keep_their_shares():
    labels = np.array([4, 4, 4, 7])
    _, numbers = stacked_digits(np.zeros((4, 1, 1)), labels, 20_000, seed=1)
    observed = [
        (numbers == 100 * r + 10 * g + b).sum() for r in (4, 7) for g in (4, 7) for b in (4, 7)
    ]
    share = np.array([0.75, 0.25])
    expected = 20_000 * np.einsum("i,j,k->ijk", share, share, share).ravel()
    assert sum(observed) == 20_000
    assert stats.chisquare(observed, expected).pvalue > 1e-5


def test_a_seed_repeats_and_another_differs(source):
    first, again, other = (stacked_digits(*source, 50, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any() and (first[0] != other[0]).any()


def test_the_source_is_left_as_it_was():
    images, labels = np.zeros((3, 2, 2)), np.arange(3)
    stacked, numbers = stacked_digits(images, labels, 5, seed=0)
    stacked += 1
    numbers += 1
    assert not images.any() and labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 4))}, r"images of shape .*Received: shapes \(3, 4\) and \(3,\)"),
        ({"images": np.zeros((0, 2, 2)), "labels": np.zeros(0, int)}, r"images .*\(0, 2, 2\)"),
        ({"labels": np.arange(4)}, r"images .*one label each. Received: .* and \(4,\)"),
        ({"labels": np.array([0, 1, 10])}, "labels .*0 to 9. Received: 0 to 10"),
        ({"labels": np.array([0, -1, 1])}, "labels .*0 to 9. Received: -1 to 1"),
        ({"labels": np.array([0, 1, 2.0])}, "labels .*Received: 0.0 to 2.0, dtype float64"),
        ({"num_examples": 0}, "num_examples .*>= 1. Received: num_examples=0"),
        ({"num_examples": 2.0}, "num_examples .*>= 1. Received: num_examples=2.0"),
        ({"num_examples": True}, "num_examples .*>= 1. Received: num_examples=True"),
    ],
)
def test_bad_input_is_refused(change, message):
    good = {"images": np.zeros((3, 2, 2)), "labels": np.arange(3), "num_examples": 5, "seed": 0}
    with pytest.raises(ValueError, match=f"Expected {message}"):
        stacked_digits(**good | change)
