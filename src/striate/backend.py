"""The one door through which Keras is imported: `from striate.backend import keras`.

Importing this module first checks that the import can work (see environment.require_backend), so that a
user's own `keras.py`, or a missing backend, is explained before Python's error hides the reason.
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
from collections.abc import Iterator
from typing import Any

from striate.environment import require_backend
from striate.native import native_quiet

CHOICE = require_backend()

if CHOICE.name == "tensorflow" and platform.machine().lower() in ("x86_64", "amd64"):
    # TensorFlow leaves oneDNN's kernels off on processors without AVX-512, where they are 1.7 to 4 times as fast too
    # (2 cores with AVX2, images per second, median of two: lenet 2,600 → 9,300, cnn 590 → 1,430, mlp 11,300 → 17,300).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Holds the garbage collector back, which otherwise goes through all that an import makes again and again: half a
    second of TensorFlow's two and a half.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


with _uncollected(), native_quiet():
    import keras as _keras

    if CHOICE.name == "tensorflow":
        import tensorflow as _tensorflow

        _keras.ops.zeros(1)  # the first operation looks for devices, the first generator sets malloc up: both say so
        list(_tensorflow.data.Dataset.from_generator(lambda: iter([0]), _tensorflow.int32))
        # Several networks in one process look to TensorFlow like one function traced again and again.
        _tensorflow.get_logger().addFilter(lambda record: "retracing" not in record.getMessage())

gc.freeze()  # all that was imported stays: looking it through for garbage took half a second of a small training's ten

keras: Any = _keras


def set_seed(seed: int) -> None:
    """Seeds what Keras draws from: weights' initial values and dropout masks. Data order has its own generator."""
    keras.utils.set_random_seed(seed)


def be_deterministic() -> None:
    """Has the backend compute every sum in one order, as far as it can be told to.

    On a processor all three do so anyway, with the same number of threads. On a GPU, TensorFlow and PyTorch choose
    slower kernels; JAX heeds XLA_FLAGS=--xla_gpu_deterministic_ops=true alone, read when it starts.

    Raises:
        BackendError: JAX on a GPU, without that flag.
    """
    if CHOICE.name == "tensorflow":
        _tensorflow.config.experimental.enable_op_determinism()
    elif CHOICE.name == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS' condition, read when a GPU is first used
        torch.use_deterministic_algorithms(True)
    elif devices() != ["cpu"] and "xla_gpu_deterministic_ops=true" not in os.environ.get("XLA_FLAGS", ""):
        from striate.errors import BackendError

        raise BackendError(
            "JAX is told to be deterministic on a GPU before it starts",
            received=f"XLA_FLAGS={os.environ.get('XLA_FLAGS', '')}",
            hint="XLA_FLAGS=--xla_gpu_deterministic_ops=true striate train …",
        )


def devices() -> list[str]:
    """Returns the accelerators that the backend sees, or ["cpu"]."""
    if CHOICE.name == "torch":  # for which Keras keeps no list
        import torch

        gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        return gpus or (["mps"] if torch.backends.mps.is_available() else ["cpu"])
    try:
        names: list[str] = [str(name) for name in keras.distribution.list_devices("gpu")]
    except RuntimeError:  # JAX's way of saying that there is none
        names = []
    return names or ["cpu"]


def require_device(device: str | None) -> None:
    """Checks that a requested GPU is there.

    Raises:
        BackendError: a GPU was asked for and the backend sees none.
    """
    from striate.errors import BackendError

    if device is not None and device.startswith("gpu") and devices() == ["cpu"]:
        raise BackendError(
            f"The backend {CHOICE.name} sees no GPU",
            received=f"device {device}, CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')}",
            hint="device cpu, or install the backend's GPU build",
        )
