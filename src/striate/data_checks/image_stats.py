"""What each picture of a set is: one pass over all of them, on which findings, page and division rest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import ExifTags, Image

from striate.data.decoded_cache import file_key
from striate.data.decoding import Picture, contents
from striate.data.image_set import Encoded, ImageSet
from striate.data.prefetch import for_each
from striate.data.preprocessing import Preprocessing, header, lies_on_its_side
from striate.errors import PictureError
from striate.progress import SILENT, Progress
from striate.system.array_cache import Shelf

SIDE, THUMB = 128, 32  # pixels: of the copy that is looked at, and of the grey thumbnail that is kept
LOOK = Preprocessing(SIDE, SIDE, 3)
"""How a picture is decoded to be looked at. A reduction is antialiased, so a figure on it is one on the picture."""

SHELF = Shelf("surveys", limit=1 << 30)
FORMAT = 1
"""Raise it when a fact begins to be measured otherwise."""

FACTS = np.dtype(
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
        ("thumbnail", "u1", (THUMB, THUMB)),
    ]
)
"""What is known of a picture. Width and height are those shown, after its EXIF orientation."""


@dataclass(frozen=True, eq=False)
class Survey:
    """An image set and the facts about each of its pictures.

    Attributes:
        images: the whole set, unreadable pictures included.
        facts: (n,) of dtype FACTS, parallel to the images.
    """

    images: ImageSet
    facts: NDArray[Any]

    @property
    def is_readable(self) -> NDArray[np.bool_]:
        """(n,) whether each picture can be decoded."""
        result: NDArray[np.bool_] = self.facts["reason"] == b""
        return result

    @property
    def broken(self) -> dict[str, str]:
        """Key → reason, for those that cannot."""
        numbers = np.flatnonzero(~self.is_readable)
        return {str(self.images.keys[i]): text(self.facts["reason"][i]) for i in numbers}

    @property
    def are_files(self) -> bool:
        """Whether the pictures are encoded, so that format and bytes mean something."""
        return not isinstance(self.images.sources, np.ndarray)


def survey(images: ImageSet, *, progress: Progress = SILENT) -> Survey:
    """Returns the facts about every picture; each is decoded once, and not even once when that was done before and
    nothing has changed since.
    """
    found = file_key(images)
    key = found and hashlib.sha256(f"survey {FORMAT} {PIL.__version__} {FACTS} {found}".encode()).hexdigest()
    if key and (known := SHELF.find(key)) is not None and known[0].dtype == FACTS and len(known[0]) == len(images):
        return Survey(images, known[0])
    facts = np.zeros(len(images), FACTS)

    def job(index: int) -> None:
        facts[index] = look(images, index)

    for_each("looking at pictures", len(images), job, progress)
    if key:
        SHELF.keep(key, facts)
    return Survey(images, facts)


def digests(images: ImageSet, *, progress: Progress = SILENT) -> NDArray[np.bytes_]:
    """Returns (n,) what equal pictures have in common, without decoding any: their digest, where another has the same
    number of bytes, and else their place. Empty where a file cannot be read or holds nothing.
    """
    found = np.array([f"#{index}" for index in range(len(images))], FACTS["digest"])
    size = sizes(images)
    _, inverse, number = np.unique(size, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((number[inverse] > 1) & (size > 0))
    found[size <= 0] = b""

    def job(row: int) -> None:
        index = int(rows[row])
        try:
            found[index] = _digest(_read(images.source(index)))
        except PictureError:
            found[index] = b""

    for_each("looking for copies", len(rows), job, progress)
    return found


def sizes(images: ImageSet) -> NDArray[np.int64]:
    """Returns (n,) the bytes of each picture as it is stored; 0 or less where there is none."""
    if isinstance(images.sources, np.ndarray):
        return np.full(len(images), max(1, images.sources[:1].nbytes), np.int64)
    if isinstance(images.sources, Encoded):
        return images.sources.places[:, 2]
    return np.array([_size(path) for path in images.sources], np.int64)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def look(images: ImageSet, index: int) -> Any:
    """Returns the facts about one picture, a scalar of dtype FACTS."""
    import cv2

    fact = np.zeros((), FACTS)
    try:
        source = _read(images.source(index))
        pixels = LOOK(source)
    except PictureError as error:
        fact["reason"] = error.problem.encode()
        return fact
    fact["digest"] = _digest(source)
    if isinstance(source, bytes):
        fact["bytes"] = len(source)
        _look_at_header(fact, source)
    else:
        fact["bytes"], fact["format"] = source.nbytes, b"pixels"
        fact["height"], fact["width"] = source.shape[:2]
        fact["mode"] = b"RGB" if source.ndim == 3 and source.shape[2] >= 3 else b"L"
    mean, deviation = cv2.meanStdDev(pixels)
    fact["colour"], fact["spread"] = mean[:, 0], deviation[:, 0]
    ring = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]]).astype(np.float32)
    fact["border"] = [*ring.mean(axis=0), float(ring.std(axis=0).mean())]
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    fact["sharpness"] = cv2.Laplacian(grey, cv2.CV_32F).var()
    fact["thumbnail"] = cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return fact


def _read(source: Picture) -> bytes | NDArray[np.uint8]:
    return contents(source) if isinstance(source, Path) else source


def _digest(source: bytes | NDArray[np.uint8]) -> bytes:
    if isinstance(source, bytes):
        return hashlib.blake2b(source, digest_size=16).digest() if source else b""
    return hashlib.blake2b(np.ascontiguousarray(source).data, digest_size=16).digest()


def _look_at_header(fact: Any, data: bytes) -> None:
    with header(data) as image:
        fact["format"], fact["mode"] = (image.format or "").encode(), image.mode.encode()
        fact["is_animated"] = getattr(image, "is_animated", False)
        width, height = image.size
        try:
            exif = image.getexif()
        except Exception:  # the block is foreign bytes, and the pixels are whole without it
            exif = Image.Exif()
        if lies_on_its_side(image):
            width, height = height, width
        fact["width"], fact["height"] = width, height
        words = (str(exif.get(tag, "")).strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
        fact["camera"] = " ".join(word for word in words if word).encode("utf-8", "replace")


def text(value: bytes) -> str:
    """Returns a fact's text; it may have been cut inside a letter."""
    return value.decode("utf-8", "ignore")
