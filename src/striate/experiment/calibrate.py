"""What the validation pictures say of a classifier's confidence: its temperature, and from where on it answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.errors import DataError
from striate.evaluation.answered import Answered
from striate.evaluation.calibration import fit_temperature
from striate.evaluation.refusal import promised
from striate.progress import Progress


def calibrate(
    classifier: Classifier, validation: Answered, target_risk: float | None, progress: Progress
) -> NDArray[np.float64]:
    """Sets the classifier's temperature, and its `reject_below` where a risk is targeted; returns the logarithms of the
    probabilities on the validation pictures with that temperature. No answer changes but by being withheld.

    Args:
        classifier: without a temperature yet.
        validation: its predictions.
        target_risk: share of wrong answers allowed; None answers everything.
        progress: told what was found.
    """
    rows = np.asarray(validation.log_probabilities, np.float64)
    temperature = fit_temperature(validation.labels, rows)
    if temperature != 1:
        classifier.temperature *= temperature
        from scipy.special import log_softmax

        before, rows = rows, log_softmax(rows / temperature, axis=1)
        progress.say(
            f"Its confidence was too {'high' if temperature > 1 else 'low'}: temperature {temperature:.2f} (loss on "
            f"the validation pictures {_loss(validation, before):.4f} → {_loss(validation, rows):.4f}; no answer "
            "changes)."
        )
    if target_risk is not None:
        try:
            classifier.reject_below = promised(replace(validation, log_probabilities=rows), target_risk)
            progress.say(f"It answers from a confidence of {classifier.reject_below:.4f} on, else it is unsure.")
        except DataError as error:
            progress.say(f"It answers everything. {error}")
    return rows


def _loss(validation: Answered, rows: NDArray[np.float64]) -> float:
    return float(-rows[np.arange(len(rows)), validation.labels].mean())
