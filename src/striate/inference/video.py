"""Videos and cameras, frame by frame; and predictions smoothed over time."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.data.decoding import check_pixel_count
from striate.errors import DataError, to_printable
from striate.prediction import Prediction
from striate.reporting.fonts import find_bundled_font, load_font

VIDEO_SIGNATURES = (
    (4, b"ftyp"),  # MP4, QuickTime (ISO/IEC 14496-12), told from images by the brands below
    *((4, box) for box in (b"moov", b"mdat", b"wide", b"free", b"skip")),
    (8, b"AVI "),
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM (EBML)
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3"),  # MPEG video
    (0, b"OggS"),
    (0, b"FLV\x01"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF, WMV
)
"""Place and bytes by which a video is told. Playlists and other texts that name further files are none."""

IMAGE_BRANDS = (
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
    b"avif",
    b"avis",
    b"jp2 ",
    b"jpx ",
)
"""Brands of the same container that are images."""

TS_PACKET_BYTES = 188  # bytes between the sync bytes 0x47 of an MPEG transport stream
DEFAULT_FRAME_RATE = 25.0  # frames a second of a video or camera that does not say


class Frame(NamedTuple):
    """One image of a video: its number and time from the beginning, and (h, w, 3) uint8 pixels, red first."""

    number: int
    seconds: float
    pixels: NDArray[np.uint8]


def has_video_signature(path: Path) -> bool:
    """Returns whether a file's first bytes are a video's."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(2 * TS_PACKET_BYTES + 1)
    except OSError:
        return False
    if head[4:8] == b"ftyp" and head[8:12] in IMAGE_BRANDS:
        return False
    is_transport = len(head) > 2 * TS_PACKET_BYTES and all(
        head[at] == 0x47 for at in (0, TS_PACKET_BYTES, 2 * TS_PACKET_BYTES)
    )
    return is_transport or any(head[at : at + len(mark)] == mark for at, mark in VIDEO_SIGNATURES)


