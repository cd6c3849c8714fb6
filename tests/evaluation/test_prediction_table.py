"""Predictions as they are kept beside a report."""

import csv

import numpy as np
import pytest

from striate.errors import DataError
from striate.evaluation.prediction_table import (
    load_labeled_predictions,
    load_prediction_records,
    save_labeled_predictions,
)

pytestmark = pytest.mark.fast

NAMES = ["cat", 'dog, "big"', "猫"]


@pytest.fixture
def measured(forge):
    return forge(NAMES, each=5)


@pytest.fixture
def table(measured, tmp_path):
    save_labeled_predictions(measured.predictions, tmp_path / "predictions.csv")
    return tmp_path / "predictions.csv"


def test_the_list_of_predictions_comes_back_as_right_and_wrong(measured, table):
    predictions = load_prediction_records(table)
    images = measured.decoded_set.images
    assert [one.confidence for one in predictions.values()] == pytest.approx(measured.confidence, rel=1e-5)
    correct = {key: one.true_class == one.predicted_class for key, one in predictions.items()}
    assert correct == dict(
        zip(images.keys.tolist(), (measured.predicted_labels == images.labels).tolist(), strict=True)
    )
    assert sum(correct.values()) == measured.report.correct_count
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["key", "class", "predicted", "confidence"]
    assert {row["class"] for row in rows} == set(NAMES)
    assert [float(row["confidence"]) for row in rows] == pytest.approx(measured.confidence, rel=1e-5)


def test_every_probability_comes_back(measured, table):
    found = load_labeled_predictions(table, tuple(NAMES))
    given = measured.predictions
    assert found.keys.tolist() == given.keys.tolist()
    assert found.labels.tolist() == given.labels.tolist()
    assert found.log_probabilities == pytest.approx(given.log_probabilities, abs=1e-6)
    assert found.predicted_labels.tolist() == given.predicted_labels.tolist()
    assert found.is_correct.sum() == measured.report.correct_count


@pytest.mark.parametrize(
    "text",
    [
        None,
        "picture,answer\na,b\n",
        "key,class,predicted,confidence\na,b\n",
        "key,class,predicted,confidence\na,b,b,much\n",
    ],
)
def test_another_table_is_no_list_of_predictions(tmp_path, text):
    path = tmp_path / "predictions.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match="list of predictions"):
        load_prediction_records(path)


def test_numbers_of_other_images_are_told(table):
    np.save(table.with_suffix(".npy"), np.zeros((3, 3), np.float32))
    with pytest.raises(DataError, match="do not fit"):
        load_labeled_predictions(table, tuple(NAMES))


def test_objects_are_not_unpickled(table):
    np.save(table.with_suffix(".npy"), np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        load_labeled_predictions(table, tuple(NAMES))


def test_a_class_that_is_not_the_classifiers_is_told(table):
    with pytest.raises(DataError, match="cannot be read"):
        load_labeled_predictions(table, ("cat", "cow", "sheep"))
