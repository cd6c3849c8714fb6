"""From decoded images and a plan to a finished run, for a training that begins and one that is resumed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from striate.classifier import Classifier
from striate.data.image_set import SPLIT_NAMES
from striate.errors import RunError, StriateError
from striate.evaluation import test_access
from striate.models.architecture import Architecture
from striate.models.cost import compute_layer_costs
from striate.progress import Progress
from striate.runs import lock
from striate.runs.request import TrainingRequest
from striate.runs.run import RUN_FORMAT, Run, RunManifest
from striate.system.atomic_files import write_json
from striate.system.checksums import write_checksums
from striate.system.hardware import describe_machine, get_package_versions
from striate.training.history import EpochMetrics, HistoryWriter
from striate.workflows.evaluate import diagnosed, save_results
from striate.workflows.observers import Watching
from striate.workflows.prepare_data import Prepared
from striate.workflows.report import make_artifacts

if TYPE_CHECKING:
    from striate.training.callbacks import Enough
    from striate.training.checkpointing import Keeper
    from striate.training.fit import Trained
    from striate.training.loss_monitor import LossTrace

CHANGING = frozenset(("checkpoints", "tensorboard", lock.LOCK_FILE, lock.OWNER_FILE))
"""What is in a run's folder but not in its seal: what goes, and what other programs write and check themselves."""


@dataclass(frozen=True, eq=False)
class Work:
    """A training to be done.

    Attributes:
        run: its folder.
        begun: what it was asked to do.
        pictures: to learn from, to choose by and to measure on.
        network: to train.
        began: when this process began with it, on time.perf_counter's clock.
        read: when it had the images.
    """

    run: Run
    begun: TrainingRequest
    pictures: Prepared
    network: Architecture
    began: float
    read: float


def carry_out(work: Work, progress: Progress, *, enough: Enough | None = None, finish: bool = False) -> Run:
    """Returns the run: finished; or unfinished, with a checkpoint, when a signal came.

    Args:
        work: what is to be done, what was done of it before being in the run's folder.
        progress: shows what happens.
        enough: asked after each epoch whether the training is to end with it.
        finish: learn no more, and finish the run with what has been learned.

    Raises:
        StriateError: the training failed; the run's folder says why.
        RunError: it is to be finished, and nothing has been learned.
    """
    from striate.training.checkpoint_store import CheckpointStore
    from striate.training.checkpointing import Keeper, Paused
    from striate.training.fit import DivergedError, fit
    from striate.training.loss_monitor import LossTrace

    run, begun, images = work.run, work.begun, work.pictures
    trace = LossTrace()
    watching = Watching(run, progress, images.parts[1] if begun.replay else None, images.recipe.seed)
    keeper = Keeper(
        CheckpointStore(run.path / "checkpoints"),
        every=begun.save_every,
        progress=progress,
        others=watching.state,
        put_back=watching.put_back,
    )
    rows = keeper.rows()
    if finish and not rows:
        raise RunError("Nothing has been learned yet that the run could be finished with", received=run.path)
    record = Record(run.path / "history.csv", rows, progress)
    watching.begin(len(rows))
    try:
        trained = fit(
            images.parts[0],
            images.parts[1],
            images.recipe,
            architecture=work.network,
            progress=progress,
            record=record,
            trace=trace,
            watch=watching,
            keeper=keeper,
            enough=enough,
            finish=finish,
        )
    except Paused:
        return run
    except RunError:  # not the training's fault: a checkpoint of another model
        raise
    except StriateError as error:
        kept, classifier = 0, None
        if isinstance(error, DivergedError):
            kept, classifier = error.trained.history.best_epoch, error.trained.classifier
            classifier.save(run.path / "classifier")
        reason = f"diverged: {error}" if trace.lost else str(error)
        failed = _manifest(work, keeper, "failed", classifier, kept=kept, reason=reason)
        diagnosed(run, failed, images.parts, classifier, trace, progress)
        _close(failed, run)
        if trace.broken is not None:  # else, as where memory ran out, it may be resumed when there is more
            keeper.checkpoints.clear()
        raise
    finally:
        watching.close()
    try:
        return _finished(work, trained, trace, keeper, watching, progress)
    except KeyboardInterrupt:
        progress.log(f"All is learned; striate train --resume {run.path} makes the report.")
        raise
    except OSError as error:
        raise RunError(
            f"The results cannot be written: {error.strerror or error}",
            received=run.path,
            hint=f"make room, then striate train --resume {run.path}",
        ) from None


