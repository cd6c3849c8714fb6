"""The folds of a cross-validation, from images that were read, checked and decoded once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.corrections import apply_corrections, load_corrections
from striate.data.decoded_cache import DecodedSet
from striate.data.image_set import ImageSet
from striate.data.loaders.load import DataSource, load_images
from striate.data.splits import split_stratified
from striate.errors import DataError
from striate.models.architecture import Architecture
from striate.progress import Progress
from striate.training.recipe import Recipe
from striate.workflows.options import Conditions
from striate.workflows.prepare_data import Prepared, lasting, prepare, together


@dataclass(frozen=True, eq=False)
class KFoldData:
    """All images that the folds are made of.

    Attributes:
        base_data: them, in another division.
        images: all in one set.
        pixels: (n, h, w, c), parallel to them.
        groups: (n,) a number that copies of one image share.
        fold_indices: (n,) the fold, from 0, in which an image is measured on.
        validation_fraction: fraction of the others to choose by.
        seed: of both divisions.
    """

    base_data: Prepared
    images: ImageSet
    pixels: NDArray[np.uint8]
    groups: NDArray[np.int64]
    fold_indices: NDArray[np.intp]
    validation_fraction: float
    seed: int

    @classmethod
    def from_data(cls, data: Prepared, fold_count: int, validation_fraction: float, seed: int) -> KFoldData:
        """Returns the pool with every image's fold drawn: stratified, copies together (scikit-learn's
        StratifiedGroupKFold).

        Raises:
            DataError: a class has fewer images, or fewer of them that differ, than there are folds.
        """
        from sklearn.model_selection import StratifiedGroupKFold

        images = together(data.splits)
        images = replace(images, splits=np.full(len(images), "", "U10"))
        keys, labels = images.keys, images.labels
        groups = np.array([data.copies.get(key, -1 - row) for row, key in enumerate(keys.tolist())], np.int64)
        for label, name in enumerate(images.classes):
            different = len(np.unique(groups[labels == label]))
            if different < fold_count:
                raise DataError(
                    f"The class {name!r} has too few different images for so many folds",
                    received=f"{different} images, {fold_count} folds",
                    hint=f"--folds {max(2, different)}" if different >= 2 else "more images of it",
                )
        place = np.zeros(len(keys), np.intp)
        divided = StratifiedGroupKFold(fold_count, shuffle=True, random_state=seed).split(keys, labels, groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # classes of few images were looked at above
            for number, (_, held_out) in enumerate(divided):
                place[held_out] = number
        pixels = np.concatenate([part.pixels for part in data.parts])
        return cls(data, images, pixels, groups, place, validation_fraction, seed)

    def build_fold(self, fold_index: int) -> Prepared:
        """Returns the images of a training that leaves fold `fold_index` (from 0) out, to measure on."""
        given = np.where(self.fold_indices == fold_index, "test", "").astype("U10")
        splits = split_stratified(
            replace(self.images, splits=given),
            validation=self.validation_fraction,
            seed=self.seed + fold_index,
            groups=self.groups,
        )
        row = {key: index for index, key in enumerate(self.images.keys.tolist())}
        train, chosen_by, measured_on = (
            DecodedSet(part, self.pixels[[row[key] for key in part.keys.tolist()]], {}) for part in splits
        )
        return replace(self.base_data, parts=(train, chosen_by, measured_on), leaked=frozenset())


def prepare_folds(
    data: DataSource,
    fold_count: int,
    recipe: Recipe,
    options: Conditions,
    *,
    architecture: Architecture | None,
    progress: Progress,
) -> tuple[Prepared, KFoldData]:
    """Returns all images but those of a test split that the data brings along, and the folds that they are drawn
    into.

    Raises:
        DataError: what `prepare` refuses, or fewer images of a class than folds.
    """
    images = load_images(data, data_dir=options.data_dir, nested=options.nested, progress=progress)
    if options.corrections is not None:
        images = apply_corrections(images, load_corrections(Path(options.corrections)))
    whole = images.subset(images.splits != "test")
    whole = replace(whole, splits=np.full(len(whole), "", "U10"))
    alone = replace(options, corrections=None)
    prepared = prepare(whole, recipe, alone, network=architecture, progress=progress)
    prepared = replace(prepared, source=lasting(data), given=options, fingerprint=images.compute_fingerprint())
    return prepared, KFoldData.from_data(prepared, fold_count, options.validation, recipe.seed)
