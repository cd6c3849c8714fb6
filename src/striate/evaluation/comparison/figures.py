"""A comparison's figures: the curves of all runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from striate.drawing import INK, SERIES, STYLE
from striate.errors import printable
from striate.evaluation.comparison.compare import Comparison
from striate.evaluation.comparison.contender import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(found: Comparison, name: str) -> Figure:
    """Returns accuracy or loss of every run over its epochs: one colour a group, validation solid, training dashed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.1), layout="constrained")
        _draw_curves(figure.subplots(), found.groups, name, with_legend=name == "accuracy")
    return figure


def both_curves(found: Comparison) -> Figure:
    """Returns accuracy and loss side by side."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 4.3), layout="constrained")
        for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
            _draw_curves(axes, found.groups, name, with_legend=name == "accuracy")
    return figure


def _draw_curves(axes: Any, groups: Sequence[Group], name: str, *, with_legend: bool) -> None:
    handles, labels = [], []
    numbers: list[int] = []
    for index, group in enumerate(groups):
        colour = SERIES[index % len(SERIES)]
        several = len(group.contenders) > 1
        for place, one in enumerate(group.contenders):
            epochs = [row.epoch for row in one.epochs]
            numbers += epochs
            thin: dict[str, Any] = {"color": colour, "alpha": 0.75 if several else 1}
            dot = "o" if len(epochs) == 1 else None
            width = 1.2 if several else 1.8
            (line,) = axes.plot(
                epochs, [getattr(row, f"val_{name}") for row in one.epochs], linewidth=width, marker=dot, **thin
            )
            axes.plot(
                epochs,
                [getattr(row, name) for row in one.epochs],
                linewidth=1,
                linestyle=(0, (4, 2)),
                marker=dot,
                **thin,
            )
            if not place:
                handles.append(line)
                labels.append(printable(group.name) + (f" ({len(group.contenders)} seeds)" if several else ""))
    axes.set(title=name.capitalize(), xlabel="epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(set(numbers)) == 1:
        axes.set_xlim(numbers[0] - 1, numbers[0] + 1)
    if with_legend:  # handed over, since matplotlib hides labels that begin with "_"
        handles += axes.plot([], [], color=INK) + axes.plot([], [], color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axes.legend(handles, [*labels, "validation", "training"], loc="best", fontsize=9)
