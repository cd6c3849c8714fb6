"""What tests share: real data where it is at hand, small real images everywhere, one trained run."""

from __future__ import annotations

import contextlib
import gc
import http.client
import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

LONGEST = (
    *(
        "test_command.py",
        "cluster/test_batch_inference.py",
        "cluster/test_distributed_training.py",
        "reliability/test_kills.py",
    ),
    "test_tune.py",
    *("serving/test_serving.py", "cli/test_commands.py", "models/test_contract.py", "training/test_transfer.py"),
    *("cluster/test_cluster.py", "test_ladder.py", "cli/test_ladder.py", "serving/test_load.py", "test_repeat.py"),
    *("test_workflows.py", "test_compare_runs.py", "test_learning_curve.py", "reliability/test_resumed_runs.py"),
    *("examples/test_stories.py", "cluster/test_tune_on_cluster.py", "reliability/test_reproducibility.py"),
)
"""The files that take longest, begun first: of several workers none is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts them first."""
    here = Path(__file__).parent
    rank = {here / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


BACKENDS = ("keras", "tensorflow", "jax", "torch")


@pytest.fixture(autouse=True)
def _fast_tests_stay_fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test marked `fast` that imports a backend, or starts Python anew, fails; so none of them trains. The one that
    says `trains=True` may do both.
    """
    marker = request.node.get_closest_marker("fast")
    if marker is None or marker.kwargs.get("trains") or request.node.get_closest_marker("heavy"):
        yield
        return
    start = subprocess.Popen.__init__

    def refuse(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        words = [args] if isinstance(args, str | bytes | os.PathLike) else args
        if sys.executable in map(str, words):
            pytest.fail(f"a test marked `fast` starts Python anew: {args}", pytrace=False)
        start(self, args, *rest, **options)

    before = set(sys.modules)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    yield
    imported = [name for name in BACKENDS if name in sys.modules and name not in before]
    if imported:
        pytest.fail(f"a test marked `fast` imports a backend: {', '.join(imported)}", pytrace=False)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data, or a skip that says how to get it."""
    configured = os.environ.get("STRIATE_TEST_DATA")
    if not configured or not Path(configured).is_dir():
        pytest.skip("STRIATE_TEST_DATA does not name the folder of test data")
    return Path(configured).resolve()


@pytest.fixture(scope="session", autouse=True)
def _hears_ctrl_c() -> None:
    """A shell starts its background jobs deaf to Ctrl-C; tests that raise it must run there too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the developer's own pretrained weights or writes features into their cache. The configuration of
    Keras stays the developer's.
    """
    from striate.system.backend_choice import get_keras_config_path

    own, home = get_keras_config_path(), tmp_path_factory.mktemp("keras")
    if own.is_file():
        shutil.copy(own, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("STRIATE_TENSORBOARD", "off")  # a second for each training; those that need it say so
        yield


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 × 30 JPEG photographs of stripes: across, upright and slanting, in several sizes."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    slopes = {"across": (0.0, 1.0), "slanting": (0.7, 0.7), "upright": (1.0, 0.0)}
    for name, (right, down) in slopes.items():
        (root / name).mkdir()
        for number in range(30):
            height, width = rng.integers(40, 70, 2)
            y, x = np.mgrid[:height, :width]
            wave = np.sin((x * right + y * down) * rng.uniform(0.5, 0.9) + rng.uniform(0, 6))
            pixels = 128 + 80 * wave[:, :, None] * rng.uniform(0.4, 1, 3) + rng.normal(0, 12, (height, width, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(root / name / f"{name} {number}.jpg", quality=92)
    return root


class Server:
    """A running `striate serve`."""

    def __init__(self, *words: str | Path, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "striate", "serve", *words, "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
            start_new_session=True,
        )
        text = ""
        while not text.endswith("\n}\n"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            text += line
        self.said = json.loads(text)
        self.place = self.said["address"].removeprefix("http://").rstrip("/")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Returns status, body (parsed if it is JSON) and headers."""
        connection = http.client.HTTPConnection(self.place, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            reply = connection.getresponse()
            data, given = reply.read(), {name.lower(): value for name, value in reply.getheaders()}
        finally:
            connection.close()
        is_json = given.get("content-type", "").startswith("application/json")
        return reply.status, json.loads(data) if is_json else data, given

    def predict(self, data: bytes, kind: str = "image/png", query: str = "") -> tuple[int, Any]:
        return self.ask("POST", f"/predict{query}", data, Content_Type=kind)[:2]

    def end(self, how: int = signal.SIGTERM) -> int:
        """Sends a signal; returns the exit code."""
        self.process.send_signal(how)
        try:
            code = self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        finally:
            self.process.stdout.close()
            self.process.stderr.close()
        return code


@pytest.fixture(scope="session")
def serve() -> type[Server]:
    """What starts `striate serve`."""
    return Server


def make_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Returns this worker's own copy of a folder that the first worker to ask for it makes, for all of them.

    Args:
        tmp_path_factory: pytest's.
        name: of the folder.
        make: fills the folder that it is given.
    """
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    shared = root / f"shared-{name}"
    with FileLock(root / f"{name}.lock"):
        if not shared.exists():
            folder = root / f"unfinished-{name}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            folder.rename(shared)
    return Path(shutil.copytree(shared, tmp_path_factory.mktemp(name) / name))


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory):
    """A run on the built-in digits: cnn-small, four epochs of small batches; with a replay and TensorBoard."""
    from striate.runs.run import Run
    from striate.workflows.train import train

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("STRIATE_TENSORBOARD")
            settings = {"architecture": "cnn-small", "epochs": 4, "batch": 16, "precision": "float32"}
            train("digits", runs=folder, name="digits", replay=True, **settings)

    return Run(make_once(tmp_path_factory, "digits-runs", make) / "digits")


def _instant() -> ModuleType:
    place = Path(__file__).parent / "instant_training.py"
    spec = importlib.util.spec_from_file_location("instant_training", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def instantly() -> Callable[[], AbstractContextManager[None]]:
    """A context in which trainings learn nothing and take no time, see instant_training.py; for fixtures."""

    @contextlib.contextmanager
    def patched() -> Iterator[None]:
        from striate.training.epoch_loop import EpochRunner

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EpochRunner, "run", _instant().run)
            yield

    return patched


@pytest.fixture
def instant_training(instantly: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """The same for a whole test, one of what is kept about trainings."""
    with instantly():
        yield


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_over() -> Iterator[None]:
    """Models hold themselves by cycles; a file's are gone before the next one's are made. What is left then, half a
    million objects of imported packages, need not be gone through again: that takes as long as a small training.
    """
    yield
    if "keras" in sys.modules:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's own data folder."""
    monkeypatch.delenv("STRIATE_DATA_DIR", raising=False)


@pytest.fixture(scope="session")
def store() -> Iterator[Any]:
    """An S3 server on this computer, as a file system of fsspec, with a bucket `pictures`, where s3:// leads."""
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import fsspec

        files = fsspec.filesystem("s3", use_listings_cache=False)
        files.mkdir("pictures")
        yield files
    server.stop()
