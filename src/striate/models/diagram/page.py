"""The page of a diagram: stages as columns, the maps' size above each, one line through all of them, a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from striate.errors import printable
from striate.models.diagram.boxes import (
    BOX,
    COLOURS,
    GAP,
    JOINT,
    Sketch,
    arrow,
    line,
    shortened,
    sizes,
    text_width,
    tint,
    write,
)
from striate.models.diagram.pieces import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MARGIN, GUTTER, TITLE, HEAD, ROW = 0.3, 0.45, 0.45, 1.3, 0.24
"""Inches: around everything, between columns, and the heights of the title, of what stands above a stage, and of a
line of the legend."""

SLAB = 0.7
"""Inches: the height of the largest map, and the width of the maps with the most channels."""

RISE = 0.2
"""How far back the slabs rise, in their depths."""

SCREEN = (17.8, 10)
"""The page that the columns should fit on, inches."""

MEANING: dict[Kind, str] = {
    "convolution": "convolution",
    "depthwise": "depthwise convolution",
    "pooling": "pooling",
    "dense": "dense",
    "gate": "squeeze and excitation",
    "other": "other",
}
"""What the legend calls each kind."""


@dataclass(frozen=True)
class Stage:
    """Consecutive items whose maps have one size.

    Attributes:
        side: (height, width) of the maps; () for vectors.
        channels: what each item gives, without repetition.
        parts: the items, drawn.
    """

    side: tuple[int | None, ...]
    channels: tuple[int | None, ...]
    parts: tuple[Sketch, ...]

    @property
    def heading(self) -> str:
        """Returns the maps' size, or the vectors' lengths."""
        shown = self.channels[-1:] if self.side else self.channels[:1] + self.channels[1:][-2:]
        return " → ".join(sizes((*self.side, last)) for last in shown)


@dataclass(frozen=True)
class Part:
    """One drawing of a stage on the page.

    Attributes:
        stage: where it belongs.
        sketch: the drawing.
        above: the room for the stage's maps above it, inches; 0 where the part above it belongs to the same stage.
        first: whether it begins the stage; the others can still begin a column.
    """

    stage: Stage
    sketch: Sketch
    above: float
    first: bool

    @property
    def heading(self) -> str:
        """Returns what stands above it."""
        if self.first:
            return self.stage.heading
        return f"{sizes(self.stage.side)}, continued" if self.above else ""

    @property
    def height(self) -> float:
        """Returns the room it needs with what stands above and the gap below, inches."""
        return self.above + self.sketch.height + GAP


class Page:
    """The stages in columns no taller than `limit` inches, where that is possible.

    A stage begins a column or, on stacked pages, goes on in the one before it where there is room.
    """

    def __init__(self, stages: Sequence[Stage], limit: float, *, stacked: bool) -> None:
        maps = [stage for stage in stages if stage.side]
        self.largest = max([side or 1 for stage in maps for side in stage.side], default=1)
        self.deepest = max([count or 1 for stage in maps for count in stage.channels[-1:]], default=1)
        self.stacked = stacked
        self.columns = self._filled(stages, limit)
        self.lefts = [max(max(part.sketch.left, _half(part)) for part in column) for column in self.columns]
        self.rights = [max(max(part.sketch.right, _half(part)) for part in column) for column in self.columns]
        self.width = sum(self.lefts) + sum(self.rights) + GUTTER * (len(self.columns) - 1)
        self.height = max(sum(part.height for part in column) for column in self.columns)

    @property
    def order(self) -> tuple[float, bool, bool, float]:
        """Returns what makes a page better the smaller it is: whether it fits on the screen (or how little it does
        not; a divided stage costs a tenth, several in a column a fifth), whether stages are whole, whether each has
        its own column, and the page's size.
        """
        size = max(self.width / SCREEN[0], self.height / SCREEN[1])
        split = any(part.above and not part.first for column in self.columns for part in column)
        cost = size * (1.2 if self.stacked else 1.0) * (1.1 if split else 1.0)
        return max(1.0, cost), split, self.stacked, size

    def drawn(self, title: str, kinds: Sequence[Kind], foot: Sequence[str]) -> Figure:
        """Returns the figure: title, columns, legend."""
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        title = " ".join(printable(title).split())
        width = max(self.width, 4.5, min(text_width(title, 14, "bold"), SCREEN[0] * 0.6))
        legend = _rows([MEANING[kind] for kind in kinds], 0.5, width)
        notes = _rows(foot, 0.1, width)
        top = MARGIN + (TITLE if title else 0)
        bottom = top + self.height + 0.2
        size = (width + 2 * MARGIN, bottom + ROW * (len(legend) + len(notes)) + MARGIN - 0.1)
        figure = Figure(figsize=size)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
        axes.set_axis_off()
        if title:
            write(axes, MARGIN, MARGIN + 0.1, shortened(title, width, 14, "bold"), points=14, weight="bold")
        self._draw_columns(axes, MARGIN, top)
        colours = {MEANING[kind]: COLOURS[kind] for kind in kinds}
        for number, row in enumerate(legend):
            x, y = MARGIN, bottom + ROW * (number + 0.5)
            for name in row:
                patch = FancyBboxPatch(
                    (x, y - 0.07), 0.24, 0.14, "round,pad=0,rounding_size=0.04", fc=tint(colours[name]),
                    ec=colours[name],
                )  # fmt: skip
                axes.add_patch(patch)
                write(axes, x + 0.31, y, name)
                x += text_width(name) + 0.5
        for number, row in enumerate(notes, len(legend)):
            write(axes, MARGIN, bottom + ROW * (number + 0.5), ", ".join(row), color="#5B6470")
        return figure

    def _draw_columns(self, axes: Axes, at: float, top: float) -> None:
        leave: list[tuple[float, float]] = []  # where the line leaves the column before
        for left, right, column in zip(self.lefts, self.rights, self.columns, strict=True):
            x, y = at + left, top
            for number, part in enumerate(column):
                if number:
                    line(axes, (x, y - GAP - column[number - 1].sketch.tail), (x, y - 0.03))
                    arrow(axes, x, y)
                y += part.above
                if part.first:
                    self._maps(axes, x, y, part.stage)
                if part.heading:
                    write(axes, x, y - 0.27, part.heading, ha="center", weight="bold" if part.first else "normal")
                if not number and leave:
                    _across(axes, leave, at - GUTTER / 2, x, y, part.sketch)
                part.sketch.paint(axes, x, y)
                y += part.sketch.height + GAP
            first = column[0].sketch
            if len(column) == 1 and first.box and first.height < 2 * BOX:  # a single box
                leave = [(x + first.box, y - GAP - first.height + BOX / 2)]
            else:
                leave = [(x, y - GAP - column[-1].sketch.tail), (x, y - GAP + JOINT)]
            at += left + right + GUTTER

    def _filled(self, stages: Sequence[Stage], limit: float) -> list[list[Part]]:
        columns: list[list[Part]] = []
        room = 0.0
        for stage in stages:
            above = 0.4 + self._size(stage)[0] * (1 + RISE)
            whole = above + sum(sketch.height + GAP for sketch in stage.parts)
            for number, sketch in enumerate(stage.parts):
                fits = sketch.height + GAP <= room if number else self.stacked and whole <= room
                if not fits:
                    columns.append([])
                    room = limit
                part = Part(stage, sketch, HEAD if not fits else 0.0 if number else above, number == 0)
                columns[-1].append(part)
                room -= part.height
        return columns

    def _size(self, stage: Stage) -> tuple[float, float, float]:
        """Returns height, depth and width of the slab that stands for a stage's maps, inches: roots of theirs."""
        high, deep = [max(SLAB * sqrt((side or 1) / self.largest), 0.04) for side in (*stage.side, 1, 1)[:2]]
        wide = max(SLAB * sqrt((stage.channels[-1] or 1) / self.deepest), 0.04) if stage.channels else 0.04
        return high, deep, min(wide, 1.3 * SLAB)

    def _maps(self, axes: Axes, x: float, y: float, stage: Stage) -> None:
        """Draws the maps as a slab above y."""
        from matplotlib.patches import Polygon

        high, deep, wide = self._size(stage)
        slant, rise = 0.3 * deep, RISE * deep
        left, base = x - (wide + slant) / 2, y - 0.4
        front = [(left, base), (left, base - high), (left + wide, base - high), (left + wide, base)]
        lid = [front[1], (left + slant, base - high - rise), (left + wide + slant, base - high - rise), front[2]]
        flank = [front[3], front[2], lid[2], (left + wide + slant, base - rise)]
        for corners, colour in ((front, "#BBD7EA"), (lid, "#DCEAF4"), (flank, "#7FB2D5")):
            axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="#00314D", lw=0.6))


def _half(part: Part) -> float:
    return text_width(part.heading, weight="bold") / 2


def _across(axes: Axes, start: Sequence[tuple[float, float]], gutter: float, x: float, y: float, part: Sketch) -> None:
    """Draws the line from the end of a column to the beginning of the next: through the gutter between them, into a
    box from its side, into everything else from above.
    """
    if part.box:
        side = y + BOX / 2
        line(axes, *start, (gutter, start[-1][1]), (gutter, side), (x - part.box - 0.03, side))
        arrow(axes, x - part.box, side, across=True)
    else:
        line(axes, *start, (gutter, start[-1][1]), (gutter, y - JOINT), (x, y - JOINT), (x, y - 0.03))
        arrow(axes, x, y)


def _rows(names: Sequence[str], spare: float, width: float) -> list[list[str]]:
    """Returns the names in lines no longer than `width` inches, with `spare` beside each."""
    rows: list[list[str]] = []
    room = 0.0
    for name in names:
        need = text_width(name) + spare
        if not rows or need > room:
            rows.append([])
            room = width
        rows[-1].append(name)
        room -= need
    return rows
