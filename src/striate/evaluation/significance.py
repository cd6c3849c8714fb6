"""Whether two classifiers differ beyond chance, how small a difference could have been seen, and many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.evaluation.intervals import CONFIDENCE_LEVEL, Interval, PairedDifference

ALPHA, POWER = 1 - CONFIDENCE_LEVEL, 0.8


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values adjusted for being several (Holm 1979, Scandinavian Journal of Statistics 6): below α, the
    chance that any of the true hypotheses is rejected is at most α, however the tests depend on each other.
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(1.0, steps)
    return [float(value) for value in found]


def compute_detectable_difference(n: int, discordant_count: int, test_count: int = 1) -> float | None:
    """Returns the smallest difference of accuracy, 0..1, that McNemar's test would have found in four cases of five, at
    α = 0.05 over all tests; None where n is too small for any.

    Connor 1987, Biometrics 43, eq. 3: n = (z_α/2 √ψ + z_β √(ψ − δ²))² / δ², solved for δ. ψ is the fraction of images
    that only one of the two gets right, as observed and with half an image more in each of the two cells; where δ
    would have to be more than ψ, ψ is taken to grow with it.

    Args:
        n: images.
        discordant_count: those that only one of the two got right.
        test_count: how many such tests are made; each gets its part of α (Bonferroni), Holm's least favourable case.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    fraction = (discordant_count + 1) / (n + 2)
    alpha, beta = float(norm.ppf(1 - ALPHA / test_count / 2)), float(norm.ppf(POWER))

    def compute_excess(delta: float) -> float:
        psi = max(fraction, delta)
        return n * delta**2 - (alpha * math.sqrt(psi) + beta * math.sqrt(psi - delta**2)) ** 2

    return float(brentq(compute_excess, 1e-9, 1.0)) if compute_excess(1.0) > 0 else None


def compute_seeded_difference(
    first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_], test_count: int = 1
) -> tuple[PairedDifference, float]:
    """Returns how two groups of trainings differ in mean accuracy on the same n ≥ 2 images, and the smallest
    difference that would have been found in four cases of five.

    Images and seeds are both random: interval and test speak of other images and other seeds of the same kind, as
    the theory of several readers and several cases does (Obuchowski and Rockette 1995, Communications in Statistics
    24; Gallas et al. 2009, the same 38, where the bootstrap of few readers is found biased). The variance is that of
    the images' mean differences over n, smoothed as `paired_difference` does it, plus each group's variance between
    seeds, beyond what chance on n images makes of equal seeds, over its number of seeds. A group of one seed is
    given the other's. Student's t has Satterthwaite's degrees of freedom (1946, Biometrics Bulletin 2).

    Args:
        first_correct: (seeds, n) whether each training of the first group was right; at least one group has several
            seeds.
        second_correct: (seeds, n) the same of the second group, images in the same order.
        test_count: as in `detectable`.
    """
    from scipy.stats import t

    by_picture = second_correct.mean(axis=0) - first_correct.mean(axis=0)
    n = len(by_picture)
    difference = float(by_picture.mean())
    centre = by_picture.sum() / (n + 2)
    images = float(((by_picture**2).sum() + 1) / (n + 2) - centre**2) / (n + 2)
    seeds, spread = 0.0, 0.0
    several = [group for group in (first_correct, second_correct) if len(group) > 1]
    for group in several:
        between, beyond = _estimate_seed_variance(group)
        fraction = 1 / len(group) + (1.0 if len(several) == 1 else 0.0)  # lent to the group of one
        seeds += fraction * beyond
        spread += (fraction * between) ** 2 / (len(group) - 1)
    error = math.sqrt(images + seeds)
    freedom = error**4 / (images**2 / (n - 1) + spread)
    half = float(t.ppf((1 + CONFIDENCE_LEVEL) / 2, freedom)) * error
    tested = PairedDifference(
        difference=difference,
        interval=Interval(max(-1.0, difference - half), min(1.0, difference + half)),
        p_value=float(2 * t.sf(abs(difference) / error, freedom)),
        only_first=int(np.sum(first_correct.all(axis=0) & ~second_correct.any(axis=0))),
        only_second=int(np.sum(second_correct.all(axis=0) & ~first_correct.any(axis=0))),
    )
    needed = float(t.ppf(1 - ALPHA / test_count / 2, freedom) + t.ppf(POWER, freedom))
    return tested, min(1.0, needed * error)


def _estimate_seed_variance(is_correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Returns the variance of the seeds' accuracies, and what of it the images' interaction with seeds (two-way
    analysis of variance without repetition) does not explain.
    """
    k, n = is_correct.shape
    accuracies = is_correct.mean(axis=1)
    between = float(accuracies.var(ddof=1))
    residual = is_correct - accuracies[:, None] - is_correct.mean(axis=0)[None, :] + is_correct.mean()
    interaction = float((residual**2).sum()) / ((k - 1) * (n - 1))
    return between, max(0.0, between - interaction / n)
