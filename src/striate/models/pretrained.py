"""Networks that begin with weights learnt on ImageNet. Each one's own scaling of pixels lies inside it, so that
0..255 go in as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import ConfigError, WeightsError
from striate.models.architecture import Architecture, Shape, build, keras_layers, outline
from striate.models.pretrained_weights import BACKBONES, SCALINGS, backbone_of, opened
from striate.models.zoo.keras_applications import build_application
from striate.models.zoo.small_image_stem import NATIVE_FROM, is_small

Sizes = list[tuple[int, ...]]


def build_pretrained(
    architecture: Architecture, shape: Shape, classes: int, weights: Path, *, dropout: float, seed: int
) -> Any:
    """Returns the network with the weights of the file in all but its last layer.

    Args:
        architecture: a row of ARCHITECTURES that BACKBONES names too.
        shape: (height, width, 3) of the pictures.
        classes: how many.
        weights: an HDF5 file as keras.applications downloads them, with or without the last layers.
        dropout: rate before the last layer.
        seed: of the dropout masks.

    Raises:
        ConfigError: there are no such weights for this network, or the pictures are too small for it.
        WeightsError: the file is not one of weights, or belongs to another network.
    """
    backbone, row = backbone_of(architecture.name), pretrained_row(architecture, shape)
    model = build(row, shape, classes, dropout=dropout, seed=seed)
    variables = backbone_variables(model)
    with opened(weights) as tensors:
        _refuse_others(architecture.name, [tuple(variable.shape) for variable in variables], tensors, weights)
        values = [np.asarray(tensor).reshape(v.shape) for v, (_, tensor) in zip(variables, tensors, strict=False)]
    if not all(np.isfinite(value).all() for value in values):
        raise WeightsError("The weights are not all finite numbers", received=weights)
    if backbone.scaling == "caffe":  # learnt on blue, green, red
        values[0] = values[0][:, :, ::-1, :]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    rescale = model.get_layer("rescale")
    rescale.scale, rescale.offset = SCALINGS[backbone.scaling]
    return model


def pretrained_row(architecture: Architecture, shape: Shape) -> Architecture:
    """Returns the network that takes the published weights: Striate's own, or the application of its name.

    Raises:
        ConfigError: there are no such weights for this network, or the pictures are too small for its own stem.
    """
    if not backbone_of(architecture.name).ours:
        return replace(architecture, build=partial(build_application, name=architecture.name))
    if is_small(shape):
        raise ConfigError(
            f"The pictures are too small for the pretrained {architecture.name}",
            received=f"{shape[0]}×{shape[1]} pixels",
            expected=f"at least {NATIVE_FROM} on each side",
            hint=f"--size {NATIVE_FROM}",
        )
    return architecture


def backbone_layers(model: Any) -> list[Any]:
    """Returns the layers from the pictures to `embedding`, in the order of the graph."""
    keras, _ = keras_layers()
    return list(keras.Model(model.input, model.get_layer("embedding").output).layers)


def backbone_variables(model: Any) -> list[Any]:
    """Returns the backbone's weights in the order in which Keras' files hold them: by layer, trainable ones first."""
    return [
        variable
        for layer in backbone_layers(model)
        for variable in (*layer.trainable_weights, *layer.non_trainable_weights)
    ]


def identify(weights: Path) -> str:
    """Returns the name of the network whose weights a file holds.

    Raises:
        WeightsError: not a file of weights, or of no network that Striate knows.
    """
    with opened(weights) as tensors:
        sizes = _sizes(tensors)
    name = _owner(sizes, weights.name)
    if name is None:
        raise WeightsError(
            "These weights belong to none of the networks that have pretrained ones",
            received=f"{weights}, {len(sizes)} tensors",
            expected="weights of " + ", ".join(BACKBONES),
        )
    return name


def refuse_foreign(architecture: Architecture, weights: Path) -> None:
    """Checks, before anything is read or built, that the file's weights are those of the network.

    Raises:
        ConfigError: there are no such weights for this network.
        WeightsError: they are another's; the message says whose.
    """
    wanted = _wanted(architecture)
    with opened(weights) as tensors:
        _refuse_others(architecture.name, wanted, tensors, weights)


@cache
def _wanted(architecture: Architecture) -> Sizes:
    """Returns the sizes of the weights of the network's backbone, without making them."""
    row = pretrained_row(architecture, architecture.native)
    return [tuple(variable.shape) for variable in backbone_variables(outline(row, architecture.native, 2))]


def _sizes(tensors: list[tuple[str, Any]]) -> Sizes:
    return [tuple(tensor.shape) for _, tensor in tensors]


def _fits(wanted: Sizes, found: Sizes) -> bool:
    """Returns whether the file's first tensors are the network's; what follows is the last layers' then."""
    if len(found) < len(wanted):
        return False
    return all(np.prod(one) == np.prod(two) for one, two in zip(wanted, found, strict=False)) and (
        wanted[0] == found[0] and len(found) - len(wanted) <= MOST_ON_TOP
    )


MOST_ON_TOP = 6  # tensors: VGG's three dense layers


def _owner(found: Sizes, file: str) -> str | None:
    """Returns the network whose backbone has weights of these sizes, or None; those that the file's name holds are
    compared first, since most files tell the truth and every comparison takes a quarter of a second.
    """
    from striate.models.registry import ARCHITECTURES

    names = sorted(BACKBONES, key=lambda name: (name not in file, -len(name)))
    return next((name for name in names if _fits(_wanted(ARCHITECTURES[name]), found)), None)


def _refuse_others(name: str, wanted: Sizes, tensors: list[tuple[str, Any]], weights: Path) -> None:
    """Raises WeightsError, saying whose they are, unless the tensors are the network's."""
    found = _sizes(tensors)
    if _fits(wanted, found):
        return
    first, kernel = (found or [()])[0], wanted[0]
    if len(first) == len(kernel) == 4 and first[:2] == kernel[:2] and first[2] != kernel[2] and first[3:] == kernel[3:]:
        raise WeightsError(
            "The weights were learnt on pictures with another number of channels",
            received=f"{first[2]}, in {weights}",
            expected=f"{kernel[2]}",
        )
    owner = _owner(found, weights.name)
    different = next(
        (f"{label} {size}" for (label, _), size, want in zip(tensors, found, wanted, strict=False) if size != want),
        f"{len(found)} tensors",
    )
    raise WeightsError(
        f"These are not weights of {name}",
        received=f"{weights}" + (f", weights of {owner}" if owner else f" with {different}"),
        expected=f"{len(wanted)} tensors, the first {wanted[0]}",
        hint=f"--arch {owner}" if owner else None,
    )
