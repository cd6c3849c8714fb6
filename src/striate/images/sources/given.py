"""From whatever a caller hands over to be predicted to a list of pictures."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from striate.errors import DataError
from striate.images.imageset import Picture
from striate.images.sources.expand import expand


def listed(pictures: Any) -> tuple[list[str], list[Picture], bool]:
    """Returns names, decodable sources, and whether several pictures were meant.

    Args:
        pictures: see Classifier.predict.

    Raises:
        DataError: neither paths, bytes nor arrays, or a folder or glob without a file.
    """
    if isinstance(pictures, Image.Image):
        pictures = np.asarray(ImageOps.exif_transpose(pictures).convert("RGB"))
    elif isinstance(pictures, io.IOBase):
        pictures = pictures.read()
    if isinstance(pictures, bytes):
        return ["bytes"], [pictures], False
    if isinstance(pictures, np.ndarray):
        if pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[2] not in (1, 3, 4)):
            return [f"picture {index}" for index in range(len(pictures))], list(pictures), True
        return ["array"], [pictures], False
    if isinstance(pictures, str | Path):
        paths = expand([pictures])
        return [str(path) for path in paths], list(paths), len(paths) != 1 or paths[0] != Path(pictures)
    names: list[str] = []
    sources: list[Picture] = []
    if not isinstance(pictures, Iterable):
        raise DataError("Not pictures", received=type(pictures).__name__, expected="paths, bytes or arrays")
    for item in pictures:
        if not isinstance(item, str | Path | bytes | np.ndarray | Image.Image | io.IOBase):
            raise DataError("Not a picture", received=type(item).__name__, expected="a path, bytes or an array")
        found = listed(item)
        numbers = range(len(names), len(names) + len(found[1]))
        names += found[0] if isinstance(item, str | Path) else [f"picture {number}" for number in numbers]
        sources += found[1]
    return names, sources, True
