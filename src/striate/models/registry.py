"""The table of models."""

from __future__ import annotations

from striate.errors import UnknownNameError
from striate.models.architecture import Architecture
from striate.models.zoo.airbench import AIRBENCH, AIRBENCH_HALF
from striate.models.zoo.alexnet import ALEXNET
from striate.models.zoo.cnn import CNN, CNN_FAST, CNN_SMALL
from striate.models.zoo.convnext import CONVNEXT_TINY
from striate.models.zoo.densenet import DENSENET121
from striate.models.zoo.googlenet import GOOGLENET
from striate.models.zoo.inception_v3 import INCEPTION_V3
from striate.models.zoo.keras_applications import (
    EFFICIENTNET_V2_B0,
    EFFICIENTNET_V2_S,
    MOBILENET_V2,
    MOBILENET_V2_035,
    MOBILENET_V3_LARGE,
    MOBILENET_V3_SMALL,
    RESNET50_V2,
    XCEPTION,
)
from striate.models.zoo.lenet import LENET
from striate.models.zoo.mlp import MLP
from striate.models.zoo.mobilenet import MOBILENET
from striate.models.zoo.resnet import RESNET18, RESNET20, RESNET32, RESNET34, RESNET50, RESNET56, RESNET101
from striate.models.zoo.vgg import VGG11, VGG13, VGG16, VGG19, VGG_SMALL

_ALL_ARCHITECTURES = (
    *(MLP, LENET, CNN_SMALL, CNN, CNN_FAST),
    *(ALEXNET, VGG11, VGG13, VGG16, VGG19, VGG_SMALL, GOOGLENET, INCEPTION_V3),
    *(RESNET18, RESNET34, RESNET50, RESNET101, RESNET20, RESNET32, RESNET56),
    *(DENSENET121, MOBILENET, CONVNEXT_TINY, AIRBENCH, AIRBENCH_HALF),
    *(RESNET50_V2, XCEPTION, MOBILENET_V2, MOBILENET_V2_035, MOBILENET_V3_SMALL, MOBILENET_V3_LARGE),
    *(EFFICIENTNET_V2_B0, EFFICIENTNET_V2_S),
)

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in sorted(_ALL_ARCHITECTURES, key=lambda row: row.year)}
"""Name → architecture, in the order of their story."""

DEFAULT_ARCHITECTURE = CNN.name
"""The model trained when none is named: small enough for a laptop, and sees edges before it sees pixels."""


def get_architecture(name: str | Architecture) -> Architecture:
    """Returns the architecture of that name, `-` and `_` taken for each other; a value is returned as it is.

    Raises:
        UnknownNameError: no such row; the nearest is suggested.
    """
    if isinstance(name, Architecture):
        return name
    for row in ARCHITECTURES.values():
        if row.name.replace("_", "-") == name.lower().replace("_", "-"):
            return row
    raise UnknownNameError("architecture", name, ARCHITECTURES)


def to_picklable(architecture: Architecture) -> Architecture | str:
    """Returns what stands for the architecture in another process, for `architecture_named` there: the name of one of
    Striate's, since a copy of a row of the table would be taken for a model of the user's own.
    """
    return architecture.name if ARCHITECTURES.get(architecture.name) is architecture else architecture
