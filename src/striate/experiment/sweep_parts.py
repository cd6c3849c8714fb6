"""What Ray Tune asks and tells while it sweeps. This module imports Ray, and is imported when that is there."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from striate.drawing import percent
from striate.experiment.engine import Source
from striate.experiment.trial import Trial
from striate.history import Epoch
from striate.runs import Run

LOST = "its worker died, time and again (out of memory, or its computer went away)"


class Desk:
    """Stands on the computer that the work is sent from: tells trainings that they are to end, and takes runs that were
    trained where its folder is not seen.

    Args:
        folder: the runs'.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.ended = Path(folder), set[str]()

    def end(self, name: str) -> None:
        """Has the training of that name end with the epoch that it has told of."""
        self.ended.add(name)

    def is_ended(self, name: str) -> bool:
        """Returns whether that was said."""
        return name in self.ended

    def take(self, name: str, packed: bytes) -> None:
        """Puts a run into its place, whole."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{name}-") as beside:
            whole = Path(beside) / name
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(whole)
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)
            whole.rename(self.folder / name)


class Asks(Searcher):  # type: ignore[misc]
    """Asks a source what is to be trained, and tells it what became of that.

    Args:
        source: the trials'.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(metric="finished", mode="max")
        self.source = source
        self.trials: dict[str, Trial] = {}
        self.told: dict[str, str] = {}
        self.at_work: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """Returns the next trial's configuration."""
        from striate.experiment.sweep import sent

        trial = self.source.next()
        if trial is None:
            return None if self.at_work else Searcher.FINISHED
        self.trials[trial_id] = trial
        self.at_work.add(trial_id)
        return {"trial": sent(trial)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the source."""
        self.at_work.discard(trial_id)
        trial = self.trials[trial_id]
        run = Run(self.source.folder / trial.name)
        if error:
            self.source.on_failed(trial, LOST)
        elif reason := self.told.pop(trial_id, None):
            self.source.on_failed(trial, reason)
        elif run.state == "finished":
            self.source.on_finished(trial, run)
        self.source.progress.advance()

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing: what is done is seen from the runs."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called."""


class Hears(FIFOScheduler):  # type: ignore[misc]
    """Hears of epochs, and passes on that a training is to end.

    Args:
        source: the trials'.
        asks: knows them.
        desk: tells the trainings.
    """

    def __init__(self, source: Source, asks: Asks, desk: Any) -> None:
        super().__init__()
        self.source, self.asks, self.desk = source, asks, desk

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Takes what a worker reports."""
        import ray

        ours = self.asks.trials[trial.trial_id]
        if reason := result.get("failed"):
            self.asks.told[trial.trial_id] = reason
        elif "val_accuracy" in result and not result.get("finished"):
            row = Epoch(**{field.name: result[field.name] for field in fields(Epoch)})
            self.source.progress.advance(0, note=f"{ours.name}: epoch {row.epoch}, {percent(row.val_accuracy, 1)}")
            if self.source.on_epoch(ours, row):
                ray.get(self.desk.end.remote(ours.name))
        return str(FIFOScheduler.CONTINUE)


class Ends(Stopper):  # type: ignore[misc]
    """Ends the sweep when it is asked to.

    Args:
        is_asked: whether it is.
    """

    def __init__(self, is_asked: Callable[[], bool]) -> None:
        self.is_asked = is_asked

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Lets each trial go its way."""
        return False

    def stop_all(self) -> bool:
        """Returns whether all is to end."""
        return self.is_asked()
