"""report.html: one file, no network, made from a report's numbers and the pictures behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from striate import drawing
from striate.errors import printable
from striate.evaluation import plots
from striate.evaluation.measure import Measured
from striate.evaluation.report import Report
from striate.history import History
from striate.inspection.finding import Finding
from striate.pages import render as pages

TABLE_CLASSES = 20  # up to here the confusion matrix is a table of numbers, above it a picture
GALLERY = 24  # pictures of each kind


@dataclass(frozen=True)
class Facts:
    """What the page says about the run beside its figures.

    Attributes:
        name: the run's name.
        network: title and name of the architecture.
        parameters: weights in the network.
        seconds: training time.
        state: finished or interrupted.
        findings: what was remarkable about the data.
        settings: the recipe, flat.
        versions: package → version.
        machine: the computer.
        command: how to repeat the run; "" when it was made from Python.
        validation: the report on the pictures that chose the epoch; None when measured on other data.
    """

    name: str
    network: str
    parameters: int
    seconds: float
    state: str
    findings: tuple[Finding, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    command: str
    validation: Report | None


def save_page(path: Path, facts: Facts, history: History | None, measured: Measured) -> None:
    """Writes the page; `history` is None when a classifier was measured without its training."""
    report = measured.report
    right, wrong = plots.right_and_wrong(measured, GALLERY)
    pages.save_page(
        path,
        "striate.evaluation",
        "report.html.j2",
        facts=facts,
        report=report,
        verdict=verdict(report),
        digits=_digits(report.n),
        pairs=confused_pairs(report),
        curves={name: pages.figure(plots.curves(history, [name])) for name in ("accuracy", "loss")}
        if history and history.epochs
        else None,
        history=history,
        augmented=any(
            value for name, value in facts.settings.items() if name.startswith("augment.") and name != "augment.border"
        ),
        heat=partial(_heat, report),
        matrix=pages.figure(plots.confusion(report)) if len(report.classes) > TABLE_CLASSES else None,
        right=[_shown(measured, int(index)) for index in right],
        wrong=[_shown(measured, int(index)) for index in wrong],
    )


def _digits(n: int) -> int:
    """Returns how many decimals of a percentage n pictures can carry."""
    return 2 if n >= 5000 else 1


def verdict(report: Report) -> str:
    """Returns the result in one sentence."""
    low, high = report.interval
    share = drawing.percent(report.accuracy, _digits(report.n))
    return (
        f"Answers {share} of the {report.n:,} {report.split} pictures rightly; "
        f"on pictures like these, expect between {drawing.percent(low)} and {drawing.percent(high)}."
        + (" That is no better than always giving the commonest answer." if low <= report.baseline else "")
    ).replace(" %", "\N{NO-BREAK SPACE}%")


def confused_pairs(report: Report, count: int = 5) -> list[tuple[str, str, int, float]]:
    """Returns the commonest confusions: true class, predicted class, pictures, share of the true class."""
    counts = np.array(report.confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:count]
    names = [row.name for row in report.classes]
    cells = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True)]
    return [
        (names[i], names[j], int(counts[i, j]), counts[i, j] / report.classes[i].support)
        for i, j in cells
        if counts[i, j]
    ]


def _heat(report: Report, i: int, j: int) -> str:
    """Returns the style of a confusion cell: blue for right, red for wrong, by share of the true class."""
    share = report.confusion[i][j] / max(1, report.classes[i].support)
    red, green, blue = (0, 114, 178) if i == j else (192, 50, 33)
    strength = math.sqrt(share) if i != j else share
    ink = "#fff" if strength > 0.55 else "inherit"
    return f"background:rgba({red},{green},{blue},{strength:.3f});color:{ink}"


def _shown(measured: Measured, index: int) -> dict[str, Any]:
    images = measured.decoded.images
    return {
        "key": printable(str(images.keys[index])),
        "said": printable(images.classes[measured.predicted[index]]),
        "true": printable(images.classes[images.labels[index]]),
        "confidence": float(measured.confidence[index]),
        "image": pages.picture(measured.decoded.pixels[index]),
    }
