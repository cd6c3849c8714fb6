"""A matrix as a drawing: colored cells with numbers, names along both sides, and the color scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.reporting.fonts import measure_text
from striate.reporting.marks import Box, Mark, Polyline, Raster, Text
from striate.reporting.panel import Drawing
from striate.reporting.style import COLORMAP_STOPS, MUTED_COLOR, TEXT_COLOR, TEXT_ON_DARK, TEXT_ON_LIGHT, to_rgb

MAX_NUMBERED_ROWS = 30
"""Rows and columns up to which the cells have numbers."""

MAX_SIDE_POINTS = 1224.0
"""Points: side of a matrix of many rows."""

LIGHT_TEXT_THRESHOLD = 0.45
"""Fraction from which a cell is dark enough for light text."""


def draw_heatmap(
    fractions: NDArray[np.float64],
    counts: NDArray[np.int64],
    names: Sequence[str],
    *,
    title: str,
    x_label: str,
    y_label: str,
    colorbar_label: str,
) -> Drawing:
    """Returns a square matrix as a drawing.

    Args:
        fractions: (n, n), 0..1: the cells' colors.
        counts: (n, n): what cells say, where it is not 0 and the matrix is small enough.
        names: of rows and columns.
        title: above it.
        x_label: below it.
        y_label: on its left.
        colorbar_label: beside the color scale.
    """
    n = len(names)
    cell = max(1.0, math.floor(2 * min(MAX_SIDE_POINTS, max(252.0, 39.6 * n + 72)) / n) / 2)
    size = max(3.0, min(10.0, 0.85 * cell))
    every = math.ceil(1.1 * size / cell) if size > 0.9 * cell else 1
    widths = [measure_text(name, size) for name in names]
    is_level = max(widths) <= 0.9 * cell
    slanted = 0.0 if is_level else max(widths) / math.sqrt(2)
    left = max(15 + max(widths) + 8, 0.0 if is_level else widths[0] / math.sqrt(2) - cell / 2 + 12)
    grid = Box(left, 20, n * cell, n * cell)
    marks: list[Mark] = [
        Text(grid.x, 13, title, 12, is_bold=True),
        Raster(grid, apply_colormap(fractions)),
    ]
    for place in range(0, n, every):
        middle = (place + 0.5) * cell
        marks.append(Text(grid.x - 5, grid.y + middle + 0.36 * size, names[place], size, anchor="end"))
        if is_level:
            marks.append(Text(grid.x + middle, grid.bottom + 4 + size, names[place], size, anchor="middle"))
        else:
            x = grid.x + middle + 0.36 * size
            marks.append(Text(x, grid.bottom + 5 + 0.5 * size, names[place], size, anchor="end", angle=45))
    below = grid.bottom + (size if is_level else slanted + size) + 8
    marks.append(Text(grid.x + grid.width / 2, below + 10, x_label, anchor="middle"))
    marks.append(Text(10, grid.y + grid.height / 2, y_label, anchor="middle", angle=90))
    if n <= MAX_NUMBERED_ROWS:
        marks += _draw_counts(grid, cell, fractions, counts)
    scale, right = _draw_colorbar(grid, colorbar_label)
    return Drawing(right, below + 16, (*marks, *scale))


def apply_colormap(fractions: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Returns the color (…, 3) of each fraction of 0..1."""
    stops = np.linspace(0, 1, len(COLORMAP_STOPS))
    channels = np.array([to_rgb(color) for color in COLORMAP_STOPS], float).T
    return np.stack([np.interp(fractions, stops, channel) for channel in channels], axis=-1).round().astype(np.uint8)


