"""How much data is needed: the same training on growing parts of the training images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config, read_former_keys, replace_config, to_plain
from striate.data.decoded_cache import DecodedSet
from striate.data.loaders.load import DataSource
from striate.data.splits import Splits
from striate.errors import ConfigError, DataError
from striate.evaluation.intervals import wilson
from striate.evaluation.power_law import MIN_SIZES, PowerLaw, fit_power_law
from striate.models.architecture import Architecture
from striate.progress import NO_PROGRESS, Progress
from striate.reporting.figures import save_figure
from striate.reporting.style import format_percent
from striate.runs.artifacts import parse_artifact_names
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.studies.executor import TrialList
from striate.studies.plots import draw_learning_curve
from striate.studies.study import (
    build_fixed_settings,
    build_folder_name,
    create_executor,
    describe_data,
    load_earlier_manifest,
    refuse_other_plan,
)
from striate.studies.trial import Trial
from striate.system.atomic_files import write_csv, write_json
from striate.system.backend_choice import resolve_backend
from striate.training.recipe import Recipe
from striate.workflows.options import choose, parted
from striate.workflows.prepare_data import Prepared, prepare

LEARNING_CURVE_FORMAT = 2
MIN_USEFUL_GAIN = 0.002  # what twice as many images would buy: below, not worth the labeling

StudyState = Literal["unfinished", "interrupted", "failed", "finished"]


@frozen_config
class LearningCurvePlan:
    """What is trained. Of two commands with one name, only sizes and the number of seeds may differ.

    Attributes:
        sizes: numbers of training images, ascending.
        seeds: trainings a size.
        data: the images: source, data_dir, name, fingerprint, and shares set aside.
        recipe: the whole's.
        backend: Keras' backend.
    """

    sizes: tuple[int, ...]
    seeds: int
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@frozen_config
class LearningCurveRow:
    """What so many training images reach, the mean of its trainings.

    Attributes:
        size: training images.
        runs: the trainings' runs.
        accuracy: mean on the test images.
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


@read_former_keys(sizes="rows", law="power_law", failed="failures")
@frozen_config
class LearningCurveManifest:
    """What learning_curve.json holds.

    Attributes:
        format: of the folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a training could not be
            done; `finished`: all were.
        plan: what is trained.
        classes: names, in the order of the recalls.
        n: test images.
        rows: a row per size, ascending.
        power_law: that the errors follow; None with fewer than four sizes.
        failures: run → why it could not be trained.
    """

    state: StudyState
    plan: LearningCurvePlan
    format: int = LEARNING_CURVE_FORMAT
    classes: tuple[str, ...] = ()
    n: int = 0
    rows: tuple[LearningCurveRow, ...] = ()
    power_law: PowerLaw | None = None
    failures: dict[str, str] | None = None


@dataclass(frozen=True)
class LearningCurve:
    """A learning curve's folder, itself a folder of runs, and what its learning_curve.json holds."""

    path: Path
    manifest: LearningCurveManifest

    MANIFEST_FILE = "learning_curve.json"

    def format_verdict(self) -> str:
        """Returns what twice as many images would buy, in a sentence."""
        law = self.manifest.power_law
        if law is None:
            return "Too few sizes were trained to tell what more images would buy."
        now, twice = law.forecasts[0], law.forecasts[1]
        low, high = twice.interval
        said = (
            f"Twice the training images ({twice.size:,}) are expected to give {format_percent(twice.accuracy)} "
            f"({format_percent(low)} to {format_percent(high)}) instead of {format_percent(now.accuracy)}"
        )
        return (
            f"{said}: more images will hardly help." if twice.accuracy - now.accuracy < MIN_USEFUL_GAIN else f"{said}."
        )

    def compute_recall_gains(self) -> list[tuple[str, float, float]]:
        """Returns (class, recall at half of the images or the size below the largest, at all), the greatest gain
        first.
        """
        if len(self.manifest.rows) < 2:
            return []
        before, after = self.manifest.rows[-2:]
        rows = list(zip(self.manifest.classes, before.recalls, after.recalls, strict=True))
        return sorted(rows, key=lambda row: row[1] - row[2])

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        said = {"verdict": self.format_verdict(), "plot": str(self.path / "learning_curve.png")}
        return {"learning_curve": str(self.path), **to_plain(self.manifest), **said}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        document = self.manifest
        rows = [
            (one.size, run, accuracy)
            for one in document.rows
            for run, accuracy in zip(one.runs, one.accuracies, strict=True)
        ]
        write_csv(self.path / "learning_curve.csv", ("size", "run", "accuracy"), rows)
        if document.rows:
            figure = draw_learning_curve(
                [one.size for one in document.rows],
                [one.accuracies for one in document.rows],
                [one.interval for one in document.rows],
                document.power_law,
                title=f"{document.plan.data['name']}: accuracy on {document.n:,} test images",
            )
            save_figure(figure, self.path / "learning_curve.png")
        write_json(self.path / self.MANIFEST_FILE, document)


