"""What each layer makes of a picture, and the filters that the first one slides over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import keras
from striate.errors import ConfigError
from striate.explain.gradient import Array, catching
from striate.explain.maps import layers_with_maps
from striate.inference import at_rest

PLAIN = ("linear", None)
POOLING = ("MaxPooling2D", "AveragePooling2D")
RECTIFYING = ("ReLU", "LeakyReLU", "PReLU", "ELU", "Activation")


@dataclass(frozen=True, eq=False)
class Maps:
    """What one layer makes of one picture.

    Attributes:
        layer: its name.
        kind: its class in Keras.
        values: (h, w, channels) float32.
    """

    layer: str
    kind: str
    values: Array


def feature_maps(model: Any, picture: NDArray[np.uint8]) -> list[Maps]:
    """Returns the maps of each layer that a person would look at, in order: those after an activation, and pooled ones;
    of networks inside the network too.

    Args:
        model: whose; where none of its layers is of these kinds, all that give maps are looked at.
        picture: (h, w, c) uint8, preprocessed.

    Raises:
        ConfigError: no layer gives maps.
    """
    every = list(layers_with_maps(model))
    layers = [layer for layer in every if _is_worth_seeing(layer)] or every
    if not layers:
        raise ConfigError(
            "This network has no maps to look at", received=model.name, expected="a network with convolutions"
        )
    with catching(layers) as caught:
        model(np.asarray(picture[None], np.float32), **at_rest(model))
    return [Maps(layer.name, type(layer).__name__, caught[id(layer)][-1][0]) for layer in layers]


def first_filters(model: Any) -> tuple[str, Array]:
    """Returns the name of the first convolution, and its kernels as pictures: (n, h, w, c) float32, c of the pixels.

    Raises:
        ConfigError: no convolution looks at the pixels.
    """
    for layer in layers_with_maps(model):
        if isinstance(layer, keras.layers.Conv2D) and layer.groups == 1:
            kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)
            if kernel.shape[2] in (1, 3):
                return layer.name, kernel.transpose(3, 0, 1, 2)
            break
    raise ConfigError(
        "This network's first layer is no convolution over the pixels, so it has no filters to show",
        received=model.name,
    )


def _is_worth_seeing(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    is_active = activation is not None and getattr(activation, "__name__", None) not in PLAIN
    return is_active or type(layer).__name__ in (*POOLING, *RECTIFYING)
