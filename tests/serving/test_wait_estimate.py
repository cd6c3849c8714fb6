"""How long those who wait will need, as a server reckons it."""

from __future__ import annotations

import pytest

from striate.serving.model_registry import ThroughputEstimator

pytestmark = pytest.mark.fast


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_wait_is_what_the_pace_of_late_makes_of_those_who_wait():
    clock = Clock()
    pace = ThroughputEstimator(clock)
    pace.add_images(30)
    assert pace.expected_wait == 0  # nothing is known yet
    for _ in range(10):
        clock.seconds += 0.1
        pace.remove_images(1)
    assert pace.pending_images == 20
    assert pace.expected_wait == pytest.approx(2.0)


def test_seconds_without_images_do_not_count():
    clock = Clock()
    pace = ThroughputEstimator(clock)
    for _ in range(5):
        pace.add_images(1)
        clock.seconds += 0.1
        pace.remove_images(1)
        clock.seconds += 60
    pace.add_images(3)
    assert pace.expected_wait == pytest.approx(0.3)


def test_a_pace_that_changes_is_soon_known():
    clock = Clock()
    pace = ThroughputEstimator(clock)
    pace.add_images(1000)
    for _ in range(100):
        clock.seconds += 0.01
        pace.remove_images(1)
    for _ in range(50):
        clock.seconds += 0.1
        pace.remove_images(1)
    assert pace.pending_images / pace.expected_wait == pytest.approx(10, rel=0.15)
