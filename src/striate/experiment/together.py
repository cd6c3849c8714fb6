"""One training by several processes of a cluster, by Ray Train: everything up to its last checkpoint.

The run's folder is where the command was given. A desk there, an actor of Ray's on that computer, hands the newest
checkpoint to whoever begins or begins again, takes the first process' checkpoints and epochs, and passes on what it
says. So the processes need no disk in common, and what they leave is what `striate train --resume` goes on from, with
or without a cluster. What is learnt is made into a report where the command was given.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from striate.cluster import Cluster, connected, require, worker_environment
from striate.config import replace
from striate.errors import ClusterError, ConfigError, StriateError, TrainingError
from striate.experiment.carry_out import Record, Work
from striate.history import Epoch
from striate.models.architecture import Architecture
from striate.models.architectures import architecture_named, portable
from striate.progress import SILENT, Progress
from striate.signals import on_first_signal
from striate.training.checkpoint import Checkpoints, packed
from striate.training.parallel.parallel import divisor, refuse_indivisible, require_same
from striate.training.recipe import Recipe

FAILURES = 3  # times that processes may die
LISTENS = 0.2  # seconds between two questions to the desk
WILL_STOP = "Stopping after this step, with a checkpoint to go on from."


def require_together(on: str, recipe: Recipe, workers: int | None, *, watched: bool) -> None:
    """Looks, before anything is written, whether a training can be made by several processes.

    Raises:
        ClusterError: Ray is not installed, or that is no address.
        ConfigError: it is TensorFlow's, begins with pretrained weights, is planned by the minute, is watched from
            Python or recorded for a replay, or its batch cannot be shared out.
    """
    from striate.backend import CHOICE

    require(on)
    if CHOICE.name == "tensorflow":
        raise ConfigError(
            "Several processes train together on JAX or PyTorch alone: Keras' fit does not work under TensorFlow's "
            "MultiWorkerMirroredStrategy",
            received="backend tensorflow",
            hint="--backend jax",
        )
    if recipe.weights is not None:
        raise ConfigError(
            "With pretrained weights one process trains: their layers look at every picture once",
            received=f"--pretrained {recipe.pretrained}",
            hint="without --on, or --pretrained none",
        )
    if recipe.minutes is not None:
        raise ConfigError(
            "Minutes are planned by measuring this computer, not the cluster", received="--minutes", hint="--epochs"
        )
    if watched:
        raise ConfigError("A training by several processes is not watched from outside", received="--replay or enough")
    if workers is not None:
        if workers < 1:
            raise ConfigError("Not a number of processes", received=workers, expected="1 or more")
        refuse_indivisible(recipe, workers)


def learn_together(work: Work, on: str, workers: int | None, progress: Progress) -> bool:
    """Trains up to the last checkpoint, which then lies in the run's folder; returns whether a signal stopped it.

    Args:
        work: begun, its folder locked.
        on: address of the cluster, or `local`.
        workers: processes; by default one for each GPU, or for each computer where there is none.
        progress: shows what happens.

    Raises:
        ClusterError: the cluster cannot be used, or processes died too often.
        StriateError: the training failed.
    """
    with connected(on) as cluster:
        number = workers or divisor(work.pictures.recipe.batch or 1, cluster.gpus or cluster.nodes)
        each = max(1, cluster.cpus // number)
        if number > max(cluster.cpus, cluster.gpus):
            raise ClusterError(
                "The cluster has not so many processors", received=f"{number} processes", expected=f"{cluster.cpus}"
            )
        progress.say(f"{cluster}; {number} process{'es' * (number > 1)}, {each} processor{'s' * (each > 1)} each.")
        return _trained(work, cluster, number, each, progress)


def _trained(work: Work, cluster: Cluster, number: int, each: int, progress: Progress) -> bool:
    import ray
    from ray import train

    from striate.backend import CHOICE

    is_stopped = False
    here = ray.get_runtime_context().get_node_id()
    near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    desk = ray.remote(num_cpus=0, scheduling_strategy=near, max_concurrency=2)(Desk).remote(str(work.run.path))

    def stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        progress.say(WILL_STOP)
        desk.stop.remote()

    if CHOICE.name == "jax":
        from ray.train.v2.jax import JaxTrainer as Trainer
    else:
        from ray.train.torch import TorchTrainer as Trainer
    found = Checkpoints(work.run.path / "checkpoints").newest().checkpoint
    recipe = work.pictures.recipe
    if found is None and recipe.precision == "auto":
        options: dict[str, Any] = {"num_cpus": each, "num_gpus": 1 if cluster.gpus else 0}
        precision = ray.get(
            ray.remote(**options)(_measured).remote(portable(work.network), work.pictures.parts[0], recipe)
        )
        recipe = replace(recipe, precision=precision)
    given = {
        "desk": desk,
        "pictures": ray.put(work.pictures.parts[:2]),
        "recipe": recipe,
        "network": portable(work.network),
        "every": work.begun.save_every,
        "threads": each,
        "computers": cluster.nodes,
    }
    with tempfile.TemporaryDirectory(prefix="striate-train-") as folder, on_first_signal(stop):
        trainer = Trainer(
            _train_there,
            train_loop_config=given,
            scaling_config=train.ScalingConfig(
                num_workers=number, use_gpu=cluster.gpus > 0, resources_per_worker={"CPU": each}
            ),
            run_config=train.RunConfig(
                name="together",
                storage_path=folder,
                failure_config=train.FailureConfig(max_failures=FAILURES),
            ),
        )
        error = _fitted(trainer, desk, progress)
    if (problem := ray.get(desk.problem.remote())) is not None:
        raise TrainingError(problem)
    if error is not None:
        raise ClusterError(
            f"The processes that train died {FAILURES + 1} times, or cannot begin: {_reason(error)}",
            received=work.run.path,
            hint=f"striate train --resume {work.run.path}, which goes on from the last checkpoint",
        )
    return is_stopped


def _reason(error: BaseException) -> str:
    """Returns what a worker said last, of the pages that Ray prints about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1][:300].rstrip(".")


