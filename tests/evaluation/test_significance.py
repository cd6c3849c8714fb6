"""Tests that hold what they promise: wrong alarms at most in one case of twenty, the stated power."""

from __future__ import annotations

import numpy as np
import pytest

from striate.evaluation.intervals import compute_paired_difference
from striate.evaluation.significance import adjust_p_values, compute_detectable_difference, compute_seeded_difference

pytestmark = pytest.mark.fast


def test_holm_multiplies_step_by_step_and_never_falls():
    assert adjust_p_values([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_p_values([0.9, 0.8]) == [1.0, 1.0]
    assert adjust_p_values([0.03]) == [0.03]
    assert adjust_p_values([]) == []


@pytest.mark.heavy
@pytest.mark.parametrize(("n", "share"), [(500, 0.1), (2000, 0.05)])
def test_a_detectable_difference_is_found_in_four_cases_of_five(n, share):
    rng = np.random.default_rng(0)
    delta = compute_detectable_difference(n, round(share * n))
    both, first, second = rng.multinomial(n, [1 - share, (share - delta) / 2, (share + delta) / 2], 800).T
    rows = [
        compute_paired_difference(
            np.repeat([True, True, False], [a, b, c]), np.repeat([True, False, True], [a, b, c])
        ).p_value
        for a, b, c in zip(both, first, second, strict=True)
    ]
    assert 0.72 < np.mean(np.array(rows) < 0.05) < 0.86


def test_more_images_show_smaller_differences_and_three_show_none():
    assert (
        compute_detectable_difference(10_000, 600)
        < compute_detectable_difference(1_000, 60)
        < compute_detectable_difference(100, 6)
    )
    assert compute_detectable_difference(3, 1) is None
    assert 0 < compute_detectable_difference(10, 0) < 1


def _trained(rng, n, seeds, *, seed_spread, shift=0.0):
    """Returns (seeds, n): images differ in how hard they are, trainings in how good they came out."""
    hard = rng.normal(1.5, 1.5, n)

    def group(shift):
        skill = rng.normal(shift, seed_spread, (seeds, 1))
        return hard + skill + rng.normal(0, 0.7, (seeds, n)) > 0

    return group(0.0), group(shift)


@pytest.mark.heavy
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("seed_spread", [0.0, 0.3])
def test_equal_trainings_are_told_apart_in_at_most_one_case_of_twenty(seeds, seed_spread):
    rng = np.random.default_rng(seeds)
    found = [compute_seeded_difference(*_trained(rng, 300, seeds, seed_spread=seed_spread))[0] for _ in range(600)]
    wrong = np.mean([one.p_value < 0.05 for one in found])
    covered = np.mean([one.interval.low <= 0 <= one.interval.high for one in found])
    assert wrong < 0.072  # 0.05 and two and a half standard errors of 600 trials
    assert covered > 0.928


def test_images_alone_would_call_lucky_seeds_better():
    rng = np.random.default_rng(0)
    pairs = [_trained(rng, 3000, 3, seed_spread=0.3) for _ in range(200)]
    single = np.mean([compute_paired_difference(one[0], two[0]).p_value < 0.05 for one, two in pairs])
    seeded = np.mean([compute_seeded_difference(one, two)[0].p_value < 0.05 for one, two in pairs])
    assert single > 0.4 and seeded < 0.1


def test_a_real_difference_is_found_and_one_seed_borrows_the_others_spread():
    rng = np.random.default_rng(0)
    one, two = _trained(rng, 3000, 4, seed_spread=0.1, shift=0.8)
    paired, smallest = compute_seeded_difference(one, two)
    assert paired.p_value < 0.01 and paired.interval.low > 0
    assert 0 < smallest < paired.difference
    assert paired.only_second == int(np.sum(~one.any(axis=0) & two.all(axis=0)))
    single, _ = compute_seeded_difference(one[:1], two)
    assert np.ptp(single.interval) > np.ptp(paired.interval)


def test_equal_predictions_do_not_divide_by_nothing():
    same = np.ones((3, 10), bool)
    paired, smallest = compute_seeded_difference(same, same)
    assert paired.difference == 0 and paired.p_value == 1
    assert paired.interval.low < 0 < paired.interval.high and 0 < smallest <= 1
