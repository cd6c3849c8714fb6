"""The artifacts of a run: pages and plots made for people, which can be left out of a training and made later.

All else that a run holds is always written: the classifier, the reports as numbers, predictions, history.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from striate.errors import ConfigError, UnknownNameError

ARTIFACTS: dict[str, tuple[str, ...]] = {
    "plots": (
        "plots/curves.png",
        "plots/confusion.png",
        "plots/coverage.png",
        "plots/right.png",
        "plots/wrong.png",
    ),
    "inside": ("inside.html",),
    "report": ("report.html", "report.md"),
}
"""Artifact → its files in a run's folder, in the order in which they are made: the report links to inside.html."""

ALL_ARTIFACTS, NO_ARTIFACTS = "all", "none"


def parse_artifact_names(selection: str | Iterable[str]) -> tuple[str, ...]:
    """Returns the names of the artifacts that are wanted, in the order of ARTIFACTS.

    Args:
        selection: "all", "none", one name, names separated by commas, or several names.

    Raises:
        UnknownNameError: there is no artifact of that name.
        ConfigError: it is neither text nor a list of names, or no name at all.
    """
    words = selection.split(",") if isinstance(selection, str) else selection
    try:
        names = [str(word).strip() for word in words]
    except TypeError:
        names = []
        selection = repr(selection)
    known = (ALL_ARTIFACTS, NO_ARTIFACTS, *ARTIFACTS)
    for name in names:
        if name and name not in known:
            raise UnknownNameError("artifact", name, known)
    if isinstance(selection, str) and not any(names):
        raise ConfigError("No artifacts are named", received=selection, expected=f"{', '.join(known)}")
    if len(names) > 1 and (ALL_ARTIFACTS in names or NO_ARTIFACTS in names):
        raise ConfigError(
            "Both a word for the artifacts and names of some are given",
            received=", ".join(names),
            expected=f"{ALL_ARTIFACTS}, {NO_ARTIFACTS}, or names among {', '.join(ARTIFACTS)}",
        )
    return tuple(name for name in ARTIFACTS if name in names or ALL_ARTIFACTS in names)


def list_artifacts(folder: Path) -> tuple[str, ...]:
    """Returns the names of the artifacts that are in a run's folder, each with all of its files."""
    return tuple(name for name, files in ARTIFACTS.items() if all((folder / file).is_file() for file in files))
