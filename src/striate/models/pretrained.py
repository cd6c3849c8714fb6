"""Models that begin with weights learned on ImageNet. Each one's own scaling of pixels lies inside it, so that
0..255 go in as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import ConfigError, WeightsError
from striate.models.architecture import Architecture, Shape, build_model, build_without_weights, import_keras
from striate.models.pretrained_weights import BACKBONES, SCALINGS, get_backbone, open_weights
from striate.models.zoo.keras_applications import build_application
from striate.models.zoo.small_image_stem import MIN_NATIVE_SIDE, is_small_image

TensorShapes = list[tuple[int, ...]]


def build_pretrained_model(
    architecture: Architecture, shape: Shape, classes: int, weights: Path, *, dropout: float, seed: int
) -> Any:
    """Returns the model with the weights of the file in all but its last layer.

    Args:
        architecture: a row of ARCHITECTURES that BACKBONES names too.
        shape: (height, width, 3) of the images.
        classes: how many.
        weights: an HDF5 file as keras.applications downloads them, with or without the last layers.
        dropout: rate before the last layer.
        seed: of the dropout masks.

    Raises:
        ConfigError: there are no such weights for this model, or the images are too small for it.
        WeightsError: the file is not one of weights, or belongs to another model.
    """
    backbone, row = get_backbone(architecture.name), resolve_pretrained_architecture(architecture, shape)
    model = build_model(row, shape, classes, dropout=dropout, seed=seed)
    variables = list_backbone_variables(model)
    with open_weights(weights) as tensors:
        _check_tensor_shapes(architecture.name, [tuple(variable.shape) for variable in variables], tensors, weights)
        values = [np.asarray(tensor).reshape(v.shape) for v, (_, tensor) in zip(variables, tensors, strict=False)]
    if not all(np.isfinite(value).all() for value in values):
        raise WeightsError("The weights are not all finite numbers", received=weights)
    if backbone.scaling == "caffe":  # learned on blue, green, red
        values[0] = values[0][:, :, ::-1, :]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    rescale = model.get_layer("rescale")
    rescale.scale, rescale.offset = SCALINGS[backbone.scaling]
    return model


def resolve_pretrained_architecture(architecture: Architecture, shape: Shape) -> Architecture:
    """Returns the model that takes the published weights: Striate's own, or the application of its name.

    Raises:
        ConfigError: there are no such weights for this model, or the images are too small for its own stem.
    """
    if not get_backbone(architecture.name).has_own_architecture:
        return replace(architecture, build=partial(build_application, name=architecture.name))
    if is_small_image(shape):
        raise ConfigError(
            f"The images are too small for the pretrained {architecture.name}",
            received=f"{shape[0]}×{shape[1]} pixels",
            expected=f"at least {MIN_NATIVE_SIDE} on each side",
            hint=f"--size {MIN_NATIVE_SIDE}",
        )
    return architecture


def list_backbone_layers(model: Any) -> list[Any]:
    """Returns the layers from the images to `embedding`, in the order of the graph."""
    keras, _ = import_keras()
    return list(keras.Model(model.input, model.get_layer("embedding").output).layers)


def list_backbone_variables(model: Any) -> list[Any]:
    """Returns the backbone's weights in the order in which Keras' files hold them: by layer, trainable ones first."""
    return [
        variable
        for layer in list_backbone_layers(model)
        for variable in (*layer.trainable_weights, *layer.non_trainable_weights)
    ]


def identify_weights(weights: Path) -> str:
    """Returns the name of the model whose weights a file holds.

    Raises:
        WeightsError: not a file of weights, or of no network that Striate knows.
    """
    with open_weights(weights) as tensors:
        sizes = _list_shapes(tensors)
    name = _find_matching_backbone(sizes, weights.name)
    if name is None:
        raise WeightsError(
            "These weights belong to none of the models that have pretrained ones",
            received=f"{weights}, {len(sizes)} tensors",
            expected="weights of " + ", ".join(BACKBONES),
        )
    return name


def check_weights_match(architecture: Architecture, weights: Path) -> None:
    """Checks, before anything is read or built, that the file's weights are those of the model.

    Raises:
        ConfigError: there are no such weights for this model.
        WeightsError: they are another's; the message says whose.
    """
    wanted = _compute_backbone_shapes(architecture)
    with open_weights(weights) as tensors:
        _check_tensor_shapes(architecture.name, wanted, tensors, weights)


@cache
def _compute_backbone_shapes(architecture: Architecture) -> TensorShapes:
    """Returns the sizes of the weights of the model's backbone, without making them."""
    row = resolve_pretrained_architecture(architecture, architecture.native_shape)
    return [
        tuple(variable.shape)
        for variable in list_backbone_variables(build_without_weights(row, architecture.native_shape, 2))
    ]


def _list_shapes(tensors: list[tuple[str, Any]]) -> TensorShapes:
    return [tuple(tensor.shape) for _, tensor in tensors]


def _is_shape_match(backbone_shapes: TensorShapes, file_shapes: TensorShapes) -> bool:
    """Returns whether the file's first tensors are the model's; what follows is the last layers' then."""
    if len(file_shapes) < len(backbone_shapes):
        return False
    return all(np.prod(one) == np.prod(two) for one, two in zip(backbone_shapes, file_shapes, strict=False)) and (
        backbone_shapes[0] == file_shapes[0] and len(file_shapes) - len(backbone_shapes) <= MAX_TOP_TENSORS
    )


MAX_TOP_TENSORS = 6  # tensors: VGG's three dense layers


def _find_matching_backbone(file_shapes: TensorShapes, file_name: str) -> str | None:
    """Returns the model whose backbone has weights of these sizes, or None; those that the file's name holds are
    compared first, since most files tell the truth and every comparison takes a quarter of a second.
    """
    from striate.models.registry import ARCHITECTURES

    names = sorted(BACKBONES, key=lambda name: (name not in file_name, -len(name)))
    return next(
        (name for name in names if _is_shape_match(_compute_backbone_shapes(ARCHITECTURES[name]), file_shapes)), None
    )


def _check_tensor_shapes(
    name: str, backbone_shapes: TensorShapes, tensors: list[tuple[str, Any]], weights: Path
) -> None:
    """Raises WeightsError, saying whose they are, unless the tensors are the model's."""
    found = _list_shapes(tensors)
    if _is_shape_match(backbone_shapes, found):
        return
    first, kernel = (found or [()])[0], backbone_shapes[0]
    if len(first) == len(kernel) == 4 and first[:2] == kernel[:2] and first[2] != kernel[2] and first[3:] == kernel[3:]:
        raise WeightsError(
            "The weights were learned on images with another number of channels",
            received=f"{first[2]}, in {weights}",
            expected=f"{kernel[2]}",
        )
    owner = _find_matching_backbone(found, weights.name)
    different = next(
        (
            f"{label} {size}"
            for (label, _), size, want in zip(tensors, found, backbone_shapes, strict=False)
            if size != want
        ),
        f"{len(found)} tensors",
    )
    raise WeightsError(
        f"These are not weights of {name}",
        received=f"{weights}" + (f", weights of {owner}" if owner else f" with {different}"),
        expected=f"{len(backbone_shapes)} tensors, the first {backbone_shapes[0]}",
        hint=f"--arch {owner}" if owner else None,
    )
