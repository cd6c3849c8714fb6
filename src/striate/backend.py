"""The one door through which Keras is imported: `from striate.backend import keras`.

Importing this module first checks that the import can work (see environment.require_backend), so that a
user's own `keras.py`, or a missing backend, is explained before Python's error hides the reason.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import platform
import sys
import threading
from collections.abc import Iterator
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
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


GALLERIES = (
    ("keras.src.visualization.plot_image_gallery", "plt", "matplotlib.pyplot"),
    ("keras.src.visualization.plot_bounding_box_gallery", "patches", "matplotlib.patches"),
)
"""Modules of Keras, their name for a module of matplotlib, and that module."""


class _Refusal(Loader):
    """Has matplotlib found but not imported by the thread that makes this object."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        is_refused = name.partition(".")[0] == "matplotlib" and threading.get_ident() == self.thread
        return ModuleSpec(name, self) if is_refused else None

    def exec_module(self, module: ModuleType) -> None:
        raise ModuleNotFoundError(f"{module.__name__} is not imported together with Keras", name=module.__name__)


class _Deferred(ModuleType):
    """Stands for a module, which is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _without_matplotlib() -> Iterator[None]:
    """Has Keras imported without matplotlib, which takes a twentieth of that time and serves two galleries only; these
    import it when they draw.
    """
    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)
    for module, name, wanted in GALLERIES:
        gallery = sys.modules.get(module)
        if gallery is not None and getattr(gallery, name, "") is None:
            setattr(gallery, name, _Deferred(wanted))


with _uncollected(), native_quiet(), _without_matplotlib():
    import keras as _keras

    if CHOICE.name == "tensorflow":
        import tensorflow as _tensorflow

        _keras.ops.zeros(1)  # the first operation looks for devices, the first generator sets malloc up: both say so
        list(_tensorflow.data.Dataset.from_generator(lambda: iter([0]), _tensorflow.int32))
        # Several networks in one process look to TensorFlow like one function traced again and again.
        _tensorflow.get_logger().addFilter(lambda record: "retracing" not in record.getMessage())

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
