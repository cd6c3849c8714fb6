"""What a search came to: its folder, its plan and its results.

tune.json           what was searched, and the results: written first without and last with them
tune.csv            one row per configuration
tune.png            every configuration's accuracy, and where in the space it lies
study.log           the search's own journal, by which it is resumed
trial-<n>[-…]/      ordinary runs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from striate.config import frozen_config, to_plain
from striate.evaluation.intervals import wilson
from striate.evaluation.report import AccuracyEstimate
from striate.evaluation.seed_variance import ScoreStatistics, summarize_scores
from striate.reporting.figures import save_figure
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.studies.search.optuna_source import Search
from striate.studies.search.space import Space, Value
from striate.studies.study import build_fixed_settings, load_earlier_manifest, refuse_other_plan
from striate.system.atomic_files import write_csv, write_json
from striate.training.recipe import Recipe

FORMAT = 1

State = Literal["unfinished", "interrupted", "failed", "finished"]
Outcome = Literal["finished", "ended early", "failed", "unfinished"]
Kind = Literal["seeds", "folds"]


@frozen_config
class Plan:
    """What is searched. Of two commands with one name, only the number of trials may differ.

    Attributes:
        space: the settings, and where they may lie.
        trials: configurations.
        kind: what a configuration is repeated over.
        repetitions: trainings of each configuration.
        eta: of so many trainings at a rung one goes on (see asha.py); None: all.
        data: the images: source, data_dir, name, fingerprint, and shares set aside.
        recipe: what each configuration changes.
        backend: Keras' backend.
    """

    space: Space
    trials: int
    kind: Kind
    repetitions: int
    eta: int | None
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@frozen_config
class Row:
    """One configuration.

    Attributes:
        number: from 0, in the order in which they were proposed.
        state: `ended early` where the search ended its training.
        values: setting → value.
        runs: names of the finished runs.
        accuracy: on the validation images, over the repetitions.
        epochs: that its first training had.
        seconds: all took.
        reason: why it failed.
    """

    number: int
    state: Outcome
    values: dict[str, Value]
    runs: tuple[str, ...] = ()
    accuracy: ScoreStatistics | None = None
    epochs: int = 0
    seconds: float = 0.0
    reason: str | None = None


@frozen_config
class Best:
    """The configuration with the highest accuracy on the validation images.

    Attributes:
        number: its.
        run: of its runs the one with the highest accuracy there.
        recipe: that run's recipe, to train by.
        validation: how it was chosen, with the 95 % interval (Wilson) of that many images: too good by the choice.
        test: what came out on the test images, which nothing was chosen by.
        rivals: further configurations whose accuracy lies within that interval.
    """

    number: int
    run: str
    recipe: str
    validation: AccuracyEstimate
    test: AccuracyEstimate
    rivals: int


@frozen_config
class Document:
    """What tune.json holds.

    Attributes:
        format: of the folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: no training could be done;
            `finished`: the search is over.
        plan: what is searched.
        rows: the configurations.
        best: the one to take.
        seconds: all took, one after the other.
    """

    state: State
    plan: Plan
    format: int = FORMAT
    rows: tuple[Row, ...] = ()
    best: Best | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Tuned:
    """A search's folder, itself a folder of runs, and what its tune.json holds."""

    path: Path
    document: Document

    FILE = "tune.json"

    @property
    def best(self) -> Run | None:
        """The run to take, or None when none is finished."""
        return None if self.document.best is None else Run(self.path / self.document.best.run)

    @property
    def runs(self) -> list[Run]:
        """The finished runs."""
        return [Run(self.path / name) for row in self.document.rows for name in row.runs]

    def summary(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        return {"tune": str(self.path), **to_plain(self.document), "plot": str(self.path / "tune.png")}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        document = self.document
        settings = [dimension.name for dimension in document.plan.space.dimensions]
        header = ("number", "state", *settings, "accuracy", "deviation", "epochs", "seconds", "runs")
        write_csv(self.path / "tune.csv", header, (_cells(row, settings) for row in document.rows))
        if document.best is not None:
            save_figure(self.figure(), self.path / "tune.png")
        write_json(self.path / self.FILE, document)

    def figure(self) -> Any:
        """Returns every configuration's accuracy as a matplotlib Figure: in order, and by setting."""
        from striate.studies.plots import SearchPoint, draw_search

        document = self.document
        points = [
            SearchPoint(row.number, row.accuracy.mean, row.values, row.state == "ended early")
            for row in document.rows
            if row.accuracy is not None
        ]
        logs = {dimension.name: dimension.log for dimension in document.plan.space.dimensions}
        return draw_search(points, logs, title=f"{document.plan.data['name']}: {len(points)} configurations")


def _cells(row: Row, settings: list[str]) -> list[object]:
    accuracy = row.accuracy
    return [
        row.number,
        row.state,
        *(row.values.get(name, "") for name in settings),
        "" if accuracy is None else accuracy.mean,
        "" if accuracy is None or accuracy.std is None else accuracy.std,
        row.epochs,
        row.seconds,
        " ".join(row.runs),
    ]


def tuned(folder: Path, state: State, plan: Plan, search: Search, names: Mapping[int, list[str]]) -> Tuned:
    """Returns the results put together.

    Args:
        folder: the search's.
        state: of the search.
        plan: what was searched.
        search: its course.
        names: configuration's number → names of its runs, one a repetition.
    """
    rows = tuple(
        _row(folder, number, outcome, values, names[number], search.failures, folds=plan.kind == "folds")
        for number, values, outcome in search.configurations()
    )
    seconds = sum(row.seconds for row in rows)
    return Tuned(folder, Document(state=state, plan=plan, rows=rows, best=_best(folder, rows), seconds=seconds))


def _row(
    folder: Path,
    number: int,
    outcome: Any,
    values: dict[str, Value],
    names: list[str],
    failed: Mapping[str, str],
    *,
    folds: bool,
) -> Row:
    runs = [run for run in map(Run, (folder / name for name in names)) if run.state == "finished"]
    reasons = [failed[name] for name in names if name in failed]
    return Row(
        number=number,
        state=outcome,
        values=values,
        runs=tuple(run.name for run in runs),
        accuracy=summarize_scores([run.validation_report.accuracy for run in runs], is_cross_validation=folds)
        if runs
        else None,
        epochs=len(runs[0].epochs) if runs else 0,
        seconds=sum(run.manifest.phase_seconds["total"] for run in runs),
        reason=reasons[0] if reasons else None,
    )


def _best(folder: Path, rows: tuple[Row, ...]) -> Best | None:
    """Returns the configuration to take: of those that were trained to their end the most accurate; the first of
    several.
    """
    whole = [row for row in rows if row.state == "finished" and row.accuracy is not None]
    if not whole:
        return None
    row = max(whole, key=lambda one: one.accuracy.mean if one.accuracy else 0.0)
    run = max(map(Run, (folder / name for name in row.runs)), key=lambda one: one.validation_report.accuracy)
    chosen_by, measured_on = run.validation_report, run.report
    low, high = wilson(chosen_by.correct_count, chosen_by.n)
    near = [one for one in whole if one is not row and one.accuracy is not None and one.accuracy.mean >= low]
    return Best(
        number=row.number,
        run=run.name,
        recipe=str(run.path / "recipe.json"),
        validation=AccuracyEstimate(chosen_by.n, chosen_by.accuracy, (low, high)),
        test=AccuracyEstimate(measured_on.n, measured_on.accuracy, measured_on.interval),
        rivals=len(near),
    )


def earlier(store: RunStore, name: str, intended: Plan) -> Document | None:
    """Returns what the folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by a search with another plan.
    """
    before = load_earlier_manifest(Document, store, name, Tuned.FILE)
    if before is not None:
        refuse_other_plan(f"The search {name}", _fixed(before.plan), _fixed(intended))
    return before


def _fixed(plan: Plan) -> dict[str, Any]:
    searched = {dimension.name: dimension.words for dimension in plan.space.dimensions}
    settings = build_fixed_settings(plan.data, plan.recipe, plan.backend)
    return {
        **{f"--search {name}": words for name, words in searched.items()},
        plan.kind: plan.repetitions,
        "eta": plan.eta,
        **settings,
    }
