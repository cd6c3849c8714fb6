"""Images that are already in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.image_set import ImageSet
from striate.errors import DataError


def from_arrays(
    pixels: NDArray[np.uint8],
    labels: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    name: str = "arrays",
    test: tuple[NDArray[np.uint8], ArrayLike] | None = None,
) -> ImageSet:
    """Returns an image set over arrays; nothing is copied unless `test` is given.

    Args:
        pixels: (n, h, w), (n, h, w, 1) or (n, h, w, 3) uint8 in 0..255.
        labels: (n,) class names, or integers that index `classes`.
        classes: class names, in order; by default the sorted distinct labels.
        name: for people and run names.
        test: pixels and labels of a test split that must not be touched for choosing.

    Raises:
        DataError: wrong dtype, shapes that do not go together, or labels outside `classes`.
    """
    _check_arrays(pixels, labels)
    if test is not None:
        _check_arrays(*test)
        if test[0].shape[1:] != pixels.shape[1:]:
            raise DataError("Test images have another shape", received=test[0].shape[1:], expected=pixels.shape[1:])
    given = np.repeat(["train" if test else "", "test"], [len(pixels), len(test[0]) if test else 0]).astype("U10")
    every: NDArray[Any] = np.concatenate([np.asarray(labels), np.asarray(test[1])]) if test else np.asarray(labels)
    names, numbers = _encode_labels(every, classes)
    stacked = np.concatenate([pixels, test[0]]) if test else pixels
    keys = [
        f"{part or 'picture'}/{index}" for part, index in zip(given.tolist(), _number_within_splits(given), strict=True)
    ]
    return ImageSet(
        name=name,
        classes=names,
        labels=numbers,
        keys=np.array(keys, np.str_),
        sources=stacked[..., None] if stacked.ndim == 3 else stacked,
        splits=given,
    )


def _number_within_splits(splits: NDArray[np.str_]) -> list[int]:
    """Returns each image's number within its own split."""
    first = int(np.sum(splits != "test"))
    return [*range(first), *range(len(splits) - first)]


def _check_arrays(pixels: NDArray[np.uint8], labels: ArrayLike) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise DataError(
            "Pixels must be an 8-bit array",
            received=getattr(pixels, "dtype", type(pixels).__name__),
            expected="uint8 in 0..255",
            hint='(x * 255).round().astype("uint8") if yours lie in 0..1',
        )
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (1, 3))) or 0 in pixels.shape:
        raise DataError(
            "Not the shape of a stack of images",
            received=pixels.shape,
            expected="(n, h, w), (n, h, w, 1) or (n, h, w, 3)",
        )
    if np.shape(labels) != (len(pixels),):
        raise DataError("As many labels as images are needed", received=np.shape(labels), expected=(len(pixels),))


def _encode_labels(labels: NDArray[Any], classes: Sequence[str] | None) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    if classes is None:
        found, numbers = np.unique(labels, return_inverse=True)
        return tuple(str(value) for value in found), numbers.astype(np.int32)
    names = tuple(classes)
    if not np.issubdtype(labels.dtype, np.integer):
        place = {name: index for index, name in enumerate(names)}
        unknown = sorted({str(label) for label in labels} - set(names))
        if unknown:
            raise DataError("Labels that are not classes", received=", ".join(unknown[:5]), expected=", ".join(names))
        return names, np.array([place[str(label)] for label in labels], np.int32)
    if labels.size and (labels.min() < 0 or labels.max() >= len(names)):
        raise DataError(
            "Label numbers outside the classes",
            received=f"{labels.min()}..{labels.max()}",
            expected=f"0..{len(names) - 1}",
        )
    return names, labels.astype(np.int32)
