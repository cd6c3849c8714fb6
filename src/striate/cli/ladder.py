"""striate ladder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.data.loaders.folder import NestedMode
    from striate.studies.ladder_result import Ladder, Rung

EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 130}


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("data")
@click.option("--architectures", metavar="A,B,C", help="Architectures in their order, see striate models.")
@click.option("--epochs", type=int, help="Every model's budget in passes over the training images.")
@click.option("--minutes", type=float, help="Every model's budget in minutes instead.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Runs per model; they share one split.")
@click.option("--seed", type=int, help="The first run's, and the split's.")
@options.recipe
@options.batch
@options.learning_rate
@options.size
@options.grayscale
@options.augment
@options.precision
@options.add_split_options
@click.option("--name", help="Name of the ladder's folder  [default: ladder-<data>].")
@options.runs
@options.on
@options.add_artifacts_option("none", "Pages and plots of each training")
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
def ladder(
    data: str,
    architectures: str | None,
    seeds: int,
    recipe: str,
    size: str | None,
    grayscale: bool | None,
    validation: float,
    test: float,
    max_broken: float,
    nested: NestedMode | None,
    corrections: Path | None,
    allow_leaks: bool,
    name: str | None,
    runs: Path,
    on: str | None,
    artifacts: tuple[str, ...],
    data_dir: Path | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **settings: Any,
) -> int:
    """Train one model after the other on DATA with the same budget: the history of the field on your own images.

    Without --architectures: mlp, lenet, alexnet, vgg-small, googlenet and resnet20 on images of up to 64 pixels; vgg11
    and resnet18 in their places on larger ones. Every run is an ordinary one in the ladder's folder. The same command
    again resumes the ladder and keeps finished runs; architectures and seeds may be added.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.studies.ladder import ladder as climb

    changes = options.build_recipe_overrides(size, grayscale, settings)
    found = climb(
        data,
        rungs=None if architectures is None else [word.strip() for word in architectures.split(",") if word.strip()],
        seeds=seeds,
        recipe=recipe,
        name=name,
        runs=runs,
        on=on,
        artifacts=artifacts,
        data_dir=data_dir,
        validation=validation,
        test=test,
        max_broken=max_broken,
        nested=nested or "top",
        corrections=corrections,
        allow_leaks=allow_leaks,
        progress=create_progress(as_json=as_json, quiet=quiet),
        command=shlex.join(["striate", "ladder", *sys.argv[2:]]),
        **changes,
    )
    if as_json:
        print_json(found.summary())
    else:
        print_ladder(found)
    return EXIT_CODES[found.state]


def print_ladder(result: Ladder) -> None:
    """Prints the table, which differences are real, what failed, and where everything lies."""
    from striate.cli.console import print_table

    several = result.document.plan.seeds > 1
    trained = [rung for rung in result.rows if rung.accuracy is not None]
    spread = ">± deviation" if several else "95 % interval"
    columns = ["network", ">year", ">accuracy", spread, ">s/epoch", ">weights", ">mult-adds", ">ms/picture"]
    print_table(columns, map(_format_row, result.rows))
    if trained:
        seeds = f", mean and standard deviation over {result.document.plan.seeds} seeds" if several else ""
        epochs = sorted({rung.epochs for rung in trained if rung.epochs is not None})
        span = f"{epochs[0]:.3g}" + (f" to {epochs[-1]:.3g}" if len(epochs) > 1 else "")
        click.echo(f"Accuracy on {trained[0].n:,} test images{seeds}; epochs: {span}.")
    for line in _describe_steps(result):
        click.echo(click.wrap_text(line, 98, subsequent_indent="  "))
    for rung in result.rows:
        if rung.reason:
            click.echo(to_printable(f"{rung.architecture} failed: {rung.reason}"))
    if result.state == "interrupted":
        click.echo("Interrupted. The same command goes on from here and keeps the finished runs.")
    elif result.state == "failed":
        click.echo("The same command tries what failed once more and keeps the finished runs.")
    click.echo(to_printable(f"Ladder:  {result.path}\nFigure:  {result.path / 'ladder.png'}"))


def _format_row(row: Rung) -> list[str]:
    from striate.reporting.style import format_percent
    from striate.studies.ladder_plot import scaled

    first = [row.architecture, str(row.year)]
    if row.accuracy is None:
        return [*first, "failed" if row.reason else "not yet", *[""] * 5]
    if row.interval is not None:
        spread = " … ".join(format_percent(end, 2).removesuffix(" %") for end in row.interval)
    else:
        spread = "one run only" if row.deviation is None else f"{100 * row.deviation:.2f}"
    return [
        *first,
        format_percent(row.accuracy, 2),
        spread,
        f"{row.seconds_per_epoch:.1f}",
        scaled(row.parameters or 0),
        scaled(row.multiply_adds or 0),
        "" if row.milliseconds is None else f"{row.milliseconds:.2g}",
    ]


def _describe_steps(result: Ladder) -> list[str]:
    """Returns one line of the steps that are real, and one of those that are not."""
    several = result.document.plan.seeds > 1
    real: list[str] = []
    unreal: list[str] = []
    for step in result.steps:
        words = f"{step.a} → {step.b} {100 * step.difference:+.2f} points"
        (real if step.better else unreal).append(words)
    test = "McNemar's test, p < 0.05" + (" with every seed" if several else "")
    return [
        *([f"Real ({test}): {'; '.join(real)}."] if real else []),
        *([f"Cannot be told apart: {'; '.join(unreal)}."] if unreal else []),
    ]
