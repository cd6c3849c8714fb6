"""Evidence made up to order: a healthy training, with whatever is to be wrong changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from striate.diagnosis.evidence import Evidence
from striate.diagnosis.outcome_counts import TOP_CONFIDENCE_FRACTION, OutcomeCounts
from striate.diagnosis.training_signals import (
    SIGNALS_FORMAT,
    InputScale,
    LayerActivity,
    SplitStatistics,
    TrainingSignals,
)
from striate.training.history import EpochMetrics
from striate.training.recipe import Recipe

CLASSES = ("a", "b", "c", "d")


def tally_of(
    accuracy: float, n: int = 400, *, loss: float = 0.3, top_confidence_errors: int = 0, matrix: Any = None
) -> OutcomeCounts:
    """Returns n answers, as often right in every class, mistakes spread over the others."""
    if matrix is None:
        each = n // len(CLASSES)
        right = round(accuracy * each)
        matrix = np.full((len(CLASSES), len(CLASSES)), 0)
        for i in range(len(CLASSES)):
            matrix[i, i] = right
            for number in range(each - right):
                matrix[i, (i + 1 + number % (len(CLASSES) - 1)) % len(CLASSES)] += 1
    cells = tuple(tuple(int(cell) for cell in row) for row in matrix)
    total = sum(map(sum, cells))
    return OutcomeCounts(cells, loss, 0.6, round(TOP_CONFIDENCE_FRACTION * total), top_confidence_errors)


def epochs_of(*losses: float, val: Sequence[float] | None = None, **changes: Any) -> tuple[EpochMetrics, ...]:
    """Returns a history with those losses."""
    rows = []
    for number, loss in enumerate(losses, 1):
        other = loss if val is None else val[number - 1]
        row = {"accuracy": max(0.0, 1 - loss / 2), "val_accuracy": max(0.0, 1 - other / 2), "learning_rate": 1e-3}
        row |= {"seconds": 2.0, "ms_per_step": 4.0, "images_per_second": 500.0, "wait_fraction": 0.01} | changes
        rows.append(EpochMetrics(epoch=number, loss=loss, val_loss=other, **row))
    return tuple(rows)


def signals_of(**changes: Any) -> TrainingSignals:
    """Returns what a healthy training notes."""
    looks = tuple(SplitStatistics(split, 400, 100.0, 60.0, 0.03, 0.5) for split in ("train", "validation", "test"))
    healthy = TrainingSignals(
        format=SIGNALS_FORMAT,
        split_statistics=looks,
        train_outcomes=tally_of(0.972, 1000, loss=0.1),
        neighbor_outcomes=tally_of(0.7),
        input_scale=InputScale("conv", 0.4, 0.25),
        layer_activities=(LayerActivity("conv", 32, 1), LayerActivity("dense", 128, 20)),
        early_losses=(1.3, 1.0, 0.8),
        peak_loss=1.5,
        non_finite_batches=None,
        devices=("cpu",),
        accelerators=(),
    )
    return replace(healthy, **changes)


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Returns a maker of evidence; what is named is changed, `signals` by a dict or to None."""

    def make(signals: dict[str, Any] | None = {}, **changes: Any) -> Evidence:  # noqa: B006
        healthy = Evidence(
            path="runs/r",
            command="striate train photos --epochs 8",
            source="photos",
            is_failed=False,
            failure_reason=None,
            recipe=Recipe(epochs=8, batch=32, dropout=0.2, learning_rate=1e-3, optimizer="adam"),
            classes=CLASSES,
            class_counts={"train": (500,) * 4, "validation": (100,) * 4, "test": (100,) * 4},
            epochs=epochs_of(1.0, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2, 0.17),
            best_epoch=8,
            validation_outcomes=tally_of(0.95, loss=0.15),
            test_outcomes=tally_of(0.95, loss=0.15),
            findings=(),
            leak_count=0,
            without_leaks=None,
            device="cpu",
            signals=None if signals is None else signals_of(**signals),
        )
        return replace(healthy, **changes)

    return make
