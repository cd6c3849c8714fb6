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
from striate.system.native_output import suppress_native_output

LOGGER = logging.getLogger(__name__)
INSTALL_HINT = "pip install 'striate[ray]'"
LOCAL_ADDRESS = "local"
TOKEN_FILE = Path("~/.ray/auth_token")
"""Where Ray looks for a cluster's token, unless RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH says otherwise."""

RAY_ENVIRONMENT = {
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

LOCALHOST_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray, on any system, listen to this computer alone, as it does on those two unless told; the address that `init`
takes is replaced by one that others reach."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is connected to.

    Attributes:
        address: `local`, or host:port.
        node_count: computers in it.
        cpu_count: processors, all together.
        gpu_count: the same.
    """

    address: str
    node_count: int
    cpu_count: int
    gpu_count: int

    def __str__(self) -> str:
        where = "Ray on this computer" if self.address == LOCAL_ADDRESS else f"Ray cluster at {self.address}"
        gpus = f", {self.gpu_count} GPU{'s' * (self.gpu_count > 1)}" if self.gpu_count else ""
        computers = (
            "" if self.address == LOCAL_ADDRESS else f"{self.node_count} computer{'s' * (self.node_count > 1)}, "
        )
        return f"{where}: {computers}{self.cpu_count} processor{'s' * (self.cpu_count > 1)}{gpus}"


@contextlib.contextmanager
def connect_cluster(address: str) -> Iterator[Cluster]:
    """Connects to a cluster for the length of a block.

    Args:
        address: `local`, which starts one on this computer, or the address host:port of one that this computer is
            part of.

    Raises:
        ClusterError: Ray is not installed, there is no such cluster, its token is not known here, or it goes away.
    """
    require_ray(address)
    import ray

    if ray.is_initialized():  # by the program that calls us, whose connection stays
        yield _describe_cluster(address, ray)
        return
    environment = {"env_vars": build_worker_environment()}
    given: dict[str, Any] = {"log_to_driver": False, "namespace": "striate", "runtime_env": environment}
    if address == LOCAL_ADDRESS:
        # by that word one of its own, though another may be running on this computer
        given |= {"address": "local", "include_dashboard": False, "num_cpus": count_processors()}
        # nobody else knows it; one for this process, since Ray reads it once
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        given |= {"address": address}
    try:
        _redirect_ray_output()
        with suppress_native_output():
            ray.init(**given, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        raise ClusterError(
            f"The cluster cannot be reached: {(str(error).splitlines() or [''])[0]}",
            received=address,
            expected="host:port of a Ray cluster that this computer is part of, or local",
            hint=f"ray start --address={address} on this computer, or --on local",
        ) from None
    try:
        yield _describe_cluster(address, ray)
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"The cluster is gone: {(str(error).splitlines() or [''])[0][:200].rstrip('.')}",
            received=address,
            hint="the same command, when it is back: it goes on from what is there",
        ) from None
    finally:
        ray.shutdown()


def _redirect_ray_output() -> None:
    """Has what Ray's own processes cry out go to a log; it would stand on standard output, between JSON's braces, and
    there is no setting for it. What matters of it, a death, is told by whoever is at work.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, *_, **__: LOGGER.debug("%s", "\n".join(data.get("lines", [])))


def create_driver_actor(actor_class: type, *arguments: Any) -> Any:
    """Returns an actor of that class on the computer that the work is sent from, where it takes no processor."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=near)(actor_class).remote(*arguments)


def count_processors() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_ray(address: str) -> None:
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
    for name, value in {**RAY_ENVIRONMENT, **(LOCALHOST_ENVIRONMENT if address == LOCAL_ADDRESS else {})}.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: F401
    except ImportError:
        raise ClusterError("A cluster needs Ray, which is not installed", hint=INSTALL_HINT) from None
    if address != LOCAL_ADDRESS:
        _check_address(address)


def _check_address(address: str) -> None:
    """Raises ClusterError for what is no address, or where no token for it is known."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or "/" in address:
        raise ClusterError(
            "Not the address of a cluster", received=address, expected="local, or host:port (of port 6379)"
        )
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if not os.environ.get("RAY_AUTH_TOKEN") and not Path(named or TOKEN_FILE).expanduser().is_file():
        raise ClusterError(
            "The cluster's token is not known on this computer",
            received=f"no file {named or TOKEN_FILE}",
            expected="the same token on every computer",
            hint="ray get-auth-token --generate on one, the file it writes on all",
        )


def _describe_cluster(address: str, ray: Any) -> Cluster:
    found = ray.cluster_resources()
    nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    return Cluster(address, nodes, int(found.get("CPU", 0)), int(found.get("GPU", 0)))


FORWARDED_VARIABLES = ("KERAS_BACKEND", "KERAS_HOME", "XDG_CACHE_HOME", "JAX_PLATFORMS", "STRIATE_TENSORBOARD")


def build_worker_environment(cpu_count: int = 1) -> dict[str, str]:
    """Returns the environment of a worker that may use so many processors: this process' backend, and as many threads
    as processors, in whichever library.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(cpu_count))
    return {
        **threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **{name: os.environ[name] for name in FORWARDED_VARIABLES if name in os.environ},
    }
