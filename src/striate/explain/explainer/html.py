"""The explainer: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.errors import printable
from striate.explain.explainer.payload import MOST, Shown, document
from striate.reporting import html
from striate.training.history import Epoch

SCRIPTS = ("activations", "engine", "how", "canvas", "overview", "windows", "vectors", "points", "lessons", "main")
"""In the order in which they need each other; what stands at the beginning of a script needs those before it."""

PICTURES = 12  # in a page
TINY = 64  # pixels: smaller pictures are shown with hard edges


def save_explainer(
    path: Path,
    classifier: Classifier,
    pictures: Sequence[Shown],
    *,
    name: str,
    method: str = "",
    epochs: Sequence[Epoch] = (),
    kept: int = 0,
    layers: Collection[str] = (),
    most: int = MOST,
) -> bool:
    """Returns whether the page holds the whole network; it is written whole or not at all.

    Args:
        path: of the page.
        classifier: whose network.
        pictures: at least one; the first PICTURES are shown.
        name: the run's.
        method: how the pictures' heat was found.
        epochs: of its training.
        kept: number of the epoch whose weights these are.
        layers: whose weights the page must hold, where the network is too large for it.
        most: bytes of weights in the page.

    Raises:
        ConfigError: the network is no graph of layers, or has no such layer, or one too large.
    """
    shown = list(pictures[:PICTURES])
    content, numbers, has = document(classifier, shown, epochs=epochs, kept=kept, layers=layers, most=most)
    content["method"] = method
    html.save_page(
        path,
        "striate.explain",
        "explainer.html.j2",
        name=printable(name),
        lead=_lead(classifier, content, has.is_whole),
        pictures=[
            {"name": row["name"], "src": html.picture(one.pixels, TINY), "tiny": max(one.pixels.shape) <= TINY}
            for row, one in zip(content["pictures"], shown, strict=False)  # fewer of large values
        ],
        network=html.data(content),
        numbers=numbers.text(),
        footer="All numbers are computed in this page, from the network's own weights; it asks for nothing.",
        script=html.script("striate.explain", "el.js", *(f"explainer/{one}.js" for one in SCRIPTS)),
    )
    return has.is_whole


def _lead(classifier: Classifier, content: dict[str, Any], is_whole: bool) -> str:
    weights = sum(row["parameters"] for row in content["steps"])
    layers = len(content["steps"]) - 1
    what = f"{classifier.architecture}: {layers} steps and {weights:,} weights between a picture and its answer"
    if is_whole:
        return f"{what}, all of them in this page."
    held = sum(row["state"] == "computed" for row in content["steps"]) - 1
    return f"{what}. The network is too large for one page: {held} of the steps can be computed in it."
