"""Trial: one training of several, and how it is trained, resumed, or given up."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from striate.errors import DataError, RunError, RunLockedError, StriateError
from striate.models.architecture import Architecture
from striate.progress import Progress
from striate.runs.request import find_request_file
from striate.runs.run import Run
from striate.training.recipe import Recipe
from striate.workflows.prepare_data import Prepared
from striate.workflows.train import resume, train

if TYPE_CHECKING:
    from striate.training.callbacks import Enough


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of several.

    Attributes:
        name: its run's.
        recipe: to train by.
        architecture: the model; None leaves it to recipe and data.
        label: what its progress begins with; by default its name.
        description: said beside its name.
        group: of a group, one that failed stands for the others; by default its name, a group of its own.
        relative_cost: how long it takes, in any unit.
        artifacts: names of the artifacts that its run is to have, see ARTIFACTS.
    """

    name: str
    recipe: Recipe
    architecture: Architecture | None = None
    label: str = ""
    description: str = ""
    group: str = ""
    relative_cost: float = 1.0
    artifacts: tuple[str, ...] = ()

    @property
    def failure_group(self) -> str:
        """The group that it fails with."""
        return self.group or self.name


def parse_trial_number(trial: Trial) -> int:
    """Returns the number that its name ends with: a worker is given a copy, which no list holds."""
    return int(trial.name.rpartition("-")[2])


def train_trial(
    trial: Trial,
    folder: Path,
    data: Prepared,
    *,
    progress: Progress,
    command: str = "",
    should_stop: Enough | None = None,
) -> Run:
    """Returns the trial's run: resumed where a training was stopped or killed, begun anew where that cannot be.

    Args:
        trial: what is trained.
        folder: its run's will lie in it.
        data: to learn from, to choose by and to measure on.
        progress: shows what happens.
        command: for the run's manifest.
        should_stop: asked after each epoch whether the training is to end with it.

    Raises:
        RunLockedError: another process is at work in its run.
        StriateError: it cannot be trained.
    """
    run = Run(folder / trial.name)
    if run.state == "unfinished" and find_request_file(run.path).is_file():
        try:
            return resume(run, data=data, architecture=trial.architecture, enough=should_stop, progress=progress)
        except RunLockedError:
            raise
        except (RunError, DataError) as error:
            progress.log(f"{run.name} is begun anew: {error}")
    if run.path.exists():
        shutil.rmtree(run.path)
    return train(
        data,
        architecture=trial.architecture,
        recipe=trial.recipe,
        name=run.name,
        runs=folder,
        artifacts=trial.artifacts,
        enough=should_stop,
        progress=progress,
        command=command,
    )


def abandon_trial(run: Run, error: BaseException) -> str:
    """Returns why a trial could not be trained, in one line; of its run only what has a manifest stays."""
    if run.path.exists() and run.state == "unfinished" and not isinstance(error, RunLockedError):
        shutil.rmtree(run.path)
    first = [*str(error).splitlines(), ""][0]
    return str(error) if isinstance(error, StriateError) else f"{type(error).__name__}: {first}"
