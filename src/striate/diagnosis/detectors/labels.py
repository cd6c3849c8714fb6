"""Faults of the labels and classes: wrong labels, rare classes, classes that are never answered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.diagnosis.diagnosis import Diagnosis, build_data_command
from striate.diagnosis.evidence import EXPLODING_LOSS_RATIO, Evidence
from striate.diagnosis.outcome_counts import (
    MIN_CLASS_SUPPORT,
    OutcomeCounts,
    compute_min_loss_rise,
    find_unpredicted_classes,
)
from striate.evaluation.intervals import wilson
from striate.reporting.style import format_percent

MIN_CONFIDENT_ERROR_RATE = 0.05
"""Fraction of wrong predictions among the most confident fifth, for certain, from which on wrong labels are
suspected: a
model that has learned anything is seldom wrong where it is surest."""

MIN_ERROR_EVENNESS = 0.4
"""That share by the share among all predictions: wrong labels strike the easiest images like all others (1 would be
perfectly even), difficult images do not."""

MIN_MEMORIZATION_GAP = 0.2
"""Accuracy on training images above guessing, where other images are guessed: only labels that mean nothing can be
learned and not used."""

MIN_IMBALANCE_RATIO = 10  # largest class to smallest, as in inspection.classes
MIN_RECALL_GAP = 0.1
"""Recall of the small classes below that of the others, for certain."""


MIN_CONFIDENT_PREDICTIONS = 20
"""Answers among the most confident fifth, below which their mistakes say nothing of the labels."""


def detect_label_noise(e: Evidence) -> Diagnosis | None:
    """Labels that do not belong to their images."""
    if e.validation_outcomes is None:
        return None
    seen = None if e.is_worse_than_knn else _find_even_errors(e.validation_outcomes) or _find_better_validation(e)
    if seen is None:
        seen = _find_random_labels(e)
    if seen is None:
        return None
    number = seen[1]
    cure = build_data_command(e, "--label-issues")
    return Diagnosis("label_noise", "error" if e.is_unusable else "warning", number, seen[0], cure)


def _find_even_errors(outcomes: OutcomeCounts) -> tuple[str, str] | None:
    if (
        outcomes.is_at_chance_level
        or outcomes.top_confidence_count < MIN_CONFIDENT_PREDICTIONS
        or outcomes.n == outcomes.correct_count
    ):
        return None
    wrong, fraction = 1 - outcomes.accuracy, outcomes.top_confidence_errors / outcomes.top_confidence_count
    if (
        wilson(outcomes.top_confidence_errors, outcomes.top_confidence_count).low < MIN_CONFIDENT_ERROR_RATE
        or fraction < MIN_ERROR_EVENNESS * wrong
    ):
        return None
    evidence = (
        f"{format_percent(fraction)} of the most confident fifth of the predictions on validation images are wrong, "
        f"{format_percent(wrong)} of all: the mistakes strike easy images like difficult ones"
    )
    return evidence, f"About {format_percent(fraction, 0)} of the labels seem to be wrong"


def _find_better_validation(e: Evidence) -> tuple[str, str] | None:
    """A model answers the images that it learned from better than others of their kind, unless their labels are
    wrong: unchanged and without dropout, as they are tallied here.
    """
    seen, other = e.train_outcomes, e.validation_outcomes
    if seen is None or other is None or other.accuracy <= seen.accuracy or other.is_at_chance_level:
        return None
    rise = compute_min_loss_rise(other, seen)
    if rise is None or rise <= 0:
        return None
    evidence = (
        f"{format_percent(seen.accuracy)} of {seen.n:,} training images right, yet "
        f"{format_percent(other.accuracy)} of {other.n:,} "
        f"validation images, which it never learned from; losses {seen.loss:.3g} and {other.loss:.3g}"
    )
    return evidence, "Labels of the training images seem to be wrong"


def _find_random_labels(e: Evidence) -> tuple[str, str] | None:
    assert e.validation_outcomes is not None  # noqa: S101  (label_noise looked)
    if not e.validation_outcomes.is_at_chance_level or e.validation_outcomes.n < MIN_CLASS_SUPPORT * len(e.classes):
        return None
    by_heart = max([row.accuracy for row in e.epochs if np.isfinite(row.accuracy)], default=0.0)
    if e.train_outcomes is not None:
        by_heart = max(by_heart, e.train_outcomes.accuracy)
    exploded = any(loss > EXPLODING_LOSS_RATIO * e.chance_loss for loss in e.finite_losses)
    is_hopeless = (
        len(e.classes) > 2
        and e.neighbor_outcomes is not None
        and e.neighbor_outcomes.is_at_chance_level
        and not exploded
    )
    if by_heart < e.validation_outcomes.baseline + MIN_MEMORIZATION_GAP and not is_hopeless:
        return None
    evidence = f"{format_percent(e.validation_outcomes.accuracy)} of the validation images right, as by guessing"
    if by_heart >= e.validation_outcomes.baseline + MIN_MEMORIZATION_GAP:
        evidence += f", where {format_percent(by_heart)} of the training images are known by heart"
    if e.neighbor_outcomes is not None:
        evidence += f"; the most similar training images answer {format_percent(e.neighbor_outcomes.accuracy)} rightly"
    return evidence, "The labels seem to have nothing to do with the images"


def detect_class_imbalance(e: Evidence) -> Diagnosis | None:
    """Classes with few images, which are answered worse for it."""
    counts = np.array(e.class_counts.get("train", ()))
    if (
        len(counts) < 2
        or counts.max() <= MIN_IMBALANCE_RATIO * max(1, counts.min())
        or (matrix := _sum_confusions(e)) is None
    ):
        return None
    is_small = counts * MIN_IMBALANCE_RATIO < counts.max()
    right, n = np.diag(matrix), matrix.sum(axis=1)
    few, many = int(n[is_small].sum()), int(n[~is_small].sum())
    if not few or not many:
        return None
    small, large = wilson(int(right[is_small].sum()), few), right[~is_small].sum() / many
    if small.high > large - MIN_RECALL_GAP:
        return None
    names = ", ".join(e.classes[index] for index in np.flatnonzero(is_small)[:3])
    evidence = (
        f"{int(counts.min()):,} to {int(counts.max()):,} training images a class; of the small classes ({names}"
        f"{' …' if is_small.sum() > 3 else ''}) {format_percent(right[is_small].sum() / few)} are recognised, of the "
        "others "
        f"{format_percent(large)}"
    )
    verdict = "The classes are imbalanced: the rare ones are sacrificed"
    return Diagnosis("imbalance", "warning", verdict, evidence, build_data_command(e))


def detect_class_collapse(e: Evidence) -> Diagnosis | None:
    """Some classes are never answered, though the others are."""
    predictions = e.test_outcomes or e.validation_outcomes
    if predictions is None or not (never := find_unpredicted_classes(predictions)):
        return None
    matrix = predictions.confusion_matrix
    n, right = matrix.sum(axis=1), np.diag(matrix)
    others = [i for i in range(len(n)) if i not in never]
    taken = matrix[never].sum(axis=0)
    instead = ", ".join(e.classes[i] for i in np.argsort(-taken)[: len(never)])
    names = ", ".join(e.classes[i] for i in never)
    evidence = (
        f"of {int(n[never].sum()):,} images of {names}, {int(right[never].sum()):,} are recognised; most are "
        f"answered {instead}; of the other classes {format_percent(sum(right[others]) / max(1, sum(n[others])))} are"
    )
    counts = np.array(e.class_counts.get("train", ()))
    if len(counts):
        evidence += (
            f"; {', '.join(f'{counts[i]:,}' for i in never)} of {int(counts.sum()):,} training images are {names}"
        )
    verdict = f"{names} {'is' if len(never) == 1 else 'are'} never answered"
    return Diagnosis("class_collapse", "warning", verdict, evidence, build_data_command(e, "--label-issues"))


def _sum_confusions(e: Evidence) -> NDArray[np.int64] | None:
    """Returns the confusions on validation and test images together: rare classes have too few in one of them."""
    found = [one.confusion_matrix for one in (e.validation_outcomes, e.test_outcomes) if one is not None]
    return sum(found[1:], found[0]) if found else None
