"""Faults of fit: too much learnt, too little learnt, ended too early, standing still, too little to choose by."""

from __future__ import annotations

import numpy as np

from striate.data.augment import NO_AUGMENT
from striate.diagnosis.detectors.optimization import LITTLE
from striate.diagnosis.diagnosis import Diagnosis, rounded, train_with
from striate.diagnosis.evidence import Evidence
from striate.diagnosis.outcome_counts import drop, loss_rise
from striate.reporting.style import percent

GAP = 0.05
"""Accuracy on training pictures minus that on validation pictures which is lost for certain (the 95 % interval's lower
end): below, more data would gain less than a better network may."""

RISE = 1.25
"""The last validation loss by the lowest: what a validation loss moves up and down from epoch to epoch stays below."""

LOSS_GAP = 0.2
"""The same difference of the losses, nats, where the accuracies' cannot be told for want of pictures: as much as if one
of five pictures more were missed by half."""

FALLING = 0.1
"""Of the training loss, taken away by the second half of the epochs: less is standing still."""

HALF_LEARNT = 0.8
"""Share of the training pictures answered rightly, below which a network has not learnt what there is to learn, whether
or not their nearest neighbours do better."""

FEW = 3
"""Epochs, up to which a network has hardly seen its pictures."""

JITTER = 0.05
"""Deviation of the epochs' losses around their mean, relative: more shows steps that jump to and fro."""

WIDE = 0.2
"""Width of the interval of the validation accuracy: epochs and recipes differ by a few points at most."""

FEW_TO_CHOOSE_BY = 100  # pictures; with more, the width comes from an accuracy that is low in itself


def overfitting(e: Evidence) -> Diagnosis | None:
    """Training pictures are known by heart, and other pictures of the same kind are not."""
    seen, other, name = e.learnt, e.validation, "validation"
    if other is None or not e.epochs:
        return None
    if seen is None:
        return _overfitting_by_history(e)
    if other.n < FEW_TO_CHOOSE_BY and e.test is not None:
        other, name = other.plus(e.test), "validation and test"
    lost = drop(seen, other)
    rise = loss_rise(seen, other)
    is_told = lost.low > GAP and 1 - seen.accuracy < (1 - other.accuracy) / 2 and seen.loss < other.loss / 2
    by_loss = rise is not None and rise > LOSS_GAP and seen.loss < other.loss / 4 and lost.high > GAP
    if not is_told and not by_loss:
        return None
    evidence = (
        f"{percent(seen.accuracy)} of {seen.n:,} training pictures right, {percent(other.accuracy)} of {other.n:,} "
        f"{name} pictures; losses {seen.loss:.3g} and {other.loss:.3g}"
    )
    return _by_heart(e, evidence + _best(e))


def _overfitting_by_history(e: Evidence) -> Diagnosis | None:
    losses = [row.val_loss for row in e.epochs]
    last = e.epochs[-1]
    if losses[-1] < RISE * min(losses) or last.accuracy - last.val_accuracy < GAP or last.loss > last.val_loss / 2:
        return None
    evidence = (
        f"in the last epoch {percent(last.accuracy)} of the training pictures right, {percent(last.val_accuracy)}"
    )
    return _by_heart(e, f"{evidence} of the validation pictures{_best(e)}")


def _best(e: Evidence) -> str:
    losses = [row.val_loss for row in e.epochs]
    if losses[-1] < RISE * min(losses):
        return ""
    best = int(np.argmin(losses))
    low, end = losses[best], losses[-1]
    return f"; the validation loss was lowest in epoch {best + 1} and has risen from {low:.3g} to {end:.3g}"


def _by_heart(e: Evidence, evidence: str) -> Diagnosis:
    if not e.recipe.dropout:
        cure = train_with(e, "--dropout", 0.5)
    elif e.recipe.augment in (NO_AUGMENT, "none") and e.recipe.weights is None:
        cure = train_with(e, "--augment", "auto")
    elif e.recipe.patience is None and (e.recipe.keep == "last" or len(e.epochs) > 10):
        cure = train_with(e, "--patience", 5)
    else:
        cure = train_with(e, "--dropout", rounded(min(0.8, e.recipe.dropout + 0.2)))
    number = sum(e.counts.get("train", ()))
    verdict = "It overfits: it knows its training pictures by heart"
    if number and number < 100 * len(e.classes):
        verdict += f", of which there are only {number:,}"
    return Diagnosis("overfitting", "warning", verdict, evidence, cure)


