"""How far to trust a measured share."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Standard deviations of the normal distribution on each side of its mean that hold as much."""


class Interval(NamedTuple):
    """A confidence interval's ends."""

    low: float
    high: float


class PairedDifference(NamedTuple):
    """How two classifiers differ on the same pictures.

    Attributes:
        difference: accuracy of the second minus accuracy of the first, -1..1.
        interval: 95 % confidence interval of the difference.
        p_value: McNemar's exact test that both are equally often right.
        only_first: pictures that only the first got right.
        only_second: pictures that only the second got right.
    """

    difference: float
    interval: Interval
    p_value: float
    only_first: int
    only_second: int


def wilson(right: int, n: int) -> Interval:
    """Returns the 95 % interval of a proportion (Wilson 1927), which holds near 0 and 1 and for small n; n ≥ 1."""
    center = (right + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * math.sqrt(right * (n - right) / n + Z**2 / 4)
    return Interval(0.0 if right == 0 else float(center - half), 1.0 if right == n else float(center + half))


def f1_interval(right: int, support: int, said: int) -> Interval:
    """Returns the 95 % interval of a class's F1.

    F1 = 2 J / (1 + J), where J = right / (support + said - right) is a proportion of the pictures that belong to the
    class or were answered with it (Hand, Christen and Kirielle 2021, Machine Learning 110, call it F*): Wilson's
    interval of J, transformed.

    Args:
        right: pictures of the class that were answered with it.
        support: pictures of the class.
        said: pictures answered with it; one of the two is not 0.
    """
    low, high = wilson(right, support + said - right)
    return Interval(2 * low / (1 + low), 2 * high / (1 + high))


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedDifference:
    """Returns how often two classifiers are right on the same n ≥ 1 pictures, compared pair by pair.

    The interval adds half a picture to each of the four cells (Agresti and Min 2005, Statistics in Medicine 24,
    "Wald+2"); the test is McNemar's, exact (binomial over the pictures that only one of them got right).

    Args:
        first: (n,) whether the first was right.
        second: (n,) whether the second was right, on the same pictures in the same order.
    """
    from scipy.stats import binomtest

    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    n = len(first)
    b, c, total = only_first + 0.5, only_second + 0.5, n + 2
    centre = (c - b) / total
    half = Z * math.sqrt(b + c - (b - c) ** 2 / total) / total
    differing = only_first + only_second
    return PairedDifference(
        difference=(only_second - only_first) / n,
        interval=Interval(float(max(-1, centre - half)), float(min(1, centre + half))),
        p_value=float(binomtest(only_second, differing).pvalue) if differing else 1.0,
        only_first=only_first,
        only_second=only_second,
    )
