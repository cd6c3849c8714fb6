"""report.html and report.md: made from a report's numbers and the pictures behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.data_checks.finding import Finding
from striate.errors import printable
from striate.evaluation import confusion_cells, plots, report_charts
from striate.evaluation.confusion_cells import heat
from striate.evaluation.evaluate import Measured
from striate.evaluation.metrics import Figure
from striate.evaluation.report import Report
from striate.evaluation.selective import Refusal
from striate.evaluation.test_access import Opening, said_of
from striate.reporting import html
from striate.reporting.html import unbroken
from striate.reporting.style import percent
from striate.training.history import History

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
    html.save_page(
        path,
        "striate.evaluation",
        "report.html.j2",
        **_shared(facts, history, measured),
        curves=report_charts.curves(history),
        trust=report_charts.trust(measured, facts.refused),
        ranking=report_charts.ranking(measured),
        matrix=None if is_table else report_charts.matrix(measured),
        heat=lambda i, j: heat(report.confusion[i][j] / max(1, report.classes[i].support), i == j),
        right=[_shown(measured, int(index)) for index in right],
        wrong=[_shown(measured, int(index)) for index in wrong],
        cells=confusion_cells.data(measured),
        script=html.script("striate.evaluation", "report.js"),
    )


def save_markdown(path: Path, facts: Facts, history: History | None, measured: Measured) -> None:
    """Writes the same as Markdown, without the pictures."""
    html.save_markdown(path, "striate.evaluation", "report.md.j2", **_shared(facts, history, measured, html.literal))


def _shared(
    facts: Facts, history: History | None, measured: Measured, shown: Callable[[str], str] = printable
) -> dict[str, Any]:
    report = measured.report
    return {
        "facts": facts,
        "report": report,
        "history": history,
        "verdict": verdict(report),
        "insight": insight(report, shown),
        "opened": said_of(facts.opened, report.split),
        "digits": digits(report.n),
        "pairs": confused_pairs(report, PAIRS),
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
    share, thousandths = html.percent, partial(html.fraction, digits=3)
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
        told.append(("area under ROC", html.fraction(found.auc), "", "mean over the classes, each against the rest"))
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
    is_tiny = max(pixels.shape) <= confusion_cells.TINY
    return {
        "key": printable(str(images.keys[index])),
        "true": printable(names[images.labels[index]]),
        "said": [
            (printable(names[label]), share, label == images.labels[index])
            for label, share in confusion_cells.likeliest(measured, index)
        ],
        "image": html.picture(pixels, form="PNG" if is_tiny else "WEBP"),
        "tiny": is_tiny,
    }


CALIBRATED = 0.02
"""Expected calibration error up to which a confidence may be read as a probability."""


class Pair(NamedTuple):
    """A confusion.

    Attributes:
        i, j: labels of the true and of the predicted class.
        actual, said: their names.
        pictures: how many.
        share: of the true class's pictures.
    """

    i: int
    j: int
    actual: str
    said: str
    pictures: int
    share: float


def digits(n: int) -> int:
    """Returns how many decimals of a percentage n pictures can carry."""
    return 2 if n >= 5000 else 1


def verdict(report: Report) -> str:
    """Returns the result in one sentence."""
    low, high = report.interval
    share = percent(report.accuracy, digits(report.n))
    return unbroken(
        f"Answers {share} of the {report.n:,} {report.split} pictures rightly; "
        f"on pictures like these, expect between {percent(low)} and {percent(high)}."
        + (" That is no better than always giving the commonest answer." if low <= report.baseline else "")
    )


def insight(report: Report, shown: Callable[[str], str] = printable) -> str:
    """Returns what else a reader should know first: what it confuses, and whether its confidence can be trusted; names
    of classes as `shown` gives them.
    """
    said = []
    if pairs := confused_pairs(report, 1):
        one = pairs[0]
        said.append(
            f"Its commonest mistake: “{shown(one.actual)}” taken for “{shown(one.said)}”, {one.pictures:,} of "
            f"{_pictures(report, one.i)}."
        )
    if (found := report.calibration) is not None:
        said.append(trust(found.ece, found.confidence, report.accuracy))
    return unbroken(" ".join(said))


def trust(ece: float, confidence: float, accuracy: float) -> str:
    """Returns what a calibration error means for people."""
    off = f"off by {percent(ece)} on average"
    if ece <= CALIBRATED:
        return f"Its confidence can be taken at its word ({off})."
    if confidence > accuracy:
        return f"It is surer than it is right ({off})."
    return f"It is less sure than it could be ({off})."


def confused_pairs(report: Report, count: int = 5) -> list[Pair]:
    """Returns the commonest confusions."""
    counts = np.array(report.confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:count]
    cells = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True)]
    names = [row.name for row in report.classes]
    return [
        Pair(i, j, names[i], names[j], int(counts[i, j]), float(counts[i, j] / report.classes[i].support))
        for i, j in cells
        if counts[i, j]
    ]


def _pictures(report: Report, label: int) -> str:
    support = report.classes[label].support
    return f"{support:,} picture{'' if support == 1 else 's'}"
