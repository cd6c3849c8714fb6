"""The figure of several trainings of one kind: every one a point, with their mean and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from striate.drawing import FAINT, INK, STYLE, VALIDATION, percent
from striate.errors import printable
from striate.evaluation.report import Report
from striate.evaluation.spread import Spread

MOST = 20  # classes shown; of more, those with the lowest mean recall


def spread_figure(names: Sequence[str], reports: Sequence[Report], found: Spread, *, title: str, note: str) -> Figure:
    """Returns accuracy training by training, and recall class by class.

    Args:
        names: what to call each training, short.
        reports: one a training.
        found: what they say together.
        title: of the figure.
        note: below it.
    """
    rows = sorted(found.classes, key=lambda row: row.mean)[:MOST]
    height = max(3.4, 1.4 + 0.3 * max(len(names), len(rows)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, height), layout="constrained")
        figure.suptitle(printable(title), x=0.01, ha="left", fontweight="bold", fontsize=13)
        figure.supxlabel(printable(note), x=0.01, ha="left", fontsize=9, color=FAINT)
        left, right = figure.subplots(1, 2)
        _accuracies(left, names, reports, found)
        left.set_title("Accuracy")
        for place, row in enumerate(rows):
            values = [
                one.recall for report in reports for one in report.classes if one.name == row.name and one.support
            ]
            right.plot([row.low, row.high], [place, place], color="#7FB8D8", linewidth=2, zorder=1)
            right.plot(values, [place] * len(values), "o", color=VALIDATION, markersize=5, alpha=0.6, zorder=2)
            right.plot([row.mean], [place], "|", color=INK, markersize=14, markeredgewidth=2, zorder=3)
        right.set_yticks(range(len(rows)), [_short(row.name) for row in rows])
        right.set_ylim(len(rows) - 0.4, -0.6)
        right.set_title("Recall by class" + (f", the {MOST} lowest" if len(found.classes) > MOST else ""))
        for axes in (left, right):
            axes.grid(axis="y", visible=False)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
    return figure


def _accuracies(axes: Any, names: Sequence[str], reports: Sequence[Report], found: Spread) -> None:
    if found.interval is not None:
        axes.axvspan(*found.interval, color="#DCEBF5", zorder=0, linewidth=0)
    axes.axvline(found.mean, color=VALIDATION, linewidth=1.2, zorder=1)
    axes.plot(
        [report.accuracy for report in reports], range(len(reports)), "o", color=VALIDATION, markersize=8, zorder=2
    )
    axes.set_yticks(range(len(names)), [printable(name) for name in names])
    axes.set_ylim(len(names) - 0.3, -0.7)
    spread = "" if found.deviation is None else f" ± {100 * found.deviation:.2f} (standard deviation)"
    axes.set_xlabel(f"mean {percent(found.mean, 2)}{spread}")


def _short(name: str, most: int = 22) -> str:
    name = printable(name)
    return name if len(name) <= most else name[: most - 1] + "…"
