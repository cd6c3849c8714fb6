"""The log of evaluations on a run's test set: whoever changes a model after each of them selects on the test set."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path
from typing import NamedTuple

from striate.system.atomic_files import write_csv
from striate.system.checksums import rewrite_files, verify_file

TEST_ACCESS_FILE = "test_access.csv"
TEST_ACCESS_COLUMNS = ("time", "operation")
FORMER_FILE = "opened.csv"  # in runs of format 2 and older, with a column `by`


class AccessRecord(NamedTuple):
    """One evaluation on the test set.

    Attributes:
        time: UTC, ISO 8601.
        operation: `train`, when the training had ended; `evaluate`, later.
    """

    time: str
    operation: str


def load_access_records(folder: Path) -> tuple[AccessRecord, ...]:
    """Returns the evaluations on the test set of the run in a folder, oldest first; none if there is no log."""
    name, column = (TEST_ACCESS_FILE, "operation") if (folder / TEST_ACCESS_FILE).exists() else (FORMER_FILE, "by")
    try:
        with verify_file(folder, name).open(newline="", encoding="utf-8") as file:
            return tuple(AccessRecord(row["time"], row[column]) for row in csv.DictReader(file))
    except (OSError, ValueError, KeyError):
        return ()


def log_test_access(folder: Path, operation: str) -> None:
    """Adds an evaluation to the log of the run in a folder."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = [*load_access_records(folder), AccessRecord(now, operation)]
    with rewrite_files(folder, TEST_ACCESS_FILE, FORMER_FILE):
        write_csv(folder / TEST_ACCESS_FILE, TEST_ACCESS_COLUMNS, rows)
        (folder / FORMER_FILE).unlink(missing_ok=True)


def describe_test_access(records: tuple[AccessRecord, ...], split: str) -> str:
    """Returns how often the test set was used, in a sentence or two; "" if it is not known."""
    if not records:
        return ""
    first = records[0].time[:10]
    if len(records) == 1:
        return f"The {split} set was evaluated once, on {first}, after training: nothing was selected on it."
    return (
        f"The {split} set was evaluated {len(records)} times, first on {first}: every choice made from those results "
        "makes the metrics optimistic."
    )
