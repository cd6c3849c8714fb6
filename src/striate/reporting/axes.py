"""Where a legend is, and its marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.reporting.fonts import measure_text
from striate.reporting.marks import Box, Circle, Mark, Polyline, Rectangle, Text

LegendLocation = Literal["best", "upper left", "upper right", "lower left", "lower right"]

HANDLE_LENGTH, HANDLE_GAP, ROW_HEIGHT, LEGEND_PAD = 2.0, 0.8, 1.5, 0.9
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
    entries: Sequence[LegendEntry], plot: Box, location: LegendLocation, font_size: float, contents: Sequence[Mark]
) -> list[Mark]:
    """Returns the marks of a legend.

    Args:
        entries: from top to bottom.
        plot: what lies between the axes.
        location: where it is; "best" is where it lies over the fewest of `contents`.
        font_size: of its letters.
        contents: what it should not lie over.
    """
    width = (HANDLE_LENGTH + HANDLE_GAP) * font_size + max(measure_text(one.label, font_size) for one in entries)
    box = _choose_box(plot, width, len(entries) * ROW_HEIGHT * font_size, LEGEND_PAD * font_size, location, contents)
    marks: list[Mark] = []
    for row, one in enumerate(entries):
        middle = box.y + (row + 0.5) * ROW_HEIGHT * font_size
        if one.width:
            ends = np.array([[box.x, middle], [box.x + HANDLE_LENGTH * font_size, middle]])
            marks.append(Polyline(ends, one.color, one.width, one.dash))
        if one.radius:
            marks.append(Circle(box.x + HANDLE_LENGTH * font_size / 2, middle, one.radius, one.color, one.is_hollow))
        marks.append(
            Text(box.x + (HANDLE_LENGTH + HANDLE_GAP) * font_size, middle + 0.36 * font_size, one.label, font_size)
        )
    return marks


def _choose_box(
    plot: Box, width: float, height: float, pad: float, location: LegendLocation, contents: Sequence[Mark]
) -> Box:
    columns = {"left": plot.x + pad, "center": plot.x + (plot.width - width) / 2, "right": plot.right - pad - width}
    rows = {"upper": plot.y + pad, "center": plot.y + (plot.height - height) / 2, "lower": plot.bottom - pad - height}
    if location != "best":
        row, column = location.split()
        return Box(columns[column], rows[row], width, height)
    order = [(row, column) for row in ("upper", "lower", "center") for column in ("right", "left", "center")]
    boxes = [Box(columns[column], rows[row], width, height) for row, column in order]
    points = _sample_points(contents)
    return min(boxes, key=lambda box: _count_inside(points, box))  # of equally good ones the first


def _sample_points(contents: Sequence[Mark]) -> NDArray[np.float64]:
    """Returns points along everything drawn, four points of 1/72 inch apart."""
    found = [np.empty((0, 2))]
    for mark in contents:
        match mark:
            case Polyline():
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


LIMIT_MARGIN = 0.05
"""Fraction of the values' range that is left free on both sides."""


def choose_limits(values: Iterable[float]) -> tuple[float, float]:
    """Returns limits that hold all finite values with a margin; (0, 1) where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = LIMIT_MARGIN * (high - low)
    if room <= 1e-12 * max(abs(low), abs(high)):
        room = LIMIT_MARGIN * abs(high) or 0.5
    return low - room, high + room


def choose_ticks(low: float, high: float, max_intervals: int, *, is_integer: bool = False) -> list[float]:
    """Returns multiples of 1, 2, 2.5 or 5 times a power of ten within limits, at most `max_intervals` + 1 of them."""
    raw = (high - low) / max(1, max_intervals)
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [factor * power for factor in (1, 2, 2.5, 5, 10, 20)]
    if is_integer:
        steps = [step for step in steps if step >= 1 and step == round(step)] or [1.0]
    step = next(step for step in steps if step >= raw * (1 - 1e-9) or step == steps[-1])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def label_ticks(ticks: Sequence[float], *, is_percent: bool = False) -> list[str]:
    """Returns the ticks in words, all with as many decimals as they need to differ; 0..1 as percentages if asked to."""
    shown = [100 * tick for tick in ticks] if is_percent else list(ticks)
    end = "%" if is_percent else ""
    if len(shown) < 2:
        return [f"{value:.6g}{end}".replace("-", "−") for value in shown]
    step = min(abs(b - a) for a, b in pairwise(shown))
    largest = max(map(abs, shown))
    if largest >= 1e6 or step < 1e-5:
        significant = math.ceil(math.log10(max(largest, step) / step)) + 1
        return [f"{value:.{significant}g}".replace("-", "−") for value in shown]
    scaled = [step * 10**digits for digits in range(6)]
    digits = next((place for place, one in enumerate(scaled) if one > 0.5 and abs(one - round(one)) < 1e-3 * one), 6)
    return [f"{value:.{digits}f}{end}".replace("-", "−") for value in shown]


COLUMN_WIDTH = 0.25
"""Points of 1/72 inch: of what lies closer together along x, the extremes are kept."""

MAX_LINE_POINTS = 2000


def simplify_line(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a line (n, 2) without points that lie on the way between their neighbors; of a line of more than MOST
    points that goes from left to right, the first, lowest, highest and last of each narrow column.
    """
    if len(points) < 3:
        return points
    points = np.round(points, 2)
    points = points[np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)]]
    if len(points) > MAX_LINE_POINTS and (np.diff(points[:, 0]) >= 0).all():
        points = points[_select_extremes(points)]
    if len(points) < 3:
        return points
    before, after = points[1:-1] - points[:-2], points[2:] - points[1:-1]
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return points[np.r_[True, (np.abs(turn) > 1e-9) | ((before * after).sum(axis=1) < 0), True]]


def _select_extremes(points: NDArray[np.float64]) -> NDArray[np.intp]:
    columns = (points[:, 0] // COLUMN_WIDTH).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(columns) != 0])
    order = np.lexsort((points[:, 1], columns))
    last = np.r_[starts[1:], len(points)] - 1
    return np.unique(np.concatenate([starts, last, order[starts], order[last]]))
