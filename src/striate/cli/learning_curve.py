"""striate learning-curve."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.cli.options import add_training_options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.studies.learning_curve import LearningCurve

EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 130}
MAX_CLASSES_SHOWN = 10  # classes shown: those that gained most from the last doubling


@click.command("learning-curve", context_settings=options.CONTEXT_SETTINGS)
@click.argument("data")
@click.option("--sizes", metavar="A,B,C,D", help="Numbers of training images  [default: all, and five halvings].")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings a size, each on other parts."
)
@add_training_options
@click.option("--name", help="Name of the folder  [default: learning-curve-<data>].")
@options.runs
@options.on
@options.add_artifacts_option("none", "Pages and plots of each training")
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
def learning_curve(
    data: str,
    sizes: str | None,
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
    """Tell how much data is needed: train on growing parts of the training images.

    Accuracy on the test images against the number of training images, the power law that it follows, which classes
    gain most, and what twice as many images would buy. Smaller parts get more epochs. Every training is an ordinary
    run in the folder. The same command again goes on where it stopped; sizes and seeds may be added.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.studies.learning_curve import learning_curve as run_learning_curve

    changes = options.build_recipe_overrides(size, grayscale, settings)
    found = run_learning_curve(
        data,
        sizes=_parse_sizes(sizes),
        architecture=arch,
        progress=create_progress(as_json=as_json, quiet=quiet),
        command=shlex.join(["striate", "learning-curve", *sys.argv[2:]]),
        **changes,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        print_learning_curve(found)
    return EXIT_CODES[found.manifest.state]


def _parse_sizes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() for word in words):
        raise click.BadParameter(f"{text!r} is no list of sizes. Expected: 500,1000,2000,4000.", param_hint="--sizes")
    return [int(word) for word in words]


def print_learning_curve(curve: LearningCurve) -> None:
    """Prints a row per size, which classes gain, what more images would buy, and where everything lies."""
    from striate.cli.console import print_table
    from striate.reporting.style import format_percent

    document = curve.manifest
    rows = [
        (
            f"{one.size:,}",
            format_percent(one.accuracy, 2),
            " … ".join(map(format_percent, one.interval)),
            str(len(one.runs)),
        )
        for one in document.rows
    ]
    print_table([">training images", ">accuracy", ">95 % interval", ">trainings"], rows)
    if gains := curve.compute_recall_gains():
        gained = [
            (name, format_percent(before), format_percent(after)) for name, before, after in gains[:MAX_CLASSES_SHOWN]
        ]
        before, after = document.rows[-2:]
        print_table(["class", f">recall with {before.size:,}", f">with {after.size:,}"], gained)
    if document.rows:
        click.echo(click.wrap_text(curve.format_verdict(), 98))
    for name, reason in (document.failures or {}).items():
        click.echo(to_printable(f"{name} failed: {reason}"))
    if document.state == "interrupted":
        click.echo("Interrupted. The same command goes on from here and keeps the finished runs.")
    click.echo(to_printable(f"Folder:  {curve.path}"))
    if document.rows:
        click.echo(to_printable(f"Figure:  {curve.path / 'learning_curve.png'}"))
