"""Division into train, validation and test that keeps copies of one duplicate group together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import ImageSet
from striate.data.splits import Splits
from striate.data.splits import split_stratified as split_by_groups
from striate.data_checks.duplicates import DuplicateGroups, find_duplicates_fast
from striate.progress import NO_PROGRESS, Progress


class SplitResult(NamedTuple):
    """Three image sets, and which of all images show the same."""

    splits: Splits
    duplicates: DuplicateGroups


def split(
    images: ImageSet,
    *,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> Splits:
    """Returns the image set divided into train, validation and test; copies of one image stay on one side.

    Splits that the data set brings along are kept as they are; only missing ones are made, from its training
    images. Each class gives every split made here the stated fraction of its images, rounded, at least one.

    Args:
        images: what to divide.
        validation: fraction of the images to choose by, in (0, 0.5].
        test: share to measure on, in (0, 0.5]; not used when the data has its own test split.
        seed: which random division.
        groups: (n,) images with the same number belong together (one patient, one scene); by default copies do,
            among up to 20,000 encoded images changed ones too.

    Raises:
        DataError: a share out of range, fewer than two classes, or a class with too few images or groups.
    """
    if groups is not None:
        return split_by_groups(images, validation=validation, test=test, seed=seed, groups=groups)
    return split_with_duplicates(images, validation=validation, test=test, seed=seed).splits


def split_with_duplicates(
    images: ImageSet, *, validation: float, test: float, seed: int, progress: Progress = NO_PROGRESS
) -> SplitResult:
    """Returns the same with the copies that were found.

    Raises:
        DataError: as above.
    """
    copies = find_duplicates_fast(images, progress=progress)
    return SplitResult(
        split_by_groups(images, validation=validation, test=test, seed=seed, groups=copies.group_ids), copies
    )
