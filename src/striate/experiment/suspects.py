"""Label suspects: every picture is judged by a network that was trained without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.config import replace
from striate.images.cache import Decoded, decode_all
from striate.images.imageset import ImageSet
from striate.inspection.suspects import Suspects, ranked
from striate.models.architectures import DEFAULT, architecture_named
from striate.progress import SILENT, Progress
from striate.training.plan import plan, preprocessing_of
from striate.training.recipe import Recipe
from striate.training.recipes import recipe_named

FOLDS = 4
HELD_OUT = 500  # pictures at most that an epoch is chosen by


def find_suspects(
    images: ImageSet,
    *,
    recipe: str | Path | Recipe = "default",
    groups: NDArray[np.int64] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Suspects:
    """Returns the pictures whose labels are in doubt, of all splits.

    Args:
        images: labelled pictures; unreadable ones are left out.
        recipe: how the judges are trained.
        groups: (n,) copies of one motif have the same number; none of them is judged by a network that saw another.
        folds: into how many parts the pictures are divided; as many networks are trained.
        seed: of the division and of the trainings.
        progress: shows what happens.

    Raises:
        StriateError: what training raises.
    """
    planned = plan(replace(recipe_named(recipe), seed=seed), images)
    decoded = decode_all(images, preprocessing_of(planned), progress=progress, keep=True)
    usable = decoded.images
    if groups is not None and len(usable) < len(images):
        groups = groups[np.isin(images.keys, usable.keys)]
    probabilities = out_of_fold(decoded, planned, groups=groups, folds=folds, seed=seed, progress=progress)
    return ranked(usable, probabilities)


def out_of_fold(
    decoded: Decoded,
    planned: Recipe,
    *,
    groups: NDArray[np.int64] | None,
    folds: int,
    seed: int,
    progress: Progress,
) -> NDArray[np.float64]:
    """Returns (n, classes) probabilities for each picture by a network trained without it."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    from striate.training.train import fit

    images, total = decoded.images, len(decoded.images)
    found = np.zeros((total, len(images.classes)))
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    division = kind(folds, shuffle=True, random_state=seed).split(np.zeros(total), images.labels, groups)
    network = architecture_named(planned.architecture or DEFAULT)
    for number, (learnt, judged) in enumerate(division, 1):
        progress.say(f"Judge {number} of {folds}: {len(learnt):,} pictures to learn from, {len(judged):,} to judge")
        chosen_by = np.random.default_rng((seed, number)).permutation(judged)[:HELD_OUT]
        trained = fit(
            Decoded(images.subset(learnt), decoded.pixels[learnt], {}),
            Decoded(images.subset(chosen_by), decoded.pixels[chosen_by], {}),
            replace(planned, seed=seed + number, keep="last", patience=None),
            architecture=network,
            progress=progress,
        )
        found[judged] = np.exp(trained.classifier.log_probabilities(decoded.pixels[judged]))
        if trained.interrupted:
            raise KeyboardInterrupt
    return found
