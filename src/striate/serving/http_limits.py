"""uvicorn's HTTP protocol, with bounds on what comes before a request's body: the one part that no application sees."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from striate.serving.security import MAX_HEAD_BYTES

RESPONSE_PREFIX = b"HTTP/1.1 "  # how a reply begins


class CoalescingTransport:
    """A transport around another one, which holds a head back until its body comes, or until the loop's next turn.

    Args:
        transport: that sends.
        loop: it runs in.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pending_head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends data, with what was held back before it."""
        if self._pending_head:
            data, self._pending_head = self._pending_head + data, b""
        elif data.startswith(RESPONSE_PREFIX):
            self._pending_head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Sends what was held back, and ends the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pending_head:
            self.write(b"")


MAX_HEAD_SECONDS = 30.0  # that it may take to arrive; of an idle connection that was used, see uvicorn's keep-alive


class LimitedHeadProtocol(HttpToolsProtocol):
    """Ends a connection whose request's head is larger, or slower, than any honest one's."""

    _head_bytes = 0
    _is_reading_head = True  # whether a head is still to be completed
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for a head."""
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]
        self._start_timer()

    def on_message_begin(self) -> None:
        """Begins to count a further head."""
        super().on_message_begin()
        if not self._is_reading_head:
            self._head_bytes, self._is_reading_head = 0, True

    def on_headers_complete(self) -> None:
        """Waits no longer."""
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what has come, and counts what belongs to a head that is not complete."""
        super().data_received(data)
        if self._is_reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._reject_head("The request's head is too large.")
            elif self._timer is None:  # most heads come in one piece, and are never waited for
                self._start_timer()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(MAX_HEAD_SECONDS, self._reject_head, "The request's head took too long.")

    def _stop_timer(self) -> None:
        self._is_reading_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _reject_head(self, reason: str) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.send_400_response(reason)
