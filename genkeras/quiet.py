"""Imports TensorFlow without the log lines that it writes before any setting can silence it."""

import contextlib
import importlib
import os
import re
import sys
import tempfile

# The levels I and W of its C++ log, their heading and continuation, and the probe for a GPU.
_NOISE = re.compile(
    r"[IW]\d{4} .*|E\d{4} .*cuInit.*|WARNING: All log messages before absl.*"
    r"|To enable the following instructions.*"
)


def import_tensorflow():
    """TensorFlow, imported and its devices looked up, with its chatter dropped.

    Returns:
        The module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _without_noise():
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.list_physical_devices()
    return tensorflow


def without_noise(text):
    """Log text less the lines that TensorFlow writes on every import."""
    kept = [line for line in text.splitlines(keepends=True) if not _NOISE.match(line)]
    return "".join(kept)


@contextlib.contextmanager
def _without_noise():
    """Holds file descriptor 2 back, for C++ writes there directly, and replays what matters."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            sys.stderr.write(without_noise(held.read().decode("utf-8", "replace")))
