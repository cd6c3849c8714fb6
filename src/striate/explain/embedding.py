"""What a network makes of pictures just before its last layer: a vector each, in which alike is near."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import keras
from striate.errors import ConfigError
from striate.inference import MANY_IN_ALL, Answers, forward
from striate.progress import SILENT, Progress

BATCH = 128  # pictures per forward pass


def embedder(model: Any) -> Any:
    """Returns the network up to what its last layer is given: (b, h, w, c) pictures → (b, d).

    Raises:
        ConfigError: its last layer is no dense layer over a vector.
    """
    last = model.layers[-1] if getattr(model, "layers", None) else None
    if not isinstance(last, keras.layers.Dense) or len(last.input.shape) != 2:
        raise ConfigError(
            "This network does not end with a dense layer over a vector, so its pictures have no embedding",
            received=type(last).__name__,
        )
    return keras.Model(model.input, last.input)


def embeddings(model: Any, pixels: NDArray[np.uint8], *, progress: Progress = SILENT) -> NDArray[np.float32]:
    """Returns (n, d) float32: the vector before the last layer for every picture, the network at rest.

    Args:
        model: see embedder().
        pixels: (n, h, w, c) uint8, preprocessed, n ≥ 1.
        progress: told the pictures done.

    Raises:
        ConfigError: see embedder().
    """
    network = embedder(model)
    see = forward(network) if len(pixels) >= MANY_IN_ALL else Answers(network).now(len(pixels))
    found = []
    with progress.task("looking at pictures", len(pixels), "pictures") as task:
        for start in range(0, len(pixels), BATCH):
            part = pixels[start : start + BATCH]
            filled = (
                part if len(part) == BATCH else np.resize(part, (BATCH, *part.shape[1:]))
            )  # one shape, compiled once
            found.append(see(filled)[: len(part)])
            task.advance(len(part))
    return np.concatenate(found)
