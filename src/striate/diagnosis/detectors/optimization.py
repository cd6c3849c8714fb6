"""Faults of the search for weights: numbers that blow up, steps too large or too small, units that died, one answer."""

from __future__ import annotations

import math

from striate.diagnosis.detectors.data import wrong_normalisation
from striate.diagnosis.diagnosis import Diagnosis, rounded, train_with
from striate.diagnosis.evidence import EXPLODED, Evidence
from striate.reporting.style import percent

USUAL = {"adam": (1e-4, 2e-2), "adamw": (1e-4, 2e-2), "sgd": (3e-3, 1.0)}
"""Optimizer → learning rates that work somewhere. Adam's own default is 1e-3 (Kingma and Ba 2015); SGD with momentum
is used between 0.01 and 0.5 (Goyal et al. 2017). A rate outside is a reason to suspect it, never a verdict alone."""

MIDDLE = {"adam": 1e-3, "adamw": 2e-3, "sgd": 5e-2}
"""Optimizer → the rate to go back to."""


STILL_IGNORANT = 0.9
"""Of that loss: a network that ends above has learnt next to nothing."""

LITTLE = 0.9
"""Share of the training pictures answered rightly, below which there is something left to learn for certain."""

DEAD = 0.9
"""Share of a layer's units: with so many dead the rest is a bottleneck, or nothing passes at all."""

ONE_CLASS = 0.98
"""Share of the answers."""

NAMED = 3  # pictures that a sentence names


def not_finite(e: Evidence) -> Diagnosis | None:
    """The loss became NaN or infinite: when, in which batches, on which pictures."""
    broken = e.symptoms.broken if e.symptoms else None
    epochs = [row.epoch for row in e.epochs if not (math.isfinite(row.loss) and math.isfinite(row.val_loss))]
    if broken is None and not epochs:
        return None
    if broken is None:
        where = f"the loss is no number from epoch {epochs[0]} on"
        files: tuple[str, ...] = ()
    else:
        which = f"batch {broken.first}" if broken.first == broken.last else f"batches {broken.first} to {broken.last}"
        some = ", ".join(broken.files[:NAMED])
        where = f"the loss was no number any more in epoch {broken.epoch}, {which}, with {broken.count:,} pictures: "
        where += some + (" …" if broken.count > NAMED else "")
        files = broken.files
    rate = e.recipe.learning_rate
    if e.recipe.precision == "mixed_float16":
        cure = train_with(e, "--precision", "float32")
    else:
        cure = train_with(e, "--lr", rounded(min(rate / 10, MIDDLE[e.recipe.optimizer])))
    kept = f"; epoch {e.kept} was kept" if e.kept else "; nothing usable came out"
    verdict = "The numbers in the network overflowed: its loss became NaN or infinite"
    return Diagnosis("not_finite", "error", verdict, where + kept, cure, files)


def rate_too_high(e: Evidence) -> Diagnosis | None:
    """The loss rose far above that of plain ignorance, and the training did not recover."""
    rate, (_, highest) = e.recipe.learning_rate, USUAL[e.recipe.optimizer]
    peaks = [*e.losses, *([e.symptoms.peak] if e.symptoms and e.symptoms.peak is not None else [])]
    peak = max(peaks, default=math.inf)
    broke = any(not math.isfinite(row.loss) for row in e.epochs)
    exploded = peak > EXPLODED * e.ignorance or broke
    is_lost = e.is_useless or e.is_outdone or (bool(e.losses) and e.losses[-1] > e.ignorance)
    if not is_lost or not (exploded or rate > highest):
        return None
    if rate <= highest and (broke or _input_is_off(e)):  # ordinary steps: something else blew up
        return None
    seen = f"loss up to {peak:.3g}" if math.isfinite(peak) else "a loss that is no number"
    end = f", {e.losses[-1]:.3g} at the end" if e.losses else ""
    evidence = f"rate {rate:g} with {e.recipe.optimizer}; {seen}{end}, where guessing costs {e.ignorance:.2f}"
    if e.validation is not None:
        evidence += f"; {percent(e.validation.accuracy)} of the validation pictures right"
    tried = MIDDLE[e.recipe.optimizer] if rate > highest else rate / 10
    cure = train_with(e, "--lr", rounded(tried))
    return Diagnosis("learning_rate_too_high", "error", "The learning rate is too high", evidence, cure)


def rate_too_low(e: Evidence) -> Diagnosis | None:
    """The loss falls, steadily and hardly, from where it began, under a rate below the usual ones."""
    rate, (lowest, _) = e.recipe.learning_rate, USUAL[e.recipe.optimizer]
    if rate >= lowest or e.validation is None or not e.losses or e.recipe.weights is not None:
        return None
    if e.learnt is not None and e.learnt.interval.high > LITTLE and not e.is_outdone:
        return None
    if e.learnt is None and e.losses[-1] < STILL_IGNORANT * e.ignorance:
        return None
    rest = e.learnt.loss if e.learnt else e.losses[-1]
    evidence = (
        f"rate {rate:g} with {e.recipe.optimizer}; after {len(e.epochs)} epochs the training loss is {rest:.3g}, where "
        f"guessing costs {e.ignorance:.2f}" + _outdone(e)
    )
    cure = train_with(e, "--lr", rounded(MIDDLE[e.recipe.optimizer]))
    return Diagnosis("learning_rate_too_low", "error", "The learning rate is too low", evidence, cure)


def dead_units(e: Evidence) -> Diagnosis | None:
    """A layer whose rectified units answer nothing, in a network that does not work."""
    if e.symptoms is None or not (e.is_useless or e.is_outdone):
        return None
    worst = max(e.symptoms.units, key=lambda one: one.dead / one.units, default=None)
    if worst is None or worst.dead < DEAD * worst.units:
        return None
    evidence = f"{worst.dead:,} of the {worst.units:,} units of layer {worst.layer} are 0 on every picture looked at"
    cure = train_with(e, "--lr", rounded(e.recipe.learning_rate / 10))
    return Diagnosis(
        "dead_relus",
        "error",
        "Rectified units have died: no gradient passes them, so nothing is learnt",
        evidence,
        cure,
    )


def one_class(e: Evidence) -> Diagnosis | None:
    """All pictures get the same answer."""
    if e.validation is None or e.validation.n < 2 * len(e.classes):
        return None
    answers = e.validation.matrix.sum(axis=0)
    most = int(answers.argmax())
    if answers[most] < ONE_CLASS * e.validation.n or e.validation.matrix[most].sum() >= ONE_CLASS * e.validation.n:
        return None
    evidence = f"{answers[most]:,} of {e.validation.n:,} validation pictures are answered {e.classes[most]}"
    cure = train_with(e, "--lr", rounded(e.recipe.learning_rate / 3))
    verdict = f"It always answers {e.classes[most]}"
    return Diagnosis("one_class", "error", verdict, evidence + _outdone(e), cure)


def _input_is_off(e: Evidence) -> bool:
    return wrong_normalisation(e) is not None


def _outdone(e: Evidence) -> str:
    if e.neighbours is None or e.validation is None:
        return ""
    return (
        f"; {percent(e.validation.accuracy)} of the validation pictures right, where the nearest training pictures "
        f"alone give {percent(e.neighbours.accuracy)}"
    )
