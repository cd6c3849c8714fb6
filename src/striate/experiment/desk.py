"""Desk: where the run's folder is, for processes that train together and do not see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.experiment.carry_out import Record
from striate.history import Epoch
from striate.progress import SILENT
from striate.training.checkpoint import Checkpoints, packed

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
            self.told.append(("say", f"The checkpoint {damaged[0]} is damaged; an older one is used."))
        rows = () if found is None else tuple(Epoch(**row) for row in found.about["rows"])
        self.record = Record(self.folder / "history.csv", rows, SILENT)
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

    def epoch(self, row: Epoch) -> None:
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
