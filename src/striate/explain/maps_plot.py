"""Filters and feature maps as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.drawing import STYLE
from striate.errors import printable
from striate.explain.feature_maps import Maps
from striate.explain.gradient import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_FILTERS, COLUMNS = 64, 16
MOST_LAYERS, MOST_MAPS = 12, 12


def filters_figure(layer: str, kernels: Array) -> Figure:
    """Returns a figure of the filters (n, h, w, 1 or 3), the first 64: a grey network's with blue for weights below
    zero and red above, a colour network's in the colours that they answer to, grey being zero. Each has its own scale.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = kernels[:MOST_FILTERS]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(max(4.8, 0.62 * columns), 0.75 + 0.66 * rows), layout="constrained")
        count = f"{len(shown)} of {len(kernels)}" if len(shown) < len(kernels) else f"{len(kernels)}"
        side = "×".join(map(str, kernels.shape[1:3]))
        _titled(drawn, f"{count} filters of {side} in {printable(layer)}")
        for ax, kernel in zip(_axes(drawn, rows, columns), shown, strict=False):
            scaled = kernel / (np.abs(kernel).max() or 1)
            if kernel.shape[2] == 1:
                ax.imshow(scaled[:, :, 0], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
            else:
                ax.imshow(0.5 + scaled / 2, interpolation="nearest")
    return drawn


def maps_figure(picture: NDArray[np.uint8], found: Sequence[Maps], title: str) -> Figure:
    """Returns a figure with a row a layer, at most 12 layers spread evenly: the picture first, then the maps that
    answer most strongly, at most 12, each on its own scale that holds 0; channels are numbered
    from 0.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    which = np.unique(np.linspace(0, len(found) - 1, min(MOST_LAYERS, len(found))).round().astype(int))
    chosen = [found[index] for index in which]
    columns = min(MOST_MAPS, max(one.values.shape[2] for one in chosen))
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(max(5.5, 0.95 * columns), 0.8 + 1.3 * (len(chosen) + 1)), layout="constrained")
        _titled(drawn, title)
        axes = _axes(drawn, len(chosen) + 1, columns)
        axes[0].imshow(picture[:, :, 0] if picture.shape[2] == 1 else picture, cmap="gray", interpolation="nearest")
        axes[0].set_title("the picture", fontsize=8, fontweight="normal", loc="left")
        for row, one in enumerate(chosen, 1):
            strongest = np.argsort(-np.abs(one.values).mean(axis=(0, 1)), kind="stable")[:columns]
            for column, channel in enumerate(sorted(strongest.tolist())):
                ax = axes[row * columns + column]
                values = one.values[:, :, channel]
                low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
                ax.imshow(values, cmap="magma", vmin=low, vmax=high, interpolation="nearest")
                words = f"{printable(one.layer)}  {'×'.join(map(str, one.values.shape))}\n" if column == 0 else "\n"
                ax.set_title(f"{words}{channel}", fontsize=7, fontweight="normal", loc="left")
    return drawn


def _titled(drawn: Figure, title: str) -> None:
    drawn.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")


def _axes(drawn: Figure, rows: int, columns: int) -> Any:
    axes = drawn.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    return axes
