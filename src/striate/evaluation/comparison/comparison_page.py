"""compare.html: one file, no network: the verdict first, then what it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import printable
from striate.evaluation.comparison.compare import Comparison
from striate.evaluation.comparison.paired_test import Pair, points, signed
from striate.evaluation.comparison.run_summary import Group
from striate.reporting import html
from striate.reporting.html import svg
from striate.reporting.style import INK, SERIES, STYLE, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GALLERY = 21  # pictures a side
PAIRS = 6  # pairs whose pictures are shown, those with the surest difference first
TINY = 64  # pixels: smaller pictures are shown with their pixels


def wanted(found: Comparison) -> list[str]:
    """Returns the keys of the pictures that the page shows."""
    keys = (key for pair in _shown_pairs(found) for side in (pair.gained, pair.lost) for key in side[:GALLERY])
    return list(dict.fromkeys(keys))


def save_page(
    path: Path, found: Comparison, pictures: Mapping[str, NDArray[np.uint8]], *, missing: str = "", command: str = ""
) -> None:
    """Writes the page.

    Args:
        path: of the file.
        found: what to show.
        pictures: key → (h, w, 1 or 3) uint8, of those `wanted`.
        missing: why there are none, if so.
        command: the command line that repeats it.
    """
    has_epochs = any(one.epochs for one in found.contenders)
    reach = min(1.0, 1.1 * max((abs(end) for pair in found.pairs for end in pair.paired.interval), default=1.0))
    html.save_page(
        path,
        "striate.evaluation.comparison",
        "compare.html.j2",
        found=found,
        lead=lead(found),
        reach=reach,
        place=lambda difference: 50 + 50 * difference / reach,
        curves={
            name: svg(
                curves(found, name),
                f"{name.capitalize()} of all runs over their epochs, training and validation",
            )
            for name in ("accuracy", "loss")
        }
        if has_epochs
        else {},
        rows=table(found),
        signed=signed,
        unbroken=_unbroken,
        galleries=[_gallery(pair, pictures) for pair in _shown_pairs(found)],
        real_classes=[(pair, real) for pair in found.pairs if (real := [row for row in pair.classes if row.is_real])],
        missing=missing,
        command=command,
        n=len(found.contenders[0].answers),
    )


def lead(found: Comparison) -> str:
    """Returns the result in one sentence or two."""
    if not found.pairs:
        (group,) = found.groups
        return (
            f"These {len(group.contenders)} runs differ in nothing but the seed: {percent(group.accuracy, 2)} on "
            f"average, with a standard deviation of {100 * (group.deviation or 0):.2f} points."
        )
    if len(found.pairs) == 1:
        return found.pairs[0].sentence
    best = max(found.groups, key=lambda group: group.accuracy)
    own = [pair for pair in found.pairs if best.name in (pair.a, pair.b)]
    equals = [pair.b if pair.a == best.name else pair.a for pair in own if not pair.is_real]
    if not equals:
        return f"{best.name} is the best: better than each of the {len(found.groups) - 1} others, beyond chance."
    if len(equals) == len(found.groups) - 1:
        share = percent(best.accuracy, 2)
        return f"{best.name} has the highest accuracy, {share}, yet none of the others is surely worse."
    return (
        f"{best.name} has the highest accuracy, {percent(best.accuracy, 2)}; it cannot be told apart from "
        f"{' and '.join(equals[:4])}{' and others' if len(equals) > 4 else ''}, and is better than the rest."
    )


def table(found: Comparison) -> dict[str, list[str]]:
    """Returns row's title → one cell a group: accuracy and what it costs. Figures that no group knows are left out."""
    groups = found.groups
    rows: dict[str, list[str]] = {"test accuracy": [percent(group.accuracy, 2) for group in groups]}
    if any(len(group.contenders) > 1 for group in groups):
        rows["± over seeds"] = [_spread(group) for group in groups]
        rows["seeds"] = [str(len(group.contenders)) for group in groups]
    if any(len(group.contenders) == 1 for group in groups):
        rows["95 % interval"] = [_interval(group) for group in groups]
    rows["test pictures"] = [f"{group.contenders[0].report.n:,}" for group in groups]
    rows["loss"] = [_mean(group, lambda one: one.report.loss, "{:.4f}") for group in groups]
    rows["training − validation"] = [_mean(group, lambda one: one.gap, points) for group in groups]
    rows["epochs"] = [_mean(group, lambda one: len(one.epochs), "{:.3g}") for group in groups]
    rows["weights"] = [f"{group.contenders[0].parameters:,}" for group in groups]
    adds = [group.mean("multiply_adds") for group in groups]
    if any(adds):
        rows["multiply-adds"] = ["not known" if value is None else f"{value:,.0f}" for value in adds]
    rows["training time"] = [_mean(group, lambda one: one.seconds, "{:,.0f} s") for group in groups]
    times = [group.mean("milliseconds") for group in groups]
    if any(times):
        rows["one answer"] = ["not known" if value is None else f"{value:.3g} ms" for value in times]
    return rows


def _unbroken(text: str) -> str:
    """Returns a sentence in which no line break divides a figure from its unit."""
    return html.unbroken(printable(text)).replace(" points", "\N{NO-BREAK SPACE}points")


def _mean(group: Group, figure: Any, form: Any) -> str:
    value = float(np.mean([figure(one) for one in group.contenders]))
    if np.isnan(value):
        return "not known"
    return str(form(value)) if callable(form) else str(form.format(value))


def _spread(group: Group) -> str:
    return "one seed" if group.deviation is None else f"{100 * group.deviation:.2f} points"


def _interval(group: Group) -> str:
    if len(group.contenders) > 1:
        return ""
    low, high = group.contenders[0].report.interval
    return f"{percent(low).removesuffix(' %')} … {percent(high)}"


def _shown_pairs(found: Comparison) -> list[Pair]:
    return sorted(found.pairs, key=lambda pair: pair.p_adjusted)[:PAIRS]


def _gallery(pair: Pair, pictures: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
    sides = ((pair.a, pair.b, pair.lost), (pair.b, pair.a, pair.gained))
    return {
        "pair": pair,
        "sides": [
            {
                "title": f"{winner} gets right and {loser} does not",
                "count": len(keys),
                "pictures": [_shown(pair, key, pictures.get(key)) for key in keys[:GALLERY]],
                "seeds": pair.is_seeded,
            }
            for winner, loser, keys in sides
        ],
    }


def _shown(pair: Pair, key: str, pixels: NDArray[np.uint8] | None) -> dict[str, Any]:
    said = [
        (
            printable(group.name),
            printable(answer.predicted),
            float(np.mean([one.answers[key].confidence for one in _agreeing(group, key, answer.predicted)])),
            answer.predicted == answer.label,
        )
        for group in (pair.one, pair.two)
        for answer in (group.contenders[0].answers[key],)
    ]
    return {
        "key": printable(key),
        "true": printable(pair.one.contenders[0].answers[key].label),
        "said": said,
        "image": None if pixels is None else html.picture(pixels, form="WEBP" if max(pixels.shape) > TINY else "PNG"),
        "tiny": pixels is not None and max(pixels.shape) <= TINY,
    }


def _agreeing(group: Group, key: str, predicted: str) -> list[Any]:
    return [one for one in group.contenders if one.answers[key].predicted == predicted]


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
