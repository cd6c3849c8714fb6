"""How far to trust a measured share."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_LEVEL = 0.95
Z_SCORE = NormalDist().inv_cdf((1 + CONFIDENCE_LEVEL) / 2)
"""Standard deviations of the normal distribution on each side of its mean that hold as much."""


class Interval(NamedTuple):
    """A confidence interval's ends."""

    low: float
    high: float


class PairedDifference(NamedTuple):
    """How two classifiers differ on the same images.

    Attributes:
        difference: accuracy of the second minus accuracy of the first, -1..1.
        interval: 95 % confidence interval of the difference.
        p_value: McNemar's exact test that both are equally often right.
        only_first: images that only the first got right.
        only_second: images that only the second got right.
    """

    difference: float
    interval: Interval
    p_value: float
    only_first: int
    only_second: int


def wilson(successes: int, n: int) -> Interval:
    """Returns the 95 % interval of a proportion (Wilson 1927), which holds near 0 and 1 and for small n; n ≥ 1."""
    center = (successes + Z_SCORE**2 / 2) / (n + Z_SCORE**2)
    half = Z_SCORE / (n + Z_SCORE**2) * math.sqrt(successes * (n - successes) / n + Z_SCORE**2 / 4)
    return Interval(0.0 if successes == 0 else float(center - half), 1.0 if successes == n else float(center + half))


def compute_f1_interval(true_positives: int, support: int, predicted_count: int) -> Interval:
    """Returns the 95 % interval of a class's F1.

    F1 = 2 J / (1 + J), where J = right / (support + said - right) is a proportion of the images that belong to the
    class or were answered with it (Hand, Christen and Kirielle 2021, Machine Learning 110, call it F*): Wilson's
    interval of J, transformed.

    Args:
        true_positives: images of the class that were answered with it.
        support: images of the class.
        predicted_count: images answered with it; one of the two is not 0.
    """
    low, high = wilson(true_positives, support + predicted_count - true_positives)
    return Interval(2 * low / (1 + low), 2 * high / (1 + high))


def compute_paired_difference(first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_]) -> PairedDifference:
    """Returns how often two classifiers are right on the same n ≥ 1 images, compared pair by pair.

    The interval adds half an image to each of the four cells (Agresti and Min 2005, Statistics in Medicine 24,
    "Wald+2"); the test is McNemar's, exact (binomial over the images that only one of them got right).

    Args:
        first_correct: (n,) whether the first was right.
        second_correct: (n,) whether the second was right, on the same images in the same order.
    """
    from scipy.stats import binomtest

    only_first, only_second = int(np.sum(first_correct & ~second_correct)), int(np.sum(second_correct & ~first_correct))
    n = len(first_correct)
    b, c, total = only_first + 0.5, only_second + 0.5, n + 2
    centre = (c - b) / total
    half = Z_SCORE * math.sqrt(b + c - (b - c) ** 2 / total) / total
    differing = only_first + only_second
    return PairedDifference(
        difference=(only_second - only_first) / n,
        interval=Interval(float(max(-1, centre - half)), float(min(1, centre + half))),
        p_value=float(binomtest(only_second, differing).pvalue) if differing else 1.0,
        only_first=only_first,
        only_second=only_second,
    )
