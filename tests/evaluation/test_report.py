"""Every figure of a report is scikit-learn's figure for the same images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn import metrics

from striate.config import from_json, to_json, to_plain
from striate.errors import DataError
from striate.evaluation.intervals import wilson
from striate.evaluation.report import Report, make_report

pytestmark = pytest.mark.fast


def _report(labels, rows, classes):
    names = tuple(f"class {index}" for index in range(classes))
    keys = np.array([f"picture/{index}" for index in range(len(labels))])
    return make_report("pictures", "test", names, keys, np.asarray(labels, np.int32), np.asarray(rows, np.float64))


@st.composite
def _cases(draw):
    classes = draw(st.integers(2, 7))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.normal(0, draw(st.sampled_from([0.1, 2.0, 300.0])), (len(labels), classes))
    logits[np.arange(len(labels)), labels] += draw(st.sampled_from([-5.0, 0.0, 1.0, 1000.0]))
    return np.array(labels, np.int32), log_softmax(logits, axis=1), classes


@pytest.mark.heavy
@settings(max_examples=80, deadline=None)
@given(_cases())
def test_every_figure_is_scikit_learns(case):
    labels, rows, classes = case
    report = _report(labels, rows, classes)
    guess, numbers = rows.argmax(axis=1), np.arange(classes)
    n, right = len(labels), int((guess == labels).sum())
    assert report.n == n
    assert report.correct_count == right
    assert report.accuracy == pytest.approx(metrics.accuracy_score(labels, guess))
    assert report.interval == pytest.approx(wilson(right, n))
    assert report.loss == pytest.approx(-np.mean([rows[i, label] for i, label in enumerate(labels)]))
    assert report.baseline == pytest.approx(max((labels == one).mean() for one in numbers))
    assert np.array(report.confusion).tolist() == metrics.confusion_matrix(labels, guess, labels=numbers).tolist()
    per_class = [(row.precision, row.recall, row.f1, row.support) for row in report.classes]
    expected = metrics.precision_recall_fscore_support(labels, guess, labels=numbers, zero_division=0)
    np.testing.assert_allclose(np.array(per_class).T, np.array(expected))
    for name in ("macro", "weighted"):
        row = getattr(report, f"{name}_average")
        expected = metrics.precision_recall_fscore_support(
            labels, guess, labels=numbers, average=name, zero_division=0
        )[:3]
        assert (row.precision, row.recall, row.f1) == pytest.approx(expected)
        assert row.support == n
    assert sum(row.support for row in report.classes) == n


@pytest.mark.heavy
@settings(max_examples=60, deadline=None)
@given(_cases())
def test_every_error_is_listed_once_most_confident_first(case):
    labels, rows, classes = case
    report = _report(labels, rows, classes)
    guess = rows.argmax(axis=1)
    assert {one.key for one in report.misclassifications} == {f"picture/{i}" for i in np.flatnonzero(guess != labels)}
    assert len(report.misclassifications) == report.n - report.correct_count
    fractions = [one.confidence for one in report.misclassifications]
    assert fractions == sorted(fractions, reverse=True)
    for one in report.misclassifications:
        index = int(one.key.partition("/")[2])
        assert one.true_class == f"class {labels[index]}"
        assert one.predicted_class == f"class {guess[index]}"
        assert one.confidence == pytest.approx(np.exp(rows[index]).max())


@pytest.mark.heavy
@settings(max_examples=30, deadline=None)
@given(_cases())
def test_a_report_survives_json_without_a_digit_lost(case):
    report = _report(*case)
    assert from_json(Report, to_json(report), "report.json") == report


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(_cases())
def test_every_class_is_ranked_as_scikit_learn_ranks_it(case):
    labels, rows, classes = case
    for label, row in enumerate(_report(labels, rows, classes).classes):
        own = labels == label
        if own.all() or not own.any():
            assert row.auc is None and row.average_precision is None
        elif np.exp(rows).max() < 1 - 1e-6:  # beyond, probabilities are rounded to equal ones
            assert row.auc == pytest.approx(metrics.roc_auc_score(own, rows[:, label]))
            assert row.average_precision == pytest.approx(metrics.average_precision_score(own, rows[:, label]))


def test_predictions_that_float_rounds_to_certainty_are_still_ranked():
    rows = log_softmax(np.array([[900.0, 0.0, 0.0], [800.0, 0.0, 0.0], [0.0, 50.0, 0.0]]), axis=1)
    assert (np.exp(rows[:2, 0]) == 1).all()
    assert _report([0, 1, 1], rows, 3).classes[0].auc == 1.0


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(_cases())
def test_intervals_hold_their_figures_and_are_there_where_these_are(case):
    report = _report(*case)
    said = np.array(report.confusion).sum(axis=0)
    for row, number in zip(report.classes, said, strict=True):
        for value, ends, is_there in (
            (row.precision, row.precision_interval, number > 0),
            (row.recall, row.recall_interval, row.support > 0),
            (row.f1, row.f1_interval, number + row.support > 0),
        ):
            assert (ends is not None) == is_there
            if ends is not None:
                assert 0 <= ends[0] <= value + 1e-9 and value - 1e-9 <= ends[1] <= 1


def test_a_report_of_format_1_can_be_read():
    report = _report([0, 1, 1], np.log([[0.8, 0.2], [0.1, 0.9], [0.6, 0.4]]), 2)
    old = to_plain(report)
    for name in ("metrics", "calibration", "risk_coverage"):
        del old[name]
    for row in (*old["classes"], old["macro_average"], old["weighted_average"]):
        for name in ("precision_interval", "recall_interval", "f1_interval", "auc", "average_precision"):
            del row[name]
    read = from_json(Report, to_json({**old, "format": 1}), "report.json")
    assert (read.accuracy, read.metrics, read.calibration, read.risk_coverage) == (report.accuracy, None, None, ())
    assert read.classes[0].recall == report.classes[0].recall


def test_cross_entropy_agrees_with_scikit_learns_log_loss():
    rng = np.random.default_rng(0)
    rows = log_softmax(rng.normal(size=(50, 4)), axis=1)
    labels = rng.integers(0, 4, 50)
    expected = metrics.log_loss(labels, np.exp(rows), labels=np.arange(4))
    assert _report(labels, rows, 4).loss == pytest.approx(expected)


def test_equally_confident_errors_keep_the_order_of_the_images():
    rows = np.log([[0.9, 0.1]] * 5)
    assert [one.key for one in _report([1] * 5, rows, 2).misclassifications] == [f"picture/{i}" for i in range(5)]


def test_a_class_without_an_image_counts_as_zero_and_not_as_an_error():
    report = _report([0, 1], np.log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), 3)
    missing = report.classes[2]
    assert (missing.support, missing.precision, missing.recall, missing.f1) == (0, 0, 0, 0)
    assert report.accuracy == 1


def test_no_images_at_all_is_an_error():
    with pytest.raises(DataError, match="no images to measure on in pictures, split test"):
        _report([], np.empty((0, 3)), 3)
