"""Desk: where the run's folder is, for processes that train together and do not see it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from striate.progress import NO_PROGRESS, Progress
from striate.system.signals import request_stop
from striate.training.checkpoint_store import Checkpoints, packed
from striate.training.history import EpochMetrics
from striate.workflows.training_job import Record

FRUITLESS = 3  # times in a row that processes may die without having got any further


class Desk:
    """Hands out the newest checkpoint, takes checkpoints and epochs, and passes on what is said: an actor of Ray's.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.checkpoints = Checkpoints(self.folder / "checkpoints")
        self.record: Record | None = None
        self.is_stopped, self.told = False, list[tuple[Any, ...]]()
        self.failed: str | None = None
        self.place: Any = None
        self.fruitless = 0

    def begin(self) -> None:
        """Hears from the first process that all begin, perhaps again: the history is written anew up to the newest
        checkpoint. Where nothing was gained since the last time, several times, nobody is to begin again.
        """
        found, damaged = self.checkpoints.newest()
        if damaged and self.place is None:
            self.told.append(("log", f"The checkpoint {damaged[0]} is damaged; an older one is used."))
        rows = () if found is None else tuple(EpochMetrics(**row) for row in found.about["rows"])
        self.record = Record(self.folder / "history.csv", rows, NO_PROGRESS)
        place = "the beginning" if found is None else found.about["place"]
        self.fruitless = self.fruitless + 1 if place == self.place else 0
        self.place = place
        if self.fruitless > FRUITLESS:
            self.failed = f"The processes that train died {self.fruitless} times without getting any further"

    def newest(self) -> bytes | None:
        """Returns the newest checkpoint that is whole, packed."""
        found = self.checkpoints.newest().checkpoint
        return None if found is None else packed(found)

    def put(self, content: bytes) -> str | None:
        """Writes a checkpoint; returns why it cannot."""
        try:
            self.checkpoints.put(content)
        except OSError as error:
            return str(error.strerror or error)
        return None

    def epoch(self, row: EpochMetrics) -> None:
        """Writes an epoch down."""
        if self.record is not None:
            self.record(row)

    def tell(self, news: list[tuple[Any, ...]]) -> bool:
        """Takes what is to be shown: calls of Progress' methods. Returns whether the training is to stop."""
        self.told += news
        return self.is_stopped

    def news(self) -> list[tuple[Any, ...]]:
        """Returns what is to be shown since the last time."""
        news, self.told = self.told, []
        return news

    def stop(self) -> None:
        """Has the training stop."""
        self.is_stopped = True

    def fail(self, problem: str) -> None:
        """Takes why the training cannot go on, wherever it is tried."""
        self.failed = problem

    def problem(self) -> str | None:
        """Returns that."""
        return self.failed

    def is_over(self) -> bool:
        """Returns whether nobody is to begin again."""
        return self.is_stopped or self.failed is not None


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

    def log(self, line: str) -> None:
        """Sends it."""
        self._tell("log", line)

    def flush(self) -> None:
        """Sends what is left."""
        import ray

        held, self.held, self.last = self.held, [], time.monotonic()
        if ray.get(self.desk.tell.remote(held)) and not self.has_stopped:
            self.has_stopped = True
            request_stop()

    def _tell(self, *words: Any) -> None:
        self.held.append(words)
        if time.monotonic() - self.last > OFTEN:
            self.flush()
