"""docs/trust.md from what the benchmarks left: how often the doctor is right, and how often an interval holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from text import section, spread, table

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

KINDS = {
    "learning_rate_too_high": "the loss rose far above that of guessing and did not come back",
    "learning_rate_too_low": "the loss falls steadily and hardly, under a rate below the usual ones",
    "not_finite": "the loss became NaN or infinite: epoch, batches and the images in them",
    "dead_relus": "rectified units that answer no image, in a model that does not work",
    "one_class": "every image gets the same prediction",
    "class_collapse": "some classes are never answered, the others are",
    "imbalance": "rare classes that are recognised less than the others",
    "label_noise": "mistakes strike easy images like difficult ones, or images learned from more than others",
    "wrong_normalization": "values far from what initial weights expect, or splits on different scales",
    "mismatch": "test or validation images of another kind than those of training",
    "leak": "test images with copies among those learned or chosen from",
    "overfitting": "training images known by heart, others not",
    "underfitting": "even training images answered badly, and no longer better",
    "stopped_too_early": "the last epoch was the best, and the loss was still falling",
    "plateau": "a loss that jumps to and fro, under a rate that does not fall",
    "small_validation": "too few images to tell one epoch or recipe from another",
    "input_bound": "a model that waits for its images",
    "gpu_unused": "a graphics processor that was not used",
    "out_of_memory": "a memory that did not suffice",
}
"""Kind → what it stands for."""


def trust() -> str:
    """Returns the page as Markdown; benchmarks that left no result are not mentioned."""
    parts = [
        "# How far to trust it",
        "",
        "Generated from benchmarks/results/ by `make docs`; do not edit.",
        "",
        "## What the doctor looks for",
        "",
        "`striate doctor RUN`, the end of `striate train` and the report name faults, causes before what they cause:",
        "",
        *(f"- **{kind.replace('_', ' ')}**: {what}" for kind, what in KINDS.items()),
    ]
    for name, made in (("doctor", _doctor), ("intervals", _intervals)):
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts += ["", *made(json.loads(path.read_text(encoding="utf-8")))]
    return "\n".join(parts) + "\n"


def _doctor(found: dict[str, Any]) -> list[str]:
    named, alarms = found["named_first"], found["false_alarms"]
    faults = [
        (
            one["planted"],
            ", ".join(one["data"]),
            f"{one['named_first']} of {one['trainings']}",
            _others(one),
        )
        for one in found["faults"].values()
    ]
    healthy = [
        (f"{name}: {one['planted']}", ", ".join(one["data"]), f"{one['any']} of {one['trainings']}", _others(one))
        for name, one in found["healthy"].items()
    ]
    return section(
        "The doctor's score",
        "doctor.py DATA",
        (
            f"{len(faults)} faults, each planted in trainings on real images with {len(found['seeds'])} seeds: the "
            f"right one is named first in {_share(named)}. In trainings without a fault something is named in "
            f"{_share(alarms)}. Thresholds were chosen, and detectors repaired, with seeds 100 to 102 and 0 to 9, on "
            "other images of the same sets; these seeds were scored once. A plateau, an unused GPU and a lack of "
            "memory are not planted here."
        ),
        table(("planted", "data", "named first", "otherwise said"), faults),
        "Nothing was planted, and anything named is a false alarm:",
        table(("training", "data", "false alarms", "said"), healthy),
    )


def report_section(found: dict[str, Any]) -> list[str]:
    """Returns what the report of 10,000 images takes."""
    rows = [
        (
            name.replace("_", " "),
            f"{one['pictures']:,}",
            *(spread(one["seconds"][part], "{:.1f}") for part in ("figures", "page", "whole")),
            spread(one["megabytes"], "{:.1f}"),
        )
        for name, one in found["results"].items()
    ]
    header = ("", "pictures", "figures, s", "page, s", "all, s", "page, MB")
    goal = f"Goals: {found['goal']['seconds']} s and {found['goal']['megabytes']} MB."
    return section("The report of 10,000 test images", "report.py DATA", goal, table(header, rows))


def _others(one: dict[str, Any]) -> str:
    wrong = {kind: n for kind, n in one["verdicts"].items() if kind not in one["accepted"]}
    if not one["accepted"]:
        wrong.pop("healthy", None)
    return ", ".join(f"{kind.replace('_', ' ')} {n}" for kind, n in wrong.items())


def _share(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['share']:.1%} of {found['n']} ({low:.1%} to {high:.1%})"


def _intervals(found: dict[str, Any]) -> list[str]:
    rows = [
        (name, f"{one['true']:.4f}", f"{one['covered']:.2%}", f"{one['interval'][0]:.2%} to {one['interval'][1]:.2%}")
        for name, one in found["results"].items()
    ]
    return section(
        "How often an interval holds the truth",
        "intervals.py",
        (
            f"{found['rounds']:,} test sets of {found['pictures']:,} images drawn from a world whose figures are "
            "known; an interval of 95 % should hold them in 95 of 100. The paired test calls two equally good "
            f"classifiers different in {found['equals_called_different']:.1%} (5 % are allowed)."
        ),
        table(("interval", "true figure", "held", "by chance of the rounds"), rows),
    )
