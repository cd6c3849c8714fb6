"""Fonts for text in PNG files: DejaVu Sans, which comes with matplotlib, and the system's for other scripts."""

from __future__ import annotations

import importlib.util
import os
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont, features

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONT_FOLDERS = (
    *(Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("~/.local/share/fonts"), Path("~/.fonts")),
    *(Path("/System/Library/Fonts"), Path("/Library/Fonts"), Path("~/Library/Fonts")),
    Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts",
)
"""Where Linux, macOS and Windows keep fonts."""

MAX_FONT_FILES = 2000
DEJAVU_END_CODEPOINT = 0x0530
"""DejaVu Sans has the letters below: Latin, Greek, Cyrillic."""


class TextRun(NamedTuple):
    """A part of a text, and the file of a font that has its characters; None for Pillow's own font."""

    text: str
    font_file: Path | None
    is_missing: bool

    def measure(self, size: float) -> float:
        """Returns how wide it is, in pixels, in a size in pixels."""
        return load_font(self.font_file, size, is_shaped=self._is_shaped).getlength(self.text, **self._options)

    def draw(self, pen: ImageDraw.ImageDraw, position: tuple[float, float], size: float, color: Any) -> None:
        """Draws it from a place on its baseline on."""
        font = load_font(self.font_file, size, is_shaped=self._is_shaped)
        pen.text(position, self.text, color, font, anchor="ls", **self._options)

    @property
    def _is_shaped(self) -> bool:
        return self.font_file is not None and not _is_plain(self.text) and bool(features.check("raqm"))

    @property
    def _options(self) -> dict[str, Any]:
        return {"direction": "ltr"} if self._is_shaped else {}  # of the line; its Arabic words go their own way


@cache
def find_bundled_font(file_name: str = "DejaVuSans.ttf") -> Path | None:
    """Returns a font file that matplotlib brings, found without importing it; None where there is none."""
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "mpl-data" / "fonts" / "ttf" / file_name
        if file.is_file():
            return file
    return None


@lru_cache(maxsize=256)
def load_font(font_file: Path | None, size: float, *, is_shaped: bool = False) -> Font:
    """Returns a font in a size in pixels; None stands for Pillow's own.

    Args:
        font_file: of the font.
        size: in pixels.
        is_shaped: whether letters are joined and ordered as Arabic and other scripts ask for.
    """
    if font_file is None:
        return ImageFont.load_default(size)
    layout = ImageFont.Layout.RAQM if is_shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(font_file, size, layout_engine=layout)


@lru_cache(maxsize=4096)
def measure_text(text: str, size: float, *, is_bold: bool = False) -> float:
    """Returns how wide a text is, in points, in a size in points; a page's own font is about as wide."""
    width = 0.0
    for run in split_text_runs(text, is_bold=is_bold):
        if run.is_missing:
            width += sum(size * (1.0 if unicodedata.east_asian_width(char) in "WF" else 0.6) for char in run.text)
        else:
            width += run.measure(2 * size) / 2
    return width


@lru_cache(maxsize=4096)
def split_text_runs(text: str, *, is_bold: bool = False) -> tuple[TextRun, ...]:
    """Returns a text as runs, from left to right, each of which one font has; figures after an Arabic word are a run of
    their own, so that they stay behind it.
    """
    own = find_bundled_font("DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf")
    if _is_plain(text):
        return (TextRun(text, own, is_missing=False),)
    kinds: list[tuple[Path | None, bool, bool]] = []
    for char in text:
        if kinds and (char.isspace() or unicodedata.category(char).startswith("M")):
            kinds.append(kinds[-1])  # a mark, such as a vowel sign, is shaped together with its letter
        else:
            kinds.append((*_find_font(char, own), _is_plain(char)))
    parts = groupby(zip(text, kinds, strict=True), lambda one: one[1])
    return tuple(TextRun("".join(char for char, _ in part), file, is_missing) for (file, is_missing, _), part in parts)


def _is_plain(text: str) -> bool:
    return all(ord(char) < DEJAVU_END_CODEPOINT for char in text)


def _find_font(char: str, default_font: Path | None) -> tuple[Path | None, bool]:
    """Returns the font for a character, and whether none has it."""
    if (
        ord(char) < DEJAVU_END_CODEPOINT
        or char.isspace()
        or unicodedata.combining(char)
        or _has_glyph(default_font, char)
    ):
        return default_font, False
    found = _find_system_font(char)
    return (default_font, True) if found is None else (found, False)


@lru_cache(maxsize=4096)
def _find_system_font(char: str) -> Path | None:
    return next((file for file in _list_system_fonts() if _has_glyph(file, char)), None)


@cache
def _list_system_fonts() -> tuple[Path, ...]:
    """Returns the system's font files, regular sans-serif ones first; the order is the same on every call."""
    files = [file for folder in FONT_FOLDERS for file in _iter_font_files(folder.expanduser())][:MAX_FONT_FILES]
    styles = ("bold", "italic", "oblique", "light", "thin", "black", "medium", "condensed")
    return tuple(
        sorted(
            files,
            key=lambda file: (
                any(style in file.name.lower() for style in styles),
                "sans" not in file.name.lower(),
                str(file),
            ),
        )
    )


def _iter_font_files(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(path, name) for name in sorted(names) if name.lower().endswith((".ttf", ".otf", ".ttc")))


def _has_glyph(font_file: Path | None, char: str) -> bool:
    """Returns whether a font draws a character, rather than what it draws for every character it has not."""
    pixels = _draw_glyph(font_file, char)
    return pixels is not None and pixels != _draw_glyph(font_file, "\U0010fffe")


@lru_cache(maxsize=4096)
def _draw_glyph(font_file: Path | None, char: str) -> bytes | None:
    try:
        font = (
            ImageFont.load_default(20)
            if font_file is None
            else ImageFont.truetype(font_file, 20, layout_engine=ImageFont.Layout.BASIC)
        )
        sheet = Image.new("L", (48, 48))
        ImageDraw.Draw(sheet).text((8, 8), char, 255, font)
    except (OSError, ValueError):  # a damaged font, or one of bitmaps
        return None
    return sheet.tobytes()
