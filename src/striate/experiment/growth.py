"""What growing numbers of training pictures came to: the folder, its plan and its results.

learn_curve.json    what was trained, and the results: written first without and last with them
learn_curve.csv     one row per training
learn_curve.png     accuracy against pictures, the law, and what it expects of more
<n>-pictures-seed-<k>/   ordinary runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from striate import drawing
from striate.config import config, plain
from striate.drawing import percent
from striate.evaluation.intervals import wilson
from striate.evaluation.learn_curve_plot import learn_curve_plot
from striate.evaluation.power_law import LEAST, PowerLaw, fit_power_law
from striate.experiment.plans import fixed, read_earlier, refuse_other_plan
from striate.files import write_csv, write_json
from striate.runs import Run
from striate.store import RunStore
from striate.training.recipe import Recipe

FORMAT = 1
HARDLY = 0.002  # what twice as many pictures would buy: below, not worth the labelling

State = Literal["unfinished", "interrupted", "failed", "finished"]


@config
class Plan:
    """What is trained. Of two commands with one name, only sizes and the number of seeds may differ.

    Attributes:
        sizes: numbers of training pictures, ascending.
        seeds: trainings a size.
        data: the pictures: source, data_dir, name, fingerprint, and shares set aside.
        recipe: the whole's.
        backend: Keras' backend.
    """

    sizes: tuple[int, ...]
    seeds: int
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@config
class Size:
    """What so many training pictures reach, the mean of its trainings.

    Attributes:
        size: training pictures.
        runs: the trainings' runs.
        accuracy: mean on the test pictures.
        interval: 95 % interval (Wilson), as of one training.
        accuracies: each training's.
        recalls: each class's, mean.
    """

    size: int
    runs: tuple[str, ...]
    accuracy: float
    interval: tuple[float, float]
    accuracies: tuple[float, ...]
    recalls: tuple[float, ...]


@config
class Document:
    """What learn_curve.json holds.

    Attributes:
        format: of the folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a training could not be
            done; `finished`: all were.
        plan: what is trained.
        classes: names, in the order of the recalls.
        n: test pictures.
        sizes: a row per size, ascending.
        law: that the errors follow; None with fewer than four sizes.
        failed: run → why it could not be trained.
    """

    state: State
    plan: Plan
    format: int = FORMAT
    classes: tuple[str, ...] = ()
    n: int = 0
    sizes: tuple[Size, ...] = ()
    law: PowerLaw | None = None
    failed: dict[str, str] | None = None


@dataclass(frozen=True)
class Growth:
    """A learning curve's folder, itself a folder of runs, and what its learn_curve.json holds."""

    path: Path
    document: Document

    FILE = "learn_curve.json"

    def verdict(self) -> str:
        """Returns what twice as many pictures would buy, in a sentence."""
        law = self.document.law
        if law is None:
            return "Too few sizes were trained to tell what more pictures would buy."
        now, twice = law.forecasts[0], law.forecasts[1]
        low, high = twice.interval
        said = (
            f"Twice the training pictures ({twice.size:,}) are expected to give {percent(twice.accuracy)} "
            f"({percent(low)} to {percent(high)}) instead of {percent(now.accuracy)}"
        )
        return f"{said}: more pictures will hardly help." if twice.accuracy - now.accuracy < HARDLY else f"{said}."

    def gains(self) -> list[tuple[str, float, float]]:
        """Returns (class, recall at half of the pictures or the size below the largest, at all), the greatest gain
        first.
        """
        if len(self.document.sizes) < 2:
            return []
        before, after = self.document.sizes[-2:]
        rows = list(zip(self.document.classes, before.recalls, after.recalls, strict=True))
        return sorted(rows, key=lambda row: row[1] - row[2])

    def summary(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        said = {"verdict": self.verdict(), "plot": str(self.path / "learn_curve.png")}
        return {"learn_curve": str(self.path), **plain(self.document), **said}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        document = self.document
        rows = [
            (one.size, run, accuracy)
            for one in document.sizes
            for run, accuracy in zip(one.runs, one.accuracies, strict=True)
        ]
        write_csv(self.path / "learn_curve.csv", ("size", "run", "accuracy"), rows)
        if document.sizes:
            figure = learn_curve_plot(
                [one.size for one in document.sizes],
                [one.accuracies for one in document.sizes],
                [one.interval for one in document.sizes],
                document.law,
                title=f"{document.plan.data['name']}: accuracy on {document.n:,} test pictures",
            )
            drawing.save(figure, self.path / "learn_curve.png")
        write_json(self.path / self.FILE, document)


def grown(folder: Path, state: State, plan: Plan, runs: Sequence[Run], failed: Mapping[str, str]) -> Growth:
    """Returns the results put together."""
    reached: dict[int, list[Run]] = {}
    for run in runs:
        reached.setdefault(int(run.name.partition("-")[0]), []).append(run)
    sizes = tuple(_size(size, reached[size]) for size in sorted(reached))
    if not sizes:
        return Growth(folder, Document(state=state, plan=plan, failed=dict(failed)))
    report = runs[0].report
    points = [(one.size, 1 - accuracy) for one in sizes for accuracy in one.accuracies]
    law = None
    if len(sizes) >= LEAST:
        law = fit_power_law([size for size, _ in points], [error for _, error in points], report.n)
    return Growth(
        folder,
        Document(
            state=state,
            plan=plan,
            classes=tuple(row.name for row in report.classes),
            n=report.n,
            sizes=sizes,
            law=law,
            failed=dict(failed),
        ),
    )


def _size(size: int, runs: Sequence[Run]) -> Size:
    reports = [run.report for run in runs]
    accuracies = [report.accuracy for report in reports]
    mean, n = float(np.mean(accuracies)), reports[0].n
    recalls = np.mean([[row.recall for row in report.classes] for report in reports], axis=0)
    low, high = wilson(round(mean * n), n)
    return Size(size, tuple(run.name for run in runs), mean, (low, high), tuple(accuracies), tuple(recalls.tolist()))


def earlier(store: RunStore, name: str, intended: Plan) -> Document | None:
    """Returns what the folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by work with another plan.
    """
    before = read_earlier(Document, store, name, Growth.FILE)
    if before is not None:
        old, new = (fixed(one.data, one.recipe, one.backend) for one in (before.plan, intended))
        refuse_other_plan(f"The learning curve {name}", old, new)
    return before
