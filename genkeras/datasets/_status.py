"""Which data sets this machine has, for `genkeras doctor`."""

from dataclasses import dataclass
from importlib.util import find_spec

from genkeras.datasets import _mnist, _multi30k, _store, _uci_binary, _uci_real


@dataclass(frozen=True)
class DatasetStatus:
    """What is known about one data set on this machine.

    Args:
        name: The loader's name.
        found: Whether the loader works without a download.
        where: The package or the folders that hold the data; empty if not found.
        advice: What to do, in words; empty if there is nothing to do.
    """

    name: str
    found: bool
    where: str
    advice: str


def status():
    """Lists the data sets and where they are. Downloads and changes nothing.

    Returns:
        A list of `DatasetStatus`, one per loader; a loader of several tables is found when all
        of them are.
    """
    embedded = [
        _packaged(name, ("sklearn",))
        for name in ("digits", "binarized_digits", "wine", "breast_cancer", "diabetes")
    ]
    photographs = [
        _packaged(name, ("sklearn", "PIL"))
        for name in ("photograph_patches", "colour_photograph_patches")
    ]
    return [
        *embedded,
        *photographs,
        _mnist_status(),
        _binarized_mnist_status(),
        _files_status("uci_binary", _uci_binary.ARCHIVES.values()),
        _files_status("uci_real", _uci_real.FILES.values()),
        _files_status("multi30k", _multi30k.FILES.values()),
    ]


def _packaged(name, modules):
    packages = {"sklearn": "scikit-learn", "PIL": "pillow"}
    missing = [packages[module] for module in modules if find_spec(module) is None]
    if missing:
        return DatasetStatus(name, False, "", f"Install {' and '.join(missing)}.")
    return DatasetStatus(name, True, "scikit-learn", "")


def _mnist_status():
    checked = _files_status("mnist", _mnist.IDX_FILES.values())
    archive = _mnist.keras_archive()
    if checked.found or archive is None:
        return checked
    return DatasetStatus("mnist", True, str(archive), "")


def _binarized_mnist_status():
    archive = _files_status("binarized_mnist", [_mnist.BINARIZED_ARCHIVE])
    texts = _files_status("binarized_mnist", _mnist.BINARIZED_TEXTS.values())
    return archive if archive.found else texts


def _files_status(name, files):
    places, missing = [], []
    for file in files:
        try:
            path = _store.find(file)
        except ValueError as error:
            return DatasetStatus(name, False, "", str(error))
        if path is None:
            missing.append(file)
        else:
            places.append(str(path.parent))
    if not missing:
        return DatasetStatus(name, True, ", ".join(dict.fromkeys(places)), "")
    paths = ", ".join(file.path for file in missing)
    advice = f"put {paths} in {_store.cache_folder()}, or set GENKERAS_DATA to their folder."
    if all(file.urls for file in missing):
        how = f"{name}() downloads it on first use. Without a network:"
    else:
        how = f"{name}() has no download:"
    return DatasetStatus(name, False, "", f"{how} {advice}")
