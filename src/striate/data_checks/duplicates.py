"""Images that are there more than once: within a split, in several of them, or under two labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import SPLIT_NAMES, ImageSet
from striate.data_checks.finding import Finding, build_group_finding
from striate.data_checks.image_stats import (
    SCAN_PREPROCESSING,
    ImageStats,
    compute_digests,
    measure_source_bytes,
    scan_images,
)
from striate.data_checks.near_duplicates import find_connected_groups, find_near_duplicates
from striate.errors import ImageDecodeError
from striate.progress import NO_PROGRESS, Progress

MAX_NEAR_IMAGES, MAX_NEAR_BYTES = (
    20_000,
    2 << 30,
)  # encoded images up to which a training looks for changed copies too
DUPLICATE_WARNING_FRACTION = 0.01  # fraction of superfluous copies from which on they are worth a warning


@dataclass(frozen=True, eq=False)
class DuplicateGroups:
    """Which images of a set show the same.

    Attributes:
        group_ids: (n,) the number of each image's group; alone where nothing else shows the same.
        identical_ids: (n,) the same, of files (or pixels) that are equal byte for byte.
        is_mirrored: (n,) whether the image is in a pair of mirror images.
        is_near_searched: whether copies that were changed were looked for too.
    """

    group_ids: NDArray[np.int64]
    identical_ids: NDArray[np.int64]
    is_mirrored: NDArray[np.bool_]
    is_near_searched: bool

    def list_groups(self) -> list[NDArray[np.intp]]:
        """Returns the numbers of the images of each group of two or more, the largest first."""
        order = np.argsort(self.group_ids, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group_ids[order])) + 1)
        found = [part for part in parts if len(part) > 1]
        return sorted(found, key=lambda part: (-len(part), int(part[0])))


def find_duplicates(stats: ImageStats, *, progress: Progress = NO_PROGRESS) -> DuplicateGroups:
    """Returns which images show the same, changed copies included.

    Args:
        stats: of the whole set.
        progress: told the images compared.
    """
    identical = _group_identical(stats.records["digest"], stats.is_readable)
    usable = np.flatnonzero(stats.is_readable)
    mirrored = np.zeros(len(identical), bool)
    if not len(usable):
        return DuplicateGroups(identical, identical, mirrored, is_near_searched=True)
    alone = usable[np.unique(identical[usable], return_index=True)[1]]  # of equal ones, one is enough to compare
    pairs = find_near_duplicates(stats.records["thumbnail"][alone], progress=progress)
    one, two = alone[pairs.first], alone[pairs.second]
    for side in (one, two):
        mirrored[side[pairs.is_mirrored]] = True
    first = np.unique(identical, return_index=True)[1][identical]
    group = find_connected_groups(
        len(identical), np.concatenate([first, one]), np.concatenate([np.arange(len(first)), two])
    )
    return DuplicateGroups(group, identical, mirrored, is_near_searched=True)


def find_duplicates_fast(images: ImageSet, *, progress: Progress = NO_PROGRESS) -> DuplicateGroups:
    """Returns which images show the same, as far as can be told in a few seconds: changed copies are looked for among
    up to NEAR encoded images of up to MAX_NEAR_BYTES in all, equal ones among any number.
    """
    is_encoded = not isinstance(images.sources, np.ndarray)
    if is_encoded and len(images) <= MAX_NEAR_IMAGES and measure_source_bytes(images).sum() <= MAX_NEAR_BYTES:
        return find_duplicates(scan_images(images, progress=progress), progress=progress)
    digest = compute_digests(images, progress=progress)
    _, inverse, number = np.unique(digest, return_inverse=True, return_counts=True)
    twice = np.flatnonzero(number[inverse] > 1)
    usable = digest != b""
    for index in twice.tolist():  # two copies of one broken file are no images
        usable[index] &= _is_decodable(images, index)
    identical = _group_identical(digest, usable)
    return DuplicateGroups(identical, identical, np.zeros(len(images), bool), is_near_searched=False)


def _group_identical(digest: NDArray[np.bytes_], is_usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Returns (n,) the number of each image's group of equal ones; images that are not usable are alone."""
    rows = np.flatnonzero(is_usable)
    _, earliest, inverse = np.unique(digest[rows], return_index=True, return_inverse=True)
    return find_connected_groups(len(digest), rows[earliest[inverse]], rows)


def _is_decodable(images: ImageSet, index: int) -> bool:
    try:
        return bool(SCAN_PREPROCESSING(images.get_source(index)).size)
    except ImageDecodeError:
        return False


