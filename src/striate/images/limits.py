"""How large a picture may be: what is larger is refused before it is unpacked, whoever made it. Of animations and of
files with several pages the first picture alone is decoded, so their number costs nothing.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from striate.errors import ConfigError, PictureError

PIXELS, BYTES = "STRIATE_MAX_PIXELS", "STRIATE_MAX_BYTES"
"""The environment variables that raise or lower the limits."""


class Limits(NamedTuple):
    """The most that one picture may have.

    Attributes:
        pixels: width times height; the default is what Pillow refuses as a decompression bomb.
        bytes: of its file.
    """

    pixels: int = 178_956_970
    bytes: int = 512 << 20


def limits() -> Limits:
    """Returns the limits in force.

    Raises:
        ConfigError: an environment variable that sets one is no whole number above 0.
    """
    return _read(os.environ.get(PIXELS), os.environ.get(BYTES))


@cache
def _read(pixels: str | None, size: str | None) -> Limits:
    found = Limits()
    for name, text, field in ((PIXELS, pixels, "pixels"), (BYTES, size, "bytes")):
        if text is None:
            continue
        if not text.isdecimal() or not int(text):
            raise ConfigError(f"The environment variable {name} is no limit", received=text, expected="a whole number")
        found = found._replace(**{field: int(text)})
    return found


def refuse_bytes(size: int) -> None:
    """Returns nothing for a file that is not too large.

    Raises:
        PictureError: it is.
    """
    most = limits().bytes
    if size > most:
        raise PictureError(f"{size:,} bytes, more than the limit of {most:,} for one picture ({BYTES} raises it)")


def refuse_pixels(width: int, height: int) -> None:
    """Returns nothing for a picture that has not too many pixels.

    Raises:
        PictureError: it has.
    """
    most = limits().pixels
    if width * height > most:
        raise PictureError(
            f"{width:,}×{height:,} pixels, more than {most:,}, the limit against decompression bombs "
            f"({PIXELS} raises it)"
        )


def contents(path: Path) -> bytes:
    """Returns a picture file's bytes.

    Raises:
        PictureError: it is too large, no regular file (reading a pipe could last for ever), or cannot be read.
    """
    try:
        if not path.is_file() and path.exists() and not path.is_dir():
            raise PictureError("no regular file, but a pipe or a device")
        refuse_bytes(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise PictureError((error.strerror or str(error)).lower()) from None
