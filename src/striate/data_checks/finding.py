"""Finding: one thing that is wrong with a data set, with its evidence and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from striate.config import frozen_config

Severity = Literal["error", "warning", "note"]

MAX_FILES_NAMED = 1000  # files that a finding names


@frozen_config
class Finding:
    """Something to know before trusting a training.

    Attributes:
        kind: a fixed word for it.
        severity: `error` stops a training, `warning` should be looked at, `note` is for information.
        message: what was found.
        fix: what to do.
        files: the images concerned, by key (at most 1,000).
        count: how many there are.
        group_count: how many sets of images that belong together they form; 0 where each stands for itself.
        file_groups: those sets, as far as `files` names them.
        evidence: figures it rests on, by name.
    """

    kind: str
    severity: Severity
    message: str
    fix: str
    files: tuple[str, ...] = ()
    count: int = 0
    group_count: int = 0
    file_groups: tuple[tuple[str, ...], ...] = ()
    evidence: dict[str, float] | None = None

    @property
    def advice(self) -> str:
        """What to do, as a sentence."""
        return f"{self.fix[0].upper()}{self.fix[1:]}."

    @property
    def line(self) -> str:
        """What was found and what to do, in one line."""
        return f"{self.severity}: {self.message}. {self.advice}"


def build_group_finding(
    kind: str, severity: Severity, message: str, fix: str, groups: Sequence[Sequence[Any]], **fields: Any
) -> Finding:
    """Returns a finding about sets of images that belong together, given by their keys."""
    members: list[tuple[str, ...]] = []
    room = MAX_FILES_NAMED
    for group in groups:
        if len(group) > room:
            break
        members.append(tuple(map(str, group)))
        room -= len(group)
    return Finding(
        kind,
        severity,
        message,
        fix,
        files=tuple(key for group in members for key in group),
        count=sum(map(len, groups)),
        group_count=len(groups),
        file_groups=tuple(members),
        **fields,
    )
