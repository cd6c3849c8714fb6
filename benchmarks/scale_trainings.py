"""Trainings on a cluster: two processes beside one, one of them killed, and a search whose driver is killed."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from scale_hosts import memory
from scale_stand import STRIATE, Stand, history, wait_for

SAME = re.compile(r"The 2 processes hold the same weights \(SHA-256 (\w+)…\)")
TOLERANCE = 0.001  # of the losses, relative: sums are made in another order, and a model's training amplifies that
TRIALS = 24


def together(stand: Stand) -> dict[str, Any]:
    """Returns, for JAX and PyTorch, how a training by two processes on two computers differs from one by one process,
    and from one of which a process was killed.
    """
    rows = {backend: _together(stand, backend) for backend in ("jax", "torch")}
    return {**rows, "reached": all(row["reached"] for row in rows.values())}


def _together(stand: Stand, backend: str) -> dict[str, Any]:
    runs, hosts = stand.folder / backend, stand.hosts
    words: list[Any] = [
        *STRIATE,
        "train",
        "digits",
        "--arch",
        "cnn-small",
        "--epochs",
        "8",
        "--batch",
        "64",
        "--backend",
        backend,
    ]
    words += ["--precision", "float32", "--dropout", "0.3", "--runs", runs]
    shared = ["--on", hosts.address, "--workers", "2"]
    began = time.perf_counter()
    hosts.run([*words, "--name", "one"])
    alone = time.perf_counter() - began
    began = time.perf_counter()
    said = hosts.run([*words, *shared, "--name", "two"]).stdout
    undisturbed = time.perf_counter() - began
    began = time.perf_counter()
    process = hosts.begin([*words, *shared, "--name", "killed"])
    wait_for(lambda: len(history(runs / "killed")) >= 2)
    victim = hosts.processes(1, "RayTrainWorker")[0]
    megabytes = memory(victim)
    os.kill(victim, signal.SIGKILL)
    epochs = len(history(runs / "killed"))
    told, errors = process.communicate(timeout=300)
    if process.returncode:
        raise RuntimeError(errors[-2000:])
    disturbed = time.perf_counter() - began
    losses = {name: [(row["loss"], row["val_loss"]) for row in history(runs / name)] for name in ("one", "two")}
    one, two = np.array(losses["one"]), np.array(losses["two"])
    weights = {name: _weights(runs / name) for name in ("one", "two", "killed")}
    found: dict[str, Any] = {
        "epochs": len(two),
        "greatest_relative_difference_of_a_loss": float(np.abs(two / one - 1).max()),
        "greatest_difference_of_a_weight": max(
            float(np.abs(weights["one"][name] - weights["two"][name]).max()) for name in weights["one"]
        ),
        "same_on_both_ranks": SAME.search(said) is not None,
        "killed_after_epoch": epochs,
        "killed_equals_undisturbed": _hash(runs / "killed") == _hash(runs / "two"),
        "same_on_both_ranks_after_the_kill": SAME.search(told) is not None,
        "seconds": {"one": round(alone, 1), "two": round(undisturbed, 1), "killed": round(disturbed, 1)},
        "megabytes_of_a_process": round(megabytes),
        "tolerance": TOLERANCE,
    }
    is_same = found["greatest_relative_difference_of_a_loss"] <= TOLERANCE and len(one) == len(two)
    ranks = found["same_on_both_ranks"] and found["same_on_both_ranks_after_the_kill"]
    return {**found, "reached": bool(is_same and ranks and found["killed_equals_undisturbed"] and epochs < 8)}


def tune(stand: Stand) -> dict[str, Any]:
    """Returns what became of a search of 24 configurations whose driver was killed after eight were finished."""
    hosts, runs = stand.hosts, stand.folder
    words: list[Any] = [*STRIATE, "tune", "digits", "--arch", "mlp", "--epochs", "9", "--trials", str(TRIALS)]
    words += ["--precision", "float32", "--search", "lr=1e-4..1e-1:log", "--search", "dropout=0..0.5"]
    words += ["--runs", runs, "--on", hosts.address]
    place = runs / "tune-digits"
    began = time.perf_counter()
    process = hosts.begin(words)
    wait_for(lambda: len(_finished(place)) >= 8)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before, first = _finished(place), time.perf_counter() - began
    began = time.perf_counter()
    again = hosts.run(words, check=False)
    if again.returncode:
        raise RuntimeError(again.stderr[-2000:])
    after = _finished(place)
    found = {
        "trials": TRIALS,
        "finished_when_killed": len(before),
        "finished_at_the_end": len(after),
        "trained_again": sum(after.get(name) != when for name, when in before.items()),
        "seconds": {"until_the_kill": round(first, 1), "the_rest": round(time.perf_counter() - began, 1)},
    }
    return {**found, "reached": len(after) == TRIALS and not found["trained_again"] and len(before) < TRIALS}


def _finished(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/run.json")}


def _weights(run: Path) -> dict[str, Any]:
    return dict(safetensors.numpy.load_file(run / "classifier" / "weights.safetensors"))


def _hash(run: Path) -> str:
    return hashlib.sha256((run / "classifier" / "weights.safetensors").read_bytes()).hexdigest()
