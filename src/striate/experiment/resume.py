"""Going on with a training that was stopped, killed, or lost its power."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from striate import seal
from striate.begun import Begun, read_begun
from striate.errors import DataError, RunError
from striate.experiment.conditions import Conditions
from striate.experiment.pictures import Prepared, prepare
from striate.files import sweep
from striate.images.corrections import KEPT_AS
from striate.images.sources.load import Data
from striate.images.split import Splits
from striate.lock import locked
from striate.machine import threads, versions
from striate.models.architecture import Architecture
from striate.models.architectures import architecture_named
from striate.progress import SILENT, Progress
from striate.runs import Run
from striate.store import RunStore

if TYPE_CHECKING:
    from striate.training.callbacks import Enough


def resume(
    run: Run | str | Path,
    *,
    runs: str | Path = "runs",
    data: Data | Splits | Prepared | None = None,
    architecture: Architecture | None = None,
    enough: Enough | None = None,
    finish: bool = False,
    on: str | None = None,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Run:
    """Returns the run, gone on with from its last checkpoint as if it had never stopped; one that is finished already
    is returned as it is.

    On the same machine, with the same packages and as many threads, the result is bit for bit the one that the training
    would have had without the stop.

    Args:
        run: an unfinished run, its folder or its name.
        runs: the folder of runs that a name is looked up in.
        data: the pictures, if they were handed over in Python.
        architecture: the network, if it is not one of Striate's.
        enough: asked after each epoch whether the training is to end with it.
        finish: learn no more, and finish the run with what has been learnt by now.
        on: a Ray cluster whose processes go on together, see `train`; it may have begun without one.
        workers: how many.
        progress: shows what happens.

    Raises:
        RunError: no such run, one that failed and would again, one that another process is at work in, or one of an
            older version, which did not keep what is needed.
        DataError: the pictures are not those that the training began with.
    """
    began = time.perf_counter()
    found = run if isinstance(run, Run) else RunStore(runs).find(run)
    with locked(found.path):
        if (state := found.state) in ("finished", "interrupted"):
            progress.say(f"{found.name} is {state}; there is nothing to go on with.")
            return found
        if state == "failed":
            _reopen(found, progress)
        before = read_begun(found.path)

        from striate.backend import CHOICE, be_deterministic
        from striate.experiment.carry_out import Work, carry_out
        from striate.experiment.together import learn_together, require_together

        recipe, network = found.recipe, architecture or architecture_named(before.architecture)
        for leftover in sweep(found.path):
            progress.say(f"{leftover.name}, half written, is removed.")
        if isinstance(data, Prepared):
            pictures = data.under(recipe, network)
        else:
            pictures = prepare(
                _data(before, data), recipe, _conditions(found, before), network=network, progress=progress
            )
        if before.deterministic:
            be_deterministic()
        now = replace(before, backend=CHOICE.name, versions=versions(), threads=threads())
        if differences := before.differences(now):
            progress.say(
                f"The last digits may differ from those of a training without a stop: {'; '.join(differences)}."
            )
        if pictures.fingerprint != before.fingerprint:
            raise DataError(
                "The pictures are not those that this training began with",
                received=f"fingerprint {pictures.fingerprint[:12]}",
                expected=before.fingerprint[:12],
                hint="the folder or table as it was, or a new training",
            )
        read = time.perf_counter()
        work = Work(found, before, pictures, network, began, read)
        if on is not None and not finish:
            require_together(on, pictures.recipe, workers, watched=before.replay or enough is not None)
            if learn_together(work, on, workers, progress):
                return found
        return carry_out(work, progress, enough=enough, finish=finish)


def _reopen(run: Run, progress: Progress) -> None:
    """Makes a run that failed unfinished again, if it left a checkpoint: its memory did not suffice, say.

    Raises:
        RunError: it left none, as it would fail again.
    """
    from striate.training.checkpoint import Checkpoints

    reason = run.manifest.reason
    if Checkpoints(run.path / "checkpoints").newest().checkpoint is None:
        raise RunError("This training failed, and would fail again", received=reason, hint=run.manifest.command or None)
    progress.say(f"It had failed: {reason}")
    for name in (seal.NAME, "run.json"):  # in this order, it is unfinished from the first on
        (run.path / name).unlink(missing_ok=True)


def _data(begun: Begun, data: Data | Splits | None) -> Data | Splits:
    if data is not None:
        return data
    if begun.source is None:
        raise DataError(
            "This training's pictures were handed over in Python", hint="striate.resume(run, data=the same pictures)"
        )
    return begun.source


def _conditions(run: Run, begun: Begun) -> Conditions:
    corrections = run.path / KEPT_AS
    return Conditions(
        begun.data_dir,
        begun.validation,
        begun.test,
        begun.max_broken,
        begun.nested,
        corrections if corrections.is_file() else None,
        begun.allow_leaks,
    )
