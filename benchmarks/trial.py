"""What a study's smallest trial costs in a warm process, with and without its artifacts, in CPU seconds.

    python benchmarks/trial.py [--rounds N]

The model mlp learns 90 JPEG images of 32×32 pixels for one epoch. After a few trainings that are not counted, which
import and compile what every later one uses, trainings with all artifacts and with none take turns in one process. CPU
seconds are the process' own, of all its threads: what else the machine does hardly matters. The last figure is what
making the artifacts of such a run later takes (`striate report`).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from evidence import publish, spread
from PIL import Image

from striate.runs.run import Run
from striate.workflows.report import write_report
from striate.workflows.train import train

SLOPES = {"across": (0.0, 1.0), "slanting": (0.7, 0.7), "upright": (1.0, 0.0)}
IMAGES = 30  # of each class
SIDE = 32  # pixels
WARM = 2  # trainings of each kind that are not counted
ROUNDS = 12


def save_stripes(root: Path) -> None:
    """Writes a folder of JPEG images of stripes, three classes by their slope."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for name, (right, down) in SLOPES.items():
        (root / name).mkdir(parents=True)
        for number in range(IMAGES):
            wave = np.sin((x * right + y * down) * rng.uniform(0.5, 0.9) + rng.uniform(0, 6))
            pixels = 128 + 80 * wave[:, :, None] * rng.uniform(0.4, 1, 3) + rng.normal(0, 12, (SIDE, SIDE, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(root / name / f"{number}.jpg", quality=92)


def measure_cpu(act: Callable[[], object]) -> float:
    """Returns the CPU seconds of this process that a call takes."""
    began = time.process_time()
    act()
    return time.process_time() - began


def main() -> None:
    """Prints the figures as one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    os.environ["STRIATE_TENSORBOARD"] = "off"
    seconds: dict[str, list[float]] = {"none": [], "all": [], "report": []}
    with tempfile.TemporaryDirectory(prefix="striate-trial-") as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        images, runs = Path(folder) / "images", Path(folder) / "runs"
        save_stripes(images)

        def train_one(artifacts: str, name: str) -> Run:
            return train(images, architecture="mlp", epochs=1, artifacts=artifacts, runs=runs, name=name)

        for number in range(WARM + options.rounds):
            took = {
                "none": measure_cpu(partial(train_one, "none", f"none-{number}")),
                "all": measure_cpu(partial(train_one, "all", f"all-{number}")),
                "report": measure_cpu(partial(write_report, runs / f"none-{number}")),
            }
            if number >= WARM:
                for kind, value in took.items():
                    seconds[kind].append(value)
            print(f"{number}: {took}", file=sys.stderr, flush=True)
    figures = {kind: spread(values) for kind, values in seconds.items()}
    publish(
        {
            "images": IMAGES * len(SLOPES),
            "side": SIDE,
            "cpu_seconds": figures,
            "none_to_all": round(figures["none"]["median"] / figures["all"]["median"], 3),
        }
    )


if __name__ == "__main__":
    main()
