"""A file of events, as TensorBoard reads them."""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import ConfigError

POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits in reverse
MASK = 0xA282EAD8
WORD = 0xFFFFFFFF
LANES = 256  # parts of a long record whose checksums are computed at once
LONG = 16 * LANES  # bytes from which on that pays


def record(content: bytes) -> bytes:
    """Returns the content as a record."""
    length = struct.pack("<Q", len(content))
    return b"".join((length, _checksum(length), content, _checksum(content)))


def crc32c(content: bytes) -> int:
    """Returns the CRC-32C of some bytes."""
    register = WORD
    if len(content) >= LONG:
        own = len(content) // LANES
        lanes = np.frombuffer(content, np.uint8, own * LANES).reshape(LANES, own)
        registers = np.zeros(LANES, np.uint32)
        for column in np.ascontiguousarray(lanes.T):
            registers = _table()[(registers ^ column) & 0xFF] ^ (registers >> 8)
        skip = _skipping(own)
        for one in registers.tolist():  # a checksum is linear: what came before, moved on by zeros, and the lane's own
            register = _moved(skip, register) ^ one
        content = content[own * LANES :]
    table = _numbers()
    for byte in content:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ WORD


def _checksum(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK) & WORD)


@cache
def _numbers() -> tuple[int, ...]:
    """Returns what each byte does to a register of zeros."""
    found = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
        found.append(register)
    return tuple(found)


@cache
def _table() -> NDArray[np.uint32]:
    return np.array(_numbers(), np.uint32)


def _skipping(count: int) -> list[int]:
    """Returns what each bit of a register becomes after `count` bytes of zeros."""
    table = _numbers()
    step = [table[bit & 0xFF] ^ (bit >> 8) for bit in (1 << at for at in range(32))]
    whole = [1 << at for at in range(32)]
    while count:
        if count & 1:
            whole = [_moved(step, bit) for bit in whole]
        step = [_moved(step, bit) for bit in step]
        count >>= 1
    return whole


def _moved(columns: list[int], register: int) -> int:
    found = 0
    while register:
        low = register & -register
        found ^= columns[low.bit_length() - 1]
        register ^= low
    return found


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
