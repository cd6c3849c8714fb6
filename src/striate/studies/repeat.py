"""The same training several times: with several seeds, or on the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from striate.config import frozen_config, replace_config, to_plain
from striate.data.loaders.load import DataSource
from striate.data.splits import Splits
from striate.errors import ConfigError
from striate.evaluation.intervals import wilson
from striate.evaluation.report import AccuracyEstimate
from striate.evaluation.seed_variance import ScoreStatistics, summarize_scores
from striate.models.architecture import Architecture
from striate.progress import NO_PROGRESS, Progress
from striate.reporting.figures import save_figure
from striate.runs.artifacts import parse_artifact_names
from striate.runs.run import Run
from striate.runs.store import REPEAT_FILE, RunStore
from striate.studies.cross_validation import pooled
from striate.studies.executor import Engine, Trials
from striate.studies.study import engine_on, fixed, folder_for, pictures_of, read_earlier, refuse_other_plan
from striate.studies.trial import Trial, number_of
from striate.system.atomic_files import write_csv, write_json
from striate.system.backend_choice import resolve_backend
from striate.training.recipe import Recipe
from striate.workflows.options import choose, parted
from striate.workflows.prepare_data import Prepared, prepare

FORMAT = 1

Kind = Literal["seeds", "folds"]
State = Literal["unfinished", "interrupted", "failed", "finished"]


@frozen_config
class Plan:
    """What is repeated. Of two commands with one name, only the number of seeds may differ.

    Attributes:
        kind: over seeds, or over the folds of a cross-validation.
        count: how many.
        data: the images: source, data_dir, name, fingerprint, and shares set aside.
        recipe: every run's, but for the seed.
        backend: Keras' backend.
    """

    kind: Kind
    count: int
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@frozen_config
class Attempt:
    """One of the trainings, measured on its test images, or on the fold that it was trained without.

    Attributes:
        run: the run's name.
        n: images measured.
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


@frozen_config
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
        pooled: of the folds taken together: every image measured once.
        seconds: all took.
    """

    state: State
    plan: Plan
    format: int = FORMAT
    classes: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    failed: dict[str, str] | None = None
    accuracy: ScoreStatistics | None = None
    recalls: tuple[ScoreStatistics, ...] = ()
    pooled: AccuracyEstimate | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Repeated:
    """A folder of repeated trainings, itself a folder of runs, and what its repeated.json holds."""

    path: Path
    document: Document

    FILE = REPEAT_FILE

    @property
    def runs(self) -> list[Run]:
        """The finished runs."""
        return [Run(self.path / one.run) for one in self.document.attempts]

    def summary(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        return {"repeated": str(self.path), **to_plain(self.document), "plot": str(self.path / "repeated.png")}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        document = self.document
        names = [name for name in Attempt.__dataclass_fields__ if name not in ("recalls", "interval")]
        header = (*names, "low", "high", *(f"recall {name}" for name in document.classes))
        rows = [(*(getattr(one, name) for name in names), *one.interval, *one.recalls) for one in document.attempts]
        write_csv(self.path / "repeated.csv", header, rows)
        if document.accuracy is not None:
            save_figure(self.figure(), self.path / "repeated.png")
        write_json(self.path / self.FILE, document)

    def figure(self) -> Any:
        """Returns every training's accuracy and their mean as a matplotlib Figure."""
        from striate.studies.plots import spread_plot

        document = self.document
        assert document.accuracy is not None  # noqa: S101
        several = f"{len(document.attempts)} {document.plan.kind}"
        return spread_plot(
            [one.run for one in document.attempts],
            [one.accuracy for one in document.attempts],
            [one.interval for one in document.attempts],
            document.accuracy,
            title=f"{document.plan.data['name']}: {several}",
            note="Bars: 95 % intervals from the number of images. Band: that of the mean.",
        )


