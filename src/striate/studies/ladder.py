"""The ladder: the models in the order of their history, each trained on the same images with the same budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.config import replace_config
from striate.data.loaders.folder import NestedMode
from striate.data.loaders.load import DataSource
from striate.data.splits import Splits
from striate.errors import ConfigError
from striate.evaluation.evaluate import measure_ms_per_image
from striate.models.architecture import Architecture, Shape, build_without_weights
from striate.models.registry import ARCHITECTURES, get_architecture
from striate.progress import NO_PROGRESS, Progress
from striate.runs.artifacts import parse_artifact_names
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.studies.executor import TrialList
from striate.studies.ladder_result import FORMAT, Document, Ladder, Plan, earlier, measured, steps
from striate.studies.study import build_folder_name, create_executor
from striate.studies.trial import Trial
from striate.system.atomic_files import write_json
from striate.system.backend_choice import resolve_backend
from striate.training.auto_config import plan, preprocessing_of
from striate.training.presets import recipe_named
from striate.training.recipe import Recipe
from striate.workflows.options import MAX_BROKEN, Conditions, one_budget
from striate.workflows.prepare_data import Prepared, decode, gather


def climb(
    folder: Path,
    recipe: Recipe,
    networks: Iterable[Architecture],
    seeds: int,
    progress: Progress,
    artifacts: tuple[str, ...] = (),
) -> TrialList:
    """Returns the trials of a ladder, one group a model.

    Args:
        folder: the ladder's.
        recipe: every run's; its seed is the first model's and the division's.
        networks: in the ladder's order.
        seeds: runs per model.
        progress: shows what happens.
        artifacts: names of those that each run is to have.
    """
    trials = [
        Trial(
            name=f"{model.name}-seed{seed}",
            recipe=replace_config(recipe, seed=seed),
            architecture=model,
            label=model.name,
            description=str(model.year),
            group=model.name,
            artifacts=artifacts,
        )
        for seed in range(recipe.seed, recipe.seed + seeds)
        for model in networks
    ]
    return TrialList(folder, trials, progress, study_kind="ladder")


def seconds_left(trials: TrialList, work: dict[str, int | None], rest: Sequence[Trial]) -> float | None:
    """Returns a guess: what a model's own run took, or what the hardest so far took, times the work; of a budget in
    minutes, as long as the longest. None while nothing comparable has been trained: a multiply-add of an mlp and one of
    a deep model take times of their own.

    Args:
        trials: a ladder's.
        work: model → multiply-adds.
        rest: those that are still to be trained.
    """
    taken = {trial.group: runs[-1] for trial in trials.trials if (runs := trials.list_finished_runs(trial.group))}
    seconds = {name: run.manifest.phase_seconds["total"] for name, run in taken.items()}
    if rest[0].recipe.minutes is not None:
        return len(rest) * max(seconds.values())
    size = {name: adds or 1 for name, adds in work.items()}
    hardest = max(seconds, key=lambda name: size[name])
    unknown = [size[trial.group] for trial in rest if trial.group not in seconds]
    if max(unknown, default=0) > 10 * size[hardest]:
        return None
    return sum(
        seconds.get(trial.group, seconds[hardest] * max(1.0, size[trial.group] / size[hardest])) for trial in rest
    )


SMALL = 64
"""The longest side, pixels, up to which the ladder has the small images' rungs."""

SMALL_RUNGS = ("mlp", "lenet", "alexnet", "vgg-small", "googlenet", "resnet20")
LARGE_RUNGS = ("mlp", "lenet", "alexnet", "vgg11", "googlenet", "resnet18")

TIMED = 256  # test images that the prediction time is taken on


