"""Photographs of cats and dogs: a pretrained model beside the tutorial's own, from the shell to the report.

    python benchmarks/cats_dogs.py FOLDER WEIGHTS [--rounds N]

FOLDER holds training_set and test_set with cats and dogs; WEIGHTS is an HDF5 file of MobileNetV2's ImageNet weights.
Both sides are whole commands in processes of their own, in turns (A B A B …), so that a noisy machine disturbs both
alike; what is timed is everything from the start of the process to its end. Striate's cache of features is emptied
before every round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands import timed, trained
from evidence import publish

from striate.evaluation.intervals import wilson

PEER = Path(__file__).parent / "peers" / "tutorial_cats_dogs.py"


def striate(folder: Path, weights: Path) -> dict[str, float]:
    """Returns what `striate train --pretrained` takes and reaches."""
    with tempfile.TemporaryDirectory() as scratch:
        seconds, said = trained([str(folder), "--allow-leaks", "--pretrained", str(weights)], Path(scratch))
    return {"seconds": seconds, "accuracy": said["test"]["accuracy"], "n": said["test"]["n"]}


def tutorial(folder: Path) -> dict[str, float]:
    """Returns what the tutorial's way takes and reaches."""
    seconds, said = timed([sys.executable, str(PEER), str(folder)], {"KERAS_BACKEND": "tensorflow"})
    return {"seconds": seconds, "accuracy": said["accuracy"], "n": said["n"]}


def summary(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Returns medians and ranges of several rounds."""
    seconds, accuracies = ([one[name] for one in rounds] for name in ("seconds", "accuracy"))
    n = int(rounds[0]["n"])
    accuracy = statistics.median(accuracies)
    return {
        "seconds": {"median": statistics.median(seconds), "range": [min(seconds), max(seconds)], "all": seconds},
        "accuracy": {"median": accuracy, "all": accuracies, "interval": wilson(round(accuracy * n), n), "n": n},
    }


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(striate(options.folder, options.weights))
        theirs.append(tutorial(options.folder))
        print(json.dumps({"striate": ours[-1], "tutorial": theirs[-1]}), file=sys.stderr, flush=True)
    ratios = [one["seconds"] / other["seconds"] for one, other in zip(ours, theirs, strict=True)]
    publish(
        {
            "what": "cats and dogs, shell to report: striate train --pretrained WEIGHTS beside the tutorial's model",
            "rounds": options.rounds,
            "striate": {"weights": options.weights.name, **summary(ours)},
            "tutorial": {"network": "64x64, two convolutions, ImageDataGenerator, 10 epochs", **summary(theirs)},
            "time_ratio": {"median": statistics.median(ratios), "all": ratios},
        }
    )


if __name__ == "__main__":
    main()
