"""Whether confidence can be trusted, as figures: the reliability diagram, and risk against coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from striate.drawing import FAINT, STYLE, VALIDATION, WRONG, percent
from striate.evaluation.answered import Answered
from striate.evaluation.calibration import BINS, Calibration, coverage
from striate.evaluation.refusal import Refusal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability(found: Calibration) -> Figure:
    """Returns the reliability diagram (DeGroot and Fienberg 1983): how often answers of a confidence are right, with
    95 % intervals, above how many there are of them.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    n = sum(one.n for one in found.bins)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.4), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        confidence = 100 * np.array([one.confidence for one in found.bins])
        right = 100 * np.array([one.accuracy for one in found.bins])
        ends = 100 * np.array([one.interval for one in found.bins])
        axes.plot([0, 100], [0, 100], color=FAINT, linestyle=":", linewidth=1, label="as sure as right")
        beyond = np.abs(np.stack([right - ends[:, 0], ends[:, 1] - right]))
        axes.errorbar(confidence, right, beyond, color=VALIDATION, marker="o", markersize=4.5, capsize=2, linewidth=1.2)
        axes.set(title="Is it right as often as it is sure?", ylabel="right, %", ylim=(-2, 102))
        axes.legend(loc="lower right")
        middle = 100 * (np.minimum(np.array([one.confidence for one in found.bins]) * BINS, BINS - 1).astype(int) + 0.5)
        below.bar(middle / BINS, [100 * one.n / n for one in found.bins], width=90 / BINS, color=VALIDATION)
        below.set(xlabel="confidence, %", ylabel="of all, %", xlim=(0, 101))
    return figure


def coverage_curve(answered: Answered, refused: Refusal | None = None) -> Figure:
    """Returns the risk–coverage curve (El-Yaniv and Wiener 2010), and where a threshold stands on it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    curve = coverage(answered.confidence, answered.is_right)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(100 * curve.coverage, 100 * curve.risk, color=VALIDATION, drawstyle="steps-post")
        axes.axhline(100 * curve.risk[-1], color=FAINT, linestyle=":", linewidth=1)
        axes.annotate(
            f"all answered: {percent(float(curve.risk[-1]), 2)} wrong",
            (0, 100 * curve.risk[-1]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=9,
        )
        if refused is not None and refused.risk is not None:
            place = (100 * refused.coverage, 100 * refused.risk)
            label = f"from {percent(refused.reject_below)}: {percent(refused.coverage)} answered"
            axes.plot(*place, "o", color=WRONG, markersize=8, label=f"{label}, {percent(refused.risk, 2)} wrong")
            axes.legend(loc="upper left", bbox_to_anchor=(0, 0.9), fontsize=9)
        highest = float(curve.risk.max())
        axes.set(
            title="Answering only when sure",
            xlabel="answered, % of the pictures, the surest first",
            ylabel="wrong, % of the answers",
            xlim=(0, 100),
            ylim=(0, 100 * max(1.25 * highest, 0.002)),
        )
    return figure
