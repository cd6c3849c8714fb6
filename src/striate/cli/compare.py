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
    from striate import drawing
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
    drawing.save(plots.compared_curves({one.name: one.epochs for one in contenders}), png)
    if as_json:
        print_json({**found.summary(), "plot": str(png)})
    else:
        _print(found)
        click.echo(printable(f"Curves:  {png}"))
    return 0


def _print(found: Comparison) -> None:
    from striate.cli.screen import print_table
    from striate.drawing import percent

    table: dict[str, list[str]] = {
        "test accuracy": [percent(one.report.accuracy, 2) for one in found.contenders],
        "95 % interval": [" … ".join(map(percent, one.report.interval)) for one in found.contenders],
        "test pictures": [f"{one.report.n:,}" for one in found.contenders],
        "loss": [f"{one.report.loss:.4f}" for one in found.contenders],
        "training − validation": [_points(one.gap) for one in found.contenders],
        "epochs": [str(len(one.epochs)) for one in found.contenders],
        "weights": [f"{one.parameters:,}" for one in found.contenders],
        "training time": [f"{one.seconds:.0f} s" for one in found.contenders],
    }
    columns = ["", *(f">{one.name}" for one in found.contenders)]
    print_table(columns, [(name, *values) for name, values in table.items()])
    click.echo("training − validation: difference of accuracy in the last epoch; large means overfitting.\n")
    if found.differing:
        rows = [(name.replace("_", " "), *values) for name, values in found.differing.items()]
        print_table(["setting", *(one.name for one in found.contenders)], rows)
    for pair in found.pairs:
        click.echo(printable(f"{pair.a} → {pair.b}: {pair.verdict}"))
        if pair.paired:
            low, high = pair.paired.interval
            click.echo(
                f"  {_points(pair.paired.difference)}, 95 % interval {_points(low)} to {_points(high)}; "
                f"McNemar p = {pair.paired.p_value:.2g} ({pair.paired.only_first:,} pictures right only in the first, "
                f"{pair.paired.only_second:,} only in the second)"
            )


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f} points"
