"""Faults of fit: too much learned, too little learned, ended too early, standing still, too little to choose by."""

from __future__ import annotations

import numpy as np

from striate.data.augment import NO_AUGMENT
from striate.diagnosis.detectors.optimization import SATURATED_TRAIN_ACCURACY
from striate.diagnosis.diagnosis import Diagnosis, build_train_command, format_setting
from striate.diagnosis.evidence import Evidence
from striate.diagnosis.outcome_counts import compute_accuracy_drop, compute_min_loss_rise
from striate.reporting.style import format_percent

MIN_ACCURACY_GAP = 0.05
"""Accuracy on training images minus that on validation images which is lost for certain (the 95 % interval's lower
end): below, more data would gain less than a better model may."""

MIN_LOSS_RISE_RATIO = 1.25
"""The last validation loss by the lowest: what a validation loss moves up and down from epoch to epoch stays below."""

MIN_LOSS_GAP = 0.2
"""The same difference of the losses, nats, where the accuracies' cannot be told for want of images: as much as if one
of five images more were missed by half."""

MIN_LATE_LOSS_DROP = 0.1
"""Of the training loss, taken away by the second half of the epochs: less is standing still."""

UNDERFIT_TRAIN_ACCURACY = 0.8
"""Fraction of the training images answered rightly, below which a model has not learned what there is to learn, whether
or not their nearest neighbors do better."""

SHORT_TRAINING_EPOCHS = 3
"""Epochs, up to which a model has hardly seen its images."""

MIN_LOSS_JITTER = 0.05
"""Deviation of the epochs' losses around their mean, relative: more shows steps that jump to and fro."""

MIN_INTERVAL_WIDTH = 0.2
"""Width of the interval of the validation accuracy: epochs and recipes differ by a few points at most."""

MIN_VALIDATION_IMAGES = 100  # images; with more, the width comes from an accuracy that is low in itself


def detect_overfitting(e: Evidence) -> Diagnosis | None:
    """Training images are known by heart, and other images of the same kind are not."""
    seen, other, name = e.train_outcomes, e.validation_outcomes, "validation"
    if other is None or not e.epochs:
        return None
    if seen is None:
        return _detect_overfitting_in_history(e)
    if other.n < MIN_VALIDATION_IMAGES and e.test_outcomes is not None:
        other, name = other.merge(e.test_outcomes), "validation and test"
    lost = compute_accuracy_drop(seen, other)
    rise = compute_min_loss_rise(seen, other)
    is_told = (
        lost.low > MIN_ACCURACY_GAP and 1 - seen.accuracy < (1 - other.accuracy) / 2 and seen.loss < other.loss / 2
    )
    by_loss = rise is not None and rise > MIN_LOSS_GAP and seen.loss < other.loss / 4 and lost.high > MIN_ACCURACY_GAP
    if not is_told and not by_loss:
        return None
    evidence = (
        f"{format_percent(seen.accuracy)} of {seen.n:,} training images right, {format_percent(other.accuracy)} of "
        f"{other.n:,} "
        f"{name} images; losses {seen.loss:.3g} and {other.loss:.3g}"
    )
    return _build_overfitting_diagnosis(e, evidence + _describe_best_epoch(e))


def _detect_overfitting_in_history(e: Evidence) -> Diagnosis | None:
    losses = [row.val_loss for row in e.epochs]
    last = e.epochs[-1]
    if (
        losses[-1] < MIN_LOSS_RISE_RATIO * min(losses)
        or last.accuracy - last.val_accuracy < MIN_ACCURACY_GAP
        or last.loss > last.val_loss / 2
    ):
        return None
    training, validation = format_percent(last.accuracy), format_percent(last.val_accuracy)
    evidence = f"in the last epoch {training} of the training images right, {validation} of the validation images"
    return _build_overfitting_diagnosis(e, evidence + _describe_best_epoch(e))


def _describe_best_epoch(e: Evidence) -> str:
    losses = [row.val_loss for row in e.epochs]
    if losses[-1] < MIN_LOSS_RISE_RATIO * min(losses):
        return ""
    best = int(np.argmin(losses))
    low, end = losses[best], losses[-1]
    return f"; the validation loss was lowest in epoch {best + 1} and has risen from {low:.3g} to {end:.3g}"


def _build_overfitting_diagnosis(e: Evidence, evidence: str) -> Diagnosis:
    if not e.recipe.dropout:
        cure = build_train_command(e, "--dropout", 0.5)
    elif e.recipe.augment in (NO_AUGMENT, "none") and e.recipe.weights is None:
        cure = build_train_command(e, "--augment", "auto")
    elif e.recipe.patience is None and (e.recipe.keep == "last" or len(e.epochs) > 10):
        cure = build_train_command(e, "--patience", 5)
    else:
        cure = build_train_command(e, "--dropout", format_setting(min(0.8, e.recipe.dropout + 0.2)))
    number = sum(e.class_counts.get("train", ()))
    verdict = "It overfits: it knows its training images by heart"
    if number and number < 100 * len(e.classes):
        verdict += f", of which there are only {number:,}"
    return Diagnosis("overfitting", "warning", verdict, evidence, cure)


