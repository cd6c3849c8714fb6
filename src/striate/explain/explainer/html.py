"""The explainer: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.errors import to_printable
from striate.explain.explainer.payload import MAX_WEIGHT_BYTES, ExplainerImage, build_payload
from striate.reporting import html
from striate.training.history import EpochMetrics

EXPLAINER_SCRIPTS = (
    "activations",
    "engine",
    "how",
    "canvas",
    "overview",
    "windows",
    "vectors",
    "points",
    "lessons",
    "main",
)
"""In the order in which they need each other; what stands at the beginning of a script needs those before it."""

MAX_EXPLAINER_IMAGES = 12  # in a page
MAX_PIXELATED_SIDE = 64  # pixels: smaller images are shown with hard edges


def save_explainer(
    path: Path,
    classifier: Classifier,
    images: Sequence[ExplainerImage],
    *,
    run_name: str,
    method: str = "",
    epochs: Sequence[EpochMetrics] = (),
    best_epoch: int = 0,
    include_layers: Collection[str] = (),
    max_weight_bytes: int = MAX_WEIGHT_BYTES,
) -> bool:
    """Returns whether the page holds the whole model; it is written whole or not at all.

    Args:
        path: of the page.
        classifier: whose model.
        images: at least one; the first MAX_IMAGES of them are shown.
        run_name: the run's.
        method: how the images' heat was found.
        epochs: of its training.
        best_epoch: number of the epoch whose weights these are.
        include_layers: whose weights the page must hold, where the model is too large for it.
        max_weight_bytes: bytes of weights in the page.

    Raises:
        ConfigError: the model is no graph of layers, or has no such layer, or one too large.
    """
    shown = list(images[:MAX_EXPLAINER_IMAGES])
    content, numbers, has = build_payload(
        classifier,
        shown,
        epochs=epochs,
        best_epoch=best_epoch,
        include_layers=include_layers,
        max_weight_bytes=max_weight_bytes,
    )
    content["method"] = method
    html.save_page(
        path,
        "striate.explain",
        "explainer.html.j2",
        name=to_printable(run_name),
        lead=_format_lead(classifier, content, has.is_complete),
        images=[
            {
                "name": row["name"],
                "src": html.encode_image_uri(one.pixels, MAX_PIXELATED_SIDE),
                "tiny": max(one.pixels.shape) <= MAX_PIXELATED_SIDE,
            }
            for row, one in zip(content["images"], shown, strict=False)  # fewer of large values
        ],
        network=html.to_inline_json(content),
        numbers=numbers.to_base64(),
        footer="All numbers are computed in this page, from the model's own weights; it asks for nothing.",
        script=html.load_script("striate.explain", "el.js", *(f"explainer/{one}.js" for one in EXPLAINER_SCRIPTS)),
    )
    return has.is_complete


def _format_lead(classifier: Classifier, content: dict[str, Any], is_complete: bool) -> str:
    weights = sum(row["parameters"] for row in content["steps"])
    layers = len(content["steps"]) - 1
    what = f"{classifier.architecture}: {layers} steps and {weights:,} weights between an image and its prediction"
    if is_complete:
        return f"{what}, all of them in this page."
    held = sum(row["state"] == "computed" for row in content["steps"]) - 1
    return f"{what}. The model is too large for one page: {held} of the steps can be computed in it."
