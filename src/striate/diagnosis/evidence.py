"""Evidence: what a run's folder says, gathered in one value."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from striate.data.image_set import SPLIT_NAMES
from striate.data_checks.finding import Finding
from striate.diagnosis.outcome_counts import OutcomeCounts, compute_accuracy_drop, count_outcomes, rebuild_outcomes
from striate.diagnosis.training_signals import TrainingSignals, load_training_signals
from striate.errors import DataError, RunError
from striate.evaluation.prediction_table import PredictionRecord, load_labeled_predictions, load_prediction_records
from striate.evaluation.report import AccuracyEstimate, Report
from striate.runs.run import Run, RunManifest
from striate.training.history import EpochMetrics, read_history
from striate.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a training.

    Attributes:
        path: the run's folder.
        command: the command line that repeats it; "" for one made from Python.
        source: where its data came from; None for images handed over in Python.
        is_failed: whether no usable model came out.
        failure_reason: why.
        recipe: every number that shaped it.
        classes: names in label order.
        class_counts: split → images per class.
        epochs: the history.
        best_epoch: number of the epoch whose weights were kept, 0 for none.
        validation_outcomes: how the images to choose by were answered; None where that is not known.
        test_outcomes: how the images to measure on were answered.
        findings: what is remarkable about the data.
        leak_count: test images with a copy among those learned or chosen from.
        without_leaks: accuracy on the others.
        device: what it ran on.
        signals: what the training noted about itself; None for a run that noted nothing.
        missing_evidence: what could not be looked at, in words.
    """

    path: str
    command: str
    source: str | None
    is_failed: bool
    failure_reason: str | None
    recipe: Recipe
    classes: tuple[str, ...]
    class_counts: dict[str, tuple[int, ...]]
    epochs: tuple[EpochMetrics, ...]
    best_epoch: int
    validation_outcomes: OutcomeCounts | None
    test_outcomes: OutcomeCounts | None
    findings: tuple[Finding, ...]
    leak_count: int
    without_leaks: AccuracyEstimate | None
    device: str
    signals: TrainingSignals | None
    missing_evidence: tuple[str, ...] = ()

    @property
    def train_outcomes(self) -> OutcomeCounts | None:
        """How training images are answered by the finished model."""
        return self.signals.train_outcomes if self.signals else None

    @property
    def neighbor_outcomes(self) -> OutcomeCounts | None:
        """How the nearest training images answer for those of validation."""
        return self.signals.neighbor_outcomes if self.signals else None

    @property
    def chance_loss(self) -> float:
        """The loss of one who knows nothing and says so, nats: ln of the number of classes."""
        return math.log(max(2, len(self.classes)))

    @cached_property
    def finite_losses(self) -> list[float]:
        """The epochs' training losses that are numbers."""
        return [row.loss for row in self.epochs if math.isfinite(row.loss)]

    @cached_property
    def late_loss_drop(self) -> float:
        """How much of the training loss the second half of the epochs took away, relative to what was left; 0 where
        there are fewer than four epochs.
        """
        if len(self.finite_losses) < 4:
            return 0.0
        half = self.finite_losses[len(self.finite_losses) // 2 :]
        return (half[0] - half[-1]) / max(half[0], 1e-9)

    @property
    def is_worse_than_knn(self) -> bool:
        """Whether the nearest training images answer better than the model, beyond doubt."""
        if self.validation_outcomes is None or self.neighbor_outcomes is None:
            return False
        return compute_accuracy_drop(self.neighbor_outcomes, self.validation_outcomes).low > 0

    @property
    def is_unusable(self) -> bool:
        """Whether the model is no better than guessing on images it did not learn from, or there is none."""
        return self.is_failed or (self.validation_outcomes is not None and self.validation_outcomes.is_at_chance_level)


def collect_evidence(run: Run, manifest: RunManifest | None = None) -> Evidence:
    """Returns what a finished, interrupted or failed run's folder says.

    Args:
        run: whose folder.
        manifest: what its run.json will hold, while that is not yet written.

    Raises:
        RunError: the run is unfinished or damaged.
    """
    manifest, recipe = manifest or run.manifest, run.recipe
    missing: list[str] = []
    classes = tuple(manifest.data.get("classes") or ())
    is_failed = manifest.state == "failed"
    try:
        epochs = read_history(run.get_verified_file("history.csv"))
    except RunError:
        epochs = ()
        missing.append("the history of its epochs")
    symptoms = load_training_signals(run.path)
    if symptoms is None:
        missing.append(
            "what a training notes about itself (symptoms.json): its model's dead units and input, its first steps"
        )
    if not classes:
        classes = () if is_failed else tuple(row.name for row in run.report.classes)
    validation = None if is_failed else _load_outcomes(run, "validation", classes, missing)
    test = None if is_failed else _load_outcomes(run, "predictions", classes, missing)
    leaks = None if is_failed else run.report.without_leaks
    counts = _count_images(run.get_verified_file("split.csv"), classes)
    return Evidence(
        path=str(run.path),
        command=manifest.command,
        source=manifest.data.get("source"),
        is_failed=is_failed,
        failure_reason=manifest.reason,
        recipe=recipe,
        classes=classes or tuple(counts.get("train", ())),
        class_counts={split: tuple(counter[name] for name in classes) for split, counter in counts.items()},
        epochs=epochs,
        best_epoch=manifest.best_epoch,
        validation_outcomes=validation,
        test_outcomes=test,
        findings=manifest.findings,
        leak_count=0 if leaks is None or test is None else test.n - leaks.n,
        without_leaks=leaks,
        device=manifest.device,
        signals=symptoms,
        missing_evidence=tuple(missing),
    )


def _load_outcomes(
    run: Run, table_name: str, classes: tuple[str, ...], missing_evidence: list[str]
) -> OutcomeCounts | None:
    """Returns the predictions in validation.csv or predictions.csv; of an older run, as far as its report tells."""
    path = run.get_verified_file(f"{table_name}.csv")
    run.get_verified_file(f"{table_name}.npy")
    try:
        return count_outcomes(load_labeled_predictions(path, classes))
    except DataError:
        report: Report = run.validation_report if table_name == "validation" else run.report
        predictions = list(_load_records(path))
        if len(predictions) != report.n:
            missing_evidence.append(f"its single answers ({path.name})")
        confidence = np.array([one.confidence for one in predictions], np.float64)
        return rebuild_outcomes(
            report, confidence, np.array([one.true_class == one.predicted_class for one in predictions], bool)
        )


def _load_records(path: Path) -> Iterable[PredictionRecord]:
    """Returns the rows of a table of predictions; none where it cannot be read."""
    try:
        return load_prediction_records(path).values()
    except DataError:
        return ()


def _count_images(path: Path, classes: Iterable[str]) -> dict[str, Counter[str]]:
    """Returns split → class → images."""
    found: dict[str, Counter[str]] = {split: Counter() for split in SPLIT_NAMES}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found[row["split"]][row["class"]] += 1
    except (OSError, KeyError):
        return {}
    return found


EXPLODING_LOSS_RATIO = 3.0
"""Times the loss of plain ignorance: a loss above comes from confident nonsense, which a first step of an ordinary size
does not teach; untrained models begin between 1 and 2."""
