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
        max_body_bytes: bytes of a request.
        max_images: in a request.
        max_pixels: of an image, width times height, before it is decoded.
        max_pending_images: images in the house at once, over all requests; with more, requests are sent away with 503.
        max_wait_seconds: after which an image can be expected to be answered, at the pace of late; with more,
            requests are sent away too, unless fewer wait than are answered at once.
        max_batch_size: images that the network answers at once.
        decode_workers: processes that decode.
        max_decode_seconds: that one image may take; then its process is ended.
        max_worker_bytes: of memory that a decoding process may have.
        shutdown_delay_seconds: after SIGTERM that requests are still answered, and each client is told that its
            connection
            ends: so none sends its next one where nobody listens.
        drain_seconds: after that until open requests are let go.
    """

    max_body_bytes: PositiveInt = 32 << 20
    max_images: PositiveInt = 64
    max_pixels: PositiveInt = 50_000_000
    max_pending_images: PositiveInt = 256
    max_wait_seconds: Seconds = 1.0
    max_batch_size: PositiveInt = 64
    decode_workers: PositiveInt = max(1, (os.cpu_count() or 1) // 2)
    max_decode_seconds: Seconds = 10.0
    max_worker_bytes: PositiveInt = 2 << 30
    shutdown_delay_seconds: Seconds = 1.0
    drain_seconds: Seconds = 25.0
