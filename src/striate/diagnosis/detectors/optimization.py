"""Faults of the search for weights: numbers that blow up, steps too large or too small, units that died, one
prediction.
"""

from __future__ import annotations

import math

from striate.diagnosis.detectors.data import detect_wrong_normalization
from striate.diagnosis.diagnosis import Diagnosis, build_train_command, format_setting
from striate.diagnosis.evidence import EXPLODING_LOSS_RATIO, Evidence
from striate.reporting.style import format_percent

LEARNING_RATE_RANGES = {"adam": (1e-4, 2e-2), "adamw": (1e-4, 2e-2), "sgd": (3e-3, 1.0)}
"""Optimizer → learning rates that work somewhere. Adam's own default is 1e-3 (Kingma and Ba 2015); SGD with momentum
is used between 0.01 and 0.5 (Goyal et al. 2017). A rate outside is a reason to suspect it, never a verdict alone."""

TYPICAL_LEARNING_RATES = {"adam": 1e-3, "adamw": 2e-3, "sgd": 5e-2}
"""Optimizer → the rate to go back to."""


UNTRAINED_LOSS_RATIO = 0.9
"""Of that loss: a model that ends above has learned next to nothing."""

SATURATED_TRAIN_ACCURACY = 0.9
"""Fraction of the training images answered rightly, below which there is something left to learn for certain."""

MIN_DEAD_FRACTION = 0.9
"""Fraction of a layer's units: with so many dead the rest is a bottleneck, or nothing passes at all."""

MIN_ONE_CLASS_FRACTION = 0.98
"""Fraction of the predictions."""

MAX_FILES_NAMED = 3  # images that a sentence names


def detect_non_finite_loss(e: Evidence) -> Diagnosis | None:
    """The loss became NaN or infinite: when, in which batches, on which images."""
    broken = e.signals.non_finite_batches if e.signals else None
    epochs = [row.epoch for row in e.epochs if not (math.isfinite(row.loss) and math.isfinite(row.val_loss))]
    if broken is None and not epochs:
        return None
    if broken is None:
        where = f"the loss is no number from epoch {epochs[0]} on"
        files: tuple[str, ...] = ()
    else:
        which = (
            f"batch {broken.first_batch}"
            if broken.first_batch == broken.last_batch
            else f"batches {broken.first_batch} to {broken.last_batch}"
        )
        some = ", ".join(broken.files[:MAX_FILES_NAMED])
        where = (
            f"the loss was no number any more in epoch {broken.epoch}, {which}, with {broken.image_count:,} images: "
        )
        where += some + (" …" if broken.image_count > MAX_FILES_NAMED else "")
        files = broken.files
    rate = e.recipe.learning_rate
    if e.recipe.precision == "mixed_float16":
        cure = build_train_command(e, "--precision", "float32")
    else:
        cure = build_train_command(
            e, "--lr", format_setting(min(rate / 10, TYPICAL_LEARNING_RATES[e.recipe.optimizer]))
        )
    kept = f"; epoch {e.best_epoch} was kept" if e.best_epoch else "; nothing usable came out"
    verdict = "The numbers in the model overflowed: its loss became NaN or infinite"
    return Diagnosis("not_finite", "error", verdict, where + kept, cure, files)


def detect_high_learning_rate(e: Evidence) -> Diagnosis | None:
    """The loss rose far above that of plain ignorance, and the training did not recover."""
    rate, (_, highest) = e.recipe.learning_rate, LEARNING_RATE_RANGES[e.recipe.optimizer]
    peaks = [*e.finite_losses, *([e.signals.peak_loss] if e.signals and e.signals.peak_loss is not None else [])]
    peak = max(peaks, default=math.inf)
    broke = any(not math.isfinite(row.loss) for row in e.epochs)
    exploded = peak > EXPLODING_LOSS_RATIO * e.chance_loss or broke
    is_lost = e.is_unusable or e.is_worse_than_knn or (bool(e.finite_losses) and e.finite_losses[-1] > e.chance_loss)
    if not is_lost or not (exploded or rate > highest):
        return None
    if rate <= highest and (broke or _has_wrong_normalization(e)):  # ordinary steps: something else blew up
        return None
    seen = f"loss up to {peak:.3g}" if math.isfinite(peak) else "a loss that is no number"
    end = f", {e.finite_losses[-1]:.3g} at the end" if e.finite_losses else ""
    evidence = f"rate {rate:g} with {e.recipe.optimizer}; {seen}{end}, where guessing costs {e.chance_loss:.2f}"
    if e.validation_outcomes is not None:
        evidence += f"; {format_percent(e.validation_outcomes.accuracy)} of the validation images right"
    tried = TYPICAL_LEARNING_RATES[e.recipe.optimizer] if rate > highest else rate / 10
    cure = build_train_command(e, "--lr", format_setting(tried))
    return Diagnosis("learning_rate_too_high", "error", "The learning rate is too high", evidence, cure)


