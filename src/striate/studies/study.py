"""Work that goes on where it stopped must be the same work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from striate.config import from_json
from striate.errors import ConfigError, RunError
from striate.runs.run import flatten_settings
from striate.runs.store import RunStore
from striate.studies.executor import Engine, Here
from striate.training.recipe import Recipe
from striate.workflows.prepare_data import Prepared

if TYPE_CHECKING:
    pass

T = TypeVar("T")

OLD_FILES = {"learning_curve.json": "learn_curve.json"}
"""Name of a study's file → its name in folders of earlier versions."""


def pictures_of(prepared: Prepared) -> dict[str, Any]:
    """Returns what a plan says of its images."""
    given = prepared.given
    return {
        "source": prepared.source,
        "data_dir": given.place,
        "name": prepared.splits.train.name,
        "fingerprint": prepared.fingerprint,
        "validation": given.validation,
        "test": given.test,
    }


def folder_for(kind: str, data: str) -> str:
    """Returns the usual name of a folder of trainings: what they are, and the data's name."""
    return f"{kind}-" + re.sub(r"[^\w.+-]+", "-", data).strip("-.")


def fixed(data: Mapping[str, Any], recipe: Recipe, backend: str) -> dict[str, Any]:
    """Returns what must be the same for trainings to be taken together."""
    return {
        "pictures": data["fingerprint"],
        "validation": data["validation"],
        "test": data["test"],
        **flatten_settings(recipe),
        "backend": backend,
    }


def read_earlier(cls: type[T], store: RunStore, name: str, file: str) -> T | None:
    """Returns what the folder `name` says of earlier work in `file`; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or the file is damaged.
    """
    path = store.root / name / file
    if not path.is_file() and file in OLD_FILES:
        path = path.with_name(OLD_FILES[file])
    if not path.is_file():
        store.check_name(name)
        return None
    try:
        return from_json(cls, path.read_bytes(), str(path))
    except ConfigError as error:
        raise RunError(f"{file} is damaged or from another version of Striate. {error}") from None


def refuse_other_plan(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises RunError, with the first setting that differs, where `what` was begun with another plan."""
    for setting in dict.fromkeys((*old, *new)):
        if old.get(setting) != new.get(setting):
            raise RunError(
                f"{what} was begun with another plan",
                received=f"{setting} {_shown(new.get(setting))}",
                expected=f"{setting} {_shown(old.get(setting))}",
                hint="another --name",
            )


def _shown(value: Any) -> str:
    return "left open" if value is None else str(value)[:40]


def engine_on(on: str | None) -> Engine:
    """Returns what trains on a Ray cluster, or here when none is named.

    Raises:
        ClusterError: Ray is not installed, or that is no address of a cluster.
    """
    if on is None:
        return Here()
    from striate.cluster.tune_executor import OnCluster

    return OnCluster(on)
