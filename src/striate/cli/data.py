"""striate data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import printable

if TYPE_CHECKING:
    from striate.images.imageset import ImageSet

STRIP = 7  # pictures per class in the terminal, 12 columns wide each
MOST = 40  # classes listed in the terminal


@click.command(context_settings=options.CONTEXT)
@click.argument("data")
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Where the contact sheet is drawn.")
@options.data_dir
@options.common
def data(data: str, png: Path | None, data_dir: Path | None, as_json: bool, quiet: bool, debug: bool) -> int:
    """Look at DATA and check it before training: classes, balance, unreadable files, a contact sheet.

    Every file is decoded once. The exit code is 1 when something is wrong that would stop a training.
    """
    from striate.cli.screen import print_json, progress
    from striate.images.check import check, indivisible, unreadable
    from striate.images.contact_sheet import contact_sheet
    from striate.images.sources.load import load_images

    shown = progress(as_json=as_json, quiet=quiet)
    images = load_images(data, data_dir=data_dir, progress=shown)
    findings = [*indivisible(images), *check(images, unreadable(images, progress=shown))]
    png = png or Path(f"{Path(images.name).name}-contact-sheet.png")
    contact_sheet(images, png)
    if as_json:
        print_json(
            {
                "name": images.name,
                "classes": images.counts(),
                "splits": _splits(images),
                "findings": findings,
                "contact_sheet": str(png),
            }
        )
    else:
        _print(images)
        for finding in findings:
            click.echo(printable(f"{finding.severity}: {finding.message}. To do: {finding.fix}."))
            for key in finding.files[:10]:
                click.echo(printable(f"    {key}"))
            if len(finding.files) > 10:
                click.echo(f"    … {len(finding.files) - 10:,} more; --json lists them")
        if not findings:
            click.echo("Nothing is wrong with names, numbers and readability.")
        click.echo(printable(f"Contact sheet:  {png}"))
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _splits(images: ImageSet) -> dict[str, int]:
    """Returns split → pictures; `undivided` for those that training would divide itself."""
    import numpy as np

    names, numbers = np.unique(images.given, return_counts=True)
    return {name or "undivided": int(number) for name, number in zip(names.tolist(), numbers, strict=True)}


def _print(images: ImageSet) -> None:
    from rich.console import Console

    from striate.cli.screen import bar, picture_strip, print_table
    from striate.images.contact_sheet import samples

    counts = images.counts()
    parts = ", ".join(f"{number:,} {name}" for name, number in _splits(images).items())
    click.echo(printable(f"{images.name}: {len(images):,} pictures ({parts}), {len(counts)} classes"))
    largest = max(counts.values())
    rows: list[tuple[Any, ...]] = [
        (name, f"{number:,}", bar(number / largest)) for name, number in list(counts.items())[:MOST]
    ]
    print_table(["class", ">pictures", ""], rows)
    if len(counts) > MOST:
        click.echo(f"… and {len(counts) - MOST} classes more")
    console = Console()
    if console.is_terminal and console.color_system in ("truecolor", "256"):
        for label, name in enumerate(images.classes[:10]):
            console.print(printable(name), markup=False, highlight=False)
            strip = picture_strip(samples(images, label, min(STRIP, (console.width + 1) // 13), side=12))
            console.print(strip, end="")