def detect_low_learning_rate(e: Evidence) -> Diagnosis | None:
    """The loss falls, steadily and hardly, from where it began, under a rate below the usual ones."""
    rate, (lowest, _) = e.recipe.learning_rate, LEARNING_RATE_RANGES[e.recipe.optimizer]
    if rate >= lowest or e.validation_outcomes is None or not e.finite_losses or e.recipe.weights is not None:
        return None
    if (
        e.train_outcomes is not None
        and e.train_outcomes.interval.high > SATURATED_TRAIN_ACCURACY
        and not e.is_worse_than_knn
    ):
        return None
    if e.train_outcomes is None and e.finite_losses[-1] < UNTRAINED_LOSS_RATIO * e.chance_loss:
        return None
    rest = e.train_outcomes.loss if e.train_outcomes else e.finite_losses[-1]
    evidence = (
        f"rate {rate:g} with {e.recipe.optimizer}; after {len(e.epochs)} epochs the training loss is {rest:.3g}, where "
        f"guessing costs {e.chance_loss:.2f}" + _format_knn_comparison(e)
    )
    cure = build_train_command(e, "--lr", format_setting(TYPICAL_LEARNING_RATES[e.recipe.optimizer]))
    return Diagnosis("learning_rate_too_low", "error", "The learning rate is too low", evidence, cure)


def detect_dead_units(e: Evidence) -> Diagnosis | None:
    """A layer whose rectified units answer nothing, in a model that does not work."""
    if e.signals is None or not (e.is_unusable or e.is_worse_than_knn):
        return None
    worst = max(e.signals.layer_activities, key=lambda one: one.dead_count / one.unit_count, default=None)
    if worst is None or worst.dead_count < MIN_DEAD_FRACTION * worst.unit_count:
        return None
    evidence = (
        f"{worst.dead_count:,} of the {worst.unit_count:,} units of layer {worst.layer} are 0 on every image looked at"
    )
    cure = build_train_command(e, "--lr", format_setting(e.recipe.learning_rate / 10))
    return Diagnosis(
        "dead_relus",
        "error",
        "Rectified units have died: no gradient passes them, so nothing is learned",
        evidence,
        cure,
    )


def detect_constant_prediction(e: Evidence) -> Diagnosis | None:
    """All images get the same prediction."""
    if e.validation_outcomes is None or e.validation_outcomes.n < 2 * len(e.classes):
        return None
    predictions = e.validation_outcomes.confusion_matrix.sum(axis=0)
    most = int(predictions.argmax())
    if (
        predictions[most] < MIN_ONE_CLASS_FRACTION * e.validation_outcomes.n
        or e.validation_outcomes.confusion_matrix[most].sum() >= MIN_ONE_CLASS_FRACTION * e.validation_outcomes.n
    ):
        return None
    evidence = f"{predictions[most]:,} of {e.validation_outcomes.n:,} validation images are answered {e.classes[most]}"
    cure = build_train_command(e, "--lr", format_setting(e.recipe.learning_rate / 3))
    verdict = f"It always answers {e.classes[most]}"
    return Diagnosis("one_class", "error", verdict, evidence + _format_knn_comparison(e), cure)


def _has_wrong_normalization(e: Evidence) -> bool:
    return detect_wrong_normalization(e) is not None


def _format_knn_comparison(e: Evidence) -> str:
    if e.neighbor_outcomes is None or e.validation_outcomes is None:
        return ""
    return (
        f"; {format_percent(e.validation_outcomes.accuracy)} of the validation images right, where the nearest "
        "training "
        "pictures "
        f"alone give {format_percent(e.neighbor_outcomes.accuracy)}"
    )
