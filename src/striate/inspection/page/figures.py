"""The page's figures: sizes, brightness and sharpness of the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.drawing import FAINT, SERIES, STYLE
from striate.inspection.survey import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST = 5000  # pictures drawn as dots
NAMED = 7  # classes with a colour of their own


def all_figures(seen: Survey) -> Iterator[tuple[str, Figure, str]]:
    """Yields title, figure and what it shows in words."""
    rows = np.flatnonzero(seen.is_readable)
    if not len(rows):
        return
    facts, labels = seen.facts[rows], seen.images.labels[rows]
    if np.ptp(facts["width"]) or np.ptp(facts["height"]):
        yield "Sizes", _sizes(facts["width"], facts["height"], labels, seen.images.classes), "Widths and heights"
    grey = facts["colour"] @ np.array([0.299, 0.587, 0.114], np.float32)
    yield "Brightness", _histogram(grey, labels, seen.images.classes, "mean grey level"), "Brightness by class"
    sharp = np.log10(1 + facts["sharpness"])
    yield (
        "Sharpness",
        _histogram(sharp, labels, seen.images.classes, "log₁₀ (1 + variance of the Laplacian), at 128×128 pixels"),
        "Sharpness by class",
    )


def _sizes(
    width: NDArray[np.int32], height: NDArray[np.int32], labels: NDArray[np.int32], classes: tuple[str, ...]
) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    some = np.random.default_rng(0).permutation(len(width))[:MOST]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 3.8), layout="constrained")
        axes = figure.subplots()
        colours = [SERIES[label % len(SERIES)] if len(classes) <= NAMED else SERIES[0] for label in labels[some]]
        axes.scatter(width[some], height[some], s=9, alpha=0.35, c=colours, linewidths=0)
        axes.set(xlabel="width, pixels", ylabel="height, pixels")
        if max(width.max() / max(1, width.min()), height.max() / max(1, height.min())) > 20:
            axes.set(xscale="log", yscale="log")
    return figure


def _histogram(values: NDArray[np.float32], labels: NDArray[np.int32], classes: tuple[str, ...], label: str) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    edges = np.histogram_bin_edges(values, 40).tolist()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 3.8), layout="constrained")
        axes = figure.subplots()
        if len(classes) <= NAMED:
            for number, name in enumerate(classes):
                axes.hist(
                    values[labels == number], edges, histtype="step", linewidth=1.6, color=SERIES[number], label=name
                )
            axes.legend(loc="best", fontsize=8)
        else:
            axes.hist(values, edges, color=FAINT)
        axes.set(xlabel=label, ylabel="pictures")
    return figure
