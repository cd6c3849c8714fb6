"""What a model makes of images just before its last layer: a vector each, in which alike is near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, DataError
from striate.models.predictor import MIN_COMPILED_IMAGES, CompiledPredictor, compile_predict_function
from striate.progress import NO_PROGRESS, Progress
from striate.system.backend import keras

EMBEDDING_BATCH_SIZE = 128  # images per forward pass


def build_embedding_model(model: Any) -> Any:
    """Returns the model up to what its last layer is given: (b, h, w, c) images → (b, d).

    Raises:
        ConfigError: its last layer is no dense layer over a vector.
    """
    last = model.layers[-1] if getattr(model, "layers", None) else None
    if not isinstance(last, keras.layers.Dense) or len(last.input.shape) != 2:
        raise ConfigError(
            "This model does not end with a dense layer over a vector, so its images have no embedding",
            received=type(last).__name__,
        )
    return keras.Model(model.input, last.input)


def compute_embeddings(
    model: Any, pixels: NDArray[np.uint8], *, progress: Progress = NO_PROGRESS
) -> NDArray[np.float32]:
    """Returns (n, d) float32: the vector before the last layer for every image, the model at rest.

    Args:
        model: see embedder().
        pixels: (n, h, w, c) uint8, preprocessed, n ≥ 1.
        progress: told the images done.

    Raises:
        ConfigError: see embedder().
    """
    network = build_embedding_model(model)
    see = (
        compile_predict_function(network)
        if len(pixels) >= MIN_COMPILED_IMAGES
        else CompiledPredictor(network).get_predict_function(len(pixels))
    )
    found = []
    with progress.track("looking at images", len(pixels), "images") as task:
        for start in range(0, len(pixels), EMBEDDING_BATCH_SIZE):
            part = pixels[start : start + EMBEDDING_BATCH_SIZE]
            filled = (
                part if len(part) == EMBEDDING_BATCH_SIZE else np.resize(part, (EMBEDDING_BATCH_SIZE, *part.shape[1:]))
            )  # one shape, compiled once
            found.append(see(filled)[: len(part)])
            task.advance(len(part))
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The nearest among known images for each of n images, nearest first.

    Attributes:
        indices: (n, k) which of the known ones.
        similarities: (n, k) cosine of the angle between the embeddings, −1 to 1.
    """

    indices: NDArray[np.intp]
    similarities: NDArray[np.float64]

    def vote_labels(self, reference_labels: NDArray[np.integer]) -> NDArray[np.intp]:
        """Returns (n,) the class that most of the nearest have; of several, that of the nearest.

        Args:
            reference_labels: of the known images.
        """
        found = np.empty(len(self.indices), np.intp)
        for at, own in enumerate(reference_labels[self.indices]):
            names, first, counts = np.unique(own, return_index=True, return_counts=True)
            found[at] = names[np.lexsort((first, -counts))[0]]
        return found


def find_neighbors(
    reference_embeddings: NDArray[np.float32], query_embeddings: NDArray[np.float32], neighbor_count: int = 5
) -> Neighbors:
    """Returns the `count` nearest of the known images for each image asked about.

    Args:
        reference_embeddings: (m, d) embeddings, m ≥ 1.
        query_embeddings: (n, d) embeddings.
        neighbor_count: k; of fewer known images, all.

    Raises:
        DataError: no image is known.
    """
    from sklearn.neighbors import NearestNeighbors

    if not len(reference_embeddings):
        raise DataError("There is no image that could be resembled")
    search = NearestNeighbors(
        n_neighbors=min(neighbor_count, len(reference_embeddings)), metric="cosine", algorithm="brute"
    ).fit(reference_embeddings)
    distances, indices = search.kneighbors(query_embeddings)
    return Neighbors(indices, 1 - distances)
