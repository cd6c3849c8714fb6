"""striate sign."""

from __future__ import annotations

from pathlib import Path

import click

from striate.cli import options
from striate.errors import printable

KEY = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings=options.CONTEXT)
@click.argument("run", required=False)
@click.option("--key", type=KEY, required=True, help="A private Ed25519 key, PEM.")
@click.option("--new-key", is_flag=True, help="Make KEY first, and its public half beside it.")
@options.runs
@options.debug
def sign(run: str | None, key: Path, new_key: bool, runs: Path, debug: bool) -> int:
    """Sign the checksums of RUN, a run, and of its classifier, or of a classifier's folder.

    Whoever has the public key can check that they come from you: striate verify RUN --key KEY.pub.pem
    """
    from striate import signature
    from striate.runs.store import RunStore
    from striate.system.checksums import is_sealed

    if run is None and not new_key:
        raise click.UsageError("Missing argument 'RUN'.")
    if new_key:
        click.echo(
            printable(f"Private key, for you alone:  {key}\nPublic key, for others:     {signature.new_key(key)}")
        )
    if run is not None:
        folder = Path(run) if is_sealed(Path(run)) else RunStore(runs).find(run).path
        for place in (folder, folder / "classifier"):
            if place == folder or is_sealed(place):
                click.echo(printable(f"Signed:  {signature.sign(place, key)}"))
    return 0
