"""Measured images made up to order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from striate.data.decoded_cache import DecodedSet
from striate.data.loaders.arrays import from_arrays
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.report import make_report
from striate.training.history import EpochMetrics, History


@pytest.fixture
def forge() -> Callable[..., Evaluation]:
    """Returns a maker of measured images: class names, how many of each, whether errors are among them."""

    def make(
        classes: Sequence[str], each: int = 3, *, size: int = 8, channels: int = 1, errors: bool = True
    ) -> Evaluation:
        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(len(classes)), each)
        pixels = rng.integers(0, 256, (len(labels), size, size, channels), dtype=np.uint8)
        images = from_arrays(pixels, labels, classes=classes, name="made up")
        guess = np.where((np.arange(len(labels)) % 3 == 1) & errors, (labels + 1) % len(classes), labels)
        fraction = rng.uniform(0.6, 0.99, len(labels))
        rows = np.log(np.tile((1 - fraction[:, None]) / max(1, len(classes) - 1), (1, len(classes))))
        rows[np.arange(len(labels)), guess] = np.log(fraction)
        report = make_report("made up", "test", images.classes, images.keys, images.labels, rows)
        return Evaluation(report, DecodedSet(images, pixels, {}), rows)

    return make


@pytest.fixture
def training() -> Callable[..., History]:
    """Returns a maker of histories: one (loss, val_loss) per epoch, and the number of the kept one."""

    def make(*losses: tuple[float, float], kept: int = 0) -> History:
        rows = [
            EpochMetrics(number, loss, 0.5 + number / 100, val_loss, 0.4 + number / 100, 1e-3, 1.0, 100.0, 10.0)
            for number, (loss, val_loss) in enumerate(losses, 1)
        ]
        return History(tuple(rows), kept)

    return make
