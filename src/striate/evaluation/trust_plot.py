"""Whether confidence can be trusted, as figures: the reliability diagram, and risk against coverage."""

from __future__ import annotations

import numpy as np

from striate.drawing import FAINT, VALIDATION, WRONG, percent
from striate.evaluation.answered import Answered
from striate.evaluation.calibration import BINS, Calibration, coverage
from striate.evaluation.refusal import Refusal
from striate.reporting.marks import Box, Drawing
from striate.reporting.panel import DOTTED, Axis, Bars, Note, Panel, Series


def reliability(found: Calibration) -> Drawing:
    """Returns the reliability diagram (DeGroot and Fienberg 1983): how often answers of a confidence are right, with
    95 % intervals, above how many there are of them.
    """
    n = sum(one.n for one in found.bins)
    shown = (0.0, 101.0)
    bins = tuple(min(int(one.confidence * BINS), BINS - 1) for one in found.bins)
    above = Panel(
        "Is it right as often as it is sure?",
        Axis(limits=shown, is_labelled=False),
        Axis("right, %", (-2.0, 102.0)),
        [
            Series((0.0, 100.0), (0.0, 100.0), FAINT, "as sure as right", width=1, dash=DOTTED),
            Series(
                tuple(100 * one.confidence for one in found.bins),
                tuple(100 * one.accuracy for one in found.bins),
                VALIDATION,
                width=1.2,
                radius=2.25,
                intervals=tuple((100 * one.interval[0], 100 * one.interval[1]) for one in found.bins),
            ),
        ],
        corner="lower right",
    )
    below = Panel(
        x=Axis("confidence, %", shown),
        y=Axis("of all, %"),
        bars=[
            Bars(
                tuple(100 * (place + 0.5) / BINS for place in bins),
                tuple(100 * one.n / n for one in found.bins),
                90 / BINS,
                VALIDATION,
            )
        ],
    )
    width, height, lower = 374.4, 316.8, 90.0
    left = max(above.left_margin(height - lower), below.left_margin(lower))
    marks = above.lay_out(Box(2, 2, width - 4, height - lower - 4), left)
    marks += below.lay_out(Box(2, height - lower, width - 4, lower - 2), left)
    return Drawing(width, height, tuple(marks), (above, below))


def coverage_curve(answered: Answered, refused: Refusal | None = None) -> Drawing:
    """Returns the risk–coverage curve (El-Yaniv and Wiener 2010), and where a threshold stands on it."""
    curve = coverage(answered.confidence, answered.is_right)
    risk = 100 * np.asarray(curve.risk, float)
    series = [Series(tuple((100 * curve.coverage).tolist()), tuple(risk.tolist()), VALIDATION, step="post")]
    if refused is not None and refused.risk is not None:
        label = f"from {percent(refused.reject_below)}: {percent(refused.coverage)} answered"
        series.append(
            Series(
                (100 * refused.coverage,),
                (100 * refused.risk,),
                WRONG,
                f"{label}, {percent(refused.risk, 2)} wrong",
                width=0,
                radius=4,
            )
        )
    overall = float(risk[-1])
    panel = Panel(
        "Answering only when sure",
        Axis("answered, % of the pictures, the surest first", (0.0, 100.0)),
        Axis("wrong, % of the answers", (0.0, max(1.25 * float(risk.max()), 0.2))),
        series,
        horizontals=[overall],
        notes=[Note(0.0, overall, f"all answered: {percent(overall / 100, 2)} wrong")],
        corner="upper left",
        legend_size=9,
    )
    width, height = 388.8, 273.6
    return Drawing(width, height, tuple(panel.lay_out(Box(2, 2, width - 4, height - 4))), (panel,))
