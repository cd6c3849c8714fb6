"""A film with the answers drawn into its frames."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from striate.answering.video import Film, Frame
from striate.errors import DataError, printable
from striate.prediction import Prediction
from striate.reporting.fonts import find_bundled, load_font

SHOWN = 3  # classes
INK, PAPER, BAR, DIM = (255, 255, 255), (16, 18, 24), (88, 150, 255), (120, 126, 140)


class Annotated:
    """A film being written: each frame that was answered, with its most probable classes; to be used in a `with`.

    Args:
        path: an .mp4 file; it is there once all is written.
        every: as answers takes it: the film then shows so many frames fewer a second.
    """

    def __init__(self, path: Path, every: int = 1) -> None:
        if path.suffix.lower() != ".mp4":
            raise DataError("Annotated films are written as .mp4", received=path)
        self.path, self.every = path, every
        self._temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.mp4")
        self._writer: Any = None
        self._size = (0, 0)

    def __enter__(self) -> Annotated:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
            if kind is None:
                self._temporary.replace(self.path)
        self._temporary.unlink(missing_ok=True)

    def __call__(self, film: Film, frame: Frame, answer: Prediction) -> None:
        """Adds a frame. A second film is shown at the first one's size."""
        import cv2

        if self._writer is None:
            height, width = frame.pixels.shape[:2]
            self._size = (width - width % 2, height - height % 2)  # as most encoders want it
            code = cv2.VideoWriter.fourcc(*"mp4v")
            rate = max(1.0, film.rate / self.every)
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, code, rate, self._size)
            if not self._writer.isOpened():
                raise DataError("The annotated film cannot be written", received=self.path)
        picture = Image.fromarray(frame.pixels)
        if picture.size != self._size:
            picture = picture.resize(self._size)
        self._writer.write(cv2.cvtColor(np.asarray(drawn(picture, answer)), cv2.COLOR_RGB2BGR))


def drawn(picture: Image.Image, answer: Prediction) -> Image.Image:
    """Returns the picture with a panel at its lower edge: the most probable classes, a bar and a share for each."""
    width, height = picture.size
    line = max(10, min(height // 12, 36))
    shown = list(answer.probabilities.items())[:SHOWN][: max(1, (height - line) // line)]
    pad = line // 3
    panel = Image.new("RGB", (width, len(shown) * line + 2 * pad), PAPER)
    draw, font = ImageDraw.Draw(panel), load_font(find_bundled(), round(line * 0.62))
    left, right = pad + round(width * 0.42), width - pad - round(draw.textlength("100 %", font))
    for row, (name, share) in enumerate(shown):
        top, is_answer = pad + row * line, row == 0 and not answer.unsure
        ink = INK if is_answer else DIM
        draw.text((pad, top), _cut(draw, printable(name).replace("\n", " "), font, left - 2 * pad), ink, font)
        end = left + round((right - pad - left) * share)
        if right - pad > left:
            draw.rectangle((left, top + line // 4, max(left, end), top + line * 3 // 4), BAR if is_answer else DIM)
        draw.text((right, top), f"{share:.0%}".replace("%", " %"), ink, font)
    result = picture.copy()
    place = (0, height - panel.height)
    result.paste(Image.blend(result.crop((0, place[1], width, height)), panel, 0.78), place)
    return result


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Any, room: float) -> str:
    """Returns the text, shortened at its end until it fits."""
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "…", font) > room:
        text = text[:-1]
    return text + "…"
