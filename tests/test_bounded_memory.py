"""A proof in figures: memory does not grow with the pictures once these are larger than their share of it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

CHILD = """
import json, sys, threading, time
from pathlib import Path
import striate.images.cache as cache
cache.memory = lambda: 512 << 20  # a small machine: pixels may take a quarter of it
from striate.experiment import train

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

most, over = 0, threading.Event()
def watch():
    global most
    while not over.wait(0.02):
        most = max(most, anonymous())
thread = threading.Thread(target=watch)
thread.start()
run = train(sys.argv[1], architecture="cnn-small", recipe="classic", height=64, width=64, epochs=2,
            steps_per_epoch=40, batch=64, runs=sys.argv[2])
over.set()
thread.join()
print(json.dumps({"mib": most / 1024, "epochs": run.manifest.epochs}))
"""

PIXELS = 64 * 64 * 3  # bytes a picture


def most_memory(table: Path, runs: Path) -> float:
    """Returns the MiB that a training from that table has in memory at most, memory-mapped files not counted."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(table), str(runs)], stdout=subprocess.PIPE, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["epochs"] == 2
    return float(said["mib"])


def test_a_set_ten_times_as_large_takes_no_more_memory(test_data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = sorted((test_data / "cats_dogs" / "test_set").rglob("*.jpg"))[::2]
    parts = {"test": files[::10], "validation": files[1::10]}
    parts["train"] = sorted(set(files) - {file for part in parts.values() for file in part})
    found, rows_of = [], (16_000, 160_000)
    for rows in rows_of:
        table = tmp_path / f"{rows}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "split"])
            for split, some in parts.items():
                times = rows // len(some) if split == "train" else 1
                writer.writerows([one, one.parent.name, split] for one in some for _ in range(times))
        found.append(most_memory(table, tmp_path / "runs"))
    grown = PIXELS * (rows_of[1] - rows_of[0]) / 2**20
    assert grown > 1500
    assert found[1] - found[0] < grown / 10, found
