"""Images with what a classifier answered, as they are kept beside a report: a table for people, and every class's
probability in a file of numbers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError
from striate.system.atomic_files import write_atomically, write_csv

PREDICTION_COLUMNS = ("key", "class", "predicted", "confidence")


class PredictionRecord(NamedTuple):
    """What a classifier said of one image.

    Attributes:
        true_class: its true class.
        predicted_class: the class answered.
        confidence: that class's probability, 0..1.
    """

    true_class: str
    predicted_class: str
    confidence: float


@dataclass(frozen=True, eq=False)
class LabeledPredictions:
    """What was asked and answered, all fields parallel.

    Attributes:
        classes: class names in label order.
        keys: (n,) the images' names.
        labels: (n,) true labels.
        log_probabilities: (n, classes) logarithms of the predicted probabilities.
    """

    classes: tuple[str, ...]
    keys: NDArray[np.str_]
    labels: NDArray[np.int32]
    log_probabilities: NDArray[np.floating]

    @property
    def predicted_labels(self) -> NDArray[np.intp]:
        """(n,) predicted labels."""
        found: NDArray[np.intp] = self.log_probabilities.argmax(axis=1)
        return found

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(n,) the predicted labels' probabilities."""
        found: NDArray[np.float64] = np.exp(self.log_probabilities.max(axis=1).astype(np.float64))
        return found

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """(n,) whether the prediction is the true class."""
        found: NDArray[np.bool_] = self.predicted_labels == self.labels
        return found


def save_labeled_predictions(predictions: LabeledPredictions, path: Path) -> None:
    """Writes the table to `path`, one row per image, and the (n, classes) logarithms as float32 beside it, under the
    same name with `.npy`.
    """
    with write_atomically(_get_array_path(path)) as temporary, temporary.open("wb") as file:
        np.save(file, predictions.log_probabilities.astype(np.float32), allow_pickle=False)
    rows = (
        (key, predictions.classes[label], predictions.classes[guess], f"{fraction:.6g}")
        for key, label, guess, fraction in zip(
            predictions.keys.tolist(),
            predictions.labels,
            predictions.predicted_labels,
            predictions.confidence,
            strict=True,
        )
    )
    write_csv(path, PREDICTION_COLUMNS, rows)


def load_labeled_predictions(path: Path, classes: tuple[str, ...]) -> LabeledPredictions:
    """Returns what `save_labeled_predictions` wrote.

    Args:
        path: of the table.
        classes: class names in label order.

    Raises:
        DataError: a file is missing or damaged, or they do not fit each other.
    """
    rows = _read_rows(path)
    numbers = {name: label for label, name in enumerate(classes)}
    try:
        labels = np.array([numbers[row["class"]] for row in rows], np.int32)
        found = np.load(_get_array_path(path), allow_pickle=False)
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise DataError(f"The predictions cannot be read: {error}", received=path) from None
    if found.shape != (len(rows), len(classes)) or found.dtype != np.float32:
        raise DataError(
            "The list of predictions and its numbers do not fit each other",
            received=f"{path}: {len(rows)} rows, {_get_array_path(path).name}: {found.dtype} {found.shape}",
        )
    return LabeledPredictions(classes, np.array([row["key"] for row in rows], np.str_), labels, found)


def load_prediction_records(path: Path) -> dict[str, PredictionRecord]:
    """Returns key → answer, from the table alone.

    Raises:
        DataError: the file is missing or not of that kind.
    """
    try:
        return {
            row["key"]: PredictionRecord(row["class"], row["predicted"], float(row["confidence"]))
            for row in _read_rows(path)
        }
    except ValueError as error:
        raise DataError(f"The list of predictions is damaged: {error}", received=path) from None


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise DataError(f"The list of predictions cannot be read: {error}", received=path) from None
    if any(row.get(name) is None for row in rows for name in PREDICTION_COLUMNS):
        raise DataError("The list of predictions is damaged", received=path, expected=", ".join(PREDICTION_COLUMNS))
    return rows


def _get_array_path(path: Path) -> Path:
    return path.with_suffix(".npy")
