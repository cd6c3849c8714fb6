"""Whether the disk has room for a training, known before it begins."""

from __future__ import annotations

import shutil
from math import prod
from pathlib import Path

from striate.errors import RunError
from striate.models.architecture import Architecture, outline
from striate.models.architectures import ARCHITECTURES
from striate.models.pretrained import pretrained_row
from striate.training.checkpoint import KEPT
from striate.training.plan import preprocessing_of
from striate.training.recipe import Recipe

REPORT = 64 << 20  # bytes for all that is no weights: report, lists, pictures of plots, what TensorBoard shows


def room_needed(weights: int, recipe: Recipe) -> int:
    """Returns the bytes that a training of so many weights writes at most: its checkpoints, one of them in the making,
    each with the weights, the optimizer's moments and the best epoch's weights; the classifier; and its report.
    """
    moments = 1 if recipe.optimizer == "sgd" else 2
    return 4 * weights * ((2 + moments) * (KEPT + 1) + 1) + REPORT


def refuse_full(folder: Path, network: Architecture, classes: int, recipe: Recipe) -> None:
    """Raises RunError when the disk of the folder, which may not be there yet, has too little room.

    A network of one's own is not looked at.
    """
    if ARCHITECTURES.get(network.name) is not network:
        return
    shape = preprocessing_of(recipe).shape
    row = pretrained_row(network, shape) if recipe.weights is not None else network
    weights = sum(prod(variable.shape) for variable in outline(row, shape, classes).weights)
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    needed, free = room_needed(weights, recipe), shutil.disk_usage(there).free
    if free < needed:
        raise RunError(
            "The disk has too little room for this training",
            received=f"{free / 1e6:,.0f} MB free at {there}",
            expected=f"{needed / 1e6:,.0f} MB: {KEPT + 1} checkpoints of {network.name}, its classifier and its report",
            hint="--runs on another disk",
        )
