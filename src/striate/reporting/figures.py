"""Figures onto disk and into buffers, as PNG or SVG."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from striate.reporting.panel import Drawing
from striate.reporting.style import MATPLOTLIB_STYLE
from striate.system.atomic_files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: Figure | Drawing, path: Path) -> None:
    """Writes the figure as PNG (144 dots per inch), or as SVG where the path says so; whole or not at all."""
    with write_atomically(path) as temporary:
        render_figure(figure, temporary, dpi=144, image_format="svg" if path.suffix.lower() == ".svg" else "png")


def render_figure(
    figure: Figure | Drawing,
    target: Path | BinaryIO,
    *,
    dpi: int,
    image_format: Literal["png", "svg"] = "png",
    background: str = "white",
) -> None:
    """Renders the figure into a file or a buffer."""
    if isinstance(figure, Drawing):
        _render_drawing(figure, target, dpi, image_format)
        return
    import matplotlib as mpl

    with mpl.rc_context(MATPLOTLIB_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # class names may be in any script
        figure.savefig(target, format=image_format, dpi=dpi, facecolor=background)


def _render_drawing(drawing: Drawing, target: Path | BinaryIO, dpi: int, image_format: Literal["png", "svg"]) -> None:
    """Renders a drawing that needs no matplotlib."""
    if image_format == "svg":
        from striate.reporting.svg import render_svg_file

        data = render_svg_file(drawing).encode()
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)
    else:
        from striate.reporting.png import render_png

        render_png(drawing, dpi).save(target, "PNG", dpi=(dpi, dpi))
