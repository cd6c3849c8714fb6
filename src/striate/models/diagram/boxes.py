"""The boxes of a diagram, and the lines and words around them.

All lengths are inches, y grows downwards, and what is drawn hangs on a vertical line at x.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.errors import printable
from striate.models.diagram.pieces import Kind, Piece
from striate.reporting.style import INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COLOURS: dict[Kind, str] = {
    "input": "#5B6470",
    "convolution": SERIES[0],
    "depthwise": SERIES[3],
    "pooling": SERIES[1],
    "dense": SERIES[2],
    "gate": SERIES[5],
    "merge": "#5B6470",
    "other": SERIES[6],
}
LINE, TAG = "#5B6470", "#A8480A"
POINTS = 8.5
"""Size of text, points."""

BOX, PAD, GAP, JOINT = 0.27, 0.1, 0.18, 0.08
"""Inches: a box's height, its text's margin, the gap below it, and where lines turn in that."""

NAMED = 0.2
"""The gap below a box that carries a name."""


@dataclass(frozen=True)
class Sketch:
    """Something to be drawn.

    Attributes:
        left: the room it needs to the left of its line.
        right: to the right.
        height: downwards.
        paint: draws it on axes, below (x, y).
        box: half the width of the box that it begins with, or 0 where it begins otherwise.
        tail: how much of its height is below what it draws on its line, beside which something is written.
    """

    left: float
    right: float
    height: float
    paint: Callable[[Axes, float, float], None]
    box: float = 0.0
    tail: float = 0.0


@functools.cache
def text_width(text: str, points: float = POINTS, weight: str = "normal") -> float:
    """Returns inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family="sans-serif", size=points, weight=weight)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names may be in any script
        return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def shortened(text: str, width: float, points: float, weight: str = "normal") -> str:
    """Returns the text, with an ellipsis where it would be wider than `width` inches."""
    if text_width(text, points, weight) <= width:
        return text
    while text and text_width(text + "…", points, weight) > width:
        text = text[:-1]
    return text + "…"


def wording(piece: Piece) -> str:
    """Returns what stands in the box."""
    if piece.label == "concat":
        return f"concat {sizes(piece.shape[-1:])}"
    if piece.kind == "input":
        return f"input {sizes(piece.shape)}"
    return shortened(printable(piece.label), 2.2, POINTS)


def sizes(shape: Sequence[int | None]) -> str:
    """Returns `28×28×64`, with ? for what is not known."""
    return "×".join("?" if side is None else str(side) for side in shape)


def box(piece: Piece, width: float = 0.0) -> Sketch:
    """Returns a layer's box, at least `width` wide, or the sign in which branches meet."""
    from matplotlib.patches import Circle, FancyBboxPatch

    text = wording(piece)
    colour = COLOURS[piece.kind]
    merge = piece.kind == "merge"
    tall = 0.2 if merge else BOX
    half = 0.1 if merge and len(text) == 1 else max(text_width(text) / 2 + PAD, 0 if merge else width / 2)

    def paint(axes: Axes, x: float, y: float) -> None:
        look: Any = {"facecolor": "white" if merge else tint(colour), "edgecolor": colour, "lw": 1, "zorder": 2}
        rounding = f"round,pad=0,rounding_size={0.1 if merge else 0.05}"
        sign = merge and len(text) == 1
        axes.add_patch(
            Circle((x, y + tall / 2), half, **look)
            if sign
            else FancyBboxPatch((x - half, y), 2 * half, tall, rounding, **look)
        )
        write(axes, x, y + tall / 2, text, ha="center")

    return Sketch(half, half, tall, paint, 0.0 if merge else half)


def stack(parts: Sequence[Sketch], notes: Sequence[str], colour: str = TAG) -> Sketch:
    """Returns drawings one below the other, joined by arrows; a note, or "", stands below each."""
    named = [(0.07 + text_width(note, weight="bold"), NAMED) if note else (0.0, 0.0) for note in notes]
    tall = sum(part.height for part in parts) + sum(room for _, room in named) + GAP * max(len(parts) - 1, 0)

    def paint(axes: Axes, x: float, y: float) -> None:
        for number, (part, note) in enumerate(zip(parts, notes, strict=True)):
            if number:
                line(axes, (x, y - GAP - named[number - 1][1]), (x, y - 0.03))
                arrow(axes, x, y)
            part.paint(axes, x, y)
            y += part.height
            if note:
                write(axes, x + 0.07, y + NAMED / 2 + 0.01, note, weight="bold", color=colour)
            y += named[number][1] + GAP

    left = max([part.left for part in parts], default=0.0)
    right = max([*(part.right for part in parts), *(width for width, _ in named)], default=0.0)
    return Sketch(left, right, tall, paint, *((parts[0].box, named[-1][1]) if parts else ()))


def tint(colour: str) -> tuple[float, float, float]:
    """Returns the colour, pale enough for dark text."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return (1 - 0.28 * (1 - red), 1 - 0.28 * (1 - green), 1 - 0.28 * (1 - blue))


def line(axes: Axes, *points: tuple[float, float]) -> None:
    """Draws a line through points."""
    axes.plot(*zip(*points, strict=True), color=LINE, lw=1, solid_joinstyle="round", zorder=1)


def arrow(axes: Axes, x: float, y: float, *, across: bool = False) -> None:
    """Draws an arrow's head with its tip at (x, y), downwards or to the right."""
    from matplotlib.patches import Polygon

    head = [(-0.035, -0.07), (0.035, -0.07), (0.0, 0.0)]
    axes.add_patch(Polygon([(x + v, y + u) if across else (x + u, y + v) for u, v in head], color=LINE, lw=0))


def write(
    axes: Axes, x: float, y: float, text: str, *, points: float = POINTS, weight: str = "normal", ha: str = "left",
    color: str = INK,
) -> None:  # fmt: skip
    """Writes a line of text, centred vertically on y."""
    axes.text(x, y, text, fontsize=points, weight=weight, ha=ha, va="center_baseline", color=color, zorder=3)
