"""One training by several processes: the same as by one, whoever dies."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import safetensors.numpy

from striate.cluster.connection import connect_cluster
from striate.data.augment import Augment
from striate.data.batches import Batches
from striate.errors import ConfigError
from striate.runs.run import Run
from striate.system.backend import ACTIVE_BACKEND
from striate.workflows.train import resume, train

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.filterwarnings("ignore"),  # Ray's about Ray's own code
]
together = pytest.mark.skipif(
    ACTIVE_BACKEND.name == "tensorflow", reason="TensorFlow's processes cannot train together"
)
SETTINGS = {"architecture": "cnn-small", "epochs": 4, "precision": "float32", "batch": 64, "dropout": 0.3}
BARE = {**SETTINGS, "artifacts": "none"}
WORDS = ("--arch", "cnn-small", "--epochs", "4", "--precision", "float32", "--batch", "64", "--dropout", "0.3")


def weights(run: Run) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run.path / "classifier" / "weights.safetensors")


def same(one: Run, other: Run) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


@pytest.fixture(scope="module")
def cluster():
    with connect_cluster("local"):
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Run:
    return train("digits", runs=tmp_path_factory.mktemp("one"), **BARE)


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory) -> Run:
    return train("digits", runs=tmp_path_factory.mktemp("two"), on="local", workers=2, save_every=0.2, **BARE)


@pytest.fixture(scope="module")
def killed(cluster, workers, tmp_path_factory) -> Run:
    """The same, one of its processes killed in the third epoch."""
    runs, victims = tmp_path_factory.mktemp("killed"), []

    def kill() -> None:
        history = runs / "killed" / "history.csv"
        while not history.is_file() or history.read_text().count("\n") < 3:
            time.sleep(0.02)
        victims.append(max(workers("RayTrainWorker")))
        os.kill(victims[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run = train("digits", runs=runs, name="killed", on="local", workers=2, save_every=0.2, **BARE)
    thread.join()
    assert victims
    return run


def require_alike(found: Run, expected: Run) -> None:
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        one, other = ([getattr(row, name) for row in run.epochs] for run in (found, expected))
        assert one == pytest.approx(other, rel=2e-3, abs=2e-3), name
    assert found.state == "finished" and found.recipe == expected.recipe
    assert max(np.abs(weights(found)[name] - weights(expected)[name]).max() for name in weights(expected)) < 0.02


def test_a_part_of_a_batch_is_what_it_is_within_the_whole():
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (40, 12, 12, 3), np.uint8), np.arange(40, dtype=np.int32) % 3
    for augment in (
        Augment(flip=True, shift=0.2, brightness=0.3, cutout=0.3),
        Augment(flip=True, rotate=20, zoom=0.2, brightness=0.3),
    ):
        whole, *parts = (
            Batches(pixels, labels, 3, 12, shuffle_seed=1, augment=augment, shard=part)
            for part in ((0, 1), (0, 3), (1, 3), (2, 3))
        )
        for batches in (whole, *parts):
            batches.set_epoch(2)
        images, targets = zip(*(part[1] for part in parts), strict=True)
        assert (np.concatenate(images) == whole[1][0]).all() and (np.concatenate(targets) == whole[1][1]).all()
        assert len(whole) == len(parts[0])


@together
@pytest.mark.backend
@pytest.mark.slow  # `make cluster` runs it on JAX and PyTorch
def test_two_processes_learn_what_one_learns(undisturbed, alone):
    require_alike(undisturbed, alone)


@together
@pytest.mark.backend
@pytest.mark.slow
def test_a_killed_process_is_begun_again_and_all_learn_what_one_learns(killed, alone):
    require_alike(killed, alone)


@together
@pytest.mark.backend
@pytest.mark.slow
def test_a_killed_process_costs_time_and_not_one_bit(killed, undisturbed):
    assert same(killed, undisturbed)
    strip = [[(row.epoch, row.loss, row.val_loss) for row in one.epochs] for one in (killed, undisturbed)]
    assert strip[0] == strip[1]


@together
@pytest.mark.backend
@pytest.mark.slow
def test_stopped_together_it_is_resumed_alone(undisturbed, tmp_path):
    command = [sys.executable, "-m", "striate", "train", "digits", *WORDS, "--runs", tmp_path, "--name", "stopped"]
    command += ["--on", "local", "--workers", "2", "-q"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        history = tmp_path / "stopped" / "history.csv"
        while not history.is_file() or history.read_text().count("\n") < 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "with a checkpoint" in said
    assert Run(tmp_path / "stopped").state == "unfinished"
    run = resume(tmp_path / "stopped")
    assert run.state == "finished"
    found, expected = ([row.loss for row in one.epochs] for one in (run, undisturbed))
    assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.backend
def test_what_cannot_be_shared_is_refused_before_anything_is_written(tmp_path):
    asked = [
        ({"batch": 33}, "cannot be shared out evenly"),
        ({"minutes": 1.0}, "Minutes"),
        ({"replay": True}, "watched"),
    ]
    if ACTIVE_BACKEND.name == "tensorflow":
        asked = [({}, "on JAX or PyTorch alone")]
    for changes, said in asked:
        with pytest.raises(ConfigError, match=said):
            train("digits", runs=tmp_path, on="local", workers=2, architecture="mlp", **changes)
    assert not any(tmp_path.iterdir())
