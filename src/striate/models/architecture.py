"""Architecture: how a network is built. The contract of every one:

uint8 or float pictures (b, h, w, c) in 0..255 go in, logits (b, classes) come out; normalisation lies inside. Two
layers have fixed names: `features`, the last maps before they are flattened or pooled (for a network without maps,
its first hidden layer), and `embedding`, the vector that the last layer classifies. The logits are float32 under every
precision, since a softmax over bfloat16's three digits is no longer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from striate.errors import ConfigError

Shape = tuple[int, int, int]
"""(height, width, channels)."""


def keras_layers() -> tuple[Any, Any]:
    """Returns Keras and its layers; imported when a network is built, so that listing networks costs nothing."""
    from striate.backend import keras

    return keras, keras.layers


@dataclass(frozen=True)
class Architecture:
    """A network that can be built for any picture size and number of classes.

    Attributes:
        name: what users type.
        build: (shape, classes, dropout, seed) → keras.Model that keeps the contract above.
        title: for people.
        authors: who proposed it.
        year: when.
        source: the paper or tutorial it follows, with the table or figure.
        story: one sentence on why it matters.
        dropout: the rate used unless the recipe says otherwise, 0..1.
    """

    name: str
    build: Callable[[Shape, int, float, int], Any]
    title: str
    authors: str
    year: int
    source: str
    story: str
    dropout: float = 0.0


def build(
    architecture: Architecture, shape: Shape, classes: int, *, dropout: float | None = None, seed: int = 0
) -> Any:
    """Returns an untrained keras.Model.

    Args:
        architecture: a row of ARCHITECTURES or a value of your own.
        shape: (height, width, channels) of the pictures, pixels.
        classes: how many, at least 2.
        dropout: rate in [0, 1); None for the architecture's own.
        seed: for the dropout masks; initial weights draw from Keras' global seed (backend.set_seed).

    Raises:
        ConfigError: the network breaks the contract (only possible with an architecture of your own).
    """
    rate = architecture.dropout if dropout is None else dropout
    model = architecture.build(shape, classes, rate, seed)
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
