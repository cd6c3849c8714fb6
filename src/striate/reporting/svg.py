"""A drawing as SVG: part of a page, in the page's colors, or a file of its own."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from striate.errors import to_printable
from striate.reporting.marks import Circle, Mark, Polyline, Raster, Rectangle, Text
from striate.reporting.panel import Drawing
from striate.reporting.style import BACKGROUND_COLOR, CSS_VARIABLES, TEXT_COLOR

ColorFunction = Callable[[str], str]


def render_svg_element(drawing: Drawing, label: str) -> Markup:
    """Returns a drawing as an element of a page; equal drawings give equal text.

    Args:
        drawing: the chart.
        label: what it shows, for those who cannot see it.
    """
    size = f'viewBox="0 0 {_format_number(drawing.width)} {_format_number(drawing.height)}"'
    opening = f'<svg class="figure" role="img" aria-label="{escape(to_printable(label))}" {size} font-size="10">'
    return Markup(f"{opening}{_render_body(drawing, _to_page_color)}</svg>")  # noqa: S704  (texts are escaped below)


def render_svg_file(drawing: Drawing, background: str = BACKGROUND_COLOR) -> str:
    """Returns a drawing as the text of an SVG file."""
    width, height = _format_number(drawing.width), _format_number(drawing.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="10" stroke-linejoin="round">'
        f'<rect width="100%" height="100%" fill="{"none" if background == "none" else background}"/>'
        f"{_render_body(drawing, str)}</svg>\n"
    )


def _to_page_color(color: str) -> str:
    return f"var({CSS_VARIABLES[color]})" if color in CSS_VARIABLES else color


def _render_body(drawing: Drawing, color_function: ColorFunction) -> str:
    marks = "".join(_render_mark(mark, color_function) for mark in drawing.marks)
    return f'<g style="fill:{color_function(TEXT_COLOR)}">{marks}</g>'


def _render_mark(mark: Mark, color_function: ColorFunction) -> str:
    match mark:
        case Polyline():
            return _render_polyline(mark, color_function)
        case Text():
            return _render_text(mark, color_function)
        case Rectangle():
            box = " ".join(
                f'{name}="{_format_number(value)}"' for name, value in zip(_BOX_ATTRIBUTES, mark.box, strict=True)
            )
            return f'<rect {box} style="fill:{color_function(mark.color)}{_format_opacity(mark.opacity)}"/>'
        case Circle():
            place = f'cx="{_format_number(mark.x)}" cy="{_format_number(mark.y)}" r="{_format_number(mark.radius)}"'
            color = color_function(mark.color)
            look = (
                f"fill:none;stroke:{color};stroke-width:{_format_number(mark.width)}"
                if mark.is_hollow
                else f"fill:{color}"
            )
            return f'<circle {place} style="{look}"/>'
        case Raster():
            box = " ".join(
                f'{name}="{_format_number(value)}"' for name, value in zip(_BOX_ATTRIBUTES, mark.box, strict=True)
            )
            look = "" if mark.is_smooth else ' style="image-rendering:pixelated"'
            return f'<image {box} preserveAspectRatio="none"{look} href="{_encode_data_uri(mark.pixels)}"/>'


_BOX_ATTRIBUTES = ("x", "y", "width", "height")


def _render_polyline(mark: Polyline, color_function: ColorFunction) -> str:
    look = f"fill:none;stroke:{color_function(mark.color)};stroke-width:{_format_number(mark.width)}"
    if mark.dash:
        look += f";stroke-dasharray:{' '.join(map(_format_number, mark.dash))}"
    element = f'<path d="{_format_path_data(mark.points)}" style="{look}{_format_opacity(mark.opacity)}"/>'
    if mark.clip is None:
        return element
    box = " ".join(f'{name}="{_format_number(value)}"' for name, value in zip(_BOX_ATTRIBUTES, mark.clip, strict=True))
    return f'<svg {box} viewBox="{" ".join(map(_format_number, mark.clip))}">{element}</svg>'


def _format_path_data(points: NDArray[np.float64]) -> str:
    """Returns path data; horizontal and vertical steps in one number each."""
    told = [f"M{_format_number(points[0, 0])} {_format_number(points[0, 1])}"]
    for (x0, y0), (x, y) in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        if y == y0:
            told.append(f"H{_format_number(x)}")
        elif x == x0:
            told.append(f"V{_format_number(y)}")
        else:
            told.append(f"L{_format_number(x)} {_format_number(y)}")
    return "".join(told)


def _render_text(mark: Text, color_function: ColorFunction) -> str:
    place = f'x="{_format_number(mark.x)}" y="{_format_number(mark.y)}"'
    if mark.size != 10:
        place += f' font-size="{_format_number(mark.size)}"'
    if mark.is_bold:
        place += ' font-weight="bold"'
    if mark.anchor != "start":
        place += f' text-anchor="{mark.anchor}"'
    if mark.angle:
        place += f' transform="rotate({-mark.angle} {_format_number(mark.x)} {_format_number(mark.y)})"'
    if mark.color != TEXT_COLOR:
        place += f' style="fill:{color_function(mark.color)}"'
    return f"<text {place}>{escape(mark.text)}</text>"


def _format_opacity(value: float) -> str:
    return "" if value == 1 else f";opacity:{_format_number(value)}"


def _format_number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _encode_data_uri(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
