"""Figures of how a classifier holds: accuracy against severity, and what each severity looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.drawing import FAINT, SERIES, STYLE
from striate.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from striate.evaluation.robustness import Robustness, corrupted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def robustness_plot(found: Robustness) -> Figure:
    """Returns accuracy against severity, one line a corruption, with 95 % intervals."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        axes = figure.subplots()
        numbers = list(range(SEVERITIES + 1))
        for index, curve in enumerate(found.curves):
            style: dict[str, Any] = {"color": SERIES[index % len(SERIES)], "marker": "o", "markersize": 3.5}
            line = "-" if index < len(SERIES) else "--"
            label = f"{curve.name}: {curve.held:.0%} kept"
            axes.plot(numbers, [found.accuracy, *curve.accuracy], line, label=label, **style)
            low, high = zip(found.interval, *curve.intervals, strict=True)
            axes.fill_between(numbers, low, high, color=style["color"], alpha=0.1, linewidth=0)
        axes.axhline(found.accuracy, color=FAINT, linestyle=":", linewidth=1)
        axes.set(
            title=f"Will it hold: {found.n:,} test pictures made worse",
            xlabel="severity (0: as they are)",
            ylabel="accuracy",
            ylim=(0, 1.02),
            xticks=numbers,
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def corruption_sheet(pixels: NDArray[np.uint8]) -> Figure:
    """Returns one (h, w, 1 or 3) picture under each corruption and severity."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(6.4, 1.02 * len(CORRUPTIONS) + 0.3), layout="constrained")
        panels = figure.subplots(len(CORRUPTIONS), SEVERITIES + 1)
        for row, (name, corruption) in zip(panels, CORRUPTIONS.items(), strict=True):
            for severity, axes in enumerate(row):
                shown = corrupted(pixels[None], corruption, severity, 0)[0] if severity else pixels
                axes.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=255)
                axes.set_axis_off()
                if row is panels[0]:
                    axes.set_title("as it is" if not severity else str(severity), fontsize=9, loc="center")
            row[0].text(
                -0.08, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=9, clip_on=False
            )
    return figure
