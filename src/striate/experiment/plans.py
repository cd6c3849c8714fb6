"""Work that goes on where it stopped must be the same work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from striate.errors import RunError


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
