"""striate evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options

if TYPE_CHECKING:
    from striate.data.loaders.folder import NestedMode


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.argument("data", required=False)
@options.runs
@options.nested
@options.corrections
@options.data_dir
@options.add_rejection_options
@click.option("--robustness", is_flag=True, help="Measure also on images made worse: noise, blur, darkness, angle …")
@click.option(
    "--robustness-images",
    type=click.IntRange(min=10),
    metavar="N",
    help="Number of images for --robustness  [default: 1,000].",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as a page.")
@click.option("--md", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as Markdown.")
@options.add_backend_options
@options.add_common_options
def evaluate(
    run: str,
    data: str | None,
    runs: Path,
    nested: NestedMode | None,
    corrections: Path | None,
    data_dir: Path | None,
    reject_below: float | None,
    target_risk: float | None,
    robustness: bool,
    robustness_images: int | None,
    html: Path | None,
    md: Path | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Measure RUN again on its own test images, or on DATA.

    Of DATA that brings a test split, only that is measured. Its classes are matched with the classifier's by name. Each
    look at a run's own test images is noted in its test_access.csv: whoever chooses by them measures nothing.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.cli.reports import print_report, print_robustness, summarize_report
    from striate.config import to_plain
    from striate.errors import to_printable
    from striate.evaluation.selective import compute_operating_point
    from striate.runs.store import RunStore
    from striate.workflows.evaluate import measure_again, save_report_again

    found = RunStore(runs).find(run)
    shown = create_progress(as_json=as_json, quiet=quiet)
    limit = options.resolve_threshold(reject_below, target_risk, lambda: found)
    measured = measure_again(
        found,
        data,
        data_dir=data_dir,
        nested=nested,
        corrections=corrections,
        progress=shown,
    )
    save_report_again(found, measured, html, md)
    held = None
    if robustness or robustness_images:
        from striate.evaluation.robustness import ROBUSTNESS_SAMPLE_SIZE
        from striate.workflows.evaluate import hold

        held = hold(found, measured, pictures=robustness_images or ROBUSTNESS_SAMPLE_SIZE, progress=shown)
    limit = found.classifier.reject_below if limit is None else limit
    refused = compute_operating_point(measured.predictions, limit) if limit else None
    if as_json:
        print_json(
            {
                "run": str(found.path),
                "architecture": found.manifest.architecture,
                "classes": list(found.classifier.classes),
                "data": measured.report.data,
                "test": summarize_report(measured.report),
                "refusal": to_plain(refused),
                "robustness": to_plain(held),
                "broken": [
                    {"source": key, "error": reason} for key, reason in measured.decoded_set.decode_errors.items()
                ],
            }
        )
    else:
        print_report(measured.report)
        if refused is not None:
            click.echo(refused.describe())
        if held is not None:
            print_robustness(held, found.path)
        for path in (html, md):
            if path is not None:
                click.echo(to_printable(f"Report:  {path}"))
        if broken := measured.decoded_set.decode_errors:
            click.echo(f"Left out: {len(broken):,} files that cannot be read (--json lists them).")
    return 0
