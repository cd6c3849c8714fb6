"""From nothing to an accuracy, and what is reached in a tutorial's time: Striate beside the script of a peer.

    python benchmarks/race.py NAME DATA [--seeds N] [--rounds N] [--only ENTRY,…]

NAME is a row of RACES. DATA holds mnist and fashion_mnist (the four published files each), cats_dogs (training_set and
test_set), and cifar10_jpeg (train.parquet and test.parquet; a lossy copy, JPEG quality 75, whose accuracies are not
comparable with published ones). Both sides are whole commands in processes of their own, in turns, so that a noisy
machine disturbs both alike; the peer runs in the first `--rounds` of the `--seeds` rounds. A peer's time to the goal is
its training alone, up to the end of the first epoch whose test accuracy reaches it; Striate's is everything between
reading the images and measuring: building, compiling, training, and validation after each epoch.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import filled, measure_arithmetic, timed, trained
from evidence import publish

from striate.evaluation.intervals import wilson
from striate.runs.run import Run

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Race:
    """One kind of images and who runs.

    Attributes:
        what: for people.
        pictures: the arguments of `striate train` that name them; DATA stands for the folder of data.
        peer: the other side's script, and what its arguments are.
        title: what the peer is, for people.
        goal: the test accuracy that is raced to.
        entries: name → further arguments of `striate train`.
    """

    what: str
    pictures: tuple[str, ...]
    peer: tuple[str, ...]
    title: str
    goal: float
    entries: dict[str, tuple[str, ...]]


RACES = {
    "digits": Race(
        what="Digits (MNIST)",
        pictures=("mnist", "--data-dir", "DATA"),
        peer=("tutorial_digits.py", "DATA/mnist"),
        title="the digits tutorial's script, 10 epochs",
        goal=0.988,
        entries={
            "short": ("--recipe", "fast-digits", "--epochs", "1", "--steps-per-epoch", "160"),
            "long": ("--recipe", "fast-digits", "--epochs", "14"),
        },
    ),
    "clothes": Race(
        what="Clothes (Fashion-MNIST)",
        pictures=("fashion_mnist", "--data-dir", "DATA"),
        peer=("tutorial_clothes.py", "DATA/fashion_mnist"),
        title="the clothes tutorial's model with dropout, 20 epochs",
        goal=0.9205,
        entries={
            "short": ("--recipe", "fast-clothes"),
            "long": ("--recipe", "fast", "--epochs", "8", "--validation", "0.05"),
        },
    ),
    "cats_dogs": Race(
        what="Cats and dogs, without pretrained weights",
        pictures=("DATA/cats_dogs", "--allow-leaks"),
        peer=("tutorial_cats_dogs.py", "DATA/cats_dogs"),
        title="the cats-and-dogs tutorial's model, 64×64, 10 epochs",
        goal=0.85,
        entries={
            "short": ("--recipe", "fast", "--minutes", "1"),
            "long": ("--recipe", "fast", "--epochs", "30", "--validation", "0.05"),
        },
    ),
    "cifar10": Race(
        what="CIFAR-10, a lossy copy (JPEG quality 75: not comparable with published figures)",
        pictures=("DATA/cifar10_jpeg",),
        peer=("keras_resnet20.py", "DATA/cifar10_jpeg", "--minutes", "15"),
        title="Keras' ResNet-20 example, after 15 of its minutes",
        goal=0.9,
        entries={
            "long": (
                *("--recipe", "fast", "--epochs", "27", "--validation", "0.02"),
                *("--augment", "flip,shift=0.09,cutout=0.25", "--tta", "multicrop"),
            )
        },
    ),
}


def shown(race: Race, entry: str) -> str:
    """Returns the command of an entry, as people type it."""
    return " ".join(("striate train", *race.pictures, *race.entries[entry]))


def striate(race: Race, entry: str, data: Path, seed: int, scratch: Path) -> dict[str, float]:
    """Returns what `striate train` takes and reaches; of the images it knows nothing from earlier rounds."""
    shutil.rmtree(scratch / "striate" / "decoded", ignore_errors=True)
    words = filled((*race.pictures, *race.entries[entry], "--seed", str(seed)), data)
    seconds, said = trained(words, scratch)
    run = Run(said["run"])
    later = run.epochs[1:]
    return {
        "command": seconds,
        "training": run.manifest.phase_seconds["training"],
        "epochs": run.manifest.epochs,
        "waiting": max((one.wait_fraction for one in later), default=0.0),
        "accuracy": said["test"]["accuracy"],
        "n": said["test"]["n"],
    }


def peer(race: Race, data: Path) -> dict[str, Any]:
    """Returns what the other side takes and reaches."""
    script, *arguments = race.peer
    command = [sys.executable, str(PEERS / script), *filled(arguments, data)]
    seconds, said = timed(command, {"KERAS_BACKEND": "tensorflow"})
    passed = next((one["seconds"] for one in said["epochs"] if one["accuracy"] >= race.goal), None)
    return {
        "command": seconds,
        "training": said["epochs"][-1]["seconds"],
        "epochs": len(said["epochs"]),
        "to_goal": passed,
        "accuracy": said["accuracy"],
    }


def run(race: Race, data: Path, entries: list[str], seeds: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """Returns all that was measured, and its medians. Which arithmetic is fast is found out before, as it is once a
    machine.
    """
    found: list[dict[str, Any]] = []
    measure_arithmetic(scratch)
    for seed in range(seeds):
        one: dict[str, Any] = {name: striate(race, name, data, seed, scratch) for name in entries}
        if seed < rounds:
            one["peer"] = peer(race, data)
        found.append(one)
        print(json.dumps(one), file=sys.stderr, flush=True)
    n = int(found[0][entries[0]]["n"])
    sides = {side: [one[side] for one in found if side in one] for side in (*entries, "peer")}
    return {
        "what": race.what,
        "goal": race.goal,
        "peer": race.title,
        "n": n,
        "sides": {side: _summary(ones, n) for side, ones in sides.items() if ones},
        "ratios": {
            name: {
                "training, peer's to the goal": _median(
                    one["peer"]["to_goal"] / one[name]["training"]
                    for one in found
                    if "peer" in one and one["peer"]["to_goal"]
                ),
                "training": _median(one["peer"]["training"] / one[name]["training"] for one in found if "peer" in one),
                "command": _median(one["peer"]["command"] / one[name]["command"] for one in found if "peer" in one),
            }
            for name in entries
        },
        "commands": {name: shown(race, name) for name in entries},
        "rounds": found,
    }


def _summary(ones: list[dict[str, float]], n: int) -> dict[str, Any]:
    accuracies = [one["accuracy"] for one in ones]
    mean = statistics.mean(accuracies)
    return {
        "accuracy": {
            "mean": mean,
            "sd": statistics.stdev(accuracies) if len(ones) > 1 else None,
            "interval": wilson(round(mean * n), n),
            "all": accuracies,
        },
        "seconds": {
            figure: {"median": statistics.median(values), "range": [min(values), max(values)]}
            for figure in ("training", "command")
            for values in [[one[figure] for one in ones]]
        },
    }


def _median(values: Any) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RACES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="of them, those in which the peer runs too")
    parser.add_argument("--only", help="entries that run, by default all")
    options = parser.parse_args()
    race = RACES[options.name]
    entries = options.only.split(",") if options.only else list(race.entries)
    with tempfile.TemporaryDirectory() as scratch:
        document = run(race, options.data.resolve(), entries, options.seeds, options.rounds, Path(scratch))
    publish(document)


if __name__ == "__main__":
    main()
