"""Pictures that are there more than once: within a split, in several of them, or under two labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import SPLITS, ImageSet
from striate.data_checks.finding import Finding, grouped
from striate.data_checks.image_stats import LOOK, Survey, digests, sizes, survey
from striate.data_checks.near_duplicates import groups_of, similar_pairs
from striate.errors import PictureError
from striate.progress import SILENT, Progress

NEAR, NEAR_BYTES = 20_000, 2 << 30  # encoded pictures up to which a training looks for changed copies too
MANY = 0.01  # share of superfluous copies from which on they are worth a warning


@dataclass(frozen=True, eq=False)
class Copies:
    """Which pictures of a set show the same.

    Attributes:
        group: (n,) the number of each picture's group; alone where nothing else shows the same.
        identical: (n,) the same, of files (or pixels) that are equal byte for byte.
        mirrored: (n,) whether the picture is in a pair of mirror images.
        is_near_known: whether copies that were changed were looked for too.
    """

    group: NDArray[np.int64]
    identical: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    is_near_known: bool

    def sets(self) -> list[NDArray[np.intp]]:
        """Returns the numbers of the pictures of each group of two or more, the largest first."""
        order = np.argsort(self.group, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1)
        found = [part for part in parts if len(part) > 1]
        return sorted(found, key=lambda part: (-len(part), int(part[0])))


def find_copies(survey: Survey, *, progress: Progress = SILENT) -> Copies:
    """Returns which pictures show the same, changed copies included.

    Args:
        survey: of the whole set.
        progress: told the pictures compared.
    """
    identical = _equal(survey.facts["digest"], survey.is_readable)
    usable = np.flatnonzero(survey.is_readable)
    mirrored = np.zeros(len(identical), bool)
    if not len(usable):
        return Copies(identical, identical, mirrored, is_near_known=True)
    alone = usable[np.unique(identical[usable], return_index=True)[1]]  # of equal ones, one is enough to compare
    pairs = similar_pairs(survey.facts["thumbnail"][alone], progress=progress)
    one, two = alone[pairs.first], alone[pairs.second]
    for side in (one, two):
        mirrored[side[pairs.mirrored]] = True
    first = np.unique(identical, return_index=True)[1][identical]
    group = groups_of(len(identical), np.concatenate([first, one]), np.concatenate([np.arange(len(first)), two]))
    return Copies(group, identical, mirrored, is_near_known=True)


def quick_copies(images: ImageSet, *, progress: Progress = SILENT) -> Copies:
    """Returns which pictures show the same, as far as can be told in a few seconds: changed copies are looked for among
    up to NEAR encoded pictures of up to NEAR_BYTES in all, equal ones among any number.
    """
    is_encoded = not isinstance(images.sources, np.ndarray)
    if is_encoded and len(images) <= NEAR and sizes(images).sum() <= NEAR_BYTES:
        return find_copies(survey(images, progress=progress), progress=progress)
    digest = digests(images, progress=progress)
    _, inverse, number = np.unique(digest, return_inverse=True, return_counts=True)
    twice = np.flatnonzero(number[inverse] > 1)
    usable = digest != b""
    for index in twice.tolist():  # two copies of one broken file are no pictures
        usable[index] &= _can_be_decoded(images, index)
    identical = _equal(digest, usable)
    return Copies(identical, identical, np.zeros(len(images), bool), is_near_known=False)


def _equal(digest: NDArray[np.bytes_], usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Returns (n,) the number of each picture's group of equal ones; pictures that are not usable are alone."""
    rows = np.flatnonzero(usable)
    _, earliest, inverse = np.unique(digest[rows], return_index=True, return_inverse=True)
    return groups_of(len(digest), rows[earliest[inverse]], rows)


def _can_be_decoded(images: ImageSet, index: int) -> bool:
    try:
        return bool(LOOK(images.source(index)).size)
    except PictureError:
        return False


