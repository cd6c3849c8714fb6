"""striate explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from striate.cli import options
from striate.errors import to_printable
from striate.explain.attribution import ATTRIBUTION_METHODS

if TYPE_CHECKING:
    from striate.classifier import Classifier
    from striate.explain.explain_images import Explanation
    from striate.training.history import EpochMetrics

FILE_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.argument("sources", nargs=-1)
@click.option("--html", type=FILE_PATH, help="A page in which the first 12 images flow through the model.")
@click.option(
    "--include-layer", metavar="NAME", multiple=True, help="--html: a layer that the page of a large model includes."
)
@click.option(
    "--method", type=click.Choice(list(ATTRIBUTION_METHODS)), default="grad-cam", show_default=True, help="How to look."
)
@click.option("--class", "about", metavar="NAME", help="Ask about this class instead of the one that is answered.")
@click.option("--layer", metavar="NAME", help="Grad-CAM: look at the maps of this layer.")
@click.option("--png", type=FILE_PATH, help="A figure of the first 24 images  [default: explained.png, unless --html].")
@click.option("--overlays", type=click.Path(path_type=Path, file_okay=False), help="A folder for one PNG an image.")
@click.option("--maps", type=FILE_PATH, help="A figure of what each layer makes of the first image, its feature maps.")
@click.option("--filters", type=FILE_PATH, help="A figure of the filters that the first layer slides over images.")
@click.option("--draw", type=FILE_PATH, help="A figure of the model's layers, as SVG if the name ends so, else as PNG.")
@options.runs
@options.add_backend_options
@options.add_common_options
def explain(
    run: str,
    sources: tuple[str, ...],
    html: Path | None,
    include_layer: tuple[str, ...],
    method: str,
    about: str | None,
    layer: str | None,
    png: Path | None,
    overlays: Path | None,
    maps: Path | None,
    filters: Path | None,
    draw: Path | None,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Show what the model of RUN makes of the images SOURCES, and where it looked.

    RUN is a run's name or folder, or a classifier's folder. SOURCES are files, folders, globs, or - for a list of
    paths on standard input. For each image, the fraction of the heat in the half of it around its centre is told. A
    image that cannot be read is reported and does not stop the rest. --draw and --filters need no image.
    """
    options.configure_backend(backend, device)
    from striate.cli.classifier_arg import load_classifier
    from striate.cli.console import create_progress, print_json
    from striate.data.inputs import expand_paths
    from striate.errors import UnknownNameError
    from striate.explain.attribution import Attributor, resolve_method
    from striate.explain.explain_images import iter_explanations
    from striate.explain.heatmap import MAX_OVERLAYS, save_overlay

    if not sources and not (draw or filters):
        raise click.UsageError("Missing argument 'SOURCES...'. --draw and --filters alone need none.")
    paths = expand_paths(sources) if sources else []
    classifier = load_classifier(run, runs)
    if about is not None and about not in classifier.classes:
        raise UnknownNameError("class", about, classifier.classes)
    if not sources:
        _print_figure_paths(_draw_figures(classifier, [], method, None, None, filters, draw), as_json=as_json)
        return 0
    fits = method if html is None or layer is not None else resolve_method(classifier.model, method)
    look = Attributor(classifier, fits, layer)
    if overlays is not None:
        overlays.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    readable = 0
    lines: list[str] = []
    shown: list[Explanation] = []
    for one in iter_explanations(classifier, paths, look, about, create_progress(as_json=True, quiet=quiet)):
        rows.append(one.to_dict(look))
        lines.append(one.format_line())
        if one.pixels is None or one.heatmap is None:
            continue
        readable += 1
        if overlays is not None:
            target = overlays / f"{readable:06}-{Path(one.source).stem[:80]}.png"
            save_overlay(one.pixels, one.heatmap, target)
            rows[-1]["overlay"] = str(target)
        shown += [one] if len(shown) < MAX_OVERLAYS else []
    drawn = _draw_figures(
        classifier, shown, look.method, png or (None if html else Path("explained.png")), maps, filters, draw
    )
    if html is not None and shown:
        drawn.append(_write_explainer(run, runs, classifier, shown, look.method, html, include_layer))
    if as_json:
        print_json(rows)
    else:
        for line in lines:
            click.echo(to_printable(line))
        _print_central_fraction(rows)
    if shown:
        others = f"and {readable:,} in {overlays}" if overlays else ""
        click.echo(to_printable(" ".join(["Drawn: ", *map(str, drawn), others]).rstrip()), err=as_json)
    return 0 if shown else 2


