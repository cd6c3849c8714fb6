"""What may be said about two runs, and what may not."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from striate.evaluation.compare import Contender, compare
from striate.evaluation.report import make_report
from striate.history import Epoch


def _contender(name, right, *, settings=None, prefix="test", classes=("cat", "dog"), labels=None, epochs=()):
    right = np.asarray(right, bool)
    n = len(right)
    labels = np.arange(n) % 2 if labels is None else np.asarray(labels)
    keys = np.array([f"{prefix}/{index}" for index in range(n)])
    guess = np.where(right, labels, 1 - labels)
    rows = np.log(np.where(np.arange(2) == guess[:, None], 0.9, 0.1))
    report = make_report("pets", "test", classes, keys, labels.astype(np.int32), rows)
    correct = dict(zip(keys.tolist(), right.tolist(), strict=True))
    return Contender(name, settings or {}, report, correct, epochs, len(epochs), 1000, 2.5)


def _epoch(number, accuracy, val_accuracy):
    return Epoch(number, 1.0, accuracy, 1.1, val_accuracy, 1e-3, 1.0, 100.0, 10.0)


GOOD = [True] * 90 + [False] * 10
POOR = [True] * 60 + [False] * 40


def test_a_clear_winner_is_named_whichever_comes_first():
    good, poor = _contender("good", GOOD), _contender("poor", POOR)
    (pair,) = compare([poor, good]).pairs
    assert pair.verdict == "good is better"
    assert pair.paired.difference == pytest.approx(0.3)
    assert pair.paired.interval.low > 0
    (pair,) = compare([good, poor]).pairs
    assert pair.verdict == "good is better"
    assert pair.paired.difference == pytest.approx(-0.3)


def test_equal_answers_cannot_be_told_apart():
    (pair,) = compare([_contender("one", GOOD), _contender("two", GOOD)]).pairs
    assert pair.verdict == "cannot be told apart"
    assert pair.paired.p_value == 1


def test_a_difference_of_two_pictures_cannot_be_told_apart():
    (pair,) = compare([_contender("one", GOOD), _contender("two", [*GOOD[:88], *[False] * 12])]).pairs
    assert pair.paired.difference == pytest.approx(-0.02)
    assert pair.verdict == "cannot be told apart"


def test_pictures_are_paired_by_key_and_not_by_place():
    good = _contender("good", GOOD)
    turned = replace(good, name="turned", correct=dict(reversed(good.correct.items())))
    (pair,) = compare([good, turned]).pairs
    assert (pair.paired.only_first, pair.paired.only_second) == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        _contender("other", GOOD, prefix="elsewhere"),
        _contender("other", GOOD[:-1]),
        _contender("other", GOOD, classes=("T-shirt", "trousers")),
        _contender("other", GOOD, labels=[0] * 50 + [1] * 50, classes=("dog", "bird")),
        _contender("other", GOOD, labels=[0] * 10 + [1] * 90),
    ],
    ids=["other keys", "fewer pictures", "other classes", "one class in common", "other pictures of the same names"],
)
def test_runs_on_other_test_pictures_cannot_be_compared(other):
    (pair,) = compare([_contender("one", GOOD), other]).pairs
    assert pair.paired is None
    assert "cannot be compared" in pair.verdict


def test_the_order_of_the_classes_does_not_matter():
    one = _contender("one", GOOD)
    turned = replace(one, report=replace(one.report, classes=one.report.classes[::-1]))
    assert compare([one, turned]).pairs[0].paired is not None


def test_without_a_list_of_predictions_nothing_is_compared():
    empty = replace(_contender("one", GOOD), correct={})
    assert compare([empty, empty]).pairs[0].paired is None


def test_only_settings_that_differ_are_listed_missing_ones_as_none():
    one = _contender("one", GOOD, settings={"data": "pets", "epochs": 3, "augment": "none"})
    two = _contender("two", GOOD, settings={"data": "pets", "epochs": 5, "augment.flip": True})
    assert compare([one, two]).differing == {
        "epochs": (3, 5),
        "augment": ("none", None),
        "augment.flip": (None, True),
    }


def test_every_two_of_several_are_compared():
    names = [(pair.a, pair.b) for pair in compare([_contender(name, GOOD) for name in "abcd"]).pairs]
    assert names == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def test_the_gap_is_the_last_epochs_overfitting():
    one = _contender("one", GOOD, epochs=(_epoch(1, 0.5, 0.6), _epoch(2, 0.9, 0.7)))
    assert one.gap == pytest.approx(0.2)
    assert math.isnan(_contender("two", GOOD).gap)


def test_the_summary_is_plain_json_also_where_nothing_can_be_said():
    one = _contender("one", GOOD, settings={"epochs": 3}, epochs=(_epoch(1, 0.5, 0.6),))
    two = _contender("two", POOR, settings={"epochs": 5})
    other = _contender("other", GOOD, prefix="elsewhere")
    summary = json.loads(json.dumps(compare([one, two, other]).summary(), allow_nan=False))
    assert [run["run"] for run in summary["runs"]] == ["one", "two", "other"]
    assert summary["runs"][0]["accuracy"] == 0.9
    assert summary["runs"][1]["gap"] is None
    assert summary["differing"] == {"epochs": [3, 5, None]}
    assert summary["pairs"][0]["verdict"] == "one is better"
    assert (summary["pairs"][0]["only_a"], summary["pairs"][0]["only_b"]) == (30, 0)
    assert summary["pairs"][1]["p_value"] is None
