"""striate train."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from striate.cli import options


@click.command(context_settings=options.CONTEXT)
@click.argument("data")
@click.option("--arch", metavar="NAME", help="Network: see striate models.")
@click.option("--recipe", default="default", show_default=True, help="Name (see striate recipes) or recipe.json.")
@click.option("--epochs", type=int, help="Passes over the training pictures.")
@click.option("--batch", type=int, help="Pictures per step.")
@click.option("--lr", "learning_rate", type=float, help="Learning rate (the schedule's peak).")
@click.option("--size", metavar="N or HxW", help="Height and width the pictures are brought to, pixels.")
@click.option("--grey/--colour", default=None, help="One channel or three.")
@click.option("--fit", type=click.Choice(["stretch", "crop", "pad"]), help="How other shapes are brought to the size.")
@click.option(
    "--dropout",
    type=float,
    is_flag=False,
    flag_value=0.5,
    metavar="[RATE]",
    help="Dropout; 0.5 without a number.",
)
@click.option("--augment", metavar="WORD", help="auto, none, digits, clothes, photos, or flip,shift=0.1,rotate=10 …")
@click.option("--patience", type=int, help="Stop after so many epochs without a better validation loss.")
@click.option("--precision", type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]), help="Arithmetic.")
@click.option("--seed", type=int, help="Of initial weights, order, dropout, augmentation and split.")
@click.option("--validation", type=float, default=0.1, show_default=True, help="Share to choose by, if none is given.")
@click.option("--test", type=float, default=0.2, show_default=True, help="Share to measure on, if none is given.")
@click.option("--max-broken", type=float, default=0.2, show_default=True, help="Share of unreadable files tolerated.")
@click.option("--name", help="Name of the run.")
@options.runs
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

    DATA is a folder with one folder per class (below train/val/test if you like), a CSV table (path,label[,split]),
    or a data set known by name (see striate datasets). Without any option the network, the picture size, the
    schedule and the augmentation follow from the data.
    """
    from striate.cli.reports import print_files, print_report, run_summary
    from striate.cli.screen import print_json, progress
    from striate.experiment import train as train_run

    changes = {name: value for name, value in settings.items() if value is not None}
    changes |= _shape(size, grey)
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
        print_files(run)
    return 130 if run.state == "interrupted" else 0


def _shape(size: str | None, grey: bool | None) -> dict[str, int]:
    changes = {} if grey is None else {"channels": 1 if grey else 3}
    if size is None:
        return changes
    height, _, width = size.lower().partition("x")
    try:
        return {**changes, "height": int(height), "width": int(width or height)}
    except ValueError:
        raise click.BadParameter(f"{size!r} is not a size. Expected: 64 or 48x64.", param_hint="--size") from None
