"""How pictures are found, corrected, checked and divided: what every verb that trains asks for alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from striate.images.sources.folder import Nested

MAX_BROKEN = 0.2  # share of unreadable pictures above which a training does not begin


@dataclass(frozen=True)
class Conditions:
    """The data's side of a training, see flow.train.

    Attributes:
        data_dir: where named data sets lie or are put.
        validation: share of the pictures to choose by, unless the data brings its own.
        test: share to measure on, unless the data brings its own.
        max_broken: share of unreadable pictures above which nothing is trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of pictures to leave out or to relabel, as `striate data --fix` writes it.
        allow_leaks: train although pictures of one split have copies in another.
    """

    data_dir: str | Path | None = None
    validation: float = 0.1
    test: float = 0.2
    max_broken: float = MAX_BROKEN
    nested: Nested = "top"
    corrections: str | Path | None = None
    allow_leaks: bool = False

    @property
    def place(self) -> str | None:
        """The folder of named data sets, found again from anywhere."""
        return None if self.data_dir is None else str(Path(self.data_dir).resolve())


def parted(settings: Mapping[str, Any]) -> tuple[Conditions, dict[str, Any]]:
    """Returns the conditions among a training's settings, and the others: changes of its recipe."""
    names = {field.name for field in fields(Conditions)}
    own = {name: value for name, value in settings.items() if name in names and value is not None}
    return Conditions(**own), {name: value for name, value in settings.items() if name not in names}
