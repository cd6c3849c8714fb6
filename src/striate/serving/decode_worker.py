"""A process that does nothing but decode, so that an image which brings a decoder down brings only this down:

python -m striate.serving.decode_worker MEMORY     questions on standard input, answers on standard output; see wire
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from striate.config import from_json
from striate.data.decoding import preload_formats
from striate.data.prefetch import decode_or_error
from striate.data.preprocessing import Preprocessing


@cache
def _parse_preprocessing(text: bytes) -> Preprocessing:
    return from_json(Preprocessing, text, "the server's question")


def main() -> None:
    """Answers until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    preload_formats()
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a decoder prints is no answer
    while (question := read_request(asked.read)) is not None:
        form, images = question
        decoded = []
        for image in images:
            try:
                decoded.append(decode_or_error(_parse_preprocessing(form), image))
            except MemoryError:
                decoded.append("it needs more memory than one image may have")
        told.write(encode_response(decoded))
        told.flush()


LENGTH_STRUCT = struct.Struct("<I")
MessageError = struct.error
MAX_REASON_BYTES = 200  # bytes of a reason, at most


def encode_request(preprocessing_json: bytes, images: Sequence[bytes]) -> bytes:
    """Returns a message: the JSON of a Preprocessing, and encoded images."""
    parts = [preprocessing_json, *images]
    return b"".join([LENGTH_STRUCT.pack(len(parts)), *(LENGTH_STRUCT.pack(len(part)) for part in parts), *parts])


def read_request(read_exactly: Callable[[int], bytes]) -> tuple[bytes, list[bytes]] | None:
    """Returns the JSON and the images, given what reads exactly so many bytes; None at the end."""
    head = read_exactly(LENGTH_STRUCT.size)
    if len(head) < LENGTH_STRUCT.size:
        return None
    (count,) = LENGTH_STRUCT.unpack(head)
    lengths = struct.unpack(f"<{count}I", read_exactly(LENGTH_STRUCT.size * count))
    form, *images = (read_exactly(length) for length in lengths)
    return form, images


def encode_response(results: Sequence[NDArray[np.uint8] | str]) -> bytes:
    """Returns the message back: for each image its pixels, or why it has none."""
    parts = []
    for one in results:
        data = one.encode()[:MAX_REASON_BYTES] if isinstance(one, str) else one.tobytes()
        parts.append(bytes([isinstance(one, str)]) + LENGTH_STRUCT.pack(len(data)) + data)
    whole = b"".join(parts)
    return LENGTH_STRUCT.pack(len(whole)) + whole


def compute_max_response_size(image_count: int, shape: tuple[int, int, int]) -> int:
    """Returns the bytes that an answer about so many images may have, without its length."""
    return image_count * (1 + LENGTH_STRUCT.size + max(MAX_REASON_BYTES, math.prod(shape)))


def parse_response(data: bytes, shape: tuple[int, int, int]) -> list[NDArray[np.uint8] | str]:
    """Returns what the message without its length says."""
    found: list[NDArray[np.uint8] | str] = []
    at = 0
    while at < len(data):
        is_reason = bool(data[at])
        (length,) = LENGTH_STRUCT.unpack_from(data, at + 1)
        at += 1 + LENGTH_STRUCT.size
        if is_reason:
            found.append(data[at : at + length].decode(errors="replace"))
        else:
            found.append(np.frombuffer(data, np.uint8, length, at).reshape(shape))
        at += length
    return found


if __name__ == "__main__":
    main()
