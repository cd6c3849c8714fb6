"""An order of pictures in which every class has its turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def in_rounds(order: NDArray[np.intp], labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Returns the same indices in rounds that take one of every class, in the order of the classes.

    Args:
        order: indices; of one class, those that stand first come first.
        labels: of all pictures.
    """
    own = labels[order]
    rank = np.zeros(len(order), int)  # how many of the same class stand before
    for label in np.unique(own):
        rank[own == label] = np.arange((own == label).sum())
    found: NDArray[np.intp] = order[np.lexsort((own, rank))]
    return found
