"""Two computers on one: model namespaces with a cable between them, a Ray node in each; or, where the system does not
allow namespaces, two Ray nodes side by side.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
NAMES = ("striate1", "striate2")
ADDRESSES = ("10.77.0.1", "10.77.0.2")
PORT, STORE = 6390, 6391
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Hosts:
    """Two computers with a processor each.

    Args:
        scratch: a folder for their sockets.
        hidden: a folder that the second one does not see, where they are namespaces.

    Attributes:
        kind: `network namespaces` or `nodes side by side`.
        address: the cluster's.
    """

    def __init__(self, scratch: Path, hidden: Path) -> None:
        self.hidden = hidden
        token = secrets.token_hex(32)
        self.environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        self.environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
        self.environment |= dict(zip(CREDENTIALS, ("somebody", "something", "us-east-1"), strict=True))
        self.temporary = scratch / "ray"
        self.is_apart = _separated()
        self.kind = "model namespaces" if self.is_apart else "nodes side by side"
        self.addresses = ADDRESSES if self.is_apart else ("127.0.0.1", "127.0.0.1")
        self.address = f"{self.addresses[0]}:{PORT}"
        self.environment["AWS_ENDPOINT_URL"] = f"http://{self.addresses[0]}:{STORE}"
        self.store: subprocess.Popen[Any] | None = None
        self.nodes: list[subprocess.Popen[Any]] = []

    def start(self) -> None:
        """Starts both nodes."""
        self._node(0, "--head", f"--port={PORT}", f"--temp-dir={self.temporary}", "--include-dashboard=false")
        self._node(1, f"--address={self.address}")
        self.require_nodes(2)

    def start_store(self) -> None:
        """Starts the server of the bucket, on the first one."""
        command = [str(BIN / "moto_server"), "-H", self.addresses[0], "-p", str(STORE)]
        self.store = subprocess.Popen(self.within(0, command), start_new_session=True, **QUIET)

    def _node(self, number: int, *words: str) -> None:
        command = [str(BIN / "ray"), "start", *words, f"--node-ip-address={self.addresses[number]}", "--num-cpus=1"]
        if number and self.is_apart:
            cover = f'mount -t tmpfs none {self.hidden} && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", cover, "sh", *command]
        node = subprocess.Popen(
            self.within(number, [*command, "--block"]), env=self.environment, start_new_session=True, **QUIET
        )
        self.nodes = [*self.nodes[:number], node]

    def within(self, number: int, command: list[str]) -> list[str]:
        """Returns the command as it is run on one of them."""
        return ["ip", "netns", "exec", NAMES[number], *command] if self.is_apart else command

    def require_nodes(self, number: int) -> None:
        """Waits until so many are there."""
        ask = "import ray; ray.init(address=%r, logging_level='ERROR'); print(sum(n['Alive'] for n in ray.nodes()))"
        for _ in range(30):
            found = self.run([sys.executable, "-c", ask % self.address], check=False)
            if found.stdout.strip().endswith(str(number)):
                return
            time.sleep(1)
        raise RuntimeError(f"{number} nodes do not come up: {found.stderr[-500:]}")

    def run(self, command: list[Any], *, check: bool = True, **named: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command on the first one to its end."""
        whole = self.within(0, list(map(str, command)))
        return subprocess.run(
            whole, env={**self.environment, **named}, capture_output=True, text=True, check=check, timeout=560
        )

    def begin(self, command: list[Any], **named: str) -> subprocess.Popen[str]:
        """Begins a command on the first one."""
        whole = self.within(0, list(map(str, command)))
        environment = {**self.environment, **named}
        return subprocess.Popen(
            whole, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def processes(self, number: int, title: str) -> list[int]:
        """Returns the process numbers of a node's workers of that title."""
        mine = _descendants(self.nodes[number].pid)
        return [pid for pid in mine if title in _title(pid)]

    def lose_second(self) -> None:
        """Has the second one lose its power: every process of it is killed at once."""
        for pid in _descendants(self.nodes[1].pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.nodes[1].wait()

    def end(self) -> None:
        """Ends both, and takes the cable away."""
        for node in self.nodes:
            for pid in _descendants(node.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            node.wait()
        if self.store is not None:
            self.store.kill()
            self.store.wait()
        if self.is_apart:
            _torn_down()


@contextlib.contextmanager
def hosts(hidden: Path) -> Iterator[Hosts]:
    """Gives two computers, started, the second of which does not see a folder."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder:
        found = Hosts(Path(folder), hidden)
        try:
            found.start()
            yield found
        finally:
            found.end()


def _separated() -> bool:
    """Makes the namespaces and the cable; returns whether that could be done."""
    if os.geteuid() or shutil.which("ip") is None:
        return False
    _torn_down()
    try:
        for name in NAMES:
            _ip("netns", "add", name)
        _ip("link", "add", "striate-a", "type", "veth", "peer", "name", "striate-b")
        for name, device, address in zip(NAMES, ("striate-a", "striate-b"), ADDRESSES, strict=True):
            place = Path("/etc/netns") / name  # what lies there `ip netns exec` shows in the place of /etc
            place.mkdir(parents=True, exist_ok=True)
            (place / "hosts").write_text(f"127.0.0.1 localhost\n{address} {socket.gethostname()}\n")
            _ip("link", "set", device, "netns", name)
            _ip("netns", "exec", name, "ip", "addr", "add", f"{address}/24", "dev", device)
            for up in (device, "lo"):
                _ip("netns", "exec", name, "ip", "link", "set", up, "up")
    except (subprocess.CalledProcessError, OSError):
        _torn_down()
        return False
    return True


def _torn_down() -> None:
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], check=False, **QUIET)  # noqa: S607
        shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: S607


def _descendants(root: int) -> list[int]:
    """Returns a process and all that come of it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def memory(pid: int) -> float:
    """Returns the megabytes that a process holds in memory, none of them shared with others where that is told."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0
