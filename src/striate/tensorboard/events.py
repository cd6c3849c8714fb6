"""A file of events, as TensorBoard reads them."""

from __future__ import annotations

import importlib.util
import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import ConfigError
from striate.tensorboard.records import record

FOLDER = "tensorboard"  # in a run's
BINS = 30
VERSION = "brain.Event:2"
"""What the first record of a file says."""

EXTRA = "pip install 'striate[tensorboard]'"


OFF = "STRIATE_TENSORBOARD"
"""Environment variable: `off` keeps trainings from writing for TensorBoard; `striate tensorboard` still can."""


def is_installed() -> bool:
    """Returns whether the package tensorboard is there."""
    return importlib.util.find_spec("tensorboard") is not None


def is_wanted() -> bool:
    """Returns whether a training writes for TensorBoard: where it is installed, and not turned off."""
    return is_installed() and os.environ.get(OFF, "").lower() != "off"


def require_tensorboard() -> None:
    """Raises a ConfigError that says how to install TensorBoard, unless it is there."""
    if not is_installed():
        raise ConfigError("TensorBoard is not installed", received="no package tensorboard", hint=EXTRA)


class EventFile:
    """Appends events to one file, each on disk before the next.

    Args:
        folder: made if need be; TensorBoard calls it a run.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{int(time.time())}.striate.{os.getpid()}"
        self._file = self.path.open("wb")
        self._write(time.time(), file_version=VERSION)

    def scalar(self, tag: str, value: float, step: int, when: float | None = None) -> None:
        """Adds a number."""
        self._summary(step, when, tag=tag, simple_value=float(value))

    def histogram(self, tag: str, values: NDArray[Any], step: int, when: float | None = None) -> None:
        """Adds the distribution of an array's finite values, in BINS equal bins."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto

        finite = np.asarray(values, np.float64).ravel()
        if not np.isfinite(finite.sum()):
            finite = finite[np.isfinite(finite)]
        if not len(finite):
            return
        counts, edges = np.histogram(finite, bins=BINS)
        proto = HistogramProto(
            min=finite.min(),
            max=finite.max(),
            num=len(finite),
            sum=finite.sum(),
            sum_squares=float(np.square(finite).sum()),  # a dot product would wake every core for each small array
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._summary(step, when, tag=tag, histo=proto)

    def picture(self, tag: str, pixels: NDArray[np.uint8], step: int, when: float | None = None) -> None:
        """Adds a picture, (h, w, 1 or 3) uint8."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        buffer = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        height, width, channels = pixels.shape
        proto = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=buffer.getvalue())
        self._summary(step, when, tag=tag, image=proto)

    def graph(self, graph: Any) -> None:
        """Adds a GraphDef, the network's."""
        self._write(time.time(), graph_def=graph.SerializeToString())

    def restart(self, step: int) -> None:
        """Has TensorBoard forget what earlier files of the folder hold from that step on."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._write(time.time(), step=step, session_log=SessionLog(status=SessionLog.START))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _summary(self, step: int, when: float | None, **value: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(when or time.time(), step=step, summary=Summary(value=[Summary.Value(**value)]))

    def _write(self, when: float, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._file.write(record(Event(wall_time=when, **event).SerializeToString()))
        self._file.flush()
