"""Figures of several models on the same test images: accuracy against cost, and accuracy beside loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.errors import to_printable
from striate.reporting.style import MATPLOTLIB_STYLE, MUTED_COLOR, TEXT_COLOR, VALIDATION_COLOR

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox


@dataclass(frozen=True)
class Point:
    """One model.

    Attributes:
        name: its name.
        year: when it was proposed.
        accuracy: on the test images, 0..1.
        bar: how far to trust it: lower and upper end.
        loss: mean cross-entropy on the test images, nats.
        seconds: its training took.
        multiply_adds: for one image.
    """

    name: str
    year: int
    accuracy: float
    bar: tuple[float, float]
    loss: float
    seconds: float
    multiply_adds: int


def ladder(points: Sequence[Point], *, title: str, note: str) -> Figure:
    """Returns accuracy against training time and against multiply-adds, the models joined in the order given."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(11, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(to_printable(title), x=0.01, ha="left", fontweight="bold", fontsize=13)
        figure.supxlabel(
            note if points else "No model has been trained.", x=0.01, ha="left", fontsize=9, color=MUTED_COLOR
        )
        panels = figure.subplots(1, 2, sharey=True)
        panels[0].set(xlabel="training, seconds", ylabel="accuracy")
        panels[1].set(xlabel="multiply-adds per image")
        if not points:
            return figure
        for axes, costs in zip(
            panels, ([p.seconds for p in points], [float(p.multiply_adds) for p in points]), strict=True
        ):
            heights = [point.accuracy for point in points]
            axes.set_xscale("log")
            _widen(axes, costs)
            axes.plot(costs, heights, color=MUTED_COLOR, linewidth=1, alpha=0.5, zorder=1)
            below = [point.accuracy - point.bar[0] for point in points]
            above = [point.bar[1] - point.accuracy for point in points]
            axes.errorbar(
                costs,
                heights,
                yerr=[below, above],
                fmt="o",
                color=VALIDATION_COLOR,
                ecolor="#7FB8D8",
                capsize=3,
                zorder=2,
            )
        low, high = min(p.bar[0] for p in points), max(p.bar[1] for p in points)
        room = max(0.12 * (high - low), 0.002)
        panels[0].set_ylim(max(0.0, low - room), min(1.0, high + room) if high < 1 else 1 + room)
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
        figure.draw_without_rendering()  # lays the panels out, so that labels can be placed by what they cover
        figure.set_layout_engine("none")
        for axes, costs in zip(
            panels, ([p.seconds for p in points], [float(p.multiply_adds) for p in points]), strict=True
        ):
            _label(axes, points, costs)
    return figure


def accuracy_and_loss(points: Sequence[Point], *, title: str, note: str) -> Figure:
    """Returns test accuracy, with its bar, beside test loss, one row per model, in the order given from above."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with mpl.rc_context({**MATPLOTLIB_STYLE, "axes.grid.axis": "x"}):
        figure = Figure(figsize=(10, 1.8 + 0.45 * len(points)), layout="constrained")
        figure.suptitle(to_printable(title), x=0.01, ha="left", fontweight="bold", fontsize=13)
        figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=MUTED_COLOR)
        left, right = figure.subplots(1, 2, sharey=True)
        rows = range(len(points))
        heights = [point.accuracy for point in points]
        below = [point.accuracy - point.bar[0] for point in points]
        above = [point.bar[1] - point.accuracy for point in points]
        left.errorbar(heights, rows, xerr=[below, above], fmt="o", color=VALIDATION_COLOR, ecolor="#7FB8D8", capsize=3)
        left.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(5))
        right.barh(rows, [point.loss for point in points], height=0.5, color=VALIDATION_COLOR)
        for row, point in zip(rows, points, strict=True):
            left.annotate(f"{100 * point.accuracy:.2f}", (point.accuracy, row), (0, 7), **_OFFSET, ha="center")
            right.annotate(f"{point.loss:.4f}", (point.loss, row), (4, 0), **_OFFSET, va="center")
        left.set_yticks(rows, [f"{to_printable(point.name)}, {point.year}" for point in points])
        left.set_ylim(len(points) - 0.5, -0.6)
        left.set_title("Accuracy")
        right.set_title("Loss")
        right.margins(x=0.15)
        right.tick_params(left=False)
        left.margins(x=0.1)
    return figure


_OFFSET: Any = {"textcoords": "offset points", "fontsize": 9, "color": TEXT_COLOR}


def _widen(axes: Any, costs: Sequence[float]) -> None:
    """Gives a log axis room for labels on both sides, and ticks that say 20, 500 k or 3 G."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = max(min(costs), 1e-9), max(*costs, 1e-9)
    room = max((high / low) ** 0.14, 1.6)
    axes.set_xlim(low / room, high * room)
    decades = (high * room) / (low / room)
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1.0,) if decades > 300 else (1.0, 3.0) if decades > 30 else (1, 2, 5))
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: scaled(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def scaled(number: float) -> str:
    """Returns a number in three digits, with k, M or G from 10,000 on: 41 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k") if number >= 9995 else (float("inf"), "")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g}{letter}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _label(axes: Any, points: Sequence[Point], costs: Sequence[float]) -> None:
    """Writes each model's name and year where it covers nothing: neither dots and bars nor what is written yet."""
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()
    pixel = axes.figure.dpi / 72
    halo = [withStroke(linewidth=2.5, foreground="white")]
    taken: list[Bbox] = []
    for point, cost in zip(points, costs, strict=True):
        (x, y), (_, low), (_, high) = axes.transData.transform(
            [(cost, point.accuracy), (cost, point.bar[0]), (cost, point.bar[1])]
        )
        taken.append(Bbox.from_extents(x - 4 * pixel, min(low, y - 4 * pixel), x + 4 * pixel, max(high, y + 4 * pixel)))
    for point, cost in zip(points, costs, strict=True):
        text = axes.annotate(
            f"{to_printable(point.name)} {point.year}",
            (cost, point.accuracy),
            (0, 0),
            **_OFFSET,
            zorder=3,
            path_effects=halo,
        )
        place, best = (7.0, 7.0, "left"), float("inf")
        for right, up, side in _places():
            text.set(position=(right, up), ha=side, va="center")
            box = text.get_window_extent(renderer)
            covered = _covered(box, taken) + _outside(box, axes.get_window_extent(renderer))
            if covered < best:
                place, best = (right, up, side), covered
            if covered == 0:
                break
        text.set(position=place[:2], ha=place[2])
        if abs(place[1]) > 14:  # far enough from its dot to need a line to it
            axes.annotate(
                "",
                (cost, point.accuracy),
                place[:2],
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": MUTED_COLOR, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 5},
            )
        taken.append(text.get_window_extent(renderer).padded(pixel))


def _places() -> Iterator[tuple[float, float, str]]:
    """Yields offsets in points, (right, up, which end of the text lies there), the nearest first."""
    for distance in range(0, 120, 6):
        for up in (distance, -distance) if distance else (0,):
            yield 7, up, "left"
            yield -7, up, "right"


def _covered(box: Bbox, taken: Iterable[Bbox]) -> float:
    from matplotlib.transforms import Bbox

    shared = (Bbox.intersection(box, other) for other in taken)
    return sum(one.width * one.height for one in shared if one is not None)


def _outside(box: Bbox, panel: Bbox) -> float:
    from matplotlib.transforms import Bbox

    inside = Bbox.intersection(box, panel)
    return box.width * box.height - (inside.width * inside.height if inside is not None else 0.0)
