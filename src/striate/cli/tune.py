"""striate tune."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.cli.options import add_training_options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.evaluation.report import AccuracyEstimate
    from striate.studies.search.result import Row, Tuned

EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 130}
MAX_TRIALS_SHOWN = 20  # configurations shown; of more, the best


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("data")
@click.option(
    "--search",
    multiple=True,
    metavar="NAME=VALUES",
    help="A setting and where it may lie: batch=32,64 or dropout=0..0.5 or lr=1e-4..1e-2:log. Several times.",
)
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Configurations to try.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings of each that holds its ground."
)
@click.option("--folds", type=click.IntRange(2, 100), metavar="K", help="The same on the folds of a cross-validation.")
@click.option(
    "--eta",
    type=click.IntRange(min=2),
    default=3,
    show_default=True,
    help="Of so many trainings one goes on after 1, eta, eta² … epochs.",
)
@click.option("--no-pruning", is_flag=True, help="Train every configuration to the end.")
@add_training_options
@click.option("--name", help="Name of the folder  [default: tune-<data>].")
@options.runs
@options.on
@options.add_artifacts_option("none", "Pages and plots of each training")
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
def tune(
    data: str,
    search: tuple[str, ...],
    trials: int,
    seeds: int,
    folds: int | None,
    eta: int,
    no_pruning: bool,
    arch: str | None,
    size: str | None,
    grayscale: bool | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **settings: Any,
) -> int:
    """Search for a good recipe on DATA.

    Configurations are chosen by the validation images alone, and trainings that fall behind are ended early. Every
    one is an ordinary run in the folder. The same command again goes on where it stopped; trials may be added.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.studies.search.tune import tune as look_for

    found = look_for(
        data,
        search=search or None,
        trials=trials,
        seeds=seeds,
        folds=folds,
        eta=None if no_pruning else eta,
        architecture=arch,
        progress=create_progress(as_json=as_json, quiet=quiet),
        command=shlex.join(["striate", "tune", *sys.argv[2:]]),
        **options.build_recipe_overrides(size, grayscale, settings),
    )
    if as_json:
        print_json(found.summary())
    else:
        print_search_result(found)
    return EXIT_CODES[found.document.state]


def print_search_result(result: Tuned) -> None:
    """Prints the best configurations, which one to take and what it is worth, and where everything lies."""
    from striate.cli.console import print_table

    document = result.document
    settings = [dimension.name for dimension in document.plan.space.dimensions]
    rows = sorted(document.rows, key=_get_sort_key)
    several = document.plan.repetitions > 1
    columns = ["trial", *settings, ">accuracy", *([">± deviation"] if several else []), ">epochs", ">seconds", "state"]
    if len(rows) > MAX_TRIALS_SHOWN:
        click.echo(f"The {MAX_TRIALS_SHOWN} best of {len(rows)} configurations:")
    print_table(columns, [_format_row(row, settings, several=several) for row in rows[:MAX_TRIALS_SHOWN]])
    for line in describe_search(result):
        click.echo(click.wrap_text(line, 98, subsequent_indent="  "))
    for row in document.rows:
        if row.reason:
            click.echo(to_printable(f"Trial {row.number} failed: {row.reason}"))
    if document.state == "interrupted":
        click.echo("Interrupted. The same command goes on from here and keeps the finished runs.")
    click.echo(to_printable(f"Folder:  {result.path}"))
    if document.best is not None:
        click.echo(to_printable(f"Figure:  {result.path / 'tune.png'}\nRecipe:  {document.best.recipe}"))


def describe_search(result: Tuned) -> list[str]:
    """Returns what the search says."""
    document = result.document
    rows, best = document.rows, document.best
    ended = sum(row.state == "ended early" for row in rows)
    lines = [
        f"{len(rows)} configurations, {ended} of them ended early: {document.seconds / 60:.1f} minutes of training."
    ]
    if best is None:
        return [*lines, "No configuration was trained to its end."]
    lines.append(
        f"Take trial {best.number}: {_format_estimate(best.validation)} validation images, a figure that the "
        "choice has "
        "made too good."
    )
    if best.rivals:
        lines.append(
            f"{best.rivals} more lie within that interval: the difference from it is not statistically significant."
        )
    what = "images of its fold" if document.plan.kind == "folds" else "test images, which chose nothing"
    return [*lines, f"It is right on {_format_estimate(best.test)} {what}."]


def _format_estimate(estimate: AccuracyEstimate) -> str:
    from striate.reporting.style import format_percent

    low, high = estimate.interval
    interval = f"{format_percent(low, 2)} to {format_percent(high, 2)}"
    return f"{format_percent(estimate.accuracy, 2)} ({interval}) of {estimate.n:,}"


def _get_sort_key(row: Row) -> tuple[int, float]:
    order = {"finished": 0, "ended early": 1}.get(row.state, 2)
    return order, -(row.accuracy.mean if row.accuracy is not None else 0.0)


def _format_row(row: Row, settings: list[str], *, several: bool) -> list[str]:
    from striate.reporting.style import format_percent

    accuracy = row.accuracy
    deviation = "" if accuracy is None or accuracy.std is None else f"{100 * accuracy.std:.2f}"
    values = [row.values.get(name, "") for name in settings]
    return [
        str(row.number),
        *(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values),
        "" if accuracy is None else format_percent(accuracy.mean, 2),
        *([deviation] if several else []),
        str(row.epochs or ""),
        f"{row.seconds:.0f}" if row.runs else "",
        row.state,
    ]
