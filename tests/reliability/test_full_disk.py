"""A disk that is full before, during and after a training."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.errors import RunError
from striate.progress import Progress
from striate.runs.store import RunStore
from striate.system.array_cache import ArrayCache
from striate.system.atomic_files import compute_sha256
from striate.system.checksums import find_damaged_files
from striate.training.checkpoint_store import CheckpointStore
from striate.workflows.train import resume, train

QUICK = {"architecture": "cnn-small", "epochs": 3, "precision": "float32", "artifacts": "none", "name": "r"}


class _Lines(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)


def test_too_little_room_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000_000))
    with pytest.raises(RunError, match=r"too little room.*10 MB free.*Expected: \d+ MB.*--runs on another disk"):
        train("digits", runs=tmp_path / "runs", **QUICK)
    assert not (tmp_path / "runs").exists()


class _FullFrom:
    """Lets a disk be full for some of what is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ends: str) -> None:
        self.ends, self.is_full = ends, True
        write, opened = Path.write_bytes, Path.open
        monkeypatch.setattr(Path, "write_bytes", lambda path, content: self.refuse(path) or write(path, content))
        monkeypatch.setattr(
            Path,
            "open",
            lambda path, mode="r", *rest, **options: (
                (("w" in mode or "a" in mode) and self.refuse(path)) or opened(path, mode, *rest, **options)
            ),
        )

    def refuse(self, path: Path) -> None:
        if self.is_full and any(end in path.name for end in self.ends):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_disk_that_is_full_while_training_costs_the_checkpoints_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = train("digits", runs=tmp_path / "whole", save_every=0, **QUICK)
    told = _Lines()
    with monkeypatch.context() as patch:
        full = _FullFrom(patch, ".safetensors.", "history.csv")
        full.is_full = False
        say = told.log

        def fills_up(line: str) -> None:
            say(line)
            full.is_full |= line.startswith("Epoch 1/")
            full.is_full &= not line.startswith("Epoch 3/")

        patch.setattr(told, "log", fills_up)
        run = train("digits", runs=tmp_path / "runs", save_every=0, progress=told, **QUICK)
    assert sum("No checkpoint can be written (No space left on device" in line for line in told.lines) == 1
    assert sum("The history cannot be written" in line for line in told.lines) == 1
    assert run.state == "finished" and find_damaged_files(run.path) == []
    for name in ("classifier/weights.safetensors", "report.json"):
        assert compute_sha256(run.path / name) == compute_sha256(whole.path / name)
    assert [row.epoch for row in run.epochs] == [1, 2, 3]


@pytest.mark.usefixtures("instant_training")
def test_a_disk_that_is_full_at_the_report_loses_nothing_that_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        _FullFrom(patch, "report.json")
        with pytest.raises(RunError, match=r"results cannot be written: No space left.*make room, then striate train"):
            train("digits", runs=tmp_path, **QUICK)
    run = RunStore(tmp_path).find("r")
    assert run.state == "unfinished"
    told = _Lines()
    assert resume(run, progress=told).state == "finished"
    assert not any(line.startswith("Epoch") for line in told.lines), "nothing is learned twice"
    assert find_damaged_files(run.path) == []


def test_a_cache_that_cannot_be_kept_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import numpy as np

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shelf = ArrayCache("decoded", 1 << 30)
    shelf.put("a", np.arange(100))
    with monkeypatch.context() as patch:
        _FullFrom(patch, ".npy")
        shelf.put("b", np.arange(100))
        shelf.put("a", np.arange(50))
    assert shelf.get("b") is None
    assert shelf.get("a") is None or len(shelf.get("a")[0]) == 100
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB, or a skip where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.usefixtures("instant_training")
def test_a_real_disk_that_fills_up_keeps_the_last_checkpoint(small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("striate.training.resources.room_needed", lambda *_: 0)
    told = _Lines()
    ballast = small_disk / "ballast"
    say = told.log

    def fills_up(line: str) -> None:
        say(line)
        if line.startswith("Epoch 1/"):
            saved.extend(path.name for path in (small_disk / "r" / "checkpoints").iterdir())
            ballast.write_bytes(b"0" * max(0, shutil.disk_usage(small_disk).free - 20_000))

    saved: list[str] = []
    monkeypatch.setattr(told, "log", fills_up)
    with pytest.raises(RunError, match=r"results cannot be written: No space left on device"):
        train("digits", runs=small_disk, save_every=0, progress=told, **QUICK)
    assert any("No checkpoint can be written (No space left on device" in line for line in told.lines)
    found = CheckpointStore(small_disk / "r" / "checkpoints").load_latest()
    assert found.checkpoint is not None and found.damaged_files == ()
    ballast.unlink()
    assert resume(RunStore(small_disk).find("r")).state == "finished"
