"""How often a run's test pictures were looked at: whoever looks, changes something and looks again, chooses by them."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path
from typing import NamedTuple

from striate.system.atomic_files import write_csv
from striate.system.checksums import changing, checked

NAME = "opened.csv"
HEADER = ("time", "by")


class Opening(NamedTuple):
    """One look.

    Attributes:
        time: UTC, ISO 8601.
        by: `train`, when the training had ended; `evaluate`, later.
    """

    time: str
    by: str


def openings(folder: Path) -> tuple[Opening, ...]:
    """Returns every look at the test pictures of the run in a folder, the first first; none where it kept no list."""
    try:
        with checked(folder, NAME).open(newline="", encoding="utf-8") as file:
            return tuple(Opening(row["time"], row["by"]) for row in csv.DictReader(file))
    except (OSError, ValueError, KeyError):
        return ()


def note_opening(folder: Path, by: str) -> None:
    """Adds a look to the list of the run in a folder."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = [*openings(folder), Opening(now, by)]
    with changing(folder, NAME):
        write_csv(folder / NAME, HEADER, rows)


def said_of(found: tuple[Opening, ...], split: str) -> str:
    """Returns in a sentence or two how far the figures can be trusted; "" where nothing is known of it."""
    if not found:
        return ""
    first = found[0].time[:10]
    if len(found) == 1:
        return (
            f"The {split} pictures were opened once, on {first}, when the training had ended: nothing was chosen by "
            "them."
        )
    return (
        f"The {split} pictures were opened {len(found)} times, first on {first}: each choice made by what they showed "
        "makes the figures a little too good."
    )
