"""Trial: one training of several, and how it is trained, gone on with, or given up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from striate.errors import BusyError, DataError, RunError, StriateError
from striate.models.architecture import Architecture
from striate.progress import Progress
from striate.reporting.style import percent
from striate.runs.request import NAME
from striate.runs.run import Run
from striate.studies.executor import Engine, Here, Pictures
from striate.training.history import Epoch
from striate.training.recipe import Recipe
from striate.workflows.prepare_data import Prepared
from striate.workflows.train import resume, train

if TYPE_CHECKING:
    from striate.training.callbacks import Enough


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of several.

    Attributes:
        name: its run's.
        recipe: to train by.
        architecture: the network; None leaves it to recipe and data.
        label: what its progress begins with; by default its name.
        about: said beside its name.
        group: of a group, one that failed stands for the others; by default its name, a group of its own.
        effort: how long it takes, in any unit.
        artifacts: names of the artifacts that its run is to have, see ARTIFACTS.
    """

    name: str
    recipe: Recipe
    architecture: Architecture | None = None
    label: str = ""
    about: str = ""
    group: str = ""
    effort: float = 1.0
    artifacts: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The group that it fails with."""
        return self.group or self.name


def number_of(trial: Trial) -> int:
    """Returns the number that its name ends with: a worker is given a copy, which no list holds."""
    return int(trial.name.rpartition("-")[2])


def train_trial(
    trial: Trial,
    folder: Path,
    pictures: Prepared,
    *,
    progress: Progress,
    command: str = "",
    enough: Enough | None = None,
) -> Run:
    """Returns the trial's run: gone on with where a training was stopped or killed, begun anew where that cannot be.

    Args:
        trial: what is trained.
        folder: its run's will lie in it.
        pictures: to learn from, to choose by and to measure on.
        progress: shows what happens.
        command: for the run's manifest.
        enough: asked after each epoch whether the training is to end with it.

    Raises:
        BusyError: another process is at work in its run.
        StriateError: it cannot be trained.
    """
    run = Run(folder / trial.name)
    if run.state == "unfinished" and (run.path / NAME).is_file():
        try:
            return resume(run, data=pictures, architecture=trial.architecture, enough=enough, progress=progress)
        except BusyError:
            raise
        except (RunError, DataError) as error:
            progress.say(f"{run.name} is begun anew: {error}")
    if run.path.exists():
        shutil.rmtree(run.path)
    return train(
        pictures,
        architecture=trial.architecture,
        recipe=trial.recipe,
        name=run.name,
        runs=folder,
        artifacts=trial.artifacts,
        enough=enough,
        progress=progress,
        command=command,
    )


def given_up(run: Run, error: BaseException) -> str:
    """Returns why a trial could not be trained, in one line; of its run only what has a manifest stays."""
    if run.path.exists() and run.state == "unfinished" and not isinstance(error, BusyError):
        shutil.rmtree(run.path)
    first = [*str(error).splitlines(), ""][0]
    return str(error) if isinstance(error, StriateError) else f"{type(error).__name__}: {first}"


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
