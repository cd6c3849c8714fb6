"""striate predict."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import DataError, to_printable
from striate.system.object_store import is_object_store_url

if TYPE_CHECKING:
    from striate.classifier import Classifier
    from striate.inference.inputs import Input
    from striate.prediction import Prediction

FILE_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.argument("sources", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), help="Show only the K most probable classes.", metavar="K")
@click.option("--csv", "table", type=FILE_PATH, help="Write a table as well.")
@click.option("--jsonl", "lines", type=FILE_PATH, help="Write JSON Lines as well: one document an image.")
@click.option("--resume", is_flag=True, help="Resume the table, lines or --out that a kill left unfinished.")
@click.option("--sort-into", type=click.Path(path_type=Path, file_okay=False), help="Copy images into class folders.")
@click.option(
    "--frame-stride", type=click.IntRange(min=1), default=1, show_default=True, help="Of a video, each Nth frame."
)
@click.option(
    "--smooth",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="Average answers over so much of a video.",
)
@click.option("--annotate", type=FILE_PATH, metavar="FILE.mp4", help="Write the video with its predictions drawn in.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write Parquet instead: for many images, in files, in shards, or in a bucket (s3://…).",
)
@options.on
@options.add_rejection_options
@options.runs
@options.add_backend_options
@options.add_common_options
def predict(
    run: str,
    sources: tuple[str, ...],
    top: int | None,
    table: Path | None,
    lines: Path | None,
    resume: bool,
    sort_into: Path | None,
    frame_stride: int,
    smooth: float,
    annotate: Path | None,
    out: Path | None,
    on: str | None,
    reject_below: float | None,
    target_risk: float | None,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Say what the images SOURCES show, with the classifier of RUN.

    RUN is a run's name or folder, a classifier's folder, or an ONNX file of striate export. SOURCES are files, folders,
    globs, zip and tar archives, .npy and .npz arrays, videos, camera:0, or - for a list of paths on standard input.
    What cannot be read is reported and does not stop the rest. With --reject-below or --target-risk, an image that the
    classifier is not confident enough about gets no class: it abstains. Of videos, every frame is predicted.

    With --out FOLDER any number of images is answered into Parquet, each once whatever dies: SOURCES then are files,
    folders, globs, Parquet tables and tar shards, here or in a bucket ('s3://BUCKET/PREFIX/**'); --on has a Ray cluster
    answer.
    """
    options.configure_backend(backend, device)
    if out is not None:
        _refuse_options_with_out(click.get_current_context())
        limit = options.resolve_threshold(reject_below, target_risk, lambda: _find_run(run, runs))
        return _predict_to_parquet(run, runs, sources, out, on, limit, resume=resume, as_json=as_json, quiet=quiet)
    if on is not None or any(is_object_store_url(source) for source in sources):
        raise click.UsageError("A cluster's answers, and those about a bucket, go into Parquet. Try: --out FOLDER")
    from striate.cli.classifier_arg import load_classifier
    from striate.cli.console import create_progress
    from striate.inference.inputs import resolve_inputs
    from striate.inference.stream import predict_stream

    shown = create_progress(as_json=True, quiet=quiet)
    parts = resolve_inputs(sources, progress=shown)
    limit = options.resolve_threshold(reject_below, target_risk, lambda: _find_run(run, runs))
    classifier = load_classifier(run, runs)
    with contextlib.ExitStack() as open_files:
        annotated = None
        if annotate is not None:
            from striate.inference.video import AnnotatedVideoWriter

            annotated = open_files.enter_context(AnnotatedVideoWriter(annotate, frame_stride))
        skip, takers = _open_outputs(open_files, (table, lines), classifier, parts, resume=resume)
        sorter = None
        if sort_into is not None:
            from striate.inference.output_files import ImageSorter

            sorter = ImageSorter(sort_into, classifier.classes)
        tally = _PredictionCounts(skip)
        found = predict_stream(
            classifier,
            parts,
            frame_stride=frame_stride,
            smoothing_seconds=smooth,
            reject_below=limit,
            skip=skip,
            on_frame=annotated,
            progress=shown,
        )
        with _open_printer(as_json, top) as say:
            for item, image in found:
                if sorter is not None:
                    sorter(item, image)
                for take in takers:
                    take(item)
                tally.add(item)
                say(item)
    if not as_json:
        tally.print_summary(limit or classifier.reject_below)
        if sorter is not None:
            click.echo(to_printable(f"Copied:  {sorter.copy_count:,} images into {sort_into}"))
    return 0 if tally.prediction_count or skip else 2


