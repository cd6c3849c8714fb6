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
@options.runs
@options.engine
@options.common
def predict(
    run: str,
    sources: tuple[str, ...],
    top: int | None,
    table: Path | None,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Say what the pictures SOURCES show, with the classifier of RUN.

    RUN is a run's name or folder, or a classifier's folder. SOURCES are files, folders, globs, or - for a list of
    paths on standard input. A picture that cannot be read is reported and does not stop the rest.
    """
    from striate.cli.screen import print_json, progress
    from striate.images.sources.expand import expand

    paths = expand(sources)
    options.choose_engine(backend, device)
    classifier = find_classifier(run, runs)
    found = []
    for item in classifier.stream(paths, [str(path) for path in paths], progress=progress(as_json=True, quiet=quiet)):
        found.append(item)
        if not as_json:
            click.echo(printable(_line(item, top or 4)))
    if as_json:
        print_json([_summary(item, top) for item in found])
    if table is not None:
        _write(table, found, classifier.classes)
    return 0 if any(item.error is None for item in found) else 2


def find_classifier(run: str, runs: Path) -> Any:
    """Returns the classifier meant by a run's name or folder, or a classifier's own folder."""
    from striate.classifier import Classifier
    from striate.runs import RunStore

    if (Path(run) / "classifier.json").is_file():
        return Classifier.load(run)
    return RunStore(runs).find(run).classifier


def _line(item: Any, top: int) -> str:
    if item.error is not None:
        return f"{item.source}: {item.error}"
    (label, share), *rest = list(item.probabilities.items())[:top]
    others = ", ".join(f"{name} {other:.1%}" for name, other in rest)
    return f"{item.source}: {label} {share:.1%}" + (f" ({others})" if others else "")


def _summary(item: Any, top: int | None) -> dict[str, Any]:
    return {
        "source": printable(item.source),
        "label": item.label,
        "confidence": item.confidence,
        "probabilities": dict(list(item.probabilities.items())[:top]),
        "error": item.error,
    }


def _write(path: Path, found: list[Any], classes: tuple[str, ...]) -> None:
    from striate.files import write_csv

    rows = []
    for item in found:
        shares = [f"{item.probabilities[name]:.6g}" if item.label else "" for name in classes]
        confidence = "" if item.confidence is None else f"{item.confidence:.6g}"
        rows.append((printable(item.source), item.label or "", confidence, *shares, item.error or ""))
    write_csv(path, ("source", "label", "confidence", *classes, "error"), rows)
