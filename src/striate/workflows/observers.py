"""What is written down while a model learns, beside its history: for TensorBoard, and for a replay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from striate.classifier import Classifier
from striate.data.decoded_cache import DecodedSet
from striate.errors import StriateError
from striate.evaluation.evaluate import Evaluation
from striate.explain.training_replay import REPLAY_FILE, Array, ReplayRecorder, save_replay
from striate.progress import Progress
from striate.runs.run import Run
from striate.tensorboard.board import TensorBoardLogger, write_evaluation
from striate.tensorboard.events import is_enabled
from striate.training.history import EpochMetrics


class Watching:
    """Looks at the model after each epoch. A disk that is full ends the watching, not the training.

    Args:
        run: in whose folder it is written down.
        progress: told when nothing more can be written.
        replayed: validation images, if the training is to be recorded.
        seed: of the choice among them.
    """

    def __init__(self, run: Run, progress: Progress, replayed: DecodedSet | None = None, seed: int = 0) -> None:
        self.run, self.progress = run, progress
        self.board: TensorBoardLogger | None = None
        self.recorder = None if replayed is None else ReplayRecorder(replayed, seed)

    def begin(self, epochs: int) -> None:
        """Begins to write, after so many epochs that are written down already."""
        if is_enabled():
            self._safely(self._begin, epochs)

    def state(self) -> dict[str, Array]:
        """Returns what a checkpoint is to hold: the recording so far."""
        return {} if self.recorder is None else self.recorder.get_state()

    def put_back(self, arrays: dict[str, Array]) -> None:
        """Resumes what `state` returned."""
        if self.recorder is not None:
            self.recorder.restore_state(arrays)

    def __call__(self, model: Any, row: EpochMetrics) -> None:
        """Writes down what the model is after an epoch."""
        if self.board is not None:
            self._safely(self.board.log_epoch, model, row)
        if self.recorder is not None:
            try:
                self.recorder(model, row)
            except StriateError as error:
                self.recorder = None
                self.progress.log(f"This training cannot be recorded: {error}")

    def measured(self, classifier: Classifier, found: Evaluation, kept: int) -> None:
        """Writes down the model that was kept, what it makes of the test images, and the recording."""
        if self.board is not None:
            self._safely(write_evaluation, self.run.path, classifier, found, kept)
        if self.recorder is not None:
            try:
                save_replay(self.recorder.build_replay(), self.run.path / REPLAY_FILE)
            except (StriateError, OSError) as error:
                self.progress.log(f"The recording is not kept: {error}")

    def close(self) -> None:
        """Closes what is open; what cannot be written any more is left out."""
        if self.board is not None:
            with contextlib.suppress(OSError):
                self.board.close()

    def _begin(self, epochs: int) -> None:
        self.board = TensorBoardLogger(self.run.path, epochs)

    def _safely(self, act: Callable[..., None], *given: Any) -> None:
        try:
            act(*given)
        except OSError as error:
            self.close()
            self.board = None
            self.progress.log(f"Nothing more is written for TensorBoard: {error.strerror}.")
