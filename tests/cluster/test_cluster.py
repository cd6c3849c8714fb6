"""A cluster: what is refused before anything is connected, and that strangers are kept out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from striate.cluster.connection import Cluster, connect_cluster, require_ray
from striate.errors import ClusterError

PROBE = """
import json, sys
from striate.cluster.connection import connect_cluster
with connect_cluster("local") as cluster:
    import ray, os
    node, context = ray.nodes()[0], ray.get_runtime_context()
    print(json.dumps({"node": node["NodeManagerAddress"], "gcs": context.gcs_address,
                      "mode": os.environ["RAY_AUTH_MODE"], "token": os.environ["RAY_AUTH_TOKEN"],
                      "dashboard": ray._private.worker._global_node.webui_url}))
    sys.stdout.flush()
    sys.stdin.readline()
"""


@pytest.fixture
def _token_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))


@pytest.mark.parametrize("address", ["here", "ray://host:10001", "host:", ":6379", "http://host:6379"])
def test_what_is_no_address_is_refused(address, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)
    with pytest.raises(ClusterError, match="Not the address of a cluster"):
        require_ray(address)


@pytest.mark.usefixtures("_token_less")
def test_without_its_token_a_cluster_is_not_asked():
    with pytest.raises(ClusterError, match=r"token is not known .* Try: ray get-auth-token --generate"):
        require_ray("127.0.0.1:6379")


def test_without_authentication_nothing_is_connected(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ClusterError, match="authentication is switched off"), connect_cluster("local"):
        pass


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'striate\[ray\]'"):
        require_ray("local")


def test_what_is_connected_to_is_told_in_words():
    assert str(Cluster("local", 1, 2, 0)) == "Ray on this computer: 2 processors"
    assert str(Cluster("a:6379", 3, 96, 8)) == "Ray cluster at a:6379: 3 computers, 96 processors, 8 GPUs"


def _joins(port: int, **environment: str) -> bool:
    """Whether a program with that environment gets into the cluster within 25 seconds."""
    joins = f"import ray; ray.init(address='127.0.0.1:{port}', log_to_driver=False); print(ray.cluster_resources())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", joins],
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
            env={**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", **environment},
        )
    except subprocess.TimeoutExpired:
        return False
    return "CPU" in done.stdout


@pytest.mark.parametrize("is_tried", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_cluster_of_our_own_listens_here_alone_and_asks_for_a_token(is_tried: bool):
    """From another address of this computer no port answers; from its own none without a token."""
    with subprocess.Popen(
        [sys.executable, "-c", PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline() or "{}")
        try:
            assert told["node"] == "127.0.0.1" and told["mode"] == "token" and not told["dashboard"]
            port = int(told["gcs"].rpartition(":")[2])
            assert len(told["token"]) >= 32
            if is_tried:
                assert _joins(port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=told["token"])
                assert not _joins(port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="f" * 64)
            outside = socket.gethostbyname(socket.gethostname())
            if not outside.startswith("127."):
                with pytest.raises(OSError, match=r"refused|timed out"), socket.create_connection((outside, port), 5):
                    pass
        finally:
            process.communicate("\n", timeout=60)
