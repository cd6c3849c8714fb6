"""What long work reports. The command line draws it, a log prints it, a test ignores it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TextIO


class Progress:
    """Receives progress and shows none of it; `Lines` prints and the command line's screen draws."""

    def begin(self, task: str, total: int, unit: str) -> None:
        """A task of `total` `unit`s (pictures, steps, bytes) begins."""

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """`count` more units are done; `note` is a short live figure to show beside the task."""

    def end(self) -> None:
        """The task is over."""

    def say(self, line: str) -> None:
        """A line worth keeping, such as an epoch's figures."""

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator[Progress]:
        """`begin` … `end` around a block, also when it fails."""
        self.begin(name, total, unit)
        try:
            yield self
        finally:
            self.end()


class Lines(Progress):
    """Prints the lines worth keeping, one per epoch, and nothing in between.

    Args:
        stream: where to print.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def say(self, line: str) -> None:
        """Prints the line at once, so that a log file can be followed."""
        print(line, file=self.stream, flush=True)


SILENT = Progress()
