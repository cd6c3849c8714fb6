"""data.html: what a data set is and what is wrong with it, as one file that needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.data.contact_sheet import build_tile_preprocessing, sample_class_images
from striate.data.image_set import SPLIT_NAMES, ImageSet
from striate.data_checks.checks import Inspection
from striate.data_checks.finding import Finding
from striate.data_checks.image_stats import ImageStats
from striate.data_checks.label_issues import LabelIssues
from striate.data_checks.near_duplicates import find_cross_class_pairs
from striate.data_checks.summary import compute_statistics
from striate.errors import ImageDecodeError, to_printable
from striate.reporting import html
from striate.reporting.style import MATPLOTLIB_STYLE, MUTED_COLOR, SERIES_COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CLASSES_SHOWN = 60  # shown with their images
IMAGES_PER_CLASS, IMAGE_SIDE = 8, 96  # images of a class; pixels
MAX_GROUPS_SHOWN, MAX_GROUP_MEMBERS, MAX_UNGROUPED_SHOWN = (
    6,
    4,
    12,
)  # evidence of a finding: sets, images of each, images without a set
MEAN_SAMPLE_SIZE, MEAN_SIDE = 200, 64  # images that a class's mean is made of; pixels
MAX_PAIRS_SHOWN = 6
MAX_LABEL_ISSUES_SHOWN = 30  # images whose labels are in doubt


@dataclass(frozen=True)
class PageImage:
    """An image on the page: its address, its key, the end of that, its class, and the split it is given to."""

    image: str
    key: str
    name: str
    label: str
    split: str


def save_data_page(
    path: Path,
    inspection: Inspection,
    findings: Sequence[Finding],
    *,
    label_issues: LabelIssues | None = None,
    command: str = "",
) -> None:
    """Writes the page; `label_issues` are shown where labels were looked at."""
    seen = inspection.stats
    images = seen.images
    place = {key: index for index, key in enumerate(images.keys.tolist())}
    counts = [(name, _count_splits(images, label)) for label, name in enumerate(images.classes)]
    largest = max((sum(by_split.values()) for _, by_split in counts), default=1)
    html.save_page(
        path,
        "striate.data_checks",
        "data.html.j2",
        name=images.name,
        total=len(images),
        classes=len(images.classes),
        verdict=summarize_findings(findings),
        cards=_build_cards(inspection, findings),
        findings=[(one, _collect_evidence(images, one, place)) for one in findings],
        splits=[split for split in ("", *SPLIT_NAMES) if (images.splits == split).any()],
        counts=counts,
        largest=max(1, largest),
        rows=[
            (
                name,
                sum(by_split.values()),
                render_mean_image(images, label),
                [
                    _encode_thumbnail(one)
                    for one in sample_class_images(images, label, IMAGES_PER_CLASS, side=IMAGE_SIDE)
                ],
            )
            for label, (name, by_split) in enumerate(counts[:MAX_CLASSES_SHOWN])
        ],
        sizes=known.describe() if (known := compute_statistics(seen)) else [],
        figures=[(title, html.encode_figure_uri(drawn), alt) for title, drawn, alt in iter_figures(seen)],
        pairs=[
            (_build_page_image(images, a), _build_page_image(images, b), likeness)
            for a, b, likeness in find_cross_class_pairs(seen, MAX_PAIRS_SHOWN)
        ],
        shortcuts=inspection.shortcuts,
        suspects=_collect_label_issues(images, label_issues, place) if label_issues else [],
        confident=label_issues.confident_count if label_issues else 0,
        command=command,
    )


def summarize_findings(findings: Sequence[Finding]) -> str:
    """Returns the state of the data in one sentence."""
    by_severity = {kind: sum(one.severity == kind for one in findings) for kind in ("error", "warning")}
    parts = [_format_count(number, kind) for kind, number in by_severity.items() if number]
    if by_severity["error"]:
        return f"Not ready to be trusted: {' and '.join(parts)}. Accuracies measured on it as it is would mislead."
    if parts:
        return f"Fit to train on once {parts[0]} {'has' if by_severity['warning'] == 1 else 'have'} been looked at."
    return "Nothing was found that would mislead a training."


def render_mean_image(images: ImageSet, label: int) -> str:
    """Returns the mean of (at most MEAN) images of a class, as the address of an image; "" where none is there."""
    some = sample_class_images(images, label, MEAN_SAMPLE_SIZE, seed=1, side=MEAN_SIDE, fit="stretch")
    return _encode_thumbnail(np.mean(some, axis=0).round().astype(np.uint8)) if some else ""


def _build_cards(inspection: Inspection, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    seen = inspection.stats
    sets = inspection.duplicates.list_groups()
    return [
        (f"{len(seen.images):,}", f"images in {len(seen.images.classes):,} classes"),
        (f"{len(seen.decode_errors):,}", "cannot be read"),
        (f"{sum(map(len, sets)) - len(sets):,}", "superfluous copies"),
        (f"{sum(one.severity != 'note' for one in findings):,}", "findings to look at"),
    ]


def _count_splits(images: ImageSet, label: int) -> dict[str, int]:
    names, numbers = np.unique(images.splits[images.labels == label], return_counts=True)
    return dict(zip(names.tolist(), numbers.tolist(), strict=True))


def _collect_evidence(images: ImageSet, finding: Finding, row_by_key: Mapping[str, int]) -> list[list[PageImage]]:
    """Returns the images behind a finding, set by set; those without a set are one."""
    if finding.kind == "label_suspect":  # they have a section of their own
        return []
    sets: Sequence[Sequence[str]] = finding.file_groups[:MAX_GROUPS_SHOWN] or [finding.files]
    most = MAX_GROUP_MEMBERS if finding.file_groups else MAX_UNGROUPED_SHOWN
    found = [[row_by_key[key] for key in one if key in row_by_key][:most] for one in sets]
    return [shown for one in found if (shown := [part for index in one if (part := _build_page_image(images, index))])]


def _collect_label_issues(
    images: ImageSet, label_issues: LabelIssues, row_by_key: Mapping[str, int]
) -> list[tuple[PageImage, str, float]]:
    """Returns the images most in doubt, what they are said to be, and by what margin."""
    rows = zip(label_issues.keys.tolist(), label_issues.predicted_labels, label_issues.margins, strict=True)
    return [
        (one, to_printable(label_issues.classes[other]), float(margin))
        for key, other, margin in list(rows)[: min(MAX_LABEL_ISSUES_SHOWN, label_issues.confident_count)]
        if (one := _build_page_image(images, row_by_key[key])) is not None
    ]


def _build_page_image(images: ImageSet, index: int) -> PageImage | None:
    try:
        pixels = build_tile_preprocessing(images, IMAGE_SIDE)(images.get_source(index))
    except ImageDecodeError:
        return None
    label = images.classes[images.labels[index]]
    key = to_printable(str(images.keys[index]))
    name = key.rpartition("/")[2]
    return PageImage(
        _encode_thumbnail(pixels),
        key,
        key if name.isdecimal() else name,
        to_printable(label),
        str(images.splits[index]),
    )


def _encode_thumbnail(pixels: NDArray[np.uint8]) -> str:
    return html.encode_image_uri(pixels, IMAGE_SIDE, "WEBP")


def _format_count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


MAX_POINTS_DRAWN = 5000  # images drawn as dots
MAX_CLASSES_COLORED = 7  # classes with a color of their own


def iter_figures(stats: ImageStats) -> Iterator[tuple[str, Figure, str]]:
    """Yields title, figure and what it shows in words."""
    rows = np.flatnonzero(stats.is_readable)
    if not len(rows):
        return
    facts, labels = stats.records[rows], stats.images.labels[rows]
    if np.ptp(facts["width"]) or np.ptp(facts["height"]):
        yield "Sizes", _draw_sizes(facts["width"], facts["height"], labels, stats.images.classes), "Widths and heights"
    gray = facts["colour"] @ np.array([0.299, 0.587, 0.114], np.float32)
    yield (
        "Brightness",
        _draw_histogram(gray, labels, stats.images.classes, "mean grayscale level"),
        "Brightness by class",
    )
    sharp = np.log10(1 + facts["sharpness"])
    yield (
        "Sharpness",
        _draw_histogram(
            sharp, labels, stats.images.classes, "log₁₀ (1 + variance of the Laplacian), at 128×128 pixels"
        ),
        "Sharpness by class",
    )


def _draw_sizes(
    width: NDArray[np.int32], height: NDArray[np.int32], labels: NDArray[np.int32], classes: tuple[str, ...]
) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    some = np.random.default_rng(0).permutation(len(width))[:MAX_POINTS_DRAWN]
    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(5, 3.8), layout="constrained")
        axes = figure.subplots()
        colors = [
            SERIES_COLORS[label % len(SERIES_COLORS)] if len(classes) <= MAX_CLASSES_COLORED else SERIES_COLORS[0]
            for label in labels[some]
        ]
        axes.scatter(width[some], height[some], s=9, alpha=0.35, c=colors, linewidths=0)
        axes.set(xlabel="width, pixels", ylabel="height, pixels")
        if max(width.max() / max(1, width.min()), height.max() / max(1, height.min())) > 20:
            axes.set(xscale="log", yscale="log")
    return figure


def _draw_histogram(
    values: NDArray[np.float32], labels: NDArray[np.int32], classes: tuple[str, ...], label: str
) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    edges = np.histogram_bin_edges(values, 40).tolist()
    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(5, 3.8), layout="constrained")
        axes = figure.subplots()
        if len(classes) <= MAX_CLASSES_COLORED:
            for number, name in enumerate(classes):
                axes.hist(
                    values[labels == number],
                    edges,
                    histtype="step",
                    linewidth=1.6,
                    color=SERIES_COLORS[number],
                    label=name,
                )
            axes.legend(loc="best", fontsize=8)
        else:
            axes.hist(values, edges, color=MUTED_COLOR)
        axes.set(xlabel=label, ylabel="images")
    return figure
