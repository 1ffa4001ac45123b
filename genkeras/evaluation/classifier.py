"""A small classifier of digits, trained here: the judge of samples, and the features it sees."""

import keras
import numpy as np

from genkeras.datasets import Split


class ImageClassifier:
    """Two convolutions and a dense layer, for grey images in [0, 1].

    Args:
        image_shape: (height, width).
        num_labels: Number of classes.
        seed: Integer seed of weights, dropout and the order of the data.
    """

    def __init__(self, image_shape, num_labels=10, seed=0):
        self.image_shape = tuple(image_shape)
        self.seed = seed

        def start(number):
            return keras.initializers.GlorotUniform(seed + number)

        layers = keras.layers
        images = keras.Input((*self.image_shape, 1))
        maps = images
        for number, filters in enumerate((32, 64)):
            maps = layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_initializer=start(number)
            )(maps)
            maps = layers.MaxPooling2D()(maps)
        hidden = layers.Dense(128, activation="relu", kernel_initializer=start(2))(
            layers.Flatten()(maps)
        )
        dropped = layers.Dropout(0.5, seed=seed + 3)(hidden)
        logits = layers.Dense(num_labels, kernel_initializer=start(4))(dropped)
        self.model = keras.Model(images, logits)
        self._features = keras.Model(images, hidden)

    def fit(self, split: Split, epochs=3, batch_size=100):
        """Trains on the images and labels of a split; returns the classifier."""
        from genkeras.training import epoch_batches

        self.model.compile(
            keras.optimizers.Adam(1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        data = (self._images(split.x), np.asarray(split.labels))
        self.model.fit(
            epoch_batches(data, batch_size, self.seed),
            steps_per_epoch=-(-len(split) // batch_size),
            epochs=epochs,
            shuffle=False,
            verbose=0,
        )
        return self

    def classes(self, images):
        """The most probable class of each image: `(n,)` int64."""
        return self.model.predict(self._images(images), batch_size=1000, verbose=0).argmax(axis=1)

    def features(self, images):
        """The activations before the last layer: `(n, 128)` float32."""
        return self._features.predict(self._images(images), batch_size=1000, verbose=0)

    def accuracy(self, split: Split):
        """Share of images whose most probable class is their label."""
        return float(np.mean(self.classes(split.x) == split.labels))

    def _images(self, images):
        return np.asarray(images, "float32").reshape(-1, *self.image_shape, 1)
