"""MNIST with its 256 grey levels, and the fixed binarisation used to compare densities."""

import gzip
import math

import numpy as np

from genkeras.datasets import _store
from genkeras.datasets._dataset import Dataset, Split
from genkeras.datasets._packed import read_packed
from genkeras.datasets._store import StoredFile

_ADDRESSES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


def _idx_file(name, sha256):
    return StoredFile(f"mnist/{name}", sha256, tuple(address + name for address in _ADDRESSES))


IDX_FILES = {
    "train_images": _idx_file(
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train_labels": _idx_file(
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "test_images": _idx_file(
        "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "test_labels": _idx_file(
        "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
# The archive that keras.datasets.mnist leaves in the Keras home; used where it is already there.
KERAS_ARCHIVE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
NUM_VALIDATION = 10_000

BINARIZED_ARCHIVE = StoredFile(
    "binarized_mnist.npz", "ed598e0a57738c3791eb5b95f89c79cf4723dbfeff8c97ec5a60281bdfe59b1d"
)


def _amat_file(split, sha256):
    name = f"binarized_mnist_{split}.amat"
    address = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
    return StoredFile(f"binarized_mnist/{name}", sha256, (address + name,))


BINARIZED_TEXTS = {
    "train": _amat_file(
        "train", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"
    ),
    "valid": _amat_file(
        "valid", "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"
    ),
    "test": _amat_file("test", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
}
_NUM_PIXELS = 784


def mnist():
    """Loads MNIST: 28 x 28 images of handwritten digits with 256 grey levels, and labels.

    Returns:
        A `Dataset` with 50,000 training, 10,000 validation and 10,000 test rows of 784 values
        from 0 to 255 (float32). The validation rows are the last 10,000 of the official 60,000
        training rows; the test rows are the official ones.

    Raises:
        MissingFileError: If a file is not on this machine and cannot be downloaded.
        ValueError: If a file on this machine has another checksum.
    """
    arrays = _mnist_arrays()
    images, labels = arrays["train_images"], arrays["train_labels"]
    cut = len(images) - NUM_VALIDATION
    return Dataset(
        name="mnist",
        protocol=(
            "MNIST with its 256 grey levels: the official training rows without the last 10,000 "
            "to train, those last 10,000 to validate, the official test rows to test."
        ),
        train=_split(images[:cut], labels[:cut]),
        valid=_split(images[cut:], labels[cut:]),
        test=_split(arrays["test_images"], arrays["test_labels"]),
        num_levels=256,
        num_labels=10,
        image_shape=(28, 28),
    )


def binarized_mnist():
    """Loads the fixed binarisation of MNIST that published densities are compared on.

    One Bernoulli draw per pixel was made once, by the authors, and kept. It is neither
    thresholded MNIST (`binarize`) nor MNIST drawn anew (`bernoulli_binarize`), and numbers on
    the three cannot be compared.

    The test rows are grouped by digit, zeros first: never score a prefix of them. No split is in
    the order of `mnist()`. There are no labels.

    Papers: Salakhutdinov and Murray (2008), https://homepages.inf.ed.ac.uk/imurray2/pub/08dbn_ais/;
    files of Larochelle and Murray (2011), https://proceedings.mlr.press/v15/larochelle11a.html.

    Returns:
        A `Dataset` with 50,000 training, 10,000 validation and 10,000 test rows of 784 values
        0 or 1 (float32).

    Raises:
        MissingFileError: If a file is not on this machine and cannot be downloaded.
        ValueError: If a file on this machine has another checksum.
    """
    archive = _store.find(BINARIZED_ARCHIVE)
    if archive is not None:
        rows = read_packed(archive)
    else:
        rows = {split: read_amat(_store.fetch(file)) for split, file in BINARIZED_TEXTS.items()}
    return Dataset(
        name="binarized_mnist",
        protocol=(
            "Static binarised MNIST: one fixed Bernoulli draw per pixel (Salakhutdinov and "
            "Murray 2008), the 50,000 / 10,000 / 10,000 rows of Larochelle and Murray (2011)."
        ),
        train=Split(rows["train"].astype("float32")),
        valid=Split(rows["valid"].astype("float32")),
        test=Split(rows["test"].astype("float32")),
        num_levels=2,
        image_shape=(28, 28),
    )


def read_idx(path):
    """Reads a gzip-compressed IDX file of unsigned bytes.

    Args:
        path: Path of the file.

    Returns:
        Uint8 array with the dimensions that the header states.

    Raises:
        ValueError: If the header or the length is not that of such a file.
    """
    with gzip.open(path, "rb") as stream:
        content = stream.read()
    # Two zero bytes, the type code 8 (unsigned byte), the rank, then one big-endian uint32
    # per dimension.
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"Expected {path} to start with the IDX magic bytes 00 00 08. "
            f"Received: {content[:4].hex(' ') or 'an empty file'}."
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(
            f"Expected an IDX header of {start} bytes in {path}. Received: {len(content)} bytes."
        )
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"Expected {math.prod(shape)} values in {path}, for shape {shape}. "
            f"Received: {len(content) - start}."
        )
    return np.frombuffer(content, "uint8", offset=start).reshape(shape)


def read_amat(path):
    """Reads a text file of binary MNIST rows: 784 digits 0 or 1, one space apart, per line.

    Args:
        path: Path of the file.

    Returns:
        Uint8 array of shape `(n, 784)`.

    Raises:
        ValueError: If the content has another form.
    """
    content = np.fromfile(path, "uint8")
    width = 2 * _NUM_PIXELS
    separators = np.array([ord(" ")] * (_NUM_PIXELS - 1) + [ord("\n")], "uint8")
    if content.size and content.size % width == 0:
        characters = content.reshape(-1, width)
        rows = characters[:, 0::2] - ord("0")
        if (rows <= 1).all() and (characters[:, 1::2] == separators).all():
            return rows
    raise ValueError(
        f"Expected {path} to hold lines of {_NUM_PIXELS} digits 0 or 1, one space apart. "
        f"Received: {content.size} bytes of another form."
    )


def keras_archive():
    """Returns the path of the verified MNIST archive of Keras, or `None` if it is not there."""
    path = _store.keras_home() / "datasets" / "mnist.npz"
    if path.is_file() and _store.sha256_of(path) == KERAS_ARCHIVE_SHA256:
        return path
    return None


def _mnist_arrays():
    found = {part: _store.find(file) for part, file in IDX_FILES.items()}
    archive = keras_archive() if None in found.values() else None
    if archive is None:
        return {
            part: read_idx(found[part] or _store.fetch(file)) for part, file in IDX_FILES.items()
        }
    with np.load(archive, allow_pickle=False) as arrays:
        return {
            "train_images": arrays["x_train"],
            "train_labels": arrays["y_train"],
            "test_images": arrays["x_test"],
            "test_labels": arrays["y_test"],
        }


def _split(images, labels):
    return Split(images.reshape(len(images), -1).astype("float32"), labels.astype("int64"))
