"""One training by several processes of a cluster, by Ray Train: everything up to its last checkpoint.

The run's folder is where the command was given. A desk there (desk.py) hands the newest checkpoint to whoever begins or
begins again, takes the first process' checkpoints and epochs, and passes on what it says (told.py). So the processes
need no disk in common, and what they leave is what `striate train --resume` goes on from, with or without a cluster.
What is learnt is made into a report where the command was given.
"""

from __future__ import annotations

import tempfile
import threading
from typing import TYPE_CHECKING, Any

from striate.cluster import Cluster, beside_driver, connected, require
from striate.config import replace
from striate.errors import ClusterError, ConfigError
from striate.experiment.desk import Desk
from striate.experiment.rank import train_there
from striate.models.architecture import Architecture
from striate.models.architectures import architecture_named, portable
from striate.progress import SILENT, Progress
from striate.signals import on_first_signal
from striate.training.checkpoint import Checkpoints
from striate.training.parallel.parallel import divisor, refuse_indivisible
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from striate.experiment.carry_out import Work

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
        ClusterError: the cluster cannot be used, or processes died again and again without getting any further, or for
            want of memory.
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
    desk = beside_driver(Desk, str(work.run.path))

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
            train_there,
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
    from striate.training.networks import networks

    images = pictures.images
    *_, found = networks(
        architecture_named(network),
        pictures.pixels.shape[1:],
        len(images.classes),
        recipe,
        SILENT,
        images=len(images),
    )
    return str(found.precision)
