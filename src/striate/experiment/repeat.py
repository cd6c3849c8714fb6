"""The same training several times: with several seeds, or on the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.artifacts import artifact_names
from striate.config import replace
from striate.environment import backend_choice
from striate.errors import ConfigError
from striate.experiment.choice import choose
from striate.experiment.conditions import parted
from striate.experiment.engine import Engine, engine_on
from striate.experiment.folds import pooled
from striate.experiment.pictures import Prepared, prepare
from striate.experiment.plans import folder_for, pictures_of
from striate.experiment.repeated import Document, Kind, Plan, Repeated, State, attempt, earlier, repeated
from striate.experiment.trial import Trial, number_of
from striate.experiment.trials import Trials
from striate.files import write_json
from striate.images.sources.load import Data
from striate.images.split import Splits
from striate.models.architecture import Architecture
from striate.progress import SILENT, Progress
from striate.store import RunStore
from striate.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class _Work:
    """What is trained: the trials, each one's pictures, and what all have in common."""

    kind: Kind
    trials: list[Trial]
    pictures: Callable[[Trial], Prepared]
    prepared: Prepared


def repeat(
    data: Data | Splits,
    *,
    seeds: int = 5,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = SILENT,
    command: str = "",
    **settings: Any,
) -> Repeated:
    """Returns the same training with several seeds, on one division of the pictures, and how far the results lie apart:
    what chance in initial weights, order and augmentation makes of it.

    Called again with the same arguments it goes on where it stopped, and with more seeds it adds to them.

    Args:
        data: what `load_images` takes, or splits made before.
        seeds: how many: the recipe's seed and the next ones; the pictures are divided by the first.
        architecture: the network, as `train` takes it.
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
    wanted = artifact_names(artifacts)
    engine = engine_on(on)
    given, changes = parted(settings)
    chosen, network = choose(recipe, architecture, changes, progress)
    prepared = prepare(data, chosen, given, network=network, progress=progress)
    trials = [
        Trial(f"seed-{seed}", replace(chosen, seed=seed), network, artifacts=wanted)
        for seed in range(chosen.seed, chosen.seed + seeds)
    ]
    work = _Work("seeds", trials, lambda trial: prepared, prepared)
    return _done(work, chosen, engine, name=name, runs=runs, progress=progress, command=command)


def cross_validate(
    data: Data,
    *,
    folds: int = 5,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = SILENT,
    command: str = "",
    **settings: Any,
) -> Repeated:
    """Returns a stratified k-fold cross-validation: every picture is measured once, by a classifier that was trained
    without it.

    A test split that the data brings along stays untouched and unseen: the folds are made of the other pictures. Copies
    of one picture lie in one fold. In each training the pictures to choose by come from the folds that are learnt from.

    Args:
        data: what `load_images` takes.
        folds: how many.
        architecture: the network, as `train` takes it.
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
        StriateError: bad data, names or settings, fewer pictures of a class than folds, or work of that name with
            another plan, before anything is written.
    """
    if not 2 <= folds <= 100:
        raise ConfigError("The number of folds cannot be used", received=folds, expected="2 to 100")
    wanted = artifact_names(artifacts)
    engine = engine_on(on)
    given, changes = parted(settings)
    chosen, network = choose(recipe, architecture, changes, progress)
    prepared, pool = pooled(data, folds, chosen, given, network=network, progress=progress)
    trials = [Trial(f"fold-{number}", chosen, network, artifacts=wanted) for number in range(1, folds + 1)]
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
        backend=backend_choice().name,
    )
    before = earlier(RunStore(runs), name, intended)
    folder = Path(runs) / name
    whole = {"seeds": "repetition", "folds": "cross-validation"}[work.kind]
    trials = Trials(folder, work.trials, progress, whole=whole)
    if before is not None and before.state == "finished" and not trials.missing() and before.plan == intended:
        progress.say(f"All {len(work.trials)} runs are there already.")
        return Repeated(folder, before)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / Repeated.FILE, Document(state="unfinished", plan=intended))
    trials.train(work.pictures, command=command, engine=engine)
    state: State = "interrupted" if trials.interrupted else "failed" if trials.failed else "finished"
    done = repeated(folder, state, intended, [attempt(run) for run in trials.finished()], trials.failed)
    done.save()
    return done
