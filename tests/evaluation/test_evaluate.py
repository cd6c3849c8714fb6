"""Measuring matches classes by name, leaves out what cannot be read, and lists what was answered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.splits import load_splits
from striate.errors import DataError
from striate.evaluation.evaluate import align_classes, evaluate, evaluate_classifier
from striate.progress import Progress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


@pytest.fixture(scope="module")
def test_digits(digits_run):
    return load_splits(load_images("digits"), digits_run.path / "split.csv").test


@pytest.mark.backend
def test_measuring_again_gives_the_runs_own_report(digits_run, test_digits):
    report = evaluate(digits_run.classifier, test_digits, split="test")
    assert report.accuracy == digits_run.report.accuracy
    assert report.confusion == digits_run.report.confusion
    assert report.loss == pytest.approx(digits_run.report.loss, rel=1e-5)


@pytest.mark.backend
def test_the_report_agrees_with_what_predict_says(digits_run, test_digits):
    measured = evaluate_classifier(digits_run.classifier, test_digits)
    labels = np.asarray(digits_run.classifier.predict(np.asarray(test_digits.sources)))
    names = np.array(test_digits.classes)
    assert (labels == names[measured.predicted_labels]).all()
    assert measured.report.accuracy == (labels == names[test_digits.labels]).mean()


def test_classes_are_matched_by_name_whatever_their_order(digits_run, test_digits):
    turned = replace(test_digits, classes=test_digits.classes[::-1], labels=9 - test_digits.labels)
    one, two = (evaluate(digits_run.classifier, images) for images in (test_digits, turned))
    assert two.accuracy == one.accuracy > 0.5
    assert two.confusion == one.confusion
    assert [row.name for row in two.classes] == list(digits_run.classifier.classes)


def test_some_of_the_classes_are_enough(digits_run, test_digits):
    only = test_digits.subset(np.isin(test_digits.labels, (3, 7)))
    only = replace(only, classes=("3", "7"), labels=(only.labels == 7).astype(np.int32))
    report = evaluate(digits_run.classifier, only)
    assert report.n == len(only)
    assert len(report.classes) == 10
    assert {row.name: row.support for row in report.classes if row.support} == only.count_by_class()
    assert report.accuracy > 0.5


def test_a_class_that_the_classifier_does_not_know_is_told_with_the_nearest(test_digits):
    images = replace(test_digits, classes=("cats", "bird", *"23456789"))
    with pytest.raises(DataError, match="does not know") as caught:
        align_classes(images, ("cat", "bird", *"23456789"))
    assert "Received: cats" in str(caught.value)
    assert "the folder 'cats' renamed to 'cat'" in str(caught.value)


def test_a_class_like_no_other_gets_no_suggestion(test_digits):
    with pytest.raises(DataError) as caught:
        align_classes(replace(test_digits, classes=("zebra", *"123456789")), tuple("0123456789"))
    assert "Try:" not in str(caught.value)


def test_equal_classes_leave_the_images_as_they_are(test_digits):
    assert align_classes(test_digits, test_digits.classes) is test_digits


def test_nothing_to_measure_is_an_error(digits_run, test_digits):
    with pytest.raises(DataError, match="no images to measure on"):
        evaluate_classifier(digits_run.classifier, test_digits.subset(np.array([], int)))


def test_images_that_cannot_be_read_are_left_out_and_listed(digits_run, tmp_path, photos):
    source = next(photos.glob("across/*.jpg")).read_bytes()
    for name in ("0", "1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "whole.jpg").write_bytes(source)
    (tmp_path / "1" / "broken.jpg").write_bytes(b"")
    measured = evaluate_classifier(digits_run.classifier, load_images(tmp_path))
    assert measured.report.n == 2
    assert measured.decoded_set.decode_errors == {"1/broken.jpg": "empty file (0 bytes)"}


def test_progress_counts_every_image(digits_run, test_digits):
    class Count(Progress):
        done, total = 0, 0

        def begin(self, task, total, unit):
            self.total = total

        def advance(self, count=1, note=None):
            self.done += count

    decoded = decode_all(test_digits, digits_run.classifier.preprocessing)
    count = Count()
    evaluate_classifier(digits_run.classifier, decoded, progress=count)
    assert count.done == count.total == len(test_digits) == 359


@pytest.mark.backend
def test_temperature_changes_confidence_and_no_prediction(digits_run, test_digits):
    sharp = digits_run.classifier
    soft = Classifier(sharp.model, sharp.classes, sharp.preprocessing, temperature=4.0)
    one, two = evaluate_classifier(sharp, test_digits), evaluate_classifier(soft, test_digits)
    assert (one.predicted_labels == two.predicted_labels).all()
    assert two.confidence.mean() < one.confidence.mean()
