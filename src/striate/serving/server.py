"""The application behind a socket: where it listens, who may ask, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import uvicorn

from striate.errors import ConfigError
from striate.serving.app import create_app
from striate.serving.http_errors import RequestError
from striate.serving.http_limits import LimitedHeadProtocol
from striate.serving.model_registry import ModelRegistry, ServedModel
from striate.serving.security import LOOPBACK_HOSTS
from striate.serving.settings import ServerLimits

SWITCH_INTERVAL_SECONDS = 0.0005  # seconds
LATE_REQUEST_SECONDS = 0.3  # seconds for requests that were on their way when the last connection was taken


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
    served_models: Sequence[ServedModel],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: ServerLimits | None = None,
    allowed_hosts: Sequence[str] = (),
    token: str | None = None,
    on_start: Callable[[str], None] = lambda address: None,
    on_reload: Callable[[str], None] = lambda what: None,
) -> None:
    """Answers until SIGTERM or Ctrl-C; then takes no new request and finishes those it has (see Limits.leave_seconds).
    On SIGHUP the versions that lie on the disk take over.

    Args:
        served_models: classifiers, each with another name.
        host: address to listen at.
        port: 0 for a free one.
        limits: the bounds.
        allowed_hosts: further names that requests may be addressed to.
        token: that requests must bear; None for none, on loopback alone.
        on_start: told the address once requests are answered.
        on_reload: told what came of SIGHUP, classifier by classifier.

    Raises:
        ConfigError: no token where one is needed, or the address cannot be had.
    """
    require_token(host, token)
    bounds = limits or ServerLimits()
    house = ModelRegistry(served_models, bounds)
    app = create_app(house, allowed_hosts=(*LOOPBACK_HOSTS, host, *allowed_hosts), token=token)
    listening = _bind_socket(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(bounds.drain_seconds),
        http=LimitedHeadProtocol,
        ws="none",
    )
    server = _UvicornServer(config, house, listening, lambda: on_start(address), on_reload)
    with listening, _set_switch_interval():
        server.run(sockets=[listening.dup()])


@contextlib.contextmanager
def _set_switch_interval() -> Iterator[None]:
    """Lets the network's thread begin its next batch while requests are being read: by default a thread that waits for
    Python's lock waits for 5 ms, which is longer than most models take.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _UvicornServer(uvicorn.Server):
    """uvicorn's, which tells when it has started, and hears SIGHUP."""

    def __init__(
        self,
        config: uvicorn.Config,
        registry: ModelRegistry,
        listen_socket: socket.socket,
        on_start: Callable[[], None],
        on_reload: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._registry, self._listen_socket, self._on_start, self._on_reload = (
            registry,
            listen_socket,
            on_start,
            on_reload,
        )
        self._reload_task: asyncio.Task[None] | None = None
        self._is_sigterm = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles SIGTERM and Ctrl-C while it runs; uvicorn would raise them again once all is finished."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            if hasattr(signal, "SIGHUP"):  # not on Windows
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._schedule_reload)
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ends the server; whoever presses Ctrl-C waits for nothing but what was asked."""
        self._is_sigterm = sig == signal.SIGTERM
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends, on SIGTERM after its clients were told, and with nobody left before the door."""
        if self._is_sigterm:
            await self._registry.announce_shutdown()
        for server in self.servers:
            server.close()
        await self._accept_last_connections()
        if self._is_sigterm:
            await asyncio.sleep(LATE_REQUEST_SECONDS)
        await super().shutdown(sockets)

    async def _accept_last_connections(self) -> None:
        """Takes the connections that the system has accepted and uvicorn has not, and listens no more: to close the
        socket over them would break them off, with the requests that were sent on them.
        """
        self._listen_socket.setblocking(False)
        late = []
        with contextlib.suppress(BlockingIOError):
            while True:
                late.append(self._listen_socket.accept()[0])
        self._listen_socket.close()
        for connection in late:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self._create_protocol, connection)

    def _create_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        made: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=None
        )
        return made

    def _schedule_reload(self) -> None:
        self._reload_task = asyncio.create_task(self._reload_all())

    async def _reload_all(self) -> None:
        for name in self._registry.served_models:
            try:
                self._on_reload(f"{name}: version {await self._registry.reload_model(name)}")
            except RequestError as fault:
                self._on_reload(f"{name}: {fault.message}")


def _bind_socket(host: str, port: int) -> socket.socket:
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
