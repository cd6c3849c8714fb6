"""report.html and report.md: made from a report's numbers and the pictures behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from striate.errors import printable
from striate.evaluation import plots
from striate.evaluation.measure import Measured
from striate.evaluation.metrics import Figure
from striate.evaluation.openings import Opening, said_of
from striate.evaluation.page import cells, charts, words
from striate.evaluation.page.heat import heat
from striate.evaluation.refusal import Refusal
from striate.evaluation.report import Report
from striate.history import History
from striate.inspection.finding import Finding
from striate.pages import render as pages

TABLE_CLASSES = 25  # up to here the confusion matrix is a table of numbers, above it a picture
GALLERY = 24  # pictures of each kind
PAIRS = 12  # confusions in the list


class Advice(NamedTuple):
    """What is wrong with the training, what shows it, and one command to try."""

    severity: str
    verdict: str
    evidence: str
    command: str


@dataclass(frozen=True)
class Facts:
    """What the report says about the run beside its figures.

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
        opened: when the test pictures were looked at; none when measured on other data.
        temperature: that the logits are divided by.
        refused: what its threshold does, where it has one.
        advice: what is wrong with the training, the most important first.
        inside: the page that shows its network from within, beside the report; "" if there is none.
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
    opened: tuple[Opening, ...] = ()
    temperature: float = 1.0
    refused: Refusal | None = None
    advice: tuple[Advice, ...] = ()
    inside: str = ""


def save_page(path: Path, facts: Facts, history: History | None, measured: Measured) -> None:
    """Writes report.html; `history` is None when a classifier was measured without its training."""
    report = measured.report
    right, wrong = plots.right_and_wrong(measured, GALLERY)
    is_table = len(report.classes) <= TABLE_CLASSES
    pages.save_page(
        path,
        "striate.evaluation",
        "report.html.j2",
        **_shared(facts, history, measured),
        curves=charts.curves(history),
        trust=charts.trust(measured, facts.refused),
        ranking=charts.ranking(measured),
        matrix=None if is_table else charts.matrix(measured),
        heat=lambda i, j: heat(report.confusion[i][j] / max(1, report.classes[i].support), i == j),
        right=[_shown(measured, int(index)) for index in right],
        wrong=[_shown(measured, int(index)) for index in wrong],
        cells=cells.data(measured),
        script=pages.script("striate.evaluation", "report.js"),
    )


def save_markdown(path: Path, facts: Facts, history: History | None, measured: Measured) -> None:
    """Writes the same as Markdown, without the pictures."""
    pages.save_markdown(path, "striate.evaluation", "report.md.j2", **_shared(facts, history, measured, pages.literal))


def _shared(
    facts: Facts, history: History | None, measured: Measured, shown: Callable[[str], str] = printable
) -> dict[str, Any]:
    report = measured.report
    return {
        "facts": facts,
        "report": report,
        "history": history,
        "verdict": words.verdict(report),
        "insight": words.insight(report, shown),
        "opened": said_of(facts.opened, report.split),
        "digits": words.digits(report.n),
        "pairs": words.confused_pairs(report, PAIRS),
        "figures": _figures(report),
        "augmented": any(
            value for name, value in facts.settings.items() if name.startswith("augment.") and name != "augment.border"
        ),
    }


def _figures(report: Report) -> list[tuple[str, str, str, str]]:
    """Returns the figures beside accuracy: name, value, interval, what it says."""
    found = report.metrics
    if found is None:
        return []
    share, thousandths = pages.percent, partial(pages.fraction, digits=3)
    rows: list[tuple[str, Figure | None, Callable[[float], str], str]] = [
        ("balanced accuracy", found.balanced_accuracy, share, "mean of the classes' recalls"),
        ("top-5 accuracy", found.top, share, "the class is among the five likeliest"),
        ("Cohen's κ", found.kappa, thousandths, "agreement beyond chance; 1 is perfect, 0 is chance"),
        ("Matthews' coefficient", found.mcc, thousandths, "correlation of answers and classes, −1 to 1"),
        ("log loss", found.log_loss, "{:.4f}".format, "mean cross-entropy, nats; lower is better"),
    ]
    told = [
        (name, form(one.value), f"{form(one.interval[0])} to {form(one.interval[1])}", what)
        for name, one, form, what in rows
        if one is not None
    ]
    if found.auc is not None:
        told.append(("area under ROC", pages.fraction(found.auc), "", "mean over the classes, each against the rest"))
    if report.calibration is not None:
        what = "expected distance of confidence from accuracy"
        told.append(("calibration error", share(report.calibration.ece, 2), "", what))
        told.append(
            ("Brier score", f"{report.calibration.brier:.4f}", "", "squared error of all probabilities, 0 to 2")
        )
    return told


def _shown(measured: Measured, index: int) -> dict[str, Any]:
    images, pixels = measured.decoded.images, measured.decoded.pixels[index]
    names = images.classes
    is_tiny = max(pixels.shape) <= cells.TINY
    return {
        "key": printable(str(images.keys[index])),
        "true": printable(names[images.labels[index]]),
        "said": [
            (printable(names[label]), share, label == images.labels[index])
            for label, share in cells.likeliest(measured, index)
        ],
        "image": pages.picture(pixels, form="PNG" if is_tiny else "WEBP"),
        "tiny": is_tiny,
    }
