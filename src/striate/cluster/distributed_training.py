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
from striate.cluster.coordinator import Desk, Told
from striate.config import replace_config
from striate.errors import ClusterError, ConfigError, StriateError
from striate.models.architecture import Architecture
from striate.models.registry import get_architecture, to_picklable
from striate.progress import NO_PROGRESS, Progress
from striate.system.signals import on_first_signal
from striate.training.checkpoint_store import Checkpoints
from striate.training.distributed.strategy import divisor, refuse_indivisible, require_same
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from striate.workflows.training_job import Work


def train_there(given: dict[str, Any]) -> None:
    """Trains up to the last checkpoint, with all the others. An error here ends all of them, and Ray has them begin
    again, unless the desk says that it is over.

    Args:
        given: `desk` (see desk.py), `pictures` to learn from and to choose by, `recipe`, `network` (see
            architectures.portable), `every` (seconds between checkpoints), `threads`, `computers`.
    """
    import ray
    from ray import train
    from ray.train.collective import barrier

    from striate.training.checkpoint_store import Elsewhere
    from striate.training.checkpointing import Keeper, Paused
    from striate.training.fit import DivergedError, fit
    from striate.training.loop import explained

    desk, rank = given["desk"], train.get_context().get_world_rank()
    if rank == 0:
        ray.get(desk.begin.remote())
    barrier()
    if ray.get(desk.is_over.remote()):
        return
    if (problem := _unreachable(given["computers"])) is not None:
        _end(desk, problem)
    content = ray.get(desk.newest.remote())
    parallel = _joined(train.get_context(), given["threads"])
    barrier()  # the first one's own first checkpoint is not for the others to find
    is_first = rank == 0
    shown = Told(desk) if is_first else NO_PROGRESS

    def put(content: bytes) -> None:
        reason = ray.get(desk.put.remote(content))
        if reason is not None:
            raise OSError(None, reason)

    kept = Elsewhere(Path("the run's folder"), put, content)
    keeper = Keeper(kept, every=given["every"], progress=shown, writes=is_first)
    learnt, held_out = ray.get(given["images"])
    try:
        with explained(given["recipe"]):
            trained = fit(
                learnt,
                held_out,
                given["recipe"],
                architecture=get_architecture(given["network"]),
                progress=shown,
                record=(lambda row: ray.get(desk.epoch.remote(row))) if is_first else lambda row: None,
                keeper=keeper,
                parallel=parallel,
            )
            found = require_same(parallel, trained.classifier.model)
            shown.log(f"The {parallel.size} processes hold the same weights (SHA-256 {found[:12]}…).")
    except DivergedError:  # in all of them; who makes the report finds it in the last checkpoint
        pass
    except StriateError as error:
        _end(desk, str(error))
    except Paused:  # the others wait for a step that never comes
        raise RuntimeError("paused") from None
    finally:
        if isinstance(shown, Told):
            shown.flush()


def _end(desk: Any, problem: str) -> None:
    """Tells why it is over, and raises RuntimeError to end the others too."""
    import ray

    ray.get(desk.fail.remote(problem))
    raise RuntimeError(problem)


def _unreachable(computers: int) -> str | None:
    """Returns why processes on other computers would not reach this one: they are told its own name for itself."""
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
    from striate.system.backend_choice import require_backend

    os.environ.update(build_worker_environment(threads))
    if require_backend().name == "jax":
        import ray
        from ray.train.collective import broadcast_from_rank_zero

        rank, size = context.get_world_rank(), context.get_world_size()
        address = f"{ray.util.get_node_ip_address()}:{_free_port()}" if rank == 0 else None
        address = broadcast_from_rank_zero(address)
        from striate.training.distributed.jax import OnJax

        return OnJax(rank, size, address)
    from striate.training.distributed.torch import OnTorch

    return OnTorch(threads)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        port: int = one.getsockname()[1]
        return port


FAILURES = 30  # times in all that processes may die
LISTENS = 0.2  # seconds between two questions to the desk
WILL_STOP = "Stopping after this step, with a checkpoint to go on from."


