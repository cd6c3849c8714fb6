"""A proof in figures: memory does not grow with the images once these are larger than their fraction of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

CHILD = """
import json, sys, threading, time
from pathlib import Path
import striate.data.decoded_cache as cache
cache.memory = lambda: 512 << 20  # a small machine: pixels may take a quarter of it
from striate.workflows.train import train

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

PIXELS = 64 * 64 * 3  # bytes an image


def most_memory(folder: Path, runs: Path) -> float:
    """Returns the MiB that a training from that folder has in memory at most, memory-mapped files not counted."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(runs)], stdout=subprocess.PIPE, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["epochs"] == 2
    return float(said["mib"])


def many(test_data: Path, folder: Path, rows: int) -> Path:
    """Makes a folder of about `rows` training images, hard links to a few hundred files, and some to measure on."""
    for name in ("cats", "dogs"):
        files = sorted((test_data / "cats_dogs" / "test_set" / name).iterdir())[:400]
        for number, file in enumerate(files):
            split = ("test_set", "validation_set")[number] if number < 2 else "training_set"
            place = folder / split / name
            place.mkdir(parents=True, exist_ok=True)
            copy = shutil.copyfile(file, place / f"{number}.jpg")
            for time in range(rows // 800 if split == "training_set" else 20):
                os.link(copy, place / f"{number}-{time}.jpg")
    return folder


def test_a_set_ten_times_as_large_takes_no_more_memory(test_data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    few, lots = 16_000, 160_000
    found = [most_memory(many(test_data, tmp_path / str(rows), rows), tmp_path / "runs") for rows in (few, lots)]
    grown = PIXELS * (lots - few) / 2**20
    assert grown > 1500
    assert found[1] - found[0] < grown / 10, found
