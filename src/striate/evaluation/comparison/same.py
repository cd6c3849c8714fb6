"""Whether runs were measured on the same test pictures, and the refusal when they were not."""

from __future__ import annotations

from collections.abc import Sequence

from striate.errors import RunError
from striate.evaluation.comparison.contender import Contender


def refuse_others(contenders: Sequence[Contender]) -> None:
    """Raises RunError unless all have the same classes and were measured on pictures of the same names and labels."""
    first, *others = contenders
    for one in contenders:
        if not one.answers:
            raise RunError(f"{one.name} has no list of predictions", hint="the runs as they were written")
    for other in others:
        known, theirs = (sorted(row.name for row in one.report.classes) for one in (first, other))
        if known != theirs:
            raise RunError(
                f"{first.name} and {other.name} tell different classes apart, so they cannot be compared",
                received=f"{_some(theirs)} in {other.name}",
                expected=f"{_some(known)} as in {first.name}",
            )
    told = [words for other in others if (words := _difference(first, other))]
    if told:
        raise RunError(
            "Runs measured on different test pictures cannot be compared",
            received="; ".join(told[:4]) + (f"; and {len(told) - 4} runs more" if len(told) > 4 else ""),
            expected=f"the {len(first.answers):,} test pictures of {first.name}",
            hint="train them on one division: a data set with a test split, one --seed, or striate repeat --seeds N",
        )


def is_certain(contenders: Sequence[Contender]) -> bool:
    """Returns whether the contents of the pictures are known to agree too: the sets' fingerprints do."""
    prints = {one.fingerprint for one in contenders}
    return len(prints) == 1 and "" not in prints


def _difference(first: Contender, other: Contender) -> str:
    """Returns in words how the other's pictures differ; "" where they do not."""
    mine, theirs = first.answers, other.answers
    missing, further = len(mine.keys() - theirs.keys()), len(theirs.keys() - mine.keys())
    relabelled = sum(mine[key].label != theirs[key].label for key in mine.keys() & theirs.keys())
    parts = [
        *([f"lacks {missing:,} of them"] if missing else []),
        *([f"has {further:,} others"] if further else []),
        *([f"has another label for {relabelled:,}"] if relabelled else []),
    ]
    return f"{other.name} " + " and ".join(parts) if parts else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
