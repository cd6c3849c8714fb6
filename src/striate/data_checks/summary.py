"""Sizes, shapes, formats and colours of a set, in numbers and in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import config
from striate.data_checks.image_stats import Survey, text
from striate.reporting.style import percent

MOST = 6  # formats or cameras named in words


@config
class Range:
    """The least, the middle and the greatest of some numbers."""

    least: float
    median: float
    greatest: float

    def words(self, unit: str = "", digits: int = 0) -> str:
        """Returns it for people."""
        low, middle, high = (f"{value:,.{digits}f}" for value in (self.least, self.median, self.greatest))
        return f"{low}{unit}, all alike" if self.least == self.greatest else f"{low} to {high}{unit}, median {middle}"


@config
class Statistics:
    """What the readable pictures are.

    Attributes:
        width: pixels, as shown.
        height: the same.
        aspect: width to height.
        bytes: of a file; None where the pictures are pixels.
        formats: format → pictures.
        modes: Pillow's colour mode → pictures.
        cameras: EXIF make and model → pictures, those with one.
        colour: mean red, green and blue of all, 0..255.
        deviation: mean of the deviations within a picture, grey levels.
    """

    width: Range
    height: Range
    aspect: Range
    bytes: Range | None
    formats: dict[str, int]
    modes: dict[str, int]
    cameras: dict[str, int]
    colour: tuple[float, float, float]
    deviation: float

    def words(self) -> list[tuple[str, str]]:
        """Returns name and value of each, for people."""
        rows = [
            ("width", self.width.words(" px")),
            ("height", self.height.words(" px")),
            ("width to height", self.aspect.words(digits=2)),
            ("format", _shares(self.formats)),
            ("colour mode", _shares(self.modes)),
            ("mean red, green, blue", ", ".join(f"{value:.0f}" for value in self.colour)),
            ("mean contrast", f"{self.deviation:.0f} grey levels of deviation within a picture"),
        ]
        if self.bytes is not None:
            kib = Range(*(value / 1024 for value in (self.bytes.least, self.bytes.median, self.bytes.greatest)))
            rows.insert(3, ("file size", kib.words(" KiB", 1)))
        return rows + ([("camera", _shares(self.cameras))] if self.cameras else [])


def statistics(seen: Survey) -> Statistics | None:
    """Returns the figures; None where no picture can be read."""
    facts = seen.facts[seen.is_readable]
    if not len(facts):
        return None
    red, green, blue = (float(value) for value in facts["colour"].mean(axis=0))
    return Statistics(
        width=_range(facts["width"]),
        height=_range(facts["height"]),
        aspect=_range(facts["width"] / np.maximum(1, facts["height"])),
        bytes=_range(facts["bytes"]) if seen.are_files else None,
        formats=_counts(facts["format"]),
        modes=_counts(facts["mode"]),
        cameras=_counts(facts["camera"][facts["camera"] != b""]),
        colour=(red, green, blue),
        deviation=float(facts["spread"].mean()),
    )


def _range(values: NDArray[Any]) -> Range:
    return Range(float(values.min()), float(np.median(values)), float(values.max()))


def _counts(words: NDArray[np.bytes_]) -> dict[str, int]:
    """Returns word → number, the commonest first."""
    names, numbers = np.unique(words, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return {text(names[i]) or "unknown": int(numbers[i]) for i in order}


def _shares(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    parts = [f"{name} {percent(number / total)}" for name, number in list(counts.items())[:MOST]]
    return ", ".join(parts) + (f", {len(counts) - MOST} more" if len(counts) > MOST else "")
