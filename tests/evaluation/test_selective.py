"""Answering only when sure: what it costs, what it buys, and what can be promised."""

from __future__ import annotations

import numpy as np
import pytest

from striate.errors import ConfigError, DataError
from striate.evaluation.intervals import wilson
from striate.evaluation.plots import draw_risk_coverage_curve
from striate.evaluation.prediction_table import LabeledPredictions
from striate.evaluation.selective import compute_operating_point, compute_risk_threshold

pytestmark = pytest.mark.fast


def answered(confidence, is_right):
    """Two classes; the predicted one is the first, as sure as told."""
    fraction = np.asarray(confidence, np.float64)
    labels = np.where(is_right, 0, 1).astype(np.int32)
    keys = np.array([str(number) for number in range(len(fraction))])
    return LabeledPredictions(("yes", "no"), keys, labels, np.log(np.stack([fraction, 1 - fraction], axis=1)))


def drawn(seed: int, n: int = 4000):
    """Answers that are right as often as they are sure."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 0.999, n)
    return answered(confidence, rng.random(n) < confidence)


def test_coverage_and_risk_are_counted_above_the_threshold():
    found = compute_operating_point(answered([0.9, 0.8, 0.7, 0.6], [True, False, True, True]), 0.65)
    assert (found.n, found.accepted_count, found.error_count) == (4, 3, 1)
    assert (found.coverage, found.risk, found.full_coverage_risk) == (0.75, pytest.approx(1 / 3), 0.25)
    assert found.interval == tuple(wilson(1, 3))
    assert found.describe().startswith(
        "Answers 75.0 % of the images, those with a confidence of 65.0 % or more; of those predictions 33.33 % are "
        "wrong"
    )
    assert found.describe().endswith("instead of 25.00 % of all.")


def test_a_threshold_above_all_predictions_nothing_and_says_so():
    found = compute_operating_point(answered([0.9, 0.8], [True, False]), 0.95)
    assert (found.accepted_count, found.coverage, found.risk, found.interval) == (0, 0.0, None, None)
    assert "not one of 2 images" in found.describe()


@pytest.mark.heavy
def test_what_is_promised_on_some_images_holds_on_others():
    risks = []
    for seed in range(100):
        threshold = compute_risk_threshold(drawn(seed), 0.1)
        later = compute_operating_point(drawn(seed + 1000, 40_000), threshold)
        assert later.coverage > 0.1
        risks.append(later.risk)
    assert np.mean([risk > 0.1 for risk in risks]) <= 0.05


def test_a_promise_that_cannot_be_made_says_which_could():
    few = drawn(0, 60)
    with pytest.raises(DataError, match=r"60 validation images cannot promise.*Try: a target risk of 0\.\d+") as told:
        compute_risk_threshold(few, 0.001)
    possible = float(str(told.value).rsplit("of ", 1)[1].rstrip("."))
    assert 0 < compute_risk_threshold(few, possible) < 1


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_a_risk_is_a_share(risk):
    with pytest.raises(ConfigError, match="target risk is a fraction"):
        compute_risk_threshold(drawn(0), risk)


def test_the_figure_shows_the_curve_and_the_threshold_on_it():
    given = drawn(1)
    found = compute_operating_point(given, 0.9)
    figure = draw_risk_coverage_curve(given, found)
    (panel,) = figure.panels
    curve, point = panel.series
    assert curve.x[-1] == 100
    assert curve.y[-1] == pytest.approx(100 * found.full_coverage_risk)
    assert panel.horizontal_lines == [pytest.approx(100 * found.full_coverage_risk)]
    assert (point.x[0], point.y[0]) == pytest.approx((100 * found.coverage, 100 * found.risk))
    assert point.label in figure.texts
    (panel,) = draw_risk_coverage_curve(answered([0.9, 0.9], [True, True])).panels
    assert len(panel.series) == 1
    assert set(panel.series[0].y) == {0.0}
