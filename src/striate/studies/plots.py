"""A figure of accuracy against the number of training images, and of what more are expected to give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.errors import to_printable
from striate.evaluation.power_law import PowerLaw
from striate.evaluation.seed_variance import ScoreStatistics
from striate.reporting.style import (
    INCORRECT_COLOR,
    MATPLOTLIB_STYLE,
    MUTED_COLOR,
    TEXT_COLOR,
    VALIDATION_COLOR,
    format_percent,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_learning_curve(
    sizes: Sequence[int],
    accuracies: Sequence[Sequence[float]],
    intervals: Sequence[tuple[float, float]],
    power_law: PowerLaw | None,
    *,
    title: str,
) -> Figure:
    """Returns the figure.

    Args:
        sizes: training images, ascending.
        accuracies: of each size, its trainings'.
        intervals: of each size, the 95 % interval of its mean.
        power_law: that they follow, drawn on to four times the largest size.
        title: above it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(7.6, 4.4), layout="constrained")
        axes = figure.subplots()
        means = np.array([np.mean(values) for values in accuracies])
        low, high = np.array(intervals).T
        axes.errorbar(
            sizes,
            100 * means,
            yerr=[100 * np.maximum(0, means - low), 100 * np.maximum(0, high - means)],
            fmt="o",
            color=VALIDATION_COLOR,
            ecolor="#9CC3DE",
            elinewidth=2,
            markersize=6,
            label="measured",
        )
        if any(len(values) > 1 for values in accuracies):
            points = [(size, 100 * value) for size, values in zip(sizes, accuracies, strict=True) for value in values]
            axes.plot(*zip(*points, strict=True), ".", color=VALIDATION_COLOR, alpha=0.45, markersize=5)
        ticks = list(sizes)
        if power_law is not None:
            line = np.geomspace(min(sizes), power_law.forecasts[-1].size, 200)
            axes.plot(
                line,
                [100 * (1 - power_law.predict_error(size)) for size in line],
                color=MUTED_COLOR,
                linewidth=1.2,
                zorder=0,
            )
            further = power_law.forecasts[1:]
            expected = np.array([one.accuracy for one in further])
            ends = np.array([one.interval for one in further]).T
            axes.errorbar(
                [one.size for one in further],
                100 * expected,
                yerr=100 * np.maximum(0, np.stack([expected - ends[0], ends[1] - expected])),
                fmt="o",
                color=INCORRECT_COLOR,
                markerfacecolor="white",
                elinewidth=2,
                markersize=6,
                label="expected of twice and four times as many",
            )
            for one in further:
                axes.annotate(
                    format_percent(one.accuracy),
                    (one.size, 100 * one.accuracy),
                    xytext=(-7, 5),
                    textcoords="offset points",
                    ha="right",
                    fontsize=9,
                )
            ticks += [one.size for one in further]
        axes.set_xscale("log")
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", labelrotation=30 if len(ticks) > 6 else 0)
        axes.set(title=to_printable(title), xlabel="training images", ylabel="accuracy, %")
        axes.legend(loc="lower right", fontsize=9)
    return figure


MAX_COLUMNS = 3


@dataclass(frozen=True)
class SearchPoint:
    """A configuration.

    Attributes:
        number: from 0, in the order of the search.
        accuracy: on the validation images, 0..1.
        values: setting → value.
        is_pruned: whether its training was ended early.
    """

    number: int
    accuracy: float
    values: Mapping[str, str | int | float]
    is_pruned: bool


