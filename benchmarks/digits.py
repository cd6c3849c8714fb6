"""`striate train digits`, from the shell to the report, beside a bare Keras script that makes no report.

    python benchmarks/digits.py [--rounds N] [--source FOLDER]

Both are processes of their own, in turns, so that a noisy machine disturbs both alike; each pair gives one ratio. What
counts is the time of all processors, of the process and of those it starts, importing included. Of Striate's caches the
folder is new in each round; Python's compiled files and the operating system's are warm for both sides, as in a second
run. `--source` runs another version of Striate: the folder that holds the package `striate`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from evidence import publish, spread

PEER = Path(__file__).parent / "peers" / "keras_digits.py"
STRIATE = ("-m", "striate", "train", "digits", "--json", "--quiet")


def measure(words: tuple[str, ...], environment: dict[str, str]) -> dict[str, Any]:
    """Returns the processor's and the wall clock's seconds of one process with its children, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "XDG_CACHE_HOME": folder, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout[done.stdout.index("{") :])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": seconds, "accuracy": said.get("test", said)["accuracy"]}


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--source", type=Path)
    options = parser.parse_args()
    environment = {"PYTHONPATH": str(options.source.resolve())} if options.source else {}
    found: dict[str, list[dict[str, Any]]] = {"striate": [], "keras": []}
    for _ in range(options.rounds):
        found["striate"].append(measure(STRIATE, environment))
        found["keras"].append(measure((str(PEER),), environment))
        print(json.dumps({side: ones[-1] for side, ones in found.items()}), file=sys.stderr, flush=True)
    pairs = list(zip(found["striate"], found["keras"], strict=True))
    publish(
        {
            "benchmark": "digits",
            "rounds": options.rounds,
            "cpu_seconds": {side: spread([one["cpu"] for one in ones]) for side, ones in found.items()},
            "wall_seconds": {side: spread([one["wall"] for one in ones]) for side, ones in found.items()},
            "accuracy": {side: spread([one["accuracy"] for one in ones], 4) for side, ones in found.items()},
            "cpu_ratio": spread([ours["cpu"] / peer["cpu"] for ours, peer in pairs]),
            "wall_ratio": spread([ours["wall"] / peer["wall"] for ours, peer in pairs]),
        }
    )


if __name__ == "__main__":
    main()
