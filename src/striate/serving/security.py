"""What stands before every route: hosts, origins, the token, a body's size and pace, and the headers of a reply."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.serving.http_errors import Fault

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN = ("/", "/v2/health/live", "/v2/health/ready")
"""Paths that need no token: the page, which asks for one, and health, since those who watch over servers have none."""

MOST = 64 << 10  # bytes of a head
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""The headers of every reply that does not bring its own."""


class Guard:
    """An ASGI application around another one.

    Args:
        app: what is guarded.
        hosts: names that a Host header may have, without port: against pages that point their own name at this
            computer (DNS rebinding).
        token: that each request must bear; None for none.
        most: bytes of a body.
        seconds: that a body may take to arrive.
        is_last: whether replies tell that the connection ends behind them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        token: str | None,
        most: int,
        seconds: float,
        is_last: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app, self.hosts, self.token = app, frozenset(host.lower() for host in hosts), token
        self.most, self.seconds, self.is_last = most, seconds, is_last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                names = {name for name, _ in given}
                given += [one for one in HEADERS if one[0] not in names]
                if self.is_last():
                    given.append((b"connection", b"close"))
                message["headers"] = given
            await send(message)

        try:
            self._check(scope)
        except Fault as fault:
            await fault.response(scope, receive, sent)
            return
        await self.app(scope, self._counted(receive), sent)

    def _check(self, scope: Scope) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:  # of several of one name the first
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        if sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope["raw_path"]) > MOST:
            raise Fault("large", f"a head of more than {MOST:,} bytes")
        host = _name(headers.get("host", ""))
        if host not in self.hosts:
            raise Fault("host")
        origin = headers.get("origin")
        if origin is not None and (urlsplit(origin).netloc.lower() != headers.get("host", "").lower()):
            raise Fault("origin")
        if self.token is not None and scope["path"] not in OPEN:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
                raise Fault("token")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise Fault("malformed", "Content-Length")
        if int(length) > self.most:
            raise Fault("large", f"more than {self.most:,} bytes")

    def _counted(self, receive: Receive) -> Receive:
        """Returns the same source of a body, which breaks off where it grows too large or too slow."""
        got = 0
        until = asyncio.get_running_loop().time() + self.seconds
        is_whole = False

        async def counted() -> Message:
            nonlocal got, is_whole
            if is_whole:  # nothing more comes but the client's leaving
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Fault("slow") from None
            got += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if got > self.most:
                raise Fault("large", f"more than {self.most:,} bytes")
            return message

        return counted


def _name(host: str) -> str:
    """Returns a Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
