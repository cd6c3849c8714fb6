"""docs/inside.md from what the benchmarks left: what the explainer and Grad-CAM cost, and whether to trust them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from text import section, spread, table

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def inside() -> str:
    """Returns the page as Markdown; benchmarks that left no result are not mentioned."""
    parts = [
        "# Seeing inside",
        "",
        "Generated from benchmarks/results by `make docs`; do not edit. Medians of several rounds in one process, with "
        "the least and the greatest in brackets. The lessons: [lessons.md](lessons.md).",
        "",
    ]
    for name, told in (("explainer", _explainer), ("grad_cam", _grad_cam)):
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts += [*told(json.loads(path.read_text(encoding="utf-8"))), ""]
    return "\n".join(parts)


DIFFERENCES = ("largest_difference", "largest_difference_from_float64", "keras_float32_from_float64")


def _explainer(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            name,
            f"{one['weights']:,}",
            f"{one['megabytes']:.1f}",
            spread(one["open_ms"], "{:,.0f}"),
            spread(one["hover_ms"], "{:.1f}") if one["hover_ms"] else "–",
            *(f"{one[name]:.0e}" for name in DIFFERENCES),
        )
        for name, one in found["results"].items()
    ]
    goal, images = found["goal"], next(iter(found["results"].values()))["pictures"]
    return section(
        "The explainer",
        "explainer.py",
        f"A page computes the model itself. Its size, the time from asking for it until the first layer's numbers "
        f"stand there, the time in which it answers the pointer, and the largest difference between any of its numbers "
        f"and Keras', over all steps and {images} images; from Keras computing in float64; and how far Keras' own "
        f"float32 is from that. Goals: LeNet below {goal['lenet_megabytes']} MB and "
        f"{goal['lenet_open_ms']:,} ms, a frame of {goal['hover_ms']} ms, a difference of at most "
        f"{goal['largest_difference']:.0e}. Chromium {found['chromium'].split('.')[0]}, untrained models.",
        table(
            ("network", "weights", "MB", "opens, ms", "pointer, ms", "from Keras", "from float64", "Keras from it"),
            rows,
        ),
    )


def _grad_cam(found: dict[str, Any]) -> list[str]:
    results = found["results"]
    heat = results["heat"]
    costs = [
        (
            name,
            spread(one["forward_ms"], "{:.1f}"),
            spread(one["grad_cam_ms"], "{:.1f}"),
            spread(one["ratio"], "{:.1f}"),
        )
        for name, one in results["cost"].items()
    ]
    names = (("trained", "trained"), ("random_weights", "weights drawn anew"))
    rows = [
        (
            said,
            f"{heat[name]['mean']:.1%} ± {heat[name]['standard_error']:.1%}",
            *(
                f"{heat['covering'][name][place]:.1%} ({heat['covering'][name][f'changed_{place}']:.1%})"
                for place in ("hottest", "coldest")
            ),
        )
        for name, said in names
    ]
    before = heat["covering"]["trained"]["before"]
    return section(
        "Grad-CAM",
        "grad_cam.py DATA/cats_dogs WEIGHTS",
        f"{found['pictures']} images answered, and explained, in milliseconds; the goal is {found['goal']['ratio']} "
        "times a forward pass at most.",
        table(("network", "answered", "explained", "ratio"), costs),
        f"Is the heat on the animal? A resting MobileNetV2 at 160 pixels, {heat['accuracy']:.1%} right, and "
        f"{heat['pictures']} test photographs of cats and dogs. Even heat would have 50 % in the central half of a "
        "image's area, where photographers put their animals. A second test: a quarter of each image "
        "is covered with its mean color, where there is most heat or least; then the probability of the class asked "
        f"about, {before:.1%} before, and in brackets the fraction of images that get another answer. On "
        "5×5 maps the control, which knows nothing, does nearly as well on both: much of the heat is in the middle "
        "because padding darkens the border, and the animal is there too.",
        table(("heat of", "in the central half", "hottest quarter covered", "coldest quarter covered"), rows),
    )
