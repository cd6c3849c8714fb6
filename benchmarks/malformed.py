"""Requests that no server should be brought down by: what is wrong with each, by name."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from asking import request

Rng = np.random.Generator
Kind = Callable[[Rng, bytes], bytes]
"""From chance and a good PNG to a request's bytes."""

AS_JSON, AS_FORM = "Content-Type: application/json\r\n", "Content-Type: multipart/form-data; boundary=x\r\n"
INFER = "/v2/models/main/infer"


def png(width: int, height: int, rows: bytes, *, wrong: int = 0) -> bytes:
    """Returns a PNG whose head says (height, width), of 8-bit grayscale, and whose rows are these bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data) ^ wrong
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def words(rng: Rng, most: int = 400) -> bytes:
    """Returns random bytes."""
    return rng.bytes(int(rng.integers(1, most)))


def picture(data: Callable[[Rng, bytes], bytes], headers: str = "", path: str = "/predict") -> Kind:
    """Returns what sends such a body."""
    return lambda rng, good: request(data(rng, good), path, headers)


def document(value: Callable[[Rng, bytes], Any], path: str = "/predict") -> Kind:
    """Returns what sends such a JSON document."""
    return lambda rng, good: request(json.dumps(value(rng, good)).encode(), path, AS_JSON)


def tensor(**changes: Any) -> Kind:
    """Returns what asks for an inference of a tensor that is good but for the changes."""
    whole = {"name": "pictures", "datatype": "UINT8", "shape": [1, 28, 28, 1], "data": [0] * 784}
    return document(lambda rng, good: {"inputs": [whole | changes]}, INFER)


def flipped(rng: Rng, good: bytes) -> bytes:
    """Returns the image with a byte changed within its first 24: signature, or the head's kind or size."""
    found = bytearray(good)
    found[int(rng.integers(0, 16))] ^= 1 << int(rng.integers(0, 8))
    return bytes(found)


def raw(text: bytes) -> Kind:
    """Returns what sends these bytes."""
    return lambda rng, good: text


HOST = "\r\nHost: localhost\r\n"
KINDS: dict[str, Kind] = {
    # bodies that are no images
    "nothing": picture(lambda rng, good: b""),
    "noise": picture(lambda rng, good: words(rng)),
    "text": picture(lambda rng, good: b"a picture of a cat"),
    "a signature alone": picture(lambda rng, good: good[:8]),
    "cut": picture(lambda rng, good: good[: int(rng.integers(8, 40))]),
    "a changed head": picture(flipped),
    "a wrong check": picture(lambda rng, good: png(28, 28, bytes(29 * 28), wrong=1)),
    "a bomb of pixels": picture(lambda rng, good: png(60_000, 60_000, bytes(1 << 20))),
    "a long row": picture(lambda rng, good: png(2**31 - 1, 1, bytes(1 << 16))),
    "no pixels": picture(lambda rng, good: png(0, 28, b"")),
    "a GIF's head": picture(lambda rng, good: b"GIF89a" + words(rng, 60)),
    "a JPEG's head": picture(lambda rng, good: b"\xff\xd8\xff\xe0" + words(rng, 200)),
    "a JPEG of 65,535 pixels a side": picture(
        lambda rng, good: bytes.fromhex("ffd8ffc0001108ffffffff03012200021101031101ffd9")
    ),
    "a TIFF whose first entry lies outside": picture(lambda rng, good: b"II*\0\xff\xff\xff\x7f"),
    "a WebP's head": picture(lambda rng, good: b"RIFF\xff\xff\xff\xffWEBPVP8 " + words(rng, 60)),
    "an archive": picture(lambda rng, good: b"PK\x03\x04" + words(rng)),
    "SVG that asks for a file": picture(
        lambda rng, good: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    ),
    "PostScript": picture(lambda rng, good: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\n"),
    "an array": picture(lambda rng, good: b"\x93NUMPY\x01\x00" + words(rng)),
    # bodies that cannot be read
    "no JSON": picture(lambda rng, good: b"{" + words(rng), AS_JSON),
    "deep JSON": picture(lambda rng, good: b"[" * 50_000, AS_JSON),
    "no text": picture(lambda rng, good: b"\xff\xfe\x00", AS_JSON),
    "another document": document(lambda rng, good: {"url": "http://169.254.169.254/"}),
    "no base64": document(lambda rng, good: {"picture": "?" * int(rng.integers(1, 99))}),
    "noise in base64": document(lambda rng, good: {"picture": base64.b64encode(words(rng)).decode()}),
    "numbers": document(lambda rng, good: {"pictures": [1, 2, 3]}),
    "no images": document(lambda rng, good: {"pictures": []}),
    "too many images": document(lambda rng, good: {"pictures": ["AAAA"] * 65}),
    "a form without a boundary": picture(lambda rng, good: good, "Content-Type: multipart/form-data\r\n"),
    "a form of noise": picture(lambda rng, good: words(rng), AS_FORM),
    "a form without a file": picture(
        lambda rng, good: b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n', AS_FORM
    ),
    "a form of very many parts": picture(
        lambda rng, good: b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nb\r\n' * 500, AS_FORM
    ),
    "another type": picture(lambda rng, good: good, "Content-Type: text/html\r\n"),
    "a length of 2⁶³": raw(b"POST /predict HTTP/1.1" + HOST.encode() + b"Content-Length: 9223372036854775807\r\n\r\n"),
    # addresses
    "another classifier": picture(lambda rng, good: good, path="/predict?classifier=" + "x" * 200),
    "a top of words": picture(lambda rng, good: good, path="/predict?top=%00"),
    "a path upwards": raw(b"GET /../../../etc/passwd HTTP/1.1" + HOST.encode() + b"\r\n"),
    "another method": raw(b"DELETE /predict HTTP/1.1" + HOST.encode() + b"\r\n"),
    "another host": raw(b"GET /classifier HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    "another origin": picture(lambda rng, good: good, "Origin: http://evil.example\r\n"),
    # tensors
    "no tensors": document(lambda rng, good: {}, INFER),
    "a tensor of another shape": tensor(shape=[1, 29, 28, 1]),
    "a tensor of 2⁶⁰ images": tensor(shape=[1 << 60, 28, 28, 1]),
    "a tensor of halves": tensor(data=[0.5] * 784),
    "a tensor too short": tensor(data=[0]),
    "a ragged tensor": tensor(data=[[0], [0, 1]]),
    "a tensor of another type": tensor(datatype="FP64"),
    "a tensor with a wrong size": tensor(parameters={"binary_data_size": 3}),
    # below HTTP
    "TLS": raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "another version": raw(b"GET / HTTP/9.9\r\n\r\n"),
    "a negative length": raw(b"POST /predict HTTP/1.1" + HOST.encode() + b"Content-Length: -1\r\n\r\n"),
    "two lengths": raw(b"POST /predict HTTP/1.1" + HOST.encode() + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    "a header of 128 KiB": raw(b"GET / HTTP/1.1" + HOST.encode() + b"X: " + b"x" * (128 << 10) + b"\r\n\r\n"),
}
