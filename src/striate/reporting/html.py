"""From a template and what it shows to a page; images and figures become part of it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import jinja2
import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from striate.errors import to_printable
from striate.reporting import style
from striate.reporting.figures import render_figure
from striate.reporting.panel import Drawing
from striate.reporting.style import CSS_VARIABLES
from striate.reporting.svg import render_svg_element
from striate.system.atomic_files import write_text

MAX_THUMBNAIL_SIDE = 112  # pixels


def save_page(path: Path, package: str, template: str, **context: Any) -> None:
    """Writes a page, whole or not at all.

    Args:
        path: of the file.
        package: the package whose folder `page` holds the template; templates there extend `base.html.j2`.
        template: its name.
        **context: what it names.
    """
    write_text(path, render_page(package, template, **context))


def render_page(package: str, template: str, **context: Any) -> str:
    """Returns a page as save_page writes it."""
    return _create_environment(package, autoescape=True).get_template(template).render(context)


def save_markdown(path: Path, package: str, template: str, **context: Any) -> None:
    """Writes the same from a Markdown template; what the data brings is marked there with the filter `literal`."""
    write_text(path, _create_environment(package, autoescape=False).get_template(template).render(context))


@cache
def _create_environment(package: str, *, autoescape: bool) -> jinja2.Environment:
    """Returns where a package's templates come from; it keeps them compiled."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package, "page"), jinja2.PackageLoader("striate.reporting", "templates")]
        ),
        autoescape=autoescape,  # noqa: S701  (Markdown has a filter of its own)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=format_percent_nbsp, number=format_value, fraction=format_fraction, clean=to_printable
    )
    if not autoescape:
        environment.filters["literal"] = escape_markdown
    return environment


def escape_markdown(text: Any) -> str:
    """Returns a text that Markdown shows as it stands: no link, no markup, no HTML, no new cell of a table."""
    marked = re.sub(r"([\\`*_\[\]#!|<>~&:])", r"\\\1", to_printable(str(text).replace("\n", " ")))
    return re.sub(r"(?i)(www)\.", r"\1\\.", marked)


@dataclass(frozen=True)
class Script:
    """A page's script and the hash by which its policy lets it, and nothing else, run."""

    text: Markup
    digest: str


def load_script(package: str, *names: str) -> Script:
    """Returns scripts as one; each is the package's, from its folder `page`, or one of those that pages share."""
    text = "\n".join(_read_script(package, name) for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Script(Markup(text), f"sha256-{digest}")  # noqa: S704  (ours)


def _read_script(package: str, name: str) -> str:
    own, shared = resources.files(package) / "page" / name, resources.files("striate.reporting") / "templates" / name
    return (own if own.is_file() else shared).read_text(encoding="utf-8")


def to_inline_json(value: Any) -> Markup:
    """Returns a value as JSON that may stand in a page: nothing in it can end the element.

    Raises:
        ValueError: it holds something that is not a finite number.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704


def format_percent_nbsp(value: float, digits: int = 1) -> str:
    """Returns a percentage that no line break divides."""
    return insert_nonbreaking_spaces(style.format_percent(value, digits))


def insert_nonbreaking_spaces(text: str) -> str:
    """Returns a sentence in which no line break divides a percentage."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def format_fraction(value: float, digits: int = 4) -> str:
    """Returns a figure of 0..1 that never rounds up to 1: 0.99996 is "0.9999"."""
    if value < 1 and round(value, digits) == 1:
        value = 1 - 10**-digits
    return f"{value:.{digits}f}"


def format_value(value: Any) -> str:
    """Returns a value as people write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else to_printable(str(value))


def encode_image_uri(
    pixels: NDArray[np.uint8], max_side: int = MAX_THUMBNAIL_SIDE, image_format: Literal["PNG", "WEBP"] = "PNG"
) -> str:
    """Returns (h, w, 1 or 3) pixels as the address of an image within the page, no larger than `max_side`."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.asarray(pixels))
    if max(image.size) > max_side:
        image.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    # PNG's `optimize` and WebP's usual method 4 take twice as long, and save 1 % and 4 %.
    image.save(buffer, image_format, **({} if image_format == "PNG" else {"quality": 82, "method": 2}))
    return _build_data_uri(buffer, image_format.lower())


def encode_figure_uri(chart: Any) -> str:
    """Returns a drawing or a matplotlib figure as the address of an image within the page."""
    buffer = io.BytesIO()
    render_figure(chart, buffer, dpi=160)
    return _build_data_uri(buffer, "png")


def _build_data_uri(buffer: io.BytesIO, image_format: str) -> str:
    return f"data:image/{image_format};base64," + base64.b64encode(buffer.getvalue()).decode()


def render_inline_svg(chart: Any, label: str) -> Markup:
    """Returns a drawing or a matplotlib figure as an element of the page; the same figure gives the same text.

    Args:
        chart: the figure.
        label: what it shows, for those who cannot see it.
    """
    if isinstance(chart, Drawing):
        return render_svg_element(chart, label)
    buffer = io.BytesIO()
    render_figure(chart, buffer, dpi=72, image_format="svg", background="none")
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.S)
    prefix = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    text = TAG_PATTERN.sub(_build_tag_rewriter(prefix, text), text)
    text = re.sub(r">\s+<", "><", text)
    return Markup(text.replace("<svg", f'<svg class="figure" role="img" aria-label="{escape(label)}"', 1))  # noqa: S704


def _build_tag_rewriter(prefix: str, text: str) -> Callable[[re.Match[str]], str]:
    """Returns what a tag becomes: names that something refers to are made unique in a page, the others are left out,
    and so are fonts; text between the tags is the data's, and stays what it is.
    """
    used = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))

    def rewrite_tag(match: re.Match[str]) -> str:
        tag = match[0]
        if tag.startswith("<svg"):
            tag = re.sub(r' (?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", tag)
        tag = re.sub(r' id="([^"]+)"', lambda one: f' id="{prefix}{one[1]}"' if one[1] in used else "", tag)
        tag = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}', tag).replace("url(#", f"url(#{prefix}")
        tag = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", r"font-weight: \1; font-size: \2px", tag)
        tag = tag.replace("font-weight: ; ", "")
        for color, variable in COLOR_VARIABLES.items():
            tag = re.sub(re.escape(color), f"var({variable})", tag, flags=re.I)
        return tag

    return rewrite_tag


COLOR_VARIABLES = {"#000000": "--ink", **CSS_VARIABLES}
"""Color of a figure → the page's variable."""


TAG_PATTERN = re.compile(r"<[^>]+>")
