"""What starting costs: help, errors and a single prediction, each beside the least that a program must pay for it.

    python benchmarks/start_up.py [--rounds N]

Every command is a process of its own; they run in turns, so that a noisy machine disturbs all alike. Processor seconds
are those of the process and its children. Peers: `python -c pass`, the least any Python program can take; with NumPy,
the least of any that reads images; `import keras`, what a program pays that loads Keras to print its help or an error;
and for a prediction the import of the runtime that computes it. Python may keep its bytecode here whatever the
environment says, and every command runs once before it is measured: an installed package is not compiled at each start.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from evidence import publish, spread
from PIL import Image

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "striate --help": ["-m", "striate", "--help"],
    "import striate": ["-c", "import striate"],
    "striate train digits --recipe typo": ["-m", "striate", "train", "digits", "--recipe", "typo"],
    "striate predict missing one.png": ["-m", "striate", "predict", "missing", "one.png"],
    "import onnxruntime, numpy": ["-c", "import onnxruntime, numpy"],
    "striate predict classifier.onnx one.png": ["-m", "striate", "predict", "classifier.onnx", "one.png"],
    "import keras": ["-c", "import keras"],
    "striate predict RUN one.png": ["-m", "striate", "predict", "runs/run", "one.png"],
}

RATIOS = {
    "an error against Python with NumPy": ("striate train digits --recipe typo", "import numpy", 6.0),
    "a prediction by a run against importing Keras": ("striate predict RUN one.png", "import keras", 1.5),
    "a prediction by ONNX against importing ONNX Runtime": (
        "striate predict classifier.onnx one.png",
        "import onnxruntime, numpy",
        1.5,
    ),
}
"""What is compared: the command, its peer, and how many times the peer's processor time it may take."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""In which every command runs."""

SLOW = ("import keras", "striate predict RUN one.png")
"""Commands that run in every third round only."""

ERROR_SECONDS = 0.6
"""The goal for an error that needs no backend, seconds of wall-clock time on an idle machine."""


def measure(words: list[str], folder: str) -> tuple[float, float]:
    """Returns the wall-clock and the processor seconds of one process; one that is to fail may."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    expected = 2 if {"typo", "missing"} & set(words) else 0
    if done.returncode != expected:
        raise SystemExit(f"{words} ended with {done.returncode}: {done.stderr}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def prepare(folder: str) -> None:
    """Trains a run, exports it, and writes an image to predict."""
    striate = [sys.executable, "-m", "striate"]
    train = ["train", "digits", "--epochs", "2", "--name", "run", "--quiet"]
    subprocess.run([*striate, *train], cwd=folder, capture_output=True, check=True)
    export = ["export", "runs/run", "--format", "onnx", "--out", "classifier.onnx", "--quiet"]
    subprocess.run([*striate, *export], cwd=folder, capture_output=True, check=True)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(pixels).save(Path(folder) / "one.png")


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    trainings, accuracies = [], []
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        for words in COMMANDS.values():
            measure(words, folder)
        for number in range(options.rounds):
            for name, words in COMMANDS.items():
                if name not in SLOW or number % 3 == 0:
                    times[name].append(measure(words, folder))
        for number in range(3):
            began = time.perf_counter()
            words = ["-m", "striate", "train", "digits", "--json", "--quiet", "--seed", str(number)]
            done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=True)
            trainings.append(time.perf_counter() - began)
            accuracies.append(json.loads(done.stdout)["test"]["accuracy"])
    wall = {name: [one for one, _ in values] for name, values in times.items()}
    processor = {name: [one for _, one in values] for name, values in times.items()}
    base = statistics.median(wall["python -c pass"])
    publish(
        {
            "benchmark": "start_up",
            "rounds": options.rounds,
            "seconds": {name: spread(values, 4) for name, values in wall.items()},
            "processor_seconds": {name: spread(values, 4) for name, values in processor.items()},
            "times_python": {name: round(statistics.median(values) / base, 2) for name, values in wall.items()},
            "ratios": {
                name: {
                    "command": command,
                    "peer": peer,
                    "ratio": round(statistics.median(processor[command]) / statistics.median(processor[peer]), 3),
                    "goal": goal,
                }
                for name, (command, peer, goal) in RATIOS.items()
            },
            "error_goal_seconds": ERROR_SECONDS,
            "striate train digits": {
                "n": len(trainings),
                "seconds": spread(trainings, 2),
                "test_accuracy": [round(value, 4) for value in accuracies],
            },
        }
    )


if __name__ == "__main__":
    main()
