"""How error falls with the number of training images: a power law, and what more images would buy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.config import frozen_config
from striate.errors import DataError
from striate.evaluation.intervals import CONFIDENCE_LEVEL

RESAMPLES = 300
MIN_SIZES = 4  # sizes; a law of three numbers needs more than three points
PARAMETER_BOUNDS = ((0.0, 0.0, 0.02), (1.0, np.inf, 2.0))  # of floor, scale and exponent


@frozen_config
class AccuracyForecast:
    """What a size is expected to give: an accuracy and its 95 % interval."""

    size: int
    accuracy: float
    interval: tuple[float, float]


@frozen_config
class PowerLaw:
    """error(n) = floor + scale · n^(−exponent) (Hestness et al. 2017, arXiv:1712.00409, equation 1).

    Attributes:
        floor: error that no number of images takes away, 0..1.
        scale: error above the floor at one image.
        exponent: how fast it falls.
        forecasts: the largest size measured, twice and four times that.
    """

    floor: float
    scale: float
    exponent: float
    forecasts: tuple[AccuracyForecast, ...]

    def predict_error(self, size: float) -> float:
        """Returns the expected error with so many training images."""
        return float(_compute_power_law(np.array([size]), self.floor, self.scale, self.exponent)[0])


def fit_power_law(sizes: Sequence[int], errors: Sequence[float], test_size: int, seed: int = 0) -> PowerLaw:
    """Returns the law that fits best, measured errors weighted by their binomial precision; intervals are percentiles
    of refits to errors drawn again as `n` test images would show them.

    Args:
        sizes: training images, LEAST different numbers or more.
        errors: the fraction of test images answered wrongly at each.
        test_size: test images, the same at each.
        seed: of the drawing.

    Raises:
        DataError: too few sizes.
    """
    x, y = np.asarray(sizes, np.float64), np.asarray(errors, np.float64)
    if len(np.unique(x)) < MIN_SIZES:
        raise DataError("Too few sizes for a curve", received=len(np.unique(x)), expected=f"{MIN_SIZES} or more")
    best = _fit_parameters(x, y, test_size)
    rng = np.random.default_rng(seed)
    drawn = [
        _fit_parameters(x, rng.binomial(test_size, np.clip(y, 0, 1)) / test_size, test_size) for _ in range(RESAMPLES)
    ]
    outside = 50 * (1 - CONFIDENCE_LEVEL)
    forecasts = []
    for size in (int(x.max()) * times for times in (1, 2, 4)):
        errors_there = [_compute_power_law(np.array([size], np.float64), *one)[0] for one in drawn]
        low, high = np.percentile(errors_there, (outside, 100 - outside))
        accuracy = 1 - _compute_power_law(np.array([size], np.float64), *best)[0]
        forecasts.append(AccuracyForecast(size, float(accuracy), (float(1 - high), float(1 - low))))
    floor, scale, exponent = (float(value) for value in best)
    return PowerLaw(floor, scale, exponent, tuple(forecasts))


def _fit_parameters(sizes: NDArray[np.float64], errors: NDArray[np.float64], test_size: int) -> NDArray[np.float64]:
    """Returns floor, scale and exponent."""
    from scipy.optimize import curve_fit

    sigma = np.sqrt(np.maximum(errors * (1 - errors), 1 / test_size) / test_size)
    start = (0.5 * errors.min(), max(1e-6, errors.max() - 0.5 * errors.min()) * sizes.min() ** 0.5, 0.5)
    found: NDArray[np.float64]
    try:
        found, _ = curve_fit(
            _compute_power_law, sizes, errors, p0=start, sigma=sigma, bounds=PARAMETER_BOUNDS, maxfev=5000
        )
    except RuntimeError:  # no convergence: a constant is a law too
        found = np.array([float(np.average(errors, weights=1 / sigma**2)), 0.0, 1.0])
    return found


def _compute_power_law(size: NDArray[np.float64], floor: float, scale: float, exponent: float) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.minimum(1.0, floor + scale * size**-exponent)
    return result
