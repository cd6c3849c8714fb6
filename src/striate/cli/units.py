"""striate units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import to_printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from striate.classifier import Classifier
    from striate.progress import Progress

MAX_IMAGES = 2000  # images


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run")
@click.argument("sources", nargs=-1)
@click.option("--layer", metavar="NAME", help="Whose units  [default: the last layer whose maps tell of places].")
@click.option("--unit", "chosen", type=click.IntRange(min=0), multiple=True, help="One of its units; may be repeated.")
@click.option("--top", type=click.IntRange(1, 50), default=9, show_default=True, help="Images for each unit.")
@click.option("--maximize", is_flag=True, help="Make an image for each unit as well, by climbing from noise.")
@click.option(
    "--png",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("units.png"),
    show_default=True,
    help="The figure.",
)
@options.runs
@options.add_backend_options
@options.add_common_options
def units(
    run: str,
    sources: tuple[str, ...],
    layer: str | None,
    chosen: tuple[int, ...],
    top: int,
    maximize: bool,
    png: Path,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Show what the units of a layer have learned: the images, and the places in them, that excite each most.

    RUN is a run's name or folder, or a classifier's folder. The images are the run's test images (at most 2,000),
    or SOURCES: files, folders, globs. Units that answer all of them alike are dead, and counted.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.diagnosis.training_signals import measure_layer_activity
    from striate.errors import ConfigError
    from striate.explain.activation_maximization import maximize_activation as made_for
    from striate.explain.plots import draw_top_activations, select_units
    from striate.explain.top_activations import find_top_activations, find_unit_layer
    from striate.reporting.figures import save_figure

    shown = create_progress(as_json=True, quiet=quiet)
    classifier, pixels, names, labels = _load_inputs(run, sources, runs, shown)
    asked = find_unit_layer(classifier.model, layer)
    found = find_top_activations(classifier.model, asked, pixels, top, progress=shown)
    count = len(found.values)
    if any(unit >= count for unit in chosen):
        raise ConfigError(f"{found.layer} has no such unit", received=max(chosen), expected=f"0 to {count - 1}")
    ours = list(chosen) or select_units(found)
    made = made_for(classifier.model, asked, ours, classifier.preprocessing.shape) if maximize and ours else None
    if ours:
        save_figure(draw_top_activations(found, pixels, ours, made, labels), png)
    silent = measure_layer_activity(classifier.model, pixels, max_images=len(pixels))[1]
    if as_json:
        rows = [
            {
                "unit": unit,
                "values": found.values[unit].tolist(),
                "images": [names[index] for index in found.image_indices[unit]],
                "places": found.positions[unit].tolist(),
                "made": None if made is None else float(made.values[at]),
            }
            for at, unit in enumerate(ours)
        ]
        counts = [{"layer": one.layer, "units": one.unit_count, "dead": one.dead_count} for one in silent]
        print_json({"layer": found.layer, "n": len(pixels), "units": rows, "dead": counts, "png": str(png)})
    else:
        alive = count - int(found.is_dead.sum())
        click.echo(
            to_printable(f"{found.layer}: {alive:,} of {count:,} units answer {len(pixels):,} images differently.")
        )
        for one in silent:
            if one.dead_count:
                click.echo(to_printable(f"  {one.layer}: {one.dead_count:,} of {one.unit_count:,} units never answer"))
        dead, every = sum(one.dead_count for one in silent), sum(one.unit_count for one in silent)
        if silent:
            click.echo(f"Dead are {dead:,} of the {every:,} rectified units in {len(silent):,} layers.")
        click.echo(to_printable(f"Drawn:  {png}" if ours else "Nothing is drawn: no unit is alive."))
    return 0 if ours else 1


def _load_inputs(
    run: str, sources: tuple[str, ...], runs: Path, progress: Progress
) -> tuple[Classifier, NDArray[np.uint8], list[str], list[str] | None]:
    """Returns the classifier; images, preprocessed; their names; and their classes, where these are known."""
    import numpy as np

    from striate.cli.classifier_arg import load_classifier
    from striate.data.inputs import expand_paths
    from striate.data.prefetch import iter_decoded
    from striate.errors import DataError
    from striate.runs.store import RunStore
    from striate.workflows.evaluate import some_measured

    if not sources:
        found = RunStore(runs).find(run)
        measured = some_measured(found, MAX_IMAGES, progress=progress)
        images = measured.decoded_set.images
        labels = [images.classes[label] for label in images.labels]
        return found.classifier, np.asarray(measured.decoded_set.pixels), images.keys.tolist(), labels
    classifier: Any = load_classifier(run, runs)
    paths = expand_paths(sources)[:MAX_IMAGES]
    decoded = [one for batch in iter_decoded(classifier.preprocessing, paths, 256) for one in batch]
    whole = [(str(path), one) for path, one in zip(paths, decoded, strict=True) if not isinstance(one, str)]
    if not whole:
        raise DataError("None of these images can be read", received=f"{len(paths):,} files")
    if len(whole) < len(paths):
        progress.log(f"{len(paths) - len(whole):,} of {len(paths):,} files cannot be read and are left out.")
    return classifier, np.stack([pixels for _, pixels in whole]), [name for name, _ in whole], None
