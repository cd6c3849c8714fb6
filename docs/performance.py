"""docs/performance.md from the JSON that the benchmarks left: no figure in it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from data_sets import copies_section, data_section
from fixed import digits_section, fixed_section
from goals import goals
from limits import limits
from on_gpu import gpu_section
from scaled import plan_section, scale_section
from shipped import serving_section, shipping_section
from text import section, spread, table
from trainings import cats_dogs_section, fine_tuning_section, race_section, time_section
from trusting import report_section

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

PEAK = "of_the_gemm_peak"


def page() -> str:
    """Returns the page as Markdown; benchmarks that left no result are not mentioned."""
    parts = [
        "# Performance",
        "",
        "Generated from benchmarks/results/ by `make docs`; do not edit. `make bench` measures anew. Two sides of a",
        "comparison ran in turns on one machine; figures are medians, with the smallest and the largest in brackets.",
        "These machines are shared and noisy: trust the ratios.",
    ]
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))}
    parts += ["", *goals(results)]
    if why := limits(results):
        parts += ["", *why]
    for name, made in SECTIONS.items():
        if name in results:
            parts += ["", *made(results[name]), "", _where(results[name])]
    return "\n".join(parts) + "\n"


def _comparison(
    found: dict[str, Any], *, title: str, about: Sequence[str], peer: tuple[str, str], ratio: tuple[str, str], form: str
) -> list[str]:
    """Returns models' images a second on two sides; `peer` and `ratio` are names in the JSON and for people."""
    rows = []
    for name, one in found["results"].items():
        speeds = one["images_per_second"]
        fraction = (f"{one[PEAK]:.0%}",) if PEAK in one else ()
        rows.append((name, f"{speeds[peer[0]]:,}", f"{speeds['striate']:,}", spread(one[ratio[0]], form), *fraction))
    header = ("", peer[1], "Striate", ratio[1], *(("of the GEMM peak",) if "gemm_peak" in found else ()))
    return section(title, f"{found['benchmark']}.py", about, table(header, rows))


def _start_up(found: dict[str, Any]) -> list[str]:
    processor = found["processor_seconds"]
    rows = [
        (f"`{name}`", f"{one['median']:.3f}", f"{processor[name]['median']:.3f}")
        for name, one in found["seconds"].items()
    ]
    whole = found["striate train digits"]["seconds"]["median"]
    rows.append(("`striate train digits`, to the report", f"{whole:.1f}", ""))
    return section("Starting", "start_up.py", table(("", "seconds", "processor seconds"), rows))


def _trial(found: dict[str, Any]) -> list[str]:
    about = (
        f"CPU seconds in a warm process: the model mlp learns {found['images']} JPEG images of {found['side']}×"
        f"{found['side']} pixels for one epoch."
    )
    names = {"none": "without artifacts", "all": "with all artifacts", "report": "`striate report`, later"}
    rows = [(what, spread(found["cpu_seconds"][kind], "{:.2f}")) for kind, what in names.items()]
    return section("The smallest trial of a study", "trial.py", about, table(("", "CPU seconds"), rows))


def _answers(found: dict[str, Any]) -> list[str]:
    one = [
        (
            name,
            *(f"{row['milliseconds'][side]:.2f}" for side in ("keras", "bare", "striate")),
            spread(row[BARE], "{:.2f}"),
        )
        for name, row in found["one"].items()
    ]
    folder = [
        (
            name,
            *(f"{row['images_per_second'][side]:,}" for side in ("decoding", "network", "striate")),
            spread(row["reached"], "{:.0%}"),
            spread(row["of_both"], "{:.0%}"),
        )
        for name, row in found["folder"].items()
    ]
    return section(
        "Prediction",
        "answers.py DATA",
        "One image from Python, milliseconds:",
        table(("", "Keras' predict", "bare model", "Striate", "times the bare model"), one),
        "A folder of photographs, images a second; decoding and network share the cores:",
        table(("", "decoding alone", "model alone", "Striate", "of the smaller", "of both in turns"), folder),
    )


BARE = "times_the_bare_network"


def _pipeline(found: dict[str, Any]) -> list[str]:
    rows = [
        (side, *(f"{speeds[number]:,}" for number in ("first", "second")))
        for side, speeds in found["images_per_second"].items()
    ]
    return section(
        "Photographs from a folder, without a model",
        "pipeline.py DATA",
        f"{found['pictures']:,} JPEG files to {found['side']}×{found['side']}, images a second:",
        table(("", "first pass", "second pass"), rows),
    )


def _precision(found: dict[str, Any]) -> list[str]:
    rows = []
    for name, one in found["results"].items():
        low, high = one["difference"]["interval"]
        points = f"{100 * one['difference']['mean']:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
        accuracies = (f"{one['accuracy'][precision]:.2%}" for precision in ("float32", "mixed_bfloat16"))
        rows.append((name, *accuracies, points, spread(one["times_as_fast"], "{:.2f}")))
    return section(
        "bfloat16 beside float32",
        "precision.py DATA",
        f"The same {found['seeds']} seeds in both; the difference in points, with the 95 % interval of its mean.",
        table(("", "float32", "bfloat16", "difference", "times as fast"), rows),
    )


RACES = ("digits", "clothes", "cats_dogs", "cifar10")

SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    **{f"race_{name}": partial(race_section, name=name) for name in RACES},
    "copies": copies_section,
    "data": data_section,
    "precision": _precision,
    "answers": _answers,
    "trial": _trial,
    "shipping": shipping_section,
    "serving": serving_section,
    "scale": scale_section,
    "scale_plan": plan_section,
    "report": report_section,
    "pipeline": _pipeline,
    "cats_dogs": cats_dogs_section,
    "fine_tuning": fine_tuning_section,
    "where_time_goes": time_section,
    "digits": digits_section,
    "fixed_costs": fixed_section,
    "step_efficiency": partial(
        _comparison,
        title="A training step beside a hand-written loop",
        about=(
            "Images a second of a whole `fit` (history, progress, metrics, a polite stop), and of a whole epoch as",
            "one TensorFlow graph that has none of that, with Keras' own batch-norm.",
        ),
        peer=("handwritten", "loop"),
        ratio=("reached", "reached"),
        form="{:.0%}",
    ),
    "step_overhead": partial(
        _comparison,
        title="A training step beside a bare `model.fit`",
        about=("The same model and images by Keras' `fit` on arrays, as a tutorial writes it, in float32.",),
        peer=("bare", "bare fit"),
        ratio=("cost_ratio", "time per image, of bare fit's"),
        form="{:.2f}",
    ),
    "pytorch": partial(
        _comparison,
        title="A training step beside PyTorch",
        about=("Images a second, each side in its best precision; PyTorch channels last, a bare loop.",),
        peer=("pytorch", "PyTorch"),
        ratio=("times_as_fast", "times as fast"),
        form="{:.2f}",
    ),
    "gpu": gpu_section,
    "start_up": _start_up,
}
"""Name of a result → how it is shown."""


def _where(found: dict[str, Any]) -> str:
    about = found.get("machine", {})
    versions = found.get("versions", {})
    packages = ", ".join(
        f"{name} {versions[name]}" for name in ("keras", "tensorflow", "jax", "torch") if name in versions
    )
    return (
        f"*{about.get('processor', '?')}, {about.get('cores', '?')} cores" + (f"; {packages}" if packages else "") + "*"
    )
