"""A model's forward pass, as fast as the backend gives it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.models.fold_batchnorm import fold_batch_norm
from striate.system.backend import ACTIVE_BACKEND, keras

PredictFunction = Callable[[NDArray[Any]], NDArray[Any]]
"""From a batch of inputs to the model's outputs."""

MIN_COMPILED_BATCH = 256  # inputs in a batch from which on it pays to compile a model anew, its weights being constants
MIN_COMPILED_IMAGES = 2000  # and in all batches together: below, compiling takes longer than it saves


def compile_predict_function(model: Any, policy: str = "float32") -> PredictFunction:
    """Returns a function for many batches of one size, with the weights that the model has now: where they have
    changed, ask for another. Its outputs are float32.

    Batch-norm is folded into the convolutions before it, and on TensorFlow the weights become constants of the graph.
    A batch of another size than before is compiled anew.

    Args:
        model: any; one that is no graph of layers (a subclass with a `call` of its own) is taken as it is.
        policy: `float32`, or `bfloat16` to trade four of seven digits for speed.
    """
    is_graph = isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"
    lean = fold_batch_norm(model, policy) if is_graph else model
    if ACTIVE_BACKEND.name != "tensorflow":
        return _build_direct_function(lean)
    import tensorflow as tf

    trainable, fixed = (
        [tf.constant(np.asarray(variable.value)) for variable in variables]
        for variables in (lean.trainable_variables, lean.non_trainable_variables)
    )

    @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
    def predict(images: Any) -> Any:
        return tf.cast(lean.stateless_call(trainable, fixed, images, **get_inference_arguments(lean))[0], tf.float32)

    return lambda pictures: np.asarray(predict(tf.constant(pictures)))


class View(NamedTuple):
    """One way to look at an image: its weight in the mean, whether it is mirrored, and the direction of a shift along
    both axes (−1, 0 or 1).
    """

    weight: float
    is_mirrored: bool
    shift: int


TTA_VIEWS: dict[str, tuple[View, ...]] = {
    "mirror": tuple(View(1 / 2, mirrored, 0) for mirrored in (False, True)),
    "multicrop": tuple(
        View(weight / 2, mirrored, shift)
        for shift, weight in ((0, 1 / 2), (-1, 1 / 4), (1, 1 / 4))
        for mirrored in (False, True)
    ),
}
"""Test-time augmentations. `multicrop` is that of Jordan 2024 (arXiv:2404.00498, section 3.5): the image, and the
image shifted by a pixel towards two corners, each mirrored as well."""

PIXELS_PER_SHIFT = 32  # pixels of a side that a shift by one pixel belongs to; on larger images it grows with them


class CompiledPredictor:
    """A model's outputs for batches small and large.

    One image through a small model takes 1 ms, where Keras' `predict` takes 35.

    Args:
        model: whose.
        tta: over which views of an image each output is the mean, see TTA_VIEWS.
    """

    def __init__(self, model: Any, *, tta: str = "none") -> None:
        self.model, self.tta = model, tta
        self._direct_function = _build_direct_function(model)
        self._compiled_function: PredictFunction | None = None
        self._weights_hash = b""

    def get_predict_function(self, image_count: int | None = None) -> PredictFunction:
        """Returns a function from n images (n, h, w, c) to (n, classes), for the batches of one question: it looks
        once, before its first large batch, whether the model has other weights than before.

        Args:
            image_count: images in all batches together, where that is known.
        """
        is_short = image_count is not None and image_count < MIN_COMPILED_IMAGES
        large: PredictFunction | None = None

        def predict(images: NDArray[Any]) -> NDArray[Any]:
            nonlocal large
            if is_short or len(images) < MIN_COMPILED_BATCH or ACTIVE_BACKEND.name != "tensorflow":
                return self._direct_function(images)
            large = large or self._get_compiled_function()
            return large(images)

        return predict if self.tta == "none" else _average_over_views(predict, TTA_VIEWS[self.tta])

    def _get_compiled_function(self) -> PredictFunction:
        weights = hash_weights(self.model, hashlib.blake2b())
        if self._compiled_function is None or weights != self._weights_hash:
            self._compiled_function, self._weights_hash = compile_predict_function(self.model), weights
        return self._compiled_function


def _average_over_views(predict_function: PredictFunction, views: tuple[View, ...]) -> PredictFunction:
    """Returns the weighted mean of the predictions for several views of each image."""

    def predict_mean(images: NDArray[Any]) -> NDArray[Any]:
        seen = [_apply_view(images, view) for view in views]
        if len(images) < MIN_COMPILED_BATCH:  # calls cost more than images
            found = np.split(predict_function(np.concatenate(seen)), len(views))
        else:
            found = [predict_function(one) for one in seen]
        result: NDArray[Any] = np.einsum("v,v...->...", [view.weight for view in views], found, optimize=False)
        return result

    return predict_mean


def _apply_view(images: NDArray[Any], view: View) -> NDArray[Any]:
    """Returns the images (n, h, w, c) as the view shows them; what a shift uncovers mirrors the edge."""
    height, width = images.shape[1:3]
    if view.shift:
        reach = compute_view_shift(height, width)
        wide = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "reflect")
        start = reach * (1 + view.shift)
        images = wide[:, start : start + height, start : start + width]
    return np.ascontiguousarray(images[:, :, ::-1] if view.is_mirrored else images)


def compute_view_shift(height: int, width: int) -> int:
    """Returns how many pixels a view is shifted by."""
    return min(max(1, round(min(height, width) / PIXELS_PER_SHIFT)), height - 1, width - 1)


def _build_direct_function(model: Any) -> PredictFunction:
    """Returns the forward pass with the weights of the moment, without what Keras' `predict` does around it."""
    if ACTIVE_BACKEND.name == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
        def predict(images: Any) -> Any:
            return model(images, **get_inference_arguments(model))

        return lambda pictures: np.asarray(predict(tf.constant(pictures)))
    if ACTIVE_BACKEND.name == "torch":
        import torch

        def predict_batch(images: NDArray[Any]) -> NDArray[Any]:
            with torch.inference_mode():
                found: NDArray[Any] = keras.ops.convert_to_numpy(
                    model(images, **get_inference_arguments(model)).float()
                )
            return found

        return predict_batch
    return lambda pictures: np.asarray(model.predict_on_batch(pictures), np.float32)


def get_inference_arguments(model: Any) -> dict[str, bool]:
    """Returns the argument that says so, if the model takes it: a user's own need not."""
    return {"training": False} if "training" in inspect.signature(model.call).parameters else {}


def hash_weights(model: Any, hasher: Any) -> bytes:
    """Adds the model's weights, as they are now, to a hash of hashlib's, and returns its value."""
    for variable in model.weights:
        hasher.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value)).data)
    value: bytes = hasher.digest()
    return value
