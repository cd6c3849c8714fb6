"""What is written down while a network learns, beside its history: for TensorBoard, where that is installed."""

from __future__ import annotations

import contextlib
from typing import Any

from striate.classifier import Classifier
from striate.evaluation.measure import Measured
from striate.history import Epoch
from striate.progress import Progress
from striate.runs import Run
from striate.tensorboard.board import Board, save_measured
from striate.tensorboard.events import is_installed


class Watching:
    """Looks at a model after each epoch. A disk that is full ends the watching, not the training.

    Args:
        run: in whose folder it is written down.
        progress: told when nothing more can be written.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run, self.progress = run, progress
        self.board: Board | None = None
        if is_installed():
            self._safely(self._begin)

    def __call__(self, model: Any, row: Epoch) -> None:
        """Writes down what the model is after an epoch."""
        if self.board is not None:
            self._safely(self.board.epoch, model, row)

    def measured(self, classifier: Classifier, found: Measured, kept: int) -> None:
        """Writes down the network that was kept, and what it makes of the test pictures."""
        if self.board is not None:
            self._safely(save_measured, self.run.path, classifier, found, kept)

    def close(self) -> None:
        """Closes what is open; what cannot be written any more is left out."""
        if self.board is not None:
            with contextlib.suppress(OSError):
                self.board.close()

    def _begin(self) -> None:
        self.board = Board(self.run.path)

    def _safely(self, act: Any, *given: Any) -> None:
        try:
            act(*given)
        except OSError as error:
            self.close()
            self.board = None
            self.progress.say(f"Nothing more is written for TensorBoard: {error.strerror}.")
