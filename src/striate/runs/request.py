"""The request of a training, written before it begins, so that it can be resumed from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from striate.config import from_json, frozen_config, read_former_keys
from striate.errors import ConfigError, RunError
from striate.runs.artifacts import ARTIFACTS

REQUEST_FILE = "request.json"
FORMER_FILE = "begun.json"  # in runs of format 2 and older
REQUEST_FORMAT = 2


@read_former_keys(started="started_at")
@frozen_config
class TrainingRequest:
    """The contents of request.json; the settings of the training itself are in the recipe.

    Attributes:
        format: see REQUEST_FORMAT.
        command: the command line; "" for a training begun in Python.
        started_at: date and time, UTC, ISO 8601.
        source: where the images come from; None when they were handed over in Python.
        data_dir: where named data sets lie.
        nested: what folders within class folders are, see `load_images`.
        fingerprint: of the whole set.
        validation: fraction of the images to choose by.
        test: share to measure on.
        max_broken: fraction of unreadable images that is tolerated.
        allow_leaks: whether splits may share images.
        architecture: the model's name.
        target_risk: fraction of wrong predictions allowed, or None.
        replay: whether the training is recorded.
        deterministic: whether the backend was told to compute every sum in one order.
        save_every: seconds between checkpoints, or None for the usual.
        backend: Keras' backend.
        versions: package → version.
        threads: that the backend may use: cores, and the environment's variables that limit them.
        artifacts: names of the artifacts to make, see ARTIFACTS; all of them in runs that did not keep it.
    """

    format: int
    command: str
    started_at: str
    source: str | None
    data_dir: str | None
    nested: Literal["top", "path"]
    fingerprint: str
    validation: float
    test: float
    max_broken: float
    allow_leaks: bool
    architecture: str
    target_risk: float | None
    replay: bool
    deterministic: bool
    save_every: float | None
    backend: str
    versions: dict[str, str]
    threads: dict[str, str]
    artifacts: tuple[str, ...] = tuple(ARTIFACTS)

    def describe_differences(self, other: TrainingRequest) -> list[str]:
        """Returns what could make another begun training's numbers differ in their last digits, in words."""
        before, now = ({"backend": one.backend, **one.versions, **one.threads} for one in (self, other))
        return [
            f"{name} {before.get(name, 'none')}, now {now.get(name, 'none')}"
            for name in {**before, **now}
            if before.get(name) != now.get(name)
        ]


def find_request_file(folder: Path) -> Path:
    """Returns the path of the request in a run's folder, under its former name in older runs; it may not exist."""
    former = folder / FORMER_FILE
    return former if former.is_file() else folder / REQUEST_FILE


def load_request(folder: Path) -> TrainingRequest:
    """Returns what the run in a folder was asked to do.

    Raises:
        RunError: it kept no such note, or the note is damaged.
    """
    path = find_request_file(folder)
    try:
        return from_json(TrainingRequest, path.read_bytes(), str(path))
    except OSError:
        raise RunError(
            "This run cannot be resumed: it did not keep what it was asked to do",
            received=path,
            hint="train again; striate train keeps it",
        ) from None
    except ConfigError as error:
        raise RunError(f"{path.name} is damaged or from another version of Striate. {error}") from None
