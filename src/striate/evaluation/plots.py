"""Drawings made to be shown: curves, confusion matrix, galleries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.data.splits import interleave_classes
from striate.errors import to_printable
from striate.evaluation.calibration import CALIBRATION_BINS, Calibration, compute_risk_coverage_curve
from striate.evaluation.corruptions import CORRUPTIONS, MAX_SEVERITY
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.prediction_table import LabeledPredictions
from striate.evaluation.report import Report
from striate.evaluation.robustness import Robustness, corrupt_images
from striate.evaluation.roc_pr import (
    MAX_CURVE_CLASSES,
    CurvePoints,
    compute_log_odds,
    compute_precision_recall_curve,
    compute_roc_curve,
)
from striate.evaluation.selective import OperatingPoint
from striate.reporting.axes import choose_limits
from striate.reporting.fonts import measure_text
from striate.reporting.heatmap import GALLERY_COLUMN_WIDTH, GalleryItem, draw_gallery, draw_heatmap
from striate.reporting.marks import Box, Mark
from striate.reporting.panel import DOT_PATTERN, Annotation, Axis, Bars, Drawing, Panel, Series
from striate.reporting.style import (
    CORRECT_COLOR,
    INCORRECT_COLOR,
    MATPLOTLIB_STYLE,
    MUTED_COLOR,
    SERIES_COLORS,
    TRAIN_COLOR,
    VALIDATION_COLOR,
    format_percent,
)
from striate.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVE_WIDTH, CURVE_HEIGHT = 360.0, 273.6
"""Points of 1/72 inch: a panel of the learning curves."""


def draw_training_curves(history: History, metric_names: Sequence[str] = ("accuracy", "loss")) -> Drawing:
    """Returns accuracy and loss (or one of them) over the epochs, training and validation, the kept epoch marked."""
    panels = [_build_curve_panel(history, name) for name in metric_names]
    marks: list[Mark] = []
    for place, panel in enumerate(panels):
        marks += panel.lay_out(Box(place * CURVE_WIDTH + 2, 2, CURVE_WIDTH - 4, CURVE_HEIGHT - 4))
    return Drawing(len(panels) * CURVE_WIDTH, CURVE_HEIGHT, tuple(marks), tuple(panels))


def _build_curve_panel(history: History, metric_name: str) -> Panel:
    numbers = tuple(float(row.epoch) for row in history.epochs)
    train = tuple(float(getattr(row, metric_name)) for row in history.epochs)
    validation = tuple(float(getattr(row, f"val_{metric_name}")) for row in history.epochs)
    radius = 2.25 if len(numbers) < 25 else 0.0
    series = [
        Series(numbers, train, TRAIN_COLOR, "training", radius=radius),
        Series(numbers, validation, VALIDATION_COLOR, "validation", radius=radius),
    ]
    if history.best_epoch:
        best = validation[history.best_epoch - 1]
        label = f"epoch {history.best_epoch} kept: {best:.4f}"
        series.append(
            Series((float(history.best_epoch),), (best,), VALIDATION_COLOR, label, width=0, radius=4, is_hollow=True)
        )
    is_single = len(set(numbers)) == 1
    low, high = choose_limits([*train, *validation, *([0.0] if metric_name == "loss" else [])])
    return Panel(
        metric_name.capitalize(),
        Axis("epoch", (numbers[0] - 1, numbers[0] + 1) if is_single else None, is_integer=True),
        Axis(limits=(0.0 if metric_name == "loss" else low, high)),
        series,
        vertical_lines=[float(history.best_epoch)] if history.best_epoch else [],
        legend_location="best",
    )


def draw_confusion_matrix(report: Report) -> Drawing:
    """Returns the confusion matrix: color is the fraction of the true class, numbers are images."""
    counts = np.array(report.confusion)
    return draw_heatmap(
        counts / np.maximum(1, counts.sum(axis=1, keepdims=True)),
        counts,
        [_shorten_name(row.name, 22) for row in report.classes],
        title=f"Confusion matrix, {report.n:,} images",
        x_label="predicted",
        y_label="true",
        colorbar_label="fraction of the true class",
    )


def draw_prediction_gallery(evaluation: Evaluation, indices: NDArray[np.intp], title: str, columns: int = 8) -> Drawing:
    """Returns images with what was predicted for each, and its true class where that differs."""
    images = evaluation.decoded_set.images
    items = []
    for index in indices:
        predicted, true = (images.classes[n] for n in (evaluation.predicted_labels[index], images.labels[index]))
        is_right = bool(evaluation.predicted_labels[index] == images.labels[index])
        lines = [_format_caption("", predicted, f" {format_percent(evaluation.confidence[index])}")]
        if not is_right:
            lines.append(_format_caption("is ", true, ""))
        items.append(
            GalleryItem(
                evaluation.decoded_set.pixels[index], tuple(lines), CORRECT_COLOR if is_right else INCORRECT_COLOR
            )
        )
    return draw_gallery(items, title, columns)


def _format_caption(prefix: str, class_name: str, suffix: str) -> str:
    """Returns a caption with as much of a class name as a column of the gallery has room for."""
    for length in range(17, 1, -1):
        text = prefix + _shorten_name(class_name, length) + suffix
        if measure_text(text, 8) <= GALLERY_COLUMN_WIDTH - 3:
            break
    return text


def select_examples(evaluation: Evaluation, max_examples: int = 24) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns indices to show: right ones spread over the classes, wrong ones most confident first."""
    labels = evaluation.decoded_set.images.labels
    is_right = evaluation.predicted_labels == labels
    rng = np.random.default_rng(0)
    order = rng.permutation(np.flatnonzero(is_right))
    right = interleave_classes(order, labels)[:max_examples]
    wrong = np.flatnonzero(~is_right)
    return right, wrong[np.argsort(-evaluation.confidence[wrong], kind="stable")][:max_examples]


