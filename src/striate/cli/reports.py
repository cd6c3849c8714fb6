"""How a report looks in the terminal and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from striate.cli.console import print_table
from striate.config import to_plain
from striate.diagnosis.diagnose import load_diagnosis_report
from striate.errors import to_printable
from striate.evaluation.report import Report
from striate.evaluation.robustness import Robustness
from striate.reporting.style import format_percent
from striate.runs.run import Run

MAX_DIAGNOSES_SHOWN = 2  # faults at a training's end
MAX_CLASSES_SHOWN = 30  # classes shown; of more, those with the lowest F1


def print_report(report: Report) -> None:
    """Prints accuracy with its interval, and the classes' figures."""
    rows = list(report.classes)
    if len(rows) > MAX_CLASSES_SHOWN:
        click.echo(f"\nThe {MAX_CLASSES_SHOWN} of {len(rows)} classes with the lowest F1:")
        rows = sorted(rows, key=lambda row: row.f1)[:MAX_CLASSES_SHOWN]
    columns = ["class", ">precision", ">recall", ">F1", ">images"]
    cells = [(r.name, f"{r.precision:.3f}", f"{r.recall:.3f}", f"{r.f1:.3f}", f"{r.support:,}") for r in rows]
    mean = report.macro_average
    cells.append(("mean", f"{mean.precision:.3f}", f"{mean.recall:.3f}", f"{mean.f1:.3f}", f"{report.n:,}"))
    print_table(columns, cells)
    click.echo(format_accuracy(report))
    if report.metrics is not None and report.calibration is not None:
        found = report.metrics
        top = f"top-5 {format_percent(found.top5_accuracy.value)}, " if found.top5_accuracy is not None else ""
        click.echo(
            f"Balanced accuracy {format_percent(found.balanced_accuracy.value)}, {top}Cohen's kappa "
            f"{found.kappa.value:.3f}, "
            f"Matthews' coefficient {found.mcc.value:.3f}, calibration error {format_percent(report.calibration.ece)}"
        )
    if report.without_leaks is not None:
        fraction = report.without_leaks
        low, high = fraction.interval
        click.echo(
            f"Accuracy without leaks: {format_percent(fraction.accuracy, 2)} of the {fraction.n:,} test images "
            "without a duplicate in the training or validation set "
            f"(95 % interval {format_percent(low)} to {format_percent(high)})"
        )
    print_baseline_warning(report)


def format_accuracy(report: Report) -> str:
    """Returns the accuracy in one line, with n, interval and loss."""
    low, high = report.interval
    return (
        f"{report.split.capitalize()} accuracy: {format_percent(report.accuracy, 2)}"
        + f"  ({report.correct_count:,} of {report.n:,}; "
        f"95 % interval {format_percent(low)} to {format_percent(high)}; " + f"loss {report.loss:.4f})"
    )


def print_baseline_warning(report: Report) -> None:
    """Prints a warning when the figures cannot be told from always giving the commonest answer."""
    if report.interval[0] <= report.baseline:
        click.echo(
            "That is no better than always giving the commonest answer, which reaches "
            f"{format_percent(report.baseline, 2)}."
        )


def summarize_report(report: Report) -> dict[str, Any]:
    """Returns what `--json` says of a measurement."""
    return {
        "n": report.n,
        "accuracy": report.accuracy,
        "interval": list(report.interval),
        "loss": report.loss,
        "per_class": to_plain(report.classes),
        "confusion": to_plain(report.confusion),
        "without_leaks": to_plain(report.without_leaks),
        "metrics": to_plain(report.metrics),
        "calibration": to_plain(report.calibration),
        "coverage": to_plain(report.risk_coverage),
    }


def summarize_run(run: Run) -> dict[str, Any]:
    """Returns what `train --json` and `evaluate --json` print about a run."""
    manifest = run.manifest
    return {
        "run": str(run.path),
        "state": manifest.state,
        "architecture": manifest.architecture,
        "classes": [row.name for row in run.report.classes],
        "test": summarize_report(run.report),
        "validation": summarize_report(run.validation_report),
        "epochs": manifest.epochs,
        "kept": manifest.best_epoch,
        "seconds": manifest.phase_seconds["total"],
        "artifacts": list(run.artifacts),
        "missing_artifacts": list(run.missing_artifacts),
        "findings": to_plain(manifest.findings),
        "diagnosis": to_plain(said.diagnoses) if (said := load_diagnosis_report(run.path)) else [],
    }


def print_robustness(robustness: Robustness, folder: Path) -> None:
    """Prints how the classifier holds when images are made worse."""
    rows = [
        (curve.name, f"{curve.relative_accuracy:.0%}", *(format_percent(fraction) for fraction in curve.accuracies))
        for curve in robustness.curves
    ]
    print_table(["corruption", ">kept", *(f">severity {number}" for number in range(1, len(rows[0]) - 1))], rows)
    click.echo(
        f"On {robustness.n:,} of the images; as they are: {format_percent(robustness.accuracy)}. "
        f"{robustness.describe_weakest_point()}"
    )
    click.echo(
        to_printable(f"Figures: {folder / 'plots' / 'robustness.png'}, corruptions.png (what a severity looks like)")
    )


def print_diagnosis(run: Run) -> None:
    """Prints the first faults of a training, a line each; nothing where there are none."""
    said = load_diagnosis_report(run.path)
    for one in said.diagnoses[:MAX_DIAGNOSES_SHOWN] if said else ():
        click.echo(to_printable(f"Doctor:  {one.line}"))
    if said and len(said.diagnoses) > MAX_DIAGNOSES_SHOWN:
        click.echo(
            to_printable(f"         {len(said.diagnoses) - MAX_DIAGNOSES_SHOWN} more: striate doctor {run.path}")
        )


def print_run_files(run: Run) -> None:
    """Prints where the run's files lie."""
    has_page = (run.path / "report.html").is_file()
    page = str(run.path / "report.html") if has_page else f"none yet (striate report {run.path} makes it)"
    click.echo(to_printable(f"Run:     {run.path}\nReport:  {page}"))
    if run.missing_artifacts:
        command = f"striate report {run.path} --artifacts {','.join(run.missing_artifacts)}"
        click.echo(to_printable(f"Missing: {', '.join(run.missing_artifacts)} (to make it: {command})"))
    click.echo(to_printable(f"Next:    striate predict {run.path} IMAGE…"))
