"""What answering only when sure costs and buys on measured images, and from which confidence on."""

from __future__ import annotations

import numpy as np

from striate.config import frozen_config, read_former_keys
from striate.errors import ConfigError, DataError
from striate.evaluation.calibration import find_risk_threshold
from striate.evaluation.intervals import wilson
from striate.evaluation.prediction_table import LabeledPredictions

COVERAGE_LEVELS = (1.0, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Fractions of the images, the surest, whose predictions are priced."""


@read_former_keys(answered="accepted_count", wrong="error_count", risk_of_all="full_coverage_risk")
@frozen_config
class OperatingPoint:
    """A threshold's price, with 95 % intervals (Wilson).

    Attributes:
        reject_below: confidence below which nothing is answered.
        n: images.
        accepted_count: how many of them were.
        coverage: their share.
        error_count: how many of those answered were so wrongly.
        risk: their share among those answered; None where nothing was answered.
        interval: of the risk.
        full_coverage_risk: fraction of wrong predictions when everything is answered.
    """

    reject_below: float
    n: int
    accepted_count: int
    coverage: float
    error_count: int
    risk: float | None
    interval: tuple[float, float] | None
    full_coverage_risk: float

    def describe(self) -> str:
        """Returns it in a sentence."""
        from striate.reporting.style import format_percent

        if self.risk is None or self.interval is None:
            limit = format_percent(self.reject_below)
            return f"Below {limit} confidence no prediction is accepted: not one of {self.n:,} images."
        low, high = self.interval
        return (
            f"Answers {format_percent(self.coverage)} of the images, those with a confidence of "
            f"{format_percent(self.reject_below)} or more; of those predictions {format_percent(self.risk, 2)} are "
            "wrong "
            f"({format_percent(low, 2)} to {format_percent(high, 2)}), "
            f"instead of {format_percent(self.full_coverage_risk, 2)} of all."
        )


def compute_operating_point(predictions: LabeledPredictions, reject_below: float) -> OperatingPoint:
    """Returns what answering from that confidence on does to n ≥ 1 images."""
    is_right, is_answered = predictions.is_correct, predictions.confidence >= reject_below
    n, count, wrong = len(is_right), int(is_answered.sum()), int((~is_right[is_answered]).sum())
    found = wilson(wrong, count) if count else None
    return OperatingPoint(
        reject_below=reject_below,
        n=n,
        accepted_count=count,
        coverage=count / n,
        error_count=wrong,
        risk=wrong / count if count else None,
        interval=(found.low, found.high) if found else None,
        full_coverage_risk=float(1 - is_right.mean()),
    )


def compute_risk_coverage_table(predictions: LabeledPredictions) -> tuple[OperatingPoint, ...]:
    """Returns what it does to n ≥ 1 images to answer only the surest COVERED of them, each share once: where many are
    equally sure, or n is small, some fall together.
    """
    ordered = np.sort(predictions.confidence)[::-1]
    thresholds = [float(ordered[max(0, int(np.ceil(fraction * len(ordered))) - 1)]) for fraction in COVERAGE_LEVELS]
    return tuple(compute_operating_point(predictions, one) for one in dict.fromkeys(thresholds))


def compute_risk_threshold(predictions: LabeledPredictions, target_risk: float) -> float:
    """Returns the lowest confidence from which on at most that fraction of the predictions is wrong, promised with 95 %
    certainty for images like these (see calibration.threshold_for).

    Args:
        predictions: images that were not learned from; the test images are not for this.
        target_risk: in (0, 1).

    Raises:
        ConfigError: not such a share.
        DataError: no threshold can promise it; the message says what could.
    """
    require_valid_risk(target_risk)
    confidence, is_right = predictions.confidence, predictions.is_correct
    found = find_risk_threshold(confidence, is_right, target_risk)
    if found is None:
        possible = next(
            (one for one in np.geomspace(target_risk, 0.99, 60) if find_risk_threshold(confidence, is_right, one)), None
        )
        raise DataError(
            f"{len(is_right):,} validation images cannot promise so low a risk",
            received=f"{target_risk:g}",
            expected="more validation images, or a better classifier",
            hint=f"a target risk of {np.ceil(1000 * possible) / 1000:g}" if possible else None,
        )
    return found


def require_valid_risk(target_risk: float) -> None:
    """Raises ConfigError where a target risk is no fraction of wrong predictions."""
    if not 0 < target_risk < 1:
        raise ConfigError(
            "A target risk is a fraction of wrong predictions",
            received=target_risk,
            expected="between 0 and 1, say 0.01",
        )
