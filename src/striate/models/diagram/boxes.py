"""The boxes of a diagram, and the lines and words around them.

All lengths are inches, y grows downwards, and what is drawn hangs on a vertical line at x.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.errors import to_printable
from striate.models.diagram.pieces import LayerNode, NodeKind
from striate.reporting.style import SERIES_COLORS, TEXT_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes


KIND_COLORS: dict[NodeKind, str] = {
    "input": "#5B6470",
    "convolution": SERIES_COLORS[0],
    "depthwise": SERIES_COLORS[3],
    "pooling": SERIES_COLORS[1],
    "dense": SERIES_COLORS[2],
    "gate": SERIES_COLORS[5],
    "merge": "#5B6470",
    "other": SERIES_COLORS[6],
}
LINE_COLOR, TAG_COLOR = "#5B6470", "#A8480A"
FONT_POINTS = 8.5
"""Size of text, points."""

BOX_HEIGHT, TEXT_PADDING, BOX_GAP, JOINT_OFFSET = 0.27, 0.1, 0.18, 0.08
"""Inches: a box's height, its text's margin, the gap below it, and where lines turn in that."""

LABEL_HEIGHT = 0.2
"""The gap below a box that carries a name."""


@dataclass(frozen=True)
class Drawable:
    """Something to be drawn.

    Attributes:
        left_width: the room it needs to the left of its line.
        right_width: to the right.
        height: downwards.
        draw: draws it on axes, below (x, y).
        half_box_width: half the width of the box that it begins with, or 0 where it begins otherwise.
        tail_height: how much of its height is below what it draws on its line, beside which something is written.
    """

    left_width: float
    right_width: float
    height: float
    draw: Callable[[Axes, float, float], None]
    half_box_width: float = 0.0
    tail_height: float = 0.0


@functools.cache
def measure_text_width(text: str, font_size: float = FONT_POINTS, weight: str = "normal") -> float:
    """Returns inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family="sans-serif", size=font_size, weight=weight)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names may be in any script
        return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def truncate_text(text: str, max_width: float, font_size: float, weight: str = "normal") -> str:
    """Returns the text, with an ellipsis where it would be wider than `max_width` inches."""
    if measure_text_width(text, font_size, weight) <= max_width:
        return text
    while text and measure_text_width(text + "…", font_size, weight) > max_width:
        text = text[:-1]
    return text + "…"


def format_box_text(node: LayerNode) -> str:
    """Returns what stands in the box."""
    if node.label == "concat":
        return f"concat {format_shape(node.shape[-1:])}"
    if node.kind == "input":
        return f"input {format_shape(node.shape)}"
    return truncate_text(to_printable(node.label), 2.2, FONT_POINTS)


def format_shape(shape: Sequence[int | None]) -> str:
    """Returns `28×28×64`, with ? for what is not known."""
    return "×".join("?" if side is None else str(side) for side in shape)


def create_box(node: LayerNode, min_width: float = 0.0) -> Drawable:
    """Returns a layer's box, at least `min_width` wide, or the sign in which branches meet."""
    from matplotlib.patches import Circle, FancyBboxPatch

    text = format_box_text(node)
    color = KIND_COLORS[node.kind]
    merge = node.kind == "merge"
    tall = 0.2 if merge else BOX_HEIGHT
    half = (
        0.1
        if merge and len(text) == 1
        else max(measure_text_width(text) / 2 + TEXT_PADDING, 0 if merge else min_width / 2)
    )

    def draw(axes: Axes, x: float, y: float) -> None:
        look: Any = {"facecolor": "white" if merge else compute_tint(color), "edgecolor": color, "lw": 1, "zorder": 2}
        rounding = f"round,pad=0,rounding_size={0.1 if merge else 0.05}"
        sign = merge and len(text) == 1
        axes.add_patch(
            Circle((x, y + tall / 2), half, **look)
            if sign
            else FancyBboxPatch((x - half, y), 2 * half, tall, rounding, **look)
        )
        draw_text(axes, x, y + tall / 2, text, ha="center")

    return Drawable(half, half, tall, draw, 0.0 if merge else half)


def create_stack(drawables: Sequence[Drawable], labels: Sequence[str], color: str = TAG_COLOR) -> Drawable:
    """Returns drawings one below the other, joined by arrows; a note, or "", stands below each."""
    named = [(0.07 + measure_text_width(note, weight="bold"), LABEL_HEIGHT) if note else (0.0, 0.0) for note in labels]
    tall = (
        sum(part.height for part in drawables) + sum(room for _, room in named) + BOX_GAP * max(len(drawables) - 1, 0)
    )

    def draw(axes: Axes, x: float, y: float) -> None:
        for number, (part, note) in enumerate(zip(drawables, labels, strict=True)):
            if number:
                draw_line(axes, (x, y - BOX_GAP - named[number - 1][1]), (x, y - 0.03))
                draw_arrow(axes, x, y)
            part.draw(axes, x, y)
            y += part.height
            if note:
                draw_text(axes, x + 0.07, y + LABEL_HEIGHT / 2 + 0.01, note, weight="bold", color=color)
            y += named[number][1] + BOX_GAP

    left = max([part.left_width for part in drawables], default=0.0)
    right = max([*(part.right_width for part in drawables), *(width for width, _ in named)], default=0.0)
    return Drawable(left, right, tall, draw, *((drawables[0].half_box_width, named[-1][1]) if drawables else ()))


def compute_tint(color: str) -> tuple[float, float, float]:
    """Returns the color, pale enough for dark text."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return (1 - 0.28 * (1 - red), 1 - 0.28 * (1 - green), 1 - 0.28 * (1 - blue))


def draw_line(axes: Axes, *points: tuple[float, float]) -> None:
    """Draws a line through points."""
    axes.plot(*zip(*points, strict=True), color=LINE_COLOR, lw=1, solid_joinstyle="round", zorder=1)


def draw_arrow(axes: Axes, x: float, y: float, *, is_horizontal: bool = False) -> None:
    """Draws an arrow's head with its tip at (x, y), downwards or to the right."""
    from matplotlib.patches import Polygon

    head = [(-0.035, -0.07), (0.035, -0.07), (0.0, 0.0)]
    axes.add_patch(
        Polygon([(x + v, y + u) if is_horizontal else (x + u, y + v) for u, v in head], color=LINE_COLOR, lw=0)
    )


def draw_text(
    axes: Axes, x: float, y: float, text: str, *, font_size: float = FONT_POINTS, weight: str = "normal",
    ha: str = "left",
    color: str = TEXT_COLOR,
) -> None:  # fmt: skip
    """Writes a line of text, centred vertically on y."""
    axes.text(x, y, text, fontsize=font_size, weight=weight, ha=ha, va="center_baseline", color=color, zorder=3)
