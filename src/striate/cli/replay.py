"""striate replay."""

from __future__ import annotations

from pathlib import Path

import click

from striate.cli import options
from striate.errors import printable


@click.command(context_settings=options.CONTEXT)
@click.argument("run")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("replay.html"),
    show_default=True,
    help="The page.",
)
@options.runs
@options.common
def replay(run: str, html: Path, runs: Path, as_json: bool, quiet: bool, debug: bool) -> None:
    """Put the training of RUN on a slider: what the network made of the same pictures after each epoch.

    The training must have been recorded: striate train DATA --replay.
    """
    from striate.cli.screen import print_json
    from striate.explain.replay import NAME, load_replay
    from striate.explain.replay_page import save_replay_page
    from striate.store import RunStore

    found = RunStore(runs).find(run)
    recorded, history = load_replay(found.file(NAME)), found.history
    save_replay_page(html, found.name, recorded, history.epochs, history.kept)
    if as_json:
        print_json({"run": str(found.path), "epochs": recorded.epochs.tolist(), "html": str(html)})
    else:
        click.echo(printable(f"{len(recorded.epochs):,} epochs.\nReplay:  {html}"))
