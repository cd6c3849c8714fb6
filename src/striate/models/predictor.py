"""A network's forward pass, as fast as the backend gives it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.models.fold_batchnorm import folded
from striate.system.backend import CHOICE, keras

Forward = Callable[[NDArray[Any]], NDArray[Any]]
"""From a batch of inputs to the network's outputs."""

MANY = 256  # inputs in a batch from which on it pays to compile a network anew, its weights being constants
MANY_IN_ALL = 2000  # and in all batches together: below, compiling takes longer than it saves


def forward(model: Any, policy: str = "float32") -> Forward:
    """Returns a function for many batches of one size, with the weights that the model has now: where they have
    changed, ask for another. Its outputs are float32.

    Batch-norm is folded into the convolutions before it, and on TensorFlow the weights become constants of the graph.
    A batch of another size than before is compiled anew.

    Args:
        model: any; one that is no graph of layers (a subclass with a `call` of its own) is taken as it is.
        policy: `float32`, or `bfloat16` to trade four of seven digits for speed.
    """
    is_graph = isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"
    lean = folded(model, policy) if is_graph else model
    if CHOICE.name != "tensorflow":
        return _direct(lean)
    import tensorflow as tf

    trainable, fixed = (
        [tf.constant(np.asarray(variable.value)) for variable in variables]
        for variables in (lean.trainable_variables, lean.non_trainable_variables)
    )

    @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
    def run(pictures: Any) -> Any:
        return tf.cast(lean.stateless_call(trainable, fixed, pictures, **at_rest(lean))[0], tf.float32)

    return lambda pictures: np.asarray(run(tf.constant(pictures)))


class View(NamedTuple):
    """One way to look at a picture: its weight in the mean, whether it is mirrored, and the direction of a shift along
    both axes (−1, 0 or 1).
    """

    weight: float
    is_mirrored: bool
    shift: int


VIEWS: dict[str, tuple[View, ...]] = {
    "mirror": tuple(View(1 / 2, mirrored, 0) for mirrored in (False, True)),
    "multicrop": tuple(
        View(weight / 2, mirrored, shift)
        for shift, weight in ((0, 1 / 2), (-1, 1 / 4), (1, 1 / 4))
        for mirrored in (False, True)
    ),
}
"""Test-time augmentations. `multicrop` is that of Jordan 2024 (arXiv:2404.00498, section 3.5): the picture, and the
picture shifted by a pixel towards two corners, each mirrored as well."""

SMALL = 32  # pixels of a side that a shift by one pixel belongs to; on larger pictures it grows with them


class Answers:
    """A model's outputs for batches small and large.

    One picture through a small network takes 1 ms, where Keras' `predict` takes 35.

    Args:
        model: whose.
        tta: over which views of a picture each output is the mean, see VIEWS.
    """

    def __init__(self, model: Any, *, tta: str = "none") -> None:
        self.model, self.tta = model, tta
        self._small = _direct(model)
        self._large: Forward | None = None
        self._weights = b""

    def now(self, count: int | None = None) -> Forward:
        """Returns a function from n pictures (n, h, w, c) to (n, classes), for the batches of one question: it looks
        once, before its first large batch, whether the model has other weights than before.

        Args:
            count: images in all batches together, where that is known.
        """
        is_short = count is not None and count < MANY_IN_ALL
        large: Forward | None = None

        def answer(pictures: NDArray[Any]) -> NDArray[Any]:
            nonlocal large
            if is_short or len(pictures) < MANY or CHOICE.name != "tensorflow":
                return self._small(pictures)
            large = large or self._compiled()
            return large(pictures)

        return answer if self.tta == "none" else _over_views(answer, VIEWS[self.tta])

    def _compiled(self) -> Forward:
        weights = hash_weights(self.model, hashlib.blake2b())
        if self._large is None or weights != self._weights:
            self._large, self._weights = forward(self.model), weights
        return self._large


def _over_views(answer: Forward, views: tuple[View, ...]) -> Forward:
    """Returns the weighted mean of the answers for several views of each picture."""

    def mean(pictures: NDArray[Any]) -> NDArray[Any]:
        seen = [_seen(pictures, view) for view in views]
        if len(pictures) < MANY:  # calls cost more than pictures
            found = np.split(answer(np.concatenate(seen)), len(views))
        else:
            found = [answer(one) for one in seen]
        result: NDArray[Any] = np.einsum("v,v...->...", [view.weight for view in views], found, optimize=False)
        return result

    return mean


def _seen(pictures: NDArray[Any], view: View) -> NDArray[Any]:
    """Returns the pictures (n, h, w, c) as the view shows them; what a shift uncovers mirrors the edge."""
    height, width = pictures.shape[1:3]
    if view.shift:
        reach = reach_of(height, width)
        wide = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "reflect")
        start = reach * (1 + view.shift)
        pictures = wide[:, start : start + height, start : start + width]
    return np.ascontiguousarray(pictures[:, :, ::-1] if view.is_mirrored else pictures)


def reach_of(height: int, width: int) -> int:
    """Returns how many pixels a view is shifted by."""
    return min(max(1, round(min(height, width) / SMALL)), height - 1, width - 1)


def _direct(model: Any) -> Forward:
    """Returns the forward pass with the weights of the moment, without what Keras' `predict` does around it."""
    if CHOICE.name == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
        def run(pictures: Any) -> Any:
            return model(pictures, **at_rest(model))

        return lambda pictures: np.asarray(run(tf.constant(pictures)))
    if CHOICE.name == "torch":
        import torch

        def answer(pictures: NDArray[Any]) -> NDArray[Any]:
            with torch.inference_mode():
                found: NDArray[Any] = keras.ops.convert_to_numpy(model(pictures, **at_rest(model)).float())
            return found

        return answer
    return lambda pictures: np.asarray(model.predict_on_batch(pictures), np.float32)


def at_rest(model: Any) -> dict[str, bool]:
    """Returns the argument that says so, if the model takes it: a user's own need not."""
    return {"training": False} if "training" in inspect.signature(model.call).parameters else {}


def hash_weights(model: Any, digest: Any) -> bytes:
    """Adds the model's weights, as they are now, to a hash of hashlib's, and returns its value."""
    for variable in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value)).data)
    value: bytes = digest.digest()
    return value