def build_learning_curve(
    folder: Path, state: StudyState, plan: LearningCurvePlan, runs: Sequence[Run], failures: Mapping[str, str]
) -> LearningCurve:
    """Returns the results put together."""
    reached: dict[int, list[Run]] = {}
    for run in runs:
        reached.setdefault(int(run.name.partition("-")[0]), []).append(run)
    sizes = tuple(_build_row(size, reached[size]) for size in sorted(reached))
    if not sizes:
        return LearningCurve(folder, LearningCurveManifest(state=state, plan=plan, failures=dict(failures)))
    report = runs[0].report
    points = [(one.size, 1 - accuracy) for one in sizes for accuracy in one.accuracies]
    law = None
    if len(sizes) >= MIN_SIZES:
        law = fit_power_law([size for size, _ in points], [error for _, error in points], report.n)
    return LearningCurve(
        folder,
        LearningCurveManifest(
            state=state,
            plan=plan,
            classes=tuple(row.name for row in report.classes),
            n=report.n,
            rows=sizes,
            power_law=law,
            failures=dict(failures),
        ),
    )


def _build_row(size: int, runs: Sequence[Run]) -> LearningCurveRow:
    reports = [run.report for run in runs]
    accuracies = [report.accuracy for report in reports]
    mean, n = float(np.mean(accuracies)), reports[0].n
    recalls = np.mean([[row.recall for row in report.classes] for report in reports], axis=0)
    low, high = wilson(round(mean * n), n)
    return LearningCurveRow(
        size, tuple(run.name for run in runs), mean, (low, high), tuple(accuracies), tuple(recalls.tolist())
    )


def load_earlier_curve(store: RunStore, name: str, plan: LearningCurvePlan) -> LearningCurveManifest | None:
    """Returns what the folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by work with another plan.
    """
    before = load_earlier_manifest(LearningCurveManifest, store, name, LearningCurve.MANIFEST_FILE)
    if before is not None:
        old, new = (build_fixed_settings(one.data, one.recipe, one.backend) for one in (before.plan, plan))
        refuse_other_plan(f"The learning curve {name}", old, new)
    return before


DEFAULT_SIZE_COUNT = 6  # sizes, each half of the next
MIN_MEAN_CLASS_SIZE = 10  # images a class on average, at the smallest


