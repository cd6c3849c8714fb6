"""The same training several times: with several seeds, or on the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from striate.config import frozen_config, read_former_keys, replace_config, to_plain
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
from striate.studies.cross_validation import prepare_folds
from striate.studies.executor import TrialExecutor, TrialList
from striate.studies.study import (
    build_fixed_settings,
    build_folder_name,
    create_executor,
    describe_data,
    load_earlier_manifest,
    refuse_other_plan,
)
from striate.studies.trial import Trial, parse_trial_number
from striate.system.atomic_files import write_csv, write_json
from striate.system.backend_choice import resolve_backend
from striate.training.recipe import Recipe
from striate.workflows.options import choose, parted
from striate.workflows.prepare_data import Prepared, prepare

REPEAT_FORMAT = 2

RepeatKind = Literal["seeds", "folds"]
StudyState = Literal["unfinished", "interrupted", "failed", "finished"]


@frozen_config
class RepeatPlan:
    """What is repeated. Of two commands with one name, only the number of seeds may differ.

    Attributes:
        kind: over seeds, or over the folds of a cross-validation.
        count: how many.
        data: the images: source, data_dir, name, fingerprint, and shares set aside.
        recipe: every run's, but for the seed.
        backend: Keras' backend.
    """

    kind: RepeatKind
    count: int
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@read_former_keys(right="correct_count", kept="best_epoch")
@frozen_config
class RepeatRow:
    """One of the trainings, measured on its test images, or on the fold that it was trained without.

    Attributes:
        run: the run's name.
        n: images measured.
        correct_count: of them answered rightly.
        accuracy: their share.
        interval: its 95 % interval (Wilson).
        recalls: of each class.
        best_epoch: the epoch whose weights were kept.
        seconds: it took in all.
    """

    run: str
    n: int
    correct_count: int
    accuracy: float
    interval: tuple[float, float]
    recalls: tuple[float, ...]
    best_epoch: int
    seconds: float


@read_former_keys(attempts="rows", failed="failures", pooled="pooled_accuracy")
@frozen_config
class RepeatManifest:
    """What repeated.json holds.

    Attributes:
        format: of the folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a training could not be
            done; `finished`: all were.
        plan: what is repeated.
        classes: names, in the order of the recalls.
        rows: the trainings.
        failures: run → why it could not be trained.
        accuracy: how they lie apart.
        recalls: the same of each class's recall.
        pooled_accuracy: of the folds taken together: every image measured once.
        seconds: all took.
    """

    state: StudyState
    plan: RepeatPlan
    format: int = REPEAT_FORMAT
    classes: tuple[str, ...] = ()
    rows: tuple[RepeatRow, ...] = ()
    failures: dict[str, str] | None = None
    accuracy: ScoreStatistics | None = None
    recalls: tuple[ScoreStatistics, ...] = ()
    pooled_accuracy: AccuracyEstimate | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class RepeatResult:
    """A folder of repeated trainings, itself a folder of runs, and what its repeated.json holds."""

    path: Path
    manifest: RepeatManifest

    MANIFEST_FILE = REPEAT_FILE

    @property
    def runs(self) -> list[Run]:
        """The finished runs."""
        return [Run(self.path / one.run) for one in self.manifest.rows]

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        return {"repeated": str(self.path), **to_plain(self.manifest), "plot": str(self.path / "repeated.png")}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        document = self.manifest
        names = [name for name in RepeatRow.__dataclass_fields__ if name not in ("recalls", "interval")]
        header = (*names, "low", "high", *(f"recall {name}" for name in document.classes))
        rows = [(*(getattr(one, name) for name in names), *one.interval, *one.recalls) for one in document.rows]
        write_csv(self.path / "repeated.csv", header, rows)
        if document.accuracy is not None:
            save_figure(self.draw_figure(), self.path / "repeated.png")
        write_json(self.path / self.MANIFEST_FILE, document)

    def draw_figure(self) -> Any:
        """Returns every training's accuracy and their mean as a matplotlib Figure."""
        from striate.studies.plots import draw_run_accuracies

        document = self.manifest
        assert document.accuracy is not None  # noqa: S101
        several = f"{len(document.rows)} {document.plan.kind}"
        return draw_run_accuracies(
            [one.run for one in document.rows],
            [one.accuracy for one in document.rows],
            [one.interval for one in document.rows],
            document.accuracy,
            title=f"{document.plan.data['name']}: {several}",
            note="Bars: 95 % intervals from the number of images. Band: that of the mean.",
        )


def build_repeat_row(run: Run) -> RepeatRow:
    """Returns what a finished run reached."""
    report, manifest = run.report, run.manifest
    return RepeatRow(
        run=run.name,
        n=report.n,
        correct_count=report.correct_count,
        accuracy=report.accuracy,
        interval=report.interval,
        recalls=tuple(row.recall for row in report.classes),
        best_epoch=manifest.best_epoch,
        seconds=manifest.phase_seconds["total"],
    )


