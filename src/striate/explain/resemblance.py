"""Which of the pictures that a network learnt from resemble a picture, in the network's own eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError


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
