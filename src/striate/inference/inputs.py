"""From what a user points at to pictures, videos and cameras, in the order given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.decoding import Picture
from striate.data.inputs import expand
from striate.data.loaders.archive import is_archive, unpacked
from striate.data.loaders.folder import is_something_else, walk
from striate.errors import DataError
from striate.inference.video import is_video
from striate.progress import SILENT, Progress

CAMERA = re.compile(r"camera:(\d+)")
ARRAYS = (".npy", ".npz")


@dataclass
class Pictures:
    """Pictures that follow each other, each with the name that its answer bears."""

    names: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


@dataclass(frozen=True)
class Video:
    """A film, or a camera by its number."""

    name: str
    source: Path | int


@dataclass(frozen=True)
class Broken:
    """An archive or a file of arrays that cannot be read, and why."""

    name: str
    problem: str


Part = Pictures | Video | Broken


def listing(sources: Iterable[str | Path], *, progress: Progress = SILENT) -> list[Part]:
    """Returns what `sources` mean, in the order given; pictures that follow each other are one part.

    Args:
        sources: files; folders, walked; globs; `-` for a list of paths on standard input; zip and tar archives; .npy
            and .npz arrays of pictures; films, told by their content; `camera:N`.
        progress: told the bytes of an archive.

    Raises:
        DataError: a folder or glob without a file.
    """
    found: list[Part] = []
    for source in sources:
        if match := CAMERA.fullmatch(str(source)):
            found.append(Video(str(source), int(match[1])))
            continue
        for path in expand([source], films=True):
            if path.is_file() and (is_archive(path) or path.suffix.lower() in ARRAYS):
                try:
                    names, pictures = _unpacked(path, progress) if is_archive(path) else _rows(path)
                except DataError as error:
                    found.append(Broken(str(path), str(error)))
                    continue
                _add(found, names, pictures)
            elif is_video(path):
                found.append(Video(str(path), path))
            else:
                _add(found, [str(path)], [path])
    return found


def _add(found: list[Part], names: list[str], pictures: Sequence[Any]) -> None:
    """Puts pictures behind the last ones."""
    if not found or not isinstance(found[-1], Pictures):
        found.append(Pictures())
    last = found[-1]
    assert isinstance(last, Pictures)  # noqa: S101
    last.names += names
    last.pictures += pictures


def _unpacked(path: Path, progress: Progress) -> tuple[list[str], list[Path]]:
    """Returns an archive's pictures and their names."""
    folder = unpacked(path, progress=progress)
    inside = [file for file in walk(folder) if not is_something_else(file)]
    if not inside:
        raise DataError("No picture there")
    return [f"{path}/{file.relative_to(folder).as_posix()}" for file in inside], inside


def _rows(path: Path) -> tuple[list[str], list[Any]]:
    """Returns the pictures in a file of arrays and their names."""
    names: list[str] = []
    pictures: list[Any] = []
    for name, pixels in _arrays(path):
        names += [f"{name}[{row}]" for row in range(len(pixels))]
        pictures += list(pixels)
    return names, pictures


def _arrays(path: Path) -> list[tuple[str, Any]]:
    """Returns the arrays (n, h, w) or (n, h, w, 1, 3 or 4) of a file, each with its name."""
    try:
        if path.suffix.lower() == ".npy":
            arrays = [(str(path), np.load(path, mmap_mode="r", allow_pickle=False))]
        else:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
                arrays = [(f"{path}/{key}", loaded[key]) for key in loaded.files]
    except Exception as error:  # foreign bytes: zipfile, the header's parser and NumPy raise what they like
        raise DataError("The arrays cannot be read", received=str(error) or type(error).__name__) from None
    kept = [
        (name, one)
        for name, one in arrays
        if one.dtype == np.uint8 and (one.ndim == 3 or (one.ndim == 4 and one.shape[3] in (1, 3, 4))) and one.size
    ]
    if not kept:
        raise DataError(
            "No array of pictures there",
            received=", ".join(f"{one.dtype} {one.shape}" for _, one in arrays) or None,
            expected="uint8, (n, h, w) or (n, h, w, 1, 3 or 4)",
        )
    return kept


def names_of(parts: Iterable[Part]) -> Iterator[str]:
    """Yields the names that answers bear, without those of films."""
    for part in parts:
        if isinstance(part, Pictures):
            yield from part.names
        elif isinstance(part, Broken):
            yield part.name
