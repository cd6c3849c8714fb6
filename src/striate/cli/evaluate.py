"""striate evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options

if TYPE_CHECKING:
    from striate.images.sources.folder import Nested


@click.command(context_settings=options.CONTEXT)
@click.argument("run")
@click.argument("data", required=False)
@options.runs
@options.nested
@options.corrections
@options.data_dir
@options.refusing
@options.engine
@options.common
def evaluate(
    run: str,
    data: str | None,
    runs: Path,
    nested: Nested | None,
    corrections: Path | None,
    data_dir: Path | None,
    reject_below: float | None,
    target_risk: float | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Measure RUN again on its own test pictures, or on DATA.

    Of DATA that brings a test split, only that is measured. Its classes are matched with the classifier's by name.
    """
    from striate.cli.reports import as_summary, print_report
    from striate.cli.screen import print_json, progress
    from striate.config import plain
    from striate.evaluation.refusal import refusal
    from striate.experiment import measure_again
    from striate.runs import RunStore

    options.choose_engine(backend, device)
    found = RunStore(runs).find(run)
    limit = options.threshold(reject_below, target_risk, lambda: found)
    measured = measure_again(
        found,
        data,
        data_dir=data_dir,
        nested=nested,
        corrections=corrections,
        progress=progress(as_json=as_json, quiet=quiet),
    )
    limit = found.classifier.reject_below if limit is None else limit
    refused = refusal(measured.answered, limit) if limit else None
    if as_json:
        print_json(
            {
                "run": str(found.path),
                "architecture": found.manifest.architecture,
                "classes": list(found.classifier.classes),
                "data": measured.report.data,
                "test": as_summary(measured.report),
                "refusal": plain(refused),
                "broken": [{"source": key, "error": reason} for key, reason in measured.decoded.broken.items()],
            }
        )
    else:
        print_report(measured.report)
        if refused is not None:
            click.echo(refused.line())
        if broken := measured.decoded.broken:
            click.echo(f"Left out: {len(broken):,} files that cannot be read (--json lists them).")
    return 0