def require_together(on: str, recipe: Recipe, workers: int | None, *, watched: bool) -> None:
    """Looks, before anything is written, whether a training can be made by several processes.

    Raises:
        ClusterError: Ray is not installed, or that is no address.
        ConfigError: it is TensorFlow's, begins with pretrained weights, is planned by the minute, is watched from
            Python or recorded for a replay, or its batch cannot be shared out.
    """
    from striate.system.backend import ACTIVE_BACKEND

    require_ray(on)
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
        ClusterError: the cluster cannot be used, or processes died again and again without getting any further, or for
            want of memory.
    """
    with connect_cluster(on) as cluster:
        number = workers or divisor(work.pictures.recipe.batch or 1, cluster.gpu_count or cluster.node_count)
        each = max(1, cluster.cpu_count // number)
        if number > max(cluster.cpu_count, cluster.gpu_count):
            raise ClusterError(
                "The cluster has not so many processors",
                received=f"{number} processes",
                expected=f"{cluster.cpu_count}",
            )
        progress.log(f"{cluster}; {number} process{'es' * (number > 1)}, {each} processor{'s' * (each > 1)} each.")
        return _trained(work, cluster, number, each, progress)


def _trained(work: Work, cluster: Cluster, number: int, each: int, progress: Progress) -> bool:
    import ray
    from ray import train

    from striate.system.backend import ACTIVE_BACKEND

    is_stopped = False
    desk = create_driver_actor(Desk, str(work.run.path))

    def stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        progress.log(WILL_STOP)
        desk.stop.remote()

    if ACTIVE_BACKEND.name == "jax":
        from ray.train.v2.jax import JaxTrainer as Trainer
    else:
        from ray.train.torch import TorchTrainer as Trainer
    found = Checkpoints(work.run.path / "checkpoints").newest().checkpoint
    recipe = work.pictures.recipe
    if found is None and recipe.precision == "auto":
        options: dict[str, Any] = {"num_cpus": each, "num_gpus": 1 if cluster.gpu_count else 0}
        precision = ray.get(
            ray.remote(**options)(_measured).remote(to_picklable(work.network), work.pictures.parts[0], recipe)
        )
        recipe = replace_config(recipe, precision=precision)
    given = {
        "desk": desk,
        "images": ray.put(work.pictures.parts[:2]),
        "recipe": recipe,
        "network": to_picklable(work.network),
        "every": work.begun.save_every,
        "threads": each,
        "computers": cluster.node_count,
    }
    with tempfile.TemporaryDirectory(prefix="striate-train-") as folder, on_first_signal(stop):
        trainer = Trainer(
            train_there,
            train_loop_config=given,
            scaling_config=train.ScalingConfig(
                num_workers=number, use_gpu=cluster.gpu_count > 0, resources_per_worker={"CPU": each}
            ),
            run_config=train.RunConfig(
                name="together",
                storage_path=folder,
                failure_config=train.FailureConfig(max_failures=FAILURES),
            ),
        )
        error = _fitted(trainer, desk, progress)
    problem = ray.get(desk.problem.remote()) or (None if error is None else _reason(error))
    if problem is not None and not _is_learnt(work):
        raise ClusterError(
            f"The processes could not train together: {problem}",
            hint=f"striate train --resume {work.run.path}, which goes on from the last checkpoint",
        )
    return is_stopped


def _is_learnt(work: Work) -> bool:
    """Returns whether the last checkpoint is a training's last: what is wrong then is told with the report."""
    found = Checkpoints(work.run.path / "checkpoints").newest().checkpoint
    if found is None:
        return False
    place, epochs = found.about["place"], work.pictures.recipe.epochs
    return bool(place["ended"]) or (place["epoch"] == epochs and not place["step"])


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


def _measured(network: Architecture | str, pictures: Any, recipe: Recipe) -> str:
    """Returns the arithmetic that is fastest on a worker."""
    from striate.training.build import networks

    images = pictures.images
    *_, found = networks(
        get_architecture(network),
        pictures.pixels.shape[1:],
        len(images.classes),
        recipe,
        NO_PROGRESS,
        images=len(images),
    )
    return str(found.precision)
