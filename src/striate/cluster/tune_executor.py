"""Trials on a cluster, by Ray Tune: each in a process of its own, some at the same time.

The images are decoded once, here, and lie in the cluster's object store. Where the workers see the folder of the runs
(a disk that is shared, or one computer) they write into it, and a trial whose worker dies goes on from its checkpoint;
elsewhere each finished run is sent back.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from striate.cluster.connection import connect_cluster, create_driver_actor, require_ray
from striate.errors import ClusterError, RunLockedError
from striate.models.registry import get_architecture, to_picklable
from striate.progress import NO_PROGRESS
from striate.reporting.style import format_percent
from striate.runs.run import Run
from striate.studies.executor import STOP_MESSAGE, DataProvider, TrialSource
from striate.studies.trial import Trial, abandon_trial, train_trial
from striate.system.signals import on_first_signal
from striate.training.history import EpochMetrics

MAX_TRIAL_FAILURES = 3  # deaths of a worker after which its trial is given up
LOCK_TIMEOUT_SECONDS = 60  # seconds in which a dead worker's lock is waited for


class RayTuneExecutor:
    """Trains on a Ray cluster.

    Args:
        address: its address, or `local`.
    """

    def __init__(self, address: str) -> None:
        require_ray(address)
        self.address = address

    def train(self, source: TrialSource, get_data: DataProvider, command: str) -> bool:
        """See Engine."""
        with connect_cluster(self.address) as cluster, _create_marker_file(source.folder) as mark:
            source.progress.log(f"{cluster}.")
            return _run_tuner(source, get_data, command, mark, has_gpus=cluster.gpu_count > 0)


def _run_tuner(source: TrialSource, get_data: DataProvider, command: str, marker_name: str, *, has_gpus: bool) -> bool:
    from ray import tune

    is_stopped = False

    def request_stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        source.progress.log(STOP_MESSAGE.format(source.study_kind))

    desk = create_driver_actor(TrialCoordinator, str(source.folder))
    asks = SourceSearcher(source)
    trainable = tune.with_parameters(
        _run_trial,
        get_data=get_data,
        folder=str(source.folder.resolve()),
        marker_name=marker_name,
        command=command,
        coordinator=desk,
    )
    resources: dict[str, Any] = {"cpu": 1, "gpu": 1} if has_gpus else {"cpu": 1}
    with tempfile.TemporaryDirectory(prefix="striate-tune-") as folder, on_first_signal(request_stop):
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            tune_config=tune.TuneConfig(
                search_alg=asks, scheduler=SourceScheduler(source, asks, desk), num_samples=-1, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                stop=SignalStopper(lambda: is_stopped),
                failure_config=tune.FailureConfig(max_failures=MAX_TRIAL_FAILURES),
                verbose=0,
                log_to_file=False,
            ),
        )
        with source.progress.track("training on the cluster", source.total, "trainings"):
            tuner.fit()
    return is_stopped


def _run_trial(
    config: dict[str, Any], *, get_data: DataProvider, folder: str, marker_name: str, command: str, coordinator: Any
) -> None:
    """Trains one trial in a worker, and tells what became of it."""
    import ray
    from ray import tune

    from striate.training.loop import explained

    trial: Trial = config["trial"]
    if trial.architecture is not None:  # perhaps a name, see `portable`
        trial = replace(trial, architecture=get_architecture(trial.architecture))
    is_shared = (Path(folder) / marker_name).is_file()
    place = Path(folder) if is_shared else Path(tempfile.mkdtemp(prefix="striate-"))

    def should_stop(metrics: EpochMetrics) -> bool:
        tune.report({"finished": 0, **asdict(metrics)})
        ended: bool = ray.get(coordinator.is_stop_requested.remote(trial.name))
        return ended

    try:
        with explained(trial.recipe):
            own = get_data(trial)
            run = _retry_while_locked(
                lambda: train_trial(trial, place, own, progress=NO_PROGRESS, command=command, should_stop=should_stop)
            )
    except OSError:  # a disk that is full, or gone: another worker may have room
        raise
    except Exception as error:
        tune.report({"finished": 0, "failed": abandon_trial(Run(place / trial.name), error)})
        return
    if not is_shared:
        ray.get(coordinator.receive_run.remote(trial.name, pack_folder(run.path)))
        shutil.rmtree(place, ignore_errors=True)
    tune.report({"finished": 1})


def _retry_while_locked(action: Callable[[], Run]) -> Run:
    """Returns what `action` does, tried again while a worker that has just died still holds the run's folder."""
    until = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            return action()
        except RunLockedError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