def learning_curve(
    data: DataSource | Splits,
    *,
    sizes: Sequence[int] | None = None,
    seeds: int = 1,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = NO_PROGRESS,
    command: str = "",
    **settings: Any,
) -> LearningCurve:
    """Returns accuracy against the number of training images, the power law that it follows, and what twice as many
    would buy.

    Parts are nested and stratified: each holds the smaller ones, and the classes in their shares. Validation and test
    images are the same throughout. A part of 1/k of the images gets √k times the epochs: it makes fewer steps than
    the whole, and still is not left undertrained; the best epoch is kept. Accuracy is that on the test images, since
    the validation images choose the epoch: to plan by, not to choose a classifier by.

    Called again with the same arguments it goes on where it stopped.

    Args:
        data: what `load_images` takes, or splits made before.
        sizes: numbers of training images, LEAST or more; by default all of them and STEPS − 1 halvings.
        seeds: trainings a size, each with its own parts.
        architecture: the model, as `train` takes it.
        recipe: the same; its epochs are those of the whole.
        name: of the folder; by default made from the data's name.
        runs: the folder that it lies in.
        on: the address of a Ray cluster, or `local`, where trainings run at the same time; by default they run here,
            one after the other.
        artifacts: pages and plots of each training's run, as `train` takes them; `write_report` makes them later.
        progress: shows what happens.
        command: the command line that repeats it, for its runs' reports.
        **settings: what `train` takes besides: data_dir, validation, allow_leaks, … and fields of the recipe.

    Raises:
        StriateError: bad data, names or settings, or a curve of that name with another plan, before anything is
            written.
    """
    if seeds < 1:
        raise ConfigError("The number of seeds cannot be used", received=seeds, expected="1 or more")
    wanted = parse_artifact_names(artifacts)
    engine = create_executor(on)
    given, changes = parted(settings)
    chosen, model = choose(recipe, architecture, changes, progress)
    if chosen.minutes is not None:
        raise ConfigError("A learning curve's trainings are planned in epochs", received="minutes", hint="--epochs")
    prepared = prepare(data, chosen, given, network=model, progress=progress)
    train = prepared.splits.train
    chosen_sizes = (
        _validate_sizes(sizes, len(train)) if sizes else _compute_default_sizes(len(train), len(train.classes))
    )
    epochs = prepared.recipe.epochs
    assert epochs is not None  # noqa: S101  (planned without minutes)
    every = range(chosen.seed, chosen.seed + seeds)
    part = {f"{size}-pictures-seed-{seed}": (size, seed) for seed in every for size in chosen_sizes}
    trials = [
        Trial(
            name=trial,
            recipe=replace_config(chosen, seed=seed, epochs=max(1, round(epochs * math.sqrt(len(train) / size)))),
            architecture=model,
            relative_cost=math.sqrt(size),
            artifacts=wanted,
        )
        for trial, (size, seed) in part.items()
    ]
    intended = LearningCurvePlan(
        sizes=chosen_sizes,
        seeds=seeds,
        data=describe_data(prepared),
        recipe=chosen,
        backend=resolve_backend().name,
    )
    name = name or build_folder_name("learning-curve", train.name)
    before = load_earlier_curve(RunStore(runs), name, intended)
    folder = Path(runs) / name
    work = TrialList(folder, trials, progress, study_kind="learning curve")
    if before is not None and before.state == "finished" and before.plan == intended and not work.list_missing_trials():
        progress.log(f"All {len(trials)} runs are there already.")
        return LearningCurve(folder, before)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / LearningCurve.MANIFEST_FILE, LearningCurveManifest(state="unfinished", plan=intended))
    orders = {seed: _shuffle_stratified(train.labels, seed) for seed in every}

    def build_trial_data(trial: Trial) -> Prepared:
        size, seed = part[trial.name]
        return _select_training_images(prepared, orders[seed][:size])

    work.train(build_trial_data, command=command, executor=engine)
    state: StudyState = "interrupted" if work.is_interrupted else "failed" if work.failures else "finished"
    done = build_learning_curve(folder, state, intended, work.list_finished_runs(), work.failures)
    done.save()
    return done


def _compute_default_sizes(train_size: int, class_count: int) -> tuple[int, ...]:
    """Returns n and its halvings, ascending, as far down as they hold enough of every class."""
    sizes = [round(train_size / 2**step) for step in range(DEFAULT_SIZE_COUNT)]
    sizes = [size for size in sizes if size >= MIN_MEAN_CLASS_SIZE * class_count]
    if len(sizes) < MIN_SIZES:
        raise DataError(
            "There are too few training images for a learning curve",
            received=f"{train_size:,} of {class_count} classes",
            expected=f"{MIN_MEAN_CLASS_SIZE * class_count * 2 ** (MIN_SIZES - 1):,} or more",
            hint="--sizes with smaller numbers, if you must",
        )
    return tuple(sorted(sizes))


def _validate_sizes(sizes: Sequence[int], train_size: int) -> tuple[int, ...]:
    """Returns the sizes, ascending."""
    different = tuple(sorted(set(sizes)))
    if len(different) < MIN_SIZES or different[0] < 2 or different[-1] > train_size:
        raise ConfigError(
            "These sizes make no learning curve",
            received=", ".join(map(str, sizes)),
            expected=f"{MIN_SIZES} different numbers or more, from 2 to the {train_size:,} training images",
        )
    return different


def _shuffle_stratified(labels: NDArray[np.int32], seed: int) -> NDArray[np.intp]:
    """Returns the images in an order of which every beginning holds the classes in their shares."""
    rng = np.random.default_rng((seed, 0x6C63))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return np.argsort(place, kind="stable")


def _select_training_images(data: Prepared, indices: NDArray[np.intp]) -> Prepared:
    """Returns the same with those training images only."""
    whole, chosen_by, measured_on = data.parts
    kept = np.sort(indices)
    train = DecodedSet(whole.images.subset(kept), whole.pixels[kept], {})
    return dataclass_replace(data, parts=(train, chosen_by, measured_on))
