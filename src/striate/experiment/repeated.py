"""What several trainings of the same came to: the folder, its plan and its results.

repeated.json       what was repeated, and the results: written first without and last with them
repeated.csv        one row per training
repeated.png        each training's accuracy, and their mean
seed-<n>/, fold-<k>/   ordinary runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from striate import drawing
from striate.config import config, plain
from striate.evaluation.intervals import wilson
from striate.evaluation.report import Share
from striate.evaluation.spread import Spread, spread
from striate.experiment.plans import fixed, read_earlier, refuse_other_plan
from striate.files import write_csv, write_json
from striate.runs import Run
from striate.store import RunStore
from striate.training.recipe import Recipe

FORMAT = 1

Kind = Literal["seeds", "folds"]
State = Literal["unfinished", "interrupted", "failed", "finished"]


@config
class Plan:
    """What is repeated. Of two commands with one name, only the number of seeds may differ.

    Attributes:
        kind: over seeds, or over the folds of a cross-validation.
        count: how many.
        data: the pictures: source, data_dir, name, fingerprint, and shares set aside.
        recipe: every run's, but for the seed.
        backend: Keras' backend.
    """

    kind: Kind
    count: int
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@config
class Attempt:
    """One of the trainings, measured on its test pictures, or on the fold that it was trained without.

    Attributes:
        run: the run's name.
        n: pictures measured.
        right: of them answered rightly.
        accuracy: their share.
        interval: its 95 % interval (Wilson).
        recalls: of each class.
        kept: the epoch whose weights were kept.
        seconds: it took in all.
    """

    run: str
    n: int
    right: int
    accuracy: float
    interval: tuple[float, float]
    recalls: tuple[float, ...]
    kept: int
    seconds: float


@config
class Document:
    """What repeated.json holds.

    Attributes:
        format: of the folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a training could not be
            done; `finished`: all were.
        plan: what is repeated.
        classes: names, in the order of the recalls.
        attempts: the trainings.
        failed: run → why it could not be trained.
        accuracy: how they lie apart.
        recalls: the same of each class's recall.
        pooled: of the folds taken together: every picture measured once.
        seconds: all took.
    """

    state: State
    plan: Plan
    format: int = FORMAT
    classes: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    failed: dict[str, str] | None = None
    accuracy: Spread | None = None
    recalls: tuple[Spread, ...] = ()
    pooled: Share | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Repeated:
    """A folder of repeated trainings, itself a folder of runs, and what its repeated.json holds."""

    path: Path
    document: Document

    FILE = "repeated.json"

    @property
    def runs(self) -> list[Run]:
        """The finished runs."""
        return [Run(self.path / one.run) for one in self.document.attempts]

    def summary(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        return {"repeated": str(self.path), **plain(self.document), "plot": str(self.path / "repeated.png")}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        document = self.document
        names = [name for name in Attempt.__dataclass_fields__ if name not in ("recalls", "interval")]
        header = (*names, "low", "high", *(f"recall {name}" for name in document.classes))
        rows = [(*(getattr(one, name) for name in names), *one.interval, *one.recalls) for one in document.attempts]
        write_csv(self.path / "repeated.csv", header, rows)
        if document.accuracy is not None:
            drawing.save(self.figure(), self.path / "repeated.png")
        write_json(self.path / self.FILE, document)

    def figure(self) -> Any:
        """Returns every training's accuracy and their mean as a matplotlib Figure."""
        from striate.evaluation.spread_plot import spread_plot

        document = self.document
        assert document.accuracy is not None  # noqa: S101
        several = f"{len(document.attempts)} {document.plan.kind}"
        return spread_plot(
            [one.run for one in document.attempts],
            [one.accuracy for one in document.attempts],
            [one.interval for one in document.attempts],
            document.accuracy,
            title=f"{document.plan.data['name']}: {several}",
            note="Bars: 95 % intervals from the number of pictures. Band: that of the mean.",
        )


def attempt(run: Run) -> Attempt:
    """Returns what a finished run reached."""
    report, manifest = run.report, run.manifest
    return Attempt(
        run=run.name,
        n=report.n,
        right=report.correct,
        accuracy=report.accuracy,
        interval=report.interval,
        recalls=tuple(row.recall for row in report.classes),
        kept=manifest.kept,
        seconds=manifest.seconds["total"],
    )


def repeated(
    folder: Path, state: State, plan: Plan, attempts: Sequence[Attempt], failed: Mapping[str, str]
) -> Repeated:
    """Returns the results put together."""
    if not attempts:
        return Repeated(folder, Document(state=state, plan=plan, failed=dict(failed)))
    folds = plan.kind == "folds"
    n, right = sum(one.n for one in attempts), sum(one.right for one in attempts)
    low, high = wilson(right, n)
    document = Document(
        state=state,
        plan=plan,
        classes=tuple(row.name for row in Run(folder / attempts[0].run).report.classes),
        attempts=tuple(attempts),
        failed=dict(failed),
        accuracy=spread([one.accuracy for one in attempts], folds=folds),
        recalls=tuple(spread(values, folds=folds) for values in zip(*(one.recalls for one in attempts), strict=True)),
        pooled=Share(n, right / n, (low, high)) if folds else None,
        seconds=sum(one.seconds for one in attempts),
    )
    return Repeated(folder, document)


def earlier(store: RunStore, name: str, intended: Plan) -> Document | None:
    """Returns what the folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by work with another plan.
    """
    before = read_earlier(Document, store, name, Repeated.FILE)
    if before is not None:
        refuse_other_plan(f"The work {name}", _fixed(before.plan), _fixed(intended))
    return before


def _fixed(intended: Plan) -> dict[str, Any]:
    folds = intended.count if intended.kind == "folds" else None
    return {"kind": intended.kind, "folds": folds, **fixed(intended.data, intended.recipe, intended.backend)}
