"""Images with captions in rows as a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.reporting.marks import Box, Drawing, Mark, Raster, Text
from striate.reporting.style import FAINT

WIDTH, SIDE, LINE, HEADER, GAP = 111.6, 106.0, 10.0, 26.0, 14.0
"""Points: of a column, an image, a line of its caption, the title, and between rows."""

TINY = 64
"""Pixels: images up to this size are enlarged with visible pixels."""


class GalleryItem(NamedTuple):
    """An image (h, w, 1 or 3) uint8, the lines above it, and their color."""

    pixels: NDArray[np.uint8]
    lines: tuple[str, ...]
    color: str


def draw_gallery(items: Sequence[GalleryItem], title: str, columns: int) -> Drawing:
    """Returns images in rows of `columns`; without any, a drawing that says "none"."""
    caption = LINE * max((len(item.lines) for item in items), default=1) + 4
    rows = max(1, math.ceil(len(items) / columns))
    height = caption + SIDE + GAP
    marks: list[Mark] = [Text(9, 14, title, 12, is_bold=True)]
    if not items:
        marks.append(Text(9, HEADER + height / 2, "none", color=FAINT))
    for place, item in enumerate(items):
        left = place % columns * WIDTH + (WIDTH - SIDE) / 2
        top = HEADER + place // columns * height + caption
        for number, line in enumerate(reversed(item.lines)):
            marks.append(Text(left + SIDE / 2, top - 5 - number * LINE, line, 8, item.color, "middle"))
        tall, wide = item.pixels.shape[:2]
        scale = SIDE / max(tall, wide)
        box = Box(left + (SIDE - wide * scale) / 2, top + (SIDE - tall * scale) / 2, wide * scale, tall * scale)
        marks.append(Raster(box, item.pixels, is_smooth=max(tall, wide) > TINY))
    return Drawing(columns * WIDTH, HEADER + rows * height, tuple(marks))
