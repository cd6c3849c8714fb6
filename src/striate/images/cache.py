"""Decode a whole image set once, in parallel, into one array that every epoch can index."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError, PictureError
from striate.images.imageset import ImageSet
from striate.images.pixels import Preprocessing
from striate.machine import memory
from striate.progress import SILENT, Progress

CHUNK = 64  # pictures per job: enough to hide the pool's overhead, few enough for a smooth progress bar


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image set's usable pictures, decoded.

    Attributes:
        images: the pictures that could be decoded, in order.
        pixels: (n, h, w, c) uint8, parallel to `images`; in memory, or a memory map when that would not fit.
        broken: key → reason, for the pictures left out.
    """

    images: ImageSet
    pixels: NDArray[np.uint8]
    broken: dict[str, str]


def decode_all(
    images: ImageSet,
    preprocessing: Preprocessing,
    *,
    progress: Progress = SILENT,
    memory_limit: int | None = None,
) -> Decoded:
    """Returns every picture that can be decoded, and the reasons for those that cannot.

    Args:
        images: what to decode.
        preprocessing: the size and form to decode to.
        progress: told the number of pictures done.
        memory_limit: bytes above which the pixels go to a temporary memory-mapped file (removed by the system
            when no longer used); by default a quarter of the machine's memory (of 8 GiB where the system
            does not say).

    Raises:
        DataError: not one picture could be decoded.
    """
    limit = memory_limit if memory_limit is not None else (memory() or 8 << 30) // 4
    pixels = _allocate((len(images), *preprocessing.shape), limit)
    broken: dict[int, str] = {}

    def job(chunk: range) -> int:
        for index in chunk:
            try:
                pixels[index] = preprocessing(images.source(index))
            except PictureError as error:
                broken[index] = error.problem
        return len(chunk)

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress.task("reading pictures", len(images), "pictures") as task,
    ):
        try:
            for done in pool.map(job, _chunks(len(images))):
                task.advance(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not broken:
        return Decoded(images, pixels, {})
    kept = np.setdiff1d(np.arange(len(images)), list(broken))
    if len(kept) == 0:
        first = min(broken)
        raise DataError(
            f"None of the {len(images)} pictures of {images.name} can be decoded",
            received=f"{images.keys[first]}: {broken[first]}",
        )
    reasons = {str(images.keys[index]): broken[index] for index in sorted(broken)}
    return Decoded(images.subset(kept), _compact(pixels, kept), reasons)


def _chunks(total: int) -> Iterator[range]:
    return (range(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK))


def _allocate(shape: tuple[int, ...], limit: int) -> NDArray[np.uint8]:
    if int(np.prod(shape, dtype=np.int64)) <= limit or 0 in shape:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile(prefix="striate-") as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _compact(pixels: NDArray[np.uint8], kept: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Moves the kept pictures to the front in place (they only move down), so a memory map need not be copied."""
    for place, index in enumerate(kept):
        if place != index:
            pixels[place] = pixels[index]
    return pixels[: len(kept)]
