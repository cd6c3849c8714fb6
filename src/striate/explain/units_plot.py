"""Units and what excites them, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.drawing import STYLE
from striate.errors import printable
from striate.explain.maximisation import Maximised
from striate.explain.units import Excitement

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.figure import Figure


UNITS = 12  # in a figure


def spread_units(found: Excitement, most: int = UNITS) -> list[int]:
    """Returns units to show where none is asked for: living ones, spread evenly over the layer."""
    living = np.flatnonzero(~found.dead)
    even = np.linspace(0, len(living) - 1, min(most, len(living))).round().astype(int)
    return [int(unit) for unit in living[np.unique(even)]]


def units_figure(
    found: Excitement,
    pixels: NDArray[np.uint8],
    units: Sequence[int],
    made: Maximised | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Returns a figure with a row a unit: the picture made for it, if there is one, then the parts of pictures that
    excite it most, with its answer, and the picture's class where that is known.

    Args:
        found: about the units.
        pixels: (n, h, w, c) uint8, the pictures that it stands on.
        units: to show.
        made: for the same units, in order.
        labels: (n,) names.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ranks = found.values.shape[1]
    columns = ranks + (made is not None)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(max(5.0, 0.6 + 1.05 * columns), 0.75 + 1.3 * len(units)), layout="constrained")
        drawn.suptitle(
            f"What excites units of {printable(found.layer)} most", x=0.01, ha="left", fontsize=12, fontweight="bold"
        )
        axes = drawn.subplots(len(units), columns, squeeze=False)
        for ax in axes.ravel():
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(visible=False)
            for side in ax.spines.values():
                side.set_visible(False)
        for row, unit in enumerate(units):
            if made is not None:
                _show_unit(axes[row, 0], made.pixels[row], "made for it")
            axes[row, 0].set_ylabel(f"{unit}", rotation=0, ha="right", va="center", fontsize=10, fontweight="bold")
            for rank in range(ranks):
                picture = int(found.pictures[unit, rank])
                name = "" if labels is None else f"{printable(labels[picture])[:10]}: "
                part = found.crop(pixels[picture], unit, rank)
                _show_unit(axes[row, rank + (made is not None)], part, f"{name}{found.values[unit, rank]:.3g}")
    return drawn


def _show_unit(ax: mpl.axes.Axes, pixels: NDArray[np.uint8], words: str) -> None:
    ax.imshow(
        pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest"
    )
    ax.set_title(words, fontsize=7, fontweight="normal", loc="left")
