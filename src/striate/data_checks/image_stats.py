"""What each image of a set is: one pass over all of them, on which findings, page and division rest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import ExifTags, Image

from striate.data.decoded_cache import hash_sources
from striate.data.decoding import ImageSource, read_image_file
from striate.data.image_set import EncodedImages, ImageSet
from striate.data.prefetch import run_in_parallel
from striate.data.preprocessing import Preprocessing, is_sideways, open_image
from striate.errors import ImageDecodeError
from striate.progress import NO_PROGRESS, Progress
from striate.system.array_cache import ArrayCache

SCAN_SIDE, THUMBNAIL_SIDE = (
    128,
    32,
)  # pixels: of the copy that is looked at, and of the grayscale thumbnail that is kept
SCAN_PREPROCESSING = Preprocessing(SCAN_SIDE, SCAN_SIDE, 3)
"""How an image is decoded to be looked at. A reduction is antialiased, so a figure on it is one on the image."""

STATS_CACHE = ArrayCache("surveys", max_bytes=1 << 30)
STATS_FORMAT = 1
"""Raise it when a fact begins to be measured otherwise."""

STATS_DTYPE = np.dtype(
    [
        ("reason", "S120"),  # why it cannot be decoded, UTF-8; empty if it can
        ("digest", "S16"),  # BLAKE2b of the file's bytes, or of the pixels where there is no file
        ("bytes", "i8"),
        ("format", "S8"),
        ("mode", "S6"),
        ("width", "i4"),
        ("height", "i4"),
        ("is_animated", "?"),
        ("camera", "S40"),  # EXIF make and model, UTF-8
        ("colour", "f4", 3),  # mean red, green, blue, 0..255
        ("spread", "f4", 3),  # their standard deviations
        ("border", "f4", 4),  # mean red, green, blue of the outermost pixels, and their deviation from it
        ("sharpness", "f4"),  # variance of the Laplacian (Pech-Pacheco et al. 2000, LAPV) at SIDE × SIDE
        ("thumbnail", "u1", (THUMBNAIL_SIDE, THUMBNAIL_SIDE)),
    ]
)
"""What is known of an image. Width and height are those shown, after its EXIF orientation."""


@dataclass(frozen=True, eq=False)
class ImageStats:
    """An image set and the facts about each of its images.

    Attributes:
        images: the whole set, unreadable images included.
        records: (n,) of dtype STATS_DTYPE, parallel to the images.
    """

    images: ImageSet
    records: NDArray[Any]

    @property
    def is_readable(self) -> NDArray[np.bool_]:
        """(n,) whether each image can be decoded."""
        result: NDArray[np.bool_] = self.records["reason"] == b""
        return result

    @property
    def decode_errors(self) -> dict[str, str]:
        """Key → reason, for those that cannot."""
        numbers = np.flatnonzero(~self.is_readable)
        return {str(self.images.keys[i]): decode_text(self.records["reason"][i]) for i in numbers}

    @property
    def has_files(self) -> bool:
        """Whether the images are encoded, so that format and bytes mean something."""
        return not isinstance(self.images.sources, np.ndarray)


def scan_images(images: ImageSet, *, progress: Progress = NO_PROGRESS) -> ImageStats:
    """Returns the facts about every image; each is decoded once, and not even once when that was done before and
    nothing has changed since.
    """
    found = hash_sources(images)
    key = (
        found and hashlib.sha256(f"survey {STATS_FORMAT} {PIL.__version__} {STATS_DTYPE} {found}".encode()).hexdigest()
    )
    if (
        key
        and (known := STATS_CACHE.get(key)) is not None
        and known[0].dtype == STATS_DTYPE
        and len(known[0]) == len(images)
    ):
        return ImageStats(images, known[0])
    facts = np.zeros(len(images), STATS_DTYPE)

    def scan_row(index: int) -> None:
        facts[index] = scan_image(images, index)

    run_in_parallel("looking at images", len(images), scan_row, progress)
    if key:
        STATS_CACHE.put(key, facts)
    return ImageStats(images, facts)


def compute_digests(images: ImageSet, *, progress: Progress = NO_PROGRESS) -> NDArray[np.bytes_]:
    """Returns (n,) what equal images have in common, without decoding any: their digest, where another has the same
    number of bytes, and else their place. Empty where a file cannot be read or holds nothing.
    """
    found = np.array([f"#{index}" for index in range(len(images))], STATS_DTYPE["digest"])
    size = measure_source_bytes(images)
    _, inverse, number = np.unique(size, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((number[inverse] > 1) & (size > 0))
    found[size <= 0] = b""

    def hash_row(row: int) -> None:
        index = int(rows[row])
        try:
            found[index] = _compute_digest(_read_source(images.get_source(index)))
        except ImageDecodeError:
            found[index] = b""

    run_in_parallel("looking for copies", len(rows), hash_row, progress)
    return found


def measure_source_bytes(images: ImageSet) -> NDArray[np.int64]:
    """Returns (n,) the bytes of each image as it is stored; 0 or less where there is none."""
    if isinstance(images.sources, np.ndarray):
        return np.full(len(images), max(1, images.sources[:1].nbytes), np.int64)
    if isinstance(images.sources, EncodedImages):
        return images.sources.spans[:, 2]
    return np.array([_get_file_size(path) for path in images.sources], np.int64)


def _get_file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def scan_image(images: ImageSet, index: int) -> Any:
    """Returns the facts about one image, a scalar of dtype STATS_DTYPE."""
    import cv2

    fact = np.zeros((), STATS_DTYPE)
    try:
        source = _read_source(images.get_source(index))
        pixels = SCAN_PREPROCESSING(source)
    except ImageDecodeError as error:
        fact["reason"] = error.problem.encode()
        return fact
    fact["digest"] = _compute_digest(source)
    if isinstance(source, bytes):
        fact["bytes"] = len(source)
        _scan_header(fact, source)
    else:
        fact["bytes"], fact["format"] = source.nbytes, b"pixels"
        fact["height"], fact["width"] = source.shape[:2]
        fact["mode"] = b"RGB" if source.ndim == 3 and source.shape[2] >= 3 else b"L"
    mean, deviation = cv2.meanStdDev(pixels)
    fact["colour"], fact["spread"] = mean[:, 0], deviation[:, 0]
    ring = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]]).astype(np.float32)
    fact["border"] = [*ring.mean(axis=0), float(ring.std(axis=0).mean())]
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    fact["sharpness"] = cv2.Laplacian(gray, cv2.CV_32F).var()
    fact["thumbnail"] = cv2.resize(gray, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return fact


def _read_source(source: ImageSource) -> bytes | NDArray[np.uint8]:
    return read_image_file(source) if isinstance(source, Path) else source


def _compute_digest(source: bytes | NDArray[np.uint8]) -> bytes:
    if isinstance(source, bytes):
        return hashlib.blake2b(source, digest_size=16).digest() if source else b""
    return hashlib.blake2b(np.ascontiguousarray(source).data, digest_size=16).digest()


def _scan_header(record: Any, data: bytes) -> None:
    with open_image(data) as image:
        record["format"], record["mode"] = (image.format or "").encode(), image.mode.encode()
        record["is_animated"] = getattr(image, "is_animated", False)
        width, height = image.size
        try:
            exif = image.getexif()
        except Exception:  # the block is foreign bytes, and the pixels are whole without it
            exif = Image.Exif()
        if is_sideways(image):
            width, height = height, width
        record["width"], record["height"] = width, height
        words = (str(exif.get(tag, "")).strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
        record["camera"] = " ".join(word for word in words if word).encode("utf-8", "replace")


def decode_text(value: bytes) -> str:
    """Returns a fact's text; it may have been cut inside a letter."""
    return value.decode("utf-8", "ignore")
