"""What a report says in sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from striate.drawing import percent
from striate.errors import printable
from striate.evaluation.report import Report
from striate.pages.render import unbroken

CALIBRATED = 0.02
"""Expected calibration error up to which a confidence may be read as a probability."""


class Pair(NamedTuple):
    """A confusion.

    Attributes:
        i, j: labels of the true and of the predicted class.
        actual, said: their names.
        pictures: how many.
        share: of the true class's pictures.
    """

    i: int
    j: int
    actual: str
    said: str
    pictures: int
    share: float


def digits(n: int) -> int:
    """Returns how many decimals of a percentage n pictures can carry."""
    return 2 if n >= 5000 else 1


def verdict(report: Report) -> str:
    """Returns the result in one sentence."""
    low, high = report.interval
    share = percent(report.accuracy, digits(report.n))
    return unbroken(
        f"Answers {share} of the {report.n:,} {report.split} pictures rightly; "
        f"on pictures like these, expect between {percent(low)} and {percent(high)}."
        + (" That is no better than always giving the commonest answer." if low <= report.baseline else "")
    )


def insight(report: Report, shown: Callable[[str], str] = printable) -> str:
    """Returns what else a reader should know first: what it confuses, and whether its confidence can be trusted; names
    of classes as `shown` gives them.
    """
    said = []
    if pairs := confused_pairs(report, 1):
        one = pairs[0]
        said.append(
            f"Its commonest mistake: “{shown(one.actual)}” taken for “{shown(one.said)}”, {one.pictures:,} of "
            f"{_pictures(report, one.i)}."
        )
    if (found := report.calibration) is not None:
        said.append(trust(found.ece, found.confidence, report.accuracy))
    return unbroken(" ".join(said))


def trust(ece: float, confidence: float, accuracy: float) -> str:
    """Returns what a calibration error means for people."""
    off = f"off by {percent(ece)} on average"
    if ece <= CALIBRATED:
        return f"Its confidence can be taken at its word ({off})."
    if confidence > accuracy:
        return f"It is surer than it is right ({off})."
    return f"It is less sure than it could be ({off})."


def confused_pairs(report: Report, count: int = 5) -> list[Pair]:
    """Returns the commonest confusions."""
    counts = np.array(report.confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:count]
    cells = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True)]
    names = [row.name for row in report.classes]
    return [
        Pair(i, j, names[i], names[j], int(counts[i, j]), float(counts[i, j] / report.classes[i].support))
        for i, j in cells
        if counts[i, j]
    ]


def _pictures(report: Report, label: int) -> str:
    support = report.classes[label].support
    return f"{support:,} picture{'' if support == 1 else 's'}"
