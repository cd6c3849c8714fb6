"""Calibration, temperature, and what refusing to answer buys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from striate.errors import DataError
from striate.evaluation.calibration import (
    compute_risk_coverage_curve,
    find_risk_threshold,
    fit_temperature,
    measure_calibration,
)

pytestmark = pytest.mark.fast


def drawn(seed: int, n: int = 400, classes: int = 4, temperature: float = 1.0):
    """Logits and labels that follow their probabilities at that temperature exactly."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    true = softmax(logits / temperature, axis=1)
    labels = (true.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return labels, logits


def test_a_bin_holds_what_its_images_say():
    probabilities = np.array([[0.9, 0.1], [0.92, 0.08], [0.3, 0.7], [0.4, 0.6]])
    found = measure_calibration(np.array([0, 1, 1, 0]), probabilities, bin_count=10)
    assert [(one.n, one.accuracy) for one in found.bins] == [(1, 0.0), (1, 1.0), (2, 0.5)]
    assert [one.confidence for one in found.bins] == pytest.approx([0.6, 0.7, 0.91])
    assert found.ece == pytest.approx((0.6 + 0.3 + 2 * 0.41) / 4)
    assert found.confidence == pytest.approx(0.78)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_brier_is_scikit_learns_twice_over_for_two_classes(seed: int):
    labels, logits = drawn(seed, n=50, classes=2)
    probabilities = softmax(logits, axis=1)
    assert measure_calibration(labels, probabilities).brier == pytest.approx(
        2 * brier_score_loss(labels, probabilities[:, 1])
    )


def test_predictions_that_follow_their_probabilities_are_calibrated_and_sharper_ones_are_not():
    labels, logits = drawn(0, n=20_000)
    assert measure_calibration(labels, softmax(logits, axis=1)).ece < 0.015
    assert measure_calibration(labels, softmax(3 * logits, axis=1)).ece > 0.15


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_was_drawn_with_is_found(temperature: float):
    labels, logits = drawn(1, n=20_000, temperature=temperature)
    found = fit_temperature(labels, logits)
    assert found == pytest.approx(temperature, rel=0.05)
    before, after = (log_loss(labels, softmax(logits / one, axis=1)) for one in (1.0, found))
    assert after <= before + 1e-9


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.floats(0.3, 3))
@settings(deadline=None, max_examples=25)
def test_a_temperature_changes_no_prediction_and_never_costs(seed: int, classes: int, temperature: float):
    labels, logits = drawn(seed, n=300, classes=classes, temperature=temperature)
    found = fit_temperature(labels, logits)
    assert (softmax(logits / found, axis=1).argmax(axis=1) == logits.argmax(axis=1)).all()
    before, after = (log_loss(labels, softmax(logits / one, axis=1), labels=range(classes)) for one in (1.0, found))
    assert after <= before + 1 / 300  # Platt's targets differ from the labels by so little


@pytest.mark.heavy
def test_chance_is_not_taken_for_a_temperature():
    fitted = [fit_temperature(*drawn(seed, n=100)) for seed in range(300)]  # calibrated from the beginning
    assert np.mean([one != 1 for one in fitted]) == pytest.approx(0.05, abs=0.03)


def test_images_without_an_error_are_not_followed_to_certainty():
    labels, logits = np.repeat([0, 1, 2], 60), 3.0 * np.eye(3)[np.repeat([0, 1, 2], 60)]
    confidence = softmax(logits / fit_temperature(labels, logits), axis=1).max()
    assert 0.98 < confidence < 0.999


def test_certain_and_right_or_wrong_everywhere_still_gives_a_finite_temperature():
    labels, logits = np.array([0, 1, 2]), 50 * np.eye(3)
    assert np.isfinite(fit_temperature(labels, logits))
    assert np.isfinite(fit_temperature((labels + 1) % 3, logits))
    with pytest.raises(DataError, match="no images"):
        fit_temperature(np.zeros(0, int), np.zeros((0, 3)))


@given(
    st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=40),
)
@settings(deadline=None)
def test_the_curve_is_the_risk_of_answering_above_each_threshold(answers):
    confidence, is_right = (np.array(side) for side in zip(*answers, strict=True))
    found = compute_risk_coverage_curve(confidence, is_right)
    assert found.thresholds.tolist() == sorted(set(confidence.tolist()), reverse=True)
    for threshold, fraction, risk in zip(*found, strict=True):
        predicted = confidence >= threshold
        assert fraction == pytest.approx(predicted.mean())
        assert risk == pytest.approx((~is_right[predicted]).mean())
    assert found.coverage[-1] == 1


def test_a_threshold_keeps_its_promise_on_new_images():
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(200):
        confidence = rng.random(5000)
        is_right = rng.random(5000) < 0.5 + confidence / 2  # risk at confidence c: (1 - c) / 2
        threshold = find_risk_threshold(confidence, is_right, 0.1)
        assert threshold is not None
        kept += (1 - threshold) / 4 <= 0.1  # the true risk of answering above it
    assert kept >= 190


def test_no_threshold_is_promised_where_none_holds():
    assert find_risk_threshold(np.linspace(0, 1, 50), np.zeros(50, bool), 0.1) is None
    assert find_risk_threshold(np.linspace(0, 1, 5), np.ones(5, bool), 0.01) is None  # five images prove little
    assert find_risk_threshold(np.linspace(0.5, 1, 5000), np.ones(5000, bool), 0.01) == 0.5
