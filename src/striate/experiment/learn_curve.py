"""How much data is needed: the same training on growing parts of the training pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.artifacts import artifact_names
from striate.config import replace
from striate.environment import backend_choice
from striate.errors import ConfigError, DataError
from striate.evaluation.power_law import LEAST
from striate.experiment.choice import choose
from striate.experiment.conditions import parted
from striate.experiment.engine import engine_on
from striate.experiment.growth import Document, Growth, Plan, State, earlier, grown
from striate.experiment.pictures import Prepared, prepare
from striate.experiment.plans import folder_for, pictures_of
from striate.experiment.trial import Trial
from striate.experiment.trials import Trials
from striate.files import write_json
from striate.images.cache import Decoded
from striate.images.sources.load import Data
from striate.images.split import Splits
from striate.models.architecture import Architecture
from striate.progress import SILENT, Progress
from striate.store import RunStore
from striate.training.recipe import Recipe

STEPS = 6  # sizes, each half of the next
FEWEST = 10  # pictures a class on average, at the smallest


def learn_curve(
    data: Data | Splits,
    *,
    sizes: Sequence[int] | None = None,
    seeds: int = 1,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = SILENT,
    command: str = "",
    **settings: Any,
) -> Growth:
    """Returns accuracy against the number of training pictures, the power law that it follows, and what twice as many
    would buy.

    Parts are nested and stratified: each holds the smaller ones, and the classes in their shares. Validation and test
    pictures are the same throughout. A part of 1/k of the pictures gets √k times the epochs: it makes fewer steps than
    the whole, and still is not left undertrained; the best epoch is kept. Accuracy is that on the test pictures, since
    the validation pictures choose the epoch: to plan by, not to choose a classifier by.

    Called again with the same arguments it goes on where it stopped.

    Args:
        data: what `load_images` takes, or splits made before.
        sizes: numbers of training pictures, LEAST or more; by default all of them and STEPS − 1 halvings.
        seeds: trainings a size, each with its own parts.
        architecture: the network, as `train` takes it.
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
    wanted = artifact_names(artifacts)
    engine = engine_on(on)
    given, changes = parted(settings)
    chosen, network = choose(recipe, architecture, changes, progress)
    if chosen.minutes is not None:
        raise ConfigError("A learning curve's trainings are planned in epochs", received="minutes", hint="--epochs")
    prepared = prepare(data, chosen, given, network=network, progress=progress)
    train = prepared.splits.train
    chosen_sizes = _checked(sizes, len(train)) if sizes else _halvings(len(train), len(train.classes))
    epochs = prepared.recipe.epochs
    assert epochs is not None  # noqa: S101  (planned without minutes)
    every = range(chosen.seed, chosen.seed + seeds)
    part = {f"{size}-pictures-seed-{seed}": (size, seed) for seed in every for size in chosen_sizes}
    trials = [
        Trial(
            name=trial,
            recipe=replace(chosen, seed=seed, epochs=max(1, round(epochs * math.sqrt(len(train) / size)))),
            architecture=network,
            effort=math.sqrt(size),
            artifacts=wanted,
        )
        for trial, (size, seed) in part.items()
    ]
    intended = Plan(
        sizes=chosen_sizes,
        seeds=seeds,
        data=pictures_of(prepared),
        recipe=chosen,
        backend=backend_choice().name,
    )
    name = name or folder_for("learn-curve", train.name)
    before = earlier(RunStore(runs), name, intended)
    folder = Path(runs) / name
    work = Trials(folder, trials, progress, whole="learning curve")
    if before is not None and before.state == "finished" and before.plan == intended and not work.missing():
        progress.say(f"All {len(trials)} runs are there already.")
        return Growth(folder, before)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / Growth.FILE, Document(state="unfinished", plan=intended))
    orders = {seed: _order(train.labels, seed) for seed in every}

    def pictures(trial: Trial) -> Prepared:
        size, seed = part[trial.name]
        return _part(prepared, orders[seed][:size])

    work.train(pictures, command=command, engine=engine)
    state: State = "interrupted" if work.interrupted else "failed" if work.failed else "finished"
    done = grown(folder, state, intended, work.finished(), work.failed)
    done.save()
    return done


def _halvings(n: int, classes: int) -> tuple[int, ...]:
    """Returns n and its halvings, ascending, as far down as they hold enough of every class."""
    sizes = [round(n / 2**step) for step in range(STEPS)]
    sizes = [size for size in sizes if size >= FEWEST * classes]
    if len(sizes) < LEAST:
        raise DataError(
            "There are too few training pictures for a learning curve",
            received=f"{n:,} of {classes} classes",
            expected=f"{FEWEST * classes * 2 ** (LEAST - 1):,} or more",
            hint="--sizes with smaller numbers, if you must",
        )
    return tuple(sorted(sizes))


def _checked(sizes: Sequence[int], n: int) -> tuple[int, ...]:
    """Returns the sizes, ascending."""
    different = tuple(sorted(set(sizes)))
    if len(different) < LEAST or different[0] < 2 or different[-1] > n:
        raise ConfigError(
            "These sizes make no learning curve",
            received=", ".join(map(str, sizes)),
            expected=f"{LEAST} different numbers or more, from 2 to the {n:,} training pictures",
        )
    return different


def _order(labels: NDArray[np.int32], seed: int) -> NDArray[np.intp]:
    """Returns the pictures in an order of which every beginning holds the classes in their shares."""
    rng = np.random.default_rng((seed, 0x6C63))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return np.argsort(place, kind="stable")


def _part(prepared: Prepared, rows: NDArray[np.intp]) -> Prepared:
    """Returns the same with those training pictures only."""
    whole, chosen_by, measured_on = prepared.parts
    kept = np.sort(rows)
    train = Decoded(whole.images.subset(kept), whole.pixels[kept], {})
    return dataclass_replace(prepared, parts=(train, chosen_by, measured_on))
