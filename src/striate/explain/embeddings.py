"""What a network makes of pictures just before its last layer: a vector each, in which alike is near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, DataError
from striate.models.predictor import MANY_IN_ALL, Answers, forward
from striate.progress import SILENT, Progress
from striate.system.backend import keras

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


@dataclass(frozen=True, eq=False)
class Resemblance:
    """The nearest among known pictures for each of n pictures, nearest first.

    Attributes:
        indices: (n, k) which of the known ones.
        similarities: (n, k) cosine of the angle between the embeddings, −1 to 1.
    """

    indices: NDArray[np.intp]
    similarities: NDArray[np.float64]

    def vote(self, labels: NDArray[np.integer]) -> NDArray[np.intp]:
        """Returns (n,) the class that most of the nearest have; of several, that of the nearest.

        Args:
            labels: of the known pictures.
        """
        found = np.empty(len(self.indices), np.intp)
        for at, own in enumerate(labels[self.indices]):
            names, first, counts = np.unique(own, return_index=True, return_counts=True)
            found[at] = names[np.lexsort((first, -counts))[0]]
        return found


def resembling(known: NDArray[np.float32], asked: NDArray[np.float32], count: int = 5) -> Resemblance:
    """Returns the `count` nearest of the known pictures for each picture asked about.

    Args:
        known: (m, d) embeddings, m ≥ 1.
        asked: (n, d) embeddings.
        count: k; of fewer known pictures, all.

    Raises:
        DataError: no picture is known.
    """
    from sklearn.neighbors import NearestNeighbors

    if not len(known):
        raise DataError("There is no picture that could be resembled")
    search = NearestNeighbors(n_neighbors=min(count, len(known)), metric="cosine", algorithm="brute").fit(known)
    distances, indices = search.kneighbors(asked)
    return Resemblance(indices, 1 - distances)
