"""A network's forward pass, as fast as the backend gives it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import CHOICE, keras
from striate.models.folded import folded

Forward = Callable[[NDArray[Any]], NDArray[Any]]
"""From a batch of inputs to the network's outputs."""

MANY = 256  # inputs in a batch from which on it pays to compile a network anew, its weights being constants


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
        return tf.cast(lean.stateless_call(trainable, fixed, pictures, **_at_rest(lean))[0], tf.float32)

    return lambda pictures: np.asarray(run(tf.constant(pictures)))


class Answers:
    """A model's outputs for batches small and large.

    One picture through a small network takes 1 ms, where Keras' `predict` takes 35.

    Args:
        model: whose.
        mirrored: whether each output is the mean over a picture and its mirror image.
    """

    def __init__(self, model: Any, *, mirrored: bool = False) -> None:
        self.model, self.mirrored = model, mirrored
        self._small = _direct(model)
        self._large: Forward | None = None
        self._weights = b""

    def now(self) -> Forward:
        """Returns a function from n pictures (n, h, w, c) to (n, classes), for the batches of one question: it looks
        once, before its first large batch, whether the model has other weights than before.
        """
        large: Forward | None = None

        def answer(pictures: NDArray[Any]) -> NDArray[Any]:
            nonlocal large
            if len(pictures) < MANY or CHOICE.name != "tensorflow":
                return self._small(pictures)
            large = large or self._compiled()
            return large(pictures)

        return _over_mirror_images(answer) if self.mirrored else answer

    def _compiled(self) -> Forward:
        weights = hash_weights(self.model, hashlib.blake2b())
        if self._large is None or weights != self._weights:
            self._large, self._weights = forward(self.model), weights
        return self._large


def _over_mirror_images(answer: Forward) -> Forward:
    """Returns the mean of the answers for pictures and for their mirror images."""

    def both(pictures: NDArray[Any]) -> NDArray[Any]:
        mirrored = np.ascontiguousarray(pictures[:, :, ::-1])
        if len(pictures) < MANY:  # calls cost more than pictures
            one, other = np.split(answer(np.concatenate([pictures, mirrored])), 2)
        else:
            one, other = answer(pictures), answer(mirrored)
        mean: NDArray[Any] = (one + other) / 2
        return mean

    return both


def _direct(model: Any) -> Forward:
    """Returns the forward pass with the weights of the moment, without what Keras' `predict` does around it."""
    if CHOICE.name == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
        def run(pictures: Any) -> Any:
            return model(pictures, **_at_rest(model))

        return lambda pictures: np.asarray(run(tf.constant(pictures)))
    if CHOICE.name == "torch":
        import torch

        def answer(pictures: NDArray[Any]) -> NDArray[Any]:
            with torch.inference_mode():
                found: NDArray[Any] = keras.ops.convert_to_numpy(model(pictures, **_at_rest(model)).float())
            return found

        return answer
    return lambda pictures: np.asarray(model.predict_on_batch(pictures), np.float32)


def _at_rest(model: Any) -> dict[str, bool]:
    """Returns the argument that says so, if the model takes it: a user's own need not."""
    return {"training": False} if "training" in inspect.signature(model.call).parameters else {}


def hash_weights(model: Any, digest: Any) -> bytes:
    """Adds the model's weights, as they are now, to a hash of hashlib's, and returns its value."""
    for variable in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value)).data)
    value: bytes = digest.digest()
    return value
