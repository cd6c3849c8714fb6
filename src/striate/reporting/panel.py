"""A plot: axes with round ticks, lines, points with intervals, bars, notes and a legend, laid out into marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.reporting.axes import (
    LegendEntry,
    LegendLocation,
    choose_limits,
    choose_ticks,
    label_ticks,
    lay_out_legend,
    simplify_line,
)
from striate.reporting.fonts import measure_text
from striate.reporting.marks import Box, Circle, Mark, Polyline, Rectangle, Text
from striate.reporting.style import AXIS_COLOR, GRID_COLOR, MUTED_COLOR, TEXT_COLOR

DOT_PATTERN = (1.0, 1.65)
"""Drawn and empty length of a dotted line, a point wide."""

AXIS_WIDTH, TICK_LENGTH, TICK_PAD, TITLE_HEIGHT, LABEL_HEIGHT = 0.8, 3.5, 3.5, 18.0, 15.0
"""Points: width of an axis, length of a tick, room beside it, height of the title's and of an axis label's line."""

MAX_TICKS = 9
BASELINE_OFFSET = 0.36
"""Height of a letter above its baseline, halved, in sizes: so much lower than its middle a text begins."""


@dataclass(frozen=True)
class Series:
    """Numbers drawn as a line, as points, or both.

    Attributes:
        x: one value a point.
        y: likewise; what is not finite interrupts the line.
        color: of all of it.
        label: in the legend; "" leaves it out.
        width: of the line; 0 for none.
        step: whether a value holds from its x on ("post") or up to it ("pre").
        dash: drawn and empty length.
        radius: of the points; 0 for none.
        is_hollow: rings rather than disks.
        opacity: of the line.
        intervals: lower and upper end of each y, drawn as bars.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    color: str
    label: str = ""
    width: float = 1.5
    step: Literal["", "post", "pre"] = ""
    dash: tuple[float, float] | None = None
    radius: float = 0.0
    is_hollow: bool = False
    opacity: float = 1.0
    intervals: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Bars:
    """Bars that stand on zero.

    Attributes:
        x: their middles.
        heights: of each.
        width: of all, in x.
        color: of all.
    """

    x: tuple[float, ...]
    heights: tuple[float, ...]
    width: float
    color: str


class Annotation(NamedTuple):
    """A text beside a place in the plot, `right` and `up` of it in points."""

    x: float
    y: float
    text: str
    right: float = 4.0
    up: float = 4.0


@dataclass(frozen=True)
class Axis:
    """How a direction is shown: `limits` and `label` where given, only whole ticks, ticks as percentages of 0..1."""

    label: str = ""
    limits: tuple[float, float] | None = None
    is_integer: bool = False
    is_percent: bool = False
    has_tick_labels: bool = True


