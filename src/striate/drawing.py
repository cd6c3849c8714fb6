"""How every figure looks, and how it gets onto disk."""

from __future__ import annotations

import importlib.util
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from striate.files import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRAIN, VALIDATION, RIGHT, WRONG, INK, FAINT = "#E69F00", "#0072B2", "#007A5A", "#C03221", "#22262B", "#8A929C"
"""Okabe and Ito's colours, told apart by colour-blind readers; two darker ones for text."""

SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A929C")

STYLE: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#C9CED6",
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E8EBEF",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # a class called "$x$" is a name, not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "striate",  # the same figure is the same file
}

BLUES = ("#FFFFFF", "#BBD7EA", "#0072B2", "#00314D")
"""The stops of a color map from none to all."""


def font_file(*, is_bold: bool = False) -> Path:
    """Returns the file of the font DejaVu Sans, which comes with matplotlib; matplotlib itself is not imported."""
    package = importlib.util.find_spec("matplotlib")
    assert package is not None  # noqa: S101  (a dependency)
    assert package.origin is not None  # noqa: S101
    return Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if is_bold else ''}.ttf"


def save(figure: Figure, path: Path) -> None:
    """Writes the figure as PNG (144 dots per inch), or as SVG where the path says so; whole or not at all."""
    with writing(path) as temporary:
        draw(figure, temporary, dpi=144, form="svg" if path.suffix.lower() == ".svg" else "png")


def draw(
    figure: Figure, target: Path | BinaryIO, *, dpi: int, form: Literal["png", "svg"] = "png", paper: str = "white"
) -> None:
    """Renders the figure into a file or a buffer."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # class names may be in any script
        figure.savefig(target, format=form, dpi=dpi, facecolor=paper)


def percent(share: float, digits: int = 1) -> str:
    """Returns 0..1 as a percentage that never rounds up to certainty: 0.99996 is "99.9 %", not "100.0 %"."""
    if share < 1 and round(share * 100, digits) == 100:
        share = math.floor(share * 100 * 10**digits) / 10**digits / 100
    return f"{share:.{digits}%}".replace("%", " %")
