"""From the bytes of a file to an opened picture, or to the reason why it is none."""

from __future__ import annotations

import io
import warnings
from functools import cache

from PIL import Image, UnidentifiedImageError

from striate.errors import PictureError
from striate.images.limits import PIXELS, limits, refuse_pixels

warnings.filterwarnings("ignore", module=r"PIL\.")  # its remarks on odd EXIF or APNG blocks: the pixels are whole

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "PPM", "ICO", "JPEG2000")
"""The formats decoded (JPEG includes MPO), beside HEIF where its extra is installed; told by content, never by file
name. Pillow knows more; some of those start other programs. It imports what reads a format when it first comes to it,
in this order: a JPEG or PNG needs few of its forty plugins."""

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
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


def load_formats() -> None:
    """Imports what reads any of the formats now, for a process that is to decode many images, or is soon confined."""
    Image.init()
    has_heif()


def opened(data: bytes) -> Image.Image:
    """Returns the picture in a file's bytes, not decoded yet.

    Raises:
        PictureError: it has more pixels than the limit.
        OSError, ValueError, …: whatever Pillow raises at foreign bytes.
    """
    if limits().pixels > 2 * (Image.MAX_IMAGE_PIXELS or 0):
        Image.MAX_IMAGE_PIXELS = limits().pixels  # asked for: Pillow's own limit lies below
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if not has_heif():
            raise
        image = Image.open(io.BytesIO(data), formats=("HEIF",))
    refuse_pixels(*image.size)
    return image


def reason(error: Exception, head: bytes) -> str:
    """Returns why the bytes could not be decoded, in words that help."""
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {limits().pixels:,} pixels, the limit against decompression bombs ({PIXELS} raises it)"
    if isinstance(error, PictureError):
        return error.problem
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if not head:
        return "empty file (0 bytes)"
    start = head.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the picture itself (git lfs pull fetches it)"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page saved under a picture's name"
    if not any(head):
        return "nothing but zero bytes"
    if head[4:8] == b"ftyp" and head[8:12] in HEIC and not has_heif():
        return "a HEIC photograph, which needs an extra (pip install 'striate[heic]')"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in any known format"
    if isinstance(error, OSError | SyntaxError | ValueError):
        return f"broken: {str(error).rstrip('.')}"
    return "broken: its inner structure is damaged"
