"""striate repeat."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.cli.options import add_training_options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.studies.repeat import RepeatManifest, RepeatResult

EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 130}
MAX_CLASSES_SHOWN = 30  # classes shown; of more, those found least often


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("data")
@click.option("--seeds", type=click.IntRange(min=2), metavar="N", help="So many seeds, on one division.  [default: 5]")
@click.option(
    "--folds", type=click.IntRange(2, 100), metavar="K", help="The folds of a cross-validation instead of seeds."
)
@add_training_options
@click.option("--name", help="Name of the folder  [default: seeds-<data> or folds-<data>].")
@options.runs
@options.on
@options.add_artifacts_option("none", "Pages and plots of each training")
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
def repeat(
    data: str,
    seeds: int | None,
    folds: int | None,
    arch: str | None,
    size: str | None,
    grayscale: bool | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **settings: Any,
) -> int:
    """Train the same several times, and tell how far the results lie apart.

    With --seeds, on one division of the images: what chance in initial weights, order and augmentation makes. With
    --folds, a stratified cross-validation: every image is measured once, by a classifier trained without it; a test
    split that the data brings along stays unseen. Every training is an ordinary run in the folder. The same command
    again goes on where it stopped; seeds may be added.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.studies.repeat import cross_validate
    from striate.studies.repeat import repeat as train_again

    if seeds is not None and folds is not None:
        raise click.UsageError("--seeds and --folds are two kinds of repetition: choose one.")
    changes = options.build_recipe_overrides(size, grayscale, settings)
    common: dict[str, Any] = {
        "architecture": arch,
        "progress": create_progress(as_json=as_json, quiet=quiet),
        "command": shlex.join(["striate", "repeat", *sys.argv[2:]]),
        **changes,
    }
    found = (
        train_again(data, seeds=seeds or 5, **common) if folds is None else cross_validate(data, folds=folds, **common)
    )
    if as_json:
        print_json(found.to_dict())
    else:
        print_repeat_result(found)
    return EXIT_CODES[found.manifest.state]


def print_repeat_result(result: RepeatResult) -> None:
    """Prints every training, what they have in common, and where everything lies."""
    from striate.cli.console import print_table
    from striate.reporting.style import format_percent

    document = result.manifest
    rows = [
        (
            one.run,
            format_percent(one.accuracy, 2),
            " … ".join(map(format_percent, one.interval)),
            f"{one.n:,}",
            f"{one.seconds:.0f}",
        )
        for one in document.rows
    ]
    print_table(["run", ">accuracy", ">95 % interval", ">images", ">seconds"], rows)
    if document.accuracy is not None:
        _print_class_recalls(document)
        for line in describe_repeats(document):
            click.echo(click.wrap_text(line, 98, subsequent_indent="  "))
    for name, reason in (document.failures or {}).items():
        click.echo(to_printable(f"{name} failed: {reason}"))
    if document.state == "interrupted":
        click.echo("Interrupted. The same command goes on from here and keeps the finished runs.")
    click.echo(to_printable(f"Folder:  {result.path}"))
    if document.accuracy is not None:
        click.echo(to_printable(f"Figure:  {result.path / 'repeated.png'}"))


def describe_repeats(document: RepeatManifest) -> list[str]:
    """Returns what the trainings say together."""
    from striate.reporting.style import format_percent

    accuracy, kind = document.accuracy, document.plan.kind
    assert accuracy is not None  # noqa: S101
    if accuracy.std is None or accuracy.interval is None:
        return [f"One training so far: {format_percent(accuracy.mean, 2)}."]
    low, high = accuracy.interval
    first = (
        f"Mean of {len(document.rows)} {kind}: {format_percent(accuracy.mean, 2)} ± "
        f"{100 * accuracy.std:.2f} points "
        f"(standard deviation), from {format_percent(accuracy.minimum, 2)} to {format_percent(accuracy.maximum, 2)}; "
        "95 % interval of "
        f"the mean {format_percent(low, 2)} to {format_percent(high, 2)}."
    )
    if document.pooled_accuracy is None:
        return [first, "All on the same test images: it says what another seed would give, not other images."]
    low, high = document.pooled_accuracy.interval
    return [
        first,
        f"All {document.pooled_accuracy.n:,} images, each answered by a classifier trained without it: "
        f"{format_percent(document.pooled_accuracy.accuracy, 2)} rightly (95 % interval {format_percent(low, 2)} to "
        f"{format_percent(high, 2)}).",
        "The folds' trainings share most of their images, so their spread is an estimate with no unbiased variance "
        "(Bengio and Grandvalet 2004); the interval of the mean is widened for that (Nadeau and Bengio 2003).",
    ]


def _print_class_recalls(document: RepeatManifest) -> None:
    from striate.cli.console import print_table
    from striate.reporting.style import format_percent

    found = sorted(zip(document.classes, document.recalls, strict=True), key=lambda one: one[1].mean)
    if len(found) > MAX_CLASSES_SHOWN:
        click.echo(f"\nThe {MAX_CLASSES_SHOWN} of {len(found)} classes that are found least often:")
    rows = [
        (
            name,
            format_percent(one.mean),
            "" if one.std is None else f"{100 * one.std:.1f}",
            f"{format_percent(one.minimum)} … {format_percent(one.maximum)}",
        )
        for name, one in found[:MAX_CLASSES_SHOWN]
    ]
    print_table(["class", ">mean recall", ">± deviation", ">range"], rows)
