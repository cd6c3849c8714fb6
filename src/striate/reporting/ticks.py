"""Round numbers along an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

MARGIN = 0.05
"""Fraction of the values' range that is left free on both sides."""


def choose_limits(values: Iterable[float]) -> tuple[float, float]:
    """Returns limits that hold all finite values with a margin; (0, 1) where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = MARGIN * (high - low)
    if room <= 1e-12 * max(abs(low), abs(high)):
        room = MARGIN * abs(high) or 0.5
    return low - room, high + room


def choose_ticks(low: float, high: float, most: int, *, is_integer: bool = False) -> list[float]:
    """Returns multiples of 1, 2, 2.5 or 5 times a power of ten within limits, at most `most` + 1 of them."""
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [factor * power for factor in (1, 2, 2.5, 5, 10, 20)]
    if is_integer:
        steps = [step for step in steps if step >= 1 and step == round(step)] or [1.0]
    step = next(step for step in steps if step >= raw * (1 - 1e-9) or step == steps[-1])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def label_ticks(ticks: Sequence[float], *, is_percent: bool = False) -> list[str]:
    """Returns the ticks in words, all with as many decimals as they need to differ; 0..1 as percentages if asked to."""
    shown = [100 * tick for tick in ticks] if is_percent else list(ticks)
    end = "%" if is_percent else ""
    if len(shown) < 2:
        return [f"{value:.6g}{end}".replace("-", "−") for value in shown]
    step = min(abs(b - a) for a, b in pairwise(shown))
    largest = max(map(abs, shown))
    if largest >= 1e6 or step < 1e-5:
        significant = math.ceil(math.log10(max(largest, step) / step)) + 1
        return [f"{value:.{significant}g}".replace("-", "−") for value in shown]
    scaled = [step * 10**digits for digits in range(6)]
    digits = next((place for place, one in enumerate(scaled) if one > 0.5 and abs(one - round(one)) < 1e-3 * one), 6)
    return [f"{value:.{digits}f}{end}".replace("-", "−") for value in shown]