def _shorten_name(name: str, max_length: int) -> str:
    name = to_printable(name)
    return name if len(name) <= max_length else name[: max_length - 1] + "…"


def draw_reliability_diagram(calibration: Calibration) -> Drawing:
    """Returns the reliability diagram (DeGroot and Fienberg 1983): how often answers of a confidence are right, with
    95 % intervals, above how many there are of them.
    """
    n = sum(one.n for one in calibration.bins)
    shown = (0.0, 101.0)
    bins = tuple(min(int(one.confidence * CALIBRATION_BINS), CALIBRATION_BINS - 1) for one in calibration.bins)
    above = Panel(
        "Is it right as often as it is sure?",
        Axis(limits=shown, has_tick_labels=False),
        Axis("right, %", (-2.0, 102.0)),
        [
            Series((0.0, 100.0), (0.0, 100.0), MUTED_COLOR, "as sure as right", width=1, dash=DOT_PATTERN),
            Series(
                tuple(100 * one.confidence for one in calibration.bins),
                tuple(100 * one.accuracy for one in calibration.bins),
                VALIDATION_COLOR,
                width=1.2,
                radius=2.25,
                intervals=tuple((100 * one.interval[0], 100 * one.interval[1]) for one in calibration.bins),
            ),
        ],
        legend_location="lower right",
    )
    below = Panel(
        x=Axis("confidence, %", shown),
        y=Axis("of all, %"),
        bars=[
            Bars(
                tuple(100 * (place + 0.5) / CALIBRATION_BINS for place in bins),
                tuple(100 * one.n / n for one in calibration.bins),
                90 / CALIBRATION_BINS,
                VALIDATION_COLOR,
            )
        ],
    )
    width, height, lower = 374.4, 316.8, 90.0
    left = max(above.measure_left_margin(height - lower), below.measure_left_margin(lower))
    marks = above.lay_out(Box(2, 2, width - 4, height - lower - 4), left)
    marks += below.lay_out(Box(2, height - lower, width - 4, lower - 2), left)
    return Drawing(width, height, tuple(marks), (above, below))


