"""Folds: which pictures are held out when, copies of one picture always together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from striate.errors import DataError
from striate.experiment.pictures import Gathered, Prepared
from striate.images.cache import rearranged
from striate.images.imageset import ImageSet
from striate.images.split import split


def assign_folds(images: ImageSet, groups: NDArray[np.int64], folds: int, *, seed: int) -> NDArray[np.int64]:
    """Returns (n,) the number of the fold, from 1, in which each picture is held out; 0 for those that the data sets
    aside itself, to test or to choose by.

    Every class gives every fold about as many pictures (scikit-learn's StratifiedKFold, and StratifiedGroupKFold where
    there are groups).

    Args:
        images: the pictures.
        groups: (n,) pictures with the same number stay together.
        folds: how many, 2 or more.
        seed: of the division.

    Raises:
        DataError: a class has fewer groups than there are folds.
    """
    pool = np.flatnonzero(np.isin(images.given, ("", "train")))
    labels, own = images.labels[pool], groups[pool]
    for label, name in enumerate(images.classes):
        have = len(np.unique(own[labels == label]))
        if have < folds:
            raise DataError(
                f"The class {name!r} of {images.name} has too few pictures for {folds} folds",
                received=f"{have} that show different things",
                expected=f"at least {folds}",
                hint=f"--folds {have}" if have > 1 else "add pictures, or remove the class",
            )
    alone = len(np.unique(own)) == len(own)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    found = np.zeros(len(images), np.int64)
    parts = kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(pool)), labels, None if alone else own)
    for number, (_, held_out) in enumerate(parts, 1):
        found[pool[held_out]] = number
    return found


def fold_pictures(
    pictures: Prepared, found: Gathered, fold: NDArray[np.int64], number: int, *, validation: float
) -> Prepared:
    """Returns the pictures for the training that measures on one fold: the others to learn from, less those to choose
    by, which are the data's own or `validation` of the rest. A test split of the data's own takes no part.

    Raises:
        DataError: the rest is too little to divide.
    """
    whole = found.whole
    stays = whole.given != "test"
    given = np.where(fold == number, "test", np.where(whole.given == "", "train", whole.given)).astype("U10")
    images = replace(whole, given=given).subset(stays)
    parts = split(images, validation=validation, seed=pictures.recipe.seed, groups=found.copies.group[stays])
    train, chosen_by, measured_on = (rearranged(pictures.parts, part) for part in parts)
    return replace(pictures, parts=(train, chosen_by, measured_on), leaked=frozenset())
