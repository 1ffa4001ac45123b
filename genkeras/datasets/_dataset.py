"""What every loader returns."""

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set.

    Args:
        x: Float32 array of shape `(n, num_features)`, one flat example per row; after
            `Dataset.as_images` of shape `(n, *image_shape)`.
        labels: Int64 array of shape `(n,)`, or `None` where the data have no classes.
    """

    x: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        return f"<Split: x of shape {self.x.shape}>"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three splits, with what a reader must know to compare a number with others.

    Args:
        name: The loader's name.
        protocol: One sentence that states the splits and how the values were made.
        train: The split to fit.
        valid: The split to choose settings and stopping times on.
        test: The split to report.
        num_levels: Values are the integers 0 to `num_levels - 1`; `None` for real values.
        num_labels: Labels are the integers 0 to `num_labels - 1`; `None` without labels.
        image_shape: Shape of one example as an image, such as `(28, 28)`; `None` for tables.
        feature_names: Names of the columns; empty for images.
        mean: Float64 array of shape `(num_features,)`, the training mean that was subtracted
            from every split; `None` where values were not standardised.
        std: Float64 array of shape `(num_features,)`, the training standard deviation that
            every split was divided by; `None` where values were not standardised.
    """

    name: str
    protocol: str
    train: Split
    valid: Split
    test: Split
    num_levels: int | None = None
    num_labels: int | None = None
    image_shape: tuple[int, ...] | None = None
    feature_names: tuple[str, ...] = ()
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    @property
    def num_features(self):
        """Number of variables of one example, of images too."""
        return math.prod(self.train.x.shape[1:])

    def images(self, x):
        """Reshapes flat examples to images.

        Args:
            x: Array of shape `(n, num_features)`.

        Returns:
            Array of shape `(n, *image_shape)`.

        Raises:
            ValueError: If the data are no images or `x` has another shape.
        """
        if self.image_shape is None:
            raise ValueError(f"Expected a data set of images. Received: {self.name}, a table.")
        self._check_rows(x)
        return np.reshape(x, (-1, *self.image_shape))

    def as_images(self):
        """The same data set with images `(n, *image_shape)` in place of flat examples."""
        splits = {name: getattr(self, name) for name in ("train", "valid", "test")}
        return replace(
            self, **{name: replace(split, x=self.images(split.x)) for name, split in splits.items()}
        )

    def unstandardize(self, x):
        """Maps standardised values back to the units of the source.

        A log-density of the standardised values minus `sum(log(std))` is the log-density in
        the units of the source.

        Args:
            x: Array of shape `(n, num_features)`.

        Returns:
            Float64 array of shape `(n, num_features)`.

        Raises:
            ValueError: If the data were not standardised or `x` has another shape.
        """
        if self.mean is None or self.std is None:
            raise ValueError(f"Expected standardised data. Received: {self.name}, which is not.")
        self._check_rows(x)
        return np.asarray(x, "float64") * self.std + self.mean

    def _check_rows(self, x):
        if np.ndim(x) != 2 or np.shape(x)[1] != self.num_features:
            raise ValueError(
                f"Expected x of shape (n, {self.num_features}). Received: shape {np.shape(x)}."
            )
