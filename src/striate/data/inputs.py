"""From whatever a caller hands over to be predicted to a list of images."""

from __future__ import annotations

import glob
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from striate.data.decoding import ImageSource
from striate.data.loaders.folder import is_non_image_name, is_video_name, list_files
from striate.errors import DataError

GLOB_CHARACTERS = frozenset("*?[")


def expand_paths(sources: Iterable[str | Path], *, include_videos: bool = False) -> list[Path]:
    """Returns the files meant by `sources`, in the order given; folders and globs are sorted within.

    Args:
        sources: files; folders (walked, litter left out); globs (`**` goes down); `-` for a list of paths on
            standard input, one a line. A file that does not exist stays in the list, so that its prediction can
            say so.
        include_videos: whether videos in a folder are meant too.

    Raises:
        DataError: a folder or glob that matches no file.
    """
    found: list[Path] = []
    for source in sources:
        if str(source) == "-":
            found.extend(Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
            continue
        path = Path(source)
        if path.is_dir():
            matches = [
                file
                for file in list_files(path)
                if not is_non_image_name(file) or (include_videos and is_video_name(file))
            ]
        elif not path.exists() and GLOB_CHARACTERS & set(str(source)):
            matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207
            matches = [match for match in matches if match.is_file()]
        else:
            matches = [path]
        if not matches:
            raise DataError("No image there", received=source)
        found.extend(matches)
    return found


def normalize_inputs(images: Any) -> tuple[list[str], list[ImageSource], bool]:
    """Returns names, decodable sources, and whether several images were meant.

    Args:
        images: see Classifier.predict.

    Raises:
        DataError: neither paths, bytes nor arrays, or a folder or glob without a file.
    """
    if isinstance(images, Image.Image):
        images = np.asarray(ImageOps.exif_transpose(images).convert("RGB"))
    elif isinstance(images, io.IOBase):
        images = images.read()
    if isinstance(images, bytes):
        return ["bytes"], [images], False
    if isinstance(images, np.ndarray):
        if images.ndim == 4 or (images.ndim == 3 and images.shape[2] not in (1, 3, 4)):
            return [f"image {index}" for index in range(len(images))], list(images), True
        return ["array"], [images], False
    if isinstance(images, str | Path):
        paths = expand_paths([images])
        return [str(path) for path in paths], list(paths), len(paths) != 1 or paths[0] != Path(images)
    names: list[str] = []
    sources: list[ImageSource] = []
    if not isinstance(images, Iterable):
        raise DataError("Not images", received=type(images).__name__, expected="paths, bytes or arrays")
    for item in images:
        if not isinstance(item, str | Path | bytes | np.ndarray | Image.Image | io.IOBase):
            raise DataError("Not an image", received=type(item).__name__, expected="a path, bytes or an array")
        found = normalize_inputs(item)
        numbers = range(len(names), len(names) + len(found[1]))
        names += found[0] if isinstance(item, str | Path) else [f"image {number}" for number in numbers]
        sources += found[1]
    return names, sources, True
