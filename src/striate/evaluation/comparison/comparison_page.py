"""compare.html: one file, no network: the verdict first, then what it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import to_printable
from striate.evaluation.comparison.compare import Comparison
from striate.evaluation.comparison.paired_test import PairwiseResult, format_points, format_signed
from striate.evaluation.comparison.run_summary import RunGroup
from striate.reporting import html
from striate.reporting.html import render_inline_svg
from striate.reporting.style import MATPLOTLIB_STYLE, SERIES_COLORS, TEXT_COLOR, format_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_IMAGES_PER_SIDE = 21  # images a side
MAX_PAIRS_SHOWN = 6  # pairs whose images are shown, those with the surest difference first
MAX_PIXELATED_SIDE = 64  # pixels: smaller images are shown with their pixels


def list_image_keys(comparison: Comparison) -> list[str]:
    """Returns the keys of the images that the page shows."""
    keys = (
        key
        for pair in _select_pairs(comparison)
        for side in (pair.only_second_keys, pair.only_first_keys)
        for key in side[:MAX_IMAGES_PER_SIDE]
    )
    return list(dict.fromkeys(keys))


def save_comparison_html(
    path: Path,
    comparison: Comparison,
    images: Mapping[str, NDArray[np.uint8]],
    *,
    missing_reason: str = "",
    command: str = "",
) -> None:
    """Writes the page.

    Args:
        path: of the file.
        comparison: what to show.
        images: key → (h, w, 1 or 3) uint8, of those `wanted`.
        missing_reason: why there are none, if so.
        command: the command line that repeats it.
    """
    has_epochs = any(one.epochs for one in comparison.runs)
    reach = min(
        1.0, 1.1 * max((abs(end) for pair in comparison.pairs for end in pair.paired_difference.interval), default=1.0)
    )
    html.save_page(
        path,
        "striate.evaluation.comparison",
        "compare.html.j2",
        comparison=comparison,
        lead=format_lead(comparison),
        reach=reach,
        place=lambda difference: 50 + 50 * difference / reach,
        curves={
            name: render_inline_svg(
                draw_metric_curves(comparison, name),
                f"{name.capitalize()} of all runs over their epochs, training and validation",
            )
            for name in ("accuracy", "loss")
        }
        if has_epochs
        else {},
        rows=build_comparison_table(comparison),
        signed=format_signed,
        unbroken=_format_unbroken,
        galleries=[_build_gallery(pair, images) for pair in _select_pairs(comparison)],
        real_classes=[
            (pair, real) for pair in comparison.pairs if (real := [row for row in pair.classes if row.is_significant])
        ],
        missing=missing_reason,
        command=command,
        n=len(comparison.runs[0].predictions),
    )


def format_lead(comparison: Comparison) -> str:
    """Returns the result in one sentence or two."""
    if not comparison.pairs:
        (group,) = comparison.groups
        return (
            f"These {len(group.runs)} runs differ only in the seed: {format_percent(group.accuracy, 2)} on average, "
            "with"
            f" a standard deviation of {100 * (group.std or 0):.2f} points."
        )
    if len(comparison.pairs) == 1:
        return comparison.pairs[0].sentence
    best = max(comparison.groups, key=lambda group: group.accuracy)
    own = [pair for pair in comparison.pairs if best.name in (pair.first_name, pair.second_name)]
    equals = [
        pair.second_name if pair.first_name == best.name else pair.first_name for pair in own if not pair.is_significant
    ]
    if not equals:
        return f"{best.name} is the best: significantly better than each of the {len(comparison.groups) - 1} others."
    if len(equals) == len(comparison.groups) - 1:
        fraction = format_percent(best.accuracy, 2)
        return f"{best.name} has the highest accuracy, {fraction}, but no difference from the others is significant."
    others = f"{' and '.join(equals[:4])}{' and others' if len(equals) > 4 else ''}"
    return (
        f"{best.name} has the highest accuracy, {format_percent(best.accuracy, 2)}. Its difference from {others} is "
        "not "
        "significant; it is better than the rest."
    )


def build_comparison_table(comparison: Comparison) -> dict[str, list[str]]:
    """Returns row's title → one cell a group: accuracy and what it costs. Figures that no group knows are left out."""
    groups = comparison.groups
    rows: dict[str, list[str]] = {"test accuracy": [format_percent(group.accuracy, 2) for group in groups]}
    if any(len(group.runs) > 1 for group in groups):
        rows["± over seeds"] = [_format_std(group) for group in groups]
        rows["seeds"] = [str(len(group.runs)) for group in groups]
    if any(len(group.runs) == 1 for group in groups):
        rows["95 % interval"] = [_format_interval(group) for group in groups]
    rows["test images"] = [f"{group.runs[0].report.n:,}" for group in groups]
    rows["loss"] = [_format_mean(group, lambda one: one.report.loss, "{:.4f}") for group in groups]
    rows["generalization gap"] = [
        _format_mean(group, lambda one: one.generalization_gap, format_points) for group in groups
    ]
    rows["epochs"] = [_format_mean(group, lambda one: len(one.epochs), "{:.3g}") for group in groups]
    rows["parameters"] = [f"{group.runs[0].parameters:,}" for group in groups]
    adds = [group.compute_mean("multiply_adds") for group in groups]
    if any(adds):
        rows["multiply-adds"] = ["not known" if value is None else f"{value:,.0f}" for value in adds]
    rows["training time"] = [_format_mean(group, lambda one: one.training_seconds, "{:,.0f} s") for group in groups]
    times = [group.compute_mean("ms_per_image") for group in groups]
    if any(times):
        rows["one prediction"] = ["not known" if value is None else f"{value:.3g} ms" for value in times]
    return rows


