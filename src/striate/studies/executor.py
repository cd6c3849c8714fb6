"""Where trials are trained: a source says which and hears what became of them, an engine has them trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from striate.progress import Progress
from striate.reporting.style import format_percent
from striate.runs.run import Run
from striate.studies.trial import Trial, abandon_trial, train_trial
from striate.system.signals import listen_for_signals
from striate.training.history import EpochMetrics
from striate.workflows.prepare_data import Prepared

if TYPE_CHECKING:
    pass

DataProvider = Callable[[Trial], Prepared]
"""Returns the images of a trial."""


class TrialSource(Protocol):
    """Says what is to be trained.

    Attributes:
        folder: the runs'.
        progress: shows what happens.
        study_kind: what the trials make up, for people.
        total: how many trials there are in all.
    """

    folder: Path
    progress: Progress
    study_kind: str

    @property
    def total(self) -> int:
        """How many trials there are in all, those that are done included."""

    def take_next_trial(self) -> Trial | None:
        """Returns what is to be trained next; None when there is nothing until something at work has ended."""

    def get_position(self, trial: Trial) -> int:
        """Returns which of all the trial is, from 1."""

    def on_epoch_end(self, trial: Trial, metrics: EpochMetrics) -> bool:
        """Hears of an epoch that has ended; returns whether the training is to end with it."""

    def on_finished(self, trial: Trial, run: Run) -> None:
        """Hears that a trial's run is finished."""

    def on_failed(self, trial: Trial, reason: str) -> None:
        """Hears that a trial cannot be trained."""


class TrialExecutor(Protocol):
    """Has trials trained."""

    def train(self, source: TrialSource, get_data: DataProvider, command: str) -> bool:
        """Trains what the source names; returns whether a signal ended the work.

        Args:
            source: says what is to be trained.
            get_data: those of a trial.
            command: for the runs' manifests.

        Raises:
            OSError: a disk takes no more, which would end every training.
        """


class LocalExecutor:
    """Trains in this process, one trial after the other. What one cannot do does not stop the others."""

    def train(self, source: TrialSource, get_data: DataProvider, command: str) -> bool:
        """See Engine."""
        from striate.training.loop import explained

        is_stopped = False

        def request_stop() -> None:
            nonlocal is_stopped
            is_stopped = True
            source.progress.log(STOP_MESSAGE.format(source.study_kind))

        while not is_stopped and (trial := source.take_next_trial()) is not None:
            run = Run(source.folder / trial.name)
            number = f"{source.get_position(trial)}/{source.total}"
            shown = LabeledProgress(source.progress, f"{number} {trial.label or trial.name}")
            try:
                with listen_for_signals(request_stop), explained(trial.recipe):
                    source.progress.log(
                        f"{number}  {trial.name}" + (f", {trial.description}" if trial.description else "")
                    )
                    own = get_data(trial)
                    enough = partial(source.on_epoch_end, trial)
                    train_trial(trial, source.folder, own, progress=shown, command=command, should_stop=enough)
            except KeyboardInterrupt:
                is_stopped = True
            except OSError:  # a full disk would end every training
                raise
            except Exception as error:  # whatever it is, the other trials may not know it
                source.on_failed(trial, abandon_trial(run, error))
            if run.state == "finished":
                source.on_finished(trial, run)
        return is_stopped


STOP_MESSAGE = "The {} ends here, and can be resumed."


class LabeledProgress(Progress):
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


TimeEstimator = Callable[[Sequence[Trial]], float | None]
"""Returns how many seconds trials will take one after the other; None where there is no telling."""


class TrialList:
    """The trials of one folder, some of them done already. They are a Source of their own.

    Args:
        folder: theirs.
        trials: in the order of the work.
        progress: shows what happens.
        study_kind: what they make up, for people.

    Attributes:
        failures: group → why it could not be trained.
        is_interrupted: whether a signal ended the work.
    """

    def __init__(self, folder: Path, trials: Sequence[Trial], progress: Progress, *, study_kind: str) -> None:
        self.folder, self.trials, self.progress, self.study_kind = folder, tuple(trials), progress, study_kind
        self.failures: dict[str, str] = {}
        self.is_interrupted = False
        self._pending: list[Trial] = []
        self._time_estimator: TimeEstimator = self._estimate_seconds_left

    def get_run(self, trial: Trial) -> Run:
        """Returns the trial's run, which may not be there."""
        return Run(self.folder / trial.name)

    def list_finished_runs(self, group: str | None = None) -> list[Run]:
        """Returns the runs, of a group or all, that are there and whole."""
        runs = [self.get_run(trial) for trial in self.trials if group in (None, trial.group)]
        return [run for run in runs if run.state == "finished"]

    def list_missing_trials(self) -> list[Trial]:
        """Returns what is still to be trained."""
        return [trial for trial in self.trials if self.get_run(trial).state != "finished"]

    def train(
        self,
        get_data: DataProvider,
        *,
        command: str,
        time_estimator: TimeEstimator | None = None,
        executor: TrialExecutor | None = None,
    ) -> None:
        """Trains what is missing.

        Args:
            get_data: those of a trial.
            command: for the runs' manifests.
            time_estimator: guesses what trials will take; by default from what the finished ones took, by effort.
            executor: where; by default here, one after the other.
        """
        self._pending, self._time_estimator = self.list_missing_trials(), time_estimator or self._estimate_seconds_left
        if len(self._pending) < self.total:
            self.progress.log(f"{self.total - len(self._pending)} of {self.total} runs are there already.")
        self.is_interrupted = (executor or LocalExecutor()).train(self, get_data, command)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.trials)

    def take_next_trial(self) -> Trial | None:
        """Returns the next one, those left out that would fail as another of their group did."""
        while self._pending:
            trial = self._pending.pop(0)
            if trial.failure_group not in self.failures:
                return trial
        return None

    def get_position(self, trial: Trial) -> int:
        """Returns its place in the list, from 1."""
        return self.trials.index(trial) + 1

    def on_epoch_end(self, trial: Trial, metrics: EpochMetrics) -> bool:
        """Lets every training go its way."""
        return False

    def on_failed(self, trial: Trial, reason: str) -> None:
        """Notes and says it."""
        self.failures[trial.failure_group] = reason
        self.progress.log(f"{trial.failure_group} failed: {reason}")

    def on_finished(self, trial: Trial, run: Run) -> None:
        """Says what it reached."""
        report = run.report
        line = f"{run.name}: {format_percent(report.accuracy, 2)} of {report.n:,} {report.split} images"
        if self._pending and (left := self._time_estimator(self._pending)):
            line += f"; roughly {max(1, round(left / 60))} min left"
        self.progress.log(line)

    def _estimate_seconds_left(self, trials: Sequence[Trial]) -> float:
        done = [trial for trial in self.trials if self.get_run(trial).state == "finished"]
        seconds = sum(self.get_run(trial).manifest.phase_seconds["total"] for trial in done)
        return seconds / sum(trial.relative_cost for trial in done) * sum(trial.relative_cost for trial in trials)