class Record:
    """The history as it happens. A disk that takes no more costs the training nothing: the file is written whole later.

    Args:
        path: of history.csv.
        rows: the epochs so far.
        progress: told when a row cannot be written.
    """

    def __init__(self, path: Path, rows: Sequence[EpochMetrics], progress: Progress) -> None:
        self.file, self.progress, self.has_failed = HistoryWriter(path, rows), progress, False

    def __call__(self, row: EpochMetrics) -> None:
        """Adds an epoch."""
        try:
            self.file.append(row)
        except OSError as error:
            if not self.has_failed:
                self.progress.log(f"The history cannot be written ({error.strerror}); the training goes on.")
            self.has_failed = True


def _finished(
    work: Work, trained: Trained, trace: LossTrace, keeper: Keeper, watching: Watching, progress: Progress
) -> Run:
    """Returns the run with its results, sealed."""
    run, begun, images = work.run, work.begun, work.pictures
    learnt = time.perf_counter()
    HistoryWriter(run.path / "history.csv", trained.history.epochs)
    write_json(run.path / "recipe.json", trained.recipe)
    for name in (test_access.TEST_ACCESS_FILE, test_access.FORMER_FILE):
        (run.path / name).unlink(missing_ok=True)  # an attempt that was cut off while measuring
    measured = save_results(run, trained, images.parts, progress, leaked=images.leaked, target_risk=begun.target_risk)
    done = _manifest(
        work,
        keeper,
        "interrupted" if trained.interrupted else "finished",
        trained.classifier,
        learnt=learnt,
        kept=trained.history.best_epoch,
    )
    diagnosed(run, done, images.parts, trained.classifier, trace, progress)
    watching.measured(trained.classifier, measured, trained.history.best_epoch)
    missing = make_artifacts(Run(run.path, trained.classifier), done, measured.decoded_set, begun.artifacts, progress)
    _close(done, run)
    keeper.checkpoints.clear()
    return Run(run.path, trained.classifier, tuple(missing))


def _close(manifest: RunManifest, run: Run) -> None:
    """Writes what is written last: the manifest, and the seal over all."""
    write_json(run.path / "run.json", manifest)
    write_checksums(run.path, exclude=CHANGING)


def _manifest(
    work: Work,
    keeper: Keeper,
    state: Literal["finished", "interrupted", "failed"],
    classifier: Classifier | None = None,
    *,
    learnt: float | None = None,
    kept: int = 0,
    reason: str | None = None,
) -> RunManifest:
    from striate.system.backend import ACTIVE_BACKEND, list_devices

    run, begun, images = work.run, work.begun, work.pictures
    splits, now, earlier = images.splits, time.perf_counter(), keeper.seconds
    seconds = {"total": now - work.began + earlier}
    if learnt is not None:
        parts = {"reading": work.read - work.began, "training": learnt - work.read + earlier, "measuring": now - learnt}
        seconds = {**parts, **seconds}
    return RunManifest(
        format=RUN_FORMAT,
        name=run.name,
        state=state,
        reason=reason,
        command=begun.command,
        data={
            "source": begun.source,
            "data_dir": begun.data_dir,
            "nested": begun.nested,
            "name": splits.train.name,
            "classes": list(splits.train.classes),
            "counts": {name: len(part) for name, part in zip(SPLIT_NAMES, splits, strict=True)},
            "fingerprint": images.fingerprint,
        },
        architecture=work.network.name,
        parameters=0 if classifier is None else int(classifier.model.count_params()),
        seed=images.recipe.seed,
        backend=ACTIVE_BACKEND.name,
        device=", ".join(list_devices()),
        versions=get_package_versions(),
        hardware=describe_machine(),
        started_at=begun.started_at,
        phase_seconds=seconds,
        epochs=len(run.epochs),
        best_epoch=kept,
        findings=images.findings,
        multiply_adds=None if classifier is None else _multiply_adds(classifier),
    )


def _multiply_adds(classifier: Classifier) -> int | None:
    """Returns the model's multiply-adds for one image; None of a model that is not made of known layers."""
    try:
        return sum(row.multiply_adds for row in compute_layer_costs(classifier.model))
    except Exception:  # of someone else's model, anything
        return None
