"""striate predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from striate.cli import options
from striate.errors import printable


@click.command(context_settings=options.CONTEXT)
@click.argument("run")
@click.argument("sources", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), help="Show only the K most probable classes.", metavar="K")
@click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), help="Write a table as well.")
@options.refusing
@options.runs
@options.engine
@options.common
def predict(
    run: str,
    sources: tuple[str, ...],
    top: int | None,
    table: Path | None,
    reject_below: float | None,
    target_risk: float | None,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Say what the pictures SOURCES show, with the classifier of RUN.

    RUN is a run's name or folder, or a classifier's folder. SOURCES are files, folders, globs, or - for a list of
    paths on standard input. A picture that cannot be read is reported and does not stop the rest. With --reject-below
    or --target-risk, a picture that the classifier is not sure enough of gets no class: it is unsure.
    """
    options.choose_engine(backend, device)
    from striate.cli.screen import print_json, progress
    from striate.images.sources.expand import expand

    paths = expand(sources)
    limit = options.threshold(reject_below, target_risk, lambda: _run(run, runs))
    classifier = find_classifier(run, runs)
    names, found = [str(path) for path in paths], []
    shown = progress(as_json=True, quiet=quiet)
    for item in classifier.stream(paths, names, reject_below=limit, progress=shown):
        found.append(item)
        if not as_json:
            click.echo(printable(f"{item.source}: {item.said(top or 4)}"))
    if as_json:
        print_json([_summary(item, top) for item in found])
    elif limit or classifier.reject_below:
        _print_price(found, limit or classifier.reject_below)
    if table is not None:
        _write(table, found, classifier.classes)
    return 0 if any(item.error is None for item in found) else 2


def find_classifier(run: str, runs: Path) -> Any:
    """Returns the classifier meant by a run's name or folder, a classifier's own folder, or an exported ONNX file."""
    from striate.classifier import Classifier

    if (Path(run) / "classifier.json").is_file() or Path(run).suffix.lower() == ".onnx":
        return Classifier.load(run)
    return _run(run, runs).classifier  # which loads all that measures: an exported file does without


def _run(run: str, runs: Path) -> Any:
    from striate.runs import RunStore

    return RunStore(runs).find(run)


def _print_price(found: list[Any], limit: float) -> None:
    from striate.drawing import percent

    answered = [item for item in found if item.error is None]
    if answered:
        unsure = sum(item.unsure for item in answered)
        click.echo(
            f"Unsure of {unsure:,} of {len(answered):,} ({percent(unsure / len(answered))}): their confidence is below "
            f"{percent(limit)}."
        )


def _summary(item: Any, top: int | None) -> dict[str, Any]:
    return {
        "source": printable(item.source),
        "label": item.label,
        "confidence": item.confidence,
        "probabilities": dict(list(item.probabilities.items())[:top]),
        "unsure": item.unsure,
        "error": item.error,
    }


def _write(path: Path, found: list[Any], classes: tuple[str, ...]) -> None:
    from striate.files import write_csv

    rows = []
    for item in found:
        shares = [f"{item.probabilities[name]:.6g}" if item.probabilities else "" for name in classes]
        confidence = "" if item.confidence is None else f"{item.confidence:.6g}"
        unsure = "yes" if item.unsure else ""
        rows.append((printable(item.source), item.label or "", confidence, *shares, unsure, item.error or ""))
    write_csv(path, ("source", "label", "confidence", *classes, "unsure", "error"), rows)
