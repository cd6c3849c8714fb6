"""ROC and precision–recall curves of the classes, each against the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from striate.drawing import FAINT, TRAIN, VALIDATION
from striate.errors import printable
from striate.evaluation.answered import Answered
from striate.evaluation.ranking import MOST, Curve, precision_recall, roc, scores
from striate.evaluation.report import Report
from striate.reporting.marks import Box, Drawing
from striate.reporting.panel import Axis, Panel, Series

COLOURS = (VALIDATION, TRAIN, "#009E73", "#CC79A7", "#D55E00")
"""Of the classes with the lowest average precision."""

INSIDE = 0.995
"""Share of its pictures up to which every class's curve is shown; a good classifier's curves hide in a corner else."""


def roc_curves(answered: Answered, report: Report) -> Drawing | None:
    """Returns the ROC curves; None where no class has one, or there are too many."""
    return _drawn(answered, report, roc, _roc_panel)


def precision_recall_curves(answered: Answered, report: Report) -> Drawing | None:
    """Returns the precision–recall curves; None likewise."""
    return _drawn(answered, report, precision_recall, _precision_panel)


def _drawn(
    answered: Answered,
    report: Report,
    curve: Callable[..., Curve],
    make_panel: Callable[[list[Curve]], Panel],
) -> Drawing | None:
    known = [i for i, row in enumerate(report.classes) if row.average_precision is not None]
    if not known or len(report.classes) > MOST:
        return None
    known.sort(key=lambda i: report.classes[i].average_precision or 0.0, reverse=True)
    ordered = scores(answered.log_probabilities)
    found = {i: curve(answered.labels == i, ordered[i]) for i in known}
    worst = known[: -len(COLOURS) - 1 : -1] if len(known) > len(COLOURS) + 2 else known[::-1]
    others = [i for i in known if i not in worst]
    panel = make_panel(list(found.values()))
    for number, i in enumerate(others):
        label = f"the other {len(others)}" if not number else ""
        panel.series.append(_series(found[i], curve, FAINT, label, width=0.9, opacity=0.7))
    for place, i in reversed(list(enumerate(worst))):
        name = printable(report.classes[i].name)
        label = name if len(name) <= 22 else name[:21] + "…"
        panel.series.append(_series(found[i], curve, COLOURS[place % len(COLOURS)], label, width=1.6))
    width, height = 374.4, 302.4
    return Drawing(width, height, tuple(panel.lay_out(Box(2, 2, width - 4, height - 4))), (panel,))


def _series(
    found: Curve, curve: Callable[..., Curve], color: str, label: str, *, width: float, opacity: float = 1.0
) -> Series:
    x, y = (tuple(np.asarray(values, float).tolist()) for values in found)
    step: Literal["post", "pre"] = "post" if curve is roc else "pre"
    return Series(x, y, color, label, width, step, opacity=opacity)


def _roc_panel(found: list[Curve]) -> Panel:
    widest = max(float(one.x[int(np.argmax(one.y >= INSIDE))]) for one in found)
    lowest = min(float(one.y[one.x <= 0].max()) for one in found)
    label = "of the other pictures, taken for it"
    return Panel(
        "ROC: found against falsely found",
        Axis(f"{label} (zoomed)" if widest < 0.9 else label, (0, min(1.0, 1.1 * widest + 1e-3)), is_percent=True),
        Axis("of its pictures, found", (max(0.0, lowest - 0.05) if lowest > 0.3 else 0, 1.005), is_percent=True),
        corner="lower right",
        legend_size=9,
        is_legend_reversed=True,
    )


def _precision_panel(found: list[Curve]) -> Panel:
    lowest = min(float(one.y[one.x >= INSIDE].max()) for one in found)
    return Panel(
        "Precision against recall",
        Axis("recall: of its pictures, found", (0, 1.005), is_percent=True),
        Axis(
            "precision: of those found, its own",
            (max(0.0, lowest - 0.1) if lowest > 0.3 else 0, 1.005),
            is_percent=True,
        ),
        corner="lower left",
        legend_size=9,
        is_legend_reversed=True,
    )
