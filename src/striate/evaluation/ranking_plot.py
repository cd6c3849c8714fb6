"""ROC and precision–recall curves of the classes, each against the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.drawing import FAINT, STYLE, TRAIN, VALIDATION
from striate.errors import printable
from striate.evaluation.answered import Answered
from striate.evaluation.ranking import MOST, Curve, precision_recall, roc, scores
from striate.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


COLOURS = (VALIDATION, TRAIN, "#009E73", "#CC79A7", "#D55E00")
"""Of the classes with the lowest average precision."""

INSIDE = 0.995
"""Share of its pictures up to which every class's curve is shown; a good classifier's curves hide in a corner else."""


def roc_curves(answered: Answered, report: Report) -> Figure | None:
    """Returns the ROC curves; None where no class has one, or there are too many."""
    return _drawn(answered, report, roc, "ROC: found against falsely found", _roc_axes)


def precision_recall_curves(answered: Answered, report: Report) -> Figure | None:
    """Returns the precision–recall curves; None likewise."""
    return _drawn(answered, report, precision_recall, "Precision against recall", _precision_axes)


def _drawn(
    answered: Answered,
    report: Report,
    curve: Callable[..., Curve],
    title: str,
    finish: Callable[[Any, list[Curve]], None],
) -> Figure | None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    known = [i for i, row in enumerate(report.classes) if row.average_precision is not None]
    if not known or len(report.classes) > MOST:
        return None
    known.sort(key=lambda i: report.classes[i].average_precision or 0.0, reverse=True)
    ordered = scores(answered.log_probabilities)
    found = {i: curve(answered.labels == i, ordered[i]) for i in known}
    worst = known[: -len(COLOURS) - 1 : -1] if len(known) > len(COLOURS) + 2 else known[::-1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.2), layout="constrained")
        axes = figure.subplots()
        style = "steps-post" if curve is roc else "steps-pre"
        others = [i for i in known if i not in worst]
        for number, i in enumerate(others):
            label = f"the other {len(others)}" if not number else None
            axes.plot(*found[i], color=FAINT, linewidth=0.9, alpha=0.7, drawstyle=style, label=label)
        for place, i in reversed(list(enumerate(worst))):
            name = printable(report.classes[i].name)
            label = name if len(name) <= 22 else name[:21] + "…"
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(*found[i], color=colour, linewidth=1.6, drawstyle=style, label=label, zorder=3)
        axes.set_title(title)
        finish(axes, list(found.values()))
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="lower right" if curve is roc else "lower left", fontsize=9)
    return figure


def _roc_axes(axes: Any, found: list[Curve]) -> None:
    widest = max(float(one.x[int(np.argmax(one.y >= INSIDE))]) for one in found)
    lowest = min(float(one.y[one.x <= 0].max()) for one in found)
    axes.set(
        xlabel="of the other pictures, taken for it (zoomed)"
        if widest < 0.9
        else "of the other pictures, taken for it",
        ylabel="of its pictures, found",
        xlim=(0, min(1.0, 1.1 * widest + 1e-3)),
        ylim=(max(0.0, lowest - 0.05) if lowest > 0.3 else 0, 1.005),
    )
    _as_percent(axes)


def _precision_axes(axes: Any, found: list[Curve]) -> None:
    lowest = min(float(one.y[one.x >= INSIDE].max()) for one in found)
    axes.set(
        xlabel="recall: of its pictures, found",
        ylabel="precision: of those found, its own",
        xlim=(0, 1.005),
        ylim=(max(0.0, lowest - 0.1) if lowest > 0.3 else 0, 1.005),
    )
    _as_percent(axes)


def _as_percent(axes: Any) -> None:
    import matplotlib as mpl

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
