"""How well each class's probability puts its own images before all others, whatever threshold is chosen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_CURVE_CLASSES = 200
"""Classes, above which nothing is computed: it would take longer than the predictions."""


class CurveAreas(NamedTuple):
    """One class against the rest.

    Attributes:
        auc: area under the ROC curve, 0..1; 0.5 is chance.
        average_precision: mean precision over the recalls, 0..1; the class's fraction of the images is chance.
    """

    auc: float
    average_precision: float


class CurvePoints(NamedTuple):
    """A curve's points, the fields parallel."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


def compute_curve_areas(
    labels: NDArray[np.integer], log_probabilities: NDArray[np.floating]
) -> tuple[CurveAreas | None, ...]:
    """Returns scikit-learn's roc_auc_score and average_precision_score of each class against the rest; None for a class
    without images, or with all of them, and for all of more than MOST classes.

    Args:
        labels: (n,) true labels.
        log_probabilities: (n, classes) logarithms of the predicted probabilities.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    number = int(log_probabilities.shape[1])
    if number > MAX_CURVE_CLASSES:
        return tuple([None] * number)
    found: list[CurveAreas | None] = []
    for label, score in enumerate(compute_log_odds(log_probabilities)):
        own = labels == label
        if own.all() or not own.any():
            found.append(None)
        else:
            found.append(CurveAreas(float(roc_auc_score(own, score)), float(average_precision_score(own, score))))
    return tuple(found)


def compute_roc_curve(is_member: NDArray[np.bool_], class_scores: NDArray[np.float64]) -> CurvePoints:
    """Returns false positive rate and true positive rate at every threshold, both ascending from 0 to 1.

    Args:
        is_member: (n,) which images belong to the class; some do and some do not.
        class_scores: (n,) the class's, see `scores`.
    """
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(is_member, class_scores)
    return CurvePoints(false, true)


def compute_precision_recall_curve(is_member: NDArray[np.bool_], class_scores: NDArray[np.float64]) -> CurvePoints:
    """Returns recall, descending from 1 to 0, and precision at every threshold."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(is_member, class_scores, drop_intermediate=True)
    return CurvePoints(recall, precision)


def compute_log_odds(log_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns (classes, n) what orders the images: each class's log-odds, which tells apart what float32 rounds to 1
    in a probability.
    """
    from scipy.special import logsumexp

    rows = np.asarray(log_probabilities, np.float64)
    places = np.arange(len(rows)), rows.argmax(axis=1)
    rest = rows.copy()
    rest[places] = -np.inf
    with np.errstate(divide="ignore"):
        others = np.log1p(-np.exp(rows))
    others[places] = logsumexp(rest, axis=1)
    result: NDArray[np.float64] = (rows - others).T
    return result
