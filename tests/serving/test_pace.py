"""How long those who wait will need, as a server reckons it."""

from __future__ import annotations

import pytest

from striate.serving.model_registry import Pace

pytestmark = pytest.mark.fast


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_wait_is_what_the_pace_of_late_makes_of_those_who_wait():
    clock = Clock()
    pace = Pace(clock)
    pace.enter(30)
    assert pace.wait == 0  # nothing is known yet
    for _ in range(10):
        clock.seconds += 0.1
        pace.leave(1)
    assert pace.waiting == 20
    assert pace.wait == pytest.approx(2.0)


def test_seconds_without_pictures_do_not_count():
    clock = Clock()
    pace = Pace(clock)
    for _ in range(5):
        pace.enter(1)
        clock.seconds += 0.1
        pace.leave(1)
        clock.seconds += 60
    pace.enter(3)
    assert pace.wait == pytest.approx(0.3)


def test_a_pace_that_changes_is_soon_known():
    clock = Clock()
    pace = Pace(clock)
    pace.enter(1000)
    for _ in range(100):
        clock.seconds += 0.01
        pace.leave(1)
    for _ in range(50):
        clock.seconds += 0.1
        pace.leave(1)
    assert pace.waiting / pace.wait == pytest.approx(10, rel=0.15)
