"""SIGKILL at random moments: the training that is resumed ends with the bits of one that was never disturbed.

The usual run makes a few; `make reliability` makes 50 on TensorFlow and 20 each on JAX and PyTorch, or as many as the
environment's STRIATE_KILLS says.
"""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from striate.system.checksums import find_damaged_files

WORDS = (
    *("digits", "--arch", "cnn-small", "--epochs", "8", "--precision", "float32", "--dropout", "0.4"),
    *("--augment", "digits", "--patience", "6", "--deterministic", "--replay", "--save-every", "0"),
)
PARTS = 5  # of the many kills, which several processes share
SAME = ("classifier/weights.safetensors", "report.json", "validation.json", "predictions.csv", "symptoms.json")


def _begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Starts the command in a session of its own, where it hears signals whatever started the tests."""
    return subprocess.Popen(
        [sys.executable, "-m", "striate", "train", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "STRIATE_TENSORBOARD": "off"},
    )


def _done(folder: Path, *words: str) -> str:
    with _begin(folder, *words) as process:
        said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    return said


def _bits(run: Path) -> dict[str, str]:
    """Returns the checksums of what must not differ: all figures, no times."""
    found = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in SAME}
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = [row[:6] for row in csv.reader(file)]
    found["history"] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


class _Undisturbed:
    """A training that was left alone: its bits, and how long it took from the making of its folder."""

    def __init__(self, folder: Path) -> None:
        with _begin(folder, *WORDS, "--name", "whole") as process:
            while not (folder / "runs" / "whole" / "recipe.json").exists():
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.005)
            began = time.monotonic()
            said = process.communicate(timeout=300)[0]
            self.seconds = time.monotonic() - began
        assert process.returncode == 0, said
        self.bits = _bits(folder / "runs" / "whole")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> _Undisturbed:
    return _Undisturbed(tmp_path_factory.mktemp("undisturbed"))


def _kill(folder: Path, after: float, *, in_save: bool) -> str:
    """Kills a training; returns where it was."""
    run = folder / "runs" / "r"
    with _begin(folder, *WORDS, "--name", "r") as process:
        while not (run / "recipe.json").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.002)
        time.sleep(after)
        patience = time.monotonic() + 20
        while in_save and process.poll() is None and time.monotonic() < patience:
            if _is_saving(run) and _stopped(process) and _is_saving(run):
                break
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate(timeout=30)
    if process.returncode == 0:
        return "finished"
    if (run / "run.json").exists():
        return "after the manifest"
    if (run / "report.json").exists():
        return "while reporting"
    if _is_saving(run):
        return "in a save"
    return "while training" if _names(run / "checkpoints") else "before the first checkpoint"


def _is_saving(run: Path) -> bool:
    return any(name.endswith(".tmp") for name in _names(run / "checkpoints"))


def _stopped(process: subprocess.Popen[str]) -> bool:
    """Holds the process, so that a save seen to be under way cannot end before the kill arrives."""
    process.send_signal(signal.SIGSTOP)
    status = Path(f"/proc/{process.pid}/stat")
    until = time.monotonic() + 1
    while time.monotonic() < until and process.poll() is None:
        if status.read_text().rpartition(")")[2].split()[0] == "T":
            break
    return process.poll() is None


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def _trial(folder: Path, undisturbed: _Undisturbed, number: int, seed: int) -> str:
    """Kills one training and resumes it; returns where it was killed."""
    rng = np.random.default_rng((number, seed))
    in_save = number % 3 == 0
    fraction = rng.uniform(0, 0.3) if in_save else rng.uniform(0, 1)  # before the report
    where = _kill(folder, fraction * undisturbed.seconds, in_save=in_save)
    _done(folder, "--resume", "r")
    run = folder / "runs" / "r"
    assert _bits(run) == undisturbed.bits, where
    assert find_damaged_files(run) == []
    assert not (run / "checkpoints").exists() and not list(run.rglob("*.tmp"))
    return where


def _trials(root: Path, undisturbed: _Undisturbed, number: int, seed: int) -> dict[str, int]:
    places: dict[str, int] = {}
    trial = 0
    while sum(places.values()) < number:  # one that had ended before it could be killed does not count
        folder = root / f"{trial}"
        folder.mkdir()
        where = _trial(folder, undisturbed, trial, seed)
        if where != "finished":
            places[where] = places.get(where, 0) + 1
        trial += 1
        assert trial < 2 * number
    return places


@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_in_a_save_and_elsewhere_it_ends_with_the_same_bits(
    undisturbed: _Undisturbed, tmp_path: Path, number: int
):
    places = _trials(tmp_path, undisturbed, number, seed=0)
    assert places.get("in a save", 0) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_fifty_kills_on_tensorflow_and_twenty_elsewhere(undisturbed: _Undisturbed, tmp_path: Path, part: int):
    usual = 50 if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow" else 20
    number = int(os.environ.get("STRIATE_KILLS", usual)) // PARTS
    places = _trials(tmp_path, undisturbed, number, seed=part)
    sys.stdout.write(f"{places}\n")
    assert sum(places.values()) == number
    assert places.get("in a save", 0) >= number // 5


@pytest.mark.slow  # cli/test_commands.py has Ctrl-C, and a resumption from it
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_within_ten_seconds_and_the_same_bits_come_of_it(
    undisturbed: _Undisturbed, tmp_path: Path, number: int
):
    with _begin(tmp_path, *WORDS, "--name", "r") as process:
        while not _names(tmp_path / "runs" / "r" / "checkpoints"):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        time.sleep(undisturbed.seconds / 4)
        began = time.monotonic()
        os.kill(process.pid, number)
        said = process.communicate(timeout=60)[0]
        left = time.monotonic() - began
    assert process.returncode == 130, said
    assert left < 10
    assert "striate train --resume" in said and "Traceback" not in said
    said = _done(tmp_path, "--resume", "r")
    assert "may differ" not in said
    assert _bits(tmp_path / "runs" / "r") == undisturbed.bits


@pytest.mark.slow  # test_resumed_runs.py has the same in one process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_report_is_made_leaves_a_run_to_finish(
    undisturbed: _Undisturbed, tmp_path: Path, number: int
):
    run = tmp_path / "runs" / "r"
    with _begin(tmp_path, *WORDS, "--name", "r") as process:
        while not (run / "validation.json").exists():  # the first of the results
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.001)
        process.send_signal(number)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "All is learned; striate train --resume" in said and "Traceback" not in said
    _done(tmp_path, "--resume", "r")
    assert _bits(run) == undisturbed.bits


@pytest.mark.slow
def test_of_two_that_resume_one_run_one_is_refused_by_name(undisturbed: _Undisturbed, tmp_path: Path):
    _kill(tmp_path, undisturbed.seconds / 3, in_save=False)
    both = [_begin(tmp_path, "--resume", "r") for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in both]
    codes = [process.returncode for process in both]
    if codes != [0, 0]:  # they met; else one was done before the other came, and found nothing to do
        assert sorted(codes) == [0, 2], said
        assert "Another process is at work in this run" in said[codes.index(2)]
    assert _bits(tmp_path / "runs" / "r") == undisturbed.bits