def ladder(
    data: DataSource | Splits,
    *,
    rungs: Sequence[str | Architecture] | None = None,
    seeds: int = 1,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    data_dir: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    max_broken: float = MAX_BROKEN,
    nested: NestedMode = "top",
    corrections: str | Path | None = None,
    allow_leaks: bool = False,
    progress: Progress = NO_PROGRESS,
    command: str = "",
    **changes: Any,
) -> Ladder:
    """Returns several models trained on the same images with the same budget, and what each reached.

    Called again with the same arguments it goes on where it stopped: finished runs are kept.

    Args:
        data: what `load_images` takes, or splits made before.
        rungs: the models, in their order; by default history's, from the mlp to a residual model.
        seeds: runs per model; all share one division of the images.
        recipe: the name of a recipe, a recipe.json, or a Recipe; its model is not used, nor pretrained weights,
            since models on equal terms all begin with nothing.
        name: of the ladder's folder; by default made from the data's name.
        runs: the folder that it lies in.
        on: the address of a Ray cluster, or `local`, where trainings run at the same time; by default they run here,
            one after the other.
        artifacts: pages and plots of each training's run, as `train` takes them; `write_report` makes them later.
        data_dir: where named data sets lie or are put.
        validation: fraction of the images to choose by, unless the data brings its own.
        test: share to measure on, unless the data brings its own.
        max_broken: fraction of unreadable images above which nothing is trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of images to leave out or to relabel, as `striate data --fix` writes it.
        allow_leaks: train although images of one split have copies in another.
        progress: shows what happens.
        command: the command line that repeats the ladder, for its runs' reports.
        **changes: fields of the recipe to set otherwise (epochs=…, minutes=…, batch=…, height=…, …).

    Raises:
        StriateError: bad data, names or settings, or a ladder of that name with another plan, before anything is
            written. A model that cannot be trained does not end the ladder; its row says why.
    """
    wanted = parse_artifact_names(artifacts)
    engine = create_executor(on)
    models = None if rungs is None else _networks(rungs)
    if seeds < 1:
        raise ConfigError("The number of seeds cannot be used", received=seeds, expected="1 or more")
    scratch = {"architecture": None, "pretrained": "none", "fine_tune": 0}
    chosen = replace_config(recipe_named(recipe), "the recipe", **{**one_budget(changes), **scratch})
    given = Conditions(data_dir, validation, test, max_broken, nested, corrections, allow_leaks)
    found = gather(data, given, seed=chosen.seed, progress=progress)
    planned = plan(chosen, found.splits.train)
    form = preprocessing_of(planned)
    models = models or _networks(SMALL_RUNGS if max(form.height, form.width) <= SMALL else LARGE_RUNGS)
    intended = Plan(
        data={
            "source": found.source,
            "data_dir": given.place,
            "name": found.whole.name,
            "fingerprint": found.whole.compute_fingerprint(),
            "validation": validation,
            "test": test,
        },
        rungs=tuple(model.name for model in models),
        seeds=seeds,
        recipe=replace_config(chosen, height=form.height, width=form.width, channels=form.channels),
        backend=resolve_backend().name,
    )
    name = name or build_folder_name("ladder", found.whole.name)
    folder = Path(runs) / name
    before = earlier(RunStore(runs), name, intended)
    trials = climb(folder, intended.recipe, models, seeds, progress, wanted)
    earlier_ones = [ARCHITECTURES[name] for name in (before.plan.rungs if before else ()) if name in ARCHITECTURES]
    known = climb(
        folder, intended.recipe, {one.name: one for one in (*earlier_ones, *models)}.values(), seeds, progress
    )
    models = _with_earlier(models, before, known)
    intended = replace_config(intended, rungs=tuple(model.name for model in models))
    if (
        before is not None
        and before.state == "finished"
        and before.plan == intended
        and not trials.list_missing_trials()
    ):
        progress.log(f"All {len(trials.trials)} runs are there already.")
        return Ladder(folder, before)

    progress.log(found.described(planned))
    images = decode(found, planned, given, progress=progress)
    classes = len(images.splits.train.classes)
    work = {model.name: _work(model, form.shape, classes) for model in models}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "ladder.json", Document(FORMAT, "unfinished", intended))
    trials.train(
        lambda trial: images, command=command, time_estimator=partial(seconds_left, trials, work), executor=engine
    )
    times = {} if trials.is_interrupted else _times(models, known, images, progress)
    document = Document(
        format=FORMAT,
        state="interrupted" if trials.is_interrupted else "failed" if trials.failures else "finished",
        plan=intended,
        rungs=tuple(
            measured(
                model,
                known.list_finished_runs(model.name),
                seeds,
                reason=trials.failures.get(model.name),
                multiply_adds=work[model.name],
                milliseconds=times.get(model.name),
            )
            for model in models
        ),
    )
    reached = Ladder(folder, replace_config(document, steps=steps(document.rungs, lambda name: Run(folder / name))))
    reached.save()
    return reached


def _networks(rungs: Sequence[str | Architecture]) -> tuple[Architecture, ...]:
    """Returns the models, each once.

    Raises:
        UnknownNameError: there is none of that name.
        ConfigError: none is named.
    """
    models = tuple({model.name: model for model in map(get_architecture, rungs)}.values())
    if not models:
        raise ConfigError("The ladder has no rung", expected="names of models", hint="striate models lists them")
    return models


def _with_earlier(
    networks: tuple[Architecture, ...], before: Document | None, known: TrialList
) -> tuple[Architecture, ...]:
    """Returns the models of the table: those asked for, and those that earlier commands have trained."""
    asked = {model.name: model for model in networks}
    earlier = {name: asked.get(name) or ARCHITECTURES.get(name) for name in (before.plan.rungs if before else ())}
    kept = {
        name: model
        for name, model in earlier.items()
        if model is not None and (name in asked or known.list_finished_runs(name))
    }
    return networks if kept.keys() <= asked.keys() else tuple({**kept, **asked}.values())


def _work(network: Architecture, shape: Shape, classes: int) -> int | None:
    """Returns the model's multiply-adds for one image; None where it cannot be built, as its training will tell."""
    from striate.models.cost import compute_cost

    try:
        return compute_cost(build_without_weights(network, shape, classes)).multiply_adds
    except Exception:  # of someone else's model, anything
        return None


def _times(
    networks: Sequence[Architecture], known: TrialList, pictures: Prepared, progress: Progress
) -> dict[str, float]:
    """Returns model → prediction time, all measured now, one after the other, on the same images."""
    pixels = pictures.parts[2].pixels[:TIMED]
    trained = {model.name: runs[0] for model in networks if (runs := known.list_finished_runs(model.name))}
    times = {}
    with progress.track("timing predictions", len(trained), "networks") as task:
        for name, run in trained.items():
            times[name] = measure_ms_per_image(Classifier.load(run.path), pixels)
            task.advance()
    return times
