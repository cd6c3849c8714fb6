"""How strongly a JPEG was compressed, read from its quantisation table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# ITU-T T.81 (1992), table K.1: quantisation of luminance, by row.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).reshape(64)


def _scaled(quality: int) -> NDArray[np.int64]:
    """Returns the (64,) luminance table that the Independent JPEG Group's library makes for a quality in 1..100
    (jcparam.c: jpeg_quality_scaling, and jpeg_add_quant_table with its limit of 255 for baseline JPEG).
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: NDArray[np.int64] = np.clip((_LUMINANCE * percent + 50) // 100, 1, 255)
    return table


_TABLES = np.stack([_scaled(quality) for quality in range(1, 101)])


def quality(image: Image.Image) -> int | None:
    """Returns the quality in 1..100 whose table is nearest to an opened JPEG's first one; None for other formats.

    Exact for what the Independent JPEG Group's library and its descendants wrote; other encoders have tables of
    their own.
    """
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    distances = np.abs(_TABLES - np.asarray(tables[min(tables)])).sum(axis=1)
    return int(distances.argmin()) + 1
