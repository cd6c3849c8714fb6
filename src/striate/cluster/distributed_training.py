"""One training by several processes of a cluster, by Ray Train: everything up to its last checkpoint.

The run's folder is where the command was given. A desk there (desk.py) hands the newest checkpoint to whoever begins or
begins again, takes the first process' checkpoints and epochs, and passes on what it says (told.py). So the processes
need no disk in common, and what they leave is what `striate train --resume` goes on from, with or without a cluster.
What is learned is made into a report where the command was given.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.cluster.connection import (
    Cluster,
    build_worker_environment,
    connect_cluster,
    create_driver_actor,
    require_ray,
)
from striate.cluster.coordinator import RemoteProgress, RunCoordinator
from striate.config import replace_config
from striate.errors import ClusterError, ConfigError, StriateError
from striate.models.architecture import Architecture
from striate.models.registry import get_architecture, to_picklable
from striate.progress import NO_PROGRESS, Progress
from striate.system.signals import on_first_signal
from striate.training.checkpoint_store import CheckpointStore
from striate.training.distributed.strategy import choose_process_count, refuse_indivisible_batch, require_same_weights
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from striate.workflows.training_job import Work


def run_training_worker(config: dict[str, Any]) -> None:
    """Trains up to the last checkpoint, with all the others. An error here ends all of them, and Ray has them begin
    again, unless the desk says that it is over.

    Args:
        config: `desk` (see desk.py), `pictures` to learn from and to choose by, `recipe`, `network` (see
            architectures.portable), `every` (seconds between checkpoints), `threads`, `computers`.
    """
    import ray
    from ray import train
    from ray.train.collective import barrier

    from striate.training.checkpoint_store import RemoteCheckpointStore
    from striate.training.checkpointing import Keeper, Paused
    from striate.training.fit import DivergedError, fit
    from striate.training.loop import explained

    desk, rank = config["desk"], train.get_context().get_world_rank()
    if rank == 0:
        ray.get(desk.begin_attempt.remote())
    barrier()
    if ray.get(desk.is_over.remote()):
        return
    if (problem := _find_address_problem(config["computers"])) is not None:
        _abort_training(desk, problem)
    content = ray.get(desk.load_latest_checkpoint.remote())
    parallel = _create_strategy(train.get_context(), config["threads"])
    barrier()  # the first one's own first checkpoint is not for the others to find
    is_first = rank == 0
    shown = RemoteProgress(desk) if is_first else NO_PROGRESS

    def upload_checkpoint(content: bytes) -> None:
        reason = ray.get(desk.save_checkpoint.remote(content))
        if reason is not None:
            raise OSError(None, reason)

    kept = RemoteCheckpointStore(Path("the run's folder"), upload_checkpoint, content)
    keeper = Keeper(kept, every=config["every"], progress=shown, writes=is_first)
    learnt, held_out = ray.get(config["images"])
    try:
        with explained(config["recipe"]):
            trained = fit(
                learnt,
                held_out,
                config["recipe"],
                architecture=get_architecture(config["network"]),
                progress=shown,
                record=(lambda row: ray.get(desk.record_epoch.remote(row))) if is_first else lambda row: None,
                keeper=keeper,
                parallel=parallel,
            )
            found = require_same_weights(parallel, trained.classifier.model)
            shown.log(f"The {parallel.size} processes hold the same weights (SHA-256 {found[:12]}…).")
    except DivergedError:  # in all of them; who makes the report finds it in the last checkpoint
        pass
    except StriateError as error:
        _abort_training(desk, str(error))
    except Paused:  # the others wait for a step that never comes
        raise RuntimeError("paused") from None
    finally:
        if isinstance(shown, RemoteProgress):
            shown.flush()


def _abort_training(coordinator: Any, problem: str) -> None:
    """Tells why it is over, and raises RuntimeError to end the others too."""
    import ray

    ray.get(coordinator.report_failure.remote(problem))
    raise RuntimeError(problem)


def _find_address_problem(node_count: int) -> str | None:
    """Returns why processes on other computers would not reach this one: they are told its own name for itself."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = "no address"
    if node_count == 1 or not address.startswith(("127.", "no ")):
        return None
    return f"The name of the computer {name} resolves to {address} there, by which no other one reaches it (/etc/hosts)"


