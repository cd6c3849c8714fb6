"""The application behind a socket: where it listens, who may ask, and how it ends."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn

from striate.errors import ConfigError
from striate.serving.app import application
from striate.serving.guard import LOOPBACK
from striate.serving.house import Served
from striate.serving.limits import Limits


def require_token(host: str, token: str | None) -> None:
    """Raises ConfigError where others than this computer could ask and none is asked for a token."""
    if token is None and not _is_loopback(host):
        raise ConfigError(
            "A server that others can reach asks for a token",
            received=f"--host {host}",
            hint="STRIATE_TOKEN=… in the environment, or --token-file FILE",
        )
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise ConfigError("The token is too weak", received=f"{len(token)} characters", expected="16 or more, ASCII")


def serve(
    served: Sequence[Served],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    hosts: Sequence[str] = (),
    token: str | None = None,
    started: Callable[[str], None] = lambda address: None,
) -> None:
    """Answers until SIGTERM or Ctrl-C; then takes no new request and finishes those it has.

    Args:
        served: classifiers, each with another name.
        host: address to listen at.
        port: 0 for a free one.
        limits: the bounds.
        hosts: further names that requests may be addressed to.
        token: that requests must bear; None for none, on loopback alone.
        started: told the address once requests are answered.

    Raises:
        ConfigError: no token where one is needed, or the address cannot be had.
    """
    require_token(host, token)
    bounds = limits or Limits()
    names = (*LOOPBACK, host, *hosts)
    app = application(served, bounds, hosts=names, token=token)
    listening = _bound(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(bounds.drain_seconds),
        h11_max_incomplete_event_size=64 << 10,
    )
    server = _Server(config, lambda: started(address))
    with listening:
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's, which tells when it has started."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles SIGTERM and Ctrl-C while it runs; uvicorn would raise them again once all is finished."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise ConfigError(
            "The server cannot listen there",
            received=f"{host}:{port}: {error.strerror}",
            hint="--port 0 for a free one",
        ) from None
    return found


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
