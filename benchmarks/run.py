"""Every benchmark, one after the other: benchmarks/results/NAME.json from each, and then docs/performance.md.

    python benchmarks/run.py [DATA] [--only NAME,…]     some hours on two cores
    python benchmarks/run.py [DATA] --quick             under three minutes: smaller, fewer rounds; leaves no results

DATA is the folder of data that the benchmarks name; those that need it are left out without it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from commands import filled

HERE = Path(__file__).parent
CATS_DOGS = ("DATA/cats_dogs", "DATA/weights/mobilenet_v2_1.0_224_no_top_bnfolded.h5")
FINE_TUNING = ("DATA/cats_dogs", "DATA/weights/mobilenet_v2_0.35_224_no_top.h5")

MISSED = 1  # what a benchmark ends with whose document is whole, and says that a goal is not reached

FULL: dict[str, tuple[str, ...]] = {
    "start_up": ("start_up.py",),
    "digits": ("digits.py",),
    "fixed_costs": ("fixed_costs.py",),
    "trial": ("trial.py",),
    "step_efficiency": ("step_efficiency.py", "--data-dir", "DATA"),
    "step_counting": (
        *("step_efficiency.py", "--data-dir", "DATA"),
        *("--networks", "cnn-small,cnn", "--rounds", "3"),
    ),
    "step_again": (
        *("step_efficiency.py", "--data-dir", "DATA"),
        *("--networks", "cnn", "--rounds", "9"),
    ),
    "where_time_goes": ("where_time_goes.py", "DATA"),
    "step_overhead": ("step_overhead.py", "--data-dir", "DATA"),
    "pytorch": ("pytorch.py", "--data-dir", "DATA"),
    "answers": ("answers.py", "DATA"),
    "pipeline": ("pipeline.py", "DATA"),
    "race_digits": ("race.py", "digits", "DATA"),
    "race_clothes": ("race.py", "clothes", "DATA"),
    "race_cats_dogs": ("race.py", "cats_dogs", "DATA"),
    "race_cifar10": ("race.py", "cifar10", "DATA", "--seeds", "3", "--rounds", "1"),
    "copies": ("copies.py", "DATA"),
    "data": ("data.py", "DATA"),
    "precision": ("precision.py", "DATA"),
    "cats_dogs": ("cats_dogs.py", *CATS_DOGS),
    "grad_cam": ("grad_cam.py", *CATS_DOGS),
    "explainer": ("explainer.py", "DATA"),
    "checkpointing": ("checkpointing.py", "DATA"),
    "shipping": ("shipping.py",),
    "serving": ("serving.py", "DATA"),
    "scale": ("scale.py", "DATA"),
    "scale_plan": ("scale_plan.py",),
    "fine_tuning": ("fine_tuning.py", *FINE_TUNING),
    "report": ("report.py", "DATA"),
    "intervals": ("intervals.py",),
    "doctor": ("doctor.py", "DATA"),
}
"""Name of a result → the script and its arguments."""

QUICK: dict[str, tuple[str, ...]] = {
    "step_efficiency": (
        *("step_efficiency.py", "--data-dir", "DATA"),
        *("--rounds", "1", "--pictures", "4000", "--networks", "cnn-small"),
    ),
    "pytorch": (
        *("pytorch.py", "--data-dir", "DATA"),
        *("--rounds", "1", "--pictures", "2560", "--networks", "cnn-small,cnn"),
    ),
    "answers": ("answers.py", "DATA", "--rounds", "1"),
    "race_digits": ("race.py", "digits", "DATA", "--only", "short", "--seeds", "1", "--rounds", "0"),
}
"""The same where it is only asked whether something has become slow: one round, small models, a race without its
peer's minutes."""


def measure(name: str, words: tuple[str, ...], data: Path | None) -> tuple[str, bool]:
    """Returns the JSON document that a benchmark prints, and whether it says that its goals are reached (those that
    check none always do); what it says on the way goes to standard error.
    """
    command = [sys.executable, str(HERE / words[0]), *filled(words[1:], data)]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    document = done.stdout[done.stdout.find("{") :]
    try:
        json.loads(document)
    except ValueError:
        sys.exit(f"{name} failed: {' '.join(command)}")
    if done.returncode not in (0, MISSED):
        sys.exit(f"{name} failed with {done.returncode}: {' '.join(command)}")
    return document, not done.returncode


def main() -> None:
    """Writes the results, or prints them as one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", help="names of results, by default all")
    options = parser.parse_args()
    chosen = QUICK if options.quick else FULL
    if options.only:
        chosen = {name: chosen[name] for name in options.only.split(",")}
    data = options.data.resolve() if options.data else None
    if data is None:
        left_out = [name for name, words in chosen.items() if any("DATA" in word for word in words)]
        chosen = {name: words for name, words in chosen.items() if name not in left_out}
        print(f"Left out, since they need a folder of data: {', '.join(left_out)}", file=sys.stderr)
    results, missed = {}, []
    for name, words in chosen.items():
        results[name], is_reached = measure(name, words, data)
        missed += [] if is_reached else [name]
        if not options.quick:
            (HERE / "results" / f"{name}.json").write_text(results[name], encoding="utf-8")
    if options.quick:
        print(json.dumps({name: json.loads(text) for name, text in results.items()}, indent=2))
    else:
        subprocess.run([sys.executable, str(HERE.parent / "docs" / "generate.py")], check=True)
    if missed:
        sys.exit(f"A goal is missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
