"""How often a run's test images were looked at: whoever looks, changes something and looks again, chooses by them."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path
from typing import NamedTuple

from striate.system.atomic_files import write_csv
from striate.system.checksums import rewrite_files, verify_file

TEST_ACCESS_FILE = "opened.csv"
TEST_ACCESS_COLUMNS = ("time", "by")


class AccessRecord(NamedTuple):
    """One look.

    Attributes:
        time: UTC, ISO 8601.
        operation: `train`, when the training had ended; `evaluate`, later.
    """

    time: str
    operation: str


def load_access_records(folder: Path) -> tuple[AccessRecord, ...]:
    """Returns every look at the test images of the run in a folder, the first first; none where it kept no list."""
    try:
        with verify_file(folder, TEST_ACCESS_FILE).open(newline="", encoding="utf-8") as file:
            return tuple(AccessRecord(row["time"], row["by"]) for row in csv.DictReader(file))
    except (OSError, ValueError, KeyError):
        return ()


def log_test_access(folder: Path, operation: str) -> None:
    """Adds a look to the list of the run in a folder."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = [*load_access_records(folder), AccessRecord(now, operation)]
    with rewrite_files(folder, TEST_ACCESS_FILE):
        write_csv(folder / TEST_ACCESS_FILE, TEST_ACCESS_COLUMNS, rows)


def describe_test_access(records: tuple[AccessRecord, ...], split: str) -> str:
    """Returns in a sentence or two how far the figures can be trusted; "" where nothing is known of it."""
    if not records:
        return ""
    first = records[0].time[:10]
    if len(records) == 1:
        return (
            f"The {split} images were opened once, on {first}, when the training had ended: nothing was chosen by them."
        )
    return (
        f"The {split} images were opened {len(records)} times, first on {first}: each choice made by what they "
        "showed "
        "makes the figures a little too good."
    )
