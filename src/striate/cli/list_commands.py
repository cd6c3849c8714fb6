"""striate datasets, recipes, runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options

if TYPE_CHECKING:
    from striate.runs.run import Run


@click.command(context_settings=options.CONTEXT_SETTINGS)
@options.data_dir
@options.add_common_options
def datasets(data_dir: Path | None, as_json: bool, quiet: bool, debug: bool) -> None:
    """List the data sets known by name, and whether they are on this machine."""
    from striate.cli.console import print_json, print_table
    from striate.data.loaders.builtin import DATASETS, resolve_data_folder

    folder = resolve_data_folder(data_dir)
    rows: list[dict[str, Any]] = [
        {
            "name": row.name,
            "title": row.title,
            "source": row.source,
            "classes": len(row.classes),
            "bytes": sum(file.size or 0 for file in row.files),
            "here": all((folder / row.name / file.name).is_file() for file in row.files),
        }
        for row in DATASETS.values()
    ]
    if as_json:
        print_json(rows)
    else:
        columns = [
            "name",
            "images",
            ">classes",
            ">download",
            "here",
        ]
        print_table(
            columns,
            [
                (
                    row["name"],
                    row["title"],
                    row["classes"],
                    f"{row['bytes'] / 1e6:.0f} MB",
                    "yes" if row["here"] else "no",
                )
                for row in rows
            ],
        )
        click.echo(f"They lie in, or are put into, {folder}")


@click.command(context_settings=options.CONTEXT_SETTINGS)
@options.add_common_options
def recipes(as_json: bool, quiet: bool, debug: bool) -> None:
    """List the recipes that --recipe takes, with all their numbers."""
    from striate.cli.console import print_json, print_table
    from striate.config import to_plain
    from striate.training.presets import RECIPES

    values = {name: to_plain(recipe) for name, recipe in RECIPES.items()}
    if as_json:
        print_json(values)
    else:
        fields = next(iter(values.values()))
        rows = [
            (
                field.replace("_", " "),
                *("from the data" if v[field] is None else v[field] for v in values.values()),
            )
            for field in fields
            if field != "name"
        ]
        print_table(["", *(name for name in values)], rows)


@click.command(context_settings=options.CONTEXT_SETTINGS)
@options.runs
@options.add_common_options
def runs(runs: Path, as_json: bool, quiet: bool, debug: bool) -> None:
    """List the runs, oldest first."""
    from striate.cli.console import print_json, print_table
    from striate.reporting.style import format_percent
    from striate.runs.store import RunStore

    rows = [_build_run_row(run) for run in RunStore(runs).list()]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo(f"There are no runs in {runs}. Try: striate train digits")
    else:
        columns = ["run…", "data", "network", "recipe", ">accuracy", "95 % interval"]
        print_table(
            columns,
            [
                (
                    Path(row["run"]).name + ("" if row["state"] == "finished" else f" ({row['state']})"),
                    row["data"] or "",
                    row["architecture"] or "",
                    row["recipe"] or "",
                    "" if row["accuracy"] is None else format_percent(row["accuracy"], 2),
                    "" if row["interval"] is None else " … ".join(map(format_percent, row["interval"])),
                )
                for row in rows
            ],
        )


def _build_run_row(run: Run) -> dict[str, Any]:
    """Returns what is known of a run; one that is unfinished or damaged must not hide the others."""
    from striate.errors import StriateError

    row: dict[str, Any] = {"run": str(run.path), "state": "damaged"}
    row |= dict.fromkeys(("data", "architecture", "recipe", "accuracy", "interval", "n"))
    try:
        row["state"] = run.state
        row |= {"architecture": run.recipe.architecture, "recipe": run.recipe.name}
        if run.state != "unfinished":
            row["data"] = run.manifest.data["name"]
        if run.state in ("finished", "interrupted"):
            report = run.report
            row |= {"accuracy": report.accuracy, "interval": list(report.interval), "n": report.n}
    except StriateError:
        row["state"] = "damaged"
    return row
