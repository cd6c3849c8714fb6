"""The search for a good recipe, as one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.config import replace_config
from striate.data.loaders.load import DataSource
from striate.data.splits import Splits
from striate.errors import ConfigError
from striate.models.architecture import Architecture
from striate.models.registry import get_architecture
from striate.progress import NO_PROGRESS, Progress
from striate.runs.artifacts import parse_artifact_names
from striate.runs.store import RunStore
from striate.studies.cross_validation import prepare_folds
from striate.studies.search.optuna_source import ETA, Search, require
from striate.studies.search.result import Document, Plan, State, Tuned, earlier, tuned
from striate.studies.search.space import Value, space_of
from striate.studies.study import build_folder_name, create_executor, describe_data
from striate.studies.trial import Trial, parse_trial_number
from striate.system.atomic_files import write_json
from striate.system.backend_choice import resolve_backend
from striate.training.recipe import Recipe
from striate.workflows.options import choose, parted
from striate.workflows.prepare_data import Prepared, prepare


def tune(
    data: DataSource | Splits,
    *,
    search: Mapping[str, Any] | Sequence[str] | None = None,
    trials: int = 20,
    seeds: int = 1,
    folds: int | None = None,
    eta: int | None = ETA,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    on: str | None = None,
    artifacts: str | Iterable[str] = "none",
    progress: Progress = NO_PROGRESS,
    command: str = "",
    **settings: Any,
) -> Tuned:
    """Returns what a search for a good recipe came to: every configuration that was tried, and the one to take.

    Configurations are proposed by a tree-structured Parzen estimator, and a training that falls behind the others is
    ended after 1, η, η², … epochs (see search.py and asha.py). They are told apart by the validation images alone;
    the test images tell what the one that is taken is worth. Called again with the same arguments it goes on where
    it stopped, and with more trials it adds to them.

    Args:
        data: what `load_images` takes, or splits made before.
        search: setting → where it may lie, see `space_of`; by default learning rate, dropout, augmentation and weight
            decay.
        trials: configurations to try.
        seeds: trainings of each configuration that is not ended early: the recipe's seed and the next ones.
        folds: trainings of each on the folds of a cross-validation instead; a test split that the data brings along
            stays unseen.
        eta: of so many trainings one goes on at each rung; None trains all to their end.
        architecture: the model, as `train` takes it, unless it is searched.
        recipe: what each configuration changes.
        name: of the folder; by default made from the data's name.
        runs: the folder that it lies in.
        on: the address of a Ray cluster, or `local`, where trainings run at the same time; by default they run here,
            one after the other.
        artifacts: pages and plots of each training's run, as `train` takes them; `write_report` makes them later.
        progress: shows what happens.
        command: the command line that repeats it, for its runs' reports.
        **settings: what `train` takes besides: data_dir, validation, allow_leaks, … and fields of the recipe.

    Raises:
        StriateError: bad data, names or settings, the extra `tune` not installed, or a search of that name with
            another plan, before anything is written.
    """
    if trials < 1 or seeds < 1:
        raise ConfigError("The search has nothing to train", received=f"{trials} trials, {seeds} seeds")
    if folds is not None and (seeds > 1 or not 2 <= folds <= 100):
        raise ConfigError(
            "The folds cannot be used", received=f"{folds} folds, {seeds} seeds", expected="2 to 100, alone"
        )
    if eta is not None and eta < 2:
        raise ConfigError("The share that goes on cannot be used", received=eta, expected="2 or more, or None")
    require()
    wanted = parse_artifact_names(artifacts)
    engine = create_executor(on)
    given, changes = parted(settings)
    chosen, model = choose(recipe, architecture, changes, progress)
    if chosen.minutes is not None:
        raise ConfigError("A search's trainings are planned in epochs", received="minutes", hint="--epochs")
    space = space_of(search, chosen)
    if architecture is not None and any(dimension.name == "architecture" for dimension in space.dimensions):
        raise ConfigError("The model is both given and searched", hint="--arch, or --search architecture=…")
    own: Callable[[Trial], Prepared]
    if folds is None:
        prepared = prepare(data, chosen, given, network=model, progress=progress)
        own = lambda trial: prepared  # noqa: E731
    else:
        if isinstance(data, Splits):
            raise ConfigError("Splits made before have no folds", hint="the images undivided")
        prepared, pool = prepare_folds(data, folds, chosen, given, architecture=model, progress=progress)
        own = lambda trial: pool.build_fold(parse_trial_number(trial) - 1)  # noqa: E731
    intended = Plan(
        space=space,
        trials=trials,
        kind="seeds" if folds is None else "folds",
        repetitions=folds or seeds,
        eta=eta,
        data=describe_data(prepared),
        recipe=chosen,
        backend=resolve_backend().name,
    )
    name = name or build_folder_name("tune", prepared.splits.train.name)
    folder = Path(runs) / name
    before = earlier(RunStore(runs), name, intended)
    made = _Maker(chosen, model, intended, wanted)
    if before is not None and before.state == "finished" and before.plan == intended:
        progress.log(f"All {len(before.rows)} configurations are there already.")
        return Tuned(folder, before)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / Tuned.FILE, Document(state="unfinished", plan=intended))
    work = Search(
        folder,
        space,
        made,
        trials=trials,
        repetitions=intended.repetitions,
        epochs=prepared.recipe.epochs or 1,
        eta=eta,
        seed=chosen.seed,
        progress=progress,
    )
    interrupted = engine.train(work, own, command)
    names = {
        number: [made(number, values, repetition).name for repetition in range(intended.repetitions)]
        for number, values, _ in work.configurations()
    }
    state: State = "interrupted" if interrupted else "finished"
    done = tuned(folder, state, intended, work, names)
    if done.document.best is None and state == "finished":
        done = Tuned(folder, replace_config(done.document, state="failed"))
    done.save()
    return done


class _Maker:
    """Makes the trial of a configuration and one of its repetitions."""

    def __init__(
        self, recipe: Recipe, network: Architecture | None, plan: Plan, artifacts: tuple[str, ...] = ()
    ) -> None:
        self.recipe, self.network, self.plan, self.artifacts = recipe, network, plan, artifacts

    def __call__(self, number: int, values: dict[str, Value], repetition: int) -> Trial:
        recipe = replace_config(self.recipe, "the search", **values)
        name, kind = f"trial-{number:03}", self.plan.kind
        if kind == "folds":
            name += f"-fold-{repetition + 1}"
        elif self.plan.repetitions > 1:
            name += f"-seed-{recipe.seed + repetition}"
        if kind == "seeds":
            recipe = replace_config(recipe, seed=recipe.seed + repetition)
        searched = values.get("architecture")
        model = self.network if searched is None else get_architecture(str(searched))
        about = ", ".join(
            f"{setting} {value:.3g}" if isinstance(value, float) else f"{setting} {value}"
            for setting, value in values.items()
        )
        return Trial(name, recipe, model, label=f"trial {number}", description=about, artifacts=self.artifacts)
