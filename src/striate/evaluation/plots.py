"""Drawings made to be shown: curves, confusion matrix, galleries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.data.splits import interleave_classes
from striate.errors import printable
from striate.evaluation.calibration import BINS, Calibration, coverage
from striate.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from striate.evaluation.evaluate import Measured
from striate.evaluation.prediction_table import Answered
from striate.evaluation.report import Report
from striate.evaluation.robustness import Robustness, corrupted
from striate.evaluation.roc_pr import MOST, Curve, precision_recall, roc, scores
from striate.evaluation.selective import Refusal
from striate.reporting.axes import choose_limits
from striate.reporting.fonts import measure_text
from striate.reporting.heatmap import WIDTH, GalleryItem, draw_gallery, draw_heatmap
from striate.reporting.marks import Box, Mark
from striate.reporting.panel import DOTTED, Axis, Bars, Drawing, Note, Panel, Series
from striate.reporting.style import FAINT, RIGHT, SERIES, STYLE, TRAIN, VALIDATION, WRONG, percent
from striate.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVE_WIDTH, CURVE_HEIGHT = 360.0, 273.6
"""Points of 1/72 inch: a panel of the learning curves."""


def curves(history: History, names: Sequence[str] = ("accuracy", "loss")) -> Drawing:
    """Returns accuracy and loss (or one of them) over the epochs, training and validation, the kept epoch marked."""
    panels = [_curve_panel(history, name) for name in names]
    marks: list[Mark] = []
    for place, panel in enumerate(panels):
        marks += panel.lay_out(Box(place * CURVE_WIDTH + 2, 2, CURVE_WIDTH - 4, CURVE_HEIGHT - 4))
    return Drawing(len(panels) * CURVE_WIDTH, CURVE_HEIGHT, tuple(marks), tuple(panels))


def _curve_panel(history: History, name: str) -> Panel:
    numbers = tuple(float(row.epoch) for row in history.epochs)
    train = tuple(float(getattr(row, name)) for row in history.epochs)
    validation = tuple(float(getattr(row, f"val_{name}")) for row in history.epochs)
    radius = 2.25 if len(numbers) < 25 else 0.0
    series = [
        Series(numbers, train, TRAIN, "training", radius=radius),
        Series(numbers, validation, VALIDATION, "validation", radius=radius),
    ]
    if history.kept:
        best = validation[history.kept - 1]
        label = f"epoch {history.kept} kept: {best:.4f}"
        series.append(Series((float(history.kept),), (best,), VALIDATION, label, width=0, radius=4, is_hollow=True))
    is_single = len(set(numbers)) == 1
    low, high = choose_limits([*train, *validation, *([0.0] if name == "loss" else [])])
    return Panel(
        name.capitalize(),
        Axis("epoch", (numbers[0] - 1, numbers[0] + 1) if is_single else None, is_integer=True),
        Axis(limits=(0.0 if name == "loss" else low, high)),
        series,
        verticals=[float(history.kept)] if history.kept else [],
        corner="best",
    )


def confusion(report: Report) -> Drawing:
    """Returns the confusion matrix: color is the fraction of the true class, numbers are images."""
    counts = np.array(report.confusion)
    return draw_heatmap(
        counts / np.maximum(1, counts.sum(axis=1, keepdims=True)),
        counts,
        [_short(row.name, 22) for row in report.classes],
        title=f"Confusion matrix, {report.n:,} pictures",
        x_label="predicted",
        y_label="true",
        scale_label="share of the true class",
    )


def gallery(measured: Measured, indices: NDArray[np.intp], title: str, columns: int = 8) -> Drawing:
    """Returns images with what was predicted for each, and its true class where that differs."""
    images = measured.decoded.images
    items = []
    for index in indices:
        predicted, true = (images.classes[n] for n in (measured.predicted[index], images.labels[index]))
        is_right = bool(measured.predicted[index] == images.labels[index])
        lines = [_fit("", predicted, f" {percent(measured.confidence[index])}")]
        if not is_right:
            lines.append(_fit("is ", true, ""))
        items.append(GalleryItem(measured.decoded.pixels[index], tuple(lines), RIGHT if is_right else WRONG))
    return draw_gallery(items, title, columns)


def _fit(before: str, name: str, after: str) -> str:
    """Returns a caption with as much of a class name as a column of the gallery has room for."""
    for length in range(17, 1, -1):
        text = before + _short(name, length) + after
        if measure_text(text, 8) <= WIDTH - 3:
            break
    return text


def right_and_wrong(measured: Measured, count: int = 24) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns indices to show: right ones spread over the classes, wrong ones most confident first."""
    labels = measured.decoded.images.labels
    is_right = measured.predicted == labels
    rng = np.random.default_rng(0)
    order = rng.permutation(np.flatnonzero(is_right))
    right = interleave_classes(order, labels)[:count]
    wrong = np.flatnonzero(~is_right)
    return right, wrong[np.argsort(-measured.confidence[wrong], kind="stable")][:count]


def _short(name: str, length: int) -> str:
    name = printable(name)
    return name if len(name) <= length else name[: length - 1] + "…"


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
