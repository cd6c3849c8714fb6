"""striate data."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.data.image_set import ImageSet
    from striate.data.loaders.folder import NestedMode
    from striate.data.shards import ShardFormat
    from striate.data_checks.finding import Finding
    from striate.workflows.inspect_data import Examined

IMAGES_PER_STRIP = 7  # images per class in the terminal, 12 columns wide each
MAX_CLASSES_SHOWN = 40  # classes listed in the terminal
MAX_FILES_SHOWN = 10  # files, or sets of them, listed under a finding


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("data")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the page is written; by default NAME-data.html.",
)
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Draw a contact sheet, too.")
@click.option("--label-issues", is_flag=True, help="Find label issues as well: trains four models.")
@click.option("--recipe", default="default", show_default=True, help="How those are trained: see striate recipes.")
@click.option(
    "--fix",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Write what to leave out or relabel as a CSV table, for --corrections; NAME-corrections.csv without a name.",
)
@click.option(
    "--shard",
    metavar="OUT",
    help="Write the images in shards instead, with a manifest: to a folder, or to s3://BUCKET/PREFIX.",
)
@click.option(
    "--as", "form", type=click.Choice(["parquet", "webdataset"]), default="parquet", show_default=True, help="Of those."
)
@click.option(
    "--shard-size", type=click.IntRange(min=1), default=256, show_default=True, metavar="MB", help="Of a shard."
)
@options.corrections
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
def data(
    data: str,
    page: Path | None,
    png: Path | None,
    label_issues: bool,
    recipe: str,
    fix: str | None,
    shard: str | None,
    form: ShardFormat,
    shard_size: int,
    nested: NestedMode | None,
    corrections: Path | None,
    data_dir: Path | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Look at DATA and check it before training, and write a page about it.

    Every image is decoded once. Found are unreadable files, copies (also re-encoded, resized, brightened and mirrored
    ones), copies in several splits or under two labels, odd classes, images unlike the rest, and what tells the class
    though it should not. Nothing of the data is changed: --fix writes a list that train, ladder and evaluate honour.
    The exit code is 1 when something is wrong that would make accuracies a lie.
    """
    if shard is not None:
        return _write_shards(
            data,
            shard,
            form,
            shard_size << 20,
            nested=nested or "top",
            corrections=corrections,
            data_dir=data_dir,
            as_json=as_json,
            quiet=quiet,
        )
    if label_issues:
        options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.data.contact_sheet import save_contact_sheet
    from striate.data.corrections import save_corrections
    from striate.workflows.inspect_data import examine

    shown = create_progress(as_json=as_json, quiet=quiet)
    found = examine(
        data,
        suspects=label_issues,
        recipe=recipe,
        nested=nested or "top",
        corrections=corrections,
        data_dir=data_dir,
        progress=shown,
    )
    stem = Path(found.images.name).name
    page = page or Path(f"{stem}-data.html")
    found.save_page(page, command=shlex.join(["striate", "data", *sys.argv[2:]]))
    if png is not None:
        save_contact_sheet(found.images, png)
    table = None if fix is None else Path(fix or f"{stem}-corrections.csv")
    if table is not None:
        save_corrections(found.corrections(), table)
    if as_json:
        print_json(_build_summary(found, page, table))
    else:
        _print_overview(found.images)
        for name, value in found.statistics.describe() if found.statistics else []:
            click.echo(to_printable(f"{name:22} {value}"))
        _print_findings(found.findings)
        click.echo(to_printable(f"Page:         {page}"))
        if table is not None:
            click.echo(
                to_printable(f"Corrections:  {table}; look through it, then: striate train … --corrections {table}")
            )
    return 1 if any(finding.severity == "error" for finding in found.findings) else 0


def _write_shards(
    data: str,
    out: str,
    shard_format: ShardFormat,
    size: int,
    *,
    nested: NestedMode,
    corrections: Path | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Writes the images in shards, and tells which."""
    from striate.cli.console import create_progress, print_json
    from striate.data.corrections import apply_corrections, load_corrections
    from striate.data.loaders.load import load_images
    from striate.data.shards import write_shards

    shown = create_progress(as_json=as_json, quiet=quiet)
    images = load_images(data, data_dir=data_dir, nested=nested, progress=shown)
    if corrections is not None:
        images = apply_corrections(images, load_corrections(corrections))
    written = write_shards(images, out, shard_format=shard_format, shard_bytes=size, progress=shown)
    if as_json:
        print_json({"out": out, "manifest": written})
    else:
        size, number = sum(one.bytes for one in written.shards), len(written.shards)
        shards = f"{number} shard{'s' * (number != 1)}, {size / 1e6:,.1f} MB"
        click.echo(to_printable(f"{written.image_count:,} images in {shards}: {out}"))
        click.echo(to_printable(f"Train on them with:  striate train {shlex.quote(out)}"))
    return 0


def _build_summary(result: Examined, page: Path, corrections_path: Path | None) -> dict[str, Any]:
    return {
        "name": result.images.name,
        "classes": result.images.count_by_class(),
        "splits": _count_splits(result.images),
        "statistics": result.statistics,
        "findings": result.findings,
        "shortcuts": result.inspection.shortcuts,
        "page": str(page),
        "corrections": corrections_path and str(corrections_path),
    }


def _print_findings(findings: list[Finding]) -> None:
    for finding in findings:
        click.echo(to_printable(f"{finding.severity}: {finding.message}. To do: {finding.fix}."))
        lines = [" = ".join(one) for one in finding.file_groups] or list(finding.files)
        for line in lines[:MAX_FILES_SHOWN]:
            click.echo(to_printable(f"    {line}"))
        if len(lines) > MAX_FILES_SHOWN:
            click.echo(f"    … {len(lines) - MAX_FILES_SHOWN:,} more; --json lists them")
    if not findings:
        click.echo("Nothing was found that would mislead a training.")


def _count_splits(images: ImageSet) -> dict[str, int]:
    """Returns split → images; `undivided` for those that training would divide itself."""
    import numpy as np

    names, numbers = np.unique(images.splits, return_counts=True)
    return {name or "undivided": int(number) for name, number in zip(names.tolist(), numbers, strict=True)}


def _print_overview(images: ImageSet) -> None:
    from rich.console import Console

    from striate.cli.console import print_table, render_bar, render_image_strip
    from striate.data.contact_sheet import sample_class_images

    counts = images.count_by_class()
    parts = ", ".join(f"{number:,} {name}" for name, number in _count_splits(images).items())
    click.echo(to_printable(f"{images.name}: {len(images):,} images ({parts}), {len(counts)} classes"))
    largest = max(counts.values())
    rows: list[tuple[Any, ...]] = [
        (name, f"{number:,}", render_bar(number / largest)) for name, number in list(counts.items())[:MAX_CLASSES_SHOWN]
    ]
    print_table(["class", ">images", ""], rows)
    if len(counts) > MAX_CLASSES_SHOWN:
        click.echo(f"… and {len(counts) - MAX_CLASSES_SHOWN} classes more")
    console = Console()
    if console.is_terminal and console.color_system in ("truecolor", "256"):
        for label, name in enumerate(images.classes[:10]):
            console.print(to_printable(name), markup=False, highlight=False)
            strip = render_image_strip(
                sample_class_images(images, label, min(IMAGES_PER_STRIP, (console.width + 1) // 13), side=12)
            )
            console.print(strip, end="")
