"""Trials: a list of trainings into one folder; what is finished is not done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from striate.drawing import percent
from striate.experiment.engine import Engine, Here, Pictures
from striate.experiment.trial import Trial
from striate.history import Epoch
from striate.progress import Progress
from striate.runs import Run

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
            self.progress.say(f"{self.total - len(self._waiting)} of {self.total} runs are there already.")
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

    def on_epoch(self, trial: Trial, row: Epoch) -> bool:
        """Lets every training go its way."""
        return False

    def on_failed(self, trial: Trial, reason: str) -> None:
        """Notes and says it."""
        self.failed[trial.kind] = reason
        self.progress.say(f"{trial.kind} failed: {reason}")

    def on_finished(self, trial: Trial, run: Run) -> None:
        """Says what it reached."""
        report = run.report
        line = f"{run.name}: {percent(report.accuracy, 2)} of {report.n:,} {report.split} pictures"
        if self._waiting and (left := self._guess(self._waiting)):
            line += f"; roughly {max(1, round(left / 60))} min left"
        self.progress.say(line)

    def _seconds_left(self, rest: Sequence[Trial]) -> float:
        done = [trial for trial in self.trials if self.run(trial).state == "finished"]
        seconds = sum(self.run(trial).manifest.seconds["total"] for trial in done)
        return seconds / sum(trial.effort for trial in done) * sum(trial.effort for trial in rest)