def _print_central_fraction(rows: list[dict[str, Any]]) -> None:
    fractions = [row["central_share"] for row in rows if row.get("central_share") is not None]
    if len(fractions) > 1:
        click.echo(f"Heat in the central half: {np.mean(fractions):.1%} on average of {len(fractions):,} images.")


def _draw_figures(
    classifier: Classifier,
    explanations: list[Explanation],
    method: str,
    png: Path | None,
    maps: Path | None,
    filters: Path | None,
    draw: Path | None,
) -> list[Path]:
    """Draws what is asked for, and can be; returns what was drawn."""
    from striate.explain.feature_maps import compute_feature_maps, get_first_filters
    from striate.explain.heatmap import draw_overlays, shorten_name
    from striate.explain.plots import draw_feature_maps, draw_filters
    from striate.models.diagram.network import plot_model
    from striate.reporting.figures import save_figure

    drawn = []
    if png is not None and explanations:
        words = [
            f"{shorten_name(one.target_class)} {one.probability:.1%}\n{shorten_name(Path(one.source).name)}"
            for one in explanations
        ]
        pixels, heat = [one.pixels for one in explanations], [one.heatmap for one in explanations]
        save_figure(draw_overlays(pixels, heat, words, f"{ATTRIBUTION_METHODS[method].description} ({method})"), png)  # type: ignore[arg-type]
        drawn.append(png)
    if maps is not None and explanations and explanations[0].pixels is not None:
        title = f"What each layer makes of {shorten_name(Path(explanations[0].source).name)}"
        save_figure(
            draw_feature_maps(
                explanations[0].pixels, compute_feature_maps(classifier.model, explanations[0].pixels), title
            ),
            maps,
        )
        drawn.append(maps)
    if filters is not None:
        save_figure(draw_filters(*get_first_filters(classifier.model)), filters)
        drawn.append(filters)
    if draw is not None:
        save_figure(plot_model(classifier.model, classifier.architecture), draw)
        drawn.append(draw)
    return drawn


def _print_figure_paths(paths: list[Path], *, as_json: bool) -> None:
    from striate.cli.console import print_json

    if as_json:
        print_json({"drawn": [str(path) for path in paths]})
    else:
        click.echo(to_printable(" ".join(["Drawn: ", *map(str, paths)])))


def _write_explainer(
    run: str,
    runs: Path,
    classifier: Classifier,
    explanations: list[Explanation],
    method: str,
    html: Path,
    include_layers: tuple[str, ...],
) -> Path:
    """Writes the explainer; of a run, with its history."""
    from striate.errors import RunError
    from striate.explain.explainer.html import save_explainer
    from striate.explain.explainer.payload import ExplainerImage
    from striate.explain.heatmap import normalize_heatmap
    from striate.runs.store import RunStore

    images = [
        ExplainerImage(one.source, one.pixels, heatmap=normalize_heatmap(one.heatmap))
        for one in explanations
        if one.pixels is not None and one.heatmap is not None
    ]
    epochs: tuple[EpochMetrics, ...] = ()
    kept, name = 0, Path(run).resolve().name
    if not (Path(run) / "classifier.json").is_file():
        found = RunStore(runs).find(run)
        name = found.name
        try:
            epochs, kept = found.history
        except RunError:  # it was damaged; the page lives without it
            epochs, kept = (), 0
    save_explainer(
        html,
        classifier,
        images,
        run_name=name,
        method=method,
        epochs=epochs,
        best_epoch=kept,
        include_layers=include_layers,
    )
    return html


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("replay.html"),
    show_default=True,
    help="The page.",
)
@options.runs
@options.add_common_options
def replay(run: str, html: Path, runs: Path, as_json: bool, quiet: bool, debug: bool) -> None:
    """Put the training of RUN on a slider: what the model made of the same images after each epoch.

    The training must have been recorded: striate train DATA --replay.
    """
    from striate.cli.console import print_json
    from striate.explain.training_replay import REPLAY_FILE, load_replay, save_replay_page
    from striate.runs.store import RunStore

    found = RunStore(runs).find(run)
    recorded, history = load_replay(found.get_verified_file(REPLAY_FILE)), found.history
    save_replay_page(html, found.name, recorded, history.epochs, history.best_epoch)
    if as_json:
        print_json({"run": str(found.path), "epochs": recorded.epochs.tolist(), "html": str(html)})
    else:
        click.echo(to_printable(f"{len(recorded.epochs):,} epochs.\nReplay:  {html}"))
