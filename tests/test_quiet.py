"""TensorFlow's chatter is dropped; what matters is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genkeras import quiet


@pytest.mark.parametrize(
    "line",
    [
        "I0000 00:00:1795190579.751247    3988 port.cc:153] oneDNN custom operations are on.\n",
        "W0000 00:00:1795190579.751247    3988 gpu_device.cc:1] Skipping.\n",
        "E0000 00:00:1795190579.751247    3988 cuda_platform.cc:52] failed call to cuInit: X\n",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    ],
)
def test_chatter_is_dropped_and_the_lines_around_it_stay(line):
    assert quiet.without_noise(f"before\n{line}after\n") == "before\nafter\n"


def test_errors_and_warnings_of_python_stay():
    text = "E0000 00:00:1 2 bfc_allocator.cc:1] out of memory\nUserWarning: look\n"
    assert quiet.without_noise(text) == text


def test_the_import_says_nothing_and_what_is_written_meanwhile_is_replayed():
    code = (
        "import os, sys, types\nfrom genkeras import quiet\n"
        "fake = types.ModuleType('tensorflow')\n"
        "def look(): os.write(2, b'I0000 00 port.cc:1] chatter\\nreal trouble\\n')\n"
        "fake.config = types.SimpleNamespace(list_physical_devices=look)\n"
        "sys.modules['tensorflow'] = fake\n"
        "quiet.import_tensorflow()\nos.write(2, b'after\\n')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert sorted(done.stderr.splitlines()) == ["after", "real trouble"]
