"""Which network, and with which weights, when the recipe leaves that open."""

from __future__ import annotations

from pathlib import Path

from striate.errors import ConfigError
from striate.images.imageset import ImageSet
from striate.models.architectures import ARCHITECTURES, DEFAULT
from striate.models.backbones import at_hand
from striate.models.pretrained import identify
from striate.training.recipe import Recipe

PREFERRED = ("mobilenet_v2", "efficientnet_v2_b0", "mobilenet_v3_large", "resnet50_v2", "resnet50", "densenet121")
"""Pretrained networks in the order in which they are tried: light ones first."""

MOST = 20_000  # training pictures: of more, a network of their own learns as much
LEAST_SIDE = 64  # pixels: what smaller pictures show, ImageNet's networks have not been taught to see


def choose_network(recipe: Recipe, train: ImageSet, short_side: float) -> tuple[str, str]:
    """Returns the network's name and its weights: `none`, `imagenet`, or a file.

    Named ones are kept. A file of weights names its network. Photographs in colour, not too small, not to be brought
    to a small size and not too many, begin with ImageNet's weights when some are at hand on this machine; nothing is
    downloaded that was not asked for.

    Args:
        recipe: what was asked for.
        train: the training pictures.
        short_side: the median of their shorter sides, pixels.

    Raises:
        WeightsError: a file of weights of a network that is not known.
    """
    weights = recipe.pretrained
    if recipe.architecture is not None:
        return recipe.architecture, weights or "none"
    if weights not in (None, "none"):
        return network_of(weights), weights
    smallest = min(short_side, recipe.height or short_side, recipe.width or short_side)
    is_photos = train.kind == "photos" and smallest >= LEAST_SIDE and len(train) <= MOST
    if weights is None and is_photos and recipe.channels != 1 and (name := at_hand(PREFERRED)):
        return name, "imagenet"
    return DEFAULT, "none"


def network_of(weights: str) -> str:
    """Returns the network that weights are for: of `imagenet`, the first preferred one that is at hand; of a file, its
    own.

    Raises:
        WeightsError: not a file of weights, or of a network that is not known.
    """
    if weights == "imagenet":
        return at_hand(PREFERRED) or PREFERRED[0]
    return identify(Path(weights).expanduser())


def own_dropout(name: str) -> float:
    """Returns the rate that a network has unless told otherwise."""
    return ARCHITECTURES[name].dropout if name in ARCHITECTURES else 0.0


def refuse_grey(recipe: Recipe) -> None:
    """Raises ConfigError when pretrained weights are to look at pictures without colour."""
    if recipe.weights is not None and recipe.channels == 1:
        raise ConfigError(
            "Pretrained weights look at three channels",
            received="one (grey)",
            expected="three; grey pictures are given thrice",
            hint="--colour, or --pretrained none",
        )