def attempt(run: Run) -> Attempt:
    """Returns what a finished run reached."""
    report, manifest = run.report, run.manifest
    return Attempt(
        run=run.name,
        n=report.n,
        right=report.correct_count,
        accuracy=report.accuracy,
        interval=report.interval,
        recalls=tuple(row.recall for row in report.classes),
        kept=manifest.best_epoch,
        seconds=manifest.phase_seconds["total"],
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
        accuracy=summarize_scores([one.accuracy for one in attempts], is_cross_validation=folds),
        recalls=tuple(
            summarize_scores(values, is_cross_validation=folds)
            for values in zip(*(one.recalls for one in attempts), strict=True)
        ),
        pooled=AccuracyEstimate(n, right / n, (low, high)) if folds else None,
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


@dataclass(frozen=True, eq=False)
class _Work:
    """What is trained: the trials, each one's images, and what all have in common."""

    kind: Kind
    trials: list[Trial]
    pictures: Callable[[Trial], Prepared]
    prepared: Prepared


def repeat(
    data: DataSource | Splits,
    *,
    seeds: int = 5,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = NO_PROGRESS,
    command: str = "",
    **settings: Any,
) -> Repeated:
    """Returns the same training with several seeds, on one division of the images, and how far the results lie apart:
    what chance in initial weights, order and augmentation makes of it.

    Called again with the same arguments it goes on where it stopped, and with more seeds it adds to them.

    Args:
        data: what `load_images` takes, or splits made before.
        seeds: how many: the recipe's seed and the next ones; the images are divided by the first.
        architecture: the model, as `train` takes it.
        recipe: the same.
        name: of the folder; by default made from the data's name.
        runs: the folder that it lies in.
        on: the address of a Ray cluster, or `local`, where trainings run at the same time; by default they run here,
            one after the other.
        artifacts: pages and plots of each training's run, as `train` takes them; `write_report` makes them later.
        progress: shows what happens.
        command: the command line that repeats it, for its runs' reports.
        **settings: what `train` takes besides: data_dir, validation, allow_leaks, … and fields of the recipe.

    Raises:
        StriateError: bad data, names or settings, or work of that name with another plan, before anything is written.
    """
    if seeds < 2:
        raise ConfigError("The number of seeds cannot be used", received=seeds, expected="2 or more")
    wanted = parse_artifact_names(artifacts)
    engine = engine_on(on)
    given, changes = parted(settings)
    chosen, model = choose(recipe, architecture, changes, progress)
    prepared = prepare(data, chosen, given, network=model, progress=progress)
    trials = [
        Trial(f"seed-{seed}", replace_config(chosen, seed=seed), model, artifacts=wanted)
        for seed in range(chosen.seed, chosen.seed + seeds)
    ]
    work = _Work("seeds", trials, lambda trial: prepared, prepared)
    return _done(work, chosen, engine, name=name, runs=runs, progress=progress, command=command)


def cross_validate(
    data: DataSource,
    *,
    folds: int = 5,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = NO_PROGRESS,
    command: str = "",
    **settings: Any,
) -> Repeated:
    """Returns a stratified k-fold cross-validation: every image is measured once, by a classifier that was trained
    without it.

    A test split that the data brings along stays untouched and unseen: the folds are made of the other images. Copies
    of one image lie in one fold. In each training the images to choose by come from the folds that are learned from.

    Args:
        data: what `load_images` takes.
        folds: how many.
        architecture: the model, as `train` takes it.
        recipe: the same.
        name: of the folder; by default made from the data's name.
        runs: the folder that it lies in.
        on: the address of a Ray cluster, or `local`, where trainings run at the same time; by default they run here,
            one after the other.
        artifacts: pages and plots of each training's run, as `train` takes them; `write_report` makes them later.
        progress: shows what happens.
        command: the command line that repeats it, for its runs' reports.
        **settings: what `train` takes besides: data_dir, validation, … and fields of the recipe.

    Raises:
        StriateError: bad data, names or settings, fewer images of a class than folds, or work of that name with
            another plan, before anything is written.
    """
    if not 2 <= folds <= 100:
        raise ConfigError("The number of folds cannot be used", received=folds, expected="2 to 100")
    wanted = parse_artifact_names(artifacts)
    engine = engine_on(on)
    given, changes = parted(settings)
    chosen, model = choose(recipe, architecture, changes, progress)
    prepared, pool = pooled(data, folds, chosen, given, network=model, progress=progress)
    trials = [Trial(f"fold-{number}", chosen, model, artifacts=wanted) for number in range(1, folds + 1)]
    work = _Work("folds", trials, lambda trial: pool.fold(number_of(trial) - 1), prepared)
    return _done(work, chosen, engine, name=name, runs=runs, progress=progress, command=command)


def _done(
    work: _Work, chosen: Recipe, engine: Engine, *, name: str | None, runs: str | Path, progress: Progress, command: str
) -> Repeated:
    """Returns the trials' results, after those that are missing were trained."""
    name = name or folder_for(work.kind, work.prepared.splits.train.name)
    intended = Plan(
        kind=work.kind,
        count=len(work.trials),
        data=pictures_of(work.prepared),
        recipe=chosen,
        backend=resolve_backend().name,
    )
    before = earlier(RunStore(runs), name, intended)
    folder = Path(runs) / name
    whole = {"seeds": "repetition", "folds": "cross-validation"}[work.kind]
    trials = Trials(folder, work.trials, progress, whole=whole)
    if before is not None and before.state == "finished" and not trials.missing() and before.plan == intended:
        progress.log(f"All {len(work.trials)} runs are there already.")
        return Repeated(folder, before)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / Repeated.FILE, Document(state="unfinished", plan=intended))
    trials.train(work.pictures, command=command, engine=engine)
    state: State = "interrupted" if trials.interrupted else "failed" if trials.failed else "finished"
    done = repeated(folder, state, intended, [attempt(run) for run in trials.finished()], trials.failed)
    done.save()
    return done
