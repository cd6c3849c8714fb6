"""Tally: how a network answered some labelled pictures, as counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import config, replace
from striate.evaluation.intervals import CONFIDENCE, Interval, wilson
from striate.evaluation.prediction_table import Answered

SUREST = 0.2
"""Share of the answers, the most confident ones, that are looked at on their own: on labels that are right a network
makes few of its mistakes there, whereas wrong labels are spread over all answers alike."""


@config
class Tally:
    """How some pictures were answered.

    Attributes:
        confusion: confusion[i][j] pictures of class i were answered with class j.
        loss: mean cross-entropy in nats, without label smoothing.
        deviation: of the single pictures' losses; None where it is not known.
        surest: how many answers are the most confident fifth.
        surest_wrong: how many of those are wrong.
    """

    confusion: tuple[tuple[int, ...], ...]
    loss: float
    deviation: float | None
    surest: int
    surest_wrong: int

    @property
    def matrix(self) -> NDArray[np.int64]:
        """(classes, classes) the confusion."""
        return np.array(self.confusion, np.int64)

    @property
    def n(self) -> int:
        """Pictures."""
        return int(self.matrix.sum())

    @property
    def right(self) -> int:
        """Pictures answered rightly."""
        return int(np.trace(self.matrix))

    @property
    def accuracy(self) -> float:
        """Share answered rightly, 0..1."""
        return self.right / self.n

    @property
    def interval(self) -> Interval:
        """95 % interval of the accuracy (Wilson)."""
        return wilson(self.right, self.n)

    @property
    def baseline(self) -> float:
        """The accuracy of always giving the commonest answer, or of guessing where that is better."""
        return max(float(self.matrix.sum(axis=1).max()) / self.n, 1 / len(self.matrix))

    def plus(self, other: Tally) -> Tally:
        """Returns the answers to these and to other pictures together."""
        n, further = self.n, other.n
        loss = (n * self.loss + further * other.loss) / (n + further)
        deviation = None
        if self.deviation is not None and other.deviation is not None:
            squares = n * (self.deviation**2 + self.loss**2) + further * (other.deviation**2 + other.loss**2)
            deviation = math.sqrt(max(0.0, squares / (n + further) - loss**2))
        matrix = self.matrix + other.matrix
        return Tally(
            _tuples(matrix), loss, deviation, self.surest + other.surest, self.surest_wrong + other.surest_wrong
        )

    def without(self, labels: Sequence[int]) -> Tally:
        """Returns the same of the pictures of the other classes; loss and confidence stay those of all."""
        rows = [(0,) * len(row) if label in labels else row for label, row in enumerate(self.confusion)]
        return replace(self, confusion=tuple(rows))

    @property
    def is_no_better_than_guessing(self) -> bool:
        """Whether the accuracy cannot be told from that of one answer for all."""
        return self.interval.low <= self.baseline


def tally(answered: Answered) -> Tally:
    """Returns the counts of n ≥ 1 answers."""
    number = len(answered.classes)
    confusion = np.zeros((number, number), np.int64)
    np.add.at(confusion, (answered.labels, answered.predicted), 1)
    losses = -answered.log_probabilities[np.arange(len(answered.labels)), answered.labels].astype(np.float64)
    wrong = _surest(answered.confidence, ~answered.is_right)
    deviation = float(losses.std(ddof=1)) if len(losses) > 1 else 0.0
    return Tally(_tuples(confusion), float(losses.mean()), deviation, len(wrong), int(wrong.sum()))


def tally_from(report: Any, confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> Tally:
    """Returns the same from a report and its table, of a run that kept no probabilities."""
    wrong = _surest(confidence, ~is_right)
    return Tally(_tuples(np.array(report.confusion)), report.loss, None, len(wrong), int(wrong.sum()))


def drop(first: Tally, second: Tally) -> Interval:
    """Returns the 95 % interval of the first accuracy minus the second, of different pictures (Newcombe 1998,
    Statistics in Medicine 17, method 10: the Wilson intervals' ends, combined as independent errors are).
    """
    p, q, one, two = first.accuracy, second.accuracy, first.interval, second.interval
    return Interval(
        p - q - math.hypot(p - one.low, two.high - q),
        p - q + math.hypot(one.high - p, q - two.low),
    )


def loss_rise(first: Tally, second: Tally) -> float | None:
    """Returns the lower end of the 95 % interval of the second loss minus the first (Welch 1947, by the normal
    distribution), nats; None where the spread of the losses is not known.
    """
    from scipy.stats import norm

    if first.deviation is None or second.deviation is None:
        return None
    error = math.hypot(first.deviation / math.sqrt(first.n), second.deviation / math.sqrt(second.n))
    return float(second.loss - first.loss - norm.ppf((1 + CONFIDENCE) / 2) * error)


def _surest(confidence: NDArray[np.float64], is_wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    order = np.argsort(-confidence, kind="stable")
    return is_wrong[order[: max(1, round(SUREST * len(order)))]]


def _tuples(matrix: NDArray[Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(cell) for cell in row) for row in matrix)


NEVER = 0.1
"""Recall up to which a class counts as never answered, for certain."""


OTHERS = 0.8
"""Share of the other classes' pictures that are recognised, where a class is at fault and not the whole network."""


SUPPORT = 10  # pictures of a class, below which nothing is said of it


def never_answered(answers: Tally) -> list[int]:
    """Returns the labels of classes that are never answered, though the others are: half of the classes at most."""
    matrix = answers.matrix
    n, right = matrix.sum(axis=1), np.diag(matrix)
    never = [i for i in range(len(n)) if n[i] >= SUPPORT and wilson(int(right[i]), int(n[i])).high < _never(int(n[i]))]
    others = [i for i in range(len(n)) if i not in never]
    if len(never) > len(n) / 2 or sum(right[others]) < OTHERS * sum(n[others]):
        return []
    return never


def _never(n: int) -> float:
    """Recall below which a class of n pictures counts as never answered: that of one picture of ten at least."""
    return max(NEVER, wilson(1, n).high) + 1e-9
