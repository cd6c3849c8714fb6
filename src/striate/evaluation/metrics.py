"""Figures beside accuracy, each with its interval."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config, read_former_keys
from striate.evaluation.intervals import CONFIDENCE_LEVEL, wilson
from striate.evaluation.roc_pr import CurveAreas, compute_curve_areas

RESAMPLES = 1000
TOP_K = 5
MAX_RESAMPLED_VALUES = 1 << 16  # resampled numbers at a time: as many as fit into a processor's cache

MetricFunction = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From resampled matrices, see `_resample_confusion_sums`, to a figure of each."""


@frozen_config
class MetricEstimate:
    """A figure and its 95 % interval."""

    value: float
    interval: tuple[float, float]


@read_former_keys(top="top5_accuracy")
@frozen_config
class Metrics:
    """What scikit-learn's functions of the same names say of n images.

    Attributes:
        balanced_accuracy: mean recall of the classes that are there.
        kappa: Cohen's κ: agreement beyond chance, −1..1.
        mcc: Matthews' correlation coefficient, −1..1.
        log_loss: mean cross-entropy, nats.
        top5_accuracy: fraction of images whose true class is among the five most probable; None with fewer classes
            than that and one more.
        auc: area under the ROC curve, each class against the rest, mean over the classes; None where one is missing, or
            where there are too many (see ranking.MOST).
    """

    balanced_accuracy: MetricEstimate
    kappa: MetricEstimate
    mcc: MetricEstimate
    log_loss: MetricEstimate
    top5_accuracy: MetricEstimate | None
    auc: float | None


def compute_metrics(
    labels: NDArray[np.integer],
    log_probabilities: NDArray[np.float64],
    seed: int = 0,
    *,
    curve_areas: Sequence[CurveAreas | None] | None = None,
) -> Metrics:
    """Returns the figures. Intervals are percentiles of RESAMPLES bootstrap samples of the images (Efron 1979), but
    Wilson's of the share `top`.

    Those of figures that depend on the confusion matrix alone are drawn as matrices: a bootstrap of n images is a
    multinomial draw of n from its cells.

    Args:
        labels: (n,) true labels, n ≥ 1.
        log_probabilities: (n, classes) logarithms of the predicted probabilities.
        seed: of the resampling.
        curve_areas: what `rankings` says of them, where that is known already.
    """
    from sklearn.metrics import (
        balanced_accuracy_score,
        cohen_kappa_score,
        log_loss,
        matthews_corrcoef,
        top_k_accuracy_score,
    )

    n, classes = log_probabilities.shape
    predicted = log_probabilities.argmax(axis=1)
    rng = np.random.default_rng(seed)
    there = np.unique(np.concatenate([labels, predicted]))
    matrices = _resample_confusion_sums(
        np.searchsorted(there, labels), np.searchsorted(there, predicted), len(there), rng
    )
    losses = -log_probabilities[np.arange(n), labels]
    numbers = np.arange(classes)
    hits = None
    if classes > TOP_K:
        rank = (log_probabilities > log_probabilities[np.arange(n), labels][:, None]).sum(axis=1)
        hits = int((rank < TOP_K).sum())
    with warnings.catch_warnings():  # scikit-learn's, of a class without images or of only one
        warnings.simplefilter("ignore")
        balanced, kappa = balanced_accuracy_score(labels, predicted), cohen_kappa_score(labels, predicted)
        mcc = matthews_corrcoef(labels, predicted)
    return Metrics(
        balanced_accuracy=_estimate_metric(_compute_balanced_accuracy, matrices, float(balanced)),
        kappa=_estimate_metric(_compute_kappa, matrices, _replace_nan(kappa)),
        mcc=_estimate_metric(_compute_mcc, matrices, float(mcc)),
        log_loss=_estimate_mean(losses, float(log_loss(labels, np.exp(log_probabilities), labels=numbers)), rng),
        top5_accuracy=None
        if hits is None
        else MetricEstimate(
            float(top_k_accuracy_score(labels, log_probabilities, k=TOP_K, labels=numbers)), wilson(hits, n)
        ),
        auc=_average_auc(compute_curve_areas(labels, log_probabilities) if curve_areas is None else curve_areas),
    )


