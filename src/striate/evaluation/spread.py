"""Spread: what several trainings of one kind reached, with other seeds or on other folds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t

from striate.config import config
from striate.evaluation.intervals import CONFIDENCE, wilson
from striate.evaluation.report import Report, Share


@config
class ClassSpread:
    """One class's recall over the trainings that were measured on pictures of it.

    Attributes:
        name: the class.
        mean: 0..1.
        deviation: standard deviation; None of one training.
        low: the least.
        high: the most.
    """

    name: str
    mean: float
    deviation: float | None
    low: float
    high: float


@config
class Spread:
    """What several trainings reached.

    Attributes:
        trials: how many.
        mean: of their accuracies, 0..1.
        deviation: their standard deviation; None of one training.
        low: the least accuracy.
        high: the most.
        interval: 95 % confidence interval of the mean (Student's t over the trainings); None of one training.
        pictures: with seeds, how many pictures all were measured on, with the mean accuracy and Wilson's interval of
            it; with folds, all held-out pictures together, each answered by the one network that had not seen it.
        classes: class by class.
    """

    trials: int
    mean: float
    deviation: float | None
    low: float
    high: float
    interval: tuple[float, float] | None
    pictures: Share
    classes: tuple[ClassSpread, ...]


def spread(reports: Sequence[Report], *, same_pictures: bool) -> Spread:
    """Returns what one or more reports say together.

    Args:
        reports: one a training.
        same_pictures: whether all were measured on the same pictures, as with seeds; else on disjoint ones, as folds.
    """
    accuracies = [report.accuracy for report in reports]
    n = reports[0].n if same_pictures else sum(report.n for report in reports)
    mean = statistics.fmean(accuracies)
    pooled = mean if same_pictures else sum(report.correct for report in reports) / n
    low, high = wilson(round(pooled * n), n)
    return Spread(
        trials=len(reports),
        mean=mean,
        deviation=_deviation(accuracies),
        low=min(accuracies),
        high=max(accuracies),
        interval=_t_interval(accuracies),
        pictures=Share(n, pooled, (low, high)),
        classes=_classes(reports),
    )


def _classes(reports: Sequence[Report]) -> tuple[ClassSpread, ...]:
    recalls: dict[str, list[float]] = {}
    for report in reports:
        for row in report.classes:
            if row.support:
                recalls.setdefault(row.name, []).append(row.recall)
    return tuple(
        ClassSpread(name, statistics.fmean(values), _deviation(values), min(values), max(values))
        for name, values in recalls.items()
    )


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Returns the interval of a mean, cut off at 0 and 1."""
    if len(values) < 2:
        return None
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return max(0.0, mean - half), min(1.0, mean + half)
