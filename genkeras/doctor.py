"""Looks at this machine and says in words what genkeras finds and what is missing."""

import json
import os
import platform

from genkeras import quiet
from genkeras.book.environment import package_version
from genkeras.datasets import _store

PACKAGES = (
    "genkeras",
    "keras",
    "tensorflow",
    "tensorflow-probability",
    "tf_keras",
    "matplotlib",
    "scikit-learn",
)


def report():
    """Prints versions, backend, devices and data sets.

    Returns:
        0 where genkeras can work, 1 where a package that it needs is missing.
    """
    print(f"{'python':<24}{platform.python_version()}")
    missing = []
    for package in PACKAGES:
        version = package_version(package)
        print(f"{package:<24}{version}")
        if version == "not installed":
            missing.append(package)
    print(f"{'Keras backend':<24}{_backend()}")
    if not {"keras", "tensorflow"} & set(missing):
        _print_devices()
    _print_data()
    needed = [package for package in missing if package != "genkeras"]
    if needed:
        print(f"\nMissing: {', '.join(needed)}. `pip install` of this clone brings them.")
    return 1 if needed else 0


def _backend():
    """The backend that Keras takes in a script of the user's, and what to do if it is not ours."""
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen is None:
        try:
            text = (_store.keras_home() / "keras.json").read_text(encoding="utf-8")
            chosen = json.loads(text).get("backend", "tensorflow")
        except (OSError, ValueError):
            chosen = "tensorflow"
    advice = "" if chosen == "tensorflow" else "; genkeras needs KERAS_BACKEND=tensorflow"
    return chosen + advice


def _print_devices():
    config = quiet.import_tensorflow().config
    gpus = config.list_physical_devices("GPU")
    names = [config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    found = ", ".join(name or "GPU" for name in names)
    print(f"{'devices':<24}{found or f'CPU, {os.cpu_count()} cores; TensorFlow sees no GPU'}")


def _print_data():
    from genkeras import datasets

    print("\ndata sets")
    own = os.environ.get("GENKERAS_DATA")
    if own and not _store.folders()[0].is_dir():
        print(f"  GENKERAS_DATA={own} names no folder, so nothing is found there")
    for status in datasets.status():
        where = status.where if status.found else f"missing. {status.advice}"
        print(f"  {status.name:<28}{where}")
