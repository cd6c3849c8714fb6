"""History: one row per epoch, on disk as it happens."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from striate.errors import RunError
from striate.system.atomic_files import write_csv


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch's figures.

    Attributes:
        epoch: its number, from 1.
        loss: mean training loss over the epoch, with dropout, augmentation and label smoothing at work.
        accuracy: fraction of training images answered rightly during the epoch, 0..1.
        val_loss: loss on the validation images after the epoch.
        val_accuracy: accuracy on the validation images after the epoch, 0..1.
        learning_rate: at the end of the epoch.
        seconds: training alone, without validation.
        images_per_second: training images per second.
        ms_per_step: milliseconds per training step.
        wait_fraction: fraction of `seconds` in which the model waited for images, 0..1; not a number in runs that did
            not measure it.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    ms_per_step: float
    wait_fraction: float = math.nan

    def format_line(self, epoch_count: int) -> str:
        """Returns the epoch as one line of text."""
        step = f"{self.ms_per_step:.3g}" if self.ms_per_step < 1000 else f"{self.ms_per_step:,.0f}"
        return (
            f"Epoch {self.epoch:>{len(str(epoch_count))}}/{epoch_count}"
            f"  loss {self.loss:.4f}  accuracy {self.accuracy:.4f}"
            f"  val_loss {self.val_loss:.4f}  val_accuracy {self.val_accuracy:.4f}"
            f"  {self.seconds:.1f} s  {step} ms/step  {self.images_per_second:,.0f} images/s"
            + ("" if math.isnan(self.wait_fraction) else f"  waiting {self.wait_fraction:.0%}")
        )


class History(NamedTuple):
    """A training's epochs, and the number (from 1) of the one whose weights were kept; 0 when there is none."""

    epochs: tuple[EpochMetrics, ...]
    best_epoch: int


def read_history(path: Path) -> tuple[EpochMetrics, ...]:
    """Returns the rows of a history.csv; a last row that was cut off is left out.

    Raises:
        RunError: the file is missing, damaged or has other columns.
    """
    names = [field.name for field in fields(EpochMetrics)]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in file if line.endswith("\n")]
        header, *rows = csv.reader(lines) if lines else [[]]
        if header not in (names, [*names[:-1], "waiting"], names[:-1]):  # older runs: `waiting`, or without it
            raise RunError("Not a history", received=path, expected=",".join(names))
        return tuple(EpochMetrics(int(number), *map(float, rest)) for number, *rest in rows)
    except OSError as error:
        raise RunError(f"The history cannot be read: {error.strerror}", received=path) from None
    except (ValueError, TypeError) as error:
        raise RunError(f"The history is damaged: {error}", received=path) from None


class HistoryWriter:
    """Appends epochs to a CSV file, each flushed before the next begins.

    Args:
        path: the file; it is begun anew, whole or not at all.
        rows: what it begins with.
    """

    def __init__(self, path: Path, rows: Iterable[EpochMetrics] = ()) -> None:
        self.path = path
        write_csv(path, [field.name for field in fields(EpochMetrics)], map(_format_row, rows))

    def append(self, epoch: EpochMetrics) -> None:
        """Adds one row, on the disk when this returns."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(_format_row(epoch))
            file.flush()
            os.fsync(file.fileno())


def _format_row(epoch: EpochMetrics) -> list[object]:
    return [format(value, ".6g") if isinstance(value, float) else value for value in asdict(epoch).values()]
