"""Attributor and attribute(): where a classifier looked, by any of the methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, DataError, UnknownNameError

if TYPE_CHECKING:
    from striate.classifier import Classifier
    from striate.explain.gradients import Array

PREDICT_BATCH_SIZE = 256  # images that are answered at a time
CENTRAL_SIDE_FRACTION = 0.5**0.5  # of each side: half of the image


class AttributionMethod(NamedTuple):
    """A way to find out where a model looked.

    Attributes:
        function_path: its function in `striate.explain.methods`.
        input_kind: what that takes: gradients with respect to `maps` or `pixels`, or nothing but `answers`.
        description: what its heat is.
    """

    function_path: str
    input_kind: str
    description: str


ATTRIBUTION_METHODS: dict[str, AttributionMethod] = {
    "grad-cam": AttributionMethod("grad_cam", "maps", "Maps that speak for the class"),
    "grad-cam++": AttributionMethod("grad_cam_pp", "maps", "Maps that speak for the class, wherever it appears"),
    "occlusion": AttributionMethod("occlusion", "answers", "How the prediction falls while a place is covered"),
    "integrated-gradients": AttributionMethod(
        "integrated_gradients", "pixels", "What each pixel adds to a black image"
    ),
    "saliency": AttributionMethod("saliency", "pixels", "How steeply the prediction changes with each pixel"),
}
"""Name → method."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Where the evidence for a class lies in each of n images.

    Attributes:
        heatmaps: (n, h, w) float32 ≥ 0.
        target_classes: (n,) the class asked about, as its position among the classifier's.
        method: its name.
        layer: whose maps were looked at; None where no layer's were.
    """

    heatmaps: Array
    target_classes: NDArray[np.intp]
    method: str
    layer: str | None

    def compute_central_fractions(self) -> NDArray[np.float64]:
        """Returns (n,) the fraction of an image's heat that lies in the half of its area around the centre, 0..1; heat
        that is everywhere the same has about 0.5. NaN for an image without heat.
        """
        height, width = self.heatmaps.shape[1:]
        rows, columns = (round(side * (1 - CENTRAL_SIDE_FRACTION) / 2) for side in (height, width))
        inside = self.heatmaps[:, rows : height - rows, columns : width - columns].sum(axis=(1, 2), dtype=np.float64)
        total = self.heatmaps.sum(axis=(1, 2), dtype=np.float64)
        fractions: NDArray[np.float64] = np.divide(inside, total, out=np.full(len(total), np.nan), where=total > 0)
        return fractions


class Attributor:
    """Finds where a classifier looked, by one method; what has to be compiled is compiled once.

    The model alone is asked: without the mirror images that a classifier may answer with as well.

    Args:
        classifier: whose model.
        method: one of METHODS.
        layer: for Grad-CAM: the layer whose maps are looked at, see `find_map_layer`.

    Raises:
        UnknownNameError: no such method.
        ConfigError: no such layer, or none with maps; or a layer for a method that looks at none.
    """

    def __init__(self, classifier: Classifier, method: str = "grad-cam", layer: str | None = None) -> None:
        from striate.explain.feature_maps import find_map_layer
        from striate.explain.gradients import GradientFunction
        from striate.models.predictor import CompiledPredictor

        if method not in ATTRIBUTION_METHODS:
            raise UnknownNameError("method", method, ATTRIBUTION_METHODS)
        given = ATTRIBUTION_METHODS[method].input_kind
        if layer is not None and given != "maps":
            raise ConfigError(f"{method} looks at no layer's maps", received=f"layer {layer}", expected="grad-cam")
        self.method, self.layer, self._input_shape = method, None, classifier.preprocessing.shape
        self._predict = CompiledPredictor(classifier.model).get_predict_function()
        self._method_input: Any = self._predict
        if given == "maps":
            found = find_map_layer(classifier.model, layer)
            self.layer, self._method_input = str(found.name), GradientFunction(classifier.model, found)
        elif given == "pixels":
            self._method_input = GradientFunction(classifier.model)

    def __call__(self, pixels: NDArray[np.uint8], target_classes: NDArray[np.intp] | None = None) -> Attribution:
        """Returns where in each image the evidence for a class lies.

        Args:
            pixels: (n, h, w, c) uint8, preprocessed, n ≥ 1.
            target_classes: (n,) the class to ask about for each image; by default the one that is answered.

        Raises:
            DataError: no image, or of another shape than the model's.
        """
        if pixels.ndim != 4 or not len(pixels) or pixels.shape[1:] != self._input_shape:
            raise DataError(
                "These are not the model's images", received=pixels.shape, expected=("n", *self._input_shape)
            )
        if target_classes is None:
            parts = (pixels[start : start + PREDICT_BATCH_SIZE] for start in range(0, len(pixels), PREDICT_BATCH_SIZE))
            target_classes = np.concatenate([self._predict(part).argmax(axis=1) for part in parts])
        return Attribution(
            _import_method(self.method)(self._method_input, pixels, target_classes),
            target_classes,
            self.method,
            self.layer,
        )


def compute_attribution(
    classifier: Classifier,
    pixels: NDArray[np.uint8],
    *,
    method: str = "grad-cam",
    target_classes: NDArray[np.intp] | None = None,
    layer: str | None = None,
) -> Attribution:
    """Returns where in each image the evidence for a class lies, in one call; see Attributor for what it takes and
    raises.
    """
    return Attributor(classifier, method, layer)(pixels, target_classes)


def resolve_method(model: Any, method: str = "grad-cam") -> str:
    """Returns the method, or `occlusion`, which works with any model, where it stands on maps and there are none."""
    from striate.explain.feature_maps import has_maps

    return method if ATTRIBUTION_METHODS[method].input_kind != "maps" or has_maps(model) else "occlusion"


def _import_method(method: str) -> Callable[..., Array]:
    from striate.explain import methods

    function: Callable[..., Array] = getattr(methods, ATTRIBUTION_METHODS[method].function_path)
    return function
