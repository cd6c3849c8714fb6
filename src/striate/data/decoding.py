"""From the bytes of a file to an opened image, or to the reason why it is none."""

from __future__ import annotations

import io
import os
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from striate.errors import ConfigError, ImageDecodeError

MAX_PIXELS_VARIABLE, MAX_BYTES_VARIABLE = "STRIATE_MAX_PIXELS", "STRIATE_MAX_BYTES"
"""The environment variables that raise or lower the limits."""


class ImageLimits(NamedTuple):
    """The most that one image may have.

    Attributes:
        max_pixels: width times height; the default is what Pillow refuses as a decompression bomb.
        max_bytes: of its file.
    """

    max_pixels: int = 178_956_970
    max_bytes: int = 512 << 20


def get_image_limits() -> ImageLimits:
    """Returns the limits in force.

    Raises:
        ConfigError: an environment variable that sets one is no whole number above 0.
    """
    return _parse_limits(os.environ.get(MAX_PIXELS_VARIABLE), os.environ.get(MAX_BYTES_VARIABLE))


@cache
def _parse_limits(pixels: str | None, size: str | None) -> ImageLimits:
    found = ImageLimits()
    for name, text, field in ((MAX_PIXELS_VARIABLE, pixels, "max_pixels"), (MAX_BYTES_VARIABLE, size, "max_bytes")):
        if text is None:
            continue
        if not text.isdecimal() or not int(text):
            raise ConfigError(f"The environment variable {name} is no limit", received=text, expected="a whole number")
        found = found._replace(**{field: int(text)})
    return found


def check_file_size(size: int) -> None:
    """Returns nothing for a file that is not too large.

    Raises:
        ImageDecodeError: it is.
    """
    most = get_image_limits().max_bytes
    if size > most:
        raise ImageDecodeError(
            f"{size:,} bytes, more than the limit of {most:,} for one image ({MAX_BYTES_VARIABLE} raises it)"
        )


def check_pixel_count(width: int, height: int) -> None:
    """Returns nothing for an image that has not too many pixels.

    Raises:
        ImageDecodeError: it has.
    """
    most = get_image_limits().max_pixels
    if width * height > most:
        raise ImageDecodeError(
            f"{width:,}×{height:,} pixels, more than {most:,}, the limit against decompression bombs "
            f"({MAX_PIXELS_VARIABLE} raises it)"
        )


def read_image_file(path: Path) -> bytes:
    """Returns an image file's bytes.

    Raises:
        ImageDecodeError: it is too large, no regular file (reading a pipe could last for ever), or cannot be read.
    """
    try:
        if not path.is_file() and path.exists() and not path.is_dir():
            raise ImageDecodeError("no regular file, but a pipe or a device")
        check_file_size(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ImageDecodeError((error.strerror or str(error)).lower()) from None


warnings.filterwarnings("ignore", module=r"PIL\.")  # its remarks on odd EXIF or APNG blocks: the pixels are whole

IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "PPM", "ICO", "JPEG2000")
"""The formats decoded (JPEG includes MPO), beside HEIF where its extra is installed; told by content, never by file
name. Pillow knows more; some of those start other programs. It imports what reads a format when it first comes to it,
in this order: a JPEG or PNG needs few of its forty plugins."""

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of HEIF files, at byte 8 (ISO/IEC 23008-12)."""


@cache
def has_heif() -> bool:
    """Returns whether HEIF can be decoded, which is an extra; Pillow knows it then."""
    try:
        import pi_heif
    except ImportError:
        return False
    pi_heif.register_heif_opener()
    return True


def preload_formats() -> None:
    """Imports what reads any of the formats now, for a process that is to decode many images, or is soon confined."""
    Image.init()
    has_heif()


def open_image_bytes(data: bytes) -> Image.Image:
    """Returns the image in a file's bytes, not decoded yet.

    Raises:
        ImageDecodeError: it has more pixels than the limit.
        OSError, ValueError, …: whatever Pillow raises at foreign bytes.
    """
    if get_image_limits().max_pixels > 2 * (Image.MAX_IMAGE_PIXELS or 0):
        Image.MAX_IMAGE_PIXELS = get_image_limits().max_pixels  # asked for: Pillow's own limit lies below
    try:
        image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        if not has_heif():
            raise
        image = Image.open(io.BytesIO(data), formats=("HEIF",))
    check_pixel_count(*image.size)
    return image


def describe_decode_error(error: Exception, head: bytes) -> str:
    """Returns why the bytes could not be decoded, in words that help."""
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"more than {get_image_limits().max_pixels:,} pixels, the limit against decompression bombs "
            f"({MAX_PIXELS_VARIABLE} raises it)"
        )
    if isinstance(error, ImageDecodeError):
        return error.problem
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if not head:
        return "empty file (0 bytes)"
    start = head.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the image itself (git lfs pull fetches it)"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page saved under an image's name"
    if not any(head):
        return "nothing but zero bytes"
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS and not has_heif():
        return "a HEIC photograph, which needs an extra (pip install 'striate[heic]')"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in any known format"
    if isinstance(error, OSError | SyntaxError | ValueError):
        return f"broken: {str(error).rstrip('.')}"
    return "broken: its inner structure is damaged"


ImageSource = Path | bytes | NDArray[np.uint8]
"""What can be decoded: a file, its bytes, or pixels (h, w) or (h, w, 1 | 3 | 4) in 0..255."""
