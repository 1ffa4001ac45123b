"""Real-valued tables that come with scikit-learn, made ready for density estimation.

Every column is standardised with the mean and standard deviation of the training rows alone.
Columns on which a density is ill-defined are left out: those with few values, those that are a
function of others, and one of each pair with a Pearson correlation above 0.98 (the rule of the
RNADE paper, https://arxiv.org/abs/1306.0186). The columns left are measurements rounded by the
source, with at least 39 distinct values each, so a very narrow density can still profit from the
rounding.
"""

import numpy as np

from genkeras.datasets._dataset import Dataset, Split

_BREAST_CANCER_LEFT_OUT = (
    "mean perimeter",
    "mean area",
    "worst perimeter",
    "worst area",
    "mean concavity",
    "mean concave points",
    "concavity error",
    "concave points error",
    "worst concavity",
    "worst concave points",
)
_DIABETES_LEFT_OUT = ("sex", "s4")


def wine():
    """Loads the chemical analyses of wines of three cultivars: 178 rows, 13 columns.

    Magnesium and proline are whole numbers in the source; every column is kept.

    Returns:
        A `Dataset` with 106 training, 36 validation and 36 test rows (float32), stratified by
        cultivar, whose number is the label.
    """
    from sklearn.datasets import load_wine

    source = load_wine()
    return _table("wine", source, source.target, "stratified by cultivar", ())


def breast_cancer():
    """Loads measurements of cell nuclei: 569 rows, 20 of the source's 30 columns.

    Left out are the perimeters and areas (correlation above 0.98 with the radius of the same
    kind; the area's error is kept) and the six columns of concavity and concave points, which
    are exactly 0 in 13 rows.

    Returns:
        A `Dataset` with 341 training, 114 validation and 114 test rows (float32), stratified by
        the label: 0 malignant, 1 benign.
    """
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    return _table(
        "breast_cancer", source, source.target, "stratified by diagnosis", _BREAST_CANCER_LEFT_OUT
    )


def diabetes():
    """Loads measurements of diabetes patients: 442 rows, 8 of the source's 10 columns.

    Left out are `sex` (two values) and `s4` (the ratio s1 / s3, mostly rounded to a whole
    number). Age, s1 and s6 are whole numbers in the source. There are no labels.

    Returns:
        A `Dataset` with 264 training, 89 validation and 89 test rows (float32).

    Note:
        The unscaled values are read: scikit-learn's scaled ones use the statistics of all rows.
    """
    from sklearn.datasets import load_diabetes

    return _table("diabetes", load_diabetes(scaled=False), None, "at random", _DIABETES_LEFT_OUT)


def _table(name, source, labels, how, left_out):
    kept = [j for j, column in enumerate(source.feature_names) if column not in left_out]
    x = np.asarray(source.data, "float64")[:, kept]
    train, valid, test = _split_rows(len(x), labels)
    mean, std = x[train].mean(axis=0), x[train].std(axis=0)
    standardized = ((x - mean) / std).astype("float32")

    def split(rows):
        return Split(standardized[rows], None if labels is None else labels[rows].astype("int64"))

    return Dataset(
        name=name,
        protocol=(
            f"scikit-learn's {name}, {x.shape[1]} of {source.data.shape[1]} columns, standardised "
            f"by training statistics; {len(train)} / {len(valid)} / {len(test)} rows, a fixed "
            f"split {how}."
        ),
        train=split(train),
        valid=split(valid),
        test=split(test),
        num_labels=None if labels is None else int(labels.max()) + 1,
        feature_names=tuple(str(source.feature_names[j]) for j in kept),
        mean=mean,
        std=std,
    )


def _split_rows(num_rows, labels):
    """Returns the rows of the training, validation (a fifth) and test (a fifth) splits."""
    from sklearn.model_selection import train_test_split

    held_out = -(-num_rows // 5)
    rest, test = train_test_split(
        np.arange(num_rows), test_size=held_out, stratify=labels, random_state=0
    )
    train, valid = train_test_split(
        rest,
        test_size=held_out,
        stratify=None if labels is None else labels[rest],
        random_state=0,
    )
    return train, valid, test
