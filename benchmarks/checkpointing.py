"""What it costs to lose nothing: a checkpoint after every epoch, and sums that are computed in one order.

    python benchmarks/checkpointing.py DATA [--rounds N] [--pictures N]

The model `cnn` learns MNIST, of which DATA holds the folder, for two epochs a round in float32, the images decoded
before. Checkpoints: rounds without and with one after each epoch, whatever it costs, in turns in one process, after one
that compiles. Determinism: the same in processes of their own, since a backend that was told once stays so, in turns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish, spread

from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.system.backend import ACTIVE_BACKEND, enable_determinism
from striate.training.auto_config import plan
from striate.training.checkpoint_store import CheckpointStore
from striate.training.checkpointing import Keeper
from striate.training.fit import fit
from striate.training.recipe import Recipe

HELD_OUT, EPOCHS = 1000, 2


class EveryEpoch(Keeper):
    """Saves after every epoch and never within one, and notes how long that took."""

    def __init__(self, folder: Path) -> None:
        super().__init__(CheckpointStore(folder))
        self.taken: list[float] = []

    def is_due(self, *, after_epoch: bool) -> bool:
        """Returns whether an epoch has ended."""
        return after_epoch

    def save(self, *given: Any) -> bool:
        """Saves, and notes how long it took."""
        saved = super().save(*given)
        self.taken.append(self.cost)
        return saved


def drawn(data: Path, count: int) -> tuple[DecodedSet, DecodedSet]:
    """Returns images to learn from and to validate on, decoded."""
    images = load_images("mnist", data_dir=data)
    chosen = np.random.default_rng(0).permutation(len(images))[: count + HELD_OUT]
    form = Preprocessing(28, 28, 1)
    trained, held = (decode_all(images.subset(part), form) for part in (chosen[:count], chosen[count:]))
    return trained, held


def trained(parts: tuple[DecodedSet, DecodedSet], keeper: Keeper | None) -> float:
    """Returns the seconds of a training."""
    recipe = plan(Recipe(architecture="cnn", epochs=EPOCHS, batch=128, precision="float32"), parts[0].images)
    began = time.perf_counter()
    fit(*parts, recipe, keeper=keeper)
    return time.perf_counter() - began


def checkpoints(parts: tuple[DecodedSet, DecodedSet], rounds: int) -> dict[str, Any]:
    """Returns the cost of a checkpoint after each epoch."""
    without, ratios, taken, size = [], [], [], 0
    trained(parts, None)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain, keeper = trained(parts, None), EveryEpoch(Path(folder))
            ratios.append(trained(parts, keeper) / plain)
            size = max(path.stat().st_size for path in Path(folder).iterdir())
        without.append(plain)
        taken += keeper.taken
    fraction = sum(taken) / rounds / (sum(without) / rounds)
    return {
        "training_s": spread(without),
        "ratio": spread(ratios),
        "checkpoint_ms": spread([1000 * one for one in taken]),
        "checkpoint_megabytes": size / 1e6,
        "share_of_training": round(fraction, 4),
    }


def determinism(data: Path, rounds: int, count: int) -> dict[str, Any]:
    """Returns the ratio of both trainings' times, processes in turns."""
    command = [sys.executable, __file__, str(data), "--pictures", str(count), "--child"]
    both = [[_child(command), _child([*command, "--deterministic"])] for _ in range(rounds)]
    return {
        "usual_s": spread([one for one, _ in both]),
        "deterministic_s": spread([two for _, two in both]),
        "ratio": spread([two / one for one, two in both]),
    }


def _child(command: list[str]) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--deterministic", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.deterministic:
        enable_determinism()
    parts = drawn(options.data, options.pictures)
    if options.child:
        trained(parts, None)
        print(json.dumps(trained(parts, None)))
        return
    found = {
        "backend": ACTIVE_BACKEND.name,
        "pictures": options.pictures,
        "epochs": EPOCHS,
        "checkpoints": checkpoints(parts, options.rounds),
        "determinism": determinism(options.data, options.rounds, options.pictures),
    }
    publish({"benchmark": "checkpointing", "goal": {"checkpoints_ratio": 1.03}, "results": found})


if __name__ == "__main__":
    main()
