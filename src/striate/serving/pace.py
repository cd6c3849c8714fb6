"""How many pictures a server answers in a second of work, of late."""

from __future__ import annotations

import time
from collections.abc import Callable

HALF = 1.0  # seconds of work after which what was seen counts half


class Pace:
    """Counts pictures in and out; seconds in which there is none do not count.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.waiting = 0
        self._now, self._last = now, 0.0
        self._done = self._seconds = 0.0

    def enter(self, pictures: int) -> None:
        """Counts pictures that wait from now on."""
        if not self.waiting:
            self._last = self._now()
        self.waiting += pictures

    def leave(self, pictures: int) -> None:
        """Counts pictures that wait no more."""
        now = self._now()
        passed, self._last = now - self._last, now
        kept = 0.5 ** (passed / HALF)
        self._done, self._seconds = self._done * kept + pictures, self._seconds * kept + passed
        self.waiting -= pictures

    @property
    def wait(self) -> float:
        """Seconds that those who wait will need at this pace; 0 while nothing is known of it."""
        return self.waiting * self._seconds / self._done if self._done else 0.0
