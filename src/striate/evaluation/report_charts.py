"""The page's figures: label → element."""

from __future__ import annotations

from markupsafe import Markup

from striate.evaluation import plots
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.plots import (
    draw_precision_recall_curves,
    draw_reliability_diagram,
    draw_risk_coverage_curve,
    draw_roc_curves,
)
from striate.evaluation.selective import OperatingPoint
from striate.reporting.html import render_inline_svg
from striate.reporting.style import format_percent
from striate.training.history import History


def render_training_curves(history: History | None) -> dict[str, Markup]:
    """Returns accuracy and loss over the epochs; nothing without a history."""
    if history is None or not history.epochs:
        return {}
    last, n = history.epochs[-1], len(history.epochs)
    ends = {"accuracy": format_percent(last.val_accuracy), "loss": f"{last.val_loss:.4f}"}
    return {
        name: render_inline_svg(
            plots.draw_training_curves(history, [name]),
            f"{name.capitalize()} over {n} {'epoch' if n == 1 else 'epochs'}, training and validation images; "
            f"validation ends at {end}",
        )
        for name, end in ends.items()
    }


def render_confidence_charts(evaluation: Evaluation, operating_point: OperatingPoint | None) -> dict[str, Markup]:
    """Returns the reliability diagram and the risk–coverage curve."""
    report = evaluation.report
    found = {}
    if report.calibration is not None:
        found["reliability"] = render_inline_svg(
            draw_reliability_diagram(report.calibration),
            f"Reliability diagram: expected calibration error {format_percent(report.calibration.ece)}",
        )
    found["coverage"] = render_inline_svg(
        draw_risk_coverage_curve(evaluation.predictions, operating_point),
        f"Fraction of wrong predictions against fraction of images answered; {format_percent(1 - report.accuracy)} "
        "when all "
        "are",
    )
    return found


def render_roc_pr_curves(evaluation: Evaluation) -> dict[str, Markup]:
    """Returns ROC and precision–recall curves, where there are any."""
    drawn = {
        "ROC curve": draw_roc_curves(evaluation.predictions, evaluation.report),
        "precision–recall curve": draw_precision_recall_curves(evaluation.predictions, evaluation.report),
    }
    return {
        name: render_inline_svg(figure, f"{name} of each class against the rest; the table of classes has their areas")
        for name, figure in drawn.items()
        if figure is not None
    }


def render_confusion_matrix(evaluation: Evaluation) -> Markup:
    """Returns the confusion matrix as a figure, for many classes."""
    return render_inline_svg(
        plots.draw_confusion_matrix(evaluation.report), f"Confusion matrix of {len(evaluation.report.classes)} classes"
    )
