"""Pair: two groups of runs on the same test pictures, tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.evaluation.comparison.run_summary import Group
from striate.evaluation.intervals import Interval, PairedDifference, paired_difference
from striate.evaluation.significance import ALPHA, detectable, holm, seeded_difference
from striate.reporting.style import percent


@dataclass(frozen=True)
class ClassDifference:
    """How the recall of one class differs.

    Attributes:
        name: the class.
        n: its test pictures.
        recalls: share of them that the first group gets right, and that the second does.
        interval: 95 % confidence interval of the second minus the first.
        p_value: that both are equally often right, adjusted for the number of classes (Holm).
    """

    name: str
    n: int
    recalls: tuple[float, float]
    interval: Interval
    p_value: float

    @property
    def difference(self) -> float:
        """The second's recall minus the first's."""
        return self.recalls[1] - self.recalls[0]

    @property
    def is_real(self) -> bool:
        """Whether chance hardly explains it."""
        return self.p_value < ALPHA

    def summary(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        return {
            "class": self.name,
            "n": self.n,
            "recall_a": self.recalls[0],
            "recall_b": self.recalls[1],
            "difference": self.difference,
            "interval": list(self.interval),
            "p_adjusted": self.p_value,
            "real": self.is_real,
        }


@dataclass(frozen=True)
class Pair:
    """Two groups on the same test pictures.

    Attributes:
        one: the first.
        two: the second.
        paired: how they differ, the second minus the first.
        p_adjusted: its p-value, adjusted for the number of pairs that are compared (Holm).
        smallest: the smallest difference that would have been found in four cases of five; None where the pictures are
            too few for any.
        classes: class by class.
        lost: keys of the pictures that every run of the first gets right and none of the second, the latter's most
            confident errors first.
        gained: the reverse.
    """

    one: Group
    two: Group
    paired: PairedDifference
    p_adjusted: float
    smallest: float | None
    classes: tuple[ClassDifference, ...]
    lost: tuple[str, ...]
    gained: tuple[str, ...]

    @property
    def a(self) -> str:
        """The first's name."""
        return self.one.name

    @property
    def b(self) -> str:
        """The second's name."""
        return self.two.name

    @property
    def is_seeded(self) -> bool:
        """Whether seeds were counted as chance too."""
        return len(self.one.contenders) + len(self.two.contenders) > 2

    @property
    def is_real(self) -> bool:
        """Whether chance hardly explains the difference."""
        return self.p_adjusted < ALPHA

    @property
    def verdict(self) -> str:
        """What may be said about the two."""
        if not self.is_real:
            return "cannot be told apart"
        return f"{self.b if self.paired.difference > 0 else self.a} is better"

    @property
    def test(self) -> str:
        """The test's name."""
        return "a t-test over pictures and seeds" if self.is_seeded else "McNemar's exact test"

    @property
    def counts(self) -> str:
        """Returns how many pictures only one of the two gets right."""
        one, two = f"{self.paired.only_first:,}", f"{self.paired.only_second:,}"
        if self.is_seeded:
            return f"{one} pictures right with every seed of {self.a} and none of {self.b}, {two} the other way round"
        return f"{one} pictures right only in {self.a}, {two} only in {self.b}"

    @property
    def sentence(self) -> str:
        """Returns the verdict in full."""
        low, high = self.paired.interval
        effect = f"{points(self.paired.difference)}, 95 % interval {signed(low)} to {signed(high)}"
        if self.is_real:
            better, worse = (self.b, self.a) if self.paired.difference > 0 else (self.a, self.b)
            if better == self.a:
                effect = f"{points(-self.paired.difference)}, 95 % interval {signed(-high)} to {signed(-low)}"
            return f"{better} is better than {worse}: {effect}."
        if self.smallest is None:
            return f"{self.a} and {self.b} cannot be told apart: {effect}. So few pictures could show no difference."
        return (
            f"{self.a} and {self.b} cannot be told apart: {effect}. So many pictures would have shown a difference of "
            f"{100 * self.smallest:.2g} points or more in four cases of five."
        )

    def summary(self) -> dict[str, Any]:
        """Returns the pair as plain JSON values."""
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.paired.difference,
            "interval": list(self.paired.interval),
            "p_value": self.paired.p_value,
            "p_adjusted": self.p_adjusted,
            "test": self.test,
            "only_a": self.paired.only_first,
            "only_b": self.paired.only_second,
            "smallest_detectable": self.smallest,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "classes": [row.summary() for row in self.classes],
            "lost": list(self.lost),
            "gained": list(self.gained),
        }


def pairs_of(groups: Sequence[tuple[Group, Group]], keys: Sequence[str]) -> tuple[Pair, ...]:
    """Returns every two of the groups tested on the pictures of those keys."""
    right = {group.name: group.is_right(keys) for pair in groups for group in pair}
    tested = [_tested(right[one.name], right[two.name], len(groups)) for one, two in groups]
    adjusted = holm([paired.p_value for paired, _ in tested])
    labels = np.array([groups[0][0].contenders[0].answers[key].label for key in keys] if groups else [], np.str_)
    return tuple(
        Pair(
            one=one,
            two=two,
            paired=paired,
            p_adjusted=p,
            smallest=smallest,
            classes=_classes(one, right[one.name], right[two.name], labels),
            lost=_only(right[one.name], right[two.name], two, keys),
            gained=_only(right[two.name], right[one.name], one, keys),
        )
        for (one, two), (paired, smallest), p in zip(groups, tested, adjusted, strict=True)
    )


def points(difference: float) -> str:
    """Returns a difference of two shares in percentage points, with its sign."""
    return f"{signed(difference)} points"


def signed(difference: float) -> str:
    """Returns the same without the unit."""
    return f"{100 * difference:+.2f}".replace("-", "\N{MINUS SIGN}")


def recalls(row: ClassDifference) -> str:
    """Returns the two recalls as people write them."""
    return f"{percent(row.recalls[0])} → {percent(row.recalls[1])}"


def _tested(
    first: NDArray[np.bool_], second: NDArray[np.bool_], tests: int = 1
) -> tuple[PairedDifference, float | None]:
    if len(first) + len(second) > 2 and first.shape[1] > 1:
        return seeded_difference(first, second, tests)
    paired = paired_difference(first[0], second[0])
    return paired, detectable(first.shape[1], paired.only_first + paired.only_second, tests)


def _classes(
    group: Group, first: NDArray[np.bool_], second: NDArray[np.bool_], labels: NDArray[np.str_]
) -> tuple[ClassDifference, ...]:
    found = []
    for row in group.contenders[0].report.classes:
        own = labels == row.name
        if own.any():
            paired, _ = _tested(first[:, own], second[:, own])
            found.append((row.name, int(own.sum()), first[:, own].mean(), second[:, own].mean(), paired))
    adjusted = holm([paired.p_value for *_, paired in found])
    return tuple(
        ClassDifference(name, n, (float(one), float(two)), paired.interval, p)
        for (name, n, one, two, paired), p in zip(found, adjusted, strict=True)
    )


def _only(right: NDArray[np.bool_], wrong: NDArray[np.bool_], loser: Group, keys: Sequence[str]) -> tuple[str, ...]:
    chosen = [keys[index] for index in np.flatnonzero(right.all(axis=0) & ~wrong.any(axis=0)).tolist()]
    answers = loser.contenders[0].answers
    return tuple(sorted(chosen, key=lambda key: -answers[key].confidence))
