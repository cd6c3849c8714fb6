"""Where trials are trained: a source says which and hears what became of them, an engine has them trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from striate.progress import Progress
from striate.runs.run import Run
from striate.studies.trial import Trial, given_up, train_trial
from striate.system.signals import hearing_signals
from striate.training.history import Epoch
from striate.workflows.prepare_data import Prepared

Pictures = Callable[[Trial], Prepared]
"""Returns the pictures of a trial."""


class Source(Protocol):
    """Says what is to be trained.

    Attributes:
        folder: the runs'.
        progress: shows what happens.
        whole: what the trials make up, for people.
        total: how many trials there are in all.
    """

    folder: Path
    progress: Progress
    whole: str

    @property
    def total(self) -> int:
        """How many trials there are in all, those that are done included."""

    def next(self) -> Trial | None:
        """Returns what is to be trained next; None when there is nothing until something at work has ended."""

    def number(self, trial: Trial) -> int:
        """Returns which of all the trial is, from 1."""

    def on_epoch(self, trial: Trial, row: Epoch) -> bool:
        """Hears of an epoch that has ended; returns whether the training is to end with it."""

    def on_finished(self, trial: Trial, run: Run) -> None:
        """Hears that a trial's run is finished."""

    def on_failed(self, trial: Trial, reason: str) -> None:
        """Hears that a trial cannot be trained."""


class Engine(Protocol):
    """Has trials trained."""

    def train(self, source: Source, pictures: Pictures, command: str) -> bool:
        """Trains what the source names; returns whether a signal ended the work.

        Args:
            source: says what is to be trained.
            pictures: those of a trial.
            command: for the runs' manifests.

        Raises:
            OSError: a disk takes no more, which would end every training.
        """


class Here:
    """Trains in this process, one trial after the other. What one cannot do does not stop the others."""

    def train(self, source: Source, pictures: Pictures, command: str) -> bool:
        """See Engine."""
        from striate.training.loop import explained

        is_stopped = False

        def stop() -> None:
            nonlocal is_stopped
            is_stopped = True
            source.progress.say(ENDS.format(source.whole))

        while not is_stopped and (trial := source.next()) is not None:
            run = Run(source.folder / trial.name)
            number = f"{source.number(trial)}/{source.total}"
            shown = Labelled(source.progress, f"{number} {trial.label or trial.name}")
            try:
                with hearing_signals(stop), explained(trial.recipe):
                    source.progress.say(f"{number}  {trial.name}" + (f", {trial.about}" if trial.about else ""))
                    own = pictures(trial)
                    enough = partial(source.on_epoch, trial)
                    train_trial(trial, source.folder, own, progress=shown, command=command, enough=enough)
            except KeyboardInterrupt:
                is_stopped = True
            except OSError:  # a full disk would end every training
                raise
            except Exception as error:  # whatever it is, the other trials may not know it
                source.on_failed(trial, given_up(run, error))
            if run.state == "finished":
                source.on_finished(trial, run)
        return is_stopped


def engine_on(on: str | None) -> Engine:
    """Returns what trains on a Ray cluster, or here when none is named.

    Raises:
        ClusterError: Ray is not installed, or that is no address of a cluster.
    """
    if on is None:
        return Here()
    from striate.cluster.tune_executor import OnCluster

    return OnCluster(on)


ENDS = "The {} ends here, and can be gone on with."


class Labelled(Progress):
    """Shows the progress of one run as a part of the whole.

    Args:
        outer: shows it.
        label: what each task's name begins with.
    """

    def __init__(self, outer: Progress, label: str) -> None:
        self.outer, self.label = outer, label

    def begin(self, task: str, total: int, unit: str) -> None:
        """Shows the task under the label."""
        self.outer.begin(f"{self.label}: {task}", total, unit)

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Moves it."""
        self.outer.advance(count, note)

    def end(self) -> None:
        """Ends it."""
        self.outer.end()

    def say(self, line: str) -> None:
        """Says it."""
        self.outer.say(line)
