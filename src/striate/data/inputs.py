"""From whatever a caller hands over to be predicted to a list of pictures."""

from __future__ import annotations

import glob
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from striate.data.decoding import Picture
from striate.data.loaders.folder import is_film, is_something_else, walk
from striate.errors import DataError

MAGIC = frozenset("*?[")


def expand(sources: Iterable[str | Path], *, films: bool = False) -> list[Path]:
    """Returns the files meant by `sources`, in the order given; folders and globs are sorted within.

    Args:
        sources: files; folders (walked, litter left out); globs (`**` goes down); `-` for a list of paths on
            standard input, one a line. A file that does not exist stays in the list, so that its prediction can
            say so.
        films: whether films in a folder are meant too.

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
            matches = [file for file in walk(path) if not is_something_else(file) or (films and is_film(file))]
        elif not path.exists() and MAGIC & set(str(source)):
            matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207
            matches = [match for match in matches if match.is_file()]
        else:
            matches = [path]
        if not matches:
            raise DataError("No picture there", received=source)
        found.extend(matches)
    return found


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
