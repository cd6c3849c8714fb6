"""Work that a Ctrl-C should not tear apart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_listeners: list[Callable[[], None]] = []
_callbacks: list[Callable[[], None]] = []


@contextlib.contextmanager
def listen_for_signals(callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` too when a block of `on_first_signal` within this one takes a signal, so that work that
    consists of several such pieces ends with the one at hand. Between them a signal ends the work as ever.
    """
    _listeners.append(callback)
    try:
        yield
    finally:
        _listeners.remove(callback)


@contextlib.contextmanager
def treat_sigterm_as_interrupt() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does, by KeyboardInterrupt, so that what Ctrl-C tidies up and tells is so
    too when a system shuts down. Work within the block may take both signals over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def raise_interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def on_first_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` on the first Ctrl-C or SIGTERM within the block instead of ending it; the second one ends it.

    Only a program's main thread can take signals over; elsewhere the block hears of `ask` alone.
    """
    _callbacks.append(callback)
    try:
        with _handle_first_signal(callback):
            yield
    finally:
        _callbacks.remove(callback)


def request_stop() -> None:
    """Does what a first signal would do, for who was told to stop in another way."""
    for act in (*_callbacks[-1:], *_listeners):
        act()


@contextlib.contextmanager
def _handle_first_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` on the first signal within the block; the second one ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore_handlers() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        restore_handlers()
        callback()
        for listener in _listeners:
            listener()

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore_handlers()
