"""The sections on whole trainings: races, cats and dogs, fine-tuning, and where a training's time goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from text import section, spread, table

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from race import RACES, shown


def race_section(found: dict[str, Any], *, name: str) -> list[str]:
    """Returns what each side took and reached, with the commands as they are today."""
    race = RACES[name]
    labels = {"peer": found["peer"], **{entry: f"`{shown(race, entry)}`" for entry in found["commands"]}}
    rows = []
    for side, label in labels.items():
        if side not in found["sides"]:
            continue
        accuracy, seconds = (found["sides"][side][figure] for figure in ("accuracy", "seconds"))
        deviation = "" if accuracy["sd"] is None else f" ± {100 * accuracy['sd']:.2f}"
        training, command = (seconds[figure]["median"] for figure in ("training", "command"))
        mean = f"{accuracy['mean']:.2%}{deviation} ({len(accuracy['all'])})"
        rows.append((label, mean, f"{training:,.1f}", f"{command:,.1f}"))
    return section(
        found["what"],
        f"race.py {name} DATA",
        table(("", "test accuracy, mean ± sd (seeds)", "training, s", "whole command, s"), rows),
        f"n = {found['n']:,} test images.",
    )


def cats_dogs_section(found: dict[str, Any]) -> list[str]:
    """Returns what pretrained weights reach beside the tutorial's model."""
    rows = [
        (
            label,
            f"{found[side]['accuracy']['median']:.2%}",
            f"{found[side]['seconds']['median']:.1f} [{found[side]['seconds']['range'][0]:.1f}, "
            f"{found[side]['seconds']['range'][1]:.1f}]",
        )
        for side, label in (
            ("tutorial", "the tutorial's model"),
            ("striate", "train --pretrained, resting MobileNetV2"),
        )
    ]
    ratio = found["time_ratio"]
    least, greatest = min(ratio["all"]), max(ratio["all"])
    return section(
        "Cats and dogs, with pretrained weights",
        "cats_dogs.py FOLDER WEIGHTS",
        table(("", "test accuracy", "whole command, s"), rows),
        (
            f"From shell to report it takes {ratio['median']:.2f} [{least:.2f}, {greatest:.2f}] of",
            f"the tutorial's time. n = {found['striate']['accuracy']['n']:,} test images.",
        ),
    )


def fine_tuning_section(found: dict[str, Any]) -> list[str]:
    """Returns what fine-tuning adds to resting weights."""
    rows = [
        (name, f"{one['mean_accuracy']:.2%}", f"{one['median_seconds']:.0f}") for name, one in found["variants"].items()
    ]
    return section(
        "Cats and dogs: resting or fine-tuned (MobileNetV2 0.35)",
        "fine_tuning.py FOLDER WEIGHTS",
        table(("", "mean test accuracy", "whole command, s"), rows),
    )


def time_section(found: dict[str, Any]) -> list[str]:
    """Returns the parts of a short training and of a step."""
    parts = [(name, spread(one, "{:.2f}")) for name, one in found["short training, seconds"].items()]
    steps = [
        (
            f"{one['network']} ({name}), batches of {one['batch']}",
            *(f"{one['milliseconds'][part]:.1f}" for part in ("forward", "forward and back", "step")),
            spread(one["of_the_gemm_peak"], "{:.0%}"),
        )
        for name, one in found["steps"].items()
    ]
    return section(
        "Where the time of a training goes",
        "where_time_goes.py DATA",
        "The digits' short training, seconds:",
        table(("", "seconds"), parts),
        "A step in bfloat16, milliseconds, and its multiply-adds a second beside those of a large matrix product:",
        table(("", "forward", "forward and back", "step", "of the GEMM peak"), steps),
    )
