"""Trainings on a cluster: the same runs as here, whatever dies, and none trained twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from striate.cluster import tune_executor
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.load import load_images
from striate.progress import Progress
from striate.studies.ladder import ladder
from striate.studies.repeat import cross_validate, repeat
from striate.studies.search.tune import tune

QUICK = {"architecture": "mlp", "epochs": 2, "precision": "float32"}
WORDS = ("tune", "digits", "--arch", "mlp", "--epochs", "3", "--precision", "float32", "--search", "lr=1e-5..1e-1:log")


class _Lines(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def few():
    digits = load_images("digits")
    return from_arrays(np.asarray(digits.sources)[:400], digits.labels[:400], name="few digits")


def _when(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/run.json")}


@pytest.mark.slow
def test_seeds_come_to_what_they_come_to_here(few, tmp_path):
    said = _Lines()
    there = repeat(few, seeds=2, runs=tmp_path / "there", on="local", progress=said, **QUICK)
    here = repeat(few, seeds=2, runs=tmp_path / "here", **QUICK)
    assert there.manifest.state == "finished" and not there.manifest.failures
    for one, other in zip(there.runs, here.runs, strict=True):
        assert one.recipe == other.recipe and one.state == "finished"
        assert one.report.accuracy == pytest.approx(other.report.accuracy, abs=0.03)
        assert [row.loss for row in one.epochs] == pytest.approx([row.loss for row in other.epochs], rel=1e-3)
    assert any(line.startswith("Ray on this computer") for line in said.lines)
    before, again = _when(there.path), _Lines()
    repeat(few, seeds=2, runs=tmp_path / "there", on="local", progress=again, **QUICK)
    assert _when(there.path) == before and "All 2 runs are there already." in again.lines


@pytest.mark.slow
def test_runs_of_computers_that_do_not_see_the_folder_are_sent_back(few, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def unseen(folder: Path) -> Iterator[str]:
        yield "nowhere"

    monkeypatch.setattr(tune_executor, "_create_marker_file", unseen)
    found = cross_validate(few, folds=2, runs=tmp_path, on="local", **QUICK)
    assert [run.name for run in found.runs] == ["fold-1", "fold-2"]
    assert sum(run.report.n for run in found.runs) == len(few)
    assert not [path for path in found.path.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_what_cannot_be_trained_is_told_and_the_others_go_on(few, tmp_path):
    said = _Lines()
    settings = {name: value for name, value in QUICK.items() if name != "architecture"}
    found = ladder(few, rungs=["mlp", "vgg11"], runs=tmp_path, on="local", progress=said, **settings)
    states = {row.architecture: row.state for row in found.rows}
    assert states == {"mlp": "finished", "vgg11": "failed"} and found.state == "failed"
    assert any(line.startswith("vgg11 failed: ") for line in said.lines)


@pytest.mark.slow
def test_a_search_ends_trainings_early_there_too(few, tmp_path):
    found = tune(few, runs=tmp_path, on="local", search=["lr=1e-5..1e-1:log"], trials=5, **{**QUICK, "epochs": 3})
    states = [row.state for row in found.document.rows]
    assert len(states) == 5 and set(states) <= {"finished", "ended early"} and "ended early" in states
    for row in found.document.rows:
        assert (row.epochs < 3) == (row.state == "ended early")
        assert all(run.state == "finished" for run in found.runs)


def _workers(process: subprocess.Popen[str]) -> list[int]:
    """Returns the processes below a driver that are training: Ray names them after what they do."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().decode("utf-8", "replace")
            if line.startswith("ray::ImplicitFunc") or "_train_there" in line:
                found.append(int(path.parent.name))
    return found


def _driver(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "striate", *WORDS, *words, "--on", "local"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    with _driver(tmp_path, "--trials", "4", "--no-pruning", "--json") as process:
        until = time.monotonic() + 120
        while not (victims := _workers(process)) and time.monotonic() < until:
            time.sleep(0.2)
        while not list(tmp_path.glob("runs/*/*/history.csv")) and time.monotonic() < until:
            time.sleep(0.2)
        os.kill(victims[0], signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    document = json.loads((tmp_path / "runs" / "tune-digits" / "tune.json").read_text())
    assert [row["state"] for row in document["rows"]] == ["finished"] * 4


@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on_and_trains_nothing_again(tmp_path):
    folder = tmp_path / "runs" / "tune-digits"
    with _driver(tmp_path, "--trials", "4") as process:
        until = time.monotonic() + 180
        while len(list(folder.glob("*/SHA256SUMS"))) < 2 and time.monotonic() < until:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    before = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/SHA256SUMS")}
    assert len(before) >= 2
    with _driver(tmp_path, "--trials", "4") as process:
        output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    after = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/SHA256SUMS")}
    assert {name: after[name] for name in before} == before
    document = json.loads((folder / "tune.json").read_text())
    assert document["state"] == "finished" and len(document["rows"]) == 4


@pytest.mark.slow
def test_ctrl_c_leaves_a_search_that_can_be_resumed(tmp_path):
    folder = tmp_path / "runs" / "tune-digits"
    with _driver(tmp_path, "--trials", "6") as process:
        until = time.monotonic() + 180
        while not list(folder.glob("*/SHA256SUMS")) and time.monotonic() < until:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "can be resumed" in output
    assert json.loads((folder / "tune.json").read_text())["state"] == "interrupted"
