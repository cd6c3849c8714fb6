"""Pretrained weights in an HDF5 file → tensors in the order of the layers. Nothing in the file is trusted.

Read is the layout that the files of keras.applications have: `layer_names` at the root, `weight_names` in each layer's
group. What another program left in the file is never followed: links out of it and data stored outside are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import WeightsError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST = 20_000  # tensors; the largest of keras.applications has under 3,000

IMPOSTORS = (
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched", "git lfs pull"),
    (b"<", "a web page saved under the name of the weights", "download the file itself"),
    (b"PK\x03\x04", "a zip archive, as .keras files are", "an .h5 file of keras.applications"),
)


def refuse_impostors(path: Path) -> None:
    """Raises WeightsError unless the file is there and begins as HDF5 does."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise WeightsError(
            f"The weights cannot be read: {error.strerror}", received=path, expected="imagenet, none, or an .h5 file"
        ) from None
    if head.startswith(SIGNATURE):
        return
    for start, what, remedy in IMPOSTORS:
        if head.lstrip().startswith(start):
            raise WeightsError(f"This is {what}", received=path, expected="an HDF5 file of weights", hint=remedy)
    raise WeightsError(
        "This is not a file of weights",
        received=f"{path}, which begins with {head[:8]!r}" if head else f"{path}, which is empty",
        expected="an HDF5 file of weights, as keras.applications downloads them",
    )


@contextmanager
def opened(path: Path) -> Iterator[list[tuple[str, Any]]]:
    """Yields (name, tensor not yet read) for every weight in the file, in the order of the layers.

    Raises:
        WeightsError: not such a file, damaged, or reaching outside itself.
    """
    import h5py

    refuse_impostors(path)
    try:
        with h5py.File(path, "r") as file:
            is_whole = file.get("model_weights", getlink=True) is not None  # a network saved with more than weights
            yield _tensors(_inside(file, "model_weights", path) if is_whole else file, path)
    except (OSError, RuntimeError) as error:  # h5py's words for a damaged file, when it is opened or when it is read
        raise WeightsError(f"The weights are damaged: {error}", received=path) from error


def _tensors(root: Any, path: Path) -> list[tuple[str, Any]]:
    import h5py

    if not isinstance(root, h5py.Group) or "layer_names" not in root.attrs:
        raise WeightsError(
            "The weights are in another layout than keras.applications' files",
            received=f"{path} with {', '.join(map(str, list(root)[:4])) or 'nothing'} at its root",
            expected="the .h5 file itself, or one saved from such a network in Keras' legacy format",
        )
    found: list[tuple[str, Any]] = []
    try:
        for layer in _names(root.attrs["layer_names"], path):
            group = _inside(root, layer, path)
            found += [(name, _tensor(group, name, path)) for name in _names(group.attrs["weight_names"], path)]
            if len(found) > MOST:
                raise WeightsError("The weights hold more tensors than any network", received=path)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"The weights lack what their table of contents names: {error}", received=path) from None
    return found


def _names(attribute: Any, path: Path) -> list[str]:
    names = np.asarray(attribute).ravel()
    if len(names) > MOST:
        raise WeightsError("The weights hold more tensors than any network", received=path)
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]


def _tensor(group: Any, name: str, path: Path) -> Any:
    """Returns the numbers of that name, stored in the file itself."""
    import h5py

    node = _inside(group, name, path)
    if not isinstance(node, h5py.Dataset) or node.shape is None or node.dtype.kind not in "fiu":
        raise WeightsError("The weights are not numbers", received=f"{path}: {name}")
    if node.external or node.is_virtual:
        raise WeightsError("The weights point outside their file", received=f"{path}: {name}")
    return node


def _inside(group: Any, name: str, path: Path) -> Any:
    """Returns the group or tensor of that name, reached through plain links only."""
    import h5py

    node = group
    for part in name.split("/"):
        link = node.get(part, getlink=True)
        if link is None:
            raise ValueError(f"{name} is not there")
        if not isinstance(link, h5py.HardLink):
            raise WeightsError("The weights point outside their file", received=f"{path}: {name}")
        node = node[part]
    return node
