"""A figure of accuracy against the number of training pictures, and of what more are expected to give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from striate.drawing import FAINT, STYLE, VALIDATION, WRONG, percent
from striate.errors import printable
from striate.evaluation.power_law import PowerLaw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learn_curve_plot(
    sizes: Sequence[int],
    accuracies: Sequence[Sequence[float]],
    intervals: Sequence[tuple[float, float]],
    law: PowerLaw | None,
    *,
    title: str,
) -> Figure:
    """Returns the figure.

    Args:
        sizes: training pictures, ascending.
        accuracies: of each size, its trainings'.
        intervals: of each size, the 95 % interval of its mean.
        law: that they follow, drawn on to four times the largest size.
        title: above it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.4), layout="constrained")
        axes = figure.subplots()
        means = np.array([np.mean(values) for values in accuracies])
        low, high = np.array(intervals).T
        axes.errorbar(
            sizes,
            100 * means,
            yerr=[100 * np.maximum(0, means - low), 100 * np.maximum(0, high - means)],
            fmt="o",
            color=VALIDATION,
            ecolor="#9CC3DE",
            elinewidth=2,
            markersize=6,
            label="measured",
        )
        if any(len(values) > 1 for values in accuracies):
            points = [(size, 100 * value) for size, values in zip(sizes, accuracies, strict=True) for value in values]
            axes.plot(*zip(*points, strict=True), ".", color=VALIDATION, alpha=0.45, markersize=5)
        ticks = list(sizes)
        if law is not None:
            line = np.geomspace(min(sizes), law.forecasts[-1].size, 200)
            axes.plot(line, [100 * (1 - law.error(size)) for size in line], color=FAINT, linewidth=1.2, zorder=0)
            further = law.forecasts[1:]
            expected = np.array([one.accuracy for one in further])
            ends = np.array([one.interval for one in further]).T
            axes.errorbar(
                [one.size for one in further],
                100 * expected,
                yerr=100 * np.maximum(0, np.stack([expected - ends[0], ends[1] - expected])),
                fmt="o",
                color=WRONG,
                markerfacecolor="white",
                elinewidth=2,
                markersize=6,
                label="expected of twice and four times as many",
            )
            for one in further:
                axes.annotate(
                    percent(one.accuracy),
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
        axes.set(title=printable(title), xlabel="training pictures", ylabel="accuracy, %")
        axes.legend(loc="lower right", fontsize=9)
    return figure
