"""Work that goes on where it stopped must be the same work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from striate.config import from_json
from striate.errors import ConfigError, RunError
from striate.runs.run import flatten_settings
from striate.runs.store import RunStore
from striate.studies.executor import LocalExecutor, TrialExecutor
from striate.training.recipe import Recipe
from striate.workflows.prepare_data import Prepared

if TYPE_CHECKING:
    pass

T = TypeVar("T")

LEGACY_FILE_NAMES = {"learning_curve.json": "learn_curve.json"}
"""Name of a study's file → its name in folders of earlier versions."""


def describe_data(data: Prepared) -> dict[str, Any]:
    """Returns what a plan says of its images."""
    given = data.given
    return {
        "source": data.source,
        "data_dir": given.place,
        "name": data.splits.train.name,
        "fingerprint": data.fingerprint,
        "validation": given.validation,
        "test": given.test,
    }


def build_folder_name(prefix: str, data_name: str) -> str:
    """Returns the usual name of a folder of trainings: what they are, and the data's name."""
    return f"{prefix}-" + re.sub(r"[^\w.+-]+", "-", data_name).strip("-.")


def build_fixed_settings(data: Mapping[str, Any], recipe: Recipe, backend: str) -> dict[str, Any]:
    """Returns what must be the same for trainings to be taken together."""
    return {
        "images": data["fingerprint"],
        "validation": data["validation"],
        "test": data["test"],
        **flatten_settings(recipe),
        "backend": backend,
    }


def load_earlier_manifest(cls: type[T], store: RunStore, name: str, file_name: str) -> T | None:
    """Returns what the folder `name` says of earlier work in `file_name`; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or the file is damaged.
    """
    path = store.root / name / file_name
    if not path.is_file() and file_name in LEGACY_FILE_NAMES:
        path = path.with_name(LEGACY_FILE_NAMES[file_name])
    if not path.is_file():
        store.check_name(name)
        return None
    try:
        return from_json(cls, path.read_bytes(), str(path))
    except ConfigError as error:
        raise RunError(f"{file_name} is damaged or from another version of Striate. {error}") from None


def refuse_other_plan(subject: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises RunError, with the first setting that differs, where `subject` was begun with another plan."""
    for setting in dict.fromkeys((*old, *new)):
        if old.get(setting) != new.get(setting):
            raise RunError(
                f"{subject} was begun with another plan",
                received=f"{setting} {_format_setting(new.get(setting))}",
                expected=f"{setting} {_format_setting(old.get(setting))}",
                hint="another --name",
            )


def _format_setting(value: Any) -> str:
    return "left open" if value is None else str(value)[:40]


def create_executor(address: str | None) -> TrialExecutor:
    """Returns what trains on a Ray cluster, or here when none is named.

    Raises:
        ClusterError: Ray is not installed, or that is no address of a cluster.
    """
    if address is None:
        return LocalExecutor()
    from striate.cluster.tune_executor import RayTuneExecutor

    return RayTuneExecutor(address)
