"""docs/performance.md from the JSON that the benchmarks left: no figure in it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

Rows = Sequence[Sequence[str]]


def page() -> str:
    """Returns the page as Markdown; benchmarks that left no result are not mentioned."""
    parts = [
        "# Performance",
        "",
        "Generated from benchmarks/results/ by `make docs`; do not edit. `make bench` measures anew. Two sides of a",
        "comparison ran in turns on one machine; figures are medians, with the smallest and the largest in brackets.",
        "These machines are shared and noisy: trust the ratios.",
    ]
    for name, section in SECTIONS.items():
        file = RESULTS / f"{name}.json"
        if file.is_file():
            found = json.loads(file.read_text(encoding="utf-8"))
            parts += ["", *section(found), "", _where(found)]
    return "\n".join(parts) + "\n"


def _digits(found: dict[str, Any]) -> list[str]:
    faster, goal = found["times_as_fast"], found["goal"]
    rows = []
    for side, label in (("tutorial", "the tutorial's script"), ("short", "fast-digits"), ("long", "fast-digits")):
        accuracy, seconds = found["accuracy"][side], found["seconds"][side]
        rows.append(
            (
                f"{label}, {found['epochs'][side]} epochs".replace(" 1 epochs", " 1 epoch"),
                f"{accuracy['mean']:.2%} ± {100 * accuracy['sd']:.2f}",
                f"{seconds['training']:.1f}",
                f"{seconds['command']:.1f}",
            )
        )
    passing = sum(one["short"]["accuracy"] >= goal for one in found["rounds"])
    to_goal = f"{faster['training to the goal']:.1f} times as fast" if faster["training to the goal"] else "not reached"
    return [
        "## Digits (MNIST)",
        "",
        *_table(("", "test accuracy, mean ± sd", "training, s", "whole command, s"), rows),
        "",
        f"To {goal:.1%} of the test pictures, training alone: {to_goal} as the tutorial's script. The whole command,",
        f"a report included, takes 1/{faster['whole command']:.1f} of the script's. One epoch passed {goal:.1%} with",
        f"{passing} of {len(found['rounds'])} seeds. n = {found['n']:,} test pictures.",
        "",
        "    python benchmarks/digits.py DATA",
    ]


def _cats_dogs(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            label,
            f"{found[side]['accuracy']['median']:.2%}",
            f"{found[side]['seconds']['median']:.1f} [{found[side]['seconds']['range'][0]:.1f}, "
            f"{found[side]['seconds']['range'][1]:.1f}]",
        )
        for side, label in (
            ("tutorial", "the tutorial's network"),
            ("striate", "train --pretrained, resting MobileNetV2"),
        )
    ]
    ratio = found["time_ratio"]
    return [
        "## Cats and dogs, with pretrained weights",
        "",
        *_table(("", "test accuracy", "whole command, s"), rows),
        "",
        f"From shell to report it takes {ratio['median']:.2f} [{min(ratio['all']):.2f}, {max(ratio['all']):.2f}] of",
        f"the tutorial's time. n = {found['striate']['accuracy']['n']:,} test pictures.",
        "",
        "    python benchmarks/cats_dogs.py FOLDER WEIGHTS",
    ]


def _fine_tuning(found: dict[str, Any]) -> list[str]:
    rows = [
        (name, f"{one['mean_accuracy']:.2%}", f"{one['median_seconds']:.0f}") for name, one in found["variants"].items()
    ]
    return [
        "## Cats and dogs: resting or fine-tuned (MobileNetV2 0.35)",
        "",
        *_table(("", "mean test accuracy", "whole command, s"), rows),
        "",
        "    python benchmarks/fine_tuning.py FOLDER WEIGHTS",
    ]


def _comparison(
    found: dict[str, Any], *, title: str, about: Sequence[str], peer: tuple[str, str], ratio: tuple[str, str], form: str
) -> list[str]:
    """Returns networks' pictures a second on two sides; `peer` and `ratio` are names in the JSON and for people."""
    rows = []
    for name, one in found["results"].items():
        speeds, times = one["images_per_second"], one[ratio[0]]
        spread = f"{form.format(times['median'])} [{form.format(times['min'])}, {form.format(times['max'])}]"
        rows.append((name, f"{speeds[peer[0]]:,}", f"{speeds['striate']:,}", spread))
    return [
        *(f"## {title}", "", *about, ""),
        *_table(("", peer[1], "Striate", ratio[1]), rows),
        *("", f"    python benchmarks/{found['benchmark']}.py"),
    ]


def _start_up(found: dict[str, Any]) -> list[str]:
    rows = [(f"`{name}`", f"{one['median']:.3f}") for name, one in found["seconds"].items()]
    whole = found["striate train digits"]["seconds"]["median"]
    return [
        "## Starting",
        "",
        *_table(("", "seconds"), [*rows, ("`striate train digits`, to the report", f"{whole:.1f}")]),
        "",
        "    python benchmarks/start_up.py",
    ]


SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "digits": _digits,
    "cats_dogs": _cats_dogs,
    "fine_tuning": _fine_tuning,
    "step_efficiency": partial(
        _comparison,
        title="A training step beside a hand-written loop",
        about=(
            "Pictures a second of a whole `fit` (history, progress, metrics, a polite stop), and of a whole epoch as",
            "one TensorFlow graph that has none of that, with Keras' own batch-norm.",
        ),
        peer=("handwritten", "loop"),
        ratio=("reached", "reached"),
        form="{:.0%}",
    ),
    "step_overhead": partial(
        _comparison,
        title="A training step beside a bare `model.fit`",
        about=("The same network and pictures by Keras' `fit` on arrays, as a tutorial writes it, in float32.",),
        peer=("bare", "bare fit"),
        ratio=("cost_ratio", "time per picture, of bare fit's"),
        form="{:.2f}",
    ),
    "pytorch": partial(
        _comparison,
        title="A training step beside PyTorch",
        about=("Pictures a second, each side in its best precision; PyTorch channels last, a bare loop.",),
        peer=("pytorch", "PyTorch"),
        ratio=("times_as_fast", "times as fast"),
        form="{:.2f}",
    ),
    "start_up": _start_up,
}
"""Name of a result → how it is shown."""


def _table(header: Sequence[str], rows: Rows) -> list[str]:
    line = "| " + " | ".join(header) + " |"
    return [line, "|---|" + "---:|" * (len(header) - 1), *("| " + " | ".join(row) + " |" for row in rows)]


def _where(found: dict[str, Any]) -> str:
    about = found.get("machine", {})
    versions = found.get("versions", {})
    packages = ", ".join(f"{name} {versions[name]}" for name in ("keras", "tensorflow", "torch") if name in versions)
    return (
        f"*{about.get('processor', '?')}, {about.get('cores', '?')} cores" + (f"; {packages}" if packages else "") + "*"
    )