def draw_search(points: Sequence[SearchPoint], log_scales: Mapping[str, bool], *, title: str) -> Figure:
    """Returns the figure.

    Args:
        points: the configurations that were trained.
        log_scales: setting → whether its orders of magnitude matter.
        title: above it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = 1 + len(log_scales)
    columns = 2 if panels == 4 else min(MAX_COLUMNS, panels)
    rows = math.ceil(panels / columns)
    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(3.6 * columns + 0.4, 2.9 * rows + 0.9), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        whole = [point for point in points if not point.is_pruned]
        least = _compute_lower_limit(points, whole)
        _draw_search_history(grid[0], points)
        for axes, (name, is_log) in zip(grid[1:], log_scales.items(), strict=False):
            _draw_setting(axes, points, name, is_log=is_log)
        for axes in grid[panels:]:
            axes.set_visible(False)
        for axes in grid[::columns]:
            axes.set_ylabel("accuracy, %")
        top = max(100 * point.accuracy for point in points)
        grid[0].set_ylim(least - 0.05 * (top - least) - 0.1, top + 0.08 * (top - least) + 0.1)
        figure.suptitle(to_printable(title), x=0.01, ha="left", fontsize=12, fontweight="bold")
        note = "On the validation images, which chose. Hollow: ended early."
        hidden = sum(100 * point.accuracy < least for point in points)
        if hidden:
            note += f" {hidden} that reached less than {least:.0f} % lie below."
        figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=MUTED_COLOR)
    return figure


def _compute_lower_limit(points: Sequence[SearchPoint], complete_points: Sequence[SearchPoint]) -> float:
    """Returns the lowest accuracy shown, per cent: a few that hardly learn must not press all others together."""
    shown = np.array([100 * point.accuracy for point in points])
    floor = min((100 * point.accuracy for point in complete_points), default=float(shown.min()))
    quartiles = np.percentile(shown, [25, 75])
    return float(max(shown.min(), min(floor, quartiles[0]) - 1.5 * (quartiles[1] - quartiles[0]) - 1))


def _draw_search_history(axes: Any, points: Sequence[SearchPoint]) -> None:
    """Draws the accuracies in the order of the search, and the best so far."""
    ordered = sorted(points, key=lambda point: point.number)
    whole = [point for point in ordered if not point.is_pruned]
    _draw_points(axes, [point.number + 1 for point in ordered], ordered)
    if whole:
        best = list(accumulate((100 * point.accuracy for point in whole), max))
        last = ordered[-1].number + 1
        axes.step(
            [*(point.number + 1 for point in whole), last],
            [*best, best[-1]],
            where="post",
            color=TEXT_COLOR,
            linewidth=1,
        )
    axes.set_xlabel("configuration")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _draw_setting(axes: Any, points: Sequence[SearchPoint], name: str, *, is_log: bool) -> None:
    """Draws the accuracies by one setting."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    shown = [point for point in points if name in point.values]
    values = [point.values[name] for point in shown]
    axes.set_xlabel(to_printable(name.replace("_", " ")))
    if all(isinstance(value, int | float) for value in values) and len(set(values)) > 1 and _is_continuous(values):
        _draw_points(axes, values, shown)
        if is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        return
    words = sorted({str(value) for value in values})
    rng = np.random.default_rng(0)  # apart from each other, so that all can be seen
    places = [words.index(str(value)) + rng.uniform(-0.15, 0.15) for value in values]
    _draw_points(axes, places, shown)
    axes.set_xticks(range(len(words)), [to_printable(word if len(word) < 14 else f"{word[:12]}…") for word in words])
    axes.set_xlim(-0.5, len(words) - 0.5)
    axes.grid(axis="x", visible=False)


def _is_continuous(values: Sequence[Any]) -> bool:
    """Returns whether numbers are those of a range, not a few that were to choose from."""
    return len(set(values)) > 6 or len(set(values)) > len(values) / 2


def _draw_points(axes: Any, x_values: Sequence[Any], points: Sequence[SearchPoint]) -> None:
    heights = [100 * point.accuracy for point in points]
    faces = ["none" if point.is_pruned else VALIDATION_COLOR for point in points]
    edges = [MUTED_COLOR if point.is_pruned else VALIDATION_COLOR for point in points]
    axes.scatter(x_values, heights, s=30, facecolors=faces, edgecolors=edges, linewidths=1.2, zorder=3)


def draw_run_accuracies(
    run_names: Sequence[str],
    accuracies: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    statistics: ScoreStatistics,
    *,
    title: str,
    note: str,
) -> Figure:
    """Returns the figure.

    Args:
        run_names: the trainings'.
        accuracies: their accuracies, 0..1.
        intervals: each one's own 95 % interval, from its number of images.
        statistics: what they have in common.
        title: above it.
        note: below it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(7.2, 1.7 + 0.36 * len(run_names)), layout="constrained")
        axes = figure.subplots()
        places = list(range(len(run_names)))
        low, high = (
            [100 * abs(value - one[end]) for value, one in zip(accuracies, intervals, strict=True)] for end in (0, 1)
        )
        axes.errorbar(
            [100 * value for value in accuracies],
            places,
            xerr=[low, high],
            fmt="o",
            color=VALIDATION_COLOR,
            ecolor="#9CC3DE",
            elinewidth=2.5,
            markersize=6,
        )
        axes.axvline(100 * statistics.mean, color=TEXT_COLOR, linewidth=1)
        if statistics.interval is not None:
            axes.axvspan(
                100 * statistics.interval[0],
                100 * statistics.interval[1],
                color=VALIDATION_COLOR,
                alpha=0.1,
                linewidth=0,
            )
        axes.set_yticks(places, [to_printable(name) for name in run_names])
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.grid(axis="y", visible=False)
        axes.set(title=to_printable(title), xlabel="accuracy, %")
        axes.annotate(
            f"mean {format_percent(statistics.mean, 2)}",
            (100 * statistics.mean, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -11),
            textcoords="offset points",
            fontsize=9,
        )
        figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=MUTED_COLOR)
    return figure