def build_repeat_result(
    folder: Path, state: StudyState, plan: RepeatPlan, rows: Sequence[RepeatRow], failures: Mapping[str, str]
) -> RepeatResult:
    """Returns the results put together."""
    if not rows:
        return RepeatResult(folder, RepeatManifest(state=state, plan=plan, failures=dict(failures)))
    folds = plan.kind == "folds"
    n, right = sum(one.n for one in rows), sum(one.correct_count for one in rows)
    low, high = wilson(right, n)
    document = RepeatManifest(
        state=state,
        plan=plan,
        classes=tuple(row.name for row in Run(folder / rows[0].run).report.classes),
        rows=tuple(rows),
        failures=dict(failures),
        accuracy=summarize_scores([one.accuracy for one in rows], is_cross_validation=folds),
        recalls=tuple(
            summarize_scores(values, is_cross_validation=folds)
            for values in zip(*(one.recalls for one in rows), strict=True)
        ),
        pooled_accuracy=AccuracyEstimate(n, right / n, (low, high)) if folds else None,
        seconds=sum(one.seconds for one in rows),
    )
    return RepeatResult(folder, document)


def load_earlier_repeat(store: RunStore, name: str, plan: RepeatPlan) -> RepeatManifest | None:
    """Returns what the folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by work with another plan.
    """
    before = load_earlier_manifest(RepeatManifest, store, name, RepeatResult.MANIFEST_FILE)
    if before is not None:
        refuse_other_plan(f"The work {name}", _build_fixed_plan(before.plan), _build_fixed_plan(plan))
    return before


def _build_fixed_plan(plan: RepeatPlan) -> dict[str, Any]:
    folds = plan.count if plan.kind == "folds" else None
    return {"kind": plan.kind, "folds": folds, **build_fixed_settings(plan.data, plan.recipe, plan.backend)}


@dataclass(frozen=True, eq=False)
class _RepeatJob:
    """What is trained: the trials, each one's images, and what all have in common."""

    kind: RepeatKind
    trials: list[Trial]
    get_data: Callable[[Trial], Prepared]
    data: Prepared


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
) -> RepeatResult:
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
    engine = create_executor(on)
    given, changes = parted(settings)
    chosen, model = choose(recipe, architecture, changes, progress)
    prepared = prepare(data, chosen, given, network=model, progress=progress)
    trials = [
        Trial(f"seed-{seed}", replace_config(chosen, seed=seed), model, artifacts=wanted)
        for seed in range(chosen.seed, chosen.seed + seeds)
    ]
    work = _RepeatJob("seeds", trials, lambda trial: prepared, prepared)
    return _run_job(work, chosen, engine, name=name, runs=runs, progress=progress, command=command)


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
) -> RepeatResult:
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
    engine = create_executor(on)
    given, changes = parted(settings)
    chosen, model = choose(recipe, architecture, changes, progress)
    prepared, pool = prepare_folds(data, folds, chosen, given, architecture=model, progress=progress)
    trials = [Trial(f"fold-{number}", chosen, model, artifacts=wanted) for number in range(1, folds + 1)]
    work = _RepeatJob("folds", trials, lambda trial: pool.build_fold(parse_trial_number(trial) - 1), prepared)
    return _run_job(work, chosen, engine, name=name, runs=runs, progress=progress, command=command)


def _run_job(
    job: _RepeatJob,
    recipe: Recipe,
    executor: TrialExecutor,
    *,
    name: str | None,
    runs: str | Path,
    progress: Progress,
    command: str,
) -> RepeatResult:
    """Returns the trials' results, after those that are missing were trained."""
    name = name or build_folder_name(job.kind, job.data.splits.train.name)
    intended = RepeatPlan(
        kind=job.kind,
        count=len(job.trials),
        data=describe_data(job.data),
        recipe=recipe,
        backend=resolve_backend().name,
    )
    before = load_earlier_repeat(RunStore(runs), name, intended)
    folder = Path(runs) / name
    whole = {"seeds": "repetition", "folds": "cross-validation"}[job.kind]
    trials = TrialList(folder, job.trials, progress, study_kind=whole)
    if (
        before is not None
        and before.state == "finished"
        and not trials.list_missing_trials()
        and before.plan == intended
    ):
        progress.log(f"All {len(job.trials)} runs are there already.")
        return RepeatResult(folder, before)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RepeatResult.MANIFEST_FILE, RepeatManifest(state="unfinished", plan=intended))
    trials.train(job.get_data, command=command, executor=executor)
    state: StudyState = "interrupted" if trials.is_interrupted else "failed" if trials.failures else "finished"
    done = build_repeat_result(
        folder, state, intended, [build_repeat_row(run) for run in trials.list_finished_runs()], trials.failures
    )
    done.save()
    return done
