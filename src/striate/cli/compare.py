"""striate compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options
from striate.errors import printable

if TYPE_CHECKING:
    from striate.evaluation.compare import Comparison


@click.command(context_settings=options.CONTEXT)
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN…")
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Where the curves are drawn.")
@options.runs
@options.common
def compare(names: tuple[str, ...], png: Path | None, runs: Path, as_json: bool, quiet: bool, debug: bool) -> int:
    """Set runs side by side: what differs in their settings, how good they are, whether the difference is real."""
    from striate.cli.screen import print_json
    from striate.evaluation import plots
    from striate.evaluation.compare import compare as compare_runs
    from striate.runs import RunStore

    if len(names) < 2:
        raise click.UsageError("Two runs or more are needed to compare.")
    store = RunStore(runs)
    contenders = [store.find(name).contender() for name in names]
    found = compare_runs(contenders)
    png = png or runs / f"compare-{'-'.join(one.name for one in contenders)[:80]}.png"
    png.parent.mkdir(parents=True, exist_ok=True)
    plots.save(plots.compared_curves({one.name: one.epochs for one in contenders}), png)
    if as_json:
        print_json({**found.summary(), "plot": str(png)})
    else:
        _print(found)
        click.echo(printable(f"Curves:  {png}"))
    return 0


def _print(found: Comparison) -> None:
    from striate.cli.screen import print_table
    from striate.evaluation.plots import percent

    columns = ["run", ">test accuracy", ">95 % interval", ">loss"]
    columns += [">train − val", ">epochs", ">weights", ">seconds"]
    print_table(
        columns,
        [
            (
                one.name,
                f"{one.report.accuracy:.2%}".replace("%", " %"),
                f"{percent(one.report.interval[0])} … {percent(one.report.interval[1])}",
                f"{one.report.loss:.4f}",
                f"{one.gap:+.2%}".replace("%", " %"),
                f"{len(one.epochs)}",
                f"{one.parameters:,}",
                f"{one.seconds:.0f}",
            )
            for one in found.contenders
        ],
    )
    click.echo(
        "train − val: accuracy on training minus validation pictures in the last epoch; large means overfitting.\n"
    )
    if found.differing:
        rows = [(name.replace("_", " "), *values) for name, values in found.differing.items()]
        print_table(["setting", *(one.name for one in found.contenders)], rows)
    for pair in found.pairs:
        click.echo(printable(f"{pair.a} → {pair.b}: {pair.verdict}"))
        if pair.paired:
            click.echo(
                f"  difference {pair.paired.difference:+.2%}, 95 % interval {pair.paired.interval.low:+.2%} to "
                f"{pair.paired.interval.high:+.2%}; McNemar p = {pair.paired.p_value:.2g} "
                f"({pair.paired.only_first:,} pictures right only in the first, "
                f"{pair.paired.only_second:,} only in the second)".replace("%", " %")
            )
