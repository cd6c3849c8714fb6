"""The same on a GPU: images per second beside PyTorch, and how long CIFAR-10 takes. Without a GPU it ends at once.

    KERAS_BACKEND=jax python benchmarks/gpu.py DATA [--seeds N] [--epochs N]

DATA holds mnist (the four published files) and cifar10_jpeg (a lossy copy, JPEG quality 75, whose accuracies are not
comparable with published ones; on the originals airbench94 reaches 94 % in 9.9 epochs and 3.29 s of an A100, Jordan
2024, arXiv:2404.00498, table 1). `speed` is benchmarks/pytorch.py with whole MNIST, at a usual batch and at one that
fills the card. `cifar10` is a `striate train` of airbench94's model in as many epochs: the first epoch holds the
compilation, the others are steady.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands import trained
from evidence import publish, spread

from striate.runs.run import Run
from striate.system.backend import ACTIVE_BACKEND, list_devices

PICTURES = 60_000
BATCHES = (128, 1024)
PUBLISHED = {"what": "airbench94 on one A100, 9.9 epochs, without compilation", "seconds": 3.29, "accuracy": 0.94}
CIFAR10 = (
    *("--recipe", "fast", "--arch", "airbench", "--batch", "1024", "--lr", "1.0", "--validation", "0.02"),
    *("--augment", "flip,shift=0.0625,cutout=0.25", "--tta", "multicrop"),
)


def speed(data: Path, batch: int, rounds: int) -> dict[str, Any]:
    """Returns what benchmarks/pytorch.py finds with that batch."""
    command = [sys.executable, str(Path(__file__).parent / "pytorch.py"), "--data-dir", str(data)]
    command += ["--pictures", str(PICTURES), "--rounds", str(rounds), "--batch", str(batch)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said[said.index("{") :])["results"]
    return found


def cifar10(data: Path, seed: int, epochs: int, scratch: Path) -> dict[str, float]:
    """Returns what one training takes and reaches."""
    words = (str(data / "cifar10_jpeg"), *CIFAR10, "--epochs", str(epochs), "--seed", str(seed))
    seconds, said = trained(words, scratch)
    rows = Run(said["run"]).epochs
    steady = statistics.median(row.seconds for row in rows[1:])
    return {
        "accuracy": said["test"]["accuracy"],
        "command": seconds,
        "training": Run(said["run"]).manifest.phase_seconds["training"],
        "first_epoch": rows[0].seconds,
        "steady_epoch": steady,
        "steps_alone": steady * epochs,
        "images_per_second": statistics.median(row.images_per_second for row in rows[1:]),
        "waiting": statistics.median(row.wait_fraction for row in rows[1:]),
    }


def card() -> str:
    """Returns the first GPU's name."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if list_devices() == ["cpu"]:
        sys.exit(f"{ACTIVE_BACKEND.name} sees no GPU here")
    with tempfile.TemporaryDirectory() as scratch:
        found = []
        for seed in range(options.seeds):
            found.append(cifar10(options.data, seed, options.epochs, Path(scratch)))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    speeds = {str(batch): speed(options.data, batch, options.rounds) for batch in BATCHES}
    publish(
        {
            "benchmark": "gpu",
            "backend": ACTIVE_BACKEND.name,
            "device": ", ".join(list_devices()),
            "card": card(),
            "cifar10": {
                "epochs": options.epochs,
                "train": " ".join(("striate train DATA/cifar10_jpeg", *CIFAR10, "--epochs", str(options.epochs))),
                "published": PUBLISHED,
                "rounds": found,
                **{name: spread([one[name] for one in found], 4) for name in found[0]},
            },
            "speed": speeds,
        }
    )


if __name__ == "__main__":
    main()
