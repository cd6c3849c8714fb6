"""striate train."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.cli.training import training

if TYPE_CHECKING:
    from striate.images.sources.folder import Nested


@click.command(context_settings=options.CONTEXT)
@click.argument("data")
@training
@options.target_risk
@click.option("--replay", is_flag=True, help="Record every epoch for striate replay.")
@click.option("--name", help="Name of the run.")
@options.runs
@options.nested
@options.data_dir
@options.engine
@options.common
def train(
    data: str,
    arch: str | None,
    recipe: str,
    size: str | None,
    grey: bool | None,
    validation: float,
    test: float,
    max_broken: float,
    nested: Nested | None,
    corrections: Path | None,
    allow_leaks: bool,
    target_risk: float | None,
    replay: bool,
    name: str | None,
    runs: Path,
    data_dir: Path | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **settings: Any,
) -> int:
    """Train a classifier on DATA and write a run.

    DATA is a folder with one folder per class (below train/val/test if you like), a zip or tar archive of one, a CSV
    table (path,label[,split]), a Parquet table or a folder of them, or a data set known by name (see striate
    datasets). Without any option the network, the picture size, the schedule and the augmentation follow from the data.
    """
    from striate.cli.reports import print_diagnosis, print_files, print_report, run_summary
    from striate.cli.screen import print_json, progress
    from striate.evaluation.refusal import refusal
    from striate.experiment import train as train_run

    changes = options.changes(size, grey, settings)
    options.choose_engine(backend, device)
    run = train_run(
        data,
        architecture=arch,
        recipe=recipe,
        name=name,
        runs=runs,
        data_dir=data_dir,
        validation=validation,
        test=test,
        max_broken=max_broken,
        nested=nested or "top",
        corrections=corrections,
        allow_leaks=allow_leaks,
        target_risk=target_risk,
        replay=replay,
        progress=progress(as_json=as_json, quiet=quiet),
        command=shlex.join(["striate", "train", *sys.argv[2:]]),
        **changes,
    )
    if as_json:
        print_json(run_summary(run))
    else:
        print_report(run.report)
        if limit := run.classifier.reject_below:
            click.echo(refusal(run.answered("test"), limit).line())
        if run.state == "interrupted":
            click.echo(f"Interrupted after {run.manifest.epochs} epochs; measured with what had been learnt by then.")
        print_diagnosis(run)
        print_files(run)
    return 130 if run.state == "interrupted" else 0
