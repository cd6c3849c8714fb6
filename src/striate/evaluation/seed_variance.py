"""How far several trainings of the same lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from striate.config import frozen_config, read_former_keys
from striate.evaluation.intervals import CONFIDENCE_LEVEL


@read_former_keys(deviation="std", least="minimum", greatest="maximum")
@frozen_config
class ScoreStatistics:
    """Figures of several trainings.

    Attributes:
        mean: of them.
        std: their standard deviation (n − 1); None of a single one.
        minimum: the smallest.
        maximum: the largest.
        interval: 95 % interval of the mean; None of a single one.
    """

    mean: float
    std: float | None
    minimum: float
    maximum: float
    interval: tuple[float, float] | None


def summarize_scores(scores: Sequence[float], *, is_cross_validation: bool = False) -> ScoreStatistics:
    """Returns how n ≥ 1 figures lie, the interval by Student's t.

    Args:
        scores: shares, 0..1.
        is_cross_validation: whether they are those of a cross-validation, whose trainings share most of their
            pictures: then the variance of the mean is not s²/k but s²·(1/k + 1/(k − 1)) (Nadeau and Bengio 2003,
                Machine Learning 52,
            equation 9, with k folds), since no unbiased estimate of it exists (Bengio and Grandvalet 2004, JMLR 5).
    """
    from scipy.stats import t

    k, mean = len(scores), float(np.mean(scores))
    if k == 1:
        return ScoreStatistics(mean, None, mean, mean, None)
    deviation = float(np.std(scores, ddof=1))
    factor = 1 / k + (1 / (k - 1) if is_cross_validation else 0)
    reach = float(t.ppf((1 + CONFIDENCE_LEVEL) / 2, k - 1)) * deviation * math.sqrt(factor)
    return ScoreStatistics(
        mean, deviation, float(min(scores)), float(max(scores)), (max(0.0, mean - reach), min(1.0, mean + reach))
    )
