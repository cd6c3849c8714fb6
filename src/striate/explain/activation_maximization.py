"""An image that excites a unit as much as can be, made by climbing from noise.

Erhan, Bengio, Courville and Vincent 2009, Visualizing higher-layer features of a deep network (activation
maximisation); what keeps the images from being mere noise: Yosinski et al. 2015 (arXiv:1506.06579, section 3:
blurring) and Olah, Mordvintsev and Schubert 2017, Feature visualization (doi 10.23915/distill.00007: jitter).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from striate.explain.gradients import Array, GradientFunction, patch_layer_output
from striate.models.predictor import get_inference_arguments
from striate.system.backend import keras

ASCENT_STEPS = 96
INITIAL_STEP_SIZE, FINAL_STEP_SIZE = (
    16.0,
    4.0,
)  # grayscale values that a pixel moves by in a step of ordinary steepness, first and last
INITIAL_BLUR, FINAL_BLUR = 1.5, 0.5  # pixels that slopes are blurred by, first and last
JITTER_FRACTION = 1 / 14  # of a side


class MaximizedImages(NamedTuple):
    """Images made for units.

    Attributes:
        pixels: (u, h, w, c) uint8.
        values: (u,) float32, the mean of the unit's map, or the unit's answer where the layer has no maps.
    """

    pixels: NDArray[np.uint8]
    values: Array


def maximize_activation(
    model: Any,
    layer: Any,
    units: Sequence[int],
    shape: tuple[int, int, int],
    *,
    steps: int = ASCENT_STEPS,
    seed: int = 0,
) -> MaximizedImages:
    """Returns an image for each unit; the same seed gives the same images.

    Args:
        model: whose.
        layer: one of its own, or of a model inside it.
        units: channels of the layer's output.
        shape: (h, w, c) of the model's images.
        steps: of the climb.
        seed: of the noise that it begins with, and of the jitter.
    """
    rng, chosen = np.random.default_rng(seed), np.asarray(units, np.intp)
    slope = GradientFunction(_UnitMeanModel(model, layer))
    pixels = np.clip(rng.normal(128, 12, (len(chosen), *shape)), 0, 255).astype(np.float32)
    reach = [max(1, round(side * JITTER_FRACTION)) for side in shape[:2]]
    for step in range(steps):
        fraction = step / max(1, steps - 1)
        moved = tuple(int(rng.integers(-one, one + 1)) for one in reach)
        rolled = np.roll(pixels, moved, axis=(1, 2))
        steepness = np.roll(slope(rolled, chosen).gradients, (-moved[0], -moved[1]), axis=(1, 2))
        blur = INITIAL_BLUR + (FINAL_BLUR - INITIAL_BLUR) * fraction
        steepness = gaussian_filter(steepness, (0, blur, blur, 0), mode="nearest")
        size = np.sqrt(np.square(steepness).mean(axis=(1, 2, 3), keepdims=True))
        length = INITIAL_STEP_SIZE + (FINAL_STEP_SIZE - INITIAL_STEP_SIZE) * fraction
        pixels = np.clip(pixels + length * steepness / np.maximum(size, 1e-12), 0, 255).astype(np.float32)
    final = pixels.round().astype(np.uint8)
    return MaximizedImages(final, slope(final, chosen).logits[np.arange(len(chosen)), chosen])


class _UnitMeanModel:
    """The model up to a layer, with the mean of each of its maps for a prediction: what Gradient differentiates."""

    def __init__(self, model: Any, layer: Any) -> None:
        self.model, self.layer = model, layer
        self.trainable_variables = model.trainable_variables
        self.non_trainable_variables = model.non_trainable_variables

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns (b, c)."""
        return self._compute_means(lambda: self.model(images, **get_inference_arguments(self.model)))

    __call__ = call

    def stateless_call(self, trainable: Any, non_trainable: Any, images: Any, **_: Any) -> tuple[Any, Any]:
        """Returns the same as `call`, with weights that are handed in, as JAX needs it."""
        rest = get_inference_arguments(self.model)
        return self._compute_means(lambda: self.model.stateless_call(trainable, non_trainable, images, **rest)), None

    def _compute_means(self, forward: Any) -> Any:
        caught: list[Any] = []

        def capture_output(output: Any) -> Any:
            caught.append(output)
            return output

        with patch_layer_output(self.layer, capture_output):
            forward()
        prediction = keras.ops.cast(caught[-1], "float32")
        return (
            prediction
            if len(prediction.shape) == 2
            else keras.ops.mean(prediction, axis=tuple(range(1, len(prediction.shape) - 1)))
        )
