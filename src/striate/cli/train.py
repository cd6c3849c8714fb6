"""striate train."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options

if TYPE_CHECKING:
    from striate.images.sources.folder import Nested


@click.command(context_settings=options.CONTEXT)
@click.argument("data")
@click.option("--arch", metavar="NAME", help="Network: see striate models.")
@options.recipe
@click.option("--pretrained", metavar="WEIGHTS", help="Weights to begin with: imagenet, a file of them, or none.")
@click.option(
    "--fine-tune",
    type=int,
    is_flag=False,
    flag_value=4,
    metavar="[EPOCHS]",
    help="Then let the pretrained layers learn too; 4 epochs without a number.",
)
@click.option("--epochs", type=int, help="Passes over the training pictures.")
@click.option(
    "--steps-per-epoch", type=int, help="Steps after which an epoch ends; all that the pictures fill, unless told."
)
@click.option("--minutes", type=float, help="Plan the epochs so that the training takes about so long.")
@options.batch
@options.learning_rate
@options.size
@options.grey
@click.option("--fit", type=click.Choice(["stretch", "crop", "pad"]), help="How other shapes are brought to the size.")
@click.option(
    "--dropout",
    type=float,
    is_flag=False,
    flag_value=0.5,
    metavar="[RATE]",
    help="Dropout; 0.5 without a number.",
)
@options.augment
@click.option(
    "--tta",
    type=click.Choice(["none", "mirror", "multicrop", "auto"]),
    help="Test-time augmentation: answer with the mean over a picture and its mirror image, or six views.",
)
@click.option("--patience", type=int, help="Stop after so many epochs without a better validation loss.")
@options.precision
@click.option("--seed", type=int, help="Of initial weights, order, dropout, augmentation and split.")
@options.shares
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
        progress=progress(as_json=as_json, quiet=quiet),
        command=shlex.join(["striate", "train", *sys.argv[2:]]),
        **changes,
    )
    if as_json:
        print_json(run_summary(run))
    else:
        print_report(run.report)
        if run.state == "interrupted":
            click.echo(f"Interrupted after {run.manifest.epochs} epochs; measured with what had been learnt by then.")
        print_diagnosis(run)
        print_files(run)
    return 130 if run.state == "interrupted" else 0
