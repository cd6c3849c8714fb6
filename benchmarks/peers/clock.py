"""What the tutorials' trainings are timed with."""

from __future__ import annotations

import time
from typing import Any

from keras import callbacks


class Clock(callbacks.Callback):  # type: ignore[misc]
    """Adds up the seconds of training, without what is looked at between the epochs, and notes the accuracy on the
    images looked at (0 where there are none).

    Args:
        limit: seconds after which the training ends.
    """

    def __init__(self, limit: float = float("inf")) -> None:
        super().__init__()
        self.limit = limit
        self.seconds = 0.0
        self.epochs: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds += self.ended - self.began
        self.epochs.append({"seconds": self.seconds, "accuracy": float(logs.get("val_accuracy", 0))})
        self.model.stop_training = self.seconds > self.limit
