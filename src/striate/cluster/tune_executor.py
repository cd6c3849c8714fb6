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
from striate.studies.executor import ENDS, Pictures, Source
from striate.studies.trial import Trial, given_up, train_trial
from striate.system.signals import on_first_signal
from striate.training.history import EpochMetrics

FAILURES = 3  # deaths of a worker after which its trial is given up
PATIENCE = 60  # seconds in which a dead worker's lock is waited for


class OnCluster:
    """Trains on a Ray cluster.

    Args:
        on: its address, or `local`.
    """

    def __init__(self, on: str) -> None:
        require_ray(on)
        self.on = on

    def train(self, source: Source, pictures: Pictures, command: str) -> bool:
        """See Engine."""
        with connect_cluster(self.on) as cluster, _marked(source.folder) as mark:
            source.progress.log(f"{cluster}.")
            return _sweep(source, pictures, command, mark, has_gpus=cluster.gpu_count > 0)


def _sweep(source: Source, pictures: Pictures, command: str, mark: str, *, has_gpus: bool) -> bool:
    from ray import tune

    is_stopped = False

    def stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        source.progress.log(ENDS.format(source.whole))

    desk = create_driver_actor(Desk, str(source.folder))
    asks = Asks(source)
    trainable = tune.with_parameters(
        _train_there, pictures=pictures, folder=str(source.folder.resolve()), mark=mark, command=command, desk=desk
    )
    resources: dict[str, Any] = {"cpu": 1, "gpu": 1} if has_gpus else {"cpu": 1}
    with tempfile.TemporaryDirectory(prefix="striate-tune-") as folder, on_first_signal(stop):
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            tune_config=tune.TuneConfig(
                search_alg=asks, scheduler=Hears(source, asks, desk), num_samples=-1, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                stop=Ends(lambda: is_stopped),
                failure_config=tune.FailureConfig(max_failures=FAILURES),
                verbose=0,
                log_to_file=False,
            ),
        )
        with source.progress.track("training on the cluster", source.total, "trainings"):
            tuner.fit()
    return is_stopped


def _train_there(
    config: dict[str, Any], *, pictures: Pictures, folder: str, mark: str, command: str, desk: Any
) -> None:
    """Trains one trial in a worker, and tells what became of it."""
    import ray
    from ray import tune

    from striate.training.loop import explained

    trial: Trial = config["trial"]
    if trial.architecture is not None:  # perhaps a name, see `portable`
        trial = replace(trial, architecture=get_architecture(trial.architecture))
    is_shared = (Path(folder) / mark).is_file()
    place = Path(folder) if is_shared else Path(tempfile.mkdtemp(prefix="striate-"))

    def enough(row: EpochMetrics) -> bool:
        tune.report({"finished": 0, **asdict(row)})
        ended: bool = ray.get(desk.is_ended.remote(trial.name))
        return ended

    try:
        with explained(trial.recipe):
            own = pictures(trial)
            run = _unlocked(
                lambda: train_trial(trial, place, own, progress=NO_PROGRESS, command=command, enough=enough)
            )
    except OSError:  # a disk that is full, or gone: another worker may have room
        raise
    except Exception as error:
        tune.report({"finished": 0, "failed": given_up(Run(place / trial.name), error)})
        return
    if not is_shared:
        ray.get(desk.take.remote(trial.name, packed(run.path)))
        shutil.rmtree(place, ignore_errors=True)
    tune.report({"finished": 1})


def _unlocked(act: Callable[[], Run]) -> Run:
    """Returns what `act` does, tried again while a worker that has just died still holds the run's folder."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except RunLockedError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


@contextlib.contextmanager
def _marked(folder: Path) -> Iterator[str]:
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


def packed(folder: Path) -> bytes:
    """Returns a folder's files as a ZIP archive."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return held.getvalue()


def sent(trial: Trial) -> Trial:
    """Returns the trial as it travels, see `portable`."""
    model: Any = None if trial.architecture is None else to_picklable(trial.architecture)
    return replace(trial, architecture=model)


LOST = "its worker died, time and again (out of memory, or its computer went away)"


class Desk:
    """Stands on the computer that the work is sent from: tells trainings that they are to end, and takes runs that were
    trained where its folder is not seen.

    Args:
        folder: the runs'.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.ended = Path(folder), set[str]()

    def end(self, name: str) -> None:
        """Has the training of that name end with the epoch that it has told of."""
        self.ended.add(name)

    def is_ended(self, name: str) -> bool:
        """Returns whether that was said."""
        return name in self.ended

    def take(self, name: str, packed: bytes) -> None:
        """Puts a run into its place, whole."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{name}-") as beside:
            whole = Path(beside) / name
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(whole)
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)
            whole.rename(self.folder / name)


class Asks(Searcher):  # type: ignore[misc]
    """Asks a source what is to be trained, and tells it what became of that.

    Args:
        source: the trials'.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(metric="finished", mode="max")
        self.source = source
        self.trials: dict[str, Trial] = {}
        self.told: dict[str, str] = {}
        self.at_work: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """Returns the next trial's configuration."""
        trial = self.source.next()
        if trial is None:
            return None if self.at_work else Searcher.FINISHED
        self.trials[trial_id] = trial
        self.at_work.add(trial_id)
        return {"trial": sent(trial)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the source."""
        self.at_work.discard(trial_id)
        trial = self.trials[trial_id]
        run = Run(self.source.folder / trial.name)
        if error:
            self.source.on_failed(trial, LOST)
        elif reason := self.told.pop(trial_id, None):
            self.source.on_failed(trial, reason)
        elif run.state == "finished":
            self.source.on_finished(trial, run)
        self.source.progress.advance()

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing: what is done is seen from the runs."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called."""


class Hears(FIFOScheduler):  # type: ignore[misc]
    """Hears of epochs, and passes on that a training is to end.

    Args:
        source: the trials'.
        asks: knows them.
        desk: tells the trainings.
    """

    def __init__(self, source: Source, asks: Asks, desk: Any) -> None:
        super().__init__()
        self.source, self.asks, self.desk = source, asks, desk

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Takes what a worker reports."""
        import ray

        ours = self.asks.trials[trial.trial_id]
        if reason := result.get("failed"):
            self.asks.told[trial.trial_id] = reason
        elif "val_accuracy" in result and not result.get("finished"):
            row = EpochMetrics(**{field.name: result[field.name] for field in fields(EpochMetrics)})
            self.source.progress.advance(
                0, note=f"{ours.name}: epoch {row.epoch}, {format_percent(row.val_accuracy, 1)}"
            )
            if self.source.on_epoch(ours, row):
                ray.get(self.desk.end.remote(ours.name))
        return str(FIFOScheduler.CONTINUE)


class Ends(Stopper):  # type: ignore[misc]
    """Ends the sweep when it is asked to.

    Args:
        is_asked: whether it is.
    """

    def __init__(self, is_asked: Callable[[], bool]) -> None:
        self.is_asked = is_asked

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Lets each trial go its way."""
        return False

    def stop_all(self) -> bool:
        """Returns whether all is to end."""
        return self.is_asked()
