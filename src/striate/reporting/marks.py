"""What a chart consists of once it is laid out: paths, rectangles, circles, texts and images at fixed places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.errors import to_printable
from striate.reporting.style import TEXT_COLOR

if TYPE_CHECKING:
    pass

Anchor = Literal["start", "middle", "end"]


class Box(NamedTuple):
    """A rectangle by its top left corner, in points of 1/72 inch; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower edge."""
        return self.y + self.height


@dataclass(frozen=True, eq=False)
class Polyline:
    """A line through points (n, 2); `dash` alternates drawn and empty lengths, `clip` hides what lies outside of it."""

    points: NDArray[np.float64]
    color: str
    width: float = 1.5
    dash: tuple[float, float] | None = None
    opacity: float = 1.0
    clip: Box | None = None


@dataclass(frozen=True)
class Rectangle:
    """A filled rectangle."""

    box: Box
    color: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Circle:
    """A disk, or a ring where `is_hollow`; `radius` reaches to the middle of the ring."""

    x: float
    y: float
    radius: float
    color: str
    is_hollow: bool = False
    width: float = 1.0


@dataclass(frozen=True)
class Text:
    """A line of text; (x, y) lies on its baseline. `angle` turns it counterclockwise, in degrees."""

    x: float
    y: float
    text: str
    size: float = 10.0
    color: str = TEXT_COLOR
    anchor: Anchor = "start"
    is_bold: bool = False
    angle: Literal[0, 45, 90] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", to_printable(self.text.replace("\n", " ")))


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels (h, w, 1 or 3) uint8 that fill a box; `is_smooth` interpolates, otherwise every pixel stays a square."""

    box: Box
    pixels: NDArray[np.uint8]
    is_smooth: bool = False


Mark = Polyline | Rectangle | Circle | Text | Raster
