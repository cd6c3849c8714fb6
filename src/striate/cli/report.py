"""striate report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options

if TYPE_CHECKING:
    from striate.data.loaders.folder import NestedMode


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.argument("data", required=False)
@click.option(
    "--artifacts",
    type=options.ArtifactNames(),
    default="all",
    show_default=True,
    help="What to make: all, or names among report, plots and inside.",
)
@options.runs
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
def report(
    run: str,
    data: str | None,
    artifacts: tuple[str, ...],
    runs: Path,
    nested: NestedMode | None,
    data_dir: Path | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Make the report, the plots and the other pages of RUN, as its training would have made them.

    The trainings of a study (ladder, repeat, learning-curve, tune) leave them out, and so does
    striate train --artifacts none. They are made from the predictions that the run keeps and from its test images,
    which are looked up where they came from, or in DATA. Nothing is predicted again, so test_access.csv is
    not changed.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.errors import to_printable
    from striate.workflows.report import write_report

    paths = write_report(
        run,
        artifacts,
        data=data,
        runs=runs,
        data_dir=data_dir,
        nested=nested,
        progress=create_progress(as_json=as_json, quiet=quiet),
    )
    if as_json:
        print_json({"run": run, "files": [str(path) for path in paths]})
    else:
        for path in paths:
            click.echo(to_printable(str(path)))
    return 0
