"""striate map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from striate.cli import options
from striate.errors import to_printable
from striate.explain.projection import PROJECTION_METHODS

if TYPE_CHECKING:
    from striate.progress import Progress
    from striate.runs.run import Run

FILE_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command("map", context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.option("--similar-to", multiple=True, metavar="IMAGE", help="Tell which training images this one is similar to.")
@click.option(
    "--split", type=click.Choice(["test", "validation"]), default="test", show_default=True, help="Whose map."
)
@click.option(
    "--method", type=click.Choice(PROJECTION_METHODS), default="pca", show_default=True, help="umap: an extra."
)
@click.option("--max-images", type=click.IntRange(min=5), default=1000, show_default=True, help="Images on the map.")
@click.option("--neighbors", type=click.IntRange(1, 20), default=5, show_default=True, help="Training images each.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn at random.")
@click.option("--html", type=FILE_PATH, default=Path("map.html"), show_default=True, help="The page.")
@click.option("--png", type=FILE_PATH, default=Path("like.png"), show_default=True, help="--similar-to: the figure.")
@options.runs
@options.add_backend_options
@options.add_common_options
def map(
    run: str,
    similar_to: tuple[str, ...],
    split: str,
    method: str,
    max_images: int,
    neighbors: int,
    seed: int,
    html: Path,
    png: Path,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Draw the map of a RUN's images, on which what the model takes for alike lies together.

    The page shows each test image as a point, by class, by prediction, or by whether the prediction is right, and
    beside it the training images that it is similar to. With --similar-to, no map: images of your own, and what they be
    similar to.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.runs.store import RunStore
    from striate.workflows.explain import mapped

    found, shown = RunStore(runs).find(run), create_progress(as_json=True, quiet=quiet)
    if similar_to:
        return _report_similar_images(found, similar_to, neighbors, png, shown, as_json=as_json)
    drawn = mapped(found, split, method=method, most=max_images, neighbours=neighbors, seed=seed, progress=shown)
    drawn.save(html)
    if as_json:
        print_json(
            {
                "run": str(found.path),
                "split": split,
                "n": len(drawn.shown.keys),
                "known": len(drawn.known.keys),
                "method": method,
                "explained": drawn.projection.explained_variance_ratio,
                "accuracy": drawn.accuracy,
                "neighbors": neighbors,
                "neighbors_accuracy": drawn.neighbours_accuracy,
                "html": str(html),
            }
        )
    else:
        click.echo(
            f"{len(drawn.shown.keys):,} {split} images: the classifier is right for {drawn.accuracy:.1%}, "
            f"the {neighbors} nearest of {len(drawn.known.keys):,} training images for "
            f"{drawn.neighbours_accuracy:.1%}."
        )
        click.echo(to_printable(drawn.projection.caveat))
        click.echo(to_printable(f"Map:  {html}"))
    return 0


def _report_similar_images(
    run: Run, sources: tuple[str, ...], count: int, png: Path, progress: Progress, *, as_json: bool
) -> int:
    """Tells and draws what images be similar to; returns 0 unless none can be read."""
    from striate.cli.console import print_json
    from striate.data.inputs import expand_paths
    from striate.data.prefetch import decode_or_error
    from striate.explain.embeddings import compute_embeddings, find_neighbors
    from striate.explain.plots import draw_neighbors
    from striate.reporting.figures import save_figure
    from striate.workflows.explain import known_pictures

    paths = expand_paths(sources)
    decoded = [decode_or_error(run.classifier.preprocessing, path) for path in paths]
    whole = [(path, one) for path, one in zip(paths, decoded, strict=True) if not isinstance(one, str)]
    told: dict[Path, dict[str, Any]] = {
        path: {"source": str(path), "label": None, "error": why}
        for path, why in zip(paths, decoded, strict=True)
        if isinstance(why, str)
    }
    if whole:
        known, vectors = known_pictures(run, progress=progress)
        pixels = np.stack([one for _, one in whole])
        found = find_neighbors(vectors, compute_embeddings(run.classifier.model, pixels, progress=progress), count)
        fractions, classes = run.classifier.predict_probabilities(pixels), run.classifier.classes
        for at, (path, _) in enumerate(whole):
            told[path] = {
                "source": str(path),
                "label": classes[int(fractions[at].argmax())],
                "confidence": float(fractions[at].max()),
                "similar_images": [
                    {"image": known.keys[index], "label": classes[known.labels[index]], "similarity": float(fraction)}
                    for index, fraction in zip(found.indices[at].tolist(), found.similarities[at], strict=True)
                ],
                "error": None,
            }
        names = [path.name for path, _ in whole]
        save_figure(draw_neighbors(names, pixels, fractions, known, found, classes), png)
    rows = [told[path] for path in paths]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            alike = ", ".join(f"{one['label']} {one['similarity']:.2f}" for one in row.get("similar_images", ()))
            prediction = row["error"] or f"{row['label']} {row['confidence']:.1%}; is similar to {alike}"
            click.echo(to_printable(f"{row['source']}: {prediction}"))
        if whole:
            click.echo(to_printable(f"Drawn:  {png}"))
    return 0 if whole else 2
