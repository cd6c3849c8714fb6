"""report.html and report.md: made from a report's numbers and the images behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.data_checks.finding import Finding
from striate.errors import to_printable
from striate.evaluation import confusion_cells, plots, report_charts
from striate.evaluation.confusion_cells import format_cell_style
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.metrics import MetricEstimate
from striate.evaluation.report import Report
from striate.evaluation.selective import OperatingPoint
from striate.evaluation.test_access import AccessRecord, describe_test_access
from striate.reporting import html
from striate.reporting.html import insert_nonbreaking_spaces
from striate.reporting.style import format_percent
from striate.training.history import History

MAX_TABLE_CLASSES = 25  # up to here the confusion matrix is a table of numbers, above it an image
MAX_GALLERY_IMAGES = 24  # images of each kind
MAX_CONFUSION_PAIRS = 12  # confusions in the list


class Advice(NamedTuple):
    """What is wrong with the training, what shows it, and one command to try."""

    severity: str
    verdict: str
    evidence: str
    command: str


@dataclass(frozen=True)
class RunFacts:
    """What the report says about the run beside its figures.

    Attributes:
        name: the run's name.
        architecture: title and name of the architecture.
        parameters: weights in the model.
        training_seconds: training time.
        state: finished or interrupted.
        findings: what was remarkable about the data.
        settings: the recipe, flat.
        versions: package → version.
        hardware: the computer.
        command: how to repeat the run; "" when it was made from Python.
        validation_report: the report on the images that chose the epoch; None when measured on other data.
        access_records: when the test images were looked at; none when measured on other data.
        temperature: that the logits are divided by.
        operating_point: what its threshold does, where it has one.
        advice: what is wrong with the training, the most important first.
        explainer_page: the page that shows its model from within, beside the report; "" if there is none.
    """

    name: str
    architecture: str
    parameters: int
    training_seconds: float
    state: str
    findings: tuple[Finding, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    command: str
    validation_report: Report | None
    access_records: tuple[AccessRecord, ...] = ()
    temperature: float = 1.0
    operating_point: OperatingPoint | None = None
    advice: tuple[Advice, ...] = ()
    explainer_page: str = ""


def save_report_html(path: Path, facts: RunFacts, history: History | None, evaluation: Evaluation) -> None:
    """Writes report.html; `history` is None when a classifier was measured without its training."""
    report = evaluation.report
    right, wrong = plots.select_examples(evaluation, MAX_GALLERY_IMAGES)
    is_table = len(report.classes) <= MAX_TABLE_CLASSES
    html.save_page(
        path,
        "striate.evaluation",
        "report.html.j2",
        **_build_context(facts, history, evaluation),
        curves=report_charts.render_training_curves(history),
        trust=report_charts.render_confidence_charts(evaluation, facts.operating_point),
        ranking=report_charts.render_roc_pr_curves(evaluation),
        matrix=None if is_table else report_charts.render_confusion_matrix(evaluation),
        heat=lambda i, j: format_cell_style(report.confusion[i][j] / max(1, report.classes[i].support), i == j),
        right=[_build_gallery_item(evaluation, int(index)) for index in right],
        wrong=[_build_gallery_item(evaluation, int(index)) for index in wrong],
        cells=confusion_cells.render_cell_data(evaluation),
        script=html.load_script("striate.evaluation", "report.js"),
    )


def save_report_markdown(path: Path, facts: RunFacts, history: History | None, evaluation: Evaluation) -> None:
    """Writes the same as Markdown, without the images."""
    html.save_markdown(
        path, "striate.evaluation", "report.md.j2", **_build_context(facts, history, evaluation, html.escape_markdown)
    )


def _build_context(
    facts: RunFacts, history: History | None, evaluation: Evaluation, format_name: Callable[[str], str] = to_printable
) -> dict[str, Any]:
    report = evaluation.report
    return {
        "facts": facts,
        "report": report,
        "history": history,
        "verdict": format_verdict(report),
        "insight": format_insight(report, format_name),
        "test_access": describe_test_access(facts.access_records, report.split),
        "digits": choose_percent_digits(report.n),
        "pairs": find_confused_pairs(report, MAX_CONFUSION_PAIRS),
        "figures": _build_metric_rows(report),
        "augmented": any(
            value for name, value in facts.settings.items() if name.startswith("augment.") and name != "augment.border"
        ),
    }


def _build_metric_rows(report: Report) -> list[tuple[str, str, str, str]]:
    """Returns the figures beside accuracy: name, value, interval, what it says."""
    found = report.metrics
    if found is None:
        return []
    fraction, thousandths = html.format_percent_nbsp, partial(html.format_fraction, digits=3)
    rows: list[tuple[str, MetricEstimate | None, Callable[[float], str], str]] = [
        ("balanced accuracy", found.balanced_accuracy, fraction, "mean of the classes' recalls"),
        ("top-5 accuracy", found.top5_accuracy, fraction, "the true class is among the five most probable"),
        ("Cohen's κ", found.kappa, thousandths, "agreement beyond chance; 1 is perfect, 0 is chance"),
        ("Matthews correlation", found.mcc, thousandths, "correlation of predictions and classes, −1 to 1"),
        ("log loss", found.log_loss, "{:.4f}".format, "mean cross-entropy, nats; lower is better"),
    ]
    told = [
        (name, form(one.value), f"{form(one.interval[0])} to {form(one.interval[1])}", what)
        for name, one, form, what in rows
        if one is not None
    ]
    if found.auc is not None:
        told.append(("ROC AUC", html.format_fraction(found.auc), "", "mean over the classes, each against the rest"))
    if report.calibration is not None:
        what = "mean distance of confidence from accuracy"
        told.append(("expected calibration error", fraction(report.calibration.ece, 2), "", what))
        told.append(
            ("Brier score", f"{report.calibration.brier:.4f}", "", "mean squared error of the probabilities, 0 to 2")
        )
    return told


def _build_gallery_item(evaluation: Evaluation, index: int) -> dict[str, Any]:
    images, pixels = evaluation.decoded_set.images, evaluation.decoded_set.pixels[index]
    names = images.classes
    is_tiny = max(pixels.shape) <= confusion_cells.MAX_PIXELATED_SIDE
    return {
        "key": to_printable(str(images.keys[index])),
        "true": to_printable(names[images.labels[index]]),
        "predictions": [
            (to_printable(names[label]), fraction, label == images.labels[index])
            for label, fraction in confusion_cells.list_top_classes(evaluation, index)
        ],
        "image": html.encode_image_uri(pixels, image_format="PNG" if is_tiny else "WEBP"),
        "tiny": is_tiny,
    }


MAX_CALIBRATED_ECE = 0.02
"""Expected calibration error up to which a confidence may be read as a probability."""


class ConfusionPair(NamedTuple):
    """A confusion.

    Attributes:
        true_label: index of the true class.
        predicted_label: index of the predicted class.
        true_class: its name.
        predicted_class: its name.
        image_count: the number of images.
        fraction: the fraction of the true class's images, 0..1.
    """

    true_label: int
    predicted_label: int
    true_class: str
    predicted_class: str
    image_count: int
    fraction: float


def choose_percent_digits(n: int) -> int:
    """Returns how many decimals of a percentage n images can carry."""
    return 2 if n >= 5000 else 1


def format_verdict(report: Report) -> str:
    """Returns the result in one sentence."""
    low, high = report.interval
    fraction = format_percent(report.accuracy, choose_percent_digits(report.n))
    return insert_nonbreaking_spaces(
        f"Predicts {fraction} of the {report.n:,} {report.split} images correctly "
        f"(95 % confidence interval {format_percent(low)} to {format_percent(high)})."
        + (" That is no better than always predicting the most frequent class." if low <= report.baseline else "")
    )


def format_insight(report: Report, format_name: Callable[[str], str] = to_printable) -> str:
    """Returns what else a reader should know first: what it confuses, and whether its confidence can be trusted; names
    of classes as `format_name` gives them.
    """
    said = []
    if pairs := find_confused_pairs(report, 1):
        one = pairs[0]
        said.append(
            f"Its most frequent confusion: “{format_name(one.true_class)}” predicted as "
            f"“{format_name(one.predicted_class)}”, {one.image_count:,} of "
            f"{_format_image_count(report, one.true_label)}."
        )
    if (found := report.calibration) is not None:
        said.append(describe_calibration(found.ece, found.confidence, report.accuracy))
    return insert_nonbreaking_spaces(" ".join(said))


def describe_calibration(ece: float, confidence: float, accuracy: float) -> str:
    """Returns what a calibration error means for people."""
    off = f"off by {format_percent(ece)} on average"
    if ece <= MAX_CALIBRATED_ECE:
        return f"Its confidence is well calibrated ({off})."
    if confidence > accuracy:
        return f"It is overconfident ({off})."
    return f"It is underconfident ({off})."


def find_confused_pairs(report: Report, max_pairs: int = 5) -> list[ConfusionPair]:
    """Returns the commonest confusions."""
    counts = np.array(report.confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:max_pairs]
    cells = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True)]
    names = [row.name for row in report.classes]
    return [
        ConfusionPair(i, j, names[i], names[j], int(counts[i, j]), float(counts[i, j] / report.classes[i].support))
        for i, j in cells
        if counts[i, j]
    ]


def _format_image_count(report: Report, label: int) -> str:
    support = report.classes[label].support
    return f"{support:,} image{'' if support == 1 else 's'}"
