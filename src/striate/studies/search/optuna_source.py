"""Search: which configuration is trained next, and which training is not worth resuming.

The choice is Optuna's: a tree-structured Parzen estimator (Bergstra et al. 2011, Algorithms for Hyper-Parameter
Optimization, section 4) after as many random configurations as it needs, and asynchronous successive halving (see
asha.py). Its journal lies in the search's folder, so that it can be resumed.
"""

from __future__ import annotations

import logging
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from striate.errors import ConfigError
from striate.progress import Progress
from striate.reporting.style import format_percent
from striate.runs.run import Run
from striate.studies.search.space import Space, Value
from striate.studies.trial import Trial
from striate.training.history import EpochMetrics

ETA = 3
"""Of so many trainings that reach a rung, one goes on; and each rung lies at so many times the epochs of the last."""


def rungs(epochs: int, eta: int = ETA) -> tuple[int, ...]:
    """Returns the epochs after which trainings are compared: 1, η, η², …, all below `epochs` (Li et al. 2020, A System
    for Massively Parallel Hyperparameter Tuning, algorithm 2, with least resource 1 and early-stopping rate 0).
    """
    found, rung = [], 1
    while rung < epochs:
        found.append(rung)
        rung *= eta
    return tuple(found)


def pruner(eta: int | None) -> Any:
    """Returns Optuna's asynchronous successive halving with these rungs; for None, what ends no training."""
    import optuna

    if eta is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=eta, min_early_stopping_rate=0)


EXTRA = "pip install 'striate[tune]'"
JOURNAL = "study.log"
NAME, PRUNED = "configuration", "ended early"
"""Under which a trial of the study notes the number of its configuration, and that its first training was ended."""

TRIES = 20  # proposals in which a configuration is looked for that was not trained yet


@dataclass(eq=False)
class Configuration:
    """One point of the space, and its trainings: one a seed, or one a fold.

    Attributes:
        number: from 0.
        values: setting → value.
        handle: the study's trial.
        accuracies: of the trainings that are finished, on the validation images.
        waiting: repetitions that are still to be trained.
        at_work: repetitions that are being trained.
        is_pruned: whether the search ended its first training early.
    """

    number: int
    values: dict[str, Value]
    handle: Any
    accuracies: dict[int, float] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    at_work: set[int] = field(default_factory=set)
    is_pruned: bool = False


