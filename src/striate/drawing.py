"""How every figure looks, and how it gets onto disk."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from striate.files import writing
from striate.reporting.marks import Drawing
from striate.reporting.style import AXIS, FAINT, GRID, INK, RIGHT, SERIES, TRAIN, VALIDATION, WRONG

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FAINT", "INK", "RIGHT", "SERIES", "STYLE", "TRAIN", "VALIDATION", "WRONG", "draw", "percent", "save"]

STYLE: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": AXIS,
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # a class called "$x$" is a name, not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "striate",  # the same figure is the same file
}
"""Of the figures that matplotlib draws."""


def save(figure: Figure | Drawing, path: Path) -> None:
    """Writes the figure as PNG (144 dots per inch), or as SVG where the path says so; whole or not at all."""
    with writing(path) as temporary:
        draw(figure, temporary, dpi=144, form="svg" if path.suffix.lower() == ".svg" else "png")


def draw(
    figure: Figure | Drawing,
    target: Path | BinaryIO,
    *,
    dpi: int,
    form: Literal["png", "svg"] = "png",
    paper: str = "white",
) -> None:
    """Renders the figure into a file or a buffer."""
    if isinstance(figure, Drawing):
        _render(figure, target, dpi, form)
        return
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # class names may be in any script
        figure.savefig(target, format=form, dpi=dpi, facecolor=paper)


def _render(drawing: Drawing, target: Path | BinaryIO, dpi: int, form: Literal["png", "svg"]) -> None:
    """Renders a drawing that needs no matplotlib."""
    if form == "svg":
        from striate.reporting.svg import render_file

        data = render_file(drawing).encode()
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)
    else:
        from striate.reporting.png import render_image

        render_image(drawing, dpi).save(target, "PNG", dpi=(dpi, dpi))


def percent(share: float, digits: int = 1) -> str:
    """Returns 0..1 as a percentage that never rounds up to certainty: 0.99996 is "99.9 %", not "100.0 %"."""
    if share < 1 and round(share * 100, digits) == 100:
        share = math.floor(share * 100 * 10**digits) / 10**digits / 100
    return f"{share:.{digits}%}".replace("%", " %")