@contextlib.contextmanager
def _create_marker_file(folder: Path) -> Iterator[str]:
    """Gives the name of a file that lies in the folder during the block, by which a worker knows that it sees it."""
    mark = folder / f".{secrets.token_hex(8)}.seen"
    try:
        mark.touch()
    except OSError as error:
        raise ClusterError(f"The runs cannot be written: {error.strerror}", received=folder) from None
    try:
        yield mark.name
    finally:
        mark.unlink(missing_ok=True)


def pack_folder(folder: Path) -> bytes:
    """Returns a folder's files as a ZIP archive."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return held.getvalue()


def to_picklable_trial(trial: Trial) -> Trial:
    """Returns the trial as it travels, see `portable`."""
    model: Any = None if trial.architecture is None else to_picklable(trial.architecture)
    return replace(trial, architecture=model)


WORKER_DIED_REASON = "its worker died, time and again (out of memory, or its computer went away)"


class TrialCoordinator:
    """Stands on the computer that the work is sent from: tells trainings that they are to end, and takes runs that were
    trained where its folder is not seen.

    Args:
        folder: the runs'.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.stop_requests = Path(folder), set[str]()

    def request_stop(self, name: str) -> None:
        """Has the training of that name end with the epoch that it has told of."""
        self.stop_requests.add(name)

    def is_stop_requested(self, name: str) -> bool:
        """Returns whether that was said."""
        return name in self.stop_requests

    def receive_run(self, name: str, content: bytes) -> None:
        """Puts a run into its place, whole."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{name}-") as beside:
            whole = Path(beside) / name
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(whole)
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)
            whole.rename(self.folder / name)


class SourceSearcher(Searcher):  # type: ignore[misc]
    """Asks a source what is to be trained, and tells it what became of that.

    Args:
        source: the trials'.
    """

    def __init__(self, source: TrialSource) -> None:
        super().__init__(metric="finished", mode="max")
        self.source = source
        self.trials: dict[str, Trial] = {}
        self.failure_reasons: dict[str, str] = {}
        self.active_trial_ids: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """Returns the next trial's configuration."""
        trial = self.source.take_next_trial()
        if trial is None:
            return None if self.active_trial_ids else Searcher.FINISHED
        self.trials[trial_id] = trial
        self.active_trial_ids.add(trial_id)
        return {"trial": to_picklable_trial(trial)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the source."""
        self.active_trial_ids.discard(trial_id)
        trial = self.trials[trial_id]
        run = Run(self.source.folder / trial.name)
        if error:
            self.source.on_failed(trial, WORKER_DIED_REASON)
        elif reason := self.failure_reasons.pop(trial_id, None):
            self.source.on_failed(trial, reason)
        elif run.state == "finished":
            self.source.on_finished(trial, run)
        self.source.progress.advance()

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing: what is done is seen from the runs."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called."""


class SourceScheduler(FIFOScheduler):  # type: ignore[misc]
    """Hears of epochs, and passes on that a training is to end.

    Args:
        source: the trials'.
        searcher: knows them.
        coordinator: tells the trainings.
    """

    def __init__(self, source: TrialSource, searcher: SourceSearcher, coordinator: Any) -> None:
        super().__init__()
        self.source, self.searcher, self.coordinator = source, searcher, coordinator

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Takes what a worker reports."""
        import ray

        ours = self.searcher.trials[trial.trial_id]
        if reason := result.get("failed"):
            self.searcher.failure_reasons[trial.trial_id] = reason
        elif "val_accuracy" in result and not result.get("finished"):
            row = EpochMetrics(**{field.name: result[field.name] for field in fields(EpochMetrics)})
            self.source.progress.advance(
                0, note=f"{ours.name}: epoch {row.epoch}, {format_percent(row.val_accuracy, 1)}"
            )
            if self.source.on_epoch_end(ours, row):
                ray.get(self.coordinator.request_stop.remote(ours.name))
        return str(FIFOScheduler.CONTINUE)


class SignalStopper(Stopper):  # type: ignore[misc]
    """Ends the sweep when it is asked to.

    Args:
        is_stop_requested: whether it is.
    """

    def __init__(self, is_stop_requested: Callable[[], bool]) -> None:
        self.is_stop_requested = is_stop_requested

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Lets each trial go its way."""
        return False

    def stop_all(self) -> bool:
        """Returns whether all is to end."""
        return self.is_stop_requested()