def build_duplicate_findings(images: ImageSet, duplicates: DuplicateGroups) -> list[Finding]:
    """Returns leaks between the splits that the data brings, images under two labels, and copies within a split."""
    sets = duplicates.list_groups()
    if not sets:
        return []
    given = images.splits
    leaks = [one for one in sets if len({split for split in given[one] if split}) > 1]
    conflicts = [one for one in sets if len(np.unique(images.labels[one])) > 1]
    within = [one for one in sets if any(np.sum(given[one] == split) > 1 for split in np.unique(given[one]))]
    found = []
    if leaks:
        crossing = ", ".join(_describe_crossings(given, leaks))
        found.append(
            build_group_finding(
                "leak",
                "error",
                f"{_describe_groups(leaks)} lie in more than one split ({crossing}): "
                f"{_describe_changes(duplicates, leaks)}",
                "remove one side (striate data --fix writes a list to do so), or train with --allow-leaks, which "
                "reports the accuracy without them as well",
                [images.keys[one].tolist() for one in leaks],
                evidence=_count_group_types(duplicates, leaks),
            )
        )
    if conflicts:
        names = sorted({" and ".join(sorted({images.classes[i] for i in images.labels[one]})) for one in conflicts})
        found.append(
            build_group_finding(
                "conflict",
                "warning",
                f"{_describe_groups(conflicts)} lie under two labels "
                f"({'; '.join(names[:5])}{' …' if len(names) > 5 else ''}): "
                f"{_describe_changes(duplicates, conflicts)}",
                "keep the right label of each, or leave both out (striate data --fix)",
                [images.keys[one].tolist() for one in conflicts],
                evidence=_count_group_types(duplicates, conflicts),
            )
        )
    if within:
        superfluous = sum(int(np.sum(given[one] == split)) - 1 for one in within for split in np.unique(given[one]))
        found.append(
            build_group_finding(
                "duplicate",
                "warning" if superfluous > DUPLICATE_WARNING_FRACTION * len(images) else "note",
                f"{_describe_groups(within)} are there more than once within a split: "
                f"{_describe_changes(duplicates, within)}",
                "leave the copies out (striate data --fix); divisions made here keep them on one side anyway",
                [images.keys[one].tolist() for one in within],
                evidence=_count_group_types(duplicates, within),
            )
        )
    return found


def find_leaked_images(images: ImageSet, duplicates: DuplicateGroups, split: str = "test") -> NDArray[np.bool_]:
    """Returns (n,) which images of a split have a copy in a split that is learned or chosen from."""
    others = (images.splits != split) & (images.splits != "")
    result: NDArray[np.bool_] = (images.splits == split) & np.isin(duplicates.group_ids, duplicates.group_ids[others])
    return result


def _describe_groups(groups: list[NDArray[np.intp]]) -> str:
    images = f"{sum(map(len, groups)):,} images"
    return f"{images} that show the same" if len(groups) == 1 else f"{len(groups):,} duplicate groups, {images} in all,"


def _describe_changes(duplicates: DuplicateGroups, groups: list[NDArray[np.intp]]) -> str:
    figures = _count_group_types(duplicates, groups)
    words = [f"{figures['identical']:,} equal byte for byte"] if figures["identical"] else []
    words += [f"{figures['near']:,} changed (re-encoded, resized, …)"] if figures["near"] else []
    words += [f"{figures['mirrored']:,} mirrored"] if figures["mirrored"] else []
    return ", ".join(words)


def _count_group_types(duplicates: DuplicateGroups, groups: list[NDArray[np.intp]]) -> dict[str, float]:
    """Returns how many sets are of equal, of changed and of mirrored images."""
    is_identical = [len(np.unique(duplicates.identical_ids[one])) == 1 for one in groups]
    is_mirrored = [bool(duplicates.is_mirrored[one].any()) for one in groups]
    near = [not equal and not flipped for equal, flipped in zip(is_identical, is_mirrored, strict=True)]
    return {"identical": sum(is_identical), "near": sum(near), "mirrored": sum(is_mirrored)}


def _describe_crossings(splits: NDArray[np.str_], leaks: list[NDArray[np.intp]]) -> list[str]:
    counts = {
        (a, b): sum(a in splits[one] and b in splits[one] for one in leaks) for a, b in combinations(SPLIT_NAMES, 2)
    }
    return [f"{a} and {b}: {number:,}" for (a, b), number in counts.items() if number]
