"""Which Keras backend will run, who chose it, what shadows it: answered without importing Keras."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from striate.errors import BackendError, UnknownNameError

BACKENDS = ("tensorflow", "jax", "torch")
"""Keras' backends that Striate supports, in the order it prefers them on a processor without accelerator."""

SHADOWABLE_PACKAGES = (
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "PIL",
    "cv2",
    "matplotlib",
    "msgspec",
)
"""Packages that a user's own file of the same name would hide."""

INSTALL_FOLDERS = frozenset({"site-packages", "dist-packages"})
"""Folders that installers put packages into (the second one is Debian's)."""


@dataclass(frozen=True)
class BackendChoice:
    """The backend's name and who chose it, in words."""

    name: str
    chosen_by: str


def get_keras_config_path() -> Path:
    """Returns the path where Keras looks for its configuration file."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "keras.json"


def resolve_backend() -> BackendChoice:
    """Returns the backend that Keras will use: environment variable, then keras.json, then what is installed.

    Raises:
        BackendError: keras.json is not valid JSON, or its backend is not a word.
        UnknownNameError: the configured name is not a backend.
    """
    if name := os.environ.get("KERAS_BACKEND"):
        return BackendChoice(_check_backend_name(name), "the environment variable KERAS_BACKEND")
    path = get_keras_config_path()
    if path.is_file():
        try:
            name = json.loads(path.read_text(encoding="utf-8")).get("backend")
        except (ValueError, AttributeError) as error:
            raise BackendError(
                "Keras' configuration file is not a JSON object",
                received=f"{path} ({error})",
                hint="delete the file; Keras writes a new one. Curly quotes pasted from a web page are the usual cause",
            ) from None
        if name is not None and not isinstance(name, str):
            raise BackendError(
                f"The backend in {path} is not a word",
                received=json.dumps(name),
                expected="one of " + ", ".join(BACKENDS),
            )
        if name and _is_installed(_check_backend_name(name)):
            return BackendChoice(name, f"{path}")
    found = list_installed_backends()
    if name and found:
        return BackendChoice(found[0], f"Striate: {path} names {name}, which is not installed")
    return BackendChoice(found[0] if found else "tensorflow", "Striate's default")


def list_installed_backends() -> list[str]:
    """Returns the installed backends' names, preferred ones first."""
    return [name for name in BACKENDS if _is_installed(name)]


def find_shadowing_files(folders: list[Path] | None = None) -> dict[str, Path]:
    """Returns package name → the user's own file or folder that hides it from Python. What an installer put there, as
    `pip install --target` does, is not the user's own.

    Args:
        folders: where to look; by default the folders before site-packages on Python's search path.
    """
    if folders is None:
        before = itertools.takewhile(lambda entry: INSTALL_FOLDERS.isdisjoint(Path(entry).parts), sys.path)
        folders = [Path(entry or ".").resolve() for entry in before]
    found: dict[str, Path] = {}
    for folder in folders:
        for name in SHADOWABLE_PACKAGES:
            for candidate in (folder / f"{name}.py", folder / name / "__init__.py"):
                if candidate.is_file() and not _is_pip_installed(folder, name):
                    found.setdefault(name, candidate)
    return found


DISTRIBUTION_NAMES = {"sklearn": "scikit_learn", "PIL": "pillow", "cv2": "opencv_python_headless"}
"""Of packages that are not named as what is installed: its name in a .dist-info folder."""


def _is_pip_installed(folder: Path, name: str) -> bool:
    """Whether an installer's record of the package lies beside it."""
    return any(folder.glob(f"{DISTRIBUTION_NAMES.get(name, name)}-*.dist-info/RECORD"))


def refuse_shadows() -> None:
    """Checks that no file of the user's hides a package.

    Raises:
        BackendError: one does.
    """
    if hidden := find_shadowing_files():
        name, path = next(iter(hidden.items()))
        raise BackendError(
            f"Your own file {path.name if path.stem == name else name + '/'} hides the package {name}, "
            f"so Python would import yours instead",
            received=path,
            hint="give it another name, and delete the folder __pycache__ beside it",
        )


def require_backend() -> BackendChoice:
    """Returns the backend to use, after checking that importing it can work, and tells Keras about it.

    Raises:
        BackendError: a file shadows a package, or the chosen backend is not installed.
    """
    refuse_shadows()
    choice = resolve_backend()
    if not _is_installed(choice.name):
        raise BackendError(
            f"The Keras backend {choice.name} is not installed (chosen by {choice.chosen_by})",
            received="installed: " + (", ".join(list_installed_backends()) or "none"),
            expected="one of " + ", ".join(BACKENDS),
            hint=f"pip install 'striate[{choice.name}]'",
        )
    os.environ["KERAS_BACKEND"] = choice.name
    return choice


def choose_backend(name: str | None) -> None:
    """Makes `name` the backend for this process (None: leave the choice to the configuration).

    Raises:
        UnknownNameError: not a backend.
        BackendError: Keras already runs on another backend.
    """
    if name is None:
        return
    _check_backend_name(name)
    if "keras" in sys.modules and os.environ.get("KERAS_BACKEND") != name:
        raise BackendError("Keras is already running on another backend", received=name, hint="a new Python process")
    os.environ["KERAS_BACKEND"] = name


def choose_device(device: str | None) -> None:
    """Restricts every backend to one device; must be called before Keras is imported.

    Args:
        device: `cpu`, `gpu`, `gpu:N`, or None/`auto` to leave the choice to the backend.

    Raises:
        BackendError: not such a word.
    """
    if device in (None, "auto", "gpu"):
        return
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif kind == "gpu" and index.isdecimal():
        os.environ["CUDA_VISIBLE_DEVICES"] = index
    else:
        raise BackendError("Unknown device", received=device, expected="auto, cpu, gpu or gpu:N")


@functools.cache
def get_package_version(package: str) -> str | None:
    """Returns the installed version of a distribution, or None."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _check_backend_name(name: str) -> str:
    if name not in BACKENDS:
        raise UnknownNameError("Keras backend", name, BACKENDS)
    return name


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
