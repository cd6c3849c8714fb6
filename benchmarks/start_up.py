"""What starting costs: `striate --help` and `import striate` beside Python itself, and `striate train digits` whole.

    python benchmarks/start_up.py [--rounds N]

Each is a process of its own, in turns, so that a noisy machine disturbs all alike. Peers: `python -c pass`, the least
any Python program can take; and `python -c "import keras"`, what a program pays that loads Keras to print its help.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time

from evidence import publish, spread

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "striate --help": ["-m", "striate", "--help"],
    "import striate": ["-c", "import striate"],
    "import keras": ["-c", "import keras"],
}


def seconds(words: list[str], folder: str) -> float:
    """Returns how long one process takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    trainings, accuracies = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for name, words in COMMANDS.items():
                if name != "import keras" or number % 5 == 0:
                    times[name].append(seconds(words, folder))
        for number in range(3):
            began = time.perf_counter()
            words = ["-m", "striate", "train", "digits", "--json", "--quiet", "--seed", str(number)]
            done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=True)
            trainings.append(time.perf_counter() - began)
            accuracies.append(json.loads(done.stdout)["test"]["accuracy"])
    base = statistics.median(times["python -c pass"])
    publish(
        {
            "benchmark": "start_up",
            "rounds": options.rounds,
            "seconds": {name: spread(values, 4) for name, values in times.items()},
            "times_python": {name: round(statistics.median(values) / base, 2) for name, values in times.items()},
            "striate train digits": {
                "n": len(trainings),
                "seconds": spread(trainings, 2),
                "test_accuracy": [round(value, 4) for value in accuracies],
            },
        }
    )


if __name__ == "__main__":
    main()
