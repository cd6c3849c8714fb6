"""Report: how good a classifier is on one set of pictures, as plain numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import config
from striate.errors import DataError
from striate.evaluation.calibration import Calibration, calibration
from striate.evaluation.intervals import f1_interval, wilson
from striate.evaluation.metrics import Metrics, metrics
from striate.evaluation.prediction_table import Answered
from striate.evaluation.roc_pr import Ranking, rankings
from striate.evaluation.selective import Refusal, prices

FORMAT = 2


@config
class ClassScore:
    """One class's figures (scikit-learn's precision_recall_fscore_support; 0 where undefined), with 95 % intervals.

    Attributes:
        name: the class.
        precision: of the pictures answered with this class, the share that belong to it.
        recall: of this class's pictures, the share answered with it.
        f1: harmonic mean of both.
        support: this class's pictures.
        precision_interval: of the precision (Wilson); None where the class is never answered, and for means.
        recall_interval: of the recall (Wilson); None for a class without pictures, and for means.
        f1_interval: of the F1 (see intervals.f1_interval); None where neither is there, and for means.
        auc: area under the class's ROC curve; None where it is not defined, and for means.
        average_precision: area under its precision–recall curve, by steps; None likewise.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    precision_interval: tuple[float, float] | None = None
    recall_interval: tuple[float, float] | None = None
    f1_interval: tuple[float, float] | None = None
    auc: float | None = None
    average_precision: float | None = None


@config
class Wrong:
    """A picture answered wrongly."""

    key: str
    label: str
    predicted: str
    confidence: float


@config
class Share:
    """How many of some pictures were answered rightly, with a 95 % confidence interval (Wilson)."""

    n: int
    accuracy: float
    interval: tuple[float, float]


@config
class Report:
    """What was measured.

    Attributes:
        format: of report.json.
        data: the image set's name.
        split: which part of it.
        n: pictures measured.
        accuracy: share answered rightly, 0..1.
        interval: its 95 % confidence interval (Wilson).
        loss: mean cross-entropy in nats, without label smoothing.
        baseline: the accuracy of always answering with the most frequent class.
        classes: per-class figures in class order.
        macro: mean over the classes.
        weighted: mean over the classes, weighted by support.
        confusion: confusion[i][j] pictures of class i were answered with class j.
        wrong: every picture answered wrongly, most confident first.
        without_leaks: the accuracy on those pictures that have no copy among those learnt or chosen from; None where
            there are no others.
        metrics: figures beside accuracy.
        calibration: whether the probabilities mean what they say.
        coverage: what answering only the surest pictures costs and buys, from all of them down.

    The last three are None and empty in reports of format 1, which did not know them.
    """

    format: int
    data: str
    split: str
    n: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    baseline: float
    classes: tuple[ClassScore, ...]
    macro: ClassScore
    weighted: ClassScore
    confusion: tuple[tuple[int, ...], ...]
    wrong: tuple[Wrong, ...]
    without_leaks: Share | None = None
    metrics: Metrics | None = None
    calibration: Calibration | None = None
    coverage: tuple[Refusal, ...] = ()

    @property
    def correct(self) -> int:
        """Pictures answered rightly."""
        return self.n - len(self.wrong)


def make_report(
    data: str,
    split: str,
    classes: tuple[str, ...],
    keys: NDArray[np.str_],
    labels: NDArray[np.int32],
    log_probabilities: NDArray[np.float64],
    *,
    leaked: Collection[str] = (),
) -> Report:
    """Returns the report on n ≥ 1 pictures.

    Args:
        data: the image set's name.
        split: which part of it.
        classes: class names in label order.
        keys: (n,) the pictures' names.
        labels: (n,) true labels.
        log_probabilities: (n, classes) logarithms of the predicted probabilities.
        leaked: names of pictures that have a copy among those learnt or chosen from.

    Raises:
        DataError: no pictures.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    n = len(labels)
    if n == 0:
        raise DataError(f"There are no pictures to measure on in {data}, split {split}")
    predicted = log_probabilities.argmax(axis=1)
    confidence = np.exp(log_probabilities.max(axis=1))
    numbers = np.arange(len(classes))
    matrix = confusion_matrix(labels, predicted, labels=numbers)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    low, high = wilson(n - len(wrong), n)
    answered = Answered(classes, keys, labels, log_probabilities)
    figures = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    ranked = rankings(labels, log_probabilities)
    return Report(
        format=FORMAT,
        data=data,
        split=split,
        n=n,
        accuracy=(n - len(wrong)) / n,
        interval=(low, high),
        loss=float(-log_probabilities[np.arange(n), labels].mean()),
        baseline=float(np.bincount(labels).max() / n),
        classes=_scores(classes, figures, matrix, ranked),
        macro=_average("macro", figures, n),
        weighted=_average("weighted", figures, n, weights=figures[3]),
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
        wrong=tuple(
            Wrong(str(keys[i]), classes[labels[i]], classes[predicted[i]], float(confidence[i])) for i in wrong
        ),
        without_leaks=_share((predicted == labels)[~np.isin(keys, list(leaked))]) if leaked else None,
        metrics=metrics(labels, log_probabilities, ranked=ranked),
        calibration=calibration(labels, np.exp(log_probabilities)),
        coverage=prices(answered),
    )


def _scores(
    classes: tuple[str, ...],
    figures: Sequence[NDArray[Any]],
    matrix: NDArray[np.int64],
    ranked: Sequence[Ranking | None],
) -> tuple[ClassScore, ...]:
    said = matrix.sum(axis=0)
    return tuple(
        _score(name, own, int(matrix[i, i]), int(said[i]), ranked[i])
        for i, (name, *own) in enumerate(zip(classes, *figures, strict=True))
    )


def _score(name: str, figures: Sequence[float], right: int, said: int, ranked: Ranking | None) -> ClassScore:
    precision, recall, f1 = map(float, figures[:3])
    support = int(figures[3])
    return ClassScore(
        name=name,
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        precision_interval=wilson(right, said) if said else None,
        recall_interval=wilson(right, support) if support else None,
        f1_interval=f1_interval(right, support, said) if support + said else None,
        auc=ranked.auc if ranked else None,
        average_precision=ranked.average_precision if ranked else None,
    )


def _share(is_right: NDArray[np.bool_]) -> Share | None:
    n, right = len(is_right), int(is_right.sum())
    if not n:
        return None
    low, high = wilson(right, n)
    return Share(n, right / n, (low, high))


def _average(
    kind: str, figures: Sequence[NDArray[Any]], n: int, weights: NDArray[np.integer] | None = None
) -> ClassScore:
    """Returns the mean of the classes' precision, recall and F1, as scikit-learn takes it."""
    precision, recall, f1 = (float(np.average(column, weights=weights)) for column in figures[:3])
    return ClassScore(kind, precision, recall, f1, n)