def _refuse_options_with_out(context: click.Context) -> None:
    """Raises UsageError for options that shape other files."""
    for name in ("top", "table", "lines", "sort_into", "annotate", "frame_stride", "smooth"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = next(one for one in context.command.params if one.name == name)
            raise click.UsageError(f"--out does not go with {option.opts[0]}.")


def _predict_to_parquet(
    run: str,
    runs: Path,
    sources: tuple[str, ...],
    out: Path,
    on: str | None,
    threshold: float | None,
    *,
    resume: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Answers into Parquet, and tells how many."""
    from striate.cli.classifier_arg import locate_classifier
    from striate.cli.console import create_progress, print_json
    from striate.workflows.predict import predict_all

    shown = create_progress(as_json=as_json, quiet=quiet)
    place = locate_classifier(run, runs)
    is_file = place.path.suffix.lower() == ".onnx"
    what = place.path if is_file or resume else place.load()
    summary = predict_all(what, sources, out, on=on, reject_below=threshold, resume=resume, progress=shown)
    if as_json:
        print_json({"out": str(out), "finished": summary is not None, **({} if summary is None else vars(summary))})
    elif summary is None:
        click.echo(to_printable(f"Stopped. To go on: the same command with --resume ({out})"))
    else:
        click.echo(
            f"{summary.image_count:,} images: {summary.label_count:,} predicted, "
            f"{summary.abstention_count:,} abstained, {summary.error_count:,} unreadable"
        )
        parts = f"{summary.part_count} part{'s' * (summary.part_count != 1)}"
        click.echo(to_printable(f"Answers:  {out}, Parquet in {parts}"))
    if summary is None:
        return 130
    return 0 if summary.label_count or summary.abstention_count else 2


def _find_run(run: str, runs: Path) -> Any:
    from striate.runs.store import RunStore

    return RunStore(runs).find(run)


def _open_outputs(
    open_files: contextlib.ExitStack,
    paths: tuple[Path | None, ...],
    classifier: Classifier,
    inputs: list[Input],
    *,
    resume: bool,
) -> tuple[int, list[Any]]:
    """Returns the number of images that are answered in the files already, and what takes further answers."""
    from striate.inference.inputs import iter_image_names
    from striate.inference.output_files import PredictionWriter, require_distinct_paths
    from striate.inference.stream import has_video

    require_distinct_paths(paths)
    videos = has_video(inputs)
    files = [
        PredictionWriter(path, classifier.classes, has_frames=videos, resume=resume)
        for path in paths
        if path is not None
    ]
    if not resume:
        return 0, [open_files.enter_context(file) for file in files]
    if len(files) != 1 or videos:
        raise DataError(
            "One file of predictions about images is resumed",
            received="videos among the sources" if videos else f"{len(files)} files",
            expected="--resume with --csv FILE or with --jsonl FILE",
        )
    files[0].require_same_sources(iter_image_names(inputs))
    return files[0].resume_count, [open_files.enter_context(file) for file in files]


class _PredictionCounts:
    """How many were predicted, abstained from, and unreadable."""

    def __init__(self, resume_count: int) -> None:
        self.resume_count, self.prediction_count, self.abstention_count, self.error_count = resume_count, 0, 0, 0

    def add(self, prediction: Prediction) -> None:
        if prediction.error is not None:
            self.error_count += 1
        else:
            self.prediction_count += 1
            self.abstention_count += prediction.is_abstention

    def print_summary(self, threshold: float) -> None:
        """Tells what a refusal costs, and what was answered before."""
        if self.resume_count:
            click.echo(f"{self.resume_count:,} were answered before, {self.prediction_count + self.error_count:,} now.")
        if threshold and self.prediction_count:
            from striate.reporting.style import format_percent

            click.echo(
                f"Unsure of {self.abstention_count:,} of {self.prediction_count:,} "
                f"({format_percent(self.abstention_count / self.prediction_count)}): their confidence is below "
                f"{format_percent(threshold)}."
            )


@contextlib.contextmanager
def _open_printer(as_json: bool, top: int | None) -> Iterator[Any]:
    """Gives what prints a prediction: a line, or an item of one JSON list that never stands in memory as a whole."""
    from striate.inference.output_files import serialize_prediction

    if not as_json:
        yield lambda item: click.echo(to_printable(f"{_format_source(item)}: {item.describe(top or 4)}"))
        return
    count = 0

    def print_prediction(prediction: Prediction) -> None:
        nonlocal count
        text = json.dumps(serialize_prediction(prediction, top), indent=2, ensure_ascii=False, allow_nan=False)
        click.echo((",\n" if count else "[\n") + "\n".join("  " + line for line in text.splitlines()), nl=False)
        count += 1

    yield print_prediction
    click.echo("\n]" if count else "[]")


def _format_source(prediction: Prediction) -> str:
    return prediction.source if prediction.frame is None else f"{prediction.source} {prediction.seconds:.2f} s"
