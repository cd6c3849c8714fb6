"""Contender: what comparing needs to know of a run; Group: those that differ in nothing but the seed."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.evaluation.prediction_table import PredictionRecord
from striate.evaluation.report import Report
from striate.training.history import EpochMetrics


@dataclass(frozen=True)
class RunSummary:
    """What comparing needs to know of a run.

    Attributes:
        name: the run's name.
        settings: setting → value, flat.
        report: on its test images.
        predictions: image's key → its class, what was answered and with which probability.
        epochs: its training.
        best_epoch: number of the epoch whose weights it has.
        parameters: weights in its model.
        training_seconds: its training took.
        fingerprint: of the whole set of images; "" where it is not known.
        multiply_adds: for one image; None where it is not known.
        ms_per_image: a prediction takes; None where it was not measured.
    """

    name: str
    settings: dict[str, Any]
    report: Report
    predictions: dict[str, PredictionRecord]
    epochs: tuple[EpochMetrics, ...]
    best_epoch: int
    parameters: int
    training_seconds: float
    fingerprint: str = ""
    multiply_adds: int | None = None
    ms_per_image: float | None = None

    @property
    def generalization_gap(self) -> float:
        """Accuracy on the training images minus accuracy on the validation images, last epoch: overfitting's
        plainest sign.
        """
        return self.epochs[-1].accuracy - self.epochs[-1].val_accuracy if self.epochs else float("nan")

    def is_correct(self, keys: Iterable[str]) -> NDArray[np.bool_]:
        """Returns (n,) whether each of the images was answered rightly."""
        return np.array(
            [self.predictions[key].true_class == self.predictions[key].predicted_class for key in keys], bool
        )


class Comparable(Protocol):
    """What can say how it did, as a Run can."""

    def build_summary(self) -> RunSummary:
        """Returns what comparing needs to know of it."""
        ...


@dataclass(frozen=True)
class RunGroup:
    """One setting: a run, or several that differ in nothing but the seed.

    Attributes:
        name: the run's, or what the runs' names begin with.
        runs: one a seed.
    """

    name: str
    runs: tuple[RunSummary, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """On the test images, one a seed."""
        return tuple(one.report.accuracy for one in self.runs)

    @property
    def accuracy(self) -> float:
        """Their mean."""
        return statistics.fmean(self.accuracies)

    @property
    def std(self) -> float | None:
        """Their standard deviation; None of one seed."""
        return statistics.stdev(self.accuracies) if len(self.runs) > 1 else None

    def is_correct(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Returns (seeds, n) whether each of the images was answered rightly."""
        return np.stack([one.is_correct(keys) for one in self.runs])

    def compute_mean(self, field_name: str) -> float | None:
        """Returns the mean of a figure of the contenders; None where one does not know it."""
        values = [getattr(one, field_name) for one in self.runs]
        return None if None in values else statistics.fmean(values)

    def to_dict(self) -> dict[str, Any]:
        """Returns the group as plain JSON values."""
        return {
            "name": self.name,
            "runs": [one.name for one in self.runs],
            "seeds": [one.settings.get("seed") for one in self.runs],
            "accuracy": self.accuracy,
            "deviation": self.std,
            "range": [min(self.accuracies), max(self.accuracies)],
        }


def group_by_settings(summaries: Sequence[RunSummary]) -> tuple[RunGroup, ...]:
    """Returns the contenders put together where images and settings agree and the seeds do not, in their order."""
    found: list[list[RunSummary]] = []
    for one in summaries:
        for group in found:
            if _get_settings_key(group[0]) == _get_settings_key(one) and one.settings.get("seed") not in _list_seeds(
                group
            ):
                group.append(one)
                break
        else:
            found.append([one])
    names = [_build_group_name(group) for group in found]
    return tuple(
        RunGroup(name if names.count(name) == 1 else group[0].name, tuple(group))
        for name, group in zip(names, found, strict=True)
    )


def _get_settings_key(summary: RunSummary) -> tuple[str, int, dict[str, Any]]:
    return (
        summary.fingerprint,
        summary.parameters,
        {name: value for name, value in summary.settings.items() if name != "seed"},
    )


def _list_seeds(group: Sequence[RunSummary]) -> list[Any]:
    return [one.settings.get("seed") for one in group]


def _build_group_name(group: Sequence[RunSummary]) -> str:
    if len(group) == 1:
        return group[0].name
    same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*(one.name for one in group), strict=False))
    start = re.sub(r"[-_. ]*(seed)?[-_. ]*\d*$", "", "".join(letters[0] for letters in same))
    return start or f"{group[0].name} and {len(group) - 1} more"
