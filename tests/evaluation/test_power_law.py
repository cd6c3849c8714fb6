"""How error falls with the number of images, and how sure one can be of what comes."""

from __future__ import annotations

import numpy as np
import pytest

from striate.errors import DataError
from striate.evaluation.power_law import fit_power_law

pytestmark = pytest.mark.fast

SIZES = (100, 200, 400, 800, 1600, 3200)


@pytest.mark.heavy
def test_an_exact_law_is_found_and_goes_on():
    errors = [0.02 + 3 * size**-0.6 for size in SIZES]
    found = fit_power_law(SIZES, errors, test_size=100_000)
    assert found.floor == pytest.approx(0.02, abs=0.01)
    assert found.exponent == pytest.approx(0.6, abs=0.05)
    assert [one.size for one in found.forecasts] == [3200, 6400, 12_800]
    for one in found.forecasts:
        expected = 1 - (0.02 + 3 * one.size**-0.6)
        assert one.accuracy == pytest.approx(expected, abs=0.003)
        assert one.interval[0] <= one.accuracy <= one.interval[1]
    widths = [one.interval[1] - one.interval[0] for one in found.forecasts]
    assert widths == sorted(widths)


@pytest.mark.heavy
@pytest.mark.parametrize("errors", [[0.0] * 6, [1.0] * 6, [0.5] * 6, [0.1, 0.2, 0.15, 0.3, 0.2, 0.4]])
def test_errors_that_do_not_fall_are_no_difficulty(errors):
    found = fit_power_law(SIZES, errors, test_size=500)
    assert all(0 <= one.accuracy <= 1 and np.isfinite(one.interval).all() for one in found.forecasts)


@pytest.mark.slow
def test_the_interval_holds_the_truth_for_most_of_what_could_have_been_measured():
    rng = np.random.default_rng(0)
    truth = [0.05 + 2 * size**-0.5 for size in SIZES]
    inside = 0
    for seed in range(40):
        found = fit_power_law(SIZES, rng.binomial(1000, truth) / 1000, test_size=1000, seed=seed)
        low, high = found.forecasts[1].interval
        inside += low <= 1 - (0.05 + 2 * 6400**-0.5) <= high
    assert inside >= 33


def test_too_few_sizes_are_refused():
    with pytest.raises(DataError, match="Too few sizes"):
        fit_power_law((100, 200, 400), (0.3, 0.2, 0.1), test_size=100)
