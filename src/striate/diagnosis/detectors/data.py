"""Faults of the pictures: on another scale, unlike those to be told apart, or the same in several splits."""

from __future__ import annotations

from striate.diagnosis.diagnosis import Diagnosis, look_at_data, train_with
from striate.diagnosis.evidence import Evidence
from striate.diagnosis.outcome_counts import Tally, drop, never_answered
from striate.diagnosis.training_signals import Look
from striate.reporting.style import percent

SCALES = (0.03, 15.0)
"""Deviation of what the first weights are given, as initial weights expect about 1 (He et al. 2015, arXiv:1502.01852);
pictures divided by 255 have 0.1 to 0.4, the whole range of -1 to 1 has 1, undivided ones have 50 to 100."""

OTHER_SCALE = 10.0
"""Times: deviations of splits that differ so are no matter of light, but of a division by 255 made on one side only."""

SHIFT = 0.3
"""Kolmogorov–Smirnov distance of splits: pictures drawn alike have 0.1 at most from a few hundred on, and another
camera, scanner or lamp has more than this."""

SURE = 1e-4
"""P-value up to which that distance is believed."""

GAP = 0.05
"""Accuracy lost from validation to test for certain: choosing the best epoch alone flatters by less."""

LEAKED = 0.01
"""Share of the test pictures: less moves an accuracy by less than its interval's width."""


def wrong_normalisation(e: Evidence) -> Diagnosis | None:
    """What the network is given is far from what initial weights expect, or the splits are on different scales."""
    if e.symptoms is None:
        return None
    train = e.symptoms.looks[0]
    for look in e.symptoms.looks[1:]:
        if _is_other_scale(train, look):
            evidence = (
                f"pixels of the {look.split} pictures have a mean of {look.mean:.3g} and a deviation of "
                f"{look.deviation:.3g}, those of training {train.mean:.3g} and {train.deviation:.3g} (of 0 to 255)"
            )
            verdict = f"The {look.split} pictures are normalised otherwise than those of training"
            return Diagnosis("wrong_normalisation", "error", verdict, evidence + _seen(e), look_at_data(e))
    scale = e.symptoms.scale
    if scale is None or e.recipe.weights is not None or SCALES[0] <= scale.deviation <= SCALES[1]:
        return None
    evidence = (
        f"layer {scale.layer} is given values of mean {scale.mean:.3g} and deviation {scale.deviation:.3g}, where "
        f"about 1 is expected; the pictures' own are {train.mean:.3g} and {train.deviation:.3g} (of 0 to 255)"
    )
    verdict = "The pictures are not normalised as the network expects"
    return Diagnosis("wrong_normalisation", "error", verdict, evidence, look_at_data(e))


def mismatch(e: Evidence) -> Diagnosis | None:
    """The test (or validation) pictures are of another kind than those of training, and are answered worse."""
    if e.validation is None or e.validation.is_no_better_than_guessing:  # then nothing was learnt that could be lost
        return None
    looks = {look.split: look for look in e.symptoms.looks} if e.symptoms else {}
    validation, test = looks.get("validation"), looks.get("test")
    if e.test is not None and _dropped(e.validation, e.test) and (lost := drop(e.validation, e.test)).low > GAP:
        evidence = (
            f"{percent(e.validation.accuracy)} of {e.validation.n:,} validation pictures right, "
            f"{percent(e.test.accuracy)} of {e.test.n:,} test pictures (between {percent(lost.low)} and "
            f"{percent(lost.high)} fewer)"
        )
        return _unlike(e, "test", evidence + _shown(test))
    if e.learnt is not None and _is_shifted(validation) and drop(e.learnt, e.validation).low > GAP:
        evidence = (
            f"{percent(e.learnt.accuracy)} of the training pictures right, {percent(e.validation.accuracy)} of those "
            "to choose by"
        )
        return _unlike(e, "validation", evidence + _shown(validation))
    return None


def leak(e: Evidence) -> Diagnosis | None:
    """Test pictures have copies among those learnt or chosen from, more than a few."""
    found = next((one for one in e.findings if one.kind == "leak"), None)
    tested = e.test.n if e.test else sum(e.counts.get("test", ()))
    number = e.leaked or (found.groups if found is not None and e.test is None else 0)
    if found is None or not tested or number < LEAKED * tested:
        return None
    evidence = f"{number:,} of {tested:,} test pictures have a copy among those learnt or chosen from"
    if e.without_leaks is not None and e.test is not None:
        share = e.without_leaks
        evidence += f"; {percent(e.test.accuracy)} right with them, {percent(share.accuracy)} without"
    cure = look_at_data(e, "--fix")
    verdict = "The test pictures leak into the training: its accuracy flatters"
    return Diagnosis("leak", "error", verdict, evidence, cure, found.files)


def _dropped(validation: Tally, test: Tally) -> bool:
    """Whether classes that are answered at all lose too: one that never is has a fault of its own."""
    never = never_answered(test)
    validation, test = validation.without(never), test.without(never)
    return bool(validation.n and test.n) and drop(validation, test).low > GAP


def _unlike(e: Evidence, split: str, evidence: str) -> Diagnosis:
    verdict = f"The {split} pictures are of another kind than those of training"
    augment = "flip,shift=0.1,rotate=10,zoom=0.2,brightness=0.3"
    return Diagnosis("mismatch", "error", verdict, evidence, train_with(e, "--augment", augment))


def _is_other_scale(train: Look, other: Look) -> bool:
    one, two = sorted((max(train.deviation, 0.01), max(other.deviation, 0.01)))
    return two > OTHER_SCALE * one


def _is_shifted(look: Look | None) -> bool:
    return look is not None and look.shift > SHIFT and look.p_value < SURE


def _shown(look: Look | None) -> str:
    if look is None or not _is_shifted(look):
        return ""
    return f"; brightness or contrast are distributed otherwise (Kolmogorov–Smirnov distance {look.shift:.2f})"


def _seen(e: Evidence) -> str:
    if e.validation is None or e.test is None:
        return ""
    return (
        f"; {percent(e.validation.accuracy)} of the validation pictures right, {percent(e.test.accuracy)} of the test's"
    )
