"""Whole commands: written, and timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def timed(command: Sequence[str], environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Returns the seconds that a command takes, and the JSON document it prints last; ends with what it said if it
    fails.
    """
    began = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began, json.loads(done.stdout[done.stdout.index("{") :])


def trained(words: Sequence[str], scratch: Path) -> tuple[float, dict[str, Any]]:
    """Returns the seconds that `striate train` takes with these words, and what it says. Runs and caches lie in
    `scratch`, so that nothing of the user's is found or left.
    """
    command = [sys.executable, "-m", "striate", "train", *words, "--runs", str(scratch / "runs"), "--json"]
    return timed(command, {"XDG_CACHE_HOME": str(scratch)})


ARITHMETIC = (
    "from striate.training.performance.precision import LAYER_KINDS, is_gain_possible, load_or_measure_gain\n"
    "for kind in KINDS if can_gain() else (): gain_of(kind)"
)


def measure_arithmetic(scratch: Path) -> None:
    """Has Striate find out, as a long training would, in which arithmetic this machine is fastest; see `trained`."""
    subprocess.run([sys.executable, "-c", ARITHMETIC], env={**os.environ, "XDG_CACHE_HOME": str(scratch)}, check=True)


def filled(words: Sequence[str], data: Path | None) -> list[str]:
    """Returns the words with the folder of data in place of DATA."""
    return [word.replace("DATA", str(data)) for word in words]
