"""Colors of charts, and the variables that stand for them in pages with a light and a dark scheme."""

from __future__ import annotations

TRAIN, VALIDATION, RIGHT, WRONG, INK, FAINT = "#E69F00", "#0072B2", "#007A5A", "#C03221", "#22262B", "#8A929C"
"""Okabe and Ito's colors, told apart by color-blind readers; two darker ones for text."""

SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A929C")

AXIS, GRID, PAPER = "#C9CED6", "#E8EBEF", "#FFFFFF"

ON_LIGHT, ON_DARK = "#1D2126", "#FDFDFD"
"""Text on a colored cell, whose color is the same in both schemes."""

BLUES = ("#FFFFFF", "#BBD7EA", "#0072B2", "#00314D")
"""Color scale from 0 to 1, in equal steps."""

PAGE_VARIABLES = {
    PAPER: "--paper",
    INK: "--ink",
    FAINT: "--soft",
    VALIDATION: "--blue",
    TRAIN: "--orange",
    RIGHT: "--green",
    WRONG: "--red",
    AXIS: "--axis",
    GRID: "--line",
}
"""Color of a chart → the page's variable."""


def to_rgb(color: str) -> tuple[int, int, int]:
    """Returns the three channels of "#RRGGBB", 0..255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
