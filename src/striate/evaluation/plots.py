"""Figures made to be shown: curves, confusion matrix, galleries. Each function returns a matplotlib Figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.drawing import BLUES, FAINT, INK, RIGHT, STYLE, TRAIN, VALIDATION, WRONG, percent
from striate.errors import printable
from striate.evaluation.measure import Measured
from striate.evaluation.report import Report
from striate.history import History
from striate.images.rounds import in_rounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(history: History, names: Sequence[str] = ("accuracy", "loss")) -> Figure:
    """Returns accuracy and loss (or one of them) over the epochs, training and validation, the kept epoch marked."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5 * len(names), 3.8), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            numbers = [row.epoch for row in history.epochs]
            train = [getattr(row, name) for row in history.epochs]
            validation = [getattr(row, f"val_{name}") for row in history.epochs]
            dots = "o" if len(numbers) < 25 else None
            axes.plot(numbers, train, color=TRAIN, marker=dots, markersize=3.5, label="training")
            axes.plot(numbers, validation, color=VALIDATION, marker=dots, markersize=3.5, label="validation")
            axes.set(title=name.capitalize(), xlabel="epoch")
            _whole_epochs(axes, numbers)
            if history.kept:
                best = validation[history.kept - 1]
                axes.axvline(history.kept, color=FAINT, linestyle=":", linewidth=1)
                label = f"epoch {history.kept} kept: {best:.4f}"
                axes.plot([history.kept], [best], "o", color=VALIDATION, markersize=8, fillstyle="none", label=label)
            axes.legend(loc="best")
            if name == "loss" and not _flat(train + validation):
                axes.set_ylim(bottom=0)
    return figure


def confusion(report: Report) -> Figure:
    """Returns the confusion matrix: colour is the share of the true class, numbers are pictures."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    names = [_short(row.name, 22) for row in report.classes]
    counts = np.array(report.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    side = min(18.0, max(4.5, 0.55 * len(names) + 2))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("striate", BLUES), vmin=0, vmax=1)
        axes.spines[:].set_visible(False)
        ticks = np.arange(len(names))
        size = 10 if len(names) <= 30 else max(3, 300 / len(names))
        if max(map(len, names)) <= 3 and len(names) <= 30:
            axes.set_xticks(ticks, names, fontsize=size)
        else:
            axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
        axes.set_yticks(ticks, names, fontsize=size)
        axes.tick_params(length=0)
        axes.set(xlabel="predicted", ylabel="true", title=f"Confusion matrix, {report.n:,} pictures")
        if len(names) <= 30:
            for i, j in np.argwhere(counts > 0):
                ink = "white" if shares[i, j] > 0.45 else INK
                axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", color=ink, fontsize=9)
        bar = figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")
        bar.outline.set_visible(False)
    return figure


def gallery(measured: Measured, indices: NDArray[np.intp], title: str, columns: int = 8) -> Figure:
    """Returns pictures with what was said about each, and what it really is where that differs."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    images = measured.decoded.images
    rows = max(1, math.ceil(len(indices) / columns))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(1.55 * columns, 2.05 * rows + 0.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
        panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axes in panels:
            axes.axis("off")
        if len(indices) == 0:
            panels[0].text(0, 0.5, "none", color=FAINT)
        for axes, index in zip(panels, indices, strict=False):
            show(axes, measured.decoded.pixels[index])
            said, true = (_short(images.classes[n], 17) for n in (measured.predicted[index], images.labels[index]))
            is_right = measured.predicted[index] == images.labels[index]
            text = f"{said} {percent(measured.confidence[index])}" + ("" if is_right else f"\nis {true}")
            axes.set_title(text, fontsize=8, color=RIGHT if is_right else WRONG, loc="center", fontweight="normal")
    return figure


def show(axes: Any, pixels: NDArray[np.uint8]) -> None:
    """Draws one picture (h, w, 1 or 3) uint8; small ones with visible pixels."""
    axes.imshow(
        pixels[:, :, 0] if pixels.shape[2] == 1 else pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest" if max(pixels.shape) <= 64 else "antialiased",
    )


def right_and_wrong(measured: Measured, count: int = 24) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns indices to show: right ones spread over the classes, wrong ones most confident first."""
    labels = measured.decoded.images.labels
    is_right = measured.predicted == labels
    rng = np.random.default_rng(0)
    order = rng.permutation(np.flatnonzero(is_right))
    right = in_rounds(order, labels)[:count]
    wrong = np.flatnonzero(~is_right)
    return right, wrong[np.argsort(-measured.confidence[wrong], kind="stable")][:count]


def _whole_epochs(axes: Any, numbers: list[int]) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(set(numbers)) == 1:
        axes.set_xlim(numbers[0] - 1, numbers[0] + 1)


def _flat(values: list[float]) -> bool:
    return not values or not all(map(math.isfinite, values))


def _short(name: str, length: int) -> str:
    name = printable(name)
    return name if len(name) <= length else name[: length - 1] + "…"
