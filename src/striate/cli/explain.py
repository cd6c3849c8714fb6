"""striate explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from striate.cli import options
from striate.errors import printable
from striate.explain.attribute import METHODS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from striate.classifier import Classifier
    from striate.explain.attribute import Attribution, Attributor
    from striate.progress import Progress

FILE = click.Path(path_type=Path, dir_okay=False)
AT_ONCE = 256  # pictures in memory


@dataclass
class Seen:
    """One picture: where it came from; what is known of it, or why nothing is."""

    source: str
    error: str | None = None
    said: dict[str, Any] | None = None


@click.command(context_settings=options.CONTEXT)
@click.argument("run")
@click.argument("sources", nargs=-1, required=True)
@click.option("--method", type=click.Choice(list(METHODS)), default="grad-cam", show_default=True, help="How to look.")
@click.option("--class", "about", metavar="NAME", help="Ask about this class instead of the one that is answered.")
@click.option("--layer", metavar="NAME", help="Grad-CAM: look at the maps of this layer.")
@click.option(
    "--png",
    type=FILE,
    default=Path("explained.png"),
    show_default=True,
    help="A figure of the first 24 pictures.",
)
@click.option("--overlays", type=click.Path(path_type=Path, file_okay=False), help="A folder for one PNG a picture.")
@click.option("--maps", type=FILE, help="A figure of what each layer makes of the first picture, its feature maps.")
@click.option("--filters", type=FILE, help="A figure of the filters that the first layer slides over pictures.")
@options.runs
@options.engine
@options.common
def explain(
    run: str,
    sources: tuple[str, ...],
    method: str,
    about: str | None,
    layer: str | None,
    png: Path,
    overlays: Path | None,
    maps: Path | None,
    filters: Path | None,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Show where in the pictures SOURCES the classifier of RUN looked.

    RUN is a run's name or folder, or a classifier's folder. SOURCES are files, folders, globs, or - for a list of
    paths on standard input. For each picture, the share of the heat in the half of it around its centre is told. A
    picture that cannot be read is reported and does not stop the rest.
    """
    from striate.cli.predict import find_classifier
    from striate.cli.screen import print_json, progress
    from striate.errors import UnknownNameError
    from striate.explain.attribute import Attributor
    from striate.images.sources.expand import expand

    paths = expand(sources)
    options.choose_engine(backend, device)
    classifier = find_classifier(run, runs)
    if about is not None and about not in classifier.classes:
        raise UnknownNameError("class", about, classifier.classes)
    look = Attributor(classifier, method, layer)
    if overlays is not None:
        overlays.mkdir(parents=True, exist_ok=True)
    shown = progress(as_json=True, quiet=quiet)
    seen = _explained(classifier, paths, look, about, png, overlays, shown)
    first = next((path for path, one in zip(paths, seen, strict=True) if one.said), None)
    drawn = _inner_life(classifier, first, maps, filters)
    found = [one.said for one in seen if one.said is not None]
    if as_json:
        print_json([one.said or {"source": one.source, "label": None, "error": one.error} for one in seen])
    else:
        for one in seen:
            click.echo(printable(f"{one.source}: {_line(one.said) if one.said else one.error}"))
        shares = [row["central_share"] for row in found if row["central_share"] is not None]
        if len(shares) > 1:
            click.echo(f"Heat in the central half: {np.mean(shares):.1%} on average of {len(shares):,} pictures.")
    if found:
        others = f"and {len(found):,} in {overlays}" if overlays else ""
        click.echo(printable(" ".join(["Drawn: ", *map(str, [png, *drawn]), others]).rstrip()), err=as_json)
    return 0 if found else 2


def _line(row: dict[str, Any]) -> str:
    share = row["central_share"]
    heat = "nothing speaks for it" if share is None else f"{share:.1%} of the heat in the central half"
    return f"{row['class']} {row['probability']:.1%}, {heat}"


def _explained(
    classifier: Classifier,
    paths: Sequence[Path],
    look: Attributor,
    about: str | None,
    png: Path,
    folder: Path | None,
    progress: Progress,
) -> list[Seen]:
    """Returns what is known of every picture, in order; the figure and the overlays are written."""
    from striate.drawing import save
    from striate.explain.overlay import MOST, overlays, save_overlay, short
    from striate.images.ahead import decoded_ahead

    seen = [Seen(str(path)) for path in paths]
    left, drawn = iter(seen), 0
    shown: list[tuple[NDArray[Any], NDArray[Any], str]] = []
    with progress.task("explaining", len(paths), "pictures") as task:
        for batch in decoded_ahead(classifier.preprocessing, paths, AT_ONCE):
            whole = []
            for row, pixels in zip(islice(left, len(batch)), batch, strict=True):
                if isinstance(pixels, str):
                    row.error = pixels
                else:
                    whole.append((row, pixels))
            if whole:
                pictures = np.stack([pixels for _, pixels in whole])
                asked = None if about is None else np.full(len(pictures), classifier.classes.index(about))
                found = look(pictures, asked)
                told = _told([row.source for row, _ in whole], classifier, pictures, found)
                for (row, picture), said, heat in zip(whole, told, found.heat, strict=True):
                    row.said, drawn = said, drawn + 1
                    if folder is not None:
                        target = folder / f"{drawn:06}-{Path(row.source).stem[:80]}.png"
                        save_overlay(picture, heat, target)
                        said["overlay"] = str(target)
                    if len(shown) < MOST:
                        name = short(Path(row.source).name)
                        shown.append((picture, heat, f"{short(said['class'])} {said['probability']:.1%}\n{name}"))
            task.advance(len(batch))
    if shown:
        pictures_, heats, words = zip(*shown, strict=True)
        save(overlays(pictures_, heats, words, f"{METHODS[look.method].what} ({look.method})"), png)
    return seen


def _inner_life(classifier: Classifier, first: Path | None, maps: Path | None, filters: Path | None) -> list[Path]:
    """Draws the feature maps of a picture, and the first filters, where that is asked for; returns what was drawn."""
    from striate.drawing import save
    from striate.explain.feature_maps import feature_maps, first_filters
    from striate.explain.maps_plot import filters_figure, maps_figure
    from striate.explain.overlay import short

    if maps is not None and first is not None:
        picture = classifier.preprocessing(first)
        title = f"What each layer makes of {short(first.name)}"
        save(maps_figure(picture, feature_maps(classifier.model, picture), title), maps)
    if filters is not None:
        save(filters_figure(*first_filters(classifier.model)), filters)
    return [path for path in (maps if first else None, filters) if path is not None]


def _told(
    sources: Sequence[str], classifier: Classifier, pixels: NDArray[Any], found: Attribution
) -> list[dict[str, Any]]:
    """Returns what is known of each of these pictures."""
    rows = zip(sources, classifier.probabilities(pixels), found.classes, found.central_share(), strict=True)
    return [
        {
            "source": source,
            "label": classifier.classes[int(shares.argmax())],
            "class": classifier.classes[int(asked)],
            "probability": float(shares[asked]),
            "method": found.method,
            "layer": found.layer,
            "central_share": None if np.isnan(share) else float(share),
            "error": None,
        }
        for source, shares, asked, share in rows
    ]
