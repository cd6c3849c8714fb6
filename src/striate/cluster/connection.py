"""Cluster: the Ray cluster that work is sent to, joined or started, with what keeps strangers out.

Every connection within it must show a token. A cluster that is started here listens to this computer alone, has no
dashboard, and ends with the work.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.errors import ClusterError
from striate.system.native_output import native_quiet

LOG = logging.getLogger(__name__)
EXTRA = "pip install 'striate[ray]'"
LOCAL = "local"
TOKEN = Path("~/.ray/auth_token")
"""Where Ray looks for a cluster's token, unless RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH says otherwise."""

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # else workers give way to everything that the computer does besides
    "RAY_DEDUP_LOGS": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what its native part notes for those who build it
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths that a user gave mean what they meant
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # a signal is ours to hear
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",  # which prints whatever it is told
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""The environment that Ray is to find, read when it is imported."""

ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray, on any system, listen to this computer alone, as it does on those two unless told; the address that `init`
takes is replaced by one that others reach."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is connected to.

    Attributes:
        address: `local`, or host:port.
        nodes: computers in it.
        cpus: processors, all together.
        gpus: the same.
    """

    address: str
    nodes: int
    cpus: int
    gpus: int

    def __str__(self) -> str:
        where = "Ray on this computer" if self.address == LOCAL else f"Ray cluster at {self.address}"
        gpus = f", {self.gpus} GPU{'s' * (self.gpus > 1)}" if self.gpus else ""
        computers = "" if self.address == LOCAL else f"{self.nodes} computer{'s' * (self.nodes > 1)}, "
        return f"{where}: {computers}{self.cpus} processor{'s' * (self.cpus > 1)}{gpus}"


@contextlib.contextmanager
def connected(on: str) -> Iterator[Cluster]:
    """Connects to a cluster for the length of a block.

    Args:
        on: `local`, which starts one on this computer, or the address host:port of one that this computer is part of.

    Raises:
        ClusterError: Ray is not installed, there is no such cluster, its token is not known here, or it goes away.
    """
    require(on)
    import ray

    if ray.is_initialized():  # by the program that calls us, whose connection stays
        yield _seen(on, ray)
        return
    environment = {"env_vars": worker_environment()}
    given: dict[str, Any] = {"log_to_driver": False, "namespace": "striate", "runtime_env": environment}
    if on == LOCAL:
        # by that word one of its own, though another may be running on this computer
        given |= {"address": "local", "include_dashboard": False, "num_cpus": processors()}
        # nobody else knows it; one for this process, since Ray reads it once
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        given |= {"address": on}
    try:
        _hush()
        with native_quiet():
            ray.init(**given, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        raise ClusterError(
            f"The cluster cannot be reached: {(str(error).splitlines() or [''])[0]}",
            received=on,
            expected="host:port of a Ray cluster that this computer is part of, or local",
            hint=f"ray start --address={on} on this computer, or --on local",
        ) from None
    try:
        yield _seen(on, ray)
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"The cluster is gone: {(str(error).splitlines() or [''])[0][:200].rstrip('.')}",
            received=on,
            hint="the same command, when it is back: it goes on from what is there",
        ) from None
    finally:
        ray.shutdown()


def _hush() -> None:
    """Has what Ray's own processes cry out go to a log; it would stand on standard output, between JSON's braces, and
    there is no setting for it. What matters of it, a death, is told by whoever is at work.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, *_, **__: LOG.debug("%s", "\n".join(data.get("lines", [])))


def beside_driver(kind: type, *words: Any) -> Any:
    """Returns an actor of that class on the computer that the work is sent from, where it takes no processor."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=near)(kind).remote(*words)


def processors() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require(on: str) -> None:
    """Imports Ray with our settings, and looks at the address as far as that can be done without a connection.

    Raises:
        ClusterError: it is not installed, its authentication is off, that is no address, or no token for it is known.
    """
    mode = os.environ.get("RAY_AUTH_MODE")
    if mode not in (None, "token"):
        raise ClusterError(
            "Ray's authentication is switched off, so anyone who reaches a port of the cluster could run code in it",
            received=f"RAY_AUTH_MODE={mode}",
            expected="RAY_AUTH_MODE=token, on every computer of the cluster",
        )
    for name, value in {**SETTINGS, **(ALONE if on == LOCAL else {})}.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: F401
    except ImportError:
        raise ClusterError("A cluster needs Ray, which is not installed", hint=EXTRA) from None
    if on != LOCAL:
        _check_address(on)


def _check_address(on: str) -> None:
    """Raises ClusterError for what is no address, or where no token for it is known."""
    host, colon, port = on.rpartition(":")
    if not colon or not host or not port.isdecimal() or "/" in on:
        raise ClusterError("Not the address of a cluster", received=on, expected="local, or host:port (of port 6379)")
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if not os.environ.get("RAY_AUTH_TOKEN") and not Path(named or TOKEN).expanduser().is_file():
        raise ClusterError(
            "The cluster's token is not known on this computer",
            received=f"no file {named or TOKEN}",
            expected="the same token on every computer",
            hint="ray get-auth-token --generate on one, the file it writes on all",
        )


def _seen(on: str, ray: Any) -> Cluster:
    found = ray.cluster_resources()
    nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    return Cluster(on, nodes, int(found.get("CPU", 0)), int(found.get("GPU", 0)))


KEPT = ("KERAS_BACKEND", "KERAS_HOME", "XDG_CACHE_HOME", "JAX_PLATFORMS", "STRIATE_TENSORBOARD")


def worker_environment(cpus: int = 1) -> dict[str, str]:
    """Returns the environment of a worker that may use so many processors: this process' backend, and as many threads
    as processors, in whichever library.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(cpus))
    return {
        **threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **{name: os.environ[name] for name in KEPT if name in os.environ},
    }
