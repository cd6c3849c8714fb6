"""Decode a whole image set once, in parallel, into one array that every epoch can index; and not even once where an
earlier run has done it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from math import prod

import numpy as np
import PIL
from numpy.typing import NDArray

from striate.config import to_json
from striate.data.image_set import EncodedImages, ImageSet
from striate.data.prefetch import run_in_parallel
from striate.data.preprocessing import Preprocessing
from striate.errors import DataError, ImageDecodeError
from striate.progress import NO_PROGRESS, Progress
from striate.system.array_cache import ArrayCache
from striate.system.hardware import measure_memory

DECODED_CACHE = ArrayCache("decoded", max_bytes=8 << 30)
"""Where decoded images are kept between runs."""

DECODED_FORMAT = 1
"""Raise it when the same image begins to be decoded to other pixels."""

MIN_CACHE_SECONDS = 1.0  # seconds of decoding from which on the result is kept


@dataclass(frozen=True, eq=False)
class DecodedSet:
    """An image set's usable images, decoded.

    Attributes:
        images: the images that could be decoded, in order.
        pixels: (n, h, w, c) uint8, parallel to `images`; in memory, or a memory map when that would not fit.
        decode_errors: key → reason, for the images left out.
        is_cached: whether an earlier run had decoded them.
    """

    images: ImageSet
    pixels: NDArray[np.uint8]
    decode_errors: dict[str, str]
    is_cached: bool = False


def decode_all(
    images: ImageSet,
    preprocessing: Preprocessing,
    *,
    progress: Progress = NO_PROGRESS,
    memory_limit: int | None = None,
    use_cache: bool = False,
) -> DecodedSet:
    """Returns every image that can be decoded, and the reasons for those that cannot.

    Args:
        images: what to decode.
        preprocessing: the size and form to decode to.
        progress: told the number of images done.
        memory_limit: bytes above which the pixels go to a temporary memory-mapped file in the user's cache folder
            (removed by the system when no longer used); by default a quarter of the machine's memory (of 8 GiB where
            the system does not say).
        use_cache: look for what an earlier run decoded, in the user's cache folder, and leave there what took long. A
            file that has another size or time of change since then is another image.

    Raises:
        DataError: not one image could be decoded, or there is no room for the pixels.
    """
    limit = memory_limit if memory_limit is not None else (measure_memory() or 8 << 30) // 4
    shape = (len(images), *preprocessing.shape)
    key = _compute_cache_key(images, preprocessing) if use_cache else None
    if key is not None and (known := DECODED_CACHE.get(key, use_mmap=prod(shape) > limit)) is not None:
        pixels, reasons = known[0], {int(index): str(reason) for index, reason in known[1]["broken"].items()}
        return _drop_unreadable(images, pixels, reasons, is_cached=True)
    began = time.perf_counter()
    pixels = _allocate_pixels(shape, limit)
    broken: dict[int, str] = {}

    def decode_row(index: int) -> None:
        try:
            pixels[index] = preprocessing(images.get_source(index))
        except ImageDecodeError as error:
            broken[index] = error.problem

    run_in_parallel("reading images", len(images), decode_row, progress)
    found = _drop_unreadable(images, pixels, broken)
    if key is not None and time.perf_counter() - began > MIN_CACHE_SECONDS:
        DECODED_CACHE.put(key, found.pixels, {"broken": {str(index): broken[index] for index in sorted(broken)}})
    return found


def _drop_unreadable(
    images: ImageSet, pixels: NDArray[np.uint8], errors: dict[int, str], *, is_cached: bool = False
) -> DecodedSet:
    """Returns the images that could be decoded; of those known from earlier, `pixels` holds no others."""
    if not errors:
        return DecodedSet(images, pixels, {}, is_cached)
    kept = np.setdiff1d(np.arange(len(images)), list(errors))
    if len(kept) == 0:
        first = min(errors)
        raise DataError(
            f"None of the {len(images)} images of {images.name} can be decoded",
            received=f"{images.keys[first]}: {errors[first]}",
        )
    reasons = {str(images.keys[index]): errors[index] for index in sorted(errors)}
    return DecodedSet(images.subset(kept), pixels if is_cached else _compact_pixels(pixels, kept), reasons, is_cached)


def _compute_cache_key(images: ImageSet, preprocessing: Preprocessing) -> str | None:
    """Returns 64 hexadecimal digits made of all that the pixels depend on; None for what is in pixels already."""
    found = hash_sources(images)
    about = f"{DECODED_FORMAT} {PIL.__version__} {to_json(preprocessing)} {found}"
    return found and hashlib.sha256(about.encode()).hexdigest()


def hash_sources(images: ImageSet) -> str | None:
    """Returns 64 hexadecimal digits that change when one of the encoded images does: another size or time of change
    makes a file another image. None where the set is in pixels already, or a file of it is gone.
    """
    if isinstance(images.sources, np.ndarray):
        return None
    digest = hashlib.sha256(str(len(images)).encode())
    if isinstance(images.sources, EncodedImages):
        for piece in images.sources.iter_hash_chunks():
            digest.update(piece)
        return digest.hexdigest()
    for path in images.sources:
        try:
            about = path.stat()
        except OSError:  # gone since it was listed: decoding will say so
            return None
        digest.update(f"\0{about.st_size}\0{about.st_mtime_ns}\n".encode() + os.fsencode(path.absolute()))
    return digest.hexdigest()


def _allocate_pixels(shape: tuple[int, ...], limit: int) -> NDArray[np.uint8]:
    """Returns room for the pixels: in memory, or in a file beside the shelf (in TMPDIR if that is set; what lies in
    /tmp is in memory on many systems).
    """
    size = prod(shape)
    if size <= limit or not size:
        return np.empty(shape, np.uint8)
    folder = None
    if not os.environ.get("TMPDIR"):
        with contextlib.suppress(OSError):
            DECODED_CACHE.folder.mkdir(parents=True, exist_ok=True)
            folder = DECODED_CACHE.folder
    with tempfile.TemporaryFile(prefix="striate-", dir=folder) as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a map of a file that finds no room kills the process
            return np.memmap(file, np.uint8, "w+", shape=shape)
        except OSError as error:
            raise DataError(
                f"There is no room for the decoded images: {(error.strerror or str(error)).lower()}",
                received=f"{shape[0]:,} images, {size / 2**30:.1f} GiB",
                hint="a smaller --size, or TMPDIR=FOLDER on another disk",
            ) from None


def _compact_pixels(pixels: NDArray[np.uint8], indices: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Moves the kept images to the front in place (they only move down), so a memory map need not be copied."""
    for place, index in enumerate(indices):
        if place != index:
            pixels[place] = pixels[index]
    return pixels[: len(indices)]
