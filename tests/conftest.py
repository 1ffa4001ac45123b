"""What all tests share: two CPU devices, fixed seeds, no network, no tests without their data."""

import os
import socket

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the suite is written for CPUs

import keras
import pytest
import tensorflow as tf

# Two logical devices for MirroredStrategy; possible only before TensorFlow uses the CPU.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
tf.get_logger().setLevel("ERROR")

_LOOPBACK = ("localhost", "127.", "::1")


def pytest_collection_modifyitems(config, items):
    """Takes out (does not skip) the tests of data sets that are not here."""
    if os.environ.get("GENKERAS_DATA"):
        return
    absent = [item for item in items if item.get_closest_marker("data")]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


def _only_loopback(method, host_of):
    def guarded(*args, **kwargs):
        host = host_of(*args)
        if isinstance(host, str) and host and not host.startswith(_LOOPBACK):
            raise OSError(f"Tests must not use the network. Received: host={host!r}")
        return method(*args, **kwargs)

    return guarded


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Lets sockets reach this machine only."""

    def host_of_address(_, address, *rest):
        return address[0] if isinstance(address, tuple) else None

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            method = getattr(socket.socket, name)
            patch.setattr(socket.socket, name, _only_loopback(method, host_of_address))
        lookup = _only_loopback(socket.getaddrinfo, lambda host, *rest: host)
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


@pytest.fixture(autouse=True)
def fixed_seed():
    """Python's, NumPy's and TensorFlow's global seeds, the same for every test."""
    keras.utils.set_random_seed(20)


@pytest.fixture(scope="session")
def two_replicas():
    """A MirroredStrategy over the two logical CPU devices."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
