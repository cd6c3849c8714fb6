"""What answering only when sure costs and buys on measured pictures, and from which confidence on."""

from __future__ import annotations

import numpy as np

from striate.config import config
from striate.errors import ConfigError, DataError
from striate.evaluation.calibration import threshold_for
from striate.evaluation.intervals import wilson
from striate.evaluation.prediction_table import Answered

COVERED = (1.0, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of the pictures, the surest, whose answers are priced."""


@config
class Refusal:
    """A threshold's price, with 95 % intervals (Wilson).

    Attributes:
        reject_below: confidence below which nothing is answered.
        n: pictures.
        answered: how many of them were.
        coverage: their share.
        wrong: how many of those answered were so wrongly.
        risk: their share among those answered; None where nothing was answered.
        interval: of the risk.
        risk_of_all: share of wrong answers when everything is answered.
    """

    reject_below: float
    n: int
    answered: int
    coverage: float
    wrong: int
    risk: float | None
    interval: tuple[float, float] | None
    risk_of_all: float

    def line(self) -> str:
        """Returns it in a sentence."""
        from striate.reporting.style import percent

        if self.risk is None or self.interval is None:
            return f"Below {percent(self.reject_below)} confidence nothing is answered: not one of {self.n:,} pictures."
        low, high = self.interval
        return (
            f"Answers {percent(self.coverage)} of the pictures, those with a confidence of "
            f"{percent(self.reject_below)} or more; of those answers {percent(self.risk, 2)} are wrong "
            f"({percent(low, 2)} to {percent(high, 2)}), "
            f"instead of {percent(self.risk_of_all, 2)} of all."
        )


def refusal(answered: Answered, reject_below: float) -> Refusal:
    """Returns what answering from that confidence on does to n ≥ 1 pictures."""
    is_right, is_answered = answered.is_right, answered.confidence >= reject_below
    n, count, wrong = len(is_right), int(is_answered.sum()), int((~is_right[is_answered]).sum())
    found = wilson(wrong, count) if count else None
    return Refusal(
        reject_below=reject_below,
        n=n,
        answered=count,
        coverage=count / n,
        wrong=wrong,
        risk=wrong / count if count else None,
        interval=(found.low, found.high) if found else None,
        risk_of_all=float(1 - is_right.mean()),
    )


def prices(answered: Answered) -> tuple[Refusal, ...]:
    """Returns what it does to n ≥ 1 pictures to answer only the surest COVERED of them, each share once: where many are
    equally sure, or n is small, some fall together.
    """
    ordered = np.sort(answered.confidence)[::-1]
    thresholds = [float(ordered[max(0, int(np.ceil(share * len(ordered))) - 1)]) for share in COVERED]
    return tuple(refusal(answered, one) for one in dict.fromkeys(thresholds))


def promised(answered: Answered, risk: float) -> float:
    """Returns the lowest confidence from which on at most that share of the answers is wrong, promised with 95 %
    certainty for pictures like these (see calibration.threshold_for).

    Args:
        answered: pictures that were not learnt from; the test pictures are not for this.
        risk: in (0, 1).

    Raises:
        ConfigError: not such a share.
        DataError: no threshold can promise it; the message says what could.
    """
    require_risk(risk)
    confidence, is_right = answered.confidence, answered.is_right
    found = threshold_for(confidence, is_right, risk)
    if found is None:
        possible = next((one for one in np.geomspace(risk, 0.99, 60) if threshold_for(confidence, is_right, one)), None)
        raise DataError(
            f"{len(is_right):,} validation pictures cannot promise so low a risk",
            received=f"{risk:g}",
            expected="more validation pictures, or a better classifier",
            hint=f"a target risk of {np.ceil(1000 * possible) / 1000:g}" if possible else None,
        )
    return found


def require_risk(risk: float) -> None:
    """Raises ConfigError where a target risk is no share of wrong answers."""
    if not 0 < risk < 1:
        raise ConfigError(
            "A target risk is a share of wrong answers", received=risk, expected="between 0 and 1, say 0.01"
        )