def stopped_too_early(e: Evidence) -> Diagnosis | None:
    """The last epoch was the best, and the loss was still falling; or the pictures were hardly looked at."""
    if e.validation is None or not e.losses or e.kept < len(e.epochs):
        return None
    seen = e.learnt
    if seen is not None and seen.interval.high > LITTLE:
        return None
    if len(e.epochs) > FEW and e.falling < FALLING:
        return None
    if len(e.epochs) > FEW:
        evidence = f"the second half of {len(e.epochs)} epochs took away {percent(e.falling)} of the loss"
    else:
        evidence = f"{len(e.epochs)} {'epoch' if len(e.epochs) == 1 else 'epochs'}"
    if seen is not None:
        evidence += f"; {percent(seen.accuracy)} of the training pictures right"
    elif e.epochs[-1].accuracy > LITTLE:
        return None
    cure = train_with(e, "--epochs", max(10, 3 * len(e.epochs)))
    verdict = "It was stopped too early: it was still learning"
    return Diagnosis("stopped_too_early", "warning", verdict, evidence, cure)


def plateau(e: Evidence) -> Diagnosis | None:
    """The loss jumps to and fro without falling, under a rate that does not."""
    if not _stands_still(e) or not _jumps(e) or e.epochs[-1].learning_rate < 0.3 * e.recipe.learning_rate:
        return None
    half = e.losses[len(e.losses) // 2 :]
    evidence = (
        f"the training loss of the last {len(half)} epochs stays between {min(half):.3g} and {max(half):.3g}, the rate "
        f"at {e.epochs[-1].learning_rate:g}"
    )
    cure = train_with(e, "--lr", rounded(e.recipe.learning_rate / 5))
    return Diagnosis("plateau", "warning", "It has stopped improving: its steps are too large", evidence, cure)


def underfitting(e: Evidence) -> Diagnosis | None:
    """Even training pictures are not answered well, and more of the same would not change that."""
    if e.validation is None or not _stands_still(e):
        return None
    right = e.learnt.accuracy if e.learnt else e.epochs[-1].accuracy
    evidence = (
        f"{percent(right)} of the training pictures right and {percent(e.validation.accuracy)} of those to choose by; "
        f"the second half of {len(e.epochs)} epochs took away {percent(max(0.0, e.falling))} of the loss"
    )
    if e.is_outdone and e.neighbours:
        evidence += f"; the nearest training pictures alone give {percent(e.neighbours.accuracy)}"
    if e.recipe.dropout and e.recipe.dropout > 0.5:
        cure = train_with(e, "--dropout", 0.2)
    else:
        cure = train_with(e, "--arch", "cnn" if e.recipe.architecture != "cnn" else "resnet20")
    verdict = "It underfits: the network is too small, or too restrained, for these pictures"
    return Diagnosis("underfitting", "warning", verdict, evidence, cure)


def small_validation(e: Evidence) -> Diagnosis | None:
    """Too few pictures to tell one epoch or one recipe from another."""
    if e.validation is None or e.validation.n >= FEW_TO_CHOOSE_BY:
        return None
    low, high = e.validation.interval
    if high - low < WIDE:
        return None
    total = sum(sum(counts) for counts in e.counts.values())
    share = min(0.4, max(0.2, FEW_TO_CHOOSE_BY / max(1, total)))
    evidence = f"{e.validation.right} of {e.validation.n} right: anything between {percent(low)} and {percent(high)}"
    cure = train_with(e, "--validation", rounded(share))
    verdict = f"The {e.validation.n} validation pictures are too few to choose by"
    return Diagnosis("small_validation", "warning", verdict, evidence, cure)


def _stands_still(e: Evidence) -> bool:
    """Whether much is left to learn from the training pictures and the loss does not fall any more."""
    if len(e.losses) < 4 or e.falling >= FALLING:
        return False
    if e.learnt is None:
        return e.epochs[-1].accuracy < LITTLE
    return e.learnt.interval.high < (LITTLE if e.is_outdone else HALF_LEARNT)


def _jumps(e: Evidence) -> bool:
    half = np.array([row.val_loss for row in e.epochs[len(e.epochs) // 2 :]])
    line = np.polyval(np.polyfit(np.arange(len(half)), half, 1), np.arange(len(half)))
    return float((half - line).std() / half.mean()) > JITTER
