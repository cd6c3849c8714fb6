"""Drawings made to be shown: curves, confusion matrix, galleries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.drawing import RIGHT, TRAIN, VALIDATION, WRONG, percent
from striate.errors import printable
from striate.evaluation.measure import Measured
from striate.evaluation.report import Report
from striate.history import History
from striate.images.rounds import in_rounds
from striate.reporting.fonts import measure_text
from striate.reporting.gallery import WIDTH, GalleryItem, draw_gallery
from striate.reporting.heatmap import draw_heatmap
from striate.reporting.marks import Box, Drawing, Mark
from striate.reporting.panel import Axis, Panel, Series
from striate.reporting.ticks import choose_limits

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
    right = in_rounds(order, labels)[:count]
    wrong = np.flatnonzero(~is_right)
    return right, wrong[np.argsort(-measured.confidence[wrong], kind="stable")][:count]


def _short(name: str, length: int) -> str:
    name = printable(name)
    return name if len(name) <= length else name[: length - 1] + "…"
