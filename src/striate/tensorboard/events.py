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

CRC32C_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits in reverse
CRC_MASK_DELTA = 0xA282EAD8
MAX_UINT32 = 0xFFFFFFFF
LANE_COUNT = 256  # parts of a long record whose checksums are computed at once
MIN_LANED_BYTES = 16 * LANE_COUNT  # bytes from which on that pays


def encode_record(content: bytes) -> bytes:
    """Returns the content as a record."""
    length = struct.pack("<Q", len(content))
    return b"".join((length, _compute_masked_crc(length), content, _compute_masked_crc(content)))


def compute_crc32c(content: bytes) -> int:
    """Returns the CRC-32C of some bytes."""
    register = MAX_UINT32
    if len(content) >= MIN_LANED_BYTES:
        own = len(content) // LANE_COUNT
        lanes = np.frombuffer(content, np.uint8, own * LANE_COUNT).reshape(LANE_COUNT, own)
        registers = np.zeros(LANE_COUNT, np.uint32)
        for column in np.ascontiguousarray(lanes.T):
            registers = _get_crc_array()[(registers ^ column) & 0xFF] ^ (registers >> 8)
        skip = _compute_zero_shift(own)
        for one in registers.tolist():  # a checksum is linear: what came before, moved on by zeros, and the lane's own
            register = _multiply_gf2(skip, register) ^ one
        content = content[own * LANE_COUNT :]
    table = _build_crc_table()
    for byte in content:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ MAX_UINT32


def _compute_masked_crc(content: bytes) -> bytes:
    crc = compute_crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + CRC_MASK_DELTA) & MAX_UINT32)


@cache
def _build_crc_table() -> tuple[int, ...]:
    """Returns what each byte does to a register of zeros."""
    found = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = register >> 1 ^ (CRC32C_POLYNOMIAL if register & 1 else 0)
        found.append(register)
    return tuple(found)


@cache
def _get_crc_array() -> NDArray[np.uint32]:
    return np.array(_build_crc_table(), np.uint32)


def _compute_zero_shift(byte_count: int) -> list[int]:
    """Returns what each bit of a register becomes after `byte_count` bytes of zeros."""
    table = _build_crc_table()
    step = [table[bit & 0xFF] ^ (bit >> 8) for bit in (1 << at for at in range(32))]
    whole = [1 << at for at in range(32)]
    while byte_count:
        if byte_count & 1:
            whole = [_multiply_gf2(step, bit) for bit in whole]
        step = [_multiply_gf2(step, bit) for bit in step]
        byte_count >>= 1
    return whole


def _multiply_gf2(columns: list[int], register: int) -> int:
    found = 0
    while register:
        low = register & -register
        found ^= columns[low.bit_length() - 1]
        register ^= low
    return found


EVENTS_FOLDER = "tensorboard"  # in a run's
HISTOGRAM_BINS = 30
FILE_VERSION = "brain.Event:2"
"""What the first record of a file says."""

INSTALL_HINT = "pip install 'striate[tensorboard]'"


DISABLE_VARIABLE = "STRIATE_TENSORBOARD"
"""Environment variable: `off` keeps trainings from writing for TensorBoard; `striate tensorboard` still can."""


def is_installed() -> bool:
    """Returns whether the package tensorboard is there."""
    return importlib.util.find_spec("tensorboard") is not None


def is_enabled() -> bool:
    """Returns whether a training writes for TensorBoard: where it is installed, and not turned off."""
    return is_installed() and os.environ.get(DISABLE_VARIABLE, "").lower() != "off"


def require_tensorboard() -> None:
    """Raises a ConfigError that says how to install TensorBoard, unless it is there."""
    if not is_installed():
        raise ConfigError("TensorBoard is not installed", received="no package tensorboard", hint=INSTALL_HINT)


class EventFileWriter:
    """Appends events to one file, each on disk before the next.

    Args:
        folder: made if need be; TensorBoard calls it a run.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{int(time.time())}.striate.{os.getpid()}"
        self._file = self.path.open("wb")
        self._write_event(time.time(), file_version=FILE_VERSION)

    def add_scalar(self, tag: str, value: float, step: int, wall_time: float | None = None) -> None:
        """Adds a number."""
        self._write_summary(step, wall_time, tag=tag, simple_value=float(value))

    def add_histogram(self, tag: str, values: NDArray[Any], step: int, wall_time: float | None = None) -> None:
        """Adds the distribution of an array's finite values, in BINS equal bins."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto

        finite = np.asarray(values, np.float64).ravel()
        if not np.isfinite(finite.sum()):
            finite = finite[np.isfinite(finite)]
        if not len(finite):
            return
        counts, edges = np.histogram(finite, bins=HISTOGRAM_BINS)
        proto = HistogramProto(
            min=finite.min(),
            max=finite.max(),
            num=len(finite),
            sum=finite.sum(),
            sum_squares=float(np.square(finite).sum()),  # a dot product would wake every core for each small array
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._write_summary(step, wall_time, tag=tag, histo=proto)

    def add_image(self, tag: str, pixels: NDArray[np.uint8], step: int, wall_time: float | None = None) -> None:
        """Adds an image, (h, w, 1 or 3) uint8."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        buffer = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        height, width, channels = pixels.shape
        proto = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=buffer.getvalue())
        self._write_summary(step, wall_time, tag=tag, image=proto)

    def add_graph(self, graph_def: Any) -> None:
        """Adds a GraphDef, the model's."""
        self._write_event(time.time(), graph_def=graph_def.SerializeToString())

    def discard_from_step(self, step: int) -> None:
        """Has TensorBoard forget what earlier files of the folder hold from that step on."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._write_event(time.time(), step=step, session_log=SessionLog(status=SessionLog.START))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write_summary(self, step: int, wall_time: float | None, **value: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write_event(wall_time or time.time(), step=step, summary=Summary(value=[Summary.Value(**value)]))

    def _write_event(self, wall_time: float, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._file.write(encode_record(Event(wall_time=wall_time, **fields).SerializeToString()))
        self._file.flush()
