"""What bfloat16 costs and gains: the same trainings in float32 and in mixed bfloat16, seed by seed.

    python benchmarks/precision.py DATA [--seeds N]

DATA holds mnist, fashion_mnist and cats_dogs. Each pair has one seed, so one division, one order and one beginning, and
is judged on the same test images; the two run in turns. `difference` is bfloat16's accuracy less float32's, with a
95 % interval of its mean over the seeds (Student's t).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands import filled, trained
from evidence import publish, spread
from scipy import stats

from striate.runs.run import Run

CASES: dict[str, tuple[str, ...]] = {
    "digits": ("mnist", "--data-dir", "DATA", "--recipe", "fast-digits", "--epochs", "2"),
    "clothes": ("fashion_mnist", "--data-dir", "DATA", "--recipe", "fast-clothes", "--epochs", "4"),
    "cats and dogs": ("DATA/cats_dogs", "--allow-leaks", "--recipe", "fast", "--epochs", "6"),
}
"""Images → the arguments of `striate train`."""

PRECISIONS = ("float32", "mixed_bfloat16")


def outcome(words: tuple[str, ...], data: Path, seed: int, precision: str, scratch: Path) -> dict[str, float]:
    """Returns the test accuracy and the seconds of training."""
    _, said = trained(filled((*words, "--seed", str(seed), "--precision", precision), data), scratch)
    return {"accuracy": said["test"]["accuracy"], "seconds": Run(said["run"]).manifest.phase_seconds["training"]}


def judged(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Returns the mean difference with its interval, and the ratio of times."""
    plain, half = (found[precision] for precision in PRECISIONS)
    differences = [b["accuracy"] - a["accuracy"] for a, b in zip(plain, half, strict=True)]
    mean = statistics.mean(differences)
    reach = stats.t.ppf(0.975, len(differences) - 1) * statistics.stdev(differences) / len(differences) ** 0.5
    return {
        "accuracy": {
            precision: statistics.mean(one["accuracy"] for one in found[precision]) for precision in PRECISIONS
        },
        "difference": {"mean": mean, "interval": [mean - reach, mean + reach], "all": differences},
        "times_as_fast": spread([a["seconds"] / b["seconds"] for a, b in zip(plain, half, strict=True)]),
    }


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    data, results = options.data.resolve(), {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, words in CASES.items():
            found: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
            for seed in range(options.seeds):
                for precision, ones in found.items():
                    ones.append(outcome(words, data, seed, precision, Path(scratch)))
            results[name] = judged(found)
            print(json.dumps({name: results[name]}), file=sys.stderr, flush=True)
    publish({"benchmark": "precision", "seeds": options.seeds, "results": results})


if __name__ == "__main__":
    main()
