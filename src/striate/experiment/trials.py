"""Trials: one training after the other into one folder; what one cannot do does not stop the others, and what is
finished is not done again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.begun import NAME
from striate.drawing import percent
from striate.errors import DataError, RunError, StriateError
from striate.experiment.flow import train
from striate.experiment.pictures import Prepared
from striate.experiment.resume import resume
from striate.models.architecture import Architecture
from striate.progress import Progress
from striate.runs import Run
from striate.signals import hearing_signals
from striate.training.recipe import Recipe


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
    """

    name: str
    recipe: Recipe
    architecture: Architecture | None = None
    label: str = ""
    about: str = ""
    group: str = ""
    effort: float = 1.0

    @property
    def kind(self) -> str:
        """The group that it fails with."""
        return self.group or self.name


class Trials:
    """The trials of one folder, some of them done already.

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
        self,
        pictures: Callable[[Trial], Prepared],
        *,
        command: str,
        seconds_left: Callable[[Sequence[Trial]], float | None] | None = None,
    ) -> None:
        """Trains what is missing.

        Args:
            pictures: those of a trial.
            command: for the runs' manifests.
            seconds_left: guesses what trials will take; by default from what the finished ones took, by effort.
        """
        from striate.training.loop import explained

        missing, total = self.missing(), len(self.trials)
        if len(missing) < total:
            self.progress.say(f"{total - len(missing)} of {total} runs are there already.")
        for position, trial in enumerate(missing):
            if trial.kind in self.failed:
                continue
            run = self.run(trial)
            number = f"{self.trials.index(trial) + 1}/{total}"
            try:
                with hearing_signals(self._stop), explained(trial.recipe):
                    self.progress.say(f"{number}  {run.name}" + (f", {trial.about}" if trial.about else ""))
                    shown = _Labelled(self.progress, f"{number} {trial.label or trial.name}")
                    self._one(trial, run, pictures(trial), shown, command)
            except KeyboardInterrupt:
                self.interrupted = True
            except OSError:  # a full disk would end every training
                raise
            except Exception as error:  # whatever it is, the other trials may not know it
                self._fail(trial, run, error)
            if self.interrupted:
                break
            self._say_result(run, missing[position + 1 :], seconds_left or self._seconds_left)

    def _one(self, trial: Trial, run: Run, pictures: Prepared, progress: Progress, command: str) -> None:
        """Trains one, going on with what a training that was stopped or killed left."""
        if run.state == "unfinished" and (run.path / NAME).is_file():
            try:
                resume(run, data=pictures, architecture=trial.architecture, progress=progress)
            except (RunError, DataError) as error:
                progress.say(f"{run.name} is begun anew: {error}")
            else:
                return
        if run.path.exists():
            shutil.rmtree(run.path)
        train(
            pictures,
            architecture=trial.architecture,
            recipe=trial.recipe,
            name=run.name,
            runs=self.folder,
            progress=progress,
            command=command,
        )

    def _stop(self) -> None:
        self.interrupted = True
        self.progress.say(f"The {self.whole} ends here, and can be gone on with.")

    def _fail(self, trial: Trial, run: Run, error: Exception) -> None:
        """Notes why a trial could not be trained; of its run only what has a manifest stays."""
        foreign = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        reason = str(error) if isinstance(error, StriateError) else foreign
        self.failed[trial.kind] = reason
        if run.path.exists() and run.state == "unfinished":
            shutil.rmtree(run.path)
        self.progress.say(f"{trial.kind} failed: {reason}")

    def _say_result(
        self, run: Run, rest: Sequence[Trial], seconds_left: Callable[[Sequence[Trial]], float | None]
    ) -> None:
        if run.state != "finished":
            return
        report = run.report
        line = f"{run.name}: {percent(report.accuracy, 2)} of {report.n:,} {report.split} pictures"
        if rest and (left := seconds_left(rest)):
            line += f"; roughly {max(1, round(left / 60))} min left"
        self.progress.say(line)

    def _seconds_left(self, rest: Sequence[Trial]) -> float:
        done = [trial for trial in self.trials if self.run(trial).state == "finished"]
        seconds = sum(self.run(trial).manifest.seconds["total"] for trial in done)
        return seconds / sum(trial.effort for trial in done) * sum(trial.effort for trial in rest)


class _Labelled(Progress):
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
