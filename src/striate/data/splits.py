"""Train, validation and test: stratified, seeded, and never touching a test split that the data brings along."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import SPLIT_NAMES, ImageSet
from striate.errors import DataError
from striate.system.atomic_files import write_csv


class Splits(NamedTuple):
    """Three image sets with the same classes and no image in common."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet


def split_stratified(
    images: ImageSet,
    *,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> Splits:
    """Returns the image set divided into train, validation and test.

    Splits that the data set brings along are kept as they are; only missing ones are made, from its training
    images. Each class gives every split made here the stated fraction of its images, rounded, at least one. Images
    of one group stay together, so that a share may be missed by less than a group.

    Args:
        images: what to divide.
        validation: fraction of the images to choose by, in (0, 0.5].
        test: share to measure on, in (0, 0.5]; not used when the data has its own test split.
        seed: which random division.
        groups: (n,) images with the same number belong together (copies of one duplicate group; of one patient, one
            scene).

    Raises:
        DataError: a share out of range, fewer than two classes, or a class with too few images or groups.
    """
    for name, fraction in (("validation", validation), ("test", test)):
        if not 0 < fraction <= 0.5:
            raise DataError(f"The {name} share is out of range", received=fraction, expected="more than 0, at most 0.5")
    _check_classes(images)
    assigned = np.where(images.splits == "", "train", images.splits).astype("U10")
    rng = np.random.default_rng((seed, 0x5371))
    for name, fraction in (("test", test), ("validation", validation)):
        if name in images.splits:
            continue
        # The share counts all images that were there to divide, so 0.1 and 0.2 leave exactly 0.7.
        pool = np.isin(images.splits, ("", "train"))
        for label in range(len(images.classes)):
            own = np.flatnonzero((images.labels == label) & (assigned == "train"))
            size = max(1, round(fraction * int(np.sum(pool & (images.labels == label)))))
            size -= int(np.sum((assigned == name) & (images.labels == label)))  # what a group has brought along
            if len(own) <= size:
                raise _build_class_size_error(images, label)
            seed_of_class = int(rng.integers(2**31))
            if size <= 0:
                continue
            if groups is None or _is_ungrouped(groups, own, assigned == "train"):
                from sklearn.model_selection import train_test_split

                _, taken = train_test_split(own, test_size=size, random_state=seed_of_class)
            else:
                taken = _sample_groups(own, size, groups, assigned == "train", np.random.default_rng(seed_of_class))
                if not len(np.setdiff1d(own, taken)) or not len(np.intersect1d(own, taken)):
                    raise _build_class_size_error(images, label)
            assigned[taken] = name
    for label in range(len(images.classes)):  # a group of another class may have taken the last one along
        if not np.any((images.labels == label) & (assigned == "train")):
            raise _build_class_size_error(images, label)
    return Splits(*(images.subset(assigned == name) for name in SPLIT_NAMES))


def _is_ungrouped(groups: NDArray[np.int64], class_rows: NDArray[np.intp], is_available: NDArray[np.bool_]) -> bool:
    """Returns whether each of a class's images is the only one of its group that is still to be divided."""
    numbers, sizes = np.unique(groups[is_available], return_counts=True)
    return bool(np.all(sizes[np.searchsorted(numbers, groups[class_rows])] == 1))


def _sample_groups(
    class_rows: NDArray[np.intp],
    size: int,
    groups: NDArray[np.int64],
    is_available: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Returns images of about so many of a class, drawn group by group; a group brings its members of other classes
    along. Groups that would be too much are left out, unless nothing was taken yet.
    """
    numbers, sizes = np.unique(groups[class_rows], return_counts=True)
    order = rng.permutation(len(numbers))
    order = order[np.argsort(sizes[order] > size, kind="stable")]  # what is too large by itself comes last
    chosen: list[int] = []
    taken = 0
    for index in order.tolist():
        if taken + sizes[index] <= size or (not taken and len(numbers) > 1):
            chosen.append(int(numbers[index]))
            taken += int(sizes[index])
        if taken >= size:
            break
    return np.flatnonzero(is_available & np.isin(groups, chosen))


def save_splits(splits: Splits, path: Path) -> None:
    """Writes one row per image: key, class, split."""
    rows = (
        (key, part.classes[label], name)
        for name, part in zip(SPLIT_NAMES, splits, strict=True)
        for key, label in zip(part.keys.tolist(), part.labels.tolist(), strict=True)
    )
    write_csv(path, ("key", "class", "split"), rows)


def load_splits(images: ImageSet, path: Path) -> Splits:
    """Returns the image set divided as `save_splits` wrote it.

    Raises:
        DataError: the list is damaged, or images of it are no longer there.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            listed = {row["key"]: row["split"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(f"The list of splits cannot be read: {error}", received=path) from None
    if not listed or not set(listed.values()) <= set(SPLIT_NAMES):
        raise DataError("The list of splits is damaged", received=path)
    place = {key: index for index, key in enumerate(images.keys.tolist())}
    missing = [key for key in listed if key not in place]
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(listed):,} images this run was made with are gone from {images.name}",
            received=", ".join(missing[:3]) + (" …" if len(missing) > 3 else ""),
            hint="the folder or table as it was when the run was trained",
        )
    return Splits(
        *(images.subset([place[key] for key, part in listed.items() if part == name]) for name in SPLIT_NAMES)
    )


def _check_classes(images: ImageSet) -> None:
    if len(images.classes) < 2:
        raise DataError(
            f"{images.name} has only one class, so there is nothing to tell apart",
            received=", ".join(images.classes) or "none",
            expected="two classes or more",
        )
    for label in range(len(images.classes)):
        if not np.any((images.labels == label) & np.isin(images.splits, ("", "train"))):
            raise DataError(
                f"The class {images.classes[label]!r} of {images.name} has no image to train on",
                hint="add images, or remove the class",
            )


def _build_class_size_error(images: ImageSet, label: int) -> DataError:
    own = images.splits[images.labels == label]
    have: NDArray[np.bool_] = np.isin(own, ("", "train"))
    needed = 1 + sum(name not in images.splits for name in ("validation", "test"))
    return DataError(
        f"The class {images.classes[label]!r} of {images.name} has too few images to divide",
        received=f"{int(have.sum())} to train on and choose by",
        expected=f"at least {needed}, better 20 or more",
        hint="add images, or remove the class",
    )


def interleave_classes(order: NDArray[np.intp], labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Returns the same indices in rounds that take one of every class, in the order of the classes.

    Args:
        order: indices; of one class, those that stand first come first.
        labels: of all images.
    """
    own = labels[order]
    rank = np.zeros(len(order), int)  # how many of the same class stand before
    for label in np.unique(own):
        rank[own == label] = np.arange((own == label).sum())
    found: NDArray[np.intp] = order[np.lexsort((own, rank))]
    return found
