"""uvicorn's HTTP protocol, with bounds on what comes before a request's body: the one part that no application sees."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from striate.serving.security import MOST

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


SECONDS = 30.0  # that it may take to arrive; of an idle connection that was used, see uvicorn's keep-alive


class BoundedHeads(HttpToolsProtocol):
    """Ends a connection whose request's head is larger, or slower, than any honest one's."""

    _bytes = 0
    _is_open = True  # whether a head is still to be completed
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for a head."""
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]
        self._wait()

    def on_message_begin(self) -> None:
        """Begins to count a further head."""
        super().on_message_begin()
        if not self._is_open:
            self._bytes, self._is_open = 0, True

    def on_headers_complete(self) -> None:
        """Waits no longer."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what has come, and counts what belongs to a head that is not complete."""
        super().data_received(data)
        if self._is_open:
            self._bytes += len(data)
            if self._bytes > MOST:
                self._refuse("The request's head is too large.")
            elif self._timer is None:  # most heads come in one piece, and are never waited for
                self._wait()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(SECONDS, self._refuse, "The request's head took too long.")

    def _stop(self) -> None:
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, why: str) -> None:
        self._stop()
        if not self.transport.is_closing():
            self.send_400_response(why)
