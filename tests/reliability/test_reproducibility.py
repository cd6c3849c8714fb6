"""What is promised where a training is resumed elsewhere: with other threads, on another backend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from striate.training.history import read_history

WORDS = (
    "digits",
    "--arch",
    "cnn-small",
    "--epochs",
    "5",
    "--precision",
    "float32",
    "--dropout",
    "0",
    "--deterministic",
)

Outcome = tuple[str, np.ndarray, dict[str, np.ndarray]]
"""What a training said, its validation losses, and its weights."""

STOPPED = """
import os, signal, sys
from striate.cli import main
from striate.progress import LineProgress
say = LineProgress.log
def stop(self, line):
    say(self, line)
    if line.startswith("Epoch 2/"):
        os.kill(os.getpid(), signal.SIGINT)
LineProgress.log = stop
sys.exit(main(["train", *sys.argv[1:]]))
"""


def _run(folder: Path, *words: str, threads: int, backend: str, code: str | None = None) -> str:
    program = ["-c", code] if code else ["-m", "striate", "train"]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, *program, *words],
        cwd=folder,
        env={**os.environ, **limits, "KERAS_BACKEND": backend, "STRIATE_TENSORBOARD": "off"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (130 if code else 0), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs with one that TensorFlow, with one thread, has left after two of five epochs."""
    folder = tmp_path_factory.mktemp("ladder")
    _run(folder, *WORDS, "--name", "r", threads=1, backend="tensorflow", code=STOPPED)
    return folder


def _outcome(
    stopped: Path, folder: Path, *, threads: int, backend: str
) -> tuple[str, np.ndarray, dict[str, np.ndarray]]:
    shutil.copytree(stopped, folder)
    said = _run(folder, "--resume", "r", "--backend", backend, threads=threads, backend=backend)
    run = folder / "runs" / "r"
    losses = np.array([row.val_loss for row in read_history(run / "history.csv")])
    return said, losses, safetensors.numpy.load_file(run / "classifier" / "weights.safetensors")


@pytest.fixture(scope="module")
def same(stopped: Path, tmp_path_factory: pytest.TempPathFactory):
    return _outcome(stopped, tmp_path_factory.mktemp("same") / "x", threads=1, backend="tensorflow")


def _differences(one: Outcome, other: Outcome) -> tuple[float, float]:
    """Returns the largest relative difference of a validation loss, and the largest of a weight."""
    losses = float(np.abs(one[1] / other[1] - 1).max())
    return losses, max(float(np.abs(one[2][name] - other[2][name]).max()) for name in one[2])


@pytest.mark.slow  # test_kills.py has one that is stopped and goes on to the same bits
def test_with_as_many_threads_nothing_differs_and_nothing_is_said(stopped: Path, same, tmp_path: Path):
    again = _outcome(stopped, tmp_path / "x", threads=1, backend="tensorflow")
    assert _differences(again, same) == (0.0, 0.0)
    assert "may differ" not in again[0]


@pytest.mark.slow
def test_with_other_threads_the_last_digits_differ_and_that_is_said(stopped: Path, same, tmp_path: Path):
    found = _outcome(stopped, tmp_path / "x", threads=2, backend="tensorflow")
    losses, weights = _differences(found, same)
    sys.stdout.write(f"threads: losses {losses:.1e}, weights {weights:.1e}\n")
    assert losses < 1e-3 and weights < 1e-3
    assert "may differ" in found[0] and "OMP_NUM_THREADS 1, now 2" in found[0]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_another_backend_the_training_goes_on_nearly_alike_and_that_is_said(
    stopped: Path, same, tmp_path: Path, backend: str
):
    pytest.importorskip(backend)
    found = _outcome(stopped, tmp_path / "x", threads=1, backend=backend)
    losses, weights = _differences(found, same)
    sys.stdout.write(f"{backend}: losses {losses:.1e}, weights {weights:.1e}\n")
    assert losses < 1e-3 and weights < 1e-3
    assert f"backend tensorflow, now {backend}" in found[0]
