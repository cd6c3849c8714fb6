"""What the validation pictures say of a classifier's confidence: its temperature, and from where on it answers."""

from __future__ import annotations

from striate.classifier import Classifier
from striate.errors import DataError
from striate.evaluation.calibration import fit_temperature
from striate.evaluation.measure import Measured, tempered
from striate.evaluation.refusal import promised
from striate.progress import Progress


def calibrate(classifier: Classifier, validation: Measured, target_risk: float | None, progress: Progress) -> Measured:
    """Sets the classifier's temperature, and its `reject_below` where a risk is targeted; returns the validation
    pictures measured with that temperature. No answer changes but by being withheld.

    Args:
        classifier: without a temperature yet.
        validation: measured with it.
        target_risk: share of wrong answers allowed; None answers everything.
        progress: told what was found.
    """
    answered = validation.answered
    temperature = fit_temperature(answered.labels, answered.log_probabilities)
    if temperature != 1:
        classifier.temperature *= temperature
        before, validation = validation, tempered(validation, temperature)
        progress.say(
            f"Its confidence was too {'high' if temperature > 1 else 'low'}: temperature {temperature:.2f} (loss on "
            f"the validation pictures {before.report.loss:.4f} → {validation.report.loss:.4f}; no answer changes)."
        )
    if target_risk is not None:
        try:
            classifier.reject_below = promised(validation.answered, target_risk)
            progress.say(f"It answers from a confidence of {classifier.reject_below:.4f} on, else it is unsure.")
        except DataError as error:
            progress.say(f"It answers everything. {error}")
    return validation