def _fitted(trainer: Any, desk: Any, progress: Progress) -> Exception | None:
    """Has Ray train, and shows what the desk is told meanwhile; returns what Ray raised. It does so in a thread of its
    own: in the main one Ray would take Ctrl-C for itself, and for good.
    """
    import ray

    failed: list[Exception] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:  # Ray's own, of several kinds
            failed.append(error)

    def tell() -> None:
        for kind, *words in ray.get(desk.news.remote()):
            getattr(progress, kind)(*words)

    thread = threading.Thread(target=fit, name="striate-train", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(LISTENS)
            tell()
    finally:
        progress.end()
    return failed[0] if failed else None


class Desk:
    """Stands where the run's folder is, for processes that do not see it.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: str) -> None:
        self.checkpoints = Checkpoints(Path(folder) / "checkpoints")
        self.record: Record | None = None
        self.folder = Path(folder)
        self.is_stopped, self.told = False, list[tuple[Any, ...]]()
        self.failed: str | None = None

    def newest(self) -> bytes | None:
        """Returns the newest checkpoint that is whole, packed; the epochs are written down anew up to there."""
        found, damaged = self.checkpoints.newest()
        for name in damaged:
            self.told.append(("say", f"The checkpoint {name} is damaged; an older one is used."))
        rows = () if found is None else tuple(Epoch(**row) for row in found.about["rows"])
        self.record = Record(self.folder / "history.csv", rows, SILENT)
        return None if found is None else packed(found)

    def put(self, content: bytes) -> str | None:
        """Writes a checkpoint; returns why it cannot."""
        try:
            self.checkpoints.put(content)
        except OSError as error:
            return str(error.strerror or error)
        return None

    def epoch(self, row: Epoch) -> None:
        """Writes an epoch down."""
        if self.record is not None:
            self.record(row)

    def tell(self, news: list[tuple[Any, ...]]) -> bool:
        """Takes what is to be shown: calls of Progress' methods. Returns whether the training is to stop."""
        self.told += news
        return self.is_stopped

    def news(self) -> list[tuple[Any, ...]]:
        """Returns what is to be shown since the last time."""
        news, self.told = self.told, []
        return news

    def stop(self) -> None:
        """Has the training stop."""
        self.is_stopped = True

    def fail(self, problem: str) -> None:
        """Takes why the training cannot go on, wherever it is tried."""
        self.failed = problem

    def problem(self) -> str | None:
        """Returns that."""
        return self.failed

    def is_over(self) -> bool:
        """Returns whether nobody is to begin again."""
        return self.is_stopped or self.failed is not None


def _measured(network: Architecture | str, pictures: Any, recipe: Recipe) -> str:
    """Returns the arithmetic that is fastest on a worker."""
    from striate.training.networks import networks

    *_, found = networks(
        architecture_named(network), pictures.pixels.shape[1:], len(pictures.images.classes), recipe, SILENT
    )
    return str(found.precision)


def _train_there(given: dict[str, Any]) -> None:
    """Trains in one of the processes."""
    import ray
    from ray import train
    from ray.train.collective import barrier

    from striate.experiment.told import Told
    from striate.training.checkpoint import Elsewhere
    from striate.training.keeper import Keeper, Paused
    from striate.training.loop import explained
    from striate.training.train import DivergedError, fit

    desk = given["desk"]
    if ray.get(desk.is_over.remote()):
        return
    if (problem := _unfit(given["computers"])) is not None:
        ray.get(desk.fail.remote(problem))
        raise RuntimeError(problem)
    parallel = _joined(train.get_context(), given["threads"])
    is_first = parallel.rank == 0
    shown = Told(desk) if is_first else SILENT

    def put(content: bytes) -> None:
        reason = ray.get(desk.put.remote(content))
        if reason is not None:
            raise OSError(None, reason)

    content = ray.get(desk.newest.remote())
    barrier()  # the first one's own first checkpoint is not for the others to find
    keeper = Keeper(
        Elsewhere(Path("the run's folder"), put, content), every=given["every"], progress=shown, writes=is_first
    )
    learnt, held_out = ray.get(given["pictures"])
    try:
        with explained(given["recipe"]):
            trained = fit(
                learnt,
                held_out,
                given["recipe"],
                architecture=architecture_named(given["network"]),
                progress=shown,
                record=(lambda row: ray.get(desk.epoch.remote(row))) if is_first else lambda row: None,
                keeper=keeper,
                parallel=parallel,
            )
            found = require_same(parallel, trained.classifier.model)
            shown.say(f"The {parallel.size} processes hold the same weights (SHA-256 {found[:12]}…).")
    except DivergedError:  # who makes the report finds it in the last checkpoint
        pass
    except StriateError as error:
        if is_first:
            ray.get(desk.fail.remote(str(error)))
    except Paused:  # the others wait for a step that never comes: they are ended, and do not begin again
        raise RuntimeError("paused") from None
    finally:
        if isinstance(shown, Told):
            shown.flush()


def _unfit(computers: int) -> str | None:
    """Returns why processes on other computers would not reach this one: they are told its own name for itself."""
    import socket

    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = "no address"
    if computers == 1 or not address.startswith(("127.", "no ")):
        return None
    return f"The name of the computer {name} resolves to {address} there, by which no other one reaches it (/etc/hosts)"


def _joined(context: Any, threads: int) -> Any:
    """Returns what connects this process with the others."""
    import os

    from striate.environment import require_backend

    os.environ.update(worker_environment(threads))
    if require_backend().name == "jax":
        import ray
        from ray.train.collective import broadcast_from_rank_zero

        rank, size = context.get_world_rank(), context.get_world_size()
        address = f"{ray.util.get_node_ip_address()}:{_free_port()}" if rank == 0 else None
        address = broadcast_from_rank_zero(address)
        from striate.training.parallel.on_jax import OnJax

        return OnJax(rank, size, address)
    from striate.training.parallel.on_torch import OnTorch

    return OnTorch(threads)


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("", 0))
        port: int = one.getsockname()[1]
        return port