def _format_unbroken(text: str) -> str:
    """Returns a sentence in which no line break divides a figure from its unit."""
    return html.insert_nonbreaking_spaces(to_printable(text)).replace(" points", "\N{NO-BREAK SPACE}points")


def _format_mean(group: RunGroup, get_value: Any, number_format: Any) -> str:
    value = float(np.mean([get_value(one) for one in group.runs]))
    if np.isnan(value):
        return "not known"
    return str(number_format(value)) if callable(number_format) else str(number_format.format(value))


def _format_std(group: RunGroup) -> str:
    return "one seed" if group.std is None else f"{100 * group.std:.2f} points"


def _format_interval(group: RunGroup) -> str:
    if len(group.runs) > 1:
        return ""
    low, high = group.runs[0].report.interval
    return f"{format_percent(low).removesuffix(' %')} … {format_percent(high)}"


def _select_pairs(comparison: Comparison) -> list[PairwiseResult]:
    return sorted(comparison.pairs, key=lambda pair: pair.adjusted_p_value)[:MAX_PAIRS_SHOWN]


def _build_gallery(pair: PairwiseResult, images: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
    sides = (
        (pair.first_name, pair.only_first_keys),
        (pair.second_name, pair.only_second_keys),
    )
    return {
        "pair": pair,
        "sides": [
            {
                "title": f"Correct in {winner} only",
                "count": len(keys),
                "images": [_build_gallery_item(pair, key, images.get(key)) for key in keys[:MAX_IMAGES_PER_SIDE]],
                "seeds": pair.has_several_seeds,
            }
            for winner, keys in sides
        ],
    }


def _build_gallery_item(pair: PairwiseResult, key: str, pixels: NDArray[np.uint8] | None) -> dict[str, Any]:
    predictions = [
        (
            to_printable(group.name),
            to_printable(prediction.predicted_class),
            float(
                np.mean(
                    [
                        one.predictions[key].confidence
                        for one in _list_agreeing_runs(group, key, prediction.predicted_class)
                    ]
                )
            ),
            prediction.predicted_class == prediction.true_class,
        )
        for group in (pair.first_group, pair.second_group)
        for prediction in (group.runs[0].predictions[key],)
    ]
    return {
        "key": to_printable(key),
        "true": to_printable(pair.first_group.runs[0].predictions[key].true_class),
        "predictions": predictions,
        "image": None
        if pixels is None
        else html.encode_image_uri(pixels, image_format="WEBP" if max(pixels.shape) > MAX_PIXELATED_SIDE else "PNG"),
        "tiny": pixels is not None and max(pixels.shape) <= MAX_PIXELATED_SIDE,
    }


def _list_agreeing_runs(group: RunGroup, key: str, predicted_class: str) -> list[Any]:
    return [one for one in group.runs if one.predictions[key].predicted_class == predicted_class]


def draw_metric_curves(comparison: Comparison, metric_name: str) -> Figure:
    """Returns accuracy or loss of every run over its epochs: one color a group, validation solid, training dashed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(5.4, 4.1), layout="constrained")
        _draw_curves(figure.subplots(), comparison.groups, metric_name, has_legend=metric_name == "accuracy")
    return figure


def draw_comparison_curves(comparison: Comparison) -> Figure:
    """Returns accuracy and loss side by side."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(10.4, 4.3), layout="constrained")
        for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
            _draw_curves(axes, comparison.groups, name, has_legend=name == "accuracy")
    return figure


def _draw_curves(axes: Any, groups: Sequence[RunGroup], metric_name: str, *, has_legend: bool) -> None:
    handles, labels = [], []
    numbers: list[int] = []
    for index, group in enumerate(groups):
        color = SERIES_COLORS[index % len(SERIES_COLORS)]
        several = len(group.runs) > 1
        for place, one in enumerate(group.runs):
            epochs = [row.epoch for row in one.epochs]
            numbers += epochs
            thin: dict[str, Any] = {"color": color, "alpha": 0.75 if several else 1}
            dot = "o" if len(epochs) == 1 else None
            width = 1.2 if several else 1.8
            (line,) = axes.plot(
                epochs, [getattr(row, f"val_{metric_name}") for row in one.epochs], linewidth=width, marker=dot, **thin
            )
            axes.plot(
                epochs,
                [getattr(row, metric_name) for row in one.epochs],
                linewidth=1,
                linestyle=(0, (4, 2)),
                marker=dot,
                **thin,
            )
            if not place:
                handles.append(line)
                labels.append(to_printable(group.name) + (f" ({len(group.runs)} seeds)" if several else ""))
    axes.set(title=metric_name.capitalize(), xlabel="epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(set(numbers)) == 1:
        axes.set_xlim(numbers[0] - 1, numbers[0] + 1)
    if has_legend:  # handed over, since matplotlib hides labels that begin with "_"
        handles += axes.plot([], [], color=TEXT_COLOR) + axes.plot(
            [], [], color=TEXT_COLOR, linewidth=1, linestyle=(0, (4, 2))
        )
        axes.legend(handles, [*labels, "validation", "training"], loc="best", fontsize=9)
