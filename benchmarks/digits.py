"""`striate train digits`, from the shell to the report, beside a plain Keras script that makes no report.

    python benchmarks/digits.py [--rounds N]

Both train the same network for 30 epochs on as many images, in batches of the same size, and measure it on the test
images; the import of Keras is part of both. They run in turns. Processor seconds are those of the process and its
children. Before the first round one training fills the caches that every later training on a machine finds filled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commands import timed, trained
from evidence import publish, spread

PEER = Path(__file__).parent / "peers" / "keras_digits.py"
GOAL = 0.7
"""Of the peer's processor time, at most."""


def measured(run: Callable[[], tuple[float, dict[str, Any]]]) -> dict[str, float]:
    """Returns the wall-clock and processor seconds of a command, and the test accuracy that it reports."""
    before = os.times()
    seconds, said = run()
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    accuracy = said["test"]["accuracy"] if "test" in said else said["accuracy"]
    return {"seconds": seconds, "processor_seconds": processor, "accuracy": accuracy}


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    sides: dict[str, list[dict[str, float]]] = {"striate": [], "keras": []}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        trained(("digits",), scratch)
        for seed in range(options.rounds):
            shutil.rmtree(scratch / "runs")
            words = ("digits", "--epochs", "30", "--seed", str(seed))
            sides["striate"].append(measured(lambda words=words: trained(words, scratch)))  # type: ignore[misc]
            command = [sys.executable, str(PEER)]
            sides["keras"].append(measured(lambda command=command: timed(command, {"KERAS_BACKEND": "tensorflow"})))  # type: ignore[misc]
    ratios = {
        figure: [ours[figure] / theirs[figure] for ours, theirs in zip(sides["striate"], sides["keras"], strict=True)]
        for figure in ("seconds", "processor_seconds")
    }
    publish(
        {
            "benchmark": "digits",
            "rounds": options.rounds,
            "goal": GOAL,
            "sides": {
                side: {
                    **{figure: spread([one[figure] for one in ones], 2) for figure in ("seconds", "processor_seconds")},
                    "mean_accuracy": round(statistics.mean(one["accuracy"] for one in ones), 4),
                }
                for side, ones in sides.items()
            },
            "ratios": {figure: spread(values) for figure, values in ratios.items()},
        }
    )


if __name__ == "__main__":
    main()
