"""Runs in folders compared, with a page and the images behind the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.errors import DataError, RunError
from striate.evaluation.comparison import comparison_page
from striate.evaluation.comparison.compare import Comparison, compare
from striate.evaluation.evaluate import measure_ms_per_image
from striate.progress import NO_PROGRESS, Progress
from striate.runs.run import Run
from striate.runs.store import REPEAT_FILE, RunStore
from striate.workflows.run_data import own_pictures, refuse_other_contents

TIMED = 256  # test images that answers are timed on


def compare_runs(runs: Sequence[Run], *, is_timed: bool = False, progress: Progress = NO_PROGRESS) -> Comparison:
    """Returns the runs compared, see `compare`; where the sets they come from differ, the test images' contents are
    compared too.

    Args:
        runs: two or more.
        is_timed: measure now, one after the other, how long each takes for a prediction.
        progress: shows what happens.

    Raises:
        RunError: as in `compare`, or the images of equal names show different things.
        DataError: answers are to be timed and the images are gone.
    """
    contenders = [dataclasses.replace(run.build_summary(), name=_name(run)) for run in runs]
    if is_timed:
        times = answer_times(runs, list(contenders[0].predictions), progress=progress)
        contenders = [dataclasses.replace(one, ms_per_image=time) for one, time in zip(contenders, times, strict=True)]
    found = compare(contenders)
    if not found.is_content_verified and refuse_other_contents(
        runs, list(contenders[0].predictions), progress=progress
    ):
        return dataclasses.replace(found, is_content_verified=True)
    return found


def expanded(store: RunStore, name: str) -> list[Run]:
    """Returns the run of that name, or the finished runs of the folder that `repeat` made under it.

    Raises:
        RunError: there is neither.
    """
    for folder in (Path(name), store.root / name):
        if (folder / REPEAT_FILE).is_file():
            runs = [run for run in RunStore(folder).list() if run.state == "finished"]
            if not runs:
                raise RunError(f"Of {name} no training is finished", received=folder)
            return sorted(runs, key=lambda run: run.manifest.seed)
    return [store.find(name)]


def _name(run: Run) -> str:
    """Returns the run's name, that of the folder before it where `repeat` has made both."""
    parent = run.path.resolve().parent
    return f"{parent.name}-{run.name}" if (parent / REPEAT_FILE).is_file() else run.name


def answer_times(runs: Sequence[Run], keys: Sequence[str], *, progress: Progress = NO_PROGRESS) -> list[float]:
    """Returns how long each run takes for a prediction, ms, in batches of the first TIMED images; decoding left out.

    Raises:
        DataError: the images are gone.
    """
    images = list(own_pictures(runs[0], keys[:TIMED], progress=progress).values())
    times = []
    with progress.track("timing answers", len(runs), "runs") as task:
        for run in runs:
            pixels = np.stack([run.classifier.preprocessing(image) for image in images])
            times.append(measure_ms_per_image(run.classifier, pixels))
            task.advance()
    return times


def save_comparison_page(
    path: Path, found: Comparison, runs: Sequence[Run], *, command: str = "", progress: Progress = NO_PROGRESS
) -> str:
    """Writes the page, with the images where they are still to be had, and returns why they are not ("" if so)."""
    keys = comparison_page.list_image_keys(found)
    missing = ""
    images = {}
    try:
        images = own_pictures(runs[0], keys, progress=progress) if keys else {}
    except DataError as error:
        missing = f"{error.problem.removesuffix('.')}."
    comparison_page.save_comparison_html(path, found, images, missing_reason=missing, command=command)
    return missing
