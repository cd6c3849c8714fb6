"""What each of the processes does that train together."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from striate.cluster import worker_environment
from striate.errors import StriateError
from striate.experiment.told import Told
from striate.models.architectures import architecture_named
from striate.progress import SILENT
from striate.training.parallel.parallel import require_same


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

    from striate.training.checkpoint import Elsewhere
    from striate.training.keeper import Keeper, Paused
    from striate.training.loop import explained
    from striate.training.train import DivergedError, fit

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
    shown = Told(desk) if is_first else SILENT

    def put(content: bytes) -> None:
        reason = ray.get(desk.put.remote(content))
        if reason is not None:
            raise OSError(None, reason)

    kept = Elsewhere(Path("the run's folder"), put, content)
    keeper = Keeper(kept, every=given["every"], progress=shown, writes=is_first)
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
    with socket.socket() as one:
        one.bind(("", 0))
        port: int = one.getsockname()[1]
        return port
