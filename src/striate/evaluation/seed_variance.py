"""How far several trainings of the same lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from striate.config import config
from striate.evaluation.intervals import CONFIDENCE


@config
class Spread:
    """Figures of several trainings.

    Attributes:
        mean: of them.
        deviation: their standard deviation (n − 1); None of a single one.
        least: the smallest.
        greatest: the largest.
        interval: 95 % interval of the mean; None of a single one.
    """

    mean: float
    deviation: float | None
    least: float
    greatest: float
    interval: tuple[float, float] | None


def spread(values: Sequence[float], *, folds: bool = False) -> Spread:
    """Returns how n ≥ 1 figures lie, the interval by Student's t.

    Args:
        values: shares, 0..1.
        folds: whether they are those of a cross-validation, whose trainings share most of their pictures: then the
            variance of the mean is not s²/k but s²·(1/k + 1/(k − 1)) (Nadeau and Bengio 2003, Machine Learning 52,
            equation 9, with k folds), since no unbiased estimate of it exists (Bengio and Grandvalet 2004, JMLR 5).
    """
    from scipy.stats import t

    k, mean = len(values), float(np.mean(values))
    if k == 1:
        return Spread(mean, None, mean, mean, None)
    deviation = float(np.std(values, ddof=1))
    factor = 1 / k + (1 / (k - 1) if folds else 0)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, k - 1)) * deviation * math.sqrt(factor)
    return Spread(
        mean, deviation, float(min(values)), float(max(values)), (max(0.0, mean - reach), min(1.0, mean + reach))
    )
