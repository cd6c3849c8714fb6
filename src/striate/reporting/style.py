"""How every figure looks, and how it gets onto disk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

TRAIN_COLOR, VALIDATION_COLOR, CORRECT_COLOR, INCORRECT_COLOR, TEXT_COLOR, MUTED_COLOR = (
    "#E69F00",
    "#0072B2",
    "#007A5A",
    "#C03221",
    "#22262B",
    "#8A929C",
)
"""Okabe and Ito's colors, told apart by color-blind readers; two darker ones for text."""

SERIES_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A929C")

AXIS_COLOR, GRID_COLOR, BACKGROUND_COLOR = "#C9CED6", "#E8EBEF", "#FFFFFF"

TEXT_ON_LIGHT, TEXT_ON_DARK = "#1D2126", "#FDFDFD"
"""Text on a colored cell, whose color is the same in both schemes."""

COLORMAP_STOPS = ("#FFFFFF", "#BBD7EA", "#0072B2", "#00314D")
"""Color scale from 0 to 1, in equal steps."""

CSS_VARIABLES = {
    BACKGROUND_COLOR: "--paper",
    TEXT_COLOR: "--ink",
    MUTED_COLOR: "--soft",
    VALIDATION_COLOR: "--blue",
    TRAIN_COLOR: "--orange",
    CORRECT_COLOR: "--green",
    INCORRECT_COLOR: "--red",
    AXIS_COLOR: "--axis",
    GRID_COLOR: "--line",
}
"""Color of a chart → the page's variable."""


def to_rgb(color: str) -> tuple[int, int, int]:
    """Returns the three channels of "#RRGGBB", 0..255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


MATPLOTLIB_STYLE: Any = {
    "font.size": 10,
    "text.color": TEXT_COLOR,
    "axes.edgecolor": AXIS_COLOR,
    "axes.labelcolor": TEXT_COLOR,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID_COLOR,
    "xtick.color": TEXT_COLOR,
    "ytick.color": TEXT_COLOR,
    "legend.frameon": False,
    "text.parse_math": False,  # a class called "$x$" is a name, not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "striate",  # the same figure is the same file
}
"""Of the figures that matplotlib draws."""


def format_percent(value: float, digits: int = 1) -> str:
    """Returns 0..1 as a percentage that never rounds up to certainty: 0.99996 is "99.9 %", not "100.0 %"."""
    if value < 1 and round(value * 100, digits) == 100:
        value = math.floor(value * 100 * 10**digits) / 10**digits / 100
    return f"{value:.{digits}%}".replace("%", " %")