def copy_findings(images: ImageSet, copies: Copies) -> list[Finding]:
    """Returns leaks between the splits that the data brings, pictures under two labels, and copies within a split."""
    sets = copies.sets()
    if not sets:
        return []
    given = images.given
    leaks = [one for one in sets if len({split for split in given[one] if split}) > 1]
    conflicts = [one for one in sets if len(np.unique(images.labels[one])) > 1]
    within = [one for one in sets if any(np.sum(given[one] == split) > 1 for split in np.unique(given[one]))]
    found = []
    if leaks:
        crossing = ", ".join(_crossings(given, leaks))
        found.append(
            grouped(
                "leak",
                "error",
                f"{_sets(leaks)} lie in more than one split ({crossing}): {_how(copies, leaks)}",
                "remove one side (striate data --fix writes a list to do so), or train with --allow-leaks, which "
                "reports the accuracy without them as well",
                [images.keys[one].tolist() for one in leaks],
                evidence=_evidence(copies, leaks),
            )
        )
    if conflicts:
        names = sorted({" and ".join(sorted({images.classes[i] for i in images.labels[one]})) for one in conflicts})
        found.append(
            grouped(
                "conflict",
                "warning",
                f"{_sets(conflicts)} lie under two labels ({'; '.join(names[:5])}{' …' if len(names) > 5 else ''}): "
                f"{_how(copies, conflicts)}",
                "keep the right label of each, or leave both out (striate data --fix)",
                [images.keys[one].tolist() for one in conflicts],
                evidence=_evidence(copies, conflicts),
            )
        )
    if within:
        superfluous = sum(int(np.sum(given[one] == split)) - 1 for one in within for split in np.unique(given[one]))
        found.append(
            grouped(
                "duplicate",
                "warning" if superfluous > MANY * len(images) else "note",
                f"{_sets(within)} are there more than once within a split: {_how(copies, within)}",
                "leave the copies out (striate data --fix); divisions made here keep them on one side anyway",
                [images.keys[one].tolist() for one in within],
                evidence=_evidence(copies, within),
            )
        )
    return found


def leaked(images: ImageSet, copies: Copies, split: str = "test") -> NDArray[np.bool_]:
    """Returns (n,) which pictures of a split have a copy in a split that is learnt or chosen from."""
    others = (images.given != split) & (images.given != "")
    result: NDArray[np.bool_] = (images.given == split) & np.isin(copies.group, copies.group[others])
    return result


def _sets(sets: list[NDArray[np.intp]]) -> str:
    pictures = f"{sum(map(len, sets)):,} pictures"
    return f"{pictures} that show the same" if len(sets) == 1 else f"{len(sets):,} motifs, {pictures} in all,"


def _how(copies: Copies, sets: list[NDArray[np.intp]]) -> str:
    figures = _evidence(copies, sets)
    words = [f"{figures['identical']:,} equal byte for byte"] if figures["identical"] else []
    words += [f"{figures['near']:,} changed (re-encoded, resized, …)"] if figures["near"] else []
    words += [f"{figures['mirrored']:,} mirrored"] if figures["mirrored"] else []
    return ", ".join(words)


def _evidence(copies: Copies, sets: list[NDArray[np.intp]]) -> dict[str, float]:
    """Returns how many sets are of equal, of changed and of mirrored pictures."""
    is_identical = [len(np.unique(copies.identical[one])) == 1 for one in sets]
    is_mirrored = [bool(copies.mirrored[one].any()) for one in sets]
    near = [not equal and not flipped for equal, flipped in zip(is_identical, is_mirrored, strict=True)]
    return {"identical": sum(is_identical), "near": sum(near), "mirrored": sum(is_mirrored)}


def _crossings(given: NDArray[np.str_], leaks: list[NDArray[np.intp]]) -> list[str]:
    counts = {(a, b): sum(a in given[one] and b in given[one] for one in leaks) for a, b in combinations(SPLITS, 2)}
    return [f"{a} and {b}: {number:,}" for (a, b), number in counts.items() if number]
