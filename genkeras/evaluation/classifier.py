"""A small classifier of digits, trained here: the judge of samples, and the features it sees."""

import numpy as np

from genkeras import checks


def convolutional_classifier(image_shape, num_labels, hidden_units, dropout, seed):
    """Two convolutions of 32 and 64 maps, each pooled, and a dense layer with dropout.

    Args:
        image_shape: (height, width).
        num_labels: Number of classes.
        hidden_units: Units of the dense layer.
        dropout: Rate after it.
        seed: Integer seed; the layers take it and those that follow.

    Returns:
        Symbolic tensors: images `(batch, height, width, 1)`, the hidden units, the logits.
    """
    import keras

    def start(number):
        return keras.initializers.GlorotUniform(seed + number)

    layers = keras.layers
    images = keras.Input((*image_shape, 1))
    maps = images
    for number, filters in enumerate((32, 64)):
        maps = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer=start(number)
        )(maps)
        maps = layers.MaxPooling2D()(maps)
    hidden = layers.Dense(hidden_units, activation="relu", kernel_initializer=start(2))(
        layers.Flatten()(maps)
    )
    dropped = layers.Dropout(dropout, seed=seed + 3)(hidden)
    logits = layers.Dense(num_labels, kernel_initializer=start(4))(dropped)
    return images, hidden, logits


class ImageClassifier:
    """Two convolutions and a dense layer, for grey images in [0, 1].

    Images come as `(n, height, width)`, `(n, height, width, 1)` or `(n, height * width)`.

    Args:
        image_shape: (height, width), both at least 4.
        num_labels: Number of classes.
        seed: Integer seed of weights, dropout and the order of the data.

    Raises:
        ValueError: If a size is too small or the seed is no whole number.
    """

    def __init__(self, image_shape, num_labels=10, seed=0):
        import keras

        self.image_shape = tuple(image_shape)
        if len(self.image_shape) != 2 or min(self.image_shape) < 4:
            raise ValueError(
                f"Expected image_shape (height, width), both >= 4. Received: {image_shape}."
            )
        checks.positive_int("num_labels", num_labels)
        self.num_labels = num_labels
        self.seed = checks.positive_int("seed", seed, minimum=0)

        images, hidden, logits = convolutional_classifier(
            self.image_shape, num_labels, hidden_units=128, dropout=0.5, seed=seed
        )
        self.model = keras.Model(images, logits)
        self._features = keras.Model(images, hidden)

    def fit(self, split, epochs=3, batch_size=100):
        """Trains on the images and labels of a split; returns the classifier.

        Args:
            split: A `datasets.Split` with images in [0, 1] and labels.
            epochs: Passes over the data, each in an order of its own.
            batch_size: Images per step.

        Raises:
            ValueError: If images have another shape or range, or labels are absent or no classes.
        """
        import keras

        checks.positive_int("epochs", epochs)
        checks.positive_int("batch_size", batch_size)
        images, labels = self._images(split.x), self._labels(split)
        self.model.compile(
            keras.optimizers.Adam(1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        rng = np.random.default_rng(self.seed)
        for _ in range(epochs):
            order = rng.permutation(len(labels))
            self.model.fit(
                images[order], labels[order], batch_size=batch_size, shuffle=False, verbose=0
            )
        return self

    def classes(self, images):
        """The most probable class of each image: `(n,)` int64."""
        return self.model.predict(self._images(images), batch_size=1000, verbose=0).argmax(axis=1)

    def features(self, images):
        """The activations before the last layer: `(n, 128)` float32."""
        return self._features.predict(self._images(images), batch_size=1000, verbose=0)

    def accuracy(self, split):
        """Share of images whose most probable class is their label, in [0, 1].

        Args:
            split: A `datasets.Split` with images in [0, 1] and labels.
        """
        return float(np.mean(self.classes(split.x) == self._labels(split)))

    def _labels(self, split):
        labels = np.asarray(split.labels)
        if (
            labels.shape != (len(split.x),)
            or labels.dtype.kind not in "iu"
            or labels.min() < 0
            or labels.max() >= self.num_labels
        ):
            raise ValueError(
                f"Expected one label from 0 to {self.num_labels - 1} for each image. "
                f"Received: {split.labels!r}."
            )
        return labels

    def _images(self, images):
        images = np.asarray(images, "float32")
        height, width = self.image_shape
        shapes = {(height, width), (height, width, 1), (height * width,)}
        if images.size == 0 or images.shape[1:] not in shapes:
            raise ValueError(
                f"Expected images of shape (n, {height}, {width}). Received: shape {images.shape}."
            )
        if not ((images >= 0) & (images <= 1)).all():
            raise ValueError(
                f"Expected images in [0, 1]. Received: {images.min()} to {images.max()}."
            )
        return images.reshape(-1, height, width, 1)
