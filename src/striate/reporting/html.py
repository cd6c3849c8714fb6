"""From a template and what it shows to a page; pictures and figures become part of it."""

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

from striate.errors import printable
from striate.reporting import style
from striate.reporting.figures import render_figure
from striate.reporting.panel import Drawing
from striate.reporting.style import PAGE_VARIABLES
from striate.reporting.svg import render_element
from striate.system.atomic_files import write_text

THUMBNAIL = 112  # pixels


def save_page(path: Path, package: str, template: str, **shown: Any) -> None:
    """Writes a page, whole or not at all.

    Args:
        path: of the file.
        package: the package whose folder `page` holds the template; templates there extend `base.html.j2`.
        template: its name.
        **shown: what it names.
    """
    write_text(path, page(package, template, **shown))


def page(package: str, template: str, **shown: Any) -> str:
    """Returns a page as save_page writes it."""
    return _environment(package, autoescape=True).get_template(template).render(shown)


def save_markdown(path: Path, package: str, template: str, **shown: Any) -> None:
    """Writes the same from a Markdown template; what the data brings is marked there with the filter `literal`."""
    write_text(path, _environment(package, autoescape=False).get_template(template).render(shown))


@cache
def _environment(package: str, *, autoescape: bool) -> jinja2.Environment:
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
    environment.filters.update(percent=percent, number=number, fraction=fraction, clean=printable)
    if not autoescape:
        environment.filters["literal"] = literal
    return environment


def literal(text: Any) -> str:
    """Returns a text that Markdown shows as it stands: no link, no markup, no HTML, no new cell of a table."""
    marked = re.sub(r"([\\`*_\[\]#!|<>~&:])", r"\\\1", printable(str(text).replace("\n", " ")))
    return re.sub(r"(?i)(www)\.", r"\1\\.", marked)


@dataclass(frozen=True)
class Script:
    """A page's script and the hash by which its policy lets it, and nothing else, run."""

    text: Markup
    digest: str


def script(package: str, *names: str) -> Script:
    """Returns scripts as one; each is the package's, from its folder `page`, or one of those that pages share."""
    text = "\n".join(_script(package, name) for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Script(Markup(text), f"sha256-{digest}")  # noqa: S704  (ours)


def _script(package: str, name: str) -> str:
    own, shared = resources.files(package) / "page" / name, resources.files("striate.reporting") / "templates" / name
    return (own if own.is_file() else shared).read_text(encoding="utf-8")


def data(value: Any) -> Markup:
    """Returns a value as JSON that may stand in a page: nothing in it can end the element.

    Raises:
        ValueError: it holds something that is not a finite number.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704


def percent(share: float, digits: int = 1) -> str:
    """Returns a percentage that no line break divides."""
    return unbroken(style.percent(share, digits))


def unbroken(text: str) -> str:
    """Returns a sentence in which no line break divides a percentage."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def fraction(value: float, digits: int = 4) -> str:
    """Returns a figure of 0..1 that never rounds up to 1: 0.99996 is "0.9999"."""
    if value < 1 and round(value, digits) == 1:
        value = 1 - 10**-digits
    return f"{value:.{digits}f}"


def number(value: Any) -> str:
    """Returns a value as people write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else printable(str(value))


def picture(pixels: NDArray[np.uint8], side: int = THUMBNAIL, form: Literal["PNG", "WEBP"] = "PNG") -> str:
    """Returns (h, w, 1 or 3) pixels as the address of a picture within the page, no larger than `side`."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.asarray(pixels))
    if max(image.size) > side:
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    # PNG's `optimize` and WebP's usual method 4 take twice as long, and save 1 % and 4 %.
    image.save(buffer, form, **({} if form == "PNG" else {"quality": 82, "method": 2}))
    return _address(buffer, form.lower())


def figure(drawn: Any) -> str:
    """Returns a drawing or a matplotlib figure as the address of a picture within the page."""
    buffer = io.BytesIO()
    render_figure(drawn, buffer, dpi=160)
    return _address(buffer, "png")


def _address(buffer: io.BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def svg(drawn: Any, label: str) -> Markup:
    """Returns a drawing or a matplotlib figure as an element of the page; the same figure gives the same text.

    Args:
        drawn: the figure.
        label: what it shows, for those who cannot see it.
    """
    if isinstance(drawn, Drawing):
        return render_element(drawn, label)
    buffer = io.BytesIO()
    render_figure(drawn, buffer, dpi=72, form="svg", paper="none")
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.S)
    prefix = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    text = TAG.sub(_restyled(prefix, text), text)
    text = re.sub(r">\s+<", "><", text)
    return Markup(text.replace("<svg", f'<svg class="figure" role="img" aria-label="{escape(label)}"', 1))  # noqa: S704


def _restyled(prefix: str, text: str) -> Callable[[re.Match[str]], str]:
    """Returns what a tag becomes: names that something refers to are made unique in a page, the others are left out,
    and so are fonts; text between the tags is the data's, and stays what it is.
    """
    used = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))

    def changed(match: re.Match[str]) -> str:
        tag = match[0]
        if tag.startswith("<svg"):
            tag = re.sub(r' (?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", tag)
        tag = re.sub(r' id="([^"]+)"', lambda one: f' id="{prefix}{one[1]}"' if one[1] in used else "", tag)
        tag = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}', tag).replace("url(#", f"url(#{prefix}")
        tag = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", r"font-weight: \1; font-size: \2px", tag)
        tag = tag.replace("font-weight: ; ", "")
        for colour, variable in COLOURS.items():
            tag = re.sub(re.escape(colour), f"var({variable})", tag, flags=re.I)
        return tag

    return changed


COLOURS = {"#000000": "--ink", **PAGE_VARIABLES}
"""Colour of a figure → the page's variable."""


TAG = re.compile(r"<[^>]+>")
