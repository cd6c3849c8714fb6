"""A reply's head and body leave together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from striate.serving.http_limits import CoalescingTransport

pytestmark = pytest.mark.fast

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Sent:
    """Stands for the transport below: what it was given, and whether it was closed."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.parts.append(data)

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def written(*steps: Any) -> Sent:
    """Returns what was sent after these steps: data, `...` for a turn of the loop, None to close."""
    below = Sent()

    async def run() -> None:
        joined = CoalescingTransport(below, asyncio.get_running_loop())  # type: ignore[arg-type]
        assert joined.get_extra_info("socket") == "socket"
        for step in steps:
            if step is ...:
                await asyncio.sleep(0)
            elif step is None:
                joined.close()
            else:
                joined.write(step)
        await asyncio.sleep(0)

    asyncio.run(run())
    return below


def test_head_and_body_are_one_packet():
    assert written(HEAD, b"body", ..., HEAD, b"more").parts == [HEAD + b"body", HEAD + b"more"]


def test_a_head_whose_body_comes_later_does_not_wait_for_it():
    assert written(HEAD, ..., b"body").parts == [HEAD, b"body"]


def test_a_head_without_a_body_is_sent_before_the_end():
    below = written(HEAD, None)
    assert below.parts == [HEAD]
    assert below.is_closed


def test_a_body_in_pieces_is_sent_as_it_comes():
    assert written(HEAD, b"one", b"two").parts == [HEAD + b"one", b"two"]
