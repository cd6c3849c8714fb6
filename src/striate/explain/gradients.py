"""What a class's logit says about a layer's maps, or about the pixels: the one place that asks which backend it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.models.predictor import at_rest
from striate.system.backend import CHOICE, keras

BATCH = 32  # pictures at a time
Array = NDArray[np.float32]


class Slope(NamedTuple):
    """What was computed of n pictures.

    Attributes:
        logits: (n, classes).
        values: (n, …), what the layer gave, or the pixels.
        gradients: of the same shape: of each picture's chosen logit with respect to the values.
    """

    logits: Array
    values: Array
    gradients: Array


class Gradient:
    """Differentiates logits of a network at rest. It is compiled once, for batches of BATCH pictures.

    A layer of a network inside the network can be asked for as well: its output is caught where it is made, since no
    graph leads from the outer pictures to the inner layer's symbolic output (Keras: "graph disconnected").

    Args:
        model: (b, h, w, c) pictures in 0..255 → (b, classes) logits.
        layer: whose output is differentiated with respect to, one of the model's or of a network inside it; None for
            the pixels. Of a layer that is used several times, its last use.
    """

    def __init__(self, model: Any, layer: Any | None = None) -> None:
        self.model, self.layer = model, layer
        make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[CHOICE.name]
        self._run = make(model, layer)

    def __call__(self, pictures: NDArray[Any], classes: NDArray[np.intp]) -> Slope:
        """Returns logits, values and gradients for pictures (n, h, w, c), n ≥ 1, and the class of each, (n,)."""
        found = []
        for start in range(0, len(pictures), BATCH):
            part = np.asarray(pictures[start : start + BATCH], np.float32)
            asked = np.asarray(classes[start : start + BATCH], np.int32)
            count = len(part)
            if count < BATCH < len(pictures):  # the last of several
                part, asked = np.resize(part, (BATCH, *part.shape[1:])), np.resize(asked, BATCH)
            found.append([np.asarray(one, np.float32)[:count] for one in self._run(part, asked)])
        return Slope(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


Run = Callable[[NDArray[Any], NDArray[Any]], tuple[Any, Any, Any]]


@contextlib.contextmanager
def through(layer: Any | None, change: Callable[[Any], Any]) -> Iterator[None]:
    """Lets the layer's output pass through a function while the block runs."""
    if layer is None:
        yield
        return
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        return change(original(*args, **kwargs))

    object.__setattr__(layer, "call", call)  # past Keras, which would keep account of it
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


@contextlib.contextmanager
def catching(layers: Iterable[Any]) -> Iterator[dict[int, list[Array]]]:
    """Yields the id of each layer → what it gave in the block so far, one float32 array for each use; the network must
    not be traced in it.
    """
    caught: dict[int, list[Array]] = {}
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(through(layer, _keeper(caught.setdefault(id(layer), []))))
        yield caught


def _keeper(caught: list[Array]) -> Callable[[Any], Any]:
    def keep(output: Any) -> Any:
        caught.append(np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))))
        return output

    return keep


def _tensorflow(model: Any, layer: Any | None) -> Run:
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
    def run(pictures: Any, classes: Any) -> Any:
        caught = [pictures]
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def catch(output: Any) -> Any:
                tape.watch(output)
                caught.append(output)
                return output

            if layer is None:
                tape.watch(pictures)
            with through(layer, catch):
                logits = model(pictures, **at_rest(model))
            chosen = tf.reduce_sum(tf.gather(logits, classes, axis=1, batch_dims=1))
        unconnected = tf.UnconnectedGradients.ZERO
        return logits, caught[-1], tape.gradient(chosen, caught[-1], unconnected_gradients=unconnected)

    return lambda pictures, classes: run(tf.constant(pictures), tf.constant(classes))


def _torch(model: Any, layer: Any | None) -> Run:
    import torch

    def run(pictures: NDArray[Any], classes: NDArray[Any]) -> Any:
        given = keras.ops.convert_to_tensor(pictures)
        caught = [given]
        if layer is None:
            given.requires_grad_(True)

        def catch(output: Any) -> Any:
            output = output if output.requires_grad else output.requires_grad_(True)
            caught.append(output)
            return output

        with torch.enable_grad(), through(layer, catch):
            logits = model(given, **at_rest(model))
            asked = torch.as_tensor(classes, dtype=torch.int64, device=logits.device)
            chosen = logits.gather(1, asked[:, None]).sum()
            (slope,) = torch.autograd.grad(chosen, caught[-1], allow_unused=True)
        slope = torch.zeros_like(caught[-1]) if slope is None else slope
        return tuple(keras.ops.convert_to_numpy(one.detach()) for one in (logits, caught[-1], slope))

    return run


def _jax(model: Any, layer: Any | None) -> Run:
    import jax
    import jax.numpy as jnp

    def forward(added: Any, weights: Any, pictures: Any, classes: Any) -> Any:
        """Returns the chosen logits' sum; and all logits, and the layer's output, to which zeros are added."""
        caught = [pictures]

        def catch(output: Any) -> Any:
            output = output if added is None else output + added
            caught.append(output)
            return output

        if layer is None:
            caught[0] = pictures = pictures if added is None else pictures + added
        with through(layer, catch):
            logits = model.stateless_call(*weights, pictures, **at_rest(model))[0]
        return jnp.take_along_axis(logits, classes[:, None], axis=1).sum(), (logits, caught[-1])

    slopes = jax.jit(jax.grad(forward, has_aux=True))
    zeros: dict[tuple[int, ...], Any] = {}  # by the pictures' shape, since finding the layer's traces the network

    def run(pictures: NDArray[Any], classes: NDArray[Any]) -> Any:
        weights = [[v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]]
        if pictures.shape not in zeros:
            _, (_, values) = jax.eval_shape(forward, None, weights, pictures, classes)
            zeros[pictures.shape] = jnp.zeros(values.shape, values.dtype)
        gradients, (logits, found) = slopes(zeros[pictures.shape], weights, pictures, classes)
        return logits, found, gradients

    return run
