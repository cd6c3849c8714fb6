"""Report: how good a classifier is on one set of images, as plain numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config, read_former_keys
from striate.errors import DataError
from striate.evaluation.calibration import Calibration, measure_calibration
from striate.evaluation.intervals import compute_f1_interval, wilson
from striate.evaluation.metrics import Metrics, compute_metrics
from striate.evaluation.prediction_table import LabeledPredictions
from striate.evaluation.roc_pr import CurveAreas, compute_curve_areas
from striate.evaluation.selective import OperatingPoint, compute_risk_coverage_table

REPORT_FORMAT = 3


@frozen_config
class ClassMetrics:
    """One class's figures (scikit-learn's precision_recall_fscore_support; 0 where undefined), with 95 % intervals.

    Attributes:
        name: the class.
        precision: of the images answered with this class, the share that belong to it.
        recall: of this class's images, the share answered with it.
        f1: harmonic mean of both.
        support: this class's images.
        precision_interval: of the precision (Wilson); None where the class is never answered, and for means.
        recall_interval: of the recall (Wilson); None for a class without images, and for means.
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


@read_former_keys(label="true_class", predicted="predicted_class")
@frozen_config
class Misclassification:
    """An image answered wrongly."""

    key: str
    true_class: str
    predicted_class: str
    confidence: float


@frozen_config
class AccuracyEstimate:
    """How many of some images were answered rightly, with a 95 % confidence interval (Wilson)."""

    n: int
    accuracy: float
    interval: tuple[float, float]


@read_former_keys(
    macro="macro_average", weighted="weighted_average", wrong="misclassifications", coverage="risk_coverage"
)
@frozen_config
class Report:
    """What was measured.

    Attributes:
        format: of report.json.
        data: the image set's name.
        split: which part of it.
        n: images measured.
        accuracy: share answered rightly, 0..1.
        interval: its 95 % confidence interval (Wilson).
        loss: mean cross-entropy in nats, without label smoothing.
        baseline: the accuracy of always answering with the most frequent class.
        classes: per-class figures in class order.
        macro_average: mean over the classes.
        weighted_average: mean over the classes, weighted by support.
        confusion: confusion[i][j] images of class i were answered with class j.
        misclassifications: every image answered wrongly, most confident first.
        without_leaks: the accuracy on those images that have no copy among those learned or chosen from; None where
            there are no others.
        metrics: figures beside accuracy.
        calibration: whether the probabilities mean what they say.
        risk_coverage: what answering only the surest images costs and buys, from all of them down.

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
    classes: tuple[ClassMetrics, ...]
    macro_average: ClassMetrics
    weighted_average: ClassMetrics
    confusion: tuple[tuple[int, ...], ...]
    misclassifications: tuple[Misclassification, ...]
    without_leaks: AccuracyEstimate | None = None
    metrics: Metrics | None = None
    calibration: Calibration | None = None
    risk_coverage: tuple[OperatingPoint, ...] = ()

    @property
    def correct_count(self) -> int:
        """Images answered rightly."""
        return self.n - len(self.misclassifications)


def make_report(
    data: str,
    split: str,
    classes: tuple[str, ...],
    keys: NDArray[np.str_],
    labels: NDArray[np.int32],
    log_probabilities: NDArray[np.float64],
    *,
    leaked_keys: Collection[str] = (),
) -> Report:
    """Returns the report on n ≥ 1 images.

    Args:
        data: the image set's name.
        split: which part of it.
        classes: class names in label order.
        keys: (n,) the images' names.
        labels: (n,) true labels.
        log_probabilities: (n, classes) logarithms of the predicted probabilities.
        leaked_keys: names of images that have a copy among those learned or chosen from.

    Raises:
        DataError: no images.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    n = len(labels)
    if n == 0:
        raise DataError(f"There are no images to measure on in {data}, split {split}")
    predicted = log_probabilities.argmax(axis=1)
    confidence = np.exp(log_probabilities.max(axis=1))
    numbers = np.arange(len(classes))
    matrix = confusion_matrix(labels, predicted, labels=numbers)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    low, high = wilson(n - len(wrong), n)
    answered = LabeledPredictions(classes, keys, labels, log_probabilities)
    figures = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    ranked = compute_curve_areas(labels, log_probabilities)
    return Report(
        format=REPORT_FORMAT,
        data=data,
        split=split,
        n=n,
        accuracy=(n - len(wrong)) / n,
        interval=(low, high),
        loss=float(-log_probabilities[np.arange(n), labels].mean()),
        baseline=float(np.bincount(labels).max() / n),
        classes=_build_per_class_metrics(classes, figures, matrix, ranked),
        macro_average=_average_class_metrics("macro", figures, n),
        weighted_average=_average_class_metrics("weighted", figures, n, weights=figures[3]),
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
        misclassifications=tuple(
            Misclassification(str(keys[i]), classes[labels[i]], classes[predicted[i]], float(confidence[i]))
            for i in wrong
        ),
        without_leaks=_estimate_accuracy((predicted == labels)[~np.isin(keys, list(leaked_keys))])
        if leaked_keys
        else None,
        metrics=compute_metrics(labels, log_probabilities, curve_areas=ranked),
        calibration=measure_calibration(labels, np.exp(log_probabilities)),
        risk_coverage=compute_risk_coverage_table(answered),
    )


def _build_per_class_metrics(
    classes: tuple[str, ...],
    scores: Sequence[NDArray[Any]],
    confusion: NDArray[np.int64],
    curve_areas: Sequence[CurveAreas | None],
) -> tuple[ClassMetrics, ...]:
    said = confusion.sum(axis=0)
    return tuple(
        _build_class_metrics(name, own, int(confusion[i, i]), int(said[i]), curve_areas[i])
        for i, (name, *own) in enumerate(zip(classes, *scores, strict=True))
    )


def _build_class_metrics(
    name: str, scores: Sequence[float], true_positives: int, predicted_count: int, curve_areas: CurveAreas | None
) -> ClassMetrics:
    precision, recall, f1 = map(float, scores[:3])
    support = int(scores[3])
    return ClassMetrics(
        name=name,
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        precision_interval=wilson(true_positives, predicted_count) if predicted_count else None,
        recall_interval=wilson(true_positives, support) if support else None,
        f1_interval=compute_f1_interval(true_positives, support, predicted_count)
        if support + predicted_count
        else None,
        auc=curve_areas.auc if curve_areas else None,
        average_precision=curve_areas.average_precision if curve_areas else None,
    )


def _estimate_accuracy(is_correct: NDArray[np.bool_]) -> AccuracyEstimate | None:
    n, right = len(is_correct), int(is_correct.sum())
    if not n:
        return None
    low, high = wilson(right, n)
    return AccuracyEstimate(n, right / n, (low, high))


def _average_class_metrics(
    name: str, scores: Sequence[NDArray[Any]], n: int, weights: NDArray[np.integer] | None = None
) -> ClassMetrics:
    """Returns the mean of the classes' precision, recall and F1, as scikit-learn takes it."""
    precision, recall, f1 = (float(np.average(column, weights=weights)) for column in scores[:3])
    return ClassMetrics(name, precision, recall, f1, n)
