"""What several trainings say together."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from PIL import Image
from scipy.stats import t

from striate import drawing
from striate.evaluation.intervals import wilson
from striate.evaluation.report import make_report
from striate.evaluation.spread import spread
from striate.evaluation.spread_plot import spread_figure

CLASSES = ("cat", "dog", "eel")


def _report(rights, n=60):
    labels = np.arange(n, dtype=np.int32) % 3
    guess = np.where(np.arange(n) < rights, labels, (labels + 1) % 3)
    rows = np.log(np.where(np.arange(3) == guess[:, None], 0.8, 0.1))
    return make_report("pets", "test", CLASSES, np.array([f"{i}" for i in range(n)]), labels, rows)


def test_seeds_share_their_pictures():
    reports = [_report(rights) for rights in (48, 51, 54)]
    found = spread(reports, same_pictures=True)
    values = [0.8, 0.85, 0.9]
    assert (found.trials, found.low, found.high) == (3, 0.8, 0.9)
    assert found.mean == pytest.approx(0.85)
    half = t.ppf(0.975, 2) * statistics.stdev(values) / 3**0.5
    assert found.interval == pytest.approx((0.85 - half, 0.85 + half))
    assert found.pictures.n == 60 and found.pictures.interval == pytest.approx(tuple(wilson(51, 60)))
    assert [row.name for row in found.classes] == list(CLASSES)
    assert found.classes[0].low == min(report.classes[0].recall for report in reports)


def test_folds_are_pooled_over_all_pictures():
    found = spread([_report(30, 60), _report(30, 33)], same_pictures=False)
    assert found.pictures.n == 93 and found.pictures.accuracy == pytest.approx(60 / 93)
    assert found.mean == pytest.approx((0.5 + 30 / 33) / 2)


def test_one_training_has_no_spread():
    found = spread([_report(30)], same_pictures=True)
    assert found.deviation is None and found.interval is None and found.classes[0].deviation is None


def test_the_interval_of_a_mean_stays_between_nothing_and_everything():
    assert spread([_report(0), _report(60)], same_pictures=True).interval == (0.0, 1.0)


@pytest.mark.parametrize("rights", [[30], [30, 40, 60]])
def test_every_training_is_a_point_of_the_figure(tmp_path, rights):
    reports = [_report(right) for right in rights]
    names = [f"seed {number}" for number in range(len(reports))]
    figure = spread_figure(names, reports, spread(reports, same_pictures=True), title="$pets$", note="n")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert any(
        line.get_xdata().tolist() == [right / 60 for right in rights]
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == len(rights) and line.get_marker() == "o"
    )
    drawing.save(figure, tmp_path / "spread.png")
    with Image.open(tmp_path / "spread.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
