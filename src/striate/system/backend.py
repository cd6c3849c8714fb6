"""The one door through which Keras is imported: `from striate.system.backend import keras`.

Keras and its backend are imported when something of them is first used, not before: what a user mistyped is explained
in a fraction of a second. `start_import` has them imported beside other work. Importing this module checks that the
import can work (see environment.require_backend), so that a user's own `keras.py`, or a missing backend, is explained
before Python's error hides the reason.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import platform
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any

from striate.system.backend_choice import require_backend
from striate.system.native_output import suppress_native_output

ACTIVE_BACKEND = require_backend()

if ACTIVE_BACKEND.name == "tensorflow" and platform.machine().lower() in ("x86_64", "amd64"):
    # TensorFlow leaves oneDNN's kernels off on processors without AVX-512, where they are 1.7 to 4 times as fast too
    # (2 cores with AVX2, images per second, median of two: lenet 2,600 → 9,300, cnn 590 → 1,430, mlp 11,300 → 17,300).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def _pause_garbage_collection() -> Iterator[None]:
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


DEFERRED_MODULES = {
    "matplotlib": ("matplotlib.pyplot", "matplotlib.patches"),
    "keras.wrappers": (),
}
"""Package → its modules, that Keras imports for a few functions: those of keras.visualization, and what makes
Keras' models estimators of scikit-learn, which brings most of scikit-learn and SciPy's statistics."""


class _LazyModule(types.ModuleType):
    """Stands for a module of DEFERRED_MODULES, which is imported when one of its names is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # what Python itself looks for in any module
            raise AttributeError(name)
        _remove_lazy_modules()
        return getattr(importlib.import_module(self.__name__), name)


def _remove_lazy_modules() -> None:
    for package, modules in DEFERRED_MODULES.items():
        for name in (package, *modules):
            if isinstance(sys.modules.get(name), _LazyModule):
                del sys.modules[name]


@contextlib.contextmanager
def _defer_imports() -> Iterator[None]:
    """Has the packages of DEFERRED_MODULES imported when they are used, not when Keras is imported: they are a
    quarter of the processor time of that.
    """
    for name, modules in DEFERRED_MODULES.items():
        if name not in sys.modules:
            _install_lazy_modules(name, modules)
    try:
        yield
    finally:
        _remove_lazy_modules()


def _install_lazy_modules(name: str, modules: Sequence[str]) -> None:
    package = _LazyModule(name)
    if "." not in name:  # looking for a part of Keras would import Keras
        if (found := importlib.util.find_spec(name)) is None:
            return
        package.__path__ = list(found.submodule_search_locations or ())  # its other modules can be imported meanwhile
    sys.modules[name] = package
    for module in modules:
        sys.modules[module] = package.__dict__[module.rpartition(".")[2]] = _LazyModule(module)


_import_lock = threading.RLock()


def _import_keras() -> Any:
    """Returns Keras, imported and ready; in whichever thread asks first, while the others wait."""
    if (ready := keras.__dict__.get("_module")) is not None:
        return ready
    with _import_lock:
        if (ready := keras.__dict__.get("_module")) is not None:  # another thread's work
            return ready
        with _pause_garbage_collection(), suppress_native_output(), _defer_imports():
            import keras as module

            if ACTIVE_BACKEND.name == "tensorflow":
                import tensorflow

                module.ops.zeros(1)  # the first operation looks for devices, the first generator sets malloc up: both
                list(tensorflow.data.Dataset.from_generator(lambda: iter([0]), tensorflow.int32))  # say so
                # Several models in one process look to TensorFlow like one function traced again and again.
                tensorflow.get_logger().addFilter(lambda record: "retracing" not in record.getMessage())
        gc.freeze()  # what was imported stays: searching it for garbage took a twentieth of a small training
        keras.__dict__["_module"] = module
        return module


class _LazyKeras(types.ModuleType):
    """Stands for the package keras, which is imported when one of its names is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # what Python itself looks for in any module
            raise AttributeError(name)
        return getattr(_import_keras(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_import_keras(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_import_keras(), name)


keras: Any = _LazyKeras("keras")


def is_imported() -> bool:
    """Returns whether Keras and its backend have been imported."""
    return "_module" in keras.__dict__


def start_import() -> None:
    """Has Keras imported in a thread of its own, beside work that does not need it yet, such as decoding. What goes
    wrong there goes wrong again, in the thread that needs it, when Keras is first used. A process that ends earlier
    waits for the import to end: an interpreter torn down under it would crash.
    """
    if not is_imported() and "keras" not in sys.modules:
        threading.Thread(target=_import_silently, name="striate-import").start()


def _import_silently() -> None:
    with contextlib.suppress(Exception):
        _import_keras()


def set_seed(seed: int) -> None:
    """Seeds what Keras draws from: weights' initial values and dropout masks. Data order has its own generator."""
    keras.utils.set_random_seed(seed)


def enable_determinism() -> None:
    """Has the backend compute every sum in one order, as far as it can be told to.

    On a processor all three do so anyway, with the same number of threads. On a GPU, TensorFlow and PyTorch choose
    slower kernels; JAX heeds XLA_FLAGS=--xla_gpu_deterministic_ops=true alone, read when it starts.

    Raises:
        BackendError: JAX on a GPU, without that flag.
    """
    if ACTIVE_BACKEND.name == "tensorflow":
        keras.config  # noqa: B018  (imports TensorFlow in the way that keeps it quiet)
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    elif ACTIVE_BACKEND.name == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS' condition, read when a GPU is first used
        torch.use_deterministic_algorithms(True)
    elif list_devices() != ["cpu"] and "xla_gpu_deterministic_ops=true" not in os.environ.get("XLA_FLAGS", ""):
        from striate.errors import BackendError

        raise BackendError(
            "JAX is told to be deterministic on a GPU before it starts",
            received=f"XLA_FLAGS={os.environ.get('XLA_FLAGS', '')}",
            hint="XLA_FLAGS=--xla_gpu_deterministic_ops=true striate train …",
        )


def list_devices() -> list[str]:
    """Returns the accelerators that the backend sees, or ["cpu"]."""
    if ACTIVE_BACKEND.name == "torch":  # for which Keras keeps no list
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

    if device is not None and device.startswith("gpu") and list_devices() == ["cpu"]:
        raise BackendError(
            f"The backend {ACTIVE_BACKEND.name} sees no GPU",
            received=f"device {device}, CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')}",
            hint="device cpu, or install the backend's GPU build",
        )
