"""Where trials are trained: a source says which and hears what became of them, an engine has them trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from striate.progress import Progress
from striate.reporting.style import format_percent
from striate.runs.run import Run
from striate.studies.trial import Trial, given_up, train_trial
from striate.system.signals import listen_for_signals
from striate.training.history import EpochMetrics
from striate.workflows.prepare_data import Prepared

if TYPE_CHECKING:
    pass

Pictures = Callable[[Trial], Prepared]
"""Returns the images of a trial."""


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

    def on_epoch(self, trial: Trial, row: EpochMetrics) -> bool:
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
            source.progress.log(ENDS.format(source.whole))

        while not is_stopped and (trial := source.next()) is not None:
            run = Run(source.folder / trial.name)
            number = f"{source.number(trial)}/{source.total}"
            shown = Labelled(source.progress, f"{number} {trial.label or trial.name}")
            try:
                with listen_for_signals(stop), explained(trial.recipe):
                    source.progress.log(f"{number}  {trial.name}" + (f", {trial.about}" if trial.about else ""))
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


ENDS = "The {} ends here, and can be resumed."


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

    def log(self, line: str) -> None:
        """Says it."""
        self.outer.log(line)


Guess = Callable[[Sequence[Trial]], float | None]
"""Returns how many seconds trials will take one after the other; None where there is no telling."""


class Trials:
    """The trials of one folder, some of them done already. They are a Source of their own.

    Args:
        folder: theirs.
        trials: in the order of the work.
        progress: shows what happens.
        whole: what they make up, for people.

    Attributes:
        failed: group → why it could not be trained.
        interrupted: whether a signal ended the work.
    """

    def __init__(self, folder: Path, trials: Sequence[Trial], progress: Progress, *, whole: str) -> None:
        self.folder, self.trials, self.progress, self.whole = folder, tuple(trials), progress, whole
        self.failed: dict[str, str] = {}
        self.interrupted = False
        self._waiting: list[Trial] = []
        self._guess: Guess = self._seconds_left

    def run(self, trial: Trial) -> Run:
        """Returns the trial's run, which may not be there."""
        return Run(self.folder / trial.name)

    def finished(self, group: str | None = None) -> list[Run]:
        """Returns the runs, of a group or all, that are there and whole."""
        runs = [self.run(trial) for trial in self.trials if group in (None, trial.group)]
        return [run for run in runs if run.state == "finished"]

    def missing(self) -> list[Trial]:
        """Returns what is still to be trained."""
        return [trial for trial in self.trials if self.run(trial).state != "finished"]

    def train(
        self, pictures: Pictures, *, command: str, seconds_left: Guess | None = None, engine: Engine | None = None
    ) -> None:
        """Trains what is missing.

        Args:
            pictures: those of a trial.
            command: for the runs' manifests.
            seconds_left: guesses what trials will take; by default from what the finished ones took, by effort.
            engine: where; by default here, one after the other.
        """
        self._waiting, self._guess = self.missing(), seconds_left or self._seconds_left
        if len(self._waiting) < self.total:
            self.progress.log(f"{self.total - len(self._waiting)} of {self.total} runs are there already.")
        self.interrupted = (engine or Here()).train(self, pictures, command)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.trials)

    def next(self) -> Trial | None:
        """Returns the next one, those left out that would fail as another of their group did."""
        while self._waiting:
            trial = self._waiting.pop(0)
            if trial.kind not in self.failed:
                return trial
        return None

    def number(self, trial: Trial) -> int:
        """Returns its place in the list, from 1."""
        return self.trials.index(trial) + 1

    def on_epoch(self, trial: Trial, row: EpochMetrics) -> bool:
        """Lets every training go its way."""
        return False

    def on_failed(self, trial: Trial, reason: str) -> None:
        """Notes and says it."""
        self.failed[trial.kind] = reason
        self.progress.log(f"{trial.kind} failed: {reason}")

    def on_finished(self, trial: Trial, run: Run) -> None:
        """Says what it reached."""
        report = run.report
        line = f"{run.name}: {format_percent(report.accuracy, 2)} of {report.n:,} {report.split} images"
        if self._waiting and (left := self._guess(self._waiting)):
            line += f"; roughly {max(1, round(left / 60))} min left"
        self.progress.log(line)

    def _seconds_left(self, rest: Sequence[Trial]) -> float:
        done = [trial for trial in self.trials if self.run(trial).state == "finished"]
        seconds = sum(self.run(trial).manifest.phase_seconds["total"] for trial in done)
        return seconds / sum(trial.effort for trial in done) * sum(trial.effort for trial in rest)
