"""Records as TensorFlow writes them: their length, the length's checksum, the bytes, the bytes' checksum.

TensorBoard's own writer is pure Python as well, and takes as long to import as a small network's epoch takes to learn.
The checksum is CRC-32C (Castagnoli et al. 1993), "masked" as TFRecord files have it.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

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
