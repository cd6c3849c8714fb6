"""striate repeat."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.cli.train import train
from striate.errors import printable

if TYPE_CHECKING:
    from striate.experiment.repeated import Repeated
    from striate.images.sources.folder import Nested

CODES = {"finished": 0, "failed": 1, "interrupted": 130}

SHOWN = 12  # classes in the table; of more, those whose recall spreads most


@click.command(context_settings=options.CONTEXT)
@click.option("--seeds", type=int, metavar="N", help="Train with N seeds, on one division of the pictures.")
@click.option("--folds", type=int, metavar="K", help="Cut the pictures into K parts and hold out each of them once.")
def repeat(
    data: str,
    seeds: int | None,
    folds: int | None,
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
    """Train on DATA several times, with N seeds or held out fold by fold, and tell how far the results spread.

    Pictures are read once; every training is an ordinary run, NAME-seed-0 … or NAME-fold-1 …. The same command again
    goes on where it stopped, and seeds may be added. With --folds (k-fold cross-validation) copies of one picture stay
    together, and a test split that the data brings is left alone: what is measured is the part held out.
    """
    from striate.cli.screen import print_json, progress
    from striate.experiment.repeat import repeat as again

    if (seeds is None) == (folds is None):
        raise click.UsageError("Either --seeds N or --folds K is needed.")
    changes = options.changes(size, grey, settings)
    options.choose_engine(backend, device)
    found = again(
        data,
        seeds=seeds,
        folds=folds,
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
        command=shlex.join(["striate", "repeat", *sys.argv[2:]]),
        **changes,
    )
    if as_json:
        print_json(found.summary())
    else:
        print_repeated(found)
    return CODES[found.state]


repeat.params = [train.params[0], *repeat.params, *train.params[1:]]  # the picture set, and all that a training knows


def print_repeated(found: Repeated) -> None:
    """Prints every training, what they say together, and where everything lies."""
    from striate.cli.screen import print_table
    from striate.drawing import percent

    document, spread = found.document, found.spread
    word = document.plan.kind
    columns = ["run", ">accuracy", ">95 % interval", ">pictures", ">loss", ">epochs", ">time"]
    print_table(
        columns,
        [
            (
                trial.name,
                percent(trial.accuracy, 2),
                " … ".join(map(percent, trial.interval)),
                f"{trial.n:,}",
                f"{trial.loss:.4f}",
                str(trial.epochs),
                f"{trial.seconds:.0f} s",
            )
            for trial in found.trials
        ],
    )
    if spread is not None:
        if spread.deviation is not None and spread.interval is not None:
            low, high = spread.interval
            _echo(
                f"Accuracy over {spread.trials} {word}: {percent(spread.mean, 2)} ± {100 * spread.deviation:.2f} "
                f"points (standard deviation), {percent(spread.low, 2)} to {percent(spread.high, 2)}; 95 % "
                f"interval of the mean {percent(low, 2)} to {percent(high, 2)}."
            )
        share = spread.pictures
        low, high = share.interval
        what = "All held-out pictures together" if word == "folds" else "The pictures measured on"
        _echo(
            f"{what}: {share.n:,}, {percent(share.accuracy, 2)} right, 95 % interval {percent(low)} to {percent(high)}."
        )
        _echo(found.note)
        if spread.trials > 1:
            _print_classes(found)
    for name, reason in (document.failed or {}).items():
        _echo(f"{name} failed: {reason}")
    if found.state != "finished":
        _echo(
            f"{len(found.trials)} of {document.plan.count} are finished. The same command goes on from here and keeps "
            "them."
        )
    click.echo(f"Time:    {document.seconds:.0f} s in all")
    click.echo(printable(f"Summary: {found.path}\nFigure:  {found.path / 'repeat.png'}"))
    if spread is not None and word == "seeds":
        click.echo(printable(f"Next:    striate compare {found.path.name} RUN"))


def _print_classes(found: Repeated) -> None:
    from striate.cli.screen import print_table
    from striate.drawing import percent

    rows = list(found.spread.classes) if found.spread else []
    if len(rows) > SHOWN:
        click.echo(f"\nThe {SHOWN} of {len(rows)} classes whose recall spreads most:")
        rows = sorted(rows, key=lambda row: row.low - row.high)[:SHOWN]
    print_table(
        ["class", ">recall", ">± deviation", ">least", ">most"],
        [
            (row.name, percent(row.mean), f"{100 * (row.deviation or 0):.1f}", percent(row.low), percent(row.high))
            for row in rows
        ],
    )


def _echo(text: str) -> None:
    click.echo(printable(click.wrap_text(text, 98, subsequent_indent="  ")))
