"""The page of a diagram: stages as columns, the maps' size above each, one line through all of them, a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from striate.errors import to_printable
from striate.models.diagram.boxes import (
    BOX_GAP,
    BOX_HEIGHT,
    JOINT_OFFSET,
    KIND_COLORS,
    Drawable,
    compute_tint,
    draw_arrow,
    draw_line,
    draw_text,
    format_shape,
    measure_text_width,
    truncate_text,
)
from striate.models.diagram.pieces import NodeKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PAGE_MARGIN, COLUMN_GAP, TITLE_HEIGHT, HEADING_HEIGHT, LEGEND_ROW_HEIGHT = 0.3, 0.45, 0.45, 1.3, 0.24
"""Inches: around everything, between columns, and the heights of the title, of what stands above a stage, and of a
line of the legend."""

MAX_SLAB_LENGTH = 0.7
"""Inches: the height of the largest map, and the width of the maps with the most channels."""

SLAB_RISE = 0.2
"""How far back the slabs rise, in their depths."""

SCREEN_SIZE = (17.8, 10)
"""The page that the columns should fit on, inches."""

KIND_NAMES: dict[NodeKind, str] = {
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
        map_size: (height, width) of the maps; () for vectors.
        channels: what each item gives, without repetition.
        drawables: the items, drawn.
    """

    map_size: tuple[int | None, ...]
    channels: tuple[int | None, ...]
    drawables: tuple[Drawable, ...]

    @property
    def heading(self) -> str:
        """Returns the maps' size, or the vectors' lengths."""
        shown = self.channels[-1:] if self.map_size else self.channels[:1] + self.channels[1:][-2:]
        return " → ".join(format_shape((*self.map_size, last)) for last in shown)


@dataclass(frozen=True)
class StagePart:
    """One drawing of a stage on the page.

    Attributes:
        stage: where it belongs.
        drawable: the drawing.
        space_above: the space for the stage's maps above it, inches; 0 if the part above belongs to the same stage.
        is_first: whether it begins the stage; the others can still begin a column.
    """

    stage: Stage
    drawable: Drawable
    space_above: float
    is_first: bool

    @property
    def heading(self) -> str:
        """Returns what stands above it."""
        if self.is_first:
            return self.stage.heading
        return f"{format_shape(self.stage.map_size)}, continued" if self.space_above else ""

    @property
    def height(self) -> float:
        """Returns the room it needs with what stands above and the gap below, inches."""
        return self.space_above + self.drawable.height + BOX_GAP


