"""striate export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.workflows.export import Exported

EXPORT_FORMATS = ("onnx", "litert", "saved_model", "keras", "openvino", "triton", "tf_serving")


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.option(
    "--format", "kind", type=click.Choice(EXPORT_FORMATS), default="onnx", show_default=True, help="What is written."
)
@click.option("--out", type=click.Path(path_type=Path), help="The file or folder  [default: RUN/exported/…].")
@click.option("--int8", is_flag=True, help="Quantise: smaller and faster, and the accuracy before and after is told.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Images at once  [default: any number].")
@click.option("--data", metavar="DATA", help="Labeled images to compare on instead of the run's own.")
@options.runs
@options.add_common_options
def export(
    run: str,
    kind: str,
    out: Path | None,
    int8: bool,
    batch: int | None,
    data: str | None,
    runs: Path,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Write the classifier of RUN as one file for another program: class names and preprocessing inside.

    Its predictions are compared with the classifier's on real images; a file that answers otherwise is not kept, and
    the exit code is 1. Images go in as uint8 in 0..255, probabilities come out.
    """
    options.configure_backend(
        "tensorflow", "cpu"
    )  # from whose graphs the formats are written, whatever trained the run
    from striate.cli.classifier_arg import locate_classifier as found_in
    from striate.cli.console import create_progress, print_json
    from striate.config import to_plain
    from striate.exporters.verification import ParityError
    from striate.workflows.export import export as write

    place = found_in(run, runs)
    what = place.run or place.load()
    try:
        found = write(
            what, kind, out, data=data, batch=batch, int8=int8, progress=create_progress(as_json=True, quiet=quiet)
        )
    except ParityError as error:
        print(f"striate: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if as_json:
        print_json(to_plain(found))
    else:
        for line in _describe_export(found):
            click.echo(to_printable(line))
    return 0


def _describe_export(result: Exported) -> list[str]:
    """Returns what was written, in words."""
    from striate.reporting.style import format_percent

    same = result.parity
    changed = f"{same.changed_labels:,} of {same.image_count:,} labels are others"
    lines = [
        f"{result.format}, {result.bytes / 1e6:.2f} MB: its probabilities are at most {same.max_abs_difference:.1g} "
        f"from the classifier's; {changed}."
    ]
    if result.int8 is not None:
        cost = result.int8
        before, after = (
            f"{format_percent(one.accuracy)} [{format_percent(one.interval.low)}, {format_percent(one.interval.high)}]"
            for one in (cost.before, cost.after)
        )
        lines.append(
            f"Accuracy on {cost.pictures:,} images: {before} before, {after} in int8; the difference is "
            f"{cost.difference:+.2%} [{cost.interval.low:+.2%}, {cost.interval.high:+.2%}]."
        )
    return [*lines, f"Written:  {result.file}"]
