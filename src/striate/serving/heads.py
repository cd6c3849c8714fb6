"""uvicorn's HTTP protocol, with bounds on what comes before a request's body: the one part that no application sees."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from striate.serving.guard import MOST
from striate.serving.joined import Joined

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
