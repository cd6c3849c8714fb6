"""The page's figures: label → element."""

from __future__ import annotations

from markupsafe import Markup

from striate.evaluation import plots
from striate.evaluation.evaluate import Measured
from striate.evaluation.plots import coverage_curve, precision_recall_curves, reliability, roc_curves
from striate.evaluation.selective import Refusal
from striate.reporting.html import svg
from striate.reporting.style import percent
from striate.training.history import History


def curves(history: History | None) -> dict[str, Markup]:
    """Returns accuracy and loss over the epochs; nothing without a history."""
    if history is None or not history.epochs:
        return {}
    last, n = history.epochs[-1], len(history.epochs)
    ends = {"accuracy": percent(last.val_accuracy), "loss": f"{last.val_loss:.4f}"}
    return {
        name: svg(
            plots.curves(history, [name]),
            f"{name.capitalize()} over {n} {'epoch' if n == 1 else 'epochs'}, training and validation pictures; "
            f"validation ends at {end}",
        )
        for name, end in ends.items()
    }


def trust(measured: Measured, refused: Refusal | None) -> dict[str, Markup]:
    """Returns the reliability diagram and the risk–coverage curve."""
    report = measured.report
    found = {}
    if report.calibration is not None:
        found["reliability"] = svg(
            reliability(report.calibration),
            f"Reliability diagram: expected calibration error {percent(report.calibration.ece)}",
        )
    found["coverage"] = svg(
        coverage_curve(measured.answered, refused),
        f"Share of wrong answers against share of pictures answered; {percent(1 - report.accuracy)} when all are",
    )
    return found


def ranking(measured: Measured) -> dict[str, Markup]:
    """Returns ROC and precision–recall curves, where there are any."""
    drawn = {
        "ROC curve": roc_curves(measured.answered, measured.report),
        "precision–recall curve": precision_recall_curves(measured.answered, measured.report),
    }
    return {
        name: svg(figure, f"{name} of each class against the rest; the table of classes has their areas")
        for name, figure in drawn.items()
        if figure is not None
    }


def matrix(measured: Measured) -> Markup:
    """Returns the confusion matrix as a figure, for many classes."""
    return svg(plots.confusion(measured.report), f"Confusion matrix of {len(measured.report.classes)} classes")
