"""Whether an exported file answers as its classifier does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.config import config
from striate.errors import StriateError

LIMIT = 1e-4
"""How far a probability may lie from the classifier's own; float32 in another order of sums is some 1e-6 apart."""

CHANGED = 0.05
"""Of int8, which has another arithmetic: the share of pictures whose label may change."""


class ParityError(StriateError):
    """An exported file answers otherwise than its classifier. It is not kept."""


@config
class Parity:
    """How an exported file's answers differ.

    Attributes:
        pictures: on how many.
        max_abs_difference: the largest difference of any probability, 0..1.
        changed_labels: pictures whose most probable class is another.
    """

    pictures: int
    max_abs_difference: float
    changed_labels: int


def parity(expected: NDArray[np.floating], found: NDArray[np.floating]) -> Parity:
    """Returns how two answers, (n, classes) probabilities of the same pictures, differ.

    Raises:
        ParityError: they have different shapes, or there is a number that is none.
    """
    if expected.shape != found.shape or not np.isfinite(found).all():
        raise ParityError("The exported file answers with nonsense", received=found.shape, expected=expected.shape)
    return Parity(
        len(expected),
        float(np.abs(expected - found).max()),
        int(np.sum(expected.argmax(axis=1) != found.argmax(axis=1))),
    )


def refuse_unlike(found: Parity, *, quantised: bool) -> None:
    """Raises ParityError where the answers differ by more than rounding does, or than int8 may."""
    if quantised:
        if found.changed_labels > CHANGED * found.pictures:
            raise ParityError(
                "In int8 this classifier answers otherwise too often, so no file was kept",
                received=f"another label for {found.changed_labels:,} of {found.pictures:,} pictures",
                expected=f"at most {CHANGED:.0%}",
                hint="export without --int8",
            )
    elif found.max_abs_difference > LIMIT:
        raise ParityError(
            "The exported file answers otherwise than the classifier, so it was not kept",
            received=f"probabilities up to {found.max_abs_difference:.2g} apart, another label for "
            f"{found.changed_labels:,} of {found.pictures:,} pictures",
            expected=f"at most {LIMIT:g}",
        )
