"""From a recipe with open places and a data set to a recipe without any: what a good engineer would choose."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.config import replace_config
from striate.data.augment import NO_AUGMENT, resolve_augment
from striate.data.image_set import ImageSet
from striate.data.preprocessing import Preprocessing, open_image
from striate.errors import ConfigError, ImageDecodeError
from striate.models.pretrained import identify_weights
from striate.models.pretrained_weights import BACKBONES, find_cached_backbone
from striate.models.registry import ARCHITECTURES, DEFAULT_ARCHITECTURE
from striate.models.zoo.small_image_stem import MIN_NATIVE_SIDE
from striate.training.recipe import Recipe

PREFERRED = ("mobilenet_v2", "efficientnet_v2_b0", "mobilenet_v3_large", "resnet50_v2", "resnet50", "densenet121")
"""Pretrained models in the order in which they are tried: light ones first."""

MOST = 20_000  # training images: of more, a model of their own learns as much
LEAST_SIDE = 64  # pixels: what smaller images show, ImageNet's models have not been taught to see


def choose_network(recipe: Recipe, train: ImageSet, short_side: float) -> tuple[str, str]:
    """Returns the model's name and its weights: `none`, `imagenet`, or a file.

    Named ones are kept. A file of weights names its model. Photographs in color, not too small, not to be brought
    to a small size and not too many, begin with ImageNet's weights when some are at hand on this machine; nothing is
    downloaded that was not asked for.

    Args:
        recipe: what was asked for.
        train: the training images.
        short_side: the median of their shorter sides, pixels.

    Raises:
        WeightsError: a file of weights of a model that is not known.
    """
    weights = recipe.pretrained
    if recipe.architecture is not None:
        return recipe.architecture, weights or "none"
    if weights not in (None, "none"):
        return network_of(weights), weights
    smallest = min(short_side, recipe.height or short_side, recipe.width or short_side)
    is_photos = train.kind == "photos" and smallest >= LEAST_SIDE and len(train) <= MOST
    if weights is None and is_photos and recipe.channels != 1 and (name := find_cached_backbone(PREFERRED)):
        return name, "imagenet"
    return DEFAULT_ARCHITECTURE, "none"


def network_of(weights: str) -> str:
    """Returns the model that weights are for: of `imagenet`, the first preferred one that is at hand; of a file, its
    own.

    Raises:
        WeightsError: not a file of weights, or of a model that is not known.
    """
    if weights == "imagenet":
        return find_cached_backbone(PREFERRED) or PREFERRED[0]
    return identify_weights(Path(weights).expanduser())


def own_dropout(name: str) -> float:
    """Returns the rate that a model has unless told otherwise."""
    return ARCHITECTURES[name].dropout if name in ARCHITECTURES else 0.0


def refuse_grey(recipe: Recipe) -> None:
    """Raises ConfigError when pretrained weights are to look at images without color."""
    if recipe.weights is not None and recipe.channels == 1:
        raise ConfigError(
            "Pretrained weights look at three channels",
            received="one (grayscale)",
            expected="three; grayscale images are given thrice",
            hint="--color, or --pretrained none",
        )


Sizes = NDArray[np.int64]

SAMPLE = 200  # images looked at to choose size and channels
SIDES = (32, 48, 64)
"""Sizes for images that differ in size, pixels; 96 costs a laptop 2.5 times as much as 64."""

PRETRAINED_SIDES = (96, 128)
"""The same where pretrained weights look at them: they were taught on 224, and see little in 64."""

BUDGET = 320_000  # images to train on in all, when the epochs are open


def plan(recipe: Recipe, train: ImageSet) -> Recipe:
    """Returns the recipe with every open place filled from the training images.

    Model and weights: see choose.choose_network. Images of one size up to 64 pixels keep it; others get the
    largest of SIDES (PRETRAINED_SIDES) that their median short side still fills. Images without color get one
    channel, unless pretrained weights look at them. Epochs aim at BUDGET images seen in all, a third of it where only
    a last layer learns, between 5 and 30 passes; batches hold about a fiftieth of the images, between 32 and 128.
    Where the pretrained layers rest, the images are not changed at random.
    """
    is_open = recipe.architecture is None or None in (recipe.height, recipe.width, recipe.channels)
    sizes, is_colour = look(train) if is_open else (np.zeros((1, 2), np.int64), False)
    name, weights = choose_network(recipe, train, short_side(sizes))
    is_pretrained = weights != "none"
    if recipe.fine_tune and not is_pretrained:
        raise ConfigError("There is nothing to fine-tune without pretrained weights", hint="--pretrained imagenet")
    changes: dict[str, Any] = {"architecture": name, "pretrained": _lasting(weights)}
    if recipe.height is None or recipe.width is None:
        least = MIN_NATIVE_SIDE if is_pretrained and name in BACKBONES and BACKBONES[name].has_own_architecture else 1
        height, width = form(sizes, is_pretrained=is_pretrained, least=least)
        changes["height"] = recipe.height or recipe.width or height
        changes["width"] = recipe.width or recipe.height or width
    if recipe.channels is None:
        changes["channels"] = 3 if is_pretrained or is_colour else 1
    if recipe.dropout is None:
        changes["dropout"] = own_dropout(name)
    resting = is_pretrained and not recipe.fine_tune
    if recipe.epochs is None:
        changes["epochs"] = min(30, max(5, round((BUDGET / 3 if resting else BUDGET) / len(train))))
    if recipe.batch is None:
        changes["batch"] = min(128, max(32, 1 << round(math.log2(max(1, len(train) / 50)))))
    if recipe.fine_tune and recipe.fine_tune_rate is None:
        changes["fine_tune_rate"] = recipe.learning_rate / 20
    augment = changes["augment"] = NO_AUGMENT if resting else resolve_augment(recipe.augment, train.kind)
    if recipe.tta == "auto":
        changes["tta"] = "mirror" if augment.flip else "none"
    planned = replace_config(recipe, **changes)
    refuse_grey(planned)
    return planned


def _lasting(weights: str) -> str:
    return weights if weights in ("none", "imagenet") else str(Path(weights).expanduser().resolve())


def preprocessing_of(recipe: Recipe) -> Preprocessing:
    """Returns the preprocessing that a planned recipe states."""
    assert recipe.height and recipe.width and recipe.channels  # noqa: S101  (plan() filled them)
    return Preprocessing(recipe.height, recipe.width, recipe.channels, fit=recipe.fit)


def look(images: ImageSet) -> tuple[Sizes, bool]:
    """Returns the (n, 2) heights and widths of a sample of the images, pixels, and whether any has color; unreadable
    ones are skipped.

    Raises:
        ImageDecodeError: none of the sample can be read.
    """
    if isinstance(images.sources, np.ndarray):
        height, width, *rest = images.sources.shape[1:]
        return np.array([[height, width]]), rest not in ([], [1])
    chosen = np.random.default_rng(0).permutation(len(images))[:SAMPLE]
    sizes: list[tuple[int, int]] = []
    colors: list[bool] = []
    reason = "no images"
    for index in chosen.tolist():
        try:
            with open_image(images.get_source(index)) as image:
                width, height = image.size
                sizes.append((height, width))
                colors.append(_is_colour(image) if not any(colors) else True)
        except Exception as error:  # foreign bytes; training reports each broken file with its reason
            reason = str(error)
    if not sizes:
        raise ImageDecodeError(f"none of {len(chosen)} images looked at can be read: {reason}")
    return np.array(sizes), any(colors)


def short_side(sizes: Sizes) -> float:
    """Returns the median of the shorter sides, pixels."""
    return float(np.median(sizes.min(axis=1)))


def form(sizes: Sizes, *, is_pretrained: bool, least: int = 1) -> tuple[int, int]:
    """Returns the (height, width) to bring images of these sizes to, `least` pixels each or more."""
    first = sizes[0]
    if not is_pretrained and (sizes == first).all() and first.max() <= 64:
        return int(first[0]), int(first[1])
    offered = [side for side in (PRETRAINED_SIDES if is_pretrained else SIDES) if side >= least]
    side = max((side for side in offered if side <= short_side(sizes)), default=offered[0])
    return side, side


def _is_colour(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"):
        return False
    small = np.asarray(image.convert("RGB").resize((16, 16))).astype(int)
    return int(np.ptp(small, axis=2).max()) > 8  # JPEG noise alone stays below
