"""Ticks are round, lie within the limits, and can be told apart by their labels."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from striate.reporting.axes import choose_limits, choose_ticks, label_ticks

FINITE = st.floats(-1e12, 1e12, allow_nan=False)


@pytest.mark.parametrize(
    ("low", "high", "most", "labels"),
    [
        (0, 1, 9, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 100, 9, ["0", "20", "40", "60", "80", "100"]),
        (0, 2.15, 9, ["0.00", "0.25", "0.50", "0.75", "1.00", "1.25", "1.50", "1.75", "2.00"]),
        (-1, 1, 4, ["−1.0", "−0.5", "0.0", "0.5", "1.0"]),
        (0.991, 0.9965, 5, ["0.992", "0.994", "0.996"]),
        (0, 3e7, 3, ["0", "1e+07", "2e+07", "3e+07"]),
        (3_000_000, 3_000_020, 2, ["3000000", "3000010", "3000020"]),
    ],
)
def test_ticks_are_what_a_person_would_choose(low, high, most, labels):
    assert label_ticks(choose_ticks(low, high, most)) == labels


def test_whole_numbers_have_whole_ticks():
    assert choose_ticks(0.9, 3.1, 9, is_integer=True) == [1, 2, 3]
    assert choose_ticks(0, 30, 9, is_integer=True) == [0, 5, 10, 15, 20, 25, 30]
    assert choose_ticks(0, 2, 9, is_integer=True) == [0, 1, 2]


def test_percentages_are_a_hundred_times_the_value():
    assert label_ticks([0.0, 0.05, 0.1], is_percent=True) == ["0%", "5%", "10%"]
    assert label_ticks([0.99, 0.995, 1.0], is_percent=True) == ["99.0%", "99.5%", "100.0%"]


def test_a_single_tick_is_labeled_with_its_own_decimals():
    assert label_ticks([0.6000000000000001]) == ["0.6"]
    assert label_ticks([0.995], is_percent=True) == ["99.5%"]
    assert label_ticks([-20.0]) == ["−20"]


@given(FINITE, st.floats(1e-6, 1e12), st.integers(1, 9), st.booleans())
def test_ticks_lie_within_the_limits_and_are_no_more_than_asked_for(low, width, most, is_integer):
    high = low + max(width, 1e-6 * abs(low))
    ticks = choose_ticks(low, high, most, is_integer=is_integer)
    assert len(ticks) <= most + 1
    assert ticks == sorted(set(ticks))
    room = 1e-6 * (high - low)
    assert all(low - room <= tick <= high + room for tick in ticks)
    assert not is_integer or all(tick == round(tick) for tick in ticks)


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e5), st.integers(2, 9))
@example(0.5, 0.25, 2)
def test_labels_differ_and_are_the_ticks_values(low, width, most):
    ticks = choose_ticks(low, low + width, most)
    labels = label_ticks(ticks)
    assert len(set(labels)) == len(ticks)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1
    for tick, label in zip(ticks, labels, strict=True):
        assert float(label.replace("−", "-")) == pytest.approx(tick, abs=1e-3 * step + 1e-9, rel=1e-4)


@given(st.lists(st.one_of(FINITE, st.sampled_from([math.nan, math.inf, -math.inf])), max_size=8))
def test_limits_hold_every_finite_value_with_room_on_both_sides(values):
    low, high = choose_limits(values)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    assert all(low < value < high for value in values if math.isfinite(value))
