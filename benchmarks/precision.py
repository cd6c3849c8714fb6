"""What bfloat16 costs and gains: the same trainings in float32 and in mixed bfloat16, seed by seed.

    python benchmarks/precision.py DATA [--seeds N]

DATA holds mnist, fashion_mnist and cats_dogs. Each pair has one seed, so one division, one order and one beginning, and
is judged on the same test pictures; the two run in turns. `difference` is bfloat16's accuracy less float32's, with a
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

from commands import timed
from evidence import publish, spread
from scipy import stats

CASES: dict[str, tuple[str, ...]] = {
    "digits": ("mnist", "--data-dir", "DATA", "--recipe", "fast-digits", "--epochs", "2"),
    "clothes": ("fashion-mnist", "--data-dir", "DATA", "--recipe", "fast-clothes", "--epochs", "4"),
    "cats and dogs": ("DATA/cats_dogs", "--recipe", "fast", "--epochs", "6"),
}
"""Pictures → the arguments of `striate train`."""

PRECISIONS = ("float32", "mixed_bfloat16")


def trained(arguments: tuple[str, ...], data: Path, seed: int, precision: str, scratch: str) -> dict[str, float]:
    """Returns the test accuracy and the seconds of training."""
    command = [sys.executable, "-m", "striate", "train", *(word.replace("DATA", str(data)) for word in arguments)]
    command += ["--seed", str(seed), "--precision", precision, "--runs", scratch, "--json"]
    _, said = timed(command, {"XDG_CACHE_HOME": scratch})
    run = json.loads((Path(said["run"]) / "run.json").read_text())
    return {"accuracy": said["test"]["accuracy"], "seconds": run["seconds"]["training"]}


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
        for name, arguments in CASES.items():
            found: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
            for seed in range(options.seeds):
                for precision, ones in found.items():
                    ones.append(trained(arguments, data, seed, precision, scratch))
            results[name] = judged(found)
            print(json.dumps({name: results[name]}), file=sys.stderr, flush=True)
    publish({"benchmark": "precision", "seeds": options.seeds, "results": results})


if __name__ == "__main__":
    main()
