"""data.html: what a data set is and what is wrong with it, as one file that needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.data.contact_sheet import samples, tile
from striate.data.image_set import SPLITS, ImageSet
from striate.data_checks.checks import Inspection
from striate.data_checks.finding import Finding
from striate.data_checks.image_stats import Survey
from striate.data_checks.label_issues import Suspects
from striate.data_checks.near_duplicates import nearest_across
from striate.data_checks.summary import statistics
from striate.errors import PictureError, printable
from striate.reporting import html
from striate.reporting.style import FAINT, SERIES, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = 60  # shown with their pictures
ROW, SIDE = 8, 96  # pictures of a class; pixels
GROUPS, MEMBERS, LOOSE = 6, 4, 12  # evidence of a finding: sets, pictures of each, pictures without a set
MEAN, MEAN_SIDE = 200, 64  # pictures that a class's mean is made of; pixels
PAIRS = 6
DOUBTED = 30  # pictures whose labels are in doubt


@dataclass(frozen=True)
class Shown:
    """A picture on the page: its address, its key, the end of that, its class, and the split it is given to."""

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
    suspects: Suspects | None = None,
    command: str = "",
) -> None:
    """Writes the page; `suspects` are shown where labels were looked at."""
    seen = inspection.survey
    images = seen.images
    place = {key: index for index, key in enumerate(images.keys.tolist())}
    counts = [(name, _splits(images, label)) for label, name in enumerate(images.classes)]
    largest = max((sum(by_split.values()) for _, by_split in counts), default=1)
    html.save_page(
        path,
        "striate.data_checks",
        "data.html.j2",
        name=images.name,
        total=len(images),
        classes=len(images.classes),
        verdict=verdict(findings),
        cards=_cards(inspection, findings),
        findings=[(one, _evidence(images, one, place)) for one in findings],
        splits=[split for split in ("", *SPLITS) if (images.given == split).any()],
        counts=counts,
        largest=max(1, largest),
        rows=[
            (
                name,
                sum(by_split.values()),
                mean_picture(images, label),
                [_thumb(one) for one in samples(images, label, ROW, side=SIDE)],
            )
            for label, (name, by_split) in enumerate(counts[:CLASSES])
        ],
        sizes=known.words() if (known := statistics(seen)) else [],
        figures=[(title, html.figure(drawn), alt) for title, drawn, alt in all_figures(seen)],
        pairs=[(_shown(images, a), _shown(images, b), likeness) for a, b, likeness in nearest_across(seen, PAIRS)],
        shortcuts=inspection.shortcuts,
        suspects=_doubted(images, suspects, place) if suspects else [],
        confident=suspects.confident if suspects else 0,
        command=command,
    )


def verdict(findings: Sequence[Finding]) -> str:
    """Returns the state of the data in one sentence."""
    by_severity = {kind: sum(one.severity == kind for one in findings) for kind in ("error", "warning")}
    parts = [_plural(number, kind) for kind, number in by_severity.items() if number]
    if by_severity["error"]:
        return f"Not ready to be trusted: {' and '.join(parts)}. Accuracies measured on it as it is would mislead."
    if parts:
        return f"Fit to train on once {parts[0]} {'has' if by_severity['warning'] == 1 else 'have'} been looked at."
    return "Nothing was found that would mislead a training."


def mean_picture(images: ImageSet, label: int) -> str:
    """Returns the mean of (at most MEAN) pictures of a class, as the address of a picture; "" where none is there."""
    some = samples(images, label, MEAN, seed=1, side=MEAN_SIDE, fit="stretch")
    return _thumb(np.mean(some, axis=0).round().astype(np.uint8)) if some else ""


def _cards(inspection: Inspection, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    seen = inspection.survey
    sets = inspection.copies.sets()
    return [
        (f"{len(seen.images):,}", f"pictures in {len(seen.images.classes):,} classes"),
        (f"{len(seen.broken):,}", "cannot be read"),
        (f"{sum(map(len, sets)) - len(sets):,}", "superfluous copies"),
        (f"{sum(one.severity != 'note' for one in findings):,}", "findings to look at"),
    ]


def _splits(images: ImageSet, label: int) -> dict[str, int]:
    names, numbers = np.unique(images.given[images.labels == label], return_counts=True)
    return dict(zip(names.tolist(), numbers.tolist(), strict=True))


def _evidence(images: ImageSet, finding: Finding, place: Mapping[str, int]) -> list[list[Shown]]:
    """Returns the pictures behind a finding, set by set; those without a set are one."""
    if finding.kind == "label_suspect":  # they have a section of their own
        return []
    sets: Sequence[Sequence[str]] = finding.members[:GROUPS] or [finding.files]
    most = MEMBERS if finding.members else LOOSE
    found = [[place[key] for key in one if key in place][:most] for one in sets]
    return [shown for one in found if (shown := [part for index in one if (part := _shown(images, index))])]


def _doubted(images: ImageSet, suspects: Suspects, place: Mapping[str, int]) -> list[tuple[Shown, str, float]]:
    """Returns the pictures most in doubt, what they are said to be, and by what margin."""
    rows = zip(suspects.keys.tolist(), suspects.suggested, suspects.margin, strict=True)
    return [
        (one, printable(suspects.classes[other]), float(margin))
        for key, other, margin in list(rows)[: min(DOUBTED, suspects.confident)]
        if (one := _shown(images, place[key])) is not None
    ]


def _shown(images: ImageSet, index: int) -> Shown | None:
    try:
        pixels = tile(images, SIDE)(images.source(index))
    except PictureError:
        return None
    label = images.classes[images.labels[index]]
    key = printable(str(images.keys[index]))
    name = key.rpartition("/")[2]
    return Shown(_thumb(pixels), key, key if name.isdecimal() else name, printable(label), str(images.given[index]))


def _thumb(pixels: NDArray[np.uint8]) -> str:
    return html.picture(pixels, SIDE, "WEBP")


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


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
