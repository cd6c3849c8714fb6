"""Faults of the images: on another scale, unlike those to be told apart, or the same in several splits."""

from __future__ import annotations

from striate.diagnosis.diagnosis import Diagnosis, build_data_command, build_train_command
from striate.diagnosis.evidence import Evidence
from striate.diagnosis.outcome_counts import OutcomeCounts, compute_accuracy_drop, find_unpredicted_classes
from striate.diagnosis.training_signals import SplitStatistics
from striate.reporting.style import format_percent

INPUT_STD_RANGE = (0.03, 15.0)
"""Deviation of what the first weights are given, as initial weights expect about 1 (He et al. 2015, arXiv:1502.01852);
images divided by 255 have 0.1 to 0.4, the whole range of -1 to 1 has 1, undivided ones have 50 to 100."""

MIN_SCALE_RATIO = 10.0
"""Times: deviations of splits that differ so are no matter of light, but of a division by 255 made on one side only."""

MIN_SHIFT_DISTANCE = 0.3
"""Kolmogorov–Smirnov distance of splits: images drawn alike have 0.1 at most from a few hundred on, and another
camera, scanner or lamp has more than this."""

MAX_SHIFT_P_VALUE = 1e-4
"""P-value up to which that distance is believed."""

MIN_ACCURACY_DROP = 0.05
"""Accuracy lost from validation to test for certain: choosing the best epoch alone flatters by less."""

MIN_LEAK_FRACTION = 0.01
"""Fraction of the test images: less moves an accuracy by less than its interval's width."""


def detect_wrong_normalization(e: Evidence) -> Diagnosis | None:
    """What the model is given is far from what initial weights expect, or the splits are on different scales."""
    if e.signals is None:
        return None
    train = e.signals.split_statistics[0]
    for look in e.signals.split_statistics[1:]:
        if _has_other_scale(train, look):
            evidence = (
                f"pixels of the {look.split} images have a mean of {look.mean:.3g} and a deviation of "
                f"{look.std:.3g}, those of training {train.mean:.3g} and {train.std:.3g} (of 0 to 255)"
            )
            verdict = f"The {look.split} images are normalized differently from the training images"
            return Diagnosis(
                "wrong_normalization", "error", verdict, evidence + _format_accuracies(e), build_data_command(e)
            )
    scale = e.signals.input_scale
    if scale is None or e.recipe.weights is not None or INPUT_STD_RANGE[0] <= scale.std <= INPUT_STD_RANGE[1]:
        return None
    evidence = (
        f"layer {scale.layer} is given values of mean {scale.mean:.3g} and deviation {scale.std:.3g}, where "
        f"about 1 is expected; the images' own are {train.mean:.3g} and {train.std:.3g} (of 0 to 255)"
    )
    verdict = "The images are not normalized as the model expects"
    return Diagnosis("wrong_normalization", "error", verdict, evidence, build_data_command(e))


def detect_split_mismatch(e: Evidence) -> Diagnosis | None:
    """The test (or validation) images are of another kind than those of training, and are answered worse."""
    if (
        e.validation_outcomes is None or e.validation_outcomes.is_at_chance_level
    ):  # then nothing was learned that could be lost
        return None
    looks = {look.split: look for look in e.signals.split_statistics} if e.signals else {}
    validation, test = looks.get("validation"), looks.get("test")
    if (
        e.test_outcomes is not None
        and _has_accuracy_drop(e.validation_outcomes, e.test_outcomes)
        and (lost := compute_accuracy_drop(e.validation_outcomes, e.test_outcomes)).low > MIN_ACCURACY_DROP
    ):
        evidence = (
            f"{format_percent(e.validation_outcomes.accuracy)} of {e.validation_outcomes.n:,} validation images right, "
            f"{format_percent(e.test_outcomes.accuracy)} of {e.test_outcomes.n:,} test images (between "
            f"{format_percent(lost.low)} and "
            f"{format_percent(lost.high)} fewer)"
        )
        return _build_mismatch_diagnosis(e, "test", evidence + _describe_shift(test))
    if (
        e.train_outcomes is not None
        and _has_shift(validation)
        and compute_accuracy_drop(e.train_outcomes, e.validation_outcomes).low > MIN_ACCURACY_DROP
    ):
        evidence = (
            f"{format_percent(e.train_outcomes.accuracy)} of the training images right, "
            f"{format_percent(e.validation_outcomes.accuracy)} of those "
            "to choose by"
        )
        return _build_mismatch_diagnosis(e, "validation", evidence + _describe_shift(validation))
    return None


def detect_leak(e: Evidence) -> Diagnosis | None:
    """Test images have copies among those learned or chosen from, more than a few."""
    found = next((one for one in e.findings if one.kind == "leak"), None)
    tested = e.test_outcomes.n if e.test_outcomes else sum(e.class_counts.get("test", ()))
    number = e.leak_count or (found.group_count if found is not None and e.test_outcomes is None else 0)
    if found is None or not tested or number < MIN_LEAK_FRACTION * tested:
        return None
    evidence = f"{number:,} of {tested:,} test images have a copy among those learned or chosen from"
    if e.without_leaks is not None and e.test_outcomes is not None:
        fraction = e.without_leaks
        evidence += (
            f"; {format_percent(e.test_outcomes.accuracy)} right with them, {format_percent(fraction.accuracy)} without"
        )
    cure = build_data_command(e, "--fix")
    verdict = "The test images leak into the training: its accuracy flatters"
    return Diagnosis("leak", "error", verdict, evidence, cure, found.files)


def _has_accuracy_drop(validation_outcomes: OutcomeCounts, test_outcomes: OutcomeCounts) -> bool:
    """Whether classes that are answered at all lose too: one that never is has a fault of its own."""
    never = find_unpredicted_classes(test_outcomes)
    validation_outcomes, test_outcomes = (
        validation_outcomes.exclude_classes(never),
        test_outcomes.exclude_classes(never),
    )
    return (
        bool(validation_outcomes.n and test_outcomes.n)
        and compute_accuracy_drop(validation_outcomes, test_outcomes).low > MIN_ACCURACY_DROP
    )


def _build_mismatch_diagnosis(e: Evidence, split: str, evidence: str) -> Diagnosis:
    verdict = f"The {split} images are of another kind than those of training"
    augment = "flip,shift=0.1,rotate=10,zoom=0.2,brightness=0.3"
    return Diagnosis("mismatch", "error", verdict, evidence, build_train_command(e, "--augment", augment))


def _has_other_scale(train_statistics: SplitStatistics, other_statistics: SplitStatistics) -> bool:
    one, two = sorted((max(train_statistics.std, 0.01), max(other_statistics.std, 0.01)))
    return two > MIN_SCALE_RATIO * one


def _has_shift(statistics: SplitStatistics | None) -> bool:
    return statistics is not None and statistics.shift > MIN_SHIFT_DISTANCE and statistics.p_value < MAX_SHIFT_P_VALUE


def _describe_shift(statistics: SplitStatistics | None) -> str:
    if statistics is None or not _has_shift(statistics):
        return ""
    return f"; brightness or contrast are distributed otherwise (Kolmogorov–Smirnov distance {statistics.shift:.2f})"


def _format_accuracies(e: Evidence) -> str:
    if e.validation_outcomes is None or e.test_outcomes is None:
        return ""
    validation, test = format_percent(e.validation_outcomes.accuracy), format_percent(e.test_outcomes.accuracy)
    return f"; {validation} of the validation images right, {test} of the test's"
