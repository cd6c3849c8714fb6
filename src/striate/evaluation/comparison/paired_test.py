"""Pair: two groups of runs on the same test images, tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.evaluation.comparison.run_summary import RunGroup
from striate.evaluation.intervals import Interval, PairedDifference, compute_paired_difference
from striate.evaluation.significance import (
    ALPHA,
    adjust_p_values,
    compute_detectable_difference,
    compute_seeded_difference,
)
from striate.reporting.style import format_percent


@dataclass(frozen=True)
class ClassDifference:
    """How the recall of one class differs.

    Attributes:
        name: the class.
        n: its test images.
        recalls: fraction of them that the first group gets right, and that the second does.
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

    def to_dict(self) -> dict[str, Any]:
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
class PairwiseResult:
    """Two groups on the same test images.

    Attributes:
        first_group: the first.
        second_group: the second.
        paired: how they differ, the second minus the first.
        p_adjusted: its p-value, adjusted for the number of pairs that are compared (Holm).
        detectable_difference: the smallest difference that would have been found in four cases of five; None where
            the images are too few for any.
        classes: class by class.
        only_first_keys: keys of the images that every run of the first gets right and none of the second, the latter's
            most confident errors first.
        only_second_keys: the reverse.
    """

    first_group: RunGroup
    second_group: RunGroup
    paired: PairedDifference
    p_adjusted: float
    detectable_difference: float | None
    classes: tuple[ClassDifference, ...]
    only_first_keys: tuple[str, ...]
    only_second_keys: tuple[str, ...]

    @property
    def a(self) -> str:
        """The first's name."""
        return self.first_group.name

    @property
    def b(self) -> str:
        """The second's name."""
        return self.second_group.name

    @property
    def is_seeded(self) -> bool:
        """Whether seeds were counted as chance too."""
        return len(self.first_group.contenders) + len(self.second_group.contenders) > 2

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
        return "a t-test over images and seeds" if self.is_seeded else "McNemar's exact test"

    @property
    def counts(self) -> str:
        """Returns how many images only one of the two gets right."""
        one, two = f"{self.paired.only_first:,}", f"{self.paired.only_second:,}"
        if self.is_seeded:
            return f"{one} images right with every seed of {self.a} and none of {self.b}, {two} the other way round"
        return f"{one} images right only in {self.a}, {two} only in {self.b}"

    @property
    def sentence(self) -> str:
        """Returns the verdict in full."""
        low, high = self.paired.interval
        effect = f"{format_points(self.paired.difference)}, 95 % interval {format_signed(low)} to {format_signed(high)}"
        if self.is_real:
            better, worse = (self.b, self.a) if self.paired.difference > 0 else (self.a, self.b)
            if better == self.a:
                interval = f"{format_signed(-high)} to {format_signed(-low)}"
                effect = f"{format_points(-self.paired.difference)}, 95 % interval {interval}"
            return f"{better} is better than {worse}: {effect}."
        if self.detectable_difference is None:
            return f"{self.a} and {self.b} cannot be told apart: {effect}. So few images could show no difference."
        return (
            f"{self.a} and {self.b} cannot be told apart: {effect}. So many images would have shown a difference of "
            f"{100 * self.detectable_difference:.2g} points or more in four cases of five."
        )

    def to_dict(self) -> dict[str, Any]:
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
            "smallest_detectable": self.detectable_difference,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "classes": [row.to_dict() for row in self.classes],
            "lost": list(self.only_first_keys),
            "gained": list(self.only_second_keys),
        }


def compare_groups(group_pairs: Sequence[tuple[RunGroup, RunGroup]], keys: Sequence[str]) -> tuple[PairwiseResult, ...]:
    """Returns every two of the groups tested on the images of those keys."""
    right = {group.name: group.is_correct(keys) for pair in group_pairs for group in pair}
    tested = [_run_test(right[one.name], right[two.name], len(group_pairs)) for one, two in group_pairs]
    adjusted = adjust_p_values([paired.p_value for paired, _ in tested])
    labels = np.array(
        [group_pairs[0][0].contenders[0].answers[key].true_class for key in keys] if group_pairs else [], np.str_
    )
    return tuple(
        PairwiseResult(
            first_group=one,
            second_group=two,
            paired=paired,
            p_adjusted=p,
            detectable_difference=smallest,
            classes=_compare_classes(one, right[one.name], right[two.name], labels),
            only_first_keys=_list_only_correct(right[one.name], right[two.name], two, keys),
            only_second_keys=_list_only_correct(right[two.name], right[one.name], one, keys),
        )
        for (one, two), (paired, smallest), p in zip(group_pairs, tested, adjusted, strict=True)
    )


def format_points(difference: float) -> str:
    """Returns a difference of two shares in percentage points, with its sign."""
    return f"{format_signed(difference)} points"


def format_signed(difference: float) -> str:
    """Returns the same without the unit."""
    return f"{100 * difference:+.2f}".replace("-", "\N{MINUS SIGN}")


def format_recalls(row: ClassDifference) -> str:
    """Returns the two recalls as people write them."""
    return f"{format_percent(row.recalls[0])} → {format_percent(row.recalls[1])}"


def _run_test(
    first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_], test_count: int = 1
) -> tuple[PairedDifference, float | None]:
    if len(first_correct) + len(second_correct) > 2 and first_correct.shape[1] > 1:
        return compute_seeded_difference(first_correct, second_correct, test_count)
    paired = compute_paired_difference(first_correct[0], second_correct[0])
    return paired, compute_detectable_difference(
        first_correct.shape[1], paired.only_first + paired.only_second, test_count
    )


def _compare_classes(
    group: RunGroup, first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_], labels: NDArray[np.str_]
) -> tuple[ClassDifference, ...]:
    found = []
    for row in group.contenders[0].report.classes:
        own = labels == row.name
        if own.any():
            paired, _ = _run_test(first_correct[:, own], second_correct[:, own])
            found.append(
                (row.name, int(own.sum()), first_correct[:, own].mean(), second_correct[:, own].mean(), paired)
            )
    adjusted = adjust_p_values([paired.p_value for *_, paired in found])
    return tuple(
        ClassDifference(name, n, (float(one), float(two)), paired.interval, p)
        for (name, n, one, two, paired), p in zip(found, adjusted, strict=True)
    )


def _list_only_correct(
    winner_correct: NDArray[np.bool_], loser_correct: NDArray[np.bool_], losing_group: RunGroup, keys: Sequence[str]
) -> tuple[str, ...]:
    chosen = [keys[index] for index in np.flatnonzero(winner_correct.all(axis=0) & ~loser_correct.any(axis=0)).tolist()]
    predictions = losing_group.contenders[0].answers
    return tuple(sorted(chosen, key=lambda key: -predictions[key].confidence))
