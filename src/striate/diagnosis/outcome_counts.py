"""Tally: how a model answered some labeled images, as counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config, read_former_keys, replace_config
from striate.evaluation.intervals import CONFIDENCE_LEVEL, Interval, wilson
from striate.evaluation.prediction_table import LabeledPredictions

TOP_CONFIDENCE_FRACTION = 0.2
"""Fraction of the predictions, the most confident ones, that are looked at on their own: on labels that are right a
model
makes few of its mistakes there, whereas wrong labels are spread over all predictions alike."""


@read_former_keys(deviation="loss_std", surest="top_confidence_count", surest_wrong="top_confidence_errors")
@frozen_config
class OutcomeCounts:
    """How some images were answered.

    Attributes:
        confusion: confusion[i][j] images of class i were answered with class j.
        loss: mean cross-entropy in nats, without label smoothing.
        loss_std: of the single images' losses; None where it is not known.
        top_confidence_count: how many predictions are the most confident fifth.
        top_confidence_errors: how many of those are wrong.
    """

    confusion: tuple[tuple[int, ...], ...]
    loss: float
    loss_std: float | None
    top_confidence_count: int
    top_confidence_errors: int

    @property
    def confusion_matrix(self) -> NDArray[np.int64]:
        """(classes, classes) the confusion."""
        return np.array(self.confusion, np.int64)

    @property
    def n(self) -> int:
        """Pictures."""
        return int(self.confusion_matrix.sum())

    @property
    def correct_count(self) -> int:
        """Images answered rightly."""
        return int(np.trace(self.confusion_matrix))

    @property
    def accuracy(self) -> float:
        """Share answered rightly, 0..1."""
        return self.correct_count / self.n

    @property
    def interval(self) -> Interval:
        """95 % interval of the accuracy (Wilson)."""
        return wilson(self.correct_count, self.n)

    @property
    def baseline(self) -> float:
        """The accuracy of always giving the commonest answer, or of guessing where that is better."""
        return max(float(self.confusion_matrix.sum(axis=1).max()) / self.n, 1 / len(self.confusion_matrix))

    def merge(self, other: OutcomeCounts) -> OutcomeCounts:
        """Returns the predictions to these and to other images together."""
        n, further = self.n, other.n
        loss = (n * self.loss + further * other.loss) / (n + further)
        deviation = None
        if self.loss_std is not None and other.loss_std is not None:
            squares = n * (self.loss_std**2 + self.loss**2) + further * (other.loss_std**2 + other.loss**2)
            deviation = math.sqrt(max(0.0, squares / (n + further) - loss**2))
        matrix = self.confusion_matrix + other.confusion_matrix
        return OutcomeCounts(
            _to_tuples(matrix),
            loss,
            deviation,
            self.top_confidence_count + other.top_confidence_count,
            self.top_confidence_errors + other.top_confidence_errors,
        )

    def exclude_classes(self, labels: Sequence[int]) -> OutcomeCounts:
        """Returns the same of the images of the other classes; loss and confidence stay those of all."""
        rows = [(0,) * len(row) if label in labels else row for label, row in enumerate(self.confusion)]
        return replace_config(self, confusion=tuple(rows))

    @property
    def is_at_chance_level(self) -> bool:
        """Whether the accuracy cannot be told from that of one prediction for all."""
        return self.interval.low <= self.baseline


def count_outcomes(predictions: LabeledPredictions) -> OutcomeCounts:
    """Returns the counts of n ≥ 1 predictions."""
    number = len(predictions.classes)
    confusion = np.zeros((number, number), np.int64)
    np.add.at(confusion, (predictions.labels, predictions.predicted_labels), 1)
    losses = -predictions.log_probabilities[np.arange(len(predictions.labels)), predictions.labels].astype(np.float64)
    wrong = _select_top_confidence(predictions.confidence, ~predictions.is_correct)
    deviation = float(losses.std(ddof=1)) if len(losses) > 1 else 0.0
    return OutcomeCounts(_to_tuples(confusion), float(losses.mean()), deviation, len(wrong), int(wrong.sum()))


def rebuild_outcomes(report: Any, confidence: NDArray[np.float64], is_correct: NDArray[np.bool_]) -> OutcomeCounts:
    """Returns the same from a report and its table, of a run that kept no probabilities."""
    wrong = _select_top_confidence(confidence, ~is_correct)
    return OutcomeCounts(_to_tuples(np.array(report.confusion)), report.loss, None, len(wrong), int(wrong.sum()))


def compute_accuracy_drop(first: OutcomeCounts, second: OutcomeCounts) -> Interval:
    """Returns the 95 % interval of the first accuracy minus the second, of different images (Newcombe 1998,
    Statistics in Medicine 17, method 10: the Wilson intervals' ends, combined as independent errors are).
    """
    p, q, one, two = first.accuracy, second.accuracy, first.interval, second.interval
    return Interval(
        p - q - math.hypot(p - one.low, two.high - q),
        p - q + math.hypot(one.high - p, q - two.low),
    )


def compute_min_loss_rise(first: OutcomeCounts, second: OutcomeCounts) -> float | None:
    """Returns the lower end of the 95 % interval of the second loss minus the first (Welch 1947, by the normal
    distribution), nats; None where the spread of the losses is not known.
    """
    from scipy.stats import norm

    if first.loss_std is None or second.loss_std is None:
        return None
    error = math.hypot(first.loss_std / math.sqrt(first.n), second.loss_std / math.sqrt(second.n))
    return float(second.loss - first.loss - norm.ppf((1 + CONFIDENCE_LEVEL) / 2) * error)


def _select_top_confidence(confidence: NDArray[np.float64], is_wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    order = np.argsort(-confidence, kind="stable")
    return is_wrong[order[: max(1, round(TOP_CONFIDENCE_FRACTION * len(order)))]]


def _to_tuples(matrix: NDArray[Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(cell) for cell in row) for row in matrix)


MAX_UNPREDICTED_RECALL = 0.1
"""Recall up to which a class counts as never answered, for certain."""


MIN_OTHER_RECALL = 0.8
"""Fraction of the other classes' images that are recognised, where a class is at fault and not the whole model."""


MIN_CLASS_SUPPORT = 10  # images of a class, below which nothing is said of it


def find_unpredicted_classes(outcomes: OutcomeCounts) -> list[int]:
    """Returns the labels of classes that are never answered, though the others are: half of the classes at most."""
    matrix = outcomes.confusion_matrix
    n, right = matrix.sum(axis=1), np.diag(matrix)
    never = [
        i
        for i in range(len(n))
        if n[i] >= MIN_CLASS_SUPPORT and wilson(int(right[i]), int(n[i])).high < _compute_recall_limit(int(n[i]))
    ]
    others = [i for i in range(len(n)) if i not in never]
    if len(never) > len(n) / 2 or sum(right[others]) < MIN_OTHER_RECALL * sum(n[others]):
        return []
    return never


def _compute_recall_limit(n: int) -> float:
    """Recall below which a class of n images counts as never answered: that of one image of ten at least."""
    return max(MAX_UNPREDICTED_RECALL, wilson(1, n).high) + 1e-9