def _draw_counts(grid: Box, cell: float, fractions: NDArray[np.float64], counts: NDArray[np.int64]) -> list[Mark]:
    widest = max(measure_text(f"{number:,}", 9) for number in np.unique(counts))
    size = min(9.0, 9 * 0.88 * cell / widest)
    return [
        Text(
            grid.x + (column + 0.5) * cell,
            grid.y + (row + 0.5) * cell + 0.36 * size,
            f"{counts[row, column]:,}",
            size,
            TEXT_ON_DARK if fractions[row, column] > LIGHT_TEXT_THRESHOLD else TEXT_ON_LIGHT,
            "middle",
        )
        for row, column in np.argwhere(counts > 0).tolist()
    ]


def _draw_colorbar(grid: Box, label: str) -> tuple[list[Mark], float]:
    """Returns the color scale's marks, and where the drawing ends on the right."""
    height = 0.7 * grid.height
    bar = Box(grid.right + 22, grid.y + 0.15 * grid.height, 17, height)
    marks: list[Mark] = [Raster(bar, apply_colormap(np.linspace(1, 0, 256)[:, None]), is_smooth=True)]
    for tick in range(6):
        y = bar.bottom - tick / 5 * height
        marks.append(Polyline(np.array([[bar.right, y], [bar.right + 3.5, y]]), TEXT_COLOR, 0.8))
        marks.append(Text(bar.right + 7, y + 3.6, f"{tick / 5:.1f}"))
    marks.append(Text(bar.right + 38, bar.y + height / 2, label, anchor="middle", angle=90))
    return marks, bar.right + 46


GALLERY_COLUMN_WIDTH, GALLERY_IMAGE_SIDE, CAPTION_LINE_HEIGHT, GALLERY_HEADER_HEIGHT, GALLERY_ROW_GAP = (
    111.6,
    106.0,
    10.0,
    26.0,
    14.0,
)
"""Points: of a column, an image, a line of its caption, the title, and between rows."""

MAX_PIXELATED_SIDE = 64
"""Pixels: images up to this size are enlarged with visible pixels."""


class GalleryItem(NamedTuple):
    """An image (h, w, 1 or 3) uint8, the lines above it, and their color."""

    pixels: NDArray[np.uint8]
    caption_lines: tuple[str, ...]
    color: str


def draw_gallery(items: Sequence[GalleryItem], title: str, column_count: int) -> Drawing:
    """Returns images in rows of `column_count`; without any, a drawing that says "none"."""
    caption = CAPTION_LINE_HEIGHT * max((len(item.caption_lines) for item in items), default=1) + 4
    rows = max(1, math.ceil(len(items) / column_count))
    height = caption + GALLERY_IMAGE_SIDE + GALLERY_ROW_GAP
    marks: list[Mark] = [Text(9, 14, title, 12, is_bold=True)]
    if not items:
        marks.append(Text(9, GALLERY_HEADER_HEIGHT + height / 2, "none", color=MUTED_COLOR))
    for place, item in enumerate(items):
        left = place % column_count * GALLERY_COLUMN_WIDTH + (GALLERY_COLUMN_WIDTH - GALLERY_IMAGE_SIDE) / 2
        top = GALLERY_HEADER_HEIGHT + place // column_count * height + caption
        for number, line in enumerate(reversed(item.caption_lines)):
            marks.append(
                Text(
                    left + GALLERY_IMAGE_SIDE / 2, top - 5 - number * CAPTION_LINE_HEIGHT, line, 8, item.color, "middle"
                )
            )
        tall, wide = item.pixels.shape[:2]
        scale = GALLERY_IMAGE_SIDE / max(tall, wide)
        box = Box(
            left + (GALLERY_IMAGE_SIDE - wide * scale) / 2,
            top + (GALLERY_IMAGE_SIDE - tall * scale) / 2,
            wide * scale,
            tall * scale,
        )
        marks.append(Raster(box, item.pixels, is_smooth=max(tall, wide) > MAX_PIXELATED_SIDE))
    return Drawing(column_count * GALLERY_COLUMN_WIDTH, GALLERY_HEADER_HEIGHT + rows * height, tuple(marks))