def _create_strategy(context: Any, threads: int) -> Any:
    """Returns what connects this process with the others."""
    from striate.system.backend_choice import require_backend

    os.environ.update(build_worker_environment(threads))
    if require_backend().name == "jax":
        import ray
        from ray.train.collective import broadcast_from_rank_zero

        rank, size = context.get_world_rank(), context.get_world_size()
        address = f"{ray.util.get_node_ip_address()}:{_find_free_port()}" if rank == 0 else None
        address = broadcast_from_rank_zero(address)
        from striate.training.distributed.jax import JaxStrategy

        return JaxStrategy(rank, size, address)
    from striate.training.distributed.torch import TorchStrategy

    return TorchStrategy(threads)


def _find_free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        port: int = one.getsockname()[1]
        return port


MAX_WORKER_FAILURES = 30  # times in all that processes may die
POLL_SECONDS = 0.2  # seconds between two questions to the desk
PAUSE_MESSAGE = "Stopping after this step, with a checkpoint to go on from."


def check_distributed_training(address: str, recipe: Recipe, workers: int | None, *, has_observers: bool) -> None:
    """Looks, before anything is written, whether a training can be made by several processes.

    Raises:
        ClusterError: Ray is not installed, or that is no address.
        ConfigError: it is TensorFlow's, begins with pretrained weights, is planned by the minute, is watched from
            Python or recorded for a replay, or its batch cannot be shared out.
    """
    from striate.system.backend import ACTIVE_BACKEND

    require_ray(address)
    if ACTIVE_BACKEND.name == "tensorflow":
        raise ConfigError(
            "Several processes train together on JAX or PyTorch alone: Keras' fit does not work under TensorFlow's "
            "MultiWorkerMirroredStrategy",
            received="backend tensorflow",
            hint="--backend jax",
        )
    if recipe.weights is not None:
        raise ConfigError(
            "With pretrained weights one process trains: their layers look at every image once",
            received=f"--pretrained {recipe.pretrained}",
            hint="without --on, or --pretrained none",
        )
    if recipe.minutes is not None:
        raise ConfigError(
            "Minutes are planned by measuring this computer, not the cluster", received="--minutes", hint="--epochs"
        )
    if has_observers:
        raise ConfigError("A training by several processes is not watched from outside", received="--replay or enough")
    if workers is not None:
        if workers < 1:
            raise ConfigError("Not a number of processes", received=workers, expected="1 or more")
        refuse_indivisible_batch(recipe, workers)


