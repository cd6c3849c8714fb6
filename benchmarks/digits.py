"""MNIST: the recipe fast-digits beside the tutorial's network, to the same accuracy and in the same time.

    python benchmarks/digits.py DATA [--rounds N] [--goal SHARE]

DATA holds the folder mnist with the four published files. Both sides are whole commands in processes of their own, in
turns (A B A B …), so that a noisy machine disturbs both alike. The tutorial's time to the goal is its training alone,
up to the end of the first epoch whose test accuracy reaches it; Striate's is everything between reading the pictures
and measuring: building, compiling, training, and validation after each epoch. A round of Striate is two trainings, of
one epoch (to pass the goal) and of `--epochs` (what is reached in the time of the tutorial's ten), each with the
round's own seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from cats_dogs import timed

from striate.machine import machine, versions

PEER = Path(__file__).parent / "peers" / "tutorial_digits.py"


def striate(data: Path, seed: int, epochs: int, scratch: str) -> dict[str, float]:
    """Returns what `striate train mnist --recipe fast-digits` takes and reaches."""
    command = [sys.executable, "-m", "striate", "train", "mnist", "--data-dir", str(data), "--recipe", "fast-digits"]
    command += ["--epochs", str(epochs), "--seed", str(seed), "--runs", scratch, "--json"]
    seconds, said = timed(command, {"XDG_CACHE_HOME": scratch})
    run = json.loads((Path(said["run"]) / "run.json").read_text())
    return {
        "command": seconds,
        "training": run["seconds"]["training"],
        "accuracy": said["test"]["accuracy"],
        "n": said["test"]["n"],
    }


def tutorial(data: Path, goal: float) -> dict[str, Any]:
    """Returns what the tutorial's way takes and reaches."""
    seconds, said = timed([sys.executable, str(PEER), str(data / "mnist")], {"KERAS_BACKEND": "tensorflow"})
    passed = next((one["seconds"] for one in said["epochs"] if one["accuracy"] >= goal), None)
    return {
        "command": seconds,
        "training": said["epochs"][-1]["seconds"],
        "to_goal": passed,
        "accuracy": said["accuracy"],
    }


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--goal", type=float, default=0.988)
    options = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(options.rounds):
            rounds.append(
                {
                    "short": striate(options.data, seed, 1, scratch),
                    "tutorial": tutorial(options.data, options.goal),
                    "long": striate(options.data, seed, options.epochs, scratch),
                }
            )
            print(json.dumps(rounds[-1]), file=sys.stderr, flush=True)

    def middle(side: str, figure: str) -> float:
        return float(statistics.median(one[side][figure] for one in rounds))

    def mean_and_deviation(side: str) -> dict[str, float]:
        values = [one[side]["accuracy"] for one in rounds]
        return {"mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0}

    passed = [one for one in rounds if one["tutorial"]["to_goal"] is not None]
    document = {
        "what": "MNIST: striate train --recipe fast-digits beside the digits tutorial's script",
        "goal": options.goal,
        "epochs": {"short": 1, "long": options.epochs, "tutorial": 10},
        "accuracy": {side: mean_and_deviation(side) for side in ("short", "long", "tutorial")},
        "seconds": {
            side: {figure: middle(side, figure) for figure in ("training", "command")}
            for side in ("short", "long", "tutorial")
        },
        "times_as_fast": {
            "training to the goal": statistics.median(
                one["tutorial"]["to_goal"] / one["short"]["training"] for one in passed
            )
            if passed
            else None,
            "whole command": statistics.median(one["tutorial"]["command"] / one["short"]["command"] for one in rounds),
        },
        "rounds": rounds,
        "n": rounds[0]["short"]["n"],
        "machine": machine(),
        "versions": versions(),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
