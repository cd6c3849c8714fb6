"""How a report looks in the terminal and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from striate.cli.console import print_table
from striate.config import plain
from striate.diagnosis.diagnose import load_diagnoses
from striate.diagnosis.diagnosis import Diagnosis
from striate.errors import printable
from striate.evaluation.report import Report
from striate.evaluation.robustness import Robustness
from striate.reporting.style import percent
from striate.runs.run import Run

SHOWN = 2  # faults at a training's end
MOST = 30  # classes shown; of more, those with the lowest F1


def print_report(report: Report) -> None:
    """Prints accuracy with its interval, and the classes' figures."""
    rows = list(report.classes)
    if len(rows) > MOST:
        click.echo(f"\nThe {MOST} of {len(rows)} classes with the lowest F1:")
        rows = sorted(rows, key=lambda row: row.f1)[:MOST]
    columns = ["class", ">precision", ">recall", ">F1", ">pictures"]
    cells = [(r.name, f"{r.precision:.3f}", f"{r.recall:.3f}", f"{r.f1:.3f}", f"{r.support:,}") for r in rows]
    mean = report.macro
    cells.append(("mean", f"{mean.precision:.3f}", f"{mean.recall:.3f}", f"{mean.f1:.3f}", f"{report.n:,}"))
    print_table(columns, cells)
    click.echo(accuracy_line(report))
    if report.metrics is not None and report.calibration is not None:
        found = report.metrics
        top = f"top-5 {percent(found.top.value)}, " if found.top is not None else ""
        click.echo(
            f"Balanced accuracy {percent(found.balanced_accuracy.value)}, {top}Cohen's kappa {found.kappa.value:.3f}, "
            f"Matthews' coefficient {found.mcc.value:.3f}, calibration error {percent(report.calibration.ece)}"
        )
    if report.without_leaks is not None:
        share = report.without_leaks
        low, high = share.interval
        click.echo(
            f"Without leaks: {percent(share.accuracy, 2)} of the {share.n:,} that have no copy among those learnt or "
            f"chosen from (95 % interval {percent(low)} to {percent(high)})"
        )
    print_verdict(report)


def accuracy_line(report: Report) -> str:
    """Returns the accuracy in one line, with n, interval and loss."""
    low, high = report.interval
    return (
        f"{report.split.capitalize()} accuracy: {percent(report.accuracy, 2)}"
        + f"  ({report.correct:,} of {report.n:,}; 95 % interval {percent(low)} to {percent(high)}; "
        + f"loss {report.loss:.4f})"
    )


def print_verdict(report: Report) -> None:
    """Prints a warning when the figures cannot be told from always giving the commonest answer."""
    if report.interval[0] <= report.baseline:
        click.echo(
            f"That is no better than always giving the commonest answer, which reaches {percent(report.baseline, 2)}."
        )


def as_summary(report: Report) -> dict[str, Any]:
    """Returns what `--json` says of a measurement."""
    return {
        "n": report.n,
        "accuracy": report.accuracy,
        "interval": list(report.interval),
        "loss": report.loss,
        "per_class": plain(report.classes),
        "confusion": plain(report.confusion),
        "without_leaks": plain(report.without_leaks),
        "metrics": plain(report.metrics),
        "calibration": plain(report.calibration),
        "coverage": plain(report.coverage),
    }


def run_summary(run: Run) -> dict[str, Any]:
    """Returns what `train --json` and `evaluate --json` print about a run."""
    manifest = run.manifest
    return {
        "run": str(run.path),
        "state": manifest.state,
        "architecture": manifest.architecture,
        "classes": [row.name for row in run.report.classes],
        "test": as_summary(run.report),
        "validation": as_summary(run.validation),
        "epochs": manifest.epochs,
        "kept": manifest.kept,
        "seconds": manifest.seconds["total"],
        "artifacts": list(run.artifacts),
        "missing_artifacts": list(run.missing_artifacts),
        "findings": plain(manifest.findings),
        "diagnosis": [as_finding(one) for one in said.found] if (said := load_diagnoses(run.path)) else [],
    }


def print_robustness(found: Robustness, folder: Path) -> None:
    """Prints how the classifier holds when pictures are made worse."""
    rows = [(curve.name, f"{curve.held:.0%}", *(percent(share) for share in curve.accuracy)) for curve in found.curves]
    print_table(["corruption", ">kept", *(f">severity {number}" for number in range(1, len(rows[0]) - 1))], rows)
    click.echo(f"On {found.n:,} of the pictures; as they are: {percent(found.accuracy)}. {found.line()}")
    click.echo(
        printable(f"Figures: {folder / 'plots' / 'robustness.png'}, corruptions.png (what a severity looks like)")
    )


def as_finding(one: Diagnosis) -> dict[str, Any]:
    """Returns what `--json` says of a fault."""
    fields: dict[str, Any] = plain(one)
    fields["try"] = fields.pop("try_")
    return fields


def print_diagnosis(run: Run) -> None:
    """Prints the first faults of a training, a line each; nothing where there are none."""
    said = load_diagnoses(run.path)
    for one in said.found[:SHOWN] if said else ():
        click.echo(printable(f"Doctor:  {one.line}"))
    if said and len(said.found) > SHOWN:
        click.echo(printable(f"         {len(said.found) - SHOWN} more: striate doctor {run.path}"))


def print_files(run: Run) -> None:
    """Prints where the run's files lie."""
    has_page = (run.path / "report.html").is_file()
    page = str(run.path / "report.html") if has_page else f"none yet (striate report {run.path} makes it)"
    click.echo(printable(f"Run:     {run.path}\nReport:  {page}"))
    if run.missing_artifacts:
        command = f"striate report {run.path} --artifacts {','.join(run.missing_artifacts)}"
        click.echo(printable(f"Missing: {', '.join(run.missing_artifacts)} (to make it: {command})"))
    click.echo(printable(f"Next:    striate predict {run.path} PICTURE…"))