class VideoReader:
    """A video or a camera that can be read once, from the beginning; to be used in a `with`.

    Args:
        source: a file, or a camera's number.

    Raises:
        DataError: it cannot be opened, or holds frames above the limit of pixels.
    """

    def __init__(self, source: Path | int) -> None:
        import cv2

        self._cv2, self._is_camera = cv2, isinstance(source, int)
        # FFmpeg follows names within a video to other files and hosts unless told otherwise.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
        given = source if isinstance(source, int) else str(source.resolve())
        with _suppress_opencv_log(cv2):
            self._capture = cv2.VideoCapture(given, cv2.CAP_ANY if self._is_camera else cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            what = f"There is no camera {source}" if self._is_camera else "The video cannot be opened"
            raise DataError(what, received=None if self._is_camera else source)
        self.width, self.height = (
            int(self._capture.get(one)) for one in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        check_pixel_count(self.width, self.height)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frame_rate = rate if math.isfinite(rate) and 0.1 < rate < 1000 else DEFAULT_FRAME_RATE
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count: int | None = int(count) if not self._is_camera and 0 < count < 1e8 else None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *reason: object) -> None:
        self._capture.release()

    def iter_frames(self, step: int) -> Iterator[Frame]:
        """Yields every `step`-th frame; of the others only as much is decoded as the next needs."""
        number = 0
        while True:
            with _suppress_opencv_log(self._cv2):
                if not self._capture.grab():
                    return
                if number % step == 0:
                    is_whole, pixels = self._capture.retrieve()
                    if is_whole:
                        seconds = number / self.frame_rate
                        yield Frame(number, seconds, self._cv2.cvtColor(pixels, self._cv2.COLOR_BGR2RGB))
            number += 1


class ProbabilitySmoother:
    """Probabilities over time as an exponential moving average (Brown 1956), in the video's own time.

    Args:
        time_constant: after which a change has come through to 63 %; 0 for none.
    """

    def __init__(self, time_constant: float) -> None:
        self.time_constant = time_constant
        self._previous: tuple[float, NDArray[np.float64]] | None = None

    def __call__(self, seconds: float, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the average at a time, from the beginning in seconds, after (classes,) probabilities were seen."""
        if self._previous is not None and self.time_constant > 0:
            then, mean = self._previous
            kept = math.exp(-max(0.0, seconds - then) / self.time_constant)
            probabilities = kept * mean + (1 - kept) * probabilities
        self._previous = seconds, probabilities
        return probabilities


def build_error_prediction(name: str, problem: str) -> Prediction:
    """Returns what stands for a video that cannot be read."""
    return Prediction(name, None, None, {}, error=problem)


@contextlib.contextmanager
def _suppress_opencv_log(cv2: Any) -> Iterator[None]:
    """Holds back what OpenCV prints about files that it cannot read: our message says it."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


MAX_CLASSES_DRAWN = 3  # classes
TEXT_COLOR, PANEL_COLOR, BAR_COLOR, DIM_COLOR = (255, 255, 255), (16, 18, 24), (88, 150, 255), (120, 126, 140)


class AnnotatedVideoWriter:
    """A video being written: each frame that was answered, with its most probable classes; to be used in a `with`.

    Args:
        path: an .mp4 file; it is there once all is written.
        frame_stride: as answers takes it: the video then shows so many frames fewer a second.
    """

    def __init__(self, path: Path, frame_stride: int = 1) -> None:
        if path.suffix.lower() != ".mp4":
            raise DataError("Annotated videos are written as .mp4", received=path)
        self.path, self.frame_stride = path, frame_stride
        self._temporary_path = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.mp4")
        self._writer: Any = None
        self._size = (0, 0)

    def __enter__(self) -> AnnotatedVideoWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
            if kind is None:
                self._temporary_path.replace(self.path)
        self._temporary_path.unlink(missing_ok=True)

    def __call__(self, video: VideoReader, frame: Frame, prediction: Prediction) -> None:
        """Adds a frame. A second video is shown at the first one's size."""
        import cv2

        if self._writer is None:
            height, width = frame.pixels.shape[:2]
            self._size = (width - width % 2, height - height % 2)  # as most encoders want it
            code = cv2.VideoWriter.fourcc(*"mp4v")
            rate = max(1.0, video.frame_rate / self.frame_stride)
            self._writer = cv2.VideoWriter(str(self._temporary_path), cv2.CAP_FFMPEG, code, rate, self._size)
            if not self._writer.isOpened():
                raise DataError("The annotated video cannot be written", received=self.path)
        image = Image.fromarray(frame.pixels)
        if image.size != self._size:
            image = image.resize(self._size)
        self._writer.write(cv2.cvtColor(np.asarray(draw_prediction(image, prediction)), cv2.COLOR_RGB2BGR))


def draw_prediction(image: Image.Image, prediction: Prediction) -> Image.Image:
    """Returns the image with a panel at its lower edge: the most probable classes, a bar and a share for each."""
    width, height = image.size
    line = max(10, min(height // 12, 36))
    shown = list(prediction.probabilities.items())[:MAX_CLASSES_DRAWN][: max(1, (height - line) // line)]
    pad = line // 3
    panel = Image.new("RGB", (width, len(shown) * line + 2 * pad), PANEL_COLOR)
    draw, font = ImageDraw.Draw(panel), load_font(find_bundled_font(), round(line * 0.62))
    left, right = pad + round(width * 0.42), width - pad - round(draw.textlength("100 %", font))
    for row, (name, fraction) in enumerate(shown):
        top, is_answer = pad + row * line, row == 0 and not prediction.is_abstention
        ink = TEXT_COLOR if is_answer else DIM_COLOR
        draw.text(
            (pad, top), _truncate_text(draw, to_printable(name).replace("\n", " "), font, left - 2 * pad), ink, font
        )
        end = left + round((right - pad - left) * fraction)
        if right - pad > left:
            draw.rectangle(
                (left, top + line // 4, max(left, end), top + line * 3 // 4), BAR_COLOR if is_answer else DIM_COLOR
            )
        draw.text((right, top), f"{fraction:.0%}".replace("%", " %"), ink, font)
    result = image.copy()
    place = (0, height - panel.height)
    result.paste(Image.blend(result.crop((0, place[1], width, height)), panel, 0.78), place)
    return result


def _truncate_text(draw: ImageDraw.ImageDraw, text: str, font: Any, max_width: float) -> str:
    """Returns the text, shortened at its end until it fits."""
    if draw.textlength(text, font) <= max_width:
        return text
    while text and draw.textlength(text + "…", font) > max_width:
        text = text[:-1]
    return text + "…"
