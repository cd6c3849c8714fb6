"""Sizes, shapes, formats and colors of a set, in numbers and in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config
from striate.data_checks.image_stats import ImageStats, decode_text
from striate.reporting.style import format_percent

MAX_VALUES_NAMED = 6  # formats or cameras named in words


@frozen_config
class ValueRange:
    """The least, the middle and the greatest of some numbers."""

    minimum: float
    median: float
    maximum: float

    def describe(self, unit: str = "", digits: int = 0) -> str:
        """Returns it for people."""
        low, middle, high = (f"{value:,.{digits}f}" for value in (self.minimum, self.median, self.maximum))
        return f"{low}{unit}, all alike" if self.minimum == self.maximum else f"{low} to {high}{unit}, median {middle}"


@frozen_config
class DatasetStatistics:
    """What the readable images are.

    Attributes:
        width: pixels, as shown.
        height: the same.
        aspect: width to height.
        bytes: of a file; None where the images are pixels.
        formats: format → images.
        modes: Pillow's color mode → images.
        cameras: EXIF make and model → images, those with one.
        mean_color: mean red, green and blue of all, 0..255.
        mean_deviation: mean of the deviations within an image, grayscale levels.
    """

    width: ValueRange
    height: ValueRange
    aspect: ValueRange
    bytes: ValueRange | None
    formats: dict[str, int]
    modes: dict[str, int]
    cameras: dict[str, int]
    mean_color: tuple[float, float, float]
    mean_deviation: float

    def describe(self) -> list[tuple[str, str]]:
        """Returns name and value of each, for people."""
        rows = [
            ("width", self.width.describe(" px")),
            ("height", self.height.describe(" px")),
            ("width to height", self.aspect.describe(digits=2)),
            ("format", _format_fractions(self.formats)),
            ("color mode", _format_fractions(self.modes)),
            ("mean red, green, blue", ", ".join(f"{value:.0f}" for value in self.mean_color)),
            ("mean contrast", f"{self.mean_deviation:.0f} grayscale levels of deviation within an image"),
        ]
        if self.bytes is not None:
            kib = ValueRange(*(value / 1024 for value in (self.bytes.minimum, self.bytes.median, self.bytes.maximum)))
            rows.insert(3, ("file size", kib.describe(" KiB", 1)))
        return rows + ([("camera", _format_fractions(self.cameras))] if self.cameras else [])


def compute_statistics(stats: ImageStats) -> DatasetStatistics | None:
    """Returns the figures; None where no image can be read."""
    facts = stats.records[stats.is_readable]
    if not len(facts):
        return None
    red, green, blue = (float(value) for value in facts["colour"].mean(axis=0))
    return DatasetStatistics(
        width=_compute_range(facts["width"]),
        height=_compute_range(facts["height"]),
        aspect=_compute_range(facts["width"] / np.maximum(1, facts["height"])),
        bytes=_compute_range(facts["bytes"]) if stats.has_files else None,
        formats=_count_values(facts["format"]),
        modes=_count_values(facts["mode"]),
        cameras=_count_values(facts["camera"][facts["camera"] != b""]),
        mean_color=(red, green, blue),
        mean_deviation=float(facts["spread"].mean()),
    )


def _compute_range(values: NDArray[Any]) -> ValueRange:
    return ValueRange(float(values.min()), float(np.median(values)), float(values.max()))


def _count_values(values: NDArray[np.bytes_]) -> dict[str, int]:
    """Returns word → number, the commonest first."""
    names, numbers = np.unique(values, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return {decode_text(names[i]) or "unknown": int(numbers[i]) for i in order}


def _format_fractions(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    parts = [f"{name} {format_percent(number / total)}" for name, number in list(counts.items())[:MAX_VALUES_NAMED]]
    return ", ".join(parts) + (f", {len(counts) - MAX_VALUES_NAMED} more" if len(counts) > MAX_VALUES_NAMED else "")