def draw_risk_coverage_curve(predictions: LabeledPredictions, operating_point: OperatingPoint | None = None) -> Drawing:
    """Returns the risk–coverage curve (El-Yaniv and Wiener 2010), and where a threshold stands on it."""
    curve = compute_risk_coverage_curve(predictions.confidence, predictions.is_correct)
    risk = 100 * np.asarray(curve.risk, float)
    series = [Series(tuple((100 * curve.coverage).tolist()), tuple(risk.tolist()), VALIDATION_COLOR, step="post")]
    if operating_point is not None and operating_point.risk is not None:
        label = (
            f"from {format_percent(operating_point.reject_below)}: {format_percent(operating_point.coverage)} answered"
        )
        series.append(
            Series(
                (100 * operating_point.coverage,),
                (100 * operating_point.risk,),
                INCORRECT_COLOR,
                f"{label}, {format_percent(operating_point.risk, 2)} wrong",
                width=0,
                radius=4,
            )
        )
    overall = float(risk[-1])
    panel = Panel(
        "Answering only when sure",
        Axis("answered, % of the images, the surest first", (0.0, 100.0)),
        Axis("wrong, % of the predictions", (0.0, max(1.25 * float(risk.max()), 0.2))),
        series,
        horizontal_lines=[overall],
        annotations=[Annotation(0.0, overall, f"all answered: {format_percent(overall / 100, 2)} wrong")],
        legend_location="upper left",
        legend_size=9,
    )
    width, height = 388.8, 273.6
    return Drawing(width, height, tuple(panel.lay_out(Box(2, 2, width - 4, height - 4))), (panel,))


WORST_CLASS_COLORS = (VALIDATION_COLOR, TRAIN_COLOR, "#009E73", "#CC79A7", "#D55E00")
"""Of the classes with the lowest average precision."""

MIN_VISIBLE_RECALL = 0.995
"""Fraction of its images up to which every class's curve is shown; a good classifier's curves hide in a corner else."""


def draw_roc_curves(predictions: LabeledPredictions, report: Report) -> Drawing | None:
    """Returns the ROC curves; None where no class has one, or there are too many."""
    return _draw_class_curves(predictions, report, compute_roc_curve, _build_roc_panel)


def draw_precision_recall_curves(predictions: LabeledPredictions, report: Report) -> Drawing | None:
    """Returns the precision–recall curves; None likewise."""
    return _draw_class_curves(predictions, report, compute_precision_recall_curve, _build_precision_recall_panel)


def _draw_class_curves(
    predictions: LabeledPredictions,
    report: Report,
    compute_curve: Callable[..., CurvePoints],
    build_panel: Callable[[list[CurvePoints]], Panel],
) -> Drawing | None:
    known = [i for i, row in enumerate(report.classes) if row.average_precision is not None]
    if not known or len(report.classes) > MAX_CURVE_CLASSES:
        return None
    known.sort(key=lambda i: report.classes[i].average_precision or 0.0, reverse=True)
    ordered = compute_log_odds(predictions.log_probabilities)
    found = {i: compute_curve(predictions.labels == i, ordered[i]) for i in known}
    worst = known[: -len(WORST_CLASS_COLORS) - 1 : -1] if len(known) > len(WORST_CLASS_COLORS) + 2 else known[::-1]
    others = [i for i in known if i not in worst]
    panel = build_panel(list(found.values()))
    for number, i in enumerate(others):
        label = f"the other {len(others)}" if not number else ""
        panel.series.append(_build_curve_series(found[i], compute_curve, MUTED_COLOR, label, width=0.9, opacity=0.7))
    for place, i in reversed(list(enumerate(worst))):
        name = to_printable(report.classes[i].name)
        label = name if len(name) <= 22 else name[:21] + "…"
        panel.series.append(
            _build_curve_series(
                found[i], compute_curve, WORST_CLASS_COLORS[place % len(WORST_CLASS_COLORS)], label, width=1.6
            )
        )
    width, height = 374.4, 302.4
    return Drawing(width, height, tuple(panel.lay_out(Box(2, 2, width - 4, height - 4))), (panel,))


