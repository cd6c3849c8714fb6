"""A run's folder belongs to one process at a time, and to nobody once that is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from striate.errors import RunError
from striate.runs.lock import OWNER_FILE, hold_lock

CONTENDER = """
import sys, time
from pathlib import Path
from striate.errors import RunError
from striate.runs.lock import hold_lock
folder, start = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not start.exists():
    pass
try:
    with hold_lock(folder):
        print("won", flush=True)
        sys.stdin.readline()
except RunError as error:
    print("refused", error, flush=True)
"""


def _contender(folder: Path, start: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CONTENDER, str(folder), str(start)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("times", [5, pytest.param(45, marks=pytest.mark.slow)])
def test_of_two_that_start_at_once_exactly_one_wins(tmp_path: Path, times: int):
    for attempt in range(times):
        folder, start = tmp_path / f"{attempt}", tmp_path / f"start {attempt}"
        folder.mkdir()
        both = [_contender(folder, start) for _ in range(2)]
        start.touch()
        said = sorted(_line(process) for process in both)
        assert said[1] == "won\n", said
        assert said[0].startswith("refused Another process is at work in this run")
        for process in both:
            process.communicate("\n", timeout=30)


def test_who_holds_it_is_named(tmp_path: Path):
    (tmp_path / "start").touch()
    holder = _contender(tmp_path, tmp_path / "start")
    assert _line(holder) == "won\n"
    with pytest.raises(RunError, match=rf"process {holder.pid} on {socket.gethostname()}"), hold_lock(tmp_path):
        pass
    holder.communicate("\n", timeout=30)
    with hold_lock(tmp_path):
        pass
    assert not (tmp_path / OWNER_FILE).exists()


def test_a_killed_owner_leaves_no_lock(tmp_path: Path):
    (tmp_path / "start").touch()
    holder = _contender(tmp_path, tmp_path / "start")
    assert _line(holder) == "won\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate(timeout=30)
    assert (tmp_path / OWNER_FILE).exists()
    with hold_lock(tmp_path):
        assert f'"pid": {os.getpid()}' in (tmp_path / OWNER_FILE).read_text()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path):
    with pytest.raises(RunError, match="cannot be locked"), hold_lock(tmp_path / "gone"):
        pass
