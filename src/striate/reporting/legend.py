"""Where a legend is, and its marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.reporting.fonts import measure_text
from striate.reporting.marks import Box, Circle, Mark, Path, Rectangle, Text

Corner = Literal["best", "upper left", "upper right", "lower left", "lower right"]

HANDLE, GAP, LINE, PAD = 2.0, 0.8, 1.5, 0.9
"""Sizes of its letters: length of a sample line, room after it, height of a row, distance from the axes."""


class LegendEntry(NamedTuple):
    """A series in the legend."""

    label: str
    color: str
    width: float
    dash: tuple[float, float] | None
    radius: float
    is_hollow: bool


def lay_out_legend(
    entries: Sequence[LegendEntry], plot: Box, corner: Corner, size: float, contents: Sequence[Mark]
) -> list[Mark]:
    """Returns the marks of a legend.

    Args:
        entries: from top to bottom.
        plot: what lies between the axes.
        corner: where it is; "best" is where it lies over the fewest of `contents`.
        size: of its letters.
        contents: what it should not lie over.
    """
    width = (HANDLE + GAP) * size + max(measure_text(one.label, size) for one in entries)
    box = _choose_place(plot, width, len(entries) * LINE * size, PAD * size, corner, contents)
    marks: list[Mark] = []
    for row, one in enumerate(entries):
        middle = box.y + (row + 0.5) * LINE * size
        if one.width:
            ends = np.array([[box.x, middle], [box.x + HANDLE * size, middle]])
            marks.append(Path(ends, one.color, one.width, one.dash))
        if one.radius:
            marks.append(Circle(box.x + HANDLE * size / 2, middle, one.radius, one.color, one.is_hollow))
        marks.append(Text(box.x + (HANDLE + GAP) * size, middle + 0.36 * size, one.label, size))
    return marks


def _choose_place(plot: Box, width: float, height: float, pad: float, corner: Corner, contents: Sequence[Mark]) -> Box:
    columns = {"left": plot.x + pad, "center": plot.x + (plot.width - width) / 2, "right": plot.right - pad - width}
    rows = {"upper": plot.y + pad, "center": plot.y + (plot.height - height) / 2, "lower": plot.bottom - pad - height}
    if corner != "best":
        row, column = corner.split()
        return Box(columns[column], rows[row], width, height)
    order = [(row, column) for row in ("upper", "lower", "center") for column in ("right", "left", "center")]
    boxes = [Box(columns[column], rows[row], width, height) for row, column in order]
    points = _sample(contents)
    return min(boxes, key=lambda box: _count_inside(points, box))  # of equally good ones the first


def _sample(contents: Sequence[Mark]) -> NDArray[np.float64]:
    """Returns points along everything drawn, four points of 1/72 inch apart."""
    found = [np.empty((0, 2))]
    for mark in contents:
        match mark:
            case Path():
                for start, end in zip(mark.points[:-1], mark.points[1:], strict=True):
                    number = int(np.hypot(*(end - start)) // 4) + 2
                    found.append(np.linspace(start, end, number))
            case Circle():
                found.append(np.array([[mark.x, mark.y]]))
            case Rectangle():
                box = mark.box
                grid = np.meshgrid(np.linspace(box.x, box.right, 8), np.linspace(box.y, box.bottom, 8))
                found.append(np.stack(grid, axis=-1).reshape(-1, 2))
            case _:
                pass
    return np.concatenate(found)


def _count_inside(points: NDArray[np.float64], box: Box) -> int:
    x, y = points.T
    return int(np.sum((x > box.x - 3) & (x < box.right + 3) & (y > box.y - 3) & (y < box.bottom + 3)))
