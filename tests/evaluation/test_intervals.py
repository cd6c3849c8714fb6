"""Intervals against published values, hand-worked examples and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from striate.evaluation.intervals import compute_f1_interval, compute_paired_difference, wilson

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_wilson_gives_newcombes_published_intervals(right, n, low, high):
    found = wilson(right, n)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 20_000), st.data())
def test_wilson_holds_the_share_within_zero_and_one_and_mirrors(n, data):
    right = data.draw(st.integers(0, n))
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
    assert low < high
    mirrored = wilson(n - right, n)
    assert mirrored.low == pytest.approx(1 - high, abs=1e-9)
    assert mirrored.high == pytest.approx(1 - low, abs=1e-9)


@given(st.integers(1, 10**6), st.data())
def test_wilson_is_scipys_interval(n, data):
    right = data.draw(st.integers(0, n))
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("n", "share"), [(50, 0.9), (50, 0.5), (400, 0.98), (20, 0.95)])
def test_wilson_covers_the_true_share_about_ninety_five_times_in_a_hundred(n, share):
    rights = np.random.default_rng(0).binomial(n, share, 2000)
    intervals = {right: wilson(int(right), n) for right in set(rights.tolist())}
    covered = np.mean([intervals[right].low <= share <= intervals[right].high for right in rights.tolist()])
    assert 0.91 <= covered <= 0.99


@pytest.mark.heavy
@pytest.mark.parametrize("cells", [(0.2, 0.05, 0.05), (0.1, 0.02, 0.08), (0.45, 0.02, 0.01)])
def test_the_interval_of_f1_covers_the_true_one_about_ninety_five_times_in_a_hundred(cells):
    hit, missed, false = cells
    truth = 2 * hit / (2 * hit + missed + false)
    drawn = np.random.default_rng(0).multinomial(500, [*cells, 1 - sum(cells)], 2000)
    found = [compute_f1_interval(int(a), int(a + b), int(a + c)) for a, b, c, _ in drawn]
    assert 0.935 <= np.mean([low <= truth <= high for low, high in found]) <= 0.965


def _answers(both, only_first, only_second, neither):
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    second = np.repeat([True, False, True, False], [both, only_first, only_second, neither])
    order = np.random.default_rng(0).permutation(len(first))
    return first[order], second[order]


def test_a_paired_difference_worked_by_hand():
    found = compute_paired_difference(*_answers(both=60, only_first=5, only_second=15, neither=20))
    assert (found.only_first, found.only_second) == (5, 15)
    assert found.difference == pytest.approx(0.10)
    # McNemar exact: 2 · P(X ≤ 5), X ~ B(20, ½) = 2 · (1+20+190+1140+4845+15504)/2²⁰
    assert found.p_value == pytest.approx(2 * 21_700 / 2**20)
    # b = 5.5, c = 15.5, n = 102: centre 10/102, half 1.959964 · √(21 - 100/102) / 102
    assert found.interval.low == pytest.approx(0.0120635, abs=1e-6)
    assert found.interval.high == pytest.approx(0.1840149, abs=1e-6)


def test_one_image_more_is_no_difference():
    found = compute_paired_difference(*_answers(both=8, only_first=0, only_second=1, neither=1))
    assert found.p_value == 1.0
    assert found.interval.low < 0 < found.interval.high


def test_equal_predictions_differ_in_nothing():
    found = compute_paired_difference(*_answers(both=9, only_first=0, only_second=0, neither=1))
    assert found.difference == 0
    assert found.p_value == 1.0
    assert found.interval.low == -found.interval.high < 0


@given(st.tuples(*[st.integers(0, 60)] * 4).filter(any))
def test_swapping_the_two_turns_the_sign_and_nothing_else(cells):
    first, second = _answers(*cells)
    one, two = compute_paired_difference(first, second), compute_paired_difference(second, first)
    assert one.difference == pytest.approx(second.mean() - first.mean())
    assert two.difference == pytest.approx(-one.difference)
    assert two.p_value == pytest.approx(one.p_value)
    assert two.interval.low == pytest.approx(-one.interval.high)
    assert (two.only_first, two.only_second) == (one.only_second, one.only_first)
    assert -1 <= one.interval.low < one.interval.high <= 1
    assert 0 < one.p_value <= 1


@pytest.mark.heavy
def test_the_paired_interval_covers_the_true_difference_about_ninety_five_times_in_a_hundred():
    rng = np.random.default_rng(0)
    chances = (0.8, 0.04, 0.08, 0.08)  # true difference 0.04
    covered = []
    for cells in rng.multinomial(300, chances, 1500):
        low, high = compute_paired_difference(*_answers(*cells)).interval
        covered.append(low <= 0.04 <= high)
    assert 0.92 <= np.mean(covered) <= 0.985


@pytest.mark.heavy
def test_equally_good_classifiers_are_called_different_in_at_most_five_of_a_hundred_cases():
    rng = np.random.default_rng(1)
    cells = rng.multinomial(300, (0.85, 0.05, 0.05, 0.05), 1500)
    assert np.mean([compute_paired_difference(*_answers(*row)).p_value < 0.05 for row in cells]) <= 0.05
