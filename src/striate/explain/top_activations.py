"""Which images, and where in them, excite the units of a layer most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError
from striate.explain.feature_maps import find_map_layer, iter_map_layers
from striate.explain.gradients import Array, capture_outputs
from striate.models.cost import ReceptiveField, compute_receptive_fields
from striate.models.predictor import get_inference_arguments
from striate.progress import NO_PROGRESS, Progress
from striate.system.backend import keras

ACTIVATION_BATCH_SIZE = 64  # images per forward pass


@dataclass(frozen=True, eq=False)
class TopActivations:
    """What excites each of u units most among n images.

    Attributes:
        layer: its name.
        values: (u, k) float32, falling: the units' answers where they are largest in an image.
        image_indices: (u, k) which of the images these are.
        positions: (u, k, 2) row and column of the prediction in the map; 0, 0 where the layer has no maps.
        is_dead: (u,) whether the unit answers all n images alike, at every place.
        receptive_field: of the layer's units in the image, see models.cost; None where it is the whole image.
        max_means: (u,) the largest mean of a unit's map in any image.
    """

    layer: str
    values: Array
    image_indices: NDArray[np.intp]
    positions: NDArray[np.intp]
    is_dead: NDArray[np.bool_]
    receptive_field: ReceptiveField
    max_means: Array

    def crop(self, image: NDArray[Any], unit: int, rank: int) -> NDArray[Any]:
        """Returns the part of an image (h, w, c) that the unit's answer depends on; all of it where that is so."""
        if self.receptive_field is None:
            return image
        sides = []
        for axis, at, side in zip(self.receptive_field, self.positions[unit, rank], image.shape, strict=False):
            first, last = axis.first_pixel + int(at) * axis.jump, axis.last_pixel + int(at) * axis.jump
            sides.append(slice(min(max(0, first), side - 1), min(max(last, 0), side - 1) + 1))
        return image[sides[0], sides[1]]


def find_unit_layer(model: Any, name: str | None = None) -> Any:
    """Returns the layer of that name, with maps or without; by default the last one whose maps tell of places.

    Raises:
        ConfigError: no such layer.
    """
    if name is None:
        return find_map_layer(model)
    found = [*iter_map_layers(model), *getattr(model, "layers", ())]
    for layer in found:
        if layer.name == name and isinstance(getattr(layer, "output", None), keras.KerasTensor):
            return layer
    raise ConfigError("There is no such layer", received=name, expected=", ".join(one.name for one in found[-8:]))


def find_top_activations(
    model: Any, layer: Any, pixels: NDArray[np.uint8], images_per_unit: int = 9, *, progress: Progress = NO_PROGRESS
) -> TopActivations:
    """Returns the `top` images for every unit of the layer.

    Args:
        model: whose.
        layer: one of its own, or of a model inside it (see find_unit_layer).
        pixels: (n, h, w, c) uint8, preprocessed, n ≥ 1.
        images_per_unit: how many images a unit.
        progress: told the images done.
    """
    most, least, where, means = [], [], [], []
    with progress.track("looking for what excites", len(pixels), "images") as task:
        for start in range(0, len(pixels), ACTIVATION_BATCH_SIZE):
            predictions = _compute_layer_output(model, layer, pixels[start : start + ACTIVATION_BATCH_SIZE])
            flat = predictions.reshape(len(predictions), -1, predictions.shape[-1])
            most.append(flat.max(axis=1))
            least.append(flat.min(axis=1))
            where.append(flat.argmax(axis=1))
            means.append(flat.mean(axis=1))
            task.advance(len(predictions))
    width = predictions.shape[2] if predictions.ndim == 4 else 1
    highest, lowest, at = np.concatenate(most), np.concatenate(least), np.concatenate(where)
    order = np.argsort(-highest, axis=0, kind="stable")[:images_per_unit].T
    places = np.take_along_axis(at.T, order, axis=1)
    return TopActivations(
        layer=layer.name,
        values=np.take_along_axis(highest.T, order, axis=1),
        image_indices=order,
        positions=np.stack([places // width, places % width], axis=-1),
        is_dead=highest.max(axis=0) == lowest.min(axis=0),
        receptive_field=compute_receptive_fields(model).get(id(layer)) if predictions.ndim == 4 else None,
        max_means=np.concatenate(means).max(axis=0),
    )


def _compute_layer_output(model: Any, layer: Any, pixels: NDArray[np.uint8]) -> Array:
    """Returns what the layer makes of the images: (n, h, w, c) or (n, c)."""
    with capture_outputs([layer]) as caught:
        model(np.asarray(pixels, np.float32), **get_inference_arguments(model))
    return caught[id(layer)][-1]
