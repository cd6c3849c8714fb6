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
from striate.diagnosis.outcome_counts import Tally, drop, tally, tally_from
from striate.diagnosis.training_signals import Symptoms, load_symptoms
from striate.errors import DataError, RunError
from striate.evaluation.prediction_table import Answer, load_answered, load_answers
from striate.evaluation.report import Report, Share
from striate.runs.run import Manifest, Run
from striate.training.history import Epoch, read_history
from striate.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a training.

    Attributes:
        path: the run's folder.
        command: the command line that repeats it; "" for one made from Python.
        source: where its data came from; None for pictures handed over in Python.
        is_failed: whether no usable network came out.
        reason: why.
        recipe: every number that shaped it.
        classes: names in label order.
        counts: split → pictures per class.
        epochs: the history.
        kept: number of the epoch whose weights were kept, 0 for none.
        validation: how the pictures to choose by were answered; None where that is not known.
        test: how the pictures to measure on were answered.
        findings: what is remarkable about the data.
        leaked: test pictures with a copy among those learnt or chosen from.
        without_leaks: accuracy on the others.
        device: what it ran on.
        symptoms: what the training noted about itself; None for a run that noted nothing.
        missing: what could not be looked at, in words.
    """

    path: str
    command: str
    source: str | None
    is_failed: bool
    reason: str | None
    recipe: Recipe
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    epochs: tuple[Epoch, ...]
    kept: int
    validation: Tally | None
    test: Tally | None
    findings: tuple[Finding, ...]
    leaked: int
    without_leaks: Share | None
    device: str
    symptoms: Symptoms | None
    missing: tuple[str, ...] = ()

    @property
    def learnt(self) -> Tally | None:
        """How training pictures are answered by the finished network."""
        return self.symptoms.learnt if self.symptoms else None

    @property
    def neighbours(self) -> Tally | None:
        """How the nearest training pictures answer for those of validation."""
        return self.symptoms.neighbours if self.symptoms else None

    @property
    def ignorance(self) -> float:
        """The loss of one who knows nothing and says so, nats: ln of the number of classes."""
        return math.log(max(2, len(self.classes)))

    @cached_property
    def losses(self) -> list[float]:
        """The epochs' training losses that are numbers."""
        return [row.loss for row in self.epochs if math.isfinite(row.loss)]

    @cached_property
    def falling(self) -> float:
        """How much of the training loss the second half of the epochs took away, relative to what was left; 0 where
        there are fewer than four epochs.
        """
        if len(self.losses) < 4:
            return 0.0
        half = self.losses[len(self.losses) // 2 :]
        return (half[0] - half[-1]) / max(half[0], 1e-9)

    @property
    def is_outdone(self) -> bool:
        """Whether the nearest training pictures answer better than the network, beyond doubt."""
        if self.validation is None or self.neighbours is None:
            return False
        return drop(self.neighbours, self.validation).low > 0

    @property
    def is_useless(self) -> bool:
        """Whether the network is no better than guessing on pictures it did not learn from, or there is none."""
        return self.is_failed or (self.validation is not None and self.validation.is_no_better_than_guessing)


def gather(run: Run, manifest: Manifest | None = None) -> Evidence:
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
        epochs = read_history(run.file("history.csv"))
    except RunError:
        epochs = ()
        missing.append("the history of its epochs")
    symptoms = load_symptoms(run.path)
    if symptoms is None:
        missing.append(
            "what a training notes about itself (symptoms.json): its network's dead units and input, its first steps"
        )
    if not classes:
        classes = () if is_failed else tuple(row.name for row in run.report.classes)
    validation = None if is_failed else _answered(run, "validation", classes, missing)
    test = None if is_failed else _answered(run, "predictions", classes, missing)
    leaks = None if is_failed else run.report.without_leaks
    counts = _counts(run.file("split.csv"), classes)
    return Evidence(
        path=str(run.path),
        command=manifest.command,
        source=manifest.data.get("source"),
        is_failed=is_failed,
        reason=manifest.reason,
        recipe=recipe,
        classes=classes or tuple(counts.get("train", ())),
        counts={split: tuple(counter[name] for name in classes) for split, counter in counts.items()},
        epochs=epochs,
        kept=manifest.kept,
        validation=validation,
        test=test,
        findings=manifest.findings,
        leaked=0 if leaks is None or test is None else test.n - leaks.n,
        without_leaks=leaks,
        device=manifest.device,
        symptoms=symptoms,
        missing=tuple(missing),
    )


def _answered(run: Run, name: str, classes: tuple[str, ...], missing: list[str]) -> Tally | None:
    """Returns the answers in validation.csv or predictions.csv; of an older run, as far as its report tells."""
    path = run.file(f"{name}.csv")
    run.file(f"{name}.npy")
    try:
        return tally(load_answered(path, classes))
    except DataError:
        report: Report = run.validation if name == "validation" else run.report
        answers = list(_table(path))
        if len(answers) != report.n:
            missing.append(f"its single answers ({path.name})")
        confidence = np.array([one.confidence for one in answers], np.float64)
        return tally_from(report, confidence, np.array([one.label == one.predicted for one in answers], bool))


def _table(path: Path) -> Iterable[Answer]:
    """Returns the rows of a table of answers; none where it cannot be read."""
    try:
        return load_answers(path).values()
    except DataError:
        return ()


def _counts(path: Path, classes: Iterable[str]) -> dict[str, Counter[str]]:
    """Returns split → class → pictures."""
    found: dict[str, Counter[str]] = {split: Counter() for split in SPLIT_NAMES}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found[row["split"]][row["class"]] += 1
    except (OSError, KeyError):
        return {}
    return found


EXPLODED = 3.0
"""Times the loss of plain ignorance: a loss above comes from confident nonsense, which a first step of an ordinary size
does not teach; untrained networks begin between 1 and 2."""
