"""The figure of a search: how it went on, and where in the space the accurate configurations lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.drawing import FAINT, INK, STYLE, VALIDATION
from striate.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


COLUMNS = 3


@dataclass(frozen=True)
class Point:
    """A configuration.

    Attributes:
        number: from 0, in the order of the search.
        accuracy: on the validation pictures, 0..1.
        values: setting → value.
        is_ended: whether its training was ended early.
    """

    number: int
    accuracy: float
    values: Mapping[str, str | int | float]
    is_ended: bool


def search_plot(points: Sequence[Point], logs: Mapping[str, bool], *, title: str) -> Figure:
    """Returns the figure.

    Args:
        points: the configurations that were trained.
        logs: setting → whether its orders of magnitude matter.
        title: above it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = 1 + len(logs)
    columns = 2 if panels == 4 else min(COLUMNS, panels)
    rows = math.ceil(panels / columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * columns + 0.4, 2.9 * rows + 0.9), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        whole = [point for point in points if not point.is_ended]
        least = _least(points, whole)
        _course(grid[0], points)
        for axes, (name, is_log) in zip(grid[1:], logs.items(), strict=False):
            _setting(axes, points, name, is_log=is_log)
        for axes in grid[panels:]:
            axes.set_visible(False)
        for axes in grid[::columns]:
            axes.set_ylabel("accuracy, %")
        top = max(100 * point.accuracy for point in points)
        grid[0].set_ylim(least - 0.05 * (top - least) - 0.1, top + 0.08 * (top - least) + 0.1)
        figure.suptitle(printable(title), x=0.01, ha="left", fontsize=12, fontweight="bold")
        note = "On the validation pictures, which chose. Hollow: ended early."
        hidden = sum(100 * point.accuracy < least for point in points)
        if hidden:
            note += f" {hidden} that reached less than {least:.0f} % lie below."
        figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=FAINT)
    return figure


def _least(points: Sequence[Point], whole: Sequence[Point]) -> float:
    """Returns the lowest accuracy shown, per cent: a few that hardly learn must not press all others together."""
    shown = np.array([100 * point.accuracy for point in points])
    floor = min((100 * point.accuracy for point in whole), default=float(shown.min()))
    quartiles = np.percentile(shown, [25, 75])
    return float(max(shown.min(), min(floor, quartiles[0]) - 1.5 * (quartiles[1] - quartiles[0]) - 1))


def _course(axes: Any, points: Sequence[Point]) -> None:
    """Draws the accuracies in the order of the search, and the best so far."""
    ordered = sorted(points, key=lambda point: point.number)
    whole = [point for point in ordered if not point.is_ended]
    _scatter(axes, [point.number + 1 for point in ordered], ordered)
    if whole:
        best = list(accumulate((100 * point.accuracy for point in whole), max))
        last = ordered[-1].number + 1
        axes.step(
            [*(point.number + 1 for point in whole), last], [*best, best[-1]], where="post", color=INK, linewidth=1
        )
    axes.set_xlabel("configuration")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _setting(axes: Any, points: Sequence[Point], name: str, *, is_log: bool) -> None:
    """Draws the accuracies by one setting."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    shown = [point for point in points if name in point.values]
    values = [point.values[name] for point in shown]
    axes.set_xlabel(printable(name.replace("_", " ")))
    if all(isinstance(value, int | float) for value in values) and len(set(values)) > 1 and _spreads(values):
        _scatter(axes, values, shown)
        if is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        return
    words = sorted({str(value) for value in values})
    rng = np.random.default_rng(0)  # apart from each other, so that all can be seen
    places = [words.index(str(value)) + rng.uniform(-0.15, 0.15) for value in values]
    _scatter(axes, places, shown)
    axes.set_xticks(range(len(words)), [printable(word if len(word) < 14 else f"{word[:12]}…") for word in words])
    axes.set_xlim(-0.5, len(words) - 0.5)
    axes.grid(axis="x", visible=False)


def _spreads(values: Sequence[Any]) -> bool:
    """Returns whether numbers are those of a range, not a few that were to choose from."""
    return len(set(values)) > 6 or len(set(values)) > len(values) / 2


def _scatter(axes: Any, places: Sequence[Any], points: Sequence[Point]) -> None:
    heights = [100 * point.accuracy for point in points]
    faces = ["none" if point.is_ended else VALIDATION for point in points]
    edges = [FAINT if point.is_ended else VALIDATION for point in points]
    axes.scatter(places, heights, s=30, facecolors=faces, edgecolors=edges, linewidths=1.2, zorder=3)
