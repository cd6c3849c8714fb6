"""What a small pretrained model reaches on cats and dogs: resting and fine-tuned.

    python benchmarks/fine_tuning.py FOLDER WEIGHTS [--seeds N] [--size N]

WEIGHTS is an HDF5 file of MobileNetV2's ImageNet weights at width 0.35, with ordinary batch-norm. Every variant is a
`striate train` of its own, in turns over the seeds; all share one division of the images per seed, and are compared
image by image with the resting model of the same seed (McNemar's exact test).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands import trained
from evidence import publish

from striate.evaluation.comparison.compare import compare
from striate.runs.run import Run

VARIANTS: dict[str, list[str]] = {
    "resting": [],
    "fine-tuned, 4 epochs": ["--fine-tune", "4"],
    "fine-tuned, 4 epochs, no augmentation": ["--fine-tune", "4", "--augment", "none"],
    "fine-tuned, 10 epochs": ["--fine-tune", "10"],
}


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(options.seeds):
            runs = Path(scratch) / "runs"
            resting = runs / f"0-{seed}"
            for number, (name, words) in enumerate(VARIANTS.items()):
                name_of_run = f"{number}-{seed}"
                command = [
                    str(options.folder),
                    "--allow-leaks",
                    "--pretrained",
                    str(options.weights),
                    "--size",
                    str(options.size),
                ]
                command += ["--name", name_of_run, "--seed", str(seed), *words]
                seconds, said = trained(command, Path(scratch))
                run = runs / name_of_run
                pair = compare([Run(resting).build_summary(), Run(run).build_summary()]).pairs[0].paired_difference
                found[name].append(
                    {
                        "seed": seed,
                        "accuracy": said["test"]["accuracy"],
                        "interval": said["test"]["interval"],
                        "seconds": round(seconds, 1),
                        "against_resting": pair and {"difference": pair.difference, "p_value": pair.p_value},
                    }
                )
                print(json.dumps({name: found[name][-1]}), file=sys.stderr, flush=True)
    publish(
        {
            "what": "MobileNetV2 0.35 on cats and dogs: test accuracy, and seconds from shell to report",
            "weights": options.weights.name,
            "size": options.size,
            "variants": {
                name: {
                    "options": " ".join(VARIANTS[name]),
                    "mean_accuracy": statistics.fmean(row["accuracy"] for row in rows),
                    "median_seconds": statistics.median(row["seconds"] for row in rows),
                    "runs": rows,
                }
                for name, rows in found.items()
            },
        }
    )


if __name__ == "__main__":
    main()
