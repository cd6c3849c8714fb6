"""A drawing as SVG: part of a page, in the page's colors, or a file of its own."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import partial

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from striate.errors import printable
from striate.reporting.marks import Circle, Mark, Path, Raster, Rectangle, Text
from striate.reporting.panel import Drawing
from striate.reporting.style import INK, PAGE_VARIABLES, PAPER

Paint = Callable[[str], str]


def render_element(drawing: Drawing, label: str) -> Markup:
    """Returns a drawing as an element of a page; equal drawings give equal text.

    Args:
        drawing: the chart.
        label: what it shows, for those who cannot see it.
    """
    size = f'viewBox="0 0 {_number(drawing.width)} {_number(drawing.height)}"'
    opening = f'<svg class="figure" role="img" aria-label="{escape(printable(label))}" {size} font-size="10">'
    return Markup(f"{opening}{_body(drawing, _page_color)}</svg>")  # noqa: S704  (texts are escaped below)


def render_file(drawing: Drawing, paper: str = PAPER) -> str:
    """Returns a drawing as the text of an SVG file."""
    width, height = _number(drawing.width), _number(drawing.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="10" stroke-linejoin="round">'
        f'<rect width="100%" height="100%" fill="{"none" if paper == "none" else paper}"/>'
        f"{_body(drawing, str)}</svg>\n"
    )


def _page_color(color: str) -> str:
    return f"var({PAGE_VARIABLES[color]})" if color in PAGE_VARIABLES else color


def _body(drawing: Drawing, paint: Paint) -> str:
    return f'<g style="fill:{paint(INK)}">{"".join(map(partial(_element, paint=paint), drawing.marks))}</g>'


def _element(mark: Mark, paint: Paint) -> str:
    match mark:
        case Path():
            return _path(mark, paint)
        case Text():
            return _text(mark, paint)
        case Rectangle():
            box = " ".join(f'{name}="{_number(value)}"' for name, value in zip(_SIDES, mark.box, strict=True))
            return f'<rect {box} style="fill:{paint(mark.color)}{_opacity(mark.opacity)}"/>'
        case Circle():
            place = f'cx="{_number(mark.x)}" cy="{_number(mark.y)}" r="{_number(mark.radius)}"'
            color = paint(mark.color)
            look = f"fill:none;stroke:{color};stroke-width:{_number(mark.width)}" if mark.is_hollow else f"fill:{color}"
            return f'<circle {place} style="{look}"/>'
        case Raster():
            box = " ".join(f'{name}="{_number(value)}"' for name, value in zip(_SIDES, mark.box, strict=True))
            look = "" if mark.is_smooth else ' style="image-rendering:pixelated"'
            return f'<image {box} preserveAspectRatio="none"{look} href="{_address(mark.pixels)}"/>'


_SIDES = ("x", "y", "width", "height")


def _path(mark: Path, paint: Paint) -> str:
    look = f"fill:none;stroke:{paint(mark.color)};stroke-width:{_number(mark.width)}"
    if mark.dash:
        look += f";stroke-dasharray:{' '.join(map(_number, mark.dash))}"
    element = f'<path d="{_steps(mark.points)}" style="{look}{_opacity(mark.opacity)}"/>'
    if mark.clip is None:
        return element
    box = " ".join(f'{name}="{_number(value)}"' for name, value in zip(_SIDES, mark.clip, strict=True))
    return f'<svg {box} viewBox="{" ".join(map(_number, mark.clip))}">{element}</svg>'


def _steps(points: NDArray[np.float64]) -> str:
    """Returns path data; horizontal and vertical steps in one number each."""
    told = [f"M{_number(points[0, 0])} {_number(points[0, 1])}"]
    for (x0, y0), (x, y) in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        if y == y0:
            told.append(f"H{_number(x)}")
        elif x == x0:
            told.append(f"V{_number(y)}")
        else:
            told.append(f"L{_number(x)} {_number(y)}")
    return "".join(told)


def _text(mark: Text, paint: Paint) -> str:
    place = f'x="{_number(mark.x)}" y="{_number(mark.y)}"'
    if mark.size != 10:
        place += f' font-size="{_number(mark.size)}"'
    if mark.is_bold:
        place += ' font-weight="bold"'
    if mark.anchor != "start":
        place += f' text-anchor="{mark.anchor}"'
    if mark.angle:
        place += f' transform="rotate({-mark.angle} {_number(mark.x)} {_number(mark.y)})"'
    if mark.color != INK:
        place += f' style="fill:{paint(mark.color)}"'
    return f"<text {place}>{escape(mark.text)}</text>"


def _opacity(value: float) -> str:
    return "" if value == 1 else f";opacity:{_number(value)}"


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _address(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
