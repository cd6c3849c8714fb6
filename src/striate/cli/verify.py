"""striate verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from striate.cli import options
from striate.errors import to_printable


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("runs", nargs=-1, metavar="[RUN…]")
@click.option(
    "--runs", "folder", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
@options.as_json
@options.debug
def verify(runs: tuple[str, ...], folder: Path, as_json: bool, debug: bool) -> int:
    """Compare every file of RUN with the checksum that was taken when it was written; exit code 1 if one has changed.

    RUN is a run or a classifier's folder; without one, all runs are looked at.

    The same without Striate:  cd RUN && sha256sum --check SHA256SUMS
    """
    from striate.cli.console import print_json
    from striate.runs.store import RunStore
    from striate.system.checksums import has_checksums

    store = RunStore(folder)
    found = [Path(name) if has_checksums(Path(name)) else store.find(name).path for name in runs]
    rows = [_verify_folder(path) for path in found or [run.path for run in store.list()]]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            click.echo(to_printable(_format_row(row)))
    return int(any(row["damaged"] for row in rows))


def _verify_folder(path: Path) -> dict[str, Any]:
    """Returns a folder's row: whether it has checksums, and the files that differ from them."""
    from striate.errors import RunError
    from striate.system.checksums import CHECKSUM_FILE, find_damaged_files, has_checksums

    if not has_checksums(path):
        return {"folder": str(path), "sealed": False, "damaged": []}
    try:
        wrong = [one._asdict() for one in find_damaged_files(path)]
    except RunError:
        wrong = [{"name": CHECKSUM_FILE, "state": "changed"}]
    return {"folder": str(path), "sealed": True, "damaged": wrong}


def _format_row(row: dict[str, Any]) -> str:
    if not row["sealed"]:
        return f"{row['folder']}: no seal: unfinished, or from a version that had none"
    said = ", ".join(f"{one['name']} ({one['state']})" for one in row["damaged"])
    return f"{row['folder']}: {said or 'whole'}"
