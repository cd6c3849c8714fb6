"""A served classifier and those who ask it: the server as a process of its own, and clients on bare sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


class Lost(Exception):  # noqa: N818  (what is counted, not an error of this program)
    """A request that was sent, and never answered."""


class Server:
    """`striate serve` in a process.

    Args:
        words: of the command line.
    """

    def __init__(self, *words: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "striate", "serve", *map(str, words), "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None  # noqa: S101
        text = ""
        while not text.endswith("\n}\n"):
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"striate serve {words} did not start")
            text += line
        self.said = json.loads(text)
        self.port = int(self.said["address"].rsplit(":", 1)[1].rstrip("/"))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> float:
        """Sends SIGTERM; returns the seconds until it has ended, well."""
        began = time.perf_counter()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        if code:
            raise RuntimeError(f"the server ended with {code}")
        return time.perf_counter() - began

    def processes(self) -> list[int]:
        """Returns its own number and those of its decoders."""
        own = self.process.pid
        return [own, *map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split())]

    def memory(self) -> float:
        """Returns resident MB of all its processes."""
        pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in self.processes()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self) -> int:
        """Returns how many files and sockets the server holds open."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())


def request(body: bytes, path: str = "/predict", headers: str = "") -> bytes:
    """Returns the bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class Client:
    """A connection that is kept, and made again where the server has ended it in good order.

    Args:
        port: of the server on this computer.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leaves."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None

    async def ask(self, data: bytes) -> Reply:
        """Returns the reply to a request's bytes.

        Raises:
            ConnectionRefusedError: no one listens.
            Lost: it was sent, and the connection ended without a reply.
        """
        await self.send(data)
        return await self.reply()

    async def send(self, data: bytes) -> None:
        """Sends a request's bytes."""
        if self._reader is not None and self._reader.at_eof():  # idle for longer than a server keeps a connection
            await self.close()
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writer.write(data)

    async def reply(self) -> Reply:
        """Returns what comes back."""
        assert self._reader is not None  # noqa: S101
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            await self.close()
            raise Lost(type(error).__name__) from None
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return Reply(int(first.split(" ")[1]), headers, body)


async def closed_loop(
    port: int, requests: Sequence[bytes], clients: int, take: Callable[[int, Reply], None] = lambda *_: None
) -> float:
    """Returns the seconds until all requests are answered, each client asking its next when it has its prediction."""
    numbers = iter(range(len(requests)))

    async def client() -> None:
        async with Client(port) as own:
            for number in numbers:
                take(number, await own.ask(requests[number]))

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - began


class Timed(NamedTuple):
    """One request of an open loop: when it was due, how long its reply took (None: lost or refused), its status."""

    due: float
    seconds: float | None
    status: int


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps Python from looking for garbage in the block: beside TensorFlow, which trained what is served, it takes
    half a second, in which this client would neither send nor read.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def open_loop(
    port: int, make: Callable[[int], bytes], rate: float, seconds: float, connections: int = 64
) -> list[Timed]:
    """Returns what became of requests sent at fixed times, whether or not those before them are answered. A reply's
    time counts from when its request was due, so that a client that falls behind hides nothing.
    """
    idle: asyncio.LifoQueue[Client] = asyncio.LifoQueue()
    for _ in range(connections):
        idle.put_nowait(Client(port))
    found: list[Timed] = []

    async def one(number: int, due: float) -> None:
        client = idle.get_nowait() if not idle.empty() else Client(port)
        try:
            reply = await client.ask(make(number))
            found.append(Timed(due, time.perf_counter() - began - due, reply.status))
        except (Lost, OSError):
            found.append(Timed(due, None, 0))
        idle.put_nowait(client)

    with undisturbed():
        began = time.perf_counter()
        tasks: list[Awaitable[None]] = []
        for number in range(round(rate * seconds)):
            due = number / rate
            wait = due - (time.perf_counter() - began)
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.ensure_future(one(number, due)))
        await asyncio.gather(*tasks)
    while not idle.empty():
        await idle.get_nowait().close()
    return sorted(found)
