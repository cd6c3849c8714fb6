"""Whether probabilities mean what they say, how they are corrected, and what refusing to answer buys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config
from striate.errors import DataError
from striate.evaluation.intervals import CONFIDENCE_LEVEL, wilson

CALIBRATION_BINS = 15  # of a reliability diagram, as in Guo et al.
TEMPERATURE_BOUNDS = (0.05, 20.0)  # searched
MAX_CANDIDATE_THRESHOLDS = 50  # thresholds tried


@frozen_config
class CalibrationBin:
    """Answers of similar confidence: how sure they were on average, how often right (95 % interval), how many."""

    confidence: float
    accuracy: float
    interval: tuple[float, float]
    n: int


@frozen_config
class Calibration:
    """How far stated probabilities are from what happens.

    Attributes:
        ece: expected calibration error: mean distance between confidence and accuracy over the bins, weighted by their
            numbers (Guo et al. 2017, arXiv:1706.04599, equation 3), 0..1.
        brier: mean over the images of the squared distances of all classes' probabilities from 0 and 1 (Brier 1950),
            0..2.
        confidence: mean of the highest probability.
        bins: of equal width, those that hold a prediction, ascending.
    """

    ece: float
    brier: float
    confidence: float
    bins: tuple[CalibrationBin, ...]


class RiskCoverageCurve(NamedTuple):
    """What answering only when sure costs and buys, the fields parallel, from the surest answer to the last.

    Attributes:
        thresholds: (n,) confidence from which on is answered.
        coverage: (n,) fraction of the images that are answered.
        risk: (n,) fraction of those answered wrongly.
    """

    thresholds: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]


def measure_calibration(
    labels: NDArray[np.integer], probabilities: NDArray[np.float64], bin_count: int = CALIBRATION_BINS
) -> Calibration:
    """Returns how well calibrated answers are.

    Args:
        labels: (n,) true labels, n ≥ 1.
        probabilities: (n, classes), rows sum to 1.
        bin_count: how many equal parts of 0..1.
    """
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bin_count).astype(int), bin_count - 1)
    found, error = [], 0.0
    for number in range(bin_count):
        inside = place == number
        n, right = int(inside.sum()), int(is_right[inside].sum())
        if n:
            mean = float(confidence[inside].mean())
            found.append(CalibrationBin(mean, right / n, (wilson(right, n).low, wilson(right, n).high), n))
            error += n / len(labels) * abs(right / n - mean)
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(labels)), labels] = 1
    brier = float(np.square(probabilities - truth).sum(axis=1).mean())
    return Calibration(error, brier, float(confidence.mean()), tuple(found))


def fit_temperature(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    """Returns the temperature that makes the logits' probabilities likeliest (Guo et al. 2017, section 4.2), or 1 where
    it is no better than chance would make it (likelihood-ratio test, Wilks 1938, at 5 %).

    The true class counts as certain only up to (n + 1) / (n + 2), as Platt's targets do (1999, section 2.2): n images
    without an error would else be followed to any confidence.

    Args:
        labels: (n,) true labels of images that were not learned from.
        logits: (n, classes), as the model gives them, or their logarithms of probabilities.

    Raises:
        DataError: no images.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax
    from scipy.stats import chi2

    n, classes = logits.shape
    if not n:
        raise DataError("There are no images to fit a temperature on")
    certain = (n + 1) / (n + 2)
    targets = np.full((n, classes), (1 - certain) / (classes - 1))
    targets[np.arange(n), labels] = certain

    def compute_loss(log_temperature: float) -> float:
        return float(-(targets * log_softmax(logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    found = minimize_scalar(
        compute_loss, bounds=tuple(np.log(TEMPERATURE_BOUNDS)), method="bounded", options={"xatol": 1e-4}
    )
    is_better = chi2.sf(2 * n * (compute_loss(0.0) - float(found.fun)), df=1) < 1 - CONFIDENCE_LEVEL
    return float(np.exp(found.x)) if is_better else 1.0


def compute_risk_coverage_curve(confidence: NDArray[np.float64], is_correct: NDArray[np.bool_]) -> RiskCoverageCurve:
    """Returns the risk–coverage curve (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017, arXiv:1705.08500).

    Args:
        confidence: (n,) of each prediction, n ≥ 1.
        is_correct: (n,) whether it was right.
    """
    order = np.argsort(-confidence, kind="stable")
    number = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~is_correct[order])
    last = np.append(confidence[order][1:] != confidence[order][:-1], True)  # equally sure answers go together
    return RiskCoverageCurve(confidence[order][last], (number / len(order))[last], (wrong / number)[last])


def find_risk_threshold(
    confidence: NDArray[np.float64], is_correct: NDArray[np.bool_], target_risk: float
) -> float | None:
    """Returns the lowest confidence from which on answers are wrong at most as often as asked, with 95 % certainty that
    it is so on images like these; None where no threshold promises that.

    The bound is Clopper and Pearson's on the errors above a threshold, with Bonferroni's correction for the
    MAX_CANDIDATE_THRESHOLDS that are tried (the guarantee of Geifman and El-Yaniv 2017, arXiv:1705.08500, section 3;
    their bisection may miss a threshold, since few answers prove little however sure they are).

    Args:
        confidence: (n,) of each prediction, on images that were not learned from.
        is_correct: (n,) whether it was right.
        target_risk: the fraction of wrong predictions allowed, in (0, 1).
    """
    from scipy.stats import beta

    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, wrong = confidence[order], np.cumsum(~is_correct[order])
    numbers = np.unique(np.linspace(1, len(order), MAX_CANDIDATE_THRESHOLDS).round().astype(int))
    errors = wrong[numbers - 1]
    bounds = beta.ppf(1 - (1 - CONFIDENCE_LEVEL) / len(numbers), errors + 1, np.maximum(numbers - errors, 1e-9))
    kept = np.flatnonzero((bounds <= target_risk) & (errors < numbers))
    return float(sorted_confidence[numbers[kept[-1]] - 1]) if len(kept) else None
