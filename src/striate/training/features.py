"""What a frozen network sees of every picture: computed once, kept on disk, found again by what it depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import CHOICE, keras
from striate.inference import forward, hash_weights
from striate.kept import Shelf
from striate.progress import Progress

BATCH = 128  # pictures per forward pass
SHELF = Shelf("features", limit=2 << 30)
"""Where features are kept between trainings."""


def embeddings(
    model: Any, pixels: NDArray[np.uint8], *, progress: Progress, policy: str = "float32"
) -> NDArray[np.float32]:
    """Returns (n, d) float32: the layer `embedding` for every picture (n, h, w, c), the network at rest (dropout off,
    batch-norm with its stored statistics), in the arithmetic of a dtype policy (float32 or bfloat16).

    They are looked up first in the user's cache folder, by the pictures, the layers, the weights and the arithmetic:
    whatever changes an embedding changes its name.
    """
    extractor = keras.Model(model.input, model.get_layer("embedding").output)
    key, shape = _key(extractor, pixels, policy), (len(pixels), extractor.output_shape[1])
    known = SHELF.find(key)
    if known is not None and known[0].shape == shape and known[0].dtype == np.float32:
        progress.say(f"What the network sees of {len(pixels):,} pictures is known from an earlier training.")
        return known[0]
    found = np.empty(shape, np.float32)
    see = forward(extractor, policy)
    with progress.task("looking at pictures", len(pixels), "pictures") as task:
        for start in range(0, len(pixels), BATCH):
            part = pixels[start : start + BATCH]
            filled = part if len(part) == BATCH else np.resize(part, (BATCH, *part.shape[1:]))
            found[start : start + BATCH] = see(filled)[: len(part)]
            task.advance(len(part))
    SHELF.keep(key, found)
    return found


def _key(extractor: Any, pixels: NDArray[np.uint8], policy: str) -> str:
    """Returns 64 hexadecimal digits made of everything that the embeddings depend on."""
    layers = [(type(layer).__name__, {**layer.get_config(), "name": None}) for layer in extractor.layers]
    described = json.dumps(layers, default=str, sort_keys=True)
    digest = hashlib.sha256(f"{keras.__version__} {CHOICE.name} {policy} {pixels.shape} {described}".encode())
    hash_weights(extractor, digest)
    for start in range(0, len(pixels), 1024):
        digest.update(np.ascontiguousarray(pixels[start : start + 1024]).data)
    return digest.hexdigest()
