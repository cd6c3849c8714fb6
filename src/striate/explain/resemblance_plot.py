"""Pictures beside the training pictures that they resemble, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.drawing import STYLE, percent
from striate.explain.map_page import Pictures
from striate.explain.overlay import short
from striate.explain.resemblance import Resemblance

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.figure import Figure


MOST = 12  # pictures in a figure


def resemblance_figure(
    names: Sequence[str],
    pixels: NDArray[np.uint8],
    probabilities: NDArray[np.float64],
    known: Pictures,
    found: Resemblance,
    classes: Sequence[str],
) -> Figure:
    """Returns a figure with a row a picture, the first MOST: the picture with its answer, then what it resembles, with
    class and similarity.

    Args:
        names: of the pictures.
        pixels: (n, h, w, c) uint8.
        probabilities: (n, classes).
        known: the training pictures.
        found: which of them are near.
        classes: names.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows, columns = min(MOST, len(pixels)), 1 + found.indices.shape[1]
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(max(5.2, 1.45 * columns), 0.7 + 1.75 * rows), layout="constrained")
        drawn.suptitle("Because it resembles these", x=0.01, ha="left", fontsize=12, fontweight="bold")
        axes = drawn.subplots(rows, columns, squeeze=False)
        for ax in axes.ravel():
            ax.axis("off")
        for row in range(rows):
            said = int(probabilities[row].argmax())
            answer = f"{short(classes[said])} {percent(float(probabilities[row, said]))}"
            _show_neighbor(axes[row, 0], pixels[row], f"{short(names[row])[:20]}\n{answer}", "bold")
            for rank, index in enumerate(found.indices[row].tolist()):
                words = f"{short(classes[known.labels[index]])[:16]}\n{found.similarities[row, rank]:.2f}"
                _show_neighbor(axes[row, rank + 1], known.pixels[index], words, "normal")
    return drawn


def _show_neighbor(ax: mpl.axes.Axes, pixels: NDArray[np.uint8], words: str, weight: str) -> None:
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    ax.imshow(flat, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(words, fontsize=8, fontweight=weight, loc="left")