def _build_curve_series(
    points: CurvePoints,
    compute_curve: Callable[..., CurvePoints],
    color: str,
    label: str,
    *,
    width: float,
    opacity: float = 1.0,
) -> Series:
    x, y = (tuple(np.asarray(values, float).tolist()) for values in points)
    step: Literal["post", "pre"] = "post" if compute_curve is compute_roc_curve else "pre"
    return Series(x, y, color, label, width, step, opacity=opacity)


def _build_roc_panel(class_curves: list[CurvePoints]) -> Panel:
    widest = max(float(one.x[int(np.argmax(one.y >= MIN_VISIBLE_RECALL))]) for one in class_curves)
    lowest = min(float(one.y[one.x <= 0].max()) for one in class_curves)
    label = "of the other images, taken for it"
    return Panel(
        "ROC: found against falsely found",
        Axis(f"{label} (zoomed)" if widest < 0.9 else label, (0, min(1.0, 1.1 * widest + 1e-3)), is_percent=True),
        Axis("of its images, found", (max(0.0, lowest - 0.05) if lowest > 0.3 else 0, 1.005), is_percent=True),
        legend_location="lower right",
        legend_size=9,
        is_legend_reversed=True,
    )


def _build_precision_recall_panel(class_curves: list[CurvePoints]) -> Panel:
    lowest = min(float(one.y[one.x >= MIN_VISIBLE_RECALL].max()) for one in class_curves)
    return Panel(
        "Precision against recall",
        Axis("recall: of its images, found", (0, 1.005), is_percent=True),
        Axis(
            "precision: of those found, its own",
            (max(0.0, lowest - 0.1) if lowest > 0.3 else 0, 1.005),
            is_percent=True,
        ),
        legend_location="lower left",
        legend_size=9,
        is_legend_reversed=True,
    )


def draw_robustness(robustness: Robustness) -> Figure:
    """Returns accuracy against severity, one line a corruption, with 95 % intervals."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        axes = figure.subplots()
        numbers = list(range(MAX_SEVERITY + 1))
        for index, curve in enumerate(robustness.curves):
            style: dict[str, Any] = {
                "color": SERIES_COLORS[index % len(SERIES_COLORS)],
                "marker": "o",
                "markersize": 3.5,
            }
            line = "-" if index < len(SERIES_COLORS) else "--"
            label = f"{curve.name}: {curve.relative_accuracy:.0%} kept"
            axes.plot(numbers, [robustness.accuracy, *curve.accuracies], line, label=label, **style)
            low, high = zip(robustness.interval, *curve.intervals, strict=True)
            axes.fill_between(numbers, low, high, color=style["color"], alpha=0.1, linewidth=0)
        axes.axhline(robustness.accuracy, color=MUTED_COLOR, linestyle=":", linewidth=1)
        axes.set(
            title=f"Will it hold: {robustness.n:,} test images made worse",
            xlabel="severity (0: as they are)",
            ylabel="accuracy",
            ylim=(0, 1.02),
            xticks=numbers,
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def draw_corruption_sheet(pixels: NDArray[np.uint8]) -> Figure:
    """Returns one (h, w, 1 or 3) image under each corruption and severity."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**MATPLOTLIB_STYLE, "axes.grid": False}):
        figure = Figure(figsize=(6.4, 1.02 * len(CORRUPTIONS) + 0.3), layout="constrained")
        panels = figure.subplots(len(CORRUPTIONS), MAX_SEVERITY + 1)
        for row, (name, corruption) in zip(panels, CORRUPTIONS.items(), strict=True):
            for severity, axes in enumerate(row):
                shown = corrupt_images(pixels[None], corruption, severity, 0)[0] if severity else pixels
                axes.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=255)
                axes.set_axis_off()
                if row is panels[0]:
                    axes.set_title("as it is" if not severity else str(severity), fontsize=9, loc="center")
            row[0].text(
                -0.08, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=9, clip_on=False
            )
    return figure
