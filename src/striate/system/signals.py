"""Work that a Ctrl-C should not tear apart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_listening: list[Callable[[], None]] = []
_acts: list[Callable[[], None]] = []


@contextlib.contextmanager
def hearing_signals(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` too when a block of `on_first_signal` within this one takes a signal, so that work that consists of
    several such pieces ends with the one at hand. Between them a signal ends the work as ever.
    """
    _listening.append(act)
    try:
        yield
    finally:
        _listening.remove(act)


@contextlib.contextmanager
def ended_alike() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does, by KeyboardInterrupt, so that what Ctrl-C tidies up and tells is so
    too when a system shuts down. Work within the block may take both signals over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def on_first_signal(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` on the first Ctrl-C or SIGTERM within the block instead of ending it; the second one ends it.

    Only a program's main thread can take signals over; elsewhere the block hears of `ask` alone.
    """
    _acts.append(act)
    try:
        with _taking_over(act):
            yield
    finally:
        _acts.remove(act)


def ask() -> None:
    """Does what a first signal would do, for who was told to stop in another way."""
    for act in (*_acts[-1:], *_listening):
        act()


@contextlib.contextmanager
def _taking_over(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` on the first signal within the block; the second one ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def received(number: int, frame: FrameType | None) -> None:
        restore()
        act()
        for listener in _listening:
            listener()

    for number in before:
        signal.signal(number, received)
    try:
        yield
    finally:
        restore()
