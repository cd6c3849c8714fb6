"""What goes on inside a network: what reaches its first layer, and which units never answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import keras
from striate.diagnosis.symptoms import Scale, Units

PICTURES = 64  # a unit that answers one picture in twenty is silent on all of so many with a probability of 4 %
BYTES = 256 << 20  # of the answers of all layers, at a time
NORMALISING = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization")


def activity(model: Any, pixels: NDArray[np.uint8], most: int = PICTURES) -> tuple[Scale | None, tuple[Units, ...]]:
    """Returns mean and deviation of what the first layer with weights is given, and each rectified layer's dead units;
    nothing of a network that is no graph of layers.

    Args:
        model: with finite weights.
        pixels: (n, h, w, c), n ≥ 1.
        most: of more than so many, the first are looked at.
    """
    if type(model).__name__ not in ("Functional", "Sequential"):
        return None, ()
    first = next((layer for layer in model.layers if layer.weights and type(layer).__name__ != "Normalization"), None)
    rectified = [layer for layer in model.layers if _is_rectified(layer)]
    if first is None or not isinstance(getattr(first, "input", None), keras.KerasTensor):
        return None, ()
    probe = keras.Model(model.inputs, [first.input, *(layer.output for layer in rectified)])
    size = 4 * sum(math.prod(output.shape[1:]) for output in probe.outputs)
    at_once = max(1, min(PICTURES, BYTES // max(1, size)))
    inputs, highest = [], [np.full(layer.output.shape[-1], -np.inf) for layer in rectified]
    for start in range(0, min(most, len(pixels)), at_once):
        found = probe([pixels[start : min(start + at_once, most)]], training=False)
        given, *answers = found if isinstance(found, list | tuple) else (found,)
        inputs.append(keras.ops.convert_to_numpy(keras.ops.cast(given, "float32")).ravel())
        for number, answer in enumerate(answers):
            largest = keras.ops.max(keras.ops.cast(answer, "float32"), axis=tuple(range(len(answer.shape) - 1)))
            highest[number] = np.maximum(highest[number], keras.ops.convert_to_numpy(largest))
    units = tuple(
        Units(layer.name, len(one), int(np.sum(one <= 0))) for layer, one in zip(rectified, highest, strict=True)
    )
    whole = np.concatenate(inputs).astype(np.float64)
    if type(first).__name__ in NORMALISING or not np.isfinite(whole).all():
        return None, units
    return Scale(first.name, float(whole.mean()), float(whole.std())), units


def _is_rectified(layer: Any) -> bool:
    """Plain ReLU only: a leaky one cannot die, and one that is cut off above dies in the same way below."""
    if not isinstance(getattr(layer, "output", None), keras.KerasTensor):
        return False
    activation = getattr(layer, "activation", None)
    return (isinstance(layer, keras.layers.ReLU) and not layer.negative_slope) or activation in (
        keras.activations.relu,
        keras.activations.relu6,
    )
