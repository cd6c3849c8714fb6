"""A figure of several trainings of the same: every one a point, their mean and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from striate.drawing import FAINT, INK, STYLE, VALIDATION, percent
from striate.errors import printable
from striate.evaluation.spread import Spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def spread_plot(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    found: Spread,
    *,
    title: str,
    note: str,
) -> Figure:
    """Returns the figure.

    Args:
        names: the trainings'.
        values: their accuracies, 0..1.
        intervals: each one's own 95 % interval, from its number of pictures.
        found: what they have in common.
        title: above it.
        note: below it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.7 + 0.36 * len(names)), layout="constrained")
        axes = figure.subplots()
        places = list(range(len(names)))
        low, high = (
            [100 * abs(value - one[end]) for value, one in zip(values, intervals, strict=True)] for end in (0, 1)
        )
        axes.errorbar(
            [100 * value for value in values],
            places,
            xerr=[low, high],
            fmt="o",
            color=VALIDATION,
            ecolor="#9CC3DE",
            elinewidth=2.5,
            markersize=6,
        )
        axes.axvline(100 * found.mean, color=INK, linewidth=1)
        if found.interval is not None:
            axes.axvspan(100 * found.interval[0], 100 * found.interval[1], color=VALIDATION, alpha=0.1, linewidth=0)
        axes.set_yticks(places, [printable(name) for name in names])
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.grid(axis="y", visible=False)
        axes.set(title=printable(title), xlabel="accuracy, %")
        axes.annotate(
            f"mean {percent(found.mean, 2)}",
            (100 * found.mean, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -11),
            textcoords="offset points",
            fontsize=9,
        )
        figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=FAINT)
    return figure