def _resample_confusion_sums(
    labels: NDArray[np.integer], predicted_labels: NDArray[np.integer], num_classes: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Returns (RESAMPLES, 3, classes): the diagonal, the row sums and the column sums of resampled confusion matrices,
    which is all that the figures need; many classes would not fit otherwise.
    """
    cells, number = np.unique(labels.astype(np.int64) * num_classes + predicted_labels, return_counts=True)
    drawn = rng.multinomial(len(labels), number / len(labels), RESAMPLES).astype(np.float64)
    row, column = np.divmod(cells, num_classes)
    found = np.zeros((RESAMPLES, 3, num_classes))
    diagonal = row == column
    found[:, 0, row[diagonal]] = drawn[:, diagonal]
    for place, index in ((1, row), (2, column)):
        sums = np.zeros((num_classes, RESAMPLES))
        np.add.at(sums, index, drawn.T)
        found[:, place] = sums.T
    return found


def _estimate_metric(
    metric_function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    confusion_sums: NDArray[np.float64],
    value: float,
) -> MetricEstimate:
    with np.errstate(invalid="ignore", divide="ignore"):
        return MetricEstimate(value, _compute_percentile_interval(metric_function(confusion_sums)))


def _compute_balanced_accuracy(confusion_sums: NDArray[np.float64]) -> NDArray[np.float64]:
    diagonal, rows, _ = np.moveaxis(confusion_sums, 1, 0)
    recall = np.where(rows > 0, diagonal / rows, np.nan)
    result: NDArray[np.float64] = np.nanmean(recall, axis=1)
    return result


def _compute_kappa(confusion_sums: NDArray[np.float64]) -> NDArray[np.float64]:
    diagonal, rows, columns = np.moveaxis(confusion_sums, 1, 0)
    n = rows.sum(axis=1)
    observed, chance = diagonal.sum(axis=1) / n, (rows * columns).sum(axis=1) / n**2
    result: NDArray[np.float64] = np.where(chance < 1, (observed - chance) / (1 - chance), 0.0)
    return result


def _compute_mcc(confusion_sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns Gorodkin's R_K of each matrix (2004, Computational Biology and Chemistry 28), 0 where it is undefined."""
    diagonal, rows, columns = np.moveaxis(confusion_sums, 1, 0)
    n = rows.sum(axis=1)
    above = diagonal.sum(axis=1) * n - (rows * columns).sum(axis=1)
    below = np.sqrt((n**2 - (rows**2).sum(axis=1)) * (n**2 - (columns**2).sum(axis=1)))
    result: NDArray[np.float64] = np.where(below > 0, above / below, 0.0)
    return result


def _estimate_mean(values: NDArray[np.float64], value: float, rng: np.random.Generator) -> MetricEstimate:
    """Returns a mean with the bootstrap interval of it; drawn part by part, so that any n fits."""
    n = len(values)
    rows = max(1, MAX_RESAMPLED_VALUES // n)
    parts = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    means = np.concatenate([values[rng.integers(0, n, (part, n))].mean(axis=1) for part in parts])
    return MetricEstimate(value, _compute_percentile_interval(means))


def _compute_percentile_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    outside = 50 * (1 - CONFIDENCE_LEVEL)
    low, high = np.nanpercentile(values, (outside, 100 - outside))
    return float(low), float(high)


def _average_auc(curve_areas: Sequence[CurveAreas | None]) -> float | None:
    areas = [one.auc for one in curve_areas if one is not None]
    return float(np.mean(areas)) if len(areas) == len(curve_areas) else None


def _replace_nan(value: float) -> float:
    """Returns 0 for κ where there is but one class, which scikit-learn calls undefined."""
    return 0.0 if np.isnan(value) else float(value)
