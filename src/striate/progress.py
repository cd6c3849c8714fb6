"""What long work reports. The command line draws it, a log prints it, a test ignores it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


class Progress:
    """Receives progress and shows none of it; `Lines` prints and the command line's screen draws."""

    def begin(self, task: str, total: int, unit: str) -> None:
        """A task of `total` `unit`s (images, steps, bytes) begins."""

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """`count` more units are done; `note` is a short live figure to show beside the task."""

    def end(self) -> None:
        """The task is over."""

    def log(self, line: str) -> None:
        """A line worth keeping, such as an epoch's figures."""

    @contextlib.contextmanager
    def track(self, name: str, total: int, unit: str) -> Iterator[Progress]:
        """`begin` … `end` around a block, also when it fails."""
        self.begin(name, total, unit)
        try:
            yield self
        finally:
            self.end()


class LineProgress(Progress):
    """Prints the lines worth keeping, one per epoch, and nothing in between.

    Args:
        is_stderr: whether to print on standard error, as it is at that moment, rather than on standard output.
    """

    def __init__(self, *, is_stderr: bool = False) -> None:
        self.is_stderr = is_stderr

    def log(self, line: str) -> None:
        """Prints the line at once, so that a log file can be followed."""
        print(line, file=sys.stderr if self.is_stderr else sys.stdout, flush=True)


NO_PROGRESS = Progress()
