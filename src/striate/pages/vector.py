"""A figure as part of a page: lines stay sharp, colours are the page's, in the light and in the dark."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

from striate import drawing
from striate.reporting.marks import Drawing
from striate.reporting.style import PAGE_VARIABLES
from striate.reporting.svg import render_element

COLOURS = {"#000000": "--ink", **PAGE_VARIABLES}
"""Colour of a figure → the page's variable."""

TAG = re.compile(r"<[^>]+>")


def svg(drawn: Any, label: str) -> Markup:
    """Returns a drawing or a matplotlib figure as an element of the page; the same figure gives the same text.

    Args:
        drawn: the figure.
        label: what it shows, for those who cannot see it.
    """
    if isinstance(drawn, Drawing):
        return render_element(drawn, label)
    buffer = io.BytesIO()
    drawing.draw(drawn, buffer, dpi=72, form="svg", paper="none")
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
