"""What the first of several processes says, on its way to where the command was given."""

from __future__ import annotations

import time
from typing import Any

from striate.progress import Progress
from striate.signals import ask

OFTEN = 0.5  # seconds between two letters


class Told(Progress):
    """Sends what is to be shown to a desk (see together.py), some of it at a time; where a stop is asked for there, the
    training here is asked to stop.

    Args:
        desk: takes it.
    """

    def __init__(self, desk: Any) -> None:
        self.desk, self.held, self.last = desk, list[tuple[Any, ...]](), 0.0
        self.has_stopped = False

    def begin(self, task: str, total: int, unit: str) -> None:
        """Sends it."""
        self._tell("begin", task, total, unit)

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Sends it; steps since the last letter are added up."""
        if self.held and self.held[-1][0] == "advance":
            count += self.held.pop()[1]
        self._tell("advance", count, note)

    def end(self) -> None:
        """Sends it."""
        self._tell("end")

    def say(self, line: str) -> None:
        """Sends it."""
        self._tell("say", line)

    def flush(self) -> None:
        """Sends what is left."""
        import ray

        held, self.held, self.last = self.held, [], time.monotonic()
        if ray.get(self.desk.tell.remote(held)) and not self.has_stopped:
            self.has_stopped = True
            ask()

    def _tell(self, *words: Any) -> None:
        self.held.append(words)
        if time.monotonic() - self.last > OFTEN:
            self.flush()
