"""Desk: where the run's folder is, for processes that train together and do not see it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from striate.progress import NO_PROGRESS, Progress
from striate.system.signals import request_stop
from striate.training.checkpoint_store import CheckpointStore, encode_checkpoint
from striate.training.history import EpochMetrics
from striate.workflows.training_job import Record

MAX_STALLED_RESTARTS = 3  # times in a row that processes may die without having got any further


class RunCoordinator:
    """Hands out the newest checkpoint, takes checkpoints and epochs, and passes on what is said: an actor of Ray's.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.checkpoints = CheckpointStore(self.folder / "checkpoints")
        self.history_writer: Record | None = None
        self.is_stop_requested, self.messages = False, list[tuple[Any, ...]]()
        self.failure: str | None = None
        self.last_position: Any = None
        self.stalled_restarts = 0

    def begin_attempt(self) -> None:
        """Hears from the first process that all begin, perhaps again: the history is written anew up to the newest
        checkpoint. Where nothing was gained since the last time, several times, nobody is to begin again.
        """
        found, damaged = self.checkpoints.load_latest()
        if damaged and self.last_position is None:
            self.messages.append(("log", f"The checkpoint {damaged[0]} is damaged; an older one is used."))
        rows = () if found is None else tuple(EpochMetrics(**row) for row in found.metadata["rows"])
        self.history_writer = Record(self.folder / "history.csv", rows, NO_PROGRESS)
        place = "the beginning" if found is None else found.metadata["place"]
        self.stalled_restarts = self.stalled_restarts + 1 if place == self.last_position else 0
        self.last_position = place
        if self.stalled_restarts > MAX_STALLED_RESTARTS:
            self.failure = f"The processes that train died {self.stalled_restarts} times without getting any further"

    def load_latest_checkpoint(self) -> bytes | None:
        """Returns the newest checkpoint that is whole, packed."""
        found = self.checkpoints.load_latest().checkpoint
        return None if found is None else encode_checkpoint(found)

    def save_checkpoint(self, content: bytes) -> str | None:
        """Writes a checkpoint; returns why it cannot."""
        try:
            self.checkpoints.put_bytes(content)
        except OSError as error:
            return str(error.strerror or error)
        return None

    def record_epoch(self, metrics: EpochMetrics) -> None:
        """Writes an epoch down."""
        if self.history_writer is not None:
            self.history_writer(metrics)

    def receive_messages(self, messages: list[tuple[Any, ...]]) -> bool:
        """Takes what is to be shown: calls of Progress' methods. Returns whether the training is to stop."""
        self.messages += messages
        return self.is_stop_requested

    def take_messages(self) -> list[tuple[Any, ...]]:
        """Returns what is to be shown since the last time."""
        news, self.messages = self.messages, []
        return news

    def request_stop(self) -> None:
        """Has the training stop."""
        self.is_stop_requested = True

    def report_failure(self, problem: str) -> None:
        """Takes why the training cannot go on, wherever it is tried."""
        self.failure = problem

    def get_failure(self) -> str | None:
        """Returns that."""
        return self.failure

    def is_over(self) -> bool:
        """Returns whether nobody is to begin again."""
        return self.is_stop_requested or self.failure is not None


FLUSH_SECONDS = 0.5  # seconds between two letters


class RemoteProgress(Progress):
    """Sends what is to be shown to a desk (see together.py), some of it at a time; where a stop is asked for there, the
    training here is asked to stop.

    Args:
        coordinator: takes it.
    """

    def __init__(self, coordinator: Any) -> None:
        self.coordinator, self.pending_calls, self.last_flush = coordinator, list[tuple[Any, ...]](), 0.0
        self.has_stopped = False

    def begin(self, task: str, total: int, unit: str) -> None:
        """Sends it."""
        self._send_call("begin", task, total, unit)

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Sends it; steps since the last letter are added up."""
        if self.pending_calls and self.pending_calls[-1][0] == "advance":
            count += self.pending_calls.pop()[1]
        self._send_call("advance", count, note)

    def end(self) -> None:
        """Sends it."""
        self._send_call("end")

    def log(self, line: str) -> None:
        """Sends it."""
        self._send_call("log", line)

    def flush(self) -> None:
        """Sends what is left."""
        import ray

        held, self.pending_calls, self.last_flush = self.pending_calls, [], time.monotonic()
        if ray.get(self.coordinator.receive_messages.remote(held)) and not self.has_stopped:
            self.has_stopped = True
            request_stop()

    def _send_call(self, *call: Any) -> None:
        self.pending_calls.append(call)
        if time.monotonic() - self.last_flush > FLUSH_SECONDS:
            self.flush()
