"""From a recipe with open places and a data set to a recipe without any: what a good engineer would choose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from striate.config import replace
from striate.errors import PictureError
from striate.images.augment import resolve
from striate.images.imageset import ImageSet
from striate.images.pixels import FORMATS, Preprocessing
from striate.training.recipe import Recipe

SAMPLE = 200  # pictures looked at to choose size and channels
SIDES = (
    32,
    48,
    64,
)  # sizes offered for pictures that differ in size, pixels; 96 costs a laptop 2.5 times as much as 64
BUDGET = 320_000  # pictures to train on in all, when the epochs are open


def plan(recipe: Recipe, train: ImageSet) -> Recipe:
    """Returns the recipe with every open place filled from the training pictures.

    Pictures of one size up to 64 pixels keep it; others get the largest of SIDES that their median short side
    still fills. Pictures without colour get one channel. Epochs aim at BUDGET pictures seen in all, between 5
    and 30 passes; batches hold about a fiftieth of the pictures, between 32 and 128.
    """
    changes: dict[str, Any] = {}
    if None in (recipe.height, recipe.width, recipe.channels):
        height, width, channels = look(train)
        changes["height"] = recipe.height or recipe.width or height
        changes["width"] = recipe.width or recipe.height or width
        changes["channels"] = recipe.channels or channels
    if recipe.epochs is None:
        changes["epochs"] = min(30, max(5, round(BUDGET / len(train))))
    if recipe.batch is None:
        changes["batch"] = min(128, max(32, 1 << round(math.log2(max(1, len(train) / 50)))))
    return replace(
        recipe,
        architecture=recipe.architecture or "cnn",
        augment=resolve(recipe.augment, train.kind),
        **changes,
    )


def preprocessing_of(recipe: Recipe) -> Preprocessing:
    """Returns the preprocessing that a planned recipe states."""
    assert recipe.height and recipe.width and recipe.channels  # noqa: S101  (plan() filled them)
    return Preprocessing(recipe.height, recipe.width, recipe.channels, fit=recipe.fit)


def look(images: ImageSet) -> tuple[int, int, int]:
    """Returns (height, width, channels) that suit the pictures, from a sample of them; unreadable ones are skipped.

    Raises:
        PictureError: none of the sample can be read.
    """
    if isinstance(images.sources, np.ndarray):
        height, width, *rest = images.sources.shape[1:]
        return (*_side(np.array([[height, width]])), 1 if rest in ([], [1]) else 3)
    chosen = np.random.default_rng(0).permutation(len(images))[:SAMPLE]
    sizes: list[tuple[int, int]] = []
    colours: list[bool] = []
    reason = "no pictures"
    for path in (images.sources[index] for index in chosen):
        try:
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                sizes.append((height, width))
                colours.append(_is_colour(image) if not any(colours) else True)
        except Exception as error:  # foreign bytes; training reports each broken file with its reason
            reason = str(error)
    if not sizes:
        raise PictureError(f"none of {len(chosen)} pictures looked at can be read: {reason}")
    return (*_side(np.array(sizes)), 3 if any(colours) else 1)


def _side(sizes: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> tuple[int, int]:
    first = sizes[0]
    if (sizes == first).all() and first.max() <= 64:
        return int(first[0]), int(first[1])
    short = float(np.median(sizes.min(axis=1)))
    side = max((side for side in SIDES if side <= short), default=SIDES[0])
    return side, side


def _is_colour(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"):
        return False
    small = np.asarray(image.convert("RGB").resize((16, 16))).astype(int)
    return int(np.ptp(small, axis=2).max()) > 8  # JPEG noise alone stays below