@dataclass
class Panel:
    """A plot before it is laid out.

    Attributes:
        title: above it.
        x: the horizontal axis.
        y: the vertical axis.
        series: drawn in this order.
        bars: below them.
        vertical_lines: x of dotted lines over the whole height.
        horizontal_lines: y of dotted lines over the whole width.
        annotations: texts in the plot.
        legend_location: where the legend is; "best" is where it hides least, None leaves it out.
        legend_size: of its letters.
        is_legend_reversed: whether the series drawn last comes first in it.
    """

    title: str = ""
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    series: list[Series] = field(default_factory=list)
    bars: list[Bars] = field(default_factory=list)
    vertical_lines: list[float] = field(default_factory=list)
    horizontal_lines: list[float] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    legend_location: LegendLocation | None = None
    legend_size: float = 10.0
    is_legend_reversed: bool = False

    @property
    def x_limits(self) -> tuple[float, float]:
        """Left and right end."""
        return self.x.limits or choose_limits(value for one in self.series for value in one.x)

    @property
    def y_limits(self) -> tuple[float, float]:
        """Lower and upper end."""
        if self.y.limits is not None:
            return self.y.limits
        if self.bars:
            return 0.0, 1.05 * (max((height for bars in self.bars for height in bars.heights), default=0.0) or 1.0)
        return choose_limits(
            [value for one in self.series for value in one.y]
            + [end for one in self.series for ends in one.intervals for end in ends]
        )

    @property
    def legend_entries(self) -> list[LegendEntry]:
        """What the legend says."""
        entries = [
            LegendEntry(one.label, one.color, one.width, one.dash, one.radius, one.is_hollow)
            for one in self.series
            if one.label
        ]
        return entries[::-1] if self.is_legend_reversed else entries

    def measure_left_margin(self, height: float) -> float:
        """Returns how much room the vertical axis needs in a panel of a height."""
        _, labels = self._choose_y_ticks(self._compute_plot_height(height))
        widest = max((measure_text(label, 10) for label in labels), default=0.0)
        return widest + TICK_LENGTH + TICK_PAD + 2 + (LABEL_HEIGHT if self.y.label else 0)

    def lay_out(self, box: Box, left_margin: float | None = None) -> list[Mark]:
        """Returns the marks of the panel within a box.

        Args:
            box: all the room there is, for labels too.
            left_margin: room for the vertical axis, where several panels share it.
        """
        left_margin = self.measure_left_margin(box.height) if left_margin is None else left_margin
        plot = Box(
            box.x + left_margin, box.y + (TITLE_HEIGHT if self.title else 6), 0, self._compute_plot_height(box.height)
        )
        plot = plot._replace(width=box.right - plot.x - 6)
        frame = _PlotArea(plot, self.x_limits, self.y_limits)
        marks = self._draw_axes(frame, box)
        contents = self._draw_contents(frame)
        marks += contents
        for note in self.annotations:
            x, y = frame.to_position(note.x, note.y)
            marks.append(Text(x + note.right, y - note.up, note.text, 9))
        if self.legend_location is not None and self.legend_entries:
            marks += lay_out_legend(self.legend_entries, plot, self.legend_location, self.legend_size, contents)
        return marks

    def _compute_plot_height(self, height: float) -> float:
        below = (TICK_LENGTH + TICK_PAD + 10 if self.x.has_tick_labels else 4) + (LABEL_HEIGHT if self.x.label else 0)
        return height - (TITLE_HEIGHT if self.title else 6) - below

    def _choose_x_ticks(self, width: float) -> tuple[list[float], list[str]]:
        low, high = self.x_limits
        for most in range(max(1, min(MAX_TICKS, int(width / 30))), 0, -1):
            ticks = choose_ticks(low, high, most, is_integer=self.x.is_integer)
            labels = label_ticks(ticks, is_percent=self.x.is_percent)
            if sum(measure_text(label, 10) + 8 for label in labels) <= width:
                break
        return ticks, labels

    def _choose_y_ticks(self, height: float) -> tuple[list[float], list[str]]:
        most = max(1, min(MAX_TICKS, int(height / 20)))
        ticks = choose_ticks(*self.y_limits, most, is_integer=self.y.is_integer)
        return ticks, label_ticks(ticks, is_percent=self.y.is_percent)

    def _draw_axes(self, plot_area: _PlotArea, box: Box) -> list[Mark]:
        plot = plot_area.plot
        x_ticks, x_labels = self._choose_x_ticks(plot.width)
        y_ticks, y_labels = self._choose_y_ticks(plot.height)
        places = [plot_area.to_position(tick, plot_area.y_limits[0])[0] for tick in x_ticks]
        heights = [plot_area.to_position(plot_area.x_limits[0], tick)[1] for tick in y_ticks]
        marks: list[Mark] = []
        marks += [_make_line((x, plot.y), (x, plot.bottom), GRID_COLOR) for x in places]
        marks += [_make_line((plot.x, y), (plot.right, y), GRID_COLOR) for y in heights]
        marks += [_make_line((plot.x, plot.y), (plot.x, plot.bottom), AXIS_COLOR)]
        marks += [_make_line((plot.x, plot.bottom), (plot.right, plot.bottom), AXIS_COLOR)]
        marks += [_make_line((x, plot.bottom), (x, plot.bottom + TICK_LENGTH), TEXT_COLOR) for x in places]
        marks += [_make_line((plot.x - TICK_LENGTH, y), (plot.x, y), TEXT_COLOR) for y in heights]
        if self.x.has_tick_labels:
            for x, label in zip(places, x_labels, strict=True):
                half = measure_text(label, 10) / 2
                middle = min(x, box.right - half)  # the last one stays within the drawing
                marks.append(Text(middle, plot.bottom + TICK_LENGTH + TICK_PAD + 8, label, anchor="middle"))
        for y, label in zip(heights, y_labels, strict=True):
            marks.append(Text(plot.x - TICK_LENGTH - TICK_PAD, y + BASELINE_OFFSET * 10, label, anchor="end"))
        if self.x.label:
            marks.append(Text(plot.x + plot.width / 2, box.bottom - 4, self.x.label, anchor="middle"))
        if self.y.label:
            marks.append(Text(box.x + 10, plot.y + plot.height / 2, self.y.label, anchor="middle", angle=90))
        if self.title:
            marks.append(Text(plot.x, box.y + 12, self.title, 12, is_bold=True))
        return marks

    def _draw_contents(self, plot_area: _PlotArea) -> list[Mark]:
        plot = plot_area.plot
        marks: list[Mark] = []
        for bars in self.bars:
            for x, height in zip(bars.x, bars.heights, strict=True):
                left, top = plot_area.to_position(x - bars.width / 2, height)
                right, bottom = plot_area.to_position(x + bars.width / 2, 0)
                marks.append(Rectangle(Box(left, top, right - left, bottom - top), bars.color))
        for x in self.vertical_lines:
            place = plot_area.to_position(x, plot_area.y_limits[0])[0]
            marks.append(_make_line((place, plot.bottom), (place, plot.y), MUTED_COLOR, 1, DOT_PATTERN))
        for y in self.horizontal_lines:
            place = plot_area.to_position(plot_area.x_limits[0], y)[1]
            marks.append(_make_line((plot.x, place), (plot.right, place), MUTED_COLOR, 1, DOT_PATTERN))
        for one in self.series:
            marks += plot_area.draw_series(one)
        return marks