def detect_premature_stop(e: Evidence) -> Diagnosis | None:
    """The last epoch was the best, and the loss was still falling; or the images were hardly looked at."""
    if e.validation_outcomes is None or not e.finite_losses or e.best_epoch < len(e.epochs):
        return None
    seen = e.train_outcomes
    if seen is not None and seen.interval.high > SATURATED_TRAIN_ACCURACY:
        return None
    if len(e.epochs) > SHORT_TRAINING_EPOCHS and e.late_loss_drop < MIN_LATE_LOSS_DROP:
        return None
    if len(e.epochs) > SHORT_TRAINING_EPOCHS:
        evidence = f"the second half of {len(e.epochs)} epochs took away {format_percent(e.late_loss_drop)} of the loss"
    else:
        evidence = f"{len(e.epochs)} {'epoch' if len(e.epochs) == 1 else 'epochs'}"
    if seen is not None:
        evidence += f"; {format_percent(seen.accuracy)} of the training images right"
    elif e.epochs[-1].accuracy > SATURATED_TRAIN_ACCURACY:
        return None
    cure = build_train_command(e, "--epochs", max(10, 3 * len(e.epochs)))
    verdict = "It was stopped too early: it was still learning"
    return Diagnosis("stopped_too_early", "warning", verdict, evidence, cure)


def detect_plateau(e: Evidence) -> Diagnosis | None:
    """The loss jumps to and fro without falling, under a rate that does not."""
    if not _has_stalled(e) or not _has_loss_jitter(e) or e.epochs[-1].learning_rate < 0.3 * e.recipe.learning_rate:
        return None
    half = e.finite_losses[len(e.finite_losses) // 2 :]
    evidence = (
        f"the training loss of the last {len(half)} epochs stays between {min(half):.3g} and {max(half):.3g}, the rate "
        f"at {e.epochs[-1].learning_rate:g}"
    )
    cure = build_train_command(e, "--lr", format_setting(e.recipe.learning_rate / 5))
    return Diagnosis("plateau", "warning", "It has stopped improving: its steps are too large", evidence, cure)


def detect_underfitting(e: Evidence) -> Diagnosis | None:
    """Even training images are not answered well, and more of the same would not change that."""
    if e.validation_outcomes is None or not _has_stalled(e):
        return None
    right = e.train_outcomes.accuracy if e.train_outcomes else e.epochs[-1].accuracy
    evidence = (
        f"{format_percent(right)} of the training images right and {format_percent(e.validation_outcomes.accuracy)} of "
        "those to choose by; "
        f"the second half of {len(e.epochs)} epochs took away {format_percent(max(0.0, e.late_loss_drop))} of the loss"
    )
    if e.is_worse_than_knn and e.neighbor_outcomes:
        evidence += f"; the nearest training images alone give {format_percent(e.neighbor_outcomes.accuracy)}"
    if e.recipe.dropout and e.recipe.dropout > 0.5:
        cure = build_train_command(e, "--dropout", 0.2)
    else:
        cure = build_train_command(e, "--arch", "cnn" if e.recipe.architecture != "cnn" else "resnet20")
    verdict = "It underfits: the model is too small, or too restrained, for these images"
    return Diagnosis("underfitting", "warning", verdict, evidence, cure)


def detect_small_validation_set(e: Evidence) -> Diagnosis | None:
    """Too few images to tell one epoch or one recipe from another."""
    if e.validation_outcomes is None or e.validation_outcomes.n >= MIN_VALIDATION_IMAGES:
        return None
    low, high = e.validation_outcomes.interval
    if high - low < MIN_INTERVAL_WIDTH:
        return None
    total = sum(sum(counts) for counts in e.class_counts.values())
    fraction = min(0.4, max(0.2, MIN_VALIDATION_IMAGES / max(1, total)))
    interval = f"{format_percent(low)} and {format_percent(high)}"
    evidence = f"{e.validation_outcomes.correct_count} of {e.validation_outcomes.n} right: anything between {interval}"
    cure = build_train_command(e, "--validation", format_setting(fraction))
    verdict = f"The {e.validation_outcomes.n} validation images are too few to choose by"
    return Diagnosis("small_validation", "warning", verdict, evidence, cure)


def _has_stalled(e: Evidence) -> bool:
    """Whether much is left to learn from the training images and the loss does not fall any more."""
    if len(e.finite_losses) < 4 or e.late_loss_drop >= MIN_LATE_LOSS_DROP:
        return False
    if e.train_outcomes is None:
        return e.epochs[-1].accuracy < SATURATED_TRAIN_ACCURACY
    return e.train_outcomes.interval.high < (
        SATURATED_TRAIN_ACCURACY if e.is_worse_than_knn else UNDERFIT_TRAIN_ACCURACY
    )


def _has_loss_jitter(e: Evidence) -> bool:
    half = np.array([row.val_loss for row in e.epochs[len(e.epochs) // 2 :]])
    line = np.polyval(np.polyfit(np.arange(len(half)), half, 1), np.arange(len(half)))
    return float((half - line).std() / half.mean()) > MIN_LOSS_JITTER
