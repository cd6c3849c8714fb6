"""Which layer's maps tell where something lies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from typing import Any

from striate.backend import keras
from striate.errors import ConfigError

FEWEST = 3  # places along a side, below which a map tells nothing of where


def map_layer(model: Any, name: str | None = None) -> Any:
    """Returns the layer of that name, or the one that Grad-CAM stands on: `features`; where its maps are smaller than
    3×3, as LeNet's are, the last layer before it with larger ones. Networks inside the network are searched too.

    Raises:
        ConfigError: no such layer, or one without maps.
    """
    found = list(layers_with_maps(model))
    if name is not None:
        for layer in found:
            if layer.name == name:
                return layer
        raise ConfigError(
            "There is no layer with maps of that name",
            received=name,
            expected=", ".join(layer.name for layer in found[-6:]) or "a network with convolutions",
        )
    large = [layer for layer in found if min(layer.output.shape[1:3]) >= FEWEST]
    if not large:
        raise ConfigError(
            "This network has no maps that could tell where it looked",
            received=model.name,
            expected="a network with convolutions",
            hint="--method occlusion, which works with any network",
        )
    return next((layer for layer in large if layer.name == "features"), large[-1])


def has_maps(model: Any) -> bool:
    """Returns whether the network has maps that Grad-CAM can stand on."""
    return any(min(layer.output.shape[1:3]) >= FEWEST for layer in layers_with_maps(model))


def layers_with_maps(model: Any) -> Iterator[Any]:
    """Yields the layers that give (b, h, w, c), in the order of the network; what comes before the first convolution,
    such as the scaling of pixels, knows nothing yet.
    """
    return dropwhile(lambda layer: not hasattr(layer, "kernel_size"), _giving_maps(model))


def _giving_maps(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, keras.Model):
            yield from _giving_maps(layer)
        elif isinstance(layer, keras.layers.Layer):
            try:
                output = layer.output
            except (AttributeError, ValueError):  # never called, or used several times
                continue
            is_one = isinstance(output, keras.KerasTensor) and len(output.shape) == 4
            if is_one and None not in output.shape[1:]:
                yield layer