def train_distributed(job: Work, address: str, workers: int | None, progress: Progress) -> bool:
    """Trains up to the last checkpoint, which then lies in the run's folder; returns whether a signal stopped it.

    Args:
        job: begun, its folder locked.
        address: address of the cluster, or `local`.
        workers: processes; by default one for each GPU, or for each computer where there is none.
        progress: shows what happens.

    Raises:
        ClusterError: the cluster cannot be used, or processes died again and again without getting any further, or for
            want of memory.
    """
    with connect_cluster(address) as cluster:
        number = workers or choose_process_count(
            job.pictures.recipe.batch or 1, cluster.gpu_count or cluster.node_count
        )
        each = max(1, cluster.cpu_count // number)
        if number > max(cluster.cpu_count, cluster.gpu_count):
            raise ClusterError(
                "The cluster has not so many processors",
                received=f"{number} processes",
                expected=f"{cluster.cpu_count}",
            )
        progress.log(f"{cluster}; {number} process{'es' * (number > 1)}, {each} processor{'s' * (each > 1)} each.")
        return _run_trainer(job, cluster, number, each, progress)


def _run_trainer(job: Work, cluster: Cluster, process_count: int, cpus_per_process: int, progress: Progress) -> bool:
    import ray
    from ray import train

    from striate.system.backend import ACTIVE_BACKEND

    is_stopped = False
    desk = create_driver_actor(RunCoordinator, str(job.run.path))

    def request_stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        progress.log(PAUSE_MESSAGE)
        desk.request_stop.remote()

    if ACTIVE_BACKEND.name == "jax":
        from ray.train.v2.jax import JaxTrainer as Trainer
    else:
        from ray.train.torch import TorchTrainer as Trainer
    found = CheckpointStore(job.run.path / "checkpoints").load_latest().checkpoint
    recipe = job.pictures.recipe
    if found is None and recipe.precision == "auto":
        options: dict[str, Any] = {"num_cpus": cpus_per_process, "num_gpus": 1 if cluster.gpu_count else 0}
        precision = ray.get(
            ray.remote(**options)(_choose_worker_precision).remote(
                to_picklable(job.network), job.pictures.parts[0], recipe
            )
        )
        recipe = replace_config(recipe, precision=precision)
    given = {
        "desk": desk,
        "images": ray.put(job.pictures.parts[:2]),
        "recipe": recipe,
        "network": to_picklable(job.network),
        "every": job.begun.save_every,
        "threads": cpus_per_process,
        "computers": cluster.node_count,
    }
    with tempfile.TemporaryDirectory(prefix="striate-train-") as folder, on_first_signal(request_stop):
        trainer = Trainer(
            run_training_worker,
            train_loop_config=given,
            scaling_config=train.ScalingConfig(
                num_workers=process_count, use_gpu=cluster.gpu_count > 0, resources_per_worker={"CPU": cpus_per_process}
            ),
            run_config=train.RunConfig(
                name="together",
                storage_path=folder,
                failure_config=train.FailureConfig(max_failures=MAX_WORKER_FAILURES),
            ),
        )
        error = _fit_trainer(trainer, desk, progress)
    problem = ray.get(desk.get_failure.remote()) or (None if error is None else _extract_reason(error))
    if problem is not None and not _is_training_complete(job):
        raise ClusterError(
            f"The processes could not train together: {problem}",
            hint=f"striate train --resume {job.run.path}, which goes on from the last checkpoint",
        )
    return is_stopped


def _is_training_complete(job: Work) -> bool:
    """Returns whether the last checkpoint is a training's last: what is wrong then is told with the report."""
    found = CheckpointStore(job.run.path / "checkpoints").load_latest().checkpoint
    if found is None:
        return False
    place, epochs = found.metadata["place"], job.pictures.recipe.epochs
    return bool(place["ended"]) or (place["epoch"] == epochs and not place["step"])


def _extract_reason(error: BaseException) -> str:
    """Returns what a worker said last, of the pages that Ray prints about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1][:300].rstrip(".")


def _fit_trainer(trainer: Any, coordinator: Any, progress: Progress) -> Exception | None:
    """Has Ray train, and shows what the desk is told meanwhile; returns what Ray raised. It does so in a thread of its
    own: in the main one Ray would take Ctrl-C for itself, and for good.
    """
    import ray

    failed: list[Exception] = []

    def run_trainer() -> None:
        try:
            trainer.fit()
        except Exception as error:  # Ray's own, of several kinds
            failed.append(error)

    def show_messages() -> None:
        for kind, *words in ray.get(coordinator.take_messages.remote()):
            getattr(progress, kind)(*words)

    thread = threading.Thread(target=run_trainer, name="striate-train", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            show_messages()
    finally:
        progress.end()
    return failed[0] if failed else None


def _choose_worker_precision(architecture: Architecture | str, train_data: Any, recipe: Recipe) -> str:
    """Returns the arithmetic that is fastest on a worker."""
    from striate.training.build import build_models

    images = train_data.images
    *_, found = build_models(
        get_architecture(architecture),
        train_data.pixels.shape[1:],
        len(images.classes),
        recipe,
        NO_PROGRESS,
        image_count=len(images),
    )
    return str(found.precision)