class DiagramLayout:
    """The stages in columns no taller than `max_height` inches, where that is possible.

    A stage begins a column or, on stacked pages, goes on in the one before it where there is room.
    """

    def __init__(self, stages: Sequence[Stage], max_height: float, *, is_stacked: bool) -> None:
        maps = [stage for stage in stages if stage.map_size]
        self.max_map_side = max([side or 1 for stage in maps for side in stage.map_size], default=1)
        self.max_channels = max([count or 1 for stage in maps for count in stage.channels[-1:]], default=1)
        self.is_stacked = is_stacked
        self.columns = self._fill_columns(stages, max_height)
        self.left_widths = [
            max(max(part.drawable.left_width, _measure_half_heading(part)) for part in column)
            for column in self.columns
        ]
        self.right_widths = [
            max(max(part.drawable.right_width, _measure_half_heading(part)) for part in column)
            for column in self.columns
        ]
        self.width = sum(self.left_widths) + sum(self.right_widths) + COLUMN_GAP * (len(self.columns) - 1)
        self.height = max(sum(part.height for part in column) for column in self.columns)

    @property
    def sort_key(self) -> tuple[float, bool, bool, float]:
        """Returns what makes a page better the smaller it is: whether it fits on the screen (or how little it does
        not; a divided stage costs a tenth, several in a column a fifth), whether stages are whole, whether each has
        its own column, and the page's size.
        """
        size = max(self.width / SCREEN_SIZE[0], self.height / SCREEN_SIZE[1])
        split = any(part.space_above and not part.is_first for column in self.columns for part in column)
        cost = size * (1.2 if self.is_stacked else 1.0) * (1.1 if split else 1.0)
        return max(1.0, cost), split, self.is_stacked, size

    def draw_figure(self, title: str, kinds: Sequence[NodeKind], footnotes: Sequence[str]) -> Figure:
        """Returns the figure: title, columns, legend."""
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        title = " ".join(to_printable(title).split())
        width = max(self.width, 4.5, min(measure_text_width(title, 14, "bold"), SCREEN_SIZE[0] * 0.6))
        legend = _wrap_names([KIND_NAMES[kind] for kind in kinds], 0.5, width)
        notes = _wrap_names(footnotes, 0.1, width)
        top = PAGE_MARGIN + (TITLE_HEIGHT if title else 0)
        bottom = top + self.height + 0.2
        size = (width + 2 * PAGE_MARGIN, bottom + LEGEND_ROW_HEIGHT * (len(legend) + len(notes)) + PAGE_MARGIN - 0.1)
        figure = Figure(figsize=size)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
        axes.set_axis_off()
        if title:
            draw_text(
                axes,
                PAGE_MARGIN,
                PAGE_MARGIN + 0.1,
                truncate_text(title, width, 14, "bold"),
                font_size=14,
                weight="bold",
            )
        self._draw_columns(axes, PAGE_MARGIN, top)
        colors = {KIND_NAMES[kind]: KIND_COLORS[kind] for kind in kinds}
        for number, row in enumerate(legend):
            x, y = PAGE_MARGIN, bottom + LEGEND_ROW_HEIGHT * (number + 0.5)
            for name in row:
                patch = FancyBboxPatch(
                    (x, y - 0.07), 0.24, 0.14, "round,pad=0,rounding_size=0.04", fc=compute_tint(colors[name]),
                    ec=colors[name],
                )  # fmt: skip
                axes.add_patch(patch)
                draw_text(axes, x + 0.31, y, name)
                x += measure_text_width(name) + 0.5
        for number, row in enumerate(notes, len(legend)):
            draw_text(axes, PAGE_MARGIN, bottom + LEGEND_ROW_HEIGHT * (number + 0.5), ", ".join(row), color="#5B6470")
        return figure

    def _draw_columns(self, axes: Axes, column_x: float, top: float) -> None:
        leave: list[tuple[float, float]] = []  # where the line leaves the column before
        for left, right, column in zip(self.left_widths, self.right_widths, self.columns, strict=True):
            x, y = column_x + left, top
            for number, part in enumerate(column):
                if number:
                    draw_line(axes, (x, y - BOX_GAP - column[number - 1].drawable.tail_height), (x, y - 0.03))
                    draw_arrow(axes, x, y)
                y += part.space_above
                if part.is_first:
                    self._draw_slab(axes, x, y, part.stage)
                if part.heading:
                    draw_text(
                        axes, x, y - 0.27, part.heading, ha="center", weight="bold" if part.is_first else "normal"
                    )
                if not number and leave:
                    _connect_columns(axes, leave, column_x - COLUMN_GAP / 2, x, y, part.drawable)
                part.drawable.draw(axes, x, y)
                y += part.drawable.height + BOX_GAP
            first = column[0].drawable
            if len(column) == 1 and first.half_box_width and first.height < 2 * BOX_HEIGHT:  # a single box
                leave = [(x + first.half_box_width, y - BOX_GAP - first.height + BOX_HEIGHT / 2)]
            else:
                leave = [(x, y - BOX_GAP - column[-1].drawable.tail_height), (x, y - BOX_GAP + JOINT_OFFSET)]
            column_x += left + right + COLUMN_GAP

    def _fill_columns(self, stages: Sequence[Stage], max_height: float) -> list[list[StagePart]]:
        columns: list[list[StagePart]] = []
        room = 0.0
        for stage in stages:
            above = 0.4 + self._compute_slab_size(stage)[0] * (1 + SLAB_RISE)
            whole = above + sum(sketch.height + BOX_GAP for sketch in stage.drawables)
            for number, sketch in enumerate(stage.drawables):
                fits = sketch.height + BOX_GAP <= room if number else self.is_stacked and whole <= room
                if not fits:
                    columns.append([])
                    room = max_height
                part = StagePart(stage, sketch, HEADING_HEIGHT if not fits else 0.0 if number else above, number == 0)
                columns[-1].append(part)
                room -= part.height
        return columns

    def _compute_slab_size(self, stage: Stage) -> tuple[float, float, float]:
        """Returns height, depth and width of the slab that stands for a stage's maps, inches: roots of theirs."""
        high, deep = [
            max(MAX_SLAB_LENGTH * sqrt((side or 1) / self.max_map_side), 0.04) for side in (*stage.map_size, 1, 1)[:2]
        ]
        wide = (
            max(MAX_SLAB_LENGTH * sqrt((stage.channels[-1] or 1) / self.max_channels), 0.04) if stage.channels else 0.04
        )
        return high, deep, min(wide, 1.3 * MAX_SLAB_LENGTH)

    def _draw_slab(self, axes: Axes, x: float, y: float, stage: Stage) -> None:
        """Draws the maps as a slab above y."""
        from matplotlib.patches import Polygon

        high, deep, wide = self._compute_slab_size(stage)
        slant, rise = 0.3 * deep, SLAB_RISE * deep
        left, base = x - (wide + slant) / 2, y - 0.4
        front = [(left, base), (left, base - high), (left + wide, base - high), (left + wide, base)]
        lid = [front[1], (left + slant, base - high - rise), (left + wide + slant, base - high - rise), front[2]]
        flank = [front[3], front[2], lid[2], (left + wide + slant, base - rise)]
        for corners, color in ((front, "#BBD7EA"), (lid, "#DCEAF4"), (flank, "#7FB2D5")):
            axes.add_patch(Polygon(corners, facecolor=color, edgecolor="#00314D", lw=0.6))


def _measure_half_heading(part: StagePart) -> float:
    return measure_text_width(part.heading, weight="bold") / 2


def _connect_columns(
    axes: Axes, start_points: Sequence[tuple[float, float]], gap_x: float, x: float, y: float, drawable: Drawable
) -> None:
    """Draws the line from the end of a column to the beginning of the next: through the gutter between them, into a
    box from its side, into everything else from above.
    """
    if drawable.half_box_width:
        side = y + BOX_HEIGHT / 2
        draw_line(
            axes, *start_points, (gap_x, start_points[-1][1]), (gap_x, side), (x - drawable.half_box_width - 0.03, side)
        )
        draw_arrow(axes, x - drawable.half_box_width, side, is_horizontal=True)
    else:
        draw_line(
            axes,
            *start_points,
            (gap_x, start_points[-1][1]),
            (gap_x, y - JOINT_OFFSET),
            (x, y - JOINT_OFFSET),
            (x, y - 0.03),
        )
        draw_arrow(axes, x, y)


def _wrap_names(names: Sequence[str], spacing: float, max_width: float) -> list[list[str]]:
    """Returns the names in lines no longer than `max_width` inches, with `spacing` beside each."""
    rows: list[list[str]] = []
    room = 0.0
    for name in names:
        need = measure_text_width(name) + spacing
        if not rows or need > room:
            rows.append([])
            room = max_width
        rows[-1].append(name)
        room -= need
    return rows
