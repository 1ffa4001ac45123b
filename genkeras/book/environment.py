"""What a chapter's process had loaded and ran on: the facts of its footer and of its cache key."""

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from genkeras.book import place

PACKAGES = ("keras", "tensorflow", "tensorflow-probability")


def prepare():
    """Makes a kernel log as a script does; called before a chapter's first cell."""
    # TensorFlow takes an interactive prompt for a reason to log to stdout, and so onto the page.
    if hasattr(sys, "ps1"):
        del sys.ps1


def report():
    """Hands the runner the facts about this kernel; called after a chapter's last cell."""
    content = {"modules": loaded_modules(place.root()), "device": device()}
    place.emit("environment", content, None, "")


def loaded_modules(root):
    """Source files below `root` that this process has imported, as sorted relative paths."""
    root = Path(root).resolve()
    found = set()
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not name or not name.endswith(".py"):
            continue
        path = Path(name).resolve()
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            found.add(path.relative_to(root).as_posix())
    return sorted(found)


def digest(path):
    """SHA-256 of a file's bytes, or None where there is no such file."""
    path = Path(path)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def versions():
    """Versions of Python, of the packages that the numbers depend on, and of genkeras."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, "genkeras"):
        found[package] = package_version(package)
    return found


def package_version(package):
    """Version of an installed distribution, or "not installed"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def device():
    """The device that TensorFlow computed on, or the processor where TensorFlow was not used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = []
    if "tensorflow" in sys.modules:
        config = sys.modules["tensorflow"].config
        for gpu in config.list_physical_devices("GPU"):
            details = config.experimental.get_device_details(gpu)
            names.append(details.get("device_name", "GPU"))
    return ", ".join(names) or f"CPU ({platform.machine()}, {cores} core{'s' * (cores > 1)})"
