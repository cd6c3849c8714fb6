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
    def is_significant(self) -> bool:
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
            "adjusted_p_value": self.p_value,
            "real": self.is_significant,
        }


@dataclass(frozen=True)
class PairwiseResult:
    """Two groups on the same test images.

    Attributes:
        first_group: the first.
        second_group: the second.
        paired_difference: how they differ, the second minus the first.
        adjusted_p_value: its p-value, adjusted for the number of pairs that are compared (Holm).
        detectable_difference: the smallest difference that would have been found in four cases of five; None where
            the images are too few for any.
        classes: class by class.
        only_first_keys: keys of the images that every run of the first gets right and none of the second, the latter's
            most confident errors first.
        only_second_keys: the reverse.
    """

    first_group: RunGroup
    second_group: RunGroup
    paired_difference: PairedDifference
    adjusted_p_value: float
    detectable_difference: float | None
    classes: tuple[ClassDifference, ...]
    only_first_keys: tuple[str, ...]
    only_second_keys: tuple[str, ...]

    @property
    def first_name(self) -> str:
        """The first's name."""
        return self.first_group.name

    @property
    def second_name(self) -> str:
        """The second's name."""
        return self.second_group.name

    @property
    def has_several_seeds(self) -> bool:
        """Whether seeds were counted as chance too."""
        return len(self.first_group.runs) + len(self.second_group.runs) > 2

    @property
    def is_significant(self) -> bool:
        """Whether chance hardly explains the difference."""
        return self.adjusted_p_value < ALPHA

    @property
    def verdict(self) -> str:
        """What may be said about the two."""
        if not self.is_significant:
            return "no significant difference"
        return f"{self.second_name if self.paired_difference.difference > 0 else self.first_name} is better"

    @property
    def test_name(self) -> str:
        """The test's name."""
        return "a t-test over images and seeds" if self.has_several_seeds else "McNemar's exact test"

    @property
    def counts(self) -> str:
        """Returns how many images only one of the two gets right."""
        one, two = f"{self.paired_difference.only_first:,}", f"{self.paired_difference.only_second:,}"
        if self.has_several_seeds:
            return (
                f"{one} images correct with every seed of {self.first_name} and none of {self.second_name}, "
                f"{two} the other way round"
            )
        return f"{one} images correct only in {self.first_name}, {two} only in {self.second_name}"

    @property
    def sentence(self) -> str:
        """Returns the verdict in full."""
        low, high = self.paired_difference.interval
        interval = f"{format_signed(low)} to {format_signed(high)}"
        effect = f"{format_points(self.paired_difference.difference)}, 95 % interval {interval}"
        if self.is_significant:
            better, worse = (
                (self.second_name, self.first_name)
                if self.paired_difference.difference > 0
                else (self.first_name, self.second_name)
            )
            if better == self.first_name:
                interval = f"{format_signed(-high)} to {format_signed(-low)}"
                effect = f"{format_points(-self.paired_difference.difference)}, 95 % interval {interval}"
            return f"{better} is better than {worse}: {effect}."
        if self.detectable_difference is None:
            names = f"{self.first_name} and {self.second_name}"
            return f"{names} do not differ significantly: {effect}. There are too few images to detect any difference."
        return (
            f"{self.first_name} and {self.second_name} do not differ significantly: {effect}. With this many images, a "
            f"difference of {100 * self.detectable_difference:.2g} points would be detected with 80 % power."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the pair as plain JSON values."""
        return {
            "a": self.first_name,
            "b": self.second_name,
            "difference": self.paired_difference.difference,
            "interval": list(self.paired_difference.interval),
            "p_value": self.paired_difference.p_value,
            "adjusted_p_value": self.adjusted_p_value,
            "test": self.test_name,
            "only_a": self.paired_difference.only_first,
            "only_b": self.paired_difference.only_second,
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
        [group_pairs[0][0].runs[0].predictions[key].true_class for key in keys] if group_pairs else [], np.str_
    )
    return tuple(
        PairwiseResult(
            first_group=one,
            second_group=two,
            paired_difference=paired,
            adjusted_p_value=p,
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
    for row in group.runs[0].report.classes:
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
    predictions = losing_group.runs[0].predictions
    return tuple(sorted(chosen, key=lambda key: -predictions[key].confidence))
