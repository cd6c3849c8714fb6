"""A drawing as pixels, by Pillow: slanted lines and disks are drawn four times as large, then reduced."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from striate.reporting.fonts import split_text_runs
from striate.reporting.marks import Box, Circle, Mark, Polyline, Raster, Rectangle, Text
from striate.reporting.panel import Drawing
from striate.reporting.style import BACKGROUND_COLOR, MUTED_COLOR, to_rgb

SUPERSAMPLING = 4
"""How many times finer slanted lines are drawn."""

MISSING_FONT_NOTE = "No font on this computer has every character of these names."


def render_png(drawing: Drawing, dpi: float = 144, background: str = BACKGROUND_COLOR) -> Image.Image:
    """Returns a drawing as an image; a line below it says so where a text has characters that no font has."""
    canvas = _Canvas(drawing.width, drawing.height, dpi / 72, background)
    for mark in drawing.marks:
        canvas.draw(mark)
    return canvas.finish()


class _Canvas:
    """An image that marks are drawn on.

    Args:
        width: in points.
        height: in points.
        scale: pixels a point.
        background: color of the ground.
    """

    def __init__(self, width: float, height: float, scale: float, background: str) -> None:
        self.scale, self.background = scale, background
        self.image = Image.new("RGB", (max(1, round(width * scale)), max(1, round(height * scale))), to_rgb(background))
        self.pen = ImageDraw.Draw(self.image)
        self.has_missing_font = False

    def finish(self) -> Image.Image:
        """Returns the image."""
        if not self.has_missing_font:
            return self.image
        note = _Canvas(self.image.width / self.scale, self.image.height / self.scale + 16, self.scale, self.background)
        note.image.paste(self.image, (0, 0))
        note.draw(Text(6, note.image.height / self.scale - 5, MISSING_FONT_NOTE, 8, MUTED_COLOR))
        return note.image

    def draw(self, mark: Mark) -> None:
        """Draws a mark."""
        match mark:
            case Polyline():
                self._draw_polyline(mark)
            case Rectangle():
                self._draw_rectangle(mark)
            case Circle():
                self._draw_circle(mark)
            case Text():
                self._draw_text(mark)
            case Raster():
                self._draw_raster(mark)

    def _draw_rectangle(self, mark: Rectangle) -> None:
        self._fill_rectangle(*_to_pixel_edges(mark.box, self.scale), mark.color, mark.opacity)

    def _fill_rectangle(self, left: int, top: int, right: int, bottom: int, color: str, opacity: float = 1.0) -> None:
        if right <= left or bottom <= top:
            return
        if opacity == 1:
            self.image.paste(to_rgb(color), (left, top, right, bottom))
        else:
            mask = Image.new("L", (right - left, bottom - top), round(255 * opacity))
            self.image.paste(to_rgb(color), (left, top), mask)

    def _draw_polyline(self, mark: Polyline) -> None:
        points = mark.points * self.scale
        width = mark.width * self.scale
        pieces = [points] if mark.dash is None else _split_dashes(points, [length * self.scale for length in mark.dash])
        if all(len(piece) == 2 and (piece[0] == piece[1]).any() for piece in pieces) and mark.clip is None:
            for (x0, y0), (x1, y1) in (np.sort(piece, axis=0).tolist() for piece in pieces):
                thick = max(1, round(width))
                if x0 == x1:
                    left = round(x0 - thick / 2)
                    self._fill_rectangle(left, round(y0), left + thick, round(y1), mark.color, mark.opacity)
                else:
                    top = round(y0 - thick / 2)
                    self._fill_rectangle(round(x0), top, round(x1), top + thick, mark.color, mark.opacity)
            return
        low, high = points.min(axis=0) - width - 1, points.max(axis=0) + width + 1
        region = _Mask(low[0], low[1], high[0], high[1], self._resolve_clip(mark.clip))
        for piece in pieces:
            region.draw_line(piece, width)
        region.paste(self.image, mark.color, mark.opacity)

    def _resolve_clip(self, clip: Box | None) -> tuple[int, int, int, int]:
        width, height = self.image.size
        if clip is None:
            return 0, 0, width, height
        left, top, right, bottom = _to_pixel_edges(clip, self.scale)
        return max(0, left), max(0, top), min(width, right), min(height, bottom)

    def _draw_circle(self, mark: Circle) -> None:
        x, y, radius, width = (value * self.scale for value in (mark.x, mark.y, mark.radius, mark.width))
        outer = radius + (width / 2 if mark.is_hollow else 0)
        region = _Mask(x - outer - 1, y - outer - 1, x + outer + 1, y + outer + 1, self._resolve_clip(None))
        region.draw_disk(x, y, outer, 255)
        if mark.is_hollow:
            region.draw_disk(x, y, outer - width, 0)
        region.paste(self.image, mark.color)

    def _draw_text(self, mark: Text) -> None:
        runs = split_text_runs(mark.text, is_bold=mark.is_bold)
        self.has_missing_font |= any(run.is_missing for run in runs)
        finer = 2 if mark.angle == 45 else 1
        size = mark.size * self.scale * finer
        lengths = [run.measure(size) for run in runs]
        length = sum(lengths)
        offset = {"start": 0.0, "middle": length / 2, "end": length}[mark.anchor]
        x, y = mark.x * self.scale, mark.y * self.scale
        if not mark.angle:
            for run, own in zip(runs, lengths, strict=True):
                run.draw(self.pen, (x - offset, y), size, to_rgb(mark.color))
                x += own
            return
        strip = Image.new("L", (math.ceil(length) + 4, 2 * math.ceil(1.2 * size)))
        pen, along = ImageDraw.Draw(strip), 2.0
        for run, own in zip(runs, lengths, strict=True):
            run.draw(pen, (along, strip.height / 2), size, 255)
            along += own
        turned = strip.rotate(mark.angle, Image.Resampling.BICUBIC, expand=True).reduce(finer)
        right = (strip.width / 2 - 2 - offset) / finer  # of the anchor, before it is turned: the strip's middle
        middle = x + right * math.cos(math.radians(mark.angle)), y - right * math.sin(math.radians(mark.angle))
        place = (round(middle[0] - turned.width / 2), round(middle[1] - turned.height / 2))
        self.image.paste(to_rgb(mark.color), place, turned)

    def _draw_raster(self, mark: Raster) -> None:
        left, top, right, bottom = _to_pixel_edges(mark.box, self.scale)
        pixels = mark.pixels[:, :, 0] if mark.pixels.shape[2] == 1 else np.ascontiguousarray(mark.pixels)
        how = Image.Resampling.LANCZOS if mark.is_smooth else Image.Resampling.NEAREST
        self.image.paste(Image.fromarray(pixels).resize((max(1, right - left), max(1, bottom - top)), how), (left, top))


class _Mask:
    """A part of an image, SUPERSAMPLING times as large, that says where a color goes.

    Args:
        left: of the part, in pixels of the image, as the others.
        top: of the part.
        right: of the part.
        bottom: of the part.
        clip: beyond which nothing is drawn.
    """

    def __init__(self, left: float, top: float, right: float, bottom: float, clip: tuple[int, int, int, int]) -> None:
        self.left, self.top = max(math.floor(left), clip[0]), max(math.floor(top), clip[1])
        self.width = min(math.ceil(right), clip[2]) - self.left
        self.height = min(math.ceil(bottom), clip[3]) - self.top
        self.is_empty = self.width <= 0 or self.height <= 0
        if not self.is_empty:
            self.image = Image.new("L", (SUPERSAMPLING * self.width, SUPERSAMPLING * self.height))
            self.pen = ImageDraw.Draw(self.image)

    def draw_line(self, points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], width: float) -> None:
        """Draws a line through points."""
        if self.is_empty:
            return
        fine = ((points - (self.left, self.top)) * SUPERSAMPLING).ravel().tolist()
        self.pen.line(fine, 255, max(1, round(width * SUPERSAMPLING)), joint="curve" if len(points) > 2 else None)

    def draw_disk(self, x: float, y: float, radius: float, value: int) -> None:
        """Draws a disk."""
        if not self.is_empty:
            self.pen.circle(
                ((x - self.left) * SUPERSAMPLING, (y - self.top) * SUPERSAMPLING), radius * SUPERSAMPLING, fill=value
            )

    def paste(self, image: Image.Image, color: str, opacity: float = 1.0) -> None:
        """Brings a color into the image, where the mask is."""
        if self.is_empty:
            return
        mask = self.image.reduce(SUPERSAMPLING)
        if opacity != 1:
            mask = mask.point([round(opacity * value) for value in range(256)])
        image.paste(to_rgb(color), (self.left, self.top), mask)


def _to_pixel_edges(box: Box, scale: float) -> tuple[int, int, int, int]:
    return round(box.x * scale), round(box.y * scale), round(box.right * scale), round(box.bottom * scale)


def _split_dashes(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], pattern: list[float]
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Returns the drawn pieces of a dashed line."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    pieces = []
    for start in np.arange(0, ends[-1], sum(pattern)).tolist():
        stop = min(start + pattern[0], float(ends[-1]))
        between = points[(ends > start) & (ends < stop)]
        tips = [[np.interp(at, ends, points[:, 0]), np.interp(at, ends, points[:, 1])] for at in (start, stop)]
        pieces.append(np.array([tips[0], *between.tolist(), tips[1]]))
    return pieces
