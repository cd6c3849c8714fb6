"""Heat laid over its image, and several such images as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import to_printable
from striate.explain.gradients import Array
from striate.reporting.style import MATPLOTLIB_STYLE
from striate.system.atomic_files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


HEATMAP_PERCENTILE = 99.5  # the percentile that is drawn hottest, so that a single pixel does not outshine the rest
OVERLAYS_PER_ROW = 4  # images beside one another, each with its overlay
MAX_OVERLAYS = 24  # images in a figure
MAX_NAME_CHARACTERS = 24  # of a name


def render_overlay(pixels: NDArray[np.uint8], heatmap: Array, *, strength: float = 0.75) -> NDArray[np.uint8]:
    """Returns (h, w, 3) uint8: the image in grayscale, in color where the heat is.

    Args:
        pixels: (h, w, 1 or 3) uint8.
        heatmap: (h, w) ≥ 0; only its proportions count. Without any, the image stays grayscale.
        strength: fraction of the color where it is hottest, 0..1.
    """
    import matplotlib as mpl

    gray = pixels.astype(np.float32).mean(axis=2, keepdims=True) / 255
    fraction = normalize_heatmap(heatmap)
    color = mpl.colormaps["inferno"](0.15 + 0.85 * fraction)[:, :, :3]
    weight = strength * np.sqrt(fraction)[:, :, None]
    mixed: NDArray[np.uint8] = np.round(255 * ((1 - weight) * gray + weight * color)).astype(np.uint8)
    return mixed


def normalize_heatmap(heatmap: Array) -> Array:
    """Returns heat as fractions of what is drawn hottest, 0..1; zeros where there is none."""
    high = float(np.percentile(heatmap, HEATMAP_PERCENTILE)) or float(heatmap.max())
    fractions: Array = np.clip(heatmap / high, 0, 1) if high > 0 else np.zeros_like(heatmap)
    return fractions


def save_overlay(pixels: NDArray[np.uint8], heatmap: Array, path: Path) -> None:
    """Writes one overlay as PNG, at the image's size; whole or not at all."""
    with write_atomically(path) as temporary:
        Image.fromarray(render_overlay(pixels, heatmap)).save(temporary, "PNG")


def draw_overlays(
    pixels: Sequence[NDArray[np.uint8]], heatmaps: Sequence[Array], captions: Sequence[str], title: str
) -> Figure:
    """Returns a figure of the first MOST images, each beside its overlay, under what is said of it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    count = min(MAX_OVERLAYS, len(pixels))
    columns = min(OVERLAYS_PER_ROW, count)
    rows = -(-count // columns)
    with mpl.rc_context(MATPLOTLIB_STYLE):
        drawn = Figure(figsize=(max(4.6, 3.1 * columns), 0.75 + 1.95 * rows), layout="constrained")
        drawn.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        axes = drawn.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes:
            ax.axis("off")
        for ax, image, one, words in zip(axes, pixels[:count], heatmaps, captions, strict=False):
            shown = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
            gap = np.full((len(shown), max(1, shown.shape[1] // 16), 3), 255, np.uint8)
            ax.imshow(np.concatenate([shown, gap, render_overlay(image, one)], axis=1), interpolation="nearest")
            ax.set_title(words, fontsize=9, fontweight="normal", loc="left")
    return drawn


def shorten_name(name: str) -> str:
    """Returns a name no longer than MAX_NAME_CHARACTERS."""
    clean = to_printable(name)
    return clean if len(clean) <= MAX_NAME_CHARACTERS else clean[: MAX_NAME_CHARACTERS - 1] + "…"