class _PlotArea(NamedTuple):
    """The room between the axes, and the values at its ends."""

    plot: Box
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]

    def to_position(self, x: float, y: float) -> tuple[float, float]:
        """Returns where a pair of values lies."""
        (left, right), (low, high) = self.x_limits, self.y_limits
        return (
            self.plot.x + (x - left) / (right - left) * self.plot.width,
            self.plot.bottom - (y - low) / (high - low) * self.plot.height,
        )

    def draw_series(self, series: Series) -> list[Mark]:
        """Returns the marks of a series."""
        if not series.x:
            return []
        plot = self.plot
        places = np.array([self.to_position(x, y) for x, y in zip(series.x, series.y, strict=True)])
        marks: list[Mark] = []
        for (x, y), ends in zip(places, series.intervals, strict=False):
            low, high = (self.to_position(0, end)[1] for end in ends)
            if np.isfinite([x, y, low, high]).all():
                marks.append(_make_line((x, low), (x, high), series.color, 1.2))
                marks += [_make_line((x - 2, end), (x + 2, end), series.color, 1) for end in (low, high)]
        for run in _split_finite_runs(places):
            if series.width and len(run) > 1:
                line = simplify_line(_as_steps(run, series.step))
                is_inside = bool((line >= (plot.x, plot.y)).all() and (line <= (plot.right, plot.bottom)).all())
                clip = None if is_inside else plot
                marks.append(Polyline(line, series.color, series.width, series.dash, series.opacity, clip))
            if series.radius or len(run) == 1:
                radius = series.radius or series.width
                marks += [
                    Circle(float(x), float(y), radius, series.color, series.is_hollow)
                    for x, y in run
                    if plot.x - 1e-6 <= x <= plot.right + 1e-6 and plot.y - 1e-6 <= y <= plot.bottom + 1e-6
                ]
        return marks


def _make_line(
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    width: float = AXIS_WIDTH,
    dash: tuple[float, float] | None = None,
) -> Polyline:
    return Polyline(np.array([start, end], float), color, width, dash)


def _split_finite_runs(points: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    """Returns the parts of a line between values that are not finite."""
    is_finite = np.isfinite(points).all(axis=1)
    ends = np.flatnonzero(np.diff(is_finite)) + 1
    parts = np.split(points, ends)
    return [part for part in parts if np.isfinite(part).all()]


def _as_steps(points: NDArray[np.float64], step: str) -> NDArray[np.float64]:
    """Returns a line as stairs."""
    if not step:
        return points
    corners = np.stack([points[1:, 0], points[:-1, 1]] if step == "post" else [points[:-1, 0], points[1:, 1]], axis=1)
    stairs = np.empty((2 * len(points) - 1, 2))
    stairs[::2], stairs[1::2] = points, corners
    return stairs


@dataclass(frozen=True, eq=False)
class Drawing:
    """A chart laid out, in points.

    Attributes:
        width: of the whole.
        height: of the whole.
        marks: what is drawn, the lowest first.
        panels: the plots among it, with their numbers.
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    panels: tuple[Panel, ...] = field(default=())

    @property
    def texts(self) -> list[str]:
        """Every text, in the order of drawing."""
        return [mark.text for mark in self.marks if isinstance(mark, Text)]
