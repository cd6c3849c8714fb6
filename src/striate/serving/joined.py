"""A reply's head and body in one packet: uvicorn hands them over one after the other, and each would be sent alone."""

from __future__ import annotations

import asyncio
from typing import Any

HEAD = b"HTTP/1.1 "  # how a reply begins


class Joined:
    """A transport around another one, which holds a head back until its body comes, or until the loop's next turn.

    Args:
        transport: that sends.
        loop: it runs in.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends data, with what was held back before it."""
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(HEAD):
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Sends what was held back, and ends the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self.write(b"")
