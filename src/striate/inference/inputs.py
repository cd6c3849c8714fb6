"""From what a user points at to images, videos and cameras, in the order given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.decoding import ImageSource
from striate.data.inputs import expand_paths
from striate.data.loaders.archive import is_archive, unpack_archive
from striate.data.loaders.folder import is_non_image_name, list_files
from striate.errors import DataError
from striate.inference.video import has_video_signature
from striate.progress import NO_PROGRESS, Progress

CAMERA_PATTERN = re.compile(r"camera:(\d+)")
ARRAY_SUFFIXES = (".npy", ".npz")


@dataclass
class ImageInputs:
    """Images that follow each other, each with the name that its prediction bears."""

    names: list[str] = field(default_factory=list)
    images: list[ImageSource] = field(default_factory=list)


@dataclass(frozen=True)
class VideoInput:
    """A video, or a camera by its number."""

    name: str
    source: Path | int


@dataclass(frozen=True)
class UnreadableInput:
    """An archive or a file of arrays that cannot be read, and why."""

    name: str
    problem: str


Input = ImageInputs | VideoInput | UnreadableInput


def resolve_inputs(sources: Iterable[str | Path], *, progress: Progress = NO_PROGRESS) -> list[Input]:
    """Returns what `sources` mean, in the order given; images that follow each other are one part.

    Args:
        sources: files; folders, walked; globs; `-` for a list of paths on standard input; zip and tar archives; .npy
            and .npz arrays of images; videos, told by their content; `camera:N`.
        progress: told the bytes of an archive.

    Raises:
        DataError: a folder or glob without a file.
    """
    found: list[Input] = []
    for source in sources:
        if match := CAMERA_PATTERN.fullmatch(str(source)):
            found.append(VideoInput(str(source), int(match[1])))
            continue
        for path in expand_paths([source], include_videos=True):
            if path.is_file() and (is_archive(path) or path.suffix.lower() in ARRAY_SUFFIXES):
                try:
                    names, images = _unpack_archive(path, progress) if is_archive(path) else _load_array_images(path)
                except DataError as error:
                    found.append(UnreadableInput(str(path), str(error)))
                    continue
                _append_images(found, names, images)
            elif has_video_signature(path):
                found.append(VideoInput(str(path), path))
            else:
                _append_images(found, [str(path)], [path])
    return found


def _append_images(inputs: list[Input], names: list[str], images: Sequence[Any]) -> None:
    """Puts images behind the last ones."""
    if not inputs or not isinstance(inputs[-1], ImageInputs):
        inputs.append(ImageInputs())
    last = inputs[-1]
    assert isinstance(last, ImageInputs)  # noqa: S101
    last.names += names
    last.images += images


def _unpack_archive(path: Path, progress: Progress) -> tuple[list[str], list[Path]]:
    """Returns an archive's images and their names."""
    folder = unpack_archive(path, progress=progress)
    inside = [file for file in list_files(folder) if not is_non_image_name(file)]
    if not inside:
        raise DataError("No image there")
    return [f"{path}/{file.relative_to(folder).as_posix()}" for file in inside], inside


def _load_array_images(path: Path) -> tuple[list[str], list[Any]]:
    """Returns the images in a file of arrays and their names."""
    names: list[str] = []
    images: list[Any] = []
    for name, pixels in _read_arrays(path):
        names += [f"{name}[{row}]" for row in range(len(pixels))]
        images += list(pixels)
    return names, images


def _read_arrays(path: Path) -> list[tuple[str, Any]]:
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
            "No array of images there",
            received=", ".join(f"{one.dtype} {one.shape}" for _, one in arrays) or None,
            expected="uint8, (n, h, w) or (n, h, w, 1, 3 or 4)",
        )
    return kept


def iter_image_names(inputs: Iterable[Input]) -> Iterator[str]:
    """Yields the names that answers bear, without those of videos."""
    for part in inputs:
        if isinstance(part, ImageInputs):
            yield from part.names
        elif isinstance(part, UnreadableInput):
            yield part.name
