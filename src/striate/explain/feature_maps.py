"""What each layer makes of an image, and the filters that the first one slides over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError
from striate.explain.gradients import Array, capture_outputs
from striate.models.predictor import get_inference_arguments
from striate.system.backend import keras

MIN_MAP_SIDE = 3  # places along a side, below which a map tells nothing of where


def find_map_layer(model: Any, name: str | None = None) -> Any:
    """Returns the layer of that name, or the one that Grad-CAM stands on: `features`; where its maps are smaller than
    3×3, as LeNet's are, the last layer before it with larger ones. Models inside the model are searched too.

    Raises:
        ConfigError: no such layer, or one without maps.
    """
    found = list(iter_map_layers(model))
    if name is not None:
        for layer in found:
            if layer.name == name:
                return layer
        raise ConfigError(
            "There is no layer with maps of that name",
            received=name,
            expected=", ".join(layer.name for layer in found[-6:]) or "a model with convolutions",
        )
    large = [layer for layer in found if min(layer.output.shape[1:3]) >= MIN_MAP_SIDE]
    if not large:
        raise ConfigError(
            "This model has no maps that could tell where it looked",
            received=model.name,
            expected="a model with convolutions",
            hint="--method occlusion, which works with any model",
        )
    return next((layer for layer in large if layer.name == "features"), large[-1])


def has_maps(model: Any) -> bool:
    """Returns whether the model has maps that Grad-CAM can stand on."""
    return any(min(layer.output.shape[1:3]) >= MIN_MAP_SIDE for layer in iter_map_layers(model))


def iter_map_layers(model: Any) -> Iterator[Any]:
    """Yields the layers that give (b, h, w, c), in the order of the model; what comes before the first convolution,
    such as the scaling of pixels, knows nothing yet.
    """
    return dropwhile(lambda layer: not hasattr(layer, "kernel_size"), _iter_spatial_layers(model))


def _iter_spatial_layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, keras.Model):
            yield from _iter_spatial_layers(layer)
        elif isinstance(layer, keras.layers.Layer):
            try:
                output = layer.output
            except (AttributeError, ValueError):  # never called, or used several times
                continue
            is_one = isinstance(output, keras.KerasTensor) and len(output.shape) == 4
            if is_one and None not in output.shape[1:]:
                yield layer


LINEAR_ACTIVATIONS = ("linear", None)
POOLING_LAYERS = ("MaxPooling2D", "AveragePooling2D")
ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "PReLU", "ELU", "Activation")


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What one layer makes of one image.

    Attributes:
        layer: its name.
        kind: its class in Keras.
        values: (h, w, channels) float32.
    """

    layer: str
    kind: str
    values: Array


def compute_feature_maps(model: Any, image: NDArray[np.uint8]) -> list[FeatureMaps]:
    """Returns the maps of each layer that a person would look at, in order: those after an activation, and pooled ones;
    of models inside the model too.

    Args:
        model: whose; where none of its layers is of these kinds, all that give maps are looked at.
        image: (h, w, c) uint8, preprocessed.

    Raises:
        ConfigError: no layer gives maps.
    """
    every = list(iter_map_layers(model))
    layers = [layer for layer in every if _is_activation_or_pooling(layer)] or every
    if not layers:
        raise ConfigError(
            "This model has no maps to look at", received=model.name, expected="a model with convolutions"
        )
    with capture_outputs(layers) as caught:
        model(np.asarray(image[None], np.float32), **get_inference_arguments(model))
    return [FeatureMaps(layer.name, type(layer).__name__, caught[id(layer)][-1][0]) for layer in layers]


def get_first_filters(model: Any) -> tuple[str, Array]:
    """Returns the name of the first convolution, and its kernels as images: (n, h, w, c) float32, c of the pixels.

    Raises:
        ConfigError: no convolution looks at the pixels.
    """
    for layer in iter_map_layers(model):
        if isinstance(layer, keras.layers.Conv2D) and layer.groups == 1:
            kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)
            if kernel.shape[2] in (1, 3):
                return layer.name, kernel.transpose(3, 0, 1, 2)
            break
    raise ConfigError(
        "This model's first layer is no convolution over the pixels, so it has no filters to show",
        received=model.name,
    )


def _is_activation_or_pooling(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    is_active = activation is not None and getattr(activation, "__name__", None) not in LINEAR_ACTIVATIONS
    return is_active or type(layer).__name__ in (*POOLING_LAYERS, *ACTIVATION_LAYERS)
