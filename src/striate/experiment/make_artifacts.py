"""A run's artifacts, made from what its folder holds and the decoded images: at the end of its training or any time
later, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from striate.artifacts import ARTIFACTS
from striate.errors import printable
from striate.evaluation.measure import Measured
from striate.experiment.inside import save_inside
from striate.experiment.results import save_plots, save_report_page
from striate.history import History, read_history
from striate.images.cache import Decoded
from striate.progress import Progress
from striate.runs import Manifest, Run


def make_artifacts(
    run: Run, manifest: Manifest, decoded: Decoded, names: tuple[str, ...], progress: Progress
) -> dict[str, str]:
    """Makes artifacts of a run and returns those that could not be made: name → reason. One that fails leaves nothing
    half done, costs the others nothing, and is said with the command that makes it.

    Args:
        run: whose folder, all else of it written but perhaps the manifest.
        manifest: what its run.json holds, or will hold.
        decoded: the test images, in the order of the predictions.
        names: of the artifacts, see ARTIFACTS.
        progress: shows what happens.
    """
    if not names:
        return {}
    failed = {}
    material: tuple[History, Measured] | None = None

    def drawn(name: str) -> None:
        nonlocal material
        material = material or _material(run, manifest, decoded)
        makers: dict[str, Callable[[History, Measured], None]] = {
            "plots": lambda history, measured: save_plots(run, history, measured),
            "inside": lambda history, measured: save_inside(run, run.classifier, history, measured, progress),
            "report": lambda history, measured: save_report_page(run, manifest, run.recipe, history, measured),
        }
        makers[name](*material)

    for name in [one for one in ARTIFACTS if one in names]:
        before = {file for file in ARTIFACTS[name] if (run.path / file).is_file()}
        try:
            drawn(name)
        except Exception as error:  # of fonts, of a disk, of someone's own network: anything
            failed[name] = reason_of(error)
            _remove(run.path, set(ARTIFACTS[name]) - before)
            progress.say(
                f"The artifact {name} is missing: {failed[name]}. To make it: striate report {run.path} --artifacts "
                f"{name}"
            )
    return failed


def reason_of(error: Exception) -> str:
    """Returns why an artifact could not be made, in one line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = [*str(error).splitlines(), ""][0]
    return printable(f"{type(error).__name__}: {first}" if first else type(error).__name__).removesuffix(".")


def _material(run: Run, manifest: Manifest, decoded: Decoded) -> tuple[History, Measured]:
    """Returns the history and the measurement as the folder holds them: in its precision, whenever they are drawn."""
    history = History(read_history(run.file("history.csv")), manifest.kept)
    rows = run.answered("test").log_probabilities
    return history, Measured(run.report, decoded, np.asarray(rows, np.float64))


def _remove(folder: Path, files: set[str]) -> None:
    """Removes what was made of an artifact that failed."""
    for file in files:
        (folder / file).unlink(missing_ok=True)
    if (plots := folder / "plots").is_dir() and not any(plots.iterdir()):
        plots.rmdir()