class Search:
    """A search's course, a Source of trials.

    Args:
        folder: its own; the runs lie there, and the journal.
        space: what is searched.
        make: returns the trial of a configuration and one of its repetitions.
        trials: configurations in all.
        repetitions: trainings of each.
        epochs: of a training whose recipe leaves them open.
        eta: see asha.ETA; None trains everything to its end.
        seed: of the choice.
        progress: shows what happens.
    """

    study_kind = "search"

    def __init__(
        self,
        folder: Path,
        space: Space,
        make: Callable[[int, dict[str, Value], int], Trial],
        *,
        trials: int,
        repetitions: int,
        epochs: int,
        eta: int | None,
        seed: int,
        progress: Progress,
    ) -> None:
        self.folder, self.space, self.make, self.progress = folder, space, make, progress
        self.trials, self.repetitions, self.seed = trials, repetitions, seed
        self.epochs, self.eta = epochs, eta
        self.study = _study(folder / JOURNAL, eta)
        self.of: dict[str, tuple[Configuration, int]] = {}
        self.open: list[Configuration] = []
        self.failures: dict[str, str] = {}
        self.begun = self._go_on()

    @property
    def total(self) -> int:
        """Trainings, if none is ended before its repetitions."""
        return int(min(self.trials, self.space.size)) * self.repetitions

    def take_next_trial(self) -> Trial | None:
        """Returns a further repetition of a configuration that held its ground, or else a new configuration."""
        for configuration in self.open:
            if configuration.waiting:
                repetition = configuration.waiting.popleft()
                configuration.at_work.add(repetition)
                return self._trial(configuration, repetition)
        further = self._ask()
        if further is None:
            return None
        self.open.append(further)
        further.at_work.add(0)
        return self._trial(further, 0)

    def get_position(self, trial: Trial) -> int:
        """Returns which of all the trainings it is, from 1."""
        configuration, repetition = self.of[trial.name]
        return configuration.number * self.repetitions + repetition + 1

    def on_epoch_end(self, trial: Trial, metrics: EpochMetrics) -> bool:
        """Returns whether the training has fallen so far behind that it ends. Only a configuration's first is judged:
        its figures are then compared with other configurations' firsts.
        """
        configuration, repetition = self.of[trial.name]
        if repetition or self.eta is None:
            return False
        self._report(configuration, metrics)
        if metrics.epoch >= (trial.recipe.epochs or self.epochs) + trial.recipe.fine_tune:  # it ends by itself
            return False
        if not configuration.is_pruned and configuration.handle.should_prune():
            configuration.is_pruned = True
            configuration.handle.set_user_attr(PRUNED, True)
        return configuration.is_pruned

    def on_finished(self, trial: Trial, run: Run) -> None:
        """Counts it, and when it was the configuration's last, tells the study."""
        configuration, repetition = self.of[trial.name]
        configuration.at_work.discard(repetition)
        accuracy = configuration.accuracies[repetition] = run.validation_report.accuracy
        epochs = len(run.epochs)
        end = f", ended after {epochs} epoch{'s' * (epochs > 1)}" if configuration.is_pruned else ""
        self.progress.log(f"{run.name}: {format_percent(accuracy, 2)} of the validation images{end}")
        if not repetition and not configuration.is_pruned:
            configuration.waiting.extend(range(1, self.repetitions))
        self._settle(configuration)

    def on_failed(self, trial: Trial, reason: str) -> None:
        """Notes and says it; the configuration is given up."""
        configuration, repetition = self.of[trial.name]
        configuration.at_work.discard(repetition)
        configuration.waiting.clear()
        self.failures[trial.name] = reason
        self.progress.log(f"{trial.name} failed: {reason}")
        self._settle(configuration)

    def configurations(self) -> list[tuple[int, dict[str, Value], str]]:
        """Returns number, values and state (`finished`, `ended early`, `failed` or `unfinished`) of each, in order."""
        words = {"COMPLETE": "finished", "PRUNED": "ended early", "FAIL": "failed"}
        found = {
            int(one.user_attrs[NAME]): (dict(one.params), words.get(one.state.name, "unfinished"))
            for one in self.study.get_trials(deepcopy=False)
            if NAME in one.user_attrs
        }
        return [(number, *found[number]) for number in sorted(found)]

    @staticmethod
    def _report(configuration: Configuration, row: EpochMetrics) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an epoch told twice, of a training that was resumed
            configuration.handle.report(row.val_accuracy, row.epoch)

    def _trial(self, configuration: Configuration, repetition: int) -> Trial:
        trial = self.make(configuration.number, configuration.values, repetition)
        self.of[trial.name] = configuration, repetition
        return trial

    def _settle(self, configuration: Configuration) -> None:
        """Tells the study when nothing of a configuration is left to be trained."""
        import optuna

        if configuration.waiting or configuration.at_work:
            return
        self.open.remove(configuration)
        state = optuna.trial.TrialState
        if configuration.is_pruned:
            self.study.tell(configuration.handle, state=state.PRUNED)
        elif len(configuration.accuracies) < self.repetitions:
            self.study.tell(configuration.handle, state=state.FAIL)
        else:
            self.study.tell(configuration.handle, fmean(configuration.accuracies.values()))

    def _ask(self) -> Configuration | None:
        """Returns a configuration that was not tried yet; None when there are as many as there should be."""
        if self.begun >= min(self.trials, self.space.size):
            return None
        known = [one.params for one in self.study.get_trials(deepcopy=False) if NAME in one.user_attrs]
        for attempt in range(TRIES):
            # one sampler a proposal: a search that was interrupted proposes what it would have proposed
            self.study.sampler = _sampler(self.seed, self.begun, attempt)
            handle = self.study.ask()
            values = self.space.suggest(handle)
            if values not in known:
                return self._new(handle, values)
            self._abandon(handle)
        self.trials = self.begun
        self.progress.log(f"No further configuration was found that has not been tried; the search has {self.begun}.")
        return None

    def _new(self, handle: Any, values: dict[str, Value]) -> Configuration:
        handle.set_user_attr(NAME, self.begun)
        self.begun += 1
        return Configuration(self.begun - 1, values, handle)

    def _abandon(self, handle: Any) -> None:
        import optuna

        self.study.tell(handle, state=optuna.trial.TrialState.FAIL)

    def _go_on(self) -> int:
        """Takes up the configurations that were at work when an earlier process ended; returns how many were begun."""
        import optuna

        state = optuna.trial.TrialState
        numbers = [-1]
        for one in self.study.get_trials(deepcopy=False):
            if NAME in one.user_attrs:
                numbers.append(int(one.user_attrs[NAME]))
            if one.state != state.RUNNING:
                continue
            self.study.tell(one.number, state=state.FAIL)
            if NAME not in one.user_attrs:
                continue
            # the study knows no way back to a trial that another process asked for: it is asked for anew
            self.study.enqueue_trial(dict(one.params))
            handle = self.study.ask()
            values = self.space.suggest(handle)
            handle.set_user_attr(NAME, one.user_attrs[NAME])
            found = Configuration(int(one.user_attrs[NAME]), values, handle)
            if one.user_attrs.get(PRUNED):
                found.is_pruned = True
                handle.set_user_attr(PRUNED, True)
            self._take_up(found)
        return max(numbers) + 1

    def _take_up(self, configuration: Configuration) -> None:
        """Counts what is trained of a configuration, and queues the rest."""
        self.open.append(configuration)
        first = self._run(configuration, 0)
        for row in first.epochs if first.state == "finished" else ():
            self._report(configuration, row)
        for repetition in range(self.repetitions if first.state == "finished" else 1):
            run = self._run(configuration, repetition)
            if run.state == "finished":
                configuration.accuracies[repetition] = run.validation_report.accuracy
            elif repetition == 0 or not configuration.is_pruned:
                configuration.waiting.append(repetition)
        self._settle(configuration)

    def _run(self, configuration: Configuration, repetition: int) -> Run:
        return Run(self.folder / self._trial(configuration, repetition).name)


def require() -> None:
    """Raises ConfigError when the extra is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ConfigError("A search needs Optuna, which is not installed", hint=EXTRA) from None


def _study(journal: Path, eta: int | None) -> Any:
    """Returns the study whose journal that is."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(
        storage=storage, study_name="search", direction="maximize", load_if_exists=True, pruner=pruner(eta)
    )


def _sampler(seed: int, number: int, attempt: int) -> Any:
    """Returns what proposes configuration `number`."""
    import numpy as np
    import optuna

    drawn = int(np.random.SeedSequence((seed, number, attempt)).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=drawn)
