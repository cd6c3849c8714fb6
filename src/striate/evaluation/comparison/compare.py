"""Two or more runs side by side, and whether their difference is real."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from striate.errors import RunError
from striate.evaluation.comparison.paired_test import PairwiseResult, compare_groups
from striate.evaluation.comparison.run_summary import Comparable, RunGroup, RunSummary, group_by_settings


def require_same_test_set(summaries: Sequence[RunSummary]) -> None:
    """Raises RunError unless all have the same classes and were measured on images of the same names and labels."""
    first, *others = summaries
    for one in summaries:
        if not one.predictions:
            raise RunError(f"{one.name} has no list of predictions", hint="the runs as they were written")
    for other in others:
        known, theirs = (sorted(row.name for row in one.report.classes) for one in (first, other))
        if known != theirs:
            raise RunError(
                f"{first.name} and {other.name} tell different classes apart, so they cannot be compared",
                received=f"{_format_names(theirs)} in {other.name}",
                expected=f"{_format_names(known)} as in {first.name}",
            )
    told = [words for other in others if (words := _describe_difference(first, other))]
    if told:
        raise RunError(
            "Runs measured on different test images cannot be compared",
            received="; ".join(told[:4]) + (f"; and {len(told) - 4} runs more" if len(told) > 4 else ""),
            expected=f"the {len(first.predictions):,} test images of {first.name}",
            hint="train them on one division: a data set with a test split, one --seed, or striate repeat --seeds N",
        )


def has_common_fingerprint(summaries: Sequence[RunSummary]) -> bool:
    """Returns whether the contents of the images are known to agree too: the sets' fingerprints do."""
    prints = {one.fingerprint for one in summaries}
    return len(prints) == 1 and "" not in prints


def _describe_difference(first: RunSummary, other: RunSummary) -> str:
    """Returns in words how the other's images differ; "" where they do not."""
    mine, theirs = first.predictions, other.predictions
    missing, further = len(mine.keys() - theirs.keys()), len(theirs.keys() - mine.keys())
    relabelled = sum(mine[key].true_class != theirs[key].true_class for key in mine.keys() & theirs.keys())
    parts = [
        *([f"lacks {missing:,} of them"] if missing else []),
        *([f"has {further:,} others"] if further else []),
        *([f"has another label for {relabelled:,}"] if relabelled else []),
    ]
    return f"{other.name} " + " and ".join(parts) if parts else ""


def _format_names(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: the runs, in the order given.
        groups: the same, those that differ in nothing but the seed put together.
        differing_settings: setting → the runs' values, for settings that are not the same everywhere.
        pairs: every two of the groups.
        is_content_verified: whether the contents of the test images are known to be the same, beside names and labels.
    """

    runs: tuple[RunSummary, ...]
    groups: tuple[RunGroup, ...]
    differing_settings: dict[str, tuple[Any, ...]]
    pairs: tuple[PairwiseResult, ...]
    is_content_verified: bool

    @property
    def differing_group_settings(self) -> dict[str, tuple[Any, ...]]:
        """Setting → the groups' values, for settings that differ between them; of seeds, all."""
        place = {one.name: index for index, one in enumerate(self.runs)}
        found = {
            name: tuple(values[place[group.runs[0].name]] for group in self.groups)
            for name, values in self.differing_settings.items()
            if name != "seed"
        }
        found = {name: values for name, values in found.items() if any(value != values[0] for value in values)}
        if "seed" in self.differing_settings:
            seeds = tuple(", ".join(str(one.settings.get("seed")) for one in group.runs) for group in self.groups)
            if any(value != seeds[0] for value in seeds):
                found["seed"] = seeds
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the verdicts must know, one sentence each."""
        single = [group.name for group in self.groups if len(group.runs) == 1]
        found = []
        if len(single) == len(self.groups):
            found.append(
                "Each was trained once: how far another seed would move it, its classes above all, is not known "
                "(striate repeat DATA --seeds 5 tells)."
            )
        elif single:
            found.append(
                f"{' and '.join(single[:3])} {'was' if len(single) == 1 else 'were'} trained with one seed only; the "
                "spread over seeds of the others is taken for theirs too."
            )
        if any(pair.has_several_seeds for pair in self.pairs):
            found.append("Test and interval ask what other images and other seeds of the same kind would show.")
        if len(self.pairs) > 1:
            found.append(
                f"p-values are adjusted for {len(self.pairs)} comparisons (Holm), intervals are not: one may leave out "
                "zero and yet tell nothing."
            )
        if not self.is_content_verified:
            found.append(
                "The sets that the runs were trained from are not the same; their test images agree in name and "
                "label, and whether in content is not known."
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as plain JSON values."""
        of = {one.name: group.name for group in self.groups for one in group.runs}
        return {
            "runs": [
                {
                    "run": one.name,
                    "group": of[one.name],
                    "seed": one.settings.get("seed"),
                    "n": one.report.n,
                    "accuracy": one.report.accuracy,
                    "interval": list(one.report.interval),
                    "loss": one.report.loss,
                    "gap": one.generalization_gap if math.isfinite(one.generalization_gap) else None,
                    "epochs": len(one.epochs),
                    "kept": one.best_epoch,
                    "parameters": one.parameters,
                    "multiply_adds": one.multiply_adds,
                    "seconds": one.training_seconds,
                    "milliseconds": one.ms_per_image,
                }
                for one in self.runs
            ],
            "groups": [group.to_dict() for group in self.groups],
            "differing": {name: list(values) for name, values in self.differing_settings.items()},
            "pairs": [pair.to_dict() for pair in self.pairs],
            "notes": list(self.notes),
        }


def compare(runs: Sequence[RunSummary | Comparable]) -> Comparison:
    """Returns the runs side by side: what differs in their settings, and every pair tested on the same images. Runs
    that differ in nothing but the seed are one group, compared with its spread.

    Args:
        runs: two or more runs, or what `Run.contender` says of them.

    Raises:
        RunError: fewer than two, one that is not whole, or runs that were not measured on the same test images.
    """
    contenders = tuple(one if isinstance(one, RunSummary) else one.build_summary() for one in runs)
    if len(contenders) < 2:
        raise RunError("Two runs or more are needed to compare", received=len(contenders))
    contenders = _make_names_unique(contenders)
    require_same_test_set(contenders)
    names = list(dict.fromkeys(name for one in contenders for name in one.settings))
    table = {name: tuple(one.settings.get(name) for one in contenders) for name in names}
    groups = group_by_settings(contenders)
    return Comparison(
        runs=contenders,
        groups=groups,
        differing_settings={
            name: values for name, values in table.items() if any(value != values[0] for value in values)
        },
        pairs=compare_groups(list(itertools.combinations(groups, 2)), list(contenders[0].predictions)),
        is_content_verified=has_common_fingerprint(contenders),
    )


def _make_names_unique(summaries: tuple[RunSummary, ...]) -> tuple[RunSummary, ...]:
    """Returns the contenders, numbered where runs of several folders have one name."""
    names = [one.name for one in summaries]
    return tuple(
        replace(one, name=f"{one.name} ({names[: place + 1].count(one.name)})") if names.count(one.name) > 1 else one
        for place, one in enumerate(summaries)
    )
