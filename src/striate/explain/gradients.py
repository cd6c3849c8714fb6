"""What a class's logit says about a layer's maps, or about the pixels: the one place that asks which backend it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.models.predictor import get_inference_arguments
from striate.system.backend import ACTIVE_BACKEND, keras

GRADIENT_BATCH_SIZE = 32  # images at a time
Array = NDArray[np.float32]


class GradientResult(NamedTuple):
    """What was computed of n images.

    Attributes:
        logits: (n, classes).
        values: (n, …), what the layer gave, or the pixels.
        gradients: of the same shape: of each image's chosen logit with respect to the values.
    """

    logits: Array
    values: Array
    gradients: Array


class GradientFunction:
    """Differentiates logits of a model at rest. It is compiled once, for batches of BATCH images.

    A layer of a model inside the model can be asked for as well: its output is caught where it is made, since no
    graph leads from the outer images to the inner layer's symbolic output (Keras: "graph disconnected").

    Args:
        model: (b, h, w, c) images in 0..255 → (b, classes) logits.
        layer: whose output is differentiated with respect to, one of the model's or of a model inside it; None for
            the pixels. Of a layer that is used several times, its last use.
    """

    def __init__(self, model: Any, layer: Any | None = None) -> None:
        self.model, self.layer = model, layer
        make = {"tensorflow": _build_tensorflow_function, "jax": _build_jax_function, "torch": _build_torch_function}[
            ACTIVE_BACKEND.name
        ]
        self._compute_batch = make(model, layer)

    def __call__(self, images: NDArray[Any], target_classes: NDArray[np.intp]) -> GradientResult:
        """Returns logits, values and gradients for images (n, h, w, c), n ≥ 1, and the class of each, (n,)."""
        found = []
        for start in range(0, len(images), GRADIENT_BATCH_SIZE):
            part = np.asarray(images[start : start + GRADIENT_BATCH_SIZE], np.float32)
            asked = np.asarray(target_classes[start : start + GRADIENT_BATCH_SIZE], np.int32)
            count = len(part)
            if count < GRADIENT_BATCH_SIZE < len(images):  # the last of several
                part, asked = (
                    np.resize(part, (GRADIENT_BATCH_SIZE, *part.shape[1:])),
                    np.resize(asked, GRADIENT_BATCH_SIZE),
                )
            found.append([np.asarray(one, np.float32)[:count] for one in self._compute_batch(part, asked)])
        return GradientResult(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


BackendFunction = Callable[[NDArray[Any], NDArray[Any]], tuple[Any, Any, Any]]


@contextlib.contextmanager
def patch_layer_output(layer: Any | None, transform: Callable[[Any], Any]) -> Iterator[None]:
    """Lets the layer's output pass through a function while the block runs."""
    if layer is None:
        yield
        return
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        return transform(original(*args, **kwargs))

    object.__setattr__(layer, "call", call)  # past Keras, which would keep account of it
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


@contextlib.contextmanager
def capture_outputs(layers: Iterable[Any]) -> Iterator[dict[int, list[Array]]]:
    """Yields the id of each layer → what it gave in the block so far, one float32 array for each use; the model must
    not be traced in it.
    """
    caught: dict[int, list[Array]] = {}
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(patch_layer_output(layer, _make_capture(caught.setdefault(id(layer), []))))
        yield caught


def _make_capture(outputs: list[Array]) -> Callable[[Any], Any]:
    def capture_output(output: Any) -> Any:
        outputs.append(np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))))
        return output

    return capture_output


def _build_tensorflow_function(model: Any, layer: Any | None) -> BackendFunction:
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
    def compute_batch(images: Any, target_classes: Any) -> Any:
        caught = [images]
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def capture_output(output: Any) -> Any:
                tape.watch(output)
                caught.append(output)
                return output

            if layer is None:
                tape.watch(images)
            with patch_layer_output(layer, capture_output):
                logits = model(images, **get_inference_arguments(model))
            chosen = tf.reduce_sum(tf.gather(logits, target_classes, axis=1, batch_dims=1))
        unconnected = tf.UnconnectedGradients.ZERO
        return logits, caught[-1], tape.gradient(chosen, caught[-1], unconnected_gradients=unconnected)

    return lambda pictures, classes: compute_batch(tf.constant(pictures), tf.constant(classes))


def _build_torch_function(model: Any, layer: Any | None) -> BackendFunction:
    import torch

    def compute_batch(images: NDArray[Any], target_classes: NDArray[Any]) -> Any:
        given = keras.ops.convert_to_tensor(images)
        caught = [given]
        if layer is None:
            given.requires_grad_(True)

        def capture_output(output: Any) -> Any:
            output = output if output.requires_grad else output.requires_grad_(True)
            caught.append(output)
            return output

        with torch.enable_grad(), patch_layer_output(layer, capture_output):
            logits = model(given, **get_inference_arguments(model))
            asked = torch.as_tensor(target_classes, dtype=torch.int64, device=logits.device)
            chosen = logits.gather(1, asked[:, None]).sum()
            (slope,) = torch.autograd.grad(chosen, caught[-1], allow_unused=True)
        slope = torch.zeros_like(caught[-1]) if slope is None else slope
        return tuple(keras.ops.convert_to_numpy(one.detach()) for one in (logits, caught[-1], slope))

    return compute_batch


def _build_jax_function(model: Any, layer: Any | None) -> BackendFunction:
    import jax
    import jax.numpy as jnp

    def sum_target_logits(offset: Any, weights: Any, images: Any, target_classes: Any) -> Any:
        """Returns the chosen logits' sum; and all logits, and the layer's output, to which zeros are added."""
        caught = [images]

        def capture_output(output: Any) -> Any:
            output = output if offset is None else output + offset
            caught.append(output)
            return output

        if layer is None:
            caught[0] = images = images if offset is None else images + offset
        with patch_layer_output(layer, capture_output):
            logits = model.stateless_call(*weights, images, **get_inference_arguments(model))[0]
        return jnp.take_along_axis(logits, target_classes[:, None], axis=1).sum(), (logits, caught[-1])

    slopes = jax.jit(jax.grad(sum_target_logits, has_aux=True))
    zeros: dict[tuple[int, ...], Any] = {}  # by the images' shape, since finding the layer's traces the model

    def compute_batch(images: NDArray[Any], target_classes: NDArray[Any]) -> Any:
        weights = [[v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]]
        if images.shape not in zeros:
            _, (_, values) = jax.eval_shape(sum_target_logits, None, weights, images, target_classes)
            zeros[images.shape] = jnp.zeros(values.shape, values.dtype)
        gradients, (logits, found) = slopes(zeros[images.shape], weights, images, target_classes)
        return logits, found, gradients

    return compute_batch
