"""The whole flow in one function: from what a user names to a finished run."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.data.corrections import CORRECTIONS_FILE, load_corrections, save_corrections
from striate.data.loaders.folder import NestedMode
from striate.data.loaders.load import DataSource
from striate.data.splits import Splits, save_splits
from striate.errors import DataError, RunError
from striate.models.architecture import Architecture
from striate.models.registry import DEFAULT_ARCHITECTURE, get_architecture
from striate.progress import NO_PROGRESS, Progress
from striate.runs import request as begun_
from striate.runs.artifacts import parse_artifact_names
from striate.runs.lock import hold_lock
from striate.runs.request import TrainingRequest, load_request
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.system import checksums
from striate.system.atomic_files import remove_partial_files, write_json
from striate.system.hardware import describe_threads, get_package_versions
from striate.training.recipe import Recipe
from striate.workflows.options import MAX_BROKEN, Conditions, choose, try_out
from striate.workflows.prepare_data import Prepared, prepare, save_broken

if TYPE_CHECKING:
    from striate.training.callbacks import Enough


def train(
    data: DataSource | Splits | Prepared,
    *,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    max_broken: float = MAX_BROKEN,
    nested: NestedMode = "top",
    corrections: str | Path | None = None,
    allow_leaks: bool = False,
    target_risk: float | None = None,
    replay: bool = False,
    deterministic: bool = False,
    save_every: float | None = None,
    artifacts: str | Iterable[str] = "all",
    enough: Enough | None = None,
    on: str | None = None,
    workers: int | None = None,
    progress: Progress = NO_PROGRESS,
    command: str = "",
    **changes: Any,
) -> Run:
    """Returns a finished run: a trained classifier, its report and all that led to it, in a folder. After Ctrl-C or
    SIGTERM the run is unfinished, and `resume` resumes it.

    Args:
        data: what `load_images` takes, splits made before, or images prepared before (as the ladder does).
        architecture: the model; by default the recipe's, or one that suits the data.
        recipe: the name of a recipe, a recipe.json, or a Recipe.
        name: of the run's folder; by default made from data, model and a number.
        runs: the folder of runs.
        data_dir: where named data sets lie or are put.
        validation: fraction of the images to choose by, unless the data brings its own.
        test: share to measure on, unless the data brings its own.
        max_broken: fraction of unreadable images above which nothing is trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of images to leave out or to relabel, as `striate data --fix` writes it.
        allow_leaks: train although images of one split have copies in another; the report then states the accuracy
            without them, too.
        target_risk: fraction of wrong predictions allowed, in (0, 1): the classifier then answers only from the
            confidence on that promises it (see Run.threshold), and is unsure below; None answers everything.
        replay: record what the model makes of the same validation images after each epoch, see striate replay.
        deterministic: have the backend compute every sum in one order, so that the same training on the same machine
            gives the same bits; what that costs and promises is in docs/reliability.md.
        save_every: seconds between checkpoints; by default after every epoch and every minute, unless that would cost
            more than a fortieth of the time.
        artifacts: pages and plots to make when the training has ended: "all", "none", or names among report, plots
            and inside; `write_report` makes them later.
        enough: asked after each epoch, whose figures it is given, whether the training is to end with it.
        on: a Ray cluster, see docs/scale.md, whose processes train together, each on its fraction of every batch; on
            JAX or PyTorch.
        workers: how many processes; by default one for each GPU, or each computer without one.
        progress: shows what happens.
        command: the command line that repeats the run, for its report.
        **changes: fields of the recipe to set otherwise (epochs=…, batch=…, dropout=…, seed=…, …); batch="auto"
            measures which one is fastest.

    Raises:
        StriateError: bad data, names or settings, before anything is written; TrainingError when the loss was never
            finite (the run's folder then says so).
    """
    began = time.perf_counter()
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    wanted = parse_artifact_names(artifacts)
    store = RunStore(runs)
    store.check_name(name)
    if target_risk is not None:
        from striate.evaluation.selective import require_valid_risk

        require_valid_risk(target_risk)
    given = Conditions(data_dir, validation, test, max_broken, nested, corrections, allow_leaks)
    measures_batch = changes.get("batch") == "auto"
    if measures_batch:
        changes = {**changes, "batch": None}
    chosen, model = choose(recipe, architecture, changes, progress)
    if isinstance(data, Prepared):
        images, given = data.under(chosen, model), data.given
    else:
        images = prepare(data, chosen, given, network=model, progress=progress)
    chosen = images.recipe
    model = model or get_architecture(chosen.architecture or DEFAULT_ARCHITECTURE)
    read = time.perf_counter()

    from striate.cluster.distributed_training import check_distributed_training, train_distributed
    from striate.system.backend import ACTIVE_BACKEND, enable_determinism
    from striate.training.resources import refuse_full
    from striate.workflows.training_job import Work, carry_out

    if on is not None:
        check_distributed_training(on, chosen, workers, has_observers=replay or enough is not None)
    if deterministic:
        enable_determinism()
    try_out(model, chosen, images.splits.train.classes)
    if measures_batch:
        from striate.training.performance.batch_size import tune_batch_size

        keeps_rate = "learning_rate" in changes
        chosen = tune_batch_size(chosen, images.parts[0], model, progress, keep_learning_rate=keeps_rate)
        images = images.under(chosen, model)
    refuse_full(store.root, model, len(images.splits.train.classes), chosen)
    run = store.create(name, f"{images.splits.train.name}-{model.name}")
    with hold_lock(run.path):
        begun = TrainingRequest(
            format=begun_.REQUEST_FORMAT,
            command=command,
            started_at=started,
            source=images.source,
            data_dir=given.place,
            nested=given.nested,
            fingerprint=images.fingerprint,
            validation=given.validation,
            test=given.test,
            max_broken=given.max_broken,
            allow_leaks=given.allow_leaks,
            architecture=model.name,
            target_risk=target_risk,
            replay=replay,
            deterministic=deterministic,
            save_every=save_every,
            backend=ACTIVE_BACKEND.name,
            versions=get_package_versions(),
            threads=describe_threads(),
            artifacts=wanted,
        )
        save_splits(images.splits, run.path / "split.csv")
        if given.corrections is not None:
            save_corrections(load_corrections(Path(given.corrections)), run.path / CORRECTIONS_FILE)
        if images.broken:
            save_broken(images.broken, run.path / "broken.csv")
        write_json(begun_.find_request_file(run.path), begun)
        write_json(run.path / "recipe.json", chosen)
        work = Work(run, begun, images, model, began, read)
        if on is not None and train_distributed(work, on, workers, progress):
            return run
        return carry_out(work, progress, enough=enough)


def resume(
    run: Run | str | Path,
    *,
    runs: str | Path = "runs",
    data: DataSource | Splits | Prepared | None = None,
    architecture: Architecture | None = None,
    enough: Enough | None = None,
    finish: bool = False,
    on: str | None = None,
    workers: int | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Returns the run, resumed from its last checkpoint as if it had never stopped; one that is finished already
    is returned as it is.

    On the same machine, with the same packages and as many threads, the result is bit for bit the one that the training
    would have had without the stop.

    Args:
        run: an unfinished run, its folder or its name.
        runs: the folder of runs that a name is looked up in.
        data: the images, if they were handed over in Python.
        architecture: the model, if it is not one of Striate's.
        enough: asked after each epoch whether the training is to end with it.
        finish: learn no more, and finish the run with what has been learned by now.
        on: a Ray cluster whose processes go on together, see `train`; it may have begun without one.
        workers: how many.
        progress: shows what happens.

    Raises:
        RunError: no such run, one that failed and would again, one that another process is at work in, or one of an
            older version, which did not keep what is needed.
        DataError: the images are not those that the training began with.
    """
    began = time.perf_counter()
    found = run if isinstance(run, Run) else RunStore(runs).find(run)
    with hold_lock(found.path):
        if (state := found.state) in ("finished", "interrupted"):
            progress.log(f"{found.name} is {state}; there is nothing to resume.")
            return found
        if state == "failed":
            _reopen(found, progress)
        before = load_request(found.path)

        from striate.cluster.distributed_training import check_distributed_training, train_distributed
        from striate.system.backend import ACTIVE_BACKEND, enable_determinism
        from striate.workflows.training_job import Work, carry_out

        recipe, model = found.recipe, architecture or get_architecture(before.architecture)
        for leftover in remove_partial_files(found.path):
            progress.log(f"{leftover.name}, half written, is removed.")
        if isinstance(data, Prepared):
            images = data.under(recipe, model)
        else:
            images = prepare(_data(before, data), recipe, _conditions(found, before), network=model, progress=progress)
        if before.deterministic:
            enable_determinism()
        now = replace(before, backend=ACTIVE_BACKEND.name, versions=get_package_versions(), threads=describe_threads())
        if differences := before.describe_differences(now):
            progress.log(
                f"The last digits may differ from those of a training without a stop: {'; '.join(differences)}."
            )
        if images.fingerprint != before.fingerprint:
            raise DataError(
                "The images are not those that this training began with",
                received=f"fingerprint {images.fingerprint[:12]}",
                expected=before.fingerprint[:12],
                hint="the folder or table as it was, or a new training",
            )
        read = time.perf_counter()
        work = Work(found, before, images, model, began, read)
        if on is not None and not finish:
            check_distributed_training(on, images.recipe, workers, has_observers=before.replay or enough is not None)
            if train_distributed(work, on, workers, progress):
                return found
        return carry_out(work, progress, enough=enough, finish=finish)


def _reopen(run: Run, progress: Progress) -> None:
    """Makes a run that failed unfinished again, if it left a checkpoint: its memory did not suffice, say.

    Raises:
        RunError: it left none, as it would fail again.
    """
    from striate.training.checkpoint_store import CheckpointStore

    reason = run.manifest.reason
    if CheckpointStore(run.path / "checkpoints").load_latest().checkpoint is None:
        raise RunError("This training failed, and would fail again", received=reason, hint=run.manifest.command or None)
    progress.log(f"It had failed: {reason}")
    for name in (checksums.CHECKSUM_FILE, "run.json"):  # in this order, it is unfinished from the first on
        (run.path / name).unlink(missing_ok=True)


def _data(begun: TrainingRequest, data: DataSource | Splits | None) -> DataSource | Splits:
    if data is not None:
        return data
    if begun.source is None:
        raise DataError(
            "This training's images were handed over in Python", hint="striate.resume(run, data=the same images)"
        )
    return begun.source


def _conditions(run: Run, begun: TrainingRequest) -> Conditions:
    corrections = run.path / CORRECTIONS_FILE
    return Conditions(
        begun.data_dir,
        begun.validation,
        begun.test,
        begun.max_broken,
        begun.nested,
        corrections if corrections.is_file() else None,
        begun.allow_leaks,
    )
