"""The 8 x 8 handwritten digits that come with scikit-learn."""

from dataclasses import replace

from genkeras.datasets._dataset import Dataset, Split
from genkeras.datasets._pixels import binarize

BINARY_THRESHOLD = 8
NUM_VALIDATION = 300
NUM_TEST = 300


def digits():
    """Loads scikit-learn's 8 x 8 digits with their 17 grey levels, and labels.

    Returns:
        A `Dataset` with 1,197 training, 300 validation and 300 test rows of 64 values from
        0 to 16 (float32), each split with the digits in the proportions of the whole.

    Note:
        The source gives no writers, so one writer's digits may be in several splits.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    source = load_digits()
    x, labels = source.data.astype("float32"), source.target.astype("int64")
    x, x_test, labels, labels_test = train_test_split(
        x, labels, test_size=NUM_TEST, stratify=labels, random_state=0
    )
    x, x_valid, labels, labels_valid = train_test_split(
        x, labels, test_size=NUM_VALIDATION, stratify=labels, random_state=0
    )
    return Dataset(
        name="digits",
        protocol=(
            "scikit-learn's 8 x 8 digits with 17 grey levels; 1,197 / 300 / 300 rows, a fixed "
            "split stratified by digit."
        ),
        train=Split(x, labels),
        valid=Split(x_valid, labels_valid),
        test=Split(x_test, labels_test),
        num_levels=17,
        num_labels=10,
        image_shape=(8, 8),
    )


def binarized_digits():
    """Loads the splits of `digits()` with every pixel thresholded: 1 from grey level 8 up.

    Returns:
        A `Dataset` like that of `digits()`, with values 0 or 1 (float32).
    """
    source = digits()
    return replace(
        source,
        name="binarized_digits",
        protocol=source.protocol + " Pixels are 1 from grey level 8 up, else 0.",
        train=_binarized(source.train),
        valid=_binarized(source.valid),
        test=_binarized(source.test),
        num_levels=2,
    )


def _binarized(split):
    return Split(binarize(split.x, BINARY_THRESHOLD), split.labels)
