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

from striate.evaluation.prediction_table import Answer
from striate.evaluation.report import Report
from striate.training.history import Epoch


@dataclass(frozen=True)
class Contender:
    """What comparing needs to know of a run.

    Attributes:
        name: the run's name.
        settings: setting → value, flat.
        report: on its test pictures.
        answers: picture's key → its class, what was answered and with which probability.
        epochs: its training.
        kept: number of the epoch whose weights it has.
        parameters: weights in its network.
        seconds: its training took.
        fingerprint: of the whole set of pictures; "" where it is not known.
        multiply_adds: for one picture; None where it is not known.
        milliseconds: an answer takes; None where it was not measured.
    """

    name: str
    settings: dict[str, Any]
    report: Report
    answers: dict[str, Answer]
    epochs: tuple[Epoch, ...]
    kept: int
    parameters: int
    seconds: float
    fingerprint: str = ""
    multiply_adds: int | None = None
    milliseconds: float | None = None

    @property
    def gap(self) -> float:
        """Accuracy on the training pictures minus accuracy on the validation pictures, last epoch: overfitting's
        plainest sign.
        """
        return self.epochs[-1].accuracy - self.epochs[-1].val_accuracy if self.epochs else float("nan")

    def is_right(self, keys: Iterable[str]) -> NDArray[np.bool_]:
        """Returns (n,) whether each of the pictures was answered rightly."""
        return np.array([self.answers[key].label == self.answers[key].predicted for key in keys], bool)


class Comparable(Protocol):
    """What can say how it did, as a Run can."""

    def contender(self) -> Contender:
        """Returns what comparing needs to know of it."""
        ...


@dataclass(frozen=True)
class Group:
    """One setting: a run, or several that differ in nothing but the seed.

    Attributes:
        name: the run's, or what the runs' names begin with.
        contenders: one a seed.
    """

    name: str
    contenders: tuple[Contender, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """On the test pictures, one a seed."""
        return tuple(one.report.accuracy for one in self.contenders)

    @property
    def accuracy(self) -> float:
        """Their mean."""
        return statistics.fmean(self.accuracies)

    @property
    def deviation(self) -> float | None:
        """Their standard deviation; None of one seed."""
        return statistics.stdev(self.accuracies) if len(self.contenders) > 1 else None

    def is_right(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Returns (seeds, n) whether each of the pictures was answered rightly."""
        return np.stack([one.is_right(keys) for one in self.contenders])

    def mean(self, figure: str) -> float | None:
        """Returns the mean of a figure of the contenders; None where one does not know it."""
        values = [getattr(one, figure) for one in self.contenders]
        return None if None in values else statistics.fmean(values)

    def summary(self) -> dict[str, Any]:
        """Returns the group as plain JSON values."""
        return {
            "name": self.name,
            "runs": [one.name for one in self.contenders],
            "seeds": [one.settings.get("seed") for one in self.contenders],
            "accuracy": self.accuracy,
            "deviation": self.deviation,
            "range": [min(self.accuracies), max(self.accuracies)],
        }


def grouped(contenders: Sequence[Contender]) -> tuple[Group, ...]:
    """Returns the contenders put together where pictures and settings agree and the seeds do not, in their order."""
    found: list[list[Contender]] = []
    for one in contenders:
        for group in found:
            if _setting(group[0]) == _setting(one) and one.settings.get("seed") not in _seeds(group):
                group.append(one)
                break
        else:
            found.append([one])
    names = [_name(group) for group in found]
    return tuple(
        Group(name if names.count(name) == 1 else group[0].name, tuple(group))
        for name, group in zip(names, found, strict=True)
    )


def _setting(one: Contender) -> tuple[str, int, dict[str, Any]]:
    return one.fingerprint, one.parameters, {name: value for name, value in one.settings.items() if name != "seed"}


def _seeds(group: Sequence[Contender]) -> list[Any]:
    return [one.settings.get("seed") for one in group]


def _name(group: Sequence[Contender]) -> str:
    if len(group) == 1:
        return group[0].name
    same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*(one.name for one in group), strict=False))
    start = re.sub(r"[-_. ]*(seed)?[-_. ]*\d*$", "", "".join(letters[0] for letters in same))
    return start or f"{group[0].name} and {len(group) - 1} more"
