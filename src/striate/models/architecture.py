"""Architecture: how a model is built. The contract of every one:

uint8 or float images (b, h, w, c) in 0..255 go in, logits (b, classes) come out; normalization lies inside. Two
layers have fixed names: `features`, the last maps before they are flattened or pooled (for a model without maps,
its first hidden layer), and `embedding`, the vector that the last layer classifies. The logits are float32 under every
precision, since a softmax over bfloat16's three digits is no longer one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from striate.errors import ConfigError

Shape = tuple[int, int, int]
"""(height, width, channels)."""


def import_keras() -> tuple[Any, Any]:
    """Returns Keras and its layers; imported when a model is built, so that listing models costs nothing."""
    from striate.system.backend import keras

    return keras, keras.layers


@dataclass(frozen=True)
class Architecture:
    """A model that can be built for any image size and number of classes.

    Attributes:
        name: what users type.
        build: (shape, classes, dropout, seed) → keras.Model that keeps the contract above.
        title: for people.
        authors: who proposed it.
        year: when.
        source: the paper or tutorial it follows, with the table or figure.
        description: one sentence on why it matters.
        dropout: the rate used unless the recipe says otherwise, 0..1.
        native_shape: the images it was proposed for.
        native_classes: how many kinds it told apart there.
    """

    name: str
    build: Callable[[Shape, int, float, int], Any]
    title: str
    authors: str
    year: int
    source: str
    description: str
    dropout: float = 0.0
    native_shape: Shape = (224, 224, 3)
    native_classes: int = 1000


def build_model(
    architecture: Architecture, shape: Shape, classes: int, *, dropout: float | None = None, seed: int = 0
) -> Any:
    """Returns an untrained keras.Model.

    Args:
        architecture: a row of ARCHITECTURES or a value of your own.
        shape: (height, width, channels) of the images, pixels.
        classes: how many, at least 2.
        dropout: rate in [0, 1); None for the architecture's own.
        seed: for the dropout masks; initial weights draw from Keras' global seed (backend.set_seed).

    Raises:
        ConfigError: the images are too small for it; or, with an architecture of your own, it breaks the contract.
    """
    rate = architecture.dropout if dropout is None else dropout
    try:
        model = architecture.build(shape, classes, rate, seed)
        small = find_collapsed_layer(model)
    except ValueError as error:  # Keras' word for a map smaller than what slides over it
        if not is_shape_supported(architecture, (SUFFICIENT_SIDE, SUFFICIENT_SIDE, shape[2])):
            raise
        model, small = None, str(error)
    if small is not None:
        raise build_size_error(architecture, shape, find_min_side(architecture, channels=shape[2]))
    if model.output_shape != (None, classes):
        raise ConfigError(
            f"The architecture {architecture.name} does not end in one logit per class",
            received=f"output shape {model.output_shape}",
            expected=f"(None, {classes})",
        )
    for needed in ("features", "embedding"):
        if needed not in {layer.name for layer in model.layers}:
            raise ConfigError(f"The architecture {architecture.name} has no layer named {needed!r}")
    return model


def build_size_error(architecture: Architecture, shape: Shape, min_side: int) -> ConfigError:
    """Returns the error for images of this shape, given the smallest side, pixels, that the architecture works on."""
    return ConfigError(
        f"The images are too small for the model {architecture.name}",
        received=f"{shape[0]}×{shape[1]} pixels",
        expected=f"at least {min_side} on each side",
        hint=f"--size {min_side}, or a smaller model (striate models lists the smallest side of each)",
    )


SUFFICIENT_SIDE = 512
"""A side that every model can work on, pixels."""


@contextlib.contextmanager
def skip_weight_init() -> Iterator[None]:
    """Gives the weights made in the block no values, now or later.

    Keras keeps a list of weights whose values are put off, and would make all of them at the end of the next scope of
    its own, such as a training step on JAX: gigabytes for models that were only looked at. The block has a list of
    its own, which is dropped.
    """
    keras, _ = import_keras()
    from keras.src.backend.common import global_state  # which has no public name

    waiting = global_state.get_global_attribute("uninitialized_variables", [])
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", waiting)


def build_without_weights(architecture: Architecture, shape: Shape, classes: int) -> Any:
    """Returns the model without values in its weights: made in milliseconds, whatever it weighs; to be looked at.

    Raises:
        ValueError: the images are too small for a layer.
    """
    with skip_weight_init():
        return architecture.build(shape, classes, architecture.dropout, 0)


def find_collapsed_layer(model: Any) -> str | None:
    """Returns the name of the first layer that is to thin out maps with nothing left to thin out, or None."""
    for layer in model.layers:
        strides = getattr(layer, "strides", None)
        if isinstance(strides, tuple | list) and len(strides) == 2:
            sides = layer.input.shape[1:3]
            if any(side < stride for side, stride in zip(sides, strides, strict=True)):
                return str(layer.name)
    return None


def find_min_side(architecture: Architecture, channels: int = 3) -> int:
    """Returns the smallest square image's side, pixels, on which every layer of the model has something to do."""
    low, high = 0, SUFFICIENT_SIDE
    while high - low > 1:
        side = (low + high) // 2
        low, high = (low, side) if is_shape_supported(architecture, (side, side, channels)) else (side, high)
    return high


def is_shape_supported(architecture: Architecture, shape: Shape) -> bool:
    """Returns whether every layer of the model has something to do on images of this shape."""
    try:
        return find_collapsed_layer(build_without_weights(architecture, shape, 2)) is None
    except ValueError:
        return False
