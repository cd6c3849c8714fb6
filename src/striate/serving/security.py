"""What stands before every route: hosts, origins, the token, a body's size and pace, and the headers of a reply."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.serving.http_errors import RequestError

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
PUBLIC_PATHS = ("/", "/v2/health/live", "/v2/health/ready")
"""Paths that need no token: the page, which asks for one, and health, since those who watch over servers have none."""

MAX_HEAD_BYTES = 64 << 10  # bytes of a head
DEFAULT_HEADERS = (
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


class SecurityMiddleware:
    """An ASGI application around another one.

    Args:
        app: what is guarded.
        allowed_hosts: names that a Host header may have, without port: against pages that point their own name at this
            computer (DNS rebinding).
        token: that each request must bear; None for none.
        max_body_bytes: bytes of a body.
        max_body_seconds: that a body may take to arrive.
        should_close: whether replies tell that the connection ends behind them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Iterable[str],
        token: str | None,
        max_body_bytes: int,
        max_body_seconds: float,
        should_close: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app, self.allowed_hosts, self.token = app, frozenset(host.lower() for host in allowed_hosts), token
        self.max_body_bytes, self.max_body_seconds, self.should_close = max_body_bytes, max_body_seconds, should_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                names = {name for name, _ in given}
                given += [one for one in DEFAULT_HEADERS if one[0] not in names]
                if self.should_close():
                    given.append((b"connection", b"close"))
                message["headers"] = given
            await send(message)

        try:
            self._check_request(scope)
        except RequestError as fault:
            await fault.response(scope, receive, send_with_headers)
            return
        await self.app(scope, self._limit_body(receive), send_with_headers)

    def _check_request(self, scope: Scope) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:  # of several of one name the first
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        if sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope["raw_path"]) > MAX_HEAD_BYTES:
            raise RequestError("large", f"a head of more than {MAX_HEAD_BYTES:,} bytes")
        host = _strip_port(headers.get("host", ""))
        if host not in self.allowed_hosts:
            raise RequestError("host")
        origin = headers.get("origin")
        if origin is not None and (urlsplit(origin).netloc.lower() != headers.get("host", "").lower()):
            raise RequestError("origin")
        if self.token is not None and scope["path"] not in PUBLIC_PATHS:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
                raise RequestError("token")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise RequestError("malformed", "Content-Length")
        if int(length) > self.max_body_bytes:
            raise RequestError("large", f"more than {self.max_body_bytes:,} bytes")

    def _limit_body(self, receive: Receive) -> Receive:
        """Returns the same source of a body, which breaks off where it grows too large or too slow."""
        got = 0
        until = asyncio.get_running_loop().time() + self.max_body_seconds
        is_whole = False

        async def receive_limited() -> Message:
            nonlocal got, is_whole
            if is_whole:  # nothing more comes but the client's leaving
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise RequestError("slow") from None
            got += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if got > self.max_body_bytes:
                raise RequestError("large", f"more than {self.max_body_bytes:,} bytes")
            return message

        return receive_limited


def _strip_port(host: str) -> str:
    """Returns a Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
