"""What one server takes on, and no more."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta

from striate.config import frozen_config

PositiveInt = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


@frozen_config
class ServerLimits:
    """The bounds of a server.

    Attributes:
        body: bytes of a request.
        pictures: in a request.
        pixels: of an image, width times height, before it is decoded.
        waiting: images in the house at once, over all requests; with more, requests are sent away with 503.
        wait_seconds: after which an image can be expected to be answered, at the pace of late; with more, requests are
            sent away too, unless fewer wait than are answered at once.
        batch: images that the network answers at once.
        decoders: processes that decode.
        decode_seconds: that one image may take; then its process is ended.
        decoder_bytes: of memory that a decoding process may have.
        leave_seconds: after SIGTERM that requests are still answered, and each client is told that its connection
            ends: so none sends its next one where nobody listens.
        drain_seconds: after that until open requests are let go.
    """

    body: PositiveInt = 32 << 20
    pictures: PositiveInt = 64
    pixels: PositiveInt = 50_000_000
    waiting: PositiveInt = 256
    wait_seconds: Seconds = 1.0
    batch: PositiveInt = 64
    decoders: PositiveInt = max(1, (os.cpu_count() or 1) // 2)
    decode_seconds: Seconds = 10.0
    decoder_bytes: PositiveInt = 2 << 30
    leave_seconds: Seconds = 1.0
    drain_seconds: Seconds = 25.0
