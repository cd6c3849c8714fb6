"""striate compare."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.evaluation.comparison.compare import Comparison
    from striate.evaluation.comparison.paired_test import PairwiseResult


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN…")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the page is written  [default: beside the runs].",
)
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Where the curves are drawn.")
@click.option("--time", "is_timed", is_flag=True, help="Measure how long a prediction takes, now and on this machine.")
@options.runs
@options.add_common_options
def compare(
    names: tuple[str, ...],
    html: Path | None,
    png: Path | None,
    is_timed: bool,
    runs: Path,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Set runs side by side: what differs in their settings, how good they are, whether the difference is real.

    Runs that differ in nothing but the seed are one group; the name of what striate repeat made stands for all its
    runs. Every two are tested on the same test images; runs measured on others are refused.
    """
    from striate.cli.console import create_progress, print_json
    from striate.evaluation.comparison import comparison_page
    from striate.reporting.figures import save_figure
    from striate.runs.store import RunStore
    from striate.workflows.compare import compare_runs, expanded, save_comparison_page

    store = RunStore(runs)
    chosen = [run for name in names for run in expanded(store, name)]
    if len(chosen) < 2:
        raise click.UsageError("Two runs or more are needed to compare.")
    shown = create_progress(as_json=as_json, quiet=quiet)
    found = compare_runs(chosen, is_timed=is_timed, progress=shown)
    stem = "compare-" + re.sub(r"[^\w.+-]+", "-", "-".join(group.name for group in found.groups))[:80]
    html, png = html or runs / f"{stem}.html", png or runs / f"{stem}.png"
    for path in (html, png):
        path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(comparison_page.draw_comparison_curves(found), png)
    command = shlex.join(["striate", "compare", *sys.argv[2:]])
    missing = save_comparison_page(html, found, chosen, command=command, progress=shown)
    if as_json:
        print_json({**found.to_dict(), "plot": str(png), "page": str(html), "missing_images": missing or None})
        return 0
    _print_comparison(found)
    if missing:
        click.echo(to_printable(f"The page lists images by name only: {missing}"))
    click.echo(to_printable(f"Page:    {html}\nCurves:  {png}"))
    return 0


def _print_comparison(comparison: Comparison) -> None:
    from striate.cli.console import print_table
    from striate.evaluation.comparison.comparison_page import build_comparison_table, format_lead

    columns = ["", *(f">{group.name}" for group in comparison.groups)]
    print_table(columns, [(name, *cells) for name, cells in build_comparison_table(comparison).items()])
    click.echo("training − validation: difference of accuracy in the last epoch; large means overfitting.\n")
    if differing := comparison.differing_group_settings:
        rows = [(name.replace("_", " "), *values) for name, values in differing.items()]
        print_table(["setting", *(group.name for group in comparison.groups)], rows)
    if not comparison.pairs:
        _echo_wrapped(format_lead(comparison))
    for pair in comparison.pairs:
        _print_pair(pair, several=len(comparison.pairs) > 1)
    for note in comparison.notes:
        _echo_wrapped(note)


def _print_pair(pair: PairwiseResult, *, several: bool) -> None:
    from striate.evaluation.comparison.paired_test import format_points, format_recalls

    _echo_wrapped(pair.sentence)
    adjusted = f" (adjusted {pair.adjusted_p_value:.2g})" if several else ""
    test = "McNemar" if not pair.has_several_seeds else "t-test over images and seeds"
    _echo_wrapped(f"  {test} p = {pair.paired_difference.p_value:.2g}{adjusted}; {pair.counts}")
    for row in pair.classes:
        if row.is_significant:
            _echo_wrapped(
                f"  {row.name}: recall {format_recalls(row)} ({format_points(row.difference)}, p = {row.p_value:.2g})"
            )


def _echo_wrapped(text: str) -> None:
    click.echo(to_printable(click.wrap_text(text, 98, subsequent_indent="  ")))
